"""Programs on ``torch.func``: grad, grad_and_value, vjp, jvp and linearize."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.torch_parity.harness import Raised, differs, graph, raises, variants


def attempt(call: Callable[[], Any]) -> Any:
    """What a call returns, or what it raises."""
    try:
        return call()
    except Exception as error:
        return Raised(error)


class Data:
    """The tensors that programs use, and the functions of ``torch.func`` by name."""

    def __init__(self, torch: Any) -> None:
        self.torch = torch
        self.s = torch.tensor(2.0)
        self.x = torch.tensor([1.0, 2.0])
        self.m = torch.tensor([[1.0, 2.0, 3.0]])
        self.sr = torch.tensor(2.0, requires_grad=True)
        self.xr = torch.tensor([1.0, 2.0], requires_grad=True)
        self.w = torch.tensor(3.0, requires_grad=True)
        self.c = torch.tensor([1 + 2j, 3 - 1j])

    def __getattr__(self, name: str) -> Any:
        return getattr(self.torch.func, name)


def _program(torch: Any, expression: Callable[[Data], Any]) -> list[Any]:
    return [attempt(lambda: expression(Data(torch)))]


@variants(
    plain=lambda d: d.grad(d.torch.sin)(d.s),
    vector=lambda d: d.grad(d.torch.sin)(d.x),
    number=lambda d: d.grad(d.torch.sin)(2.0),
    nothing=lambda d: d.grad(d.torch.sin)(),
    argnums_too_large=lambda d: d.grad(d.torch.sin, argnums=1)(d.s),
    argnums_too_small=lambda d: d.grad(d.torch.sin, argnums=-2)(d.s),
    argnums_tuple_too_large=lambda d: d.grad(d.torch.sin, argnums=(0, 1))(d.s),
    argnums_twice=lambda d: d.grad(d.torch.sin, argnums=(0, 0))(d.s),
    argnums_twice_from_behind=lambda d: d.grad(d.torch.mul, argnums=(1, -1))(d.s, d.s),
    argnums_empty=lambda d: d.grad(d.torch.mul, argnums=())(d.s, d.s),
    argnums_text=lambda d: d.grad(d.torch.mul, argnums="a")(d.s, d.s),
    argnums_tuple_of_text=lambda d: d.grad(d.torch.mul, argnums=("a",))(d.s, d.s),
    argnums_list=lambda d: d.grad(d.torch.mul, argnums=[0])(d.s, d.s),
    argnums_float=lambda d: d.grad(d.torch.mul, argnums=1.0)(d.s, d.s),
    argnums_bool=lambda d: d.grad(d.torch.mul, argnums=True)(d.s, d.s * 2),
    argnums_last=lambda d: d.grad(d.torch.mul, argnums=-1)(d.s, d.s * 2),
    argnums_both=lambda d: d.grad(d.torch.mul, argnums=(-1, 0))(d.s, d.s * 2),
    returns_number=lambda d: d.grad(lambda x: 1.0)(d.s),
    returns_none=lambda d: d.grad(lambda x: None)(d.s),
    returns_tuple=lambda d: d.grad(lambda x: (x, x))(d.s),
    aux_missing=lambda d: d.grad(lambda x: x, has_aux=True)(d.s),
    aux_of_one=lambda d: d.grad(lambda x: (x,), has_aux=True)(d.s),
    aux=lambda d: d.grad(lambda x: (x, x * 2), has_aux=True)(d.s),
    aux_tree=lambda d: d.grad(lambda x: (x, {"a": x * 2, "b": [x]}), has_aux=True)(d.s),
    aux_number=lambda d: d.grad(lambda x: (x, 3), has_aux=True)(d.s),
    aux_list=lambda d: d.grad(lambda x: [x, x], has_aux=True)(d.s),
    aux_of_three=lambda d: d.grad(lambda x: (x, x, x), has_aux=True)(d.s),
    integer_result=lambda d: d.grad(lambda x: x.long())(d.s),
    constant=lambda d: d.grad(lambda x: d.torch.tensor(3.0))(d.s),
    integer_argument=lambda d: d.grad(lambda x: x)(d.torch.tensor(3)),
    bool_argument=lambda d: d.grad(lambda x: x)(d.torch.tensor(True)),
    complex_argument=lambda d: d.grad(lambda x: x.real.sum())(d.c),
    complex_modulus=lambda d: d.grad(lambda x: x.abs().sum())(d.c),
    complex_result=lambda d: d.grad(lambda x: x.sum())(d.c),
    tree=lambda d: d.grad(lambda t: t["a"] * t["b"][0])({"a": d.s, "b": [d.s * 3]}),
    tree_with_number=lambda d: d.grad(lambda t: t["a"])({"a": d.s, "b": [4.0]}),
    tree_with_none=lambda d: d.grad(lambda t: t["a"])({"a": d.s, "b": None}),
    empty_tree=lambda d: d.grad(lambda t: d.s * 2)({}),
    keyword=lambda d: d.grad(lambda x, y=1: x * y)(d.s, y=d.s),
    only_keywords=lambda d: d.grad(lambda x, y=1: x * y)(x=d.s, y=d.s),
    wider_result=lambda d: d.grad(lambda x: x.double().sum())(d.x),
    keepdim=lambda d: d.grad(lambda x: x.sum(0, keepdim=True))(d.x),
    unused=lambda d: d.grad(lambda x, y: x.sum(), argnums=1)(d.x, d.m),
    not_callable=lambda d: d.grad(3)(d.s),
    hook_on_argument=lambda d: d.grad(lambda x: (x.register_hook(lambda g: g * 10), x * x)[1])(d.s),
    data=lambda d: d.grad(lambda x: x.data * x)(d.s),
    branch=lambda d: d.grad(lambda x: x if x > 1 else x * 3)(d.s),
    numpy=lambda d: d.grad(lambda x: d.torch.tensor(x.numpy()) * x)(d.s),
)
def p_grad(torch: Any, expression: Any) -> list[Any]:
    return _program(torch, expression)


@variants(
    plain=lambda d: d.grad_and_value(lambda x: x.sum())(d.x),
    identity=lambda d: d.grad_and_value(lambda x: x)(d.s),
    two=lambda d: d.grad_and_value(lambda x, y: (x * y).sum(), argnums=(0, 1))(d.x, d.x),
    aux=lambda d: d.grad_and_value(lambda x: (x.sum(), x * 2), has_aux=True)(d.x),
    outer=lambda d: d.grad_and_value(lambda x: x * d.w)(d.s),
    outer_in_aux=lambda d: d.grad_and_value(lambda x: (x * x, (x * 2, d.w * 2, d.w)), has_aux=True)(
        d.s
    ),
    vector=lambda d: d.grad_and_value(lambda x: x)(d.x),
    number=lambda d: d.grad_and_value(lambda x: 3)(d.x),
)
def p_grad_and_value(torch: Any, expression: Any) -> list[Any]:
    return _program(torch, expression)


@variants(
    argument_requires_grad=lambda d: d.grad(d.torch.sin)(d.sr),
    outer=lambda d: d.grad(lambda x: x * d.w)(d.s),
    outer_for_one=lambda d: d.grad(lambda x, y: x * d.w + y, argnums=(0, 1))(d.s, d.s),
    outer_unused=lambda d: d.grad(lambda x: x * x)(d.s),
    nested=lambda d: d.grad(d.grad(lambda x: x**3 * d.w))(d.s),
    vjp_value=lambda d: d.vjp(lambda x: x * d.w, d.s)[0],
    vjp_gradient=lambda d: d.vjp(lambda x: x * d.w, d.s)[1](d.s),
    cotangent=lambda d: d.vjp(lambda x: x * x, d.s)[1](d.sr),
    detached=lambda d: d.grad(lambda x: x * (d.w * x).detach())(d.s),
    detached_inside=lambda d: d.grad(lambda x: d.grad(lambda y: y.detach() * y)(x))(d.s),
    classic_inside=lambda d: d.grad(lambda x: d.torch.autograd.grad(x * x, x)[0])(d.s),
    classic_inside_recorded=lambda d: d.grad(
        lambda x: d.torch.autograd.grad(x * x, x, create_graph=True)[0]
    )(d.s),
    leaf_made_inside=lambda d: d.grad(lambda x: (x * d.torch.ones(2, requires_grad=True)).sum())(
        d.s
    ),
)
def p_outside(torch: Any, expression: Any) -> list[Any]:
    return _program(torch, expression)


@variants(
    grad=lambda d: d.grad(d.torch.sin)(d.sr),
    vjp=lambda d: (lambda pair: [pair[0], pair[1](d.s)])(d.vjp(d.torch.sin, d.sr)),
    outer=lambda d: d.grad(lambda x: x * d.w)(d.s),
    nested=lambda d: d.grad(d.grad(d.torch.sin))(d.sr),
)
def p_outside_without_recording(torch: Any, expression: Any) -> list[Any]:
    with torch.no_grad():
        return _program(torch, expression)


def p_no_grad_inside(torch: Any) -> list[Any]:
    d = Data(torch)

    def shifted(x: Any) -> Any:
        with torch.no_grad():
            c = x**2
        return x**2 - c

    def scaled(x: Any) -> Any:
        with torch.no_grad():
            c = d.w * x
        return x * c

    def stopped(x: Any) -> Any:
        with torch.no_grad():
            return d.grad(torch.sin)(x) * d.w

    return [
        d.grad(shifted)(d.s),
        d.grad(d.grad(shifted))(d.s),
        d.grad(scaled)(d.s),
        d.grad(stopped)(d.s),
        stopped(d.s),
    ]


def p_inference_mode(torch: Any) -> list[Any]:
    d = Data(torch)
    with torch.inference_mode():
        inside = torch.tensor(2.0)
        g = d.grad(torch.sin)(d.s)
        return [g, g.is_inference(), d.grad(torch.sin)(inside), d.vjp(torch.sin, inside)[1](d.s)]


def p_pull_later(torch: Any) -> list[Any]:
    d = Data(torch)
    _, pull = d.vjp(lambda x: x * x, d.sr)
    with torch.no_grad():
        _, pull_made_without = d.vjp(lambda x: x * x, d.sr)
        without = pull(d.s)
    return [
        pull(d.s),
        without,
        pull_made_without(d.s),
        pull(d.s, retain_graph=False, create_graph=False),
        raises(lambda: pull(d.s)),
    ]


def p_graph_of_results(torch: Any) -> list[Any]:
    d = Data(torch)
    g = d.grad(torch.sin)(d.sr)
    v, pull = d.vjp(lambda x: x * x.exp(), d.xr)
    g.backward()
    pull(d.x)[0].sum().backward()
    same, _ = d.vjp(lambda x: x, d.x)
    view, _ = d.vjp(lambda x: x.view(2, 1), d.x)
    return [
        graph(v.grad_fn),
        g.grad_fn,
        d.sr.grad,
        d.xr.grad,
        same is d.x,
        view._base is d.x,
        view.requires_grad,
    ]


def p_inside(torch: Any) -> list[Any]:
    """What a function sees of its argument."""
    d = Data(torch)
    seen: list[Any] = []

    def f(x: Any) -> Any:
        seen.extend([x.requires_grad, x.is_leaf, x.grad_fn, x.shape, x.dtype])
        return x * x

    d.grad(f)(d.s)
    d.grad(f)(d.sr)
    d.grad(d.grad(f))(d.s)
    d.vjp(f, d.s)
    d.jvp(f, (d.s,), (d.s,))
    return seen


def p_argument_is_not_written(torch: Any) -> list[Any]:
    d = Data(torch)

    def doubled(x: Any) -> Any:
        x.mul_(2)
        return x.sum()

    def copied(x: Any) -> Any:
        y = x * 1
        y.mul_(x)
        return y.sum()

    return [
        raises(lambda: d.grad(doubled)(torch.ones(2))),
        raises(lambda: d.grad(doubled)(d.xr)),
        raises(lambda: d.vjp(doubled, torch.ones(2))),
        d.jvp(doubled, (torch.ones(2),), (d.x,)),
        d.grad(copied)(d.x),
    ]


@differs("a function may write to captured tensors, call backward(), requires_grad_() here")
@variants(
    write=lambda d: d.grad(lambda x: d.x.mul_(x).sum())(d.s),
    backward=lambda d: d.grad(lambda x: ((x * x).backward(), x * 3)[1])(d.s),
    requires_grad=lambda d: d.grad(lambda x: x.detach().requires_grad_() * x)(d.s),
)
def p_refused_there(torch: Any, expression: Any) -> list[Any]:
    return _program(torch, expression)


@variants(
    value=lambda d: d.vjp(d.torch.sin, d.s)[0],
    gradient=lambda d: d.vjp(d.torch.sin, d.x)[1](d.x),
    no_arguments=lambda d: d.vjp(lambda: d.s)[0],
    number=lambda d: d.vjp(d.torch.sin, 2.0),
    cotangent_missing=lambda d: d.vjp(d.torch.sin, d.x)[1](),
    cotangent_shape=lambda d: d.vjp(d.torch.sin, d.x)[1](d.s),
    cotangent_tuple=lambda d: d.vjp(d.torch.sin, d.x)[1]((d.x,)),
    cotangent_list=lambda d: d.vjp(d.torch.sin, d.x)[1]([d.x]),
    cotangent_number=lambda d: d.vjp(d.torch.sin, d.x)[1](2.0),
    cotangent_double=lambda d: d.vjp(d.torch.sin, d.x)[1](d.x.double()),
    cotangent_long=lambda d: d.vjp(d.torch.sin, d.x)[1](d.x.long()),
    two_results=lambda d: d.vjp(lambda x: (x, x * 2), d.x)[1]((d.x, d.x)),
    two_results_list=lambda d: d.vjp(lambda x: (x, x * 2), d.x)[1]([d.x, d.x]),
    two_results_one=lambda d: d.vjp(lambda x: (x, x * 2), d.x)[1](d.x),
    list_result=lambda d: d.vjp(lambda x: [x, x * 2], d.x)[1]([d.x, d.x]),
    dict_value=lambda d: d.vjp(lambda x: {"a": x, "b": (x * 2,)}, d.x)[0],
    dict_pull=lambda d: d.vjp(lambda x: {"a": x, "b": (x * 2,)}, d.x)[1]({"a": d.x, "b": (d.x,)}),
    dict_order=lambda d: d.vjp(lambda x: {"a": x, "b": x * 2}, d.x)[1]({"b": d.x, "a": d.x}),
    returns_number=lambda d: d.vjp(lambda x: 2.0, d.x),
    returns_none=lambda d: d.vjp(lambda x: None, d.x),
    returns_empty=lambda d: d.vjp(lambda x: (), d.x),
    returns_mixed=lambda d: d.vjp(lambda x: (x, 2.0), d.x),
    integer_result=lambda d: d.vjp(lambda x: x.long(), d.x)[1](d.x.long()),
    constant=lambda d: d.vjp(lambda x: d.torch.ones(2), d.x)[1](d.x),
    unused=lambda d: d.vjp(lambda x, y: x * 2, d.x, d.m)[1](d.x),
    two=lambda d: d.vjp(lambda x, y: x * y, d.x, d.x)[1](d.x),
    tree=lambda d: d.vjp(lambda t: t["a"] * t["b"][0], {"a": d.x, "b": [d.x]})[1](d.x),
    tree_with_number=lambda d: d.vjp(lambda t, e: t["a"], {"a": d.x}, 3),
    two_trees=lambda d: d.vjp(lambda t, e: t["a"] * 2, {"a": d.x}, (d.x,))[1](d.x),
    aux=lambda d: d.vjp(lambda x: (x * 2, x * 3), d.x, has_aux=True)[2],
    aux_number=lambda d: d.vjp(lambda x: (x * 2, 3), d.x, has_aux=True),
    aux_missing=lambda d: d.vjp(lambda x: x * 2, d.s, has_aux=True),
    integer=lambda d: d.vjp(lambda x: x, d.torch.tensor(3)),
    holomorphic=lambda d: d.vjp(lambda z: z * z, d.c)[1](d.c),
    conjugate=lambda d: d.vjp(lambda z: z.conj() * z, d.c)[1](d.c),
    to_real=lambda d: d.vjp(lambda z: z.abs(), d.c)[1](d.x),
)
def p_vjp(torch: Any, expression: Any) -> list[Any]:
    return _program(torch, expression)


@variants(
    plain=lambda d: d.jvp(d.torch.sin, (d.x,), (d.x,)),
    no_tuple=lambda d: d.jvp(d.torch.sin, d.x, d.x),
    list=lambda d: d.jvp(d.torch.sin, [d.x], [d.x]),
    structures=lambda d: d.jvp(d.torch.sin, (d.x,), [d.x]),
    one_too_many=lambda d: d.jvp(d.torch.sin, (d.x,), (d.x, d.x)),
    none=lambda d: d.jvp(lambda: d.x, (), ()),
    number=lambda d: d.jvp(d.torch.sin, (2.0,), (d.x,)),
    tangent_number=lambda d: d.jvp(d.torch.sin, (d.x,), (2.0,)),
    tangent_shape=lambda d: d.jvp(d.torch.sin, (d.x,), (d.s,)),
    tangent_double=lambda d: d.jvp(lambda x: x * x, (d.x,), (d.x.double(),)),
    tangent_long=lambda d: d.jvp(d.torch.sin, (d.x,), (d.x.long(),)),
    integer=lambda d: d.jvp(lambda x: x * 2, (d.x.long(),), (d.x,)),
    returns_number=lambda d: d.jvp(lambda x: 2.0, (d.x,), (d.x,)),
    returns_none=lambda d: d.jvp(lambda x: None, (d.x,), (d.x,)),
    returns_empty=lambda d: d.jvp(lambda x: (), (d.x,), (d.x,)),
    returns_mixed=lambda d: d.jvp(lambda x: (x, 2.0), (d.x,), (d.x,)),
    returns_integers=lambda d: d.jvp(lambda x: x.long(), (d.x,), (d.x,)),
    constant=lambda d: d.jvp(lambda x: d.torch.ones(3), (d.x,), (d.x,)),
    constant_strict=lambda d: d.jvp(lambda x: d.torch.ones(3), (d.x,), (d.x,), strict=True),
    detached_strict=lambda d: d.jvp(lambda x: x.detach(), (d.x,), (d.x,), strict=True),
    aux=lambda d: d.jvp(lambda x: (x * 2, {"a": x}), (d.x,), (d.x,), has_aux=True),
    aux_number=lambda d: d.jvp(lambda x: (x * 2, 3), (d.x,), (d.x,), has_aux=True),
    aux_missing=lambda d: d.jvp(lambda x: x * 2, (d.x,), (d.x,), has_aux=True),
    two=lambda d: d.jvp(lambda x, y: x * y, (d.x, d.s), (d.x, d.s)),
    tree=lambda d: d.jvp(
        lambda t: t["a"] * t["b"][0], ({"a": d.x, "b": [d.s]},), ({"a": d.x, "b": [d.s]},)
    ),
    tree_with_number=lambda d: d.jvp(
        lambda t: t["a"], ({"a": d.x, "b": 3},), ({"a": d.x, "b": 3},)
    ),
    results=lambda d: d.jvp(lambda x: {"a": x * 2, "b": [x]}, (d.x,), (d.x,)),
    complex=lambda d: d.jvp(lambda z: z * z, (d.c,), (d.c,)),
    complex_to_real=lambda d: d.jvp(lambda z: z.abs(), (d.c,), (d.c,)),
    nested=lambda d: d.jvp(
        lambda x: d.jvp(d.torch.sin, (x,), (d.torch.ones(2),))[1], (d.x,), (d.x,)
    ),
    argument_requires_grad=lambda d: d.jvp(d.torch.sin, (d.xr,), (d.x,)),
    tangent_requires_grad=lambda d: d.jvp(d.torch.sin, (d.x,), (d.xr,)),
    outer=lambda d: d.jvp(lambda x: x * d.w, (d.x,), (d.x,)),
    returns_outer=lambda d: d.jvp(lambda x: d.w, (d.x,), (d.x,)),
    branch=lambda d: d.jvp(lambda x: x if x > 1 else x * 2, (d.s,), (d.s,)),
    not_callable=lambda d: d.jvp(3, (d.x,), (d.x,)),
)
def p_jvp(torch: Any, expression: Any) -> list[Any]:
    return _program(torch, expression)


def p_jvp_results(torch: Any) -> list[Any]:
    d = Data(torch)
    same, _ = d.jvp(lambda x: x, (d.x,), (d.x,))
    outer, _ = d.jvp(lambda x: d.w, (d.x,), (d.x,))
    recorded, _ = d.jvp(torch.sin, (d.xr,), (d.x,))
    with torch.no_grad():
        unrecorded = d.jvp(torch.sin, (d.xr,), (d.x,))
    with torch.inference_mode():
        inference = d.jvp(torch.sin, (d.x,), (d.x,))
    return [
        (same is d.x, same._base is d.x, outer is d.w),
        graph(recorded.grad_fn),
        unrecorded,
        inference,
    ]


@variants(
    value=lambda d: d.linearize(d.torch.sin, d.s)[0],
    push=lambda d: d.linearize(d.torch.sin, d.s)[1](d.s),
    shape=lambda d: d.linearize(d.torch.sin, d.s)[1](d.x),
    dtype=lambda d: d.linearize(d.torch.sin, d.s)[1](d.s.double()),
    two_for_one=lambda d: d.linearize(d.torch.sin, d.s)[1](d.s, d.s),
    none=lambda d: d.linearize(d.torch.sin, d.s)[1](),
    number=lambda d: d.linearize(d.torch.sin, d.s)[1](2.0),
    two=lambda d: d.linearize(lambda x, y: x * y, d.s, d.x)[1](d.s, d.x),
    tree=lambda d: d.linearize(lambda t: t["a"] * t["b"], {"a": d.s, "b": d.x})[1](
        {"a": d.s, "b": d.x}
    ),
    tree_as_list=lambda d: d.linearize(lambda t: t["a"] * t["b"], {"a": d.s, "b": d.x})[1](
        [d.s, d.x]
    ),
    results=lambda d: d.linearize(lambda x: (x * 2, {"a": x * x}), d.s)[1](d.s),
    results_with_number=lambda d: d.linearize(lambda x: (x * 2, 2.0), d.s)[1](d.s),
    result_is_number=lambda d: d.linearize(lambda x: 2.0, d.s)[1](d.s),
    result_with_none=lambda d: d.linearize(lambda x: {"a": None, "b": x * 3}, d.s)[1](d.s),
    integer=lambda d: d.linearize(lambda x: x * 2, d.torch.tensor(3))[1](d.torch.tensor(3)),
    complex=lambda d: d.linearize(lambda z: z * z, d.c)[1](d.c),
    complex_to_real=lambda d: d.linearize(lambda z: z.abs(), d.c)[1](d.c),
    identity=lambda d: d.linearize(lambda x: x, d.x)[0] is d.x,
    of_grad=lambda d: d.linearize(d.grad(d.torch.sin), d.s)[1](d.s),
    argument_requires_grad=lambda d: d.linearize(d.torch.sin, d.sr)[1](d.s),
    tangent_requires_grad=lambda d: d.linearize(d.torch.sin, d.s)[1](d.sr),
    outer=lambda d: d.linearize(lambda x: x * d.w, d.s)[0],
)
def p_linearize(torch: Any, expression: Any) -> list[Any]:
    return _program(torch, expression)


@variants(
    grad_of_sum=lambda d: d.grad(lambda x: x * d.grad(lambda y: x + y)(d.s))(d.s),
    grad_of_product=lambda d: d.grad(lambda x: x * d.grad(lambda y: x * y * y)(d.s))(d.s),
    jvp_of_grad=lambda d: d.jvp(lambda x: x * d.grad(lambda y: x + y)(d.s), (d.s,), (d.s,)),
    grad_of_jvp=lambda d: d.grad(
        lambda x: x * d.jvp(lambda y: x * y * y, (d.s,), (d.torch.ones(()),))[1]
    )(d.s),
    same_argument=lambda d: d.grad(lambda x: d.grad(lambda y: x * y)(x))(d.s),
    hessian_product=lambda d: d.jvp(
        d.grad(lambda x: (x**3).sum() * x[0]), (d.x,), (d.torch.ones(2),)
    ),
    reverse_twice=lambda d: d.vjp(d.grad(lambda x: (x**3).sum() * x[0]), d.x)[1](d.x),
)
def p_nesting(torch: Any, expression: Any) -> list[Any]:
    return _program(torch, expression)


def p_names(torch: Any) -> list[Any]:
    def named(x: Any) -> Any:
        """What it says."""
        return x

    f = torch.func
    made = [f.grad(named), f.grad_and_value(named), f.jacrev(named), f.jacfwd(named)]
    made += [f.hessian(named), f.vmap(named), f.functionalize(named)]
    return [[m.__name__ for m in made], [m.__doc__ for m in made]]
