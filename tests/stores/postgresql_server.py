"""PostgreSQL for tests: places on a shared server, servers of one's own, a pooler, a proxy.

FSC_POSTGRESQL is the URL of another shared server. Where there is none, or a program is missing,
tests are skipped; under CI they fail.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import glob
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

SHARED = os.environ.get("FSC_POSTGRESQL", "postgresql://postgres@127.0.0.1:5432/test")


def missing(what):
    """Skip the test; under CI, fail."""
    if os.environ.get("CI"):
        pytest.fail(f"{what}, and CI must not skip it")
    pytest.skip(f"NOT TESTED: {what}")


@functools.lru_cache
def shared_problem():
    try:
        psycopg.connect(SHARED, connect_timeout=5).close()
    except psycopg.Error as error:
        return str(error).splitlines()[0]
    return None


def run_sql(*statements, url=SHARED):
    """Run them on a connection of one's own; the rows of the last one."""
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


def with_options(url, **options):
    text = "&".join(f"{name}={value}" for name, value in options.items())
    return f"{url}{'&' if urlsplit(url).query else '?'}{text}"


_schemas = []


def _drop():
    drops = [f'DROP SCHEMA IF EXISTS "{name}" CASCADE' for name in _schemas]
    run_sql("SET lock_timeout = 10000", *drops)


def fresh_schema():
    """A schema that is not there yet; it is dropped at the end."""
    if shared_problem():
        missing(f"there is no PostgreSQL at {urlsplit(SHARED).hostname}: {shared_problem()}")
    if not _schemas:
        atexit.register(_drop)
    _schemas.append(f"fsc_{secrets.token_hex(6)}")
    return _schemas[-1]


def fresh_url(url=SHARED, **options):
    """The URL of a fresh, empty place on the shared server."""
    return with_options(url, schema=fresh_schema(), **options)


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def program(name):
    folders = sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True)
    places = [os.environ.get("PATH", ""), *folders, "/usr/sbin", "/usr/local/sbin"]
    found = shutil.which(name, path=os.pathsep.join(places))
    return found or missing(f"the program {name} is not installed")


def as_nobody():
    """How a server is started, which refuses to be root."""
    if os.geteuid() != 0:
        return {}
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    user = names.get("postgres") or names["nobody"]
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def folder_for_nobody(**where):
    folder = tempfile.mkdtemp(prefix="fsc-", **where)
    who = as_nobody()
    if who:
        os.chown(folder, who["user"], who["group"])
    return Path(folder)


def children(pid):
    with contextlib.suppress(FileNotFoundError):
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


class PostgresServer:
    """A server of one's own; `with` it."""

    def __init__(self, **settings):
        self.folder = folder_for_nobody()
        self.data = self.folder / "data"
        self.port = free_port()
        self.settings = {"listen_addresses": "127.0.0.1", "shared_buffers": "16MB", **settings}
        self.process = None
        initdb = [program("initdb"), "-D", self.data, "-U", "postgres", "-A", "trust", "-N"]
        subprocess.run(
            [*initdb, "-E", "UTF8", "--locale=C"],
            check=True,
            capture_output=True,
            timeout=100,
            **as_nobody(),
        )

    @property
    def url(self):
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def start(self):
        options = [f"-c{name}={value}" for name, value in self.settings.items()]
        log = open(self.folder / "log", "ab")  # noqa: SIM115
        self.process = subprocess.Popen(
            [
                program("postgres"),
                "-D",
                self.data,
                "-p",
                str(self.port),
                "-k",
                self.folder,
                *options,
            ],
            stdout=log,
            stderr=log,
            **as_nobody(),
        )
        log.close()
        deadline = time.monotonic() + 30
        while True:
            with contextlib.suppress(psycopg.OperationalError):
                psycopg.connect(self.url, connect_timeout=5).close()
                return self
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise AssertionError((self.folder / "log").read_text()[-2000:])
            time.sleep(0.05)

    def signal(self, number):
        """To the server and each of its processes."""
        processes = [self.process.pid, *children(self.process.pid)]
        for pid in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        return processes

    def stop(self):
        self.process.send_signal(signal.SIGINT)  # fast: connections are ended
        self.process.wait(30)

    def kill(self):
        processes = self.signal(signal.SIGKILL)
        self.process.wait(30)
        while any(Path(f"/proc/{pid}").exists() for pid in processes[1:]):
            time.sleep(0.01)

    @contextlib.contextmanager
    def hanging(self):
        self.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.signal(signal.SIGCONT)

    def log(self):
        return (self.folder / "log").read_text()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


class Bouncer:
    """A pgbouncer in transaction mode before the shared server; `with` it."""

    def __init__(self, pool_size=5):
        self.folder = folder_for_nobody()
        self.port = free_port()
        server = urlsplit(SHARED)
        (self.folder / "pgbouncer.ini").write_text(
            "[databases]\n"
            f"test = host={server.hostname} port={server.port or 5432}"
            f" dbname={server.path[1:]} user={server.username}\n"
            "[pgbouncer]\n"
            f"listen_addr = 127.0.0.1\nlisten_port = {self.port}\nunix_socket_dir =\n"
            "auth_type = any\npool_mode = transaction\nmax_client_conn = 500\n"
            f"default_pool_size = {pool_size}\n"
        )
        (self.folder / "pgbouncer.ini").chmod(0o644)

    @property
    def url(self):
        return f"postgresql://test@127.0.0.1:{self.port}/test"

    def __enter__(self):
        if shared_problem():
            missing(f"there is no PostgreSQL for pgbouncer: {shared_problem()}")
        with open(self.folder / "log", "wb") as log:
            self.process = subprocess.Popen(
                [program("pgbouncer"), self.folder / "pgbouncer.ini"],
                stdout=log,
                stderr=log,
                **as_nobody(),
            )
        deadline = time.monotonic() + 20
        while True:
            with contextlib.suppress(psycopg.OperationalError):
                psycopg.connect(self.url, connect_timeout=5).close()
                return self
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise AssertionError((self.folder / "log").read_text()[-2000:])
            time.sleep(0.05)

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait(30)
        shutil.rmtree(self.folder, ignore_errors=True)


class Proxy:
    """Stands between a store and its server, and misbehaves as told; `with` it."""

    def __init__(self, url):
        self._server = urlsplit(url)
        self.delay = 0.0  # seconds, of each answer
        self.silent = False  # whether nothing gets through
        self.cut_before = self.cut_after = None  # what the client says: then both ends are closed
        self.connections = 0
        self.said = b""  # by the client
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._port = self._listener.getsockname()[1]

    @property
    def url(self):
        netloc = f"{self._server.username}@127.0.0.1:{self._port}"
        return f"postgresql://{netloc}{self._server.path}?sslmode=disable&gssencmode=disable"

    def __enter__(self):
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.silent = False
        self._listener.close()

    def messages(self):
        """(type, content) of what the client said to an open connection since last asked."""
        said, self.said = self.said, b""
        found = []
        while said:
            end = 1 + int.from_bytes(said[1:5], "big")
            found.append((said[:1].decode(), said[5:end]))
            said = said[end:]
        return found

    def _listen(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                self.connections += 1
                server = self._server.hostname, self._server.port or 5432
                far = socket.create_connection(server)
                ends = near, far, threading.Event()
                for act in (self._forth, self._back):
                    threading.Thread(target=act, args=ends, daemon=True).start()

    def _forth(self, near, far, cut):
        with contextlib.suppress(OSError):
            while data := near.recv(1 << 16):
                self.said += data
                self._hold()
                if self.cut_before and self.cut_before in data:
                    break
                if self.cut_after and self.cut_after in data:
                    cut.set()
                far.sendall(data)
                if cut.is_set():
                    time.sleep(0.3)  # the server does it, and its answer is lost
                    break
        self._end(near, far)

    def _back(self, near, far, cut):
        with contextlib.suppress(OSError):
            while data := far.recv(1 << 16):
                self._hold()
                time.sleep(self.delay)
                if not cut.is_set():
                    near.sendall(data)
        self._end(near, far)

    def _hold(self):
        while self.silent:
            time.sleep(0.02)

    @staticmethod
    def _end(*socks):
        for sock in socks:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
