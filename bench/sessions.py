"""What sessions of one's own cost, on SQLite: create and refresh, a request, and acts a second.

The floor is one ES256 signature and one durable commit of a small row (WAL, synchronous FULL) on
the same disk. Files are in the folder for temporary files; TMPDIR names another.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import logging
import os
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import common
from common import NAME, PARTY, Case, Signer, Spread

SECRET = "bench " * 8
CUSTOM = {
    "fullName": NAME,
    "plan": "enterprise",
    "primaryEmail": "ada@bench.example",
    "roles": ["editor", "owner"],
}
ACTS = 40  # of each kind in a round, one by one in turn
CONNECTIONS = 16
WORKERS = (1, 2, 8)
PAGE = {"Sec-Fetch-Site": "same-origin", "User-Agent": "bench/1"}
Act = Callable[[], object]


def file_system(folder: Path) -> str:
    """Kind and device of what a folder is on."""
    best = ("", "?", "?")
    with contextlib.suppress(OSError):
        for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines():
            device, mount, kind, *_ = line.split()
            if folder.is_relative_to(mount) and len(mount) >= len(best[0]):
                best = (mount, kind, device)
    return f"{best[1]} on {best[2]}"


# The acts, one by one


def floor(folder: Path) -> Act:
    signer = Signer("ES256")
    rows = sqlite3.connect(folder / "floor.db", isolation_level=None)
    rows.execute("PRAGMA journal_mode = WAL")
    rows.execute("PRAGMA synchronous = FULL")
    rows.execute("CREATE TABLE small (key TEXT PRIMARY KEY, data BLOB) WITHOUT ROWID")
    numbers = count()

    def act() -> None:
        signer.signature(b"x" * 600)
        rows.execute("INSERT INTO small VALUES (?, ?)", (f"{next(numbers):032d}", b"x" * 100))

    return act


def app_for(store: str, **more: Any) -> tuple[Any, Any]:
    from flask import Flask

    from flask_session_claims import SessionClaims

    app = Flask("bench")
    app.config.update(SECRET_KEY=SECRET)
    settings = {"ISSUER": "self", "STORE": store, "DEV_COOKIES": True, **more}
    app.config.update({f"SESSION_CLAIMS_{key}": it for key, it in settings.items()})
    return app, SessionClaims(app)


def our_acts(folder: Path) -> dict[str, Act]:
    sessions = app_for(f"sqlite:///{folder / 'ours.db'}")[1].sessions
    fresh: list[Any] = []
    patches = count()

    def create() -> None:
        fresh.append(sessions.create("user_1", claims=CUSTOM))

    create()
    old = [fresh[0]]
    for _ in range(60):  # its journal is full then
        old[0] = sessions.refresh(old[0].refresh_token)
    sid = old[0].session.session_id

    def refresh_old() -> None:
        old[0] = sessions.refresh(old[0].refresh_token)

    return {
        "create": create,
        "refresh, first time": lambda: sessions.refresh(fresh[-1].refresh_token),
        "refresh, journal full": refresh_old,
        "merge": lambda: sessions.merge_claims(sid, {"n": next(patches)}),
        "revoke": lambda: sessions.revoke(fresh.pop().session.session_id),
    }


def simplejwt_acts(folder: Path) -> dict[str, Act]:
    """Rotation with its blacklist, the same algorithm and the same pragmas."""
    import django
    from django.conf import settings

    pragmas = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL"
    database = {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(folder / "simplejwt.db"),
        "CONN_MAX_AGE": None,
        "OPTIONS": {"init_command": pragmas, "transaction_mode": "IMMEDIATE"},
    }
    signer = Signer("ES256")
    settings.configure(
        SECRET_KEY=SECRET,
        USE_TZ=True,
        DATABASES={"default": database},
        INSTALLED_APPS=[
            "django.contrib.contenttypes",
            "django.contrib.auth",
            "rest_framework_simplejwt.token_blacklist",
        ],
        SIMPLE_JWT={
            "ALGORITHM": "ES256",
            "SIGNING_KEY": signer.private_pem(),
            "VERIFYING_KEY": signer.pem,
            "ROTATE_REFRESH_TOKENS": True,
            "BLACKLIST_AFTER_ROTATION": True,
        },
    )
    django.setup()
    from django.contrib.auth import get_user_model
    from django.core.management import call_command
    from rest_framework_simplejwt.exceptions import TokenError
    from rest_framework_simplejwt.serializers import TokenRefreshSerializer
    from rest_framework_simplejwt.tokens import RefreshToken

    call_command("migrate", verbosity=0)
    user = get_user_model().objects.create_user("ada", first_name=NAME)
    held = [""]

    def create() -> None:
        made: Any = RefreshToken.for_user(user)
        made.access_token.payload.update(CUSTOM)
        str(made.access_token)
        held[0] = str(made)

    def refresh() -> None:
        serializer = TokenRefreshSerializer(data={"refresh": held[0]})
        serializer.is_valid(raise_exception=True)
        held[0] = serializer.validated_data["refresh"]

    create()
    used = held[0]
    refresh()
    held[0], new = used, held[0]
    try:
        refresh()
    except TokenError:
        held[0] = new
    else:
        raise SystemExit("simplejwt took a refresh token twice")
    return {"simplejwt: create": create, "simplejwt: rotate and blacklist": refresh}


def prove(folder: Path) -> None:
    """What is timed keeps its word: a used refresh token ends the session."""
    from flask_session_claims import RefreshRefused

    logging.getLogger("flask_session_claims").setLevel(logging.ERROR)  # theft is what we play
    sessions = app_for(f"sqlite:///{folder / 'proof.db'}", REFRESH_GRACE=0)[1].sessions
    first = sessions.create("user_1", claims=CUSTOM)
    second = sessions.refresh(first.refresh_token)
    assert second.claims["fullName"] == NAME
    time.sleep(0.01)
    for used in (first, second):
        try:
            sessions.refresh(used.refresh_token)
        except RefreshRefused:
            continue
        raise SystemExit("a used refresh token was taken")


def one_by_one(folder: Path, given: common.Options) -> Any:
    prove(folder)
    acts = {"floor: sign and commit": floor(folder), **our_acts(folder), **simplejwt_acts(folder)}
    wall: dict[str, list[float]] = {name: [] for name in acts}
    cpu: dict[str, list[float]] = {name: [] for name in acts}
    number = 5 if given.quick else ACTS
    for index in range(given.rounds + 1):
        spent = dict.fromkeys(acts, 0.0)
        burnt = dict.fromkeys(acts, 0.0)
        for _ in range(number):
            for name, act in acts.items():
                begun, busy = time.perf_counter(), time.process_time()
                act()
                burnt[name] += time.process_time() - busy
                spent[name] += time.perf_counter() - begun
        if index:  # the first only warms up
            for name in acts:
                wall[name].append(spent[name] / number * 1e6)
                cpu[name].append(burnt[name] / number * 1e6)
    base, *_ = wall
    rows = [
        [
            name if name == base or name.startswith("simplejwt") else f"**ours: {name}**",
            Spread.of(wall[name]).text(0),
            common.ratio(wall[name], wall[base]).text(),
            Spread.of(cpu[name]).text(0),
            common.ratio(cpu[name], cpu[base]).text(),
        ]
        for name in acts
    ]
    heads = ["act", "µs: median (min..max)", "x floor", "CPU µs", "x floor's CPU"]
    common.table(f"One act, {file_system(folder)} ({given.rounds} rounds)", heads, rows)
    return {"wall": wall, "cpu": cpu}


# A request with an own token


def per_request(folder: Path, given: common.Options) -> Any:
    import apps
    from flask import g
    from request import wsgi

    from flask_session_claims import login_required

    def own(store: str) -> tuple[Any, dict[str, str]]:
        app, claims = app_for(store, SESSION_TOKEN_LIFETIME=3600)

        @app.get("/")
        @login_required
        def view() -> Any:
            return g.auth.session_claims["fullName"]

        token = claims.sessions.create("user_1", claims=CUSTOM).session_token
        name = app.extensions["session_claims"].issuing.issuer.cookies.session
        return app, apps.by_cookie(token, name)

    signer = Signer()
    good = apps.by_cookie(signer.token(common.claims()))
    bare, foreign = apps.flask_bare(signer, ""), apps.flask_ours(signer, "")
    # With it Flask opens its own session for each request; own tokens need it, so all have it.
    bare.secret_key = foreign.secret_key = SECRET
    served = {
        "bare": (bare, good),
        "**ours, another issuer's token, cached**": (foreign, good),
        "**own sessions, memory**": own("memory:"),
        "**own sessions, SQLite**": own(f"sqlite:///{folder / 'request.db'}"),
    }
    cases = []
    for name, (app, headers) in served.items():
        many, answer = wsgi(app, headers)
        if answer() != ("200", NAME.encode()):
            raise SystemExit(f"{name}: {answer()} to the good token")
        if name != "bare" and wsgi(app, {})[1]()[0] != "401":
            raise SystemExit(f"{name}: lets somebody in without a token")
        cases.append(Case(name, many))
    taken = common.measure(cases, given.rounds, given.sample)
    rows = [
        [name, Spread.of(values).text(1)]
        + ([common.added(values, taken["bare"]).text(1, "+")] if name != "bare" else [""])
        for name, values in taken.items()
    ]
    heads = ["app", "µs: median (min..max)", "added µs"]
    common.table(f"One Flask request, CPU time ({given.rounds} rounds)", heads, rows)
    return taken


# Acts a second behind gunicorn


def make(store: str) -> Any:
    """What gunicorn serves."""
    from flask_session_claims import create_session, merge_session_claims

    app, claims = app_for(store, ORIGINS=[PARTY])
    app.register_blueprint(claims.blueprint(), url_prefix="/auth")
    numbers = count()

    @app.post("/bare")
    def bare() -> str:
        return "ok"

    @app.post("/sign-in")
    def sign_in() -> str:
        create_session("user_1", claims=CUSTOM)
        return "ok"

    @app.post("/merge")
    def merge() -> str:
        merge_session_claims({"n": f"{os.getpid()}-{next(numbers)}"})
        return "ok"

    return app


Cookies = dict[str, str]


def ask(line: http.client.HTTPConnection, path: str, cookies: Mapping[str, str]) -> Cookies:
    """The cookies after a request on a connection that is kept."""
    carried = "; ".join(f"{name}={value}" for name, value in cookies.items())
    line.request("POST", path, b"", PAGE | ({"Cookie": carried} if carried else {}))
    answer = line.getresponse()
    answer.read()
    if answer.status != 200:
        raise SystemExit(f"{path}: {answer.status}")
    new = [field.split(";")[0].partition("=") for field in answer.headers.get_all("Set-Cookie", [])]
    return {**cookies, **{name: value for name, _, value in new}}


def client(port: int, connections: int, number: int) -> None:
    """Does each act `number` times on each connection; one order a line on standard input."""
    lines = [http.client.HTTPConnection("127.0.0.1", port) for _ in range(connections)]
    for line in lines:
        line.connect()
        line.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    kept: list[list[Cookies]] = [[] for _ in lines]
    taken: list[float] = []
    print("ready", flush=True)

    def work(index: int, act: str) -> None:
        line, mine = lines[index], kept[index]
        for _ in range(number):
            begun = time.perf_counter()
            if act == "bare":
                ask(line, "/bare", {})
            elif act == "create":
                mine.append(ask(line, "/sign-in", {}))
            elif act == "refresh":
                mine[0] = ask(line, "/auth/session/refresh", mine[0])
            elif act == "merge":
                mine[0] = ask(line, "/merge", mine[0])
            else:
                ask(line, "/auth/signout", mine.pop())
            taken.append(time.perf_counter() - begun)

    for order in sys.stdin:
        taken.clear()
        failed: list[BaseException] = []

        def guarded(index: int, act: str) -> None:
            try:
                work(index, act)
            except BaseException as error:
                failed.append(error)  # noqa: B023

        threads = [
            threading.Thread(target=guarded, args=[index, order.strip()])
            for index in range(connections)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        print(json.dumps({"taken": taken, "failed": [repr(error) for error in failed]}), flush=True)


@contextlib.contextmanager
def gunicorn(workers: int, store: Path) -> Iterator[int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = ["-w", str(workers), "-k", "gthread", "--threads", "4", "-b", f"127.0.0.1:{port}"]
    arguments += ["--keep-alive", "60", "--no-control-socket", "--log-level", "error"]
    arguments += ["--chdir", sys.path[0], f"sessions:make('sqlite:///{store}')"]
    process = subprocess.Popen([sys.executable, "-m", "gunicorn", *arguments])
    try:
        for _ in range(200):
            with contextlib.suppress(OSError):
                ask(http.client.HTTPConnection("127.0.0.1", port, timeout=5), "/bare", {})
                break
            time.sleep(0.1)
        else:
            raise SystemExit("gunicorn does not answer")
        yield port
    finally:
        process.terminate()
        process.wait()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def served(folder: Path, given: common.Options) -> Any:
    number, rounds = (5, 1) if given.quick else (40, min(5, given.rounds))
    acts = ("bare", "create", "refresh", "merge", "revoke")
    measured: dict[int, Any] = {}
    rows = []
    for workers in WORKERS:
        speeds: dict[str, list[float]] = {act: [] for act in acts}
        waits: dict[str, list[float]] = {act: [] for act in acts}
        with gunicorn(workers, folder / f"served{workers}.db") as port:
            for index in range(rounds + 1):
                clients = [
                    subprocess.Popen(
                        [
                            sys.executable,
                            __file__,
                            "--client",
                            *map(str, (port, CONNECTIONS // 2, number)),
                        ],
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        text=True,
                    )
                    for _ in range(2)
                ]
                for one in clients:
                    said(one)  # it is there and waits
                for act in acts:
                    begun = time.perf_counter()
                    for one in clients:
                        print(act, file=one.stdin, flush=True)
                    answers = [json.loads(said(one)) for one in clients]
                    elapsed = time.perf_counter() - begun
                    failed = [text for answer in answers for text in answer["failed"]]
                    if failed:
                        raise SystemExit(f"{act}, {workers} workers: {failed}")
                    if index:  # the first only warms up
                        times = sorted(t for answer in answers for t in answer["taken"])
                        speeds[act].append(len(times) / elapsed)
                        waits[act].append(times[int(len(times) * 0.99)] * 1e3)
                for one in clients:
                    one.communicate()
        measured[workers] = {"speeds": speeds, "p99": waits}
        rows += [
            [
                f"{workers}",
                act,
                Spread.of(speeds[act]).text(0),
                Spread.of(waits[act]).text(0),
            ]
            for act in acts
        ]
    common.table(
        f"gunicorn gthread x 4, {CONNECTIONS} connections ({rounds} rounds of "
        f"{number * CONNECTIONS})",
        ["workers", "act", "a second: median (min..max)", "p99 ms"],
        rows,
    )
    return measured


def main() -> None:
    given = common.options(__doc__ or "")
    found = common.versions(
        "Flask-Session-Claims",
        "Flask",
        "gunicorn",
        "Django",
        "djangorestframework-simplejwt",
        "cryptography",
    )
    print(f"SQLite {sqlite3.sqlite_version}")
    parts = {"acts": one_by_one, "request": per_request, "served": served}
    with tempfile.TemporaryDirectory() as folder:
        measured = {
            name: part(Path(folder), given) for name, part in parts.items() if given.only in name
        }
    common.save(given.json, versions=found, measured=measured)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--client"]:
        client(*map(int, sys.argv[2:]))
    else:
        main()
