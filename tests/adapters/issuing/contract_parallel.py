"""Many users at once on one app: nobody ever sees another's cookie or claims."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flask_session_claims.stores.sqlite import SqliteStore
from flask_session_claims.testing import FrozenClock

from ..drivers import Ask, Reply
from .drivers import MOUNT, SAME, Client, Driver, target
from .jar import cookies_of
from .sites import TOKEN, Contract, OpenApp, custom, payload

USERS, AT_ONCE, ROUNDS = 20, 64, 4
REFRESH = f"{MOUNT}/session/refresh"


class Everybody:
    """Users with a browser each, and what their tokens may say."""

    def __init__(self, driver: Driver, app: Any) -> None:
        self.driver, self.app = driver, app
        self.clients = {f"user_{n}": driver.client(app) for n in range(USERS)}
        for user, client in self.clients.items():
            client.sign_in(user, claims={"is": user})

    def ask(self, user: str, signs_in: bool, rng: random.Random) -> Ask:
        client = self.clients[user]
        if signs_in:
            return client.ask(target("/sign-in", user=user, claims={"is": user}), "POST", SAME)
        merge = target("/merge", patch={f"n{rng.randrange(5)}": rng.random()})
        path = rng.choice(["/peek", "/me", "/cached", REFRESH, merge])
        return client.ask(path, "POST" if path in (REFRESH, merge) else "GET", SAME)

    def check(self, user: str, reply: Reply) -> None:
        """Whatever the reply carries is this user's own."""
        sessions = self.driver.sessions(self.app)
        for kind, cookie in cookies_of(reply).items():
            assert cookie.value
            session_id = cookie.value.split(".")[0]
            if kind == "session":
                said = payload(cookie.value)
                assert (said["sub"], said["is"]) == (user, user)
                session_id = said["sid"]
            session = sessions.get(session_id)
            assert session is not None
            assert session.user_id == user
        if reply.json == {}:
            return  # the refresh endpoint's
        auth = reply.json.get("auth", reply.json)
        assert (auth["user"], auth["claims"]["sub"], auth["claims"]["is"]) == (user,) * 3


class Parallel(Contract):
    @pytest.fixture(params=["memory", "sqlite"])
    def busy_app(
        self, request: pytest.FixtureRequest, open_app: OpenApp, tmp_path: Path
    ) -> Iterator[Any]:
        if request.param == "memory":
            yield open_app()
            return
        file = SqliteStore(tmp_path / "sessions.db")
        yield open_app(STORE=file)
        file.close()

    def test_nobody_sees_anything_of_another(
        self, busy_app: Any, driver: Driver, clock: FrozenClock
    ) -> None:
        everybody = Everybody(driver, busy_app)
        rng = random.Random(7)
        for _ in range(ROUNDS):
            clock.advance(TOKEN + 10)
            new = {f"user_{number}" for number in rng.sample(range(USERS), 5)}
            others = sorted(set(everybody.clients) - new)
            users = [*new, *rng.choices(others, k=AT_ONCE - len(new))]
            rng.shuffle(users)
            asks = [everybody.ask(user, user in new, rng) for user in users]
            for user, reply in zip(users, driver.play(busy_app, asks), strict=True):
                assert reply.status == 200, reply
                everybody.check(user, reply)
                everybody.clients[user].absorb(reply)
            for user, client in everybody.clients.items():
                reply = client.get("/me")
                assert reply.json["user"] == user
                everybody.check(user, reply)

    def test_parallel_changes_of_one_session_lose_nothing(
        self, client: Client, driver: Driver, app: Any
    ) -> None:
        client.sign_in("ann")
        asks = [
            client.ask(target("/merge", patch={f"n{number}": number}), "POST", SAME)
            for number in range(16)
        ]
        replies = driver.play(app, asks)
        assert {reply.status for reply in replies} == {200}
        for number, reply in enumerate(replies):
            assert reply.json["auth"]["claims"][f"n{number}"] == number
        expected = {f"n{number}": number for number in range(16)}
        assert custom(client.get("/me").json["claims"]) == expected

    def test_parallel_changes_while_it_is_refreshed_lose_nothing(
        self, client: Client, driver: Driver, app: Any, clock: FrozenClock
    ) -> None:
        client.sign_in("ann")
        clock.advance(TOKEN + 10)
        asks = [
            client.ask(target("/merge", patch={f"n{number}": number}), "POST", SAME)
            for number in range(12)
        ]
        replies = client.together(asks)
        assert {reply.status for reply in replies} == {200}
        assert len({cookies_of(reply)["refresh"].value for reply in replies}) == 1
        expected = {f"n{number}": number for number in range(12)}
        assert custom(client.get("/me").json["claims"]) == expected

    def test_what_is_revoked_meanwhile_stays_revoked(
        self, client: Client, driver: Driver, app: Any, clock: FrozenClock
    ) -> None:
        for _ in range(5):
            client.sign_in("ann")
            clock.advance(TOKEN + 10)
            asks = [client.ask("/peek") for _ in range(6)]
            asks.insert(3, client.ask("/sign-out", "POST", SAME))
            for reply in driver.play(app, asks):
                assert reply.status == 200
            assert driver.sessions(app).list_for_user("ann") == ()
            assert client.user() is None

    def test_the_first_requests_of_all_make_one_issuer(
        self, open_app: OpenApp, driver: Driver
    ) -> None:
        """Nothing is in the store, and everybody comes at once, to two processes."""
        apps = [open_app(), open_app()]
        clients = [driver.client(apps[number % 2]) for number in range(12)]
        for which in (0, 1):
            mine = clients[which::2]
            asks = [
                client.ask(target("/sign-in", user=f"user_{number}"), "POST", SAME)
                for number, client in enumerate(mine)
            ]
            for client, reply in zip(mine, driver.play(apps[which], asks), strict=True):
                assert reply.status == 200
                client.absorb(reply)
        issuers = {payload(client.jar.value("session"))["iss"] for client in clients}
        assert len(issuers) == 1
        for client in clients:
            for app in apps:
                assert client.to(app).user() is not None
