"""The documents of an issuer: what is in them, and when a client need not fetch them again."""

from __future__ import annotations

import json
import random
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import jwt
import pytest
import requests

from flask_session_claims import ConfigurationError
from flask_session_claims.core.flow import run
from flask_session_claims.sessions import vault
from flask_session_claims.sessions.keyring import KeyPolicy, KeyringFlows
from flask_session_claims.sessions.published import key_set, openid_configuration
from flask_session_claims.sessions.records import record_handlers
from flask_session_claims.stores.memory import MemoryStore


class Keys:
    """A keyring over a memory store."""

    def __init__(self, algorithm="ES256"):
        handlers = record_handlers(MemoryStore())
        self._perform = lambda ask: handlers[type(ask)](ask)
        self.flows = KeyringFlows(
            KeyPolicy(algorithm=algorithm),
            [vault.wrapping_key("secret")],
            clock=lambda: 1e9,
            random=random.randbytes,
        )

    def do(self, flow):
        return run(flow, self._perform)


@pytest.mark.parametrize("algorithm", vault.ALGORITHMS)
def test_the_key_set_says_how_long_it_may_be_kept_and_that_anybody_may_read_it(algorithm):
    keys = Keys(algorithm)
    ring = keys.do(keys.flows.ensure())
    document = key_set(ring)
    assert [key["kid"] for key in json.loads(document.body)["keys"]] == [ring.keys[0].kid]
    assert document.headers() == (
        ("Content-Type", "application/json"),
        ("Cache-Control", "public, max-age=300"),
        ("ETag", document.etag),
        ("Access-Control-Allow-Origin", "*"),
    )


def test_the_tag_is_a_strong_one_and_follows_the_keys():
    keys = Keys()
    before = key_set(keys.do(keys.flows.ensure()))
    assert before.etag[0] == before.etag[-1] == '"'
    assert key_set(keys.do(keys.flows.ensure())) == before
    after = key_set(keys.do(keys.flows.rotate()))
    assert after.etag != before.etag
    assert not after.is_known(before.etag)
    assert after.is_known(after.etag)


@pytest.mark.parametrize(
    ("field", "known"),
    [
        ("TAG", True),
        ("W/TAG", True),
        ('"other", TAG', True),
        ('"other" ,W/TAG , "third"', True),
        ("*", True),
        (None, False),
        ("", False),
        ('"other"', False),
        ('"*"', False),
        ("BARE", False),
        ('"other", *', False),
    ],
)
def test_a_client_that_has_the_body_is_told_so(field, known):
    keys = Keys()
    document = key_set(keys.do(keys.flows.ensure()))
    if field is not None:
        field = field.replace("TAG", document.etag).replace("BARE", document.etag.strip('"'))
    assert document.is_known(field) is known


def test_the_openid_configuration_names_issuer_key_set_and_algorithms():
    address = "https://app.example.com/.well-known/jwks.json"
    document = openid_configuration("https://app.example.com", address, ["RS256", "ES256", "RS256"])
    assert json.loads(document.body) == {
        "issuer": "https://app.example.com",
        "jwks_uri": address,
        "response_types_supported": [],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256", "RS256"],
    }
    assert ("Cache-Control", "public, max-age=300") in document.headers()
    again = openid_configuration("urn:session-claims:x", address, ["ES256"])
    assert not again.is_known(document.etag)


@pytest.mark.parametrize(
    "address", ["", "/.well-known/jwks.json", "app.example.com/keys", "ftp://a/b", "https:///keys"]
)
def test_the_key_set_has_to_have_an_absolute_address(address):
    with pytest.raises(ConfigurationError, match="give an absolute https:// address"):
        openid_configuration("https://app.example.com", address, ["ES256"])


@pytest.fixture
def address():
    """A server that answers as an adapter has to."""
    keys = Keys()
    document = key_set(keys.do(keys.flows.ensure()))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            known = document.is_known(self.headers.get("If-None-Match"))
            self.send_response(304 if known else 200)
            for name, value in document.headers():
                self.send_header(name, value)
            self.end_headers()
            if not known:
                self.wfile.write(document.body)

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/.well-known/jwks.json"
        server.shutdown()
        thread.join()


def test_other_clients_read_the_key_set(address):
    (key,) = jwt.PyJWKClient(address).get_signing_keys()
    assert key.key_type == "EC"
    first = requests.get(address, timeout=5)
    second = requests.get(address, headers={"If-None-Match": first.headers["ETag"]}, timeout=5)
    assert (first.status_code, second.status_code, second.content) == (200, 304, b"")
    assert "Set-Cookie" not in first.headers
    assert "Vary" not in first.headers
