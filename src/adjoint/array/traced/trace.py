"""A trace: the steps of a computation with traced arrays, and the contract over them.

In: inputs.  Out: the steps in their order, from which `derivatives/program.py` makes a function of
plain NumPy. A step that was taken before is not repeated.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.array import dtypes, numpy_
from adjoint.array.descriptor import ArrayType, Descriptor
from adjoint.array.device import CPU
from adjoint.array.kernels.products import outer
from adjoint.array.traced.arrays import METHODS, Step, TracedArray, Untraceable, item
from adjoint.array.traced.rewriting import rewritten, unchanged

__all__ = ["Trace"]

Array = Any


class TracedLibrary:
    """The contract over traced arrays: a function of the same name on NumPy's, written down."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace

    def __getattr__(self, name: str) -> Any:
        plain = getattr(numpy_, name)
        if name in _IN_STEPS:
            made = plain
        else:
            trace = self._trace

            def made(*args: Any, **kwargs: Any) -> Any:
                return trace.call(plain, args, kwargs)

        setattr(self, name, made)
        return made

    # ---- what the tape asks beyond the contract ----------------------------------------------

    def check_operands(self, operands: Any, walking: bool) -> None:
        """Nothing is wrong with any operands."""

    def settle(self, g: Array, desc: Any) -> Array:
        """A cotangent on an edge: as it is."""
        return g

    def alike(self, arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        """The results of one call: as they are."""
        return arrays

    def copy(self, x: Array) -> Array:
        """A copy is the array itself: nobody writes into it."""
        return x if type(x) is TracedArray else numpy_.copy(x)

    copy_layout = copy

    def matmul(self, a: Array, b: Array) -> Array:
        """The matrix product; NumPy's own method does not ask a second operand that is traced."""
        if a.ndim <= 2 and b.ndim <= 2:
            return self._trace.call(METHODS["dot"], (a, b))
        columns = a.shape[-1] == 1 and a.ndim > 1 and b.ndim > 1 and a.dtype.kind in "fc"
        return self._trace.call(outer if columns else np.matmul, (a, b))

    def promote(self, target: Array, values: Any, born: int) -> Array:
        """Refused: there is no writing into traced arrays."""
        raise Untraceable("writing in place")


# Functions that consist of operators and methods: these are the steps then.
_IN_STEPS = frozenset(
    "abs2 all any clip expand_dims flip matrix_t max mean min permute_dims power prod "
    "reshape sigmoid_backward slice squeeze sum swapaxes tanh_backward".split()
)


_COMMUTATIVE = frozenset([np.add, np.multiply])
_ARITHMETIC = frozenset([np.add, np.subtract, np.multiply, np.divide, np.maximum, np.minimum])
_EXACT = 1 << 24  # integers up to this are floats


class Trace:
    """The steps of one computation: ``inputs`` by number, then ``steps`` in order."""

    def __init__(self) -> None:
        self.inputs: list[TracedArray] = []
        self.steps: list[Step] = []
        self.library = TracedLibrary(self)
        self._count = 0
        self._known: dict[Any, Any] = {}
        self._alive: list[Any] = []  # arguments that are known by their identity
        self.made: dict[int, Step] = {}  # by the number of what it gave
        self._kinds: dict[Any, ArrayType] = {}
        self._numerals: dict[Any, Array] = {}

    def input(self, value: Array) -> TracedArray:
        """An array that will be another one the next time."""
        made = self.array(value)
        self.inputs.append(made)
        return made

    def descriptor(self, shape: tuple[int, ...], dtype: Any) -> Descriptor:
        """The descriptor of tensors over traced arrays."""
        kind = self._kinds.get(dtype)
        if kind is None:
            made = ArrayType(dtypes.from_numpy_dtype(dtype), self.library, CPU, 0)
            kind = self._kinds[dtype] = made
        return kind.shaped(shape) if shape else kind.zero_d

    def call(
        self, function: Callable[..., Any], args: Any, kwargs: dict[str, Any] | None = None
    ) -> Any:
        """``function(*args, **kwargs)``, written down if anything in it is traced.

        Raises: Untraceable where an argument is of another trace, or cannot be compared.
        """
        kwargs = kwargs or {}
        plain = [_value(a) for a in args]
        named = {k: _value(v) for k, v in kwargs.items()}
        if not (_has_traced(args) or _has_traced(kwargs.values())):
            return function(*plain, **named)
        if function in _ARITHMETIC and not kwargs:
            args = self._with_numbers(args)
        key = (function, _frozen(args, self), _frozen(tuple(kwargs.items()), self))
        found = self._known.get(key)
        if found is None and function in _COMMUTATIVE and not kwargs:
            found = self._known.get((function, _frozen(args[::-1], self), key[2]))
        if found is None:
            result = function(*plain, **named)
            found = unchanged(function, args, result)
            if found is None and not kwargs:
                found = rewritten(self, function, args, result)
            if found is None:
                found = self._noted(function, args, kwargs, result)
            self._known[key] = found
            self._alive.append((args, kwargs))
        return found

    def _noted(self, function: Any, args: Any, kwargs: dict[str, Any], result: Any) -> Any:
        """A new step."""
        found = self._wrapped(result)
        step = Step(function, tuple(args), kwargs, found.number)
        self.steps.append(step)
        self.made[step.out] = step
        if type(result) is tuple:
            return tuple([self.call(item, (found, k)) for k in range(len(result))])
        return found

    def negative(self, x: TracedArray) -> Any:
        """The negative of something that is there, in a step of its own."""
        key = (np.negative, _frozen((x,), self), _frozen((), self))
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._noted(np.negative, (x,), {}, -x.value)
        return found

    def product(self, x: Any, number: Any) -> Any:
        """The product of an array and a number, if it is there already."""
        pair = self._with_numbers((x, number))
        for args in (pair, pair[::-1]):
            found = self._known.get((np.multiply, _frozen(args, self), _frozen((), self)))
            if found is not None:
                return found
        return None

    # ---- making arrays -----------------------------------------------------------------------

    def _with_numbers(self, args: Any) -> Any:
        """Operands of arithmetic, with a number beside an array as what NumPy takes faster: an
        array without dimensions, in the dtype that the number would be taken as.
        """
        for i, x in enumerate(args):
            other = args[1 - i]
            if type(other) is TracedArray and other.ndim and other.dtype.kind == "f":
                made = _numeral(x, other)
                if made is not None:
                    found = self._numerals.setdefault((made.dtype, made.tobytes()), made)
                    return (found, args[1]) if i == 0 else (args[0], found)
        return args

    def array(self, value: Array) -> TracedArray:
        """A traced array with a number of its own."""
        self._count += 1
        return TracedArray(value, self._count, self)

    def _wrapped(self, result: Any) -> TracedArray:
        if type(result) is not tuple and not isinstance(result, np.ndarray | np.generic):
            raise Untraceable(f"a {type(result).__name__}")
        return self.array(result)


def _numeral(x: Any, other: TracedArray) -> Array | None:
    """What ``other`` meets everywhere, as an array without dimensions; None if it is no number."""
    if type(x) is int:
        fits = abs(x) <= _EXACT
    elif isinstance(x, np.ndarray | np.generic):
        fits = x.dtype == other.dtype and _is_repeated(x, other.shape)
        x = x.flat[0] if fits else x
    else:
        fits = type(x) is float
    if not fits:
        return None
    made = np.array(x, other.dtype)
    made.flags.writeable = False
    return made


def _is_repeated(x: Array, shape: tuple[int, ...]) -> bool:
    """Whether it is one number that is repeated to no more than a shape."""
    if x.ndim > len(shape) or not x.size:
        return False
    if any(n not in (1, m) for n, m in zip(x.shape[::-1], shape[::-1])):
        return False
    first = x.flat[0].tobytes()
    return np.ascontiguousarray(x).tobytes() == first * x.size


def _value(x: Any) -> Any:
    if type(x) is TracedArray:
        return x.value
    if type(x) in (tuple, list):
        return type(x)([_value(part) for part in x])
    return x


def _has_traced(values: Any) -> bool:
    return any(
        type(v) is TracedArray or (type(v) in (tuple, list) and _has_traced(v)) for v in values
    )


def _frozen(x: Any, trace: Trace) -> Any:
    """Something to know an argument by: equal for what would give the same."""
    if type(x) is TracedArray:
        if x.trace is not trace:
            raise Untraceable("arrays of two traces")
        return TracedArray, x.number
    if isinstance(x, tuple | list):
        return type(x), tuple([_frozen(part, trace) for part in x])
    if isinstance(x, slice):
        return slice, x.start, x.stop, x.step
    if isinstance(x, np.ndarray):
        return np.ndarray, id(x)
    if isinstance(x, np.generic):
        return type(x), x.tobytes()
    if isinstance(x, float | complex):
        return type(x), repr(x)
    try:
        hash(x)
    except TypeError:
        raise Untraceable(f"a {type(x).__name__} as an argument") from None
    return type(x), x
