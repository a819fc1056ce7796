"""The adapter contract: every behaviour that all adapters share, once.

A test file per framework gives a `driver` fixture and subclasses `AdapterContract`.
"""

from __future__ import annotations

from .contract_crosssite import CrossSite
from .contract_gates import Gates
from .contract_identity import Identity
from .contract_isolation import Isolation
from .contract_policies import Policies
from .contract_refusals import Refusals
from .contract_validators import Validated


class AdapterContract(Identity, Gates, Refusals, Policies, CrossSite, Isolation, Validated):
    """Subclass it next to a `driver` fixture."""
