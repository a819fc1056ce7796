"""Sums up every pytest run of CI and says what failed, what was skipped and why.

Usage: tally.py JUNIT_FOLDER TOX_RESULT [RUN=EXIT_STATUS ...]

TOX_RESULT is what `tox --result-json` wrote: it names every environment that has to run. Each
pytest run left JUNIT_FOLDER/RUN.xml. A failed run without a failed test counts as one failure,
with what its failed command said, and so does a test that was skipped in every run that had it.
A test that passed at its second attempt is named; more than a few of those count as one failure.
The last line reads "N passed, N failed, N skipped".
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

TAIL = 40  # lines of a failure that are printed
UNSTABLE = 5  # tests that may pass at their second attempt only


@dataclass
class Tally:
    passed: int = 0
    failures: list[str] = field(default_factory=list)
    #: What passed at its second attempt, and why not at its first.
    unstable: list[str] = field(default_factory=list)
    #: reason -> runs -> how many tests
    skips: dict[str, dict[str, int]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(int))
    )
    ran: set[str] = field(default_factory=set)
    skipped: dict[str, str] = field(default_factory=dict)
    skipped_count: int = 0

    def add_run(self, env: str, path: Path) -> int:
        """Read one report; the number of tests in it."""
        tests: dict[str, list[ElementTree.Element]] = defaultdict(list)
        for case in ElementTree.parse(path).iter("testcase"):
            tests[f"{case.get('classname', '')}::{case.get('name', '')}"].append(case)
        for name, attempts in tests.items():  # one that was given up says so in the next alone
            bad = [mark for one in attempts for mark in one if mark.tag in ("failure", "error")]
            case = attempts[-1]
            skip = case.find("skipped")
            if bad:
                text = (bad[0].text or bad[0].get("message") or "").strip()
                tail = "\n    ".join(text.splitlines()[-TAIL:])
                self.failures.append(f"{env}: {name}\n    {tail}")
                self.ran.add(name)
            elif skip is None:
                self.passed += 1
                self.ran.add(name)
                first = case.find("properties/property[@name='failed']")
                if first is not None:
                    self.unstable.append(f"{env}: {name}: {first.get('value')}")
            else:
                reason = skip.get("message") or "no reason given"
                self.skipped_count += 1
                self.skips[reason][env] += 1
                if skip.get("type") == "pytest.xfail":
                    self.ran.add(name)
                else:
                    self.skipped.setdefault(name, reason)
        return len(tests)

    def add_status(self, env: str, status: int | None, path: Path, said: str) -> None:
        """Read a run's report, if it wrote one, and hold its exit status against it.

        None as status: the run never happened. `said` is the end of its output, where known.
        """
        before = len(self.failures)
        tests = self.add_run(env, path) if path.exists() else None
        if tests == 0:
            self.failures.append(f"{env}: its pytest ran no test")
        if status != 0 and len(self.failures) == before:
            what = "never ran" if status is None else f"failed with exit status {status}"
            self.failures.append(f"{env}: {what}; {said or 'its output is above'}")

    def never_ran(self) -> dict[str, str]:
        return {name: why for name, why in self.skipped.items() if not self._did_run(name)}

    def _did_run(self, name: str) -> bool:
        # A module that was skipped while it was collected stands as "::module".
        module = name.removeprefix("::")
        return name in self.ran or (
            module != name
            and any(ran.startswith((f"{module}.", f"{module}::")) for ran in self.ran)
        )


def statuses(tox_result: Path, runs: list[str]) -> dict[str, tuple[int | None, str]]:
    """Exit status of every run that has to be, by name, and what a failed one said last."""
    found: dict[str, tuple[int | None, str]] = {}
    for run in runs:
        name, _, status = run.partition("=")
        found[name] = int(status), ""
    if not tox_result.exists():
        return {**found, "tox": (None, "")}
    for env, seen in json.loads(tox_result.read_text())["testenvs"].items():
        if env.startswith("."):  # where the wheel is built
            continue
        result = seen.get("result") or {"skipped": True}
        found[env] = None if result["skipped"] else int(result["exit_code"]), said_last(seen)
    return found


def said_last(env: dict[str, Any]) -> str:
    """The end of what the failed commands of one environment printed."""
    lines: list[str] = []
    for command in (*env.get("setup", ()), *env.get("test", ())):
        if command["retcode"]:
            lines += [" ".join(command["command"])[:200]]
            lines += f"{command['output']}\n{command['err']}".split("\n")[-TAIL:]
    return "\n    ".join(line[:500] for line in lines if line.strip())


def main(folder: Path, tox_result: Path, runs: list[str]) -> int:
    tally = Tally()
    named = statuses(tox_result, runs)
    for env, (status, said) in named.items():
        tally.add_status(env, status, folder / f"{env}.xml", said)
    for name, reason in sorted(tally.never_ran().items()):
        tally.failures.append(f"{name}: skipped in every run: {reason}")

    for reason, counts in sorted(tally.skips.items()):
        where = ", ".join(f"{env} ({count})" for env, count in counts.items())
        print(f"SKIPPED {reason}: {where}")
    for test in tally.unstable:
        print(f"UNSTABLE {test}")
    if len(tally.unstable) > UNSTABLE:
        count = len(tally.unstable)
        tally.failures.append(f"{count} tests passed at their second attempt; {UNSTABLE} may")
    for failure in tally.failures:
        print(f"FAILED {failure}")
    print(f"{len(named)} runs: {', '.join(named)}")
    if not tally.passed:
        tally.failures.append("no test passed at all")
    failed = len(tally.failures)
    print(f"{tally.passed} passed, {failed} failed, {tally.skipped_count} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]))
