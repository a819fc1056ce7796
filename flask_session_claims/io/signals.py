"""The signals, and the one way to send them.

Sender is the app; everything else comes by keyword, so receivers should take `**extra`. A
signal tells of what has happened: a receiver's error is logged and undoes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from blinker import NamedSignal, Namespace

from .executor import wait_for
from .logs import log

_namespace: Final = Namespace()

#: A token was sent and refused. `reason`: the exact code; `source`: "header" or "cookie".
token_rejected: Final = _namespace.signal("token-rejected")

#: The claims at hand are other ones now: a newer token of another issuer's brought them, or they
#: were merged. `auth`: the new `Auth`; `changed`: a frozenset of claim names.
claims_refreshed: Final = _namespace.signal("claims-refreshed")

#: Somebody has signed in. `session`: the `Session`.
session_created: Final = _namespace.signal("session-created")

#: A session's refresh token was exchanged. `session`: the `Session`.
session_refreshed: Final = _namespace.signal("session-refreshed")

#: A session has ended before its time. `session_id`; `reason`: "revoked", "sign-out", "replaced",
#: "cap", "reuse", "request-failed"; `user_id` where it is at hand.
session_revoked: Final = _namespace.signal("session-revoked")

#: A refresh token came back that was used up: theft, perhaps. `session_id`, `user_id`; the
#: session has ended.
refresh_token_reused: Final = _namespace.signal("refresh-token-reused")

#: Claims did not fit and were left out. `session`: the `Session`; `names`: the largest claims.
claims_oversize: Final = _namespace.signal("claims-oversize")

#: Another key signs now. `kid`.
keys_rotated: Final = _namespace.signal("keys-rotated")

#: Another organisation is active in a session. `auth`; `previous`: the id of the one before.
organization_switched: Final = _namespace.signal("organization-switched")

#: A user's metadata were changed. `user_id`; `kinds`: of "public", "private", "unsafe".
user_metadata_changed: Final = _namespace.signal("user-metadata-changed")

#: Somebody acts for a user. `actor`: their own `Session`; `session`: the user's; `reason`.
impersonation_started: Final = _namespace.signal("impersonation-started")

#: They no longer do, by their own act. `session_id`, `user_id`; `actor`: the `act` claim.
impersonation_stopped: Final = _namespace.signal("impersonation-stopped")

#: What an issuer tells of, by name.
SESSION_SIGNALS: Final[dict[str, NamedSignal]] = {
    "claims_refreshed": claims_refreshed,
    "session_created": session_created,
    "session_refreshed": session_refreshed,
    "session_revoked": session_revoked,
    "refresh_token_reused": refresh_token_reused,
    "claims_oversize": claims_oversize,
    "keys_rotated": keys_rotated,
    "organization_switched": organization_switched,
    "user_metadata_changed": user_metadata_changed,
    "impersonation_started": impersonation_started,
    "impersonation_stopped": impersonation_stopped,
}

SyncWrapper = Callable[[Callable[..., Any]], Callable[..., Any]]


def emit(
    signal: NamedSignal, sender: Any, *, wrapper: SyncWrapper | None = None, **data: Any
) -> None:
    """Send `signal`; `wrapper` makes async receivers callable, if not as `wait_for` does."""
    if not signal.receivers:
        return
    try:
        signal.send(sender, _async_wrapper=wrapper or _waited, **data)
    except Exception as error:
        log("receiver-failed", exc_info=error, signal=signal.name)


async def aemit(
    signal: NamedSignal, sender: Any, *, wrapper: SyncWrapper | None = None, **data: Any
) -> None:
    """Async form of `emit`; `wrapper` makes sync receivers awaitable (Quart's `ensure_async`)."""
    if not signal.receivers:
        return
    try:
        await signal.send_async(sender, _sync_wrapper=wrapper or _awaitable, **data)
    except Exception as error:
        log("receiver-failed", exc_info=error, signal=signal.name)


def _waited(receiver: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(receiver)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return wait_for(receiver(*args, **kwargs))

    return wrapped


def _awaitable(receiver: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(receiver)
    async def wrapped(*args: Any, **kwargs: Any) -> Any:
        return receiver(*args, **kwargs)

    return wrapped
