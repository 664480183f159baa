"""Uploaded masters brought into our form as the stacker does it, for tests of their judgement."""

from collections.abc import Callable
from typing import Any

import numpy as np
from astropy.io import fits

from tests.support.foreign import BIAS_ADU, Detector

ONE = Detector()
DARK, BIAS = ONE.stack("dark"), ONE.stack("bias")
FLAT = ONE.stack("flat", below=BIAS_ADU)
Adopt = Callable[..., dict[str, Any]]


def pixels_of(made: dict[str, Any]) -> np.ndarray:
    return np.asarray(fits.getdata(made["master_path"], 0))


def failing(made: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: str(one["verdict"]) for one in made["checks"] if one["verdict"] != "active"}
