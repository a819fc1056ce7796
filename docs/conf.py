"""Sphinx's settings, and the tables that are made from the code, so that they cannot drift.

It knows nothing of the pages; they name a table as `{{ reasons }}`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Container, Iterable, Sequence
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any, Final

from flask_session_claims.core import refusal
from flask_session_claims.core.claims import PROTECTED_NAMES
from flask_session_claims.core.errors import REFUSALS, TokenError
from flask_session_claims.core.gate import Decision
from flask_session_claims.core.request import RequestFacts
from flask_session_claims.core.schema import setting_fields
from flask_session_claims.core.settings import GateSettings, VerifierSettings
from flask_session_claims.sessions.faults import REFRESH_REFUSALS
from flask_session_claims.sessions.settings import IssuingSettings
from flask_session_claims.stores import faults as store_faults

sys.path.insert(0, str(Path(__file__).parent))  # for the rows beside this file
from supertokens_calls import CLAIMS, CONTAINER, FUNCTIONS, RECIPES, SETUP, Row

project = "Flask-Session-Claims"
author = "Flask-Session-Claims contributors"
copyright = author
version = release = version_of("flask-session-claims")

extensions = ["myst_parser"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"{project} {release}"
nitpicky = True
smartquotes = False  # what stands in quotes is to be copied
myst_enable_extensions = ["substitution"]
myst_heading_anchors = 3


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines
    )


def allowed(rule: str) -> str:
    """A rule's name; a range with its numbers written out."""
    low, _, rest = rule.partition(" to ")
    high, _, unit = rest.partition(" ")
    try:
        return f"{float(low):,.10g} to {float(high):,.10g} {unit}"
    except ValueError:
        return rule


def code(text: object) -> str:
    return f"`{text}`"


# --- settings -----------------------------------------------------------------------------


def default_of(value: Any) -> str:
    if value is None:
        return "unset"
    if isinstance(value, tuple):
        return ", ".join(code(item) for item in value)
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return code(value)


def settings_table(*groups: Any, only: Container[str] | None = None) -> str:
    """The settings of the groups: key, meaning, default, what is allowed, fall-back name."""
    head = ("key", "what it means", "default", "allowed", "fall-back")
    return table(
        head,
        (
            (
                code(entry.name.upper()),
                entry.metadata["doc"],
                default_of(entry.default),
                allowed(entry.metadata["rule"].name),
                code(entry.metadata["fallback"]) if entry.metadata["fallback"] else "",
            )
            for group in groups
            for entry in setting_fields(group)
            if only is None or entry.name in only
        ),
    )


# --- errors -------------------------------------------------------------------------------


def reasons_table() -> str:
    """Every reason why nobody is signed in, and what a client is told of it."""
    errors = [TokenError(reason) for reason in REFUSALS]
    return table(
        ("reason", "meaning", "the client is told", "status"),
        ((code(e.code), e.message, code(e.client_code), str(e.status)) for e in errors),
    )


def answers() -> Iterable[Decision]:
    """One decision for each answer that a client can get."""
    told = {TokenError(reason).client_code: TokenError(reason).status for reason in REFUSALS}
    for name in refusal._MESSAGES:  # what is no reason there is about somebody's rights
        sent = name != "session-token-missing"
        yield Decision("challenge" if told.get(name) == 401 else "forbid", name, None, sent)
    yield Decision("unavailable", "jwk-remote-failed-to-load")


def answers_table() -> str:
    """Status, code, message and own header of each refusal, as a script gets them."""
    rows: list[Sequence[str]] = []
    for decision in answers():
        answer = refusal.refusal_of(decision, RequestFacts())
        special = [
            code(f"{name}: {value}")
            for name, value in answer.headers
            if name not in ("Content-Type", "Cache-Control")
        ]
        rows.append((str(answer.status), code(answer.code), answer.message, " ".join(special)))
    return table(("status", "`code`", "`message`", "header"), rows)


def refresh_refusals_table() -> str:
    """Every reason why a refresh token is refused."""
    return table(
        ("code", "message"), ((code(name), text) for name, text in REFRESH_REFUSALS.items())
    )


def store_table() -> str:
    """What a store can answer instead of doing what it was asked."""
    return table(
        ("code", "message"), ((code(name), text) for name, text in store_faults._MESSAGES.items())
    )


# --- calls of others ----------------------------------------------------------------------


def calls_table(rows: Iterable[Row]) -> str:
    """Their call and ours; what differs, and the test in words. Two columns fit a narrow page."""
    return table(
        ("SuperTokens → here", "what differs; *test*"),
        (
            (
                f"{row.theirs}<br>→ {row.ours or 'not in this release'}",
                "<br>".join(
                    filter(None, (row.differs, row.test and f"*{row.test.replace('_', ' ')}*"))
                ),
            )
            for row in rows
        ),
    )


myst_substitutions = {
    "supertokens_functions": calls_table(FUNCTIONS),
    "supertokens_container": calls_table(CONTAINER),
    "supertokens_setup": calls_table(SETUP),
    "supertokens_claims": calls_table(CLAIMS),
    "supertokens_recipes": calls_table(RECIPES),
    "issuing_settings": settings_table(IssuingSettings),
    "lifetimes": settings_table(
        IssuingSettings,
        only={
            "session_token_lifetime",
            "idle_lifetime",
            "absolute_lifetime",
            "refresh_grace",
            "refresh_mode",
        },
    ),
    "protected": ", ".join(code(name) for name in sorted(PROTECTED_NAMES, key=str.lower)),
    "refresh_refusals": refresh_refusals_table(),
    "store_codes": store_table(),
    "gate_settings": settings_table(GateSettings),
    "verifier_settings": settings_table(VerifierSettings),
    "reasons": reasons_table(),
    "answers": answers_table(),
}

# --- pages --------------------------------------------------------------------------------

#: What only the tests of the pages run.
UNSEEN: Final = re.compile(r"^<!--- .*?^--->$", re.MULTILINE | re.DOTALL)


def leave_out_unseen(app: Any, page: str, source: list[str]) -> None:
    """Keep hidden code out of the HTML, and every line where it was."""
    source[0] = UNSEEN.sub(lambda match: "\n" * match[0].count("\n"), source[0])


def setup(app: Any) -> None:
    app.connect("source-read", leave_out_unseen)
