"""The transforms of `torch.func` as maps from functions of a vector to functions of a vector.

In: a library's namespace, a function.  Out: a function of the same argument, so that transforms can
be put into each other in every order, in both libraries.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Function = Callable[[Any], Any]


def weights(torch: Any, like: Any) -> Any:
    """Fixed numbers in the shape of a tensor, all different."""
    size = 1
    for n in like.shape:
        size *= n
    return torch.cos(torch.arange(size, dtype=torch.float64)).reshape(tuple(like.shape))


def scalar(torch: Any, f: Function) -> Function:
    """A weighted sum of what ``f`` returns."""

    def value(x: Any) -> Any:
        y = f(x)
        return (y * weights(torch, y)).sum()

    return value


def grad(torch: Any, f: Function) -> Function:
    return torch.func.grad(scalar(torch, f))


def vjp(torch: Any, f: Function) -> Function:
    def pulled(x: Any) -> Any:
        y, pull = torch.func.vjp(f, x)
        return pull(weights(torch, y))[0]

    return pulled


def jvp(torch: Any, f: Function) -> Function:
    return lambda x: torch.func.jvp(f, (x,), (weights(torch, x),))[1]


def jacrev(torch: Any, f: Function) -> Function:
    return torch.func.jacrev(f)


def jacfwd(torch: Any, f: Function) -> Function:
    return torch.func.jacfwd(f)


def hessian(torch: Any, f: Function) -> Function:
    return torch.func.hessian(scalar(torch, f))


def vmap(torch: Any, f: Function) -> Function:
    return lambda x: torch.func.vmap(f)(torch.stack([x, x * x - 0.45]))


TRANSFORMS = {t.__name__: t for t in (grad, vjp, jvp, jacrev, jacfwd, hessian, vmap)}


def composed(torch: Any, names: tuple[str, ...], f: Function) -> Function:
    """The function with the transforms applied, the last name first."""
    for name in reversed(names):
        f = TRANSFORMS[name](torch, f)
    return f


def smooth(torch: Any) -> Function:
    """A function with a product of matrices, a sum, a quotient and an index in it."""
    matrix = torch.tensor([[0.5, -0.3, 0.2], [0.1, 0.7, -0.4]], dtype=torch.float64)

    def f(x: Any) -> Any:
        y = torch.tanh(matrix @ x)
        return torch.cat([y * x[1:], (x[0] / (1.0 + (x * x).sum())).reshape(1)])

    return f


def point(torch: Any) -> Any:
    return torch.tensor([0.3, -0.7, 1.1], dtype=torch.float64)
