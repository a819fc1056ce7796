"""What a mutant is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

CORE: Final = "flask_session_claims/core/"
TOKENS: Final = "tests/corpus/test_verifier_corpus.py"
REQUESTS: Final = "tests/corpus/test_requests_corpus.py"


@dataclass(frozen=True)
class Mutant:
    """One fault.

    Attributes:
        name: unique, in words.
        file: below `flask_session_claims/core/`, or from the root if it has a slash.
        old: text that stands in the file exactly once.
        new: what stands there instead.
        why: what somebody could do with such a library.
        tests: what should notice it, as pytest's arguments; the rest of the core's tests and the
            corpus follow where these do not.
    """

    name: str
    file: str
    old: str
    new: str
    why: str
    tests: tuple[str, ...]

    @property
    def path(self) -> str:
        return self.file if "/" in self.file else f"{CORE}{self.file}.py"


def core(*names: str) -> tuple[str, ...]:
    """Test modules of the core."""
    return tuple(f"tests/core/test_{name}.py" for name in names)
