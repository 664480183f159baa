"""World coordinates of frames in files."""

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np

from pictor.cli.client import CommandError
from pictor.cli.stages.running import Told, checked, each, finite
from pictor.imaging.astrometry.celestial import Celestial, Gnomonic, read_celestial
from pictor.imaging.astrometry.geometry import SkyPoint, separation
from pictor.imaging.astrometry.pointing import north_up, offset
from pictor.imaging.errors import ImagingError
from pictor.imaging.fits.prescan import prescan_file
from pictor.imaging.fits.reading import image_of, read_header
from pictor.imaging.fits.unpack import unpack
from pictor.imaging.headers.targets import Target, find_target
from pictor.imaging.headers.values import number
from pictor.imaging.scratch import scratch_folder


def main(files: Sequence[Path], sky: Sequence[str], pixel: Sequence[str], *, json: bool) -> int:
    """Read every frame; 0: all read, 1: one has no coordinates, 2: the call was wrong."""

    def run() -> int:
        work = partial(_one, sky=[_target(text) for text in sky], pixel=[_pixel(text) for text in pixel])
        return each(files, work, label="wcs", say=_text, json=json)

    return checked(run)


def _target(text: str) -> Target:
    try:
        return find_target(text)
    except ImagingError as error:
        raise CommandError(str(error), 2) from error


def _pixel(text: str) -> tuple[float, float]:
    x, y = ([number(part) for part in text.replace(",", " ").split()] + [None, None])[:2]
    if x is None or y is None:
        raise CommandError(f"{text!r} is no pixel; write 'X, Y', counted from 1", 2)
    return x, y


def _one(path: Path, *, sky: Sequence[Target], pixel: Sequence[tuple[float, float]]) -> Told:
    with scratch_folder() as scratch:
        plain = unpack(path, scratch).path
        header, shape = read_header(plain), image_of(prescan_file(plain)).shape[-2:]
    seen = read_celestial(header)
    if seen is None:
        raise ImagingError("the header holds no world coordinates; pictor solve finds them", reason="no-wcs")
    told: Told = finite(describe_grid(seen, (shape[0], shape[1])))
    told["projection"] = f"{str(header.get('CTYPE1', '')).strip()} {str(header.get('CTYPE2', '')).strip()}"
    told["pixels"] = [_seen_at(seen, target, (shape[0], shape[1])) for target in sky]
    told["positions"] = [
        {"x": x, "y": y, **dict(zip(("ra_deg", "dec_deg"), _sky(seen, x, y), strict=True))} for x, y in pixel
    ]
    found: Told = finite(told)
    return found


def describe_grid(seen: Celestial, shape: tuple[int, int]) -> Told:
    """Tell centre, scale, angle, parity, field and corners of a frame, measured on its pixels.

    Raises
    ------
    ImagingError
        If a part of the frame sees no sky.
    """
    height, width = shape
    x, y = (width + 1) / 2, (height + 1) / 2
    grid, upright = north_up(seen, shape)
    centre = _sky(seen, x, y)
    up, right = offset(centre, _sky(seen, x, y + 1)), offset(centre, _sky(seen, x + 1, y))
    turn = (right.pa_deg - up.pa_deg) % 360.0
    return {
        "width": width,
        "height": height,
        "ra_deg": centre[0],
        "dec_deg": centre[1],
        "scale_arcsec": 3600 * grid.cd[1][1],
        "pa_deg": up.pa_deg,
        "parity": 1 if turn > 180 else -1,
        "width_deg": separation(_sky(seen, 0.5, y), _sky(seen, width + 0.5, y)),
        "height_deg": separation(_sky(seen, x, 0.5), _sky(seen, x, height + 0.5)),
        "corners": [_sky(seen, *at) for at in _corners(width, height)],
        "sip_order": seen.wcs.sip.order if isinstance(seen, Gnomonic) and seen.wcs.sip else 0,
        "north_up": {"wcs": asdict(grid), "width": upright[1], "height": upright[0]},
    }


def _corners(width: int, height: int) -> list[tuple[float, float]]:
    right, top = width + 0.5, height + 0.5
    return [(0.5, 0.5), (right, 0.5), (right, top), (0.5, top)]


def _sky(seen: Celestial, x: float, y: float) -> SkyPoint:
    ra, dec = seen.sky(np.array([x]), np.array([y]))
    return float(ra[0]), float(dec[0])


def _seen_at(seen: Celestial, target: Target, shape: tuple[int, int]) -> Told:
    x, y = seen.pixels(np.array([target.ra_deg]), np.array([target.dec_deg]))
    there = (float(x[0]), float(y[0]))
    inside = 0.5 <= there[0] <= shape[1] + 0.5 and 0.5 <= there[1] <= shape[0] + 0.5
    return {
        "name": target.name,
        "ra_deg": target.ra_deg,
        "dec_deg": target.dec_deg,
        "x": there[0],
        "y": there[1],
        "on_frame": inside,
    }


def _text(told: Told) -> str:
    mirrored = "" if told["parity"] > 0 else ", mirrored as stored"
    head = (
        f"{told['input']}: {told['projection']}, centre {told['ra_deg']:.6f} {told['dec_deg']:+.6f}, "
        f"{told['scale_arcsec']:.4f} arcsec/px, up at {told['pa_deg']:.3f} deg{mirrored}, "
        f"{60 * told['width_deg']:.2f} x {60 * told['height_deg']:.2f} arcmin"
    )
    lines = [head, *(f"  corner {ra:.6f} {dec:+.6f}" for ra, dec in told["corners"])]
    for one in told["pixels"]:
        place = "is not on the frame" if not one["on_frame"] else f"is at pixel {one['x']:.3f} {one['y']:.3f}"
        lines.append(f"  {one['name']} {one['ra_deg']:.6f} {one['dec_deg']:+.6f} {place}".replace("   ", "  "))
    lines += [
        f"  pixel {one['x']:.3f} {one['y']:.3f} sees "
        + ("nothing" if one["ra_deg"] is None else f"{one['ra_deg']:.6f} {one['dec_deg']:+.6f}")
        for one in told["positions"]
    ]
    return "\n".join(lines)
