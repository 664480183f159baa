"""Compile every kernel of every service while the image is built, so that the first frame does not wait for it."""

from importlib import import_module

from pictor.runtime.hosting import WARM

for modules in WARM.values():
    for name in modules:
        prepare = getattr(import_module(name), "warm", None)
        if prepare is not None:
            prepare()
