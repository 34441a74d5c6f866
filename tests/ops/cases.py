"""What a row of the operator table is, and how the rule tests run one.

An `OpCase` names a primitive operator, arrays to try it on and a reference that computes the same
with NumPy or SciPy. The tests (test_forward, test_vjp, ...) are one function per rule over all
rows.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import adjoint
from adjoint.core.op import OPERATORS, Op

Array = Any
Reference = Callable[..., Any]


def _spread(rng: Any, low: float, high: float, n: int) -> Array:
    """Values that keep apart from each other, and from those of another seed."""
    step = (high - low) / max(n, 1)
    return rng.permutation(low + step * (np.arange(n) + rng.uniform(0.3, 0.7, n)))


# How values are drawn: no zeros, no ties, away from the edges where a derivative jumps.
DOMAINS: dict[str, Callable[[Any, int], Array]] = {
    "real": lambda rng, n: _spread(rng, 0.25, 1.9, n) * rng.choice([-1, 1], n),
    "positive": lambda rng, n: _spread(rng, 0.4, 2.6, n),
    "unit": lambda rng, n: _spread(rng, 0.15, 0.85, n) * rng.choice([-1, 1], n),
    "probability": lambda rng, n: _spread(rng, 0.12, 0.88, n),
    "above_one": lambda rng, n: _spread(rng, 1.3, 2.9, n),
    "fraction": lambda rng, n: rng.integers(-3, 4, n) + _spread(rng, 0.1, 0.4, n),
    "complex": lambda rng, n: _spread(rng, 0.3, 1.7, n) * np.exp(1j * rng.uniform(-3, 3, n)),
    "integer": lambda rng, n: rng.integers(-4, 5, n),
    "bool": lambda rng, n: rng.integers(0, 2, n).astype(bool),
}


@dataclass(frozen=True)
class Sample:
    """Operands (arrays or numbers) and parameters of one call."""

    operands: tuple[Any, ...]
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class OpCase:
    """One operator: ``samples`` to try, ``reference`` for its values (None: a reason in ``skip``).

    ``skip`` maps a rule ("forward", "vjp", "second_order", "versions") to why it does not apply.
    """

    op: str
    samples: Sequence[Sample]
    reference: Reference | None = None
    tolerance: float = 1e-6
    skip: Mapping[str, str] = field(default_factory=dict)

    @property
    def record(self) -> Op:
        """The operator."""
        return OPERATORS[self.op]


def values(shape: tuple[int, ...], domain: str = "real", seed: str = "") -> Array:
    """Return an array of a shape with values of a domain, the same every time."""
    rng = np.random.default_rng(zlib.crc32(f"{shape}{domain}{seed}".encode()))
    count = int(np.prod(shape))
    return np.asarray(DOMAINS[domain](rng, count)).reshape(shape)


def unary(
    op: str,
    reference: Reference,
    domain: str = "real",
    *,
    also: Sequence[str] = (),
    tolerance: float = 1e-6,
    skip: Mapping[str, str] | None = None,
    **params: Any,
) -> OpCase:
    """A row for a function of one operand, on arrays of several shapes and layouts."""
    samples = [
        Sample((values((2, 3), domain, op),), params),
        Sample((values((), domain, op),), params),
        Sample((values((4, 2), domain, op).T,), params),
        Sample((values((0, 2), domain, op),), params),
        *(Sample((values((3,), other, op),), params) for other in also),
    ]
    return OpCase(op, samples, reference, tolerance, skip or {})


def binary(
    op: str,
    reference: Reference,
    domain: str = "real",
    second: str | None = None,
    *,
    also: Sequence[str] = (),
    tolerance: float = 1e-6,
    skip: Mapping[str, str] | None = None,
    **params: Any,
) -> OpCase:
    """A row for a function of two operands that broadcast."""
    other = second or domain
    shapes: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...] = (
        *(((2, 3), (2, 3)), ((2, 3), (3,)), ((2, 1), (1, 3)), ((3,), ()), ((), ())),
        *(((2,), (3, 1, 2)), ((0, 2), (2,))),
    )
    samples = [Sample((values(a, domain, "a"), values(b, other, "b")), params) for a, b in shapes]
    samples += [Sample((values((3,), d, "a"), values((3,), d, "b")), params) for d in also]
    return OpCase(op, samples, reference, tolerance, skip or {})


def row(
    op: str,
    samples: Sequence[tuple[Any, ...]],
    reference: Reference | None,
    *,
    tolerance: float = 1e-6,
    skip: Mapping[str, str] | None = None,
) -> OpCase:
    """A row from tuples of operands; a dict in the last place holds the parameters."""
    made = [
        Sample(item[:-1], item[-1]) if isinstance(item[-1], dict) else Sample(item)
        for item in samples
    ]
    return OpCase(op, made, reference, tolerance, skip or {})


# ---- running -------------------------------------------------------------------------------------


def is_differentiable(case: OpCase, place: int, operand: Any) -> bool:
    """Whether the operator has a rule for this operand and the operand can carry a gradient."""
    op = case.record
    if not isinstance(operand, np.ndarray) or operand.dtype.kind not in "fc":
        return False
    if op.joint or op.variadic:
        return op.differentiable
    return op.rules[place] is not None if place < len(op.rules) else False


def tensors(case: OpCase, sample: Sample, grad: bool = True) -> list[Any]:
    """Return the operands as Tensors; those with a rule require grad."""
    made: list[Any] = []
    for place, operand in enumerate(sample.operands):
        if not isinstance(operand, np.ndarray):
            made.append(operand)
            continue
        tensor = adjoint.from_numpy(operand.copy())
        made.append(tensor.requires_grad_(grad and is_differentiable(case, place, operand)))
    return made


def call(case: OpCase, operands: Sequence[Any], sample: Sample) -> tuple[Any, ...]:
    """Return the operator's results as a tuple."""
    result = case.record.call(*operands, **sample.params)  # type: ignore[attr-defined]
    return result if isinstance(result, tuple) else (result,)


def floating(results: Sequence[Any]) -> list[Any]:
    """Return the results that can carry a gradient."""
    return [r for r in results if r.dtype.is_floating_point or r.dtype.is_complex]


def cotangents(results: Sequence[Any], seed: str = "g") -> list[Any]:
    """Return a fixed cotangent for each result."""
    made = []
    for place, result in enumerate(results):
        domain = "complex" if result.dtype.is_complex else "real"
        array = values(tuple(result.shape), domain, f"{seed}{place}")
        made.append(adjoint.from_numpy(array.astype(result.detach().numpy().dtype)))
    return made


def numeric_gradient(function: Callable[[], float], array: Array, step: float = 1e-6) -> Array:
    """Return d function / d array by central differences; for complex, d/d real + i d/d imag."""
    gradient = np.zeros_like(array)
    parts = (step, 1j * step) if array.dtype.kind == "c" else (step,)
    for place in np.ndindex(array.shape):
        kept = array[place]
        for part in parts:
            array[place] = kept + part
            above = function()
            array[place] = kept - part
            below = function()
            array[place] = kept
            gradient[place] += (above - below) / (2 * step) * (part / step)
    return gradient


def pairing(results: Sequence[Any], weights: Sequence[Any]) -> float:
    """Return the real part of the sum of conj(weight) * result."""
    total = 0.0
    for result, weight in zip(results, weights):
        total += float(np.real(np.sum(np.conj(weight.numpy()) * result.detach().numpy())))
    return total
