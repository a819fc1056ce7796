"""Finds flows that are called and thrown away, by their type; pyright tells the type.

tests/test_floors.py reads names and so cannot tell two methods of one name apart. This can. A
planted call has to be found too, else the search itself is broken.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
#: How pyright writes the type of a flow.
KINDS = ('"Flow[', '"Generator[Ask[')
PLANTED = """
from flask_session_claims.core.flow import Flow
def flow() -> Flow[None]:
    yield from ()
def plain() -> int:
    return 1
plain()
flow()
"""


def thrown_away(folders: list[Path]) -> list[tuple[str, int]]:
    """File and line of every flow that is called for nothing."""
    with tempfile.TemporaryDirectory() as work:
        settings = {
            "include": [os.path.relpath(folder, work) for folder in folders],
            "extraPaths": [str(ROOT), str(ROOT / "adapters")],
            "typeCheckingMode": "off",
            "reportUnusedCallResult": "error",
        }
        config = Path(work, "pyrightconfig.json")
        config.write_text(json.dumps(settings))
        done = subprocess.run(
            ["pyright", "--outputjson", "-p", str(config)], capture_output=True, text=True
        )
    return [
        (found["file"], found["range"]["start"]["line"] + 1)
        for found in json.loads(done.stdout)["generalDiagnostics"]
        if found.get("rule") == "reportUnusedCallResult"
        and any(kind in found["message"] for kind in KINDS)
    ]


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        planted = Path(folder).resolve() / "planted.py"
        planted.write_text(PLANTED)
        found = thrown_away([ROOT / "flask_session_claims", ROOT / "adapters", planted.parent])
    expected = (str(planted), 8)
    if expected not in found:
        print("the planted flow was not found: the search is broken")
        return 1
    found.remove(expected)
    for file, line in found:
        print(f"{file}:{line}: a flow is called here, and nothing drives it")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
