"""What the corpus' tests share: the frozen clock, verifiers by settings, and the guards.

The guards are no doubles of our code: they make the network, and a fetch of keys, a failure.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import math
import re
import socket
import time
from collections.abc import Callable, Coroutine, Iterator
from functools import cache, partial
from typing import Any, NoReturn, TypeVar

import pytest

from flask_session_claims import AsyncVerifier, Verifier, VerifierSettings
from flask_session_claims.testing import FrozenClock

from .forge import NOW, settings_of

T = TypeVar("T")

#: No single verdict may take longer (CPU seconds of the thread).
TIME_LIMIT = 0.050
#: A token that any carrier of a bearer delivers as it is (RFC 6750 §2.1).
B64TOKEN = re.compile(r"[A-Za-z0-9\-._~+/]+=*", re.ASCII)


class Forbidden(AssertionError):
    """Somebody reached for the network."""


class NoFetch:
    """Keys are given in this corpus; asking for a fetch is a fault."""

    def begin(self, request: object) -> NoReturn:
        raise Forbidden(f"a key set was to be fetched: {request!r}")


@contextlib.contextmanager
def no_network() -> Iterator[None]:
    """Every connection and name look-up fails while this is open."""

    def refuse(*args: object, **_: object) -> NoReturn:
        raise Forbidden(f"the network was used: {args[1:]!r}")

    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex", "sendto"):
            patch.setattr(socket.socket, name, refuse)
        for name in ("getaddrinfo", "gethostbyname", "create_connection"):
            patch.setattr(socket, name, refuse)
        yield


def settings_key(changes: dict[str, Any]) -> str:
    return repr(sorted(changes.items()))


_made: dict[tuple[type, str], Any] = {}


def _verifier(kind: type, changes: dict[str, Any]) -> Any:
    key = kind, settings_key(changes)
    if key not in _made:
        settings = VerifierSettings(**settings_of(changes))
        _made[key] = kind(settings, clock=FrozenClock(float(NOW)), fetch=NoFetch())
    return _made[key]


def verifier(changes: dict[str, Any]) -> Verifier:
    """The verifier for a case's settings, one per process; its clock stands at `NOW`."""
    made: Verifier = _verifier(Verifier, changes)
    return made


def async_verifier(changes: dict[str, Any]) -> AsyncVerifier:
    made: AsyncVerifier = _verifier(AsyncVerifier, changes)
    return made


@cache
def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


def run(work: Coroutine[Any, Any, T]) -> T:
    return _loop().run_until_complete(work)


def timed(call: Callable[[], T], what: str) -> T:
    """The result of `call`, or what it raises; too much CPU time, three times over, is a failure.

    A busy machine may be slow once. The collector rests meanwhile: what it costs depends on the
    size of the test run.
    """
    least = math.inf
    for _ in range(3):
        gc.disable()
        started = time.thread_time()
        try:
            end: Callable[[], T] = partial(_same, call())
        except BaseException as error:
            end = partial(_raised, error)
        least = min(least, time.thread_time() - started)
        gc.enable()
        if least <= TIME_LIMIT:
            return end()
    pytest.fail(f"{what} took {least * 1000:.0f} ms")


def _same(result: T) -> T:
    return result


def _raised(error: BaseException) -> NoReturn:
    raise error
