"""Rows from the scripts that measure one stage each; they print JSON lines of their own and run alone too."""

import json
from collections.abc import Iterator
from typing import Any

from bench.clock import ROOT, output_of
from bench.rows import Bound, Of, Row


def lines(interpreter: str, script: str, *arguments: str) -> Iterator[dict[str, Any]]:
    """Run a script and yield what it found."""
    for line in output_of([interpreter, str(ROOT / "bench" / script), *arguments]).splitlines():
        if line.startswith("{"):
            yield json.loads(line)


def previews(interpreter: str, *, quick: bool) -> Iterator[Row]:
    """Preview and thumbnail of 24 MP, all products of 61 MP, against astropy, Pillow, OpenCV and libvips."""
    names = {
        "preview-small": ("preview PNG and thumbnail, 24 MP", "astropy zscale + Pillow", (Bound(Of.RATIO, 0.15),)),
        "preview-jpeg": ("preview JPEG and thumbnail, 24 MP", "OpenCV, same curve and sizes", (Bound(Of.RATIO, 0.6),)),
        "preview-tiles": (
            "all preview products with tiles, 61 MP", "astropy zscale + libvips, tiles alone",
            (Bound(Of.OURS, 0.5), Bound(Of.RSS, 3 * 61.2 * 2e6 / 2**20)),
        ),
        "preview-colour": ("all preview products, 24 MP Bayer", "astropy zscale + Pillow, grey, no tiles", ()),
    }  # fmt: skip
    for found in lines(interpreter, "preview.py", *(["small", "jpeg", "tiles"] if quick else [])):
        name, peer, bounds = names[found["name"]]
        more = {"peer_rss_mib": found["peer_rss_mib"]}
        yield Row(
            name, "s", found["ours"], found["peer"], peer, n=3, rss_mib=found["rss_mib"], bounds=bounds, more=more
        )


def solving(interpreter: str, *, quick: bool) -> Iterator[Row]:
    """Solution and refit from a star list, against solve-field given the same list."""
    for found in lines(interpreter, "solve.py"):
        if quick and "24 MP" not in found["name"]:
            continue
        error = found.get("corner_error_px")
        name = found["name"].split(", s (peer")[0]
        whole_file = name.startswith("star list file")
        bounds = () if whole_file or "no position" in name else (Bound(Of.RATIO, 0.02), Bound(Of.OURS, 10))
        peer = None if found["peer"] is None else found["peer"] * 1e3
        accuracy = "" if error is None else f"worst corner {error} px off the truth (goal 0.2)"
        more = {"cpu_ms": found["cpu_ms"]} if "cpu_ms" in found else {}
        yield Row(
            name, "ms", found["ours"] * 1e3, peer, "solve-field, same star list", n=7, accuracy=accuracy, bounds=bounds,
            more=more,
        )  # fmt: skip


def background(interpreter: str, *, quick: bool) -> Iterator[Row]:
    """Background, catalogue and metrics on arrays, against sep."""
    for found in lines(interpreter, "stars.py", "small" if quick else "large"):
        judged = found["name"].startswith("stars") and "true_fwhm" not in found
        bounds = (Bound(Of.RATIO, 0.3),) if judged else ()
        yield Row(
            f"{found['name']}, {found['megapixels']} MP, array", "ms", found["ours_ms"], found["peer_ms"],
            found["peer"], n=5, bounds=bounds,
            accuracy=_found(found),
            more={"cpu_ratio": found["cpu_ratio"]},
        )  # fmt: skip


def _found(line: dict[str, Any]) -> str:
    """What both found; of widths, how far they are off."""
    if "true_fwhm" not in line:
        return f"found: ours {line['ours_found']}, peer {line['peer_found']}"
    off = [100.0 * (line[f"{side}_found"] / line["true_fwhm"] - 1.0) for side in ("ours", "peer")]
    goal = 100 * line["limit"]
    return f"FWHM {line['true_fwhm']} px: ours {off[0]:+.1f} %, peer {off[1]:+.1f} % (goal {goal:g} %)"
