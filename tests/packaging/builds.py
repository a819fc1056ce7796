"""Builds a wheel or an sdist, without an environment of its own and so without the network."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
NOT_SOURCE = shutil.ignore_patterns(
    ".git", ".venv", ".tox", ".*_cache", ".hypothesis", "__pycache__", "build", "dist",
    "*.egg-info", "_build", "node_modules", "instance",
)  # fmt: skip


def build(kind: str, source: Path, into: Path) -> Path:
    """Build a `wheel` or an `sdist` of the project in `source`; the file made."""
    done = subprocess.run(
        [sys.executable, "-m", "build", f"--{kind}", "--no-isolation", "--outdir", into, source],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=into.parent,
    )
    assert done.returncode == 0, done.stdout
    (made,) = into.iterdir()
    return made
