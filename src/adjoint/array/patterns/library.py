"""The array library of patterns: every name of the contract, for arrays that carry sets of inputs.

In: the number of inputs.  Out: a `PatternLibrary`, which makes the inputs and computes with what
depends on them; one library for one run of a program.
"""

from __future__ import annotations

import math
import weakref
from typing import Any

import numpy as np

from adjoint.array.namespace import Namespace
from adjoint.array.patterns.arrangement import Arrangement, Creation
from adjoint.array.patterns.elementwise import Elementwise
from adjoint.array.patterns.pattern_array import PatternArray
from adjoint.array.patterns.sets import DECIDED, NUMBER
from adjoint.array.patterns.windows import SlidingWindows

__all__ = ["PatternLibrary"]

Array = Any


class PatternLibrary(Elementwise, Arrangement, SlidingWindows, Creation):
    """The contract over arrays whose elements know which of ``size`` inputs they may depend on.

    ``local``: at the point where the inputs are, selecting what is selected there (Notes
    [Conditions], [Computed indices]). ``careful``: constants may hide that they depend on the
    input (Note [Zeros of constants]).

    >>> import numpy as np
    >>> xp = PatternLibrary(4)
    >>> x = xp.inputs(np.array([1.0, 2.0, 3.0, 4.0]))
    >>> y = x[1:] * x[:-1] + xp.sin(x[0])
    >>> xp.pattern(y).toarray().astype(int)
    array([[1, 1, 0, 0],
           [1, 1, 1, 0],
           [1, 0, 1, 1]])
    """

    def inputs(self, value: Array, first: int = 0) -> PatternArray:
        """``value`` as inputs number ``first``, ``first + 1``, ... in C order."""
        value = np.array(value)
        return self.computed(value, self.table.singles(first, value.shape))

    def pattern(self, x: Any) -> Any:
        """A boolean `scipy.sparse.csr_array`: a row for each element of ``x`` in C order, a column
        for each input.
        """
        return self.table.rows(self.sets_of(x).reshape(-1))

    # ---- Functions by their own pattern ------------------------------------------------------

    def union_of(self, arrays: Any) -> Array:
        """The union of the sets of all elements of some arrays."""
        made: Array = np.zeros((), NUMBER)
        for x in arrays:
            if isinstance(x, PatternArray):
                made = self.table.join(made, self.along(self.sets_of(x), tuple(range(x.ndim))))
        return made

    def unite_by(self, pattern: Any, arrays: Any, shapes: Any) -> list[Array]:
        """The sets of results of some shapes that depend on the elements of ``arrays`` as the
        pattern says: a row for each of these, a column for each element of the results.
        """
        numbers = np.concatenate([self.sets_of(x).reshape(-1) for x in arrays])
        turned = pattern.tocsc()
        united = self.table.unite_groups(turned.indptr, numbers[turned.indices])
        united = np.maximum(united, np.minimum(self.union_of(arrays), DECIDED))
        ends = np.cumsum([math.prod(shape) for shape in shapes])
        return [part.reshape(shape) for part, shape in zip(np.split(united, ends[:-1]), shapes)]

    def sets_in(self, sets: Array, dtype: Any) -> Array:
        """Sets as an array of a dtype holds them."""
        return self._fitted(sets, dtype)

    def stacked(self, arrays: Any, shapes: Any) -> Any:
        """The patterns of some arrays (None: nothing but constants) of these shapes, as one."""
        import scipy.sparse  # noqa: PLC0415 - on first use

        parts = [
            self.pattern(np.zeros(shape) if x is None else x) for x, shape in zip(arrays, shapes)
        ]
        return scipy.sparse.vstack(parts, format="csr")

    # ---- what the tape asks ------------------------------------------------------------------

    def check_operands(self, operands: Any, walking: bool) -> None:
        """Tidy up before an operator is called: now all numbers that matter are in arrays."""
        self.table.collect_when_due()

    def settle(self, g: Array, desc: Any) -> Array:
        """A cotangent on an edge: as it is. Between two rules is a time to tidy up, too."""
        self.table.collect_when_due()
        return g

    def alike(self, arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        """The results of one call: as they are."""
        return arrays

    def promote(self, base: Array, target: Array, values: Any, born: int) -> Array:
        """``base`` as an array that can hold what depends on inputs."""
        return base if isinstance(base, PatternArray) else self.constant(base.copy())

    def remember(self, tensor: Any, memory: Array) -> None:
        """Note that a tensor had other memory before it was promoted, for as long as it lives."""
        key, promoted = id(tensor), self.promoted
        forget = weakref.ref(tensor, lambda _: promoted.pop(key, None))
        promoted.setdefault(key, (forget, memory))


def _keeps_the_contract(library: PatternLibrary) -> Namespace:
    """That this returns is what the type checker proves."""
    return library
