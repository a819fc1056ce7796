"""`flask session-claims keys …`: the keys at hand; and how the app's own are changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import click
from flask.cli import with_appcontext

from ...core.flow import Flow
from ...io.issuing import Issuing
from ...io.reports.issuer_texts import change_lines, own_keys_lines
from ...io.reports.keys import keys_report
from ...io.reports.layout import duration, quoted
from ...io.reports.own import now_of, settings_of
from ...io.reports.ring import KeysChange, keys_change, own_keys_report
from ...io.reports.texts import keys_lines
from ...sessions.keyring import MAX_AGE, KeyringFlows, Ring
from .failure import stop, told
from .output import as_json, own_issuing, reading, show, verdict_against

Do = Callable[[KeyringFlows], Flow[object]]


class _Keys(click.Group):
    """Without a name of a command it lists."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0].startswith("-") and args[0] not in ctx.help_option_names):
            args = ["list", *args]
        return super().parse_args(ctx, args)


@click.group("keys", cls=_Keys)
def keys() -> None:
    """Show the keys that verify tokens; rotate and remove the app's own.

    Without a command: list.
    """


@keys.command("list")
@click.option("--fetch", is_flag=True, help="Fetch the key set if it is not at hand.")
@as_json
@with_appcontext
def list_(fetch: bool, json_: bool) -> None:
    """Show the keys that verify tokens.

    A command is a process of its own: what a running server has cached is not seen here. Of the
    app's own keys it tells what each is for, since when and until when.

    Exits with 1 if the key set, or the store, cannot be had.
    """
    side = reading()
    if side.issuing is not None:
        with told():
            own = own_keys_report(side.issuing, settings_of(side), now_of(side))
        show(json_, own.as_json(), lambda paint, width: own_keys_lines(own, paint, width))
        return
    report = keys_report(side.verifier, fetch=fetch)
    show(json_, report.as_json(), lambda paint, width: keys_lines(report, paint, width))
    if report.problem is not None:
        verdict_against()


@keys.command("rotate")
@click.option("--at-once", is_flag=True, help="Let the new key sign now.")
@as_json
@with_appcontext
def rotate(at_once: bool, json_: bool) -> None:
    """Bring the next key: published now, signing when everybody can know it.

    With --at-once it signs now: others who verify the tokens meet a key that they have not
    fetched yet. Keys rotate by themselves; no timer needs this.
    """
    issuing, flows = _ring()
    change = _change(issuing, flows, lambda flows: flows.rotate(at_once=at_once))
    said = ["the next key is published already, and signs soon; --at-once brings one that signs."]
    if change.added:
        said = [_begins(change)]
    _tell(change, said, json_)


@keys.command("revoke", context_settings={"ignore_unknown_options": True})
@click.argument("kid")
@as_json
@with_appcontext
def revoke(kid: str, json_: bool) -> None:
    """Remove the key KID at once: tokens that it signed are refused within a second.

    Sessions survive: the next refresh gives a token under another key.

    Exits with 1 if there is no such key.
    """
    issuing, flows = _ring()
    change = _change(issuing, flows, lambda flows: flows.revoke(kid))
    if kid not in change.removed:
        there = ", ".join(key.kid for key in change.report.keys) or "none"
        raise stop(f"no key is named {quoted(kid)}; the keys are: {there}.", 1)
    _tell(change, [_REVOKED, f"others may keep the key set for {duration(MAX_AGE)}."], json_)


_REVOKED: Final = (
    "tokens that it signed are refused on every worker within a second; sessions survive, and get"
    " new tokens when they are refreshed."
)


@keys.command("rewrap")
@as_json
@with_appcontext
def rewrap(json_: bool) -> None:
    """Encrypt the private keys anew, under the secret in force.

    For a change of SECRET_KEY: the one before goes into SECRET_KEY_FALLBACKS, and may be taken out
    again after this.
    """
    issuing, flows = _ring()
    change = _change(issuing, flows, KeyringFlows.rewrap)
    said = ["every private key is encrypted under the secret in force already."]
    if change.rewrapped:
        said = ["the secrets before can go once every worker has the new one."]
    _tell(change, said, json_)


@keys.command("discard")
@as_json
@with_appcontext
def discard(json_: bool) -> None:
    """Throw the private keys away that cannot be opened, and go on with a new one.

    For a SECRET_KEY that is lost: what it encrypted is of no use then. Sessions survive, and
    tokens already signed stay good until they end.
    """
    issuing, flows = _ring()
    change = _change(issuing, flows, KeyringFlows.discard)
    said = ["every private key can be opened, so none was thrown away."]
    if change.discarded:
        said = ["sessions survive, and tokens already signed stay good until they end."]
    _tell(change, said, json_)


def _ring() -> tuple[Issuing, KeyringFlows]:
    """The app's own keys, where they are kept in the store."""
    issuing = own_issuing()
    if issuing.keyring is None:
        label = issuing.settings.label("signing_key")
        raise stop(
            f"{label} is set: the key that signs is given there, and none is kept in the store;"
            f" to change it put another key into {label}.",
            2,
        )
    return issuing, issuing.keyring


def _change(issuing: Issuing, flows: KeyringFlows, do: Do) -> KeysChange:
    side = reading()
    with told():
        before: Ring = issuing.run(flows.ring())
        issuing.run(do(flows))
        after: Ring = issuing.run(flows.ring())
    issuing.keys.look_again()
    return keys_change(flows, before, after, issuing, settings_of(side), now_of(side))


def _begins(change: KeysChange) -> str:
    """When the new key signs."""
    report = change.report
    for key in report.keys:
        if key.kid in change.added and key.state == "published" and key.until is not None:
            return f"it signs in {duration(key.until - report.now)}."
    return "it signs now."


def _tell(change: KeysChange, said: list[str], json_: bool) -> None:
    show(
        json_,
        change.as_json(),
        lambda paint, width: change_lines(change, said, paint, width),
    )
