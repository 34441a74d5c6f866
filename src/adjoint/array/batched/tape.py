"""Batched arrays on the tape: what it asks of an array library beyond the contract.

In: batched arrays, descriptors of edges, operands.  Out: cotangents summed over levels that are
over, room for batched values in a tensor that is to be written, results of one kind.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from adjoint.array.batched.level import escaped
from adjoint.array.batched.levels import (
    all_levels,
    has_level,
    levels_of,
    spread,
    sum_level,
)
from adjoint.array.descriptor import Descriptor

__all__ = ["NoRoom", "alike", "check_operands", "promote", "settle", "settle_tensor", "sum_tensors"]

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


# What PyTorch calls the write in its refusal; other operators by their own names.
_ARITHMETIC = (
    *("clamp_max", "clamp_min", "copy", "div", "logical_and", "logical_or", "logical_xor"),
    *("masked_fill", "mul", "sub"),
)
_PLAIN_NAMES = ("fill", "index_add", "index_fill", "index_put", "scatter_add")
_BY_SHAPE = ("add", "atan2", "bitwise_and", "bitwise_or", "bitwise_xor")


class NoRoom(RuntimeError):
    """A tensor from outside of a level was to be written with a value for each sample of it."""

    def __init__(self, shape: tuple[int, ...], size: int) -> None:
        self.shape = list(shape)
        self.size = size
        super().__init__(self.named("mul"))

    def named(self, name: str) -> str:
        """What is said of the operator ``name``, PyTorch's sentence first."""
        cure = (
            f"(The written tensor, of shape {self.shape}, was made outside of vmap and has room "
            "for one sample; make it inside, or write to a clone().)"
        )
        if name in _BY_SHAPE:
            return (
                f"output with shape {self.shape} doesn't match the broadcast shape "
                f"{[self.size, *self.shape]}. {cure}"
            )
        known = name
        for variant in ("_number", "_tensor", "_value"):
            known = known.removesuffix(variant)
        who = f"{known}_" if known in _PLAIN_NAMES else f"aten::{known}_"
        if name in _ARITHMETIC:
            who = "inplace arithmetic"
        return (
            f"vmap: {who}(self, *extra_args) is not possible because there exists a Tensor `other` "
            "in extra_args that has more elements than `self`. This happened due to `other` being "
            "vmapped over but `self` not being vmapped over in a vmap. Please try to use "
            f"out-of-place operators instead of {who}. {cure}"
        )


def promote(base: Array, target: Array, values: Any, born: int) -> Array:
    """``base`` as an array whose view ``target`` can hold ``values``: itself, or one for each
    sample.

    ``born``: the number of the level in which its tensor was made, 0 outside of all.
    Raises: NoRoom where a level is younger than the tensor: it would outlive the samples.
    """
    for level in all_levels(values):
        if has_level(target, level):
            continue
        if born < level.number:
            raise NoRoom(target.shape, level.size)
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
                raise RuntimeError(escaped(level))
