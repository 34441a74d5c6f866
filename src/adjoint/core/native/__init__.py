"""The compiled core: the two hottest paths of the tape in C, where someone has built them.

In: the C files beside this one, compiled by ``adjoint build`` (core/native/build.py) into the
user's cache.  Out: ``core``, the loaded module, or None; then the Python that it repeats does the
work: `core/call.py` (the call of an operator) and `core/straight.py` (the straight walk). Python's
side is the reference; results, graphs and errors are the same, to the last bit.

Note [What is compiled]
    Nothing of the mathematics, and no class. `Node`, `Tensor`, `Descriptor` are Python's; C makes
    and reads their objects by the places of their slots. Rules stay Python functions; one whose
    text is plain arithmetic is read as a list of steps (core/native/steps.py) by running it once on
    objects that write down what is done with them. Whatever is not plain goes the general way, in
    Python.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from adjoint._later import Later
from adjoint.array import silence
from adjoint.array.native.library import Library

if TYPE_CHECKING:
    from adjoint.core.native import calls, steps
else:
    calls = Later("adjoint.core.native.calls")
    steps = Later("adjoint.core.native.steps")

__all__ = ["calls", "core", "library", "steps"]

library = Library("adjoint_native", os.path.dirname(__file__))
core: Any = library.load() if silence.setting() is not None else None
