"""`flask session-claims routes`: what guards each route, as told and as it then answers."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest
from flask import Blueprint, Flask
from flask.views import MethodView, View

from flask_session_claims import BooleanClaim, claims_required, login_required, public

from ..flask_site import make_app
from .cli import report, run, words

ADMIN = claims_required(role="org:admin")


def view(**_: Any) -> dict[str, Any]:
    return {}


def fresh(*gates: Callable[..., Any]) -> Callable[..., Any]:
    """A view of its own, since gates leave marks, behind the gates, the innermost first."""

    def one() -> dict[str, Any]:
        return {}

    found: Callable[..., Any] = one
    for gate in gates:
        found = gate(found)
    return found


def other(inner: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(inner)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return inner(*args, **kwargs)

    return wrapper


class Half(MethodView):
    @login_required
    def get(self) -> dict[str, Any]:
        return {}

    def post(self) -> dict[str, Any]:
        return {}


class Whole(MethodView):
    decorators = [login_required]  # noqa: RUF012 (as Flask has it)

    def get(self) -> dict[str, Any]:
        return {}


class Single(View):
    @login_required
    def dispatch_request(self) -> dict[str, Any]:
        return {}


def build(config: dict[str, Any], **changes: Any) -> Flask:
    app = make_app(config, **changes)
    bare = fresh()
    login_required(bare)  # the decorators stand in the wrong order
    app.add_url_rule("/open", "open", fresh())
    app.add_url_rule("/gated", "gated", fresh(login_required), methods=["GET", "POST"])
    app.add_url_rule("/wrapped", "wrapped", fresh(login_required, other))
    app.add_url_rule("/misordered", "misordered", bare)
    app.add_url_rule("/public", "public", fresh(public))
    app.add_url_rule("/half", view_func=Half.as_view("half"))
    app.add_url_rule("/whole", view_func=Whole.as_view("whole"))
    app.add_url_rule("/single", view_func=Single.as_view("single"))
    outer, inner = Blueprint("outer", "outer"), Blueprint("inner", "inner")
    outer.before_request(ADMIN)
    inner.add_url_rule("/nested", "nested", fresh())
    outer.register_blueprint(inner)
    app.register_blueprint(outer)
    beside = Blueprint("beside", "beside")
    beside.add_url_rule("/beside", "beside", fresh())
    app.register_blueprint(beside)
    return app


def access(app: Flask, *args: str, code: int = 0) -> dict[str, str]:
    found = report(app, "routes", *args, code=code)["routes"]
    return {each["endpoint"]: each["access"] for each in found}


GUARDED = dict.fromkeys(
    ["gated", "wrapped", "misordered", "whole", "single", "outer.inner.nested"], "guarded"
)
LAX = {**GUARDED, "open": "open", "beside.beside": "open", "static": "open", "half": "open"}
EXPECTED = {
    "public": {**LAX, "public": "public"},
    "optional": {**LAX, "public": "public"},
    "required": {
        **GUARDED,
        "open": "required",
        "beside.beside": "required",
        "static": "required",
        "half": "guarded",
        "public": "public",
    },
}


@pytest.mark.parametrize("policy", EXPECTED)
def test_each_route_is_told_under_each_default_policy(config, policy):
    app = build(config, SESSION_CLAIMS_DEFAULT_POLICY=policy)
    assert access(app) == EXPECTED[policy]
    assert access(build(config), "--policy", policy) == EXPECTED[policy]


@pytest.mark.parametrize("policy", EXPECTED)
def test_what_is_told_is_what_a_stranger_meets(config, policy):
    app = build(config, SESSION_CLAIMS_DEFAULT_POLICY=policy)
    client = app.test_client()
    asked = 0
    for each in report(app, "routes")["routes"]:
        for method in each["methods"]:
            status = client.open(each["rule"].replace("<path:filename>", "x"), method=method)
            assert (status.status_code != 401) is (method in each["unprotected"]), each
            asked += 1
    assert asked == 24


def test_gates_are_told_with_their_place(config):
    found = {each["endpoint"]: each["gates"] for each in report(build(config), "routes")["routes"]}
    assert found["gated"] == [{"gate": "login_required", "where": "view"}]
    assert found["misordered"] == [{"gate": "login_required", "where": "hook"}]
    assert found["single"] == [{"gate": "login_required", "where": "class"}]
    assert found["outer.inner.nested"] == [
        {"gate": "claims_required(role='org:admin')", "where": "blueprint outer"}
    ]
    assert found["half"] == [
        {"gate": "login_required", "where": "method GET"},
        {"gate": "login_required", "where": "method HEAD"},
    ]
    assert found["open"] == found["beside.beside"] == []


def test_a_gate_over_the_whole_app_guards_every_route(config):
    app = build(config)
    app.before_request(login_required)
    assert set(access(app).values()) == {"guarded"}
    assert run(app, "routes", "--fail-on-unprotected").exit_code == 0


def is_adult(auth: Any) -> bool:
    return auth.is_authenticated


@pytest.mark.parametrize(
    ("gate", "text"),
    [
        (login_required(allow_actor=False), "login_required(allow_actor=False)"),
        (claims_required(permission="org:a:b"), "claims_required(permission='org:a:b')"),
        (claims_required(claims={"plan": "pro"}), "claims_required(claims={'plan': 'pro'})"),
        (claims_required(predicate=is_adult), "claims_required(predicate=is_adult)"),
        (
            claims_required(validators=[BooleanClaim("adult", is_adult).is_true()]),
            "claims_required(validators=[adult])",
        ),
        (login_required(validators=lambda usual: []), "login_required(validators=…)"),
        (
            claims_required(feature="x", reverification="strict", allow_actor=False),
            "claims_required(feature='x', reverification='strict', allow_actor=False)",
        ),
    ],
)
def test_a_gate_is_written_as_in_the_code(config, gate, text):
    app = make_app(config)
    app.add_url_rule("/", "home", gate(fresh()))
    assert text in words(run(app, "routes").output)


def test_open_routes_fail_only_where_asked(config):
    app = build(config)
    result = run(app, "routes")
    assert result.exit_code == 0
    assert "4 of 11 unprotected" in result.output
    failed = run(app, "routes", "--fail-on-unprotected")
    assert (failed.exit_code, failed.output) == (1, result.output)
    assert report(app, "routes", "--fail-on-unprotected", code=1)["unprotected"] == 4


def test_routes_that_are_named_may_stay_open(config):
    app = build(config)
    names = ["--allow", "static", "--allow", "ope*", "--allow", "beside.*"]
    assert report(app, "routes", "--fail-on-unprotected", *names, code=1)["unprotected"] == 1
    names += ["--allow", "half"]
    result = run(app, "routes", "--fail-on-unprotected", *names)
    assert result.exit_code == 0
    assert "none unprotected" in result.output
    assert "OPEN" not in result.output
    assert "allowed by --allow" in result.output


def test_a_name_that_allows_nothing_is_wrong_usage(config):
    result = run(build(config), "routes", "--fail-on-unprotected", "--allow", "statik")
    assert result.exit_code == 2
    assert result.output.splitlines()[-1] == "Error: --allow statik: there is no such endpoint."


def test_a_marked_route_under_a_guarded_blueprint_counts_as_guarded(config):
    app = make_app(config)
    blueprint = Blueprint("closed", "closed")
    blueprint.before_request(login_required)
    blueprint.add_url_rule("/marked", "marked", fresh(public))
    app.register_blueprint(blueprint)
    assert access(app)["closed.marked"] == "guarded"
    assert app.test_client().get("/marked").status_code == 401


def test_subdomains_odd_methods_and_rules_without_a_view_are_shown(config):
    app = Flask("site", subdomain_matching=True, static_folder=None)
    app.config.update(config)
    from flask_session_claims import SessionClaims

    SessionClaims(app)
    assert "no routes" in run(app, "routes").output
    app.add_url_rule("/x", "x", view, subdomain="api", methods=["PURGE", "OPTIONS", "PUT"])
    app.add_url_rule("/nowhere", "nowhere")
    found = report(app, "routes")["routes"]
    assert [(each["rule"], each["methods"]) for each in found] == [
        ("api/x", ["PUT", "OPTIONS", "PURGE"]),
        ("/nowhere", ["GET", "HEAD"]),
    ]
    assert run(app, "routes").exit_code == 0
