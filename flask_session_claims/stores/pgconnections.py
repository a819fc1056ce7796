"""PostgreSQL connections: pooled, none waited for beyond a deadline, none used over a fork.

psycopg waits for an answer as long as it takes. Here every wait of a connection looks at the
clock; a connection that is late is thrown away, and its statement cancelled if that still can be.
"""

from __future__ import annotations

import contextlib
import math
import os
import selectors
import threading
import time
import weakref
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import Future, wait
from typing import Any, Final, TypeAlias

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolEmpty
from sqlalchemy.pool import PoolProxiedConnection, QueuePool

from .faults import StoreUnavailable
from .pgfaults import Late, is_harmless
from .turns import Turns

Raw: TypeAlias = "psycopg.Connection[Any]"
#: How much later than its deadline a call may end: time for a server to say that it gave up.
SLACK: Final = 0.3
_RECYCLE: Final = 1800  # seconds; so that connections follow a server that has moved
_CANCEL: Final = 2.0  # seconds
_USED: Final = "session_claims_used"
_DEFAULTS: Final[Mapping[str, Any]] = {
    "client_encoding": "UTF8",
    "fallback_application_name": "flask-session-claims",
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
}

#: Pools that a child inherited: neither used nor closed there.
_inherited: list[object] = []


class Connections:
    """Connections of an app's engine, or of a pool of our own to what `params` (libpq's) name."""

    def __init__(
        self, source: Engine | Mapping[str, Any], *, pool_size: int, timeout: float, name: str
    ) -> None:
        self._name = name
        self._timeout = timeout
        self._call = threading.local()
        self._engine = source if isinstance(source, Engine) else None
        self._params = {} if isinstance(source, Engine) else {**_DEFAULTS, **source}
        _ = self._params.setdefault("connect_timeout", max(2, math.ceil(timeout)))
        self._turns = Turns(pool_size)
        self._pool = QueuePool(
            self._connect,
            pool_size=pool_size,
            max_overflow=0,
            timeout=timeout,
            recycle=_RECYCLE,
            use_lifo=True,
            reset_on_return=None,
        )
        _all.add(self)

    @contextlib.contextmanager
    def use(self, deadline: float) -> Generator[Raw, None, None]:
        """A connection in autocommit mode; it is thrown away unless it is left idle."""
        if self._engine is not None:  # whose pool has an order of its own
            with self._using(deadline) as raw:
                yield raw
            return
        turns = self._turns
        if not turns.acquire(deadline - time.monotonic()):
            raise StoreUnavailable("store-pool-empty", self._name)
        try:
            with self._using(deadline) as raw:
                yield raw
        finally:
            turns.release()

    @contextlib.contextmanager
    def _using(self, deadline: float) -> Generator[Raw, None, None]:
        pool = self._pool
        held = self._take(deadline)
        raw: Any = held.dbapi_connection
        autocommit = raw.autocommit
        vars(raw)["wait"] = waits = _Waits(raw, deadline + SLACK)
        usable = False
        try:
            if not autocommit:
                raw.autocommit = True
            yield raw
            usable = True
        except BaseException as error:
            usable = is_harmless(error) and _roll_back(raw)
            if waits.late:  # whatever psycopg made of it
                held.detach()
                threading.Thread(target=_abandon, args=(raw,), daemon=True).start()
                raise Late from None
            raise
        finally:
            # Of a pool that was closed meanwhile nothing is kept.
            if usable and _is_idle(raw) and pool is self._pool:
                if not autocommit:
                    raw.autocommit = False
                del vars(raw)["wait"]
                held.close()
            elif not held.is_detached:
                held.invalidate()

    def close(self) -> None:
        """Close what is idle, and what is in use as soon as it no longer is."""
        pool, self._pool = self._pool, self._pool.recreate()
        pool.dispose()

    def in_child(self) -> None:
        _inherited.append(self._pool)
        self._pool = self._pool.recreate()
        self._turns = self._turns.anew()
        self._call = threading.local()
        if self._engine is not None:
            _inherited.append(self._engine.pool)
            self._engine.dispose(close=False)

    # --- taking one -----------------------------------------------------------------------

    def _take(self, deadline: float) -> PoolProxiedConnection:
        """A connection that is not known to be dead."""
        while True:
            held = self._checkout(deadline)
            if _USED not in held.info or not _is_dead(held.dbapi_connection):
                held.info[_USED] = True
                return held
            held.invalidate()
            if time.monotonic() >= deadline:
                raise StoreUnavailable("store-unreachable", self._name)

    def _checkout(self, deadline: float) -> PoolProxiedConnection:
        self._call.deadline = deadline
        try:
            if self._engine is None:
                return self._pool.connect()
            # Its connections are made, and waited for, as the app has said.
            held: PoolProxiedConnection = _within(deadline, self._engine.raw_connection, _give_back)
            return held
        except PoolEmpty:
            raise StoreUnavailable("store-pool-empty", self._name) from None
        except DBAPIError as error:
            if isinstance(error.orig, psycopg.Error):
                raise error.orig from None
            raise StoreUnavailable("store-failed", self._name) from error
        except SQLAlchemyError as error:
            raise StoreUnavailable("store-failed", self._name) from error
        except Late:
            if self._engine is not None and _is_exhausted(self._engine.pool):
                raise StoreUnavailable("store-pool-empty", self._name) from None
            raise

    def _connect(self) -> Any:
        """A new connection; in a thread, since looking up a name has no deadline of its own."""

        def connect() -> Raw:
            return psycopg.connect(**self._params, autocommit=True, prepare_threshold=None)

        return _within(self._call.deadline, connect, _close)


def _within(deadline: float, make: Callable[[], Any], drop: Callable[[Any], None]) -> Any:
    """What `make` gives, if it does so in time; else it is dropped when it comes."""
    future: Future[Any] = Future()

    def body() -> None:
        try:
            made = make()
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(made)

    def late(future: Future[Any]) -> None:
        if future.exception() is None:
            drop(future.result())

    threading.Thread(target=body, daemon=True).start()
    if not wait((future,), max(0.0, deadline - time.monotonic())).done:
        future.add_done_callback(late)
        raise Late
    return future.result()


class _Waits:
    """psycopg's way of waiting, which comes by every tenth of a second, with an end."""

    def __init__(self, raw: Raw, deadline: float) -> None:
        self._raw = raw
        self._deadline = deadline
        self.late: bool = False

    def __call__(self, gen: Any, *args: Any, **kwargs: Any) -> Any:
        return type(self._raw).wait(self._raw, self._until(gen), *args, **kwargs)

    def _until(self, gen: Any) -> Generator[Any, Any, Any]:
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if time.monotonic() >= self._deadline:
                    self.late = True
                    raise Late
                wanted = gen.send(ready)
        except StopIteration as end:
            return end.value


def _is_idle(raw: Raw) -> bool:
    return not raw.closed and raw.info.transaction_status is TransactionStatus.IDLE


def _is_dead(raw: Any) -> bool:
    """Whether the server has said something unasked, as it does when it goes."""
    if raw.closed:
        return True
    with selectors.DefaultSelector() as selector:
        _ = selector.register(raw.fileno(), selectors.EVENT_READ)
        return bool(selector.select(0))


def _is_exhausted(pool: object) -> bool:
    return isinstance(pool, QueuePool) and pool.checkedout() >= pool.size()


def _roll_back(raw: Raw) -> bool:
    try:
        raw.rollback()
    except (psycopg.Error, Late):
        return False
    return True


def _abandon(raw: Raw) -> None:
    """Let the server stop what nobody waits for: it may hang there, with locks."""
    with contextlib.suppress(Exception):
        raw.cancel_safe(timeout=_CANCEL)
    _close(raw)


def _close(raw: Raw) -> None:
    with contextlib.suppress(Exception):
        raw.close()


def _give_back(held: PoolProxiedConnection) -> None:
    with contextlib.suppress(Exception):
        held.close()


_all: weakref.WeakSet[Connections] = weakref.WeakSet()


def _in_child() -> None:
    for connections in list(_all):
        connections.in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
