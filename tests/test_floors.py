"""Imports point down, and nothing that a flow asks is lost on the way.

The import contracts stand in pyproject.toml. An ask that is not yielded, and a flow that is
called but not driven, do nothing and say nothing; no type checker sees it where the result is
not used. So the sources are read for them.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("flask_session_claims", "django_session_claims", "quart_session_claims")
#: What takes a flow and drives it; a leading underscore makes no difference.
DRIVERS = {"run", "arun", "play", "trace"}


def folder_of(package: str) -> Path:
    """Where the package under test lies: the tree, or site-packages."""
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def test_an_installed_wheel_is_tested_where_that_is_asked() -> None:
    if "TESTS_NEED_INSTALLED" in os.environ:
        assert "site-packages" in folder_of("flask_session_claims").parts
    else:
        assert folder_of("flask_session_claims").name == "flask_session_claims"


# --- imports ------------------------------------------------------------------------------


def lint_imports(packages: Path) -> subprocess.CompletedProcess[str]:
    """Hold the packages in a folder against the contracts."""
    return subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()",
         "--config", str(ROOT / "pyproject.toml"), "--no-cache"],
        capture_output=True,
        text=True,
        cwd=packages,
        env={**os.environ, "PYTHONPATH": str(packages), "COLUMNS": "200"},
    )  # fmt: skip


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All packages side by side, to plant things in."""
    side_by_side = tmp_path_factory.mktemp("sources")
    for package in PACKAGES:
        shutil.copytree(
            folder_of(package),
            side_by_side / package,
            ignore=shutil.ignore_patterns("__pycache__", ".*"),
        )
    return side_by_side


def test_imports_point_down(sources: Path) -> None:
    done = lint_imports(sources)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("package", "statement", "contract"),
    [
        ("flask_session_claims/core", "import flask_session_claims.io", "adapters over"),
        ("flask_session_claims/io", "import flask_session_claims.flask", "adapters over"),
        ("flask_session_claims/testing", "import quart_session_claims", "adapters over"),
        ("flask_session_claims/sessions", "import flask_session_claims.stores", "adapters over"),
        ("flask_session_claims/core", "import flask_session_claims.sessions", "adapters over"),
        ("flask_session_claims/core", "import asyncio", "core, sessions"),
        ("flask_session_claims/sessions", "import sqlite3", "core, sessions"),
        ("flask_session_claims/directory", "import requests", "core, sessions"),
        ("flask_session_claims/directory", "import flask_session_claims.stores", "adapters over"),
        ("flask_session_claims/stores", "import jwt", "only core.jose"),
        ("flask_session_claims/core", "import jwt", "only core.jose"),
        ("django_session_claims", "import werkzeug", "the Django adapter"),
        ("quart_session_claims", "from flask import g", "the Quart adapter"),
    ],
)  # fmt: skip
def test_an_import_that_points_up_or_out_is_noticed(
    package: str, statement: str, contract: str, sources: Path
) -> None:
    planted = sources / package / "planted.py"
    planted.write_text(statement + "\n")
    try:
        done = lint_imports(sources)
    finally:
        planted.unlink()
    assert done.returncode == 1, done.stdout + done.stderr
    broken = [line for line in done.stdout.splitlines() if " BROKEN" in line]
    assert [line for line in broken if contract in line], done.stdout


# --- asks and flows -----------------------------------------------------------------------


def name_of(node: ast.expr) -> str:
    """`X` of `X`, `a.X`, `X[...]` and `X(...)`; else nothing."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Subscript(value=inner) | ast.Call(func=inner):
            return name_of(inner)
    return ""


def functions_in(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def gives_a_flow(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    returns = function.returns
    return returns is not None and ast.unparse(returns).strip("'\"").startswith("Flow[")


def accepts(function: ast.FunctionDef | ast.AsyncFunctionDef, call: ast.Call) -> bool:
    """Whether a method with this signature could be what is called."""
    takes = [a.arg for a in (*function.args.posonlyargs, *function.args.args) if a.arg != "self"]
    named = {*takes, *(a.arg for a in function.args.kwonlyargs)}
    return len(call.args) <= len(takes) and {k.arg for k in call.keywords} <= named


#: What may be called for nothing on a set, a list, a dict or a text.
BUILT_IN = {name for kind in (set, list, dict, str) for name in dir(kind)}


class Vocabulary:
    """Which names are asks and which calls give flows, read from all sources together."""

    def __init__(self, trees: dict[str, ast.Module]) -> None:
        classes = [n for tree in trees.values() for n in ast.walk(tree) if type(n) is ast.ClassDef]
        self.asks = {"Ask"}
        while True:
            more = {c.name for c in classes if {name_of(base) for base in c.bases} & self.asks}
            if more <= self.asks:
                break
            self.asks |= more
        functions = [f for tree in trees.values() for f in functions_in(tree)]
        self.makers = [f for f in functions if gives_a_flow(f)]
        self.flows = {f.name for f in self.makers}
        self.procedures = [f for f in functions if f.returns and ast.unparse(f.returns) == "None"]
        plain = {f.name for f in functions if not gives_a_flow(f)}
        fields = {
            name_of(n.target)
            for c in classes
            for n in c.body
            if isinstance(n, ast.AnnAssign)
        }  # fmt: skip
        #: Names that mean a flow in one class and something else in another.
        self.shared = self.flows & (plain | fields | BUILT_IN)

    def may_drop(self, call: ast.Call) -> bool:
        """Whether a call by a shared name, its result thrown away, may be another's than a flow's.

        .ci/dropped_flows.py asks the type checker. Where the result is tested for truth, mypy's
        truthy-bool tells; where it is used, its type.
        """
        name = name_of(call.func)
        flow = any(f.name == name and accepts(f, call) for f in self.makers)
        nothing = any(f.name == name and accepts(f, call) for f in self.procedures)
        return nothing or name in BUILT_IN or not flow


def parents_in(tree: ast.AST) -> dict[ast.AST, ast.AST]:
    return {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}


def is_driven(call: ast.Call, above: ast.AST) -> bool:
    match above:
        case ast.YieldFrom() | ast.Return() | ast.Lambda():
            return True
        case ast.Call(func=driver):
            return above.func is not call and name_of(driver).lstrip("_") in DRIVERS
    return False


def own_flows(tree: ast.AST) -> set[ast.Call]:
    """Calls of `self.x(...)` in a class that itself defines `x` as a flow."""
    found: set[ast.Call] = set()
    for owner in ast.walk(tree):
        if isinstance(owner, ast.ClassDef):
            flows = {f.name for f in functions_in(owner) if gives_a_flow(f)}
            for call in ast.walk(owner):
                match call:
                    case ast.Call(func=ast.Attribute(value=ast.Name(id="self"), attr=name)):
                        found |= {call} if name in flows else set()
    return found


def holes(sources: dict[str, str]) -> list[str]:
    """Every ask made but not asked, and every flow called but not driven: "file:line: name"."""
    trees = {file: ast.parse(text) for file, text in sources.items()}
    words = Vocabulary(trees)
    found: list[str] = []
    for file, tree in trees.items():
        above, strict = parents_in(tree), own_flows(tree)
        for call in ast.walk(tree):
            if not isinstance(call, ast.Call):
                continue
            name = name_of(call.func)
            if name in words.asks and not isinstance(call.func, ast.Call):
                fine = isinstance(above[call], ast.YieldFrom)
            elif name in words.flows:
                certain = name not in words.shared or call in strict
                used = not isinstance(above[call], ast.Expr)
                fine = is_driven(call, above[call]) if certain else used or words.may_drop(call)
            else:
                continue
            if not fine:
                found.append(f"{file}:{call.lineno}: {name}")
    return found


def all_sources() -> dict[str, str]:
    return {
        f"{package}/{path.relative_to(folder).as_posix()}": path.read_text("utf-8")
        for package in PACKAGES
        for folder in [folder_of(package)]
        for path in sorted(folder.rglob("*.py"))
    }


def test_every_ask_is_asked_and_every_flow_is_driven() -> None:
    assert holes(all_sources()) == []


def test_the_sources_that_are_read_have_asks_and_flows() -> None:
    words = Vocabulary({file: ast.parse(text) for file, text in all_sources().items()})
    assert {"BeginFetch", "AwaitFlight"} <= words.asks
    assert {"verify", "find", "attend"} <= words.flows


#: A small package with every shape that is allowed.
SOUND = """
class Load(Ask[str]): ...
class LoadAll(Load): ...
class Key:
    verify: Check
class Cache:
    def find(self, kid) -> Flow[str]:
        found = yield from Load(kid)
        return found or (yield from self._wait())
    def _wait(self) -> "Flow[str]":
        return (yield from LoadAll("x"))
    def pick(self, kid) -> Flow[str]:
        return self.find(kid)
    def verify(self, token) -> Flow[str]:
        yield from self.find(token)
        good = key.verify(token)
        public.verify(signature, token)
        exchange.settle(token)
    def settle(self, token) -> Flow[str]:
        return self.find(token)
class Exchange:
    def settle(self, outcome) -> None: ...
def use(cache, perform):
    lazy = lambda: cache.pick("k")
    table = {Load: 1}
    return run(cache.pick("k"), perform) or self._run(cache.verify("t"))
"""


def test_sound_code_has_no_holes() -> None:
    assert holes({"sound.py": SOUND}) == []


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("Load('a')", "Load"),
        ("x = Load('a')", "Load"),
        ("x = yield Load('a')", "Load"),
        ("x = yield from wrap(LoadAll('a'))", "LoadAll"),
        ("x = yield from asks.LoadAll('a') or None", "LoadAll"),
        ("self._wait()", "_wait"),
        ("x = yield from self._wait() or 1", "_wait"),
        ("x = cache.pick('k')", "pick"),
        ("x = yield cache.pick('k')", "pick"),
        ("if self.pick('k'): pass", "pick"),
        ("x = list(cache.pick('k'))", "pick"),
        ("x = cache.pick('k').send(None)", "pick"),
        ("cache.verify('t')", "verify"),
        ("for x in y: cache.verify('t')", "verify"),
    ],
)
def test_a_planted_hole_is_found(line: str, name: str) -> None:
    planted = f"def planted(self, cache) -> Flow[str]:\n    {line}\n"
    found = holes({"sound.py": SOUND, "bad.py": planted})
    assert found
    assert {where.rpartition(": ")[2] for where in found} == {name}
    assert {where.split(":")[0] for where in found} == {"bad.py"}


def test_a_shared_name_is_strict_where_its_own_class_calls_it() -> None:
    planted = """
class Other:
    def verify(self, token) -> Flow[str]:
        x = self.verify(token)
        return x
"""
    assert holes({"sound.py": SOUND, "bad.py": planted}) == ["bad.py:4: verify"]
