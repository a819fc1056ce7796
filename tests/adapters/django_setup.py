"""One Django for the whole test process: settings can be configured once, then only overridden.

Call `setup()` before importing anything of Django that needs settings; per test, use Django's
`override_settings(SESSION_CLAIMS=..., ROOT_URLCONF=urlconf(...), ...)`.
"""

from __future__ import annotations

from typing import Any

#: The URLconf of who does not override it: no addresses at all.
urlpatterns: list[Any] = []

MIDDLEWARE = ["django_session_claims.middleware.SessionClaimsMiddleware"]


def setup() -> None:
    """Configure Django once; later calls do nothing."""
    import django
    from django.conf import settings

    if settings.configured:
        return
    settings.configure(
        ALLOWED_HOSTS=["*"],
        DATABASES={},
        INSTALLED_APPS=["django_session_claims"],
        LOGGING_CONFIG=None,  # the process's logging belongs to the tests
        MIDDLEWARE=MIDDLEWARE,
        ROOT_URLCONF=__name__,
        SECRET_KEY="tests only " * 5,
        SESSION_CLAIMS={},
        USE_TZ=True,
    )
    django.setup()
    _mend_header_names()


def _mend_header_names() -> None:
    """The async test client of Django 5.2.0 writes `sec_fetch_site` for `Sec-Fetch-Site`."""
    from django.http.request import HttpHeaders

    plain: Any = HttpHeaders.to_asgi_names
    if "_" in next(iter(plain({"a-b": ""}))):
        mended = lambda headers: {name.replace("_", "-"): v for name, v in plain(headers).items()}  # noqa: E731
        HttpHeaders.to_asgi_names = staticmethod(mended)  # type: ignore[method-assign, assignment]


def urlconf(*patterns: Any, **names: Any) -> Any:
    """A value for `ROOT_URLCONF`: the patterns, and names such as `handler404=`."""
    return type("urlconf", (), {"urlpatterns": list(patterns), **names})
