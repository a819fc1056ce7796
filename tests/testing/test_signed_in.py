"""Signed-in test clients, against small applications of the real frameworks."""

import asyncio
import json
import os
import pathlib
import subprocess
import sys

import pytest
from flask import Flask, redirect, request
from werkzeug.test import Client, EnvironBuilder
from werkzeug.wrappers import Request, Response

from flask_session_claims.testing import LocalIssuer, shared_key, signed_in

TOKEN = LocalIssuer(key=shared_key("RS256")).mint()
BEARER = f"Bearer {TOKEN}"


def flask_app(**config):
    app = Flask(__name__)
    app.config.update(config)

    @app.route("/", methods=["GET", "POST"])
    @app.route("/deep/path")
    def seen():
        return {
            "cookie": dict(request.cookies),
            "header": request.headers.get("Authorization"),
            "fields": request.headers.getlist("Authorization"),
        }

    @app.get("/moved")
    def moved():
        return redirect("/")

    return app


# Flask


@pytest.mark.parametrize("path", ["/", "/deep/path", "/moved"])
def test_a_flask_client_sends_the_cookie_with_each_request(path):
    client = signed_in(flask_app().test_client(), TOKEN)
    for _ in range(2):
        seen = client.get(path, follow_redirects=True).json
        assert (seen["cookie"], seen["header"]) == ({"__session": TOKEN}, None)


@pytest.mark.parametrize("path", ["/", "/deep/path", "/moved"])
def test_a_flask_client_sends_the_header_with_each_request(path):
    client = signed_in(flask_app().test_client(), TOKEN, source="header")
    for _ in range(2):
        seen = client.get(path, follow_redirects=True).json
        assert (seen["cookie"], seen["fields"]) == ({}, [BEARER])


def test_it_is_the_same_client_that_comes_back():
    client = flask_app().test_client()
    assert signed_in(client, TOKEN) is client


def test_another_cookie_name_can_be_used():
    client = signed_in(flask_app().test_client(), TOKEN, cookie_name="__Host-session")
    assert client.get("/").json["cookie"] == {"__Host-session": TOKEN}


def test_other_cookies_and_posts_are_left_alone():
    client = flask_app().test_client()
    client.set_cookie("lang", "en")
    seen = signed_in(client, TOKEN).post("/").json
    assert seen["cookie"] == {"lang": "en", "__session": TOKEN}


@pytest.mark.parametrize("source", ["cookie", "header"])
def test_signing_in_again_replaces_the_token(source):
    client = signed_in(flask_app().test_client(), TOKEN, source=source)
    seen = signed_in(client, "a.b.c", source=source).get("/").json
    assert seen["cookie"] == ({"__session": "a.b.c"} if source == "cookie" else {})
    assert seen["fields"] == ([] if source == "cookie" else ["Bearer a.b.c"])


def test_both_sources_can_be_used_at_once():
    client = signed_in(signed_in(flask_app().test_client(), TOKEN), "a.b.c", source="header")
    seen = client.get("/").json
    assert (seen["cookie"]["__session"], seen["header"]) == (TOKEN, "Bearer a.b.c")


def test_a_request_with_a_header_of_its_own_sends_that_one():
    client = signed_in(flask_app().test_client(), TOKEN, source="header")
    seen = client.get("/", headers={"Authorization": "Basic x"}).json
    assert seen["fields"] == ["Basic x"]
    assert client.get("/").json["header"] == BEARER


@pytest.mark.parametrize("server_name", ["app.example", "app.example:8443"])
def test_the_cookie_reaches_an_application_with_a_server_name(server_name):
    client = signed_in(flask_app(SERVER_NAME=server_name).test_client(), TOKEN)
    assert client.get("/").json["cookie"] == {"__session": TOKEN}


def test_another_flask_client_of_the_application_stays_signed_out():
    app = flask_app()
    signed_in(app.test_client(), TOKEN)
    signed_in(app.test_client(), TOKEN, source="header")
    seen = app.test_client().get("/").json
    assert (seen["cookie"], seen["header"]) == ({}, None)


# Werkzeug


@pytest.mark.parametrize("source", ["cookie", "header"])
def test_a_plain_werkzeug_client_sends_the_token(source):
    @Request.application
    def app(request):
        seen = [dict(request.cookies), request.headers.get("Authorization")]
        return Response(json.dumps(seen), mimetype="application/json")

    client = signed_in(Client(app), TOKEN, source=source)
    expected = [{"__session": TOKEN}, None] if source == "cookie" else [{}, BEARER]
    assert client.get("/").json == expected
    assert client.open(path="/", method="POST").json == expected


def test_a_plain_werkzeug_client_refuses_what_it_could_not_sign_in():
    client = signed_in(Client(flask_app()), TOKEN, source="header")
    with pytest.raises(TypeError, match="path"):
        client.open(EnvironBuilder("/"))


# Quart


def quart_app(**config):
    quart = pytest.importorskip("quart")

    app = quart.Quart(__name__)
    app.config.update(config)

    @app.route("/", methods=["GET", "POST"])
    async def seen():
        return {
            "cookie": dict(quart.request.cookies),
            "fields": quart.request.headers.getlist("Authorization"),
        }

    @app.get("/moved")
    async def moved():
        return quart.redirect("/")

    @app.websocket("/socket")
    async def socket():
        headers = quart.websocket.headers
        cookies = dict(quart.websocket.cookies)
        await quart.websocket.send_json(
            {"cookie": cookies, "fields": headers.getlist("Authorization")}
        )

    return app


def expected(source):
    if source == "cookie":
        return {"cookie": {"__session": TOKEN}, "fields": []}
    return {"cookie": {}, "fields": [BEARER]}


@pytest.mark.parametrize("config", [{}, {"SERVER_NAME": "app.example"}])
@pytest.mark.parametrize("source", ["cookie", "header"])
def test_a_quart_client_sends_the_token_with_each_kind_of_request(source, config):
    async def play():
        client = signed_in(quart_app(**config).test_client(), TOKEN, source=source)
        for call in (
            client.get("/"),
            client.post("/"),
            client.get("/moved", follow_redirects=True),
        ):
            assert await (await call).get_json() == expected(source)
        async with client.websocket("/socket") as connection:
            assert await connection.receive_json() == expected(source)
        async with client.request("/") as connection:
            await connection.send_complete()
        assert await (await connection.as_response()).get_json() == expected(source)

    asyncio.run(play())


def test_a_quart_request_with_credentials_of_its_own_sends_those():
    async def play():
        client = signed_in(quart_app().test_client(), TOKEN, source="header")
        own = await client.get("/", headers={"authorization": "Basic x", "X-Test": "1"})
        assert (await own.get_json())["fields"] == ["Basic x"]
        basic = await client.get("/", auth=("ada", "secret"))
        assert [field[:6] for field in (await basic.get_json())["fields"]] == ["Basic "]
        signed_in(client, "a.b.c", source="header")
        assert (await (await client.get("/")).get_json())["fields"] == ["Bearer a.b.c"]

    asyncio.run(play())


# Django


@pytest.fixture(scope="module")
def django_answers():
    pytest.importorskip("django")
    probe = pathlib.Path(__file__).with_name("django_probe.py")
    root = probe.parents[2]
    done = subprocess.run(
        [sys.executable, probe],
        capture_output=True,
        text=True,
        check=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize("kind", ["Client", "AsyncClient"])
def test_a_django_client_sends_the_token_with_each_request(django_answers, kind):
    answers = django_answers[kind]
    assert answers["cookie"] == [{"cookie": {"__session": "a.b.c"}, "header": None}] * 2
    assert answers["named"] == [{"cookie": {"__Host-session": "a.b.c"}, "header": None}] * 2
    assert answers["header"] == [{"cookie": {}, "header": "Bearer a.b.c"}] * 2


@pytest.mark.parametrize("kind", ["Client", "AsyncClient"])
def test_a_django_request_with_a_header_of_its_own_sends_that_one(django_answers, kind):
    assert django_answers[kind]["own header"] == "Basic x"


# Others


def test_an_app_in_the_place_of_its_client_is_refused():
    with pytest.raises(TypeError, match=r"got an app.*app\.test_client\(\)"):
        signed_in(flask_app(), TOKEN)


def test_an_unknown_client_or_source_is_refused():
    with pytest.raises(TypeError, match="Flask, Werkzeug, Quart or Django"):
        signed_in(object(), TOKEN)
    with pytest.raises(ValueError, match="cookie"):
        signed_in(flask_app().test_client(), TOKEN, source="query")
