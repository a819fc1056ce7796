"""What a session says right now: its template rendered, its organisation looked up.

The record keeps the claims that its template gave when it was last written. They stand in
wherever a template's claims no longer fit, so nobody is locked out by a profile field.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

from ..core.access import NO_ORGANIZATION, Organization
from ..core.flow import Flow
from . import tokens
from .claims import NO_CLAIMS, Claims
from .faults import ClaimsRefused
from .model import SESSION, Session, State, decode
from .people import People
from .records import LoadRecord
from .shelf import TemplateShelf
from .templates.compiling import Template, wants_organizations, wants_user
from .templates.rendering import render
from .templates.subject import MembershipView, OrganizationView, SessionView, Subject, UserView


class Composed(NamedTuple):
    """A live session as it is now."""

    #: With the template's claims, and without an organisation that the user has left.
    state: State
    organization: Organization
    #: Why the template's claims of before are in force.
    refused: ClaimsRefused | None = None

    def session(self) -> Session:
        return self.state.session(self.organization)


_Place = tuple[OrganizationView, MembershipView]
#: A session as it is now; None: it has ended with the session of whoever acts for its user.
Compose = Callable[[State], Flow["Composed | None"]]


def as_recorded(state: State) -> Flow[Composed | None]:
    """A session as its record says, where nobody keeps templates or organisations."""
    yield from ()
    return Composed(state, Organization(state.org_id))


class Composer:
    """Composes sessions; `compose` is a `Compose`.

    Args:
        clock: UTC seconds.
    """

    def __init__(self, shelf: TemplateShelf, people: People, *, clock: Callable[[], float]) -> None:
        self._shelf, self._people, self._clock = shelf, people, clock

    def compose(self, state: State) -> Flow[Composed | None]:
        """A session as it is now; None: it has ended with the session of its actor."""
        if state.actor is not None and not (yield from self._acts(state.actor)):
            return None
        place = yield from self._place(state)
        known = _organization(place)
        if state.org_id != known.id:
            state = replace(state, org_id=known.id)
        template = yield from self._shelf.template()
        if template is None:
            if state.layers.template:
                state = replace(state, layers=state.layers.with_template(NO_CLAIMS))
            return Composed(state, known)
        subject = yield from self._subject(template, state, place)
        try:
            layers = state.layers.with_template(render(template, subject))
        except ClaimsRefused as refused:
            return Composed(state, known, refused)
        return Composed(replace(state, layers=layers), known)

    def claims(self, template: Template, state: State, *, most: int) -> Flow[Claims]:
        """What another template gives for a session, in at most that many bytes.

        Raises:
            ClaimsRefused: they do not fit.
        """
        place = yield from self._place(state)
        return render(template, (yield from self._subject(template, state, place)), most=most)

    def _acts(self, actor: Mapping[str, str]) -> Flow[bool]:
        session_id = actor.get("sid")
        if not tokens.is_session_id(session_id):
            return False
        record = yield from LoadRecord(SESSION, str(session_id))
        return record is not None and decode(record).is_live(self._clock())

    def _place(self, state: State) -> Flow[_Place | None]:
        """The active organisation, and what its user is there by now."""
        if state.org_id is None:
            return None
        return (yield from self._people.membership(state.user_id, state.org_id))

    def _subject(self, template: Template, state: State, place: _Place | None) -> Flow[Subject]:
        user: UserView | None = None
        if wants_user(template):
            user = yield from self._people.user(
                state.user_id, organizations=wants_organizations(template)
            )
        session = SessionView(actor=state.actor, reverification_id=state.reverification_id)
        organization, membership = place or (None, None)
        return Subject(user or UserView(id=state.user_id), organization, membership, session)


def _organization(place: _Place | None) -> Organization:
    if place is None:
        return NO_ORGANIZATION
    organization, membership = place
    permissions = tuple(membership.permissions)
    return Organization(organization.id, organization.slug, membership.role, permissions)
