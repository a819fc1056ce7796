"""`flask session-claims template edit`: an editor, a terminal, and nothing that gets lost."""

from __future__ import annotations

import os
import pty
import shlex
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from flask_session_claims.io.reports.commands.answers import Answer, Ended, Misused
from flask_session_claims.io.reports.commands.editing import edit
from flask_session_claims.io.reports.commands.terminal import plain
from flask_session_claims.stores.faults import StoreUnavailable
from flask_session_claims.stores.memory import MemoryStore
from flask_session_claims.testing import FrozenClock

from .cli import SECRET_KEY, own_app, words

NAME = '{"name": "{{user.full_name}}"}'
WRONG = '// why\n{\n  "name": "{{usr.id}}"\n}\n'
#: An editor: notes what it was given, and writes what was laid ready; `!7` ends with 7.
EDITOR = """
import sys
from pathlib import Path

ready, file = Path(sys.argv[1]), Path(sys.argv[2])
number = len(list(ready.glob("seen-*")))
(ready / f"seen-{number}").write_bytes(file.read_bytes())
(ready / "file").write_text(str(file))
text = (ready / f"next-{number}").read_bytes()
if text == b"!gone":
    file.unlink()
elif text.startswith(b"!"):
    sys.exit(int(text[1:]))
elif text != b"=":
    file.write_bytes(text)
"""


class Person:
    """Somebody at a terminal, who writes and answers what was laid ready."""

    def __init__(self, ready: Path, keyboard: int, terminal: int) -> None:
        self._ready, self._keyboard, self._terminal = ready, keyboard, terminal

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """At the terminal: what is read and written goes there."""
        with (
            open(os.dup(self._terminal), encoding="utf-8") as read,
            open(os.dup(self._terminal), "w", encoding="utf-8") as written,
            pytest.MonkeyPatch.context() as patch,
        ):
            patch.setattr(sys, "stdin", read)
            patch.setattr(sys, "stdout", written)
            yield

    def writes(self, *texts: str | bytes) -> None:
        for number, text in enumerate(texts):
            data = text.encode() if isinstance(text, str) else text
            (self._ready / f"next-{number}").write_bytes(data)

    def answers(self, *lines: str) -> None:
        os.write(self._keyboard, "".join(f"{line}\n" for line in lines).encode())

    def hangs_up(self) -> None:
        os.write(self._keyboard, b"\x04")

    @property
    def seen(self) -> list[str]:
        """What the editor was given, each time."""
        count = len(list(self._ready.glob("seen-*")))
        return [(self._ready / f"seen-{number}").read_text() for number in range(count)]

    @property
    def file(self) -> Path:
        return Path((self._ready / "file").read_text())


@pytest.fixture
def person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Person]:
    ready = tmp_path / "what is ready"
    ready.mkdir()
    script = tmp_path / "editor.py"
    script.write_text(EDITOR)
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", shlex.join([sys.executable, str(script), str(ready)]))
    monkeypatch.setenv("LOGNAME", "grace")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    ours, theirs = pty.openpty()
    yield Person(ready, ours, theirs)
    os.close(ours)
    os.close(theirs)


Edit = Callable[..., Answer]


@pytest.fixture
def app(tmp_path: Path) -> Any:
    return own_app(tmp_path, clock=FrozenClock())[0].extensions["session_claims"]


@pytest.fixture
def templates(app: Any) -> Any:
    return app.issuing.templates


@pytest.fixture
def edits(app: Any, person: Person) -> Edit:
    def run(name: str | None = None, side: Any = app) -> Answer:
        with person.at_work():
            return edit(side, side.issuing, name)

    return run


def told(answer: Answer) -> str:
    return words("\n".join(answer.lines(plain, None)))


def test_the_first_template_begins_with_a_starter(person, edits, templates):
    person.writes("// mine\n\n" + NAME + "\n\n  // the end\n")
    answer = edits()
    assert told(answer) == "saved session token, version 1"
    assert (templates.get().text, templates.get().author) == (NAME, "grace")
    (starter,) = person.seen
    assert "The claims of the session token: a JSON object" in starter
    assert not person.file.parent.exists()


def test_the_starter_itself_is_a_template(person, edits, templates):
    person.writes("=")
    edits()
    person.writes("", person.seen[0].replace("fullName", "name"))
    assert told(edits()).startswith("saved")
    assert "{{user.public_metadata.plan || 'free'}}" in person.seen[0]
    assert templates.get().template.names == ("name",)


@pytest.mark.parametrize("name", [None, "api"])
@pytest.mark.parametrize("text", ["=", "", "\n// all gone\n"])
def test_what_is_left_as_it_is_or_emptied_saves_nothing(person, edits, templates, name, text):
    person.writes(text, text)
    assert told(edits(name)) == "no change nothing was written, nothing saved"
    assert templates.list() == ()
    templates.save(NAME, name=name)
    assert edits(name).data == {"saved": None, "problems": [], "notes": []}
    assert [saved.version for saved in templates.list()] == [1]
    assert not person.file.parent.exists()


def test_a_template_is_edited_from_where_it_stands_and_keeps_its_options(person, edits, templates):
    templates.save(NAME, name="api", lifetime=600, skew=1, audience=["one", "two"])
    person.writes('{"id": "{{user.id}}"}')
    answer = edits("api")
    assert person.seen == [NAME + "\n"]
    assert answer.data["saved"]["version"] == 2
    before, after = templates.versions("api")[1], templates.get("api")
    assert (after.template.names, after.options) == (("id",), before.options)


def test_what_is_refused_can_be_edited_again(person, edits, templates, capsys):
    person.writes(WRONG, WRONG.replace("usr", "user"))
    person.answers("")
    assert told(edits()) == "saved session token, version 1"
    said = words(capsys.readouterr().err)
    assert "problem line 3, column 14 (name): 'usr.id': there is no 'usr' to look up." in said
    assert said.endswith("Edit it again? [Y/n]")
    assert person.seen[1] == WRONG
    assert templates.get().text == '{\n  "name": "{{user.id}}"\n}'
    assert not person.file.parent.exists()


@pytest.mark.parametrize("answer", ["n", "no", "what?", None])
def test_who_does_not_go_on_finds_the_file_again(person, edits, templates, capsys, answer):
    person.writes(WRONG, WRONG)
    person.answers("y")
    if answer is None:
        person.hangs_up()
    else:
        person.answers(answer)
    with pytest.raises(Ended) as caught:
        edits()
    assert (caught.value.exit_code, caught.value.message) == (
        1,
        "the template is refused; nothing was saved.",
    )
    assert f"What you wrote is kept in {person.file}\n" in capsys.readouterr().err
    assert person.file.read_text() == WRONG
    assert os.stat(person.file.parent).st_mode & 0o077 == 0
    assert templates.list() == ()


def test_what_somebody_else_saves_meanwhile_is_not_overwritten(
    person, edits, templates, capsys, monkeypatch
):
    templates.save(NAME)
    person.writes('{"mine": 1}')
    found = templates.get()
    templates.save('{"theirs": 1}')
    monkeypatch.setattr(templates, "get", lambda name: found)  # as it was when the editor opened
    with pytest.raises(Ended) as caught:
        edits()
    assert caught.value.exit_code == 1
    assert "at version 2, and version 1 was expected" in caught.value.message
    assert f"kept in {person.file}" in capsys.readouterr().err
    assert person.file.read_text() == '{"mine": 1}'


def test_what_was_written_stays_if_the_store_cannot_be_had(person, edits, tmp_path, capsys):
    class Broken(MemoryStore):
        def commit(self, *given: Any) -> bool:
            raise StoreUnavailable("store-unreachable", "memory:")

    side = own_app(tmp_path, store=Broken())[0].extensions["session_claims"]
    person.writes(NAME)
    with pytest.raises(Ended, match="store-unreachable"):
        edits(side=side)
    assert person.file.read_text() == NAME
    assert f"kept in {person.file}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("!7", "the editor ended with 7; nothing was saved."),
        ("!gone", "the file is gone (No such file or directory); nothing was saved."),
    ],
)
def test_an_editor_that_fails_saves_nothing(person, edits, templates, capsys, text, says):
    person.writes(text)
    with pytest.raises(Ended) as caught:
        edits()
    assert (caught.value.message, caught.value.exit_code) == (says, 1)
    assert capsys.readouterr().err == ""
    assert not person.file.parent.exists()  # there is nothing in it that was written
    assert templates.list() == ()


def test_text_that_is_no_utf8_is_kept(person, edits, capsys):
    person.writes(b'{"a": "\xe9"}')
    with pytest.raises(Misused, match="holds no UTF-8 text"):
        edits()
    assert person.file.read_bytes() == b'{"a": "\xe9"}'
    assert f"kept in {person.file}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("editor", "says"),
    [
        ("no-such-editor -w", "the editor no-such-editor cannot be started (No such file"),
        ("'", "VISUAL or EDITOR is no command"),
        (" ", "VISUAL or EDITOR is no command"),
        ("/", "the editor / cannot be started (Permission denied"),
    ],
)
def test_an_editor_that_cannot_be_started_is_named(
    person, edits, monkeypatch, tmp_path, editor, says
):
    monkeypatch.setenv("VISUAL", editor)  # comes before EDITOR
    with pytest.raises(Ended) as caught:
        edits()
    assert says in caught.value.message
    assert caught.value.exit_code == 2
    assert list(tmp_path.glob("session-claims-*")) == []


@pytest.mark.parametrize("gone", ["stdin", "stdout"])
def test_without_a_terminal_it_is_said_what_to_do(person, app, gone):
    with (
        open(os.devnull, "r+") as nothing,
        person.at_work(),
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(sys, gone, nothing)
        with pytest.raises(Misused, match="run template save FILE"):
            edit(app, app.issuing, None)
    assert person.seen == []


# --- as a person runs it ----------------------------------------------------------------------

EDIT = ["session-claims", "template", "edit"]
SITE = """
import os
from flask import Flask
from flask_session_claims import SessionClaims

app = Flask(__name__, instance_path=os.environ["HOME_OF_APP"])
app.config.update(
    SECRET_KEY=os.environ["SECRET"],
    SESSION_CLAIMS_ISSUER="self",
    SESSION_CLAIMS_STORE="sqlite:///shop.db",
)
SessionClaims(app)
"""


def test_a_template_is_edited_at_a_terminal(person, tmp_path):
    (tmp_path / "shop_app.py").write_text(SITE)
    person.writes(WRONG, NAME)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "flask", "--app", "shop_app", *EDIT, "api"],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)]),
            "HOME_OF_APP": str(tmp_path),
            "SECRET": SECRET_KEY,
            "NO_COLOR": "1",
        },
        cwd=tmp_path,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    kill = threading.Timer(60, process.kill)
    kill.start()
    seen = b""
    try:
        while piece := os.read(ours, 65_536):
            seen += piece
            if seen.endswith(b"[Y/n] "):
                os.write(ours, b"y\n")
    except OSError:  # Linux: the other end is closed
        pass
    kill.cancel()
    os.close(ours)
    assert process.wait() == 0, seen
    assert "there is no 'usr' to look up" in words(seen.decode())
    assert words(seen.decode()).endswith("saved api, version 1")
    assert "The claims of the template api" in person.seen[0]
