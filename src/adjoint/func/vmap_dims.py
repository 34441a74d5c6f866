"""The dims of `vmap`: which axis of each argument and of each result counts the samples.

In: arguments and results as trees, ``in_dims`` and ``out_dims`` as users pass them.  Out: one dim
(or None) for each leaf, checked with PyTorch's sentences; arguments as the function is to see them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from adjoint.array.batched.levels import Level
from adjoint.core.tensor_base import TensorBase
from adjoint.func.trees import TreeSpec, tree_flatten, tree_unflatten
from adjoint.ops.batching import enter
from adjoint.ops.view import narrow, select

__all__ = ["Inputs", "Mapping", "mapped_inputs", "result_dims", "size_of"]

Dims = Any


class Mapping:
    """A function with the dims of its samples."""

    __slots__ = ("func", "in_dims", "out_dims")

    def __init__(self, func: Callable[..., Any], in_dims: Dims, out_dims: Dims) -> None:
        self.func = func
        self.in_dims = in_dims
        self.out_dims = out_dims

    @property
    def name(self) -> str:
        """The function's name, for messages."""
        return _name(self.func)

    def start(self) -> str:
        """How messages about ``in_dims`` begin."""
        return f"vmap({self.name}, in_dims={self.in_dims}, ...)(<inputs>): "

    def no_dim_for_samples(self) -> ValueError:
        """The error for a result that differs from sample to sample where ``out_dims`` is None."""
        name = self.name
        return ValueError(
            f"vmap({name}, ...): `{name}` can not return a BatchedTensor when out_dim is None. "
            "(The result differs from sample to sample: give its samples a dim in out_dims.)"
        )


def _name(func: Any) -> str:
    found = getattr(func, "__name__", None)
    if isinstance(found, str):
        return found
    if isinstance(func, functools.partial):
        return f"functools.partial({_name(func.func)}, ...)"
    return repr(func)


class Inputs:
    """Arguments by their leaves, with the dim of the samples of each (None: the same for all).

    ``spec``: how the leaves are arranged; None: as a tuple.
    """

    __slots__ = ("dims", "leaves", "spec")

    def __init__(self, leaves: Sequence[Any], dims: Sequence[Any], spec: TreeSpec | None) -> None:
        self.leaves = leaves
        self.dims = dims
        self.spec = spec

    def _tree(self, leaves: Sequence[Any]) -> Any:
        return leaves if self.spec is None else tree_unflatten(leaves, self.spec)

    def part(self, start: int, count: int) -> Inputs:
        """Some of the samples."""
        pairs = zip(self.leaves, self.dims)
        leaves = [x if d is None else narrow(x, d, start, count) for x, d in pairs]
        return Inputs(leaves, self.dims, self.spec)

    def sample(self, i: int) -> Any:
        """The arguments of one sample."""
        pairs = zip(self.leaves, self.dims)
        return self._tree([x if d is None else select(x, d, i) for x, d in pairs])

    def entered(self, level: Level) -> Any:
        """The arguments with the samples hidden."""
        pairs = zip(self.leaves, self.dims)
        return self._tree([x if d is None else enter(x, d, level) for x, d in pairs])


# ---- arguments -----------------------------------------------------------------------------------


def mapped_inputs(mapping: Mapping, args: tuple[Any, ...]) -> Inputs:
    """The arguments, each with the dim of its samples.

    Raises: ValueError where ``in_dims`` does not fit them.
    """
    in_dims = mapping.in_dims
    if not isinstance(in_dims, int | tuple):
        raise ValueError(
            f"{mapping.start()}expected `in_dims` to be int or a (potentially nested) tuple "
            f"matching the structure of inputs, got: {type(in_dims)}."
        )
    if not args:
        raise ValueError(
            f"vmap({mapping.name})(<inputs>): got no inputs. Maybe you forgot to add inputs, or "
            "you are trying to vmap over a function with no inputs. The latter is unsupported."
        )
    leaves: Sequence[Any]
    dims: list[Any] | None
    spec: TreeSpec | None
    if _is_flat(in_dims, args):
        leaves, spec = args, None
        dims = [in_dims] * len(args) if isinstance(in_dims, int) else list(in_dims)
    else:
        leaves, spec = tree_flatten(args)
        dims = _spread_over(in_dims, spec)
        if dims is None:
            given = tree_flatten(in_dims)[1]
            raise ValueError(
                f"{mapping.start()}in_dims is not compatible with the structure of `inputs`. "
                f"in_dims has structure {given} but inputs has structure {spec}."
            )
    for k, (leaf, dim) in enumerate(zip(leaves, dims)):
        if dim is not None:
            dims[k] = _checked(leaf, dim, mapping)
    return Inputs(leaves, dims, spec)


def _is_flat(in_dims: Any, args: tuple[Any, ...]) -> bool:
    """Whether each argument is a tensor with a dim of its own, or has none."""
    if type(in_dims) is int:
        return False not in [isinstance(a, TensorBase) for a in args]
    return (
        type(in_dims) is tuple
        and len(in_dims) == len(args)
        and False
        not in [
            d is None or (isinstance(a, TensorBase) and not isinstance(d, tuple | list | dict))
            for a, d in zip(args, in_dims)
        ]
    )


def _checked(leaf: Any, dim: Any, mapping: Mapping) -> int:
    if not isinstance(dim, int):
        raise ValueError(
            f"{mapping.start()}Got in_dim={dim} for an input but in_dim must be either an integer "
            "dimension or None."
        )
    if not isinstance(leaf, TensorBase):
        raise ValueError(
            f"{mapping.start()}Got in_dim={dim} for an input but the input is of type "
            f"{type(leaf)}. We cannot vmap over non-Tensor arguments, please use None as the "
            "respective in_dim"
        )
    ndim = len(leaf._desc.shape)
    if not -ndim <= dim < ndim:
        raise ValueError(
            f"{mapping.start()}Got in_dim={dim} for some input, but that input is a Tensor of "
            f"dimensionality {ndim} so expected in_dim to satisfy -{ndim} <= in_dim < "
            f"{ndim}."
        )
    if isinstance(dim, bool):
        raise TypeError("size(): argument 'dim' (position 1) must be int, not bool")
    return dim % ndim


def size_of(inputs: Inputs) -> int:
    """The number of samples.

    Raises: ValueError if there are none to be counted, or arguments differ in it.
    """
    pairs = zip(inputs.leaves, inputs.dims)
    sizes = [x._desc.shape[d] for x, d in pairs if d is not None]
    if not sizes:
        raise ValueError("vmap: Expected at least one Tensor to vmap over")
    if sizes.count(sizes[0]) != len(sizes):
        raise ValueError(
            "vmap: Expected all tensors to have the same size in the mapped dimension, got sizes "
            f"{sizes} for the mapped dimension"
        )
    size: int = sizes[0]
    return size


# ---- results -------------------------------------------------------------------------------------


def result_dims(
    mapping: Mapping, spec: TreeSpec, leaves: Sequence[Any], whole: bool = False
) -> list[Any]:
    """The dim of the samples in each result, None where it has none.

    ``whole``: the results have that dim already.
    Raises: ValueError where ``out_dims`` does not fit, or a result is no tensor.
    """
    out_dims, name = mapping.out_dims, mapping.name
    start = f"vmap({name}, ..., out_dims={out_dims})"
    given, structure = tree_flatten(out_dims)
    if not all(d is None or isinstance(d, int) for d in given):
        raise ValueError(
            f"{start}: `out_dims` must be an int, None or a python collection of ints "
            "representing where in the outputs the vmapped dimension should appear."
        )
    single = len(leaves) == 1 and spec == tree_flatten(0)[1]
    if single and isinstance(out_dims, tuple) and len(out_dims) == 1:
        dims: list[Any] | None = list(given)
    else:
        dims = _spread_over(out_dims, spec)
    if dims is None:
        raise ValueError(
            f"{start}(<inputs>): out_dims is not compatible with the structure of `outputs`. "
            f"out_dims has structure {structure} but outputs has structure {spec}."
        )
    return [
        None if dim is None else _result_dim(leaf, dim, name, whole)
        for leaf, dim in zip(leaves, dims)
    ]


def _result_dim(leaf: Any, dim: int, name: str, whole: bool) -> int:
    if not isinstance(leaf, TensorBase):
        raise ValueError(
            f"vmap({name}, ...): `{name}` must only return Tensors, got type "
            f"{type(leaf)}. Did you mean to set out_dims= to None for output?"
        )
    ndim = len(leaf._desc.shape) + (not whole)
    if not -ndim <= dim < ndim:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-ndim}, {ndim - 1}], but got "
            f"{dim})"
        )
    return dim % ndim


def _spread_over(dims: Any, spec: TreeSpec) -> list[Any] | None:
    """One dim for each leaf of a tree; one may stand for a whole branch. None: it does not fit."""
    shape = tree_unflatten(list(range(spec.num_leaves)), spec)
    found: list[Any] = [None] * spec.num_leaves
    return found if _spread_branch(dims, shape, found) else None


def _spread_branch(dim: Any, branch: Any, found: list[Any]) -> bool:
    """Put the dims of a branch, whose leaves are their places, into ``found``; False: no fit."""
    if dim is None or not isinstance(dim, tuple | list | dict):
        for place in tree_flatten(branch)[0]:
            found[place] = dim
        return True
    if isinstance(branch, int):
        return False
    if isinstance(dim, dict):
        if not isinstance(branch, dict) or list(dim) != list(branch):
            return False
        return all(_spread_branch(dim[key], branch[key], found) for key in dim)
    if type(dim) is not type(branch) or len(dim) != len(branch):
        return False
    return all(_spread_branch(one, part, found) for one, part in zip(dim, branch))
