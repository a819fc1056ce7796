"""The tables of the PostgreSQL store: who makes them, who may, and their versions."""

from __future__ import annotations

import threading
from urllib.parse import urlsplit

import pytest
import sqlalchemy

from flask_session_claims import ConfigurationError, UnavailableError
from flask_session_claims.sessions.records import Delete, Put
from flask_session_claims.stores.pgtables import Upgrade
from flask_session_claims.stores.postgresql import PostgresqlStore, metadata, open_postgresql
from flask_session_claims.testing.store_contract import in_threads, increment

from .postgresql_cases import CALLS, ENTRY, Opener, each_call, fill
from .postgresql_server import (
    SHARED,
    fresh_schema,
    run_sql,
    with_options,
)

pytestmark = pytest.mark.needs_service


@pytest.fixture
def schema():
    return fresh_schema()


@pytest.fixture
def opened():
    with Opener() as opened:
        yield opened


@pytest.fixture
def store(schema, opened):
    return opened(schema=schema)


@pytest.fixture
def engine():
    engine = sqlalchemy.create_engine(SHARED.replace("postgresql", "postgresql+psycopg", 1))
    yield engine
    engine.dispose()


COLUMNS = """
    SELECT table_name, column_name, data_type, is_nullable, collation_name, column_default
    FROM information_schema.columns WHERE table_schema = '{}' ORDER BY 1, 2"""
INDEXES = """
    SELECT indexname, replace(indexdef, '{0}', '') FROM pg_indexes WHERE schemaname = '{0}'
    ORDER BY 1"""


def described(schema):
    return [run_sql(query.format(schema)) for query in (COLUMNS, INDEXES)]


def make_tables(engine, schema):
    """As a migration of the app's own does."""
    run_sql(f"CREATE SCHEMA {schema}")
    metadata(schema).create_all(engine)


def test_reading_makes_no_tables(store, schema):
    for call in CALLS:
        if call != "commit":
            CALLS[call](store)
    assert run_sql(f"SELECT FROM pg_namespace WHERE nspname = '{schema}'") == []


def test_tables_that_the_apps_migrations_made_are_those_that_the_store_makes(
    engine, store, schema, opened
):
    fill(store)
    other = fresh_schema()
    make_tables(engine, other)
    assert described(other) == described(schema)
    store = opened(schema=other)
    assert store.load("kind", "key") is None
    assert store.identity() is None
    fill(store)
    assert store.identity().schema == 1
    assert len(store.log_since(0).entries) == 1


def test_metadata_without_a_schema_is_for_the_default_one():
    assert {table.schema for table in metadata().tables.values()} == {None}
    assert sorted(metadata().tables) == [
        "session_claims_index",
        "session_claims_log",
        "session_claims_records",
        "session_claims_store",
    ]


def test_the_search_path_does_not_matter(schema, opened):
    store = opened(make=open_postgresql, url=with_options(SHARED, schema=schema))
    fill(store)
    run_sql(f"CREATE TABLE {schema}.decoy ()")
    url = with_options(SHARED, options=f"-csearch_path%3D{schema}", schema=fresh_schema())
    other = opened(make=open_postgresql, url=url)
    assert other.load("kind", "key") is None
    fill(other)
    assert other.identity() != store.identity()


def test_eight_at_once_make_the_tables_once(schema, opened):
    stores = [opened(schema=schema, timeout=30) for _ in range(8)]
    won = in_threads(8, lambda n: stores[n].commit([Put("kind", f"k{n}", 0, b"")], (), [ENTRY]))
    assert won == [True] * 8
    assert len({store.identity() for store in stores}) == 1
    assert stores[0].log_since(0).newest == 8


def make_beside_readers(store, call):
    """Commit for the first time while three threads read."""
    begun, made = threading.Event(), threading.Event()

    def act(number):
        if number:
            while not made.is_set():
                CALLS[call](store)
                begun.set()
            return
        try:
            assert begun.wait(30)
            fill(store)
        finally:
            made.set()

    in_threads(4, act)


@pytest.mark.parametrize("call", ["log_since", "identity"])
def test_who_reads_while_another_thread_makes_the_tables_finds_nothing_or_all(call, opened):
    for _ in range(20):
        make_beside_readers(opened(schema=fresh_schema(), timeout=30), call)


@pytest.fixture
def role():
    """A role that may do nothing."""
    name = f"{fresh_schema()}_role"
    run_sql(f"CREATE ROLE {name} LOGIN")
    yield name
    run_sql(f"DROP OWNED BY {name}", f"DROP ROLE {name}")


def as_role(role):
    return SHARED.replace(f"{urlsplit(SHARED).username}@", f"{role}@")


def test_a_role_that_may_not_make_tables_is_told_what_to_do(role, schema, opened):
    store = opened(url=as_role(role), schema=schema)
    assert store.load("kind", "key") is None
    for _ in range(2):
        with pytest.raises(ConfigurationError, match=r"metadata.*SELECT, INSERT") as caught:
            fill(store)
        assert caught.value.code == "store-refused"
    assert schema in str(caught.value)
    assert store.load("kind", "key") is None, "reading goes on"


def test_a_role_that_may_only_use_the_tables_is_enough(engine, role, schema, opened):
    make_tables(engine, schema)
    store = opened(url=as_role(role), schema=schema)
    with pytest.raises(ConfigurationError, match="rights"):
        store.load("kind", "key")
    run_sql(
        f"GRANT USAGE ON SCHEMA {schema} TO {role}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}",
    )
    fill(store)
    assert store.commit([], [Delete("kind", "key", 1)])
    # What once worked and no longer does is an outage, not a crash.
    run_sql(f"REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM {role}")
    for call in CALLS:
        with pytest.raises(UnavailableError) as caught:
            CALLS[call](store)
        assert caught.value.code == "store-failed"


@each_call
def test_tables_that_have_gone_are_not_an_empty_store(call, store, schema):
    fill(store)
    run_sql(f"ALTER SCHEMA {schema} RENAME TO {schema}_away")
    with pytest.raises(UnavailableError) as caught:
        CALLS[call](store)
    assert caught.value.code == "store-gone"
    run_sql(f"ALTER SCHEMA {schema}_away RENAME TO {schema}")
    CALLS[call](store)


@pytest.mark.parametrize("call", ["commit", "log_since", "identity"])
def test_tables_that_were_emptied_are_not_an_empty_store(call, store, schema):
    fill(store)
    run_sql(f"TRUNCATE {schema}.session_claims_store")
    with pytest.raises(UnavailableError) as caught:
        CALLS[call](store)
    assert caught.value.code == "store-gone"
    assert store.load("kind", "other") is None


@each_call
def test_another_programs_tables_are_left_alone(call, store, schema):
    run_sql(f"CREATE SCHEMA {schema}", f"CREATE TABLE {schema}.session_claims_store (theirs int)")
    with pytest.raises(ConfigurationError, match="name another schema") as caught:
        CALLS[call](store)
    assert caught.value.code == "store-refused"
    assert run_sql(
        f"SELECT relname FROM pg_class c JOIN pg_namespace n ON nspname = '{schema}'"  # noqa: S608
        " WHERE c.relnamespace = n.oid"
    ) == [("session_claims_store",)]


class Newer(PostgresqlStore):
    """A later release, whose schema only adds."""

    upgrades = (Upgrade(("ALTER TABLE {s}records ADD COLUMN IF NOT EXISTS note text",), 1),)


class MuchNewer(PostgresqlStore):
    """One that older code cannot read."""

    upgrades = (*Newer.upgrades, Upgrade(("CREATE TABLE IF NOT EXISTS {s}other (x int)",), 3))


class Failing(PostgresqlStore):
    """One whose upgrade stops half way."""

    upgrades = (Upgrade((*Newer.upgrades[0].statements, "SELECT 1 / 0"), 1),)


@each_call
def test_an_older_schema_is_brought_forward_at_first_use(call, schema, opened):
    fill(old := opened(schema=schema))
    identity, record = old.identity(), old.load("kind", "key")
    newer = opened(Newer, schema=schema)
    CALLS[call](newer)
    assert newer.identity() == type(identity)(identity.store_id, 2)
    assert newer.load("kind", "key") == record
    assert newer.log_since(0).entries[0].key == "s"


def test_old_and_new_code_work_side_by_side(schema, opened):
    fill(old := opened(schema=schema))
    newer = opened(Newer, schema=schema)
    assert increment(newer, "n", 2) == increment(old, "n", 2) == 0
    restarted = opened(schema=schema)
    assert restarted.load("count", "n").data == b"4"
    assert increment(restarted, "n", 1) == 0
    assert restarted.identity().schema == 2, "older code leaves the version as it is"


@each_call
def test_a_schema_that_is_too_new_is_refused(call, schema, opened):
    fill(opened(MuchNewer, schema=schema))
    with pytest.raises(ConfigurationError, match="schema version 3") as caught:
        CALLS[call](opened(schema=schema))
    assert caught.value.code == "store-schema-newer"


def test_an_upgrade_that_stops_half_way_has_not_happened(schema, opened):
    fill(old := opened(schema=schema))
    before = described(schema)
    with pytest.raises(UnavailableError) as caught:
        opened(Failing, schema=schema).load("kind", "key")
    assert caught.value.code == "store-failed"
    assert described(schema) == before
    assert old.identity().schema == 1
    assert opened(Newer, schema=schema).load("kind", "key").data == b"data"


def test_eight_at_once_upgrade_it_once(schema, opened):
    fill(opened(schema=schema))
    stores = [opened(Newer, schema=schema, timeout=30) for _ in range(8)]
    found = in_threads(8, lambda number: stores[number].load("kind", "key"))
    assert {record.data for record in found} == {b"data"}


def test_a_database_that_cannot_keep_all_texts_is_refused(schema, opened):
    run_sql(f"CREATE DATABASE {schema} ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'")
    try:
        store = opened(url=SHARED.removesuffix(urlsplit(SHARED).path) + f"/{schema}")
        with pytest.raises(ConfigurationError, match="ENCODING 'UTF8'") as caught:
            fill(store)
        assert caught.value.code == "store-encoding"
        store.close()
    finally:
        run_sql(f"DROP DATABASE {schema} WITH (FORCE)")


def test_the_longest_names_of_the_widest_characters(store):
    kind, name, value, key = ("\U0010ff00" * 511 + end for end in "abcd")
    put = Put(kind, key, 0, b"data", ((name, value),), 1.0)
    assert store.commit([put])
    assert store.find(kind, name, value).records == (store.load(kind, key),)
    assert store.due(kind, 2.0) == (store.load(kind, key),)
