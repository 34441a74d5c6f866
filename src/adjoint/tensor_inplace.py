"""The in-place methods of tensors: documented aliases of the writes in `adjoint.ops`.

In: operators and their in-place forms.  Out: the third layer of `Tensor`.
"""

from __future__ import annotations

from adjoint.ops import (
    compare,
    inplace,
    masked,
    piecewise,
    pointwise,
    random_inplace,
    scatter,
    special,
)
from adjoint.ops import inplace_forms as forms
from adjoint.ops.inplace import inplace as in_place
from adjoint.ops.inplace_forms import operator_form
from adjoint.tensor_state import TensorState

__all__ = ["TensorInplace"]


class TensorInplace(TensorState):
    """Methods that overwrite the tensor (core/inplace.py has the rules)."""

    __slots__ = ()

    # ---- arithmetic --------------------------------------------------------------------------

    add_ = forms.add_
    sub_ = subtract_ = forms.sub_
    mul_ = multiply_ = in_place(pointwise.mul)
    div_ = divide_ = true_divide_ = forms.div_
    pow_ = inplace.pow_
    remainder_ = forms.remainder_
    fmod_ = forms.fmod_
    floor_divide_ = in_place(special.floor_divide)
    lerp_ = forms.lerp_
    addcmul_ = forms.addcmul_
    addcdiv_ = forms.addcdiv_
    bitwise_and_ = in_place(compare.bitwise_and)
    bitwise_or_ = in_place(compare.bitwise_or)
    bitwise_xor_ = in_place(compare.bitwise_xor)
    __iadd__ = operator_form(add_)
    __isub__ = operator_form(sub_)
    __imul__ = operator_form(mul_)
    __itruediv__ = operator_form(div_)
    __ipow__ = operator_form(pow_)
    __ifloordiv__ = operator_form(floor_divide_)
    __imod__ = operator_form(remainder_)
    __iand__ = operator_form(bitwise_and_)
    __ior__ = operator_form(bitwise_or_)
    __ixor__ = operator_form(bitwise_xor_)

    # ---- functions ---------------------------------------------------------------------------

    neg_ = negative_ = in_place(pointwise.neg)
    abs_ = absolute_ = in_place(piecewise.abs)
    sign_ = in_place(piecewise.sign)
    reciprocal_ = in_place(pointwise.reciprocal)
    square_ = forms.square_
    exp_ = in_place(pointwise.exp)
    exp2_ = in_place(pointwise.exp2)
    expm1_ = in_place(pointwise.expm1)
    log_ = in_place(pointwise.log)
    log2_ = in_place(pointwise.log2)
    log10_ = in_place(pointwise.log10)
    log1p_ = in_place(pointwise.log1p)
    sqrt_ = in_place(pointwise.sqrt)
    rsqrt_ = in_place(pointwise.rsqrt)
    sin_ = in_place(pointwise.sin)
    cos_ = in_place(pointwise.cos)
    tan_ = in_place(pointwise.tan)
    asin_ = arcsin_ = in_place(pointwise.asin)
    acos_ = arccos_ = in_place(pointwise.acos)
    atan_ = arctan_ = in_place(pointwise.atan)
    atan2_ = arctan2_ = in_place(pointwise.atan2, numbers=False)
    sinh_ = in_place(pointwise.sinh)
    cosh_ = in_place(pointwise.cosh)
    tanh_ = in_place(pointwise.tanh)
    sigmoid_ = in_place(pointwise.sigmoid)
    relu_ = in_place(pointwise.relu)
    erf_ = in_place(pointwise.erf)
    floor_ = in_place(piecewise.floor)
    ceil_ = in_place(piecewise.ceil)
    trunc_ = in_place(piecewise.trunc)
    round_ = forms.round_
    frac_ = in_place(special.frac)
    clamp_ = clip_ = forms.clamp_
    clamp_min_ = forms.clamp_min_
    clamp_max_ = forms.clamp_max_
    tril_ = forms.tril_
    triu_ = forms.triu_

    # ---- comparisons -------------------------------------------------------------------------

    eq_ = forms.eq_
    ne_ = forms.ne_
    lt_ = forms.lt_
    le_ = forms.le_
    gt_ = forms.gt_
    ge_ = forms.ge_
    logical_not_ = in_place(compare.logical_not)
    logical_and_ = in_place(compare.logical_and, numbers=False)
    logical_or_ = in_place(compare.logical_or, numbers=False)
    logical_xor_ = in_place(compare.logical_xor, numbers=False)

    # ---- writing -----------------------------------------------------------------------------

    copy_ = inplace.copy_
    fill_ = inplace.fill_
    zero_ = inplace.zero_
    scatter_ = scatter.scatter_
    scatter_add_ = scatter.scatter_add_
    index_add_ = scatter.index_add_
    index_copy_ = scatter.index_copy_
    index_fill_ = scatter.index_fill_
    index_put_ = scatter.index_put_
    masked_fill_ = masked.masked_fill_
    masked_scatter_ = masked.masked_scatter_

    # ---- another shape -----------------------------------------------------------------------

    t_ = forms.t_
    transpose_ = swapaxes_ = swapdims_ = forms.transpose_
    unsqueeze_ = forms.unsqueeze_
    squeeze_ = forms.squeeze_
    bernoulli_ = random_inplace.bernoulli_
    cauchy_ = random_inplace.cauchy_
    exponential_ = random_inplace.exponential_
    geometric_ = random_inplace.geometric_
    log_normal_ = random_inplace.log_normal_
    normal_ = random_inplace.normal_
    random_ = random_inplace.random_
    uniform_ = random_inplace.uniform_
