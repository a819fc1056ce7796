"""Every request of the corpus through `credentials_from` and the verifier, without a framework.

Requests that the origin rules decide are judged by the adapters (`test_adapters_corpus.py`).
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from flask_session_claims import Auth, VerifierSettings, credentials_from

from .forge import settings_of
from .harness import async_verifier, no_network, run, timed, verifier
from .requests import RequestCase, request_case, request_cases, tokens


@pytest.fixture(autouse=True, scope="module")
def _guard() -> Iterator[None]:
    with no_network():
        yield


def check(case: RequestCase, auth: Auth) -> None:
    if case.expect == "in":
        assert (auth.is_authenticated, auth.user_id) == (True, case.user_id)
        assert (auth.reason, auth.source) == (None, case.source)
    else:
        assert (auth.is_authenticated, auth.user_id) == (False, None)
        assert auth.reason is not None
        assert case.reason in (None, auth.reason)


@pytest.mark.parametrize("name", [case.name for case in request_cases() if not case.csrf])
def test_request_signs_in_exactly_the_declared_user(name: str) -> None:
    case = request_case(name)
    settings = VerifierSettings(**settings_of(case.settings))
    fields = case.values("authorization"), case.values("cookie")
    credentials = timed(lambda: credentials_from(*fields, settings), "reading")
    check(case, timed(lambda: verifier(case.settings).authenticate(credentials), "sync"))
    aio = async_verifier(case.settings)
    check(case, timed(lambda: run(aio.authenticate(credentials)), "async"))
    for token in tokens().values():
        assert token not in repr(credentials)


def test_corpus_is_as_large_as_promised() -> None:
    cases = request_cases()
    assert len(cases) >= 110
    assert sum(case.expect == "in" for case in cases) >= 40
    assert sum(case.csrf for case in cases) >= 60
    assert sum(case.name.startswith("clerk-") for case in cases) >= 25
    filled = [value for case in cases for _, value in case.headers]
    assert not [value for value in filled if "{good}" in value]
