"""Joining and splitting: cat, stack, split, chunk, unbind.  In: Tensors.  Out: one Tensor, or a
tuple of views.
"""

from __future__ import annotations

import itertools
from typing import Any

from adjoint.core.tensor_base import TensorBase
from adjoint.ops.arguments import canonical_dim
from adjoint.ops.families import operator
from adjoint.ops.view import _slice

Array = Any
Tensor = Any


def _cat_vjp(xp: Any, g: Array, shapes: tuple[Any, ...], needs: tuple[bool, ...], axis: int) -> Any:
    results, start = [], 0
    for shape, needed in zip(shapes, needs):
        stop = start + shape[axis]
        index = (slice(None),) * axis + (slice(start, stop),)
        results.append(xp.slice(g, index) if needed else None)
        start = stop
    return tuple(results)


@operator(
    "linear", (_cat_vjp,), joint=True, linear=True, node="CatBackward0", promoted=("tensors",)
)
def _cat(xp: Any, *tensors: Array, axis: int) -> Array:
    """Return the arrays one after the other along an axis."""
    return xp.concatenate(tensors, axis)


def _stack_vjp(xp: Any, g: Array, needs: tuple[bool, ...], axis: int) -> Any:
    lead = (slice(None),) * axis
    return tuple(xp.slice(g, (*lead, i)) if needed else None for i, needed in enumerate(needs))


@operator(
    "linear", (_stack_vjp,), joint=True, linear=True, node="StackBackward0", promoted=("tensors",)
)
def _stack(xp: Any, *tensors: Array, axis: int) -> Array:
    """Return the arrays side by side along a new axis."""
    return xp.stack(tensors, axis)


def _tensor_list(name: str, tensors: Any) -> tuple[Tensor, ...]:
    if isinstance(tensors, TensorBase) or not hasattr(tensors, "__iter__"):
        raise TypeError(
            f"{name}(): argument 'tensors' (position 1) must be tuple of Tensors, not "
            f"{type(tensors).__name__}"
        )
    items = tuple(tensors)
    for i, item in enumerate(items):
        if not isinstance(item, TensorBase):
            raise TypeError(
                f"expected Tensor as element {i} in argument 0, but got {type(item).__name__}"
            )
    return items


def cat(tensors: Any, dim: int = 0) -> Tensor:
    """Return the tensors one after the other along ``dim``.

    Raises: RuntimeError if there are none or their other sizes differ.
    """
    items = _tensor_list("cat", tensors)
    if not items:
        raise ValueError("torch.cat(): expected a non-empty list of Tensors")
    shapes = [t._desc.shape for t in items]
    if type(dim) is int and -2 < dim < 1 and all(len(n) == 1 and n[0] for n in shapes):
        return _cat(*items, axis=0)  # vectors
    shaped = tuple(t for t in items if t.shape != (0,)) or items[:1]
    first = shaped[0]
    for i, item in enumerate(items):
        if not item.ndim:
            raise RuntimeError(f"zero-dimensional tensor (at position {i}) cannot be concatenated")
    axis = canonical_dim(dim, first.ndim)
    for i, item in enumerate(items):
        if item.shape == (0,):
            continue
        if item.ndim != first.ndim:
            raise RuntimeError(
                f"Tensors must have same number of dimensions: got {first.ndim} and {item.ndim}"
            )
        for d, (n, m) in enumerate(zip(first.shape, item.shape)):
            if n != m and d != axis:
                raise RuntimeError(
                    f"Sizes of tensors must match except in dimension {axis}. Expected size {n} "
                    "but got "
                    f"size {m} for tensor number {i} in the list."
                )
    return _cat(*shaped, axis=axis)


def stack(tensors: Any, dim: int = 0) -> Tensor:
    """Return the tensors, all of one shape, side by side along a new ``dim``.

    Raises: RuntimeError if there are none or their shapes differ.
    """
    items = _tensor_list("stack", tensors)
    if not items:
        raise RuntimeError("stack expects a non-empty TensorList")
    axis = canonical_dim(dim, items[0].ndim + 1)
    for i, item in enumerate(items):
        if item.shape != items[0].shape:
            raise RuntimeError(
                f"stack expects each tensor to be equal size, but got {list(items[0].shape)} at "
                "entry 0 "
                f"and {list(item.shape)} at entry {i}"
            )
    return _stack(*items, axis=axis)


# ---- several views -------------------------------------------------------------------------------


@operator(
    "movement",
    (lambda xp, g, axis: xp.stack(g, axis),),
    linear=True,
    view=True,
    outputs=2,
    node="UnbindBackward0",
)
def _unbind(xp: Any, input: Array, *, axis: int) -> tuple[Array, ...]:
    """Return the slices along an axis, without it."""
    lead = (slice(None),) * axis
    return tuple(xp.slice(input, (*lead, i)) for i in range(input.shape[axis]))


@operator(
    "movement",
    (lambda xp, g, axis: xp.concatenate(g, axis),),
    linear=True,
    view=True,
    outputs=2,
    node="SplitWithSizesBackward0",
)
def _split_with_sizes(
    xp: Any, input: Array, *, sizes: tuple[int, ...], axis: int
) -> tuple[Array, ...]:
    """Return consecutive slices of the given sizes along an axis."""
    return _slices(xp, input, sizes, axis)


@operator(
    "movement",
    (lambda xp, g, axis: xp.concatenate(g, axis),),
    linear=True,
    view=True,
    outputs=2,
    node="SplitBackward0",
)
def _split(xp: Any, input: Array, *, sizes: tuple[int, ...], axis: int) -> tuple[Array, ...]:
    """Return consecutive slices of one size (the last may be smaller) along an axis."""
    return _slices(xp, input, sizes, axis)


def _slices(xp: Any, input: Array, sizes: tuple[int, ...], axis: int) -> tuple[Array, ...]:
    lead, start, parts = (slice(None),) * axis, 0, []
    for size in sizes:
        parts.append(xp.slice(input, (*lead, slice(start, start + size))))
        start += size
    return tuple(parts)


def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """Return the slices of ``input`` along ``dim``, as views without that dim."""
    if not input.ndim:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    return tuple(_unbind(input, axis=canonical_dim(dim, input.ndim)))


def split(input: Tensor, split_size_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Return consecutive views along ``dim``: of one size, or of each of the given sizes.

    Raises: RuntimeError if the sizes do not fit.
    """
    if not input.ndim:
        raise RuntimeError("split expects at least a 1-dimensional tensor")
    axis = canonical_dim(dim, input.ndim)
    total = input.shape[axis]
    if isinstance(split_size_or_sections, int):
        size = split_size_or_sections
        if size < 0:
            raise RuntimeError(
                f"split expects split_size be non-negative, but got split_size={size}"
            )
        if not size:
            if total:
                raise RuntimeError(
                    "split_size can only be 0 if dimension size is 0, but got dimension size of "
                    f"{total}"
                )
            return tuple(_split(input, sizes=(0,), axis=axis))
        sizes = tuple(min(size, total - i) for i in range(0, total, size)) or (0,)
        return tuple(_split(input, sizes=sizes, axis=axis))
    return split_with_sizes(input, split_size_or_sections, axis)


def split_with_sizes(input: Tensor, split_sizes: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Return consecutive views along ``dim`` of each of the given sizes.

    Raises: RuntimeError if the sizes do not add up to that of the dim.
    """
    axis = canonical_dim(dim, input.ndim)
    total, sizes = input.shape[axis], tuple(int(n) for n in split_sizes)
    if sum(sizes) != total:
        raise RuntimeError(
            f"split_with_sizes expects split_sizes to sum exactly to {total} (input tensor's size "
            "at "
            f"dimension {axis}), but got split_sizes={list(sizes)}"
        )
    return tuple(_split_with_sizes(input, sizes=sizes, axis=axis))


def tensor_split(input: Tensor, indices_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Return views along ``dim``: so many of nearly equal size, or between the given indices."""
    if not input.ndim:
        raise RuntimeError(
            "tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims"
        )
    axis = canonical_dim(dim, input.ndim)
    total = input.shape[axis]
    if isinstance(indices_or_sections, TensorBase):
        found = indices_or_sections._array.tolist()
        indices_or_sections = found if isinstance(found, int) else tuple(found)
    if isinstance(indices_or_sections, int):
        parts = indices_or_sections
        if parts <= 0:
            raise RuntimeError(f"number of sections must be larger than 0, got {parts}")
        small, more = divmod(total, parts)
        edges = [0]
        for k in range(parts):
            edges.append(edges[-1] + small + (k < more))
        return tuple(
            _slice(input, axis=axis, index=slice(start, stop, 1))
            for start, stop in itertools.pairwise(edges)
        )
    edges = [slice(i).indices(total)[1] for i in indices_or_sections]
    return tuple(
        _slice(input, axis=axis, index=slice(start, max(start, stop), 1))
        for start, stop in zip([0, *edges], [*edges, total])
    )


def hsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Return views along the second dim (of a vector: along its only one)."""
    return tensor_split(input, indices_or_sections, 0 if input.ndim == 1 else 1)


def vsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Return views along the first dim."""
    return tensor_split(input, indices_or_sections, 0)


def dsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Return views along the third dim."""
    return tensor_split(input, indices_or_sections, 2)


def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """Return at most ``chunks`` consecutive views along ``dim``, equal in size but for the last."""
    if not input.ndim:
        raise RuntimeError("chunk expects at least a 1-dimensional tensor")
    if chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    total = input.shape[canonical_dim(dim, input.ndim)]
    return split(input, -(-total // chunks) or 1, dim)
