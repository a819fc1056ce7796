"""The examples run as they say: real servers, and an issuer's key server, over loopback HTTP.

Nothing is imported from the examples; what they print and answer is all there is to see.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import requests

from flask_session_claims.testing import KeyServer, LocalIssuer, shared_key
from flask_session_claims.testing.keyserver import WELL_KNOWN_PATH

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
ISSUER = "https://clerk.app.example"
ORIGIN = "https://app.example"
PATIENCE = 15.0  # seconds, for a server to start
PERSON = {"fullName": "Ada Lovelace", "primaryEmail": "ada@example.com"}
#: What a server's process may know of this one's environment.
PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "SYSTEMROOT")


class Site(NamedTuple):
    """A running example."""

    url: str
    output: Path
    issuer: LocalIssuer
    keys: KeyServer


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def serving(
    arguments: list[str], environment: dict[str, str], port: int, output: Path
) -> Iterator[None]:
    """The server's process group while the block runs; it answers on `port` by then."""
    environ = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "adapters")])
    environ["PYTHONUNBUFFERED"] = environ["PYTHONDONTWRITEBYTECODE"] = "1"
    with output.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=EXAMPLES,
            env={**environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + PATIENCE
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            said = output.read_text("utf-8", "replace")
            assert process.poll() is None, f"the example ended:\n{said}"
            assert time.monotonic() < deadline, f"the example does not answer:\n{said}"
            time.sleep(0.05)
        yield
    finally:
        for blow in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, blow)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=5)


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


@contextlib.contextmanager
def browser() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False  # no proxy and no .netrc of whoever runs this
        yield session


def ask(url: str, headers: dict[str, str]) -> requests.Response:
    with browser() as session:
        return session.get(url, headers=headers, timeout=10, allow_redirects=False)


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


# --- the demo -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    port = free_port()
    output = tmp_path_factory.mktemp("demo") / "output.txt"
    with serving(["demo.py"], {"PORT": str(port)}, port, output):
        yield f"http://127.0.0.1:{port}", output


def test_the_demo_greets_nobody_first(demo: tuple[str, Path]) -> None:
    answer = ask(f"{demo[0]}/", {})
    assert answer.status_code == 200
    assert "Nobody is signed in" in answer.text
    assert "session-token-missing" in answer.text


@pytest.mark.parametrize(
    ("name", "full_name", "status"), [("ada", "Ada Lovelace", 200), ("grace", "Grace Hopper", 403)]
)
def test_a_person_signs_in_and_out_of_the_demo(
    demo: tuple[str, Path], name: str, full_name: str, status: int
) -> None:
    with browser() as session:
        home = session.get(f"{demo[0]}/sign-in/{name}", timeout=10)
        assert (home.status_code, home.url) == (200, f"{demo[0]}/")
        assert f"Hello, {full_name}" in home.text
        admin = session.get(f"{demo[0]}/admin", timeout=10)
        assert admin.status_code == status
        if status == 200:
            assert admin.json() == {"message": f"{full_name} may see this."}
        else:
            assert admin.json()["code"] == "permission-denied"
        assert "Nobody is signed in" in session.get(f"{demo[0]}/sign-out", timeout=10).text


def test_the_demo_sends_browsers_home_to_sign_in(demo: tuple[str, Path]) -> None:
    answer = ask(f"{demo[0]}/profile?a=1", {"Accept": "text/html"})
    assert answer.status_code == 302
    assert answer.headers["Location"] == "/?redirect_url=%2Fprofile%3Fa%3D1"
    assert ask(f"{demo[0]}/profile", {"Accept": "*/*"}).status_code == 401


def test_the_token_that_the_demo_prints_works(demo: tuple[str, Path]) -> None:
    url, output = demo
    found = re.search(r"^ *TOKEN=(\S+)$", output.read_text("utf-8"), re.M)
    assert found is not None
    headers = {
        "Authorization": f"Bearer {found[1]}", "Accept": "*/*", "User-Agent": "curl/8.0"
    }  # fmt: skip
    profile = ask(f"{url}/profile", headers)
    assert profile.status_code == 200
    assert profile.json() == {"fullName": "Grace Hopper", "userId": "user_grace"}
    assert ask(f"{url}/admin", headers).status_code == 403
