"""The reports as lines for people. Nothing here decides anything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from .config import ConfigReport, SettingReport
from .inspection import TokenReport
from .keys import KeysReport
from .layout import Cell, Paint, Tone, as_text, columns, duration, moment
from .routes import Access, RouteReport

Lines = list[str]

_ACCESS: Final[dict[Access, Tone]] = {
    "guarded": "good",
    "required": "good",
    "public": "warn",
    "open": "bad",
}
_SIGNATURE: Final[dict[str, tuple[str, Tone]]] = {
    "good": ("signature good", "good"),
    "bad": ("signature NOT good: believe nothing below", "bad"),
    "unchecked": ("signature not checked: believe nothing below", "warn"),
}
#: Times among the claims, which are shown as dates too.
_TIMES: Final = ("exp", "nbf", "iat", "auth_time", "updated_at")


class Page:
    """Lines under headings, at one width."""

    def __init__(self, paint: Paint, width: int | None) -> None:
        self.lines: Lines = []
        self._paint = paint
        self._width = width

    def heading(self, text: str) -> None:
        if self.lines:
            self.lines.append("")
        self.lines.append(self._paint(text, "head"))

    def rows(self, rows: Sequence[Sequence[Cell]], indent: int = 2) -> None:
        self.lines += columns(rows, self._paint, width=self._width, indent=indent)


def token_lines(report: TokenReport, paint: Paint, width: int | None) -> Lines:
    page = Page(paint, width)
    if report.accepted:
        verdict = Cell("accepted", "good")
    else:
        untold = (report.code or "").startswith(_UNTOLD)
        verdict = Cell("undecided" if untold else "refused", "bad")
    if report.header is None and report.claims is None:
        told = Cell(f"{report.code}: {report.why or report.message}")
        page.rows([[verdict, told]], indent=0)
        return page.lines
    rows = [[verdict, Cell(report.code or report.message, "head")]]
    rows += [[Cell(""), Cell(report.message)]] if report.code else []
    rows += [[Cell("why"), Cell(report.why)]] if report.why else []
    page.rows(rows, indent=0)
    if report.header is not None:
        page.heading("Header")
        page.rows([[Cell(name), Cell(as_text(value))] for name, value in report.header.items()])
    if report.claims is not None:
        page.heading("Claims")
        page.rows([[Cell(*_SIGNATURE[report.signature])]])
        page.rows([_claim(name, value) for name, value in report.claims.items()])
        page.heading("Age")
        page.rows(_age(report))
    page.heading("Size")
    page.rows(_sizes(report))
    return page.lines


#: How codes begin that say nothing against the token.
_UNTOLD: Final = (
    *("jwk-remote-failed-to-load", "unavailable"),
    *("store-", "keyring-", "session-record-", "template-record-", "directory-record-"),
)


def _claim(name: str, value: object) -> list[Cell]:
    text = as_text(value)
    if name in _TIMES and isinstance(value, (int, float)) and not isinstance(value, bool):
        if 0 <= value < 1e11:
            text = f"{text}  ({moment(float(value))})"
    return [Cell(name), Cell(text)]


def _age(report: TokenReport) -> list[list[Cell]]:
    times = report.times
    rows: list[list[Cell]] = []
    if times.age is not None:
        late = "issued in the future" if times.age < 0 else "issued"
        rows.append([Cell(late), Cell(_distance(-times.age))])
    if times.expires_in is not None:
        ended = times.expires_in <= 0
        word = Cell("expired", "bad") if ended else Cell("expires", "good")
        rows.append([word, Cell(_distance(times.expires_in))])
    if times.expires_in is not None and times.age is not None:
        rows.append([Cell("lifetime"), Cell(duration(times.expires_in + times.age))])
    return rows or [[Cell("it states no time", "warn")]]


def _distance(seconds: float) -> str:
    return f"in {duration(seconds)}" if seconds > 0 else f"{duration(seconds)} ago"


def _sizes(report: TokenReport) -> list[list[Cell]]:
    rows: list[list[Cell]] = []
    for size in report.sizes:
        share = f"{size.used / size.limit:.0%}"
        tone: Tone = "bad" if not size.fits else "warn" if size.used > 0.8 * size.limit else "good"
        text = f"{size.used:,} of {size.limit:,} {size.unit}"
        if size.what == "custom claims" and size.used > 0.5 * size.limit:
            text += "; largest: " + ", ".join(f"{n} {b:,}" for n, b in report.custom[:3])
        rows.append([Cell(size.what), Cell(share.rjust(5), tone), Cell(text)])
    return rows


def config_lines(
    report: ConfigReport, places: Callable[[SettingReport], str], paint: Paint, width: int | None
) -> Lines:
    """The lines; `places` names where a value came from, in the words of the framework."""
    page = Page(paint, width)
    page.heading("Settings")
    rows: list[list[Cell]] = []
    for setting in report.settings:
        tone: Tone = "dim" if setting.source == "default" else "plain"
        if setting.redacted:
            value = "(set, not shown)"
        else:
            value = "unset" if setting.value is None else as_text(setting.value)
        rows.append([Cell(setting.name, tone), Cell(places(setting), tone), Cell(value, tone)])
    page.rows(rows)
    page.heading("In effect")
    effect = report.in_effect
    own = effect.store is not None
    parties = ", ".join(effect.parties or ()) or "anything: azp is not checked"
    unchecked: Tone = "dim" if own else "warn"  # who has our key set makes no other app's tokens
    missing = _UNNAMED if own and effect.issuer is None else "none"
    rows = [
        [Cell("issuer"), Cell(effect.issuer or _UNNAMED)],
        [Cell("keys"), Cell(effect.keys)],
        [Cell("azp"), Cell(parties, "plain" if effect.parties else unchecked)],
        [Cell("cookies"), Cell(", ".join(effect.cookies) or missing)],
        [Cell("Vary"), Cell(effect.vary)],
    ]
    if effect.store is not None:
        rows.insert(1, [Cell("store"), Cell(effect.store)])
    page.rows(rows)
    return page.lines


_UNNAMED: Final = "comes with the store: not known before the first sign-in"


def keys_lines(report: KeysReport, paint: Paint, width: int | None) -> Lines:
    page = Page(paint, width)
    rows = [[Cell("from"), Cell(report.where)]]
    if report.problem is not None:
        rows.append([Cell("not fetched", "bad"), Cell(report.problem)])
    elif not report.keys:
        rows.append([Cell("none yet", "warn"), Cell(_COLD)])
    if report.refresh_in is not None and report.expires_in is not None:
        soon, end = duration(report.refresh_in), duration(report.expires_in)
        rows.append([Cell("fresh", "good"), Cell(f"next fetch in {soon}, expires in {end}")])
    rows += [[Cell("left out", "warn"), Cell(note)] for note in report.notes]
    page.rows(rows, indent=0)
    if report.keys:
        page.heading("Keys")
        page.rows(
            [
                [
                    Cell(key.algorithm, "good" if key.used else "warn"),
                    Cell(key.kid or "(no kid: answers for any)"),
                    Cell("" if key.used else "not used: ALGORITHMS does not name it", "warn"),
                ]
                for key in report.keys
            ]
        )
    return page.lines


_COLD: Final = "this process has fetched none (a server's are its own); --fetch does"


def route_lines(reports: Sequence[RouteReport], paint: Paint, width: int | None) -> Lines:
    page = Page(paint, width)
    policy = reports[0].policy if reports else ""
    if not reports:
        return ["This app has no routes."]
    page.heading(f"Routes (default policy: {policy})")
    rows: list[list[Cell]] = []
    for report in reports:
        word = "OPEN" if report.is_fault else report.access
        tone: Tone = "dim" if report.allowed else _ACCESS[report.access]
        rows.append(
            [
                Cell(word, tone),
                Cell(_methods(report.methods)),
                Cell(report.rule),
                Cell(report.endpoint, "dim"),
                Cell(_by(report)),
            ]
        )
    page.rows(rows)
    page.lines.append("")
    count = sum(report.is_fault for report in reports)
    if count:
        total = f"{count} of {len(reports)} unprotected"
        cure = "guard them, mark them @public, or name them with --allow"
        page.rows([[Cell(total, "bad"), Cell(cure)]], indent=0)
    else:
        page.rows([[Cell(f"{len(reports)} routes, none unprotected", "good")]], indent=0)
    return page.lines


def _methods(names: Sequence[str]) -> str:
    """GET says HEAD too."""
    left_out = {"GET": "HEAD", "method GET": "method HEAD"}
    said = {left_out[name] for name in names if name in left_out}
    return ", ".join(name for name in names if name not in said)


def _by(report: RouteReport) -> str:
    # One gate for several methods is one line.
    where: dict[str, list[str]] = {}
    for gate in report.gates:
        where.setdefault(gate.gate, []).append(gate.where)
    texts = [
        gate if set(places) == {"view"} else f"{gate} ({_methods(tuple(dict.fromkeys(places)))})"
        for gate, places in where.items()
    ]
    if report.access == "required":
        texts.append("default policy")
    if report.access == "public":
        texts.append("marked @public")
    if report.allowed:
        texts.append("allowed by --allow")
    if report.gates and report.unprotected:
        texts.append(f"not for {_methods(report.unprotected)}")
    return "; ".join(texts)
