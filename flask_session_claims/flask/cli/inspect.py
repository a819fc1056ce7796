"""`flask session-claims inspect`: one token, what it says and what the app makes of it."""

from __future__ import annotations

import sys
from getpass import getpass
from typing import Final

import click
from flask.cli import with_appcontext

from ...io.reports.inspection import clean, inspect_token
from ...io.reports.own import verifier_of
from ...io.reports.texts import token_lines
from .failure import told
from .output import as_json, reading, show, verdict_against

VARIABLE: Final = "INSPECT_TOKEN"
_MOST: Final = 1_048_576
#: What a terminal lets through of a line (Linux: MAX_CANON); the rest it drops unsaid.
_LONGEST_LINE: Final = 4_095


@click.command("inspect")
@click.argument("token", nargs=-1, envvar=VARIABLE)
@as_json
@with_appcontext
def inspect(token: tuple[str, ...], json_: bool) -> None:
    """Tell what TOKEN says, whether this app takes it, and why not.

    TOKEN may be - for standard input (asked for, unseen, on a terminal), or stand in the
    environment as INSPECT_TOKEN: then it is not left in the shell's history. Keys are fetched if
    they are needed. The token and its signature are never printed.

    Exits with 1 if the token is refused or cannot be judged.
    """
    text = clean(" ".join(token))
    if text == "-":
        text = clean(_standard_input())
    if not text:
        raise click.UsageError(
            f"no token was given; write it as the argument, put it into {VARIABLE}, or write - and"
            " send it to standard input."
        )
    with told():
        report = inspect_token(verifier_of(reading()), text)
    show(json_, report.as_json(), lambda paint, width: token_lines(report, paint, width))
    if not report.accepted:
        verdict_against()


def _standard_input() -> str:
    if sys.stdin.isatty():
        answer = getpass("Token: ", sys.stderr)
        if len(answer) >= _LONGEST_LINE:
            raise click.UsageError(
                f"a terminal takes no line of more than {_LONGEST_LINE:,} characters; send the"
                f" token through a pipe, or put it into {VARIABLE}."
            )
        return answer
    data = sys.stdin.buffer.read(_MOST + 1)
    if len(data) > _MOST:
        raise click.UsageError(f"standard input holds more than {_MOST:,} bytes; no token does.")
    return data.decode("utf-8", "replace")
