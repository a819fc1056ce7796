"""Inline refresh: a request that reads auth with an expired token is refreshed in place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from flask_session_claims.testing import FrozenClock

from ..drivers import Reply
from .drivers import MOUNT, SAME, Client, Driver
from .jar import Cookie, cookies_of
from .sites import (
    CROSS_SITE,
    FROM_APP,
    IDLE,
    TOKEN,
    Contract,
    FaultyStore,
    OpenApp,
    assert_given,
    assert_untouched,
    generation,
    payload,
)

PREFLIGHT = (("Origin", "https://app.example"), ("Access-Control-Request-Method", "POST"))


class Refresh(Contract):
    # --- when it is due -------------------------------------------------------------------

    @pytest.mark.parametrize("path", ["/me", "/peek", "/session"])
    def test_an_expired_token_is_replaced(self, late: Client, path: str) -> None:
        before = payload(late.jar.value("session"))
        reply = late.get(path)
        assert (reply.status, reply.json["user"]) == (200, "ann")
        assert_given(reply, "session", "refresh")
        assert {cookie.max_age for cookie in cookies_of(reply).values()} == {IDLE}
        assert generation(late) == 2
        after = payload(late.jar.value("session"))
        assert after["sid"] == before["sid"]
        assert after["exp"] - after["iat"] == TOKEN
        assert after["jti"] != before["jti"]

    def test_the_next_request_needs_no_other(self, late: Client) -> None:
        late.get("/peek")
        reply = late.get("/me")
        assert reply.json["user"] == "ann"
        assert_untouched(reply)

    def test_a_lost_token_is_replaced_too(self, client: Client) -> None:
        client.sign_in("ann")
        client.jar.drop("session")
        assert client.user() == "ann"
        assert client.jar.kinds() == {"session", "refresh"}

    def test_a_good_token_is_left_alone(self, client: Client) -> None:
        client.sign_in("ann")
        assert_untouched(client.get("/peek"))
        client.jar.drop("refresh")
        assert client.user() == "ann"

    def test_a_head_request_refreshes_like_its_get(self, late: Client) -> None:
        reply = late.send("/me", "HEAD")
        assert (reply.status, reply.body) == (200, b"")
        assert_given(reply, "session", "refresh")
        assert_untouched(late.get("/me"))

    def test_an_unsafe_request_of_this_site_refreshes(self, late: Client) -> None:
        for headers in (SAME, FROM_APP):
            late.jar.drop("session")
            reply = late.post("/peek", headers)
            assert reply.json["user"] == "ann"
            assert_given(reply, "session", "refresh")

    def test_a_response_of_the_app_s_that_could_be_cached_no_longer_is(self, late: Client) -> None:
        assert_given(late.get("/cached"), "session", "refresh")
        assert late.get("/cached").get("Cache-Control") == "public, max-age=60"

    def test_an_error_response_carries_it(self, late: Client) -> None:
        reply = late.post("/merge-fails", patch={"a": 1})
        assert reply.status == 500
        assert_given(reply, "session", "refresh")
        assert late.user() == "ann"

    def test_it_is_told_once_it_is_done(self, late: Client, driver: Driver, app: Any) -> None:
        with driver.signals(app) as signals:
            late.get("/peek")
            late.get("/peek")
        assert [name for name, _ in signals] == ["session_refreshed"]
        assert signals[0][1]["session"].user_id == "ann"

    def test_another_process_can_do_it(self, late: Client, open_app: OpenApp) -> None:
        elsewhere = late.to(open_app())
        assert_given(elsewhere.get("/peek"), "session", "refresh")
        assert_untouched(late.get("/me"))

    # --- when it is not -------------------------------------------------------------------

    @pytest.mark.parametrize(
        "act",
        [
            lambda c: c.post("/peek", CROSS_SITE),
            lambda c: c.post("/peek", ()),
            lambda c: c.post("/me", CROSS_SITE),
            lambda c: c.post("/sign-out", CROSS_SITE),
            lambda c: c.post("/merge?patch={}", CROSS_SITE),
        ],
    )
    def test_another_site_cannot_cause_it(
        self, late: Client, store: FaultyStore, act: Callable[[Client], Reply]
    ) -> None:
        store.calls.clear()
        reply = act(late)
        assert reply.status in (200, 403, 405)
        if reply.status == 200:
            assert (reply.json["user"], reply.json["reason"]) == (None, "request-origin-refused")
        assert_untouched(reply)
        assert "commit" not in store.calls
        assert generation(late) == 1
        assert late.user() == "ann"

    @pytest.mark.parametrize("path", ["/peek", "/me"])
    def test_a_preflight_does_not(self, late: Client, store: FaultyStore, path: str) -> None:
        store.calls.clear()
        reply = late.send(path, "OPTIONS", PREFLIGHT)
        if reply.get("Content-Type") == "application/json" and reply.status == 200:
            assert reply.json["user"] is None
        assert_untouched(reply)
        assert "commit" not in store.calls

    def test_a_header_decides_alone(self, late: Client, store: FaultyStore) -> None:
        expired = late.jar.value("session")
        store.calls.clear()
        for token, reason in ((expired, "token-expired"), ("nonsense", "token-invalid")):
            reply = late.send("/peek", headers=(("Authorization", f"Bearer {token}"),))
            assert (reply.json["user"], reply.json["reason"]) == (None, reason)
            assert_untouched(reply)
        assert "commit" not in store.calls

    def test_where_only_headers_speak_no_cookie_refreshes(
        self, open_app: OpenApp, late: Client, store: FaultyStore
    ) -> None:
        other = late.to(open_app(TOKEN_SOURCES=["header"]))
        store.calls.clear()
        for _ in range(2):
            reply = other.get("/peek")
            assert reply.json["user"] is None
            assert_untouched(reply)
            late.jar.drop("session")
        assert "commit" not in store.calls

    def test_endpoint_mode_does_not(
        self, open_app: OpenApp, driver: Driver, clock: FrozenClock
    ) -> None:
        client = driver.client(open_app(REFRESH_MODE="endpoint"))
        client.sign_in()
        refresh = client.jar.find("refresh")
        assert refresh is not None
        client.jar.put(refresh._replace(attributes={"path": "/"}))
        clock.advance(TOKEN + 10)
        reply = client.get("/peek")
        assert (reply.json["user"], reply.json["reason"]) == (None, "token-expired")
        assert_untouched(reply)

    def test_a_view_that_never_reads_auth_refreshes_nobody(
        self, late: Client, driver: Driver, store: FaultyStore
    ) -> None:
        store.calls.clear()
        reply = late.get("/still")
        if "commit" in store.calls:
            # What has been rotated is sent, and nobody stores it.
            assert driver.settles_first
            assert_given(reply, "session", "refresh")
        else:
            assert_untouched(reply)
            assert reply.get("Cache-Control") is None
        assert late.user() == "ann"

    def test_once_the_headers_are_sent_nothing_is_rotated(
        self, late: Client, driver: Driver, store: FaultyStore
    ) -> None:
        store.calls.clear()
        reply = late.get("/stream")
        if driver.settles_first:
            assert reply.json["user"] == "ann"
            assert_given(reply, "session", "refresh")
        else:
            assert (reply.json["user"], reply.json["reason"]) == (None, "token-expired")
            assert_untouched(reply)
            assert "commit" not in store.calls
        assert late.user() == "ann"

    @pytest.mark.parametrize("value", ["nonsense", "", "a.b.c", "{sid}.1.x.y", "{sid}.99.{s}.{t}"])
    def test_a_token_that_was_never_issued_changes_nothing(
        self, late: Client, driver: Driver, app: Any, value: str
    ) -> None:
        session_id, _, secret, tag = late.jar.value("refresh").split(".")
        other = late.twin()
        refresh = other.jar.find("refresh")
        assert refresh is not None
        forged = value.format(sid=session_id, s=secret, t=tag)
        other.jar.put(refresh._replace(value=forged))
        with driver.signals(app) as signals:
            assert other.user() is None
        assert {name for name, _ in signals} <= {"token_rejected"}
        assert late.user() == "ann"

    def test_whatever_the_cookies_hold_is_no_error(self, late: Client, store: FaultyStore) -> None:
        session, refresh = late.jar.find("session"), late.jar.find("refresh")
        assert session is not None
        assert refresh is not None
        sid, _, *secrets = refresh.value.split(".")
        numbers = ("01", "+1", "-1", "0", "1_0", "1e1", "9" * 4000, "\u0661", " 1", "")
        hostile = [".".join((sid, number, *secrets)) for number in numbers]
        hostile += ["", "....", sid, f"{refresh.value}.x", refresh.value.upper(), "x" * 9000]
        hostile += ["sess_../../x.1.a.b", f"sess_{'a' * 32}.1.{'b' * 43}.{'c' * 22}", "\xff\xfe"]
        sender = late.twin()
        store.calls.clear()
        for value in hostile:
            raw = value.encode().decode("latin-1")
            for cookie in (f"{refresh.name}={raw}", f"{session.name}={raw}"):
                fields = (*SAME, ("Cookie", cookie))
                read = sender.send("/peek", headers=fields, cookies=False)
                assert (read.status, read.json["user"]) == (200, None)
                asked = sender.send(f"{MOUNT}/session/refresh", "POST", fields, cookies=False)
                assert asked.status == 401
        assert "commit" not in store.calls
        assert late.user() == "ann"

    def test_under_the_policy_public_only_gates_look(
        self, late: Client, open_app: OpenApp, store: FaultyStore
    ) -> None:
        other = late.to(open_app(DEFAULT_POLICY="public"))
        store.calls.clear()
        reply = other.get("/peek")
        assert reply.json["user"] is None
        assert_untouched(reply)
        assert "commit" not in store.calls
        assert_given(other.get("/me"), "session", "refresh")

    def test_under_the_policy_required_every_view_refreshes(
        self, late: Client, open_app: OpenApp
    ) -> None:
        other = late.to(open_app(DEFAULT_POLICY="required"))
        assert_given(other.get("/still"), "session", "refresh")
        assert other.get("/still").json == {"still": True}
        late.jar.drop("session")
        late.jar.drop("refresh")
        assert other.get("/still").status == 401

    def test_two_refresh_cookies_are_none(self, late: Client) -> None:
        """As when a neighbour has tossed one in."""
        both = f"{late.jar.header('/')}; {cookie_text(late, 'refresh', 'x')}"
        reply = late.send("/peek", headers=(("Cookie", both),), cookies=False)
        assert reply.json["user"] is None
        assert_untouched(reply)
        assert late.user() == "ann"


def cookie_text(client: Client, kind: str, value: str) -> str:
    cookie: Cookie | None = client.jar.find(kind)
    assert cookie is not None
    return f"{cookie.name}={value}"
