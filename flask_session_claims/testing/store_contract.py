"""What every record store must do, as tests that a store's own suite inherits.

    class TestMyStore(StoreContract):
        def make(self): return MyStore(...)

`make` gives a fresh, empty store. A store that several processes can share inherits
`SharedStoreContract` and says its URL, under which a process of its own opens it again.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, ClassVar

from ..sessions.records import LOG_PAGE, PAGE, Delete, LogEntry, Put, RecordStore
from ..stores import open_store

#: Keys and index values that a store must neither mix up nor change.
ODD = (
    "a",
    "A",
    " a",
    "a ",
    "'; DROP TABLE records; --",
    "%",
    "_",
    "*",
    "a:b",
    "a/b",
    "\n",
    "é",  # composed,
    "e\u0301",  # and not
    "ß",
    "ss",
    "ﬀ",
    "😀",
    "\uffff",
    "\U0010ffff",
    "{tag}",
    "1",
    "01",
    "1.0",
    "x" * 512,
)
_WORKER = "from flask_session_claims.testing import store_contract; store_contract.work()"
_PATIENCE = 120.0  # seconds for a whole crowd of workers


def expect(got: object, wanted: object) -> None:
    """AssertionError unless they are equal, also where asserts are switched off."""
    if got != wanted:
        raise AssertionError(f"got {got!r:.400}, wanted {wanted!r:.400}")


def entry(key: str, at: float = 1.0, until: float = 100.0) -> LogEntry:
    """An entry for the log."""
    return LogEntry("session", key, "revoked", at, until)


def increment(store: RecordStore, key: str, rounds: int) -> int:
    """Count a record up, `rounds` times, by conditional commits; the longest run of lost ones."""
    worst = 0
    for _ in range(rounds):
        for lost in itertools.count():
            worst = max(worst, lost)
            record = store.load("count", key)
            count = int(record.data) if record else 0
            version = record.version if record else 0
            if store.commit([Put("count", key, version, str(count + 1).encode())]):
                break
    return worst


def append(store: RecordStore, key: str, rounds: int) -> int:
    """Append entries `key-0`, `key-1`, …; each with a record of its own in the same commit."""
    for number in range(rounds):
        name = f"{key}-{number}"
        expect(store.commit([Put("entry", name, 0, b"")], (), [entry(name)]), True)
    return rounds


class Poller(threading.Thread):
    """Follows the log as a worker does, and complains of what comes late."""

    def __init__(self, store: RecordStore) -> None:
        super().__init__(daemon=True)
        self.stop: threading.Event = threading.Event()
        self.seen: list[str] = []
        self.faults: list[str] = []
        self.polls: int = 0
        self._store = store

    def run(self) -> None:
        position = 0
        last = False
        while True:
            page = self._store.log_since(position)
            self.polls += 1
            for found in page.entries:
                if found.position <= position:
                    self.faults.append(f"{found.position} came after {position}")
                position = found.position
                self.seen.append(found.key)
            if position > page.newest:
                self.faults.append(f"newest was {page.newest} at {position}")
            if last and not page.entries:
                return
            last = self.stop.is_set()


def in_threads(count: int, act: Callable[[int], Any]) -> list[Any]:
    """What `act(number)` gave in that many threads at once; raises what one of them raised."""
    results: list[Any] = [None] * count
    errors: list[BaseException] = []
    start = threading.Barrier(count)

    def body(number: int) -> None:
        try:
            _ = start.wait()
            results[number] = act(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=body, args=(n,), daemon=True) for n in range(count)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + _PATIENCE
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    expect([t.name for t in threads if t.is_alive()], [])
    if errors:
        raise errors[0]
    return results


class StoreContract:
    """The contract, for stores of one process and of many."""

    #: Rounds of each of the writers; slow stores may lower it.
    rounds: ClassVar[int] = 50
    #: Times in a row that one of eight writers of one record may lose; flows give up at 200.
    patience: ClassVar[int] = 150

    def make(self) -> RecordStore:
        """A fresh, empty store."""
        raise NotImplementedError

    # --- one record -----------------------------------------------------------------------

    def test_a_store_is_empty_at_first_and_reading_does_not_change_that(self) -> None:
        store = self.make()
        expect(store.load("kind", "key"), None)
        expect(store.find("kind", "index", "value").records, ())
        expect(store.due("kind", 1e12), ())
        expect(store.count("kind"), 0)
        page = store.log_since(0)
        expect((page.store_id, page.oldest, page.newest, page.entries), (None, 0, 0, ()))
        expect(store.identity(), None)

    def test_a_record_comes_back_as_it_was_put(self) -> None:
        store = self.make()
        indexes = (("user", "u1"), ("user", "u2"), ("org", "o1"))
        expect(store.commit([Put("kind", "key", 0, b"\x00\xff data", indexes, 12.5)]), True)
        record = store.load("kind", "key")
        if record is None:
            raise AssertionError("the record is not there")
        expect(
            (record.kind, record.key, record.version, record.data),
            ("kind", "key", 1, b"\x00\xff data"),
        )
        expect((record.indexes, record.due_at), (indexes, 12.5))
        expect(store.load("kind", "other"), None)
        expect(store.load("other", "key"), None)

    def test_each_put_makes_the_next_version(self) -> None:
        store = self.make()
        for version in range(5):
            expect(store.commit([Put("kind", "key", version, b"%d" % version)]), True)
        record = store.load("kind", "key")
        expect(record and (record.version, record.data), (5, b"4"))

    def test_a_put_replaces_everything(self) -> None:
        store = self.make()
        _ = store.commit([Put("kind", "key", 0, b"old", (("a", "1"), ("b", "1")), 5.0)])
        _ = store.commit([Put("kind", "key", 1, b"new", (("a", "2"),))])
        record = store.load("kind", "key")
        expect(
            record and (record.data, record.indexes, record.due_at), (b"new", (("a", "2"),), None)
        )
        expect(store.find("kind", "a", "1").records, ())
        expect(store.find("kind", "b", "1").records, ())
        expect(len(store.find("kind", "a", "2").records), 1)
        expect(store.due("kind", 1e12), ())

    def test_a_wrong_version_loses_and_nothing_of_the_commit_happens(self) -> None:
        store = self.make()
        _ = store.commit([Put("kind", "a", 0, b"a"), Put("kind", "b", 0, b"b")])
        for stale in (
            Put("kind", "a", 0, b"x"),
            Put("kind", "a", 2, b"x"),
            Put("kind", "none", 1, b"x"),
        ):
            others = [Put("kind", "b", 1, b"x"), Put("kind", "new", 0, b"x")]
            for puts in ([stale, *others], [*others, stale]):
                expect(store.commit(puts, (), [entry("x")]), False)
        for removal in (
            Delete("kind", "a", 0),
            Delete("kind", "a", 2),
            Delete("kind", "none", 1),
        ):
            expect(store.commit([Put("kind", "b", 1, b"x")], [removal], [entry("x")]), False)
        found = [store.load("kind", key) for key in ("a", "b", "new", "none")]
        expect([r and (r.version, r.data) for r in found], [(1, b"a"), (1, b"b"), None, None])
        expect(store.log_since(0).newest, 0)

    def test_a_deleted_record_is_gone_from_everywhere(self) -> None:
        store = self.make()
        _ = store.commit([Put("kind", "key", 0, b"", (("user", "u"),), 1.0)])
        expect(store.commit([], [Delete("kind", "key", 1)]), True)
        expect(store.load("kind", "key"), None)
        expect(store.find("kind", "user", "u").records, ())
        expect(store.due("kind", 10.0), ())
        expect(store.commit([], [Delete("kind", "key", 1)]), False)
        expect(store.commit([Put("kind", "key", 0, b"again")]), True)

    def test_puts_and_deletes_go_together(self) -> None:
        store = self.make()
        _ = store.commit([Put("kind", "old", 0, b"", (("user", "u"),))])
        put = Put("kind", "new", 0, b"", (("user", "u"),))
        expect(store.commit([put], [Delete("kind", "old", 1)], [entry("x")]), True)
        expect([r.key for r in store.find("kind", "user", "u").records], ["new"])

    def test_what_was_given_out_does_not_change(self) -> None:
        store = self.make()
        data = bytearray(b"before")
        _ = store.commit([Put("kind", "key", 0, bytes(data))])
        held = store.load("kind", "key")
        _ = store.commit([Put("kind", "key", 1, b"after")])
        expect(held and (held.version, held.data), (1, b"before"))

    def test_big_and_empty_data(self) -> None:
        store = self.make()
        big = os.urandom(1 << 20)
        _ = store.commit([Put("kind", "big", 0, big), Put("kind", "empty", 0, b"")])
        found = [store.load("kind", key) for key in ("big", "empty")]
        expect([record and record.data for record in found], [big, b""])

    def test_odd_keys_are_kept_apart(self) -> None:
        store = self.make()
        for number, key in enumerate(ODD):
            puts = [Put("kind", key, 0, b"%d" % number, ((key, key),)), Put(key, "key", 0, b"")]
            expect(store.commit(puts), True)
        for number, key in enumerate(ODD):
            record = store.load("kind", key)
            expect(record and (record.key, record.data), (key, b"%d" % number))
            expect([r.key for r in store.find("kind", key, key).records], [key])
            expect(store.load(key, "key") is not None, True)
            expect(store.count(key), 1)
        expect(store.count("kind"), len(ODD))

    # --- find and due ---------------------------------------------------------------------

    def test_find_gives_pages_in_code_point_order(self) -> None:
        store = self.make()
        keys = [f"k{number:04}" for number in range(2 * PAGE + 5)] + list(ODD)
        for key in reversed(keys):
            _ = store.commit([Put("kind", key, 0, key.encode(), (("user", "u"),))])
        _ = store.commit([Put("kind", "k0000x", 0, b"", (("user", "other"),))])
        _ = store.commit([Put("other", "k0000", 0, b"", (("user", "u"),))])
        pages = list(_pages(store, "kind", "user", "u"))
        expect([len(page) for page in pages], [PAGE, PAGE, 5 + len(ODD)])
        expect([key for page in pages for key in page], sorted(keys))

    def test_a_full_last_page_says_that_it_is_the_last(self) -> None:
        store = self.make()
        for number in range(PAGE):
            _ = store.commit([Put("kind", f"{number:04}", 0, b"", (("user", "u"),))])
        page = store.find("kind", "user", "u")
        expect((len(page.records), page.after), (PAGE, None))
        expect(store.find("kind", "user", "u", "0098").records[0].key, "0099")
        expect(store.find("kind", "user", "u", "9").records, ())

    def test_due_gives_the_earliest_first_and_nothing_undated(self) -> None:
        store = self.make()
        for key, due_at in (("a", 3.0), ("b", 1.5), ("c", None), ("d", 2.0), ("e", 9.0)):
            _ = store.commit([Put("kind", key, 0, b"", (), due_at)])
        _ = store.commit([Put("other", "a", 0, b"", (), 1.0)])
        expect([r.key for r in store.due("kind", 3.0)], ["b", "d", "a"])
        expect([r.key for r in store.due("kind", 2.999)], ["b", "d"])
        expect(store.due("kind", 1.0), ())
        many = [Put("many", f"{n:04}", 0, b"", (), float(n)) for n in range(PAGE + 1)]
        _ = store.commit(many)
        expect([r.key for r in store.due("many", 1e9)], [put.key for put in many[:PAGE]])

    def test_records_are_counted_by_kind(self) -> None:
        store = self.make()
        dated = [Put("dated", f"{n}", 0, b"", (("i", "v"),), float(n)) for n in range(PAGE + 1)]
        _ = store.commit([*dated, Put("plain", "a", 0, b""), Put("plain", "b", 0, b"")])
        expect([store.count(kind) for kind in ("dated", "plain", "none")], [PAGE + 1, 2, 0])
        # Neither an existing record nor a lost commit counts, whether it has a due time or not.
        _ = store.commit([Put("plain", "a", 1, b"x"), Put("dated", "0", 1, b"x", (), 7.0)])
        stale = [Put("plain", "c", 0, b""), Put("dated", "c", 0, b"", (), 1.0)]
        expect(store.commit([*stale, Put("plain", "b", 5, b"")]), False)
        expect(store.commit(stale, [Delete("plain", "a", 1)]), False)
        expect(store.commit([], [Delete("plain", "none", 0)]), True)
        expect([store.count(kind) for kind in ("dated", "plain")], [PAGE + 1, 2])
        # A due time that comes, goes or changes makes no difference.
        _ = store.commit([Put("plain", "a", 2, b"", (), 1.0), Put("dated", "0", 2, b"")])
        expect([store.count(kind) for kind in ("dated", "plain")], [PAGE + 1, 2])
        _ = store.commit([], [Delete("dated", "0", 3), Delete("dated", "1", 1)])
        _ = store.commit([Put("plain", "new", 0, b"")], [Delete("plain", "b", 1)])
        expect([store.count(kind) for kind in ("dated", "plain")], [PAGE - 1, 2])
        _ = store.commit([], [Delete("plain", "a", 3), Delete("plain", "new", 1)])
        expect([store.count(kind) for kind in ("dated", "plain")], [PAGE - 1, 0])

    # --- the log --------------------------------------------------------------------------

    def test_log_entries_come_back_numbered_in_order(self) -> None:
        store = self.make()
        entries = [entry(f"s{number}", at=number + 0.5) for number in range(4)]
        expect(store.commit([], (), entries[:3]), True)
        expect(store.commit([], (), entries[3:]), True)
        page = store.log_since(0)
        positions = [found.position for found in page.entries]
        expect(sorted(set(positions)), positions)
        expect((page.oldest, page.newest), (positions[0], positions[-1]))
        expect(positions[0] > 0, True)
        expect([replace(found, position=0) for found in page.entries], entries)
        expect(store.log_since(positions[1]).entries, page.entries[2:])
        expect(store.log_since(page.newest).entries, ())
        expect(store.log_since(page.newest + 1000).newest, page.newest)

    def test_what_no_longer_matters_is_dropped_when_something_new_comes(self) -> None:
        store = self.make()
        _ = store.commit([], (), [entry("short", 1, 10), entry("long", 1, 50)])
        _ = store.commit([], (), [entry("at the end", 10, 60)])
        first = store.log_since(0)
        expect([e.key for e in first.entries], ["short", "long", "at the end"])
        _ = store.commit([], (), [entry("after", 10.5, 60)])
        page = store.log_since(0)
        expect([e.key for e in page.entries], ["long", "at the end", "after"])
        expect((page.oldest, page.newest), (page.entries[0].position, first.newest + 1))
        _ = store.commit([], (), [entry("late", 1000, 2000)])
        page = store.log_since(0)
        expect([e.key for e in page.entries], ["late"])
        expect((page.oldest, page.newest), (first.newest + 2, first.newest + 2))

    def test_a_long_log_comes_in_pages(self) -> None:
        store = self.make()
        total = LOG_PAGE + 7
        for begin in range(0, total, 250):
            some = [entry(str(number)) for number in range(begin, min(begin + 250, total))]
            _ = store.commit([], (), some)
        first = store.log_since(0)
        rest = store.log_since(first.entries[-1].position)
        expect((len(first.entries), len(rest.entries)), (LOG_PAGE, 7))
        expect(first.newest, rest.entries[-1].position)
        expect([e.key for e in (*first.entries, *rest.entries)], [str(n) for n in range(total)])

    def test_the_store_has_one_identity_from_the_first_commit_on(self) -> None:
        store, other = self.make(), self.make()
        expect(store.commit([]), True)
        expect(other.commit([Put("kind", "key", 0, b"")]), True)
        identity, stranger = store.identity(), other.identity()
        if identity is None or stranger is None:
            raise AssertionError("a store that was committed to has no identity")
        expect(len(identity.store_id) >= 16, True)
        expect(identity.store_id == stranger.store_id, False)
        expect(identity.schema >= 1, True)
        _ = store.commit([], (), [entry("x")])
        expect(store.log_since(0).store_id, identity.store_id)
        expect(store.identity(), identity)

    def test_a_closed_store_opens_again_when_it_is_used(self) -> None:
        store = self.make()
        _ = store.commit([Put("kind", "key", 0, b"data")])
        store.close()
        store.close()
        expect(store.load("kind", "key") is not None, True)
        expect(store.commit([Put("kind", "key", 1, b"more")]), True)

    # --- many at once ---------------------------------------------------------------------

    def test_no_update_of_eight_threads_is_lost(self) -> None:
        store = self.make()
        lost = in_threads(8, lambda number: increment(store, "n", self.rounds))
        record = store.load("count", "n")
        expect(
            record and (record.data, record.version), (b"%d" % (8 * self.rounds), 8 * self.rounds)
        )
        expect([losses for losses in lost if losses > self.patience], [])
        expect(store.count("count"), 1)

    def test_of_many_who_make_the_same_record_one_wins(self) -> None:
        store = self.make()
        for number in range(self.rounds):
            key = f"key{number}"

            def make(who: int, key: str = key) -> bool:
                return store.commit([Put("kind", key, 0, b"%d" % who)])

            won = in_threads(4, make)
            expect(won.count(True), 1)
            record = store.load("kind", key)
            expect(record and record.data, b"%d" % won.index(True))
        expect(store.count("kind"), self.rounds)

    def test_a_reader_sees_all_of_a_commit_or_nothing(self) -> None:
        store = self.make()
        done = threading.Event()

        def write(_: int) -> None:
            for version in range(self.rounds):
                puts = [Put("pair", key, version, b"%d" % version) for key in ("a", "b")]
                expect(store.commit([replace(p, indexes=(("x", "x"),)) for p in puts]), True)
            done.set()

        def read(_: int) -> None:
            while not done.is_set():
                found = {record.data for record in store.find("pair", "x", "x").records}
                expect(len(found) <= 1, True)

        _ = in_threads(3, lambda number: (write if number == 0 else read)(number))

    def test_a_poller_misses_nothing_of_eight_writing_threads(self) -> None:
        store = self.make()
        poller = Poller(store)
        poller.start()
        counts = in_threads(8, lambda number: append(store, f"w{number}", self.rounds))
        poller.stop.set()
        poller.join(_PATIENCE)
        _expect_all(poller, counts)


class SharedStoreContract(StoreContract):
    """The contract for a store that several processes share."""

    #: Rounds of each writing process.
    process_rounds: ClassVar[int] = 100

    def url(self, store: RecordStore) -> str:
        """The URL of a store that `make` gave, for `open_store` in another process."""
        raise NotImplementedError

    def _crowd(self, store: RecordStore, what: str, count: int) -> list[int]:
        address, rounds = self.url(store), str(self.process_rounds)
        workers = [
            subprocess.Popen(  # noqa: S603
                [sys.executable, "-c", _WORKER, what, address, str(number), rounds],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for number in range(count)
        ]
        for worker in workers:  # all are up before the first begins
            if worker.stdout is not None:
                expect(worker.stdout.readline(), "ready\n")
        for worker in workers:
            if worker.stdin is not None:
                _ = worker.stdin.write("\n")
                worker.stdin.flush()
        ends = [worker.communicate(timeout=_PATIENCE) for worker in workers]
        expect([error for _, error in ends if error], [])
        return [json.loads(said) for said, _ in ends]

    def test_another_process_finds_what_was_committed(self) -> None:
        store = self.make()
        _ = increment(store, "n", 3)
        identity = store.identity()
        again = open_store(self.url(store))
        expect(again.identity(), identity)
        record = again.load("count", "n")
        expect(record and record.data, b"3")
        again.close()

    def test_no_update_of_eight_processes_is_lost(self) -> None:
        store = self.make()
        lost = self._crowd(store, "increment", 8)
        expect([losses for losses in lost if losses > self.patience], [])
        record = store.load("count", "n")
        total = 8 * self.process_rounds
        expect(record and (record.data, record.version), (b"%d" % total, total))

    def test_a_poller_misses_nothing_of_eight_writing_processes(self) -> None:
        store = self.make()
        poller = Poller(store)
        poller.start()
        counts = self._crowd(store, "append", 8)
        poller.stop.set()
        poller.join(_PATIENCE)
        _expect_all(poller, counts)


def _pages(store: RecordStore, kind: str, index: str, value: str) -> Iterator[list[str]]:
    after: str | None = ""
    while after is not None:
        page = store.find(kind, index, value, after)
        yield [record.key for record in page.records]
        after = page.after


def _expect_all(poller: Poller, counts: list[int]) -> None:
    expect(poller.is_alive(), False)
    expect(poller.faults, [])
    expect(len(poller.seen), sum(counts))
    wanted = {f"w{number}-{n}" for number, count in enumerate(counts) for n in range(count)}
    expect(set(poller.seen), wanted)


def work() -> None:
    """What a worker process does: `what url number rounds` are its arguments."""
    what, url, number, rounds = sys.argv[1:]
    store = open_store(url)
    acts: dict[str, Callable[[], int]] = {
        "increment": lambda: increment(store, "n", int(rounds)),
        "append": lambda: append(store, f"w{number}", int(rounds)),
    }
    _ = sys.stdout.write("ready\n")
    _ = sys.stdout.flush()
    _ = sys.stdin.readline()
    result = acts[what]()
    store.close()
    _ = sys.stdout.write(json.dumps(result))
