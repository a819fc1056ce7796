"""The issuing contract: what an app that is its own issuer does, whatever its framework.

A test file per framework gives a `driver` fixture and subclasses `IssuingContract`.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from .contract_away import Away
from .contract_changes import Changes
from .contract_current import Current
from .contract_endpoints import RefreshEndpoint
from .contract_ends import Ends
from .contract_fdi import Fdi
from .contract_feed import Feed
from .contract_hooks import Hooks
from .contract_impersonation import Impersonation
from .contract_live import Live
from .contract_meetings import Meetings
from .contract_parallel import Parallel
from .contract_people import People
from .contract_published import Published
from .contract_refresh import Refresh
from .contract_remint import Remint
from .contract_signin import SignIn
from .contract_signout import SignOut
from .contract_stores import Stores
from .contract_tokens import Tokens
from .contract_users import Users
from .contract_validators import Fetched


class IssuingContract(
    SignIn,
    Changes,
    Refresh,
    Meetings,
    RefreshEndpoint,
    Fdi,
    SignOut,
    Ends,
    Hooks,
    Published,
    Stores,
    Parallel,
    Feed,
    Away,
    Remint,
    Live,
    Current,
    Fetched,
    People,
    Impersonation,
    Users,
    Tokens,
):
    """Subclass it next to a `driver` fixture."""


def _check_names() -> None:
    """No part is left out, and none hides a test or a fixture of another."""
    parts = IssuingContract.__bases__
    files = {file.stem for file in Path(__file__).parent.glob("contract_*.py")}
    assert {part.__module__.rpartition(".")[2] for part in parts} == files
    names = Counter(name for part in parts for name in vars(part) if not name.startswith("_"))
    twice = [name for name, times in names.items() if times > 1]
    assert twice == [], f"two parts of the contract have {twice}"


_check_names()
