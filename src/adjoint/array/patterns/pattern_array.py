"""`PatternArray`: an array that knows for each of its elements which inputs it may depend on.

In: a NumPy array, and a second one of the same shape and layout with numbers of sets (`sets.py`).
Out: an array with operators and indexing; what else there is to compute with it is in its
``array_library`` (`library.py`), by the names of the contract.

Note [As taken]
    The values are true. Whatever asks for them (``bool``, ``item``, a mask) gets them, and the
    program goes on as it does at this point; what it would do at another point is not seen.
    ``array_library.decisions`` counts such questions about values that are no constants.

Note [Two numbers]
    Of a complex array each element has two sets, of the real and of the imaginary part, so that
    views of the parts are views of the sets. Most operators mix the parts: both get the union.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from adjoint.array import dtypes
from adjoint.array.descriptor import ArrayType, Descriptor
from adjoint.array.device import CPU
from adjoint.array.patterns.sets import DECIDED, NUMBER, Sets

__all__ = ["PAIR", "PatternArray", "PatternBase", "index_of", "value_of"]

Array = Any

PAIR: Any = np.dtype([("re", NUMBER), ("im", NUMBER)])


# ---- operators -----------------------------------------------------------------------------------


def _smooth(function: Callable[..., Any]) -> tuple[Any, Any, Any]:
    """An operator, its reflection and its in-place form; elements depend on what both do."""

    def forward(self: PatternArray, other: Any) -> Any:
        if not isinstance(other, _OPERANDS):
            return NotImplemented
        library = self.array_library
        return library.computed(function(self.value, value_of(other)), library.joined(self, other))

    def reflected(self: PatternArray, other: Any) -> Any:
        if not isinstance(other, _OPERANDS):
            return NotImplemented
        library = self.array_library
        return library.computed(function(value_of(other), self.value), library.joined(self))

    def in_place(self: PatternArray, other: Any) -> Any:
        made = forward(self, other)
        if made is NotImplemented:
            return made
        self[...] = made
        return self

    return forward, reflected, in_place


def _flat(function: Callable[..., Any]) -> tuple[Any, Any]:
    """An operator and its reflection whose derivative is zero everywhere."""

    def forward(self: PatternArray, other: Any) -> Any:
        if not isinstance(other, _OPERANDS):
            return NotImplemented
        library = self.array_library
        return library.computed(function(self.value, value_of(other)), library.flags(self, other))

    def reflected(self: PatternArray, other: Any) -> Any:
        if not isinstance(other, _OPERANDS):
            return NotImplemented
        library = self.array_library
        return library.computed(function(value_of(other), self.value), library.flags(self))

    return forward, reflected


def _unary(function: Callable[..., Any]) -> Any:
    def forward(self: PatternArray) -> Any:
        library = self.array_library
        return library.computed(function(self.value), library.joined(self))

    return forward


class PatternArray:
    """A NumPy array ``value`` with the numbers of its elements' ``sets``.

    It is made by an array library (`PatternLibrary.inputs`), never directly.
    """

    __slots__ = ("__weakref__", "array_library", "sets", "value")

    __array_ufunc__ = None  # NumPy's arrays leave arithmetic with us to us
    __hash__ = object.__hash__

    array_library: Any  # a PatternLibrary; its classes are built over this module

    def __init__(self, value: Array, sets: Array, library: PatternBase) -> None:
        self.value = value
        self.sets = sets
        self.array_library = library
        library.table.living[id(self)] = self

    # ---- facts -------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes of the axes."""
        return self.value.shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self.value.ndim

    @property
    def size(self) -> int:
        """The number of elements."""
        return self.value.size

    @property
    def dtype(self) -> Any:
        """NumPy's type of the elements."""
        return self.value.dtype

    @property
    def itemsize(self) -> int:
        """The bytes of one element."""
        return self.value.itemsize

    @property
    def strides(self) -> tuple[int, ...]:
        """The bytes from one element to the next along each axis."""
        return self.value.strides

    @property
    def flags(self) -> Any:
        """NumPy's flags of the value."""
        return self.value.flags

    @property
    def memory(self) -> Array:
        """The NumPy array that lies in memory as this one does."""
        return self.value

    def describe(self) -> Descriptor:
        """What it is, for the tape: a type of its own, which takes no straight path."""
        kind = self.array_library.kind(self.value.dtype)
        return kind.shaped(self.value.shape) if self.value.shape else kind.zero_d

    def __repr__(self) -> str:
        inputs = self.array_library.table.size
        return f"PatternArray({self.value!r}, of {inputs} inputs)"

    # ---- values as taken ---------------------------------------------------------------------

    def taken(self) -> Array:
        """The value, for a decision: see Note [As taken]."""
        if self.array_library.flags(self).any():
            self.array_library.decisions += 1
        return self.value

    def detached(self) -> PatternArray:
        """An array over the same values whose elements depend on no input (they are DECIDED)."""
        return PatternArray(self.value, _decided_like(self.sets), self.array_library)

    def all(self) -> Any:
        """Whether all elements are true."""
        return self.value.all()

    def any(self) -> Any:
        """Whether any element is true."""
        return self.value.any()

    def item(self) -> Any:
        """The value of the only element as a Python number."""
        return self.taken().item()

    def tolist(self) -> Any:
        """The values as nested lists of Python numbers."""
        return self.taken().tolist()

    def __bool__(self) -> bool:
        return bool(self.taken())

    def __int__(self) -> int:
        return int(self.taken())

    def __float__(self) -> float:
        return float(self.taken())

    def __complex__(self) -> complex:
        return complex(self.taken())

    def __index__(self) -> int:
        return operator.index(self.taken())

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if (self.array_library.sets_of(self) > DECIDED).any():
            raise TypeError(
                "as a NumPy array it would lose what its elements depend on; use its array_library "
                "to compute with it, or taken() to decide by its values"
            )
        return np.array(self.taken(), dtype=dtype)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if function is np.shape:
            return self.shape
        known = [x for x in (*args, *kwargs.values()) if isinstance(x, PatternArray)]
        if known and not any((x.array_library.sets_of(x) > DECIDED).any() for x in known):
            plain = [x.taken() if isinstance(x, PatternArray) else x for x in args]
            named = {k: x.taken() if isinstance(x, PatternArray) else x for k, x in kwargs.items()}
            return function(*plain, **named)
        raise TypeError(
            f"np.{function.__name__} would lose what the elements of a PatternArray depend on; "
            "use its array_library"
        )

    # ---- elements ----------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.value)

    def __iter__(self) -> Iterator[PatternArray]:
        return (self[i] for i in range(len(self.value)))

    def __getitem__(self, index: Any) -> PatternArray:
        parts = index if isinstance(index, tuple) else (index,)
        if any(isinstance(part, PatternArray) for part in parts):
            return self.array_library.take(self, index)
        return self.array_library.moved(self.value[index], self.sets[index])

    def __setitem__(self, index: Any, value: Any) -> None:
        index = index_of(index)
        library = self.array_library
        sets = library.sets_for(value, self.value.dtype)
        self.value[index] = value_of(value)
        self.sets[index] = sets

    # ---- NumPy's methods that the tape uses --------------------------------------------------

    @property
    def T(self) -> PatternArray:
        """A view with the axes reversed."""
        return self.array_library.moved(self.value.T, self.sets.T)

    @property
    def real(self) -> PatternArray:
        """The real part, a view."""
        return self.array_library.real(self)

    @property
    def imag(self) -> PatternArray:
        """The imaginary part, a view."""
        return self.array_library.imag(self)

    def astype(self, dtype: Any, copy: bool = True) -> PatternArray:
        """A copy in another dtype; of integers and bools nothing depends on any input."""
        return self.array_library.astype(self, dtype)

    def copy(self, order: Any = "C") -> PatternArray:
        """A copy."""
        return self.array_library.moved(self.value.copy(order), self.sets.copy(order))

    def reshape(self, *shape: Any) -> PatternArray:
        """The same elements in another shape, a view where possible."""
        return self.array_library.moved(self.value.reshape(*shape), self.sets.reshape(*shape))

    # ---- operators ---------------------------------------------------------------------------

    __add__, __radd__, __iadd__ = _smooth(operator.add)
    __sub__, __rsub__, __isub__ = _smooth(operator.sub)
    __mul__, __rmul__, __imul__ = _smooth(operator.mul)
    __truediv__, __rtruediv__, __itruediv__ = _smooth(operator.truediv)
    __mod__, __rmod__, __imod__ = _smooth(operator.mod)
    __pow__, __rpow__, __ipow__ = _smooth(operator.pow)
    __neg__ = _unary(operator.neg)
    __pos__ = _unary(operator.pos)
    __abs__ = _unary(operator.abs)
    __floordiv__, __rfloordiv__ = _flat(operator.floordiv)
    __and__, __rand__ = _flat(operator.and_)
    __or__, __ror__ = _flat(operator.or_)
    __xor__, __rxor__ = _flat(operator.xor)
    __lshift__, __rlshift__ = _flat(operator.lshift)
    __rshift__, __rrshift__ = _flat(operator.rshift)
    __eq__ = _flat(operator.eq)[0]
    __ne__ = _flat(operator.ne)[0]
    __lt__ = _flat(operator.lt)[0]
    __le__ = _flat(operator.le)[0]
    __gt__ = _flat(operator.gt)[0]
    __ge__ = _flat(operator.ge)[0]

    def __invert__(self) -> PatternArray:
        return self.array_library.computed(~self.value, self.array_library.flags(self))

    def __matmul__(self, other: Any) -> Any:
        return self.array_library.matmul(self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return self.array_library.matmul(other, self)


class PatternBase:
    """What all parts of the array library need: making arrays, and the sets of operands."""

    def __init__(self, size: int, *, local: bool = False, careful: bool = False) -> None:
        self.table = Sets(size)
        self.decisions = 0
        self.local = local
        self.careful = careful
        self.promoted: dict[int, Any] = {}
        self._kinds: dict[Any, ArrayType] = {}

    def kind(self, dtype: Any) -> ArrayType:
        """The type that the tape has for arrays of this library and dtype."""
        found = self._kinds.get(dtype)
        if found is None:
            made = ArrayType(dtypes.from_numpy_dtype(dtype), self, CPU, 0)
            found = self._kinds[dtype] = made
        return found

    # ---- making arrays -----------------------------------------------------------------------

    def moved(self, value: Array, sets: Array) -> PatternArray:
        """An array whose value and sets were made in the same way, perhaps as views."""
        return PatternArray(np.asarray(value), np.asarray(sets), self)

    def computed(self, value: Array, sets: Array) -> PatternArray:
        """A new array with sets that broadcast to its shape, laid out in memory as the value is."""
        value = np.asarray(value)
        sets = self._fitted(sets, value.dtype)
        alike = value.flags.c_contiguous and sets.flags.c_contiguous
        if not alike or sets.shape != value.shape:
            laid_out = np.empty_like(value, sets.dtype)
            laid_out[...] = sets
            sets = laid_out
        return self.moved(value, sets)

    def constant(self, value: Array) -> PatternArray:
        """A new array that depends on no input, and can be written to."""
        return self.computed(value, np.zeros((), NUMBER))

    # ---- the sets of operands ----------------------------------------------------------------

    def sets_of(self, x: Any) -> Array:
        """One set for each element of an operand, both parts of complex numbers together."""
        if not isinstance(x, PatternArray):
            return np.zeros(np.shape(x), NUMBER)
        return self._together(self.mine(x).sets)

    def sets_for(self, x: Any, dtype: Any) -> Array:
        """The sets with which an operand enters an array of a dtype."""
        if not isinstance(x, PatternArray):
            return np.zeros((), PAIR if dtype.kind == "c" else NUMBER)
        return self._fitted(self.mine(x).sets, dtype)

    def mine(self, x: PatternArray) -> PatternArray:
        """``x``, which must be an array of this library."""
        if x.array_library is not self:
            raise RuntimeError(
                "arrays of two pattern detections met: the function that is looked at may not "
                "itself look at values made from its own arguments in another detection"
            )
        return x

    def joined(self, *operands: Any) -> Array:
        """The union of the operands' sets, element by element; they broadcast."""
        known = [x for x in operands if isinstance(x, PatternArray)]
        if not known:
            return np.zeros((), NUMBER)
        made = self.sets_of(known[0])
        for x in known[1:]:
            made = self.table.join(made, self.sets_of(x))
        return made.copy() if made is known[0].sets else made

    def flags(self, *operands: Any) -> Array:
        """DECIDED where an element of an operand is no constant, else EMPTY; they broadcast."""
        made: Array = np.zeros((), NUMBER)
        for x in operands:
            if isinstance(x, PatternArray):
                sets = self.mine(x).sets
                parts = (sets["re"], sets["im"]) if sets.dtype == PAIR else (sets,)
                for part in parts:
                    made = np.maximum(made, np.minimum(part, DECIDED))
        return made

    def _together(self, sets: Array) -> Array:
        return self.table.join(sets["re"], sets["im"]) if sets.dtype == PAIR else sets

    def _fitted(self, sets: Array, dtype: Any) -> Array:
        """The sets as an array of a dtype has them; see Note [Two numbers]."""
        if dtype.kind != "c":
            sets = self._together(sets)
            return sets if dtype.kind in "fV" else np.minimum(sets, DECIDED)
        if sets.dtype == PAIR:
            return sets
        pairs = np.empty(sets.shape, PAIR)
        pairs["re"] = sets
        pairs["im"] = sets
        return pairs


def _decided_like(sets: Array) -> Array:
    """DECIDED for each number but EMPTY, in memory of its own that is laid out in the same way."""
    root = sets
    while isinstance(root.base, np.ndarray):
        root = root.base
    known = root.base is None and root.flags.forc
    made = root.reshape(-1, order="A").copy() if known else sets.copy("K")
    for part in [made] if made.dtype == NUMBER else [made["re"], made["im"]]:
        np.minimum(part, DECIDED, out=part)
    if not known:
        return made
    offset = sets.__array_interface__["data"][0] - root.__array_interface__["data"][0]
    return np.ndarray(sets.shape, sets.dtype, made, offset, sets.strides)


def value_of(x: Any) -> Any:
    """The value of a PatternArray; anything else as it is."""
    return x.value if isinstance(x, PatternArray) else x


def index_of(index: Any) -> Any:
    """An index expression with the values of PatternArrays, as taken."""
    if isinstance(index, tuple):
        return tuple([index_of(i) for i in index])
    if isinstance(index, list):
        return [index_of(i) for i in index]
    return index.taken() if isinstance(index, PatternArray) else index


_OPERANDS = (PatternArray, np.ndarray, np.generic, int, float, complex)
