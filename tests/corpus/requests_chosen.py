"""Requests where a rule must choose: Clerk's suffixed cookies, and whether an origin may act.

Clerk: the published selection rules in their order (facts/clerk.md 3.1). Origins: rows X1, X2;
`https://app.example` is the only configured one.
"""

from __future__ import annotations

from typing import Any

from .forge import PARTY
from .requests import CLERK_KEY, CLERK_TEST_KEY, Requests, auth, cookie

MISSING = "session-token-missing"
ISSUER = "token-invalid-issuer"
REFUSED = "request-origin-refused"
COOKIE = cookie("__session={good}")


def clerk_cookies(book: Requests) -> None:
    live: dict[str, Any] = {"issuer": None, "clerk_publishable_key": CLERK_KEY}
    test: dict[str, Any] = {"issuer": None, "clerk_publishable_key": CLERK_TEST_KEY}

    def line(suffix: str = "1Z8AzTQD", **parts: str) -> tuple[str, str]:
        names = {
            "plain": "__session",
            "suffixed": f"__session_{suffix}",
            "uat": "__client_uat",
            "suffixed_uat": f"__client_uat_{suffix}",
        }
        return cookie("; ".join(f"{names[name]}={value}" for name, value in parts.items()))

    def into(name: str, user: str, settings: dict[str, Any] = live, **parts: str) -> None:
        suffix = "1Z8AzTQD" if settings is live else "QvfNY2dr"
        book.into(f"clerk-{name}", line(suffix, **parts), user=user, settings=settings)

    def out(name: str, reason: str | None, settings: dict[str, Any] = live, **parts: str) -> None:
        suffix = "1Z8AzTQD" if settings is live else "QvfNY2dr"
        book.out(f"clerk-{name}", reason, line(suffix, **parts), settings=settings)

    # 1. a plain token without iss decides (and is refused)
    out("1-plain-without-iss", ISSUER, plain="{plain_noiss}", suffixed="{suffixed}",
        uat="5", suffixed_uat="5")  # fmt: skip
    out("1-plain-without-iss-alone", ISSUER, plain="{plain_noiss}", uat="5")
    out("1-plain-is-no-token", "token-invalid", plain="garbage", suffixed="{suffixed}",
        uat="5", suffixed_uat="5")  # fmt: skip
    # 2. a plain token of another instance leaves it to the suffixed one
    into("2-plain-of-another-instance", "user_2", plain="{plain_foreign}", suffixed="{suffixed}",
         uat="5", suffixed_uat="5")  # fmt: skip
    into("2-plain-of-another-instance-no-uat", "user_2", plain="{plain_foreign}",
         suffixed="{suffixed}")  # fmt: skip
    out("2-plain-of-another-instance-alone", None, plain="{plain_foreign}", uat="5")
    out("2-plain-of-another-instance-suffixed-uat", None, plain="{plain_foreign}",
        suffixed_uat="5")  # fmt: skip
    # 3. no suffixed cookies
    into("3-plain-alone", "user_1", plain="{plain}")
    into("3-plain-with-uat", "user_1", plain="{plain}", uat="5")
    into("3-plain-with-uat-zero", "user_1", plain="{plain}", uat="0")
    # 4. both signed in, the plain one is newer
    into("4-plain-newer", "user_1", plain="{plain_newer}", suffixed="{suffixed}",
         uat="5", suffixed_uat="5")  # fmt: skip
    into("4-plain-newer-no-uat", "user_1", plain="{plain_newer}", suffixed="{suffixed}")
    into("4-same-age", "user_2", plain="{plain}", suffixed="{suffixed}", uat="5", suffixed_uat="5")
    into("4-plain-older", "user_2", plain="{plain_older}", suffixed="{suffixed}",
         uat="5", suffixed_uat="5")  # fmt: skip
    into("4-plain-newer-but-signed-out", "user_2", plain="{plain_newer}", suffixed="{suffixed}",
         uat="0", suffixed_uat="5")  # fmt: skip
    # 5. the suffixed one is signed out, the plain one is not
    into("5-suffixed-signed-out", "user_1", plain="{plain}", suffixed="{suffixed_newer}",
         uat="5", suffixed_uat="0")  # fmt: skip
    into("5-suffixed-signed-out-plain-uat-absent", "user_1", plain="{plain}",
         suffixed="{suffixed_newer}", suffixed_uat="0")  # fmt: skip
    into("5-both-signed-out", "user_2", plain="{plain}", suffixed="{suffixed}",
         uat="0", suffixed_uat="0")  # fmt: skip
    out("5-suffixed-signed-out-no-plain", MISSING, suffixed="{suffixed}", suffixed_uat="0")
    # 6. development only: the suffixed token has expired and the plain uat says signed out
    into("6-development-suffixed-expired", "user_1", test, plain="{plain_older}",
         suffixed="{suffixed_expired}", uat="0", suffixed_uat="5")  # fmt: skip
    out("6-production-suffixed-expired", "token-expired", plain="{plain_older}",
        suffixed="{suffixed_expired}", uat="0", suffixed_uat="5")  # fmt: skip
    into("6-development-suffixed-good", "user_2", test, plain="{plain_older}",
         suffixed="{suffixed}", uat="0", suffixed_uat="5")  # fmt: skip
    # 7. a suffixed session without suffixed uat
    into("7-suffixed-uat-absent", "user_1", plain="{plain}", suffixed="{suffixed_newer}", uat="5")
    out("7-suffixed-alone", MISSING, suffixed="{suffixed}")
    # 8. else the suffixed one
    into("8-suffixed", "user_2", suffixed="{suffixed}", suffixed_uat="5")
    into("8-suffixed-with-plain-uat", "user_2", suffixed="{suffixed}", uat="5", suffixed_uat="5")
    into("8-suffixed-development", "user_2", test, suffixed="{suffixed}", suffixed_uat="5")
    out("8-suffixed-forged", "token-invalid-signature", plain="{plain}",
        suffixed="{suffixed_forged}", uat="5", suffixed_uat="5")  # fmt: skip
    out("8-only-uats", MISSING, uat="5", suffixed_uat="5")
    book.out("clerk-suffix-of-another-instance", MISSING,
             cookie("__session_QvfNY2dr={suffixed}; __client_uat_QvfNY2dr=5"),
             settings=live)  # fmt: skip
    book.out("clerk-suffix-in-lower-case", MISSING,
             cookie("__session_1z8aztqd={suffixed}; __client_uat_1z8aztqd=5"),
             settings=live)  # fmt: skip
    book.into("clerk-suffix-of-another-instance-beside",
              cookie("__session_QvfNY2dr={suffixed}; __client_uat_QvfNY2dr=5; __session={plain}"),
              settings=live)  # fmt: skip
    book.out("clerk-suffixed-tossed", "token-invalid", cookie(
        "__session_1Z8AzTQD={suffixed}; __session_1Z8AzTQD={plain}; __client_uat_1Z8AzTQD=5"
    ), settings=live)  # fmt: skip
    book.out("clerk-plain-tossed", "token-invalid", cookie(
        "__session={plain}; __session={plain_newer}; __session_1Z8AzTQD={suffixed};"
        " __client_uat_1Z8AzTQD=5"), settings=live)  # fmt: skip
    book.out("clerk-suffixed-cookie-means-nothing-elsewhere", MISSING, cookie(
        "__session_1Z8AzTQD={good}; __client_uat_1Z8AzTQD=5"))  # fmt: skip
    book.into("clerk-bearer-wins", auth("Bearer {plain}"), cookie(
        "__session_1Z8AzTQD={suffixed}; __client_uat_1Z8AzTQD=5"), settings=live)  # fmt: skip
    for name, uat in {"word": "x", "empty": "", "minus": "-1", "spelt-zero": "00",
                      "huge": "9" * 400}.items():  # fmt: skip
        into(f"odd-uat-{name}", "user_1", plain="{plain_newer}", suffixed="{suffixed}",
             uat=uat, suffixed_uat=uat)  # fmt: skip


def origins(book: Requests) -> None:
    evil = "https://evil.example"

    def site(value: str) -> tuple[str, str]:
        return "Sec-Fetch-Site", value

    def origin(value: str) -> tuple[str, str]:
        return "Origin", value

    def referer(value: str) -> tuple[str, str]:
        return "Referer", value

    for method in ("POST", "PUT", "PATCH", "DELETE"):
        low = method.lower()
        book.into(f"{low}-same-origin", COOKIE, site("same-origin"), method=method, csrf=True)
        book.into(f"{low}-our-origin", COOKIE, origin(PARTY), method=method, csrf=True)
        book.out(f"{low}-cross-site", REFUSED, COOKIE, site("cross-site"), method=method, csrf=True)
        book.out(f"{low}-other-origin", REFUSED, COOKIE, origin(evil), method=method, csrf=True)
        book.out(f"{low}-no-marks", REFUSED, COOKIE, method=method, csrf=True)
        book.into(f"{low}-bearer-cross-site", auth("Bearer {good}"), site("cross-site"),
                  origin(evil), method=method, csrf=True)  # fmt: skip
    for method in ("GET", "HEAD", "OPTIONS"):
        book.into(f"{method.lower()}-cross-site", COOKIE, site("cross-site"), origin(evil),
                  referer(f"{evil}/"), method=method, csrf=True)  # fmt: skip

    def post(verdict: str, name: str, *fields: tuple[str, str], **more: Any) -> None:
        if verdict == "in":
            book.into(f"post-{name}", COOKIE, *fields, method="POST", csrf=True, **more)
        else:
            book.out(f"post-{name}", REFUSED, COOKIE, *fields, method="POST", csrf=True, **more)

    for name, value in {
        "same-site": "same-site", "capitals": "Same-Origin", "empty": "", "unknown": "x",
        "list": "same-origin, cross-site", "quoted": '"same-origin"', "params": "same-origin;a",
    }.items():  # fmt: skip
        post("out", f"site-{name}", site(value))
    post("out", "two-sites", site("same-origin"), site("cross-site"))
    post("in", "site-none-navigation", site("none"), ("Sec-Fetch-Mode", "navigate"))
    post("out", "cross-site-our-referer", site("cross-site"), referer(f"{PARTY}/"))
    post("out", "cross-site-null-origin", site("cross-site"), origin("null"))
    post("out", "same-site-sibling-origin", site("same-site"), origin("https://x.app.example"))
    post("out", "two-sites-good-one-last", site("cross-site"), site("same-origin"))
    for name, value in {"unknown": "x", "empty": "", "list": "same-origin, cross-site"}.items():
        post("out", f"site-{name}-but-our-origin", site(value), origin(PARTY),
             note="a field that no browser sends makes the rest doubtful")  # fmt: skip
    post("out", "site-none-no-navigation", site("none"), ("Sec-Fetch-Mode", "cors"))
    for name in ("same-site", "cross-site"):
        post("in", f"{name}-but-our-origin", site(name), origin(PARTY),
             note="Fetch Metadata or Origin must agree with the configured origins (DESIGN 4)"
             )  # fmt: skip
    post("in", "same-origin-and-our-origin", site("same-origin"), origin(PARTY))
    post("in", "same-origin-no-referer", site("same-origin"), ("Referer", ""))
    for name, value in {
        "null": "null", "empty": "", "http": "http://app.example", "port": f"{PARTY}:8443",
        "prefix": "https://app.exampl", "longer": f"{PARTY}.evil.example", "slash": f"{PARTY}/",
        "sub": "https://x.app.example", "parent": "https://example",
        "userinfo": "https://app.example@evil.example",
        "path": f"{PARTY}/evil", "list": f"{PARTY}, {evil}", "blank-list": f"{PARTY} {evil}",
        "bare": "app.example", "wildcard": "*",
        "fullwidth": "https://ａpp.example".encode().decode("latin-1"),
        "scheme-relative": "//app.example", "nul": f"{PARTY}\0", "dot": f"{PARTY}.",
        "upper": PARTY.upper(),
    }.items():  # fmt: skip
        note = "browsers write origins in lower case" if name == "upper" else ""
        post("out", f"origin-{name}", origin(value), note=note)
    post("out", "two-origins", origin(PARTY), origin(evil))
    post("out", "two-origins-good-one-last", origin(evil), origin(PARTY))
    post("out", "two-referers", referer(f"{evil}/"), referer(f"{PARTY}/"))
    post("out", "origin-evil-referer-ours", origin(evil), referer(f"{PARTY}/"))
    post("out", "origin-null-referer-ours", origin("null"), referer(f"{PARTY}/"))
    for name, value in {"path": f"{PARTY}/page?x=1#y", "root": f"{PARTY}/", "bare": PARTY}.items():
        post("in", f"referer-{name}", referer(value))
    for name, value in {
        "evil": f"{evil}/", "longer": f"{PARTY}.evil.example/",
        "userinfo": "https://app.example@evil.example/",
        "in-path": f"{evil}/{PARTY}/", "in-query": f"{evil}/?{PARTY}/",
        "http": "http://app.example/",
        "port": f"{PARTY}:444/", "relative": "/page", "empty": "", "word": "app.example",
        "broken": "https://[app.example/", "backslash": "https://evil.example\\@app.example/",
        "no-scheme": "//app.example/", "javascript": "javascript://app.example/%0Aalert(1)",
        "data": "data:text/html,x", "blob": f"blob:{PARTY}/x", "bad-port": f"{PARTY}:x/",
    }.items():  # fmt: skip
        post("out", f"referer-{name}", referer(value))
    # Neither Host nor a proxy's word for it is a configured origin.
    post("out", "origin-equals-host", ("Host", "evil.example"), origin(evil))
    post("out", "origin-equals-forwarded-host", ("X-Forwarded-Host", "evil.example"),
         ("X-Forwarded-Proto", "https"), ("Forwarded", "host=evil.example;proto=https"),
         origin(evil))  # fmt: skip
    post("out", "host-ours-no-origin", ("Host", "app.example"))
    post("out", "x-requested-with", ("X-Requested-With", "XMLHttpRequest"))
    post("out", "json-content-type", ("Content-Type", "application/json"))
    post("out", "method-override", ("X-HTTP-Method-Override", "GET"))
    post("out", "method-override-2", ("X-HTTP-Method", "GET"), ("X-Method-Override", "GET"))
    post("out", "rid", ("rid", "anti-csrf"), ("st-auth-mode", "cookie"))
    book.out("post-override-in-form", REFUSED, COOKIE, method="POST", csrf=True,
             body="_method=GET")  # fmt: skip
    book.out("get-override-in-query-stays-safe", MISSING, target="/who?_method=POST")
    # The token is judged first: a bad one is bad wherever it comes from.
    book.out("post-expired-our-origin", "token-expired", cookie("__session={expired}"),
             origin(PARTY), method="POST", csrf=True)  # fmt: skip
    book.out("post-forged-our-origin", "token-invalid-signature", cookie("__session={forged}"),
             site("same-origin"), method="POST", csrf=True)  # fmt: skip
    book.out("post-forged-cross-site", None, cookie("__session={forged}"), site("cross-site"),
             method="POST", csrf=True)  # fmt: skip
    book.out("post-nothing-cross-site", MISSING, site("cross-site"), origin(evil), method="POST",
             csrf=True)  # fmt: skip
    book.out("post-bad-bearer-our-origin", "token-invalid-signature", auth("Bearer {forged}"),
             COOKIE, origin(PARTY), method="POST", csrf=True)  # fmt: skip
    book.into("post-basic-and-cookie-our-origin", auth("Basic eA=="), COOKIE, origin(PARTY),
              method="POST", csrf=True, source="cookie")  # fmt: skip
    book.out("post-basic-and-cookie-cross-site", REFUSED, auth("Basic eA=="), COOKIE, origin(evil),
             method="POST", csrf=True)  # fmt: skip
    none: dict[str, Any] = {"origins": None}
    book.into("post-no-origins-configured-same-origin", COOKIE, site("same-origin"),
              method="POST", csrf=True, settings=none)  # fmt: skip
    book.out("post-no-origins-configured-origin", REFUSED, COOKIE, origin(PARTY), method="POST",
             csrf=True, settings=none,
             note="azp parties are no origins: ORIGINS alone rules CSRF")  # fmt: skip
    two: dict[str, Any] = {"origins": [PARTY, "https://www.example"]}
    book.into("post-second-origin", COOKIE, origin("https://www.example"), method="POST",
              csrf=True, settings=two)  # fmt: skip
    book.into("post-second-origin-referer", COOKIE, referer("https://www.example/x"),
              method="POST", csrf=True, settings=two)  # fmt: skip


PARTS = (clerk_cookies, origins)
