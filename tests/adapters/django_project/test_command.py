"""`manage.py session_claims …`: the commands of `flask session-claims`, with their texts."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings
from django.urls import include, path
from django_session_claims import ConfigurationError, SessionClaimsMiddleware, conf, sessions
from flask import Flask

from flask_session_claims.io.reports.commands import look, own_keys, own_sessions
from flask_session_claims.io.reports.commands.answers import help_of
from flask_session_claims.sessions import vault
from flask_session_claims.stores.faults import StoreUnavailable
from flask_session_claims.stores.memory import MemoryStore
from flask_session_claims.testing import FrozenClock

from ..flask.cli import own_app, words
from ..flask.cli import run as run_flask
from .own import own_site, still
from .site import PARTY, mint, site

SECRET = "k7Pq2mVx9RtY4wZs6NbLc8HdJ3fGe5Aa-1u"
OTHER_SECRET = "another-secret-that-is-long-enough-0123456789"
UNKNOWN = "sess_" + "A" * 32


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    error: str


def run(*args: str, **options: Any) -> Done:
    out = StringIO()
    code, error = 0, ""
    try:
        call_command("session_claims", *args, stdout=out, **options)
    except CommandError as wrong:
        code, error = wrong.returncode, str(wrong)
    except SystemExit as verdict:
        code = int(verdict.code or 0)
    return Done(code, out.getvalue(), error)


def report(*args: str, code: int = 0) -> Any:
    done = run(*args, "--json")
    assert done.code == code, done
    return json.loads(done.out)


@pytest.fixture
def own() -> Iterator[FrozenClock]:
    with own_site(SECRET_KEY=SECRET) as clock:
        yield clock


# --- the same as in Flask -------------------------------------------------------------------


class Both(NamedTuple):
    """A project and a Flask app over one store."""

    app: Flask
    clock: FrozenClock
    sid: str
    ended: str
    kid: str
    token: str


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Both]:
    clock, address = FrozenClock(), f"sqlite:///{tmp_path / 'shop.db'}"
    app, claims = own_app(tmp_path, clock=clock, store=address, SECRET_KEY=SECRET)
    issued = claims.sessions.create("user_1", claims={"plan": "pro"}, data={"cart": [1]})
    ended = claims.sessions.create("user_1").session.session_id
    claims.sessions.revoke(ended)
    issuing = app.extensions["session_claims"].issuing
    (key,) = issuing.run(issuing.keyring.ring()).keys
    with own_site(claims={"STORE": address}, clock=clock, SECRET_KEY=SECRET):
        yield Both(app, clock, issued.session.session_id, ended, key.kid, issued.session_token)


CALLS = [
    "sessions list user_1",
    "sessions list --user user_1",
    "sessions list nobody",
    "sessions list",
    "sessions list a --user b",
    "sessions show {sid}",
    "sessions show {ended}",
    "sessions revoke",
    "sessions revoke {ended}",
    "sessions revoke {sid} --user user_1",
    "sessions revoke {sid} --keep {sid}",
    "sessions revoke --user user_1 --keep {sid}",
    "sessions revoke --user nobody",
    "explain {sid}",
    "explain {ended}",
    f"explain {UNKNOWN}",
    f"mint {UNKNOWN}",
    "mint {sid} --lifetime nan",
    "prune",
    "keys",
    "keys list",
    "keys --fetch",
    "keys rewrap",
    "keys discard",
    "keys revoke nothing",
    "doctor",
    "inspect {token}",
    "inspect Bearer {token}",
    "inspect x{token}",
    "inspect abc",
]


@pytest.mark.parametrize("json_", ["", " --json"], ids=["text", "json"])
@pytest.mark.parametrize("call", CALLS)
def test_a_command_tells_what_it_tells_in_flask_and_ends_alike(both: Both, call: str, json_: str):
    args = (call + json_).format(**both._asdict()).split()
    expected = run_flask(both.app, *args)
    done = run(*args)
    assert (done.code, done.out) == (expected.exit_code, expected.stdout)
    told = words(expected.stderr)
    assert words(done.error) == (told.partition("Error: ")[2] if told else "")


def test_what_one_command_line_changes_the_other_finds_changed(both: Both):
    assert sessions.mint(both.sid)  # the keys are at hand
    change = report("keys", "rotate", "--at-once")
    seen = json.loads(run_flask(both.app, "keys", "--json").stdout)
    assert [key["kid"] for key in seen["keys"]] == [both.kid, *change["added"]]
    issuing = conf.reading().issuing
    assert issuing is not None
    assert {*change["added"]} < {key.kid for key in issuing.run(issuing.keys.keys()).keys}
    assert "it signs now." in run("keys", "rotate", "--at-once").out
    assert report("keys", "revoke", both.kid)["removed"] == [both.kid]
    assert report("sessions", "revoke", both.sid) == {"revoked": [both.sid]}
    told = json.loads(run_flask(both.app, "explain", both.sid, "--json").stdout)
    assert told["ended"] == "revoked"
    both.clock.advance(10 * 86_400)
    assert run("prune").out == "deleted  2 records\n"


HELPS: dict[str, Callable[..., Any]] = {
    "inspect": look.inspect,
    "config": look.config,
    "doctor": look.doctor,
    "keys list": look.keys_list,
    "keys rotate": own_keys.rotate,
    "keys revoke": own_keys.revoke,
    "keys rewrap": own_keys.rewrap,
    "keys discard": own_keys.discard,
    "sessions list": own_sessions.listed,
    "sessions show": own_sessions.shown,
    "sessions revoke": own_sessions.revoke,
    "explain": own_sessions.explain,
    "mint": own_sessions.mint,
    "prune": own_sessions.prune,
}


@pytest.mark.parametrize("call", HELPS)
def test_a_command_is_explained_as_in_flask(
    both: Both, call: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        call_command("session_claims", *call.split(), "--help")
    ours = words(capsys.readouterr().out)
    flasks = words(run_flask(both.app, *call.split(), "--help").stdout)
    for paragraph in help_of(HELPS[call]).split("\n\n"):
        assert words(paragraph) in ours
        assert words(paragraph) in flasks


# --- Django's own words ---------------------------------------------------------------------


def test_settings_are_named_as_the_project_has_them(own: Any, monkeypatch: pytest.MonkeyPatch):
    found = {each["name"]: each for each in report("config")["settings"]}
    assert found["ISSUER"]["source"] == "config"
    lines = [words(line) for line in run("config").out.splitlines()]
    assert 'ISSUER settings.SESSION_CLAIMS "self"' in lines
    assert "IDLE_LIFETIME default 604800" in lines
    assert SECRET not in str(found) + str(lines)
    monkeypatch.setenv("CLERK_JWT_KEY", "unused")
    with site():
        lines = [words(line) for line in run("config").out.splitlines()]
    assert "JWKS settings.SESSION_CLAIMS (set, not shown)" in lines


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"ISUER": "self"}, "ISUER: there is no such setting"),
        ({"ISSUER": "self", "STORE": "mysql://x"}, "STORE: 'mysql://x' names no kind"),
    ],
)
def test_a_wrong_setting_ends_in_one_line(given: dict[str, Any], says: str) -> None:
    with override_settings(SESSION_CLAIMS=given):
        done = run("doctor")
    assert (done.code, done.out) == (2, "")
    assert done.error.startswith(f"settings.SESSION_CLAIMS: {says}")


OWN = ["sessions list a", f"sessions show {UNKNOWN}", f"explain {UNKNOWN}", f"mint {UNKNOWN}"]
OWN += ["sessions revoke --user a", "prune", "keys rotate", "keys revoke kid", "keys rewrap"]
OWN += ["keys discard"]


@pytest.mark.parametrize("call", OWN)
def test_sessions_of_another_issuer_are_said_to_be_there(call: str) -> None:
    with site():
        done = run(*call.split())
    assert (done.code, done.out) == (2, "")
    assert done.error.endswith(
        "they are made, changed and ended there; for sessions of your own write"
        ' settings.SESSION_CLAIMS["ISSUER"] = "self".'
    )


def test_another_issuers_token_is_judged_as_the_project_does() -> None:
    with site():
        assert report("inspect", mint())["accepted"] is True
        assert report("keys")["origin"] == "given"
        seen = report("inspect", mint() + "x", code=1)
        assert seen["accepted"] is False
        assert f"azp must be {PARTY}" in run("doctor").out


def test_the_token_may_be_in_the_environment(own: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "put it into INSPECT_TOKEN" in run("inspect").error
    monkeypatch.setenv("INSPECT_TOKEN", sessions.create("ada").session_token)
    assert report("inspect")["accepted"] is True


def test_the_doctor_looks_for_the_refresh_endpoint_where_scripts_need_it() -> None:
    claims = {"REFRESH_MODE": "endpoint"}
    with own_site(claims=claims, endpoints=False, SECRET_KEY=SECRET):
        done = run("doctor")
        assert done.code == 1
        assert 'include("django_session_claims.urls")' in done.out
    place = path("shop/", include("django_session_claims.urls"))
    with own_site(place, claims=claims, endpoints=False, SECRET_KEY=SECRET):
        done = run("doctor")
        assert done.code == 0
        assert "the refresh endpoint is /shop/session/refresh" in done.out


class Gone(MemoryStore):
    """A store that cannot be reached."""

    def load(self, kind: str, key: str) -> Any:
        raise StoreUnavailable("store-unreachable", "memory:")


def test_a_store_that_cannot_be_had_ends_in_one_line() -> None:
    with own_site(claims={"STORE": Gone()}):
        done = run("explain", UNKNOWN)
    assert done == Done(1, "", "The session store cannot be reached. (store-unreachable)")


# --- calling it -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ([], "COMMAND"),
        (["sessions"], "COMMAND"),
        (["keys", "rotat"], "rotat"),
        (["keys", "--json", "rotate"], "rotate"),
        (["sessions", "show"], "SID"),
        (["sessions", "show", "abc"], "sess_ and 32 characters"),
        (["sessions", "revoke", "--user", "a", "--keep", "b"], "sess_ and 32 characters"),
        (["mint", UNKNOWN, "--lifetime", "2"], "--lifetime got 2; give seconds, 5 to 3600."),
        (["mint", UNKNOWN, "--lifetime", "x"], "--lifetime"),
        (["routes"], "routes"),
    ],
)
def test_a_wrong_call_says_what_to_write(own: Any, args: list[str], says: str) -> None:
    done = run(*args)
    assert done.code in (1, 2)  # argparse, called by code, says nothing of its exit code
    assert done.out == ""
    assert says in done.error


def test_what_may_be_a_secret_is_not_repeated(own: Any) -> None:
    issued = sessions.create("ada")
    for text in (issued.session_token, issued.refresh_token):
        done = run("explain", text)
        assert "a token, not an id" in done.error
        assert text not in done.error


def test_code_may_give_options_by_name(own: Any) -> None:
    sid = sessions.create("ada").session.session_id
    out = StringIO()
    call_command("session_claims", "sessions", "list", "ada", json=True, stdout=out)
    assert json.loads(out.getvalue())["sessions"][0]["session_id"] == sid


@pytest.mark.parametrize("order", [["{}", "--json"], ["--json", "{}"], ["--json", "--", "{}"]])
def test_the_name_of_a_key_may_begin_with_a_dash(
    own: Any, order: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made, kid = vault.generate("ES256"), "-" + "k" * 42
    renamed = replace(made, kid=kid)
    monkeypatch.setattr(vault, "generate", lambda algorithm: renamed)
    sessions.create("ada")
    assert [key["kid"] for key in report("keys")["keys"]] == [kid]
    monkeypatch.undo()
    done = run("keys", "revoke", *(word.format(kid) for word in order))
    assert json.loads(done.out)["removed"] == [kid]


def test_colours_are_where_they_are_asked_for(own: Any) -> None:
    sessions.create("ada")
    assert "\x1b" not in run("keys").out
    coloured = run("keys", force_color=True).out
    assert "\x1b[32msigning\x1b[0m" in coloured
    assert run("keys", "--force-color").out == coloured
    assert "\x1b" not in run("keys", "--force-color", "--json").out


# --- keys that cannot be opened -------------------------------------------------------------


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[str]:
    """A project whose SECRET_KEY has changed; the id of a session from before."""
    address = f"sqlite:///{tmp_path / 'shop.db'}"
    with own_site(claims={"STORE": address}, clock=time.time, SECRET_KEY=SECRET):
        sid = sessions.create("ada").session.session_id
    with own_site(claims={"STORE": address}, clock=time.time, SECRET_KEY=OTHER_SECRET):
        with pytest.raises(ConfigurationError) as caught:
            SessionClaimsMiddleware(still)
        assert "`manage.py session_claims …`" in caught.value.message
        yield sid


def test_commands_look_at_a_project_that_does_not_start(locked: str) -> None:
    assert report("keys")["keys"][0]["private"] == "locked"
    assert report("sessions", "show", locked)["user_id"] == "ada"
    assert report("config")["in_effect"]["issuer"].startswith("urn:session-claims:")
    done = run("doctor")
    assert done.code == 1
    assert "cannot be opened" in done.out
    for call in ("keys rewrap", "keys rotate", f"mint {locked}"):
        done = run(*call.split())
        assert (done.code, done.out) == (2, "")
        assert done.error.startswith("the signing keys in the store cannot be opened")
    with pytest.raises(ConfigurationError):
        conf.reading()  # nothing was mended on the way


def test_discarding_the_keys_makes_it_start(locked: str) -> None:
    change = report("keys", "discard")
    assert (len(change["discarded"]), len(change["added"])) == (1, 1)
    SessionClaimsMiddleware(still)
    assert report("mint", locked)["token"]


def test_rewrapping_lets_the_older_secret_go(locked: str) -> None:
    with override_settings(SECRET_KEY_FALLBACKS=[SECRET]):
        assert len(report("keys", "rewrap")["rewrapped"]) == 1
    SessionClaimsMiddleware(still)
    assert report("mint", locked)["token"]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc to see open files")
def test_the_store_that_was_opened_for_a_command_is_closed(locked: str, tmp_path: Path) -> None:
    assert report("keys")["keys"]
    links = [os.path.realpath(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd")]
    assert str(tmp_path / "shop.db") not in links
