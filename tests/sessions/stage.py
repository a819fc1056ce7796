"""A stage for session flows: a memory store, a clock that stands, randomness that repeats."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import replace

from flask_session_claims.core.flow import run
from flask_session_claims.sessions.lifecycle import SessionFlows
from flask_session_claims.sessions.limits import Limits
from flask_session_claims.sessions.model import SESSION, decode
from flask_session_claims.sessions.records import Put, record_handlers
from flask_session_claims.sessions.rotation import Refreshed
from flask_session_claims.stores.memory import MemoryStore
from flask_session_claims.testing.record import record

NOW = 1_800_000_000.0


def remember(text):
    """Let the leak check look for a refresh token; the session's id in it is no secret."""
    record([text.split(".", 2)[2]])


class Stage:
    """Flows over a store; `do` drives one to its end."""

    def __init__(self, store=None, limits=None, now=NOW):
        self.store = store if store is not None else MemoryStore()
        self.now = now
        self._count = itertools.count()
        self.flows = SessionFlows(limits or Limits(), clock=lambda: self.now, random=self._random)
        self._handlers = record_handlers(self.store)

    def begin(self, store):
        """Everything as at first, over another store."""
        self.store, self.now, self._count = store, NOW, itertools.count(100)
        self._handlers = record_handlers(store)
        return self

    def _random(self, size):
        # The same on every stage, so that runs can be compared.
        seed = f"{next(self._count)}".encode()
        return hashlib.shake_256(seed).digest(size)

    def perform(self, ask):
        return self._handlers[type(ask)](ask)

    def do(self, flow):
        result = run(flow, self.perform)
        if hasattr(result, "refresh_token"):
            remember(result.refresh_token)
        return result

    def sign_in(self, user_id="user_1", **given):
        """A new session: its id and its refresh token."""
        created = self.do(self.flows.create(user_id, **given))
        return created.session.session_id, created.refresh_token

    def refresh(self, token, **given) -> Refreshed:
        return self.do(self.flows.refresh(token, **given))

    def get(self, session_id):
        return self.do(self.flows.get(session_id))

    def state(self, session_id):
        """What the record says."""
        found = self.store.load(SESSION, session_id)
        return decode(found) if found else None

    def rewrite(self, session_id, **members):
        """Change the record behind the library's back."""
        state = replace(self.state(session_id), **members)
        assert self.store.commit([state.put()])

    def log(self):
        """(subject, key, what) of every entry."""
        entries = self.store.log_since(0).entries
        return [(entry.subject, entry.key, entry.what) for entry in entries]

    def acts(self, session_id):
        """The acts in the journal, in order."""
        return [act.act for act in self.do(self.flows.journal(session_id))]


def copied(store, into):
    """The records of one store in another, at the versions they have."""
    for found in store._records.values():
        for version in range(found.version):
            put = Put(found.kind, found.key, version, found.data, found.indexes, found.due_at)
            assert into.commit([put])
    return into
