"""When the store fails: 503, nobody is signed in or out by it, and afterwards all goes on."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flask_session_claims import UnavailableError
from flask_session_claims.stores.memory import MemoryStore
from flask_session_claims.stores.sqlite import SqliteStore
from flask_session_claims.testing import FrozenClock

from ..drivers import Reply
from .drivers import MOUNT, Client, Driver
from .jar import cookies_of
from .sites import (
    TOKEN,
    Contract,
    FaultyStore,
    OpenApp,
    assert_given,
    assert_untouched,
    custom,
    payload,
)

REFRESH, SIGN_OUT = f"{MOUNT}/session/refresh", f"{MOUNT}/signout"
Act = Callable[[Client], Reply]

#: Every act of a signed-in client.
ACTS: dict[str, Act] = {
    "read": lambda client: client.get("/me"),
    "session": lambda client: client.get("/session"),
    "sign in": lambda client: client.post("/sign-in", user="ben"),
    "merge": lambda client: client.post("/merge", patch={"a": 1}),
    "sign out": lambda client: client.post("/sign-out"),
    "endpoint sign out": lambda client: client.post(SIGN_OUT),
    "endpoint refresh": lambda client: client.post(REFRESH),
}
CALLS = ("load", "find", "commit", "log_since")
#: Which calls an act may do without: then it simply succeeds.
SPARES = {"read", "session"}


def assert_unavailable(reply: Reply) -> None:
    assert reply.status == 503, reply
    assert int(reply.get("Retry-After") or "0") >= 1
    assert_untouched(reply)
    assert "public" not in reply.names("Cache-Control")


class Stores(Contract):
    @pytest.mark.parametrize("act", ACTS)
    @pytest.mark.parametrize("expired", [False, True], ids=["good", "expired"])
    @pytest.mark.parametrize("code", ["store-gone", "store-read-only", "store-locked"])
    def test_each_act_fails_whole_and_goes_on_afterwards(
        self,
        client: Client,
        driver: Driver,
        app: Any,
        clock: FrozenClock,
        store: FaultyStore,
        act: str,
        expired: bool,
        code: str,
    ) -> None:
        session_id = client.sign_in("ann")
        if expired:
            clock.advance(TOKEN + 10)
        writes_only = code != "store-gone"
        store.break_(*(["commit"] if writes_only else CALLS), code=code)
        with driver.signals(app) as signals:
            reply = ACTS[act](client)
        if writes_only and act in SPARES and not expired:
            assert reply.status == 200
        else:
            assert_unavailable(reply)
        assert {name for name, _ in signals} <= {"token_rejected"}
        store.mend()
        sessions = driver.sessions(app)
        assert sessions.get(session_id) is not None
        assert sessions.list_for_user("ben") == ()
        after = client.get("/me").json
        assert (after["user"], custom(after["claims"])) == ("ann", {})
        assert ACTS[act](client).status == 200

    @pytest.mark.parametrize("act", ACTS)
    @pytest.mark.parametrize("expired", [False, True], ids=["good", "expired"])
    def test_wherever_in_an_act_the_store_goes_away(
        self,
        open_app: OpenApp,
        driver: Driver,
        clock: FrozenClock,
        store: FaultyStore,
        act: str,
        expired: bool,
    ) -> None:
        """After 0, 1, 2, … calls; a commit that was done stays done, and only that."""
        app = open_app(MAX_SESSIONS_PER_USER=3)
        failed, done = 0, False
        for spared in range(30):
            client = driver.client(app)
            session_id = client.sign_in("ann")
            if expired:
                clock.advance(TOKEN + 10)
            budget = iter(range(spared))
            store.gate = lambda budget=budget: next(budget, None) is not None
            reply = ACTS[act](client)
            store.gate = None
            done = reply.status == 200
            if done:
                break
            failed += 1
            assert reply.status == 503
            if cookies_of(reply):  # refreshed ahead of the act: that must be known
                assert expired
                assert_given(reply, "session", "refresh")
                assert payload(client.jar.value("session"))["sid"] == session_id
            assert driver.sessions(app).get(session_id) is not None, spared
            assert client.user() == "ann"
        assert failed >= 1
        assert done

    @pytest.mark.parametrize("path", ["/me", REFRESH])
    def test_a_refresh_whose_answer_from_the_store_is_lost_is_given_again(
        self,
        client: Client,
        driver: Driver,
        app: Any,
        clock: FrozenClock,
        store: FaultyStore,
        path: str,
    ) -> None:
        client.sign_in("ann")
        clock.advance(TOKEN + 10)
        store.break_("commit", after=True, times=1)
        method = "GET" if path == "/me" else "POST"
        headers = (("Sec-Fetch-Site", "same-origin"),)
        reply = client.send(path, method, headers)
        if not (driver.settles_first and path == REFRESH and reply.status == 200):
            assert_unavailable(reply)
            reply = client.send(path, method, headers)
        assert reply.status == 200
        assert_given(reply, "session", "refresh")
        assert client.jar.value("refresh").split(".")[1] == "2"
        assert client.user() == "ann"

    def test_a_sign_out_whose_answer_is_lost_has_ended_the_session(
        self, client: Client, driver: Driver, app: Any, store: FaultyStore
    ) -> None:
        client.sign_in("ann")
        store.break_("commit", after=True, times=1)
        assert client.post("/sign-out").status == 503
        assert client.user() is None
        assert client.post("/sign-out").json == {"ended": False}
        assert client.jar.kinds() == set()

    def test_a_failed_sign_in_that_cannot_be_taken_back_gives_no_token(
        self, client: Client, driver: Driver, app: Any, store: FaultyStore
    ) -> None:
        """The store fails between the sign-in and the error response."""
        client.sign_in("ann")
        client.post("/sign-out")
        store.break_("commit", spared=1)
        reply = client.post("/sign-in-fails", user="ben", status=500)
        store.mend()
        assert reply.status == 500
        assert_untouched(reply)
        assert client.user() is None

    def test_views_that_do_not_read_auth_are_served(
        self, client: Client, driver: Driver, store: FaultyStore
    ) -> None:
        client.sign_in()
        store.break_(*CALLS)
        assert client.get("/still").json == {"still": True}

    def test_visitors_without_tokens_are_served(
        self, client: Client, driver: Driver, app: Any, store: FaultyStore
    ) -> None:
        client.sign_in()
        store.break_(*CALLS)
        assert driver.client(app).get("/peek").json["user"] is None
        assert driver.client(app).get("/me").status == 401

    def test_an_app_begins_while_the_store_is_gone(
        self, client: Client, open_app: OpenApp, store: FaultyStore
    ) -> None:
        client.sign_in("ann")
        store.break_(*CALLS)
        other = client.to(open_app())
        for path in ("/me", "/peek"):
            assert_unavailable(other.get(path))
        store.mend()
        assert other.user() == "ann"

    @pytest.mark.parametrize("path", [REFRESH, SIGN_OUT])
    @pytest.mark.parametrize("mode", ["inline", "endpoint"])
    def test_such_an_app_s_endpoints_are_503_and_then_work(
        self, open_app: OpenApp, driver: Driver, store: FaultyStore, path: str, mode: str
    ) -> None:
        client = driver.client(open_app(REFRESH_MODE=mode))
        client.sign_in("ann")
        store.break_(*CALLS)
        other = client.to(open_app(REFRESH_MODE=mode))
        assert_unavailable(other.post(path))
        store.mend()
        assert client.user() == "ann"
        assert other.post(path).status == 200

    def test_from_anywhere_it_is_an_error_of_ours(
        self, client: Client, driver: Driver, app: Any, store: FaultyStore
    ) -> None:
        session_id = client.sign_in("ann")
        sessions = driver.sessions(app)
        acts: list[Callable[[], Any]] = [
            lambda: sessions.create("ben"),
            lambda: sessions.get(session_id),
            lambda: sessions.list_for_user("ann"),
            lambda: sessions.merge_claims(session_id, {"a": 1}),
            lambda: sessions.merge_claims_for_user("ann", {"a": 1}),
            lambda: sessions.set_data(session_id, {"a": 1}),
            lambda: sessions.mint(session_id),
            lambda: sessions.revoke(session_id),
            lambda: sessions.revoke_all("ann"),
            lambda: sessions.journal(session_id),
        ]
        store.break_(*CALLS)
        for act in acts:
            with pytest.raises(UnavailableError):
                act()
        store.mend()
        assert custom(client.get("/me").json["claims"]) == {}
        assert sessions.list_for_user("ben") == ()

    def test_an_empty_store_in_its_place_signs_nobody_in_and_begins_anew(
        self, client: Client, driver: Driver, app: Any, store: FaultyStore, clock: FrozenClock
    ) -> None:
        client.sign_in("ann")
        old, store.behind = store.behind, MemoryStore()
        for _ in range(2):
            assert client.user() is None
            clock.advance(TOKEN + 10)
        client.sign_in("ben")
        assert client.user() == "ben"
        clock.advance(TOKEN + 10)
        assert client.user() == "ben"
        assert [key["kid"] for key in client.get("/.well-known/jwks.json").json["keys"]] != []
        store.behind = old
        clock.advance(1)
        assert client.get("/peek").json["user"] in ("ann", None)

    def test_after_that_its_tokens_are_those_of_every_other_process(
        self, client: Client, open_app: OpenApp, store: FaultyStore
    ) -> None:
        """The issuer is named after its store."""
        client.sign_in("ann")
        before = payload(client.jar.value("session"))["iss"]
        client.jar.restart()
        store.behind = MemoryStore()
        given = cookies_of(client.post("/sign-in", user="ben"))["session"]
        assert payload(given.value)["iss"] != before
        for process in (client, client.twin().to(open_app())):
            reply = process.send("/peek", headers=[("Authorization", f"Bearer {given.value}")])
            assert reply.json["user"] == "ben"

    def test_a_record_that_cannot_be_read_is_not_signed_out(
        self, client: Client, driver: Driver, app: Any, store: FaultyStore
    ) -> None:
        """Written by a newer version of this library, or damaged."""
        session_id = client.sign_in("ann")
        driver.sessions(app).merge_claims(session_id, {"plan": "pro"})  # so that it has to be read
        record = store.behind.load("session", session_id)
        assert record is not None
        for damage in (b"", b"[]", b"{}", record.data[:-1], b'{"format": 99}'):
            with replaced_data(store, session_id, damage):
                assert_unavailable(client.get("/me"))
                assert_unavailable(client.post("/sign-out"))
        assert client.user() == "ann"

    # --- a real file ----------------------------------------------------------------------

    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        return tmp_path / "sessions.db"

    @pytest.fixture
    def filed(self, open_app: OpenApp, file: Path) -> Iterator[Any]:
        kept = SqliteStore(file, timeout=0.2)
        yield open_app(STORE=kept)
        kept.close()

    def test_a_locked_file_refuses_writes_and_serves_reads(
        self, filed: Any, driver: Driver, file: Path, clock: FrozenClock
    ) -> None:
        client = driver.client(filed)
        client.sign_in("ann")
        late = client.twin()
        late.jar.drop("session")
        with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            assert client.get("/me").json["user"] == "ann"
            for act in ("sign in", "merge", "sign out", "endpoint refresh"):
                assert_unavailable(ACTS[act](client))
            assert_unavailable(late.get("/me"))
            other.execute("ROLLBACK")
        assert client.user() == "ann"
        assert late.user() == "ann"
        assert client.post("/merge", patch={"a": 1}).status == 200

    def test_a_damaged_file_is_unavailable(
        self, filed: Any, driver: Driver, file: Path, open_app: OpenApp
    ) -> None:
        client = driver.client(filed)
        client.sign_in("ann")
        driver.sessions(filed)  # what is open stays open
        whole = file.read_bytes()
        other = SqliteStore(file.with_name("other.db"), timeout=0.2)
        file.with_name("other.db").write_bytes(b"not a database" * 1000)
        damaged = client.to(open_app(STORE=other))
        damaged.jar = client.jar.copy()
        assert_unavailable(damaged.get("/me"))
        assert_unavailable(damaged.post("/sign-in", user="ben"))
        assert file.read_bytes()[:100] == whole[:100]
        assert client.user() == "ann"


@contextlib.contextmanager
def replaced_data(store: FaultyStore, session_id: str, data: bytes) -> Iterator[None]:
    """The record says that for a while; its version does not change."""
    behind: Any = store.behind
    key = ("session", session_id)
    whole = behind._records[key]
    behind._records[key] = type(whole)(
        whole.kind, whole.key, whole.version, data, whole.indexes, whole.due_at
    )
    try:
        yield
    finally:
        behind._records[key] = whole
