"""`manage.py session_claims template …`: the commands of `flask session-claims template`."""

from __future__ import annotations

import json
import os
import pty
import shlex
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from django.core.management import CommandError, call_command
from django_session_claims import conf
from flask import Flask

from flask_session_claims.io.issuing import Issuing
from flask_session_claims.io.reports.commands import editing, own_templates
from flask_session_claims.io.reports.commands.answers import help_of
from flask_session_claims.io.runtime import Runtime
from flask_session_claims.io.templates import Templates
from flask_session_claims.sessions.saved import TemplateFlows
from flask_session_claims.testing import FrozenClock
from tests.templates.known_people import KnownPeople

from ..flask.cli import own_app, words
from ..flask.cli import run as run_flask
from .own import own_site
from .site import site
from .test_command import Done, report, run

SECRET = "k7Pq2mVx9RtY4wZs6NbLc8HdJ3fGe5Aa-1u"
NAME = '{"name": "{{user.full_name}}"}'
WRONG = '{"sub": "{{user.id}}", "team": "{{organization.slug}}"}'
CODE = 'session_claims["plan"]\n'


class Both(NamedTuple):
    """A project and a Flask app over one store, and the files that commands are given."""

    app: Flask
    clock: FrozenClock
    templates: Templates
    good: Path
    bad: Path
    code: Path


def with_people(issuing: Issuing, clock: FrozenClock) -> Templates:
    issuing.templates = Templates(
        TemplateFlows(clock=clock), KnownPeople(), Runtime(issuing.handlers)
    )
    return issuing.templates


@pytest.fixture
def both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Both]:
    monkeypatch.setenv("LOGNAME", "grace")
    clock, address = FrozenClock(), f"sqlite:///{tmp_path / 'shop.db'}"
    app, _ = own_app(tmp_path, clock=clock, store=address, SECRET_KEY=SECRET)
    templates = with_people(app.extensions["session_claims"].issuing, clock)
    templates.save(NAME, author="ada")
    templates.save({"slug": "{{org.slug}}"}, name="api", lifetime=600, audience=["one", "two"])
    templates.save({"slug": "{{org.id}}"}, name="api", lifetime=600)
    files = {"good.json": '{"id": "{{user.nick}}"}', "bad.json": WRONG, "code.py": CODE}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with own_site(claims={"STORE": address}, clock=clock, SECRET_KEY=SECRET):
        issuing = conf.reading().issuing
        assert issuing is not None
        with_people(issuing, clock)
        yield Both(app, clock, templates, *(tmp_path / name for name in files))


# What changes something comes to the same a second time.
CALLS = [
    "show",
    "show api",
    "show api --text",
    "show api --version 1",
    "show api --version 9",
    "show none",
    "show session",
    "list",
    "edit",
    "save {good} --expected-version 7",
    "save {bad}",
    "save {bad} --name api",
    "save {good} --name session",
    "save {good} --lifetime 90",
    "save {good} --name new --lifetime 1",
    "save {code}",
    "save {code}.none",
    "check {good}",
    "check {bad}",
    "check {good} --user user_1",
    "check {good} --user user_1 --org org_1 --name api",
    "check {good} --user nobody",
    "check {good} --org org_1",
    "check {good} --code {code}",
    "check {good} --code {code} --code {good}",
    "check {good} --code {code} --also plan",
    "check {good} --also plan",
    "render user_1",
    "render user_1 api --org org_1",
    "render user_1 none",
    "render nobody",
    "types --python",
    "types api --typescript",
    "types --jsonschema",
    "types",
    "types --python --typescript",
    "types none --python",
    "delete",
    "delete none",
    "delete none --own",
]


@pytest.mark.parametrize("json_", ["", " --json"], ids=["text", "json"])
@pytest.mark.parametrize("call", CALLS)
def test_a_command_tells_what_it_tells_in_flask_and_ends_alike(both: Both, call: str, json_: str):
    args = f"template {call}{json_}".format(**both._asdict()).split()
    expected = run_flask(both.app, *args)
    done = run(*args)
    told = words(expected.stderr).partition("Error: ")[2]
    assert (done.code, done.out) == (expected.exit_code, expected.stdout)
    assert words(done.error) == told


def test_what_one_command_line_saves_and_deletes_the_other_finds(both: Both):
    done = report("template", "save", str(both.good), "--name", "new", "--audience", "x")
    assert (done["saved"]["version"], done["saved"]["author"]) == (1, "grace")
    assert done["saved"]["options"] == {"lifetime": 60, "skew": 5, "audience": "x"}
    again = run_flask(both.app, "template", "save", str(both.good), "--name", "new")
    assert again.stdout.startswith("saved  new, version 2\n")
    assert run("template", "delete", "new").out == "deleted  new\n"
    assert run_flask(both.app, "template", "show", "new").exit_code == 1
    assert run("template", "delete", "--own").out == "deleted  session token\n"
    assert [saved.name for saved in both.templates.list()] == ["api"]


def test_a_template_comes_from_standard_input(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(NAME.encode())))
    done = run("template", "save", "-", "--name", "piped", "--skew", "0")
    assert done == Done(0, "saved  piped, version 1\n", "")
    saved = both.templates.get("piped")
    assert saved is not None
    assert saved.text == NAME


HELPS: dict[str, Callable[..., Any]] = {
    "show": own_templates.show,
    "list": own_templates.listed,
    "edit": editing.edit,
    "save": own_templates.save,
    "check": own_templates.check,
    "render": own_templates.render,
    "types": own_templates.types,
    "delete": own_templates.delete,
}


@pytest.mark.parametrize("call", HELPS)
def test_a_command_is_explained_as_in_flask(
    both: Both, call: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        call_command("session_claims", "template", call, "--help")
    ours = words(capsys.readouterr().out)
    flasks = words(run_flask(both.app, "template", call, "--help").stdout)
    for paragraph in help_of(HELPS[call]).split("\n\n"):
        assert words(paragraph) in ours
        assert words(paragraph) in flasks


@pytest.mark.parametrize("call", ["show", "list", "save x", "check x", "render u", "types", "edit"])
def test_templates_of_another_issuer_are_said_to_be_there(call: str) -> None:
    with site():
        done = run("template", *call.split())
    assert (done.code, done.out) == (2, "")
    assert done.error.endswith('write settings.SESSION_CLAIMS["ISSUER"] = "self".')


@pytest.mark.parametrize(
    "args",
    [
        ["template"],
        ["template", "shwo"],
        ["template", "save"],
        ["template", "save", "x", "--audience"],
    ],
)
def test_a_wrong_call_says_what_to_write(both: Both, args: list[str]) -> None:
    with pytest.raises(CommandError):
        call_command("session_claims", *args)


# --- as a person runs it ----------------------------------------------------------------------

SETTINGS = f"""
from pathlib import Path

BASE_DIR = Path(__file__).parent
SECRET_KEY = "{SECRET}"
INSTALLED_APPS = ["django_session_claims"]
SESSION_CLAIMS = {{"ISSUER": "self", "STORE": "sqlite:///shop.db"}}
"""
#: Begins with what is refused; whoever goes on finds it mended.
EDITOR = """
import sys
from pathlib import Path

file = Path(sys.argv[1])
again = "usr" in file.read_text()
file.write_text('{"id": "{{user.id}}"}' if again else '{"id": "{{usr.id}}"}')
"""


def test_a_template_is_edited_at_a_terminal(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(SETTINGS)
    (tmp_path / "editor.py").write_text(EDITOR)
    ours = {"NO_COLOR", "DJANGO_COLORS", "VISUAL", "COLUMNS"}
    env = {
        **{name: value for name, value in os.environ.items() if name not in ours},
        "PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)]),
        "DJANGO_SETTINGS_MODULE": "shop",
        "EDITOR": shlex.join([sys.executable, str(tmp_path / "editor.py")]),
        "NO_COLOR": "1",
    }
    command = [sys.executable, "-m", "django", "session_claims", "template"]
    near, far = pty.openpty()
    process = subprocess.Popen(
        [*command, "edit"], env=env, cwd=tmp_path, stdin=far, stdout=far, stderr=far
    )
    os.close(far)
    kill = threading.Timer(60, process.kill)
    kill.start()
    seen = b""
    try:
        while piece := os.read(near, 65_536):
            seen += piece
            if seen.endswith(b"[Y/n] "):
                os.write(near, b"y\n")
    except OSError:  # Linux: the other end is closed
        pass
    kill.cancel()
    os.close(near)
    assert process.wait() == 0, seen
    assert "there is no 'usr' to look up" in words(seen.decode())
    assert words(seen.decode()).endswith("saved session token, version 1")
    shown = subprocess.run(
        [*command, "show", "--text"],
        env=env, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert json.loads(shown.stdout) == {"id": "{{user.id}}"}
