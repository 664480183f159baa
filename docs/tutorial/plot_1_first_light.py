"""
A first look at a frame
=======================

Every frame here is simulated, with known truth.
"""

# %%
# Make a night
# ------------
from pathlib import Path
from tempfile import mkdtemp

from pictor.imaging import Frame, sample_night

folder = Path(mkdtemp())
night = sample_night(folder, seed=1, scale="small")
light = Frame.from_fits(sorted(folder.glob("light*.fits"))[0])
print(light.shape, light.unit, light.header["OBJECT"])
