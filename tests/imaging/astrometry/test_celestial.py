"""World coordinates of any projection, against astropy itself, and headers made to do harm."""

import random
import subprocess
import sys

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from pictor.imaging.astrometry.cards import cards_of
from pictor.imaging.astrometry.celestial import Gnomonic, Library, astropy_wcs, read_celestial
from tests.support.starfields import SIP3, projection

SHAPE = (800, 1000)
KINDS = ("TAN", "SIN", "STG", "ARC", "ZEA", "CAR", "CEA", "MER", "SFL", "AIT")
HOSTILE = 200
"""Headers in the attack."""


def header(first: str = "RA---ZEA", second: str = "DEC--ZEA", **more: float | str) -> fits.Header:
    ra_first = first[:2] in {"RA", "GL"} and not first.startswith("GLAT")
    values = (83.8, -5.4) if ra_first else (-5.4, 83.8)
    made = {
        "CTYPE1": first, "CTYPE2": second, "CRVAL1": values[0], "CRVAL2": values[1], "CRPIX1": 500.0, "CRPIX2": 400.0,
        "CD1_1": -3e-4, "CD1_2": 1e-5, "CD2_1": 1.2e-5, "CD2_2": 3.1e-4,
    }  # fmt: skip
    return fits.Header(made | more)


def grid() -> tuple[np.ndarray, np.ndarray]:
    x, y = np.meshgrid(np.linspace(1, SHAPE[1], 9), np.linspace(1, SHAPE[0], 9))
    return x.ravel(), y.ravel()


def check_against_astropy(made: fits.Header) -> float:
    """Compare with astropy's own reading; return the largest error there and back, in pixels."""
    seen = read_celestial(made)
    assert seen is not None
    x, y = grid()
    ra, dec = seen.sky(x, y)
    theirs = WCS(made).pixel_to_world(x - 1, y - 1).icrs
    apart = np.hypot((ra - theirs.ra.deg) * np.cos(np.radians(dec)), dec - theirs.dec.deg)
    back = seen.pixels(ra, dec)
    return max(float(np.max(apart)) / 3e-4, float(np.max(np.hypot(back[0] - x, back[1] - y))))


@pytest.mark.parametrize("kind", KINDS)
def test_every_projection_agrees_with_astropy(kind: str) -> None:
    made = header(f"RA---{kind}", f"DEC--{kind}")
    worst = check_against_astropy(made)
    print(f"{kind}: {worst:.1e} px")
    assert worst < 1e-6


def test_swapped_axes_galactic_axes_and_distortions_agree_with_astropy() -> None:
    odd = [
        header("DEC--STG", "RA---STG"),
        header("GLON-CAR", "GLAT-CAR"),
        header("RA---TPV", "DEC--TPV", PV1_1=1.0, PV2_1=1.0, PV1_4=2e-3, PV2_7=-1e-3),
        header("RA---TAN", "DEC--TAN", LONPOLE=170.0),
    ]
    assert max(check_against_astropy(made) for made in odd) < 1e-6


def test_our_own_projections_agree_with_astropy_with_and_without_distortion() -> None:
    for sip in (None, SIP3):
        truth = projection(size=(3000, 2000), sip=sip)
        made = fits.Header(list(cards_of(truth.wcs, (2000, 3000))))
        assert isinstance(read_celestial(made), Gnomonic)
        assert check_against_astropy(made) < 1e-6


def test_a_tpv_without_terms_is_gnomonic() -> None:
    bare, plain = read_celestial(header("RA---TPV", "DEC--TPV")), read_celestial(header("RA---TAN", "DEC--TAN"))
    assert bare is not None
    assert plain is not None
    assert np.allclose(bare.sky(*grid()), plain.sky(*grid()), atol=1e-10)


def test_shapes_of_arrays_are_kept() -> None:
    seen = read_celestial(header())
    assert isinstance(seen, Library)
    ra, dec = seen.sky(np.ones((3, 4)), np.ones((3, 4)))
    assert ra.shape == dec.shape == (3, 4)
    assert seen.pixels(ra, dec)[0].shape == (3, 4)


@pytest.mark.parametrize(
    "broken",
    [
        {"CTYPE1": "RA---TAB", "CTYPE2": "DEC--TAB"},
        {"CTYPE2": "DEC--ARC"},
        {"CTYPE2": "RA---ZEA"},
        {"CUNIT1": "arcsec"},
        {"CRVAL1": "none"},
        {"CRPIX1": 1e300},
        {"CD1_1": 0.0, "CD1_2": 0.0},
        {"PV2_1": "x"},
        {"RADESYS": "GEOCENTRIC"},
        {"EQUINOX": 1e9},
        {"LONPOLE": "180"[:0]},
    ],
)
def test_coordinates_that_cannot_be_computed_are_none(broken: dict[str, float | str]) -> None:
    assert read_celestial(header(**broken)) is None
    assert astropy_wcs(header(**broken)) is None


def test_a_header_without_coordinates_has_none() -> None:
    assert read_celestial(fits.Header()) is None
    assert read_celestial({}) is None


def random_header(chance: random.Random) -> dict[str, float | str]:
    """Cards of coordinates with anything in them."""
    codes = [*KINDS, "TPV", "ZPN", "AZP", "SZP", "COP", "BON", "HPX", "TAB", "TAN-SIP", "XXX", ""]
    code = chance.choice(codes)
    made: dict[str, float | str] = {"CTYPE1": f"RA---{code}", "CTYPE2": f"DEC--{chance.choice([code, code, 'TAN'])}"}
    values = (0.0, 1.0, -1.0, 90.0, 1e-30, -1e30, 1e308, 3.7, "nan", "A" * 70, "'", 2.0**31, 359.9, 45.0)
    names = ["CRVAL1", "CRVAL2", "CRPIX1", "CRPIX2", "CD1_1", "CD1_2", "CD2_1", "CD2_2", "CDELT1", "CDELT2", "CROTA2"]
    made |= {name: chance.choice(values) for name in names if chance.random() < 0.9}
    if chance.random() < 0.7:
        made |= {name: chance.uniform(-90, 90) for name in names[:8]}
    more = ["LONPOLE", "LATPOLE", "EQUINOX", "RADESYS", "WCSAXES", "A_ORDER", "B_ORDER", "A_2_0", "NAXIS", "CUNIT1"]
    more += [f"PV{axis}_{term}" for axis in (1, 2, 3) for term in (0, 1, 2, 3, 4, 5, 9, 20, 29, 30, 39, 40, 99)]
    more += ["PS1_0", "PS2_0", "CPDIS1", "DP1", "D2IMDIS1", "WCSNAMEA", "CTYPE1A", "CTYPE3", "CNAME1", "PC001001"]
    return made | {name: chance.choice(values) for name in chance.sample(more, chance.randrange(12))}


def test_no_header_harms_the_process() -> None:
    """In a process of its own: the library it is for writes beyond its buffers."""
    code = (
        "import random, warnings, numpy as np\n"
        "from astropy.io import fits\n"
        "from pictor.imaging.astrometry.celestial import read_celestial\n"
        "from tests.imaging.astrometry.test_celestial import HOSTILE, random_header\n"
        "warnings.simplefilter('ignore')\n"
        "chance, read = random.Random(7), 0\n"
        "for _ in range(HOSTILE):\n"
        "    seen = read_celestial(random_header(chance))\n"
        "    read += seen is not None\n"
        "    if seen is not None:\n"
        "        seen.pixels(*seen.sky(np.linspace(-1e3, 1e4, 50), np.linspace(-1e3, 1e4, 50)))\n"
        "print('read', read)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    print(f"{HOSTILE} headers: {done.stdout.strip()}")
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout.split()[-1]) > 10
