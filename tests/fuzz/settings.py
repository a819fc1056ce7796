"""Target `settings`: any mapping as configuration, as text (an environment) or as values.

Only ConfigurationError comes out, it names the key and no secret, and what is taken is within
its bounds, frozen, and the same when read again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from flask_session_claims import ConfigurationError, VerifierSettings
from flask_session_claims.core.asks import KeyRequest
from flask_session_claims.core.keyset import KeySet
from flask_session_claims.core.schema import is_loopback, origin_of, setting_fields
from flask_session_claims.core.settings import GateSettings
from flask_session_claims.sessions.settings import IssuingSettings
from tests.fuzz.inputs import Target, fields_of, flags_of, joined, text_of
from tests.fuzz.keysets import filled

PREFIX = "SESSION_CLAIMS_"
SECRETS = ("CLERK_SECRET_KEY", PREFIX + "CLERK_SECRET_KEY", PREFIX + "CLERK_PUBLISHABLE_KEY")
#: What only a program can put into a configuration.
OBJECTS: Mapping[str, object] = {
    "object()": object(), "nan": float("nan"), "inf": float("inf"), "()": (), "set()": set(),
    "bytes": b"\xff", "tuple": ("https://a.example",), "big": 10**400, "type": str, "1j": 1j,
    "set": {"RS256"}, "list": [object()], "[[]]": [[[]]],
}  # fmt: skip


def value_of(text: str) -> object:
    """JSON where it is written with a leading `=`, an object by its name, else the text."""
    if not text.startswith("="):
        return text
    if text[1:] in OBJECTS:
        return OBJECTS[text[1:]]
    try:
        return json.loads(text[1:])
    except (ValueError, RecursionError):
        return text[1:]


def mapping_of(data: bytes) -> dict[str, object]:
    """`KEY:value` lines; `.KEY` stands for a key of our prefix."""
    mapping: dict[str, object] = {}
    for line in filled(data).split(b"\xff"):
        name, _, value = text_of(line).partition(":")
        mapping[PREFIX + name[1:] if name.startswith(".") else name] = value_of(value)
    return mapping


def check(data: bytes) -> None:
    flags, rest = fields_of(data, 2)
    fallbacks_too = flags_of(flags, 1)[0] % 2
    mapping = mapping_of(rest)
    extra: dict[str, Any] = {
        "also": [GateSettings],
        "fallbacks": mapping if fallbacks_too else None,
    }
    made = _read(lambda: VerifierSettings.from_mapping(mapping, **extra), mapping)
    if made is not None:
        _check_verifier(made, mapping)
        again = VerifierSettings.from_mapping(mapping, **extra)
        assert again == made or "nan" in repr(made)
        assert repr(again) == repr(made)
    issuing = _read(
        lambda: IssuingSettings.from_mapping(mapping, also=[GateSettings, VerifierSettings]),
        mapping,
    )
    if issuing is not None:
        assert 5 <= issuing.session_token_lifetime <= 3600
        assert issuing.idle_lifetime <= issuing.absolute_lifetime
        assert 0 <= issuing.refresh_grace <= 60
        assert issuing.refresh_mode in ("inline", "endpoint")
        assert issuing.signing_key is None or issuing.issuer_url is not None
        _ = issuing.limits
    also = [VerifierSettings, IssuingSettings]
    gates = _read(lambda: GateSettings.from_mapping(mapping, also=also), mapping)
    if gates is not None:
        assert gates.default_policy in ("public", "optional", "required")
        assert isinstance(gates.require_issuer, bool)
        for name in (gates.redirect_param, gates.sign_in_url or "x"):
            assert name.isprintable()
            assert name.strip()


def _read(read: Callable[[], Any], mapping: Mapping[str, object]) -> Any:
    try:
        return read()
    except ConfigurationError as error:
        shown = str(error)
        assert "\n" not in shown or any("\n" in key for key in mapping)
        name = shown.split(":", 1)[0]
        assert name, "an error begins with the name of the setting"
        for key in SECRETS:
            secret = mapping.get(key)
            if isinstance(secret, str) and len(secret) > 20:
                # A name, or another value, may be quoted, and the fuzzer writes the same there.
                others = [str(value) for other, value in mapping.items() if other != key]
                assert secret not in shown or any(secret in text for text in (*mapping, *others))
        return None


def _check_verifier(made: VerifierSettings, mapping: Mapping[str, object]) -> None:
    assert isinstance(made.issuer, str)
    assert made.issuer.strip()
    assert made.algorithms
    assert set(made.algorithms) <= {"RS256", "ES256", "EdDSA"}
    assert 0 <= made.leeway <= 60
    assert 256 <= made.max_token_length <= 65_536
    assert 0 <= made.token_cache_size <= 1_000_000
    assert 0.1 <= made.jwks_timeout <= 60
    assert 0 <= made.jwks_stale_if_error <= 86_400
    assert made.token_sources
    assert set(made.token_sources) <= {"header", "cookie"}
    assert made.token_use == "session" or (made.token_use == "access" and made.audience)
    for flag in (made.allow_missing_azp, made.strict_audience, made.accept_pending):
        assert isinstance(flag, bool)
    assert all(origin_of(origin) == origin for origin in made.origins or ())
    assert (made.parties is None) == (made.authorized_parties is None and made.origins is None)
    source = made.key_source
    if isinstance(source, KeyRequest):
        address = urlsplit(source.url)
        plain = address.scheme == "http" and is_loopback(address.hostname or "")
        assert address.scheme == "https" or (plain and made.allow_loopback_http)
        assert address.username is None
        assert address.hostname
    else:
        assert isinstance(source, KeySet)
        assert bool(len(source)) is not made.is_self
    for key in SECRETS[:2]:
        secret = mapping.get(key)
        if isinstance(secret, str) and len(secret) > 20:
            others = [str(value) for other, value in mapping.items() if other not in SECRETS]
            assert secret not in repr(made) or any(secret in other for other in others)


def _line(name: str, value: str) -> str:
    return f".{name.upper()}:{value}"


def seeds() -> Iterable[bytes]:
    issuer = ".ISSUER:https://issuer.example"
    samples = (
        "", "x", "=1", "=true", "=null", "=[]", '=["https://a.example"]', "=0.5", "=-1", "=1e999",
        "=nan", "=object()", "=bytes", "=set()", "https://a.example", '["https://a.example"]',
        "yes",
        "=big", "http://localhost:1/x", "http://a.example", "https://u:p@a.example/#f",
    )  # fmt: skip
    for group in (VerifierSettings, GateSettings):
        for entry in setting_fields(group):
            for value in samples:
                yield joined("0", issuer, _line(entry.name, value))
            if entry.metadata["fallback"]:
                yield joined("1", f"{entry.metadata['fallback']}:x")
    jwk = '{"kty":"OKP","crv":"Ed25519","x":"$ED_X"}'
    yield joined("0", issuer, f".JWKS:{jwk}")
    yield joined("0", issuer, f".JWKS:={jwk}")
    yield joined("0", issuer, f".JWT_KEY:=[{jwk}]", ".ALGORITHMS:RS256")
    yield joined("0", issuer, ".TOKEN_USE:access", ".AUDIENCE:api", ".ORIGINS:=[1]")
    yield joined("0", "CLERK_PUBLISHABLE_KEY:pk_live_Y2xlcmsuY2xlcmsuZGV2JA")
    yield joined("1", "CLERK_SECRET_KEY:sk_test_" + "Vb3" * 14, issuer)
    yield joined("1", ".CLERK_SECRET_KEY:no_" + "Vb3" * 14, issuer)
    yield joined("1", ".ISSUER:clerk", "CLERK_PUBLISHABLE_KEY:pk_test_Y2xlcmsuY2xlcmsuZGV2JA")
    yield joined("0", issuer, ".ISUER:x", "OTHER:y")


WORDS = (
    *(f".{e.name.upper()}:" for g in (VerifierSettings, GateSettings) for e in setting_fields(g)),
    "https://", "http://localhost", "http://[::1]", "=[", "=true", "=1e3", '["RS256"]', "sk_test_",
    "pk_live_Y2xlcmsuY2xlcmsuZGV2JA", "clerk", "access", "header", "=object()", "=bytes", "\u2028",
)  # fmt: skip
TARGET = Target(check, seeds, WORDS)
