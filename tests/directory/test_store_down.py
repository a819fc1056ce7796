"""A store that fails at any point of any act: the error passes, and nothing is half done."""

from __future__ import annotations

import pytest

from flask_session_claims import UnavailableError
from flask_session_claims.core.flow import run
from flask_session_claims.sessions.consult import Tell
from flask_session_claims.sessions.limits import ATTEMPTS, KEEP_ENDED
from flask_session_claims.sessions.records import Commit

from .hall import furnished

ACTS = {
    "create_user": lambda flows: flows.create_user("new", public_metadata={"a": 1}),
    "put_user": lambda flows: flows.put_user("ada", first_name="A"),
    "update_user": lambda flows: flows.update_user("ada", first_name="A"),
    "update_user_metadata": lambda flows: flows.update_user_metadata("ada", public={"a": 1}),
    "replace_user_metadata": lambda flows: flows.replace_user_metadata("ada", public={"a": 1}),
    "get_user": lambda flows: flows.get_user("ada"),
    "find_users": lambda flows: flows.find_users(username="ada"),
    "list_users": lambda flows: flows.list_users(),
    "delete_user": lambda flows: flows.delete_user("ada"),
    "create_organization": lambda flows: flows.create_organization("New"),
    "get_organization": lambda flows: flows.get_organization("acme"),
    "find_organization": lambda flows: flows.find_organization("acme"),
    "list_organizations": lambda flows: flows.list_organizations(),
    "update_organization": lambda flows: flows.update_organization("acme", slug="new"),
    "update_organization_metadata": lambda flows: flows.update_organization_metadata(
        "acme", public={"a": 1}
    ),
    "replace_organization_metadata": lambda flows: flows.replace_organization_metadata(
        "acme", private={"a": 1}
    ),
    "delete_organization": lambda flows: flows.delete_organization("acme"),
    "add_member": lambda flows: flows.add_member("acme", "bob", "org:member"),
    "update_member": lambda flows: flows.update_member("acme", "ada", role="org:x"),
    "update_member_metadata": lambda flows: flows.update_member_metadata(
        "acme", "ada", public={"a": 1}
    ),
    "replace_member_metadata": lambda flows: flows.replace_member_metadata(
        "acme", "ada", private={"a": 1}
    ),
    "get_member": lambda flows: flows.get_member("acme", "ada"),
    "remove_member": lambda flows: flows.remove_member("acme", "ada"),
    "list_members": lambda flows: flows.list_members("acme"),
    "list_memberships": lambda flows: flows.list_memberships("ada"),
    "prune": lambda flows: flows.prune(),
    "user": lambda flows: flows.user("ada", organizations=True),
    "membership": lambda flows: flows.membership("ada", "acme"),
}

READS = {"user", "membership", "get_user", "find_users", "list_users", "get_organization",
         "find_organization", "list_organizations", "get_member", "list_members",
         "list_memberships"}  # fmt: skip


def peopled():
    hall = furnished(users=("ada", "bob", "gone"))
    hall.add_member("acme", "ada", "org:admin")
    hall.delete_user("gone")
    hall.now += KEEP_ENDED
    hall.entries()
    return hall


def held(hall):
    return dict(hall.store._records), hall.store.log_since(0).newest


def attempt(flow, perform):
    """What a flow ends with: its result, or that the store cannot be had."""
    try:
        return run(flow, perform)
    except UnavailableError as error:
        return error


@pytest.mark.parametrize("act", [act for act in ACTS if act != "prune"])
def test_a_store_that_fails_is_told_and_nothing_is_done(act):
    step, failed = 0, True
    while failed:
        hall, failed, asked = peopled(), False, 0
        before = held(hall)

        def perform(ask, hall=hall, step=step):
            nonlocal asked, failed
            asked += 1
            if asked == step + 1 and not isinstance(ask, Tell):
                failed = True
                raise UnavailableError("The store is gone.", code="store-failed")
            return hall.perform(ask)

        outcome = attempt(ACTS[act](hall.flows), perform)
        if failed:
            assert getattr(outcome, "code", None) == "store-failed", "it went on regardless"
            assert held(hall) == before
            assert hall.news() == []
        else:
            assert not isinstance(outcome, UnavailableError)
        step += 1
    assert step > 1, "it never asked for anything"


@pytest.mark.parametrize("act", ACTS)
def test_an_act_that_always_loses_gives_up(act):
    hall = peopled()
    before = held(hall)
    commits = 0

    def perform(ask):
        nonlocal commits
        if not isinstance(ask, Commit):
            return hall.perform(ask)
        commits += 1
        return False

    outcome = attempt(ACTS[act](hall.flows), perform)
    if act == "prune":  # what somebody is writing is left for next time
        assert (outcome, commits) == (0, 2)
    elif commits:
        assert (outcome.code, outcome.status) == ("busy", 503)
        assert commits == ATTEMPTS
    assert bool(commits) is (act not in READS)
    assert held(hall) == before
