"""Which star indexes are there and what they cover."""

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from cdshealpix import nested

from pictor.astrometry.backends.protocol import Hints
from pictor.astrometry.catalogue import open_table, stars_around
from pictor.astrometry.indexes import check, damage_of, fitting, installed, near, sample_folder, sha256
from pictor.imaging.simulator.fields import star_table


@pytest.fixture
def sample() -> Path:
    folder = sample_folder()
    assert folder is not None
    return folder


def test_the_sample_index_is_identified(sample: Path) -> None:
    found = installed([sample])
    assert [(index.path.name, round(index.quad_low), round(index.quad_high), index.sample) for index in found] == [
        ("index-sample-05.fits", 11, 16, True), ("index-sample-06.fits", 16, 22, True),
    ]  # fmt: skip
    assert found[0].stars == len(star_table().ra_deg)


def test_the_sample_alone_covers_no_field_of_a_user(sample: Path) -> None:
    coverage = check([sample])
    assert coverage.sample_only
    assert coverage.covered_arcmin == ()
    assert 60 in coverage.gaps_arcmin


def test_an_empty_or_missing_folder_has_no_index(tmp_path: Path) -> None:
    assert installed([tmp_path, tmp_path / "missing"]) == ()
    assert check([tmp_path]).indexes == ()


def test_files_that_are_no_index_are_passed_over_and_broken_ones_named(tmp_path: Path, sample: Path) -> None:
    shutil.copy(sample / "stars.fits", tmp_path / "stars.fits")
    (tmp_path / "text.fits").write_text("no index", encoding="utf-8")
    coverage = check([tmp_path])
    assert coverage.indexes == ()
    assert [bad.path.name for bad in coverage.unusable] == ["text.fits"]


def test_an_index_cut_short_is_found_by_the_deep_check(tmp_path: Path, sample: Path) -> None:
    whole = (sample / "index-sample-05.fits").read_bytes()
    (tmp_path / "cut.fits").write_bytes(whole[: len(whole) * 2 // 3])
    assert len(check([tmp_path]).indexes) == 1
    deep = check([tmp_path], deep=True)
    assert deep.indexes == ()
    assert len(deep.unusable) == 1
    assert damage_of(sample / "index-sample-05.fits") is None


def test_big_endian_indexes_are_named_as_such(tmp_path: Path, sample: Path) -> None:
    whole = (sample / "index-sample-05.fits").read_bytes()
    (tmp_path / "big.fits").write_bytes(whole.replace(b"'04:03:02:01'", b"'01:02:03:04'"))
    assert "big-endian" in check([tmp_path]).unusable[0].reason


def test_only_indexes_of_the_fields_size_are_opened(sample: Path) -> None:
    found = installed([sample])
    assert len(fitting(found, Hints(scale_low=1.2, scale_high=1.5), 2500, 2000)) == 2
    assert fitting(found, Hints(scale_low=0.1, scale_high=0.12), 2500, 2000) == ()
    assert fitting(found, Hints(scale_low=60, scale_high=70), 6000, 4000) == ()
    assert fitting(found, Hints(), 2500, 2000) == found


def test_split_indexes_are_chosen_by_position(sample: Path) -> None:
    one = replace(installed([sample])[0], nside=2)
    where = SkyCoord(ra=[10.0, 100.0, 200.0, 314.0], dec=[-80.0, 5.0, 41.0, -20.0], unit="deg")
    cells = nested.lonlat_to_healpix(where.ra, where.dec, 1)
    for cell, ra, dec in zip(cells, where.ra.deg, where.dec.deg, strict=True):
        base, rest = divmod(int(cell), 4)
        x, y = (rest & 1), (rest >> 1)
        tiled = replace(one, healpix=base * 4 + x * 2 + y)
        assert near(tiled, (float(ra), float(dec)), 1.0)
        assert not near(tiled, ((float(ra) + 180) % 360, -float(dec)), 1.0)
    assert near(replace(one, nside=0), (0.0, 0.0), 1.0)


def test_the_catalogue_is_that_of_the_star_table(sample: Path) -> None:
    table = star_table()
    found = stars_around(installed([sample]), 314.75, 44.37, 0.5, most=10_000)
    apart = SkyCoord(314.75, 44.37, unit="deg").separation(SkyCoord(table.ra_deg, table.dec_deg, unit="deg")).deg
    expected = np.flatnonzero(apart <= 0.5)
    assert len(found.ra) == len(expected)
    assert np.all(np.diff(found.mag) >= 0)
    known = SkyCoord(table.ra_deg[expected], table.dec_deg[expected], unit="deg")
    nearest, misses, _ = SkyCoord(found.ra, found.dec, unit="deg").match_to_catalog_sky(known)
    print(f"{len(expected)} stars, largest difference {misses.mas.max():.3f} mas")
    assert len(set(nearest.tolist())) == len(expected)
    assert misses.arcsec.max() < 0.01
    assert np.allclose(found.mag, table.mag[expected][nearest], atol=1e-4)
    assert len(stars_around(installed([sample]), 314.75, 44.37, 0.5, most=7).ra) == 7


def test_no_stars_where_the_catalogue_has_none(sample: Path) -> None:
    assert len(stars_around(installed([sample]), 100.0, -70.0, 0.5, most=100).ra) == 0
    assert len(stars_around((), 100.0, -70.0, 0.5, most=100).ra) == 0


def test_a_cone_around_the_pole_or_the_whole_sky_is_nothing_special(sample: Path) -> None:
    index = installed([sample])[0]
    table = open_table(index.path, index.size)
    assert len(table.around(0.0, 90.0, 180.0).ra) == index.stars
    assert len(table.around(0.0, 90.0, 1.0).ra) == 0


def test_the_digest_is_that_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"stars" * 1_000_000)
    assert sha256(tmp_path / "a") == hashlib.sha256(b"stars" * 1_000_000).hexdigest()
