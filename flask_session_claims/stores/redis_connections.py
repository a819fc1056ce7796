"""Connections to one Redis server: few, opened when needed, none over a fork, each with a deadline.

redis-py's own pools repeat commands as they see fit, and its time-outs begin anew with every piece
of an answer. So its connections are used, over sockets that know the deadline, and its pools are
not. A Cluster's directions are followed here too: all our keys are in one slot, on one node.
"""

from __future__ import annotations

import os
import socket
import threading
import time
import weakref
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar, cast

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from .faults import StoreUnavailable
from .redis_faults import is_read_only, moved_to

T = TypeVar("T")
#: Seconds that a call waits for one of the connections at most.
POOL_PATIENCE: Final = 1.0
#: Seconds after which a connection asks again whether it is still the master that it talks to.
#: Sentinel ends the connections to a master that was replaced; an operator may not.
GREET_AGAIN: Final = 5.0
_TRIES: Final = 3  # with an idle connection that was dead, and at another node of a Cluster
_LEAST: Final = 0.001  # seconds; 0 would mean: do not wait


@dataclass(slots=True)
class Limit:
    """The times of a connection (monotonic seconds)."""

    #: When it has to be done with what it does.
    deadline: float
    #: When it has to ask again what the server is.
    stale: float = 0.0


class Wire(Protocol):
    """What is used of redis-py's connections, and the limit that ours have."""

    limit: Limit

    def connect(self) -> None: ...
    def disconnect(self) -> None: ...
    def can_read(self, timeout: float = 0) -> bool: ...
    def send_command(self, *args: object) -> None: ...
    def read_response(self) -> Any: ...


class _Socket:
    """A socket on which no call goes beyond the limit; one that must not wait does not."""

    def __init__(self, sock: socket.socket, limit: Limit) -> None:
        self._sock = sock
        self._limit = limit
        self._waits = True

    def settimeout(self, seconds: float | None) -> None:
        self._waits = seconds != 0
        self._sock.settimeout(seconds)

    def recv(self, size: int) -> bytes:
        self._begin()
        return self._sock.recv(size)

    def recv_into(self, buffer: bytearray) -> int:
        self._begin()
        return self._sock.recv_into(buffer)

    def sendall(self, data: bytes) -> None:
        self._begin()
        self._sock.sendall(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def _begin(self) -> None:
        if self._waits:
            self._sock.settimeout(max(self._limit.deadline - time.monotonic(), _LEAST))


def limited(kind: Any) -> Callable[..., Wire]:
    """redis-py's class of connections, with our sockets."""

    def connect(self: Any) -> _Socket:
        return _Socket(kind._connect(self), self.limit)

    return cast("Callable[..., Wire]", type(kind.__name__, (kind,), {"_connect": connect}))


def ask(wire: Wire, *command: object) -> Any:
    """The answer to a command."""
    wire.send_command(*command)
    return wire.read_response()


class Connections:
    """The connections to one server.

    Args:
        name: the store's address, for errors.
        kind: redis-py's class of connections, which takes `settings`.
        size: how many there are at most.
        greet: called with every new connection, and with an older one every few seconds.
    """

    def __init__(
        self,
        name: str,
        kind: type,
        settings: Mapping[str, Any],
        *,
        size: int,
        greet: Callable[[Wire], None],
    ) -> None:
        self._name = name
        self._kind = limited(kind)
        self._settings = {**settings, "retry": Retry(NoBackoff(), 0)}
        self._size = size
        self._greet = greet
        #: The node of a Cluster that has our keys, if it is not the one in the settings.
        self._node: tuple[str, int] | None = None
        self._age = 0  # connections taken at another age are not taken back
        self.begin()
        _all.add(self)

    def begin(self) -> None:
        """Have no connection; in a forked child those of the parent are not touched."""
        self._room = threading.Semaphore(self._size)
        self._idle: list[Wire] = []

    def make(self, deadline: float) -> Wire:
        """A connection that is not connected yet."""
        seconds = max(deadline - time.monotonic(), _LEAST)
        settings = {
            **self._settings,
            "socket_timeout": seconds,
            "socket_connect_timeout": seconds,
        }
        if self._node is not None:
            host, settings["port"] = self._node
            settings["host"] = host or self._settings.get("host", "localhost")
        wire = self._kind(**settings)
        wire.limit = Limit(deadline)
        return wire

    def perform(self, deadline: float, act: Callable[[Wire], T], *, repeatable: bool) -> T:
        """What `act` gives with a connection.

        It is called again with another one if the server says that this is the wrong node, so
        that nothing has happened; and, if `repeatable`, where an idle connection was dead.
        Anything else that may have happened is not tried twice.
        """
        with self._turn(deadline):
            tries = 0
            while True:
                tries += 1
                age = self._age
                wire = self._take()
                again = wire is not None
                try:
                    if wire is None:
                        wire = self._open(deadline)
                    wire.limit.deadline = deadline
                    if wire.limit.stale <= time.monotonic():
                        self._greet(wire)
                        wire.limit.stale = time.monotonic() + GREET_AGAIN
                    again = again and repeatable
                    result = act(wire)
                except redis.ResponseError as error:
                    node = moved_to(error)
                    if node is None and not is_read_only(error):
                        self._give(wire, age)
                        raise
                    _drop(wire)
                    self.close()
                    if node is None or tries == _TRIES:
                        raise
                    self._node = node
                except redis.ConnectionError:
                    _drop(wire)
                    self.close()  # what was opened before is dead as well
                    if not again or tries == _TRIES:
                        raise
                except BaseException:
                    _drop(wire)
                    raise
                else:
                    self._give(wire, age)
                    return result

    def close(self) -> None:
        """Close what is idle, and what is in use as soon as it no longer is."""
        self._age += 1
        idle, self._idle = self._idle, []
        for wire in idle:
            wire.disconnect()

    @contextmanager
    def _turn(self, deadline: float) -> Generator[None, None, None]:
        room = self._room
        patience = min(POOL_PATIENCE, deadline - time.monotonic())
        if not room.acquire(timeout=max(0.0, patience)):
            raise StoreUnavailable("store-pool-empty", self._name)
        try:
            yield
        finally:
            room.release()

    def _take(self) -> Wire | None:
        """An idle connection that seems to be alive."""
        while True:
            try:
                wire = self._idle.pop()
            except IndexError:
                return None
            try:
                stale = wire.can_read()  # the end of it, or an answer that nobody waited for
            except (redis.RedisError, OSError):
                stale = True
            if not stale:
                return wire
            wire.disconnect()

    def _give(self, wire: Wire | None, age: int) -> None:
        if wire is None:
            return
        if age == self._age:
            self._idle.append(wire)
        else:
            wire.disconnect()

    def _open(self, deadline: float) -> Wire:
        try:
            return self._connect(deadline)
        except redis.ConnectionError:
            if self._node is None:
                raise
            self._node = None  # that node is gone; the one in the settings knows the next
        return self._connect(deadline)

    def _connect(self, deadline: float) -> Wire:
        if deadline <= time.monotonic():
            raise StoreUnavailable("store-timeout", self._name)
        wire = self.make(deadline)
        try:
            wire.connect()
        except BaseException:
            wire.disconnect()
            raise
        return wire


def _drop(wire: Wire | None) -> None:
    if wire is not None:
        wire.disconnect()


_all: weakref.WeakSet[Connections] = weakref.WeakSet()


def _in_child() -> None:
    for connections in list(_all):
        connections.begin()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
