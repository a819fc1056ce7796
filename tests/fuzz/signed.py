"""Target `signed`: any header over any payload, well signed by one of several keys.

What passes must pass the slow reading and PyJWT; what the slow reading takes must pass.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import jwt.api_jwt
import pytest

from flask_session_claims import Auth, TokenError, credentials_from
from tests.corpus.forge import NOW, SESSION_CAT, claims, header, join, keys, v2
from tests.corpus.harness import verifier
from tests.corpus.test_differential import Peer
from tests.fuzz import reference
from tests.fuzz.inputs import Target, fields_of, flags_of, joined, pick

SETTINGS: tuple[dict[str, Any], ...] = (
    {},
    {"token_use": "access", "audience": ["api"]},
    {"audience": ["api"]},
    {"strict_permissions": True},
)
LONGEST = 8_192


class _Then(datetime.datetime):
    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> _Then:
        return cls.fromtimestamp(NOW, tz)


@contextmanager
def held_time() -> Iterator[None]:
    """PyJWT reads the time itself; meanwhile it is the corpus'."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jwt.api_jwt, "datetime", _Then)
        yield


@cache
def peer(number: int) -> Peer:
    return Peer(SETTINGS[number])


def check(data: bytes) -> None:
    flags, head, payload = fields_of(data, 3)
    which, signer_number = flags_of(flags, 2)
    which %= len(SETTINGS)
    signer = pick((*keys().trusted[::-1], keys().bad_ed), signer_number)
    token = join(signer, head, payload)
    watched = verifier(SETTINGS[which])
    try:
        read = watched.verify(token)
        code = None
    except TokenError as error:
        read, code = None, error.code

    expected = _expected(which, signer.kid, head, payload) if len(token) <= LONGEST else None
    # As text, because in Python True is 1.
    same = json.dumps(read) == json.dumps(expected)
    assert same, f"refused as {code}" if read is None else "let in"
    if read is not None:
        if b"Ed25519" not in head:  # RFC 9864's name, which PyJWT does not know
            with held_time():
                assert peer(which).accepts(token), "PyJWT refuses it"
    auth = watched.authenticate(credentials_from([f"Bearer {token}"], [], watched.settings))
    assert auth.is_authenticated == (read is not None)
    if read is None:
        assert (auth.reason, auth.user_id, dict(auth.session_claims)) == (code, None, {})
    else:
        _check_auth(auth, read)


def _expected(which: int, signer: str, head: bytes, payload: bytes) -> dict[str, Any] | None:
    access = "token_use" in SETTINGS[which]
    members = reference.strict_object(head)
    if members is None or reference.header_names(members, access=access) != signer:
        return None
    stated = reference.strict_object(payload)
    if stated is None:
        return None
    audience = "audience" in SETTINGS[which]
    good = reference.claims_hold(stated, members.get("cat"), access=access, audience=audience)
    return stated if good else None


def _check_auth(auth: Auth, read: Any) -> None:
    assert auth.user_id == read["sub"]
    assert auth.actor == read.get("act")
    assert all(isinstance(name, str) for name in (*auth.org_permissions, *auth.scopes))
    if auth.org_id is None:
        assert (auth.org_slug, auth.org_role, auth.org_permissions) == (None, None, ())
    for name in auth.org_permissions:
        assert auth.has(permission=name) or not name or name == "org:"
    asked: dict[str, Any]
    for asked in (
        {"feature": "a"}, {"plan": "o:a"}, {"reverification": "strict"},
        {"permission": "org:a:b"},
    ):  # fmt: skip
        assert not auth.has(**asked, role="\0nobody")
        assert auth.has(**asked) in (True, False)
    assert not auth.has()
    hash(auth)


def seeds() -> Iterable[bytes]:
    ed, ec = keys().ed, keys().ec
    head = json.dumps(header(ed))
    for payload in (
        claims(),
        v2(o={"id": "org_1", "rol": "admin", "slg": "a", "per": "read,write", "fpm": "3,1"},
           fea="o:a,u:b,uo:c", pla="o:pro"),
        claims(act={"sub": "user_9"}, sts="pending"),
        claims(org_id="org_1", org_role="org:admin", org_permissions=["org:a:b"], fva=[1, -1]),
        claims(exp=NOW - 4.5, nbf=NOW + 5, iat=NOW + 5.0),
        claims(exp=NOW - 5), claims(nbf=NOW + 6), claims(aud=["x", "api"], scope="a b"),
        claims(sub="mch_1"), claims(iss="https://issuer.example/"), claims(azp=[]),
    ):  # fmt: skip
        for flags in ("00", "10", "20", "30"):
            yield joined(flags, head, json.dumps(payload))
    good = json.dumps(claims(aud="api"))
    changed: tuple[dict[str, Any], ...] = (
        {"typ": "at+jwt"}, {"typ": "application/JWT"}, {"cat": SESSION_CAT}, {"crit": []},
        {"alg": "Ed25519"}, {"alg": "none"}, {"alg": "HS256"}, {"kid": "ec-1"}, {"kid": "nobody"},
        {"b64": False}, {"jwk": {}},
    )  # fmt: skip
    for members in changed:
        for flags in ("00", "10"):
            yield joined(flags, json.dumps({**header(ed), **members}), good)
    yield joined("01", json.dumps(header(ec)), good)
    yield joined("03", head, good)
    yield joined("00", head.replace("{", '{"alg":"none",', 1), good)
    yield joined("00", head, good.replace("{", '{"sub":"user_2",', 1))
    yield joined("00", head, good.replace("}", ',"x":' + "[" * 63 + "]" * 63 + "}"))
    yield joined("00", head, good.replace("}", ',"x":' + "[" * 64 + "]" * 64 + "}"))
    yield joined("00", head, good.replace("}", ',"x":"\\ud800"}'))
    yield joined("00", head, good.replace("}", ',"x":[1e999, NaN]}'))


WORDS = tuple(
    '"alg": "kid": "typ": "cat": "crit": "b64": "sub": "iss": "aud": "azp": "exp": "nbf": "iat":'
    ' "sid": "jti": "act": "sts": "fea": "fva": "org_id": "o": "per": "fpm": "v":2 "pending"'
    ' "Ed25519" "at+jwt" null true 1e9 -1 [] {} \\ud800 1800000000 NaN Infinity'.split()
)
TARGET = Target(check, seeds, WORDS)
