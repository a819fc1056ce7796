"""The session token: it verifies, says what it should and nothing else, and fits its cookie."""

from __future__ import annotations

import bisect
import json
import os
import pickle
import random
import re
from dataclasses import replace

import jwt
import pytest
from werkzeug.http import dump_cookie

from flask_session_claims import (
    ConfigurationError,
    SessionError,
    TokenError,
    Verifier,
    VerifierSettings,
    credentials_from,
)
from flask_session_claims.core.access import Organization
from flask_session_claims.core.claims import PROTECTED_NAMES
from flask_session_claims.core.jsontext import FrozenDict, b64url_decode
from flask_session_claims.sessions import vault
from flask_session_claims.sessions.faults import ClaimsRefused
from flask_session_claims.sessions.givenkey import given_key
from flask_session_claims.sessions.keyring import KeyPolicy, KeyringFlows
from flask_session_claims.sessions.limits import CLAIMS_BYTES
from flask_session_claims.sessions.mint import COOKIE_BYTES, TokenPolicy, issuer_name, mint
from flask_session_claims.sessions.published import key_set
from flask_session_claims.testing import LocalIssuer, shared_key
from flask_session_claims.testing.record import record

from .stage import NOW, Stage

ISSUER = "https://app.example.com"
POLICY = TokenPolicy(issuer=ISSUER)
OURS = {"iss", "sub", "sid", "iat", "nbf", "exp", "jti", "rev", "fva"}


class Desk:
    """An issuer over a store: sessions, keys, tokens, and a verifier that reads its key set."""

    def __init__(self, algorithm="ES256", policy=POLICY):
        self.stage = Stage()
        self.policy = policy
        self.keys = KeyringFlows(
            KeyPolicy(algorithm=algorithm),
            [vault.wrapping_key("secret")],
            clock=lambda: self.stage.now,
            random=random.randbytes,
        )

    def session(self, **given):
        session_id, _ = self.stage.sign_in(**given)
        return self.stage.get(session_id)

    def signer(self):
        ring = self.stage.do(self.keys.ensure())
        return self.keys.signer(ring.signing("session", self.stage.now))

    def mint(self, session, organization=None, **given):
        if organization is not None:
            session = replace(
                session,
                org_id=organization.id,
                org_slug=organization.slug,
                org_role=organization.role,
                org_permissions=organization.permissions,
            )
        given = {"now": self.stage.now, "rev": 7, "token_id": os.urandom(16), **given}
        minted = mint(session, self.signer(), self.policy, **given)
        record([minted.token])
        return minted

    def verifier(self, **given):
        document = key_set(self.stage.do(self.keys.ensure()))
        settings = {"issuer": self.policy.issuer, "jwks": document.body.decode(), **given}
        return Verifier(VerifierSettings(**settings), clock=lambda: self.stage.now)


@pytest.fixture
def desk():
    return Desk()


def parts(token):
    head, body, _ = token.split(".")
    return json.loads(b64url_decode(head.encode())), json.loads(b64url_decode(body.encode()))


# --- round trips --------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", vault.ALGORITHMS)
def test_our_verifier_takes_the_token_with_the_key_set_that_we_publish(algorithm):
    desk = Desk(algorithm)
    session = desk.session(claims={"plan": "pro", "fullName": "Ada Löv ☃"})
    minted = desk.mint(session, azp="https://app.example.com")
    verifier = desk.verifier(authorized_parties=["https://app.example.com"])
    assert verifier.verify(minted.token) == minted.claims
    auth = verifier.authenticate(
        credentials_from([f"Bearer {minted.token}"], [], verifier.settings)
    )
    assert auth.is_authenticated
    assert (auth.user_id, auth.session_id) == (session.user_id, session.session_id)
    assert auth.session_claims["fullName"] == "Ada Löv ☃"
    assert (auth.issued_at, auth.expires_at) == (int(NOW), minted.expires_at)
    assert auth.org_id is None


@pytest.mark.parametrize("algorithm", vault.ALGORITHMS)
def test_pyjwt_takes_the_token_with_the_key_set_that_we_publish(algorithm):
    desk = Desk(algorithm)
    minted = desk.mint(desk.session(claims={"plan": "pro"}))
    published = jwt.PyJWKSet.from_json(key_set(desk.stage.do(desk.keys.ensure())).body.decode())
    header = jwt.get_unverified_header(minted.token)
    claims = jwt.decode(
        minted.token,
        published[header["kid"]].key,
        algorithms=[algorithm],
        issuer=ISSUER,
        options={"verify_exp": False, "verify_iat": False, "verify_nbf": False},
    )
    assert claims == minted.claims


def test_a_key_given_as_pem_signs_the_same_tokens(desk):
    given = given_key(LocalIssuer(key=shared_key("RS256")).private_pem(), "SIGNING_KEY")
    minted = mint(desk.session(), given.signer, POLICY, now=NOW, rev=1, token_id=b"i" * 16)
    record([minted.token])
    settings = VerifierSettings(issuer=ISSUER, jwks=key_set(given.ring).body.decode())
    assert Verifier(settings, clock=lambda: NOW).verify(minted.token) == minted.claims


def test_tokens_verify_through_a_rotation_and_not_after_a_revocation(desk):
    session = desk.session()
    before = desk.mint(session)
    _ = desk.stage.do(desk.keys.rotate(at_once=True))
    after = desk.mint(session)
    verifier = desk.verifier()
    assert verifier.verify(before.token)["jti"] != verifier.verify(after.token)["jti"]
    assert desk.stage.do(desk.keys.revoke(parts(before.token)[0]["kid"]))
    with pytest.raises(TokenError) as caught:
        desk.verifier().verify(before.token)
    assert caught.value.code == "jwk-kid-mismatch"
    assert desk.verifier().verify(after.token)


# --- what it says -------------------------------------------------------------------------


def test_the_header_says_what_the_token_is(desk):
    header, _ = parts(desk.mint(desk.session()).token)
    kid = desk.signer().kid
    assert header == {"alg": "ES256", "kid": kid, "typ": "JWT", "cat": "cl_B7d4PD111AAA"}


def test_the_claims_are_the_issuers_and_the_custom_ones(desk):
    session = desk.session(claims={"plan": "pro", "gone": 1, "deep": {"a": [1, None]}})
    session = desk.stage.do(desk.stage.flows.merge_claims(session.session_id, {"gone": None}))
    minted = desk.mint(session, token_id=b"\0" * 16, azp="https://app.example.com")
    _, claims = parts(minted.token)
    assert claims == {
        "iss": ISSUER,
        "sub": "user_1",
        "sid": session.session_id,
        "azp": "https://app.example.com",
        "iat": int(NOW),
        "nbf": int(NOW) - 10,
        "exp": int(NOW) + 300,
        "jti": "A" * 22,
        "rev": 7,
        "fva": [0, -1],
        "plan": "pro",
        "deep": {"a": [1, None]},
    }
    assert minted.claims == claims
    assert minted.expires_at == claims["exp"]


@pytest.mark.parametrize("azp", [None, ""])
def test_without_a_known_origin_there_is_no_azp(desk, azp):
    assert set(desk.mint(desk.session(), azp=azp).claims) == OURS


def test_the_payload_is_compact_and_not_escaped(desk):
    minted = desk.mint(desk.session(claims={"fullName": "Ada Löv ☃ 😀", "n": [1, 2]}))
    body = b64url_decode(minted.token.split(".")[1].encode())
    assert '"fullName":"Ada Löv ☃ 😀","n":[1,2]}'.encode() in body
    assert b"\\u" not in body


@pytest.mark.parametrize("name", sorted(PROTECTED_NAMES))
def test_a_protected_name_in_a_record_never_gets_into_a_token(desk, name):
    """Records of older code may hold what has become protected since."""
    session = replace(desk.session(), claims=FrozenDict({name: "forged", "plan": "pro"}))
    claims = desk.mint(session).claims
    assert claims.get(name) != "forged"
    assert set(claims) == OURS | {"plan"}


def test_all_that_the_issuer_writes_is_protected(desk):
    session = desk.session(org_id="org_1")
    organization = Organization("org_1", "acme", "org:admin", ("org:a:b",))
    written = desk.mint(session, azp="x", organization=organization).claims
    assert set(written) <= PROTECTED_NAMES


def test_two_tokens_of_one_session_are_never_the_same(desk):
    session = desk.session()
    assert len({desk.mint(session).token for _ in range(50)}) == 50
    assert len({desk.mint(session).claims["jti"] for _ in range(50)}) == 50


def test_the_organisation_is_flat_and_read_as_it_was_written(desk):
    session = desk.session(org_id="org_1")
    organization = Organization("org_1", "acme", "org:admin", ("org:docs:read", "org:docs:write"))
    minted = desk.mint(session, organization=organization)
    verifier = desk.verifier()
    auth = verifier.authenticate(credentials_from([], [f"__session={minted.token}"],
                                                  verifier.settings))  # fmt: skip
    assert (auth.org_id, auth.org_slug, auth.org_role) == ("org_1", "acme", "org:admin")
    assert auth.org_permissions == ("org:docs:read", "org:docs:write")
    assert auth.has(permission="org:docs:read")
    assert "v" not in minted.claims
    with pytest.raises(TypeError, match="frozen"):
        minted.claims["org_permissions"].append("org:docs:delete")


def test_of_an_organisation_only_what_is_known_is_said(desk):
    session = desk.session(org_id="org_1")
    assert set(desk.mint(session).claims) == OURS | {"org_id"}
    bare = desk.mint(session, organization=Organization("org_1", None, "org:member"))
    assert set(bare.claims) == OURS | {"org_id", "org_role"}


def test_the_issuer_without_a_name_is_named_after_its_store(desk):
    _ = desk.session()
    store_id = desk.stage.store.identity().store_id
    name = issuer_name(store_id)
    assert re.fullmatch(r"urn:session-claims:[A-Za-z0-9_-]+", name)
    other = Desk(policy=TokenPolicy(issuer=name))
    minted = other.mint(other.session())
    assert other.verifier().verify(minted.token)["iss"] == name


# --- how long it lives --------------------------------------------------------------------


@pytest.mark.parametrize(("lifetime", "seconds"), [(5, 5), (60.9, 60), (300, 300), (3600, 3600)])
def test_a_token_lives_as_long_as_the_policy_says(lifetime, seconds):
    desk = Desk(policy=TokenPolicy(issuer=ISSUER, lifetime=lifetime))
    minted = desk.mint(desk.session())
    assert minted.expires_at == int(NOW) + seconds
    verifier = desk.verifier(leeway=0)
    desk.stage.now = NOW + seconds - 0.001
    assert verifier.verify(minted.token)
    desk.stage.now = NOW + seconds
    with pytest.raises(TokenError) as caught:
        verifier.verify(minted.token)
    assert caught.value.code == "token-expired"


@pytest.mark.parametrize(
    "lifetime", [4.9, 3600.5, 0, -1, True, None, "300", float("nan"), float("inf")]
)
def test_a_lifetime_that_makes_no_sense_is_refused(lifetime):
    with pytest.raises(ConfigurationError, match=r"session_token_lifetime got .*5 to 3600"):
        TokenPolicy(issuer=ISSUER, lifetime=lifetime)


@pytest.mark.parametrize("issuer", ["", None, 7])
def test_an_issuer_without_a_name_is_refused(issuer):
    with pytest.raises(ConfigurationError, match="issuer must be text"):
        TokenPolicy(issuer=issuer)


def test_a_token_never_outlives_its_session(desk):
    session = desk.session(lifetime=100)
    assert desk.mint(session).expires_at == int(NOW) + 100
    assert desk.mint(session, expires_at=int(NOW) + 250).expires_at == int(NOW) + 100


def test_a_token_in_place_of_another_ends_when_that_one_would(desk):
    session = desk.session()
    first = desk.mint(session)
    desk.stage.now += 200.7
    again = desk.mint(session, expires_at=first.expires_at)
    assert again.expires_at == first.expires_at
    assert again.claims["iat"] == int(NOW) + 200
    assert again.claims["jti"] != first.claims["jti"]


def test_a_session_that_has_ended_gets_no_token(desk):
    session = desk.session(lifetime=100)
    desk.stage.now += 100
    with pytest.raises(SessionError) as caught:
        desk.mint(session)
    assert caught.value.code == "session-expired"


# --- how large it is ----------------------------------------------------------------------


def test_custom_claims_may_fill_their_budget_to_the_byte(desk):
    session = desk.session()
    full = FrozenDict({"a": "x" * (CLAIMS_BYTES - len('{"a":""}'))})
    assert desk.mint(replace(session, claims=full)).claims["a"] == full["a"]
    over = FrozenDict({"small": 1, "large": "x" * 700, "middle": "ö" * 300})
    with pytest.raises(ClaimsRefused, match=rf"{CLAIMS_BYTES} are allowed") as caught:
        desk.mint(replace(session, claims=over))
    assert caught.value.code == "claims-too-large"
    assert caught.value.names == ("large", "middle", "small")


def with_slug(length):
    return Organization("org_1", "s" * length, "org:admin")


def longest_slug(desk, session):
    """How long an organisation's name may be before the token does not fit."""

    def is_refused(length):
        try:
            desk.mint(session, organization=with_slug(length))
        except ClaimsRefused:
            return True
        return False

    return bisect.bisect_left(range(4000), True, key=is_refused) - 1


@pytest.mark.parametrize("algorithm", vault.ALGORITHMS)
def test_a_token_fits_its_cookie_to_the_byte(algorithm):
    """With everything that a browser counts, at the longest age that it takes."""
    desk = Desk(algorithm)
    session = desk.session(org_id="org_1", claims={"plan": "pro"})
    longest = longest_slug(desk, session)
    minted = desk.mint(session, organization=with_slug(longest))
    with pytest.raises(ClaimsRefused, match="all claims of the session token would") as caught:
        desk.mint(session, organization=with_slug(longest + 1))
    assert caught.value.code == "claims-too-large"
    assert caught.value.names[0] == "org_slug"
    field = dump_cookie(
        POLICY.cookie_name, minted.token, max_age=400 * 86_400, secure=True, httponly=True,
        path="/", samesite="Strict",
    )  # fmt: skip
    # One byte more takes one or two characters of base64.
    assert COOKIE_BYTES - 1 <= len(field.encode()) <= COOKIE_BYTES
    assert desk.verifier().verify(minted.token) == minted.claims


def test_a_longer_cookie_name_leaves_less_room():
    long = TokenPolicy(issuer=ISSUER, cookie_name="__Host-session" + "x" * 400)
    narrow, wide = (
        longest_slug(desk, desk.session(org_id="org_1")) for desk in (Desk(policy=long), Desk())
    )
    assert wide - narrow == 300


# --- secrets ------------------------------------------------------------------------------


def test_a_minted_token_does_not_show_in_its_repr(desk):
    minted = desk.mint(desk.session())
    assert minted.token not in repr(minted)
    assert pickle.loads(pickle.dumps(minted)) == minted  # noqa: S301
