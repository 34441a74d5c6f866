"""Index expressions: what stands between the brackets, taken apart.

In: a Tensor and what the user wrote.  Out: the view that integers, slices and None make, and at
most one index tensor with the axes that it picks from.

Note [Index tensors]
    A single index tensor or mask is the user's own, so that a later write to it is noticed before
    backward needs it. Several index tensors become one: their broadcast stack, one row per axis.
"""

from __future__ import annotations

import operator as python
import warnings
from typing import Any

import numpy as np

from adjoint.array import dtypes
from adjoint.core.tensor_base import TensorBase, make_tensor
from adjoint.ops import join, view
from adjoint.ops.counting import index_mask
from adjoint.ops.numbers import full_name

Tensor = Any
Shape = tuple[int, ...]


class Expression:
    """An index expression applied to ``input``: the view so far, the next axis, what is picked."""

    def __init__(self, input: Tensor, items: tuple[Any, ...]) -> None:
        self.result = input
        self.axis = 0
        self.consumed = 0  # how many axes of the input are behind us
        self.picks: list[tuple[int, Tensor]] = []
        items = tuple(_listed(item) for item in items)
        consumed = sum(map(_consumed, items))
        if consumed > input.ndim:
            raise IndexError(
                f"too many indices for tensor of dimension {input.ndim} ({consumed} were given)"
            )
        rest = input.ndim - consumed
        for item in items:
            self.apply(item, rest)
            self.consumed += rest if item is Ellipsis else _consumed(item)

    def apply(self, item: Any, rest: int) -> None:
        """One item of the expression; an ellipsis stands for ``rest`` axes."""
        if item is None:
            self.result = view._unsqueeze(self.result, axis=self.axis)
            self.axis += 1
        elif item is Ellipsis:
            self.axis += rest
        elif isinstance(item, slice):
            self.result = sliced(self.result, self.axis, item, skip_full=True)
            self.axis += 1
        elif isinstance(item, TensorBase):
            self.apply_tensor(item)
        else:
            self.result = selected(self.result, self.axis, item, self.consumed)

    def apply_tensor(self, item: Tensor) -> None:
        """An index tensor or a mask; one without dims selects, or adds an axis that it masks."""
        shape, dtype = item._desc.shape, item._desc.dtype
        if _selects(item):
            self.result = selected(self.result, self.axis, int(item._array), self.consumed)
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
        if not shape and dtype in _MASK_DTYPES:
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
                for k, where in enumerate(np.nonzero(index_mask(tensor))):
                    axes.append(axis + k)
                    rows.append(make_tensor(where))
            else:
                axes.append(axis)
                rows.append(tensor)
        return _stacked(rows), tuple(axes)


def _selects(item: Tensor) -> bool:
    """Whether an index tensor is one number that selects; in `vmap` it may be one for each
    sample, which picks.
    """
    desc = item._desc
    whole = desc.dtype.category == dtypes.INTEGRAL and desc.dtype is not dtypes.uint8
    return whole and not desc.shape and not desc.type.levels


_INDEX_DTYPES = (dtypes.int64, dtypes.int32, dtypes.bool_, dtypes.uint8)
_MASK_DTYPES = (dtypes.bool_, dtypes.uint8)


def _stacked(rows: list[Tensor]) -> Tensor:
    shapes = [row._desc.shape for row in rows]
    shape = shapes[0]
    if shapes.count(shape) != len(shapes):
        try:
            shape = np.broadcast_shapes(*shapes)
        except ValueError:
            given = ", ".join(str(list(s)) for s in shapes)
            raise IndexError(
                "shape mismatch: indexing tensors could not be broadcast together with shapes "
                f"{given} (index with one mask, or with tensors of one shape)"
            ) from None
    if all(isinstance(row._array, np.ndarray) for row in rows):
        made = np.empty((len(rows), *shape), np.int64)
        for place, row in enumerate(rows):
            made[place] = row._array
        return make_tensor(made)
    return join.stack([view.expand(row, shape) for row in rows])


def items_of(index: Any) -> tuple[Any, ...]:
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
    if isinstance(item, bool):
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
        f"indices (got {full_name(item)})"
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
    flat: Any = item
    while isinstance(flat, list | tuple) and flat:
        flat = flat[0]
    if isinstance(flat, str | bytes):
        raise TypeError(f"new(): invalid data type '{type(flat).__name__}'")
    try:
        made = np.array([i._array if isinstance(i, TensorBase) else i for i in item])
    except ValueError:
        lengths = [len(row) if isinstance(row, list | tuple) else 0 for row in item]
        other = next((n for n in lengths if n != lengths[0]), 0)
        raise ValueError(
            f"expected sequence of length {lengths[0]} at dim 1 (got {other})"
        ) from None
    if made.dtype.kind in "USO":
        wrong = next((i for i in item if isinstance(i, str | bytes)), "")
        raise TypeError(f"new(): invalid data type '{type(wrong).__name__}'")
    return made


def _consumed(item: Any) -> int:
    if item is None or item is Ellipsis:
        return 0
    if isinstance(item, TensorBase) and item._desc.dtype in _MASK_DTYPES:
        return len(item._desc.shape)
    return 1


def selected(input: Tensor, axis: int, index: int, dim: int = 0) -> Tensor:
    """``input`` at one place of ``axis``, which the user knows as ``dim``."""
    size = input._desc.shape[axis]
    if not -size <= index < size:
        raise IndexError(f"index {index} is out of bounds for dimension {dim} with size {size}")
    return view._select(input, axis=axis, index=index + size if index < 0 else index)


def sliced(input: Tensor, axis: int, item: slice, skip_full: bool) -> Tensor:
    """A slice of ``input`` along ``axis``; steps may be negative."""
    size = input._desc.shape[axis]
    start, stop, step = item.indices(size)
    if skip_full and start == 0 and stop >= size and step == 1:
        return input
    if step > 0:
        part = slice(start, stop if stop > start else start, step)
    elif stop >= start:
        part = slice(0, 0, 1)  # nothing; -1 would mean the last place
    else:
        part = slice(start, stop if stop >= 0 else None, step)
    return view._slice(input, axis=axis, index=part)


def no_dims() -> IndexError:
    return IndexError(
        "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in "
        "C++ to convert a 0-dim tensor to a number"
    )
