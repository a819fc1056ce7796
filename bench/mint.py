"""What a template and an organisation add to acts that mint, and to a request that reads.

Each store has three apps, whose tokens say the same ten claims: given by the app at sign-in, looked
up by a template in the user's metadata, and the same with an active organisation. Nothing is timed
before tokens have said so, and before it was counted how often a version is compiled.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import common
from common import NAME, Case, Spread
from sessions import app_for, file_system

from flask_session_claims.sessions.templates.compiling import cached_template

ACTS = 40  # of each kind in a round, one by one in turn
RENDERS = 1_000
LIFETIME = 3_600
GIVEN, TEMPLATE, PLACE = "claims given", "template", "template, organisation"

METADATA: dict[str, Any] = {
    "plan": "enterprise",
    "person": {"id": 4711, "team": "compilers"},
    "managerId": 7,
    "seats": 25,
    "locale": "en-GB",
    "beta": True,
    "tags": ["a", "b"],
}
LOOKED_UP = {
    "fullName": "{{user.full_name}}",
    "primaryEmail": "{{user.primary_email_address}}",
    "plan": "{{user.public_metadata.plan || 'free'}}",
    "personId": "{{user.public_metadata.person.id}}",
    "team": "{{user.public_metadata.person.team}}",
    "managerId": "{{user.public_metadata.managerId}}",
    "seats": "{{user.public_metadata.seats}}",
    "locale": "{{user.public_metadata.locale}}",
    "beta": "{{user.public_metadata.beta}}",
    "tags": "{{user.public_metadata.tags}}",
}
CLAIMS: dict[str, Any] = {
    **{name: METADATA[name] for name in ("plan", "managerId", "seats", "locale", "beta", "tags")},
    "fullName": NAME,
    "primaryEmail": "ada@bench.example",
    "personId": 4711,
    "team": "compilers",
}
#: With an organisation, two of the ten say what it is.
OF_PLACE = {"team": "{{org.name}}", "tags": "{{org.role}}"}
EXPECTED = {
    GIVEN: CLAIMS,
    TEMPLATE: CLAIMS,
    PLACE: {**CLAIMS, "team": "Bench & Co", "tags": "org:admin"},
}
Act = Callable[[], object]


class World:
    """An app with one user, and the acts that mint for them."""

    def __init__(self, kind: str, store: str) -> None:
        roles = {"org:admin": ["org:team:manage", "org:team:read"]}
        self.app, self.claims = app_for(store, SESSION_TOKEN_LIFETIME=LIFETIME, ROLES=roles)
        self.sessions = self.claims.sessions
        first, last = NAME.split(" ")
        self.claims.directory.create_user(
            "user_1",
            first_name=first,
            last_name=last,
            primary_email_address="ada@bench.example",
            public_metadata=METADATA,
        )
        self.given: dict[str, Any] = {"claims": CLAIMS} if kind == GIVEN else {}
        if kind == PLACE:
            self.claims.directory.create_organization("Bench & Co", org_id="org_1")
            self.claims.directory.add_member("org_1", "user_1", "org:admin")
            self.given["org_id"] = "org_1"
        if kind != GIVEN:
            self.claims.templates.save({**LOOKED_UP, **(OF_PLACE if kind == PLACE else {})})
        self.issued = self.create()
        for name, value in EXPECTED[kind].items():
            if self.issued.claims[name] != value:
                raise SystemExit(f"{kind}: {name} is {self.issued.claims[name]!r}")
        self.old = self.issued
        for _ in range(60):  # its journal is full then
            self.refresh()

    def create(self) -> Any:
        return self.sessions.create("user_1", **self.given)

    def refresh(self) -> None:
        self.old = self.sessions.refresh(self.old.refresh_token)

    def mint(self) -> str:
        minted: str = self.sessions.mint(self.issued.session.session_id)
        return minted

    def acts(self) -> dict[str, Act]:
        return {"create": self.create, "refresh": self.refresh, "mint": self.mint}


def compiled_once() -> int:
    """How often a saved version was compiled while the issuer rendered it a thousand times."""
    cached_template.cache_clear()
    world = World(TEMPLATE, "memory:")
    for _ in range(RENDERS):
        world.mint()
    compiled = cached_template.cache_info().misses
    print(f"\nCompiled in {RENDERS:,} renders through the issuer: {compiled}")
    if compiled != 1:
        raise SystemExit("a version is to be compiled once")
    return compiled


def store_acts(kind: str) -> dict[str, str]:
    """What each act asks of the store, as `3 load, 1 commit`."""
    world = World(kind, "memory:")
    seen: Counter[str] = Counter()

    def note(measurement: Any) -> None:
        if measurement.name == "session_claims.store.duration":
            seen[measurement.attributes["operation"]] += 1

    world.claims.metrics.add(note)
    told: dict[str, str] = {}
    for name, act in world.acts().items():
        act()  # what others have changed, and the template, are known by now
        seen.clear()
        act()
        told[name] = ", ".join(f"{number} {act}" for act, number in sorted(seen.items()))
    return told


def acts_of(store: str, folder: Path, given: common.Options) -> Any:
    def address(kind: str) -> str:
        name = kind.replace(", ", "-").replace(" ", "-")
        return "memory:" if store == "memory" else f"sqlite:///{folder / name}.db"

    acts = {
        (act, kind): do
        for kind in EXPECTED
        for act, do in World(kind, address(kind)).acts().items()
    }
    wall: dict[tuple[str, str], list[float]] = {name: [] for name in acts}
    cpu: dict[tuple[str, str], list[float]] = {name: [] for name in acts}
    number = 5 if given.quick else ACTS
    for index in range(given.rounds + 1):
        spent, burnt = dict.fromkeys(acts, 0.0), dict.fromkeys(acts, 0.0)
        for turn in range(number):
            order = list(acts.items())
            for name, act in order if turn % 2 == 0 else reversed(order):
                begun, busy = time.perf_counter(), time.process_time()
                act()
                burnt[name] += time.process_time() - busy
                spent[name] += time.perf_counter() - begun
        if index:  # the first only warms up
            for name in acts:
                wall[name].append(spent[name] / number * 1e6)
                cpu[name].append(burnt[name] / number * 1e6)
    asked = {kind: store_acts(kind) for kind in EXPECTED}
    rows = []
    for (act, kind), times in wall.items():
        base = act, GIVEN
        rows.append(
            [
                f"{act}: {kind}" if kind == GIVEN else f"**{act}: {kind}**",
                Spread.of(1e6 / value for value in times).text(0),
                "" if kind == GIVEN else common.ratio(times, wall[base]).text(),
                Spread.of(cpu[act, kind]).text(0),
                "" if kind == GIVEN else common.ratio(cpu[act, kind], cpu[base]).text(),
                asked[kind][act],
            ]
        )
    heads = ["act", "a second", "x claims given", "CPU µs", "x claims given, CPU", "asks the store"]
    where = "memory" if store == "memory" else f"SQLite, {file_system(folder)}"
    rows.sort(key=lambda row: ["create", "refresh", "mint"].index(row[0].strip("*").split(":")[0]))
    common.table(f"Acts that mint, {where} ({given.rounds} rounds of {number})", heads, rows)
    return {" ".join(name): {"wall": wall[name], "cpu": cpu[name]} for name in acts}


def request(given: common.Options) -> Any:
    """A guarded view that reads a claim, own sessions in memory."""
    import apps
    from flask import g
    from request import wsgi

    from flask_session_claims import login_required

    def served(kind: str) -> tuple[Any, Mapping[str, str]]:
        world = World(kind, "memory:")

        @world.app.get("/")
        @login_required
        def view() -> Any:
            return g.auth.session_claims["fullName"]

        name = world.app.extensions["session_claims"].issuing.issuer.cookies.session
        return world.app, apps.by_cookie(world.mint(), name)

    cases = []
    for kind in EXPECTED:
        app, headers = served(kind)
        many, answer = wsgi(app, headers)
        if answer() != ("200", NAME.encode()):
            raise SystemExit(f"{kind}: {answer()} to the good token")
        if wsgi(app, {})[1]()[0] != "401":
            raise SystemExit(f"{kind}: lets somebody in without a token")
        cases.append(Case(kind, many))
    taken = common.measure(cases, given.rounds, given.sample)
    rows = [
        [kind if kind == GIVEN else f"**{kind}**", Spread.of(times).text(1)]
        + ([""] if kind == GIVEN else [common.ratio(times, taken[GIVEN]).text()])
        for kind, times in taken.items()
    ]
    heads = ["claims in the token", "µs: median (min..max)", "x claims given"]
    common.table(f"One Flask request that reads, CPU time ({given.rounds} rounds)", heads, rows)
    return taken


def main() -> None:
    given = common.options(__doc__ or "")
    found = common.versions("Flask-Session-Claims", "Flask", "cryptography")
    measured: dict[str, Any] = {"compiled": compiled_once()}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        parts: dict[str, Callable[[], Any]] = {
            "memory": lambda: acts_of("memory", folder, given),
            "sqlite": lambda: acts_of("sqlite", folder, given),
            "request": lambda: request(given),
        }
        measured.update((part, do()) for part, do in parts.items() if given.only in part)
    common.save(given.json, versions=found, measured=measured)


if __name__ == "__main__":
    main()
