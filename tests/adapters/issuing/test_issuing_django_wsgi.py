"""The issuing contract over Django as WSGI (Django's test client), with sync and async views."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("django")

from .contract import IssuingContract
from .driver_django import AsyncViewsWSGIDriver, DjangoDriver, WSGIDriver


class TestIssuingDjangoWSGI(IssuingContract):
    @pytest.fixture(params=[WSGIDriver, AsyncViewsWSGIDriver], ids=["sync", "async"])
    def driver(self, request: pytest.FixtureRequest) -> Iterator[DjangoDriver]:
        driver: DjangoDriver = request.param()
        yield driver
        driver.leave()
