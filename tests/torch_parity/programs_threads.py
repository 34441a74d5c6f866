"""Programs on depth and concurrency: deep graphs, several backwards at once, life times."""

from __future__ import annotations

import gc
import weakref
from typing import Any

from tests.torch_parity.harness import in_threads, raises


def p_deep_chain(torch: Any) -> list[Any]:
    x = torch.tensor(1.0, requires_grad=True)
    y = x
    for _ in range(100_000):
        y = y + 1
    y.backward()
    return [y, x.grad]


def p_deep_chain_with_saved_values(torch: Any) -> list[Any]:
    x = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    y = x
    for _ in range(50_000):
        y = y * 1.00001
    y.backward()
    return [y, x.grad]


def p_deep_chain_dropped_without_backward(torch: Any) -> list[Any]:
    x = torch.ones(1, requires_grad=True)
    y = x
    for _ in range(200_000):
        y = y + x
    found = y.item()
    del y
    return [found, x.grad]


def p_deep_chain_of_two_operands(torch: Any) -> list[Any]:
    x = torch.tensor(1.0, requires_grad=True)
    y = x
    for _ in range(20_000):
        y = y + x
    y.backward()
    return [y, x.grad]


def p_wide_graph(torch: Any) -> list[Any]:
    x = torch.tensor(1.0, requires_grad=True)
    total = torch.stack([x * k for k in range(3000)]).sum()
    total.backward()
    return [total, x.grad]


def p_deep_chain_of_functions(torch: Any) -> list[Any]:
    class Step(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x + 1

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g

    x = torch.tensor(1.0, requires_grad=True)
    y = x
    for _ in range(5_000):
        y = Step.apply(y)
    y.backward()
    return [y, x.grad]


def p_deep_create_graph(torch: Any) -> list[Any]:
    x = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    y = x
    for _ in range(2_000):
        y = (y * 1.0001).sin() + 0.001 * y
    (g,) = torch.autograd.grad(y, x, create_graph=True)
    (h,) = torch.autograd.grad(g, x)
    return [y, g, h]


def p_threads_with_own_leaves(torch: Any) -> list[Any]:
    def work(scale: float) -> Any:
        def do() -> Any:
            x = torch.full((10,), scale, requires_grad=True)
            for _ in range(20):
                (x * x).sum().backward()
            return x.grad

        return do

    return in_threads(*(work(float(k)) for k in range(1, 5)))


def p_threads_share_a_leaf(torch: Any) -> list[Any]:
    x = torch.ones(10, requires_grad=True)

    def work() -> None:
        for _ in range(25):
            (x * 2).sum().backward()

    in_threads(*[work] * 4)
    return [x.grad]


def p_threads_share_a_graph(torch: Any) -> list[Any]:
    x = torch.ones(10, requires_grad=True)
    y = (x * x).sum()
    results = in_threads(*[lambda: torch.autograd.grad(y, x, retain_graph=True)[0]] * 4)
    return [*results, x.grad]


def p_threads_errors_stay_apart(torch: Any) -> list[Any]:
    x = torch.ones(3, requires_grad=True)

    def good() -> Any:
        return torch.autograd.grad((x * x).sum(), x)

    def bad() -> Any:
        return (x * 2).backward()

    return in_threads(good, bad, good)


def p_hooks_run_in_calling_thread(torch: Any) -> list[Any]:
    x = torch.ones(3, requires_grad=True)
    y = x * 2
    names = []
    y.register_hook(lambda g: names.append(g.sum().item()))
    in_threads(lambda: y.sum().backward())
    return [names, x.grad]


def p_graph_made_in_thread_used_here(torch: Any) -> list[Any]:
    x = torch.ones(3, requires_grad=True)
    (y,) = in_threads(lambda: (x * 3).sum())
    y.backward()
    return [x.grad]


def p_backward_of_same_graph_in_turn(torch: Any) -> list[Any]:
    x = torch.ones(3, requires_grad=True)
    y = (x * x).sum()
    in_threads(lambda: y.backward())
    return [x.grad, raises(lambda: y.backward())]


def p_no_cycle_keeps_graph_alive(torch: Any) -> list[Any]:
    gc.disable()
    try:
        x = torch.ones(3, requires_grad=True)
        y = x.exp().tanh()
        alive = weakref.ref(y)
        z = (y * y).sum()
        z.backward()
        del y, z
        return [alive() is None]
    finally:
        gc.enable()


def p_leaf_lives_on_in_its_graph(torch: Any) -> list[Any]:
    x = torch.ones(3, requires_grad=True)
    y = x * 2
    del x
    node = y.grad_fn.next_functions[0][0]
    y.sum().backward()
    return [node.variable, node.variable.grad, node.variable is node.variable]


def p_result_alone_keeps_graph(torch: Any) -> list[Any]:
    def make() -> Any:
        x = torch.tensor([2.0], requires_grad=True)
        seen = []
        x.register_hook(seen.append)
        return x * x, seen

    y, seen = make()
    y.backward()
    return [seen]


def p_recursive_backward_in_hooks(torch: Any) -> list[Any]:
    x = torch.tensor(2.0, requires_grad=True)
    depth = []

    def again(g: Any) -> None:
        if len(depth) < 30:
            depth.append(1)
            with torch.enable_grad():
                y = x * 1
                y.register_hook(again)
                y.backward()

    y = x * 1
    y.register_hook(again)
    y.backward()
    return [len(depth), x.grad]
