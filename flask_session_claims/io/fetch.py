"""Fetching key sets with requests: bounded in time and size, one flight per address.

Every fetch runs in a thread of its own, so that neither a name look-up nor a body that drips
can hold a caller beyond its deadline; when time is up the connection is cut. Nothing of the
environment is used (proxies, .netrc), no cookie is kept, no redirect followed, and TLS cannot
be weakened. One TLS context serves the process.
"""

from __future__ import annotations

import os
import re
import ssl
import threading
import time
import zlib
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import certifi
import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError

from ..core.asks import KeyDocument, KeyRequest
from ..core.errors import UnavailableError
from ..core.locks import ForkSafeLock

if TYPE_CHECKING:
    import socket

MAX_BODY: Final = 512 * 1024
_CHUNK: Final = 16 * 1024
_MAX_AGE: Final = re.compile(r"(?:^|[\s,])max-age\s*=\s*\"?([0-9]{1,9})\"?(?=$|[\s,])", re.I)


class _Line:
    """The socket of one fetch, so that a deadline can cut it wherever it hangs."""

    def __init__(self) -> None:
        self._sock: socket.socket | None = None
        self._cut = False

    def opened(self, sock: socket.socket) -> socket.socket:
        self._sock = sock
        if self._cut:
            self.cut()
        return sock

    def cut(self) -> None:
        self._cut = True
        sock = self._sock
        if sock is not None:
            try:
                sock.shutdown(2)
            except OSError:
                pass  # closed already


class KeyFlight:
    """One fetch under way; done at the latest when its time is up."""

    def __init__(self, request: KeyRequest) -> None:
        self._deadline = time.monotonic() + request.timeout
        self._ended = threading.Event()
        self._outcome: KeyDocument | UnavailableError | None = None
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
        outcome = self._outcome
        if isinstance(outcome, KeyDocument):
            return outcome
        raise outcome or _failed("gave no answer in time")

    def _fly(self, request: KeyRequest) -> None:
        guard = threading.Timer(request.timeout, self._line.cut)
        guard.daemon = True
        guard.start()
        try:
            self._outcome = _get(request, self._line, self._deadline)
        except UnavailableError as error:
            self._outcome = error
        except Exception as error:
            self._outcome = _failed(f"failed ({type(error).__name__})")
        finally:
            guard.cancel()
            self._ended.set()


class KeyFetcher:
    """Begins flights, and lets those who come while one is out join it."""

    def __init__(self) -> None:
        self._lock = ForkSafeLock()
        self._flights: dict[KeyRequest, KeyFlight] = {}

    def begin(self, request: KeyRequest) -> KeyFlight:
        with self._lock:
            flight = self._flights.get(request)
            if flight is None or flight.lost() or flight.done():
                flight = self._flights[request] = KeyFlight(request)
            return flight


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
                    raise _failed(f"answered {response.status_code}")
                body = _read(response, deadline)
                return KeyDocument(body, _lifetime(response.headers.get("Cache-Control", "")))
        except (requests.RequestException, HTTPError, OSError) as error:
            raise _failed(f"could not be reached ({type(error).__name__})") from None


def _read(response: requests.Response, deadline: float) -> bytes:
    encoding = response.headers.get("Content-Encoding", "identity").lower()
    if encoding not in ("identity", "gzip", "deflate", ""):
        raise _failed("used a content encoding that was not asked for")
    parts: list[bytes] = []
    size = 0
    while True:
        if time.monotonic() >= deadline:
            raise _failed("gave no answer in time")
        part = response.raw.read(_CHUNK, decode_content=False)
        if not part:
            break
        size += len(part)
        if size > MAX_BODY:
            raise _failed(f"sent more than {MAX_BODY} bytes")
        parts.append(part)
    body = b"".join(parts)
    if encoding in ("identity", ""):
        return body
    try:
        body = zlib.decompressobj(wbits=47).decompress(body, MAX_BODY + 1)
    except zlib.error:
        raise _failed("sent a body that cannot be decompressed") from None
    if len(body) > MAX_BODY:
        raise _failed(f"sent more than {MAX_BODY} bytes")
    return body


def _lifetime(cache_control: str) -> float | None:
    """Seconds the answer may be kept (RFC 9111 §5.2.2); None where it does not say."""
    if re.search(r"(?:^|[\s,])no-(?:store|cache)(?=$|[\s,=])", cache_control, re.I):
        return 0.0
    match = _MAX_AGE.search(cache_control)
    return float(match[1]) if match else None
