"""Fuzzes every target in turn, two at once, and keeps what it finds wrong.

Usage: python -m tests.fuzz.run [--grow] [TARGET ...]

`FSC_FUZZ_SECONDS` is the time for each target (60). It begins with the target's seeds and the
kept inputs. An input that shows a fault is put into the corpus as `fault-…`, so that
`test_corpus.py` fails until that is mended. `--grow` afterwards keeps the smallest new inputs
that take a step through the code which none took before.
Needs atheris. The last line reads "N passed, N failed".
"""

# ruff: noqa: T201
from __future__ import annotations

import argparse
import base64
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.inputs import Target
from tests.fuzz.reach import worth_keeping
from tests.fuzz.targets import CORPUS, TARGETS, inputs

ROOT = CORPUS.parents[2]
AT_ONCE = 2
LONGEST_INPUT = 2_048
HANG = 20  # seconds of wall time; a watched second of CPU time comes first
STARTING = 180  # seconds that a fuzzer may take beyond its time
MEMORY = 1_024  # MB
_COVERAGE = re.compile(r"cov: (\d+) ft: (\d+) corp: (\d+)")


@dataclass(frozen=True)
class Outcome:
    name: str
    status: int
    output: str
    fault: Path | None

    @property
    def passed(self) -> bool:
        return (
            self.status == 0 and self.fault is None and self.count("number_of_executed_units") > 0
        )

    def count(self, name: str) -> int:
        found = re.search(rf"stat::{name}:\s+(\d+)", self.output)
        return int(found[1]) if found else 0

    def line(self, kept: int) -> str:
        reached = _COVERAGE.findall(self.output)
        edges, features, _ = reached[-1] if reached else ("0", "0", "0")
        return (
            f"{'PASSED' if self.passed else 'FAILED'} {self.name}:"
            f" {self.count('number_of_executed_units'):,} executions, {edges} edges,"
            f" {features} features, {kept} kept inputs, {self.count('new_units_added')} new,"
            f" {self.count('peak_rss_mb')} MB"
        )


def _run(name: str, arguments: list[str], limit: float) -> tuple[int, str]:
    command = [sys.executable, "-m", "tests.fuzz.one", name, *arguments]
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, errors="replace", timeout=limit
        )
    except subprocess.TimeoutExpired:
        return 124, f"{name} did not end within {limit:.0f} s"
    return done.returncode, done.stdout + done.stderr


def _telling(output: str) -> list[str]:
    """What is worth reading of a failed run: not the fuzzer's progress."""
    lines = output.splitlines()
    return [line[:500] for line in lines if not line.startswith(("#", "INFO:", "WARNING:"))][-40:]


def _dictionary(target: Target, folder: Path) -> Path:
    """The target's words as libFuzzer reads them."""
    path = folder / "words"
    escaped = ("".join(f"\\x{byte:02x}" for byte in word.encode()) for word in target.words)
    path.write_text("".join(f'"{word}"\n' for word in escaped))
    return path


def fuzz(name: str, seconds: float, *, grow: bool) -> Outcome:
    """One target, from the kept inputs on."""
    kept = CORPUS / name
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        found, begun = folder / "found", folder / "begun"
        found.mkdir()
        begun.mkdir()
        _begin(name, begun)
        arguments = [
            f"-max_total_time={seconds:.0f}", f"-timeout={HANG}", f"-rss_limit_mb={MEMORY}",
            f"-max_len={LONGEST_INPUT}", f"-dict={_dictionary(TARGETS[name], folder)}",
            f"-artifact_prefix={folder}/fault-", "-print_final_stats=1", str(found), str(begun),
        ]  # fmt: skip
        status, output = _run(name, arguments, seconds + STARTING)
        fault = _keep_fault(folder, kept)
        if grow and status == 0:
            known, new = ([path.read_bytes() for path in each.iterdir()] for each in (begun, found))
            for data in worth_keeping(TARGETS[name].check, known, new):
                (kept / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
    return Outcome(name, status, output, fault)


def _keep_fault(folder: Path, kept: Path) -> Path | None:
    for path in folder.glob("fault-*"):
        if "slow-unit" in path.name:  # a busy machine; what is slow by itself is a crash here
            continue
        place = kept / path.name.replace("fault-crash", "fault")
        place.write_bytes(path.read_bytes())
        return place
    return None


def _begin(name: str, folder: Path) -> None:
    """What the fuzzer begins with: the target's seeds and the kept inputs."""
    for number, seed in enumerate(dict.fromkeys(TARGETS[name].seeds())):
        (folder / f"seed-{number:03}").write_bytes(seed)
    for path in inputs(name):
        shutil.copy(path, folder)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--grow", action="store_true", help="keep new inputs that take new steps")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    chosen = parser.parse_args()
    unknown = set(chosen.targets) - set(TARGETS)
    if unknown:
        parser.error(
            f"no such target: {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}"
        )
    seconds = float(os.environ.get("FSC_FUZZ_SECONDS", "60"))
    names = chosen.targets or list(TARGETS)
    failed = 0
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for outcome in pool.map(lambda name: fuzz(name, seconds, grow=chosen.grow), names):
            print(outcome.line(len(inputs(outcome.name))), flush=True)
            if not outcome.passed:
                failed += 1
                print("\n".join(_telling(outcome.output)))
                if outcome.fault is not None:
                    text = base64.b64encode(outcome.fault.read_bytes()).decode()
                    print(f"kept as {outcome.fault.relative_to(ROOT)}; base64: {text}")
    print(f"{len(names) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
