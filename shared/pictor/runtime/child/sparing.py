"""Packages without what our processes never ask of them: numba and astropy import less, and do the same.

Compilers, downloads, quantities and settings in YAML take more than half of what importing them costs, and a process
that runs compiled kernels on FITS files uses none. A module named here is executed with an import statement of its own,
which hands it something that imports the real thing once it is used. No other module's imports change.
"""

import builtins
import sys
from collections.abc import Callable, Mapping
from functools import cache, partial
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import FrameType, ModuleType, SimpleNamespace
from typing import Any

from pictor.runtime.child import kernels

KNOWN = {"numba": "0.68.", "astropy": "8.0."}
"""Versions of which this is known; others are imported as they are."""

SETTINGS = Path(".numba_config.yaml")
"""Where numba looks for settings of its own."""

Names = tuple[str, ...]
Instead = Callable[[str, Names], object]
"""Given a module and the names taken from it: what the statement gets; None for the module itself."""


class Later:
    """A module, or what one holds, imported once it is used."""

    def __init__(self, module: str, name: str | None = None) -> None:
        self._place = module, name

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - what is there
        return getattr(self._real(), name)

    def __call__(self, *given: Any, **named: Any) -> Any:  # noqa: ANN401, D102 - what is there
        return self._real()(*given, **named)

    def _real(self) -> Any:  # noqa: ANN401 - what is there
        module, name = self._place
        return import_module(module) if name is None else getattr(import_module(module), name)


def absent(module: str, _names: Names) -> object:
    """Say that an optional package is not there, unless it is there already."""
    if module in sys.modules:
        return None
    raise ModuleNotFoundError(f"{module} is left out", name=module)


def unless_set(module: str, names: Names) -> object:
    """Leave out what reads numba's settings when there are none."""
    return None if SETTINGS.exists() else absent(module, names)


def later(module: str, names: Names) -> object:
    """Import what is taken from a module once it is used."""
    return SimpleNamespace(**{name: Later(module, name) for name in names})


def later_module(module: str, names: Names) -> object:
    """Import modules of a package once they are used; what is there is taken."""
    package = import_module(module)
    return SimpleNamespace(**{name: getattr(package, name, None) or Later(f"{module}.{name}") for name in names})


def annotations(_module: str, names: Names) -> object:
    """Stand for types that only annotations name."""
    return SimpleNamespace(**dict.fromkeys(names, Any))


def none_of(module: str, names: Names) -> object:
    """Stand for types that something is compared with: it is none of them before their module is imported."""
    return None if module in sys.modules else SimpleNamespace(**{name: type(name, (), {}) for name in names})


class Web:
    """The package that holds ``http.client``."""

    def __getattr__(self, name: str) -> object:
        place = f"http.{name}"
        return sys.modules.get(place) or none_of(place, ("HTTPResponse",))


def web(_module: str, _names: Names) -> object:
    """Stand for the package that holds ``http.client``."""
    return Web()


def downloads(module: str, names: Names) -> object:
    """Import what reads from elsewhere once a name says so: every address has a colon."""
    found = {name: Later(module, name) for name in names}
    asks = {name: partial(_elsewhere, found[name]) for name in ("_is_url", "_requires_fsspec")}
    return SimpleNamespace(**(found | asks))


def _elsewhere(real: Later, name: object) -> object:
    return (not isinstance(name, str) or ":" in name) and real(name)


SPARED: Mapping[str, Mapping[tuple[str, Names], Instead]] = {
    "numba": {("scipy", ()): absent},
    "numba.core.config": {("yaml", ()): unless_set},
    "numba.core.entrypoints": {("importlib", ("metadata",)): later_module},
    "astropy.utils.introspection": {
        ("importlib", ("import_module", "metadata")): later_module,
        ("importlib.metadata", ("packages_distributions",)): later,
    },
    "astropy.utils.system_info": {("importlib.metadata", ("version",)): later},
    "astropy.utils.data": {("astropy.units", ("Quantity", "UnitBase")): annotations},
    "astropy.io.fits.util": {("astropy.utils", ("data",)): later_module},
    "astropy.io.fits.file": {
        ("http.client", ()): web,
        ("astropy.utils.data", ("_is_url", "_requires_fsspec", "download_file", "get_readable_fileobj")): downloads,
    },
    "astropy.io.fits.hdu.table": {("astropy.table", ("Table",)): none_of},
    "astropy.io.fits.hdu.compressed._codecs": {("numcodecs.abc", ("Codec",)): absent},
}
"""By importing module, the statements that get something else."""


def _find_modules_fast(module: ModuleType) -> None:
    """Astropy asks a dozen times which module it is in, and Python looks through the files of all there are."""
    slow = vars(module)["_get_module_from_frame"]

    def of(frame: FrameType) -> ModuleType | None:
        found = sys.modules.get(frame.f_globals.get("__name__", ""))
        return found if found is not None and vars(found) is frame.f_globals else slow(frame)

    vars(module)["_get_module_from_frame"] = of


AFTERWARDS: Mapping[str, Callable[[ModuleType], None]] = {
    "numba": lambda _module: kernels.load_without_compiler(),
    "astropy.utils.introspection": _find_modules_fast,
}
"""What is changed in a module once it is there."""


class Sparing:
    """A finder that finds the modules named here as Python does and has them executed as told."""

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:  # noqa: ANN401 - Python's
        """Find a module that is executed in another way; None for all others."""
        if name not in SPARED and name not in AFTERWARDS:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is None or spec.loader is None or spec.origin is None or not known(name, spec.origin):
            return None
        spec.loader.exec_module = partial(_execute, spec.loader.exec_module)  # type: ignore[method-assign]
        return spec


def known(name: str, origin: str) -> bool:
    """Tell whether a module belongs to a version that is known, by the folder its package was installed with."""
    package = name.partition(".")[0]
    return _installed(package, str(Path(origin).parents[name.count(".") + origin.endswith("__init__.py")]))


@cache
def _installed(package: str, folder: str) -> bool:
    return any(Path(folder).glob(f"{package}-{KNOWN[package]}*.dist-info"))


def _execute(plain: Callable[[ModuleType], None], module: ModuleType) -> None:
    name = module.__name__
    if name in SPARED:
        importing = partial(_import, SPARED[name])
        vars(module)["__builtins__"] = {**vars(builtins), "__import__": importing}
    plain(module)
    if name in AFTERWARDS:
        AFTERWARDS[name](module)


def _import(  # noqa: PLR0917 - Python's arguments
    spared: Mapping[tuple[str, Names], Instead],
    name: str,
    globals: Mapping[str, object] | None = None,  # noqa: A002 - Python's names
    locals: Mapping[str, object] | None = None,  # noqa: A002 - Python's names
    fromlist: Names | None = (),
    level: int = 0,
) -> object:
    """Import as a module's own import statements do."""
    names = tuple(fromlist or ())
    instead = spared.get((name, names)) if level == 0 else None
    found = None if instead is None else instead(name, names)
    return builtins.__import__(name, globals, locals, fromlist, level) if found is None else found
