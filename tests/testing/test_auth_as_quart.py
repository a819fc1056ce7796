"""`auth_as` in Quart: in clients, websockets, contexts and tasks."""

import asyncio

import pytest

pytest.importorskip("quart")

import quart
from quart_session_claims import (
    ConfigurationError,
    SessionClaims,
    claims_required,
    current_auth,
    get_auth,
    login_required,
)

from flask_session_claims.testing import LocalIssuer, auth_as, shared_key, signed_in

ISSUER = LocalIssuer(key=shared_key("RS256"))


def make_app(**config):
    app = quart.Quart(__name__)
    app.config["SESSION_CLAIMS_ISSUER"] = ISSUER.issuer
    app.config["SESSION_CLAIMS_JWKS"] = ISSUER.jwks()
    app.config.update(config)
    SessionClaims(app)

    @app.route("/", methods=["GET", "POST"])
    async def who():
        return {"user": quart.g.auth.user_id}

    @app.get("/mine")
    @login_required
    async def mine():
        return {"user": get_auth().user_id}

    @app.get("/plain")
    @login_required
    def plain():
        return {"user": current_auth.user_id}

    @app.get("/admin")
    @claims_required(role="admin")
    async def admin():
        return {"org": quart.g.auth.org_id}

    @app.websocket("/socket")
    async def socket():
        await quart.websocket.send_json({"user": quart.g.auth.user_id})

    return app


APP = make_app()


async def user(path="/", client=None):
    """Who a view sees, or the status of a refusal."""
    reply = await (client or APP.test_client()).get(path)
    return (await reply.get_json())["user"] if reply.status_code == 200 else reply.status_code


@pytest.mark.parametrize("path", ["/", "/mine", "/plain"])
def test_a_client_is_signed_in_inside_the_block_and_not_outside(path):
    async def play():
        before = await user(path)
        with auth_as("user_7"):
            assert await user(path) == "user_7"
        assert await user(path) == before == (None if path == "/" else 401)

    asyncio.run(play())


def test_a_block_around_the_loop_is_seen_in_it():
    with auth_as("user_7"):
        assert asyncio.run(user("/mine")) == "user_7"
    assert asyncio.run(user("/mine")) == 401


def test_a_websocket_sees_it():
    async def receive():
        async with APP.test_client().websocket("/socket") as connection:
            return (await connection.receive_json())["user"]

    async def play():
        with auth_as("user_7"):
            assert await receive() == "user_7"

    asyncio.run(play())


def test_gates_judge_whom_the_block_describes():
    async def play():
        for role, status in {"admin": 200, "member": 403}.items():
            with auth_as(role=role):
                assert (await APP.test_client().get("/admin")).status_code == status

    asyncio.run(play())


@pytest.mark.parametrize("block_first", [True, False])
def test_a_view_function_can_be_called_in_a_request_context(block_first):
    async def play():
        view = APP.view_functions["mine"]
        if block_first:
            with auth_as("user_7"):
                async with APP.test_request_context("/mine"):
                    assert await view() == {"user": "user_7"}
        else:
            async with APP.test_request_context("/mine"):
                with auth_as("user_7"):
                    assert await view() == {"user": "user_7"}
                    assert quart.g.auth.user_id == "user_7"
                    assert await quart.g.auth.get_token() is None

    asyncio.run(play())


def test_what_was_found_out_before_the_block_counts_again_after_it():
    async def play():
        async with APP.test_request_context("/") as context:
            await APP.preprocess_request(context)  # Quart 0.23 takes it as an argument
            assert not get_auth().is_authenticated
            with auth_as("user_7"):
                assert get_auth().user_id == "user_7"
            assert not get_auth().is_authenticated
        client = signed_in(APP.test_client(), ISSUER.mint("user_real"))
        with auth_as("user_7"):
            assert await user(client=client) == "user_7"
        assert await user(client=client) == "user_real"

    asyncio.run(play())


def test_tasks_with_blocks_of_their_own_do_not_mix():
    async def one(name):
        with auth_as(name):
            await asyncio.sleep(0)
            assert await user("/mine") == name
            await asyncio.sleep(0.001)
            return await user()

    async def play():
        names = [f"user_{number}" for number in range(20)]
        assert await asyncio.gather(*map(one, names), user()) == [*names, None]

    asyncio.run(play())


def test_a_task_that_outlives_the_block_knows_that_it_is_over():
    async def play():
        over = asyncio.Event()

        async def later():
            await over.wait()
            return await user()

        with auth_as("user_7"):
            task = asyncio.create_task(later())
            await asyncio.sleep(0)
        over.set()
        assert await task is None

    asyncio.run(play())


def test_a_request_with_the_scope_of_a_server_is_never_answered_as_somebody():
    async def play():
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": "/mine",
            "raw_path": b"/mine",
            "query_string": b"",
            "root_path": "",
            "headers": [],
            "extensions": {},
        }
        sent = []
        answered = asyncio.Event()
        incoming = [{"type": "http.request", "body": b"", "more_body": False}]

        async def receive():
            if incoming:
                return incoming.pop()
            await answered.wait()
            return {"type": "http.disconnect"}

        async def send(message):
            sent.append(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                answered.set()

        with auth_as("user_7"):
            await APP(scope, receive, send)
        assert sent[0]["status"] == 401

    asyncio.run(play())


def test_a_request_begun_in_the_block_is_nobodys_after_it():
    async def play():
        with auth_as("user_7"):
            context = APP.test_request_context("/")
            await context.__aenter__()
            await APP.preprocess_request(context)
            assert quart.g.auth.user_id == "user_7"
        try:
            assert get_auth().user_id is None
        except ConfigurationError as error:  # its token was never looked for
            assert "before it was settled" in error.message  # noqa: PT017
        await context.__aexit__(None, None, None)

    asyncio.run(play())
