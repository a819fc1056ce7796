"""What holds for views that ask nothing: the default policy, clients that refresh, caching."""

from __future__ import annotations

import pytest

from .drivers import Site
from .sites import Contract, Mint, OpenSite

RID = [("rid", "anti-csrf")]
AUTH_MODE = [("st-auth-mode", "cookie")]


class Policies(Contract):
    # --- public, optional, required --------------------------------------------------------

    def test_under_required_only_public_views_are_open(
        self, open_site: OpenSite, mint: Mint
    ) -> None:
        site = open_site(DEFAULT_POLICY="required")
        for name in ("open", "me", "sync-me", "async-me", "class-me", "cached-open", "guarded"):
            reply = site.ask(f"/{name}")
            assert (name, reply.status, site.runs(name)) == (name, 401, 0)
            assert site.ask(f"/{name}", mint()).status == 200
        assert site.ask("/open-post", method="POST").status == 401
        for name in ("public", "public-me"):
            assert site.ask(f"/{name}").status == 200

    def test_a_public_view_under_required_reads_auth_if_it_wants(
        self, open_site: OpenSite, mint: Mint
    ) -> None:
        site = open_site(DEFAULT_POLICY="required")
        assert site.ask("/public-me").json["is_authenticated"] is False
        assert site.ask("/public-me", mint("user_1")).json["user_id"] == "user_1"
        assert site.ask("/public-me", mint(lifetime=-30)).json["reason"] == "token-expired"
        assert site.ask("/public", mint()).all("Vary") == []

    def test_under_required_gates_ask_what_they_ask(self, open_site: OpenSite, mint: Mint) -> None:
        site = open_site(DEFAULT_POLICY="required")
        assert site.ask("/admin", mint()).status == 403
        assert site.ask("/wrong-order-admin", mint()).status == 403
        assert site.ask("/guarded", mint()).status == 200
        assert site.runs("guarded") == 1

    def test_under_required_nobody_answers_in_place_of_a_gate(
        self, open_site: OpenSite, mint: Mint
    ) -> None:
        site = open_site(DEFAULT_POLICY="required")
        assert (site.ask("/shortcut").status, site.runs("shortcut")) == (401, 0)
        assert (site.ask("/shortcut", mint()).status, site.runs("shortcut")) == (200, 1)

    def test_under_required_navigations_are_sent_to_sign_in(self, open_site: OpenSite) -> None:
        site = open_site(DEFAULT_POLICY="required", SIGN_IN_URL="/sign-in")
        reply = site.ask("/open", headers=[("Sec-Fetch-Mode", "navigate")])
        assert (reply.status, reply.get("Location")) == (302, "/sign-in?redirect_url=%2Fopen")

    def test_under_public_tokens_are_looked_at_only_for_gates(
        self, open_site: OpenSite, mint: Mint
    ) -> None:
        site = open_site(DEFAULT_POLICY="public")
        for name in ("me", "sync-me", "async-me", "class-me", "public-me"):
            seen = site.ask(f"/{name}", mint()).json
            assert (name, seen["is_authenticated"]) == (name, False)
            assert seen["reason"] == "session-token-missing"
        with site.rejections() as seen:
            assert site.ask("/me", mint(lifetime=-30), headers=RID).status == 200
        assert seen == []
        for name in ("guarded", "sync-guarded", "async-guarded", "class-guarded", "wrong-order"):
            assert site.ask(f"/{name}").status == 401
            assert site.ask(f"/{name}", mint()).status == 200
        assert site.ask("/guarded-me", mint("user_1")).json["user_id"] == "user_1"

    @pytest.mark.parametrize("policy", ["public", "optional", "required"])
    @pytest.mark.parametrize("name", ["hidden", "hidden-async"])
    def test_a_gate_that_others_hide_is_closed_and_opens(
        self, open_site: OpenSite, mint: Mint, name: str, policy: str
    ) -> None:
        site = open_site(DEFAULT_POLICY=policy)
        assert (site.ask(f"/{name}").status, site.runs(name)) == (401, 0)
        assert (site.ask(f"/{name}", mint()).status, site.runs(name)) == (200, 1)

    @pytest.mark.parametrize("policy", ["public", "optional", "required"])
    def test_what_does_not_exist_stays_404(
        self, open_site: OpenSite, mint: Mint, policy: str
    ) -> None:
        site = open_site(DEFAULT_POLICY=policy, SIGN_IN_URL="/sign-in")
        for token in (None, mint(), mint(lifetime=-30), "nonsense"):
            for headers in ((), RID, [("Sec-Fetch-Mode", "navigate")]):
                reply = site.ask("/nowhere/at/all", token, headers=headers)
                assert (reply.status, reply.all("WWW-Authenticate")) == (404, [])

    # --- clients that refresh on 401 -------------------------------------------------------

    @pytest.mark.parametrize("fdi", [RID, AUTH_MODE, RID + AUTH_MODE])
    @pytest.mark.parametrize("name", ["open", "me", "public", "sync-me", "async-me", "class-me"])
    def test_an_expired_token_is_401_for_clients_that_refresh(
        self, site: Site, mint: Mint, name: str, fdi: list[tuple[str, str]]
    ) -> None:
        expired = mint(lifetime=-30)
        for source in ("header", "cookie"):
            reply = site.ask(f"/{name}", expired, source=source, headers=fdi)
            assert (reply.status, reply.code) == (401, "session-token-expired")
        assert site.runs(name) == 0
        assert site.ask(f"/{name}", expired).status == 200
        assert site.ask(f"/{name}", mint(), headers=fdi).status == 200
        assert site.ask(f"/{name}", headers=fdi).status == 200
        assert site.ask(f"/{name}", "nonsense", headers=fdi).status == 200

    def test_clients_that_refresh_get_401_from_gates_too(
        self, open_site: OpenSite, mint: Mint
    ) -> None:
        site = open_site(SIGN_IN_URL="/sign-in")
        page = [*RID, ("Sec-Fetch-Mode", "navigate"), ("Accept", "text/html")]
        reply = site.ask("/guarded", mint(lifetime=-30), headers=page)
        assert (reply.status, reply.code) == (401, "session-token-expired")
        assert site.ask("/guarded", headers=page).code == "session-token-missing"

    # --- caching ---------------------------------------------------------------------------

    @pytest.mark.parametrize("source", ["header", "cookie"])
    def test_a_response_varies_only_where_auth_was_read(
        self, site: Site, mint: Mint, source: str
    ) -> None:
        for name in ("open", "public", "looked-at"):
            reply = site.ask(f"/{name}", mint(), source=source)
            assert (name, reply.all("Vary"), reply.all("Cache-Control")) == (name, [], [])
        for name in ("me", "guarded", "typed", "pickled", "has", "token", "async-me", "class-me"):
            reply = site.ask(f"/{name}", mint(), source=source)
            caching = (reply.names("Vary"), reply.get("Cache-Control"))
            assert (name, *caching) == (name, {"authorization", "cookie"}, "private")

    def test_a_response_that_was_read_but_not_signed_in_varies_and_may_be_shared(
        self, site: Site, mint: Mint
    ) -> None:
        for token in (None, mint(lifetime=-30), "nonsense"):
            reply = site.ask("/me", token)
            assert reply.names("Vary") == {"authorization", "cookie"}
            assert reply.all("Cache-Control") == []

    def test_what_the_view_said_about_caching_stands(self, site: Site, mint: Mint) -> None:
        varied = site.ask("/varied-me", mint())
        assert varied.names("Vary") == {"accept-language", "authorization", "cookie"}
        assert varied.get("Cache-Control") == "private"
        told = site.ask("/varied-all-me", mint()).get("Vary") or ""
        assert told.lower().count("cookie") == told.lower().count("authorization") == 1
        assert "accept-language" in told.lower()
        assert site.ask("/cached-me", mint()).get("Cache-Control") == "max-age=60"
        open_ = site.ask("/cached-open", mint())
        assert (open_.get("Cache-Control"), open_.all("Vary")) == ("public, max-age=60", [])

    def test_vary_names_only_the_sources_in_use(self, open_site: OpenSite, mint: Mint) -> None:
        assert open_site(TOKEN_SOURCES=["header"]).ask("/me", mint()).names("Vary") == {
            "authorization"
        }

    def test_a_gate_that_was_passed_counts_as_reading(self, site: Site, mint: Mint) -> None:
        for name in ("guarded", "wrong-order", "async-guarded", "class-guarded"):
            reply = site.ask(f"/{name}", mint())
            assert reply.names("Vary") == {"authorization", "cookie"}
            assert reply.get("Cache-Control") == "private"
