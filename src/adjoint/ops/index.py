"""Indexing: what ``x[...]`` and ``x[...] = y`` mean.

In: a Tensor and PyTorch's index expressions.  Out: views for integers, slices and None; copies for index tensors,
lists and masks. Picking and adding are each other's transpose (index / index_accumulate).

Note [Index tensors]
    Whatever stands in the brackets becomes a view (integers, slices, None) and then at most one index
    tensor with the ``axes`` that it picks from: the user's own tensor or mask, so that a later write to
    it is noticed; or, for several index tensors, their broadcast stack, one row per axis.
"""

from __future__ import annotations

import operator as python
import warnings
from typing import Any

import numpy as np

from adjoint.array import dtypes
from adjoint.core.errors import scalar_name, type_name
from adjoint.core.inplace import apply_inplace
from adjoint.core.tensor_base import TensorBase, make_tensor
from adjoint.ops import join, view
from adjoint.ops.families import operator
from adjoint.ops.inplace import copy_

Array = Any
Tensor = Any
Shape = tuple[int, ...]

# ---- primitives ----------------------------------------------------------------------------------


def places(index: Array, axes: Shape) -> tuple[Any, ...]:
    """The full index expression that picks ``index`` from ``axes``."""
    full: list[Any] = [slice(None)] * (axes[-1] + 1)
    if len(axes) == 1:
        full[axes[0]] = index
    else:
        for row, axis in enumerate(axes):
            full[axis] = index[row]
    return tuple(full)


def overwritten(xp: Any, x: Array, full: tuple[Any, ...], value: Any) -> Array:
    """A copy of the raw array ``x`` with ``value`` at an index expression."""
    made = xp.copy(x)
    made[full] = value
    return made


def _index_vjp(xp: Any, g: Array, input_shape: Shape, index: Array, axes: Shape) -> Array:
    return xp.index_add(g, input_shape, places(index, axes))


@operator(
    "linear",
    (_index_vjp, None),
    linear=True,
    saved_names={"index": "indices"},
)
def _index(xp: Any, input: Array, index: Array, *, axes: Shape) -> Array:
    """Return the elements that an index tensor picks from ``axes``."""
    return xp.take(input, places(index, axes))


@operator(
    "linear",
    (lambda xp, g, index, axes: xp.take(g, places(index, axes)), None),
    linear=True,
)
def _index_accumulate(xp: Any, input: Array, index: Array, *, shape: Shape, axes: Shape) -> Array:
    """Return zeros of ``shape`` to which ``input`` is added where an index tensor says."""
    return xp.index_add(input, shape, places(index, axes))


def _kept(xp: Any, g: Array, index: Array, axes: Shape, accumulate: bool) -> Array:
    if accumulate:
        return g
    if isinstance(g, TensorBase):
        zero = make_tensor(g._desc.numpy.type(0))
        return _index_put(g, zero, index, axes=axes, accumulate=False)
    return overwritten(xp, g, places(index, axes), 0)


@operator(
    "linear",
    (_kept, lambda xp, g, index, axes: xp.take(g, places(index, axes)), None),
    linear=True,
    saved_names={"index": "indices"},
)
def _index_put(
    xp: Any, input: Array, value: Array, index: Array, *, axes: Shape, accumulate: bool
) -> Array:
    """Return ``input`` with ``value`` where an index tensor says, written or added."""
    full = places(index, axes)
    if not accumulate:
        return overwritten(xp, input, full, value)
    picked = xp.take(input, full)
    return input + xp.index_add(xp.broadcast_to(value, picked.shape), input.shape, full)


def _write_places(
    memory: Array, value: Array, index: Array, *, axes: Shape, accumulate: bool
) -> None:
    if accumulate:
        np.add.at(memory, places(index, axes), value)
    else:
        memory[places(index, axes)] = value


_index_put.op.overwrite = _write_places  # type: ignore[attr-defined]


@operator(
    "linear",
    (lambda xp, g: xp.zeros_like(g), lambda xp, g: g),
    linear=True,
    node="FillBackward3",
)
def _fill_value(xp: Any, input: Array, value: Array) -> Array:
    """Return the 0-d ``value`` everywhere."""
    return xp.astype(xp.broadcast_to(value, input.shape), input.dtype)


@operator(
    "linear",
    (lambda xp, g, index: xp.slice(g, index),),
    linear=True,
    node="SliceScatterBackward0",
)
def _slice_into(xp: Any, input: Array, *, shape: Shape, index: Any) -> Array:
    """Return zeros of ``shape`` with ``input`` at a basic index."""
    return xp.slice_into(input, shape, index)


# ---- the Tensor world's names (ops/vocabulary.py) ------------------------------------------------


def _take(input: Tensor, *, index: Any) -> Tensor:
    """Return ``input[index]`` for a full index expression of slices and arrays."""
    tensor, axes = _joined(index)
    return _index(input, tensor, axes=axes)


def _index_add(input: Tensor, *, shape: Shape, index: Any) -> Tensor:
    """Return zeros of ``shape`` to which ``input`` is added at a full index expression."""
    tensor, axes = _joined(index)
    return _index_accumulate(input, tensor, shape=shape, axes=axes)


def _joined(full: tuple[Any, ...]) -> tuple[Tensor, Shape]:
    axes = tuple(a for a, item in enumerate(full) if not isinstance(item, slice))
    tensors = [full[a] if isinstance(full[a], TensorBase) else make_tensor(full[a]) for a in axes]
    return (tensors[0] if len(tensors) == 1 else join.stack(tensors)), axes


# ---- index expressions ---------------------------------------------------------------------------


class _Expression:
    """An index expression applied to ``input``: the view so far, the axis to come, what is picked."""

    def __init__(self, input: Tensor, items: tuple[Any, ...]) -> None:
        self.result = input
        self.axis = 0
        self.picks: list[tuple[int, Tensor]] = []
        items = tuple(_listed(item) for item in items)
        consumed = sum(map(_consumed, items))
        if consumed > input.ndim:
            raise IndexError(
                f"too many indices for tensor of dimension {input.ndim} ({consumed} were given)"
            )
        for item in items:
            self.apply(item, input.ndim - consumed)

    def apply(self, item: Any, rest: int) -> None:
        """One item of the expression; an ellipsis stands for ``rest`` axes."""
        if item is None:
            self.result = view._unsqueeze(self.result, axis=self.axis)
            self.axis += 1
        elif item is Ellipsis:
            self.axis += rest
        elif isinstance(item, slice):
            self.result = _sliced(self.result, self.axis, item, skip_full=True)
            self.axis += 1
        elif isinstance(item, TensorBase):
            self.apply_tensor(item)
        else:
            self.result = _selected(self.result, self.axis, item)

    def apply_tensor(self, item: Tensor) -> None:
        """An index tensor or a mask; one without dims selects, or adds an axis that it masks."""
        shape, dtype = item._desc.shape, item._desc.dtype
        if not shape and dtype.category == dtypes.INTEGRAL and dtype is not dtypes.uint8:
            self.result = _selected(self.result, self.axis, int(item._array))
            return
        if dtype not in _INDEX_DTYPES:
            raise IndexError(
                "tensors used as indices must be long, int, byte or bool tensors "
                f"(this one has dtype {dtype!r}; indices: .long(), masks: .bool())"
            )
        if dtype is dtypes.uint8:
            warnings.warn(
                "indexing with dtype torch.uint8 is now deprecated, please use a dtype torch.bool "
                "instead.",
                stacklevel=5,
            )
        if not shape:
            self.result = view._unsqueeze(self.result, axis=self.axis)
            item = make_tensor(np.zeros(int(bool(item._array)), np.int64))
            shape, dtype = item._desc.shape, item._desc.dtype
        self.picks.append((self.axis, item))
        if dtype in _MASK_DTYPES:
            self.check_mask(shape)
            self.axis += len(shape)
        else:
            self.axis += 1

    def check_mask(self, shape: Shape) -> None:
        """A mask has the sizes of the axes that it masks."""
        sizes = self.result._desc.shape
        for k, n in enumerate(shape):
            if sizes[self.axis + k] != n:
                raise IndexError(
                    f"The shape of the mask {list(shape)} at index {k} does not match the shape of "
                    f"the indexed tensor {list(sizes)} at index {self.axis + k}"
                )

    def picked(self) -> tuple[Tensor, Shape]:
        """The one index tensor of Note [Index tensors] and its axes."""
        if len(self.picks) == 1:
            axis, tensor = self.picks[0]
            if tensor._desc.dtype is dtypes.uint8:
                tensor = make_tensor(tensor._array != 0)
            return tensor, (axis,)
        axes: list[int] = []
        rows: list[Tensor] = []
        for axis, tensor in self.picks:
            if tensor._desc.dtype in _MASK_DTYPES:
                for k, where in enumerate(np.nonzero(tensor._array)):
                    axes.append(axis + k)
                    rows.append(make_tensor(where))
            else:
                axes.append(axis)
                rows.append(tensor)
        return _stacked(rows), tuple(axes)


_INDEX_DTYPES = (dtypes.int64, dtypes.int32, dtypes.bool_, dtypes.uint8)
_MASK_DTYPES = (dtypes.bool_, dtypes.uint8)


def _stacked(rows: list[Tensor]) -> Tensor:
    try:
        shape = np.broadcast_shapes(*(row._desc.shape for row in rows))
    except ValueError:
        shapes = ", ".join(str(list(row._desc.shape)) for row in rows)
        raise IndexError(
            "shape mismatch: indexing tensors could not be broadcast together with shapes "
            f"{shapes} (index with one mask, or with tensors of one shape)"
        ) from None
    if all(isinstance(row._array, np.ndarray) for row in rows):
        return make_tensor(np.stack([np.broadcast_to(row._array, shape) for row in rows]))
    return join.stack([view.expand(row, shape) for row in rows])


def _items_of(index: Any) -> tuple[Any, ...]:
    """The items between the brackets; some lists count as tuples, as in PyTorch."""
    if isinstance(index, tuple):
        return index
    if isinstance(index, list) and len(index) < 32:
        kinds = (list, tuple, range, slice, TensorBase, np.ndarray, type(None), type(Ellipsis))
        if any(isinstance(item, kinds) for item in index):
            return tuple(index)
    return (index,)


def _listed(item: Any) -> Any:
    """An item in one of five forms: None, Ellipsis, slice, int, Tensor."""
    kind = type(item)
    if kind is int or kind is slice or item is None or item is Ellipsis:
        return item
    if isinstance(item, TensorBase):
        return item
    if isinstance(item, bool | np.bool_):
        return make_tensor(np.bool_(item))
    if isinstance(item, list | tuple | range | np.ndarray):
        return make_tensor(_index_array(item))
    if isinstance(item, str | bytes):
        raise TypeError(f"new(): invalid data type '{kind.__name__}'")
    try:
        if hasattr(item, "__index__"):
            return python.index(item)
    except TypeError:
        pass
    raise IndexError(
        "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid "
        f"indices (got {kind.__module__ + '.' if kind.__module__ == 'numpy' else ''}{kind.__name__})"
    )


def _index_array(item: Any) -> Any:
    if not isinstance(item, np.ndarray):
        item = _nested(item)
    if item.dtype.kind == "b" and item.size:
        return item
    if item.dtype.kind == "c":
        raise TypeError("'complex' object cannot be interpreted as an integer")
    return item.astype(np.int64)


def _nested(item: Any) -> Any:
    flat = item
    while isinstance(flat, list | tuple) and flat:
        flat = flat[0]
    if isinstance(flat, str | bytes):
        raise TypeError(f"new(): invalid data type '{type(flat).__name__}'")
    try:
        made = np.array([i.tolist() if isinstance(i, TensorBase) else i for i in item])
    except ValueError:
        lengths = [len(row) if isinstance(row, list | tuple) else 0 for row in item]
        other = next((n for n in lengths if n != lengths[0]), 0)
        raise ValueError(
            f"expected sequence of length {lengths[0]} at dim 1 (got {other})"
        ) from None
    if made.dtype.kind in "USO":
        other = next((i for i in item if isinstance(i, str | bytes)), "")
        raise TypeError(f"new(): invalid data type '{type(other).__name__}'")
    return made


def _consumed(item: Any) -> int:
    if item is None or item is Ellipsis:
        return 0
    if isinstance(item, TensorBase) and item._desc.dtype in _MASK_DTYPES:
        return len(item._desc.shape)
    return 1


def _selected(input: Tensor, axis: int, index: int) -> Tensor:
    size = input._desc.shape[axis]
    if not -size <= index < size:
        raise IndexError(f"index {index} is out of bounds for dimension {axis} with size {size}")
    return view._select(input, axis=axis, index=index + size if index < 0 else index)


def _sliced(input: Tensor, axis: int, item: slice, skip_full: bool) -> Tensor:
    size = input._desc.shape[axis]
    start, stop, step = item.indices(size)
    if skip_full and start == 0 and stop >= size and step == 1:
        return input
    if step < 0:
        return view._slice(input, axis=axis, index=slice(start, stop if stop >= 0 else None, step))
    return view._slice(input, axis=axis, index=slice(start, max(stop, start), step))


def _out_of_bounds(input: Tensor, index: Tensor, axes: Shape) -> IndexError:
    rows = [index._array] if len(axes) == 1 else index._array
    for place, (row, axis) in enumerate(zip(rows, axes)):
        size = input._desc.shape[axis]
        wrong = row[(row < -size) | (row >= size)]
        if wrong.size and not size:
            return IndexError("index is out of bounds for dimension with size 0")
        if wrong.size:
            return IndexError(
                f"index {wrong[0]} is out of bounds for dimension {place} with size {size} "
                f"(dim {axis} of a tensor of shape {list(input._desc.shape)})"
            )
    return IndexError("index is out of bounds")


# ---- reading -------------------------------------------------------------------------------------


def getitem(input: Tensor, index: Any) -> Tensor:
    """Return ``input[index]``: a view for integers, slices, None and ...; a copy for index tensors.

    Raises: IndexError if an index is out of bounds, there are too many, or it is of another kind.
    """
    kind = type(index)
    if kind is int and input._desc.shape:
        return _selected(input, 0, index)
    if kind is slice:
        if not input._desc.shape:
            raise IndexError("slice() cannot be applied to a 0-dim tensor.")
        return _sliced(input, 0, index, skip_full=False)
    if kind is int:
        raise _no_dims()
    found = _Expression(input, _items_of(index))
    if not found.picks:
        return view._alias(input) if found.result is input else found.result
    tensor, axes = found.picked()
    try:
        return _index(found.result, tensor, axes=axes)
    except IndexError:
        raise _out_of_bounds(found.result, tensor, axes) from None


def _no_dims() -> IndexError:
    return IndexError(
        "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in C++ "
        "to convert a 0-dim tensor to a number"
    )


# ---- writing -------------------------------------------------------------------------------------


def setitem(input: Tensor, index: Any, value: Any) -> None:
    """Write ``value``, a number or a Tensor that broadcasts, to ``input[index]``.

    Raises: what `getitem` raises; TypeError for other values; RuntimeError where shapes or, with index
    tensors, dtypes do not fit, or the tensor may not be written in place.
    """
    if index is False:
        return
    number = not isinstance(value, TensorBase)
    if number:
        value = make_tensor(_number(value, input._desc.dtype))
    if type(index) is int and not input._desc.shape:
        raise _no_dims()
    if type(index) is slice and not input._desc.shape:
        raise IndexError("slice() cannot be applied to a 0-dim tensor.")
    found = _Expression(input, _items_of(index))
    target = found.result
    if found.picks:
        tensor, axes = found.picked()
        if number and any(t._desc.dtype is dtypes.uint8 for _, t in found.picks):
            raise RuntimeError(
                "masked_fill_ only supports boolean masks, but got mask with dtype unsigned char"
            )
        index_put(target, tensor, axes, _without_leading_ones(value), False)
    elif number:
        apply_inplace(_fill_value.op, target, (value,), {})  # type: ignore[attr-defined]
    else:
        if value._desc.shape != target._desc.shape:
            ones = _leading_ones(value._desc.shape)
            value = view._view(value, shape=value._desc.shape[ones:])
            if value._desc.shape != target._desc.shape:
                value = view.expand(value, target._desc.shape)
        copy_(target, value)


def index_put(
    target: Tensor, index: Tensor, axes: Shape, value: Tensor, accumulate: bool
) -> Tensor:
    """Write or add ``value`` where an index tensor picks from ``axes`` of ``target``, in place."""
    dtype = target._desc.dtype
    mask = index._desc.dtype is dtypes.bool_
    if value._desc.dtype is not dtype:
        if not mask or value._desc.shape:
            raise RuntimeError(
                "Index put requires the source and destination dtypes match, got "
                f"{scalar_name(dtype)} for the destination and {scalar_name(value._desc.dtype)} for "
                "the source."
            )
        if value._desc.dtype.is_complex and not dtype.is_complex:
            raise _overflow(dtype)
    _check_picked(target, index, axes, value)
    operands = (value, index)
    params = {"axes": axes, "accumulate": accumulate}
    try:
        return apply_inplace(_index_put.op, target, operands, params)  # type: ignore[attr-defined]
    except IndexError:
        raise _out_of_bounds(target, index, axes) from None


def _check_picked(target: Tensor, index: Tensor, axes: Shape, value: Tensor) -> None:
    """The value must broadcast to what would be picked."""
    given = value._desc.shape
    if not given:
        return
    sizes, picked = target._desc.shape, index._desc.shape
    if index._desc.dtype is dtypes.bool_:
        rest = sizes[axes[0] + len(picked) :]
        shape = (*sizes[: axes[0]], int(np.count_nonzero(index._array)), *rest)
    elif len(axes) == 1:
        shape = (*sizes[: axes[0]], *picked, *sizes[axes[0] + 1 :])
    else:
        adjacent = axes[-1] - axes[0] == len(axes) - 1
        kept = [n for axis, n in enumerate(sizes) if axis not in axes]
        first = axes[0] if adjacent else 0
        shape = (*kept[:first], *picked[1:], *kept[first:])
    lead = len(shape) - len(given)
    if lead < 0 or any(n not in (1, m) for n, m in zip(given, shape[lead:])):
        raise RuntimeError(
            f"shape mismatch: value tensor of shape {list(given)} cannot be broadcast to indexing "
            f"result of shape {list(shape)}"
        )


def _leading_ones(shape: Shape) -> int:
    return next((k for k, n in enumerate(shape) if n != 1), len(shape))


def _without_leading_ones(value: Tensor) -> Tensor:
    ones = _leading_ones(value._desc.shape)
    return view._view(value, shape=value._desc.shape[ones:]) if ones else value


_C_NAMES = {
    **{"bool": "bool", "uint8": "uint8_t", "int8": "int8_t", "int16": "int16_t", "int32": "int"},
    **{"int64": "int64_t", "float16": "c10::Half", "bfloat16": "c10::BFloat16", "float32": "float"},
    **{
        "float64": "double",
        "complex64": "c10::complex<float>",
        "complex128": "c10::complex<double>",
    },
}


def _overflow(dtype: dtypes.dtype) -> RuntimeError:
    return RuntimeError(
        f"value cannot be converted to type {_C_NAMES[dtype.name]} without overflow"
    )


def _number(value: Any, dtype: dtypes.dtype) -> Any:
    """A NumPy scalar of ``dtype`` for a Python number that fits into it."""
    if not isinstance(value, bool | int | float | complex | np.integer):
        raise TypeError(
            f"can't assign a {_full_name(value)} to a {type_name(dtype)} (wrap it: "
            "adjoint.tensor(value))"
        )
    scalar = dtype.numpy.type
    if dtype.category == dtypes.COMPLEX or dtype.category == dtypes.BOOL:
        return scalar(value)
    if isinstance(value, complex):
        if value.imag:
            raise _overflow(dtype)
        value = value.real
    if dtype.category == dtypes.FLOATING:
        with np.errstate(over="ignore"):
            made = scalar(value)
        if np.isinf(made) and not np.isinf(value):
            raise _overflow(dtype)
        return made
    if isinstance(value, int) and not -(2**63) <= value < 2**64 - 2**63:
        raise ValueError("Overflow when unpacking long long")
    limits = np.iinfo(dtype.numpy)
    low = limits.min if dtype.is_signed else -limits.max
    if not low <= value <= limits.max:  # also false for nan
        raise _overflow(dtype)
    return np.array(int(value)).astype(dtype.numpy)[()]


def _full_name(value: Any) -> str:
    kind = type(value)
    return f"numpy.{kind.__name__}" if kind.__module__ == "numpy" else kind.__name__
