"""Running `flask session-claims …` within the test process."""

from __future__ import annotations

import json
from typing import Any

from click.testing import Result
from flask import Flask


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
