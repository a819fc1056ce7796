"""Every seed and kept input goes through its target again, without a fuzzer."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.targets import CORPUS, TARGETS, inputs

#: What a corpus may grow to before somebody has to clear it out.
MOST_INPUTS, LARGEST = 200, 2_048


@pytest.mark.parametrize(
    ("name", "path"),
    [
        pytest.param(name, path, id=f"{name}-{path.name}")
        for name in TARGETS
        for path in inputs(name)
    ],
)
def test_kept_input_shows_no_fault(name: str, path: Path) -> None:
    TARGETS[name].check(path.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
def test_seed_shows_no_fault(name: str) -> None:
    seeds = list(TARGETS[name].seeds())
    assert len(seeds) >= 30
    for seed in seeds:
        TARGETS[name].check(seed)


@pytest.mark.parametrize("name", TARGETS)
def test_corpus_stays_small(name: str) -> None:
    kept = inputs(name)
    assert 1 <= len(kept) <= MOST_INPUTS
    assert max(path.stat().st_size for path in kept) <= LARGEST


def test_every_folder_of_inputs_has_a_target() -> None:
    assert {folder.name for folder in CORPUS.iterdir()} == set(TARGETS)
