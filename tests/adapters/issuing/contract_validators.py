"""Gates that want claims which the app fetches: before it is judged, what is due is fetched."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from flask_session_claims.io.sessions import Sessions
from flask_session_claims.testing import FrozenClock

from ..drivers import Reply
from ..fetched import IN_A, IS_VERIFIED, SOURCE, TEAMS, VERIFIED, held
from .contract_fdi import BY_COOKIE, assert_by_header, bearer
from .contract_feed import by_header
from .contract_stores import assert_unavailable
from .drivers import MOUNT, SAME, Client, Driver
from .sites import (
    TOKEN,
    Contract,
    FaultyStore,
    OpenApp,
    assert_given,
    assert_untouched,
    custom,
    payload,
)


def reasons(reply: Reply) -> dict[str, str]:
    """What each validator said that did not let pass."""
    assert (reply.status, reply.code) == (403, "claim-validation-failed")
    assert reply.json["message"] == "invalid claim"
    return {one["id"]: one["reason"]["message"] for one in reply.json["claimValidationErrors"]}


def carried(client: Client) -> dict[str, Any]:
    """The custom claims of the browser's token."""
    return custom(payload(client.jar.value("session")))


class Fetched(Contract):
    @pytest.fixture(autouse=True)
    def forget_the_source(self) -> Iterator[None]:
        SOURCE.forget()
        SOURCE.says.update(verified=True, teams=["a"])
        yield
        SOURCE.forget()

    @pytest.fixture
    def known(self, client: Client) -> str:
        """The id of the session of `client`."""
        return client.sign_in("ann", claims={"own": 1})

    # --- fetched before it is judged ------------------------------------------------------

    def test_what_is_missing_is_fetched_and_the_response_brings_the_token(
        self, client: Client, known: str, clock: FrozenClock, driver: Driver, app: Any
    ) -> None:
        expected = {"own": 1, **VERIFIED.build(True, clock())}
        reply = client.get("/verified")
        assert (reply.status, custom(reply.json["claims"])) == (200, expected)
        assert_given(reply, "session")
        assert carried(client) == expected
        session = driver.sessions(app).get(known)
        assert session is not None
        assert session.claims == expected
        for _ in range(2):
            reply = client.get("/verified")
            assert custom(reply.json["claims"]) == expected
            assert_untouched(reply)
        assert SOURCE.asked == ["verified"]

    def test_what_is_too_old_is_fetched_again_and_not_before(
        self, client: Client, known: str, clock: FrozenClock
    ) -> None:
        assert client.get("/verified").status == 200
        clock.advance(60)
        assert_untouched(client.get("/verified"))
        assert SOURCE.asked == ["verified"]
        clock.advance(1)
        reply = client.get("/verified")
        assert reply.status == 200
        assert_given(reply, "session")
        assert carried(client) == {"own": 1, **VERIFIED.build(True, clock())}
        assert SOURCE.asked == ["verified"] * 2

    def test_what_is_wrong_is_refused_and_kept_for_its_time(
        self, client: Client, known: str, clock: FrozenClock
    ) -> None:
        SOURCE.says["verified"] = False
        reply = client.get("/verified")
        assert reasons(reply) == {"verified": "wrong value"}
        assert_given(reply, "session")
        assert_untouched(client.get("/verified"))
        assert SOURCE.asked == ["verified"]
        SOURCE.says["verified"] = True
        clock.advance(61)
        assert client.get("/verified").status == 200

    def test_functions_sync_and_async_are_asked_by_the_gates_that_need_them(
        self, client: Client, known: str, clock: FrozenClock
    ) -> None:
        assert client.get("/verified").status == 200
        assert SOURCE.asked == ["verified"]
        reply = client.get("/verified-teams")
        expected = {"own": 1, **VERIFIED.build(True, clock()), **TEAMS.build(["a"], clock())}
        assert custom(reply.json["claims"]) == carried(client) == expected
        assert SOURCE.asked == ["verified", "teams"]
        assert_untouched(client.get("/verified-teams"))

    def test_where_one_request_meets_both_gates_it_is_the_last_token_that_counts(
        self, client: Client, known: str, clock: FrozenClock
    ) -> None:
        reply = client.get("/verified-teams")
        assert reply.status == 200
        assert_given(reply, "session")
        expected = {"own": 1, **VERIFIED.build(True, clock()), **TEAMS.build(["a"], clock())}
        assert custom(reply.json["claims"]) == carried(client) == expected
        assert_untouched(client.get("/verified-teams"))
        assert sorted(SOURCE.asked) == ["teams", "verified"]

    def test_none_leaves_it_out_and_takes_an_old_one_away(
        self, client: Client, known: str, clock: FrozenClock
    ) -> None:
        SOURCE.says["verified"] = None
        reply = client.get("/verified")
        assert reasons(reply) == {"verified": "value does not exist"}
        assert_untouched(reply)
        SOURCE.says["verified"] = True
        assert client.get("/verified").status == 200
        clock.advance(61)
        SOURCE.says["verified"] = None
        assert reasons(client.get("/verified")) == {"verified": "value does not exist"}
        assert carried(client) == {"own": 1}

    def test_a_value_that_the_app_sets_itself_lasts_as_long_as_one_that_was_fetched(
        self, client: Client, known: str, clock: FrozenClock
    ) -> None:
        SOURCE.says["verified"] = False
        assert client.post("/merge", patch=VERIFIED.build(True, clock())).status == 200
        assert client.get("/verified").status == 200
        assert SOURCE.asked == []
        clock.advance(61)
        assert reasons(client.get("/verified")) == {"verified": "wrong value"}
        SOURCE.says["verified"] = True
        clock.advance(61)
        assert client.get("/verified").status == 200
        assert carried(client)["verified"] == VERIFIED.build(True, clock())["verified"]

    def test_what_a_response_brings_is_stored_by_nobody(self, client: Client, known: str) -> None:
        for path in ("/verified", "/verified-teams"):
            reply = client.get(path)
            assert reply.get("Cache-Control") == "no-store"
            assert {"authorization", "cookie"} <= reply.names("Vary")

    # --- it fails -------------------------------------------------------------------------

    @pytest.mark.parametrize(
        ("path", "key", "told"),
        [("/verified", "verified", "verified"), ("/verified-teams", "teams", "in-a")],
    )
    @pytest.mark.parametrize("said", [LookupError("the source's own mistake"), "nonsense"])
    def test_where_a_fetch_fails_nobody_is_let_in_and_it_is_logged(
        self, client: Client, known: str, path: str, key: str, told: str, said: Any,
        caplog: pytest.LogCaptureFixture,
    ) -> None:  # fmt: skip
        SOURCE.says[key] = said
        with caplog.at_level(logging.WARNING, logger="flask_session_claims"):
            assert reasons(client.get(path)) == {told: "value does not exist"}
        events = [getattr(record, "event", None) for record in caplog.records]
        assert events.count("claim-fetch-failed") == 1
        assert key not in carried(client)
        SOURCE.says.update(verified=True, teams=["a"])
        assert client.get(path).status == 200

    def test_where_a_later_fetch_fails_the_old_value_stays_and_has_expired(
        self, client: Client, known: str, clock: FrozenClock
    ) -> None:
        client.get("/verified")
        before = carried(client)
        clock.advance(61)
        SOURCE.says["verified"] = LookupError("the source's own mistake")
        reply = client.get("/verified")
        assert reasons(reply) == {"verified": "expired"}
        assert_untouched(reply)
        assert carried(client) == before

    # --- what the app asks everywhere -----------------------------------------------------

    def test_those_of_the_app_are_fetched_at_every_gate_and_nowhere_else(
        self, client: Client, known: str
    ) -> None:
        with held(IS_VERIFIED):
            for path in ("/peek", "/still", "/session", "/cached"):
                assert client.get(path).status == 200
            assert SOURCE.asked == []
            assert client.get("/me").status == 200
            assert SOURCE.asked == ["verified"]
            assert client.get("/live").status == 200
            assert client.post("/merge", patch={"own": 2}).status == 200
        assert SOURCE.asked == ["verified"]

    def test_a_function_leaves_one_out_that_is_not_even_fetched(
        self, client: Client, known: str
    ) -> None:
        SOURCE.says["verified"] = False
        with held(IS_VERIFIED):
            assert client.get("/unverified").status == 200
            assert SOURCE.asked == []
            assert reasons(client.get("/me")) == {"verified": "wrong value"}
            assert client.get("/unverified").status == 200
        with held(IS_VERIFIED, IN_A):
            assert client.get("/unverified").status == 200
        assert SOURCE.asked == ["verified", "teams"]

    def test_all_that_fail_are_told_together(self, client: Client, known: str) -> None:
        SOURCE.says.update(verified=False, teams=["b"])
        with held(IS_VERIFIED, IN_A):
            reply = client.get("/me")
        assert reasons(reply) == {"verified": "wrong value", "in-a": "wrong value"}
        assert SOURCE.asked == ["verified", "teams"]
        assert_given(reply, "session")

    def test_refreshing_and_signing_out_ask_for_none(
        self, client: Client, known: str, clock: FrozenClock
    ) -> None:
        SOURCE.says["verified"] = False
        with held(IS_VERIFIED):
            assert client.post(f"{MOUNT}/session/refresh").status == 200
            clock.advance(TOKEN + 10)
            assert client.user() == "ann"
            assert client.post("/sign-out").json == {"ended": True}
            client.sign_in("ann")
            assert client.post(f"{MOUNT}/signout").status in (200, 204)
        assert SOURCE.asked == []

    @pytest.mark.parametrize("mode", ["inline", "endpoint"])
    def test_an_expired_token_is_refreshed_first(
        self, open_app: OpenApp, driver: Driver, clock: FrozenClock, mode: str
    ) -> None:
        client = driver.client(open_app(REFRESH_MODE=mode))
        client.sign_in("ann")
        clock.advance(TOKEN + 10)
        reply = client.send("/verified", headers=BY_COOKIE)
        if mode == "inline":
            assert reply.status == 200
            assert_given(reply, "session", "refresh")
            assert carried(client) == VERIFIED.build(True, clock())
        else:
            assert (reply.status, reply.code) == (401, "session-token-expired")
            assert SOURCE.asked == []

    # --- who carries the token ------------------------------------------------------------

    def test_a_script_that_keeps_its_tokens_is_given_the_new_one(
        self, client: Client, clock: FrozenClock
    ) -> None:
        given = client.post("/sign-in", (*SAME, ("rid", "x"), ("st-auth-mode", "header")))
        reply = client.send("/verified", headers=bearer(given.get("st-access-token")))
        assert reply.status == 200
        assert_by_header(reply, "st-access-token", "front-token")
        assert payload(reply.get("st-access-token") or "")["verified"]["v"] is True
        reply = client.send("/verified", headers=bearer(reply.get("st-access-token")))
        assert_untouched(reply)
        assert SOURCE.asked == ["verified"]

    def test_who_takes_no_token_back_lives_on_what_the_session_has(
        self, client: Client, known: str, clock: FrozenClock
    ) -> None:
        headers = by_header(client)
        for _ in range(3):
            reply = client.send("/verified", headers=headers, cookies=False)
            assert (reply.status, reply.json["source"]) == (200, "header")
            assert_untouched(reply)
        clock.advance(2)
        assert client.send("/verified", headers=headers, cookies=False).status == 200
        assert SOURCE.asked == ["verified"]

    def test_two_tabs_with_the_same_token_ask_once(self, client: Client, known: str) -> None:
        other = client.twin()
        assert client.get("/verified").status == 200
        assert other.get("/verified").status == 200
        assert SOURCE.asked == ["verified"]

    def test_who_listens_is_told_which_claims_have_changed(
        self, client: Client, known: str, driver: Driver, app: Any
    ) -> None:
        with driver.signals(app) as signals:
            client.get("/verified")
            client.get("/verified")
        assert [(name, set(data["changed"])) for name, data in signals] == [
            ("claims_refreshed", {"verified"})
        ]

    # --- the session is gone, or the store is ---------------------------------------------

    def test_a_session_that_has_ended_elsewhere_is_refused_and_not_fetched_for(
        self, client: Client, known: str, elsewhere: Sessions
    ) -> None:
        elsewhere.revoke(known)
        reply = client.get("/verified")
        assert (reply.status, reply.code) == (401, "session-token-invalid")
        assert SOURCE.asked == []

    @pytest.mark.parametrize("call", ["load", "commit"])
    def test_without_the_store_it_cannot_be_told_where_something_is_due(
        self, client: Client, known: str, store: FaultyStore, clock: FrozenClock, call: str
    ) -> None:
        assert client.get("/verified").status == 200
        store.break_(call)
        assert client.get("/verified").status == 200
        clock.advance(61)
        assert_unavailable(client.get("/verified"))
        store.mend()
        assert client.get("/verified").status == 200
