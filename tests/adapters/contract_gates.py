"""Gates: who passes which, in every kind of view, and that a view runs once or not at all."""

from __future__ import annotations

import pytest

from flask_session_claims.testing import LocalIssuer

from .drivers import Driver, Reply, Site
from .sites import APP, ORGANIZATION, Contract, Mint, OpenSite, bad_tokens

ALL_GUARDED = (
    "guarded", "called", "sync-guarded", "async-guarded", "class-guarded", "wrong-order",
    "wrong-order-sync", "wrong-order-async", "hidden", "hidden-async",
)  # fmt: skip
ALL_ADMIN = (
    "admin", "twice", "twice-reversed", "sync-admin", "async-admin", "class-admin",
    "wrong-order-admin", "wrong-order-twice",
)  # fmt: skip


def passed(site: Site, name: str, reply: Reply) -> bool:
    """Whether the view answered; it ran once then, and else not at all."""
    ran = site.runs(name)
    site.ran.clear()
    if reply.status == 200:
        assert ran == 1, f"{name} ran {ran} times"
        assert reply.json == {"done": True}
        return True
    assert ran == 0, f"{name} was refused with {reply.status}, and ran"
    return False


class Gates(Contract):
    @pytest.mark.parametrize("name", ALL_GUARDED)
    def test_login_required_lets_exactly_the_signed_in_pass(
        self, site: Site, issuer: LocalIssuer, mint: Mint, name: str
    ) -> None:
        for source in ("header", "cookie"):
            assert passed(site, name, site.ask(f"/{name}", mint(), source=source))
        reply = site.ask(f"/{name}")
        assert (passed(site, name, reply), reply.status) == (False, 401)
        for what, (token, _) in bad_tokens(issuer).items():
            reply = site.ask(f"/{name}", token)
            assert (what, passed(site, name, reply), reply.status) == (what, False, 401)

    @pytest.mark.parametrize("name", ALL_GUARDED)
    def test_an_expired_token_does_not_pass_and_is_told_apart(
        self, site: Site, mint: Mint, name: str
    ) -> None:
        reply = site.ask(f"/{name}", mint(lifetime=-30))
        assert not passed(site, name, reply)
        assert (reply.status, reply.code) == (401, "session-token-expired")

    @pytest.mark.parametrize("name", ALL_GUARDED)
    def test_a_pending_session_is_refused_with_403(
        self, site: Site, issuer: LocalIssuer, name: str
    ) -> None:
        reply = site.ask(f"/{name}", issuer.mint_v2(azp=APP, sts="pending"))
        assert not passed(site, name, reply)
        assert (reply.status, reply.code) == (403, "session-pending")

    def test_a_pending_session_is_signed_out_where_nothing_is_required(
        self, site: Site, issuer: LocalIssuer
    ) -> None:
        seen = site.ask("/me", issuer.mint_v2(azp=APP, sts="pending")).json
        assert (seen["is_authenticated"], seen["reason"]) == (False, "session-pending")
        assert (seen["session_status"], seen["claims"]) == ("pending", {})

    def test_a_pending_session_passes_where_that_is_asked_for(
        self, open_site: OpenSite, issuer: LocalIssuer
    ) -> None:
        site = open_site(ACCEPT_PENDING=True)
        assert passed(site, "guarded", site.ask("/guarded", issuer.mint_v2(azp=APP, sts="pending")))

    @pytest.mark.parametrize("name", ALL_ADMIN)
    def test_a_role_is_required_of_who_is_signed_in(
        self, site: Site, issuer: LocalIssuer, name: str
    ) -> None:
        nobody = site.ask(f"/{name}")
        assert (passed(site, name, nobody), nobody.status) == (False, 401)
        for org in (None, {**ORGANIZATION, "rol": "member"}):
            other = site.ask(f"/{name}", issuer.mint_v2(azp=APP, org=org))
            assert (passed(site, name, other), other.status) == (False, 403)
            assert other.code == "permission-denied"
        assert passed(site, name, site.ask(f"/{name}", issuer.mint_v2(azp=APP, org=ORGANIZATION)))
        flat = issuer.mint(azp=APP, org_id="org_1", org_role="org:admin")
        assert passed(site, name, site.ask(f"/{name}", flat))

    def test_each_thing_that_can_be_required(self, site: Site, issuer: LocalIssuer) -> None:
        rich = {"org": ORGANIZATION, "fea": "o:teams", "pla": "o:pro"}
        for name, allowed, claims in [
            ("permission", True, rich),
            ("permission", False, {**rich, "org": {**ORGANIZATION, "fpm": "1"}}),
            ("permission", False, {**rich, "org": None}),
            ("feature", True, rich),
            ("feature", False, {**rich, "fea": "o:other"}),
            ("feature", False, {}),
            ("plan", True, rich),
            ("plan", False, {**rich, "pla": "u:pro"}),
            ("plan", False, {}),
            ("role-and-plan", True, rich),
            ("role-and-plan", False, {**rich, "pla": "o:free"}),
            ("role-and-plan", False, {**rich, "org": {**ORGANIZATION, "rol": "member"}}),
            ("claim", True, {"level": 1}),
            ("claim", False, {"level": 2}),
            ("claim", False, {"level": True}),
            ("claim", False, {"level": "1"}),
            ("claim", False, {}),
            ("claim-set", True, {"tier": "pro"}),
            ("claim-set", True, {"tier": "team"}),
            ("claim-set", False, {"tier": "free"}),
            ("claim-set", False, {"tier": ["pro"]}),
            ("claim-set", False, {}),
            ("claim-true", True, {"beta": True}),
            ("claim-true", False, {"beta": 1}),
            ("claim-true", False, {"beta": False}),
            ("predicate", True, {"sub": "user_7"}),
            ("predicate", False, {"sub": "user_8"}),
            ("predicate-truthy", False, {}),
        ]:
            reply = site.ask(f"/{name}", issuer.mint_v2(azp=APP, **claims))  # type: ignore[arg-type]
            assert (name, claims, passed(site, name, reply)) == (name, claims, allowed)
            if not allowed:
                assert (reply.status, reply.code) == (403, "permission-denied")

    def test_a_predicate_that_fails_lets_nobody_pass(self, site: Site, mint: Mint) -> None:
        assert site.ask("/predicate-broken", mint()).status == 500
        assert site.ask("/predicate-broken").status == 401
        assert site.runs("predicate-broken") == 0

    @pytest.mark.parametrize(
        ("name", "fva", "rule"),
        [
            ("reverified", [0, 0], None),
            ("reverified", [9, -1], None),
            ("reverified", [10, -1], "strict"),
            ("reverified", [0, 10], "strict"),
            ("reverified", [-1, -1], "strict"),
            ("reverified", None, "strict"),
            ("reverified", "0,0", "strict"),
            ("reverified-rule", [4, -1], None),
            ("reverified-rule", [5, -1], {"level": "first_factor", "afterMinutes": 5}),
        ],
    )
    def test_old_factors_are_refused_in_the_form_the_browser_hooks_know(
        self, site: Site, issuer: LocalIssuer, name: str, fva: object, rule: object
    ) -> None:
        token = issuer.mint_v2(azp=APP, fva=fva)
        reply = site.ask(f"/{name}", token)
        assert passed(site, name, reply) is (rule is None)
        if rule is not None:
            assert reply.status == 403
            assert reply.code == "reverification-required"
            assert reply.json["clerk_error"] == {
                "type": "forbidden",
                "reason": "reverification-error",
                "metadata": {"reverification": rule},
            }

    def test_who_acts_for_another_is_visible_and_can_be_refused(
        self, site: Site, mint: Mint
    ) -> None:
        token = mint("user_1", act={"sub": "user_admin"})
        assert site.ask("/me", token).json["actor"] == {"sub": "user_admin"}
        assert passed(site, "guarded", site.ask("/guarded", token))
        reply = site.ask("/no-actor", token)
        assert not passed(site, "no-actor", reply)
        assert (reply.status, reply.code) == (403, "actor-refused")
        assert passed(site, "no-actor", site.ask("/no-actor", mint("user_1")))

    # --- mistakes in writing -------------------------------------------------------------

    def test_gates_that_cannot_be_meant_are_refused_where_they_are_written(
        self, driver: Driver
    ) -> None:
        v = driver.vocabulary

        class Page:
            pass

        for mistake in (
            lambda: v.claims_required(),
            lambda: v.claims_required("admin"),
            lambda: v.claims_required(role=""),
            lambda: v.claims_required(role=["admin"]),
            lambda: v.claims_required(claims={}),
            lambda: v.claims_required(claims="level"),
            lambda: v.claims_required(predicate="admin"),
            lambda: v.claims_required(reverification="strictest"),
            lambda: v.claims_required(reverification={"level": "first_factor"}),
            lambda: v.login_required(Page),
            lambda: v.login_required("admin"),
            lambda: v.claims_required(role="admin")(Page),
            lambda: v.public(v.login_required(lambda: None)),
        ):
            with pytest.raises(v.ConfigurationError):
                mistake()
        with pytest.raises(TypeError):
            v.claims_required(roles="admin")

    def test_a_gated_view_keeps_its_name_and_text(self, driver: Driver) -> None:
        v = driver.vocabulary

        def view() -> None:
            """What it is for."""

        async def aview() -> None:
            """What it is for."""

        for gate in (v.login_required, v.login_required(), v.claims_required(role="admin")):
            for each in (view, aview):
                gated = gate(each)
                assert gated is not each
                assert (gated.__name__, gated.__doc__) == (each.__name__, "What it is for.")

    # --- once ------------------------------------------------------------------------------

    @pytest.mark.parametrize(
        "name",
        ["attribute-error", "type-error", "key-error", "token-error", "unavailable-error",
         "async-attribute-error", "sync-type-error"],
    )  # fmt: skip
    def test_a_view_that_fails_behind_a_gate_runs_exactly_once(
        self, site: Site, mint: Mint, name: str
    ) -> None:
        reply = site.ask(f"/{name}", mint())
        assert site.runs(name) == 1
        # Its own failure is never taken for one of the visitor's.
        assert reply.status >= 500
        assert site.ask(f"/{name}").status == 401
        assert site.runs(name) == 1

    @pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
    def test_every_method_of_a_guarded_view_is_guarded(
        self, site: Site, mint: Mint, method: str
    ) -> None:
        assert site.ask("/guarded-any", method=method).status == 401
        assert site.runs("guarded-any") == 0
        assert site.ask("/guarded-any", mint(), method=method).status == 200
        assert site.runs("guarded-any") == 1

    @pytest.mark.parametrize("name", ["guarded", "wrong-order"])
    def test_a_preflight_is_not_refused_for_want_of_credentials(
        self, site: Site, name: str
    ) -> None:
        preflight = [("Origin", APP), ("Access-Control-Request-Method", "POST")]
        reply = site.ask(f"/{name}", method="OPTIONS", headers=preflight)
        assert reply.status not in (401, 403, 302)
        assert reply.status < 500

    @pytest.mark.parametrize("name", ["guarded", "guarded-any", "wrong-order"])
    def test_a_preflight_does_not_run_a_guarded_view(self, site: Site, name: str) -> None:
        preflight = [("Origin", APP), ("Access-Control-Request-Method", "GET")]
        reply = site.ask(f"/{name}", method="OPTIONS", headers=preflight)
        assert site.runs(name) == 0
        assert b"done" not in reply.body

    def test_only_options_can_be_a_preflight(self, site: Site) -> None:
        marks = [("Origin", APP), ("Access-Control-Request-Method", "GET")]
        for method in ("GET", "POST", "HEAD"):
            assert site.ask("/guarded-any", method=method, headers=marks).status == 401
        assert site.runs("guarded-any") == 0
