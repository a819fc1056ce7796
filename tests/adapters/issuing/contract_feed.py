"""The change feed: what is changed anywhere is in force everywhere within a second, and what is
not changed costs no read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from flask_session_claims.io.sessions import Sessions
from flask_session_claims.testing import FrozenClock

from .drivers import Client, Driver, Fields
from .sites import TOKEN, Contract, FaultyStore, OpenApp, assert_untouched, custom

Act = Callable[[Sessions, str], Any]

#: What may be done to Ann's session from anywhere; by `in_force`, what her requests see then.
ACTS: dict[str, Act] = {
    "merge": lambda sessions, sid: sessions.merge_claims(sid, {"plan": "pro", "old": None}),
    "merge for user": lambda sessions, sid: sessions.merge_claims_for_user(
        "ann", {"plan": "pro", "old": None}
    ),
    "revoke": lambda sessions, sid: sessions.revoke(sid),
    "revoke all": lambda sessions, sid: sessions.revoke_all("ann"),
}
MERGES = [name for name in ACTS if name.startswith("merge")]
REVOCATIONS = [name for name in ACTS if name.startswith("revoke")]
#: Seconds: a look at the log each half of one, and nothing older than one counts.
INTERVAL, MAX_AGE = 0.5, 1.0


def by_header(client: Client) -> Fields:
    """The browser's session token as a program sends it that takes none back."""
    return (("Authorization", f"Bearer {client.jar.value('session')}"),)


def assert_in_force(client: Client, act: str) -> None:
    reply = client.get("/me")
    if act in REVOCATIONS:
        assert (reply.status, reply.code) == (401, "session-token-invalid")
        assert client.get("/peek").json["reason"] == "session-revoked"
    else:
        assert (reply.json["user"], custom(reply.json["claims"])) == ("ann", {"plan": "pro"})


class Feed(Contract):
    @pytest.fixture
    def ann(self, client: Client) -> str:
        """The id of the session of `client`, whose token is known here already."""
        session_id = client.sign_in("ann", claims={"plan": "free", "old": 1})
        assert client.user() == "ann"
        return session_id

    @pytest.fixture
    def ben(self, driver: Driver, app: Any) -> Client:
        """Somebody else, whom nothing concerns."""
        other = driver.client(app)
        other.sign_in("ben", claims={"plan": "free"})
        assert other.user() == "ben"
        return other

    # --- in force -------------------------------------------------------------------------

    @pytest.mark.parametrize("act", ACTS)
    def test_what_another_process_changes_is_in_force_within_a_second(
        self,
        client: Client,
        ann: str,
        ben: Client,
        elsewhere: Sessions,
        clock: FrozenClock,
        act: str,
    ) -> None:
        ACTS[act](elsewhere, ann)
        clock.advance(1)
        assert_in_force(client, act)
        assert custom(ben.get("/me").json["claims"]) == {"plan": "free"}

    @pytest.mark.parametrize("act", ACTS)
    def test_what_this_process_changes_is_in_force_with_the_next_request(
        self, client: Client, ann: str, ben: Client, driver: Driver, app: Any, act: str
    ) -> None:
        ACTS[act](driver.sessions(app), ann)
        assert_in_force(client, act)
        assert custom(ben.get("/me").json["claims"]) == {"plan": "free"}

    @pytest.mark.parametrize("kept", [True, False])
    def test_all_sessions_of_a_user_end_elsewhere_but_the_one_to_keep(
        self,
        client: Client,
        ann: str,
        driver: Driver,
        app: Any,
        elsewhere: Sessions,
        clock: FrozenClock,
        kept: bool,
    ) -> None:
        tablet = driver.client(app)
        tablet.sign_in("ann")
        elsewhere.revoke_all("ann", keep=ann if kept else None)
        clock.advance(1)
        assert [client.user(), tablet.user()] == ["ann" if kept else None, None]

    def test_changes_follow_one_another(
        self, client: Client, ann: str, elsewhere: Sessions, clock: FrozenClock
    ) -> None:
        for number in range(4):
            elsewhere.merge_claims(ann, {"number": number})
            clock.advance(1)
            assert client.get("/me").json["claims"]["number"] == number
        elsewhere.revoke(ann)
        clock.advance(1)
        assert client.user() is None

    def test_a_change_by_a_request_to_another_process_is_seen_here(
        self, client: Client, ann: str, open_app: OpenApp, clock: FrozenClock
    ) -> None:
        there = client.twin().to(open_app())
        assert there.post("/merge", patch={"plan": "pro", "old": None}).status == 200
        clock.advance(1)
        assert_in_force(client, "merge")
        assert there.post("/sign-out").json == {"ended": True}
        clock.advance(1)
        assert client.user() is None

    def test_one_who_asks_for_the_first_time_is_told_of_what_was_before(
        self, client: Client, ann: str, open_app: OpenApp, elsewhere: Sessions
    ) -> None:
        """A process that has just begun knows nothing of the log."""
        elsewhere.merge_claims(ann, {"plan": "pro", "old": None})
        assert_in_force(client.to(open_app()), "merge")
        elsewhere.revoke(ann)
        assert client.twin().to(open_app()).user() is None

    def test_requests_at_the_same_time_all_see_the_change(
        self, client: Client, ann: str, elsewhere: Sessions, clock: FrozenClock
    ) -> None:
        elsewhere.merge_claims(ann, {"plan": "pro"})
        clock.advance(1)
        replies = client.together([client.ask("/me") for _ in range(6)])
        assert [reply.json["claims"]["plan"] for reply in replies] == ["pro"] * 6
        elsewhere.revoke(ann)
        clock.advance(1)
        replies = client.together([client.ask("/me") for _ in range(6)])
        assert [reply.status for reply in replies] == [401] * 6

    # --- what it costs --------------------------------------------------------------------

    def test_unchanged_sessions_cost_no_read_however_many_requests_come(
        self, client: Client, ann: str, ben: Client, store: FaultyStore, clock: FrozenClock
    ) -> None:
        store.forget()
        seconds = 10
        for _ in range(10 * seconds):
            assert (client.user(), ben.user()) == ("ann", "ben")
            clock.advance(0.1)
        assert set(store.calls) == {"log_since"}
        assert 0 < len(store.calls) <= seconds / INTERVAL + 1

    @pytest.mark.parametrize("act", ACTS)
    def test_a_changed_session_is_loaded_once_and_no_other(
        self,
        client: Client,
        ann: str,
        ben: Client,
        elsewhere: Sessions,
        store: FaultyStore,
        clock: FrozenClock,
        act: str,
    ) -> None:
        headers = by_header(client)  # so that the same token comes again and again
        ACTS[act](elsewhere, ann)
        clock.advance(1)
        store.forget()
        for _ in range(30):
            reply = client.send("/me", headers=headers, cookies=False)
            assert reply.status == (401 if act in REVOCATIONS else 200)
            assert_untouched(reply)
            assert ben.user() == "ben"
            clock.advance(0.1)
        assert store.loaded == [ann]
        assert "find" not in store.calls
        assert store.calls.count("log_since") <= 3 / INTERVAL + 1

    def test_a_user_with_many_sessions_costs_one_load_each(
        self,
        client: Client,
        ann: str,
        driver: Driver,
        app: Any,
        elsewhere: Sessions,
        store: FaultyStore,
        clock: FrozenClock,
    ) -> None:
        tablet = driver.client(app)
        other = tablet.sign_in("ann")
        clock.advance(1)
        assert tablet.user() == "ann"
        elsewhere.merge_claims_for_user("ann", {"plan": "pro"})
        clock.advance(1)
        store.forget()
        for _ in range(5):
            for browser in (client, tablet):
                assert browser.get("/me").json["claims"]["plan"] == "pro"
        assert sorted(store.loaded) == sorted([ann, other])

    def test_the_session_that_this_process_changes_costs_no_other_a_read(
        self, ann: str, ben: Client, driver: Driver, app: Any, store: FaultyStore
    ) -> None:
        sessions = driver.sessions(app)
        sessions.merge_claims(ann, {"plan": "pro"})
        store.forget()
        for _ in range(5):
            assert ben.user() == "ben"
        assert store.calls == ["log_since"]

    # --- who is told ----------------------------------------------------------------------

    @pytest.mark.parametrize("act", MERGES)
    @pytest.mark.parametrize("token", ["cookie", "header"])
    def test_who_listens_is_told_once_of_the_claims_that_changed(
        self,
        client: Client,
        ann: str,
        ben: Client,
        driver: Driver,
        app: Any,
        elsewhere: Sessions,
        clock: FrozenClock,
        act: str,
        token: str,
    ) -> None:
        headers, cookies = (by_header(client), False) if token == "header" else ((), True)
        ACTS[act](elsewhere, ann)
        clock.advance(1)
        with driver.signals(app) as signals:
            for _ in range(3):
                assert client.send("/me", headers=headers, cookies=cookies).status == 200
                assert ben.user() == "ben"
                clock.advance(1)
        assert [name for name, _ in signals] == ["claims_refreshed"]
        told = signals[0][1]
        assert told["changed"] == {"plan", "old"}
        assert (told["auth"].user_id, told["auth"].session_claims["plan"]) == ("ann", "pro")

    def test_nobody_is_told_of_claims_that_are_as_they_were(
        self,
        client: Client,
        ann: str,
        driver: Driver,
        app: Any,
        elsewhere: Sessions,
        clock: FrozenClock,
    ) -> None:
        with driver.signals(app) as signals:
            elsewhere.merge_claims(ann, {"plan": "free"})
            clock.advance(1)
            assert client.user() == "ann"
            elsewhere.merge_claims(ann, {"plan": "pro"})
            elsewhere.merge_claims(ann, {"plan": "free"})
            clock.advance(1)
            assert client.user() == "ann"
            clock.advance(TOKEN + 10)
            assert client.user() == "ann"
        assert {name for name, _ in signals} == {"session_refreshed"}

    def test_each_change_is_told_by_its_own_names(
        self,
        client: Client,
        ann: str,
        driver: Driver,
        app: Any,
        elsewhere: Sessions,
        clock: FrozenClock,
    ) -> None:
        headers = by_header(client)
        with driver.signals(app) as signals:
            for patch in ({"plan": "pro"}, {"theme": "dark"}, {"plan": None}):
                elsewhere.merge_claims(ann, patch)
                clock.advance(1)
                for _ in range(2):
                    client.send("/me", headers=headers, cookies=False)
        changed = [set(data["changed"]) for _, data in signals]
        assert changed == [{"plan"}, {"theme"}, {"plan"}]

    @pytest.mark.parametrize("act", REVOCATIONS)
    def test_a_session_that_ended_elsewhere_is_a_token_that_was_rejected(
        self,
        client: Client,
        ann: str,
        driver: Driver,
        app: Any,
        elsewhere: Sessions,
        clock: FrozenClock,
        act: str,
    ) -> None:
        ACTS[act](elsewhere, ann)
        clock.advance(1)
        with driver.signals(app) as signals:
            assert client.user() is None
        assert signals == [("token_rejected", {"reason": "session-revoked", "source": "cookie"})]
