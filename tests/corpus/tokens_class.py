"""Cases about what a token is for: class tags, token use, session status, organisation claims.

Rows V8 and V22 and the class guards of DESIGN 7. The organisation oddities are all valid tokens:
they cost their permissions and nothing else.
"""

from __future__ import annotations

from typing import Any

from .forge import (
    GONE,
    MACHINE_CAT,
    NEUTRAL_CAT,
    SESSION_CAT,
    TEMPLATE_CAT,
    Book,
    claims,
    header,
    join,
    keys,
    mint,
    v2,
)

TYPE = "token-type-mismatch"
WRONG = "token-invalid-claim"
PENDING = "session-pending"
ACCESS: dict[str, Any] = {
    "token_use": "access",
    "audience": "api",
    "authorized_parties": None,
    "origins": None,
}


def _v2(head: dict[str, Any] | None = None, **members: object) -> str:
    rsa = keys().rsa
    return join(rsa, header(rsa, **{"cat": SESSION_CAT, **(head or {})}), v2(**members))


def categories(book: Book) -> None:
    for name, cat in {
        "template": TEMPLATE_CAT, "machine": MACHINE_CAT, "unknown": "cl_X7d4PD999XXX",
        "empty": "", "lower": SESSION_CAT.lower(), "blank-after": SESSION_CAT + " ",
        "prefix": SESSION_CAT[:-1], "longer": SESSION_CAT + "A", "word": "session",
        "null": None, "number": 5, "true": True, "list": [SESSION_CAT], "object": {},
        "two": f"{SESSION_CAT},{TEMPLATE_CAT}",
    }.items():  # fmt: skip
        book.bad("V8", f"cat-{name}", mint(head={"cat": cat}), TYPE)
    for name, cat in {"template": TEMPLATE_CAT, "machine": MACHINE_CAT, "neutral": NEUTRAL_CAT,
                      "absent": GONE}.items():  # fmt: skip
        book.bad("V8", f"cat-{name}-no-sid", mint(head={"cat": cat}, sid=GONE), TYPE)
    book.good("V8", "cat-session", mint(head={"cat": SESSION_CAT}))
    book.good("V8", "cat-neutral", mint(head={"cat": NEUTRAL_CAT}))
    book.good("V8", "cat-session-no-sid", mint(head={"cat": SESSION_CAT}, sid=GONE),
              auth={"session_id": None},
              note="only a token with neither cat nor sid is declared no session")  # fmt: skip
    book.good("V8", "cat-in-the-claims-means-nothing", mint(cat=TEMPLATE_CAT))
    book.bad("V8", "cat-in-the-claims-is-no-cat", mint(cat=SESSION_CAT, sid=GONE), TYPE)
    for sub in ("mch_1", "mch_", "mch_user_1"):
        book.bad("V8", f"sub-{sub}", mint(sub=sub), TYPE)
        book.bad("V8", f"sub-{sub}-session-cat", mint(sub=sub, head={"cat": SESSION_CAT}), TYPE)
    book.good("V8", "sub-mch-inside", mint(sub="user_mch_1"))
    book.good("V8", "sub-MCH", mint(sub="MCH_1"))
    at = {"typ": "at+jwt"}
    book.bad("V8", "access-token-as-session", mint(head=at, aud="api", scope="read"), TYPE)
    book.bad("V8", "access-token-as-session-no-sid", mint(head=at, aud="api", sid=GONE), TYPE)
    book.bad("V8", "access-token-as-session-with-cat",
             mint(head={**at, "cat": SESSION_CAT}), TYPE)  # fmt: skip


def access_tokens(book: Book) -> None:
    def token(typ: object = "at+jwt", **members: object) -> str:
        base = {"sid": GONE, "azp": GONE, "aud": "api", "client_id": "client_1"}
        return mint(head={"typ": typ}, **{**base, **members})

    seen = {"token_type": "oauth_token", "session_id": None, "user_id": "user_1"}
    for name, typ in {"short": "at+jwt", "media-type": "application/at+jwt", "upper": "AT+JWT",
                      "media-type-mixed": "Application/at+JWT"}.items():  # fmt: skip
        book.good("V8", f"access-typ-{name}", token(typ), settings=ACCESS, auth=seen)
    book.good("V8", "access-scopes", token(scope="read write"), settings=ACCESS,
              auth={**seen, "scopes": ("read", "write")})  # fmt: skip
    for name, scope in {"absent": GONE, "empty": "", "null": None, "number": 5,
                        "object": {"a": 1}}.items():  # fmt: skip
        book.good("V8", f"access-scope-{name}", token(scope=scope), settings=ACCESS,
                  auth={**seen, "scopes": ()})  # fmt: skip
    book.good("V17", "access-aud-list", token(aud=["web", "api"]), settings=ACCESS, auth=seen)
    book.good("V8", "access-sid-is-no-session", token(sid="sess_1"), settings=ACCESS, auth=seen)
    for name, typ in {"jwt": "JWT", "absent": GONE, "media-jwt": "application/jwt", "at": "at",
                      "dpop": "dpop+jwt", "null": None}.items():  # fmt: skip
        book.bad("V8", f"access-typ-{name}", token(typ), TYPE, settings=ACCESS)
    book.bad("V8", "session-token-as-access", mint(aud="api"), TYPE, settings=ACCESS)
    book.bad("V8", "session-cat-as-access", mint(
        head={"typ": "at+jwt", "cat": SESSION_CAT}, aud="api"), TYPE, settings=ACCESS,
        note="it says that it is a session's")  # fmt: skip
    book.bad("V8", "template-cat-as-access", mint(
        head={"typ": "at+jwt", "cat": TEMPLATE_CAT}, aud="api"), TYPE, settings=ACCESS)  # fmt: skip
    book.bad("V8", "access-machine", token(sub="mch_1"), TYPE, settings=ACCESS,
             note="a machine signs nobody in")  # fmt: skip
    for name, aud in {"absent": GONE, "other": "web", "empty": [], "null": None}.items():
        book.bad("V17", f"access-aud-{name}", token(aud=aud), "token-invalid-audience",
                 settings=ACCESS)  # fmt: skip
    book.bad("V18", "access-sub-absent", token(sub=GONE), "token-missing-claim", settings=ACCESS)
    book.bad("V13", "access-exp-absent", token(exp=GONE), "token-missing-claim", settings=ACCESS)
    book.bad("V13", "access-expired", token(exp=1), "token-expired", settings=ACCESS)


def statuses(book: Book) -> None:
    book.bad("V8", "sts-pending", _v2(sts="pending"), PENDING)
    book.bad("V8", "sts-pending-v1", mint(sts="pending"), PENDING)
    lax = {"accept_pending": True}
    seen = {"session_status": "pending", "user_id": "user_1"}
    book.good("V8", "sts-pending-accepted", _v2(sts="pending"), settings=lax, auth=seen)
    book.good("V8", "sts-active", _v2(), auth={"session_status": "active"})
    book.good("V8", "sts-absent", _v2(sts=GONE), auth={"session_status": None})
    for name, value in {
        "upper": "PENDING", "title": "Active", "ended": "ended", "revoked": "revoked", "empty": "",
        "blank": "active ", "number": 5, "zero": 0, "true": True, "false": False,
        "list": ["active"], "object": {"status": "active"},
    }.items():  # fmt: skip
        book.bad("V8", f"sts-{name}", _v2(sts=value), WRONG,
                 note="a status that we cannot read might mean suspended")  # fmt: skip
        if name in ("upper", "ended", "list"):
            book.bad("V8", f"sts-{name}-pending-accepted", _v2(sts=value), WRONG, settings=lax)
    book.bad("V13", "sts-pending-and-expired", _v2(sts="pending", exp=1), "token-expired")


def organizations(book: Book) -> None:
    nothing = {"org_permissions": ()}
    flat = {
        "org_id": "org_1",
        "org_slug": "acme",
        "org_role": "org:admin",
        "org_permissions": ["org:teams:read", "org:teams:manage"],
    }
    book.good("V22", "v1-flat", mint(**flat), auth={
        "org_id": "org_1", "org_slug": "acme", "org_role": "org:admin",
        "org_permissions": ("org:teams:read", "org:teams:manage")})  # fmt: skip
    for name, members in {
        "permissions-text": {"org_permissions": "org:teams:read"},
        "permissions-null": {"org_permissions": None},
        "permissions-number": {"org_permissions": 5},
        "permissions-true": {"org_permissions": True},
        "permissions-object": {"org_permissions": {"org:teams:read": True}},
        "permissions-mixed": {"org_permissions": ["org:teams:read", 5]},
        "permissions-nested": {"org_permissions": [["org:teams:read"]]},
        "permissions-absent": {"org_permissions": GONE},
        "id-absent": {"org_id": GONE},
        "id-null": {"org_id": None},
        "id-empty": {"org_id": ""},
        "id-list": {"org_id": ["org_1"]},
    }.items():
        book.good("V22", f"v1-{name}", mint(**{**flat, **members}), auth=nothing)
    for name, value in {"number": 5, "list": ["org:admin"], "null": None, "object": {}}.items():
        book.good("V22", f"v1-role-{name}", mint(**{**flat, "org_role": value}),
                  auth={"org_role": None, "org_id": "org_1"})  # fmt: skip
        book.good("V22", f"v1-slug-{name}", mint(**{**flat, "org_slug": value}),
                  auth={"org_slug": None, "org_id": "org_1"})  # fmt: skip
    o = {"id": "org_1", "slg": "acme", "rol": "admin", "per": "manage,read", "fpm": "3,2"}
    fea = "o:dashboard,o:teams"
    both = ("org:dashboard:manage", "org:dashboard:read", "org:teams:read")
    book.good("V22", "v2-published-example", _v2(o=o, fea=fea), auth={
        "org_id": "org_1", "org_slug": "acme", "org_role": "org:admin", "org_permissions": both,
    })  # fmt: skip
    book.good("V22", "v2-role-with-prefix", _v2(o={**o, "rol": "org:admin"}, fea=fea),
              auth={"org_role": "org:admin"})  # fmt: skip
    mixed = {**o, "per": "read,manage", "fpm": "2,3"}
    mixed_fea = "o:reservations,u:dashboard,uo:support-chat,o:impersonation"
    book.good("V22", "v2-features-of-the-user-not-counted", _v2(o=mixed, fea=mixed_fea), auth={
        "org_permissions": ("org:reservations:manage", "org:support-chat:read",
                            "org:support-chat:manage")})  # fmt: skip
    book.good("V22", "v2-strict-grants-what-both-grant", _v2(o=mixed, fea=mixed_fea),
              settings={"strict_permissions": True},
              auth={"org_permissions": ("org:reservations:manage",)})  # fmt: skip
    book.good("V22", "v2-bits-beyond-ignored", _v2(o={**o, "fpm": "7,2"}, fea=fea),
              auth={"org_permissions": both})  # fmt: skip
    many = {**o, "per": ",".join(f"p{n}" for n in range(140)), "fpm": str(1 << 139)}
    book.good("V22", "v2-140-permissions", _v2(o=many, fea="o:teams"),
              auth={"org_permissions": ("org:teams:p139",)},
              note="the reference SDK reads masks of any length exactly")  # fmt: skip
    # One bad mask costs its own feature.
    for name, mask in {
        "minus": "-1", "tail": "1x", "fraction": "1.5", "empty": "", "plus": "+3", "hex": "0x3",
        "arabic": "٣", "fullwidth": "３", "underscore": "1_1", "exponent": "1e1", "word": "all",
        "superscript": "³", "500-digits": "9" * 500 + "x", "nul": "3\0", "inner-blank": "1 1",
    }.items():  # fmt: skip
        book.good("V22", f"v2-mask-{name}", _v2(o={**o, "fpm": f"{mask},2"}, fea=fea),
                  auth={"org_permissions": ("org:teams:read",)})  # fmt: skip
    # A malformed list costs all.
    for name, members, features in (
        ("fpm-absent", {"fpm": GONE}, fea), ("fpm-null", {"fpm": None}, fea),
        ("fpm-number", {"fpm": 3}, fea), ("fpm-list", {"fpm": [3, 2]}, fea),
        ("fpm-true", {"fpm": True}, fea), ("fpm-empty", {"fpm": ""}, fea),
        ("fpm-zero", {"fpm": "0,0"}, fea), ("per-absent", {"per": GONE}, fea),
        ("per-list", {"per": ["manage", "read"]}, fea), ("per-empty", {"per": ""}, fea),
        ("per-number", {"per": 5}, fea), ("per-null", {"per": None}, fea),
        ("per-hole", {"per": "manage,,read"}, fea), ("fea-absent", {}, GONE),
        ("fea-null", {}, None), ("fea-list", {}, ["o:dashboard"]), ("fea-empty", {}, ""),
        ("fea-number", {}, 5), ("fea-no-colon", {}, "o:dashboard,teams"),
        ("fea-no-scope", {}, ":dashboard"), ("fea-no-slug", {}, "o:"),
        ("fea-hole", {}, "o:dashboard,,o:teams"), ("fea-user-only", {}, "u:dashboard"),
        ("id-absent", {"id": GONE}, fea), ("id-null", {"id": None}, fea),
        ("id-number", {"id": 5}, fea), ("id-empty", {"id": ""}, fea),
    ):  # fmt: skip
        shape = {key: value for key, value in {**o, **members}.items() if value is not GONE}
        book.good("V22", f"v2-{name}", _v2(o=shape, fea=features), auth=nothing)
    for name, shape in {"null": None, "text": "org_1", "number": 5, "list": [o], "empty-list": [],
                        "empty": {}, "true": True}.items():  # fmt: skip
        book.good("V22", f"v2-o-{name}", _v2(o=shape, fea=fea), auth={
            **nothing, "org_id": None, "org_role": None})  # fmt: skip
    for name, value in {"number": 5, "list": ["admin"], "empty": "", "null": None}.items():
        book.good("V22", f"v2-role-{name}", _v2(o={**o, "rol": value}, fea=fea),
                  auth={"org_role": None, "org_id": "org_1"})  # fmt: skip
    evil = {"org_id": "org_evil", "org_role": "org:admin", "org_permissions": ["org:x:y"]}
    book.good("V22", "v2-flat-claims-do-not-override", _v2(o=o, fea=fea, **evil), auth={
        "org_id": "org_1", "org_permissions": both})  # fmt: skip
    book.good("V22", "v2-flat-claims-without-o", _v2(**evil), auth={
        **nothing, "org_id": None, "org_role": None})  # fmt: skip
    for name, version in {"text": "2", "true": True, "null": None, "one": 1, "three": 3}.items():
        book.good("V22", f"version-{name}-is-not-2", _v2(v=version, o=o, fea=fea), auth={
            **nothing, "org_id": None})  # fmt: skip
    book.good("V22", "v1-o-is-a-custom-claim", mint(o=o, fea=fea, **flat), auth={
        "org_id": "org_1", "org_permissions": tuple(flat["org_permissions"])})  # fmt: skip


def factors(book: Book) -> None:
    book.good("V22", "fva", mint(fva=[5, -1]), auth={"factor_verification_age": (5, -1)})
    for name, value in {
        "absent": GONE, "null": None, "text": "0,-1", "number": 0, "one": [0], "three": [0, 0, 0],
        "empty": [], "object": {"0": 0, "1": 0}, "bools": [True, False], "texts": ["0", "-1"],
        "below": [-2, 0], "nulls": [None, None], "nested": [[0], [0]], "fractions": [0.5, 1.5],
    }.items():  # fmt: skip
        book.good("V22", f"fva-{name}", mint(fva=value), auth={"factor_verification_age": None})
    book.good("V22", "claims-of-peers", mint(
        claims={"sub": "user_2"}, user_id="user_2", is_authenticated=False, org="x", session={}),
        auth={"user_id": "user_1", "is_authenticated": True})  # fmt: skip
    key = keys().rsa
    for number, name in enumerate(("__class__", "__dict__", "constructor", "__proto__", "items",
                                   "get", "self", "keys", "session_claims")):  # fmt: skip
        token = join(key, header(key), claims(**{name: {"n": number}}))
        book.good("V20", f"claim-called-{name}", token, claims={name: {"n": number}})


PARTS = (categories, access_tokens, statuses, organizations, factors)
