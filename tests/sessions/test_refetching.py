"""Claims that functions of the app give: what is fetched when, and how a session comes by it."""

from __future__ import annotations

import asyncio
import base64
import json

import pytest

from flask_session_claims import Auth, UnavailableError, VerifierSettings
from flask_session_claims.core.flow import play
from flask_session_claims.core.gate import ALLOW, SIGNED_IN, due, judge, make_requirement
from flask_session_claims.core.request import Exchange
from flask_session_claims.core.settings import GateSettings
from flask_session_claims.core.validators import BooleanClaim, Claim, ListClaim
from flask_session_claims.io.reading import AsyncReading, Reading
from flask_session_claims.io.transports import Wsgi
from flask_session_claims.sessions.claims import NO_CLAIMS
from flask_session_claims.sessions.consult import Consult, Tell
from flask_session_claims.sessions.fetching import fetched_for, refetch
from flask_session_claims.sessions.session import Session

from .workers import Worker

NOW = 1_700_000_000.0
MS = int(NOW * 1000)


def never(user_id, session):
    raise AssertionError("a script answers for it")


MAIL = BooleanClaim("mail", never, max_age=60)
TEAMS = ListClaim("teams", never)
PLAN = Claim("plan", never)


def session_with(claims):
    return Session("sess_1", "user_1", claims, NO_CLAIMS, NOW, NOW, NOW + 9, NOW + 9, True,
                   None, None, None)  # fmt: skip


# --- what is fetched ----------------------------------------------------------------------


def test_the_patch_is_what_the_functions_give():
    replies = [(Consult, True), (Consult, ["a"])]
    patch = play(refetch([MAIL, TEAMS], "user_1", None, NOW), replies)
    assert patch == {"mail": {"v": True, "t": MS}, "teams": {"v": ["a"], "t": MS}}


def test_a_function_is_given_the_user_and_the_session():
    session = session_with({})
    for given in (None, session):
        flow = refetch([MAIL], "user_1", given, NOW)
        ask = next(flow)
        assert ask == Consult(never, ("user_1", given))
        with pytest.raises(StopIteration):
            flow.send(True)


@pytest.mark.parametrize(
    ("kept", "patch"), [({}, {}), ({"mail": {"v": True, "t": MS}}, {"mail": None})]
)
def test_none_leaves_a_claim_out_and_takes_an_old_one_away(kept, patch):
    assert play(refetch([MAIL], "user_1", session_with(kept), NOW), [(Consult, None)]) == patch
    assert play(refetch([MAIL], "user_1", None, NOW), [(Consult, None)]) == {}


BAD = [
    (LookupError("secret"), "LookupError"),
    (UnavailableError("secret"), "UnavailableError"),
    ("secret", "ConfigurationError"),
    (1, "ConfigurationError"),
    ({"secret"}, "ConfigurationError"),
]


@pytest.mark.parametrize(("said", "reason"), BAD)
def test_what_fails_is_told_of_and_the_rest_is_fetched(said, reason):
    told = []
    flow = refetch([MAIL, TEAMS], "user_1", session_with({}), NOW)
    next(flow)
    ask = flow.throw(said) if isinstance(said, Exception) else flow.send(said)
    told.append(ask)
    assert flow.send(None) == Consult(never, ("user_1", session_with({})))
    with pytest.raises(StopIteration) as end:
        flow.send(["a"])
    assert end.value.value == {"teams": {"v": ["a"], "t": MS}}
    (ask,) = told
    assert isinstance(ask, Tell)
    assert (ask.event, ask.data["claims"], ask.data["reason"]) == (
        "claim_fetch_failed", ("mail",), reason,
    )  # fmt: skip
    assert ask.data["session"].session_id == "sess_1"
    assert "secret" not in repr(ask)


@pytest.mark.parametrize("value", [object(), {"a": {1}}, float("nan"), 2**65, "\ud800", {1: 2}])
def test_what_no_token_can_carry_has_failed(value):
    script = [(Consult, value), (Tell, None)]
    assert play(refetch([PLAN], "user_1", None, NOW), script) == {}


@pytest.mark.parametrize(
    ("kept", "fetched"),
    [
        (None, ["mail", "teams"]),
        ({}, ["mail", "teams"]),
        ({"mail": {"v": True, "t": MS}}, ["teams"]),
        ({"mail": {"v": True, "t": MS - 60_000}, "teams": {"v": [], "t": 0}}, []),
        ({"mail": {"v": True, "t": MS - 60_001}, "teams": {"v": [], "t": 0}}, ["mail"]),
        ({"mail": "yes", "teams": {"v": "a", "t": MS}}, ["mail", "teams"]),
    ],
)
def test_at_sign_in_and_refresh_what_is_missing_or_too_old_is_fetched(kept, fetched):
    session = None if kept is None else session_with(kept)
    values = {"mail": False, "teams": ["b"]}
    script = [(Consult, values[key]) for key in fetched]
    patch = play(fetched_for([MAIL, TEAMS], "user_1", session, NOW), script)
    assert patch == {key: {"v": values[key], "t": MS} for key in fetched}


# --- at a gate ----------------------------------------------------------------------------


class Source:
    """Where the app has its values; counts the looks."""

    def __init__(self):
        self.says = True
        self.asked = []

    def __call__(self, user_id, session):
        self.asked.append((user_id, session.session_id if session else None))
        if isinstance(self.says, Exception):
            raise self.says
        return self.says() if callable(self.says) else self.says


class Gate:
    """One process of an app that wants the claim `mail` to be true, and a signed-in browser."""

    def __init__(self, is_async, **claims):
        self.is_async = is_async
        self.source = Source()
        self.mail = BooleanClaim("mail", self.source, max_age=60)
        self.worker = Worker()
        self.rejected = []
        self.told = []
        self.issued = self.worker.sign_in(claims=claims)
        self.token = self.issued.session_token
        kind = AsyncReading if is_async else Reading
        self.side = kind(
            GateSettings(),
            VerifierSettings(issuer="self", origins=("https://app.example",)),
            Wsgi(),
            clock=self.worker.clock,
            rejected=self._arejected if is_async else self._rejected,
            issuing=self.worker.issuing,
        )
        self.side.validators = (self.mail.is_true(),)
        metrics = self.worker.issuing.metrics
        metrics.add(self._note)

    def _note(self, measured):
        if measured.name.endswith("failed"):
            self.told.append(measured.name)

    def _rejected(self, reason, source):
        self.rejected.append((reason, source))

    async def _arejected(self, reason, source):
        self._rejected(reason, source)

    @property
    def session_id(self):
        return self.issued.session.session_id

    def ask(self, *requirements, token=None):
        """The exchange and the decisions of one request."""
        self.exchange = exchange = self.begin(token or self.token)
        found = []
        for requirement in requirements or (SIGNED_IN,):
            if self.is_async:
                asyncio.run(self._prepare(exchange, requirement))
            found.append(judge(exchange, requirement))
        effects = exchange.effects
        if effects is not None and effects.cookies:
            (cookie,) = effects.cookies.values()
            self.token = cookie.partition("=")[2].partition(";")[0]
        return found if len(found) > 1 else found[0]

    def begin(self, token):
        name = self.worker.issuing.issuer.cookies.session
        environ = {"REQUEST_METHOD": "GET", "wsgi.url_scheme": "https", "PATH_INFO": "/",
                   "HTTP_COOKIE": f"{name}={token}"}  # fmt: skip
        return Exchange(environ, self.side)

    async def _prepare(self, exchange, requirement):
        if exchange.settled is None:
            await self.side.settle(exchange)
        missing = due(exchange, requirement)
        if missing:
            await self.side.arefetch(exchange, missing)

    def kept(self):
        """The claim in the store, and in the browser's token."""
        session = self.worker.run(self.worker.flows.get(self.session_id))
        body = self.token.split(".")[1]
        said = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        return session.claims.get("mail"), said.get("mail")

    def built(self, value, age=0):
        return self.mail.build(value, self.worker.clock() - age)["mail"]


@pytest.fixture(params=["sync", "async"])
def gate(request):
    return Gate(request.param == "async")


def test_what_is_missing_is_fetched_and_the_response_brings_it(gate):
    assert gate.ask() == ALLOW
    assert gate.source.asked == [("user_1", gate.session_id)]
    assert gate.kept() == (gate.built(True), gate.built(True))
    assert gate.exchange.settled.session_claims["mail"]["v"] is True
    assert gate.ask() == ALLOW  # with the new token
    assert len(gate.source.asked) == 1
    assert gate.exchange.effects is None


def test_what_is_too_old_is_fetched_again(gate):
    gate.ask()
    gate.worker.clock.advance(60)
    assert gate.ask() == ALLOW
    assert len(gate.source.asked) == 1
    gate.worker.clock.advance(1)
    gate.source.says = False
    decision = gate.ask()
    assert [failure.reason["message"] for failure in decision.failures] == ["wrong value"]
    assert gate.kept() == (gate.built(False), gate.built(False))


def test_a_wrong_value_is_not_fetched_again_before_its_time(gate):
    gate.source.says = False
    for _ in range(3):
        assert gate.ask().code == "claim-validation-failed"
    assert len(gate.source.asked) == 1


def test_none_takes_an_old_value_away(gate):
    gate.ask()
    gate.worker.clock.advance(61)
    gate.source.says = None
    decision = gate.ask()
    assert [failure.reason["message"] for failure in decision.failures] == ["value does not exist"]
    assert gate.kept() == (None, None)


def test_an_async_function_is_waited_for(gate):
    async def later():
        await asyncio.sleep(0)
        return True

    gate.source.says = later
    assert gate.ask() == ALLOW
    assert gate.kept() == (gate.built(True), gate.built(True))


@pytest.mark.parametrize("says", [LookupError("secret"), "secret", 1, UnavailableError("secret")])
def test_where_the_fetch_fails_nothing_changes_and_nobody_is_let_in(gate, says):
    gate.source.says = says
    decision = gate.ask()
    assert [failure.reason["message"] for failure in decision.failures] == ["value does not exist"]
    assert gate.kept() == (None, None)
    assert gate.exchange.effects is None
    assert gate.told == ["session_claims.claim_fetch.failed"]
    gate.source.says = True
    assert gate.ask() == ALLOW  # the next request tries again


def test_where_the_fetch_fails_what_was_there_stays_and_has_expired(gate):
    gate.ask()
    gate.worker.clock.advance(61)
    gate.source.says = LookupError("secret")
    decision = gate.ask()
    assert [dict(failure.reason) for failure in decision.failures] == [
        {"message": "expired", "ageInSeconds": 61, "maxAgeInSeconds": 60}
    ]
    assert gate.kept() == (gate.built(True, 61), gate.built(True, 61))


def test_in_one_request_nothing_is_fetched_twice(gate):
    gate.source.says = None
    first, second = gate.ask(SIGNED_IN, SIGNED_IN)
    assert first.code == second.code == "claim-validation-failed"
    assert len(gate.source.asked) == 1


def test_a_second_gate_fetches_what_it_wants_besides(gate):
    other = Source()
    other.says = "pro"
    plan = Claim("plan", other)
    needs = make_requirement(validators=[plan.has_value("pro")])
    assert gate.ask(SIGNED_IN, needs, needs) == [ALLOW] * 3
    assert (len(gate.source.asked), len(other.asked)) == (1, 1)
    assert gate.exchange.settled.session_claims["plan"]["v"] == "pro"
    assert gate.ask(needs) == ALLOW
    assert len(other.asked) == 1


def test_several_are_fetched_with_one_change_of_the_session(gate):
    other = Source()
    other.says = ["a"]
    teams = ListClaim("teams", other)
    gate.worker.store.calls.clear()
    needs = make_requirement(validators=[teams.includes("a"), teams.excludes("b", id="not-b")])
    assert gate.ask(needs) == ALLOW
    assert (len(gate.source.asked), len(other.asked)) == (1, 1)
    assert gate.worker.store.calls.count("commit") == 1


def test_what_another_request_has_fetched_is_taken_over(gate):
    """Two tabs with the same outdated token ask the app once."""
    stale = gate.token
    assert gate.ask() == ALLOW
    gate.worker.clock.advance(1)
    assert gate.ask(token=stale) == ALLOW
    assert len(gate.source.asked) == 1
    assert gate.exchange.settled.session_claims["mail"] == gate.built(True, 1)


def test_the_other_claims_stay(gate):
    gate.worker.merge(gate.session_id, plan="pro")
    gate.worker.clock.advance(1)
    assert gate.ask() == ALLOW
    claims = gate.exchange.settled.session_claims
    assert (claims["plan"], claims["mail"]["v"]) == ("pro", True)


def test_a_session_that_has_ended_elsewhere_is_ended_here(gate):
    gate.ask()
    gate.worker.beside().revoke(gate.session_id)
    gate.worker.clock.advance(0)
    gate.side.validators = (Claim("plan", gate.source).has_value(True),)
    decision = gate.ask()
    assert (decision.act, decision.code) == ("challenge", "session-token-invalid")
    assert gate.exchange.settled.reason == "session-revoked"
    assert gate.rejected == [("session-revoked", "cookie")]
    assert len(gate.source.asked) == 1


@pytest.mark.parametrize("call", ["load session", "commit"])
def test_without_the_store_it_cannot_be_told(gate, call):
    gate.ask()
    gate.worker.clock.advance(61)
    gate.worker.beside()
    gate.worker.store.away = {call}
    decision = gate.ask()
    assert decision.act == "unavailable"
    assert isinstance(gate.exchange.settled, UnavailableError)
    gate.worker.store.away = set()
    assert gate.ask() == ALLOW


def test_what_does_not_fit_is_told_of_and_lets_nobody_in(gate):
    big = Claim("big", lambda user_id, session: "x" * 5000)
    gate.side.validators = (big.has_value("x"),)
    decision = gate.ask()
    assert [failure.reason["message"] for failure in decision.failures] == ["value does not exist"]
    assert gate.told == ["session_claims.claim_fetch.failed"]
    assert isinstance(gate.exchange.settled, Auth)
    assert gate.exchange.settled.is_authenticated
