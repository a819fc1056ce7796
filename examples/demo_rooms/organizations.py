"""Which organisation is active, and the office: a page for the admins of the active one."""

from __future__ import annotations

from typing import NamedTuple

from flask import Blueprint, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from flask_session_claims import (
    ConfigurationError,
    claims_required,
    impersonate,
    login_required,
    stop_impersonating,
    switch_organization,
)

from .people import claims, full_name

room = Blueprint("organizations", __name__)


class Place(NamedTuple):
    """What somebody is, and where."""

    org_id: str
    organization: str
    user_id: str
    person: str
    role: str


def places_of(user_id: str) -> list[Place]:
    """The organisations of a user."""
    found = claims.directory.list_memberships(user_id)
    return [place_in(it.org_id, user_id, it.role) for it in found]


def place_in(org_id: str, user_id: str, role: str) -> Place:
    organization = claims.directory.get_organization(org_id)
    name = org_id if organization is None else organization.name
    return Place(org_id, name, user_id, full_name(user_id), role.removeprefix("org:"))


@room.post("/organization")
@login_required
def switch() -> Response:
    switch_organization(request.form.get("org_id") or None)
    return redirect(url_for("account.home", _anchor="organization"), 303)


@room.get("/office")
@claims_required(role="org:admin")
def office() -> str:
    return page()


def page(error: str | None = None, user_id: str = "", reason: str = "") -> str:
    members = claims.directory.list_members(g.auth.org_id).memberships
    staff = [place_in(it.org_id, it.user_id, it.role) for it in members]
    return render_template("office.html", staff=staff, error=error, user_id=user_id, reason=reason)


# --- acting for somebody: people.may_act_for says who may -------------------------------------


@room.post("/acting")
@claims_required(role="org:admin")
def act_for() -> Response | tuple[str, int]:
    user_id, reason = request.form.get("user_id", ""), request.form.get("reason", "")
    try:
        impersonate(user_id, reason=reason, minutes=10)
    except ConfigurationError:
        said = "Say in 1 to 512 characters why you act for them."
        return page(said, user_id, reason), 400
    return redirect(url_for("account.home"), 303)


@room.post("/acting/stop")
@login_required
def stop() -> Response:
    stop_impersonating()
    return redirect(url_for("account.home"), 303)
