"""`flask session-claims sessions`, `explain`, `mint` and `prune`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, g

from flask_session_claims import (
    SessionClaims,
    create_session,
    impersonate,
    mark_verified,
    stop_impersonating,
    switch_organization,
)
from flask_session_claims.sessions.model import Issued
from flask_session_claims.stores.faults import StoreUnavailable
from flask_session_claims.stores.memory import MemoryStore
from flask_session_claims.testing import FrozenClock

from ..flask_site import make_app
from .cli import SECRET_KEY, own_app, refused, report, run, words

UNKNOWN = f"sess_{'A' * 32}"
DAY = 86_400


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def own(tmp_path: Path, clock: FrozenClock) -> tuple[Flask, SessionClaims]:
    return own_app(tmp_path, clock=clock)


def sign_in(claims: SessionClaims, user: str = "user_1", /, **given: Any) -> Issued:
    return claims.sessions.create(user, **given)


# --- list and show --------------------------------------------------------------------------


def test_the_live_sessions_of_a_user_are_listed_the_one_used_last_first(own, clock):
    app, claims = own
    old = sign_in(claims, device="Firefox", address="203.0.113.7").session.session_id
    clock.advance(60)
    new = sign_in(claims, persistent=False).session.session_id
    sign_in(claims, "user_2")
    found = report(app, "sessions", "list", "user_1")
    assert found["user_id"] == "user_1"
    assert [each["session_id"] for each in found["sessions"]] == [new, old]
    assert list(found["sessions"][1].items()) == [
        ("session_id", old),
        ("user_id", "user_1"),
        ("created_at", clock() - 60),
        ("last_seen_at", clock() - 60),
        ("expires_at", clock() - 60 + 7 * DAY),
        ("absolute_end", clock() - 60 + 30 * DAY),
        ("persistent", True),
        ("org_id", None),
        ("device", "Firefox"),
        ("address", "203.0.113.7"),
        ("actor", None),
    ]
    output = words(run(app, "sessions", "list", "--user", "user_1").output)
    assert output == (
        f"2 live sessions of user_1 {new} seen 0 s ago ends in 7 d"
        f" {old} seen 1 min ago ends in 6 d 23 h Firefox, 203.0.113.7"
    )


def test_a_user_without_sessions_is_no_error_and_a_store_that_is_not_there_is_named(own, tmp_path):
    app, claims = own
    empty = run(app, "sessions", "list", "nobody")
    assert empty.exit_code == 0
    assert words(empty.output) == (
        f"0 live sessions of nobody there is no store yet at sqlite:///{tmp_path / 'shop.db'}:"
        " nobody has signed in"
    )
    assert not (tmp_path / "shop.db").exists()
    sign_in(claims)
    assert words(run(app, "sessions", "list", "nobody").output) == "0 live sessions of nobody"


def test_the_memory_of_another_process_is_said_to_be_out_of_sight(tmp_path):
    app, _ = own_app(tmp_path, store="memory:")
    output = words(run(app, "sessions", "list", "nobody").output)
    assert "memory of this process" in output
    assert "set SESSION_CLAIMS_STORE" in output


def test_a_session_is_shown_with_its_claims_and_without_its_data(own, clock):
    app, claims = own
    session = sign_in(claims, claims={"plan": "pro"}, data={"card": "hidden-number"}).session
    clock.advance(3_600)
    found = report(app, "sessions", "show", session.session_id)
    assert (found["claims"], found["data"]) == ({"plan": "pro"}, {"card": 15})
    assert found["created_at"] == clock() - 3_600
    output = run(app, "sessions", "show", session.session_id).output
    assert output.startswith(f"live  {session.session_id}\n")
    assert "signed in 2027-01-15 08:00:00 UTC (1 h ago)" in words(output)
    assert 'plan "pro"' in words(output)
    assert "card 15 bytes" in words(output)
    assert "hidden" not in output + json.dumps(found)


# --- revoke ---------------------------------------------------------------------------------


def test_a_session_is_ended_once(own):
    app, claims = own
    ended, kept = (sign_in(claims).session.session_id for _ in range(2))
    assert report(app, "sessions", "revoke", ended) == {"revoked": [ended]}
    assert claims.sessions.get(ended) is None
    assert claims.sessions.get(kept) is not None
    told = refused(app, "sessions", "revoke", ended, code=1)
    assert told == (
        f"Error: no live session has the id {ended}; explain {ended} tells of one that ended"
        " within a day."
    )


def test_all_sessions_of_a_user_are_ended_but_one(own):
    app, claims = own
    ids = [sign_in(claims).session.session_id for _ in range(3)]
    other = sign_in(claims, "user_2").session.session_id
    args = ["sessions", "revoke", "--user", "user_1"]
    assert sorted(report(app, *args, "--keep", ids[0])["revoked"]) == sorted(ids[1:])
    assert words(run(app, *args, "--keep", ids[0]).output) == (
        "no change user_1 has no other live session"
    )
    assert words(run(app, *args).output) == f"ended {ids[0]}"
    assert words(run(app, *args).output) == "no change user_1 has no live session"
    assert claims.sessions.get(other) is not None


def test_a_revoked_session_is_out_with_its_next_request(own):
    app, claims = own
    app.add_url_rule("/", "home", lambda: {"user": g.auth.user_id})
    issued = sign_in(claims)
    client = app.test_client()
    headers = {"Authorization": f"Bearer {issued.session_token}"}
    assert client.get("/", headers=headers).json == {"user": "user_1"}
    assert run(app, "sessions", "revoke", issued.session.session_id).exit_code == 0
    assert client.get("/", headers=headers).json == {"user": None}


# --- explain --------------------------------------------------------------------------------


def test_the_acts_of_a_session_are_told_in_their_order(own, clock):
    app, claims = own
    issued = sign_in(claims, claims={"a": 1})
    sid = issued.session.session_id
    clock.advance(10)
    claims.sessions.refresh(issued.refresh_token)
    claims.sessions.merge_claims(sid, {"a": 2, "b": None})
    claims.sessions.merge_claims(sid, {"c": 3})
    claims.sessions.set_data(sid, {"d": 4})
    live = report(app, "explain", sid)
    assert (live["live"], live["ended"], live["session"]["claims"]) == (
        True,
        None,
        {"a": 2, "c": 3},
    )
    assert [(act["act"], act["detail"]) for act in live["acts"]] == [
        ("create", ""),
        ("refresh", "2"),
        ("merge", "2"),
        ("merge", "1"),
        ("data", ""),
    ]
    clock.advance(100)
    with pytest.raises(Exception, match="used before"):
        claims.sessions.refresh(issued.refresh_token)
    dead = report(app, "explain", sid)
    assert (dead["live"], dead["ended"], dead["session"]) == (False, "reuse", None)
    output = words(run(app, "explain", sid).output)
    assert output.startswith(f"ended {sid} why its refresh token was used a second time Acts")
    told = [
        "1 min 50 s ago signed in",
        "1 min 40 s ago refreshed: generation 2",
        "1 min 40 s ago claims merged: 2 names",
        "1 min 40 s ago claims merged: 1 name",
        "1 min 40 s ago server-only data replaced",
        "0 s ago the refresh token of generation 1 was used a second time",
        "0 s ago ended: its refresh token was used a second time",
    ]
    places = [output.index(text) for text in told]
    assert places == sorted(places)


def test_what_was_done_for_a_user_and_in_organisations_is_told(own):
    app, claims = own

    @claims.may_impersonate
    def may(auth, user_id):
        return True

    directory = claims.directory
    for user_id in ("user_1", "user_2"):
        directory.create_user(user_id)
    directory.create_organization("Acme", org_id="org_1")
    directory.add_member("org_1", "user_1", "org:admin")
    told = {}
    with app.test_request_context(method="POST", headers={"Sec-Fetch-Site": "same-origin"}):
        told["own"] = create_session("user_1").session_id
        switch_organization("org_1")
        mark_verified(second=True)
        switch_organization(None)
        told["user's"] = impersonate("user_2", reason="a ticket").session_id
        acted = report(app, "sessions", "list", "user_2")["sessions"]
        assert [each["actor"] for each in acted] == ["user_1"]
        assert "acts user_1" in words(run(app, "explain", told["user's"]).output)
        stop_impersonating()
    output = words(run(app, "explain", told["own"]).output)
    places = [
        output.index(text)
        for text in (
            "signed in",
            "switched to org_1",
            "verified anew: second",
            "switched to no organization",
            "given back to who acted for another: generation 2",
        )
    ]
    assert places == sorted(places)
    output = words(run(app, "explain", told["user's"]).output)
    assert "made for who acts for the user: a ticket" in output
    assert "ended: who acted for the user has stopped" in output


def test_the_last_50_acts_are_kept(own):
    app, claims = own
    sid = sign_in(claims).session.session_id
    for n in range(60):
        claims.sessions.merge_claims(sid, {"n": n})
    acts = report(app, "explain", sid)["acts"]
    assert [act["act"] for act in acts] == ["merge"] * 50


def test_a_session_that_ended_by_itself_is_known_for_a_day_and_pruned_after(own, clock):
    app, claims = own
    sid = sign_in(claims).session.session_id
    clock.advance(7 * DAY + 60)
    assert report(app, "explain", sid)["ended"] == "expired"
    assert "not used for too long" in run(app, "explain", sid).output
    assert words(run(app, "prune").output) == (
        "nothing to delete no session ended more than a day ago"
    )
    clock.advance(DAY)
    assert report(app, "prune") == {"deleted": 1}
    assert refused(app, "explain", sid, code=1).endswith("it ended more than a day ago.")
    sign_in(claims)
    clock.advance(9 * DAY)
    assert words(run(app, "prune").output) == "deleted 1 record"


# --- mint -----------------------------------------------------------------------------------


def test_a_minted_token_is_all_that_is_printed_and_it_signs_in(own, clock):
    app, claims = own
    sid = sign_in(claims, claims={"plan": "pro"}).session.session_id
    result = run(app, "mint", sid, "--lifetime", "60")
    assert (result.exit_code, result.stderr, result.stdout.count("\n")) == (0, "", 1)
    seen = report(app, "inspect", result.stdout.strip())
    assert (seen["accepted"], seen["claims"]["plan"]) == (True, "pro")
    assert seen["times"]["expires_in"] == 60
    assert list(report(app, "mint", sid)) == ["token"]
    clock.advance(61)
    clock.advance(5)
    assert report(app, "inspect", result.stdout.strip(), code=1)["code"] == "token-expired"
    assert "5<=x<=3600" in refused(app, "mint", sid, "--lifetime", "2", code=2)
    assert "5 to 3600" in refused(app, "mint", sid, "--lifetime", "nan", code=2)
    claims.sessions.revoke(sid)
    assert f"no live session has the id {sid}" in refused(app, "mint", sid, code=1)


# --- what is wrong --------------------------------------------------------------------------

WITH_ID = [["sessions", "show"], ["sessions", "revoke"], ["explain"], ["mint"]]


@pytest.mark.parametrize("command", WITH_ID, ids=" ".join)
def test_an_unknown_id_is_told_with_what_may_help(own, command):
    app, claims = own
    told = refused(app, *command, UNKNOWN, code=1)
    assert UNKNOWN in told
    assert "there is no store yet" in told
    sign_in(claims)
    assert "there is no store yet" not in refused(app, *command, UNKNOWN, code=1)
    assert refused(app, *command, UNKNOWN, "--json", code=1)


@pytest.mark.parametrize("command", WITH_ID, ids=" ".join)
def test_what_is_no_id_is_refused_with_the_form_of_one_and_not_repeated(own, command):
    app, claims = own
    issued = sign_in(claims)
    for text in ("abc", "sess_", UNKNOWN + "x", issued.session_token, issued.refresh_token, "é"):
        told = refused(app, *command, text, code=2)
        assert "sess_ and 32 characters" in told
        assert len(text) < 6 or text not in told
    assert "a token, not an id" in refused(app, *command, issued.refresh_token, code=2)


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["sessions", "list"], "sessions list USER_ID"),
        (["sessions", "list", "a", "--user", "b"], "name one user"),
        (["sessions", "list", ""], "1 to 255 characters"),
        (["sessions", "list", "x" * 256], "text of 256 characters"),
        (["sessions", "revoke"], "revoke SID, or revoke --user USER_ID"),
        (["sessions", "revoke", UNKNOWN, "--user", "a"], "revoke SID, or revoke --user USER_ID"),
        (["sessions", "revoke", UNKNOWN, "--keep", UNKNOWN], "--keep goes with --user"),
        (["sessions", "revoke", "--user", "a", "--keep", "b"], "sess_ and 32 characters"),
        (["sessions", "revoke", "--user", ""], "1 to 255 characters"),
    ],
)
def test_a_wrong_call_says_what_to_write(own, args, says):
    assert says in refused(own[0], *args, code=2)


EVERY = [
    ["sessions", "list", "user_1"],
    ["sessions", "show", UNKNOWN],
    ["sessions", "revoke", UNKNOWN],
    ["sessions", "revoke", "--user", "user_1"],
    ["explain", UNKNOWN],
    ["mint", UNKNOWN],
    ["prune"],
    ["keys", "rotate"],
    ["keys", "revoke", "kid"],
    ["keys", "rewrap"],
    ["keys", "discard"],
]


@pytest.mark.parametrize("command", EVERY, ids=" ".join)
def test_sessions_of_another_issuer_are_said_to_be_there(config, command):
    told = refused(make_app(config), *command, code=2)
    assert told == (
        "Error: the sessions of this app are those of https://issuer.example, so they are made,"
        " changed and ended there; for sessions of your own write SESSION_CLAIMS_ISSUER ="
        ' "self".'
    )


class Gone(MemoryStore):
    """A store that cannot be reached, as long as `gone`."""

    gone = False

    def _check(self) -> None:
        if self.gone:
            raise StoreUnavailable("store-unreachable", "memory:")

    def load(self, kind: str, key: str) -> Any:
        self._check()
        return super().load(kind, key)

    def find(self, *args: Any, **options: Any) -> Any:
        self._check()
        return super().find(*args, **options)

    def due(self, *args: Any, **options: Any) -> Any:
        self._check()
        return super().due(*args, **options)

    def count(self, kind: str) -> Any:
        self._check()
        return super().count(kind)

    def commit(self, *args: Any, **options: Any) -> Any:
        self._check()
        return super().commit(*args, **options)

    def log_since(self, position: int) -> Any:
        self._check()
        return super().log_since(position)


@pytest.mark.parametrize("command", [*EVERY, ["keys"]], ids=" ".join)
def test_a_store_that_cannot_be_had_ends_in_one_line(tmp_path, command):
    store = Gone()
    app, claims = own_app(tmp_path, store=store)
    sign_in(claims)
    store.gone = True
    for args in (command, [*command, "--json"]):
        assert refused(app, *args, code=1) == (
            "Error: The session store cannot be reached. (store-unreachable)"
        )
    store.gone = False
    assert len(report(app, "sessions", "list", "user_1")["sessions"]) == 1


def test_a_file_that_is_no_store_ends_in_one_line(own, tmp_path):
    app, _ = own
    (tmp_path / "shop.db").write_bytes(b"no database at all" * 100)
    assert "(store-corrupt)" in refused(app, "sessions", "list", "user_1", code=1)


def test_no_command_prints_a_secret(own, clock):
    app, claims = own
    issued = sign_in(claims, claims={"plan": "pro"}, data={"card": "hidden-number"})
    sid = issued.session.session_id
    later = claims.sessions.refresh(issued.refresh_token)
    issuing = app.extensions["session_claims"].issuing
    (key,) = issuing.run(issuing.keyring.ring()).keys
    kid, private = key.kid, [key.wrapped]
    output = ""
    for args in (
        *(["sessions", "list", "user_1"], ["sessions", "show", sid], ["explain", sid]),
        *(["keys"], ["keys", "rotate"], ["keys", "rewrap"], ["keys", "discard"], ["config"]),
        *(["doctor"], ["inspect", issued.session_token], ["keys", "revoke", kid], ["prune"]),
        ["sessions", "revoke", sid],
    ):
        for extra in ([], ["--json"]):
            result = run(app, *args, *extra)
            output += result.stdout + result.stderr
    assert kid in output
    secrets = [SECRET_KEY, "hidden-number", *private]
    for token in (issued.refresh_token, later.refresh_token):
        secrets += token.split(".")[2:]
    secrets += [issued.session_token.rpartition(".")[2], later.session_token]
    assert not [text for text in secrets if text in output]
