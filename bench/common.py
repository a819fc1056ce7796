"""What the measurements share: keys and tokens, a key server, the clock of the rounds, the tables.

Tokens are made here with `cryptography` alone, by neither the library nor a peer. Nothing in this
file knows a verifier.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import metadata
from itertools import repeat
from pathlib import Path
from typing import Any, ClassVar

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

ISSUER = "https://clerk.bench.example"
PARTY = "https://app.bench.example"
NAME = "Ada Lovelace-Byron"
_PKCS1, _SHA256 = padding.PKCS1v15(), hashes.SHA256()


# Keys and tokens


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value: int, size: int | None = None) -> str:
    return b64(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


class Signer:
    """A key pair that signs whatever it is given, with its JWK and PEM."""

    def __init__(self, algorithm: str = "RS256", kid: str = "d-ins_2bench", pem: str = "") -> None:
        self.algorithm, self.kid = algorithm, kid
        if pem:
            self.private: Any = serialization.load_pem_private_key(pem.encode(), None)
        elif algorithm == "RS256":
            self.private = rsa.generate_private_key(65537, 2048)
        elif algorithm == "ES256":
            self.private = ec.generate_private_key(ec.SECP256R1())
        else:
            self.private = ed25519.Ed25519PrivateKey.generate()
        self.public: Any = self.private.public_key()
        self.pem = self.public.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ).decode()

    def private_pem(self) -> str:
        return self.private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode()

    @property
    def jwk(self) -> dict[str, str]:
        common = {"use": "sig", "alg": self.algorithm, "kid": self.kid}
        if self.algorithm == "RS256":
            numbers = self.public.public_numbers()
            return {**common, "kty": "RSA", "n": number(numbers.n), "e": number(numbers.e)}
        if self.algorithm == "ES256":
            point = self.public.public_numbers()
            x, y = number(point.x, 32), number(point.y, 32)
            return {**common, "kty": "EC", "crv": "P-256", "x": x, "y": y}
        return {**common, "kty": "OKP", "crv": "Ed25519", "x": b64(self.public.public_bytes_raw())}

    @property
    def jwks(self) -> dict[str, Any]:
        return {"keys": [self.jwk]}

    def signature(self, data: bytes) -> bytes:
        if self.algorithm == "RS256":
            return self.private.sign(data, _PKCS1, _SHA256)
        if self.algorithm == "ES256":
            r, s = decode_dss_signature(self.private.sign(data, ec.ECDSA(hashes.SHA256())))
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")
        return self.private.sign(data)

    def open(self, token: str) -> Any:
        """The claims of a token whose RSA signature is good; nothing else is checked."""
        front, sealed = token.rsplit(".", 1)
        seal = base64.urlsafe_b64decode(sealed + "==")
        self.public.verify(seal, front.encode(), _PKCS1, _SHA256)
        return json.loads(base64.urlsafe_b64decode(front.split(".", 1)[1] + "=="))

    def token(self, claims: Mapping[str, Any], **header: Any) -> str:
        head = {"alg": self.algorithm, "kid": self.kid, "typ": "JWT"}
        head |= {"cat": "cl_B7d4PD111AAA"} | header
        signing = ".".join(
            b64(json.dumps(part, separators=(",", ":")).encode()) for part in (head, claims)
        )
        return signing + "." + b64(self.signature(signing.encode()))


def claims(**changes: Any) -> dict[str, Any]:
    """The claims of a Clerk v2 session token with four custom claims; lives for hours."""
    now = int(time.time())
    return {
        "azp": PARTY,
        "exp": now + 36_000,
        "fullName": NAME,
        "fva": [3, -1],
        "iat": now - 1,
        "iss": ISSUER,
        "jti": "5f0c1d2ab7e94c3d8e61",
        "nbf": now - 10,
        "plan": "enterprise",
        "primaryEmail": "ada@bench.example",
        "sid": "sess_2kTbS0qTnVYqzAJ4mP7rWc1xEdL",
        "sts": "active",
        "sub": "user_2kTbRxM3vUu9PZcD5tQ8hNy6sFa",
        "v": 2,
    } | changes


# What SuperTokens, Flask-JWT-Extended and simplejwt each demand on top.
SUPERTOKENS = {
    "sessionHandle": "2f0c8e5e-7a",
    "refreshTokenHash1": "9b" * 16,
    "tId": "public",
    "rsub": "user_2kTbRxM3vUu9PZcD5tQ8hNy6sFa",
    "parentRefreshTokenHash1": None,
    "antiCsrfToken": None,
}
JWT_EXTENDED = {"type": "access", "fresh": False}
SIMPLEJWT = {"token_type": "access", "user_id": 1}


def hostile(signer: Signer, extra: Mapping[str, Any], **header: Any) -> dict[str, str]:
    """One token for each thing a verifier may or may not refuse."""

    def mint(**changes: Any) -> str:
        return signer.token(claims(**extra, **changes), **header)

    now = int(time.time())
    good, other = mint(), mint(sub="user_mallory")
    head, body, _ = signer.token(claims(**extra), **header, alg="none").split(".")
    return {
        "sig": ".".join([*other.split(".")[:2], good.split(".")[2]]),
        "exp": mint(exp=now - 600, iat=now - 700, nbf=now - 710),
        "nbf": mint(nbf=now + 600),
        "iss": mint(iss="https://clerk.evil.example"),
        "azp": mint(azp="https://evil.example"),
        "none": f"{head}.{body}.",
        "kid": signer.token(claims(**extra), **header | {"kid": "d-unknown"}),
    }


# A key server in a process of its own, so that its CPU is not charged to the caller


class _Handler(BaseHTTPRequestHandler):
    state: ClassVar[dict[str, Any]] = {
        "status": 200,
        "delay": 0.0,
        "keys": {"keys": []},
        "count": 0,
    }
    lock = threading.Lock()

    def do_GET(self) -> None:
        if self.path == "/_state":
            return self.answer(200, self.state)
        with self.lock:
            self.state["count"] += 1
        time.sleep(self.state["delay"])
        self.answer(self.state["status"], self.state["keys"])

    def do_POST(self) -> None:
        self.state.update(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.answer(200, {})

    def answer(self, status: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        pass


class KeyServer:
    """A JWKS endpoint on loopback that answers on every path and counts its requests."""

    def __init__(self, keys: Mapping[str, Any]) -> None:
        self.process = subprocess.Popen([sys.executable, __file__], stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        self.base = f"http://127.0.0.1:{int(self.process.stdout.readline())}"
        self.url = self.base + "/.well-known/jwks.json"
        self.set(keys=keys)

    def set(self, **state: Any) -> None:
        data = json.dumps(state).encode()
        urllib.request.urlopen(urllib.request.Request(self.base, data), timeout=5).close()

    @property
    def count(self) -> int:
        with urllib.request.urlopen(self.base + "/_state", timeout=5) as answer:
            return int(json.load(answer)["count"])

    def __enter__(self) -> KeyServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()


class _Listener(ThreadingHTTPServer):
    request_queue_size = 256  # Fifty threads start at once.


# Rounds


@dataclass(frozen=True)
class Case:
    """One thing to time: `many(n)` does it n times; `prepare()` goes before, untimed."""

    name: str
    many: Callable[[int], object]
    prepare: Callable[[], object] = lambda: None


def each(act: Callable[[], object]) -> Callable[[int], object]:
    def many(count: int) -> None:
        for _ in repeat(None, count):
            act()

    return many


def measure(cases: Sequence[Case], rounds: int, sample: float) -> dict[str, list[float]]:
    """Microseconds of one act, a value a round: every case in every round, order alternating."""
    counts: dict[str, int] = {}
    for case in cases:
        count = 1
        while (elapsed := seconds(case, count)) < sample / 8:
            count *= 2 if elapsed > sample / 64 else 8
        counts[case.name] = max(1, round(count * sample / elapsed))
    taken: dict[str, list[float]] = {case.name: [] for case in cases}
    for index in range(rounds):
        for case in cases if index % 2 == 0 else reversed(cases):
            count = counts[case.name]
            taken[case.name].append(seconds(case, count) / count * 1e6)
    return taken


def seconds(case: Case, count: int) -> float:
    case.prepare()
    # CPU time: other programs on the machine disturb it less than they do the wall clock.
    start = time.process_time()
    case.many(count)
    return time.process_time() - start


@dataclass(frozen=True)
class Spread:
    """Median, least and greatest of the rounds."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        ordered = sorted(values)
        return cls(statistics.median(ordered), ordered[0], ordered[-1])

    def text(self, digits: int = 2, sign: str = "") -> str:
        return (
            f"{self.median:{sign}.{digits}f} "
            f"({self.least:{sign}.{digits}f}..{self.most:{sign}.{digits}f})"
        )


def ratio(values: Sequence[float], base: Sequence[float]) -> Spread:
    return Spread.of(a / b for a, b in zip(values, base, strict=True))


def added(values: Sequence[float], base: Sequence[float]) -> Spread:
    return Spread.of(a - b for a, b in zip(values, base, strict=True))


# Command line, tables, versions


@dataclass(frozen=True)
class Options:
    rounds: int
    sample: float
    quick: bool
    json: Path | None
    only: str


def options(about: str, rounds: int = 15) -> Options:
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--quick", action="store_true", help="3 short rounds, to see that it works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write what was measured")
    parser.add_argument("--only", default="", metavar="WORD", help="cases whose name has WORD")
    given = parser.parse_args()
    rounds = min(3, given.rounds) if given.quick else given.rounds
    return Options(rounds, 0.01 if given.quick else 0.06, given.quick, given.json, given.only)


def table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints a Markdown table: the first column to the left, the others to the right."""
    widths = [max(len(row[column]) for row in (heads, *rows)) for column in range(len(heads))]

    def line(cells: Sequence[str]) -> str:
        first, *rest = (
            f"{cell:<{width}}" if index == 0 else f"{cell:>{width}}"
            for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return "| " + " | ".join([first, *rest]) + " |"

    rule = "|".join(["-" * (widths[0] + 2), *("-" * (width + 1) + ":" for width in widths[1:])])
    print(f"\n### {title}\n", line(heads), f"|{rule}|", *map(line, rows), sep="\n", flush=True)


def versions(*names: str) -> dict[str, str]:
    found = {"Python": platform.python_version()}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "from the source tree"
    print(", ".join(f"{name} {version}" for name, version in found.items()))
    return found


def save(path: Path | None, **data: Any) -> None:
    if path:
        stamped = {"date": time.strftime("%Y-%m-%d"), **data}
        path.write_text(json.dumps(stamped, indent=1, default=vars) + "\n", encoding="utf-8")


# One set of keys and servers for several processes


@contextmanager
def shared() -> Iterator[tuple[Signer, KeyServer]]:
    """A signer and a key server that child processes find by the environment."""
    signer = Signer()
    with KeyServer(signer.jwks) as server, tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "bench.json")
        file.write_text(json.dumps([signer.private_pem(), server.base]), encoding="utf-8")
        os.environ["BENCH_SHARED"] = str(file)
        yield signer, server


def from_environment() -> tuple[Signer, str]:
    pem, base = json.loads(Path(os.environ["BENCH_SHARED"]).read_text(encoding="utf-8"))
    return Signer(pem=pem), base


if __name__ == "__main__":
    listener = _Listener(("127.0.0.1", 0), _Handler)
    print(listener.server_port, flush=True)
    listener.serve_forever()
