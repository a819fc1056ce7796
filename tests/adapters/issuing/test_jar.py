"""The browsers of the contract are browsers: what is kept, sent, and seen."""

from __future__ import annotations

import pytest

from flask_session_claims.testing import FrozenClock

from ..drivers import Reply
from .drivers import check_body
from .jar import Jar, cookies_of


def reply(*fields: str, body: bytes = b"{}") -> Reply:
    return Reply(200, tuple(("Set-Cookie", field) for field in fields), body)


@pytest.mark.parametrize(
    ("path", "target", "sent"),
    [
        ("/", "/any/where", True),
        ("/auth", "/auth", True),
        ("/auth", "/auth/session", True),
        ("/auth/", "/auth/session", True),
        ("/auth", "/authors", False),
        ("/auth/session", "/auth", False),
        ("/auth", "/me?path=/auth", False),
    ],
)
def test_a_cookie_goes_where_its_path_says(path: str, target: str, sent: bool) -> None:
    jar = Jar(FrozenClock())
    jar.take(reply(f"a=1; Path={path}"))
    assert jar.header(target) == ("a=1" if sent else None)


def test_it_lives_as_long_as_it_says() -> None:
    clock = FrozenClock()
    jar = Jar(clock)
    jar.take(reply("a=1; Max-Age=10", "b=2"))
    clock.advance(9)
    assert jar.header("/") == "a=1; b=2"
    clock.advance(1)
    assert jar.header("/") == "b=2"
    jar.restart()
    assert jar.header("/") is None


def test_it_is_replaced_and_removed_by_name_and_path() -> None:
    jar = Jar(FrozenClock())
    jar.take(reply("a=1; Path=/"))
    jar.take(reply("a=2; Path=/x"))
    assert jar.header("/x") == "a=2; a=1"
    jar.take(reply("a=; Max-Age=0; Path=/"))
    assert jar.header("/x") == "a=2"


@pytest.mark.parametrize(
    "field",
    [
        "__Host-a=1; Path=/",
        "__Host-a=1; Secure; Path=/x",
        "__Host-a=1; Secure; Path=/; Domain=app.example",
        "__Secure-a=1; Path=/",
    ],
)
def test_what_a_browser_would_not_keep_is_a_fault(field: str) -> None:
    with pytest.raises(AssertionError):
        Jar(FrozenClock()).take(reply(field))


def test_a_cookie_set_twice_is_a_fault() -> None:
    with pytest.raises(AssertionError):
        cookies_of(reply("session_aaaaaa=1", "__Host-session_bbbbbb=2"))


@pytest.mark.parametrize("token", ["head.body.signature", "sess_1.2.secret.tag"])
def test_a_token_in_a_body_is_found(token: str) -> None:
    secret = token.rpartition(".")[2]
    with pytest.raises(AssertionError):
        check_body(reply(f"session_aaaaaa={token}", body=f"<p>{secret}</p>".encode()))
    check_body(reply(f"session_aaaaaa={token}"))
