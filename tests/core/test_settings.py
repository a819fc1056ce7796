"""Every configuration mistake stops the start and says which key, what it got, what to write.

Each row goes through `from_mapping` and through Flask's start-up; below it are the spellings
that are taken. No network here.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from flask_session_claims import ConfigurationError, Verifier, VerifierSettings
from flask_session_claims.core.asks import KeyRequest
from flask_session_claims.core.keyset import KeySet
from flask_session_claims.core.schema import TEXT, SettingsGroup, choice, setting
from flask_session_claims.core.settings import GateSettings
from flask_session_claims.io.appsettings import settings_from
from flask_session_claims.testing import LocalIssuer, shared_key
from flask_session_claims.testing.keys import SigningKey

PREFIX = "SESSION_CLAIMS_"
ISSUER = "https://issuer.example"
APP = "https://app.example"
SIGNING = SigningKey(shared_key("ES256"), "first")
OTHER = SigningKey(shared_key("ES256", 1), "second")
PEM = SIGNING.public_pem()
JWK = SIGNING.public_jwk()
PRIVATE_PEM = SIGNING.private_pem()
PRIVATE_BODY = PRIVATE_PEM.splitlines()[1]
PRIVATE_D = base64.urlsafe_b64encode(
    shared_key("ES256").private_numbers().private_value.to_bytes(32, "big")
).decode()
SYMMETRIC = base64.urlsafe_b64encode(bytes(range(32))).decode()
PK_LIVE = "pk_live_Y2xlcmsuY2xlcmsuZGV2JA"
PK_TEST = "pk_test_Y2xlcmsuY2xlcmsuZGV2JA"
SECRET = "sk_test_" + "Zq9" * 14
PASSWORD = "open-sesame-4711"


def pem_of(public: Any) -> str:
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def certificate() -> str:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "issuer.example")])
    day = datetime.datetime(2026, 1, 1)
    private = shared_key("ES256")
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(1)
        .not_valid_before(day)
        .not_valid_after(day + datetime.timedelta(days=9))
    )
    return builder.sign(private, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


RSA_1024 = pem_of(rsa.generate_private_key(65537, 1024).public_key())  # noqa: S505
P_384 = pem_of(ec.generate_private_key(ec.SECP384R1()).public_key())
CUT_OFF = PEM[:90]
CUT_INSIDE = (
    "-----BEGIN PUBLIC KEY-----\n" + PEM.splitlines()[1][:40] + "\n-----END PUBLIC KEY-----\n"
)


class Row(NamedTuple):
    id: str
    #: Without prefix.
    config: Mapping[str, Any]
    key: str
    got: str
    write: str
    secrets: tuple[str, ...] = ()
    group: type[SettingsGroup] = VerifierSettings


def given(**changes: Any) -> dict[str, Any]:
    """A good configuration with given keys, and the row's changes."""
    config = {"ISSUER": ISSUER, "JWKS": {"keys": [JWK]}, **changes}
    return {name: value for name, value in config.items() if value is not None}


def keyed(value: Any) -> dict[str, Any]:
    return {"ISSUER": ISSUER, "JWT_KEY": value}


def jwks(*entries: Any) -> dict[str, Any]:
    return {"ISSUER": ISSUER, "JWKS": {"keys": list(entries)}}


ROWS = [
    # keys nobody knows
    Row("unknown", given(ISUER=ISSUER), "ISUER", "no such setting", f"mean {PREFIX}ISSUER?"),
    Row("unknown-case", given(leeway=3), "leeway", "no such setting", f"mean {PREFIX}LEEWAY?"),
    Row("unknown-plural", given(ALGORITHM=["ES256"]), "ALGORITHM", "no such", "ALGORITHMS?"),
    Row("unknown-far", given(XYZZY=1), "XYZZY", "no such setting", f"known are {PREFIX}ISSUER"),
    Row("unknown-secret", given(CLERK_SECRET=SECRET), "CLERK_SECRET", "no such", "SECRET_KEY?"),
    # key material
    Row("pem-private", keyed(PRIVATE_PEM), "JWT_KEY", "PRIVATE", "public", (PRIVATE_BODY,)),
    Row("pem-certificate", keyed(certificate()), "JWT_KEY", "'CERTIFICATE'", "PUBLIC KEY"),
    Row("pem-cut-off", keyed(CUT_OFF), "JWT_KEY", "no -----BEGIN PUBLIC KEY-----", "Write"),
    Row("pem-cut-inside", keyed(CUT_INSIDE), "JWT_KEY", "no key that can be read", "Write"),
    Row("pem-not", keyed("hello"), "JWT_KEY", "no -----BEGIN PUBLIC KEY----- block", "Write"),
    Row("pem-rsa-1024", keyed(RSA_1024), "JWT_KEY", "RSA keys need 2048", "Write"),
    Row("pem-p384", keyed(P_384), "JWT_KEY", "elliptic curve", "P-256"),
    Row("pem-list-empty", keyed([]), "JWT_KEY", "empty list", "give at least one key"),
    Row("pem-number", keyed(7), "JWT_KEY", "got int", "give PEM text, a JWK or a JWKS"),
    Row(
        "pem-public-and-private",
        keyed([PEM, PRIVATE_PEM]),
        "JWT_KEY",
        "PRIVATE",
        "public",
        (PRIVATE_BODY,),
    ),
    Row("jwks-address", given(JWKS=ISSUER + "/jwks"), "JWKS", "got an address", "into JWKS_URL"),
    Row("jwks-not-json", given(JWKS='{"keys": ['), "JWKS", "not valid JSON", "give a JWK"),
    Row("jwks-empty", jwks(), "JWKS", "holds no key", "Give public RSA"),
    Row("jwks-no-list", given(JWKS={"keys": {}}), "JWKS", "no list 'keys'", "Give public RSA"),
    Row(
        "jwks-symmetric",
        jwks(JWK, {"kty": "oct", "k": SYMMETRIC}),
        "JWKS",
        "entry 2: a private or symmetric key",
        "Give public RSA",
        (SYMMETRIC,),
    ),
    Row(
        "jwks-private",
        jwks({**JWK, "d": PRIVATE_D}, OTHER.public_jwk()),
        "JWKS",
        "entry 1: a private or symmetric key",
        "Give public RSA",
        (PRIVATE_D,),
    ),
    Row("jwks-malformed", jwks(JWK, {"kty": "EC"}), "JWKS", "entry 2: ", "P-256"),
    Row("jwks-not-object", jwks(JWK, "x"), "JWKS", "entry 2 is no JSON object", "Give public"),
    Row("jwks-off-curve", jwks({**JWK, "y": JWK["x"]}), "JWKS", "entry 1: ", "Give public"),
    Row(
        "jwks-kid-twice",
        jwks(JWK, {**OTHER.public_jwk(), "kid": JWK["kid"]}),
        "JWKS",
        "two keys have the same kid",
        "give each kid once",
    ),
    Row("jwks-and-jwt-key", given(JWT_KEY=PEM), "JWKS", f"with {PREFIX}JWT_KEY", "keep one"),
    Row(
        "jwks-url-and-jwks",
        given(JWKS_URL=ISSUER + "/jwks"),
        "JWKS_URL",
        f"together with {PREFIX}JWKS",
        "keep one",
    ),
    Row(
        "jwks-url-and-jwt-key",
        {**keyed(PEM), "JWKS_URL": ISSUER + "/jwks"},
        "JWKS_URL",
        f"together with {PREFIX}JWT_KEY",
        "keep one",
    ),
    # addresses
    Row(
        "jwks-url-http",
        {"ISSUER": ISSUER, "JWKS_URL": "http://issuer.example/jwks"},
        "JWKS_URL",
        "'http://issuer.example/jwks'",
        "https://",
    ),
    Row(
        "jwks-url-loopback",
        {"ISSUER": ISSUER, "JWKS_URL": "http://127.0.0.1:8000/jwks"},
        "JWKS_URL",
        "'http://127.0.0.1:8000/jwks'",
        f"{PREFIX}ALLOW_LOOPBACK_HTTP = True",
    ),
    Row(
        "jwks-url-http-despite-switch",
        {"ISSUER": ISSUER, "JWKS_URL": "http://10.0.0.1/jwks", "ALLOW_LOOPBACK_HTTP": True},
        "JWKS_URL",
        "'http://10.0.0.1/jwks'",
        "https://",
    ),
    Row(
        "jwks-url-relative",
        {"ISSUER": ISSUER, "JWKS_URL": "/jwks.json"},
        "JWKS_URL",
        "'/jwks.json'",
        "https://",
    ),
    Row(
        "jwks-url-file",
        {"ISSUER": ISSUER, "JWKS_URL": "file:///etc/jwks.json"},
        "JWKS_URL",
        "'file:///etc/jwks.json'",
        "https://",
    ),
    Row(
        "jwks-url-password",
        {"ISSUER": ISSUER, "JWKS_URL": f"https://me:{PASSWORD}@issuer.example/jwks"},
        "JWKS_URL",
        "got ",
        "without user name and password",
        (PASSWORD,),
    ),
    Row(
        "jwks-url-password-with-an-at",
        {"ISSUER": ISSUER, "JWKS_URL": f"https://me:a@{PASSWORD}@issuer.example/jwks"},
        "JWKS_URL",
        "got 'https://…@issuer.example/jwks'",
        "without user name and password",
        (PASSWORD,),
    ),
    Row(
        "issuer-http",
        {"ISSUER": "http://issuer.example"},
        "ISSUER",
        "'http://issuer.example'",
        "https://",
    ),
    Row(
        "issuer-loopback",
        {"ISSUER": "http://localhost:8000"},
        "ISSUER",
        "'http://localhost:8000'",
        f"{PREFIX}ALLOW_LOOPBACK_HTTP = True",
    ),
    Row(
        "issuer-name",
        {"ISSUER": "acme"},
        "JWKS_URL",
        f"{PREFIX}ISSUER is 'acme', no https",
        "write",
    ),
    Row("self-with-key", {"ISSUER": "self", "JWT_KEY": PEM}, "JWT_KEY", '"self"', "keep one"),
    Row(
        "self-access",
        {"ISSUER": "self", "TOKEN_USE": "access", "AUDIENCE": "api"},
        "TOKEN_USE",
        '"access"',
        "leave it out",
    ),
    Row("issuer-unset-with-key", {"JWT_KEY": PEM}, "ISSUER", "cannot be told", "write the iss"),
    Row("issuer-empty", {"ISSUER": ""}, "ISSUER", "got ''", "write a string"),
    Row("issuer-list", {"ISSUER": [ISSUER]}, "ISSUER", f"got ['{ISSUER}']", "write a string"),
    # Clerk's keys
    Row("clerk-no-key", {"ISSUER": "clerk"}, "ISSUER", "clerk, without a key", "PUBLISHABLE_KEY"),
    Row(
        "clerk-publishable-cut",
        {"CLERK_PUBLISHABLE_KEY": "pk_live_Y2xlcmsu"},
        "CLERK_PUBLISHABLE_KEY",
        "names no host",
        "copy it from",
    ),
    Row(
        "clerk-publishable-not",
        {"CLERK_PUBLISHABLE_KEY": "clerk.example"},
        "CLERK_PUBLISHABLE_KEY",
        "pk_live_ or pk_test_",
        "copy it from",
    ),
    Row(
        "clerk-publishable-is-secret",
        {"CLERK_PUBLISHABLE_KEY": SECRET},
        "CLERK_PUBLISHABLE_KEY",
        "pk_live_ or pk_test_",
        "copy it from",
        (SECRET,),
    ),
    Row(
        "clerk-secret-is-publishable",
        {"ISSUER": ISSUER, "CLERK_SECRET_KEY": PK_LIVE},
        "CLERK_SECRET_KEY",
        "not shown",
        "begin with sk_",
        (PK_LIVE,),
    ),
    Row(
        "clerk-both-are-publishable",
        {"CLERK_PUBLISHABLE_KEY": PK_LIVE, "CLERK_SECRET_KEY": PK_LIVE},
        "CLERK_SECRET_KEY",
        "not shown",
        "begin with sk_",
        (PK_LIVE,),
    ),
    Row(
        "clerk-swapped",
        {"CLERK_PUBLISHABLE_KEY": SECRET, "CLERK_SECRET_KEY": PK_LIVE},
        "CLERK_PUBLISHABLE_KEY",
        "pk_live_ or pk_test_",
        "copy it from",
        (SECRET,),
    ),
    Row(
        "clerk-swapped-with-line-end",
        {"CLERK_PUBLISHABLE_KEY": SECRET + "\n", "CLERK_SECRET_KEY": PK_LIVE + "\n"},
        "CLERK_PUBLISHABLE_KEY",
        "got ",
        "write a string",
        (SECRET,),
    ),
    Row(
        "clerk-secret-control-character",
        {"ISSUER": ISSUER, "CLERK_SECRET_KEY": SECRET + "\n"},
        "CLERK_SECRET_KEY",
        "got a secret",
        "no control characters",
        (SECRET,),
    ),
    Row(
        "clerk-api-http",
        {"ISSUER": ISSUER, "CLERK_SECRET_KEY": SECRET, "CLERK_API_URL": "http://api.example"},
        "CLERK_API_URL",
        "'http://api.example",
        "https://",
        (SECRET,),
    ),
    # parties, origins, audience
    Row(
        "parties-empty",
        given(AUTHORIZED_PARTIES=[]),
        "AUTHORIZED_PARTIES",
        "got []",
        "at least one party",
    ),
    Row(
        "parties-text",
        given(AUTHORIZED_PARTIES=APP),
        "AUTHORIZED_PARTIES",
        f"got '{APP}'",
        "write a list of parties: [",
    ),
    Row(
        "parties-path",
        given(AUTHORIZED_PARTIES=[APP + "/"]),
        "AUTHORIZED_PARTIES",
        f"got ['{APP}/']",
        f"'{APP}'",
    ),
    Row(
        "parties-number",
        given(AUTHORIZED_PARTIES=[APP, 5]),
        "AUTHORIZED_PARTIES",
        "5]",
        "write a string",
    ),
    Row("origins-path", given(ORIGINS=[APP + "/home"]), "ORIGINS", APP + "/home", f'"{APP}"'),
    Row("origins-host", given(ORIGINS=["app.example"]), "ORIGINS", "'app.example'", "scheme"),
    Row("origins-case", given(ORIGINS=["https://App.example"]), "ORIGINS", "App.", f'"{APP}"'),
    Row(
        "origins-alphabet",
        given(ORIGINS=["https://bücher.example"]),
        "ORIGINS",
        "'https://bücher.example'",
        '"https://xn--bcher-kva.example"',
    ),
    Row(
        "origins-alphabet-port",
        given(ORIGINS=["https://bücher.example:8443"]),
        "ORIGINS",
        "bücher",
        '"https://xn--bcher-kva.example:8443"',
    ),
    Row(
        "origins-alphabet-eszett",
        given(ORIGINS=["https://straße.example"]),
        "ORIGINS",
        "straße",
        '"https://xn--…"',
    ),
    Row(
        "origins-alphabet-wrong",
        given(ORIGINS=["https://ü..example"]),
        "ORIGINS",
        "ü..example",
        '"https://xn--…"',
    ),
    Row("origins-star", given(ORIGINS=["*"]), "ORIGINS", "'*'", "https://app.example.com"),
    Row(
        "origins-text", given(ORIGINS=APP), "ORIGINS", f"got '{APP}'", "write a list of origins: ["
    ),
    Row("origins-empty", given(ORIGINS=[]), "ORIGINS", "got []", "at least one origin"),
    Row("audience-empty", given(AUDIENCE=[]), "AUDIENCE", "got []", "at least one audience"),
    Row("audience-blank", given(AUDIENCE=" "), "AUDIENCE", "got ' '", "not empty"),
    Row("access-no-audience", given(TOKEN_USE="access"), "AUDIENCE", "is unset", "name the aud"),
    # algorithms
    Row("algorithms-hs", given(ALGORITHMS=["ES256", "HS256"]), "ALGORITHMS", "HS256", '"RS256"'),
    Row("algorithms-none", given(ALGORITHMS=["none"]), "ALGORITHMS", "['none']", '"RS256"'),
    Row("algorithms-text", given(ALGORITHMS="ES256"), "ALGORITHMS", "'ES256'", "write a list"),
    Row("algorithms-empty", given(ALGORITHMS=[]), "ALGORITHMS", "got []", "at least one name"),
    Row("algorithms-other", given(ALGORITHMS=["RS256"]), "ALGORITHMS", "['RS256']", "['ES256']"),
    # numbers
    Row("leeway-negative", given(LEEWAY=-1), "LEEWAY", "got -1", "from 0 to 60 (seconds)"),
    Row("leeway-large", given(LEEWAY=61), "LEEWAY", "got 61", "from 0 to 60 (seconds)"),
    Row("leeway-word", given(LEEWAY="abc"), "LEEWAY", "got 'abc'", "write a number from 0"),
    Row("leeway-flag", given(LEEWAY=True), "LEEWAY", "got True", "write a number from 0"),
    Row("leeway-nan", given(LEEWAY=float("nan")), "LEEWAY", "got nan", "write a number from 0"),
    Row("length-zero", given(MAX_TOKEN_LENGTH=0), "MAX_TOKEN_LENGTH", "got 0", "from 256 to"),
    Row("length-half", given(MAX_TOKEN_LENGTH=999.5), "MAX_TOKEN_LENGTH", "999.5", "whole number"),
    Row("cache-negative", given(TOKEN_CACHE_SIZE=-1), "TOKEN_CACHE_SIZE", "got -1", "from 0 to"),
    Row("timeout-zero", given(JWKS_TIMEOUT=0), "JWKS_TIMEOUT", "got 0", "from 0.1 to 60"),
    Row("stale-long", given(JWKS_STALE_IF_ERROR=1e9), "JWKS_STALE_IF_ERROR", "1000000000", "from"),
    # words
    Row("cookie-space", given(COOKIE_NAME="my cookie"), "COOKIE_NAME", "'my cookie'", "__session"),
    Row("cookie-equals", given(COOKIE_NAME="a=b"), "COOKIE_NAME", "'a=b'", "__session"),
    Row("use-typo", given(TOKEN_USE="acces"), "TOKEN_USE", "'acces'", '"session" or "access"'),
    Row("sources-typo", given(TOKEN_SOURCES=["headers"]), "TOKEN_SOURCES", "headers", '"header"'),
    Row("sources-empty", given(TOKEN_SOURCES=[]), "TOKEN_SOURCES", "got []", "at least one"),
    Row(
        "flag-typo",
        given(ALLOW_MISSING_AZP="ture"),
        "ALLOW_MISSING_AZP",
        "'ture'",
        "write True or False",
    ),
    Row("flag-number", given(STRICT_AUDIENCE=2), "STRICT_AUDIENCE", "got 2", "write True or False"),
    Row(
        "policy-typo",
        given(DEFAULT_POLICY="requierd"),
        "DEFAULT_POLICY",
        "'requierd'",
        '"required"',
        group=GateSettings,
    ),
    Row(
        "gate-flag-typo",
        given(REQUIRE_ISSUER="ja"),
        "REQUIRE_ISSUER",
        "'ja'",
        "write True or False",
        group=GateSettings,
    ),
    Row(
        "sign-in-list",
        given(SIGN_IN_URL=["/in"]),
        "SIGN_IN_URL",
        "['/in']",
        "write a string",
        group=GateSettings,
    ),
]


@pytest.fixture(autouse=True)
def no_clerk_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PUBLISHABLE_KEY", "SECRET_KEY", "JWT_KEY", "API_URL"):
        monkeypatch.delenv("CLERK_" + name, raising=False)


def prefixed(config: Mapping[str, Any]) -> dict[str, Any]:
    return {PREFIX + name: value for name, value in config.items()}


def read(**config: Any) -> VerifierSettings:
    return VerifierSettings.from_mapping(prefixed(config))


def flask_app(config: Mapping[str, Any]) -> Any:
    flask = pytest.importorskip("flask")
    app = flask.Flask("settings")
    app.config.update(config)
    return app


def start(app: Any, **overrides: Any) -> VerifierSettings:
    from flask_session_claims import SessionClaims

    SessionClaims(app, **overrides)
    return app.extensions["session_claims"].settings


def check_message(row: Row, message: str) -> None:
    assert PREFIX + row.key in message.split(": ")[0]
    assert row.got in message
    assert row.write in message
    shown = [number for number, secret in enumerate(row.secrets) if secret[:24] in message]
    assert not shown, "the message quotes a secret"


def test_the_table_is_large_enough() -> None:
    assert len({row.id for row in ROWS}) == len(ROWS) >= 35


@pytest.mark.parametrize("row", ROWS, ids=[row.id for row in ROWS])
def test_mistake_in_a_mapping(row: Row) -> None:
    with pytest.raises(ConfigurationError) as caught:
        row.group.from_mapping(prefixed(row.config), also=(VerifierSettings,))
    check_message(row, str(caught.value))
    assert caught.value.message == str(caught.value)


@pytest.mark.parametrize("row", ROWS, ids=[row.id for row in ROWS])
def test_mistake_at_flask_start_up(row: Row) -> None:
    app = flask_app(prefixed(row.config))
    with pytest.raises(ConfigurationError) as caught:
        start(app)
    check_message(row, str(caught.value))
    assert "session_claims" not in app.extensions


def test_required_issuer_must_be_written() -> None:
    config = prefixed({"REQUIRE_ISSUER": True, "CLERK_PUBLISHABLE_KEY": PK_LIVE})
    message = rf"^{PREFIX}ISSUER: is unset, and {PREFIX}REQUIRE_ISSUER is on; write"
    with pytest.raises(ConfigurationError, match=message):
        settings_from(config, {}, environ={})
    _, settings, _ = settings_from({**config, PREFIX + "ISSUER": "clerk"}, {}, environ={})
    assert settings.issuer == "https://clerk.clerk.dev"
    with pytest.raises(ConfigurationError, match=message):
        start(flask_app(config))


def test_keywords_are_named_as_they_are_written() -> None:
    with pytest.raises(ConfigurationError, match=r"^leeway: got -1; write a number from 0 to 60"):
        VerifierSettings(issuer=ISSUER, leeway=-1)
    with pytest.raises(ConfigurationError, match=r"^jwks_url: got .*; .* allow_loopback_http = "):
        VerifierSettings(issuer=ISSUER, jwks_url="http://localhost/jwks")


def test_overrides_in_code_win_and_are_checked() -> None:
    app = flask_app(prefixed(given(LEEWAY=1)))
    with pytest.raises(ConfigurationError, match=rf"^{PREFIX}LEWAY: .* mean {PREFIX}LEEWAY\?"):
        start(app, leway=2)
    assert start(app, leeway=2).leeway == 2


def test_another_prefix() -> None:
    settings = VerifierSettings.from_mapping({"A_ISSUER": ISSUER, "SESSION_CLAIMS_X": 1}, "A_")
    assert settings.issuer == ISSUER
    with pytest.raises(ConfigurationError, match=r"^A_LEEWAY: "):
        VerifierSettings.from_mapping({"A_ISSUER": ISSUER, "A_LEEWAY": 99}, "A_")


# --- what is taken ------------------------------------------------------------------------


def accepts(settings: VerifierSettings) -> bool:
    """Whether a token of the first key is taken."""
    issuer = LocalIssuer(ISSUER, kid="first", key=shared_key("ES256"))
    return Verifier(settings).verify(issuer.mint(sub="user_9"))["sub"] == "user_9"


SPELLINGS = {
    "as-is": PEM,
    "bytes": PEM.encode(),
    "literal-n": PEM.replace("\n", "\\n"),
    "literal-r-n": PEM.replace("\n", "\\r\\n"),
    "crlf": PEM.replace("\n", "\r\n"),
    "no-end-newline": PEM.rstrip("\n"),
    "blanks-around": f"\n  {PEM}\n ",
    "list": [PEM],
    "jwk": JWK,
    "jwk-text": json.dumps(JWK),
    "jwks-text": json.dumps({"keys": [JWK]}),
    "list-of-kinds": [JWK, OTHER.public_pem()],
}


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS.keys())
def test_spellings_of_a_key(spelling: Any) -> None:
    settings = read(**keyed(spelling))
    assert isinstance(settings.key_source, KeySet)
    assert accepts(settings)


def test_values_as_texts() -> None:
    settings = read(
        ISSUER=ISSUER,
        JWKS=json.dumps({"keys": [JWK]}),
        LEEWAY="7.5",
        TOKEN_CACHE_SIZE="0",
        ALGORITHMS='["ES256", "RS256"]',
        AUTHORIZED_PARTIES=f'["{APP}"]',
        AUDIENCE="api",
        ALLOW_MISSING_AZP="on",
        ACCEPT_PENDING="FALSE",
        STRICT_AUDIENCE="1",
    )
    assert (settings.leeway, settings.token_cache_size) == (7.5, 0)
    assert settings.algorithms == ("ES256", "RS256")
    assert (settings.parties, settings.audience) == ({APP}, ("api",))
    flags = (settings.allow_missing_azp, settings.accept_pending, settings.strict_audience)
    assert flags == (True, False, True)


@pytest.mark.parametrize(
    "pem",
    [PEM.replace("\n", "\\n"), PEM, json.dumps(PEM), PEM.replace("\n", "\\r\\n")],
    ids=["literal", "real", "json", "literal-crlf"],
)
def test_values_from_prefixed_env(pem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {
        "ISSUER": ISSUER,
        "JWT_KEY": pem,
        "LEEWAY": "10",
        "MAX_TOKEN_LENGTH": "4096",
        "JWKS_TIMEOUT": "2.5",
        "ALGORITHMS": '["ES256"]',
        "AUDIENCE": "42",
        "ORIGINS": f'["{APP}"]',
        "ALLOW_MISSING_AZP": "true",
        "STRICT_AUDIENCE": "True",
        "ACCEPT_PENDING": "0",
        "TOKEN_USE": "session",
        "DEFAULT_POLICY": "required",
    }
    for name, value in environment.items():
        monkeypatch.setenv("FLASK_" + PREFIX + name, value)
    app = flask_app({})
    app.config.from_prefixed_env()
    settings = start(app)
    assert (settings.leeway, settings.max_token_length, settings.jwks_timeout) == (10, 4096, 2.5)
    assert (settings.algorithms, settings.audience) == (("ES256",), ("42",))
    assert settings.parties == {APP}
    flags = (settings.allow_missing_azp, settings.strict_audience, settings.accept_pending)
    assert flags == (True, True, False)
    assert app.extensions["session_claims"].gates.default_policy == "required"
    assert accepts(dataclasses.replace(settings, audience=None, strict_audience=False))


def test_key_set_from_prefixed_env(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASK_SESSION_CLAIMS_ISSUER", ISSUER)
    monkeypatch.setenv("FLASK_SESSION_CLAIMS_JWKS", json.dumps({"keys": [JWK]}))
    app = flask_app({})
    app.config.from_prefixed_env()
    assert accepts(start(app))


def test_limits_are_taken() -> None:
    for leeway in (0, 60, 0.5):
        assert read(**given(LEEWAY=leeway)).leeway == leeway
    for length in (256, 65_536):
        assert read(**given(MAX_TOKEN_LENGTH=length)).max_token_length == length


def test_loopback_http_with_the_switch() -> None:
    for host in ("localhost:8000", "127.0.0.1:8000", "[::1]:8000"):
        settings = read(ISSUER=f"http://{host}", ALLOW_LOOPBACK_HTTP=True)
        assert settings.key_source == KeyRequest(f"http://{host}/.well-known/jwks.json", 5)


def test_parties_come_from_origins_unless_named() -> None:
    assert read(**given()).parties is None
    assert read(**given(ORIGINS=[APP])).parties == {APP}
    assert read(**given(ORIGINS=[APP], AUTHORIZED_PARTIES=["app-id"])).parties == {"app-id"}


def test_none_is_unset() -> None:
    assert read(ISSUER=ISSUER, JWKS=None, LEEWAY=None, ORIGINS=None) == read(ISSUER=ISSUER)


# --- Clerk's own variables ----------------------------------------------------------------

CLERK = {"CLERK_PUBLISHABLE_KEY": PK_LIVE, "CLERK_SECRET_KEY": SECRET, "CLERK_JWT_KEY": PEM}
FROM = ["mapping", "environment"]


def with_clerk(where: str, config: Mapping[str, Any], clerk: Mapping[str, Any]) -> VerifierSettings:
    if where == "mapping":
        return VerifierSettings.from_mapping({**prefixed(config), **clerk})
    return VerifierSettings.from_mapping(prefixed(config), fallbacks=clerk)


@pytest.mark.parametrize("where", FROM)
@pytest.mark.parametrize("issuer", [None, "clerk"])
def test_fallbacks_apply_to_clerk(where: str, issuer: str | None) -> None:
    settings = with_clerk(where, {"ISSUER": issuer}, CLERK)
    assert settings.issuer == "https://clerk.clerk.dev"
    assert settings.clerk_secret_key == SECRET
    assert isinstance(settings.key_source, KeySet)


@pytest.mark.parametrize("where", FROM)
@pytest.mark.parametrize(
    "config",
    [{"ISSUER": ISSUER}, given(), {"ISSUER": ISSUER, "JWKS_URL": ISSUER + "/jwks"}],
    ids=["issuer", "jwks", "jwks-url"],
)
def test_fallbacks_do_not_reach_another_issuer(where: str, config: dict[str, Any]) -> None:
    settings = with_clerk(where, config, CLERK)
    assert settings == read(**config)
    unset = (settings.clerk_publishable_key, settings.clerk_secret_key, settings.jwt_key)
    assert unset == (None, None, None)
    assert settings.clerk_instance is None


@pytest.mark.parametrize("where", FROM)
@pytest.mark.parametrize("issuer", [None, "clerk"])
@pytest.mark.parametrize("name", ["JWKS", "JWKS_URL"])
def test_fallbacks_do_not_mix_with_other_keys(where: str, issuer: str | None, name: str) -> None:
    keys = {"JWKS": {"keys": [JWK]}, "JWKS_URL": ISSUER + "/jwks"}[name]
    with pytest.raises(ConfigurationError, match=rf"^{PREFIX}ISSUER: "):
        with_clerk(where, {"ISSUER": issuer, name: keys}, CLERK)


def test_own_names_win_over_fallbacks_and_the_mapping_over_the_environment() -> None:
    config = {**prefixed({"CLERK_PUBLISHABLE_KEY": PK_TEST}), "CLERK_SECRET_KEY": SECRET}
    other = {"CLERK_PUBLISHABLE_KEY": PK_LIVE, "CLERK_SECRET_KEY": "sk_live_other"}
    settings = VerifierSettings.from_mapping(config, fallbacks=other)
    assert (settings.clerk_publishable_key, settings.clerk_secret_key) == (PK_TEST, SECRET)


def test_empty_fallbacks_count_as_unset() -> None:
    blank = dict.fromkeys(CLERK, "")
    assert VerifierSettings.from_mapping({}, fallbacks=blank).is_self


@pytest.mark.parametrize("config", [{}, {"ISSUER": "self"}])
def test_who_issues_needs_more_than_a_verifier(config: dict[str, Any]) -> None:
    settings = VerifierSettings.from_mapping(prefixed(config))
    assert settings.is_self
    with pytest.raises(ConfigurationError, match="CLERK_PUBLISHABLE_KEY") as caught:
        Verifier(settings)
    assert caught.value.message.startswith(f"{PREFIX}ISSUER: ")


def test_who_has_forgotten_the_issuer_is_told_of_it() -> None:
    with pytest.raises(ConfigurationError, match=rf"{PREFIX}ISSUER: is unset, so this app issues"):
        start(flask_app({}))
    with pytest.raises(ConfigurationError, match=r"^the issuer needs a secret"):
        start(flask_app(prefixed({"ISSUER": "self"})))


def test_flask_reads_clerks_variables_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLERK_PUBLISHABLE_KEY", PK_LIVE)
    assert start(flask_app({})).issuer == "https://clerk.clerk.dev"
    settings = start(flask_app(prefixed({"ISSUER": ISSUER})))
    assert (settings.issuer, settings.clerk_instance) == (ISSUER, None)


def test_a_bad_fallback_is_refused_without_being_shown() -> None:
    with pytest.raises(ConfigurationError, match=r"CLERK_PUBLISHABLE_KEY: ") as caught:
        VerifierSettings.from_mapping({}, fallbacks={"CLERK_PUBLISHABLE_KEY": SECRET})
    assert SECRET not in str(caught.value)


def test_repr_shows_no_secret() -> None:
    settings = with_clerk("mapping", {}, CLERK)
    for secret in (SECRET, PEM.splitlines()[1]):
        assert secret not in repr(settings)


# --- groups -------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, kw_only=True)
class PaintSettings(SettingsGroup):
    """A group as a later part of the library would add it."""

    paint: str = setting(choice("red", "green"), "red", "Colour of the door.")
    paint_pin: str | None = setting(TEXT, None, "Opens the shop.", secret=True)


def test_gate_keys_stand_beside_ours() -> None:
    config = prefixed(given(DEFAULT_POLICY="required", SIGN_IN_URL="/in"))
    assert VerifierSettings.from_mapping(config).issuer == ISSUER
    gates = GateSettings.from_mapping(config, also=(VerifierSettings,))
    assert (gates.default_policy, gates.sign_in_url) == ("required", "/in")


def test_a_new_group_extends_the_schema() -> None:
    config = prefixed(given(PAINT="green", DEFAULT_POLICY="public"))
    with pytest.raises(ConfigurationError, match=rf"^{PREFIX}PAINT: there is no such setting"):
        VerifierSettings.from_mapping(config)
    assert VerifierSettings.from_mapping(config, also=(PaintSettings,)).issuer == ISSUER
    beside = (VerifierSettings, GateSettings)
    assert PaintSettings.from_mapping(config, also=beside).paint == "green"
    assert PaintSettings.from_mapping(prefixed(given()), also=beside).paint == "red"


def test_unknown_keys_stay_errors_beside_a_new_group() -> None:
    config = prefixed(given(PIANT="green"))
    with pytest.raises(ConfigurationError, match=rf"^{PREFIX}PIANT: .* mean {PREFIX}PAINT\?"):
        VerifierSettings.from_mapping(config, also=(PaintSettings,))


def test_a_new_group_gets_messages_and_redaction() -> None:
    with pytest.raises(ConfigurationError, match=rf"^{PREFIX}PAINT: got 'blue'; .*\"green\""):
        PaintSettings.from_mapping(prefixed({"PAINT": "blue"}))
    with pytest.raises(ConfigurationError, match=rf"^{PREFIX}PAINT_PIN: got a secret; ") as caught:
        PaintSettings.from_mapping(prefixed({"PAINT_PIN": "1234\x00"}))
    assert "1234" not in str(caught.value)
    assert "1234" not in repr(PaintSettings(paint_pin="1234"))
