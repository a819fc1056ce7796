"""The SQLite store beyond the contract: durability, faults, files, versions of the schema."""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import stat
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from flask_session_claims import ConfigurationError, UnavailableError
from flask_session_claims.sessions.records import LogEntry, Put
from flask_session_claims.stores import schema
from flask_session_claims.stores.connections import MAX_IDLE
from flask_session_claims.stores.filesystems import network_file_system
from flask_session_claims.stores.schema import MIGRATIONS, Migration
from flask_session_claims.stores.sqlite import SqliteStore
from flask_session_claims.testing.store_contract import in_threads, increment

ENTRY = LogEntry("session", "s", "revoked", 1.0, 2.0)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store.db"


@pytest.fixture
def store(path):
    store = SqliteStore(path, timeout=0.3)
    yield store
    store.close()


#: Every call of the protocol.
CALLS = {
    "load": lambda store: store.load("kind", "key"),
    "find": lambda store: store.find("kind", "index", "value"),
    "due": lambda store: store.due("kind", 1.0),
    "count": lambda store: store.count("kind"),
    "commit": lambda store: store.commit([Put("kind", "other", 0, b"x" * 5000)], (), [ENTRY]),
    "log_since": lambda store: store.log_since(0),
    "identity": lambda store: store.identity(),
}
each_call = pytest.mark.parametrize("call", CALLS)


def fill(store):
    assert store.commit([Put("kind", "key", 0, b"data", (("index", "value"),), 1.0)], (), [ENTRY])


def refused(store, call):
    """The code that a call ends with."""
    with pytest.raises(UnavailableError) as caught:
        CALLS[call](store)
    assert caught.value.status == 503
    assert caught.value.retry_after >= 1
    assert str(store.path) not in str(caught.value)
    assert caught.value.store == f"sqlite:///{store.path}"
    return caught.value.code


# --- files --------------------------------------------------------------------------------


def test_nothing_is_written_before_the_first_commit(store, tmp_path):
    for call in CALLS:
        if call != "commit":
            CALLS[call](store)
    assert list(tmp_path.iterdir()) == []
    fill(store)
    assert (tmp_path / "store.db").exists()


def test_every_file_is_for_its_owner_alone_whatever_the_umask(store, tmp_path):
    old = os.umask(0)
    try:
        fill(store)
        files = sorted(tmp_path.iterdir())
        assert [file.name for file in files] == [
            "store.db",
            "store.db-shm",
            "store.db-wal",
            "store.db.lock",
        ]
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    finally:
        os.umask(old)


def test_the_folder_is_made_if_that_is_asked_and_only_when_needed(tmp_path):
    store = SqliteStore(tmp_path / "instance" / "store.db", make_folder=True)
    assert store.load("kind", "key") is None
    assert not (tmp_path / "instance").exists()
    fill(store)
    assert stat.S_IMODE((tmp_path / "instance").stat().st_mode) == 0o700
    assert store.load("kind", "key") is not None
    store.close()


def test_all_folders_are_made_if_that_is_asked(tmp_path):
    store = SqliteStore(tmp_path / "var" / "app-instance" / "store.db", make_parents=True)
    assert store.load("kind", "key") is None
    assert not (tmp_path / "var").exists()
    fill(store)
    assert stat.S_IMODE((tmp_path / "var" / "app-instance").stat().st_mode) == 0o700
    store.close()
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="needs the folder"):
        SqliteStore(tmp_path / "file" / "more" / "store.db", make_parents=True)


@pytest.mark.parametrize(
    ("name", "make_folder", "code"),
    [
        ("none/store.db", False, "store-no-folder"),
        ("none/none/store.db", True, "store-no-folder"),
        ("file/store.db", False, "store-no-folder"),
        ("folder", False, "store-is-folder"),
    ],
)
def test_a_place_that_cannot_work_is_refused_at_once(tmp_path, name, make_folder, code):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError) as caught:
        SqliteStore(tmp_path / name, make_folder=make_folder)
    assert caught.value.code == code
    assert name in str(caught.value)


MOUNTS = """\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
23 22 0:30 / /mnt/share rw,relatime shared:1 - nfs4 server:/share rw,vers=4.2
24 23 0:31 / /mnt/share/local rw - ext4 /dev/vdb rw
25 22 0:32 / /mnt/with\\040space rw - cifs //server/share rw
26 22 0:33 / /mnt/twice rw - ext4 /dev/vdc rw
27 22 0:34 / /mnt/twice rw - fuse.sshfs host: rw
broken line
28 22 0:35 / /mnt/short
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/lib/app", None),
        ("/mnt/share", "nfs4"),
        ("/mnt/share/deep/below", "nfs4"),
        ("/mnt/shared", None),
        ("/mnt/share/local/x", None),
        ("/mnt/with space/x", "cifs"),
        ("/mnt/twice/x", "fuse.sshfs"),
    ],
)
def test_a_network_file_system_is_told_from_a_local_one(path, kind):
    assert network_file_system(Path(path), MOUNTS) == kind


def test_where_the_mounts_cannot_be_told_nothing_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("flask_session_claims.stores.filesystems._MOUNTS", "/none/mountinfo")
    assert network_file_system(tmp_path) is None
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    assert network_file_system(loop / "x", MOUNTS) is None


def test_a_store_on_a_network_file_system_is_refused(tmp_path, monkeypatch):
    mounts = tmp_path / "mountinfo"
    mounts.write_text("22 1 254:0 / / rw,relatime - nfs server:/ rw\n")
    monkeypatch.setattr("flask_session_claims.stores.filesystems._MOUNTS", str(mounts))
    with pytest.raises(ConfigurationError, match=r"network file system \(nfs\)") as caught:
        SqliteStore(tmp_path / "store.db")
    assert caught.value.code == "store-network"


# --- settings of SQLite -------------------------------------------------------------------


def test_the_settings_that_make_a_commit_durable_are_in_force(store):
    fill(store)
    with store._connections.use() as connection:
        read = {
            name: connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "busy_timeout", "trusted_schema")
        }
    assert read == {"journal_mode": "wal", "synchronous": 2, "busy_timeout": 0, "trusted_schema": 0}


def test_a_setting_that_does_not_take_is_an_error(store, monkeypatch):
    fill(store)
    store.close()
    pragmas = [("page_size", 1234, 1234)]  # SQLite takes powers of two only, and says nothing
    monkeypatch.setattr("flask_session_claims.stores.connections._PRAGMAS", pragmas)
    assert refused(store, "load") == "store-failed"


def test_a_commit_is_on_the_disk_when_it_returns(store, path, tmp_path):
    """What a copy of the files, taken at that moment, opens with."""
    fill(store)
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in ("store.db", "store.db-wal"):
        shutil.copy(tmp_path / file, copy / file)
    again = SqliteStore(copy / "store.db")
    assert again.load("kind", "key") == store.load("kind", "key")
    again.close()


def test_few_connections_are_kept(store):
    fill(store)
    found = in_threads(3 * MAX_IDLE, lambda _: store.load("kind", "key"))
    assert None not in found
    assert 1 <= len(store._connections._idle) <= MAX_IDLE


# --- faults -------------------------------------------------------------------------------


@contextmanager
def nobody():
    """Root may write everywhere; so be nobody for a while."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def open_folder():
    """A folder that anybody may enter."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@each_call
def test_a_store_that_is_read_only(call, open_folder):
    fill(first := SqliteStore(open_folder / "store.db"))
    first.close()
    for file in open_folder.iterdir():
        file.chmod(0o444)
    open_folder.chmod(0o555)
    store = SqliteStore(open_folder / "store.db", timeout=0.2)
    try:
        with nobody():
            assert refused(store, call) in ("store-read-only", "store-unreachable")
    finally:
        open_folder.chmod(0o755)


@each_call
def test_a_store_that_may_not_be_read(call, open_folder):
    fill(first := SqliteStore(open_folder / "store.db"))
    first.close()
    store = SqliteStore(open_folder / "store.db", timeout=0.2)
    open_folder.chmod(0o000)
    try:
        with nobody():
            assert refused(store, call) == "store-unreachable"
    finally:
        open_folder.chmod(0o755)


def test_a_store_without_room(store):
    fill(store)
    with store._connections.use() as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        assert connection.execute(f"PRAGMA max_page_count = {pages}").fetchone()[0] == pages
    assert refused(store, "commit") == "store-full"
    assert store.load("kind", "other") is None
    assert store.load("kind", "key").data == b"data"
    # The connection with that limit is gone, and there is room again.
    assert CALLS["commit"](store) is True


@each_call
def test_a_file_that_is_no_database(call, path):
    path.write_bytes(b"this is no database, but long enough to be looked at" * 100)
    store = SqliteStore(path, timeout=0.2)
    assert refused(store, call) == "store-corrupt"


@each_call
def test_a_damaged_database(call, path):
    fill(first := SqliteStore(path))
    first.close()
    data = bytearray(path.read_bytes())
    data[100:] = b"\xee" * (len(data) - 100)
    path.write_bytes(data)
    assert refused(SqliteStore(path, timeout=0.2), call) == "store-corrupt"


@each_call
def test_a_store_that_has_gone_is_not_an_empty_one(call, store, tmp_path):
    fill(store)
    away = tmp_path / "away"
    away.mkdir()
    for file in tmp_path.glob("store.db*"):
        file.rename(away / file.name)
    assert refused(store, call) == "store-gone"
    assert not (tmp_path / "store.db").exists()
    for file in away.iterdir():
        file.rename(tmp_path / file.name)
    CALLS[call](store)


@each_call
def test_a_file_that_was_emptied_is_not_an_empty_store(call, store, path):
    fill(store)
    store.close()
    path.write_bytes(b"")
    assert refused(store, call) == "store-gone"


def test_a_store_that_was_replaced_is_read_anew(store, path, tmp_path):
    fill(store)
    other = SqliteStore(tmp_path / "other.db")
    other.commit([Put("kind", "key", 0, b"restored")])
    identity = other.identity()
    other.close()
    for end in ("-wal", "-shm"):
        Path(f"{path}{end}").unlink()
    (tmp_path / "other.db").replace(path)
    assert store.load("kind", "key").data == b"restored"
    assert store.identity() == identity


def test_a_connection_in_use_while_the_file_is_replaced_is_not_used_again(store):
    fill(store)
    with store._connections.use():
        store.close()
    assert store._connections._idle == []


def test_writers_wait_for_their_turn_only_so_long(store, path):
    fill(store)
    raw = sqlite3.connect(path, isolation_level=None)
    raw.execute("BEGIN IMMEDIATE")
    start = time.monotonic()
    assert refused(store, "commit") == "store-locked"
    assert 0.25 < time.monotonic() - start < 2
    assert store.load("kind", "key") is not None, "readers do not wait"
    raw.close()
    assert CALLS["commit"](store) is True


def test_writers_wait_for_the_file_lock_only_so_long(store, path):
    fill(store)
    with open(f"{path}.lock") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        start = time.monotonic()
        assert refused(store, "commit") == "store-locked"
        assert 0.25 < time.monotonic() - start < 2
    assert CALLS["commit"](store) is True


def test_writers_of_one_process_wait_only_so_long(store):
    fill(store)
    with store._queue.turn(time.monotonic() + 1):
        start = time.monotonic()
        assert refused(store, "commit") == "store-locked"
        assert 0.25 < time.monotonic() - start < 2
    assert CALLS["commit"](store) is True


def test_a_lock_file_that_cannot_be_made(store, path):
    Path(f"{path}.lock").mkdir()
    assert refused(store, "commit") == "store-unreachable"


def test_an_error_in_the_middle_leaves_nothing_behind(store):
    fill(store)
    with pytest.raises(UnavailableError) as caught:
        store.commit([Put("kind", "new", 0, b""), Put("kind", "bad", 0, b"", (), object())])
    assert caught.value.code == "store-failed"
    assert store.load("kind", "new") is None
    assert CALLS["commit"](store) is True


# --- versions of the schema ---------------------------------------------------------------


class Newer(SqliteStore):
    """A later release, whose schema only adds."""

    migrations = (*MIGRATIONS, Migration(("ALTER TABLE records ADD COLUMN note TEXT",), 1))


class MuchNewer(SqliteStore):
    """One that older code cannot read."""

    migrations = (*Newer.migrations, Migration(("CREATE TABLE other (x)",), 3))


class Failing(SqliteStore):
    """One whose migration stops half way."""

    migrations = (
        *MIGRATIONS,
        Migration(("ALTER TABLE records ADD COLUMN note TEXT", "CREATE TABLE meta (x)"), 1),
    )


@each_call
def test_an_older_schema_is_brought_forward_at_first_use(call, path):
    fill(old := SqliteStore(path))
    identity, record = old.identity(), old.load("kind", "key")
    old.close()
    newer = Newer(path)
    CALLS[call](newer)
    assert newer.identity() == (type(identity))(identity.store_id, 2)
    assert newer.load("kind", "key") == record
    assert newer.log_since(0).entries[0].key == "s"
    newer.close()


def test_old_and_new_code_work_side_by_side(path):
    fill(old := SqliteStore(path))
    newer = Newer(path)
    assert increment(newer, "n", 2) == increment(old, "n", 2) == 0
    restarted = SqliteStore(path)
    assert restarted.load("count", "n").data == b"4"
    assert increment(restarted, "n", 1) == 0
    assert restarted.identity().schema == 2, "older code leaves the version as it is"
    for store in (old, newer, restarted):
        store.close()


@each_call
def test_a_schema_that_is_too_new_is_refused(call, path):
    fill(newest := MuchNewer(path))
    newest.close()
    with pytest.raises(ConfigurationError, match="schema version 3") as caught:
        CALLS[call](SqliteStore(path))
    assert caught.value.code == "store-schema-newer"
    assert caught.value.status == 500


def test_a_migration_that_stops_half_way_has_not_happened(path):
    fill(old := SqliteStore(path))
    failing = Failing(path)
    assert refused(failing, "load") == "store-failed"
    assert old.identity().schema == 1
    assert old.load("kind", "key").data == b"data"
    newer = Newer(path)
    assert newer.load("kind", "key").data == b"data"
    for store in (old, failing, newer):
        store.close()


def test_eight_at_once_migrate_it_once(path):
    fill(old := SqliteStore(path))
    old.close()
    stores = [Newer(path, timeout=30) for _ in range(8)]
    found = in_threads(8, lambda number: stores[number].load("kind", "key"))
    assert {record.data for record in found} == {b"data"}
    for store in stores:
        store.close()


@each_call
def test_another_programs_database_is_left_alone(call, path):
    raw = sqlite3.connect(path)
    raw.execute("CREATE TABLE theirs (x)")
    raw.commit()
    raw.close()
    store = SqliteStore(path)
    with pytest.raises(ConfigurationError) as caught:
        CALLS[call](store)
    assert caught.value.code == "store-foreign"
    raw = sqlite3.connect(path)
    assert raw.execute("SELECT name FROM sqlite_master").fetchall() == [("theirs",)]
    raw.close()


def test_the_schema_is_the_one_that_is_known(store):
    assert len(MIGRATIONS) == 1
    fill(store)
    assert store.identity().schema == len(MIGRATIONS)
    with store._connections.use() as connection:
        assert schema.check(connection, MIGRATIONS, "x") is True
