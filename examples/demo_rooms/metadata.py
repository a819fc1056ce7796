"""A user's public metadata as a form, and what the template makes of it."""

from __future__ import annotations

import json
from typing import Any

from flask import Blueprint, abort, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from flask_session_claims import DirectoryError, User, login_required

from .people import claims

room = Blueprint("metadata", __name__)
CHANGED = "This was changed in another place since you opened the page. To replace it, save again."


@room.get("/metadata")
@login_required
def show() -> str:
    return page(known_user())


@room.post("/metadata")
@login_required(allow_actor=False)
def save() -> Response | tuple[str, int]:
    user, text = known_user(), request.form.get("metadata", "")
    try:
        given = json.loads(text)
    except ValueError as error:
        return page(user, text, f"This is no JSON: {error}."), 400
    except RecursionError:
        return page(user, text, "This is nested too deep."), 400
    if not isinstance(given, dict):
        return page(user, text, 'Write an object, such as {"plan": "pro"}.'), 400
    if request.form.get("version") != str(user.version):
        return page(user, text, CHANGED, stored=user.public_metadata), 409
    try:
        claims.directory.replace_user_metadata(
            user.user_id, public=given, expected_version=user.version
        )
    except DirectoryError as refused:
        return page(known_user(), text, refused.message), refused.status
    return redirect(url_for(".show", _anchor="gives"), 303)


def known_user() -> User:
    user = claims.directory.get_user(g.auth.user_id)
    if user is None:
        abort(404)
    return user


def page(user: User, text: str | None = None, error: str | None = None, stored: Any = None) -> str:
    saved = claims.templates.get()
    return render_template(
        "metadata.html",
        text=pretty(user.public_metadata) if text is None else text,
        version=user.version,
        error=error,
        stored=None if stored is None else pretty(stored),
        template={} if saved is None else json.loads(saved.text),
        saved=saved,
    )


def pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
