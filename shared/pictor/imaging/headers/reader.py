"""Read fields from cards through an alias table, remembering where each came from."""

from collections.abc import Callable, Iterable

from pictor.imaging.fits.cards import COMMENTARY, Card, CardValue
from pictor.imaging.headers.description import Provenance
from pictor.imaging.headers.programs import Alias, Program, recognise
from pictor.imaging.headers.values import angle, is_sexagesimal, number

RANGES: dict[str, tuple[float, float]] = {
    "exposure_s": (0, 864_000),
    "gain_setting": (0, 1e6),
    "offset_setting": (-1e6, 1e6),
    "egain": (1e-4, 1e4),
    "set_temp_c": (-273.15, 100),
    "ccd_temp_c": (-273.15, 100),
    "binning_x": (1, 64),
    "binning_y": (1, 64),
    "pixel_um": (0.1, 1000),
    "focal_mm": (1, 1e6),
    "aperture_mm": (1, 1e5),
    "ra_deg": (0, 360),
    "dec_deg": (-90, 90),
    "target_ra_deg": (0, 360),
    "target_dec_deg": (-90, 90),
    "planned_pa_deg": (-360, 720),
    "rotator_deg": (-360, 720),
    "site_latitude_deg": (-90, 90),
    "site_longitude_deg": (-360, 360),
    "site_elevation_m": (-500, 9000),
    "saturation_adu": (1, 1e12),
    "n_combined": (1, 1e6),
    "equinox": (1800, 2200),
}
"""Plausible values; what lies outside is reported and not used."""

_ZERO_IS_UNKNOWN = frozenset(
    {"pixel_um", "focal_mm", "aperture_mm", "egain", "saturation_adu", "binning_x", "binning_y"} | {"n_combined"}
)
_MAX_TEXT = 200

Convert = Callable[[CardValue, Alias], object]
"""Turns a card's value into a field's; None if it cannot."""


class Reader:
    """The cards of one header with the table of the program that wrote them."""

    def __init__(self, cards: Iterable[Card]) -> None:
        self.index: dict[str, list[Card]] = {}
        for card in cards:
            if card.keyword not in COMMENTARY:
                self.index.setdefault(card.keyword, []).append(card)
        self.program: Program = recognise(self.index)
        self.provenance: dict[str, Provenance] = {}
        self.warnings: list[str] = []
        self.alias: dict[str, Alias] = {}

    def warn(self, sentence: str) -> None:
        """Note something a person should know."""
        if sentence not in self.warnings:
            self.warnings.append(sentence)

    def infer(self, field: str, value: CardValue, rule: str) -> None:
        """Note a value that no single card holds."""
        self.provenance[field] = Provenance(value, "", rule)

    def raw(self, keyword: str) -> CardValue:
        """First value of a keyword, None if absent or a null word."""
        return next((card.value for card in self.index.get(keyword, ()) if self._usable(card.value)), None)

    def read(self, field: str, convert: Convert) -> object:
        """Give a field from the first usable card, converted; None if there is none."""
        for alias in self.program.fields.get(field, ()):
            for card in self.index.get(alias.keyword, ()):
                value = self._convert(field, alias, card, convert)
                if value is not None:
                    self.provenance[field] = Provenance(card.value, alias.keyword, self.program.rule(field))
                    self.alias[field] = alias
                    self._check_duplicates(alias.keyword)
                    return value
        return None

    def number(self, field: str) -> float | None:
        """Read a field that is a number."""
        found = self.read(field, _to_number)
        return found if isinstance(found, float) else None

    def integer(self, field: str) -> int | None:
        """Read a field that is a whole number."""
        found = self.number(field)
        return None if found is None else round(found)

    def text(self, field: str) -> str | None:
        """Read a field that is text, cut to 200 characters."""
        found = self.read(field, _to_text)
        return found if isinstance(found, str) else None

    def angle(self, field: str) -> float | None:
        """Read an angle that counts degrees."""
        found = self.read(field, _to_degrees)
        return found if isinstance(found, float) else None

    def right_ascension(self, field: str) -> float | None:
        """Read a right ascension: text in hours, numbers in degrees unless the table says otherwise."""
        found = self.read(field, _to_right_ascension)
        return found if isinstance(found, float) else None

    def _convert(self, field: str, alias: Alias, card: Card, convert: Convert) -> object:
        if not alias.applies(card) or not self._usable(card.value):
            return None
        raw = card.value
        if alias.part is not None:
            words = str(raw).replace(",", " ").split()
            raw = words[alias.part] if alias.part < len(words) else None
        value = convert(raw, alias)
        if isinstance(value, float):
            if value in alias.unusable or (value == 0 and field in _ZERO_IS_UNKNOWN):
                return None
            value = value * alias.scale + alias.add
            least, most = RANGES.get(field, (-1e300, 1e300))
            value = value if least <= value <= most else None
        if value is None and field != "frame_type":
            self.warn(f"{alias.keyword} is {str(card.value)[:40]!r}, which gives no {field}")
        return value

    def _usable(self, value: CardValue) -> bool:
        if isinstance(value, str):
            return value.strip().upper() not in self.program.null_words
        return value is not None

    def _check_duplicates(self, keyword: str) -> None:
        values = {repr(card.value) for card in self.index[keyword]}
        if len(values) > 1:
            self.warn(f"{keyword} stands {len(self.index[keyword])} times with different values; the first counts")


def _to_number(value: CardValue, _alias: Alias) -> float | None:
    return number(value)


def _to_text(value: CardValue, _alias: Alias) -> str | None:
    if isinstance(value, bool):
        return None
    text = " ".join(str(value).split())
    return text[:_MAX_TEXT] or None


def _to_degrees(value: CardValue, _alias: Alias) -> float | None:
    return angle(value, hours=False)


def _to_right_ascension(value: CardValue, alias: Alias) -> float | None:
    return angle(value, hours=alias.hours or is_sexagesimal(value))
