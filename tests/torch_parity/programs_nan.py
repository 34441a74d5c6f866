"""Programs on gradients at singular points: nan and inf where PyTorch has them, in no mode."""

from __future__ import annotations

import itertools
from typing import Any

from tests.autograd.nan_cases import CASES
from tests.torch_parity.harness import variants

INF, NAN = float("inf"), float("nan")
POINTS = (0.0, 1.0, -1.0, 2.0, INF, -INF, NAN)
UNARY = (
    "acos acosh asin asinh atan atanh cos cosh erf exp exp2 expm1 log log10 log1p log2 "
    "reciprocal rsqrt sigmoid sin sinh sqrt square tan tanh"
).split()
BINARY = "atan2 div hypot logaddexp maximum minimum mul pow sub xlogy".split()


@variants(**CASES)
def p_unselected_entries(torch: Any, case: Any) -> list[Any]:
    """What the mode `masked_gradients` cures is as ill as in PyTorch outside of it."""
    x = torch.tensor(case.point, requires_grad=True)
    y = case.function(torch, x)
    y.sum().backward()
    return [y, x.grad]


@variants(**{name: name for name in UNARY})
def p_of_one_operand(torch: Any, name: str) -> list[Any]:
    x = torch.tensor(POINTS, requires_grad=True)
    y = getattr(torch, name)(x)
    y.sum().backward()
    return [y, x.grad]


@variants(**{name: name for name in BINARY})
def p_of_two_operands(torch: Any, name: str) -> list[Any]:
    pairs = list(itertools.product(POINTS, POINTS))
    a = torch.tensor([p for p, _ in pairs], requires_grad=True)
    b = torch.tensor([q for _, q in pairs], requires_grad=True)
    getattr(torch, name)(a, b).sum().backward()
    return [a.grad, b.grad]


def p_logit_outside_of_its_domain(torch: Any) -> list[Any]:
    x = torch.tensor([0.0, 0.5, 1.0, -1.0, 2.0], requires_grad=True)
    torch.logit(x).sum().backward()
    return [x.grad]


ROWS = {
    "zeros": [0.0, 0.0, 0.0],
    "equal": [1.0, 1.0, 1.0],
    "some": [1.0, 2.0, 0.0],
    "minus_infinity": [-INF, -INF, -INF],
    "infinity": [INF, 1.0, 2.0],
    "one_minus_infinity": [-INF, 1.0, 2.0],
}
REDUCTIONS: dict[str, Any] = {
    "norm": lambda t, x: x.norm(),
    "norm_1": lambda t, x: x.norm(1),
    "norm_3": lambda t, x: x.norm(3),
    "norm_inf": lambda t, x: x.norm(INF),
    "std": lambda t, x: x.std(),
    "var": lambda t, x: x.var(),
    "logsumexp": lambda t, x: x.logsumexp(0),
    "softmax": lambda t, x: x.softmax(0)[0],
    "log_softmax": lambda t, x: x.log_softmax(0)[0],
    "amax": lambda t, x: x.amax(),
    "max": lambda t, x: x.max(0).values,
    "normalize": lambda t, x: t.nn.functional.normalize(x, dim=0)[0],
}


@variants(**REDUCTIONS)
def p_reductions(torch: Any, reduce: Any) -> list[Any]:
    found = []
    for row in ROWS.values():
        x = torch.tensor(row, requires_grad=True)
        reduce(torch, x).backward()
        found.append(x.grad)
    return found
