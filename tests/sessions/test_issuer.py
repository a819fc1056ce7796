"""What tokens say of the moment and the page they were made for, whoever acts besides."""

from __future__ import annotations

import json
import random

import pytest

from flask_session_claims import ConfigurationError
from flask_session_claims.core.flow import run
from flask_session_claims.core.jsontext import b64url_decode
from flask_session_claims.sessions import vault
from flask_session_claims.sessions.athand import KeysAtHand
from flask_session_claims.sessions.consult import Tell
from flask_session_claims.sessions.feed import Feed
from flask_session_claims.sessions.issuer import Issuer
from flask_session_claims.sessions.keyring import KeyPolicy, KeyringFlows
from flask_session_claims.sessions.lifecycle import SessionFlows
from flask_session_claims.sessions.limits import Limits
from flask_session_claims.sessions.records import record_handlers
from flask_session_claims.sessions.settings import IssuingSettings
from flask_session_claims.stores.memory import MemoryStore

from .stage import NOW, remember

PAGE = "https://app.example"


class Place:
    """A store, and what happens in it between two asks of an act."""

    def __init__(self):
        self.store = MemoryStore()
        self._handlers = {**record_handlers(self.store), Tell: lambda ask: None}
        self.asked = 0

    def issuer(self, origins=()):
        wrapping = [vault.wrapping_key("secret")]
        keyring = KeyringFlows(KeyPolicy(), wrapping, clock=lambda: NOW, random=random.randbytes)
        keys = KeysAtHand(keyring, clock=lambda: NOW)
        feed = Feed(
            clock=lambda: NOW,
            monotonic=lambda: NOW,
            interval=0.5,
            max_age=1.0,
            keys_changed=keys.look_again,
        )
        return Issuer(
            IssuingSettings(),
            SessionFlows(Limits(), clock=lambda: NOW, random=random.randbytes),
            keys,
            feed,
            clock=lambda: NOW,
            random=random.randbytes,
            provide=lambda: None,
            secure=True,
            origins=origins,
        )

    def do(self, flow):
        return run(flow, lambda ask: self._handlers[type(ask)](ask))

    def play(self, flow, change, at):
        """The result of `flow`; before its ask number `at` somebody makes `change`."""
        self.asked = 0

        def perform(ask):
            if self.asked == at:
                self.do(change())
            self.asked += 1
            return self._handlers[type(ask)](ask)

        return run(flow, perform)


ACTS = {
    "sign in": lambda issuer, issued: issuer.create("ann"),
    "refresh": lambda issuer, issued: issuer.refresh(issued.refresh_token),
    "merge": lambda issuer, issued: issuer.change(
        issued.session.session_id, lambda its: issuer.flows.merge_claims(its, {"a": 1})
    ),
}


@pytest.mark.parametrize("act", ACTS)
def test_a_token_never_claims_to_know_a_change_that_it_lacks(act):
    at, missed = 0, 0
    while True:
        place = Place()
        mine, other = place.issuer(), place.issuer()
        issued = place.do(mine.create("ann"))
        remember(issued.refresh_token)
        flow = ACTS[act](mine, issued)
        got = place.play(
            flow, lambda flows=other.flows: flows.merge_claims_for_user("ann", {"b": 2}), at
        )
        if got.refresh_token is not None:
            remember(got.refresh_token)
        if at >= place.asked:  # it has asked no more than that
            break
        session_id = got.session.session_id
        changed = place.do(mine.flows.get(session_id)).claims.get("b") == 2
        if changed and "b" not in got.claims:
            missed += 1
            later = [entry.what for entry in place.store.log_since(got.claims["rev"]).entries]
            assert "claims" in later
        at += 1
    assert missed or act == "merge"  # which asks nothing after its change


def test_a_token_names_the_page_that_signed_in_while_that_is_one_of_the_app_s():
    place = Place()
    before, after = place.issuer([PAGE]), place.issuer(["https://new.example"])
    first = place.do(before.create("ann", azp=PAGE))
    second = place.do(before.refresh(first.refresh_token))
    third = place.do(after.refresh(second.refresh_token))
    for issued in (first, second, third):
        remember(issued.refresh_token)
    assert [issued.claims.get("azp") for issued in (first, second, third)] == [PAGE, PAGE, None]


@pytest.mark.parametrize("lifetime", [5, 3600])
def test_a_minted_token_lives_as_long_as_it_is_asked_to(lifetime):
    place = Place()
    issuer = place.issuer()
    issued = place.do(issuer.create("ann"))
    remember(issued.refresh_token)
    token = place.do(issuer.mint(issued.session.session_id, lifetime=lifetime))
    said = json.loads(b64url_decode(token.split(".")[1].encode()))
    assert said["exp"] == NOW + lifetime


@pytest.mark.parametrize("lifetime", [4.9, 3601, 0, -1, float("nan"), float("inf"), True, "60"])
def test_but_not_for_any_time(lifetime):
    place = Place()
    issuer = place.issuer()
    issued = place.do(issuer.create("ann"))
    remember(issued.refresh_token)
    with pytest.raises(ConfigurationError, match="5 to 3600"):
        place.do(issuer.mint(issued.session.session_id, lifetime=lifetime))
