"""Programs on checkpoints: values, gradients, how often the function runs, warnings and errors."""

from __future__ import annotations

import importlib
from typing import Any

from tests.torch_parity.harness import differs, name, raises, variants, warned

BOTH_WAYS = {"recorded": False, "reentrant": True}


def tools(torch: Any) -> Any:
    """The library's module of checkpoints."""
    return importlib.import_module(f"{torch.__name__}.utils.checkpoint")


def leaf(torch: Any) -> Any:
    """A small leaf that is the same every time."""
    return torch.tensor([0.3, -0.7, 1.1], requires_grad=True)


def body(x: Any) -> Any:
    """Operations that save operands, results, and both."""
    y = x.sin() * x
    return (y.exp() + y.tanh()).cos()


@variants(**BOTH_WAYS)
def p_values_and_gradients(torch: Any, reentrant: bool) -> list[Any]:
    x = leaf(torch)
    y = tools(torch).checkpoint(body, x, use_reentrant=reentrant)
    y.sum().backward()
    return [y, name(y.grad_fn), x.grad]


@variants(**BOTH_WAYS)
def p_outputs_of_all_kinds(torch: Any, reentrant: bool) -> list[Any]:
    x = leaf(torch)

    def function(a: Any) -> Any:
        return a.sin(), a.detach(), 3, "text", [a * 2], None

    results = tools(torch).checkpoint(function, x, use_reentrant=reentrant)
    return [r.requires_grad if hasattr(r, "requires_grad") else r for r in results if r is not x]


@variants(**BOTH_WAYS)
def p_arguments_of_all_kinds(torch: Any, reentrant: bool) -> list[Any]:
    x, w = leaf(torch), torch.tensor(2.0, requires_grad=True)
    fixed = torch.tensor([1.0, 2.0, 3.0])

    def function(a: Any, b: Any, number: float, more: Any, c: Any) -> Any:
        return (a * b * number + more[0] * c).exp()

    y = tools(torch).checkpoint(function, x, fixed, 0.5, [w], w, use_reentrant=reentrant)
    y.sum().backward()
    return [y, x.grad, w.grad, fixed.grad]


def p_keyword_arguments(torch: Any) -> list[Any]:
    x = leaf(torch)
    check = tools(torch).checkpoint
    y = check(lambda a, k: a.sin() * k, x, k=x * 2, use_reentrant=False)
    y.sum().backward()
    return [
        x.grad,
        raises(lambda: check(lambda a, k: a * k, x, k=2.0, use_reentrant=True)),
        raises(lambda: check(lambda a: a, x, k=2.0, use_reentrant=False)),
    ]


@variants(
    omitted=lambda c, x: c.checkpoint(body, x),
    none=lambda c, x: c.checkpoint(body, x, use_reentrant=None),
    given=lambda c, x: c.checkpoint(body, x, use_reentrant=False),
    no_gradient=lambda c, x: c.checkpoint(body, x.detach(), use_reentrant=True),
    no_gradient_recorded=lambda c, x: c.checkpoint(body, x.detach(), use_reentrant=False),
    no_arguments=lambda c, x: c.checkpoint(lambda: body(x), use_reentrant=True),
    sequential=lambda c, x: c.checkpoint_sequential([body, body], 2, x),
    sequential_given=lambda c, x: c.checkpoint_sequential([body] * 2, 2, x, use_reentrant=False),
    validity=lambda c, x: c.check_backward_validity((x.detach(), 3)),
)
def p_warnings(torch: Any, call: Any) -> list[Any]:
    return [warned(lambda: call(tools(torch), leaf(torch)))]


@variants(
    context=lambda c, x: c.checkpoint(body, x, use_reentrant=True, context_fn=lambda: (1, 2)),
    debug=lambda c, x: c.checkpoint(body, x, use_reentrant=True, debug=True),
    debug_and_context=lambda c, x: c.checkpoint(
        body, x, use_reentrant=False, debug=True, context_fn=lambda: (1, 2)
    ),
    check=lambda c, x: c.checkpoint(body, x, use_reentrant=False, determinism_check="all"),
    not_contexts=lambda c, x: c.checkpoint(body, x, use_reentrant=False, context_fn=lambda: (1, 2)),
    cut_off=lambda c, x: c.checkpoint(lambda a: a.detach(), x, use_reentrant=True).backward(x),
    missing=lambda c, x: c.checkpoint(body, use_reentrant=False),
    segments=lambda c, x: c.checkpoint_sequential([body], 2, x, use_reentrant=False),
    no_functions=lambda c, x: c.checkpoint_sequential([], 2, x, use_reentrant=False),
    no_segments=lambda c, x: c.checkpoint_sequential([body], 0, x, use_reentrant=False),
    options=lambda c, x: c.checkpoint_sequential([body], 1, x, use_reentrant=False, early_stop=1),
    detach=lambda c, x: c.detach_variable(x),
)
def p_errors(torch: Any, call: Any) -> list[Any]:
    return [raises(lambda: call(tools(torch), leaf(torch)))]


def p_class_of_the_error(torch: Any) -> list[Any]:
    return [[kind.__name__ for kind in tools(torch).CheckpointError.__mro__]]


@variants(
    grad=lambda torch, y, x: torch.autograd.grad(y, x),
    inputs=lambda torch, y, x: y.backward(inputs=[x]),
    plain=lambda torch, y, x: y.backward(),
)
def p_reentrant_and_inputs(torch: Any, call: Any) -> list[Any]:
    x = leaf(torch)
    y = tools(torch).checkpoint(body, x, use_reentrant=True).sum()
    return [raises(lambda: call(torch, y, x)), x.grad]


# ---- what runs again, and how far ----------------------------------------------------------------


def logged(log: list[str]) -> Any:
    """A function of three steps that notes each."""

    def function(a: Any) -> Any:
        b = a.sin()
        log.append("sin")
        c = b.cos()
        log.append("cos")
        d = c + 1
        log.append("add")
        return d

    return function


@variants(stop=True, no_stop=False)
def p_early_stop(torch: Any, early: bool) -> list[Any]:
    log: list[str] = []
    check = tools(torch).checkpoint
    y = check(logged(log), leaf(torch), use_reentrant=False, early_stop=early).sum()
    log.append("|")
    y.backward()
    return [log]


@variants(off_on=(False, True), on_off=(True, False))
def p_set_early_stop(torch: Any, flags: tuple[bool, bool]) -> list[Any]:
    log: list[str] = []
    module = tools(torch)
    with module.set_checkpoint_early_stop(flags[0]):
        y = module.checkpoint(
            logged(log), leaf(torch), use_reentrant=False, early_stop=flags[1]
        ).sum()
    log.append("|")
    y.backward()
    z = module.checkpoint(logged(log), leaf(torch), use_reentrant=False).sum()
    log.append("|")
    z.backward()
    return [log]


def p_one_recomputation_for_each_walk(torch: Any) -> list[Any]:
    counts: list[int] = [0]

    def function(a: Any) -> Any:
        counts[0] += 1
        return a.sin().cos()

    seen = []
    y = tools(torch).checkpoint(function, leaf(torch), use_reentrant=False).sum()
    seen.append(counts[0])
    for _ in range(2):
        y.backward(retain_graph=True)
        seen.append(counts[0])
    for _ in range(2):
        y.grad_fn.next_functions[0][0]._saved_self
        seen.append(counts[0])
    y.backward()
    seen.append(counts[0])
    return [seen, raises(lambda: y.backward())]


@variants(**BOTH_WAYS)
def p_two_results_two_walks(torch: Any, reentrant: bool) -> list[Any]:
    counts: list[int] = [0]

    def function(a: Any) -> Any:
        counts[0] += 1
        return a.exp(), a.sin()

    x = leaf(torch)
    first, second = tools(torch).checkpoint(function, x, use_reentrant=reentrant)
    first.sum().backward(retain_graph=True)
    seen = [counts[0], x.grad.clone()]
    second.sum().backward()
    return [*seen, counts[0], x.grad]


def p_nested(torch: Any) -> list[Any]:
    check = tools(torch).checkpoint
    log: list[str] = []

    def inner(a: Any) -> Any:
        log.append("inner")
        return a.sin().cos()

    def outer(a: Any) -> Any:
        log.append("outer")
        b = check(inner, a.exp(), use_reentrant=False)
        log.append("end")
        return b.tanh()

    x = leaf(torch)
    y = check(outer, x, use_reentrant=False).sum()
    log.append("|")
    y.backward()
    return [log, x.grad]


@variants(
    both_recorded=(False, False),
    inner_reentrant=(False, True),
    outer_reentrant=(True, False),
    both_reentrant=(True, True),
)
def p_three_deep(torch: Any, ways: tuple[bool, bool]) -> list[Any]:
    check = tools(torch).checkpoint

    def middle(a: Any) -> Any:
        return check(body, a.exp(), use_reentrant=ways[1]) * a

    def outer(a: Any) -> Any:
        return check(middle, a.sin(), use_reentrant=False).tanh()

    x = leaf(torch)
    y = check(outer, x * 1, use_reentrant=ways[0])
    y.sum().backward()
    return [y, x.grad]


def p_second_derivatives(torch: Any) -> list[Any]:
    check = tools(torch).checkpoint
    x = leaf(torch)
    y = check(body, x, use_reentrant=False)
    (first,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x, create_graph=True)
    (third,) = torch.autograd.grad(second.sum(), x)
    return [first, second, third]


@variants(stop=True, no_stop=False)
def p_gradients_inside(torch: Any, early: bool) -> list[Any]:
    def function(a: Any) -> Any:
        b = a.sin()
        (g,) = torch.autograd.grad(b.sum(), a, create_graph=True)
        return g * b

    x = leaf(torch)
    y = tools(torch).checkpoint(function, x * 1, use_reentrant=False, early_stop=early)
    y.sum().backward()
    return [y, x.grad]


@variants(**BOTH_WAYS)
def p_without_recording(torch: Any, reentrant: bool) -> list[Any]:
    log: list[str] = []
    with torch.no_grad():
        y = tools(torch).checkpoint(logged(log), leaf(torch), use_reentrant=reentrant)
    return [y, log]


# ---- what differs in the recomputation -----------------------------------------------------------


def changing(first: Any, later: Any) -> Any:
    """A function that is ``first`` when it is called first, and ``later`` from then on."""
    calls = [0]

    def function(a: Any) -> Any:
        calls[0] += 1
        return first(a) if calls[0] == 1 else later(a)

    return function


CHANGES = {
    "dtype": (lambda a: a.sin().sum(), lambda a: a.double().sin().sum()),
    "shape": (lambda a: (a.exp() * a).sum(), lambda a: (a[:2].exp() * a[:2]).sum()),
    "fewer": (lambda a: a.sin().cos().exp().sum(), lambda a: a.sin().sum()),
    "none": (lambda a: a.sin().sum(), lambda a: a.sum()),
}


@variants(**CHANGES)
def p_other_tensors(torch: Any, functions: Any) -> list[Any]:
    x = leaf(torch)
    y = tools(torch).checkpoint(changing(*functions), x, use_reentrant=False)
    return [raises(lambda: y.backward())]


@variants(stop=True, no_stop=False)
def p_more_tensors(torch: Any, early: bool) -> list[Any]:
    x = leaf(torch)
    function = changing(lambda a: a.sin(), lambda a: a.sin().exp().cos())
    y = tools(torch).checkpoint(function, x, use_reentrant=False, early_stop=early)
    return [raises(lambda: y.sum().backward()), x.grad]


def p_unchecked(torch: Any) -> list[Any]:
    x = leaf(torch)
    function = changing(lambda a: a.sin(), lambda a: a.double().sin())
    y = tools(torch).checkpoint(function, x, use_reentrant=False, determinism_check="none")
    y.sum().backward()
    return [x.grad]


def p_debug(torch: Any) -> list[Any]:
    module = tools(torch)
    x = leaf(torch)
    y = module.checkpoint(changing(*CHANGES["fewer"]), x, use_reentrant=False, debug=True)
    with module.set_checkpoint_debug_enabled(True):
        z = module.checkpoint(changing(*CHANGES["fewer"]), x, use_reentrant=False)
    with module.set_checkpoint_debug_enabled(False):
        w = module.checkpoint(changing(*CHANGES["fewer"]), x, use_reentrant=False, debug=True)
    return [raises(lambda t=t: t.backward()) for t in (y, z, w)]


def p_saved_tensors_once(torch: Any) -> list[Any]:
    class Twice(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, a: Any) -> Any:
            ctx.save_for_backward(a)
            return a * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 2 + 0 * (ctx.saved_tensors[0] + ctx.saved_tensors[0])

    x = leaf(torch)
    y = tools(torch).checkpoint(lambda a: Twice.apply(a.sin()), x, use_reentrant=False)
    return [raises(lambda: y.sum().backward())]


@variants(**BOTH_WAYS)
def p_argument_overwritten(torch: Any, reentrant: bool) -> list[Any]:
    x = leaf(torch) * 1
    y = tools(torch).checkpoint(lambda a: a.sin(), x, use_reentrant=reentrant)
    x.add_(1)
    return [raises(lambda: y.sum().backward())]


def p_writes_that_do_no_harm(torch: Any) -> list[Any]:
    def function(a: Any) -> Any:
        b = a.sin()
        b.mul_(2)
        b[0] = 3.0
        return b.exp()

    x = leaf(torch)
    y = tools(torch).checkpoint(function, x, use_reentrant=False)
    y.sum().backward()
    return [y, x.grad]


@differs("PyTorch gives a wrong gradient without a word; here the write is noticed")
@variants(
    operand=lambda a: ((b := a * 1) * b, b.add_(1))[0],
    result=lambda a: (b := (a * 1).exp(), b.mul_(2))[1],
)
def p_writes_that_harm(torch: Any, function: Any) -> list[Any]:
    x = leaf(torch)
    y = tools(torch).checkpoint(lambda a: function(a).sin(), x, use_reentrant=False)
    return [raises(lambda: y.sum().backward())]


def p_function_raises_again(torch: Any) -> list[Any]:
    def fail(a: Any) -> Any:
        raise ValueError("not a second time")

    x = leaf(torch)
    y = tools(torch).checkpoint(changing(lambda a: a.sin(), fail), x, use_reentrant=False)
    return [raises(lambda: y.sum().backward()), x.grad]


# ---- random numbers, contexts, hooks -------------------------------------------------------------


@variants(
    recorded=(False, True),
    reentrant=(True, True),
    recorded_free=(False, False),
    reentrant_free=(True, False),
)
def p_random_numbers(torch: Any, options: tuple[bool, bool]) -> list[Any]:
    torch.manual_seed(0)
    x = torch.ones(3, requires_grad=True)
    y = tools(torch).checkpoint(
        lambda a: a * torch.rand(3), x, use_reentrant=options[0], preserve_rng_state=options[1]
    )
    between = torch.rand(2)
    y.sum().backward()
    return [y, between, x.grad, torch.rand(2)]


class Noted:
    """A context that notes when it is entered and left."""

    def __init__(self, log: list[str], label: str) -> None:
        self.log = log
        self.label = label

    def __enter__(self) -> None:
        self.log.append(f"into {self.label}")

    def __exit__(self, *exception: Any) -> None:
        self.log.append(f"out of {self.label}")


@variants(recording=True, not_recording=False)
def p_contexts(torch: Any, recording: bool) -> list[Any]:
    log: list[str] = []

    def contexts() -> Any:
        log.append("made")
        return Noted(log, "forward"), Noted(log, "recomputation")

    x = leaf(torch)
    with torch.set_grad_enabled(recording):
        y = tools(torch).checkpoint(body, x, use_reentrant=False, context_fn=contexts).sum()
    if recording:
        y.backward(retain_graph=True)
        log.append("|")
        y.backward()
    return [log, x.grad]


def p_hooks_around(torch: Any) -> list[Any]:
    log: list[Any] = []

    def pack(t: Any) -> Any:
        log.append(("pack", tuple(t.shape)))
        return t

    def unpack(t: Any) -> Any:
        log.append(("unpack", tuple(t.shape)))
        return t

    x = leaf(torch)
    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        y = tools(torch).checkpoint(
            lambda a, b: (a.sin() * b).cos(), x, torch.ones(1), use_reentrant=False
        )
    log.append("|")
    y.sum().backward()
    return [log, x.grad]


@variants(forward=True, backward=False)
def p_hooks_forbidden(torch: Any, forward: bool) -> list[Any]:
    x = leaf(torch)
    check = tools(torch).checkpoint
    forbidden = torch.autograd.graph.disable_saved_tensors_hooks
    if forward:
        with forbidden("no hooks here"):
            return [raises(lambda: check(body, x, use_reentrant=False))]
    y = check(body, x, use_reentrant=False).sum()
    with forbidden("no hooks here"):
        return [raises(lambda: y.backward())]


# ---- modules -------------------------------------------------------------------------------------


@variants(**{f"segments_{n}{'_reentrant' * r}": (n, r) for n in (1, 2, 3, 4) for r in (0, 1)})
def p_sequential(torch: Any, options: tuple[int, int]) -> list[Any]:
    torch.manual_seed(3)
    nn = torch.nn
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 3), nn.Sigmoid())
    x = leaf(torch)
    y = tools(torch).checkpoint_sequential(model, options[0], x, use_reentrant=bool(options[1]))
    y.sum().backward()
    return [y, x.grad, *[p.grad for p in model.parameters()]]


@variants(**BOTH_WAYS)
def p_parameters_inside(torch: Any, reentrant: bool) -> list[Any]:
    torch.manual_seed(3)
    nn = torch.nn
    model = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.ReLU(), nn.Linear(4, 2))
    x = torch.ones(2, 3, requires_grad=True)
    y = tools(torch).checkpoint(model, x, use_reentrant=reentrant)
    y.square().sum().backward()
    return [y, x.grad, *[p.grad for p in model.parameters()]]


@variants(**BOTH_WAYS)
def p_dropout(torch: Any, reentrant: bool) -> list[Any]:
    torch.manual_seed(3)
    x = torch.ones(8, requires_grad=True)
    y = tools(torch).checkpoint(
        lambda a: torch.nn.functional.dropout(a, 0.5).exp(), x, use_reentrant=reentrant
    )
    y.sum().backward()
    return [y, x.grad]


def p_batch_statistics(torch: Any) -> list[Any]:
    module = torch.nn.BatchNorm1d(2)
    x = torch.tensor([[1.0, 2.0], [3.0, 5.0], [4.0, 4.0]], requires_grad=True)
    y = tools(torch).checkpoint(module, x, use_reentrant=False, early_stop=False)
    y.square().sum().backward()
    return [y, x.grad, module.running_mean, module.running_var, module.num_batches_tracked]


def p_detach_variable(torch: Any) -> list[Any]:
    x = leaf(torch)
    a, b, n = tools(torch).detach_variable((x * 2, x.detach(), 3))
    return [a.is_leaf, a.requires_grad, b.requires_grad, n]
