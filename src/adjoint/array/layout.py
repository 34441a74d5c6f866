"""Names of memory layouts, which PyTorch's functions accept as arguments.

In: nothing.  Out: `layout` and `memory_format` objects that print as PyTorch's. Only dense tensors
exist here, so most of these names are there to be passed on.
"""

from __future__ import annotations

from typing import Any, Final

__all__ = [
    "channels_last",
    "channels_last_3d",
    "contiguous_format",
    "layout",
    "memory_format",
    "preserve_format",
    "sparse_coo",
    "strided",
]


class _Named:
    """One object for each name, compared by identity."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self) -> str:
        return self.name  # pickled by reference to this module

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: Any) -> Any:
        return self


class layout(_Named):
    """How a tensor's elements are stored: densely (``strided``) or not."""

    __slots__ = ()


class memory_format(_Named):
    """The order of a tensor's dims in memory."""

    __slots__ = ()


strided: Final = layout("strided")
sparse_coo: Final = layout("sparse_coo")
contiguous_format: Final = memory_format("contiguous_format")
preserve_format: Final = memory_format("preserve_format")
channels_last: Final = memory_format("channels_last")
channels_last_3d: Final = memory_format("channels_last_3d")
