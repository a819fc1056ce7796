"""`python manage.py session_claims …` as a person runs it: a process, a pipe, a terminal."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SECRET = "k7Pq2mVx9RtY4wZs6NbLc8HdJ3fGe5Aa-1u"
OTHER_SECRET = "another-secret-that-is-long-enough-0123456789"

MANAGE = """
import atexit, os, sys

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop")
from django.core.management import execute_from_command_line

if "SHOW_MODULES" in os.environ:
    names = os.environ["SHOW_MODULES"].split()
    atexit.register(lambda: print([n for n in names if n in sys.modules], file=sys.stderr))
execute_from_command_line(sys.argv)
"""
SETTINGS = """
import os
from pathlib import Path

BASE_DIR = Path(__file__).parent
SECRET_KEY = os.environ["SECRET"]
SECRET_KEY_FALLBACKS = os.environ.get("FALLBACKS", "").split()
INSTALLED_APPS = ["django_session_claims"]
MIDDLEWARE = ["django_session_claims.middleware.SessionClaimsMiddleware"]
ROOT_URLCONF = "shop"
SESSION_CLAIMS = {"ISSUER": "self", "STORE": "sqlite:///shop.db"}
urlpatterns = []
"""
#: Makes a session in another process.
SIGN_IN = """
import os, django
os.environ["DJANGO_SETTINGS_MODULE"] = "shop"
django.setup()
from django_session_claims import sessions
print(sessions.create("ada").session.session_id)
"""

Manage = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def manage(tmp_path: Path) -> Manage:
    """Runs Python in a project: `manage("doctor")`, or other arguments of the interpreter."""
    (tmp_path / "manage.py").write_text(MANAGE)
    (tmp_path / "shop.py").write_text(SETTINGS)
    ours = {"NO_COLOR", "DJANGO_COLORS", "DJANGO_SETTINGS_MODULE", "COLUMNS"}
    environ = {name: value for name, value in os.environ.items() if name not in ours}
    environ |= {
        "PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)]),
        "SECRET": SECRET,
        "TERM": "xterm",
    }

    def run(
        *args: str, begin: tuple[str, ...] = ("manage.py", "session_claims"), **more: Any
    ) -> subprocess.CompletedProcess[str]:
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
        env = {**environ, **options.pop("env", {})}
        return subprocess.run(
            [sys.executable, *begin, *args],
            cwd=tmp_path, env=env, text=True, timeout=60, check=False, **options,
        )  # fmt: skip

    return run


@pytest.fixture
def sid(manage: Manage) -> str:
    done = manage(begin=("-c", SIGN_IN))
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_command_prints_what_was_asked_for_and_nothing_else(manage: Manage, sid: str) -> None:
    done = manage("mint", sid)
    assert (done.returncode, done.stderr) == (0, "")
    seen = manage("inspect", "-", "--json", input=done.stdout)
    assert (seen.returncode, seen.stderr) == (0, "")
    assert json.loads(seen.stdout)["claims"]["sub"] == "ada"
    refused = manage("inspect", "-", input=done.stdout.strip()[:-9])
    assert (refused.returncode, refused.stderr) == (1, "")
    assert refused.stdout.startswith("refused  token-invalid\n")


def test_what_is_not_there_ends_with_1_and_a_wrong_call_with_2(manage: Manage, sid: str) -> None:
    unknown = "sess_" + "A" * 32
    done = manage("sessions", "show", unknown, "--settings", "shop")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"CommandError: no live session has the id {unknown}")
    for args in (["sessions", "show", "abc"], ["sessions", "list"], ["mint", sid, "--lifetime=1"]):
        done = manage(*args)
        assert (done.returncode, done.stdout) == (2, "")
        assert "Traceback" not in done.stderr


def test_keys_that_stop_the_start_are_mended(manage: Manage, sid: str) -> None:
    changed = {"SECRET": OTHER_SECRET}
    check = ("manage.py", "check")
    stopped = manage(begin=check, env=changed)
    assert stopped.returncode == 1
    assert "session_claims.E001" in stopped.stderr
    assert manage("sessions", "show", sid, env=changed).returncode == 0
    done = manage("keys", "rewrap", env=changed)
    assert (done.returncode, done.stdout) == (2, "")
    assert "run `session-claims keys rewrap`" in done.stderr
    assert "`manage.py session_claims …`" in done.stderr
    assert manage("keys", "rewrap", env={**changed, "FALLBACKS": SECRET}).returncode == 0
    assert manage(begin=check, env=changed).returncode == 0
    lost = {"SECRET": "the third " * 5}
    assert manage(begin=check, env=lost).returncode == 1
    assert manage("keys", "discard", env=lost).returncode == 0
    assert manage(begin=check, env=lost).returncode == 0
    assert manage("mint", sid, env=lost).returncode == 0


def on_a_terminal(manage: Manage, *args: str, begin: Any = None, **env: str) -> str:
    ours, theirs = pty.openpty()
    more = {} if begin is None else {"begin": begin}
    try:
        done = manage(*args, stdin=theirs, stdout=theirs, env=env, **more)
        assert done.returncode == 0, done.stderr
        return os.read(ours, 65_536).decode()
    finally:
        os.close(ours)
        os.close(theirs)


def test_colours_are_for_people_who_want_them(manage: Manage, sid: str) -> None:
    assert "\x1b[32msigning\x1b[0m" in on_a_terminal(manage, "keys")
    assert "\x1b" not in on_a_terminal(manage, "keys", "--json")
    assert "\x1b" not in on_a_terminal(manage, "keys", "--no-color")
    assert "\x1b" not in on_a_terminal(manage, "keys", NO_COLOR="1")
    assert "\x1b" not in on_a_terminal(manage, "keys", DJANGO_COLORS="nocolor")
    assert "\x1b" not in manage("keys").stdout


#: A command whose output is caught; tells whether that has colours.
CAUGHT = """
import io, os, django
os.environ["DJANGO_SETTINGS_MODULE"] = "shop"
django.setup()
from django.core.management import call_command
out = io.StringIO()
call_command("session_claims", "keys", stdout=out)
print("signing" in out.getvalue(), chr(27) in out.getvalue())
"""


def test_output_that_is_caught_has_no_colours(manage: Manage, sid: str) -> None:
    assert on_a_terminal(manage, begin=("-c", CAUGHT)).split() == ["True", "False"]


def test_a_terminal_of_few_characters_gets_the_others_written_out(manage: Manage) -> None:
    done = manage("sessions", "list", "Zoë", env={"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("0 live sessions  of Zo\\xeb")


def test_a_command_loads_neither_flask_nor_click(manage: Manage, sid: str) -> None:
    for args in (["doctor"], ["keys"], ["explain", sid], ["config"]):
        done = manage(*args, env={"SHOW_MODULES": "click flask quart werkzeug json"})
        assert (done.returncode, done.stderr) == (0, "['json']\n")


def test_a_server_loads_no_command(manage: Manage) -> None:
    code = (
        "import os, sys, django; os.environ['DJANGO_SETTINGS_MODULE'] = 'shop'; django.setup();"
        "from django.core.wsgi import get_wsgi_application; get_wsgi_application();"
        "print([n for n in sys.modules if 'io.reports' in n or '_claims.management' in n])"
    )
    assert manage(begin=("-c", code)).stdout == "[]\n"
