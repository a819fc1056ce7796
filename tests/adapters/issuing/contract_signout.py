"""Signing out, and sessions ended from elsewhere."""

from __future__ import annotations

from typing import Any

import pytest

from flask_session_claims.testing import FrozenClock

from .drivers import MOUNT, SAME, Client, Driver
from .jar import cookies_of
from .sites import (
    CROSS_SITE,
    IDLE,
    TOKEN,
    Contract,
    OpenApp,
    assert_cleared,
    assert_untouched,
)

SIGN_OUT = f"{MOUNT}/signout"
FORM = (*SAME, ("Sec-Fetch-Mode", "navigate"))
OLD_FORM = (("Origin", "https://app.example"), ("Accept", "text/html,*/*;q=0.8"))


class SignOut(Contract):
    @pytest.mark.parametrize("path", ["/sign-out", SIGN_OUT])
    @pytest.mark.parametrize("mode", ["inline", "endpoint"])
    def test_the_session_ends_and_the_tokens_go(
        self, open_app: OpenApp, driver: Driver, path: str, mode: str
    ) -> None:
        app = open_app(REFRESH_MODE=mode)
        client = driver.client(app)
        given = cookies_of(client.post("/sign-in", user="ann"))
        thief = client.twin()
        with driver.signals(app) as signals:
            reply = client.post(path)
        assert reply.status == 200
        assert reply.json == ({"ended": True} if path == "/sign-out" else {"status": "OK"})
        assert_cleared(reply)
        for kind, cookie in cookies_of(reply).items():
            asked = given[kind]
            assert (cookie.name, cookie.path, cookie.flags) == (asked.name, asked.path, asked.flags)
        assert client.jar.kinds() == set()
        assert client.user() is None
        assert driver.sessions(app).list_for_user("ann") == ()
        assert [name for name, _ in signals] == ["session_revoked"]
        assert signals[0][1]["reason"] == "sign-out"
        assert thief.user() is None
        thief.jar.drop("session")
        assert thief.user() is None

    @pytest.mark.parametrize("path", ["/sign-out", SIGN_OUT])
    @pytest.mark.parametrize("kept", [{"session"}, {"refresh"}])
    def test_either_token_is_enough(
        self, client: Client, driver: Driver, app: Any, path: str, kept: set[str]
    ) -> None:
        client.sign_in("ann")
        for kind in {"session", "refresh"} - kept:
            client.jar.drop(kind)
        assert_cleared(client.post(path))
        assert driver.sessions(app).list_for_user("ann") == ()

    @pytest.mark.parametrize("mode", ["inline", "endpoint"])
    @pytest.mark.parametrize("fdi", [True, False])
    def test_signing_out_with_an_expired_token_never_leaves_the_session_live(
        self, open_app: OpenApp, driver: Driver, clock: FrozenClock, mode: str, fdi: bool
    ) -> None:
        """An FDI client may be told 401: it refreshes, and asks again."""
        app = open_app(REFRESH_MODE=mode)
        client = driver.client(app)
        client.sign_in("ann")
        clock.advance(TOKEN + 10)
        reply = client.post(SIGN_OUT, (*SAME, ("rid", "session")) if fdi else SAME)
        if reply.status == 401 and fdi:
            assert client.post(f"{MOUNT}/session/refresh").status == 200
            reply = client.post(SIGN_OUT, (*SAME, ("rid", "session")))
        assert reply.status == 200
        assert_cleared(reply)
        assert driver.sessions(app).list_for_user("ann") == ()

    @pytest.mark.parametrize("path", ["/sign-out", SIGN_OUT])
    def test_who_is_not_signed_in_can_sign_out(self, client: Client, path: str) -> None:
        reply = client.post(path)
        assert reply.status == 200
        assert {c.value for c in cookies_of(reply).values()} <= {""}

    def test_who_was_signed_out_elsewhere_can_sign_out(
        self, client: Client, driver: Driver, app: Any
    ) -> None:
        driver.sessions(app).revoke(client.sign_in())
        with driver.signals(app) as signals:
            reply = client.post("/sign-out")
        assert reply.json == {"ended": False}
        assert_cleared(reply)
        assert "session_revoked" not in [name for name, _ in signals]

    @pytest.mark.parametrize("path", ["/sign-out", SIGN_OUT])
    @pytest.mark.parametrize("by_header", [True, False])
    def test_signing_out_with_a_token_that_nobody_signed_ends_nothing(
        self, client: Client, driver: Driver, app: Any, path: str, by_header: bool
    ) -> None:
        """Whoever knows the session's id could write all but the signature."""
        reply = client.post("/sign-in", user="ann")
        session = cookies_of(reply)["session"]
        forged = session.value.rpartition(".")[0] + "." + "A" * 86
        field = (
            ("Authorization", f"Bearer {forged}")
            if by_header
            else ("Cookie", f"{session.name}={forged}")
        )
        assert client.twin().send(path, "POST", (*SAME, field), cookies=False).status == 200
        assert len(driver.sessions(app).list_for_user("ann")) == 1
        assert client.user() == "ann"

    @pytest.mark.parametrize("path", ["/sign-out", SIGN_OUT])
    @pytest.mark.parametrize("headers", [CROSS_SITE, ()])
    def test_another_site_cannot_sign_anybody_out(
        self, client: Client, path: str, headers: Any
    ) -> None:
        client.sign_in("ann")
        for _ in range(2):
            reply = client.post(path, headers)
            assert (reply.status, reply.code) == (403, "request-origin-refused")
            assert_untouched(reply)
            assert client.user() == "ann"
            client.jar.drop("session")

    def test_the_endpoint_takes_no_get(self, client: Client) -> None:
        client.sign_in("ann")
        assert client.get(SIGN_OUT).status == 405
        assert client.user() == "ann"

    # --- as a form ------------------------------------------------------------------------

    @pytest.mark.parametrize("headers", [FORM, OLD_FORM])
    @pytest.mark.parametrize(
        ("back", "location"),
        [
            (None, "/"),
            ("/bye?x=1#y", "/bye?x=1#y"),
            ("/gr\u00fc\u00dfe/\u20ac", "/gr%C3%BC%C3%9Fe/%E2%82%AC"),
            ("", "/"),
            ("bye", "/"),
            ("//evil.example", "/"),
            ("/\\evil.example", "/"),
            ("/%2e%2e//evil.example", "/"),
            ("https://evil.example", "/"),
            ("https:evil.example", "/"),
            ("https://app.example.evil.example/", "/"),
            ("https://app.example@evil.example/", "/"),
            ("javascript:alert(1)", "/"),
            ("/bye\r\nSet-Cookie: a=b", "/"),
            ("/\tbye", "/"),
            ("/" + "x" * 3000, "/"),
        ],
    )
    def test_a_form_goes_back_to_a_path_of_this_site_only(
        self, client: Client, headers: Any, back: str | None, location: str
    ) -> None:
        client.sign_in()
        query = {} if back is None else {"redirect_url": back}
        reply = client.post(SIGN_OUT, headers, **query)
        assert (reply.status, reply.get("Location")) == (303, location)
        assert_cleared(reply)
        assert client.user() is None

    def test_a_script_is_never_sent_elsewhere(self, client: Client) -> None:
        client.sign_in()
        script = (*SAME, ("Sec-Fetch-Mode", "cors"), ("Accept", "text/html"))
        reply = client.post(SIGN_OUT, script, redirect_url="/bye")
        assert (reply.status, reply.get("Location")) == (200, None)

    # --- from elsewhere -------------------------------------------------------------------

    def test_a_revoked_session_is_over_with_the_next_request(
        self, client: Client, driver: Driver, app: Any
    ) -> None:
        session_id = client.sign_in()
        sessions = driver.sessions(app)
        with driver.signals(app) as signals:
            assert sessions.revoke(session_id) is True
            assert sessions.revoke(session_id) is False
        assert [name for name, _ in signals] == ["session_revoked"]
        assert signals[0][1]["session_id"] == session_id
        reply = client.get("/me")
        assert (reply.status, reply.code) == (401, "session-token-invalid")
        assert client.get("/peek").json["reason"] == "session-revoked"
        client.jar.drop("session")
        assert_cleared(client.get("/peek"))

    def test_all_sessions_of_a_user_end_but_the_one_to_keep(self, driver: Driver, app: Any) -> None:
        devices = [driver.client(app) for _ in range(4)]
        kept, *ended = [device.sign_in("ann") for device in devices[:3]]
        devices[3].sign_in("ben")
        with driver.signals(app) as signals:
            assert set(driver.sessions(app).revoke_all("ann", keep=kept)) == set(ended)
        assert {data["session_id"] for _, data in signals} == set(ended)
        assert [device.user() for device in devices] == ["ann", None, None, "ben"]
        driver.sessions(app).revoke_all("ann")
        assert [device.user() for device in devices] == [None, None, None, "ben"]

    def test_it_is_over_at_every_process_within_a_second(
        self, client: Client, driver: Driver, app: Any, open_app: OpenApp, clock: FrozenClock
    ) -> None:
        session_id = client.sign_in("ann")
        elsewhere = open_app()
        assert client.to(elsewhere).user() == "ann"
        driver.sessions(app).revoke(session_id)
        clock.advance(1)
        assert client.to(elsewhere).user() is None

    def test_a_long_ended_session_is_forgotten(
        self, client: Client, driver: Driver, app: Any, clock: FrozenClock
    ) -> None:
        session_id = client.sign_in()
        sessions = driver.sessions(app)
        sessions.revoke(session_id)
        clock.advance(2 * 86_400)
        assert sessions.prune() >= 1
        assert sessions.journal(session_id) is None
        clock.advance(IDLE)
        assert client.user() is None
