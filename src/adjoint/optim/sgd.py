"""Stochastic gradient descent, with momentum.  In: gradients.  Out: parameters moved downhill."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.array.kernels import compiled
from adjoint.optim.optimizer import Optimizer, ParamsT, check_learning_rate, check_modes
from adjoint.optim.raw import Slot

__all__ = ["SGD"]

_add, _multiply = np.add, np.multiply


class SGD(Optimizer):
    """Stochastic gradient descent, optionally with (Nesterov) momentum.

    ``buf = momentum * buf + (1 - dampening) * grad``; ``param -= lr * buf``.

    Args: ``weight_decay``: the factor of the parameter that is added to its gradient; ``maximize``:
    go uphill; ``foreach`` and ``fused`` are accepted and change nothing.
    Raises: ValueError for a negative option, or Nesterov without momentum or with dampening.

    Example:
        >>> import adjoint as torch
        >>> w = torch.tensor([1.0], requires_grad=True)
        >>> optimizer = SGD([w], lr=0.5)
        >>> (w * w).sum().backward(); optimizer.step(); w
        tensor([0.], requires_grad=True)
    """

    def __init__(
        self,
        params: ParamsT,
        lr: Any = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: Any = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_learning_rate(lr)
        if momentum < 0.0:
            raise ValueError(f"Invalid momentum value: {momentum}")
        if weight_decay < 0.0:
            raise ValueError(f"Invalid weight_decay value: {weight_decay}")
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)
        check_modes(foreach, differentiable, fused)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters; return what ``closure`` (the loss, computed anew) returned."""
        loss = None if closure is None else self._loss_of(closure)
        slots = self._slots
        table = slots.begin(self.state)
        updates = compiled.updates()
        for group in self.param_groups:
            down = -float(group["lr"])
            momentum = group["momentum"]
            unusual = (
                group["weight_decay"]
                or group["maximize"]
                or group["nesterov"]
                or group["dampening"]
            )
            for param in group["params"]:
                edge = param._edge
                grad = edge.grad if edge is not None and edge.leaf else param.grad
                if grad is None:
                    continue
                slot = table.get(id(param))
                if slot is None or slot.array is not param._array or slot.param is not param:
                    slot = slots.of(param)
                if momentum and slot.state is None:
                    slots.bind(slot, self.state)
                if unusual or slot.copied:
                    _update(group, slot, grad, down)
                    continue
                g = grad._array
                if not momentum:
                    slot.axpy(g.reshape(-1), slot.flat, slot.n, down)
                    param._counter.value += 1
                    continue
                buffer = slot.state.get("momentum_buffer")
                kept = slot.buffers.get("momentum_buffer")
                if buffer is None or kept is None or kept[0] is not buffer._array:
                    _update(group, slot, grad, down)
                    continue
                raw, flat = kept
                if updates is not None and updates.momentum(
                    g, slot.array, raw, momentum, down, compiled.threads_of_step(slot.n)
                ):
                    buffer._counter.value += 2
                    param._counter.value += 1
                    continue
                constant = slot.constants.get(momentum)
                _multiply(raw, slot.constant(momentum) if constant is None else constant, raw)
                _add(raw, g, raw)
                buffer._counter.value += 2
                slot.axpy(flat, slot.flat, slot.n, down)
                param._counter.value += 1
        return loss


def _update(group: dict[str, Any], slot: Slot, grad: Any, down: float) -> None:
    """One parameter with every option; `SGD.step` has the usual ones in line."""
    slot.fetch()
    momentum, decay = group["momentum"], float(group["weight_decay"])
    g = slot.gradient(grad)
    if group["maximize"] or decay or group["nesterov"]:
        scratch = slot.scratch
        if group["maximize"]:
            np.negative(g, scratch)
        else:
            np.copyto(scratch, g)
        if decay:
            slot.axpy(slot.flat, scratch, slot.n, decay)
        g = scratch
    if momentum:
        state = slot.state
        if state.get("momentum_buffer") is None:
            buffer = slot.buffer("momentum_buffer")
            np.copyto(buffer, g)
            state["momentum_buffer"]._counter.value = 0
        else:
            buffer = slot.buffer("momentum_buffer")
            _multiply(buffer, slot.constant(momentum), buffer)
            slot.axpy(g, buffer, slot.n, 1 - group["dampening"])
            state["momentum_buffer"]._counter.value += 1
        if group["nesterov"]:
            slot.axpy(buffer, g, slot.n, momentum)
        else:
            g = buffer
    slot.axpy(g, slot.flat, slot.n, down)
    slot.commit()
