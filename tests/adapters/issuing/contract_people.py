"""Organisations, verified factors, templates: the next response shows what the directory says."""

from __future__ import annotations

from typing import Any

import pytest

from flask_session_claims.core.validators import BooleanClaim
from flask_session_claims.io.directory import LocalDirectory
from flask_session_claims.testing import FrozenClock

from ..drivers import Reply
from .contract_fdi import BY_COOKIE, assert_by_header, bearer
from .contract_stores import assert_unavailable
from .drivers import MOUNT, SAME, Client, Driver, target
from .people import Functions
from .sites import (
    CROSS_SITE,
    TOKEN,
    Contract,
    FaultyStore,
    OpenApp,
    assert_given,
    assert_untouched,
    custom,
    payload,
)

ADMIN, MANAGE, READ = "org:admin", "org:invoices:manage", "org:invoices:read"
NO_IDS = [5, True, 1.5, [], {}]
#: Text as a form may send it, which is nobody's id.
NOBODYS = ["", "x" * 256, "\0", "\ud800"]


def act(
    client: Client, name: str, *, status: int = 200, headers: Any = SAME, **keywords: Any
) -> Reply:
    """An act of the request, and the status that its view answers with."""
    given = {"do": name, "with": keywords, "status": status}
    return client.post("/act", headers, **given)


def switch(client: Client, org_id: Any) -> Reply:
    return act(client, "switch_organization", org_id=org_id)


def org_claims(reply: Reply) -> dict[str, Any]:
    """What the auth of an act's reply says of the organisation."""
    claims = reply.json["auth"]["claims"]
    assert reply.json["returned"] == reply.json["auth"]
    return {name: value for name, value in claims.items() if name.startswith("org_")}


def assert_wrong(reply: Reply, argument: str) -> None:
    """A mistake of the developer's, told by its name, that has changed nothing."""
    assert (reply.status, reply.json["error"]) == (500, "configuration-error"), reply
    assert argument in reply.json["message"]
    assert_untouched(reply)


class People(Contract):
    @pytest.fixture
    def shop(self, open_app: OpenApp) -> Any:
        """An app with a role that brings a permission."""
        return open_app(ROLES={ADMIN: [MANAGE]})

    @pytest.fixture
    def members(self, driver: Driver, shop: Any) -> LocalDirectory:
        """Ann is an admin of Acme and a reader of Bolt; Ben is of neither."""
        directory = driver.directory(shop)
        for user_id in ("ann", "ben"):
            directory.create_user(user_id)
        for org_id, name in (("org_a", "Acme"), ("org_b", "Bolt")):
            directory.create_organization(name, org_id=org_id)
        directory.add_member("org_a", "ann", ADMIN)
        directory.add_member("org_b", "ann", "org:guest", permissions=[READ])
        return directory

    @pytest.fixture
    def admin(self, driver: Driver, shop: Any, members: LocalDirectory) -> Client:
        client = driver.client(shop)
        client.sign_in("ann", claims={"own": 1})
        return client

    # --- organisations ----------------------------------------------------------------------

    def test_switching_changes_who_one_is_at_once_and_for_the_gates_after(
        self, admin: Client, driver: Driver, shop: Any
    ) -> None:
        for path in ("/admin", "/invoices"):
            assert (admin.get(path).status, admin.get(path).code) == (403, "permission-denied")
        with driver.signals(shop) as signals:
            reply = switch(admin, "org_a")
        assert_given(reply, "session")
        assert org_claims(reply) == {
            "org_id": "org_a", "org_slug": "acme", "org_role": ADMIN, "org_permissions": [MANAGE],
        }  # fmt: skip
        assert payload(admin.jar.value("session"))["org_role"] == ADMIN
        told = dict(signals)
        assert list(told) == ["claims_refreshed", "organization_switched"]
        assert told["organization_switched"]["previous"] is None
        assert told["organization_switched"]["auth"].org_id == "org_a"
        assert told["claims_refreshed"]["changed"] == set(org_claims(reply))
        for path in ("/admin", "/invoices"):
            assert_untouched(admin.get(path))
            assert admin.get(path).status == 200
        assert custom(admin.get("/me").json["claims"]) == {"own": 1}

    def test_from_one_to_another_and_to_none(
        self, admin: Client, driver: Driver, shop: Any
    ) -> None:
        switch(admin, "org_a")
        with driver.signals(shop) as signals:
            assert org_claims(switch(admin, "org_b"))["org_permissions"] == [READ]
            assert admin.get("/admin").status == admin.get("/invoices").status == 403
            assert org_claims(switch(admin, None)) == {}
            assert switch(admin, None).status == 200
        switched = [data for name, data in signals if name == "organization_switched"]
        assert [data["previous"] for data in switched] == ["org_a", "org_b"]
        assert admin.get("/admin").status == 403
        assert admin.user() == "ann"

    @pytest.mark.parametrize("org_id", ["org_b", "org_unknown", "\u00e9", *NOBODYS])
    def test_an_organisation_of_others_is_refused_and_nothing_changes(
        self, admin: Client, members: LocalDirectory, driver: Driver, shop: Any, org_id: str
    ) -> None:
        members.remove_member("org_b", "ann")
        switch(admin, "org_a")
        with driver.signals(shop) as signals:
            reply = switch(admin, org_id)
        assert (reply.status, reply.code) == (403, "membership-missing")
        assert "organisation" in reply.json["message"]
        assert_untouched(reply)
        assert signals == []
        assert admin.get("/me").json["claims"]["org_id"] == "org_a"

    @pytest.mark.parametrize("org_id", NO_IDS)
    def test_what_is_no_id_is_the_developers_mistake(self, admin: Client, org_id: Any) -> None:
        assert_wrong(switch(admin, org_id), "org_id")
        assert admin.user() == "ann"

    def test_who_is_signed_out_has_nothing_to_switch(self, driver: Driver, shop: Any) -> None:
        reply = switch(driver.client(shop), "org_a")
        assert (reply.status, reply.json["error"]) == (409, "session-missing")
        assert_untouched(reply)

    def test_signing_in_names_the_organisation(
        self, driver: Driver, shop: Any, members: LocalDirectory
    ) -> None:
        client = driver.client(shop)
        reply = client.post("/sign-in", user="ben", org_id="org_a")
        assert (reply.status, reply.code) == (403, "membership-missing")
        assert_untouched(reply)
        assert client.user() is None
        client.sign_in("ann", org_id="org_a")
        assert client.get("/invoices").status == 200

    @pytest.mark.parametrize("how", ["membership", "organization"])
    def test_who_is_no_member_any_more_is_signed_in_without_it(
        self, admin: Client, members: LocalDirectory, how: str
    ) -> None:
        switch(admin, "org_a")
        if how == "membership":
            assert members.remove_member("org_a", "ann")
        else:
            assert members.delete_organization("org_a")
        reply = admin.get("/me")
        assert (reply.status, reply.json["user"]) == (200, "ann")
        assert "org_id" not in reply.json["claims"]
        assert_given(reply, "session")
        assert admin.get("/admin").status == admin.get("/invoices").status == 403

    def test_another_role_is_in_force_with_the_next_request(
        self, admin: Client, members: LocalDirectory
    ) -> None:
        switch(admin, "org_a")
        members.update_member("org_a", "ann", role="org:guest", permissions=[READ])
        assert admin.get("/admin").status == 403
        claims = admin.get("/me").json["claims"]
        assert (claims["org_role"], claims["org_permissions"]) == ("org:guest", [READ])
        members.update_member("org_a", "ann", role=ADMIN)
        assert admin.get("/invoices").status == 200
        assert admin.get("/me").json["claims"]["org_permissions"] == [READ, MANAGE]

    def test_compact_claims_say_the_same(self, driver: Driver, open_app: OpenApp) -> None:
        app = open_app(ROLES={ADMIN: [MANAGE]}, ORGANIZATION_CLAIMS="compact")
        directory, client = driver.directory(app), driver.client(app)
        directory.create_user("ann")
        directory.create_organization("Acme", org_id="org_a")
        directory.add_member("org_a", "ann", ADMIN)
        client.sign_in("ann")
        claims = switch(client, "org_a").json["auth"]["claims"]
        o = {"id": "org_a", "slg": "acme", "rol": "admin", "per": "manage", "fpm": "1"}
        assert (claims["v"], claims["o"], claims["fea"]) == (2, o, "o:invoices")
        assert client.get("/admin").status == client.get("/invoices").status == 200
        assert "o" not in switch(client, None).json["auth"]["claims"]
        assert client.get("/admin").status == 403

    def test_a_script_that_keeps_its_tokens_gets_them_in_headers(
        self, admin: Client, members: LocalDirectory
    ) -> None:
        given = admin.post("/sign-in", (("rid", "x"), ("st-auth-mode", "header")), user="ann")
        admin.jar.drop("session")
        admin.jar.drop("refresh")
        fields = bearer(given.get("st-access-token"))
        reply = act(admin, "switch_organization", headers=fields, org_id="org_a")
        assert_by_header(reply, "st-access-token", "front-token")
        assert payload(reply.get("st-access-token") or "")["org_id"] == "org_a"

    def test_a_script_without_the_cookies_text_learns_it_from_the_front_token(
        self, admin: Client, members: LocalDirectory
    ) -> None:
        reply = act(admin, "switch_organization", headers=BY_COOKIE, org_id="org_a")
        assert_given(reply, "session")
        assert reply.get("front-token") is not None

    # --- verified factors -------------------------------------------------------------------

    def test_what_was_verified_counts_from_now(
        self, client: Client, clock: FrozenClock, app: Any
    ) -> None:
        client.sign_in("ann")
        assert client.get("/strict").status == 200  # signing in is verifying
        clock.advance(600)
        reply = client.get("/strict")
        assert (reply.status, reply.code) == (403, "reverification-required")
        assert reply.json["clerk_error"]["reason"] == "reverification-error"
        reply = act(client, "mark_verified", first=True)
        assert_given(reply, "session")
        assert reply.json["auth"]["claims"]["fva"] == [0, -1]
        assert reply.json["returned"] == reply.json["auth"]
        assert client.get("/strict").status == 200

    def test_a_second_factor_counts_from_then_on(self, client: Client, clock: FrozenClock) -> None:
        client.sign_in("ann")
        clock.advance(600)
        assert act(client, "mark_verified", second=True).json["auth"]["claims"]["fva"] == [10, 0]
        assert client.get("/strict").status == 200
        clock.advance(600)
        assert act(client, "mark_verified", first=True).json["auth"]["claims"]["fva"] == [0, 10]
        assert client.get("/strict").status == 403
        both = act(client, "mark_verified", first=True, second=True)
        assert both.json["auth"]["claims"]["fva"] == [0, 0]

    @pytest.mark.parametrize(
        "given", [{}, {"first": False}, {"first": 1}, {"second": "yes"}, {"first": None}]
    )
    def test_what_names_no_factor_is_the_developers_mistake(
        self, client: Client, given: dict[str, Any]
    ) -> None:
        client.sign_in("ann")
        assert_wrong(act(client, "mark_verified", **given), "first=True")

    def test_who_is_signed_out_or_revoked_cannot_be_verified(
        self, client: Client, driver: Driver, app: Any
    ) -> None:
        reply = act(client, "mark_verified", first=True)
        assert (reply.status, reply.json["error"]) == (409, "session-missing")
        session_id = client.sign_in("ann")
        driver.sessions(app).revoke(session_id)
        assert act(client, "mark_verified", first=True).status in (401, 409)

    @pytest.mark.parametrize(
        ("name", "keywords"),
        [("switch_organization", {"org_id": None}), ("mark_verified", {"first": True})],
    )
    def test_acts_wait_for_no_store_that_is_down_and_trust_no_other_site(
        self, client: Client, store: FaultyStore, name: str, keywords: dict[str, Any]
    ) -> None:
        client.sign_in("ann")
        reply = act(client, name, headers=CROSS_SITE, **keywords)
        assert (reply.status, reply.json["error"]) == (409, "session-missing")
        assert_untouched(reply)
        store.break_("commit", "load")
        assert_unavailable(act(client, name, **keywords))
        store.mend()
        assert act(client, name, **keywords).status == 200

    # --- templates --------------------------------------------------------------------------

    def test_a_template_puts_what_the_directory_knows_into_the_token(
        self, client: Client, driver: Driver, app: Any
    ) -> None:
        directory, templates = driver.directory(app), driver.templates(app)
        saved = templates.save({"plan": "{{user.public_metadata.plan}}", "none": None})
        directory.create_user("ann", public_metadata={"plan": "free"}, private_metadata={"n": 1})
        reply = client.post("/sign-in", user="ann", claims={"own": 1})
        said = {"plan": "free", "none": None, "own": 1}
        assert custom(reply.json["auth"]["claims"]) == said
        assert custom(payload(client.jar.value("session"))) == said
        assert client.get("/known", user="ann").json == {
            "metadata": {"plan": "free"}, "template": saved.text,
        }  # fmt: skip
        assert client.get("/known", user="ben").json["metadata"] is None

    def test_a_change_in_the_directory_shows_in_the_next_response(
        self, client: Client, driver: Driver, app: Any
    ) -> None:
        directory, templates = driver.directory(app), driver.templates(app)
        templates.save({"plan": "{{user.public_metadata.plan}}"})
        directory.create_user("ann", public_metadata={"plan": "free"})
        client.sign_in("ann", claims={"own": 1})
        with driver.signals(app) as signals:
            directory.update_user_metadata("ann", public={"plan": "pro"}, private={"note": "x"})
        assert signals == [
            ("user_metadata_changed", {"user_id": "ann", "kinds": frozenset({"public", "private"})})
        ]
        reply = client.get("/me")
        assert custom(reply.json["claims"]) == {"plan": "pro", "own": 1}
        assert_given(reply, "session")
        assert custom(payload(client.jar.value("session"))) == {"plan": "pro", "own": 1}
        assert_untouched(client.get("/me"))

    def test_who_is_deleted_is_signed_out(self, client: Client, driver: Driver, app: Any) -> None:
        directory = driver.directory(app)
        directory.create_user("ann")
        client.sign_in("ann")
        assert directory.delete_user("ann")
        assert client.get("/me").status == 401
        assert client.post(f"{MOUNT}/session/refresh").status == 401

    # --- fetched claims for the whole app -----------------------------------------------------

    def test_claims_and_validators_of_the_app_hold_at_every_gate(
        self, driver: Driver, open_app: OpenApp, clock: FrozenClock
    ) -> None:
        confirmed = {"ann": False}
        claim = BooleanClaim("confirmed", lambda user_id, session: confirmed[user_id], max_age=60)
        given = Functions(claims=(claim,), validators=(claim.is_true(),))
        client = driver.client(open_app(functions=given))
        client.sign_in("ann")
        at_sign_in = claim.build(False, clock())
        assert custom(payload(client.jar.value("session"))) == at_sign_in
        reply = client.send(target("/me"))
        assert (reply.status, reply.code) == (403, "claim-validation-failed")
        confirmed["ann"] = True
        clock.advance(TOKEN + 10)
        assert custom(client.get("/me").json["claims"]) == claim.build(True, clock())
        assert client.user() == "ann"
