"""An app that issues its own tokens, on a real server and a store in a file."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import requests
from flask import Flask, request
from werkzeug.serving import make_server

from flask_session_claims import SessionClaims, create_session, login_required
from flask_session_claims.io.issuing import Issuing

NAME = "https://app.example.com"
PARTY = "https://pages.example.com"
CLAIMS = {"fullName": "Zoë Müller", "plan": "pro", "seats": 3, "team": {"name": "Äther"}}
KEY_SET = "/.well-known/jwks.json"
LIFETIME = 300  # seconds, of a token
PATIENCE = 20.0  # seconds, for an answer
SOON = 0.02  # seconds in which a server sees that it is to end


class OwnIssuer:
    """A site that signs users in; `with` starts and ends it.

    Attributes:
        behind: seconds that its clock is slow.
        fetches: how often its key set was fetched.
    """

    def __init__(self, work: Path, **settings: Any) -> None:
        self.behind = 0.0
        self.fetches = 0
        app = Flask("issuer", instance_path=str(work))
        given: dict[str, Any] = {
            "ISSUER": "self",
            "ISSUER_URL": NAME,
            "STORE": "sqlite:///sessions.db",
            "ORIGINS": [PARTY],
            "SESSION_TOKEN_LIFETIME": LIFETIME,
            "COOKIE_NAME": "__session",  # where Clerk's verifiers look
            "DEV_COOKIES": True,
            **settings,
        }
        app.config["SECRET_KEY"] = "only for these tests, and long enough"
        for name, value in given.items():
            app.config[f"SESSION_CLAIMS_{name}"] = value
        claims = SessionClaims(app, clock=lambda: time.time() - self.behind)
        app.register_blueprint(claims.well_known())
        app.before_request(self._count)

        @app.post("/sign-in")
        def sign_in() -> str:
            return create_session("user_1", claims=CLAIMS).session_id

        @app.get("/")
        @login_required
        def home() -> str:
            return "signed in"

        self._app = app

    def __enter__(self) -> OwnIssuer:
        self._server = make_server("127.0.0.1", 0, self._app, threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=[SOON], daemon=True)
        self._thread.start()
        self.key_set_url = f"http://127.0.0.1:{self._server.server_port}{KEY_SET}"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join(PATIENCE)
        self._server.server_close()

    def sign_in(self, *, origin: str | None = PARTY) -> str:
        """The session token of a new session; `origin`: of the page, None: it says none."""
        headers = {"Sec-Fetch-Site": "same-origin"} if origin is None else {"Origin": origin}
        cookies = self._ask("POST", "/sign-in", headers).cookies
        return str(cookies["__session"])

    def expired(self) -> str:
        """A token that is past its end by more than clocks may differ."""
        self.behind += LIFETIME + 60
        try:
            return self.sign_in()
        finally:
            self.behind -= LIFETIME + 60

    def refreshed(self) -> str:
        """The token that a page gets by being opened after the first one has expired."""
        with requests.Session() as client:
            client.trust_env = False
            self.behind += LIFETIME + 60
            _ = self._ask("POST", "/sign-in", {"Origin": PARTY}, client)
            self.behind -= LIFETIME + 60
            _ = self._ask("GET", "/", {"Sec-Fetch-Site": "same-origin"}, client)
            return str(client.cookies["__session"])

    def key_set(self) -> dict[str, Any]:
        """What the address of the key set answers."""
        found: dict[str, Any] = self._ask("GET", KEY_SET).json()
        return found

    def configuration(self) -> dict[str, Any]:
        """What the address of the OpenID configuration answers."""
        found: dict[str, Any] = self._ask("GET", "/.well-known/openid-configuration").json()
        return found

    def rotate(self, *, at_once: bool) -> None:
        """Bring a new key; `at_once`: it signs now, though nobody can know it."""
        issuing: Issuing = self._app.extensions["session_claims"].issuing
        assert issuing.keyring is not None
        _ = issuing.run(issuing.keyring.rotate(at_once=at_once))

    def _ask(
        self, method: str, path: str, headers: Any = None, client: requests.Session | None = None
    ) -> requests.Response:
        if client is None:
            with requests.Session() as client:
                client.trust_env = False
                return self._ask(method, path, headers, client)
        address = self.key_set_url.removesuffix(KEY_SET) + path
        reply = client.request(method, address, headers=headers, timeout=PATIENCE)
        reply.raise_for_status()
        return reply

    def _count(self) -> None:
        self.fetches += request.path == KEY_SET
