"""How settings are declared and read; it knows no single setting.

A group of settings is a frozen dataclass whose fields are made with `setting(...)`; a later
part adds a group of its own. Several groups are read from one mapping, and a key of our prefix
that belongs to none of them is an error. What can be wrong is wrong here, at start-up.
"""

from __future__ import annotations

import difflib
import ipaddress
import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Final, Literal, NamedTuple, NoReturn, TypeVar, cast
from urllib.parse import urlsplit

from .errors import ConfigurationError

G = TypeVar("G", bound="SettingsGroup")

PREFIX: Final = "SESSION_CLAIMS_"
_USERINFO: Final = re.compile(r"//[^/\s'\"]*@")


class Fault(Exception):
    """What is wrong with one value: what is allowed, and what to write."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How a setting is read: `check` gives the value or raises `Fault`."""

    name: str
    check: Callable[[Any], Any]
    #: Text from an environment variable -> a value that `check` may take.
    from_text: Callable[[Any], Any] = lambda value: value


def setting(
    rule: Rule,
    default: Any,
    doc: str,
    *,
    fallback: str | None = None,
    secret: bool = False,
    shown: bool = True,
) -> Any:
    """A field of a settings group; `fallback` is a name that others gave to the same thing."""
    metadata = {"rule": rule, "doc": doc, "fallback": fallback, "secret": secret}
    return field(default=default, metadata=metadata, repr=shown and not secret)


# --- rules --------------------------------------------------------------------------------


def show(value: object) -> str:
    """A value as a message may quote it."""
    shown = _USERINFO.sub("//…@", repr(value))
    return shown if len(shown) <= 80 else shown[:77] + "..."


def text(value: Any) -> str:
    if not isinstance(value, str):
        raise Fault("write a string")
    if not value.strip() or not value.isprintable():
        raise Fault("write a string that is not empty and has no control characters")
    return value


def list_of(what: str, example: str) -> Callable[[Any], tuple[str, ...]]:
    several = what[:-1] + "ies" if what.endswith("y") else what + "s"

    def check(value: Any) -> tuple[str, ...]:
        if isinstance(value, str) or not isinstance(value, (list, tuple, set, frozenset)):
            raise Fault(
                f"write a list of {several}: [{example}]"
                f" (in an environment variable as JSON: '[{example}]')"
            )
        items = list(cast("Iterable[Any]", value))
        if not items:
            raise Fault(
                f"the list is empty, which would refuse everybody; name at least one {what}"
            )
        for item in items:
            try:
                text(item)
            except Fault as fault:
                raise Fault(f"each {what}: {fault}") from None
        return tuple(dict.fromkeys(items))

    return check


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Fault("write True or False")
    return value


def _flag_from_text(value: Any) -> Any:
    if isinstance(value, str):
        word = value.strip().lower()
        if word in ("true", "on", "yes", "1"):
            return True
        if word in ("false", "off", "no", "0"):
            return False
    return bool(value) if value in (0, 1) else value


def _number(low: float, high: float, unit: str, *, whole: bool = False) -> Callable[[Any], Any]:
    kind = "a whole number" if whole else "a number"

    def check(value: Any) -> Any:
        good = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
        if not good or not low <= value <= high:
            raise Fault(f"write {kind} from {low:,} to {high:,} ({unit})".replace(",", "_"))
        return value

    return check


def _json_text(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def json_list(value: Any) -> Any:
    decoded = _json_text(value)
    return cast("list[Any]", decoded) if isinstance(decoded, list) else value


def json_object(value: Any) -> Any:
    decoded = _json_text(value)
    return cast("dict[str, Any]", decoded) if isinstance(decoded, dict) else value


def to_text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _choice(*allowed: str) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if value not in allowed or not isinstance(value, str):
            raise Fault("write " + " or ".join(f'"{name}"' for name in allowed))
        return value

    return check


def _some_of(*allowed: str) -> Callable[[Any], tuple[str, ...]]:
    listed = ", ".join(f'"{name}"' for name in allowed)

    def check(value: Any) -> tuple[str, ...]:
        names = list_of("name", listed)(value)
        if not set(names) <= set(allowed):
            raise Fault(f"write a list of some of [{listed}]")
        return names

    return check


def is_loopback(host: str) -> bool:
    """Whether a host name or address can only mean this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def url(value: Any) -> str:
    address = text(value)
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        raise Fault("write a complete https:// address") from None
    if parts.scheme not in ("https", "http") or not parts.hostname or " " in address or port == 0:
        raise Fault("write a complete https:// address")
    if parts.username is not None or parts.password is not None:
        raise Fault("write the address without user name and password")
    if parts.fragment:
        raise Fault("write the address without a fragment (#…)")
    return address


def origin_of(address: str) -> str | None:
    """The origin of an absolute http(s) URL as browsers write it (RFC 6454 §6.1), or None."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    default = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{host}" + (f":{port}" if port not in (None, default) else "")


def as_browsers_send(origin: str) -> str | None:
    """An origin whose host is in another alphabet, in ASCII (RFC 3492); None: it cannot be told."""
    scheme, _, host = origin.partition("://")
    try:
        ascii_host = host.encode("idna").decode("ascii")
        told = ascii_host.encode("ascii").decode("idna") == host
    except UnicodeError:
        return None
    # Of ß and its like, browsers make something else than Python's older rules do.
    return f"{scheme}://{ascii_host}" if told else None


TEXT: Final = Rule("string", text, to_text)
URL: Final = Rule("https address", url)
FLAG: Final = Rule("True or False", _flag, _flag_from_text)
ANYTHING: Final = Rule("key material", lambda value: value)


def number(low: float, high: float, unit: str, *, whole: bool = False) -> Rule:
    """A number from `low` to `high`, both allowed."""
    return Rule(f"{low:g} to {high:g} {unit}", _number(low, high, unit, whole=whole), _json_text)


def choice(*allowed: str) -> Rule:
    return Rule(" or ".join(allowed), _choice(*allowed))


def some_of(*allowed: str) -> Rule:
    return Rule("list of " + ", ".join(allowed), _some_of(*allowed), json_list)


# --- groups -------------------------------------------------------------------------------


class Provenance(NamedTuple):
    """Where the value of a setting came from."""

    #: "keyword": given in code; "config": the mapping; "environment": a fall-back name there.
    kind: Literal["keyword", "config", "environment"]
    #: The key under which it was found.
    name: str


@dataclass(frozen=True, kw_only=True)
class SettingsGroup:
    """What every group of settings can do; fields are checked when one is made."""

    #: How messages name the settings: `SESSION_CLAIMS_LEEWAY`; None: `leeway`.
    prefix: str | None = field(default=None, repr=False, compare=False)
    #: Setting -> where `from_mapping` found it; what is not in here has its default.
    provenance: Mapping[str, Provenance] = field(
        default_factory=dict[str, Provenance], repr=False, compare=False
    )
    #: Groups whose keys may always stand beside ours.
    companions: ClassVar[tuple[type[SettingsGroup], ...]] = ()

    def __post_init__(self) -> None:
        for entry in setting_fields(type(self)):
            value = getattr(self, entry.name)
            if value is None and entry.default is None:
                continue
            try:
                checked = entry.metadata["rule"].check(value)
            except Fault as fault:
                shown = "a secret" if entry.metadata["secret"] else show(value)
                problem = f"got {shown}; {fault}."
            else:
                object.__setattr__(self, entry.name, checked)
                continue
            self.refuse(entry.name, problem)

    def label(self, name: str) -> str:
        """How a message names a setting."""
        return name if self.prefix is None else self.prefix + name.upper()

    def refuse(self, name: str, problem: str) -> NoReturn:
        """Raise the ConfigurationError about one setting."""
        raise ConfigurationError(f"{self.label(name)}: {problem}")

    @staticmethod
    def fallbacks_apply(given: Mapping[str, Any]) -> bool:
        """Whether fall-back names are looked at, `given` being what the own names gave."""
        return True

    @classmethod
    def from_mapping(
        cls: type[G],
        mapping: Mapping[str, Any],
        prefix: str = PREFIX,
        *,
        also: Iterable[type[SettingsGroup]] = (),
        fallbacks: Mapping[str, Any] | None = None,
        keywords: Collection[str] = (),
    ) -> G:
        """The group from a mapping with upper-case keys.

        Args:
            mapping: an `app.config`, a settings dict, `os.environ`.
            prefix: what our keys begin with; another key that begins so is an error.
            also: other groups whose keys may stand in the mapping.
            fallbacks: where fall-back names (`CLERK_SECRET_KEY`) are looked up.
            keywords: the settings (lower case) whose values in the mapping were given in code.

        Raises:
            ConfigurationError: naming the key, what it got and what to write.
        """
        _refuse_unknown(mapping, prefix, (*also, cls, *cls.companions))
        return _read_group(cls, mapping, prefix, fallbacks or {}, keywords)


def setting_fields(group: type[SettingsGroup]) -> list[Any]:
    """The fields of a group that are settings, in order."""
    return [entry for entry in fields(group) if "rule" in entry.metadata]


def _refuse_unknown(
    mapping: Mapping[str, Any], prefix: str, groups: Iterable[type[SettingsGroup]]
) -> None:
    known = [prefix + e.name.upper() for group in groups for e in setting_fields(group)]
    for key in mapping:
        if key.startswith(prefix) and key not in known:
            names = [name.removeprefix(prefix) for name in known]
            rest = key.removeprefix(prefix).upper()
            close = difflib.get_close_matches(rest, names, n=1, cutoff=0.6)
            hint = (
                f"did you mean {prefix}{close[0]}?" if close else f"known are {', '.join(known)}."
            )
            raise ConfigurationError(f"{key}: there is no such setting; {hint}")


def _read_group(
    group: type[G],
    mapping: Mapping[str, Any],
    prefix: str,
    fallbacks: Mapping[str, Any],
    keywords: Collection[str],
) -> G:
    given: dict[str, Any] = {}
    origin: dict[str, Provenance] = {}
    for entry in setting_fields(group):
        key = prefix + entry.name.upper()
        value = mapping.get(key)
        if value is not None:
            given[entry.name] = entry.metadata["rule"].from_text(value)
            by_keyword = entry.name in keywords
            origin[entry.name] = (
                Provenance("keyword", entry.name) if by_keyword else Provenance("config", key)
            )
    if group.fallbacks_apply(given):
        for entry in setting_fields(group):
            name = entry.metadata["fallback"]
            if name and entry.name not in given:
                value = mapping.get(name) or fallbacks.get(name)
                if value:
                    given[entry.name] = value
                    origin[entry.name] = Provenance(
                        "config" if mapping.get(name) else "environment", name
                    )
    return group(prefix=prefix, provenance=origin, **given)
