"""Refreshes that meet: at the same time, out of order, with a thief's, with a sign-in's."""

from __future__ import annotations

from typing import Any

import pytest

from flask_session_claims.testing import FrozenClock

from .drivers import SAME, Client, Driver
from .jar import cookies_of
from .sites import GRACE, TOKEN, Contract, assert_cleared, generation, payload


class Meetings(Contract):
    # --- at the same time -----------------------------------------------------------------

    @pytest.mark.parametrize("tabs", [2, 8])
    def test_parallel_requests_are_given_the_same_successor(
        self, late: Client, driver: Driver, app: Any, tabs: int
    ) -> None:
        with driver.signals(app) as signals:
            replies = late.together([late.ask("/me") for _ in range(tabs)])
        assert [reply.json["user"] for reply in replies] == ["ann"] * tabs
        assert len({cookies_of(reply)["refresh"].value for reply in replies}) == 1
        assert [name for name, _ in signals] == ["session_refreshed"]
        assert generation(late) == 2
        assert late.user() == "ann"

    def test_the_answers_may_come_in_any_order_and_get_lost(
        self, late: Client, clock: FrozenClock
    ) -> None:
        slow, lost = late.twin(), late.twin()
        first = late.get("/me")
        clock.advance(GRACE)
        assert lost.user() == "ann"
        second = slow.get("/me")
        assert cookies_of(first)["refresh"].value == cookies_of(second)["refresh"].value
        late.absorb(second)
        late.absorb(first)
        clock.advance(TOKEN + 10)
        assert late.user() == "ann"

    # --- theft ----------------------------------------------------------------------------

    def test_a_used_token_after_the_grace_ends_the_session(
        self, late: Client, driver: Driver, app: Any, clock: FrozenClock
    ) -> None:
        thief = late.twin()
        assert late.user() == "ann"
        session_id = payload(late.jar.value("session"))["sid"]
        clock.advance(GRACE + 1)
        with driver.signals(app) as signals:
            reply = thief.get("/peek")
        assert (reply.json["user"], reply.json["reason"]) == (None, "session-revoked")
        assert_cleared(reply)
        assert thief.jar.kinds() == set()
        assert [name for name, _ in signals] == [
            "refresh_token_reused", "session_revoked", "token_rejected",
        ]  # fmt: skip
        assert signals[0][1] == {"session_id": session_id, "user_id": "ann"}
        assert signals[1][1]["reason"] == "reuse"
        assert late.user() is None
        assert driver.sessions(app).list_for_user("ann") == ()

    def test_a_thief_who_follows_one_behind_is_found(
        self, late: Client, clock: FrozenClock
    ) -> None:
        thief = late.twin()
        for _ in range(2):
            late.get("/peek")
            clock.advance(TOKEN + GRACE + 1)
            if thief.user() is None:
                break
        assert (late.user(), thief.user()) == (None, None)

    def test_a_gate_refuses_and_clears(self, late: Client, clock: FrozenClock) -> None:
        thief = late.twin()
        late.get("/peek")
        clock.advance(GRACE + 1)
        reply = thief.get("/me")
        assert (reply.status, reply.code) == (401, "session-token-invalid")
        assert_cleared(reply)

    # --- crossed and stale ----------------------------------------------------------------

    def test_tokens_of_two_sessions_refresh_neither_and_end_neither(
        self, client: Client, driver: Driver, app: Any, clock: FrozenClock
    ) -> None:
        other = driver.client(app)
        ann, ben = client.sign_in("ann"), other.sign_in("ben")
        mixed = client.twin()
        theirs = other.jar.find("refresh")
        assert theirs is not None
        mixed.jar.put(theirs)
        assert mixed.user() == "ann"
        clock.advance(TOKEN + 10)
        reply = mixed.get("/peek")
        assert (reply.json["user"], reply.json["reason"]) == (None, "token-expired")
        assert cookies_of(reply) == {}
        endpoint = mixed.post("/auth/session/refresh")
        assert endpoint.status == 401
        assert cookies_of(endpoint) == {}
        sessions = driver.sessions(app)
        assert sessions.get(ann) is not None
        assert sessions.get(ben) is not None
        assert (client.user(), other.user()) == ("ann", "ben")

    def test_a_refresh_that_a_sign_in_has_overtaken_signs_nobody_in(
        self, late: Client, driver: Driver, app: Any
    ) -> None:
        """A request that left with the old tokens arrives after the sign-in."""
        behind = late.twin()
        late.sign_in("ben")
        assert behind.user() is None
        assert driver.sessions(app).list_for_user("ann") == ()
        assert late.user() == "ben"

    def test_a_refresh_and_a_sign_in_at_the_same_time_leave_one_session(
        self, late: Client, driver: Driver, app: Any
    ) -> None:
        asks = [late.ask("/peek"), late.ask("/sign-in?user=ben", "POST", SAME)] * 2
        replies = driver.play(app, asks)
        assert {reply.status for reply in replies} == {200}
        for reply in replies[::2]:
            assert reply.json["user"] in ("ann", None)
        assert driver.sessions(app).list_for_user("ann") == ()
        late.absorb(replies[1])
        assert late.user() in ("ben", None)  # None: the other sign-in has replaced it

    def test_the_session_cookie_of_before_a_refresh_still_speaks_until_it_ends(
        self, client: Client, clock: FrozenClock
    ) -> None:
        client.sign_in("ann")
        older = client.twin()
        client.jar.drop("session")
        client.get("/peek")
        older.jar.drop("refresh")
        assert older.user() == "ann"
        clock.advance(TOKEN + 10)
        assert older.user() is None
