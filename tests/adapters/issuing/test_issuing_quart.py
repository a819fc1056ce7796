"""The issuing contract over Quart (ASGI, Quart's test client)."""

from __future__ import annotations

import pytest

from .contract import IssuingContract
from .contract_endpoints import REFRESH
from .drivers import SAME, Client

pytest.importorskip("quart")

from .driver_quart import QuartDriver


class TestIssuingQuart(IssuingContract):
    @pytest.fixture
    def driver(self) -> QuartDriver:
        return QuartDriver()

    @pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
    def test_it_takes_post_alone(self, late_visitor: Client, mode: str, method: str) -> None:
        """The 405 may be refreshed like any response, since an error page may read auth."""
        reply = late_visitor.send(REFRESH, method, SAME)
        assert reply.status == 405
        assert bool(reply.all("Set-Cookie")) == (mode == "inline")
        assert late_visitor.post(REFRESH).status == 200
