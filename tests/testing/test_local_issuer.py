"""The local issuer, judged by PyJWT: what it signs is good under its key and no other."""

import base64
import hashlib
import json
import threading

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from flask_session_claims.testing import FrozenClock, LocalIssuer, shared_key

ALGORITHMS = ["RS256", "ES256", "EdDSA"]
NOW = 1_800_000_000


def make(algorithm="ES256", number=0, **options):
    return LocalIssuer("https://issuer.example", key=shared_key(algorithm, number), **options)


def decode(token, key, algorithm="ES256"):
    """The claims, by PyJWT; times are left alone, so that a frozen clock may be used."""
    options = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False}
    return jwt.decode(token, key, algorithms=[algorithm], options=options)


def segments(token):
    return [base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in token.split(".")]


# Keys


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_token_is_good_under_its_pem_and_bad_under_another(algorithm):
    issuer, stranger = make(algorithm), make(algorithm, 1)
    token = issuer.mint(fullName="Zoë Müller")
    assert decode(token, issuer.public_pem(), algorithm)["fullName"] == "Zoë Müller"
    with pytest.raises(jwt.InvalidSignatureError):
        decode(token, stranger.public_pem(), algorithm)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_token_is_good_under_the_key_that_its_kid_names_in_the_set(algorithm):
    issuer = make(algorithm)
    token = issuer.mint()
    keys = jwt.PyJWKSet.from_dict(issuer.jwks())
    assert decode(token, keys[jwt.get_unverified_header(token)["kid"]], algorithm)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_each_issuer_has_a_key_of_its_own(algorithm):
    one, other = LocalIssuer(algorithm=algorithm), LocalIssuer(algorithm=algorithm)
    assert one.kid != other.kid
    with pytest.raises(jwt.InvalidSignatureError):
        decode(one.mint(), other.public_pem(), algorithm)


@pytest.mark.parametrize(
    ("algorithm", "members"),
    [
        ("RS256", {"kty": "RSA", "e": "AQAB", "n": 342}),
        ("ES256", {"kty": "EC", "crv": "P-256", "x": 43, "y": 43}),
        ("EdDSA", {"kty": "OKP", "crv": "Ed25519", "x": 43}),
    ],
)
def test_a_jwk_has_the_members_of_its_type_and_nothing_private(algorithm, members):
    jwk = make(algorithm).public_jwk()
    assert set(jwk) == {*members, "kid", "use", "alg"}
    assert (jwk["use"], jwk["alg"]) == ("sig", algorithm)
    for name, expected in members.items():
        found = len(jwk[name]) if isinstance(expected, int) else jwk[name]
        assert found == expected, name


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_usual_kid_is_the_thumbprint_of_the_key(algorithm):
    issuer = make(algorithm)
    required = {
        name: value
        for name, value in issuer.public_jwk().items()
        if name not in {"kid", "use", "alg"}
    }
    text = json.dumps(required, sort_keys=True, separators=(",", ":")).encode()
    digest = base64.urlsafe_b64encode(hashlib.sha256(text).digest()).rstrip(b"=").decode()
    assert issuer.kid == digest


def test_a_kid_can_be_chosen():
    issuer = make(kid="ins_1")
    assert issuer.kid == issuer.jwks()["keys"][0]["kid"] == "ins_1"
    assert jwt.get_unverified_header(issuer.mint())["kid"] == "ins_1"


def test_a_coordinate_that_begins_with_zero_keeps_its_length():
    # About one point in 256 has such an x.
    scalar = next(
        number
        for number in range(1, 10_000)
        if ec.derive_private_key(number, ec.SECP256R1()).public_key().public_numbers().x < 2**248
    )
    issuer = LocalIssuer(key=ec.derive_private_key(scalar, ec.SECP256R1()))
    assert len(issuer.public_jwk()["x"]) == 43
    assert decode(issuer.mint(), jwt.PyJWK(issuer.public_jwk()))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_private_pem_is_the_private_key_of_the_public_one(algorithm):
    issuer = make(algorithm)
    private = load_pem_private_key(issuer.private_pem().encode(), password=None)
    token = jwt.encode({"sub": "x"}, private, algorithm=algorithm)
    assert decode(token, issuer.public_pem(), algorithm) == {"sub": "x"}


def test_a_changed_set_does_not_change_the_issuer():
    issuer = make()
    issuer.jwks()["keys"].clear()
    issuer.public_jwk().clear()
    assert issuer.jwks()["keys"][0]["kid"] == issuer.kid


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_no_text_form_shows_the_key(algorithm):
    issuer = make(algorithm)
    shown = f"{issuer!r} {issuer} {vars(issuer)!r}"
    for line in issuer.private_pem().splitlines()[1:-1]:
        assert line not in shown
    assert issuer.kid in repr(issuer)


def test_an_unknown_algorithm_or_curve_is_refused():
    with pytest.raises(ValueError, match="RS256, ES256, EdDSA"):
        LocalIssuer(algorithm="HS256")
    with pytest.raises(ValueError, match="P-256"):
        LocalIssuer(key=ec.generate_private_key(ec.SECP384R1()))


def test_shared_keys_are_the_same_for_the_same_number_only():
    assert shared_key("ES256") is shared_key("ES256", 0)
    assert make().kid == make().kid != make(number=1).kid


# Rotation


def test_rotation_replaces_the_key():
    issuer = make()
    old_kid, old_token, old_pem = issuer.kid, issuer.mint(), issuer.public_pem()
    new_kid = issuer.rotate()
    assert new_kid == issuer.kid != old_kid
    assert [key["kid"] for key in issuer.jwks()["keys"]] == [new_kid]
    assert decode(issuer.mint(), issuer.public_pem())
    assert decode(old_token, old_pem)
    with pytest.raises(jwt.InvalidSignatureError):
        decode(old_token, issuer.public_pem())


def test_rotation_can_keep_the_old_key_in_the_set_until_it_is_retired():
    issuer = make()
    first = issuer.kid
    second = issuer.rotate(keep=True)
    third = issuer.rotate(keep=True, kid="third")
    assert [key["kid"] for key in issuer.jwks()["keys"]] == [third, second, first]
    issuer.retire(first)
    assert [key["kid"] for key in issuer.jwks()["keys"]] == ["third", second]
    with pytest.raises(KeyError):
        issuer.retire("third")


def test_rotation_can_take_a_key_of_another_algorithm():
    issuer = make("RS256")
    issuer.rotate(key=shared_key("EdDSA"))
    assert issuer.algorithm == "EdDSA"
    assert decode(issuer.mint(), issuer.public_pem(), "EdDSA")


def test_threads_that_mint_while_keys_rotate_find_each_kid_in_the_set():
    issuer = make("EdDSA")
    published = {issuer.kid: issuer.public_pem()}
    tokens, done = [], threading.Event()

    def mint():
        while not done.is_set():
            tokens.append(issuer.mint())

    threads = [threading.Thread(target=mint) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(100):
        issuer.rotate(keep=True)
        published[issuer.kid] = issuer.public_pem()
    done.set()
    for thread in threads:
        thread.join()
    assert {key["kid"] for key in issuer.jwks()["keys"]} == set(published)
    for token in tokens:
        assert decode(token, published[jwt.get_unverified_header(token)["kid"]], "EdDSA")


# Session tokens


def test_a_session_token_has_the_first_format():
    issuer = make(clock=FrozenClock(NOW + 0.9))
    token = issuer.mint(fullName="Ada")
    assert jwt.get_unverified_header(token) == {"alg": "ES256", "kid": issuer.kid, "typ": "JWT"}
    claims = decode(token, issuer.public_pem())
    assert len(claims.pop("jti")) == 32
    assert claims == {
        "iss": "https://issuer.example",
        "sub": "user_1",
        "sid": "sess_1",
        "iat": NOW,
        "nbf": NOW - 10,
        "exp": NOW + 60,
        "fullName": "Ada",
    }


def test_two_tokens_of_one_second_differ():
    issuer = make(clock=FrozenClock())
    assert issuer.mint() != issuer.mint()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"sub": "user_2"}, {"sub": "user_2"}),
        ({"sid": "sess_2"}, {"sid": "sess_2"}),
        ({"sid": None}, {"sid": ...}),
        ({"azp": "https://app.example"}, {"azp": "https://app.example"}),
        ({"lifetime": 5}, {"exp": NOW + 5}),
        ({"lifetime": -1}, {"exp": NOW - 1}),
        ({"lifetime": 0.5}, {"exp": NOW + 0.5}),
        ({"iss": "https://other.example"}, {"iss": "https://other.example"}),
        ({"exp": "soon"}, {"exp": "soon"}),
        ({"plan": None}, {"plan": None}),
        ({"drop": ("exp", "sub")}, {"exp": ..., "sub": ..., "sid": "sess_1"}),
        ({"drop": ["plan"], "plan": "gold"}, {"plan": ...}),
    ],
)
def test_claims_are_changed_added_and_dropped(arguments, expected):
    issuer = make(clock=FrozenClock(NOW))
    claims = json.loads(segments(issuer.mint(**arguments))[1])
    assert {name: claims.get(name, ...) for name in expected} == expected


def test_headers_are_changed_added_and_taken_away():
    issuer = make()
    token = issuer.mint(headers={"typ": None, "kid": "other", "oiat": 5})
    assert json.loads(segments(token)[0]) == {"alg": "ES256", "kid": "other", "oiat": 5}
    with pytest.raises(jwt.InvalidTokenError):
        decode(issuer.mint(headers={"alg": "none"}), issuer.public_pem())


def test_the_second_format_carries_version_status_and_organisation():
    issuer = make(clock=FrozenClock(NOW))
    org = {"id": "org_1", "slg": "acme", "rol": "admin", "per": "read", "fpm": "1"}
    token = issuer.mint_v2(org=org, fea="o:teams", pla="o:pro", jti="j", azp="https://app.example")
    assert jwt.get_unverified_header(token)["cat"] == "cl_B7d4PD111AAA"
    assert decode(token, issuer.public_pem()) == {
        "iss": "https://issuer.example",
        "sub": "user_1",
        "sid": "sess_1",
        "azp": "https://app.example",
        "iat": NOW,
        "nbf": NOW - 10,
        "exp": NOW + 60,
        "jti": "j",
        "v": 2,
        "sts": "active",
        "fva": [0, -1],
        "o": org,
        "fea": "o:teams",
        "pla": "o:pro",
    }


def test_the_second_format_leaves_out_what_is_not_given():
    claims = json.loads(segments(make().mint_v2(sts=None))[1])
    assert claims["v"] == 2
    assert not {"o", "fea", "pla", "sts", "azp"} & set(claims)


def test_an_issuer_may_have_an_azp_which_a_call_may_change():
    issuer = make(azp="https://app.example")
    for mint in (issuer.mint, issuer.mint_v2, issuer.mint_as):
        assert decode(mint(), issuer.public_pem())["azp"] == "https://app.example"
        other = mint(azp="https://other.example")
        assert decode(other, issuer.public_pem())["azp"] == "https://other.example"
    assert "azp" not in decode(issuer.mint(drop=["azp"]), issuer.public_pem())


def test_somebody_described_gets_a_token_of_the_first_format():
    clock = FrozenClock(NOW)
    issuer = make(clock=clock)
    token = issuer.mint_as("user_7", role="admin", features=["teams"], lifetime=30, fullName="Ada")
    claims = decode(token, issuer.public_pem())
    assert claims.pop("jti")
    assert claims == {
        "iss": "https://issuer.example",
        "iat": NOW,
        "nbf": NOW - 10,
        "exp": NOW + 30,
        "sub": "user_7",
        "sid": "sess_1",
        "org_id": "org_1",
        "org_role": "org:admin",
        "fea": "o:teams",
        "fullName": "Ada",
    }


def test_what_describes_nobody_gets_no_token():
    with pytest.raises(ValueError, match="sub is no claim of your own"):
        make().mint_as(sub="user_7")


def test_its_clock_may_be_changed():
    issuer = make(clock=FrozenClock(1000))
    issuer.clock = FrozenClock(NOW)
    assert decode(issuer.mint(), issuer.public_pem())["iat"] == NOW


# Tokens that are not sessions


def test_a_template_token_names_a_user_but_no_session():
    issuer = make()
    token = issuer.mint_template(role="reader")
    claims = decode(token, issuer.public_pem())
    assert jwt.get_unverified_header(token)["cat"] == "cl_B7d4PD222AAA"
    assert (claims["sub"], claims["role"]) == ("user_1", "reader")
    assert "sid" not in claims


def test_a_machine_token_names_a_machine():
    issuer = make()
    token = issuer.mint_machine(scopes="mch_2")
    claims = decode(token, issuer.public_pem())
    assert jwt.get_unverified_header(token)["cat"] == "cl_B7d4PD333AAA"
    assert (claims["sub"], claims["scopes"]) == ("mch_1", "mch_2")
    assert "sid" not in claims


def test_an_access_token_follows_its_profile():
    issuer = make()
    token = issuer.mint_access(audience="https://api.example", scope="read write")
    assert jwt.get_unverified_header(token)["typ"] == "at+jwt"
    claims = jwt.decode(
        token, issuer.public_pem(), algorithms=["ES256"], audience="https://api.example"
    )
    # RFC 9068 §2.2
    assert {"iss", "exp", "aud", "sub", "client_id", "iat", "jti"} <= set(claims)
    assert claims["scope"] == "read write"
    assert "scope" not in decode(issuer.mint_access(audience=["a", "b"]), issuer.public_pem())


# Signing anything


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_bytes_are_signed_as_they_are(algorithm):
    issuer = make(algorithm)
    header = b'{ "alg":"%b", "alg":"none" }' % algorithm.encode()
    payload = b'\xff\x00 not json {"a":1,"a":2}'
    token = issuer.sign(header, payload)
    assert segments(token)[:2] == [header, payload]
    signed, _, signature = token.rpartition(".")
    judge = jwt.get_algorithm_by_name(algorithm)
    key = judge.prepare_key(issuer.public_pem())
    assert judge.verify(signed.encode(), key, segments(f"..{signature}")[2])


def test_a_mapping_is_signed_without_additions():
    issuer = make()
    header, payload, _ = segments(issuer.sign({"crit": ["x"]}, {"name": "Zoë", "list": [1, 2]}))
    assert header == b'{"crit":["x"]}'
    assert payload == '{"name":"Zoë","list":[1,2]}'.encode()


def test_the_parts_may_be_empty():
    token = make().sign(b"", b"")
    assert token.startswith("..")
    assert len(token) == 2 + 86


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_encoding_is_canonical_base64url_without_padding(algorithm):
    issuer = make(algorithm)
    for length in range(4):
        for part in issuer.sign(b"\xfb" * length, b"\xff" * length).split("."):
            raw = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
            assert base64.urlsafe_b64encode(raw).rstrip(b"=").decode() == part
