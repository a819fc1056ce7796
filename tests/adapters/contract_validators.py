"""Validators at gates where tokens are another issuer's, whose claims are judged as they are."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from typing import Any

import pytest

from flask_session_claims import ConfigurationError
from flask_session_claims.core.validators import ListClaim
from flask_session_claims.testing import LocalIssuer

from .contract_gates import ALL_GUARDED, passed
from .drivers import Driver, Site
from .fetched import IN_A, IS_VERIFIED, SOURCE, TEAMS, VERIFIED, held
from .sites import ORGANIZATION, Contract, Mint, OpenSite

ALL_VERIFIED = (
    "verified", "verified-twice", "sync-verified", "async-verified", "class-verified",
    "wrong-order-verified", "hidden-verified", "hidden-async-verified",
)  # fmt: skip
STEP_UP = (
    'Bearer error="insufficient_user_authentication",'
    ' error_description="Confirm who you are once more, then try again.", max_age="600",'
    ' acr_values="http://schemas.openid.net/pape/policies/2007/06/multi-factor"'
)


def said(id: str, member: str, wanted: Any, message: str, actual: Any = None) -> dict[str, Any]:
    """An entry of `claimValidationErrors`."""
    return {"id": id, "reason": {"message": message, member: wanted, "actualValue": actual}}


UNKNOWN = said("verified", "expectedValue", True, "value does not exist")
UNTRUE = said("verified", "expectedValue", True, "wrong value", False)
NOT_IN_A = said("in-a", "expectedToInclude", "a", "wrong value", ["b"])


def invalid(*errors: dict[str, Any]) -> dict[str, Any]:
    """The body of a refusal."""
    return {
        "code": "claim-validation-failed",
        "message": "invalid claim",
        "claimValidationErrors": list(errors),
    }


class Validated(Contract):
    @pytest.fixture(autouse=True)
    def nothing_is_fetched(self) -> Iterator[None]:
        """Nobody but the issuer could put it into the session."""
        SOURCE.forget()
        yield
        assert SOURCE.asked == []

    @pytest.mark.parametrize("name", ALL_VERIFIED)
    def test_a_claim_that_holds_lets_pass_and_another_does_not(
        self, site: Site, mint: Mint, name: str
    ) -> None:
        now = time.time()
        good = VERIFIED.build(True, now)
        for source in ("header", "cookie"):
            assert passed(site, name, site.ask(f"/{name}", mint(**good), source=source))
        for claims, errors in [
            ({}, [UNKNOWN]),
            (VERIFIED.build(False, now), [UNTRUE]),
            ({"verified": True}, [UNKNOWN]),
            ({"verified": {"v": True, "t": None}}, [UNKNOWN]),
            ({"verified": {"v": 1, "t": int(now * 1000)}}, [UNKNOWN]),
            (VERIFIED.build(True, now + 600), [UNKNOWN]),
        ]:
            reply = site.ask(f"/{name}", mint(**claims))
            assert not passed(site, name, reply)
            assert (reply.status, reply.json) == (403, invalid(*errors))
            assert reply.get("Cache-Control") == "no-store"
            assert {"authorization", "cookie"} <= reply.names("Vary")
        assert site.ask(f"/{name}").status == 401

    def test_a_claim_that_is_too_old_has_expired(self, site: Site, mint: Mint) -> None:
        reply = site.ask("/verified", mint(**VERIFIED.build(True, time.time() - 1000)))
        assert reply.status == 403
        (error,) = reply.json["claimValidationErrors"]
        assert set(error["reason"]) == {"message", "ageInSeconds", "maxAgeInSeconds"}
        assert error["reason"]["message"] == "expired"
        assert error["reason"]["maxAgeInSeconds"] == 60
        assert 1000 <= error["reason"]["ageInSeconds"] < 1100

    def test_all_that_fail_are_told_together(self, site: Site, mint: Mint) -> None:
        now = time.time()
        both = {**VERIFIED.build(False, now), **TEAMS.build(["b"], now)}
        reply = site.ask("/verified-teams", mint(**both))
        assert (reply.status, reply.json) == (403, invalid(UNTRUE, NOT_IN_A))
        with held(IN_A):
            reply = site.ask("/verified-teams", mint(**both))
            assert reply.json == invalid(NOT_IN_A, UNTRUE, NOT_IN_A)
        good = {**VERIFIED.build(True, now), **TEAMS.build(["b", "a"], now)}
        for name in ("verified-teams", "verified-teams-twice"):
            assert passed(site, name, site.ask(f"/{name}", mint(**good)))

    def test_a_missing_right_is_told_first(
        self, site: Site, mint: Mint, issuer: LocalIssuer
    ) -> None:
        assert site.ask("/verified-admin", mint()).code == "permission-denied"
        admin = mint(org_id="org_1", org_role=f"org:{ORGANIZATION['rol']}")
        assert site.ask("/verified-admin", admin).json == invalid(UNKNOWN)

    # --- of the app -------------------------------------------------------------------------

    @pytest.mark.parametrize("name", ALL_GUARDED)
    def test_those_of_the_app_hold_at_every_gate(self, site: Site, mint: Mint, name: str) -> None:
        good = mint(**VERIFIED.build(True, time.time()))
        with held(IS_VERIFIED):
            assert passed(site, name, site.ask(f"/{name}", good))
            reply = site.ask(f"/{name}", mint())
            assert not passed(site, name, reply)
            assert (reply.status, reply.json) == (403, invalid(UNKNOWN))
            assert site.ask(f"/{name}").code == "session-token-missing"

    def test_they_hold_where_nobody_has_to_be_signed_in_for_nobody(
        self, site: Site, mint: Mint
    ) -> None:
        with held(IS_VERIFIED):
            for name in ("open", "public", "public-me", "me", "sync-me", "async-me", "class-me"):
                assert site.ask(f"/{name}", mint()).status == 200
            assert site.ask("/me", mint()).json["is_authenticated"] is True
            fdi = [("rid", "anti-csrf")]
            assert site.ask("/me", mint(), headers=fdi).status == 200

    def test_the_default_policy_required_asks_for_them(
        self, open_site: OpenSite, mint: Mint
    ) -> None:
        site = open_site(DEFAULT_POLICY="required")
        with held(IS_VERIFIED):
            assert site.ask("/me", mint()).json == invalid(UNKNOWN)
            assert site.ask("/me", mint(**VERIFIED.build(True, time.time()))).status == 200
            assert site.ask("/public-me", mint()).status == 200
            for name in ("guarded", "hidden", "shortcut", "admin", "wrong-order"):
                assert site.ask(f"/{name}", mint()).status == 403
            for name in ("unverified", "async-unverified"):
                assert passed(site, name, site.ask(f"/{name}", mint()))
                assert site.ask(f"/{name}").status == 401
            assert site.ask("/unverified-verified", mint()).json == invalid(UNKNOWN)

    def test_a_function_may_leave_one_out(self, site: Site, mint: Mint) -> None:
        with held(IS_VERIFIED):
            assert passed(site, "unverified", site.ask("/unverified", mint()))
        with held(IS_VERIFIED, IN_A):
            reply = site.ask("/unverified", mint(**TEAMS.build(["b"], time.time())))
            assert not passed(site, "unverified", reply)
            assert reply.json == invalid(NOT_IN_A)
        assert site.ask("/unverified").status == 401

    # --- of the app's own writing -----------------------------------------------------------

    def test_an_own_validator_says_its_own_reason(self, site: Site, mint: Mint) -> None:
        assert passed(site, "own-validator", site.ask("/own-validator", mint(age=18)))
        reply = site.ask("/own-validator", mint(age=17))
        reason = {"message": "too young", "age": 17}
        assert (reply.status, reply.json) == (403, invalid({"id": "own", "reason": reason}))

    def test_an_own_validator_that_fails_lets_nobody_pass_and_is_named(
        self, site: Site, mint: Mint, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.ERROR):
            reply = site.ask("/own-validator", mint())
        assert reply.status == 500
        assert site.runs("own-validator") == 0
        errors = [record.exc_info[1] for record in caplog.records if record.exc_info]
        (error,) = [error for error in errors if isinstance(error, ConfigurationError)]
        assert error.code == "validator-failed"
        assert "'own'" in error.message
        assert site.ask("/own-validator").status == 401

    # --- form -------------------------------------------------------------------------------

    def test_a_page_is_told_no_names_and_no_values(self, open_site: OpenSite, mint: Mint) -> None:
        site = open_site(SIGN_IN_URL="/sign-in")
        token = mint(**TEAMS.build(["b"], time.time()))
        navigate = [("Sec-Fetch-Mode", "navigate"), ("Accept", "text/html")]
        reply = site.ask("/verified-teams", token, headers=navigate)
        assert reply.status == 403
        assert reply.body.startswith(b"<!doctype html>")
        for word in (b"verified", b"in-a", b"teams", b"expected", b"invalid claim"):
            assert word not in reply.body

    def test_the_app_s_own_handler_sees_the_code(self, open_site: OpenSite, mint: Mint) -> None:
        site = open_site(handlers=True)
        reply = site.ask("/verified", mint())
        assert (reply.status, reply.json) == (403, {"handled": 403, "code": invalid()["code"]})

    def test_validators_that_cannot_be_meant_are_refused_where_they_are_written(
        self, driver: Driver
    ) -> None:
        v = driver.vocabulary

        async def choose(usual: Any) -> Any:
            """Nothing waits for it."""

        bad: Any
        for bad in ([], (), IS_VERIFIED, VERIFIED, "verified", [VERIFIED], [None], {}, 3, choose):
            for gate in (v.login_required, v.claims_required):
                with pytest.raises(v.ConfigurationError, match="validators: "):
                    gate(validators=bad)
        for mistake in (lambda: ListClaim("sub", print), lambda: TEAMS.includes_any([])):
            with pytest.raises(v.ConfigurationError):
                mistake()

    # --- step-up ----------------------------------------------------------------------------

    @pytest.mark.parametrize("opted_in", [False, True])
    def test_old_factors_are_a_401_for_bearer_clients_where_that_is_asked_for(
        self, open_site: OpenSite, issuer: LocalIssuer, mint: Mint, opted_in: bool
    ) -> None:
        site = open_site(STEP_UP_401=opted_in)
        navigate = [("Sec-Fetch-Mode", "navigate"), ("Accept", "text/html")]
        for source, headers, status in [
            ("header", [], 401),
            ("header", navigate, 401),
            ("header", [("rid", "anti-csrf")], 403),
            ("header", [("st-auth-mode", "header")], 403),
            ("cookie", [], 403),
            ("cookie", navigate, 403),
            ("cookie", [("rid", "anti-csrf")], 403),
        ]:
            reply = site.ask("/reverified", mint(fva=[20, -1]), source=source, headers=headers)
            assert reply.status == (status if opted_in else 403)
            assert reply.get("WWW-Authenticate") == STEP_UP
            assert site.runs("reverified") == 0
            if headers is not navigate:
                assert reply.code == "reverification-required"
                rule = {"reverification": "strict"}
                assert reply.json["clerk_error"]["metadata"] == rule
        assert passed(site, "reverified", site.ask("/reverified", mint(fva=[0, 0])))
