"""Adagrad.  In: gradients.  Out: parameters moved by them, over the root of all their squares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.core.tensor_base import make_tensor
from adjoint.optim.optimizer import (
    Optimizer,
    ParamsT,
    check_at_least_zero,
    check_learning_rate,
    check_modes,
)
from adjoint.optim.raw import Slot, count_step

__all__ = ["Adagrad"]


class Adagrad(Optimizer):
    """Adagrad (Duchi et al. 2011): ``param -= lr * grad / (sqrt(sum of squares) + eps)``.

    Args: ``lr_decay``: the rate is divided by ``1 + steps * lr_decay``;
    ``initial_accumulator_value``: what the sum starts from; the rest as for `SGD`.
    Raises: ValueError for a negative option.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: Any = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_learning_rate(lr)
        check_at_least_zero(
            lr_decay=lr_decay,
            weight_decay=weight_decay,
            initial_accumulator_value=initial_accumulator_value,
            epsilon=eps,
        )
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)
        check_modes(foreach, differentiable, fused)
        for group in self.param_groups:
            for p in group["params"]:
                raw = p._array
                total = np.full(raw.shape, initial_accumulator_value, raw.dtype)
                state = self.state[p]
                state["step"] = make_tensor(np.float32(0))
                state["sum"] = make_tensor(total)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters; return what ``closure`` (the loss, computed anew) returned."""
        return self._for_each(closure, _update)


def _update(group: dict[str, Any], slot: Slot, grad: Any) -> None:
    slot.fetch()
    g = slot.adjusted(slot.gradient(grad), group["maximize"], group["weight_decay"])
    step = count_step(slot.state)
    rate = float(group["lr"]) / (1 + (step - 1) * group["lr_decay"])
    total = slot.buffer("sum", group["initial_accumulator_value"])
    scratch = slot.scratch
    np.multiply(g, g, scratch)
    np.add(total, scratch, total)
    np.sqrt(total, scratch)
    np.add(scratch, slot.constant(group["eps"]), scratch)
    slot.add_quotient(g, scratch, slot.changing(0, -rate))
    slot.commit()
