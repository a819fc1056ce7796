"""Refresh at its own address, in both modes; the refresh cookie that only goes there."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from flask_session_claims.testing import FrozenClock

from .drivers import MOUNT, SAME, Client, Driver, Signalled
from .jar import cookies_of
from .sites import (
    CROSS_SITE,
    FROM_APP,
    GRACE,
    IDLE,
    TOKEN,
    Contract,
    FaultyStore,
    OpenApp,
    assert_cleared,
    assert_given,
    assert_untouched,
    payload,
)

REFRESH = f"{MOUNT}/session/refresh"


def acts_in(signals: list[Signalled]) -> list[str]:
    """Names, without what the reading of auth tells besides where it is settled first."""
    return [name for name, _ in signals if name != "token_rejected"]


class RefreshEndpoint(Contract):
    @pytest.fixture(params=["inline", "endpoint"])
    def mode(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    @pytest.fixture
    def its_app(self, open_app: OpenApp, mode: str) -> Any:
        return open_app(REFRESH_MODE=mode)

    @pytest.fixture
    def visitor(self, driver: Driver, its_app: Any) -> Client:
        return driver.client(its_app)

    @pytest.fixture
    def late_visitor(self, visitor: Client, clock: FrozenClock) -> Client:
        visitor.sign_in("ann")
        clock.advance(TOKEN + 10)
        return visitor

    def test_the_refresh_cookie_goes_there_alone_in_endpoint_mode(
        self, visitor: Client, mode: str
    ) -> None:
        cookies = cookies_of(visitor.post("/sign-in"))
        assert cookies["session"].name.startswith("__Host-session_")
        assert cookies["session"].path == "/"
        refresh = cookies["refresh"]
        assert refresh.max_age == IDLE
        if mode == "inline":
            assert (refresh.name[:15], refresh.path) == ("__Host-refresh_", "/")
            assert refresh.flags == {"secure", "httponly", "samesite=lax"}
        else:
            assert (refresh.name[:17], refresh.path) == ("__Secure-refresh_", REFRESH)
            assert refresh.flags == {"secure", "httponly", "samesite=strict"}
            assert "refresh_" not in (visitor.jar.header("/me") or "")
        assert "refresh_" in (visitor.jar.header(REFRESH) or "")

    @pytest.mark.parametrize("headers", [SAME, FROM_APP])
    def test_it_gives_the_next_tokens(self, late_visitor: Client, headers: Any) -> None:
        before = payload(late_visitor.jar.value("session"))
        reply = late_visitor.post(REFRESH, headers)
        assert (reply.status, reply.json) == (200, {})
        assert_given(reply, "session", "refresh")
        after = payload(late_visitor.jar.value("session"))
        assert after["sid"] == before["sid"]
        assert after["iat"] > before["iat"]
        assert late_visitor.user() == "ann"

    def test_it_does_so_ahead_of_time_and_without_the_session_cookie(self, visitor: Client) -> None:
        visitor.sign_in("ann")
        assert visitor.post(REFRESH).status == 200
        visitor.jar.drop("session")
        assert visitor.post(REFRESH).status == 200
        assert visitor.user() == "ann"

    def test_it_works_without_any_grace(
        self, driver: Driver, store: FaultyStore, mode: str
    ) -> None:
        """One request presents its refresh token once; time goes on while it is handled."""
        ticks = itertools.count()
        hours = [0]

        def clock() -> float:
            return 1_800_000_000.0 + next(ticks) * 0.001 + hours[0] * 3600

        settings = {"ISSUER": "self", "STORE": store, "REFRESH_GRACE": 0}
        client = driver.client(driver.build({**settings, "REFRESH_MODE": mode}, clock))
        client.sign_in("ann")
        for _ in range(2):
            hours[0] += 1
            assert client.post(REFRESH).status == 200
            assert client.user() == "ann"

    def test_the_cookie_keeps_its_place_when_it_is_replaced(self, late_visitor: Client) -> None:
        given = late_visitor.jar.find("refresh")
        replaced = cookies_of(late_visitor.post(REFRESH))["refresh"]
        assert given is not None
        assert (replaced.name, replaced.path, replaced.flags) == (
            given.name, given.path, given.flags,
        )  # fmt: skip

    def test_parallel_scripts_are_given_the_same_successor(
        self, late_visitor: Client, driver: Driver, its_app: Any
    ) -> None:
        with driver.signals(its_app) as signals:
            replies = late_visitor.together(
                [late_visitor.ask(REFRESH, "POST", SAME) for _ in range(6)]
            )
        assert {reply.status for reply in replies} == {200}
        assert len({cookies_of(reply)["refresh"].value for reply in replies}) == 1
        assert acts_in(signals) == ["session_refreshed"]

    def test_without_a_token_it_is_401(self, visitor: Client) -> None:
        reply = visitor.post(REFRESH)
        assert (reply.status, reply.code) == (401, "session-token-missing")
        assert reply.get("WWW-Authenticate") == "Bearer"
        assert {cookie.value for cookie in cookies_of(reply).values()} <= {""}

    @pytest.mark.parametrize("value", ["nonsense", "{id}.1.x.y", "{id}.7.{secret}.{tag}"])
    def test_there_a_bad_token_is_401_and_ends_nothing(
        self, late_visitor: Client, driver: Driver, its_app: Any, value: str
    ) -> None:
        session_id, _, secret, tag = late_visitor.jar.value("refresh").split(".")
        other = late_visitor.twin()
        cookie = other.jar.find("refresh")
        assert cookie is not None
        forged = value.format(id=session_id, secret=secret, tag=tag)
        other.jar.put(cookie._replace(value=forged))
        reply = other.post(REFRESH)
        assert (reply.status, reply.code) == (401, "session-token-invalid")
        assert "invalid_token" in (reply.get("WWW-Authenticate") or "")
        assert driver.sessions(its_app).get(session_id) is not None
        assert late_visitor.post(REFRESH).status == 200

    def test_there_a_used_token_after_the_grace_ends_the_session(
        self, late_visitor: Client, driver: Driver, its_app: Any, clock: FrozenClock
    ) -> None:
        thief = late_visitor.twin()
        late_visitor.post(REFRESH)
        clock.advance(GRACE + 1)
        with driver.signals(its_app) as signals:
            reply = thief.post(REFRESH)
        assert (reply.status, reply.code) == (401, "session-token-invalid")
        assert_cleared(reply)
        assert acts_in(signals) == ["refresh_token_reused", "session_revoked"]
        assert driver.sessions(its_app).list_for_user("ann") == ()
        assert late_visitor.user() is None

    @pytest.mark.parametrize("headers", [CROSS_SITE, ()])
    def test_another_site_cannot_cause_it_there(
        self, late_visitor: Client, store: FaultyStore, headers: Any
    ) -> None:
        store.calls.clear()
        reply = late_visitor.post(REFRESH, headers)
        assert (reply.status, reply.code) == (403, "request-origin-refused")
        assert_untouched(reply)
        assert "commit" not in store.calls
        assert late_visitor.post(REFRESH).status == 200

    def test_a_header_client_there_that_has_nothing_yet_is_told_so(
        self, late_visitor: Client, driver: Driver, its_app: Any
    ) -> None:
        asking = (*CROSS_SITE, ("st-auth-mode", "header"), ("rid", "session"))
        reply = driver.client(its_app).post(REFRESH, asking)
        assert (reply.status, reply.code) == (401, "session-token-missing")
        assert_untouched(reply)
        reply = late_visitor.post(REFRESH, asking)  # whose cookie must not speak for it
        assert (reply.status, reply.code) == (403, "request-origin-refused")
        assert_untouched(reply)

    @pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
    def test_it_takes_post_alone(
        self, late_visitor: Client, driver: Driver, store: FaultyStore, method: str
    ) -> None:
        store.calls.clear()
        reply = late_visitor.send(REFRESH, method, SAME)
        assert reply.status == 405
        if "commit" in store.calls:  # refreshed inline, before the address was looked at
            assert driver.settles_first
            assert_given(reply, "session", "refresh")
        else:
            assert_untouched(reply)
        assert late_visitor.post(REFRESH).status == 200

    def test_what_it_says_is_stored_nowhere(self, late_visitor: Client) -> None:
        for headers in (SAME, CROSS_SITE, SAME):
            reply = late_visitor.post(REFRESH, headers)
            assert reply.get("Cache-Control") == "no-store"
            late_visitor.jar.drop("refresh")

    @pytest.mark.parametrize("policy", ["public", "optional", "required"])
    def test_no_policy_stands_before_it(
        self, open_app: OpenApp, visitor: Client, clock: FrozenClock, mode: str, policy: str
    ) -> None:
        visitor.sign_in("ann")
        other = visitor.to(open_app(REFRESH_MODE=mode, DEFAULT_POLICY=policy))
        clock.advance(TOKEN + 10)
        assert other.post(REFRESH).status == 200
        assert other.get("/me").json["user"] == "ann"
        assert other.post(f"{MOUNT}/signout").status == 200
        assert other.get("/.well-known/jwks.json").status == 200

    def test_a_process_that_is_older_than_the_store_refreshes_at_the_endpoint(
        self, open_app: OpenApp, driver: Driver, clock: FrozenClock, mode: str
    ) -> None:
        """It began when nothing was in the store; nobody has asked it anything since."""
        older = open_app(REFRESH_MODE=mode)
        client = driver.client(open_app(REFRESH_MODE=mode))
        client.sign_in("ann")
        clock.advance(TOKEN + 10)
        reply = client.to(older).post(REFRESH)
        assert reply.status == 200
        assert_given(reply, "session", "refresh")

    @pytest.mark.parametrize("path", ["/sign-out", f"{MOUNT}/signout", "/peek", "/me"])
    def test_such_a_process_knows_the_signed_in_elsewhere_too(
        self, open_app: OpenApp, driver: Driver, mode: str, path: str
    ) -> None:
        older, newer = open_app(REFRESH_MODE=mode), open_app(REFRESH_MODE=mode)
        client = driver.client(newer)
        client.sign_in("ann")
        if "out" in path:
            assert_cleared(client.to(older).post(path))
            assert driver.sessions(newer).list_for_user("ann") == ()
        else:
            assert client.to(older).get(path).json["user"] == "ann"
