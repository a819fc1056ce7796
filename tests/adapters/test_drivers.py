"""The net of the contract holds: a leak in a reply is found."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from flask_session_claims.testing import LocalIssuer

from .drivers import Ask, Reply, check_for_leaks


@pytest.mark.parametrize(
    "leak",
    [
        lambda token: Reply(200, (), f"seen: {token}".encode()),
        lambda token: Reply(200, (), f"seen: {token[:-10]}".encode()),
        lambda token: Reply(302, (("Location", f"/in?token={token}"),), b""),
        lambda token: Reply(200, (("X-Signature", token.rpartition(".")[2]),), b""),
        lambda token: Reply(200, (("X-Payload", token.split(".")[1]),), b""),
        lambda token: Reply(200, (("Set-Cookie", "a=b"),), b""),
    ],
)
def test_a_token_or_part_of_one_in_a_reply_is_found(
    issuer: LocalIssuer, leak: Callable[[str], Reply]
) -> None:
    token = issuer.mint()
    with pytest.raises(AssertionError):
        check_for_leaks(Ask("/me"), leak(token))
    check_for_leaks(Ask("/me"), Reply(200, (("Vary", "Cookie"),), b'{"user": "user_1"}'))
    check_for_leaks(Ask("/token"), Reply(200, (), token.encode()))
