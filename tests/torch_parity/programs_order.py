"""Programs about extremes so far, modes, running logarithms and quantiles, beyond their values."""

from __future__ import annotations

from typing import Any

from tests.torch_parity.harness import raises, variants

NAN = float("nan")

FUNCTIONS = {
    "fmax": lambda t, x: t.fmax(x, x.flip(-1)),
    "fmin": lambda t, x: t.fmin(x, x.flip(-1) * 2),
    "logcumsumexp": lambda t, x: t.logcumsumexp(x, -1),
    "cummax": lambda t, x: t.cummax(x, -1).values,
    "cummin": lambda t, x: t.cummin(x, -1)[0],
    "mode": lambda t, x: t.mode(x, -1).values,
    "quantile": lambda t, x: t.quantile(x, 0.3, -1),
    "quantiles": lambda t, x: t.quantile(x, t.tensor([0.1, 0.9]), -1),
    "nanquantile": lambda t, x: t.nanquantile(x, 0.3, -1, True),
}
METHODS = {
    "fmax": lambda t, x: x.fmax(x * 2),
    "fmin": lambda t, x: x.fmin(x * 2),
    "logcumsumexp": lambda t, x: x.logcumsumexp(0),
    "cummax": lambda t, x: x.cummax(0),
    "cummin": lambda t, x: x.cummin(dim=1),
    "mode": lambda t, x: x.mode(),
    "mode_kept": lambda t, x: x.mode(0, True),
    "quantile": lambda t, x: x.quantile(0.3),
    "nanquantile": lambda t, x: x.nanquantile(0.3, 1),
}


def numbers(t: Any) -> Any:
    """Rows without equal elements."""
    return t.tensor([[0.5, -1.5, 2.0, 1.0], [3.0, 0.25, -2.0, -1.0], [1.5, 2.5, 0.75, -0.5]])


@variants(**FUNCTIONS)
def p_derivatives(torch: Any, call: Any) -> list[Any]:
    def function(x: Any) -> Any:
        return call(torch, x)

    x, t = numbers(torch), numbers(torch).flip(0)
    func = torch.func
    return [
        func.vmap(function)(x),
        func.vmap(func.jacrev(function))(x),
        func.jacfwd(function)(x[0]),
        *func.jvp(function, (x,), (t,)),
        func.hessian(lambda x: (function(x) ** 2).sum())(x[0]),
        func.vmap(func.grad(lambda x: function(x).sin().sum()))(x),
    ]


@variants(**METHODS)
def p_method(torch: Any, call: Any) -> list[Any]:
    return [call(torch, numbers(torch))]


@variants(cummax="cummax", cummin="cummin", mode="mode")
def p_edges(torch: Any, name: str) -> list[Any]:
    function = getattr(torch, name)
    return [
        function(torch.tensor(3.0), 0),
        function(torch.tensor([[2, 1, 2], [3, 3, 1]]), 1),
        function(torch.tensor([True, False, True]), 0),
        function(torch.tensor([1.0, 3.0, 3.0, 2.0, 1.0]), 0),
        function(torch.zeros(0, 2), 1),
        raises(lambda: function(torch.zeros(2, 1), 2)),
        raises(lambda: function(torch.tensor([1j, 2.0]), 0)),
    ]


def p_extremes_of_nan(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 3.0, 3.0, NAN, 5.0, NAN, 1.0], requires_grad=True)
    observed: list[Any] = []
    for function in (torch.cummax, torch.cummin):
        values, indices = function(x, 0)
        observed += [values, indices, *torch.autograd.grad(values.nansum(), x)]
    return observed


def p_logcumsumexp_of_other_dtypes(torch: Any) -> list[Any]:
    return [
        torch.logcumsumexp(torch.tensor(3.0), 0),
        torch.logcumsumexp(torch.zeros(0, 2), 1),
        raises(lambda: torch.logcumsumexp(torch.tensor([1, 2]), 0)),
        raises(lambda: torch.logcumsumexp(torch.tensor([True]), 0)),
        raises(lambda: torch.logcumsumexp(torch.ones(2), 1)),
    ]


def p_fmax_of_other_dtypes(torch: Any) -> list[Any]:
    x = torch.ones(2, dtype=torch.complex64)
    return [
        torch.fmax(torch.tensor([True, False]), torch.tensor([1, -1])),
        torch.fmin(torch.tensor([1, 5]), torch.tensor([2.5, NAN])),
        raises(lambda: torch.fmax(x, x)),
        raises(lambda: torch.fmin(x, x)),
    ]


@variants(quantile="quantile", nanquantile="nanquantile")
def p_quantile(torch: Any, name: str) -> list[Any]:
    x = torch.tensor([[1.0, 5.0, 2.0], [4.0, NAN, 0.0]])
    q = torch.tensor([0.0, 0.5])

    def function(*args: Any, **named: Any) -> Any:
        return getattr(torch, name)(*args, **named)

    a, b = x.clone().requires_grad_(), torch.tensor([0.2, 0.7], requires_grad=True)
    return [
        function(x, 0.3),
        function(x, 1),
        function(x, q, 1),
        function(x, q, 1, True),
        function(x, q, keepdim=True),
        function(x, 0.5, keepdim=True),
        function(x, q[:0], 1),
        function(torch.tensor(3.0), 0.5, 0, True),
        function(torch.tensor([NAN, NAN]), 0.5),
        *torch.autograd.grad(function(a, b, 1).nansum(), (a, b)),
        *torch.autograd.grad(function(a, b, 1, interpolation="midpoint").nansum(), a),
        raises(lambda: function(torch.tensor([1, 2]), 0.5)),
        raises(lambda: function(x.half(), 0.5)),
        raises(lambda: function(x, 1.5)),
        raises(lambda: function(x, NAN)),
        raises(lambda: function(x, torch.tensor([0.1, 1.5]))),
        raises(lambda: function(x, q.double())),
        raises(lambda: function(x, torch.zeros(1, 1))),
        raises(lambda: function(torch.zeros(0, 2), 0.5, 1)),
        raises(lambda: function(x, 0.5, interpolation="other")),
        raises(lambda: function(x, 0.5, 2)),
    ]
