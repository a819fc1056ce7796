"""Which responses bring a new token in place of an outdated one, and what it says."""

from __future__ import annotations

import base64
import json

import pytest

from flask_session_claims import Auth
from flask_session_claims.core.auth import NOBODY
from flask_session_claims.core.request import Exchange
from flask_session_claims.core.settings import GateSettings, VerifierSettings
from flask_session_claims.io.reading import Reading
from flask_session_claims.io.transports import Wsgi

from .workers import Worker

FDI = {"HTTP_RID": "anti-csrf"}
FDI_HEADER = {"HTTP_ST_AUTH_MODE": "header"}
SOCKET = {"wsgi.url_scheme": "wss", "HTTP_ORIGIN": "https://app.example"}


class Visit:
    """A request with the token of a session that has changed elsewhere since."""

    def __init__(self, mode="inline", source="cookie", changed=True, wait=1.0, **environ):
        self.worker = Worker(refresh_mode=mode)
        there = self.worker.beside()
        self.issued = there.sign_in(claims={"plan": "free"})
        settings = VerifierSettings(issuer="self", origins=("https://app.example",))
        self.side = Reading(
            GateSettings(), settings, Wsgi(), clock=self.worker.clock,
            rejected=lambda reason, source: None, issuing=self.worker.issuing,
        )  # fmt: skip
        self.worker.run(self.worker.issuing.issuer.opened())
        self.side.open(self.worker.issuing)
        if changed:
            there.merge(self.issued.session.session_id, plan="pro")
        self.there = there
        self.worker.clock.advance(wait)
        token = self.issued.session_token
        name = self.worker.issuing.issuer.cookies.session
        carried = {
            "cookie": {"HTTP_COOKIE": f"{name}={token}"},
            "header": {"HTTP_AUTHORIZATION": f"Bearer {token}"},
            None: {},
        }
        usual = {"REQUEST_METHOD": "GET", "wsgi.url_scheme": "https", "PATH_INFO": "/"}
        self.exchange = Exchange({**usual, **carried[source], **environ}, self.side)

    def close(self, status=200, cache_control=None):
        headers = {"Cache-Control": cache_control}
        self.worker.issuing.close(self.exchange, status, headers.get)

    def carried(self):
        """The new token, and how it travels."""
        effects = self.exchange.effects
        if effects is None:
            return None, None
        assert effects.no_store
        if effects.cookies:
            ((name, cookie),) = effects.cookies.items()
            assert name == self.worker.issuing.issuer.cookies.session
            assert "st-access-token" not in effects.fields
            return cookie.partition("=")[2].partition(";")[0], "cookie"
        return effects.fields.get("st-access-token"), "header"


#: (settings and request, status, Cache-Control) -> how the response brings the token.
RESPONSES = [
    # inline: our cookie
    ({}, 200, None, "cookie"),
    ({}, 204, None, "cookie"),
    ({}, 302, None, "cookie"),
    ({}, 401, None, "cookie"),
    ({}, 500, None, "cookie"),
    ({"REQUEST_METHOD": "HEAD"}, 200, None, "cookie"),
    ({}, 200, "private, max-age=60", "cookie"),
    ({}, 200, "no-store", "cookie"),
    ({}, 200, "max-age=60", "cookie"),
    (FDI, 200, None, "cookie"),
    # no response that others share, or that a cookie cannot ride on
    ({}, 304, None, None),
    ({}, 101, None, None),
    ({}, 103, None, None),
    ({}, 200, "public", None),
    ({}, 200, "max-age=60, PUBLIC", None),
    ({}, 200, "s-maxage=60", None),
    ({}, 200, "S-MaxAge=0", None),
    (SOCKET, 200, None, None),
    ({**SOCKET, "wsgi.url_scheme": "ws"}, 200, None, None),
    (FDI, 304, None, None),
    (FDI, 200, "public, max-age=1", None),
    # nobody takes a token from the headers but an FDI client
    ({"source": "header"}, 200, None, None),
    ({"source": "header", **FDI}, 200, None, "header"),
    ({"source": "header", **FDI_HEADER}, 200, None, "header"),
    ({"source": "header", **FDI_HEADER}, 304, None, None),
    # endpoint mode: its client sees intercepted requests alone
    ({"mode": "endpoint"}, 200, None, None),
    ({"mode": "endpoint", "HTTP_SEC_FETCH_MODE": "navigate"}, 200, None, None),
    ({"mode": "endpoint", **FDI}, 200, None, "cookie"),
    ({"mode": "endpoint", **FDI}, 403, None, "cookie"),
    ({"mode": "endpoint", "source": "header"}, 200, None, None),
    ({"mode": "endpoint", "source": "header", **FDI_HEADER}, 200, None, "header"),
    # as long as it is worth it
    ({"wait": 294}, 200, None, "cookie"),
    ({"wait": 295}, 200, None, None),
    ({"wait": 299}, 200, None, None),
    # and where there is something to make anew
    ({"changed": False}, 200, None, None),
    ({"changed": False, **FDI}, 200, None, None),
    ({"source": None}, 200, None, None),
]


@pytest.mark.parametrize(("given", "status", "cache_control", "way"), RESPONSES)
def test_a_response_brings_a_new_token_where_its_client_takes_it(given, status, cache_control, way):
    visit = Visit(**given)
    visit.exchange.read()
    visit.close(status, cache_control)
    assert visit.carried()[1] == way
    effects = visit.exchange.effects
    told = effects is not None and "front-token" in effects.fields
    assert told is (way is not None and visit.exchange.facts.is_fdi)
    assert effects is None or "st-refresh-token" not in effects.fields


def test_a_response_to_a_request_that_did_not_read_who_it_is_brings_nothing():
    visit = Visit()
    visit.close()
    assert visit.exchange.effects is None
    visit.exchange.outcome()  # found out, and not read by the view
    visit.close()
    assert visit.exchange.effects is None


@pytest.mark.parametrize("settled", [NOBODY, Auth()])
def test_nobody_is_brought_nothing(settled):
    visit = Visit()
    visit.exchange.read()
    visit.exchange.settled = settled
    visit.close()
    assert visit.exchange.effects is None


def test_the_new_token_ends_with_the_old_one_and_says_what_is_in_force():
    visit = Visit(wait=10)
    worker = visit.worker
    auth = visit.exchange.read()
    assert auth.session_claims["plan"] == "pro"
    loads = worker.store.loads
    visit.close()
    claims = worker.verify(visit.carried()[0])
    old = visit.issued.claims
    assert claims["plan"] == "pro"
    assert {name: claims[name] for name in ("iss", "sub", "sid", "exp")} == {
        name: old[name] for name in ("iss", "sub", "sid", "exp")
    }
    assert claims["iat"] == old["iat"] + 10
    assert claims["jti"] != old["jti"]
    assert claims["rev"] == 1 > old["rev"]
    assert worker.store.loads == loads, "neither making nor judging it loads the session"
    assert worker.freshness.outdated(claims) is None
    assert "session_refreshed" not in worker.told


def test_a_token_that_says_the_same_is_made_anew_too_so_that_it_costs_no_load_elsewhere():
    visit = Visit(changed=False)
    visit.there.tell("user", "user_1")
    visit.worker.clock.advance(1)
    visit.exchange.read()
    visit.close()
    token, way = visit.carried()
    assert way == "cookie"
    assert visit.worker.beside().spent(lambda: visit.worker.verify(token))[1] == 0


def test_a_token_of_a_session_that_has_ended_is_not_made_anew():
    visit = Visit()
    visit.exchange.read()
    visit.there.revoke(visit.issued.session.session_id)
    visit.worker.clock.advance(1)
    assert visit.worker.code_of(visit.issued.session_token) == "session-revoked"
    visit.close()
    assert visit.exchange.effects is None


def test_it_says_what_was_loaded_and_claims_to_know_no_more():
    """Changed again since: the next request meets that."""
    visit = Visit()
    visit.exchange.read()
    visit.there.merge(visit.issued.session.session_id, plan="top")
    visit.close()
    token = visit.carried()[0]
    claims = visit.worker.verify(token)
    assert (claims["plan"], claims["rev"]) == ("pro", 1)
    visit.worker.clock.advance(1)
    assert visit.worker.verify(token)["plan"] == "top"


def test_a_sign_in_in_the_same_request_brings_its_own():
    visit = Visit(REQUEST_METHOD="POST", HTTP_SEC_FETCH_SITE="same-origin")
    visit.exchange.read()
    session = visit.worker.run(visit.worker.issuing.visits.sign_in(visit.exchange, "user_2"))
    visit.close()
    names = visit.worker.issuing.issuer.cookies
    assert set(visit.exchange.effects.cookies) == {names.session, names.refresh}
    token = visit.exchange.effects.cookies[names.session].partition("=")[2].partition(";")[0]
    assert payload(token)["sid"] == session.session_id


def test_a_sign_out_in_the_same_request_brings_nothing_back():
    visit = Visit(REQUEST_METHOD="POST", HTTP_SEC_FETCH_SITE="same-origin")
    visit.exchange.read()
    assert visit.worker.run(visit.worker.issuing.visits.sign_out(visit.exchange))
    visit.close()
    assert all("Max-Age=0" in cookie for cookie in visit.exchange.effects.cookies.values())


def test_a_merge_in_the_same_request_is_not_done_again():
    visit = Visit(REQUEST_METHOD="POST", HTTP_SEC_FETCH_SITE="same-origin")
    visit.exchange.read()
    visit.worker.run(visit.worker.issuing.visits.merge(visit.exchange, {"own": 1}))
    first = visit.carried()[0]
    visit.close()
    assert visit.carried()[0] == first
    assert payload(first)["plan"] == "pro"
    assert payload(first)["own"] == 1


def test_after_a_merge_in_a_navigation_the_next_intercepted_request_brings_the_front_token_once():
    visit = Visit("endpoint", REQUEST_METHOD="POST", HTTP_SEC_FETCH_SITE="same-origin")
    visit.exchange.read()
    visit.worker.run(visit.worker.issuing.visits.merge(visit.exchange, {"own": 1}))
    visit.close()
    token = visit.carried()[0]
    assert "front-token" not in visit.exchange.effects.fields
    for nth, brings in enumerate((True, False)):
        name = visit.worker.issuing.issuer.cookies.session
        environ = {**visit.exchange.request, **FDI, "REQUEST_METHOD": "GET"}
        environ["HTTP_COOKIE"] = f"{name}={token}"
        visit.exchange = Exchange(environ, visit.side)
        assert visit.exchange.read().session_claims["own"] == 1
        visit.close()
        effects = visit.exchange.effects
        assert (effects is not None and "front-token" in effects.fields) is brings, nth
        token = visit.carried()[0] or token


def payload(token):
    body = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
