"""What happens to a cotangent at an edge: fitted on the way, accumulated at a leaf.

In: raw arrays or Tensors, and the descriptor of the tensor whose edge it is.  Out: the same,
summed over broadcast axes and cast; ``.grad`` of leaves.  Broadcasting and promotion are undone
here; no rule mentions them.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from adjoint.array import numpy_
from adjoint.array.descriptor import SCALAR, Descriptor, describe, library_of
from adjoint.array.kernels import ufuncs
from adjoint.core import mode as modes
from adjoint.core.half import half_of, rounded, widened
from adjoint.core.mode import get_mode
from adjoint.core.node import AccumulateGrad, Node
from adjoint.core.plan import tensor_world
from adjoint.core.tensor_base import make_tensor

__all__ = ["accumulate", "add_in_place", "fit", "keep_gradient", "own"]

_add_reduce: Any = ufuncs.add_reduce
_count = sys.getrefcount

# ---- fitting -------------------------------------------------------------------------------------


def fit(g: Any, desc: Descriptor, node: Node, raw: bool) -> Any:
    """Sum and cast a cotangent to the shape and dtype of the edge that it travels along.

    Here broadcasting and promotion are undone; no rule mentions them.
    """
    if raw:
        try:
            given = g.shape
            if (
                given
                and given[1:] == desc.shape
                and type(g) is np.ndarray
                and g.dtype is desc.numpy
                and g.itemsize > 2
            ):  # a bias: rows were added up
                return _add_reduce(g, 0, g.dtype)
            return _fit_raw(g, desc, node)
        except (RuntimeWarning, FloatingPointError):  # the user's NumPy turns them into errors
            with np.errstate(all="ignore"):
                return _fit_raw(g, desc, node)
    if g._desc is desc:
        return g
    if g._desc.type.levels:
        g = g._desc.type.xp.settle_tensor(g, desc)
    xp = tensor_world()
    if g._desc.shape != desc.shape:
        g = _sum_to(xp, g, desc, node)
    if g._desc.dtype is not desc.dtype:
        g = xp.astype(g, desc.dtype)
    return g


def _fit_raw(g: Any, desc: Descriptor, node: Node) -> Any:
    xp = numpy_ if isinstance(g, np.ndarray | np.generic) else g.array_library
    if xp is not numpy_:
        library = xp
        g = library.settle(g, desc)
        xp = library_of((g,)) or numpy_
    if g.shape != desc.shape:
        half = half_of((g,)) if g.dtype.itemsize == 2 else None
        if half is not None:
            g = widened(g)
        if type(g) is np.ndarray and g.shape[1:] == desc.shape:  # a bias: rows were added up
            g = _add_reduce(g, 0, g.dtype)
        else:
            g = _sum_to(xp, g, desc, node)
        g = g if half is None else rounded(g, half)
    if g.dtype is not desc.numpy and g.dtype != desc.numpy:
        g = xp.astype(g, desc.numpy)
    return g


def _sum_to(xp: Any, g: Any, desc: Descriptor, node: Node) -> Any:
    shape, given = desc.shape, tuple(g.shape)
    lead = len(given) - len(shape)
    if lead > 0 and given[lead:] == shape:  # a bias: rows were added up
        return xp.sum(g, axis=tuple(range(lead)), keepdims=False)
    if lead < 0 or any(n != m and n != 1 for n, m in zip(shape, given[lead:])):
        raise RuntimeError(
            f"Function {node.name()} returned an invalid gradient at index "
            f"{_edge_index(node, desc)} - got {list(given)} but expected shape compatible with "
            f"{list(shape)}"
        )
    kept = tuple(lead + i for i, n in enumerate(shape) if n == 1 and given[lead + i] != 1)
    if lead:
        g = xp.sum(g, axis=tuple(range(lead)), keepdims=False)
        kept = tuple(a - lead for a in kept)
    return xp.sum(g, axis=kept, keepdims=True) if kept else g


def _edge_index(node: Node, desc: Descriptor) -> int:
    return next((i for i, e in enumerate(node.edges) if e is not None and e.desc is desc), 0)


# ---- accumulation --------------------------------------------------------------------------------


def _check_shape(shape: tuple[int, ...], given: tuple[int, ...]) -> None:
    for i, (n, m) in enumerate(zip(shape, given)):
        if n != m:
            raise RuntimeError(
                f"The size of tensor a ({n}) must match the size of tensor b ({m}) at "
                "non-singleton "
                f"dimension {i} (the leaf's .data or .grad got another shape after the forward)"
            )


def _check_library(leaf: AccumulateGrad, given: Descriptor) -> None:
    if given.type.levels and not set(given.type.levels) <= set(leaf.desc.type.levels):
        raise RuntimeError(
            "backward() called inside a functorch transform. This is not supported, please use "
            "functorch.grad or functorch.vjp instead or call backward() outside of functorch "
            "transforms. (The gradient differs from sample to sample, and the leaf, of shape "
            f"{list(leaf.desc.shape)}, is one for all: `torch.autograd.grad` returns it for each.)"
        )


def own(g: Any, leaf: AccumulateGrad, references: int) -> Any:
    """``g`` itself where nobody else can see it and it lies in memory as the leaf does, else a
    copy.

    ``references``: how many references to ``g`` the callers hold, this call's argument included.
    """
    if g.shape != leaf.desc.shape:
        _check_shape(leaf.desc.shape, g.shape)
    if type(g) is not np.ndarray:
        return g if isinstance(g, np.generic) else g.copy()
    base = g.base
    if not leaf.in_rows:
        memory = leaf.memory
        if memory.shape == g.shape:
            if g.strides == memory.strides and base is None and _count(g) <= references + 1:
                return g
            made = np.empty_like(memory, g.dtype)
            made[...] = g
            return made
    if (
        _count(g) <= references + 1
        and (flags := g.flags).c_contiguous
        and flags.writeable
        and (base is None or (type(base) is np.ndarray and _count(base) <= 3))
    ):
        return g
    return g.copy()


def accumulate(leaf: AccumulateGrad, g: Any, raw: bool) -> None:
    """Add ``g`` to the leaf's gradient: in place on raw arrays, as a new tensor under
    create_graph.
    """
    if get_mode() & modes.LIBRARIES:
        _check_library(leaf, describe(g) if raw else g._desc)
    old = leaf.grad
    if not raw and get_mode() & modes.GRAD:
        leaf.grad = tensor_world().accumulated(g) if old is None else old + g
    elif not raw:  # some tensors are dual: the first gradient loses its tangents, as in PyTorch
        if old is None:
            leaf.grad = make_tensor(leaf.desc.type.xp.copy(g._array))
        else:
            old.add_(g)
    elif old is None:
        leaf.grad = make_tensor(own(g, leaf, 3))
    else:
        add_in_place(old, g)


def add_in_place(old: Any, g: Any) -> None:
    """``old += g`` on raw arrays, visible through every alias of ``old``."""
    desc = old._desc
    if desc.shape != g.shape:
        _check_shape(desc.shape, g.shape)
    if desc.storage == SCALAR:
        old._array = old._array + g
        if old._edge is not None and old._edge.leaf:
            old._edge.adopt(old)
    else:
        old._array += g
    old._version_counter().value += 1


def keep_gradient(side: Any, g: Any, raw: bool) -> None:
    """Set ``.grad`` of a tensor that is not a leaf (`retain_grad`)."""
    if raw:
        g = make_tensor(numpy_.copy(g._array))
    side.grad = g if side.grad is None else side.grad + g
