"""What the library logs: stable event names, never a token, key or text from a token."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any, Final

logger: Final = logging.getLogger("flask_session_claims")

_USERINFO: Final = re.compile(r"//[^/\s'\"]*@")
_QUERY: Final = re.compile(r"\?[^#\s]+")

_KEY_EVENTS: Final = {
    "keys-fetched": (logging.INFO, "key set fetched from %(address)s: %(count)s key(s)"),
    "keys-failed": (logging.WARNING, "key set not fetched from %(address)s: %(problem)s"),
    "keys-skipped": (logging.WARNING, "key set entry not used, from %(address)s: %(problem)s"),
}


def without_secrets(address: str) -> str:
    """A URL without what may be a secret in it: user, password, query."""
    return _QUERY.sub("?…", _USERINFO.sub("//…@", address))


def key_event(event: str, **data: Any) -> None:
    """Log what happened to the key cache; `extra` carries the event's name and data."""
    level, text = _KEY_EVENTS[event]
    logger.log(level, text, data, extra={"event": event, "session_claims": data})


_SESSION_EVENTS: Final = {
    "refresh_token_reused": "a refresh token of session %s came back that was used up: ended",
    "refresh_token_ahead": "a refresh token of session %s is newer than the store: was a backup"
    " restored?",
    "claims_oversize": "claims of session %s did not fit and were left out",
}


def session_event(event: str, data: Mapping[str, Any]) -> None:
    """Log what an operator should look into; the rest is for the signals."""
    text = _SESSION_EVENTS.get(event)
    if text is not None:
        session_id = data.get("session_id") or data["session"].session_id
        extra = {"event": event.replace("_", "-"), "session_claims": {"session_id": session_id}}
        logger.warning(text, session_id, extra=extra)


def token_refused(reason: str, source: str | None) -> None:
    """Log a refusal; at DEBUG, since anybody can cause as many as they like."""
    if logger.isEnabledFor(logging.DEBUG):
        extra = {"event": "token-refused", "reason": reason, "source": source}
        logger.debug("token refused: %s (from %s)", reason, source, extra=extra)
