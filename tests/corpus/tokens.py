"""The token corpus: `token_cases()` gives every named case of all parts, built once.

Keys and signatures are new in each run; names, texts of the faults and expectations are not.
"""

from __future__ import annotations

from functools import cache

from . import (
    tokens_claims,
    tokens_class,
    tokens_header,
    tokens_json,
    tokens_signature,
    tokens_text,
    tokens_valid,
)
from .forge import Book, TokenCase, settings_of

__all__ = ["TokenCase", "settings_of", "token_case", "token_cases", "token_names"]

_PARTS = (
    *tokens_valid.PARTS,
    *tokens_text.PARTS,
    *tokens_header.PARTS,
    *tokens_json.PARTS,
    *tokens_claims.PARTS,
    *tokens_signature.PARTS,
    *tokens_class.PARTS,
)


@cache
def _by_name() -> dict[str, TokenCase]:
    book = Book()
    for part in _PARTS:
        part(book)
    cases = {case.name: case for case in book}
    if len(cases) != len(book.cases):
        raise AssertionError("two cases have one name")
    return cases


def token_cases() -> tuple[TokenCase, ...]:
    return tuple(_by_name().values())


def token_names() -> list[str]:
    return list(_by_name())


def token_case(name: str) -> TokenCase:
    return _by_name()[name]
