"""Real servers with several worker processes, and who asks each of the workers.

Which worker answers is the kernel's choice, so every answer names its process. Where the server
keeps connections, each worker is asked on one of its own; gunicorn's sync workers close them, and
are asked on new ones until all have answered.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PATIENCE = 90.0  # seconds, for a server to start and for a worker to be met
#: What a server's process may know of this one's environment.
PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "SYSTEMROOT")
_UVICORN = (
    *("--timeout-keep-alive", "60", "--no-access-log"),
    # Seconds in which a new worker has to be there, or the old ones stay.
    *("--timeout-worker-healthcheck", str(int(PATIENCE / 3))),
)


@dataclass(frozen=True)
class Kind:
    """A way to serve one of the apps."""

    name: str
    program: str
    app: str
    workers: int
    options: tuple[str, ...] = ()
    #: Other packages that have to be there.
    needs: tuple[str, ...] = ()
    #: Whether a connection serves several requests.
    keeps: bool = True

    def command(self, port: int) -> list[str]:
        address, workers = f"127.0.0.1:{port}", str(self.workers)
        own = {
            "gunicorn": ("--bind", address, "--keep-alive", "60", "--graceful-timeout", "5"),
            "uvicorn": (*_UVICORN, "--port", str(port)),
            "hypercorn": ("--bind", address, "--keep-alive", "60"),
        }[self.program]
        options = [*own, "--workers", workers, *self.options]
        return [sys.executable, "-m", self.program, *options, f"tests.workers.{self.app}"]


FLASK, QUART, DJANGO = "app_flask:app", "app_quart:app", "app_django:"
THREADS, GREENLETS = ("-k", "gthread", "--threads", "4"), ("-k", "gevent")
SYNC = Kind("flask, gunicorn sync", "gunicorn", FLASK, 3, ("-k", "sync"), keeps=False)
GTHREAD = Kind("flask, gunicorn gthread", "gunicorn", FLASK, 2, THREADS)
GEVENT = Kind("flask, gunicorn gevent", "gunicorn", FLASK, 2, GREENLETS, ("gevent",))
PRELOAD = Kind("flask, gunicorn gthread preload", "gunicorn", FLASK, 4, (*THREADS, "--preload"))
HYPERCORN = Kind("quart, hypercorn", "hypercorn", QUART, 2)
UVICORN = Kind("quart, uvicorn", "uvicorn", QUART, 2)
KINDS = (
    SYNC,
    GTHREAD,
    GEVENT,
    PRELOAD,
    replace(GEVENT, name="flask, gunicorn gevent preload", options=(*GREENLETS, "--preload")),
    HYPERCORN,
    UVICORN,
    Kind("django, gunicorn gthread", "gunicorn", DJANGO + "wsgi", 2, THREADS),
    Kind("django, uvicorn", "uvicorn", DJANGO + "asgi", 2),
)


@dataclass(frozen=True)
class Answer:
    """What a worker said, and when it was asked and had answered (monotonic seconds)."""

    said: dict[str, Any]
    sent: float
    at: float

    @property
    def pid(self) -> int:
        pid: int = self.said["pid"]
        return pid


class Gone(Exception):
    """Nobody answered: the connection was refused, or ended."""


class Line:
    """A connection to a server, opened when it is first used and again if it was closed."""

    def __init__(self, port: int, cookie: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        self._cookie = cookie

    def ask(self, token: str | None = None, path: str = "/", method: str = "GET") -> Answer:
        """The answer; raises Gone if there is none."""
        self.send(token, path, method)
        return self.take()

    def send(self, token: str | None = None, path: str = "/", method: str = "GET") -> None:
        headers = {"Sec-Fetch-Site": "same-origin"}
        if token is not None:
            headers["Cookie"] = f"{self._cookie}={token}"
        self._sent = time.monotonic()
        try:
            self._connection.request(method, path, headers=headers)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Gone(type(error).__name__) from error

    def take(self) -> Answer:
        try:
            # Some servers send answers in two pieces, the second when the first is confirmed.
            if hasattr(socket, "TCP_QUICKACK"):
                self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            reply = self._connection.getresponse()
            body = reply.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Gone(type(error).__name__) from error
        at = time.monotonic()
        assert reply.status == 200, (reply.status, body[:500])
        return Answer(json.loads(body), self._sent, at)

    def seek(self, pid: int) -> None:
        """Connect anew until that worker answers."""

        def found() -> bool:
            self.close()
            return self.ask(path="/counts").pid == pid

        until(found, f"an answer of {pid}")

    def close(self) -> None:
        self._connection.close()


class Server:
    """A running server; `with` starts and ends it, and then looks at what it logged.

    Args:
        cookie: the name of the session cookie.
        url: of the store.
        folder: for its output.
    """

    def __init__(self, kind: Kind, url: str, cookie: str, folder: Path) -> None:
        for module in (kind.program, *kind.needs):
            if find_spec(module) is None:
                missing(module)
        self.kind = kind
        self._cookie, self._url = cookie, url
        self._output = folder / "output.txt"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port: int = probe.getsockname()[1]

    def __enter__(self) -> Server:
        environ = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "adapters")])
        environ["PYTHONUNBUFFERED"] = "1"
        environ["WORKERS_STORE"] = self._url
        with self._output.open("wb") as sink:
            self._process = subprocess.Popen(
                self.kind.command(self._port),
                cwd=ROOT,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self.meet(self.kind.workers)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind: object, error: BaseException | None, tb: TracebackType | None) -> None:
        self._end()
        if error is None:
            logged = self.logged()
            assert "eyJ" not in logged
            assert "Traceback" not in logged, logged

    def logged(self) -> str:
        return self._output.read_text("utf-8", "replace")

    def line(self) -> Line:
        return Line(self._port, self._cookie)

    def meet(self, count: int) -> dict[int, dict[str, Any]]:
        """What each of `count` workers has read, by process; waits until all have answered."""
        met = self._meet(count)
        for _, line in met:
            line.close()
        return {answer.pid: answer.said for answer, _ in met}

    def lines(self) -> dict[int, Line]:
        """A connection to each worker, by process."""
        return {answer.pid: line for answer, line in self._meet(self.kind.workers)}

    def _meet(self, count: int) -> list[tuple[Answer, Line]]:
        """One answer of each worker, and the connection it came on."""
        met: dict[int, tuple[Answer, Line]] = {}
        others: list[Line] = []
        over = time.monotonic() + PATIENCE
        while len(met) < count:
            assert self._process.poll() is None, f"the server ended:\n{self.logged()}"
            assert time.monotonic() < over, f"only {len(met)} workers:\n{self.logged()}"
            line = self.line()
            try:
                answer = line.ask(path="/counts")
            except Gone:
                time.sleep(0.05)
                continue
            if answer.pid in met:
                others.append(line)  # closed later: who has a connection more is less eager
                time.sleep(0.002)
            else:
                met[answer.pid] = answer, line
        for line in others:
            line.close()
        return list(met.values())

    # --- harm -----------------------------------------------------------------------------

    def reload(self) -> None:
        """Have the server replace its workers, gracefully."""
        self._process.send_signal(signal.SIGHUP)

    def _end(self) -> None:
        for blow in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, blow)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=8)


def missing(what: str) -> None:
    """Skip, loudly; where CI is set, fail."""
    text = f"NOT TESTED: {what} is not installed (pip install --group servers)"
    if os.environ.get("CI"):
        pytest.fail(text, pytrace=False)
    pytest.skip(text)


def until(done: Callable[[], bool], what: str) -> None:
    """Wait for something, for `PATIENCE` at most."""
    over = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < over, f"not in time: {what}"
        time.sleep(0.01)
