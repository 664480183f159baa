"""Install the locked environment and Pictor itself into the running virtual environment, and compile its kernels.

With the name of another lock file: install those packages besides, and nothing else.
"""

import subprocess
import sys
from pathlib import Path

UV = "uv==0.13.8"
ROOT = Path(__file__).resolve().parent.parent


def run(*command: str) -> bool:
    """Run a command from the checkout and say whether it succeeded."""
    return subprocess.run(command, cwd=ROOT, check=False).returncode == 0


def main() -> None:
    """Prefer uv (seconds); fall back to pip, which reads the machine's own index settings."""
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "-q")
    lock = ("--require-hashes", "-r", *(sys.argv[1:] or ["requirements.lock"]))
    fast = run(*pip, "install", UV) and run(
        sys.executable, "-m", "uv", "pip", "install", "-q", "--python", sys.executable, *lock
    )
    if not fast and not run(*pip, "install", *lock):
        sys.exit("the locked packages could not be installed; see the message above")
    if sys.argv[1:]:
        return
    if not run(*pip, "install", "--no-deps", "--no-build-isolation", "-e", "."):
        sys.exit("pictor itself could not be installed; see the message above")
    if not run(sys.executable, "-m", "pictor.cli.warm"):
        sys.exit("the pixel kernels could not be compiled; see the message above")


if __name__ == "__main__":
    main()
