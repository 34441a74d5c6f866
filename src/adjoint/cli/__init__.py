"""The command line: ``adjoint info`` and ``adjoint run script.py``.

``main`` is what the installed script and ``python -m adjoint`` call; ``as_torch`` is what makes
``import torch`` mean adjoint for a while. In: words or a ``with`` block. Out: text, an exit status.
"""

from adjoint.cli.as_torch import as_torch
from adjoint.cli.commands import main

__all__ = ["as_torch", "main"]
