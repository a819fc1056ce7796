"""What a refusal looks like: status, challenge, body, redirect, caching; and who is told of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest

from flask_session_claims.testing import KeyServer, LocalIssuer

from .drivers import Reply, Site
from .sites import APP, EVIL, Contract, Mint, OpenSite, bad_tokens

NAVIGATE = [("Sec-Fetch-Mode", "navigate"), ("Accept", "text/html")]
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
#: The framework's or the server's own; they may differ.
FREE_FIELDS = {"date", "server", "content-length", "x-frame-options", "x-content-type-options",
               "referrer-policy", "cross-origin-opener-policy"}  # fmt: skip


def ours(reply: Reply) -> list[tuple[str, str]]:
    return sorted(
        (name.lower(), value) for name, value in reply.headers if name.lower() not in FREE_FIELDS
    )


class Refusals(Contract):
    @pytest.fixture
    def away(self, open_site: OpenSite, issuer: LocalIssuer) -> Iterator[Site]:
        """A site whose key set cannot be had."""
        with KeyServer(issuer) as server:
            server.mode = "status"
            yield open_site(JWKS=None, JWKS_URL=server.url, ALLOW_LOOPBACK_HTTP=True)

    # --- form ------------------------------------------------------------------------------

    @pytest.mark.parametrize("name", ["guarded", "wrong-order"])
    def test_without_a_token_the_challenge_names_no_error(self, site: Site, name: str) -> None:
        reply = site.ask(f"/{name}")
        assert reply.status == 401
        assert reply.get("WWW-Authenticate") == "Bearer"
        assert reply.code == "session-token-missing"

    @pytest.mark.parametrize("source", ["header", "cookie"])
    def test_with_a_bad_token_the_challenge_names_it(
        self, site: Site, issuer: LocalIssuer, mint: Mint, source: str
    ) -> None:
        for token, code in [
            (bad_tokens(issuer)["bad signature"][0], "session-token-invalid"),
            (mint(lifetime=-30), "session-token-expired"),
        ]:
            reply = site.ask("/guarded", token, source=source)
            challenge = f'Bearer error="invalid_token", error_description="{code}"'
            assert (reply.status, reply.get("WWW-Authenticate")) == (401, challenge)
            assert reply.code == code

    def test_rights_that_are_missing_are_no_challenge_to_sign_in(
        self, site: Site, mint: Mint, issuer: LocalIssuer
    ) -> None:
        reply = site.ask("/admin", mint())
        assert (reply.status, reply.code) == (403, "permission-denied")
        assert reply.get("WWW-Authenticate") == 'Bearer error="insufficient_scope"'
        pending = site.ask("/guarded", issuer.mint_v2(azp=APP, sts="pending"))
        assert (pending.status, pending.get("WWW-Authenticate")) == (403, None)

    def test_all_bad_tokens_look_alike(self, site: Site, issuer: LocalIssuer) -> None:
        bad = bad_tokens(issuer)
        for source in ("header", "cookie"):
            for headers in ((), NAVIGATE):
                replies = {
                    name: site.ask("/guarded", token, source=source, headers=headers)
                    for name, (token, _) in bad.items()
                }
                first = replies["bad signature"]
                for name, reply in replies.items():
                    told = (reply.status, ours(reply), reply.body)
                    assert (name, *told) == (name, 401, ours(first), first.body)

    def test_a_refusal_says_nothing_of_the_configuration(
        self, site: Site, issuer: LocalIssuer
    ) -> None:
        for token in [None, *(token for token, _ in bad_tokens(issuer).values())]:
            reply = site.ask("/guarded", token)
            text = f"{reply.headers} {reply.body.decode()}"
            for secret in (issuer.issuer, issuer.kid, APP, "ES256", "token-invalid-"):
                assert secret not in text

    def test_a_refusal_is_not_stored_and_varies(self, site: Site, mint: Mint) -> None:
        for reply in (
            site.ask("/guarded"),
            site.ask("/wrong-order"),
            site.ask("/guarded", mint(lifetime=-30)),
            site.ask("/admin", mint()),
        ):
            assert reply.get("Cache-Control") == "no-store"
            assert {"authorization", "cookie"} <= reply.names("Vary")

    def test_head_is_refused_as_get_is(self, site: Site) -> None:
        got, head = site.ask("/guarded"), site.ask("/guarded", method="HEAD")
        assert (head.status, ours(head)) == (401, ours(got))

    # --- negotiation -----------------------------------------------------------------------

    @pytest.mark.parametrize(
        ("headers", "page"),
        [
            ([], False),
            ([("Accept", "*/*")], False),
            ([("Accept", "application/json")], False),
            ([("Accept", "application/json, text/html;q=0.9")], False),
            ([("Accept", "text/html;q=0")], False),
            ([("Accept", BROWSER)], True),
            ([("Accept", "text/html, application/json")], True),
            (NAVIGATE, True),
            ([("Sec-Fetch-Mode", "cors"), ("Accept", BROWSER)], False),
            ([("Sec-Fetch-Mode", "same-origin"), ("Accept", BROWSER)], False),
            ([("X-Requested-With", "XMLHttpRequest"), ("Accept", BROWSER)], False),
            ([("rid", "anti-csrf"), *NAVIGATE], False),
            ([("st-auth-mode", "header"), *NAVIGATE], False),
        ],
    )  # fmt: skip
    def test_people_get_a_page_and_scripts_get_json(
        self, open_site: OpenSite, site: Site, mint: Mint, headers: list[tuple[str, str]],
        page: bool,
    ) -> None:  # fmt: skip
        for path, token, status in [("/guarded", None, 401), ("/admin", mint(), 403)]:
            reply = site.ask(path, token, headers=headers)
            assert reply.status == status
            kind = (reply.get("Content-Type") or "").partition(";")[0]
            assert kind == ("text/html" if page else "application/json")
            if page:
                assert reply.body.startswith(b"<!doctype html>")
            else:
                assert set(reply.json) == {"code", "message"}
        # The same rule says who is sent to sign in.
        sending = open_site(SIGN_IN_URL="/sign-in")
        assert sending.ask("/guarded", headers=headers).status == (302 if page else 401)

    # --- redirect --------------------------------------------------------------------------

    def test_a_navigation_is_sent_to_sign_in_and_told_the_way_back(
        self, open_site: OpenSite, mint: Mint
    ) -> None:
        site = open_site(SIGN_IN_URL="/sign-in?lang=en")
        for token in (None, mint(lifetime=-30), "nonsense"):
            for name in ("guarded", "admin", "wrong-order", "class-guarded", "async-guarded"):
                reply = site.ask(f"/{name}?a=1&b=%2F%26", token, headers=NAVIGATE)
                assert reply.status == 302
                assert site.runs(name) == 0
                to = urlsplit(reply.get("Location") or "")
                assert (to.scheme, to.netloc, to.path) == ("", "", "/sign-in")
                back = {"lang": ["en"], "redirect_url": [f"/{name}?a=1&b=%2F%26"]}
                assert parse_qs(to.query) == back
                assert reply.get("Cache-Control") == "no-store"
                assert {"authorization", "cookie"} <= reply.names("Vary")

    def test_sign_in_may_be_elsewhere_and_the_parameter_may_have_another_name(
        self, open_site: OpenSite
    ) -> None:
        site = open_site(SIGN_IN_URL="https://accounts.example/in", REDIRECT_PARAM="next")
        reply = site.ask("/guarded", headers=NAVIGATE)
        assert reply.get("Location") == "https://accounts.example/in?next=%2Fguarded"

    def test_the_way_back_does_not_come_from_the_host_field(self, open_site: OpenSite) -> None:
        site = open_site(SIGN_IN_URL="/sign-in")
        forwarded = [("X-Forwarded-Host", "evil.example"), ("X-Forwarded-Proto", "https")]
        reply = site.ask("/guarded", headers=[*NAVIGATE, *forwarded])
        assert reply.get("Location") == "/sign-in?redirect_url=%2Fguarded"

    @pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
    def test_only_safe_methods_are_sent_to_sign_in(self, open_site: OpenSite, method: str) -> None:
        site = open_site(SIGN_IN_URL="/sign-in")
        reply = site.ask("/guarded-any", method=method, headers=NAVIGATE)
        assert (reply.status, reply.code) == (401, "session-token-missing")
        assert site.ask("/guarded-any", method="HEAD", headers=NAVIGATE).status == 302

    def test_who_is_signed_in_is_never_sent_to_sign_in(
        self, open_site: OpenSite, mint: Mint, issuer: LocalIssuer
    ) -> None:
        site = open_site(SIGN_IN_URL="/sign-in")
        assert site.ask("/admin", mint(), headers=NAVIGATE).status == 403
        pending = issuer.mint_v2(azp=APP, sts="pending")
        assert site.ask("/guarded", pending, headers=NAVIGATE).status == 403

    # --- unavailable -----------------------------------------------------------------------

    @pytest.mark.parametrize(
        "name",
        ["guarded", "admin", "wrong-order", "sync-guarded", "async-guarded", "class-guarded", "me",
         "sync-me", "async-me", "class-me", "typed", "token", "public-me"],
    )  # fmt: skip
    def test_where_identity_is_read_missing_keys_are_a_503(
        self, away: Site, mint: Mint, name: str
    ) -> None:
        for headers, page in (((), False), (NAVIGATE, True)):
            reply = away.ask(f"/{name}", mint(), headers=headers)
            assert reply.status == 503
            assert int(reply.get("Retry-After") or "0") >= 1
            assert reply.get("Cache-Control") == "no-store"
            assert reply.get("WWW-Authenticate") is None
            assert b"127.0.0.1" not in reply.body
            assert reply.body.startswith(b"<!doctype html>") is page
            if not page:
                assert set(reply.json) == {"code", "message"}
        if name in ("guarded", "admin", "wrong-order"):
            assert away.runs(name) == 0

    def test_where_identity_is_not_read_missing_keys_do_not_matter(
        self, away: Site, mint: Mint
    ) -> None:
        for name in ("open", "public", "cached-open", "looked-at"):
            reply = away.ask(f"/{name}", mint())
            assert (name, reply.status, reply.all("Vary")) == (name, 200, [])
        assert away.ask("/open-post", mint(), source="cookie", method="POST").status == 200

    def test_without_a_token_missing_keys_do_not_matter(self, away: Site) -> None:
        assert away.ask("/guarded").status == 401
        assert away.ask("/me").json["reason"] == "session-token-missing"

    def test_keys_that_come_back_end_the_503(
        self, open_site: OpenSite, issuer: LocalIssuer, mint: Mint
    ) -> None:
        with KeyServer(issuer) as server:
            site = open_site(JWKS=None, JWKS_URL=server.url, ALLOW_LOOPBACK_HTTP=True)
            server.refuse()
            assert site.ask("/guarded", mint()).status == 503
            server.accept()
            deadline = time.monotonic() + 10
            reply = site.ask("/guarded", mint())
            while reply.status == 503 and time.monotonic() < deadline:
                time.sleep(0.02)  # the pause between attempts is a second at first
                reply = site.ask("/guarded", mint())
            assert reply.status == 200

    # --- who is told -----------------------------------------------------------------------

    def test_the_apps_own_error_handlers_see_refusals(
        self, open_site: OpenSite, mint: Mint, issuer: LocalIssuer
    ) -> None:
        site = open_site(handlers=True)
        pending = issuer.mint_v2(azp=APP, sts="pending")
        for path, token, status, code in [
            ("/guarded", None, 401, "session-token-missing"),
            ("/wrong-order", None, 401, "session-token-missing"),
            ("/async-guarded", mint(lifetime=-30), 401, "session-token-expired"),
            ("/class-guarded", "nonsense", 401, "session-token-invalid"),
            ("/sync-admin", mint(), 403, "permission-denied"),
            ("/guarded", pending, 403, "session-pending"),
        ]:
            reply = site.ask(path, token)
            assert (reply.status, reply.json) == (status, {"handled": status, "code": code})
            assert {"authorization", "cookie"} <= reply.names("Vary")
        assert site.ask("/guarded", mint()).json == {"done": True}

    def test_the_apps_own_error_handlers_see_that_keys_are_missing(
        self, open_site: OpenSite, mint: Mint, issuer: LocalIssuer
    ) -> None:
        with KeyServer(issuer) as server:
            server.mode = "status"
            site = open_site(
                handlers=True, JWKS=None, JWKS_URL=server.url, ALLOW_LOOPBACK_HTTP=True
            )
            for path in ("/guarded", "/me", "/async-me"):
                reply = site.ask(path, mint())
                assert (reply.status, reply.json["handled"]) == (503, 503)

    def test_each_refused_token_is_signalled_once_with_its_reason(
        self, site: Site, issuer: LocalIssuer, mint: Mint
    ) -> None:
        cases = [(token, reason) for token, reason in bad_tokens(issuer).values()]
        cases.append((mint(lifetime=-30), "token-expired"))
        cases.append((issuer.mint_v2(azp=APP, sts="pending"), "session-pending"))
        for path in ("/guarded", "/me", "/twice", "/wrong-order", "/pickled"):
            for source in ("header", "cookie"):
                for token, reason in cases:
                    with site.rejections() as seen:
                        site.ask(path, token, source=source)
                    assert (path, seen) == (path, [(reason, source)])

    def test_a_cookie_refused_for_its_origin_is_signalled(self, site: Site, mint: Mint) -> None:
        with site.rejections() as seen:
            site.ask("/guarded-any", mint(), source="cookie", method="POST",
                     headers=[("Origin", EVIL)])  # fmt: skip
        assert seen == [("request-origin-refused", "cookie")]

    def test_nothing_is_signalled_where_no_token_was_refused(self, site: Site, mint: Mint) -> None:
        with site.rejections() as seen:
            site.ask("/guarded")
            site.ask("/me")
            site.ask("/guarded", mint())
            site.ask("/admin", mint())
            site.ask("/nowhere")
            site.ask("/guarded", headers=[("Authorization", "Basic eDp5")])
        assert seen == []
