"""No spelling of a path, method or host leads round the default policy "required".

Each request goes through the WSGI interface, with the raw PATH_INFO a server would give, to two
apps with the same views: one bare, which says what Flask itself makes of the spelling, and one
guarded. Whatever runs a view in the bare app must be refused to a stranger by the guarded one,
and must do just the same there for somebody who is signed in.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from flask import Blueprint, Flask, g, request
from flask.views import MethodView
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.routing import Rule
from werkzeug.serving import make_server
from werkzeug.test import EnvironBuilder, run_wsgi_app

from flask_session_claims import SessionClaims, public

SECRET = "kept from strangers"

#: PATH_INFO as WSGI has it: decoded once by the server, bytes as latin-1.
PATHS = [
    "/", "", "//", "///", "/.", "/./", "/..", "/../", "/?", "/;", "/%2f", "/ ",
    "/secret", "secret", "/secret/", "//secret", "///secret", "/./secret", "/x/../secret",
    "/../secret", "/secret/.", "/secret/..", "/secret//", "/secret%2f", "/secret%2F", "/secret%00",
    "/secret\x00", "/secret ", " /secret", "/secret\t", "/secret\n", "/secret;x", "/secret;x=1",
    "/;x/secret", "/secret?", "/secret#", "/secret.html", "/secret.json", "/secret~", "/secret\\",
    "\\secret", "/\\secret", "/Secret", "/SECRET", "/secre%74", "/%73ecret", "/%2573ecret",
    "/se\xc2\xadcret", "/\xef\xbc\x8fsecret", "/\xe2\x84\xaaey", "/secret\xff", "/open/../secret",
    "/open/secret", "/open//secret", "/open/%2e%2e/secret", "/open/..;/secret", "/open;/secret",
    "/static/../secret", "/static/%2e%2e/secret", "http://open/secret", "/http://site/secret",
    "/folder/", "/folder", "//folder/", "/folder//", "/folder/.", "/folder/;x", "/Folder/",
    "/files/a", "/files//a", "/files/a/b", "/files/../open", "/files/../../etc/passwd",
    "/files/open", "/files/%2e%2e/open", "/files/a;b", "/files/a\x00b", "/files/", "/files",
    "/files//", "/files/\xff\xfe", "/files/caf\xc3\xa9", "/files/a b", "/files/a/", "/files/static",
    "/item/1", "/item/01", "/item/1/", "/item/-1", "/item/+1", "/item/1.0", "/item/\xd9\xa1",
    "/item/9999999999999999999999", "/loose", "/loose/", "//loose", "/loose//", "/Upper", "/upper",
    "/caf\xc3\xa9", "/cafe\xcc\x81", "/caf\xe9", "/a b", "/a%20b", "/a+b", "/one", "/two", "/one/",
    "/list/", "/list", "/list/1", "/list/2", "/moved", "/ruled", "/socket", "/built", "/class",
    "/class/", "/account/page", "/account//page", "/account/inner/page", "/account/inner/deep/page",
    "//account/inner/page", "/account/inner/../page", "/account/inner", "/account/nowhere",
    "/open", "/open/", "//open", "/OPEN", "/static/style.css", "/static//style.css",
    "/static/./style.css", "/static/nothing.css", "/static/", "/static", "/assets/mark.txt",
    "/account/assets/mark.txt", "/nowhere", "/favicon.ico", "*", "/" + "a" * 5000, "/" * 300,
]  # fmt: skip
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "get",
           "Get", "BREW", "PROPFIND", "GET ", "", "OPTIONS\x00"]  # fmt: skip
BY_METHOD = [
    "/secret",
    "/class",
    "/account/inner/page",
    "/own-options",
    "/brewed",
    "/open",
    "/static/style.css",
]
PREFLIGHT = "HTTP_ACCESS_CONTROL_REQUEST_METHOD"
#: What some frameworks and servers take for another path, method or host.
FIELDS = [
    {"HTTP_X_HTTP_METHOD_OVERRIDE": "OPTIONS"}, {"HTTP_X_HTTP_METHOD": "HEAD"},
    {"HTTP_X_METHOD_OVERRIDE": "TRACE"}, {"QUERY_STRING": "_method=OPTIONS"},
    {"HTTP_X_ORIGINAL_URL": "/open"}, {"HTTP_X_REWRITE_URL": "/open"},
    {"HTTP_X_FORWARDED_URI": "/open"}, {"HTTP_X_FORWARDED_PREFIX": "/open"},
    {"HTTP_X_FORWARDED_HOST": "open.example"}, {"HTTP_HOST": "open.example"}, {"HTTP_HOST": ""},
    {"REQUEST_URI": "/open", "RAW_URI": "/open"}, {"SCRIPT_NAME": "/open"}, {"SCRIPT_NAME": "/"},
    {PREFLIGHT: "GET"}, {"HTTP_UPGRADE": "websocket"},
    {"HTTP_X_MIDDLEWARE_SUBREQUEST": "middleware"}, {"HTTP_X_AUTHENTICATED": "1"},
    {"REMOTE_USER": "alice", "AUTH_TYPE": "Basic"}, {"HTTP_RID": "anti-csrf"},
    {"HTTP_ST_AUTH_MODE": "cookie"}, {"HTTP_SEC_FETCH_MODE": "navigate"},
    {"HTTP_X_FORWARDED_FOR": "127.0.0.1"}, {"HTTP_RANGE": "bytes=0-3"}, {"HTTP_EXPECT": "x"},
    {"HTTP_IF_NONE_MATCH": "*"}, {"HTTP_CONTENT_LENGTH": "0"}, {"SERVER_NAME": "open.example"},
    {"wsgi.url_scheme": "https"}, {"flask._preserve_context": True},
]  # fmt: skip


HOSTS = [
    "admin.example", "ADMIN.example", "admin.example:80", "admin.example:8443", "x.example",
    "admin.example.", "site.example", "admin.site.example", "x.site.example", "site.example.",
    "xsite.example", "a.b.site.example", "static.example", "", "localhost", "127.0.0.1", "[::1]",
]  # fmt: skip


class Spelling(NamedTuple):
    method: str = "GET"
    path: str = "/secret"
    fields: dict[str, Any] = {}  # noqa: RUF012 (never changed)


SPELLINGS = [
    *(Spelling("GET", path) for path in PATHS),
    *(Spelling(method, path) for method in METHODS for path in BY_METHOD),
    *(Spelling(method, "/secret", fields) for method in ("GET", "POST") for fields in FIELDS),
    *(Spelling("OPTIONS", "/own-options", fields) for fields in FIELDS),
]


class Seen(NamedTuple):
    status: int
    #: The views that ran.
    ran: list[str]
    body: str
    location: str | None


def views(app: Flask, ran: list[str]) -> None:
    """The views of both apps; each notes that it ran."""

    def named(name: str) -> Any:
        def view(**arguments: Any) -> str:
            ran.append(name)
            return SECRET

        view.__name__ = name
        return view

    def add(to: Flask | Blueprint, path: str, name: str, **options: Any) -> None:
        to.add_url_rule(path, name, named(name), **options)

    everything = ["GET", "POST", "PUT", "PATCH", "DELETE"]
    add(app, "/", "home")
    add(app, "/secret", "secret", methods=everything)
    add(app, "/folder/", "folder")
    add(app, "/files/<path:name>", "files")
    add(app, "/item/<int:number>", "item")
    add(app, "/loose", "loose", strict_slashes=False)
    add(app, "/Upper", "upper")
    add(app, "/café", "accent")
    add(app, "/a b", "blank")
    add(app, "/own-options", "own_options", methods=["OPTIONS"], provide_automatic_options=False)
    add(app, "/brewed", "brewed", methods=["BREW", "TRACE", "PROPFIND"])
    twice = named("twice")
    app.add_url_rule("/one", view_func=twice)
    app.add_url_rule("/two", view_func=twice)
    paged = named("paged")
    app.add_url_rule("/list/", view_func=paged, defaults={"page": 1})
    app.add_url_rule("/list/<int:page>", view_func=paged)
    app.add_url_rule("/moved", "moved", named("moved"), redirect_to="/secret")
    app.url_map.add(Rule("/ruled", endpoint="ruled"))
    app.view_functions["ruled"] = named("ruled")
    add(app, "/socket", "socket", websocket=True)
    add(app, "/built", "built", build_only=True)

    class Class(MethodView):
        def get(self) -> str:
            return named("get")()

        def post(self) -> str:
            return named("post")()

        def trace(self) -> str:
            return named("trace")()

    app.add_url_rule("/class", view_func=Class.as_view("class"))
    here = Path(app.static_folder or "")
    account, inner, deep = (
        Blueprint(name, "x", static_folder=here, static_url_path="/assets", root_path=str(here))
        for name in ("account", "inner", "deep")
    )
    for blueprint in (account, inner, deep):
        add(blueprint, "/page", "page")
    inner.register_blueprint(deep, url_prefix="/deep")
    account.register_blueprint(inner, url_prefix="/inner")
    app.register_blueprint(account, url_prefix="/account")
    app.register_blueprint(inner, name="again", url_prefix="/again")
    app.add_url_rule("/open", "open", public(lambda: ran.append("open") or "welcome"))


class Pair:
    """A bare app and a guarded one with the same views."""

    def __init__(self, config: dict[str, Any], static: Path, **options: Any) -> None:
        self.ran: list[str] = []
        #: The endpoint that the bare app's router found.
        self.endpoint: str | None = None
        self.bare, self.guarded = (
            Flask("site", static_folder=str(static), static_url_path="/static", **options)
            for _ in range(2)
        )
        self.guarded.config.update(config, SESSION_CLAIMS_DEFAULT_POLICY="required")
        SessionClaims(self.guarded)
        self.bare.url_value_preprocessor(self._note)

    def _note(self, endpoint: str | None, values: Any) -> None:
        self.endpoint = endpoint

    def both(self) -> Iterator[Flask]:
        yield from (self.bare, self.guarded)

    def send(self, app: Any, spelling: Spelling, headers: dict[str, str]) -> Seen:
        environ = EnvironBuilder("/", headers=headers).get_environ()
        environ |= {"REQUEST_METHOD": spelling.method, "PATH_INFO": spelling.path}
        environ |= spelling.fields
        self.ran.clear()
        self.endpoint = None
        body, status, answer = run_wsgi_app(app, environ, buffered=True)
        text = b"".join(body).decode("utf-8", "replace")
        return Seen(int(status[:3]), [*self.ran], text, answer.get("Location"))

    def compare(self, spelling: Spelling, alice: dict[str, str]) -> Seen:
        """What the bare app did, after checking that the guarded one does no more and no less."""
        bare, endpoint = self.send(self.bare, spelling, {}), self.endpoint
        stranger = self.send(self.guarded, spelling, {})
        assert set(stranger.ran) <= {"open"}
        assert SECRET not in stranger.body
        if endpoint in (None, "open"):
            assert stranger == bare
        elif spelling.method == "OPTIONS" and PREFLIGHT in spelling.fields:
            assert (stranger.status, stranger.body) == (204, "")
        else:
            assert stranger.status == 401
        assert self.send(self.guarded, spelling, alice) == bare
        return bare


@pytest.fixture(scope="module")
def static(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("static")
    (folder / "style.css").write_text(f"/* {SECRET} */")
    (folder / "mark.txt").write_text(SECRET)
    return folder


def test_there_are_spellings_enough_that_reach_a_view(config, static, alice):
    pair = Pair(config, static)
    for app in pair.both():
        views(app, pair.ran)
    reached = [spelling for spelling in SPELLINGS if pair.compare(spelling, alice).status < 300]
    assert len(SPELLINGS) > 300
    assert len(reached) > 100


@pytest.mark.parametrize("change", ["merge_slashes", "strict_slashes"])
def test_a_laxer_router_opens_nothing(config, static, alice, change):
    pair = Pair(config, static)
    for app in pair.both():
        setattr(app.url_map, change, False)
        views(app, pair.ran)
    for spelling in SPELLINGS:
        pair.compare(spelling, alice)


@pytest.mark.filterwarnings("ignore:Current server name")
def test_hosts_and_subdomains_open_nothing(config, static, alice):
    by_host = Pair(config, static, host_matching=True, static_host="static.example")
    by_subdomain = Pair(config, static, subdomain_matching=True)

    def add(pair: Pair, app: Flask, name: str, **where: str) -> None:
        app.add_url_rule("/page", name, lambda **_: pair.ran.append(name) or SECRET, **where)

    for app in by_host.both():
        add(by_host, app, "admin", host="admin.example")
        add(by_host, app, "any", host="<name>.example")
    for app in by_subdomain.both():
        app.config["SERVER_NAME"] = "site.example"
        add(by_subdomain, app, "main")
        add(by_subdomain, app, "admin", subdomain="admin")
        add(by_subdomain, app, "any", subdomain="<name>")
    reached = 0
    for host in HOSTS:
        for pair in (by_host, by_subdomain):
            for path in ("/page", "//page", "/page/", "/static/style.css"):
                spelling = Spelling("GET", path, {"HTTP_HOST": host, "HTTP_X_FORWARDED_HOST": "x"})
                reached += pair.compare(spelling, alice).status == 200
    assert reached > 10


@pytest.mark.parametrize("prefix", ["/shop", "/open", "/static", "/a/b"])
def test_an_app_that_is_mounted_below_a_prefix_is_guarded_there(config, static, alice, prefix):
    pair = Pair(config, static)
    for app in pair.both():
        views(app, pair.ran)
    for path in PATHS[:60]:
        spelling = Spelling("GET", prefix + path)
        mounted = [
            pair.send(DispatcherMiddleware(Flask("root"), {prefix: app}), spelling, {})
            for app in pair.both()
        ]
        assert (mounted[1].ran, SECRET in mounted[1].body) in (([], False), (["open"], False))
        if mounted[0].ran not in ([], ["open"]):
            assert mounted[1].status == 401


def test_hooks_of_others_do_not_answer_strangers(config, static, alice):
    """A cache that answers before the view; hooks registered before and after the extension."""
    app = Flask("site", static_folder=None)
    app.config.update(config, SESSION_CLAIMS_DEFAULT_POLICY="required")
    blueprint = Blueprint("account", "x", url_prefix="/account")

    def cached() -> str | None:
        return SECRET if request.path.endswith("cached") else None

    app.before_request(cached)
    SessionClaims(app)
    blueprint.before_request(cached)
    for place in (app, blueprint):
        place.add_url_rule("/cached", "cached", lambda: SECRET)
    app.register_blueprint(blueprint)
    for path in ("/cached", "/account/cached"):
        assert app.test_client().get(path).status_code == 401
        assert app.test_client().get(path, headers=alice).text == SECRET


def test_error_handlers_and_error_pages_tell_strangers_nothing(config):
    """A handler runs for everybody, so it must see who is there: nobody."""
    app = Flask("site", static_folder=None)
    app.config.update(config, SESSION_CLAIMS_DEFAULT_POLICY="required")
    SessionClaims(app)
    app.add_url_rule("/secret", "secret", lambda: SECRET, methods=["GET"])

    @app.errorhandler(Exception)
    def handler(error: Exception) -> tuple[str, int]:
        return SECRET if g.auth.is_authenticated else "nothing", getattr(error, "code", 500)

    client = app.test_client()
    for method, path, status in [("GET", "/secret", 401), ("POST", "/secret", 405),
                                 ("GET", "/nowhere", 404), ("GET", "/secret/", 404)]:  # fmt: skip
        reply = client.open(path, method=method)
        assert (reply.status_code, reply.text) == (status, "nothing")


def test_a_view_that_is_put_in_place_of_another_is_guarded_too(config, alice):
    app = Flask("site", static_folder=None)
    app.config.update(config, SESSION_CLAIMS_DEFAULT_POLICY="required")
    SessionClaims(app)
    app.add_url_rule("/page", "page", public(lambda: "welcome"))
    client = app.test_client()
    assert client.get("/page").text == "welcome"
    app.view_functions["page"] = lambda: SECRET
    assert client.get("/page").status_code == 401
    assert client.get("/page", headers=alice).text == SECRET
    app.view_functions["page"] = public(lambda: "welcome again")
    assert client.get("/page").text == "welcome again"


LINES = [
    "GET /secret", "GET //secret", "GET /%73ecret", "GET /secret%2f", "GET /./secret",
    "GET /open/../secret", "GET /open/%2e%2e/secret", "GET http://other.example/secret",
    "GET http://other.example//secret", "GET /secret?x", "GET /secret#x", "GET /secret;x",
    "HEAD /secret", "POST /secret", "OPTIONS /secret", "BREW /brewed", "OPTIONS *", "GET secret",
    "GET \\secret", "GET /static/style.css", "GET /account/inner/page", "GET /caf%C3%A9",
    "GET /open",
]  # fmt: skip


def test_over_a_real_server_request_lines_as_they_are_written_open_nothing(config, static):
    pair = Pair(config, static)
    for app in pair.both():
        views(app, pair.ran)
    reached = 0
    for line in LINES:
        bare, guarded = (over_a_socket(pair, app, line) for app in pair.both())
        assert set(guarded.ran) <= {"open"}
        assert SECRET not in guarded.body
        if set(bare.ran) - {"open"}:
            assert guarded.status == 401
            reached += 1
    assert reached >= 10


def over_a_socket(pair: Pair, app: Flask, line: str) -> Seen:
    server = make_server("127.0.0.1", 0, app)
    server.log_startup = lambda: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.handle_request)
    thread.start()
    pair.ran.clear()
    try:
        with socket.create_connection(("127.0.0.1", server.server_port), timeout=10) as wire:
            wire.sendall(f"{line} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
            answer = b"".join(iter(lambda: wire.recv(65536), b""))
    finally:
        thread.join(10)
        server.server_close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return Seen(int(head.split()[1]), [*pair.ran], body.decode("utf-8", "replace"), None)
