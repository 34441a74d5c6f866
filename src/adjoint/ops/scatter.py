"""Placing by index tensors and masks: scatter, index_add, masked_fill and their kin, and in place.

In: a Tensor to copy or overwrite, a dim, an index tensor or mask, values.  Out: a copy, or
for names that end in an underscore the tensor itself. What is overwritten gets no gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.array import dtypes
from adjoint.core.errors import scalar_name
from adjoint.core.inplace import apply_inplace
from adjoint.core.tensor_base import TensorBase, make_tensor
from adjoint.ops import view
from adjoint.ops.arguments import canonical_dim, tensor_argument
from adjoint.ops.families import operator
from adjoint.ops.gather import broadcast_shape, check_gather, check_range, check_vector, spread_mask
from adjoint.ops.index import _index_put, check_put, index_put_into, overwritten, places
from adjoint.ops.index_expression import Expression
from adjoint.ops.numbers import number as plain_number

Array = Any
Tensor = Any
Shape = tuple[int, ...]

# ---- primitives ----------------------------------------------------------------------------------


def _along(index: Array, axis: int) -> tuple[Any, ...]:
    """The full index expression that picks ``index`` along ``axis``."""
    grid: list[Any] = list(np.ogrid[tuple(slice(n) for n in index.shape)])
    grid[axis] = index
    return tuple(grid)


def _cut(x: Array, shape: Shape) -> Array:
    return x if x.shape == shape else x[tuple(slice(n) for n in shape)]


def _uncovered_along(xp: Any, g: Array, index: Array, axis: int) -> Array:
    if isinstance(g, TensorBase):
        return _scatter_number(g, index, axis=axis, value=0)
    return overwritten(xp, g, _along(index, axis), 0)


@operator(
    "linear",
    (_uncovered_along, lambda xp, g, index, axis: xp.take_along_axis(g, index, axis), None),
    linear=True,
)
def _scatter(xp: Any, input: Array, src: Array, index: Array, *, axis: int) -> Array:
    """Return ``input`` with ``src`` written along one axis."""
    return overwritten(xp, input, _along(index, axis), _cut(src, index.shape))


@operator(
    "linear",
    (_uncovered_along, None),
    jvp=lambda xp, t, index, axis: _uncovered_along(xp, t[0], index, axis),
    linear=True,
    node="ScatterBackward1",
)
def _scatter_number(xp: Any, input: Array, index: Array, *, axis: int, value: Any) -> Array:
    """Return ``input`` with a number written along one axis."""
    return overwritten(xp, input, _along(index, axis), value)


@operator(
    "linear",
    (lambda xp, g: g, lambda xp, g, index, axis: xp.take_along_axis(g, index, axis), None),
    linear=True,
)
def _scatter_add(xp: Any, input: Array, src: Array, index: Array, *, axis: int) -> Array:
    """Return ``input`` to which ``src`` is added along one axis."""
    return input + xp.scatter_add(src, input.shape, index, axis)


@operator(
    "linear",
    (
        lambda xp, g: g,
        lambda xp, g, index, axis, alpha: xp.take(g, places(index, (axis,))) * alpha,
        None,
    ),
    linear=True,
)
def _index_add(
    xp: Any, input: Array, source: Array, index: Array, *, axis: int, alpha: Any
) -> Array:
    """Return ``input`` with ``alpha * source`` added at the named places of one axis."""
    scaled = source if alpha == 1 else xp.astype(source * alpha, input.dtype)
    return input + xp.index_add(scaled, input.shape, places(index, (axis,)))


def _uncovered(xp: Any, g: Array, index: Array, axis: int) -> Array:
    if isinstance(g, TensorBase):
        return _index_fill(g, index, axis=axis, value=0)
    return overwritten(xp, g, places(index, (axis,)), 0)


@operator(
    "linear",
    (_uncovered, lambda xp, g, index, axis: xp.take(g, places(index, (axis,))), None),
    linear=True,
)
def _index_copy(xp: Any, input: Array, source: Array, index: Array, *, axis: int) -> Array:
    """Return ``input`` with ``source`` written at the places of one axis that a vector names."""
    return overwritten(xp, input, places(index, (axis,)), source)


@operator(
    "linear",
    (_uncovered, None),
    jvp=lambda xp, t, index, axis: _uncovered(xp, t[0], index, axis),
    linear=True,
)
def _index_fill(xp: Any, input: Array, index: Array, *, axis: int, value: Any) -> Array:
    """Return ``input`` with a number at the places of one axis that a vector names."""
    return overwritten(xp, input, places(index, (axis,)), value)


@operator(
    "linear",
    (_uncovered, lambda xp, g, index, axis: xp.take(g, places(index, (axis,))), None),
    linear=True,
    node="IndexFillBackward1",
)
def _index_fill_tensor(xp: Any, input: Array, value: Array, index: Array, *, axis: int) -> Array:
    """Return ``input`` with a 0-d tensor at the places of one axis that a vector names."""
    return overwritten(xp, input, places(index, (axis,)), value)


def _unmasked(xp: Any, g: Array, mask: Array) -> Array:
    return xp.where(mask, xp.zeros_like(g), g)


@operator(
    "linear", (_unmasked, None), jvp=lambda xp, t, mask: _unmasked(xp, t[0], mask), linear=True
)
def _masked_fill(xp: Any, input: Array, mask: Array, *, value: Any) -> Array:
    """Return ``input`` with a number where ``mask`` is true."""
    return xp.where(mask, value, input)


@operator(
    "linear",
    (_unmasked, lambda xp, g, mask: xp.where(mask, g, xp.zeros_like(g)), None),
    linear=True,
    node="MaskedFillBackward1",
)
def _masked_fill_tensor(xp: Any, input: Array, value: Array, mask: Array) -> Array:
    """Return ``input`` with a 0-d tensor where ``mask`` is true."""
    return xp.where(mask, xp.astype(value, input.dtype), input)


def _masked_source(xp: Any, g: Array, source_shape: Shape, mask: Array) -> Array:
    picked = xp.take(g, (spread_mask(xp, mask, tuple(g.shape)),))
    flat = xp.slice_into(picked, (xp.size(source_shape),), (slice(picked.shape[0]),))
    return xp.reshape(flat, source_shape)


@operator("linear", (_unmasked, _masked_source, None), linear=True)
def _masked_scatter(xp: Any, input: Array, source: Array, mask: Array) -> Array:
    """Return ``input`` with the elements of ``source``, in order, where ``mask`` is true."""
    wide = spread_mask(xp, mask, input.shape)
    flat = xp.reshape(source, (-1,))
    return overwritten(xp, input, (wide,), flat[: np.count_nonzero(wide)])


# ---- in place: only the places that change are written ------------------------------------------


def _writes(function: Callable[..., Any], overwrite: Callable[..., None]) -> None:
    function.op.overwrite = overwrite  # type: ignore[attr-defined]


def _write_along(memory: Array, src: Array, index: Array, *, axis: int) -> None:
    memory[_along(index, axis)] = _cut(src, index.shape)


def _write_number(memory: Array, index: Array, *, axis: int, value: Any) -> None:
    memory[_along(index, axis)] = value


def _add_along(memory: Array, src: Array, index: Array, *, axis: int) -> None:
    np.add.at(memory, _along(index, axis), _cut(src, index.shape))


def _add_places(memory: Array, source: Array, index: Array, *, axis: int, alpha: Any) -> None:
    scaled = source if alpha == 1 else (source * alpha).astype(memory.dtype)
    np.add.at(memory, places(index, (axis,)), scaled)


def _copy_places(memory: Array, source: Array, index: Array, *, axis: int) -> None:
    memory[places(index, (axis,))] = source


def _fill_places(memory: Array, index: Array, *, axis: int, value: Any) -> None:
    memory[places(index, (axis,))] = value


def _fill_masked(memory: Array, mask: Array, *, value: Any) -> None:
    np.copyto(memory, value, where=mask)


def _fill_masked_tensor(memory: Array, value: Array, mask: Array) -> None:
    np.copyto(memory, value, where=mask, casting="unsafe")


def _place_masked(memory: Array, source: Array, mask: Array) -> None:
    wide = np.broadcast_to(mask, memory.shape)
    memory[wide] = source.reshape(-1)[: np.count_nonzero(wide)]


_writes(_scatter, _write_along)
_writes(_scatter_number, _write_number)
_writes(_scatter_add, _add_along)
_writes(_index_add, _add_places)
_writes(_index_copy, _copy_places)
_writes(_index_fill, _fill_places)
_writes(_index_fill_tensor, _copy_places)
_writes(_masked_fill, _fill_masked)
_writes(_masked_fill_tensor, _fill_masked_tensor)
_writes(_masked_scatter, _place_masked)
for _function in (_index_fill, _index_fill_tensor, _masked_fill, _masked_fill_tensor):
    _function.op.overlapping = True  # type: ignore[attr-defined]


# ---- a call, checked: the same for the copy and for the write ------------------------------------

Call = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]


def _copied(input: Tensor, call: Call) -> Tensor:
    function, operands, params = call
    if input._desc.shape or "axis" not in params:
        return function(input, *operands, **params)
    return view.reshape(function(view.reshape(input, 1), *operands, **params), ())


def _into(target: Tensor, call: Call) -> Tensor:
    function, operands, params = call
    memory = target
    if not target._desc.shape and "axis" in params:
        memory = view._view(target, shape=(1,))
    apply_inplace(function.op, memory, operands, params)  # type: ignore[attr-defined]
    return target


def _vector(t: Tensor) -> Tensor:
    return t if t._desc.shape else view.reshape(t, 1)


def _scatter_call(input: Tensor, dim: int, index: Tensor, src: Any, reduce: str | None) -> Call:
    axis = canonical_dim(dim, input.ndim)
    tensor_argument("scatter", "index", 2, index)
    check_gather("scatter", input, axis, index, within=False)
    if not isinstance(src, TensorBase):
        _check_sizes(input, axis, index, index)
        value = plain_number(src, input._desc.dtype)
        if reduce is None:
            return _scatter_number, (_vector(index),), {"axis": axis, "value": value}
        src = make_tensor(np.full(index._desc.shape, value))
    if input._desc.dtype is not src._desc.dtype:
        raise RuntimeError(
            "scatter(): Expected self.dtype to be equal to src.dtype "
            f"(got {input._desc.dtype!r} and {src._desc.dtype!r})"
        )
    _check_sizes(input, axis, index, src)
    operands = (_vector(src), _vector(index))
    if reduce is None:
        return _scatter, operands, {"axis": axis}
    if reduce != "add":
        raise NotImplementedError(
            f"scatter with reduce={reduce!r} is not implemented; reduce='add' and None are"
        )
    return _scatter_add, operands, {"axis": axis}


def _check_sizes(input: Tensor, axis: int, index: Tensor, src: Tensor) -> None:
    given, sizes, found = (t._desc.shape or (1,) for t in (index, input, src))
    if len(found) != len(given):
        raise RuntimeError(
            "Index tensor must have the same number of dimensions as src tensor "
            f"({len(given)} and {len(found)})"
        )
    if (
        any((d != axis and n > sizes[d]) or n > found[d] for d, n in enumerate(given))
        and 0 not in given
    ):
        raise RuntimeError(
            f"Expected index {list(given)} to be no larger than self {list(sizes)} apart from "
            f"dimension {axis} and to be no larger size than src {list(found)}"
        )


def _index_add_call(input: Tensor, dim: int, index: Tensor, source: Tensor, alpha: Any) -> Call:
    axis = canonical_dim(dim, input.ndim)
    index = check_vector("index_add_", index)
    if input._desc.dtype is not source._desc.dtype:
        raise RuntimeError(
            f"index_add_(): self ({scalar_name(input._desc.dtype)}) and source "
            f"({scalar_name(source._desc.dtype)}) must have the same scalar type"
        )
    _check_source("index_add_", input, axis, index, source)
    operands = (_vector(source), index)
    return _index_add, operands, {"axis": axis, "alpha": alpha}


def _check_source(name: str, input: Tensor, axis: int, index: Tensor, source: Tensor) -> None:
    sizes, given = input._desc.shape or (1,), source._desc.shape or (1,)
    count = index._desc.shape[0]
    if axis < len(given) and given[axis] != count:
        raise RuntimeError(
            f"{name}(): Number of indices ({count}) should be equal to source.size(dim): "
            f"({given[axis]}), for dim: {axis}"
        )
    if (*sizes[:axis], *sizes[axis + 1 :]) != (*given[:axis], *given[axis + 1 :]):
        raise RuntimeError(
            "source tensor shape must match self tensor shape, excluding the specified dimension. "
            f"Got self.shape = {list(sizes)} source.shape = {list(given)}"
        )
    check_range(index, axis, sizes[axis])


def _index_copy_call(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Call:
    axis = canonical_dim(dim, input.ndim)
    index = check_vector("index_copy_", index)
    if input._desc.dtype is not source._desc.dtype:
        raise RuntimeError(
            "index_copy_(): self and source expected to have the same dtype, but got (self) "
            f"{scalar_name(input._desc.dtype)} and (source) {scalar_name(source._desc.dtype)}"
        )
    _check_source("index_copy_", input, axis, index, source)
    return _index_copy, (_vector(source), index), {"axis": axis}


def _index_fill_call(input: Tensor, dim: int, index: Tensor, value: Any) -> Call:
    axis = canonical_dim(dim, input.ndim)
    index = check_vector("index_fill_", index)
    check_range(index, axis, (input._desc.shape or (1,))[axis])
    if not isinstance(value, TensorBase):
        value = plain_number(value, input._desc.dtype)
        return _index_fill, (index,), {"axis": axis, "value": value}
    if value._desc.shape:
        raise RuntimeError(
            "index_fill_ only supports a 0-dimensional value tensor, but got tensor with "
            f"{len(value._desc.shape)} dimension(s)."
        )
    return _index_fill_tensor, (value, index), {"axis": axis}


def _masked_fill_call(input: Tensor, mask: Tensor, value: Any) -> Call:
    tensor_argument("masked_fill_", "mask", 1, mask)
    if mask._desc.dtype is not dtypes.bool_:
        words = {"uint8": "unsigned char", "int64": "long int", "int32": "int"}
        kind = words.get(mask._desc.dtype.name, mask._desc.dtype.name)
        raise RuntimeError(
            f"masked_fill_ only supports boolean masks, but got mask with dtype {kind}"
        )
    if isinstance(value, TensorBase):
        if value._desc.shape:
            raise RuntimeError(
                "masked_fill_ only supports a 0-dimensional value tensor, but got tensor with "
                f"{len(value._desc.shape)} dimension(s)."
            )
        return _masked_fill_tensor, (value, mask), {}
    return _masked_fill, (mask,), {"value": plain_number(value, input._desc.dtype)}


def _masked_scatter_call(input: Tensor, mask: Tensor, source: Tensor) -> Call:
    if mask._desc.dtype is not dtypes.bool_:
        raise RuntimeError(
            "masked_scatter_ only supports boolean masks, but got mask with dtype "
            f"{mask._desc.dtype!r}"
        )
    if input._desc.dtype is not source._desc.dtype:
        raise RuntimeError(
            "masked_scatter_: expected self and source to have same dtypes but got "
            f"{scalar_name(input._desc.dtype)} and {scalar_name(source._desc.dtype)}"
        )
    wanted = np.count_nonzero(np.broadcast_to(mask._array, input._desc.shape))
    if wanted > source.numel():
        raise RuntimeError(
            f"masked_scatter: expected source to have at least {wanted} elements, it has "
            f"{source.numel()}"
        )
    return _masked_scatter, (source, mask), {}


# ---- PyTorch's functions and methods -------------------------------------------------------------


def scatter(
    input: Tensor,
    dim: int,
    index: Tensor,
    src: Any = None,
    *,
    value: Any = None,
    reduce: str | None = None,
) -> Tensor:
    """Return a copy of ``input`` with ``src`` (or a number) at the places along ``dim``.

    Raises: RuntimeError if an index is out of bounds or the shapes or dtypes do not fit.
    """
    return _copied(input, _scatter_call(input, dim, index, value if src is None else src, reduce))


def scatter_(
    self: Tensor,
    dim: int,
    index: Tensor,
    src: Any = None,
    *,
    value: Any = None,
    reduce: str | None = None,
) -> Tensor:
    """In-place version of ``scatter``."""
    return _into(self, _scatter_call(self, dim, index, value if src is None else src, reduce))


def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """Return ``input`` with ``src`` added at the places along ``dim``; repeated ones add up."""
    return _copied(input, _scatter_call(input, dim, index, src, "add"))


def scatter_add_(self: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """In-place version of ``scatter_add``."""
    return _into(self, _scatter_call(self, dim, index, src, "add"))


def index_add(input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Any = 1) -> Tensor:
    """Return ``input`` with ``alpha * source`` added at the places of ``dim``."""
    return _copied(input, _index_add_call(input, dim, index, source, alpha))


def index_add_(self: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Any = 1) -> Tensor:
    """In-place version of ``index_add``."""
    return _into(self, _index_add_call(self, dim, index, source, alpha))


def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """Return ``input`` with ``source`` at the places of ``dim``."""
    return _copied(input, _index_copy_call(input, dim, index, source))


def index_copy_(self: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """In-place version of ``index_copy``."""
    return _into(self, _index_copy_call(self, dim, index, source))


def index_fill(input: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """Return ``input`` with a number or a 0-d tensor at the places of ``dim``."""
    return _copied(input, _index_fill_call(input, dim, index, value))


def index_fill_(self: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """In-place version of ``index_fill``."""
    return _into(self, _index_fill_call(self, dim, index, value))


def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """Return ``input`` with a number or a 0-d tensor where ``mask`` is true; both broadcast."""
    call = _masked_fill_call(input, mask, value)
    broadcast_shape(input._desc.shape, mask._desc.shape)
    return _copied(input, call)


def masked_fill_(self: Tensor, mask: Tensor, value: Any) -> Tensor:
    """In-place version of ``masked_fill``."""
    return _into(self, _masked_fill_call(self, mask, value))


def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """Return ``input`` with the elements of ``source``, in order, where ``mask`` is true."""
    shape = broadcast_shape(input._desc.shape, mask._desc.shape)
    wide = input if input._desc.shape == shape else view.expand(input, shape)
    return _copied(wide, _masked_scatter_call(wide, mask, source))


def masked_scatter_(self: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """In-place version of ``masked_scatter``."""
    return _into(self, _masked_scatter_call(self, mask, source))


def index_put(input: Tensor, indices: Any, values: Tensor, accumulate: bool = False) -> Tensor:
    """Return ``input`` with ``values`` written (or added) where a tuple of index tensors says."""
    found = Expression(input, tuple(slice(None) if i is None else i for i in indices))
    if found.result is not input:
        return index_put_(view.clone(input), indices, values, accumulate)
    tensor, axes = found.picked()
    check_put(input, tensor, axes, values)
    return _index_put(input, values, tensor, axes=axes, accumulate=accumulate)


def index_put_(self: Tensor, indices: Any, values: Tensor, accumulate: bool = False) -> Tensor:
    """In-place version of ``index_put``."""
    found = Expression(self, tuple(slice(None) if i is None else i for i in indices))
    tensor, axes = found.picked()
    index_put_into(found.result, tensor, axes, values, accumulate)
    return self
