"""Builds the distribution once, from a copy of the tree, and unpacks it."""

from __future__ import annotations

import shutil
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.packaging.builds import NOT_SOURCE, ROOT, build


@pytest.fixture(scope="session")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("packaging")


@pytest.fixture(scope="session")
def tree(work: Path) -> Path:
    """A clean copy of this tree."""
    return Path(shutil.copytree(ROOT, work / "tree", ignore=NOT_SOURCE))


@pytest.fixture(scope="session")
def wheel(tree: Path, work: Path) -> Path:
    return build("wheel", tree, work / "wheel")


@pytest.fixture(scope="session")
def sdist(tree: Path, work: Path) -> Path:
    return build("sdist", tree, work / "sdist")


@pytest.fixture(scope="session")
def sdist_tree(sdist: Path, work: Path) -> Path:
    """The sdist, unpacked."""
    with tarfile.open(sdist) as archive:
        archive.extractall(work / "unpacked", filter="data")
    (folder,) = (work / "unpacked").iterdir()
    return folder


@pytest.fixture(scope="session")
def installed(wheel: Path, work: Path) -> Path:
    """The wheel, unpacked: what stands in site-packages after an installation."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(work / "installed")
    return work / "installed"
