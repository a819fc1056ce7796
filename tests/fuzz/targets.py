"""All targets by name, and where their inputs are kept."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.fuzz import cookies, edited, keysets, redirects, settings, signed
from tests.fuzz.inputs import Target

CORPUS: Final = Path(__file__).parent / "corpus"
TARGETS: Final[dict[str, Target]] = {
    "token": edited.TARGET,
    "signed": signed.TARGET,
    "keyset": keysets.TARGET,
    "cookie": cookies.TARGET,
    "redirect": redirects.TARGET,
    "settings": settings.TARGET,
}


def inputs(name: str) -> list[Path]:
    """The kept inputs of one target."""
    return sorted(path for path in (CORPUS / name).iterdir() if path.is_file())
