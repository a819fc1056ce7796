"""Fetching key sets with requests, bounded in time and size.

Every fetch runs in a thread of its own, so that neither a name look-up nor a body that drips
can hold a caller beyond its deadline; when time is up the connection is cut. Nothing of the
environment is used (proxies, .netrc), no cookie is kept, no redirect followed, and TLS cannot
be weakened. One TLS context serves the process.
"""

from __future__ import annotations

import os
import re
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

import certifi
import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError

from ..core.asks import KeyDocument, KeyRequest
from ..core.errors import UnavailableError

MAX_BODY: Final = 512 * 1024
_CHUNK: Final = 16 * 1024
_MAX_AGE: Final = re.compile(r"(?:^|[\s,])max-age\s*=\s*\"?([0-9]{1,9})\"?(?=$|[\s,])", re.I)


class _Line:
    """A second handle on the socket of one fetch, so that a deadline can cut it where it hangs.

    TLS takes the first handle over; shutting down the second ends the connection all the same.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._handle: socket.socket | None = None
        self._is_cut = False

    def opened(self, sock: socket.socket) -> socket.socket:
        with self._lock:
            self._handle = sock.dup()
            is_cut = self._is_cut
        if is_cut:
            self.cut()
        return sock

    def cut(self) -> None:
        with self._lock:
            self._is_cut = True
            if self._handle is not None:
                try:
                    self._handle.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass  # closed already

    def close(self) -> None:
        with self._lock:
            handle, self._handle = self._handle, None
            self._is_cut = True
        if handle is not None:
            handle.close()


#: Told how many seconds a fetch took, and "ok" or "failed"; must not raise.
Landed = Callable[[float, str], None]


def _untold(seconds: float, outcome: str) -> None:
    return


class KeyFlight:
    """One fetch under way; done at the latest when its time is up."""

    def __init__(self, request: KeyRequest, landed: Landed = _untold) -> None:
        self._begun = time.monotonic()
        self._landed = landed
        self._deadline = self._begun + request.timeout
        self._ended = threading.Event()
        self._document: KeyDocument | None = None
        self._problem = "gave no answer in time"
        self._pid = os.getpid()
        self._line = _Line()
        threading.Thread(
            target=self._fly, args=(request,), name="session-claims-keys", daemon=True
        ).start()

    def done(self) -> bool:
        return self._ended.is_set() or time.monotonic() >= self._deadline

    def lost(self) -> bool:
        return self._pid != os.getpid()

    def wait(self, timeout: float) -> None:
        """Until the flight has ended, `timeout` seconds have gone, or its own time is up."""
        left = self._deadline - time.monotonic()
        self._ended.wait(max(0.0, min(timeout, left)))

    def result(self) -> KeyDocument:
        if not self._ended.is_set():
            self._line.cut()
        if self._document is not None:
            return self._document
        # Made anew for each caller: a kept exception would keep the frames it went through.
        raise _failed(self._problem)

    def _fly(self, request: KeyRequest) -> None:
        guard = threading.Timer(request.timeout, self._line.cut)
        guard.daemon = True
        try:
            guard.start()
            self._document = _get(request, self._line, self._deadline)
        except _Problem as problem:
            self._problem = str(problem)
        except Exception as error:
            self._problem = f"failed ({type(error).__name__})"
        finally:
            guard.cancel()
            self._line.close()
            self._ended.set()
            outcome = "failed" if self._document is None else "ok"
            self._landed(time.monotonic() - self._begun, outcome)


class KeyFetcher:
    """Begins flights; who shares one is the key cache's affair."""

    def __init__(self, landed: Landed = _untold) -> None:
        self._landed = landed

    def begin(self, request: KeyRequest) -> KeyFlight:
        try:
            return KeyFlight(request, self._landed)
        except RuntimeError:  # the process can start no thread
            raise _failed("cannot be asked: no thread can be started") from None


class _Problem(Exception):
    """What went wrong with a fetch, in words that are safe to show."""


def _failed(what: str) -> UnavailableError:
    return UnavailableError(f"the key set endpoint {what}", code="jwk-remote-failed-to-load")


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


class _Adapter(HTTPAdapter):
    """One connection whose socket is known to `line`, and our TLS context."""

    def __init__(self, line: _Line) -> None:
        self._line = line
        super().__init__(max_retries=0, pool_connections=1, pool_maxsize=1)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        line = self._line
        super().init_poolmanager(*args, **kwargs, ssl_context=_tls())

        class Plain(HTTPConnection):
            def _new_conn(self) -> socket.socket:
                return line.opened(super()._new_conn())

        class Tls(HTTPSConnection):
            def _new_conn(self) -> socket.socket:
                return line.opened(super()._new_conn())

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain  # pyright: ignore

        class TlsPool(HTTPSConnectionPool):
            ConnectionCls = Tls  # pyright: ignore

        self.poolmanager.pool_classes_by_scheme = {"http": PlainPool, "https": TlsPool}

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        # The context has its roots already; requests would load them again for each fetch.
        conn.cert_reqs = "CERT_REQUIRED"


def _get(request: KeyRequest, line: _Line, deadline: float) -> KeyDocument:
    headers = {
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "User-Agent": "flask-session-claims",
        "Connection": "close",
    }
    if request.bearer is not None:
        headers["Authorization"] = f"Bearer {request.bearer}"
    with requests.Session() as session:
        session.trust_env = False
        session.headers.clear()
        adapter = _Adapter(line)
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        try:
            with session.get(
                request.url,
                headers=headers,
                timeout=request.timeout,
                allow_redirects=False,
                stream=True,
            ) as response:
                if response.status_code != 200:
                    raise _Problem(f"answered {response.status_code}{_hint(response)}")
                body = _read(response, deadline)
                return KeyDocument(body, _lifetime(response.headers))
        except (requests.RequestException, HTTPError, OSError) as error:
            raise _Problem(f"could not be reached ({_kind(error)})") from None


def _hint(response: requests.Response) -> str:
    moved = response.is_redirect
    return "; a redirect is not followed, write the address it leads to" if moved else ""


def _kind(error: Exception) -> str:
    """The name of what urllib3 ran into, which tells an unknown host from a closed port."""
    wrapped = error.args[0] if error.args else None
    return type(getattr(wrapped, "reason", None) or error).__name__


def _read(response: requests.Response, deadline: float) -> bytes:
    encoding = response.headers.get("Content-Encoding", "identity").lower()
    if encoding not in ("identity", "gzip", "deflate", ""):
        raise _Problem("used a content encoding that was not asked for")
    parts: list[bytes] = []
    size = 0
    while True:
        if time.monotonic() >= deadline:
            raise _Problem("gave no answer in time")
        part = response.raw.read(_CHUNK, decode_content=False)
        if not part:
            break
        size += len(part)
        if size > MAX_BODY:
            raise _Problem(f"sent more than {MAX_BODY} bytes")
        parts.append(part)
    body = b"".join(parts)
    if encoding in ("identity", ""):
        return body
    try:
        body = zlib.decompressobj(wbits=47).decompress(body, MAX_BODY + 1)
    except zlib.error:
        raise _Problem("sent a body that cannot be decompressed") from None
    if len(body) > MAX_BODY:
        raise _Problem(f"sent more than {MAX_BODY} bytes")
    return body


def _lifetime(headers: Mapping[str, str]) -> float | None:
    """Seconds the answer may still be kept (RFC 9111 §4.2, §5.1); None where it does not say."""
    cache_control, age = headers.get("Cache-Control", ""), headers.get("Age", "")
    if re.search(r"(?:^|[\s,])no-(?:store|cache)(?=$|[\s,=])", cache_control, re.I):
        return 0.0
    match = _MAX_AGE.search(cache_control)
    if match is None:
        return None
    spent = int(age) if age.isascii() and age.isdigit() and len(age) < 10 else 0
    return float(max(0, int(match[1]) - spent))
