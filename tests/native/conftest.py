"""The compiled core, built once for the tests of a run.

In: a C compiler. Out: the folder of the cache that it lies in; without a compiler the tests that
need it are skipped and say so.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run_python(*words, **variables):
    """Run Python on this checkout's sources; return the finished process."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONHASHSEED": "0"}
    environment.pop("ADJOINT_NO_NATIVE", None)
    environment |= variables
    return subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, env=environment, cwd=ROOT
    )


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    """The folder with a library that is built from the present sources."""
    folder = tmp_path_factory.mktemp("cache")
    done = run_python("-m", "adjoint", "build", ADJOINT_CACHE=str(folder))
    if "no C compiler was found" in done.stderr or "headers are missing" in done.stderr:
        pytest.skip(f"the compiled core is optional, and cannot be built here: {done.stderr}")
    assert done.returncode == 0, done.stderr
    return str(folder)
