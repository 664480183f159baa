"""Why a goal is not reached, from profiles; shown where a row is short of it and nowhere else."""

WHY = {
    "master dark 20": (
        "the row's more tells the processor time of the parts of one stack. The start (start_cpu_s: the imports of "
        "numpy, numba, astropy.io.fits and what they import) has one core to itself; reading 960 MB, clipping and "
        "comparing each frame with the stack (build_cpu_s), then the map of bad pixels, four planes with checksums, "
        "the halves for the gate, facts and pictures (judge_and_write_cpu_s) have both. Siril writes one plane and "
        "judges nothing. A warm child pays no start"
    ),
    "master dark 50": (
        "the start, the writing, the map of bad pixels and the pictures do not grow with the frames; reading, "
        "clipping and comparing 1.2 thousand million samples does (build_cpu_s in the row's more)"
    ),
    "master flat": (
        "the row's more tells the processor time of the parts of one stack. The start (start_cpu_s) has one core to "
        "itself; most of the rest (build_cpu_s) reads, takes off the dark, scales to real numbers, clips and compares "
        "480 million samples, each of four bytes where a dark's has two, after levels and noise and before unity and "
        "impulses; four planes with checksums, the gain and the halves for the gate (judge_and_write_cpu_s) follow. "
        "Siril's flats are neither dark-subtracted nor judged"
    ),
    "all preview products with tiles": (
        "of 0.52 s of processor time 0.27 s code 81 million pixels of tiles as JPEG, 0.05 s read 122 MB, 0.05 s "
        "stretch and halve, all on both cores; 0.05 s make preview, thumbnail and corners of the picture of half size"
    ),
    "calibrate a light": (
        "bytes: half or more of the processor time per light (together_cpu_s) goes into moving them: pixels, error "
        "and mask are written (216 MB, write_cpu_s), where Siril writes one plane (96 MB); of both masters the pixels, "
        "errors and masks are read once for all lights of a call (430 MB). A light that comes alone reads both masters "
        "for itself (cpu_s, alone_s)"
    ),
    "solve and refit": (
        "our side takes 3 to 5 ms of processor time (cpu_ms), in which the calls of some seven least-squares fits and "
        "pairings of some hundred stars cost more than the arithmetic; the search for the pattern, in a process of its "
        "own, takes 2 ms, and a busy machine adds the wait for that process"
    ),
    "compute part of one light": (
        "of 0.68 s of processor time stars and metrics take 0.27 s, the preview 0.26 s, checksums and statistics of "
        "the upload 0.09 s, Sun and Moon 0.04 s; every service reads the file for itself (0.03 s), for each has a "
        "child of its own"
    ),
    "stars and metrics, raw": (
        "of 0.26 s of processor time the shapes of 16,619 candidates take 0.10 s, the filter 0.04 s, the mesh of the "
        "sky and the reading 0.03 s each, all on both cores; the profile, the zones, the search for patterns and the "
        "table of stars take 0.05 s on one"
    ),
    "pixel child warm: all services": (
        "one child for all services imports what each of them needs: of 1.6 s of processor time on a busy machine our "
        "own modules take a fifth, scipy.spatial, with which stars are matched, 0.29 s, numba 0.25, astropy.io.fits "
        "0.26, half of it for its units, astropy.coordinates 0.18 and the compiled kernels 0.20. Of 177 MiB numba with "
        "LLVM takes 65, scipy.spatial 24, the kernels, astropy.io.fits and numpy 14 to 18 each"
    ),
    "first preview after the first upload": (
        "a frame after the first takes 1.2 s to its preview, of which the upload takes 0.5 s and the writing of 62 MB "
        "that a disk must sync a part of each module. The first one takes 1.2 s more: verifying 0.8 instead of 0.2 s, "
        "the observation 0.5 instead of 0.06, the preview 0.5 instead of 0.4. Half a second of it is astropy's first "
        "transformation of coordinates for Sun and Moon; a child that did that before it is ready would take longer "
        "to start than it may"
    ),
    "frames through all modules": (
        "of the processor time of a frame, told in the row's more by process, the store takes the most: SeaweedFS "
        "takes 10 ms a MB written, more than half of it for the MD5 sum it makes three times of every byte, hence "
        "0.46 s for the raw frame of 48 MB and 0.14 s for 14 MB of pictures, tiles and stars. Stars and metrics take "
        "0.35 to 0.4 s in the pixel children, pictures and tiles 0.2, verifying 0.08; moving and hashing 48 MB "
        "twice, HTTP and the orders of six modules take 0.3 s in the services. 90 a minute on two cores leave 1.33 s "
        "in all"
    ),
    "work orders drained": (
        "an order takes six statements in two transactions that PostgreSQL syncs, a share of a third that marks what "
        "was published, two messages and an acknowledgement that NATS syncs, and dozens of turns of one event loop in "
        "Python: about 4 ms of processor time in the worker, 2 in PostgreSQL and 1 to 1.5 in NATS, told in the row's "
        "more. 500 a second leave 4 ms in all on two cores; the messages alone, without a row of the database, come "
        "to about as many"
    ),
    "imports of pictor run gateway": (
        "a third of it is the pages and models of our own, an eighth the client of MinIO, whose two functions that "
        "sign requests come with all of it, a twelfth litestar with its OpenAPI and YAML, the rest aiohttp, NATS, "
        "FastStream, rich (through structlog) and pydantic, all of which it imports before it can answer"
    ),
    "coadd of 10 x 4 MP, Lanczos3, clipped": (
        "of 1.5 s of processor time resampling takes 0.55 s; sky and seeing of lights, sorting, judging and averaging "
        "the ten samples take 0.1 to 0.2 s each, and lines of rejected samples are looked for. SWarp clips against its "
        "weights alone"
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
