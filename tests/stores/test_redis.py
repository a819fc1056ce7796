"""The Redis store beyond the contract: URLs, checks of the server, keys, restarts."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import uuid

import pytest
import redis

from flask_session_claims import ConfigurationError, UnavailableError
from flask_session_claims.sessions.records import Delete, LogEntry, Put
from flask_session_claims.stores import open_store
from flask_session_claims.stores.redis import RedisStore
from flask_session_claims.testing.store_contract import in_threads, increment

from .redis_server import Proxy, RedisServer, free_port, until

pytestmark = pytest.mark.needs_service

ENTRY = LogEntry("session", "s", "revoked", 1.0, 2.0)
PUT = Put("kind", "key", 0, b"data", (("index", "value"),), 1.0)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server
    server.stop()


@pytest.fixture
def start(tmp_path):
    """Starts servers that end with the test."""
    started = []

    def start(**settings):
        started.append(RedisServer(tmp_path / f"redis{len(started)}", **settings))
        return started[-1]

    yield start
    for server in started:
        server.stop(signal.SIGKILL)


@pytest.fixture
def opened():
    """Opens stores that are closed with the test."""
    stores = []

    def opened(*args, **options):
        stores.append(RedisStore(*args, **options))
        return stores[-1]

    yield opened
    for store in stores:
        store.close()


@pytest.fixture
def store(server, opened):
    return opened(server.url(), prefix=uuid.uuid4().hex)


# --- urls and clients ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "redis://h/0?timeout=0",
        "redis://h/0?timeout=61",
        "redis://h/0?timeout=soon",
        "redis://h/0?timeout=-1",
        "redis://h/0?timeout=nan",
        "redis://h/0?wait=-1",
        "redis://h/0?wait=1.5",
        "redis://h/0?wait=101",
        "redis://h/0?max_connections=0",
        "redis://h/0?max_connections=all",
        "redis://h/0?prefix=",
        "redis://h/0?prefix=a}b",
        "redis://h/0?prefix=" + "x" * 65,
        "redis://h/0?persistence=rdb",
        "redis://h/0?prefx=a",
        "redis://h/0?socket_timeout=5",
        "redis://h/0?retry_on_timeout=yes",
        "redis://h/0?decode_responses=yes",
        "redis://h/0?db=first",
        "redis://h/first",
        "redis://h:port/0",
        "rediss://h/0?ssl_cert_reqs=perhaps",
        "redis://h/0?ssl_ca_certs=x",
    ],
)
def test_a_url_that_cannot_be_meant_is_refused_without_its_password(url):
    with pytest.raises(ConfigurationError) as caught:
        open_store(url.replace("//h", "//user:hidden@h"))
    assert caught.value.code == "store-url-invalid"
    assert "prefix=session_claims, timeout=5" in str(caught.value)
    assert "hidden" not in str(caught.value)


def test_options_are_taken_from_the_url_and_the_others_go_to_redis_py(server, opened):
    store = open_store(
        server.url(prefix="p", timeout=2.5, wait=1, max_connections=3, client_name="me")
    )
    assert (store._prefix, store._timeout, store._wait) == ("{p}:", 2.5, 1)
    assert store.load("kind", "key") is None
    with server.client() as client:
        assert "me" in [each["name"] for each in client.client_list()]
    store.close()


def test_without_redis_py_the_extra_is_named():
    script = (
        "import sys; sys.modules['redis'] = None\n"
        "from flask_session_claims.stores import open_store\n"
        "try: open_store('redis://h/0')\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.startswith("ConfigurationError")
    assert 'pip install "flask-session-claims[redis]"' in done.stdout


def test_nothing_is_opened_before_the_first_use():
    open_store(f"redis://127.0.0.1:{free_port()}/0").close()


@pytest.mark.parametrize("decode", [False, True])
def test_an_own_client_may_be_given_and_stays_open(server, opened, decode):
    client = redis.Redis(port=server.port, db=3, decode_responses=decode, client_name="own")
    client.ping()
    store = opened(client, prefix="mine")
    assert store.commit([PUT], (), [ENTRY])
    assert store.load("kind", "key").data == b"data"
    store.close()
    assert client.exists("{mine}:meta")
    client.flushdb()
    client.close()


@pytest.mark.parametrize("place", [None, 5, redis.asyncio.Redis()])
def test_what_is_no_client_is_refused(place):
    with pytest.raises(ConfigurationError, match=r"URL or as a redis\.Redis"):
        RedisStore(place)


def test_a_failover_is_followed_by_way_of_sentinel(start, tmp_path, opened):
    master = start()
    replica = master.replica(tmp_path / "replica")
    port = free_port()
    conf = tmp_path / "sentinel.conf"
    conf.write_text(
        f"port {port}\ndir {tmp_path}\nsentinel monitor claims 127.0.0.1 {master.port} 1\n"
        "sentinel down-after-milliseconds claims 500\nsentinel failover-timeout claims 3000\n"
    )
    watcher = subprocess.Popen(
        [master._program, str(conf), "--sentinel"], stdout=subprocess.DEVNULL
    )
    try:
        sentinel = redis.Sentinel([("127.0.0.1", port)], socket_timeout=1)
        seen = redis.Redis(port=port)
        until(lambda: _sees_replica(sentinel), "a sentinel that knows the replica")
        store = opened(sentinel.master_for("claims"), prefix="s", wait=1, timeout=2)
        assert store.commit([PUT], (), [ENTRY])
        master.stop(signal.SIGKILL)
        codes = set()
        until(lambda: _follows(store, codes), "a new master", 30)
        assert codes <= {"store-unreachable", "store-read-only", "store-timeout"}
        assert store.commit([Put("kind", "key", 1, b"more")])
        assert store.log_since(0).entries[0].key == "s"
        seen.close()
    finally:
        watcher.kill()
        watcher.wait()
        replica.stop(signal.SIGKILL)


def _sees_replica(sentinel):
    try:
        return sentinel.discover_slaves("claims")
    except redis.RedisError:
        return False


def _follows(store, codes):
    try:
        return store.load("kind", "key").data == b"data"
    except UnavailableError as error:
        codes.add(error.code)
        return False


# --- what the server must be --------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "code", "line"),
    [
        ({"appendonly": "no"}, "store-not-persistent", "`appendonly yes`"),
        ({"appendfsync": "no"}, "store-not-persistent", "`appendfsync everysec`"),
        (
            {"maxmemory": "100mb", "maxmemory_policy": "allkeys-lru"},
            "store-evicts",
            "`maxmemory-policy noeviction`",
        ),
    ],
)
def test_a_server_that_forgets_is_refused_and_the_cure_is_named(
    start, opened, settings, code, line
):
    server = start(**settings)
    store = opened(server.url(), timeout=2)
    for _ in range(2):
        with pytest.raises(ConfigurationError) as caught:
            store.load("kind", "key")
        assert caught.value.code == code
        assert line in str(caught.value)
    if code == "store-not-persistent":
        assert "?persistence=none" in str(caught.value)
        assert open_store(server.url(persistence="none")).commit([PUT])
    else:
        with pytest.raises(ConfigurationError):
            open_store(server.url(persistence="none")).load("kind", "key")


@pytest.mark.parametrize(
    "settings",
    [
        {"appendfsync": "always"},
        {"maxmemory": "100mb", "maxmemory_policy": "noeviction"},
        {"maxmemory": "100mb", "maxmemory_policy": "volatile-lru"},
        {"maxmemory_policy": "allkeys-lru"},
    ],
)
def test_a_server_that_keeps_everything_is_taken(start, opened, settings):
    assert opened(start(**settings).url()).commit([PUT])


def warnings(caplog):
    return [record.event for record in caplog.records if record.levelno >= logging.WARNING]


def test_keeping_nothing_on_disk_is_possible_if_said_and_warned_of_once(start, opened, caplog):
    store = opened(start(appendonly="no").url(), persistence="none")
    for _ in range(2):
        assert store.load("kind", "key") is None
        store.close()
    assert warnings(caplog) == ["store-not-persistent"]


RIGHTS = (
    "+eval +evalsha +hmget +hget +hset +hincrby +del +zadd +zrem +zcard +zrangebylex"
    " +zrangebyscore +xadd +xdel +xrange +exists"
).split()


@pytest.mark.parametrize("info", [False, True])
def test_rights_as_the_message_names_them_are_enough(server, opened, caplog, info):
    with server.client() as client:
        rights = [*RIGHTS, "+info"] if info else RIGHTS
        client.execute_command("ACL SETUSER few on >word ~{few}:* resetchannels", *rights)
        for key in client.scan_iter("{few}:*"):
            client.delete(key)
    store = opened(f"redis://few:word@127.0.0.1:{server.port}/0", prefix="few")
    assert store.commit([PUT], (), [ENTRY])
    assert store.commit([Put("kind", "key", 1, b"", (("other", "value"),))])
    assert store.find("kind", "other", "value").records
    assert store.due("kind", 9.0) == ()
    assert store.count("kind") == 1
    assert store.log_since(0).entries
    assert store.identity()
    assert store.commit([], [Delete("kind", "key", 2)])
    assert warnings(caplog) == ([] if info else ["store-unchecked"])


@pytest.mark.parametrize(
    "user", ["wrong:word", "locked:word", "scripts:word", "elsewhere:word", "default:no"]
)
def test_who_may_not_come_in_is_told_so_at_the_first_use(server, opened, user):
    rights = ["~*", "&*"]
    with server.client() as client:
        client.execute_command("ACL SETUSER locked on >word", *rights)
        client.execute_command("ACL SETUSER scripts on >word +eval +evalsha +hmget", *rights)
        client.execute_command("ACL SETUSER elsewhere on >word ~other +@all")
        client.execute_command("ACL SETUSER default on nopass")
        if user == "default:no":
            client.execute_command("ACL SETUSER default resetpass >yes")
    store = opened(f"redis://{user}@127.0.0.1:{server.port}/0", timeout=2)
    try:
        with pytest.raises(ConfigurationError) as caught:
            store.commit([PUT], (), [ENTRY])
        assert caught.value.code == "store-refused"
        assert "word" not in str(caught.value).replace("password", "")
    finally:
        with redis.Redis(port=server.port, password="yes" if user == "default:no" else None) as c:
            c.execute_command("ACL SETUSER default on nopass")


def test_a_password_that_is_changed_under_a_running_app_is_an_outage(start, opened):
    server = start()
    store = opened(server.url())
    assert store.commit([PUT])
    with server.client() as client:
        client.config_set("requirepass", "changed")
    store.close()
    with pytest.raises(UnavailableError) as caught:
        store.load("kind", "key")
    assert caught.value.code == "store-failed"


def test_a_replica_is_refused_even_for_reading(start, tmp_path, opened):
    replica = start().replica(tmp_path / "replica")
    try:
        store = opened(replica.url(), timeout=2)
        for call in (lambda: store.load("kind", "key"), lambda: store.commit([PUT])):
            with pytest.raises(UnavailableError) as caught:
                call()
            assert caught.value.code == "store-read-only"
    finally:
        replica.stop(signal.SIGKILL)


def test_databases_that_are_not_there_are_named(server, opened):
    with pytest.raises(ConfigurationError, match="no database of that number"):
        opened(f"redis://127.0.0.1:{server.port}/99").load("kind", "key")


def test_a_newer_schema_is_refused_unless_it_can_be_read(store, server):
    assert store.commit([PUT])
    with server.client() as client:
        client.hset(store._meta, mapping={"schema": 2, "readable_from": 1})
        store.close()
        assert store.load("kind", "key").data == b"data"
        assert store.identity().schema == 2
        client.hset(store._meta, mapping={"schema": 3, "readable_from": 2})
        store.close()
        with pytest.raises(ConfigurationError, match="schema version 3") as caught:
            store.load("kind", "key")
    assert caught.value.code == "store-schema-newer"


def test_somebody_elses_keys_under_the_prefix_are_not_touched(server, opened):
    prefix = uuid.uuid4().hex
    with server.client() as client:
        client.set(f"{{{prefix}}}:meta", "mine")
        with pytest.raises(ConfigurationError) as caught:
            opened(server.url(), prefix=prefix).commit([PUT])
        assert caught.value.code == "store-foreign"
        assert client.get(f"{{{prefix}}}:meta") == b"mine"
        assert client.keys(f"*{prefix}*") == [f"{{{prefix}}}:meta".encode()]


# --- keys and values ----------------------------------------------------------------------


def fill(store, count=5):
    for number in range(count):
        put = Put("kind", f"k{number}", 0, b"x", (("user", "u"), ("n", str(number))), float(number))
        assert store.commit([put], (), [ENTRY])


def test_every_key_has_the_hash_tag_and_none_expires(store, server):
    fill(store)
    with server.client() as client:
        keys = [
            key
            for key in client.scan_iter(count=10_000)
            if store._prefix.strip("{}:").encode() in key
        ]
        assert len(keys) == 5 + 6 + 1 + 3  # records, index values, due; meta, log, until
        assert all(key.startswith(store._prefix.encode()) for key in keys)
        assert {client.ttl(key) for key in keys} == {-1}


def test_what_is_deleted_leaves_nothing_behind(store, server):
    fill(store)
    for number in range(5):
        assert store.commit([], [Delete("kind", f"k{number}", 1)], [LogEntry("a", "", "b", 3, 4)])
    with server.client() as client:
        left = sorted(client.keys(f"{store._prefix}*"))
        assert left == [f"{store._prefix}{name}".encode() for name in ("log", "meta", "until")]
        assert client.xlen(left[0]) == client.zcard(left[2]) == 5


def test_a_store_from_before_records_were_counted_is_gone_through_once(store, server):
    odd = "k*[i]?\\nd"
    for kind, due_at in (("kind", None), (odd, None), ("dated", 1.0), ("kinds", None)):
        puts = [Put(kind, f"{number}", 0, b"", (), due_at) for number in range(1500)]
        assert store.commit(puts)
    with server.client() as client:
        meta = f"{store._prefix}meta"
        kept = {b"store_id", b"schema", b"readable_from"}
        client.hdel(meta, *(set(client.hkeys(meta)) - kept))
        # Nothing is begun by a change: what was there before would be missing.
        assert store.commit([Put("kind", "new", 0, b"")], [Delete(odd, "0", 1)])
        assert set(client.hkeys(meta)) == kept
        counts = {"kind": 1501, odd: 1499, "dated": 1500, "kinds": 1500, "none": 0}
        assert {kind: store.count(kind) for kind in counts} == counts
        client.config_resetstat()
        assert {kind: store.count(kind) for kind in counts} == counts
        assert "cmdstat_scan" not in client.info("commandstats")
    assert store.commit([Put("kind", "more", 0, b"")], [Delete(odd, "1", 1), Delete(odd, "2", 1)])
    assert (store.count("kind"), store.count(odd)) == (1502, 1497)


TIMES = (12.5, 1e12, 1763735439.123456, 0.1 + 0.2, 0.0, -1.5, 5e-324, 1e308, float("inf"))


def test_times_come_back_to_the_last_bit(store):
    for number, moment in enumerate(TIMES):
        put = Put("kind", str(number), 0, b"", (), moment)
        assert store.commit([put], (), [LogEntry("s", str(number), "w", -1e308, moment)])
        assert store.load("kind", str(number)).due_at == moment
        assert str(number) in [record.key for record in store.due("kind", moment)]
    assert [found.until for found in store.log_since(0).entries] == list(TIMES)
    assert store.commit([], (), [LogEntry("s", "late", "w", 1763735439.1234563, 1e9)])
    # 1763735439.123456 was before it, by three ten-millionths of a second
    held = [found.until for found in store.log_since(0).entries]
    assert held == [1e12, 1e308, float("inf"), 1e9]


@pytest.mark.parametrize("which", ["due_at", "at", "until"])
def test_what_is_no_time_is_refused_before_anything_is_written(store, which):
    nan = float("nan")
    put = Put("kind", "key", 0, b"", (), nan if which == "due_at" else None)
    times = {"at": 1.0, "until": 2.0, which: nan}
    log = [LogEntry("s", "k", "w", times["at"], times["until"])]
    with pytest.raises(ValueError, match="number"):
        store.commit([put], (), log)
    assert store.identity() is None


def test_equal_due_times_come_by_key(store):
    for key in ("b", "a", "é", "Z"):
        assert store.commit([Put("kind", key, 0, b"", (), 5.0)])
    assert [record.key for record in store.due("kind", 5.0)] == ["Z", "a", "b", "é"]


def test_entries_come_back_whatever_they_name(store):
    entries = [LogEntry("user", key, "revoked", 1.0, 2.0) for key in ("", "a\0b", "é\n", "😀")]
    assert store.commit([], (), entries)
    found = store.log_since(0).entries
    assert [(entry.subject, entry.key, entry.what) for entry in found] == [
        (entry.subject, entry.key, entry.what) for entry in entries
    ]


def test_positions_never_begin_again(store):
    for at in (1.0, 10.0, 100.0):
        assert store.commit([], (), [LogEntry("s", "k", "w", at, at + 1)])
    page = store.log_since(0)
    assert (page.oldest, page.newest, len(page.entries)) == (3, 3, 1)


@pytest.mark.parametrize("position", [-5, 1 << 70])
def test_a_position_that_was_never_given_is_answered(store, position):
    fill(store, 2)
    page = store.log_since(position)
    assert (page.oldest, page.newest) == (1, 2)
    assert len(page.entries) == (2 if position < 0 else 0)


def test_a_big_commit_is_one_commit(store):
    puts = [Put("kind", f"{n:05}", 0, b"x" * 100, (("user", "u"),), float(n)) for n in range(3000)]
    assert store.commit(puts, (), [ENTRY] * 1000)
    assert store.commit([], [Delete("kind", put.key, 1) for put in puts])
    assert store.find("kind", "user", "u").records == ()


def test_an_index_that_leads_nowhere_is_damage_and_not_an_empty_answer(store, server):
    assert store.commit([PUT])
    with server.client() as client:
        client.delete(f"{store._prefix}r:kind\0key")
    for call in (lambda: store.find("kind", "index", "value"), lambda: store.due("kind", 5.0)):
        with pytest.raises(UnavailableError) as caught:
            call()
        assert caught.value.code == "store-corrupt"


def test_a_log_without_its_store_is_damage_and_not_a_new_store(store, server, opened):
    assert store.commit([PUT], (), [ENTRY])
    with server.client() as client:
        client.delete(store._meta)
    other = opened(server.url(), prefix=store._prefix.strip("{}:"))
    with pytest.raises(UnavailableError) as caught:
        other.commit([Put("kind", "new", 0, b"")], (), [ENTRY])
    assert caught.value.code == "store-corrupt"
    assert other.load("kind", "new") is None


def test_where_the_log_cannot_be_written_nothing_is(server, opened):
    """Otherwise a revocation would stand in the record, and nobody would hear of it."""
    with server.client() as client:
        rights = [right for right in RIGHTS if right != "+xadd"]
        client.execute_command("ACL SETUSER mute on >word ~{mute}:*", *rights)
    store = opened(f"redis://mute:word@127.0.0.1:{server.port}/0", prefix="mute")
    with pytest.raises(ConfigurationError) as caught:
        store.commit([PUT], (), [ENTRY])
    assert caught.value.code == "store-refused"
    assert store.load("kind", "key") is None


def test_a_store_that_was_emptied_is_not_an_empty_store(start, opened):
    server = start()
    store = opened(server.url())
    assert store.commit([PUT], (), [ENTRY])
    identity = store.identity()
    with server.client() as client:
        client.flushall()
    for call in (
        lambda: store.load("kind", "key"),
        lambda: store.find("kind", "index", "value"),
        lambda: store.due("kind", 5.0),
        lambda: store.count("kind"),
        lambda: store.log_since(0),
        lambda: store.commit([PUT]),
        store.identity,
    ):
        with pytest.raises(UnavailableError) as caught:
            call()
        assert caught.value.code == "store-gone"
    # Whoever begins now begins afresh, and that is seen by its id.
    assert opened(server.url()).commit([])
    assert store.log_since(0).store_id not in (None, identity.store_id)


# --- scripts and round trips --------------------------------------------------------------


CALLS = {
    "load": lambda store: store.load("kind", "key"),
    "find": lambda store: store.find("kind", "index", "value"),
    "due": lambda store: store.due("kind", 1.0),
    "count": lambda store: store.count("kind"),
    "commit": lambda store: store.commit([Put("kind", uuid.uuid4().hex, 0, b"")], (), [ENTRY]),
    "log_since": lambda store: store.log_since(0),
    "identity": lambda store: store.identity(),
}


@pytest.mark.parametrize("call", CALLS)
def test_each_act_is_one_round_trip(server, opened, call):
    proxy = Proxy(server.port)
    store = opened(f"redis://127.0.0.1:{proxy.port}/0", prefix=uuid.uuid4().hex)
    CALLS[call](store)
    proxy.met = 0
    CALLS[call](store)
    assert proxy.met == 1
    proxy.close()


@pytest.mark.parametrize("call", CALLS)
def test_scripts_that_the_server_has_forgotten_are_sent_again(store, server, call):
    CALLS["commit"](store)
    with server.client() as client:
        client.script_flush()
    assert CALLS[call](store) is not False


def test_reading_a_page_of_the_log_of_which_most_is_new_is_one_moment(store):
    """What is read lies between `oldest` and `newest`, however busy the writers are."""
    stop = threading.Event()

    def write(_):
        at = 0.0
        while not stop.is_set():
            at += 1.0
            store.commit([], (), [LogEntry("s", "k", "w", at, at + 20)])

    def read(_):
        try:
            for _ in range(300):
                page = store.log_since(0)
                positions = [found.position for found in page.entries]
                assert positions == sorted(positions)
                if positions:
                    assert (page.oldest, page.newest) == (positions[0], positions[-1])
        finally:
            stop.set()

    in_threads(2, lambda number: (write if number else read)(number))


# --- restarts and forks -------------------------------------------------------------------


def test_a_restart_is_not_noticed(start, opened):
    server = start()
    store = opened(server.url())
    fill(store, 2)
    for number in range(2, 4):
        server.stop()
        server.start()
        if number == 2:
            assert store.load("kind", "k1").version == 1
        put = Put("kind", f"k{number}", 0, b"")
        assert store.commit([put], (), [ENTRY])
    assert store.log_since(0).newest == 4


def test_everything_acknowledged_is_there_after_kill_9(start, opened):
    """With `appendfsync always`; `everysec` may lose a second where the machine itself fails."""
    server = start(appendfsync="always")
    store = opened(server.url(), timeout=5)
    assert store.commit([])
    acknowledged = []

    def write(number):
        for count in range(10_000):
            key = f"{number}-{count}"
            try:
                if store.commit([Put("kind", key, 0, b"x")], (), [ENTRY]):
                    acknowledged.append(key)
            except UnavailableError as error:
                return error.code
        return None

    timer = threading.Timer(0.7, lambda: server.stop(signal.SIGKILL))
    timer.start()
    codes = in_threads(4, write)
    timer.join()
    assert set(codes) <= {"store-unreachable"}
    assert len(acknowledged) > 20
    server.start()
    assert [key for key in acknowledged if store.load("kind", key) is None] == []
    newest = store.log_since(0).newest
    assert len(acknowledged) <= newest <= len(acknowledged) + 4  # four were not answered


FORK = """
import json, os, signal, sys, threading
from flask_session_claims.stores import open_store
from flask_session_claims.testing.store_contract import increment

store = open_store(sys.argv[1])
increment(store, "n", 5)
stop = threading.Event()
def write():
    while not stop.is_set():
        increment(store, "m", 1)
threads = [threading.Thread(target=write) for _ in range(3)]
for thread in threads:
    thread.start()
children = []
for _ in range(8):
    child = os.fork()
    if child == 0:
        signal.alarm(30)
        increment(store, "n", 20)
        os._exit(0)
    children.append(child)
increment(store, "n", 20)
ends = [os.waitpid(child, 0)[1] for child in children]
stop.set()
for thread in threads:
    thread.join()
print(json.dumps([ends, int(store.load("count", "n").data)]))
"""


CHILD = """
import json, os, signal, sys, redis
from flask_session_claims.stores import open_store

url = sys.argv[1]
store = open_store(url + "&client_name=forked")
store.load("kind", "key")
store.load("kind", "key")
child = os.fork()
if child == 0:
    signal.alarm(30)
    store.load("kind", "key")
    clients = redis.Redis.from_url(url.partition("?")[0]).client_list()
    os._exit(sum(client["name"] == "forked" for client in clients))
print(json.dumps(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])))
"""


def told(script, url):
    """What a script in a process of its own prints."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, url],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform has no fork")


@forks
def test_parent_and_children_go_on_with_a_store_that_was_in_use(server):
    assert told(FORK, server.url(prefix=uuid.uuid4().hex)) == [[0] * 8, 5 + 9 * 20]


@forks
def test_a_child_opens_a_connection_of_its_own(server):
    assert told(CHILD, server.url(prefix=uuid.uuid4().hex)) == 2


def test_few_connections_are_opened_and_close_lets_go_of_them(server, opened):
    name = f"few-{uuid.uuid4().hex}"
    client = redis.Redis(port=server.port, client_name=name)
    store = opened(client, prefix=name, max_connections=4)
    in_threads(16, lambda _: increment(store, "n", 3))

    def count():
        with server.client() as looker:
            return [each["name"] for each in looker.client_list()].count(name)

    assert 1 <= count() <= 4
    store.close()
    until(lambda: count() == 0, "no connection")


def test_a_connection_in_use_is_let_go_of_as_soon_as_it_no_longer_is(server):
    proxy = Proxy(server.port)
    name = f"used-{uuid.uuid4().hex}"
    store = open_store(f"redis://127.0.0.1:{proxy.port}/0?client_name={name}")
    assert store.load("kind", "key") is None
    proxy.mode = 0.5
    thread = threading.Thread(target=store.load, args=("kind", "key"))
    thread.start()
    until(lambda: not store._connections._idle, "a connection in use")
    store.close()
    thread.join()
    assert store._connections._idle == []
    with server.client() as looker:
        until(lambda: name not in [each["name"] for each in looker.client_list()], "no connection")
    proxy.close()
