"""Quart under the issuing contract: Quart's own test client, tasks for requests together."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import quart
import quart_session_claims as claims_of
from quart.sessions import SessionInterface

from flask_session_claims.io import signals as signals_of
from flask_session_claims.io.directory import LocalDirectory
from flask_session_claims.io.sessions import Sessions
from flask_session_claims.io.templates import Templates

from ..driver_quart import send
from ..drivers import Ask, Reply
from ..fetched import IN_A, IS_VERIFIED, without_verified
from ..listening import listening
from .drivers import (
    MOUNT,
    SECRET_KEY,
    SIGNALS,
    Client,
    Clock,
    Provide,
    Signalled,
    about,
    line,
    merged,
    refusal,
    session_json,
    sign_in_arguments,
    signed_in,
)
from .people import Functions
from .people_quart import PEOPLE


class IssuingQuart(quart.Quart):
    """What the driver has to find again."""

    clock: Clock
    meanwhile: list[Callable[[], Any]]
    session_claims: claims_of.SessionClaims


class NoSession(SessionInterface):
    """The framework's own session, off: Quart 0.23 says Vary: Cookie wherever there is one."""

    async def open_session(self, app: Any, request: Any) -> None:
        """There is none."""


class QuartDriver:
    settles_first = True

    def build(
        self,
        settings: Mapping[str, Any],
        clock: Clock,
        *,
        provide: Provide | None = None,
        functions: Functions | None = None,
    ) -> IssuingQuart:
        app = IssuingQuart("issuing_site")
        app.session_interface = NoSession()
        app.config["SECRET_KEY"] = SECRET_KEY
        app.config.update({f"SESSION_CLAIMS_{name}": value for name, value in settings.items()})
        app.clock, app.meanwhile = clock, []
        app.session_claims = claims = claims_of.SessionClaims(app, clock=clock)
        if provide is not None:
            claims.provide(provide)
        (functions or Functions()).give(claims)
        app.register_blueprint(claims.blueprint(), url_prefix=MOUNT)
        app.register_blueprint(claims.well_known())
        app.register_error_handler(claims_of.SessionError, refusal)
        for path, methods, view in (*ROUTES, *PEOPLE):
            app.add_url_rule(path, path, view, methods=methods)
        return app

    def play(self, app: IssuingQuart, asks: Sequence[Ask]) -> list[Reply]:
        async def one(asked: Ask) -> Reply:
            reply = await send(app, asked)
            # An ASGI server leaves the body out; Quart's test client is none.
            return reply._replace(body=b"") if asked.method == "HEAD" else reply

        async def play() -> list[Reply]:
            return list(await asyncio.gather(*map(one, asks)))

        return asyncio.run(play())

    def client(self, app: IssuingQuart) -> Client:
        return Client(self, app, app.clock)

    def sessions(self, app: IssuingQuart) -> Sessions:
        return app.session_claims.sessions

    def directory(self, app: IssuingQuart) -> LocalDirectory:
        return app.session_claims.directory

    def templates(self, app: IssuingQuart) -> Templates:
        return app.session_claims.templates

    @contextmanager
    def signals(
        self, app: IssuingQuart, told: Callable[[str, dict[str, Any]], None] | None = None
    ) -> Iterator[list[Signalled]]:
        seen: list[Signalled] = []

        def listener(name: str) -> Callable[..., Any]:
            async def note(sender: Any, **data: Any) -> None:
                seen.append((name, data))
                if told is not None:
                    told(name, data)

            return note

        with ExitStack() as stack:
            for name in SIGNALS:
                signal = getattr(signals_of, name)
                stack.enter_context(listening(signal, listener(name), app))
            yield seen


# --- views ----------------------------------------------------------------------------------


async def sign_in() -> Any:
    user, keywords = sign_in_arguments(quart.request.args)
    session = await claims_of.create_session(user, **keywords)
    return signed_in(session, quart.g.auth)


async def sign_in_fails() -> Any:
    return await sign_in(), int(quart.request.args["status"])


async def sign_in_raises() -> Any:
    await sign_in()
    raise RuntimeError("the view's own mistake")


@claims_of.login_required
def me() -> Any:  # sync: Quart runs it in a thread
    return about(quart.g.auth)


async def peek() -> Any:
    return about(quart.g.auth)


async def cached() -> Any:
    return about(quart.g.auth), {"Cache-Control": "public, max-age=60"}


async def answer() -> Any:
    said = about(quart.g.auth)
    if "raises" in quart.request.args:
        raise RuntimeError("the view's own mistake")
    cache = quart.request.args.get("cache")
    headers = {"Cache-Control": cache} if cache else {}
    return said, int(quart.request.args.get("status", 200)), headers


@claims_of.login_required(live=True)
async def live() -> Any:
    return about(quart.g.auth)


@claims_of.login_required(live=True)
@claims_of.claims_required(claims={"plan": "pro"}, live=True)
def live_pro() -> Any:  # sync: Quart runs it in a thread
    return about(quart.g.auth)


@claims_of.login_required(validators=[IS_VERIFIED])
async def verified() -> Any:
    return about(quart.g.auth)


@claims_of.login_required(validators=[IS_VERIFIED])
@claims_of.claims_required(validators=[IN_A])
def verified_teams() -> Any:  # sync: Quart runs it in a thread
    return about(quart.g.auth)


@claims_of.login_required(validators=without_verified)
async def unverified() -> Any:
    return about(quart.g.auth)


async def watch() -> Any:
    app: Any = quart.current_app
    plain = "plain" in quart.request.args
    auth = claims_of.get_auth() if plain else claims_of.current_auth

    async def look() -> str:
        try:
            return line(await app.session_claims.is_current(auth))
        except claims_of.UnavailableError as error:
            return line(error)

    @quart.stream_with_context
    async def body() -> AsyncIterator[str]:
        yield await look()
        for act in app.meanwhile:
            await asyncio.to_thread(act)
            yield await look()

    return quart.Response(body(), mimetype="text/plain")


async def still() -> Any:
    return {"still": True}


@claims_of.login_required
async def merge() -> Any:
    patch = json.loads(quart.request.args["patch"])
    return merged(await claims_of.merge_session_claims(patch), quart.g.auth)


@claims_of.login_required
async def merge_fails() -> Any:
    return await merge(), 500


async def sign_out() -> Any:
    return {"ended": await claims_of.revoke_session()}


async def session() -> Any:
    return quart.jsonify(session_json(await claims_of.current_session()))


async def stream() -> Any:
    @quart.stream_with_context
    async def body() -> AsyncIterator[str]:
        yield " "
        yield json.dumps(about(claims_of.current_auth))  # g is another one by then

    return quart.Response(body(), mimetype="application/json")


ROUTES: tuple[tuple[str, list[str], Callable[[], Any]], ...] = (
    ("/sign-in", ["POST"], sign_in),
    ("/sign-in-fails", ["POST"], sign_in_fails),
    ("/sign-in-raises", ["POST"], sign_in_raises),
    ("/sign-in-by-get", ["GET"], sign_in),
    ("/me", ["GET"], me),
    ("/peek", ["GET", "POST"], peek),
    ("/cached", ["GET"], cached),
    ("/still", ["GET"], still),
    ("/merge", ["POST"], merge),
    ("/merge-fails", ["POST"], merge_fails),
    ("/sign-out", ["POST"], sign_out),
    ("/session", ["GET"], session),
    ("/answer", ["GET", "POST"], answer),
    ("/live", ["GET"], live),
    ("/live-pro", ["GET"], live_pro),
    ("/verified", ["GET"], verified),
    ("/verified-teams", ["GET"], verified_teams),
    ("/unverified", ["GET"], unverified),
    ("/watch", ["GET"], watch),
    ("/stream", ["GET"], stream),
)
