"""The same API under each framework's own server, in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import requests

from tests.provider.login import browser
from tests.provider.oidc import API, HERE, PATIENCE

ROOT = HERE.parents[1]
#: What a server's process may know of this one's environment.
PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "SYSTEMROOT")


def settings_for(issuer: str) -> dict[str, Any]:
    """What an API says that takes access tokens of an issuer on this machine."""
    return {
        "ISSUER": issuer,
        "JWKS_URL": f"{issuer}/jwks",
        "ALLOW_LOOPBACK_HTTP": True,
        "TOKEN_USE": "access",
        "AUDIENCE": API,
        "TOKEN_SOURCES": ["header"],
        "LEEWAY": 0,  # one machine, one clock
    }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def command(
    framework: str, port: int, settings: dict[str, Any]
) -> tuple[list[str], dict[str, str]]:
    """How its server is started, and the environment that configures the app."""
    if framework == "django":
        started = ["site_django.py", "runserver", "--noreload", f"127.0.0.1:{port}"]
        return started, {"SESSION_CLAIMS": json.dumps(settings)}
    prefix = f"{framework.upper()}_SESSION_CLAIMS_"
    environment = {
        prefix + name: value if isinstance(value, str) else json.dumps(value)
        for name, value in settings.items()
    }
    return ["-m", framework, "--app", f"site_{framework}", "run", "--port", str(port)], environment


class Site:
    """A running API; `with` starts and ends it, and then looks for tokens in what it logged."""

    def __init__(self, framework: str, issuer: str, work: Path) -> None:
        self._port = free_port()
        self._output = work / f"{framework}.txt"
        self._arguments, self._settings = command(framework, self._port, settings_for(issuer))
        self._sent: set[str] = set()

    def __enter__(self) -> Site:
        environ = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "adapters")])
        environ["PYTHONUNBUFFERED"] = environ["PYTHONDONTWRITEBYTECODE"] = "1"
        with self._output.open("wb") as sink:
            self._process = subprocess.Popen(
                [sys.executable, *self._arguments],
                cwd=HERE,
                env={**environ, **self._settings},
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._await_answer()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
        logged = self.logged()
        leaked = sum(token[-24:] in logged for token in self._sent)
        assert not leaked, f"{leaked} tokens are in the log"

    def get(self, path: str, token: str | None = None) -> requests.Response:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        if token is not None:
            self._sent.add(token)
        with browser() as session:
            address = f"http://127.0.0.1:{self._port}{path}"
            return session.get(address, headers=headers, timeout=PATIENCE, allow_redirects=False)

    def reason(self, token: str) -> str | None:
        """Why nobody is signed in by this token; None: somebody is."""
        reply = self.get("/who", token)
        assert reply.status_code == 200, reply.text
        said: dict[str, str | None] = reply.json()
        assert (said["user"] is None) == (said["reason"] is not None)
        return said["reason"]

    def logged(self) -> str:
        """What the server printed, its log down to DEBUG included."""
        return self._output.read_text("utf-8", "replace")

    def _await_answer(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            with contextlib.suppress(requests.ConnectionError):
                self.get("/who")
                return
            assert self._process.poll() is None, f"the server ended:\n{self.logged()}"
            assert time.monotonic() < deadline, f"the server does not answer:\n{self.logged()}"
            time.sleep(0.05)

    def _end(self) -> None:
        for blow in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, blow)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=5)
