"""The app's own users: told to the directory, and read out of the claims where they will do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from flask_session_claims.testing import FrozenClock

from .contract_people import assert_wrong
from .contract_stores import assert_unavailable
from .drivers import Client, Driver
from .people import Functions
from .sites import Contract, FaultyStore, OpenApp, assert_given, assert_untouched, custom

TEMPLATE = {"name": "{{user.public_metadata.name}}"}


@dataclass
class Table:
    """An app's table of users, with a note of each look."""

    rows: dict[str, Any] = field(default_factory=lambda: {"ann": {"name": "Ann"}})
    loads: list[str] = field(default_factory=list[str])
    told: list[str] = field(default_factory=list[str])
    is_async: bool = False

    def load(self, user_id: str) -> Any:
        self.loads.append(user_id)
        return self._row(user_id)

    def tell(self, user_id: str) -> Any:
        self.told.append(user_id)
        return self._row(user_id)

    def _row(self, user_id: str) -> Any:
        row = self.rows.get(user_id)
        if isinstance(row, Exception):
            raise row
        return row

    async def aload(self, user_id: str) -> Any:
        return self.load(user_id)

    async def atell(self, user_id: str) -> Any:
        return self.tell(user_id)

    def functions(self) -> Functions:
        if self.is_async:
            return Functions(
                metadata_for=self.atell, user_loader=self.aload, from_claims=from_claims
            )
        return Functions(metadata_for=self.tell, user_loader=self.load, from_claims=from_claims)


def from_claims(claims: Any) -> Any:
    name = claims.get("name")
    return None if name is None else {"name": name, "by": "claims"}


def twice(user: Any) -> dict[str, Any]:
    """What /user answers where nothing happens between the looks."""
    return {"user": user, "again": user}


class Users(Contract):
    @pytest.fixture(params=["sync", "async"])
    def table(self, request: pytest.FixtureRequest) -> Table:
        return Table(is_async=request.param == "async")

    @pytest.fixture
    def staffed(self, open_app: OpenApp, table: Table) -> Any:
        return open_app(functions=table.functions())

    @pytest.fixture
    def patron(self, driver: Driver, staffed: Any) -> Client:
        return driver.client(staffed)

    @pytest.fixture
    def named(self, driver: Driver, staffed: Any) -> None:
        """The session token has a template that names the user."""
        driver.templates(staffed).save(TEMPLATE)

    @pytest.mark.usefixtures("named")
    def test_out_of_the_claims_nobody_is_loaded(self, patron: Client, table: Table) -> None:
        patron.sign_in("ann")
        assert table.told == ["ann"]
        for _ in range(2):
            reply = patron.get("/user")
            assert reply.json == twice({"name": "Ann", "by": "claims"})
            assert_untouched(reply)
        assert (table.loads, table.told) == ([], ["ann"])

    @pytest.mark.usefixtures("named")
    def test_what_the_app_has_changed_is_there_with_the_next_response(
        self, patron: Client, table: Table
    ) -> None:
        patron.sign_in("ann")
        table.rows["ann"] = {"name": "Anna"}
        assert patron.get("/user").json["user"]["name"] == "Ann"
        assert patron.post("/sync", user="ann").json == {"metadata": {"name": "Anna"}}
        reply = patron.get("/user")
        assert reply.json["user"] == {"name": "Anna", "by": "claims"}
        assert_given(reply, "session")
        assert table.loads == []

    def test_where_the_claims_do_not_say_it_is_loaded_once_and_written_back(
        self, patron: Client, table: Table, driver: Driver, staffed: Any
    ) -> None:
        patron.sign_in("ann")
        table.rows["ann"] = {"name": "Anna"}
        assert patron.get("/user").json == twice({"name": "Anna"})
        assert (table.loads, table.told) == (["ann"], ["ann", "ann"])
        user = driver.directory(staffed).get_user("ann")
        assert user is not None
        assert user.public_metadata == {"name": "Anna"}
        driver.templates(staffed).save(TEMPLATE)
        assert custom(patron.get("/me").json["claims"]) == {"name": "Anna"}
        assert patron.get("/user").json["user"]["by"] == "claims"
        assert table.loads == ["ann"]

    def test_nobody_is_looked_for_where_nobody_is_signed_in(
        self, patron: Client, table: Table
    ) -> None:
        assert patron.get("/user").json == twice(None)
        assert (table.loads, table.told) == ([], [])

    def test_whom_the_app_does_not_know_is_nobody(self, patron: Client, table: Table) -> None:
        patron.sign_in("ben")
        assert patron.get("/user").json == twice(None)
        assert table.loads == ["ben"]
        assert patron.post("/sync", user="ben").json == {"metadata": None}
        assert patron.get("/known", user="ben").json["metadata"] is None

    def test_it_is_somebody_else_after_another_has_signed_in(
        self, patron: Client, table: Table
    ) -> None:
        table.rows["ben"] = {"name": "Ben"}
        patron.sign_in("ann")
        assert patron.get("/user").json["user"] == {"name": "Ann"}
        said = patron.post("/user", then="ben").json  # within one request
        assert said == {"user": {"name": "Ann"}, "again": {"name": "Ben"}}
        assert patron.get("/user").json == twice({"name": "Ben"})

    @pytest.mark.parametrize(
        ("row", "status", "code"),
        [
            ([1], 500, None),
            (LookupError("the table's own mistake"), 500, None),
            ({"name": object()}, 400, "metadata-invalid"),
            ({"name": "x" * 9000}, 400, "metadata-too-large"),
        ],
    )
    def test_what_cannot_be_kept_signs_nobody_in(
        self, patron: Client, table: Table, driver: Driver, staffed: Any,
        row: Any, status: int, code: str | None,
    ) -> None:  # fmt: skip
        table.rows["ann"] = row
        reply = patron.post("/sign-in", user="ann")
        assert reply.status == status
        if code is not None:
            assert reply.json["error"] == code
        assert_untouched(reply)
        assert driver.sessions(staffed).list_for_user("ann") == ()
        assert driver.directory(staffed).get_user("ann") is None

    @pytest.mark.parametrize("kind", [LookupError, RuntimeError])
    def test_a_loader_that_fails_is_the_apps_own_error(
        self, patron: Client, table: Table, kind: type[Exception]
    ) -> None:
        patron.sign_in("ann")
        table.rows["ann"] = kind("the table's own mistake")
        assert patron.get("/user").status == 500
        assert patron.user() == "ann"

    def test_a_store_that_is_down_is_told(
        self, patron: Client, table: Table, store: FaultyStore, clock: FrozenClock
    ) -> None:
        patron.sign_in("ann")
        table.rows["ann"] = {"name": "Anna"}
        store.break_("commit")
        assert_unavailable(patron.get("/user"))
        store.mend()
        assert patron.get("/user").json["user"] == {"name": "Anna"}

    def test_without_the_functions_it_says_which_to_give(self, client: Client) -> None:
        client.sign_in("ann")
        assert_wrong(client.get("/user"), "user_loader")
        assert_wrong(client.post("/sync", user="ann"), "metadata_for")

    @pytest.mark.parametrize("user_id", ["", "x" * 256])
    def test_sync_takes_ids_alone(self, patron: Client, table: Table, user_id: str) -> None:
        assert_wrong(patron.post("/sync", user=user_id), "user_id")
        assert table.told == []
