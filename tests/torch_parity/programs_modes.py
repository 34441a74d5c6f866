"""Programs on recording modes: no_grad, enable_grad, set_grad_enabled, inference_mode."""

from __future__ import annotations

from typing import Any

from tests.torch_parity.harness import in_threads, name, raises, variants


def p_no_grad_context(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    with torch.no_grad():
        y = x * 2
        inside = torch.is_grad_enabled()
    return [y.requires_grad, y.grad_fn, y.is_leaf, inside, torch.is_grad_enabled()]


def p_no_grad_as_value(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    with torch.no_grad() as entered:
        pass
    return [entered, (x * 2).requires_grad]


@variants(
    no_grad=lambda t: t.no_grad(),
    no_grad_bare=lambda t: t.no_grad,
    enable_grad=lambda t: t.enable_grad(),
    enable_grad_bare=lambda t: t.enable_grad,
    set_false=lambda t: t.set_grad_enabled(False),
    set_true=lambda t: t.set_grad_enabled(True),
    inference=lambda t: t.inference_mode(),
    inference_bare=lambda t: t.inference_mode,
    inference_false=lambda t: t.inference_mode(False),
    inference_true=lambda t: t.inference_mode(mode=True),
)
def p_decorator(torch: Any, make: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    decorate = make(torch)

    @decorate
    def double(value: Any, times: int = 2) -> Any:
        """Doubles."""
        return value * times, torch.is_grad_enabled(), torch.is_inference_mode_enabled()

    torch.set_grad_enabled(True)
    y, enabled, inference = double(x, times=3)
    with torch.no_grad():
        z, enabled2, inference2 = double(x)
    return [
        y.requires_grad,
        enabled,
        inference,
        z.requires_grad,
        enabled2,
        inference2,
        double.__name__,
        double.__doc__,
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        y.is_inference(),
    ]


@variants(
    no_grad=lambda t: t.no_grad(),
    enable_grad=lambda t: t.enable_grad(),
    inference=lambda t: t.inference_mode(),
)
def p_generator(torch: Any, make: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    seen = []

    @make(torch)
    def numbers() -> Any:
        got = yield torch.is_grad_enabled()
        seen.append(got)
        seen.append((x * 2).requires_grad)
        try:
            yield torch.is_grad_enabled()
        except ValueError as error:
            seen.append(str(error))
            yield torch.is_grad_enabled()
        return "end"

    with torch.no_grad():
        it = numbers()
        first = next(it)
        between = torch.is_grad_enabled()
        second = it.send("sent")
        third = it.throw(ValueError("thrown"))
        after = torch.is_grad_enabled()
        try:
            next(it)
            value = None
        except StopIteration as stop:
            value = stop.value
    return [first, between, second, third, after, value, seen]


def p_generator_function_under_no_grad_decorator_outside(torch: Any) -> list[Any]:
    @torch.no_grad()
    def numbers() -> Any:
        for _ in range(3):
            yield torch.is_grad_enabled()

    seen = []
    for flag in numbers():
        seen.append((flag, torch.is_grad_enabled()))
    return [seen]


def p_generator_closed_early(torch: Any) -> list[Any]:
    seen = []

    @torch.no_grad()
    def numbers() -> Any:
        try:
            yield 1
        finally:
            seen.append(torch.is_grad_enabled())

    it = numbers()
    next(it)
    it.close()
    return [seen, torch.is_grad_enabled()]


def p_decorated_class(torch: Any) -> list[Any]:
    def decorate() -> Any:
        @torch.no_grad()
        class Thing:
            def __init__(self) -> None:
                self.enabled = torch.is_grad_enabled()

        return Thing().enabled

    return [raises(decorate)]


def p_decorated_method(torch: Any) -> list[Any]:
    class Thing:
        @torch.no_grad()
        def flag(self) -> bool:
            return torch.is_grad_enabled()

        @staticmethod
        @torch.no_grad()
        def static() -> bool:
            return torch.is_grad_enabled()

    return [Thing().flag(), Thing.static(), torch.is_grad_enabled()]


def p_set_grad_enabled_as_function(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    torch.set_grad_enabled(False)
    off = (x * 2).requires_grad
    torch.set_grad_enabled(True)
    return [off, (x * 2).requires_grad]


def p_set_grad_enabled_as_context(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    with torch.set_grad_enabled(False):
        off = (x * 2).requires_grad
        with torch.set_grad_enabled(True):
            on = (x * 2).requires_grad
        again = (x * 2).requires_grad
    return [off, on, again, (x * 2).requires_grad]


def p_set_grad_enabled_acts_at_once(torch: Any) -> list[Any]:
    context = torch.set_grad_enabled(False)
    before_enter = torch.is_grad_enabled()
    with context:
        inside = torch.is_grad_enabled()
    return [before_enter, inside, torch.is_grad_enabled()]


def p_set_grad_enabled_of_other_types(torch: Any) -> list[Any]:
    found = [
        raises(lambda: torch.set_grad_enabled(1)),
        raises(lambda: torch.set_grad_enabled("no")),
        raises(lambda: torch.set_grad_enabled(None)),
    ]
    torch.set_grad_enabled(True)
    return [[item.kind for item in found]]


def p_nested(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    seen = []
    with torch.no_grad():
        seen.append((x * 2).requires_grad)
        with torch.enable_grad():
            seen.append((x * 2).requires_grad)
            with torch.no_grad():
                seen.append((x * 2).requires_grad)
            seen.append((x * 2).requires_grad)
        seen.append((x * 2).requires_grad)
    seen.append((x * 2).requires_grad)
    return [seen]


def p_exception_restores(torch: Any) -> list[Any]:
    def fail() -> None:
        with torch.no_grad():
            raise ValueError("inside")

    return [raises(fail), torch.is_grad_enabled()]


def p_one_context_entered_twice(torch: Any) -> list[Any]:
    context = torch.no_grad()
    with context:
        with context:
            inner = torch.is_grad_enabled()
        middle = torch.is_grad_enabled()
    return [inner, middle]


def p_recursive_decorated_function(torch: Any) -> list[Any]:
    @torch.no_grad()
    def descend(depth: int) -> list[bool]:
        if depth == 0:
            return [torch.is_grad_enabled()]
        return [*descend(depth - 1), torch.is_grad_enabled()]

    return [descend(3), torch.is_grad_enabled()]


def p_in_place_on_leaf_in_no_grad(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    with torch.no_grad():
        x.add_(1)
        x[0] = 7
        x -= 0.5
    return [x, x.is_leaf, x.requires_grad, x._version]


def p_factories_in_no_grad(torch: Any) -> list[Any]:
    with torch.no_grad():
        x = torch.ones(2, requires_grad=True)
        y = torch.tensor([1.0], requires_grad=True)
        z = torch.ones(1).requires_grad_()
    return [x.requires_grad, y.requires_grad, z.requires_grad]


def p_view_made_in_no_grad(torch: Any) -> list[Any]:
    x = torch.ones(4, requires_grad=True)
    with torch.no_grad():
        v = x.view(2, 2)
    return [v.requires_grad, v.grad_fn, v._is_view(), v._base is x, raises(lambda: v.add_(1)), x]


def p_view_of_result_made_in_no_grad_then_written(torch: Any) -> list[Any]:
    x = torch.ones(4, requires_grad=True) * 1
    with torch.no_grad():
        v = x.view(2, 2)
    return [raises(lambda: v.mul_(2)), x, name(x.grad_fn)]


def p_write_in_no_grad_keeps_history(torch: Any) -> list[Any]:
    leaf = torch.ones(2, requires_grad=True)
    x = leaf * 3
    with torch.no_grad():
        x.mul_(10)
    x.sum().backward()
    return [x, name(x.grad_fn), leaf.grad]


def p_backward_in_decorated_function(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    loss = (x * x).sum()

    @torch.no_grad()
    def step() -> None:
        loss.backward()
        x.sub_(0.1 * x.grad)

    step()
    return [x, x.grad]


def p_inference_context(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    with torch.inference_mode():
        y = x * 2
        flags = [torch.is_inference_mode_enabled(), torch.is_grad_enabled()]
    return [y.requires_grad, y.is_inference(), x.is_inference(), flags]


def p_inference_tensor_errors(torch: Any) -> list[Any]:
    with torch.inference_mode():
        y = torch.ones(2)
        inside = [raises(lambda: y.add_(1)), raises(lambda: y._version)]
    x = torch.ones(2, requires_grad=True)
    return [
        *inside,
        raises(lambda: y._version),
        raises(lambda: y.add_(1)),
        raises(lambda: y.requires_grad_()),
        raises(lambda: x * y),
        raises(lambda: y * 2),
        raises(lambda: y.view(2)),
        y.clone().is_inference(),
        (y * 2).is_inference(),
        y.view(2).is_inference(),
    ]


def p_inference_save_for_backward(torch: Any) -> list[Any]:
    with torch.inference_mode():
        y = torch.ones(2)
    x = torch.ones(2, requires_grad=True)
    z = x + y
    z.sum().backward()
    return [x.grad, raises(lambda: x * y), (x * y.clone()).requires_grad]


def p_inference_nested_false(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    with torch.inference_mode():
        with torch.inference_mode(False):
            y = x * 2
            flags = [torch.is_inference_mode_enabled(), torch.is_grad_enabled()]
        with torch.enable_grad():
            z = x * 2
            flags.append(torch.is_grad_enabled())
    return [y.requires_grad, y.is_inference(), z.requires_grad, z.is_inference(), flags]


def p_inference_view_of_normal(torch: Any) -> list[Any]:
    x = torch.ones(4)
    with torch.inference_mode():
        v = x.view(2, 2)
        w = x + 1
    return [v.is_inference(), w.is_inference()]


def p_inference_write_to_normal(torch: Any) -> list[Any]:
    x = torch.ones(4)
    leaf = torch.ones(2, requires_grad=True)
    with torch.inference_mode():
        x.add_(1)
        leaf.mul_(3)
    return [x, leaf, x.is_inference(), x._version]


def p_inference_factory_requires_grad(torch: Any) -> list[Any]:
    with torch.inference_mode():
        x = torch.ones(2, requires_grad=True)
        y = x * 2
    return [x.requires_grad, x.is_inference(), y.requires_grad, y.grad_fn]


def p_modes_are_per_thread(torch: Any) -> list[Any]:
    with torch.no_grad():
        flags = in_threads(torch.is_grad_enabled)
        mine = torch.is_grad_enabled()
    with torch.inference_mode():
        inference = in_threads(torch.is_inference_mode_enabled)
    return [flags, mine, inference]


def p_thread_does_not_change_mine(torch: Any) -> list[Any]:
    def switch() -> bool:
        torch.set_grad_enabled(False)
        return bool(torch.is_grad_enabled())

    return [in_threads(switch), torch.is_grad_enabled()]


def p_autograd_namespaces(torch: Any) -> list[Any]:
    with torch.autograd.no_grad():
        off = torch.is_grad_enabled()
    with torch.autograd.grad_mode.set_grad_enabled(False):
        off2 = torch.is_grad_enabled()
    with torch.autograd.set_grad_enabled(False), torch.autograd.enable_grad():
        on = torch.is_grad_enabled()
    with torch.autograd.inference_mode():
        inference = torch.is_inference_mode_enabled()
    return [off, off2, on, inference, torch.autograd.grad_mode.no_grad is torch.no_grad]


def p_no_grad_wraps_lambda(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    f = torch.no_grad()(lambda v: v * 2)
    return [f(x).requires_grad, f(x)]


def p_no_grad_of_bound_method(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    return [torch.no_grad()(x.mul)(3)]


def p_mode_of_backward(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    seen = []
    y = x * 2
    y.register_hook(lambda g: seen.append(torch.is_grad_enabled()))
    y.sum().backward(retain_graph=True)
    y.sum().backward(create_graph=True)
    with torch.no_grad():
        y.sum_ = None
        torch.autograd.backward(y, torch.ones(2))
    return [seen, torch.is_grad_enabled()]
