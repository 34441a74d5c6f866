"""Batched arrays: arrays with a hidden batch axis, and the array contract over them.

In and out: raw arrays.  `levels` has the array itself, `library` the contract's names, which the
first level loads; the modules beside them are its parts.
"""

from adjoint.array.batched.levels import BatchedArray, BatchedValueError, Level, spread

__all__ = ["BatchedArray", "BatchedValueError", "Level", "spread"]
