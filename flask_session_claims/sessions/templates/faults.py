"""Why a template is refused: every problem with its place, and the nearest mend.

The text of a template is its author's own and may be quoted; nobody's claims are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from ...core.errors import SessionError

_SHOWN: Final = 96


def shown(text: str) -> str:
    """As much of a text as a message should have."""
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, or only odd, in a template.

    Codes: `json`, `name`, `protected-name`, `shortcode`, `unknown-root`, `unknown-field`,
    `private`, `limit`; of notes also `user-controlled`, `unreachable`.
    """

    code: str
    #: Place in the text of the template, in characters from 1.
    line: int
    column: int
    #: The claim as a path: `plan`, `address.city`, `tags[2]`; empty for the whole template.
    name: str
    message: str
    #: What could stand there instead; empty where that is no list.
    allowed: tuple[str, ...] = ()
    #: What to write, if there is something near.
    mend: str | None = None

    def __str__(self) -> str:
        where = f"line {self.line}, column {self.column}"
        claim = self.name if self.name.isprintable() else repr(self.name)
        said = f"{where} ({shown(claim)})" if claim else where
        said = f"{said}: {self.message}"
        if self.mend is not None:
            return f"{said} {self.mend}"
        return f"{said} Allowed: {', '.join(self.allowed)}." if self.allowed else said


class TemplateRefused(SessionError):
    """A template that cannot be saved.

    Attributes:
        problems: all that was found, in the order of the text. After broken JSON nothing more is
            looked for; of other problems the first 20 are told.
    """

    code = "template-invalid"
    status = 400

    def __init__(self, problems: Sequence[Problem]) -> None:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__("\n  ".join([f"The template has {count}:", *map(str, problems)]))
        self.problems: tuple[Problem, ...] = tuple(problems)

    def __reduce__(self) -> tuple[type[TemplateRefused], tuple[Sequence[Problem]]]:
        return type(self), (self.problems,)


def near(word: str, known: Iterable[str]) -> str | None:
    """The one of `known` that `word` was most likely meant to be."""
    # Imported here: it is slow to load, and only mistakes need it.
    import difflib

    folded = {name.replace("_", "").casefold(): name for name in known}
    close = difflib.get_close_matches(word[:64].replace("_", "").casefold(), folded, n=1)
    return folded[close[0]] if close else None
