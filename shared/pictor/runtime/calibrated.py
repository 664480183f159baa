"""What a calibrated light is made of, and the key that tells whether a stored one still is what would be made now."""

import hashlib
import json
from dataclasses import dataclass
from statistics import median
from typing import Any

from pictor.contracts.frames import FrameType, ProductKind
from pictor.imaging.errors import ImagingError
from pictor.runtime.choosing import Choice, choose
from pictor.state import badpixels, observatories, products
from pictor.state.database import Connection
from pictor.state.frames import Frame
from pictor.state.masters import Master
from pictor.state.observatories import Rig
from pictor.state.products import Product

METHOD = 3
"""Version of the way pixels are calibrated; raise it when the same inputs give other pixels."""

NO_MASTERS = "no-masters"


@dataclass(frozen=True, slots=True)
class Plan:
    """The masters applied, their files by place, how, and the key of all that."""

    choice: Choice
    files: dict[str, Product]
    detector: dict[str, Any]
    cosmics: bool
    bad_pixel_list: str | None
    key: str

    @property
    def kind(self) -> ProductKind:
        """What the light becomes."""
        return ProductKind.CALIBRATED_CLEAN if self.cosmics else ProductKind.CALIBRATED

    @property
    def parameters(self) -> dict[str, Any]:
        """What is kept with the product."""
        masters = {place: str(master.id) for place, master in self.choice.applied.items()}
        return {
            "key": self.key, "master_ids": sorted(masters.values()), "masters": masters, "weak": self.choice.weak,
            "cosmics": self.cosmics, "method": METHOD, "detector": self.detector,
        }  # fmt: skip


async def plan(db: Connection, frame: Frame, *, cosmics: bool, keep: bool = False) -> Plan:
    """Plan the calibration of a light with the masters it gets now.

    Parameters
    ----------
    db
        A connection.
    frame
        The light.
    cosmics
        Whether cosmic rays are cleaned.
    keep
        Whether the choice of masters is recorded for the other lights of its set.

    Raises
    ------
    ImagingError
        If nothing can be taken off the frame, with the selection's reason.
    """
    if frame.frame_type is not FrameType.LIGHT:
        raise ImagingError(f"the frame is a {frame.frame_type or 'file without type'}, not a light", reason=NO_MASTERS)
    choice = await choose(db, frame, keep=keep)
    if not choice.applied:
        raise ImagingError(choice.reason, reason=NO_MASTERS)
    files = await _files(db, choice)
    rig = await observatories.rig(db, frame.rig_id) if frame.rig_id else None
    detector = detector_of(frame, rig, choice)
    listed = await _listed(db, frame)
    key = key_of(frame, files, detector, cosmics=cosmics, listed=listed)
    return Plan(choice, files, detector, cosmics, listed, key)


async def _listed(db: Connection, frame: Frame) -> str | None:
    """Return the list a person wrote for the rig."""
    stored = await badpixels.list_of(db, frame.observatory_id, frame.rig_id)
    return None if stored is None else stored.body


async def _files(db: Connection, choice: Choice) -> dict[str, Product]:
    """Return the files of the masters applied, and the bad-pixel map that came with the dark."""
    files: dict[str, Product] = {}
    for place, master in choice.applied.items():
        made = await products.of_master(db, master.id)
        if ProductKind.MASTER not in made:
            raise ImagingError(f"the file of master {master.id} is gone; stack its group again", reason=NO_MASTERS)
        files[place] = made[ProductKind.MASTER]
        if place == "dark" and ProductKind.BAD_PIXELS in made:
            files["bad_pixels"] = made[ProductKind.BAD_PIXELS]
    return files


def detector_of(frame: Frame, rig: Rig | None, choice: Choice) -> dict[str, Any]:
    """Collect what is known of the detector: as the rig says, else the light, else as the masters measured it."""
    described = frame.description or {}
    measured = {str(master.frame_type): master.statistics.get("facts") or {} for master in choice.known}
    egain = (rig.egain if rig else None) or described.get("egain") or measured.get("flat", {}).get("egain")
    noise = rig.read_noise_e if rig else None
    seen = measured.get("bias", {}).get("read_noise_adu")
    if noise is None and seen and egain:
        noise = seen * egain
    return {
        "egain": egain,
        "read_noise_e": noise,
        "bias_level_adu": _bias_level(choice.known),
        "saturation_adu": (frame.statistics or {}).get("saturation_adu") or described.get("saturation_adu"),
        "dark_scale": choice.scale,
        "bayer": bool(described.get("bayer")),
    }


def _bias_level(known: tuple[Master, ...]) -> float | None:
    """Return the level of the bias that matches: what tells signal from offset."""
    for master in known:
        levels = master.statistics.get("levels_adu")
        if str(master.frame_type) == FrameType.BIAS and levels:
            return float(median(levels))
    return None


def key_of(
    frame: Frame, files: dict[str, Product], detector: dict[str, Any], *, cosmics: bool, listed: str | None
) -> str:
    """Make the key of a calibrated light from everything its pixels depend on."""
    made_of = {
        "method": METHOD,
        "light": frame.sha256,
        "files": {place: [str(one.master_id), one.sha256] for place, one in sorted(files.items())},
        "detector": detector,
        "cosmics": cosmics,
        "bad_pixels": listed,
    }
    return hashlib.sha256(json.dumps(made_of, sort_keys=True, allow_nan=False).encode()).hexdigest()
