"""Cases about the claims a verifier must judge: times, issuer, party, audience, subject.

Rows V13 to V18. Each token is well signed and has one fault.
"""

from __future__ import annotations

from typing import Any

from .forge import (
    GONE,
    ISSUER,
    NOW,
    PARTY,
    Book,
    claims,
    compact,
    default_settings,
    header,
    join,
    keys,
    mint,
)

SHAPE = "token-invalid"
MISSING = "token-missing-claim"
WRONG = "token-invalid-claim"
EXPIRED = "token-expired"
EARLY = "token-not-active-yet"
FUTURE = "token-iat-in-the-future"
ISS = "token-invalid-issuer"
AZP = "token-invalid-authorized-parties"
AUD = "token-invalid-audience"
TYPE = "token-type-mismatch"


def _raw(claim: str, literal: str) -> str:
    """A token whose `claim` has this very JSON text."""
    raw = compact(claims(**{claim: "@"})).replace(f'"{claim}":"@"'.encode(), b'"%s":%s' % (
        claim.encode(), literal.encode()))  # fmt: skip
    key = keys().rsa
    return join(key, header(key), raw)


def times(book: Book) -> None:
    for claim in ("exp", "nbf", "iat"):
        for name, value in {
            "null": None, "true": True, "false": False, "text": str(NOW), "empty-text": "",
            "iso-text": "2027-01-15T08:00:00Z", "list": [NOW + 60], "empty-list": [],
            "object": {}, "wrapped": {"$numberLong": str(NOW)}, "text-fraction": f"{NOW}.5",
        }.items():  # fmt: skip
            book.bad("V14", f"{claim}-{name}", mint(**{claim: value}), WRONG)
    book.bad("V13", "exp-absent", mint(exp=GONE), MISSING)
    book.bad("V13", "exp-in-capitals", mint(exp=GONE, EXP=NOW + 60), MISSING)
    book.bad("V13", "exp-nested", mint(exp=GONE, claims={"exp": NOW + 60}), MISSING)
    book.bad("V13", "exp-in-header-only", mint(exp=GONE, head={"exp": NOW + 60}), MISSING)
    book.good("V13", "nbf-absent", mint(nbf=GONE))
    book.good("V13", "iat-absent", mint(iat=GONE), auth={"issued_at": None})
    book.good("V13", "nbf-and-iat-absent", mint(nbf=GONE, iat=GONE))
    # leeway 5: now < exp + 5, nbf <= now + 5, iat <= now + 5
    for name, members, code in (
        ("exp-5-ago", {"exp": NOW - 5}, EXPIRED),
        ("exp-6-ago", {"exp": NOW - 6}, EXPIRED),
        ("exp-5.25-ago", {"exp": NOW - 5.25}, EXPIRED),
        ("exp-hour-ago", {"exp": NOW - 3600}, EXPIRED),
        ("exp-zero", {"exp": 0}, EXPIRED),
        ("exp-minus-one", {"exp": -1}, EXPIRED),
        ("exp-minus-huge", {"exp": -(10**30)}, EXPIRED),
        ("nbf-6-ahead", {"nbf": NOW + 6}, EARLY),
        ("nbf-5.25-ahead", {"nbf": NOW + 5.25}, EARLY),
        ("nbf-in-milliseconds", {"nbf": NOW * 1000}, EARLY),
        ("nbf-1e300", {"nbf": 1e300}, EARLY),
        ("nbf-30-digits", {"nbf": 10**30}, EARLY),
        ("iat-6-ahead", {"iat": NOW + 6}, FUTURE),
        ("iat-5.25-ahead", {"iat": NOW + 5.25}, FUTURE),
        ("iat-in-milliseconds", {"iat": NOW * 1000}, FUTURE),
        ("iat-1e300", {"iat": 1e300}, FUTURE),
        ("iat-30-digits", {"iat": 10**30}, FUTURE),
    ):
        book.bad("V13", name, mint(**members), code)
    for name, members in (
        ("exp-4-ago", {"exp": NOW - 4}),
        ("exp-now", {"exp": NOW}),
        ("exp-in-1", {"exp": NOW + 1}),
        ("exp-fraction", {"exp": NOW + 60.5}),
        ("exp-written-as-float", {"exp": float(NOW + 60)}),
        ("exp-in-a-century", {"exp": NOW + 3_155_760_000}),
        ("exp-2-to-53", {"exp": 2**53}),
        ("exp-2-to-64", {"exp": 2**64}),
        ("nbf-5-ahead", {"nbf": NOW + 5}),
        ("nbf-4.5-ahead", {"nbf": NOW + 4.5}),
        ("nbf-zero", {"nbf": 0}),
        ("nbf-negative", {"nbf": -1}),
        ("nbf-fraction", {"nbf": NOW - 10.75}),
        ("iat-5-ahead", {"iat": NOW + 5}),
        ("iat-zero", {"iat": 0}),
        ("iat-fraction", {"iat": NOW - 0.25}),
        ("iat-years-ago", {"iat": NOW - 10**8}),
    ):
        book.good("V13", name, mint(**members), claims=members)
    book.good("V13", "exp-exponent-notation", _raw("exp", "1.80000006e9"),
              claims={"exp": NOW + 60})  # fmt: skip
    book.bad("V13", "exp-4.5-ago", mint(exp=NOW - 4.5), EXPIRED,
             note="V13's formula would take it; PyJWT drops the fraction and refuses, and we"
             " never accept what PyJWT refuses (DESIGN 4)")  # fmt: skip
    for digits in (400, 4000):
        whole = "9" * digits
        note = "any size of integer is a finite number, and compares exactly"
        book.good("V14", f"exp-{digits}-digits", _raw("exp", whole), note=note)
        book.bad("V14", f"exp-minus-{digits}-digits", _raw("exp", "-" + whole), EXPIRED)
        book.bad("V14", f"nbf-{digits}-digits", _raw("nbf", whole), EARLY)
        book.bad("V14", f"iat-{digits}-digits", _raw("iat", whole), FUTURE)
    none = {"leeway": 0}
    book.bad("V13", "no-leeway-exp-now", mint(exp=NOW), EXPIRED, settings=none)
    book.good("V13", "no-leeway-exp-in-1", mint(exp=NOW + 1), settings=none)
    book.bad("V13", "no-leeway-nbf-in-1", mint(nbf=NOW + 1), EARLY, settings=none)
    book.good("V13", "no-leeway-nbf-now", mint(nbf=NOW), settings=none)
    book.bad("V13", "no-leeway-iat-in-1", mint(iat=NOW + 1), FUTURE, settings=none)
    minute = {"leeway": 60}
    book.good("V13", "leeway-60-exp-59-ago", mint(exp=NOW - 59), settings=minute)
    book.bad("V13", "leeway-60-exp-60-ago", mint(exp=NOW - 60), EXPIRED, settings=minute)
    book.good("V13", "leeway-60-nbf-in-60", mint(nbf=NOW + 60), settings=minute)
    book.bad("V13", "leeway-60-nbf-in-61", mint(nbf=NOW + 61), EARLY, settings=minute)


def issuers(book: Book) -> None:
    for name, value in {
        "absent": GONE, "null": None, "empty": "", "number": 5, "true": True, "list": [ISSUER],
        "object": {"iss": ISSUER}, "slash": ISSUER + "/", "upper": ISSUER.upper(),
        "title": "https://Issuer.example", "http": "http://issuer.example",
        "bare": "issuer.example",
        "subdomain": "https://a.issuer.example", "longer": ISSUER + ".evil.example",
        "shorter": ISSUER[:-1], "port": ISSUER + ":443", "path": ISSUER + "/x",
        "userinfo": ISSUER + "@evil.example", "fragment": ISSUER + "#", "query": ISSUER + "?",
        "blank-after": ISSUER + " ", "blank-before": " " + ISSUER, "newline": ISSUER + "\n",
        "nul": ISSUER + "\0", "nul-tail": ISSUER + "\0.evil.example",
        "percent": "https%3A//issuer.example",
        "cyrillic": "https://іssuer.example", "fullwidth": "https://ｉssuer.example",
        "zero-width": "https://issuer\u200b.example",
        "combining": "https://issuer.exampl\u0065\u0301",
        "dot-after": ISSUER + ".", "attacker": "https://attacker.example", "comma": f"{ISSUER},x",
        "pattern": "https://*.example", "any": "*",
    }.items():  # fmt: skip
        book.bad("V15", f"iss-{name}", mint(iss=value), ISS)
    book.bad("V15", "iss-in-capitals", mint(iss=GONE, ISS=ISSUER), ISS)
    slash = {"issuer": ISSUER + "/"}
    book.good("V15", "iss-with-slash-configured", mint(iss=ISSUER + "/"), settings=slash)
    book.bad("V15", "iss-without-slash-then", mint(), ISS, settings=slash)
    book.good("V15", "iss-not-a-url", mint(iss="joe"), settings={"issuer": "joe"})
    book.bad("V15", "iss-substring-of-configured", mint(iss="jo"), ISS, settings={"issuer": "joe"})


def parties(book: Book) -> None:
    for name, value in {
        "absent": GONE, "null": None, "empty": "", "number": 5, "true": True, "list": [PARTY],
        "object": {PARTY: 1}, "other": "https://evil.example", "slash": PARTY + "/",
        "upper": PARTY.upper(), "http": "http://app.example", "bare": "app.example",
        "shorter": PARTY[:-1], "longer": PARTY + ".evil.example", "port": PARTY + ":443",
        "substring": "https://app", "blank-after": PARTY + " ", "comma": f"{PARTY},x",
        "null-text": "null", "cyrillic": "https://аpp.example", "newline": PARTY + "\n",
        "wildcard": "*", "path": PARTY + "/x", "index-letter": "h",
        "userinfo": "https://app.example@x",
    }.items():  # fmt: skip
        book.bad("V16", f"azp-{name}", mint(azp=value), AZP)
    book.bad("V16", "azp-in-capitals", mint(azp=GONE, AZP=PARTY), AZP)
    two = {"authorized_parties": ["https://www.example", PARTY]}
    book.good("V16", "azp-second-of-two", mint(), settings=two)
    book.good("V16", "azp-first-of-two", mint(azp="https://www.example"), settings=two)
    book.bad("V16", "azp-both-of-two", mint(azp=two["authorized_parties"]), AZP, settings=two)
    lax = {"allow_missing_azp": True}
    book.good("V16", "azp-absent-allowed", mint(azp=GONE), settings=lax)
    book.good("V16", "azp-listed-while-absent-allowed", mint(), settings=lax)
    for name, value in {"null": None, "empty": "", "other": "https://evil.example"}.items():
        book.bad("V16", f"azp-{name}-while-absent-allowed", mint(azp=value), AZP, settings=lax,
                 note="absent is not the same as wrong")  # fmt: skip
    by_origins = {"authorized_parties": None}
    book.good("V16", "azp-by-origins", mint(), settings=by_origins)
    book.bad("V16", "azp-not-in-origins", mint(azp="https://x.example"), AZP, settings=by_origins)
    book.bad("V16", "azp-absent-by-origins", mint(azp=GONE), AZP, settings=by_origins)
    parties_win = {"authorized_parties": ["https://www.example"]}
    book.bad("V16", "azp-origin-but-not-party", mint(), AZP, settings=parties_win)
    free = {"authorized_parties": None, "origins": None}
    book.good("V16", "azp-unchecked-absent", mint(azp=GONE), settings=free)
    book.good("V16", "azp-unchecked-any", mint(azp="https://any.example"), settings=free)
    book.good("V16", "party-that-is-no-url", mint(azp="my-app"),
              settings={"authorized_parties": ["my-app"]})  # fmt: skip


def audiences(book: Book) -> None:
    api = {"audience": "api"}
    for name, value in {
        "absent": GONE, "null": None, "empty": "", "empty-list": [], "other": "web",
        "other-list": ["web"], "longer": "apix", "shorter": "ap", "upper": "API", "letter": "a",
        "mixed-types": ["api", 5], "null-in-list": ["api", None], "nested": [["api"]],
        "object": {"api": 1}, "number": 5, "true": True, "blank": "api ", "comma": "api,web",
        "empty-in-list": [""], "cyrillic": "аpi",
    }.items():  # fmt: skip
        book.bad("V17", f"aud-{name}", mint(aud=value), AUD, settings=api)
    book.bad("V17", "aud-in-capitals", mint(AUD="api"), AUD, settings=api)
    for name, value in {
        "text": "api", "list": ["api"], "list-first": ["api", "web"], "list-last": ["web", "api"],
    }.items():  # fmt: skip
        book.good("V17", f"aud-{name}", mint(aud=value), settings=api, claims={"aud": value})
    several = {"audience": ["api", "web"]}
    book.good("V17", "aud-second-configured", mint(aud="web"), settings=several)
    book.good("V17", "aud-overlap", mint(aud=["x", "web"]), settings=several)
    book.bad("V17", "aud-none-of-configured", mint(aud=["x", "y"]), AUD, settings=several)
    book.bad("V17", "aud-substring-of-configured", mint(aud="we"), AUD, settings=several)
    for name, value in {"text": "api", "list": ["a", "b"]}.items():
        book.good("V17", f"aud-{name}-none-configured", mint(aud=value), claims={"aud": value})
        book.bad("V17", f"aud-{name}-strict", mint(aud=value), AUD,
                 settings={"strict_audience": True})  # fmt: skip
    book.good("V17", "aud-absent-strict", mint(), settings={"strict_audience": True})
    book.good("V17", "aud-configured-and-strict", mint(aud=["web", "api"]),
              settings={"audience": "api", "strict_audience": True},
              note="strict is about an audience that nobody configured")  # fmt: skip


def subjects(book: Book) -> None:
    wrong: dict[str, Any] = {
        "null": None, "empty": "", "number": 5, "zero": 0, "true": True, "false": False,
        "list": ["user_1"], "object": {"id": "user_1"}, "fraction": 1.5,
    }  # fmt: skip
    book.bad("V18", "sub-absent", mint(sub=GONE), MISSING)
    book.bad("V18", "sub-in-capitals", mint(sub=GONE, SUB="user_1"), MISSING)
    book.bad("V18", "user-id-instead", mint(sub=GONE, user_id="user_1"), MISSING)
    for name, value in wrong.items():
        book.bad("V18", f"sub-{name}", mint(sub=value), WRONG)
        book.bad("V18", f"sid-{name}", mint(sid=value), WRONG)
    for name, value in wrong.items():
        if name != "empty":
            book.bad("V18", f"jti-{name}", mint(jti=value), WRONG,
                     note="RFC 7519 4.1.7 says string, and PyJWT refuses others")  # fmt: skip
    book.good("V18", "jti-absent", mint(jti=GONE))
    for name, value in {
        "null": None, "text": "user_admin", "empty-text": "", "list": [{"sub": "user_admin"}],
        "empty-list": [], "number": 1, "zero": 0, "true": True, "false": False,
    }.items():  # fmt: skip
        book.bad("V18", f"act-{name}", mint(act=value), WRONG)
    actor = {"iss": "https://dashboard.clerk.com", "sid": "sess_9", "sub": "user_admin"}
    book.good("V18", "act", mint(act=actor), claims={"act": actor},
              auth={"user_id": "user_1", "actor": actor})  # fmt: skip
    book.good("V18", "act-empty-object", mint(act={}))
    book.good("V18", "no-act", mint(), auth={"actor": None})
    for name, value in {
        "unicode": "пользователь-1", "blank-inside": "user 1", "long": "u" * 500, "digits": "17",
        "quote": "o'brien\"; --", "email": "a@b.example", "url": "auth0|507f",
    }.items():  # fmt: skip
        book.good("V18", f"sub-{name}", mint(sub=value), auth={"user_id": value})
    book.good("V15", "keys-of-this-issuer", mint(), settings={"jwks": default_settings()["jwks"]},
              auth={"issuer": ISSUER, "issued_at": NOW, "expires_at": NOW + 60,
                    "token_type": "session_token", "session_id": "sess_1"})  # fmt: skip
    rsa = keys().rsa
    for name, payload in {
        "empty-object": {}, "under-a-member": {"claims": claims()}, "only-iss": {"iss": ISSUER},
    }.items():  # fmt: skip
        book.bad("V18", f"claims-{name}", join(rsa, header(rsa), payload), MISSING)
    only_sub = join(rsa, header(rsa), {"sub": "user_1"})
    book.bad("V15", "claims-only-sub", only_sub, ISS)


PARTS = (times, issuers, parties, audiences, subjects)
