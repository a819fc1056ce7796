"""Found by Django where `django_session_claims` is in `INSTALLED_APPS`."""
