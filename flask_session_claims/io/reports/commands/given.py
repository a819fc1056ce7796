"""What people give to commands. It may be a secret, pasted by mistake: it is not quoted."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from getpass import getpass
from typing import Final

from ....sessions.tokens import is_session_id
from ..inspection import clean
from .answers import Misused

VARIABLE: Final = "INSPECT_TOKEN"
_MOST: Final = 1_048_576
#: What a terminal lets through of a line (Linux: MAX_CANON); the rest it drops unsaid.
_LONGEST_LINE: Final = 4_095


def session_id(text: str) -> str:
    """The text, if it can be a session's id.

    Raises:
        Misused: nothing could be a session's id like that.
    """
    if is_session_id(text):
        return text
    got = "a token, not an id" if "." in text else f"{len(text):,} characters"
    raise Misused(
        f"got {got}; write a session's id, sess_ and 32 characters after it (sessions list USER_ID"
        " shows those of a user; in a token it is the claim sid)."
    )


def one_user(user_id: str | None, user: str | None) -> str:
    """The user that was named, by the argument or by the option.

    Raises:
        Misused: none was, or two.
    """
    wanted = user_id if user_id is not None else user
    if wanted is None or (user is not None and user_id not in (None, user)):
        raise Misused("name one user: sessions list USER_ID.")
    return wanted


def token(words: Sequence[str]) -> str:
    """The token: what was typed, or else what `INSPECT_TOKEN` holds; for - standard input.

    Raises:
        Misused: there is none, or it is too long to be one.
    """
    text = clean(" ".join(words or [os.environ.get(VARIABLE, "")]))
    if text == "-":
        text = clean(_standard_input())
    if not text:
        raise Misused(
            f"no token was given; write it as the argument, put it into {VARIABLE}, or write - and"
            " send it to standard input."
        )
    return text


def _standard_input() -> str:
    if sys.stdin.isatty():
        answer = getpass("Token: ", sys.stderr)
        if len(answer) >= _LONGEST_LINE:
            raise Misused(
                f"a terminal takes no line of more than {_LONGEST_LINE:,} characters; send the"
                f" token through a pipe, or put it into {VARIABLE}."
            )
        return answer
    data = sys.stdin.buffer.read(_MOST + 1)
    if len(data) > _MOST:
        raise Misused(f"standard input holds more than {_MOST:,} bytes; no token does.")
    return data.decode("utf-8", "replace")
