"""`Templates` and `AsyncTemplates`: saved templates in use, and what a user would get."""

from __future__ import annotations

import asyncio
import inspect

import pytest

from flask_session_claims import ClaimsRefused, ConfigurationError, SessionError
from flask_session_claims.core.jsontext import freeze
from flask_session_claims.io.executor import StoreThreads
from flask_session_claims.io.runtime import AsyncRuntime, Runtime
from flask_session_claims.io.templates import AsyncTemplates, Templates
from flask_session_claims.sessions.limits import CLAIMS_BYTES
from flask_session_claims.sessions.records import record_handlers
from flask_session_claims.sessions.saved import NAMED_BYTES, TemplateConflict, TemplateFlows
from flask_session_claims.sessions.templates.faults import TemplateRefused
from flask_session_claims.sessions.templates.subject import UserView
from flask_session_claims.stores.memory import MemoryStore

from .known_people import KnownPeople

NOW = 1_800_000_000.0
NAME = '{"name": "{{user.full_name}}"}'
#: Of somebody whose metadata fits the token of a named template, and no session token.
LARGE = UserView(id="user_large", public_metadata=freeze({"bio": "x" * 1500}))


class Waiting:
    """`AsyncTemplates` as a sync object: each call runs on a loop of its own."""

    def __init__(self, templates):
        self._templates = templates

    def __getattr__(self, name):
        def call(*given, **more):
            return asyncio.run(getattr(self._templates, name)(*given, **more))

        return call


def sync_templates(flows, people, handlers):
    return Templates(flows, people, Runtime(handlers))


def async_templates(flows, people, handlers):
    threads = StoreThreads()
    return Waiting(AsyncTemplates(flows, people, AsyncRuntime(threads.perform(handlers))))


@pytest.fixture
def people():
    return KnownPeople(user_large=LARGE)


@pytest.fixture(params=[sync_templates, async_templates])
def templates(request, people):
    flows = TemplateFlows(clock=lambda: NOW)
    return request.param(flows, people, record_handlers(MemoryStore()))


def test_templates_are_saved_listed_and_deleted(templates):
    own = templates.save(NAME, author="ada")
    named = templates.save(
        {"team": "{{org.slug}}"}, name="api", lifetime=90, skew=0, audience="one"
    )
    assert (own.version, own.author, own.saved_at, own.options) == (1, "ada", NOW, None)
    assert (named.options.lifetime, named.options.skew, named.options.audience) == (90, 0, "one")
    assert (templates.get(), templates.get("api"), templates.get("none")) == (own, named, None)
    assert templates.list() == (own, named)
    assert templates.versions("api") == (named,)
    with pytest.raises(TemplateConflict):
        templates.save({}, name="api", expected_version=0)
    with pytest.raises(TemplateConflict):
        templates.delete("api", 2)
    assert templates.delete("api", expected_version=1) is True
    assert templates.delete() is True
    assert templates.delete() is False
    assert templates.list() == ()


# --- what a user would get ----------------------------------------------------------------


def test_a_saved_template_gives_a_users_claims(templates):
    templates.save(NAME)
    templates.save({"team": "{{org.slug}}", "role": "{{org.role}}"}, name="api")
    assert templates.render("user_1") == {"name": "Maria Doe"}
    assert templates.render("user_0") == {"name": None}
    assert templates.render("user_1", name="api") == {"team": None, "role": None}
    given = templates.render("user_1", name="api", org_id="org_1")
    assert given == {"team": "acme", "role": "org:admin"}


def test_a_preview_shows_what_a_template_would_give_and_saves_nothing(templates):
    source = {"id": "{{user.id}}", "none": "{{user.public_metadata.nothing}}", "s": "{{org.slug}}"}
    seen = templates.preview(source, user_id="user_1", org_id="org_1")
    assert seen.claims == {"id": "user_1", "none": None, "s": "acme"}
    assert seen.missing == ("user.public_metadata.nothing",)
    assert (seen.most, seen.refusal) == (CLAIMS_BYTES, None)
    assert templates.list() == ()


def test_a_preview_tells_of_claims_that_do_not_fit(templates):
    source = {"bio": "{{user.public_metadata.bio}}"}
    seen = templates.preview(source, user_id="user_large")
    assert (seen.claims, seen.refusal.code) == (None, "claims-too-large")
    seen = templates.preview(source, user_id="user_large", name="api")
    assert (seen.most, seen.refusal, len(seen.claims["bio"])) == (NAMED_BYTES, None, 1500)


def test_claims_that_do_not_fit_the_session_token_may_fit_a_named_one(templates):
    for name in (None, "api"):
        templates.save({"bio": "{{user.public_metadata.bio}}"}, name=name)
    with pytest.raises(ClaimsRefused) as caught:
        templates.render("user_large")
    assert caught.value.names == ("bio",)
    assert len(templates.render("user_large", name="api")["bio"]) == 1500


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("{{user.organizations}}", True),
        ("{{ user.id || user.organizations.org_1 }}", True),
        ("in {{user.organizations.org_1}}", True),
        ("{{user.public_metadata.organizations}}", False),
        ("{{org.id}}", False),
        ("user.organizations", False),
    ],
)
def test_organizations_are_asked_for_only_if_they_are_looked_up(templates, people, source, wanted):
    templates.preview({"deep": [{"claim": source}]}, user_id="user_1")
    templates.save({"deep": [{"claim": source}]})
    templates.render("user_1")
    assert people.asked == [("user_1", wanted)] * 2


def test_all_organizations_of_a_user_can_be_given(templates):
    templates.save({"all": "{{user.organizations}}"})
    given = templates.render("user_1")
    assert given == {"all": {"org_1": "org:admin", "org_2": "org:member"}}


def test_a_membership_is_asked_for_only_if_an_organization_is_given(templates, people):
    templates.preview(NAME, user_id="user_1", org_id="org_1")
    assert people.asked == [("user_1", False), ("user_1", "org_1")]


# --- what is not there, and wrong arguments -----------------------------------------------


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"user_id": "nobody"}, "user-unknown"),
        ({"user_id": ""}, "user-unknown"),
        ({"user_id": "\0"}, "user-unknown"),
        ({"user_id": "x" * 600}, "user-unknown"),
        ({"user_id": "nobody", "org_id": "org_1"}, "user-unknown"),
        ({"user_id": "user_1", "org_id": "org_2"}, "membership-missing"),
        ({"user_id": "user_0", "org_id": "org_1"}, "membership-missing"),
        ({"user_id": "user_1", "org_id": ""}, "membership-missing"),
        ({"user_id": "user_1", "org_id": "\ud800"}, "membership-missing"),
    ],
)
def test_who_is_not_there_is_said_to_be_so(templates, given, code):
    templates.save(NAME)
    for act in (lambda: templates.preview(NAME, **given), lambda: templates.render(**given)):
        with pytest.raises(SessionError) as caught:
            act()
        assert (caught.value.code, caught.value.status) == (code, 404)
        assert "nobody" not in caught.value.message


@pytest.mark.parametrize("name", [None, "api"])
def test_a_template_that_is_not_there_gives_no_claims(templates, people, name):
    with pytest.raises(SessionError) as caught:
        templates.render("user_1", name=name)
    assert (caught.value.code, caught.value.status) == ("template-unknown", 404)
    assert ("'api'" if name else "session token") in caught.value.message
    assert people.asked == []


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"user_id": None}, "user_id is of type NoneType"),
        ({"user_id": 7}, "user_id is of type int"),
        ({"user_id": "user_1", "org_id": 7}, "org_id is of type int"),
        ({"user_id": "user_1", "name": "session"}, "leave the name out"),
        ({"user_id": "user_1", "name": "a b"}, "no name of a template"),
    ],
)
def test_a_wrong_argument_says_what_to_give(templates, people, given, says):
    templates.save(NAME)
    for act in (lambda: templates.preview(NAME, **given), lambda: templates.render(**given)):
        with pytest.raises(ConfigurationError) as caught:
            act()
        assert says in caught.value.message
    assert people.asked == []


def test_a_template_with_problems_is_not_previewed(templates, people):
    with pytest.raises(TemplateRefused) as caught:
        templates.preview('{"sub": "{{usr.id}}"}', user_id="user_1")
    assert len(caught.value.problems) == 2
    with pytest.raises(TemplateRefused):
        templates.preview({"x": ["y" * 1000] * 3}, user_id="user_1")
    assert people.asked == []


# --- the twins ----------------------------------------------------------------------------


def test_both_forms_take_the_same():
    names = {name for name in vars(Templates) if not name.startswith("_")}
    assert names == {name for name in vars(AsyncTemplates) if not name.startswith("_")}
    for name in names:
        sync, twin = vars(Templates)[name], vars(AsyncTemplates)[name]
        assert inspect.signature(sync) == inspect.signature(twin)
        assert inspect.iscoroutinefunction(twin)
        assert twin.__doc__ == f"Async form of `Templates.{name}`."
