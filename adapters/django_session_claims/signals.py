"""The signals. A receiver's error is logged by Django and undoes nothing.

Sender is the class `SessionClaimsConfig`; everything else comes by keyword.
"""

from __future__ import annotations

from typing import Any, Final

from django.dispatch import Signal

from .apps import SessionClaimsConfig

#: A token was sent and refused. `reason`: the exact code; `source`: "header" or "cookie".
token_rejected: Final = Signal()

#: The claims at hand are other ones now: a newer token of another issuer's brought them, or they
#: were merged. `auth`: the new `Auth`; `changed`: a frozenset of claim names.
claims_refreshed: Final = Signal()

#: Somebody has signed in. `session`: the `Session`.
session_created: Final = Signal()

#: A session's refresh token was exchanged. `session`: the `Session`.
session_refreshed: Final = Signal()

#: A session has ended before its time. `session_id`; `reason`: "revoked", "sign-out", "replaced",
#: "cap", "reuse", "request-failed"; `user_id` where it is at hand.
session_revoked: Final = Signal()

#: A refresh token came back that was used up: theft, perhaps. `session_id`, `user_id`; the
#: session has ended.
refresh_token_reused: Final = Signal()

#: Claims did not fit and were left out. `session`: the `Session`; `names`: the largest claims.
claims_oversize: Final = Signal()

#: Another key signs now. `kid`.
keys_rotated: Final = Signal()

#: Another organisation is active in a session. `auth`; `previous`: the id of the one before.
organization_switched: Final = Signal()

#: A user's metadata were changed. `user_id`; `kinds`: of "public", "private", "unsafe".
user_metadata_changed: Final = Signal()

#: Somebody acts for a user. `actor`: their own `Session`; `session`: the user's; `reason`.
impersonation_started: Final = Signal()

#: They no longer do, by their own act. `session_id`, `user_id`; `actor`: the `act` claim.
impersonation_stopped: Final = Signal()

#: What an issuer tells of, by name.
SESSION_SIGNALS: Final[dict[str, Signal]] = {
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


def emit(signal: Signal, **data: Any) -> None:
    """Send `signal`; async receivers are run to their end."""
    signal.send_robust(SessionClaimsConfig, **data)


async def aemit(signal: Signal, **data: Any) -> None:
    """Async form of `emit`; sync receivers run in a thread."""
    await signal.asend_robust(SessionClaimsConfig, **data)
