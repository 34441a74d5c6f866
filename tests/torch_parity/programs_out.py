"""Programs about ``out=``: what is written, what is kept, what is refused."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from tests.torch_parity.harness import differs, raises, variants

UNARY = """
    abs acos acosh angle asin asinh atan atanh ceil cos cosh digamma erf erfc erfinv exp exp2
    expm1 floor frac lgamma log log10 log1p log2 logical_not logit nan_to_num neg reciprocal
    round rsqrt sgn sigmoid sign sin sinh sqrt square tan tanh trunc all any sum mean prod std
    var amax amin argmax argmin nonzero aminmax
"""
BINARY = """
    add atan2 div eq floor_divide fmax fmin fmod ge gt hypot le logaddexp logical_and logical_or
    logical_xor lt maximum minimum mul ne pow remainder sub xlogy
"""
INTEGERS = """
    bitwise_and bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor add mul
"""


def _unary(name: str) -> Callable[..., Any]:
    if name in ("sum", "prod", "argmax", "argmin", "amax", "amin", "mean", "std", "var"):
        return lambda t, a, **out: getattr(t, name)(a, 0, **out)
    return lambda t, a, **out: getattr(t, name)(a, **out)


CALLS: dict[str, Callable[..., Any]] = {
    **{name: _unary(name) for name in UNARY.split()},
    **{
        name: (lambda t, a, n=name, **out: getattr(t, n)(a, a.flip(0), **out))
        for name in BINARY.split()
    },
    **{
        f"{name}_of_integers": lambda t, a, n=name, **out: getattr(t, n)(a.int(), a.long(), **out)
        for name in INTEGERS.split()
    },
    "addcdiv": lambda t, a, **out: t.addcdiv(a, a, a + 1, value=0.5, **out),
    "addcmul": lambda t, a, **out: t.addcmul(a, a, a, value=0.5, **out),
    "addmm": lambda t, a, **out: t.addmm(a, a.outer(a), a.outer(a), beta=2, **out),
    "bitwise_not": lambda t, a, **out: t.bitwise_not(a.int(), **out),
    "bmm": lambda t, a, **out: t.bmm(a.view(1, 3, 1), a.view(1, 1, 3), **out),
    "cat": lambda t, a, **out: t.cat([a, a], **out),
    "clamp": lambda t, a, **out: t.clamp(a, 0.2, 0.6, **out),
    "clamp_max": lambda t, a, **out: t.clamp_max(a, 0.2, **out),
    "clamp_min": lambda t, a, **out: t.clamp_min(a, 0.2, **out),
    "complex": lambda t, a, **out: t.complex(a, a, **out),
    "cummax": lambda t, a, **out: t.cummax(a, 0, **out),
    "cummin": lambda t, a, **out: t.cummin(a, 0, **out),
    "cumprod": lambda t, a, **out: t.cumprod(a, 0, **out),
    "cumsum": lambda t, a, **out: t.cumsum(a, 0, **out),
    "diag": lambda t, a, **out: t.diag(a, **out),
    "dot": lambda t, a, **out: t.dot(a, a, **out),
    "gather": lambda t, a, **out: t.gather(a, 0, t.tensor([2, 0]), **out),
    "index_add": lambda t, a, **out: t.index_add(a, 0, t.tensor([2, 0, 2]), a, **out),
    "index_copy": lambda t, a, **out: t.index_copy(a, 0, t.tensor([2]), a[:1], **out),
    "index_select": lambda t, a, **out: t.index_select(a, 0, t.tensor([2]), **out),
    "logcumsumexp": lambda t, a, **out: t.logcumsumexp(a, 0, **out),
    "mode": lambda t, a, **out: t.mode(a, 0, **out),
    "nanquantile": lambda t, a, **out: t.nanquantile(a, 0.3, 0, **out),
    "quantile": lambda t, a, **out: t.quantile(a, 0.3, 0, **out),
    "kthvalue": lambda t, a, **out: t.kthvalue(a, 2, 0, **out),
    "lerp": lambda t, a, **out: t.lerp(a, a + 1, 0.3, **out),
    "log_softmax": lambda t, a, **out: t.log_softmax(a, 0, **out),
    "logsumexp": lambda t, a, **out: t.logsumexp(a, 0, **out),
    "masked_select": lambda t, a, **out: t.masked_select(a, a > 0.4, **out),
    "matmul": lambda t, a, **out: t.matmul(a.view(3, 1), a.view(1, 3), **out),
    "max": lambda t, a, **out: t.max(a, 0, **out),
    "max_all": lambda t, a, **out: t.max(a, **out),
    "median": lambda t, a, **out: t.median(a, 0, **out),
    "min": lambda t, a, **out: t.min(a, 0, keepdim=True, **out),
    "mm": lambda t, a, **out: t.mm(a.view(3, 1), a.view(1, 3), **out),
    "mv": lambda t, a, **out: t.mv(a.view(1, 3), a, **out),
    "nansum": lambda t, a, **out: t.nansum(a, 0, **out),
    "norm": lambda t, a, **out: t.norm(a, 2, 0, **out),
    "outer": lambda t, a, **out: t.outer(a, a, **out),
    "polar": lambda t, a, **out: t.polar(a, a, **out),
    "polygamma": lambda t, a, **out: t.polygamma(1, a, **out),
    "scatter": lambda t, a, **out: t.scatter(a, 0, t.tensor([1]), a[:1], **out),
    "scatter_add": lambda t, a, **out: t.scatter_add(a, 0, t.tensor([1]), a[:1], **out),
    "softmax": lambda t, a, **out: t.softmax(a, 0, **out),
    "sort": lambda t, a, **out: t.sort(a, descending=True, **out),
    "stack": lambda t, a, **out: t.stack([a, a], 1, **out),
    "take": lambda t, a, **out: t.take(a, t.tensor([2, 2]), **out),
    "take_along_dim": lambda t, a, **out: t.take_along_dim(a, t.tensor([2, 2]), 0, **out),
    "topk": lambda t, a, **out: t.topk(a, 2, **out),
    "tril": lambda t, a, **out: t.tril(a.view(1, 3), **out),
    "triu": lambda t, a, **out: t.triu(a.view(1, 3), 1, **out),
    "where": lambda t, a, **out: t.where(a > 0.4, a, a * 2, **out),
}


def _numbers(torch: Any) -> Any:
    return torch.tensor([0.3, 0.5, 0.25])


@variants(**CALLS)
def p_every_function(torch: Any, call: Any) -> list[Any]:
    a = _numbers(torch)
    plain = call(torch, a)
    if isinstance(plain, tuple):
        outs = tuple(torch.zeros_like(r) for r in plain)
        result = call(torch, a, out=outs)
        return [*outs, *result, all(map(_same, result, outs))]
    out = torch.zeros_like(plain)
    address = out.data_ptr()
    result = call(torch, a, out=out)
    return [out, result is out, out._version, address == out.data_ptr()]


def _same(a: Any, b: Any) -> bool:
    return a.data_ptr() == b.data_ptr()


CASTS = ("add", "exp", "gt", "sum", "mean", "mm", "cat", "cumsum", "amax", "clamp")


@variants(**{f"{n}_{d}": (n, d) for n in CASTS for d in ("float64", "int32", "float16")})
def p_other_dtypes(torch: Any, given: Any) -> list[Any]:
    name, dtype = given
    a = _numbers(torch)
    out = torch.zeros_like(CALLS[name](torch, a), dtype=getattr(torch, dtype))
    error = raises(lambda: CALLS[name](torch, a, out=out))
    return [error if name in ("add", "exp", "cat", "mm") else error.kind, out.dtype, out.float()]


@variants(smaller=(1,), larger=(5,), none=(0,), other=(2, 2), two=(3, 1), scalar=())
def p_resized(torch: Any, shape: Any) -> list[Any]:
    out = torch.zeros(shape)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.add(_numbers(torch), 1, out=out)
    return [out, out._version, [str(w.message).split(" (Triggered")[0] for w in caught]]


@variants(
    operand=lambda t, a: t.add(a, 1, out=a),
    beside=lambda t, a: t.add(a[:2], a[1:], out=a[1:]),
    shifted=lambda t, a: t.exp(a[:2], out=a[1:]),
    expanded=lambda t, a: t.exp(a, out=t.zeros(1).expand(3)),
    number=lambda t, a: t.exp(a, out=3),
    none=lambda t, a: t.exp(a, out=None),
    view=lambda t, a: t.exp(t.zeros(2), out=a[::2]),
    single_for_pair=lambda t, a: t.sort(a, out=3),
)
def p_memory(torch: Any, call: Any) -> list[Any]:
    a = _numbers(torch)
    error = raises(lambda: call(torch, a))
    return [error if "sort" not in str(error) else type(error).__name__, a, a._version]


RECORDED = ("exp", "add", "sum", "max", "cat", "matmul", "where", "softmax")


@differs("PyTorch lets softmax write into out= and records it", "softmax")
@variants(**{name: name for name in RECORDED})
def p_recorded(torch: Any, name: str) -> list[Any]:
    a = _numbers(torch).requires_grad_()
    plain = CALLS[name](torch, a.detach())
    outs = torch.zeros_like(plain) if not isinstance(plain, tuple) else None
    if outs is None:
        outs = tuple(torch.zeros_like(r) for r in plain)
    error = raises(lambda: CALLS[name](torch, a, out=outs))
    with torch.no_grad():
        CALLS[name](torch, a, out=outs)
    return [error, outs, a]


def p_methods_have_none(torch: Any) -> list[Any]:
    a = _numbers(torch)
    return [type(raises(lambda: a.add(1, out=a))).__name__, a]
