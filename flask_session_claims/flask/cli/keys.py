"""`flask session-claims keys …`: the keys at hand; and how the app's own are changed."""

from __future__ import annotations

import click
from flask.cli import with_appcontext

from ...io.reports.commands import look, options, own_keys
from ...io.reports.commands.answers import help_of
from .output import as_json, tell, tell_own


class _Keys(click.Group):
    """Without a name of a command it lists."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0].startswith("-") and args[0] not in ctx.help_option_names):
            args = ["list", *args]
        return super().parse_args(ctx, args)


@click.group("keys", cls=_Keys, help=options.KEYS)
def keys() -> None:
    pass


@keys.command("list", help=help_of(look.keys_list))
@click.option("--fetch", is_flag=True, help=options.FETCH)
@as_json
@with_appcontext
def list_(fetch: bool, json_: bool) -> None:
    tell(json_, lambda side: look.keys_list(side, fetch=fetch))


@keys.command("rotate", help=help_of(own_keys.rotate))
@click.option("--at-once", is_flag=True, help=options.AT_ONCE)
@as_json
@with_appcontext
def rotate(at_once: bool, json_: bool) -> None:
    tell_own(json_, lambda side, issuing: own_keys.rotate(side, issuing, at_once=at_once))


# A kid may begin with -.
@keys.command(
    "revoke", help=help_of(own_keys.revoke), context_settings={"ignore_unknown_options": True}
)
@click.argument("kid")
@as_json
@with_appcontext
def revoke(kid: str, json_: bool) -> None:
    tell_own(json_, lambda side, issuing: own_keys.revoke(side, issuing, kid))


@keys.command("rewrap", help=help_of(own_keys.rewrap))
@as_json
@with_appcontext
def rewrap(json_: bool) -> None:
    tell_own(json_, own_keys.rewrap)


@keys.command("discard", help=help_of(own_keys.discard))
@as_json
@with_appcontext
def discard(json_: bool) -> None:
    tell_own(json_, own_keys.discard)
