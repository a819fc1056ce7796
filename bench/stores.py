"""Operations a second of each store, with 1 and 8 threads: its own acts, and acts on sessions.

    stores.py [--store URL ...]

Without `--store`: memory; a SQLite file in the folder for temporary files; PostgreSQL on this
machine's usual port; Redis servers of our own that append to a file every second, and always.
What is not there is left out and named. The floors are the driver alone, on the same server: one
row of the same size read by its key, and one written durably.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import secrets
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import common
from common import Spread
from sessions import CUSTOM, app_for, file_system

THREADS = (1, 8)
POSTGRESQL = "postgresql://postgres@127.0.0.1:5432/test"
#: Bytes of a record, about what a session has with a full journal.
SIZE = 2_000
#: Does it once; False: there is nothing left to do it to.
Act = Callable[[], Any]
READ, WRITE = "floor: read a row", "floor: write a row"
#: What each act is compared with.
FLOORS = {
    "load": READ,
    "log_since, nothing new": READ,
    "commit, one put": WRITE,
    "commit, one put and a log entry": WRITE,
    "sessions.create": WRITE,
    "sessions.refresh": WRITE,
    "sessions.merge_claims": WRITE,
    "sessions.revoke": WRITE,
}


@dataclass(frozen=True)
class Place:
    """A store to open, and what its driver alone can do there."""

    name: str
    url: str
    #: Opens a connection, for one thread, and gives reading and writing one row; None: no driver.
    floor: Callable[[], tuple[Act, Act]] | None = None
    #: What the server does by itself within a minute of much having been written.
    settle: Callable[[], object] = lambda: None


# Where the stores are


def options(name: str) -> list[str]:
    """The addresses given by `--store`, taken off the command line."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--store", action="append", default=[])
    given, sys.argv[1:] = parser.parse_known_args()
    return list(given.store)


@contextlib.contextmanager
def places(folder: Path, urls: Sequence[str]) -> Iterator[list[Place]]:
    """Empty places, cleared away at the end; the default ones if none is given."""
    with contextlib.ExitStack() as stack:
        if urls:
            yield [stack.enter_context(_OPENED[_kind(url)](url)) for url in urls]
            return
        found = [Place("memory", "memory:"), sqlite_at(folder)]
        try:
            found.append(stack.enter_context(postgresql(POSTGRESQL)))
        except Exception as error:  # whatever the driver says when there is none
            print(f"left out: PostgreSQL ({type(error).__name__})")
        if shutil.which("redis-server") and importlib.util.find_spec("redis"):
            for fsync in ("everysec", "always"):
                url = stack.enter_context(redis_server(folder / fsync, fsync))
                found.append(stack.enter_context(redis_at(url, f"redis, {fsync}")))
        else:
            print("left out: Redis (there is no redis-server, or no redis-py)")
        yield found


def _kind(url: str) -> str:
    scheme = url.partition(":")[0].partition("+")[0]
    return {"postgres": "postgresql", "rediss": "redis", "unix": "redis"}.get(scheme, scheme)


def sqlite_at(folder: Path) -> Place:
    def floor() -> tuple[Act, Act]:
        rows = sqlite3.connect(
            folder / "floor.db", isolation_level=None, timeout=30, check_same_thread=False
        )
        rows.execute("PRAGMA journal_mode = WAL")
        rows.execute("PRAGMA synchronous = FULL")
        rows.execute("CREATE TABLE IF NOT EXISTS small (key TEXT PRIMARY KEY, data BLOB)")
        key, data = secrets.token_hex(8), b"x" * SIZE

        def write() -> None:
            rows.execute("INSERT OR REPLACE INTO small VALUES (?, ?)", (key, data))

        def read() -> Any:
            return rows.execute("SELECT data FROM small WHERE key = ?", (key,)).fetchone()

        write()
        return read, write

    return Place("sqlite", f"sqlite:///{folder / 'bench.db'}", floor)


@contextlib.contextmanager
def sqlite_given(url: str) -> Iterator[Place]:
    path = Path(url.removeprefix("sqlite:///"))
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:  # its disk, not its records
        yield sqlite_at(Path(folder))


@contextlib.contextmanager
def postgresql(url: str) -> Iterator[Place]:
    import psycopg

    schema = f"bench_{secrets.token_hex(6)}"
    with psycopg.connect(url, autocommit=True, connect_timeout=5) as admin:
        admin.execute(f"CREATE SCHEMA {schema}")
        admin.execute(f"CREATE TABLE {schema}.small (key text PRIMARY KEY, data bytea)")
        names = ("server_version", "fsync", "synchronous_commit")
        said = [f"{name} {admin.execute(f'SHOW {name}').fetchone()[0]}" for name in names]
    print("PostgreSQL:", ", ".join(said))

    def floor() -> tuple[Act, Act]:
        rows = psycopg.connect(url, autocommit=True)
        key, data = secrets.token_hex(8), b"x" * SIZE
        rows.execute(f"SET search_path = {schema}")
        select = "SELECT data FROM small WHERE key = %s"
        upsert = (
            "INSERT INTO small VALUES (%s, %s) ON CONFLICT (key) DO UPDATE SET data = EXCLUDED.data"
        )

        def write() -> None:
            rows.execute(upsert, (key, data))

        write()
        return lambda: rows.execute(select, (key,), binary=True).fetchone(), write

    def settle() -> None:
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute("ANALYZE")

    own = f"{url}{'&' if '?' in url else '?'}schema={schema}"
    try:
        yield Place("postgresql", own, floor, settle)
    finally:
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute(f"DROP SCHEMA {schema} CASCADE")


@contextlib.contextmanager
def redis_server(folder: Path, fsync: str) -> Iterator[str]:
    """A server of our own that appends every change to a file."""
    import redis

    folder.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    given = {"bind": "127.0.0.1", "port": port, "dir": folder, "loglevel": "warning", "save": ""}
    given |= {"appendonly": "yes", "appendfsync": fsync}
    words = [word for name, value in given.items() for word in (f"--{name}", f"{value}")]
    process = subprocess.Popen(["redis-server", *words], stdout=subprocess.DEVNULL)
    try:
        with redis.Redis(port=port) as client:
            for _ in range(100):
                with contextlib.suppress(redis.ConnectionError):
                    client.ping()
                    break
                time.sleep(0.1)
            else:
                raise SystemExit("redis-server does not answer")
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def redis_at(url: str, name: str = "redis") -> Iterator[Place]:
    import redis

    plain = url.partition("?")[0]
    prefix = f"bench_{secrets.token_hex(6)}"

    def floor() -> tuple[Act, Act]:
        client = redis.Redis.from_url(plain)
        key, data = f"{{{prefix}}}:{secrets.token_hex(8)}", b"x" * SIZE
        client.set(key, data)
        return lambda: client.get(key), lambda: client.set(key, data)

    try:
        yield Place(name, f"{url}{'&' if '?' in url else '?'}prefix={prefix}", floor)
    finally:
        with redis.Redis.from_url(plain) as client:
            for key in client.scan_iter(f"{{{prefix}}}*", count=1000):
                client.delete(key)


_OPENED: Mapping[str, Callable[[str], Any]] = {
    "memory": lambda url: contextlib.nullcontext(Place("memory", url)),
    "sqlite": sqlite_given,
    "postgresql": postgresql,
    "redis": redis_at,
}


# What one thread does


def acts_of(place: Place, store: Any, sessions: Any, index: int) -> dict[str, Act]:
    """The acts of one thread, on records and sessions of its own."""
    from flask_session_claims.sessions.model import log_entry
    from flask_session_claims.sessions.records import Put

    key, data = secrets.token_hex(16), b"x" * SIZE
    version, numbers = count(), count()
    made: list[Any] = []

    def commit(*log: Any) -> None:
        put = Put("bench", key, next(version), data, (("user", f"user_{index}"),))
        if not store.commit([put], (), log):
            raise SystemExit(f"{place.name}: a commit without a rival has lost")

    def create() -> None:
        made.append(sessions.create(f"user_{index}", claims=CUSTOM))

    def revoke() -> bool:
        return bool(len(made) > 1 and sessions.revoke(made.pop().session.session_id))

    def refresh() -> None:
        made[0] = sessions.refresh(made[0].refresh_token)

    def merge() -> None:
        sessions.merge_claims(made[0].session.session_id, {"n": next(numbers)})

    commit()
    create()
    end = store.log_since(2**62).newest
    if end and store.log_since(end - 1).newest != end:
        raise SystemExit(f"{place.name}: the log's end is not where it says")
    acts: dict[str, Act] = {}
    if place.floor is not None:
        acts[READ], acts[WRITE] = place.floor()
    return acts | {
        "load": lambda: store.load("bench", key),
        "log_since, nothing new": lambda: store.log_since(2**62),
        "commit, one put": commit,
        "commit, one put and a log entry": lambda: commit(
            log_entry("session", key, "claims", time.time())
        ),
        "sessions.create": create,
        "sessions.refresh": refresh,
        "sessions.merge_claims": merge,
        "sessions.revoke": revoke,
    }


def rate(acts: Sequence[Act], seconds: float) -> float:
    """How often a second they are done, each in a thread of its own."""
    spans: list[tuple[int, float, float]] = []
    failed: list[BaseException] = []
    barrier = threading.Barrier(len(acts))

    def work(act: Act) -> None:
        done = 0
        try:
            barrier.wait()
            begun = time.perf_counter()
            while time.perf_counter() - begun < seconds and act() is not False:
                done += 1
            spans.append((done, begun, time.perf_counter()))
        except BaseException as error:
            failed.append(error)
            barrier.abort()

    threads = [threading.Thread(target=work, args=[act]) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    counts, begins, ends = zip(*spans, strict=True)
    return sum(counts) / (max(ends) - min(begins))


def load_average() -> str:
    return " ".join(f"{value:.1f}" for value in os.getloadavg())


def main() -> None:
    urls = options("store")
    given = common.options(__doc__ or "", rounds=7)
    found = common.versions("Flask-Session-Claims", "SQLAlchemy", "psycopg", "redis")
    print(f"SQLite {sqlite3.sqlite_version}; load average {load_average()}")
    seconds, measured = (0.05 if given.quick else 0.3), {}
    with tempfile.TemporaryDirectory() as name, places(Path(name), urls) as all_places:
        print(f"files: {file_system(Path(name))}")
        working: dict[str, list[dict[str, Act]]] = {}
        for place in all_places:
            if given.only not in place.name:
                continue
            app, claims = app_for(place.url)
            store = app.extensions["session_claims"].issuing.store
            working[place.name] = [
                acts_of(place, store, claims.sessions, index) for index in range(max(THREADS))
            ]
            measured[place.name] = {
                act: {threads: [] for threads in THREADS} for act in working[place.name][0]
            }
        for place in all_places:
            place.settle()
        for index in range(given.rounds + 1):
            names = list(working)
            for name in names if index % 2 else reversed(names):
                for act, taken in measured[name].items():
                    for threads in THREADS:
                        several = [acts[act] for acts in working[name][:threads]]
                        speed = rate(several, seconds)
                        if index:  # the first only warms up
                            taken[threads].append(speed)
    heads = ["store", "act"]
    for threads in THREADS:
        heads += [f"a second, {threads} thread{'s' * (threads > 1)}", "x floor's time"]
    rows = []
    for name, acts in measured.items():
        for act, taken in acts.items():
            row = [name, act]
            for threads in THREADS:
                base = acts.get(FLOORS.get(act, ""))
                times = common.ratio(base[threads], taken[threads]).text(1) if base else ""
                row += [Spread.of(taken[threads]).text(0), times]
            rows.append(row)
    common.table(f"Operations a second ({given.rounds} rounds of {seconds} s)", heads, rows)
    print(f"load average {load_average()}")
    common.save(given.json, versions=found, measured=measured)


if __name__ == "__main__":
    main()
