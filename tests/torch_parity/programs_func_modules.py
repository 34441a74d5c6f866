"""Programs on ``torch.func`` and ``functorch``: modules as functions, rearrange, functionalize."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from tests.torch_parity.harness import differs, raises, variants, warned
from tests.torch_parity.programs_func import attempt


def _linear(torch: Any) -> Any:
    layer = torch.nn.Linear(2, 2)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
        layer.bias.copy_(torch.tensor([0.5, 0.25]))
    return layer


def _tied(torch: Any) -> Any:
    class Tied(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = torch.nn.Linear(2, 2, bias=False)
            self.b = torch.nn.Linear(2, 2, bias=False)
            self.b.weight = self.a.weight
            self.register_buffer("buf", torch.ones(2))
            self.register_buffer("buf2", self.buf)

        def forward(self, x: Any, k: int = 1) -> Any:
            return self.b(self.a(x)) * self.buf * self.buf2 * k

    module = Tied()
    with torch.no_grad():
        module.a.weight.copy_(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    return module


Call = Callable[[Any, Any, dict[str, Any], Any], Any]


@variants(
    plain=lambda f, m, p, x: f(m, p, x),
    tuple=lambda f, m, p, x: f(m, p, (x,)),
    without_arguments=lambda f, m, p, x: f(m, p),
    none=lambda f, m, p, x: f(m, p, None),
    keywords=lambda f, m, p, x: f(m, p, None, {"input": x}),
    only_keywords=lambda f, m, p, x: f(m, p, kwargs={"input": x}),
    strict=lambda f, m, p, x: f(m, p, x, strict=True),
    strict_missing=lambda f, m, p, x: f(m, {"weight": p["weight"]}, x, strict=True),
    strict_too_many=lambda f, m, p, x: f(m, {**p, "foo": x}, x, strict=True),
    strict_both=lambda f, m, p, x: f(m, {"weight": p["weight"], "z": x, "b": x}, x, strict=True),
    unknown_name=lambda f, m, p, x: f(m, {**p, "foo": x}, x),
    unknown_path=lambda f, m, p, x: f(m, {"foo.bar": x}, x),
    empty_name=lambda f, m, p, x: f(m, {"": x}, x),
    name_is_number=lambda f, m, p, x: f(m, {3: x}, x),
    tuple_of_dicts=lambda f, m, p, x: f(m, (p, {}), x),
    list_of_dicts=lambda f, m, p, x: f(m, [{"weight": p["weight"]}, {"bias": p["bias"]}], x),
    name_twice=lambda f, m, p, x: f(m, (p, p), x),
    number_for_dict=lambda f, m, p, x: f(m, 3, x),
    number_among_dicts=lambda f, m, p, x: f(m, (p, 3), x),
    number_for_tensor=lambda f, m, p, x: f(m, {"weight": 3}, x),
    no_module=lambda f, m, p, x: f(3, p, x),
)
def p_functional_call(torch: Any, call: Call) -> list[Any]:
    m, x = _linear(torch), torch.ones(2)
    p = {name: parameter.detach() * 2 for name, parameter in m.named_parameters()}
    found = attempt(lambda: call(torch.func.functional_call, m, p, x))
    return [found, m.weight, list(dict(m.named_parameters()))]


@variants(
    first=lambda f, m, one, x: f(m, {"a.weight": one}, x),
    second=lambda f, m, one, x: f(m, {"b.weight": one}, x),
    both=lambda f, m, one, x: f(m, {"a.weight": one, "b.weight": one}, x),
    different=lambda f, m, one, x: f(m, {"a.weight": one, "b.weight": one * 2}, x),
    untied=lambda f, m, one, x: f(m, {"a.weight": one}, x, tie_weights=False).detach(),
    untied_different=lambda f, m, one, x: f(
        m, {"a.weight": one, "b.weight": one * 2}, x, tie_weights=False
    ),
    buffer=lambda f, m, one, x: f(m, {"buf": x * 3}, x).detach(),
    buffers_different=lambda f, m, one, x: f(m, {"buf": x * 3, "buf2": x * 4}, x),
    strict=lambda f, m, one, x: f(m, {"a.weight": one}, x, strict=True),
    strict_all=lambda f, m, one, x: f(m, {"a.weight": one, "buf": x}, x, strict=True),
    strict_untied=lambda f, m, one, x: f(
        m, {"a.weight": one, "buf": x}, x, strict=True, tie_weights=False
    ),
    module_name=lambda f, m, one, x: f(m, {"a": one}, x),
    unknown_module=lambda f, m, one, x: f(m, {"c.weight": one}, x),
    keywords=lambda f, m, one, x: f(m, {"a.weight": one}, x, {"k": 2}),
)
def p_functional_call_tied(torch: Any, call: Call) -> list[Any]:
    m = _tied(torch)
    found = attempt(lambda: call(torch.func.functional_call, m, torch.eye(2), torch.ones(2)))
    return [found, m.a.weight is m.b.weight, m.buf is m.buf2]


def p_functional_call_that_assigns(torch: Any) -> list[Any]:
    class Counting(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = torch.nn.Parameter(torch.ones(2))
            self.register_buffer("n", torch.zeros(2))

        def forward(self, x: Any) -> Any:
            self.n = self.n + 1
            return self.w * x + self.n

    class Failing(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = torch.nn.Parameter(torch.ones(2))

        def forward(self, x: Any) -> Any:
            raise KeyError("no")

    m, x, call = Counting(), torch.ones(2), torch.func.functional_call
    given, among, failing = {"n": torch.zeros(2)}, {"n": torch.zeros(2)}, Failing()
    return [
        call(m, given, x).detach(),
        given,
        m.n,
        call(m, (among,), x).detach(),
        among,
        raises(lambda: call(failing, {"w": x * 3}, x)),
        failing.w,
    ]


def p_old_address(torch: Any) -> list[Any]:
    m, x = _linear(torch), torch.ones(2)
    p = {name: parameter.detach() * 2 for name, parameter in m.named_parameters()}
    old = torch.nn.utils.stateless.functional_call

    def quietly(*args: Any, **kwargs: Any) -> list[Any]:
        found: list[Any] = []
        found.append(warned(lambda: found.append(attempt(lambda: old(*args, **kwargs)))))
        return found

    return [
        *quietly(m, p, x),
        *quietly(m, p, (x,), strict=True),
        *quietly(m, {"weight": p["weight"]}, x, strict=True),
        *quietly(m, 3, x),
    ]


def p_gradients_of_a_module(torch: Any) -> list[Any]:
    m, x = _linear(torch), torch.tensor([[1.0, 2.0], [3.0, 4.0], [0.0, 1.0]])
    p = {name: parameter.detach() for name, parameter in m.named_parameters()}
    f = torch.func

    def loss(p: Any, x: Any) -> Any:
        return f.functional_call(m, p, x).pow(2).sum()

    return [
        f.grad(loss)(p, x),
        f.vmap(f.grad(loss), in_dims=(None, 0))(p, x),
        f.jacrev(lambda p: f.functional_call(m, p, x[0]))(p),
        f.hessian(loss)(p, x[0])["weight"]["bias"],
        m.weight.grad,
    ]


def p_stack_module_state(torch: Any) -> list[Any]:
    m, f = _linear(torch), torch.func.stack_module_state
    off = torch.nn.Linear(2, 2).requires_grad_(False)
    stacked, _ = f([m, m])
    norms = [torch.nn.BatchNorm1d(2), torch.nn.BatchNorm1d(2)]
    return [
        attempt(lambda: f([])),
        attempt(lambda: f([m, m])),
        attempt(lambda: f(norms)),
        attempt(lambda: f([m, norms[0]])),
        attempt(lambda: f([m, torch.nn.Linear(2, 3)])),
        attempt(lambda: f([m, torch.nn.Linear(2, 2).eval()])),
        attempt(lambda: f([m, off])),
        attempt(lambda: f(torch.nn.ModuleList([m, m]))[0]["weight"].shape),
        attempt(lambda: f(3)),
        [(v.is_leaf, v.requires_grad) for v in stacked.values()],
    ]


def p_ensemble(torch: Any) -> list[Any]:
    models = [_linear(torch), _linear(torch)]
    with torch.no_grad():
        models[1].bias.add_(1.0)
    params, buffers = torch.func.stack_module_state(models)
    base = _linear(torch)

    def one(p: Any, b: Any, x: Any) -> Any:
        return torch.func.functional_call(base, (p, b), (x,))

    together = torch.func.vmap(one, in_dims=(0, 0, None))
    return [together(params, buffers, torch.ones(2)).detach()]


def p_replace_all_batch_norm_modules(torch: Any) -> list[Any]:
    nn, replace = torch.nn, torch.func.replace_all_batch_norm_modules_
    inner = nn.BatchNorm2d(3)
    root = nn.Sequential(nn.BatchNorm1d(2), nn.Linear(2, 2), nn.Sequential(inner))
    same = replace(root)
    return [
        same is root,
        inner.running_mean,
        inner.num_batches_tracked,
        inner.track_running_stats,
        inner.training,
        list(dict(root.named_buffers())),
        raises(lambda: replace(3)),
    ]


def p_wrapping(torch: Any) -> list[Any]:
    f, x = torch.func, torch.tensor([1.0, 2.0])
    seen: list[Any] = []

    def square(y: Any) -> Any:
        seen.extend([f.debug_unwrap(y), f.debug_unwrap(y * 2).requires_grad])
        return (y * y).sum()

    f.grad(square)(x)
    written = torch.ones(2)
    return [
        *seen,
        f.debug_unwrap(x) is x,
        attempt(lambda: f.debug_unwrap(3)),
        f.functionalize(lambda y: y.mul_(2))(written),
        written,
        f.functionalize(lambda y: y)(x) is x,
        f.functionalize(lambda y: (y, 3))(x),
        f.functionalize(lambda y: y.view(2, 1))(x)._is_view(),
        f.functionalize(lambda y: y.view(2, 1), remove="mutations_and_views")(x)._is_view(),
        raises(lambda: f.functionalize(lambda y: y, remove="something")),
        f.grad(lambda y: f.functionalize(lambda z: (z * 1).mul_(z).sum())(y))(x),
    ]


@variants(
    permute="a b c -> c b a",
    join="a b c -> (a b) c",
    join_last="a b c -> a (b c)",
    join_all="a b c -> ( a b c )",
    same="a b c -> a b c",
    ellipsis="... -> ...",
    ellipsis_moves="a ... -> ... a",
    ellipsis_first="... c -> c ...",
    ellipsis_joined="... b c -> b (... c)",
    ones="a b c -> 1 a b c ()",
    missing="a b c -> a b",
    too_few="a b -> b a",
    too_many="a b c d -> a b c d",
    unknown="a b c -> a b c d",
    twice="a a b -> a b",
    twice_right="a b c -> a a b",
    no_arrow="a b c",
    two_arrows="a b c -> a b c -> a",
    open_bracket="a (b c -> a b c",
    closing_bracket="a b c) -> a b c",
    nested="a ((b) c) -> a b c",
    number="a b 2 -> a b",
    underscore="_a b c -> b c _a",
    dots="a.b c d -> c d",
    ellipsis_right="a b c -> a b ...",
    two_ellipses="... ... -> ...",
    ellipsis_in_brackets="(a ...) b c -> a b c ...",
    empty="",
    tight="a b c->c b a",
    accent="\u00e9 b c -> b c \u00e9",
    split="(x y) b c -> x y b c",
    split_last="a b (x y) -> x a b y",
    split_in_three="(x y z) b c -> x y z b c",
)
def p_rearrange(torch: Any, pattern: str) -> list[Any]:
    x, f = torch.arange(24.0).reshape(2, 3, 4), torch.func.rearrange
    found = [attempt(lambda: f(x, pattern))]
    if "x" in pattern:
        found += [
            attempt(lambda: f(x, pattern, x=1)),
            attempt(lambda: f(x, pattern, x=2)),
            attempt(lambda: f(x, pattern, x=3)),
            attempt(lambda: f(x, pattern, w=3)),
        ]
    return found


def p_rearrange_arguments(torch: Any) -> list[Any]:
    x, f = torch.arange(24.0).reshape(2, 3, 4), torch.func.rearrange
    r = torch.arange(6.0).view(6, 1).requires_grad_()
    f(r, "(a b) c -> b a c", a=2)[0].sum().backward()
    return [
        f([x, x], "n a b c -> a n b c"),
        attempt(lambda: f(x, 3)),
        attempt(lambda: f(x, "a b c -> c b a", a=2, b=1)),
        attempt(lambda: f(torch.zeros(6), "(a b) -> a b", a=2.0)),
        attempt(lambda: f(torch.zeros(6), "(a b) -> a b", a="2")),
        attempt(lambda: f(torch.zeros(0, 3), "a b -> (a b)")),
        attempt(lambda: f(torch.ones(1), "1 -> ")),
        r.grad,
    ]


@differs("PyTorch sums over an axis that the left side calls 1, and splits no tensor of one dim")
@variants(
    unnamed=lambda f, x: f(x, "a b 1 -> a b"),
    unnamed_right=lambda f, x: f(x[0, 0, 0], "-> 1"),
    vector=lambda f, x: f(x[0, 0], "(a b) -> a b", a=2),
)
def p_rearrange_repaired(torch: Any, call: Any) -> list[Any]:
    x = torch.arange(24.0).reshape(2, 3, 4)
    return [attempt(lambda: call(torch.func.rearrange, x))]


# ---- functorch -----------------------------------------------------------------------------------


def _functorch(torch: Any) -> Any:
    return importlib.import_module(
        "functorch" if torch.__name__ == "torch" else "adjoint.functorch"
    )


def p_functorch_names(torch: Any) -> list[Any]:
    f, s, x = _functorch(torch), torch.tensor(1.0), torch.ones(2)
    found: list[Any] = []
    calls = {
        "grad": lambda: f.grad(torch.sin)(s),
        "grad_and_value": lambda: f.grad_and_value(torch.sin)(s),
        "vjp": lambda: f.vjp(torch.sin, s)[1](s),
        "jvp": lambda: f.jvp(torch.sin, (s,), (s,)),
        "jacrev": lambda: f.jacrev(torch.sin)(x),
        "jacfwd": lambda: f.jacfwd(torch.sin)(x),
        "hessian": lambda: f.hessian(torch.sin)(s),
        "vmap": lambda: f.vmap(torch.sin)(x),
        "functionalize": lambda: f.functionalize(torch.sin)(x),
    }
    for call in calls.values():
        given = warned(lambda call=call: found.append(call()))
        found.append([w for w in given if w[0] == "FutureWarning"])
    return found


def p_make_functional(torch: Any) -> list[Any]:
    f, nn, x = _functorch(torch), torch.nn, torch.ones(3, 2)
    m = nn.Sequential(_linear(torch), nn.BatchNorm1d(2))
    with_norm, params, buffers = f.make_functional_with_buffers(m)
    function, weights = f.make_functional(m[0])
    frozen = f.make_functional(m[0], disable_autograd_tracking=True)[1]
    tied, one = f.make_functional(nn.Sequential(m[0], m[0]))
    y = with_norm(params, buffers, torch.tensor([[1.0, 2.0], [0.0, 5.0], [3.0, 1.0]]))
    return [
        y.detach(),
        buffers,
        m[1].running_mean,
        [type(p).__name__ for p in params],
        function(weights, x).detach(),
        [p.requires_grad for p in (*weights, *frozen)],
        weights[0] is m[0].weight,
        (function.param_names, function.names_map),
        len(one),
        tied(one, x).detach(),
        tied.names_map,
        raises(lambda: f.make_functional(m)),
        raises(lambda: function(weights[:1], x)),
        raises(lambda: function([1, 2], x)),
        raises(lambda: with_norm(params, x)),
        [tuple(p.shape) for p in function.parameters()],
    ]


def p_combine_state_for_ensemble(torch: Any) -> list[Any]:
    f, m = _functorch(torch), _linear(torch)
    function, params, buffers = f.combine_state_for_ensemble([m, m])
    batched = torch.func.vmap(function, in_dims=(0, 0, None))
    return [
        params,
        buffers,
        batched(params, buffers, torch.ones(2)),
        raises(lambda: f.combine_state_for_ensemble([])),
        raises(lambda: f.combine_state_for_ensemble([m, torch.nn.Sequential()])),
        raises(lambda: f.combine_state_for_ensemble([m, _linear(torch).eval()])),
    ]
