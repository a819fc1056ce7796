"""Who is signed in: which credentials count, and what a view sees of them."""

from __future__ import annotations

import time

import pytest

from flask_session_claims.testing import LocalIssuer

from .drivers import Site
from .sites import APP, ORGANIZATION, Contract, Mint, OpenSite, bad_tokens, forged_by

BAD = (
    "bad signature", "unknown kid", "wrong issuer", "other party", "no party", "no token",
    "tampered", "too large", "not yet", "no exp", "template", "algorithm none",
)  # fmt: skip


class Identity(Contract):
    @pytest.mark.parametrize("source", ["header", "cookie"])
    def test_a_good_token_signs_in_from_either_source(
        self, site: Site, issuer: LocalIssuer, mint: Mint, source: str
    ) -> None:
        token = mint("user_7", sid="sess_7", fullName="Ada", nested={"list": [1, {"a": None}]})
        reply = site.ask("/me", token, source=source)
        assert reply.status == 200
        seen = reply.json
        claims = seen.pop("claims")
        assert claims["fullName"] == "Ada"
        assert claims["nested"] == {"list": [1, {"a": None}]}
        assert (claims["sub"], claims["sid"], claims["azp"]) == ("user_7", "sess_7", APP)
        assert abs(seen.pop("issued_at") - time.time()) < 60
        assert seen.pop("expires_at") == claims["exp"]
        assert seen == {
            "is_authenticated": True,
            "user_id": "user_7",
            "session_id": "sess_7",
            "session_status": None,
            "source": source,
            "reason": None,
            "issuer": issuer.issuer,
            "token_type": "session_token",
            "actor": None,
            "org_id": None,
            "org_slug": None,
            "org_role": None,
            "org_permissions": [],
        }

    def test_version_two_claims_become_organisation_fields(
        self, site: Site, issuer: LocalIssuer
    ) -> None:
        token = issuer.mint_v2(azp=APP, org=ORGANIZATION, fea="o:teams", pla="o:pro")
        seen = site.ask("/me", token).json
        assert seen["session_status"] == "active"
        assert (seen["org_id"], seen["org_slug"]) == ("org_1", "acme")
        assert seen["org_role"] == "org:admin"
        assert seen["org_permissions"] == ["org:teams:read", "org:teams:manage"]
        assert site.ask("/has", token).json == {"admin": True, "other": False, "nothing": False}

    def test_nobody_is_signed_in_without_a_token(self, site: Site) -> None:
        reply = site.ask("/me")
        assert reply.status == 200
        seen = reply.json
        assert (seen["is_authenticated"], seen["reason"]) == (False, "session-token-missing")
        nulls = ("user_id", "session_id", "source", "issuer", "actor", "org_id", "expires_at")
        assert {seen[name] for name in nulls} == {None}
        assert (seen["claims"], seen["org_permissions"]) == ({}, [])
        assert site.ask("/has").json == {"admin": False, "other": False, "nothing": False}

    @pytest.mark.parametrize("source", ["header", "cookie"])
    def test_a_bad_token_leaves_an_unguarded_view_signed_out_with_the_reason(
        self, site: Site, issuer: LocalIssuer, mint: Mint, source: str
    ) -> None:
        bad = bad_tokens(issuer)
        assert tuple(bad) == BAD
        bad["expired"] = (mint(lifetime=-30), "token-expired")
        for name, (token, reason) in bad.items():
            reply = site.ask("/me", token, source=source)
            seen = reply.json
            told = (reply.status, seen["is_authenticated"], seen["user_id"], seen["reason"])
            assert (name, *told) == (name, 200, False, None, reason)
            assert seen["claims"] == {}, name
            assert seen["source"] == source, name

    def test_a_token_that_has_just_expired_is_within_the_leeway(
        self, site: Site, mint: Mint
    ) -> None:
        assert site.ask("/me", mint(lifetime=0)).json["is_authenticated"] is True

    @pytest.mark.parametrize(
        ("header", "cookie", "expected"),
        [
            ("good", "good", ("user_h", "header")),
            ("bad", "good", (None, "header")),
            ("good", "bad", ("user_h", "header")),
            ("bad", "bad", (None, "header")),
            (None, "good", ("user_c", "cookie")),
            ("good", None, ("user_h", "header")),
        ],
    )
    def test_a_bearer_token_decides_where_both_are_sent(
        self, site: Site, issuer: LocalIssuer, header: str | None, cookie: str | None,
        expected: tuple[str | None, str],
    ) -> None:  # fmt: skip
        liar = forged_by(issuer)
        makers = {"good": issuer.mint, "bad": liar.mint}
        token = makers[header]("user_h", azp=APP) if header else None
        cookies = {"__session": makers[cookie]("user_c", azp=APP)} if cookie else {}
        seen = site.ask("/me", token, cookies=cookies).json
        assert (seen["user_id"], seen["source"]) == expected
        guarded = site.ask("/guarded", token, cookies=cookies)
        assert guarded.status == (200 if expected[0] else 401)
        assert site.runs("guarded") == (1 if expected[0] else 0)

    def test_the_forms_of_the_authorization_field(self, site: Site, mint: Mint) -> None:
        token = mint("user_h")
        cookie = {"__session": mint("user_c")}
        for value, user, reason in [
            (f"bearer {token}", "user_h", None),
            (f"BEARER {token}", "user_h", None),
            (f"Bearer   {token}", "user_h", None),
            ("Bearer", None, "token-invalid"),
            (f"Bearer {token}, Bearer {token}", None, "token-invalid"),
            (f"Bearer {token},", None, "token-invalid"),
            (f'Bearer "{token}"', None, "token-invalid"),
            (f"Bearer {token} x", None, "token-invalid"),
            (f"Token {token}", "user_c", None),
            (token, "user_c", None),
            ("Basic dXNlcjpwYXNz", "user_c", None),
        ]:
            seen = site.ask("/me", headers=[("Authorization", value)], cookies=cookie).json
            what = value.replace(token, "TOKEN")
            assert (what, seen["user_id"], seen["reason"]) == (what, user, reason)

    def test_two_credentials_of_one_kind_are_refused(self, site: Site, mint: Mint) -> None:
        first, second = mint("user_1"), mint("user_2")
        twice = [("Authorization", f"Bearer {first}"), ("Authorization", f"Bearer {second}")]
        assert site.ask("/me", headers=twice).json["reason"] == "token-invalid"
        tossed = [("Cookie", f"__session={first}; other=1; __session={second}")]
        assert site.ask("/me", headers=tossed).json["reason"] == "token-invalid"
        same = [("Cookie", f"__session={first}; __session={first}")]
        assert site.ask("/me", headers=same).json["user_id"] == "user_1"

    def test_neighbouring_cookies_neither_hide_nor_replace_ours(
        self, site: Site, mint: Mint
    ) -> None:
        token = mint("user_1")
        for line, user in [
            (f"lang=en; __session={token}; theme=dark", "user_1"),
            (f'odd="a; {{"x":1}}; __session={token}; [weird]=1; naked', "user_1"),
            (f"__session2={token}; x__session={token}", None),
            (f"__SESSION={token}", None),
            ("__session=", None),
        ]:
            what = line.replace(token, "TOKEN")
            seen = site.ask("/me", headers=[("Cookie", line)]).json
            assert (what, seen["user_id"]) == (what, user)

    def test_a_token_counts_nowhere_but_in_header_and_cookie(self, site: Site, mint: Mint) -> None:
        token = mint()
        elsewhere = [
            ("X-Authorization", f"Bearer {token}"),
            ("Proxy-Authorization", f"Bearer {token}"),
            ("X-Session-Token", token),
        ]
        query = f"token={token}&access_token={token}&__session={token}"
        reply = site.ask(f"/me?{query}", headers=elsewhere)
        assert reply.json["reason"] == "session-token-missing"

    def test_sources_can_be_narrowed(self, open_site: OpenSite, mint: Mint) -> None:
        by_header = open_site(TOKEN_SOURCES=["header"])
        assert by_header.ask("/me", mint(), source="cookie").json["is_authenticated"] is False
        assert by_header.ask("/me", mint()).json["is_authenticated"] is True
        by_cookie = open_site(TOKEN_SOURCES=["cookie"])
        assert by_cookie.ask("/me", mint()).json["is_authenticated"] is False
        assert by_cookie.ask("/me", mint(), source="cookie").json["is_authenticated"] is True

    def test_the_cookie_can_have_another_name(self, open_site: OpenSite, mint: Mint) -> None:
        site = open_site(COOKIE_NAME="__Host-ours")
        assert site.ask("/me", cookies={"__Host-ours": mint()}).json["is_authenticated"] is True
        assert site.ask("/me", cookies={"__session": mint()}).json["is_authenticated"] is False

    # --- what a view can do with it -------------------------------------------------------

    @pytest.mark.parametrize("style", ["sync", "async", "class"])
    def test_auth_is_there_in_every_kind_of_view(self, site: Site, mint: Mint, style: str) -> None:
        assert site.ask(f"/{style}-me").json["reason"] == "session-token-missing"
        assert site.ask(f"/{style}-me", mint("user_9")).json["user_id"] == "user_9"

    @pytest.mark.parametrize("name", ["token", "token-async"])
    def test_get_token_gives_the_token_that_was_verified(
        self, site: Site, mint: Mint, name: str
    ) -> None:
        first, second = mint("user_1"), mint("user_2")
        assert site.ask(f"/{name}", first).json == {"token": first}
        assert site.ask(f"/{name}", second, source="cookie").json == {"token": second}
        both = site.ask(f"/{name}", first, cookies={"__session": second})
        assert both.json == {"token": first}

    def test_get_token_gives_nothing_to_who_is_not_signed_in(
        self, site: Site, issuer: LocalIssuer
    ) -> None:
        assert site.ask("/token").json == {"token": None}
        forged = forged_by(issuer).mint(azp=APP)
        assert site.ask("/token", forged).json == {"token": None}

    def test_auth_pickles_to_plain_data(self, site: Site, mint: Mint) -> None:
        expected = {"plain": True, "same": True}
        assert site.ask("/pickled", mint("user_1")).json == {**expected, "user": "user_1"}
        assert site.ask("/pickled").json == {**expected, "user": None}

    def test_get_auth_gives_the_plain_auth_of_the_request(self, site: Site, mint: Mint) -> None:
        expected = {"plain": True, "same": True}
        assert site.ask("/typed", mint("user_1")).json == {**expected, "user": "user_1"}
        assert site.ask("/typed").json == {**expected, "user": None}

    def test_a_missing_claim_says_why_it_is_missing(self, site: Site, mint: Mint) -> None:
        signed_in = site.ask("/missing-claim", mint()).json["text"]
        assert "fullName" in signed_in
        assert "issuer makes the token" in signed_in
        signed_out = site.ask("/missing-claim").json["text"]
        assert "fullName" in signed_out
        assert "nobody is signed in" in signed_out
        assert site.ask("/missing-claim", mint(fullName="Ada")).json == {"fullName": "Ada"}

    def test_showing_auth_is_not_reading_it(self, site: Site, mint: Mint) -> None:
        reply = site.ask("/looked-at", mint())
        assert reply.status == 200
        assert reply.all("Vary") == []
