"""`flask session-claims template …`: the templates of the app's own claims."""

from __future__ import annotations

import click
from flask.cli import with_appcontext

from ...io.reports.commands import editing, own_templates
from ...io.reports.commands.answers import help_of
from ...sessions.templates.typesof import TYPES
from .output import as_json, tell_own


@click.group("template", help=own_templates.TEMPLATES)
def template() -> None:
    pass


@template.command("show", help=help_of(own_templates.show))
@click.argument("name", required=False)
@click.option("--version", type=int, metavar="N", help=own_templates.VERSION)
@click.option("--text", is_flag=True, help=own_templates.TEXT)
@as_json
@with_appcontext
def show_(name: str | None, version: int | None, text: bool, json_: bool) -> None:
    tell_own(
        json_,
        lambda side, issuing: own_templates.show(side, issuing, name, version=version, text=text),
    )


@template.command("list", help=help_of(own_templates.listed))
@as_json
@with_appcontext
def list_(json_: bool) -> None:
    tell_own(json_, own_templates.listed)


@template.command("edit", help=help_of(editing.edit))
@click.argument("name", required=False)
@as_json
@with_appcontext
def edit(name: str | None, json_: bool) -> None:
    tell_own(json_, lambda side, issuing: editing.edit(side, issuing, name))


@template.command("save", help=help_of(own_templates.save))
@click.argument("file")
@click.option("--name", metavar="NAME", help=own_templates.NAME)
@click.option("--author", metavar="WHO", help=own_templates.AUTHOR)
@click.option("--lifetime", metavar="SECONDS", type=float, help=own_templates.LIFETIME)
@click.option("--skew", metavar="SECONDS", type=float, help=own_templates.SKEW)
@click.option("--audience", metavar="AUD", multiple=True, help=own_templates.AUDIENCE)
@click.option("--expected-version", metavar="N", type=int, help=own_templates.EXPECTED)
@as_json
@with_appcontext
def save(
    file: str,
    name: str | None,
    author: str | None,
    lifetime: float | None,
    skew: float | None,
    audience: tuple[str, ...],
    expected_version: int | None,
    json_: bool,
) -> None:
    tell_own(
        json_,
        lambda side, issuing: own_templates.save(
            side,
            issuing,
            file,
            name=name,
            author=author,
            lifetime=lifetime,
            skew=skew,
            audience=audience,
            expected_version=expected_version,
        ),
    )


@template.command("check", help=help_of(own_templates.check))
@click.argument("file")
@click.option("--name", metavar="NAME", help=own_templates.CHECK_NAME)
@click.option("--user", metavar="USER_ID", help=own_templates.USER)
@click.option("--org", metavar="ORG_ID", help=own_templates.ORGANIZATION)
@click.option("--code", metavar="PATH", multiple=True, help=own_templates.CODE)
@click.option("--also", metavar="CLAIM", multiple=True, help=own_templates.ALSO)
@as_json
@with_appcontext
def check(
    file: str,
    name: str | None,
    user: str | None,
    org: str | None,
    code: tuple[str, ...],
    also: tuple[str, ...],
    json_: bool,
) -> None:
    tell_own(
        json_,
        lambda side, issuing: own_templates.check(
            side, issuing, file, name=name, user=user, org=org, code=code, also=also
        ),
    )


@template.command("render", help=help_of(own_templates.render))
@click.argument("user")
@click.argument("name", required=False)
@click.option("--org", metavar="ORG_ID", help=own_templates.ORGANIZATION)
@as_json
@with_appcontext
def render(user: str, name: str | None, org: str | None, json_: bool) -> None:
    tell_own(json_, lambda side, issuing: own_templates.render(side, issuing, user, name, org=org))


@template.command("types", help=help_of(own_templates.types))
@click.argument("name", required=False)
@click.option("--python", is_flag=True, help=own_templates.FORMATS["python"])
@click.option("--typescript", is_flag=True, help=own_templates.FORMATS["typescript"])
@click.option("--jsonschema", is_flag=True, help=own_templates.FORMATS["jsonschema"])
@as_json
@with_appcontext
def types(name: str | None, json_: bool, **chosen: bool) -> None:
    formats = [each for each in TYPES if chosen[each]]
    tell_own(json_, lambda side, issuing: own_templates.types(side, issuing, name, formats=formats))


@template.command("delete", help=help_of(own_templates.delete))
@click.argument("name", required=False)
@click.option("--own", is_flag=True, help=own_templates.OWN)
@as_json
@with_appcontext
def delete(name: str | None, own: bool, json_: bool) -> None:
    tell_own(json_, lambda side, issuing: own_templates.delete(side, issuing, name, own=own))
