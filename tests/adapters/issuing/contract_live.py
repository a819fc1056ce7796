"""Views that read the session's record at each request: `live=True`."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from flask_session_claims import ConfigurationError
from flask_session_claims.io.sessions import Sessions
from flask_session_claims.testing import FrozenClock, LocalIssuer, shared_key

from .contract_fdi import BY_COOKIE
from .contract_feed import ACTS, REVOCATIONS, assert_in_force, by_header
from .contract_stores import CALLS, assert_unavailable
from .drivers import Client, Driver
from .sites import (
    APP,
    TOKEN,
    Contract,
    FaultyStore,
    OpenApp,
    assert_given,
    assert_untouched,
    custom,
    payload,
)


class Live(Contract):
    @pytest.fixture
    def pro(self, client: Client) -> str:
        """The id of the session of `client`, which may see all that there is."""
        session_id = client.sign_in("ann", claims={"plan": "pro"})
        assert client.get("/live-pro").status == 200
        return session_id

    # --- it reads -------------------------------------------------------------------------

    @pytest.mark.parametrize("path", ["/live", "/live-pro"])
    def test_each_request_reads_the_record_once_and_other_views_do_not(
        self, client: Client, pro: str, store: FaultyStore, path: str
    ) -> None:
        """However many gates there are."""
        store.forget()
        for number in range(1, 5):
            assert client.get("/me").json["user"] == "ann"
            assert client.get("/peek").json["user"] == "ann"
            reply = client.get(path)
            assert (reply.json["user"], reply.json["session"]) == ("ann", pro)
            assert (custom(reply.json["claims"]), reply.json["source"]) == (
                {"plan": "pro"},
                "cookie",
            )
            assert_untouched(reply)
            assert store.loaded == [pro] * number
        assert client.send("/live", headers=by_header(client), cookies=False).status == 200
        assert store.loaded == [pro] * 5

    @pytest.mark.parametrize("act", ACTS)
    def test_what_another_process_has_changed_is_in_force_there_at_once(
        self,
        client: Client,
        driver: Driver,
        app: Any,
        elsewhere: Sessions,
        act: str,
    ) -> None:
        """Not a moment passes: by the log nobody here has heard of it."""
        session_id = client.sign_in("ann", claims={"plan": "free", "old": 1})
        assert client.user() == "ann"
        ACTS[act](elsewhere, session_id)
        assert client.get("/me").json["claims"]["plan"] == "free"
        with driver.signals(app) as signals:
            for _ in range(2):
                reply = client.get("/live")
                if act in REVOCATIONS:
                    assert (reply.status, reply.code) == (401, "session-token-invalid")
                else:
                    assert custom(reply.json["claims"]) == {"plan": "pro"}
        rejected = [data for name, data in signals if name == "token_rejected"]
        if act in REVOCATIONS:
            assert rejected == [{"reason": "session-revoked", "source": "cookie"}] * 2
        else:
            assert rejected == []
        assert_in_force(client, act)  # what one request has met, no later one misses

    def test_who_listens_is_told_once_of_what_a_live_view_has_met(
        self, client: Client, pro: str, driver: Driver, app: Any, elsewhere: Sessions
    ) -> None:
        with driver.signals(app) as signals:
            elsewhere.merge_claims(pro, {"plan": "gold"})
            for path in ("/live", "/live", "/me", "/live"):
                assert client.get(path).json["claims"]["plan"] == "gold"
        assert [(name, set(data["changed"])) for name, data in signals] == [
            ("claims_refreshed", {"plan"})
        ]

    def test_a_gate_judges_by_the_claims_of_the_record(
        self, client: Client, pro: str, elsewhere: Sessions
    ) -> None:
        for plan, status in (("free", 403), ("pro", 200), (None, 403)):
            elsewhere.merge_claims(pro, {"plan": plan})
            assert client.get("/live-pro").status == status

    def test_once_the_log_is_read_the_response_brings_the_new_token(
        self, client: Client, pro: str, elsewhere: Sessions, clock: FrozenClock
    ) -> None:
        elsewhere.merge_claims(pro, {"plan": "gold"})
        assert client.get("/live").json["claims"]["plan"] == "gold"
        clock.advance(1)
        assert_given(client.get("/live"), "session")
        assert payload(client.jar.value("session"))["plan"] == "gold"
        assert_untouched(client.get("/live"))

    def test_who_is_not_signed_in_costs_no_read(
        self, client: Client, pro: str, driver: Driver, app: Any, store: FaultyStore
    ) -> None:
        store.forget()
        reply = driver.client(app).get("/live")
        assert (reply.status, reply.code) == (401, "session-token-missing")
        forged = (("Authorization", f"Bearer {client.jar.value('session')[:-9]}AAAAAAAAA"),)
        assert client.send("/live", headers=forged, cookies=False).status == 401
        assert store.loaded == []

    @pytest.mark.parametrize("mode", ["inline", "endpoint"])
    def test_an_expired_token_is_refreshed_as_ever(
        self, open_app: OpenApp, driver: Driver, clock: FrozenClock, mode: str
    ) -> None:
        client = driver.client(open_app(REFRESH_MODE=mode))
        client.sign_in("ann")
        clock.advance(TOKEN + 10)
        reply = client.send("/live", headers=BY_COOKIE)
        if mode == "inline":
            assert reply.json["user"] == "ann"
            assert_given(reply, "session", "refresh")
        else:
            assert (reply.status, reply.code) == (401, "session-token-expired")
            assert_untouched(reply)

    @pytest.mark.parametrize("policy", ["required", "public"])
    def test_the_default_policy_makes_no_difference(
        self, open_app: OpenApp, driver: Driver, elsewhere: Sessions, policy: str
    ) -> None:
        app = open_app(DEFAULT_POLICY=policy)
        client = driver.client(app)
        session_id = driver.sessions(app).create("ann").session.session_id
        token = driver.sessions(app).mint(session_id)
        headers = (("Authorization", f"Bearer {token}"),)
        assert client.send("/live", headers=headers).json["user"] == "ann"
        elsewhere.revoke(session_id)
        assert client.send("/live", headers=headers).status == 401

    # --- it cannot be told ----------------------------------------------------------------

    def test_without_the_store_live_views_alone_are_unavailable_at_once(
        self, client: Client, pro: str, driver: Driver, app: Any, store: FaultyStore
    ) -> None:
        assert client.get("/me").status == 200  # the log was read now
        store.break_(*CALLS)
        for _ in range(2):
            for path in ("/live", "/live-pro"):
                assert_unavailable(client.get(path))
            assert client.get("/me").json["user"] == "ann"
            assert client.get("/peek").json["user"] == "ann"
        assert driver.client(app).get("/live").status == 401
        store.mend()
        assert client.get("/live").json["user"] == "ann"

    def test_a_live_view_needs_the_record_and_not_the_log(
        self, client: Client, pro: str, store: FaultyStore, clock: FrozenClock
    ) -> None:
        store.break_("log_since")
        clock.advance(10)
        assert client.get("/live").json["user"] == "ann"

    @pytest.mark.parametrize("signed_in", [True, False])
    def test_another_issuer_s_sessions_cannot_be_read_and_it_says_so(
        self,
        driver: Driver,
        clock: FrozenClock,
        caplog: pytest.LogCaptureFixture,
        signed_in: bool,
    ) -> None:
        """Rather than be taken for live."""
        issuer = LocalIssuer(key=shared_key("ES256"))
        settings = {"ISSUER": issuer.issuer, "JWT_KEY": issuer.public_pem(), "ORIGINS": [APP]}
        client = driver.client(driver.build(settings, clock))
        now = int(clock())
        token = issuer.mint("ada", azp=APP, iat=now, nbf=now, exp=now + 60)
        headers = (("Authorization", f"Bearer {token}"),) if signed_in else ()
        with caplog.at_level(logging.ERROR):
            reply = client.send("/live", headers=headers)
        assert reply.status == 500
        errors = [record.exc_info[1] for record in caplog.records if record.exc_info]
        (error,) = [error for error in errors if isinstance(error, ConfigurationError)]
        assert "live=True" in error.message
        assert "another issuer's" in error.message
        if signed_in:
            assert client.send("/me", headers=headers).json["user"] == "ada"
