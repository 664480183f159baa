"""Kernels are loaded, not compiled, and without what would compile them."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from pictor.runtime.hosting import WARM

WORK = """
import json, sys
from importlib import import_module
from pictor.runtime.child import loading, main
lightly, modules, folder = json.loads(sys.argv[1])
if lightly:
    loading.load_lightly()
main.warm(modules)
light, darks = f"{folder}/light.fits", [f"{folder}/dark{i}.fits" for i in range(4)]
names = ["0", "1", "2", "3"]
compute = {name.split(".")[1]: import_module(name) for name in modules}
told = {}
if "quality" in compute:
    told["quality"] = compute["quality"].measure(light, folder)["quality"]
if "preview" in compute:
    told["preview"] = sorted(compute["preview"].render(light, folder))
if "calibration_stacker" in compute:
    made = compute["calibration_stacker"].stack(
        paths=darks, frame_ids=names, sha256s=names, kind="dark", scratch=folder)
    told["dark"] = {key: made[key] for key in ("statistics", "levels_adu", "facts", "noise")}
    told["light"] = compute["calibration_stacker"].calibrate(
        path=light, scratch=folder, masters={"dark": made["master_path"]}, egain=1.0, read_noise_e=3.0)
heavy = {"scipy.linalg", "numba.np.arraymath", "aiohttp", "pydantic"}
told["heavy"] = sorted(heavy & set(sys.modules))
kernels = {}
for name, module in list(sys.modules.items()):
    if name.startswith("pictor."):
        for kernel in vars(module).values():
            if type(kernel).__name__ == "CPUDispatcher":
                kernels[id(kernel)] = kernel
told["loaded"] = sum(sum(kernel.stats.cache_hits.values()) for kernel in kernels.values())
told["compiled"] = sorted(k.py_func.__qualname__ for k in kernels.values() if k.stats.cache_misses)
print(json.dumps(told))
"""
PIXELS = ["pictor.preview.compute", "pictor.quality.compute", "pictor.calibration_stacker.compute"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A light with stars and four darks."""
    folder, rng = tmp_path_factory.mktemp("frames"), np.random.default_rng(5)
    y, x = np.mgrid[:256, :256]
    light = rng.normal(1000.0, 12.0, (256, 256))
    for at_y, at_x in rng.uniform(12, 244, (40, 2)):
        light += 3000 * np.exp(-((y - at_y) ** 2 + (x - at_x) ** 2) / 4.5)
    fits.writeto(folder / "light.fits", light.astype(np.uint16))
    for number in range(4):
        fits.writeto(folder / f"dark{number}.fits", rng.normal(500.0, 8.0, (256, 256)).astype(np.uint16))
    return folder


def worked(folder: Path, modules: list[str], *, lightly: bool) -> dict[str, object]:
    """What a process of its own found with the kernels of some services."""
    argument = json.dumps([lightly, modules, str(folder)])
    done = subprocess.run([sys.executable, "-c", WORK, argument], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_a_child_compiles_nothing_and_finds_what_a_plain_process_finds(folder: Path) -> None:
    plain = worked(folder, PIXELS, lightly=False)
    lightly = worked(folder, PIXELS, lightly=True)
    assert lightly.pop("compiled") == []
    assert int(str(lightly.pop("loaded"))) > 40
    assert lightly.pop("heavy") == []
    assert {key: plain[key] for key in lightly} == lightly


def test_previews_are_made_without_the_compiler_and_no_child_imports_a_client(folder: Path) -> None:
    assert worked(folder, PIXELS[:1], lightly=True)["heavy"] == []
    every = [name for names in WARM.values() for name in names if "astrometry" not in name]
    assert worked(folder, every, lightly=True)["heavy"] == []


def said(code: str) -> list[str]:
    """Lines a process of its own prints that starts lightly."""
    begun = "from pictor.runtime.child import loading\nloading.load_lightly()\nimport sys\n"
    done = subprocess.run([sys.executable, "-c", begun + code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_what_is_not_in_the_cache_is_compiled_all_the_same_with_what_it_calls() -> None:
    code = """
import numpy, numba
from pictor.imaging.combine.kernels import decode_words
first, second = numpy.zeros(3, "u8"), numpy.zeros(3, "u8")
decode_words(first)
assert sum(decode_words.stats.cache_hits.values()) == 1
@numba.njit
def twice(words):
    decode_words(words)
    decode_words(words)
    decode_words(words)
twice(second)
decode_words(first)
decode_words(first)
print((first == second).all(), hex(int(first[0])), decode_words.stats.cache_misses)
@numba.njit
def total(values): return values.sum() + numpy.median(values)
print(total(numpy.arange(5.0)))
"""
    assert said(code) == ["True 0x80008000800080 Counter()", "12.0"]


def test_another_version_of_numba_loads_as_it_likes() -> None:
    code = """
from numba.core import caching
print(caching.Cache.load_overload.__module__, "scipy" in sys.modules)
"""
    assert said(code) == ["pictor.runtime.child.kernels False"]
    assert said('loading.KNOWN = "0.1."' + code) == ["numba.core.caching False"]


def test_a_thread_may_import_scipy_while_another_imports_numba() -> None:
    code = """
import threading
finder = sys.meta_path[0]
with finder._imported():
    try:
        import scipy
    except ModuleNotFoundError:
        print("refused")
    other = threading.Thread(target=lambda: __import__("scipy"))
    other.start()
    other.join()
    print("there" if "scipy" in sys.modules else "lost")
"""
    assert said(code) == ["refused", "there"]


def test_starting_lightly_twice_is_starting_once() -> None:
    code = "before = len(sys.meta_path); loading.load_lightly(); print(len(sys.meta_path) - before)"
    assert said(code) == ["0"]
