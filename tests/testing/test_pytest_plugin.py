"""The pytest plugin, in real runs of users' projects, each in a process of its own."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import sys
from pathlib import Path

import pytest

pytest_plugins = "pytester"

PLUGIN = "flask_session_claims.testing.pytest_plugin"
PACKAGES = ("flask_session_claims", "quart_session_claims", "django_session_claims")


@pytest.fixture
def project(pytester, monkeypatch):
    """A user's project; the packages are found as they are in this run, installed or not."""
    places = []
    for package in PACKAGES:
        spec = importlib.util.find_spec(package)
        assert spec is not None
        place = Path(spec.origin).parents[1]
        if place.name != "site-packages" and str(place) not in places:
            places.append(str(place))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(places))
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    pytester.makeini("[pytest]\nfilterwarnings = error\naddopts = --strict-markers\n")
    return pytester


def run(project, *arguments):
    # By its own name: that is also how the entry point is called, so it is loaded but once.
    return project.runpytest_subprocess("-p", PLUGIN, *arguments)


FLASK_APP = """
from flask import Flask, g
from flask_session_claims import SessionClaims, claims_required, login_required

def create_app(**settings):
    app = Flask(__name__)
    app.config["SESSION_CLAIMS_ISSUER"] = "https://clerk.example.com"
    app.config["SESSION_CLAIMS_ORIGINS"] = ["https://app.example.com"]
    clock = settings.pop("clock", None)
    app.config.update(settings)
    SessionClaims(app, **({"clock": clock} if clock else {}))

    @app.get("/profile")
    @login_required
    def profile():
        return {"fullName": g.auth.session_claims["fullName"]}

    @app.get("/reports")
    @claims_required(permission="reports:read")
    def reports():
        return {"org": g.auth.org_slug}

    return app
"""

OWN_ISSUER = """
import pytest
from flask_session_claims.testing import LocalIssuer, shared_key

@pytest.fixture(scope="session")
def claims_issuer():
    return LocalIssuer(
        "https://clerk.example.com", azp="https://app.example.com", key=shared_key("ES256")
    )
"""


def test_a_flask_project_tests_a_guarded_view(project):
    project.makepyfile(app=FLASK_APP)
    project.makeconftest(
        OWN_ISSUER
        + """
from app import create_app

@pytest.fixture
def app(claims_issuer):
    return create_app(SESSION_CLAIMS_JWKS=claims_issuer.jwks())

@pytest.fixture
def client(app):
    return app.test_client()
"""
    )
    project.makepyfile(
        test_profile="""
        import pytest

        def test_nobody(client):
            assert client.get("/profile").status_code == 401

        def test_by_token(client, claims_sign_in):
            assert claims_sign_in(client, "user_7", fullName="Ada") is client
            assert client.get("/profile").json == {"fullName": "Ada"}
            assert client.get("/reports").status_code == 403

        @pytest.mark.parametrize("source", ["cookie", "header"])
        def test_organisation(client, claims_sign_in, source):
            claims_sign_in(
                client, permissions=["reports:read"], org_slug="acme", source=source
            )
            assert client.get("/reports").json == {"org": "acme"}

        def test_without_token(app, client, claims_auth_as):
            auth = claims_auth_as("user_7", fullName="Ada")
            assert client.get("/profile").json == {"fullName": "Ada"}
            claims_auth_as("user_8", fullName="Bob")
            with app.test_request_context("/profile"):
                assert app.view_functions["profile"]() == {"fullName": "Bob"}
            claims_auth_as(None)
            assert client.get("/profile").status_code == 401

        def test_the_one_before_is_over(client):
            assert client.get("/profile").status_code == 401
        """
    )
    result = run(project)
    result.assert_outcomes(passed=6)


def test_a_flask_project_moves_the_time_of_issuer_and_app_together(project):
    project.makepyfile(app=FLASK_APP)
    project.makepyfile(
        test_time="""
        from app import create_app
        from flask_session_claims.testing import signed_in

        def make(issuer, **more):
            return create_app(
                SESSION_CLAIMS_ISSUER=issuer.issuer, SESSION_CLAIMS_ORIGINS=None,
                SESSION_CLAIMS_JWKS=issuer.jwks(), **more)

        def test_it_ends(claims_issuer, claims_clock, claims_sign_in):
            client = make(claims_issuer, clock=claims_clock).test_client()
            claims_sign_in(client, fullName="Ada")
            assert client.get("/profile").status_code == 200
            claims_clock.advance(66)
            assert client.get("/profile").status_code == 401

        def test_the_next_has_the_time_of_day_again(claims_issuer, claims_sign_in):
            client = claims_sign_in(make(claims_issuer).test_client(), fullName="Ada")
            assert client.get("/profile").status_code == 200

        def test_over_the_network(claims_issuer, claims_key_server, claims_sign_in):
            app = create_app(
                SESSION_CLAIMS_ISSUER=claims_issuer.issuer, SESSION_CLAIMS_ORIGINS=None,
                SESSION_CLAIMS_JWKS_URL=claims_key_server.url,
                SESSION_CLAIMS_ALLOW_LOOPBACK_HTTP=True)
            client = claims_sign_in(app.test_client(), fullName="Ada")
            assert client.get("/profile").status_code == 200
            assert claims_key_server.requests == 1
        """
    )
    run(project).assert_outcomes(passed=3)


def test_a_quart_project_tests_a_guarded_view(project):
    pytest.importorskip("quart")
    project.makepyfile(
        app="""
        from quart import Quart, g
        from quart_session_claims import SessionClaims, login_required

        def create_app(**settings):
            app = Quart(__name__)
            app.config.update(settings)
            SessionClaims(app)

            @app.get("/profile")
            @login_required
            async def profile():
                return {"fullName": g.auth.session_claims["fullName"]}

            return app
        """,
        test_profile="""
        import asyncio
        import pytest
        from app import create_app

        @pytest.fixture
        def client(claims_issuer):
            return create_app(
                SESSION_CLAIMS_ISSUER=claims_issuer.issuer,
                SESSION_CLAIMS_JWKS=claims_issuer.jwks(),
            ).test_client()

        def get(client):
            async def play():
                reply = await client.get("/profile")
                return reply.status_code, await reply.get_json()
            return asyncio.run(play())

        def test_nobody(client):
            assert get(client)[0] == 401

        def test_by_token(client, claims_sign_in):
            assert get(claims_sign_in(client, fullName="Ada")) == (200, {"fullName": "Ada"})

        def test_without_token(client, claims_auth_as):
            claims_auth_as(fullName="Ada")
            assert get(client) == (200, {"fullName": "Ada"})
        """,
    )
    run(project).assert_outcomes(passed=3)


def test_a_django_project_tests_a_guarded_view(project):
    pytest.importorskip("django")
    project.makepyfile(
        site_settings="""
        ALLOWED_HOSTS = ["testserver"]
        MIDDLEWARE = ["django_session_claims.middleware.SessionClaimsMiddleware"]
        ROOT_URLCONF = "site_urls"
        SECRET_KEY = "x" * 50
        SESSION_CLAIMS = {"ISSUER": "https://clerk.example.com"}
        USE_TZ = True
        """,
        site_urls="""
        from django.http import JsonResponse
        from django.urls import path
        from django_session_claims import login_required

        @login_required
        def profile(request):
            return JsonResponse({"fullName": request.auth.session_claims["fullName"]})

        urlpatterns = [path("profile", profile)]
        """,
        test_profile="""
        import pytest
        from django.test import Client, override_settings

        @pytest.fixture
        def client(claims_issuer):
            claims = {"ISSUER": claims_issuer.issuer, "JWKS": claims_issuer.jwks()}
            with override_settings(SESSION_CLAIMS=claims):
                yield Client()

        def test_nobody(client):
            assert client.get("/profile").status_code == 401

        def test_by_token(client, claims_sign_in):
            claims_sign_in(client, fullName="Ada")
            assert client.get("/profile").json() == {"fullName": "Ada"}

        def test_without_token_and_keys(claims_auth_as):
            claims_auth_as(fullName="Ada")
            assert Client().get("/profile").json() == {"fullName": "Ada"}

        def test_no_framework_but_django_came_in():
            import sys
            assert not {"flask", "werkzeug", "quart"} & set(sys.modules)
        """,
    )
    project.makeconftest(
        "import os, django\n"
        "os.environ['DJANGO_SETTINGS_MODULE'] = 'site_settings'\n"
        "django.setup()\n"
    )
    run(project).assert_outcomes(passed=4)


def test_the_files_of_the_documentation_pass_as_they_stand_there(project):
    page = (Path(__file__).parents[2] / "docs/testing.md").read_text("utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    named = {b.split()[1]: b for b in blocks if re.match(r"# \w+\.py$", b.partition("\n")[0])}
    assert set(named) == {"conftest.py", "test_views.py"}
    app = next(block for block in blocks if "def create_app(" in block)
    (project.path / "shop.py").write_text(app, "utf-8")
    for name, block in named.items():
        (project.path / name).write_text(f"from shop import create_app\n{block}", "utf-8")
    run(project).assert_outcomes(passed=2)


# Runs that do not use it

#: What a run of somebody else is: fixtures of their own, by names that ours could have had.
SOMEBODY_ELSES = """
import sys, warnings
import pytest

@pytest.fixture
def sign_in():
    return "theirs"

@pytest.fixture
def clock(monkeypatch):
    return "theirs"

class TestIt:
    @pytest.fixture(autouse=True)
    def around(self):
        yield

    def test_passes(self, sign_in, clock, tmp_path):
        assert (sign_in, clock) == ("theirs", "theirs")

    def test_fails(self):
        assert {"a": 1} == {"a": 2}

    @pytest.mark.skip(reason="because")
    def test_is_skipped(self):
        pass

@pytest.mark.parametrize("n", [1, 2])
def test_warns(n):
    if n == 2:
        warnings.warn("old", DeprecationWarning)

def test_prints(capsys):
    print("hello")
    assert capsys.readouterr().out == "hello\\n"
"""

RECORDER = """
import json, pathlib, sys

#: Before the first test, so that nothing but pytest, its plugins and this file was imported.
def pytest_collection_finish(session):
    seen = {
        "modules": sorted(sys.modules),
        "fixtures": {item.nodeid: item.fixturenames for item in session.items},
        "markers": sorted(session.config.getini("markers")),
    }
    pathlib.Path("seen.json").write_text(json.dumps(seen))

def pytest_terminal_summary(terminalreporter):
    kinds = {
        kind: sorted((r.nodeid, r.when, str(r.longrepr)) for r in reports if hasattr(r, "when"))
        for kind, reports in terminalreporter.stats.items()
        if kind != "deselected"
    }
    pathlib.Path("outcomes.json").write_text(json.dumps(kinds))
"""


def test_a_run_that_does_not_use_it_is_unchanged(project):
    project.makeconftest(RECORDER)
    project.makepyfile(test_theirs=SOMEBODY_ELSES)

    def recorded(option):
        result = project.runpytest_subprocess("-p", option, "-p", "no:cacheprovider")
        result.assert_outcomes(passed=3, failed=2, skipped=1)
        names = ("seen.json", "outcomes.json")
        texts = [(project.path / name).read_text("utf-8") for name in names]
        return [json.loads(re.sub("0x[0-9a-f]+", "0x", text)) for text in texts]

    (plain, came), (seen, came_with_it) = recorded(f"no:{PLUGIN}"), recorded(PLUGIN)
    assert came_with_it == came
    assert len(came["failed"]) == 2
    assert seen["fixtures"] == plain["fixtures"]  # those that act unasked included
    assert seen["markers"] == plain["markers"]
    packages = {"flask_session_claims", "flask_session_claims.testing"}
    assert set(seen["modules"]) - set(plain["modules"]) == {PLUGIN, *packages}


def test_it_has_no_hooks():
    plugin = importlib.import_module(PLUGIN)
    assert [name for name in vars(plugin) if name.startswith("pytest_")] == []


def test_its_fixtures_have_names_of_their_own_and_say_what_they_are(project):
    def listed(option):
        lines = project.runpytest_subprocess("-p", option, "--fixtures").stdout.lines
        heads = [i for i, line in enumerate(lines) if " -- " in line and line[0].isalpha()]
        return {lines[i].split()[0]: lines[i + 1].strip() for i in heads}

    plain, with_it = listed(f"no:{PLUGIN}"), listed(PLUGIN)
    assert {name: with_it.get(name) for name in plain} == plain
    added = {name: said for name, said in with_it.items() if name not in plain}
    assert set(added) == {
        "claims_auth_as",
        "claims_clock",
        "claims_issuer",
        "claims_key_server",
        "claims_sign_in",
    }
    assert all(len(said) > 30 for said in added.values())


def test_a_conftest_may_name_it_where_it_is_not_installed(project):
    project.makeconftest(f"pytest_plugins = [{PLUGIN!r}]")
    project.makepyfile("def test_it(claims_issuer): assert claims_issuer.mint()")
    project.runpytest_subprocess().assert_outcomes(passed=1)
    run(project).assert_outcomes(passed=1)  # and named twice, it is loaded once


def test_the_entry_point_is_called_as_the_module(project):
    """So that naming it and installing it are the same, in any combination."""
    info = project.mkdir("somewhere") / "flask_session_claims_here-0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: here\nVersion: 0\n")
    (info / "entry_points.txt").write_text(f"[pytest11]\n{PLUGIN} = {PLUGIN}\n")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(info.parent), os.environ["PYTHONPATH"]])
    project.makepyfile("def test_it(claims_issuer): assert claims_issuer.mint()")
    project.runpytest_subprocess().assert_outcomes(passed=1)
    run(project).assert_outcomes(passed=1)
    off = project.runpytest_subprocess("-p", f"no:{PLUGIN}")
    off.assert_outcomes(errors=1)
    assert "fixture 'claims_issuer' not found" in off.stdout.str()


def test_the_entry_point_of_the_project_is_that_one():
    if sys.version_info < (3, 11):
        pytest.skip("tomllib is new in Python 3.11")
    import tomllib

    file = Path(__file__).parents[2] / "pyproject.toml"
    declared = tomllib.loads(file.read_text("utf-8"))["project"]["entry-points"]["pytest11"]
    assert declared == {PLUGIN: PLUGIN}


def test_a_run_in_a_process_that_has_the_packages_already_says_nothing(project):
    """pytest marks all packages of a distribution with a plugin to be rewritten when imported."""
    info = project.mkdir("somewhere") / "flask_session_claims-0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: flask-session-claims\nVersion: 0\n"
    )
    (info / "entry_points.txt").write_text(f"[pytest11]\n{PLUGIN} = {PLUGIN}\n")
    (info / "RECORD").write_text("".join(f"{package}/__init__.py,,\n" for package in PACKAGES))
    os.environ["PYTHONPATH"] = os.pathsep.join([str(info.parent), os.environ["PYTHONPATH"]])
    project.makepyfile("def test_it(): pass")
    (project.path / "main.py").write_text(
        "import contextlib, sys, pytest, flask_session_claims\n"
        "for name in ('quart', 'django'):\n"
        "    with contextlib.suppress(ImportError):\n"
        "        __import__(f'{name}_session_claims')\n"
        "sys.exit(pytest.main(['-q']))\n"
    )
    done = project.runpython("main.py")
    done.assert_outcomes(passed=1)
    assert "PytestAssertRewriteWarning" not in done.stdout.str() + done.stderr.str()
