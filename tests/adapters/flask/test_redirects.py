"""Back to where the gate sent somebody away from, and nowhere else."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, quote, urljoin, urlsplit

import pytest
from flask import Flask, redirect, request, url_for

from flask_session_claims import ConfigurationError, login_required
from flask_session_claims.core.gate import sign_in_location
from flask_session_claims.flask.redirects import is_safe_redirect, redirect_target

from ..flask_site import APP, NAVIGATE, make_app, show

EVIL = "https://evil.example"
AWAY = [
    EVIL, "//evil.example", "/\\evil.example", "///evil.example", "/\t/evil.example",
    "\\\\evil.example", "https:evil.example", "/%09/evil.example", "/%2f/evil.example",
    "/%5cevil.example", "/..//evil.example", f"{APP}@evil.example", f"{APP}.evil.example",
    f"{APP}:8443/", "javascript:1", "", " ", "a", "?x", "#x", "http://localhost/",
    f"{APP}//evil.example", "/" + "a" * 2048, "/a\r\nSet-Cookie: a=b", "\ud800",
]  # fmt: skip
HERE = ["/", "/page", "/page?a=1&b=2#c", "/caf%C3%A9", "/café", "/a%20b", APP, f"{APP}/page"]


def site(config: dict[str, Any], **changes: Any) -> Flask:
    """An app with the sign-in view of the documentation."""
    app = make_app(config, SESSION_CLAIMS_SIGN_IN_URL="/sign-in", **changes)

    @app.route("/sign-in", methods=["GET", "POST"])
    def sign_in() -> Any:
        return redirect(redirect_target("/welcome"))

    return app


@pytest.fixture
def app(config: dict[str, Any]) -> Flask:
    return site(config)


@pytest.mark.parametrize("by", ["query", "form"])
def test_a_sign_in_view_goes_only_where_it_may(app, by):
    client = app.test_client()
    for target in HERE + AWAY:
        if by == "query":
            reply = client.get(
                "/sign-in?redirect_url=" + quote(target, safe="", errors="surrogatepass")
            )
        elif target == "\ud800":  # a form cannot carry it
            continue
        else:
            reply = client.post("/sign-in", data={"redirect_url": target})
        assert reply.status_code == 302
        expected = urljoin("/", quote(target, safe="/:?=&#%")) if target in HERE else "/welcome"
        assert reply.location == expected, target
        went = urlsplit(urljoin("http://localhost/sign-in", reply.location))
        assert f"{went.scheme}://{went.netloc}" in ("http://localhost", APP)


def test_without_a_target_the_default_is_taken(app):
    for reply in (app.test_client().get("/sign-in"), app.test_client().post("/sign-in")):
        assert reply.location == "/welcome"
    with app.test_request_context("/sign-in"):
        assert redirect_target() == "/"


def test_of_two_targets_the_one_that_was_looked_at_is_taken(app):
    for first, second, taken in [("/a", EVIL, "/a"), (EVIL, "/a", "/welcome")]:
        query = f"?redirect_url={quote(first)}&redirect_url={quote(second)}"
        assert app.test_client().get("/sign-in" + query).location == taken
        reply = app.test_client().post(
            f"/sign-in?redirect_url={quote(first)}", data={"redirect_url": second}
        )
        assert reply.location == taken


def test_the_parameter_has_the_name_that_the_gate_writes(config):
    app = site(config, SESSION_CLAIMS_REDIRECT_PARAM="next")
    client = app.test_client()
    assert client.get("/sign-in?next=/a&redirect_url=/b").location == "/a"
    assert client.get("/sign-in?redirect_url=/b").location == "/welcome"


@pytest.mark.parametrize("path", [
    "/page", "/page?a=1&b=%2F%2Fevil.example", "/caf%C3%A9?q=%E2%82%AC", "/a%20b?x=a+b",
    "/page?redirect_url=/other", "/p%25",
])  # fmt: skip
def test_what_a_gate_notes_is_where_one_comes_back_to(app, path):
    app.add_url_rule("/<path:any>", "any", login_required(lambda any: "ok"))
    sent_to = app.test_client().get(path, headers=NAVIGATE).location
    assert sent_to.startswith("/sign-in?redirect_url=%2F")
    assert app.test_client().get(sent_to).location == path


def test_a_gate_notes_only_what_can_be_come_back_to(app):
    """Whatever a client asks for, what the gate writes about it leads nowhere else."""
    for target in [*HERE, *AWAY]:
        if target == "\ud800":  # no server hands on what is no byte
            continue
        noted = parse_qs(urlsplit(sign_in_location("/sign-in", "redirect_url", target)).query)
        went = urlsplit(urljoin(f"{APP}/sign-in", noted["redirect_url"][0]))
        assert f"{went.scheme}://{went.netloc}" == APP


def test_only_configured_origins_count_and_never_the_host(config):
    app = site(config, SESSION_CLAIMS_ORIGINS=None, SESSION_CLAIMS_AUTHORIZED_PARTIES=[APP])
    with app.test_request_context("/", base_url=EVIL):
        assert is_safe_redirect("/page")
        assert not is_safe_redirect(f"{EVIL}/page")
        assert not is_safe_redirect(f"{APP}/page")
    app = site(config, SESSION_CLAIMS_ORIGINS=[APP, "https://www.example"])
    with app.app_context():
        assert is_safe_redirect(f"{APP}/page")
        assert is_safe_redirect("https://www.example")
        assert not is_safe_redirect("http://www.example")
        assert not is_safe_redirect(None)


@pytest.mark.parametrize("default", [EVIL, "//evil.example", "", "welcome", f"{APP}@evil.example"])
def test_a_default_that_leads_away_is_a_mistake_whoever_made_it(app, default):
    context = app.test_request_context("/sign-in?redirect_url=/page", headers={"Referer": default})
    with context, pytest.raises(ConfigurationError, match=r"default=.*; write a path"):
        redirect_target(request.referrer or "")


def test_a_default_made_by_url_for_is_taken(app):
    show(app, "/page")
    with app.test_request_context("/sign-in"):
        assert redirect_target(url_for("page")) == "/page"


def test_without_the_extension_the_error_says_what_to_write():
    with Flask("bare").test_request_context("/"):
        for ask in (lambda: is_safe_redirect("/"), redirect_target):
            with pytest.raises(ConfigurationError, match="SessionClaims"):
                ask()
