"""Halls over each store."""

from __future__ import annotations

import pytest

from flask_session_claims.stores import open_store
from tests.stores.places import KINDS, fresh_url

from .hall import furnished


@pytest.fixture(params=KINDS)
def hall(request, tmp_path):
    """A hall with the users ada and bob, and the organisation acme, over each store."""
    store = open_store(fresh_url(request.param, tmp_path))
    yield furnished(store)
    store.close()
