"""Adamax, NAdam and RAdam: variants of Adam.  In: gradients.  Out: parameters, moved."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.core.tensor_base import make_tensor
from adjoint.optim.optimizer import (
    Optimizer,
    ParamsT,
    check_at_least_zero,
    check_betas,
    check_learning_rate,
    check_modes,
)
from adjoint.optim.raw import Slot, count_step

__all__ = ["Adamax", "NAdam", "RAdam"]


class Adamax(Optimizer):
    """Adam with the largest gradient in the place of the root of the average square.

    Args: as for `Adam`. Raises: ValueError for an option out of range.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: Any = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_learning_rate(lr)
        check_at_least_zero(epsilon=eps)
        check_betas(betas)
        check_at_least_zero(weight_decay=weight_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)
        check_modes(foreach, differentiable, None)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters; return what ``closure`` (the loss, computed anew) returned."""
        return self._for_each(closure, _update_max)


def _update_max(group: dict[str, Any], slot: Slot, grad: Any) -> None:
    beta1, beta2 = group["betas"]
    slot.fetch()
    g = slot.adjusted(slot.gradient(grad), group["maximize"], group["weight_decay"])
    step = count_step(slot.state)
    m, largest = slot.buffer("exp_avg"), slot.buffer("exp_inf")
    slot.approach(m, g, 1 - beta1)
    scratch = slot.scratch
    np.absolute(g, scratch)
    np.add(scratch, slot.constant(group["eps"]), scratch)
    np.multiply(largest, slot.constant(beta2), largest)
    np.maximum(largest, scratch, out=largest)
    rate = float(group["lr"]) / (1 - beta1**step)
    slot.add_quotient(m, largest, slot.changing(0, -rate))
    slot.commit()


class _Decoupling(Optimizer):
    """What NAdam and RAdam share: weight decay in two ways."""

    def _begin(self, group: dict[str, Any], slot: Slot, grad: Any) -> Any:
        slot.fetch()
        decay = group["weight_decay"]
        if decay and group["decoupled_weight_decay"]:
            np.multiply(slot.flat, slot.constant(1 - float(group["lr"]) * decay), slot.flat)
            slot.param._counter.value += 1
            decay = 0
        return slot.adjusted(slot.gradient(grad), group["maximize"], decay)


class NAdam(_Decoupling):
    """Adam with Nesterov momentum (Dozat 2016).

    Args: ``momentum_decay``: how fast the momentum rises; the rest as for `Adam`.
    Raises: ValueError for an option out of range.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: Any = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_learning_rate(lr)
        check_at_least_zero(epsilon=eps)
        check_betas(betas)
        check_at_least_zero(weight_decay=weight_decay, momentum_decay=momentum_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)
        check_modes(foreach, differentiable, None)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters; return what ``closure`` (the loss, computed anew) returned."""
        return self._for_each(closure, self._update)

    def _update(self, group: dict[str, Any], slot: Slot, grad: Any) -> None:
        beta1, beta2 = group["betas"]
        lr = float(group["lr"])
        g = self._begin(group, slot, grad)
        step = count_step(slot.state)
        product = slot.state.get("mu_product")
        if product is None:
            product = slot.state["mu_product"] = make_tensor(np.float32(1))
        m, v = slot.buffer("exp_avg"), slot.buffer("exp_avg_sq")
        mu = beta1 * (1.0 - 0.5 * (0.96 ** (step * group["momentum_decay"])))
        following = beta1 * (1.0 - 0.5 * (0.96 ** ((step + 1) * group["momentum_decay"])))
        product._array = np.float32(product._array * np.float32(mu))
        product._version_counter().value += 1
        passed = float(product._array)
        slot.approach(m, g, 1 - beta1)
        slot.average_square("exp_avg_sq", v, g, beta2)
        scratch = slot.scratch
        np.divide(v, slot.changing(0, 1 - beta2**step), scratch)
        np.sqrt(scratch, scratch)
        np.add(scratch, slot.constant(group["eps"]), scratch)
        slot.add_quotient(g, scratch, slot.changing(0, -lr * (1.0 - mu) / (1.0 - passed)))
        slot.param._counter.value += 1
        later = (-lr * following) / (1.0 - passed * following)
        slot.add_quotient(m, scratch, slot.changing(0, later))
        slot.commit()


class RAdam(_Decoupling):
    """Adam whose first steps are plain momentum, until the average square is reliable (Liu 2020).

    Args: as for `Adam`. Raises: ValueError for an option out of range.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: Any = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_learning_rate(lr)
        check_at_least_zero(epsilon=eps)
        check_betas(betas)
        check_at_least_zero(weight_decay=weight_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "decoupled_weight_decay": decoupled_weight_decay,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)
        check_modes(foreach, differentiable, None)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters; return what ``closure`` (the loss, computed anew) returned."""
        return self._for_each(closure, self._update)

    def _update(self, group: dict[str, Any], slot: Slot, grad: Any) -> None:
        beta1, beta2 = group["betas"]
        lr = float(group["lr"])
        g = self._begin(group, slot, grad)
        step = count_step(slot.state)
        m, v = slot.buffer("exp_avg"), slot.buffer("exp_avg_sq")
        slot.approach(m, g, 1 - beta1)
        slot.average_square("exp_avg_sq", v, g, beta2)
        correction2 = 1 - beta2**step
        limit = 2 / (1 - beta2) - 1
        length = limit - 2 * step * (beta2**step) / correction2
        scratch, delta = slot.scratch, slot.second_scratch()
        np.divide(m, slot.changing(0, 1 - beta1**step), delta)
        np.multiply(delta, slot.constant(lr), delta)
        if length > 5.0:
            np.sqrt(v, scratch)
            np.add(scratch, slot.constant(group["eps"]), scratch)
            np.divide(slot.changing(0, correction2**0.5), scratch, scratch)
            np.multiply(delta, scratch, delta)
            above = (length - 4) * (length - 2) * limit
            below = (limit - 4) * (limit - 2) * length
            np.multiply(delta, slot.changing(1, (above / below) ** 0.5), delta)
        np.subtract(slot.flat, delta, slot.flat)
        slot.commit()
