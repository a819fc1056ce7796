"""All mutants, and whether the table still follows the code."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import flask_session_claims
from tests.mutants import (
    of_access,
    of_feed,
    of_issuing,
    of_keys,
    of_people,
    of_requests,
    of_tokens,
)
from tests.mutants.mutant import Mutant

#: What holds the package that is mutated.
SOURCES: Final = Path(flask_session_claims.__file__).parents[1]
_OF_READING: Final = (
    *of_tokens.MUTANTS,
    *of_keys.MUTANTS,
    *of_access.MUTANTS,
    *of_requests.MUTANTS,
)
_OF_ISSUING: Final = (*of_issuing.MUTANTS, *of_feed.MUTANTS, *of_people.MUTANTS)
MUTANTS: Final[tuple[Mutant, ...]] = (*_OF_READING, *_OF_ISSUING)
#: The short form: all of reading, and every fourth of issuing.
SHORT: Final[tuple[Mutant, ...]] = (*_OF_READING, *_OF_ISSUING[::4])


def mutated(mutant: Mutant, sources: Path = SOURCES) -> str:
    """The text of the file below `sources` with the fault in it.

    Raises:
        ValueError: the code has moved on, or the fault is no fault.
    """
    file = sources / mutant.path
    if not file.exists():  # installed: there the adapters have no folder of their own
        file = sources / mutant.path.removeprefix("adapters/")
    text = file.read_text("utf-8")
    found = text.count(mutant.old)
    if found != 1:
        raise ValueError(f"{mutant.name}: its old text stands {found} times in {mutant.path}")
    changed = text.replace(mutant.old, mutant.new)
    compile(changed, mutant.path, "exec", dont_inherit=True)
    if changed == text:
        raise ValueError(f"{mutant.name}: changes nothing")
    return changed
