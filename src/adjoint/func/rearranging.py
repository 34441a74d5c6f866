"""`rearrange`: dims permuted, split, joined, all in one pattern as einops writes it.

In: a tensor and a pattern such as ``"b (h w) c -> b c h w"``, with the sizes it leaves open.  Out:
the same elements in the shape on the right.
"""

from __future__ import annotations

import keyword
import math
import re
import warnings
from collections.abc import Sequence
from typing import Any

from adjoint.core.tensor_base import TensorBase
from adjoint.ops.join import stack
from adjoint.ops.view import permute, reshape

__all__ = ["DimensionBindError", "rearrange"]

_ELLIPSIS = "..."
Group = tuple[str, ...]


class DimensionBindError(Exception):
    """A size that does not fit the pattern."""


def rearrange(tensor: Any | list[Any] | tuple[Any, ...], pattern: str, **axes_lengths: int) -> Any:
    """Return ``tensor`` with its dims arranged as the right side of ``pattern`` says.

    ``pattern``: names of dims on either side of ``->``; names in parentheses are one dim together,
    ``...`` stands for all dims not named, ``1`` and ``()`` for one of size 1. ``axes_lengths``:
    sizes of named dims, where they cannot be found from the shape. A list of tensors is stacked
    along a first dim.

    Raises: ValueError for a pattern that cannot be; DimensionBindError for sizes that do not fit.

    >>> import adjoint as torch
    >>> x = torch.arange(6)
    >>> torch.func.rearrange(x, "(row column) -> column row", row=2)
    tensor([[0, 3],
            [1, 4],
            [2, 5]])
    """
    whole: Any = tensor if isinstance(tensor, TensorBase) else stack(tensor)
    for length in axes_lengths.values():
        if not isinstance(length, int):
            raise TypeError(f"rearrange axis lengths must be integers, got: {type(length)}")
    left, right = _sides(pattern)
    _check(pattern, left, right, axes_lengths)
    left, right = _without_ellipsis(left, right, whole)
    sizes = _sizes(left, whole.shape, axes_lengths)
    names = [name for group in left for name in group]
    wanted = [name for group in right for name in group]
    split = reshape(whole, [sizes[name] for name in names])
    moved = permute(split, [names.index(name) for name in wanted])
    return reshape(moved, [math.prod(sizes[name] for name in group) for group in right])


# ---- the pattern ---------------------------------------------------------------------------------


def _sides(pattern: str) -> tuple[list[Group], list[Group]]:
    sides = pattern.split("->")
    if len(sides) != 2:
        raise ValueError("Pattern must contain a single '->' separator")
    left, right = map(_groups, sides)
    return left, right


def _groups(side: str) -> list[Group]:
    """The dims of one side, each as the tuple of the names that it is made of."""
    text = side
    if "." in side:
        text = side.replace(_ELLIPSIS, " \u2026 ")
        if "." in text or text.count("\u2026") > 1:
            several = "; only one ellipsis for tensor" if "." not in text else ""
            raise ValueError(f"Expression may contain dots only inside ellipsis (...){several}")
    groups: list[Group] = []
    open_group: list[str] | None = None
    seen: set[str] = set()
    for token in re.findall(r"[()]|[^\s()]+", text):
        if token == "(":
            if open_group is not None:
                raise ValueError(
                    "Axis composition is one-level (brackets inside brackets not allowed)"
                )
            open_group = []
        elif token == ")":
            if open_group is None:
                raise ValueError("Brackets are not balanced")
            groups.append(tuple(open_group))
            open_group = None
        else:
            found = _name(token, seen)
            if open_group is None:
                groups.append(found)
            else:
                open_group += found
    if open_group is not None:
        raise ValueError(f"Imbalanced parentheses in expression: '{side}'")
    return groups


def _name(token: str, seen: set[str]) -> Group:
    if token == "\u2026":
        return (_ELLIPSIS,)
    if token.isdecimal():
        if int(token) != 1:
            raise ValueError("rearrange only supports unnamed axes of size 1")
        return ()
    if not token.isidentifier():
        raise ValueError(f"Invalid axis identifier: {token}\nnot a valid python identifier")
    if token[0] == "_" or token[-1] == "_":
        raise ValueError(
            f"Invalid axis identifier: {token}\n"
            "axis name should should not start or end with underscore"
        )
    if keyword.iskeyword(token):
        warnings.warn(
            f"It is discouraged to use axes names that are keywords: {token}",
            RuntimeWarning,
            stacklevel=6,
        )
    if token in seen:
        raise ValueError(f"Indexing expression contains duplicate dimension '{token}'")
    seen.add(token)
    return (token,)


def _check(
    pattern: str, left: Sequence[Group], right: Sequence[Group], lengths: dict[str, int]
) -> None:
    before = {name for group in left for name in group}
    after = {name for group in right for name in group}
    if _ELLIPSIS in after - before:
        raise ValueError(f"Ellipsis found in right side, but not left side of a pattern {pattern}")
    if any(_ELLIPSIS in group and len(group) > 1 for group in left):
        raise ValueError(f"Ellipsis is parenthesis in the left side is not allowed: {pattern}")
    if before != after:
        raise ValueError(
            "Identifiers only on one side of rearrange expression (should be on both): "
            f"{before ^ after}"
        )
    unknown = set(lengths) - before
    if unknown:
        raise ValueError(f"Identifiers not found in rearrange expression: {unknown}")


def _without_ellipsis(
    left: Sequence[Group], right: Sequence[Group], tensor: Any
) -> tuple[list[Group], list[Group]]:
    """Both sides, with a name for each of the dims that ``...`` stands for."""
    named, ndim = len(left), tensor.ndim
    if (_ELLIPSIS,) not in left:
        if named != ndim:
            raise ValueError(
                f"Number of dimensions in pattern ({named}) must be equal to the number of "
                f"dimensions in the tensor ({ndim})"
            )
        return list(left), list(right)
    if named - 1 > ndim:
        raise ValueError(
            f"Number of dimensions in pattern ({named - 1}) must be less than or equal to the "
            f"number of dimensions in the tensor ({ndim})"
        )
    others = tuple(f"...{i}" for i in range(ndim - named + 1))
    new_left = [
        group for g in left for group in ([(o,) for o in others] if g == (_ELLIPSIS,) else [g])
    ]
    new_right: list[Group] = []
    for group in right:
        if group == (_ELLIPSIS,):
            new_right += [(other,) for other in others]
        else:
            new_right.append(tuple(n for name in group for n in _expanded(name, others)))
    return new_left, new_right


def _expanded(name: str, others: Group) -> Group:
    return others if name == _ELLIPSIS else (name,)


def _sizes(left: Sequence[Group], shape: Sequence[int], lengths: dict[str, int]) -> dict[str, int]:
    """The size of each name, found from the shape where it is not given."""
    sizes = dict(lengths)
    names = [name for group in left for name in group]
    for group, size in zip(left, shape):
        known = math.prod(sizes[name] for name in group if name in sizes)
        open_names = [name for name in group if name not in sizes]
        # messages speak of dims as PyTorch numbers them
        numbers = [f"d{names.index(name)}" for name in open_names]
        if len(open_names) > 1:
            raise DimensionBindError(
                f"cannot infer the sizes of two dimensions at once {numbers[0]} and {numbers[1]} "
                f"({open_names[0]!r} and {open_names[1]!r})"
            )
        if open_names:
            if known <= 0 or size % known:
                raise DimensionBindError(
                    "inferred dimension does not evenly fit into larger dimension: "
                    f"{size} vs {tuple(sizes.get(name, '?') for name in group)}"
                )
            sizes[open_names[0]] = size // known
        elif known != size:
            pack = ", ".join(f"d{names.index(name)}" for name in group)
            raise DimensionBindError(
                f"Dimension sizes to do not match ({size} != {known}) when matching dimension pack "
                f"({pack}{',' if len(group) == 1 else ''}), that is {group}"
            )
    return sizes
