"""The adapter contract over Django as WSGI (Django's test client)."""

import pytest

from .contract import AdapterContract

pytest.importorskip("django")

from .driver_django import WSGIDriver


class TestDjangoWSGI(AdapterContract):
    @pytest.fixture
    def driver(self) -> WSGIDriver:
        return WSGIDriver()
