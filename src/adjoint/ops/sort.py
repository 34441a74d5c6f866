"""Order: extremes along a dim, sorting, ranks.

In: a Tensor and a dim.  Out: values and where they stood (int64). The cotangent of the values goes
back to where they were taken from.
"""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np

from adjoint.array.dtypes import BOOL, COMPLEX
from adjoint.core.tensor_base import TensorBase
from adjoint.ops import reduce
from adjoint.ops.arguments import canonical_dim
from adjoint.ops.checks import not_for
from adjoint.ops.families import general
from adjoint.ops.piecewise import maximum, minimum

Array = Any
Tensor = Any
Shape = tuple[int, ...]

# PyTorch's result types; their names appear when a result is printed.
_FIELDS = {"aminmax": "min max"}


def _result_type(name: str, fields: str) -> Any:
    made = namedtuple(name, fields)  # type: ignore[misc]
    made.__module__ = "torch.return_types"
    made.__qualname__ = name
    made.__repr__ = _show  # type: ignore[method-assign]
    return made


def _show(self: Any) -> str:
    body = ",\n".join(f"{field}={value!r}" for field, value in zip(self._fields, self))
    return f"torch.return_types.{type(self).__name__}(\n{body})"


class _Results(dict[str, Any]):
    """The result types by name, each made when it is first needed."""

    def __missing__(self, name: str) -> Any:
        made = self[name] = _result_type(name, _FIELDS.get(name, "values indices"))
        return made


RESULT = _Results()


def _no_complex_sort(operands: tuple[Any, ...]) -> None:
    if operands[0]._desc.dtype.is_complex:
        raise RuntimeError(" Sort does not support complex dtypes on CPU")


def _axis(input: Tensor, dim: int) -> int:
    return canonical_dim(dim, input.ndim)


def _put_back(xp: Any, g: Any, input_shape: Shape, indices: Array, axis: int) -> Array:
    """The cotangent of the values, added where they were taken from."""
    return xp.scatter_add(g[0], input_shape, indices, axis)


def _take_along(xp: Any, t: Array, indices: Array, axis: int) -> tuple[Array, None]:
    """The tangents where the values were taken from."""
    return xp.take_along_axis(t, indices, axis), None


def _pick(xp: Any, input: Array, where: Array, axis: int, keepdims: bool) -> tuple[Array, Array]:
    values = xp.take_along_axis(input, where, axis)
    if keepdims:
        return values, where
    return xp.squeeze(values, (axis,)), xp.squeeze(where, (axis,))


# ---- max and min: three functions each under one name --------------------------------------------


def max(input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
    """Return the largest of all elements; with ``dim`` (values, indices) along it; with a tensor
    the larger of each pair.
    """
    return _extreme("max", input, dim if other is None else other, keepdim)


def min(input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
    """Return the smallest of all elements; with ``dim`` (values, indices) along it; with a tensor
    the smaller of each pair.
    """
    return _extreme("min", input, dim if other is None else other, keepdim)


_PAIR = {"max": maximum, "min": minimum}
_ALL = {"max": reduce._max_all, "min": reduce._min_all}
_ALONG = {"max": reduce._max_dim, "min": reduce._min_dim}


def _extreme(name: str, input: Tensor, dim: Any, keepdim: bool) -> Any:
    if isinstance(dim, TensorBase):
        return _PAIR[name](input, dim)
    if dim is None:
        if not input.numel():
            raise RuntimeError(
                f"{name}(): Expected reduction dim to be specified for input.numel() == 0. Specify "
                "the "
                "reduction dim with the 'dim' argument."
            )
        return _ALL[name](input, axis=tuple(range(input.ndim)), keepdims=False)
    axis = _axis(input, dim)
    if not input.ndim:
        return RESULT[name](*_whole(input))
    if not input.shape[axis]:
        raise IndexError(f"{name}(): Expected reduction dim {axis} to have non-zero size.")
    return RESULT[name](*_ALONG[name](input, axis=axis, keepdims=keepdim))


@general(lambda xp, g: g[0], jvp=lambda xp, t: (t, None), node="AliasCopyBackward0", outputs=2)
def _whole_of(xp: Any, input: Array) -> tuple[Array, Array]:
    """Return a 0-d tensor as its own extreme."""
    return xp.copy(input), np.zeros((), np.int64)


def _whole(input: Tensor) -> tuple[Tensor, Tensor]:
    return _whole_of(input)


def _aminmax_vjp(xp: Any, g: Any, input: Array, out: Any, axis: Shape, keepdims: bool) -> Array:
    low = reduce._share(xp, g[0], input, out[0], axis, keepdims)
    return low + reduce._share(xp, g[1], input, out[1], axis, keepdims)


@general(_aminmax_vjp, outputs=2)
def _aminmax(xp: Any, input: Array, *, axis: Shape, keepdims: bool) -> tuple[Array, Array]:
    """Return the smallest and the largest elements along the axes."""
    low = xp.min(input, axis=axis, keepdims=keepdims)
    return low, xp.max(input, axis=axis, keepdims=keepdims)


def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False) -> Any:
    """Return the smallest and the largest element (along ``dim``)."""
    axis = tuple(range(input.ndim)) if dim is None else (_axis(input, dim),)
    return RESULT["aminmax"](*_aminmax(input, axis=axis, keepdims=keepdim))


# ---- sorting -------------------------------------------------------------------------------------


@general(
    _put_back,
    jvp=_take_along,
    node="SortBackward0",
    outputs=2,
    saved_names={"axis": "dim"},
    check=_no_complex_sort,
)
def _sort(xp: Any, input: Array, *, axis: int, descending: bool) -> tuple[Array, Array]:
    """Return sorted values and where they stood."""
    return xp.sort(input, axis, descending, True)


def sort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Any:
    """Return (values, indices) sorted along ``dim``; equal elements keep their order."""
    axis = _axis(input, dim)
    _no_complex_sort((input,))
    if not input.ndim:
        return RESULT["sort"](*_whole(input))
    return RESULT["sort"](*_sort(input, axis=axis, descending=descending))


def argsort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Tensor:
    """Return the indices that sort ``input`` along ``dim``."""
    return sort(input, dim, descending, stable).indices


def msort(input: Tensor) -> Tensor:
    """Return ``input`` sorted along its first dim."""
    return sort(input, 0).values


@general(_put_back, jvp=_take_along, node="TopkBackward0", outputs=2, saved_names={"axis": "dim"})
def _topk(xp: Any, input: Array, *, k: int, axis: int, largest: bool) -> tuple[Array, Array]:
    """Return the k largest or smallest elements and where they stood."""
    _, order = xp.sort(input, axis, largest, True)
    where = xp.slice(order, (slice(None),) * axis + (slice(0, k),))
    return _pick(xp, input, xp.copy(where), axis, True)


def topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
    """Return the ``k`` largest (or smallest) elements along ``dim``, in order, and where they
    stood.

    Raises: RuntimeError if there are fewer than ``k``.
    """
    axis = _axis(input, dim)
    if not 0 <= k <= (input.shape[axis] if input.ndim else 1):
        raise RuntimeError("selected index k out of range")
    if not input.ndim:
        return RESULT["topk"](*_whole(input))
    return RESULT["topk"](*_topk(input, k=k, axis=axis, largest=largest))


@general(
    reduce._pick_vjp,
    jvp=reduce._pick_jvp,
    node="KthvalueBackward0",
    outputs=2,
    saved_names={"axis": "dim"},
)
def _kthvalue(xp: Any, input: Array, *, k: int, axis: int, keepdims: bool) -> tuple[Array, Array]:
    """Return the k-th smallest elements and where they stood."""
    _, order = xp.sort(input, axis, False, True)
    where = xp.slice(order, (slice(None),) * axis + (slice(k - 1, k),))
    return _pick(xp, input, xp.copy(where), axis, keepdims)


def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> Any:
    """Return the ``k``-th smallest element along ``dim`` and where it stood."""
    axis = _axis(input, dim)
    if not 1 <= k <= (input.shape[axis] if input.ndim else 1):
        raise RuntimeError("kthvalue(): selected number k out of range for dimension " + str(axis))
    if not input.ndim:
        return RESULT["kthvalue"](*_whole(input))
    return RESULT["kthvalue"](*_kthvalue(input, k=k, axis=axis, keepdims=keepdim))


@general(
    reduce._pick_vjp,
    jvp=reduce._pick_jvp,
    node="MedianBackward1",
    outputs=2,
    saved_names={"axis": "dim"},
    check=not_for("median_cpu", BOOL, COMPLEX),
)
def _median_dim(xp: Any, input: Array, *, axis: int, keepdims: bool) -> tuple[Array, Array]:
    """Return the lower of the middle elements and where it stood; nan if there is one."""
    _, order = xp.sort(input, axis, False, True)
    middle = (input.shape[axis] - 1) // 2
    lead = (slice(None),) * axis
    where = xp.slice(order, (*lead, slice(middle, middle + 1)))
    if input.dtype.kind == "f":
        missing = xp.isnan(input)
        first = xp.argmax(missing, axis, keepdims=True)
        where = xp.where(xp.any(missing, (axis,), True), first, where)
    return _pick(xp, input, where, axis, keepdims)


@general(
    reduce._pick_vjp,
    jvp=reduce._pick_jvp,
    node="ModeBackward0",
    outputs=2,
    saved_names={"axis": "dim"},
    check=not_for("mode_cpu", COMPLEX),
)
def _mode(xp: Any, input: Array, *, axis: int, keepdims: bool) -> tuple[Array, Array]:
    """Return the most frequent elements, of several the smallest, and where the last one stands."""
    values, order = xp.sort(input, axis, False, True)
    n = input.shape[axis]
    lead, shape = (slice(None),) * axis, [1] * input.ndim
    shape[axis] = n
    place = np.arange(n).reshape(shape)
    same = xp.slice(values, (*lead, slice(1, n))) == xp.slice(values, (*lead, slice(0, n - 1)))
    first = xp.slice(xp.ones_like(values) == 1, (*lead, slice(0, 1)))
    starts = xp.where(xp.concatenate((first, xp.logical_not(same)), axis), place, 0)
    runs = place - xp.running_extreme(starts, axis, True)[0]
    last = xp.argmax(runs, axis, keepdims=True)
    return _pick(xp, input, xp.take_along_axis(order, last, axis), axis, keepdims)


def mode(input: Tensor, dim: int = -1, keepdim: bool = False) -> Any:
    """Return the most frequent element along ``dim`` (of several the smallest) and where it last
    stands.
    """
    axis = _axis(input, dim)
    if not input.ndim:
        return RESULT["mode"](*_whole(input))
    if not input.shape[axis]:
        raise IndexError(f"mode(): Expected reduction dim {axis} to have non-zero size.")
    return RESULT["mode"](*_mode(input, axis=axis, keepdims=keepdim))


# ---- extremes so far -----------------------------------------------------------------------------


def _running(name: str, node: str, largest: bool) -> Any:
    def forward(xp: Any, input: Array, *, axis: int) -> tuple[Array, Array]:
        """Return the extremes of all elements up to each, and where they stand."""
        return xp.running_extreme(input, axis, largest)

    forward.__name__ = f"_{name}"
    declare = general(
        lambda xp, g, input, indices, axis: _put_back(xp, g, input.shape, indices, axis),
        jvp=_take_along,
        node=node,
        outputs=2,
        saved_names={"axis": "dim"},
        check=not_for(f"{name}_cpu", COMPLEX),
    )
    return declare(forward)


_cummax = _running("cummax", "CummaxBackward0", True)
_cummin = _running("cummin", "CumminBackward0", False)


def cummax(input: Tensor, dim: int) -> Any:
    """Return the largest element up to each along ``dim``, and where it stands (the last)."""
    axis = _axis(input, dim)
    return RESULT["cummax"](*(_cummax(input, axis=axis) if input.ndim else _whole(input)))


def cummin(input: Tensor, dim: int) -> Any:
    """Return the smallest element up to each along ``dim``, and where it stands (the last)."""
    axis = _axis(input, dim)
    return RESULT["cummin"](*(_cummin(input, axis=axis) if input.ndim else _whole(input)))


# ---- medians of all ------------------------------------------------------------------------------


@general(reduce._share_nan, node="MedianBackward0", check=not_for("median_cpu", BOOL, COMPLEX))
def _median_all(xp: Any, input: Array, *, axis: Shape, keepdims: bool) -> Array:
    """Return the lower of the middle elements."""
    flat = xp.reshape(input, (-1,))
    ordered = xp.sort(flat, 0, False, True)[0]
    middle = ordered[(flat.size - 1) // 2]
    if flat.dtype.kind != "f":
        return middle
    return xp.where(xp.isnan(ordered[-1]), ordered[-1], middle)[()]  # nan comes last


def median(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """Return the median (the lower of two middle elements); with ``dim`` (values, indices)."""
    if dim is None:
        return _median_all(input, axis=tuple(range(input.ndim)), keepdims=False)
    axis = _axis(input, dim)
    if not input.ndim:
        return RESULT["median"](*_whole(input))
    return RESULT["median"](*_median_dim(input, axis=axis, keepdims=keepdim))
