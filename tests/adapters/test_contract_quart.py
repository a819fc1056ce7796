"""The adapter contract over Quart (ASGI, Quart's test client)."""

import pytest

from .contract import AdapterContract

pytest.importorskip("quart")

from .driver_quart import QuartDriver


class TestQuart(AdapterContract):
    @pytest.fixture
    def driver(self) -> QuartDriver:
        return QuartDriver()
