"""What goes wrong with Redis, in our terms: the one place where redis-py's errors end."""

from __future__ import annotations

import re
from typing import Final

import redis

from ..core.errors import ConfigurationError, SessionClaimsError, UnavailableError
from .faults import StoreUnavailable

#: What an error's class or text holds -> our code. Inside a script, older servers give the text
#: of any error to the general class.
_CODES: Final = (
    ("OutOfMemoryError", "store-full"),
    ("OOM command", "store-full"),
    ("No space left", "store-full"),
    ("READONLY", "store-read-only"),
    ("ReadOnlyError", "store-read-only"),
    ("previous master is now a slave", "store-read-only"),  # seen by way of Sentinel
    ("MISCONF", "store-read-only"),  # it cannot write to its disk
    ("NOREPLICAS", "store-read-only"),
    ("BUSY", "store-locked"),  # with somebody's long script
    ("TRYAGAIN", "store-locked"),
    ("TryAgainError", "store-locked"),
    ("AskError", "store-locked"),  # the slot is moving to another node
    ("ASK ", "store-locked"),
    ("MASTERDOWN", "store-unreachable"),
    ("MasterDownError", "store-unreachable"),
    ("CLUSTERDOWN", "store-unreachable"),
    ("ClusterDownError", "store-unreachable"),
    ("MOVED", "store-unreachable"),
    ("MovedError", "store-unreachable"),
)
_RIGHTS: Final = (
    "does not let this user do all that the store needs; allow ~{prefix}:* with +eval +evalsha"
    " +hmget +hget +hset +hincrby +exists +del +zadd +zrem +zcard +zrangebylex +zrangebyscore +xadd"
    " +xdel +xrange, and +info +config|get for the check of what is kept on disk"
)
_LOGIN: Final = "refuses user and password; see the store's URL"
_OLD: Final = "lacks commands that the store needs; use Redis 5 or newer, or Valkey"
_TAKEN: Final = "has other data under this prefix; write ?prefix=… with a name that is not in use"
#: What will not heal by itself -> our code, and what to do.
_CONFIGURATION: Final = (
    ("WRONGTYPE", "store-foreign", _TAKEN),
    ("The user executing the script", "store-refused", _RIGHTS),
    ("NoPermissionError", "store-refused", _RIGHTS),
    ("NOPERM", "store-refused", _RIGHTS),
    ("AuthenticationError", "store-refused", _LOGIN),
    ("AuthorizationError", "store-refused", _LOGIN),
    ("DB index is out of range", "store-url-invalid", "has no database of that number; write /0"),
    ("SELECT is not allowed", "store-url-invalid", "has one database only; write /0"),
    ("nknown Redis command", "store-unsuitable", _OLD),
    ("unknown command", "store-unsuitable", _OLD),
)
_MOVED: Final = re.compile(r"(?:MOVED )?\d+ (\S*):(\d+)")


class StoreUnconfirmed(StoreUnavailable):
    """A commit took place, but fewer replicas than asked for have confirmed it in time.

    It is lost only if the server is lost before they have it. Loading again shows what stands.
    """

    def __init__(self, store: str) -> None:
        UnavailableError.__init__(
            self, "Not enough replicas of the session store have confirmed it.", code=self.code
        )
        self.store = store

    code = "store-unconfirmed"


def moved_to(error: Exception) -> tuple[str, int] | None:
    """Where a node of a Cluster sends us: host ("": the same host) and port."""
    text = str(error)
    if not (type(error).__name__ == "MovedError" or text.startswith("MOVED ")):
        return None
    found = _MOVED.fullmatch(text)
    return (found[1], int(found[2])) if found else None


def is_read_only(error: Exception) -> bool:
    """Whether we talk to a replica, perhaps to one that was the master until now."""
    return _code(error) == "store-read-only"


def from_redis(error: Exception, store: str, *, met: bool) -> SessionClaimsError:
    """Our form of an error of redis-py.

    `met`: the store has worked before; then even what looks like a wrong setting is said to be
    unavailable, since nobody changed the settings of a running app.
    """
    text = _text(error)
    for part, code, advice in _CONFIGURATION:
        if part in text:
            if met:
                return StoreUnavailable("store-failed", store)
            return ConfigurationError(f"the store {store} {advice}.", code=code)
    if isinstance(error, (redis.TimeoutError, TimeoutError)):
        return StoreUnavailable("store-timeout", store)
    return StoreUnavailable(_code(error), store)


def _text(error: Exception) -> str:
    return f"{type(error).__name__} {error}"


def _code(error: Exception) -> str:
    text = _text(error)
    for part, code in _CODES:
        if part in text:
            return code
    reached = not isinstance(error, (redis.ConnectionError, OSError))
    return "store-failed" if reached else "store-unreachable"
