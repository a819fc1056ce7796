"""Custom claims: what a claim may be, the three layers, and the byte budget.

Of the layers the later one wins: template, provided (by the app at create and refresh), own
(set at create and by merging). None in the own layer is a mark that the name was removed; it
hides the name in the layers below.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, cast

from ..core.claims import is_protected
from ..core.jsontext import FrozenDict, FrozenList
from .faults import ClaimsRefused
from .limits import CLAIMS_BYTES, LAYER_BYTES

MAX_NAME: Final = 128
MAX_DEPTH: Final = 16
_LISTED: Final = 3  # of the largest claims in a message

Claims = FrozenDict[str, Any]
NO_CLAIMS: Final[Claims] = FrozenDict()


def no_claims() -> Claims:
    """The default of a field; before Python 3.11 no kind of dict may be one itself."""
    return NO_CLAIMS


def plain_object(given: object, what: str) -> Claims:
    """`given` as frozen JSON data; `what` is how a message calls it."""
    if not isinstance(given, Mapping):
        raise ClaimsRefused(f"{what} must be a mapping with text keys, not {_kind(given)}.")
    return cast("Claims", _plain(cast("object", given), what, 0))


def _plain(value: object, where: str, depth: int) -> object:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        _check_text(value, where)
        return str.__str__(value)  # of an enumeration's member the value
    if isinstance(value, int):
        if not -(2**63) <= value < 2**64:
            raise ClaimsRefused(f"{where} is a whole number of more than 64 bits.")
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ClaimsRefused(f"{where} is {value}, which JSON does not have.")
        return float(value)
    if depth > MAX_DEPTH:
        raise ClaimsRefused(f"{where} is nested more than {MAX_DEPTH} deep.")
    if isinstance(value, Mapping):
        members: dict[str, object] = {}
        for name, member in cast("Mapping[object, object]", value).items():
            if not isinstance(name, str):
                raise ClaimsRefused(f"{where} has a name that is {_kind(name)}; names are text.")
            _check_text(name, where)
            members[str.__str__(name)] = _plain(member, f"{where}[{name[:MAX_NAME]!r}]", depth + 1)
        return FrozenDict(members)
    if isinstance(value, (list, tuple)):
        items = cast("list[object]", value)
        return FrozenList(
            [_plain(item, f"{where}[{i}]", depth + 1) for i, item in enumerate(items)]
        )
    raise ClaimsRefused(
        f"{where} is {_kind(value)}; give text, numbers, booleans, None, lists or mappings."
    )


def _check_text(text: str, where: str) -> None:
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise ClaimsRefused(f"{where} holds half a surrogate pair, which UTF-8 does not have.")


def _kind(value: object) -> str:
    return f"of type {type(value).__name__}"


def encode(value: Mapping[str, Any]) -> bytes:
    """Compact, unescaped UTF-8 JSON: how data is kept and claims are counted."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def accept(given: object, what: str = "claims") -> Claims:
    """`given` as claims that an app may set, or `ClaimsRefused`."""
    claims = plain_object(given, what)
    for name in claims:
        if not 0 < len(name) <= MAX_NAME:
            raise ClaimsRefused(f"{what}: a claim's name has 1 to {MAX_NAME} characters.")
    protected = [name for name in claims if is_protected(name)]
    if protected:
        listed = ", ".join(map(repr, protected))
        raise ClaimsRefused(
            f"{what}: {listed} cannot be set; such names are for the issuer alone.",
            code="claims-protected",
            names=protected,
        )
    return claims


def size(claims: Mapping[str, Any]) -> int:
    """Bytes that the claims take in a token's payload."""
    return len(encode(claims))


def check_size(claims: Mapping[str, Any], most: int, what: str) -> None:
    """`ClaimsRefused` with the largest claims, unless they fit."""
    total = size(claims)
    if total <= most:
        return
    sizes = {name: size({name: value}) - 2 for name, value in claims.items()}
    largest = sorted(sizes, key=sizes.__getitem__, reverse=True)[:_LISTED]
    listed = ", ".join(f"{name!r} ({sizes[name]} bytes)" for name in largest)
    raise ClaimsRefused(
        f"{what} would take {total} bytes as JSON, and {most} are allowed; the largest: {listed}."
        " Keep an id in the claims and the rest in your database, or in the session's data.",
        code="claims-too-large",
        names=largest,
    )


@dataclass(frozen=True, slots=True)
class Layers:
    """The three layers of one session's claims."""

    template: Claims = field(default_factory=no_claims)
    provided: Claims = field(default_factory=no_claims)
    own: Claims = field(default_factory=no_claims)

    @property
    def effective(self) -> Claims:
        """The claims as a token carries them."""
        together = dict(self.template)  # what a template looked up in vain is there as null
        for layer in (self.provided, self.own):
            for name, value in layer.items():
                if value is None:
                    _ = together.pop(name, None)
                else:
                    together[name] = value
        return FrozenDict(together)

    def with_template(self, template: Claims) -> Layers:
        """With another template layer; refused if it does not fit."""
        layers = replace(self, template=template)
        check_size(layers.effective, CLAIMS_BYTES, "the claims")
        return layers

    def merged(self, patch: Claims) -> Layers:
        """With `patch` merged into the own layer, one level deep; refused if it does not fit."""
        layers = replace(self, own=FrozenDict({**self.own, **patch}))
        check_size(layers.effective, CLAIMS_BYTES, "the claims")
        check_size(layers.own, LAYER_BYTES, "the claims with the removed names")
        return layers

    def with_provided(self, provided: Claims) -> Layers:
        """With another provided layer; refused if it does not fit."""
        layers = replace(self, provided=provided)
        check_size(layers.effective, CLAIMS_BYTES, "the claims")
        check_size(provided, LAYER_BYTES, "the provided claims")
        return layers


NO_LAYERS: Final = Layers()
