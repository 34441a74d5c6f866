"""NumPy's floating-point warnings off for a while: ``np.errstate`` in a quarter of its time.

In: nothing. Out: ``silence()`` turns the warnings of this thread off and returns what ``restore``
needs to bring them back. PyTorch is silent where NumPy warns (1 / 0, overflow).
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["restore", "setting", "silence"]

try:
    # NumPy keeps the setting in a context variable (since 2.0). The names are private: hence the
    # other branch, which needs public ones only. 180 ns a pair; errstate takes 720, seterr 1900.
    from numpy._core.umath import _extobj_contextvar as _setting
    from numpy._core.umath import _make_extobj

    _IGNORE = _make_extobj(all="ignore")

    def silence() -> Any:
        """Turn the warnings off; return the way back."""
        return _setting.set(_IGNORE)

    restore = _setting.reset

    def setting() -> tuple[Any, Any] | None:
        """The context variable of NumPy's setting, and its value for silence; None: unknown."""
        return _setting, _IGNORE

except (ImportError, TypeError):

    def silence() -> Any:
        """Turn the warnings off; return the way back."""
        return np.seterr(all="ignore")

    def restore(token: Any) -> None:
        """Bring back what was set before."""
        np.seterr(**token)

    def setting() -> tuple[Any, Any] | None:
        """The context variable of NumPy's setting, and its value for silence; None: unknown."""
        return None
