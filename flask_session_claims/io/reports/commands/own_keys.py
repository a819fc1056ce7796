"""Commands that change the keys of an app that is its own issuer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ....core.flow import Flow
from ....sessions.keyring import MAX_AGE, KeyringFlows, Ring
from ...issuing import Issuing
from ...reading import Reading
from ..issuer_texts import change_lines
from ..layout import duration, quoted
from ..own import now_of, settings_of
from ..ring import KeysChange, keys_change
from .answers import Answer, Ended, told

Do = Callable[[KeyringFlows], Flow[object]]

_REVOKED: Final = (
    "tokens that it signed are refused on every worker within a second; sessions survive, and get"
    " new tokens when they are refreshed."
)


def rotate(side: Reading, issuing: Issuing, *, at_once: bool) -> Answer:
    """Bring the next key: published now, signing when everybody can know it.

    With --at-once it signs now: others who verify the tokens meet a key that they have not
    fetched yet. Keys rotate by themselves; no timer needs this.
    """
    change = _change(side, issuing, lambda flows: flows.rotate(at_once=at_once))
    said = "the next key is published already, and signs soon; --at-once brings one that signs."
    return _answer(change, _begins(change) if change.added else said)


def revoke(side: Reading, issuing: Issuing, kid: str) -> Answer:
    """Remove the key KID at once: tokens that it signed are refused within a second.

    Sessions survive: the next refresh gives a token under another key.

    Exits with 1 if there is no such key.
    """
    change = _change(side, issuing, lambda flows: flows.revoke(kid))
    if kid not in change.removed:
        there = ", ".join(key.kid for key in change.report.keys) or "none"
        raise Ended(f"no key is named {quoted(kid)}; the keys are: {there}.", 1)
    return _answer(change, _REVOKED, f"others may keep the key set for {duration(MAX_AGE)}.")


def rewrap(side: Reading, issuing: Issuing) -> Answer:
    """Encrypt the private keys anew, under the secret in force.

    For a change of SECRET_KEY: the one before goes into SECRET_KEY_FALLBACKS, and may be taken out
    again after this.
    """
    change = _change(side, issuing, KeyringFlows.rewrap)
    said = "every private key is encrypted under the secret in force already."
    if change.rewrapped:
        said = "the secrets before can go once every worker has the new one."
    return _answer(change, said)


def discard(side: Reading, issuing: Issuing) -> Answer:
    """Throw the private keys away that cannot be opened, and go on with a new one.

    For a SECRET_KEY that is lost: what it encrypted is of no use then. Sessions survive, and
    tokens already signed stay good until they end.
    """
    change = _change(side, issuing, KeyringFlows.discard)
    said = "every private key can be opened, so none was thrown away."
    if change.discarded:
        said = "sessions survive, and tokens already signed stay good until they end."
    return _answer(change, said)


def _change(side: Reading, issuing: Issuing, do: Do) -> KeysChange:
    flows = _ring(issuing)
    with told():
        before: Ring = issuing.run(flows.ring())
        issuing.run(do(flows))
        after: Ring = issuing.run(flows.ring())
    issuing.keys.look_again()
    return keys_change(flows, before, after, issuing, settings_of(side), now_of(side))


def _ring(issuing: Issuing) -> KeyringFlows:
    """The app's own keys, where they are kept in the store."""
    if issuing.keyring is None:
        label = issuing.settings.label("signing_key")
        raise Ended(
            f"{label} is set: the key that signs is given there, and none is kept in the store;"
            f" to change it put another key into {label}.",
            2,
        )
    return issuing.keyring


def _begins(change: KeysChange) -> str:
    """When the new key signs."""
    report = change.report
    for key in report.keys:
        if key.kid in change.added and key.state == "published" and key.until is not None:
            return f"it signs in {duration(key.until - report.now)}."
    return "it signs now."


def _answer(change: KeysChange, *said: str) -> Answer:
    return Answer(
        change.as_json(), lambda paint, width: change_lines(change, list(said), paint, width)
    )
