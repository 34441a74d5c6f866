"""Programs on views: which operations share memory, and what a view knows of its base.

``facts(x, base)`` lists all that users can ask of a view; most programs observe only that, for many
expressions. Layouts whose strides this library allows and PyTorch refuses stand in tests/property.
"""

from __future__ import annotations

import gc
from typing import Any

from tests.torch_parity.harness import graph, name, raises, variants


def strides(x: Any) -> list[Any]:
    """Return the strides that matter: those of dims with more than one element."""
    return [s for s, n in zip(x.stride(), x.shape) if n > 1]


def facts(x: Any, base: Any) -> list[Any]:
    """Return layout, sharing and history of ``x``, which may be a view of ``base``."""
    place = x.data_ptr() - base.data_ptr()
    return [
        tuple(x.shape),
        strides(x),
        x.storage_offset() if x.numel() else None,
        x.is_contiguous(),
        x._is_view(),
        x._base is None if not x._is_view() else x._base is base,
        place if 0 <= place < base.numel() * base.element_size() else "elsewhere",
        x._version,
        name(x.grad_fn),
        x.requires_grad,
        x.is_leaf,
        x.output_nr,
    ]


def source(torch: Any, *shape: int) -> Any:
    """Return a result (not a leaf) that requires grad, with distinct values."""
    count = 1
    for n in shape:
        count *= n
    leaf = torch.arange(float(count)).reshape(shape).requires_grad_()
    return leaf * 1


VIEWS_OF_MATRIX = {
    "view": lambda x: x.view(3, 2),
    "view_minus_one": lambda x: x.view(-1),
    "view_size": lambda x: x.view([6]),
    "view_same": lambda x: x.view(2, 3),
    "view_as": lambda x: x.view_as(x.detach().reshape(6)),
    "reshape": lambda x: x.reshape(6),
    "reshape_same": lambda x: x.reshape(2, 3),
    "reshape_as": lambda x: x.reshape_as(x.detach().reshape(3, 2)),
    "reshape_of_transposed": lambda x: x.t().reshape(6),
    "flatten": lambda x: x.flatten(),
    "flatten_of_transposed": lambda x: x.t().flatten(),
    "flatten_nothing": lambda x: x.flatten(0, 0),
    "ravel": lambda x: x.ravel(),
    "unflatten": lambda x: x.unflatten(1, (3, 1)),
    "t": lambda x: x.t(),
    "T": lambda x: x.T,
    "mT": lambda x: x.mT,
    "H": lambda x: x.H,
    "mH": lambda x: x.mH,
    "adjoint": lambda x: x.adjoint(),
    "transpose": lambda x: x.transpose(0, 1),
    "transpose_negative": lambda x: x.transpose(-1, -2),
    "transpose_same": lambda x: x.transpose(1, 1),
    "permute": lambda x: x.permute(1, 0),
    "permute_list": lambda x: x.permute([1, 0]),
    "permute_same": lambda x: x.permute(0, 1),
    "movedim": lambda x: x.movedim(0, 1),
    "moveaxis": lambda x: x.moveaxis(0, 1),
    "swapaxes": lambda x: x.swapaxes(0, 1),
    "swapdims": lambda x: x.swapdims(0, 1),
    "unsqueeze": lambda x: x.unsqueeze(1),
    "unsqueeze_last": lambda x: x.unsqueeze(-1),
    "squeeze_nothing": lambda x: x.squeeze(),
    "squeeze_dim_nothing": lambda x: x.squeeze(0),
    "squeeze_after_unsqueeze": lambda x: x.unsqueeze(0).squeeze(),
    "squeeze_dim": lambda x: x.unsqueeze(0).squeeze(0),
    "squeeze_dims": lambda x: x.unsqueeze(0).unsqueeze(0).squeeze((0, 1)),
    "expand": lambda x: x.expand(4, 2, 3),
    "expand_minus_one": lambda x: x.unsqueeze(0).expand(4, -1, -1),
    "expand_as": lambda x: x.expand_as(x.detach().new_zeros(5, 2, 3)),
    "broadcast_to": lambda x: x.broadcast_to((2, 2, 3)),
    "narrow": lambda x: x.narrow(1, 1, 2),
    "narrow_negative_start": lambda x: x.narrow(1, -2, 2),
    "select": lambda x: x.select(1, 2),
    "select_negative": lambda x: x.select(-1, -1),
    "diagonal": lambda x: x.diagonal(),
    "diagonal_offset": lambda x: x.diagonal(1),
    "diagonal_negative_offset": lambda x: x.diagonal(offset=-1),
    "diagonal_dims": lambda x: x.unsqueeze(0).diagonal(0, 1, 2),
    "unfold": lambda x: x.unfold(1, 2, 1),
    "unfold_step": lambda x: x.unfold(1, 1, 2),
    "as_strided": lambda x: x.as_strided((2, 2), (1, 2)),
    "as_strided_offset": lambda x: x.as_strided((2,), (2,), 1),
    "detach": lambda x: x.detach(),
    "data": lambda x: x.data,
    "contiguous": lambda x: x.contiguous(),
    "contiguous_of_transposed": lambda x: x.t().contiguous(),
    "clone": lambda x: x.clone(),
    "clone_of_transposed": lambda x: x.t().clone(),
    "to_same": lambda x: x.to(x.dtype),
    "to_other": lambda x: x.double(),
    "positive": lambda x: +x,
    "item_row": lambda x: x[0],
    "item_row_negative": lambda x: x[-1],
    "item_element": lambda x: x[1, 2],
    "item_column": lambda x: x[:, 1],
    "item_slice": lambda x: x[1:],
    "item_slice_step": lambda x: x[:, ::2],
    "item_slice_empty": lambda x: x[2:],
    "item_two_slices": lambda x: x[1:, 1:],
    "item_full_slice": lambda x: x[:],
    "item_ellipsis": lambda x: x[...],
    "item_none": lambda x: x[None],
    "item_none_last": lambda x: x[..., None],
    "item_nothing": lambda x: x[()],
    "item_list": lambda x: x[[0, 1]],
    "item_true": lambda x: x[True],
    "real": lambda x: x.real,
    "conj": lambda x: x.conj(),
    "alias_of_view": lambda x: x.view(6)[2:].view(2, 2),
    "chain": lambda x: x.t()[1:].unsqueeze(0).transpose(0, 1),
}


@variants(**VIEWS_OF_MATRIX)
def p_facts(torch: Any, make: Any) -> list[Any]:
    x = source(torch, 2, 3)
    y = make(x)
    return [y, *facts(y, x)]


@variants(**VIEWS_OF_MATRIX)
def p_facts_of_leaf(torch: Any, make: Any) -> list[Any]:
    x = torch.arange(6.0).reshape(2, 3).clone().requires_grad_()
    y = make(x)
    return [*facts(y, x), graph(y.grad_fn)]


@variants(**VIEWS_OF_MATRIX)
def p_facts_of_plain(torch: Any, make: Any) -> list[Any]:
    x = torch.arange(6.0).reshape(2, 3).clone()
    return facts(make(x), x)


@variants(**VIEWS_OF_MATRIX)
def p_facts_in_no_grad(torch: Any, make: Any) -> list[Any]:
    x = source(torch, 2, 3)
    with torch.no_grad():
        y = make(x)
    return facts(y, x)


@variants(**VIEWS_OF_MATRIX)
def p_facts_in_inference_mode(torch: Any, make: Any) -> list[Any]:
    x = torch.arange(6.0).reshape(2, 3).clone().requires_grad_()
    with torch.inference_mode():
        y = make(x)
    return [y._is_view(), y.is_inference(), y.requires_grad, name(y.grad_fn), y.is_leaf]


@variants(**{k: v for k, v in VIEWS_OF_MATRIX.items() if k not in ("detach", "data")})
def p_gradient(torch: Any, make: Any) -> list[Any]:
    leaf = torch.arange(6.0).reshape(2, 3).requires_grad_()
    y = make(leaf * leaf)
    weights = torch.arange(1.0, 1.0 + y.numel()).reshape(y.shape).to(y.dtype)
    (y * y * weights).sum().backward()
    return [leaf.grad]


@variants(**{k: v for k, v in VIEWS_OF_MATRIX.items() if k not in ("detach", "data")})
def p_second_gradient(torch: Any, make: Any) -> list[Any]:
    leaf = torch.arange(1.0, 7.0).reshape(2, 3).requires_grad_()
    y = make(leaf)
    (g,) = torch.autograd.grad((y * y * y).sum(), leaf, create_graph=True)
    (h,) = torch.autograd.grad((g * g).sum(), leaf)
    return [g, h]


COMPLEX_VIEWS = {
    "real": lambda x: x.real,
    "imag": lambda x: x.imag,
    "t": lambda x: x.t(),
    "T": lambda x: x.T,
    "mT": lambda x: x.mT,
    "row": lambda x: x[0],
    "real_of_row": lambda x: x[1].real,
    "imag_of_view": lambda x: x.view(4).imag,
    "real_slice": lambda x: x.real[:, 1:],
}


@variants(**COMPLEX_VIEWS)
def p_complex_facts(torch: Any, make: Any) -> list[Any]:
    leaf = torch.tensor([[1 + 2j, 3 - 1j], [0.5j, -2 + 0j]], requires_grad=True)
    x = leaf * 1
    y = make(x)
    observed = [y, *facts(y, x)]
    (y.abs() ** 2).sum().backward()
    return [*observed, leaf.grad]


def p_imag_of_real_is_refused(torch: Any) -> list[Any]:
    x = torch.ones(2)
    return [raises(lambda: x.imag), x.real is x, raises(lambda: torch.real(x))]


def p_view_as_real_and_back(torch: Any) -> list[Any]:
    leaf = torch.tensor([1 + 2j, 3 - 1j], requires_grad=True)
    x = leaf * 1
    r = torch.view_as_real(x)
    c = torch.view_as_complex(r)
    observed = [r, c, *facts(r, x), *facts(c, x)]
    (r * r).sum().backward()
    return [*observed, leaf.grad]


MULTIPLE = {
    "split": lambda x: x.split(2),
    "split_uneven": lambda x: x.split(3),
    "split_sizes": lambda x: x.split([1, 3]),
    "split_dim": lambda x: x.split(1, dim=1),
    "split_with_sizes": lambda x: x.split_with_sizes([1, 3]),
    "chunk": lambda x: x.chunk(2),
    "chunk_dim": lambda x: x.chunk(3, dim=1),
    "chunk_too_many": lambda x: x.chunk(7),
    "unbind": lambda x: x.unbind(),
    "unbind_dim": lambda x: x.unbind(1),
    "tensor_split": lambda x: x.tensor_split(3),
    "tensor_split_at": lambda x: x.tensor_split((1, 3)),
    "hsplit": lambda x: x.hsplit(3),
    "vsplit": lambda x: x.vsplit(2),
    "iterated": lambda x: tuple(x),
}


@variants(**MULTIPLE)
def p_several_views(torch: Any, make: Any) -> list[Any]:
    x = source(torch, 4, 3)
    parts = make(x)
    return [type(parts).__name__, len(parts), *(facts(part, x) for part in parts)]


@variants(**MULTIPLE)
def p_several_views_of_leaf(torch: Any, make: Any) -> list[Any]:
    leaf = torch.arange(12.0).reshape(4, 3).clone().requires_grad_()
    parts = make(leaf)
    total = sum((i + 1) * (part * part).sum() for i, part in enumerate(parts))
    total.backward()
    return [leaf.grad, graph(parts[-1].grad_fn)]


@variants(**MULTIPLE)
def p_several_views_partly_used(torch: Any, make: Any) -> list[Any]:
    leaf = torch.arange(12.0).reshape(4, 3).clone().requires_grad_()
    part = make(leaf)[1]
    (g,) = torch.autograd.grad((part**3).sum(), leaf, create_graph=True)
    (h,) = torch.autograd.grad((g * g).sum(), leaf)
    return [g, h]


def p_several_views_share_one_node(torch: Any) -> list[Any]:
    x = source(torch, 4, 3)
    a, b = x.split(2)
    return [a.grad_fn is b.grad_fn, a.output_nr, b.output_nr]


def p_base_of_view_of_view(torch: Any) -> list[Any]:
    x = source(torch, 4, 3)
    y = x[1:]
    z = y.t()
    w = z.detach()
    return [
        y._base is x,
        z._base is x,
        w._base is x,
        w._is_view(),
        facts(z, x),
        graph(z.grad_fn),
    ]


def p_version_is_shared(torch: Any) -> list[Any]:
    x = torch.zeros(4, 3)
    views = [x[1], x.view(12), x.t(), x.detach(), x[1:][1], x.split(2)[0], x.unbind()[0]]
    apart = [x.data, x.clone(), x[[0]]]
    x.add_(1)
    first = [v._version for v in (x, *views, *apart)]
    views[0].mul_(2)
    second = [v._version for v in (x, *views, *apart)]
    views[5].zero_()
    third = [v._version for v in (x, *views, *apart)]
    x.data.zero_()
    return [first, second, third, [v._version for v in (x, *views, *apart)], x]


def p_writes_are_seen_through_views(torch: Any) -> list[Any]:
    x = torch.zeros(2, 3)
    flat, row, t = x.view(6), x[1], x.t()
    expanded = x[0].expand(2, 3)
    x[0, 0] = 1
    flat[1] = 2
    row[2] = 3
    t[2, 0] = 4
    return [x, flat, row, t, expanded]


def p_scalar_views(torch: Any) -> list[Any]:
    x = torch.tensor(1.5)
    y = x.view(1)
    z = x.detach()
    w = x.unsqueeze(0).expand(3)
    y += 1
    z *= 2
    return [x, y, z, w, facts(y, x), facts(z, x), facts(w, x), facts(x.view(()), x)]


def p_scalar_from_vector_shares(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0])
    y = x[0]
    z = y.view(1, 1)
    y.fill_(5)
    z += 1
    return [x, y, z, facts(y, x), facts(z, x)]


def p_base_kept_alive(torch: Any) -> list[Any]:
    y = (torch.ones(3, requires_grad=True) * 2)[1:]
    gc.collect()
    y.sum().backward()
    return [y._base, y._base.grad_fn, y]


def p_base_in_no_grad_has_no_history(torch: Any) -> list[Any]:
    x = torch.ones(3, requires_grad=True)
    with torch.no_grad():
        y = x.view(3, 1)
        z = y[0]
    w = z.view(1)
    return [y._base is x, z._base is x, w._base is x, w.requires_grad, name(w.grad_fn)]


def p_view_taken_in_no_grad_of_view(torch: Any) -> list[Any]:
    x = source(torch, 4)
    y = x[1:]
    with torch.no_grad():
        z = y[1:]
    return [facts(z, x), facts(z[1:], x)]


def p_inference_view_of_normal(torch: Any) -> list[Any]:
    x = torch.ones(3)
    with torch.inference_mode():
        y = x.view(3, 1)
        z = torch.ones(3)
        w = z.view(3, 1)
    return [
        y.is_inference(),
        z.is_inference(),
        w.is_inference(),
        y._is_view(),
        w._is_view(),
        raises(lambda: z._version),
        raises(lambda: z.add_(1)),
        raises(lambda: w.add_(1)),
        raises(lambda: torch.ones(3, requires_grad=True) * z),
        (z + 1).shape,  # not its values: PyTorch writes before it raises
    ]


def p_unfold_overlapping_gradient(torch: Any) -> list[Any]:
    x = torch.arange(7.0, requires_grad=True)
    y = x.unfold(0, 3, 2)
    (y * y).sum().backward()
    return [y, name(y.grad_fn), x.grad]


def p_as_strided_overlapping_gradient(torch: Any) -> list[Any]:
    x = torch.arange(6.0, requires_grad=True)
    y = x.as_strided((3, 3), (1, 1), 1)
    (y * y).sum().backward()
    return [y, name(y.grad_fn), x.grad]


def p_as_strided_of_view_uses_storage_offset(torch: Any) -> list[Any]:
    x = torch.arange(6.0)
    y = x[2:]
    return [
        y.as_strided((2,), (1,)),
        y.as_strided((2,), (1,), 0),
        facts(y.as_strided((2,), (1,)), x),
    ]


ERRORS = {
    "view_wrong_count": lambda x: x.view(4),
    "view_two_minus_ones": lambda x: x.view(-1, -1),
    "view_minus_one_impossible": lambda x: x.view(4, -1),
    "view_negative": lambda x: x.view(-2, 3),
    "view_incompatible_strides": lambda x: x.t().view(6),
    "reshape_wrong_count": lambda x: x.reshape(4),
    "reshape_minus_one": lambda x: x.reshape(-1, 4),
    "t_of_three": lambda x: x.view(1, 2, 3).t(),
    "transpose_out_of_range": lambda x: x.transpose(0, 2),
    "permute_repeated": lambda x: x.permute(0, 0),
    "permute_short": lambda x: x.permute(0),
    "permute_out_of_range": lambda x: x.permute(0, 2),
    "squeeze_out_of_range": lambda x: x.squeeze(2),
    "unsqueeze_out_of_range": lambda x: x.unsqueeze(3),
    "unsqueeze_low": lambda x: x.unsqueeze(-4),
    "expand_wrong": lambda x: x.expand(2, 4),
    "expand_few": lambda x: x.expand(3),
    "expand_new_minus_one": lambda x: x.expand(-1, 2, 3),
    "narrow_long": lambda x: x.narrow(0, 1, 2),
    "narrow_start": lambda x: x.narrow(0, 3, 1),
    "narrow_negative_length": lambda x: x.narrow(0, 0, -1),
    "select_out_of_range": lambda x: x.select(0, 2),
    "select_dim": lambda x: x.select(2, 0),
    "diagonal_same": lambda x: x.diagonal(0, 1, 1),
    "unfold_long": lambda x: x.unfold(0, 3, 1),
    "unfold_step": lambda x: x.unfold(0, 1, 0),
    "split_zero": lambda x: x.split(0),
    "split_sizes": lambda x: x.split([1, 2]),
    "split_negative": lambda x: x.split(-1),
    "chunk_zero": lambda x: x.chunk(0),
    "unbind_dim": lambda x: x.unbind(2),
    "movedim_repeated": lambda x: x.movedim((0, 0), (0, 1)),
    "movedim_lengths": lambda x: x.movedim((0, 1), (0,)),
    "flatten_order": lambda x: x.flatten(1, 0),
    "unflatten": lambda x: x.unflatten(1, (2, 2)),
    "as_strided_out_of_bounds": lambda x: x.as_strided((4, 4), (4, 1)),
    "as_strided_lengths": lambda x: x.as_strided((2, 2), (1,)),
    "as_strided_negative": lambda x: x.as_strided((2,), (-1,), 5),
    "iterate_0d": lambda x: list(x[0, 0]),
    "unbind_0d": lambda x: x[0, 0].unbind(),
    "len_0d": lambda x: len(x[0, 0]),
    "view_type": lambda x: x.view("2"),
    "view_nothing": lambda x: x.view(),
}


@variants(**ERRORS)
def p_error(torch: Any, make: Any) -> list[Any]:
    x = torch.arange(6.0).reshape(2, 3).clone()
    return [raises(lambda: make(x))]
