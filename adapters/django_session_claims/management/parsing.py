"""argparse where it does not do what the commands need."""

from __future__ import annotations

import textwrap
from argparse import SUPPRESS, ArgumentTypeError, RawDescriptionHelpFormatter
from collections.abc import Callable
from typing import Any, Protocol

from django.core.management.base import CommandParser, DjangoHelpFormatter

from flask_session_claims.io.reading import Reading
from flask_session_claims.io.reports.commands import given, options
from flask_session_claims.io.reports.commands.answers import Answer, Misused, help_of

Run = Callable[[Reading, dict[str, Any]], Answer]

#: Characters of a key's name, which is a hash in base64url.
_KID = 43


class Commands(Protocol):
    """What `add_subparsers` gives."""

    def add_parser(self, name: str, **options: Any) -> Parser: ...


class _Formatter(DjangoHelpFormatter, RawDescriptionHelpFormatter):
    """Keeps paragraphs."""


class Parser(CommandParser):
    """Of a command, or of a group of them."""

    #: The command that is meant where none is named.
    unnamed: str | None = None
    #: Whether a key is named, with a name that may begin with a dash.
    takes_kid = False

    def parse_known_args(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, args: Any = None, namespace: Any = None
    ) -> Any:
        words: list[str] = list(args or ())
        if self.unnamed is not None:
            if not words or (words[0].startswith("-") and words[0] not in ("-h", "--help")):
                words.insert(0, self.unnamed)
        if self.takes_kid and "--" not in words:
            kids = [word for word in words if word.startswith("-") and len(word) == _KID]
            words = [
                *(word for word in words if word not in kids),
                *(["--", *kids] if kids else ()),
            ]
        return super().parse_known_args(words, namespace)


def commands_of(parser: CommandParser) -> Commands:
    """The commands below a parser, to be added; one of them must be named."""
    return parser.add_subparsers(
        title="commands", metavar="COMMAND", required=True, parser_class=Parser
    )


def add_group(commands: Commands, name: str, text: str, *, unnamed: str | None = None) -> Commands:
    """Add a command that has commands of its own, of which `unnamed` need not be named."""
    parser = _add(commands, name, text)
    parser.unnamed = unnamed
    return commands_of(parser)


def add(commands: Commands, name: str, told: Callable[..., Answer], run: Run) -> Parser:
    """Add a command; its help is what `told` says of itself."""
    parser = _add(commands, name, help_of(told))
    parser.add_argument("--json", action="store_true", help=options.AS_JSON)
    # Django's own, which stand before the command's name, and may stand behind it too.
    for option in ("--settings", "--pythonpath"):
        parser.add_argument(option, default=SUPPRESS, help=SUPPRESS)
    for option in ("--traceback", "--no-color", "--force-color"):
        parser.add_argument(option, action="store_true", default=SUPPRESS, help=SUPPRESS)
    parser.set_defaults(run=run)
    return parser


def _add(commands: Commands, name: str, text: str) -> Parser:
    paragraphs = [" ".join(each.split()) for each in text.split("\n\n")]
    return commands.add_parser(
        name,
        help=paragraphs[0],
        description="\n\n".join(textwrap.fill(each, 78) for each in paragraphs),
        formatter_class=_Formatter,
    )


def session_id(text: str) -> str:
    """The type of an argument that names a session."""
    try:
        return given.session_id(text)
    except Misused as error:
        raise ArgumentTypeError(error.message) from None
