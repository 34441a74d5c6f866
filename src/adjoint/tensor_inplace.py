"""The in-place methods of tensors: documented aliases of the writes in `adjoint.ops`.

In: operators and their in-place forms.  Out: the third layer of `Tensor`.
"""

from __future__ import annotations

from adjoint.ops import inplace, pointwise, scatter, special
from adjoint.ops.inplace import inplace as in_place
from adjoint.tensor_state import TensorState

__all__ = ["TensorInplace"]


class TensorInplace(TensorState):
    """Methods that overwrite the tensor (core/inplace.py has the rules)."""

    __slots__ = ()

    add_ = __iadd__ = in_place(pointwise.add)
    sub_ = __isub__ = in_place(pointwise.sub)
    mul_ = __imul__ = in_place(pointwise.mul)
    div_ = __itruediv__ = in_place(pointwise.div)
    pow_ = __ipow__ = inplace.pow_
    neg_ = in_place(pointwise.neg)
    exp_ = in_place(pointwise.exp)
    log_ = in_place(pointwise.log)
    sqrt_ = in_place(pointwise.sqrt)
    sin_ = in_place(pointwise.sin)
    cos_ = in_place(pointwise.cos)
    tanh_ = in_place(pointwise.tanh)
    sigmoid_ = in_place(pointwise.sigmoid)
    relu_ = in_place(pointwise.relu)
    abs_ = in_place(pointwise.abs)
    sign_ = in_place(pointwise.sign)
    trunc_ = in_place(pointwise.trunc)
    round_ = in_place(special._round)
    rsqrt_ = in_place(pointwise.rsqrt)
    log1p_ = in_place(pointwise.log1p)
    expm1_ = in_place(pointwise.expm1)
    erf_ = in_place(pointwise.erf)
    remainder_ = in_place(special._remainder)
    fmod_ = in_place(special._fmod)
    floor_divide_ = in_place(special.floor_divide)
    floor_ = in_place(pointwise.floor)
    ceil_ = in_place(pointwise.ceil)
    reciprocal_ = in_place(pointwise.reciprocal)
    copy_ = inplace.copy_
    fill_ = inplace.fill_
    zero_ = inplace.zero_

    scatter_ = scatter.scatter_
    scatter_add_ = scatter.scatter_add_
    index_add_ = scatter.index_add_
    index_copy_ = scatter.index_copy_
    index_fill_ = scatter.index_fill_
    index_put_ = scatter.index_put_
    masked_fill_ = scatter.masked_fill_
    masked_scatter_ = scatter.masked_scatter_
