"""Every act on sessions while PostgreSQL or Redis fails, and once it no longer does.

All acts are begun at once, each on a session of its own, under each fault once. Each act ends in
time, in its declared error or in what is true; nobody is signed in or out by it; afterwards
everything is as it was, and what was acknowledged holds.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace

import pytest

pytest.importorskip("flask")
pytest.importorskip("quart")
pytest.importorskip("psycopg")
pytest.importorskip("sqlalchemy")
pytest.importorskip("redis")

from flask_session_claims import RefreshRefused
from flask_session_claims.core.flow import run
from flask_session_claims.sessions.lifecycle import SessionFlows
from flask_session_claims.sessions.limits import Limits
from flask_session_claims.sessions.model import SESSION
from flask_session_claims.sessions.records import record_handlers

from .acting_apps import MAX_AGE, SECRET, AsyncApp, SyncApp
from .server_faults import FAULTS, SERVERS, SLOW

pytestmark = [pytest.mark.needs_service, pytest.mark.slow]

#: Seconds that a machine with other things to do may add.
SLACK = 3.0
#: Answers of the server that an act waits for, one after the other, at most.
ANSWERS = 7
#: Seconds after which the server is healed even if an act waits for ever.
PATIENCE = 20.0
DAYS = 86_400.0

ACTS = (
    "create",
    "refresh",
    "renew",
    "verify",
    "verify_ended",
    "live",
    "live_ended",
    "merge_claims",
    "revoke",
    "revoke_all",
    "rotate",
    "prune",
    "list_for_user",
)
#: Those that are requests; `_ended`: with a cookie whose session another process has just ended.
PATHS = {
    "renew": "/me",
    "verify": "/me",
    "verify_ended": "/me",
    "live": "/live",
    "live_ended": "/live",
}


class Trial:
    """An app over a server that fails once, and another one that sees what is true."""

    def __init__(self, url, direct, twin):
        self.app = SyncApp(url) if twin == "sync" else AsyncApp(url)
        self.there = SyncApp(direct)
        self.store = self.app.issuing.store
        self.of = {act: self.there.act("create", act, claims={"plan": "pro"}) for act in ACTS}
        self.expired = self._expired()
        self.kids = self._kids()
        self.names = self.there.issuing.issuer.cookies
        warm = self.app.all({act: ("get", "/me", self.cookie(act)) for act in ACTS})
        assert {outcome.value.status for outcome in warm.values()} == {200}
        for act in ACTS:
            if act.endswith("_ended"):
                assert self.there.act("revoke", self.sid(act))

    def _expired(self):
        """Id of a session that ended two days ago."""
        flows = SessionFlows(Limits(), clock=lambda: time.time() - 2 * DAYS)
        handlers = record_handlers(self.there.issuing.store)
        created = run(flows.create("long_ago", lifetime=1.0), lambda ask: handlers[type(ask)](ask))
        return created.session.session_id

    def _kids(self):
        ring = self.there.issuing.run(self.there.issuing.keyring.ring())
        return {key.kid for key in ring.keys}

    def sid(self, act):
        return self.of[act].session.session_id

    def cookie(self, act):
        return f"{self.names.session}={self.of[act].session_token}"

    def fail(self, failing):
        calls = {
            "create": ("act", "create", "create"),
            "refresh": ("act", "refresh", self.of["refresh"].refresh_token),
            "merge_claims": ("act", "merge_claims", self.sid("merge_claims"), {"plan": "max"}),
            "revoke": ("act", "revoke", self.sid("revoke")),
            "revoke_all": ("act", "revoke_all", "revoke_all"),
            "rotate": ("rotate",),
            "prune": ("act", "prune"),
            "list_for_user": ("act", "list_for_user", "list_for_user"),
            **{act: ("get", path, self.cookie(act)) for act, path in PATHS.items()},
            "renew": ("get", "/me", f"{self.names.refresh}={self.of['renew'].refresh_token}"),
        }
        with ThreadPoolExecutor(1) as thread:
            with failing:
                time.sleep(MAX_AGE)
                acts = thread.submit(self.app.all, calls)
                wait((acts,), PATIENCE)
            self.outcomes = acts.result()
        time.sleep(MAX_AGE)  # a look at the log that failed is not repeated at once

    # --- what is true, once the server is back --------------------------------------------

    def again(self, *call):
        """An act of the app that has met the fault; it must end well now."""
        outcome = self.app.all({"again": call})["again"]
        assert outcome.done, outcome
        return outcome.value

    def is_live(self, act, refresh_token=None):
        """Whether it is, by all that can be asked; then its refresh token is a good one."""
        session = self.there.act("get", self.sid(act))
        answer = self.again("get", "/me", self.cookie(act))
        assert answer.status == (200 if session else 401)
        assert self.again("get", "/live", self.cookie(act)).status == answer.status
        token = refresh_token or self.of[act].refresh_token
        if session is None:
            with pytest.raises(RefreshRefused):
                self.again("act", "refresh", token)
            return False
        issued = self.again("act", "refresh", token)
        assert issued.session.session_id == self.sid(act)
        assert issued.claims["plan"] == session.claims["plan"]
        following = self.again("act", "refresh", issued.refresh_token)
        assert following.session.session_id == self.sid(act)
        return True

    def plan(self, act):
        session = self.there.act("get", self.sid(act))
        return session and session.claims["plan"]

    def is_pruned(self):
        return self.there.issuing.store.load(SESSION, self.expired) is None

    def count(self, user_id):
        return len(self.there.act("list_for_user", user_id))

    def new_kids(self):
        return len(self._kids() - self.kids)


#: What an act that changes something is to bring about: before and after it.
EFFECTS = {
    "create": (lambda trial: trial.count("create"), 1, 2),
    "merge_claims": (lambda trial: trial.plan("merge_claims"), "pro", "max"),
    "revoke": (lambda trial: trial.is_live("revoke"), True, False),
    "revoke_all": (lambda trial: trial.is_live("revoke_all"), True, False),
    "rotate": (lambda trial: trial.new_kids(), 0, 1),
    "prune": (lambda trial: trial.is_pruned(), False, True),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Starts each server once, when it is first asked for."""
    started = {}

    def place(name):
        if name not in started:
            started[name] = SERVERS[name](tmp_path_factory.mktemp(name))
        return started[name]

    yield place
    for server in started.values():
        server.close()


@pytest.fixture(scope="module")
def trial(request, place):
    server, fault = place(request.param[0]), FAULTS[request.param]
    with server.fresh(fault) as (url, direct):
        trial = Trial(url, direct, request.param[2])
        trial.fail(fault.begin(server, trial.store))
        trial.fault = fault
        yield trial
        trial.store.close()
        trial.there.issuing.store.close()


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("trial", FAULTS, ids="-".join, indirect=True)
def test_an_act_while_the_server_fails(trial, act):
    fault, outcome = trial.fault, trial.outcomes[act]
    answers = ANSWERS * SLOW if fault.unmindful is None else fault.timeout
    assert outcome.seconds < answers + SLACK
    assert outcome.done is (fault.unmindful is None or act in fault.unmindful), outcome
    if not outcome.done:
        says_what_is_wrong(outcome, fault, act)
    elif act in PATHS:
        is_the_right_answer(outcome.value, act)
    if act in EFFECTS:
        look, before, after = EFFECTS[act]
        held = {after} if outcome.done else {before}
        if outcome.error and outcome.error.code in fault.uncertain:
            held = {before, after}
        assert look(trial) in held
    if act.endswith("_ended") or act.startswith("revoke"):
        assert act in EFFECTS or not trial.is_live(act)
        return
    if act == "list_for_user" and outcome.done:
        assert [session.session_id for session in outcome.value] == [trial.sid(act)]
    if act == "create" and outcome.done:
        assert trial.again("act", "refresh", outcome.value.refresh_token).session.user_id == act
    answered = outcome.value.refresh_token if act == "refresh" and outcome.done else None
    assert trial.is_live(act, answered)
    if act != "merge_claims":
        assert trial.plan(act) == "pro"


def says_what_is_wrong(outcome, fault, act):
    if act in PATHS:
        answer = outcome.value
        assert int(answer.headers["Retry-After"]) >= 1
        assert "Set-Cookie" not in answer.headers
        assert answer.headers["Cache-Control"] == "no-store"
        return
    error = outcome.error
    assert error.code in fault.codes
    assert error.status == 503
    assert error.retry_after >= 1
    assert SECRET not in str(error)
    assert "127.0.0.1" not in str(error)


def is_the_right_answer(answer, act):
    if act.endswith("_ended"):
        assert answer.status == 401
        return
    assert (answer.status, answer.text) == (200, act)
    assert ("Set-Cookie" in answer.headers) is (act == "renew")


def test_processes_that_have_just_begun_wait_for_a_server_that_hangs_once(place):
    server = place("redis")
    fault = replace(FAULTS["redis", "hang", "sync"], timeout=3.0)
    with server.fresh(fault) as (url, direct):
        there = SyncApp(direct)
        issued = there.act("create", "create")
        cookie = f"{there.issuing.issuer.cookies.session}={issued.session_token}"
        apps = SyncApp(url), AsyncApp(url)
        calls = {path: ("get", path, cookie) for path in ("/me", "/live")}
        with fault.begin(server, None), ThreadPoolExecutor(2) as threads:
            found = list(threads.map(lambda app: list(app.all(calls).values()), apps))
        for app in (*apps, there):
            app.issuing.store.close()
    assert [[outcome.value.status for outcome in ends] for ends in found] == [[503, 503]] * 2
    assert max(outcome.seconds for ends in found for outcome in ends) < 1.75 * fault.timeout
