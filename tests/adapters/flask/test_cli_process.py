"""`flask session-claims …` as a person runs it: a process, a pipe, a terminal."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from flask import Flask

from flask_session_claims import ConfigurationError, SessionClaims
from flask_session_claims.flask.cli.failure import for_terminal
from flask_session_claims.testing import LocalIssuer

from ..sites import APP
from .cli import SECRET_KEY, own_app

SITE = """
import json, os
from flask import Flask
from flask_session_claims import SessionClaims, login_required

app = Flask(__name__)
app.config.update(json.loads(os.environ["SETTINGS"]))
SessionClaims(app)

@app.get("/profile")
@login_required
def profile():
    return {}
"""
COLOUR = re.compile(r"\x1b\[[0-9;]*m")

Flask_ = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture
def flask(tmp_path: Path, config: dict[str, Any]) -> Flask_:
    """Runs the `flask` of this interpreter on a site with the usual settings."""
    (tmp_path / "site_app.py").write_text(SITE)
    (tmp_path / "bare_app.py").write_text("from flask import Flask\napp = Flask(__name__)\n")
    environ = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    environ |= {
        "PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)]),
        "SETTINGS": json.dumps(config),
        "TERM": "xterm",
    }

    def run(
        *args: str, app: str = "site_app", **options: Any
    ) -> subprocess.CompletedProcess[bytes]:
        environ.pop("COLUMNS", None)
        merged = {**environ, **options.pop("env", {})}
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        return subprocess.run(
            [sys.executable, "-m", "flask", "--app", app, "session-claims", *args],
            env=merged,
            cwd=tmp_path,
            timeout=60,
            check=False,
            **options,
        )

    return run


def on_a_terminal(flask: Flask_, *args: str, columns: int, **options: Any) -> tuple[int, str]:
    """Exit code and output of a command whose standard output is a terminal."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    code = flask(*args, stdout=theirs, **options).returncode
    os.close(theirs)
    seen = b""
    try:
        while piece := os.read(ours, 65_536):
            seen += piece
    except OSError:  # Linux: the other end is closed
        pass
    os.close(ours)
    return code, seen.decode().replace("\r\n", "\n")


def typed_in(flask: Flask_, text: str) -> tuple[int, str]:
    """Exit code and output of `inspect -` where somebody types at its prompt."""
    ours, theirs = pty.openpty()
    output, theirs_out = os.pipe()
    seen: list[bytes] = []

    def person() -> None:
        while piece := os.read(output, 65_536):
            seen.append(piece)
            if piece.endswith(b"Token: "):
                os.write(ours, text[:4_095].encode() + b"\n")

    thread = threading.Thread(target=person)
    thread.start()
    # In a session of its own it has no other terminal to ask at.
    done = flask(
        "inspect", "-", stdin=theirs, stdout=theirs_out, stderr=theirs_out, start_new_session=True
    )
    os.close(theirs_out)
    thread.join()
    for end in (ours, theirs, output):
        os.close(end)
    return done.returncode, b"".join(seen).decode()


def test_a_token_goes_in_by_standard_input_and_its_report_comes_out(
    flask: Flask_, issuer: LocalIssuer
) -> None:
    token = issuer.mint("alice", azp=APP)
    done = flask("inspect", "-", input=token.encode())
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"accepted" in done.stdout
    assert b"\x1b" not in done.stdout
    done = flask("inspect", "--json", env={"INSPECT_TOKEN": token})
    assert json.loads(done.stdout)["claims"]["sub"] == "alice"
    assert token.rpartition(".")[2].encode() not in done.stdout
    done = flask("inspect", "-", input=issuer.mint(azp=APP, lifetime=-100).encode())
    assert (done.returncode, done.stderr) == (1, b"")
    assert b"token-expired" in done.stdout


def test_on_a_terminal_the_token_is_asked_for_and_not_shown(
    flask: Flask_, issuer: LocalIssuer
) -> None:
    token = issuer.mint("alice", azp=APP)
    for typed, code, says in (
        (token, 0, "accepted"),
        ("", 2, "no token was given"),
        (issuer.mint(azp=APP, big="x" * 4_000), 2, "4,095 characters"),
    ):
        code_seen, output = typed_in(flask, typed)
        assert code_seen == code, output
        assert says in " ".join(output.split())
        assert not typed or typed[:4_095] not in output


def test_binary_input_gives_one_line_and_no_traceback(flask: Flask_) -> None:
    done = flask("inspect", "-", input=os.urandom(50_000))
    assert (done.returncode, done.stderr) == (1, b"")
    assert done.stdout.count(b"\n") == 1


def test_open_routes_fail_a_build(flask: Flask_) -> None:
    assert flask("routes", "--fail-on-unprotected").returncode == 1
    assert flask("routes", "--fail-on-unprotected", "--allow", "static").returncode == 0


def test_a_terminal_gets_colours_and_lines_that_fit(flask: Flask_, issuer: LocalIssuer) -> None:
    token = issuer.mint("alice", azp=APP, story="word " * 60)
    code, seen = on_a_terminal(flask, "inspect", columns=70, env={"INSPECT_TOKEN": token})
    assert code == 0
    assert click.style("accepted", fg="green") in seen
    plain = COLOUR.sub("", seen)
    assert max(map(len, plain.splitlines())) <= 70
    assert plain.count("word") == 60
    # What a pipe gets differs in colours and line ends only.
    piped = flask("inspect", env={"INSPECT_TOKEN": token}).stdout.decode()
    assert len(plain.split()) == len(piped.split())


def test_own_sessions_and_keys_fit_a_terminal_too(flask: Flask_, tmp_path: Path) -> None:
    _, claims = own_app(tmp_path, clock=time.time)
    session = claims.sessions.create("user_1", claims={"story": "word " * 40}, device="agent " * 40)
    settings = {
        "SECRET_KEY": SECRET_KEY,
        "SESSION_CLAIMS_ISSUER": "self",
        "SESSION_CLAIMS_STORE": f"sqlite:///{tmp_path / 'shop.db'}",
    }
    sid = session.session.session_id
    commands = (["keys"], ["keys", "rotate"], ["sessions", "list", "user_1"], ["explain", sid])
    for args in (*commands, ["sessions", "show", sid]):
        code, seen = on_a_terminal(flask, *args, columns=80, env={"SETTINGS": json.dumps(settings)})
        assert code == 0, seen
        assert "\x1b[" in seen
        plain = COLOUR.sub("", seen)
        assert [
            line for line in plain.splitlines() if len(line) > 80 and "shop.db" not in line
        ] == []


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_a_terminal_without_colours_gets_none(flask: Flask_, env: dict[str, str]) -> None:
    for command in ("config", "routes", "keys", "doctor"):
        code, seen = on_a_terminal(flask, command, columns=100, env=env)
        assert code == 0
        assert "\x1b" not in seen
    _, seen = on_a_terminal(flask, "routes", columns=100, env={"NO_COLOR": ""})
    assert "\x1b[" in seen


def test_an_output_of_few_characters_gets_the_others_written_out(
    flask: Flask_, issuer: LocalIssuer
) -> None:
    token = issuer.mint(azp=APP, fullName="Åse 字")
    environ = {"PYTHONIOENCODING": "ascii", "INSPECT_TOKEN": token}
    done = flask("inspect", env=environ)
    assert (done.returncode, done.stderr) == (0, b"")
    assert rb'"\xc5se \u5b57"' in done.stdout
    assert json.loads(flask("inspect", "--json", env=environ).stdout)["claims"]["fullName"] == (
        "Åse 字"
    )


def test_an_app_without_session_claims_ends_in_one_line(flask: Flask_) -> None:
    done = flask("doctor", app="bare_app")
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith(b"Error: ")


def test_an_app_that_runs_no_command_imports_none() -> None:
    code = (
        "import sys, flask_session_claims.flask.extension;"
        "print([name for name in sys.modules if 'io.reports' in name or '.flask.cli.' in name])"
    )
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, check=True, timeout=60
    )
    assert done.stdout.strip() == b"[]"


# --- a wrong setting ------------------------------------------------------------------------


@click.command()
def load() -> None:
    app = Flask("site")
    app.config["SESSION_CLAIMS_ISUER"] = "https://issuer.example"
    try:
        SessionClaims(app)
    except ConfigurationError as error:
        raise for_terminal(error) from None


def test_a_wrong_setting_ends_a_command_in_one_line() -> None:
    result = CliRunner().invoke(load)
    assert result.exit_code == 2
    assert result.output == (
        "Error: SESSION_CLAIMS_ISUER: there is no such setting; did you mean"
        " SESSION_CLAIMS_ISSUER?\n"
    )


def test_it_stays_a_configuration_error_for_who_catches_it() -> None:
    error = ConfigurationError("wrong")
    assert for_terminal(error) is error  # no command runs
    with click.Context(load):
        shown = for_terminal(error)
    assert isinstance(shown, ConfigurationError)
    assert (shown.code, shown.status, str(shown)) == (error.code, error.status, "wrong")


def test_a_wrong_setting_ends_in_one_line(flask, config):
    bad = json.dumps({**config, "SESSION_CLAIMS_ISUER": "x"})
    done = flask("doctor", env={"SETTINGS": bad})
    assert (done.returncode, done.stderr.count(b"\n")) == (2, 1)
