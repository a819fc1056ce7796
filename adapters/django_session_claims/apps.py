"""The app for `INSTALLED_APPS`: it registers the system checks. The middleware works without it."""

from __future__ import annotations

from django.apps import AppConfig


class SessionClaimsConfig(AppConfig):
    """`INSTALLED_APPS = [..., "django_session_claims"]`."""

    name = "django_session_claims"
    label = "session_claims"
    verbose_name = "Session claims"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from .checks import register_checks

        register_checks()
