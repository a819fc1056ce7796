"""The test kit: a local issuer, its key server, a frozen clock and signed-in test clients.

Everything here is real: real keys, real signatures, real HTTP on the loopback address; only
`auth_as` does without. Names are loaded on first use, and none of them imports a framework.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .assumed import auth_as
    from .clients import signed_in
    from .clock import FrozenClock
    from .issuer import LocalIssuer
    from .keys import shared_key
    from .keyserver import KeyServer
    from .record import minted_secrets, record_secrets

__all__ = [
    "FrozenClock",
    "KeyServer",
    "LocalIssuer",
    "auth_as",
    "minted_secrets",
    "record_secrets",
    "shared_key",
    "signed_in",
]

_HOMES = {
    "FrozenClock": "clock",
    "KeyServer": "keyserver",
    "LocalIssuer": "issuer",
    "auth_as": "assumed",
    "minted_secrets": "record",
    "record_secrets": "record",
    "shared_key": "keys",
    "signed_in": "clients",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(f".{home}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
