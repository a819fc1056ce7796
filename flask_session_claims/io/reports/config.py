"""The settings of an app: what holds, and where each value came from. Secrets are left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from ...core.errors import UnavailableError
from ...core.keyset import KeySet
from ...core.schema import SettingsGroup, setting_fields
from ...core.settings import VerifierSettings
from ...sessions.settings import IssuingSettings
from ...stores import shown
from ..issuing import Issuing
from ..logs import without_secrets
from ..reading import Reading
from .own import place_of, settings_of

Kind = Literal["keyword", "config", "environment", "default"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingReport:
    """One setting."""

    name: str
    #: None where it is unset or not shown.
    value: Any
    #: Whether there is a value that is not shown.
    redacted: bool
    #: Where it came from, and under which name it was found there (None for a default).
    source: Kind
    found_as: str | None
    doc: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InEffect:
    """What follows from the settings together."""

    #: None: not known yet, for it comes with the store.
    issuer: str | None
    #: Where keys come from: an address, or how many are given.
    keys: str
    #: What azp may be; None: not checked.
    parties: list[str] | None
    cookies: list[str]
    vary: str
    #: Where the app keeps sessions of its own; None: they are another issuer's.
    store: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigReport:
    """All settings of an app."""

    settings: tuple[SettingReport, ...]
    in_effect: InEffect

    def as_json(self) -> dict[str, Any]:
        return {
            "settings": [asdict(setting) for setting in self.settings],
            "in_effect": asdict(self.in_effect),
        }


def config_report(reading: Reading) -> ConfigReport:
    settings, issuing = settings_of(reading), reading.issuing
    groups: list[SettingsGroup] = [settings, reading.gates]
    if issuing is not None:
        groups.insert(1, issuing.settings)
    return ConfigReport(
        settings=tuple(report for group in groups for report in _settings(group)),
        in_effect=in_effect(settings) if issuing is None else _own_in_effect(settings, issuing),
    )


def _settings(group: SettingsGroup) -> Iterable[SettingReport]:
    for entry in setting_fields(type(group)):
        value = getattr(group, entry.name)
        origin = group.provenance.get(entry.name)
        if entry.name == "store" and isinstance(group, IssuingSettings):
            value, hidden = _store(value), False
        else:
            # A field is left out of the repr for the same reason as it is left out here.
            hidden = value is not None and not entry.repr
        yield SettingReport(
            name=group.label(entry.name),
            value=None if hidden else _shown(value),
            redacted=hidden,
            source="default" if origin is None else origin.kind,
            found_as=None if origin is None else origin.name,
            doc=entry.metadata["doc"],
        )


def _store(value: Any) -> str | None:
    """An address without its password; an object by its type."""
    if value is None:
        return None
    return shown(value) if isinstance(value, str) else f"a {type(value).__name__}"


def _shown(value: Any) -> Any:
    if isinstance(value, str):
        return without_secrets(value)
    if isinstance(value, Mapping):
        return {name: _shown(item) for name, item in value.items()}  # pyright: ignore
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_shown(item) for item in value]  # pyright: ignore
    return value


def keys_from(settings: VerifierSettings) -> str:
    """Where the keys come from, in one phrase."""
    source = settings.key_source
    if not isinstance(source, KeySet):
        return without_secrets(source.url)
    name = "jwks" if settings.jwks is not None else "jwt_key"
    return f"{len(source)} given in {settings.label(name)}"


def own_keys_from(issuing: Issuing) -> str:
    """The same for an app that is its own issuer."""
    if issuing.keyring is None:
        return f"1 given in {issuing.settings.label('signing_key')}"
    return "made and rotated in the store"


def _own_in_effect(settings: VerifierSettings, issuing: Issuing) -> InEffect:
    cookies: list[str] = []
    try:
        name: str | None = issuing.run(issuing.issuer.opened())
    except UnavailableError:  # the doctor tells
        name = None
    if name is not None:
        names = issuing.issuer.cookies
        carried = [names.session] if "cookie" in settings.token_sources else []
        cookies = [*carried, names.refresh]
    return InEffect(
        issuer=name,
        keys=own_keys_from(issuing),
        parties=None if settings.parties is None else sorted(settings.parties),
        cookies=cookies,
        vary=settings.vary,
        store=place_of(issuing),
    )


def in_effect(settings: VerifierSettings) -> InEffect:
    cookies = [settings.cookie_name] if "cookie" in settings.token_sources else []
    if cookies and settings.clerk_instance is not None:
        cookies.append(f"{settings.cookie_name}_{settings.clerk_instance.cookie_suffix}")
    return InEffect(
        issuer=settings.issuer,
        keys=keys_from(settings),
        parties=None if settings.parties is None else sorted(settings.parties),
        cookies=cookies,
        vary=settings.vary,
    )
