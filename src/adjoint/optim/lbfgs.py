"""L-BFGS: steps along the gradient times an inverse Hessian that past steps suggest.

In: a closure that computes the loss and its gradients anew.  Out: all parameters moved, as one
vector, by several iterations per step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.core.inplace import bump
from adjoint.core.tensor_base import make_tensor
from adjoint.optim.optimizer import Optimizer, ParamsT, check_learning_rate
from adjoint.optim.raw import axpy_for
from adjoint.optim.wolfe import strong_wolfe

__all__ = ["LBFGS"]

Array = Any


class LBFGS(Optimizer):
    """L-BFGS (Nocedal and Wright 2006, algorithm 7.5), one group of parameters only.

    Args: ``max_iter``: iterations per step; ``max_eval``: evaluations of the closure per step (5/4
    of the iterations); ``tolerance_grad``, ``tolerance_change``: when to stop; ``history_size``:
    past steps that are remembered; ``line_search_fn``: None (steps of the size ``lr``) or
    ``"strong_wolfe"``.
    Raises: ValueError for several groups.

    Example:
        >>> import adjoint as torch
        >>> w = torch.tensor([3.0], requires_grad=True)
        >>> optimizer = LBFGS([w], line_search_fn="strong_wolfe")
        >>> def closure():
        ...     optimizer.zero_grad()
        ...     loss = ((w - 1) ** 2).sum()
        ...     loss.backward()
        ...     return loss
        >>> _ = optimizer.step(closure)
        >>> w
        tensor([1.], requires_grad=True)
    """

    def __init__(
        self,
        params: ParamsT,
        lr: Any = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        check_learning_rate(lr)
        if max_eval is None:
            max_eval = max_iter * 5 // 4
        defaults = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, defaults)
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")

    # ---- all parameters as one vector ------------------------------------------------------------

    @property
    def _params(self) -> list[Any]:
        params: list[Any] = self.param_groups[0]["params"]
        return params

    def _gradient(self) -> Array:
        parts = []
        for p in self._params:
            grad = p.grad
            parts.append(
                np.zeros(p.numel(), p._desc.numpy)
                if grad is None
                else np.asarray(grad._array).reshape(-1)
            )
        return np.concatenate(parts)

    def _positions(self) -> list[Array]:
        return [np.array(p._array) for p in self._params]

    def _move(self, step: float, direction: Array) -> None:
        """Add ``step * direction`` to the parameters."""
        start = 0
        for p in self._params:
            memory = p._memory()
            end = start + memory.size
            flat = np.ascontiguousarray(memory).reshape(-1)
            if flat.size:
                axpy_for(flat.dtype)(direction[start:end], flat, flat.size, step)
            if not np.shares_memory(flat, memory):
                memory[...] = flat.reshape(memory.shape)
            bump(p)
            start = end

    def _restore(self, positions: list[Array]) -> None:
        for p, old in zip(self._params, positions):
            p._memory()[...] = old
            bump(p)

    # ---- the step --------------------------------------------------------------------------------

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Make up to ``max_iter`` iterations; return the loss before the first.

        Raises: TypeError without a closure.
        """
        if closure is None:
            raise TypeError("LBFGS.step() missing 1 required positional argument: 'closure'")
        group = self.param_groups[0]
        first = self._loss_of(closure)
        loss = float(first)
        state = self.state[self._params[0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        state["func_evals"] += 1
        grad = self._gradient()
        if abs(grad).max() <= group["tolerance_grad"]:
            return first
        run = _Run(self, closure, group, state, grad, loss)
        run.iterate()
        run.save()
        return first


class _Run:
    """The iterations of one step, with the history of the steps before."""

    def __init__(
        self,
        optimizer: LBFGS,
        closure: Callable[[], Any],
        group: dict[str, Any],
        state: dict[str, Any],
        grad: Array,
        loss: float,
    ) -> None:
        self.optimizer = optimizer
        self.closure = closure
        self.group = group
        self.state = state
        self.grad = grad
        self.loss = loss
        self.lr = float(group["lr"])
        self.direction = _raw(state.get("d"))
        self.t: float = state.get("t", 0)
        self.changes = [_raw(y) for y in state.get("old_dirs", ())]
        self.moves = [_raw(s) for s in state.get("old_stps", ())]
        self.ro = [_raw(r) for r in state.get("ro", ())]
        self.scale: Any = _raw(state.get("H_diag", 1))
        self.previous = _raw(state.get("prev_flat_grad"))
        self.previous_loss: Any = state.get("prev_loss")
        self.alphas: list[Any] | None = state.get("al")

    def save(self) -> None:
        """Put what the next step needs into the optimizer's state."""
        self.state["d"] = make_tensor(self.direction)
        self.state["t"] = self.t
        self.state["old_dirs"] = [make_tensor(y) for y in self.changes]
        self.state["old_stps"] = [make_tensor(s) for s in self.moves]
        self.state["ro"] = [make_tensor(r) for r in self.ro]
        scaled = not isinstance(self.scale, int)
        self.state["H_diag"] = make_tensor(self.scale) if scaled else self.scale
        self.state["prev_flat_grad"] = make_tensor(self.previous)
        self.state["prev_loss"] = self.previous_loss

    def evaluate(self) -> tuple[float, Array]:
        """The loss and the gradient where the parameters are."""
        loss = float(self.optimizer._loss_of(self.closure))
        return loss, self.optimizer._gradient()

    def iterate(self) -> None:
        """Iterate until a limit or a tolerance is reached."""
        group, state = self.group, self.state
        tolerance = group["tolerance_change"]
        evaluations = 1
        for iteration in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            if state["n_iter"] == 1:
                self.direction = -self.grad
                self.changes, self.moves, self.ro, self.scale = [], [], [], 1
            else:
                self.remember()
                self.direction = self.newton_direction()
            self.previous = self.grad.copy()
            self.previous_loss = self.loss
            self.t = self.lr
            if state["n_iter"] == 1:
                self.t = min(1.0, float(1.0 / abs(self.grad).sum())) * self.lr
            slope = self.grad.dot(self.direction)
            if slope > -tolerance:
                break
            used = self.advance(slope, iteration == group["max_iter"])
            evaluations += used
            state["func_evals"] += used
            if (
                iteration == group["max_iter"]
                or evaluations >= group["max_eval"]
                or abs(self.grad).max() <= group["tolerance_grad"]
                or abs(self.direction * self.grad.dtype.type(self.t)).max() <= tolerance
                or abs(self.loss - self.previous_loss) < tolerance
            ):
                break

    def advance(self, slope: Any, last: bool) -> int:
        """Move along the direction; return how often the closure was called."""
        optimizer, direction = self.optimizer, self.direction
        search = self.group["line_search_fn"]
        if search is None:
            optimizer._move(self.t, direction)
            if last:
                return 0
            self.loss, self.grad = self.evaluate()
            return 1
        if search != "strong_wolfe":
            raise RuntimeError("only 'strong_wolfe' is supported")
        start = optimizer._positions()

        def at(t: float) -> tuple[float, Array]:
            optimizer._move(t, direction)
            found = self.evaluate()
            optimizer._restore(start)
            return found

        self.loss, self.grad, self.t, used = strong_wolfe(
            at, self.t, direction, self.loss, self.grad, slope
        )
        optimizer._move(self.t, direction)
        return used

    def remember(self) -> None:
        """Add the last move and the change of the gradient to the history."""
        change = self.grad - self.previous
        move = self.direction * self.grad.dtype.type(self.t)
        product = change.dot(move)
        if product > 1e-10:
            if len(self.changes) == self.group["history_size"]:
                for row in (self.changes, self.moves, self.ro):
                    row.pop(0)
            self.changes.append(change)
            self.moves.append(move)
            self.ro.append(1.0 / product)
            self.scale = product / change.dot(change)

    def newton_direction(self) -> Array:
        """Minus the gradient times the inverse Hessian of the history: the two-loop recursion."""
        if self.alphas is None:
            self.alphas = self.state["al"] = [None] * self.group["history_size"]
        n = len(self.changes)
        axpy = axpy_for(self.grad.dtype)
        q = -self.grad
        alphas: list[Any] = [None] * n
        for i in reversed(range(n)):
            alphas[i] = self.moves[i].dot(q) * self.ro[i]
            axpy(self.changes[i], q, q.size, -alphas[i])
            self.alphas[i] = make_tensor(alphas[i])
        r = q * self.grad.dtype.type(self.scale)
        for i in range(n):
            beta = self.changes[i].dot(r) * self.ro[i]
            axpy(self.moves[i], r, r.size, alphas[i] - beta)
        return r


def _raw(value: Any) -> Any:
    return value._array if hasattr(value, "_array") else value
