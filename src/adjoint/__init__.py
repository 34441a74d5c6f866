"""adjoint: automatic differentiation with PyTorch's interface, over NumPy.

>>> import adjoint as torch
>>> x = torch.ones(2, 2, requires_grad=True)
>>> (3 * (x + 2) ** 2).mean().backward()
>>> x.grad
tensor([[4.5000, 4.5000],
        [4.5000, 4.5000]])
"""

import warnings as _warnings

from adjoint import autograd
from adjoint._version import __version__
from adjoint.array import tuning as _tuning
from adjoint.array.device import Size, device
from adjoint.array.dtypes import (
    bfloat16,
    complex64,
    complex128,
    dtype,
    finfo,
    float16,
    float32,
    float64,
    get_default_dtype,
    iinfo,
    int8,
    int16,
    int32,
    int64,
    promote_types,
    set_default_dtype,
    uint8,
)
from adjoint.array.dtypes import bool_ as bool
from adjoint.autograd.anomaly_mode import is_anomaly_check_nan_enabled, is_anomaly_enabled
from adjoint.autograd.grad_mode import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from adjoint.core.plan import set_tensor_world as _set_tensor_world
from adjoint.ops import vocabulary as _vocabulary
from adjoint.ops.arithmetic import add, div, mul, rsub, sub
from adjoint.ops.arrange import (
    atleast_1d,
    atleast_2d,
    broadcast_shapes,
    broadcast_tensors,
    broadcast_to,
    diag,
    diag_embed,
    flip,
    fliplr,
    flipud,
    meshgrid,
    roll,
    rot90,
    tile,
    trace,
    tril,
    triu,
)
from adjoint.ops.cast import can_cast, result_type
from adjoint.ops.compare import (
    allclose,
    bitwise_and,
    bitwise_left_shift,
    bitwise_not,
    bitwise_or,
    bitwise_right_shift,
    bitwise_xor,
    eq,
    equal,
    ge,
    gt,
    isclose,
    isfinite,
    isinf,
    isnan,
    le,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    lt,
    ne,
)
from adjoint.ops.complex import (
    angle,
    complex,
    conj,
    imag,
    real,
    resolve_conj,
    view_as_complex,
    view_as_real,
)
from adjoint.ops.create import (
    arange,
    as_tensor,
    empty,
    eye,
    from_numpy,
    full,
    full_like,
    ones,
    ones_like,
    zeros,
    zeros_like,
)
from adjoint.ops.gather import (
    argwhere,
    gather,
    index_select,
    masked_select,
    nonzero,
    take,
    take_along_dim,
)
from adjoint.ops.join import cat, chunk, split, stack, unbind
from adjoint.ops.matmul import addmm, bmm, dot, matmul, mm, mv
from adjoint.ops.norms import (
    cumprod,
    dist,
    logsumexp,
    nansum,
    norm,
    outer,
    std_mean,
    var_mean,
)
from adjoint.ops.part import diagonal_scatter, select_scatter, slice_scatter
from adjoint.ops.pointwise import (
    abs,
    acos,
    asin,
    atan,
    atan2,
    ceil,
    clamp,
    clamp_max,
    clamp_min,
    cos,
    cosh,
    erf,
    exp,
    exp2,
    expm1,
    floor,
    log,
    log1p,
    log2,
    log10,
    maximum,
    minimum,
    neg,
    pow,
    reciprocal,
    relu,
    rsqrt,
    sigmoid,
    sign,
    sin,
    sinh,
    sqrt,
    tan,
    tanh,
    trunc,
    where,
)
from adjoint.ops.reduce import (
    all,
    amax,
    amin,
    any,
    argmax,
    argmin,
    cumsum,
    is_tensor,
    mean,
    prod,
    std,
    sum,
    var,
)
from adjoint.ops.scatter import (
    index_add,
    index_copy,
    index_fill,
    index_put,
    masked_fill,
    masked_scatter,
    scatter,
    scatter_add,
)
from adjoint.ops.sort import aminmax, argsort, kthvalue, max, median, min, msort, sort, topk
from adjoint.ops.special import (
    acosh,
    addcdiv,
    addcmul,
    asinh,
    atanh,
    digamma,
    erfc,
    erfinv,
    floor_divide,
    fmod,
    frac,
    hypot,
    lerp,
    lgamma,
    logaddexp,
    logit,
    nan_to_num,
    polygamma,
    remainder,
    round,
    square,
    xlogy,
)
from adjoint.ops.view import (
    clone,
    diagonal,
    flatten,
    movedim,
    narrow,
    permute,
    reshape,
    select,
    squeeze,
    t,
    transpose,
    unsqueeze,
)
from adjoint.printing import set_printoptions
from adjoint.tensor import Tensor

# isort: split
# After the module of that name was loaded, so that `adjoint.tensor` is the function.
from adjoint.ops.create import tensor

# PyTorch is silent where NumPy warns (overflow, 0/0). Only warnings raised in our own modules are
# silenced: the user's NumPy keeps its settings.
_warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"adjoint\.")
_set_tensor_world(_vocabulary)
_tuning.apply()

float = float32
double = float64
half = float16
long = int64
int = int32
short = int16
cfloat = complex64
cdouble = complex128
