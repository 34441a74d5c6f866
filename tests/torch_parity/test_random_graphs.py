"""Random graphs: seeded programs from some thirty operators, compared gradient by gradient.

A program is drawn once from its seed as a list of (operator, places of its operands); all values
have shape (3, 3) in between, so that any operator can follow any other. Both libraries then run the
same list: values, names, first and second gradients, gradients that a hook doubled on the way.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from tests.torch_parity.harness import both, name

Step = tuple[str, tuple[int, ...]]

OPERATORS: dict[str, tuple[int, Callable[..., Any]]] = {
    "add": (2, lambda t, a, b: a + b),
    "sub": (2, lambda t, a, b: a - b),
    "mul": (2, lambda t, a, b: a * b),
    "div": (2, lambda t, a, b: a / (2 + b * b)),
    "maximum": (2, lambda t, a, b: t.maximum(a, b)),
    "where": (2, lambda t, a, b: t.where(a > b, a, b * 0.5)),
    "matmul": (2, lambda t, a, b: a @ b.t() / 3),
    "atan2": (2, lambda t, a, b: t.atan2(a, 1.5 + b.square())),
    "cat": (2, lambda t, a, b: t.cat([a[:1], b[1:]])),
    "stack": (2, lambda t, a, b: t.stack([a[0], b[1], a[2] * b[0]])),
    "addcmul": (3, lambda t, a, b, c: t.addcmul(a, b, c, value=0.25)),
    "lerp": (2, lambda t, a, b: t.lerp(a, b, 0.3)),
    "neg": (1, lambda t, a: -a),
    "number": (1, lambda t, a: 0.5 - a * 1.25),
    "sin": (1, lambda t, a: a.sin()),
    "cos": (1, lambda t, a: a.cos()),
    "tanh": (1, lambda t, a: a.tanh()),
    "sigmoid": (1, lambda t, a: a.sigmoid()),
    "exp": (1, lambda t, a: a.tanh().exp()),
    "log": (1, lambda t, a: (a.square() + 1).log()),
    "sqrt": (1, lambda t, a: (a * a + 0.5).sqrt()),
    "pow": (1, lambda t, a: a.tanh() ** 3),
    "relu": (1, lambda t, a: a.relu()),
    "abs": (1, lambda t, a: a.abs()),
    "clamp": (1, lambda t, a: a.clamp(-0.75, 0.75)),
    "softmax": (1, lambda t, a: a.softmax(1)),
    "logsumexp": (1, lambda t, a: a - a.logsumexp(1, keepdim=True)),
    "center": (1, lambda t, a: a - a.mean(0)),
    "scale": (1, lambda t, a: a / (1 + a.square().sum(1, keepdim=True))),
    "norm": (1, lambda t, a: a / (1 + a.norm())),
    "max": (1, lambda t, a: a - a.max(dim=1, keepdim=True)[0]),
    "prod": (1, lambda t, a: a * a.tanh().prod(0)),
    "cumsum": (1, lambda t, a: a.cumsum(0) / 3),
    "transpose": (1, lambda t, a: a.t()),
    "view": (1, lambda t, a: a.reshape(9).flip(0).view(3, 3)),
    "slice": (1, lambda t, a: a[:, 1:2] + a[0]),
    "index": (1, lambda t, a: a[[2, 0, 0]]),
    "gather": (1, lambda t, a: a.gather(1, t.tensor([[0, 0, 2], [1, 0, 1], [2, 2, 2]]))),
    "tril": (1, lambda t, a: a.tril() + a.triu(1).t()),
    "expand": (1, lambda t, a: a.diagonal().unsqueeze(1).expand(3, 3) * a),
    "sort": (1, lambda t, a: a.sort(dim=1)[0]),
    "unbind": (1, lambda t, a: t.stack([row * (k + 1) / 3 for k, row in enumerate(a.unbind(1))])),
    "in_place": (1, lambda t, a: a.clone().mul_(0.5).add_(1)),
    "row_in_place": (1, lambda t, a: _write_row(a.clone())),
    "masked_fill": (1, lambda t, a: a.masked_fill(t.eye(3).bool(), 0.1)),
    "std": (1, lambda t, a: a / (1 + a.std(1, keepdim=True))),
}


def _write_row(a: Any) -> Any:
    a[1] = a[0] * 0.5 + 1
    a[:, 2].mul_(-1)
    return a


def draw(seed: int, leaves: int = 3, length: int = 14) -> list[Step]:
    """Return a program: operators with the places of their operands, preferring recent values."""
    rng = random.Random(seed)
    steps: list[Step] = []
    for place in range(leaves, leaves + length):
        key = rng.choice(sorted(OPERATORS))
        arity = OPERATORS[key][0]
        operands = tuple(max(rng.randrange(place), rng.randrange(place)) for _ in range(arity))
        steps.append((key, operands))
    return steps


def start(torch: Any, seed: int, leaves: int = 3) -> list[Any]:
    """Return the leaves, with values of no special position (no ties, no zeros)."""
    rng = random.Random(1000 + seed)
    return [
        torch.tensor(
            [[rng.uniform(-1.5, 1.5) for _ in range(3)] for _ in range(3)], dtype=torch.float64
        ).requires_grad_()
        for _ in range(leaves)
    ]


def run_steps(torch: Any, steps: list[Step], leaves: list[Any]) -> list[Any]:
    """Return all values, the leaves first."""
    values = list(leaves)
    for key, operands in steps:
        values.append(OPERATORS[key][1](torch, *(values[place] for place in operands)))
    return values


@pytest.mark.parametrize("seed", range(60))
def test_first_and_second_gradients(seed: int) -> None:
    steps = draw(seed)

    def program(torch: Any) -> list[Any]:
        leaves = start(torch, seed)
        values = run_steps(torch, steps, leaves)
        loss = sum((0.5 + 0.1 * k) * v.sin().sum() for k, v in enumerate(values[-4:]))
        first = torch.autograd.grad(loss, leaves, create_graph=True, allow_unused=True)
        again = torch.autograd.grad(loss, leaves, retain_graph=True, allow_unused=True)
        total = sum((g * g).sum() for g in first if g is not None and g.requires_grad)
        second: Any = ()
        if isinstance(total, torch.Tensor):
            second = torch.autograd.grad(total, leaves, allow_unused=True)
        names = [name(v.grad_fn) for v in values]
        return [steps, *names, values[-1], loss, *first, *again, *second]

    both(program)


@pytest.mark.parametrize("seed", range(60, 90))
def test_accumulation_and_hooks(seed: int) -> None:
    steps = draw(seed, length=20)

    def program(torch: Any) -> list[Any]:
        leaves = start(torch, seed)
        values = run_steps(torch, steps, leaves)
        middle = values[len(values) // 2]
        seen: list[Any] = []
        if middle.grad_fn is not None:
            middle.retain_grad()
            middle.register_hook(lambda g: seen.append(g.clone()))
            middle.register_hook(lambda g: g * 2)
        (values[-1].sum() + values[-2].sum()).backward(retain_graph=True)
        once = [None if leaf.grad is None else leaf.grad.clone() for leaf in leaves]
        values[-1].backward(torch.ones(3, 3, dtype=torch.float64))
        return [steps, *seen, middle.grad, *once, *(leaf.grad for leaf in leaves)]

    both(program)


@pytest.mark.parametrize("seed", range(90, 110))
def test_float32(seed: int) -> None:
    steps = draw(seed, length=8)

    def program(torch: Any) -> list[Any]:
        leaves = [leaf.detach().float().requires_grad_() for leaf in start(torch, seed)]
        values = run_steps(torch, steps, leaves)
        values[-1].sum().backward()
        return [steps, values[-1], *(leaf.grad for leaf in leaves)]

    both(program)
