"""A real provider changes its keys, with notice, without, and by a restart with an outage."""

from __future__ import annotations

import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.provider.conftest import Start
from tests.provider.login import sign_in
from tests.provider.oidc import OidcProvider
from tests.provider.sites import Site

pytestmark = [pytest.mark.needs_service, pytest.mark.slow]

FIRST_PAUSE = 1.0  # seconds between fetches for unknown keys, to begin with
SLACK = 1.0  # seconds, for a slow machine


def seconds_until_taken(site: Site, token: str) -> float:
    """How long a good token is refused because its key is not known yet."""
    begun = time.monotonic()
    while True:
        waited = time.monotonic() - begun
        told = site.reason(token)
        if told is None:
            return waited
        assert told == "jwk-kid-mismatch"
        assert waited < 10, "the key was never fetched"
        time.sleep(0.02)


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_a_new_key_is_fetched_when_first_met_and_a_removed_one_goes_with_that_fetch(
    rotating: OidcProvider, start: Start, algorithm: str
) -> None:
    site = start("flask", rotating.issuer)
    other = "ES256:first" if algorithm == "RS256" else "RS256:first"
    first, second, third = (f"{algorithm}:{name}" for name in ("first", "second", "third"))

    def login() -> str:
        return sign_in(rotating.issuer, resource=f"urn:{algorithm.lower()}").access

    old = login()
    assert site.reason(old) is None
    assert rotating.fetches() == 1

    rotating.sign_with(second, first, other)  # with notice: the old key stays published
    new = login()
    assert site.reason(new) is None  # at once: nobody has met an unknown key before
    assert site.reason(old) is None
    assert rotating.fetches() == 2

    rotating.sign_with(third, second, other)  # the first is gone
    assert site.reason(old) is None  # nothing has told the site yet: its set is still fresh
    assert seconds_until_taken(site, login()) < FIRST_PAUSE + SLACK
    assert site.reason(old) == "jwk-kid-mismatch"
    assert site.get("/me", old).status_code == 401
    assert site.reason(new) is None
    assert rotating.fetches() == 3


def test_unknown_keys_cost_one_fetch_a_pause_and_delay_a_rotation_by_no_more(
    rotating: OidcProvider, start: Start, tmp_path: Path
) -> None:
    site = start("flask", rotating.issuer)
    good = sign_in(rotating.issuer).access
    assert site.reason(good) is None
    rotating.sign_with("RS256:lost", "ES256:first")
    lost = sign_in(rotating.issuer).access
    rotating.sign_with("RS256:first", "ES256:first")
    for _ in range(20):
        assert site.reason(lost) == "jwk-kid-mismatch"
    assert rotating.fetches() == 2

    rotating.sign_with("RS256:second", "ES256:first")
    assert seconds_until_taken(site, sign_in(rotating.issuer).access) < FIRST_PAUSE + SLACK
    assert rotating.fetches() == 3
    assert site.reason(good) == "jwk-kid-mismatch"


def test_known_users_do_not_feel_an_outage_and_new_keys_are_taken_after_a_restart(
    rotating: OidcProvider, start: Start, tmp_path: Path
) -> None:
    site = start("flask", rotating.issuer)
    before = sign_in(rotating.issuer).access
    assert site.reason(before) is None
    rotating.sign_with("RS256:lost", "ES256:first")
    lost = sign_in(rotating.issuer).access

    rotating.__exit__()
    assert site.reason(before) is None
    assert site.reason(lost) == "jwk-kid-mismatch"  # the fetch fails, what is known stays
    assert site.get("/me", before).status_code == 200

    ports = (urlsplit(rotating.issuer).port or 0, urlsplit(rotating.neighbour).port or 0)
    with OidcProvider(tmp_path, ports) as again:
        after = sign_in(again.issuer).access
        assert seconds_until_taken(site, after) < FIRST_PAUSE + SLACK
        assert site.get("/me", after).status_code == 200
        assert site.reason(before) == "jwk-kid-mismatch"
