"""Running `flask session-claims …` within the test process."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from click.testing import Result
from flask import Flask

from flask_session_claims import SessionClaims
from flask_session_claims.testing import FrozenClock

SECRET_KEY = "k7Pq2mVx9RtY4wZs6NbLc8HdJ3fGe5Aa-1u"


def run(app: Flask, *args: str, **options: Any) -> Result:
    """What a command gives; anything but an exit code is raised."""
    result = app.test_cli_runner().invoke(args=["session-claims", *args], **options)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def report(app: Flask, *args: str, code: int = 0, **options: Any) -> Any:
    """The JSON of a command that ends with `code`."""
    result = run(app, *args, "--json", **options)
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def words(text: str) -> str:
    """Text with each run of white space as one blank: columns and wrapping gone."""
    return " ".join(text.split())


def own_app(
    folder: Path, *, clock: Callable[[], float] | None = None, store: Any = None, **settings: Any
) -> tuple[Flask, SessionClaims]:
    """An app that is its own issuer, with a store in `folder`."""
    app = Flask("site", instance_path=str(folder))
    app.config.update(
        SECRET_KEY=SECRET_KEY,
        SESSION_CLAIMS_ISSUER="self",
        SESSION_CLAIMS_STORE=store or "sqlite:///shop.db",
    )
    app.config.update(settings)
    return app, SessionClaims(app, clock=clock or FrozenClock())


def refused(app: Flask, *args: str, code: int) -> str:
    """What a command says on standard error, ending with `code`; all else stays empty."""
    result = run(app, *args)
    assert (result.exit_code, result.stdout) == (code, "")
    assert "Traceback" not in result.stderr
    return words(result.stderr)
