"""A light measured in a process of its own that imports no peer, for its memory."""

from bench.clock import status_mib

from pictor.quality.compute import measure


def main(path: str, scratch: str) -> dict[str, float]:
    """Measure twice; the highest memory."""
    for _ in range(2):
        measure(path, scratch)
    return {"rss_mib": status_mib("self", "VmHWM")}
