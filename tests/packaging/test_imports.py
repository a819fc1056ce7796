"""What importing the installed packages costs others: no framework where none is asked for."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FRAMEWORKS = ["django", "flask", "quart", "starlette", "werkzeug"]
WAITING = ["asyncio", "blinker", "requests", "select", "socket", "sqlite3", "ssl", "urllib3"]

#: Imports everything below a package while some modules cannot be had. What is allowed to use
#: them itself (PyJWT opens sockets elsewhere) is imported before they go.
WALK = """
import importlib, pkgutil, sys
package, allowed, blocked = (part.split(",") for part in sys.argv[1:])
for name in filter(None, allowed):
    importlib.import_module(name)

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            raise ImportError(f"{name} is blocked")

for name in [name for name in sys.modules if name.partition(".")[0] in blocked]:
    del sys.modules[name]
sys.meta_path.insert(0, Blocked())
top = importlib.import_module(package[0])
print(top.__name__)
for module in pkgutil.walk_packages(top.__path__, top.__name__ + "."):
    importlib.import_module(module.name)
    print(module.name)
"""

#: The modules there are after one import.
LOADED = "import sys; __import__(sys.argv[1]); print(*sys.modules, sep='\\n')"


def python(code: str, *arguments: str, where: Path) -> subprocess.CompletedProcess[str]:
    """Run `code` where the packages come from `where` and from nowhere else."""
    start = f"import sys; sys.path.insert(0, {str(where)!r})\n"
    # Views of Django's are only ever imported where there are settings.
    settings = {"DJANGO_SETTINGS_MODULE": "django.conf.global_settings"}
    return subprocess.run(
        [sys.executable, "-I", "-c", start + code, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **settings},
        cwd=where,
    )


def walk(package: str, blocked: list[str], where: Path, allowed: str = "") -> tuple[int, str]:
    done = python(WALK, package, allowed, ",".join(blocked), where=where)
    return done.returncode, done.stdout + done.stderr


def test_the_core_needs_no_framework_and_nothing_that_waits(installed: Path) -> None:
    code, said = walk(
        "flask_session_claims.core", FRAMEWORKS + WAITING, installed, "jwt,cryptography.x509"
    )
    assert code == 0, said
    files = list((installed / "flask_session_claims/core").rglob("*.py"))
    assert len(said.split()) == len(files)


@pytest.mark.parametrize("statement", ["import socket", "import asyncio.locks", "import flask"])
def test_an_import_that_may_not_be_is_noticed(
    statement: str, installed: Path, tmp_path: Path
) -> None:
    shutil.copytree(installed, tmp_path, dirs_exist_ok=True)
    (tmp_path / "flask_session_claims/core/planted.py").write_text(statement)
    code, said = walk(
        "flask_session_claims.core", FRAMEWORKS + WAITING, tmp_path, "jwt,cryptography.x509"
    )
    assert code == 1
    assert f"{statement.split()[1].partition('.')[0]} is blocked" in said


@pytest.mark.parametrize("package", ["flask_session_claims", "flask_session_claims.testing"])
def test_importing_it_imports_no_framework(package: str, installed: Path) -> None:
    done = python(LOADED, package, where=installed)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert package in loaded
    assert loaded.isdisjoint(FRAMEWORKS)


def test_the_django_adapter_works_where_flask_is_absent(installed: Path) -> None:
    if importlib.util.find_spec("django") is None:
        pytest.skip("Django is not installed")
    absent = ["click", "flask", "quart", "werkzeug"]
    code, said = walk("django_session_claims", absent, installed)
    assert code == 0, said
    assert "django_session_claims.management.commands.session_claims" in said.split()
