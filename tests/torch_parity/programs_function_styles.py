"""Programs on the styles of ``autograd.Function``, wrong definitions, re-entrance and nodes."""

from __future__ import annotations

from typing import Any

from tests.torch_parity.functions import exp as _exp
from tests.torch_parity.functions import make as _make
from tests.torch_parity.functions import scale as _scale
from tests.torch_parity.harness import graph, name, raises


def p_setup_context(torch: Any) -> list[Any]:
    class Exp(torch.autograd.Function):
        @staticmethod
        def forward(x: Any, k: Any) -> Any:
            return x.exp() * k

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            ctx.kinds = (type(inputs).__name__, len(inputs), inputs[1])
            ctx.k = inputs[1]
            ctx.save_for_backward(output)

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            (y,) = ctx.saved_tensors
            return g * y, None

    x = torch.tensor([0.5, 1.0], requires_grad=True)
    y = Exp.apply(x, 2)
    kinds = y.grad_fn.kinds
    y.sum().backward()
    return [y, x.grad, kinds, y.grad_fn.name()]


def p_setup_context_several_outputs(torch: Any) -> list[Any]:
    class Two(torch.autograd.Function):
        @staticmethod
        def forward(x: Any) -> Any:
            return x * 2, x > 0

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            ctx.seen = (type(output).__name__, torch.is_grad_enabled())
            ctx.mark_non_differentiable(output[1])

        @staticmethod
        def backward(ctx: Any, g: Any, _: Any) -> Any:
            return g * 2

    x = torch.tensor([0.5, 1.0], requires_grad=True)
    y, mask = Two.apply(x)
    y.sum().backward()
    return [y, mask, x.grad, y.grad_fn.seen]


def p_setup_context_missing_ctx_in_forward(torch: Any) -> list[Any]:
    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(x: Any) -> Any:
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g

    x = torch.tensor([0.5, 1.0], requires_grad=True)
    return [raises(lambda: Wrong.apply(x)).kind]


def p_no_forward(torch: Any) -> list[Any]:
    class Empty(torch.autograd.Function):
        pass

    return [raises(lambda: Empty.apply(torch.ones(2, requires_grad=True)))]


def p_no_backward(torch: Any) -> list[Any]:
    class Half(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

    y = Half.apply(torch.ones(2, requires_grad=True))
    return [y, raises(lambda: y.sum().backward())]


def p_backward_and_vjp_both(torch: Any) -> list[Any]:
    class Both(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g

        @staticmethod
        def vjp(ctx: Any, g: Any) -> Any:
            return g

    y = Both.apply(torch.ones(2, requires_grad=True))
    return [raises(lambda: y.sum().backward())]


def p_vjp_instead_of_backward(torch: Any) -> list[Any]:
    class Vjp(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

        @staticmethod
        def vjp(ctx: Any, g: Any) -> Any:
            return g * 2

    x = torch.ones(2, requires_grad=True)
    y = Vjp.apply(x)
    return [raises(lambda: y.sum().backward()), x.grad]


def p_instantiation(torch: Any) -> list[Any]:
    made = _exp(torch)
    return [
        raises(lambda: made()),
        raises(lambda: made()(torch.ones(2))),
        raises(lambda: torch.autograd.Function()),
    ]


def p_legacy_style(torch: Any) -> list[Any]:
    class Old(torch.autograd.Function):
        def forward(self, x: Any) -> Any:
            return x * 2

        def backward(self, g: Any) -> Any:
            return g * 2

    x = torch.ones(2, requires_grad=True)
    found: list[Any] = []
    error = raises(lambda: found.append(Old.apply(x)))
    return [error, found]


def p_forward_called_directly(torch: Any) -> list[Any]:
    class Plain:
        pass

    x = torch.tensor([1.0, 2.0], requires_grad=True)
    scale = _scale(torch)
    y = scale.forward(Plain(), x, 3.0)
    return [y, name(y.grad_fn)]


def p_backward_called_directly(torch: Any) -> list[Any]:
    class Plain:
        factor = 4.0

    return [_scale(torch).backward(Plain(), torch.ones(2))]


def p_keyword_arguments(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    return [raises(lambda: _scale(torch).apply(x, factor=3.0)).kind]


def p_default_arguments(torch: Any) -> list[Any]:
    def forward(ctx: Any, x: Any, k: float = 5.0) -> Any:
        return x * k

    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = _make(torch, forward, lambda ctx, g: g * 5).apply(x)
    y.sum().backward()
    return [y, x.grad]


def p_tensors_in_lists_are_not_tracked(torch: Any) -> list[Any]:
    made = _make(torch, lambda ctx, xs: xs[0] * 2, lambda ctx, g: None)
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    return [made.apply([x]).requires_grad]


def p_attributes_of_ctx_are_on_node(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = _scale(torch).apply(x, 3.0)
    y.grad_fn.extra = "added"
    return [y.grad_fn.factor, y.grad_fn.extra, raises(lambda: y.grad_fn.missing).kind]


def p_backward_raises(torch: Any) -> list[Any]:
    def backward(ctx: Any, g: Any) -> Any:
        raise ValueError("from backward")

    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = _make(torch, lambda ctx, x: x * 2, backward).apply(x)
    return [raises(lambda: y.sum().backward()), x.grad]


def p_forward_raises(torch: Any) -> list[Any]:
    def forward(ctx: Any, x: Any) -> Any:
        raise ValueError("from forward")

    x = torch.tensor([1.0, 2.0], requires_grad=True)
    error = raises(lambda: _make(torch, forward, lambda ctx, g: g).apply(x))
    return [error, torch.is_grad_enabled()]


def p_no_tensor_inputs(torch: Any) -> list[Any]:
    made = _make(torch, lambda ctx, n: torch.ones(n), lambda ctx, g: None)
    y = made.apply(2)
    return [y, y.requires_grad, y.grad_fn]


def p_enable_grad_in_forward(torch: Any) -> list[Any]:
    def forward(ctx: Any, x: Any) -> Any:
        with torch.enable_grad():
            copy = x.detach().requires_grad_()
            ctx.inner = (copy, copy * copy)
        return ctx.inner[1].detach()

    def backward(ctx: Any, g: Any) -> Any:
        copy, result = ctx.inner
        return torch.autograd.grad(result, copy, g)[0]

    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = _make(torch, forward, backward).apply(x)
    y.sum().backward()
    return [y, x.grad]


def p_result_with_history_returned(torch: Any) -> list[Any]:
    w = torch.tensor([3.0, 4.0], requires_grad=True)

    def forward(ctx: Any, x: Any) -> Any:
        with torch.enable_grad():
            return x * w

    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = _make(torch, forward, lambda ctx, g: g * 100).apply(x)
    y.sum().backward()
    return [name(y.grad_fn), x.grad, w.grad]


def p_reentrant_backward(torch: Any) -> list[Any]:
    w = torch.tensor(3.0, requires_grad=True)

    def backward(ctx: Any, g: Any) -> Any:
        with torch.enable_grad():
            (w * w).backward()
        return g

    x = torch.tensor(2.0, requires_grad=True)
    y = _make(torch, lambda ctx, x: x * 1, backward).apply(x * 2)
    (y * y).backward()
    return [x.grad, w.grad]


def p_reentrant_checkpoint(torch: Any) -> list[Any]:
    w = torch.tensor([0.5, 0.7], requires_grad=True)

    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return (x * w).tanh()

    def backward(ctx: Any, g: Any) -> Any:
        x = ctx.saved_tensors[0].detach().requires_grad_()
        with torch.enable_grad():
            y = (x * w).tanh()
        torch.autograd.backward(y, g)
        return x.grad

    made = _make(torch, forward, backward)
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x
    for _ in range(4):
        y = made.apply(y)
    y.sum().backward()
    return [y, x.grad, w.grad]


def p_reentrant_many_levels(torch: Any) -> list[Any]:
    def descend(depth: int) -> Any:
        def backward(ctx: Any, g: Any) -> Any:
            if depth == 0:
                return g
            with torch.enable_grad():
                z = torch.tensor(1.0, requires_grad=True)
                made(depth - 1).apply(z).backward()
            return g + z.grad

        return backward

    def made(depth: int) -> Any:
        return _make(torch, lambda ctx, x: x * 1, descend(depth))

    x = torch.tensor(1.0, requires_grad=True)
    made(40).apply(x).backward()
    return [x.grad]


def p_hooks_on_function_node(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = _scale(torch).apply(x, 3.0)
    calls = []
    y.grad_fn.register_hook(lambda gi, go: calls.append(("post", gi, go)))
    y.grad_fn.register_prehook(lambda go: calls.append(("pre", go)))
    y.register_hook(lambda g: calls.append(("tensor", g)))
    y.sum().backward()
    return [calls]


def p_metadata_of_function_node(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = _scale(torch).apply(x, 3.0)
    y.grad_fn.metadata["note"] = 1
    return [y.grad_fn.metadata]


def p_undefined_gradient_of_dtype(torch: Any) -> list[Any]:
    seen = []

    def forward(ctx: Any, x: Any) -> Any:
        return x * 2, x.double()[:, None] * 3, x.sum()

    x = torch.ones(2, requires_grad=True)
    a, _b, _c = _make(torch, forward, lambda ctx, *g: seen.append(g) or g[0]).apply(x)
    a.sum().backward()
    return [seen]


def p_output_gradient_is_cast(torch: Any) -> list[Any]:
    seen = []
    made = _make(torch, lambda ctx, x: x.double(), lambda ctx, g: seen.append(g.dtype) or g)
    x = torch.ones(2, requires_grad=True)
    made.apply(x).float().sum().backward()
    return [seen, x.grad]


def p_subclass_of_function(torch: Any) -> list[Any]:
    class Twice(_scale(torch)):
        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * ctx.factor * 100, None

    x = torch.ones(2, requires_grad=True)
    y = Twice.apply(x, 2.0)
    y.sum().backward()
    return [x.grad, y.grad_fn.name()]


def p_name_of_lower_case_class(torch: Any) -> list[Any]:
    class my_op(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x.clone()

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g

    y = my_op.apply(torch.ones(2, requires_grad=True))
    return [y.grad_fn.name(), str(y.grad_fn), repr(y)]


def p_straight_through_estimator(torch: Any) -> list[Any]:
    made = _make(torch, lambda ctx, x: x.round(), lambda ctx, g: g.clone())
    x = torch.tensor([0.4, 1.6], requires_grad=True)
    (made.apply(x) * 3).sum().backward()
    return [x.grad]


def p_gradient_reversal(torch: Any) -> list[Any]:
    made = _make(torch, lambda ctx, x: x.view_as(x), lambda ctx, g: g.neg() * 0.5)
    x = torch.tensor([0.4, 1.6], requires_grad=True)
    y = made.apply(x)
    (y * 3).sum().backward()
    return [x.grad, y._is_view()]


def p_clear_saved_tensors_on_access(torch: Any) -> list[Any]:
    seen = []

    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x * 2

    def backward(ctx: Any, g: Any) -> Any:
        seen.append(len(ctx.saved_tensors))
        try:
            seen.append(len(ctx.saved_tensors))
        except RuntimeError as error:
            seen.append(str(error))
        return g

    made = _make(torch, forward, backward, clear_saved_tensors_on_access=True)
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    made.apply(x).sum().backward()
    return [seen]


def p_function_in_thread_of_operators(torch: Any) -> list[Any]:
    x = torch.tensor([0.3, 0.6], requires_grad=True)
    exp, scale = _exp(torch), _scale(torch)
    y = scale.apply(exp.apply(scale.apply(x, 2.0)).sin(), 3.0)
    y.sum().backward()
    return [y, x.grad, graph(y.grad_fn)]


def p_jvp_of_function_missing(torch: Any) -> list[Any]:
    import_ = torch.autograd.forward_ad
    x = torch.tensor([0.3, 0.6])
    found: list[Any] = []

    def call() -> None:
        with import_.dual_level():
            dual = import_.make_dual(x, torch.ones(2))
            found.append(_exp(torch).apply(dual))

    return [raises(call)]


def p_jvp_of_function(torch: Any) -> list[Any]:
    ad = torch.autograd.forward_ad

    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_forward(x)
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def jvp(ctx: Any, t: Any) -> Any:
            return 2 * ctx.saved_tensors[0] * t

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return 2 * ctx.saved_tensors[0] * g

    x = torch.tensor([0.3, 0.6])
    with ad.dual_level():
        out = Square.apply(ad.make_dual(x, torch.tensor([1.0, 10.0])))
        primal, tangent = ad.unpack_dual(out)
        return [primal.clone(), tangent.clone()]
