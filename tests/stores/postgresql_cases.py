"""What the tests of the PostgreSQL store have in common: its calls, and stores to try them on."""

from __future__ import annotations

import time

import pytest

from flask_session_claims import UnavailableError
from flask_session_claims.sessions.records import LogEntry, Put
from flask_session_claims.stores.postgresql import PostgresqlStore

from .postgresql_server import SHARED

#: Of a store that is to fail, in seconds.
TIMEOUT = 1.0
#: How much later than its time-out a call may end, on a machine that has other things to do.
LATE = 2.0
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


def fill(store):
    assert store.commit([Put("kind", "key", 0, b"data", (("index", "value"),), 1.0)], (), [ENTRY])


class Opener:
    """Opens stores, and closes them at its end."""

    def __init__(self, **defaults):
        self._defaults = {"url": SHARED, **defaults}
        self._stores = []

    def __call__(self, make=PostgresqlStore, **arguments):
        arguments = {**self._defaults, **arguments}
        self._stores.append(make(arguments.pop("url"), **arguments))
        return self._stores[-1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for store in self._stores:
            store.close()


def refused(store, call, within=TIMEOUT + LATE):
    """The code that a call ends with."""
    start = time.monotonic()
    with pytest.raises(UnavailableError) as caught:
        CALLS.get(call, call)(store)
    assert time.monotonic() - start < within
    assert caught.value.status == 503
    assert caught.value.store == store.address
    assert store.address not in str(caught.value)
    return caught.value.code


def works(store):
    return [CALLS[call](store) for call in CALLS if call != "commit"] and store.commit(
        [Put("kind", f"after {time.monotonic()}", 0, b"")], (), [LogEntry("all", "", "x", 1, 2)]
    )


def eventually(what, patience=10.0):
    deadline = time.monotonic() + patience
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)
