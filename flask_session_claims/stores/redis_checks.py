"""What a Redis server must be so that what was revoked stays revoked: the master, which evicts
nothing and appends every change to a file.
"""

from __future__ import annotations

import logging
from typing import Final

import redis

from ..core.errors import ConfigurationError
from .faults import StoreUnavailable
from .redis_connections import Wire, ask

SCHEMA: Final = 1
#: The oldest schema whose code can read what this one writes.
READABLE_FROM: Final = 1
_FORGETS: Final = (
    "the store %s may keep nothing on disk: after a restart everybody is signed out, or what was"
    " revoked is back"
)
_UNCHECKED: Final = (
    "the store %s does not say whether it keeps what it is told: let its user run INFO, or see to"
    " `appendonly yes` and `maxmemory-policy noeviction` in redis.conf"
)
_log: Final = logging.getLogger("flask_session_claims")


def check_role(facts: dict[str, str], store: str) -> None:
    """Refuse a replica: what it answers may be of the past.

    Raises:
        StoreUnavailable: `store-read-only`.
    """
    # A replica in a Cluster names the node to go to instead.
    if facts.get("role") == "slave" and facts.get("cluster_enabled") != "1":
        raise StoreUnavailable("store-read-only", store)


def check_schema(wire: Wire, meta: str, store: str) -> None:
    """Refuse what a newer release wrote and this one cannot read.

    Raises:
        ConfigurationError: `store-schema-newer`.
    """
    schema, readable_from = ask(wire, "HMGET", meta, "schema", "readable_from")
    if int(readable_from or 0) > SCHEMA:
        raise ConfigurationError(
            f"the store {store} has schema version {int(schema)}, and this release knows versions"
            f" up to {SCHEMA}; install the release that wrote it, or a newer one.",
            code="store-schema-newer",
        )


def check_keeping(facts: dict[str, str], store: str, *, weak: bool) -> None:
    """Refuse a server that forgets; `weak`: one that keeps nothing on disk is wanted.

    Raises:
        ConfigurationError: `store-evicts` or `store-not-persistent`.
    """
    policy = facts.get("maxmemory_policy", "noeviction")
    # "volatile-…" takes keys that have a time to live, and ours have none.
    if facts.get("maxmemory", "0") != "0" and policy.startswith("allkeys-"):
        raise ConfigurationError(
            f"the store {store} throws records away when its memory is full (maxmemory-policy"
            f" {policy}), and with them who is signed in; write `maxmemory-policy noeviction` into"
            " redis.conf, or say CONFIG SET maxmemory-policy noeviction.",
            code="store-evicts",
        )
    kept = facts.get("aof_enabled")
    if weak:
        if kept != "1":
            _warn("store-not-persistent", _FORGETS, store)
    elif kept is None:
        _warn("store-unchecked", _UNCHECKED, store)
    elif kept == "0":
        raise _not_kept(store, "a restart forgets the last minutes, or all", "appendonly yes")
    elif facts.get("appendfsync") == "no":
        raise _not_kept(store, "a crash may forget half a minute", "appendfsync everysec")


def _not_kept(store: str, cost: str, line: str) -> ConfigurationError:
    return ConfigurationError(
        f"the store {store} is not durable: {cost}, and what was revoked would be back; write"
        f" `{line}` into redis.conf, or say CONFIG SET {line}. Where that is all right, as in"
        " development, add ?persistence=none to the store's URL.",
        code="store-not-persistent",
    )


def facts_of(wire: Wire) -> dict[str, str]:
    """What the server says of itself; what this user may not ask is missing."""
    facts: dict[str, str] = {}
    try:
        for line in ask(wire, "INFO").decode(errors="replace").splitlines():
            name, _, value = line.partition(":")
            facts[name] = value
    except redis.ResponseError:
        pass
    try:
        found: list[bytes] = ask(wire, "CONFIG", "GET", "appendfsync")
    except redis.ResponseError:
        found = []
    if len(found) == 2:
        facts["appendfsync"] = found[1].decode()
    return facts


def _warn(event: str, text: str, store: str) -> None:
    _log.warning(text, store, extra={"event": event, "session_claims": {"store": store}})
