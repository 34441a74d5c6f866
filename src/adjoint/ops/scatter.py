"""Placing by index tensors: scatter, index_add and their kin, and in place.

In: a Tensor to copy or overwrite, a dim, an index tensor, values.  Out: a copy, or
for names that end in an underscore the tensor itself. What is overwritten gets no gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.array.batched.levels import all_samples
from adjoint.array.kernels.accumulate import add_at
from adjoint.core.errors import scalar_name
from adjoint.core.inplace import apply_inplace
from adjoint.core.tensor_base import TensorBase, make_tensor
from adjoint.ops import view
from adjoint.ops.arguments import canonical_dim, tensor_argument
from adjoint.ops.families import operator
from adjoint.ops.gather import check_gather, check_rows, check_vector
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
    "linear", (_uncovered_along, None), jvp=_uncovered_along, linear=True, node="ScatterBackward1"
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


@operator("linear", (_uncovered, None), jvp=_uncovered, linear=True)
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


# ---- in place: only the places that change are written ------------------------------------------


def writes(function: Callable[..., Any], overwrite: Callable[..., None]) -> None:
    """Give an operator the function that writes only the places that change."""
    function.op.overwrite = overwrite  # type: ignore[attr-defined]


def _write_along(memory: Array, src: Array, index: Array, *, axis: int) -> None:
    memory[_along(index, axis)] = _cut(src, index.shape)


def _write_number(memory: Array, index: Array, *, axis: int, value: Any) -> None:
    memory[_along(index, axis)] = value


def _add_along(memory: Array, src: Array, index: Array, *, axis: int) -> None:
    np.add.at(memory, _along(index, axis), _cut(src, index.shape))


def _add_places(memory: Array, source: Array, index: Array, *, axis: int, alpha: Any) -> None:
    scaled = source if alpha == 1 else (source * alpha).astype(memory.dtype)
    add_at(memory, places(index, (axis,)), scaled)


def _copy_places(memory: Array, source: Array, index: Array, *, axis: int) -> None:
    memory[places(index, (axis,))] = source


def _fill_places(memory: Array, index: Array, *, axis: int, value: Any) -> None:
    memory[places(index, (axis,))] = value


writes(_scatter, _write_along)
writes(_scatter_number, _write_number)
writes(_scatter_add, _add_along)
writes(_index_add, _add_places)
writes(_index_copy, _copy_places)
writes(_index_fill, _fill_places)
writes(_index_fill_tensor, _copy_places)
for _function in (_scatter, _scatter_add, _index_add, _index_copy):
    _function.op.apart = True
for _function in (_index_fill, _index_fill_tensor):
    _function.op.overlapping = True


# ---- a call, checked: the same for the copy and for the write ------------------------------------

Call = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]


def copied(input: Tensor, call: Call) -> Tensor:
    """The result of a checked call; a 0-d tensor counts as a vector of one."""
    function, operands, params = call
    if input._desc.shape or "axis" not in params:
        return function(input, *operands, **params)
    return view.reshape(function(view.reshape(input, 1), *operands, **params), ())


def into(target: Tensor, call: Call) -> Tensor:
    """The target, overwritten by a checked call; a 0-d tensor counts as a vector of one."""
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
    check_rows(name, index, axis, input)


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
    size, values = (input._desc.shape or (1,))[axis], all_samples(index._array)
    if values.size and not (-size <= values.min() and values.max() < size):
        wrong = values[(values < -size) | (values >= size)].flat[0]
        raise IndexError(f"index {wrong} is out of bounds for dimension {axis} with size {size}")
    if not isinstance(value, TensorBase):
        value = plain_number(value, input._desc.dtype)
        return _index_fill, (index,), {"axis": axis, "value": value}
    if value._desc.shape:
        raise RuntimeError(
            "index_fill_ only supports a 0-dimensional value tensor, but got tensor with "
            f"{len(value._desc.shape)} dimension(s)."
        )
    return _index_fill_tensor, (value, index), {"axis": axis}


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
    return copied(input, _scatter_call(input, dim, index, value if src is None else src, reduce))


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
    return into(self, _scatter_call(self, dim, index, value if src is None else src, reduce))


def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """Return ``input`` with ``src`` added at the places along ``dim``; repeated ones add up."""
    return copied(input, _scatter_call(input, dim, index, src, "add"))


def scatter_add_(self: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """In-place version of ``scatter_add``."""
    return into(self, _scatter_call(self, dim, index, src, "add"))


def index_add(input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Any = 1) -> Tensor:
    """Return ``input`` with ``alpha * source`` added at the places of ``dim``."""
    return copied(input, _index_add_call(input, dim, index, source, alpha))


def index_add_(self: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Any = 1) -> Tensor:
    """In-place version of ``index_add``."""
    return into(self, _index_add_call(self, dim, index, source, alpha))


def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """Return ``input`` with ``source`` at the places of ``dim``."""
    return copied(input, _index_copy_call(input, dim, index, source))


def index_copy_(self: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """In-place version of ``index_copy``."""
    return into(self, _index_copy_call(self, dim, index, source))


def index_fill(input: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """Return ``input`` with a number or a 0-d tensor at the places of ``dim``."""
    return copied(input, _index_fill_call(input, dim, index, value))


def index_fill_(self: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """In-place version of ``index_fill``."""
    return into(self, _index_fill_call(self, dim, index, value))


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
