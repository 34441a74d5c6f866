"""What convolution, pooling, unfolding and padding refuse: PyTorch's class and first sentence."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="compares with PyTorch 2.13")

import adjoint
from adjoint.ops import adaptive_pool, conv, pad, pool, unfold
from tests.torch_parity.harness import raises

F = torch.nn.functional
OWN = SimpleNamespace(
    **{
        name: getattr(module, name)
        for module in (adaptive_pool, conv, pad, pool, unfold)
        for name in module.__all__
    }
)

# Each: function, shape of the input (None: not a tensor), shape of the weight, keyword arguments.
CONVS: list[tuple[str, Any, Any, dict[str, Any]]] = [
    ("conv2d", (2, 5, 8, 8), (4, 3, 3, 3), {}),
    ("conv1d", (2, 5, 8), (4, 3, 3), {}),
    ("conv3d", (2, 5, 8, 8, 8), (4, 3, 1, 1, 1), {}),
    ("conv_transpose2d", (2, 5, 8, 8), (4, 3, 3, 3), {}),
    *[("conv2d", shape, (4, 3, 3, 3), {}) for shape in [(3,), (3, 3), (3,) * 5, (3,) * 6]],
    ("conv1d", (3,), (4, 3, 3), {}),
    ("conv1d", (2, 3, 8, 8), (4, 3, 3), {}),
    ("conv3d", (3, 3, 3), (4, 3, 1, 1, 1), {}),
    ("conv2d", (2, 3, 8, 8), (4, 3, 3), {}),
    ("conv2d", (2, 3, 8, 8), (4, 3, 3, 3, 3), {}),
    ("conv1d", (2, 3, 8), (4, 3, 3, 3), {}),
    ("conv_transpose2d", (3, 3), (4, 3, 3, 3), {}),
    ("conv_transpose2d", (2, 3, 8, 8), (3, 4, 3), {}),
    ("conv2d", (2, 3, 2, 2), (4, 3, 3, 3), {}),
    ("conv2d", (3, 2, 2), (4, 3, 3, 3), {}),
    ("conv2d", (2, 3, 2, 5), (4, 3, 3, 3), {"padding": (0, 1)}),
    ("conv1d", (2, 3, 2), (4, 3, 3), {}),
    *[
        ("conv2d", (2, 3, 8, 8), (4, 3, 3, 3), settings)
        for settings in (
            *({"stride": 0}, {"stride": -1}, {"stride": (1, -1)}, {"padding": -1}),
            *({"dilation": 0}, {"dilation": -1}, {"groups": 0}, {"groups": -1}, {"groups": 2}),
            *({"stride": -1, "padding": -1}, {"stride": 0, "dilation": 0}),
            *({"padding": -1, "groups": 0}, {"dilation": 0, "groups": 0}),
            *({"dilation": -1, "stride": 0}, {"dilation": -1, "padding": -1}),
            *({"stride": (1, 2, 3)}, {"padding": (1, 2, 3)}, {"dilation": (1, 2, 3)}),
            *({"padding": (1, 2, 3), "stride": (1, 2, 3)}, {"stride": "a"}, {"stride": 1.5}),
            *({"padding": "foo"}, {"padding": "same", "stride": 2}, {"stride": True}),
            {"stride": None},
        )
    ],
    ("conv2d", (2, 3, 8, 8), (4, 1, 3, 3), {"groups": 3}),
    ("conv2d", (2, 4, 8, 8), (3, 2, 3, 3), {"groups": 2}),
    ("conv2d", (2, 5, 8, 8), (4, 3, 3, 3), {"stride": 0}),
    ("conv2d", (2, 5, 8, 8), (4, 3, 3, 3), {"groups": 3}),
    ("conv2d", (2, 3, 8, 8), (0, 3, 3, 3), {}),
    ("conv2d", None, (4, 3, 3, 3), {}),
    ("conv2d", (2, 3, 8, 8), None, {}),
    ("conv_transpose2d", None, (4, 3, 3, 3), {}),
    ("conv_transpose2d", (2, 3, 8, 8), None, {}),
    *[
        ("conv_transpose2d", (2, 4, 8, 8), (4, 3, 3, 3), settings)
        for settings in (
            *({"output_padding": 1}, {"stride": 2, "output_padding": 2}),
            *({"stride": 2, "output_padding": -1}, {"stride": 0, "output_padding": -1}),
            *({"output_padding": (1, 2, 3)}, {"padding": "same"}, {"groups": 3}, {"bias": 2}),
            *({"stride": "a"}, {"groups": 1.5}, {"stride": (2, 3), "output_padding": (1, 3)}),
        )
    ],
    ("conv_transpose1d", (2, 4, 8), (4, 3, 3), {"output_padding": 1}),
    ("conv_transpose3d", (2, 4, 8, 8, 8), (4, 3, 1, 1, 1), {"output_padding": 1}),
]


@pytest.mark.parametrize(("name", "x", "w", "settings"), CONVS)
def test_conv(name: str, x: Any, w: Any, settings: dict[str, Any]) -> None:
    def call(library: Any, functions: Any) -> Any:
        tensors = [1 if shape is None else library.ones(*shape) for shape in (x, w)]
        return raises(lambda: getattr(functions, name)(*tensors, **settings))

    check(call(adjoint, OWN), call(torch, F))


def check(found: Any, expected: Any) -> None:
    assert expected.kind is not None, "PyTorch accepts it"
    assert found.kind == expected.kind, (found, expected)
    assert found.sentence == expected.sentence


DTYPES = ("float32", "float64", "float16", "bfloat16", "complex64", "int64", "bool")


@pytest.mark.parametrize("other", ["float32", "float64", "int64", "complex64"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("place", ["weight", "bias"])
def test_conv_of_two_dtypes(dtype: str, other: str, place: str) -> None:
    if dtype == other:
        pytest.skip("the same dtype")

    def call(library: Any, functions: Any) -> Any:
        x, w = library.ones(2, 3, 8, 8), library.ones(4, 3, 3, 3)
        kind, second = getattr(library, dtype), getattr(library, other)
        bias = library.ones(4).to(second) if place == "bias" else None
        w = w.to(second if place == "weight" else kind)
        return raises(lambda: functions.conv2d(x.to(kind), w, bias))

    check(call(adjoint, OWN), call(torch, F))


@pytest.mark.parametrize("shape", [(5,), (4, 1), (1,), ()])
@pytest.mark.parametrize("name", ["conv2d", "conv_transpose2d"])
def test_conv_bias(name: str, shape: Any) -> None:
    def call(library: Any, functions: Any) -> Any:
        x, w, b = library.ones(2, 3, 8, 8), library.ones(3, 3, 3, 3), library.ones(shape)
        return raises(lambda: getattr(functions, name)(x, w, b))

    check(call(adjoint, OWN), call(torch, F))


POOLS = [f"{kind}_pool{dims}d" for kind in ("max", "avg") for dims in (1, 2, 3)]


def tensor(library: Any, shape: Any, dtype: str = "float32") -> Any:
    return library.ones(tuple(shape)).to(getattr(library, dtype))


@pytest.mark.parametrize("ndim", range(7))
@pytest.mark.parametrize("name", POOLS)
def test_dims_of_a_pool(name: str, ndim: int) -> None:
    dims = int(name[-2])
    if ndim in (dims + 1, dims + 2):
        pytest.skip("a number of dims that fits")
    shape = (2, 3, 4, 5, 6, 7)[:ndim]
    check(
        raises(lambda: getattr(OWN, name)(tensor(adjoint, shape), 2)),
        raises(lambda: getattr(F, name)(tensor(torch, shape), 2)),
    )


SETTINGS: list[tuple[Any, ...]] = [  # kernel, stride, padding
    *((0,), (-1,), (9,), ("a",), (1.5,), (None,), ((2.5,) * 3,), ((2,) * 4,)),
    *((2, 0), (2, -1), (2, (2,) * 4), (2, 2, -1), (2, 2, 2), (3, 2, 2), (2, 2, (1,) * 4)),
]


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("name", POOLS)
def test_sizes_of_a_pool(name: str, settings: tuple[Any, ...]) -> None:
    shape = (2, 3, 8, 8, 8)[: int(name[-2]) + 2]
    check(
        raises(lambda: getattr(OWN, name)(tensor(adjoint, shape), *settings)),
        raises(lambda: getattr(F, name)(tensor(torch, shape), *settings)),
    )


@pytest.mark.parametrize("dilation", [0, -1, 9])
@pytest.mark.parametrize("name", POOLS[:3])
def test_dilation_of_a_pool(name: str, dilation: int) -> None:
    shape = (2, 3, 8, 8, 8)[: int(name[-2]) + 2]
    check(
        raises(lambda: getattr(OWN, name)(tensor(adjoint, shape), 2, 2, 0, dilation)),
        raises(lambda: getattr(F, name)(tensor(torch, shape), 2, 2, 0, dilation)),
    )


@pytest.mark.parametrize("empty", [1, 2])
@pytest.mark.parametrize("name", POOLS)
def test_pool_of_nothing(name: str, empty: int) -> None:
    shape = list((2, 3, 8, 8, 8)[: int(name[-2]) + 2])
    shape[empty] = 0
    check(
        raises(lambda: getattr(OWN, name)(tensor(adjoint, shape), 2)),
        raises(lambda: getattr(F, name)(tensor(torch, shape), 2)),
    )


ADAPTIVE = [f"adaptive_{kind}_pool{dims}d" for kind in ("max", "avg") for dims in (1, 2, 3)]


@pytest.mark.parametrize("dtype", ["bool", "complex64", "int64", "uint8"])
@pytest.mark.parametrize("name", [*POOLS, *ADAPTIVE])
def test_dtype_of_a_pool(name: str, dtype: str) -> None:
    shape = (2, 3, 8, 8, 8)[: int(name[-3 if name[-1] == "d" else -2 :][-2]) + 2]
    expected = raises(lambda: getattr(F, name)(tensor(torch, shape, dtype), 2))
    if expected.kind is None:
        assert getattr(OWN, name)(tensor(adjoint, shape, dtype), 2).dtype.name == dtype
    else:
        check(raises(lambda: getattr(OWN, name)(tensor(adjoint, shape, dtype), 2)), expected)


@pytest.mark.parametrize("name", ["avg_pool2d", "avg_pool3d"])
def test_divisor_of_zero(name: str) -> None:
    shape = (2, 3, 8, 8, 8)[: int(name[-2]) + 2]
    check(
        raises(lambda: getattr(OWN, name)(tensor(adjoint, shape), 2, divisor_override=0)),
        raises(lambda: getattr(F, name)(tensor(torch, shape), 2, divisor_override=0)),
    )


@pytest.mark.parametrize("size", [-1, (2,) * 4])
@pytest.mark.parametrize("name", ADAPTIVE)
def test_sizes_of_an_adaptive_pool(name: str, size: Any) -> None:
    shape = (2, 3, 8, 8, 8)[: int(name[-2]) + 2]
    check(
        raises(lambda: getattr(OWN, name)(tensor(adjoint, shape), size)),
        raises(lambda: getattr(F, name)(tensor(torch, shape), size)),
    )


@pytest.mark.parametrize("shape", [(2,), (2, 3, 4, 5, 6, 7), (2, 3, 0, 8, 8)])
@pytest.mark.parametrize("name", ADAPTIVE)
def test_dims_of_an_adaptive_pool(name: str, shape: Any) -> None:
    dims = int(name[-2])
    shape = shape if 0 not in shape else shape[: dims + 2]
    check(
        raises(lambda: getattr(OWN, name)(tensor(adjoint, shape), 2)),
        raises(lambda: getattr(F, name)(tensor(torch, shape), 2)),
    )


FOLDS: list[tuple[str, Any, tuple[Any, ...], dict[str, Any]]] = [
    ("unfold", (1, 1, 3, 3, 3), (2,), {}),
    ("unfold", (2, 3, 8, 8), (9,), {}),
    ("unfold", (2, 3, 8, 8), (0,), {}),
    ("unfold", (2, 3, 8, 8), (2,), {"stride": 0}),
    ("unfold", (2, 3, 8, 8), (2,), {"padding": -1}),
    ("unfold", (2, 3, 8, 8), (2,), {"dilation": 0}),
    ("unfold", (2, 3, 8, 8), ((2, 2, 2),), {}),
    ("unfold", (2, 3, 8, 8), ((2,),), {}),
    ("fold", (2, 12, 49), (8, 5), {}),
    ("fold", (2, 12, 49), (9, 2), {}),
    ("fold", (3,), (8, 2), {}),
    ("fold", (1, 2, 12, 49), (8, 2), {}),
    ("fold", (2, 12, 49), (8, 0), {}),
    ("fold", (2, 12, 49), (8, 2), {"stride": 0}),
    ("fold", (2, 12, 49), (8, 2), {"padding": -1}),
    ("fold", (2, 12, 49), (8, 2), {"dilation": 0}),
    ("fold", (2, 12, 49), ((1, 1), 2), {}),
    ("fold", (2, 12, 49), ((8, 8, 8), 2), {}),
    ("fold", (2, 12, 49), ((8,), 2), {}),
    ("pad", (2, 3, 4, 5), ((1,),), {}),
    ("pad", (2, 3, 4, 5), ((1,) * 10,), {}),
    ("pad", (2, 3, 4, 5), ((-3, -4),), {}),
    ("pad", (2, 3, 4, 5), ((1, 1), "foo"), {}),
    ("pad", (2, 3, 4, 5), (1,), {}),
    ("pad", (2, 3, 4, 5), ((1.5, 1),), {}),
    ("pad", (2, 3, 4, 5), ((1, 1), "reflect"), {}),
    ("pad", (5,), ((1, 1), "replicate"), {}),
    ("pad", (2, 3, 5), ((5, 5), "reflect"), {}),
    ("pad", (2, 3, 5), ((6, 0), "circular"), {}),
    ("pad", (2, 3, 5), ((1, 2), "reflect", 3), {}),
    ("pad", (2, 3, 5), ((-3, -2), "replicate"), {}),
    ("pad", (1, 0, 5), ((1, 1), "reflect"), {}),
    ("pad", (2, 3, 5, 5, 5), ((1, 1, 5, 1, 1, 1), "reflect"), {}),
    ("pad", (2, 3, 4, 5), ((0, 0, -3, -2), "circular"), {}),
]


@pytest.mark.parametrize(("name", "shape", "positional", "named"), FOLDS)
def test_fold_and_pad(name: str, shape: Any, positional: Any, named: dict[str, Any]) -> None:
    check(
        raises(lambda: getattr(OWN, name)(tensor(adjoint, shape), *positional, **named)),
        raises(lambda: getattr(F, name)(tensor(torch, shape), *positional, **named)),
    )


@pytest.mark.parametrize("name", [*POOLS, "unfold", "pad"])
def test_what_is_no_tensor(name: str) -> None:
    check(
        raises(lambda: getattr(OWN, name)(1, (2, 2))),
        raises(lambda: getattr(F, name)(1, (2, 2))),
    )
