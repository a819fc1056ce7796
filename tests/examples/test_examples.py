"""The examples run as they say: real servers, and an issuer's key server, over loopback HTTP.

Nothing is imported from the examples; what they print and answer is all there is to see.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from flask_session_claims.testing import KeyServer, LocalIssuer, shared_key
from flask_session_claims.testing.keyserver import WELL_KNOWN_PATH
from tests.examples.servers import ask, free_port, serving

ISSUER = "https://clerk.app.example"
ORIGIN = "https://app.example"
PERSON = {"fullName": "Ada Lovelace", "primaryEmail": "ada@example.com"}


class Site(NamedTuple):
    """A running example."""

    url: str
    output: Path
    issuer: LocalIssuer
    keys: KeyServer


def command(name: str, port: int, settings: dict[str, object]) -> tuple[list[str], dict[str, str]]:
    """How to start an example, as its own first line says, and its configuration."""
    if name == "django":
        started = ["django_clerk.py", "runserver", "--noreload", f"127.0.0.1:{port}"]
        return started, {"SESSION_CLAIMS": json.dumps(settings)}
    prefix = f"{name.upper()}_SESSION_CLAIMS_"
    environment = {
        prefix + key: value if isinstance(value, str) else json.dumps(value)
        for key, value in settings.items()
    }
    started = ["-m", name, "--app", f"{name}_clerk", "run", "--port", str(port)]
    return started, environment


@pytest.fixture(scope="module", params=["flask", "quart", "django"])
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    pytest.importorskip(request.param)
    port = free_port()
    output = tmp_path_factory.mktemp(request.param) / "output.txt"
    issuer = LocalIssuer(ISSUER, key=shared_key("RS256"))
    with KeyServer(issuer) as keys:
        settings = {
            "ISSUER": ISSUER,
            "JWKS_URL": keys.url,
            "ALLOW_LOOPBACK_HTTP": True,
            "ORIGINS": [ORIGIN],
        }
        arguments, environment = command(request.param, port, settings)
        with serving(arguments, environment, port, output):
            yield Site(f"http://127.0.0.1:{port}", output, issuer, keys)


def carried(token: str | None, source: str) -> dict[str, str]:
    if token is None:
        return {}
    return (
        {"Cookie": f"__session={token}"}
        if source == "cookie"
        else {"Authorization": f"Bearer {token}"}
    )


def good_token(issuer: LocalIssuer, version: int) -> str:
    if version == 1:
        return issuer.mint(azp=ORIGIN, org_id="org_1", org_role="org:admin", **PERSON)
    org = {"id": "org_1", "slg": "acme", "rol": "admin"}
    return issuer.mint_v2(azp=ORIGIN, org=org, pla="u:pro", **PERSON)


def bad_token(issuer: LocalIssuer, kind: str) -> str | None:
    if kind == "expired":
        return issuer.mint(azp=ORIGIN, lifetime=-100, **PERSON)
    if kind == "forged":  # everything is right, but the key is somebody else's
        other = LocalIssuer(ISSUER, key=shared_key("RS256", 1), kid=issuer.kid)
        return other.mint(azp=ORIGIN, **PERSON)
    if kind == "foreign party":
        return issuer.mint(azp="https://other.example", **PERSON)
    return None


@pytest.mark.parametrize("source", ["cookie", "header"])
@pytest.mark.parametrize("version", [1, 2])
def test_custom_claims_are_read(site: Site, version: int, source: str) -> None:
    token = good_token(site.issuer, version)
    answer = ask(f"{site.url}/profile", carried(token, source))
    assert (answer.status_code, answer.json()) == (200, PERSON)
    assert answer.headers["Cache-Control"] == "private"
    assert {"Authorization", "Cookie"} <= set(answer.headers["Vary"].split(", "))


@pytest.mark.parametrize("source", ["cookie", "header"])
@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("none", "session-token-missing"),
        ("expired", "session-token-expired"),
        ("forged", "session-token-invalid"),
        ("foreign party", "session-token-invalid"),
    ],
)
def test_whoever_is_not_signed_in_gets_401(site: Site, kind: str, code: str, source: str) -> None:
    answer = ask(f"{site.url}/profile", carried(bad_token(site.issuer, kind), source))
    assert (answer.status_code, answer.json()["code"]) == (401, code)
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Ada" not in answer.text


def test_the_keys_are_asked_for_where_the_settings_say_and_no_token_is_printed(site: Site) -> None:
    token = good_token(site.issuer, 2)
    assert ask(f"{site.url}/profile", carried(token, "header")).status_code == 200
    assert {(method, path) for method, path, _ in site.keys.log} == {("GET", WELL_KNOWN_PATH)}
    printed = site.output.read_text("utf-8", "replace")
    assert not re.search(r"eyJ[\w-]{8}", printed)
