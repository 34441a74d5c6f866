"""Views: the same elements in another arrangement, sharing memory with the operand.

In: a Tensor and a new arrangement in PyTorch's words.  Out: a view of it (or, for `reshape` and
`contiguous`, a copy where no view exists). Every rule is the transposed arrangement.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from adjoint.array import dtypes, layout
from adjoint.array.descriptor import memory_of
from adjoint.ops.arguments import canonical_dim, checked_shape, sizes_of
from adjoint.ops.families import linear, movement

Array = Any
Tensor = Any

# ---- primitives ----------------------------------------------------------------------------------


@movement(lambda xp, g, input_shape: xp.reshape(g, input_shape))
def _view(xp: Any, input: Array, *, shape: tuple[int, ...]) -> Array:
    """Return ``input`` in another shape."""
    return xp.reshape(input, shape)


@movement(lambda xp, g, input_shape: xp.reshape(g, input_shape))
def _reshape_alias(xp: Any, input: Array, *, shape: tuple[int, ...]) -> Array:
    """Return ``input``, which does not lie in C order, in another shape that its strides allow."""
    return xp.reshape(input, shape)


@linear(lambda xp, g, input_shape: xp.reshape(g, input_shape))
def _unsafe_view(xp: Any, input: Array, *, shape: tuple[int, ...]) -> Array:
    """Return ``input`` in another shape, as a tensor of its own."""
    return xp.reshape(input, shape)


@movement(lambda xp, g: xp.matrix_t(g), node="TBackward0", direct=lambda input, params: input.T)
def _t(xp: Any, input: Array) -> Array:
    """Return the transpose of a matrix."""
    return xp.swapaxes(input, 0, 1)


@movement(lambda xp, g, dim0, dim1: xp.swapaxes(g, dim0, dim1), node="TransposeBackward0")
def _transpose(xp: Any, input: Array, *, dim0: int, dim1: int) -> Array:
    """Return ``input`` with two axes exchanged."""
    return xp.swapaxes(input, dim0, dim1)


@movement(
    lambda xp, g, axes: xp.permute_dims(g, tuple(int(i) for i in np.argsort(axes))),
    saved_names={"axes": "dims"},
)
def _permute(xp: Any, input: Array, *, axes: tuple[int, ...]) -> Array:
    """Return ``input`` with its axes in another order."""
    return xp.permute_dims(input, axes)


@movement(lambda xp, g, axis: xp.squeeze(g, (axis,)), saved_names={"axis": "dim"})
def _unsqueeze(xp: Any, input: Array, *, axis: int) -> Array:
    """Return ``input`` with an axis of size 1 at ``axis``."""
    return xp.expand_dims(input, (axis,))


def _unsqueeze_all(xp: Any, g: Array, input_shape: tuple[int, ...]) -> Array:
    return xp.reshape(g, input_shape)


@movement(_unsqueeze_all, node="SqueezeBackward0")
def _squeeze_all(xp: Any, input: Array, *, axis: tuple[int, ...]) -> Array:
    """Return ``input`` without its axes of size 1."""
    return xp.squeeze(input, axis)


@movement(_unsqueeze_all, node="SqueezeBackward1")
def _squeeze_one(xp: Any, input: Array, *, axis: tuple[int, ...]) -> Array:
    """Return ``input`` without one axis, if its size is 1."""
    return xp.squeeze(input, axis)


@movement(_unsqueeze_all, node="SqueezeBackward2")
def _squeeze_several(xp: Any, input: Array, *, axis: tuple[int, ...]) -> Array:
    """Return ``input`` without those of the named axes whose size is 1."""
    return xp.squeeze(input, axis)


@movement(_unsqueeze_all, node="SqueezeBackward4")
def _unsafe_squeeze(xp: Any, input: Array, *, axis: tuple[int, ...]) -> Array:
    """Return ``input`` without the named axes: the last step of a product with a vector."""
    return xp.squeeze(input, axis)


@movement(lambda xp, g: g)
def _expand(xp: Any, input: Array, *, shape: tuple[int, ...]) -> Array:
    """Return ``input`` repeated along axes of size 1; the edge sums the cotangent back."""
    return xp.broadcast_view(input, shape)


def _at(axis: int, index: Any) -> tuple[Any, ...]:
    return (slice(None),) * axis + (index,)


def _read(input: Array, params: dict[str, Any]) -> Array:
    """``xp.slice(input, _at(axis, index))`` on an array of NumPy's: what programs do most."""
    axis, index = params["axis"], params["index"]
    return input[(*_at(axis, index), ...)] if axis else input[index, ...]


@movement(
    lambda xp, g, input_shape, axis, index: xp.slice_into(g, input_shape, _at(axis, index)),
    saved_names={"axis": "dim"},
    direct=_read,
)
def _select(xp: Any, input: Array, *, axis: int, index: int) -> Array:
    """Return ``input`` at one place of an axis, without that axis."""
    return xp.slice(input, _at(axis, index))


@movement(
    lambda xp, g, input_shape, axis, index: xp.slice_into(g, input_shape, _at(axis, index)),
    saved_names={"axis": "dim"},
    direct=_read,
)
def _slice(xp: Any, input: Array, *, axis: int, index: slice) -> Array:
    """Return a slice of ``input`` along one axis."""
    return xp.slice(input, _at(axis, index))


@movement(
    lambda xp, g, input_shape, offset, axis1, axis2: xp.diagonal_embed(
        g, input_shape, offset, axis1, axis2
    )
)
def _diagonal(xp: Any, input: Array, *, offset: int, axis1: int, axis2: int) -> Array:
    """Return a diagonal of the planes that two axes span, as the last axis."""
    return xp.diagonal(input, offset, axis1, axis2)


@movement(lambda xp, g: g)
def _alias(xp: Any, input: Array) -> Array:
    """Return a view of all of ``input``."""
    return xp.slice(input, ...)


@movement(None, node="ViewBackward0")
def _view_dtype(xp: Any, input: Array, *, dtype: Any) -> Array:
    """Return the bytes of ``input`` as elements of another dtype."""
    return input.view(dtype)


@movement(lambda xp, g: g, node="Identity")
def _fw_primal(xp: Any, input: Array) -> Array:
    """Return a view of all of ``input``: of a dual tensor, the primal."""
    return xp.slice(input, ...)


_fw_primal.op.namespace = "torch::autograd::"


@linear(lambda xp, g: g)
def clone(xp: Any, input: Array) -> Array:
    """Return a copy with the same layout, recorded."""
    return xp.copy_layout(input)


@linear(lambda xp, g: g, node="CloneBackward0")
def _clone_rows(xp: Any, input: Array) -> Array:
    """Return a copy that is contiguous in memory."""
    return xp.copy(input)


# ---- PyTorch's functions -------------------------------------------------------------------------


def view(input: Tensor, *shape: Any) -> Tensor:
    """Return ``input`` in another shape, sharing its memory.

    Raises: RuntimeError if the number of elements differs or the strides do not allow a view.
    """
    if not shape or isinstance(shape[0], str | float):
        kinds = ", ".join(type(s).__name__ for s in shape)
        raise TypeError(
            f"view() received an invalid combination of arguments - got ({kinds}), but expected "
            "one of:\n * (torch.dtype dtype)\n * (tuple of ints size)\n"
        )
    if isinstance(shape[0], dtypes.dtype):
        return _as_dtype(input, shape[0])
    wanted = checked_shape(sizes_of(shape), input.numel())
    memory = input._array
    if not isinstance(memory, np.ndarray):
        memory = memory_of(memory)
    if isinstance(memory, np.ndarray) and not memory.flags.c_contiguous:
        moved = memory.reshape(wanted)
        if moved.size and not np.may_share_memory(moved, memory):
            raise RuntimeError(
                "view size is not compatible with input tensor's size and stride (at least one "
                "dimension spans across two contiguous subspaces). Use .reshape(...) instead."
            )
    return _view(input, shape=wanted)


def _as_dtype(input: Tensor, dtype: dtypes.dtype) -> Tensor:
    if dtype is input._desc.dtype:
        return _alias(input)
    try:
        return _view_dtype(input, dtype=dtype.numpy)
    except ValueError:
        raise RuntimeError(
            "self.size(-1) must be divisible by "
            f"{dtype.itemsize // input._desc.dtype.itemsize} to view {input._desc.dtype!r} as "
            f"{dtype!r} (different element sizes), but got {list(input.shape)[-1:]}"
        ) from None


def reshape(input: Tensor, *shape: Any) -> Tensor:
    """Return ``input`` in another shape: a view if possible, else a copy.

    Raises: RuntimeError if the number of elements differs.
    """
    wanted = checked_shape(sizes_of(shape), input.numel())
    memory = input._array
    if not isinstance(memory, np.ndarray):
        memory = memory_of(memory)
    if isinstance(memory, np.ndarray) and not memory.flags.c_contiguous:
        moved = memory.reshape(wanted)
        if moved.size and not np.may_share_memory(moved, memory):
            return _unsafe_view(contiguous(input), shape=wanted)
        return _reshape_alias(input, shape=wanted)
    return _view(input, shape=wanted)


def contiguous(input: Tensor, memory_format: Any = layout.contiguous_format) -> Tensor:
    """Return ``input`` itself if it is contiguous in memory, else a contiguous copy.

    Raises: RuntimeError for another memory format than ``contiguous_format``.
    """
    if memory_format is not layout.contiguous_format:
        if memory_format is layout.preserve_format:
            raise RuntimeError("preserve memory format is unsupported by the contiguous operator")
        raise RuntimeError(f"contiguous(): tensors here lie in C order, not in {memory_format}")
    memory = input._array
    if not isinstance(memory, np.ndarray):
        memory = memory_of(memory)
    if not isinstance(memory, np.ndarray) or memory.flags.c_contiguous:
        return input
    return _clone_rows(input)


def ravel(input: Tensor) -> Tensor:
    """Return all elements as a vector: a view if possible, else a copy."""
    return reshape(input, -1)


def adjoint(input: Tensor) -> Tensor:
    """Return the conjugate transpose of the last two dims."""
    moved = transpose(input, -2, -1) if input.ndim else _alias(input)
    return moved.conj() if input._desc.dtype.is_complex else moved


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Return ``input`` with the dims from ``start_dim`` to ``end_dim`` made one.

    Raises: RuntimeError if ``start_dim`` comes after ``end_dim``.
    """
    ndim = input.ndim
    if not ndim:
        return reshape(input, 1)
    start, end = canonical_dim(start_dim, ndim), canonical_dim(end_dim, ndim)
    if start > end:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    if start == end:
        return input
    shape = input.shape
    joined = 1
    for n in shape[start : end + 1]:
        joined *= n
    return reshape(input, (*shape[:start], joined, *shape[end + 1 :]))


def unflatten(input: Tensor, dim: int, sizes: Any) -> Tensor:
    """Return ``input`` with one dim split into ``sizes``."""
    axis = canonical_dim(dim, input.ndim)
    shape = input.shape
    given = tuple(sizes)
    known = math.prod(s for s in given if s != -1)
    if (known != shape[axis]) if -1 not in given else (not known or shape[axis] % known):
        raise RuntimeError(
            f"unflatten: Provided sizes {list(given)} don't multiply up to the size of dim {axis} "
            f"({shape[axis]}) in the input tensor"
        )
    inner = checked_shape(given, shape[axis])
    return view(input, (*shape[:axis], *inner, *shape[axis + 1 :]))


def t(input: Tensor) -> Tensor:
    """Return the transpose of a matrix; a vector or scalar as it is.

    Raises: RuntimeError for more than two dims.
    """
    if input.ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {input.ndim}D")
    return _t(input) if input.ndim == 2 else _alias_t(input)


@movement(lambda xp, g: g, node="TBackward0")
def _alias_t(xp: Any, input: Array) -> Array:
    """Return a view of a vector or scalar, its own transpose."""
    return xp.slice(input, ...)


def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Return ``input`` with two dims exchanged."""
    return _transpose(
        input, dim0=canonical_dim(dim0, input.ndim), dim1=canonical_dim(dim1, input.ndim)
    )


def permute(input: Tensor, *dims: Any) -> Tensor:
    """Return ``input`` with its dims in the order ``dims``.

    Raises: RuntimeError if ``dims`` is not a permutation.
    """
    given = sizes_of(dims)
    if len(given) != input.ndim:
        raise RuntimeError(
            "permute(sparse_coo): number of dimensions in the tensor input does not match the "
            f"length of the desired ordering of dimensions i.e. input.dim() = {input.ndim} is not "
            f"equal to len(dims) = {len(given)}"
        )
    axes = tuple(canonical_dim(d, input.ndim) for d in given)
    if len(set(axes)) != len(axes):
        raise RuntimeError("permute(): duplicate dims are not allowed.")
    return _permute(input, axes=axes)


def movedim(input: Tensor, source: Any, destination: Any) -> Tensor:
    """Return ``input`` with the dims ``source`` moved to the places ``destination``."""
    ndim = input.ndim
    sources = [source] if isinstance(source, int) else list(source)
    targets = [destination] if isinstance(destination, int) else list(destination)
    if len(sources) != len(targets):
        raise RuntimeError(
            "movedim: Invalid source or destination dims: source "
            f"({sources} dims) should contain the same number of dims as destination "
            f"({targets} dims)"
        )
    for name, dims in (("source", sources), ("destination", targets)):
        if len({canonical_dim(d, ndim) for d in dims}) != len(dims):
            raise RuntimeError(f"movedim: repeated dim in `{name}` ({dims})")
    sources = [canonical_dim(d, ndim) for d in sources]
    targets = [canonical_dim(d, ndim) for d in targets]
    order = [d for d in range(ndim) if d not in sources]
    for place, dim in sorted(zip(targets, sources)):
        order.insert(place, dim)
    return _permute(input, axes=tuple(order))


def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """Return ``input`` with a dim of size 1 inserted at ``dim``."""
    return _unsqueeze(input, axis=canonical_dim(dim, input.ndim + 1))


def squeeze(input: Tensor, dim: Any = None) -> Tensor:
    """Return ``input`` without its dims of size 1, or without those of ``dim`` whose size is 1."""
    shape = input.shape
    if dim is None:
        return _squeeze_all(input, axis=tuple(i for i, n in enumerate(shape) if n == 1))
    if isinstance(dim, int):
        axis = canonical_dim(dim, input.ndim)
        return _squeeze_one(input, axis=(axis,) if shape and shape[axis] == 1 else ())
    axes = tuple(canonical_dim(d, input.ndim) for d in dim)
    return _squeeze_several(input, axis=tuple(a for a in axes if shape and shape[a] == 1))


def expand(input: Tensor, *sizes: Any) -> Tensor:
    """Return ``input`` repeated along dims of size 1 without copying; -1 keeps a size.

    Raises: RuntimeError where a size is neither 1 nor the wanted one.
    """
    given, wanted = input.shape, sizes_of(sizes)
    lead = len(wanted) - len(given)
    if lead < 0:
        raise RuntimeError(
            f"expand({_described(input)}, size={list(wanted)}): the number of sizes provided "
            f"({len(wanted)}) must be greater or equal to the number of dimensions in the tensor "
            f"({len(given)})"
        )
    shape = list(wanted)
    for i, n in enumerate(wanted):
        if n == -1:
            if i < lead:
                raise RuntimeError(
                    f"The expanded size of the tensor ({n}) isn't allowed in a leading, "
                    f"non-existing dimension {i}"
                )
            shape[i] = given[i - lead]
        elif i >= lead and given[i - lead] not in (1, n):
            raise RuntimeError(
                f"The expanded size of the tensor ({n}) must match the existing size "
                f"({given[i - lead]}) at non-singleton dimension {i}.  Target sizes: "
                f"{list(wanted)}.  Tensor sizes: {list(given)}"
            )
    return _expand(input, shape=tuple(shape))


def _described(t: Tensor) -> str:
    return f"{t.type()}{{{list(t.shape)}}}"


def select(input: Tensor, dim: int, index: int) -> Tensor:
    """Return ``input`` at ``index`` of a dim, without that dim.

    Raises: IndexError if there is no such index or the tensor has no dims.
    """
    if not input.ndim:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    axis = canonical_dim(dim, input.ndim)
    size = input.shape[axis]
    if not -size <= index < size:
        raise IndexError(
            f"select(): index {index} out of range for tensor of size {list(input.shape)} at "
            f"dimension {axis}"
        )
    return _select(input, axis=axis, index=index + size if index < 0 else int(index))


def narrow(input: Tensor, dim: int, start: Any, length: int) -> Tensor:
    """Return ``length`` places of a dim from ``start`` on."""
    if not input.ndim:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    axis = canonical_dim(dim, input.ndim)
    size = input.shape[axis]
    start = int(start)
    if length < 0:
        raise RuntimeError("narrow(): length must be non-negative.")
    if not -size <= start <= size:
        raise IndexError(
            f"start out of range (expected to be in range of [{-size}, {size}], but got {start})"
        )
    first = start + size if start < 0 else start
    if first + length > size:
        raise RuntimeError(f"start ({first}) + length ({length}) exceeds dimension size ({size}).")
    return _slice(input, axis=axis, index=slice(first, first + length, 1))


def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """Return a diagonal of the planes that ``dim1`` and ``dim2`` span, as the last dim.

    Raises: RuntimeError if the two dims are the same.
    """
    axis1, axis2 = canonical_dim(dim1, input.ndim), canonical_dim(dim2, input.ndim)
    if axis1 == axis2:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    return _diagonal(input, offset=offset, axis1=axis1, axis2=axis2)
