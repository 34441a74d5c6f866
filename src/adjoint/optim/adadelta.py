"""Adadelta.  In: gradients.  Out: parameters moved by steps of the size that they used to have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.optim.optimizer import (
    Optimizer,
    ParamsT,
    check_at_least_zero,
    check_learning_rate,
    check_modes,
)
from adjoint.optim.raw import Slot, count_step

__all__ = ["Adadelta"]


class Adadelta(Optimizer):
    """Adadelta (Zeiler 2012): gradients times the ratio of the sizes of past steps and gradients.

    Args: ``rho``: how slowly the averages follow; the rest as for `SGD`.
    Raises: ValueError for an option out of range.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: Any = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_learning_rate(lr)
        if not 0.0 <= rho <= 1.0:
            raise ValueError(f"Invalid rho value: {rho}")
        check_at_least_zero(epsilon=eps, weight_decay=weight_decay)
        defaults = {
            "lr": lr,
            "rho": rho,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "capturable": capturable,
            "foreach": foreach,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)
        check_modes(foreach, differentiable, None)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters; return what ``closure`` (the loss, computed anew) returned."""
        return self._for_each(closure, _update)


def _update(group: dict[str, Any], slot: Slot, grad: Any) -> None:
    rho, eps = group["rho"], slot.constant(group["eps"])
    slot.fetch()
    g = slot.adjusted(slot.gradient(grad), group["maximize"], group["weight_decay"])
    count_step(slot.state)
    square, moved = slot.buffer("square_avg"), slot.buffer("acc_delta")
    slot.average_square("square_avg", square, g, rho)
    scratch, delta = slot.scratch, slot.second_scratch()
    np.add(square, eps, scratch)
    np.sqrt(scratch, scratch)
    np.add(moved, eps, delta)
    np.sqrt(delta, delta)
    np.divide(delta, scratch, delta)
    np.multiply(delta, g, delta)
    slot.average_square("acc_delta", moved, delta, rho)
    slot.axpy(delta, slot.flat, slot.n, -float(group["lr"]))
    slot.commit()
