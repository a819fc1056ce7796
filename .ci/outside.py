"""Copies what tests need, without the packages themselves, so that an installed wheel is tested.

Usage: outside.py DESTINATION
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
#: Sources, and what is no part of the project.
LEFT_OUT = ("flask_session_claims", "adapters", "build", "dist", "__pycache__", "*.egg-info")
HIDDEN_BUT_NEEDED = ".ci"


def leave_out(folder: str, names: list[str]) -> set[str]:
    hidden = {name for name in names if name.startswith(".") and name != HIDDEN_BUT_NEEDED}
    if Path(folder) != ROOT:  # a test folder may be named like a package
        return hidden | {"__pycache__", "node_modules", "instance"}.intersection(names)
    return hidden | shutil.ignore_patterns(*LEFT_OUT)(folder, names)


def main(destination: Path) -> None:
    shutil.rmtree(destination, ignore_errors=True)
    shutil.copytree(ROOT, destination, ignore=leave_out)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
