"""Between requests: nothing of one is seen by another, whatever thread, task, app or failure."""

from __future__ import annotations

import pytest

from flask_session_claims.testing import LocalIssuer, shared_key

from .drivers import Driver, Reply, Site, ask
from .sites import APP, Contract, Mint, OpenSite, usual_settings

HELD_OPEN = pytest.mark.parametrize("held_open", [False, True], ids=["plain", "held-open"])


def users(replies: list[Reply]) -> list[str | None]:
    return [reply.json["user_id"] for reply in replies]


class Isolation(Contract):
    @HELD_OPEN
    def test_two_users_who_take_turns_are_never_mixed_up(
        self, site: Site, mint: Mint, held_open: bool
    ) -> None:
        tokens = {"user_a": mint("user_a"), "user_b": mint("user_b"), None: None}
        order = [user for _ in range(70) for user in tokens]
        asks = [ask("/me", tokens[user]) for user in order]
        assert len(asks) > 200
        assert users(site.play(asks, held_open=held_open)) == order

    @HELD_OPEN
    @pytest.mark.parametrize("between", ["read-and-fail", "attribute-error", "admin", "nowhere"])
    def test_a_request_that_fails_leaves_nobody_behind(
        self, site: Site, mint: Mint, held_open: bool, between: str
    ) -> None:
        alice = mint("user_alice")
        replies = site.play(
            [
                ask("/me", alice),
                ask(f"/{between}", alice),
                ask("/me"),
                ask("/guarded"),
                ask(f"/{between}", alice),
                ask("/open"),
                ask("/me", mint("user_bob")),
                ask("/me"),
            ],
            held_open=held_open,
        )
        first, failed, nobody, guarded, _, _, bob, nobody_again = replies
        assert users([first, nobody, bob, nobody_again]) == ["user_alice", None, "user_bob", None]
        assert failed.status in (403, 404, 500)
        assert guarded.status == 401
        assert site.runs("guarded") == 0

    @HELD_OPEN
    def test_a_signed_out_request_after_a_signed_in_one_passes_no_gate(
        self, site: Site, mint: Mint, held_open: bool
    ) -> None:
        alice = mint("user_alice")
        names = ["guarded", "async-guarded", "class-guarded", "wrong-order"]
        asks = [ask(f"/{name}", token) for name in names for token in (alice, None)]
        statuses = [reply.status for reply in site.play(asks, held_open=held_open)]
        assert statuses == [200, 401] * len(names)

    @HELD_OPEN
    def test_reading_in_one_request_does_not_make_the_next_one_vary(
        self, site: Site, mint: Mint, held_open: bool
    ) -> None:
        asks = [ask("/me", mint()), ask("/open", mint()), ask("/nowhere"), ask("/open")]
        _, *others = site.play(asks, held_open=held_open)
        for reply in others:
            assert not {"authorization", "cookie"} & reply.names("Vary")
            assert reply.all("Cache-Control") == []

    @HELD_OPEN
    @pytest.mark.parametrize("path", ["/meeting", "/meeting-open"])
    def test_users_at_the_same_time_see_themselves_before_and_after(
        self, site: Site, mint: Mint, path: str, held_open: bool
    ) -> None:
        names = [f"user_{number}" for number in range(8)]
        for _ in range(3):
            # Each view waits inside until all eight are in theirs.
            asks = [ask(path, mint(name)) for name in names]
            replies = site.play(asks, together=True, held_open=held_open)
            assert users_before(replies) == users_after(replies) == names

    @HELD_OPEN
    def test_signed_in_and_signed_out_at_the_same_time(
        self, site: Site, mint: Mint, held_open: bool
    ) -> None:
        asks = [ask("/meeting-open", mint(f"user_{n}") if n % 2 else None) for n in range(8)]
        replies = site.play(asks, together=True, held_open=held_open)
        expected = [f"user_{n}" if n % 2 else None for n in range(8)]
        assert users_before(replies) == users_after(replies) == expected

    def test_the_same_token_at_the_same_time_is_one_user(self, site: Site, mint: Mint) -> None:
        token = mint("user_1")
        replies = site.play([ask("/meeting", token)] * 8, together=True)
        assert users_before(replies) == users_after(replies) == ["user_1"] * 8
        assert site.runs("meeting") == 8

    def test_a_gate_keeps_nothing_of_its_first_request(self, site: Site, mint: Mint) -> None:
        for user in ("user_1", "user_2", "user_1", "user_3"):
            assert site.ask("/guarded-me", mint(user)).json["user_id"] == user
        assert site.ask("/guarded-me").status == 401

    # --- several apps ----------------------------------------------------------------------

    @pytest.fixture
    def two(self, driver: Driver, issuer: LocalIssuer) -> tuple[Site, Site, LocalIssuer]:
        """Two apps of different issuers, cookies, policies and sign-in pages in one process."""
        other = LocalIssuer("https://other.example", key=shared_key("ES256", 2))
        first = Site(driver, {**usual_settings(issuer), "SIGN_IN_URL": "/one"})
        second = Site(
            driver,
            {
                "ISSUER": other.issuer,
                "JWKS": other.jwks(),
                "ORIGINS": ["https://other.example"],
                "COOKIE_NAME": "other",
                "DEFAULT_POLICY": "required",
                "SIGN_IN_URL": "/two",
            },
        )
        return first, second, other

    def test_each_app_trusts_its_own_issuer_and_reads_its_own_cookie(
        self, two: tuple[Site, Site, LocalIssuer], issuer: LocalIssuer
    ) -> None:
        first, second, other = two
        mine = issuer.mint("user_1", azp=APP)
        theirs = other.mint("user_2", azp="https://other.example")
        for _ in range(3):
            both = {"__session": mine, "other": theirs}
            assert first.ask("/me", cookies=both).json["user_id"] == "user_1"
            assert second.ask("/me", cookies=both).json["user_id"] == "user_2"
            assert first.ask("/guarded", theirs).status == 401
            assert second.ask("/guarded", mine).status == 401
            assert first.ask("/guarded", cookies={"other": theirs}).status == 401
            assert second.ask("/guarded", cookies={"__session": mine}).status == 401
        assert first.runs("guarded") == second.runs("guarded") == 0

    def test_each_app_has_its_own_policy_and_sign_in_page(
        self, two: tuple[Site, Site, LocalIssuer]
    ) -> None:
        first, second, _ = two
        navigate = [("Sec-Fetch-Mode", "navigate")]
        for _ in range(2):
            assert first.ask("/open").status == 200
            assert second.ask("/open").status == 401
            to_first = first.ask("/guarded", headers=navigate).get("Location")
            to_second = second.ask("/guarded", headers=navigate).get("Location")
            assert (to_first, to_second) == (
                "/one?redirect_url=%2Fguarded",
                "/two?redirect_url=%2Fguarded",
            )

    def test_each_app_signals_its_own_refusals(
        self, two: tuple[Site, Site, LocalIssuer], issuer: LocalIssuer
    ) -> None:
        first, second, _ = two
        mine = issuer.mint(azp=APP)
        with second.rejections() as seen:
            assert first.ask("/guarded", mine).status == 200
            assert second.ask("/guarded", mine).status == 401
        assert [source for _, source in seen] == ["header"]

    def test_a_new_app_does_not_inherit_from_the_one_before(
        self, open_site: OpenSite, mint: Mint
    ) -> None:
        assert open_site(DEFAULT_POLICY="required").ask("/open").status == 401
        assert open_site().ask("/open").status == 200
        narrow = open_site(AUTHORIZED_PARTIES=["https://x.example"])
        assert narrow.ask("/guarded", mint()).status == 401
        assert open_site().ask("/guarded", mint()).status == 200


def users_before(replies: list[Reply]) -> list[str | None]:
    return [reply.json["first"]["user_id"] for reply in replies]


def users_after(replies: list[Reply]) -> list[str | None]:
    return [reply.json["second"]["user_id"] for reply in replies]
