"""Files that people give to the commands on templates: a template's text, and Python sources."""

from __future__ import annotations

import getpass
import os
import sys
import tokenize
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from ....core.errors import ConfigurationError
from ....sessions.records import storable
from ....sessions.templates.codereads import gives_of, not_given, reads_of
from ....sessions.templates.compiling import Template
from ..templates import Unread
from .answers import Misused

#: A template has at most 8 KiB; what is much larger is another file.
_MOST: Final = 1_048_576
#: Folders of other people's code.
_OTHERS: Final = ("__pycache__", "node_modules", "site-packages")


def template_text(file: str) -> str:
    """The text in a file, or for - that of standard input.

    Raises:
        Misused: there is no such text.
    """
    place = "standard input" if file == "-" else file
    try:
        if file == "-":
            data = sys.stdin.buffer.read(_MOST + 1)
        else:
            with open(file, "rb") as stream:
                data = stream.read(_MOST + 1)
    except (OSError, ValueError) as error:
        raise Misused(f"{file} cannot be read: {_why(error)}.") from None
    if len(data) > _MOST:
        raise Misused(f"{place} holds more than {_MOST:,} bytes; no template does.")
    return decoded(data, place)


def decoded(data: bytes, place: str) -> str:
    """Text as editors write it; `Misused` if it is none."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Misused(f"{place} holds no UTF-8 text; save the template as UTF-8.") from None


def author(given: str | None) -> str | None:
    """Who saves: what was given, or the user of the operating system, if it knows one."""
    if given is not None:
        return given
    try:
        name = getpass.getuser()
    except (ImportError, KeyError, OSError):
        return None
    return name if storable(name) else None


def unread(paths: Sequence[str], template: Template, also: Iterable[str]) -> tuple[Unread, ...]:
    """The reads, in Python files and in folders of them, of claims that nobody gives.

    Raises:
        Misused: a file is not there, or no Python.
    """
    sources = {str(file): _source(file) for path in paths for file in _files(Path(path))}
    given, reads = set(also), list[tuple[str, str]]()
    for file, source in sources.items():
        try:
            given |= gives_of(source)
        except ConfigurationError as error:
            raise Misused(f"{file}: {error.message}") from None
        reads.append((file, source))
    return tuple(
        Unread(file, missing)
        for file, source in reads
        for missing in not_given(reads_of(source), [template], given)
    )


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if _is_own(Path(folder, name)))
        yield from (Path(folder, name) for name in sorted(names) if name.endswith(".py"))


def _is_own(folder: Path) -> bool:
    known = folder.name.startswith(".") or folder.name in _OTHERS
    return not known and not (folder / "pyvenv.cfg").exists()


def _source(file: Path) -> str:
    try:
        with tokenize.open(file) as stream:  # as the file itself says it is encoded
            return stream.read()
    except (OSError, SyntaxError, ValueError) as error:
        raise Misused(f"{file} cannot be read: {_why(error)}.") from None


def _why(error: Exception) -> str:
    return getattr(error, "strerror", None) or "it is no text that Python can read"
