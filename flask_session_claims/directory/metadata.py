"""Metadata: strict JSON objects, how one is merged into another, and how large they may be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from ..core.errors import ConfigurationError
from ..core.jsontext import FrozenDict
from ..sessions.claims import NO_CLAIMS, Claims, plain_object, size
from ..sessions.faults import ClaimsRefused
from .faults import DirectoryError

#: Bytes of each kind of metadata as compact UTF-8 JSON.
METADATA_BYTES: Final = 8_192
_LISTED: Final = 3  # of the largest members in a message


def accept(given: object, name: str) -> Claims:
    """`given` as frozen JSON data; `name` is the argument's.

    Raises:
        ConfigurationError: it is no mapping.
        DirectoryError: `metadata-invalid`.
    """
    if not isinstance(given, Mapping):
        raise ConfigurationError(
            f"{name} must be a mapping with text keys, or None, not of type {type(given).__name__}."
        )
    try:
        return plain_object(cast("object", given), name)
    except ClaimsRefused as refused:
        raise DirectoryError(refused.message, code="metadata-invalid") from None


def merge(target: Claims, patch: Claims) -> Claims:
    """`target` with `patch` merged into it at every depth.

    None removes a name; objects are merged; everything else, lists too, is replaced. Merged into
    nothing, a patch loses its names with None.
    """
    members = dict(target)
    for name, value in patch.items():
        if value is None:
            _ = members.pop(name, None)
        elif isinstance(value, FrozenDict):
            before = members.get(name)
            inner = cast("Claims", before) if isinstance(before, FrozenDict) else NO_CLAIMS
            members[name] = merge(inner, cast("Claims", value))
        else:
            members[name] = value
    return FrozenDict(members)


def replace_with(target: Claims, given: Claims) -> Claims:
    """`given` in place of `target`; a name with None is left out here too."""
    return merge(NO_CLAIMS, given)


def check_size(metadata: Mapping[str, Any], name: str) -> None:
    """`metadata-too-large` with the largest names, unless it fits."""
    total = size(metadata)
    if total <= METADATA_BYTES:
        return
    sizes = {member: size({member: value}) - 2 for member, value in metadata.items()}
    largest = sorted(sizes, key=sizes.__getitem__, reverse=True)[:_LISTED]
    listed = ", ".join(f"{member[:64]!r} ({sizes[member]} bytes)" for member in largest)
    raise DirectoryError(
        f"{name} would take {total} bytes as JSON, and {METADATA_BYTES} are allowed; the largest:"
        f" {listed}. Keep an id here and the rest in your database.",
        code="metadata-too-large",
    )
