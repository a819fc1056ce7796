"""From raw header fields to one credential: tables of what decides and what is refused.

Row ids (C1 to C4) are those of the security requirements. H and C stand for two good tokens, so
that each row says who is signed in. Everything goes through the real verifier.
"""

from __future__ import annotations

import base64

import pytest

from flask_session_claims import Verifier, VerifierSettings, credentials_from
from flask_session_claims.core.credentials import Credentials
from flask_session_claims.testing import LocalIssuer, shared_key

ISSUER = "https://issuer.example"
INVALID, MISSING = "token-invalid", "session-token-missing"
USER_H, USER_C = "user_header", "user_cookie"


def settings_of(**changes: object) -> VerifierSettings:
    keys = LocalIssuer(ISSUER, key=shared_key("ES256")).jwks()
    return VerifierSettings(**{"issuer": ISSUER, "jwks": keys, **changes})


def outcome(authorization: list[str], cookie: list[str], **changes: object) -> tuple:
    """Who is signed in, or why nobody is; and where the credential was."""
    issuer = LocalIssuer(ISSUER, key=shared_key("ES256"))
    tokens = {"{H}": issuer.mint(USER_H), "{C}": issuer.mint(USER_C)}

    def filled(fields: list[str]) -> list[str]:
        for mark, token in tokens.items():
            fields = [field.replace(mark, token) for field in fields]
        return fields

    settings = settings_of(**changes)
    found = credentials_from(filled(authorization), filled(cookie), settings)
    for token in tokens.values():
        assert token not in repr(found)
        assert token.split(".")[1][:24] not in repr(found)
    auth = Verifier(settings).authenticate(found)
    return auth.user_id or auth.reason, auth.source


# The header

HEADER_ALONE = [
    # C1: the scheme in any case, then spaces
    (["Bearer {H}"], USER_H),
    (["bearer {H}"], USER_H),
    (["BEARER {H}"], USER_H),
    (["bEaReR {H}"], USER_H),
    (["Bearer     {H}"], USER_H),
    (["  Bearer {H}  "], USER_H),
    (["\tBearer {H}\t"], USER_H),
    (["Bearer\t{H}"], INVALID),
    (["Bearer \t{H}"], INVALID),
    (["Bearer"], INVALID),
    (["Bearer "], INVALID),
    (["Bearer    "], INVALID),
    (["Bearer={H}"], INVALID),
    (["Bearer:{H}"], INVALID),
    (["Bearer,{H}"], INVALID),
    (["Bearer\xa0{H}"], INVALID),
    # C3: lists, quotes, several fields
    (["Bearer {H}, Bearer {H}"], INVALID),
    (["Bearer {H},Bearer {C}"], INVALID),
    (["Bearer {H}, Basic dTpw"], INVALID),
    (["Basic dTpw, Bearer {H}"], INVALID),
    (["Basic dTpw,bearer {H}"], INVALID),
    (["Bearer {H},"], INVALID),
    (["Bearer , {H}"], INVALID),
    (["Bearer {H} {C}"], INVALID),
    (["Bearer {H};"], INVALID),
    (['Bearer "{H}"'], INVALID),
    (["Bearer '{H}'"], INVALID),
    (["Bearer <{H}>"], INVALID),
    (["Bearer Bearer {H}"], INVALID),
    (["Bearer token={H}"], INVALID),
    (["Bearer {H}", "Bearer {H}"], INVALID),
    (["Bearer {H}", "Bearer {C}"], INVALID),
    (["Basic dTpw", "Bearer {H}"], INVALID),
    (["Bearer {H}", "Basic dTpw"], INVALID),
    (["Bearer {H}", ""], INVALID),
]


@pytest.mark.parametrize(("fields", "wanted"), HEADER_ALONE)
@pytest.mark.parametrize("cookie", [[], ["__session={C}"]], ids=["alone", "with a cookie"])
def test_c1_c2_c3_a_bearer_decides(fields, wanted, cookie):
    """C2: whatever becomes of it, the cookie has no say."""
    assert outcome(fields, cookie) == (wanted, "header")


@pytest.mark.parametrize(
    "field",
    [
        "",
        " ",
        "Basic dTpw",
        "basic dTpw",
        "Digest username=bearer",
        "Negotiate YII=",
        "DPoP {H}",
        "Token {H}",
        "Bearerer {H}",
        "Bearer-2 {H}",
        "BearerX",
        "X-Bearer {H}",
        "{H}",
        "Basic Bearer",
    ],
)
def test_c2_another_scheme_leaves_the_cookie_usable(field):
    assert outcome([field], ["__session={C}"]) == (USER_C, "cookie")
    assert outcome([field], []) == (MISSING, None)


def test_nothing_sent():
    assert credentials_from([], [], settings_of()) == Credentials()
    assert outcome([], []) == (MISSING, None)


def test_what_credentials_hold():
    settings = settings_of()
    assert credentials_from(["Bearer  abc"], [], settings) == Credentials("abc", "header")
    assert credentials_from([], ["__session=abc"], settings) == Credentials("abc", "cookie")
    refused = Credentials(problem=INVALID, source="header")
    assert credentials_from(["Bearer a", "Bearer a"], ["__session=b"], settings) == refused
    refused = Credentials(problem=INVALID, source="cookie")
    assert credentials_from([], ["__session=a; __session=b"], settings) == refused


# The cookie

COOKIES = [
    (["__session={C}"], USER_C),
    (["a=b; __session={C}; c=d"], USER_C),
    (["a=b;__session={C};c=d"], USER_C),
    ([" a=b ;\t__session={C} ; c=d;"], USER_C),
    (["__session={C};"], USER_C),
    # exact name, in its case
    (["__Session={C}"], MISSING),
    (["__SESSION={C}"], MISSING),
    (["session={C}"], MISSING),
    (["__session_x={C}"], MISSING),
    (["x__session={C}"], MISSING),
    (["__session-={C}"], MISSING),
    (["__Host-__session={C}"], MISSING),
    (["__session%20={C}"], MISSING),
    (["__session_x={H}; __session={C}"], USER_C),
    (["__session={C}; __session_x={H}"], USER_C),
    (["x__session={H}; __session={C}; __sessions={H}"], USER_C),
    (["a=__session; __session={C}"], USER_C),
    (["a=__session={H}"], MISSING),
    (["a=__session={H}; __session={C}"], USER_C),
    (["__Session={H}; __session={C}"], USER_C),
    # empty, or no cookie at all
    (["__session="], MISSING),
    (["__session= ; a=b"], MISSING),
    (["__session"], MISSING),
    (["__session; a=b"], MISSING),
    ([""], MISSING),
    ([";;;"], MISSING),
    (["__session=; __session="], MISSING),
    # odd neighbours hide nothing
    (['a="b;c"; __session={C}'], USER_C),
    (['a="b; __session={C}'], USER_C),
    (["=x; __session={C}"], USER_C),
    (["x; ; ;; __session={C}"], USER_C),
    (["a[b]=1; __session={C}; {}=2"], USER_C),
    (['j={"a":1,"b":[2]}; __session={C}; k=,'], USER_C),
    (["\xfc=1; \xe9; __session={C}; n=\u2603"], USER_C),
    (["a=b,c; __session={C}; d e=f g; =; h=="], USER_C),
    (["\x00=\x7f; __session={C}"], USER_C),
    # the value as it came
    (['__session="{C}"'], INVALID),
    (["__session={C}, a=b"], INVALID),
    (["__session={C} x"], INVALID),
    (["__session=={C}"], INVALID),
    (["__session=Bearer {C}"], INVALID),
    # C4: twice the same is one; different ones are refused
    (["__session={C}; __session={C}"], USER_C),
    (["__session={C}; a=b; __session={C}; __session={C}"], USER_C),
    (["__session={C}; __session={H}"], INVALID),
    (["__session={H}; a=b; __session={C}"], INVALID),
    (["__session={C}; __session={H}; __session={C}"], INVALID),
    (["__session={C}; __session={H}; __session={H}"], INVALID),
    (["__session={C}; __session=x"], INVALID),
    (["__session={C}; __session="], INVALID),
    (["__session=; __session={C}"], INVALID),
    # two Cookie fields
    (["__session={C}", "a=b"], USER_C),
    (["a=b", "__session={C}"], USER_C),
    (["__session={C}", "__session={C}"], USER_C),
    (["__session={C}", "__session={H}"], INVALID),
    (["a=b; __session={H}", "__session={C}; c=d"], INVALID),
    (["", "__session={C}"], USER_C),
]


@pytest.mark.parametrize(("fields", "wanted"), COOKIES)
def test_c4_cookies(fields, wanted):
    source = None if wanted == MISSING else "cookie"
    assert outcome([], fields) == (wanted, source)
    assert outcome(["Basic dTpw"], fields) == (wanted, source)
    assert outcome(["Bearer {H}"], fields) == (USER_H, "header")


def test_the_cookie_has_the_configured_name():
    assert outcome([], ["app_session={C}"], cookie_name="app_session") == (USER_C, "cookie")
    assert outcome([], ["__session={C}"], cookie_name="app_session") == (MISSING, None)
    assert outcome([], ["__Host-s={C}"], cookie_name="__Host-s") == (USER_C, "cookie")
    assert outcome([], ["__host-s={C}"], cookie_name="__Host-s") == (MISSING, None)
    both = ["__session={H}; app={C}"]
    assert outcome([], both, cookie_name="app") == (USER_C, "cookie")


# Sources


@pytest.mark.parametrize(
    ("sources", "authorization", "cookie", "wanted"),
    [
        (("header",), [], ["__session={C}"], (MISSING, None)),
        (("header",), ["Basic dTpw"], ["__session={C}"], (MISSING, None)),
        (("header",), ["Bearer {H}"], ["__session={C}"], (USER_H, "header")),
        (("header",), [], ["__session={C}; __session={H}"], (MISSING, None)),
        (("cookie",), ["Bearer {H}"], [], (MISSING, None)),
        (("cookie",), ["Bearer {H}"], ["__session={C}"], (USER_C, "cookie")),
        (("cookie",), ["Bearer x", "Bearer y"], ["__session={C}"], (USER_C, "cookie")),
        (("cookie", "header"), ["Bearer {H}"], ["__session={C}"], (USER_H, "header")),
        (("cookie", "header"), ["Bearer x"], ["__session={C}"], (INVALID, "header")),
    ],
)
def test_only_the_configured_sources_are_looked_at(sources, authorization, cookie, wanted):
    assert outcome(authorization, cookie, token_sources=sources) == wanted


# With a publishable key: plain and suffixed cookies


def test_c4_holds_for_suffixed_cookies():
    host = base64.b64encode(b"clerk.example.com$").decode()
    settings = settings_of(clerk_publishable_key=f"pk_live_{host}")
    assert settings.clerk_instance is not None
    suffixed = f"__session_{settings.clerk_instance.cookie_suffix}"
    refused = Credentials(problem=INVALID, source="cookie")
    for cookie in (
        "__session=a; __session=b",
        f"{suffixed}=a; {suffixed}=b",
        f"__session=a; {suffixed}=a; {suffixed}=b",
        f"__session=a; __session=b; {suffixed}=c",
    ):
        assert credentials_from([], [cookie], settings) == refused
    assert credentials_from([], ["__session=a"], settings) == Credentials("a", "cookie")
    assert credentials_from([], ["__session_other=a"], settings) == Credentials()
    found = credentials_from([], [f"__session=plain-secret; {suffixed}=other-secret"], settings)
    assert found.cookies is not None
    assert (found.token, found.source) == (None, "cookie")
    assert "secret" not in repr(found)
    assert "secret" not in repr(found.cookies)


def test_a_repr_says_what_and_where_but_not_the_token():
    assert repr(Credentials("secret", "header")) == "<Credentials: a token from header>"
    assert repr(Credentials(problem=INVALID, source="cookie")) == (
        "<Credentials: token-invalid from cookie>"
    )
    assert repr(Credentials()) == "<Credentials: nothing from None>"
    assert "secret" not in f"{Credentials('secret', 'header')} {[Credentials('secret', 'cookie')]}"
