"""`is_current`: whether an `Auth` still holds, in a response that goes on for long."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from flask_session_claims.io.sessions import Sessions
from flask_session_claims.sessions.limits import LOG_LIFETIME
from flask_session_claims.testing import FrozenClock

from .contract_feed import ACTS, MAX_AGE
from .contract_stores import CALLS
from .drivers import Client, Driver
from .sites import IDLE, TOKEN, Contract, FaultyStore

Watch = Callable[..., list[str]]


class Current(Contract):
    @pytest.fixture(params=["/watch", "/watch?plain=1"], ids=["request", "plain"])
    def watch(self, app: Any, client: Client, request: pytest.FixtureRequest) -> Watch:
        """What a response says of its auth: first, and after each thing that happens meanwhile.

        Of the request's auth, read once the headers are sent, or of a plain `Auth`.
        """

        def watched(*meanwhile: Callable[[], Any]) -> list[str]:
            app.meanwhile[:] = meanwhile
            reply = client.get(request.param)
            assert reply.status == 200
            return reply.body.decode().split()

        return watched

    @pytest.fixture
    def watcher(self, client: Client) -> str:
        """The id of the session of `client`."""
        session_id = client.sign_in("ann", claims={"plan": "free", "old": 1})
        assert client.user() == "ann"
        return session_id

    def test_it_holds_as_long_as_nothing_happens_and_costs_no_read(
        self, watch: Watch, watcher: str, clock: FrozenClock, store: FaultyStore
    ) -> None:
        store.forget()
        assert watch(*[lambda: clock.advance(0.1)] * 200) == ["True"] * 201
        assert store.loaded == []
        assert store.calls.count("log_since") <= 20 / 0.5 + 1

    @pytest.mark.parametrize("act", ACTS)
    def test_it_ends_with_what_another_process_changes_within_a_second(
        self, watch: Watch, watcher: str, elsewhere: Sessions, clock: FrozenClock, act: str
    ) -> None:
        def meanwhile() -> None:
            ACTS[act](elsewhere, watcher)
            clock.advance(1)

        assert watch(lambda: clock.advance(1), meanwhile, lambda: None) == [
            "True", "True", "False", "False",
        ]  # fmt: skip

    @pytest.mark.parametrize("act", ACTS)
    def test_it_ends_at_once_with_what_this_process_changes(
        self, watch: Watch, watcher: str, driver: Driver, app: Any, act: str
    ) -> None:
        assert watch(lambda: ACTS[act](driver.sessions(app), watcher)) == ["True", "False"]

    def test_what_happens_to_others_or_changes_nothing_does_not_end_it(
        self,
        watch: Watch,
        watcher: str,
        driver: Driver,
        app: Any,
        elsewhere: Sessions,
        clock: FrozenClock,
    ) -> None:
        other = driver.client(app).sign_in("ben")

        def others() -> None:
            elsewhere.revoke(other)
            elsewhere.merge_claims_for_user("ben", {"plan": "pro"})
            elsewhere.merge_claims(watcher, {"plan": "free"})
            elsewhere.set_data(watcher, {"cart": [1]})
            clock.advance(1)

        assert watch(others) == ["True", "True"]

    @pytest.mark.parametrize("act", ACTS)
    def test_it_holds_beyond_the_end_of_its_token_while_the_session_lives(
        self, watch: Watch, watcher: str, elsewhere: Sessions, clock: FrozenClock, act: str
    ) -> None:
        def change() -> None:
            ACTS[act](elsewhere, watcher)
            clock.advance(1)

        later = [lambda: clock.advance(TOKEN + 10), lambda: clock.advance(86_400)]
        assert watch(*later, change, *later[:1]) == ["True", "True", "True", "False", "False"]

    def test_it_ends_with_the_session(self, watch: Watch, watcher: str, clock: FrozenClock) -> None:
        almost, over = [lambda: clock.advance(IDLE - 10), lambda: clock.advance(20)]
        assert watch(almost, over) == ["True", "True", "False"]

    def test_beyond_its_token_it_costs_few_reads(
        self, watch: Watch, watcher: str, clock: FrozenClock, store: FaultyStore
    ) -> None:
        """One for all that the log may have forgotten; it forgets within hours."""
        store.forget()
        hour = [lambda: clock.advance(10)] * 360
        assert set(watch(*hour)) == {"True"}
        assert len(store.loaded) <= 2

    @pytest.mark.parametrize("act", ACTS)
    def test_what_the_log_has_forgotten_meanwhile_ends_it_all_the_same(
        self, watch: Watch, watcher: str, elsewhere: Sessions, clock: FrozenClock, act: str
    ) -> None:
        def long_ago() -> None:
            ACTS[act](elsewhere, watcher)
            clock.advance(2 * LOG_LIFETIME)
            elsewhere.revoke(elsewhere.create("ben").session.session_id)  # and the old entry goes

        assert watch(long_ago) == ["True", "False"]

    def test_who_is_not_signed_in_is_not_current(self, watch: Watch, store: FaultyStore) -> None:
        store.forget()
        assert watch(lambda: None) == ["False", "False"]
        assert store.loaded == []

    def test_where_it_cannot_be_told_it_raises_and_goes_on_afterwards(
        self, watch: Watch, watcher: str, store: FaultyStore, clock: FrozenClock
    ) -> None:
        def later() -> None:
            clock.advance(MAX_AGE + 0.1)

        def gone() -> None:
            store.break_(*CALLS)

        said = watch(gone, later, later, store.mend, later)
        assert said == ["True", "True", "store-gone", "store-gone", "True", "True"]

    def test_beyond_its_token_it_raises_too(
        self, watch: Watch, watcher: str, store: FaultyStore, clock: FrozenClock
    ) -> None:
        def gone() -> None:
            store.break_(*CALLS)
            clock.advance(TOKEN + 10)

        assert watch(gone, store.mend) == ["True", "store-gone", "True"]

    def test_an_auth_that_the_log_had_to_mend_is_current(
        self, watch: Watch, client: Client, watcher: str, elsewhere: Sessions, clock: FrozenClock
    ) -> None:
        """Its token is outdated, and it is not."""
        elsewhere.merge_claims(watcher, {"plan": "pro"})
        clock.advance(1)

        def again() -> None:
            elsewhere.merge_claims(watcher, {"plan": "gold"})
            clock.advance(1)

        assert watch(lambda: clock.advance(1), again) == ["True", "True", "False"]
        assert client.get("/me").json["claims"]["plan"] == "gold"

    def test_what_changes_and_changes_back_may_hold_again(
        self, watch: Watch, watcher: str, elsewhere: Sessions, clock: FrozenClock
    ) -> None:
        """What counts is whether these are the claims, not whether they always were."""

        def merging(plan: str) -> Callable[[], None]:
            def merge() -> None:
                elsewhere.merge_claims(watcher, {"plan": plan})
                clock.advance(1)

            return merge

        assert watch(merging("pro"), merging("free")) == ["True", "False", "True"]
