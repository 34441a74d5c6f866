"""adjoint: automatic differentiation with PyTorch's interface, over NumPy.

>>> import adjoint as torch
>>> x = torch.ones(2, 2, requires_grad=True)
>>> (3 * (x + 2) ** 2).mean().backward()
>>> x.grad
tensor([[4.5000, 4.5000],
        [4.5000, 4.5000]])
"""

from __future__ import annotations

import warnings as _warnings
from typing import TYPE_CHECKING as _TYPE_CHECKING

# fmt: off
from adjoint import autograd
from adjoint._later import names as _names
from adjoint._version import __version__
from adjoint.array import tuning as _tuning
from adjoint.array.device import Size, device
from adjoint.array.dtypes import (
    bfloat16, complex64, complex128, dtype, finfo, float16, float32, float64, get_default_dtype,
    iinfo, int8, int16, int32, int64, promote_types, set_default_dtype, uint8,
)
from adjoint.array.dtypes import bool_ as bool
from adjoint.array.layout import (
    channels_last, channels_last_3d, contiguous_format, layout, memory_format, preserve_format,
    sparse_coo, strided,
)
from adjoint.autograd.anomaly_mode import is_anomaly_check_nan_enabled, is_anomaly_enabled
from adjoint.autograd.grad_mode import (
    enable_grad, inference_mode, is_grad_enabled, is_inference_mode_enabled, no_grad,
    set_grad_enabled,
)
from adjoint.autograd.masked import is_masked_gradients_enabled, masked_gradients
from adjoint.core.plan import set_tensor_world as _set_tensor_world
from adjoint.ops import vocabulary as _vocabulary
from adjoint.ops.arithmetic import (
    rsub,
)
from adjoint.ops.arrange import (
    adjoint, atleast_1d, atleast_2d, broadcast_shapes, broadcast_tensors, broadcast_to, diag_embed,
    flip, fliplr, flipud, meshgrid, roll, rot90, tile, trace,
)
from adjoint.ops.cast import can_cast, result_type
from adjoint.ops.compare import (
    allclose, equal, isclose, isfinite, isinf, isnan, isreal, positive,
)
from adjoint.ops.complex import (
    conj, imag, real, resolve_conj, view_as_complex, view_as_real,
)
from adjoint.ops.create import (
    empty, empty_like, empty_permuted, empty_strided, eye, full, full_like, ones, ones_like, zeros,
    zeros_like,
)
from adjoint.ops.create_data import (
    as_tensor, asarray, from_dlpack, from_numpy, frombuffer, scalar_tensor,
)
from adjoint.ops.create_ranges import (
    arange, linspace, logspace, range_ as range, tril_indices, triu_indices,
)
from adjoint.ops.gather import (
    argwhere,
)
from adjoint.ops.join import (
    chunk, dsplit, hsplit, split, split_with_sizes, tensor_split, unbind, vsplit,
)
from adjoint.ops.masked import masked_fill, masked_scatter
from adjoint.ops.norms import (
    dist, pairwise_distance, std_mean, var_mean,
)
from adjoint.ops.part import diagonal_scatter, select_scatter, slice_scatter
from adjoint.ops.pointwise import (
    relu,
)
from adjoint.ops.out import (
    abs, acos, acosh, add, addcdiv, addcmul, addmm, all, amax, amin, aminmax, angle, any, argmax,
    argmin, asin, asinh, atan, atan2, atanh, bitwise_and, bitwise_left_shift, bitwise_not,
    bitwise_or, bitwise_right_shift, bitwise_xor, bmm, cat, ceil, clamp, clamp_max, clamp_min,
    complex, cos, cosh, cummax, cummin, cumprod, cumsum, diag, digamma, div, dot, eq, erf, erfc,
    erfinv, exp, exp2, expm1, floor, floor_divide, fmax, fmin, fmod, frac, gather, ge, gt, hypot,
    index_add, index_copy, index_select, kthvalue, le, lerp, lgamma, log, log10, log1p, log2,
    log_softmax, logaddexp, logcumsumexp, logical_and, logical_not, logical_or, logical_xor, logit,
    logsumexp, lt, masked_select, matmul, max, maximum, mean, median, min, minimum, mm, mode, mul,
    mv, nan_to_num, nansum, ne, neg, nonzero, norm, outer, polar, polygamma, pow, prod, reciprocal,
    remainder, round, rsqrt, scatter, scatter_add, sgn, sigmoid, sign, sin, sinh, softmax, sort,
    sqrt, square, stack, std, sub, sum, take, take_along_dim, tan, tanh, topk, tril, triu, trunc,
    var, where, xlogy,
)
from adjoint.ops.random import (
    Generator, default_generator, fork_rng, get_rng_state, initial_seed, manual_seed, rand,
    rand_like, randint, randint_like, randn, randn_like, randperm, seed, set_rng_state,
)
from adjoint.ops.reduce import (
    count_nonzero, is_complex, is_floating_point, is_nonzero, is_tensor, numel,
)
from adjoint.ops.scatter import (
    index_fill, index_put,
)
from adjoint.ops.sort import argsort, msort
from adjoint.ops.strided import as_strided
from adjoint.ops.view import (
    clone, diagonal, flatten, movedim, narrow, permute, ravel, reshape, select, squeeze, t,
    transpose, unflatten, unsqueeze,
)
from adjoint.tensor import Tensor

if _TYPE_CHECKING:
    from adjoint.ops.adaptive_pool import adaptive_avg_pool1d, adaptive_max_pool1d
    from adjoint.ops.conv import (
        conv1d, conv2d, conv3d, conv_transpose1d, conv_transpose2d, conv_transpose3d,
    )
    from adjoint.ops.create_legacy import (
        BFloat16Tensor, BoolTensor, ByteTensor, CharTensor, DoubleTensor, FloatTensor, HalfTensor,
        IntTensor, LongTensor, ShortTensor,
    )
    from adjoint.ops.einsum import einsum
    from adjoint.ops.embedding import embedding
    from adjoint.ops.norm import batch_norm, layer_norm
    from adjoint.ops.pool import (
        avg_pool1d, max_pool1d, max_pool2d, max_pool3d,
    )
    from adjoint.ops.quantile import nanquantile, quantile
    from adjoint.ops.random_sampling import (
        bernoulli, binomial, multinomial, normal, poisson,
    )
    from adjoint.printing import get_printoptions, set_printoptions

# isort: split
# After the module of that name was loaded, so that `adjoint.tensor` is the function.
from adjoint.ops.create_data import tensor

# PyTorch is silent where NumPy warns (overflow, 0/0). Only warnings raised in our own modules are
# silenced: the user's NumPy keeps its settings.
_warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"adjoint\.")
_set_tensor_world(_vocabulary)
_tuning.apply()

# PyTorch's other names for the same things.
absolute = abs
arccos = acos
arccosh = acosh
arcsin = asin
arcsinh = asinh
arctan = atan
arctan2 = atan2
arctanh = atanh
cdouble = complex128
cfloat = complex64
clip = clamp
concat = cat
concatenate = cat
divide = div
double = float64
float = float32
ger = outer
greater = gt
greater_equal = ge
half = float16
int = int32
less = lt
less_equal = le
long = int64
moveaxis = movedim
multiply = mul
negative = neg
not_equal = ne
short = int16
subtract = sub
swapaxes = transpose
swapdims = transpose
true_divide = div

inf = float64.numpy.type("inf").item()
nan = float64.numpy.type("nan").item()
pi = 3.141592653589793
e = 2.718281828459045

# What is loaded when it is first named: most programs need only some of it.
_PACKAGES = "cuda func functorch nn optim printing sparse testing utils viz"
_HOMES = {
    "derivatives": (
        "grad hessian hessian_diagonal hvp jacobian laplacian prepare_hessian prepare_hvp "
        "prepare_jacobian value_and_grad value_and_hessian value_and_jacobian"
    ),
    "func": "vmap",
    "ops.adaptive_pool": "adaptive_avg_pool1d adaptive_max_pool1d",
    "ops.conv": "conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d",
    "ops.create_legacy": (
        "BFloat16Tensor BoolTensor ByteTensor CharTensor DoubleTensor FloatTensor "
        "HalfTensor IntTensor LongTensor ShortTensor"
    ),
    "ops.einsum": "einsum",
    "ops.embedding": "embedding",
    "ops.norm": "batch_norm layer_norm",
    "ops.pool": "avg_pool1d max_pool1d max_pool2d max_pool3d",
    "ops.quantile": "nanquantile quantile",
    "ops.random_sampling": "bernoulli binomial multinomial normal poisson",
    "printing": "get_printoptions set_printoptions",
}
_LATER = {name: f"adjoint.{name}" for name in _PACKAGES.split()} | {
    name: f"adjoint.{home}" for home, names in _HOMES.items() for name in names.split()
}
__getattr__ = _names(__name__, _LATER)


def __dir__() -> list[str]:
    return sorted({*__all__, *_LATER})


__all__ = [
    "BFloat16Tensor", "BoolTensor", "ByteTensor", "CharTensor", "DoubleTensor", "FloatTensor",
    "Generator", "HalfTensor", "IntTensor", "LongTensor", "ShortTensor", "Size", "Tensor",
    "__version__", "abs", "absolute", "acos", "acosh", "adaptive_avg_pool1d", "adaptive_max_pool1d",
    "add", "addcdiv", "addcmul", "addmm", "adjoint", "all", "allclose", "amax", "amin", "aminmax",
    "angle", "any", "arange", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2",
    "arctanh", "argmax", "argmin", "argsort", "argwhere", "as_strided", "as_tensor", "asarray",
    "asin", "asinh", "atan", "atan2", "atanh", "atleast_1d", "atleast_2d", "autograd", "avg_pool1d",
    "batch_norm", "bernoulli", "bfloat16", "binomial", "bitwise_and", "bitwise_left_shift",
    "bitwise_not", "bitwise_or", "bitwise_right_shift", "bitwise_xor", "bmm", "bool",
    "broadcast_shapes", "broadcast_tensors", "broadcast_to", "can_cast", "cat", "cdouble", "ceil",
    "cfloat", "channels_last", "channels_last_3d", "chunk", "clamp", "clamp_max", "clamp_min",
    "clip", "clone", "complex", "complex64", "complex128", "concat", "concatenate", "conj",
    "contiguous_format", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d",
    "conv_transpose3d", "cos", "cosh", "count_nonzero", "cummax", "cummin", "cumprod", "cumsum",
    "default_generator", "device", "diag", "diag_embed", "diagonal", "diagonal_scatter", "digamma",
    "dist", "div", "divide", "dot", "double", "dsplit", "dtype", "e", "einsum", "embedding",
    "empty", "empty_like", "empty_permuted", "empty_strided", "enable_grad", "eq", "equal", "erf",
    "erfc", "erfinv", "exp", "exp2", "expm1", "eye", "finfo", "flatten", "flip", "fliplr", "flipud",
    "float", "float16", "float32", "float64", "floor", "floor_divide", "fmax", "fmin", "fmod",
    "fork_rng", "frac", "from_dlpack", "from_numpy", "frombuffer", "full", "full_like", "gather",
    "ge", "ger", "get_default_dtype", "get_printoptions", "get_rng_state", "greater",
    "greater_equal", "gt", "half", "hsplit", "hypot", "iinfo", "imag", "index_add", "index_copy",
    "index_fill", "index_put", "index_select", "inf", "inference_mode", "initial_seed", "int",
    "int8", "int16", "int32", "int64", "is_anomaly_check_nan_enabled", "is_anomaly_enabled",
    "is_complex", "is_floating_point", "is_grad_enabled", "is_inference_mode_enabled",
    "is_masked_gradients_enabled", "is_nonzero", "is_tensor", "isclose", "isfinite", "isinf",
    "isnan", "isreal", "kthvalue", "layer_norm", "layout", "le", "lerp", "less", "less_equal",
    "lgamma", "linspace", "log", "log1p", "log2", "log10", "log_softmax", "logaddexp",
    "logcumsumexp", "logical_and", "logical_not", "logical_or", "logical_xor", "logit", "logspace",
    "logsumexp", "long", "lt", "manual_seed", "masked_fill", "masked_gradients", "masked_scatter",
    "masked_select", "matmul", "max", "max_pool1d", "max_pool2d", "max_pool3d", "maximum", "mean",
    "median", "memory_format", "meshgrid", "min", "minimum", "mm", "mode", "moveaxis", "movedim",
    "msort", "mul", "multinomial", "multiply", "mv", "nan", "nan_to_num", "nanquantile", "nansum",
    "narrow", "ne", "neg", "negative", "no_grad", "nonzero", "norm", "normal", "not_equal", "numel",
    "ones", "ones_like", "outer", "pairwise_distance", "permute", "pi", "poisson", "polar",
    "polygamma", "positive", "pow", "preserve_format", "prod", "promote_types", "quantile", "rand",
    "rand_like", "randint", "randint_like", "randn", "randn_like", "randperm", "range", "ravel",
    "real", "reciprocal", "relu", "remainder", "reshape", "resolve_conj", "result_type", "roll",
    "rot90", "round", "rsqrt", "rsub", "scalar_tensor", "scatter", "scatter_add", "seed", "select",
    "select_scatter", "set_default_dtype", "set_grad_enabled", "set_printoptions", "set_rng_state",
    "sgn", "short", "sigmoid", "sign", "sin", "sinh", "slice_scatter", "softmax", "sort",
    "sparse_coo", "split", "split_with_sizes", "sqrt", "square", "squeeze", "stack", "std",
    "std_mean", "strided", "sub", "subtract", "sum", "swapaxes", "swapdims", "t", "take",
    "take_along_dim", "tan", "tanh", "tensor", "tensor_split", "tile", "topk", "trace", "transpose",
    "tril", "tril_indices", "triu", "triu_indices", "true_divide", "trunc", "uint8", "unbind",
    "unflatten", "unsqueeze", "var", "var_mean", "view_as_complex", "view_as_real", "vsplit",
    "where", "xlogy", "zeros", "zeros_like",
]
