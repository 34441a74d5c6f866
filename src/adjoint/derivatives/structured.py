"""Sparse Jacobians of graphs that are built alike: the pattern is derived once and kept.

In: a recorded result and the leaf it depends on.  Out: the `Compressed` that has its pattern and
its program, where graphs like this one were met before.

Note [The pattern of a graph]
    `sparse.detect_jacobian` runs a function at a point, and what it finds holds for the way that
    the function takes there. Here the pattern is that of a *graph*: the walk that pulls one
    cotangent back is written down over traced arrays (derivatives/program.py), which gives steps
    that are the same for every graph that is built alike; then the cotangent's elements are
    followed through the steps, as sets of elements. Only steps count for which the values of all
    other operands do not matter: sums, products, quotients, and what moves elements by constant
    places. Where there is another step between the cotangent and the result (a mask that selects,
    an index that is a tensor, a matrix product), there is no pattern, and each call looks for its
    own as before. So a pattern that is kept holds for every graph that its program accepts.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from adjoint.array import numpy_
from adjoint.array.patterns import PatternLibrary
from adjoint.array.silence import restore, silence
from adjoint.array.traced import METHODS, Attribute, Step, TracedArray, Untraceable, item
from adjoint.core import mode as modes
from adjoint.core.engine import run_backward
from adjoint.core.mode import mode_bits
from adjoint.derivatives.compressed import Compressed
from adjoint.derivatives.kept import KeptTwice
from adjoint.derivatives.program import is_large
from adjoint.derivatives.steps import needed, numbers, traced
from adjoint.derivatives.tape import Tape, fingerprint
from adjoint.sparse.evaluate import JVP_COST
from adjoint.sparse.pattern import ColoredPattern

__all__ = ["Structures", "graph_pattern", "is_worth_it"]

Array = Any


# Results are elements of the operands or sums of them, each times something: the places that the
# sum of the operands depends on are all there can be, whatever the values.
_SUMS: dict[Any, Any] = {
    np.add: operator.add,
    np.subtract: operator.sub,
    np.multiply: operator.mul,
    np.divide: operator.truediv,
    np.negative: operator.neg,
    np.positive: operator.pos,
}

# Functions that move elements of the first operand, as constants tell.
_MOVES = {
    item,
    np.broadcast_to,
    np.moveaxis,
    numpy_.broadcast_to,
    numpy_.slice_into,
    *(METHODS[name] for name in ("copy", "reshape", "squeeze", "swapaxes", "transpose")),
}


def graph_pattern(output: Any, point: Any) -> Any:
    """Where the Jacobian of ``output`` by the leaf ``point`` may be non-zero, for every graph that
    is built alike: a boolean `scipy.sparse.csr_array`; see Note [The pattern of a graph].

    Raises: Untraceable where the values in the graph matter.
    """
    tape = Tape(output._edge, [point._edge])
    ones = np.ones(output._desc.shape, output._desc.numpy)
    cotangent = tape.trace.input(ones)
    with mode_bits(on=modes.LIBRARIES):
        found = run_backward(
            [(tape.output._edge, cotangent)],
            keep=True,
            create=False,
            inputs=[(tape.points[0]._edge, 0)],
            accumulate=False,
            world=False,
        ).get(0)
    if type(found) is not TracedArray:
        raise Untraceable("a gradient that does not depend on the cotangent")
    library = PatternLibrary(ones.size, careful=True)
    known: dict[int, Any] = {cotangent.number: library.inputs(ones)}
    token = silence()
    try:
        for step in needed(tape.trace.steps, [found]):
            if not known.keys().isdisjoint(numbers((step.args, step.kwargs))):
                known[step.out] = _followed(step, known, library)
    finally:
        restore(token)
    if found.number not in known:
        raise Untraceable("a gradient that does not depend on the cotangent")
    return library.pattern(known[found.number]).T.tocsr()


def _followed(step: Step, known: dict[int, Any], library: PatternLibrary) -> Any:
    """A step with the sets of elements that its result may depend on."""
    function, args, kwargs = step.function, step.args, step.kwargs

    def meant(x: Any) -> Any:
        if type(x) is TracedArray:
            return known.get(x.number, x.value)
        return type(x)([meant(part) for part in x]) if type(x) in (tuple, list) else x

    if function in _SUMS and not kwargs:
        return _SUMS[function](*map(meant, args))
    if function == np.add.reduce and len(args) == 1 and type(kwargs.get("axis")) in (int, tuple):
        axis = kwargs["axis"]
        axes = (axis,) if type(axis) is int else axis
        return library.sum(meant(args[0]), axes, bool(kwargs.get("keepdims")))
    if function is np.concatenate or function is np.stack:
        parts, axis = meant(args[0]), kwargs.get("axis", args[1] if len(args) > 1 else 0)
        return (library.concatenate if function is np.concatenate else library.stack)(parts, axis)
    moves = function in _MOVES or (isinstance(function, Attribute) and function.name == "T")
    constant = not traced((args[1:], kwargs)) and all(map(_is_place, args[1:]))
    if moves and constant and type(args[0]) is TracedArray:
        return library.moved_by(lambda a: function(a, *args[1:], **kwargs), meant(args[0]))
    raise Untraceable(f"{function!r} of values that matter")


def _is_place(x: Any) -> bool:
    """Whether a parameter says where elements are, without any array."""
    if type(x) in (tuple, list):
        return all(map(_is_place, x))
    return x is None or x is ... or isinstance(x, int | slice | str)


def is_worth_it(pattern: ColoredPattern) -> bool:
    """Whether a Jacobian is recovered from far fewer products than it has rows or columns."""
    rows, columns = pattern.shape
    return pattern.n_colors * 4 <= min(rows, columns * JVP_COST)


class Structures(KeptTwice):
    """The patterns of Jacobians that were asked for twice, with their programs."""

    most, marks = 32, 256

    def recall(self, output: Any, point: Any) -> tuple[Compressed, list[Array]] | None:
        """The pattern and the products of a graph like one before; None where there is none."""
        if output._edge is None:
            return None
        kept = self._kept.get(output._edge.desc)
        for i, compressed in enumerate(kept or ()):
            found = compressed.derivation.recall(output, (point,))
            if found is not None and all(g is not None for g in found):
                if i and kept:
                    kept.insert(0, kept.pop(i))
                return compressed, found
        return None

    def learn(self, output: Any, point: Any) -> None:
        """Note a graph with a sparse Jacobian; the second time keep its pattern and a program."""
        root, leaf = output._edge, point._edge
        if root is None or root.leaf or is_large(output) or is_large(point):
            return
        try:
            mark = fingerprint(root, [leaf])
        except Untraceable:
            return
        if not self.again(mark):
            return
        try:
            pattern = ColoredPattern.from_scipy(graph_pattern(output, point), jvp_cost=JVP_COST)
        except Exception:  # whatever it is: each call looks for the pattern on its own
            return
        if not (Compressed.suits(pattern) and is_worth_it(pattern)):
            return
        compressed = Compressed(pattern)
        compressed.derivation.learn(output, (point,))
        compressed.derivation.learn(output, (point,))  # a program is made the second time
        self.keep(root.desc, compressed)
