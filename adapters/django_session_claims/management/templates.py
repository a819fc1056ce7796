"""`manage.py session_claims template …`: how its commands are parsed."""

from __future__ import annotations

from flask_session_claims.io.reports.commands import editing, own_templates
from flask_session_claims.sessions.templates.typesof import TYPES

from ..issuing import issuing_of
from .parsing import Commands, add


def add_templates(commands: Commands) -> None:
    """Add the commands on templates below their group."""
    show = add(
        commands,
        "show",
        own_templates.show,
        lambda s, o: own_templates.show(
            s, issuing_of(s), o["name"], version=o["number"], text=o["text"]
        ),
    )
    show.add_argument("name", nargs="?", metavar="NAME")
    show.add_argument("--version", dest="number", type=int, metavar="N", help=own_templates.VERSION)
    show.add_argument("--text", action="store_true", help=own_templates.TEXT)
    _ = add(
        commands,
        "list",
        own_templates.listed,
        lambda s, o: own_templates.listed(s, issuing_of(s)),
    )
    edit = add(
        commands, "edit", editing.edit, lambda s, o: editing.edit(s, issuing_of(s), o["name"])
    )
    edit.add_argument("name", nargs="?", metavar="NAME")
    _add_save(commands)
    _add_check(commands)
    render = add(
        commands,
        "render",
        own_templates.render,
        lambda s, o: own_templates.render(s, issuing_of(s), o["user"], o["name"], org=o["org"]),
    )
    render.add_argument("user", metavar="USER")
    render.add_argument("name", nargs="?", metavar="NAME")
    render.add_argument("--org", metavar="ORG_ID", help=own_templates.ORGANIZATION)
    types = add(
        commands,
        "types",
        own_templates.types,
        lambda s, o: own_templates.types(
            s, issuing_of(s), o["name"], formats=[each for each in TYPES if o[each]]
        ),
    )
    types.add_argument("name", nargs="?", metavar="NAME")
    for each, text in own_templates.FORMATS.items():
        types.add_argument(f"--{each}", action="store_true", help=text)
    delete = add(
        commands,
        "delete",
        own_templates.delete,
        lambda s, o: own_templates.delete(s, issuing_of(s), o["name"], own=o["own"]),
    )
    delete.add_argument("name", nargs="?", metavar="NAME")
    delete.add_argument("--own", action="store_true", help=own_templates.OWN)


def _add_save(commands: Commands) -> None:
    save = add(
        commands,
        "save",
        own_templates.save,
        lambda s, o: own_templates.save(
            s,
            issuing_of(s),
            o["file"],
            name=o["name"],
            author=o["author"],
            lifetime=o["lifetime"],
            skew=o["skew"],
            audience=o["audience"],
            expected_version=o["expected_version"],
        ),
    )
    save.add_argument("file", metavar="FILE")
    save.add_argument("--name", metavar="NAME", help=own_templates.NAME)
    save.add_argument("--author", metavar="WHO", help=own_templates.AUTHOR)
    save.add_argument("--lifetime", metavar="SECONDS", type=float, help=own_templates.LIFETIME)
    save.add_argument("--skew", metavar="SECONDS", type=float, help=own_templates.SKEW)
    save.add_argument("--audience", metavar="AUD", action="append", help=own_templates.AUDIENCE)
    save.add_argument("--expected-version", metavar="N", type=int, help=own_templates.EXPECTED)


def _add_check(commands: Commands) -> None:
    check = add(
        commands,
        "check",
        own_templates.check,
        lambda s, o: own_templates.check(
            s,
            issuing_of(s),
            o["file"],
            name=o["name"],
            user=o["user"],
            org=o["org"],
            code=o["code"] or (),
            also=o["also"] or (),
        ),
    )
    check.add_argument("file", metavar="FILE")
    check.add_argument("--name", metavar="NAME", help=own_templates.CHECK_NAME)
    check.add_argument("--user", metavar="USER_ID", help=own_templates.USER)
    check.add_argument("--org", metavar="ORG_ID", help=own_templates.ORGANIZATION)
    check.add_argument("--code", metavar="PATH", action="append", help=own_templates.CODE)
    check.add_argument("--also", metavar="CLAIM", action="append", help=own_templates.ALSO)
