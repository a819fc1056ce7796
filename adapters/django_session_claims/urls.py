"""The issuer's addresses, to be included in a URLconf.

```python
from django_session_claims.urls import well_known

urlpatterns = [path("auth/", include("django_session_claims.urls")), *well_known]
```
"""

from __future__ import annotations

from typing import Final

from django.urls import URLPattern, path

from flask_session_claims.sessions.endpoints import (
    KEY_SET_PATH,
    OPENID_PATH,
    REFRESH_PATH,
    SIGN_OUT_PATH,
)

from .endpoints import key_set, openid_configuration, refresh, sign_out

app_name: Final = "session_claims"

#: Below a prefix of your choice: refresh and sign-out by POST, and the key set.
urlpatterns: Final[list[URLPattern]] = [
    path(REFRESH_PATH.lstrip("/"), refresh, name="refresh"),
    path(SIGN_OUT_PATH.lstrip("/"), sign_out, name="sign-out"),
    path("jwt/jwks.json", key_set, name="key-set"),
]

#: What others look for at the root of the host: the key set and the OpenID configuration.
well_known: Final[list[URLPattern]] = [
    path(KEY_SET_PATH.lstrip("/"), key_set),
    path(OPENID_PATH.lstrip("/"), openid_configuration),
]
