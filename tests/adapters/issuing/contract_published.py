"""What the issuer publishes: its key set and its OpenID configuration."""

from __future__ import annotations

from typing import Any

import jwt
import pytest

from flask_session_claims.testing import FrozenClock

from ..drivers import Reply
from .drivers import MOUNT, Client, Driver
from .sites import TOKEN, Contract, FaultyStore, OpenApp

WELL_KNOWN = "/.well-known/jwks.json"
OPENID = "/.well-known/openid-configuration"
KEY_SETS = (WELL_KNOWN, f"{MOUNT}/jwt/jwks.json")
ISSUER_URL = "https://app.example"
PUBLIC = {
    "EC": {"kty", "crv", "x", "y", "kid", "use", "alg"},
    "RSA": {"kty", "n", "e", "kid", "use", "alg"},
    "OKP": {"kty", "crv", "x", "kid", "use", "alg"},
}


def assert_public(reply: Reply) -> None:
    """The same for everybody, and anybody may keep it for a while."""
    assert reply.get("Content-Type") == "application/json"
    control = reply.names("Cache-Control")
    assert "public" in control
    ages = [int(part.removeprefix("max-age=")) for part in control if "=" in part]
    assert len(ages) == 1
    assert 0 < ages[0] <= 300
    assert reply.get("Access-Control-Allow-Origin") == "*"
    assert reply.get("Access-Control-Allow-Credentials") is None
    assert reply.all("Set-Cookie") == []
    assert reply.all("Vary") == []


class Published(Contract):
    @pytest.mark.parametrize("path", KEY_SETS)
    def test_the_key_set_is_public_and_verifies_the_tokens(self, client: Client, path: str) -> None:
        client.sign_in("ann")
        reply = client.get(path)
        assert reply.status == 200
        assert_public(reply)
        for key in reply.json["keys"]:
            assert set(key) <= PUBLIC[key["kty"]]
        token = client.jar.value("session")
        kid = jwt.get_unverified_header(token)["kid"]
        key = next(jwt.PyJWK(key) for key in reply.json["keys"] if key["kid"] == kid)
        options: Any = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}
        assert jwt.decode(token, key, ["ES256"], options=options)["sub"] == "ann"

    @pytest.mark.parametrize("algorithm", ["ES256", "RS256", "EdDSA"])
    def test_every_algorithm_is_published(
        self, open_app: OpenApp, driver: Driver, algorithm: str
    ) -> None:
        client = driver.client(open_app(SIGNING_ALGORITHM=algorithm))
        client.sign_in()
        keys = client.get(WELL_KNOWN).json["keys"]
        assert {key["alg"] for key in keys} == {algorithm}
        assert jwt.get_unverified_header(client.jar.value("session"))["alg"] == algorithm
        assert client.user() == "user_1"

    def test_it_is_the_same_before_the_first_sign_in_and_after(self, client: Client) -> None:
        before = client.get(WELL_KNOWN)
        client.sign_in()
        assert client.get(WELL_KNOWN).body == before.body
        assert len(before.json["keys"]) >= 1

    @pytest.mark.parametrize("path", KEY_SETS)
    def test_who_has_it_gets_304(self, client: Client, path: str) -> None:
        first = client.get(path)
        tag = first.get("ETag")
        assert tag is not None
        for known in (tag, f'"other", W/{tag}', "*"):
            reply = client.send(path, headers=(("If-None-Match", known),))
            assert (reply.status, reply.body) == (304, b"")
            assert reply.get("ETag") == tag
            assert reply.get("Cache-Control") == first.get("Cache-Control")
            assert reply.all("Set-Cookie") == reply.all("Vary") == []
        for other in ('"other"', "", tag.strip('"')):
            assert client.send(path, headers=(("If-None-Match", other),)).status == 200

    @pytest.mark.parametrize("path", [*KEY_SETS, OPENID])
    def test_a_head_request_has_the_same_headers(
        self, open_app: OpenApp, driver: Driver, path: str
    ) -> None:
        client = driver.client(open_app(ISSUER_URL=ISSUER_URL))
        reply, full = client.send(path, "HEAD"), client.get(path)
        assert (reply.status, reply.body) == (200, b"")
        assert reply.get("ETag") == full.get("ETag")
        assert_public(reply)

    @pytest.mark.parametrize("path", [*KEY_SETS, OPENID])
    @pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
    def test_it_is_only_read(
        self, open_app: OpenApp, driver: Driver, path: str, method: str
    ) -> None:
        client = driver.client(open_app(ISSUER_URL=ISSUER_URL))
        assert client.send(path, method).status == 405

    @pytest.mark.parametrize("path", [*KEY_SETS, OPENID])
    def test_it_does_not_look_at_who_asks(
        self,
        open_app: OpenApp,
        driver: Driver,
        clock: FrozenClock,
        store: FaultyStore,
        path: str,
    ) -> None:
        """An expired token refreshes nobody here, and a bad one is no reason to refuse."""
        client = driver.client(open_app(ISSUER_URL=ISSUER_URL, DEFAULT_POLICY="required"))
        client.post("/sign-in")
        client.get(path)
        store.calls.clear()
        headers = (("Authorization", "Bearer nonsense"), ("rid", "session"))
        clock.advance(TOKEN + 10)
        for reply in (client.send(path, headers=headers), client.get(path)):
            assert reply.status == 200
            assert_public(reply)
        assert "commit" not in store.calls

    def test_the_configuration_names_the_issuer_and_its_key_set(
        self, open_app: OpenApp, driver: Driver
    ) -> None:
        client = driver.client(open_app(ISSUER_URL=ISSUER_URL))
        client.sign_in()
        reply = client.get(OPENID)
        assert reply.status == 200
        assert_public(reply)
        said = reply.json
        assert said["issuer"] == ISSUER_URL
        assert said["jwks_uri"] == ISSUER_URL + WELL_KNOWN
        assert said["id_token_signing_alg_values_supported"] == ["ES256"]
        assert client.get("/peek").json["claims"]["iss"] == ISSUER_URL
        tag = reply.get("ETag") or ""
        assert client.send(OPENID, headers=(("If-None-Match", tag),)).status == 304

    def test_the_host_header_changes_nothing(self, open_app: OpenApp, driver: Driver) -> None:
        client = driver.client(open_app(ISSUER_URL=ISSUER_URL))
        headers = (("X-Forwarded-Host", "evil.example"), ("X-Forwarded-Proto", "http"))
        assert client.send(OPENID, headers=headers).body == client.get(OPENID).body

    def test_without_an_address_there_is_no_configuration(self, client: Client) -> None:
        reply = client.get(OPENID)
        assert reply.status == 404
        assert b"ISSUER_URL" in reply.body
        assert reply.all("Set-Cookie") == []

    def test_no_secret_is_in_it(self, client: Client, store: FaultyStore) -> None:
        client.sign_in()
        for path in KEY_SETS:
            text = client.get(path).body
            for member in (b'"d"', b'"p"', b'"q"', b'"dp"', b'"dq"', b'"qi"', b'"k"', b"PRIVATE"):
                assert member not in text

    @pytest.mark.parametrize("path", KEY_SETS)
    def test_while_the_store_is_gone_it_is_503_or_what_was_known(
        self, open_app: OpenApp, driver: Driver, client: Client, store: FaultyStore, path: str
    ) -> None:
        client.sign_in()
        known = client.get(path).body
        store.break_("load", "commit", "log_since", "find")
        reply = client.get(path)
        if reply.status == 200:
            assert reply.body == known
        else:
            assert_gone(reply)
        assert_gone(client.to(open_app()).get(path))
        store.mend()
        assert client.get(path).body == known

    def test_as_the_keys_rotate_every_process_verifies_the_tokens_of_every_other(
        self, open_app: OpenApp, driver: Driver, clock: FrozenClock
    ) -> None:
        apps = [open_app(), open_app()]
        kids: list[str] = []
        told: list[str] = []
        for _ in range(10):
            for mine, other in (apps, apps[::-1]):
                client = driver.client(mine)
                with driver.signals(mine) as signals:
                    client.sign_in("ann")
                told += [data["kid"] for name, data in signals if name == "keys_rotated"]
                kid = jwt.get_unverified_header(client.jar.value("session"))["kid"]
                kids += [] if kid in kids else [kid]
                published = client.to(other).get(WELL_KNOWN).json["keys"]
                assert kid in [key["kid"] for key in published]
                assert client.to(other).user() == "ann"
                clock.advance(TOKEN + 10)
                assert client.to(other).user() == "ann"
            clock.advance(20 * 86_400)
        assert len(kids) > 1
        assert set(told) == set(kids[1:])


def assert_gone(reply: Reply) -> None:
    assert reply.status == 503
    assert int(reply.get("Retry-After") or "0") >= 1
    assert "public" not in reply.names("Cache-Control")
