"""CI counts honestly: what failed, never ran or was always skipped is in the closing line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.packaging.builds import ROOT

PASSED = '<testcase classname="t" name="good"/>'
FAILED = (
    '<testcase classname="t" name="bad"><failure message="m">why it failed</failure></testcase>'
)
BROKEN = '<testcase classname="t" name="setup"><error message="m">no fixture</error></testcase>'
SKIPPED = '<testcase classname="t" name="maybe"><skipped message="no quart"/></testcase>'
PASSED_HERE = '<testcase classname="t" name="maybe"/>'
FIRST = '<properties><property name="failed" value="too slow"/></properties>'
XFAIL = '<testcase classname="t" name="x"><skipped type="pytest.xfail" message="known"/></testcase>'
OK = {"success": True, "exit_code": 0, "skipped": False}


class Ci:
    """A folder as CI leaves it, to be summed up."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.envs: dict[str, object] = {".pkg": {}}

    def run(self, name: str, *cases: str, result: dict[str, object] | None = OK) -> None:
        self.envs[name] = {"result": result}
        suite = f"<testsuites><testsuite>{''.join(cases)}</testsuite></testsuites>"
        (self.folder / f"{name}.xml").write_text(suite)

    def tally(self, *runs: str) -> tuple[int, list[str]]:
        result = self.folder / "result.json"
        if self.envs:
            result.write_text(json.dumps({"testenvs": self.envs}))
        done = subprocess.run(
            [sys.executable, ROOT / ".ci/tally.py", self.folder, result, *runs],
            capture_output=True,
            text=True,
        )
        assert done.stderr == ""
        return done.returncode, done.stdout.splitlines()


@pytest.fixture
def ci(tmp_path: Path) -> Ci:
    return Ci(tmp_path)


def test_passes_of_all_runs_are_added_up(ci: Ci) -> None:
    ci.run("a", PASSED, PASSED_HERE)
    ci.run("b", PASSED, SKIPPED)
    code, said = ci.tally("readme=0")
    assert (code, said[-1]) == (0, "3 passed, 0 failed, 1 skipped")
    assert "SKIPPED no quart: b (1)" in said


def test_a_failure_and_a_broken_fixture_count_with_their_text(ci: Ci) -> None:
    failed: dict[str, object] = {"success": False, "exit_code": 1, "skipped": False}
    ci.run("a", PASSED, FAILED, BROKEN, result=failed)
    code, said = ci.tally()
    assert (code, said[-1]) == (1, "1 passed, 2 failed, 0 skipped")
    assert "FAILED a: t::bad" in said
    assert "    why it failed" in said


def test_a_second_attempt_is_named_and_few_may_need_one(ci: Ci) -> None:
    # Some versions of the plugin leave a case of each attempt, others one of both.
    late = [f'<testcase classname="t" name="late{n}">{FIRST}</testcase>' for n in range(5)]
    ci.run("a", PASSED, *late, late[0])
    code, said = ci.tally()
    assert (code, said[-1]) == (0, "6 passed, 0 failed, 0 skipped")
    assert [line for line in said if line.startswith("UNSTABLE")] == [
        f"UNSTABLE a: t::late{n}: too slow" for n in range(5)
    ]
    ci.run("b", late[0])
    code, said = ci.tally()
    assert (code, said[-1]) == (1, "7 passed, 1 failed, 0 skipped")
    assert "FAILED 6 tests passed at their second attempt; 5 may" in said


def test_two_failing_attempts_are_one_failure(ci: Ci) -> None:
    failed = f'<testcase classname="t" name="late">{FIRST}<failure>so</failure></testcase>'
    ci.run("a", PASSED, f'<testcase classname="t" name="late">{FIRST}</testcase>', failed)
    code, said = ci.tally()
    assert (code, said[-1]) == (1, "1 passed, 1 failed, 0 skipped")
    assert not [line for line in said if line.startswith("UNSTABLE")]


def test_a_test_that_is_skipped_everywhere_counts_as_failed(ci: Ci) -> None:
    ci.run("a", PASSED, SKIPPED)
    ci.run("b", PASSED, SKIPPED)
    code, said = ci.tally()
    assert (code, said[-1]) == (1, "2 passed, 1 failed, 2 skipped")


def test_an_expected_failure_has_run(ci: Ci) -> None:
    ci.run("a", PASSED, XFAIL)
    assert ci.tally()[0] == 0


def test_an_environment_without_tests_counts_by_its_exit_status(ci: Ci) -> None:
    ci.run("a", PASSED)
    ci.envs["lint"] = {"result": {"success": False, "exit_code": 2, "skipped": False}}
    code, said = ci.tally("readme=0", "demo=1")
    assert (code, said[-1]) == (1, "1 passed, 2 failed, 0 skipped")
    assert "FAILED lint: failed with exit status 2; its output is above" in said


def test_what_a_failed_command_said_stands_in_the_sum(ci: Ci) -> None:
    ci.run("a", PASSED)
    good = {"command": ["echo", "1"], "retcode": 0, "output": "fine", "err": ""}
    bad = {"command": ["run", "it"], "retcode": 1, "output": "first\n\nlast\n", "err": "why"}
    failed = {"success": False, "exit_code": 1, "skipped": False}
    ci.envs["fuzz"] = {"result": failed, "setup": [good], "test": [good, bad]}
    code, said = ci.tally()
    assert (code, said[-1]) == (1, "1 passed, 1 failed, 0 skipped")
    at = said.index("FAILED fuzz: failed with exit status 1; run it")
    assert said[at + 1 : at + 4] == ["    first", "    last", "    why"]
    assert "    fine" not in said


@pytest.mark.parametrize("result", [None, {"success": True, "exit_code": 0, "skipped": True}])
def test_a_named_environment_that_did_not_run_counts_as_failed(
    result: dict[str, object] | None, ci: Ci
) -> None:
    ci.run("a", PASSED)
    ci.envs["b"] = {} if result is None else {"result": result}
    code, said = ci.tally()
    assert (code, said[-1]) == (1, "1 passed, 1 failed, 0 skipped")
    assert "FAILED b: never ran; its output is above" in said


def test_tox_that_wrote_no_result_counts_as_failed(ci: Ci) -> None:
    ci.run("readme", PASSED)
    ci.envs.clear()
    assert ci.tally("readme=0")[1][-1] == "1 passed, 1 failed, 0 skipped"


def test_a_run_of_no_test_counts_as_failed(ci: Ci) -> None:
    ci.run("a", PASSED)
    ci.run("b")
    assert ci.tally()[1][-1] == "1 passed, 1 failed, 0 skipped"


def test_a_second_attempt_tells_of_the_first(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_bytes((ROOT / "conftest.py").read_bytes())
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_it.py").write_text(
        "seen = []\n"
        "def test_late():\n    seen.append(1)\n    assert len(seen) == 2, 'too slow'\n"
        "def test_wrong():\n    assert 1 == 2\n"
        "def test_right():\n    pass\n"
    )
    report = tmp_path / "report.xml"
    command = ["-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junit-xml={report}"]
    done = subprocess.run(
        [sys.executable, *command, "--reruns", "1"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTEST_ADDOPTS": ""},
    )
    assert done.stdout.splitlines()[-1].startswith("1 failed, 2 passed, 2 rerun")
    told = {
        case.get("name"): [one.get("value") for one in case.iter("property")]
        for case in ElementTree.parse(report).iter("testcase")
    }
    assert told["test_late"] == ["AssertionError: too slow"]
    assert not told["test_right"]
    assert told["test_wrong"]


@pytest.mark.parametrize(("ci_set", "outcome"), [(True, "1 failed"), (False, "1 skipped")])
def test_a_test_that_needs_a_service_is_not_skipped_in_ci(
    ci_set: bool, outcome: str, tmp_path: Path
) -> None:
    (tmp_path / "conftest.py").write_bytes((ROOT / "conftest.py").read_bytes())
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = needs_service\n")
    (tmp_path / "test_it.py").write_text(
        "import pytest\n@pytest.mark.needs_service\ndef test_it():\n    pytest.skip('no server')\n"
    )
    environ = {name: value for name, value in os.environ.items() if name != "CI"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**environ, **({"CI": "true"} if ci_set else {}), "PYTEST_ADDOPTS": ""},
    )
    assert done.stdout.splitlines()[-1].startswith(outcome)


def test_the_copy_that_wheels_are_tested_in_has_no_sources_of_the_packages(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    subprocess.run([sys.executable, ROOT / ".ci/outside.py", copy], check=True)
    assert (copy / "tests/test_floors.py").is_file()
    assert (copy / ".ci/tally.py").is_file()
    assert not {"flask_session_claims", "adapters", ".git", ".tox"} & set(os.listdir(copy))
