"""What a guarded view costs over a bare one: Flask, Django, Quart, called as WSGI and ASGI apps.

The server's part is a prepared environ or scope, copied for each call; no test client is timed.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import apps
import common
from common import NAME, Case, KeyServer, Signer, Spread, each

Many = Callable[[int], object]
Answer = Callable[[], tuple[str, bytes]]
LOOP = asyncio.new_event_loop()


def wsgi(app: Any, headers: Mapping[str, str]) -> tuple[Many, Answer]:
    from werkzeug.test import EnvironBuilder

    base = {"REMOTE_ADDR": "127.0.0.1"}
    environ = EnvironBuilder("/", headers=list(headers.items()), environ_base=base).get_environ()
    seen: list[str] = []

    def answer() -> tuple[str, bytes]:
        body = app(environ.copy(), lambda status, fields, exc=None: seen.append(status))
        data = b"".join(body)
        if hasattr(body, "close"):
            body.close()
        return seen.pop()[:3], data

    return each(answer), answer


def asgi(app: Any, headers: Mapping[str, str]) -> tuple[Many, Answer]:
    fields = [(key.lower().encode(), value.encode()) for key, value in headers.items()]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/",
        "raw_path": b"/",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"localhost"), *fields],
        "client": ("127.0.0.1", 5),
        "server": ("127.0.0.1", 80),
        "extensions": {},
    }
    sent: list[Any] = []

    async def one() -> tuple[str, bytes]:
        incoming = [{"type": "http.request", "body": b"", "more_body": False}]

        async def receive() -> Any:
            return incoming.pop() if incoming else await asyncio.Event().wait()

        async def send(message: Any) -> None:
            sent.append(message)

        await app(scope.copy(), receive, send)
        status, data = str(sent[0]["status"]), b"".join(m.get("body", b"") for m in sent[1:])
        sent.clear()
        return status, data

    async def several(count: int) -> None:
        for _ in range(count):
            await one()

    return (
        lambda count: LOOP.run_until_complete(several(count)),
        lambda: LOOP.run_until_complete(one()),
    )


def prove(guarded: apps.Guarded, calling: Any) -> Case:
    """The name for the good credential; a refusal for the forged one and for none at all."""
    many, answer = calling(guarded.app, guarded.good)
    guarded.prepare()
    status, data = answer()
    if status != "200" or NAME.encode() not in data:
        raise SystemExit(f"{guarded.name}: {status} {data[:200]!r} for the good credential")
    for bad in (guarded.forged, {}) if guarded.forged else ():
        status, data = calling(guarded.app, bad)[1]()
        if status not in apps.REFUSED:
            raise SystemExit(f"{guarded.name}: {status} for {'no' if not bad else 'a forged'} one")
    return Case(guarded.name, many, lambda: (guarded.prepare(), answer()))


def report(
    framework: str, subjects: list[apps.Guarded], calling: Any, given: common.Options
) -> Any:
    cases = [prove(guarded, calling) for guarded in subjects]
    bases = {"bare", "DRF bare"}
    cases = [case for case in cases if given.only in case.name or case.name in bases]
    taken = common.measure(cases, given.rounds, given.sample)
    rows = []
    for name, values in taken.items():
        bare = taken["DRF bare" if name.startswith("DRF") else "bare"]
        rows.append(
            [name, Spread.of(values).text(1)]
            + (
                ["", ""]
                if values is bare
                else [common.added(values, bare).text(1, "+"), common.ratio(values, bare).text()]
            )
        )
    common.table(
        f"{framework}, one request ({given.rounds} rounds)",
        ["app", "µs: median (min..max)", "added µs", "x bare"],
        rows,
    )
    return taken


def main() -> None:
    given = common.options(__doc__ or "")
    found = common.versions(
        "Flask-Session-Claims",
        "Flask",
        "Werkzeug",
        "Django",
        "Quart",
        "Flask-Login",
        "Flask-JWT-Extended",
        "clerk-backend-api",
        "supertokens-python",
        "djangorestframework",
        "djangorestframework-simplejwt",
        "quart-auth",
        "PyJWT",
        "cryptography",
    )
    signer = Signer()
    with KeyServer(signer.jwks) as server, tempfile.TemporaryDirectory() as folder:
        common.save(
            given.json,
            versions=found,
            rounds={
                "Flask": report("Flask", apps.flask_apps(signer, server.base), wsgi, given),
                "Django": report("Django", apps.django_apps(signer, Path(folder)), wsgi, given),
                "Quart": report("Quart", apps.quart_apps(signer, server.base), asgi, given),
            },
        )


if __name__ == "__main__":
    main()
