"""The demo's people: organisations, roles, metadata, and somebody who acts for another."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator

import pytest
import requests

from tests.examples.demo import Demo, Person

GREETED = re.compile(r"<h1>([^<]*)</h1>")
ACTS = "You are Ada Lovelace, and you act for <strong>Katherine Johnson</strong>."


def words(reply: requests.Response) -> str:
    return html.unescape(reply.text)


def title(page: str) -> str:
    found = GREETED.search(page)
    assert found is not None, page
    return found[1]


def given(page: str, name: str) -> str:
    """What the table of the template says that a claim is in the token."""
    found = re.search(rf'<th scope="row">{name} .*<code>(.*?)</code></td></tr>', page)
    assert found is not None, page
    return found[1]


def write(person: Person, metadata: str) -> requests.Response:
    page = person.look("/metadata")
    [version] = re.findall(r'name="version" value="(\d+)"', page)
    return person.send("/metadata", metadata=metadata, version=version)


@pytest.fixture
def katherine(person: Callable[[], Person]) -> Iterator[Person]:
    """Katherine, whose metadata are afterwards what they were."""
    someone = person()
    _ = someone.sign_in("katherine")
    yield someone
    assert write(someone, '{"plan": "free"}').status_code == 200


# --- organisations ---------------------------------------------------------------------------


def test_a_role_counts_in_the_organisation_that_is_active(person: Callable[[], Person]) -> None:
    ada = person()
    assert '<span class="tag organization">Analytical Engines</span>' in ada.sign_in("ada")
    assert title(ada.look("/office")) == "The office of Analytical Engines"
    assert "Compilers & Co" in words(ada.send("/organization", org_id="org_compilers"))
    refused = ada.look("/office")
    assert title(refused) == "For admins only"
    assert "yours is <code>org:member</code>" in refused
    assert given(ada.look("/metadata"), "organization") == '"Compilers & Co"'
    _ = ada.send("/organization", org_id="")
    assert "none is active" in ada.look("/office")
    assert given(ada.look("/metadata"), "role") == "null"
    _ = ada.send("/organization", org_id="org_engines")
    assert title(ada.look("/office")) == "The office of Analytical Engines"


@pytest.mark.parametrize(
    "org_id",
    ["org_compilers", "org_nowhere", "\0", "x" * 300],
    ids=["of others", "of nobody", "no text", "too long"],
)
def test_nobody_switches_to_an_organisation_of_others(katherine: Person, org_id: str) -> None:
    reply = katherine.send("/organization", org_id=org_id)
    assert (reply.status_code, title(words(reply))) == (403, "Not allowed")
    assert "You are not a member of such an organisation." in reply.text
    assert given(katherine.look("/metadata"), "organization") == '"Analytical Engines"'


def test_an_api_client_gets_json_for_the_office(katherine: Person) -> None:
    headers = {"Accept": "application/json"}
    reply = katherine.session.get(f"{katherine.url}/office", headers=headers, timeout=10)
    assert (reply.status_code, reply.json()["code"]) == (403, "permission-denied")


# --- metadata --------------------------------------------------------------------------------


def test_saved_metadata_are_in_the_claims_of_that_page_and_of_every_session(
    katherine: Person, person: Callable[[], Person]
) -> None:
    elsewhere = person()
    _ = elsewhere.sign_in("katherine")
    page = words(write(katherine, '{"plan": "pro", "address": {"city": "Hampton"}}'))
    assert (given(page, "plan"), given(page, "city")) == ('"pro"', '"Hampton"')
    assert title(elsewhere.look("/members")) == "Members only"
    page = words(write(katherine, "{}"))
    assert (given(page, "plan"), given(page, "city")) == ('"free"', "null")
    assert title(elsewhere.look("/members")) == "Not with this plan"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "This is no JSON: Expecting value: line 1 column 1"),
        ('{"plan": pro}', "This is no JSON: Expecting value: line 1 column 10"),
        ('["plan"]', "Write an object"),
        ("7", "Write an object"),
        ('{"a": NaN}', "public"),
        ('{"a": "\\ud800"}', "public"),
        ("[" * 100_000, "nested too deep"),
        ('{"a": ' * 200 + "1" + "}" * 200, "public"),
        ('{"plan": "<b>", "bio": "' + "x" * 9_000 + '"}', "8192 are allowed"),
    ],
    ids=["empty", "bare word", "list", "number", "nan", "surrogate", "brackets", "deep", "large"],
)
def test_metadata_that_cannot_be_kept_are_refused_at_the_form(
    katherine: Person, text: str, said: str
) -> None:
    reply = write(katherine, text)
    assert reply.status_code == 400
    [error] = re.findall(r'id="refused" role="alert">(.*?)</p>', words(reply))
    assert said in error
    assert text[:100] in words(reply)
    assert "<b>" not in reply.text
    assert given(katherine.look("/metadata"), "plan") == '"free"'


@pytest.mark.parametrize("version", ["0", "-1", "1e9", "9" * 40, "", "x"])
def test_what_was_changed_in_another_place_is_not_overwritten_unseen(
    katherine: Person, version: str
) -> None:
    reply = katherine.send("/metadata", metadata='{"plan": "team"}', version=version)
    assert reply.status_code == 409
    assert "changed in another place" in reply.text
    assert '"plan": "free"' in words(reply)
    [now] = re.findall(r'name="version" value="(\d+)"', reply.text)
    again = katherine.send("/metadata", metadata='{"plan": "team"}', version=now)
    assert given(words(again), "plan") == '"team"'


def test_a_plan_for_nobody_is_a_sentence_and_no_traceback(demo: Demo) -> None:
    with pytest.raises(AssertionError, match="Error: There is no user 'user_nobody'"):
        _ = demo.flask("plan user_nobody pro")


# --- acting for somebody ---------------------------------------------------------------------


def test_an_admin_acts_for_a_member_and_is_told_so_on_every_page(
    person: Callable[[], Person],
) -> None:
    ada, katherine = person(), person()
    _, _ = ada.sign_in("ada"), katherine.sign_in("katherine")
    home = words(ada.send("/acting", user_id="user_katherine", reason="ticket 4711"))
    assert title(home) == "Hello, Katherine Johnson"
    assert "ticket 4711" in home
    for page in (home, ada.look("/metadata"), ada.look("/members")):
        assert ACTS in page
    assert ACTS not in katherine.look()
    assert "Ada Lovelace, acting for you" in katherine.look()

    for path, fields in (("/metadata", {"metadata": "{}"}), ("/devices/others/sign-out", {})):
        refused = ada.send(path, **fields)
        assert refused.status_code == 403
        assert "This cannot be done while acting for somebody else." in refused.text
        assert ACTS in refused.text

    home = words(ada.send("/acting/stop"))
    assert title(home) == "Hello, Ada Lovelace"
    assert ACTS not in home
    assert title(ada.look("/office")) == "The office of Analytical Engines"
    assert title(katherine.look()) == "Hello, Katherine Johnson"


@pytest.mark.parametrize(
    "user_id",
    ["user_grace", "user_ada", "user_nobody", "\0", ""],
    ids=["an admin", "herself", "a stranger", "no text", "nobody"],
)
def test_nobody_acts_for_an_admin_or_a_stranger(person: Callable[[], Person], user_id: str) -> None:
    ada = person()
    _ = ada.sign_in("ada")
    reply = ada.send("/acting", user_id=user_id, reason="curious")
    assert (reply.status_code, title(words(reply))) == (403, "Not allowed")
    assert "You may not act for this user." in reply.text
    assert title(ada.look()) == "Hello, Ada Lovelace"


def test_a_member_acts_for_nobody(katherine: Person) -> None:
    reply = katherine.send("/acting", user_id="user_grace", reason="curious")
    assert (reply.status_code, title(words(reply))) == (403, "For admins only")
    assert title(katherine.look()) == "Hello, Katherine Johnson"


@pytest.mark.parametrize("reason", ["", "  ", "x" * 513])
def test_who_acts_for_somebody_says_why(person: Callable[[], Person], reason: str) -> None:
    ada = person()
    _ = ada.sign_in("ada")
    reply = ada.send("/acting", user_id="user_katherine", reason=reason)
    assert reply.status_code == 400
    assert "Say in 1 to 512 characters why you act" in reply.text
    assert '<option value="user_katherine" selected>' in reply.text
    assert ACTS not in ada.look()


def test_who_acts_for_nobody_has_nothing_to_stop(katherine: Person) -> None:
    reply = katherine.send("/acting/stop")
    assert 400 <= reply.status_code < 500
    assert "not-impersonating" in reply.text


def test_a_sign_out_ends_both_sessions(demo: Demo, person: Callable[[], Person]) -> None:
    ada = person()
    _ = ada.sign_in("ada")
    [own] = ada.devices()
    _ = ada.send("/acting", user_id="user_katherine", reason="ticket 4711")
    [acting] = ada.devices()
    assert own in demo.flask("session-claims sessions list user_ada")
    assert acting in demo.flask("session-claims sessions list user_katherine")
    assert title(words(ada.send("/auth/signout", redirect_url="/"))) == "Who are you?"
    assert own not in demo.flask("session-claims sessions list user_ada")
    assert acting not in demo.flask("session-claims sessions list user_katherine")


# --- other sites -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/organization", {"org_id": "org_compilers"}),
        ("/metadata", {"metadata": "{}", "version": "1"}),
        ("/acting", {"user_id": "user_katherine", "reason": "win a prize"}),
        ("/acting/stop", {}),
    ],
)
def test_a_form_of_another_site_changes_nothing(
    person: Callable[[], Person], path: str, fields: dict[str, str]
) -> None:
    ada = person()
    before = ada.sign_in("ada")
    headers = {"Sec-Fetch-Site": "cross-site", "Accept": "text/html"}
    reply = ada.session.post(ada.url + path, data=fields, headers=headers, timeout=10)
    assert reply.status_code == 403
    assert title(ada.look()) == title(before) == "Hello, Ada Lovelace"
    page = ada.look("/metadata")
    assert (given(page, "organization"), given(page, "plan")) == ('"Analytical Engines"', '"team"')
