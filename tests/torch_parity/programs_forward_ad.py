"""Programs of forward mode by hand: levels, dual tensors, what operators and writes do to them."""

from __future__ import annotations

import copy
import pickle
from typing import Any

from tests.torch_parity.harness import differs, raises, variants


def _parts(torch: Any, *tensors: Any) -> list[Any]:
    """Return primal and tangent of each tensor, tangents without their graph."""
    shown: list[Any] = []
    for tensor in tensors:
        primal, tangent = torch.autograd.forward_ad.unpack_dual(tensor)
        shown += [primal.detach().clone(), None if tangent is None else tangent.detach().clone()]
    return shown


# ---- levels --------------------------------------------------------------------------------------


def p_no_level(torch: Any) -> list[Any]:
    ad = torch.autograd.forward_ad
    p, t = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])
    return [
        raises(lambda: ad.make_dual(p, t)),
        ad.unpack_dual(p),
        raises(lambda: ad.exit_dual_level()),
        raises(lambda: ad.exit_dual_level(level=0)),
        ad.unpack_dual(3.0),
        ad._current_level,
    ]


def p_levels_do_not_nest(torch: Any) -> list[Any]:
    ad = torch.autograd.forward_ad
    seen: list[Any] = []

    def nested() -> None:
        with ad.dual_level():
            pass

    with ad.dual_level() as level:
        seen += [level, ad._current_level, raises(ad.enter_dual_level), raises(nested)]
        seen += [raises(lambda: ad.exit_dual_level(level=3)), ad._current_level]
    level = ad.enter_dual_level()
    dual = ad.make_dual(torch.ones(2), torch.ones(2))
    ad.exit_dual_level(level=level)
    return [*seen, level, repr(dual), ad._current_level, ad.unpack_dual(dual)]


def p_level_as_decorator(torch: Any) -> list[Any]:
    ad = torch.autograd.forward_ad

    @ad.dual_level()
    def derivative(x: Any) -> Any:
        return ad.unpack_dual(ad.make_dual(x, torch.ones_like(x)).sin()).tangent

    return [derivative(torch.tensor([0.0, 1.0])), derivative.__name__, ad._current_level]


def p_tangents_end_with_the_level(torch: Any) -> list[Any]:
    ad = torch.autograd.forward_ad
    with ad.dual_level():
        dual = ad.make_dual(torch.ones(2), torch.ones(2))
        out = dual * 3
        view = out[:1]
    seen = [repr(dual), repr(out), repr(view), repr(out * 2)]
    with ad.dual_level():
        seen += [ad.unpack_dual(out), repr(out * 2)]
    return seen


def p_error_inside_a_level_closes_it(torch: Any) -> list[Any]:
    ad = torch.autograd.forward_ad

    def fails() -> None:
        with ad.dual_level():
            raise KeyError("mine")

    return [raises(fails), ad._current_level]


# ---- making and taking apart ---------------------------------------------------------------------


def p_make_dual(torch: Any) -> list[Any]:
    ad = torch.autograd.forward_ad
    p, t = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])
    with ad.dual_level():
        dual = ad.make_dual(p, t)
        primal, tangent = ad.unpack_dual(dual)
        pair = ad.unpack_dual(p)
        return [
            repr(dual),
            [dual._is_view(), dual._base is p, dual.is_leaf, dual is p],
            [primal._is_view(), primal._base is p, tangent is t, tangent._is_view()],
            repr(ad.unpack_dual(dual)),
            type(pair).__name__,
            pair._fields,
            pair,
            dual.data_ptr() == p.data_ptr(),
            repr(ad.make_dual(p, t, level=0)),
        ]


def p_make_dual_refuses(torch: Any) -> list[Any]:
    ad = torch.autograd.forward_ad
    p, t = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])
    number = torch.tensor([1, 2])
    with ad.dual_level():
        dual = ad.make_dual(p, t)
        return [
            raises(lambda: ad.make_dual(p, torch.ones(3))),
            raises(lambda: ad.make_dual(torch.ones(2, 3), torch.ones(3, 2))),
            raises(lambda: ad.make_dual(torch.ones(()), torch.ones(1))),
            raises(lambda: ad.make_dual(p, 3.0)),
            raises(lambda: ad.make_dual(3.0, p)),
            raises(lambda: ad.make_dual(None, None)),
            raises(lambda: ad.make_dual(number, t)),
            raises(lambda: ad.make_dual(p, number)),
            raises(lambda: ad.make_dual(dual, t)),
            raises(lambda: ad.make_dual(dual, torch.ones(3))),
            raises(lambda: ad.make_dual(p, dual)),
            raises(lambda: ad.make_dual(p, t, level=2)),
            raises(lambda: ad.make_dual(p, t, level=-1)),
            raises(lambda: ad.unpack_dual(dual, level=1)),
            raises(lambda: ad.unpack_dual(3.0)),
            repr(ad.unpack_dual(dual, level=-1)),
        ]


def p_dtypes_may_differ(torch: Any) -> list[Any]:
    ad = torch.autograd.forward_ad
    x, wide = torch.tensor([1.0, 2.0]), torch.tensor([1.0, 0.0], dtype=torch.float64)
    with ad.dual_level():
        dual = ad.make_dual(x, wide)
        mixed = ad.make_dual(torch.tensor([1 + 1j]), torch.tensor([1.0]))
        plain = ad.make_dual(x, x)
        return [
            repr(dual),
            repr(dual * 2),
            repr(dual * x),
            repr(dual + torch.ones(2)),
            repr(dual.view(2, 1)),
            repr(mixed),
            repr(plain + torch.ones(2, dtype=torch.float64)),
            repr(plain * torch.tensor(1j)),
            repr(plain + torch.tensor([1, 2])),
            repr(plain.double()),
            repr(plain.to(torch.int64)),
            repr(plain > 1),
        ]


def p_layout_of_the_tangent(torch: Any) -> list[Any]:
    ad = torch.autograd.forward_ad
    rows = torch.arange(6.0).view(2, 3)
    transposed = torch.ones(2, 3).t()
    with ad.dual_level():
        one = ad.make_dual(torch.arange(6.0).view(3, 2).t(), rows)
        wide = torch.ones(1).expand(2)
        two = ad.make_dual(torch.ones(2), wide)
        same = torch.ones(2, 3).t()
        three = ad.make_dual(transposed, same)
        part = torch.ones(6)[:3]
        four = ad.make_dual(torch.ones(3), part)
        found = [ad.unpack_dual(d).tangent for d in (one, two, three, four)]
        two.mul_(2)
        return [
            [found[0] is rows, found[0].stride()],
            [found[1] is wide, found[1].stride()],
            [found[2] is same, found[3] is part],
            repr(two),
            repr(wide),
            found[0],
        ]


def p_make_dual_of_what_requires_grad(torch: Any) -> list[Any]:
    ad = torch.autograd.forward_ad
    p = torch.tensor([1.0, 2.0], requires_grad=True)
    t = torch.tensor([3.0, 4.0], requires_grad=True)
    with ad.dual_level():
        dual = ad.make_dual(p, t)
        primal, tangent = ad.unpack_dual(dual)
        with torch.no_grad():
            quiet = ad.make_dual(p, t)
        return [
            repr(dual),
            dual.grad_fn,
            primal.grad_fn,
            repr(primal),
            tangent is t,
            [quiet.requires_grad, quiet._is_view(), *_parts(torch, quiet * 2)],
            raises(lambda: ad.make_dual(p, t).mul_(2)),
        ]


def p_switched_off(torch: Any) -> list[Any]:
    ad = torch.autograd.forward_ad
    with ad.dual_level():
        dual = ad.make_dual(torch.ones(2), torch.ones(2))
        with ad._set_fwd_grad_enabled(False):
            seen = [
                repr(dual * 2),
                repr(dual),
                ad.unpack_dual(dual),
                repr(ad.make_dual(torch.ones(2), torch.ones(2))),
                ad._is_fwd_grad_enabled(),
            ]
        return [*seen, repr(dual * 2), ad._is_fwd_grad_enabled()]


# ---- what drops and what keeps a tangent ---------------------------------------------------------


def p_kept_or_dropped(torch: Any) -> list[Any]:
    ad = torch.autograd.forward_ad
    with ad.dual_level():
        dual = ad.make_dual(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0]))
        with torch.no_grad():
            quiet = dual * 3
        with torch.inference_mode():
            inferred = dual * 3
        cut = dual.clone()
        cut.detach_()
        moved = ad.make_dual(torch.ones(2), torch.ones(2))
        moved.data = torch.zeros(2)
        return [
            repr(dual.detach()),
            repr(dual.data),
            repr(dual.clone()),
            repr(dual.requires_grad_()),
            repr(quiet),
            repr(inferred),
            repr(cut),
            repr(moved),
            dual.tolist(),
            dual.detach().numpy(),
            repr(torch.zeros_like(dual)),
            repr(torch.as_tensor(dual)),
            repr(dual.contiguous()),
            float(dual.sum()),
        ]


def p_copies_of_dual_tensors(torch: Any) -> list[Any]:
    ad = torch.autograd.forward_ad
    with ad.dual_level():
        dual = ad.make_dual(torch.ones(2), torch.ones(2)).clone()
        return [
            repr(copy.copy(dual)),
            repr(copy.deepcopy(dual)),
            repr(pickle.loads(pickle.dumps(dual))),
        ]


def p_subclasses_stay_themselves(torch: Any) -> list[Any]:
    ad = torch.autograd.forward_ad

    class Mine(torch.Tensor):
        pass

    with ad.dual_level():
        mine = torch.ones(2).as_subclass(Mine)
        dual = ad.make_dual(mine, torch.ones(2))
        out = dual * 2
        return [type(dual).__name__, repr(dual), type(out).__name__, repr(out), repr(2 * dual)]


# ---- operators -----------------------------------------------------------------------------------

OPERATORS = {
    "mul": lambda torch, d, x: d * x,
    "number": lambda torch, d, x: 3 - d / 2,
    "power": lambda torch, d, x: d**3 + 2**d,
    "exp": lambda torch, d, x: d.exp(),
    "tanh": lambda torch, d, x: torch.tanh(d * x) + d.sigmoid(),
    "relu": lambda torch, d, x: torch.relu(d - x),
    "where": lambda torch, d, x: torch.where(d > 1.5, d, x),
    "maximum": lambda torch, d, x: torch.maximum(d, x),
    "clamp": lambda torch, d, x: d.clamp(0.5, 1.5),
    "broadcast": lambda torch, d, x: d[:, None] * x + d,
    "sum": lambda torch, d, x: d.sum(),
    "mean": lambda torch, d, x: (d * x).mean(0),
    "prod": lambda torch, d, x: d.prod(),
    "norm": lambda torch, d, x: d.norm(),
    "var": lambda torch, d, x: d.var(),
    "std": lambda torch, d, x: d.std(),
    "amax": lambda torch, d, x: d.amax(),
    "logsumexp": lambda torch, d, x: d.logsumexp(0),
    "cumprod": lambda torch, d, x: d.cumprod(0),
    "cumsum": lambda torch, d, x: d.cumsum(0),
    "softmax": lambda torch, d, x: torch.softmax(d * x, 0),
    "log_softmax": lambda torch, d, x: torch.log_softmax(d * x, 0),
    "max": lambda torch, d, x: d.max(0).values,
    "sort": lambda torch, d, x: d.sort(descending=True).values,
    "topk": lambda torch, d, x: d.topk(1).values,
    "median": lambda torch, d, x: d.median(),
    "stack": lambda torch, d, x: torch.stack([x, d, x * 2]),
    "cat": lambda torch, d, x: torch.cat([d, x]),
    "dot": lambda torch, d, x: d.dot(x) + d.dot(d),
    "matmul": lambda torch, d, x: torch.outer(d, x) @ d,
    "addmm": lambda torch, d, x: torch.addmm(d, torch.outer(x, d), torch.outer(d, x)),
    "view": lambda torch, d, x: d.view(2, 1).t(),
    "index": lambda torch, d, x: d[torch.tensor([1, 1, 0])],
    "mask": lambda torch, d, x: d[d > 1.5],
    "masked_fill": lambda torch, d, x: d.masked_fill(d > 1.5, 7.0),
    "gather": lambda torch, d, x: d.gather(0, torch.tensor([1, 0])),
    "round": lambda torch, d, x: d.round() + d.sign() + d.floor(),
    "split": lambda torch, d, x: d.split(1)[1],
    "unbind": lambda torch, d, x: d.unbind()[0],
    "outer": lambda torch, d, x: torch.outer(d, d),
    "dist": lambda torch, d, x: torch.dist(d, x + 0.5),
    "lerp": lambda torch, d, x: torch.lerp(x, d, 0.3),
    "complex": lambda torch, d, x: torch.complex(d, x),
    "abs": lambda torch, d, x: torch.complex(d, x).abs(),
    "angle": lambda torch, d, x: torch.complex(d, x).angle(),
    "sgn": lambda torch, d, x: torch.complex(d, x).sgn(),
    "parts": lambda torch, d, x: (torch.complex(x, d) * 2j).real,
    "conj": lambda torch, d, x: torch.complex(x, d).conj() * torch.complex(x, d),
    "complex_exp": lambda torch, d, x: torch.complex(x, d).exp(),
}


@variants(**OPERATORS)
def p_operator(torch: Any, function: Any) -> list[Any]:
    ad = torch.autograd.forward_ad
    x = torch.tensor([2.0, 0.5], dtype=torch.float64)
    with ad.dual_level():
        dual = ad.make_dual(
            torch.tensor([1.0, 2.0], dtype=torch.float64),
            torch.tensor([0.3, -1.1], dtype=torch.float64),
        )
        return _parts(torch, function(torch, dual, x))


# ---- writing in place ----------------------------------------------------------------------------


def p_writing_to_a_dual_tensor(torch: Any) -> list[Any]:
    ad = torch.autograd.forward_ad
    p, t = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])
    with ad.dual_level():
        dual = ad.make_dual(p, t)
        tangent = ad.unpack_dual(dual).tangent
        dual.mul_(2)
        seen = [repr(dual), t.clone(), p.clone(), ad.unpack_dual(dual).tangent is tangent]
        dual.exp_()
        dual.add_(dual.detach())
        seen += [repr(dual), ad.unpack_dual(dual).tangent is tangent]
        dual.zero_()
        seen += [repr(dual)]
        dual.fill_(2.0)
        seen += [repr(dual), repr(dual.copy_(torch.ones(2)))]
        dual.copy_(ad.make_dual(torch.ones(2), torch.ones(2)))
        return [*seen, repr(dual)]


def p_writing_a_dual_tensor_into_a_plain_one(torch: Any) -> list[Any]:
    ad = torch.autograd.forward_ad
    with ad.dual_level():
        a = ad.make_dual(torch.tensor(3.0), torch.tensor(2.0))
        x = torch.ones(2, 2)
        seen = [repr(x.fill_(a))]
        x[0] = 1.0
        seen += [repr(x)]
        x[:, 1] = a
        seen += [repr(x)]
        x[[0, 1], [0, 1]] = a * 2
        seen += [repr(x)]
        x.add_(a, alpha=2)
        seen += [repr(x)]
        with torch.no_grad():
            y = torch.ones(3)
            y[1] = a
        seen += [repr(y), repr(torch.arange(3.0).mul_(a)), repr(torch.ones(2).copy_(a))]
    return [*seen, repr(x), repr(y)]


def p_views_and_their_base(torch: Any) -> list[Any]:
    ad = torch.autograd.forward_ad
    with ad.dual_level():
        d = ad.make_dual(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0]))
        x = torch.zeros(3)
        v, w = x[1:], x[:2]
        v.copy_(d)
        seen = _parts(torch, x, v, w)
        x = torch.zeros(3)
        v = x[1:]
        x[1] = d[0]
        seen += _parts(torch, x, v)
        x = d.clone()
        v = x[0:1]
        x.mul_(3)
        seen += _parts(torch, v)
        v.zero_()
        seen += _parts(torch, x)
        tangent = ad.unpack_dual(v).tangent
        seen += [tangent._is_view(), tangent._base is ad.unpack_dual(x).tangent]
        for part in x.chunk(2):
            part.mul_(2)
        seen += _parts(torch, x)
        x = torch.ones(4)
        parts = x.chunk(2)
        parts[0].mul_(d)
        return [*seen, *_parts(torch, x, *parts)]


def p_dual_view_of_a_plain_base(torch: Any) -> list[Any]:
    ad = torch.autograd.forward_ad
    with ad.dual_level():
        base = torch.ones(3)
        v = base[:2]
        dual = ad.make_dual(v, torch.ones(2))
        dual.mul_(2)
        seen = [repr(base), repr(v), repr(dual), dual._base is base]
        base = torch.ones(3)
        v = base[:2]
        base[:2].mul_(ad.make_dual(torch.ones(2), torch.ones(2)))
        primal = ad.unpack_dual(dual).primal
        primal.mul_(3)
        return [*seen, repr(base), repr(v), repr(dual), primal]


@differs("PyTorch takes the factor's new value where it shares memory", "self", "detached")
@variants(self=lambda x: x, part=lambda x: x.clone(), detached=lambda x: x.detach())
def p_multiplied_in_place(torch: Any, factor: Any) -> list[Any]:
    ad = torch.autograd.forward_ad
    with ad.dual_level():
        x = ad.make_dual(torch.tensor([2.0, 3.0]), torch.tensor([1.0, 5.0]))
        x.mul_(factor(x))
        return _parts(torch, x)
