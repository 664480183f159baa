"""
3. From raw lights to a picture
===============================

Six lights of an emission nebula, three through a red filter and three through a narrow H-alpha filter, dithered and
turned, become two coadds, a picture of the nebula without its stars, and a picture in colour.
"""

# %%
# A night of the virtual observatory, with the frames for all its masters. ``truth`` of every light lies beside it.
import json
from pathlib import Path
from tempfile import mkdtemp

import matplotlib.pyplot as plt
import numpy as np

from pictor.imaging import (
    Frame,
    Wcs,
    calibrate_file,
    find_stars,
    mesh_background,
    pixel_to_sky,
    sky_to_pixel,
    stack_files,
)
from pictor.imaging.calibration.masters import Kind
from pictor.imaging.coadd.coadding import coadd
from pictor.imaging.compositing.composing import composite
from pictor.imaging.continuum.subtraction import continuum_subtract
from pictor.imaging.registration.stars import match_stars
from pictor.imaging.simulator.colour import colour_scenario

night = Path(mkdtemp())
colour_scenario(night, small=True)


def truth_of(name):
    """Read what is true of a light."""
    return json.loads((night / f"{name}.truth.json").read_text())


# %%
# Masters and calibrated lights
# -----------------------------
# Exposures and filters stand in the names here; ``pictor process`` reads them from the headers.
facts = {"egain": 0.7, "read_noise_e": 2.8}
dark = {}
for exposure in (2, 60, 180):
    dark[exposure] = night / f"master_dark_{exposure}s.fits"
    stack_files(sorted(night.glob(f"dark_{exposure}s_*.fits")), dark[exposure], kind=Kind.DARK, **facts)

lights = {}
for name, exposure in (("Red", 60), ("Ha", 180)):
    flat = night / f"master_flat_{name}.fits"
    stack_files(sorted(night.glob(f"flat_{name}_*.fits")), flat, kind=Kind.FLAT, dark=dark[2], **facts)
    lights[name] = []
    for raw in sorted(night.glob(f"light_{name}_*.fits")):
        out = night / f"{raw.stem}_calibrated.fits"
        calibrate_file(raw, out, dark=dark[exposure], flat=flat, bias_level=500.0, cosmics=True, **facts)
        lights[name].append(out)

# %%
# Registering by stars
# --------------------
# No world coordinates are needed: triangles of stars are compared, and the transformation is fitted to all stars in
# common. The simulator knows how the camera was turned.
frames = [Frame.from_fits(path) for path in lights["Red"]]
lists = [find_stars(frame.data) for frame in frames]
transforms = [match_stars(lists[0], other) for other in lists]


def true_wcs(number):
    """Give the world coordinates a light was simulated with."""
    told = truth_of(f"light_Red_0{number}")["wcs"]
    return Wcs(tuple(told["crval"]), tuple(told["crpix"]), tuple(map(tuple, told["cd"])))


ny, nx = frames[0].shape
for number in (2, 3):
    transform, corner = transforms[number - 1], (np.array([nx - 1.0]), np.array([ny - 1.0]))
    x, y = transform.to_reference(*corner)
    sky_position = pixel_to_sky(true_wcs(number), corner[0] + 1, corner[1] + 1)
    true_x, true_y = (value - 1 for value in sky_to_pixel(true_wcs(1), *sky_position))
    print(f"light {number}: {transform.matches} stars, rms {transform.rms:.3f} px")
    print(f"its corner lies on light 1 at column {x[0]:.2f}, truth {true_x[0]:.2f}")
    print(f"                         at row {y[0]:.2f}, truth {true_y[0]:.2f}")

# %%
# Coadding
# --------
# One interpolation per light, samples that do not fit the others left out. Sky noise falls with the number of lights;
# interpolation makes neighbouring pixels alike, which ``correlation`` tells.
red = coadd(frames, onto=transforms, method="clipped")
single, together = mesh_background(frames[0].data).noise, mesh_background(red.frame.data).noise
print(f"sky noise {single:.1f} ADU in one light, {together:.1f} in the coadd of {len(frames)}")
print(f"a large aperture has {red.correlation:.2f} times the error its pixels have by themselves")

# %%
# The H-alpha lights go onto the same pixels: each is registered to the first red light.
narrow_frames = [Frame.from_fits(path) for path in lights["Ha"]]
onto_red = [match_stars(lists[0], find_stars(frame.data)) for frame in narrow_frames]
narrow = coadd(narrow_frames, onto=onto_red, method="clipped")


def show(axis, data, title, depth=12.0):
    """Draw a picture with sky at the dark end."""
    sky = mesh_background(data)
    axis.imshow(data, vmin=sky.level - 2 * sky.noise, vmax=sky.level + depth * sky.noise, origin="lower", cmap="gray")
    axis.set_title(title)
    axis.set_axis_off()


# %%
# Without the stars
# -----------------
# The sharper frame is given the profile of the other; the continuum is taken off with the factor the stars agree on.
line = continuum_subtract(narrow.frame, red.frame)
print(f"continuum factor {line.scale.value:.4f} +- {line.scale.error:.4f} from {line.scale.star_count} stars")

figure, axes = plt.subplots(1, 3, figsize=(10, 2.9), layout="constrained")
show(axes[0], red.frame.data, "red")
show(axes[1], narrow.frame.data, "H-alpha")
show(axes[2], np.nan_to_num(line.line.data), "H-alpha without continuum")
plt.show()

# %%
# In colour
# ---------
picture = composite(narrow.frame, red.frame, red.frame)
figure, axis = plt.subplots(figsize=(7, 5.2), layout="constrained")
axis.imshow(np.clip(np.moveaxis(picture.planes, 0, -1), 0, 1), origin="lower")
axis.set_axis_off()
plt.show()

# %%
# From a shell, all of this is one command: ``pictor process night -o result``.
