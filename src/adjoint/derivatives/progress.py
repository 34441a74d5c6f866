"""Progress of long work: a bar where a terminal looks at it, nothing anywhere else.

In: a sequence of steps.  Out: the same steps, one after the other.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Sequence
from typing import Any

__all__ = ["steps"]


def steps(sequence: Sequence[Any], what: str) -> Iterable[Any]:
    """The steps of ``sequence``, shown with tqdm if it is installed and stderr is a terminal."""
    if not sys.stderr.isatty():
        return sequence
    try:
        tqdm = importlib.import_module("tqdm")
    except ImportError:
        return sequence
    shown: Iterable[Any] = tqdm.tqdm(sequence, desc=what, leave=False)
    return shown
