"""Where auth is read: templates, hooks, error pages, streams, blueprints in blueprints.

A response says that it depends on who asks exactly where something on its way has read auth.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from flask import (
    Blueprint,
    Flask,
    Response,
    after_this_request,
    current_app,
    g,
    render_template_string,
    stream_template_string,
    stream_with_context,
)

from flask_session_claims import (
    ConfigurationError,
    claims_required,
    current_auth,
    get_auth,
    login_required,
    public,
)

from ..flask_site import make_app, show, statuses

READS = "Hello {{ g.auth.user_id or 'stranger' }}"


@pytest.fixture
def app(config: dict[str, Any]) -> Flask:
    return make_app(config)


def varies(app: Flask, path: str, headers: dict[str, str]) -> tuple[bool, str | None]:
    """Whether the response varies by who asks, and its Cache-Control; never said twice."""
    reply = app.test_client().get(path, headers=headers)
    vary = reply.headers.getlist("Vary")
    assert len(vary) <= 1
    named = [name.strip() for name in ",".join(vary).split(",") if name]
    assert len(named) == len(set(named))
    assert ("Cookie" in named) is ("Authorization" in named)
    return "Cookie" in named, reply.headers.get("Cache-Control")


# --- templates ----------------------------------------------------------------------------


@pytest.mark.parametrize(("template", "signed_in", "signed_out"), [
    (READS, "Hello alice", "Hello stranger"),
    ("{% if g.auth.is_authenticated %}in{% else %}out{% endif %}", "in", "out"),
    ("{{ g.auth.session_claims.plan }}", "pro", ""),
    ("{{ g.auth.session_claims['plan'] }}", "pro", ""),
    ("{{ g.auth.session_claims.get('plan', 'none') }}", "pro", "none"),
    ("{{ g.auth.session_claims.nothing|default('-') }}", "-", "-"),
    ("{{ g.auth.session_claims.name }}", "&lt;b&gt;", ""),
    ("{{ g.auth.has(role='admin') }}", "False", "False"),
    ("{{ g.auth.reason }}", "None", "session-token-missing"),
    ("{% if 'auth' in g %}{{ g.get('auth').user_id }}{% endif %}", "alice", "None"),
    ("{% set auth = g.auth %}{% for part in [1, 2] %}{{ auth.user_id }}{% endfor %}",
     "alicealice", "NoneNone"),
    ("{% macro who() %}{{ g.auth.user_id }}{% endmacro %}{{ who() }}", "alice", "None"),
])  # fmt: skip
def test_a_template_reads_auth_by_g(app, issuer, template, signed_in, signed_out):
    app.add_url_rule("/page", "page", lambda: render_template_string(template))
    claims = {"azp": "https://app.example", "plan": "pro", "name": "<b>"}
    headers = {"Authorization": f"Bearer {issuer.mint('alice', **claims)}"}
    client = app.test_client()
    assert client.get("/page", headers=headers).text == signed_in
    assert client.get("/page").text == signed_out
    assert varies(app, "/page", headers) == (True, "private")
    assert varies(app, "/page", {}) == (True, None)


def test_a_template_that_reads_nothing_stays_the_same_for_everybody(app, alice):
    template = "{% if false %}{{ g.auth.user_id }}{% endif %}Hello {{ g.other }}"
    app.add_url_rule("/page", "page", lambda: render_template_string(template))
    for headers in (alice, {}):
        assert varies(app, "/page", headers) == (False, None)


def test_a_context_processor_of_the_app_can_give_auth_to_its_templates(app, alice):
    """Naming it is not reading it; what a template does with it is."""
    app.context_processor(lambda: {"auth": g.auth, "me": current_auth})
    templates = {"/reads": "{{ auth.user_id }}{{ me.user_id }}", "/open": "Hello"}
    for path, template in templates.items():
        app.add_url_rule(path, path[1:], lambda text=template: render_template_string(text))
    assert app.test_client().get("/reads", headers=alice).text == "alicealice"
    assert varies(app, "/reads", alice) == (True, "private")
    assert varies(app, "/open", alice) == (False, None)


def test_a_template_outside_a_request_finds_nobody_and_can_ask(app):
    with app.app_context():
        assert render_template_string("{{ 'auth' in g }} {{ g.get('auth') }}") == "False None"


# --- hooks, errors, streams ---------------------------------------------------------------


def look() -> None:
    _ = g.auth.is_authenticated


@pytest.mark.parametrize("place", ["before", "after", "after_this", "preprocessor", "context",
                                   "error", "blueprint", "blueprint_after"])  # fmt: skip
def test_reading_anywhere_on_the_way_counts(app, alice, place):
    pages = Blueprint("pages", "x")

    def view() -> str:
        if place == "after_this":
            after_this_request(lambda response: look() or response)
        if place == "error":
            raise LookupError
        return render_template_string("Hello")

    pages.add_url_rule("/page", "page", view)
    if place == "before":
        app.before_request(look)
    elif place == "after":
        app.after_request(lambda response: look() or response)
    elif place == "preprocessor":
        app.url_value_preprocessor(lambda endpoint, values: look())
    elif place == "context":
        app.context_processor(lambda: look() or {})
    elif place == "blueprint":
        pages.before_request(look)
    elif place == "blueprint_after":
        pages.after_request(lambda response: look() or response)
    app.register_error_handler(LookupError, lambda error: (look() or "sorry", 500))
    app.register_blueprint(pages)
    assert varies(app, "/page", alice) == (True, "private")
    assert varies(app, "/page", {}) == (True, None)


def test_an_error_page_that_reads_nothing_does_not_vary(app, alice):
    app.add_url_rule("/fails", "fails", lambda: 1 // 0)
    app.register_error_handler(500, lambda error: ("sorry", 500))
    app.register_error_handler(404, lambda error: ("not here", 404))
    for path in ("/fails", "/nowhere"):
        assert varies(app, path, alice) == (False, None)


def test_what_is_read_before_a_view_fails_is_told_on_the_error_page(app, alice):
    app.add_url_rule("/fails", "fails", lambda: 1 // len(g.auth.org_permissions))
    assert varies(app, "/fails", alice) == (True, "private")


@pytest.mark.parametrize("said", ["public, max-age=60", "no-store", "private, no-cache"])
def test_what_a_hook_says_of_caching_stands(app, alice, said):
    @app.after_request
    def caching(response: Response) -> Response:
        response.headers["Cache-Control"] = said
        response.vary.add("Accept-Encoding")
        return response

    show(app, "/page")
    app.add_url_rule("/open", "open", lambda: "ok")
    assert varies(app, "/page", alice) == (True, said)
    assert varies(app, "/open", alice) == (False, said)


@pytest.mark.parametrize("how", ["generator", "context", "template"])
def test_a_stream_varies_if_auth_was_read_before_it_began(app, alice, how):
    """Headers have gone when a stream is under way: read first, then stream."""

    @app.get("/stream")
    def stream() -> Any:
        user = g.auth.user_id
        if how == "template":
            return stream_template_string(
                "for {{ user }} by {{ current }}", user=user, current=user
            )
        if how == "context":
            return Response(
                stream_with_context(part for part in ("for ", get_auth().user_id or ""))
            )
        return Response(part for part in ("for ", user or ""))

    with app.test_client().get("/stream", headers=alice) as reply:
        assert reply.text.startswith("for alice")
    assert varies(app, "/stream", alice) == (True, "private")
    assert varies(app, "/stream", {}) == (True, None)


# --- blueprints ---------------------------------------------------------------------------


def nested(app: Flask, *gates: Any) -> list[str]:
    """Three blueprints, one in another, each with its gate (None: none); the paths inward."""
    made = [Blueprint(f"level{depth}", "x", url_prefix=f"/{depth}") for depth in range(len(gates))]
    for blueprint, gate in zip(made, gates, strict=True):
        if gate is not None:
            blueprint.before_request(gate)
        show(blueprint, "/page")
        show(blueprint, "/public", public)
    for outer, inner in reversed([*pairwise(made)]):
        outer.register_blueprint(inner)
    app.register_blueprint(made[0])
    prefixes = ["".join(f"/{depth}" for depth in range(end + 1)) for end in range(len(gates))]
    return [f"{prefix}/page" for prefix in prefixes]


ADMIN = claims_required(role="admin")


@pytest.mark.parametrize(("gates", "expected"), [
    ((None, None, None), [[200] * 3] * 3),
    ((login_required, None, None), [[401, 200, 200]] * 3),
    ((None, login_required, None), [[200] * 3, [401, 200, 200], [401, 200, 200]]),
    ((None, None, ADMIN), [[200] * 3, [200] * 3, [401, 403, 200]]),
    ((login_required, None, ADMIN), [[401, 200, 200], [401, 200, 200], [401, 403, 200]]),
    ((ADMIN, login_required, None), [[401, 403, 200]] * 3),
    ((login_required(allow_actor=False), None, None), [[401, 200, 200]] * 3),
], ids=str)  # fmt: skip
@pytest.mark.parametrize("policy", ["optional", "public"])
def test_the_gates_of_all_enclosing_blueprints_hold(config, alice, bob, policy, gates, expected):
    app = make_app(config, SESSION_CLAIMS_DEFAULT_POLICY=policy)
    paths = nested(app, *gates)
    assert [statuses(app, path, {}, alice, bob) for path in paths] == expected


def test_a_blueprints_gate_also_guards_what_is_public_by_policy(config, alice):
    """`@public` lifts the default policy; a gate that somebody wrote down stays."""
    app = make_app(config, SESSION_CLAIMS_DEFAULT_POLICY="required")
    for path, anonymous in zip(
        nested(app, None, login_required, None), (200, 401, 401), strict=True
    ):
        assert statuses(app, path, {}, alice) == [401, 200]
        assert statuses(app, path.replace("page", "public"), {}, alice) == [anonymous, 200]


def test_a_nested_blueprint_that_is_registered_twice_is_guarded_twice(app, alice):
    inner = Blueprint("inner", "x")
    inner.before_request(login_required)
    show(inner, "/page")
    for name in ("one", "two"):
        outer = Blueprint(name, "x", url_prefix=f"/{name}")
        outer.register_blueprint(inner, url_prefix="/inner")
        app.register_blueprint(outer)
        app.register_blueprint(inner, name=f"inner-{name}", url_prefix=f"/{name}-alone")
    for path in ("/one/inner/page", "/two/inner/page", "/one-alone/page", "/two-alone/page"):
        assert statuses(app, path, {}, alice) == [401, 200]


def test_a_nested_blueprint_has_its_own_page_for_who_is_not_signed_in(app):
    parent, child = (
        Blueprint("parent", "x", url_prefix="/p"),
        Blueprint("child", "x", url_prefix="/c"),
    )
    for blueprint in (parent, child):
        name = blueprint.name
        blueprint.register_error_handler(
            401, lambda error, name=name: (f"{name}: {error.error_code}", 401)
        )
    other = Blueprint("other", "x", url_prefix="/o")
    for blueprint in (parent, child, other):
        show(blueprint, "/page", login_required)
    parent.register_blueprint(child)
    parent.register_blueprint(other)
    app.register_blueprint(parent)
    texts = [app.test_client().get(path).text for path in ("/p/page", "/p/c/page", "/p/o/page")]
    code = "session-token-missing"
    assert texts == [f"parent: {code}", f"child: {code}", f"parent: {code}"]


def test_the_app_at_hand_in_a_template_is_the_one_that_serves(app, alice):
    app.add_url_rule("/page", "page", lambda: f"{current_app.name} {render_template_string(READS)}")
    assert app.test_client().get("/page", headers=alice).text == "site Hello alice"


def test_a_token_of_a_template_of_another_issuer_is_to_be_asked_for_there(app, alice):
    def view() -> Any:
        with pytest.raises(
            ConfigurationError, match=r"those of https://issuer\.example; ask there"
        ):
            g.auth.get_token("backend")
        return {"token": g.auth.get_token() is not None}

    app.add_url_rule("/token", "token", view)
    assert app.test_client().get("/token", headers=alice).json == {"token": True}
