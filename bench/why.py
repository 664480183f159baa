"""Why a goal is not reached, from profiles; shown where a row is short of it and nowhere else."""

WHY = {
    "master dark 20": (
        "its start takes 0.6 s: 0.5 s for the imports of numpy, numba, astropy.io.fits and what they "
        "import, 0.1 s for the compiled kernels. The rest is one combination of all frames, during which each of "
        "them is compared with it, two of their halves for the gate, the map of bad pixels, four planes written "
        "with checksums, and pictures; Siril writes one plane and judges nothing. A warm child pays no start"
    ),
    "master dark 50": (
        "the start, the writing, the map of bad pixels and the pictures do not grow with the frames; sorting, "
        "clipping and comparing 1.2 thousand million samples does"
    ),
    "master flat": (
        "the level of every flat above its dark is measured from two readings of its middle, samples are scaled to "
        "real numbers and each is clipped against its own noise, the gain is measured from pairs of blocks, and "
        "the dark is read and hashed for the header. Siril's flats are neither dark-subtracted nor judged"
    ),
    "calibrate a light": (
        "bytes: ours reads the error planes of both masters beside their pixels (430 MB) and writes pixels, error "
        "and mask (216 MB); Siril reads 190 MB of masters and writes 96 MB. Writing 96 MB alone takes 58 ms here"
    ),
    "solve and refit": (
        "our side takes 7 to 8 ms of processor time, most of it ten least-squares fits and eight pairings of some "
        "hundred stars, in which the calls cost more than the arithmetic; the search for the pattern, in a process "
        "of its own, takes the rest"
    ),
    "compute part of one light": (
        "the star list with its shapes is more than half of it; every service reads the file for itself, for each "
        "has a child of its own"
    ),
    "stars and metrics, raw": (
        "of 0.34 s of processor time the shapes of 16,619 candidates take 0.13 s, the mesh of the sky 0.05 s, the "
        "filter 0.04 s and the reading 0.03 s, all on both cores; the profile, the zones, the search for patterns "
        "and the table of stars take 0.05 s on one"
    ),
    "pixel child warm: all services": (
        "one child for all services imports what each of them needs, numba with its compiled kernels above all; "
        "the child of one service stays below 180 MiB"
    ),
    "coadd of 10 x 4 MP, Lanczos3, clipped": (
        "sorting the ten samples of every pixel and comparing them takes more processor time than resampling them "
        "(1.3 s to 0.6 s), and the seeing of every light is measured from its stars first; SWarp clips against "
        "its weights alone"
    ),
    "register and resample": (
        "of 0.15 s of processor time per light 0.06 s resample it with its error and mask, 0.05 s find its stars, "
        "0.02 s match them and 0.02 s write three planes, where Siril writes one"
    ),
}
"""Beginning of a row's name, and the reason."""


def why(name: str) -> str:
    """Return the reason a row may be short of its goal; empty where none is known."""
    return next((reason for beginning, reason in WHY.items() if name.startswith(beginning)), "")
