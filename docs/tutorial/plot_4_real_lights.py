"""
4. Real lights
==============

The same calls on 24 real lights of the field of HAT-P-32, taken with a MicroObservatory telescope through one night:
650 x 500 pixels, 12 bits, no darks, drifting by 0.6 degrees. Frames of other people are not part of Pictor: this page
runs where the environment variable ``PICTOR_REAL_DATA`` names a folder that holds them, and says so where it does not.
"""

# %%
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from pictor.imaging import Frame, find_stars, mesh_background
from pictor.imaging.coadd.coadding import coadd
from pictor.imaging.registration.stars import match_stars

folder = Path(os.environ.get("PICTOR_REAL_DATA", "nowhere")) / "lights" / "exotic-microobservatory"
frames = [Frame.from_fits(path) for path in sorted(folder.glob("*.FITS"))]
print(
    f"{len(frames)} real lights" if frames else "no real lights here: PICTOR_REAL_DATA names no folder that holds them"
)

# %%
# A night by its numbers
# ----------------------
# No dark was applied: hot pixels are told from stars by their shape.
skies = [mesh_background(frame.data) for frame in frames]
lists = [find_stars(frame.data, background=sky) for frame, sky in zip(frames, skies, strict=True)]
if frames:
    kept = [stars for stars in lists if stars.psf is not None]
    print(f"{min(s.star_count for s in lists)} to {max(s.star_count for s in lists)} stars in a light")
    print(f"FWHM {min(s.psf.fwhm for s in kept):.2f} to {max(s.psf.fwhm for s in kept):.2f} px")
    hours = [int(path.stem[-6:-4]) + int(path.stem[-4:-2]) / 60 for path in sorted(folder.glob("*.FITS"))]
    figure, axes = plt.subplots(3, 1, figsize=(7, 5), sharex=True, layout="constrained")
    axes[0].plot(hours, [stars.star_count for stars in lists], "o-")
    axes[0].set_ylabel("stars")
    axes[1].plot(hours, [stars.psf.fwhm if stars.psf else np.nan for stars in lists], "o-", color="tab:orange")
    axes[1].set_ylabel("FWHM, px")
    axes[2].plot(hours, [sky.level for sky in skies], "o-", color="tab:green")
    axes[2].set(ylabel="sky, ADU", xlabel="time in the file name, hours")
    plt.show()

# %%
# A coadd of the night
# --------------------
# The field drifts, so a hot pixel lies on other stars in every light, and clipping takes it away.
if frames:
    middle = lists[len(lists) // 2]
    placed = [match_stars(middle, stars) for stars in lists]
    fewest, worst = min(one.matches for one in placed), max(one.rms for one in placed)
    print(f"registered by at least {fewest} stars, rms at most {worst:.2f} px")
    together = coadd(frames, onto=placed, method="clipped")
    figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    shown = ((frames[len(frames) // 2].data, "one light"), (together.frame.data, f"{len(frames)} lights"))
    for axis, (data, title) in zip(axes, shown, strict=True):
        sky = mesh_background(data)
        low, high = sky.level - 2 * sky.noise, sky.level + 12 * skies[0].noise
        axis.imshow(np.nan_to_num(data, nan=sky.level), vmin=low, vmax=high, cmap="gray")
        axis.set_title(title)
        axis.set_axis_off()
    plt.show()
    single = skies[len(skies) // 2].noise
    print(f"sky noise {single:.2f} ADU in one light, {mesh_background(together.frame.data).noise:.2f} in the coadd")
