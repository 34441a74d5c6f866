"""Programs run where graphs are alike, and nowhere else; nobody sees them but by their speed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import adjoint as torch
from adjoint import nn
from adjoint.derivatives import curvature, dense, per_sample
from adjoint.derivatives.program import Derivation
from adjoint.sparse import ColoredPattern, detect_jacobian

F64 = torch.float64


class Watch:
    """How many programs were made, and how often one ran."""

    made = 0
    runs = 0


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    """Start without programs, and count them."""
    counted = Watch()
    make, recall = Derivation._make, Derivation.recall

    def counted_make(self: Any, *args: Any) -> Any:
        result = make(self, *args)
        counted.made += 1
        return result

    def counted_recall(self: Any, *args: Any) -> Any:
        result = recall(self, *args)
        counted.runs += result is not None
        return result

    monkeypatch.setattr(Derivation, "_make", counted_make)
    monkeypatch.setattr(Derivation, "recall", counted_recall)
    for derivation in (
        *(dense._derivation, per_sample._derivation),
        *(curvature._whole, curvature.product),
    ):
        monkeypatch.setattr(derivation, "_kept", {})
        monkeypatch.setattr(derivation, "_seen", {})
    return counted


def point(n: int = 4, seed: int = 0) -> Any:
    torch.manual_seed(seed)
    return torch.randn(n, dtype=F64)


def mixing(x: Any) -> Any:
    return torch.tanh(x * x.sum())


def by_walk(f: Callable[[Any], Any], x: Any) -> Any:
    """The Jacobian, row by row."""
    x = x.detach().requires_grad_()
    y = f(x)
    rows = [torch.autograd.grad(v, x, retain_graph=True)[0] for v in y]
    return torch.stack(rows)


def test_the_third_call_runs_a_program(watch: Watch) -> None:
    for k in range(5):
        x = point(seed=k)
        assert torch.allclose(torch.jacobian(mixing, x), by_walk(mixing, x))
        assert (watch.made, watch.runs) == (int(k >= 1), max(0, k - 1))


def test_a_new_function_with_the_same_graph_runs_it_too(watch: Watch) -> None:
    for k in range(3):
        torch.jacobian(lambda x: torch.tanh(x * x.sum()), point(seed=k))
    assert watch.runs == 1


def test_another_branch_is_another_program(watch: Watch) -> None:
    def f(x: Any) -> Any:
        return torch.sin(x) * x if x[0] > 0 else torch.exp(x) + x[:1]

    for k in range(12):
        x = point(seed=k)
        assert torch.allclose(torch.jacobian(f, x), by_walk(f, x))
    assert watch.made == 2 and watch.runs == 8


def test_numbers_that_change_are_seen(watch: Watch) -> None:
    factor = [1.0]

    def f(x: Any) -> Any:
        return torch.sin(x * factor[0]) * x.sum() ** int(1 + factor[0])

    for factor[0] in (1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 1.0, -0.0, 0.0, 0.0, 0.0, -0.0):
        x = point()
        assert torch.allclose(torch.jacobian(f, x), by_walk(f, x))
    assert watch.runs == 4


def test_other_tensors_of_the_function_are_loaded_each_time(watch: Watch) -> None:
    weight = point(4, 7)

    def f(x: Any) -> Any:
        return torch.tanh(weight * x) * weight.sum()

    for k in range(5):
        with torch.no_grad():
            weight.mul_(1.5)
        x = point(seed=k)
        assert torch.allclose(torch.jacobian(f, x), by_walk(f, x))
    assert watch.runs == 3


@pytest.mark.parametrize("shape", [(3,), (4,), (2, 2), ()])
def test_other_shapes_and_dtypes(shape: tuple[int, ...], watch: Watch) -> None:
    for dtype in (F64, torch.float32):
        for _ in range(3):
            x = torch.randn(shape, dtype=dtype)
            J = torch.jacobian(lambda x: x.exp(), x)
            assert J.dtype is dtype and tuple(J.shape) == 2 * shape
            diagonal = torch.diag(x.exp().reshape(-1)).reshape(2 * shape)
            assert torch.allclose(J, diagonal)
    assert (watch.made, watch.runs) == (2, 2)


def test_results_belong_to_the_caller(watch: Watch) -> None:
    weight = point(3, 5)
    functions = [
        lambda x: 3 * x,
        lambda x: weight * x,
        lambda x: torch.outer(x, weight).sum(0),
        lambda x: x[1:],
    ]
    for f in functions:
        for k in range(5):
            x = point(3, seed=k)
            J = torch.jacobian(f, x)
            assert torch.allclose(J, by_walk(f, x))
            J.fill_(7.0)  # neither a constant of the program nor the function's tensor
    assert watch.runs == 12
    assert torch.equal(weight, point(3, 5))


def test_values_and_gradients_belong_to_the_caller(watch: Watch) -> None:
    for k in range(5):
        x = point(seed=k)
        value, gradient, H = torch.value_and_hessian(lambda x: (x**3).sum() + x[0] * x[1], x)
        assert torch.allclose(gradient[2:], 3 * x[2:] ** 2)
        expected = torch.diag(6 * x)
        expected[0, 1] = expected[1, 0] = 1.0
        assert torch.allclose(H, expected) and torch.allclose(value, (x**3).sum() + x[0] * x[1])
        gradient.zero_()
        H.zero_()
    assert watch.runs == 3


def test_several_tensors_in_containers(watch: Watch) -> None:
    for k in range(4):
        p = {"a": point(2, k), "b": (point(2, k + 9), torch.tensor(2.0, dtype=F64))}
        J = torch.jacobian(lambda p: (p["a"] * p["b"][0], p["b"][1] * p["a"].sum()), p)
        assert torch.allclose(J[0]["a"], torch.diag(p["b"][0]))
        assert torch.allclose(J[0]["b"][0], torch.diag(p["a"]))
        assert torch.equal(J[0]["b"][1], torch.zeros(2, dtype=F64))
        assert torch.allclose(J[1]["b"][1], p["a"].sum())
        H = torch.hessian(lambda p: (p["a"] ** 2 * p["b"][0]).sum(), p)
        assert torch.allclose(H["a"]["a"], torch.diag(2 * p["b"][0]))
        assert torch.allclose(H["b"][0]["a"], torch.diag(2 * p["a"]))
        v = {"a": point(2, k + 1), "b": (point(2, k + 2), torch.tensor(1.0, dtype=F64))}
        found = torch.hvp(lambda p: (p["a"] ** 2 * p["b"][0]).sum(), p, v)
        expected = 2 * p["b"][0] * v["a"] + 2 * p["a"] * v["b"][0]
        assert torch.allclose(found["a"], expected)
        assert torch.equal(found["b"][1], torch.zeros((), dtype=F64))
    assert watch.runs == 8


def test_directions_of_another_dtype_and_constant_functions(watch: Watch) -> None:
    x = point(3)
    for _ in range(4):
        assert torch.allclose(torch.hvp(lambda x: (x**3).sum(), x, torch.ones(3)), 6 * x)
        assert torch.equal(torch.hvp(lambda x: x.sum(), x, x), torch.zeros(3, dtype=F64))
        assert torch.equal(
            torch.hvp(lambda x: torch.ones((), dtype=F64), x, x), torch.zeros(3, dtype=F64)
        )


@pytest.mark.parametrize(
    "f",
    [
        lambda x: torch.exp(x) + x.sum(),
        lambda x: x.sum() + torch.exp(x),
        lambda x: torch.exp(x) + x[:1],
        lambda x: torch.sin(x) * x.sum() ** 2 - x.flip(0),
        lambda x: torch.tanh(torch.outer(x, x)) @ x + x,
    ],
)
def test_blocks_meet_what_is_not_one(f: Callable[[Any], Any]) -> None:
    for k in range(4):
        x = point(seed=k)
        assert torch.allclose(torch.jacobian(f, x), by_walk(f, x))
        assert torch.allclose(
            torch.hessian(lambda x: f(x).sum(), x),
            torch.autograd.functional.hessian(lambda x: f(x).sum(), x),
        )


# ---- gradients per sample


def small_model() -> tuple[Any, Any, Any]:
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2)).double()
    return model, torch.randn(6, 3, dtype=F64), torch.randint(0, 2, (6,))


def losses_of(model: Any, x: Any, y: Any) -> Any:
    return nn.functional.cross_entropy(model(x), y, reduction="none")


def test_samples_by_a_program_are_those_of_a_loop(watch: Watch) -> None:
    model, x, y = small_model()
    parameters = list(model.parameters())
    for k in range(5):
        found = torch.grad(losses_of(model, x, y), parameters, per_sample=True)
        for i in range(6):
            losses = losses_of(model, x[i : i + 1], y[i : i + 1])
            expected = torch.autograd.grad(losses.sum(), parameters)
            for mine, theirs in zip(found, expected, strict=True):
                assert mine.is_contiguous()
                assert torch.allclose(mine[i], theirs)
        with torch.no_grad():
            for p, g in zip(parameters, found, strict=True):
                p -= 0.1 * g.mean(0)
        assert watch.runs == max(0, k - 1)


def test_gradients_are_never_the_data_itself(watch: Watch) -> None:
    w = point(3).requires_grad_()
    data = torch.randn(3, 4, dtype=F64)
    for k in range(8):
        x = data.t() if k % 2 else data.t().contiguous()  # the same numbers, otherwise laid out
        before = x.clone()
        (g,) = torch.grad(x @ w, [w], per_sample=True)
        assert torch.equal(g, before)
        g.zero_()
        assert torch.equal(x, before)
    assert watch.runs >= 4


def test_values_that_were_packed_walk(watch: Watch) -> None:
    """Hooks on saved tensors were there when the graph was recorded, and are gone since."""
    for k in range(4):
        w = point(3, k).requires_grad_()
        with torch.autograd.graph.saved_tensors_hooks(lambda t: t * 1, lambda t: t + 0):
            losses = torch.tanh(w) * w
        (g,) = torch.grad(losses, [w], per_sample=True)
        x = w.detach()
        assert torch.allclose(g, torch.diag(torch.tanh(x) + x * (1 - torch.tanh(x) ** 2)))
    assert watch.made == 0


def test_the_graph_is_freed_unless_it_is_to_be_kept(watch: Watch) -> None:
    model, x, y = small_model()
    parameters = list(model.parameters())
    for k in range(4):
        losses = losses_of(model, x, y)
        first = torch.grad(losses, parameters, per_sample=True, retain_graph=True)
        again = torch.grad(losses, parameters, per_sample=True)
        assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True)) or k < 2
        with pytest.raises(RuntimeError, match="backward through the graph a second time"):
            torch.grad(losses, parameters, per_sample=True)
    assert watch.runs >= 4


def test_a_tensor_that_was_written_to_is_an_error_still(watch: Watch) -> None:
    w = point(3).requires_grad_()
    for _ in range(4):
        x = torch.ones(3, dtype=F64)
        losses = w * x
        torch.grad(losses, w, per_sample=True, retain_graph=True)
    assert watch.runs == 2
    losses = w * x
    x.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        torch.grad(losses, w, per_sample=True)


def test_hooks_are_heard(watch: Watch) -> None:
    w = point(3).requires_grad_()
    heard = []
    for k in range(6):
        losses = torch.tanh(w) * w
        if k == 3:
            losses.register_hook(lambda g: heard.append(tuple(g.shape)))
        if k == 4:
            handle = w.register_hook(lambda g: heard.append(tuple(g.shape)))
        torch.grad(losses, w, per_sample=True)
        if k == 4:
            handle.remove()
    assert len(heard) == 2


def test_inputs_that_are_no_leaves(watch: Watch) -> None:
    w = point(3).requires_grad_()
    for _ in range(4):
        middle = w.exp()
        (g,) = torch.grad(middle * w, [middle], per_sample=True)
        assert torch.allclose(g, torch.diag(w.detach()))
    assert watch.runs == 0


# ---- where walks stay


def test_modes_and_transforms_walk(watch: Watch) -> None:
    f = torch.tanh
    x = point()
    for _ in range(3):
        torch.jacobian(f, x)
    runs = watch.runs
    with torch.autograd.set_detect_anomaly(True):
        torch.jacobian(f, x)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t):
        torch.jacobian(f, x)
    assert watch.runs == runs


def test_custom_functions_walk(watch: Watch) -> None:
    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 2

    for _ in range(4):
        J = torch.jacobian(lambda x: Double.apply(x).exp(), point(2))
        assert torch.allclose(J, torch.diag(2 * (2 * point(2)).exp()))
    assert (watch.made, watch.runs) == (0, 0)


def test_large_matrices_and_small_budgets_walk(watch: Watch) -> None:
    for _ in range(3):
        torch.jacobian(torch.exp, point(5), memory=1 << 20)
    assert watch.made == 0
    big = torch.zeros(1 << 17, dtype=F64)
    for _ in range(3):
        torch.hvp(lambda x: (x**3).sum(), big, big)
    assert watch.made == 0


# ---- plans


def residual(u: Any) -> Any:
    edge = torch.zeros(1, dtype=F64)
    whole = torch.cat([edge, u, edge])
    return whole[2:] - 2 * u + whole[:-2] - u**3


@pytest.mark.parametrize("mode", ["jvp", "vjp", "bidirectional"])
@pytest.mark.parametrize("sparse", [True, False])
def test_sparse_plans_by_every_kind_of_product(mode: str, sparse: bool, watch: Watch) -> None:
    pattern = ColoredPattern.from_scipy(detect_jacobian(residual, point(9)), mode)
    plan = torch.prepare_jacobian(residual, point(9), pattern=pattern, sparse=sparse, mode="sparse")
    for k in range(4):
        u = point(9, k)
        value, J = plan.value_and_jacobian(u)
        matrix = J.toarray() if sparse else J.numpy()
        np.testing.assert_allclose(matrix, by_walk(residual, u).numpy(), rtol=1e-12)
        assert torch.allclose(value, residual(u))
        J *= 0.0
    assert watch.runs == 2


def test_sparse_hessian_plans(watch: Watch) -> None:
    def f(x: Any) -> Any:
        return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()

    sparse = torch.prepare_hessian(f, point(40), sparse=True)
    whole = torch.prepare_hessian(f, point(40))
    assert sparse.mode == whole.mode == "sparse"
    for k in range(4):
        x = point(40, k)
        value, gradient, H = sparse.value_and_hessian(x)
        np.testing.assert_allclose(H.toarray(), whole(x).numpy(), rtol=1e-12)
        expected = torch.autograd.functional.hessian(f, x)
        assert torch.allclose(whole(x), expected)
        assert torch.allclose(value, f(x))
        assert torch.allclose(gradient, torch.value_and_grad(f, x)[1])
        gradient.zero_()
    assert watch.made == 2


def test_a_pattern_for_other_products_is_refused() -> None:
    square = np.eye(3)
    with pytest.raises(ValueError, match="is for Hessians"):
        torch.prepare_jacobian(
            torch.exp, point(3), pattern=ColoredPattern.from_scipy(square, "hvp")
        )
    with pytest.raises(ValueError, match="mode='hvp'"):
        torch.prepare_hessian(
            lambda x: x.sum(), point(3), pattern=ColoredPattern.from_scipy(square, "jvp")
        )


def test_a_plan_says_when_the_result_has_another_size() -> None:
    plan = torch.prepare_jacobian(
        lambda x: x if x[0] > 0 else x[1:], torch.ones(40, dtype=F64), sparse=True, mode="sparse"
    )
    with pytest.raises(ValueError, match="prepare another one"):
        plan(-torch.ones(40, dtype=F64))


def test_points_without_elements() -> None:
    empty = torch.zeros(0, dtype=F64)
    for _ in range(3):
        assert tuple(torch.jacobian(torch.exp, empty).shape) == (0, 0)
        assert tuple(torch.jacobian(lambda x: x.sum(), empty).shape) == (0,)
        assert tuple(torch.hessian(lambda x: x.sum(), empty).shape) == (0, 0)
