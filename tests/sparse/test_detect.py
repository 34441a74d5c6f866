"""Detection of Jacobian and Hessian patterns of ordinary programs, against dense derivatives."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

import adjoint as torch
from adjoint import sparse
from adjoint.array.patterns import PatternArray
from adjoint.array.patterns.sets import Sets
from adjoint.nn import functional as F
from adjoint.utils.checkpoint import checkpoint
from tests.sparse import patterns

N = 12


def point(*shape: int, seed: int = 0) -> Any:
    return torch.from_numpy(np.random.default_rng(seed).uniform(0.2, 1.0, shape or (N,)))


def dense(f: Any, *inputs: Any) -> Any:
    """Where the Jacobian is not zero here."""
    rows = torch.autograd.functional.jacobian(f, inputs)
    return np.concatenate([r.reshape(-1, x.numel()).numpy() for r, x in zip(rows, inputs)], 1) != 0


# ---- programs ------------------------------------------------------------------------------------


def tridiagonal(x: Any) -> Any:
    padded = F.pad(x, (1, 1))
    return padded[2:] - 2 * x + padded[:-2] + torch.exp(x)


def in_place(x: Any) -> Any:
    y = 2 * x
    y[1:] -= x[:-1]
    y[:-1] -= x[1:]
    y[0] = 1.0
    return y


def buffer_made_inside(x: Any) -> Any:
    y = torch.zeros(N, dtype=torch.float64)
    for i in range(1, N - 1):
        y[i] = x[i - 1] - 2 * x[i] + x[i + 1] ** 2
    return y


def views(x: Any) -> Any:
    square = x.clone().reshape(4, 3)
    square.t()[1].mul_(square.T[2].clone())
    square.diagonal()[...] = x[:3]
    return square.flatten()


def scattered(x: Any) -> Any:
    places = torch.arange(N) % 5
    return torch.zeros(5, dtype=torch.float64).scatter_add(0, places, x**2)


def gathered(x: Any) -> Any:
    return x[torch.tensor([0, 3, 5, 3])] * x[[1, 2, 3, 4]]


def difference_matrix(x: Any) -> Any:
    return torch.from_numpy(np.eye(N, k=1) - np.eye(N)) @ x


def stencil_by_convolution(x: Any) -> Any:
    kernel = torch.tensor([[[[0.0, 1, 0], [1, -4, 1], [0, 1, 0]]]], dtype=torch.float64)
    return F.conv2d(x.reshape(1, 1, 3, 4), kernel, padding=1)


def upwind_by_a_constant(x: Any) -> Any:
    wind = torch.tensor([1.0, -1.0] * (N // 2 - 1), dtype=torch.float64)
    return torch.where(wind > 0, x[1:-1] - x[:-2], x[2:] - x[1:-1])


def recurrent(x: Any) -> Any:
    state = torch.zeros(3, dtype=torch.float64)
    states = []
    for row in x.reshape(4, 3):
        state = torch.tanh(state + row)
        states.append(state)
    return torch.cat(states)


def force_of_an_energy(x: Any) -> Any:
    x = x * 1.0
    with torch.enable_grad():
        if not x.requires_grad:
            x.requires_grad_()
        energy = ((x[1:] - x[:-1]) ** 4).sum()
        (force,) = torch.autograd.grad(energy, x, create_graph=True)
    return force


def pushed_inside(x: Any) -> Any:
    return torch.func.jvp(lambda a: a[1:] * a[:-1], (x,), (torch.ones_like(x),))[1]


def assembled_from_elements(x: Any) -> Any:
    pairs = torch.stack([torch.arange(N - 1), torch.arange(1, N)], 1)
    forces = torch.func.vmap(torch.func.grad(lambda u: (u[1] - u[0]) ** 4))(x[pairs])
    return torch.zeros(N, dtype=torch.float64).index_add(0, pairs.reshape(-1), forces.reshape(-1))


def gradient_of_a_function(x: Any) -> Any:
    return torch.func.grad(lambda a: (a[1:] * a[:-1] ** 2).sum())(x)


def checkpointed(x: Any) -> Any:
    return checkpoint(lambda a: torch.sin(a) * a.roll(1), x, use_reentrant=False)


def complex_inside(x: Any) -> Any:
    z = torch.complex(x[:6], x[6:])
    return torch.cat([z.real.exp(), (z * 2j).imag, z.abs()])


def printed(x: Any) -> Any:
    assert "tensor" in repr(x) and "PatternArray" not in str(x)
    return copy.deepcopy(x.detach()) * x


EXACT = [
    *(tridiagonal, in_place, buffer_made_inside, views, scattered, gathered),
    *(difference_matrix, stencil_by_convolution, upwind_by_a_constant, recurrent),
    *(force_of_an_energy, pushed_inside, checkpointed, printed),
    *(assembled_from_elements, gradient_of_a_function),
]


@pytest.mark.parametrize("f", EXACT)
def test_exactly_the_entries_that_are_not_zero(f: Any) -> None:
    x = point()
    found = sparse.detect_jacobian(f, x)
    assert isinstance(found, sp.csr_array) and found.dtype == bool and found.has_canonical_format
    np.testing.assert_array_equal(found.toarray(), dense(f, x))


def collect_always(table: Sets) -> None:
    roots = table._roots()
    assert roots is not None
    table._keep_only(roots)


@pytest.mark.parametrize("f", [*EXACT, lambda x: ThroughNumPy.apply(x * x.flip(0))])
def test_collecting_sets_at_every_step_changes_nothing(
    f: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = sparse.detect_jacobian(f, point()).toarray()
    squared = sparse.detect_hessian(lambda x: (f(x) ** 2).sum(), point()).toarray()
    monkeypatch.setattr(Sets, "collect_when_due", collect_always)
    np.testing.assert_array_equal(sparse.detect_jacobian(f, point()).toarray(), expected)
    again = sparse.detect_hessian(lambda x: (f(x) ** 2).sum(), point()).toarray()
    np.testing.assert_array_equal(again, squared)


LARGER = [
    lambda x: torch.where(x > 0.5, x, x.flip(0)),
    lambda x: x.sort()[0],
    lambda x: x.topk(3)[0],
    lambda x: x.reshape(4, 3).max(1)[0],
    lambda x: x.median(),
    lambda x: F.relu(x - 0.5),
    lambda x: x.clone().clamp_(0.4, 0.8),
    lambda x: F.dropout(x, 0.5),
    lambda x: F.max_pool1d(x.reshape(1, 1, N), 3),
    lambda x: x[x.argsort()],
    lambda x: x.cumsum(0),
    lambda x: torch.softmax(x.reshape(4, 3), 1),
    lambda x: F.layer_norm(x.reshape(4, 3), (3,)),
    lambda x: torch.linalg.norm(x) if hasattr(torch, "linalg") else x.norm(),
    lambda x: x.detach() * x.flip(0),
    lambda x: x - x.mean(),
    complex_inside,
    lambda x: torch.func.jacrev(lambda a: a[:3] ** 2)(x),
    lambda x: torch.func.jacfwd(lambda a: a[:3] ** 2)(x),
    lambda x: torch.func.hessian(lambda a: (a[:3] ** 3).sum())(x),
    lambda x: torch.func.vmap(lambda a, b: torch.sin(a) * b)(x[1:], x[:-1]),
    lambda x: torch.func.vmap(lambda a: (a**2).sum(), in_dims=1)(x.reshape(4, 3)),
]


@pytest.mark.parametrize("k", range(len(LARGER)))
def test_what_holds_at_any_point_holds_all_that_are_not_zero(k: int) -> None:
    f, x = LARGER[k], point()
    found = sparse.detect_jacobian(f, x).toarray()
    for seed in range(4):
        assert not (dense(f, point(seed=seed)) & ~found).any()


def test_local_patterns_hold_at_the_point() -> None:
    x = point()
    for f in (LARGER[0], LARGER[1], LARGER[3], LARGER[9]):
        found = sparse.detect_jacobian(f, x, local=True).toarray()
        np.testing.assert_array_equal(found, dense(f, x))


def test_several_inputs_and_outputs() -> None:
    x, y = point(4), point(2, 2)
    found = sparse.detect_jacobian(lambda x, y: (x * y.reshape(-1), y[0].sum()), x, y)
    expected = np.zeros((5, 8))
    expected[:4] = np.hstack([np.eye(4), np.eye(4)])
    expected[4, 4:6] = 1
    np.testing.assert_array_equal(found.toarray(), expected)
    unused = sparse.detect_jacobian(lambda x, y: torch.zeros(3) + 1, x, y)
    assert unused.shape == (3, 8) and unused.nnz == 0


def test_values_decide_as_they_are_taken() -> None:
    def f(x: Any) -> Any:
        if x[0] > 0.5 and x.sum().item() > 0:
            return x[1:]
        return x[:-1] * float(x.detach().numpy().max())

    low, high = torch.tensor([0.1, 0.2, 0.3]), torch.tensor([0.9, 0.2, 0.3])
    np.testing.assert_array_equal(sparse.detect_jacobian(f, low).toarray(), np.eye(2, 3))
    np.testing.assert_array_equal(sparse.detect_jacobian(f, high).toarray(), np.eye(2, 3, 1))


def test_dtypes_and_the_input_stay_as_they_are() -> None:
    x = torch.ones(4, dtype=torch.float32, requires_grad=True)
    seen = []

    def f(x: Any) -> Any:
        seen.append((x.dtype, x.requires_grad, x.shape))
        x += 1.0 if not x.requires_grad else 0 * x.sum()
        return x

    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
        sparse.detect_jacobian(f, x)
    assert sparse.detect_jacobian(f, x.detach()).nnz == 4
    assert seen == [(torch.float32, True, (4,)), (torch.float32, False, (4,))]
    assert x.tolist() == [1, 1, 1, 1] and type(x._array) is np.ndarray and x.grad is None


def test_results_written_to_a_given_tensor() -> None:
    def f(x: Any) -> Any:
        y = torch.empty(N - 1, dtype=torch.float64)
        return torch.mul(x[1:], x[:-1], out=y)

    expected = (np.eye(N - 1, N) + np.eye(N - 1, N, 1)) > 0
    np.testing.assert_array_equal(sparse.detect_jacobian(f, point()).toarray(), expected)


def test_random_numbers_go_on_as_before() -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    sparse.detect_jacobian(lambda x: F.dropout(x) + torch.rand(N), point())
    assert (torch.rand(2) == expected).all()


def test_buffers_outside_keep_their_memory() -> None:
    buffer, other = torch.zeros(N, dtype=torch.float64), torch.zeros(2, 3)
    memory, part = buffer.numpy(), buffer[2:4]
    x = point()

    def f(x: Any) -> Any:
        buffer.copy_(x * 2)
        other[0, 1] = 5.0
        return buffer + other.sum()

    np.testing.assert_array_equal(sparse.detect_jacobian(f, x).toarray(), np.eye(N))
    assert buffer.numpy() is memory and type(part._array) is np.ndarray
    np.testing.assert_array_equal(memory, x.numpy() * 2)
    np.testing.assert_array_equal(part.numpy(), memory[2:4])
    memory[2] = 7.0
    assert part[0] == 7.0

    def failing(x: Any) -> Any:
        buffer.copy_(x)
        raise KeyError("stop")

    with pytest.raises(KeyError):
        sparse.detect_jacobian(failing, x)
    assert buffer.numpy() is memory
    np.testing.assert_array_equal(memory, x.numpy())


def test_a_module_keeps_its_statistics_as_numbers() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.BatchNorm1d(3)).double()
    model(point(4, 3))
    before = model[1].running_mean.clone()
    found = sparse.detect_jacobian(model, point(4, 3))
    assert found.toarray().all()
    statistics = model[1].running_mean
    assert type(statistics._array) is np.ndarray and (statistics != before).any()
    assert all(p.grad is None for p in model.parameters())


def test_arrays_of_a_detection_that_is_over() -> None:
    kept = []

    def f(x: Any) -> Any:
        kept.append(x * 2)
        return kept[-1]

    sparse.detect_jacobian(f, point())
    assert isinstance(kept[0]._array, PatternArray)
    with pytest.raises(RuntimeError, match="two pattern detections met"):
        sparse.detect_jacobian(lambda x: x * kept[0], point())


def test_errors() -> None:
    x = point()
    with pytest.raises(TypeError, match="every input must be a Tensor, got list"):
        sparse.detect_jacobian(lambda x: x, [1.0])
    with pytest.raises(TypeError, match="what f returns must be a Tensor, got float"):
        sparse.detect_jacobian(lambda x: 1.0, x)
    with pytest.raises(TypeError, match="at least one tensor"):
        sparse.detect_jacobian(lambda: x)
    with pytest.raises(RuntimeError, match=r"must be real and floating-point, got torch\.int64"):
        sparse.detect_jacobian(lambda x: x, torch.arange(3))
    with pytest.raises(RuntimeError, match="view_as_real"):
        sparse.detect_jacobian(lambda x: torch.complex(x, x), x)
    with pytest.raises(RuntimeError, match=r"f must return one element, got \[12\]"):
        sparse.detect_hessian(lambda x: x, x)


# ---- Hessians ------------------------------------------------------------------------------------


def rosenbrock(x: Any) -> Any:
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def arrow_head(x: Any) -> Any:
    return (x[0] * x[1:] ** 2).sum() + (x**4).sum()


def grid_energy(x: Any) -> Any:
    u = x.reshape(3, 4)
    return ((u[1:] - u[:-1]) ** 4).sum() + ((u[:, 1:] - u[:, :-1]) ** 4).sum()


def written_in_place(x: Any) -> Any:
    y = x.clone()
    y[1:].mul_(x[:-1])
    y[0] = x[2] ** 2
    return (y**2).sum()


def scattered_energy(x: Any) -> Any:
    i, j = torch.arange(0, N - 2), torch.arange(2, N)
    return torch.zeros(3, dtype=torch.float64).index_add(0, i % 3, x[i] * x[j]).sum()


def of_a_matrix_product(x: Any) -> Any:
    return (x @ (torch.from_numpy(np.diag(np.arange(1.0, N), 1)) @ x)) + x[0] ** 3


@pytest.mark.parametrize(
    "f",
    [
        *(rosenbrock, arrow_head, grid_energy, written_in_place, scattered_energy),
        of_a_matrix_product,
    ],
)
def test_hessians_exactly(f: Any) -> None:
    x = point()
    found = sparse.detect_hessian(f, x)
    assert found.has_canonical_format and found.dtype == bool
    expected = torch.autograd.functional.hessian(f, x).numpy() != 0
    np.testing.assert_array_equal(found.toarray(), expected)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: torch.logsumexp(x, 0),
        lambda x: x.sort()[0][:3].prod(),
        lambda x: F.relu(x - 0.5).pow(3).sum(),
        lambda x: torch.where(x > 0.5, x**3, x**2).sum(),
        lambda x: F.max_pool1d((x**3).reshape(1, 1, N), 3).sum(),
        lambda x: x.max() ** 2,
        lambda x: F.cross_entropy(x.reshape(4, 3), torch.tensor([0, 1, 2, 1])),
        lambda x: x.reshape(4, 3).std(0).sum(),
    ],
)
def test_hessians_at_any_point(f: Any) -> None:
    found = sparse.detect_hessian(f, point()).toarray()
    np.testing.assert_array_equal(found, found.T)
    for seed in range(3):
        expected = torch.autograd.functional.hessian(f, point(seed=seed)).numpy() != 0
        assert not (expected & ~found).any()


def test_hessians_without_entries() -> None:
    x = point()
    assert sparse.detect_hessian(lambda x: (3 * x + 1).sum(), x).nnz == 0
    assert sparse.detect_hessian(lambda x: torch.ones(1).sum(), x).nnz == 0
    assert sparse.detect_hessian(lambda x: x.detach().sum(), x).shape == (N, N)


def test_hessians_of_several_inputs() -> None:
    x, y = point(2), point(3)
    found = sparse.detect_hessian(lambda x, y: x[0] * y[1] + y[2] ** 2 + x[1], x, y)
    expected = np.zeros((5, 5))
    expected[0, 3] = expected[3, 0] = expected[4, 4] = 1
    np.testing.assert_array_equal(found.toarray(), expected)


def test_gradients_of_parameters_are_left_alone() -> None:
    model = torch.nn.Linear(N, 1).double()
    sparse.detect_hessian(lambda x: model(x).pow(2).sum(), point())
    assert model.weight.grad is None
    with torch.no_grad():
        assert sparse.detect_hessian(rosenbrock, point()).nnz == 3 * N - 2


# ---- size ----------------------------------------------------------------------------------------


def test_large_patterns_take_no_more_than_their_entries() -> None:
    n = 200_000
    found = sparse.detect_jacobian(tridiagonal, torch.zeros(n, dtype=torch.float64))
    assert (found != patterns.band(n, 1, 1).astype(bool)).nnz == 0
    hessian = sparse.detect_hessian(rosenbrock, torch.zeros(n, dtype=torch.float64))
    assert (hessian != patterns.band(n, 1, 1).astype(bool)).nnz == 0


# ---- custom Functions ----------------------------------------------------------------------------


class ThroughNumPy(torch.autograd.Function):
    """Neighbours multiplied, in NumPy both ways."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        values = x.detach().numpy()
        return torch.from_numpy(values[1:] * values[:-1])

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        (x,) = ctx.saved_tensors
        return F.pad(g * x[1:], (0, 1)) + F.pad(g * x[:-1], (1, 0))


class Rounding(torch.autograd.Function):
    """Rounded, with the derivative of what goes in."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x.round()

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return g


class BackThroughNumPy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x**2

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        (x,) = ctx.saved_tensors
        return torch.from_numpy(2 * x.detach().numpy() * g.detach().numpy())


class Several(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any, y: Any, scale: float) -> Any:
        ctx.scale = scale
        return x * scale, y.flip(0), torch.tensor([1, 2])

    @staticmethod
    def backward(ctx: Any, gx: Any, gy: Any, _: Any) -> Any:
        return gx * ctx.scale, gy.flip(0), None


class InPlace(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.mark_dirty(x)
        x.copy_(x.roll(1, 0))
        return x

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return g.roll(-1, 0)


class Identity(torch.autograd.Function):
    """Nothing going forward, the neighbour's gradient on the way back."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return g.flip(0)


def test_functions_depend_as_their_backward_says() -> None:
    x = point()
    found = sparse.detect_jacobian(ThroughNumPy.apply, x).toarray()
    np.testing.assert_array_equal(found, (np.eye(N - 1, N) + np.eye(N - 1, N, 1)) > 0)
    np.testing.assert_array_equal(
        sparse.detect_jacobian(lambda x: Rounding.apply(x * x.flip(0)), x).toarray(),
        (np.eye(N) + np.eye(N)[::-1]) > 0,
    )
    assert sparse.detect_jacobian(BackThroughNumPy.apply, x).toarray().all()
    np.testing.assert_array_equal(
        sparse.detect_jacobian(lambda x: InPlace.apply(x * 1), x).toarray(),
        np.eye(N)[np.arange(-1, N - 1)],
    )
    flipped = sparse.detect_jacobian(lambda x: Identity.apply(x), x).toarray()
    np.testing.assert_array_equal(flipped, np.eye(N)[::-1])
    several = sparse.detect_jacobian(lambda x, y: Several.apply(x, y, 2.0)[:2], x, point())
    np.testing.assert_array_equal(
        several.toarray(),
        np.block([[np.eye(N), np.zeros((N, N))], [np.zeros((N, N)), np.eye(N)[::-1]]]),
    )


def test_hessians_of_functions() -> None:
    x = point()
    found = sparse.detect_hessian(lambda x: (ThroughNumPy.apply(x) ** 2).sum(), x).toarray()
    np.testing.assert_array_equal(found, patterns.band(N, 1, 1).toarray() != 0)
    assert sparse.detect_hessian(lambda x: BackThroughNumPy.apply(x).sum(), x).toarray().all()
    assert sparse.detect_hessian(lambda x: (Rounding.apply(x) ** 2).sum(), x).nnz == N


def test_random_numbers_by_chances_that_depend_on_the_input() -> None:
    x = point()
    for f in (
        lambda x: torch.bernoulli(x) + x,
        lambda x: torch.poisson(x) + x,
        lambda x: x.clone().bernoulli_(x.detach()) + x,
    ):
        np.testing.assert_array_equal(sparse.detect_jacobian(f, x).toarray(), np.eye(N))


def test_pools_with_their_places() -> None:
    values, places = F.max_pool1d(point().reshape(1, 1, N), 3, return_indices=True)

    def f(x: Any) -> Any:
        made, chosen = F.adaptive_max_pool1d(x.reshape(1, 1, N), 4, return_indices=True)
        assert (chosen == places).all() and (made == values).all()
        return made

    expected = np.kron(np.eye(4), np.ones((1, 3)))
    np.testing.assert_array_equal(sparse.detect_jacobian(f, point()).toarray(), expected)


def test_patterns_that_no_memory_holds() -> None:
    x = torch.ones(200_000, dtype=torch.float64)
    with pytest.raises(MemoryError, match="all but full"):
        sparse.detect_jacobian(lambda x: x / x.sum(), x)
    assert sparse.detect_jacobian(lambda x: (x / x.sum()).max(), x).nnz == 200_000
