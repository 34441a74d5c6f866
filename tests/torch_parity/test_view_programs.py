"""Random programs of views, writes and reads in both libraries, down to versions and names."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings

from tests.property.view_programs import ALL_VIEWS, WRITES, Step, fits, programs, view_of, write
from tests.torch_parity.harness import Raised, both, name, raises


def observe(torch: Any, steps: list[Step], kind_of_base: str, square: bool) -> list[Any]:
    """Run the steps; return errors on the way, the state of every tensor, the gradients."""
    leaf = (torch.arange(9.0, dtype=torch.float64) * 0.3125 - 1).reshape(3, 3).clone()
    w = torch.tensor(0.75, dtype=torch.float64, requires_grad=True)
    base = leaf if kind_of_base == "plain" else leaf.requires_grad_()
    if kind_of_base == "result":
        base = leaf * 1
    tensors, reads, observed = [base], [], []
    for kind, a, b, c in steps:
        t = tensors[a % len(tensors)]
        if kind < 5:
            made: list[Any] = []
            error = raises(
                lambda: made.append(view_of(t, ALL_VIEWS[(b + c) % 15], b, c, torch.no_grad))  # noqa: B023
            )
            observed.append(error)
            tensors += [v for v in made if v is not None]
        elif kind < 10:
            which = WRITES[c % len(WRITES)]
            other = tensors[b % len(tensors)]
            if which in ("copy", "add_other") and not fits(tuple(other.shape), tuple(t.shape)):
                continue
            if which == "zero" and any(s == 0 and n > 1 for s, n in zip(t.stride(), t.shape)):
                continue  # PyTorch writes, but its backward then fails
            observed.append(raises(lambda: write(t, which, w, other, b, c)))  # noqa: B023
            for view in tensors:
                # PyTorch gives a view its new history when asked for it, and refuses some writes
                # before: ask, so that both libraries are in the same state.
                raises(lambda view=view: view.grad_fn)
        else:
            error = raises(lambda: reads.append(t * t if square else t * (1.0 + c)))  # noqa: B023
            observed.append(error)
    for t in tensors:
        observed += state(t)
    for k, t in enumerate(tensors):
        observed.append(raises(lambda: reads.append(t * (1.0 + k))))  # noqa: B023
    loss = sum(r.sum() for r in reads)
    if isinstance(loss, torch.Tensor) and loss.requires_grad:
        inputs = [w, leaf] if leaf.requires_grad else [w]
        found: list[Any] = []
        error = raises(lambda: found.extend(torch.autograd.grad(loss, inputs, allow_unused=True)))
        observed += [error, *found]
    return observed


def state(t: Any) -> list[Any]:
    """Return all that is visible of a tensor without changing it."""
    names: list[Any] = []
    error: Raised = raises(lambda: names.append((name(t.grad_fn), t.requires_grad, t.is_leaf)))
    return [t.detach().clone(), t._version, t._is_view(), error, *names]


@settings(max_examples=150, deadline=None)
@given(programs())
def test_views_of_result(steps: list[Step]) -> None:
    both(lambda torch: observe(torch, steps, "result", False))


@settings(max_examples=80, deadline=None)
@given(programs())
def test_views_of_plain(steps: list[Step]) -> None:
    both(lambda torch: observe(torch, steps, "plain", False))


@settings(max_examples=60, deadline=None)
@given(programs())
def test_views_of_leaf(steps: list[Step]) -> None:
    both(lambda torch: observe(torch, steps, "leaf", False))


@settings(max_examples=80, deadline=None)
@given(programs())
def test_saved_values(steps: list[Step]) -> None:
    both(lambda torch: observe(torch, steps, "result", True))
