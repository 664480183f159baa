"""The linear planes of a colour picture in a FITS file, written some rows at a time."""

from pathlib import Path

import numpy as np

from pictor.imaging.calibration.planes import PlaneFile
from pictor.imaging.compositing.composing import Composite
from pictor.imaging.compositing.painting import strips
from pictor.imaging.fits.checksum import fold
from pictor.imaging.frame import Frame
from pictor.imaging.pixels import run_in_threads
from pictor.imaging.products import Provenance, product_header, write_whole


def write_cube(path: Path, picture: Composite, made: Provenance, *, overwrite: bool = False) -> None:
    """Write `Composite.cube` as `pictor.imaging.products.write_product` does; memory holds some rows of it.

    Parameters
    ----------
    path
        File to write, in a folder that exists.
    picture
        What is written: red, green and blue before the curve, with the world coordinates of the first frame.
    made
        What made it.
    overwrite
        Whether a file of that name may be replaced.

    Raises
    ------
    FileTakenError
        If a file of that name is there and ``overwrite`` is False.
    """
    header = product_header(
        Frame(np.zeros((3, 1, 1), np.float32), header=picture.cube_header(), unit=picture.unit), made
    )
    (rows, columns), (ny, nx) = picture.box, picture.shape
    parts = strips(rows)

    def write(part: Path) -> None:
        with PlaneFile(part, header, [("SCI", "f4")], (3, ny, nx)) as file:

            def put(first: int, last: int) -> None:
                for here in parts[first:last]:
                    for plane, values in enumerate(picture.painted.linear(here)[:, :, columns]):
                        native = np.ascontiguousarray(values, dtype=np.float32)
                        total = fold(int(native.view(np.uint32).sum(dtype=np.uint64)))
                        file.put(0, plane * ny + here.start - rows.start, native.byteswap(), total)

            run_in_threads(put, sorted({0, len(parts) // 2, len(parts)}))
            file.finish()

    write_whole(path, write, overwrite=overwrite)
