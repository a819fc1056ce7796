"""WebSocket handshakes under WSGI, as Flask-Sock and the like serve them: a cookie speaks for one
only if a page of ours has opened it. Browsers send cookies with it, and no CORS stands before it.
"""

from __future__ import annotations

import socket
import threading
from collections import ChainMap
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Blueprint, Flask, g
from werkzeug.serving import make_server

from flask_session_claims import SessionClaims, SessionError, create_session, login_required

from ..sites import APP, EVIL

HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
REFUSED = {"user": None, "reason": "request-origin-refused"}


def as_cookie(of: dict[str, str]) -> dict[str, str]:
    return {"Cookie": "__session=" + of["Authorization"].removeprefix("Bearer ")}


def show() -> dict[str, Any]:
    return {"user": g.auth.user_id, "reason": g.auth.reason}


def client_of(config: dict[str, Any]) -> Any:
    app = Flask("site")
    app.config.update(config, SESSION_CLAIMS_ORIGINS=[APP])
    SessionClaims(app)
    app.add_url_rule("/socket", "socket", show, websocket=True)
    app.add_url_rule("/me", "me", show)
    return app.test_client(use_cookies=False)


@pytest.mark.parametrize("upgrade", ["websocket", "WebSocket"])
@pytest.mark.parametrize("origin", [None, "null", EVIL, f"{APP}:8443"])
def test_a_cookie_speaks_for_a_handshake_only_from_our_own_pages(config, alice, origin, upgrade):
    client, handshake = client_of(config), {**HANDSHAKE, "Upgrade": upgrade}
    there = {} if origin is None else {"Origin": origin}

    def who(*headers: dict[str, str]) -> Any:
        return client.get("/socket", headers=dict(ChainMap(*headers, handshake))).json

    for _ in range(2):  # by the long way, and by the short one
        assert who(as_cookie(alice), {"Origin": APP})["user"] == "alice"
        assert who(as_cookie(alice), there) == REFUSED
    assert who(alice, there)["user"] == "alice", "no browser adds that by itself"


@pytest.mark.parametrize(("upgrade", "user"), [("h2c", "alice"), ("h2c, websocket", None)])
def test_whatever_may_become_one_is_one(config, alice, upgrade, user):
    client = client_of(config)
    for _ in range(2):
        headers = {"Upgrade": upgrade, **as_cookie(alice), "Origin": EVIL}
        assert client.get("/me", headers=headers).json["user"] == user


def test_a_session_cannot_begin_in_one():
    app = Flask("site")
    app.config.update(SECRET_KEY="only for this test " * 2, SESSION_CLAIMS_STORE="memory:")
    app.config.update(SESSION_CLAIMS_DEV_COOKIES=True, SESSION_CLAIMS_ORIGINS=[APP])
    claims = SessionClaims(app)

    def begin() -> str:
        with pytest.raises(SessionError) as caught:
            create_session("alice")
        return caught.value.code

    app.add_url_rule("/socket", "socket", begin, websocket=True)
    reply = app.test_client().get("/socket", headers={**HANDSHAKE, "Origin": APP})
    assert (reply.text, "Set-Cookie" in reply.headers) == ("headers-sent", False)
    assert claims.sessions.list_for_user("alice") == ()


# --- for real -----------------------------------------------------------------------------


@pytest.fixture
def address(config: dict[str, Any]) -> Iterator[str]:
    """Where an app with Flask-Sock says who is signed in."""
    sock = pytest.importorskip("flask_sock", reason="run `pip install --group servers`")
    app = Flask("site")
    app.config.update(config, SESSION_CLAIMS_ORIGINS=[APP])
    SessionClaims(app)
    sockets = sock.Sock(app)

    def who(ws: Any) -> None:
        # The client speaks first and ends it: what comes together with the handshake's answer,
        # or with its end, simple-websocket's client loses.
        ws.receive(timeout=10)
        ws.send(str(g.auth.user_id))
        ws.receive(timeout=10)

    sockets.route("/who")(who)
    sockets.route("/guarded")(login_required(lambda ws: who(ws)))
    inside = Blueprint("inside", __name__)
    inside.before_request(login_required)
    sock.Sock(inside).route("/behind")(lambda ws: who(ws))
    app.register_blueprint(inside)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"ws://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def told(url: str, headers: dict[str, str]) -> Any:
    from simple_websocket import Client

    client = Client.connect(url, headers=headers)
    try:
        client.send("who?")
        return client.receive(timeout=10)
    finally:
        client.close()
        client.sock.close()


def shaken(url: str, headers: dict[str, str]) -> bytes:
    """All that a server says to a handshake until it hangs up."""
    place = urlsplit(url)
    lines = [f"GET {place.path} HTTP/1.1", f"Host: {place.netloc}"]
    lines += [f"{name}: {value}" for name, value in {**HANDSHAKE, **headers}.items()]
    with socket.create_connection(
        (place.hostname or "", place.port or 0), timeout=10
    ) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        return b"".join(iter(lambda: connection.recv(4096), b""))


def test_a_socket_knows_who_has_opened_it_and_strangers_open_none(address, alice):
    mine = {**as_cookie(alice), "Origin": APP}
    for path in ("/who", "/guarded", "/behind"):
        assert told(address + path, mine) == "alice"
        assert told(address + path, alice) == "alice"
    stranger = {**as_cookie(alice), "Origin": EVIL}
    assert told(f"{address}/who", stranger) == "None"
    assert b"request-origin-refused" in shaken(f"{address}/guarded", stranger)
    refused = shaken(f"{address}/behind", stranger)
    assert refused.split()[1] == b"403"
    assert b"request-origin-refused" in refused
