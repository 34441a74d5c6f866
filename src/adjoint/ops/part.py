"""A copy with one part replaced: select_scatter, slice_scatter, diagonal_scatter.

In: a Tensor and what takes the place of a part of it that a view would show.  Out: a copy. The part
that is replaced gets no gradient.
"""

from __future__ import annotations

from typing import Any

from adjoint.ops import view
from adjoint.ops.arguments import canonical_dim
from adjoint.ops.families import operator
from adjoint.ops.index import overwritten

Array = Any
Tensor = Any


def _part(name: str, input: Tensor, part: Tensor, src: Tensor) -> None:
    if part._desc.shape != src._desc.shape:
        raise RuntimeError(
            "expected src to have a size equal to the slice of self. src size = "
            f"{list(src._desc.shape)}, slice size = {list(part._desc.shape)} ({name})"
        )


def _uncovered_part(xp: Any, g: Array, full: Any) -> Array:
    return g - xp.slice_into(xp.slice(g, full), tuple(g.shape), full)


@operator(
    "linear",
    (_uncovered_part, lambda xp, g, full: xp.slice(g, full)),
    linear=True,
)
def _select_scatter(xp: Any, input: Array, src: Array, *, full: Any) -> Array:
    """Return ``input`` with ``src`` at one place of an axis."""
    return overwritten(xp, input, full, src)


@operator(
    "linear",
    (_uncovered_part, lambda xp, g, full: xp.slice(g, full)),
    linear=True,
)
def _slice_scatter(xp: Any, input: Array, src: Array, *, full: Any) -> Array:
    """Return ``input`` with ``src`` at a slice of an axis."""
    return overwritten(xp, input, full, src)


def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """Return a copy of ``input`` with ``src`` at ``index`` of ``dim``."""
    part = view.select(input.detach(), dim, index)
    _part("select_scatter", input, part, src)
    axis = canonical_dim(dim, input.ndim)
    place = index + input._desc.shape[axis] if index < 0 else index
    return _select_scatter(input, src, full=(slice(None),) * axis + (place,))


def slice_scatter(
    input: Tensor,
    src: Tensor,
    dim: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
) -> Tensor:
    """Return a copy of ``input`` with ``src`` at a slice of ``dim``."""
    axis = canonical_dim(dim, input.ndim)
    full = (slice(None),) * axis + (slice(start, end, step),)
    _part("slice_scatter", input, input.detach()[full], src)
    return _slice_scatter(input, src, full=full)


def diagonal_scatter(
    input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1
) -> Tensor:
    """Return a copy of ``input`` with ``src`` on a diagonal."""
    _part("diagonal_scatter", input, view.diagonal(input.detach(), offset, dim1, dim2), src)
    axis1, axis2 = canonical_dim(dim1, input.ndim), canonical_dim(dim2, input.ndim)
    return _diagonal_scatter(input, src, offset=offset, axis1=axis1, axis2=axis2)


def _uncovered_diagonal(xp: Any, g: Array, offset: int, axis1: int, axis2: int) -> Array:
    part = xp.diagonal(g, offset, axis1, axis2)
    return g - xp.diagonal_embed(part, tuple(g.shape), offset, axis1, axis2)


@operator(
    "linear",
    (
        _uncovered_diagonal,
        lambda xp, g, offset, axis1, axis2: xp.diagonal(g, offset, axis1, axis2),
    ),
    linear=True,
)
def _diagonal_scatter(
    xp: Any, input: Array, src: Array, *, offset: int, axis1: int, axis2: int
) -> Array:
    """Return ``input`` with ``src`` on a diagonal."""
    kept = _uncovered_diagonal(xp, input, offset, axis1, axis2)
    return kept + xp.diagonal_embed(src, tuple(input.shape), offset, axis1, axis2)
