"""Commands that look at an app: a token, the settings, the keys, what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from ....core.errors import ConfigurationError
from ...doctor import Finding, examine
from ...reading import Reading
from ..config import SettingReport, config_report
from ..inspection import inspect_token
from ..issuer_texts import own_keys_lines
from ..keys import keys_report
from ..layout import Cell, Tone
from ..own import now_of, settings_of, verifier_of
from ..ring import own_keys_report
from ..texts import config_lines, keys_lines, token_lines
from .answers import Answer, rows_answer, told

_TONES: Final[dict[str, Tone]] = {"ok": "good", "warning": "warn", "error": "bad"}


def inspect(side: Reading, token: str) -> Answer:
    """Tell what TOKEN says, whether this app takes it, and why not.

    TOKEN may be - for standard input (asked for, unseen, on a terminal), or stand in the
    environment as INSPECT_TOKEN: then it is not left in the shell's history. Keys are fetched if
    they are needed. The token and its signature are never printed.

    Exits with 1 if the token is refused or cannot be judged.
    """
    with told():
        report = inspect_token(verifier_of(side), token)
    return Answer(
        report.as_json(),
        lambda paint, width: token_lines(report, paint, width),
        0 if report.accepted else 1,
    )


def config(side: Reading, places: Callable[[SettingReport], str]) -> Answer:
    """Show every setting and where its value came from.

    Keys and secrets are not shown, nor is what stands in an address as user, password or query.
    """
    with told():
        report = config_report(side)
    return Answer(report.as_json(), lambda paint, width: config_lines(report, places, paint, width))


def keys_list(side: Reading, *, fetch: bool) -> Answer:
    """Show the keys that verify tokens.

    A command is a process of its own: what a running server has cached is not seen here. Of the
    app's own keys it tells what each is for, since when and until when.

    Exits with 1 if the key set, or the store, cannot be had.
    """
    if side.issuing is not None:
        with told():
            own = own_keys_report(side.issuing, settings_of(side), now_of(side))
        return Answer(own.as_json(), lambda paint, width: own_keys_lines(own, paint, width))
    report = keys_report(side.verifier, fetch=fetch)
    return Answer(
        report.as_json(),
        lambda paint, width: keys_lines(report, paint, width),
        0 if report.problem is None else 1,
    )


def doctor(side: Reading) -> Answer:
    """Check the configuration, and fetch the keys, or open the store.

    Exits with 1 if something is wrong.
    """
    with told():
        findings = [*examine(side), *_endpoint(side)]
    sound = all(finding.level != "error" for finding in findings)
    return rows_answer(
        {"ok": sound, "findings": [each._asdict() for each in findings]},
        [[Cell(each.level, _TONES[each.level]), Cell(each.text)] for each in findings],
        0 if sound else 1,
    )


def _endpoint(side: Reading) -> Iterable[Finding]:
    """Whether scripts find the refresh endpoint, where they are the ones to refresh."""
    if side.issuing is None or side.issuing.settings.refresh_mode != "endpoint":
        return
    try:
        yield Finding("ok", f"the refresh endpoint is {side.issuing.around.refresh_path()}")
    except ConfigurationError as error:
        yield Finding("error", error.message)
