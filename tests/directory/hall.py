"""A hall for the directory's flows: a store, a clock that stands, randomness that repeats."""

from __future__ import annotations

import hashlib
import itertools

from flask_session_claims.core.flow import run
from flask_session_claims.directory.flows import DirectoryFlows
from flask_session_claims.sessions.consult import Tell
from flask_session_claims.sessions.records import record_handlers
from flask_session_claims.stores.memory import MemoryStore

NOW = 1_800_000_000.0
DAY = 86_400


class Hall:
    """Every act of the directory, done at once: `hall.create_user("ada")`."""

    def __init__(self, store=None, now=NOW):
        self.store = store if store is not None else MemoryStore()
        self.now = now
        self.told = []
        self._count = itertools.count()
        self._position = 0
        self.flows = DirectoryFlows(clock=lambda: self.now, random=self._random)

    def _random(self, size):
        # The same in every hall, so that runs can be compared.
        return hashlib.shake_256(f"{next(self._count)}".encode()).digest(size)

    def perform(self, ask):
        if isinstance(ask, Tell):
            self.told.append((ask.event, dict(ask.data)))
            return None
        return record_handlers(self.store)[type(ask)](ask)

    def do(self, flow):
        return run(flow, self.perform)

    def __getattr__(self, name):
        act = getattr(self.flows, name)
        return lambda *args, **kwargs: self.do(act(*args, **kwargs))

    def entries(self):
        """(subject, key) of the log's entries since the last look."""
        entries = self.store.log_since(self._position).entries
        self._position = entries[-1].position if entries else self._position
        return [(entry.subject, entry.key) for entry in entries]

    def news(self):
        """What was told since the last look: (user, kinds)."""
        told, self.told = self.told, []
        assert {event for event, _ in told} <= {"user_metadata_changed"}
        return [(data["user_id"], set(data["kinds"])) for _, data in told]

    def everything(self):
        """What the store holds of the directory, to see whether anything was written."""
        return [
            (record.kind, record.key, record.version)
            for kind in ("profile", "organization")
            for record in self.store.find(kind, "in", "directory").records
        ]


def furnished(store=None, users=("ada", "bob"), organizations=("acme",)):
    """A hall with some users and organisations; what that was logged and told is read."""
    hall = Hall(store)
    for user_id in users:
        hall.create_user(user_id)
    for org_id in organizations:
        hall.create_organization(org_id.title(), org_id=org_id)
    hall.entries()
    hall.news()
    return hall
