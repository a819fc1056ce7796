"""The adapter contract over Django as WSGI (Django's test client)."""

import pytest

pytest.importorskip("django")

from .contract_django import DjangoContract
from .driver_django import WSGIDriver


class TestDjangoWSGI(DjangoContract):
    @pytest.fixture
    def driver(self) -> WSGIDriver:
        return WSGIDriver()
