"""The file that stands in for a SECRET_KEY in development."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from ..core.errors import ConfigurationError
from .logs import log


def key_file(path: Path) -> str:
    """The secret in a file that only its owner can read, made if it is not there.

    Raises:
        ConfigurationError: others can read it, or it cannot be made.
    """
    if not path.exists():
        try:
            _make_key_file(path)
        except OSError as error:
            raise ConfigurationError(
                f"there is no SECRET_KEY, and {path} cannot be made ({error.strerror}); set"
                " SECRET_KEY."
            ) from None
    try:
        if os.name == "posix" and path.stat().st_mode & 0o077:
            raise ConfigurationError(
                f"{path} can be read by others; chmod 600 it, or set SECRET_KEY."
            )
        return path.read_text("ascii").strip()
    except (OSError, UnicodeError):
        raise ConfigurationError(f"{path} cannot be read; delete it, or set SECRET_KEY.") from None


def _make_key_file(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        _ = file.write(secrets.token_urlsafe(32))
    try:
        os.link(draft, path)  # of two processes one is first, and none sees half a file
    except FileExistsError:
        return
    finally:
        draft.unlink()
    log("secret-made", path=str(path))
