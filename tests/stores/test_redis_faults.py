"""The Redis store when things go wrong: each fault ends in its declared answer, in time, and when
it is over the store works again."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from contextlib import contextmanager

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from flask_session_claims import UnavailableError
from flask_session_claims.sessions.records import Delete, LogEntry, Put
from flask_session_claims.stores import redis_connections
from flask_session_claims.stores.redis import RedisStore
from flask_session_claims.stores.redis_connections import POOL_PATIENCE
from flask_session_claims.testing.store_contract import in_threads

from .redis_server import Proxy, RedisServer, free_port, until

pytestmark = [pytest.mark.needs_service, pytest.mark.slow]

TIMEOUT = 0.5
SLACK = 2.0  # seconds, for a slow machine
ENTRY = LogEntry("session", "s", "revoked", 1.0, 2.0)

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


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A server that is there for all tests: they leave it as they found it."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server
    server.stop(signal.SIGKILL)


@pytest.fixture
def server(kept):
    with kept.client() as client:
        client.flushall()
    return kept


@pytest.fixture
def start(tmp_path):
    """Starts servers that end with the test."""
    started = []

    def start(name="redis", **settings):
        started.append(RedisServer(tmp_path / f"{name}{len(started)}", **settings))
        return started[-1]

    yield start
    for server in started:
        server.stop(signal.SIGKILL)


@pytest.fixture
def opened():
    """Opens stores that are closed with the test, and hold a record."""
    stores = []

    def opened(port, **options):
        stores.append(RedisStore(f"redis://127.0.0.1:{port}/0", **{"timeout": TIMEOUT, **options}))
        return stores[-1]

    yield opened
    for store in stores:
        store.close()


@pytest.fixture
def proxy(server):
    proxy = Proxy(server.port)
    yield proxy
    proxy.close()


def fill(store):
    assert store.commit([Put("kind", "key", 0, b"data", (("index", "value"),), 1.0)], (), [ENTRY])
    return store


def refused(act, within=TIMEOUT):
    """The code that a call ends with, in time."""
    begun = time.monotonic()
    with pytest.raises(UnavailableError) as caught:
        act()
    assert time.monotonic() - begun < within + SLACK
    assert caught.value.status == 503
    assert caught.value.retry_after >= 1
    assert "127.0.0.1" not in str(caught.value)
    assert caught.value.store.startswith("redis://")
    return caught.value.code


# --- the server is not there, or hangs ----------------------------------------------------


@each_call
def test_a_server_that_was_never_there(opened, call):
    store = opened(free_port())
    assert refused(lambda: CALLS[call](store)) == "store-unreachable"


@each_call
def test_a_server_that_has_gone_and_comes_back(start, opened, call):
    server = start()
    store = fill(opened(server.port))
    server.stop(signal.SIGKILL)
    for _ in range(3):
        assert refused(lambda: CALLS[call](store)) == "store-unreachable"
    server.start()
    assert CALLS[call](store) is not False
    assert store.load("kind", "key").data == b"data"


@contextmanager
def hanging(server):
    server.send(signal.SIGSTOP)
    try:
        yield
    finally:
        server.send(signal.SIGCONT)


@each_call
def test_a_server_that_hangs(server, opened, call):
    store = fill(opened(server.port))
    with hanging(server):
        assert refused(lambda: CALLS[call](store)) == "store-timeout"
        assert refused(lambda: CALLS[call](store)) == "store-timeout"  # on a new connection
    assert store.load("kind", "key").data == b"data"
    assert store.log_since(0).newest >= 1


@each_call
def test_a_server_that_takes_its_time_is_waited_for(server, opened, proxy, call):
    store = fill(opened(proxy.port, timeout=5.0))
    CALLS[call](store)
    proxy.mode = 1.5
    begun = time.monotonic()
    CALLS[call](store)
    assert 1.5 <= time.monotonic() - begun < 1.5 + SLACK


@each_call
def test_a_server_that_takes_too_long_is_not(server, opened, proxy, call):
    store = fill(opened(proxy.port))
    proxy.mode = 1.5
    assert refused(lambda: CALLS[call](store)) == "store-timeout"
    proxy.mode = "pass"
    # The late answer goes nowhere: what is asked next has its own.
    assert store.load("kind", "key").data == b"data"
    assert store.find("kind", "index", "value").records[0].key == "key"


def test_an_answer_that_stops_half_way(server, opened):
    """The deadline is for the whole call, not for each piece of an answer."""
    store = fill(opened(server.port, timeout=5.0))
    assert store.commit([Put("kind", "big", 0, os.urandom(30 << 20))])
    store.close()
    dripping = Proxy(server.port, pause=0.3)
    slow = opened(dripping.port)
    assert refused(lambda: slow.load("kind", "big")) == "store-timeout"
    dripping.close()


def test_somebodys_endless_script(server, opened):
    with server.client() as client:
        client.config_set("busy-reply-threshold", 50)
        store = fill(opened(server.port, timeout=2.0))
        busy = threading.Thread(target=_loop, args=(server,))
        busy.start()
        until(lambda: _is_busy(server), "a busy server")
        assert refused(lambda: store.load("kind", "key")) == "store-locked"
        assert refused(lambda: CALLS["commit"](store)) == "store-locked"
    with server.client() as client:
        client.script_kill()
    busy.join()
    assert CALLS["commit"](store)


def _loop(server):
    with server.client() as client, pytest.raises(redis.ResponseError):
        client.eval("while true do end", 0)


def _is_busy(server):
    try:
        with server.client() as client:
            return not client.ping()
    except redis.RedisError as error:
        return "BUSY" in str(error)


def test_a_server_that_is_still_loading(start, opened):
    server = start(key_load_delay="50")  # microseconds; clients are heard at every 1024th key
    store = fill(opened(server.port, timeout=2.0))
    with server.client() as client, client.pipeline(transaction=False) as pipeline:
        for number in range(12_000):
            pipeline.set(f"load{number}", "x")
        pipeline.execute()
    server.stop()
    starting = threading.Thread(target=server.start)
    starting.start()
    faults = []
    until(lambda: _loads(store, faults), "a server that has loaded")
    starting.join()
    assert {fault.code for fault in faults} <= {"store-unreachable", "store-timeout"}
    assert "BusyLoadingError" in {type(fault.__cause__).__name__ for fault in faults}
    assert store.load("kind", "key").data == b"data"


def _loads(store, faults):
    try:
        return store.load("kind", "key")
    except UnavailableError as error:
        faults.append(error)
        return None


# --- it cannot write ----------------------------------------------------------------------


def test_a_master_that_has_become_a_replica(start, opened):
    master = start()
    store = fill(opened(master.port, timeout=2.0))
    with master.client() as client:
        client.replicaof("127.0.0.1", free_port())
    assert refused(lambda: CALLS["commit"](store)) == "store-read-only"
    for call in CALLS:  # on new connections, which ask first
        assert refused(lambda call=call: CALLS[call](store)) == "store-read-only"


def test_a_master_that_has_become_a_replica_is_noticed_without_writing(start, opened, monkeypatch):
    monkeypatch.setattr(redis_connections, "GREET_AGAIN", 0.3)
    master = start()
    store = fill(opened(master.port, timeout=2.0))
    with master.client() as client:
        client.replicaof("127.0.0.1", free_port())
    begun = time.monotonic()
    codes = []
    until(lambda: not _loads_something(store, codes), "a refusal")
    assert codes == ["store-read-only"]
    assert time.monotonic() - begun < 0.3 + SLACK


def _loads_something(store, codes):
    try:
        store.load("kind", "key")
    except UnavailableError as error:
        codes.append(error.code)
        return False
    return True


def test_too_few_replicas_for_the_server_itself(start, opened):
    server = start()
    store = fill(opened(server.port))
    with server.client() as client:
        client.config_set("min-replicas-to-write", 1)
        assert refused(lambda: CALLS["commit"](store)) == "store-read-only"
        assert store.load("kind", "other") is None
        client.config_set("min-replicas-to-write", 0)
    assert CALLS["commit"](store)


def test_a_server_without_memory_writes_nothing_and_can_be_cleared(start, opened):
    server = start()
    store = fill(opened(server.port, timeout=2.0))
    for number in range(50):
        put = Put("kind", f"n{number}", 0, b"x" * 50_000, (("user", "u"),), 5.0)
        assert store.commit([put])
    with server.client() as client:
        client.config_set("maxmemory", "2mb")
        assert refused(lambda: CALLS["commit"](store)) == "store-full"
        assert store.load("kind", "other") is None
        assert store.log_since(0).newest == 1
        # Reading goes on, and so does pruning, or nobody could make room.
        held = store.find("kind", "user", "u").records
        assert len(held) == 50
        for record in held:
            assert store.commit([], [Delete("kind", record.key, 1)])
        client.config_set("maxmemory", "20mb")
    assert CALLS["commit"](store)


@pytest.fixture
def small_disk(tmp_path):
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can make a small disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)], check=False
    )
    if done.returncode:
        pytest.skip("no file system may be mounted here")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=False)


def test_a_disk_without_room(small_disk, opened):
    server = RedisServer(small_disk / "redis", logfile="")
    try:
        store = fill(opened(server.port, timeout=2.0))
        codes = []
        until(lambda: not _commits(store, Put("kind", _new(), 0, os.urandom(40_000)), codes), "end")
        assert codes == ["store-full"]
        until(lambda: refused(lambda: CALLS["commit"](store)) == "store-full", "refusals")
        assert store.load("kind", "key").data == b"data"
        assert store.load("kind", "other") is None
        subprocess.run(["mount", "-o", "remount,size=60m", str(small_disk)], check=True)
        until(lambda: _commits(store, Put("kind", _new(), 0, b""), codes), "room")
    finally:
        server.stop(signal.SIGKILL)


def _new():
    return str(time.monotonic_ns())


def _commits(store, put, codes):
    try:
        return store.commit([put])
    except UnavailableError as error:
        codes.append(error.code)
        return False


# --- connections --------------------------------------------------------------------------


def test_two_hundred_threads_on_five_connections(server, opened):
    store = fill(opened(server.port, max_connections=5, timeout=5.0))
    assert in_threads(200, lambda _: store.load("kind", "key").data) == [b"data"] * 200


def test_two_hundred_threads_on_five_connections_that_hang(server, opened):
    """Nobody waits without limit: those without a connection hear of it first."""
    store = fill(opened(server.port, max_connections=5, timeout=3.0))

    def load(_):
        begun = time.monotonic()
        with pytest.raises(UnavailableError) as caught:
            store.load("kind", "key")
        return caught.value.code, time.monotonic() - begun

    with hanging(server):
        ends = in_threads(200, load)
    waits = [seconds for code, seconds in ends if code == "store-pool-empty"]
    assert len(waits) == 195
    assert max(waits) < POOL_PATIENCE + SLACK
    assert [code for code, _ in ends].count("store-timeout") == 5
    assert max(seconds for _, seconds in ends) < 3.0 + SLACK
    assert store.load("kind", "key").data == b"data"


def test_more_clients_than_the_server_takes(start, opened):
    server = start(maxclients="4")
    store = opened(server.port)
    with server.client() as client:
        client.ping()
        others = [redis.Redis(port=server.port) for _ in range(4)]
        for other in others[:3]:
            other.ping()
        assert refused(lambda: store.load("kind", "key")) == "store-unreachable"
        for other in others:
            other.close()
        until(lambda: _loads_nothing(store), "a free place")


def _loads_nothing(store):
    try:
        return store.load("kind", "key") is None
    except UnavailableError:
        return False


def test_a_connection_cut_before_the_commit(server, opened, proxy):
    store = fill(opened(proxy.port))
    proxy.word, proxy.mode, proxy.met = b"EVALSHA", "cut-before", 0
    assert refused(lambda: CALLS["commit"](store)) == "store-unreachable"
    assert proxy.met == 1  # once only
    proxy.mode = "pass"
    assert store.load("kind", "other") is None
    assert CALLS["commit"](store)


def test_a_connection_cut_after_the_commit(server, opened, proxy):
    """It is not sent again: the second one would say that somebody else was first."""
    store = fill(opened(proxy.port))
    proxy.word, proxy.mode, proxy.met = b"EVALSHA", "cut-after", 0
    assert refused(lambda: CALLS["commit"](store)) == "store-unreachable"
    assert proxy.met == 1
    proxy.mode = "pass"
    assert store.load("kind", "other").version == 1  # as loading again shows
    assert store.log_since(0).newest == 2
    assert CALLS["commit"](store) is False


def test_a_client_that_repeats_does_not_make_the_store_repeat(server, proxy):
    client = redis.Redis(
        port=proxy.port,
        retry=Retry(NoBackoff(), 5),
        retry_on_error=[redis.ConnectionError],
        socket_timeout=30,
    )
    store = fill(RedisStore(client, timeout=TIMEOUT))
    proxy.word, proxy.mode, proxy.met = b"EVALSHA", "cut-after", 0
    assert refused(lambda: CALLS["commit"](store)) == "store-unreachable"
    assert proxy.met == 1
    proxy.mode, proxy.met = "silent", 0
    assert refused(lambda: CALLS["load"](store)) == "store-timeout"
    assert proxy.met == 1
    store.close()
    client.close()


@pytest.mark.parametrize("call", [call for call in CALLS if call != "commit"])
def test_a_read_on_a_connection_that_was_idle_is_repeated_once(server, opened, proxy, call):
    store = fill(opened(proxy.port))
    proxy.word, proxy.mode, proxy.met = b"EVALSHA", "cut-before", 0
    assert refused(lambda: CALLS[call](store)) == "store-unreachable"
    assert proxy.met == 2
    assert refused(lambda: CALLS[call](store)) == "store-unreachable"
    assert proxy.met == 3  # on a connection that was new


def test_idle_connections_that_the_server_has_closed_are_noticed_before_they_are_used(
    server, opened
):
    store = fill(opened(server.port))
    in_threads(5, lambda _: store.load("kind", "key"))
    with server.client() as client:
        client.client_kill_filter(_type="normal", skipme=True)
        time.sleep(0.05)
    assert CALLS["commit"](store)  # which would not be repeated


# --- replicas -----------------------------------------------------------------------------


def test_a_commit_waits_for_its_replica(start, tmp_path, opened):
    master = start()
    store = opened(master.port, wait=1, timeout=3.0)
    replica = master.replica(tmp_path / "replica")
    try:
        fill(store)
        with replica.client() as client:  # at once: it was waited for
            assert client.hget("{session_claims}:r:kind\0key", "d") == b"data"
    finally:
        replica.stop(signal.SIGKILL)


def test_a_commit_that_no_replica_confirms_has_taken_place_and_says_so(start, opened):
    store = opened(start().port, wait=1)
    assert store.commit([Put("kind", "unlogged", 0, b"")])  # a refresh does not wait
    assert refused(lambda: CALLS["commit"](store)) == "store-unconfirmed"
    assert store.load("kind", "other").version == 1
    assert store.log_since(0).newest == 1
    # A caller that tries again loads again, and finds it done.
    assert CALLS["commit"](store) is False


def test_a_server_that_dies_while_its_replicas_are_waited_for_has_done_it(server, opened, proxy):
    store = fill(opened(proxy.port))
    store._wait = 1
    proxy.word = b"WAIT"
    for mode, key in (("cut-before", "a"), ("silent", "b")):
        proxy.mode = mode
        put = Put("kind", key, 0, b"")
        assert refused(lambda put=put: store.commit([put], (), [ENTRY])) == "store-unconfirmed"
        assert store.load("kind", key).version == 1
