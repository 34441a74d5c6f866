"""Helpers for tests: compare results, make input."""

from adjoint.testing.comparison import assert_close
from adjoint.testing.creation import make_tensor

__all__ = ["assert_close", "make_tensor"]
