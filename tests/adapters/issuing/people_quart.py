"""The views of users, organisations and impersonation in Quart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import quart
import quart_session_claims as claims_of

from .drivers import about, refusal
from .people import acted, asked_act, known, seen_user, synced


async def act() -> Any:
    name, keywords, status = asked_act(quart.request.args)
    try:
        returned = await getattr(claims_of, name)(**keywords)
    except claims_of.ConfigurationError as error:
        return refusal(error)
    return acted(returned, quart.g.auth), status


async def user() -> Any:
    try:
        first = await claims_of.current_user()
        if "then" in quart.request.args:
            await claims_of.create_session(quart.request.args["then"])
        return seen_user(first, await claims_of.current_user())
    except claims_of.ConfigurationError as error:
        return refusal(error)


async def sync() -> Any:
    app: Any = quart.current_app
    try:
        return synced(await app.session_claims.sync_user(quart.request.args["user"]))
    except claims_of.ConfigurationError as error:
        return refusal(error)


async def look_up() -> Any:
    app: Any = quart.current_app
    claims = app.session_claims
    user = await claims.adirectory.get_user(quart.request.args["user"])
    return known(user, await claims.atemplates.get())


async def token() -> Any:
    try:
        return {"token": await quart.g.auth.get_token(quart.request.args.get("template"))}
    except claims_of.ConfigurationError as error:
        return refusal(error)


def _gated(gate: Any) -> Any:
    async def view() -> Any:
        return about(quart.g.auth)

    return gate(view)


PEOPLE: tuple[tuple[str, list[str], Callable[[], Any]], ...] = (
    ("/act", ["POST"], act),
    ("/user", ["GET", "POST"], user),
    ("/sync", ["POST"], sync),
    ("/known", ["GET"], look_up),
    ("/token", ["GET"], token),
    ("/admin", ["GET"], _gated(claims_of.claims_required(role="org:admin"))),
    ("/invoices", ["GET"], _gated(claims_of.claims_required(permission="org:invoices:manage"))),
    ("/strict", ["GET"], _gated(claims_of.claims_required(reverification="strict"))),
    ("/own", ["GET"], _gated(claims_of.login_required(allow_actor=False))),
)
