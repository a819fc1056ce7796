"""Plants each fault in a copy of the package and shows which test notices it.

Usage: python -m tests.mutants.run [WORD ...]

Words choose the mutants whose names hold one of them; without any it is all of those of reading
tokens and a fourth of those of issuing sessions, and all of both where FSC_LONG is set. Two copies
are worked on at once; the sources are never touched. First everything has to pass without a fault.
A mutant that its own own tests miss is given the whole fall-back suite; what survives is a gap,
and counts as failed.
The last line reads "N passed, N failed".
"""

# ruff: noqa: T201
from __future__ import annotations

import json
import os
import queue
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

from tests.mutants.mutant import REQUESTS, TOKENS, Mutant
from tests.mutants.table import MUTANTS, SHORT, SOURCES, mutated

T = TypeVar("T")

ROOT = Path(__file__).parents[2]
AT_ONCE = 2
LIMIT = 240  # seconds for one run of pytest
#: How many of the tests are run at a time where nothing is planted: within the limit.
SHARE = 20
FALL_BACK = ("tests/core", TOKENS, REQUESTS, "tests/corpus/test_differential.py")
TREE = ("tests", "conftest.py", "pyproject.toml")
PACKAGES = (
    "flask_session_claims",
    "adapters/django_session_claims",
    "adapters/quart_session_claims",
)
_FAILED = re.compile(r"^FAILED (\S+::.*?)(?: - .*)?$", re.MULTILINE)


class Result(NamedTuple):
    mutant: Mutant
    #: The test that noticed it.
    caught_by: str | None
    seconds: float
    trouble: str | None = None


class Copy:
    """A copy of the package and its tests, in which one file at a time is changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        ignore = shutil.ignore_patterns("__pycache__", "node_modules", "*.egg-info")
        for name in TREE:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, folder / name, ignore=ignore)
            else:
                shutil.copy(source, folder / name)
        for name in PACKAGES:
            source = SOURCES / name
            if not source.exists():  # a wheel has them side by side
                source = SOURCES / Path(name).name
            shutil.copytree(source, folder / name, ignore=ignore)

    @property
    def environment(self) -> dict[str, str]:
        path = f"{self.folder}{os.pathsep}{self.folder / 'adapters'}"
        given = {**os.environ, "PYTHONPATH": path, "FSC_EDITS": "2000"}
        given.pop("TESTS_NEED_INSTALLED", None)
        return given

    def start(self) -> None:
        output = self.folder / "output"
        output.mkdir()
        command = [sys.executable, "-m", "tests.mutants.server", str(LIMIT), str(output)]
        self._server = subprocess.Popen(
            command, cwd=self.folder, env=self.environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    def stop(self) -> None:
        self._server.communicate()

    def pytest(self, arguments: Sequence[str]) -> tuple[int, str]:
        """Exit status and output."""
        told = [
            "-q", "-rf", "--tb=line", "--color=no", "-p", "no:cacheprovider", "-m", "not slow",
            "-W", "ignore::pytest.PytestAssertRewriteWarning",  # loaded before it is its turn
        ]  # fmt: skip
        asks, answers = self._server.stdin, self._server.stdout
        assert asks is not None
        assert answers is not None
        asks.write(json.dumps([*told, *arguments]) + "\n")
        asks.flush()
        status, output = json.loads(answers.readline())
        return status, Path(output).read_text("utf-8", "replace")

    @contextmanager
    def planted(self, mutant: Mutant) -> Iterator[None]:
        sound = (self.folder / mutant.path).read_text("utf-8")
        self._write(mutant, mutated(mutant, self.folder))
        try:
            yield
        finally:
            self._write(mutant, sound)

    def _write(self, mutant: Mutant, text: str) -> None:
        place = self.folder / mutant.path
        place.write_text(text, "utf-8")
        # Byte code goes by second and size, and a mutant may have both in common.
        for stale in (place.parent / "__pycache__").glob(f"{place.stem}.*"):
            stale.unlink()


def _shown(output: str) -> str:
    lines = [line for line in output.splitlines() if line.strip(". FEsx[]%0123456789")]
    return "\n".join(line[:300] for line in lines[-12:])


def hunt(copy: Copy, mutant: Mutant) -> Result:
    """Who notices the mutant."""
    started = time.monotonic()
    caught, trouble = None, None
    with copy.planted(mutant):
        for tests in (mutant.tests, FALL_BACK):
            status, output = copy.pytest(["-x", *tests])
            if status == 1 and (found := _FAILED.search(output)):
                caught = found[1]
                break
            if status != 0:  # it does not even load, or a test hangs: no test names the fault
                trouble = f"exit status {status}\n{_shown(output)}"
                break
    return Result(mutant, caught, time.monotonic() - started, trouble)


class Soundness(NamedTuple):
    """What fails without any fault: a catch by such a test means nothing."""

    failing: frozenset[str]
    trouble: str | None


def sound(copy: Copy, chosen: Sequence[Mutant]) -> Soundness:
    """Whether everything passes without a fault."""
    place = "import flask_session_claims as f, pathlib; print(pathlib.Path(f.__file__).parents[1])"
    tests = dict.fromkeys((*FALL_BACK, *(test for mutant in chosen for test in mutant.tests)))
    inside = [
        test for test in tests if not (test != "tests/core" and test.startswith("tests/core/"))
    ]
    told = subprocess.run(
        [sys.executable, "-c", place],
        cwd=copy.folder,
        env=copy.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    if Path(told.stdout.strip()) != copy.folder:
        return Soundness(frozenset(), f"tests would see {told.stdout.strip()}, not the copy")
    failing: set[str] = set()
    troubles: list[str] = []
    for first in range(0, len(inside), SHARE):
        share = inside[first : first + SHARE]
        status, output = copy.pytest(["--reruns", "1", "--reruns-delay", "2", *share])
        failing.update(_FAILED.findall(output))
        if status:
            troubles.append(f"without a fault, exit status {status}:\n{_shown(output)}")
    return Soundness(frozenset(failing), "\n".join(troubles) or None)


def main(words: Sequence[str]) -> int:
    usual = MUTANTS if os.environ.get("FSC_LONG") else SHORT
    chosen = [m for m in MUTANTS if any(word in m.name for word in words)] if words else usual
    if not chosen:
        sys.exit(f"no mutant is called {' or '.join(words)}")
    for mutant in chosen:
        mutated(mutant)
    failed: list[str] = []
    with tempfile.TemporaryDirectory() as made:
        folders = [Path(made).resolve() / str(number) for number in range(AT_ONCE)]
        copies = [Copy(folder) for folder in folders]
        free: queue.SimpleQueue[Copy] = queue.SimpleQueue()
        for copy in copies:
            copy.start()
            free.put(copy)

        def on_a_copy(act: Callable[[Copy], T]) -> T:
            copy = free.get()
            try:
                return act(copy)
            finally:
                free.put(copy)

        with ThreadPoolExecutor(AT_ONCE) as pool:
            hunts = [partial(hunt, mutant=mutant) for mutant in chosen]
            baseline = pool.submit(on_a_copy, partial(sound, chosen=chosen))
            caught: dict[str, str] = {}
            for result in pool.map(on_a_copy, hunts):
                print(_line(result), flush=True)
                if result.caught_by is None:
                    failed.append(result.mutant.name)
                else:
                    caught[result.mutant.name] = result.caught_by
            plain = baseline.result()
        for copy in copies:
            copy.stop()
    for name, test in caught.items():
        if test in plain.failing:
            failed.append(name)
            print(f"NOT CAUGHT {name}: {test} fails without it too")
    if plain.trouble is not None:
        failed.append("the suite itself")
        print(f"FAILED {plain.trouble}")
    print(f"{len(chosen) + 1 - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


def _line(result: Result) -> str:
    mutant = result.mutant
    where = f"{mutant.name} [{Path(mutant.path).stem}]"
    if result.caught_by is not None:
        return f"CAUGHT {where} by {result.caught_by[:200]} ({result.seconds:.0f} s)"
    if result.trouble is not None:
        return f"BROKEN {where}: {result.trouble}"
    return f"SURVIVED {where}: {mutant.why}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
