"""Templates that are kept: the session token's own and the named ones, with their last versions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from ..core.errors import ConfigurationError, SessionError, UnavailableError
from ..core.flow import Flow
from .known import MAX_SPREAD, spread_over
from .limits import ATTEMPTS
from .model import SESSION, log_entry
from .people import People
from .records import (
    MAX_TEXT,
    Commit,
    CountRecords,
    Delete,
    FindRecords,
    LoadRecord,
    LogEntry,
    Record,
    storable,
)
from .savedrecords import (
    LISTED,
    OF,
    OWN,
    TEMPLATE,
    VERSION,
    decode,
    most_of,
    number_of,
    puts,
    standing_of,
    tombstone,
)
from .savedrecords import NAMED_BYTES as NAMED_BYTES
from .savedrecords import SavedTemplate as SavedTemplate
from .savedrecords import TemplateConflict as TemplateConflict
from .templates.compiling import Template, compile_template, wants_organizations
from .templates.options import TemplateOptions, check_name
from .templates.subject import Subject

#: Versions that are kept of each template.
KEPT: Final = 20
#: Sessions that take up a change within each second.
_PER_SECOND: Final = 2000


class TemplateFlows:
    """Saving and loading templates."""

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self._clock = clock

    def save(
        self,
        source: str | Mapping[str, Any],
        *,
        name: str | None = None,
        author: str | None = None,
        lifetime: float = 60,
        skew: float = 5,
        audience: str | Sequence[str] | None = None,
        expected_version: int | None = None,
    ) -> Flow[SavedTemplate]:
        """The next version of a template; what there is, if it says the same already."""
        key = key_of(name)
        options = _options(name, lifetime, skew, audience)
        _check_author(author)
        _check_version(expected_version)
        text = compile_template(source, most=most_of(name)).text
        now = self._clock()
        for _ in range(ATTEMPTS):
            standing = standing_of((yield from LoadRecord(TEMPLATE, key)))
            standing.expect(expected_version)
            current = standing.saved
            if current is not None and (current.text, current.options) == (text, options):
                return current
            new = SavedTemplate(name, standing.last + 1, author, now, text, options)
            kept = yield from _versions(key)
            outdated = tuple(Delete(VERSION, old.key, old.version) for old in kept[KEPT - 1 :])
            log = yield from self._entries(name, now)
            if (yield from Commit(puts(new, key, standing), outdated, log)):
                return new
        raise _busy()

    def get(self, name: str | None = None) -> Flow[SavedTemplate | None]:
        """A template as it stands; None: there is none."""
        return standing_of((yield from LoadRecord(TEMPLATE, key_of(name)))).saved

    def list(self) -> Flow[tuple[SavedTemplate, ...]]:
        """All templates: the session token's own, then the named ones by name."""
        found: dict[str, SavedTemplate] = {}
        after: str | None = ""
        while after is not None:
            page = yield from FindRecords(TEMPLATE, *LISTED, after)
            found.update((record.key, decode(record)) for record in page.records)
            after = page.after
        return tuple(found[key] for key in sorted(found, key=lambda key: (key != OWN, key)))

    def versions(self, name: str | None = None) -> Flow[tuple[SavedTemplate, ...]]:
        """The last versions of a template, newest first; those of a deleted one, too."""
        records = yield from _versions(key_of(name))
        return tuple(map(decode, records[:KEPT]))

    def delete(self, name: str | None = None, expected_version: int | None = None) -> Flow[bool]:
        """Delete a template; whether there was one. Its versions stay."""
        key = key_of(name)
        _check_version(expected_version)
        now = self._clock()
        for _ in range(ATTEMPTS):
            standing = standing_of((yield from LoadRecord(TEMPLATE, key)))
            standing.expect(expected_version)
            if standing.saved is None:
                return False
            log = yield from self._entries(name, now)
            if (yield from Commit((tombstone(key, standing, now),), (), log)):
                return True
        raise _busy()

    def _entries(self, name: str | None, now: float) -> Flow[tuple[LogEntry, ...]]:
        """What tells live sessions of the change; a named template is loaded when it is used."""
        if name is not None:
            return ()
        sessions = yield from CountRecords(SESSION)
        spread = spread_over(min(MAX_SPREAD, sessions / _PER_SECOND))
        return (log_entry("template", "", spread, now),)


def _versions(key: str) -> Flow[list[Record]]:
    """The records of the versions, newest first."""
    page = yield from FindRecords(VERSION, OF, key)
    return sorted(page.records, key=number_of, reverse=True)


def _busy() -> UnavailableError:
    return UnavailableError("The template is being changed by others; try again.", code="busy")


# --- whose claims -------------------------------------------------------------------------


def subject_of(
    people: People, template: Template, user_id: str, org_id: str | None = None
) -> Flow[Subject]:
    """A user, as a template needs them to be seen outside a session.

    Raises:
        SessionError: `user-unknown`; `membership-missing`: no member of that organisation.
    """
    for what, given in (("user_id", user_id), ("org_id", org_id)):
        if not isinstance(given, str) and (given is not None or what == "user_id"):
            raise ConfigurationError(f"{what} is of type {type(given).__name__}; give text.")
    if not storable(user_id):
        raise unknown_user()
    user = yield from people.user(user_id, organizations=wants_organizations(template))
    if user is None:
        raise unknown_user()
    if org_id is None:
        return Subject(user)
    found = None
    if storable(org_id):
        found = yield from people.membership(user_id, org_id)
    if found is None:
        said = "The user is no member of that organisation."
        raise _missing("membership-missing", said)
    return Subject(user, *found)


def unknown_user() -> SessionError:
    """The directory has nobody with that id."""
    return _missing("user-unknown", "The directory has no user with that id.")


def unknown_template(name: str | None) -> SessionError:
    """Nothing is saved under that name."""
    named = f"There is no template named {name!r}."
    there = "The session token has no template." if name is None else named
    return _missing("template-unknown", there)


def _missing(code: str, said: str) -> SessionError:
    error = SessionError(said, code=code)
    error.status = 404
    return error


# --- arguments ----------------------------------------------------------------------------


def key_of(name: str | None) -> str:
    """The key of a template's record; `ConfigurationError` if no template can have that name."""
    if name is None:
        return OWN
    if check_name(name) == OWN:
        raise ConfigurationError(
            f"{OWN!r} is the session token's own template, which has no name; leave the name out,"
            " or take another."
        )
    return name


def _options(
    name: str | None, lifetime: float, skew: float, audience: str | Sequence[str] | None
) -> TemplateOptions | None:
    options = TemplateOptions(lifetime=lifetime, skew=skew, audience=audience)
    if name is not None:
        return options
    if options != TemplateOptions():
        raise ConfigurationError(
            "lifetime, skew and audience are for named templates; those of the session token are"
            " settings. Leave them out, or give a name."
        )
    return None


def _check_author(author: object) -> None:
    if author is not None and not storable(author):
        raise ConfigurationError(
            f"author must be text of 1 to {MAX_TEXT} characters, or None for nobody."
        )


def _check_version(given: object) -> None:
    if given is None:
        return
    if type(given) is not int:
        got = f"is of type {type(given).__name__}"
    elif not 0 <= given < 2**63:
        got = "is no version"
    else:
        return
    raise ConfigurationError(
        f"expected_version {got}; give the version that you have seen, 0 if there must be none yet,"
        " or None."
    )
