"""The site in a process of its own, on a store in a folder of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import requests

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
#: Front-end packages, as npm has them; SuperTokens' for pages that are not built.
PACKAGES = HERE / "node_modules"
BUNDLES = PACKAGES / "supertokens-web-js" / "bundle"
PATIENCE = 20.0  # seconds, for a server to start
TOKEN_LIFETIME = 5  # seconds, the shortest there is
LEEWAY = 5  # seconds for which an expired token of our own is still taken
#: Seconds after which a token made just now is certainly of no use any more.
OVER = TOKEN_LIFETIME + LEEWAY + 1
GRACE = 2  # seconds
#: What a server's process may know of this one's environment.
PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "SYSTEMROOT")


class Site:
    """A running site; `with` starts and ends it, and then looks for tokens in what it logged.

    Attributes:
        url: what the browser visits.
        elsewhere: the same server under a name that is another site to a browser.
    """

    def __init__(
        self,
        work: Path,
        *,
        script: str = "site.py",
        dev_cookies: bool = True,
        pages: Sequence[str] = (),
        **settings: object,
    ) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port: int = probe.getsockname()[1]
        names = ["127.0.0.1", "localhost"]
        # Browsers take localhost for safe, so that Secure cookies work there.
        self.url, self.elsewhere = (
            f"http://{name}:{self._port}" for name in (names if dev_cookies else names[::-1])
        )
        self._work, self._dev_cookies = work, dev_cookies
        self._script, self._pages, self._settings = script, pages, settings

    def __enter__(self) -> Site:
        settings: dict[str, object] = {
            "SECRET_KEY": "only-for-these-tests-" + "x" * 24,
            "SESSION_CLAIMS_ISSUER": "self",
            "SESSION_CLAIMS_STORE": f"sqlite:///{self._work / 'sessions.db'}",
            "SESSION_CLAIMS_SESSION_TOKEN_LIFETIME": TOKEN_LIFETIME,
            "SESSION_CLAIMS_REFRESH_GRACE": GRACE,
            "SESSION_CLAIMS_DEV_COOKIES": "true" if self._dev_cookies else "false",
            **{f"SESSION_CLAIMS_{name}": value for name, value in self._settings.items()},
        }
        environ = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        environ |= {f"FLASK_{name}": str(value) for name, value in settings.items()}
        environ |= {"SITE_FOLDER": str(self._work), "BUNDLES": str(BUNDLES)}
        environ["PAGES"] = " ".join([self.elsewhere, *self._pages])
        environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "adapters")])
        environ["PYTHONUNBUFFERED"] = environ["PYTHONDONTWRITEBYTECODE"] = "1"
        with (self._work / "output.txt").open("wb") as sink:
            self._process = subprocess.Popen(
                [sys.executable, HERE / self._script, str(self._port)],
                cwd=self._work,
                env=environ,
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
        assert "eyJ" not in logged
        assert "refresh_" not in logged.replace("refresh_token_reused", "")

    # --- what the server knows ------------------------------------------------------------

    def ask(self, path: str) -> Any:
        with requests.Session() as session:
            session.trust_env = False
            reply = session.get(self.url + path, timeout=PATIENCE)
        assert reply.status_code == 200, reply.text
        return reply.json()

    def acts(self, session_id: str) -> list[str]:
        """What was done to a session, oldest first."""
        found: list[str] = self.ask(f"/acts/{session_id}")
        return found

    def live(self, user_id: str) -> list[str]:
        """The ids of a user's live sessions."""
        found: list[str] = self.ask(f"/live/{user_id}")
        return found

    def told(self, session_id: str) -> list[str]:
        """The signals about a session, in order, with their reasons."""
        return [
            " ".join(filter(None, (one["signal"], one["reason"])))
            for one in self.ask("/told")
            if one["session"] == session_id
        ]

    def calls(self) -> list[str]:
        """The calls of the frontend's API so far, each with its status."""
        found: list[str] = self.ask("/told")
        return found

    def behind(self, act: str, user_id: str = "user_ada") -> int:
        """Do that behind the frontend's back; gives how many sessions are live then."""
        reply = requests.post(f"{self.url}/behind/{act}/{user_id}", timeout=PATIENCE)
        assert reply.status_code == 200, reply.text
        live: int = reply.json()["live"]
        return live

    def logged(self) -> str:
        return (self._work / "output.txt").read_text("utf-8", "replace")

    def _await_answer(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            with contextlib.suppress(requests.ConnectionError):
                self.ask("/told")
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
