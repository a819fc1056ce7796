"""`g.auth` is who makes the request at hand, and nothing is kept on `g`."""

from __future__ import annotations

import copy
import gc
import threading
import weakref
from typing import Any

import click
import pytest
from flask import (
    Flask,
    Response,
    copy_current_request_context,
    current_app,
    g,
    render_template_string,
    request,
    stream_with_context,
)
from flask.ctx import _AppCtxGlobals

from flask_session_claims import (
    RequestAuth,
    SessionClaims,
    current_auth,
    get_auth,
    login_required,
)
from flask_session_claims.testing import LocalIssuer, auth_as, shared_key

from ..flask_site import make_app, show, with_me

OUTSIDE = "g.auth: no request of this app is at hand"


@pytest.fixture
def app(config: dict[str, Any]) -> Flask:
    return with_me(config)


@pytest.fixture
def other() -> Flask:
    """Another app, of another issuer."""
    issuer = LocalIssuer("https://other.example", key=shared_key("ES256", 2))
    app = Flask("other")
    SessionClaims(app, issuer=issuer.issuer, jwks=issuer.jwks())
    show(app, "/me")
    return app


# --- outside a request --------------------------------------------------------------------


def asked_outside(app: Flask) -> None:
    """`g.auth` within an app context without a request."""
    assert not hasattr(g, "auth")
    assert ("auth" in g, g.get("auth"), g.get("auth", 3)) == (False, None, 3)
    assert getattr(g, "auth", 4) == 4
    with pytest.raises(AttributeError, match=OUTSIDE):
        _ = g.auth
    assert list(g) == []


def test_outside_a_request_nobody_is_there_and_it_says_why(app):
    with app.app_context():
        asked_outside(app)
        assert get_auth(default=None) is None


def test_outside_an_app_it_is_flasks_own_error(app):
    with pytest.raises(RuntimeError, match="application context"):
        _ = g.auth


def test_in_a_command_there_is_nobody(app):
    @app.cli.command("look")
    def look() -> None:
        asked_outside(current_app)
        click.echo("nobody")

    done = app.test_cli_runner().invoke(args=["look"])
    assert (done.exit_code, done.output) == (0, "nobody\n")


def test_in_a_shell_there_is_nobody_and_a_test_request_brings_somebody(app, alice):
    with app.app_context():  # what `flask shell` runs in
        assert app.make_shell_context()["g"].get("auth") is None
        with app.test_request_context(headers=alice):
            assert g.auth.user_id == "alice"
        asked_outside(app)


def test_other_names_on_g_are_what_they_were(app):
    with app.app_context():
        g.name = 1
        assert ("name" in g, g.get("name"), g.pop("name"), "name" in g) == (True, 1, 1, False)
        assert (g.get("other"), g.setdefault("other", 2), list(g)) == (None, 2, ["other"])
        with pytest.raises(AttributeError, match="nothing"):
            _ = g.nothing
        assert isinstance(g._get_current_object(), _AppCtxGlobals)


def test_an_apps_own_class_for_g_is_built_upon(config, alice):
    class Own(_AppCtxGlobals):
        @property
        def who(self) -> str:
            return f"<{self.auth.user_id}>"

        def get(self, name: str, default: Any = None) -> Any:
            return name if name == "mirror" else super().get(name, default)

    app = Flask("site")
    app.app_ctx_globals_class = Own
    app.config.update(config)
    SessionClaims(app)
    app.add_url_rule("/who", "who", lambda: g.who + g.get("mirror"))
    assert app.test_client().get("/who", headers=alice).text == "<alice>mirror"
    with app.app_context():
        asked_outside(app)
        assert (g.get("other"), g.get("mirror"), isinstance(g, Own)) == (None, "mirror", True)


def test_a_context_pushed_before_init_app_has_it_too(config, alice):
    app = Flask("site")
    app.config.update(config)
    with app.app_context():
        g.kept = 1
        SessionClaims(app)
        assert (g.kept, list(g)) == (1, ["kept"])
        show(app, "/me")
        with pytest.raises(AttributeError, match=OUTSIDE):
            _ = g.auth
        assert app.test_client().get("/me", headers=alice).json["user"] == "alice"


# --- in a request -------------------------------------------------------------------------


def test_it_is_one_object_for_a_request_and_another_for_the_next(app, alice, bob):
    kept: list[Any] = []
    app.before_request(lambda: kept.append(g.auth))
    app.add_url_rule("/same", "same", lambda: str(g.auth is kept[-1] and "auth" in g))
    for headers in (alice, bob):
        assert app.test_client().get("/same", headers=headers).text == "True"
    assert kept[0] is not kept[1]
    assert [type(each).__mro__[1] for each in kept] == [RequestAuth] * 2
    # One that was kept stays that of its own request.
    assert [each.user_id for each in kept] == ["alice", "bob"]


def test_naming_it_is_not_reading_it(app, alice):
    @app.get("/named")
    def named() -> str:
        named = g.auth, "auth" in g, hasattr(g, "auth"), repr(g.auth), g.get("auth")
        return str(len(named))

    reply = app.test_client().get("/named", headers=alice)
    assert (reply.text, reply.headers.get("Vary"), reply.headers.get("Cache-Control")) == (
        "5", None, None
    )  # fmt: skip


def test_what_an_app_puts_there_is_seen_by_no_gate(app, alice, config):
    """`g` is the app's to write on; who is signed in is not decided there."""

    def put() -> None:
        g.auth = type("Anybody", (), {"is_authenticated": True, "user_id": "mallory"})()

    app.before_request(put)
    show(app, "/member", login_required)
    app.add_url_rule("/plain", "plain", lambda: {"user": get_auth().user_id})
    client = app.test_client()
    assert client.get("/member").status_code == 401
    assert client.get("/plain").json == {"user": None}
    assert client.get("/plain", headers=alice).json == {"user": "alice"}
    with app.app_context():
        asked_outside(app)


def test_a_pushed_app_context_is_not_marked_by_the_requests_in_it(app, alice, bob):
    with app.app_context():
        for headers, user in ((alice, "alice"), ({}, None), (bob, "bob")):
            assert app.test_client().get("/me", headers=headers).json["user"] == user
            asked_outside(app)


def test_contexts_pushed_inside_a_view_see_the_request_or_nobody(app, other, alice):
    """Of its own app: the request that it is pushed in, if Flask has two contexts; else nobody."""
    seen: list[Any] = []

    @app.get("/push")
    def push() -> str:
        with app.app_context():
            seen.append(g.get("auth") is None or g.auth.user_id == "alice")
        with other.app_context():
            seen.append(("auth" in g, g.get("auth"), hasattr(g, "auth")))
            with pytest.raises(AttributeError, match=OUTSIDE):
                _ = g.auth
        seen.append(g.auth.user_id)
        return "ok"

    assert app.test_client().get("/push", headers=alice).text == "ok"
    assert seen == [True, (False, None, False), "alice"]


def test_a_request_of_another_app_inside_a_view_has_that_apps_auth(app, other, alice):
    @app.get("/nested")
    def nested() -> dict[str, Any]:
        with other.test_request_context("/me", headers=alice):
            inner = g.auth.reason, get_auth().reason
        through = other.test_client().get("/me", headers=alice).json
        return {"inner": inner, "through": through["user"], "outer": g.auth.user_id}

    reply = app.test_client().get("/nested", headers=alice)
    assert reply.json == {"inner": ["jwk-kid-mismatch"] * 2, "through": None, "outer": "alice"}


def test_requests_in_requests_each_have_their_own(app, alice, bob):
    @app.get("/deep/<int:left>")
    def deep(left: int) -> dict[str, Any]:
        before = g.auth.user_id
        inner = None
        if left:
            with current_app.test_client() as client:
                inner = client.get(f"/deep/{left - 1}", headers=bob if left % 2 else alice).json
        return {"seen": [before, g.auth.user_id, current_auth.user_id], "inner": inner}

    reply = app.test_client().get("/deep/3", headers=alice).json
    for user in ("alice", "bob", "alice", "bob"):
        assert reply["seen"] == [user] * 3
        reply = reply["inner"]


def test_it_is_there_in_every_hook_until_the_end(app, alice):
    seen: list[Any] = []

    def note(*args: Any) -> Any:
        seen.append(g.auth.user_id)
        return args[0] if args and isinstance(args[0], Response) else None

    app.before_request(note)
    app.after_request(note)
    app.teardown_request(note)
    app.url_value_preprocessor(note)
    assert app.test_client().get("/me", headers=alice).status_code == 200
    assert seen == ["alice"] * 4


def test_at_the_end_of_the_app_context_it_is_the_request_or_nobody(app, alice):
    seen: list[Any] = []
    app.teardown_appcontext(lambda error: seen.append(getattr(g.get("auth"), "user_id", None)))
    assert app.test_client().get("/me", headers=alice).status_code == 200
    assert seen in ([None], ["alice"])
    with app.app_context():
        pass
    assert seen[1:] == [None]


@pytest.mark.parametrize("fails", [False, True])
def test_errors_on_the_way_change_nothing(app, alice, fails):
    app.add_url_rule("/fails", "fails", lambda: 1 // 0)
    app.register_error_handler(ZeroDivisionError, lambda error: (g.auth.user_id, 500))
    app.register_error_handler(404, lambda error: (str(g.auth.user_id), 404))
    reply = app.test_client().get("/fails" if fails else "/nowhere", headers=alice)
    assert (reply.status_code, reply.text) == (500 if fails else 404, "alice")


def test_streams_read_it_while_the_request_lasts(app, alice):
    @app.get("/stream")
    def stream() -> Any:
        user = g.auth.user_id

        @stream_with_context
        def parts() -> Any:
            yield f"{user} "
            yield f"{request.path} {current_auth.user_id} {get_auth().user_id} {g.auth.user_id}"

        return parts()

    reply = app.test_client().get("/stream", headers=alice)
    assert reply.text == "alice /stream alice alice alice"
    assert reply.headers["Cache-Control"] == "private"


def test_first_read_while_streaming_is_right_but_comes_after_the_headers(app, alice):
    @app.get("/late")
    def late() -> Any:
        @stream_with_context
        def parts() -> Any:
            yield "for "
            yield current_auth.user_id

        return parts()

    reply = app.test_client().get("/late", headers=alice)
    assert (reply.text, reply.headers.get("Vary")) == ("for alice", None)


def test_threads_have_it_in_a_copied_context_and_not_else(app, alice):
    @app.get("/thread")
    def page() -> dict[str, Any]:
        seen: list[Any] = []

        def bare() -> None:
            with app.app_context():
                seen.append(g.get("auth"))

        copied = copy_current_request_context(lambda: seen.append(g.auth.user_id))
        for work in (bare, copied):
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
        return {"seen": seen, "here": g.auth.user_id}

    reply = app.test_client().get("/thread", headers=alice)
    assert reply.json == {"seen": [None, "alice"], "here": "alice"}


def test_a_copy_of_it_is_plain_data_that_outlives_the_request(app, alice):
    kept: list[Any] = []
    app.add_url_rule("/copy", "copy", lambda: kept.append(copy.copy(g.auth)) or "ok")
    app.test_client().get("/copy", headers=alice)
    assert (kept[0].user_id, type(kept[0]).__name__) == ("alice", "Auth")


def test_nothing_of_a_request_is_kept_alive(app, alice):
    """Reference counting alone is enough: no cycle waits for the garbage collector."""
    gone: list[Any] = []

    @app.get("/kept")
    def kept() -> str:
        gone.append(weakref.ref(request._get_current_object()))
        return str(g.auth.user_id)

    app.test_client().get("/kept", headers=alice)  # the first one warms caches
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            app.test_client().get("/kept", headers=alice).close()
        alive = [reference() is not None for reference in gone[1:]]
    finally:
        gc.enable()
    assert alive == [False] * 3


def test_many_requests_at_once_in_one_pushed_context_do_not_meet(app, issuer):
    seen: dict[str, set[Any]] = {}
    start = threading.Barrier(6)
    context = app.app_context()

    def ask(user: str) -> None:
        headers = {"Authorization": f"Bearer {issuer.mint(user, azp='https://app.example')}"}
        start.wait(10)
        with app.app_context():
            client = app.test_client()
            seen[user] = {client.get("/me", headers=headers).json["user"] for _ in range(20)}

    with context:
        threads = [threading.Thread(target=ask, args=(f"user_{n}",)) for n in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert seen == {f"user_{n}": {f"user_{n}"} for n in range(6)}


def test_auth_as_is_on_g(app):
    with auth_as("ada"):
        assert app.test_client().get("/me").json["user"] == "ada"
        with app.app_context():
            asked_outside(app)


# --- templates ----------------------------------------------------------------------------


@pytest.mark.parametrize(("template", "signed_in", "signed_out"), [
    ("{{ auth.user_id }}", "alice", "None"),
    ("{% if auth.is_authenticated %}in{% else %}out{% endif %}", "in", "out"),
    ("{% if auth %}always{% endif %}", "always", "always"),
    ("{{ auth.has(role='admin') }}", "False", "False"),
    ("{{ auth.session_claims.get('plan', '-') }}", "-", "-"),
    ("{{ auth.user_id == g.auth.user_id }}", "True", "True"),
    ("{% macro who() %}{{ auth.user_id }}{% endmacro %}{{ who() }}", "alice", "None"),
    ("{% set auth = 'mine' %}{{ auth }}", "mine", "mine"),
])  # fmt: skip
def test_every_template_has_auth(app, alice, template, signed_in, signed_out):
    app.add_url_rule("/page", "page", lambda: render_template_string(template))
    client = app.test_client()
    assert client.get("/page", headers=alice).text == signed_in
    assert client.get("/page").text == signed_out


def test_a_template_that_does_not_use_it_stays_cacheable(app, alice):
    app.add_url_rule("/page", "page", lambda: render_template_string("Hello {{ 1 + 1 }}"))
    app.add_url_rule("/used", "used", lambda: render_template_string("{{ auth.user_id }}"))
    client = app.test_client()
    assert "Vary" not in client.get("/page", headers=alice).headers
    used = client.get("/used", headers=alice)
    assert (used.headers["Vary"], used.headers["Cache-Control"]) == (
        "Authorization, Cookie",
        "private",
    )


def test_what_the_app_calls_auth_itself_wins(config, alice):
    app = make_app(config)
    app.context_processor(lambda: {"auth": "ours"})
    app.add_url_rule("/page", "page", lambda: render_template_string("{{ auth }}"))
    app.add_url_rule("/given", "given", lambda: render_template_string("{{ auth }}", auth="given"))
    client = app.test_client()
    assert client.get("/page", headers=alice).text == "ours"
    assert client.get("/given", headers=alice).text == "given"


def test_a_template_outside_a_request_can_be_rendered_if_it_does_not_ask(app):
    with app.app_context():
        assert render_template_string("Dear {{ name }}", name="Ada") == "Dear Ada"
        with pytest.raises(RuntimeError, match="outside a request"):
            render_template_string("{{ auth.user_id }}")
