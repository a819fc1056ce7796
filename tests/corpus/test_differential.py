"""The verifier against PyJWT with the same key, issuer, audience, algorithms and leeway.

We never accept what PyJWT refuses, and of all edits of a valid token only the unedited one
passes. `FSC_EDITS` sets how many random edits are tried. PyJWT reads the time itself, so its
clock is held at the corpus' time.
"""

from __future__ import annotations

import datetime
import json
import logging
import os
import random
from collections.abc import Callable, Iterator
from typing import Any

import jwt
import jwt.api_jwt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jwt.algorithms import OKPAlgorithm

from flask_session_claims import TokenError, VerifierSettings

from .forge import ISSUER, NOW, b64, claims, compact, header, join, keys, mint, unb64
from .harness import no_network, verifier
from .tokens import settings_of, token_cases

EDITS = int(os.environ.get("FSC_EDITS", "20000"))
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


class _Then(datetime.datetime):
    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> datetime.datetime:
        return datetime.datetime.fromtimestamp(NOW, tz)


@pytest.fixture(autouse=True, scope="module")
def _guard() -> Iterator[None]:
    with no_network(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(jwt.api_jwt, "datetime", _Then)
        jwt.register_algorithm("Ed25519", OKPAlgorithm())  # RFC 9864's synonym
        yield
        jwt.unregister_algorithm("Ed25519")


class Peer:
    """`jwt.decode`, with the key that the header's kid names (or that alone fits)."""

    def __init__(self, changes: dict[str, Any]) -> None:
        given = settings_of(changes)
        made = VerifierSettings(**given)
        self.issuer, self.leeway = made.issuer, made.leeway
        self.audience = list(made.audience) if made.audience else None
        self.algorithms = list(made.algorithms)
        if "EdDSA" in self.algorithms:
            self.algorithms.append("Ed25519")
        self._pem = given.get("jwt_key")
        jwks = given.get("jwks") or {"keys": []}
        self._jwks = jwks.get("keys", [jwks])

    def _key(self, token: str) -> Any:
        if self._pem is not None:
            return self._pem
        head = jwt.get_unverified_header(token)
        named = [jwk for jwk in self._jwks if jwk["kid"] == head.get("kid", jwk["kid"])]
        kinds = {"RS256": "RSA", "ES256": "EC"}
        for jwk in named:
            if jwk["kty"] == kinds.get(head.get("alg"), "OKP"):
                plain = {name: value for name, value in jwk.items() if name != "alg"}
                return jwt.PyJWK(plain).key
        raise jwt.InvalidKeyError("no key")

    def accepts(self, token: str) -> bool:
        try:
            jwt.decode(
                token,
                self._key(token),
                algorithms=self.algorithms,
                issuer=self.issuer,
                audience=self.audience,
                leeway=self.leeway,
                # DESIGN: an audience nobody configured is ignored; exp is required.
                options={"verify_aud": self.audience is not None, "require": ["exp", "sub"]},
            )
        except Exception:  # PyJWT raises much that it does not declare
            return False
        return True


def ours_accept(token: str, changes: dict[str, Any] | None = None) -> bool:
    try:
        verifier(changes or {}).verify(token)
    except TokenError:
        return False
    return True


def test_corpus_token_that_pyjwt_refuses_is_never_accepted() -> None:
    peers: dict[str, Peer] = {}
    wrong: list[str] = []
    compared = 0
    for case in token_cases():
        if not isinstance(case.token, str) or len(case.token) > 100_000:
            continue
        peer = peers.setdefault(repr(case.settings), Peer(case.settings))
        compared += 1
        if ours_accept(case.token, case.settings) and not peer.accepts(case.token):
            wrong.append(case.name)
    assert wrong == []
    assert compared > 1000


# --- random edits -------------------------------------------------------------------------

Edit = Callable[[random.Random, str], str]


def _place(chance: random.Random, token: str) -> int:
    return chance.randrange(len(token))


def substitute_byte(chance: random.Random, token: str) -> str:
    at = _place(chance, token)
    return token[:at] + chr(chance.randrange(256)) + token[at + 1 :]


def substitute_letter(chance: random.Random, token: str) -> str:
    at = _place(chance, token)
    return token[:at] + chance.choice(ALPHABET) + token[at + 1 :]


def insert(chance: random.Random, token: str) -> str:
    at = chance.randrange(len(token) + 1)
    return token[:at] + chance.choice(ALPHABET + ".=+/ \n") + token[at:]


def delete(chance: random.Random, token: str) -> str:
    at = _place(chance, token)
    return token[:at] + token[at + 1 :]


def duplicate(chance: random.Random, token: str) -> str:
    at = _place(chance, token)
    return token[:at] + token[at : at + chance.randrange(1, 20)] + token[at:]


def cut(chance: random.Random, token: str) -> str:
    at = _place(chance, token)
    return token[:at] + token[at + chance.randrange(1, 40) :]


def swap(chance: random.Random, token: str) -> str:
    at = chance.randrange(len(token) - 1)
    return token[:at] + token[at + 1] + token[at] + token[at + 2 :]


def flip_case(chance: random.Random, token: str) -> str:
    at = _place(chance, token)
    return token[:at] + token[at].swapcase() + token[at + 1 :]


def flip_bit(chance: random.Random, token: str) -> str:
    parts = token.split(".")
    which = chance.randrange(3)
    raw = bytearray(unb64(parts[which]))
    raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
    parts[which] = b64(bytes(raw))
    return ".".join(parts)


def edit_member(chance: random.Random, token: str) -> str:
    parts = token.split(".")
    which = chance.randrange(2)
    members = json.loads(unb64(parts[which]))
    name = chance.choice(list(members))
    match chance.randrange(5):
        case 0:
            del members[name]
        case 1:
            members[name] = chance.choice([None, True, 0, "", [], {}, NOW + 60, "user_2", "none"])
        case 2:
            members[name + chance.choice(ALPHABET)] = members.pop(name)
        case 3:
            members[chance.choice(["exp", "role", "crit", "kid", "alg", "x"])] = chance.random()
        case _:
            members = {name: members[name], **members}
    parts[which] = b64(compact(members))
    return ".".join(parts)


EDITORS: tuple[Edit, ...] = (
    substitute_byte, substitute_letter, insert, delete, duplicate, cut, swap, flip_case,
    flip_bit, edit_member,
)  # fmt: skip


def bases() -> list[str]:
    rsa, ec, ed = keys().trusted
    return [mint(rsa), mint(ec), mint(ed, v=2, sts="active", o={"id": "org_1"}, fea="o:a")]


def test_random_edits_pass_only_where_they_changed_nothing() -> None:
    chance = random.Random(20270115)
    tokens = bases()
    peer = Peer({})
    unchanged = peer_only = 0
    for number in range(EDITS):
        token = tokens[number % len(tokens)]
        edit = EDITORS[number // len(tokens) % len(EDITORS)]
        edited = edit(chance, token)
        ours = ours_accept(edited)
        assert ours == (edited == token), (edit.__name__, edited)
        unchanged += edited == token
        theirs = peer.accepts(edited)
        assert theirs or not ours, (edit.__name__, edited)
        peer_only += theirs and not ours
    # An edit may write what was there; all the others had to be refused.
    assert 0 < unchanged < EDITS / 10
    logging.getLogger(__name__).info(
        "%d edits, %d changed nothing, %d accepted by PyJWT alone", EDITS, unchanged, peer_only
    )


# --- Hypothesis ---------------------------------------------------------------------------

calm = settings(
    derandomize=True,
    deadline=None,
    max_examples=400,
    suppress_health_check=[HealthCheck.too_slow],
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
times = st.one_of(
    st.integers(NOW - 100, NOW + 100),
    st.floats(NOW - 100, NOW + 100),
    st.integers(-20, 20).map(lambda quarter: NOW - 5 + quarter / 4),
    st.integers(-20, 20).map(lambda quarter: NOW + 5 + quarter / 4),
    json_values,
)
CLAIMS: dict[str, st.SearchStrategy[Any]] = {
    "exp": times,
    "nbf": times,
    "iat": times,
    "iss": st.just(ISSUER) | json_values,
    "sub": st.text(min_size=1) | json_values,
    "sid": st.text(min_size=1) | json_values,
    "jti": st.text() | json_values,
    "azp": json_values,
    "aud": json_values,
    "act": json_values,
    "sts": st.sampled_from(["active", "pending"]) | json_values,
    "v": st.just(2) | json_values,
    "o": st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("id", "slg", "rol", "per", "fpm"), json_values)
    )
    | json_values,
    "fea": json_values,
    "fva": json_values,
    "org_id": json_values,
    "org_role": json_values,
    "org_permissions": json_values,
}
# One or two at a time: with more faults than that, nothing is ever accepted.
changed_claims = st.lists(
    st.sampled_from(sorted(CLAIMS)), min_size=1, max_size=2, unique=True
).flatmap(lambda names: st.fixed_dictionaries({name: CLAIMS[name] for name in names}))


@calm
@given(data=st.data())
def test_edited_text_passes_only_if_it_is_the_token(data: st.DataObject) -> None:
    token = data.draw(st.sampled_from(_fixed_bases()))
    at = data.draw(st.integers(0, len(token)))
    gone = data.draw(st.integers(0, 4))
    put = data.draw(st.text(max_size=4) | st.text(alphabet=ALPHABET + ".", max_size=4))
    edited = token[:at] + put + token[at + gone :]
    assert ours_accept(edited) == (edited == token)


@calm
@given(
    text=st.text() | st.text(alphabet=ALPHABET + ".") | st.from_regex(r"\A[\w-]+\.[\w-]+\.[\w-]+\Z")
)
def test_any_text_is_refused_by_the_declared_error(text: str) -> None:
    assert ours_accept(text) is False


@calm
@given(members=changed_claims)
def test_any_claims_well_signed_are_accepted_only_if_pyjwt_accepts(members: dict[str, Any]) -> None:
    key = keys().ed
    payload = {**claims(), **members}
    try:
        token = join(key, header(key), payload)
    except UnicodeEncodeError:
        return
    if ours_accept(token):
        assert Peer({}).accepts(token)


@calm
@given(
    members=st.dictionaries(st.text(), json_values, max_size=4),
    name=st.sampled_from("alg kid typ cat crit b64 zip cty jwk jku".split()),
    value=json_values,
)
def test_any_header_well_signed_is_accepted_only_if_pyjwt_accepts(
    members: dict[str, Any], name: str, value: Any
) -> None:
    key = keys().ed
    token = join(key, {**members, **header(key), name: value}, claims())
    if ours_accept(token):
        assert Peer({}).accepts(token)


@calm
@given(head=st.binary(max_size=60), payload=st.binary(max_size=60))
def test_any_bytes_well_signed_are_refused_by_the_declared_error(
    head: bytes, payload: bytes
) -> None:
    key = keys().ed
    assert ours_accept(join(key, head, payload)) is False
    assert ours_accept(join(key, header(key), payload)) is False
    assert ours_accept(join(key, head, claims())) is False


def _fixed_bases() -> list[str]:
    if not _kept:
        _kept.extend(bases())
    return _kept


_kept: list[str] = []
