"""Small ``autograd.Function`` classes that several parity programs use.

In: a library's namespace, and the methods.  Out: a class derived from its ``autograd.Function``.
"""

from __future__ import annotations

from typing import Any


def exp(torch: Any) -> Any:
    """A Function that saves its output."""

    class Exp(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            y = x.exp()
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            (y,) = ctx.saved_tensors
            return g * y

    return Exp


def scale(torch: Any) -> Any:
    """A Function with a second argument that is not a tensor."""

    class Scale(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, factor: Any) -> Any:
            ctx.factor = factor
            return x * factor

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * ctx.factor, None

    return Scale


def make(torch: Any, forward: Any, backward: Any, **members: Any) -> Any:
    """A Function called ``Made`` of the two methods."""
    return type(
        "Made",
        (torch.autograd.Function,),
        {"forward": staticmethod(forward), "backward": staticmethod(backward), **members},
    )
