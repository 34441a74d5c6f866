"""`jacobian` and its plans: every mode, budget and structure gives the same Jacobian."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.sparse

import adjoint as torch
from adjoint.array.batched.blocks import BlockArray
from adjoint.derivatives import dense
from adjoint.derivatives.recorded import Evaluation
from adjoint.sparse import ColoredPattern

F64 = torch.float64


def second_differences(x: Any) -> Any:
    inner = x[2:] - 2 * x[1:-1] + x[:-2]
    return torch.cat([x[:1], inner + x[1:-1] ** 3, x[-1:]])


def weights(m: int, n: int) -> Any:
    torch.manual_seed(1)
    return torch.randn(m, n, dtype=F64)


W = weights(5, 4)

FUNCTIONS: dict[str, tuple[Callable[[Any], Any], tuple[int, ...]]] = {
    "element by element": (lambda x: torch.sin(x) * x, (6,)),
    "matrix, element by element": (lambda x: torch.exp(x) / (1 + x * x), (2, 3)),
    "dense": (lambda x: torch.tanh(W @ x), (4,)),
    "two layers": (lambda x: W.T @ torch.tanh(W @ x), (4,)),
    "tridiagonal": (second_differences, (7,)),
    "rows": (lambda x: (x * x).sum(1), (4, 3)),
    "columns": (lambda x: (x**3).prod(0), (3, 4)),
    "tall": (lambda x: torch.outer(x, x).reshape(-1).cos(), (3,)),
    "wide": (lambda x: torch.stack([x.sum(), (x * x).sum()]), (9,)),
    "scalar": (lambda x: (x**2).sum(), (4,)),
    "of a scalar": (lambda x: torch.stack([x, x * x, x.sin()]), ()),
    "image": (
        lambda x: torch.nn.functional.conv2d(x[None, None], torch.ones(1, 1, 2, 2, dtype=F64))[0],
        (3, 4),
    ),
    "permuted": (lambda x: x.flip(0)[[0, 0, 2]] * x[:3], (4,)),
    "sorted": (lambda x: torch.sort(x).values ** 2, (5,)),
    "cumulative": (lambda x: torch.cumsum(x, 0) * x, (5,)),
    "attention": (lambda x: torch.softmax(x @ x.T, 1) @ x, (3, 2)),
    "constant in part": (lambda x: torch.stack([x[0], torch.ones((), dtype=F64), x[1]]), (2,)),
    "in place": (lambda x: x.clone().mul_(2).add_(x), (3,)),
}


def case(name: str) -> tuple[Callable[[Any], Any], Any]:
    f, shape = FUNCTIONS[name]
    torch.manual_seed(2)
    return f, torch.randn(shape, dtype=F64)


def by_rows(f: Callable[[Any], Any], x: Any) -> Any:
    """Return the Jacobian from one ordinary backward for each element of the result."""
    x = x.detach().requires_grad_()
    y = f(x)
    rows = [
        torch.autograd.grad(e, x, retain_graph=True, materialize_grads=True)[0]
        if e.requires_grad
        else torch.zeros_like(x)
        for e in y.reshape(-1)
    ]
    return torch.stack(rows).reshape(*y.shape, *x.shape)


def close(found: Any, expected: Any) -> None:
    torch.testing.assert_close(found, expected.detach(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("mode", ["auto", "forward", "reverse", "sparse"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_mode(name: str, mode: str) -> None:
    f, x = case(name)
    close(torch.jacobian(f, x, mode=mode), by_rows(f, x))


@pytest.mark.parametrize("memory", [1, 300, 1 << 20])
@pytest.mark.parametrize("mode", ["forward", "reverse"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_budget(name: str, mode: str, memory: int) -> None:
    f, x = case(name)
    close(torch.jacobian(f, x, mode=mode, memory=memory), by_rows(f, x))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_sparse_result(name: str) -> None:
    f, x = case(name)
    found = torch.jacobian(f, x, sparse=True, check=True)
    expected = by_rows(f, x)
    assert isinstance(found, scipy.sparse.csr_array)
    assert found.dtype == np.float64
    flat = expected.reshape(f(x).numel(), x.numel()).numpy()
    np.testing.assert_allclose(found.toarray(), flat, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_plan_at_other_points(name: str) -> None:
    f, x = case(name)
    plan = torch.prepare_jacobian(f, x)
    for shift in (0.3, -0.7):
        close(plan(x + shift), by_rows(f, x + shift))
    value, found = plan.value_and_jacobian(x)
    close(value, f(x))
    close(found, by_rows(f, x))
    assert not found.requires_grad
    assert plan.explain().startswith(f"Jacobian {f(x).numel()} x {x.numel()} of ")


def test_what_is_chosen() -> None:
    def mode_of(name: str) -> tuple[str, str]:
        f, x = case(name)
        plan = torch.prepare_jacobian(f, x)
        return plan.mode, plan.structure

    assert mode_of("element by element") == ("reverse", "diagonal")
    assert mode_of("rows") == ("reverse", "block-diagonal (4 rows of 3)")
    assert mode_of("tall")[0] == "forward"
    assert mode_of("wide")[0] == "reverse"


def test_large_ones_look_for_a_pattern() -> None:
    x = torch.randn(400, dtype=F64)
    plan = torch.prepare_jacobian(second_differences, x)
    assert plan.mode == "sparse"
    assert plan.structure == "banded (1 below the diagonal, 1 above)"
    assert plan.pattern is not None
    assert plan.pattern.n_colors == 3
    close(plan(x), by_rows(second_differences, x))
    assert "3 products recover all of it" in plan.explain()
    again = torch.prepare_jacobian(second_differences, x, pattern=plan.pattern, sparse=True)
    np.testing.assert_array_equal(again(x).toarray(), plan(x).numpy())
    known = scipy.sparse.diags_array([np.ones(400)] * 3, offsets=[-1, 0, 1], shape=(400, 400))
    assert torch.prepare_jacobian(second_differences, x, pattern=known).mode == "sparse"


def test_element_by_element_never_writes_rows_out() -> None:
    x = torch.randn(2_000_000)
    found = torch.jacobian(lambda x: torch.sin(x) * x, x, sparse=True)
    assert found.nnz == 2_000_000
    np.testing.assert_allclose(
        found.diagonal(), (torch.cos(x) * x + torch.sin(x)).numpy(), rtol=1e-5, atol=1e-6
    )


def test_blocks_stay_blocks() -> None:
    f, x = case("rows")
    run = Evaluation(f, x)
    (found,) = dense.pulled_together(run.vector(0), run, 0)
    assert type(found) is BlockArray


def test_containers() -> None:
    point = {"a": torch.tensor([1.0, 2.0]), "b": [torch.tensor(3.0)]}
    for mode in ("auto", "forward", "reverse"):
        found = torch.jacobian(
            lambda p: (p["a"] * p["b"][0], {"sum": p["a"].sum()}), point, mode=mode
        )
        assert found[0]["a"].tolist() == [[3.0, 0.0], [0.0, 3.0]]
        assert found[0]["b"][0].tolist() == [1.0, 2.0]
        assert found[1]["sum"]["a"].tolist() == [1.0, 1.0]
        assert found[1]["sum"]["b"][0].item() == 0.0


def test_complex_derivatives() -> None:
    z = torch.tensor([1 + 2j, 0.5 - 1j], dtype=torch.complex128)
    for mode in ("auto", "forward", "reverse"):
        close(torch.jacobian(lambda z: z**2, z, mode=mode), torch.diag(2 * z))
    x = torch.tensor([0.3, 1.2], dtype=F64)
    for mode in ("auto", "forward", "reverse"):
        found = torch.jacobian(lambda x: torch.exp(1j * x), x, mode=mode)
        close(found, torch.diag(1j * torch.exp(1j * x)))


def test_dtypes_are_kept() -> None:
    for dtype in (torch.float32, F64):
        assert torch.jacobian(torch.sin, torch.ones(3, dtype=dtype)).dtype is dtype
        assert torch.jacobian(torch.sin, torch.ones(3, dtype=dtype), sparse=True).dtype == (
            np.float32 if dtype is torch.float32 else np.float64
        )


def test_works_without_recording_and_leaves_everything_alone() -> None:
    w = torch.ones(3, requires_grad=True)
    x = torch.ones(3, requires_grad=True)
    with torch.no_grad():
        found = torch.jacobian(lambda x: w * x * x, x)
    assert found.tolist() == (2 * torch.eye(3)).tolist()
    assert (w.grad, x.grad, found.requires_grad) == (None, None, False)


def test_value_comes_with_it() -> None:
    calls = []

    def f(x: Any) -> Any:
        calls.append(x)
        return x * x

    value, found = torch.value_and_jacobian(f, torch.tensor([1.0, 2.0]))
    assert value.tolist() == [1.0, 4.0]
    assert found.diagonal().tolist() == [2.0, 4.0]
    assert len(calls) == 1


def test_a_pattern_that_does_not_hold_is_found_out() -> None:
    def f(x: Any) -> Any:
        return torch.where(x > 0, x, x.flip(0))

    wrong = ColoredPattern.from_scipy(scipy.sparse.eye_array(4))
    x = torch.tensor([1.0, -1.0, 2.0, -2.0], dtype=F64)
    with pytest.raises(ValueError, match="the pattern does not hold at this point"):
        torch.jacobian(f, x, pattern=wrong, check=True)


def test_bad_input() -> None:
    x = torch.ones(3)
    with pytest.raises(TypeError, match="part 0 is a ndarray"):
        torch.jacobian(torch.sin, np.ones(3))
    with pytest.raises(TypeError, match="result 0 is a float"):
        torch.jacobian(lambda x: x.sum().item(), x)
    with pytest.raises(RuntimeError, match=r"^only Tensors of floating point and complex dtype"):
        torch.jacobian(torch.sin, torch.arange(3))
    with pytest.raises(ValueError, match="mode is one of"):
        torch.jacobian(torch.sin, x, mode="backward")
    with pytest.raises(ValueError, match="memory is a positive number"):
        torch.jacobian(torch.sin, x, memory=0)
    with pytest.raises(ValueError, match="a function of one real tensor that returns one"):
        torch.jacobian(lambda p: p[0] * p[1], (x, x), sparse=True)
    with pytest.raises(ValueError, match="the pattern has shape 2x2, the Jacobian 3x3"):
        torch.jacobian(torch.sin, x, pattern=scipy.sparse.eye_array(2))
    with pytest.raises(ValueError, match="prepare another one"):
        torch.prepare_jacobian(torch.sin, x)(torch.ones(4))
    with pytest.raises(RuntimeError, match=r"inside vmap, jvp or grad use func\.jacrev"):
        torch.vmap(lambda x: torch.jacobian(torch.sin, x))(torch.ones(2, 3))
    with pytest.raises(MemoryError, match="ask for sparse=True"):
        torch.prepare_jacobian(torch.sin, torch.ones(10_000_000))(torch.ones(10_000_000))


def test_the_same_bits_every_time() -> None:
    for name in FUNCTIONS:
        f, x = case(name)
        first, again = torch.jacobian(f, x), torch.jacobian(f, x)
        assert first.numpy().tobytes() == again.numpy().tobytes()
