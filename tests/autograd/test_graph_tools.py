"""`autograd.graph`, anomaly detection, `autograd.functional`: numbers known by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import adjoint as torch
from adjoint.autograd import functional, graph


def test_packed_values_come_back() -> None:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    packed: list[Any] = []

    def pack(t: Any) -> Any:
        packed.append(t.tolist())
        return t.tolist()

    with graph.saved_tensors_hooks(pack, torch.tensor):
        y = x * x.exp()
    y.sum().backward()
    assert len(packed) == 3
    assert x.grad.tolist() == pytest.approx([2 * np.e, 3 * np.e**2], rel=1e-6)


def test_only_the_innermost_hooks_act() -> None:
    x = torch.ones(2, requires_grad=True)
    seen: list[str] = []

    def hooks(label: str) -> Any:
        return graph.saved_tensors_hooks(lambda t: seen.append(label) or t, lambda t: t)

    with hooks("outer"):
        x.exp()
        with hooks("inner"):
            x.exp()
        x.exp()
    x.exp()
    assert seen == ["outer", "inner", "outer"]


def test_hooks_can_be_forbidden() -> None:
    with graph.disable_saved_tensors_hooks("not here"):
        hooks = graph.saved_tensors_hooks(lambda t: t, lambda t: t)
        with pytest.raises(RuntimeError, match="not here"):
            hooks.__enter__()
    with hooks:
        assert torch.ones(1, requires_grad=True).exp().requires_grad


def test_saved_tensors_may_be_overwritten_in_the_block() -> None:
    with graph.allow_mutation_on_saved_tensors():
        x = torch.tensor([1.0, 2.0], requires_grad=True)
        y = x * 1
        z = (y * y).sum()
        y.zero_()
        z.backward()
    assert x.grad.tolist() == [2.0, 4.0]


def test_multi_grad_hook_waits_for_all() -> None:
    a, b, c = (torch.ones(2, requires_grad=True) for _ in range(3))
    calls: list[Any] = []
    handle = graph.register_multi_grad_hook((a, b, c), calls.append)
    (a * 2 + b * 3).sum().backward()
    assert [None if g is None else g.tolist() for g in calls[0]] == [[2.0, 2.0], [3.0, 3.0], None]
    handle.remove()
    (a + b + c).sum().backward()
    assert len(calls) == 1


def test_gradient_edges_stand_for_tensors() -> None:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 3
    edge = graph.get_gradient_edge(y)
    assert edge.node is y.grad_fn
    (g,) = torch.autograd.grad((y * y).sum(), edge)
    assert g.tolist() == [6.0, 12.0]
    with pytest.raises(RuntimeError, match="does not require gradients"):
        graph.get_gradient_edge(torch.ones(1))


def test_nodes_show_what_they_saved() -> None:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    w = torch.tensor([3.0, 4.0])
    node = (x * w).grad_fn
    assert node._saved_other is w
    assert node._saved_self is None
    assert {"_saved_self", "_raw_saved_other"} <= set(dir(node))
    node._raw_saved_other.register_hooks(lambda t: t * 10, lambda t: t)
    assert node(torch.ones(2))[0].tolist() == [30.0, 40.0]
    with pytest.raises(RuntimeError, match="value None is forbidden"):
        node._raw_saved_self.register_hooks(lambda t: t, lambda t: t)


def test_a_nan_gradient_names_the_operation_and_its_line() -> None:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    with pytest.warns(UserWarning, match="Anomaly Detection has been enabled"):
        context = torch.autograd.detect_anomaly()
    with context:
        y = (x * 0).sqrt() * 0  # the line to be named
        with (
            pytest.warns(UserWarning, match="the line to be named"),
            pytest.raises(RuntimeError, match="Function 'SqrtBackward0' returned nan values"),
        ):
            y.sum().backward()
    assert not torch.is_anomaly_enabled()


def test_set_detect_anomaly_acts_at_once() -> None:
    torch.autograd.set_detect_anomaly(True)
    assert torch.is_anomaly_enabled()
    torch.autograd.set_detect_anomaly(False)
    assert not torch.is_anomaly_enabled()


def f(x: Any) -> Any:
    """A function with a full Jacobian."""
    return (x * x).sum() * x.exp() + x.prod()


def finite_differences(function: Any, x: Any, step: float = 1e-6) -> Any:
    """The Jacobian of ``function`` at ``x``, column by column."""
    columns = []
    for k in range(x.numel()):
        plus, minus = x.clone(), x.clone()
        plus[k] += step
        minus[k] -= step
        columns.append((function(plus) - function(minus)).numpy() / (2 * step))
    return np.stack(columns, -1)


POINT = [0.3, -0.7, 1.2]


@pytest.mark.parametrize("strategy", ["reverse-mode", "forward-mode"])
def test_jacobian_against_finite_differences(strategy: str) -> None:
    x = torch.tensor(POINT, dtype=torch.float64)
    found = functional.jacobian(f, x, vectorize=True, strategy=strategy)
    assert np.allclose(found.numpy(), finite_differences(f, x), atol=1e-8)


def test_hessian_against_finite_differences() -> None:
    x = torch.tensor(POINT, dtype=torch.float64)

    def scalar(x: Any) -> Any:
        return f(x).sin().sum()

    def gradient(x: Any) -> Any:
        return functional.jacobian(scalar, x)

    hessian = functional.hessian(scalar, x).numpy()
    assert np.allclose(hessian, finite_differences(gradient, x), atol=1e-7)
    assert np.allclose(hessian, hessian.T, atol=1e-12)
    v = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    for product in (functional.hvp, functional.vhp):
        value, found = product(scalar, x, v)
        assert value.item() == pytest.approx(scalar(x).item())
        assert np.allclose(found.numpy(), hessian @ v.numpy(), atol=1e-12)


def test_vjp_and_jvp_are_transposed() -> None:
    x = torch.tensor(POINT, dtype=torch.float64)
    g = torch.tensor([0.2, 1.0, -1.0], dtype=torch.float64)
    t = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    _, pulled = functional.vjp(f, x, g)
    _, pushed = functional.jvp(f, x, t)
    assert (pulled * t).sum().item() == pytest.approx((g * pushed).sum().item())


def test_nesting_follows_inputs_and_outputs() -> None:
    x, y = torch.ones(2), torch.ones(3)
    found = functional.jacobian(lambda a, b: (a.sum() * b, a), (x, y))
    assert [[m.shape for m in row] for row in found] == [[(3, 2), (3, 3)], [(2, 2), (2, 3)]]


def test_strict_refuses_independence() -> None:
    x, y = torch.ones(2), torch.ones(2)
    with pytest.raises(RuntimeError, match=r"Output 0 .* is independent of input 1"):
        functional.jacobian(lambda a, b: a * 2, (x, y), strict=True)
    with pytest.raises(RuntimeError, match="While computing the hessian"):
        functional.hessian(lambda a: a.sum(), x, strict=True)


def test_results_are_differentiable_on_demand() -> None:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    assert not functional.jacobian(lambda a: a**3, x).requires_grad
    functional.jacobian(lambda a: a**3, x, create_graph=True).sum().backward()
    assert x.grad.tolist() == [6.0, 12.0]
