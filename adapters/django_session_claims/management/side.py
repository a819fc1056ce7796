"""The project's reading side as a command needs it: also with keys that cannot be opened."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured

from flask_session_claims.core.errors import ConfigurationError
from flask_session_claims.io.issuing import Issuing, Surroundings
from flask_session_claims.io.reading import Reading

from .. import conf
from ..issuing import refresh_path
from ..signals import SESSION_SIGNALS, aemit, emit
from ..transport import TRANSPORT


@contextmanager
def reading_side() -> Generator[Reading]:
    """The side that requests have; where its keys are locked, one for this command alone.

    Nothing is served with the latter, and nothing signed: what needs the key ends in the same
    error.

    Raises:
        ConfigurationError: a setting is wrong.
    """
    try:
        side = conf.reading()
    except ConfigurationError as error:
        if error.code != "keyring-locked":
            raise
    else:
        yield side
        return
    found = conf.load()
    issuing = Issuing(found.issuing, found.verifier, _surroundings(), clock=time.time)
    try:
        yield Reading(found.gates, found.verifier, TRANSPORT, rejected=_untold, issuing=issuing)
    finally:
        if issuing.store is not found.issuing.store:
            issuing.store.close()


def _surroundings() -> Surroundings:
    return Surroundings(
        secret_key=_secret_key(),
        fallbacks=django_settings.SECRET_KEY_FALLBACKS,
        folder=Path(getattr(django_settings, "BASE_DIR", None) or Path.cwd()),
        is_development=django_settings.DEBUG,
        call=_call,
        tell=_tell,
        atell=_atell,
        refresh_path=refresh_path,
    )


def _secret_key() -> str | bytes | None:
    try:
        return cast("str | bytes", django_settings.SECRET_KEY)
    except ImproperlyConfigured:  # it is empty
        return None


def _untold(reason: str, source: str | None) -> None:
    """No request, nothing to tell of one."""


def _call(hook: Callable[..., Any], *arguments: Any) -> Any:
    return hook(*arguments)


def _tell(event: str, data: Mapping[str, Any]) -> None:
    emit(SESSION_SIGNALS[event], **data)


async def _atell(event: str, data: Mapping[str, Any]) -> None:
    await aemit(SESSION_SIGNALS[event], **data)
