"""Schedules: their formulae, their combination, and what they refuse."""

from __future__ import annotations

import math
from typing import Any

import pytest

import adjoint as torch
from adjoint import optim
from adjoint.optim import lr_scheduler as schedules


def _optimizer(lr: float = 0.1) -> Any:
    return optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=lr, momentum=0.9)


def _rates(make: Any, count: int = 8) -> list[float]:
    optimizer = _optimizer()
    schedule = make(optimizer)
    rates = []
    for _ in range(count):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return rates


FORMULAE: dict[str, tuple[Any, Any]] = {
    "step": (lambda o: schedules.StepLR(o, 3, 0.5), lambda e: 0.1 * 0.5 ** (e // 3)),
    "multi": (
        lambda o: schedules.MultiStepLR(o, [2, 5], 0.5),
        lambda e: 0.1 * 0.5 ** ((e >= 2) + (e >= 5)),
    ),
    "exponential": (lambda o: schedules.ExponentialLR(o, 0.9), lambda e: 0.1 * 0.9**e),
    "function": (lambda o: schedules.LambdaLR(o, lambda e: 1 / (e + 1)), lambda e: 0.1 / (e + 1)),
    "cosine": (
        lambda o: schedules.CosineAnnealingLR(o, 5, 0.01),
        lambda e: 0.01 + 0.09 * (1 + math.cos(math.pi * e / 5)) / 2,
    ),
    "linear": (
        lambda o: schedules.LinearLR(o, 0.5, 1.0, 4),
        lambda e: 0.1 * (0.5 + 0.5 * min(e, 4) / 4),
    ),
    "polynomial": (
        lambda o: schedules.PolynomialLR(o, 6, 2.0),
        lambda e: 0.1 * (1 - min(e, 6) / 6) ** 2,
    ),
    "constant": (lambda o: schedules.ConstantLR(o, 0.5, 3), lambda e: 0.1 * (0.5 if e < 3 else 1)),
}


@pytest.mark.parametrize("name", FORMULAE)
def test_is_the_formula(name: str) -> None:
    make, formula = FORMULAE[name]
    assert _rates(make) == pytest.approx([formula(epoch) for epoch in range(8)], abs=1e-12)


def test_one_cycle_rises_and_falls_with_the_momentum_against_it() -> None:
    optimizer = _optimizer()
    schedule = schedules.OneCycleLR(optimizer, 0.5, total_steps=10)
    rates, momenta = [], []
    for _ in range(10):
        rates.append(optimizer.param_groups[0]["lr"])
        momenta.append(optimizer.param_groups[0]["momentum"])
        optimizer.step()
        if len(rates) < 10:
            schedule.step()
    top = rates.index(max(rates))
    assert max(rates) == pytest.approx(0.5)
    assert momenta.index(min(momenta)) == top
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)


def test_plateau_waits_for_its_patience() -> None:
    optimizer = _optimizer()
    schedule = schedules.ReduceLROnPlateau(optimizer, patience=2, factor=0.5)
    seen = []
    for metric in (3.0, 2.0, 2.0, 2.0, 2.0, 1.0, 1.0):
        schedule.step(metric)
        seen.append(optimizer.param_groups[0]["lr"])
    assert seen == [0.1, 0.1, 0.1, 0.1, 0.05, 0.05, 0.05]


def test_a_sequence_changes_at_its_milestones() -> None:
    def make(o: Any) -> Any:
        warm = schedules.ConstantLR(o, 0.1, 10)
        return schedules.SequentialLR(o, [warm, schedules.ExponentialLR(o, 0.5)], [2])

    assert _rates(make, 5) == pytest.approx([0.01, 0.01, 0.1, 0.05, 0.025])


def test_a_state_can_be_taken_up() -> None:
    optimizer = _optimizer()
    schedule = schedules.StepLR(optimizer, 2)
    for _ in range(3):
        optimizer.step()
        schedule.step()
    other = _optimizer()
    again = schedules.StepLR(other, 99)
    other.load_state_dict(optimizer.state_dict())
    again.load_state_dict(schedule.state_dict())
    other.step()
    again.step()
    assert other.param_groups[0]["lr"] == pytest.approx(0.001)


def test_wrong_order_is_noticed() -> None:
    schedule = schedules.StepLR(_optimizer(), 2)
    with pytest.warns(UserWarning, match=r"`lr_scheduler.step\(\)` before `optimizer.step\(\)`"):
        schedule.step()


def test_what_is_refused() -> None:
    with pytest.raises(TypeError, match="int is not an Optimizer"):
        schedules.StepLR(3, 2)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"Expected 1 lr_lambdas, but got 2"):
        schedules.LambdaLR(_optimizer(), [abs, abs])
    with pytest.raises(KeyError, match="initial_lr"):
        schedules.StepLR(_optimizer(), 2, last_epoch=3)
