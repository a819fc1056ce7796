"""Acting for a user: who may, what it looks like meanwhile, how it ends."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from flask_session_claims.core.auth import Auth
from flask_session_claims.testing import FrozenClock

from ..drivers import Reply
from .contract_fdi import BY_HEADER, TOKENS, assert_by_header, bearer
from .contract_people import NO_IDS, NOBODYS, act, assert_wrong
from .drivers import MOUNT, Client, Driver
from .jar import cookies_of
from .people import Functions
from .sites import CROSS_SITE, Contract, OpenApp, assert_cleared, assert_given, assert_untouched

WHY = "a ticket of theirs"


class May:
    """A hook that says what it is told to, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Auth, str]] = []
        self.says: Any = True

    def __call__(self, auth: Auth, user_id: str) -> Any:
        self.asked.append((auth, user_id))
        if isinstance(self.says, BaseException):
            raise self.says
        return self.says

    async def later(self, auth: Auth, user_id: str) -> Any:
        return self(auth, user_id)


def begin(client: Client, user_id: Any = "ben", **more: Any) -> Reply:
    return act(client, "impersonate", **{"user_id": user_id, "reason": WHY, **more})


def stop(client: Client, **more: Any) -> Reply:
    return act(client, "stop_impersonating", **more)


class Impersonation(Contract):
    @pytest.fixture
    def may(self) -> May:
        return May()

    @pytest.fixture(params=["sync", "async"])
    def office(self, request: pytest.FixtureRequest, open_app: OpenApp, may: May) -> Any:
        hook = may if request.param == "sync" else may.later
        return open_app(functions=Functions(may_impersonate=hook))

    @pytest.fixture
    def actor(self, driver: Driver, office: Any) -> Client:
        return driver.client(office)

    @pytest.fixture
    def own(self, actor: Client) -> str:
        """The id of the actor's own session."""
        return actor.sign_in("amy", claims={"team": "support"})

    # --- it begins --------------------------------------------------------------------------

    def test_who_may_is_the_user_at_once_and_the_token_says_who_acts(
        self, actor: Client, own: str, may: May, driver: Driver, office: Any
    ) -> None:
        with driver.signals(office) as signals:
            reply = begin(actor)
        assert reply.status == 200, reply
        assert_given(reply, "session", "refresh")
        assert reply.json["returned"] == reply.json["auth"]
        claims = reply.json["auth"]["claims"]
        assert (claims["sub"], claims["act"]["sub"], claims["act"]["sid"]) == ("ben", "amy", own)
        assert "fva" not in claims
        assert "team" not in claims
        assert [cookie.max_age for cookie in cookies_of(reply).values()] == [None, None]
        (auth, user_id) = may.asked[0]
        assert (auth.user_id, auth.session_id, user_id) == ("amy", own, "ben")
        told = dict(signals)
        assert list(told) == ["session_created", "impersonation_started"]
        started = told["impersonation_started"]
        assert (started["actor"].session_id, started["reason"]) == (own, WHY)
        assert started["session"] == told["session_created"]["session"]
        assert started["session"].user_id == "ben"
        assert actor.user() == "ben"
        assert driver.sessions(office).get(own) is not None

    @pytest.mark.parametrize("says", [False, None, 1, "yes", [True]])
    def test_only_true_allows_it(self, actor: Client, own: str, may: May, says: Any) -> None:
        may.says = says
        self.assert_refused(actor, own, begin(actor))

    def test_where_nobody_is_asked_nobody_may(self, client: Client) -> None:
        own = client.sign_in("amy")
        self.assert_refused(client, own, begin(client))

    def test_a_hook_that_fails_lets_nobody_act(
        self, actor: Client, own: str, may: May, driver: Driver, office: Any
    ) -> None:
        may.says = RuntimeError("the hook's own mistake")
        reply = begin(actor)
        assert reply.status == 500
        assert_untouched(reply)
        assert actor.get("/me").json["session"] == own
        assert driver.sessions(office).list_for_user("ben") == ()

    def test_nobody_acts_for_themselves(self, actor: Client, own: str) -> None:
        self.assert_refused(actor, own, begin(actor, "amy"))

    def assert_refused(self, client: Client, own: str, reply: Reply) -> None:
        assert (reply.status, reply.code) == (403, "impersonation-refused")
        assert "act for" in reply.json["message"]
        assert_untouched(reply)
        assert client.get("/me").json["session"] == own

    def test_nobody_acts_for_two(self, actor: Client, own: str, may: May) -> None:
        begin(actor)
        reply = begin(actor, "cid")
        assert (reply.status, reply.code) == (403, "actor-refused")
        assert_untouched(reply)
        assert (actor.user(), len(may.asked)) == ("ben", 1)

    def test_who_is_signed_out_acts_for_nobody(self, actor: Client, may: May) -> None:
        reply = begin(actor)
        assert (reply.status, reply.json["error"], may.asked) == (409, "session-missing", [])
        assert_untouched(reply)

    @pytest.mark.parametrize("user_id", NO_IDS)
    def test_what_is_no_user_id_is_the_developers_mistake(
        self, actor: Client, own: str, may: May, user_id: Any
    ) -> None:
        assert_wrong(begin(actor, user_id), "user_id")
        assert may.asked == []

    @pytest.mark.parametrize("user_id", NOBODYS)
    def test_what_can_be_nobodys_id_is_refused(
        self, actor: Client, own: str, may: May, user_id: str
    ) -> None:
        reply = begin(actor, user_id)
        assert (reply.status, reply.code) == (403, "impersonation-refused")
        assert_untouched(reply)
        assert may.asked == []

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            *(("reason", wrong) for wrong in ("", "   ", "x" * 513, "\ud800", 5, None, ["why"])),
            *(
                ("minutes", wrong)
                for wrong in (0, 0.5, 61, -1, 10**400, "5", True, None, float("nan"))
            ),
        ],
    )
    def test_reason_and_minutes_must_make_sense(
        self, actor: Client, own: str, may: May, name: str, value: Any
    ) -> None:
        assert_wrong(begin(actor, **{name: value}), name)
        assert (may.asked, actor.user()) == ([], "amy")

    def test_another_site_cannot_have_one_act(self, actor: Client, own: str, may: May) -> None:
        keywords = {"user_id": "ben", "reason": WHY}
        reply = act(actor, "impersonate", headers=CROSS_SITE, **keywords)
        assert (reply.status, may.asked) == (409, [])
        assert_untouched(reply)
        assert actor.get("/me").json["session"] == own

    def test_an_error_status_takes_it_back(
        self, actor: Client, own: str, driver: Driver, office: Any
    ) -> None:
        reply = begin(actor, status=500)
        assert (reply.status, reply.json["auth"]["user"]) == (500, "ben")
        assert_untouched(reply)
        assert driver.sessions(office).list_for_user("ben") == ()
        assert actor.get("/me").json["session"] == own

    @pytest.mark.parametrize("status", [400, 500])
    def test_stopping_holds_whatever_the_status(
        self, actor: Client, own: str, driver: Driver, office: Any, status: int
    ) -> None:
        begin(actor)
        reply = act(actor, "stop_impersonating", status=status)
        assert reply.status == status
        assert_given(reply, "session", "refresh")
        assert actor.get("/me").json["session"] == own
        assert driver.sessions(office).list_for_user("ben") == ()

    def test_the_reason_is_one_line_of_the_log(
        self, actor: Client, own: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.INFO, "flask_session_claims"):
            assert begin(actor, reason="a ticket\nuser amy is root\x1b[2J").status == 200
        text = caplog.text
        assert "a ticket" in text
        assert "\nuser amy is root" not in text
        assert "\x1b" not in text

    def test_a_script_that_keeps_its_tokens_gets_them_in_headers_and_back(
        self, actor: Client, own: str
    ) -> None:
        given = actor.post("/sign-in", BY_HEADER, user="amy")
        for kind in ("session", "refresh"):
            actor.jar.drop(kind)
        reply = begin(actor, headers=bearer(given.get("st-access-token")))
        assert_by_header(reply, *TOKENS)
        assert reply.json["auth"]["user"] == "ben"
        reply = stop(actor, headers=bearer(reply.get("st-access-token")))
        assert_by_header(reply, *TOKENS)
        assert reply.json["auth"]["user"] == "amy"

    # --- meanwhile --------------------------------------------------------------------------

    def test_what_only_the_user_may_do_is_refused(self, actor: Client, own: str) -> None:
        assert actor.get("/own").status == 200
        begin(actor)
        reply = actor.get("/own")
        assert (reply.status, reply.code) == (403, "actor-refused")
        assert actor.get("/me").status == 200
        reply = act(actor, "mark_verified", first=True)
        assert (reply.status, reply.code) == (403, "actor-refused")
        assert_untouched(reply)

    def test_it_is_refreshed_like_any_session(
        self, actor: Client, own: str, clock: FrozenClock
    ) -> None:
        begin(actor)
        clock.advance(310)
        reply = actor.get("/me")
        assert_given(reply, "session", "refresh")
        assert reply.json["claims"]["act"]["sid"] == own

    # --- it ends ----------------------------------------------------------------------------

    def test_stopping_brings_ones_own_session_back(
        self, actor: Client, own: str, driver: Driver, office: Any, clock: FrozenClock
    ) -> None:
        acting = begin(actor).json["auth"]["session"]
        stolen = actor.twin()
        with driver.signals(office) as signals:
            reply = stop(actor)
        assert reply.status == 200, reply
        assert_given(reply, "session", "refresh")
        auth = reply.json["auth"]
        assert (auth["user"], auth["session"]) == ("amy", own)
        assert auth["claims"]["team"] == "support"
        assert "act" not in auth["claims"]
        assert reply.json["returned"] == auth
        told = dict(signals)
        assert list(told) == ["session_revoked", "impersonation_stopped"]
        stopped = told["impersonation_stopped"]
        assert (stopped["session_id"], stopped["user_id"]) == (acting, "ben")
        assert (stopped["actor"]["sub"], stopped["actor"]["sid"]) == ("amy", own)
        assert stolen.user() is None
        clock.advance(310)
        reply = actor.get("/me")
        assert (reply.json["session"], actor.jar.kinds()) == (own, {"session", "refresh"})
        assert actor.get("/own").status == 200

    def test_who_acts_for_nobody_has_nothing_to_stop(self, actor: Client) -> None:
        reply = stop(actor)
        assert (reply.status, reply.json["error"]) == (409, "session-missing")
        actor.sign_in("amy")
        reply = stop(actor)
        assert (reply.status, reply.json["error"]) == (409, "not-impersonating")
        assert_untouched(reply)

    def test_another_site_cannot_stop_it(self, actor: Client, own: str) -> None:
        begin(actor)
        reply = act(actor, "stop_impersonating", headers=CROSS_SITE)
        assert reply.status == 409
        assert_untouched(reply)
        assert actor.user() == "ben"

    def test_it_ends_after_its_minutes(
        self, actor: Client, own: str, clock: FrozenClock, driver: Driver, office: Any
    ) -> None:
        begin(actor, minutes=5)
        clock.advance(299)
        assert actor.user() == "ben"
        clock.advance(10)
        assert actor.get("/me").status == 401
        assert actor.post(f"{MOUNT}/session/refresh").status == 401
        assert driver.sessions(office).get(own) is not None

    def test_it_ends_with_the_session_of_who_acts(
        self, actor: Client, own: str, driver: Driver, office: Any
    ) -> None:
        begin(actor)
        assert driver.sessions(office).revoke(own)
        reply = actor.get("/me")
        assert (reply.status, reply.code) == (401, "session-token-invalid")
        assert actor.post(f"{MOUNT}/session/refresh").status == 401

    def test_signing_out_ends_both(
        self, actor: Client, own: str, driver: Driver, office: Any
    ) -> None:
        acting = begin(actor).json["auth"]["session"]
        with driver.signals(office) as signals:
            reply = actor.post("/sign-out")
        assert reply.json == {"ended": True}
        assert_cleared(reply)
        ended = [data["session_id"] for name, data in signals if name == "session_revoked"]
        assert sorted(ended) == sorted([acting, own])
        sessions = driver.sessions(office)
        assert (sessions.get(acting), sessions.get(own)) == (None, None)
        assert actor.user() is None
