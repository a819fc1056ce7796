"""The adapter contract over Django as ASGI (Django's asynchronous test client)."""

import pytest

pytest.importorskip("django")

from .contract_django import DjangoContract
from .driver_django import ASGIDriver


class TestDjangoASGI(DjangoContract):
    @pytest.fixture
    def driver(self) -> ASGIDriver:
        return ASGIDriver()
