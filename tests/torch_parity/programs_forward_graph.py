"""Programs of forward mode together with the tape: gradients of tangents, tangents of gradients,
custom Functions, `func.jvp`.
"""

from __future__ import annotations

from typing import Any

from tests.torch_parity.harness import differs, raises, variants


def _tangent(torch: Any, x: Any) -> Any:
    return torch.autograd.forward_ad.unpack_dual(x).tangent


# ---- forward over reverse ------------------------------------------------------------------------


def p_gradients_are_dual(torch: Any) -> list[Any]:
    ad = torch.autograd.forward_ad
    p = torch.tensor([1.0, 2.0], requires_grad=True)
    with ad.dual_level():
        d = ad.make_dual(p, torch.tensor([3.0, 4.0]))
        y = (d**3).sum()
        (first,) = torch.autograd.grad(y, p, retain_graph=True)
        (second,) = torch.autograd.grad(y, d, create_graph=True)
        (third,) = torch.autograd.grad(ad.unpack_dual(y).primal, p, retain_graph=True)
        seen = [repr(first), second.grad_fn, second.detach(), _tangent(torch, second).detach()]
        seen += [repr(third)]
        y.backward()
        seen += [repr(p.grad)]
        (d**2).sum().backward()
        seen += [repr(p.grad)]
    seen += [repr(p.grad)]
    p.grad = None
    with ad.dual_level():
        y = ad.make_dual(p, torch.ones(2)).exp().sum()
    y.backward()
    return [*seen, repr(p.grad)]


def p_saved_results_keep_their_tangents(torch: Any) -> list[Any]:
    ad = torch.autograd.forward_ad
    p = torch.tensor([0.3, 0.7], dtype=torch.float64, requires_grad=True)
    t = torch.tensor([1.0, -2.0], dtype=torch.float64)
    seen: list[Any] = []
    functions = [
        torch.exp,
        torch.tanh,
        torch.sqrt,
        lambda x: torch.softmax(x, 0),
        lambda x: x.logsumexp(0),
        lambda x: x.norm(),
        lambda x: (x * 1).exp_(),
        lambda x: (x * 1).sigmoid_().add(x),
    ]
    for function in functions:
        with ad.dual_level():
            y = (function(ad.make_dual(p, t)) ** 2).sum()
            (g,) = torch.autograd.grad(y, p)
            seen += [g.detach(), _tangent(torch, g).detach()]
    return seen


def p_hooks_see_dual_gradients(torch: Any) -> list[Any]:
    ad = torch.autograd.forward_ad
    texts: list[str] = []
    w = torch.ones(2, requires_grad=True)
    with ad.dual_level():
        x = ad.make_dual(torch.tensor([1.0, 2.0]), torch.ones(2))
        z = x * w
        z.register_hook(lambda g: texts.append(repr(g)))
        z.retain_grad()
        (z * x).sum().backward()
        kept = repr(z.grad)
    return [texts, kept, w.grad]


def p_dual_gradients_of_outputs(torch: Any) -> list[Any]:
    ad = torch.autograd.forward_ad
    w = torch.ones(2, requires_grad=True)
    with ad.dual_level():
        x = ad.make_dual(torch.ones(2), torch.ones(2))
        seen = [repr(g) for g in torch.autograd.grad(x * w, w, x)]
        seen += [repr(g) for g in torch.autograd.grad(w * 2, w, x)]
        torch.autograd.backward(w * 2, x)
        seen += [repr(w.grad)]
        torch.autograd.backward(w * 2, x)
        return [*seen, repr(w.grad)]


def p_a_dual_leaf(torch: Any) -> list[Any]:
    ad = torch.autograd.forward_ad
    with ad.dual_level():
        x = ad.make_dual(torch.tensor([1.0, 2.0]), torch.ones(2))
        seen = [x.is_leaf, repr(x.requires_grad_())]
        (x**3).sum().backward()
        return [*seen, repr(x.grad), repr(x)]


# ---- reverse over forward ------------------------------------------------------------------------


def p_tangents_have_gradients(torch: Any) -> list[Any]:
    ad = torch.autograd.forward_ad
    p = torch.tensor([1.0, 2.0], requires_grad=True)
    t = torch.tensor([3.0, 4.0], requires_grad=True)
    with ad.dual_level():
        y = _tangent(torch, (ad.make_dual(p, t) ** 3).sum())
    by_point, by_direction = torch.autograd.grad(y, (p, t), create_graph=True)
    (third,) = torch.autograd.grad(by_point.sum(), p)
    return [y.detach(), by_point.detach(), by_direction.detach(), third]


def p_gradients_through_writes(torch: Any) -> list[Any]:
    ad = torch.autograd.forward_ad
    y = torch.tensor([2.0, 3.0], requires_grad=True)
    with ad.dual_level():
        x = ad.make_dual(torch.tensor([1.0, 1.0]), torch.tensor([1.0, 5.0])).clone()
        x.mul_(y)
        (one,) = torch.autograd.grad(_tangent(torch, x).sum(), y)
        x = torch.zeros(3)
        x[1:] = ad.make_dual(torch.ones(2), torch.tensor([2.0, 3.0])) * y * y
        (two,) = torch.autograd.grad(_tangent(torch, x).sum(), y)
    return [one, two]


# ---- Functions -----------------------------------------------------------------------------------


def _function(torch: Any, forward: Any, jvp: Any, backward: Any = None) -> Any:
    class Mine(torch.autograd.Function):
        pass

    Mine.forward = staticmethod(forward)
    Mine.jvp = staticmethod(jvp)
    Mine.backward = staticmethod(backward or (lambda ctx, *g: g))
    return Mine.apply


def _dual(torch: Any) -> Any:
    return torch.autograd.forward_ad.make_dual(torch.ones(2), torch.tensor([1.0, 2.0]))


_FUNCTIONS = {
    "scaled": (lambda c, x: x * 2, lambda c, t: t * 2),
    "two_outputs": (lambda c, x: (x * 2, x * 3), lambda c, t: (t * 2, t * 3)),
    "too_many": (lambda c, x: x * 2, lambda c, t: (t * 2, t)),
    "too_few": (lambda c, x: (x * 2, x * 3), lambda c, t: t * 2),
    "wrong_size": (lambda c, x: x * 2, lambda c, t: t.sum()),
    "wide": (lambda c, x: x * 2, lambda c, t: t.double()),
    "no_tensor": (lambda c, x: x * 2, lambda c, t: 3.0),
    "as_is": (lambda c, x: x, lambda c, t: t),
    "as_is_scaled": (lambda c, x: x, lambda c, t: t * 2),
    "as_is_view": (lambda c, x: x, lambda c, t: t.view_as(t)),
    "view": (lambda c, x: x.view(2, 1), lambda c, t: t.view(2, 1)),
    "wrong_view": (lambda c, x: x.view(2, 1), lambda c, t: (t * 2).view(2, 1)),
    "no_view": (lambda c, x: x[:1], lambda c, t: t[:1].clone()),
    "part": (lambda c, x: x[:1], lambda c, t: t[:1]),
    "bools": (lambda c, x: x > 1, lambda c, t: None),
    "bools_moved": (lambda c, x: x > 1, lambda c, t: t),
    "number": (lambda c, x: (x * 2, 3), lambda c, t: (t * 2, None)),
    "same_tangent": (lambda c, x: x.clone(), lambda c, t: t),
}


@variants(**_FUNCTIONS)
def p_function(torch: Any, pair: Any) -> list[Any]:
    call = _function(torch, *pair)
    outputs: list[Any] = []
    with torch.autograd.forward_ad.dual_level():
        error = raises(lambda: outputs.append(call(_dual(torch))))
        return [error, [repr(o) for o in outputs], repr(call(torch.ones(2)))]


@differs("there is no sentence for it in PyTorch, only an internal assertion")
def p_function_without_tangent(torch: Any) -> list[Any]:
    call = _function(torch, lambda c, x: x * 2, lambda c, t: None)
    with torch.autograd.forward_ad.dual_level():
        return [raises(lambda: call(_dual(torch)))]


def p_function_without_jvp(torch: Any) -> list[Any]:
    class Plain(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

    with torch.autograd.forward_ad.dual_level():
        return [raises(lambda: Plain.apply(_dual(torch))), Plain.apply(torch.ones(2))]


def p_function_sees_no_tangents(torch: Any) -> list[Any]:
    seen: list[Any] = []

    def forward(ctx: Any, x: Any, y: Any, k: Any) -> Any:
        seen.append(repr(x))
        ctx.save_for_backward(x, y)
        ctx.save_for_forward(x, y)
        ctx.k = k
        return x * y * k

    def jvp(ctx: Any, a: Any, b: Any, k: Any) -> Any:
        x, y = ctx.saved_tensors
        seen.append([repr(a), repr(b), k, repr(x), repr(y), torch.is_grad_enabled()])
        return (a * y + b * x) * ctx.k

    call = _function(torch, forward, jvp)
    plain, wanted = torch.ones(2), torch.ones(2, requires_grad=True)
    with torch.autograd.forward_ad.dual_level():
        d = _dual(torch)
        outs = [call(d, plain, 3.0), call(plain, d, 3.0), call(plain, plain, 3.0)]
        last = call(wanted, d, 3.0)
        seen += [repr(o) for o in outs]
        return [*seen, last.grad_fn, last.detach(), _tangent(torch, last).detach()]


def p_function_without_materialized_tangents(torch: Any) -> list[Any]:
    seen: list[Any] = []

    def forward(ctx: Any, x: Any, y: Any, n: Any) -> Any:
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(x)
        return x * y

    def jvp(ctx: Any, *tangents: Any) -> Any:
        seen.append([[repr(t) for t in tangents], ctx.saved_tensors])
        return tangents[1]

    call = _function(torch, forward, jvp)
    with torch.autograd.forward_ad.dual_level():
        out = call(torch.ones(2), _dual(torch), torch.tensor(2))
        return [*seen, repr(out)]


def p_function_that_writes(torch: Any) -> list[Any]:
    def forward(ctx: Any, x: Any) -> Any:
        ctx.mark_dirty(x)
        return x.mul_(2)

    def forward_by(ctx: Any, x: Any, y: Any) -> Any:
        ctx.mark_dirty(x)
        return x.mul_(y)

    with torch.autograd.forward_ad.dual_level():
        x = _dual(torch)
        refused = raises(lambda: _function(torch, forward, lambda c, t: t * 2)(x))
        y = _dual(torch)
        out = _function(torch, forward, lambda c, t: t.mul_(2))(y)
        base = torch.ones(3)
        part = _function(torch, forward_by, lambda c, a, b: b.clone())(base[:2], _dual(torch))
        return [refused, repr(x), repr(y), out is y, repr(base), repr(part)]


def p_function_with_a_constant_output(torch: Any) -> list[Any]:
    def forward(ctx: Any, x: Any) -> Any:
        constant = x * 2
        ctx.mark_non_differentiable(constant)
        return constant, x * 3

    with torch.autograd.forward_ad.dual_level():
        d = _dual(torch)
        right = _function(torch, forward, lambda c, t: (None, t * 3))(d)
        wrong = raises(lambda: _function(torch, forward, lambda c, t: (t, t * 3))(d))
        return [[repr(o) for o in right], wrong]


def p_function_saving_its_output(torch: Any) -> list[Any]:
    def forward(ctx: Any, x: Any) -> Any:
        out = x.exp()
        ctx.save_for_backward(out)
        ctx.save_for_forward(out)
        return out

    def jvp(ctx: Any, t: Any) -> Any:
        return t * ctx.saved_tensors[0]

    def backward(ctx: Any, g: Any) -> Any:
        return g * ctx.saved_tensors[0]

    ad = torch.autograd.forward_ad
    call = _function(torch, forward, jvp, backward)
    x = torch.tensor([0.0, 1.0], requires_grad=True)
    with ad.dual_level():
        y = call(ad.make_dual(x, torch.tensor([1.0, 2.0])))
        (g,) = torch.autograd.grad(y.sum(), x, create_graph=True)
        moved = _tangent(torch, y)
        (h,) = torch.autograd.grad(moved.sum(), x)
        return [y.detach(), moved.detach(), g.detach(), _tangent(torch, g).detach(), h.detach()]


# ---- func.jvp ------------------------------------------------------------------------------------


def p_jvp(torch: Any) -> list[Any]:
    jvp = torch.func.jvp
    x, t = torch.tensor([1.0, 2.0]), torch.tensor([1.0, 0.0])
    pair = {"a": x, "b": x}
    return [
        jvp(torch.exp, (x,), (t,)),
        jvp(lambda x, y: x * y, (x, x), (t, t)),
        jvp(lambda x: {"a": x * 2, "b": (x, [x + 1])}, (x,), (t,)),
        jvp(lambda d: d["a"] * d["b"], (pair,), ({"a": t, "b": t},)),
        jvp(lambda x: (x * 2, x * 3), (x,), (t,), has_aux=True),
        jvp(lambda x: torch.ones(2), (x,), (t,)),
        jvp(lambda x: x > 1, (x,), (t,)),
        jvp(lambda x: x.detach() * x, (x,), (t,)),
        jvp(lambda x: float(x.sum()) * x, (x,), (t,)),
        jvp(lambda x: x, (x,), (t,))[0] is x,
        jvp(lambda x: x * x, (x,), (t.double(),)),
    ]


def p_jvp_refuses(torch: Any) -> list[Any]:
    jvp = torch.func.jvp
    x, t = torch.tensor([1.0, 2.0]), torch.tensor([1.0, 0.0])
    return [
        raises(lambda: jvp(torch.exp, x, t)),
        raises(lambda: jvp(torch.exp, (x,), t)),
        raises(lambda: jvp(torch.exp, (x,), [t])),
        raises(lambda: jvp(torch.exp, [x], (t,))),
        raises(lambda: jvp(torch.exp, (), ())),
        raises(lambda: jvp(torch.exp, (x,), (t, t))),
        raises(lambda: jvp(torch.exp, (x,), (torch.ones(3),))),
        raises(lambda: jvp(torch.exp, (torch.tensor([1]),), (torch.tensor([1]),))),
        raises(lambda: jvp(torch.exp, (1.0,), (1.0,))),
        raises(lambda: jvp(lambda d: d, ({"a": x},), ({"b": x},))),
        raises(lambda: jvp(lambda x: 1.0, (x,), (t,))),
        raises(lambda: jvp(lambda x: None, (x,), (t,))),
        raises(lambda: jvp(lambda x: torch.ones(2), (x,), (t,), strict=True)),
        raises(lambda: jvp(lambda x: x * 2, (x,), (t,), has_aux=True)),
        raises(lambda: jvp(lambda x: [x * 2, x], (x,), (t,), has_aux=True)),
        raises(lambda: jvp(lambda x: (x * 2, "a"), (x,), (t,), has_aux=True)),
    ]


def p_jvp_nested(torch: Any) -> list[Any]:
    def d(f: Any) -> Any:
        return lambda x: torch.func.jvp(f, (x,), (torch.ones_like(x),))[1]

    one, two = torch.tensor(1.0), torch.tensor(2.0)
    return [
        d(lambda x: x * d(lambda y: x + y)(one))(one),
        d(lambda x: x * d(lambda y: x * y)(two))(one),
        d(d(d(lambda x: x**4)))(two),
        d(d(lambda x: x.exp() * x.sin()))(one),
        d(lambda x: d(lambda y: x * x * y)(x) + d(lambda y: y**3)(x))(two),
    ]
