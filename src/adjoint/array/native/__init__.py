"""The compiled kernels in C, where someone built them.

In: the C files beside this one, compiled by ``adjoint build`` (core/native/build.py) into the
user's cache.  Out: `kernels`, which loads the module on first use; None where there is none, and
then NumPy and BLAS do the work. NumPy's way is the reference; results are the same, to the last
bit: `array/kernels/compiled.py` makes sure of that in each process.
"""

from __future__ import annotations

import functools
import os
from typing import Any

from adjoint.array.native.library import Library

__all__ = ["kernels", "library"]

library = Library("adjoint_kernels", os.path.dirname(__file__))


@functools.cache
def kernels() -> Any:
    """The compiled kernels, or None."""
    return library.load()
