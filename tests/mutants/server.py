"""Runs pytest in forks of one process that has loaded everything but the package.

Most of the time of a short run goes into imports and into signing the corpus, which no mutant
can change. Reads lists of arguments as JSON, one a line; answers each with the exit status and
the file that holds the output.

Usage: python -m tests.mutants.server LIMIT_IN_SECONDS FOLDER_FOR_OUTPUT
"""

# ruff: noqa: T201
from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import sys
import traceback
from pathlib import Path

#: What tests and package load from elsewhere; what is absent is left to the tests.
OUTSIDE = (
    "pytest", "_pytest.assertion.rewrite", "_pytest.junitxml", "hypothesis",
    "hypothesis.strategies",
    "cryptography.hazmat.primitives.serialization", "cryptography.x509", "jwt", "requests", "flask",
    "werkzeug.test", "blinker", "asyncio", "sqlite3", "importlinter", "http.server", "asgiref.sync",
)  # fmt: skip


def warm_up() -> None:
    for name in OUTSIDE:
        try:
            importlib.import_module(name)
        except ImportError:
            pass
    importlib.import_module("tests.corpus.tokens").token_cases()
    for name in list(sys.modules):
        if name.split(".")[0] == "flask_session_claims":
            del sys.modules[name]
    gc.freeze()


def run_forked(arguments: list[str], output: Path, limit: int) -> int:
    """pytest's exit status; 128 and the signal's number if it was killed."""
    child = os.fork()
    if child == 0:
        signal.alarm(limit)  # nobody waits for a mutant that hangs
        file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(file, 1)
        os.dup2(file, 2)
        status = 70
        try:
            import pytest

            status = int(pytest.main(arguments))
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def main(limit: int, folder: Path) -> None:
    warm_up()
    for number, line in enumerate(sys.stdin):
        output = folder / f"{number}.txt"
        status = run_forked(json.loads(line), output, limit)
        print(json.dumps([status, str(output)]), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
