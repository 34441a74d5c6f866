"""RMSprop.  In: gradients.  Out: parameters moved by them, divided by how large they used to be."""

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

__all__ = ["RMSprop"]


class RMSprop(Optimizer):
    """RMSprop (Hinton 2012): ``param -= lr * grad / (sqrt(v) + eps)``, v the average square.

    Args: ``alpha``: how slowly the average follows; ``centered``: divide by the standard deviation
    instead; ``momentum``: of the quotients; the rest as for `SGD`.
    Raises: ValueError for a negative option.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: Any = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_learning_rate(lr)
        check_at_least_zero(epsilon=eps, momentum=momentum, weight_decay=weight_decay, alpha=alpha)
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "capturable": capturable,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)
        check_modes(foreach, differentiable, None)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters; return what ``closure`` (the loss, computed anew) returned."""
        return self._for_each(closure, _update)


def _update(group: dict[str, Any], slot: Slot, grad: Any) -> None:
    alpha, lr, momentum = group["alpha"], float(group["lr"]), group["momentum"]
    slot.fetch()
    g = slot.adjusted(slot.gradient(grad), group["maximize"], group["weight_decay"])
    count_step(slot.state)
    square = slot.buffer("square_avg")
    buffer = slot.buffer("momentum_buffer") if momentum > 0 else None
    mean = slot.buffer("grad_avg") if group["centered"] else None
    slot.average_square("square_avg", square, g, alpha)
    scratch = slot.scratch
    if mean is not None:
        slot.approach(mean, g, 1 - alpha)
        np.multiply(mean, mean, scratch)
        np.subtract(square, scratch, scratch)
        np.sqrt(scratch, scratch)
    else:
        np.sqrt(square, scratch)
    np.add(scratch, slot.constant(group["eps"]), scratch)
    if buffer is not None:
        np.multiply(buffer, slot.constant(momentum), buffer)
        np.divide(g, scratch, scratch)
        np.add(buffer, scratch, buffer)
        slot.state["momentum_buffer"]._counter.value += 1
        slot.axpy(buffer, slot.flat, slot.n, -lr)
    else:
        slot.add_quotient(g, scratch, slot.changing(0, -lr))
    slot.commit()
