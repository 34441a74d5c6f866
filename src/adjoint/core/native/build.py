"""Building the compiled core and the compiled kernels with the machine's own C compiler.

In: the C files of this package and of array/native, a compiler (``CC``, else the one Python was
built with, cc, gcc or clang), the headers of Python and NumPy.  Out: libraries in the user's cache,
which the next ``import adjoint`` finds. Nothing is downloaded, and nothing outside of the cache is
written.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import numpy as np

from adjoint.array import native as array_native
from adjoint.array.native.library import NO_NATIVE, Library, cache_folder
from adjoint.core import native as core_native

__all__ = ["BuildError", "build", "built", "compiler", "remove"]

# No -march: a home directory may be shared by several machines. Products and sums stay apart
# (-ffp-contract=off), for the same bits as NumPy's. A root sets no errno, and becomes one
# instruction.
_FLAGS = ["-O3", "-fPIC", "-shared", "-fwrapv", "-fno-strict-aliasing", "-ffp-contract=off"]
_FLAGS += ["-fno-math-errno", "-pthread", "-fvisibility=hidden"]

_LIBRARIES = (core_native.library, array_native.library)

# What a new library must get right before it is put where programs find it.
_CHECK = """
import zlib
import adjoint as torch
from adjoint.array.native import kernels
from adjoint.core.native import core
assert core is not None and kernels() is not None
x = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
row = torch.tensor([0.5, -1.5], requires_grad=True)
for _ in range(100):
    x.grad = row.grad = None
    y = (x * 3 + row).exp() @ x.t() / 2 - row
    (y.sum() + (x * x).mean()).backward()
print(y.tolist(), x.grad.tolist(), row.grad.tolist())
torch.manual_seed(0)
for optimizer in (torch.optim.Adam, torch.optim.SGD):
    w, x = torch.randn(190, 900, requires_grad=True), torch.randn(210, 900)
    step = optimizer([w], lr=0.1, **({"momentum": 0.9} if optimizer is torch.optim.SGD else {}))
    for _ in range(3):
        step.zero_grad()
        (x @ w.t()).sin().sum().backward()
        step.step()
    print(zlib.crc32(w.detach().numpy().tobytes()))
"""


class BuildError(RuntimeError):
    """The compiled core cannot be built here; the message says why and what helps."""


def compiler() -> list[str]:
    """The C compiler as words of a command.

    Raises: BuildError if there is none.
    """
    given = os.environ.get("CC")
    for words in (given, sysconfig.get_config_var("CC"), "cc", "gcc", "clang"):
        command = shlex.split(words) if words else []
        if command and shutil.which(command[0]):
            return command
    raise BuildError(
        "no C compiler was found: install one (Debian and Ubuntu: apt install gcc python3-dev; "
        "macOS: xcode-select --install), or name it in the environment variable CC. adjoint works "
        "without: its core is Python."
    )


def _headers() -> list[str]:
    include = sysconfig.get_paths()["include"]
    if not (Path(include) / "Python.h").exists():
        raise BuildError(
            f"Python's headers are missing ({include}/Python.h): install them (Debian and Ubuntu: "
            "apt install python3-dev)"
        )
    return [f"-I{include}", f"-I{np.get_include()}"]


def built() -> list[Path]:
    """All built libraries in the cache, those of other versions included."""
    found = [path for made in _LIBRARIES for path in Path(cache_folder()).glob(f"{made.name}-*")]
    return sorted(found)


def build() -> list[Path]:
    """Compile the libraries; return their paths. What is there already is built anew.

    Raises: BuildError if there is no compiler, a header is missing, or the compiler fails.
    """
    if sys.implementation.name != "cpython" or os.name == "nt":
        raise BuildError(
            "the compiled core is for CPython on Linux, macOS and other Unixes; here adjoint's "
            "core is Python"
        )
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        raise BuildError("the compiled core needs Python's global lock; this Python has none")
    command = [*compiler(), *_FLAGS, *_headers()]
    if sys.platform == "darwin":
        command += ["-undefined", "dynamic_lookup"]
    paths = [Path(library.path()) for library in _LIBRARIES]
    cache = paths[0].parent
    try:
        cache.mkdir(parents=True, exist_ok=True)
        # written beside and renamed: nobody ever loads half a library
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            made = [Path(folder) / path.name for path in paths]
            for library, file in zip(_LIBRARIES, made):
                _compile(command, library, file)
            _check(folder)
            for file, path in zip(made, paths):
                file.replace(path)
    except OSError as error:
        raise BuildError(f"cannot write to {cache}: {error.strerror}") from error
    return paths


def _compile(command: list[str], library: Library, made: Path) -> None:
    words = [*command, *[s for s in library.sources() if s.endswith(".c")], "-lm", "-o", str(made)]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        raise BuildError(f"{shlex.join(words)} failed:\n{done.stderr.strip()}")


def _check(folder: str) -> None:
    """Compare the libraries in ``folder`` with Python's way, in processes of their own."""
    printed = []
    for refused in ("0", "1"):
        variables = {"ADJOINT_CACHE": folder, NO_NATIVE: refused}
        program = _CHECK if refused == "0" else _CHECK.replace(" is not None", " is None")
        done = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **variables},
            capture_output=True,
            text=True,
        )
        printed.append(done.stdout)
        if done.returncode:
            raise BuildError(
                f"what was built does not work with this Python ({sys.version.split()[0]}), and "
                f"was thrown away (status {done.returncode}):\n{done.stderr.strip()}"
            )
    if printed[0] != printed[1]:
        raise BuildError("what was built computes other numbers than Python, and was thrown away")


def remove() -> int:
    """Delete all built libraries; return how many there were."""
    paths = built()
    for path in paths:
        path.unlink(missing_ok=True)
    return len(paths)
