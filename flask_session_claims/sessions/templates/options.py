"""What a named template says besides its claims: how long its tokens live, and for whom."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, cast

from ...core.errors import ConfigurationError
from ..limits import is_number

#: Seconds, the least and the most, that a token of a named template may live.
LIFETIMES: Final = (30, 315_360_000)
#: Seconds, the most, that such a token may be dated back.
MAX_SKEW: Final = 300
_MAX_AUDIENCES: Final = 16
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateOptions:
    """How tokens of a named template are made. Checked when made; times are seconds."""

    lifetime: float = 60
    #: Difference allowed to slow clocks: `nbf` is that much before `iat`.
    skew: float = 5
    #: The `aud` claim: one, several, or none. One in a list is the same as one alone.
    audience: str | Sequence[str] | None = None

    def __post_init__(self) -> None:
        for name, least, most in (("lifetime", *LIFETIMES), ("skew", 0, MAX_SKEW)):
            value = getattr(self, name)
            if not is_number(value) or not least <= value <= most:
                raise ConfigurationError(
                    f"{name} got {value!r}; give seconds, a number {least} to {most}."
                )
        object.__setattr__(self, "audience", _audience(self.audience))

    @property
    def aud(self) -> str | tuple[str, ...] | None:
        """The audience as the claim says it (RFC 7519 §4.1.3)."""
        audience = self.audience
        return audience if audience is None or isinstance(audience, str) else tuple(audience)


def _audience(given: object) -> str | tuple[str, ...] | None:
    if given is None:
        return None
    listed = cast("Sequence[object]", given) if isinstance(given, (list, tuple)) else [given]
    good = all(isinstance(one, str) and 0 < len(one) <= 256 for one in listed)
    if not good or not 0 < len(listed) <= _MAX_AUDIENCES:
        raise ConfigurationError(
            "audience must be text such as https://api.example.com, or a list of such,"
            f" at most {_MAX_AUDIENCES}, each of 1 to 256 characters."
        )
    texts = cast("Sequence[str]", listed)
    return texts[0] if len(texts) == 1 else tuple(texts)


def check_name(name: object) -> str:
    """The name of a named template, or a `ConfigurationError`."""
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        shown = repr(name[:64]) if isinstance(name, str) else f"type {type(name).__name__}"
        raise ConfigurationError(
            f"{shown} is no name of a template; write 1 to 64 letters, digits, - or _, and begin"
            " with a letter or a digit."
        )
    return name
