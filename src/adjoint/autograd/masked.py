"""Masked gradients: a mode in which what was not selected contributes nothing to gradients.

In: nothing.  Out: the MASKED bit of the mode (core/mode.py), which gives nodes recorded under it
the plans of core/masked.py, and makes walks that run under it use those plans for every node.
"""

from __future__ import annotations

from typing import Any

from adjoint.autograd.grad_mode import _ModeContext
from adjoint.core import mode as modes
from adjoint.core.mode import get_mode, set_mode

__all__ = ["is_masked_gradients_enabled", "masked_gradients"]


class masked_gradients(_ModeContext):
    """A block (or decorated function) in which zero times inf or nan is zero in derivatives.

    An entry that `where`, a mask, an index, `clamp`, `maximum` or `relu` did not select has a
    cotangent of exactly zero. Multiplied by a local derivative that is inf or nan it becomes nan,
    and every gradient behind it with it. In this mode it contributes nothing. It acts on operations
    recorded inside, wherever their backward runs, and on every operation of a backward that runs
    inside; in forward mode on tangents of exactly zero. Gradients that are finite without the mode
    do not change. PyTorch has nothing of the kind. docs/masked_gradients.md tells more.

    Args: ``mode``: False switches the mode off inside.

    Example:
        >>> import adjoint as torch
        >>> x = torch.tensor([0.0, 4.0], requires_grad=True)
        >>> with torch.masked_gradients():
        ...     y = torch.where(x > 0, x.sqrt(), 0.0)
        >>> y.sum().backward()
        >>> x.grad
        tensor([0.0000, 0.2500])
    """

    __slots__ = ("mode",)

    mode: bool

    def __new__(cls, mode: Any = True) -> Any:
        made = object.__new__(cls)
        if isinstance(mode, bool):
            made.mode = mode
            return made
        made.mode = True
        return made(mode)

    def __enter__(self) -> None:
        self._before = before = get_mode()
        set_mode(before | modes.MASKED if self.mode else before & ~modes.MASKED)

    def fresh(self) -> masked_gradients:
        """A new context of the same kind, for one call of a decorated function."""
        made: masked_gradients = masked_gradients(self.mode)
        return made


def is_masked_gradients_enabled() -> bool:
    """Return whether zero cotangents contribute nothing now."""
    return bool(get_mode() & modes.MASKED)
