"""The note that something is computed sample by sample because it needs a value.

In: who it is, and the error that told so.  Out: one warning at the user's line, which also names
the line that asked for the value.
"""

from __future__ import annotations

import sys
import warnings
from typing import Any

__all__ = ["note_loop", "without_frames"]


def without_frames(error: Any) -> Any:
    """``error``, which remembers its place as text: its frames would keep it, and all they hold."""
    error.place = _place(error)
    error.__context__ = None
    return error.with_traceback(None)


def note_loop(name: str, size: int, reason: Any) -> None:
    """Warn that ``name`` is run ``size`` times because of ``reason``."""
    level, frame = 2, _outside(sys._getframe(1))
    here: Any = sys._getframe(1)
    while here is not frame and here is not None:
        here, level = here.f_back, level + 1
    warnings.warn(
        f"vmap: {name} is run sample by sample, {size} times, because it needs a value where there "
        f"is one for each sample: {reason.what}{reason.place}.",
        UserWarning,
        stacklevel=level,
    )


def _outside(frame: Any) -> Any:
    """The first frame from ``frame`` outwards that is not the library's."""
    while frame is not None and _is_ours(frame):
        frame = frame.f_back
    return frame


def _is_ours(frame: Any) -> bool:
    return bool(frame.f_globals.get("__name__", "").startswith("adjoint."))


def _place(error: BaseException) -> str:
    """The user's line from which an error came."""
    place, trace = "", error.__traceback__
    while trace is not None:
        frame = trace.tb_frame
        if not _is_ours(frame):
            place = f" ({frame.f_code.co_filename}, line {trace.tb_lineno})"
        trace = trace.tb_next
    return place
