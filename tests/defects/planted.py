"""What goes wrong at a telescope, planted: each row a set of frames, which of them are bad, and how much.

Longer than a module should be, for it is one table: the guide prints it in this order.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tests.defects.observatory import (
    DARK_S,
    FLAT_S,
    LIGHT_E,
    SIDE,
    Detector,
    biases,
    dark_of_flats,
    darks,
    flats,
    in_use,
    lit,
    mote,
    usual,
)
from tests.defects.path import Shot, Taken

Rng = np.random.Generator
Plane = NDArray[np.float64]
Bad = Callable[[Rng, int], Shot]
Take = Callable[[Detector, int, Rng], Taken]

Y, X = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]


@dataclass(frozen=True)
class Row:
    """One defect: what it is, how large, in which of how many frames, and how its set is made."""

    defect: str
    size: str
    frames: int
    bad: tuple[int, ...]
    take: Callable[[Rng], Taken]

    @property
    def title(self) -> str:
        """Tell defect, size and number in a line."""
        return f"{self.defect}, {self.size}, {len(self.bad)} of {self.frames}"


def spoil(
    take: Take, count: int, bad: tuple[int, ...], make: Bad, *, at: Detector | None = None
) -> Callable[[Rng], Taken]:
    """Take honest frames and put bad ones in the places named."""

    def taken(rng: Rng) -> Taken:
        honest = take(at or usual(), count, rng)
        shots = [make(rng, i) if i in bad else shot for i, shot in enumerate(honest.shots)]
        return replace(honest, shots=shots, bad=frozenset(bad))

    return taken


ONE, HALF, LATE = (4,), (1, 3, 5, 7, 9), (5, 6, 7, 8, 9)
FIRST = (0,)


def added(kind: Take, pattern: Callable[[int], Plane | float]) -> Bad:
    """Expose as the others, with so many ADU more."""
    exposure_s = {darks: DARK_S, flats: FLAT_S}.get(kind, 0.0)
    light = LIGHT_E if kind is flats else 0.0

    def make(rng: Rng, i: int) -> Shot:
        pixels = usual().expose(rng, exposure_s, light) + np.asarray(pattern(i))
        shaken = np.floor(pixels + rng.random(pixels.shape))
        return Shot(np.clip(shaken, 0, 65535).astype(np.uint16))

    return make


def lit_darks(light: Callable[[int], Plane | float]) -> Bad:
    """Expose darks with light on them, in electrons."""
    return lambda rng, i: Shot(usual().expose(rng, DARK_S, light(i)))


def changed_flats(response: Callable[[int], Plane], *, level: float = LIGHT_E) -> Bad:
    """Expose flats behind changed optics."""
    return lambda rng, i: Shot(lit(usual(), usual().response * response(i)).expose(rng, FLAT_S, level))


def average(kind: Take, exposures: int, *, real: bool = False) -> Bad:
    """Save the mean of several exposures as one."""

    def make(rng: Rng, i: int) -> Shot:
        mean = np.mean([shot.pixels for shot in kind(usual(), exposures, rng).shots], axis=0, dtype=np.float64)
        return Shot(mean.astype(np.float32) if real else np.rint(mean).astype(np.uint16))

    return make


def transformed(kind: Take, change: Callable[[NDArray[np.uint16]], NDArray[np.uint16]], **cards: float) -> Bad:
    """Take an honest frame and damage it."""

    def make(rng: Rng, i: int) -> Shot:
        pixels = kind(usual(), 1, rng).shots[0].pixels
        return Shot(change(np.array(pixels, dtype=np.uint16)), cards)

    return make


def _zero_rows(count: int) -> Callable[[NDArray[np.uint16]], NDArray[np.uint16]]:
    def change(pixels: NDArray[np.uint16]) -> NDArray[np.uint16]:
        pixels[len(pixels) - count :] = 0
        return pixels

    return change


def _swapped(pixels: NDArray[np.uint16]) -> NDArray[np.uint16]:
    return pixels.reshape(SIDE // 2, 2, SIDE)[:, ::-1].reshape(SIDE, SIDE).copy()


def _flipped(pixels: NDArray[np.uint16]) -> NDArray[np.uint16]:
    return pixels[::-1, ::-1].copy()


def step(adu: float) -> Plane:
    """Return a step over the lower half."""
    return np.where(Y > 0, adu, 0.0)


def glow(adu: float) -> Plane:
    """Return the glow of an amplifier in a corner."""
    found: Plane = adu * np.exp(-((X - 1) ** 2 + (Y - 1) ** 2) / 0.1)
    return found


def leak(electrons: float) -> Plane:
    """Return light that comes in from one side."""
    found: Plane = electrons * (1 + X) / 2
    return found


def clouds(seed: int, depth: float) -> Plane:
    """Return sky seen through clouds, their mean 1."""
    rng = np.random.default_rng(seed)
    sky = np.zeros_like(X)
    for _ in range(4):
        kx, ky, phase = rng.uniform(-4, 4), rng.uniform(-4, 4), rng.uniform(0, 6.28)
        sky += np.sin(kx * X + ky * Y + phase)
    found: Plane = 1 + depth * sky / np.abs(sky).max()
    return found


def stars(rng: Rng, i: int, *, count: int, trail: int) -> Shot:
    """Expose the twilight sky with stars in it, each at another place, drawn out where nothing follows them."""
    sky = np.full((SIDE, SIDE), LIGHT_E)
    for _ in range(count):
        x0, y0, flux = rng.uniform(5, SIDE - 6), rng.uniform(5, SIDE - 6), 10 ** rng.uniform(4, 5.7)
        for k in range(max(1, trail)):
            gx, gy = np.arange(SIDE) - x0 - k, np.arange(SIDE) - y0
            sky += flux / max(1, trail) / (2 * np.pi * 2.25) * np.outer(np.exp(-(gy**2) / 4.5), np.exp(-(gx**2) / 4.5))
    return Shot(usual().expose(rng, FLAT_S, sky))


def column_onset(adu: float) -> Plane:
    """Return a column that has begun to glow."""
    pattern = np.zeros((SIDE, SIDE))
    pattern[:, 100] = adu
    return pattern


def rows_of_noise(seed: int, adu: float) -> Plane:
    """Return noise that is alike along each row."""
    return np.repeat(np.random.default_rng(seed).normal(0, adu, (SIDE, 1)), SIDE, axis=1)


def _ghost(i: int) -> Plane:
    """Return what a bright star burnt in leaves: half as much in each frame."""
    found: Plane = 200.0 * 0.5**i * np.exp(-((X - 0.3) ** 2 + (Y - 0.2) ** 2) / 0.02)
    return found


def _same(take: Take, change: Callable[[Taken, Rng], Taken]) -> Callable[[Rng], Taken]:
    return lambda rng: change(take(usual(), 10, rng), rng)


def _all_lit(electrons: float) -> Callable[[Rng], Taken]:
    """Take a whole set of darks with the dome light on."""

    def taken(rng: Rng) -> Taken:
        shots = [Shot(usual().expose(rng, DARK_S, electrons)) for _ in range(10)]
        return replace(darks(usual(), 10, rng), shots=shots, bad=frozenset(range(10)))

    return taken


def _all(take: Take, exposure_s: float, light: float = 0.0, **said: float) -> Callable[[Rng], Taken]:
    """Take a whole set of another kind than its header says."""

    def taken(rng: Rng) -> Taken:
        shots = [Shot(usual().expose(rng, exposure_s, light), said) for _ in range(10)]
        return replace(take(usual(), 10, rng), shots=shots, bad=frozenset(range(10)))

    return taken


def _beside(take: Take, make: Bad) -> Callable[[Rng], Taken]:
    """Spoil a whole set where an honest master is in use."""

    def taken(rng: Rng) -> Taken:
        honest = take(usual(), 10, rng)
        shots = [make(rng, i) for i in range(10)]
        return replace(honest, shots=shots, bad=frozenset(range(10)), active=in_use(take))

    return taken


def _forced(take: Take, make: Bad) -> Callable[[Rng], Taken]:
    """Spoil the first of two frames a person wants stacked all the same."""
    return lambda rng: replace(spoil(take, 2, FIRST, make)(rng), force=True)


def _bright_corner(rng: Rng) -> Taken:
    """Take flats so bright in one corner that it is full: what is told there must not be used."""
    at = lit(usual(), usual().response * np.where((X > 0.72) & (Y > 0.72), 5.0, 1.0))
    return replace(flats(at, 10, rng), dark=dark_of_flats(usual()), bad=frozenset(range(10)))


def _hits(places: dict[int, float]) -> Callable[[Rng], Taken]:
    """Hit the same 200 pixels in some of three darks."""

    def taken(rng: Rng) -> Taken:
        honest = darks(usual(), 3, rng)
        where = np.random.default_rng(5).choice(SIDE * SIDE, 200, replace=False)
        shots = list(honest.shots)
        for i, adu in places.items():
            pixels = np.array(shots[i].pixels)
            pixels.ravel()[where] = adu
            shots[i] = Shot(pixels)
        return replace(honest, shots=shots, bad=frozenset(places))

    return taken


def _dark_rows() -> Iterator[Row]:
    """List what spoils biases and darks: a table, a row a line, nothing to follow."""

    def row(defect: str, size: str, bad: tuple[int, ...], make: Bad, *, frames: int = 10, take: Take = darks) -> Row:
        return Row(defect, size, frames, bad, spoil(take, frames, bad, make))

    for adu in (1.0, 2.0, 4.0, 12.0):
        yield row(
            "half-frame step in a bias", f"{adu:g} ADU", ONE, added(biases, lambda _, a=adu: step(a)), take=biases
        )
    for frames in (3, 4):
        yield row(
            "half-frame step in a bias", "12 ADU", FIRST, added(biases, lambda _: step(12)), frames=frames, take=biases
        )
        yield row("step, two that agree", "12 ADU", (0, 1), added(biases, lambda _: step(12)), frames=4, take=biases)
        yield row("uniform light on a dark", "20 ADU", FIRST, lit_darks(lambda _: 30.0), frames=frames)
        yield row("hidden stack of 10, whole ADU", "noise / 3.2", FIRST, average(darks, 10), frames=frames)
        yield row("flat among darks", "30,000 e-", FIRST, lit_darks(lambda _: LIGHT_E), frames=frames)
        yield row("bias among darks", "6 e- less", FIRST, added(biases, lambda _: 0.0), frames=frames)
    yield row("step", "12 ADU", HALF, added(biases, lambda _: step(12)), take=biases)
    yield row("step", "2 ADU", HALF, added(biases, lambda _: step(2)), take=biases)
    for exposures in (2, 4, 10):
        yield row(
            f"hidden stack of {exposures}, whole ADU", f"noise / {exposures**0.5:.1f}", ONE, average(darks, exposures)
        )
    yield row("hidden stack of 10, real numbers", "noise / 3.2", ONE, average(darks, 10, real=True))
    yield row("hidden stack of 10, whole ADU", "noise / 3.2", HALF, average(darks, 10))
    yield row("light leak that grows", "to 15 e- at one side", tuple(range(10)), lit_darks(lambda i: leak(1.5 * i)))
    yield row("light leak that grows", "to 60 e- at one side", tuple(range(10)), lit_darks(lambda i: leak(6.0 * i)))
    yield row("light leak that grows", "to 300 e- at one side", tuple(range(10)), lit_darks(lambda i: leak(30.0 * i)))
    yield row("light leak from the middle of the night", "60 e- at one side", LATE, lit_darks(lambda _: leak(60.0)))
    yield row("light leak", "60 e- at one side", ONE, lit_darks(lambda _: leak(60.0)))
    yield row("amplifier glow changed", "40 ADU in a corner", ONE, added(darks, lambda _: glow(40)))
    yield row("amplifier glow changed", "4 ADU in a corner", ONE, added(darks, lambda _: glow(4)))
    yield row("amplifier glow changed", "4 ADU in a corner", LATE, added(darks, lambda _: glow(4)))
    yield row("dome light on during one dark", "300 e-", ONE, lit_darks(lambda _: 300.0))
    yield row("level jumps, nothing else", "1.5 ADU", LATE, added(biases, lambda _: 1.5), take=biases)
    yield row("level jumps, nothing else", "40 ADU", LATE, added(biases, lambda _: 40.0), take=biases)
    yield row("dome light on during half the darks", "300 e-", LATE, lit_darks(lambda _: 300.0))
    yield row("frame cut off, rows zero", "64 rows", ONE, transformed(darks, _zero_rows(64)))
    yield row("frame cut off, rows zero", "8 rows", ONE, transformed(darks, _zero_rows(8)))
    yield row("frame cut off, rows zero", "8 rows", FIRST, transformed(darks, _zero_rows(8)), frames=3)
    yield row("frame cut off, rows zero", "64 rows", FIRST, transformed(darks, _zero_rows(64)), frames=3)
    yield row("rows swapped in pairs", "every row", ONE, transformed(darks, _swapped))
    yield row("turned by 180 degrees", "all", ONE, transformed(darks, _flipped))
    yield row(
        "wrong gain in the header",
        "noise x 3",
        ONE,
        lambda rng, _: Shot(replace(usual(), egain=0.5).expose(rng, DARK_S)),
    )
    yield row(
        "readout mode switched",
        "noise x 1.6, pattern",
        ONE,
        lambda rng, _: Shot(replace(usual(), read_noise_e=10.0, bias=usual().bias[::-1]).expose(rng, DARK_S)),
    )
    yield row(
        "readout mode switched",
        "noise x 1.6, pattern",
        LATE,
        lambda rng, _: Shot(replace(usual(), read_noise_e=10.0, bias=usual().bias[::-1]).expose(rng, DARK_S)),
    )
    yield row("row noise", "4 ADU, as the pixels", ONE, added(darks, lambda i: rows_of_noise(i, 4.0)))
    yield row("row noise", "12 ADU", ONE, added(darks, lambda i: rows_of_noise(i, 12.0)))
    yield row("row noise", "12 ADU", HALF, added(darks, lambda i: rows_of_noise(i, 12.0)))
    yield row("column begins to glow", "8 ADU", LATE, added(darks, lambda _: column_onset(8)))
    yield row("column begins to glow", "60 ADU", LATE, added(darks, lambda _: column_onset(60)))
    yield row("residual image of a bright star", "200 ADU, halved each frame", (0, 1, 2), added(darks, _ghost))
    yield row("exposure mislabelled", "600 s for 60 s", ONE, lambda rng, _: Shot(usual().expose(rng, 600.0)))
    yield row("exposure mislabelled", "90 s for 60 s", ONE, lambda rng, _: Shot(usual().expose(rng, 90.0)))
    yield row("dark labelled bias", "60 s", ONE, lambda rng, _: Shot(usual().expose(rng, DARK_S)), take=biases)
    yield row("bias labelled dark", "0 s", ONE, lambda rng, _: Shot(usual().expose(rng)))
    yield row("flat labelled dark", "30,000 e-", ONE, lit_darks(lambda _: LIGHT_E))
    yield row(
        "cooler drifts within 0.5 C",
        "dark current + 6 %",
        tuple(range(10)),
        lambda rng, i: Shot(replace(usual(), dark_rate=usual().dark_rate * (0.97 + 0.006 * i)).expose(rng, DARK_S)),
    )
    yield Row("hits in the same pixels", "50,000 ADU, alike", 3, (0, 1), _hits({0: 50_000, 1: 50_000}))
    yield Row("hits in the same pixels", "50,000 and 20,000 ADU", 3, (0, 1), _hits({0: 50_000, 1: 20_000}))
    yield Row("dome light on, all darks", "300 e-", 10, tuple(range(10)), _all_lit(300.0))
    yield Row(
        "dome light on, all darks, a master in use",
        "300 e-",
        10,
        tuple(range(10)),
        _beside(darks, lit_darks(lambda _: 300.0)),
    )
    yield Row(
        "dome light on, all darks, a dark of 2 s in use",
        "300 e-",
        10,
        tuple(range(10)),
        lambda rng: replace(_all_lit(300.0)(rng), expected_level=504.0),
    )
    yield Row(
        "biases labelled darks, all, a master in use",
        "0 s",
        10,
        tuple(range(10)),
        _beside(darks, lambda rng, _: Shot(usual().expose(rng))),
    )
    yield Row(
        "amplifier glow changed, all, a master in use",
        "4 ADU in a corner",
        10,
        tuple(range(10)),
        _beside(darks, added(darks, lambda _: glow(4))),
    )
    yield Row("step, forced", "12 ADU", 2, FIRST, _forced(biases, added(biases, lambda _: step(12))))
    yield Row("uniform light on a dark, forced", "20 ADU", 2, FIRST, _forced(darks, lit_darks(lambda _: 30.0)))
    yield row("cosmic rays", "in each, of three", (), added(darks, lambda _: 0.0), frames=3)
    yield Row("flats labelled darks, all", "60,000 e-", 10, tuple(range(10)), _all(darks, DARK_S, 60_000.0))
    yield Row("biases labelled darks, all", "0 s", 10, tuple(range(10)), _all(darks, 0.0))
    yield Row(
        "darks labelled biases, all", "60 s, exposure told", 10, tuple(range(10)), _all(biases, DARK_S, EXPTIME=60.0)
    )
    yield Row("darks labelled biases, all", "60 s, not told", 10, tuple(range(10)), _all(biases, DARK_S))


def _flat_rows() -> Iterator[Row]:
    """List what spoils flats: a table, a row a line, nothing to follow."""

    def row(defect: str, size: str, bad: tuple[int, ...], make: Bad, *, frames: int = 10) -> Row:
        return Row(defect, size, frames, bad, spoil(flats, frames, bad, make))

    yield row("lamp off", "no light", HALF, lambda rng, _: Shot(usual().expose(rng, FLAT_S)))
    yield row("lamp off", "no light", ONE, lambda rng, _: Shot(usual().expose(rng, FLAT_S)))
    yield row("light labelled flat", "sky 200 e-", ONE, lambda rng, _: Shot(usual().expose(rng, FLAT_S, 200.0)))
    for depth, bad in ((0.002, ONE), (0.01, ONE), (0.05, ONE), (0.01, LATE), (0.05, tuple(range(10)))):
        yield row("clouds in sky flats", f"{100 * depth:g} %", bad, changed_flats(lambda i, d=depth: clouds(i, d)))
    yield row("clouds in sky flats", "5 %", FIRST, changed_flats(lambda i: clouds(i, 0.05)), frames=3)
    yield row(
        "stars in twilight flats", "20 in each", tuple(range(10)), lambda rng, i: stars(rng, i, count=20, trail=0)
    )
    yield row(
        "star trails in twilight flats", "3 in each", tuple(range(10)), lambda rng, i: stars(rng, i, count=3, trail=40)
    )
    yield row(
        "star trails in twilight flats",
        "10 in each",
        tuple(range(10)),
        lambda rng, i: stars(rng, i, count=10, trail=40),
    )
    yield row(
        "star trails in twilight flats",
        "10 in each",
        (0, 1, 2),
        lambda rng, i: stars(rng, i, count=10, trail=40),
        frames=3,
    )
    yield row("shutter gradient", "2 % from side to side", ONE, changed_flats(lambda _: 1 + 0.01 * X))
    yield row("shutter gradient", "8 % from side to side", ONE, changed_flats(lambda _: 1 + 0.04 * X))
    yield row("shutter gradient", "2 % from side to side", LATE, changed_flats(lambda _: 1 + 0.01 * X))
    yield row("shutter gradient", "8 % from side to side", tuple(range(10)), changed_flats(lambda _: 1 + 0.04 * X))
    yield row("filter mislabelled", "vignetting 4 % else", ONE, changed_flats(lambda _: 1 - 0.04 * (X**2 + Y**2)))
    yield row(
        "filter mislabelled", "vignetting 4 % else", tuple(range(10)), changed_flats(lambda _: 1 - 0.04 * (X**2 + Y**2))
    )
    yield row("motes moved", "3 %", ONE, changed_flats(lambda _: 1 - 0.03 * mote(SIDE, 0.2, 0.4)))
    yield row("motes moved", "3 %", LATE, changed_flats(lambda _: 1 - 0.03 * mote(SIDE, 0.2, 0.4)))
    yield row("motes moved", "1 %", LATE, changed_flats(lambda _: 1 - 0.01 * mote(SIDE, 0.2, 0.4)))
    yield row("motes moved", "3 %", FIRST, changed_flats(lambda _: 1 - 0.03 * mote(SIDE, 0.2, 0.4)), frames=3)
    yield row(
        "sensor frosting",
        "to 4 % in the middle",
        tuple(range(10)),
        changed_flats(lambda i: 1 - 0.004 * i * np.exp(-(X**2 + Y**2) / 0.3)),
    )
    yield row("camera turned by 180 degrees", "all", ONE, transformed(flats, _flipped))
    yield row("camera turned by 180 degrees", "all", LATE, transformed(flats, _flipped))
    yield row(
        "corner saturated", "2 % of pixels", ONE, changed_flats(lambda _: np.where((X > 0.72) & (Y > 0.72), 5.0, 1.0))
    )
    yield Row("corner saturated", "2 % of pixels", 10, tuple(range(10)), _bright_corner)
    yield Row(
        "shutter gradient, a master in use",
        "2 % from side to side",
        10,
        tuple(range(10)),
        _beside(flats, changed_flats(lambda _: 1 + 0.01 * X)),
    )
    yield Row(
        "filter mislabelled, a master in use",
        "vignetting 4 % else",
        10,
        tuple(range(10)),
        _beside(flats, changed_flats(lambda _: 1 - 0.04 * (X**2 + Y**2))),
    )
    yield row(
        "wrong gain in the header",
        "noise x 1.7",
        ONE,
        lambda rng, _: Shot(replace(usual(), egain=0.5).expose(rng, FLAT_S, LIGHT_E / 3)),
    )
    yield row(
        "dome light on besides the panel",
        "20 % unvignetted",
        ONE,
        lambda rng, _: Shot(usual().expose(rng, FLAT_S, LIGHT_E, extra_e=6000.0 * (1 + 0.3 * X))),
    )
    yield row("hidden stack of 10, whole ADU", "noise / 3.2", ONE, average(flats, 10))
    yield row("frame cut off, rows zero", "8 rows", ONE, transformed(flats, _zero_rows(8)))
    yield row("frame cut off, rows zero", "64 rows", ONE, transformed(flats, _zero_rows(64)))


NOT_CAUGHT = frozenset({
    ("dome light on, all darks", "300 e-"), ("biases labelled darks, all", "0 s"),
    ("darks labelled biases, all", "60 s, not told"), ("shutter gradient", "8 % from side to side"),
    ("filter mislabelled", "vignetting 4 % else"),
})  # fmt: skip
"""Whole first sets in which every frame shows the same wrong thing, and no master or header tells otherwise."""


def hopeless(row: Row) -> bool:
    """Tell whether nothing at hand can show that a set is wrong."""
    return (row.defect, row.size) in NOT_CAUGHT and len(row.bad) == row.frames


def rows() -> list[Row]:
    """Return every planted defect."""
    return [*_dark_rows(), *_flat_rows()]
