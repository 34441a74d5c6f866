"""`backward` and `grad`: values, accumulation, what is freed, what is refused."""

from __future__ import annotations

import math

import pytest

import adjoint as torch
from adjoint import Tensor


def leaf(*values: float) -> Tensor:
    """A float64 leaf that requires grad."""
    return torch.tensor(list(values), dtype=torch.float64, requires_grad=True)


def test_gradients_add_up_in_place() -> None:
    x = leaf(1.0, 2.0)
    (x * 2).sum().backward()
    first = x.grad
    (x * 3).sum().backward()
    assert x.grad is first
    assert x.grad.tolist() == [5.0, 5.0]


def test_create_graph_accumulates_into_a_new_tensor() -> None:
    x = leaf(1.0, 2.0)
    (x * x).sum().backward()
    first = x.grad
    (x * x).sum().backward(create_graph=True)
    assert x.grad is not first
    assert first.tolist() == [2.0, 4.0]
    assert x.grad.requires_grad


def test_a_diamond_sums_its_branches() -> None:
    x = leaf(0.5)
    a = x * 3
    (a.exp() * a.sin() + a).backward()
    u = 1.5
    assert x.grad.item() == pytest.approx(3 * (math.exp(u) * (math.sin(u) + math.cos(u)) + 1))


def test_second_backward_says_what_was_freed() -> None:
    x = leaf(1.0)
    y = x.exp()
    y.backward()
    with pytest.raises(RuntimeError, match="Trying to backward through the graph a second time"):
        y.backward()
    with pytest.raises(RuntimeError, match="ExpBackward0"):
        y.backward()
    assert x.grad.item() == pytest.approx(math.e)


def test_retain_graph_allows_a_second_backward() -> None:
    x = leaf(3.0)
    y = x * x
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.item() == 12.0


def test_nothing_is_freed_where_nothing_was_saved() -> None:
    x = leaf(3.0)
    y = x + 1
    y.backward()
    y.backward()
    assert x.grad.item() == 2.0


@pytest.mark.parametrize("shape", [(2,), (2, 2), (0,)])
def test_only_single_elements_need_no_gradient(shape: tuple[int, ...]) -> None:
    y = torch.ones(*shape, requires_grad=True) * 2
    with pytest.raises(
        RuntimeError, match="grad can be implicitly created only for scalar outputs"
    ):
        y.backward()


def test_without_a_graph_the_message_says_so() -> None:
    with pytest.raises(RuntimeError, match="element 0 of tensors does not require grad"):
        torch.ones(()).backward()


def test_a_failed_backward_leaves_gradients_alone() -> None:
    x = leaf(1.0, 2.0)
    a = x * 2
    b = a * a
    a.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation") as caught:
        b.sum().backward()
    assert x.grad is None
    assert "test_backward.py" in str(caught.value), "the overwriting line is named"


def test_gradient_is_never_the_array_that_was_given() -> None:
    x = leaf(1.0, 2.0)
    v = torch.tensor([5.0, 6.0], dtype=torch.float64)
    x.backward(v)
    v.add_(100)
    assert x.grad.tolist() == [5.0, 6.0]


def test_two_leaves_never_share_a_gradient() -> None:
    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0)
    (x + y).sum().backward()
    x.grad.mul_(10)
    assert y.grad.tolist() == [1.0, 1.0]


def test_broadcast_operands_get_gradients_of_their_shape() -> None:
    x = torch.ones(3, 1, requires_grad=True)
    y = torch.full((1, 4), 2.0, requires_grad=True)
    s = torch.tensor(3.0, requires_grad=True)
    (x * y + s).sum().backward()
    assert (x.grad.shape, y.grad.shape, s.grad.shape) == ((3, 1), (1, 4), ())
    assert x.grad.tolist() == [[8.0]] * 3
    assert y.grad.tolist() == [[3.0] * 4]
    assert s.grad.item() == 12.0


def test_gradient_has_the_dtype_of_its_leaf() -> None:
    x = torch.ones(2, requires_grad=True)
    w = torch.ones(2, dtype=torch.float64, requires_grad=True)
    (x * w).sum().backward()
    assert x.grad.dtype is torch.float32
    assert w.grad.dtype is torch.float64


def test_inputs_restrict_where_gradients_go() -> None:
    x, w = leaf(2.0), leaf(3.0)
    (x * w).sum().backward(inputs=[x])
    assert x.grad.item() == 3.0
    assert w.grad is None


def test_grad_leaves_dot_grad_alone() -> None:
    x = leaf(2.0)
    (g,) = torch.autograd.grad(x**3, x)
    assert g.item() == 12.0
    assert x.grad is None


def test_grad_of_unused_inputs() -> None:
    x, unused = leaf(2.0), leaf(1.0, 1.0)
    y = x * x
    with pytest.raises(RuntimeError, match="appears to not have been used in the graph"):
        torch.autograd.grad(y, [x, unused], retain_graph=True)
    found = torch.autograd.grad(y, [x, unused], allow_unused=True, retain_graph=True)
    assert found[1] is None
    found = torch.autograd.grad(y, [x, unused], materialize_grads=True)
    assert found[1].tolist() == [0.0, 0.0]


def test_derivatives_of_a_power_to_the_end() -> None:
    x = leaf(2.0)
    y = (x**4).sum()
    found = []
    while y.requires_grad:
        (g,) = torch.autograd.grad(y, x, create_graph=True)
        found.append(g.item())
        y = g.sum()
    assert found == [32.0, 48.0, 48.0, 24.0, 0.0][: len(found)]
    assert len(found) >= 4


def test_mixed_second_derivatives() -> None:
    x1, x2 = leaf(3.0), leaf(1.0)
    y = (x1**2 + x2**2 + x1 * x2).sum()
    d1, d2 = torch.autograd.grad(y, (x1, x2), create_graph=True)
    assert (d1.item(), d2.item()) == (7.0, 5.0)
    assert [g.item() for g in torch.autograd.grad(d1, (x1, x2), retain_graph=True)] == [2.0, 1.0]
    assert [g.item() for g in torch.autograd.grad(d2, (x1, x2))] == [1.0, 2.0]


def test_gradient_of_non_leaf() -> None:
    x = leaf(1.0, 2.0)
    y = x * 3
    z = (y * y).sum()
    g, h = torch.autograd.grad(z, [y, x])
    assert g.tolist() == [6.0, 12.0]
    assert h.tolist() == [18.0, 36.0]


def test_frozen_leaf_keeps_no_gradient() -> None:
    x, w = leaf(1.0), leaf(2.0)
    y = x * w
    w.requires_grad_(False)
    y.sum().backward()
    assert x.grad.item() == 2.0
    assert w.grad is None


def test_complex_gradient_is_the_conjugate_derivative() -> None:
    x = torch.tensor([1 + 2j, 3 - 1j], requires_grad=True)
    (x * x.conj()).real.sum().backward()
    assert x.grad.tolist() == [2 + 4j, 6 - 2j]
