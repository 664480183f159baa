"""What a header says about a frame, in Pictor's vocabulary."""

from dataclasses import dataclass, field

from pictor.imaging.fits.cards import CardValue


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where one field came from.

    Parameters
    ----------
    value
        The card's value as written.
    keyword
        The card's keyword; empty when the value was inferred.
    rule
        ``program/version/field`` of the alias table, or the name of the inference.
    """

    value: CardValue
    keyword: str
    rule: str


@dataclass(frozen=True, slots=True)
class FrameDescription:
    """One frame as its header describes it; None means the header does not say.

    Parameters
    ----------
    frame_type
        ``light``, ``dark``, ``flat``, ``bias``, ``flat-dark``, ``snapshot`` or ``unknown``.
    start_utc, mid_utc
        ISO 8601 text in UTC with a final Z.
    utc_offset_h
        Offset of the capture computer's clock from UTC, in hours.
    gain_setting, offset_setting
        The driver's settings, without a unit.
    egain
        Conversion gain, in electrons per ADU.
    pixel_um, pixel_um_binned
        Pixel size as the header gives it, and after binning, in micrometres.
    ra_deg, dec_deg
        Where the mount believed to point, ICRS/J2000; a hint, never a solution.
    target_ra_deg, target_dec_deg
        Catalogue position of the target, ICRS/J2000.
    planned_pa_deg, rotator_deg
        Planned position angle on the sky; mechanical angle of the rotator.
    pedestal
        Number to add to reach a zero base, in ADU.
    n_combined
        Exposures combined into this frame; above 1 it is a stack.
    """

    frame_type: str = "unknown"
    is_master: bool = False
    exposure_s: float | None = None
    start_utc: str | None = None
    mid_utc: str | None = None
    utc_offset_h: float | None = None
    camera: str | None = None
    camera_serial: str | None = None
    telescope: str | None = None
    observer: str | None = None
    observatory: str | None = None
    gain_setting: float | None = None
    offset_setting: float | None = None
    egain: float | None = None
    set_temp_c: float | None = None
    ccd_temp_c: float | None = None
    binning_x: int = 1
    binning_y: int = 1
    pixel_um: float | None = None
    pixel_um_binned: float | None = None
    readout_mode: str | None = None
    bayer: str | None = None
    bayer_offset_x: int | None = None
    bayer_offset_y: int | None = None
    row_order: str | None = None
    focal_mm: float | None = None
    aperture_mm: float | None = None
    ra_deg: float | None = None
    dec_deg: float | None = None
    target_name: str | None = None
    target_ra_deg: float | None = None
    target_dec_deg: float | None = None
    planned_pa_deg: float | None = None
    rotator_deg: float | None = None
    pier_side: str | None = None
    site_latitude_deg: float | None = None
    site_longitude_deg: float | None = None
    site_elevation_m: float | None = None
    filter: str | None = None
    focus_position: float | None = None
    focus_temp_c: float | None = None
    saturation_adu: float | None = None
    pedestal: float | None = None
    calstat: str | None = None
    roi_x: int | None = None
    roi_y: int | None = None
    n_combined: int | None = None
    program: str = "generic"
    program_version: str | None = None
    width: int | None = None
    height: int | None = None
    planes: int = 1
    provenance: dict[str, Provenance] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
