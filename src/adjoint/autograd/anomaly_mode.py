"""Anomaly detection: remember where each operation was made, and stop at the first nan gradient.

In: nothing.  Out: the ANOMALY bit of the mode (core/mode.py), which makes operators keep the user's
stack and the backward walk look at every gradient.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from adjoint._later import Later
from adjoint.core import mode as modes
from adjoint.core.mode import get_mode, set_mode

if TYPE_CHECKING:
    from adjoint.core import anomaly
else:
    anomaly = Later("adjoint.core.anomaly")

__all__ = [
    "detect_anomaly",
    "is_anomaly_check_nan_enabled",
    "is_anomaly_enabled",
    "set_detect_anomaly",
]


class set_detect_anomaly:
    """Switch anomaly detection on or off: at once as a function, for the block as a context.

    ``check_nan``: whether a nan in a gradient is an error (else only the stacks are kept);
    ``check_inf``: whether an inf is one.
    """

    def __init__(self, mode: bool, check_nan: bool = True, check_inf: bool = False) -> None:
        self.before = _state()
        _switch(mode, check_nan, check_inf)

    def __enter__(self) -> None:
        """Nothing: the switch acted already."""

    def __exit__(self, *exception: Any) -> None:
        _switch(*self.before)


class detect_anomaly:
    """A block in which a nan gradient raises, naming the operation and the line that made it.

    The message tells the first operation of the forward whose derivative is not finite, the
    numbers that were multiplied, and what helps (docs/anomaly.md).

    Args: ``check_nan``: whether a nan is an error; ``check_inf``: whether an inf is one.

    >>> import adjoint as torch, warnings
    >>> warnings.simplefilter("ignore")
    >>> x = torch.zeros(1, requires_grad=True)
    >>> with torch.autograd.detect_anomaly():
    ...     (x.sqrt() * 0).backward()
    Traceback (most recent call last):
    RuntimeError: Function 'SqrtBackward0' returned nan values in its 0th output.
    """

    def __init__(self, check_nan: bool = True, check_inf: bool = False) -> None:
        self.check_nan = check_nan
        self.check_inf = check_inf
        self.before = (False, True, False)
        warnings.warn(
            "Anomaly Detection has been enabled. This mode will increase the runtime and should "
            "only be enabled for debugging.",
            stacklevel=2,
        )

    def __enter__(self) -> None:
        self.before = _state()
        _switch(True, self.check_nan, self.check_inf)

    def __exit__(self, *exception: Any) -> None:
        _switch(*self.before)


def _state() -> tuple[bool, bool, bool]:
    return is_anomaly_enabled(), anomaly.options["nan"], anomaly.options["inf"]


def _switch(on: bool, check_nan: bool, check_inf: bool) -> None:
    bits = get_mode()
    set_mode(bits | modes.ANOMALY if on else bits & ~modes.ANOMALY)
    anomaly.options["nan"], anomaly.options["inf"] = check_nan, check_inf


def is_anomaly_enabled() -> bool:
    """Return whether anomaly detection is on."""
    return bool(get_mode() & modes.ANOMALY)


def is_anomaly_check_nan_enabled() -> bool:
    """Return whether anomaly detection stops at nan."""
    return is_anomaly_enabled() and anomaly.options["nan"]
