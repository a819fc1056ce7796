"""What the library logs: stable event names, never a token, key or text from a token.

Each record has its name as `event` and its fields as `session_claims`. Of what strangers can
cause, no more is written than helps: see `Limit`.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from ..core.errors import UnavailableError
from ..core.locks import ForkSafeLock

logger: Final = logging.getLogger("flask_session_claims")

_USERINFO: Final = re.compile(r"//[^/\s'\"]*@")
#: What a text has to be told.
_FIELD: Final = re.compile(r"%\((\w+)\)s")
_QUERY: Final = re.compile(r"\?[^#\s]+")
#: The longest value, in characters; what the app's own settings say is not cut.
LONGEST: Final = 128
_OF_SETTINGS: Final = frozenset({"address", "issuer", "keys", "path", "store"})


class Event(NamedTuple):
    """How one event is logged."""

    level: int
    #: With the event's fields.
    text: str


#: Every event, by its name.
EVENTS: Final[Mapping[str, Event]] = {
    # the start
    "verifying-started": Event(logging.INFO, "session claims: issuer %(issuer)s, keys %(keys)s"),
    "issuing-started": Event(
        logging.INFO, "session claims: issuer self, store %(store)s, keys %(keys)s"
    ),
    "azp-unchecked": Event(
        logging.WARNING,
        "session claims: neither %(setting)s nor %(other)s is set, so azp is not checked: a token"
        " made for another app of the same issuer signs in here",
    ),
    "store-unset": Event(
        logging.WARNING, "session claims: %(setting)s is unset, so sessions are kept in %(path)s"
    ),
    "store-unchecked": Event(logging.WARNING, "session claims: %(problem)s"),
    "secret-made": Event(
        logging.WARNING,
        "session claims: there is no SECRET_KEY, so one was made in %(path)s for development",
    ),
    # the keys of another issuer
    "keys-fetched": Event(logging.INFO, "key set fetched from %(address)s: %(count)s key(s)"),
    "keys-failed": Event(logging.WARNING, "key set not fetched from %(address)s: %(problem)s"),
    "keys-skipped": Event(logging.WARNING, "key set entry not used, from %(address)s: %(problem)s"),
    # tokens
    "token-refused": Event(logging.DEBUG, "token refused: %(reason)s (from %(source)s)"),
    # sessions of the app's own
    "session-created": Event(logging.INFO, "session %(session_id)s was created"),
    "session-refreshed": Event(logging.DEBUG, "session %(session_id)s was refreshed"),
    "refresh-retried": Event(
        logging.DEBUG, "session %(session_id)s was refreshed once more, with the same tokens"
    ),
    "session-revoked": Event(logging.INFO, "session %(session_id)s has ended: %(reason)s"),
    "claims-refreshed": Event(logging.DEBUG, "claims of session %(session_id)s were changed"),
    "claims-oversize": Event(
        logging.WARNING, "claims of session %(session_id)s did not fit and were left out"
    ),
    "refresh-token-reused": Event(
        logging.WARNING,
        "a refresh token of session %(session_id)s came back that was used up: ended",
    ),
    "refresh-token-ahead": Event(
        logging.WARNING,
        "a refresh token of session %(session_id)s is newer than the store: was a backup restored?",
    ),
    "organization-switched": Event(
        logging.DEBUG, "another organisation is active in session %(session_id)s"
    ),
    "user-metadata-changed": Event(logging.DEBUG, "metadata of user %(user_id)s were changed"),
    "impersonation-started": Event(
        logging.WARNING, "%(actor)s acts for user %(user_id)s in session %(session_id)s: %(reason)s"
    ),
    "impersonation-stopped": Event(
        logging.INFO, "nobody acts for user %(user_id)s in session %(session_id)s any more"
    ),
    "claim-fetch-failed": Event(
        logging.ERROR, "a claim of session %(session_id)s could not be fetched: %(reason)s"
    ),
    "session-left-open": Event(logging.WARNING, "session claims: %(problem)s"),
    "keys-rotated": Event(logging.INFO, "key %(kid)s signs from now on"),
    "store-unavailable": Event(
        logging.WARNING, "the session store %(store)s cannot be had (%(reason)s): %(problem)s"
    ),
    "feed-unreadable": Event(
        logging.WARNING, "session claims: the log cannot be read: %(problem)s"
    ),
    # our own
    "receiver-failed": Event(logging.ERROR, "a receiver of %(signal)r failed"),
    "listener-failed": Event(logging.ERROR, "a listener to metrics failed: %(reason)s"),
    "records-left-out": Event(
        logging.DEBUG, "%(count)s more records of %(of)s (%(reason)s) were left out"
    ),
}


def log(
    event: str, *, level: int | None = None, exc_info: BaseException | None = None, **data: Any
) -> None:
    """Log `event` with its fields; at its own level, if no other is given."""
    usual, text = EVENTS[event]
    level = usual if level is None else level
    if logger.isEnabledFor(level):
        data = {name: _fit(name, value) for name, value in data.items()}
        extra = {"event": event, "session_claims": data}
        if event == "token-refused":
            extra.update(data)  # its fields are attributes of the record as well
        logger.log(level, text, data, extra=extra, exc_info=exc_info)


def _fit(name: str, value: Any) -> Any:
    """A text on one line, without what a terminal would act on, and not endless."""
    if not isinstance(value, str):
        return value
    if not value.isprintable():
        value = "".join(
            c if c.isprintable() else c.encode("unicode_escape").decode() for c in value
        )
    return value if len(value) <= LONGEST or name in _OF_SETTINGS else f"{value[:LONGEST]}…"


class Limit:
    """Writes what strangers can cause as often as they like: so often, then how many more.

    The count is written with the next record after the time is up.

    Args:
        most: records of one event and reason in a time.
        seconds: how long that time is; it begins with its first record.
        monotonic: seconds; only differences count.
    """

    def __init__(
        self,
        *,
        most: int = 10,
        seconds: float = 10.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most, self._seconds, self._monotonic = most, seconds, monotonic
        self._lock = ForkSafeLock()
        #: (event, reason) -> when its time is up, and its records so far.
        self._times: dict[tuple[str, str], tuple[float, int]] = {}

    def log(self, event: str, reason: str, **data: Any) -> None:
        """Log `event`, unless there have been enough of it for that reason."""
        if not logger.isEnabledFor(EVENTS[event].level):
            return
        now = self._monotonic()
        with self._lock:
            over = {key: count for key, (until, count) in self._times.items() if until <= now}
            for key in over:
                del self._times[key]
            until, count = self._times.get((event, reason), (now + self._seconds, 0))
            self._times[event, reason] = until, count + 1
        for (of, why), seen in over.items():
            if seen > self._most:
                left_out = seen - self._most
                level = EVENTS[of].level
                log("records-left-out", level=level, of=of, reason=why, count=left_out)
        if count < self._most:
            log(event, reason=reason, **data)


def without_secrets(address: str) -> str:
    """A URL without what may be a secret in it: user, password, query."""
    return _QUERY.sub("?…", _USERINFO.sub("//…@", address))


def key_event(event: str, **data: Any) -> None:
    """Log what happened to the key cache."""
    log(event, **data)


def session_event(event: str, data: Mapping[str, Any]) -> None:
    """Log what an issuer tells of, by the name of its signal; what is not known here is not."""
    name = event.replace("_", "-")
    if name not in EVENTS:
        return
    whose = data.get("session") or data.get("auth")
    known = {
        "reason": data.get("reason"),
        "kid": data.get("kid"),
        "session_id": data.get("session_id") or getattr(whose, "session_id", None),
        "user_id": data.get("user_id") or getattr(whose, "user_id", None),
        "actor": getattr(data.get("actor"), "user_id", None),
    }
    fields = {field: known[field] for field in _FIELD.findall(EVENTS[name].text)}
    log(name, exc_info=data.get("error"), **fields)


def token_refused(reason: str, source: str | None, limit: Limit | None = None) -> None:
    """Log a refusal; at DEBUG, since anybody can cause as many as they like."""
    if logger.isEnabledFor(logging.DEBUG):
        (limit.log if limit is not None else _unlimited)("token-refused", reason, source=source)


def _unlimited(event: str, reason: str, **data: Any) -> None:
    log(event, reason=reason, **data)


def store_unavailable(error: UnavailableError, limit: Limit) -> None:
    """Log why the store could not do what it was asked."""
    store = getattr(error, "store", "")  # where it is, without passwords
    limit.log("store-unavailable", error.code, problem=error.message, store=store)
