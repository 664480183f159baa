"""Solve a list of stars with the astrometry.net engine, in a program of its own (it is GPL-3).

Standard input: JSON with ``index_files``, ``stars`` (1-based x, y, brightest first), ``scale`` (low, high,
arcsec per pixel) and ``position`` (ra, dec, radius, degrees). Standard output: JSON with the WCS or null.
"""

import json
import sys
from pathlib import Path

import astrometry


def main() -> None:
    asked = json.load(sys.stdin)
    parameters = astrometry.SolutionParameters(
        sip_order=0,
        tune_up_logodds_threshold=None,
        logodds_callback=lambda best: astrometry.Action.STOP if best[0] > 21 else astrometry.Action.CONTINUE,
    )
    with astrometry.Solver([Path(name) for name in asked["index_files"]]) as solver:
        found = solver.solve(
            stars=asked["stars"],
            size_hint=astrometry.SizeHint(*asked["scale"]),
            position_hint=astrometry.PositionHint(*asked["position"]),
            solution_parameters=parameters,
        )
    fields = {key: value[0] for key, value in found.best_match().wcs_fields.items()} if found.has_match() else None
    json.dump(fields, sys.stdout)


if __name__ == "__main__":
    main()
