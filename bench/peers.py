"""How each peer is asked to verify one token, as strictly as its own API allows.

Each function gives a callable that takes a token and returns something true, or else refuses with
an exception or something false. Frameworks are not known here.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

from common import ISSUER, PARTY, Signer

Accept = Callable[[str], object]


def pyjwt(key: Any) -> Accept:
    import jwt

    def accept(token: str) -> object:
        return jwt.decode(
            token,
            key,
            algorithms=["RS256"],
            issuer=ISSUER,
            leeway=5,
            options={"require": ["exp", "iss", "sub"]},
        )

    return accept


def pyjwt_client(url: str, **settings: Any) -> Accept:
    import jwt

    client = jwt.PyJWKClient(url, timeout=5, **settings)

    def accept(token: str) -> object:
        key = client.get_signing_key_from_jwt(token)
        return jwt.decode(
            token,
            key,
            algorithms=["RS256"],
            issuer=ISSUER,
            leeway=5,
            options={"require": ["exp", "iss", "sub"]},
        )

    return accept


def joserfc(jwks: Any) -> Accept:
    from joserfc import jwt
    from joserfc.jwk import KeySet
    from joserfc.jws import JWSRegistry

    keys = KeySet.import_key_set(jwks)
    # Clerk's header member `cat` is unknown to it.
    headers = JWSRegistry(algorithms=["RS256"], strict_check_header=False)
    registry = jwt.JWTClaimsRegistry(
        leeway=5,
        exp={"essential": True},
        sub={"essential": True},
        iss={"essential": True, "value": ISSUER},
        azp={"essential": True, "values": [PARTY]},
    )

    def accept(token: str) -> object:
        decoded = jwt.decode(token, keys, registry=headers)
        registry.validate(decoded.claims)
        return decoded.claims

    return accept


def authlib(jwks: Mapping[str, Any]) -> Accept:
    with warnings.catch_warnings(record=True):  # It is deprecated in favour of joserfc.
        from authlib.jose import JsonWebKey, JsonWebToken

    keys = JsonWebKey.import_key_set(jwks)
    decoder = JsonWebToken(["RS256"])
    rules = {
        "exp": {"essential": True},
        "sub": {"essential": True},
        "iss": {"essential": True, "value": ISSUER},
        "azp": {"essential": True, "values": [PARTY]},
    }

    def accept(token: str) -> object:
        found = decoder.decode(token, keys, claims_options=rules)
        found.validate(leeway=5)
        return found

    return accept


def clerk_verify(pem: str) -> Accept:
    from clerk_backend_api.security.types import VerifyTokenOptions
    from clerk_backend_api.security.verifytoken import verify_token

    settings = VerifyTokenOptions(jwt_key=pem, authorized_parties=[PARTY])
    return lambda token: verify_token(token, settings)


def clerk_options(*, pem: str | None = None, base: str | None = None) -> Any:
    """Options for `authenticate_request`: with the key as PEM, or with `base` as Clerk's API."""
    from clerk_backend_api.security.types import AuthenticateRequestOptions, VerifyTokenOptions

    if base:
        # The one change made to it: authenticate_request cannot be told another API address.
        initialise: Any = VerifyTokenOptions.__init__
        initialise.__defaults__ = (*initialise.__defaults__[:-2], base, "v1")
    return AuthenticateRequestOptions(
        jwt_key=pem, secret_key="sk_test_bench" if base else None, authorized_parties=[PARTY]
    )


def clerk_request(settings: Any) -> Accept:
    from clerk_backend_api.security import authenticate_request

    def accept(token: str) -> object:
        request: Any = SimpleNamespace(headers={"Authorization": "Bearer " + token})
        state = authenticate_request(request, settings)
        return state.is_signed_in and state.payload

    return accept


def start_supertokens(base: str, framework: str = "flask") -> None:
    """Runs without its Java core: only the core's key set address is stood in for."""
    from supertokens_python import InputAppInfo, SupertokensConfig, init
    from supertokens_python.recipe import session

    init(
        app_info=InputAppInfo(
            app_name="bench", api_domain="http://localhost", website_domain="http://localhost"
        ),
        supertokens_config=SupertokensConfig(connection_uri=base),
        framework=framework,  # type: ignore[arg-type]
        recipe_list=[session.init(anti_csrf="NONE")],
        telemetry=False,
    )


def supertokens_check() -> Accept:
    from supertokens_python.recipe.session import SessionRecipe
    from supertokens_python.recipe.session.access_token import get_info_from_access_token
    from supertokens_python.recipe.session.jwt import parse_jwt_without_signature_verification

    config = SessionRecipe.get_instance().config

    def accept(token: str) -> object:
        parsed = parse_jwt_without_signature_verification(token)
        return get_info_from_access_token(config, parsed, False)

    return accept


def supertokens_session() -> Accept:
    from supertokens_python.recipe.session.syncio import get_session_without_request_response

    return lambda token: get_session_without_request_response(token)


def start_django(**settings: Any) -> None:
    import django
    from django.conf import settings as configuration

    apps = ["django.contrib.contenttypes", "django.contrib.auth", "django.contrib.sessions"]
    configuration.configure(
        SECRET_KEY="bench" * 12, USE_TZ=True, ALLOWED_HOSTS=["*"], INSTALLED_APPS=apps, **settings
    )
    django.setup()


def simplejwt(pem: str) -> Accept:
    from rest_framework_simplejwt.backends import TokenBackend

    backend: Any = TokenBackend("RS256", verifying_key=pem, issuer=ISSUER, leeway=5)
    return lambda token: backend.decode(token)


def jwt_extended_app(signer: Signer) -> Any:
    """A Flask app with the extension; access tokens come in the cookie or the header."""
    from flask import Flask
    from flask_jwt_extended import JWTManager

    app = Flask("bench")
    app.config.update(
        JWT_ALGORITHM="RS256",
        JWT_PUBLIC_KEY=signer.pem,
        JWT_DECODE_ISSUER=ISSUER,
        JWT_DECODE_LEEWAY=5,
        JWT_TOKEN_LOCATION=["headers", "cookies"],
        JWT_ACCESS_COOKIE_NAME="__session",
        JWT_PRIVATE_KEY=None,
    )
    JWTManager(app)
    return app


def jwt_extended(signer: Signer) -> Accept:
    from flask_jwt_extended import decode_token

    jwt_extended_app(signer).app_context().push()
    return lambda token: decode_token(token)
