"""Claims that the app fetches, and what gates ask of them (SuperTokens' session claims).

A fetched claim is kept as `{"v": value, "t": milliseconds}`. What is malformed counts as missing.
Nothing here fetches: a validator says what is due, and judges what is there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Final, Protocol, TypeAlias, cast

from .claims import is_protected
from .errors import ConfigurationError
from .jsontext import FrozenList
from .schema import show

MAX_KEY: Final = 128
#: Seconds that a fetch may lie ahead of our clock, since another worker may have made it.
_AHEAD: Final = 60
#: Milliseconds: whole numbers up to here are the same in every reader of JSON (RFC 8259 §6).
_LATEST: Final = 2**53

#: (user id, the session, or None while it is being made) -> value, or None; sync or async.
FetchClaim: TypeAlias = Callable[[str, Any], Any]


def same(have: object, wanted: object) -> bool:
    """Whether two JSON values are the same: true is not 1."""
    return have == wanted and isinstance(have, bool) is isinstance(wanted, bool)


# --- claims -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Claim:
    """A claim that a function of the app gives, with the time at which it did.

    Args:
        key: the claim's name.
        fetch: given the user's id and the `Session` (None while it is being made), the value;
            None leaves the claim out. Sync or async.
        max_age: seconds after which it is fetched anew; None: only while it is missing.

    Raises:
        ConfigurationError: no such claim can be.
    """

    key: str
    fetch: FetchClaim = field(repr=False)
    _: KW_ONLY
    max_age: float | None = None

    def __post_init__(self) -> None:
        key = cast("object", self.key)
        if not isinstance(key, str) or not 0 < len(key) <= MAX_KEY or not _is_utf8(key):
            raise ConfigurationError(
                f"key: got {show(key)}; write a claim's name, 1 to {MAX_KEY} characters."
            )
        if is_protected(key):
            raise ConfigurationError(
                f"key: got {key!r}, which is for the issuer alone; write another name."
            )
        if not callable(self.fetch):
            raise ConfigurationError(
                f"fetch: got a {type(self.fetch).__name__}; give a function of the user's id and"
                " the session."
            )
        _check_age(self.max_age)

    def value(self, claims: Mapping[str, Any]) -> Any:
        """The value in a session's claims; None: missing, or malformed."""
        kept = self._kept(claims)
        return None if kept is None else kept[0]

    def fetched_at(self, claims: Mapping[str, Any]) -> float | None:
        """When it was fetched (UTC seconds); None: missing, or malformed."""
        kept = self._kept(claims)
        return None if kept is None else kept[1] / 1000

    def age(self, claims: Mapping[str, Any], now: float) -> float | None:
        """Seconds since it was fetched; None: missing, malformed, or of the future."""
        fetched_at = self.fetched_at(claims)
        if fetched_at is None or fetched_at > now + _AHEAD:
            return None
        return max(0.0, round(now - fetched_at, 3))

    def is_due(
        self, claims: Mapping[str, Any], now: float, *, max_age: float | None = None
    ) -> bool:
        """Whether it is missing, or older than `max_age` (None: the claim's own) allows."""
        age, most = self.age(claims, now), self.max_age if max_age is None else max_age
        return age is None or (most is not None and age > most)

    def build(self, value: Any, now: float) -> dict[str, Any]:
        """The claim as it is kept, to be merged into a session; None as value removes it.

        Args:
            now: when the value was found out (UTC seconds).

        Raises:
            ConfigurationError: no value of this kind of claim.
        """
        if value is None:
            return {self.key: None}
        if isinstance(value, tuple):
            value = list(cast("tuple[Any, ...]", value))
        if not self._takes(value):
            raise ConfigurationError(
                f"{type(self).__name__} {self.key!r}: got a {type(value).__name__};"
                f" give {self._wanted}."
            )
        return {self.key: {"v": value, "t": int(now * 1000)}}

    def has_value(
        self, value: Any, max_age: float | None = None, id: str | None = None
    ) -> ClaimValidator:
        """Validator: the value is this text, number, True or False.

        Args:
            max_age: seconds; None: the claim's own.
            id: what a client is told it by; None: the claim's name.
        """
        return self._validator("expectedValue", _one(value), _is, max_age, id)

    _wanted = "a value, or None"

    def _takes(self, value: object) -> bool:
        return value is not None

    def _kept(self, claims: Mapping[str, Any]) -> tuple[Any, float] | None:
        """Value and milliseconds, as they were fetched."""
        entry = claims.get(self.key)
        if not isinstance(entry, Mapping):
            return None
        members = cast("Mapping[str, Any]", entry)
        value, at = members.get("v"), cast("float", members.get("t"))
        if type(at) not in (int, float) or not 0 <= at <= _LATEST or not self._takes(value):
            return None
        return value, at

    def _validator(
        self, member: str, expected: Any, holds: _Holds, max_age: float | None, id: str | None
    ) -> ClaimValidator:
        _check_age(max_age)
        if id is not None and (not isinstance(id, str) or not id):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigurationError(f"id: got {show(id)}; write a string that is not empty.")
        age = self.max_age if max_age is None else max_age
        return ClaimValidator(id or self.key, self, age, member, expected, holds)


class BooleanClaim(Claim):
    """A `Claim` whose value is True or False."""

    _wanted = "True, False, or None"

    def _takes(self, value: object) -> bool:
        return isinstance(value, bool)

    def is_true(self, max_age: float | None = None, id: str | None = None) -> ClaimValidator:
        """Validator: the value is True. Arguments as in `has_value`."""
        return self.has_value(True, max_age, id)

    def is_false(self, max_age: float | None = None, id: str | None = None) -> ClaimValidator:
        """Validator: the value is False."""
        return self.has_value(False, max_age, id)


class ListClaim(Claim):
    """A `Claim` whose value is a list of texts, numbers, True and False."""

    _wanted = "a list, or None"

    def _takes(self, value: object) -> bool:
        return isinstance(value, list)

    def includes(
        self, value: Any, max_age: float | None = None, id: str | None = None
    ) -> ClaimValidator:
        """Validator: the list has this. Arguments as in `has_value`."""
        return self._validator("expectedToInclude", _one(value), _has, max_age, id)

    def excludes(
        self, value: Any, max_age: float | None = None, id: str | None = None
    ) -> ClaimValidator:
        """Validator: the list does not have this."""
        return self._validator("expectedToNotInclude", _one(value), _lacks, max_age, id)

    def includes_all(
        self, values: Sequence[Any], max_age: float | None = None, id: str | None = None
    ) -> ClaimValidator:
        """Validator: the list has all of these."""
        return self._validator("expectedToInclude", _some(values), _has_all, max_age, id)

    def includes_any(
        self, values: Sequence[Any], max_age: float | None = None, id: str | None = None
    ) -> ClaimValidator:
        """Validator: the list has one of these."""
        member = "expectedToIncludeAtLeastOneOf"
        return self._validator(member, _some(values), _has_any, max_age, id)

    def excludes_all(
        self, values: Sequence[Any], max_age: float | None = None, id: str | None = None
    ) -> ClaimValidator:
        """Validator: the list has none of these."""
        return self._validator("expectedToNotInclude", _some(values), _lacks_all, max_age, id)


# --- validators ---------------------------------------------------------------------------

#: (what is there, what is expected) -> whether it holds.
_Holds: TypeAlias = Callable[[Any, Any], bool]


class Validator(Protocol):
    """What a gate can ask of the claims; an app may write its own."""

    @property
    def id(self) -> str:
        """What a client is told it by."""
        ...

    @property
    def claim(self) -> Claim | None:
        """The claim to fetch where `should_refetch` says so; None: there is none."""
        ...

    def should_refetch(self, claims: Mapping[str, Any], now: float) -> bool:
        """Whether the claim is to be fetched before it is judged."""
        ...

    def validate(self, claims: Mapping[str, Any], now: float) -> Mapping[str, Any] | None:
        """None if all is well, or the reason, as JSON that the client may see."""
        ...


@dataclass(frozen=True, slots=True)
class ClaimValidator:
    """What `Claim.has_value` and the like make."""

    id: str
    claim: Claim
    #: Seconds.
    max_age: float | None
    #: The reason's member for what is expected.
    member: str
    expected: Any
    holds: _Holds = field(repr=False)

    def should_refetch(self, claims: Mapping[str, Any], now: float) -> bool:
        return self.claim.is_due(claims, now, max_age=self.max_age)

    def validate(self, claims: Mapping[str, Any], now: float) -> dict[str, Any] | None:
        age = self.claim.age(claims, now)
        if age is None:
            return self._reason("value does not exist", None)
        if self.max_age is not None and age > self.max_age:
            return {"message": "expired", "ageInSeconds": age, "maxAgeInSeconds": self.max_age}
        value = self.claim.value(claims)
        return None if self.holds(value, self.expected) else self._reason("wrong value", value)

    def _reason(self, message: str, value: Any) -> dict[str, Any]:
        return {"message": message, self.member: self.expected, "actualValue": value}


def _is(have: Any, wanted: Any) -> bool:
    return same(have, wanted)


def _has(have: Any, wanted: Any) -> bool:
    return any(same(one, wanted) for one in have)


def _lacks(have: Any, wanted: Any) -> bool:
    return not _has(have, wanted)


def _has_all(have: Any, wanted: Any) -> bool:
    return all(_has(have, one) for one in wanted)


def _has_any(have: Any, wanted: Any) -> bool:
    return any(_has(have, one) for one in wanted)


def _lacks_all(have: Any, wanted: Any) -> bool:
    return not _has_any(have, wanted)


def _one(value: object) -> Any:
    if isinstance(value, (str, bool, int)) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise ConfigurationError(
        f"value: got a {type(value).__name__}; write a text, a number, True or False."
    )


def _some(values: object) -> FrozenList[Any]:
    if not isinstance(values, (list, tuple)) or not values:
        raise ConfigurationError(
            f"values: got {show(cast('object', values))}; write a list of at least one."
        )
    return FrozenList([_one(value) for value in cast("Sequence[object]", values)])


def _check_age(max_age: object) -> None:
    if max_age is None:
        return
    if type(max_age) not in (int, float) or not 1 <= cast("float", max_age) < math.inf:
        raise ConfigurationError(
            f"max_age: got {show(max_age)}; write seconds, 1 or more, or None."
        )


def _is_utf8(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)
