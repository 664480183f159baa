"""One coverage-guided target: ``python -m fuzz.coverage prescan|messages [libFuzzer options]``."""

import sys
from collections.abc import Callable
from contextlib import suppress

import atheris

with atheris.instrument_imports(include=["pictor.imaging.fits", "pictor.imaging.headers", "pictor.contracts"]):
    from pydantic import ValidationError

    from pictor.contracts.frames import UploadMetadata
    from pictor.contracts.subjects import every_subject
    from pictor.imaging.errors import ImagingError
    from pictor.imaging.fits.prescan import prescan

MESSAGES = tuple(dict.fromkeys(subject.message for subject in every_subject()))


def scan(data: bytes) -> None:
    """Pre-scan: refused with a reason or accepted; nothing else is raised."""
    try:
        prescan(data, len(data))
    except ImagingError as refusal:
        if not refusal.reason:
            raise AssertionError("a refusal without a reason") from refusal


def decode(data: bytes) -> None:
    """Decode as every message: accepted or refused; what is accepted survives its own encoding."""
    for message in MESSAGES:
        try:
            found = message.decode(data)
        except ValidationError:
            continue
        if message.decode(found.encode()) != found:
            raise AssertionError(f"{message.__name__} changes when it is sent on")
    with suppress(ValidationError):
        UploadMetadata.model_validate_json(data)


TARGETS: dict[str, Callable[[bytes], None]] = {"prescan": scan, "messages": decode}

if __name__ == "__main__":
    name = sys.argv[1]
    atheris.Setup([sys.argv[0], *sys.argv[2:]], TARGETS[name])
    atheris.Fuzz()
