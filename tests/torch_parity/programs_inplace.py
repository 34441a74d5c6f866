"""Programs on in-place operators: what they compute, refuse, and do to saved values."""

from __future__ import annotations

from typing import Any

from tests.torch_parity.harness import graph, name, raises, variants

WRITES = {
    "add_": lambda t, x: x.add_(2.0),
    "add_alpha": lambda t, x: x.add_(t.ones(3), alpha=3),
    "sub_": lambda t, x: x.sub_(t.tensor([1.0, 2.0, 3.0])),
    "mul_": lambda t, x: x.mul_(t.tensor([1.0, 2.0, 3.0])),
    "mul_number": lambda t, x: x.mul_(3),
    "mul_self": lambda t, x: x.mul_(x),
    "div_": lambda t, x: x.div_(t.tensor([1.0, 2.0, 4.0])),
    "div_trunc": lambda t, x: x.div_(0.7, rounding_mode="trunc"),
    "true_divide_": lambda t, x: x.true_divide_(2.0),
    "pow_": lambda t, x: x.pow_(3),
    "pow_tensor": lambda t, x: x.pow_(t.tensor([1.0, 2.0, 3.0])),
    "neg_": lambda t, x: x.neg_(),
    "exp_": lambda t, x: x.exp_(),
    "log_": lambda t, x: x.log_(),
    "sqrt_": lambda t, x: x.sqrt_(),
    "rsqrt_": lambda t, x: x.rsqrt_(),
    "sin_": lambda t, x: x.sin_(),
    "cos_": lambda t, x: x.cos_(),
    "tanh_": lambda t, x: x.tanh_(),
    "sigmoid_": lambda t, x: x.sigmoid_(),
    "relu_": lambda t, x: x.relu_(),
    "abs_": lambda t, x: x.abs_(),
    "square_": lambda t, x: x.square_(),
    "reciprocal_": lambda t, x: x.reciprocal_(),
    "floor_": lambda t, x: x.floor_(),
    "round_": lambda t, x: x.round_(),
    "sign_": lambda t, x: x.sign_(),
    "clamp_": lambda t, x: x.clamp_(1.2, 2.0),
    "clamp_min_": lambda t, x: x.clamp_min_(1.2),
    "clamp_max_": lambda t, x: x.clamp_max_(2.0),
    "lerp_": lambda t, x: x.lerp_(t.zeros(3), 0.25),
    "addcmul_": lambda t, x: x.addcmul_(t.ones(3), t.full((3,), 2.0), value=0.5),
    "addcdiv_": lambda t, x: x.addcdiv_(t.ones(3), t.full((3,), 2.0), value=0.5),
    "remainder_": lambda t, x: x.remainder_(0.75),
    "fmod_": lambda t, x: x.fmod_(0.75),
    "atan2_": lambda t, x: x.atan2_(t.ones(3)),
    "zero_": lambda t, x: x.zero_(),
    "fill_": lambda t, x: x.fill_(7.0),
    "fill_tensor": lambda t, x: x.fill_(t.tensor(7.0)),
    "copy_": lambda t, x: x.copy_(t.tensor([7.0, 8.0, 9.0])),
    "copy_broadcast": lambda t, x: x.copy_(t.tensor([7.0])),
    "copy_cast": lambda t, x: x.copy_(t.tensor([7, 8, 9])),
    "masked_fill_": lambda t, x: x.masked_fill_(t.tensor([True, False, True]), 5.0),
    "masked_fill_tensor": lambda t, x: x.masked_fill_(t.tensor([True, False, True]), t.tensor(5.0)),
    "masked_scatter_": lambda t, x: x.masked_scatter_(
        t.tensor([True, False, True]), t.tensor([8.0, 9.0])
    ),
    "index_add_": lambda t, x: x.index_add_(0, t.tensor([0, 2, 0]), t.ones(3)),
    "index_add_alpha": lambda t, x: x.index_add_(0, t.tensor([0, 2]), t.ones(2), alpha=-2),
    "index_copy_": lambda t, x: x.index_copy_(0, t.tensor([2, 0]), t.tensor([8.0, 9.0])),
    "index_fill_": lambda t, x: x.index_fill_(0, t.tensor([2, 0]), 8.0),
    "index_put_": lambda t, x: x.index_put_((t.tensor([2, 0]),), t.tensor([8.0, 9.0])),
    "index_put_add": lambda t, x: x.index_put_(
        (t.tensor([2, 2]),), t.tensor([8.0, 9.0]), accumulate=True
    ),
    "scatter_": lambda t, x: x.scatter_(0, t.tensor([2, 0]), t.tensor([8.0, 9.0])),
    "scatter_number": lambda t, x: x.scatter_(0, t.tensor([2, 0]), 8.0),
    "scatter_add_": lambda t, x: x.scatter_add_(0, t.tensor([2, 2]), t.tensor([8.0, 9.0])),
    "tril_": lambda t, x: x.view(3, 1).tril_(),
    "transpose_": lambda t, x: x.view(3, 1).transpose_(0, 1),
    "unsqueeze_": lambda t, x: x.view(3, 1).unsqueeze_(0),
    "iadd": lambda t, x: x.__iadd__(2),
    "isub": lambda t, x: x.__isub__(2),
    "imul": lambda t, x: x.__imul__(2),
    "itruediv": lambda t, x: x.__itruediv__(2),
    "ipow": lambda t, x: x.__ipow__(2),
    "detach_": lambda t, x: x.detach_(),
    "requires_grad_": lambda t, x: x.requires_grad_(),
}


@variants(**WRITES)
def p_on_result(torch: Any, write: Any) -> list[Any]:
    leaf = torch.tensor([1.0, 1.5, 2.5], requires_grad=True)
    x = leaf * 1
    y = write(torch, x)
    observed = [y is x, x, x._version, name(x.grad_fn), x.is_leaf, graph(x.grad_fn)]
    weights = torch.tensor([1.0, 2.0, 3.0])
    return [*observed, raises(lambda: (x * weights).sum().backward()), leaf.grad]


@variants(**WRITES)
def p_on_plain(torch: Any, write: Any) -> list[Any]:
    x = torch.tensor([1.0, 1.5, 2.5])
    y = write(torch, x)
    return [y is x, x, x._version, name(x.grad_fn), y]


@variants(**WRITES)
def p_on_leaf(torch: Any, write: Any) -> list[Any]:
    x = torch.tensor([1.0, 1.5, 2.5], requires_grad=True)
    return [raises(lambda: write(torch, x)), x.detach(), x._version, x.is_leaf]


def p_on_views_of_a_leaf_that_is_a_view(torch: Any) -> list[Any]:
    x = torch.arange(6.0).view(3, 2).requires_grad_()
    errors = [
        raises(lambda: x[0].mul_(2)),
        raises(lambda: x.view(6).mul_(2)),
        raises(lambda: x.mul_(2)),
        raises(lambda: x.t()[0].__setitem__(0, 5.0)),
    ]
    return [*errors, x, x.is_leaf, x._base]


@variants(**WRITES)
def p_on_leaf_in_no_grad(torch: Any, write: Any) -> list[Any]:
    x = torch.tensor([1.0, 1.5, 2.5], requires_grad=True)
    with torch.no_grad():
        error = raises(lambda: write(torch, x))
    return [error, x.detach(), x._version, x.is_leaf, x.requires_grad, name(x.grad_fn)]


@variants(
    add_=lambda t, x, y: x.add_(y),
    mul_=lambda t, x, y: x.mul_(y),
    copy_=lambda t, x, y: x.copy_(y),
    fill_=lambda t, x, y: x.fill_(y.sum()),
    addcmul_=lambda t, x, y: x.addcmul_(y, y),
    masked_fill_=lambda t, x, y: x.masked_fill_(t.tensor([True, False, True]), y.sum()),
    masked_scatter_=lambda t, x, y: x.masked_scatter_(t.tensor([True, False, True]), y),
    index_add_=lambda t, x, y: x.index_add_(0, t.tensor([0, 0, 1]), y),
    index_copy_=lambda t, x, y: x.index_copy_(0, t.tensor([2, 1, 0]), y),
    scatter_=lambda t, x, y: x.scatter_(0, t.tensor([2, 1]), y),
    scatter_add_=lambda t, x, y: x.scatter_add_(0, t.tensor([2, 2]), y),
    index_put_=lambda t, x, y: x.index_put_((t.tensor([2, 0, 1]),), y),
    item_slice=lambda t, x, y: x.__setitem__(slice(1, 3), y[:2]),
    item_all=lambda t, x, y: x.__setitem__(slice(None), y),
    item_one=lambda t, x, y: x.__setitem__(0, y[1]),
)
def p_plain_becomes_result(torch: Any, write: Any) -> list[Any]:
    leaf = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    x = torch.tensor([4.0, 5.0, 6.0])
    write(torch, x, leaf)
    observed = [x, x.requires_grad, x.is_leaf, name(x.grad_fn), graph(x.grad_fn), x._version]
    error = raises(lambda: (x * x).sum().backward())
    return [*observed, error, leaf.grad, raises(lambda: x.requires_grad_(False))]


@variants(
    mul_=lambda t, x: x.mul_(2),
    exp_=lambda t, x: x.exp_(),
    zero_=lambda t, x: x.zero_(),
    add_=lambda t, x: x.add_(1),
    item=lambda t, x: x.__setitem__(0, 9.0),
    through_view=lambda t, x: x.view(3).add_(1),
    through_slice=lambda t, x: x[1:].zero_(),
    through_detach=lambda t, x: x.detach().zero_(),
    through_detached_view=lambda t, x: x.detach()[1:].zero_(),
    through_unbind=lambda t, x: x.detach().unbind()[0].zero_(),
    in_no_grad=lambda t, x: t.no_grad()(lambda: x.zero_())(),
    through_data=lambda t, x: x.data.zero_(),
    through_numpy=lambda t, x: x.detach().numpy().fill(0),
    of_copy=lambda t, x: x.clone().zero_(),
    twice=lambda t, x: x.add_(1).sub_(1),
    copy_itself=lambda t, x: x.copy_(x.clone()),
)
def p_saved_operand(torch: Any, write: Any) -> list[Any]:
    leaf = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    x = leaf * 1
    y = x * x
    write(torch, x)
    return [raises(lambda: y.sum().backward()), leaf.grad, x._version]


@variants(
    exp=lambda x: x.exp(),
    sqrt=lambda x: x.sqrt(),
    tanh=lambda x: x.tanh(),
    sigmoid=lambda x: x.sigmoid(),
    relu=lambda x: x.relu(),
    softmax=lambda x: x.softmax(0),
    reciprocal=lambda x: x.reciprocal(),
    add=lambda x: x + 1,
    neg=lambda x: -x,
    sin=lambda x: x.sin(),
    log=lambda x: x.log(),
    clone=lambda x: x.clone(),
    mul_number=lambda x: x * 2,
    div_number=lambda x: x / 2,
    abs=lambda x: x.abs(),
    clamp=lambda x: x.clamp(0, 2),
    prod=lambda x: x.prod().expand(3),
    max=lambda x: x.max(0)[0].expand(3),
    sort=lambda x: x.sort()[0],
)
def p_saved_result(torch: Any, function: Any) -> list[Any]:
    leaf = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    x = leaf * 1
    y = function(x).clone() if function(x).stride() == (0,) else function(x)
    y.mul_(2)
    return [raises(lambda: y.sum().backward()), leaf.grad, name(y.grad_fn)]


@variants(
    operand_later=lambda t, x, w: (x * w, w.add_(1)),
    matmul=lambda t, x, w: (x @ w, w.add_(1)),
    matmul_other=lambda t, x, w: (x @ w, x.add_(1)),
    view_of_operand=lambda t, x, w: (x.view(3) * w, x.add_(1)),
    pow=lambda t, x, w: (x**w, w.add_(1)),
    where_condition=lambda t, x, w: (t.where(w > 0, x, w), w.add_(1)),
    gather_index=lambda t, x, w: (x.gather(0, w.detach().long()), w.add_(1)),
    linear_not_saved=lambda t, x, w: (x + w, w.add_(1)),
)
def p_saved_of_two(torch: Any, make: Any) -> list[Any]:
    leaf = torch.tensor([1.0, 2.0, 2.0], requires_grad=True)
    w = torch.tensor([1.0, 1.0, 0.0])
    x = leaf * 1
    y, _ = make(torch, x, w)
    return [raises(lambda: y.sum().backward()), leaf.grad]


def p_index_tensor_modified(torch: Any) -> list[Any]:
    leaf = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    index = torch.tensor([0, 2])
    y = leaf[index]
    z = leaf.index_select(0, index)
    index.zero_()
    return [raises(lambda: y.sum().backward()), raises(lambda: z.sum().backward()), leaf.grad]


def p_mask_modified(torch: Any) -> list[Any]:
    leaf = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    mask = torch.tensor([True, False, True])
    y = leaf.masked_fill(mask, 0.0)
    z = leaf[mask]
    mask.zero_()
    return [raises(lambda: y.sum().backward()), raises(lambda: z.sum().backward()), leaf.grad]


def p_saved_leaf_modified_in_no_grad(torch: Any) -> list[Any]:
    w = torch.tensor([1.0, 2.0], requires_grad=True)
    y = (w * w).sum()
    with torch.no_grad():
        w.sub_(0.1)
    return [raises(lambda: y.backward()), w.grad, w._version]


def p_modified_after_backward_is_fine(torch: Any) -> list[Any]:
    w = torch.tensor([1.0, 2.0], requires_grad=True)
    for _ in range(3):
        (w * w).sum().backward()
        with torch.no_grad():
            w -= 0.1 * w.grad
        w.grad.zero_()
    return [w, w.grad, w._version]


def p_version_at_save_is_expected(torch: Any) -> list[Any]:
    leaf = torch.tensor([1.0, 2.0], requires_grad=True)
    x = leaf * 1
    x.add_(1)
    y = x * x
    y.sum().backward(retain_graph=True)
    x.add_(1)
    return [leaf.grad, raises(lambda: y.sum().backward())]


def p_undone_write_is_still_an_error(torch: Any) -> list[Any]:
    leaf = torch.tensor([1.0, 2.0], requires_grad=True)
    x = leaf * 1
    y = x.exp()
    y += 1
    y -= 1
    return [raises(lambda: y.sum().backward())]


def p_no_saved_value_needed_by_dropped_operand(torch: Any) -> list[Any]:
    w = torch.tensor([1.0, 2.0], requires_grad=True)
    c = torch.tensor([3.0, 4.0])
    y = (w * c).sum()
    with torch.no_grad():
        w.zero_()
    y.backward()
    return [w.grad]


@variants(
    int_gets_float=lambda t: t.ones(2, dtype=t.int64).add_(1.5),
    int_gets_float_tensor=lambda t: t.ones(2, dtype=t.int64).mul_(t.ones(2)),
    int_divided=lambda t: t.ones(2, dtype=t.int64).div_(2),
    int_exp=lambda t: t.ones(2, dtype=t.int64).exp_(),
    bool_gets_int=lambda t: t.ones(2, dtype=t.bool).add_(2),
    float_gets_complex=lambda t: t.ones(2).add_(1j),
    float_gets_double=lambda t: t.ones(2).add_(t.ones(2, dtype=t.float64)),
    half_gets_float=lambda t: t.ones(2, dtype=t.float16).mul_(t.ones(2)),
    int32_gets_int64=lambda t: t.ones(2, dtype=t.int32).add_(t.ones(2, dtype=t.int64)),
    uint8_gets_int=lambda t: t.ones(2, dtype=t.uint8).add_(-1),
    comparison=lambda t: t.ones(2).gt_(0.5),
    comparison_int=lambda t: t.ones(2, dtype=t.int32).eq_(1),
    logical=lambda t: t.ones(2).logical_not_(),
    fill_int_with_float=lambda t: t.ones(2, dtype=t.int64).fill_(2.7),
    fill_bool=lambda t: t.ones(2, dtype=t.bool).fill_(0.0),
    fill_real_with_complex=lambda t: t.ones(2).fill_(1j),
    copy_float_to_int=lambda t: t.ones(2, dtype=t.int64).copy_(t.tensor([1.7, -1.7])),
    copy_to_bool=lambda t: t.ones(2, dtype=t.bool).copy_(t.tensor([0.0, -1.7])),
    fill_vector=lambda t: t.ones(2).fill_(t.ones(2)),
    grows=lambda t: t.ones(2).add_(t.ones(3, 2)),
    grows_one=lambda t: t.ones(1).add_(t.ones(2)),
    mismatched=lambda t: t.ones(2).add_(t.ones(3)),
    copy_grows=lambda t: t.ones(2).copy_(t.ones(3, 2)),
    copy_mismatched=lambda t: t.ones(2).copy_(t.ones(3)),
    wrong_type=lambda t: t.ones(2).add_("1"),
    none=lambda t: t.ones(2).mul_(None),
    iadd_none=lambda t: t.ones(2).__iadd__(None),
    expanded=lambda t: t.ones(1).expand(3).add_(1),
    expanded_copy=lambda t: t.ones(1).expand(3).copy_(t.ones(3)),
    expanded_fill=lambda t: t.ones(1).expand(3).fill_(2),
    expanded_zero=lambda t: t.ones(1).expand(3).zero_(),
    expanded_exp=lambda t: t.ones(1).expand(3).exp_(),
    expanded_item=lambda t: t.ones(1).expand(3).__setitem__(0, 5.0),
    expanded_items=lambda t: t.ones(1).expand(3).__setitem__(slice(None), t.ones(3)),
    expanded_index=lambda t: t.ones(1).expand(3).__setitem__([0, 1], 5.0),
    expanded_scatter=lambda t: t.ones(1).expand(3).scatter_(0, t.tensor([0]), 1.0),
    expanded_index_add=lambda t: t.ones(1).expand(3).index_add_(0, t.tensor([0]), t.ones(1)),
)
def p_refused_or_cast(torch: Any, write: Any) -> list[Any]:
    results: list[Any] = []
    error = raises(lambda: results.append(write(torch)))
    return [error, *results]


@variants(
    shifted=lambda x: x[1:].copy_(x[:-1]),
    shifted_add=lambda x: x[1:].add_(x[:-1]),
    reversed_copy=lambda x: x.copy_(x.flip(0)),
    same=lambda x: x.copy_(x),
    same_add=lambda x: x.add_(x),
    same_view=lambda x: x.add_(x.view(6)),
    broadcast_from_itself=lambda x: x.add_(x[:1]),
    broadcast_scalar_from_itself=lambda x: x.mul_(x[1]),
    disjoint=lambda x: x[:3].add_(x[3:]),
    interleaved=lambda x: x[::2].add_(x[1::2]),
    shifted_set=lambda x: x.__setitem__(slice(1, None), x[:-1]),
    shifted_set_reverse=lambda x: x.__setitem__(slice(0, 5), x[1:]),
    lerp=lambda x: x[1:].lerp_(x[:-1], 0.5),
    index_add=lambda x: x.index_add_(0, x.new_tensor([0, 1, 2, 3, 4, 5]).long(), x),
)
def p_overlap(torch: Any, write: Any) -> list[Any]:
    x = torch.arange(6.0).clone()
    error = raises(lambda: write(x))
    return [error, x if error.kind is not None else x.clone()]


def p_retain_grad_then_write(torch: Any) -> list[Any]:
    leaf = torch.tensor([1.0, 2.0], requires_grad=True)
    x = leaf * 2
    x.retain_grad()
    x.mul_(3)
    (x * 5).sum().backward()
    return [x.grad, leaf.grad, x.retains_grad]


def p_hook_then_write(torch: Any) -> list[Any]:
    leaf = torch.tensor([1.0, 2.0], requires_grad=True)
    seen: list[Any] = []
    x = leaf * 2
    x.register_hook(lambda g: seen.append(("before", g.clone())))
    x.mul_(3)
    x.register_hook(lambda g: seen.append(("after", g.clone())))
    (x * 5).sum().backward()
    return [*seen, leaf.grad]


def p_write_in_no_grad_keeps_history(torch: Any) -> list[Any]:
    leaf = torch.tensor([1.0, 2.0], requires_grad=True)
    x = leaf * 2
    node = x.grad_fn
    with torch.no_grad():
        x.mul_(10)
    observed = [x.grad_fn is node, x, x._version]
    x.sum().backward()
    return [*observed, leaf.grad]


def p_write_of_tracked_in_no_grad_into_plain(torch: Any) -> list[Any]:
    leaf = torch.tensor([1.0, 2.0], requires_grad=True)
    x = torch.zeros(2)
    with torch.no_grad():
        x.add_(leaf)
    return [x, x.requires_grad, x.is_leaf]


def p_write_into_integer_never_tracks(torch: Any) -> list[Any]:
    leaf = torch.tensor([1.0, 2.0], requires_grad=True)
    x = torch.zeros(2, dtype=torch.int64)
    x.copy_(leaf)
    return [x, x.requires_grad, name(x.grad_fn)]


def p_accumulating_loop(torch: Any) -> list[Any]:
    leaf = torch.tensor([1.0, 2.0], requires_grad=True)
    total = torch.zeros(2)
    for k in range(4):
        total += leaf * k
    total.sum().backward()
    return [total, name(total.grad_fn), graph(total.grad_fn, 12), leaf.grad]


def p_chain_of_writes(torch: Any) -> list[Any]:
    leaf = torch.tensor([1.0, 2.0], requires_grad=True)
    x = leaf.clone()
    x += 1
    x *= 3
    x.neg_()
    x /= 2
    x **= 2
    x.sum().backward()
    return [x, name(x.grad_fn), leaf.grad, x._version]


def p_self_assignment_of_python_name(torch: Any) -> list[Any]:
    leaf = torch.tensor([1.0, 2.0], requires_grad=True)
    x = leaf * 1
    y = x
    x = x + 1
    x += 1
    return [y, x, y is x, y._version]


def p_second_order_through_writes(torch: Any) -> list[Any]:
    leaf = torch.tensor([1.0, 2.0], requires_grad=True)
    x = leaf * leaf
    x.mul_(leaf)
    (g,) = torch.autograd.grad(x.sum(), leaf, create_graph=True)
    (h,) = torch.autograd.grad((g * g).sum(), leaf)
    return [g, h]


def p_writes_between_uses(torch: Any) -> list[Any]:
    leaf = torch.tensor([1.0, 2.0], requires_grad=True)
    x = leaf + 0
    a = x + 1
    x.mul_(5)
    b = x + 1
    (a * 2 + b * 3).sum().backward()
    return [a, b, leaf.grad]


@variants(
    add=lambda t, a, o: t.add(a, 1, out=o),
    exp=lambda t, a, o: t.exp(a, out=o),
    matmul=lambda t, a, o: t.matmul(a.view(1, 2), a.view(2, 1), out=o.view(2, 1)[:1]),
    cat=lambda t, a, o: t.cat([a[:1], a[1:]], out=o),
    wrong_shape=lambda t, a, o: t.add(a.view(2, 1), a, out=o.clone()),
    wrong_dtype=lambda t, a, o: t.add(a, 1, out=o.int()),
    other_dtype=lambda t, a, o: t.add(a, 1, out=o.double()),
)
def p_out(torch: Any, call: Any) -> list[Any]:
    a = torch.tensor([1.0, 2.0])
    o = torch.zeros(2)
    results: list[Any] = []
    error = raises(lambda: results.append(call(torch, a, o)))
    return [error, *results, o, o._version]


def p_out_with_gradient_is_refused(torch: Any) -> list[Any]:
    a = torch.tensor([1.0, 2.0], requires_grad=True)
    o = torch.zeros(2)
    error = raises(lambda: torch.exp(a, out=o))
    b = torch.zeros(2, requires_grad=True)
    second = raises(lambda: torch.exp(o, out=b))
    with torch.no_grad():
        torch.exp(a, out=o)
    return [error, second, o, o.requires_grad]
