"""`claims.templates` and `claims.atemplates`: templates that are kept in the store.

One logic, two ways to wait; the twins stand one under the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..core.flow import Flow
from ..sessions.claims import Claims
from ..sessions.saved import (
    SavedTemplate,
    TemplateFlows,
    key_of,
    subject_of,
    unknown_template,
)
from ..sessions.savedrecords import most_of
from ..sessions.templates import rendering
from ..sessions.templates.compiling import compile_template
from ..sessions.templates.rendering import Preview

if TYPE_CHECKING:
    from ..sessions.people import People
    from .runtime import AsyncRuntime, Runtime


class Templates:
    """The templates of one issuer. Times are seconds, instants UTC seconds.

    Everywhere the name None is the session token's own template. All of it may raise
    `UnavailableError` (the store cannot be had) and `ConfigurationError` (an argument of the
    wrong kind, a name that no template can have); nothing is half done then.
    """

    def __init__(self, flows: TemplateFlows, people: People, runtime: Runtime) -> None:
        self._flows, self._people, self._run = flows, people, runtime.run

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
    ) -> SavedTemplate:
        """Save a template; the version there is, if it says the same already.

        Live sessions take up a change of the session token's own within half a minute.

        Args:
            source: JSON text, or a mapping.
            author: who wants it so; kept with the version.
            lifetime: of tokens of a named template.
            skew: by how much these are dated back, for slow clocks.
            audience: the `aud` of these.
            expected_version: the version that this is to replace, 0 if there must be none yet;
                None: whatever there is.

        Raises:
            TemplateRefused: with everything that is wrong in it.
            TemplateConflict: there is another version than expected.
        """
        given = _given(name, author, lifetime, skew, audience, expected_version)
        return self._run(self._flows.save(source, **given))

    def get(self, name: str | None = None) -> SavedTemplate | None:
        """A template as it stands; None if there is none."""
        return self._run(self._flows.get(name))

    def list(self) -> tuple[SavedTemplate, ...]:
        """All templates: the session token's own, then the named ones by name."""
        return self._run(self._flows.list())

    def versions(self, name: str | None = None) -> tuple[SavedTemplate, ...]:
        """The last 20 versions of a template, newest first, even if it was deleted."""
        return self._run(self._flows.versions(name))

    def delete(self, name: str | None = None, expected_version: int | None = None) -> bool:
        """Delete a template; whether there was one.

        Raises:
            TemplateConflict: there is another version than expected.
        """
        return self._run(self._flows.delete(name, expected_version))

    def preview(
        self,
        source: str | Mapping[str, Any],
        *,
        user_id: str,
        org_id: str | None = None,
        name: str | None = None,
    ) -> Preview:
        """What a template would give for a user; nothing is saved.

        Args:
            org_id: an organisation that the user is a member of, as if it were active.
            name: the name that it is for, since named ones may give more.

        Raises:
            TemplateRefused: with everything that is wrong in it.
            SessionError: `user-unknown`, `membership-missing`.
        """
        return self._run(_preview(self._people, source, user_id, org_id, name))

    def render(self, user_id: str, *, name: str | None = None, org_id: str | None = None) -> Claims:
        """The claims that a saved template gives for a user, outside any session.

        Raises:
            SessionError: `template-unknown`, `user-unknown`, `membership-missing`.
            ClaimsRefused: what the user has does not fit; it says which claims.
        """
        return self._run(_render(self._flows, self._people, user_id, name, org_id))


class AsyncTemplates:
    """Async form of `Templates`; no event loop waits for a store."""

    def __init__(self, flows: TemplateFlows, people: People, runtime: AsyncRuntime) -> None:
        self._flows, self._people, self._run = flows, people, runtime.run

    async def save(
        self,
        source: str | Mapping[str, Any],
        *,
        name: str | None = None,
        author: str | None = None,
        lifetime: float = 60,
        skew: float = 5,
        audience: str | Sequence[str] | None = None,
        expected_version: int | None = None,
    ) -> SavedTemplate:
        """Async form of `Templates.save`."""
        given = _given(name, author, lifetime, skew, audience, expected_version)
        return await self._run(self._flows.save(source, **given))

    async def get(self, name: str | None = None) -> SavedTemplate | None:
        """Async form of `Templates.get`."""
        return await self._run(self._flows.get(name))

    async def list(self) -> tuple[SavedTemplate, ...]:
        """Async form of `Templates.list`."""
        return await self._run(self._flows.list())

    async def versions(self, name: str | None = None) -> tuple[SavedTemplate, ...]:
        """Async form of `Templates.versions`."""
        return await self._run(self._flows.versions(name))

    async def delete(self, name: str | None = None, expected_version: int | None = None) -> bool:
        """Async form of `Templates.delete`."""
        return await self._run(self._flows.delete(name, expected_version))

    async def preview(
        self,
        source: str | Mapping[str, Any],
        *,
        user_id: str,
        org_id: str | None = None,
        name: str | None = None,
    ) -> Preview:
        """Async form of `Templates.preview`."""
        return await self._run(_preview(self._people, source, user_id, org_id, name))

    async def render(
        self, user_id: str, *, name: str | None = None, org_id: str | None = None
    ) -> Claims:
        """Async form of `Templates.render`."""
        return await self._run(_render(self._flows, self._people, user_id, name, org_id))


def _given(
    name: str | None,
    author: str | None,
    lifetime: float,
    skew: float,
    audience: str | Sequence[str] | None,
    expected_version: int | None,
) -> dict[str, Any]:
    return {
        "name": name,
        "author": author,
        "lifetime": lifetime,
        "skew": skew,
        "audience": audience,
        "expected_version": expected_version,
    }


def _preview(
    people: People,
    source: str | Mapping[str, Any],
    user_id: str,
    org_id: str | None,
    name: str | None,
) -> Flow[Preview]:
    _ = key_of(name)
    template = compile_template(source, most=most_of(name))
    subject = yield from subject_of(people, template, user_id, org_id)
    return rendering.preview(template, subject, most=most_of(name))


def _render(
    flows: TemplateFlows, people: People, user_id: str, name: str | None, org_id: str | None
) -> Flow[Claims]:
    saved = yield from flows.get(name)
    if saved is None:
        raise unknown_template(name)
    subject = yield from subject_of(people, saved.template, user_id, org_id)
    return rendering.render(saved.template, subject, most=saved.most)
