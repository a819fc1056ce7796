"""The mutants fit the code at hand; whether they are caught is for `run.py` to show."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutants.mutant import Mutant
from tests.mutants.table import MUTANTS, mutated

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mutant_can_be_planted(mutant: Mutant) -> None:
    assert mutated(mutant)
    assert all((ROOT / test.partition("::")[0]).exists() for test in mutant.tests)


def test_there_are_as_many_mutants_as_promised_and_each_has_a_name_of_its_own() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 40
