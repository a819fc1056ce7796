"""Listening to a signal for the while of a block."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from blinker import Signal


@contextmanager
def listening(signal: Signal, receiver: Callable[..., Any], sender: Any) -> Iterator[None]:
    """`receiver` hears of `signal` from `sender`.

    Not `connected_to`: that forgets the receiver for all senders, one by one, and fails if an app
    of an earlier test is collected meanwhile.
    """
    signal.connect(receiver, sender=sender)
    try:
        yield
    finally:
        signal.disconnect(receiver, sender=sender)
