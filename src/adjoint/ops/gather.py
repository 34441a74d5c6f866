"""Picking by index tensors and masks: gather, take, index_select, masked_select, nonzero.

In: a Tensor, a dim, an index tensor or mask, PyTorch's arguments.  Out: copies. The transpose of
picking is adding, in order, so that gradients are the same bits every time.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.array import dtypes
from adjoint.array.batched.levels import all_samples
from adjoint.core.errors import scalar_name
from adjoint.core.tensor_base import make_tensor
from adjoint.ops import view
from adjoint.ops.arguments import canonical_dim, tensor_argument
from adjoint.ops.counting import counted, counted_mask
from adjoint.ops.families import operator
from adjoint.ops.index import _pick_along, places

Array = Any
Tensor = Any
Shape = tuple[int, ...]


# ---- primitives ----------------------------------------------------------------------------------


@operator(
    "linear",
    (
        lambda xp, g, input_shape, index, axis: xp.index_add(
            g, input_shape, places(index, (axis,))
        ),
        None,
    ),
    linear=True,
)
def _index_select(xp: Any, input: Array, index: Array, *, axis: int) -> Array:
    """Return the places of one axis that a vector names."""
    return xp.take(input, places(index, (axis,)))


def spread_mask(xp: Any, mask: Array, shape: Shape) -> Array:
    """``mask`` broadcast to ``shape``."""
    return mask if tuple(mask.shape) == shape else xp.broadcast_to(mask, shape)


@operator(
    "linear",
    (
        lambda xp, g, mask, shape: xp.index_add(g, shape, (spread_mask(xp, mask, shape),)),
        None,
    ),
    linear=True,
)
def _masked_select(xp: Any, input: Array, mask: Array, *, shape: Shape) -> Array:
    """Return the elements where ``mask`` is true, both broadcast to ``shape``, as a vector."""
    return xp.take(xp.broadcast_to(input, shape), (spread_mask(xp, mask, shape),))


def _untaken(xp: Any, g: Array, input_shape: Shape, index: Array) -> Array:
    return xp.reshape(xp.index_add(g, (xp.size(input_shape),), (index,)), input_shape)


@operator(
    "linear",
    (_untaken, None),
    linear=True,
)
def _take(xp: Any, input: Array, index: Array) -> Array:
    """Return the elements of ``input``, seen as a vector, at ``index``."""
    return xp.take(xp.reshape(input, (-1,)), (index,))


# ---- checks --------------------------------------------------------------------------------------


def check_gather(name: str, input: Tensor, axis: int, index: Tensor, within: bool = True) -> None:
    """Raise what PyTorch raises where the index does not fit ``input`` along ``axis``."""
    if index._desc.dtype not in (dtypes.int64, dtypes.int32):
        raise RuntimeError(f"{name}(): Expected dtype int32/int64 for index")
    given, sizes = index._desc.shape or (1,), input._desc.shape or (1,)
    if len(given) != len(sizes):
        raise RuntimeError(
            "Index tensor must have the same number of dimensions as input tensor "
            f"({len(given)} and {len(sizes)})"
        )
    if within and any(n > m for d, (n, m) in enumerate(zip(given, sizes)) if d != axis):
        wrong = next(d for d, (n, m) in enumerate(zip(given, sizes)) if d != axis and n > m)
        raise RuntimeError(
            f"Size does not match at dimension {wrong} expected index {list(index._desc.shape)} to "
            f"be no larger than self {list(input._desc.shape)} apart from dimension {axis}"
        )
    check_range(index, axis, sizes[axis])


def check_rows(name: str, index: Tensor, axis: int, input: Tensor) -> None:
    """Raise what the functions raise that write whole slices; of a vector it is another text."""
    shape = input._desc.shape or (1,)
    try:
        check_range(index, axis, shape[axis])
    except RuntimeError as error:
        if name == "index_copy_":
            raise IndexError(f"{name}(): {error}") from None
        if len(shape) == 1:
            raise IndexError("index out of range in self") from None
        raise


def check_range(index: Tensor, axis: int, size: int) -> None:
    """Raise RuntimeError if an index is negative or not below ``size``."""
    values = all_samples(index._array)
    if values.size and (values.min() < 0 or values.max() >= size):
        wrong = values[(values < 0) | (values >= size)].flat[0]
        raise RuntimeError(f"index {wrong} is out of bounds for dimension {axis} with size {size}")


def check_vector(name: str, index: Tensor) -> Tensor:
    """The index as a vector of integers; what PyTorch raises if it is none."""
    if index._desc.dtype not in (dtypes.int64, dtypes.int32):
        raise RuntimeError(f"{name}(): Expected dtype int32 or int64 for index")
    if len(index._desc.shape) > 1:
        raise IndexError(f"{name}(): Index is supposed to be a vector")
    return index if index._desc.shape else view.reshape(index, 1)


def broadcast_shape(a: Shape, b: Shape) -> Shape:
    """The shape that two shapes broadcast to.

    Raises: RuntimeError if there is none.
    """
    n = max(len(a), len(b))
    left, right = (1,) * (n - len(a)) + tuple(a), (1,) * (n - len(b)) + tuple(b)
    for d in range(n - 1, -1, -1):
        if left[d] != right[d] and 1 not in (left[d], right[d]):
            raise RuntimeError(
                f"The size of tensor a ({left[d]}) must match the size of tensor b ({right[d]}) at "
                f"non-singleton dimension {d}"
            )
    return tuple(m if k == 1 else k for k, m in zip(left, right))


# ---- along a dim ---------------------------------------------------------------------------------


def gather(input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False) -> Tensor:
    """Return elements of ``input`` that ``index`` names along ``dim``, in the shape of ``index``.

    Raises: RuntimeError if an index is negative or out of bounds, or the shapes do not fit.
    """
    axis = canonical_dim(dim, input.ndim)
    tensor_argument("gather", "index", 2, index)
    check_gather("gather", input, axis, index)
    if not input._desc.shape or not index._desc.shape:
        flat = _pick_along(_vector(input), _vector(index), axis=0)
        return view.reshape(flat, index._desc.shape)
    return _pick_along(input, index, axis=axis)


def _vector(t: Tensor) -> Tensor:
    return t if t._desc.shape else view.reshape(t, 1)


def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """Return the elements that ``indices`` names along ``dim`` (None: of all); both broadcast."""
    if dim is None:
        return _pick_along(view.reshape(input, -1), view.reshape(indices, -1), axis=0)
    axis = canonical_dim(dim, input.ndim)
    a, b = list(input._desc.shape), list(indices._desc.shape)
    if len(a) != len(b):
        raise RuntimeError(
            "torch.take_along_dim(): input and indices should have the same number of dimensions, "
            f"but got {len(a)} dimensions for input, and {len(b)} dimensions for indices"
        )
    shape = broadcast_shape((*a[:axis], 1, *a[axis + 1 :]), (*b[:axis], 1, *b[axis + 1 :]))
    wide = view.expand(input, (*shape[:axis], a[axis], *shape[axis + 1 :]))
    index = view.expand(indices, (*shape[:axis], b[axis], *shape[axis + 1 :]))
    check_range(index, axis, a[axis])
    return _pick_along(wide, index, axis=axis)


def take(input: Tensor, index: Tensor) -> Tensor:
    """Return the elements of ``input``, seen as a vector, at ``index``; negative ones from the end.

    Raises: IndexError if an index is out of bounds.
    """
    tensor_argument("take", "index", 1, index)
    if index._desc.dtype is not dtypes.int64:
        raise RuntimeError(
            f"take(): Expected a long tensor for index, but got {scalar_name(index._desc.dtype)}"
        )
    values, n = all_samples(index._array), input.numel()
    if values.size and (values.min() < -n or values.max() >= n):
        wrong = np.asarray(values)[(values < -n) | (values >= n)].flat[0]
        raise IndexError(
            f"out of range: tried to access index {wrong} on a tensor of {n} elements."
        )
    return _take(input, index)


def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """Return ``input`` at the places of ``dim`` that the vector ``index`` names.

    Raises: IndexError if an index is negative or out of bounds.
    """
    axis = canonical_dim(dim, input.ndim)
    tensor_argument("index_select", "index", 2, index)
    index = check_vector("index_select", index)
    values, size = all_samples(index._array), (input._desc.shape or (1,))[axis]
    if values.size and (values.min() < 0 or values.max() >= size):
        raise IndexError(
            f"index out of range in self (dim {axis} has size {size}; negative indices do not "
            "count from the end here)"
        )
    if not input._desc.shape:
        return view.reshape(_index_select(_vector(input), index, axis=0), ())
    return _index_select(input, index, axis=axis)


# ---- masks ---------------------------------------------------------------------------------------


def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """Return the elements where ``mask`` is true as a vector; both broadcast."""
    tensor_argument("masked_select", "mask", 1, mask)
    if mask._desc.dtype is not dtypes.bool_:
        raise RuntimeError(
            f"masked_select: expected BoolTensor for mask (got dtype {mask._desc.dtype!r})"
        )
    counted_mask(mask)
    shape = broadcast_shape(mask._desc.shape, input._desc.shape)
    return _masked_select(input, mask, shape=shape)


# ---- where is what -------------------------------------------------------------------------------


def nonzero(input: Tensor, *, as_tuple: bool = False) -> Any:
    """Return the indices of the non-zero elements: rows of a matrix, or one vector per dim."""
    raw = np.asarray(counted("nonzero", input))
    if as_tuple:
        found = np.nonzero(raw if raw.ndim else raw.reshape(1))
        return tuple(make_tensor(where) for where in found)
    return make_tensor(np.argwhere(raw))


def argwhere(input: Tensor) -> Tensor:
    """Return the indices of the non-zero elements as rows of a matrix."""
    return nonzero(input)
