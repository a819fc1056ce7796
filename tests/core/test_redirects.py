"""Where a browser may be sent: every value against what browsers make of it."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import Any
from urllib.parse import unquote

import pytest

from flask_session_claims.core.redirects import MAX_LENGTH, is_safe_redirect

from .redirect_values import ACCEPTED, BASES, LISTED, REFUSED

APP, WWW = LISTED
HERE = {"own", "listed"}
ROWS = [
    (value, accepted, verdict)
    for accepted, table in ((True, ACCEPTED), (False, REFUSED))
    for verdict, values in table.items()
    for value in values
]

#: Prints, for each value and base, where a browser ends up.
BROWSER = """
const {values, bases, listed} = JSON.parse(require("fs").readFileSync(0, "utf8"));
const where = (value, base) => {
  let url;
  try { url = new URL(value, base); } catch { return "invalid"; }
  const own = new URL(base).origin;
  if (url.origin !== own && !listed.includes(url.origin)) return "away";
  return url.username || url.password ? "userinfo" : url.origin === own ? "own" : "listed";
};
const path = (value, base) => {
  try { return new URL(value, base).pathname; } catch { return ""; }
};
console.log(JSON.stringify(values.map(value => bases.map(
  base => [where(value, base), where(path(value, base), base)]))));
"""


@pytest.mark.parametrize(("value", "accepted", "verdict"), ROWS, ids=ascii)
def test_a_value_is_judged_as_the_table_says(value, accepted, verdict):
    assert is_safe_redirect(value, LISTED) is accepted


def test_nothing_that_leads_away_is_let_pass():
    assert len(ROWS) == len({value for value, *_ in ROWS}) > 300
    away = [value for value, _, verdict in ROWS if not set(verdict) <= HERE]
    assert len(away) > 120
    assert [value for value in away if is_safe_redirect(value, LISTED)] == []


def ask_node(values: list[str]) -> list[list[tuple[str, str]]]:
    """For each value and base: where it leads, and where its path alone does."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    sent = json.dumps({"values": values, "bases": BASES, "listed": LISTED})
    done = subprocess.run([node, "-e", BROWSER], input=sent, capture_output=True, text=True,
                          timeout=60, check=True)  # fmt: skip
    return [[(there, path) for there, path in row] for row in json.loads(done.stdout)]


def test_the_table_says_what_browsers_do():
    answers = ask_node([value for value, *_ in ROWS])
    wrong = [
        (value, verdict, answer)
        for (value, _, verdict), answer in zip(ROWS, answers, strict=True)
        if verdict != tuple(there for there, _ in answer)
    ]
    assert wrong == []


def test_what_passes_stays_here_also_when_decoded_once_more_or_cut_to_its_path():
    passed = [value for value, accepted, _ in ROWS if accepted]
    for read in (passed, [unquote(value) for value in passed]):
        for value, answer in zip(passed, ask_node(read), strict=True):
            for there, path in answer:
                assert {there, path} <= HERE, value


@pytest.mark.parametrize(("value", "accepted"), [
    ("/" + "a" * (MAX_LENGTH - 1), True),
    ("/" + "a" * MAX_LENGTH, False),
    ("/" + "é" * (MAX_LENGTH // 2 - 1) + "a", True),
    ("/" + "é" * (MAX_LENGTH // 2), False),
    (APP + "/" + "a" * (MAX_LENGTH - len(APP) - 1), True),
    (APP + "/" + "a" * (MAX_LENGTH - len(APP)), False),
    ("/" * 5_000_000, False),
])  # fmt: skip
def test_a_value_is_at_most_2048_bytes_long(value, accepted):
    assert is_safe_redirect(value, LISTED) is accepted


class Lazy:
    """Says that it is a string, as proxies do."""

    __class__ = str  # type: ignore[assignment]

    def __len__(self) -> int:
        return 2


@pytest.mark.parametrize(
    "value",
    [None, b"/", b"//evil", 0, 1, True, [], ["/"], {}, Lazy(), object()],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_string_is_no_target(value: Any):
    assert is_safe_redirect(value, LISTED) is False


@pytest.mark.parametrize("origins", [(), [], APP, "https:/", [""], ["https:"], ["https:/"],
    ["https://"], ["/"], ["app.example"], ["*"], ["https://*"], [f"{APP}/"], [f"{APP}/a"],
    [f"{APP}:443"], ["HTTPS://APP.EXAMPLE"], ["https://user@app.example"], ["https://["],
    ["file://app.example"], [f" {APP}"], ["null"]])  # fmt: skip
def test_an_origin_counts_only_as_browsers_write_it(origins: Any):
    for target in (f"{APP}/", "https://evil.example/", "https:/evil.example", "//evil.example"):
        assert is_safe_redirect(target, origins) is False
    assert is_safe_redirect("/page", origins) is True


def test_without_origins_only_paths_pass():
    passed = [value for value, *_ in ROWS if is_safe_redirect(value, ())]
    assert passed == [value for value, accepted, _ in ROWS if accepted and value[0] == "/"]
    assert len(passed) > 60


@pytest.mark.parametrize(("target", "accepted"), [
    ("http://localhost:5000/a", True),
    ("http://localhost:50000/a", False),
    ("http://localhost:5000//evil.example", False),
    ("http://localhost/a", False),
    (f"{WWW}/a", True),
    (f"{APP}/a", False),
    ("/a", True),
])  # fmt: skip
def test_an_own_origin_is_one_more(target, accepted):
    assert is_safe_redirect(target, [WWW], own_origin="http://localhost:5000") is accepted
