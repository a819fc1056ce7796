"""The adapter contract over Django as ASGI (Django's asynchronous test client)."""

import pytest

from .contract import AdapterContract

pytest.importorskip("django")

from .driver_django import ASGIDriver


class TestDjangoASGI(AdapterContract):
    @pytest.fixture
    def driver(self) -> ASGIDriver:
        return ASGIDriver()
