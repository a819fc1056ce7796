"""Django is set up before any test of this folder is imported; without Django there are none."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from importlib.util import find_spec

import pytest

from tests.adapters.django_setup import setup

if find_spec("django") is None:
    collect_ignore_glob = ["test_*.py"]
else:
    setup()


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Django logs each 4xx and 5xx; the last-resort handler would print them."""
    logger = logging.getLogger("django")
    before, logger.level = logger.level, logging.CRITICAL + 1
    yield
    logger.level = before


@pytest.fixture(autouse=True)
def no_script_prefix() -> Iterator[None]:
    """Of a request Django keeps it for its thread until the next one; its test client sets none."""
    yield
    from django.urls import clear_script_prefix

    clear_script_prefix()
