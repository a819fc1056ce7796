"""Cross-site requests: when a cookie may speak for an unsafe one (CSRF)."""

from __future__ import annotations

from itertools import product

import pytest

from .drivers import Ask, Site, ask
from .sites import APP, EVIL, Contract, Mint, OpenSite

SITES = (None, "same-origin", "same-site", "cross-site", "none", "nonsense")
ORIGINS = (None, APP, EVIL, "null", f"{APP}:8443", "http://app.example")
REFERERS = (None, f"{APP}/page?x=1", f"{EVIL}/{APP}/")
UNSAFE = ("POST", "PUT", "PATCH", "DELETE")
SAFE = ("GET", "HEAD", "OPTIONS")


def may_speak(site: str | None, origin: str | None, referer: str | None) -> bool:
    """The rule, in the words of facts/security.md X2 and DESIGN 4."""
    if site == "same-origin":
        return True
    if site == "none":  # the address bar; no page is behind it
        return True
    if site == "nonsense":
        return False
    if origin is not None:
        return origin == APP
    if site in ("same-site", "cross-site"):
        return False
    return referer is not None and referer.startswith(f"{APP}/")


def fields(site: str | None, origin: str | None, referer: str | None) -> list[tuple[str, str]]:
    named = {"Sec-Fetch-Site": site, "Origin": origin, "Referer": referer}
    return [(name, value) for name, value in named.items() if value is not None]


class CrossSite(Contract):
    def test_a_cookie_speaks_for_unsafe_methods_only_from_our_own_pages(
        self, site: Site, mint: Mint
    ) -> None:
        token = mint("user_1")
        rows = list(product(UNSAFE, SITES, ORIGINS, REFERERS))
        assert len(rows) == 432
        asks = [
            ask("/guarded-any", token, source="cookie", method=method, headers=fields(*marks))
            for method, *marks in rows
        ]
        wrong = []
        expected_runs = 0
        for (method, *marks), reply in zip(rows, site.play(asks), strict=True):
            allowed = may_speak(*marks)
            expected_runs += allowed
            if reply.status != (200 if allowed else 403):
                wrong.append((method, *marks, reply.status))
            elif not allowed:
                assert reply.code == "request-origin-refused"
        assert wrong == []
        assert site.runs("guarded-any") == expected_runs > 0

    def test_a_bearer_token_speaks_from_anywhere(self, site: Site, mint: Mint) -> None:
        token = mint()
        rows = list(product(UNSAFE, SITES, ORIGINS, REFERERS))
        asks = [
            ask("/guarded-any", token, method=method, headers=fields(*marks))
            for method, *marks in rows
        ]
        assert {reply.status for reply in site.play(asks)} == {200}

    def test_beside_a_bearer_token_the_cookie_does_not_count(self, site: Site, mint: Mint) -> None:
        cookies = {"__session": mint("user_c")}
        for token, origin, status in [
            (mint("user_h"), EVIL, 200),
            ("nonsense", APP, 401),
            ("nonsense", EVIL, 401),
        ]:
            reply = site.ask("/guarded-any", token, method="POST", cookies=cookies,
                             headers=[("Origin", origin)])  # fmt: skip
            assert (origin, reply.status) == (origin, status)

    def test_beside_another_scheme_the_cookie_counts_and_is_judged(
        self, site: Site, mint: Mint
    ) -> None:
        basic = ("Authorization", "Basic dXNlcjpwYXNz")
        for origin, status in [(APP, 200), (EVIL, 403)]:
            reply = site.ask("/guarded-any", mint(), source="cookie", method="POST",
                             headers=[basic, ("Origin", origin)])  # fmt: skip
            assert (origin, reply.status) == (origin, status)

    @pytest.mark.parametrize("source", ["header", "cookie"])
    def test_safe_methods_are_answered_from_anywhere(
        self, site: Site, mint: Mint, source: str
    ) -> None:
        token = mint()
        rows = list(product(SAFE, SITES, ORIGINS, REFERERS))
        asks = [
            ask("/guarded-any", token, source=source, method=method, headers=fields(*marks))
            for method, *marks in rows
        ]
        assert {reply.status for reply in site.play(asks)} == {200}

    def test_a_typed_address_is_a_navigation_or_nothing(self, site: Site, mint: Mint) -> None:
        for mode, status in [("navigate", 200), ("cors", 403), ("no-cors", 403), ("x", 403)]:
            marks = [("Sec-Fetch-Site", "none"), ("Sec-Fetch-Mode", mode)]
            reply = site.ask("/guarded-any", mint(), source="cookie", method="POST", headers=marks)
            assert (mode, reply.status) == (mode, status)

    def test_an_unguarded_view_sees_nobody_behind_a_cross_site_cookie(
        self, site: Site, mint: Mint
    ) -> None:
        evil = [("Origin", EVIL)]
        seen = site.ask("/me", mint(), source="cookie", method="POST", headers=evil).json
        assert (seen["is_authenticated"], seen["reason"]) == (False, "request-origin-refused")
        assert seen["claims"] == {}
        own = [("Origin", APP)]
        seen = site.ask("/me", mint("user_1"), source="cookie", method="POST", headers=own).json
        assert seen["user_id"] == "user_1"

    def test_neither_host_nor_method_override_nor_content_type_helps(
        self, site: Site, mint: Mint
    ) -> None:
        for marks in [
            [("X-Forwarded-Host", "app.example"), ("Origin", EVIL)],
            [("X-HTTP-Method-Override", "GET")],
            [("X-Requested-With", "XMLHttpRequest")],
            [("Content-Type", "application/json")],
            [("rid", "anti-csrf")],
            [("Origin", APP), ("Origin", EVIL)],
            [("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Site", "cross-site")],
            [("Origin", APP.upper())],
            [("Origin", f"{APP}/")],
        ]:
            reply = site.ask("/guarded-any", mint(), source="cookie", method="POST", headers=marks)
            assert (marks, reply.status) == (marks, 403)
        assert site.runs("guarded-any") == 0

    def test_the_hosts_own_origin_must_be_configured_too(self, site: Site, mint: Mint) -> None:
        for origin in ("http://localhost", "http://testserver"):
            reply = site.ask("/guarded-any", mint(), source="cookie", method="POST",
                             headers=[("Origin", origin)])  # fmt: skip
            assert reply.status == 403

    def test_without_configured_origins_only_fetch_metadata_can_agree(
        self, open_site: OpenSite, mint: Mint
    ) -> None:
        site = open_site(ORIGINS=None, AUTHORIZED_PARTIES=[APP])
        same = [("Sec-Fetch-Site", "same-origin")]
        for headers, status in [(same, 200), ([("Origin", APP)], 403), ([], 403)]:
            reply = site.ask(
                "/guarded-any", mint(), source="cookie", method="POST", headers=headers
            )
            assert reply.status == status

    def test_several_origins_can_be_configured(self, open_site: OpenSite, mint: Mint) -> None:
        www = "https://www.example"
        site = open_site(ORIGINS=[APP, www])
        for origin, status in [(APP, 200), (www, 200), (EVIL, 403)]:
            reply = site.ask("/guarded-any", mint(), source="cookie", method="POST",
                             headers=[("Origin", origin)])  # fmt: skip
            assert reply.status == status

    def test_a_bad_cookie_is_bad_wherever_it_comes_from(self, site: Site, mint: Mint) -> None:
        expired = Ask("/guarded-any", "POST", (("Cookie", f"__session={mint(lifetime=-30)}"),))
        for marks in ((), (("Origin", EVIL),), (("Origin", APP),)):
            reply = site.play([expired._replace(headers=(*expired.headers, *marks))])[0]
            assert (reply.status, reply.code) == (401, "session-token-expired")
