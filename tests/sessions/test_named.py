"""Tokens of named templates: what they say, who signs them, and that they sign nobody in."""

from __future__ import annotations

import json

import jwt
import pytest

from flask_session_claims import ConfigurationError, SessionError
from flask_session_claims.core.claims import PROTECTED_NAMES, SESSION_CATEGORY, TEMPLATE_CATEGORY
from flask_session_claims.core.keyset import fetched_keys
from flask_session_claims.sessions.faults import ClaimsRefused
from flask_session_claims.sessions.keyring import KEYRING, RING, decode
from flask_session_claims.sessions.saved import NAMED_BYTES
from flask_session_claims.sessions.tokens import b64url

from .office import Office, custom, parts

ISSUER = "https://app.example"
NAMED = {"role": "authenticated", "mail": "{{user.primary_email_address}}", "gone": "{{org.name}}"}


@pytest.fixture(params=["ring", "given key"])
def here(request):
    """With keys that rotate, and with one that was given."""
    office = Office(**({"signing_key": None} if request.param == "ring" else {}))
    office.directory.create_user("ada", primary_email_address="ada@example.com")
    office.save(NAMED, name="rows")
    return office


@pytest.fixture
def issued(here):
    return here.sign_in("ada", claims={"own": 1}, azp="https://page.example")


def mint(office, issued, name="rows", **given):
    return office.issuing.sessions.mint(issued.session.session_id, name, **given)


def key_set(office):
    """What other services read of our keys."""
    return json.loads(office.run(office.issuing.issuer.key_set()).body)


def verified(office, token, **given):
    """What a service takes out of a token that knows the published keys alone."""
    keys = jwt.PyJWKSet.from_dict(key_set(office))
    kid = jwt.get_unverified_header(token)["kid"]
    options = {"verify_exp": False, "verify_iat": False, "verify_nbf": False, "verify_aud": False}
    return jwt.decode(token, keys[kid].key, algorithms=["ES256"], options=options, **given)


def test_it_says_who_and_what_the_template_gives_and_nothing_of_the_session(here, issued):
    here.clock.advance(10.7)
    token = mint(here, issued)
    header, claims = parts(token)
    now = int(here.clock())
    jti = claims["jti"]
    assert claims == {
        "iss": ISSUER, "sub": "ada", "iat": now, "nbf": now - 5, "exp": now + 60, "jti": jti,
        "azp": "https://page.example",
        "role": "authenticated", "mail": "ada@example.com", "gone": None,
    }  # fmt: skip
    assert (header["cat"], header["typ"], header["alg"]) == (TEMPLATE_CATEGORY, "JWT", "ES256")
    assert not {"sid", "rev", "fva", "own"} & set(claims)
    assert parts(mint(here, issued))[1]["jti"] != jti
    assert verified(here, token) == claims


@pytest.mark.parametrize(
    ("audience", "aud"),
    [
        (None, None),
        ("https://api.example", "https://api.example"),
        (["https://api.example"], "https://api.example"),
        (["https://a.example", "https://b.example"], ["https://a.example", "https://b.example"]),
    ],
)
@pytest.mark.parametrize(("skew", "lifetime"), [(0, 30), (5, 60), (300, 86_400)])
def test_options_are_kept_to_the_second(here, issued, audience, aud, skew, lifetime):
    here.save(NAMED, name="odd", audience=audience, skew=skew, lifetime=lifetime)
    claims = parts(mint(here, issued, "odd"))[1]
    assert claims["iat"] - claims["nbf"] == skew
    assert claims["exp"] - claims["iat"] == lifetime
    assert (claims.get("aud"), "aud" in claims) == (aud, aud is not None)
    assert parts(mint(here, issued, "odd", lifetime=45))[1]["exp"] == claims["iat"] + 45


def test_half_seconds_make_no_token_that_lives_longer(here, issued):
    here.save(NAMED, name="odd", skew=2.5, lifetime=30.9)
    claims = parts(mint(here, issued, "odd"))[1]
    assert (claims["nbf"], claims["exp"]) == (claims["iat"] - 3, claims["iat"] + 30)


@pytest.mark.parametrize("lifetime", [30, 60.5, 86_400, 86_401, 315_360_000])
def test_a_lifetime_within_bounds_is_taken(here, issued, lifetime):
    token = mint(here, issued, lifetime=lifetime)
    claims = verified(here, token)
    assert claims["exp"] - claims["iat"] == int(lifetime)


@pytest.mark.parametrize(
    "lifetime", [29.9, 0, -1, 315_360_001, True, "60", float("nan"), float("inf"), 10**400, [60]]
)
def test_a_lifetime_beyond_them_is_refused(here, issued, lifetime):
    with pytest.raises(ConfigurationError, match=r"30 to 315360000"):
        mint(here, issued, lifetime=lifetime)


def test_it_may_outlive_its_session(here):
    issued = here.sign_in("ada", lifetime=100)
    claims = parts(mint(here, issued, lifetime=1_000))[1]
    assert claims["exp"] == claims["iat"] + 1_000 > issued.session.expires_at


# --- who signs ----------------------------------------------------------------------------


def ring(office):
    return decode(office.store.behind.load(KEYRING, RING))


def test_what_lives_longer_than_a_day_is_signed_by_a_key_that_stays():
    here = Office(signing_key=None)
    here.save(NAMED, name="rows")
    issued = here.sign_in("ada")
    day = mint(here, issued, lifetime=86_400)
    assert [key.use for key in ring(here).keys] == ["session"]
    assert parts(day)[0]["kid"] == parts(issued.session_token)[0]["kid"]
    year = mint(here, issued, lifetime=86_401)
    (static,) = (key for key in ring(here).keys if key.use == "static")
    assert parts(year)[0]["kid"] == static.kid
    assert parts(mint(here, issued, lifetime=86_400))[0]["kid"] != static.kid
    assert parts(here.refresh(issued).session_token)[0]["kid"] != static.kid
    for office in (here, here.beside(signing_key=None)):
        assert parts(mint(office, issued, lifetime=10**6))[0]["kid"] == static.kid
    assert len(ring(here).keys) == 2


def test_the_key_that_stays_is_published_everywhere_and_outlives_the_others():
    here = Office(signing_key=None)
    there = here.beside(signing_key=None)
    here.save(NAMED, name="rows", lifetime=315_360_000)
    issued = here.sign_in("ada")
    assert len(key_set(there)["keys"]) == 1
    token = mint(here, issued)
    here.clock.advance(1)
    for office in (here, there):
        assert verified(office, token)["sub"] == "ada"
        assert all("d" not in key for key in key_set(office)["keys"])
    here.clock.advance(90 * 86_400)
    other = here.sign_in("ben")
    here.clock.advance(90 * 86_400)
    assert here.sign_in("cid")
    kids = {key["kid"] for key in key_set(there)["keys"]}
    assert parts(other.session_token)[0]["kid"] not in kids
    assert verified(there, token)["sub"] == "ada"


def test_a_token_of_a_day_verifies_for_a_day_though_its_key_rotates():
    here = Office(signing_key=None)
    here.save(NAMED, name="rows", lifetime=86_400)
    issued = here.sign_in("ada")
    token = mint(here, issued)
    here.run(here.issuing.keyring.rotate(at_once=True))
    here.sign_in("ben")
    here.clock.advance(86_399)
    here.sign_in("cid")
    assert verified(here, token)["sub"] == "ada"


# --- no session token ---------------------------------------------------------------------


@pytest.mark.parametrize("lifetime", [60, 10**6])
def test_it_signs_nobody_in_here(here, issued, lifetime):
    token = mint(here, issued, lifetime=lifetime)
    for office in (here, here.beside(**({"signing_key": None} if here.issuing.keyring else {}))):
        assert office.code_of(token) == "token-type-mismatch"
        assert office.code_of(issued.session_token) is None


def test_nor_does_it_with_the_header_of_a_session_token(here, issued):
    """Even if somebody signed it so: it names no session."""
    signer = here.run(here.issuing.keys.signer())
    header, claims = parts(mint(here, issued))
    header = {**header, "cat": SESSION_CATEGORY}
    text = ".".join(b64url(json.dumps(part).encode()) for part in (header, claims))
    forged = f"{text}.{b64url(signer.sign(text.encode()))}"
    assert here.code_of(forged) is not None


def test_our_published_keys_are_read_by_our_own_reader(here, issued):
    mint(here, issued, lifetime=10**6)
    document = here.run(here.issuing.issuer.key_set())
    keys, *_ = fetched_keys(document.body)
    assert parts(mint(here, issued, lifetime=10**6))[0]["kid"] in {key.kid for key in keys.keys}


# --- what is refused ----------------------------------------------------------------------


def test_a_name_that_nobody_has_saved(here, issued):
    with pytest.raises(SessionError) as caught:
        mint(here, issued, "other")
    assert (caught.value.code, caught.value.status) == ("template-unknown", 404)
    assert here.issuing.templates.delete("rows")
    with pytest.raises(SessionError) as caught:
        mint(here, issued)
    assert caught.value.code == "template-unknown"


@pytest.mark.parametrize("name", ["", "a b", "-a", "x" * 65, 5, ("rows",), "rows\n"])
def test_what_is_no_name(here, issued, name):
    with pytest.raises(ConfigurationError, match="name of a template"):
        mint(here, issued, name)


def test_a_session_that_has_ended(here, issued):
    assert here.revoke(issued.session.session_id)
    with pytest.raises(SessionError) as caught:
        mint(here, issued)
    assert caught.value.code == "session-unknown"
    for session_id in ("sess_none", "", "nonsense"):
        with pytest.raises(SessionError, match="no such session"):
            here.issuing.sessions.mint(session_id, "rows")


def test_a_session_of_somebody_who_acted_for_a_user_and_has_signed_out(here, issued):
    acting = here.sign_in("ben", actor={"sub": "ada", "sid": issued.session.session_id})
    assert parts(mint(here, acting))[1]["sub"] == "ben"
    here.revoke(issued.session.session_id)
    with pytest.raises(SessionError) as caught:
        mint(here, acting)
    assert caught.value.code == "session-unknown"


def test_what_is_too_large_for_a_header(here, issued):
    here.save({"data": "{{user.public_metadata}}", "small": 1}, name="large")
    room = NAMED_BYTES - 100
    here.directory.update_user_metadata("ada", public={"x": "y" * min(room, 8_000)})
    assert parts(mint(here, issued, "large"))[1]["small"] == 1
    here.save(dict.fromkeys("abcdefgh", "{{user.public_metadata}}"), name="large")
    with pytest.raises(ClaimsRefused) as caught:
        mint(here, issued, "large")
    assert caught.value.code == "claims-too-large"
    assert len(caught.value.names) == 3


@pytest.mark.parametrize("name", sorted(PROTECTED_NAMES))
def test_what_is_the_issuers_stays_the_issuers(here, issued, name, monkeypatch):
    """Saving refuses such a name; and if a record held one, it would go into no token."""
    with pytest.raises(SessionError) as caught:
        here.save({name: "forged", "kept": 1}, name="bad")
    assert caught.value.status == 400
    composer = here.issuing.sources.composer
    true = type(composer).claims

    def claims(composer, template, state, *, most):
        given = yield from true(composer, template, state, most=most)
        return type(given)({**given, name: "forged"})

    monkeypatch.setattr(type(composer), "claims", claims)
    said = parts(mint(here, issued))[1]
    assert said.get(name) != "forged"
    assert custom(said) == {"role": "authenticated", "mail": "ada@example.com", "gone": None}


def test_it_says_what_the_organisation_of_the_session_gives(here, issued):
    here.join("ada", "org_a", "org:admin", permissions=["org:bills:pay"])
    here.save({"org": "{{org.name}}", "may": "{{org_membership.permissions}}"}, name="org")
    here.run(here.flows.switch(issued.session.session_id, "org_a"))
    said = custom(parts(mint(here, issued, "org"))[1])
    assert said == {"org": "org_a", "may": ["org:bills:pay"]}
    here.directory.remove_member("org_a", "ada")
    assert custom(parts(mint(here, issued, "org"))[1]) == {"org": None, "may": None}
