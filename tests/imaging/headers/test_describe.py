"""What real headers of each capture program say, in Pictor's vocabulary."""

from pictor.imaging.fits.cards import Card
from pictor.imaging.headers.admission import admission
from pictor.imaging.headers.describe import describe


def cards(**values: str | float | bool | None) -> list[Card]:
    return [Card(keyword.replace("_", "-"), value) for keyword, value in values.items()]


def test_an_unknown_frame_type_is_not_guessed_to_be_light() -> None:
    found = describe(cards(IMAGETYP="Something", EXPTIME=30.0, NAXIS1=100, NAXIS2=100))
    assert found.frame_type == "unknown"
    assert [problem.reason for problem in admission(found)] == ["unknown-frame-type"]


def test_a_nina_light_is_described() -> None:
    header = cards(SWCREATE="N.I.N.A. 3.2", IMAGETYP="LIGHT", EXPOSURE=30.0, EXPTIME=30.0, GAIN=120, EGAIN=1.002)
    found = describe(header)
    assert (found.program, found.frame_type, found.gain_setting, found.egain) == ("nina", "light", 120, 1.002)
    assert found.provenance["gain_setting"].rule == "nina/1/gain_setting"
