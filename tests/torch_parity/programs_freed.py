"""Programs on what an operator keeps: which saved values are freed, and which graph nodes it makes.

For each operator: whether a second backward raises (that is, whether the node saved anything), the
names along the graph, and the first and second derivatives.
"""

from __future__ import annotations

from typing import Any

from tests.torch_parity.harness import differs, graph, name, raises, variants

UNARY: dict[str, Any] = {
    "neg": lambda x: -x,
    "abs": lambda x: x.abs(),
    "exp": lambda x: x.exp(),
    "log": lambda x: x.log(),
    "sqrt": lambda x: x.sqrt(),
    "rsqrt": lambda x: x.rsqrt(),
    "sin": lambda x: x.sin(),
    "cos": lambda x: x.cos(),
    "tanh": lambda x: x.tanh(),
    "sigmoid": lambda x: x.sigmoid(),
    "relu": lambda x: x.relu(),
    "reciprocal": lambda x: x.reciprocal(),
    "square": lambda x: x.square(),
    "pow2": lambda x: x**2,
    "pow_half": lambda x: x**0.5,
    "rpow": lambda x: 2**x,
    "add_number": lambda x: x + 2,
    "radd_number": lambda x: 2 + x,
    "sub_number": lambda x: x - 2,
    "rsub_number": lambda x: 2 - x,
    "mul_number": lambda x: x * 3,
    "rmul_number": lambda x: 3 * x,
    "div_number": lambda x: x / 3,
    "rdiv_number": lambda x: 3 / x,
    "clamp": lambda x: x.clamp(0.6, 2.5),
    "clone": lambda x: x.clone(),
    "double": lambda x: x.double(),
    "sum": lambda x: x.sum(),
    "sum_dim": lambda x: x.sum(0),
    "mean": lambda x: x.mean(),
    "mean_dim": lambda x: x.mean(1, keepdim=True),
    "prod": lambda x: x.prod(),
    "max": lambda x: x.max(),
    "max_dim": lambda x: x.max(1)[0],
    "min_dim": lambda x: x.min(dim=0).values,
    "amax": lambda x: x.amax(1),
    "norm": lambda x: x.norm(),
    "logsumexp": lambda x: x.logsumexp(1),
    "softmax": lambda x: x.softmax(1),
    "log_softmax": lambda x: x.log_softmax(1),
    "cumsum": lambda x: x.cumsum(1),
    "var": lambda x: x.var(),
    "std": lambda x: x.std(1),
    "view": lambda x: x.view(-1),
    "reshape": lambda x: x.reshape(3, 2),
    "t": lambda x: x.t(),
    "transpose": lambda x: x.transpose(0, 1),
    "permute": lambda x: x.permute(1, 0),
    "expand": lambda x: x.expand(2, 2, 3),
    "squeeze": lambda x: x.squeeze(),
    "squeeze_dim": lambda x: x.squeeze(0),
    "unsqueeze": lambda x: x.unsqueeze(0),
    "select": lambda x: x[0],
    "slice": lambda x: x[:, 1:],
    "index": lambda x: x[[0, 1], [1, 2]],
    "repeat": lambda x: x.repeat(2, 1),
    "flatten": lambda x: x.flatten(),
    "sort": lambda x: x.sort(1)[0],
    "topk": lambda x: x.topk(2)[0],
    "unbind": lambda x: x.unbind(0)[1],
    "split": lambda x: x.split(1)[1],
    "chunk": lambda x: x.chunk(2, 1)[0],
    "tril": lambda x: x.tril(),
    "flip": lambda x: x.flip(0),
    "contiguous_of_t": lambda x: x.t().contiguous(),
    "masked_fill": lambda x: x.masked_fill(x.detach() > 1, 0.0),
    "gelu_like": lambda x: x * x.sigmoid(),
    "sum_of_squares": lambda x: (x * x).sum(),
    "index_select": lambda x: x.index_select(1, x.new_tensor([0, 2]).long()),
    "diagonal": lambda x: x.diagonal(),
    "triu": lambda x: x.triu(),
    "roll": lambda x: x.roll(1, 0),
    "log1p": lambda x: x.log1p(),
    "expm1": lambda x: x.expm1(),
    "atan": lambda x: x.atan(),
    "erf": lambda x: x.erf(),
    "softplus_like": lambda x: (1 + x.exp()).log(),
    "cumprod": lambda x: x.cumprod(0),
}

BINARY: dict[str, Any] = {
    "add": lambda t, x, y: x + y,
    "sub": lambda t, x, y: x - y,
    "mul": lambda t, x, y: x * y,
    "div": lambda t, x, y: x / y,
    "pow": lambda t, x, y: x**y,
    "maximum": lambda t, x, y: t.maximum(x, y),
    "minimum": lambda t, x, y: t.minimum(x, y),
    "where": lambda t, x, y: t.where(x > y, x, y),
    "matmul": lambda t, x, y: x @ y.t(),
    "mm": lambda t, x, y: x.mm(y.t()),
    "mv": lambda t, x, y: x @ y[0],
    "vm": lambda t, x, y: x[0] @ y.t(),
    "dot": lambda t, x, y: x[0].dot(y[1]),
    "outer": lambda t, x, y: t.outer(x[0], y[1]),
    "bmm": lambda t, x, y: t.bmm(x[None], y.t()[None]),
    "addmm": lambda t, x, y: t.addmm(x[:, :2], x, y.t()),
    "cat": lambda t, x, y: t.cat([x, y]),
    "stack": lambda t, x, y: t.stack([x, y], 1),
    "atan2": lambda t, x, y: t.atan2(x, y),
    "add_alpha": lambda t, x, y: t.add(x, y, alpha=2),
    "sub_alpha": lambda t, x, y: t.sub(x, y, alpha=2),
    "lerp": lambda t, x, y: t.lerp(x, y, 0.25),
    "addcmul": lambda t, x, y: t.addcmul(x, x, y, value=2),
    "addcdiv": lambda t, x, y: t.addcdiv(x, x, y, value=2),
    "broadcast": lambda t, x, y: x * y[:1],
    "einsum": lambda t, x, y: t.einsum("ij,kj->ik", x, y),
    "fmod": lambda t, x, y: t.fmod(x, y),
    "hypot": lambda t, x, y: t.hypot(x, y),
    "matmul_batched": lambda t, x, y: x[None].expand(2, 2, 3) @ y.t(),
    "dist": lambda t, x, y: t.dist(x, y),
}


def _inputs(torch: Any) -> tuple[Any, Any]:
    x = torch.tensor([[0.5, 1.5, 2.0], [3.0, 0.7, 1.2]], requires_grad=True)
    y = torch.tensor([[1.5, 0.4, 2.5], [1.0, 0.9, 2.2]], requires_grad=True)
    return x, y


@variants(**UNARY)
def p_unary_second_backward(torch: Any, operate: Any) -> list[Any]:
    x, _ = _inputs(torch)
    y = operate(x)
    y.backward(torch.ones_like(y))
    first = x.grad.clone()
    return [y, name(y.grad_fn), first, raises(lambda: y.backward(torch.ones_like(y))).kind]


@variants(**BINARY)
def p_binary_second_backward(torch: Any, operate: Any) -> list[Any]:
    x, y = _inputs(torch)
    z = operate(torch, x, y)
    z.backward(torch.ones_like(z))
    first = [x.grad.clone(), y.grad.clone()]
    return [z, name(z.grad_fn), *first, raises(lambda: z.backward(torch.ones_like(z))).kind]


@variants(**UNARY)
def p_unary_graph(torch: Any, operate: Any) -> list[Any]:
    x, _ = _inputs(torch)
    return [graph(operate(x).grad_fn)]


@variants(**BINARY)
def p_binary_graph(torch: Any, operate: Any) -> list[Any]:
    x, y = _inputs(torch)
    return [graph(operate(torch, x, y).grad_fn)]


@variants(**UNARY)
def p_unary_second_order(torch: Any, operate: Any) -> list[Any]:
    x, _ = _inputs(torch)
    y = operate(x)
    weight = torch.linspace(0.5, 1.5, y.numel(), dtype=y.dtype).reshape(y.shape)
    (g,) = torch.autograd.grad(y, x, weight, create_graph=True)
    if not g.requires_grad:
        return [g]
    return [g, torch.autograd.grad((g * g).sum(), x, allow_unused=True)]


@variants(**BINARY)
def p_binary_second_order(torch: Any, operate: Any) -> list[Any]:
    x, y = _inputs(torch)
    z = operate(torch, x, y)
    weight = torch.linspace(0.5, 1.5, z.numel()).reshape(z.shape)
    gx, gy = torch.autograd.grad(z, [x, y], weight, create_graph=True)
    total = (gx * gx).sum() + (gy * gy).sum()
    if not total.requires_grad:
        return [gx, gy]
    return [gx, gy, torch.autograd.grad(total, [x, y], allow_unused=True)]


@variants(
    mul=lambda x: x * x,
    exp=lambda x: x.exp(),
    sin=lambda x: x.sin(),
    tanh=lambda x: x.tanh(),
    sigmoid=lambda x: x.sigmoid(),
    log=lambda x: x.log(),
    sqrt=lambda x: x.sqrt(),
    pow3=lambda x: x**3,
    div=lambda x: 1 / x,
    div2=lambda x: x / (x + 1),
    sum=lambda x: x.sum(),
    mean=lambda x: x.mean(),
    matmul=lambda x: x @ x.t(),
)
@differs(
    "PyTorch has a fused node; here derivatives are recorded operator by operator",
    *("sqrt", "pow3", "mean"),
)
def p_second_order_graph(torch: Any, operate: Any) -> list[Any]:
    x, _ = _inputs(torch)
    y = operate(x)
    v = torch.ones_like(y, requires_grad=True)
    (g,) = torch.autograd.grad(y, x, v, create_graph=True)
    return [name(g.grad_fn), graph(g.grad_fn, 4)]


def p_one_sided_mul_saves_one_side(torch: Any) -> list[Any]:
    x, _ = _inputs(torch)
    w = torch.ones(2, 3)
    y = x * w
    return [y.grad_fn._saved_self, y.grad_fn._saved_other]


def p_saved_is_freed(torch: Any) -> list[Any]:
    x, _ = _inputs(torch)
    y = x.exp()
    saved = y.grad_fn._saved_result
    y.sum().backward()
    return [saved, saved is y, raises(lambda: y.grad_fn._saved_result)]
