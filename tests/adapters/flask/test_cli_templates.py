"""`flask session-claims template …`: show, list, save, check, render, types, delete."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import pytest

from flask_session_claims.stores.faults import StoreUnavailable
from flask_session_claims.stores.memory import MemoryStore

from ..flask_site import make_app
from .cli import own_app, refused, report, run, words
from .cli_templates import NAME, WRONG, clock, file, own, with_people

__all__ = ["clock", "file", "own"]  # fixtures

# --- show and list --------------------------------------------------------------------------


def test_a_template_is_shown_with_who_saved_it_and_when(own, clock):
    app, templates = own
    templates.save('{\n\t"café":\t"{{user.id}}"\n}\n', author="ada")
    clock.advance(3_600)
    assert run(app, "template", "show").stdout == (
        "session token  version 1\n"
        "saved          2027-01-15 08:00:00 UTC by ada, 1 h ago\n"
        "\n"
        '{\n        "café": "{{user.id}}"\n}\n'
    )
    assert report(app, "template", "show") == {
        "name": None,
        "version": 1,
        "author": "ada",
        "saved_at": clock() - 3_600,
        "options": None,
        "text": '{\n\t"café":\t"{{user.id}}"\n}\n',
    }


def test_a_named_template_is_shown_with_its_options(own):
    app, templates = own
    templates.save(NAME, name="api", lifetime=600, audience=["https://a.example", "b"])
    lines = run(app, "template", "show", "api").stdout.splitlines()
    assert words(lines[0]) == "api version 1"
    assert words(lines[2]) == "tokens live 10 min, dated back 5 s, for https://a.example, b"
    assert report(app, "template", "show", "api")["options"] == {
        "lifetime": 600,
        "skew": 5,
        "audience": ["https://a.example", "b"],
    }


def test_the_text_alone_can_be_saved_again(own, tmp_path):
    app, templates = own
    source = '{\n\t"a": "\u2028\u202e\x7f {{user.id}}",\r\n\t"b": ["é"]\n}'
    templates.save(source)
    shown = run(app, "template", "show", "--text").stdout
    assert json.loads(shown) == json.loads(source)
    assert all(line.isprintable() for line in shown.splitlines())
    assert "version" not in shown
    (tmp_path / "again.json").write_text(shown, "utf-8")
    assert run(app, "template", "save", str(tmp_path / "again.json")).exit_code == 0
    assert templates.get().template == templates.versions()[-1].template


def test_an_older_version_is_shown_and_that_of_a_deleted_template_too(own):
    app, templates = own
    for number in range(3):
        templates.save({"n": number}, name="api")
    assert json.loads(run(app, "template", "show", "api", "--version", "2", "--text").stdout) == {
        "n": 1
    }
    templates.delete("api")
    assert report(app, "template", "show", "api", "--version", "3")["version"] == 3
    told = refused(app, "template", "show", "api", "--version", "4", code=1)
    assert told == "Error: api has no version 4 here; there are: 1, 2, 3."
    told = refused(app, "template", "show", "api", code=1)
    assert told == "Error: no template is named api; template list shows those there are."


def test_templates_are_listed_the_session_tokens_own_first(own, clock):
    app, templates = own
    templates.save(NAME, name="api", author="ada", lifetime=90)
    templates.save(NAME)
    clock.advance(60)
    found = report(app, "template", "list")["templates"]
    assert [(each["name"], each["version"], each["author"]) for each in found] == [
        (None, 1, None),
        ("api", 1, "ada"),
    ]
    assert "text" not in found[0]
    lines = [words(line) for line in run(app, "template", "list").stdout.splitlines()]
    assert lines == [
        "2 templates",
        "session token version 1 saved 1 min ago",
        "api version 1 saved 1 min ago by ada live 1 min 30 s, dated back 5 s, for anybody",
    ]


def test_looking_makes_no_store(own, tmp_path):
    app, _ = own
    assert report(app, "template", "list") == {"templates": []}
    assert "there is no store yet" in words(run(app, "template", "list").stdout)
    told = refused(app, "template", "show", code=1)
    assert told.startswith("Error: no template is saved for the session token; there is no store")
    assert refused(app, "template", "types", "--python", code=1) == told
    assert refused(app, "template", "delete", "--own", code=1) == told
    assert not (tmp_path / "shop.db").exists()


def test_without_a_template_it_is_said_how_to_save_one(own):
    app, templates = own
    templates.save(NAME, name="api")
    told = refused(app, "template", "show", code=1)
    assert told.endswith(
        "no template is saved for the session token; template save FILE saves one."
    )


# --- save -----------------------------------------------------------------------------------


def test_a_file_is_saved_once(own, file, monkeypatch):
    app, templates = own
    monkeypatch.setenv("LOGNAME", "grace")
    assert run(app, "template", "save", str(file)).stdout == "saved  session token, version 1\n"
    saved = templates.get()
    assert (saved.text, saved.author) == (NAME, "grace")
    again = run(app, "template", "save", str(file), "--author", "bob")
    assert words(again.stdout) == "no change session token, version 1 says so already"
    file.write_text('{"name": "{{user.nick}}"}')
    done = report(app, "template", "save", str(file), "--author", "bob")
    assert (done["saved"]["version"], done["saved"]["author"]) == (2, "bob")
    assert [note["code"] for note in done["notes"]] == ["unknown-field"]
    assert done["problems"] == []


def test_where_nobody_knows_who_it_is_nobody_is_the_author(own, file, monkeypatch):
    app, templates = own

    def unknown() -> str:
        raise KeyError("getpwuid(): uid not found: 4242")

    monkeypatch.setattr("getpass.getuser", unknown)
    assert run(app, "template", "save", str(file)).exit_code == 0
    assert templates.get().author is None


def test_standard_input_is_saved_under_a_name_with_options(own):
    app, templates = own
    args = ["--name", "api", "--lifetime", "600", "--skew", "0", "--audience", "one"]
    done = run(app, "template", "save", "-", *args, "--audience", "two", input=NAME)
    assert done.stdout == "saved  api, version 1\n"
    options = templates.get("api").options
    assert (options.lifetime, options.skew, options.aud) == (600, 0, ("one", "two"))
    # What is not given is as usual.
    assert report(app, "template", "save", "-", "--name", "api", input=NAME)["saved"][
        "options"
    ] == {
        "lifetime": 60,
        "skew": 5,
        "audience": None,
    }


def test_a_mark_at_the_beginning_of_a_file_is_no_part_of_it(own, file):
    app, templates = own
    file.write_bytes(b"\xef\xbb\xbf" + NAME.encode())
    assert run(app, "template", "save", str(file)).exit_code == 0
    assert templates.get().text == NAME


def test_a_template_that_is_refused_is_told_problem_by_problem(own, file):
    app, templates = own
    file.write_text(WRONG)
    done = run(app, "template", "save", str(file))
    assert done.exit_code == 1
    lines = [words(line) for line in done.stdout.splitlines()]
    assert len(lines) == 2
    assert lines[0].startswith("problem line 2, column 3 (sub): ")
    assert lines[1].startswith("problem line 3, column 14 (team): ")
    assert lines[1].endswith("Did you mean org.slug?")
    found = report(app, "template", "save", str(file), code=1)
    assert found["saved"] is None
    assert [(p["code"], p["line"], p["column"], p["name"]) for p in found["problems"]] == [
        ("protected-name", 2, 3, "sub"),
        ("unknown-root", 3, 14, "team"),
    ]
    assert templates.list() == ()


def test_only_the_version_that_is_expected_is_replaced(own, file):
    app, templates = own
    save = ["template", "save", str(file), "--expected-version"]
    assert run(app, *save, "0").exit_code == 0
    file.write_text("{}")
    told = refused(app, *save, "0", code=1)
    assert told.startswith("Error: The template is at version 1, and none was expected;")
    assert told.endswith("(version-conflict)")
    assert run(app, *save, "1").exit_code == 0
    assert templates.get().version == 2


SAVE = ["template", "save", "{file}"]
CHECK = ["template", "check", "{file}"]


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["template", "save"], "FILE"),
        (["template", "save", "{folder}/none.json"], "none.json cannot be read: No such file"),
        (["template", "save", "{folder}"], "cannot be read: Is a directory"),
        (["template", "check", "{folder}/none.json"], "none.json cannot be read"),
        (["template", "check", "x\0y"], "cannot be read"),
        ([*SAVE, "--name", "a b"], "'a b' is no name of a template"),
        ([*SAVE, "--name", "session"], "leave the name out"),
        ([*SAVE, "--name", "api", "--lifetime", "2"], "lifetime got 2.0; give seconds"),
        ([*SAVE, "--name", "api", "--lifetime", "nan"], "lifetime got nan"),
        ([*SAVE, "--name", "api", "--skew", "-1"], "skew got -1.0"),
        ([*SAVE, "--name", "api", "--audience", ""], "audience must be text"),
        ([*SAVE, "--lifetime", "90"], "are for named templates"),
        ([*SAVE, "--lifetime", "soon"], "lifetime"),
        ([*SAVE, "--author", ""], "author must be text"),
        ([*SAVE, "--expected-version", "-1"], "expected_version is no version"),
        ([*SAVE, "--expected-version", "one"], "expected-version"),
        ([*CHECK, "--name", "session"], "leave the name out"),
        ([*CHECK, "--org", "org_1"], "--org goes with --user"),
        ([*CHECK, "--also", "plan"], "--also goes with --code"),
        ([*CHECK, "--name", "api", "--code", "{folder}"], "leave --name out"),
        ([*CHECK, "--code", "{folder}/none"], "none cannot be read: No such file"),
        (["template", "show", "a b"], "is no name of a template"),
        (["template", "show", "--version", "x"], "version"),
        (["template", "types"], "choose one"),
        (["template", "types", "--python", "--typescript"], "choose one"),
        (["template", "types", "a b", "--python"], "is no name of a template"),
        (["template", "render"], "USER"),
        (["template", "render", "user_1", "session"], "leave the name out"),
        (["template", "delete"], "delete NAME, or delete --own"),
        (["template", "delete", "api", "--own"], "delete NAME, or delete --own"),
        (["template", "delete", "session"], "leave the name out"),
        (["template", "edit"], "there is no terminal to edit at"),
        (["template", "sav"], "No such command"),
    ],
)
def test_a_wrong_call_says_what_to_write(own, file, tmp_path, args, says):
    app, templates = own
    told = refused(app, *(arg.format(file=file, folder=tmp_path) for arg in args), code=2)
    assert says in told
    assert templates.list() == ()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"\xff\xfe{\x00}\x00", "holds no UTF-8 text"),
        (b" " * 1_048_577, "holds more than 1,048,576 bytes"),
    ],
)
@pytest.mark.parametrize("command", ["save", "check"])
def test_a_file_that_is_no_text_is_no_template(own, file, command, data, says):
    app, _ = own
    file.write_bytes(data)
    assert says in refused(app, "template", command, str(file), code=2)
    done = run(app, "template", command, "-", input=BytesIO(data))
    assert (done.exit_code, done.stdout) == (2, "")
    assert f"standard input {says}" in words(done.stderr)


def test_a_text_that_is_too_long_is_refused_as_a_template(own, file):
    app, _ = own
    file.write_text(json.dumps({"a": "x" * 9_000}))
    found = report(app, "template", "save", str(file), code=1)
    assert [problem["code"] for problem in found["problems"]] == ["limit"]


# --- render, types, delete ------------------------------------------------------------------


def test_the_claims_of_a_user_are_printed_and_nothing_else(own):
    app, templates = own
    templates.save('{"name": "{{user.full_name}}", "team": {"slug": "{{org.slug}}"}}')
    templates.save('{"tags": "{{user.public_metadata.tags}}", "é": "\u202e"}', name="api")
    done = run(app, "template", "render", "user_1", "--org", "org_1")
    assert json.loads(done.stdout) == {"name": "Maria Doe", "team": {"slug": "acme"}}
    assert report(app, "template", "render", "user_0") == {
        "claims": {"name": None, "team": {"slug": None}}
    }
    done = run(app, "template", "render", "user_1", "api")
    assert json.loads(done.stdout) == {"tags": ["a", "b"], "é": "\u202e"}
    assert "\u202e" not in done.stdout


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["nobody"], "user-unknown"),
        (["user_1", "none"], "template-unknown"),
        (["user_1", "--org", "org_9"], "membership-missing"),
        (["user_1", "large"], "claims-too-large"),
    ],
)
def test_claims_that_cannot_be_given_end_in_one_line(own, args, code):
    app, templates = own
    templates.save(NAME)
    large = {f"m{n}": "{{user.public_metadata}}" for n in range(40)}
    templates.save(large, name="large")
    told = refused(app, "template", "render", *args, code=1)
    assert told.endswith(f"({code})")


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ("python", "class Claims(TypedDict):"),
        ("typescript", "export interface Claims {"),
        ("jsonschema", '"title": "Claims"'),
    ],
)
def test_the_type_of_the_claims_is_printed(own, form, says):
    app, templates = own
    templates.save(NAME)
    templates.save("{}", name="empty")
    done = run(app, "template", "types", f"--{form}")
    assert says in done.stdout
    assert "name" in done.stdout
    found = report(app, "template", "types", f"--{form}")
    assert (found["format"], found["types"].rstrip() + "\n") == (form, done.stdout)
    if form == "python":
        compile(done.stdout, "claims.py", "exec")
    assert run(app, "template", "types", "empty", f"--{form}").exit_code == 0
    told = refused(app, "template", "types", "none", f"--{form}", code=1)
    assert told == "Error: no template is named none; template list shows those there are."


def test_a_template_is_deleted_once(own):
    app, templates = own
    for name in (None, "api", "kept"):
        templates.save(NAME, name=name)
    assert run(app, "template", "delete", "api").stdout == "deleted  api\n"
    assert report(app, "template", "delete", "--own") == {"deleted": "session token"}
    assert [saved.name for saved in templates.list()] == ["kept"]
    assert refused(app, "template", "delete", "api", code=1).startswith("Error: no template is")


# --- around them ----------------------------------------------------------------------------

CALLS = ["show", "list", "save -", "check -", "render u", "types --python", "delete x", "edit"]


@pytest.mark.parametrize("call", CALLS)
def test_templates_of_another_issuer_are_said_to_be_there(config, call):
    told = refused(make_app(config), "template", *call.split(), code=2)
    assert 'SESSION_CLAIMS_ISSUER = "self"' in told


@pytest.mark.parametrize("call", ["show", "list", "save -", "render u", "delete x"])
def test_a_store_that_cannot_be_had_ends_in_one_line(tmp_path, clock, call):
    class Gone(MemoryStore):
        def load(self, kind: str, key: str) -> Any:
            raise StoreUnavailable("store-unreachable", "memory:")

        def find(self, *given: Any) -> Any:
            raise StoreUnavailable("store-unreachable", "memory:")

    app, _ = own_app(tmp_path, clock=clock, store=Gone())
    with_people(app, clock)
    done = run(app, "template", *call.split(), input=NAME)
    assert (done.exit_code, done.stdout) == (1, "")
    assert words(done.stderr).endswith("(store-unreachable)")


def test_a_user_of_the_apps_own_directory_gets_their_claims(tmp_path):
    app, claims = own_app(tmp_path)
    claims.directory.create_user("ada", first_name="Ada", public_metadata={"plan": "pro"})
    claims.directory.create_organization("Acme", org_id="org_7", slug="acme")
    claims.directory.add_member("org_7", "ada", "org:admin", permissions=["org:team:read"])
    source = {"plan": "{{user.public_metadata.plan}}", "in": "{{user.organizations}}"}
    claims.templates.save({**source, "may": "{{org_membership.permissions}}"})
    assert report(app, "template", "render", "ada", "--org", "org_7") == {
        "claims": {"plan": "pro", "in": {"org_7": "org:admin"}, "may": ["org:team:read"]}
    }
    told = refused(app, "template", "render", "bob", code=1)
    assert told == "Error: The directory has no user with that id. (user-unknown)"
