"""A real HTTP server on the loopback address that publishes a key set, well or badly.

Each way of misbehaving is a mode; a test sets `server.mode` and goes on. How the modes answer is
in `misbehaviour.py`; here are the sockets, the counting and the start and stop. No processes, no
signals, nothing of the verifier.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import secrets
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Generator, Mapping
from email.message import Message
from typing import Any, Protocol, cast, final, get_args

from .misbehaviour import ANSWERS, Answer, Exchange, Mode

WELL_KNOWN_PATH = "/.well-known/jwks.json"
BACKEND_API_PATH = "/v1/jwks"
MOVED_PATH = "/moved/jwks.json"

_HOST = "127.0.0.1"


class KeySource(Protocol):
    """Whatever has a key set, such as `LocalIssuer`."""

    def jwks(self) -> Mapping[str, Any]: ...


@final
class KeyServer:
    """Publishes a source's key set under `url`; started by `start()` or by `with`.

    Every answer ends its connection. The set is asked of the source at each request, so a
    rotated key shows at once. All attributes may be set while the server runs:

    Attributes:
        mode: how requests are answered; the names are those of `Mode`.
        status: the status of mode `status`.
        delay: seconds before the answer in mode `slow`.
        interval: seconds between two bytes in the modes `drip` and `drip-headers`.
        max_age: seconds of `Cache-Control: max-age` on good answers; None for no such header.
        secret_key: what `/v1/jwks` wants as its bearer token, as the hosted issuer's Backend
            API does; None for no check.
        body: bytes to answer with instead of the set; None for the set.
    """

    def __init__(self, source: KeySource) -> None:
        self._source = source
        self._mode: Mode = "ok"
        self.status = 500
        self.delay: float = 1.0
        self.interval: float = 0.05
        self.max_age: int | None = None
        self.secret_key: str | None = None
        self.body: bytes | None = None
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._log: list[tuple[str, str, Message]] = []
        self._connections: set[socket.socket] = set()
        self._listener: _Listener | None = None
        self._port = 0
        self._reserved: socket.socket | None = None
        self._released = threading.Event()

    # Start and stop

    def start(self) -> None:
        """Listen on a free port; nothing happens if it was started before."""
        if not self._port:
            self._released = threading.Event()
            self._listen(_bind(0))

    def stop(self) -> None:
        """Close the port and every connection, whatever its mode; `start()` takes a new port."""
        self._close_listener()
        if self._reserved is not None:
            self._reserved.close()
            self._reserved = None
        self._port = 0
        with self._changed:
            for connection in self._connections:
                # Wakes threads that read from or write to a client who does not move.
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            # Only now, so that those who hang find no connection to answer on.
            self._released.set()
            self._changed.wait_for(lambda: not self._connections, timeout=5)

    def refuse(self) -> None:
        """Stop listening: new connections are refused. The port stays ours."""
        if self._listener is None:
            return
        self._close_listener()
        # Bound but not listening: the kernel refuses connections and gives the port to nobody.
        self._reserved = _bind(self._port)

    def accept(self) -> None:
        """Listen again on the same port after `refuse()`."""
        reserved, self._reserved = self._reserved, None
        if reserved is not None:
            self._listen(reserved)

    def release(self) -> None:
        """Let the requests that hang or wait now go on; they get the set."""
        released, self._released = self._released, threading.Event()
        released.set()

    def __enter__(self) -> KeyServer:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    # Addresses

    @property
    def base_url(self) -> str:
        """`http://127.0.0.1:PORT`; a RuntimeError while the server is stopped."""
        if not self._port:
            raise RuntimeError("the key server has no address before start()")
        return f"http://{_HOST}:{self._port}"

    @property
    def url(self) -> str:
        """Address of the key set."""
        return self.base_url + WELL_KNOWN_PATH

    # What was asked

    @property
    def mode(self) -> Mode:
        return self._mode

    @mode.setter
    def mode(self, mode: Mode) -> None:
        if mode not in get_args(Mode):
            raise ValueError(f"mode must be one of {', '.join(get_args(Mode))}")
        self._mode = mode

    @property
    def requests(self) -> int:
        """How many requests have arrived, whatever became of them."""
        with self._lock:
            return len(self._log)

    @property
    def log(self) -> list[tuple[str, str, Message]]:
        """Method, path and headers of each request; header names in any case."""
        with self._lock:
            return list(self._log)

    def wait_for_requests(self, count: int, timeout: float = 5) -> None:
        """Return once `count` requests have arrived; TimeoutError after `timeout` seconds."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._log) >= count, timeout):
                raise TimeoutError(f"{len(self._log)} of {count} requests within {timeout} s")

    # For the handler

    def respond(self, exchange: Exchange, method: str, path: str, headers: Message) -> None:
        released = self._released
        mode = self._mode
        with self._changed:
            self._log.append((method, path, headers))
            self._changed.notify_all()
        path = path.partition("?")[0]
        if path not in (WELL_KNOWN_PATH, BACKEND_API_PATH, MOVED_PATH):
            exchange.send(404, b"not found", content_type="text/plain")
        elif method != "GET":
            exchange.send(405, b"only GET", {"Allow": "GET"}, content_type="text/plain")
        elif path == BACKEND_API_PATH and not self._may_ask(headers):
            exchange.send(401, b'{"errors":[{"code":"authentication_invalid"}]}')
        else:
            answer = Answer(
                body=self.body if self.body is not None else _as_json(self._source.jwks()),
                status=self.status,
                delay=self.delay,
                interval=self.interval,
                max_age=self.max_age,
                moved_to=self.base_url + MOVED_PATH,
                released=released,
            )
            # The target of the redirect is always in order, so that following it shows.
            ANSWERS["ok" if path == MOVED_PATH else mode](exchange, answer)

    def _may_ask(self, headers: Message) -> bool:
        if self.secret_key is None:
            return True
        sent = str(headers.get("Authorization", ""))
        return secrets.compare_digest(sent.encode(), f"Bearer {self.secret_key}".encode())

    @contextlib.contextmanager
    def tracked(self, connection: socket.socket) -> Generator[None, None, None]:
        """Know a connection as open, so that `stop()` can end it and wait for its thread."""
        with self._lock:
            self._connections.add(connection)
        try:
            yield
        finally:
            with self._changed:
                self._connections.discard(connection)
                self._changed.notify_all()

    def _listen(self, bound: socket.socket) -> None:
        self._listener = listener = _Listener(bound, self)
        self._port = listener.server_address[1]
        threading.Thread(
            target=listener.serve_forever,
            # How long closing may take.
            kwargs={"poll_interval": 0.02},
            name=f"KeyServer:{self._port}",
            daemon=True,
        ).start()

    def _close_listener(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.shutdown()
            listener.server_close()

    def __repr__(self) -> str:
        address = self.base_url if self._port else "stopped"
        return f"KeyServer({address}, mode={self._mode!r})"


class _Listener(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """A listening socket with a thread for each connection."""

    daemon_threads = True
    # server_close() must not wait for hanging requests; stop() ends those itself.
    block_on_close = False
    request_queue_size = 128

    def __init__(self, bound: socket.socket, kit: KeyServer) -> None:
        super().__init__(bound.getsockname(), _Handler, bind_and_activate=False)
        self.kit = kit
        self.socket.close()
        self.socket = bound
        self.server_activate()

    def finish_request(self, request: Any, client_address: Any) -> None:
        with self.kit.tracked(request):
            super().finish_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay silent about clients that went away; anything else is shown."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Handler(http.server.BaseHTTPRequestHandler):
    """One request, one answer, and the connection is closed."""

    protocol_version = "HTTP/1.1"

    def _any(self) -> None:
        self.close_connection = True
        kit = cast(_Listener, self.server).kit
        kit.respond(Exchange(self.connection), self.command, self.path, self.headers)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _any

    def log_message(self, format: str, *args: Any) -> None:
        pass


def _bind(port: int) -> socket.socket:
    """A socket bound to the port, or to a free one for 0; waits a moment for a port in use."""
    deadline = time.monotonic() + 2
    while True:
        bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind((_HOST, port))
            return bound
        except OSError:
            bound.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _as_json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(dict(value), separators=(",", ":")).encode("utf-8")
