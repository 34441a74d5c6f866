"""Masked gradients: what was not selected contributes nothing, and nothing else changes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import adjoint as torch
import adjoint.autograd.forward_ad as fwAD
from adjoint import is_masked_gradients_enabled, masked_gradients
from adjoint.autograd.function import once_differentiable
from adjoint.utils.checkpoint import checkpoint
from tests.autograd.nan_cases import CASES, Case

Tensor = Any
ALL = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
CHAINED = [n for n in CASES if n.startswith("where")]


def leaf(case: Case, dtype: Any = None) -> Tensor:
    return torch.tensor(case.point, dtype=dtype, requires_grad=True)


def close(found: Tensor, expected: Any) -> None:
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-5, atol=1e-7)


def safe_sqrt(x: Tensor) -> Tensor:
    return torch.where(x > 0, x.sqrt(), 0.0)


# ---- the cases that people reported --------------------------------------------------------------


@ALL
def test_without_the_mode_the_gradient_is_nan(case: Case) -> None:
    x = leaf(case)
    case.function(torch, x).sum().backward()
    assert np.isnan(x.grad.numpy()).any()


@ALL
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_recorded_inside(case: Case, dtype: Any) -> None:
    x = leaf(case, torch.float32).detach().to(dtype).requires_grad_()
    torch.set_default_dtype(dtype)
    try:
        with masked_gradients():
            y = case.function(torch, x).sum()
        y.backward()
    finally:
        torch.set_default_dtype(torch.float32)
    assert x.grad.dtype is dtype
    close(x.grad, case.gradient)


@ALL
def test_walked_inside(case: Case) -> None:
    x = leaf(case)
    y = case.function(torch, x).sum()
    with masked_gradients():
        y.backward()
    close(x.grad, case.gradient)


@ALL
def test_values_are_those_without(case: Case) -> None:
    x = leaf(case)
    with masked_gradients():
        inside = case.function(torch, x)
    np.testing.assert_array_equal(inside.detach().numpy(), case.function(torch, x).detach().numpy())


@ALL
@pytest.mark.parametrize("where", ["recorded", "walked"])
def test_higher_derivatives_have_no_nan(case: Case, where: str) -> None:
    x = leaf(case)
    with masked_gradients(where == "recorded"):
        y = case.function(torch, x).sum()
    with masked_gradients(where == "walked"):
        (first,) = torch.autograd.grad(y, x, create_graph=True)
        close(first, case.gradient)
        for _ in range(2):
            if not first.requires_grad:
                break
            (first,) = torch.autograd.grad(first.sum(), x, create_graph=True)
            assert np.isfinite(first.detach().numpy()).all()


@ALL
def test_in_forward_mode(case: Case) -> None:
    """A tangent that is zero where nothing is selected gives the same product as the gradient."""
    x = leaf(case).detach()
    gradient = np.asarray(case.gradient, dtype=np.float32)
    t = torch.from_numpy(np.where(gradient == 0, 0, 1).astype(np.float32))
    with masked_gradients(), fwAD.dual_level():
        y = case.function(torch, fwAD.make_dual(x, t)).sum()
        tangent = fwAD.unpack_dual(y).tangent
    assert tangent.item() == pytest.approx(float((gradient * t.numpy()).sum()), abs=1e-6)


@pytest.mark.parametrize("name", CHAINED)
def test_as_a_vector_in_batches(name: str) -> None:
    case = CASES[name]
    x = leaf(case)

    def row(v: Tensor) -> Tensor:
        return case.function(torch, v).sum()

    with masked_gradients():
        y = torch.func.vmap(row)(torch.stack([x, x]))
        y.sum().backward()
    close(x.grad, 2 * np.asarray(case.gradient))


@pytest.mark.parametrize("name", CHAINED)
@pytest.mark.parametrize("reentrant", [False, True])
def test_in_checkpoints(name: str, reentrant: bool) -> None:
    """The recomputation is in the mode of the forward."""
    case = CASES[name]
    x = leaf(case)
    with masked_gradients():
        y = checkpoint(lambda a: case.function(torch, a), x, use_reentrant=reentrant)
    y.sum().backward()
    close(x.grad, case.gradient)


@pytest.mark.parametrize("name", CHAINED)
def test_under_the_transforms_of_func(name: str) -> None:
    case = CASES[name]
    x = leaf(case).detach()

    @masked_gradients()
    def total(v: Tensor) -> Tensor:
        return case.function(torch, v).sum()

    func = torch.func
    close(func.grad(total)(x), case.gradient)
    close(func.vmap(func.grad(total))(torch.stack([x, x]))[1], case.gradient)
    close(func.jacrev(total)(x), case.gradient)
    hessian = func.jacrev(func.grad(total))(x).numpy()
    assert np.isfinite(hessian).all()
    assert not (hessian - np.diag(np.diag(hessian))).any()


# ---- what does not change ------------------------------------------------------------------------


def network(x: Tensor, w: Tensor) -> Tensor:
    h = torch.nn.functional.linear(x, w).relu()
    h = torch.where(h > 1, h.log1p(), h.exp())
    h = torch.nn.functional.layer_norm(h * torch.sigmoid(x), (4,))
    return (h.softmax(1) * h.std(0)).cumsum(0).amax(1) / (1 + h.norm())


def test_finite_gradients_are_the_same_bit_for_bit() -> None:
    values = np.random.default_rng(0).normal(size=(2, 4, 4))
    found = []
    for inside in (False, True):
        x, w = (torch.tensor(v, requires_grad=True) for v in values)
        with masked_gradients(inside):
            y = network(x, w).sum()
            first = torch.autograd.grad(y, (x, w), create_graph=True)
            second = torch.autograd.grad(sum((g * g).sum() for g in first), (x, w))
        found.append([t.detach().numpy().tobytes() for t in (y, *first, *second)])
    assert found[0] == found[1]


def test_zero_by_arithmetic_with_a_finite_derivative_is_no_mask() -> None:
    """The second derivative of sin(x)^2 / 2 at 0 is 1, although the cotangent of sin is 0."""
    x = torch.tensor([0.0, 1.0], dtype=torch.float64, requires_grad=True)
    with masked_gradients():
        (first,) = torch.autograd.grad((x.sin() ** 2 / 2).sum(), x, create_graph=True)
        (second,) = torch.autograd.grad(first.sum(), x)
    close(second, np.cos([0.0, 2.0]))


def test_inf_and_nan_of_selected_entries_stay() -> None:
    x = torch.tensor([0.0, -1.0, 4.0], requires_grad=True)
    with masked_gradients():
        x.sqrt().sum().backward()
    assert x.grad.tolist()[0] == np.inf
    assert np.isnan(x.grad.tolist()[1])
    assert x.grad.tolist()[2] == 0.25


def test_infinite_cotangents_are_no_zeros() -> None:
    """The norm at 0: the root's derivative is inf and selected; inf * 0 stays nan."""
    x = torch.zeros(2, requires_grad=True)
    with masked_gradients():
        (x * x).sum().sqrt().backward()
    assert np.isnan(x.grad.numpy()).all()


def test_what_the_mode_takes_for_not_selected() -> None:
    """A cotangent that is zero by arithmetic, times inf: 0 here, where the limit is 1."""
    x = torch.zeros(1, requires_grad=True)
    with masked_gradients():
        (x.sqrt() ** 2).sum().backward()
    assert x.grad.tolist() == [0.0]


def test_products_with_bad_rows_keep_what_is_selected() -> None:
    """Only the products with zero cotangents are left out of a sum of products."""
    a = torch.tensor([[np.nan, 1.0], [2.0, 3.0]])
    w = torch.ones(2, 2, requires_grad=True)
    with masked_gradients():
        y = a @ w
    y.backward(torch.tensor([[0.0, 1.0], [1.0, 1.0]]))
    expected = [[2.0, np.nan], [3.0, 4.0]]  # nan where a chosen result saw it
    np.testing.assert_array_equal(w.grad.numpy(), expected)


# ---- views, in place, complex, dtypes ------------------------------------------------------------


@pytest.mark.parametrize("where", ["recorded", "walked"])
@pytest.mark.parametrize("create_graph", [False, True])
def test_writes_through_views(where: str, create_graph: bool) -> None:
    x = torch.tensor([[0.0, 4.0], [1.0, 0.0]], requires_grad=True)
    with masked_gradients(where == "recorded"):
        y = x * 1
        y[0].log_()
        y[:, 1].reciprocal_()
        z = y.masked_fill(x == 0, 0.0).view(4)
    with masked_gradients(where == "walked"):
        (g,) = torch.autograd.grad(z.sum(), x, create_graph=create_graph)
    close(g, [[0.0, -0.25 / np.log(4.0) ** 2], [1.0, 0.0]])


def test_in_place_on_the_whole_tensor() -> None:
    x = torch.tensor([0.0, 4.0], requires_grad=True)
    with masked_gradients():
        y = (x * 1).log_()
        y.clamp_(min=0.5)
    y.sum().backward()
    close(x.grad, [0.0, 0.25])


def test_complex_numbers() -> None:
    z = torch.tensor([0j, 3 + 4j], requires_grad=True)
    with masked_gradients():
        y = torch.where(z.abs() > 0, z.sqrt(), 0j)
        (y.abs() ** 2).sum().backward()
    w = z.detach().clone()[1:].requires_grad_()
    (w.sqrt().abs() ** 2).sum().backward()
    assert z.grad.tolist()[0] == 0
    np.testing.assert_allclose(z.grad.numpy()[1:], w.grad.numpy(), rtol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_dtypes(dtype: Any) -> None:
    if dtype is torch.bfloat16:
        pytest.importorskip("ml_dtypes", reason="bfloat16 needs ml_dtypes")
    x = torch.tensor([0.0, 4.0]).to(dtype).requires_grad_()
    with masked_gradients():
        safe_sqrt(x).sum().backward()
    assert x.grad.dtype is dtype
    assert x.grad.tolist() == [0.0, 0.25]


def test_promotion_and_broadcasting() -> None:
    x = torch.tensor([[0.0], [4.0]], requires_grad=True)
    w = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    with masked_gradients():
        y = torch.where(x > 0, w / x, 0.0)
    y.sum().backward()
    assert (x.grad.dtype, w.grad.dtype) == (torch.float32, torch.float64)
    close(x.grad, [[0.0], [-3 / 16]])
    close(w.grad, [0.25, 0.25])


def test_hooks_and_retained_gradients_see_the_masked_values() -> None:
    x = torch.tensor([0.0, 4.0], requires_grad=True)
    seen = []
    with masked_gradients():
        y = x * 1
        y.retain_grad()
        y.register_hook(lambda g: seen.append(g.tolist()))
        safe_sqrt(y).sum().backward()
    assert seen == [[0.0, 0.25]] == [y.grad.tolist()]


def test_anomaly_detection_has_nothing_to_report() -> None:
    x = torch.tensor([0.0, 4.0], requires_grad=True)
    with masked_gradients(), torch.autograd.set_detect_anomaly(True):
        safe_sqrt(x).sum().backward()
    close(x.grad, [0.0, 0.25])


# ---- Functions -----------------------------------------------------------------------------------


class Sqrt(torch.autograd.Function):
    """A square root by hand."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y = x.sqrt()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        return 0.5 * g / y


class Product(torch.autograd.Function):
    """A product of matrices by hand, with everything one does to a gradient."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        ctx.save_for_backward(a, b)
        return a @ b

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor]:
        a, b = ctx.saved_tensors
        g = torch.cat((g[:1], g[1:])).clone()
        g.mul_(2)
        half = -(-g).view(g.shape) / 2
        return half @ b.t(), (half.t() @ a).t()


@pytest.mark.parametrize("where", ["recorded", "walked"])
@pytest.mark.parametrize("create_graph", [False, True])
def test_functions(where: str, create_graph: bool) -> None:
    x = torch.tensor([0.0, 4.0], requires_grad=True)
    with masked_gradients(where == "recorded"):
        y = torch.where(x > 0, Sqrt.apply(x * 1), 0.0)
    with masked_gradients(where == "walked"):
        (g,) = torch.autograd.grad(y.sum(), x, create_graph=create_graph)
        close(g, [0.0, 0.25])
        if create_graph:
            (second,) = torch.autograd.grad(g.sum(), x)
            close(second, [0.0, -1 / 32])


@pytest.mark.parametrize("where", ["recorded", "walked"])
def test_functions_of_matrices(where: str) -> None:
    a = torch.tensor([[np.nan, np.inf], [2.0, 3.0]])
    w = torch.ones(2, 2, requires_grad=True)
    with masked_gradients(where == "recorded"):
        y = Product.apply(a, w)[1:]
    with masked_gradients(where == "walked"):
        y.sum().backward()
    close(w.grad, [[2.0, 2.0], [3.0, 3.0]])


def test_functions_differentiable_once() -> None:
    class Once(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)
            return x.log()

        @staticmethod
        @once_differentiable
        def backward(ctx: Any, g: Tensor) -> Tensor:
            return g / ctx.saved_tensors[0]

    x = torch.tensor([0.0, 4.0], requires_grad=True)
    with masked_gradients():
        y = (Once.apply(x)[1:] * x[1:]).sum()
        (g,) = torch.autograd.grad(y, x, create_graph=True)
        close(g, [0.0, np.log(4.0) + 1])
        with pytest.raises(RuntimeError, match="differentiate twice"):
            g.sum().backward()


def test_what_a_function_returns_carries_no_mark() -> None:
    x = torch.tensor([0.0, 4.0], requires_grad=True)
    with masked_gradients():
        (g,) = torch.autograd.grad(Sqrt.apply(x)[1:].sum(), x, create_graph=True)
    assert np.isnan((g * torch.tensor([np.nan, 1.0])).tolist()[0])


# ---- the context ---------------------------------------------------------------------------------


def test_as_a_context() -> None:
    assert not is_masked_gradients_enabled()
    with masked_gradients():
        assert is_masked_gradients_enabled()
        with masked_gradients(False):
            assert not is_masked_gradients_enabled()
        with torch.no_grad(), torch.enable_grad():
            assert is_masked_gradients_enabled()
        assert is_masked_gradients_enabled()
    with pytest.raises(ValueError, match="inside"), masked_gradients():
        raise ValueError("inside")
    assert not is_masked_gradients_enabled()


def test_as_a_decorator() -> None:
    @masked_gradients()
    def first(x: Tensor) -> Tensor:
        return safe_sqrt(x)

    @masked_gradients
    def second(x: Tensor) -> Tensor:
        return safe_sqrt(x)

    @masked_gradients()
    def steps(x: Tensor) -> Iterator[Tensor]:
        for _ in range(2):
            assert is_masked_gradients_enabled()
            yield safe_sqrt(x)

    x = torch.tensor([0.0, 4.0], requires_grad=True)
    for y in (first(x), second(x), *steps(x)):
        x.grad = None
        y.sum().backward()
        close(x.grad, [0.0, 0.25])
    assert not is_masked_gradients_enabled()


def test_each_thread_has_its_own() -> None:
    seen = []
    with masked_gradients():
        thread = threading.Thread(target=lambda: seen.append(is_masked_gradients_enabled()))
        thread.start()
        thread.join()
    assert seen == [False]


def test_only_what_is_inside() -> None:
    """A root outside of the block is not cured by a root inside of it."""
    x = torch.tensor([0.0, 4.0], requires_grad=True)
    with masked_gradients():
        inside = safe_sqrt(x)
    close(torch.autograd.grad(inside.sum(), x, retain_graph=True)[0], [0.0, 0.25])
    outside = safe_sqrt(x)
    assert np.isnan(torch.autograd.grad((inside + outside).sum(), x)[0].tolist()[0])


def test_a_library_function_cures_itself_in_any_caller() -> None:
    @masked_gradients()
    def length(x: Tensor) -> Tensor:
        return torch.where((x != 0).any(), (x * x).sum().sqrt(), 0.0)

    x = torch.zeros(2, requires_grad=True)
    (length(x) * 3 + x.sum()).backward()
    assert x.grad.tolist() == [1.0, 1.0]
