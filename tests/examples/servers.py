"""Examples as processes of their own, and somebody who asks them something."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path

import requests

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
PATIENCE = 15.0  # seconds, for a server to start
#: What a server's process may know of this one's environment.
PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "SYSTEMROOT")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def surroundings(environment: dict[str, str]) -> dict[str, str]:
    """The environment that an example's process gets."""
    environ = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "adapters")])
    environ["PYTHONUNBUFFERED"] = environ["PYTHONDONTWRITEBYTECODE"] = "1"
    return {**environ, **environment}


@contextlib.contextmanager
def serving(
    arguments: list[str],
    environment: dict[str, str],
    port: int,
    output: Path,
    folder: Path = EXAMPLES,
) -> Generator[None, None, None]:
    """The server's process group while the block runs; it answers on `port` by then."""
    with output.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=folder,
            env=surroundings(environment),
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + PATIENCE
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            said = output.read_text("utf-8", "replace")
            assert process.poll() is None, f"the example ended:\n{said}"
            assert time.monotonic() < deadline, f"the example does not answer:\n{said}"
            time.sleep(0.05)
        yield
    finally:
        for blow in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, blow)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=5)


@contextlib.contextmanager
def browser() -> Generator[requests.Session, None, None]:
    with requests.Session() as session:
        session.trust_env = False  # no proxy and no .netrc of whoever runs this
        yield session


def ask(url: str, headers: dict[str, str]) -> requests.Response:
    with browser() as session:
        return session.get(url, headers=headers, timeout=10, allow_redirects=False)
