"""The app's own code: its hook for provided claims, and its receivers of signals."""

from __future__ import annotations

from typing import Any

import pytest

from flask_session_claims.sessions.model import Session
from flask_session_claims.testing import FrozenClock

from .drivers import MOUNT, Client, Driver, Provide
from .sites import TOKEN, Contract, OpenApp, assert_given, assert_untouched, custom


class Hook:
    """A hook that says what it is told to, and remembers what it was given."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Session | None]] = []
        self.says: Any = {"plan": "free"}

    def __call__(self, user_id: str, session: Session | None) -> Any:
        self.asked.append((user_id, session))
        if isinstance(self.says, BaseException):
            raise self.says
        return self.says

    def as_async(self) -> Provide:
        async def provide(user_id: str, session: Session | None) -> Any:
            return self(user_id, session)

        return provide


class Hooks(Contract):
    @pytest.fixture
    def hook(self) -> Hook:
        return Hook()

    @pytest.fixture(params=["sync", "async"])
    def hooked(self, request: pytest.FixtureRequest, open_app: OpenApp, hook: Hook) -> Any:
        return open_app(provide=hook if request.param == "sync" else hook.as_async())

    @pytest.fixture
    def caller(self, driver: Driver, hooked: Any) -> Client:
        return driver.client(hooked)

    def test_it_is_asked_at_sign_in_and_at_every_refresh(
        self, caller: Client, hook: Hook, clock: FrozenClock
    ) -> None:
        session_id = caller.sign_in("ann", claims={"own": 1})
        assert hook.asked == [("ann", None)]
        assert custom(caller.get("/me").json["claims"]) == {"plan": "free", "own": 1}
        hook.says = {"plan": "pro", "seats": 3}
        assert custom(caller.get("/me").json["claims"]) == {"plan": "free", "own": 1}
        assert len(hook.asked) == 1
        clock.advance(TOKEN + 10)
        expected = {"plan": "pro", "seats": 3, "own": 1}
        assert custom(caller.get("/me").json["claims"]) == expected
        (_, session) = hook.asked[1]
        assert session is not None
        assert (session.session_id, session.user_id) == (session_id, "ann")
        assert caller.post(f"{MOUNT}/session/refresh").status == 200
        assert len(hook.asked) == 3

    def test_what_the_session_says_itself_wins(self, caller: Client) -> None:
        caller.sign_in(claims={"plan": "own"})
        assert custom(caller.get("/me").json["claims"]) == {"plan": "own"}
        caller.post("/merge", patch={"plan": None})
        assert custom(caller.get("/me").json["claims"]) == {}

    def test_none_keeps_what_it_gave_before(
        self, caller: Client, hook: Hook, clock: FrozenClock
    ) -> None:
        caller.sign_in()
        hook.says = None
        clock.advance(TOKEN + 10)
        assert custom(caller.get("/me").json["claims"]) == {"plan": "free"}
        hook.says = {}
        clock.advance(TOKEN + 10)
        assert custom(caller.get("/me").json["claims"]) == {}

    def test_sessions_made_from_anywhere_ask_it_too(
        self, hooked: Any, driver: Driver, hook: Hook
    ) -> None:
        issued = driver.sessions(hooked).create("ann")
        assert issued.claims["plan"] == "free"
        hook.says = {"plan": "pro"}
        assert issued.refresh_token is not None
        assert driver.sessions(hooked).refresh(issued.refresh_token).claims["plan"] == "pro"

    def test_in_the_grace_it_is_not_asked_again(
        self, caller: Client, hook: Hook, clock: FrozenClock
    ) -> None:
        caller.sign_in()
        behind = caller.twin()
        clock.advance(TOKEN + 10)
        caller.get("/me")
        hook.says = {"plan": "pro"}
        assert custom(behind.get("/me").json["claims"]) == {"plan": "free"}
        assert len(hook.asked) == 2

    @pytest.mark.parametrize("says", [RuntimeError("the hook's own mistake"), {"sub": "x"}, [1]])
    def test_where_it_fails_at_sign_in_nobody_is_signed_in(
        self, caller: Client, hook: Hook, driver: Driver, hooked: Any, says: Any
    ) -> None:
        first = caller.sign_in("ann")
        hook.says = says
        reply = caller.post("/sign-in", user="ben")
        assert reply.status in (400, 500)
        assert_untouched(reply)
        assert driver.sessions(hooked).list_for_user("ben") == ()
        assert caller.get("/me").json["session"] == first

    @pytest.mark.parametrize("says", [RuntimeError("the hook's own mistake"), {"sub": "x"}, [1]])
    @pytest.mark.parametrize("path", ["/me", f"{MOUNT}/session/refresh"])
    def test_where_it_fails_at_a_refresh_nothing_is_rotated_or_lost(
        self, caller: Client, hook: Hook, clock: FrozenClock, says: Any, path: str
    ) -> None:
        caller.sign_in("ann")
        clock.advance(TOKEN + 10)
        hook.says = says
        refresh = caller.jar.value("refresh")
        reply = caller.get(path) if path == "/me" else caller.post(path)
        assert reply.status in (400, 500)
        assert_untouched(reply)
        clock.advance(3600)
        hook.says = {"plan": "pro"}
        reply = caller.get("/me")
        assert (reply.json["user"], reply.json["claims"]["plan"]) == ("ann", "pro")
        assert caller.jar.value("refresh") != refresh

    def test_what_does_not_fit_is_left_out_and_told(
        self, caller: Client, hook: Hook, driver: Driver, hooked: Any, clock: FrozenClock
    ) -> None:
        caller.sign_in("ann", claims={"own": 1})
        clock.advance(TOKEN + 10)
        hook.says = {"plan": "pro", "big": "x" * 1300}
        with driver.signals(hooked) as signals:
            reply = caller.get("/me")
        assert_given(reply, "session", "refresh")
        assert custom(reply.json["claims"]) == {"plan": "free", "own": 1}
        told = [data for name, data in signals if name == "claims_oversize"]
        assert len(told) == 1
        assert "big" in told[0]["names"]
        assert told[0]["session"].user_id == "ann"

    def test_what_it_says_of_one_user_is_no_other_s(self, caller: Client, hook: Hook) -> None:
        hook.says = {"plan": "ann's"}
        caller.sign_in("ann")
        other = caller.twin()
        other.jar.drop("session")
        other.jar.drop("refresh")
        hook.says = {"plan": "ben's"}
        other.sign_in("ben")
        assert caller.get("/me").json["claims"]["plan"] == "ann's"
        assert other.get("/me").json["claims"]["plan"] == "ben's"

    # --- signals --------------------------------------------------------------------------

    def test_they_come_once_the_act_is_done(
        self, client: Client, driver: Driver, app: Any, clock: FrozenClock
    ) -> None:
        """A receiver that looks into the store finds it there."""
        found: list[tuple[str, Any]] = []
        sessions = driver.sessions(app)

        def look(name: str, data: dict[str, Any]) -> None:
            if name in ("session_created", "session_refreshed"):
                session = data["session"]
                found.append((name, sessions.get(session.session_id) == session))
            elif name == "session_revoked":
                found.append((name, sessions.get(data["session_id"]) is None))
            elif name == "claims_refreshed":
                stored = sessions.get(data["auth"].session_id)
                found.append((name, stored is not None and stored.claims == {"a": 1}))

        with driver.signals(app, look):
            client.sign_in("ann")
            client.post("/merge", patch={"a": 1})
            clock.advance(TOKEN + 10)
            client.get("/me")
            client.sign_in("ann")
            client.post("/sign-out")
        assert found == [
            ("session_created", True),
            ("claims_refreshed", True),
            ("session_refreshed", True),
            ("session_revoked", True),
            ("session_created", True),
            ("session_revoked", True),
        ]

    def test_a_receiver_that_fails_undoes_nothing(
        self, client: Client, driver: Driver, app: Any, clock: FrozenClock
    ) -> None:
        def fail(name: str, data: dict[str, Any]) -> None:
            raise LookupError("the receiver's own mistake")

        with driver.signals(app, fail) as signals:
            session_id = client.sign_in("ann")
            assert client.post("/merge", patch={"a": 1}).status == 200
            clock.advance(TOKEN + 10)
            assert client.get("/me").json["session"] == session_id
            assert client.post("/sign-out").json == {"ended": True}
        assert [name for name, _ in signals] == [
            "session_created", "claims_refreshed", "session_refreshed", "session_revoked",
        ]  # fmt: skip
        assert client.user() is None

    def test_another_app_s_receivers_hear_nothing(
        self, client: Client, driver: Driver, open_app: OpenApp
    ) -> None:
        with driver.signals(open_app()) as signals:
            client.sign_in()
            client.post("/sign-out")
        assert signals == []

    def test_no_signal_holds_a_token(
        self, client: Client, driver: Driver, app: Any, clock: FrozenClock
    ) -> None:
        with driver.signals(app) as signals:
            client.sign_in("ann")
            tokens = [client.jar.value("session"), client.jar.value("refresh")]
            clock.advance(TOKEN + 10)
            client.post("/merge", patch={"a": 1})
            tokens += [client.jar.value("session"), client.jar.value("refresh")]
            client.post("/sign-out")
        said = repr(signals)
        for token in tokens:
            assert token.rpartition(".")[2] not in said
