"""Signing in: what the response carries, what it replaces, and what fails."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from flask_session_claims import ConfigurationError
from flask_session_claims.stores.memory import MemoryStore
from flask_session_claims.testing import FrozenClock

from ..contract_crosssite import ORIGINS, REFERERS, SITES, fields, may_speak
from ..drivers import Ask
from .drivers import MOUNT, SAME, Client, Driver
from .jar import cookies_of
from .sites import (
    ABSOLUTE,
    CROSS_SITE,
    IDLE,
    TOKEN,
    Contract,
    FaultyStore,
    OpenApp,
    assert_given,
    assert_untouched,
    custom,
    payload,
)

FAILURES = (400, 401, 403, 404, 409, 422, 500, 503)


class SignIn(Contract):
    def test_the_response_carries_both_tokens_in_cookies(self, client: Client) -> None:
        reply = client.post("/sign-in", user="ann", claims={"plan": "pro"})
        assert reply.status == 200
        assert_given(reply, "session", "refresh")
        for kind, cookie in cookies_of(reply).items():
            assert cookie.name.startswith(f"__Host-{kind}_")
            assert cookie.path == "/"
            assert cookie.flags == {"secure", "httponly", "samesite=lax"}
            assert cookie.max_age == IDLE
        said = payload(client.jar.value("session"))
        assert (said["sub"], said["plan"]) == ("ann", "pro")
        assert said["exp"] - said["iat"] == TOKEN

    def test_for_development_the_cookies_do_without_secure_under_other_names(
        self, open_app: OpenApp, driver: Driver
    ) -> None:
        client = driver.client(open_app(DEV_COOKIES=True))
        for kind, cookie in cookies_of(client.post("/sign-in")).items():
            assert cookie.name.startswith(f"{kind}_")
            assert cookie.flags == {"httponly", "samesite=lax"}
        assert client.user() == "user_1"

    def test_each_issuer_s_cookies_have_names_of_their_own(
        self, client: Client, open_app: OpenApp
    ) -> None:
        """All ports of a host share one jar."""
        other = client.to(open_app(STORE=FaultyStore(MemoryStore())))
        client.sign_in("ann")
        other.sign_in("ben")
        assert (client.user(), other.user()) == ("ann", "ben")

    def test_one_session_without_its_own_life_ends_the_browser_s(
        self, client: Client, clock: FrozenClock
    ) -> None:
        reply = client.post("/sign-in", persistent=False)
        assert {cookie.max_age for cookie in cookies_of(reply).values()} == {None}
        clock.advance(TOKEN + 10)
        refreshed = client.get("/peek")
        assert refreshed.json["user"] == "user_1"
        assert {cookie.max_age for cookie in cookies_of(refreshed).values()} == {None}
        client.jar.restart()
        assert client.user() is None

    def test_the_cookies_live_as_long_as_the_session(
        self, client: Client, clock: FrozenClock
    ) -> None:
        reply = client.post("/sign-in", lifetime=3600)
        assert {cookie.max_age for cookie in cookies_of(reply).values()} == {3600}
        clock.advance(TOKEN + 10)
        refreshed = client.get("/peek")
        assert {c.max_age for c in cookies_of(refreshed).values()} == {3600 - TOKEN - 10}
        client.jar.restart()
        assert client.user() == "user_1"

    def test_the_same_request_is_signed_in_at_once(self, client: Client) -> None:
        reply = client.post("/sign-in", user="ann", claims={"plan": "pro"})
        created, auth = reply.json["created"], reply.json["auth"]
        assert auth["user"] == "ann"
        assert auth["session"] == created["session"]
        assert custom(auth["claims"]) == {"plan": "pro"}
        assert auth["claims"] == payload(client.jar.value("session"))
        assert (auth["source"], auth["reason"]) == ("cookie", None)

    def test_the_session_is_what_was_asked_for(self, client: Client, clock: FrozenClock) -> None:
        reply = client.post("/sign-in", user="ann", claims={"a": [1, {"b": None}]},
                            data={"cart": [1]}, device="Phone", address="192.0.2.7")  # fmt: skip
        session = client.get("/session").json
        assert session == reply.json["created"]
        assert session["claims"] == {"a": [1, {"b": None}]}
        assert session["data"] == {"cart": [1]}
        assert (session["device"], session["address"]) == ("Phone", "192.0.2.7")
        assert session["expires_at"] == clock() + IDLE
        assert session["absolute_end"] == clock() + ABSOLUTE
        assert "cart" not in client.get("/peek").json["claims"]

    def test_the_organisation_stays_with_the_session(
        self, client: Client, clock: FrozenClock, driver: Driver, app: Any
    ) -> None:
        directory = driver.directory(app)
        directory.create_user("user_1")
        directory.create_organization("Acme", org_id="org_1")
        directory.add_member("org_1", "user_1", "org:member")
        client.sign_in(org_id="org_1")
        said = [client.post("/merge", patch={"a": 1}).json["auth"]]
        clock.advance(TOKEN + 10)
        said += [client.get("/me").json, client.get("/me").json]
        assert [auth["claims"]["org_id"] for auth in said] == ["org_1"] * 3

    def test_nobody_is_signed_in_without(self, client: Client) -> None:
        assert client.get("/me").status == 401
        reply = client.get("/peek")
        assert reply.json["user"] is None
        assert reply.json["reason"] == "session-token-missing"
        assert client.get("/session").json is None
        assert_untouched(reply)

    @pytest.mark.parametrize("policy", ["public", "optional"])
    def test_it_works_under_every_policy_that_lets_one_sign_in(
        self, open_app: OpenApp, driver: Driver, policy: str
    ) -> None:
        client = driver.client(open_app(DEFAULT_POLICY=policy))
        assert client.post("/sign-in", user="ann").json["auth"]["user"] == "ann"
        assert client.get("/me").json["user"] == "ann"

    @pytest.mark.parametrize(
        "changes",
        [{"AUDIENCE": "api"}, {"COOKIE_NAME": "__Host-sid", "DEV_COOKIES": True}],
        ids=["audience", "prefix"],
    )
    def test_settings_under_which_nobody_could_sign_in_are_refused_at_the_start(
        self, open_app: OpenApp, changes: dict[str, Any]
    ) -> None:
        name = next(iter(changes))
        with pytest.raises(ConfigurationError, match=name):
            open_app(**changes)

    def test_the_session_cookie_may_have_a_name_of_the_app_s(
        self, open_app: OpenApp, driver: Driver, clock: FrozenClock
    ) -> None:
        client = driver.client(open_app(COOKIE_NAME="sid"))
        cookies = cookies_of(client.post("/sign-in"))
        assert set(cookies) == {"sid", "refresh"}
        assert cookies["sid"].flags == {"secure", "httponly", "samesite=lax"}
        clock.advance(TOKEN + 10)
        assert set(cookies_of(client.get("/me"))) == {"sid", "refresh"}
        assert client.get("/me").json["user"] == "user_1"
        client.post("/sign-out")
        assert client.jar.kinds() == set()

    # --- what it replaces -----------------------------------------------------------------

    @pytest.mark.parametrize("kept", [{"session", "refresh"}, {"session"}, {"refresh"}])
    def test_it_replaces_the_session_that_the_request_carried(
        self, client: Client, driver: Driver, app: Any, kept: set[str]
    ) -> None:
        first = client.sign_in("ann")
        thief = client.twin()
        for kind in {"session", "refresh"} - kept:
            client.jar.drop(kind)
        second = client.sign_in("ben")
        assert second != first
        assert driver.sessions(app).get(first) is None
        assert client.user() == "ben"
        assert thief.user() is None

    def test_it_replaces_it_also_when_its_token_has_expired(
        self, client: Client, driver: Driver, app: Any, clock: FrozenClock
    ) -> None:
        first = client.sign_in("ann")
        clock.advance(TOKEN + 10)
        client.sign_in("ann")
        assert driver.sessions(app).get(first) is None

    def test_it_leaves_the_user_s_other_devices_alone(
        self, client: Client, driver: Driver, app: Any
    ) -> None:
        phone = driver.client(app)
        phone.sign_in("ann")
        client.sign_in("ann")
        client.sign_in("ann")
        assert phone.user() == "ann"
        assert len(driver.sessions(app).list_for_user("ann")) == 2

    # --- what fails -----------------------------------------------------------------------

    @pytest.mark.parametrize("status", FAILURES)
    def test_an_error_response_signs_nobody_in(
        self, client: Client, driver: Driver, app: Any, status: int
    ) -> None:
        with driver.signals(app) as signals:
            reply = client.post("/sign-in-fails", status=status)
        assert reply.status == status
        assert_untouched(reply)
        assert driver.sessions(app).list_for_user("user_1") == ()
        assert [name for name, _ in signals] == ["session_created", "session_revoked"]
        assert signals[1][1]["reason"] == "request-failed"
        assert client.user() is None

    @pytest.mark.parametrize("status", [200, 201, 302, 303])
    def test_a_redirect_or_another_success_does(self, client: Client, status: int) -> None:
        reply = client.post("/sign-in-fails", status=status)
        assert reply.status == status
        assert_given(reply, "session", "refresh")
        assert client.user() == "user_1"

    def test_an_exception_after_it_signs_nobody_in(
        self, client: Client, driver: Driver, app: Any
    ) -> None:
        reply = client.post("/sign-in-raises")
        assert reply.status == 500
        assert_untouched(reply)
        assert driver.sessions(app).list_for_user("user_1") == ()

    def test_a_failed_sign_in_by_header_gives_no_header(
        self, client: Client, driver: Driver, app: Any
    ) -> None:
        mode = (*SAME, ("st-auth-mode", "header"), ("rid", "session"))
        assert_untouched(client.post("/sign-in-fails", mode, status=401))
        assert driver.sessions(app).list_for_user("user_1") == ()

    @pytest.mark.parametrize(
        ("asked", "code", "names"),
        [
            ({"claims": {"sub": "x", "ok": 1}}, "claims-protected", ["sub"]),
            ({"claims": {"big": "x" * 1300, "ok": 1}}, "claims-too-large", ["big"]),
            ({"data": {"big": "x" * 20_000}}, "claims-too-large", ["big"]),
            ({"claims": [1]}, "claims-invalid", []),
        ],
    )
    def test_what_cannot_be_kept_is_refused_and_nothing_changes(
        self, client: Client, driver: Driver, app: Any, asked: Any, code: str, names: list[str]
    ) -> None:
        first = client.sign_in("ann")
        reply = client.post("/sign-in", user="ben", **asked)
        assert reply.status == 400
        assert reply.json["error"] == code
        assert set(names) <= set(reply.json["names"])
        assert_untouched(reply)
        assert driver.sessions(app).list_for_user("ben") == ()
        assert client.get("/me").json["session"] == first

    # --- login CSRF -----------------------------------------------------------------------

    def test_another_site_cannot_sign_anybody_in(
        self, client: Client, driver: Driver, app: Any
    ) -> None:
        first = client.sign_in("ann")
        for headers in (CROSS_SITE, ()):
            reply = client.post("/sign-in", headers, user="mallory")
            assert (reply.status, reply.code) == (403, "request-origin-refused")
            assert_untouched(reply)
        assert driver.sessions(app).list_for_user("mallory") == ()
        assert client.get("/me").json["session"] == first

    @pytest.mark.parametrize(
        ("path", "answer"),
        [
            ("/sign-in", 200),
            ("/sign-out", 200),
            (f"{MOUNT}/signout", 200),
            (f"{MOUNT}/session/refresh", 401),  # nobody is signed in
        ],
    )
    def test_only_a_page_of_this_site_can_cause_an_act(
        self, driver: Driver, app: Any, path: str, answer: int
    ) -> None:
        rows = list(product(SITES, ORIGINS, REFERERS))
        asks = [Ask(path, "POST", tuple(fields(*row))) for row in rows]
        wrong = []
        for row, asked in zip(rows, asks, strict=True):
            reply = driver.client(app).absorb(driver.play(app, [asked])[0])
            if reply.status != (answer if may_speak(*row) else 403):
                wrong.append((row, reply.status))
            elif reply.status == 403:
                assert reply.code == "request-origin-refused"
                assert_untouched(reply)
        assert wrong == []
        assert len(rows) == 108

    def test_a_link_from_elsewhere_may_end_in_a_sign_in(self, client: Client) -> None:
        """As the way back from somebody else's sign-in page, or a link in a mail, does."""
        reply = client.send("/sign-in-by-get?user=ann", headers=CROSS_SITE)
        assert_given(reply, "session", "refresh")
        assert client.user() == "ann"
