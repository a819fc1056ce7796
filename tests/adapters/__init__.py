"""One contract of behaviours, run over every adapter, and what is particular to each of them."""

import pytest

pytest.register_assert_rewrite(
    *(
        f"{__name__}.{name}"
        for name in (
            "contract",
            "contract_crosssite",
            "contract_django",
            "contract_gates",
            "contract_identity",
            "contract_isolation",
            "contract_policies",
            "contract_refusals",
            "sites",
            "drivers",
        )
    )
)
