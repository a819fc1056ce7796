"""Fuzzes one target until the fuzzer's own limits end it.

Usage: python -m tests.fuzz.one TARGET [libFuzzer's arguments]
"""

from __future__ import annotations

import logging
import sys
import time

import atheris  # type: ignore[import-untyped, unused-ignore]

with atheris.instrument_imports(include=["flask_session_claims"]):
    from tests.fuzz.targets import TARGETS

#: CPU seconds that one input may take.
LONGEST = 1.0


def main() -> None:
    name, *arguments = sys.argv[1:]
    check = TARGETS[name].check
    logging.disable(logging.CRITICAL)

    def watched(data: bytes) -> None:
        started = time.thread_time()
        check(data)
        took = time.thread_time() - started
        assert took < LONGEST, f"one input took {took:.1f} s"

    atheris.Setup([f"fuzz-{name}", *arguments], watched)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
