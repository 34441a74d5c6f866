"""Programs on operators with several outputs, and on higher derivatives."""

from __future__ import annotations

from typing import Any

from tests.torch_parity.harness import graph, name, raises, variants


@variants(
    max=lambda x: x.max(1),
    min=lambda x: x.min(0),
    sort=lambda x: x.sort(1, descending=True),
    topk=lambda x: x.topk(2, 1),
    median=lambda x: x.median(1),
    kthvalue=lambda x: x.kthvalue(2, 1),
)
def p_values_and_indices(torch: Any, operate: Any) -> list[Any]:
    x = torch.tensor([[3.0, 1.0, 2.0], [4.0, 6.0, 5.0]], requires_grad=True)
    result = operate(x)
    values, indices = result
    weight = torch.arange(1.0, values.numel() + 1).reshape(values.shape)
    (values * weight).sum().backward()
    return [
        values,
        indices,
        indices.requires_grad,
        indices.grad_fn,
        values.output_nr,
        name(values.grad_fn),
        x.grad,
        result.values is result[0],
        type(result).__name__,
    ]


@variants(
    split=lambda t, x: x.split(2),
    split_sizes=lambda t, x: x.split([1, 3]),
    chunk=lambda t, x: x.chunk(2),
    unbind=lambda t, x: x.unbind(0),
    iterate=lambda t, x: tuple(x),
    tensor_split=lambda t, x: x.tensor_split(2),
    meshgrid=lambda t, x: t.meshgrid(x, x * 2, indexing="ij"),
    broadcast=lambda t, x: t.broadcast_tensors(x, t.zeros(2, 1)),
    var_mean=lambda t, x: t.var_mean(x),
    std_mean=lambda t, x: t.std_mean(x),
    aminmax=lambda t, x: t.aminmax(x),
)
def p_tuples(torch: Any, operate: Any) -> list[Any]:
    x = torch.tensor([0.5, 1.5, 2.5, 3.5], requires_grad=True)
    parts = operate(torch, x)
    flags = [(part.requires_grad, part.output_nr, name(part.grad_fn)) for part in parts]
    total = sum((k + 1) * (p * p).sum() for k, p in enumerate(parts) if p.requires_grad)
    total.backward()
    return [type(parts).__name__ in ("tuple", "list"), list(parts), flags, x.grad]


@variants(
    split=lambda x: x.split(2),
    unbind=lambda x: x.unbind(0),
    chunk=lambda x: x.chunk(2),
)
def p_write_into_one_of_several_views(torch: Any, operate: Any) -> list[Any]:
    leaf = torch.ones(4, requires_grad=True)
    x = leaf * 1
    parts = operate(x)
    return [raises(lambda: parts[0].mul_(2)), parts[0]._is_view(), parts[0]._base is x]


def p_only_second_output_used(torch: Any) -> list[Any]:
    x = torch.tensor([0.5, 1.5, 2.5, 3.5], requires_grad=True)
    _, b = x.split(2)
    b.sum().backward()
    first = x.grad.clone()
    x.grad = None
    x.unbind()[2].backward()
    return [first, x.grad]


def p_outputs_keep_their_node(torch: Any) -> list[Any]:
    x = torch.tensor([0.5, 1.5, 2.5, 3.5], requires_grad=True)
    a, b = x.split(2)
    return [a.grad_fn is b.grad_fn, (a + b).grad_fn.next_functions, graph((a + b).grad_fn)]


@variants(
    sin=lambda x: x.sin(),
    cos=lambda x: x.cos(),
    exp=lambda x: x.exp(),
    log=lambda x: x.log(),
    tanh=lambda x: x.tanh(),
    sigmoid=lambda x: x.sigmoid(),
    sqrt=lambda x: x.sqrt(),
    rsqrt=lambda x: x.rsqrt(),
    pow4=lambda x: x**4,
    pow_half=lambda x: x**1.5,
    reciprocal=lambda x: x.reciprocal(),
    div=lambda x: (x + 1) / (x * x + 2),
    softmax=lambda x: x.softmax(0)[0],
    log_softmax=lambda x: x.log_softmax(0)[1],
    logsumexp=lambda x: x.logsumexp(0),
    prod=lambda x: x.prod(),
    norm=lambda x: x.norm(),
    var=lambda x: x.var(),
    matmul=lambda x: (x[:, None] @ x[None, :]).exp().sum(),
    atan=lambda x: x.atan(),
    erf=lambda x: x.erf(),
    abs=lambda x: (x * x).abs(),
    max=lambda x: (x**3).max(),
    cumsum=lambda x: (x**2).cumsum(0).exp(),
    cumprod=lambda x: x.cumprod(0),
    index=lambda x: (x[[0, 0, 1]] ** 3).sum(),
    mixed=lambda x: (x[0].sin() * x[1].exp() / x[2]) ** 2,
    tan=lambda x: x.tan(),
    asin=lambda x: (x / 3).asin(),
    sinh=lambda x: x.sinh(),
    log1p=lambda x: x.log1p(),
    rpow=lambda x: 2**x,
    pow_tensor=lambda x: x**x,
    clamp=lambda x: (x**3).clamp(0.1, 2),
    where=lambda x: x.where(x > 1, x**2) ** 2,
    mean=lambda x: (x**3).mean(),
)
def p_derivatives_to_third_order(torch: Any, operate: Any) -> list[Any]:
    x = torch.tensor([0.5, 1.1, 1.7], dtype=torch.float64, requires_grad=True)
    y = operate(x).sum()
    found = [y]
    for _ in range(3):
        if not y.requires_grad:
            break
        (g,) = torch.autograd.grad(y, x, create_graph=True, materialize_grads=True)
        found.append(g.detach())
        y = (g * torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64)).sum()
    return found


@variants(
    mul=lambda x, w: x * w,
    matmul=lambda x, w: x @ w,
    sin=lambda x, w: (x * w).sin(),
    exp_sum=lambda x, w: (x * w).exp().sum(),
    mean=lambda x, w: (x * w).mean(),
    sum_dim=lambda x, w: (x * w).sum(0) ** 2,
    view=lambda x, w: (x * w).view(-1) ** 2,
    t=lambda x, w: (x @ w).t() ** 2,
    select=lambda x, w: (x * w)[0] ** 2,
    slice=lambda x, w: (x * w)[:, :1] ** 2,
    expand=lambda x, w: (x[0] * w).exp(),
    cat=lambda x, w: x.new_tensor(1.0) * (x @ w).exp(),
    div=lambda x, w: x / w,
    softmax=lambda x, w: (x * w).softmax(1),
    max=lambda x, w: (x * w).max(1)[0] ** 2,
    relu=lambda x, w: (x * w).relu() ** 2,
)
def p_names_in_gradient_graph(torch: Any, operate: Any) -> list[Any]:
    x = torch.tensor([[0.5, 1.5], [2.5, 0.3]], requires_grad=True)
    w = torch.tensor([[1.5, 0.5], [0.4, 0.9]], requires_grad=True)
    y = operate(x, w)
    gx, gw = torch.autograd.grad(y, [x, w], torch.ones_like(y), create_graph=True)
    return [name(gx.grad_fn), name(gw.grad_fn), repr(gx).partition("grad_fn")[2]]


def p_second_order_through_accumulated_grad(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    w = torch.tensor([3.0, 4.0], requires_grad=True)
    ((x * w) ** 2).sum().backward(create_graph=True)
    penalty = (x.grad**2).sum()
    x.grad = w.grad = None
    penalty.backward()
    return [penalty, x.grad, w.grad]


def p_newton_step(torch: Any) -> list[Any]:
    x = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    seen = []
    for _ in range(5):
        y = x**3 - 2 * x - 5
        (g,) = torch.autograd.grad(y, x, create_graph=True)
        (h,) = torch.autograd.grad(g, x)
        with torch.no_grad():
            x -= y / g
        seen.append((x.item(), g.item(), h.item()))
    return [seen]


def p_unrolled_optimisation(torch: Any) -> list[Any]:
    lr = torch.tensor(0.1, dtype=torch.float64, requires_grad=True)
    w = torch.tensor([1.0, -2.0], dtype=torch.float64, requires_grad=True)
    state = w
    for _ in range(4):
        loss = (state**4).sum() + state.prod()
        (g,) = torch.autograd.grad(loss, state, create_graph=True)
        state = state - lr * g
    (state**2).sum().backward()
    return [state, lr.grad, w.grad]


def p_laplacian(torch: Any) -> list[Any]:
    x = torch.tensor([0.3, 0.7, 1.1], dtype=torch.float64, requires_grad=True)
    y = (x.sin() * x.prod()).sum()
    (g,) = torch.autograd.grad(y, x, create_graph=True)
    total = 0.0
    for k in range(3):
        total += torch.autograd.grad(g[k], x, retain_graph=True)[0][k].item()
    return [total]


def p_jacobian_rows_by_basis(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = torch.stack([x[0] * x[1], x[1] * x[2], x.sum() ** 2])
    rows = [torch.autograd.grad(y, x, v, retain_graph=True)[0] for v in torch.eye(3)]
    return [torch.stack(rows)]
