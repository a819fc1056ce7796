"""Every call on sessions while the SQLite store is read-only, full, locked, gone or damaged.

Each ends in a declared error or in what is true; nobody is signed in or out by it, and once the
store is back, everything is as it was.
"""

from __future__ import annotations

import asyncio
import concurrent.futures.thread  # noqa: F401  (nobody may not be able to load it)
import sqlite3
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("flask")

from flask import Flask

from flask_session_claims import SessionClaims, UnavailableError
from flask_session_claims.stores.sqlite import SqliteStore
from tests.stores.test_sqlite import nobody, open_folder

__all__ = ["open_folder"]

SECRET = "a secret of this test, and long enough"


class Bench:
    """A session in a file, and the app's ways to it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "store.db"
        self.store = SqliteStore(self.path, timeout=0.2)
        app = Flask("faults", instance_path=str(folder))
        app.config.update(
            SECRET_KEY=SECRET, SESSION_CLAIMS_ISSUER="self", SESSION_CLAIMS_STORE=self.store
        )
        self.claims = SessionClaims(app)
        self.sessions = self.claims.sessions
        self.claims.directory.create_user("user_1")
        self.issued = self.sessions.create("user_1", claims={"plan": "pro"}, data={"a": 1})
        self.sid = self.issued.session.session_id
        self.before = self.sessions.get(self.sid)

    def is_as_before(self) -> None:
        assert self.sessions.get(self.sid) == self.before
        assert [s.session_id for s in self.sessions.list_for_user("user_1")] == [self.sid]
        again = self.sessions.refresh(self.issued.refresh_token or "")
        assert again.session.session_id == self.sid
        assert again.claims["plan"] == "pro"


CALLS = {
    "create": lambda s, b: s.create("user_1", data={"a": "x" * 9_000}),
    "refresh": lambda s, b: s.refresh(b.issued.refresh_token),
    "get": lambda s, b: s.get(b.sid),
    "list_for_user": lambda s, b: s.list_for_user("user_1"),
    "merge_claims": lambda s, b: s.merge_claims(b.sid, {"plan": "x" * 900}),
    "merge_claims_for_user": lambda s, b: s.merge_claims_for_user("user_1", {"plan": "x" * 900}),
    "set_data": lambda s, b: s.set_data(b.sid, {"a": "x" * 16_000}),
    "mint": lambda s, b: s.mint(b.sid),
    "revoke": lambda s, b: s.revoke(b.sid),
    "revoke_all": lambda s, b: s.revoke_all("user_1"),
    "journal": lambda s, b: s.journal(b.sid),
    "prune": lambda s, b: s.prune(),
    "update_user_metadata": lambda s, b: beside(s, b, "directory").update_user_metadata(
        "user_1", public={"plan": "x" * 900}
    ),
    "add_organization": lambda s, b: beside(s, b, "directory").create_organization("x" * 200),
    "save_template": lambda s, b: beside(s, b, "templates").save({"x": "x" * 900}),
    "get_user": lambda s, b: beside(s, b, "directory").get_user("user_1"),
    "preview": lambda s, b: beside(s, b, "templates").preview({"x": 1}, user_id="user_1"),
}
READS = {"get", "list_for_user", "mint", "journal", "prune", "get_user", "preview"}


def beside(sessions, bench, name):
    """The directory or the templates, in the form that these sessions have."""
    return getattr(bench.claims, name if sessions is bench.sessions else f"a{name}")


@contextmanager
def read_only(bench: Bench):
    bench.store.close()
    folder = bench.path.parent
    for file in folder.iterdir():
        file.chmod(0o444)
    folder.chmod(0o555)
    try:
        with nobody():
            yield
    finally:
        folder.chmod(0o755)
        for file in folder.iterdir():
            file.chmod(0o644)


@contextmanager
def full(bench: Bench):
    """A disk on which nothing more has room, as SQLite sees it."""
    make = bench.store._connections._make

    def made() -> sqlite3.Connection:
        connection = make()
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")
        return connection

    bench.store.close()
    with sqlite3.connect(bench.path) as raw:  # fill what is free within the pages there are
        raw.execute("CREATE TABLE IF NOT EXISTS ballast (data)")
        raw.execute("INSERT INTO ballast VALUES (zeroblob(3000))")
    raw.close()
    bench.store._connections._make = made
    try:
        yield
    finally:
        bench.store._connections._make = make
        bench.store.close()


@contextmanager
def locked(bench: Bench):
    raw = sqlite3.connect(bench.path, isolation_level=None)
    raw.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        raw.close()


@contextmanager
def gone(bench: Bench):
    away = bench.path.parent / "away"
    away.mkdir()
    files = list(bench.path.parent.glob("store.db*"))
    for file in files:
        file.rename(away / file.name)
    try:
        yield
    finally:
        for file in away.iterdir():
            file.rename(bench.path.parent / file.name)


@contextmanager
def damaged(bench: Bench):
    bench.store.close()
    whole = bench.path.read_bytes()
    bench.path.write_bytes(whole[:100] + b"\xee" * (len(whole) - 100))
    try:
        yield
    finally:
        bench.store.close()
        bench.path.write_bytes(whole)


#: Fault -> the codes it may end in, and the calls that need not mind it.
FAULTS = {
    "read_only": (read_only, {"store-read-only", "store-unreachable"}, READS),
    "full": (full, {"store-full"}, set(CALLS)),
    "locked": (locked, {"store-locked"}, READS),
    "gone": (gone, {"store-gone"}, set()),
    "damaged": (damaged, {"store-corrupt", "store-failed"}, set()),
}


@pytest.mark.parametrize("twin", ["sync", "async"])
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_call_while_the_store_fails(fault, call, twin, open_folder):
    bench = Bench(open_folder)
    failing, codes, unmindful = FAULTS[fault]
    done, error = None, None
    with failing(bench):
        begun = time.monotonic()
        try:
            if twin == "sync":
                done = CALLS[call](bench.sessions, bench) or "done"
            else:
                done = asyncio.run(CALLS[call](bench.claims.asessions, bench)) or "done"
        except UnavailableError as raised:
            error = raised
        assert time.monotonic() - begun < 3
    if error is not None:
        assert error.code in codes
        assert error.status == 503
        assert SECRET not in str(error)
    assert done is None or call in unmindful, "it went through, which it cannot have"
    if fault == "full" and call in ("create", "set_data"):
        assert done is None
    if done is not None and call not in READS:  # it was done, durably, and is true
        bench.store.close()
        after = bench.sessions.get(bench.sid)
        if call.startswith("revoke"):
            assert after is None
        elif call.startswith("merge"):
            assert after is not None
            assert after.claims["plan"] == "x" * 900
        elif call == "create":
            assert len(bench.sessions.list_for_user("user_1")) == 2
        return
    bench.is_as_before()
    bench.store.close()
