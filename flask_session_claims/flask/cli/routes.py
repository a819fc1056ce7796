"""`flask session-claims routes`: what guards each rule of the app's URL map."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import click
from flask import Flask, current_app
from flask.cli import with_appcontext

from ...core.gate import Requirement
from ...core.policy import marks_of
from ...core.settings import GateSettings
from ...io.reports.commands.answers import Answer
from ...io.reports.routes import Placed, RouteReport, route_report
from ...io.reports.texts import route_lines
from .output import as_json, reading, show

if TYPE_CHECKING:
    from werkzeug.routing import Rule

_POLICIES = ("public", "optional", "required")


@click.command("routes")
@click.option("--fail-on-unprotected", is_flag=True, help="Exit with 1 if a route is open.")
@click.option(
    "--allow",
    metavar="ENDPOINT",
    multiple=True,
    help="A route that may stay open, such as static or 'docs.*'; give it once for each.",
)
@click.option(
    "--policy", type=click.Choice(_POLICIES), help="Look as if this were the default policy."
)
@as_json
@with_appcontext
def routes(
    fail_on_unprotected: bool, allow: tuple[str, ...], policy: str | None, json_: bool
) -> None:
    """Show what guards each route.

    guarded: by a gate on the view, its class, blueprint or app. required: by the default policy.
    public: marked @public. OPEN: nothing says who may come. What a view or a hook checks by itself
    is not seen here.
    """
    settings = reading().gates
    if policy is not None:
        settings = dataclasses.replace(settings, default_policy=policy)
    reports = routes_of(current_app, settings, allow)
    faults = [report for report in reports if report.is_fault]
    data: dict[str, Any] = {
        "policy": settings.default_policy,
        "unprotected": len(faults),
        "routes": [report.as_json() for report in reports],
    }
    answer = Answer(
        data,
        lambda paint, width: route_lines(reports, paint, width),
        1 if faults and fail_on_unprotected else 0,
    )
    show(json_, answer)


def routes_of(app: Flask, settings: GateSettings, allow: Collection[str]) -> list[RouteReport]:
    """The report on each rule, in the order of the rules."""
    rules = [rule for rule in app.url_map.iter_rules() if not rule.build_only]
    for pattern in allow:
        if not any(fnmatchcase(rule.endpoint, pattern) for rule in rules):
            raise click.UsageError(f"--allow {pattern}: there is no such endpoint.")
    return [_report(app, rule, settings, allow) for rule in rules]


def _report(app: Flask, rule: Rule, settings: GateSettings, allow: Collection[str]) -> RouteReport:
    endpoint = rule.endpoint
    view = app.view_functions.get(endpoint)
    kind = getattr(view, "view_class", None)
    methods = _methods(rule)
    around = [*_around(app, endpoint)]
    around += [
        Placed(r, "class") for r in marks_of(getattr(kind, "dispatch_request", None)).enforced
    ]
    get = getattr(kind, "get", None)
    return route_report(
        rule=f"{rule.host or rule.subdomain or ''}{rule.rule}",
        methods=methods,
        endpoint=endpoint,
        view=view,
        settings=settings,
        around=around,
        handlers={
            method: getattr(kind, method.lower(), get if method == "HEAD" else None)
            for method in methods
        },
        allowed=any(fnmatchcase(endpoint, pattern) for pattern in allow),
    )


def _methods(rule: Rule) -> list[str]:
    """The methods that run the view, the usual ones first."""
    usual = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
    held = set(rule.methods or ())
    if getattr(rule, "provide_automatic_options", False):
        held.discard("OPTIONS")
    return [*(m for m in usual if m in held), *sorted(held.difference(usual))]


def _around(app: Flask, endpoint: str) -> Iterable[Placed]:
    """The gates among the functions that run before the requests of an endpoint."""
    names: list[str | None] = [None]
    parent, _, _ = endpoint.rpartition(".")
    steps = parent.split(".") if parent else []
    names += [".".join(steps[: n + 1]) for n in range(len(steps))]
    for name in names:
        for hook in app.before_request_funcs.get(name, ()):
            requirement = getattr(hook, "requirement", None)
            if isinstance(requirement, Requirement):
                yield Placed(requirement, "app" if name is None else f"blueprint {name}")
