"""`manage.py session_claims …`: the commands of `io.reports.commands`, parsed and printed.

Exit codes: 0 ok; 1 a verdict against; 2 the command or the configuration is wrong.
"""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from flask_session_claims.io.reports.commands import (
    given,
    look,
    options,
    own_keys,
    own_sessions,
    own_templates,
)
from flask_session_claims.io.reports.commands.answers import Answer, Ended, told
from flask_session_claims.io.reports.commands.terminal import (
    ansi,
    as_text,
    is_plain,
    plain,
    spelled,
    width,
)
from flask_session_claims.io.reports.config import SettingReport

from ... import conf
from ...issuing import issuing_of
from ..parsing import Commands, add, add_group, commands_of, session_id
from ..side import reading_side
from ..templates import add_templates


class Command(BaseCommand):
    """`flask session-claims` for Django, without `routes`."""

    help = options.ALL
    #: Commands are the cure of what the checks complain of.
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        commands = commands_of(parser)
        token = add(
            commands, "inspect", look.inspect, lambda s, o: look.inspect(s, given.token(o["token"]))
        )
        token.add_argument("token", nargs="*", metavar="TOKEN")
        _ = add(commands, "config", look.config, lambda s, o: look.config(s, _place))
        _ = add(commands, "doctor", look.doctor, lambda s, o: look.doctor(s))
        _add_keys(add_group(commands, "keys", options.KEYS, unnamed="list"))
        _add_sessions(add_group(commands, "sessions", options.SESSIONS))
        add_templates(add_group(commands, "template", own_templates.TEMPLATES))
        sid = add(
            commands,
            "explain",
            own_sessions.explain,
            lambda s, o: own_sessions.explain(s, issuing_of(s), o["session_id"]),
        )
        sid.add_argument("session_id", metavar="SID", type=session_id)
        sid = add(
            commands,
            "mint",
            own_sessions.mint,
            lambda s, o: own_sessions.mint(
                s, issuing_of(s), o["session_id"], lifetime=o["lifetime"]
            ),
        )
        sid.add_argument("session_id", metavar="SID", type=session_id)
        sid.add_argument("--lifetime", metavar="SECONDS", type=float, help=options.LIFETIME)
        _ = add(
            commands, "prune", own_sessions.prune, lambda s, o: own_sessions.prune(s, issuing_of(s))
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with told(), reading_side() as side:
                answer: Answer = options["run"](side, options)
        except Ended as error:
            raise CommandError(error.message, returncode=error.exit_code) from None
        if options["json"]:
            self.stdout.write(as_text(answer.data))
        else:
            self._write(answer, options["force_color"])
        if answer.exit_code:
            sys.exit(answer.exit_code)

    def _write(self, answer: Answer, force_color: bool) -> None:
        is_seen = self.stdout.isatty()
        # Django has an opinion on colours too: --no-color, DJANGO_COLORS, what the terminal can.
        has_colours = self.style.ERROR("x") != "x" and not is_plain()
        paint = ansi if force_color or (is_seen and has_colours) else plain
        encoding = getattr(self.stdout, "encoding", None)
        for line in answer.lines(paint, width(is_seen)):
            self.stdout.write(spelled(line, encoding))


def _add_keys(keys: Commands) -> None:
    listed = add(keys, "list", look.keys_list, lambda s, o: look.keys_list(s, fetch=o["fetch"]))
    listed.add_argument("--fetch", action="store_true", help=options.FETCH)
    rotate = add(
        keys,
        "rotate",
        own_keys.rotate,
        lambda s, o: own_keys.rotate(s, issuing_of(s), at_once=o["at_once"]),
    )
    rotate.add_argument("--at-once", action="store_true", help=options.AT_ONCE)
    revoke = add(
        keys, "revoke", own_keys.revoke, lambda s, o: own_keys.revoke(s, issuing_of(s), o["kid"])
    )
    revoke.add_argument("kid", metavar="KID")
    revoke.takes_kid = True
    _ = add(keys, "rewrap", own_keys.rewrap, lambda s, o: own_keys.rewrap(s, issuing_of(s)))
    _ = add(keys, "discard", own_keys.discard, lambda s, o: own_keys.discard(s, issuing_of(s)))


def _add_sessions(sessions: Commands) -> None:
    listed = add(
        sessions,
        "list",
        own_sessions.listed,
        lambda s, o: own_sessions.listed(s, issuing_of(s), given.one_user(o["user_id"], o["user"])),
    )
    listed.add_argument("user_id", nargs="?", metavar="USER_ID")
    listed.add_argument("--user", metavar="USER_ID", help=options.ONE_USER)
    shown = add(
        sessions,
        "show",
        own_sessions.shown,
        lambda s, o: own_sessions.shown(s, issuing_of(s), o["session_id"]),
    )
    shown.add_argument("session_id", metavar="SID", type=session_id)
    revoke = add(
        sessions,
        "revoke",
        own_sessions.revoke,
        lambda s, o: own_sessions.revoke(
            s, issuing_of(s), o["session_id"], user=o["user"], keep=o["keep"]
        ),
    )
    revoke.add_argument("session_id", nargs="?", metavar="SID", type=session_id)
    revoke.add_argument("--user", metavar="USER_ID", help=options.USERS_ALL)
    revoke.add_argument("--keep", metavar="SID", type=session_id, help=options.KEEP)


def _place(setting: SettingReport) -> str:
    if setting.source == "config":
        return f"settings.{conf.SETTING}"
    return "default" if setting.source == "default" else f"environment {setting.found_as or ''}"
