"""Programs on ``autograd.functional``: jacobian and hessian with every combination of options."""

from __future__ import annotations

from typing import Any

from tests.torch_parity.harness import differs, variants
from tests.torch_parity.programs_func import Data, attempt

_OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "vectorize": {"vectorize": True},
    "forward": {"vectorize": True, "strategy": "forward-mode"},
    "create_graph": {"create_graph": True},
    "create_graph_vectorize": {"create_graph": True, "vectorize": True},
    "create_graph_forward": {"create_graph": True, "vectorize": True, "strategy": "forward-mode"},
    "strict_vectorize": {"strict": True, "vectorize": True},
    "forward_alone": {"strategy": "forward-mode"},
    "other_strategy": {"strategy": "sideways"},
    "strict": {"strict": True},
    "strict_create_graph": {"strict": True, "create_graph": True},
}


@variants(**_OPTIONS)
def p_jacobian(torch: Any, options: dict[str, Any]) -> list[Any]:
    d = Data(torch)
    w = torch.tensor([3.0, 4.0], requires_grad=True)
    cases = [
        (lambda x: x**2, d.x),
        (lambda x: x.sum(), d.x),
        (lambda x: (x**2).sum(), d.s),
        (lambda x: (x**2, x.sum()), d.x),
        (lambda x, y: x * y.sum(), (d.x, d.m)),
        (lambda x, y: (x * y.sum(), y.exp()), (d.x, d.m)),
        (lambda x: (x**2,), (d.x,)),
        (lambda x: x * w, d.x),
        (lambda x: x * w, d.xr),
        (lambda x: w * 2, d.x),
        (lambda x: torch.ones(3), d.x),
        (lambda x, y: x * 2, (d.x, d.m)),
        (lambda x: x**2, d.c),
        (lambda x: x.abs(), d.c),
        (lambda x: torch.complex(x, x) ** 2, d.x),
        (lambda x: x.long(), d.x),
        (lambda x: x, torch.tensor([1, 2])),
        (lambda x: 3.0, d.x),
        (lambda x: (x, 3.0), d.x),
        (lambda x: [x], d.x),
        (lambda x: x, [d.x]),
        (lambda x: x, 3.0),
        (lambda x: x.double(), d.x),
        (lambda x, y: (x.double() * 2, y), (d.x, d.m)),
        (lambda x: x * torch.tensor(x.tolist()), d.x),
    ]
    jacobian = torch.autograd.functional.jacobian
    return [attempt(lambda case=case: jacobian(*case, **options)) for case in cases]


@variants(
    **{
        name: {k.replace("strategy", "outer_jacobian_strategy"): v for k, v in options.items()}
        for name, options in _OPTIONS.items()
    }
)
def p_hessian(torch: Any, options: dict[str, Any]) -> list[Any]:
    d = Data(torch)
    w = torch.tensor([3.0, 4.0], requires_grad=True)
    cases = [
        (lambda x: (x**3).sum(), d.x),
        (lambda x: (x**3).sum(), d.xr),
        (lambda x: (x**3 * w).sum(), d.x),
        (lambda x: x**2, d.x),
        (lambda x: x**3, d.s),
        (lambda x: (x**3).sum().view(1), d.x),
        (lambda x: ((x**2).sum(), x.sum()), d.x),
        (lambda x, y: (x.sum() * y.exp()).sum(), (d.x, d.m)),
        (lambda x, y: x.sum(), (d.x, d.m)),
        (lambda x: ((x**2).sum(),), (d.x,)),
        (lambda x: x.sum(), d.x),
        (lambda x: torch.tensor(3.0), d.x),
        (lambda x: (x**2).sum().double(), d.x),
        (lambda x: (x.abs() ** 2).sum(), d.c),
        (lambda x: 3.0, d.x),
        (lambda x: x.sum(), [d.x]),
    ]
    hessian = torch.autograd.functional.hessian
    return [attempt(lambda case=case: hessian(*case, **options)) for case in cases]


def p_gradients_through(torch: Any) -> list[Any]:
    """What create_graph keeps, row by row and all rows together."""
    found: list[Any] = []
    for options in ({}, {"vectorize": True}):
        d = Data(torch)
        F = torch.autograd.functional
        F.jacobian(lambda x: x**3 * d.w, d.xr, create_graph=True, **options).sum().backward()  # noqa: B023
        found += [d.xr.grad, d.w.grad]
        F.hessian(lambda x: (x**4).sum(), d.xr, create_graph=True, **options).sum().backward()
        found.append(d.xr.grad)
    return found


@differs("Jacobians without rows are empty here; PyTorch cannot stack no rows")
@variants(
    no_results=lambda F, x, o: F.jacobian(lambda v: v[:0], x, **o),
    no_inputs=lambda F, x, o: F.jacobian(lambda v: v * 2, x[:0], **o),
)
def p_empty(torch: Any, call: Any) -> list[Any]:
    F, x = torch.autograd.functional, torch.tensor([1.0, 2.0])
    return [attempt(lambda o=o: call(F, x, o)) for o in ({}, {"vectorize": True})]
