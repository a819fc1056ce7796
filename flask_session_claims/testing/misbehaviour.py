"""How the key server answers in each of its modes: one function per mode, in one table.

A function writes to an `Exchange` and returns; the connection is closed after it. It knows no
server, no issuer and no paths.
"""

from __future__ import annotations

import functools
import http
import itertools
import json
import socket
import threading
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

Mode: TypeAlias = Literal[
    "ok",  # the key set
    "status",  # the status `server.status`, with a small JSON error
    "hang",  # not a byte until stop() or release()
    "slow",  # the key set after `server.delay` seconds
    "drip",  # headers at once, then one byte of the body every `server.interval` s, for ever
    "drip-headers",  # one byte of a header every `server.interval` s, for ever
    "oversize",  # the key set padded to 640 KiB, with Content-Length
    "oversize-chunked",  # the same, chunked, without Content-Length
    "redirect",  # 302 to another path of this server that has the key set
    "html",  # 200 and a page, as captive portals send
    "not-json",  # JSON cut in the middle
    "empty",  # {"keys": []}
    "wrong-type",  # []
    "gzip-bomb",  # 50 KB of gzip that become the key set padded to 50 MB
    "close",  # the connection ends without an answer
    "no-length",  # the key set with neither Content-Length nor chunks, ended by closing
]

OVERSIZE = 640 * 1024
BOMB_SIZE = 50_000_000


@dataclass(frozen=True, slots=True)
class Answer:
    """What an answer is made of; see the attributes of `KeyServer`."""

    body: bytes
    status: int
    delay: float
    interval: float
    max_age: int | None
    moved_to: str
    released: threading.Event


@dataclass(frozen=True, slots=True)
class Exchange:
    """The writing side of one connection."""

    connection: socket.socket

    def write(self, data: bytes) -> None:
        self.connection.sendall(data)

    def head(
        self,
        status: int,
        headers: Mapping[str, str] | None = None,
        *,
        content_type: str = "application/json",
    ) -> None:
        """Status line and headers, with the empty line that ends them."""
        lines = [f"HTTP/1.1 {status} {_phrase(status)}", f"Content-Type: {content_type}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        lines += ["Connection: close", "", ""]
        self.write("\r\n".join(lines).encode("latin-1"))

    def send(
        self,
        status: int,
        body: bytes,
        headers: Mapping[str, str] | None = None,
        *,
        content_type: str = "application/json",
    ) -> None:
        """A whole answer with its Content-Length."""
        headers = {**(headers or {}), "Content-Length": str(len(body))}
        self.head(status, headers, content_type=content_type)
        self.write(body)


def _good_headers(answer: Answer) -> dict[str, str]:
    # A client that keeps cookies gives itself away in the log of the next request.
    headers = {"Set-Cookie": "key_server=seen; Path=/"}
    if answer.max_age is not None:
        headers["Cache-Control"] = f"public, max-age={answer.max_age}"
    return headers


def _ok(exchange: Exchange, answer: Answer) -> None:
    exchange.send(200, answer.body, _good_headers(answer))


def _status(exchange: Exchange, answer: Answer) -> None:
    exchange.send(answer.status, b'{"errors":[{"code":"unavailable"}]}')


def _hang(exchange: Exchange, answer: Answer) -> None:
    answer.released.wait()
    _ok(exchange, answer)


def _slow(exchange: Exchange, answer: Answer) -> None:
    answer.released.wait(answer.delay)
    _ok(exchange, answer)


def _drip(exchange: Exchange, answer: Answer) -> None:
    exchange.head(200, _good_headers(answer))
    _drip_bytes(exchange, answer, answer.body, b" ")


def _drip_headers(exchange: Exchange, answer: Answer) -> None:
    exchange.write(b"HTTP/1.1 200 OK\r\n")
    _drip_bytes(exchange, answer, b"X-Filler: ", b"x")


def _drip_bytes(exchange: Exchange, answer: Answer, first: bytes, then: bytes) -> None:
    for byte in itertools.chain(first, itertools.cycle(then)):
        exchange.write(bytes([byte]))
        if answer.released.wait(answer.interval):
            return


def _oversize(exchange: Exchange, answer: Answer) -> None:
    exchange.send(200, _padded(answer.body, OVERSIZE), _good_headers(answer))


def _oversize_chunked(exchange: Exchange, answer: Answer) -> None:
    exchange.head(200, {**_good_headers(answer), "Transfer-Encoding": "chunked"})
    body = _padded(answer.body, OVERSIZE)
    for start in range(0, len(body), 16_384):
        chunk = body[start : start + 16_384]
        exchange.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
    exchange.write(b"0\r\n\r\n")


def _redirect(exchange: Exchange, answer: Answer) -> None:
    exchange.send(302, b"", {"Location": answer.moved_to})


def _html(exchange: Exchange, answer: Answer) -> None:
    page = b"<!doctype html><title>Sign in to the network</title><p>Welcome"
    exchange.send(200, page, content_type="text/html; charset=utf-8")


def _not_json(exchange: Exchange, answer: Answer) -> None:
    exchange.send(200, answer.body[: len(answer.body) // 2], _good_headers(answer))


def _empty(exchange: Exchange, answer: Answer) -> None:
    exchange.send(200, b'{"keys":[]}', _good_headers(answer))


def _wrong_type(exchange: Exchange, answer: Answer) -> None:
    exchange.send(200, b"[]", _good_headers(answer))


def _gzip_bomb(exchange: Exchange, answer: Answer) -> None:
    headers = {**_good_headers(answer), "Content-Encoding": "gzip"}
    exchange.send(200, _bomb(answer.body), headers)


def _close(exchange: Exchange, answer: Answer) -> None:
    """Not a byte: returning ends the connection."""


def _no_length(exchange: Exchange, answer: Answer) -> None:
    exchange.head(200, _good_headers(answer))
    exchange.write(answer.body)


ANSWERS: dict[Mode, Callable[[Exchange, Answer], None]] = {
    "ok": _ok,
    "status": _status,
    "hang": _hang,
    "slow": _slow,
    "drip": _drip,
    "drip-headers": _drip_headers,
    "oversize": _oversize,
    "oversize-chunked": _oversize_chunked,
    "redirect": _redirect,
    "html": _html,
    "not-json": _not_json,
    "empty": _empty,
    "wrong-type": _wrong_type,
    "gzip-bomb": _gzip_bomb,
    "close": _close,
    "no-length": _no_length,
}


def _phrase(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def _padding(body: bytes) -> tuple[bytes, bytes]:
    """What comes before and after spaces that make a key set long but leave it valid."""
    return json.dumps(json.loads(body)).encode()[:-1] + b',"padding":"', b'"}'


def _padded(body: bytes, size: int) -> bytes:
    before, after = _padding(body)
    return before + b" " * (size - len(before) - len(after)) + after


@functools.lru_cache(maxsize=4)
def _bomb(body: bytes) -> bytes:
    """Made piece by piece, so that the making does not take the memory that it is to test."""
    before, after = _padding(body)
    gzip = zlib.compressobj(9, wbits=31)
    pieces = [gzip.compress(before)]
    left = BOMB_SIZE - len(before) - len(after)
    block = b" " * 65_536
    while left > 0:
        pieces.append(gzip.compress(block[:left]))
        left -= len(block)
    return b"".join([*pieces, gzip.compress(after), gzip.flush()])
