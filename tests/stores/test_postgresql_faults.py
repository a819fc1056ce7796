"""What a PostgreSQL store answers when its server, or the way there, fails; and afterwards."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import socket
import subprocess
import threading
import time

import psycopg
import pytest

from flask_session_claims import ConfigurationError, UnavailableError
from flask_session_claims.sessions.records import LogEntry, Put
from flask_session_claims.stores.postgresql import PostgresqlStore

from .postgresql_cases import CALLS, TIMEOUT, Opener, each_call, eventually, fill, refused, works
from .postgresql_server import (
    PostgresServer,
    Proxy,
    folder_for_nobody,
    free_port,
    fresh_schema,
    run_sql,
)

pytestmark = [pytest.mark.needs_service, pytest.mark.slow]


@pytest.fixture(scope="module")
def server():
    with PostgresServer(max_connections="20", deadlock_timeout="50ms") as server:
        yield server


@pytest.fixture
def schema():
    return fresh_schema()


@pytest.fixture
def opened(server, schema):
    with Opener(url=server.url, schema=schema, timeout=TIMEOUT) as opened:
        yield opened


@pytest.fixture
def store(opened):
    store = opened()
    fill(store)
    return store


@pytest.fixture
def proxy(server):
    with Proxy(server.url) as proxy:
        yield proxy


def waiting(server):
    """How many processes of the server wait for a lock."""
    return run_sql(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'", url=server.url
    )[0][0]


# --- getting there ----------------------------------------------------------------------


@each_call
def test_nobody_listens(call, opened):
    store = opened(url=f"postgresql://postgres@127.0.0.1:{free_port()}/postgres")
    assert refused(store, call) == "store-unreachable"


def test_no_such_host(opened):
    store = opened(url="postgresql://postgres@host.invalid/postgres")
    assert refused(store, "load") in ("store-unreachable", "store-timeout")


@each_call
def test_somebody_listens_and_says_nothing(call, opened):
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        store = opened(url=f"postgresql://postgres@127.0.0.1:{deaf.getsockname()[1]}/postgres")
        assert refused(store, call) == "store-timeout"


def test_more_connections_than_the_server_has(server, opened, store):
    store.close()
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(psycopg.OperationalError):
            for _ in range(30):
                stack.enter_context(psycopg.connect(server.url))
        assert refused(store, "load") == "store-unreachable"
    eventually(lambda: works(store))


@pytest.fixture
def locked_role(server):
    """A role with a password."""
    hba = server.data / "pg_hba.conf"
    plain = hba.read_text()
    hba.write_text("host all locked 127.0.0.1/32 scram-sha-256\n" + plain)
    make = "CREATE ROLE locked LOGIN SUPERUSER PASSWORD 'right-9c1e'"
    run_sql(make, "SELECT pg_reload_conf()", url=server.url)
    yield server.url.replace("postgres@", "locked:right-9c1e@")
    hba.write_text(plain)
    run_sql("DROP OWNED BY locked", "DROP ROLE locked", "SELECT pg_reload_conf()", url=server.url)


def test_a_wrong_password_is_the_developers_matter_at_first_and_an_outage_later(
    locked_role, server, opened, caplog
):
    store = opened(url=locked_role.replace("right-9c1e", "wrong-9c1e"))
    with pytest.raises(ConfigurationError, match="password is wrong") as caught:
        store.load("kind", "key")
    assert caught.value.code == "store-refused"
    store = opened(url=locked_role)
    fill(store)
    store.close()
    run_sql("ALTER ROLE locked PASSWORD 'other-9c1e'", url=server.url)
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            assert refused(store, "load") == "store-unreachable"
    assert [record.getMessage() for record in caplog.records] == [
        f"the store {store.address} cannot be used: the password is wrong"
    ]
    assert "9c1e" not in caplog.text + str(caught.value)
    run_sql("ALTER ROLE locked PASSWORD 'right-9c1e'", url=server.url)
    assert works(store)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("/postgres", "/none"), "there is no such database"),
        (("postgres@", "none@"), "its role may not connect"),
        (("/postgres", "/postgres?sslmode=maybe"), "an option of libpq"),
    ],
)
def test_what_can_never_work_is_said_at_the_first_use(server, opened, change, reason):
    with pytest.raises(ConfigurationError, match=reason):
        opened(url=server.url[::-1].replace(change[0][::-1], change[1][::-1], 1)[::-1]).load(
            "a", "b"
        )


# --- a server that hangs ----------------------------------------------------------------


@each_call
def test_a_server_that_hangs(call, server, store):
    assert store.load("kind", "key")
    with server.hanging():
        assert refused(store, call) == "store-timeout"
        assert refused(store, call) == "store-timeout", "the next connection hangs too"
    eventually(lambda: works(store))


@each_call
def test_a_network_that_swallows_everything(call, proxy, opened):
    fill(store := opened(url=proxy.url))
    proxy.silent = True
    assert refused(store, call) == "store-timeout"
    proxy.silent = False
    assert works(store)


def test_a_server_that_takes_three_seconds_is_waited_for(proxy, opened):
    fill(store := opened(url=proxy.url, timeout=5.0))
    proxy.delay = 3.0
    start = time.monotonic()
    assert store.load("kind", "key").data == b"data"
    assert CALLS["commit"](store) is True
    assert time.monotonic() - start > 6


def test_a_commit_that_waits_for_a_standby_is_not_said_to_be_done(server, store):
    names = "ALTER SYSTEM SET synchronous_standby_names = '{}'"
    run_sql(names.format("ghost"), "SELECT pg_reload_conf()", url=server.url)
    try:
        codes = []

        def is_refused():  # the server takes a moment to hear of it
            try:
                return not store.commit([Put("kind", f"{time.monotonic()}", 0, b"")])
            except UnavailableError as error:
                codes.append(error.code)
            return True

        eventually(is_refused)
        assert codes == ["store-timeout"]
        assert store.load("kind", "key").data == b"data"
    finally:
        run_sql(names.format(""), "SELECT pg_reload_conf()", url=server.url)
    assert works(store)


# --- locks ------------------------------------------------------------------------------


@contextlib.contextmanager
def holding(server, *statements):
    with psycopg.connect(server.url) as connection:
        for statement in statements:
            connection.execute(statement)
        yield connection
        connection.rollback()


def test_somebody_holds_the_record(server, store, schema):
    with holding(server, f"SELECT FROM {schema}.session_claims_records FOR UPDATE"):
        assert refused(store, lambda s: s.commit([Put("kind", "key", 1, b"")])) == "store-locked"
        assert CALLS["commit"](store), "other records are not held up"
        assert waiting(server) == 0
    assert store.commit([Put("kind", "key", 1, b"")])


def test_somebody_holds_the_log(server, store):
    with holding(server, f"SELECT pg_advisory_xact_lock({store._place.log_lock})"):
        assert refused(store, "commit") == "store-locked"
        assert store.commit([Put("kind", "quiet", 0, b"")])
    assert CALLS["commit"](store)


def test_who_has_waited_for_the_log_waits_for_the_record_only_as_long_as_is_left(
    server, store, schema
):
    table = f"{schema}.session_claims_records"
    with contextlib.ExitStack() as stack:
        stack.enter_context(holding(server, f"LOCK TABLE {table} IN EXCLUSIVE MODE"))
        log = f"SELECT pg_advisory_xact_lock({store._place.log_lock})"
        held = stack.enter_context(holding(server, log))
        freeing = threading.Timer(0.8 * TIMEOUT, held.rollback)
        freeing.start()
        assert refused(store, "commit") == "store-locked", "the server has ended it, and says so"
        freeing.join()
        assert waiting(server) == 0
    assert store.load("kind", "other") is None
    assert CALLS["commit"](store)


def test_somebody_makes_the_tables(server, opened):
    store = opened()
    with holding(server, f"SELECT pg_advisory_xact_lock({store._place.make_lock})"):
        assert refused(store, "commit") == "store-locked"
    fill(store)


@each_call
def test_somebody_holds_the_tables(call, server, store, schema):
    tables = ", ".join(f"{schema}.session_claims_{n}" for n in ("store", "records", "index", "log"))
    with holding(server, f"LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE"):
        assert refused(store, call) == ("store-locked" if call == "commit" else "store-timeout")
        eventually(lambda: waiting(server) == 0)
    assert works(store)


def test_a_commit_that_meets_a_deadlock_is_tried_again(server, opened, schema):
    fill(store := opened(timeout=10.0))
    assert store.commit([Put("kind", key, 0, b"") for key in "ab"])
    order = sorted("ab", key=lambda key: _id("kind", key))
    lock = f"SELECT FROM {schema}.session_claims_records WHERE key = %s FOR UPDATE"
    done = []
    with psycopg.connect(server.url) as other:
        other.execute("SET deadlock_timeout = '10s'")  # so that the store finds it
        other.execute(lock, [order[1]])
        puts = [Put("kind", key, 1, b"new") for key in "ab"]
        thread = threading.Thread(target=lambda: done.append(store.commit(puts)))
        thread.start()
        eventually(lambda: waiting(server) == 1)
        other.execute(lock, [order[0]])
        other.rollback()
        thread.join(10)
    assert done == [True]
    assert "deadlock detected" in server.log()


def _id(*names):
    from flask_session_claims.stores.pgstatements import record_id

    return record_id(*names)


def test_all_connections_are_in_use(opened):
    fill(store := opened(pool_size=2))
    with store._connections.use(time.monotonic() + 9), store._connections.use(time.monotonic() + 9):
        assert refused(store, "load") == "store-pool-empty"
        assert refused(store, "commit") == "store-pool-empty"
    assert works(store)


# --- a server that refuses to write -----------------------------------------------------


def test_a_server_that_is_read_only(server, store):
    setting = "ALTER SYSTEM SET default_transaction_read_only = {}"
    run_sql(setting.format("on"), "SELECT pg_reload_conf()", url=server.url)
    eventually(lambda: run_sql("SHOW default_transaction_read_only", url=server.url) == [("on",)])
    assert refused(store, "commit") == "store-read-only"
    assert store.load("kind", "key").data == b"data"
    on = "SET default_transaction_read_only = off"
    run_sql(on, setting.format("off"), "SELECT pg_reload_conf()", url=server.url)
    eventually(lambda: run_sql("SHOW default_transaction_read_only", url=server.url) == [("off",)])
    assert works(store)


def test_a_standby():
    with PostgresServer() as server:
        store = PostgresqlStore(server.url, timeout=5)
        fill(store)
        server.stop()
        (server.data / "standby.signal").touch()
        server.start()
        assert store.load("kind", "key").data == b"data"
        assert refused(store, "commit", 7) == "store-read-only"
        run_sql("SELECT pg_promote()", url=server.url)
        assert works(store)
        store.close()


@pytest.fixture
def small_disk(server):
    """Where new tables go; a file system of 4 MB if this may mount one."""
    folder = folder_for_nobody()
    mounted = (
        os.geteuid() == 0
        and not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=4m,mode=777", "tmpfs", folder], check=False
        ).returncode
    )
    place = folder / "place"
    place.mkdir()
    if os.geteuid() == 0:
        shutil.chown(place, folder.owner() if not mounted else "postgres")
    yield place if mounted else None
    if mounted:
        subprocess.run(["umount", folder], check=True)
    folder.rmdir() if mounted else shutil.rmtree(folder)


def test_a_disk_that_is_full(server, opened, schema, small_disk):
    store = opened(timeout=5.0)
    table = f"{schema}.session_claims_records"
    if small_disk:
        url = server.url
        run_sql(f"CREATE TABLESPACE small LOCATION '{small_disk}'", url=url)
        run_sql("ALTER DATABASE postgres SET default_tablespace = small", url=url)
        fill(store)
    else:  # the same answer, said by a trigger
        fill(store)
        run_sql(
            "CREATE FUNCTION pg_temp_full() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE 'full' USING ERRCODE = 'disk_full'; END $$",
            f"CREATE TRIGGER full_now BEFORE INSERT ON {table} FOR EACH ROW"
            " WHEN (length(NEW.data) > 100000) EXECUTE FUNCTION pg_temp_full()",
            url=server.url,
        )
    big = os.urandom(1 << 20)
    kept = []

    def fill_up(store):
        for number in range(10):
            put = Put("big", f"{number}", 0, big)
            assert store.commit([put], (), [LogEntry("all", "", "x", 1, 2)])
            kept.append(number)

    assert refused(store, fill_up, within=30) == "store-full"
    assert store.load("big", f"{len(kept)}") is None
    assert all(store.load("big", f"{number}").data == big for number in kept)
    assert store.log_since(0).newest == 1 + len(kept)
    if small_disk:
        store.close()
        run_sql(f"DROP SCHEMA {schema} CASCADE", url=server.url)
        run_sql("ALTER DATABASE postgres RESET default_tablespace", url=server.url)
        run_sql("CHECKPOINT", "DROP TABLESPACE small", url=server.url)
