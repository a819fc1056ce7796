"""What the wheel and the sdist hold: everything of ours, nothing else."""

from __future__ import annotations

import re
import zipfile
from configparser import ConfigParser
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

from tests.packaging.builds import build

PACKAGES = {"flask_session_claims", "django_session_claims", "quart_session_claims"}
#: Folders that the sdist carries whole.
FOLDERS = (".ci", "adapters", "bench", "docs", "examples", "flask_session_claims", "tests")


def names_in(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return sorted(archive.namelist())


def files_under(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and not {"__pycache__", ".mypy_cache"} & set(path.parts)
        and path.suffix != ".pyc" and ".egg-info" not in str(path)
    }  # fmt: skip


@pytest.fixture(scope="session")
def metadata(installed: Path) -> Message:
    (info,) = installed.glob("*.dist-info")
    return Parser().parsestr((info / "METADATA").read_text("utf-8"))


def test_the_wheel_has_our_three_packages_and_nothing_beside_them(wheel: Path) -> None:
    tops = {name.split("/")[0] for name in names_in(wheel)}
    (info,) = (top for top in tops if top.endswith(".dist-info"))
    assert tops - {info} == PACKAGES
    assert re.fullmatch(r"flask_session_claims-\d+\.\d+\.\d+\.dist-info", info)


def test_the_wheel_has_every_module_of_both_source_roots(wheel: Path, tree: Path) -> None:
    sources = {
        f"flask_session_claims/{name}" for name in files_under(tree / "flask_session_claims")
    }
    sources |= files_under(tree / "adapters")
    expected = {name for name in sources if name.endswith((".py", "/py.typed"))}
    assert {name for name in names_in(wheel) if ".dist-info/" not in name} == expected


def test_every_package_says_that_it_is_typed(wheel: Path) -> None:
    names = names_in(wheel)
    assert {name for name in names if name.endswith("py.typed")} == {
        f"{package}/py.typed" for package in PACKAGES
    }


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_sdist_carries_the_whole_folder(folder: str, sdist_tree: Path, tree: Path) -> None:
    carried = files_under(sdist_tree / folder)
    assert carried
    assert carried == files_under(tree / folder)


@pytest.mark.parametrize(
    "name",
    ["CHANGELOG.md", "LICENSE", "README.md", "SECURITY.md", "conftest.py", "pyproject.toml",
     "tox.ini"],
)  # fmt: skip
def test_the_sdist_carries_the_file(name: str, sdist_tree: Path, tree: Path) -> None:
    assert (sdist_tree / name).read_bytes() == (tree / name).read_bytes()


def test_the_sdist_carries_the_settings_of_the_tools(sdist_tree: Path, tree: Path) -> None:
    carried, ours = ConfigParser(), ConfigParser()
    carried.read(sdist_tree / "setup.cfg", "utf-8")
    ours.read(tree / "setup.cfg", "utf-8")
    for added in (carried, ours):  # by the build, which rewrites the file
        added.remove_section("egg_info")
    assert ours.sections()
    assert carried == ours


def test_a_wheel_made_from_the_sdist_is_the_same_wheel(
    wheel: Path, sdist_tree: Path, tmp_path: Path
) -> None:
    again = build("wheel", sdist_tree, tmp_path / "again")
    assert names_in(again) == names_in(wheel)
    with zipfile.ZipFile(wheel) as one, zipfile.ZipFile(again) as two:
        for name in names_in(wheel):
            assert two.read(name) == one.read(name), name


def test_the_licence_is_stated_once_and_carried(metadata: Message, installed: Path) -> None:
    assert metadata["License-Expression"] == "MIT"
    assert metadata.get_all("License-File") == ["LICENSE"]
    assert not [c for c in metadata.get_all("Classifier", []) if c.startswith("License")]
    assert len(list(installed.glob("*.dist-info/licenses/LICENSE"))) == 1


def test_requirements_have_a_lower_bound_and_no_upper_one(metadata: Message) -> None:
    required = metadata.get_all("Requires-Dist", [])
    bare = [line.split(";")[0].strip() for line in required]
    base = {re.split(r"[><=~!]", line)[0].lower() for line in required if ";" not in line}
    named = "blinker certifi cryptography flask pyjwt requests urllib3 werkzeug"
    assert base == set(named.split())
    ours = [line for line in bare if not line.startswith("flask-session-claims[")]
    assert [line for line in ours if not re.fullmatch(r"[\w.-]+>=[\d.]+", line)] == []
    extras = "all async django otel quart redis sql"
    assert set(metadata.get_all("Provides-Extra", [])) == set(extras.split())
