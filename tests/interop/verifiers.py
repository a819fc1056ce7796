"""Those who verify: Clerk's SDKs, PyJWT, jose, and this library's own reading side.

Each is a function of a token that gives its claims or raises `Refused`.
"""

from __future__ import annotations

import json
import queue
import shutil
import subprocess
import threading
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, TypeAlias

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from flask_session_claims import TokenError, Verifier, VerifierSettings
from tests.interop.issuer import NAME, PATIENCE, OwnIssuer

HERE = Path(__file__).parent
Verify: TypeAlias = Callable[[str], dict[str, Any]]


class Refused(Exception):
    """A verifier did not take a token; `args[0]` is its reason."""


def why_not(clerk: bool) -> str | None:
    """What is missing to run the verifiers, `clerk`: Clerk's too; None: nothing."""
    if clerk and find_spec("clerk_backend_api") is None:
        return "clerk-backend-api is missing: run `pip install --group interop`"
    if shutil.which("node") is None:
        return "Node.js (20.12 or newer) is missing: install it, then run `npm ci` in tests/interop"
    if not (HERE / "node_modules" / "jose" / "package.json").exists():
        return "npm packages are missing: run `npm ci` in tests/interop"
    return None


def pem(key: dict[str, str]) -> str:
    """A public key of a key set as PEM, as Clerk's SDKs want to have it."""
    public: Any = jwt.PyJWK(key).key
    text: bytes = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return text.decode()


# --- with the key as PEM ------------------------------------------------------------------


def clerk_verify_token(key: str, parties: list[str] | None) -> Verify:
    """`verify_token` of clerk-backend-api."""
    from clerk_backend_api.security.types import TokenVerificationError, VerifyTokenOptions
    from clerk_backend_api.security.verifytoken import verify_token

    settings = VerifyTokenOptions(jwt_key=key, authorized_parties=parties)

    def verify(token: str) -> dict[str, Any]:
        try:
            return verify_token(token, settings)
        except TokenVerificationError as error:
            raise Refused(error.reason.value[0]) from None

    return verify


def clerk_request(key: str, parties: list[str] | None, field: str, before: str) -> Verify:
    """`authenticate_request` of clerk-backend-api, the token after `before` in a header field."""
    from clerk_backend_api.security import authenticate_request
    from clerk_backend_api.security.types import AuthenticateRequestOptions

    settings = AuthenticateRequestOptions(jwt_key=key, authorized_parties=parties)

    class Request:
        def __init__(self, token: str) -> None:
            self.headers = {field: before + token}

    def verify(token: str) -> dict[str, Any]:
        state = authenticate_request(Request(token), settings)
        if state.is_signed_in:
            assert state.payload is not None
            auth: Any = state.to_auth()
            assert (auth.user_id, auth.session_id) == (state.payload["sub"], state.payload["sid"])
            return state.payload
        assert state.reason is not None
        raise Refused(state.reason.value[0])

    return verify


class Npm:
    """The verifiers in `verify.mjs`; `with` starts and ends their process."""

    def __enter__(self) -> Npm:
        self._answers: queue.Queue[str] = queue.Queue()
        self._process = subprocess.Popen(
            ["node", HERE / "verify.mjs"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        threading.Thread(target=self._listen, args=[self._process.stdout], daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        _ = self._process.communicate()

    def clerk(self, key: str, parties: list[str] | None) -> Verify:
        """`verifyToken` of @clerk/backend."""
        return self._verify({"with": "clerk", "jwtKey": key, "authorizedParties": parties})

    def jose(self, issuer: OwnIssuer, algorithm: str) -> Verify:
        """`jwtVerify` of jose, with `createRemoteJWKSet`."""
        url = issuer.key_set_url
        return self._verify({"with": "jose", "url": url, "issuer": NAME, "algorithm": algorithm})

    def _verify(self, order: dict[str, Any]) -> Verify:
        def verify(token: str) -> dict[str, Any]:
            assert self._process.stdin is not None
            _ = self._process.stdin.write(json.dumps({**order, "token": token}) + "\n")
            self._process.stdin.flush()
            try:
                line = self._answers.get(timeout=PATIENCE)
            except queue.Empty:
                line = ""
            if not line:
                pytest.fail("the verifiers from npm do not answer")
            answer: dict[str, Any] = json.loads(line)
            if "claims" not in answer:
                raise Refused(answer["refused"])
            claims: dict[str, Any] = answer["claims"]
            return claims

        return verify

    def _listen(self, lines: IO[str]) -> None:
        for line in lines:
            self._answers.put(line)
        self._answers.put("")


# --- with the key set ---------------------------------------------------------------------


def pyjwt(issuer: OwnIssuer, algorithm: str) -> Verify:
    """PyJWT with its `PyJWKClient`, without a pause after a fetch."""
    client = jwt.PyJWKClient(issuer.key_set_url)
    client.cooldown_duration = 0  # older ones have none

    def verify(token: str) -> dict[str, Any]:
        try:
            key = client.get_signing_key_from_jwt(token)
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                issuer=NAME,
                options={"require": ["exp", "iat", "nbf", "iss", "sub", "jti"]},
            )
        except jwt.PyJWTError as error:
            raise Refused(type(error).__name__) from None
        return claims

    return verify


def ours(issuer: OwnIssuer, algorithm: str) -> Verify:
    """This library in an app of somebody else's."""
    settings = VerifierSettings(
        issuer=NAME,
        jwks_url=issuer.key_set_url,
        algorithms=[algorithm],
        allow_loopback_http=True,
    )
    verifier = Verifier(settings)

    def verify(token: str) -> dict[str, Any]:
        try:
            return dict(verifier.verify(token))
        except TokenError as error:
            raise Refused(error.code) from None

    return verify
