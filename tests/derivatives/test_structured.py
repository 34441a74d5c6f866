"""Sparse Jacobians by single calls: a pattern is kept only where it holds for every graph alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import adjoint as torch
from adjoint.array.traced import Untraceable
from adjoint.derivatives import jacobians
from adjoint.derivatives.recorded import Evaluation
from adjoint.derivatives.structured import Structures, graph_pattern
from adjoint.sparse import detect_jacobian

F64 = torch.float64
N = 256


@pytest.fixture(autouse=True)
def structures(monkeypatch: pytest.MonkeyPatch) -> Structures:
    """Start without patterns; counts in ``runs`` how often one was used."""
    made = Structures()
    monkeypatch.setattr(jacobians, "_structures", made)
    return made


@pytest.fixture
def detections(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What grows with each detection by a run of the function on index sets."""
    found: list[int] = []
    plain = jacobians.jacobian_pattern

    def counted(*args: Any, **options: Any) -> Any:
        found.append(1)
        return plain(*args, **options)

    monkeypatch.setattr(jacobians, "jacobian_pattern", counted)
    return found


def point(k: int = 0, n: int = N) -> Any:
    torch.manual_seed(k)
    return torch.randn(n, dtype=F64)


def by_walk(f: Callable[[Any], Any], x: Any) -> Any:
    """The Jacobian by a walk for rows together, which knows of no pattern: a NumPy array."""
    return torch.func.jacrev(f)(x.detach()).numpy()


EDGE = torch.zeros(1, dtype=F64)


def residual(u: Any) -> Any:
    whole = torch.cat([EDGE, u, EDGE])
    return whole[2:] - 2 * u + whole[:-2] - u**3


def grid(u: Any) -> Any:
    u = u.reshape(16, 16)
    return (u[1:-1, 1:-1] * (u[2:, 1:-1] - u[:-2, 1:-1]) + u[1:-1, 2:] / u[1:-1, :-2]) - 1


HOLDS: dict[str, Callable[[Any], Any]] = {
    "tridiagonal": residual,
    "a grid": grid,
    "quotients": lambda x: x[1:] / (1 + x[:-1] ** 2),
    "blocks": lambda x: (x.reshape(-1, 4).sum(1)[:, None] * x.reshape(-1, 4)).reshape(-1),
    "turned": lambda x: x.flip(0) * x.exp(),
    "matrices": lambda x: torch.stack([x[1:], x[:-1] * x[1:]]),
}


@pytest.mark.parametrize("f", HOLDS.values(), ids=HOLDS)
def test_from_the_third_call_on_nothing_is_detected(
    f: Callable[[Any], Any], detections: list[int]
) -> None:
    for k in range(5):
        x = point(k)
        value, J = torch.value_and_jacobian(f, x)
        np.testing.assert_allclose(J.numpy(), by_walk(f, x), rtol=1e-12, atol=1e-15)
        assert torch.equal(value, f(x))
        assert len(detections) == min(k + 1, 2)
        J.zero_()  # the caller's own


def test_the_same_point_gives_the_same_bits() -> None:
    x = point()
    found = [torch.jacobian(residual, x).numpy() for _ in range(6)]
    for J in found[1:]:
        assert J.tobytes() == found[0].tobytes()


@pytest.mark.parametrize("f", HOLDS.values(), ids=HOLDS)
def test_the_pattern_of_a_graph_is_the_one_that_a_run_detects(f: Callable[[Any], Any]) -> None:
    x = point()
    run = Evaluation(f, x)
    found = graph_pattern(run.results[0], run.leaves[0]).toarray()
    assert np.array_equal(found, detect_jacobian(f, x).toarray())


def test_zeros_where_it_was_learnt_are_no_zeros_of_the_pattern(detections: list[int]) -> None:
    factor = torch.zeros(N - 1, dtype=F64)

    def f(x: Any) -> Any:
        return factor * x[1:] ** 2 + x[:-1] * 0.5

    for k in range(4):
        x = torch.zeros(N, dtype=F64) if k < 2 else point(k)
        factor = torch.zeros(N - 1, dtype=F64) if k < 2 else point(k, N - 1)
        np.testing.assert_allclose(torch.jacobian(f, x).numpy(), by_walk(f, x), atol=1e-15)
    assert len(detections) == 2


def test_a_mask_of_numbers_may_change(detections: list[int]) -> None:
    """A product with zeros and ones is a product: its pattern has all places."""
    for k in range(4):
        mask = (point(k, N - 1) > 0).double()

        def f(x: Any, mask: Any = mask) -> Any:
            return mask * x[1:] * x[:-1]

        x = point(k)
        np.testing.assert_allclose(torch.jacobian(f, x).numpy(), by_walk(f, x), atol=1e-15)
    assert len(detections) == 2


def test_indices_that_are_tensors_are_looked_at_each_time(detections: list[int]) -> None:
    for k in range(5):
        index = torch.tensor(np.random.default_rng(k).permutation(N))

        def f(x: Any, index: Any = index) -> Any:
            return x[index] * x

        x = point(k)
        np.testing.assert_allclose(torch.jacobian(f, x).numpy(), by_walk(f, x), atol=1e-15)
    assert len(detections) == 5


VALUES_MATTER: dict[str, Callable[[Any], Any]] = {
    "sorted": lambda x: torch.sort(x).values * x,
    "selected": lambda x: torch.where(x[1:] > 0, x[1:], x[:-1]) * x[1:],
    "the larger": lambda x: torch.maximum(x[1:], x[:-1]) ** 2,
    "largest of four": lambda x: x.reshape(-1, 4).max(1).values[:, None] * x.reshape(-1, 4),
    "masked": lambda x: torch.cat([x[x > 0], x[x <= 0]]) * x,
    "matrix": lambda x: torch.diag(x.detach().sign()) @ (x * x),
}


@pytest.mark.parametrize("f", VALUES_MATTER.values(), ids=VALUES_MATTER)
def test_where_values_decide_results_are_right_all_the_same(f: Callable[[Any], Any]) -> None:
    for k in range(5):
        x = point(k)
        J = torch.jacobian(f, x).numpy()
        np.testing.assert_allclose(J, by_walk(f, x), rtol=1e-12, atol=1e-15)


def test_a_matrix_that_changes_has_its_own_pattern_each_time() -> None:
    for k in range(5):
        matrix = torch.eye(N, dtype=F64) if k < 3 else point(k, N * N).reshape(N, N)

        def f(x: Any, matrix: Any = matrix) -> Any:
            return matrix @ (x * x)

        x = point(k)
        J = torch.jacobian(f, x).numpy()
        np.testing.assert_allclose(J, by_walk(f, x), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", ["an index", "a mask", "a matrix"])
def test_graphs_whose_values_matter_have_no_pattern(name: str) -> None:
    f: Callable[[Any], Any] = {
        "an index": lambda x: x[torch.arange(N - 1, -1, -1)],
        "a mask": lambda x: torch.where(x[1:] > 0, x[1:], x[:-1]),
        "a matrix": lambda x: torch.eye(N, dtype=F64) @ x,
    }[name]
    run = Evaluation(f, point())
    with pytest.raises(Untraceable):
        graph_pattern(run.results[0], run.leaves[0])


def test_control_flow_is_another_graph(detections: list[int]) -> None:
    def f(x: Any) -> Any:
        if x[0] > 0:
            return x[1:] * x[:-1]
        return x[2:] * x[:-2] + x[1:-1]

    for k in range(8):
        x = point(k)
        x[0] = 1.0 if k % 2 else -1.0
        J = torch.jacobian(f, x).numpy()
        np.testing.assert_allclose(J, by_walk(f, x), rtol=1e-12, atol=1e-15)
    assert len(detections) == 4


def test_shapes_dtypes_and_modes_that_change() -> None:
    for k in range(4):
        for n in (N, N + 3):
            x = point(k, n)
            J = torch.jacobian(residual, x).numpy()
            np.testing.assert_allclose(J, by_walk(residual, x), rtol=1e-12)
        single = point(k).float()
        J = torch.jacobian(lambda x: x[1:] * x[:-1], single)
        assert J.dtype is torch.float32
        np.testing.assert_allclose(J.numpy(), by_walk(lambda x: x[1:] * x[:-1], single))
        x = point(k).requires_grad_()
        with torch.no_grad():
            inside = torch.jacobian(residual, x)
        assert not inside.requires_grad
        assert x.grad is None
        np.testing.assert_allclose(inside.numpy(), by_walk(residual, x), rtol=1e-12)


def test_containers_come_back() -> None:
    for k in range(4):
        x = point(k)
        J = torch.jacobian(lambda p: {"y": residual(p["u"])}, {"u": x})
        np.testing.assert_allclose(J["y"]["u"].numpy(), by_walk(residual, x), rtol=1e-12)
    plan = torch.prepare_jacobian(lambda p: {"y": residual(p["u"])}, {"u": x})
    assert plan.mode == "sparse"
    assert torch.equal(plan({"u": x})["y"]["u"], J["y"]["u"])


def test_a_tensor_that_was_written_to_is_an_error_still() -> None:
    def f(x: Any) -> Any:
        y = x[1:] * 2
        z = y * y * x[:-1]
        y.zero_()
        return z

    for _ in range(4):
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            torch.jacobian(f, point())
