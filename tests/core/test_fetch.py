"""The fetcher over real sockets: bounded in time and size, whatever the endpoint does.

Requests go to the test kit's server or to raw sockets. Row ids (K4, K5, ...) are those of the
security requirements.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import socket
import threading
import time
from typing import Any

import pytest

from flask_session_claims import UnavailableError
from flask_session_claims.core.asks import Berth, KeyRequest
from flask_session_claims.io.fetch import KeyFetcher
from flask_session_claims.testing import KeyServer, LocalIssuer, shared_key

from .outside import (
    BODY,
    ISSUER,
    MARGIN,
    NOT_FETCHED,
    answer,
    get,
    landed,
    raw_server,
    stage,
    together,
)


@pytest.fixture
def server():
    with KeyServer(LocalIssuer(ISSUER, key=shared_key("ES256"))) as server:
        yield server


# Every way of failing is one error, in time


QUICK = {
    "status": "answered 500",
    "oversize": "sent more than 524288 bytes",
    "oversize-chunked": "sent more than 524288 bytes",
    "gzip-bomb": "sent more than 524288 bytes",
    "redirect": "answered 302; a redirect is not followed",
    "html": "the answer is no JSON key set",
    "not-json": "the answer is no JSON key set",
    "empty": "it holds no usable key",
    "wrong-type": "not a JSON object",
    "close": "could not be reached",
}
SLOW = ["hang", "drip", "drip-headers", "slow"]


@pytest.mark.parametrize("mode", QUICK)
def test_k8_a_faulty_answer_is_unavailable_when_cold(mode):
    """K8, K4, K2: each fault ends in UnavailableError, and the log says which it was."""
    with stage() as scene:
        scene.server.mode = mode
        verifier = scene.verifier()
        with pytest.raises(UnavailableError) as caught:
            verifier.verify(scene.issuer.mint())
        assert (caught.value.status, caught.value.code) == (503, NOT_FETCHED)
        assert QUICK[mode] in scene.problems()[0]
        assert scene.server.requests == 1
        assert landed()


@pytest.mark.parametrize("mode", QUICK)
def test_k8_a_faulty_answer_keeps_the_good_keys(mode):
    """K8: neither a refresh nor a miss that fails removes or replaces a key."""
    with stage() as scene:
        verifier = scene.warm()
        scene.server.mode = mode
        scene.clock.advance(271)
        assert verifier.verify(scene.issuer.mint())
        scene.fetch.settle()
        assert verifier.verify(scene.issuer.mint())
        assert QUICK[mode] in scene.problems()[0]
        assert verifier.flows.keys.state()["kids"] == [scene.issuer.kid]


@pytest.mark.parametrize("mode", SLOW)
def test_k5_the_deadline_is_for_the_whole_fetch(mode):
    """K5: silence, dripping headers or body: UnavailableError in the timeout and a little."""
    with stage() as scene:
        scene.server.mode = mode
        scene.server.delay = 30
        verifier = scene.verifier(jwks_timeout=0.3)
        start = time.monotonic()
        with pytest.raises(UnavailableError) as caught:
            verifier.verify(scene.issuer.mint())
        assert 0.2 < time.monotonic() - start < 0.3 + MARGIN
        assert caught.value.code == NOT_FETCHED
        assert landed(), "the connection was not cut, and its thread lives on"


@pytest.mark.parametrize("mode", SLOW)
def test_k8_a_fetch_that_takes_too_long_keeps_the_good_keys(mode):
    """K8, K5: after the deadline the last good set still serves."""
    with stage() as scene:
        verifier = scene.warm(jwks_timeout=0.3)
        scene.server.mode = mode
        scene.server.delay = 30
        scene.clock.advance(271)
        assert verifier.verify(scene.issuer.mint())
        scene.fetch.settle()
        assert verifier.verify(scene.issuer.mint())
        assert len(scene.problems()) == 1
        assert verifier.flows.keys.state()["kids"] == [scene.issuer.kid]
        assert landed()


@pytest.mark.parametrize(
    "status", [201, 204, 206, 301, 303, 304, 307, 308, 401, 403, 404, 429, 503]
)
def test_k8_only_200_is_an_answer(status):
    """K8: no other status is taken, whatever its body."""
    with (
        answer(f"Content-Length: {len(BODY)}", status=f"{status} X") as base,
        pytest.raises(UnavailableError, match=f"answered {status}"),
    ):
        get(base)


def test_k8_a_refused_connection_is_unavailable(server):
    """K8: nobody listens."""
    server.refuse()
    with pytest.raises(UnavailableError, match=r"could not be reached \(NewConnectionError\)"):
        get(server.url)


def test_an_unknown_host_is_told_from_a_closed_port(monkeypatch):
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(UnavailableError, match=r"could not be reached \(NameResolutionError\)"):
        get("https://issuer.invalid/jwks.json")


@pytest.mark.parametrize("mode", ["ok", "no-length"])
def test_a_good_answer_is_read_with_and_without_a_length(server, mode):
    server.mode = mode
    assert json.loads(get(server.url).body)["keys"]


def test_k5_a_name_look_up_that_hangs_is_within_the_deadline(monkeypatch):
    """K5: the resolver has no timeout of its own; the caller's holds all the same."""
    let_go = threading.Event()

    def resolve(*args: object, **options: object) -> None:
        let_go.wait(10)
        raise socket.gaierror("no such name")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    start = time.monotonic()
    try:
        with pytest.raises(UnavailableError, match="no answer in time"):
            get("http://localhost:9/", timeout=0.2)
        assert time.monotonic() - start < 0.2 + MARGIN
    finally:
        let_go.set()
    assert landed()


def test_k5_a_connection_that_is_never_accepted_is_within_the_deadline():
    """K5: a full backlog answers nothing at all."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        clients = [socket.socket() for _ in range(4)]
        with contextlib.ExitStack() as stack:
            for client in clients:
                stack.enter_context(client)
                client.setblocking(False)
                client.connect_ex(full.getsockname())
            start = time.monotonic()
            with pytest.raises(UnavailableError):
                get(f"http://127.0.0.1:{full.getsockname()[1]}/", timeout=0.3)
            assert time.monotonic() - start < 0.3 + MARGIN
    assert landed(3)


@pytest.mark.parametrize("mode", ["drip", "drip-headers"])
def test_k5_a_flight_that_nobody_waits_for_is_cut_as_well(server, mode):
    """K5: a refresh whose answer nobody comes for must not drip on in its thread."""
    server.mode = mode
    KeyFetcher().begin(KeyRequest(server.url, 0.2))
    server.wait_for_requests(1)
    assert landed(0.2 + MARGIN)


def test_k5_an_answer_that_was_cut_off_at_the_deadline_is_no_answer():
    """K5, K8: a whole set, no length, and a connection that does not end: it was never complete.

    The end that the fetcher sees is its own cutting of the line.
    """

    def speak(connection: socket.socket, stopped: threading.Event) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + BODY)
        stopped.wait(5)

    with raw_server(speak) as base:
        flight = KeyFetcher().begin(KeyRequest(base, 0.2))
        flight.wait(1)
        assert landed()
        with pytest.raises(UnavailableError):
            flight.result()


def test_k8_a_body_cut_short_is_no_answer():
    """K8: fewer bytes than the stated length."""
    with answer(f"Content-Length: {len(BODY) + 10}") as base, pytest.raises(UnavailableError):
        get(base)


@pytest.mark.parametrize("noise", [b"", b"\r\n\r\n", b"HTTP/9.9 abc\r\n\r\n", b"\x16\x03\x01\x00"])
def test_k8_what_is_not_http_is_unavailable(noise):
    with (
        raw_server(lambda connection, stopped: connection.sendall(noise)) as base,
        pytest.raises(UnavailableError),
    ):
        get(base)


# Cache-Control


@pytest.mark.parametrize(
    ("field", "seconds"),
    [
        ("max-age=600", 600),
        ("public, max-age=600, must-revalidate", 600),
        ("public,max-age=600", 600),
        ("MAX-AGE=600", 600),
        ('max-age="600"', 600),
        ("s-maxage=1000, max-age=600", 600),
        ("s-maxage=1000", None),
        ("max-age=0", 0),
        ("no-store", 0),
        ("no-cache", 0),
        ("No-Store, max-age=600", 0),
        ("max-age=600, no-cache", 0),
        ("max-age=-5", None),
        ("max-age=abc", None),
        ("max-age=", None),
        ("max-age", None),
        ("x-max-age=600", None),
        ("", None),
        (None, None),
    ],
)
def test_k10_cache_control_is_read(field, seconds):
    """K10: the policy clamps what is read here to a minute and a day (RFC 9111 §5.2.2)."""
    head = "" if field is None else f"Cache-Control: {field}"
    with answer(head) as base:
        assert get(base).max_age == seconds


@pytest.mark.parametrize(
    ("max_age", "kept"), [(10, 60), (600, 600), (999_999, 86_400), (None, 300)]
)
def test_k10_the_age_on_the_wire_rules_the_life_of_the_set(max_age, kept):
    """K10: end to end, with the clamp."""
    with stage() as scene:
        scene.server.max_age = max_age
        verifier = scene.warm()
        assert verifier.flows.keys.state()["expires_in"] == kept


# One flight


def test_k7_those_who_come_while_a_flight_is_out_join_it(server):
    """K7: one berth holds one flight, whoever comes; once its answer is taken up, another."""
    server.mode = "hang"
    fetcher, request, berth = KeyFetcher(), KeyRequest(server.url, 3), Berth()

    def take(seen: int) -> Any:
        return berth.take(seen, 0.0, lambda: fetcher.begin(request))

    first = take(0)
    taken: list[Any] = []
    together(20, lambda _: taken.append(take(0)))
    assert taken == [first] * 20
    server.wait_for_requests(1)
    assert berth.leave() is None, "it is still out"
    server.release()
    first.wait(3)
    assert berth.leave() == (first, 0.0)
    assert berth.leave() is None, "an answer is taken up once"
    assert first.result().body
    assert take(0) is None, "who decided before the answer came must look again"
    assert take(1) is not first
    server.release()
    server.mode = "ok"
    assert landed(5)
    assert server.requests == 2


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="no list of open descriptors")
@pytest.mark.parametrize("mode", ["ok", "status", "oversize", "close", "drip"])
def test_a_fetch_leaves_no_descriptor_behind(server, mode):
    """However it ends: the second handle that cuts a line is closed with it."""
    server.mode = mode
    fetcher = KeyFetcher()

    kept = []  # so that nothing is closed by being forgotten

    def fetch() -> None:
        kept.append(fetcher.begin(KeyRequest(server.url, 0.1 if mode == "drip" else 3)))
        kept[-1].wait(3)
        assert landed()

    fetch()
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5 if mode == "drip" else 20):
        fetch()
    gc.collect()
    # The server's side of the last connection may still be closing.
    assert len(os.listdir("/proc/self/fd")) - before < 3


def test_k7_flights_to_two_addresses_do_not_hold_each_other_up(server):
    """K7: another issuer's outage is not ours."""
    fetcher = KeyFetcher()
    with KeyServer(LocalIssuer(key=shared_key("EdDSA"))) as other:
        other.mode = "hang"
        stuck = fetcher.begin(KeyRequest(other.url, 5))
        other.wait_for_requests(1)
        fine = fetcher.begin(KeyRequest(server.url, 5))
        fine.wait(3)
        assert fine.result().body
        assert not stuck.done()
    assert landed()
