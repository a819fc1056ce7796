"""Django's own ways with the adapter; what all adapters share is in the contract."""

import pytest

pytest.register_assert_rewrite(f"{__name__}.site")
