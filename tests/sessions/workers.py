"""Processes of one app over one store; each has what a process has: issuer, feed and verifier."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

from flask_session_claims import TokenError, Verifier, VerifierSettings
from flask_session_claims.io.issuing import Issuing, Surroundings
from flask_session_claims.sessions.model import log_entry
from flask_session_claims.sessions.records import Commit
from flask_session_claims.sessions.settings import IssuingSettings
from flask_session_claims.stores.faults import StoreUnavailable
from flask_session_claims.stores.memory import MemoryStore
from flask_session_claims.testing import FrozenClock, LocalIssuer, shared_key

PEM = LocalIssuer(key=shared_key("ES256")).private_pem()
SECRET = "a secret of the app, long enough for everything"


class Watched:
    """A store whose calls are counted, and fail where the test says so."""

    def __init__(self, behind):
        self.behind = behind
        self.away: set[str] = set()
        #: Called with the name of each call before it is passed on.
        self.before = lambda call: None
        self.calls: list[str] = []
        #: Reads that are under way, and the most at a time.
        self.at_once = self.most = 0
        self._lock = threading.Lock()

    def load(self, kind, key):
        return self._pass(f"load {kind}", self.behind.load, kind, key)

    def find(self, *given):
        return self._pass("find", self.behind.find, *given)

    def due(self, *given):
        return self._pass("due", self.behind.due, *given)

    def count(self, kind):
        return self._pass("count", self.behind.count, kind)

    def commit(self, puts, deletes=(), log=()):
        return self._pass("commit", self.behind.commit, puts, deletes, log)

    def log_since(self, position):
        return self._pass("log", self.behind.log_since, position)

    def identity(self):
        return self._pass("identity", self.behind.identity)

    def close(self):
        self.behind.close()

    def _pass(self, call, act, *given):
        with self._lock:
            self.calls.append(call)
            self.at_once += call == "log"
            self.most = max(self.most, self.at_once)
        try:
            self.before(call)
            if call in self.away:
                raise StoreUnavailable("store-gone", "memory:")
            return act(*given)
        finally:
            with self._lock:
                self.at_once -= call == "log"

    @property
    def looks(self):
        return self.calls.count("log")

    @property
    def loads(self):
        return self.calls.count("load session")


class Worker:
    """One process; `settings` are an issuer's."""

    def __init__(self, behind=None, clock=None, **settings):
        self.clock = clock if clock is not None else FrozenClock()
        self.store = Watched(behind if behind is not None else MemoryStore())
        self.told = []
        given = {"store": self.store, "signing_key": PEM, "issuer_url": "https://app.example"}
        self.issuing = Issuing(
            IssuingSettings(**{**given, **settings}),
            VerifierSettings(issuer="self"),
            self._around(),
            clock=self.clock,
        )
        self.feed, self.freshness = self.issuing.feed, self.issuing.freshness
        self.run, self.flows = self.issuing.run, self.issuing.issuer.flows
        self._verifier = None

    def _around(self):
        async def atell(event, data):
            self.told.append(event)

        return Surroundings(
            secret_key=SECRET,
            fallbacks=None,
            folder=Path(),
            is_development=True,
            tell=lambda event, data: self.told.append(event),
            atell=atell,
            refresh_path=lambda: "/refresh",
        )

    def beside(self, **settings):
        """Another process over the same store."""
        return Worker(self.store.behind, self.clock, **settings)

    def sign_in(self, user_id="user_1", **given):
        return self.run(self.issuing.issuer.create(user_id, **given))

    def join(self, user_id, org_id, role="org:member", **given):
        """Make the user a member, and what is missing for that."""
        directory = self.issuing.directory
        if directory.get_user(user_id) is None:
            directory.create_user(user_id)
        if directory.get_organization(org_id) is None:
            directory.create_organization(org_id, org_id=org_id)
        return directory.add_member(org_id, user_id, role, **given)

    def answered(self, flow, asked):
        """What a flow gives that has asked this, by the store as it is."""
        while True:
            try:
                asked = flow.send(self.store.load(asked.kind, asked.key))
            except StopIteration as end:
                return end.value

    def merge(self, session_id, **patch):
        return self.run(self.flows.merge_claims(session_id, patch))

    def revoke(self, session_id):
        return self.run(self.flows.revoke(session_id))

    def tell(self, subject, key="", what="test", at=None):
        """An entry in the log, and nothing else."""
        now = self.clock() if at is None else at
        assert self.run(commit_log(log_entry(subject, key, what, now)))

    @property
    def verifier(self):
        if self._verifier is None:
            issuing = self.issuing
            self._verifier = Verifier(
                issuing.verifying(self.run(issuing.issuer.opened()) or "self"),
                clock=self.clock,
                keys=issuing.key_source,
                freshness=self.freshness,
                handlers=issuing.handlers,
            )
        return self._verifier

    def verify(self, token):
        return self.verifier.verify(token)

    def code_of(self, token):
        """Why a token is refused; None: it is not."""
        try:
            self.verify(token)
        except TokenError as error:
            return error.code
        return None

    def spent(self, act):
        """(looks at the log, sessions loaded) by `act`."""
        looks, loads = self.store.looks, self.store.loads
        act()
        return self.store.looks - looks, self.store.loads - loads


def commit_log(*entries):
    return (yield from Commit((), (), entries))


def crowd_of(worker, count, **entry):
    """That many entries about others in the log, without a commit each."""
    now = worker.clock()
    entries = [log_entry("session", f"sess_{number}", "claims", now) for number in range(count)]
    assert worker.store.behind.commit((), (), [replace(one, **entry) for one in entries])


def rolled_back(store, records, log, newest):
    """A memory store as it was: a backup that has been played back."""
    back = MemoryStore()
    back._store_id = store._store_id
    back._records, back._log, back._newest = dict(records), list(log), newest
    for key, record in records.items():
        for name, value in record.indexes:
            back._index.setdefault((record.kind, name, value), set()).add(key[1])
    return back


def backup(store):
    """What `rolled_back` plays back."""
    return dict(store._records), list(store._log), store._newest
