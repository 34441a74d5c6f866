"""`vmap`: a function of one sample becomes a function of many, computed all together.

In: a function, which axis of each argument counts the samples.  Out: a function of the whole
arguments.  Inside it runs once, on tensors over batched arrays (array/batched) that show the shape
of one sample; the tape records it as it records everything else.

Note [Where a value is needed]
    A function that asks for a number (``item()``, ``if``, ``numpy()``) cannot be computed for all
    samples at once. It is run again, sample by sample, from the same random numbers, and a warning
    says where and why - unless it had already written to a tensor from outside, or what it returns
    differs in shape from sample to sample: then the error stands.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from adjoint.array.batched.draws import rewind
from adjoint.array.batched.levels import BatchedValueError, Level
from adjoint.array.batched.levels import stack as open_levels
from adjoint.core import mode as modes
from adjoint.core.looping import note_loop, without_frames
from adjoint.core.mode import get_mode
from adjoint.core.tensor_base import TensorBase
from adjoint.func.trees import TreeSpec, tree_flatten, tree_unflatten
from adjoint.func.vmap_dims import Inputs, Mapping, mapped_inputs, result_dims, size_of
from adjoint.ops.batching import has_level, inside, leave
from adjoint.ops.join import cat, stack

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
    all and has none. ``randomness``: whether random numbers are an ``"error"``, ``"different"`` for
    each sample or the ``"same"``. ``chunk_size``: how many samples at most are computed together
    (None: all of them). Keyword arguments are handed on as they are: the same for all.

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
    if chunk_size is not None and not chunk_size > 0:
        raise ValueError(f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})")
    call = _Mapped(Mapping(func, in_dims, out_dims), randomness, chunk_size)

    @functools.wraps(func)
    def mapped(*args: Any, **kwargs: Any) -> Any:
        return call(args, kwargs)

    return mapped


class _Mapped:
    """A function and how it is mapped."""

    __slots__ = ("chunk_size", "func", "mapping", "randomness")

    def __init__(self, mapping: Mapping, randomness: str, chunk_size: int | None) -> None:
        self.mapping = mapping
        self.func = mapping.func
        self.randomness = randomness
        self.chunk_size = chunk_size

    def __call__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        inputs = mapped_inputs(self.mapping, args)
        size = size_of(inputs)
        chunk = self.chunk_size
        if get_mode() & modes.SINGLY and size:
            return self.one_by_one(inputs, kwargs, size, None)
        if chunk is None or chunk >= size:
            return self.run(inputs, kwargs, size)
        counts = [chunk] * (size // chunk) + [size % chunk] * bool(size % chunk)
        parts: list[Any] = []
        start = 0
        before = Level(0)
        for count in counts:
            if self.randomness == "same":
                rewind(before)
            part = inputs.part(start, count)
            parts.append(self.run(part, kwargs, count, before if not parts else None))
            start += count
        return self.joined(parts)

    # ---- one run -----------------------------------------------------------------------------

    def run(
        self, inputs: Inputs, kwargs: dict[str, Any], size: int, start: Level | None = None
    ) -> Any:
        """The results for ``size`` samples; ``start`` gets where the random numbers began."""
        level = Level(size, self.randomness)
        if start is not None:
            level.states = start.states
        args = inputs.entered(level)
        try:
            with inside(level):
                result = self.func(*args, **kwargs)
            return self.outputs(result, level)
        except BatchedValueError as error:
            if level not in error.levels or level.wrote:
                raise
            reason = without_frames(error)
        finally:
            level.close()
        rewind(level)
        return self.one_by_one(inputs, kwargs, size, reason)

    def outputs(self, result: Any, level: Level) -> Any:
        """What the function returned, with the samples along ``out_dims``."""
        if isinstance(result, TensorBase) and self.mapping.out_dims == 0:
            return leave(result, 0, level)
        leaves, spec = tree_flatten(result)
        dims = result_dims(self.mapping, spec, leaves)
        made = []
        for leaf, dim in zip(leaves, dims):
            if dim is None:
                if isinstance(leaf, TensorBase) and has_level(leaf, level):
                    raise self.mapping.no_dim_for_samples()
                made.append(leaf)
            else:
                made.append(leave(leaf, dim, level))
        return tree_unflatten(made, spec)

    # ---- sample by sample --------------------------------------------------------------------

    def one_by_one(
        self,
        inputs: Inputs,
        kwargs: dict[str, Any],
        size: int,
        reason: BatchedValueError | None,
    ) -> Any:
        """See Note [Where a value is needed]; without a ``reason``, the mode wants it so."""
        if reason is not None and not any(one.looped for one in open_levels.get()):
            note_loop(self.mapping.name, size, reason)
        found: list[list[Any]] = []
        spec: TreeSpec | None = None
        level = Level(size, self.randomness, looped=True)
        with inside(level):
            for i in range(size):
                if self.randomness == "same":
                    rewind(level)
                leaves, spec = tree_flatten(self.func(*inputs.sample(i), **kwargs))
                found.append(leaves)
        if spec is None:
            raise reason or ValueError(f"vmap({self.mapping.name}): there are no samples")
        dims = result_dims(self.mapping, spec, found[0])
        made = []
        for column, dim in zip(zip(*found), dims):
            if dim is not None and len({leaf._desc.shape for leaf in column}) > 1:
                raise reason or ValueError(
                    f"vmap({self.mapping.name}): samples gave results of different shapes"
                )
            made.append(column[0] if dim is None else stack(column, dim))
        return tree_unflatten(made, spec)

    def joined(self, parts: list[Any]) -> Any:
        """The results of all chunks, one after the other."""
        flat = [tree_flatten(part) for part in parts]
        leaves, spec = flat[0]
        dims = result_dims(self.mapping, spec, leaves, whole=True)
        columns = zip(*(leaves for leaves, _ in flat))
        made = [
            column[0] if dim is None else cat(column, dim) for column, dim in zip(columns, dims)
        ]
        return tree_unflatten(made, spec)
