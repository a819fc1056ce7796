"""Throughput kept of a bare view behind gunicorn, sync and gthread with four threads, under wrk.

One worker process an app; all apps stay up and are loaded in turn, each run paired with a run of
the bare view just before or after it. Needs `wrk` on the path.
"""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import apps
import common
from common import NAME, Spread

KINDS = {"sync": ["-k", "sync"], "gthread x 4": ["-k", "gthread", "--threads", "4"]}
APPS = [
    "floor, cached",
    "ours, cached",
    "ours, no cache",
    "flask-login",
    "clerk, PEM",
    "clerk, JWKS cached",
    "flask-jwt-extended",
    "supertokens",
]


def make(name: str) -> Any:
    """What gunicorn serves: an app of `apps.py` with the keys of the parent process."""
    return apps.FLASK[name](*common.from_environment())


@dataclass
class Served:
    """An app behind gunicorn and what its client sends."""

    name: str
    port: int
    headers: Mapping[str, str]
    forged: Mapping[str, str]
    speeds: list[float] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)

    def get(self, headers: Mapping[str, str]) -> tuple[str, bytes]:
        asked = urllib.request.Request(f"http://127.0.0.1:{self.port}/", headers=dict(headers))
        try:
            with urllib.request.urlopen(asked, timeout=5) as answer:
                return str(answer.status), answer.read()
        except urllib.error.HTTPError as refusal:
            return str(refusal.code), b""

    def prove(self) -> None:
        for _ in range(100):
            with contextlib.suppress(OSError):
                if self.get(self.headers) == ("200", NAME.encode()):
                    break
            time.sleep(0.1)
        else:
            raise SystemExit(f"{self.name} does not answer the good credential")
        if self.name != "bare":
            for bad in (self.forged, apps.AGENT):
                if (status := self.get(bad)[0]) not in apps.REFUSED:
                    raise SystemExit(f"{self.name} answers {status} to a bad credential")

    def load(self, seconds: float) -> float:
        """Requests a second."""
        fields = [part for it in self.headers.items() for part in ("-H", ": ".join(it))]
        done = subprocess.run(
            [
                "wrk",
                "-t1",
                "-c16",
                f"-d{seconds:.0f}s",
                "--latency",
                *fields,
                f"http://127.0.0.1:{self.port}/",
            ],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        if "Non-2xx" in done or "Socket errors" in done:
            raise SystemExit(f"{self.name}: errors under load\n{done}")
        number, unit = re.findall(r"99%\s+([\d.]+)(us|ms|s)", done)[0]
        self.p99.append(float(number) * {"us": 1e-3, "ms": 1, "s": 1e3}[unit])
        self.speeds.append(float(re.findall(r"Requests/sec:\s+([\d.]+)", done)[0]))
        return self.speeds[-1]


@contextlib.contextmanager
def serving(kind: list[str], names: list[str], signer: Any, base: str) -> Iterator[list[Served]]:
    running, served = [], []
    try:
        for name in names:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
            known = "ours, cached" if name == "bare" else name
            good, forged = apps.flask_headers(known, apps.FLASK[known](signer, base), signer)
            served.append(Served(name, port, good, forged))
            running.append(
                subprocess.Popen(
                    [
                        sys.executable,
                        "-m",
                        "gunicorn",
                        "-w",
                        "1",
                        *kind,
                        "-b",
                        f"127.0.0.1:{port}",
                        "--no-control-socket",
                        "--log-level",
                        "error",
                        "--chdir",
                        sys.path[0],
                        f"server:make({name!r})",
                    ]
                )
            )
        for one in served:
            one.prove()
        yield served
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait()


def main() -> None:
    given = common.options(__doc__ or "", rounds=9)
    found = common.versions(
        "Flask-Session-Claims",
        "Flask",
        "gunicorn",
        "Flask-Login",
        "Flask-JWT-Extended",
        "clerk-backend-api",
        "supertokens-python",
        "PyJWT",
        "cryptography",
    )
    seconds = 1.0 if given.quick else 3.0
    names = ["bare", *(name for name in APPS if given.only in name)]
    measured: dict[str, Any] = {}
    with common.shared() as (signer, keys):
        for kind, arguments in KINDS.items():
            with serving(arguments, names, signer, keys.base) as (bare, *guarded):
                for one in (bare, *guarded):
                    one.load(1.0)
                    one.speeds.clear()
                    one.p99.clear()
                for index in range(given.rounds):
                    for one in guarded:
                        if index % 2 == 0:
                            base = bare.load(seconds)
                            one.shares.append(one.load(seconds) / base)
                        else:
                            speed = one.load(seconds)
                            one.shares.append(speed / bare.load(seconds))
                rows = [
                    [
                        one.name,
                        Spread.of(one.speeds).text(0),
                        Spread.of(one.shares).text(3) if one.shares else "",
                        Spread.of(one.p99).text(1),
                    ]
                    for one in (bare, *guarded)
                ]
                measured[kind] = [vars(one) for one in (bare, *guarded)]
            common.table(
                f"gunicorn {kind}, wrk with 16 connections, {given.rounds} pairs "
                f"of {seconds:.0f} s",
                ["app", "requests/s: median (min..max)", "share of the bare view", "p99 ms"],
                rows,
            )
    common.save(given.json, versions=found, measured=measured)


if __name__ == "__main__":
    main()
