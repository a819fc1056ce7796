"""What is logged, what never is (facts L1 to L3), and that the suite's leak check finds leaks."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import flask_session_claims
from flask_session_claims import TokenError, UnavailableError, Verifier, VerifierSettings
from flask_session_claims.core.asks import KeyDocument, KeyRequest
from flask_session_claims.core.request import Exchange
from flask_session_claims.core.settings import GateSettings
from flask_session_claims.io.appsettings import announce
from flask_session_claims.io.reading import Reading
from flask_session_claims.io.transports import Wsgi
from flask_session_claims.testing import FrozenClock, LocalIssuer, minted_secrets, shared_key
from flask_session_claims.testing.record import record

SECRET_KEY = "sk_test_" + "9fQ2mX7vLr4TzB1cWk8sYd3HnJ6pGa5E"
#: Line ends, an escape sequence, text that runs backwards, a lone surrogate.
HOSTILE = {
    "CR LF": "k\r\nERROR root: admin signed in",
    "NEL": "k\u0085forged",
    "ESC": "k\x1b[2J\x1b]0;title\x07",
    "bidi": "k\u202egnp.exe",
    "separator": "k\u2028forged",
    "null": "k\x00",
    "long": "k" * 5_000,
}


class Answers:
    """A network that answers each fetch at once with the next body, or error, of a list."""

    def __init__(self, *answers: bytes | UnavailableError) -> None:
        self.answers = list(answers)

    def begin(self, request: KeyRequest) -> Answers:
        self.answer = self.answers.pop(0)
        return self

    def done(self) -> bool:
        return True

    def lost(self) -> bool:
        return False

    def wait(self, timeout: float) -> None:
        return

    def result(self) -> KeyDocument:
        if isinstance(self.answer, UnavailableError):
            raise self.answer
        return KeyDocument(self.answer)


class Kept(logging.Handler):
    """Keeps the records that come."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def records() -> Iterator[list[logging.LogRecord]]:
    """The library's own records of this test, from DEBUG on."""
    # caplog.records is another list in each phase of a test, so a fixture cannot hand it on.
    kept, ours = Kept(), logging.getLogger("flask_session_claims")
    before = ours.level
    ours.addHandler(kept)
    ours.setLevel(logging.DEBUG)
    yield kept.records
    ours.setLevel(before)
    ours.removeHandler(kept)


@pytest.fixture
def issuer() -> LocalIssuer:
    return LocalIssuer(key=shared_key("ES256"))


def reading(issuer: LocalIssuer, **changes: Any) -> Reading:
    settings = VerifierSettings(issuer=issuer.issuer, jwks=issuer.jwks(), **changes)
    return Reading(GateSettings(), settings, Wsgi(), rejected=lambda reason, source: None)


def visit(reading: Reading, token: str | None) -> Any:
    environ = {"REQUEST_METHOD": "GET"}
    if token is not None:
        environ["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    return Exchange(environ, reading).read()


def written(records: list[logging.LogRecord]) -> str:
    """The records as lines in a log file, with everything that was given as extra."""
    usual = vars(logging.makeLogRecord({}))
    extra = [{n: v for n, v in vars(r).items() if n not in usual} for r in records]
    return "\n".join(
        f"{r.levelname} {r.getMessage()} {e!r}" for r, e in zip(records, extra, strict=True)
    )


# --- refusals -----------------------------------------------------------------------------


def test_a_refusal_is_logged_once_at_debug_with_its_reason_and_source(issuer, records) -> None:
    token = issuer.mint(lifetime=-100)
    assert visit(reading(issuer), token).reason == "token-expired"
    (one,) = records
    assert one.levelno == logging.DEBUG  # anybody can cause as many as they like
    assert (one.event, one.reason, one.source) == ("token-refused", "token-expired", "header")


def test_a_refusal_costs_no_record_where_debug_is_off(issuer, caplog) -> None:
    caplog.set_level(logging.INFO, logger="flask_session_claims")
    assert visit(reading(issuer), "no.token.atall").reason == "token-invalid"
    assert caplog.records == []


def test_a_valid_token_and_a_request_without_one_log_nothing(issuer, records) -> None:
    app = reading(issuer)
    assert visit(app, issuer.mint()).is_authenticated
    assert visit(app, None).reason == "session-token-missing"
    assert records == []


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("place", ["kid", "typ", "cat", "alg", "sub", "iss", "azp", "sts", "raw"])
def test_no_text_from_a_token_reaches_the_log(place, text, issuer, records) -> None:
    if place == "raw":
        token = text
    elif place in ("kid", "typ", "cat", "alg"):
        token = issuer.mint(headers={place: text})
    else:
        token = issuer.mint(**{place: text})
    auth = visit(reading(issuer, authorized_parties=["https://app.example"]), token)
    assert not auth.is_authenticated
    (one,) = records
    assert text not in written(records)
    assert one.getMessage() == f"token refused: {auth.reason} (from header)"


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_no_text_from_a_token_reaches_an_error(text, issuer) -> None:
    verifier = Verifier(VerifierSettings(issuer=issuer.issuer, jwks=issuer.jwks()))
    for token in (text, issuer.mint(headers={"kid": text}), issuer.mint(iss=text)):
        with pytest.raises(TokenError) as caught:
            verifier.verify(token)
        assert text not in f"{caught.value} {caught.value!r} {vars(caught.value)}"


# --- key sets -----------------------------------------------------------------------------


def fetching(fetch: Answers, clock: FrozenClock, **changes: Any) -> Verifier:
    settings = VerifierSettings(issuer="https://issuer.example", **changes)
    return Verifier(settings, clock=clock, fetch=fetch)


def body(*keys: object) -> bytes:
    return json.dumps({"keys": keys}).encode()


def test_a_key_set_that_came_is_logged_by_its_size(records) -> None:
    clock = FrozenClock()
    issuer = LocalIssuer(key=shared_key("ES256"), clock=clock)
    verifier = fetching(Answers(body(issuer.public_jwk())), clock)
    assert verifier.verify(issuer.mint())["sub"] == "user_1"
    (one,) = records
    assert (one.levelno, one.event) == (logging.INFO, "keys-fetched")
    address = "https://issuer.example/.well-known/jwks.json"
    assert one.session_claims == {"count": 1, "address": address}
    assert one.getMessage() == f"key set fetched from {address}: 1 key(s)"
    assert issuer.kid not in written(records)


@pytest.mark.parametrize(
    "answer",
    [
        UnavailableError("the key set endpoint answered 500"),
        b"<!doctype html><title>Sign in</title>",
        b"[]",
        b'{"keys": []}',
        b'{"keys": 1}',
        b"\xff\xfe",
        b"",
        b"[" * 100_000,
    ],
    ids=["500", "html", "list", "empty", "number", "bytes", "nothing", "deep"],
)
def test_a_fetch_that_failed_is_logged_as_a_warning_with_its_problem(answer, records) -> None:
    clock = FrozenClock()
    token = LocalIssuer(key=shared_key("ES256"), clock=clock).mint()
    with pytest.raises(UnavailableError):
        fetching(Answers(answer), clock).verify(token)
    (one,) = records
    assert (one.levelno, one.event) == (logging.WARNING, "keys-failed")
    assert one.session_claims["problem"]
    assert one.session_claims["serving_last"] is False
    data = one.session_claims
    assert one.getMessage() == f"key set not fetched from {data['address']}: {data['problem']}"
    assert data["address"] == "https://issuer.example/.well-known/jwks.json"
    assert one.exc_info is None


def test_the_address_of_the_key_set_is_logged_without_what_may_be_a_secret(records) -> None:
    address = "https://issuer.example/jwks?code=hidden-word"
    verifier = fetching(Answers(body()), FrozenClock(), jwks_url=address)
    with pytest.raises(UnavailableError):
        verifier.verify(LocalIssuer(key=shared_key("ES256")).mint())
    assert "from https://issuer.example/jwks?…: " in records[0].getMessage()
    assert "hidden-word" not in written(records)


def test_an_outage_says_that_the_last_keys_serve(records) -> None:
    clock = FrozenClock()
    issuer = LocalIssuer(key=shared_key("ES256"), clock=clock)
    down = UnavailableError("the key set endpoint answered 503")
    verifier = fetching(Answers(body(issuer.public_jwk()), down), clock)
    verifier.verify(issuer.mint())
    clock.advance(301)
    verifier.verify(issuer.mint())  # begins the fetch, and is served at once
    verifier.verify(issuer.mint())
    assert [one.event for one in records] == ["keys-fetched", "keys-failed"]
    assert records[1].session_claims["serving_last"] is True


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_an_entry_that_is_skipped_is_logged_without_what_it_says(text, records) -> None:
    clock = FrozenClock()
    issuer = LocalIssuer(key=shared_key("ES256"), clock=clock)
    good = issuer.public_jwk()
    bad = [{**good, "kid": text, "alg": text}, {**good, "kid": "b", "crv": text, "x": text}, text]
    fetching(Answers(body(good, *bad)), clock).verify(issuer.mint())
    skipped = [one for one in records if one.event == "keys-skipped"]
    assert len(skipped) == 3
    assert {one.levelno for one in skipped} == {logging.WARNING}
    assert text not in written(records)
    controls = [c for one in records for c in one.getMessage() if unicodedata.category(c)[0] == "C"]
    assert controls == []


def test_a_secret_in_a_published_set_is_a_loud_warning_that_does_not_repeat_it(records) -> None:
    clock = FrozenClock()
    issuer = LocalIssuer(key=shared_key("ES256"), clock=clock)
    secret = {"kty": "oct", "kid": "hs", "k": SECRET_KEY}
    record([SECRET_KEY])
    fetching(Answers(body(issuer.public_jwk(), secret)), clock).verify(issuer.mint())
    (warning,) = [one for one in records if one.event == "keys-skipped"]
    assert warning.levelno == logging.WARNING
    assert "PUBLISHES A SECRET" in warning.getMessage()
    assert SECRET_KEY not in written(records)


# --- the start ----------------------------------------------------------------------------


def test_the_start_logs_one_line_with_issuer_and_key_source(issuer, records) -> None:
    announce(
        VerifierSettings(issuer=issuer.issuer, jwks=issuer.jwks(), origins=["https://a.example"])
    )
    (one,) = records
    assert one.levelno == logging.INFO
    assert issuer.issuer in one.getMessage()
    assert "1 given" in one.getMessage()


def test_the_start_warns_once_where_azp_is_not_checked(records) -> None:
    settings = {"SESSION_CLAIMS_ISSUER": "https://issuer.example"}
    announce(VerifierSettings.from_mapping(settings))
    line, warning = records
    assert "https://issuer.example/.well-known/jwks.json" in line.getMessage()
    assert warning.levelno == logging.WARNING
    for name in ("SESSION_CLAIMS_AUTHORIZED_PARTIES", "SESSION_CLAIMS_ORIGINS", "azp"):
        assert name in warning.getMessage()


def test_the_start_does_not_log_clerks_secret_key(records) -> None:
    record([SECRET_KEY])
    settings = VerifierSettings(issuer="https://clerk.example", clerk_secret_key=SECRET_KEY)
    announce(settings)
    assert "https://api.clerk.com/v1/jwks" in written(records)
    assert SECRET_KEY not in f"{written(records)} {settings!r} {settings.key_source!r}"


# --- the test of the test -----------------------------------------------------------------

PLANTED = """
import logging, pytest
from flask_session_claims import ConfigurationError, TokenError
from flask_session_claims.testing import LocalIssuer, shared_key

early = LocalIssuer(key=shared_key("EdDSA"))
EARLY = early.mint()
log = logging.getLogger("planted")

@pytest.fixture
def token():
    return LocalIssuer(key=shared_key("ES256")).mint()

def test_message(token): log.warning("seen " + token)
def test_argument(token): log.warning("seen %s", token)
def test_nested_argument(token): log.warning("seen %s", {"a": [token]})
def test_unused_argument(token): log.warning("nothing", token)
def test_extra(token): log.warning("seen", extra={"carried": token})
def test_signature(token): log.warning("seen %s", token.rpartition(".")[2])
def test_payload(token): log.warning("seen %s", token.split(".")[1])
def test_cut_short(token): log.warning("seen %s...", token[:40])
def test_debug(token): logging.getLogger("flask_session_claims").debug("seen %s", token)
def test_minted_at_import(): log.warning("seen %s", EARLY)
def test_private_pem(): log.warning("seen %r", early.private_pem())
def test_private_pem_cut_short(): log.warning("seen %.77r", early.private_pem())

def test_exc_info(token):
    try:
        int(token)
    except ValueError:
        log.warning("seen", exc_info=True)

def test_caught_error(token):
    with pytest.raises(ConfigurationError):
        raise ConfigurationError(f"got {token}")

def test_error_never_raised(token): ConfigurationError(f"got {token}")

def test_cause(token):
    with pytest.raises(TokenError):
        try:
            int(token)
        except ValueError as fault:
            raise TokenError("token-invalid") from fault

def test_context(token):
    with pytest.raises(TokenError):
        try:
            int(token)
        except ValueError:
            raise TokenError("token-invalid")

def test_attribute(token):
    with pytest.raises(TokenError):
        error = TokenError("token-invalid")
        error.token = token
        raise error

def test_other_error(token): raise LookupError(token)

@pytest.fixture
def leaves(token):
    yield
    log.warning("seen %s", token)

def test_teardown(leaves): pass

def test_clean_after_a_leak(): pass

def test_clean(token):
    log.warning("a kid %s and an issuer %s", early.kid, early.issuer)
    with pytest.raises(TokenError):
        try:
            int(token)
        except ValueError:
            raise TokenError("token-invalid") from None

def test_clean_public_key():
    log.warning("%s %s %s", early.public_pem(), early.jwks(), shared_key("RS256").public_key())
"""


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Test -> what a run under the suite's own conftest.py said about it; "" if it passed."""
    folder = tmp_path_factory.mktemp("planted")
    conftest = Path(__file__).parents[1] / "conftest.py"
    (folder / "conftest.py").write_text(conftest.read_text("utf-8"), "utf-8")
    (folder / "test_planted.py").write_text(PLANTED, "utf-8")
    (folder / "pytest.ini").write_text("[pytest]\n", "utf-8")
    package = Path(flask_session_claims.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--junit-xml=out.xml",
         "--import-mode=importlib"],
        cwd=folder, capture_output=True, text=True, timeout=60,
        env={**os.environ, "PYTHONPATH": str(package), "PYTEST_ADDOPTS": ""},
    )  # fmt: skip
    assert (folder / "out.xml").exists(), done.stdout + done.stderr
    said: dict[str, str] = {}
    for case in ElementTree.parse(folder / "out.xml").iter("testcase"):
        faults = [*case.iter("failure"), *case.iter("error")]
        said[case.attrib["name"]] = "".join(f"{f.attrib['message']}\n{f.text}" for f in faults)
    return said


def names(*, clean: bool) -> list[str]:
    found = re.findall(r"^def (test_\w+)", PLANTED, re.M)
    return [name for name in found if name.startswith("test_clean") is clean]


@pytest.mark.parametrize("name", names(clean=False))
def test_a_planted_leak_is_found(name: str, planted: dict[str, str]) -> None:
    assert "a secret leaked into a log record or an error" in planted[name]
    if name != "test_other_error":  # pytest itself shows what a test raises
        assert "[SECRET]" in planted[name]


@pytest.mark.parametrize("name", names(clean=True))
def test_what_is_no_leak_passes(name: str, planted: dict[str, str]) -> None:
    assert planted[name] == ""


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_every_minted_secret_is_long_enough_for_the_check(algorithm) -> None:
    before = minted_secrets()
    LocalIssuer(key=shared_key(algorithm, 7)).mint()
    assert min(map(len, minted_secrets() - before)) >= 24
