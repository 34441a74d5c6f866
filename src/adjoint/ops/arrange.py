"""Rearranging by copying: flip, roll, repeat, triangles, diagonals, grids.

In: a Tensor.  Out: a new Tensor with its elements in other places.  All linear; each rule is the
transposed rearrangement.
"""

from __future__ import annotations

from typing import Any

from adjoint.ops.arguments import canonical_dim, canonical_dims, sizes_of
from adjoint.ops.families import linear
from adjoint.ops.view import expand, reshape, t, transpose, unsqueeze

Array = Any
Tensor = Any
Shape = tuple[int, ...]


@linear(lambda xp, g, axis: xp.flip(g, axis), node="FlipBackward0", saved_names={"axis": "dims"})
def _flip(xp: Any, input: Array, *, axis: Shape) -> Array:
    """Return ``input`` reversed along the axes."""
    return xp.copy(xp.flip(input, axis))


def flip(input: Tensor, *dims: Any) -> Tensor:
    """Return ``input`` reversed along ``dims``."""
    given = sizes_of(dims)
    return _flip(input, axis=canonical_dims(given, input.ndim) if given else ())


def fliplr(input: Tensor) -> Tensor:
    """Return ``input`` with its columns reversed."""
    if input.ndim < 2:
        raise RuntimeError("Input must be >= 2-d.")
    return flip(input, 1)


def flipud(input: Tensor) -> Tensor:
    """Return ``input`` with its rows reversed."""
    if input.ndim < 1:
        raise RuntimeError("Input must be >= 1-d.")
    return flip(input, 0)


def _rolled(xp: Any, x: Array, shifts: Shape, axis: Shape) -> Array:
    if not axis:  # as if flat
        return xp.reshape(xp.roll(xp.reshape(x, (-1,)), shifts, (0,)), x.shape)
    return xp.roll(x, shifts, axis)


@linear(
    lambda xp, g, shifts, axis: _rolled(xp, g, tuple(-s for s in shifts), axis),
    saved_names={"axis": "dims"},
)
def _roll(xp: Any, input: Array, *, shifts: Shape, axis: Shape) -> Array:
    """Return ``input`` shifted along the axes, what leaves one end entering at the other."""
    return _rolled(xp, input, shifts, axis)


def roll(input: Tensor, shifts: Any, dims: Any = None) -> Tensor:
    """Return ``input`` shifted along ``dims`` (None: as if flat), what leaves one end entering at
    the other.
    """
    given = (shifts,) if isinstance(shifts, int) else tuple(shifts)
    if dims is None or dims == ():
        if len(given) != 1:
            raise RuntimeError(f"shifts and dimensions must align. shifts: {len(given)}, dims:0")
        return _roll(input, shifts=given, axis=())
    axes = (dims,) if isinstance(dims, int) else tuple(dims)
    if len(axes) != len(given):
        raise RuntimeError(
            f"shifts and dimensions must align. shifts: {len(given)}, dims:{len(axes)}"
        )
    return _roll(input, shifts=given, axis=tuple(canonical_dim(a, input.ndim) for a in axes))


def rot90(input: Tensor, k: int = 1, dims: Any = (0, 1)) -> Tensor:
    """Return ``input`` turned by ``k`` times 90 degrees in the plane of two dims."""
    first, second = (canonical_dim(d, input.ndim) for d in dims)
    return _rot90(input, k=k, axes=(first, second))


@linear(lambda xp, g, k, axes: xp.rot90(g, -k, axes), saved_names={"axes": "dims"})
def _rot90(xp: Any, input: Array, *, k: int, axes: Shape) -> Array:
    """Return ``input`` turned in the plane of two axes."""
    return xp.rot90(input, k, axes)


# ---- repeating -----------------------------------------------------------------------------------


def _repeat_vjp(xp: Any, g: Array, input_shape: Shape, repeats: Shape) -> Array:
    """Each repeat is an axis of its own: summed."""
    shape = (1,) * (len(repeats) - len(input_shape)) + tuple(input_shape)
    split: list[int] = []
    for count, n in zip(repeats, shape):
        split += [count, n]
    summed = xp.sum(
        xp.reshape(g, tuple(split)), axis=tuple(range(0, 2 * len(shape), 2)), keepdims=False
    )
    return xp.reshape(summed, input_shape)


@linear(_repeat_vjp)
def _repeat(xp: Any, input: Array, *, repeats: Shape) -> Array:
    """Return ``input`` laid side by side along each axis."""
    return xp.tile(input, repeats)


def repeat(input: Tensor, *sizes: Any) -> Tensor:
    """Return ``input`` laid side by side ``sizes`` times along each dim.

    Raises: RuntimeError for fewer sizes than dims or a negative one.
    """
    given = sizes_of(sizes)
    if len(given) < input.ndim:
        raise RuntimeError(
            "Number of dimensions of repeat dims can not be smaller than number of dimensions of "
            "tensor"
        )
    return _repeat(input, repeats=given)


def tile(input: Tensor, *dims: Any) -> Tensor:
    """Return ``input`` laid side by side, as `repeat`, missing counts taken as 1."""
    given = sizes_of(dims)
    return repeat(input, (1,) * (input.ndim - len(given)) + given)


# ---- triangles and diagonals ---------------------------------------------------------------------


@linear(lambda xp, g, diagonal: xp.tril(g, diagonal))
def _tril(xp: Any, input: Array, *, diagonal: int) -> Array:
    """Return the lower triangle."""
    return xp.tril(input, diagonal)


@linear(lambda xp, g, diagonal: xp.triu(g, diagonal))
def _triu(xp: Any, input: Array, *, diagonal: int) -> Array:
    """Return the upper triangle."""
    return xp.triu(input, diagonal)


def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """Return the elements on and below a diagonal of the last two dims, zeros above."""
    _check_matrix("tril", input)
    return _tril(input, diagonal=diagonal)


def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """Return the elements on and above a diagonal of the last two dims, zeros below."""
    _check_matrix("triu", input)
    return _triu(input, diagonal=diagonal)


def _check_matrix(name: str, input: Tensor) -> None:
    if input.ndim < 2:
        raise RuntimeError(f"{name}: input tensor must have at least 2 dimensions")


@linear(
    lambda xp, g, offset, axis1, axis2: xp.diagonal(g, offset, axis1, axis2),
    saved_names={"axis1": "dim1", "axis2": "dim2"},
)
def _diag_embed(
    xp: Any, input: Array, *, shape: Shape, offset: int, axis1: int, axis2: int
) -> Array:
    """Return zeros of ``shape`` with ``input`` on a diagonal."""
    return xp.diagonal_embed(input, shape, offset, axis1, axis2)


def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Return matrices with the last dim of ``input`` on a diagonal of the new dims."""
    ndim = input.ndim + 1
    axis1, axis2 = canonical_dim(dim1, ndim), canonical_dim(dim2, ndim)
    if axis1 == axis2:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    n = input.shape[-1] + (offset if offset >= 0 else -offset)
    shape = list(input.shape[:-1])
    for axis in sorted((axis1, axis2)):
        shape.insert(axis, n)
    return _diag_embed(input, shape=tuple(shape), offset=offset, axis1=axis1, axis2=axis2)


def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """Return the diagonal of a matrix, or a matrix with the vector ``input`` on its diagonal."""
    if input.ndim == 1:
        return diag_embed(input, diagonal)
    if input.ndim != 2:
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {input.ndim}D")
    return _diagonal_copy(input, offset=diagonal)


@linear(lambda xp, g, input_shape: _spread_trace(xp, g, input_shape))
def _trace(xp: Any, input: Array) -> Array:
    """Return the sum of the diagonal."""
    return xp.sum(xp.diagonal(input, 0, 0, 1))


def _spread_trace(xp: Any, g: Array, input_shape: Shape) -> Array:
    n = input_shape[0] if input_shape[0] < input_shape[1] else input_shape[1]
    return xp.diagonal_embed(xp.broadcast_to(g, (n,)), input_shape, 0, 0, 1)


def trace(input: Tensor) -> Tensor:
    """Return the sum of the diagonal of a matrix."""
    if input.ndim != 2:
        raise RuntimeError(f"trace: expected a matrix, but got tensor with dim {input.ndim}")
    return _trace(input)


@linear(
    lambda xp, g, input_shape, offset: xp.diagonal_embed(g, input_shape, offset, 0, 1),
    node="DiagonalBackward0_copy",
)
def _diagonal_copy(xp: Any, input: Array, *, offset: int) -> Array:
    """Return a copy of a diagonal of a matrix."""
    return xp.copy(xp.diagonal(input, offset, 0, 1))


# ---- grids ---------------------------------------------------------------------------------------


def broadcast_shapes(*shapes: Any) -> Shape:
    """Return the shape to which the shapes broadcast together.

    Raises: RuntimeError if they do not.
    """
    ndim = 0
    for shape in shapes:
        ndim = max(ndim, len(shape))
    result = [1] * ndim
    for shape in shapes:
        for i, n in enumerate(reversed(shape)):
            if n != 1 and result[ndim - 1 - i] not in (1, n):
                raise RuntimeError("Shape mismatch: objects cannot be broadcast to a single shape")
            if n != 1:
                result[ndim - 1 - i] = n
    return tuple(result)


def broadcast_to(input: Tensor, size: Any) -> Tensor:
    """Return ``input`` repeated to ``size`` without copying."""
    return expand(input, size)


def broadcast_tensors(*tensors: Any) -> tuple[Tensor, ...]:
    """Return views of the tensors, all of one shape."""
    items = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)) else tensors
    shape = broadcast_shapes(*[i.shape for i in items])
    return tuple(expand(i, shape) for i in items)


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Tensor, ...]:
    """Return the coordinates of a grid, one tensor per input vector ("ij" or "xy" order)."""
    items = list(tensors[0] if isinstance(tensors[0], (list, tuple)) else tensors)
    if indexing not in ("ij", "xy"):
        raise RuntimeError(
            'torch.meshgrid: indexing must be one of "xy" or "ij", but received: ' + indexing
        )
    swap = indexing == "xy" and len(items) > 1
    if swap:
        items[0], items[1] = items[1], items[0]
    shape = tuple(i.numel() for i in items)
    grids = [
        expand(reshape(v, (1,) * i + (-1,) + (1,) * (len(items) - i - 1)), shape)
        for i, v in enumerate(items)
    ]
    if swap:
        grids[0], grids[1] = grids[1], grids[0]
        grids = [transpose(grid, 0, 1) for grid in grids]
    return tuple(grids)


def atleast_1d(input: Tensor) -> Tensor:
    """Return ``input`` with at least one dim."""
    return input if input.ndim else reshape(input, 1)


def atleast_2d(input: Tensor) -> Tensor:
    """Return ``input`` with at least two dims."""
    return input if input.ndim > 1 else unsqueeze(atleast_1d(input), 0)


def adjoint(input: Tensor) -> Tensor:
    """Return the transpose of the last two dims (of a real tensor: its adjoint)."""
    return t(input) if input.ndim == 2 else transpose(input, -2, -1)
