"""What programs ask of ``torch.cuda`` before they choose a device: here there is none.

In: questions.  Out: that no CUDA device is available.
"""

from __future__ import annotations

__all__ = ["current_device", "device_count", "is_available", "manual_seed", "manual_seed_all"]


def is_available() -> bool:
    """Return False: this version computes on the CPU."""
    return False


def device_count() -> int:
    """Return 0."""
    return 0


def current_device() -> int:
    """Raise: there is no CUDA device.

    Raises: AssertionError, as a PyTorch built without CUDA.
    """
    raise AssertionError("Torch not compiled with CUDA enabled")


def manual_seed(seed: int) -> None:
    """Do nothing: there is no CUDA device to seed."""


def manual_seed_all(seed: int) -> None:
    """Do nothing: there is no CUDA device to seed."""
