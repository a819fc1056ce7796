"""When sessions end by themselves: idle, at last, or to make room."""

from __future__ import annotations

from typing import Any

import pytest

from flask_session_claims.testing import FrozenClock

from .drivers import MOUNT, Client, Driver
from .jar import cookies_of
from .sites import TOKEN, Contract, OpenApp, assert_cleared, payload

HOUR = 3600


class Ends(Contract):
    @pytest.fixture
    def brief_app(self, open_app: OpenApp) -> Any:
        return open_app(IDLE_LIFETIME=HOUR, ABSOLUTE_LIFETIME=3 * HOUR)

    @pytest.fixture
    def guest(self, driver: Driver, brief_app: Any) -> Client:
        return driver.client(brief_app)

    def test_an_idle_session_ends(
        self, guest: Client, driver: Driver, brief_app: Any, clock: FrozenClock
    ) -> None:
        guest.sign_in()
        kept = guest.twin()
        kept.jar = guest.jar.copy()
        for kind in ("session", "refresh"):  # a browser whose clock is wrong keeps them
            cookie = guest.jar.find(kind)
            assert cookie is not None
            kept.jar.put(cookie)
        clock.advance(HOUR - 1)
        assert len(driver.sessions(brief_app).list_for_user("user_1")) == 1
        clock.advance(2)
        assert guest.jar.kinds() == set()
        assert guest.user() is None
        reply = kept.get("/peek")
        assert (reply.json["user"], reply.json["reason"]) == (None, "session-revoked")
        assert_cleared(reply)
        assert driver.sessions(brief_app).list_for_user("user_1") == ()

    def test_using_it_moves_the_idle_end_but_not_the_last(
        self, guest: Client, clock: FrozenClock
    ) -> None:
        guest.sign_in()
        for left in (HOUR, HOUR, HOUR // 2):
            clock.advance(HOUR - 600)
            reply = guest.get("/peek")
            assert reply.json["user"] == "user_1"
            assert {cookie.max_age for cookie in cookies_of(reply).values()} == {left}
        clock.advance(HOUR // 2 + 1)
        assert guest.user() is None

    def test_a_token_never_outlives_the_session(self, guest: Client, clock: FrozenClock) -> None:
        guest.sign_in(lifetime=400)
        clock.advance(350)
        assert guest.user() == "user_1"
        said = payload(guest.jar.value("session"))
        assert said["exp"] == said["iat"] + 50
        merged = guest.post("/merge", patch={"a": 1})
        assert merged.json["auth"]["claims"]["exp"] == said["exp"]
        clock.advance(60)
        assert guest.user() is None

    def test_a_session_s_own_life_may_be_shorter_or_longer(
        self, guest: Client, driver: Driver, brief_app: Any, clock: FrozenClock
    ) -> None:
        reply = guest.post("/sign-in", lifetime=60)
        assert reply.json["created"]["absolute_end"] == clock() + 60
        reply = guest.post("/sign-in", lifetime=30 * HOUR)
        assert reply.json["created"]["absolute_end"] == clock() + 30 * HOUR
        assert reply.json["created"]["expires_at"] == clock() + HOUR

    def test_the_next_process_start_changes_no_end(
        self, guest: Client, open_app: OpenApp, clock: FrozenClock
    ) -> None:
        guest.sign_in()
        clock.advance(TOKEN + 10)
        restarted = guest.to(open_app(IDLE_LIFETIME=HOUR, ABSOLUTE_LIFETIME=3 * HOUR))
        assert restarted.user() == "user_1"
        clock.advance(HOUR + 1)
        assert restarted.user() is None

    # --- the cap --------------------------------------------------------------------------

    def test_one_session_more_ends_the_one_used_least_recently(
        self, open_app: OpenApp, driver: Driver, clock: FrozenClock
    ) -> None:
        app = open_app(MAX_SESSIONS_PER_USER=2)
        first, second, third, other = [driver.client(app) for _ in range(4)]
        for device in (first, second):
            device.sign_in("ann")
            clock.advance(10)
        other.sign_in("ben")
        first.post(f"{MOUNT}/session/refresh")
        clock.advance(10)
        third.sign_in("ann")
        users = [device.user() for device in (first, second, third, other)]
        assert users == ["ann", None, "ann", "ben"]

    def test_a_session_that_makes_room_is_told_with_its_reason(
        self, open_app: OpenApp, driver: Driver
    ) -> None:
        app = open_app(MAX_SESSIONS_PER_USER=1)
        first = driver.client(app).sign_in("ann")
        with driver.signals(app) as signals:
            driver.client(app).sign_in("ann")
        told = [data for name, data in signals if name == "session_revoked"]
        assert [(data["session_id"], data["reason"]) for data in told] == [(first, "cap")]

    def test_a_session_that_is_replaced_is_told_with_its_reason(
        self, client: Client, driver: Driver, app: Any
    ) -> None:
        first = client.sign_in("ann")
        with driver.signals(app) as signals:
            client.sign_in("ann")
        told = [data for name, data in signals if name == "session_revoked"]
        assert [(data["session_id"], data["reason"]) for data in told] == [(first, "replaced")]

    def test_a_replaced_session_takes_no_place(self, open_app: OpenApp, driver: Driver) -> None:
        app = open_app(MAX_SESSIONS_PER_USER=2)
        phone, client = driver.client(app), driver.client(app)
        phone.sign_in("ann")
        client.sign_in("ann")
        client.sign_in("ann")
        with driver.signals(app) as signals:
            client.sign_in("ann")
        assert phone.user() == "ann"
        told = [data["reason"] for name, data in signals if name == "session_revoked"]
        assert told == ["replaced"]

    def test_many_sign_ins_at_once_leave_no_more_than_the_cap(
        self, open_app: OpenApp, driver: Driver
    ) -> None:
        app = open_app(MAX_SESSIONS_PER_USER=3)
        clients = [driver.client(app) for _ in range(12)]
        same = (("Sec-Fetch-Site", "same-origin"),)
        asks = [client.ask("/sign-in?user=ann", "POST", same) for client in clients]
        replies = driver.play(app, asks)
        assert {reply.status for reply in replies} == {200}
        for client, reply in zip(clients, replies, strict=True):
            client.absorb(reply)
        assert len(driver.sessions(app).list_for_user("ann")) == 3
        assert sum(client.user() == "ann" for client in clients) == 3
