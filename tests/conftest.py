"""The leak check: no minted secret is in a log record or in an error, whatever a test does.

It watches every test below this folder, costs next to nothing while no text has a long enough
run of base64 characters, and says where a leak was without repeating it. A secret counts as
leaked from its first 24 characters on, so that one cut short is found too.
"""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Generator, Iterator
from typing import Any

import pytest

from flask_session_claims import SessionClaimsError
from flask_session_claims.sessions import issuer, mint, tokens, vault
from flask_session_claims.testing import minted_secrets, record_secrets
from flask_session_claims.testing.record import record

ENOUGH = 24
RUN = re.compile(rf"[A-Za-z0-9+/_=.\-]{{{ENOUGH},}}")
#: What every record has; the rest was given as `extra`.
USUAL = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


def links(error: BaseException | None) -> Iterator[BaseException]:
    """An error and those that a traceback would show with it."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def text_of(value: object) -> str:
    try:
        return repr(value)
    except Exception:
        return type(value).__name__


def texts_of_error(error: BaseException | None) -> Iterator[str]:
    for link in links(error):
        yield f"{type(link).__name__}: {link} {link.args!r} {text_of(vars(link))}"


def texts_of_record(record: logging.LogRecord) -> Iterator[str]:
    """Everything that a formatter or a collector of logs could make of a record."""
    yield str(record.msg)
    yield text_of(record.args)
    try:
        yield record.getMessage()
    except Exception as error:
        yield from texts_of_error(error)
    for name, value in vars(record).items():
        if name not in USUAL:
            yield f"{name}={text_of(value)}"
    if isinstance(record.exc_info, tuple):
        yield from texts_of_error(record.exc_info[1])
    yield from filter(None, (record.exc_text, record.stack_info))


class LeakCheck(logging.Handler):
    """Collects the texts of one test, and looks for secrets in them."""

    def __init__(self) -> None:
        super().__init__()
        self._texts: set[str] = set()
        #: The first of each kind: an error's cause is only known once it has been raised.
        self._errors: dict[tuple[object, ...], SessionClaimsError] = {}
        self._known: set[str] = set()
        self._starts: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        self._texts.update(texts_of_record(record))

    def made(self, error: SessionClaimsError) -> None:
        self._errors.setdefault((type(error), error.code, str(error)), error)

    def raised(self, error: BaseException) -> None:
        self._texts.update(texts_of_error(error))

    def leaks(self) -> list[str]:
        """The texts that hold a secret, with the secret taken out; begins afresh."""
        texts, self._texts = self._texts, set()
        errors, self._errors = self._errors, {}
        for error in errors.values():
            texts.update(texts_of_error(error))
        suspects = {text: RUN.findall(text) for text in texts}
        if not any(suspects.values()):
            return []
        self._learn()
        found: list[str] = []
        for text, runs in suspects.items():
            pieces = {run[i : i + ENOUGH] for run in runs for i in range(len(run) - ENOUGH + 1)}
            leaked = pieces & self._starts
            for piece in leaked:
                text = re.sub(re.escape(piece) + r"[A-Za-z0-9+/_=.\-]*", "[SECRET]", text)
            if leaked:
                found.append(text[:1000])
        return found

    def _learn(self) -> None:
        new = minted_secrets() - self._known
        self._known |= new
        for secret in new:
            # Of a token each part counts: payload without signature is a leak as well.
            parts = secret.split(".")
            self._starts.update(part[:ENOUGH] for part in parts if len(part) >= ENOUGH)

    def fail_on_leak(self) -> None:
        found = self.leaks()
        if found:
            listed = "\n".join(found)
            pytest.fail(f"a secret leaked into a log record or an error:\n{listed}", pytrace=False)


check = LeakCheck()


def note_what_is_issued(patch: pytest.MonkeyPatch) -> None:
    """Record session tokens, refresh tokens and private keys of the product's own making."""
    plain_mint, plain_text = mint.mint, tokens.RefreshToken.text
    plain_generate = vault.generate

    @functools.wraps(plain_mint)
    def minted(*args: Any, **kwargs: Any) -> mint.Minted:
        made = plain_mint(*args, **kwargs)
        record([made.token])
        return made

    @functools.wraps(plain_text)
    def text(self: tokens.RefreshToken) -> str:
        made = plain_text(self)
        record(made.split(".")[2:])  # the session's id may be told
        return made

    @functools.wraps(plain_generate)
    def generated(algorithm: str) -> vault.Signer:
        made = plain_generate(algorithm)
        record([tokens.b64url(made.der)])
        return made

    patch.setattr(mint, "mint", minted)
    patch.setattr(issuer, "mint", minted)
    patch.setattr(tokens.RefreshToken, "text", text)
    patch.setattr(vault, "generate", generated)


def pytest_configure(config: pytest.Config) -> None:
    patch = pytest.MonkeyPatch()
    config.add_cleanup(patch.undo)
    plain = SessionClaimsError.__init__

    @functools.wraps(plain)
    def noted(self: SessionClaimsError, *args: Any, **kwargs: Any) -> None:
        plain(self, *args, **kwargs)
        check.made(self)

    patch.setattr(SessionClaimsError, "__init__", noted)
    note_what_is_issued(patch)

    root, ours = logging.getLogger(), logging.getLogger("flask_session_claims")
    root.addHandler(check)
    config.add_cleanup(lambda: root.removeHandler(check))
    config.add_cleanup(functools.partial(ours.setLevel, ours.level))
    ours.setLevel(logging.DEBUG)  # what is logged at DEBUG must not leak either

    block = record_secrets()
    block.__enter__()
    config.add_cleanup(lambda: block.__exit__(None, None, None))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, None, None]:
    yield
    check.fail_on_leak()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown() -> Generator[None, None, None]:
    yield
    check.fail_on_leak()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    call: pytest.CallInfo[None],
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    # What a test itself says (a failed assert) may quote tokens; what it met may not.
    error = call.excinfo.value if call.excinfo is not None else None
    if isinstance(error, Exception) and not isinstance(error, AssertionError):
        check.raised(error)
    report = yield
    return report
