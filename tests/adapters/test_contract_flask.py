"""The adapter contract over Flask (WSGI, Flask's test client)."""

import pytest

from .contract import AdapterContract
from .driver_flask import FlaskDriver


class TestFlask(AdapterContract):
    @pytest.fixture
    def driver(self) -> FlaskDriver:
        return FlaskDriver()
