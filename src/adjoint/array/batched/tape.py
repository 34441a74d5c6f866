"""Batched arrays on the tape: what it asks of an array library beyond the contract.

In: batched arrays, descriptors of edges, operands.  Out: cotangents summed over levels that are
over, room for batched values in a tensor that is to be written, results of one kind.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from adjoint.array.batched.levels import (
    all_levels,
    has_level,
    levels_of,
    spread,
    sum_level,
)
from adjoint.array.descriptor import Descriptor

__all__ = ["alike", "check_operands", "promote", "settle", "settle_tensor", "sum_tensors"]

Array = Any

sum_tensors: list[Callable[..., Any]] = []  # the sum over a level of a Tensor, recorded (ops)


def settle(g: Array, desc: Descriptor) -> Array:
    """A cotangent summed over the closed levels that its edge does not have (Note [Who sums])."""
    for level in levels_of(g):
        if not level.open and level not in desc.type.levels:
            g = sum_level(g, level)
    return g


def settle_tensor(g: Any, desc: Descriptor) -> Any:
    """The same of a Tensor, recorded."""
    for level in g._desc.type.levels:
        if not level.open and level not in desc.type.levels:
            g = sum_tensors[0](g, level=level)
    return g


def promote(base: Array, target: Array, values: Any, born: int) -> Array:
    """``base`` as an array whose view ``target`` can hold ``values``: itself, or one for each
    sample.

    ``born``: the number of the level in which its tensor was made, 0 outside of all.
    Raises: RuntimeError where a level is younger than the tensor: it would outlive the samples.
    """
    for level in all_levels(values):
        if has_level(target, level):
            continue
        if born < level.number:
            raise RuntimeError(
                "vmap: inplace arithmetic(self, *extra_args) is not possible because there exists "
                "a Tensor `other` in extra_args that has more elements than `self`. This happened "
                "due to `other` being vmapped over but `self` not being vmapped over in a vmap. "
                "Please try to use out-of-place operators instead of inplace arithmetic. (The "
                f"written tensor, of shape {list(target.shape)}, was made outside of vmap and has "
                "room for one sample; make it inside, or write to a clone().)"
            )
        base = spread(base, level).copy()
    return base


def alike(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
    """The results of one call with the same levels, as its rule needs them (Note [Who sums])."""
    for level in all_levels(arrays):
        arrays = tuple([a if has_level(a, level) else spread(a, level) for a in arrays])
    return arrays


def check_operands(operands: Any, walking: bool) -> None:
    """Raise RuntimeError if a tensor of a closed level is used outside of a backward walk."""
    if walking:
        return
    for operand in operands:
        desc = getattr(operand, "_desc", None)
        if desc is None:
            continue
        for level in desc.type.levels:
            if not level.open:
                raise RuntimeError(
                    "Either your tensor may have escaped from inside a function being vmapped and "
                    "this is a user error (see "
                    "https://pytorch.org/functorch/stable/ux_limitations.html), or there is an "
                    "internal functorch error in `gen_vmap_plumbing` Please file an issue if it "
                    "looks like the latter. (The tensor, of shape "
                    f"{list(desc.shape)} for each of {level.size} samples, belongs to a call of "
                    "vmap that is over: return it from the function instead of storing it.)"
                )
