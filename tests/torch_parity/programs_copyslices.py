"""Programs on writes through views: what history the view, its base and its siblings get."""

from __future__ import annotations

from typing import Any

from tests.torch_parity.harness import graph, name, raises, variants

CHAINS = {
    "view": lambda x: x.view(6),
    "reshape": lambda x: x.reshape(3, 2),
    "flatten": lambda x: x.flatten(),
    "t": lambda x: x.t(),
    "transpose": lambda x: x.transpose(0, 1),
    "permute": lambda x: x.permute(1, 0),
    "unsqueeze": lambda x: x.unsqueeze(0),
    "squeeze": lambda x: x.unsqueeze(0).squeeze(0),
    "select": lambda x: x[1],
    "element": lambda x: x[1, 2],
    "column": lambda x: x[:, 1],
    "slice": lambda x: x[1:],
    "slice_step": lambda x: x[:, ::2],
    "slices": lambda x: x[1:, 1:],
    "full": lambda x: x[:],
    "ellipsis": lambda x: x[...],
    "none": lambda x: x[None],
    "narrow": lambda x: x.narrow(1, 1, 2),
    "diagonal": lambda x: x.diagonal(),
    "unfold": lambda x: x.unfold(1, 1, 2),
    "as_strided": lambda x: x.as_strided((2, 2), (3, 1), 1),
    "view_of_slice": lambda x: x[1:].view(3),
    "slice_of_view": lambda x: x.view(6)[2:5],
    "transposed_row": lambda x: x.t()[1],
    "three": lambda x: x.view(6)[1:].view(5, 1)[::2],
    "chunk": lambda x: x.chunk(2)[1],
    "split": lambda x: x.split(1)[0],
    "unbind": lambda x: x.unbind()[1],
    "slice_of_unbind": lambda x: x.unbind()[1][1:],
    "unbind_of_slice": lambda x: x[1:].unbind()[0],
    "detach": lambda x: x.detach()[1],
    "expand": lambda x: x[:1].expand(2, 3),
    "view_as": lambda x: x.view_as(x),
    "movedim": lambda x: x.movedim(0, 1),
    "unflatten": lambda x: x.unflatten(1, (1, 3)),
    "real": lambda x: x.real,
}


@variants(**CHAINS)
def p_write_through_view(torch: Any, chain: Any) -> list[Any]:
    leaf = torch.arange(1.0, 7.0).reshape(2, 3).requires_grad_()
    x = leaf * 1
    v = chain(x)
    error = raises(lambda: v.mul_(10))
    observed = [error, x, v, name(x.grad_fn), name(v.grad_fn), x._version, v._version]
    observed += [graph(x.grad_fn), graph(v.grad_fn), v._is_view(), v._base is x]
    weights = torch.arange(6.0).reshape(2, 3)
    error = raises(lambda: (x * weights).sum().backward())
    return [*observed, error, leaf.grad]


@variants(**CHAINS)
def p_write_through_view_then_use_view(torch: Any, chain: Any) -> list[Any]:
    leaf = torch.arange(1.0, 7.0).reshape(2, 3).requires_grad_()
    x = leaf * 1
    v = chain(x)
    error = raises(lambda: v.add_(1))
    (v * v).sum().backward() if v.requires_grad else None
    return [error, leaf.grad, v]


@variants(**CHAINS)
def p_write_to_base(torch: Any, chain: Any) -> list[Any]:
    leaf = torch.arange(1.0, 7.0).reshape(2, 3).requires_grad_()
    x = leaf * 1
    v = chain(x)
    before = name(v.grad_fn)
    error = raises(lambda: x.mul_(10))
    after = raises(lambda: name(v.grad_fn))
    observed = [error, before, after]
    if after.kind is None:
        observed += [name(v.grad_fn), graph(v.grad_fn), v]
        observed += [raises(lambda: (v * v).sum().backward()), leaf.grad]
    return observed


@variants(**CHAINS)
def p_write_to_sibling(torch: Any, chain: Any) -> list[Any]:
    leaf = torch.arange(1.0, 7.0).reshape(2, 3).requires_grad_()
    x = leaf * 1
    v = chain(x)
    x.view(6)[1:5].mul_(10)
    after = raises(lambda: name(v.grad_fn))
    observed = [after]
    if after.kind is None:
        observed += [graph(v.grad_fn), v]
        observed += [raises(lambda: (v * v).sum().backward()), leaf.grad]
    return observed


@variants(**CHAINS)
def p_write_through_view_of_leaf(torch: Any, chain: Any) -> list[Any]:
    x = torch.arange(1.0, 7.0).reshape(2, 3).clone().requires_grad_()
    v = chain(x)
    return [raises(lambda: v.mul_(10)), x.detach().clone(), x._version]


@variants(**CHAINS)
def p_write_through_view_of_plain(torch: Any, chain: Any) -> list[Any]:
    leaf = torch.tensor(2.0, requires_grad=True)
    x = torch.arange(1.0, 7.0).reshape(2, 3).clone()
    v = chain(x)
    error = raises(lambda: v.mul_(leaf))
    observed = [error, x.requires_grad, name(x.grad_fn), v.requires_grad, name(v.grad_fn), x]
    if x.requires_grad:
        observed.append(graph(x.grad_fn))
        x.sum().backward()
    return [*observed, leaf.grad]


@variants(**CHAINS)
def p_view_from_no_grad(torch: Any, chain: Any) -> list[Any]:
    leaf = torch.arange(1.0, 7.0).reshape(2, 3).requires_grad_()
    x = leaf * 1
    with torch.no_grad():
        v = chain(x)
    observed = [raises(lambda: v.mul_(10)), x, v.requires_grad, v.is_leaf]
    with torch.no_grad():
        observed.append(raises(lambda: v.mul_(10)))
    return [*observed, x, name(x.grad_fn), x._version]


@variants(**CHAINS)
def p_view_of_plain_from_no_grad_gets_history(torch: Any, chain: Any) -> list[Any]:
    w = torch.tensor(2.0, requires_grad=True)
    x = torch.arange(1.0, 7.0).reshape(2, 3).clone()
    with torch.no_grad():
        v = chain(x)
    error = raises(lambda: v.mul_(w))
    return [error, x.detach().clone(), x.requires_grad, name(x.grad_fn)]


@variants(**CHAINS)
def p_view_from_inference_mode(torch: Any, chain: Any) -> list[Any]:
    w = torch.tensor(2.0, requires_grad=True)
    x = torch.arange(1.0, 7.0).reshape(2, 3).clone()
    with torch.inference_mode():
        v = chain(x)
        inside = raises(lambda: v.mul_(2))
    return [inside, raises(lambda: v.mul_(3)), raises(lambda: v.mul_(w)), x.detach().clone()]


def p_two_views_then_two_writes(torch: Any) -> list[Any]:
    leaf = torch.arange(1.0, 5.0).requires_grad_()
    x = leaf * 1
    a, b = x[:3], x[1:]
    a.mul_(2)
    b.mul_(3)
    observed = [x, a, b, graph(x.grad_fn), graph(a.grad_fn), graph(b.grad_fn)]
    (x.sum() + 10 * a.sum() + 100 * b.sum()).backward()
    return [*observed, leaf.grad]


def p_write_with_tracked_value_through_view(torch: Any) -> list[Any]:
    p = torch.tensor([1.0, 2.0], requires_grad=True)
    q = torch.tensor([3.0, 4.0, 5.0, 6.0], requires_grad=True)
    x = q * 1
    x[1:3] *= p
    observed = [x, graph(x.grad_fn)]
    (x * torch.tensor([1.0, 10.0, 100.0, 1000.0])).sum().backward()
    return [*observed, p.grad, q.grad]


def p_write_of_view_from_its_own_base(torch: Any) -> list[Any]:
    q = torch.tensor([3.0, 4.0, 5.0, 6.0], requires_grad=True)
    x = q * 1
    x[:2] = x[2:] * 10
    x[2:].add_(x[:2])
    x.sum().backward()
    return [x, graph(x.grad_fn, 8), q.grad]


def p_saved_part_of_written_base(torch: Any) -> list[Any]:
    q = torch.tensor([3.0, 4.0, 5.0, 6.0], requires_grad=True)
    x = q * 1
    x[:2] = x[2:] * x[2:]
    return [raises(lambda: x.sum().backward())]


def p_second_order_through_copyslices(torch: Any) -> list[Any]:
    q = torch.tensor([3.0, 4.0, 5.0, 6.0], requires_grad=True)
    x = q * q
    x[1:3].mul_(q[:2])
    (g,) = torch.autograd.grad((x * x).sum(), q, create_graph=True)
    (h,) = torch.autograd.grad(g.sum(), q)
    return [g, h]


def p_saved_value_of_sibling_is_noticed(torch: Any) -> list[Any]:
    q = torch.tensor([3.0, 4.0, 5.0, 6.0], requires_grad=True)
    x = q * 1
    y = x[:2] * x[:2]
    x[2:].zero_()
    return [raises(lambda: y.sum().backward())]


def p_view_node_keeps_old_history_for_earlier_uses(torch: Any) -> list[Any]:
    q = torch.tensor([3.0, 4.0], requires_grad=True)
    x = q * 1
    v = x.view(2)
    before = v + 1
    x.mul_(10)
    after = v + 1
    observed = [graph(before.grad_fn), graph(after.grad_fn)]
    (before + after).sum().backward()
    return [*observed, q.grad]


def p_hooks_on_view_and_base(torch: Any) -> list[Any]:
    q = torch.tensor([3.0, 4.0], requires_grad=True)
    x = q * 1
    v = x[:1]
    seen: list[Any] = []
    x.register_hook(lambda g: seen.append(("base", g.clone())))
    v.register_hook(lambda g: seen.append(("view", g.clone())))
    v.mul_(10)
    x.register_hook(lambda g: seen.append(("base after", g.clone())))
    (x.sum() + v.sum()).backward()
    return [*seen, q.grad]


def p_retain_grad_of_view_and_base(torch: Any) -> list[Any]:
    q = torch.tensor([3.0, 4.0], requires_grad=True)
    x = q * 1
    v = x[:1]
    x.retain_grad()
    v.retain_grad()
    v.mul_(10)
    (x.sum() + v.sum()).backward()
    return [x.grad, v.grad, q.grad]


def p_view_of_written_view(torch: Any) -> list[Any]:
    q = torch.arange(4.0).requires_grad_()
    x = q * 1
    v = x[1:]
    v.mul_(2)
    w = v[1:]
    observed = [graph(w.grad_fn), w._base is x]
    w.mul_(3)
    observed += [graph(w.grad_fn), graph(v.grad_fn), graph(x.grad_fn)]
    (x + v.sum() + w.sum()).sum().backward()
    return [*observed, x, v, w, q.grad]


def p_written_in_no_grad_view_keeps_name(torch: Any) -> list[Any]:
    q = torch.arange(4.0).requires_grad_()
    x = q * 1
    v = x[1:]
    with torch.no_grad():
        v.mul_(2)
    return [graph(v.grad_fn), graph(x.grad_fn), v]


def p_leaf_written_through_view_in_no_grad(torch: Any) -> list[Any]:
    w = torch.ones(4, requires_grad=True)
    with torch.no_grad():
        w[1:] *= 3
        w.view(2, 2)[0].zero_()
    return [w, w.is_leaf, w._version, name(w.grad_fn)]


def p_requires_grad_of_view(torch: Any) -> list[Any]:
    x = torch.zeros(4)
    v = x[1:]
    v.requires_grad_()
    observed = [x.requires_grad, v.is_leaf, name(v.grad_fn)]
    observed += [raises(lambda: v.mul_(2)), raises(lambda: x.mul_(2)), v._version]
    return [*observed, v.requires_grad, raises(lambda: v.sum().backward()), v.grad]


def p_base_requires_grad_after_view(torch: Any) -> list[Any]:
    x = torch.zeros(4)
    v = x[1:]
    x.requires_grad_()
    observed = [v.requires_grad, raises(lambda: v.add_(1)), raises(lambda: x[1:].add_(1))]
    return [*observed, x.detach().clone(), v.requires_grad]


def p_plain_base_write_then_view(torch: Any) -> list[Any]:
    w = torch.tensor(2.0, requires_grad=True)
    x = torch.ones(4)
    v = x[1:]
    x.mul_(w)
    observed = [v.requires_grad, v.is_leaf, graph(v.grad_fn)]
    v.sum().backward()
    return [*observed, w.grad]


@variants(
    split=lambda x: x.split(2),
    chunk=lambda x: x.chunk(2),
    unbind=lambda x: x.unbind(),
    iterated=lambda x: list(x),
    split_sizes=lambda x: x.split([1, 3]),
)
def p_multi_output_views(torch: Any, make: Any) -> list[Any]:
    leaf = torch.arange(8.0).reshape(4, 2).requires_grad_()
    x = leaf * 1
    parts = make(x)
    errors = [raises(lambda: parts[0].mul_(2)), raises(lambda: parts[0][:1].mul_(2))]
    with torch.no_grad():
        errors.append(raises(lambda: parts[1].mul_(2)))
    observed = [*errors, x, x._version, raises(lambda: x.mul_(3))]
    after = raises(lambda: name(parts[0].grad_fn))
    observed += [after, None if after.kind else name(parts[0].grad_fn)]
    return [*observed, raises(lambda: parts[0].sum().backward()), leaf.grad]


def p_multi_output_views_of_plain(torch: Any) -> list[Any]:
    w = torch.tensor(2.0, requires_grad=True)
    x = torch.arange(4.0).clone()
    a, b = x.split(2)
    a.mul_(3)
    error = raises(lambda: b.mul_(w))
    return [error, x.detach().clone(), x._version, x.requires_grad]


def p_multi_output_writes_of_base_first(torch: Any) -> list[Any]:
    leaf = torch.arange(4.0).requires_grad_()
    x = leaf * 1
    parts = x.unbind()
    x.mul_(2)
    return [raises(lambda: parts[0].grad_fn), raises(lambda: parts[0] * 2)]


def p_complex_write_through_real(torch: Any) -> list[Any]:
    leaf = torch.tensor([1 + 2j, 3 - 1j], requires_grad=True)
    x = leaf * 1
    x.real.mul_(10)
    x.imag[1] = 7.0
    observed = [x, graph(x.grad_fn)]
    (x.abs() ** 2).sum().backward()
    return [*observed, leaf.grad]


def p_scalar_base(torch: Any) -> list[Any]:
    leaf = torch.tensor(3.0, requires_grad=True)
    x = leaf * 1
    v = x.view(1)
    v.mul_(2)
    observed = [x, v, graph(x.grad_fn), graph(v.grad_fn)]
    (x * x).backward()
    return [*observed, leaf.grad]
