"""Programs on anomaly detection: modes, nan detection and its message."""

from __future__ import annotations

from typing import Any

from tests.torch_parity.harness import raises, variants, warned


def p_flags(torch: Any) -> list[Any]:
    before = torch.is_anomaly_enabled()
    with torch.autograd.detect_anomaly():
        inside = (torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled())
    with torch.autograd.detect_anomaly(check_nan=False):
        without = (torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled())
    return [before, inside, without, torch.is_anomaly_enabled()]


def p_warns_on_entry(torch: Any) -> list[Any]:
    return [
        warned(lambda: torch.autograd.detect_anomaly()),
        warned(lambda: torch.autograd.set_detect_anomaly(False)),
    ]


def p_set_detect_anomaly(torch: Any) -> list[Any]:
    torch.autograd.set_detect_anomaly(True)
    on = torch.is_anomaly_enabled()
    torch.autograd.set_detect_anomaly(False)
    off = torch.is_anomaly_enabled()
    with torch.autograd.set_detect_anomaly(True):
        inside = torch.is_anomaly_enabled()
    with torch.autograd.set_detect_anomaly(True, check_nan=False):
        check = torch.is_anomaly_check_nan_enabled()
    return [on, off, inside, check, torch.is_anomaly_enabled()]


@variants(
    sqrt=lambda x: (x * 0).sqrt() * 0,
    div=lambda x: (x * 0) / (x * 0),
    log=lambda x: (x * 0).log() * 0,
    norm=lambda x: ((x * 0) ** 2).sum().sqrt() * 0,
    acos=lambda x: (x + 5).acos(),
    pow=lambda x: (x - 10) ** 0.5,
)
def p_nan_in_backward(torch: Any, operate: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    with torch.autograd.detect_anomaly():
        y = operate(x)
        return [raises(lambda: y.sum().backward()), x.grad]


def p_nan_without_check(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    with torch.autograd.detect_anomaly(check_nan=False):
        ((x * 0).sqrt() * 0).sum().backward()
    return [x.grad]


def p_nan_without_mode(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    ((x * 0).sqrt() * 0).sum().backward()
    return [x.grad]


def p_nan_forward_only_is_fine(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    with torch.autograd.detect_anomaly():
        y = x + float("nan")
        y.sum().backward()
    return [y, x.grad]


def p_inf_is_fine(torch: Any) -> list[Any]:
    x = torch.tensor([0.0, 2.0], requires_grad=True)
    with torch.autograd.detect_anomaly():
        x.sqrt().sum().backward()
    return [x.grad]


def p_function_returns_nan(torch: Any) -> list[Any]:
    class Bad(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x.clone()

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * float("nan")

    x = torch.tensor([1.0, 2.0], requires_grad=True)
    with torch.autograd.detect_anomaly():
        y = Bad.apply(x)
        return [raises(lambda: y.sum().backward())]


def p_gradient_given_is_nan(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    with torch.autograd.detect_anomaly():
        y = x * 2
        return [raises(lambda: y.backward(torch.tensor([float("nan"), 1.0])))]


def p_second_of_two_gradients_is_nan(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    w = torch.tensor([0.0, 0.0], requires_grad=True)
    with torch.autograd.detect_anomaly():
        y = x * w.sqrt()
        return [raises(lambda: (y * 0).sum().backward())]


def p_mode_only_in_backward(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = ((x * 0).sqrt() * 0).sum()
    with torch.autograd.detect_anomaly():
        return [raises(lambda: y.backward())]


def p_warning_shows_forward_line(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)

    def run() -> None:
        with torch.autograd.detect_anomaly():
            y = ((x * 0).sqrt() * 0).sum()
            raises(lambda: y.backward())

    return [[category for category, _ in warned(run)], [text[:60] for _, text in warned(run)]]


def p_in_place_error_under_anomaly(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    with torch.autograd.detect_anomaly():
        a = x * 2
        b = a * a
        a.add_(1)
        return [raises(lambda: b.sum().backward())]


def p_create_graph_under_anomaly(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    with torch.autograd.detect_anomaly():
        (g,) = torch.autograd.grad((x**3).sum(), x, create_graph=True)
        return [g, torch.autograd.grad(g.sum(), x)]


def p_exception_leaves_mode(torch: Any) -> list[Any]:
    def fail() -> None:
        with torch.autograd.detect_anomaly():
            raise ValueError("inside")

    return [raises(fail), torch.is_anomaly_enabled()]


def p_metadata_has_parent(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    with torch.autograd.set_detect_anomaly(True):
        (g,) = torch.autograd.grad((x**1.5).sum(), x, create_graph=True)
        y = g * 2
    parent = g.grad_fn.metadata["parent_"]
    return [
        sorted(g.grad_fn.metadata),
        parent.name(),
        sorted(parent.metadata),
        "parent_" in y.grad_fn.metadata,
    ]


@variants(inside=True, outside=False)
def p_second_derivative_is_nan(torch: Any, inside: bool) -> list[Any]:
    x = torch.tensor([0.0, 2.0], requires_grad=True)
    errors = []

    def run() -> None:
        with torch.autograd.set_detect_anomaly(inside):
            (g,) = torch.autograd.grad((x**1.5).sum(), x, create_graph=True)
        with torch.autograd.set_detect_anomaly(True):
            errors.append(raises(lambda: torch.autograd.grad((g * x).sum(), x)))

    return [warned(run), errors]


def p_metadata_has_traceback(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    with torch.autograd.detect_anomaly():
        y = x * 2
    return [sorted(y.grad_fn.metadata), type(y.grad_fn.metadata.get("traceback_"))]
