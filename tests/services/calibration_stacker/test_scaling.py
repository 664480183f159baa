"""What one unit of an uploaded master is in ADU: proved, or asked for."""

import pytest

from pictor.calibration_stacker.scaling import Evidence, Values, decide_scale
from pictor.imaging.errors import ImagingError
from pictor.imaging.headers.stacks import StackFacts

SHARES = Values(0.0076, 0.054, 0.008, 0.012)
ADU = Values(498.0, 3500.0, 523.0, 560.0)
QUIET = Values(-3.0, 40.0, 0.02, 0.9)
REAL = StackFacts(real_valued=True)
SIRIL, PIXINSIGHT = StackFacts("Siril", real_valued=True), StackFacts("PixInsight", real_valued=True)


@pytest.mark.parametrize(
    ("values", "known", "adu_per_unit", "basis"),
    [
        (SHARES, Evidence(SIRIL), 65535, "program"),
        (SHARES, Evidence(PIXINSIGHT), 65535, "program"),
        (SHARES, Evidence(StackFacts(bounds=(0.0, 1.0), real_valued=True)), 65535, "program"),
        (ADU, Evidence(StackFacts(bounds=(0.0, 65535.0), real_valued=True)), 1, "program"),
        (ADU, Evidence(PIXINSIGHT), 1, "values"),
        (ADU, Evidence(REAL), 1, "values"),
        (ADU, Evidence(StackFacts()), 1, "integers"),
        (ADU, Evidence(StackFacts("Siril")), 1, "integers"),
        (QUIET, Evidence(StackFacts(unit="adu", real_valued=True)), 1, "unit"),
        (ADU, Evidence(StackFacts(unit="electron", real_valued=True), egain=0.25), 4, "unit"),
        (SHARES, Evidence(REAL, usual_level=520.0), 65535, "frames"),
        (QUIET, Evidence(REAL, stated=1.0), 1, "stated"),
        (SHARES, Evidence(REAL, stated=4095.0), 4095, "stated"),
    ],
)
def test_a_scale_is_proved_by_the_best_evidence_there_is(
    values: Values, known: Evidence, adu_per_unit: float, basis: str
) -> None:
    found = decide_scale(values, known)
    assert (found.adu_per_unit, found.basis) == (adu_per_unit, basis)
    assert found.sentence


@pytest.mark.parametrize(
    ("values", "known", "told"),
    [
        (SHARES, Evidence(REAL), "state adu_per_unit: 1 if the file is in ADU, 65535 if 0 to 1"),
        (SHARES, Evidence(REAL, usual_level=9000.0), "nothing tells what they stand for"),
        (QUIET, Evidence(PIXINSIGHT), "nothing tells what they stand for"),
        (ADU, Evidence(StackFacts(unit="electron", real_valued=True)), "no gain in e-/ADU is known"),
        (QUIET, Evidence(StackFacts(unit="adu/s", real_valued=True), exposure_s=300.0), "state adu_per_unit 300"),
        (ADU, Evidence(StackFacts(unit="jy", real_valued=True)), "BUNIT = jy, which is not ADU"),
    ],
)
def test_without_a_proof_the_field_is_asked_for(values: Values, known: Evidence, told: str) -> None:
    with pytest.raises(ImagingError, match=told.replace("/", ".")) as caught:
        decide_scale(values, known)
    assert caught.value.reason == "no-scale"


@pytest.mark.parametrize(
    "known", [Evidence(SIRIL, stated=1.0), Evidence(StackFacts("PixInsight", unit="adu", real_valued=True))]
)
def test_shares_of_a_range_are_never_taken_as_adu(known: Evidence) -> None:
    with pytest.raises(ImagingError, match=r"shares of a range; state adu_per_unit") as caught:
        decide_scale(SHARES, known)
    assert caught.value.reason == "scale-contradiction"
