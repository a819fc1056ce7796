"""The store is away: what is young serves on, then it is 503, and nobody is signed out by it."""

from __future__ import annotations

import pytest

from flask_session_claims.io.sessions import Sessions
from flask_session_claims.testing import FrozenClock

from .contract_feed import ACTS, INTERVAL, MAX_AGE, assert_in_force, by_header
from .contract_stores import CALLS, assert_unavailable
from .drivers import Client
from .sites import Contract, FaultyStore


class Away(Contract):
    """With the browsers of `Feed`."""

    def test_what_is_young_serves_on_while_the_store_is_away_and_then_nobody_is_signed_out(
        self, client: Client, ann: str, ben: Client, store: FaultyStore, clock: FrozenClock
    ) -> None:
        clock.advance(1)
        assert client.user() == "ann"  # the log was read now
        store.break_(*CALLS)
        for seconds in (0.0, INTERVAL - 0.1, 0.2, MAX_AGE - INTERVAL - 0.2):
            clock.advance(seconds)
            assert (client.user(), ben.user()) == ("ann", "ben")
        for seconds in (0.2, 10.0):
            clock.advance(seconds)
            for browser in (client, ben):
                assert_unavailable(browser.get("/me"))
                assert_unavailable(browser.get("/peek"))
        assert client.get("/still").status == 200
        store.mend()
        for _ in range(2):
            assert (client.user(), ben.user()) == ("ann", "ben")
            clock.advance(1)
        store.forget()
        assert (client.user(), ben.user()) == ("ann", "ben")
        assert store.calls == ["log_since"]

    @pytest.mark.parametrize("act", ACTS)
    def test_what_changed_while_the_store_was_away_is_in_force_when_it_is_back(
        self,
        client: Client,
        ann: str,
        elsewhere: Sessions,
        store: FaultyStore,
        clock: FrozenClock,
        act: str,
    ) -> None:
        store.break_(*CALLS)
        ACTS[act](elsewhere, ann)
        clock.advance(1)
        assert_unavailable(client.get("/me"))
        store.mend()
        assert_in_force(client, act)

    @pytest.mark.parametrize("act", ACTS)
    def test_where_the_log_alone_cannot_be_read_each_request_reads_the_session(
        self,
        client: Client,
        ann: str,
        ben: Client,
        elsewhere: Sessions,
        store: FaultyStore,
        clock: FrozenClock,
        act: str,
    ) -> None:
        store.break_("log_since")
        clock.advance(1)
        store.forget()
        for _ in range(3):
            assert (client.user(), ben.user()) == ("ann", "ben")
        assert len(store.loaded) == 6
        ACTS[act](elsewhere, ann)
        assert_in_force(client, act)

    def test_a_change_that_was_loaded_serves_on_while_the_store_is_away(
        self,
        client: Client,
        ann: str,
        elsewhere: Sessions,
        store: FaultyStore,
        clock: FrozenClock,
    ) -> None:
        elsewhere.merge_claims(ann, {"plan": "pro", "old": None})
        clock.advance(1)
        headers = by_header(client)
        assert client.send("/me", headers=headers, cookies=False).status == 200
        store.break_(*CALLS)
        clock.advance(MAX_AGE - 0.1)
        assert_in_force(client, "merge")
        clock.advance(0.2)
        assert_unavailable(client.get("/me"))
