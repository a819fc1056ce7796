"""`flask session-claims inspect`: verdicts with their reasons, sizes, ages, and bad input."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from flask import Flask

from flask_session_claims import SessionClaims
from flask_session_claims.testing import FrozenClock, KeyServer, LocalIssuer, shared_key

from ..flask_site import APP, make_app
from ..sites import bad_tokens, forged_by
from .cli import report, run, words

SHAPE = {
    "accepted": bool,
    "code": (str, type(None)),
    "message": str,
    "why": (str, type(None)),
    "signature": str,
    "header": (dict, type(None)),
    "claims": (dict, type(None)),
    "times": dict,
    "sizes": list,
    "custom_claims": dict,
}
SLASHED = "https://issuer.example/"
BAD = sorted(bad_tokens(LocalIssuer("https://issuer.example", key=shared_key("ES256"))))


@pytest.fixture
def app(config: dict[str, Any]) -> Flask:
    return make_app(config)


def pieces(token: str) -> list[str]:
    """What must never be printed: the token, and its signature in any spelling."""
    signature = token.rpartition(".")[2]
    raw = base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
    return [token, signature, raw.hex(), base64.b64encode(raw).decode()]


def test_a_good_token_is_accepted_and_shown_without_its_signature(app, issuer):
    token = issuer.mint_v2("alice", azp=APP, fullName="Åse Ørn")
    seen = report(app, "inspect", token)
    assert list(seen) == list(SHAPE)
    assert all(isinstance(seen[name], kind) for name, kind in SHAPE.items())
    assert (seen["accepted"], seen["code"], seen["why"]) == (True, None, None)
    assert (seen["signature"], seen["header"]["kid"]) == ("good", issuer.kid)
    assert seen["claims"]["fullName"] == "Åse Ørn"
    result = run(app, "inspect", token)
    assert result.exit_code == 0
    assert "accepted" in result.output
    assert 'fullName "Åse Ørn"' in words(result.output)
    for output in (result.output, json.dumps(seen)):
        assert not [piece for piece in pieces(token) if piece in output]


@pytest.mark.parametrize("name", BAD)
def test_each_bad_token_is_refused_with_its_code_and_never_printed(app, issuer, name):
    token, code = bad_tokens(issuer)[name]
    seen = report(app, "inspect", token, code=1)
    assert (seen["accepted"], seen["code"]) == (False, code)
    result = run(app, "inspect", token)
    assert result.exit_code == 1
    assert code in result.output
    assert "Traceback" not in result.output
    if len(token) > 24:
        assert token not in result.output + json.dumps(seen)


@pytest.mark.parametrize(
    ("change", "claims", "code", "says"),
    [
        ({}, {"azp": None}, "token-invalid-authorized-parties", ["no azp", "ORIGINS", APP]),
        ({}, {"azp": "https://b.example"}, "token-invalid-authorized-parties", ["b.example", APP]),
        ({"LEEWAY": 7}, {"lifetime": -100}, "token-expired", ["exp was 1 min 4", "7 s"]),
        ({}, {"nbf": 4e9}, "token-not-active-yet", ["nbf is in", "clock"]),
        ({}, {"iat": 4_000_000_000}, "token-iat-in-the-future", ["iat is in", "clock"]),
        ({"ISSUER": "https://other.example"}, {}, "token-invalid-issuer", ["is", "other.example"]),
        (
            {"ISSUER": SLASHED},
            {},
            "token-invalid-issuer",
            [f'"{SLASHED}"; they differ in the slash'],
        ),
        ({"AUDIENCE": "api"}, {"aud": "web"}, "token-invalid-audience", ['"web"', '["api"]']),
        ({"STRICT_AUDIENCE": True}, {"aud": "web"}, "token-invalid-audience", ["unset"]),
        ({}, {"sid": 7}, "token-invalid-claim", ["sid is 7"]),
        ({}, {"act": "x", "jti": 1}, "token-invalid-claim", ["jti is 1", 'act is "x"']),
        ({}, {"drop": ["exp"]}, "token-missing-claim", ["lacks exp"]),
        ({}, {"sts": "pending"}, "session-pending", ["ACCEPT_PENDING"]),
        ({}, {"sid": None}, "token-type-mismatch", ["no session (sid)", "TOKEN_USE"]),
        ({}, {"headers": {"typ": "at+jwt"}}, "token-type-mismatch", ['typ is "at+jwt"']),
        (
            {"ALGORITHMS": ["ES256"]},
            {"headers": {"alg": "HS256"}},
            "token-invalid-algorithm",
            ["ES256"],
        ),
        ({}, {"headers": {"kid": "nobody"}}, "jwk-kid-mismatch", ['"nobody"', "keys --fetch"]),
        ({}, {"headers": {"crit": ["x"]}}, "token-invalid", ["crit"]),
        ({"MAX_TOKEN_LENGTH": 256}, {}, "token-too-large", ["MAX_TOKEN_LENGTH is 256"]),
    ],
)
def test_the_reason_names_what_came_and_what_was_expected(
    config, issuer, change, claims, code, says
):
    app = make_app({**config, **{f"SESSION_CLAIMS_{k}": v for k, v in change.items()}})
    seen = report(app, "inspect", issuer.mint(**{"azp": APP, **claims}), code=1)
    assert seen["code"] == code
    assert not [text for text in says if text not in seen["why"]], seen["why"]


@pytest.mark.parametrize(
    ("make", "signature"),
    [
        (lambda issuer: issuer.mint(azp=APP, lifetime=-100), "good"),
        (lambda issuer: issuer.mint_template(azp=APP), "good"),
        (lambda issuer: forged_by(issuer).mint(azp=APP), "bad"),
        (lambda issuer: issuer.mint(azp=APP, headers={"kid": "nobody"}), "unchecked"),
    ],
)
def test_claims_of_a_refused_token_come_with_what_is_known_of_the_signature(
    app, issuer, make, signature
):
    token = make(issuer)
    assert report(app, "inspect", token, code=1)["signature"] == signature
    assert ("believe nothing" in run(app, "inspect", token).output) is (signature != "good")


def test_age_and_expiry_are_told_by_the_apps_clock():
    clock = FrozenClock()
    issuer = LocalIssuer("https://issuer.example", key=shared_key("ES256"), clock=clock)
    app = Flask("site")
    SessionClaims(app, clock=clock, issuer=issuer.issuer, jwks=issuer.jwks(), leeway=5)
    token = issuer.mint("alice", lifetime=60)
    clock.advance(45)
    times = report(app, "inspect", token)["times"]
    assert (times["age"], times["expires_in"]) == (45, 15)
    assert times["expires_at"] - times["issued_at"] == 60
    assert "issued 45 s ago expires in 15 s lifetime 1 min" in words(
        run(app, "inspect", token).output
    )
    clock.advance(3_700)
    assert "expired 1 h 1 min ago" in words(run(app, "inspect", token).output)


def sizes(app: Flask, token: str, code: int = 0) -> dict[str, tuple[int, int, bool]]:
    found = report(app, "inspect", token, code=code)["sizes"]
    return {each["what"]: (each["used"], each["limit"], each["fits"]) for each in found}


def test_sizes_are_held_against_their_budgets(app, issuer):
    token = issuer.mint(azp=APP, name="é" * 10, note="x")
    custom = len(
        json.dumps(
            {"name": "é" * 10, "note": "x"}, ensure_ascii=False, separators=(",", ":")
        ).encode()
    )
    assert sizes(app, token) == {
        "token": (len(token), 8192, True),
        "cookie": (len(f"__session{token}"), 4096, True),
        "custom claims": (custom, 1200, True),
    }
    assert sizes(app, issuer.mint(azp=APP))["custom claims"] == (0, 1200, True)


def test_the_cookie_counts_with_the_suffix_that_clerk_gives_its_name(issuer):
    app = Flask("site")
    # pk_test_ + base64 of "issuer.example$"
    SessionClaims(app, clerk_publishable_key="pk_test_aXNzdWVyLmV4YW1wbGUk", jwks=issuer.jwks())
    token = issuer.mint()
    assert sizes(app, token)["cookie"][0] == len(f"__session_12345678{token}")


@pytest.mark.parametrize("more", [0, 1])
def test_custom_claims_fit_up_to_the_last_byte(app, issuer, more):
    token = issuer.mint(azp=APP, big="x" * (1200 - len('{"big":""}') + more))
    assert sizes(app, token)["custom claims"] == (1200 + more, 1200, more == 0)


def test_over_a_budget_the_largest_claims_are_named_and_the_token_stays_accepted(app, issuer):
    token = issuer.mint(azp=APP, small="y", big="x" * 4000)
    assert sizes(app, token)["cookie"][2] is False
    output = words(run(app, "inspect", token).output)
    assert "largest: big 4,009, small 12" in output
    assert "accepted" in output


def test_the_token_may_come_from_standard_input_or_the_environment(app, issuer):
    token = issuer.mint("alice", azp=APP)
    for args, options in (
        (["-"], {"input": f"  Bearer {token}\n"}),
        ([], {"env": {"INSPECT_TOKEN": token}}),
        ([f"Authorization: Bearer {token}"], {}),
        (["Bearer", token], {}),
        ([f'"{token}"'], {}),
    ):
        assert report(app, "inspect", *args, **options)["claims"]["sub"] == "alice"


@pytest.mark.parametrize(
    ("args", "options"),
    [
        ([], {}),
        ([""], {}),
        (["-"], {"input": ""}),
        (["-"], {"input": " \n"}),
        ([], {"env": {"INSPECT_TOKEN": " "}}),
        (["-"], {"input": b"a" * 1_048_577}),
    ],
)
def test_no_token_and_endless_input_are_wrong_usage(app, args, options):
    result = run(app, "inspect", *args, **options)
    assert result.exit_code == 2
    assert result.output.splitlines()[-1].startswith("Error: ")


@pytest.mark.parametrize(
    ("data", "code", "says"),
    [
        (b"abc", "token-invalid", "1 part"),
        (b"a.b", "token-invalid", "2 parts"),
        (b"a.b.c", "token-invalid", "first part"),
        (b"a.b.c.d.e", "token-invalid", "encrypted"),
        (b"\xff\xfe.\x00.a", "token-invalid", "characters"),
        (bytes(range(256)) * 3, "token-invalid", "characters"),
        (b"eyJ\n.eyJ.c2ln", "token-invalid", "characters"),
        ("é.é.é".encode(), "token-invalid", "characters"),
        (b"a" * 70_000, "token-too-large", "70,000"),
        (b"." * 1_000_000, "token-too-large", "1,000,000"),
        (b"eyJhbGciOiJSUzI1NiJ9=.eyJ.c2ln", "token-invalid", "characters"),
        (b"ak_secret", "token-type-mismatch", "machine token"),
        (b"[" * 3_000 + b".eyJ.c2ln", "token-invalid", "characters"),
    ],
)
def test_what_is_no_token_at_all_ends_in_one_line(app, data, code, says):
    result = run(app, "inspect", "-", input=data)
    assert result.exit_code == 1
    (line,) = result.output.splitlines()
    assert line.startswith(f"refused  {code}: ")
    assert says in line
    assert line.isprintable()
    assert report(app, "inspect", "-", code=1, input=data)["header"] is None


def test_a_payload_that_is_no_json_is_told_apart_from_the_header(app, issuer):
    token = issuer.sign({"alg": "ES256", "kid": issuer.kid}, b"{]")
    seen = report(app, "inspect", token, code=1)
    assert (seen["code"], seen["header"]["alg"], seen["claims"]) == ("token-invalid", "ES256", None)
    assert "second part" in seen["why"]
    assert "second part" in run(app, "inspect", token).output


def test_nothing_in_a_token_reaches_the_terminal_as_a_command(app, issuer):
    forbidden = "\x1b\x07\u202e\x7f\x9b\r\u2028"
    nasty = f"\x1b]0;owned{forbidden}\n"
    inside = {"note": nasty, nasty: {"deep": [nasty]}}
    header = {"alg": "ES256", "kid": issuer.kid, nasty: nasty}
    for token in (
        issuer.mint(azp=APP, **inside),
        issuer.mint(azp=nasty, **inside),
        issuer.sign(header, {"sub": "x", **inside}),
        forged_by(issuer).mint(iss=nasty),
    ):
        for args in ([], ["--json"]):
            result = run(app, "inspect", token, *args)
            assert "owned" in result.output or "signature NOT" in result.output
            assert not set(result.output) & set(forbidden)


@pytest.mark.parametrize("value", [10**400, -(10**400), 1e300, True, "soon", None, [1]])
def test_odd_times_are_shown_without_a_date(app, issuer, value):
    token = issuer.mint(azp=APP, exp=value, iat=value)
    seen = report(app, "inspect", token, code=1)
    assert seen["times"]["expires_at"] is None
    result = run(app, "inspect", token)
    assert result.exit_code == 1
    assert "it states no time" in result.output


def test_a_token_that_cannot_be_judged_is_neither_accepted_nor_refused(issuer):
    with KeyServer(issuer) as server:
        app = Flask("site")
        SessionClaims(app, issuer=issuer.issuer, jwks_url=server.url, allow_loopback_http=True)
        server.mode = "status"
        token = issuer.mint()
        seen = report(app, "inspect", token, code=1)
        assert (seen["code"], seen["signature"]) == ("jwk-remote-failed-to-load", "unchecked")
        assert "500" in seen["why"]
        assert run(app, "inspect", token).output.startswith("undecided")
    with KeyServer(issuer) as server:
        app = Flask("site")
        SessionClaims(app, issuer=issuer.issuer, jwks_url=server.url, allow_loopback_http=True)
        assert report(app, "inspect", issuer.mint())["signature"] == "good"
        assert server.requests == 1
