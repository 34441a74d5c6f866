"""Anomaly detection: the line, the element, the numbers and the cure."""

from __future__ import annotations

import gc
import re
import warnings
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import adjoint as torch
from adjoint.autograd import detect_anomaly, set_detect_anomaly
from adjoint.utils.checkpoint import checkpoint

Tensor = Any


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """The warnings of anomaly detection are compared with PyTorch's in tests/torch_parity."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def message(function: Callable[..., Tensor], *points: Any, **options: bool) -> str:
    """What backward says of ``function``, recorded and walked in anomaly mode."""
    operands = [torch.tensor(p, requires_grad=True) for p in points]
    with (
        detect_anomaly(**options),
        pytest.raises(RuntimeError, match=r"returned (nan|inf) values in its") as caught,
    ):
        function(*operands).sum().backward()
    return str(caught.value)


def parts(text: str) -> list[list[str]]:
    """The paragraphs, line by line."""
    return [[line.strip() for line in p.splitlines()] for p in text.split("\n\n")]


def test_a_branch_that_was_not_taken() -> None:
    def loss(x: Tensor) -> Tensor:
        root = x.sqrt()  # the line to name
        return torch.where(x > 0, root, 0.0)

    head, block, cures = parts(message(loss, [4.0, 0.0, 0.0]))
    assert head == ["Function 'SqrtBackward0' returned nan values in its 0th output."]
    start, place, line, *facts = block
    assert (
        start == "The first operation of the forward whose derivative is not finite there is sqrt:"
    )
    assert re.fullmatch(r".*test_anomaly\.py:\d+, in loss", place)
    assert line == "root = x.sqrt()  # the line to name"
    assert facts == [
        "operands: input float32 [3]",
        "2 of 3 elements of the gradient of input are nan, first at [1]",
        "there: input = 0.0, result = 0.0",
        "incoming cotangent at [1]: 0.0; local derivative: inf; product: nan",
    ]
    assert "masked_gradients()" in " ".join(cures)
    assert "clamp(min=eps)" in " ".join(cures)


def test_an_infinity_that_arose_before_the_nan() -> None:
    """The norm at 0: nan shows at the square, the root is to blame."""

    def norm(x: Tensor) -> Tensor:
        squares = x**2
        return squares.sum().sqrt()

    head, first, shown, cures = parts(message(norm, [0.0, 0.0]))
    assert head == ["Function 'PowBackward0' returned nan values in its 0th output."]
    assert first[0].endswith("not finite there is sqrt:")
    assert first[2] == "return squares.sum().sqrt()"
    assert first[4:] == [
        "1 of 1 elements of the gradient of input are inf, first",
        "there: input = 0.0, result = 0.0",
        "incoming cotangent: 1.0; local derivative: inf; product: inf",
    ]
    assert shown[0] == "In the backward, nan showed at pow:"
    assert shown[2] == "squares = x**2"
    assert shown[-1] == "incoming cotangent at [0]: inf; local derivative: 0.0; product: nan"
    text = " ".join(cures)
    assert "sqrt has no finite derivative at 0" in text
    assert "masked_gradients" not in text  # the root was selected


def test_the_first_of_several_in_the_forward() -> None:
    def loss(x: Tensor) -> Tensor:
        root = x.sqrt()
        logarithm = root.log()
        return torch.where(x > 0, logarithm, 0.0)

    head, first, shown, _ = parts(message(loss, [0.0, 4.0]))
    assert "LogBackward0" in head[0]
    assert first[0].endswith("there is sqrt:")
    assert first[2] == "root = x.sqrt()"
    assert first[-2:] == ["there at [0]: input = 0.0, result = 0.0", "local derivative: inf"]
    assert shown[0] == "In the backward, nan came up first at log:"
    assert shown[2] == "logarithm = root.log()"


def test_behind_views_products_and_factors_of_0() -> None:
    def loss(x: Tensor) -> Tensor:
        ratio = x / x
        product = (ratio.view(2, 1).t() * 1.0)[0] * x
        return torch.nn.functional.layer_norm(product, (2,))

    head, first, shown, cures = parts(message(loss, [0.0, 4.0]))
    assert "NativeLayerNormBackward0" in head[0]
    assert first[2] == "ratio = x / x"
    assert "there at [0]: input = 0.0, other = 0.0" in first
    assert shown[0].endswith("at layer_norm:")
    assert "div has no finite derivative at 0 (or below): keep its divisor" in " ".join(cures)


def test_broadcast_operands() -> None:
    def loss(x: Tensor, y: Tensor) -> Tensor:
        return torch.where(x > 0, y / x, 0.0)

    _, block, _ = parts(message(loss, [[2.0], [0.0]], [1.0, 2.0, 3.0]))
    assert "operands: input float32 [3], other float32 [2, 1]" in block
    assert "3 of 3 elements of the gradient of input are nan, first at [0]" in block
    assert "there: input = 1.0, other = 0.0" in block
    assert "incoming cotangent at [1, 0]: 0.0; local derivative: inf; product: nan" in block


def test_matrices() -> None:
    def loss(a: Tensor, b: Tensor) -> Tensor:
        return (a @ b)[:1]

    _, block, _ = parts(message(loss, [[1.0, 2.0], [1.0, 1.0]], [[1.0, float("inf")], [1.0, 1.0]]))
    assert "operands: input float32 [2, 2], mat2 float32 [2, 2]" in block
    assert "1 of 4 elements of the gradient of input are nan, first at [1, 0]" in block
    assert "incoming cotangent at [1, 1]: 0.0; local derivative: inf; product: nan" in block


def test_an_operand_that_was_nan_already() -> None:
    text = message(lambda x: (x * 1).sqrt(), [-1.0, float("nan")])
    assert "there: input = -1.0, result = nan" in text
    text = message(lambda x: x.exp(), [float("nan"), 1.0])
    assert "there: input = nan" in text
    assert "An operand is not finite itself" in text
    assert "overflows" not in text


def test_overflow() -> None:
    text = message(lambda x: torch.where(x > 5, x, x.exp()), [1000.0])
    assert "there: input = 1000.0, result = inf" in text
    assert "exp overflows" in text


def test_the_edge_of_a_domain() -> None:
    text = message(lambda x: torch.where(x < 1, x.acos(), 0.0), [1.0])
    assert "incoming cotangent at [0]: 0.0; local derivative: -inf; product: nan" in text
    assert "x.clamp(-1 + eps, 1 - eps)" in text


def test_a_gradient_given_as_nan() -> None:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    with detect_anomaly(), pytest.raises(RuntimeError, match="MulBackward0") as caught:
        (x * 2).backward(torch.tensor([1.0, float("nan")]))
    text = str(caught.value)
    assert "incoming cotangent at [1]: nan; local derivative: 2.0" in text
    assert "look at the gradient\n  that backward() was given" in text


def test_recorded_outside() -> None:
    x = torch.tensor([0.0, 4.0], requires_grad=True)
    y = torch.where(x > 0, x.log(), 0.0).sum()
    with detect_anomaly(), pytest.raises(RuntimeError, match="LogBackward0") as caught:
        y.backward()
    text = str(caught.value)
    assert "(recorded outside of anomaly detection: its line is not known)" in text
    assert "there: input = 0.0" in text  # log saves its operand
    assert "local derivative: inf" in text


def test_functions() -> None:
    class Log(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)
            return x.log()

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> Tensor:
            return g / ctx.saved_tensors[0]

    text = message(lambda x: Log.apply(x)[1:], [0.0, 4.0])
    assert text.startswith("Function 'LogBackward' returned nan values in its 0th output.")
    assert "Log.apply(x)[1:]" in text
    assert "there: operand 0 = 0.0" in text
    assert "incoming cotangent at [0]: 0.0" in text


def test_several_results() -> None:
    text = message(lambda x: torch.std_mean(x.sqrt())[0] * 0, [0.0, 0.0])
    assert "1 of 2 elements" in text or "2 of 2 elements" in text
    assert "is sqrt:" in text


def test_written_in_place() -> None:
    """The operand that is gone is not shown; the result is."""
    text = message(lambda x: (x * 1).sqrt_() * 0, [0.0, 4.0])
    assert "there: result = 0.0" in text
    assert "local derivative: inf" in text


def test_an_operand_overwritten_later_is_not_shown() -> None:
    def loss(x: Tensor) -> Tensor:
        y = x * 1
        z = y.sqrt()
        y.add_(1)
        return z * 0

    text = message(loss, [0.0, 4.0])
    assert "there: result = 0.0" in text
    assert "input = 1.0" not in text


def test_second_derivatives_name_both_lines() -> None:
    x = torch.tensor([0.0, 2.0], requires_grad=True)
    with set_detect_anomaly(True):
        (g,) = torch.autograd.grad((x**1.5).sum(), x, create_graph=True)
        with pytest.raises(RuntimeError, match="PowBackward0") as caught:
            torch.autograd.grad((g * x).sum(), x)
    text = str(caught.value)
    assert "(g,) = torch.autograd.grad((x**1.5).sum(), x, create_graph=True)" in text


def test_complex_and_half_precision() -> None:
    def loss(x: Tensor) -> Tensor:
        y = x.half().sqrt()
        return torch.where(x > 0, y.float(), 0.0)

    assert "input float16 [2]" in message(loss, [0.0, 4.0])
    z = torch.tensor([0j, 1 + 0j], requires_grad=True)
    with detect_anomaly(), pytest.raises(RuntimeError, match="SqrtBackward0") as caught:
        torch.where(z.abs() > 0, z.sqrt(), 0j).abs().sum().backward()
    assert "there: input = 0j, result = 0j" in str(caught.value)


def test_in_checkpoints() -> None:
    text = message(
        lambda x: checkpoint(lambda a: torch.where(a > 0, a.sqrt(), 0.0), x, use_reentrant=False),
        [0.0, 4.0],
    )
    assert "is sqrt:" in text
    assert "there: input = 0.0" in text


@pytest.mark.parametrize("kind", ["jacrev", "vmap_of_grad", "grad_of_vmap"])
def test_in_batches(kind: str) -> None:
    def loss(x: Tensor) -> Tensor:
        root = x.sqrt()
        return torch.where(x > 0, root, 0.0)

    def total(x: Tensor) -> Tensor:
        return loss(x).sum()

    x = torch.tensor([0.0, 4.0])
    rows = torch.stack([x, x])
    runs: dict[str, Callable[[], Any]] = {
        "jacrev": lambda: torch.func.jacrev(loss)(x),
        "vmap_of_grad": lambda: torch.func.vmap(torch.func.grad(total))(rows),
        "grad_of_vmap": lambda: torch.func.grad(lambda r: torch.func.vmap(total)(r).sum())(rows),
    }
    with detect_anomaly(), pytest.raises(RuntimeError, match="SqrtBackward0") as caught:
        runs[kind]()
    text = str(caught.value)
    assert "root = x.sqrt()" in text
    assert "2 of 4 elements of the gradient of input are nan, in all samples together" in text
    assert "If the cotangent is 0" in text


def test_check_inf() -> None:
    text = message(lambda x: x.sqrt(), [4.0, 0.0], check_inf=True)
    assert text.startswith("Function 'SqrtBackward0' returned inf values in its 0th output.")
    assert "incoming cotangent at [1]: 1.0; local derivative: inf; product: inf" in text
    x = torch.tensor([0.0], requires_grad=True)
    with detect_anomaly():
        x.sqrt().sum().backward()
    assert x.grad.item() == float("inf")
    with detect_anomaly(check_nan=False, check_inf=True):
        (x.sqrt() * 0).sum().backward()


def test_options_come_back() -> None:
    with detect_anomaly(check_nan=False, check_inf=True):
        assert not torch.is_anomaly_check_nan_enabled()
        with set_detect_anomaly(True):
            assert torch.is_anomaly_check_nan_enabled()
        assert not torch.is_anomaly_check_nan_enabled()
    message(lambda x: x.sqrt() * 0, [0.0])


def test_nothing_is_kept_alive() -> None:
    gc.collect()
    gc.disable()
    try:
        x = torch.tensor([0.0, 4.0], requires_grad=True)
        with detect_anomaly():
            y = x * 2
            big = weakref.ref(y._array)
            z = torch.where(x > 0, y.sqrt(), 0.0)
            w = y.exp().sum()
            nodes = [weakref.ref(t.grad_fn) for t in (y, z, w)]
            w.backward(retain_graph=False)
            with pytest.raises(RuntimeError, match="SqrtBackward0"):
                z.sum().backward()
        del y, z, w
        assert big() is None
        assert [n() for n in nodes] == [None] * 3
    finally:
        gc.enable()
