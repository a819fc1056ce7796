"""What the test kit has minted, so that a leak checker can look for it in logs and errors.

Nothing is kept unless a `record_secrets()` block is open; benches and long soaks cost no memory.
It knows nothing of keys or tokens: callers hand in the strings.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Generator, Iterable

_lock = threading.Lock()
_secrets: set[str] = set()
_open_blocks = 0


@contextlib.contextmanager
def record_secrets() -> Generator[Callable[[], set[str]], None, None]:
    """Keep what is minted while the block is open; gives `minted_secrets`.

    Blocks may be nested, and all share one record; it is emptied when the last one closes.
    """
    global _open_blocks
    with _lock:
        _open_blocks += 1
    try:
        yield minted_secrets
    finally:
        with _lock:
            _open_blocks -= 1
            if not _open_blocks:
                _secrets.clear()


def minted_secrets() -> set[str]:
    """A copy of all that was recorded: tokens, their signatures, private key material."""
    with _lock:
        return set(_secrets)


def recording() -> bool:
    """Whether a `record_secrets()` block is open."""
    return _open_blocks > 0


def record(secrets: Iterable[str]) -> None:
    """Add to the record if one is kept."""
    if recording():
        with _lock:
            _secrets.update(secrets)
