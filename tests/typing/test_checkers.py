"""mypy and pyright, strict, say of the files here what these say of themselves."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
PACKAGE = "flask_session_claims"
GOOD = sorted(HERE.glob("good_*.py"))
BAD = sorted(HERE.glob("bad_*.py"))
MARK = re.compile(r"# E (?P<mypy>.+?) / (?P<pyright>.+?)(?:  #|$)")
MYPY_ERROR = re.compile(r"^(.+?):(\d+): error: .*?(?:\[([a-z-]+)\])?$", re.MULTILINE)

#: What follows from an error on the same line, and is not declared.
FOLLOWS = re.compile(r"reportUnknown|reportUntyped|untyped-decorator")

#: (file, line) -> the rules that are broken there.
Faults = dict[tuple[str, int], set[str]]

pytestmark = pytest.mark.slow
needs_mypy = pytest.mark.skipif(not find_spec("mypy"), reason="mypy is not installed")
needs_pyright = pytest.mark.skipif(not find_spec("pyright"), reason="pyright is not installed")


def declared(checker: str) -> Faults:
    faults: Faults = {}
    for file in BAD:
        for number, line in enumerate(file.read_text("utf-8").splitlines(), 1):
            mark = MARK.search(line)
            if mark is not None:
                faults[file.name, number] = set(mark[checker].split())
    return faults


def run(*command: str, where: Path = ROOT, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=where,
        capture_output=True,
        text=True,
        env={**os.environ, **(env or {})},
    )
    assert done.returncode in (0, 1), done.stderr
    return done.stdout


def told(faults: Faults) -> Faults:
    """`faults` without what only follows from others on their line."""
    kept: Faults = {}
    for place, rules in faults.items():
        causes = {rule for rule in rules if not FOLLOWS.match(rule)}
        kept[place] = causes or rules
    return kept


def found_by_mypy() -> Faults:
    files = map(str, GOOD + BAD)
    said = run("mypy", "--follow-imports=silent", "--no-pretty", "--show-error-codes", *files)
    faults: Faults = defaultdict(set)
    for file, line, rule in MYPY_ERROR.findall(said):
        faults[Path(file).name, int(line)].add(rule)
    return told(faults)


def found_by_pyright() -> Faults:
    files = map(str, GOOD + BAD)
    said = json.loads(
        run("pyright", "--outputjson", "--level", "error", "--pythonpath", sys.executable, *files)
    )
    faults: Faults = defaultdict(set)
    for entry in said["generalDiagnostics"]:
        line = entry["range"]["start"]["line"] + 1
        faults[Path(entry["file"]).name, line].add(entry.get("rule", "syntax"))
    return told(faults)


@needs_mypy
def test_mypy_finds_what_is_wrong_and_nothing_else() -> None:
    pytest.importorskip("msgspec")
    pytest.importorskip("pydantic")
    assert found_by_mypy() == declared("mypy")


@needs_pyright
def test_pyright_finds_what_is_wrong_and_nothing_else() -> None:
    pytest.importorskip("msgspec")
    pytest.importorskip("pydantic")
    assert found_by_pyright() == declared("pyright")


def test_every_file_is_good_or_bad() -> None:
    others = {"__init__.py", Path(__file__).name}
    assert {file.name for file in HERE.glob("*.py")} - others == {file.name for file in GOOD + BAD}
    assert len(declared("mypy")) > 30
    assert len(declared("pyright")) > 30


@pytest.fixture(scope="module")
def completeness(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What pyright says of the package as its users get it, installed or not."""
    spec = find_spec(PACKAGE)
    assert spec is not None
    assert spec.origin is not None
    said = run(
        *("pyright", "--verifytypes", PACKAGE, "--ignoreexternal", "--outputjson"),
        *("--pythonpath", sys.executable),
        where=tmp_path_factory.mktemp("elsewhere"),
        env={"PYTHONPATH": str(Path(spec.origin).parent.parent)},
    )
    report: dict[str, Any] = json.loads(said)["typeCompleteness"]
    assert len(report["symbols"]) > 1000
    return report


@needs_pyright
def test_no_type_is_unknown(completeness: dict[str, Any]) -> None:
    assert completeness["exportedSymbolCounts"]["withUnknownType"] == 0
    assert completeness["otherSymbolCounts"]["withUnknownType"] == 0


@needs_pyright
def test_every_type_is_written_down(completeness: dict[str, Any]) -> None:
    ambiguous = [
        f"{symbol['name']}: {[entry['message'] for entry in symbol['diagnostics']]}"
        for symbol in completeness["symbols"]
        if symbol["isExported"] and symbol["isTypeAmbiguous"]
    ]
    assert ambiguous == []
    assert completeness["completenessScore"] == 1
