"""An hour of a million sessions on many workers: what the change feed carries, and who reads what.

`hour.py` says what is simulated. Draws the plots of `docs/feed-simulation.md`, unless it is
`--quick`.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import common
import svg
from hour import (
    HOUR,
    IN_USE,
    PEAK,
    PEAK_FROM,
    PEAK_TO,
    REQUESTS,
    SEED,
    SESSIONS,
    SPREAD,
    TEMPLATE_AT,
    Hour,
)

WORKERS = (4, 16, 64)
STATIC = Path(__file__).parents[1] / "docs" / "_static"


def most(counted: Counter[int]) -> int:
    return max(counted.values(), default=0)


def mean(counted: Counter[int], begin: float, end: float) -> float:
    return sum(counted[second] for second in range(int(begin), int(end))) / (end - begin)


def report(hours: dict[int, Hour], abrupt: dict[int, Hour]) -> None:
    def row(name: str, value: Any) -> list[str]:
        return [name, *(value(hour, number) for number, hour in hours.items())]

    def delay(hour: Hour, share: float) -> str:
        ordered = sorted(hour.tally.delays.values())
        return f"{ordered[min(len(ordered) - 1, int(share * len(ordered)))]:.2f}"

    def in_all(hour: Hour) -> int:
        return hour.tally.looks.total()

    rows = [
        row("requests a second, each worker", lambda hour, n: f"{REQUESTS / n:,.0f}"),
        row("looks at the log a second, all workers", lambda h, n: f"{in_all(h) / HOUR:.1f}"),
        row("the bound: workers / interval", lambda h, n: f"{n / h.settings.feed_interval:.0f}"),
        row("changes in the hour", lambda h, n: f"{h.changes:,}"),
        row("live entries, at most", lambda h, n: f"{max(h.tally.live.values()):,}"),
        row("entries that a look brings", lambda h, n: f"{h.tally.entries / in_all(h):.2f}"),
        row("bytes that a look brings", lambda h, n: f"{h.tally.size / in_all(h):.0f}"),
        row("kB a second, all workers", lambda h, n: f"{h.tally.size / HOUR / 1e3:.1f}"),
        row("all workers know a change after, median s", lambda h, n: delay(h, 0.5)),
        row("… p99", lambda h, n: delay(h, 0.99)),
        row("… at most", lambda h, n: delay(h, 1)),
        row(
            "sessions read a second, usually",
            lambda h, n: f"{mean(h.tally.loads, 60, PEAK_FROM):.2f}",
        ),
        row(
            f"… while {PEAK:.0f} a second change",
            lambda h, n: f"{mean(h.tally.loads, PEAK_FROM, PEAK_TO):.1f}",
        ),
        row("… after the template change, at most", lambda h, n: f"{most(h.tally.loads):,}"),
        row("… were that not spread", lambda h, n: f"{most(abrupt[n].tally.loads):,}"),
        row("… if each request read its own", lambda h, n: f"{REQUESTS:,.0f}"),
        row("new tokens a second after it, at most", lambda h, n: f"{most(h.tally.reminted):,}"),
        row("… were it not spread", lambda h, n: f"{most(abrupt[n].tally.reminted):,}"),
        row("refreshes a second", lambda h, n: f"{h.refreshes / HOUR:.0f}"),
    ]
    heads = ["", *(f"{number} workers" for number in hours)]
    common.table(f"{SESSIONS:,} sessions for an hour, {IN_USE:,} of them in use", heads, rows)


def draw(hours: dict[int, Hour], abrupt: dict[int, Hour]) -> None:
    middle = sorted(hours)[len(hours) // 2]
    hour = hours[middle]
    looks = [(float(n), h.tally.looks.total() / HOUR) for n, h in hours.items()]
    bound = [(float(n), n / hour.settings.feed_interval) for n in (0, *hours)]
    svg.chart(
        STATIC / "feed-looks.svg",
        title="Looks at the log",
        x="workers",
        y="looks at the log, 1/s",
        lines=[
            svg.Line("simulated", looks, marked=True),
            svg.Line("workers / interval", bound, dashed=True),
        ],
    )
    live = sorted(hour.tally.live.items())[::10]
    svg.chart(
        STATIC / "feed-log.svg",
        title="Live entries of the log",
        x="time, minutes",
        y="live entries",
        lines=[svg.Line("entries in the log", [(at / 60, float(value)) for at, value in live])],
    )
    svg.chart(
        STATIC / "feed-reads.svg",
        title="Sessions read for the feed",
        x="time, minutes (to the template change)",
        y="sessions read, 1/s",
        lines=[
            svg.Line(
                f"{n} workers",
                [
                    (begin / 60, mean(h.tally.loads, begin, begin + 30))
                    for begin in range(0, int(TEMPLATE_AT), 30)
                ],
            )
            for n, h in hours.items()
        ],
    )
    begin, end = int(TEMPLATE_AT) - 5, int(TEMPLATE_AT) + 90
    svg.chart(
        STATIC / "feed-template.svg",
        title="New tokens after a template change",
        x="time since the change, s",
        y=f"new tokens, 1/s ({middle} workers)",
        lines=[
            svg.Line(name, [(at - TEMPLATE_AT, tally.reminted[at]) for at in range(begin, end)])
            for name, tally in (
                ("at once", abrupt[middle].tally),
                (f"spread over {SPREAD:.0f} s", hour.tally),
            )
        ],
    )


def main() -> None:
    given = common.options(__doc__ or "")
    found = common.versions("Flask-Session-Claims")
    numbers: Sequence[int] = WORKERS[:1] if given.quick else WORKERS
    begun = time.perf_counter()
    hours: dict[int, Hour] = {}
    abrupt: dict[int, Hour] = {}
    for number in numbers:
        hours[number] = Hour(number, spread=SPREAD)
        hours[number].run()
        abrupt[number] = Hour(number, spread=0, begin=TEMPLATE_AT - 60, end=TEMPLATE_AT + 120)
        abrupt[number].run()
    report(hours, abrupt)
    if not given.quick:
        draw(hours, abrupt)
    print(f"{time.perf_counter() - begun:.0f} s, seed {SEED}")
    common.save(
        given.json, versions=found, measured={n: vars(hour.tally) for n, hour in hours.items()}
    )


if __name__ == "__main__":
    main()
