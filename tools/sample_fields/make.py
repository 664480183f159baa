"""Cut the star table and the star index of the sample fields out of a Tycho-2 index file.

Run as ``python tools/sample_fields/make.py INDEX_FILE``; README.md says where the file comes from.
"""

import argparse
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import Table

from pictor.imaging.simulator.fields import DATA, FIELDS, INDEX_PRESETS, index_name
from pictor.imaging.simulator.sky import separation_deg

FIRST_INDEX_ID = 17000


def read_stars(index_file: Path) -> Table:
    """Read position and magnitude of every star of an astrometry.net index file.

    The kd-tree tables hold little-endian bytes that the FITS reader would swap: they are read as bytes.
    """
    content = index_file.read_bytes()
    with fits.open(index_file, memmap=False) as hdus:
        tables = {hdu.columns.names[0]: hdu for hdu in hdus[1:]}
        magnitude = np.asarray(tables["MAG_VT"].data["MAG_VT"], dtype=np.float32)
        raw = {}
        for name in ("kdtree_range_stars", "kdtree_data_stars"):
            start = tables[name].fileinfo()["datLoc"]
            size = tables[name].header["NAXIS1"] * tables[name].header["NAXIS2"]
            raw[name] = content[start : start + size]
    limits = np.frombuffer(raw["kdtree_range_stars"], dtype="<f8")
    xyz = limits[:3] + np.frombuffer(raw["kdtree_data_stars"], dtype="<u4").reshape(-1, 3) / limits[6]
    ra = np.degrees(np.arctan2(xyz[:, 1], xyz[:, 0])) % 360.0
    return Table({"RA": ra, "DEC": np.degrees(np.arcsin(xyz[:, 2])), "MAG": magnitude})


def cut_fields(stars: Table) -> Table:
    """Keep the stars of the sample fields, brightest first."""
    inside = np.zeros(len(stars), dtype=bool)
    for field in FIELDS.values():
        distance = separation_deg(field.ra_deg, field.dec_deg, stars["RA"], stars["DEC"])
        inside |= distance <= field.radius_deg
        print(f"{field.name}: {np.count_nonzero(distance <= field.radius_deg)} stars")
    cut = stars[inside]
    cut.sort("MAG")
    return cut


def main() -> None:
    """Write the table and one index per preset into the package data folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("index_file", type=Path)
    stars = cut_fields(read_stars(parser.parse_args().index_file))
    DATA.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        table = Path(scratch) / "stars.fits"
        stars.write(table)
        for preset in INDEX_PRESETS:
            made = Path(scratch) / index_name(preset)
            command = ["build-astrometry-index", "-i", str(table), "-o", str(made), "-P", str(preset), "-S", "MAG"]
            subprocess.run([*command, "-E", "-I", str(FIRST_INDEX_ID + preset), "-t", scratch], check=True)
            shutil.copy(made, DATA / made.name)
        stars["RA"].unit = stars["DEC"].unit = "deg"
        stars.meta["COMMENT"] = ["Tycho-2 positions (ICRS) and VT magnitudes; see LICENSE-tycho2.txt"]
        stars.write(DATA / "stars.fits", overwrite=True)


if __name__ == "__main__":
    main()
