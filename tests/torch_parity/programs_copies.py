"""Programs on copies and kinds of tensors: pickle, deepcopy, subclasses, Parameter, 0-d."""

from __future__ import annotations

import copy
import pickle
import weakref
from typing import Any

from tests.torch_parity.harness import name, raises


def p_deepcopy_of_leaf(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    (x * 3).sum().backward()
    y = copy.deepcopy(x)
    y.grad.add_(1)
    return [y, y.requires_grad, y.grad, x.grad, y.is_leaf, y is x]


def p_deepcopy_of_plain(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0])
    y = copy.deepcopy(x)
    y.add_(1)
    return [x, y]


def p_deepcopy_of_non_leaf(torch: Any) -> list[Any]:
    y = torch.ones(2, requires_grad=True) * 2
    return [raises(lambda: copy.deepcopy(y)), copy.deepcopy(y.detach())]


def p_deepcopy_keeps_sharing(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    a, b = copy.deepcopy([x, x])
    return [a is b, a is x]


def p_deepcopy_of_attributes(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    x.note = [1, 2]
    y = copy.deepcopy(x)
    return [y.note, y.note is x.note]


def p_deepcopy_drops_hooks(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    calls = []
    x.register_hook(lambda g: calls.append(1))
    y = copy.deepcopy(x)
    (y * 1).sum().backward()
    return [calls, y.grad]


def p_copy_of_leaf(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = copy.copy(x)
    with torch.no_grad():
        y.add_(1)
    return [y is x, y.requires_grad, x]


def p_pickle_of_leaf(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    (x * 3).sum().backward()
    y = pickle.loads(pickle.dumps(x))
    return [y, y.requires_grad, y.is_leaf, y.grad]


def p_pickle_of_plain(torch: Any) -> list[Any]:
    found = []
    for x in (
        torch.arange(6).reshape(2, 3),
        torch.tensor(2.5, dtype=torch.float64),
        torch.tensor([True, False]),
        torch.ones(2, 3).t(),
        torch.tensor([1 + 2j]),
    ):
        y = pickle.loads(pickle.dumps(x))
        found += [y, y.stride()]
    return found


def p_pickle_of_non_leaf(torch: Any) -> list[Any]:
    y = torch.ones(2, requires_grad=True) * 2
    error = raises(lambda: pickle.dumps(y))
    return [error]


def p_pickle_of_node(torch: Any) -> list[Any]:
    y = torch.ones(2, requires_grad=True) * 2
    return [raises(lambda: pickle.dumps(y.grad_fn)).kind is not None]


def p_parameter(torch: Any) -> list[Any]:
    p = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    q = torch.nn.Parameter(torch.ones(2), requires_grad=False)
    y = p * 2
    y.sum().backward()
    return [
        p.requires_grad,
        p.is_leaf,
        q.requires_grad,
        type(y).__name__,
        p.grad,
        repr(p),
        isinstance(p, torch.Tensor),
        type(p.data).__name__,
        type(p.detach()).__name__,
        type(copy.deepcopy(p)).__name__,
    ]


def p_parameter_shares_memory(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0])
    p = torch.nn.Parameter(x)
    x.add_(1)
    return [p, p.is_leaf]


def p_parameter_of_result(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    p = torch.nn.Parameter(x * 2)
    return [p.is_leaf, p.grad_fn, p.requires_grad]


def p_parameter_of_integers(torch: Any) -> list[Any]:
    return [
        raises(lambda: torch.nn.Parameter(torch.tensor([1, 2]))),
        torch.nn.Parameter(torch.tensor([1, 2]), requires_grad=False),
    ]


def p_subclass(torch: Any) -> list[Any]:
    class Mine(torch.Tensor):
        pass

    x = torch.tensor([1.0, 2.0]).as_subclass(Mine)
    y = x * 2
    return [type(x).__name__, type(y).__name__, isinstance(y, torch.Tensor), type(x.sum()).__name__]


def p_subclass_with_gradient(torch: Any) -> list[Any]:
    class Mine(torch.Tensor):
        @property
        def double(self) -> Any:
            return self * 2

    x = torch.tensor([1.0, 2.0]).as_subclass(Mine).requires_grad_()
    y = (x.double * x).sum()
    y.backward()
    return [type(y).__name__, type(x.grad).__name__, x.grad.tolist(), x.is_leaf]


def p_tensor_constructor(torch: Any) -> list[Any]:
    x = torch.Tensor([2, 1]).requires_grad_()
    y = torch.Tensor(2, 3)
    return [x, y.shape, x.dtype, raises(lambda: torch.Tensor([1.0], requires_grad=True)).kind]


def p_zero_dim_leaf_in_place(torch: Any) -> list[Any]:
    x = torch.tensor(2.0, requires_grad=True)
    y = x * 3
    y += 1
    y *= 2
    y.backward()
    return [y, x.grad, y._version, name(y.grad_fn)]


def p_zero_dim_aliases(torch: Any) -> list[Any]:
    x = torch.tensor(2.0)
    view = x.view(())
    view.add_(1)
    detached = x.detach()
    detached.mul_(10)
    x.data.sub_(5)
    return [x, view, detached, x._version]


def p_zero_dim_from_numpy(torch: Any) -> list[Any]:
    x = torch.tensor(2.0)
    array = x.numpy()
    array += 1
    return [x, array]


def p_zero_dim_leaf_step(torch: Any) -> list[Any]:
    x = torch.tensor(2.0, requires_grad=True)
    for _ in range(3):
        (x * x).backward()
        with torch.no_grad():
            x -= 0.1 * x.grad
        x.grad.zero_()
    return [x, x.grad, x._version]


def p_gradient_of_zero_dim_is_shared_object(torch: Any) -> list[Any]:
    x = torch.tensor(2.0, requires_grad=True)
    (x * 3).backward()
    first = x.grad
    (x * 4).backward()
    return [first, first is x.grad, first._version]


def p_swap_data_between_leaves(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = torch.tensor([3.0, 4.0], requires_grad=True)
    x.data, y.data = y.data, x.data
    (x * torch.tensor([1.0, 10.0])).sum().backward()
    return [x, y, x.grad, y.grad]


def p_set_grad_of_other_shape_after_resize(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    x.data = torch.ones(3)
    x.grad = torch.ones(3)
    return [x.grad]


def p_weak_references(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    ref = weakref.ref(x)
    return [ref() is x]


def p_is_tensor(torch: Any) -> list[Any]:
    return [torch.is_tensor(torch.ones(1)), torch.is_tensor([1]), torch.is_tensor(None)]
