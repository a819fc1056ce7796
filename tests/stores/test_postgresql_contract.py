"""The contract of record stores over PostgreSQL: directly, through an engine, through a pooler."""

from __future__ import annotations

import pytest
import sqlalchemy

from flask_session_claims.stores.postgresql import PostgresqlStore, open_postgresql
from flask_session_claims.testing.store_contract import SharedStoreContract, StoreContract

from .postgresql_server import SHARED, Bouncer, fresh_schema, fresh_url

pytestmark = pytest.mark.needs_service


@pytest.fixture(scope="module")
def bouncer():
    with Bouncer() as bouncer:
        yield bouncer


class Places(SharedStoreContract):
    """Stores, each in a schema of its own, closed at the end."""

    server = SHARED

    @pytest.fixture(autouse=True)
    def _stores(self):
        self._opened = {}
        yield
        for store in self._opened:
            store.close()

    def make(self):
        url = fresh_url(self.server, timeout=30)
        store = open_postgresql(url)
        self._opened[store] = url
        return store

    def url(self, store):
        return self._opened[store]


class TestPostgresql(Places):
    """Over the shared server."""


class TestPostgresqlBehindAPooler(Places):
    """Over pgbouncer in transaction mode."""

    process_rounds = 30

    @pytest.fixture(autouse=True)
    def _server(self, bouncer):
        self.server = bouncer.url


class TestPostgresqlOverAnAppsEngine(StoreContract):
    """Over an engine that the app made, with settings of its own."""

    rounds = 20

    @pytest.fixture(autouse=True)
    def _engine(self):
        self._engine = sqlalchemy.create_engine(
            SHARED.replace("postgresql", "postgresql+psycopg", 1),
            isolation_level="SERIALIZABLE",
            connect_args={"prepare_threshold": 0},
            pool_size=9,
        )
        yield
        self._engine.dispose()

    def make(self):
        return PostgresqlStore(self._engine, schema=fresh_schema(), timeout=30)
