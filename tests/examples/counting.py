"""Runs one of the own_users examples in a process of its own, and counts what it looks up.

`python counting.py NAME`: prints JSON, a row for each request: its status, its body, the
statements that the app's table saw, and the acts on the session store.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
from collections.abc import Callable
from typing import Any

BASE = "http://localhost"
SAME_SITE = {"Sec-Fetch-Site": "same-origin"}
#: Method, path, form.
STEPS: list[tuple[str, str, dict[str, str]]] = [
    ("POST", "/sign-in", {"user": "nobody"}),
    ("GET", "/profile", {}),
    ("POST", "/sign-in", {"user": "ada"}),
    *[("GET", "/profile", {})] * 20,
    ("POST", "/role", {"role": "chief"}),
    *[("GET", "/profile", {})] * 3,
    ("POST", "/role", {"role": ""}),
    *[("GET", "/profile", {})] * 3,
]
Answer = tuple[int, str]
Send = Callable[[str, str, dict[str, str]], Answer]


def flask(example: Any) -> Send:
    client = example.app.test_client()

    def send(method: str, path: str, form: dict[str, str]) -> Answer:
        reply = client.open(path, method=method, data=form or None, headers=SAME_SITE)
        return reply.status_code, reply.get_data(as_text=True)

    return send


def quart(example: Any) -> Send:
    loop = asyncio.new_event_loop()
    loop.run_until_complete(example.app.startup())
    client = example.app.test_client()

    async def sent(method: str, path: str, form: dict[str, str]) -> Answer:
        given = {"form": form} if form else {}
        reply = await client.open(path, method=method, headers=SAME_SITE, **given)
        return reply.status_code, await reply.get_data(as_text=True)

    return lambda *step: loop.run_until_complete(sent(*step))


def django(example: Any) -> Send:
    from django.test import Client

    client = Client(headers=SAME_SITE)

    def send(method: str, path: str, form: dict[str, str]) -> Answer:
        reply = client.post(path, form) if method == "POST" else client.get(path)
        return reply.status_code, reply.content.decode()

    return send


def main(name: str) -> None:
    example = importlib.import_module(f"own_users_{name}")
    if name == "django":
        from django_session_claims.conf import metrics
    else:
        metrics = example.claims.metrics
    send: Send = {"flask": flask, "quart": quart, "django": django}[name](example)
    statements: list[str] = []
    acts: list[str] = []
    importlib.import_module("own_users_table").database.set_trace_callback(statements.append)

    def note(measurement: Any) -> None:
        if measurement.name == "session_claims.store.duration":
            acts.append(measurement.attributes["operation"])

    metrics.add(note)
    rows: list[dict[str, Any]] = []
    for step in STEPS:
        statements.clear()
        acts.clear()
        status, body = send(*step)
        seen = {"statements": [*statements], "acts": [*acts]}
        rows.append({"step": step[:2], "status": status, "body": body, **seen})
    _ = sys.stdout.write(f"{json.dumps(rows)}\n")


if __name__ == "__main__":
    main(sys.argv[1])
