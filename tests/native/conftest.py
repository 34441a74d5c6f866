"""The compiled core and the compiled kernels, built once for the tests of a run.

In: a C compiler. Out: the folder of the cache that they lie in, and the module of the kernels;
without a compiler the tests that need them are skipped and say so.
"""

import importlib.machinery
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


@pytest.fixture(scope="session")
def kernels(cache):
    """The module of the compiled kernels, loaded whatever the environment says."""
    (path,) = Path(cache).glob("adjoint_kernels-*")
    loader = importlib.machinery.ExtensionFileLoader("adjoint_kernels", str(path))
    spec = importlib.machinery.ModuleSpec(loader.name, loader, origin=str(path))
    module = loader.create_module(spec)
    loader.exec_module(module)
    return module
