"""A response brings a new token for one that the log has outdated: when, where, and where not."""

from __future__ import annotations

from typing import Any

import pytest

from flask_session_claims.io.sessions import Sessions
from flask_session_claims.testing import FrozenClock

from ..drivers import Reply
from .contract_fdi import BY_COOKIE, RID, assert_by_header, bearer, front
from .contract_feed import by_header
from .drivers import SAME, Client, Driver, Fields, target
from .jar import cookies_of
from .sites import (
    CROSS_SITE,
    IDLE,
    TOKEN,
    Contract,
    FaultyStore,
    OpenApp,
    assert_cleared,
    assert_given,
    assert_untouched,
    custom,
    payload,
)


def carried(reply: Reply) -> bool:
    """Whether the reply brings a session token or says anything about one."""
    names = ("st-access-token", "front-token")
    return bool(cookies_of(reply)) or any(reply.all(name) for name in names)


class Remint(Contract):
    @pytest.fixture
    def outdate(self, elsewhere: Sessions, clock: FrozenClock) -> Any:
        """Changes the claims of a browser's session, a second ago and elsewhere."""

        def outdated(client: Client, **patch: Any) -> None:
            session_id = payload(client.jar.value("session"))["sid"]
            elsewhere.merge_claims(session_id, patch or {"plan": "pro"})
            clock.advance(1)

        return outdated

    @pytest.fixture
    def outdated(self, client: Client, outdate: Any) -> Client:
        """Signed in, with a session token of before a change."""
        client.sign_in("ann", claims={"plan": "free"})
        assert client.user() == "ann"
        outdate(client)
        return client

    # --- the new token --------------------------------------------------------------------

    def test_it_ends_when_the_old_one_does_and_says_what_is_in_force(
        self, outdated: Client, clock: FrozenClock
    ) -> None:
        before, refresh = payload(outdated.jar.value("session")), outdated.jar.value("refresh")
        reply = outdated.get("/me")
        assert_given(reply, "session")
        cookie = cookies_of(reply)["session"]
        assert (cookie.max_age, cookie.path) == (IDLE - 1, "/")
        assert cookie.flags == {"secure", "httponly", "samesite=lax"}
        after = payload(cookie.value)
        assert custom(after) == custom(reply.json["claims"]) == {"plan": "pro"}
        assert after["exp"] == before["exp"]
        assert after["iat"] == int(clock()) > before["iat"]
        assert after["jti"] != before["jti"]
        assert after["rev"] > before["rev"]
        kept = ("iss", "sub", "sid")
        assert [after.get(name) for name in kept] == [before.get(name) for name in kept]
        assert outdated.jar.value("refresh") == refresh
        for name in ("front-token", "st-access-token", "st-refresh-token"):
            assert reply.all(name) == []

    def test_with_it_nothing_is_loaded_here_or_at_another_process(
        self, outdated: Client, open_app: OpenApp, store: FaultyStore, clock: FrozenClock
    ) -> None:
        outdated.get("/me")
        there = outdated.to(open_app())
        assert there.user() == "ann"
        store.forget()
        for _ in range(5):
            for browser in (outdated, there):
                reply = browser.get("/me")
                assert custom(reply.json["claims"]) == {"plan": "pro"}
                assert_untouched(reply)
            clock.advance(1)
        assert store.loaded == []

    def test_for_whom_it_was_is_for_whom_it_is(
        self, client: Client, outdate: Any, clock: FrozenClock
    ) -> None:
        """A page that is loaded says no origin."""
        client.post("/sign-in", (("Origin", "https://app.example"),), user="ann")
        assert client.user() == "ann"
        outdate(client)
        assert_given(client.get("/me"), "session")
        assert payload(client.jar.value("session"))["azp"] == "https://app.example"

    def test_each_change_brings_one(self, outdated: Client, outdate: Any) -> None:
        for number in range(3):
            outdate(outdated, number=number)
            assert_given(outdated.get("/peek"), "session")
            assert payload(outdated.jar.value("session"))["number"] == number
            assert_untouched(outdated.get("/peek"))

    def test_the_token_of_an_unchanged_session_stays(self, client: Client, outdate: Any) -> None:
        """The log told of it, though nothing is other than it was; now its token knows."""
        client.sign_in("ann", claims={"plan": "pro"})
        outdate(client, plan="pro")
        replies = [client.get("/me") for _ in range(3)]
        assert [carried(reply) for reply in replies[1:]] == [False, False]
        assert custom(replies[0].json["claims"]) == {"plan": "pro"}

    def test_a_cookie_of_the_browser_s_session_stays_one_then_too(
        self, client: Client, outdate: Any
    ) -> None:
        client.sign_in("ann", persistent=False)
        outdate(client)
        assert cookies_of(client.get("/me"))["session"].max_age is None

    def test_the_app_s_hook_is_not_asked(
        self, open_app: OpenApp, driver: Driver, outdate: Any
    ) -> None:
        asked: list[str] = []

        def provide(user_id: str, session: Any) -> dict[str, Any]:
            asked.append(user_id)
            return {"provided": len(asked)}

        client = driver.client(open_app(provide=provide))
        client.sign_in("ann")
        outdate(client)
        assert_given(client.get("/me"), "session")
        assert asked == ["ann"]
        assert custom(payload(client.jar.value("session"))) == {"plan": "pro", "provided": 1}

    # --- which responses carry it ---------------------------------------------------------

    @pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
    @pytest.mark.parametrize("status", [200, 201, 302, 400, 401, 403, 404, 500, 503])
    def test_it_travels_with_any_status_errors_too(
        self, outdated: Client, method: str, status: int
    ) -> None:
        reply = outdated.send(target("/answer", status=status), method, SAME)
        assert reply.status == status
        assert_given(reply, "session")
        assert_untouched(outdated.get("/me"))

    def test_it_travels_with_the_answer_to_a_view_that_raised(self, outdated: Client) -> None:
        reply = outdated.get("/answer", raises=True)
        assert reply.status == 500
        assert_given(reply, "session")

    def test_it_travels_with_a_gate_s_refusal(self, client: Client, outdate: Any) -> None:
        client.sign_in("ann", claims={"plan": "pro"})
        assert client.get("/live-pro").status == 200
        outdate(client, plan="free")
        reply = client.get("/live-pro")
        assert (reply.status, reply.code) == (403, "permission-denied")
        assert_given(reply, "session")

    def test_it_travels_ahead_of_a_stream(self, outdated: Client) -> None:
        reply = outdated.get("/watch", plain=True)
        assert_given(reply, "session")
        assert reply.body == b"True\n"

    @pytest.mark.parametrize(
        "query",
        [
            {"status": 304},
            {"status": 199},
            {"cache": "public, max-age=60"},
            {"cache": "max-age=0, PUBLIC"},
            {"cache": "s-maxage=60"},
            {"cache": "no-cache, S-MaxAge=1"},
        ],
    )
    def test_what_others_may_keep_or_replace_carries_none(
        self, outdated: Client, query: Any
    ) -> None:
        for _ in range(2):
            reply = outdated.get("/answer", **query)
            assert reply.status == query.get("status", 200)
            assert_untouched(reply)
            assert reply.get("Cache-Control") != "no-store"
        assert_given(outdated.get("/answer", cache="private, max-age=60"), "session")

    def test_what_others_may_keep_sees_the_change_all_the_same(self, outdated: Client) -> None:
        reply = outdated.get("/cached")
        assert custom(reply.json["claims"]) == {"plan": "pro"}
        assert reply.get("Cache-Control") == "public, max-age=60"
        assert_untouched(reply)

    def test_a_view_that_does_not_look_at_auth_carries_none(
        self, outdated: Client, store: FaultyStore
    ) -> None:
        reply = outdated.get("/still")
        assert_untouched(reply)
        assert reply.get("Cache-Control") is None
        assert_given(outdated.get("/peek"), "session")

    def test_what_looks_once_the_headers_are_sent_sees_the_change_and_carries_none(
        self, outdated: Client
    ) -> None:
        reply = outdated.get("/stream")
        assert custom(reply.json["claims"]) == {"plan": "pro"}
        assert_untouched(reply)
        assert_given(outdated.get("/peek"), "session")

    @pytest.mark.parametrize(("left", "worth_it"), [(7, True), (6, True), (5, False), (2, False)])
    def test_a_token_that_is_about_to_end_is_left_to_the_refresh(
        self, client: Client, outdate: Any, clock: FrozenClock, left: int, worth_it: bool
    ) -> None:
        client.sign_in("ann")
        clock.advance(TOKEN - left - 1)
        outdate(client)
        reply = client.get("/me")
        assert custom(reply.json["claims"]) == {"plan": "pro"}
        assert carried(reply) is worth_it
        clock.advance(left + 10)
        assert_given(client.get("/me"), "session", "refresh")
        assert custom(payload(client.jar.value("session"))) == {"plan": "pro"}

    def test_what_another_site_sends_carries_none(self, outdated: Client) -> None:
        reply = outdated.send("/peek", "POST", CROSS_SITE)
        assert reply.json["user"] is None
        assert_untouched(reply)

    # --- beside what the request does itself ----------------------------------------------

    def test_a_sign_in_brings_its_own_tokens_alone(
        self, outdated: Client, driver: Driver, app: Any
    ) -> None:
        assert_given(outdated.post("/sign-in", user="ben"), "session", "refresh")
        assert payload(outdated.jar.value("session"))["sub"] == "ben"
        assert driver.sessions(app).list_for_user("ann") == ()

    def test_a_sign_in_that_fails_brings_none(self, outdated: Client) -> None:
        reply = outdated.post("/sign-in-fails", user="ben", status=400)
        assert reply.status == 400
        assert_untouched(reply)

    def test_a_sign_out_takes_the_tokens_away(self, outdated: Client) -> None:
        assert_cleared(outdated.post("/sign-out"))
        assert outdated.user() is None

    @pytest.mark.parametrize("path", ["/merge", "/merge-fails"])
    def test_a_merge_brings_one_token_with_both_changes(self, outdated: Client, path: str) -> None:
        reply = outdated.post(path, patch={"theme": "dark"})
        assert_given(reply, "session")
        both = {"plan": "pro", "theme": "dark"}
        assert custom(payload(outdated.jar.value("session"))) == both
        after = outdated.get("/me")
        assert custom(after.json["claims"]) == both
        assert_untouched(after)

    def test_a_refresh_in_place_brings_both_tokens_and_the_change(
        self, outdated: Client, clock: FrozenClock
    ) -> None:
        clock.advance(TOKEN + 10)
        assert_given(outdated.get("/me"), "session", "refresh")
        assert custom(payload(outdated.jar.value("session"))) == {"plan": "pro"}
        assert_untouched(outdated.get("/me"))

    # --- scripts and programs -------------------------------------------------------------

    def test_a_program_s_header_is_given_nothing(self, outdated: Client) -> None:
        for _ in range(2):
            reply = outdated.send("/me", headers=by_header(outdated), cookies=False)
            assert custom(reply.json["claims"]) == {"plan": "pro"}
            assert_untouched(reply)

    def test_a_script_s_header_is_given_token_and_claims_in_headers(
        self, outdated: Client, store: FaultyStore
    ) -> None:
        before = payload(outdated.jar.value("session"))
        headers = bearer(outdated.jar.value("session"))
        reply = outdated.send("/me", headers=headers, cookies=False)
        assert_by_header(reply, "st-access-token", "front-token")
        token = reply.get("st-access-token")
        assert front(reply)["up"] == payload(token or "")
        assert custom(payload(token or "")) == {"plan": "pro"}
        assert payload(token or "")["exp"] == before["exp"]
        store.forget()
        assert_untouched(outdated.send("/me", headers=bearer(token), cookies=False))
        assert store.loaded == []

    @pytest.mark.parametrize("headers", [BY_COOKIE, (RID,), (("st-auth-mode", "cookie"),)])
    @pytest.mark.parametrize("mode", ["inline", "endpoint"])
    def test_beside_a_cookie_a_script_is_given_the_claims(
        self, open_app: OpenApp, driver: Driver, outdate: Any, headers: Fields, mode: str
    ) -> None:
        client = driver.client(open_app(REFRESH_MODE=mode))
        client.sign_in("ann")
        outdate(client)
        reply = client.send("/me", headers=headers)
        assert_given(reply, "session")
        assert front(reply)["up"] == payload(client.jar.value("session"))
        assert reply.names("Access-Control-Expose-Headers") == {"front-token"}
        assert reply.all("st-access-token") == []
        assert_untouched(client.send("/me", headers=headers))

    # --- endpoint mode --------------------------------------------------------------------

    def test_in_endpoint_mode_a_page_brings_none_and_the_next_script_does_once(
        self, open_app: OpenApp, driver: Driver, outdate: Any, store: FaultyStore
    ) -> None:
        """Else the script would never learn the claims: it sees the answers to its own alone."""
        client = driver.client(open_app(REFRESH_MODE="endpoint"))
        client.sign_in("ann")
        outdate(client)
        store.forget()
        for method in ("GET", "POST"):
            reply = client.send("/peek", method, SAME)
            assert custom(reply.json["claims"]) == {"plan": "pro"}
            assert_untouched(reply)
        reply = client.send("/peek", headers=BY_COOKIE)
        assert_given(reply, "session")
        assert custom(front(reply)["up"]) == {"plan": "pro"}
        assert_untouched(client.send("/peek", headers=BY_COOKIE))
        assert len(store.loaded) == 1

    def test_in_endpoint_mode_a_page_s_own_merge_is_told_to_the_next_script_once(
        self, open_app: OpenApp, driver: Driver
    ) -> None:
        client = driver.client(open_app(REFRESH_MODE="endpoint"))
        client.sign_in("ann")
        reply = client.post("/merge", patch={"plan": "pro"})
        assert_given(reply, "session")
        assert reply.get("front-token") is None
        assert custom(client.get("/me").json["claims"]) == {"plan": "pro"}
        reply = client.send("/me", headers=BY_COOKIE)
        assert_given(reply, "session")
        assert custom(front(reply)["up"]) == {"plan": "pro"}
        for headers in (BY_COOKIE, ()):
            assert_untouched(client.send("/me", headers=headers))

    def test_in_endpoint_mode_a_script_s_own_merge_is_told_at_once(
        self, open_app: OpenApp, driver: Driver
    ) -> None:
        client = driver.client(open_app(REFRESH_MODE="endpoint"))
        client.sign_in("ann")
        reply = client.post("/merge", BY_COOKIE, patch={"plan": "pro"})
        assert_given(reply, "session")
        assert custom(front(reply)["up"]) == {"plan": "pro"}
        assert_untouched(client.send("/me", headers=BY_COOKIE))
