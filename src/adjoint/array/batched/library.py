"""The array contract over batched arrays: what `vmap` computes with.

In and out: arrays some of which are `BatchedArray`s (array/batched/levels.py).  Every name of
`array/namespace.py` computes all samples together; none of them loops over the samples.
"""

from __future__ import annotations

import sys
from typing import Any

from adjoint.array import numpy_
from adjoint.array.batched import elementwise as pointwise
from adjoint.array.batched import levels, movement, picking, products, tape
from adjoint.array.batched.elementwise import elementwise
from adjoint.array.batched.movement import along, argument, axiswise, joined, last_axes, reduction

Array = Any

# ---- element by element --------------------------------------------------------------------------

absolute = elementwise("absolute")
arccos = elementwise("arccos")
arccosh = elementwise("arccosh")
arcsin = elementwise("arcsin")
arcsinh = elementwise("arcsinh")
arctan = elementwise("arctan")
arctanh = elementwise("arctanh")
ceil = elementwise("ceil")
conj = elementwise("conj")
cos = elementwise("cos")
cosh = elementwise("cosh")
exp = elementwise("exp")
exp2 = elementwise("exp2")
expm1 = elementwise("expm1")
floor = elementwise("floor")
log = elementwise("log")
log10 = elementwise("log10")
log1p = elementwise("log1p")
log2 = elementwise("log2")
rint = elementwise("rint")
sin = elementwise("sin")
sinh = elementwise("sinh")
sqrt = elementwise("sqrt")
tan = elementwise("tan")
tanh = elementwise("tanh")
trunc = elementwise("trunc")
arctan2 = elementwise("arctan2")
floor_divide = elementwise("floor_divide")
fmod = elementwise("fmod")
hypot = elementwise("hypot")
logaddexp = elementwise("logaddexp")
maximum = elementwise("maximum")
minimum = elementwise("minimum")
remainder = elementwise("remainder")
trunc_divide = elementwise("trunc_divide")
where = elementwise("where")
clip = elementwise("clip")
nan_to_num = elementwise("nan_to_num")
power = elementwise("power")
exponential = elementwise("exponential")
sign = elementwise("sign")
abs2 = elementwise("abs2")
erf = elementwise("erf")
erfc = elementwise("erfc")
erfinv = elementwise("erfinv")
lgamma = elementwise("lgamma")
polygamma = elementwise("polygamma")
sigmoid = elementwise("sigmoid")
sigmoid_backward = elementwise("sigmoid_backward")
tanh_backward = elementwise("tanh_backward")
threshold_backward = elementwise("threshold_backward")
greater = elementwise("greater")
greater_equal = elementwise("greater_equal")
less = elementwise("less")
less_equal = elementwise("less_equal")
isfinite = elementwise("isfinite")
isinf = elementwise("isinf")
isnan = elementwise("isnan")
logical_not = elementwise("logical_not")
logical_and = elementwise("logical_and")
logical_or = elementwise("logical_or")
logical_xor = elementwise("logical_xor")
bitwise_not = elementwise("bitwise_not")
bitwise_and = elementwise("bitwise_and")
bitwise_or = elementwise("bitwise_or")
bitwise_xor = elementwise("bitwise_xor")
left_shift = elementwise("left_shift")
right_shift = elementwise("right_shift")
angle = elementwise("angle")
make_complex = elementwise("make_complex")
astype = elementwise("astype")
copy_layout = elementwise("copy_layout")
ones_like = elementwise("ones_like")
zeros_like = elementwise("zeros_like")


def copy(x: Array) -> Array:
    """A copy in C order; a scalar is its own copy."""
    return x.copy()


def imag(x: Array, /) -> Array:
    """The imaginary parts: a view."""
    return x.imag


def real(x: Array, /) -> Array:
    """The real parts: a view."""
    return x.real


# ---- reductions ----------------------------------------------------------------------------------

all = reduction("all")
any = reduction("any")
max = reduction("max")
mean = reduction("mean")
min = reduction("min")
prod = reduction("prod")
sum = reduction("sum")
argmax = argument("argmax")
argmin = argument("argmin")
cumprod = along("cumprod")
cumsum = along("cumsum")
logcumsumexp = along("logcumsumexp")

# ---- what looks at the last axes only ------------------------------------------------------------

view_as_complex = axiswise("view_as_complex")
view_as_real = axiswise("view_as_real")
tril = axiswise("tril")
triu = axiswise("triu")
max_pool = axiswise("max_pool")
max_pool_values = axiswise("max_pool_values")
max_pool_index = axiswise("max_pool_index")
max_pool_take = last_axes("max_pool_take")
max_pool_put = last_axes("max_pool_put")
avg_pool = axiswise("avg_pool")
avg_pool_input = axiswise("avg_pool_input")
pad = axiswise("pad")
pad_mirrored = axiswise("pad_mirrored")
pad_mirrored_sum = axiswise("pad_mirrored_sum")

# ---- arrays become one ---------------------------------------------------------------------------

concatenate = joined("concatenate")
stack = joined("stack")

# ---- what has no samples -------------------------------------------------------------------------

constant_eye = numpy_.constant_eye
full = numpy_.full
scalar_like = numpy_.scalar_like
size = numpy_.size
zeros = numpy_.zeros

# ---- arrangement ---------------------------------------------------------------------------------

as_strided = movement.as_strided
broadcast_to = movement.broadcast_to
broadcast_view = movement.broadcast_view
expand_dims = movement.expand_dims
flip = movement.flip
matrix_t = movement.matrix_t
permute_dims = movement.permute_dims
reshape = movement.reshape
roll = movement.roll
rot90 = movement.rot90
running_extreme = movement.running_extreme
sort = movement.sort
squeeze = movement.squeeze
swapaxes = movement.swapaxes
tile = movement.tile

# ---- picking -------------------------------------------------------------------------------------

diagonal = picking.diagonal
diagonal_embed = picking.diagonal_embed
index_add = picking.index_add
put = picking.put
scatter_add = picking.scatter_add
slice = picking.slice
slice_into = picking.slice_into
sliding = picking.sliding
sliding_add = picking.sliding_add
take = picking.take
take_along_axis = picking.take_along_axis

# ---- products ------------------------------------------------------------------------------------

conv = products.conv
conv_add = products.conv_add
conv_input = products.conv_input
conv_input_add = products.conv_input_add
conv_weight = products.conv_weight
fold = products.fold
matmul = products.matmul
matmul_add = products.matmul_add
unfold = products.unfold

# ---- what the tape asks beyond the contract (and `lift`) -----------------------------------------

alike = tape.alike
check_operands = tape.check_operands
promote = tape.promote
settle = tape.settle
settle_tensor = tape.settle_tensor
straight = pointwise.straight
write = picking.write
written_out = picking.written_out

levels.library[0] = sys.modules[__name__]
