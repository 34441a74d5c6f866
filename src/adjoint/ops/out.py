"""Functions that write their result into ``out=``: what the door exports under these names.

In: operators, and tensors that take the result.  Out: the same functions with one more argument.
Methods and operators (``x + y``) have no ``out=`` and pay nothing for it.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.array.descriptor import describe
from adjoint.core.errors import scalar_name
from adjoint.core.inplace import can_cast, check_overlap, check_partial_overlap
from adjoint.core.mode import grad_enabled
from adjoint.core.op import Op
from adjoint.core.tensor_base import TensorBase
from adjoint.ops import (
    arithmetic,
    arrange,
    compare,
    join,
    norms,
    piecewise,
    pointwise,
    reduce,
    special,
)
from adjoint.ops import complex as complex_
from adjoint.ops import gather as gather_
from adjoint.ops import matmul as matmul_
from adjoint.ops import scatter as scatter_
from adjoint.ops import softmax as softmax_
from adjoint.ops import sort as sort_
from adjoint.ops.create_options import type_name_of
from adjoint.ops.inplace import copy_

Array = Any
Tensor = Any

# ---- the mechanism -------------------------------------------------------------------------------


def with_out(function: Callable[..., Any], rule: str = "cast") -> Callable[..., Any]:
    """``function`` with ``out=``; ``rule`` says which dtypes ``out`` may have.

    "cast": any of the same or a wider kind; "join": the same, in other words; "same": only that of
    the result; "any": every one; "dtype": every one, and the function computes in it.
    """
    name = function.__name__
    op = getattr(function, "op", None)
    arity = len(op.operands) if isinstance(op, Op) and not op.parameters else 0
    call: Callable[..., Any]
    if arity == 1:

        def call(input: Tensor, *, out: Any = None) -> Tensor:
            if out is None:
                return function(input)
            return _write(name, rule, function, (input,), {}, out)

    elif arity == 2:

        def call(input: Tensor, other: Any, *, out: Any = None) -> Tensor:
            if out is None:
                return function(input, other)
            return _write(name, rule, function, (input, other), {}, out)

    else:

        def call(*args: Any, out: Any = None, **keyword: Any) -> Any:
            if out is None:
                return function(*args, **keyword)
            return _write(name, rule, function, args, keyword, out)

    made = functools.update_wrapper(call, function)
    made.__module__ = __name__  # where pickle finds this very function
    return made


def _write(
    name: str, rule: str, function: Any, args: Any, keyword: dict[str, Any], out: Any
) -> Any:
    """``function(*args, **keyword)`` put into ``out``; a refused call writes nothing."""
    outs = out if isinstance(out, tuple | list) else (out,)
    for o in outs:
        if not isinstance(o, TensorBase):
            raise TypeError(f"{name}(): argument 'out' must be Tensor, not {type_name_of(o)}")
    tensors = [a for a in _flat((*args, *keyword.values())) if isinstance(a, TensorBase)]
    if grad_enabled() and _recorded((*tensors, *outs)):
        raise RuntimeError(
            f"{name}(): functions with out=... arguments don't support automatic differentiation, "
            "but one of the arguments requires grad. (Call it without out=, or under "
            "`with torch.no_grad():`.)"
        )
    if rule == "dtype":
        keyword.setdefault("dtype", outs[0]._desc.dtype)
    made = function(*args, **keyword)
    results = made if isinstance(made, tuple) else (made,)
    if len(results) != len(outs):
        raise TypeError(
            f"{name}() received an invalid combination of arguments - out must be "
            f"{'a tuple of ' if len(results) > 1 else ''}{len(results)} Tensor(s)"
        )
    for o, result in zip(outs, results):
        _check_dtype(rule, result._desc.dtype, o._desc.dtype)
        if o._desc.shape == result._desc.shape:
            _check_memory(o, tensors, name)
    for o, result in zip(outs, results):
        if o._desc.shape != result._desc.shape:
            _resize(o, result._desc.shape)
        copy_(o, result)
    if isinstance(made, tuple):
        return type(made)(*outs) if hasattr(made, "_fields") else tuple(outs)
    return out


def _recorded(tensors: Any) -> bool:
    return True in [t._edge is not None for t in tensors]


def _flat(values: Any) -> list[Any]:
    found: list[Any] = []
    for v in values:
        found.extend(v) if isinstance(v, tuple | list) else found.append(v)
    return found


_WORDS = {
    "Bool": "bool",
    "Byte": "unsigned char",
    "Char": "signed char",
    "ComplexDouble": "c10::complex<double>",
    "ComplexFloat": "c10::complex<float>",
    "Double": "double",
    "Float": "float",
    "Half": "c10::Half",
    "BFloat16": "c10::BFloat16",
    "Int": "int",
    "Long": "long int",
    "Short": "short int",
}


def _check_dtype(rule: str, found: Any, wanted: Any) -> None:
    source, target = scalar_name(found), scalar_name(wanted)
    if rule == "same" and found is not wanted:
        raise RuntimeError(
            f"Expected out tensor to have dtype {_WORDS[source]}, but got {_WORDS[target]} instead"
        )
    if rule == "cast" and not can_cast(found, wanted):
        raise RuntimeError(
            f"result type {source} can't be cast to the desired output type {target}"
        )
    if rule == "join" and not can_cast(found, wanted):
        raise TypeError(
            f"torch.cat(): input types can't be cast to the desired output type {target}"
        )


def _check_memory(out: Any, operands: list[Any], name: str) -> None:
    if isinstance(out._array, np.ndarray):
        check_overlap(out._array)
        for operand in operands:
            check_partial_overlap(out._array, operand._array)


def _resize(out: Any, shape: tuple[int, ...]) -> None:
    """Give ``out`` another shape, in its own memory where that is large enough."""
    old: Array = out._memory()
    if old.size:
        warnings.warn(
            "An output with one or more elements was resized since it had shape "
            f"{list(old.shape)}, which does not match the required output shape {list(shape)}. "
            "This behavior is deprecated, and in a future PyTorch release outputs will not be "
            "resized unless they have zero elements. You can explicitly reuse an out tensor t by "
            "resizing it, inplace, to zero elements with t.resize_(0).",
            UserWarning,
            stacklevel=4,
        )
    count = 1
    for n in shape:
        count *= n
    if count <= old.size and old.flags.c_contiguous:
        out._array = old.reshape(-1)[:count].reshape(shape)
    else:
        out._array = np.empty(shape, old.dtype)
    out._desc = describe(out._array)


# ---- elementwise: the result may be cast to a wider kind of number -------------------------------

abs = with_out(piecewise.abs)
acos = with_out(pointwise.acos)
acosh = with_out(special.acosh)
add = with_out(arithmetic.add)
addcdiv = with_out(special.addcdiv)
addcmul = with_out(special.addcmul)
angle = with_out(complex_.angle)
asin = with_out(pointwise.asin)
asinh = with_out(special.asinh)
atan = with_out(pointwise.atan)
atan2 = with_out(pointwise.atan2)
atanh = with_out(special.atanh)
bitwise_and = with_out(compare.bitwise_and)
bitwise_left_shift = with_out(compare.bitwise_left_shift)
bitwise_not = with_out(compare.bitwise_not)
bitwise_or = with_out(compare.bitwise_or)
bitwise_right_shift = with_out(compare.bitwise_right_shift)
bitwise_xor = with_out(compare.bitwise_xor)
ceil = with_out(piecewise.ceil)
clamp = with_out(piecewise.clamp, "same")
clamp_max = with_out(piecewise.clamp_max, "same")
clamp_min = with_out(piecewise.clamp_min, "same")
cos = with_out(pointwise.cos)
cosh = with_out(pointwise.cosh)
digamma = with_out(special.digamma)
div = with_out(arithmetic.div)
eq = with_out(compare.eq)
erf = with_out(pointwise.erf)
erfc = with_out(special.erfc)
erfinv = with_out(special.erfinv)
exp = with_out(pointwise.exp)
exp2 = with_out(pointwise.exp2)
expm1 = with_out(pointwise.expm1)
floor = with_out(piecewise.floor)
floor_divide = with_out(special.floor_divide)
fmod = with_out(special.fmod)
frac = with_out(special.frac)
ge = with_out(compare.ge)
gt = with_out(compare.gt)
hypot = with_out(special.hypot)
le = with_out(compare.le)
lerp = with_out(special.lerp)
lgamma = with_out(special.lgamma)
log = with_out(pointwise.log)
log10 = with_out(pointwise.log10)
log1p = with_out(pointwise.log1p)
log2 = with_out(pointwise.log2)
logaddexp = with_out(special.logaddexp)
logical_and = with_out(compare.logical_and)
logical_not = with_out(compare.logical_not)
logical_or = with_out(compare.logical_or)
logical_xor = with_out(compare.logical_xor)
logit = with_out(special.logit)
lt = with_out(compare.lt)
fmax = with_out(piecewise.fmax)
fmin = with_out(piecewise.fmin)
maximum = with_out(piecewise.maximum)
minimum = with_out(piecewise.minimum)
mul = with_out(arithmetic.mul)
nan_to_num = with_out(special.nan_to_num)
ne = with_out(compare.ne)
neg = with_out(pointwise.neg)
polygamma = with_out(special.polygamma)
pow = with_out(pointwise.pow)
reciprocal = with_out(pointwise.reciprocal)
remainder = with_out(special.remainder)
round = with_out(special.round)
rsqrt = with_out(pointwise.rsqrt)
sgn = with_out(complex_.sgn)
sigmoid = with_out(pointwise.sigmoid)
sign = with_out(piecewise.sign)
sin = with_out(pointwise.sin)
sinh = with_out(pointwise.sinh)
sqrt = with_out(pointwise.sqrt)
square = with_out(special.square)
sub = with_out(arithmetic.sub)
tan = with_out(pointwise.tan)
tanh = with_out(pointwise.tanh)
trunc = with_out(piecewise.trunc)
xlogy = with_out(special.xlogy)

# ---- joins ---------------------------------------------------------------------------------------

cat = with_out(join.cat, "join")
stack = with_out(join.stack, "join")

# ---- reductions computed in the dtype of ``out`` -------------------------------------------------

all = with_out(reduce.all, "any")
any = with_out(reduce.any, "any")
cumprod = with_out(norms.cumprod, "dtype")
cumsum = with_out(reduce.cumsum, "dtype")
mean = with_out(reduce.mean)
nansum = with_out(norms.nansum, "any")
prod = with_out(reduce.prod, "dtype")
std = with_out(reduce.std, "any")
sum = with_out(reduce.sum, "dtype")
var = with_out(reduce.var, "any")

# ---- results that keep their dtype ---------------------------------------------------------------

addmm = with_out(matmul_.addmm, "same")
amax = with_out(reduce.amax, "same")
amin = with_out(reduce.amin, "same")
argmax = with_out(reduce.argmax, "same")
argmin = with_out(reduce.argmin, "same")
bmm = with_out(matmul_.bmm, "same")
complex = with_out(complex_.complex, "same")
polar = with_out(complex_.polar, "same")
diag = with_out(arrange.diag, "same")
dot = with_out(matmul_.dot, "same")
gather = with_out(gather_.gather, "same")
index_add = with_out(scatter_.index_add, "same")
index_copy = with_out(scatter_.index_copy, "same")
index_select = with_out(gather_.index_select, "same")
log_softmax = with_out(softmax_.log_softmax, "same")
logsumexp = with_out(norms.logsumexp, "same")
logcumsumexp = with_out(norms.logcumsumexp, "same")
masked_select = with_out(gather_.masked_select, "same")
matmul = with_out(matmul_.matmul, "same")
mm = with_out(matmul_.mm, "same")
mv = with_out(matmul_.mv, "same")
nonzero = with_out(gather_.nonzero, "same")
norm = with_out(norms.norm, "same")
outer = with_out(norms.outer, "same")
scatter = with_out(scatter_.scatter, "same")
scatter_add = with_out(scatter_.scatter_add, "same")
softmax = with_out(softmax_.softmax, "same")
take = with_out(gather_.take, "same")
take_along_dim = with_out(gather_.take_along_dim, "same")
tril = with_out(arrange.tril, "same")
triu = with_out(arrange.triu, "same")
where = with_out(piecewise.where, "same")

# ---- pairs of values and indices -----------------------------------------------------------------

aminmax = with_out(sort_.aminmax, "same")
cummax = with_out(sort_.cummax, "same")
cummin = with_out(sort_.cummin, "same")
kthvalue = with_out(sort_.kthvalue, "same")
mode = with_out(sort_.mode, "same")
max = with_out(sort_.max, "same")
median = with_out(sort_.median, "same")
min = with_out(sort_.min, "same")
sort = with_out(sort_.sort, "same")
topk = with_out(sort_.topk, "same")
