"""Redis for tests: a place of one's own on the shared server, or a whole server of one's own.

The shared server is at FSC_REDIS (default: redis://127.0.0.1:6379/0) and need not keep anything
on disk. Without a server or the program `redis-server` the tests are skipped; where CI is set
they fail.
"""

from __future__ import annotations

import atexit
import contextlib
import ipaddress
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import redis
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

SHARED = os.environ.get("FSC_REDIS", "redis://127.0.0.1:6379/0")
_PATIENCE = 20.0  # seconds until a server answers


def missing(what: str) -> None:
    """Skip, loudly; where CI is set, fail."""
    text = f"NO REDIS: {what}"
    if os.environ.get("CI"):
        pytest.fail(text, pytrace=False)
    pytest.skip(text)


def fresh_url(**options: object) -> str:
    """The URL of an empty place on the shared server; its keys are deleted at exit."""
    try:
        with redis.Redis.from_url(SHARED) as client:
            client.ping()
    except redis.RedisError:
        missing(f"nothing answers at {SHARED}")
    prefix = f"test-{uuid.uuid4().hex[:12]}"
    atexit.register(_forget, prefix)
    return f"{SHARED}?{urlencode({'prefix': prefix, 'persistence': 'none', **options})}"


def _forget(prefix: str) -> None:
    try:
        with redis.Redis.from_url(SHARED) as client:
            for key in client.scan_iter(f"{{{prefix}}}:*", count=1000):
                client.delete(key)
    except redis.RedisError:
        pass  # it has gone, and they with it


def free_port() -> int:
    """One that leaves room above it: a node of a Cluster takes the one 10,000 higher as well."""
    while True:
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            port: int = sock.getsockname()[1]
        if port < 55_000:
            return port


def until(done: Callable[[], Any], what: str, patience: float = _PATIENCE) -> Any:
    """What `done` gives as soon as it is true."""
    deadline = time.monotonic() + patience
    while True:
        found = done()
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {patience} s: {what}"
        time.sleep(0.02)


class RedisServer:
    """A server that keeps everything on disk, in `folder`; `settings` are lines of redis.conf."""

    def __init__(self, folder: Path, **settings: str) -> None:
        program = shutil.which("redis-server")
        if program is None:
            missing("there is no program redis-server")
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = free_port()
        self.settings = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "dir": str(folder),
            "save": "",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "logfile": "redis.log",
            "repl-diskless-sync-delay": "0",
            "enable-debug-command": "yes",
            **{name.replace("_", "-"): value for name, value in settings.items()},
        }
        self._program = str(program)
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def url(self, **options: object) -> str:
        return f"redis://127.0.0.1:{self.port}/0?{urlencode(options)}"

    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port, password=self.settings.get("requirepass"))

    def start(self) -> None:
        arguments = [part for name, value in self.settings.items() for part in (f"--{name}", value)]
        self._process = subprocess.Popen(
            [self._program, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until(self._answers, "a server that answers")

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "redis.log").read_text()
        try:
            with self.client() as client:
                return client.ping() is True
        except redis.RedisError:
            return False

    def send(self, number: int) -> None:
        """SIGSTOP, SIGCONT, ..."""
        if self._process is not None:
            self._process.send_signal(number)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it; SIGKILL: without a word."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.send_signal(signal.SIGCONT)
            self._process.wait(_PATIENCE)
            self._process = None

    def tls_url(self, **options: object) -> str:
        """Over the port that `with_tls` has added."""
        query = urlencode({"ssl_ca_certs": self.folder / "cert.pem", **options})
        return f"rediss://127.0.0.1:{self.settings['tls-port']}/0?{query}"

    @classmethod
    def with_tls(cls, folder: Path) -> RedisServer:
        """A server that speaks TLS too, with a certificate of its own making."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
        now = datetime.now(timezone.utc)
        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        cert = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([address]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        pem = serialization.Encoding.PEM
        plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "cert.pem").write_bytes(cert.public_bytes(pem))
        (folder / "key.pem").write_bytes(key.private_bytes(pem, *plain))
        return cls(
            folder,
            tls_port=str(free_port()),
            tls_cert_file="cert.pem",
            tls_key_file="key.pem",
            tls_auth_clients="no",
        )

    def replica(self, folder: Path) -> RedisServer:
        """Another server that copies this one, and has done so once."""
        other = RedisServer(folder, replicaof=f"127.0.0.1 {self.port}")
        with other.client() as client:
            until(lambda: client.info()["master_link_status"] == "up", "a replica in step")
        return other


class Proxy:
    """Stands before a server; `mode` says what happens to the commands that hold `word`.

    `pass`; `cut-before`: the connection ends and the server never hears of it; `cut-after`: the
    server does it and the connection ends; `silent`: the server never hears of it; a number: so
    many seconds late. Answers go on in pieces, `pause` seconds apart.
    """

    def __init__(self, port: int, *, pause: float = 0.0) -> None:
        self.mode: str | float = "pass"
        self._pause = pause
        self.word = b""
        #: Commands that held `word`.
        self.met = 0
        self._to = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._socks: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._to)
            except OSError:
                return
            self._socks += [near, far]
            threading.Thread(target=self._serve, args=(near, far), daemon=True).start()

    def _serve(self, near: socket.socket, far: socket.socket) -> None:
        heard = threading.Event()
        heard.set()
        threading.Thread(target=self._answer, args=(far, near, heard), daemon=True).start()
        with contextlib.suppress(OSError), near, far:
            while asked := near.recv(1 << 20):
                mode: str | float = "pass"
                if self.word in asked:
                    self.met += 1
                    mode = self.mode
                if mode == "cut-before":
                    near.shutdown(socket.SHUT_RDWR)
                    return
                if mode == "cut-after":
                    heard.clear()
                if mode == "silent":
                    continue
                if isinstance(mode, float):
                    time.sleep(mode)
                far.sendall(asked)
            far.shutdown(socket.SHUT_RDWR)  # closing alone would not wake the other thread

    def _answer(self, far: socket.socket, near: socket.socket, heard: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while answer := far.recv(1 << 16):
                if not heard.is_set():
                    break
                near.sendall(answer)
                time.sleep(self._pause)
            near.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        for sock in (self._listener, *self._socks):
            sock.close()
