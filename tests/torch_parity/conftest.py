"""What every parity test shares: the two libraries, and a clean state around each program.

The tests of this folder run the same small program in PyTorch (the oracle) and in this library.
They are skipped, loudly, where PyTorch is not installed; with ``ADJOINT_PARITY_SELF=1`` both sides
are PyTorch, which shows that the programs themselves are deterministic.
"""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="torch_parity compares with PyTorch 2.13, which is missing")
