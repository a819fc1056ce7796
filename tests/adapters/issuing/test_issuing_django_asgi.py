"""The issuing contract over Django as ASGI (Django's async test client), sync and async views."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("django")

from .contract import IssuingContract
from .driver_django import ASGIDriver, DjangoDriver, SyncViewsASGIDriver


class TestIssuingDjangoASGI(IssuingContract):
    @pytest.fixture(params=[ASGIDriver, SyncViewsASGIDriver], ids=["async", "sync"])
    def driver(self, request: pytest.FixtureRequest) -> Iterator[DjangoDriver]:
        driver: DjangoDriver = request.param()
        yield driver
        driver.leave()
