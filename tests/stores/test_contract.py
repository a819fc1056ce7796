"""The contract of record stores, over each store that is here."""

from __future__ import annotations

import pytest

from flask_session_claims.stores.memory import MemoryStore
from flask_session_claims.stores.sqlite import SqliteStore
from flask_session_claims.testing.store_contract import SharedStoreContract, StoreContract


class TestMemory(StoreContract):
    rounds = 200

    def make(self):
        return MemoryStore()


class TestSqlite(SharedStoreContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self._stores = []
        self._folder = tmp_path
        yield
        for store in self._stores:
            store.close()

    def make(self):
        store = SqliteStore(self._folder / f"store{len(self._stores)}.db", timeout=30)
        self._stores.append(store)
        return store

    def url(self, store):
        return f"sqlite:///{self._folder}/store{self._stores.index(store)}.db"
