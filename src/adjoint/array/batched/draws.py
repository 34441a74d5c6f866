"""Random numbers under open levels: for each sample others, or for all the same, as `vmap` says.

In: what draws NumPy arrays, and a shape, a target or parameters of one sample.  Out: arrays for all
samples, drawn at once: along every level whose samples differ, outermost first, as PyTorch draws.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from adjoint.array.batched.levels import (
    BatchedArray,
    Level,
    all_samples,
    has_level,
    one_of_each,
    spread,
    stack,
)
from adjoint.array.random import Generator

__all__ = ["check_room", "draw", "draw_from", "draw_into", "draw_like", "refuse_out", "rewind"]

Array = Any
Shape = tuple[int, ...]

_ERROR = (
    "vmap: called random operation while in randomness error mode. Please either use the 'same' or "
    "'different' randomness flags on vmap or perform the randomness operation out of vmap"
)


def _differing(generator: Generator, check: Callable[[Level], None] | None = None) -> list[Level]:
    """The levels whose samples get numbers of their own, outermost first.

    Raises: RuntimeError where a level allows none, or what ``check`` raises, innermost first.
    """
    levels = stack.get()
    found: list[Level] = []
    for level in reversed(levels):
        if level.randomness == "error":
            raise RuntimeError(_ERROR)
        if level.looped:
            continue
        if check is not None:
            check(level)
        if level.randomness == "different":
            found.insert(0, level)
    if levels and any(generator not in level.states for level in levels):
        mark = generator._mark()
        for level in levels:
            level.states.setdefault(generator, mark)
    return found


def rewind(level: Level) -> None:
    """Set every generator that was drawn from at ``level`` to where it was before."""
    for generator, mark in level.states.items():
        generator._go_back(mark)


def refuse_out() -> None:
    """Raise RuntimeError where levels are open: random numbers are not written to ``out``."""
    if stack.get():
        raise RuntimeError(
            "vmap: We do not support calling out variants of random operations inside of vmap. "
            "Please use non-out variants as a workaround"
        )


def _hidden(array: Array, levels: Sequence[Level]) -> Array:
    """A NumPy array whose first axes are those of ``levels``, with these hidden."""
    for level in levels:
        array = BatchedArray(array, level)
    return array


# ---- what users draw -----------------------------------------------------------------------------


def draw(generator: Generator, shape: Shape, sample: Callable[[Shape], Array]) -> Array:
    """What ``sample`` makes for a shape, for each sample of the open levels."""
    levels = _differing(generator)
    return _hidden(sample((*[level.size for level in levels], *shape)), levels)


def draw_like(generator: Generator, like: Array, sample: Callable[[Array], Array]) -> Array:
    """What ``sample`` makes for an array of the shape and memory order of ``like``."""
    levels = _differing(generator)
    like = one_of_each(like, levels)
    lacking = [k for k, level in enumerate(levels) if not has_level(like, level)]
    if not lacking:
        return _hidden(sample(all_samples(like)), levels)
    for k in lacking:
        like = spread(like, levels[k])
    array = all_samples(like)
    # Samples that share memory are laid out as if they lay around all that follows.
    steps: list[float] = [abs(step) for step in array.strides]
    for k in reversed(lacking):
        steps[k] = max(steps[k + 1 :], default=0) + 0.5
    order = sorted(range(array.ndim), key=lambda axis: -steps[axis])
    made = np.empty([array.shape[axis] for axis in order], array.dtype)
    return _hidden(sample(made.transpose(np.argsort(order))), levels)


def draw_into(generator: Generator, target: Array, sample: Callable[[Array], Array]) -> Array:
    """What ``sample`` makes for the memory of ``target``, which is to be overwritten.

    Raises: RuntimeError where samples are to differ and ``target`` has room for one.
    """

    levels = _differing(generator, lambda level: _room(target, level))
    return _hidden(sample(all_samples(one_of_each(target, levels))), levels)


def check_room(target: Array) -> None:
    """Raise what `draw_into` raises for a target without room."""
    for level in reversed(stack.get()):
        if not level.looped:
            _room(target, level)


def _room(target: Array, level: Level) -> None:
    if level.randomness == "different" and not has_level(target, level):
        raise RuntimeError(
            "vmap: Cannot ask for different inplace randomness on an unbatched tensor. This "
            "will appear like same randomness. If this is necessary for your usage, please "
            "file an issue with functorch. (The tensor, of shape "
            f"{list(target.shape)}, has room for one sample: draw a new one instead, as with "
            "torch.rand.)"
        )


def draw_from(
    generator: Generator, parameters: Sequence[Array], sample: Callable[..., Array]
) -> Array:
    """What ``sample`` makes of arrays of parameters, which broadcast with each other.

    Raises: RuntimeError where samples differ in parameters and are to get the same numbers.
    """

    def check(level: Level) -> None:
        if level.randomness == "same" and any(has_level(p, level) for p in parameters):
            raise RuntimeError(
                "Vmap does not currently support same randomness with a batched tensor input. "
                "Please file an issue with functorch. (The parameters of the distribution differ "
                'from sample to sample: use randomness="different".)'
            )

    levels = _differing(generator, check)
    ndim = max(np.ndim(p) for p in parameters)
    arrays = []
    for p in parameters:
        shape = tuple(p.shape)
        for level in levels:
            if not has_level(p, level):
                p = spread(p, level)
        sizes = [level.size for level in levels]
        arrays.append(all_samples(p).reshape((*sizes, *(1,) * (ndim - len(shape)), *shape)))
    return _hidden(sample(*arrays), levels)
