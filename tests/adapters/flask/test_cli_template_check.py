"""`flask session-claims template check`: a template, a user's claims, and code that reads them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .cli import refused, report, run, words
from .cli_templates import WRONG, clock, file, own

__all__ = ["clock", "file", "own"]  # fixtures


def test_a_sound_template_is_told_with_its_claims_and_notes(own, file):
    app, templates = own
    file.write_text('{"name": "{{user.nick}}", "theme": "{{user.unsafe_metadata.theme}}"}')
    done = run(app, "template", "check", str(file))
    assert done.exit_code == 0
    lines = [words(line) for line in done.stdout.splitlines()]
    assert lines[0] == "template gives name, theme"
    assert [line.split(":")[0] for line in lines[1:]] == [
        "note line 1, column 13 (name)",
        "note line 1, column 39 (theme)",
    ]
    found = report(app, "template", "check", str(file))
    assert (found["ok"], found["names"], found["problems"]) == (True, ["name", "theme"], [])
    assert (found["preview"], found["reads"]) == (None, None)
    assert templates.list() == ()


def test_every_problem_is_told_with_its_place_and_mend(own, file):
    app, _ = own
    file.write_text(WRONG)
    done = run(app, "template", "check", str(file), "--user", "user_1")
    assert done.exit_code == 1
    assert "line 3, column 14 (team): " in done.stdout
    assert "Did you mean org.slug?" in done.stdout
    assert "gives" not in done.stdout
    found = report(app, "template", "check", str(file), code=1)
    assert (found["ok"], len(found["problems"])) == (False, 2)


def test_the_claims_of_a_user_are_shown_with_sizes_and_what_was_not_found(own, file):
    app, _ = own
    file.write_text('{"name": "{{user.full_name}}", "desk": ["{{user.public_metadata.desk}}"]}')
    done = run(app, "template", "check", str(file), "--user", "user_1")
    assert done.exit_code == 0
    text = words(done.stdout)
    assert 'Claims (34 of 1,200 bytes) name 11 bytes "Maria Doe" desk 6 bytes [null]' in text
    assert text.endswith("Look-ups that found nothing user.public_metadata.desk")
    seen = report(app, "template", "check", str(file), "--user", "user_1")["preview"]
    assert seen == {
        "claims": {"name": "Maria Doe", "desk": [None]},
        "refused": None,
        "size": 34,
        "most": 1200,
        "sizes": {"name": 11, "desk": 6},
        "missing": ["user.public_metadata.desk"],
    }


def test_the_claims_are_shown_as_in_an_organization(own, file):
    app, _ = own
    file.write_text('{"role": "{{org.role}}"}')
    args = ["template", "check", str(file), "--user", "user_1", "--org"]
    assert report(app, *args, "org_1")["preview"]["claims"] == {"role": "org:admin"}
    told = refused(app, *args, "org_2", code=1)
    assert told.endswith("(membership-missing)")
    told = refused(app, "template", "check", str(file), "--user", "nobody", code=1)
    assert told == "Error: The directory has no user with that id. (user-unknown)"


def test_claims_that_do_not_fit_are_a_verdict_against(own, file):
    app, _ = own
    file.write_text(json.dumps({f"m{n}": "{{user.public_metadata}}" for n in range(8)}))
    done = run(app, "template", "check", str(file), "--user", "user_1")
    assert done.exit_code == 1
    assert "refused The template's claims would take" in words(done.stdout)
    found = report(app, "template", "check", str(file), "--user", "user_1", code=1)
    assert found["preview"]["refused"]["code"] == "claims-too-large"
    assert found["preview"]["claims"] is None
    found = report(app, "template", "check", str(file), "--user", "user_1", "--name", "api")
    assert found["preview"]["most"] == 8192


VIEWS = """
def profile():
    claims = g.auth.session_claims
    return claims["fullname"], claims.get("plan"), claims["sub"], claims["name"]

def start():
    create_session("ada", claims={"plan": "free"})
"""


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A folder of sources, with others' among them."""
    folder = tmp_path / "code"
    reads = 'session_claims["never"]\n'
    sources = {
        "views.py": VIEWS,
        "shop/cart.py": "# coding: latin-1\nx = 'é'\nsession_claims['tier']\n",
        "shop/notes.txt": reads,
        ".git/hook.py": reads,
        "node_modules/a.py": reads,
        "venv/pyvenv.cfg": "",
        "venv/lib/b.py": reads,
    }
    for name, source in sources.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(source, "latin-1" if "cart" in name else "utf-8")
    return folder


def test_code_that_reads_what_nobody_gives_is_a_verdict_against(own, file, code):
    app, _ = own
    done = run(app, "template", "check", str(file), "--code", str(code))
    assert done.exit_code == 1
    lines = [words(line) for line in done.stdout.splitlines()]
    assert lines == [
        "template gives name",
        f"code {code}/views.py: line 4: no template gives 'fullname'. Did you mean 'name'?",
        f"code {code}/shop/cart.py: line 3: no template gives 'tier'.",
    ]
    found = report(app, "template", "check", str(file), "--code", str(code), code=1)
    assert [(each["file"], each["line"], each["name"]) for each in found["reads"]] == [
        (f"{code}/views.py", 4, "fullname"),
        (f"{code}/shop/cart.py", 3, "tier"),
    ]
    one = report(app, "template", "check", str(file), "--code", f"{code}/shop/cart.py", code=1)
    assert [each["name"] for each in one["reads"]] == ["tier"]


def test_code_that_reads_what_is_given_is_sound(own, file, code):
    app, _ = own
    also = ["--also", "tier", "--also", "fullname"]
    done = run(app, "template", "check", str(file), "--code", str(code), *also)
    assert done.exit_code == 0
    assert words(done.stdout).endswith("code reads no claim that nobody gives")
    assert report(app, "template", "check", str(file), "--code", str(code), *also)["reads"] == []


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (b"def f(:\n", "line 1 cannot be parsed"),
        (b"# coding: nothing\n", "it is no text that Python can read"),
        (b"x = '\xff'\n", "it is no text that Python can read"),
        (b"x = 1\0", "The source is no Python"),
    ],
)
def test_what_is_no_python_is_named(own, file, tmp_path, source, says):
    app, _ = own
    (tmp_path / "bad.py").write_bytes(source)
    told = refused(app, "template", "check", str(file), "--code", str(tmp_path), code=2)
    assert f"{tmp_path / 'bad.py'}" in told
    assert says in told
