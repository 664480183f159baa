"""Installing compiles every kernel there is."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
ASK = """
import json, sys
from importlib import import_module
from pictor.cli import warm
warm.main()
found = [kernel for name in json.loads(sys.argv[1]) for kernel in vars(import_module(name)).values()
         if type(kernel).__name__ == "CPUDispatcher"]
inside = {id(kernel.py_func.__globals__.get(name)) for kernel in found for name in kernel.py_func.__code__.co_names}
left = {f"{kernel.py_func.__module__}.{kernel.py_func.__name__}"
        for kernel in found if not kernel.signatures and id(kernel) not in inside}
print(json.dumps([len({id(kernel) for kernel in found}), sorted(left)]))
"""


def test_no_kernel_that_python_calls_is_left_for_the_first_frame_to_compile() -> None:
    files = [file for root in ("shared", "services") for file in (ROOT / root).rglob("*.py")]
    texts = {file: file.read_text(encoding="utf-8") for file in files}
    names = [
        file.relative_to(ROOT).with_suffix("").as_posix().partition("/")[2].replace("/", ".")
        for file in files
        if "import njit" in texts[file]
    ]
    command = [sys.executable, "-c", ASK, json.dumps(names)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    kernels, left = json.loads(done.stdout.splitlines()[-1])
    assert kernels > 60
    assert left == []
