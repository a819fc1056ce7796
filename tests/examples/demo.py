"""A demo that runs, and people at browsers who click through it."""

from __future__ import annotations

import html
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import requests

from tests.examples.servers import EXAMPLES, surroundings

DEMO = str(EXAMPLES / "demo.py")
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
TOKEN = re.compile(r"eyJ[\w-]{8}|sess_\w+\.\d+\.")


class Demo(NamedTuple):
    """A running demo."""

    url: str
    environment: dict[str, str]
    output: Path
    folder: Path

    def said(self) -> str:
        return self.output.read_text("utf-8", "replace")

    def run(self, command: str) -> str:
        """What a command in a second terminal prints; it succeeds."""
        done = subprocess.run(
            shlex.split(command),
            cwd=self.output.parent,
            env=surroundings(self.environment),
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout

    def flask(self, arguments: str) -> str:
        return self.run(f"{sys.executable} -m flask --app {DEMO} {arguments}")


class Person:
    """Somebody at a browser, who clicks on what the page has."""

    def __init__(self, session: requests.Session, url: str) -> None:
        self.session, self.url = session, url

    def look(self, path: str = "/") -> str:
        reply = self.session.get(self.url + path, headers={"Accept": "text/html"}, timeout=10)
        return html.unescape(reply.text)

    def see(self, text: str) -> None:
        """Look until it is there: what another process changes is in force within a second."""
        deadline = time.monotonic() + 10
        while text not in self.look():
            assert time.monotonic() < deadline, text

    def send(self, path: str, **fields: str) -> requests.Response:
        headers = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin", "User-Agent": AGENT}
        return self.session.post(self.url + path, data=fields, headers=headers, timeout=10)

    def sign_in(self, name: str, **fields: str) -> str:
        reply = self.send("/sign-in", user=name, **fields)
        assert (reply.status_code, reply.url) == (200, f"{self.url}/")
        return html.unescape(reply.text)

    def devices(self) -> list[str]:
        return re.findall(r'action="/devices/(sess_[^/]+)/sign-out"', self.look())
