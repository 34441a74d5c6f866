"""Forward mode by hand: dual tensors, made and taken apart in a level.

In: a tensor and a tangent.  Out: a dual tensor; whatever is computed from it is dual, too, until
the level is left.  How tangents travel is told in `core/duals.py` and `core/forward.py`; for the
product of a function's Jacobian with a vector see `adjoint.func.jvp`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from adjoint.autograd.grad_mode import _ModeContext
from adjoint.core.duals import (
    Level,
    ceiling,
    close_level,
    drop_tangent,
    levels_of,
    open_level,
    set_tangent,
    tangent_of,
)
from adjoint.core.tensor_base import TensorBase, make_tensor
from adjoint.ops.inplace import copy_
from adjoint.ops.view import _fw_primal, _view

__all__ = [
    "UnpackedDualTensor",
    "dual_level",
    "enter_dual_level",
    "exit_dual_level",
    "make_dual",
    "unpack_dual",
]

_EVERYTHING = ceiling.get()

# PyTorch's number of the level that is open, -1 if none is; and what it stands for.
_current_level = -1
_open: list[Level] = []


class UnpackedDualTensor(NamedTuple):
    """The two parts of a dual tensor; ``tangent`` is None for a tensor that is not dual."""

    primal: Any
    tangent: Any


# ---- levels --------------------------------------------------------------------------------------


def enter_dual_level() -> int:
    """Open the level of dual tensors; return its number.

    Raises: RuntimeError if it is open: one level is all that PyTorch's interface has
    (`adjoint.func.jvp` nests).
    """
    global _current_level
    if _open:
        raise RuntimeError(
            "Nested forward mode AD is not supported at the moment (with dual tensors made by "
            "hand; use adjoint.func.jvp, which nests)"
        )
    _open.append(open_level())
    _current_level = 0
    return 0


def exit_dual_level(*, level: int | None = None) -> None:
    """Close the level; the tensors that are dual in it lose their tangents."""
    global _current_level
    if level is None:
        level = _current_level
    if level != _current_level:
        raise RuntimeError(
            "Trying to exit a forward AD level that was not the last one that was created. This "
            "is not supported."
        )
    if not _open:
        raise RuntimeError("Dual level must be a positive number. (No level is open.)")
    close_level(_open.pop())
    _current_level = -1


class dual_level(_ModeContext):
    """A block in which tensors can be dual; also a decorator.

    >>> import adjoint as torch
    >>> import adjoint.autograd.forward_ad as fwAD
    >>> with fwAD.dual_level():
    ...     x = fwAD.make_dual(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 0.0]))
    ...     fwAD.unpack_dual(x * x).tangent
    tensor([2., 0.])
    """

    def __enter__(self) -> int:  # type: ignore[override]
        return enter_dual_level()

    def __exit__(self, *exception: Any) -> None:
        exit_dual_level()


# ---- dual tensors --------------------------------------------------------------------------------


def _check_number(what: str, tensor: Any) -> None:
    if not (tensor.is_floating_point() or tensor.is_complex()):
        raise ValueError(
            f"Expected {what} to be floating point or complex, but got: {tensor.dtype}"
        )


def make_dual(tensor: Any, tangent: Any, *, level: int | None = None) -> Any:
    """Return a view of ``tensor`` that has the tangent ``tangent``, until the level is left.

    Shape: both the same. ``tangent`` itself is kept where it lies in memory as ``tensor`` does.
    Raises: RuntimeError if no level is open, the shapes differ, or one of the two is dual already;
    ValueError for integers.
    """
    level = _current_level if level is None else level
    if level < 0:
        raise RuntimeError(
            "Trying to create a dual Tensor for forward AD but no level exists, make sure to "
            "enter_dual_level() first."
        )
    _check_number("primal", tensor)
    _check_number("tangent", tangent)
    if level != _current_level:
        raise RuntimeError("Invalid level given to _make_dual")
    number = _open[0].number
    if number >= ceiling.get():
        return _view(tensor, shape=tensor._desc.shape)
    check_tangent(tensor, tangent, number, level)
    made = _view(tensor, shape=tensor._desc.shape)
    set_tangent(made, number, laid_out_as(tensor, tangent))
    return made


def check_tangent(tensor: Any, tangent: Any, number: int, level: int) -> None:
    """Raise what PyTorch raises where ``tangent`` cannot be that of ``tensor``."""
    if tangent_of(tensor, number) is not None:
        raise RuntimeError(
            "Making a dual Tensor based on a Tensor that already has a forward gradient at the "
            f"same level {level} is not supported."
        )
    if tangent_of(tangent, number) is not None:
        raise RuntimeError(
            "Setting a forward grad that itself has a forward gradient at the same level"
            f"{level} is not supported. (Take its tangent or its primal.)"
        )
    shape, given = tensor._desc.shape, tangent._desc.shape
    if shape != given:
        raise RuntimeError(
            "Trying to set a forward gradient that has a different size than that of the original "
            f"Tensor, this is not supported. Tensor is of size {list(shape)} while the given "
            f"forward gradient is of size {list(given)}."
        )


def laid_out_as(tensor: Any, tangent: Any) -> Any:
    """``tangent``, or a copy of it that lies in memory as ``tensor`` does."""
    first, second = tensor._array, tangent._array
    if _is_whole(first) and _is_whole(second):
        return tangent  # of one shape, both in C order from the beginning of their memory
    if _layout(first) == _layout(second):
        return tangent
    raw, xp = tensor._array, tensor._desc.type.xp
    if isinstance(raw, np.ndarray | np.generic):
        made = make_tensor(np.zeros_like(raw, tangent._desc.numpy))
    else:
        made = make_tensor(xp.astype(xp.zeros_like(raw), tangent._desc.numpy))
    return copy_(made, tangent)


def _is_whole(raw: Any) -> bool:
    return type(raw) is np.ndarray and raw.base is None and raw.flags.c_contiguous


def _layout(raw: Any) -> Any:
    """Where in its memory an array has which element."""
    if not isinstance(raw, np.ndarray):
        return None
    root = raw
    while isinstance(root.base, np.ndarray):
        root = root.base
    offset = raw.__array_interface__["data"][0] - root.__array_interface__["data"][0]
    steps = tuple(s // raw.itemsize for s, n in zip(raw.strides, raw.shape) if n != 1)
    return steps, offset // raw.itemsize, root.size


def unpack_dual(tensor: Any, *, level: int | None = None) -> UnpackedDualTensor:
    """Return a view of ``tensor`` that is not dual, and its tangent (None if it has none)."""
    level = _current_level if level is None else level
    if level < 0:
        return UnpackedDualTensor(tensor, None)
    if not isinstance(tensor, TensorBase):
        raise TypeError(
            "_unpack_dual(): argument 'dual' (position 1) must be Tensor, not "
            f"{type(tensor).__name__}"
        )
    if level != _current_level:
        raise RuntimeError("Invalid level given to _fw_primal")
    number = _open[0].number
    primal = _fw_primal(tensor)
    drop_tangent(primal, number)
    seen = number in levels_of((tensor,))
    return UnpackedDualTensor(primal, tangent_of(tensor, number) if seen else None)


# ---- on and off ----------------------------------------------------------------------------------


def _is_fwd_grad_enabled() -> bool:
    """Whether tangents are seen now."""
    return ceiling.get() > 0


class _set_fwd_grad_enabled(_ModeContext):
    """A block in which tangents are (or are not) seen."""

    __slots__ = ("_mode", "_token")

    def __init__(self, mode: bool) -> None:
        self._mode = mode

    def __enter__(self) -> None:
        self._token = ceiling.set(_EVERYTHING if self._mode else 0)

    def __exit__(self, *exception: Any) -> None:
        ceiling.reset(self._token)

    def fresh(self) -> _set_fwd_grad_enabled:
        """A new context of the same kind, for one call of a decorated function."""
        return type(self)(self._mode)
