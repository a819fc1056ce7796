"""Changing the claims of a session: in its own request, and from anywhere."""

from __future__ import annotations

from typing import Any

import pytest

from flask_session_claims.core.claims import PROTECTED_NAMES
from flask_session_claims.testing import FrozenClock

from .drivers import Client, Driver
from .jar import cookies_of
from .sites import (
    CROSS_SITE,
    IDLE,
    TOKEN,
    Contract,
    OpenApp,
    assert_given,
    assert_untouched,
    custom,
    payload,
)


def claims_of(client: Client) -> dict[str, Any]:
    """The custom claims that the next request sees."""
    return custom(client.get("/me").json["claims"])


def full_width(name: str) -> str:
    """What Unicode's compatibility forms make the same of."""
    return "".join(chr(ord(c) + 0xFEE0) if c.isalnum() else c for c in name)


class Changes(Contract):
    def test_the_response_carries_the_new_token_of_the_same_end(
        self, client: Client, clock: FrozenClock
    ) -> None:
        client.sign_in(claims={"a": 1, "b": 2})
        before = payload(client.jar.value("session"))
        refresh = client.jar.value("refresh")
        clock.advance(10)
        reply = client.post("/merge", patch={"b": None, "c": {"d": [3]}})
        assert_given(reply, "session")
        cookie = cookies_of(reply)["session"]
        assert cookie.max_age == IDLE - 10
        assert cookie.flags == {"secure", "httponly", "samesite=lax"}
        after = payload(client.jar.value("session"))
        assert custom(after) == {"a": 1, "c": {"d": [3]}}
        assert after["exp"] == before["exp"]
        assert after["iat"] == before["iat"] + 10
        assert after["jti"] != before["jti"]
        same = ("iss", "sub", "sid")
        assert [after[name] for name in same] == [before[name] for name in same]
        assert client.jar.value("refresh") == refresh

    def test_the_same_request_sees_them_at_once(self, client: Client) -> None:
        session_id = client.sign_in(claims={"a": 1})
        reply = client.post("/merge", patch={"b": 2}).json
        for auth in (reply["returned"], reply["auth"]):
            assert custom(auth["claims"]) == {"a": 1, "b": 2}
            assert auth["session"] == session_id
            assert auth["source"] == "cookie"
        assert claims_of(client) == {"a": 1, "b": 2}

    def test_it_is_one_level_deep_and_none_removes(self, client: Client) -> None:
        client.sign_in(claims={"a": {"x": 1}, "b": 2})
        client.post("/merge", patch={"a": {"y": 2}, "b": None, "unknown": None})
        assert claims_of(client) == {"a": {"y": 2}}

    def test_a_truth_is_no_one(self, client: Client) -> None:
        client.sign_in(claims={"a": 1})
        client.post("/merge", patch={"a": True})
        assert claims_of(client)["a"] is True

    def test_what_was_changed_is_told(self, client: Client, driver: Driver, app: Any) -> None:
        client.sign_in(claims={"a": 1, "b": 2, "c": 3})
        with driver.signals(app) as signals:
            client.post("/merge", patch={"a": 1, "b": 20, "c": None, "d": 4, "e": None})
            client.post("/merge", patch={"a": 1})
        assert [name for name, _ in signals] == ["claims_refreshed"]
        data = signals[0][1]
        assert data["changed"] == {"b", "c", "d"}
        assert custom(dict(data["auth"].session_claims)) == {"a": 1, "b": 20, "d": 4}

    def test_a_token_that_soon_ends_is_not_replaced(
        self, client: Client, clock: FrozenClock
    ) -> None:
        client.sign_in()
        clock.advance(TOKEN - 3)
        reply = client.post("/merge", patch={"a": 1})
        assert custom(reply.json["auth"]["claims"]) == {"a": 1}
        assert_untouched(reply)
        assert claims_of(client) == {"a": 1}
        clock.advance(10)
        assert claims_of(client) == {"a": 1}

    def test_an_expired_token_is_refreshed_and_changed_in_one_response(
        self, client: Client, clock: FrozenClock
    ) -> None:
        client.sign_in(claims={"a": 1})
        clock.advance(TOKEN + 10)
        reply = client.post("/merge", patch={"b": 2})
        assert_given(reply, "session", "refresh")
        assert custom(payload(client.jar.value("session"))) == {"a": 1, "b": 2}
        clock.advance(TOKEN + 10)
        assert claims_of(client) == {"a": 1, "b": 2}

    def test_a_cookie_of_the_browser_s_session_stays_one(self, client: Client) -> None:
        client.sign_in(persistent=False)
        assert cookies_of(client.post("/merge", patch={"a": 1}))["session"].max_age is None

    def test_it_holds_and_is_told_the_client_on_an_error_response(self, client: Client) -> None:
        client.sign_in()
        reply = client.post("/merge-fails", patch={"a": 1})
        assert reply.status == 500
        assert_given(reply, "session")
        assert custom(payload(client.jar.value("session"))) == {"a": 1}
        assert claims_of(client) == {"a": 1}

    def test_nobody_else_can_ask_for_it(self, client: Client) -> None:
        assert client.post("/merge", patch={"a": 1}).status == 401
        client.sign_in()
        reply = client.post("/merge", CROSS_SITE, patch={"a": 1})
        assert reply.status == 403
        assert_untouched(reply)
        assert claims_of(client) == {}

    # --- what is refused ------------------------------------------------------------------

    @pytest.mark.parametrize("spelled", [str, str.upper, " {} ".format, full_width])
    def test_the_issuer_s_names_are_refused_in_any_spelling(
        self, client: Client, spelled: Any
    ) -> None:
        client.sign_in(claims={"a": 1})
        before = client.get("/peek").json["claims"]
        for name in sorted(PROTECTED_NAMES):
            written = spelled(name)
            for value in ("x", None):
                reply = client.post("/merge", patch={written: value, "b": 2})
                assert (written, reply.status) == (written, 400)
                assert reply.json["error"] == "claims-protected"
                assert reply.json["names"] == [written]
                assert_untouched(reply)
        assert client.get("/peek").json["claims"] == before

    @pytest.mark.parametrize(
        ("patch", "code"),
        [
            ({"big": "x" * 1300}, "claims-too-large"),
            ({"": 1}, "claims-invalid"),
            ([1], "claims-invalid"),
            ({"a": 2**70}, "claims-invalid"),
        ],
    )
    def test_what_cannot_be_kept_changes_nothing(
        self, client: Client, patch: Any, code: str
    ) -> None:
        client.sign_in(claims={"a": 1})
        reply = client.post("/merge", patch=patch)
        assert (reply.status, reply.json["error"]) == (400, code)
        assert_untouched(reply)
        assert claims_of(client) == {"a": 1}

    # --- from anywhere --------------------------------------------------------------------

    def test_a_change_from_elsewhere_is_in_the_next_request(
        self, client: Client, driver: Driver, app: Any
    ) -> None:
        session_id = client.sign_in(claims={"a": 1, "b": 2})
        other = driver.client(app)
        other.sign_in(claims={"a": 1})
        driver.sessions(app).merge_claims(session_id, {"a": None, "c": 3})
        assert claims_of(client) == {"b": 2, "c": 3}
        assert claims_of(other) == {"a": 1}

    def test_a_change_for_a_user_reaches_all_their_sessions(self, driver: Driver, app: Any) -> None:
        mine, yours = [driver.client(app), driver.client(app)], driver.client(app)
        for client in mine:
            client.sign_in("ann")
        yours.sign_in("ben")
        assert driver.sessions(app).merge_claims_for_user("ann", {"plan": "pro"}) == 2
        assert [claims_of(client) for client in mine] == [{"plan": "pro"}] * 2
        assert claims_of(yours) == {}

    def test_it_reaches_another_process(
        self, client: Client, driver: Driver, app: Any, open_app: OpenApp
    ) -> None:
        session_id = client.sign_in()
        elsewhere = open_app()
        driver.sessions(elsewhere).merge_claims(session_id, {"a": 1})
        assert claims_of(client) == {"a": 1}
        assert claims_of(client.to(elsewhere)) == {"a": 1}

    def test_server_only_data_is_in_no_token(
        self, client: Client, driver: Driver, app: Any
    ) -> None:
        session_id = client.sign_in()
        driver.sessions(app).set_data(session_id, {"cart": [1]})
        assert client.get("/session").json["data"] == {"cart": [1]}
        assert claims_of(client) == {}
