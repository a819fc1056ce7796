"""What a claims template costs: rendered for a user, compiled once for each version.

Beside it what anybody would do by hand: JSON written by Jinja and read back. The floor is
`json.dumps` of the ten claims, which every token has to pay anyway.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import common
from common import Case, Spread, each
from jinja2 import Environment

from flask_session_claims.sessions.templates.compiling import cached_template, compile_template
from flask_session_claims.sessions.templates.rendering import render
from flask_session_claims.sessions.templates.subject import (
    MembershipView,
    OrganizationView,
    Subject,
    UserView,
)
from flask_session_claims.sessions.templates.typesof import python_types

GOAL = 20.0  # µs for ten claims, warm
FLOOR = "json.dumps of ten claims"

#: Ten claims as an app has them.
USUAL = {
    "fullName": "{{user.full_name}}",
    "primaryEmail": "{{user.primary_email_address}}",
    "greeting": "Hello {{user.first_name || 'you'}}",
    "plan": "{{user.public_metadata.plan || 'free'}}",
    "personId": "{{user.public_metadata.person.id}}",
    "verified": "{{user.email_verified}}",
    "since": "{{user.created_at}}",
    "team": "{{org.name}}",
    "role": "{{org.role}}",
    "issuedBy": "bench",
}
#: Ten claims with everything that the language has.
RICH = {
    **USUAL,
    "plan": {
        "name": "{{user.public_metadata.plan}}",
        "seats": [1, "{{org.public_metadata.seats}}"],
    },
    "team": "{{org_membership.permissions}}",
    "personId": "{{user.public_metadata.person}}",
    "issuedBy": "{{user.id}} at {{org.slug}}: {{user.public_metadata.person}}",
}
JINJA = """{
"fullName": {{ user.full_name|tojson }}, "primaryEmail": {{ user.primary_email_address|tojson }},
"greeting": {{ ("Hello " ~ (user.first_name or "you"))|tojson }},
"plan": {{ (user.public_metadata.plan or "free")|tojson }},
"personId": {{ user.public_metadata.person.id|tojson }},
"verified": {{ user.email_verified|tojson }}, "since": {{ user.created_at|tojson }},
"team": {{ org.name|tojson }}, "role": {{ role|tojson }}, "issuedBy": "bench"}"""

SUBJECT = Subject(
    UserView(
        id="user_2kTbRxM3vUu9PZcD5tQ8hNy6sFa",
        first_name="Ada",
        last_name="Lovelace-Byron",
        primary_email_address="ada@bench.example",
        email_verified=True,
        created_at=1_700_000_000,
        public_metadata={"plan": "enterprise", "person": {"id": 4711, "tags": ["a", "b"]}},
    ),
    OrganizationView(id="org_1", name="Bench & Co", slug="bench", public_metadata={"seats": 25}),
    MembershipView(role="org:admin", permissions=["org:team:manage", "org:team:read"]),
)
EXPECTED: dict[str, Any] = {
    "fullName": "Ada Lovelace-Byron",
    "primaryEmail": "ada@bench.example",
    "greeting": "Hello Ada",
    "plan": "enterprise",
    "personId": 4711,
    "verified": True,
    "since": 1_700_000_000,
    "team": "Bench & Co",
    "role": "org:admin",
    "issuedBy": "bench",
}


def by_jinja() -> Callable[[], Any]:
    template = Environment(autoescape=False).from_string(JINJA)  # noqa: S701
    user, org = SUBJECT.user, SUBJECT.organization

    def act() -> Any:
        return json.loads(template.render(user=user, org=org, role="org:admin"))

    return act


def large_subject() -> Subject:
    """8 KB of metadata of each kind, of which one key is read."""
    data = {
        "plan": "pro",
        "person": {"id": 1},
        "rest": [{"n": n, "t": "x" * 20} for n in range(200)],
    }
    return Subject(UserView(id="user_1", public_metadata=data, unsafe_metadata=data))


def cases() -> list[Case]:
    usual, rich = compile_template(USUAL), compile_template(RICH)
    text, large = json.dumps(USUAL), large_subject()
    acts: dict[str, Callable[[], Any]] = {
        FLOOR: lambda: json.dumps(EXPECTED),
        "**ours: render ten claims**": lambda: render(usual, SUBJECT),
        "**ours: lists, objects and mixed text**": lambda: render(rich, SUBJECT),
        "**ours: ten claims, metadata of 2 x 8 KB**": lambda: render(usual, large),
        "**ours: find the compiled version**": lambda: cached_template(text),
        "**ours: compile**": lambda: compile_template(text),
        "**ours: types as Python**": lambda: python_types(usual),
        "Jinja and json.loads": by_jinja(),
    }
    for name in ("**ours: render ten claims**", "Jinja and json.loads"):
        if acts[name]() != EXPECTED:
            raise SystemExit(f"{name} gives other claims")
    if cached_template(text) is not cached_template(text):
        raise SystemExit("a version is compiled more than once")
    return [Case(name, each(act)) for name, act in acts.items()]


def main() -> None:
    given = common.options(__doc__ or "")
    versions = common.versions("flask-session-claims", "jinja2")
    taken = common.measure(
        [case for case in cases() if case.name == FLOOR or given.only in case.name],
        given.rounds,
        given.sample,
    )
    rows = [
        [name, Spread.of(values).text(1), common.ratio(values, taken[FLOOR]).text()]
        for name, values in taken.items()
    ]
    heads = ["act", "µs: median (min..max)", "x json.dumps"]
    common.table(f"Claims templates, CPU time ({given.rounds} rounds)", heads, rows)
    ours = taken.get("**ours: render ten claims**")
    if ours:
        median = Spread.of(ours).median
        print(f"\nTen claims: {median:.1f} µs, goal {GOAL:.0f} µs")
    common.save(given.json, versions=versions, taken=taken)


if __name__ == "__main__":
    main()
