"""The OpenID providers in their own process, and what they are told."""

from __future__ import annotations

import json
import queue
import shutil
import subprocess
import threading
from pathlib import Path
from typing import IO, Any

import pytest

HERE = Path(__file__).parent
PATIENCE = 20.0  # seconds, for an answer; a cold start is most of it
API = "https://api.example"
OTHER_API = "https://other.example"
PRO = {"plan": "pro", "team": {"name": "Analytical Engines", "seats": 3}}


def resource(audience: str = API, algorithm: str = "RS256", lifetime: int = 300) -> dict[str, Any]:
    """An API as the provider knows it: JWT access tokens for it."""
    return {
        "scope": "reports:read reports:write",
        "audience": audience,
        "accessTokenTTL": lifetime,
        "accessTokenFormat": "jwt",
        "jwt": {"sign": {"alg": algorithm}},
    }


#: Resource indicator -> what a token for it is like.
RESOURCES = {
    "urn:rs256": resource(),
    "urn:es256": resource(algorithm="ES256"),
    "urn:short": resource(lifetime=3),
    "urn:foreign": resource(OTHER_API),
    "urn:opaque": {**resource(), "accessTokenFormat": "opaque"},
}
CLAIMS = {"ada": PRO, "grace": {"plan": "free"}}


def why_not() -> str | None:
    """What is missing to run the provider; None: nothing."""
    if shutil.which("node") is None:
        return (
            "Node.js (20.12 or newer) is missing: install it, then run `npm ci` in tests/provider"
        )
    if not (HERE / "node_modules" / "oidc-provider" / "package.json").exists():
        return "the npm package oidc-provider is missing: run `npm ci` in tests/provider"
    return None


class OidcProvider:
    """Two tenants with the same keys; `with` starts and ends them.

    Attributes:
        issuer, neighbour: the addresses, which are the `iss` of their tokens.
    """

    def __init__(self, work: Path, ports: tuple[int, int] = (0, 0)) -> None:
        self._work = work
        self._ports = ports
        self._answers: queue.Queue[str] = queue.Queue()

    def __enter__(self) -> OidcProvider:
        self._errors = (self._work / "provider.txt").open("a+", encoding="utf-8")
        self._process = subprocess.Popen(
            ["node", HERE / "provider.mjs", *map(str, self._ports)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        threading.Thread(target=self._listen, args=[self._process.stdout], daemon=True).start()
        try:
            issuers: list[str] = self.sign_with("RS256:first", "ES256:first")["issuers"]
        except BaseException:
            self.__exit__()
            raise
        self.issuer, self.neighbour = issuers
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()
        self._errors.close()

    def sign_with(self, *names: str) -> dict[str, Any]:
        """Rotate: these keys are published, and of each kind the first signs."""
        return self._say({"keys": names, "resources": RESOURCES, "claims": CLAIMS})

    def fetches(self) -> int:
        """How often a key set was fetched so far."""
        count: int = self._say({})["fetches"]
        return count

    def _listen(self, lines: IO[str]) -> None:
        for line in lines:
            self._answers.put(line)
        self._answers.put("")

    def _say(self, order: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        try:
            line = self._answers.get(timeout=PATIENCE)
        except queue.Empty:
            line = ""
        if not line:
            self._errors.seek(0)
            pytest.fail(f"the OpenID provider does not answer:\n{self._errors.read()}")
        answer: dict[str, Any] = json.loads(line)
        return answer
