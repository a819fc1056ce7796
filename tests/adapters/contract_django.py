"""What both Djangos share besides the contract, because it needs the contract's driver."""

from __future__ import annotations

import pytest

from flask_session_claims.testing import KeyServer, LocalIssuer

from .contract import AdapterContract
from .driver_django import Answering, DjangoDriver, Watching
from .drivers import Site
from .sites import Mint, OpenSite

MODULE = Watching.__module__


class DjangoContract(AdapterContract):
    @pytest.fixture
    def driver(self) -> DjangoDriver:
        raise NotImplementedError

    def test_sync_views_get_the_token_at_once(self, site: Site, mint: Mint) -> None:
        token = mint()
        assert site.ask("/token-sync", token).json == {"token": token}
        assert site.ask("/token-sync").json == {"token": None}

    def test_an_inner_middleware_sees_what_gates_raise(
        self, driver: DjangoDriver, open_site: OpenSite, mint: Mint
    ) -> None:
        driver.inner = [f"{MODULE}.Watching"]
        site = open_site()
        for name, token, status, code in [
            ("guarded", None, 401, "session-token-missing"),
            ("async-guarded", None, 401, "session-token-missing"),
            ("sync-guarded", "nonsense", 401, "session-token-invalid"),
            ("class-admin", mint(), 403, "permission-denied"),
        ]:
            Watching.seen.clear()
            reply = site.ask(f"/{name}", token)
            assert (reply.status, reply.code) == (status, code)
            assert [error.error_code for error in Watching.seen] == [code]  # type: ignore[attr-defined]
        Watching.seen.clear()
        assert site.ask("/type-error", mint()).status == 500
        assert [type(error) for error in Watching.seen] == [TypeError]
        assert site.ask("/guarded", mint()).status == 200

    def test_an_inner_middleware_may_answer_what_gates_raise(
        self, driver: DjangoDriver, open_site: OpenSite, mint: Mint
    ) -> None:
        driver.inner = [f"{MODULE}.{Answering.__name__}"]
        site = open_site()
        for name in ("guarded", "async-guarded", "class-guarded"):
            reply = site.ask(f"/{name}")
            assert (reply.status, reply.json) == (418, {"own": "session-token-missing"})
            assert {"authorization", "cookie"} <= reply.names("Vary")
        assert site.ask("/admin", mint()).json == {"own": "permission-denied"}

    def test_an_inner_middleware_sees_that_keys_are_missing(
        self, driver: DjangoDriver, open_site: OpenSite, mint: Mint, issuer: LocalIssuer
    ) -> None:
        driver.inner = [f"{MODULE}.Watching"]
        with KeyServer(issuer) as server:
            server.mode = "status"
            site = open_site(JWKS=None, JWKS_URL=server.url, ALLOW_LOOPBACK_HTTP=True)
            for name in ("me", "sync-me", "async-me", "guarded"):
                Watching.seen.clear()
                assert site.ask(f"/{name}", mint()).status == 503
                assert len(Watching.seen) == 1
