"""How much of an answer is read: 512 KiB, counted before and after decompression (K4).

Requests go to the test kit's server or to raw sockets.
"""

from __future__ import annotations

import gzip
import socket
import threading
import tracemalloc
import zlib

import pytest

from flask_session_claims import UnavailableError
from flask_session_claims.testing import KeyServer, LocalIssuer, shared_key

from .outside import BODY, ISSUER, answer, get, landed, raw_server


@pytest.fixture
def server():
    with KeyServer(LocalIssuer(ISSUER, key=shared_key("ES256"))) as server:
        yield server


def test_k4_the_bound_is_512_kib_to_the_byte():
    """K4: counted while reading."""
    exact = BODY[:-1] + b" " * (512 * 1024 - len(BODY)) + b"}"
    with answer(f"Content-Length: {len(exact)}", exact) as base:
        assert get(base).body == exact
    longer = exact[:-1] + b" }"
    for head in (f"Content-Length: {len(longer)}", ""):
        with (
            answer(head, longer) as base,
            pytest.raises(UnavailableError, match="more than 524288 bytes"),
        ):
            get(base)


def test_k4_an_endless_answer_is_cut_off_at_the_bound():
    """K4: a stated length of a terabyte, and no end: refused without waiting for the deadline."""

    def speak(connection: socket.socket, stopped: threading.Event) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n")
        while not stopped.is_set():
            connection.sendall(b" " * 65_536)

    with raw_server(speak) as base:
        with pytest.raises(UnavailableError, match="more than 524288 bytes"):
            get(base, timeout=10)
        assert landed()


@pytest.mark.parametrize("mode", ["gzip-bomb", "oversize", "oversize-chunked"])
def test_k4_an_oversized_answer_takes_less_than_5_mb(server, mode):
    """K4: 50 MB behind 50 KB of gzip stay unpacked."""
    server.mode = mode
    with pytest.raises(UnavailableError):
        get(server.url)  # what the server makes and keeps for it is made now
    tracemalloc.start()
    try:
        with pytest.raises(UnavailableError, match="more than 524288 bytes"):
            get(server.url)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5_000_000


@pytest.mark.parametrize(
    ("encoding", "body"),
    [("gzip", gzip.compress(BODY)), ("deflate", zlib.compress(BODY)), ("identity", BODY)],
)
def test_k4_a_compressed_answer_is_read(encoding, body):
    """K4: not asked for, but some servers compress regardless."""
    with answer(f"Content-Encoding: {encoding}", body) as base:
        assert get(base).body == BODY


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "x"])
def test_k4_an_encoding_that_is_not_known_is_refused(encoding):
    with (
        answer(f"Content-Encoding: {encoding}") as base,
        pytest.raises(UnavailableError, match="content encoding"),
    ):
        get(base)


def test_k4_what_is_called_gzip_and_is_not_is_refused():
    with (
        answer("Content-Encoding: gzip") as base,
        pytest.raises(UnavailableError, match="decompressed"),
    ):
        get(base)


def test_k4_headers_have_a_bound_of_their_own():
    """K4: a flood of header lines ends in the same error."""
    lines = "\r\n".join(f"X-{number}: {'x' * 1000}" for number in range(2000))
    with answer(lines) as base, pytest.raises(UnavailableError):
        get(base)
    assert landed()
