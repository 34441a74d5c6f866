"""Custom Functions under sparsity detection: what their results depend on, by their own backward.

In: a Function that was called with arrays that carry sets of inputs (array/patterns).  Out: its
results, with the sets that they have according to ``backward``.

Note [Backward knows]
    What ``forward`` does to its values says little about derivatives: it may compute with NumPy
    outside of the tape, or round where ``backward`` hands the gradient on. So the Function is
    called once more on plain arrays, and pulled back with a cotangent each element of which is an
    input of a detection of its own: that gives the pattern of the Function's Jacobian. Where
    ``backward`` takes values out of the cotangent, everything depends on everything.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.array import dtypes
from adjoint.array.descriptor import describe, library_of, memory_of
from adjoint.core import mode as modes
from adjoint.core.engine import run_backward
from adjoint.core.mode import get_mode, mode_bits
from adjoint.core.node import AccumulateGrad
from adjoint.core.tensor_base import TensorBase, make_tensor
from adjoint.ops.view import clone

__all__ = ["decisions", "depending_gradients", "depending_results"]

Tensors = tuple[Any, ...]


def _patterns(tensors: Any) -> Any:
    """The array library of patterns that any of ``tensors`` belongs to."""
    if not get_mode() & modes.LIBRARIES:
        return None
    library = library_of([t._array for t in tensors if isinstance(t, TensorBase)])
    return library if hasattr(library, "unite_by") else None


def arrays_before(args: Tensors) -> list[Any]:
    """The arrays of the tensors among arguments, as they are before they may be written to."""
    if _patterns(args) is None:
        return []
    return [
        a._array if isinstance(a._array, np.ndarray | np.generic) else a._array.copy()
        for a in args
        if isinstance(a, TensorBase)
    ]


def depending_results(
    function: Any, args: Tensors, given: list[Any], outputs: Tensors, context: Any
) -> Tensors:
    """The results of a Function with the sets that they depend on; ``given``: `arrays_before`."""
    library = _patterns(args) if given else None
    if library is None:
        return outputs
    inputs = [a for a in args if isinstance(a, TensorBase)]
    floating = [o for o in outputs if _is_floating(o)]
    pattern = _pattern_of(function, args, given, floating, library)
    everything = library.union_of(given)
    context._depends = library.computed(np.zeros(()), everything)
    found = iter(
        [everything] * len(floating)
        if pattern is None
        else library.unite_by(pattern, given, [o._desc.shape for o in floating])
    )
    made = []
    for output in outputs:
        if isinstance(output, TensorBase):
            sets = next(found) if _is_floating(output) else everything
            if any(output is t for t in context._dirty):
                output._array.sets[...] = library.sets_in(sets, output._array.dtype)
            elif any(output is a for a in inputs):
                output = make_tensor(library.computed(memory_of(output._array).copy(), sets))
            else:
                output._array = library.computed(memory_of(output._array), sets)
                output._desc = describe(output._array)
        made.append(output)
    return tuple(made)


def _is_floating(t: Any) -> bool:
    return isinstance(t, TensorBase) and t._desc.dtype.category >= dtypes.FLOATING


def _pattern_of(
    function: Any, args: Tensors, given: list[Any], outputs: list[Any], library: Any
) -> Any:
    """The pattern of the Jacobian of all floating outputs by all inputs (a row for each element of
    an input, a column for each of an output); None where it cannot be told.
    """
    local = type(library)(sum(int(np.prod(o._desc.shape)) for o in outputs), careful=True)
    again: list[Any] = []
    leaves: list[Any] = []
    arrays = iter(given)
    with mode_bits(on=modes.GRAD, off=modes.LIBRARIES):
        for a in args:
            if isinstance(a, TensorBase):
                a = make_tensor(np.array(memory_of(next(arrays))))
                if _is_floating(a):
                    a._edge = AccumulateGrad(a)
                leaves.append(a)
                a = clone(a)  # which may be written to
            again.append(a)
        results = function.apply(*again)
    roots, first = [], 0
    for result in results if isinstance(results, tuple) else (results,):
        if _is_floating(result):
            shape = result._desc.shape
            if result._edge is not None:
                ones = np.ones(shape, result._desc.numpy)
                roots.append((result._edge, local.inputs(ones, first)))
            first += int(np.prod(shape))
    keys = [(leaf._edge, 0) for leaf in leaves if leaf._edge is not None]
    with mode_bits(on=modes.LIBRARIES):
        try:
            found = run_backward(
                roots, keep=False, create=False, inputs=keys, accumulate=False, world=False
            )
        except (NotImplementedError, TypeError):  # none, or NumPy was handed what it cannot hold
            return None
    if local.decisions:
        return None
    captured = iter([found.get(k) for k in range(len(keys))])
    rows = [None if leaf._edge is None else next(captured) for leaf in leaves]
    return local.stacked(rows, [leaf._desc.shape for leaf in leaves])


def decisions(grads: list[Any]) -> int:
    """How often values were asked for so far in the detection that the cotangents belong to; -1 if
    there is none.
    """
    library = _patterns(grads)
    return -1 if library is None else library.decisions


def depending_gradients(context: Any, grads: list[Any], results: Tensors, before: int) -> Tensors:
    """What ``backward`` returned; where it has asked for values, it depends on all there is."""
    library = _patterns(grads)
    if library.decisions == before:
        return results
    arrays = [g._array for g in grads if g is not None]
    everything = library.union_of(
        arrays if context._depends is None else [*arrays, context._depends]
    )
    return tuple(
        [
            r if r is None else make_tensor(library.computed(memory_of(r._array), everything))
            for r in results
        ]
    )
