"""Convolution, pooling, unfolding and padding as PyTorch has them: values, derivatives, graph.

The same call in both libraries, for many shapes and settings drawn from a fixed seed.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="compares with PyTorch 2.13")

import adjoint
from adjoint.ops import adaptive_pool, conv, pad, pool, unfold

Array = Any

F = torch.nn.functional
OWN = SimpleNamespace(
    **{
        name: getattr(module, name)
        for module in (adaptive_pool, conv, pad, pool, unfold)
        for name in module.__all__
    }
)
TOLERANCE = {"int64": 0.0, "float64": 1e-10, "float32": 2e-5, "complex128": 1e-10}


def numbers(rng: Any, shape: Any, dtype: str = "float64") -> Array:
    made = rng.standard_normal(shape)
    if dtype.startswith("complex"):
        made = made + 1j * rng.standard_normal(shape)
    return made.astype(dtype)


def compare(name: str, arrays: list[Array], params: dict[str, Any], order: int = 2) -> None:
    """Call a function of both libraries; compare values, gradients and gradients of gradients."""
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    ours = [adjoint.tensor(a, requires_grad=True) for a in arrays]
    expected = getattr(F, name)(*theirs, **params)
    found = getattr(OWN, name)(*ours, **params)
    same(found, expected)
    rng = np.random.default_rng(0)
    weights = numbers(rng, tuple(expected.shape), arrays[0].dtype.name)
    their_weights = torch.tensor(weights, requires_grad=True)
    our_weights = adjoint.tensor(weights, requires_grad=True)
    first = torch.autograd.grad(expected, theirs, their_weights, create_graph=True)
    mine = adjoint.autograd.grad(found, ours, our_weights, create_graph=True)
    for a, b in zip(mine, first, strict=True):
        same(a, b)
    raw = adjoint.autograd.grad(getattr(OWN, name)(*ours, **params), ours, adjoint.tensor(weights))
    for a, b in zip(raw, first, strict=True):
        same(a, b)
    if order < 2:
        return
    directions = [numbers(rng, tuple(t.shape), arrays[0].dtype.name) for t in first]
    second = torch.autograd.grad(
        first, [*theirs, their_weights], [torch.tensor(d) for d in directions], allow_unused=True
    )
    own_second = adjoint.autograd.grad(
        mine, [*ours, our_weights], [adjoint.tensor(d) for d in directions], allow_unused=True
    )
    for a, b in zip(own_second, second, strict=True):
        got = np.zeros(1) if a is None else a.detach().numpy()
        wanted = np.zeros(1) if b is None else b.detach().numpy()
        np.testing.assert_allclose(*np.broadcast_arrays(got, wanted), **close(arrays[0].dtype))


def close(dtype: Any) -> dict[str, float]:
    tolerance = TOLERANCE[np.dtype(dtype).name]
    return {"rtol": tolerance * 10, "atol": tolerance}


def same(found: Any, expected: Any) -> None:
    assert tuple(found.shape) == tuple(expected.shape)
    assert str(found.dtype) == str(expected.dtype)
    expected = expected.detach()
    np.testing.assert_allclose(
        found.detach().numpy(), expected.resolve_conj().numpy(), **close(found.dtype.numpy)
    )


def convolutions(count: int) -> Iterator[Any]:
    rng = np.random.default_rng(1)
    while count:
        dims = int(rng.integers(1, 4))
        kernel, space = rng.integers(1, 4, dims), rng.integers(1, 9, dims)
        stride, dilation = rng.integers(1, 4, dims), rng.integers(1, 3, dims)
        padding, groups = rng.integers(0, 3, dims), int(rng.choice([1, 1, 2, 3]))
        if (space + 2 * padding < dilation * (kernel - 1) + 1).any():
            continue
        count -= 1
        params = {
            "stride": tuple(map(int, stride)),
            "padding": tuple(map(int, padding)),
            "dilation": tuple(map(int, dilation)),
            "groups": groups,
        }
        channels, filters = groups * int(rng.integers(1, 4)), groups * int(rng.integers(1, 4))
        batch = [int(rng.integers(1, 4))] if rng.random() < 0.8 else []
        x = [*batch, channels, *map(int, space)]
        dtype = str(rng.choice(["float64", "float64", "float32", "complex128"]))
        yield pytest.param(
            (dims, x, filters, list(map(int, kernel)), bool(rng.integers(2)), dtype, params),
            id=f"{count}-{dims}d-{dtype}",
        )


@pytest.mark.parametrize("case", list(convolutions(90)))
def test_conv(case: Any) -> None:
    dims, x, filters, kernel, bias, dtype, params = case
    rng = np.random.default_rng(2)
    channels = x[-dims - 1] // params["groups"]
    arrays = [numbers(rng, x, dtype), numbers(rng, [filters, channels, *kernel], dtype)]
    arrays += [numbers(rng, [filters], dtype)] if bias else []
    compare(f"conv{dims}d", arrays, params)


@pytest.mark.parametrize("case", list(convolutions(90)))
def test_conv_transpose(case: Any) -> None:
    dims, x, filters, kernel, bias, dtype, params = case
    rng = np.random.default_rng(3)
    groups = params["groups"]
    space = [
        (n - 1) * s - 2 * p + d * (k - 1) + 1
        for n, s, p, d, k in zip(
            x[-dims:], params["stride"], params["padding"], params["dilation"], kernel, strict=True
        )
    ]
    params["padding"] = tuple(
        0 if n < 1 else p for n, p in zip(space, params["padding"], strict=True)
    )
    sizes = zip(params["stride"], params["dilation"], strict=True)
    params["output_padding"] = tuple(int(rng.integers(0, max(pair))) for pair in sizes)
    channels = x[-dims - 1]
    arrays = [numbers(rng, x, dtype), numbers(rng, [channels, filters // groups, *kernel], dtype)]
    arrays += [numbers(rng, [filters], dtype)] if bias else []
    compare(f"conv_transpose{dims}d", arrays, params)


@pytest.mark.filterwarnings("ignore:Using padding")
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("kernel", [(3, 3), (2, 4), (1, 2)])
@pytest.mark.parametrize("dilation", [1, (2, 1)])
def test_conv_with_padding_in_words(padding: str, kernel: Any, dilation: Any) -> None:
    rng = np.random.default_rng(4)
    arrays = [numbers(rng, (2, 3, 6, 7)), numbers(rng, (4, 3, *kernel)), numbers(rng, 4)]
    compare("conv2d", arrays, {"padding": padding, "dilation": dilation})


def pools(count: int) -> Iterator[Any]:
    rng = np.random.default_rng(5)
    while count:
        dims = int(rng.integers(1, 4))
        kernel, stride = rng.integers(1, 5, dims), rng.integers(1, 5, dims)
        space, padding = rng.integers(1, 11, dims), rng.integers(0, kernel // 2 + 1)
        dilation = rng.integers(1, 3, dims)
        if (space + 2 * padding < dilation * (kernel - 1) + 1).any() or (
            (dilation > 1) & (space < dilation + 1)
        ).any():
            continue
        count -= 1
        batch = [int(rng.integers(0, 3))] if rng.random() < 0.8 else []
        shape = [*batch, int(rng.integers(1, 4)), *map(int, space)]
        params = {
            "kernel_size": tuple(map(int, kernel)),
            "stride": tuple(map(int, stride)) if rng.integers(2) else None,
            "padding": tuple(map(int, padding)),
            "ceil_mode": bool(rng.integers(2)),
        }
        extra = tuple(map(int, dilation)), bool(rng.integers(2)), rng.choice([None, 3])
        yield pytest.param((dims, shape, params, *extra), id=f"{count}-{dims}d")


@pytest.mark.parametrize("case", list(pools(90)))
def test_max_pool(case: Any) -> None:
    dims, shape, params, dilation, _, _ = case
    rng = np.random.default_rng(6)
    params = params | {"dilation": dilation}
    compare(f"max_pool{dims}d", [numbers(rng, shape)], params)
    x = rng.integers(-2, 3, shape).astype(np.float32)  # ties
    x[rng.random(x.shape) < 0.1] = np.nan
    expected = getattr(F, f"max_pool{dims}d")(torch.tensor(x), **params, return_indices=True)
    found = getattr(OWN, f"max_pool{dims}d")(adjoint.tensor(x), **params, return_indices=True)
    for a, b in zip(found, expected, strict=True):
        same(a, b)


@pytest.mark.parametrize("case", list(pools(90)))
def test_avg_pool(case: Any) -> None:
    dims, shape, params, _, include, divisor = case
    if dims == 3:
        params["kernel_size"] = tuple(map(min, params["kernel_size"], shape[-3:]))
        params["padding"] = 0
    params = params | {"count_include_pad": include}
    if dims > 1 and divisor is not None:
        params["divisor_override"] = int(divisor)
    compare(f"avg_pool{dims}d", [numbers(np.random.default_rng(7), shape)], params)


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("space", [1, 4, 6, 7])
@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("batch", [(), (2,)])
def test_adaptive_pool(dims: int, space: int, size: int, batch: tuple[int, ...]) -> None:
    rng = np.random.default_rng(8)
    shape = (*batch, 2, *(space,) * (dims - 1), 5)
    params = {"output_size": (*(size,) * (dims - 1), 3) if dims > 1 else size}
    compare(f"adaptive_avg_pool{dims}d", [numbers(rng, shape)], params)
    compare(f"adaptive_max_pool{dims}d", [numbers(rng, shape)], params)
    x = rng.integers(-2, 3, shape).astype(np.float32)
    name = f"adaptive_max_pool{dims}d"
    expected = getattr(F, name)(torch.tensor(x), **params, return_indices=True)
    found = getattr(OWN, name)(adjoint.tensor(x), **params, return_indices=True)
    for a, b in zip(found, expected, strict=True):
        same(a, b)


@pytest.mark.parametrize("batch", [(), (2,)])
@pytest.mark.parametrize(
    ("kernel", "dilation", "padding", "stride"),
    [(2, 1, 0, 1), ((2, 3), 1, (1, 0), (2, 1)), (3, (1, 2), 2, 3), (1, 1, 0, 2)],
)
def test_unfold_and_fold(batch: Any, kernel: Any, dilation: Any, padding: Any, stride: Any) -> None:
    rng = np.random.default_rng(9)
    params = {
        "kernel_size": kernel,
        "dilation": dilation,
        "padding": padding,
        "stride": stride,
    }
    x = numbers(rng, (*batch, 3, 7, 8))
    compare("unfold", [x], params, order=1)
    columns = numbers(rng, tuple(F.unfold(torch.tensor(x), **params).shape))
    compare("fold", [columns], params | {"output_size": (7, 8)}, order=1)


PADS = [
    ("constant", (2, 3, 5), (1, 2)),
    ("constant", (2, 3, 5), (1, -2, -1, 3, 0, 2)),
    ("constant", (2, 3), ()),
    *[(mode, (3, 5), (2, 1)) for mode in ("reflect", "replicate", "circular")],
    *[(mode, (2, 3, 5), (-1, 3)) for mode in ("reflect", "replicate", "circular")],
    *[(mode, (2, 3, 4, 5), (4, 1, 0, 3)) for mode in ("reflect", "replicate", "circular")],
    *[(mode, (2, 4, 4, 5), (1, 1, 2, 0, 1, 3)) for mode in ("reflect", "replicate", "circular")],
    ("replicate", (2, 3, 4, 5), (9, 7, 0, 6)),
]


@pytest.mark.parametrize(("mode", "shape", "widths"), PADS)
def test_pad(mode: str, shape: Any, widths: Any) -> None:
    params: dict[str, Any] = {"pad": widths, "mode": mode}
    if mode == "constant":
        params["value"] = 1.5
    compare("pad", [numbers(np.random.default_rng(10), shape)], params, order=1)


# ---- the graph


def graph(node: Any, depth: int = 3) -> Any:
    """Return the names of a graph's nodes."""
    if node is None:
        return None
    name = node.name().rpartition("::")[2]
    return (name, *(graph(n, depth - 1) for n, _ in node.next_functions)) if depth else name


GRAPHS: dict[str, Any] = {
    "conv2d": lambda f, x, w, b: f.conv2d(x, w, b),
    "conv2d without bias": lambda f, x, w, b: f.conv2d(x, w),
    "conv2d unbatched": lambda f, x, w, b: f.conv2d(x[0], w, b),
    "conv2d same": lambda f, x, w, b: f.conv2d(x, w, b, padding="same"),
    "conv2d uneven": lambda f, x, w, b: f.conv2d(x, w[:, :, :2, :2], padding="same"),
    "conv1d": lambda f, x, w, b: f.conv1d(x[:, :, 0], w[:, :, 0], b),
    "conv_transpose2d": lambda f, x, w, b: f.conv_transpose2d(x, w.transpose(0, 1)),
    "max_pool2d": lambda f, x, w, b: f.max_pool2d(x, 2),
    "max_pool2d indices": lambda f, x, w, b: f.max_pool2d(x, 2, return_indices=True)[0],
    "max_pool2d unbatched": lambda f, x, w, b: f.max_pool2d(x[0], 2),
    "max_pool1d": lambda f, x, w, b: f.max_pool1d(x[:, :, 0], 2),
    "max_pool3d": lambda f, x, w, b: f.max_pool3d(x, 2),
    "avg_pool1d": lambda f, x, w, b: f.avg_pool1d(x[:, :, 0], 2),
    "avg_pool2d": lambda f, x, w, b: f.avg_pool2d(x, 2),
    "avg_pool3d": lambda f, x, w, b: f.avg_pool3d(x, 2),
    "adaptive_max_pool1d": lambda f, x, w, b: f.adaptive_max_pool1d(x[0], 3),
    "adaptive_max_pool2d": lambda f, x, w, b: f.adaptive_max_pool2d(x, 3),
    "adaptive_max_pool3d": lambda f, x, w, b: f.adaptive_max_pool3d(x, 3),
    "adaptive_avg_pool1d": lambda f, x, w, b: f.adaptive_avg_pool1d(x[0], 3),
    "adaptive_avg_pool2d": lambda f, x, w, b: f.adaptive_avg_pool2d(x, 3),
    "adaptive_avg_pool2d of one": lambda f, x, w, b: f.adaptive_avg_pool2d(x, 1),
    "adaptive_avg_pool3d": lambda f, x, w, b: f.adaptive_avg_pool3d(x, 3),
    "unfold": lambda f, x, w, b: f.unfold(x, 2),
    "fold": lambda f, x, w, b: f.fold(x[:, :, 0].repeat(1, 4, 1)[..., :4], (3, 3), 2),
    "pad": lambda f, x, w, b: f.pad(x, (1, 1)),
    "pad reflect": lambda f, x, w, b: f.pad(x, (1, 1, 1, 1), mode="reflect"),
    "pad replicate": lambda f, x, w, b: f.pad(x, (1, 1, 1, 1), mode="replicate"),
}


@pytest.mark.filterwarnings("ignore:Using padding")
@pytest.mark.parametrize("name", GRAPHS)
def test_graph(name: str) -> None:
    rng = np.random.default_rng(11)
    arrays = [numbers(rng, shape) for shape in ((2, 3, 8, 8), (4, 3, 3, 3), (4,))]
    theirs = GRAPHS[name](F, *(torch.tensor(a, requires_grad=True) for a in arrays))
    ours = GRAPHS[name](OWN, *(adjoint.tensor(a, requires_grad=True) for a in arrays))
    assert graph(ours.grad_fn) == graph(theirs.grad_fn)


def test_nothing_is_recorded_without_grad() -> None:
    x = adjoint.ones(1, 1, 4, 4, requires_grad=True)
    with adjoint.no_grad():
        assert not OWN.max_pool2d(x, 2).requires_grad
        assert not OWN.conv2d(x, adjoint.ones(1, 1, 2, 2)).requires_grad
    assert not OWN.max_pool2d(x, 2, return_indices=True)[1].requires_grad


def test_what_a_convolution_saves() -> None:
    x, w, b = adjoint.ones(1, 1, 4, 4), adjoint.ones(1, 1, 2, 2), adjoint.ones(1)
    node = OWN.conv2d(x, w.requires_grad_(), b).grad_fn
    assert adjoint.equal(node._saved_input, x)
    assert node._saved_stride == (1, 1)
