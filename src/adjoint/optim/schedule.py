"""The base of learning rate schedules.

In: an optimizer; `step` is called once per epoch (or batch).  Out: its groups' learning rates, set.
A schedule says how the rate follows from the one before (`get_lr`) and, where there is one, its
closed form (`_get_closed_form_lr`), for jumps to another epoch.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from adjoint.optim.optimizer import Optimizer

__all__ = ["LRScheduler", "per_group", "set_rate"]

ORDER_TEXT = (
    "Detected call of `lr_scheduler.step()` before `optimizer.step()`. In PyTorch 1.1.0 and "
    "later, you "
    "should call them in the opposite order: `optimizer.step()` before `lr_scheduler.step()`.  "
    "Failure "
    "to do this will result in PyTorch skipping the first value of the learning rate schedule."
)
EPOCH_TEXT = (
    "The epoch parameter in `scheduler.step()` was not necessary and is being deprecated where "
    "possible. Please use `scheduler.step()` to step the scheduler. During the deprecation, if "
    "epoch "
    "is different from None, the closed form is used instead of the new chainable form, where "
    "available."
)


def set_rate(group: dict[str, Any], rate: float) -> None:
    """Set a group's learning rate; a tensor keeps its identity."""
    if hasattr(group["lr"], "fill_"):
        group["lr"].fill_(rate)
    else:
        group["lr"] = rate


def per_group(optimizer: Optimizer, name: str, value: Any) -> list[Any]:
    """One value for each group, from one value or a list of them.

    Raises: ValueError if the list has another length.
    """
    count = len(optimizer.param_groups)
    if not isinstance(value, list | tuple):
        return [value] * count
    if len(value) != count:
        raise ValueError(
            f"{name} must have the same length as optimizer.param_groups. {name} has {len(value)} "
            f"values, param_groups has {count}."
        )
    return list(value)


class LRScheduler:
    """The base of all schedules.

    Args: ``last_epoch``: -1 to begin, or the epoch to go on from.
    Raises: TypeError if ``optimizer`` is none; KeyError if it cannot go on.
    """

    _get_lr_called_within_step: bool = False
    _is_initial: bool = False

    optimizer: Optimizer
    base_lrs: list[float]
    last_epoch: int

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")
        self.optimizer = optimizer
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                rate = group["lr"]
                group.setdefault("initial_lr", rate.clone() if hasattr(rate, "clone") else rate)
            elif "initial_lr" not in group:
                raise KeyError(
                    f"param 'initial_lr' is not specified in param_groups[{i}] when resuming "
                    "scheduler with last_epoch >= 0. (Load the optimizer's state first, or begin "
                    "with last_epoch=-1.)"
                )
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._initial_step()

    def _initial_step(self) -> None:
        """Set the first learning rates."""
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def _rates(self) -> list[Any]:
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """Return everything but the optimizer."""
        return {key: value for key, value in self.__dict__.items() if key != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a state that `state_dict` returned."""
        self.__dict__.update(state_dict)

    def get_last_lr(self) -> list[Any]:
        """Return the learning rates that were set last."""
        return self._last_lr

    def get_lr(self) -> list[Any]:
        """Return the learning rates of this epoch, computed from those that are set."""
        raise NotImplementedError

    def _warn_outside_step(self) -> None:
        if not self._get_lr_called_within_step:
            warnings.warn(
                "To get the last learning rate computed by the scheduler, please use "
                "`get_last_lr()`.",
                UserWarning,
                stacklevel=3,
            )

    def step(self, epoch: int | None = None) -> None:
        """Go to the next epoch, or (deprecated) to a given one, and set its learning rates."""
        if self._step_count == 1 and not getattr(self.optimizer, "_opt_called", True):
            warnings.warn(ORDER_TEXT, UserWarning, stacklevel=2)
        self._step_count += 1
        if epoch is not None:
            warnings.warn(EPOCH_TEXT, UserWarning, stacklevel=2)
        self._update_lr(epoch)

    def _update_lr(self, epoch: int | None = None) -> None:
        self._get_lr_called_within_step = True
        try:
            if epoch is None:
                self.last_epoch += 1
                values = self.get_lr()
            else:
                self.last_epoch = epoch
                closed: Callable[[], list[Any]] | None
                closed = getattr(self, "_get_closed_form_lr", None)
                values = self.get_lr() if closed is None else closed()
        finally:
            self._get_lr_called_within_step = False
        for group, rate in zip(self.optimizer.param_groups, values):
            set_rate(group, rate)
        self._last_lr = [rate.clone() if hasattr(rate, "clone") else rate for rate in self._rates()]
