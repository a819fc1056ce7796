"""Code that must not type-check: each wrong line says which rule of mypy / pyright finds it.

The file is never run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

from flask import Flask

from flask_session_claims import (
    AsyncRequestAuth,
    AsyncVerifier,
    Auth,
    ClaimError,
    ClaimName,
    SessionClaims,
    Verifier,
    VerifierSettings,
    claims_required,
    credentials_from,
    current_auth,
    get_auth,
    login_required,
)

app = Flask(__name__)
settings = VerifierSettings(issuer="https://issuer.example")


@dataclass
class Claims:
    sub: str
    plan: str | None = None


class Keys(TypedDict):
    sub: str


def typed_claims(auth: Auth, settled: AsyncRequestAuth) -> None:
    auth.claims_as("Claims")  # E arg-type / reportArgumentType
    auth.claims_as(Claims("u"))  # E arg-type / reportArgumentType
    auth.claims_as(Claims | None)  # E arg-type / reportArgumentType
    auth.claims_as()  # E call-arg / reportCallIssue
    auth.claims_as(Claims).nick.upper()  # E attr-defined / reportAttributeAccessIssue
    auth.claims_as(Claims).plan.upper()  # E union-attr / reportOptionalMemberAccess
    auth.claims_as(Keys)["plan"]  # E typeddict-item / reportGeneralTypeIssues
    current_auth.claims_as(Claims).sub = 1  # E assignment / reportAttributeAccessIssue
    text: str = get_auth().claims_as(Claims)  # E assignment / reportAssignmentType
    keys: Keys = settled.claims_as(Claims)  # E assignment / reportAssignmentType
    ClaimName(3)  # E arg-type / reportArgumentType
    ClaimError("a", "str").found.upper()  # E union-attr / reportOptionalMemberAccess
    str((text, keys))


def auths(auth: Auth) -> None:
    auth.session_claims["plan"] = "pro"  # E index / reportIndexIssue
    auth.user_id.upper()  # E union-attr / reportOptionalMemberAccess
    auth.user_id = "user_2"  # E misc / reportAttributeAccessIssue
    str(auth.name)  # E attr-defined / reportAttributeAccessIssue
    auth.has("admin")  # E call-arg / reportCallIssue
    auth.has(rol="admin")  # E call-arg / reportCallIssue
    current_auth.has(rol="admin")  # E call-arg / reportCallIssue
    current_auth.has(role=1)  # E arg-type / reportArgumentType
    Auth("user_1")  # E arg-type call-arg / reportCallIssue
    Auth(user=1)  # E call-arg / reportCallIssue
    current_auth.user_id = "user_2"  # E misc / reportAttributeAccessIssue
    current_auth.value.user_id = "user_2"  # E misc / reportAttributeAccessIssue
    get_auth().get_token()  # E attr-defined / reportAttributeAccessIssue


@claims_required("admin")  # E arg-type / reportArgumentType
def positional() -> str:
    return ""


@claims_required(rol="admin")  # E call-arg / reportCallIssue
def misspelt() -> str:
    return ""


@claims_required(predicate=lambda auth: auth.nobody)  # E attr-defined / reportAttributeAccessIssue
def asking() -> str:
    return ""


@login_required(actor=False)  # E call-overload / reportCallIssue
def unknown() -> str:
    return ""


@login_required
def guarded(number: int) -> str:
    return str(number)


guarded("3")  # E arg-type / reportArgumentType
guarded(3).nick()  # E attr-defined / reportAttributeAccessIssue
SessionClaims("app")  # E arg-type / reportArgumentType
SessionClaims(app, clock=3)  # E arg-type / reportArgumentType
Verifier()  # E call-arg / reportCallIssue
Verifier(settings, clock=3)  # E arg-type / reportArgumentType
Verifier(settings).verify(b"token")  # E arg-type / reportArgumentType
credentials_from([b"Bearer x"], [], settings)  # E list-item / reportArgumentType
VerifierSettings("https://issuer.example")  # E call-arg / reportCallIssue
VerifierSettings(isuer="https://issuer.example")  # E call-arg / reportCallIssue
VerifierSettings(leeway="5")  # E arg-type / reportArgumentType


async def unawaited(settled: AsyncRequestAuth) -> None:
    (AsyncVerifier(settings).verify("token"))["sub"]  # E index / reportIndexIssue
    settled.get_token().upper()  # E attr-defined / reportAttributeAccessIssue
