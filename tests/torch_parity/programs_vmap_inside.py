"""Programs on what users do with tensors inside ``vmap``: look at, pick from and write them."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.torch_parity.harness import differs, raises, variants


def _x(torch: Any) -> Any:
    return torch.arange(6.0).view(3, 2)


def _seen(torch: Any, look: Any, *inputs: Any) -> list[Any]:
    """What ``look`` sees inside `vmap`: text and numbers as they are."""
    found: list[Any] = []

    def inside(*args: Any) -> Any:
        found.append(look(*args))
        return args[0]

    torch.func.vmap(inside)(*(inputs or (_x(torch),)))
    return found


@variants(
    plain=repr,
    computed=lambda a: repr(a * 2),
    text=str,
    formatted=lambda a: f"{a}",
    number=lambda a: repr(a.sum()),
    bools=lambda a: repr(a > 1),
    integers=lambda a: repr(a.long()),
    wide=lambda a: repr(a.expand(2000, 2)),
    three_dims=lambda a: repr(a[None, None]),
    double=lambda a: repr(a.double()),
    tuple=lambda a: repr(a.unbind()),
)
def p_printed(torch: Any, look: Any) -> list[Any]:
    return _seen(torch, look)


def p_printed_at_two_levels(torch: Any) -> list[Any]:
    found: list[Any] = []

    def outer(a: Any) -> Any:
        def inner(b: Any) -> Any:
            found.extend([repr(b), repr(a), repr(a + b), repr(torch.ones(2))])
            return b

        return torch.func.vmap(inner)(a)

    torch.func.vmap(outer)(_x(torch))
    return found


def p_printed_after_vmap(torch: Any) -> list[Any]:
    kept: list[Any] = []
    torch.func.vmap(lambda a: kept.append(a * 2) or a)(_x(torch))
    return [repr(kept[0])]


def p_facts(torch: Any) -> list[Any]:
    def look(a: Any) -> Any:
        return [
            *(a.shape, a.size(), a.size(0), a.dim(), a.ndim, a.numel(), a.stride(), len(a)),
            *(a.dtype, str(a.device), a.is_contiguous(), a.element_size(), a.nbytes, a.itemsize),
            *(torch.is_tensor(a), isinstance(a, torch.Tensor), type(a).__name__, a.is_leaf),
            *(a.requires_grad, a.grad_fn, a._version, a.is_floating_point(), a.is_complex()),
            *(a.type(), a.storage_offset(), a.t().is_contiguous(), hash(a) == id(a)),
        ]

    return _seen(torch, look)


def p_parts(torch: Any) -> list[Any]:
    vmap = torch.func.vmap
    x, places = _x(torch), torch.tensor([0, 1, 1])
    more = torch.tensor([[0, 1], [1, 1], [0, 0]])
    return [
        vmap(lambda a: tuple(a))(x),
        vmap(lambda a: sum(a))(x),
        vmap(lambda a: (a[None], a[..., 0], a[0:1], a[0], a[-1]))(x),
        vmap(lambda a: a[torch.tensor(1)])(x),
        vmap(lambda a: a[torch.tensor([1, 0, 1])])(x),
        vmap(lambda a: a[[0, 0]])(x),
        vmap(lambda a: a[torch.tensor([True, False])])(x),
        vmap(lambda a, i: a[i])(x, places),
        vmap(lambda a, i: a[i])(x, more),
        vmap(lambda i: torch.arange(4.0)[i])(places),
        vmap(lambda a, i: x[i, i])(x, places % 2),
        vmap(lambda a, i: x[i])(x, more),
        vmap(lambda a, i: x[1:, i])(x, more),
        vmap(lambda a, i: a.index_select(0, i))(x, more),
        vmap(lambda a, i: a.gather(0, i))(x, more),
        vmap(lambda a, i: a.take(i))(x, more),
        vmap(lambda i: torch.nn.functional.one_hot(i, 3))(places),
        raises(lambda: vmap(lambda a: a[5])(x)),
        raises(lambda: vmap(lambda a: a[0, 0])(x)),
        raises(lambda: vmap(lambda a: list(a.sum()))(x)),
        raises(lambda: vmap(lambda a: len(a.sum()))(x)),
    ]


def p_made_like_another(torch: Any) -> list[Any]:
    def look(a: Any) -> Any:
        made = [
            *(a.new_zeros(2), a.new_ones(1), a.new_full((2,), 3.0), a.new_tensor([1.0])),
            *(torch.zeros_like(a), torch.ones_like(a), torch.full_like(a, 2.0)),
            *(a.clone(), a.detach(), torch.as_tensor(a), a.cpu()),
        ]
        return [repr(t) for t in made]

    return _seen(torch, look)


def p_numbers_and_operators(torch: Any) -> list[Any]:
    x = _x(torch)

    def look(a: Any) -> Any:
        return abs(a), 2**a, a @ a, ~(a > 1), (a > 1) & (a < 3), -a, 1 - a, a == a, a // 2, a % 2

    return [torch.func.vmap(look)(x), raises(lambda: torch.func.vmap(lambda a: divmod(a, 2))(x))]


WRITES = {
    "mul": lambda torch, a, i, w: a.mul_(2),
    "add_own_sum": lambda torch, a, i, w: a.add_(a.sum()),
    "add_shared": lambda torch, a, i, w: a.add_(w),
    "plus_equal": lambda torch, a, i, w: a.__iadd__(1),
    "item": lambda torch, a, i, w: a.__setitem__(0, 5.0),
    "slice": lambda torch, a, i, w: a.__setitem__(slice(1), a.sum()),
    "place": lambda torch, a, i, w: a.__setitem__(i, 7.0),
    "place_and_value": lambda torch, a, i, w: a.__setitem__(i, a.sum()),
    "shared_mask": lambda torch, a, i, w: a.__setitem__(w > 1, a.sum()),
    "list": lambda torch, a, i, w: a.__setitem__([0, 1], a * 2),
    "everything": lambda torch, a, i, w: a.__setitem__(..., a.sum()),
    "none": lambda torch, a, i, w: a.__setitem__(None, 3.0),
    "masked_fill": lambda torch, a, i, w: a.masked_fill_(a > 1, 9.0),
    "zero": lambda torch, a, i, w: a.zero_(),
    "copy": lambda torch, a, i, w: a.copy_(w),
    "fill": lambda torch, a, i, w: a.fill_(a.sum()),
    "index_put": lambda torch, a, i, w: a.index_put_((i[None],), w[:1]),
    "scatter": lambda torch, a, i, w: a.scatter_(0, i[None], 5.0),
    "index_add": lambda torch, a, i, w: a.index_add_(0, torch.tensor([0, 0]), a * 2),
    "index_fill": lambda torch, a, i, w: a.index_fill_(0, torch.tensor([0]), 3.0),
    "view": lambda torch, a, i, w: a.view(2, 1)[0, 0].fill_(9.0),
    "unbound": lambda torch, a, i, w: a.unbind()[0].add_(1),
    "selected": lambda torch, a, i, w: a[0].add_(a[1]),
    "clamp": lambda torch, a, i, w: a.clamp_(1, 3),
    "detached": lambda torch, a, i, w: a.detach().mul_(2),
}


@variants(**WRITES)
def p_writes_to_arguments(torch: Any, write: Any) -> list[Any]:
    x, places, w = _x(torch), torch.tensor([0, 1, 1]), torch.tensor([1.0, 2.0])

    def inside(a: Any, i: Any) -> Any:
        write(torch, a, i, w)
        return a + 0

    return [torch.func.vmap(inside)(x, places), x, w]


OUTSIDE = {
    "add": lambda torch, z, a, i: z.add_(a),
    "mul": lambda torch, z, a, i: z.mul_(a),
    "div": lambda torch, z, a, i: z.div_(a),
    "sub": lambda torch, z, a, i: z.sub_(a),
    "pow": lambda torch, z, a, i: z.pow_(a),
    "fmod": lambda torch, z, a, i: z.fmod_(a),
    "copy": lambda torch, z, a, i: z.copy_(a),
    "slice": lambda torch, z, a, i: z[:1].add_(a[:1]),
    "places": lambda torch, z, a, i: z.__setitem__(i[None], 1.0),
    "masked_fill": lambda torch, z, a, i: z.masked_fill_(a > 1, 3.0),
    "fill": lambda torch, z, a, i: z.fill_(a.sum()),
    "lerp": lambda torch, z, a, i: z.lerp_(torch.ones(2), a[0]),
    "addcmul": lambda torch, z, a, i: z.addcmul_(torch.ones(2), a),
    "index_add": lambda torch, z, a, i: z.index_add_(0, torch.tensor([0, 1]), a),
    "scatter": lambda torch, z, a, i: z.scatter_(0, i[None], 1.0),
    "scatter_add": lambda torch, z, a, i: z.scatter_add_(0, i[None], a),
    "eq": lambda torch, z, a, i: z.eq_(a),
    "logical": lambda torch, z, a, i: z.logical_and_(a),
    "data": lambda torch, z, a, i: setattr(z, "data", a),
}


@variants(**OUTSIDE)
def p_writes_to_tensors_from_outside(torch: Any, write: Any) -> list[Any]:
    """The same sentence, and nothing is changed."""
    z, places = torch.ones(2), torch.tensor([0, 1, 1])

    def inside(a: Any, i: Any) -> Any:
        write(torch, z, a, i)
        return a

    error = raises(lambda: torch.func.vmap(inside)(_x(torch), places))
    return [error, z, z._version]


def p_writes_that_are_the_same_for_all(torch: Any) -> list[Any]:
    z = torch.zeros(2)

    def inside(a: Any) -> Any:
        z.add_(1)
        z[0] = 5.0
        z.exp_()
        return a * z

    return [torch.func.vmap(inside)(_x(torch)), z]


def p_writes_and_gradients(torch: Any) -> list[Any]:
    x = _x(torch).clone().requires_grad_()
    vmap = torch.func.vmap

    def written(a: Any) -> Any:
        b = a * 1
        b[0] = b[1] * 2
        b.mul_(b.sum())
        return b

    def made(a: Any) -> Any:
        z = torch.zeros_like(a)
        z[0] = a[1] ** 2
        z[1:] += a[0]
        return z

    def gradient(f: Any) -> Any:
        return torch.autograd.grad(vmap(f)(x).sum(), x)[0]

    return [
        gradient(written),
        gradient(made),
        raises(lambda: vmap(lambda a: a.mul_(2))(x)),
        raises(lambda: vmap(lambda a: a[0].mul_(2))(x)),
        raises(lambda: vmap(lambda a: a.add_(1))(torch.ones(2).expand(3, 2))),
        raises(lambda: vmap(lambda a: a.expand(3, 2).add_(1))(_x(torch))),
        vmap(lambda a: a.detach() * 2)(x),
        vmap(lambda a: torch.no_grad()(lambda: a * 2)())(x),
        torch.autograd.grad(x * 2, x, torch.eye(6).view(6, 3, 2), is_grads_batched=True)[0],
    ]


def p_backward_inside_to_a_leaf_outside(torch: Any) -> list[Any]:
    w = torch.ones(2, requires_grad=True)
    error = raises(lambda: torch.func.vmap(lambda a: (a * w).sum().backward() or a)(_x(torch)))
    return [error, w.grad]


def p_tensors_that_escaped(torch: Any) -> list[Any]:
    kept: list[Any] = []
    torch.func.vmap(lambda a: kept.append(a * 2) or a)(_x(torch))
    (a,) = kept
    return [
        *(a.shape, len(a), a.numel(), a.is_leaf, a.requires_grad, a.grad),
        *(raises(lambda: a + 1), raises(lambda: torch.ones(2) + a)),
        *(raises(lambda: a[0]), raises(lambda: a.clone()), raises(lambda: a.view(2, 1))),
        *(raises(lambda: a @ a), raises(lambda: a == a), raises(lambda: a.double())),
        *(raises(lambda: torch.where(a > 1, a, a)), raises(lambda: torch.relu(a))),
        raises(lambda: torch.zeros_like(a).add_(a)),
    ]


@differs("a gradient is recorded and can be asked for inside vmap here")
def p_the_tape_inside(torch: Any) -> list[Any]:
    x = _x(torch).requires_grad_()
    return _seen(torch, lambda a: [a.requires_grad, (a * 2).grad_fn is None], x)


@differs("tensors made inside get room for all samples when they are written")
@variants(
    add=lambda torch, a: torch.zeros(2).add_(a),
    item=lambda torch, a: _written(torch.zeros(2), a.sum()),
    out=lambda torch, a: torch.add(a, 1, out=torch.zeros(2)),
)
def p_room_for_samples(torch: Any, call: Any) -> list[Any]:
    return [torch.func.vmap(lambda a: call(torch, a))(_x(torch))]


def _written(z: Any, value: Any) -> Any:
    z[0] = value
    return z


@differs("a function that needs values is run sample by sample here")
@variants(
    item=lambda torch, a: a * a.sum().item(),
    number=lambda torch, a: a * float(a.sum()),
    truth=lambda torch, a: a if a.sum() > 1 else -a,
    numpy=lambda torch, a: torch.from_numpy(np.sin(a.numpy())),
    count=lambda torch, a: a[a > -1],
    nonzero=lambda torch, a: (a + 1).nonzero(),
    slice=lambda torch, a: a[: int(a.sum() * 0) + 1],
    mask=lambda torch, a: _masked(a),
    largest=lambda torch, a: max(a),
)
def p_values(torch: Any, call: Any) -> list[Any]:
    return [torch.func.vmap(lambda a: call(torch, a))(_x(torch))]


def _masked(a: Any) -> Any:
    a = a.clone()
    a[a > 1] = 0.0
    return a


@differs("requires_grad_ and autograd.grad work inside vmap here")
def p_leaves_inside(torch: Any) -> list[Any]:
    def inside(a: Any) -> Any:
        b = a.clone().requires_grad_()
        return torch.autograd.grad((b**2).sum(), b)[0]

    return [torch.func.vmap(inside)(_x(torch))]
