"""`get_token(template=)`: tokens for other services, of templates that have a name."""

from __future__ import annotations

from typing import Any

import pytest
from jwt import get_unverified_header

from flask_session_claims.core.claims import SESSION_CATEGORY, TEMPLATE_CATEGORY
from flask_session_claims.testing import FrozenClock
from flask_session_claims.testing.record import record

from ..drivers import Reply
from .contract_stores import assert_unavailable
from .drivers import Client, Driver
from .sites import Contract, FaultyStore, payload

TEMPLATE = {"role": "authenticated", "email": "{{user.primary_email_address}}"}


def token_of(client: Client, template: str | None = None) -> Reply:
    return client.get("/token") if template is None else client.get("/token", template=template)


class Tokens(Contract):
    @pytest.fixture
    def holder(self, client: Client, driver: Driver, app: Any) -> Client:
        """Signed in, where there is a template with the name of another service."""
        driver.directory(app).create_user("ann", primary_email_address="ann@example.com")
        driver.templates(app).save(TEMPLATE, name="backend", lifetime=90, audience="backend-api")
        client.sign_in("ann")
        return client

    def test_a_token_of_a_template_says_what_it_gives_and_is_no_session_token(
        self, holder: Client, clock: FrozenClock
    ) -> None:
        token = token_of(holder, "backend").json["token"]
        record([token])
        said = payload(token)
        assert {name: said[name] for name in ("sub", "aud", "role", "email")} == {
            "sub": "ann",
            "aud": "backend-api",
            "role": "authenticated",
            "email": "ann@example.com",
        }
        assert said["exp"] - said["iat"] == 90
        assert "sid" not in said
        assert get_unverified_header(token)["cat"] == TEMPLATE_CATEGORY
        reply = holder.send("/me", headers=(("Authorization", f"Bearer {token}"),), cookies=False)
        assert reply.status == 401
        assert token_of(holder, "backend").json["token"] != token, (
            "each is made when it is asked for"
        )

    def test_without_a_template_it_is_the_session_s_own(self, holder: Client) -> None:
        token = token_of(holder).json["token"]
        assert token == holder.jar.value("session")
        assert get_unverified_header(token)["cat"] == SESSION_CATEGORY

    def test_what_the_directory_says_by_now_is_in_it(
        self, holder: Client, driver: Driver, app: Any
    ) -> None:
        driver.directory(app).update_user("ann", primary_email_address="ann@example.org")
        token = token_of(holder, "backend").json["token"]
        record([token])
        assert payload(token)["email"] == "ann@example.org"

    def test_one_that_there_is_not_is_told(self, holder: Client) -> None:
        reply = token_of(holder, "frontend")
        assert (reply.status, reply.json["error"]) == (404, "template-unknown")

    @pytest.mark.parametrize("name", ["session", "no name", "x" * 65, ""])
    def test_what_can_be_no_name_is_the_developers_mistake(self, holder: Client, name: str) -> None:
        reply = token_of(holder, name)
        assert (reply.status, reply.json["error"]) == (500, "configuration-error")

    def test_nobody_has_none(self, client: Client, driver: Driver, app: Any) -> None:
        driver.templates(app).save(TEMPLATE, name="backend")
        assert token_of(client, "backend").json == {"token": None}
        assert token_of(client).json == {"token": None}

    def test_a_store_that_is_down_gives_no_token(self, holder: Client, store: FaultyStore) -> None:
        assert token_of(holder, "backend").status == 200
        store.break_("load")
        assert_unavailable(token_of(holder, "backend"))
        store.mend()
        assert token_of(holder, "backend").status == 200
