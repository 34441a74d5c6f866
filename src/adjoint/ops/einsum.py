"""Einstein summation, composed of diagonals, permutations, products of matrices and sums.

In: an equation ``"ij,jk->ik"`` with its operands, or operands each followed by a list of numbers.
Out: a Tensor.  Having no rule of its own, it can be differentiated as often as its parts.

Every operand is brought to one order of labels - those of the result, then those that are summed -
with size 1 for a label it lacks; then operands are multiplied from left to right, and a label is
summed with the last operand that has it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from adjoint.core.tensor_base import TensorBase
from adjoint.ops.matmul import bmm
from adjoint.ops.reduce import sum
from adjoint.ops.view import diagonal, movedim, permute, reshape, unsqueeze

__all__ = ["einsum"]

Tensor = Any
Labels = list[Any]  # letters; a number -k for the k-th last dim of an ellipsis; ... before that
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def einsum(*args: Any) -> Tensor:
    """Return the sum of products of the operands' elements that an equation describes.

    A label that the result lacks is summed; one that stands twice at an operand takes its diagonal;
    ``...`` stands for further dims, which broadcast. Without ``->`` the result has the labels that
    stand once, in alphabetical order.

    Raises: RuntimeError for an equation that is malformed or does not fit the operands; ValueError
        without operands.

    >>> import adjoint
    >>> adjoint.einsum("ij,j->i", adjoint.ones(2, 3), adjoint.arange(3.0))
    tensor([3., 3.])
    """
    inputs, output, operands = _arguments(args)
    width = 0  # the number of dims that ellipses stand for
    for place, (labels, operand) in enumerate(zip(inputs, operands)):
        _check_count(labels, operand.ndim, place)
        if ... in labels:
            width = max(width, operand.ndim - len(labels) + 1)
    inputs = [_expanded(labels, t.ndim - len(labels) + 1) for labels, t in zip(inputs, operands)]
    result = _implicit(inputs, width) if output is None else _expanded(output, width)
    _check_output(result, inputs)
    every = dict.fromkeys(label for labels in inputs for label in labels)
    summed = [label for label in every if label not in result]
    order = [*result, *summed]
    _check_sizes(inputs, operands)
    aligned = [_aligned(t, labels, order) for t, labels in zip(operands, inputs)]
    last = {label: place for place, labels in enumerate(inputs) for label in labels}
    ends = [order.index(label) for label in summed if last[label] == 0]
    made = aligned[0]
    if len(aligned) == 1:
        return sum(made, tuple(ends)) if ends else made
    if ends := [axis for axis in ends if made.shape[axis] != 1]:
        made = sum(made, tuple(ends), keepdim=True)
    for place, operand in enumerate(aligned[1:], 1):
        ends = [order.index(label) for label in summed if last[label] == place]
        made = _multiplied(made, operand, ends)
    return reshape(made, made.shape[: len(result)]) if summed else made


# ---- what the arguments say ----------------------------------------------------------------------


def _arguments(args: tuple[Any, ...]) -> tuple[list[Labels], Labels | None, list[Tensor]]:
    """The labels of the operands and of the result (None: implied), and the operands."""
    if len(args) < 2:
        raise ValueError(
            "einsum(): must specify the equation string and at least one operand, or at least one "
            "operand and its subscripts list"
        )
    inputs: list[Labels]
    output: Labels | None
    if isinstance(args[0], str):
        left, arrow, right = args[0].partition("->")
        inputs, place = [], 0
        for number, part in enumerate(left.split(",")):
            inputs.append(_letters(part, place, f"operand {number}"))
            place += len(part) + 1
        output = _letters(right, len(left) + 2, "output") if arrow else None
        rest = args[1:]
        operands = (
            list(rest[0]) if len(rest) == 1 and isinstance(rest[0], list | tuple) else [*rest]
        )
    else:
        operands = list(args[0 : len(args) - 1 : 2])
        inputs = [_numbers(given) for given in args[1::2]]
        output = _numbers(args[-1]) if len(args) % 2 else None
    for place, operand in enumerate(operands):
        if not isinstance(operand, TensorBase):
            raise TypeError(
                f"expected Tensor as element {place} in argument 1, but got "
                f"{type(operand).__name__}"
            )
    if len(operands) != len(inputs):
        few = "fewer" if len(operands) < len(inputs) else "more"
        raise RuntimeError(f"einsum(): {few} operands were provided than specified in the equation")
    return inputs, output, operands


def _letters(text: str, start: int, owner: str) -> Labels:
    """The labels of one operand of an equation; ``start`` is where its text stands there."""
    labels: Labels = []
    place = 0
    while place < len(text):
        letter = text[place]
        if letter == ".":
            if ... in labels:
                raise RuntimeError(
                    f"einsum(): found '.' for {owner} but an ellipsis (...) was already found"
                    if owner == "output"
                    else f"einsum(): found '.' for {owner} for which an ellipsis was already found"
                )
            if text[place : place + 3] != "...":
                raise RuntimeError(
                    f"einsum(): found '.' for {owner} that is not part of any ellipsis"
                )
            labels.append(...)
            place += 3
            continue
        if letter in LETTERS:
            labels.append(letter)
        elif letter != " ":
            raise RuntimeError(
                f"einsum(): invalid subscript given at index {start + place} in the equation "
                "string, subscripts must be in [a-zA-Z]"
            )
        place += 1
    return labels


def _numbers(given: Sequence[Any]) -> Labels:
    """The labels that a list of numbers stands for."""
    labels: Labels = []
    for number in given:
        if number is not ... and not 0 <= number < len(LETTERS):
            raise ValueError(
                "einsum(): subscript in subscript list is not within the valid range [0, 52)"
            )
        labels.append(number if number is ... else LETTERS[number])
    return labels


def _expanded(labels: Labels, width: int) -> Labels:
    """The labels with the numbers of its dims, counted from the last, instead of the ellipsis."""
    if ... not in labels:
        return labels
    place = labels.index(...)
    return [*labels[:place], *range(-width, 0), *labels[place + 1 :]]


def _implicit(inputs: list[Labels], width: int) -> Labels:
    every = [label for labels in inputs for label in labels if isinstance(label, str)]
    return [*range(-width, 0), *sorted(n for n in set(every) if every.count(n) == 1)]


# ---- what does not fit ---------------------------------------------------------------------------


def _check_count(labels: Labels, ndim: int, place: int) -> None:
    count = len(labels) - (... in labels)
    if ... not in labels and count != ndim:
        raise RuntimeError(
            f"einsum(): the number of subscripts in the equation ({count}) does not match the "
            f"number of dimensions ({ndim}) for operand {place} and no ellipsis was given"
        )
    if count > ndim:
        raise RuntimeError(
            f"einsum(): the number of subscripts in the equation ({count}) is more than the number "
            f"of dimensions ({ndim}) for operand {place}"
        )


def _check_output(result: Labels, inputs: list[Labels]) -> None:
    for label in result:
        if result.count(label) > 1:
            raise RuntimeError(
                f"einsum(): output subscript {label} appears more than once in the output"
            )
        if not any(label in labels for labels in inputs):
            raise RuntimeError(
                f"einsum(): output subscript {label} does not appear in the equation for any input "
                "operand"
            )


def _check_sizes(inputs: list[Labels], operands: list[Tensor]) -> None:
    sizes: dict[Any, int] = {}
    for place, (labels, operand) in enumerate(zip(inputs, operands)):
        here: dict[Any, int] = {}
        for label, n in zip(labels, operand.shape):
            if here.setdefault(label, n) != n:
                raise RuntimeError(
                    f"einsum(): subscript {label} is repeated for operand {place} but the sizes "
                    f"don't match, {n} != {here[label]}"
                )
        for label, n in here.items():
            known = sizes.get(label, 1)
            if known != 1 and n not in (1, known):
                raise RuntimeError(
                    f"einsum(): subscript {label} has size {n} for operand {place} which does not "
                    f"broadcast with previously seen size {known}"
                )
            sizes[label] = n if known == 1 else known


# ---- the arithmetic ------------------------------------------------------------------------------


def _aligned(operand: Tensor, labels: Labels, order: Labels) -> Tensor:
    """``operand`` with one dim for each label of ``order``, of size 1 for labels it lacks."""
    labels = list(labels)
    place = 0
    while place < len(labels):
        if (other := labels.index(labels[place])) < place:
            operand = movedim(diagonal(operand, 0, other, place), -1, other)
            del labels[place]
        else:
            place += 1
    for label in order:
        if label not in labels:
            operand = unsqueeze(operand, len(labels))
            labels.append(label)
    return permute(operand, tuple(labels.index(label) for label in order))


def _multiplied(a: Tensor, b: Tensor, ends: list[int]) -> Tensor:
    """``a * b`` summed over the dims ``ends``, which keep size 1."""
    both = [axis for axis in ends if a.shape[axis] != 1 and b.shape[axis] != 1]
    rest = [axis for axis in ends if axis not in both]
    if alone := tuple(axis for axis in rest if a.shape[axis] != 1):
        a = sum(a, alone, keepdim=True)
    if alone := tuple(axis for axis in rest if b.shape[axis] != 1):
        b = sum(b, alone, keepdim=True)
    return _contracted(a, b, both) if both else a * b


def _contracted(a: Tensor, b: Tensor, ends: list[int]) -> Tensor:
    """The products over dims that both operands have, as one stack of matrix products."""
    shared: list[int] = []
    only_a: list[int] = []
    only_b: list[int] = []
    for axis in range(a.ndim):
        if axis not in ends:
            group = only_b if a.shape[axis] == 1 else only_a if b.shape[axis] == 1 else shared
            group.append(axis)
    batch, rows, columns, inner = (
        tuple(t.shape[axis] for axis in axes)
        for t, axes in ((a, shared), (a, only_a), (b, only_b), (a, ends))
    )
    depth = math.prod(inner)
    left = permute(a, (*shared, *only_a, *ends, *only_b))
    left = reshape(left, (math.prod(batch), math.prod(rows), depth))
    right = permute(b, (*shared, *ends, *only_b, *only_a))
    right = reshape(right, (math.prod(batch), depth, math.prod(columns)))
    product = reshape(bmm(left, right), (*batch, *rows, *(1 for _ in ends), *columns))
    where = [*shared, *only_a, *ends, *only_b]
    return permute(product, tuple(where.index(axis) for axis in range(a.ndim)))
