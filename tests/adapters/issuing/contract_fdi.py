"""The Front-end Driver Interface: scripts that keep the tokens themselves, or only the claims."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from flask_session_claims.testing import FrozenClock

from ..drivers import Reply
from .drivers import MOUNT, SAME, Client, Driver, Fields
from .jar import cookies_of
from .sites import (
    CROSS_SITE,
    FROM_APP,
    GRACE,
    TOKEN,
    Contract,
    FaultyStore,
    OpenApp,
    assert_untouched,
    custom,
    payload,
)

REFRESH, SIGN_OUT = f"{MOUNT}/session/refresh", f"{MOUNT}/signout"
RID = ("rid", "anti-csrf")
BY_HEADER = (RID, ("st-auth-mode", "header"))
BY_COOKIE = (*SAME, RID, ("st-auth-mode", "cookie"))
TOKENS = ("st-access-token", "st-refresh-token", "front-token")


def front(reply: Reply) -> dict[str, Any]:
    """What the front-token says."""
    said: dict[str, Any] = json.loads(
        base64.b64decode(reply.get("front-token") or "", validate=True)
    )
    return said


def bearer(token: str | None) -> Fields:
    return (*BY_HEADER, ("Authorization", f"Bearer {token}"))


def assert_by_header(reply: Reply, *names: str) -> None:
    """The reply carries these in headers, exposed to scripts, and no cookie."""
    assert {name for name in TOKENS if reply.get(name) is not None} == set(names)
    assert reply.names("Access-Control-Expose-Headers") == set(names)
    assert reply.all("Set-Cookie") == []
    assert reply.get("Cache-Control") == "no-store"


class Fdi(Contract):
    @pytest.fixture
    def given(self, client: Client) -> Reply:
        """What a script that keeps its tokens itself got at its sign-in."""
        reply = client.post(
            "/sign-in", (*SAME, *BY_HEADER), user="ann", claims={"name": "Zo\u00eb"}
        )
        assert reply.status == 200
        return reply

    # --- header mode ----------------------------------------------------------------------

    def test_at_sign_in_the_tokens_come_in_headers(self, given: Reply, clock: FrozenClock) -> None:
        assert_by_header(given, *TOKENS)
        said = payload(given.get("st-access-token") or "")
        assert (said["sub"], said["name"]) == ("ann", "Zo\u00eb")
        assert given.json["auth"]["source"] == "header"
        shown = front(given)
        assert (shown["uid"], shown["up"]) == ("ann", said)
        assert shown["ate"] == said["exp"] * 1000 == (int(clock()) + TOKEN) * 1000

    def test_the_token_speaks_as_a_header_from_anywhere(self, client: Client, given: Reply) -> None:
        headers = bearer(given.get("st-access-token"))
        reply = client.send("/me", headers=headers)
        assert (reply.json["user"], reply.json["source"]) == ("ann", "header")
        assert_untouched(reply)
        changed = client.send("/merge?patch=%7B%22a%22%3A1%7D", "POST", (*headers, *CROSS_SITE))
        assert changed.status == 200
        assert_by_header(changed, "st-access-token", "front-token")
        assert custom(front(changed)["up"]) == {"name": "Zo\u00eb", "a": 1}
        assert front(changed)["up"] == payload(changed.get("st-access-token") or "")

    def test_a_change_for_a_header_that_is_no_script_s_sends_no_token(
        self, client: Client, given: Reply
    ) -> None:
        token = given.get("st-access-token")
        headers = (("Authorization", f"Bearer {token}"),)
        reply = client.send("/merge?patch=%7B%22a%22%3A1%7D", "POST", headers)
        assert custom(reply.json["auth"]["claims"])["a"] == 1
        assert_untouched(reply)

    def test_where_only_headers_speak_a_sign_in_sets_no_cookie(
        self, open_app: OpenApp, driver: Driver
    ) -> None:
        client = driver.client(open_app(TOKEN_SOURCES=["header"]))
        reply = client.post("/sign-in", user="ann")
        assert_by_header(reply, *TOKENS)
        headers = (("Authorization", f"Bearer {reply.get('st-access-token')}"),)
        assert client.send("/me", headers=headers).json["user"] == "ann"

    def test_a_stranger_s_origin_is_not_written_into_a_token(
        self, client: Client, given: Reply
    ) -> None:
        """Any page may send a header; for whom a token is, only an origin of the app says."""
        refresh = (*bearer(given.get("st-refresh-token")), *CROSS_SITE)
        replies = [
            client.send(REFRESH, "POST", refresh),
            client.post("/sign-in", (*BY_HEADER, *CROSS_SITE), user="ben"),
        ]
        for reply in replies:
            assert reply.status == 200
            assert "azp" not in payload(reply.get("st-access-token") or "")

    def test_the_refresh_token_is_exchanged_as_a_header(
        self, client: Client, given: Reply, clock: FrozenClock
    ) -> None:
        clock.advance(TOKEN + 10)
        reply = client.send(REFRESH, "POST", bearer(given.get("st-refresh-token")))
        assert (reply.status, reply.json) == (200, {})
        assert_by_header(reply, *TOKENS)
        assert front(reply)["uid"] == "ann"
        again = client.send("/me", headers=bearer(reply.get("st-access-token")))
        assert again.json["user"] == "ann"

    def test_a_bad_refresh_token_takes_the_script_s_tokens_away(
        self, client: Client, given: Reply, driver: Driver, app: Any, clock: FrozenClock
    ) -> None:
        first = bearer(given.get("st-refresh-token"))
        client.send(REFRESH, "POST", first)
        clock.advance(GRACE + 1)
        for headers in (first, bearer("nonsense")):
            reply = client.send(REFRESH, "POST", headers)
            assert (reply.status, reply.code) == (401, "session-token-invalid")
            assert_by_header(reply, *TOKENS)
            assert [reply.get(name) for name in TOKENS] == ["", "", "remove"]
        assert driver.sessions(app).list_for_user("ann") == ()

    def test_a_session_token_is_no_refresh_token_and_the_other_way_round(
        self, client: Client, given: Reply
    ) -> None:
        access, refresh = given.get("st-access-token"), given.get("st-refresh-token")
        assert client.send(REFRESH, "POST", bearer(access)).status == 401
        assert client.send("/me", headers=bearer(refresh)).status == 401
        assert client.send(REFRESH, "POST", bearer(refresh)).status == 200

    def test_an_expired_token_is_401_so_that_the_script_refreshes(
        self, client: Client, given: Reply, clock: FrozenClock, store: FaultyStore
    ) -> None:
        clock.advance(TOKEN + 10)
        store.calls.clear()
        for path in ("/me", "/peek"):
            reply = client.send(path, headers=bearer(given.get("st-access-token")))
            assert (reply.status, reply.code) == (401, "session-token-expired")
            assert_untouched(reply)
        assert "commit" not in store.calls

    @pytest.mark.parametrize("headers", [(), SAME, CROSS_SITE])
    def test_a_native_client_signs_out_by_header(
        self, client: Client, given: Reply, driver: Driver, app: Any, headers: Fields
    ) -> None:
        """It has no Origin; nobody else can make it send the header."""
        signs = (*bearer(given.get("st-access-token")), *headers)
        reply = client.send(SIGN_OUT, "POST", signs)
        assert (reply.status, reply.json) == (200, {"status": "OK"})
        assert_by_header(reply, *TOKENS)
        assert [reply.get(name) for name in TOKENS] == ["", "", "remove"]
        assert driver.sessions(app).list_for_user("ann") == ()

    def test_a_native_client_signs_in_by_header(self, client: Client) -> None:
        reply = client.post("/sign-in", BY_HEADER, user="ann")
        assert reply.status == 200
        assert_by_header(reply, *TOKENS)

    def test_signed_out_by_the_view_it_loses_its_headers_too(
        self, client: Client, given: Reply
    ) -> None:
        reply = client.send("/sign-out", "POST", bearer(given.get("st-access-token")))
        assert reply.json == {"ended": True}
        assert [reply.get(name) for name in TOKENS] == ["", "", "remove"]

    def test_a_new_sign_in_replaces_the_session_of_the_header(
        self, client: Client, given: Reply, driver: Driver, app: Any
    ) -> None:
        headers = (*SAME, *bearer(given.get("st-access-token")))
        assert client.post("/sign-in", headers, user="ben").status == 200
        assert driver.sessions(app).list_for_user("ann") == ()

    def test_cookies_never_turn_into_headers(
        self, client: Client, driver: Driver, app: Any, clock: FrozenClock
    ) -> None:
        """Or a script that has broken in could carry the refresh token away."""
        client.sign_in("ann")
        asked = (*SAME, *BY_HEADER)
        replies = [client.post(REFRESH, asked), client.post("/merge", asked, patch={"a": 1})]
        clock.advance(TOKEN + 10)
        replies.append(client.send("/peek", headers=asked))
        for reply in replies:
            assert reply.status in (200, 401)
            assert reply.all("st-access-token") == []
            assert reply.all("st-refresh-token") == []

    @pytest.mark.parametrize(
        "value", ["Bearer {access}", "Bearer nonsense", "Basic eDp5", "Bearer"]
    )
    def test_beside_a_refresh_cookie_another_header_is_not_asked(
        self, client: Client, value: str
    ) -> None:
        client.sign_in("ann")
        stray = value.format(access=client.jar.value("session"))
        reply = client.post(REFRESH, (*SAME, ("Authorization", stray)))
        assert reply.status == 200
        assert set(cookies_of(reply)) == {"session", "refresh"}

    def test_a_script_s_header_and_the_page_s_cookies_stay_apart(
        self, client: Client, given: Reply
    ) -> None:
        """One browser, two ways to be signed in."""
        page = client.twin()
        page.sign_in("ben")
        reply = page.send(REFRESH, "POST", bearer(given.get("st-refresh-token")))
        assert_by_header(reply, *TOKENS)
        assert front(reply)["uid"] == "ann"
        assert page.user() == "ben"
        assert page.send("/me", headers=bearer(reply.get("st-access-token"))).json["user"] == "ann"
        page.send(SIGN_OUT, "POST", bearer(reply.get("st-access-token")))
        assert page.user() == "ben"

    # --- cookie mode ----------------------------------------------------------------------

    def test_beside_cookies_a_script_gets_the_claims_alone(
        self, client: Client, clock: FrozenClock
    ) -> None:
        replies = [
            client.post("/sign-in", BY_COOKIE, user="ann", claims={"a": 1}),
            client.post(REFRESH, BY_COOKIE),
            client.post("/merge", BY_COOKIE, patch={"b": 2}),
        ]
        for reply in replies:
            assert reply.status == 200
            assert "session" in cookies_of(reply)
            assert reply.names("Access-Control-Expose-Headers") == {"front-token"}
            assert reply.all("st-access-token") == reply.all("st-refresh-token") == []
            assert front(reply)["up"]["sub"] == "ann"
        assert front(replies[-1])["up"] == payload(client.jar.value("session"))
        gone = client.post(SIGN_OUT, BY_COOKIE)
        assert gone.json == {"status": "OK"}
        assert gone.get("front-token") == "remove"

    def test_an_inline_refresh_tells_the_script_too(
        self, client: Client, clock: FrozenClock
    ) -> None:
        client.sign_in("ann")
        clock.advance(TOKEN + 10)
        reply = client.send("/me", headers=(RID,))
        assert reply.status == 200
        assert front(reply)["up"] == payload(client.jar.value("session"))

    def test_a_page_gets_no_front_token(self, client: Client, clock: FrozenClock) -> None:
        replies = [client.post("/sign-in"), client.post("/merge", patch={"a": 1})]
        clock.advance(TOKEN + 10)
        replies += [client.get("/peek"), client.post(SIGN_OUT)]
        for reply in replies:
            assert cookies_of(reply) != {}
            assert reply.get("front-token") is None
            assert reply.get("Access-Control-Expose-Headers") is None

    def test_a_bad_refresh_cookie_removes_the_front_token(
        self, client: Client, driver: Driver, app: Any
    ) -> None:
        driver.sessions(app).revoke(client.sign_in())
        reply = client.post(REFRESH, BY_COOKIE)
        assert (reply.status, reply.get("front-token")) == (401, "remove")
        assert client.jar.kinds() == set()

    def test_a_visitor_s_first_refresh_is_401(self, client: Client) -> None:
        """The client asks so once, where it cannot know whether there is a session."""
        reply = client.post(REFRESH, BY_COOKIE)
        assert (reply.status, reply.code) == (401, "session-token-missing")
        assert reply.get("front-token") in (None, "remove")

    def test_an_allowed_origin_may_refresh_another_may_not(self, client: Client) -> None:
        client.sign_in()
        assert client.post(REFRESH, (*CROSS_SITE, RID)).status == 403
        assert client.post(REFRESH, (*FROM_APP, RID)).status == 200
        azp = payload(client.jar.value("session")).get("azp")
        assert azp == FROM_APP[0][1]
