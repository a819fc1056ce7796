"""An app with a table of users of its own reads them from the claims, and looks nothing up."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.examples.servers import EXAMPLES, browser, free_port, serving, surroundings

ADA = {
    "managerOSUserId": 7,
    "organizationId": 3,
    "organizationName": "Analytical Engines",
    "organizationSlug": "engines",
    "personId": 41,
    "role": "lead",
    "fullName": "Ada Lovelace",
    "primaryEmail": "ada@example.com",
}
FRAMEWORKS = ["flask", "quart", "django"]


@pytest.fixture(scope="module", params=FRAMEWORKS)
def told(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> list[dict[str, Any]]:
    """What the requests of an example's visitor cost and gave."""
    pytest.importorskip(request.param)
    environ = surroundings({"OWN_USERS_FOLDER": str(tmp_path_factory.mktemp("own"))})
    environ["PYTHONPATH"] += f":{EXAMPLES}"
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("counting.py")), request.param],
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return rows


def test_who_is_in_no_table_is_not_signed_in(told: list[dict[str, Any]]) -> None:
    assert [row["status"] for row in told[:2]] == [400, 401]


def test_a_sign_in_reads_the_table_and_the_claims_say_the_row(told: list[dict[str, Any]]) -> None:
    assert told[2]["status"] == 200
    assert any("FROM people" in text for text in told[2]["statements"])
    assert {"load", "commit"} <= set(told[2]["acts"])
    assert json.loads(told[3]["body"]) == ADA


def test_reading_them_looks_nothing_up(told: list[dict[str, Any]]) -> None:
    first, *views = told[3:23]
    assert first["acts"].count("load") == 1  # the keys, once in the life of the process
    assert [json.loads(row["body"]) for row in views] == [ADA] * 19
    assert [row["statements"] for row in views] == [[]] * 19
    # All that ever happens is the process's own glance at the log, twice a second at most.
    assert {act for row in views for act in row["acts"]} <= {"log"}


def test_what_was_synced_is_in_the_next_response(told: list[dict[str, Any]]) -> None:
    changed = [row for row in told if row["step"] == ["POST", "/role"]]
    assert [row["status"] for row in changed] == [200, 200]
    after = [json.loads(row["body"]) for row in told[24:27]]
    assert after == [{**ADA, "role": "chief"}] * 3
    cleared = [json.loads(row["body"]) for row in told[28:31]]
    assert cleared == [{**ADA, "role": None}] * 3
    assert [row["statements"] for row in (*told[24:27], *told[28:31])] == [[]] * 6
    # The first response brought a new token, so the ones after look nothing up again.
    assert {act for row in (*told[25:27], *told[29:31]) for act in row["acts"]} <= {"log"}


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_it_starts_as_it_says_and_prints_what_to_try(name: str, tmp_path: Path) -> None:
    pytest.importorskip(name)
    port, output = free_port(), tmp_path / "output.txt"
    arguments = [f"own_users_{name}.py", *(["runserver", "--noreload"] * (name == "django"))]
    environment = {"PORT": str(port), "OWN_USERS_FOLDER": str(tmp_path / "own")}
    site = f"http://127.0.0.1:{port}"
    with serving(arguments, environment, port, output), browser() as visitor:
        origin = {"Origin": site}
        reply = visitor.post(f"{site}/sign-in", {"user": "ada"}, headers=origin, timeout=10)
        assert reply.status_code == 200
        assert visitor.get(f"{site}/profile", timeout=10).json() == ADA
    said = output.read_text("utf-8", "replace")
    assert f"curl -b jar -c jar {site}/profile" in said
    assert "eyJ" not in said
