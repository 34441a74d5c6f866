"""Where random numbers come from: the generator, and who gets which numbers inside `vmap`.

In: a function's generator argument and what draws NumPy arrays from it.  Out: raw arrays.  Every
function that draws goes through `drawn`, `drawn_like`, `drawn_into` or `drawn_from`; outside of
`vmap` these call what they are given, inside array/batched/draws.py decides.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.array import random as stream
from adjoint.array.batched import draws
from adjoint.array.batched.levels import stack
from adjoint.array.descriptor import plain
from adjoint.ops.create_options import leaf, like_memory

__all__ = [
    "along_memory",
    "drawn",
    "drawn_from",
    "drawn_into",
    "drawn_like",
    "dropout_mask",
    "in_c_order",
    "source",
]

Array = Any
Tensor = Any
Shape = tuple[int, ...]
Generator = stream.Generator


def source(generator: Generator | None, function: str) -> Generator:
    """The generator that ``function`` draws from.

    Raises: TypeError if it is none.
    """
    if generator is None:
        return stream.default_generator
    if not isinstance(generator, Generator):
        raise TypeError(
            f"{function}(): argument 'generator' must be torch.Generator, not "
            f"{type(generator).__name__}"
        )
    return generator


# ---- memory order --------------------------------------------------------------------------------


def along_memory(out: Array, draw: Callable[[Shape], Array]) -> Array:
    """What ``draw`` makes for the shape of ``out``, in the order of its memory."""
    if not isinstance(out, np.ndarray) or out.flags.c_contiguous:
        return draw(out.shape)
    made = np.empty_like(out)
    axes = sorted(range(out.ndim), key=lambda axis: -abs(out.strides[axis]))
    view = made.transpose(axes)
    view[...] = draw(view.shape)
    return made


def in_c_order(out: Array) -> bool:
    """Whether the elements of ``out`` lie one after the other."""
    return not isinstance(out, np.ndarray) or bool(out.flags.c_contiguous)


# ---- draws ---------------------------------------------------------------------------------------


def drawn(generator: Generator, out: Any, shape: Shape, sample: Callable[[Shape], Array]) -> Array:
    """What ``sample`` makes for a shape; ``out`` is the tensor that is to receive it, or None."""
    if not stack.get():
        return sample(shape)
    if out is not None:
        draws.refuse_out()
    return draws.draw(generator, shape, sample)


def drawn_like(generator: Generator, like: Array, sample: Callable[[Array], Array]) -> Array:
    """What ``sample`` makes for an array of the shape and memory order of ``like``."""
    return draws.draw_like(generator, like, sample) if stack.get() else sample(like)


def drawn_into(generator: Generator, target: Array, sample: Callable[[Array], Array]) -> Array:
    """What ``sample`` makes for the memory of ``target``, which is to be overwritten."""
    return draws.draw_into(generator, target, sample) if stack.get() else sample(target)


def drawn_from(
    generator: Generator, out: Any, parameters: tuple[Array, ...], sample: Callable[..., Array]
) -> Array:
    """What ``sample`` makes of arrays of parameters that broadcast with each other."""
    if not stack.get():
        return sample(*map(plain, parameters))
    if out is not None:
        draws.refuse_out()
    return draws.draw_from(generator, parameters, sample)


def dropout_mask(input: Tensor, shape: Shape, keep: float) -> Tensor:
    """Ones with probability ``keep``, else zeros, of a shape that broadcasts to that of ``input``.

    Of the same shape they are drawn in the order of the input's memory.
    """
    generator, dtype = stream.default_generator, input._desc.numpy
    ordered = shape == input._desc.shape and not stack.get()

    def sample(full: Shape) -> Array:
        made = like_memory(input._array, dtype) if ordered else np.empty(full, dtype)
        return along_memory(made, lambda shape: stream.bernoulli(generator, shape, dtype, keep))

    return leaf(drawn(generator, None, shape, sample))
