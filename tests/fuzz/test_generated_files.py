"""No generated file escapes the pre-scan and the reader as anything but a frame or a refusal with a reason."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from fuzz.headers import fits_files, outcome
from fuzz.mutation_run import mutants
from fuzz.seeds import SEEDS


@settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))
@given(fits_files())
def test_a_generated_file_is_read_or_refused_with_a_reason(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    found = outcome(data, tmp_path_factory.getbasetemp() / "generated.fits")
    assert found == "read" or (found.split(": ")[0] in {"prescan", "reading"} and found.split(": ")[1])


@pytest.mark.parametrize("name", [name for name in SEEDS if name not in {"gzip", "xisf"}])
def test_every_fits_seed_is_read(tmp_path: Path, name: str) -> None:
    assert outcome(SEEDS[name](), tmp_path / "seed.fits") == "read"


def test_seeds_and_mutants_are_the_same_in_every_run_of_a_seed() -> None:
    first = [(one.title, one.data) for one, _ in zip(mutants(5), range(50), strict=False)]
    again = [(one.title, one.data) for one, _ in zip(mutants(5), range(50), strict=False)]
    other = [(one.title, one.data) for one, _ in zip(mutants(6), range(50), strict=False)]
    assert first == again
    assert first != other


def test_half_a_thousand_mutants_are_read_or_refused_with_a_reason(tmp_path: Path) -> None:
    outcomes = {
        outcome(mutant.data, tmp_path / "mutant.fits")
        for mutant, _ in zip(mutants(1), range(500), strict=False)
        if not mutant.title.startswith(("gzip ", "xisf "))
    }
    assert "read" in outcomes
    assert len(outcomes) > 5
