"""One contract for apps that issue their own sessions, run over every adapter."""

import pytest

pytest.register_assert_rewrite(
    *(
        f"{__name__}.{name}"
        for name in (
            "contract",
            "contract_changes",
            "contract_endpoints",
            "contract_ends",
            "contract_failures",
            "contract_fdi",
            "contract_hooks",
            "contract_impersonation",
            "contract_tokens",
            "contract_meetings",
            "contract_parallel",
            "contract_people",
            "contract_published",
            "contract_refresh",
            "contract_signin",
            "contract_signout",
            "contract_stores",
            "contract_users",
            "drivers",
            "jar",
            "sites",
        )
    )
)
