"""Programs on nodes as objects: protocol, saved values, metadata, calling them."""

from __future__ import annotations

from typing import Any

from tests.torch_parity.harness import raises, variants

SAVING: dict[str, Any] = {
    "mul": lambda x, y: x * y,
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "div": lambda x, y: x / y,
    "pow": lambda x, y: x**2,
    "pow_tensor": lambda x, y: x**y,
    "exp": lambda x, y: x.exp(),
    "log": lambda x, y: x.log(),
    "sin": lambda x, y: x.sin(),
    "tanh": lambda x, y: x.tanh(),
    "sigmoid": lambda x, y: x.sigmoid(),
    "relu": lambda x, y: x.relu(),
    "sum": lambda x, y: x.sum(),
    "sum_dim": lambda x, y: x.sum(1, keepdim=True),
    "mean": lambda x, y: x.mean(),
    "mean_dim": lambda x, y: x.mean(0),
    "mm": lambda x, y: x.mm(y),
    "mv": lambda x, y: x.mv(y[0]),
    "view": lambda x, y: x.view(-1),
    "t": lambda x, y: x.t(),
    "transpose": lambda x, y: x.transpose(0, 1),
    "permute": lambda x, y: x.permute(1, 0),
    "select": lambda x, y: x[1],
    "slice": lambda x, y: x[:, :1],
    "expand": lambda x, y: x.expand(3, 2, 2),
    "unsqueeze": lambda x, y: x.unsqueeze(0),
    "clamp": lambda x, y: x.clamp(0, 3),
    "softmax": lambda x, y: x.softmax(1),
    "max_dim": lambda x, y: x.max(1)[0],
    "max": lambda x, y: x.max(),
    "sqrt": lambda x, y: x.sqrt(),
    "abs": lambda x, y: x.abs(),
    "neg": lambda x, y: -x,
    "clone": lambda x, y: x.clone(),
    "norm": lambda x, y: x.norm(),
    "cumsum": lambda x, y: x.cumsum(1),
    "index_select": lambda x, y: x.index_select(0, y.detach()[0].long() - 1),
    "unbind": lambda x, y: x.unbind()[0],
    "split": lambda x, y: x.split(1)[0],
    "sort": lambda x, y: x.sort(1)[0],
    "double": lambda x, y: x.double(),
    "add_number": lambda x, y: x + 3,
    "logsumexp": lambda x, y: x.logsumexp(1),
    "masked_fill": lambda x, y: x.masked_fill(x.detach() > 2, 0.0),
    "where": lambda x, y: x.where(x.detach() > 2, y),
    "atan2": lambda x, y: x.atan2(y),
    "maximum": lambda x, y: x.maximum(y),
    "fmax": lambda x, y: x.fmax(y),
    "fmin": lambda x, y: x.fmin(y),
    "logcumsumexp": lambda x, y: x.logcumsumexp(1),
    "cummax": lambda x, y: x.cummax(1)[0],
    "cummin": lambda x, y: x.cummin(1)[0],
    "mode": lambda x, y: x.mode(1)[0],
    "var": lambda x, y: x.var(),
}


def p_node_protocol(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    node = (x * 2 + 1).grad_fn
    return [
        node.name(),
        type(node).__name__,
        isinstance(node, torch.autograd.graph.Node),
        len(node.next_functions),
        type(node.next_functions),
        type(node.next_functions[0]),
        node.next_functions[1],
        node.metadata,
    ]


def p_accumulate_grad_node(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    node = (x * 2).grad_fn.next_functions[0][0]
    return [
        node.name(),
        type(node).__name__,
        repr(node),
        node.variable is x,
        node.next_functions,
        isinstance(node, torch.autograd.graph.Node),
        raises(lambda: (x * 2).grad_fn.variable).kind,
    ]


def p_accumulate_grad_node_is_one(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    a = (x * 2).grad_fn
    b = (x.exp()).grad_fn
    return [a.next_functions[0][0] is b.next_functions[0][0]]


SHOWN: dict[str, str] = {
    "mul": "self other",
    "div": "self other",
    "pow": "self exponent",
    "pow_tensor": "self exponent result",
    "exp": "result",
    "sum": "self_sym_sizes",
    "sum_dim": "self_sym_sizes dim keepdim",
    "mean": "self_sym_sizes",
    "mean_dim": "self_sym_sizes dim keepdim",
    "mm": "self mat2",
    "view": "self_sym_sizes",
    "transpose": "dim0 dim1",
    "permute": "dims",
    "select": "self_sym_sizes dim index",
    "unsqueeze": "dim",
    "clamp": "self min max",
    "softmax": "dim result",
    "max_dim": "dim keepdim indices",
    "cumsum": "dim",
    "index_select": "dim index",
    "unbind": "dim",
    "split": "dim",
    "sort": "dim indices",
    "logsumexp": "dim keepdim",
}


@variants(**{key: (SAVING[key], names.split()) for key, names in SHOWN.items()})
def p_saved_attributes(torch: Any, case: Any) -> list[Any]:
    operate, names = case
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    y = torch.tensor([[2.0, 1.0], [1.0, 3.0]], requires_grad=True)
    node = operate(x, y).grad_fn
    listed = dir(node)
    return [
        node.name(),
        [f"_saved_{key}" in listed for key in names],
        [getattr(node, f"_saved_{key}") for key in names],
    ]


@variants(**SAVING)
def p_saved_tensors_of(torch: Any, operate: Any) -> list[Any]:
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    y = torch.tensor([[2.0, 1.0], [1.0, 3.0]], requires_grad=True)
    node = operate(x, y).grad_fn
    raw = sorted(key for key in dir(node) if key.startswith("_raw_saved_"))
    return [node.name(), raw, [getattr(node, key.removeprefix("_raw")) for key in raw]]


def p_saved_self_is_leaf_itself(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    y = torch.ones(2, requires_grad=True)
    node = (x * y).grad_fn
    return [node._saved_self is x, node._saved_self is node._saved_self, node._saved_other]


def p_saved_result_has_grad_fn(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    y = x.exp()
    saved = y.grad_fn._saved_result
    return [saved is y, saved.grad_fn is y.grad_fn, saved]


def p_raw_saved(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    node = (x * x).grad_fn
    raw = node._raw_saved_self
    packed = []
    raw.register_hooks(lambda t: packed.append(t) or t * 1, lambda t: t)
    return [type(raw).__name__, packed, node._saved_self]


def p_raw_saved_register_hooks_twice(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    node = (x * x).grad_fn
    raw = node._raw_saved_self
    raw.register_hooks(lambda t: t, lambda t: t)
    return [raises(lambda: raw.register_hooks(lambda t: t, lambda t: t))]


def p_raw_saved_after_free(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    y = x * x
    raw = y.grad_fn._raw_saved_self
    y.sum().backward()
    return [
        raises(lambda: raw.register_hooks(lambda t: t, lambda t: t)),
        raises(lambda: y.grad_fn._raw_saved_self),
    ]


def p_metadata(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    y = x * 2
    y.grad_fn.metadata["note"] = [1, 2]
    z = y + 1
    return [z.grad_fn.next_functions[0][0].metadata, z.grad_fn.metadata]


def p_sequence_numbers_grow(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    a = x * 2
    b = a * 2
    c = x.exp()
    numbers = [t.grad_fn._sequence_nr() for t in (a, b, c)]
    return [numbers == sorted(numbers), len(set(numbers))]


def p_node_equality_and_hash(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    y = x * 2
    return [y.grad_fn == y.grad_fn, {y.grad_fn: 1}[y.grad_fn], y.grad_fn == (x * 2).grad_fn]


def p_node_called_by_hand(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = torch.tensor([3.0, 4.0], requires_grad=True)
    node = (x * y).grad_fn
    single = x.exp().grad_fn(torch.ones(2))
    return [node(torch.ones(2)), single, type(single)]


def p_node_called_with_wrong_number(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    return [raises(lambda: (x * x).grad_fn(torch.ones(2), torch.ones(2))).kind]
