"""`vmap`: a function of one sample becomes a function of many, computed all together.

In: a function, which axis of each argument counts the samples.  Out: a function of the whole
arguments.  Inside it runs once, on tensors over batched arrays (array/batched) that show the shape
of one sample; the tape records it as it records everything else.

Note [Where a value is needed]
    A function that asks for a number (``item()``, ``if``, ``numpy()``) cannot be computed for all
    samples at once. It is run again, sample by sample, and a warning says where and why - unless it
    had already written to its arguments: then the error stands.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

from adjoint.array.batched.levels import BatchedValueError, Level
from adjoint.core import mode as modes
from adjoint.core.mode import get_mode, set_mode
from adjoint.core.tensor_base import TensorBase, birthplace
from adjoint.func.trees import TreeSpec, tree_flatten, tree_unflatten
from adjoint.ops.batching import enter, has_level, leave
from adjoint.ops.join import cat, stack
from adjoint.ops.random import get_rng_state, set_rng_state
from adjoint.ops.view import narrow, select

__all__ = ["vmap"]

Dims = Any


def vmap(
    func: Callable[..., Any],
    in_dims: Dims = 0,
    out_dims: Dims = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """Return ``func``, a function of one sample, as a function of all samples along one dim.

    ``in_dims``: the dim of the samples in every tensor argument, None for one that is the same for
    all: an int, or a tuple that matches the arguments (containers may stand for all they hold).
    ``out_dims``: where the dim of the samples goes in the results; None: a result is the same for
    all and has none. ``randomness``: whether random numbers are an error, ``"different"`` for each
    sample or the ``"same"``. ``chunk_size``: how many samples at most are computed together (None:
    all of them). Keyword arguments are mapped over dim 0 of the tensors they hold.

    Raises: ValueError where dims do not fit the arguments, sizes of the samples' dims differ, or
    something else than tensors is returned; RuntimeError for another ``randomness``.

    Example:
        >>> import adjoint as torch
        >>> x, y = torch.arange(6.0).view(3, 2), torch.ones(2)
        >>> torch.func.vmap(torch.dot, in_dims=(0, None))(x, y)
        tensor([1., 5., 9.])
        >>> torch.func.vmap(torch.func.vmap(lambda a: a * a))(x)
        tensor([[ 0.,  1.],
                [ 4.,  9.],
                [16., 25.]])

    Note: where ``func`` needs a value (``.item()``, ``if``) PyTorch refuses; here it is run sample
    by sample, with a warning. A tensor made inside and then written to makes room for all samples.
    """
    if randomness not in ("error", "different", "same"):
        raise RuntimeError(
            "Only allowed values for randomness are 'error', 'different', or 'same'. Got "
            f"{randomness}"
        )
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError(f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})")
    call = _Mapped(func, in_dims, out_dims, randomness, chunk_size)

    @functools.wraps(func)
    def mapped(*args: Any, **kwargs: Any) -> Any:
        return call(args, kwargs)

    return mapped


class _Mapped:
    """A function and how it is mapped."""

    def __init__(
        self, func: Any, in_dims: Dims, out_dims: Dims, randomness: str, chunk_size: int | None
    ) -> None:
        self.func = func
        self.name = getattr(func, "__name__", None) or repr(func)
        self.in_dims = in_dims
        self.out_dims = out_dims
        self.randomness = randomness
        self.chunk_size = chunk_size

    def __call__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        inputs = self.inputs(args)
        named = _keyword_inputs(kwargs)
        size = _common_size([inputs, named])
        chunk = self.chunk_size
        if chunk is None or chunk >= size:
            return self.run(inputs, named, size)
        state = get_rng_state() if self.randomness == "same" else None
        parts = []
        for start in range(0, size, chunk):
            count = min(chunk, size - start)
            if state is not None:
                set_rng_state(state)
            parts.append(self.run(inputs.part(start, count), named.part(start, count), count))
        return self.joined(parts)

    # ---- arguments ---------------------------------------------------------------------------

    def inputs(self, args: tuple[Any, ...]) -> _Inputs:
        """The arguments' leaves, each with the dim of its samples."""
        in_dims, name = self.in_dims, self.name
        start = f"vmap({name}, in_dims={in_dims}, ...)(<inputs>): "
        if not isinstance(in_dims, int | tuple):
            raise ValueError(
                f"{start}expected `in_dims` to be int or a (potentially nested) tuple matching the "
                f"structure of inputs, got: {type(in_dims)}."
            )
        if not args:
            raise ValueError(
                f"vmap({name})(<inputs>): got no inputs. Maybe you forgot to add inputs, or you "
                "are trying to vmap over a function with no inputs. The latter is unsupported."
            )
        leaves, spec = tree_flatten(args)
        dims = _spread_over(in_dims, spec)
        if dims is None:
            given = tree_flatten(in_dims)[1]
            raise ValueError(
                f"{start}in_dims is not compatible with the structure of `inputs`. in_dims has "
                f"structure {given} but inputs has structure {spec}."
            )
        for k, (leaf, dim) in enumerate(zip(leaves, dims)):
            if dim is None:
                continue
            if not isinstance(dim, int):
                raise ValueError(
                    f"{start}Got in_dim={dim} for an input but in_dim must be either an integer "
                    "dimension or None."
                )
            if not isinstance(leaf, TensorBase):
                raise ValueError(
                    f"{start}Got in_dim={dim} for an input but the input is of type {type(leaf)}. "
                    "We cannot vmap over non-Tensor arguments, please use None as the respective "
                    "in_dim"
                )
            ndim = len(leaf._desc.shape)
            if not -ndim <= dim < ndim:
                raise ValueError(
                    f"{start}Got in_dim={dim} for some input, but that input is a Tensor of "
                    f"dimensionality {ndim} so expected in_dim to satisfy -{ndim} <= in_dim < "
                    f"{ndim}."
                )
            dims[k] = dim % ndim
        return _Inputs(leaves, dims, spec)

    # ---- one run -----------------------------------------------------------------------------

    def run(self, inputs: _Inputs, named: _Inputs, size: int) -> Any:
        """The results for ``size`` samples."""
        level = Level(size, self.randomness)
        before, outside = get_mode(), birthplace[0]
        versions = inputs.versions() + named.versions()
        set_mode(before | modes.LIBRARIES)
        birthplace[0] = level.number
        try:
            result = self.func(*inputs.entered(level), **named.entered(level))
            return self.outputs(result, level)
        except BatchedValueError as error:
            if level not in error.levels or inputs.versions() + named.versions() != versions:
                raise
            reason = error
        finally:
            level.open = False
            set_mode(before)
            birthplace[0] = outside
        return self.one_by_one(inputs, named, size, reason)

    def outputs(self, result: Any, level: Level) -> Any:
        """What the function returned, with the samples along ``out_dims``."""
        leaves, spec = tree_flatten(result)
        dims = self.result_dims(spec)
        made = []
        for leaf, dim in zip(leaves, dims):
            self.check_output(leaf, dim)
            if dim is None:
                if isinstance(leaf, TensorBase) and has_level(leaf, level):
                    raise ValueError(
                        f"vmap({self.name}, ...): `{self.name}` can not return a BatchedTensor "
                        "when out_dim is None"
                    )
                made.append(leaf)
                continue
            made.append(leave(leaf, _result_dim(dim, len(leaf._desc.shape) + 1), level))
        return tree_unflatten(made, spec)

    def result_dims(self, spec: TreeSpec) -> list[Any]:
        """The dim of the samples in each result."""
        given = tree_flatten(self.out_dims)[0]
        start = f"vmap({self.name}, ..., out_dims={self.out_dims})"
        if not all(d is None or isinstance(d, int) for d in given):
            raise ValueError(
                f"{start}: `out_dims` must be an int, None or a python collection of ints "
                "representing where in the outputs the vmapped dimension should appear."
            )
        dims = _spread_over(self.out_dims, spec)
        if dims is None:
            raise ValueError(
                f"{start}(<inputs>): out_dims is not compatible with the structure of `outputs`. "
                f"out_dims has structure {tree_flatten(self.out_dims)[1]} but outputs has "
                f"structure {spec}."
            )
        return dims

    def check_output(self, leaf: Any, dim: Any) -> None:
        """Raise ValueError for a result with samples that is no tensor."""
        if dim is not None and not isinstance(leaf, TensorBase):
            raise ValueError(
                f"vmap({self.name}, ...): `{self.name}` must only return Tensors, got type "
                f"{type(leaf)}. Did you mean to set out_dims= to None for output?"
            )

    # ---- sample by sample --------------------------------------------------------------------

    def one_by_one(self, inputs: _Inputs, named: _Inputs, size: int, reason: Exception) -> Any:
        """See Note [Where a value is needed]."""
        warnings.warn(
            f"vmap: {self.name} is run sample by sample, {size} times, because it needs a value "
            f"where there is one for each sample{_place(reason)}: {str(reason).split('. ')[0]}.",
            stacklevel=5,
        )
        state = get_rng_state() if self.randomness == "same" else None
        found: list[Any] = []
        dims: list[Any] = []
        spec = None
        for i in range(size):
            if state is not None:
                set_rng_state(state)
            result = self.func(*inputs.sample(i), **named.sample(i))
            leaves, spec = tree_flatten(result)
            dims = self.result_dims(spec)
            for leaf, dim in zip(leaves, dims):
                self.check_output(leaf, dim)
            found.append(leaves)
        if spec is None:
            raise reason
        made = [
            columns[0]
            if dim is None
            else stack(columns, _result_dim(dim, len(columns[0]._desc.shape) + 1))
            for columns, dim in zip(zip(*found), dims)
        ]
        return tree_unflatten(made, spec)

    def joined(self, parts: list[Any]) -> Any:
        """The results of all chunks, one after the other."""
        flat = [tree_flatten(part) for part in parts]
        spec = flat[0][1]
        dims = self.result_dims(spec)
        columns = zip(*(leaves for leaves, _ in flat))
        made = [
            column[0] if dim is None else cat(column, dim) for column, dim in zip(columns, dims)
        ]
        return tree_unflatten(made, spec)


class _Inputs:
    """The leaves of arguments with the dim of their samples (None: the same for all)."""

    def __init__(self, leaves: list[Any], dims: list[Any], spec: TreeSpec) -> None:
        self.leaves = leaves
        self.dims = dims
        self.spec = spec

    def sizes(self) -> list[int]:
        """The numbers of samples."""
        return [x._desc.shape[d] for x, d in zip(self.leaves, self.dims) if d is not None]

    def versions(self) -> list[int]:
        """How often each tensor was written in place."""
        return [
            0 if x._counter is None else x._counter.value
            for x in self.leaves
            if isinstance(x, TensorBase)
        ]

    def _changed(self, change: Callable[[Any, int], Any]) -> _Inputs:
        leaves = [x if d is None else change(x, d) for x, d in zip(self.leaves, self.dims)]
        return _Inputs(leaves, self.dims, self.spec)

    def part(self, start: int, count: int) -> _Inputs:
        """Some of the samples."""
        return self._changed(lambda x, d: narrow(x, d, start, count))

    def sample(self, i: int) -> Any:
        """The arguments of one sample."""
        return self._changed(lambda x, d: select(x, d, i)).tree()

    def entered(self, level: Level) -> Any:
        """The arguments with the samples hidden."""
        return self._changed(lambda x, d: enter(x, d, level)).tree()

    def tree(self) -> Any:
        """The arguments."""
        return tree_unflatten(self.leaves, self.spec)


def _keyword_inputs(kwargs: dict[str, Any]) -> _Inputs:
    leaves, spec = tree_flatten(kwargs)
    return _Inputs(leaves, [0 if isinstance(x, TensorBase) else None for x in leaves], spec)


def _common_size(groups: list[_Inputs]) -> int:
    sizes = [n for group in groups for n in group.sizes()]
    if not sizes:
        raise ValueError("vmap: Expected at least one Tensor to vmap over")
    if len(set(sizes)) > 1:
        raise ValueError(
            "vmap: Expected all tensors to have the same size in the mapped dimension, got sizes "
            f"{sizes} for the mapped dimension"
        )
    return sizes[0]


def _spread_over(dims: Any, spec: TreeSpec) -> list[Any] | None:
    """One dim for each leaf of a tree; one may stand for a whole branch. None: it does not fit."""
    shape = tree_unflatten(list(range(spec.num_leaves)), spec)
    found: list[Any] = [None] * spec.num_leaves

    def visit(dim: Any, branch: Any) -> bool:
        if dim is None or not isinstance(dim, tuple | list | dict):
            for k in tree_flatten(branch)[0]:
                found[k] = dim
            return True
        if isinstance(dim, dict):
            if not isinstance(branch, dict) or list(dim) != list(branch):
                return False
            return all(visit(dim[key], branch[key]) for key in dim)
        if not isinstance(branch, tuple | list) or len(dim) != len(branch):
            return False
        if isinstance(dim, list) != isinstance(branch, list):
            return False
        return all(visit(one, part) for one, part in zip(dim, branch))

    return found if visit(dims, shape) else None


def _result_dim(dim: int, ndim: int) -> int:
    if not -ndim <= dim < ndim:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-ndim}, {ndim - 1}], but got "
            f"{dim})"
        )
    return dim % ndim


def _place(error: BaseException) -> str:
    """The user's line from which an error came."""
    place, trace = "", error.__traceback__
    while trace is not None:
        frame = trace.tb_frame
        if not frame.f_globals.get("__name__", "").startswith("adjoint."):
            place = f" ({frame.f_code.co_filename}, line {trace.tb_lineno})"
        trace = trace.tb_next
    return place
