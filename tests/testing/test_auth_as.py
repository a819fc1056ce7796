"""`auth_as` in Flask: what a test describes is seen in its block, and nowhere else."""

import contextvars
import sys
import threading
import unittest
from http.client import HTTPConnection
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from flask import Flask, copy_current_request_context, g

from flask_session_claims import (
    Auth,
    SessionClaims,
    Verifier,
    VerifierSettings,
    claims_required,
    credentials_from,
    current_auth,
    get_auth,
    login_required,
    public,
)
from flask_session_claims.core.request import Exchange
from flask_session_claims.testing import LocalIssuer, auth_as, shared_key, signed_in

ISSUER = LocalIssuer(key=shared_key("RS256"))


def make_app(**config):
    app = Flask(__name__)
    app.config["SESSION_CLAIMS_ISSUER"] = ISSUER.issuer
    app.config["SESSION_CLAIMS_JWKS"] = ISSUER.jwks()
    app.config.update(config)
    SessionClaims(app)

    @app.route("/", methods=["GET", "POST"])
    def who():
        return {"user": g.auth.user_id, "name": g.auth.session_claims.get("fullName")}

    @app.route("/mine", methods=["GET", "POST"])
    @login_required
    def mine():
        return {"user": get_auth().user_id}

    @app.get("/admin")
    @claims_required(role="admin")
    def admin():
        return {"org": current_auth.org_id}

    @app.get("/open")
    @public
    def open_to_all():
        return {"user": g.auth.user_id}

    return app


APP = make_app()


def user(path="/", app=APP, **options):
    """Who an ungated view sees, or the status of a refusal."""
    reply = app.test_client().open(path, **options)
    return reply.json["user"] if reply.status_code == 200 else reply.status_code


# What is seen


def test_a_client_is_signed_in_inside_the_block_and_not_outside():
    assert user() is None
    with auth_as("user_7", fullName="Ada"):
        assert APP.test_client().get("/").json == {"user": "user_7", "name": "Ada"}
        assert user("/mine") == "user_7"
    assert (user(), user("/mine")) == (None, 401)


def test_the_block_gives_the_auth_that_the_view_sees():
    with auth_as("user_7", role="admin") as auth, APP.test_request_context("/"):
        assert get_auth() == auth == g.auth == current_auth
        assert auth.has(role="admin")


@pytest.mark.parametrize("block_first", [True, False])
def test_a_view_function_can_be_called_in_a_request_context(block_first):
    view = APP.view_functions["mine"]
    if block_first:
        with auth_as("user_7"), APP.test_request_context("/mine"):
            assert view() == {"user": "user_7"}
    else:
        with APP.test_request_context("/mine"), auth_as("user_7"):
            assert view() == {"user": "user_7"}


def test_what_was_read_before_the_block_is_read_again_after_it():
    with APP.test_request_context("/"):
        assert not get_auth().is_authenticated
        with auth_as("user_7"):
            assert get_auth().user_id == "user_7"
        assert not get_auth().is_authenticated
        assert get_auth().reason == "session-token-missing"


def test_a_real_token_counts_again_after_the_block():
    client = signed_in(APP.test_client(), ISSUER.mint("user_real"))
    with auth_as("user_7"):
        assert client.get("/").json["user"] == "user_7"
    assert client.get("/").json["user"] == "user_real"


def test_blocks_may_be_nested_and_the_inner_one_counts():
    with APP.test_request_context("/"), auth_as("outer"):
        with auth_as("inner"):
            assert (get_auth().user_id, user()) == ("inner", "inner")
        assert (get_auth().user_id, user()) == ("outer", "outer")
        with auth_as(None):
            assert not g.auth.is_authenticated
            assert user("/mine") == 401


def test_gates_judge_whom_the_block_describes():
    for role, status in {"admin": 200, "org:admin": 200, "member": 403}.items():
        with auth_as(role=role):
            assert APP.test_client().get("/admin").status_code == status
    with auth_as():
        assert user("/admin") == 403


def test_the_default_policy_counts():
    public_app = make_app(SESSION_CLAIMS_DEFAULT_POLICY="public")
    required_app = make_app(SESSION_CLAIMS_DEFAULT_POLICY="required")
    assert (user(app=required_app), user("/open", required_app)) == (401, None)
    with auth_as("user_7"):
        assert user(app=public_app) is None
        assert user("/mine", public_app) == "user_7"
        assert user(app=required_app) == "user_7"


def test_responses_are_private_where_auth_was_read():
    with auth_as():
        headers = APP.test_client().get("/").headers
        assert (headers["Cache-Control"], headers["Vary"]) == ("private", "Authorization, Cookie")
        assert "Vary" not in APP.test_client().get("/static/none").headers


def test_neither_keys_nor_network_are_needed():
    def no_network(request):
        raise AssertionError("the key set was fetched")

    app = Flask(__name__)
    SessionClaims(app, issuer="https://issuer.example", fetch=no_network)
    app.get("/")(login_required(lambda: {"user": g.auth.user_id}))
    with auth_as("user_7"):
        assert user(app=app) == "user_7"


def test_a_post_needs_no_origin():
    with auth_as():
        assert user("/mine", method="POST") == "user_1"


def test_there_is_no_token():
    with auth_as(), APP.test_request_context("/"):
        assert g.auth.is_authenticated
        assert g.auth.get_token() is None


def test_an_auth_can_be_given_as_it_shall_be():
    given = Auth(is_authenticated=True, user_id="user_9", scopes=("read",), reason=None)
    with auth_as(given) as auth, APP.test_request_context("/"):
        assert get_auth() is auth is given


def test_an_asynchronous_view_sees_it():
    pytest.importorskip("asgiref")
    app = make_app()

    @app.get("/later")
    @login_required
    async def later():
        return {"user": g.auth.user_id}

    with auth_as("user_7"):
        assert user("/later", app) == "user_7"


# Where it is not seen


def test_a_server_in_another_thread_knows_nothing_of_it():
    seen = []
    with auth_as("user_7"):
        # A context of its own, for from 3.14 on a thread may inherit ours.
        context = contextvars.Context()
        thread = threading.Thread(target=context.run, args=(lambda: seen.append(user()),))
        thread.start()
        thread.join()
    assert seen == [None]


class Quiet(WSGIRequestHandler):
    def log_message(self, format, *args):
        pass


def test_a_request_that_came_to_a_server_is_never_answered_as_somebody():
    with make_server("127.0.0.1", 0, APP, handler_class=Quiet) as server:

        def fetch(path, statuses):
            connection = HTTPConnection("127.0.0.1", server.server_port, timeout=10)
            connection.request("GET", path)
            statuses.append(connection.getresponse().status)
            connection.close()

        for path, expected in {"/mine": 401, "/open": 200}.items():
            statuses = []
            thread = threading.Thread(target=fetch, args=(path, statuses))
            thread.start()
            with auth_as("user_7"):  # around the server itself, in its own thread
                server.handle_request()
            thread.join()
            assert statuses == [expected]


def test_a_context_that_outlives_the_block_knows_that_it_is_over():
    with auth_as("outer"):
        with auth_as("inner"):
            inner = contextvars.copy_context()
            assert inner.run(user) == "inner"
        assert inner.run(user) == "outer"
    assert inner.run(user) is None
    with auth_as("another"):
        assert inner.run(user) is None


def test_a_request_context_that_was_copied_knows_that_the_block_is_over():
    with APP.test_request_context("/"), auth_as("user_7"):
        later = copy_current_request_context(lambda: get_auth().user_id)
        assert get_auth().user_id == "user_7"
    assert later() is None


def test_nothing_of_it_is_left_when_the_last_block_is_over():
    before = dict(vars(Exchange))
    first, second = auth_as("a"), auth_as("b")
    first.__enter__()
    second.__enter__()
    assert dict(vars(Exchange)) != before
    first.__exit__()  # in the wrong order
    assert user() == "b"
    second.__exit__()
    assert (dict(vars(Exchange)), user()) == (before, None)


def test_an_error_in_the_block_ends_it():
    with pytest.raises(ZeroDivisionError), auth_as("user_7"):
        _ = 1 / 0
    assert user() is None


def test_it_may_be_ended_in_another_context():
    block = auth_as("user_7")
    context = contextvars.copy_context()
    context.run(block.__enter__)
    assert (context.run(user), user()) == ("user_7", None)
    block.__exit__()
    assert context.run(user) is None


def test_threads_with_blocks_of_their_own_do_not_mix():
    wrong, barrier = [], threading.Barrier(8)

    def work(name):
        barrier.wait()
        for number in range(25):
            with auth_as(f"{name}_{number}"):
                if user() != f"{name}_{number}":
                    wrong.append(name)
            if user() is not None:
                wrong.append(name)

    threads = [threading.Thread(target=work, args=(f"user{i}",)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert Exchange.settled is None


def test_it_cannot_decorate_a_view():
    with pytest.raises(TypeError, match="not callable"):
        auth_as("user_7")(lambda: "a view")


@pytest.mark.skipif(sys.version_info < (3, 11), reason="enterContext is new in Python 3.11")
def test_a_unittest_case_may_enter_it():
    class Case(unittest.TestCase):
        def setUp(self):
            self.enterContext(auth_as("user_7"))

        def test_it(self):
            assert user("/mine") == "user_7"

    result = Case("test_it").run()
    assert (result.testsRun, result.errors, result.failures) == (1, [], [])
    assert user() is None


def test_a_block_opens_once_at_a_time_and_may_be_used_again():
    block = auth_as("user_7")
    for _ in range(2):
        with block:
            with pytest.raises(RuntimeError, match="open"):
                block.__enter__()
            assert user() == "user_7"
        with pytest.raises(RuntimeError, match="not open"):
            block.__exit__()
    assert user() is None


# What it says is what a token says


@pytest.mark.parametrize(
    "description",
    [
        {},
        {"session_id": "sess_9", "fullName": "Zoë"},
        {"cart": {"items": [1, [2.5, None]], "ok": True}, "tags": ("a", "b")},
        {"role": "admin"},
        {"role": "org:admin", "org_id": "org_9", "org_slug": "acme"},
        {"permissions": ["org:reports:read", "invoices:manage"]},
        {"org_slug": "acme"},
        {"features": ["export", "org:teams"], "plan": "pro"},
        {"features": ["teams", "user:export"], "plan": "user:pro", "role": "member"},
        {"factor_verification_age": (3, -1)},
        {"actor": {"sub": "admin_1"}},
        {"emoji": "\U0001f600", "empty": "", "zero": 0},
        {"plan": "pro", "claims": {"plan": "free", "role": "editor"}, "fullName": "Ada"},
    ],
    ids=str,
)  # fmt: skip
def test_a_description_gives_the_auth_that_its_token_gives(description):
    settings = VerifierSettings(issuer=ISSUER.issuer, jwks=ISSUER.jwks())
    token = ISSUER.mint_as("user_7", **description)
    real = Verifier(settings).authenticate(credentials_from([f"Bearer {token}"], [], settings))
    assert real.is_authenticated
    with auth_as("user_7", **description) as auth:
        told = {"session_claims", "issued_at", "expires_at"}
        for name in set(Auth.__dataclass_fields__) - told:
            assert getattr(auth, name) == getattr(real, name), name
        added = {"iss", "iat", "nbf", "exp", "jti"}
        for name in (set(real.session_claims) | set(auth.session_claims)) - added:
            assert auth.session_claims[name] == real.session_claims[name], name
            assert type(auth.session_claims[name]) is type(real.session_claims[name])
        with pytest.raises(TypeError, match="frozen"):
            auth.session_claims["x"] = 1


def test_has_answers_as_described():
    with auth_as(
        role="admin", permissions=["reports:read"], features=["teams"], plan="pro"
    ) as auth:
        assert auth.org_id == "org_1"
        assert auth.has(role="admin", permission="org:reports:read", feature="org:teams")
        assert auth.has(plan="org:pro")
        assert not auth.has(plan="user:pro")
        assert not auth.has(permission="org:reports:write")
    with auth_as(features=["export"], factor_verification_age=(1, -1)) as auth:
        assert auth.org_id is None
        assert auth.has(feature="user:export", reverification="strict")
        assert not auth.has(feature="org:export")


def test_the_described_session_lasts_a_minute_from_now():
    with auth_as() as auth:
        assert auth.expires_at - auth.issued_at == 60


# What cannot be described


@pytest.mark.parametrize(
    ("arguments", "description", "error", "said"),
    [
        ((7,), {}, TypeError, "got a int; write a user id, an Auth, or None"),
        (("",), {}, ValueError, "user_id is empty"),
        (("user\ud800",), {}, TypeError, "user_id cannot stand in a token"),
        ((), {"session_id": None}, TypeError, "session_id: got a NoneType"),
        ((), {"role": ""}, ValueError, "role is empty"),
        ((), {"org_id": 7}, TypeError, "org_id: got a int"),
        ((), {"permissions": "org:a:b"}, TypeError, r"permissions: got one string.*\['org:a:b'\]"),
        ((), {"permissions": [None]}, TypeError, "permissions: got a NoneType"),
        ((), {"features": "teams"}, TypeError, "features: got one string"),
        ((), {"features": ["a,b"]}, ValueError, "features: got 'a,b'; write a slug"),
        ((), {"plan": "team:pro"}, ValueError, "write a slug, org:slug or user:slug"),
        ((), {"plan": "org:"}, ValueError, "plan: got 'org:'"),
        ((), {"factor_verification_age": (1,)}, ValueError, r"got \(1,\); write the minutes"),
        ((), {"actor": {"sub": object()}}, TypeError, "actor cannot stand in a token"),
        ((), {"source": "query"}, ValueError, "source: got 'query'; write 'header' or 'cookie'"),
        ((), {"sub": "x"}, ValueError, "sub is no claim of your own.*user_id"),
        ((), {"claims": {"exp": 0}}, ValueError, "exp is no claim of your own.*LocalIssuer.mint"),
        ((), {"tags": {"a"}}, TypeError, "tags cannot stand in a token: .*set"),
        ((), {"ratio": float("nan")}, TypeError, "ratio cannot stand in a token"),
        ((), {"name": "\ud800"}, TypeError, "name cannot stand in a token"),
        ((None,), {"role": "admin"}, TypeError, "role cannot be said of nobody"),
        ((Auth(),), {"plan": "pro", "x": 1}, TypeError, "x, plan cannot be said of an Auth"),
    ],
)
def test_what_no_token_could_say_is_refused(arguments, description, error, said):
    with pytest.raises(error, match=said):
        auth_as(*arguments, **description)
