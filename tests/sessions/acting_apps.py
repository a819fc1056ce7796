"""Apps that do many acts on sessions at once: a Flask app in threads, a Quart app in tasks."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import flask
import quart
import quart_session_claims

import flask_session_claims
from flask_session_claims import UnavailableError

SECRET = "a secret of this test, and long enough"
#: Seconds until what a process knows of the log is too old to go by.
MAX_AGE = 0.1


def settings(url):
    return {
        "SECRET_KEY": SECRET,
        "SESSION_CLAIMS_ISSUER": "self",
        "SESSION_CLAIMS_STORE": url,
        "SESSION_CLAIMS_DEV_COOKIES": True,
        "SESSION_CLAIMS_FEED_INTERVAL": MAX_AGE / 2,
        "SESSION_CLAIMS_FEED_MAX_AGE": MAX_AGE,
    }


@dataclass
class Outcome:
    """How an act ended."""

    seconds: float
    value: Any = None
    error: UnavailableError | None = None

    @property
    def done(self) -> bool:
        return self.error is None and getattr(self.value, "status", 200) != 503


@dataclass
class Answer:
    """What a client gets."""

    status: int
    headers: Any
    text: str


class SyncApp:
    """A Flask app; acts in threads."""

    def __init__(self, url):
        self.app = flask.Flask("faults")
        self.app.config.update(settings(url))
        self.claims = flask_session_claims.SessionClaims(self.app)
        needs, g = flask_session_claims.login_required, flask.g
        self.app.add_url_rule("/me", "me", needs(lambda: g.auth.user_id))
        self.app.add_url_rule("/live", "live", needs(live=True)(lambda: g.auth.user_id))
        self.issuing = self.app.extensions["session_claims"].issuing

    def act(self, name, *arguments, **given):
        return getattr(self.claims.sessions, name)(*arguments, **given)

    def rotate(self):
        return self.issuing.run(self.issuing.keyring.rotate(at_once=True))

    def get(self, path, cookie):
        client = self.app.test_client(use_cookies=False)
        response = client.get(path, headers={"Cookie": cookie})
        return Answer(response.status_code, response.headers, response.text)

    def all(self, calls):
        def timed(call):
            begun, outcome = time.monotonic(), Outcome(0.0)
            try:
                outcome.value = getattr(self, call[0])(*call[1:])
            except UnavailableError as error:
                outcome.error = error
            outcome.seconds = time.monotonic() - begun
            return outcome

        with ThreadPoolExecutor(len(calls)) as threads:
            return dict(zip(calls, threads.map(timed, calls.values()), strict=True))


class AsyncApp:
    """A Quart app; acts in tasks."""

    def __init__(self, url):
        self.app = quart.Quart("faults")
        self.app.config.update(settings(url))
        self.claims = quart_session_claims.SessionClaims(self.app)
        needs = quart_session_claims.login_required
        for path, gate in (("/me", needs), ("/live", needs(live=True))):

            async def view():
                return quart.g.auth.user_id

            self.app.add_url_rule(path, path[1:], gate(view))
        self.issuing = self.app.extensions["session_claims"].issuing

    async def act(self, name, *arguments, **given):
        return await getattr(self.claims.asessions, name)(*arguments, **given)

    async def rotate(self):
        return await self.issuing.arun(self.issuing.keyring.rotate(at_once=True))

    async def get(self, path, cookie):
        client = self.app.test_client(use_cookies=False)
        response = await client.get(path, headers={"Cookie": cookie})
        return Answer(response.status_code, response.headers, await response.get_data(True))

    def all(self, calls):
        async def timed(call):
            begun, outcome = time.monotonic(), Outcome(0.0)
            try:
                outcome.value = await getattr(self, call[0])(*call[1:])
            except UnavailableError as error:
                outcome.error = error
            outcome.seconds = time.monotonic() - begun
            return outcome

        async def together():
            return await asyncio.gather(*map(timed, calls.values()))

        return dict(zip(calls, asyncio.run(together()), strict=True))
