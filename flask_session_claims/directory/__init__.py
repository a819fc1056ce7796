"""Users, organisations and memberships that the library keeps itself."""
