"""Requests by how the credential is carried: Authorization fields, cookies, and wrong places.

Rows C1 to C4 and V24.
"""

from __future__ import annotations

from .requests import Requests, auth, cookie

SHAPE = "token-invalid"
MISSING = "session-token-missing"
GOOD = cookie("__session={good}")


def authorization(book: Requests) -> None:
    for name, value in {
        "bearer": "Bearer {good}", "lower": "bearer {good}", "upper": "BEARER {good}",
        "mixed": "bEaReR {good}", "two-blanks": "Bearer  {good}",
        "five-blanks": "Bearer     {good}",
        "es256": "Bearer {es}", "eddsa": "Bearer {ed}",
    }.items():  # fmt: skip
        book.into(f"bearer-{name}", auth(value))
    book.into("bearer-field-name-lower", ("authorization", "Bearer {good}"))
    book.into("bearer-field-name-upper", ("AUTHORIZATION", "Bearer {good}"))
    for name, value in {
        "nothing": "Bearer", "blank": "Bearer ", "tab": "Bearer\t{good}", "colon": "Bearer: {good}",
        "equals": "Bearer={good}", "comma": "Bearer,{good}", "quoted": 'Bearer "{good}"',
        "quote-open": 'Bearer "{good}', "named": "Bearer token={good}",
        "twice": "Bearer Bearer {good}",
        "two-tokens": "Bearer {good} {good}", "two-users": "Bearer {good} {other}",
        "list": "Bearer {good}, Bearer {good}", "list-users": "Bearer {good}, Bearer {other}",
        "comma-after": "Bearer {good},", "comma-before": "Bearer ,{good}",
        "bare-list": "Bearer {good}, {other}", "semicolon": "Bearer {good};",
        "params": "Bearer {good}; charset=utf-8", "realm": 'Bearer realm="x", {good}',
        "then-basic": "Bearer {good}, Basic dXNlcjpwYXNz", "inner-blank": "Bearer {head} .{tail}",
        "inner-tab": "Bearer {head}\t.{tail}", "non-ascii": "Bearer {good}\u00e9",
        "no-break-space": "Bearer\u00a0{good}", "percent": "Bearer%20{good}",
        "brackets": "Bearer <{good}>", "brackets-square": "Bearer [{good}]",
        "nul": "Bearer {good}\0",
        "plus": "Bearer+{good}",
    }.items():  # fmt: skip
        reason = None if name in ("percent", "plus") else SHAPE
        book.out(f"bearer-{name}", reason, auth(value))
        if name not in ("percent", "plus", "nul"):
            book.out(f"bearer-{name}-and-cookie", SHAPE, auth(value), GOOD)
    for name, token, reason in (
        ("expired", "{expired}", "token-expired"),
        ("forged", "{forged}", "token-invalid-signature"),
        ("strange-key", "{strange}", "jwk-kid-mismatch"),
        ("other-party", "{party}", "token-invalid-authorized-parties"),
        ("other-issuer", "{issuer}", "token-invalid-issuer"),
        ("pending", "{pending}", "session-pending"),
        ("machine", "{machine}", "token-type-mismatch"),
        ("unsigned", "{unsigned}", None),
        ("padded", "{good}==", SHAPE),
        ("opaque", "abc123", SHAPE),
        ("tilde", "{good}~", SHAPE),
        ("machine-opaque", "ak_0123456789", "token-type-mismatch"),
        ("null", "null", SHAPE),
        ("undefined", "undefined", SHAPE),
        ("9000-letters", "A" * 9000, "token-too-large"),
    ):
        book.out(f"bearer-{name}", reason, auth(f"Bearer {token}"))
        # A bearer, once present, decides.
        book.out(f"bearer-{name}-and-good-cookie", reason, auth(f"Bearer {token}"), GOOD)
    book.into("bearer-and-same-cookie", auth("Bearer {good}"), GOOD)
    book.into("bearer-of-one-cookie-of-another", auth("Bearer {good}"), cookie("__session={other}"))
    book.into("bearer-and-forged-cookie", auth("Bearer {good}"), cookie("__session={forged}"))
    book.into("bearer-and-tossed-cookies", auth("Bearer {good}"),
              cookie("__session={good}; __session={other}"))  # fmt: skip


def other_schemes(book: Requests) -> None:
    for name, value in {
        "basic": "Basic dXNlcjpwYXNz", "negotiate": "Negotiate YII=", "digest-word": "Digest x=1",
        "empty": "", "blank": " ", "bearerx": "BearerX {other}", "bearers": "Bearers {other}",
        "dpop": "DPoP {other}", "token": "Token {other}", "jwt": "JWT {other}",
        "bare-token": "{other}", "basic-with-token": "Basic {other}",
    }.items():  # fmt: skip
        book.out(f"scheme-{name}", MISSING, auth(value))
        book.into(f"scheme-{name}-and-cookie", auth(value), GOOD, source="cookie")
    book.out("basic-with-dots-around", MISSING, auth("Basic .{good}."))
    two = (auth("Bearer {good}"), auth("Bearer {good}"))
    book.out("two-fields-same-bearer", SHAPE, *two)
    book.out("two-fields-same-bearer-and-cookie", SHAPE, *two, GOOD)
    book.out("two-fields-two-users", SHAPE, auth("Bearer {good}"), auth("Bearer {other}"))
    book.out("two-fields-basic-then-bearer", SHAPE, auth("Basic eA=="), auth("Bearer {good}"))
    book.out("two-fields-bearer-then-basic", SHAPE, auth("Bearer {good}"), auth("Basic eA=="))
    book.out("two-fields-basic-bearer-cookie", SHAPE, auth("Basic eA=="), auth("Bearer {other}"),
             GOOD)  # fmt: skip
    book.out("two-fields-bearer-then-empty", SHAPE, auth("Bearer {good}"), auth(""))
    book.out("two-fields-names-differ-in-case", SHAPE, ("authorization", "Bearer {good}"),
             ("AUTHORIZATION", "Bearer {other}"))  # fmt: skip
    book.out("two-fields-basic-and-cookie", SHAPE, auth("Basic eA=="), auth("Basic eQ=="), GOOD,
             joined="in", note="joined, it looks like one other scheme's list")  # fmt: skip
    book.out("one-field-basic-then-bearer", SHAPE, auth("Basic eA==, Bearer {good}"))
    book.out("one-field-basic-then-bearer-and-cookie", SHAPE, auth("Basic eA==,Bearer {other}"),
             GOOD)  # fmt: skip


def cookies(book: Requests) -> None:
    for name, value in {
        "alone": "__session={good}", "first": "__session={good}; theme=dark",
        "last": "theme=dark; __session={good}", "middle": "a=1; __session={good}; b=2",
        "no-blank": "a=1;__session={good};b=2", "many-blanks": "a=1;    __session={good}",
        "semicolon-before": ";__session={good}", "semicolons-after": "__session={good};;;",
        "same-twice": "__session={good}; __session={good}",
        "same-thrice": "__session={good}; a=1; __session={good}; b=2; __session={good}",
        "es256": "__session={es}", "eddsa": "__session={ed}",
        # A neighbour's odd cookie must not hide ours.
        "after-open-quote": 'foo="a; __session={good}',
        "after-lone-quote": 'foo="; __session={good}',
        "before-open-quote": '__session={good}; foo="bar',
        "between-quotes": 'a="x; __session={good}; b=y"',
        "after-backslash": 'foo="a\\"; __session={good}', "after-no-name": "=x; __session={good}",
        "after-no-equals": "flag; __session={good}", "after-brackets": "a[b]=1; __session={good}",
        "after-braces": 'prefs={"a":1,"b":[2]}; __session={good}',
        "after-comma": "a=1,2,3; __session={good}",
        "after-colon-name": "a:b=1; __session={good}",
        "after-blank-name": "a b=1; __session={good}",
        "after-blank-value": "a=b c d; __session={good}",
        "after-date": "e=Thu, 01 Jan 1970 00:00:00 GMT; __session={good}",
        "after-latin1": "name=caf\u00e9; __session={good}",
        "after-utf8": "name=caf\u00c3\u00a9; __session={good}",
        "after-latin1-name": "caf\u00e9=1; __session={good}",
        "after-nul": "a=b\0c; __session={good}",
        "after-escape": "a=\x1b[0m; __session={good}",
        "after-version": "$Version=1; __session={good}",
        "after-attributes": "a=1; Path=/; HttpOnly; __session={good}",
        "after-equals": "a====; __session={good}",
        "after-at": "@=@; __session={good}", "after-paren": "a(b)=1; __session={good}",
        "after-slash": "a/b=1; __session={good}", "after-quote-name": '"a"=1; __session={good}',
        "other-case-beside": "__Session={other}; __SESSION={other}; __session={good}",
        "prefix-before": "__session_other={other}; __session={good}",
        "suffix-before": "x__session={other}; __session={good}",
        "host-prefix-before": "__Host-__session={other}; __session={good}",
        "name-in-value": "a=__session={other}; __session={good}",
        "in-quotes-of-another": 'a="__session={other}"; __session={good}',
        "dot-name": "__session.sig={other}; __session={good}",
        "indexed": "__session.0={other}; __session={good}",
        "array-name": "__session[]={other}; __session={good}",
    }.items():  # fmt: skip
        book.into(f"cookie-{name}", cookie(value))
    crowd = "; ".join(f"c{n}={n}" for n in range(100))
    book.into("cookie-among-200", cookie(f"{crowd}; __session={{good}}; {crowd}"))
    book.into("cookie-after-8-kilobytes", cookie(f"a={'x' * 8500}; __session={{good}}"))
    book.into("cookie-before-20-kilobytes", cookie(f"__session={{good}}; a={'x' * 20_000}"))
    book.into("cookie-name-configured", cookie("sess={good}; __session={other}"),
              settings={"cookie_name": "sess"})  # fmt: skip
    for name, reason, value in (
        ("none", MISSING, "theme=dark"),
        ("empty-field", MISSING, ""),
        ("empty", MISSING, "__session="),
        ("empty-quoted", SHAPE, '__session=""'),
        ("no-equals", MISSING, "__session"),
        ("upper", MISSING, "__SESSION={good}"),
        ("title", MISSING, "__Session={good}"),
        ("prefix-name", MISSING, "__session_other={good}"),
        ("longer-name", MISSING, "__sessions={good}"),
        ("shorter-name", MISSING, "__sessio={good}"),
        ("name-before", MISSING, "x__session={good}"),
        ("host-prefix", MISSING, "__Host-__session={good}"),
        ("secure-prefix", MISSING, "__Secure-__session={good}"),
        ("one-underscore", MISSING, "_session={good}"),
        ("quoted-name", MISSING, '"__session"={good}'),
        ("percent-name", MISSING, "__%73ession={good}"),
        ("inside-a-value", MISSING, "a=__session={good}"),
        ("comma-not-semicolon", MISSING, "a=1,__session={good}"),
        ("newline-not-semicolon", MISSING, "a=1 __session={good}"),
        ("cookie-attribute-like", MISSING, "$__session={good}"),
        ("two-values", SHAPE, "__session={good}; __session={other}"),
        ("two-values-apart", SHAPE, "__session={good}; a=1; __session={other}"),
        ("two-tokens-of-one-user", SHAPE, "__session={good}; __session={renewed}"),
        ("good-then-forged", SHAPE, "__session={good}; __session={forged}"),
        ("forged-then-good", SHAPE, "__session={forged}; __session={good}"),
        ("good-then-empty", SHAPE, "__session={good}; __session="),
        ("empty-then-good", SHAPE, "__session=; __session={good}"),
        ("three-values", SHAPE, "__session={good}; __session={other}; __session={good}"),
        ("quoted", SHAPE, '__session="{good}"'),
        ("quote-open", SHAPE, '__session="{good}'),
        ("single-quoted", SHAPE, "__session='{good}'"),
        ("padded", SHAPE, "__session={good}="),
        ("percent-dots", SHAPE, "__session={head}%2E{tail}"),
        ("percent-end", SHAPE, "__session={good}%0A"),
        ("comma-after", SHAPE, "__session={good},a=1"),
        ("inner-blank", SHAPE, "__session={head} .{tail}"),
        ("bearer-inside", SHAPE, "__session=Bearer {good}"),
        ("named-inside", SHAPE, "__session=__session={good}"),
        ("non-ascii", SHAPE, "__session={good}\u00e9"),
        ("nul", SHAPE, "__session={good}\0"),
        ("deleted", SHAPE, "__session=deleted"),
        ("null", SHAPE, "__session=null"),
        ("expired", "token-expired", "__session={expired}"),
        ("forged", "token-invalid-signature", "__session={forged}"),
        ("strange-key", "jwk-kid-mismatch", "__session={strange}"),
        ("other-party", "token-invalid-authorized-parties", "__session={party}"),
        ("other-issuer", "token-invalid-issuer", "__session={issuer}"),
        ("pending", "session-pending", "__session={pending}"),
        ("machine", "token-type-mismatch", "__session={machine}"),
        ("9000-letters", "token-too-large", "__session=" + "A" * 9000),
    ):
        book.out(f"cookie-{name}", reason, cookie(value))
    # HTTP/2 splits cookies over fields; a WSGI server that joins them by a comma loses some.
    book.into("cookie-fields-ours-first", GOOD, cookie("a=1"), joined="out")
    book.into("cookie-fields-ours-last", cookie("a=1"), GOOD, joined="out")
    book.into("cookie-fields-same-twice", GOOD, GOOD, joined="out")
    book.out("cookie-fields-two-users", SHAPE, GOOD, cookie("__session={other}"))
    book.out("cookie-fields-good-then-forged", SHAPE, GOOD, cookie("__session={forged}"))
    book.out("cookie-fields-good-then-empty", SHAPE, GOOD, cookie("__session="))


def wrong_places(book: Requests) -> None:
    book.out("nothing", MISSING)
    for name, target in {
        "access-token": "/who?access_token={asked}", "session": "/who?__session={asked}",
        "authorization": "/who?Authorization=Bearer%20{asked}", "token": "/who?token={asked}",
        "jwt": "/who?jwt={asked}",
    }.items():  # fmt: skip
        book.out(f"query-{name}", MISSING, target=target)
    for name, body in {"access-token": "access_token={good}", "session": "__session={good}",
                       "both": "token={good}&jwt={good}"}.items():  # fmt: skip
        book.out(f"body-{name}", MISSING, method="POST", body=body)
    for name in (
        "X-Authorization", "X-Access-Token", "X-Session-Token", "X-Forwarded-Authorization",
        "X-Original-Authorization", "Proxy-Authorization", "Authentication", "X-Auth-Token",
        "Authorization-Token", "st-access-token", "Sec-WebSocket-Protocol", "X-Amzn-Oidc-Data",
    ):  # fmt: skip
        book.out(f"field-{name.lower()}", MISSING, (name, "Bearer {good}"))
    book.out("field-x-cookie", MISSING, ("X-Cookie", "__session={good}"))
    book.out("field-cookie2", MISSING, ("Cookie2", "__session={good}"))
    book.out("field-set-cookie", MISSING, ("Set-Cookie", "__session={good}"))
    for name, value in {
        "X-Verified": "true", "X-User-Id": "user_1", "X-Clerk-Auth-Status": "signed-in",
        "X-Clerk-Auth-Token": "{good}", "X-Middleware-Subrequest": "middleware",
        "X-Session-Claims": '{"sub":"user_1"}', "X-Authenticated": "1", "Remote-User": "user_1",
        "X-Remote-User": "user_1", "X-Forwarded-User": "user_1", "X-Is-Authenticated": "true",
        "X-Session-Claims-Verified": "1",
    }.items():  # fmt: skip
        book.out(f"marker-{name.lower()}", MISSING, (name, value))
        book.out(f"marker-{name.lower()}-and-forged", "token-invalid-signature", (name, value),
                 cookie("__session={forged}"))  # fmt: skip
    header_only, cookie_only = {"token_sources": ["header"]}, {"token_sources": ["cookie"]}
    book.out("cookie-not-a-source", MISSING, GOOD, settings=header_only)
    book.into("header-the-only-source", auth("Bearer {good}"), GOOD, settings=header_only)
    book.out("header-not-a-source", MISSING, auth("Bearer {good}"), settings=cookie_only)
    book.into("header-not-a-source-but-cookie", auth("Bearer {other}"), GOOD,
              settings=cookie_only, source="cookie")  # fmt: skip


PARTS = (authorization, other_schemes, cookies, wrong_places)
