"""What the change feed costs: on each request, in memory, and at the store.

    feed.py [--store URL ...]

The stores are those of `stores.py`. The cached way of another issuer's token, which no feed
stands behind, is what the check is compared with.
"""

from __future__ import annotations

import contextlib
import gc
import os
import sqlite3
import tempfile
import time
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import apps
import common
import stores
from common import NAME, Case, Signer, Spread, each
from sessions import CUSTOM, SECRET, app_for

LIVE = (1_000, 100_000)
NEW = (0, 1, 100)
#: Rounds of looks, at most: the first one at a long log takes seconds.
LOOKS = 5
#: Entries in one commit when the log is filled.
LOT = 1_000
#: Sessions loaded, whose memory is taken.
HELD = 1_000
#: For what the clock must not interrupt.
NEVER = {"FEED_INTERVAL": 60, "FEED_MAX_AGE": 60, "SESSION_TOKEN_LIFETIME": 3600}


def session_ids(number: int) -> list[str]:
    from flask_session_claims.sessions.tokens import ID_BYTES, session_id

    return [session_id(os.urandom(ID_BYTES)) for _ in range(number)]


def tell(store: Any, ids: Sequence[str]) -> None:
    """Entries about these sessions, and for every fifth about its user."""
    from flask_session_claims.sessions.model import log_entry

    now = time.time()
    for first in range(0, len(ids), LOT):
        store.commit(
            [],
            [],
            [
                log_entry("user", f"user_{one[5:]}", "claims", now)
                if index % 5 == 4
                else log_entry("session", one, "revoked", now)
                for index, one in enumerate(ids[first : first + LOT])
            ],
        )


def feed_of(interval: float = 0.0) -> Any:
    """A feed that looks whenever it is asked to."""
    from flask_session_claims.sessions.feed import Feed

    return Feed(
        clock=time.time,
        monotonic=time.monotonic,
        interval=interval,
        max_age=60,
        keys_changed=lambda: None,
    )


def catch_up(feed: Any, store: Any) -> None:
    from flask_session_claims.core.flow import run
    from flask_session_claims.sessions.records import ReadLog

    def perform(ask: Any) -> Any:
        assert type(ask) is ReadLog
        return store.log_since(ask.position)

    if not run(feed.catch_up(), perform):
        raise SystemExit("the store does not answer")


# The check, on the cached way


class Own:
    """An app with own sessions in memory, one token of it, and the way to its feed."""

    def __init__(self, **settings: Any) -> None:
        from flask import g

        from flask_session_claims import login_required

        self.app, extension = app_for("memory:", **settings)
        self.side = self.app.extensions["session_claims"]
        self.issuing, self.sessions = self.side.issuing, extension.sessions

        @self.app.get("/")
        @login_required
        def view() -> Any:
            return g.auth.session_claims["fullName"]

        issued = self.sessions.create("user_1", claims=CUSTOM)
        self.session_id, self.token = issued.session.session_id, issued.session_token
        self.headers = apps.by_cookie(self.token, self.issuing.issuer.cookies.session)

    def others_change(self, number: int) -> None:
        tell(self.issuing.store, session_ids(number))
        self.looks()

    def looks(self) -> None:
        self.issuing.feed.look_again()
        assert self.issuing.run(self.issuing.feed.catch_up())

    def changes(self, **patch: Any) -> None:
        self.sessions.merge_claims(self.session_id, patch)

    def known(self) -> tuple[Any, Any]:
        """Recalls the token from the cache, and checks its claims."""
        from flask_session_claims import credentials_from

        self.side.open(self.issuing)
        verifier, fields = self.side.verifier, ([], [self.headers["Cookie"]])
        auth = verifier.authenticate(credentials_from(*fields, self.side.settings))
        assert auth.is_authenticated, auth.reason
        recall, freshness = verifier.flows.recall, self.issuing.freshness
        cookie, claims = self.headers["Cookie"], self.entry(verifier)
        return (lambda: recall(None, cookie)), (lambda: freshness.check(claims))

    def entry(self, verifier: Any) -> Any:
        """The claims as the token says them, which an overlay may stand over."""
        from flask_session_claims.core.recall import digest_of

        return verifier.flows.cache.get(digest_of(self.token)).claims


def check(given: common.Options) -> Any:
    from flask_session_claims import Verifier, VerifierSettings, credentials_from
    from flask_session_claims.core.freshness import Standing
    from flask_session_claims.sessions.known import spread_over
    from flask_session_claims.sessions.model import log_entry

    signer = Signer()
    settings = VerifierSettings(
        issuer=common.ISSUER, jwks=signer.jwks, authorized_parties=(common.PARTY,)
    )
    foreign = Verifier(settings)
    cookie = f"theme=dark; __session={signer.token(common.claims())}"
    assert foreign.authenticate(credentials_from([], [cookie], settings)).is_authenticated
    assert foreign.flows.recall(None, cookie)
    base = "recall: another issuer's token"
    cases = [Case(base, each(lambda: foreign.flows.recall(None, cookie)))]
    few = LIVE[0]

    def quiet(own: Own) -> None:
        pass

    def others(own: Own) -> None:
        own.others_change(few)

    def spread(own: Own) -> None:
        own.others_change(few)
        entry = log_entry("template", "session", spread_over(30), time.time() + 3600)
        own.issuing.store.commit([], [], [entry])

    def same(own: Own) -> None:
        own.changes(plan="basic")
        own.changes(plan=CUSTOM["plan"])

    def other(own: Own) -> None:
        own.changes(plan="basic")

    states = {
        "nothing newer in the log": (quiet, Standing.FRESH),
        f"{few:,} newer entries, about others": (others, Standing.FRESH),
        "the same, and a spread under way": (spread, Standing.FRESH),
        "loaded, and the token still right": (same, Standing.FRESH),
        "loaded, and other claims in force": (other, Standing.STALE),
    }
    for name, (happens, expected) in states.items():
        own = Own(**NEVER)
        happens(own)
        recall, one_check = own.known()

        def prepare(
            own: Own = own,
            recall: Any = recall,
            one_check: Any = one_check,
            expected: Any = expected,
        ) -> None:
            own.looks()
            if one_check() is not expected or (recall() is None) is (expected is Standing.FRESH):
                raise SystemExit(f"{one_check()} instead of {expected}")

        cases.append(Case(f"**check: {name}**", each(one_check), prepare))
        if expected is Standing.FRESH:
            cases.append(Case(f"**recall: own token, {name}**", each(recall), prepare))
    taken = common.measure(cases, given.rounds, given.sample)
    rows = [
        [name, Spread.of(values).text(), common.ratio(values, taken[base]).text()]
        for name, values in taken.items()
    ]
    heads = ["", "µs: median (min..max)", "x recall of another issuer's"]
    common.table(f"The check of freshness, CPU time ({given.rounds} rounds)", heads, rows)
    return taken


# A request


def request(given: common.Options) -> Any:
    from request import wsgi

    signer = Signer()
    bare, foreign = apps.flask_bare(signer, ""), apps.flask_ours(signer, "")
    # With it Flask opens its own session for each request; own tokens need it, so all have it.
    bare.secret_key = foreign.secret_key = SECRET
    good = apps.by_cookie(signer.token(common.claims()))
    quiet, others, other = (Own(SESSION_TOKEN_LIFETIME=3600) for _ in range(3))
    others.others_change(LIVE[0])
    other.changes(plan="basic")
    given_key = "**another issuer's token, key given**"
    served = {
        "bare": (bare, good, False),
        given_key: (foreign, good, False),
        "**own token, nothing newer**": (quiet.app, quiet.headers, False),
        f"**own token, {LIVE[0]:,} others changed**": (others.app, others.headers, False),
        "**own token outdated, a new one each time**": (other.app, other.headers, True),
    }
    cases = []
    for name, (app, headers, brings) in served.items():
        many, answer = wsgi(app, headers)
        if answer() != ("200", NAME.encode()):
            raise SystemExit(f"{name}: {answer()} to the good token")
        cookies = app.test_client(use_cookies=False).get("/", headers=headers).headers
        if ("Set-Cookie" in cookies) is not brings:
            raise SystemExit(f"{name}: the response's cookies are not as expected")
        cases.append(Case(name, many))
    taken = common.measure(cases, given.rounds, given.sample)
    rows = []
    for name, values in taken.items():
        row = [name, Spread.of(values).text(1)]
        for base in ("bare", given_key):
            row.append("" if name in ("bare", base) else common.ratio(values, taken[base]).text())
        rows.append(row)
    heads = ["app", "µs: median (min..max)", "x bare", "x another issuer's"]
    common.table(f"One Flask request, CPU time ({given.rounds} rounds)", heads, rows)
    return taken


# What is kept, and what looking costs


def memory(given: common.Options) -> Any:
    """Bytes that Python allots, by tracemalloc: the log as known, and sessions loaded."""
    from flask_session_claims.stores.sqlite import SqliteStore

    rows, measured = [], {}
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStore(Path(folder, "log.db"))
        told = 0
        for live in (number // 10 if given.quick else number for number in LIVE):
            tell(store, session_ids(live - told))
            told = live
            feed = feed_of()
            with traced() as spent:
                catch_up(feed, store)
            assert len(feed.known) == live
            rows.append([f"{live:,} live entries known", *sizes(spent, live)])
            measured[f"{live} entries"] = spent
        store.close()
    own = Own()
    made = [own.sessions.create(f"user_{n}", claims=CUSTOM) for n in range(HELD)]
    for issued in made:
        own.sessions.merge_claims(issued.session.session_id, {"plan": "basic"})
    own.looks()
    with traced() as spent:
        for issued in made:
            in_force = own.issuing.run(own.issuing.freshness.settle(issued.claims))
            assert in_force["plan"] == "basic"
    rows.append([f"{HELD:,} sessions loaded", *sizes(spent, HELD)])
    measured["sessions"] = spent
    heads = ["a worker's", "MiB", "at the worst MiB", "bytes each"]
    common.table("Memory (tracemalloc)", heads, rows)
    return measured


@contextlib.contextmanager
def traced() -> Any:
    gc.collect()
    tracemalloc.start()
    spent: list[int] = []
    try:
        yield spent
        gc.collect()
        spent += tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()


def sizes(spent: Sequence[int], number: int) -> list[str]:
    now, worst = spent
    return [f"{now / 2**20:.2f}", f"{worst / 2**20:.2f}", f"{now / number:,.0f}"]


def looks(given: common.Options, places: Sequence[stores.Place]) -> Any:
    """Wall-clock time of the first look and of the later ones, with so many live entries."""
    from flask_session_claims.stores import open_store

    measured: dict[str, dict[str, list[float]]] = {}
    rows = []
    for place in places:
        store, told = open_store(place.url), 0
        for live in (number // 10 if given.quick else number for number in LIVE):
            tell(store, session_ids(live - told))
            place.settle()
            told = live
            measured[f"{place.name} {live}"] = taken = looked(place, store, given)
            told += min(LOOKS, given.rounds) * sum(NEW)
            floor = taken["floor"]
            row = [place.name, f"{live:,}", Spread.of(taken["first"]).text(1)]
            row.append(Spread.of(floor).text(3) if floor else "")
            row += [Spread.of(taken[f"{new} new"]).text() for new in NEW]
            row.append(common.ratio(taken["0 new"], floor).text(1) if floor else "")
            rows.append(row)
        store.close()
    heads = ["store", "live entries", "first look, ms", "floor, ms"]
    heads += [f"{new} new, ms" for new in NEW] + ["nothing new, x floor"]
    common.table(
        f"Looks at the log ({min(LOOKS, given.rounds)} rounds); floor: one row read",
        heads,
        rows,
    )
    return measured


def looked(place: stores.Place, store: Any, given: common.Options) -> dict[str, list[float]]:
    """Milliseconds; a round takes the median of several looks that bring nothing."""
    taken: dict[str, list[float]] = {"first": [], "floor": []}
    taken |= {f"{new} new": [] for new in NEW}
    read = place.floor()[0] if place.floor else None
    feed = feed_of()
    catch_up(feed, store)
    for _ in range(min(LOOKS, given.rounds)):
        if read is not None:
            taken["floor"].append(Spread.of(timed(read) for _ in range(20)).median)
        for new in NEW:
            if new:
                tell(store, session_ids(new))
                taken[f"{new} new"].append(timed(lambda: catch_up(feed, store)))
            else:
                several = [timed(lambda: catch_up(feed, store)) for _ in range(20)]
                taken["0 new"].append(Spread.of(several).median)
        fresh = feed_of()
        taken["first"].append(timed(lambda one=fresh: catch_up(one, store)))
        assert fresh.known.position == feed.known.position
    return taken


def timed(act: Any) -> float:
    begun = time.perf_counter()
    act()
    return (time.perf_counter() - begun) * 1e3


def main() -> None:
    urls = stores.options("store")
    given = common.options(__doc__ or "")
    found = common.versions("Flask-Session-Claims", "Flask", "psycopg", "redis")
    print(f"SQLite {sqlite3.sqlite_version}; load average {stores.load_average()}")
    parts = {"check": check, "request": request, "memory": memory}
    measured: dict[str, Any] = {
        name: part(given) for name, part in parts.items() if given.only in name
    }
    if given.only in "looks":
        with tempfile.TemporaryDirectory() as name, stores.places(Path(name), urls) as places:
            measured["looks"] = looks(given, places)
    print(f"load average {stores.load_average()}")
    common.save(given.json, versions=found, measured=measured)


if __name__ == "__main__":
    main()
