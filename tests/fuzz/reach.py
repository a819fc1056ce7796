"""Which inputs are worth keeping: the smallest that reach steps of the code none reached yet."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FrameType
from typing import Any

import flask_session_claims

PACKAGE = str(Path(flask_session_claims.__file__).parent)
#: A step from one line to the next within a function.
Step = tuple[str, int, int]


def steps_of(check: Callable[[bytes], None], data: bytes) -> set[Step]:
    """The steps that one input takes through the package."""
    taken: set[Step] = set()
    last: dict[int, int] = {}

    def in_frame(frame: FrameType, event: str, _: Any) -> Any:
        if event == "line":
            taken.add((frame.f_code.co_filename, last.get(id(frame), 0), frame.f_lineno))
            last[id(frame)] = frame.f_lineno
        return in_frame

    def on_call(frame: FrameType, _event: str, _: Any) -> Any:
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        last.pop(id(frame), None)
        return in_frame(frame, "line", None)

    before = sys.gettrace()
    sys.settrace(on_call)
    try:
        check(data)
    finally:
        sys.settrace(before)
    return taken


def worth_keeping(
    check: Callable[[bytes], None], known: Iterable[bytes], found: Iterable[bytes]
) -> list[bytes]:
    """Those of `found` that take a step that neither `known` nor a smaller one takes."""
    reached: set[Step] = set()
    for data in known:
        reached |= steps_of(check, data)
    kept: list[bytes] = []
    for data in sorted(found, key=lambda each: (len(each), each)):
        steps = steps_of(check, data)
        if not steps <= reached:
            reached |= steps
            kept.append(data)
    return kept
