"""Adam and AdamW.  In: gradients.  Out: parameters moved by running averages of them.

The order of the operations on the arrays is PyTorch's, so that the numbers are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.array.kernels import compiled
from adjoint.core.tensor_base import TensorBase
from adjoint.optim.optimizer import (
    Optimizer,
    ParamsT,
    check_at_least_zero,
    check_betas,
    check_learning_rate,
    check_modes,
)
from adjoint.optim.raw import Slot, add_quotient, approach, average_square, count_step

__all__ = ["Adam", "AdamW"]


class Adam(Optimizer):
    """Adam (Kingma and Ba 2015): steps of the size ``lr`` along ``mean(grad) / rms(grad)``.

    Args: ``betas``: how slowly the two averages follow; ``eps``: added to the denominator;
    ``weight_decay``: the factor of the parameter that is added to its gradient, or
    (``decoupled_weight_decay``) by which it shrinks; ``amsgrad``: divide by the largest average so
    far; ``maximize``: go uphill; ``foreach``, ``capturable`` and ``fused`` change nothing.
    Raises: ValueError for an option out of range.

    Example:
        >>> import adjoint as torch
        >>> w = torch.tensor([1.0], requires_grad=True)
        >>> optimizer = Adam([w], lr=0.5)
        >>> (w * w).sum().backward(); optimizer.step(); w
        tensor([0.5000], requires_grad=True)
    """

    def __init__(
        self,
        params: ParamsT,
        lr: Any = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        check_learning_rate(lr)
        if isinstance(lr, TensorBase) and foreach and not capturable:
            raise ValueError(
                "lr as a Tensor is not supported for capturable=False and foreach=True"
            )
        check_at_least_zero(epsilon=eps)
        check_betas(betas)
        check_at_least_zero(weight_decay=weight_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)
        check_modes(foreach, differentiable, fused)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            for name in ("amsgrad", "maximize", "capturable", "decoupled_weight_decay"):
                group.setdefault(name, False)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters; return what ``closure`` (the loss, computed anew) returned."""
        return self._for_each(closure, _update)


def _update(group: dict[str, Any], slot: Slot, grad: Any) -> None:
    """One parameter.

    ``m += (1 - beta1) (g - m)``; ``v = beta2 v + (1 - beta2) g g``;
    ``p -= lr / (1 - beta1^t) m / (sqrt(v) / sqrt(1 - beta2^t) + eps)``.
    """
    beta1, beta2 = float(group["betas"][0]), float(group["betas"][1])
    lr, decay = float(group["lr"]), group["weight_decay"]
    slot.fetch()
    g = slot.gradient(grad)
    param = slot.flat
    step = count_step(slot.state)
    m, v = slot.buffer("exp_avg"), slot.buffer("exp_avg_sq")
    coupled = not group["decoupled_weight_decay"]
    if decay and not coupled:
        np.multiply(param, slot.constant(1 - lr * decay), param)
        slot.param._counter.value += 1
    g = slot.adjusted(g, group["maximize"], decay if coupled else 0)
    largest = slot.buffer("max_exp_avg_sq") if group["amsgrad"] else None
    numbers = (1 - beta1, beta2, 1 - beta2, (1 - beta2**step) ** 0.5, -(lr / (1 - beta1**step)))
    updates = None if largest is not None else compiled.updates()
    if updates is None or not updates.adam(
        g, param, m, v, *numbers, group["eps"], compiled.threads_of_step(slot.n)
    ):
        _move(slot, g, m, v, largest, *numbers, group["eps"])
    slot.state["exp_avg_sq"]._counter.value += 1
    slot.commit()


def _move(
    slot: Slot,
    g: Any,
    m: Any,
    v: Any,
    largest: Any,
    part: float,
    beta2: float,
    rest: float,
    correction: float,
    factor: float,
    eps: float,
) -> None:
    """The arithmetic on arrays; array/native/updates.c has the same."""
    axpy, kept, new, added = slot.axpy, *map(slot.constant, (beta2, rest, eps))
    divisor, scale = slot.changing(0, correction), slot.changing(1, factor)

    def move(param: Any, g: Any, m: Any, v: Any, most: Any, scratch: Any, other: Any) -> None:
        approach(axpy, m, g, part, scratch)
        average_square(v, g, kept, new, scratch)
        if largest is not None:
            np.maximum(most, v, out=most)
        np.sqrt(most, scratch)
        np.divide(scratch, divisor, scratch)
        np.add(scratch, added, scratch)
        add_quotient(param, m, scratch, scale, other)

    slot.in_pieces(move, slot.flat, g, m, v, v if largest is None else largest)


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019); arguments as for `Adam`."""

    def __init__(
        self,
        params: ParamsT,
        lr: Any = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
        )

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True
