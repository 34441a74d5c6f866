"""class Tensor: PyTorch's names for what the operators and the tape do.

In: raw arrays from the operators, user data from `ops/create.py`.  Out: the object users hold.
Methods are documented aliases of the functions in `adjoint.ops`; only state (gradients, views,
versions) lives here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adjoint._later import Later, Method
from adjoint.array import dtypes
from adjoint.array.device import as_device, device
from adjoint.core import mode as modes
from adjoint.core.duals import copy_tangents
from adjoint.core.tensor_base import TensorBase, register_tensor_class
from adjoint.core.views import slow_descriptor
from adjoint.ops import (
    arithmetic,
    arrange,
    cast,
    compare,
    complex,
    create,
    create_data,
    index,
    join,
    masked,
    norms,
    part,
    piecewise,
    pointwise,
    reduce,
    special,
    strided,
)
from adjoint.ops import gather as picking
from adjoint.ops import matmul as products
from adjoint.ops import scatter as placing
from adjoint.ops import softmax as softmaxes
from adjoint.ops import sort as sorting
from adjoint.ops import view as views
from adjoint.tensor_inplace import TensorInplace

if TYPE_CHECKING:
    from adjoint.ops import create_legacy
else:
    create_legacy = Later("adjoint.ops.create_legacy")

__all__ = ["Tensor"]


class Tensor(TensorInplace):
    """A multi-dimensional array that remembers how it was made.

    ``Tensor(data)`` is PyTorch's old constructor: float32 from (nested) numbers, or uninitialised
    of the given sizes; `adjoint.tensor` keeps the data's own dtype.

    >>> x = Tensor([2.0, 1.0]).requires_grad_()
    >>> (x * x).sum().backward(); x.grad
    tensor([4., 2.])
    """

    __slots__ = ()
    __array_priority__ = 1000
    __hash__ = TensorInplace.__hash__  # defining __eq__ would take it away
    __torch_function__: Any = None

    def __new__(cls, *args: Any, **kwargs: Any) -> Tensor:
        made: Tensor = create_legacy.legacy_tensor(*args, **kwargs)
        return made if cls is Tensor else made.as_subclass(cls)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__torch_function__" not in cls.__dict__ and cls.__torch_function__ is None:
            cls.__torch_function__ = classmethod(_preserve_subclass)

    def as_subclass(self, cls: type[Any]) -> Any:
        """Return a tensor of class ``cls`` over the same data, at the same place in the graph."""
        made = object.__new__(cls)
        made._array = self._memory()
        made._desc = (
            slow_descriptor(self._desc) if cls.__torch_function__ is not None else self._desc
        )
        made._edge = self._edge
        made._counter = self._version_counter()
        made._side = None
        copy_tangents(self, made)
        return made

    # ---- arithmetic --------------------------------------------------------------------------

    __add__ = __radd__ = pointwise.add
    __sub__ = pointwise.sub
    __rsub__ = pointwise._rsub
    __mul__ = __rmul__ = pointwise.mul
    __truediv__ = pointwise.div
    __neg__ = pointwise.neg
    __mod__ = special.remainder
    __floordiv__ = special.floor_divide
    __pow__ = pointwise.pow
    __matmul__ = products.matmul
    __abs__ = piecewise.abs
    __eq__ = compare.eq
    __ne__ = compare.ne
    __lt__ = compare.lt
    __le__ = compare.le
    __gt__ = compare.gt
    __ge__ = compare.ge
    __and__ = __rand__ = compare.bitwise_and
    __or__ = __ror__ = compare.bitwise_or
    __xor__ = __rxor__ = compare.bitwise_xor
    __invert__ = compare.invert
    __pos__ = compare.positive
    __lshift__ = compare.bitwise_left_shift
    __rshift__ = compare.bitwise_right_shift

    def __rtruediv__(self, other: Any) -> Tensor:
        return pointwise.mul(pointwise.reciprocal(self), other)

    def __rpow__(self, other: Any) -> Tensor:
        return pointwise.pow(other, self)

    def __rmod__(self, other: Any) -> Tensor:
        return special._remainder(other, self)

    def __rfloordiv__(self, other: Any) -> Tensor:
        return special.floor_divide(other, self)

    def __rmatmul__(self, other: Any) -> Tensor:
        return products.matmul(other, self)

    __getitem__ = index.getitem
    __setitem__ = index.setitem

    def __delitem__(self, index: Any) -> None:
        raise TypeError("Tensor does not support deleting items")

    # ---- aliases of the operators ------------------------------------------------------------

    add = arithmetic.add
    sub = subtract = arithmetic.sub
    mul = multiply = arithmetic.mul
    div = divide = true_divide = arithmetic.div
    neg = negative = pointwise.neg
    pow = pointwise.pow
    exp = pointwise.exp
    exp2 = pointwise.exp2
    expm1 = pointwise.expm1
    log = pointwise.log
    log2 = pointwise.log2
    log10 = pointwise.log10
    log1p = pointwise.log1p
    sqrt = pointwise.sqrt
    rsqrt = pointwise.rsqrt
    reciprocal = pointwise.reciprocal
    sin = pointwise.sin
    cos = pointwise.cos
    tan = pointwise.tan
    asin = arcsin = pointwise.asin
    acos = arccos = pointwise.acos
    atan = arctan = pointwise.atan
    atan2 = arctan2 = pointwise.atan2
    sinh = pointwise.sinh
    cosh = pointwise.cosh
    tanh = pointwise.tanh
    sigmoid = pointwise.sigmoid
    relu = pointwise.relu
    erf = pointwise.erf
    abs = absolute = piecewise.abs
    sign = piecewise.sign
    floor = piecewise.floor
    ceil = piecewise.ceil
    trunc = piecewise.trunc
    maximum = piecewise.maximum
    minimum = piecewise.minimum
    clamp = clip = piecewise.clamp
    clamp_min = piecewise.clamp_min
    clamp_max = piecewise.clamp_max
    square = special.square
    remainder = special.remainder
    fmod = special.fmod
    floor_divide = special.floor_divide
    round = special.round
    frac = special.frac
    nan_to_num = special.nan_to_num
    lerp = special.lerp
    addcmul = special.addcmul
    addcdiv = special.addcdiv
    hypot = special.hypot
    fmax = piecewise.fmax
    fmin = piecewise.fmin
    logaddexp = special.logaddexp
    asinh = arcsinh = special.asinh
    acosh = arccosh = special.acosh
    atanh = arctanh = special.atanh
    erfc = special.erfc
    erfinv = special.erfinv
    digamma = special.digamma
    lgamma = special.lgamma
    xlogy = special.xlogy
    logit = special.logit

    sum = reduce.sum
    mean = reduce.mean
    prod = reduce.prod
    cumsum = reduce.cumsum
    amax = reduce.amax
    amin = reduce.amin
    argmax = reduce.argmax
    argmin = reduce.argmin
    all = reduce.all
    any = reduce.any
    var = reduce.var
    std = reduce.std
    max = sorting.max
    min = sorting.min
    aminmax = sorting.aminmax
    sort = sorting.sort
    argsort = sorting.argsort
    msort = sorting.msort
    topk = sorting.topk
    kthvalue = sorting.kthvalue
    median = sorting.median
    cummax = sorting.cummax
    cummin = sorting.cummin
    mode = sorting.mode
    nanquantile = quantile = Method("adjoint.ops.quantile")
    softmax = softmaxes.softmax
    log_softmax = softmaxes.log_softmax
    bernoulli = multinomial = Method("adjoint.ops.random_sampling")
    logsumexp = norms.logsumexp
    norm = norms.norm
    dist = norms.dist
    logcumsumexp = norms.logcumsumexp
    cumprod = norms.cumprod
    outer = ger = norms.outer
    nansum = norms.nansum
    count_nonzero = reduce.count_nonzero

    eq = compare.eq
    ne = compare.ne
    lt = compare.lt
    le = compare.le
    gt = compare.gt
    ge = compare.ge
    equal = compare.equal
    isclose = compare.isclose
    allclose = compare.allclose
    bitwise_and = compare.bitwise_and
    bitwise_or = compare.bitwise_or
    bitwise_xor = compare.bitwise_xor
    bitwise_not = compare.bitwise_not
    logical_and = compare.logical_and
    logical_or = compare.logical_or
    logical_xor = compare.logical_xor
    logical_not = compare.logical_not
    isreal = compare.isreal
    positive = compare.positive
    isnan = compare.isnan
    isinf = compare.isinf
    isfinite = compare.isfinite

    real = property(complex.real, doc="The real part, sharing memory.")
    imag = property(complex.imag, doc="The imaginary part, sharing memory.")
    conj = complex.conj
    resolve_conj = complex.resolve_conj
    angle = complex.angle
    sgn = complex.sgn

    new = create.new
    new_empty = create.new_empty
    new_empty_strided = create.new_empty_strided
    new_full = create.new_full
    new_ones = create.new_ones
    new_zeros = create.new_zeros
    new_tensor = create_data.new_tensor

    view = views.view
    reshape = views.reshape
    flatten = views.flatten
    unflatten = views.unflatten
    t = views.t
    transpose = views.transpose
    permute = views.permute
    movedim = views.movedim
    unsqueeze = views.unsqueeze
    squeeze = views.squeeze
    expand = views.expand
    select = views.select
    narrow = views.narrow
    diagonal = views.diagonal
    contiguous = views.contiguous
    clone = views.clone
    flip = arrange.flip
    fliplr = arrange.fliplr
    flipud = arrange.flipud
    roll = arrange.roll
    rot90 = arrange.rot90
    repeat = arrange.repeat
    tile = arrange.tile
    tril = arrange.tril
    triu = arrange.triu
    diag = arrange.diag
    diag_embed = arrange.diag_embed
    trace = arrange.trace
    broadcast_to = arrange.broadcast_to
    swapaxes = swapdims = views.transpose
    moveaxis = views.movedim
    unfold = strided.unfold
    as_strided = strided.as_strided
    ravel = views.ravel
    unbind = join.unbind
    split = join.split
    split_with_sizes = join.split_with_sizes
    tensor_split = join.tensor_split
    hsplit = join.hsplit
    vsplit = join.vsplit
    dsplit = join.dsplit
    chunk = join.chunk

    # ---- picking and placing by index --------------------------------------------------------

    take = picking.take
    take_along_dim = picking.take_along_dim
    index_select = picking.index_select
    masked_select = picking.masked_select
    nonzero = picking.nonzero
    argwhere = picking.argwhere
    gather = picking.gather
    scatter_add = placing.scatter_add
    index_add = placing.index_add
    index_copy = placing.index_copy
    index_fill = placing.index_fill
    index_put = placing.index_put
    masked_fill = masked.masked_fill
    masked_scatter = masked.masked_scatter
    scatter = placing.scatter
    select_scatter = part.select_scatter
    slice_scatter = part.slice_scatter
    diagonal_scatter = part.diagonal_scatter

    matmul = products.matmul
    mm = products.mm
    mv = products.mv
    dot = products.dot
    bmm = products.bmm
    addmm = products.addmm

    def view_as(self, other: Tensor) -> Tensor:
        """Return it in the shape of ``other``, sharing memory."""
        return self.view(other.shape)

    def reshape_as(self, other: Tensor) -> Tensor:
        """Return it in the shape of ``other``."""
        return self.reshape(other.shape)

    def expand_as(self, other: Tensor) -> Tensor:
        """Return it repeated to the shape of ``other``."""
        return self.expand(other.shape)

    def where(self, condition: Tensor, other: Any) -> Tensor:
        """Return its elements where ``condition`` holds, those of ``other`` elsewhere."""
        return piecewise.where(condition, self, other)

    def polygamma(self, n: int) -> Tensor:
        """Return the ``n``-th derivative of the digamma function."""
        return special.polygamma(n, self)

    @property
    def T(self) -> Tensor:
        """The transpose: dims in reverse order."""
        return self.permute(*range(self.ndim - 1, -1, -1)) if self.ndim != 2 else _permute_t(self)

    @property
    def mT(self) -> Tensor:
        """The transpose of the last two dims."""
        return self.transpose(-2, -1)

    @property
    def mH(self) -> Tensor:
        """The conjugate transpose of the last two dims."""
        return views.adjoint(self)

    @property
    def H(self) -> Tensor:
        """The conjugate transpose of a matrix."""
        if self.ndim not in (0, 2):
            raise RuntimeError(
                f"tensor.H is only supported on matrices (2-D tensors). Got {self.ndim}-D tensor."
            )
        return views.adjoint(self)

    adjoint = views.adjoint

    # ---- casting -----------------------------------------------------------------------------

    def to(self, *args: Any, **kwargs: Any) -> Tensor:
        """Return it with another dtype or device; itself if nothing changes and ``copy`` is not
        asked for.
        """
        dtype, copy = kwargs.get("dtype"), kwargs.get("copy", False)
        for arg in args:
            if isinstance(arg, dtypes.dtype):
                dtype = arg
            elif isinstance(arg, TensorBase):
                dtype = arg._desc.dtype
            elif isinstance(arg, (str, device)):
                as_device(arg)
        if kwargs.get("device") is not None:
            as_device(kwargs["device"])
        if dtype is not None and dtype is not self._desc.dtype:
            return cast._to_copy(self, dtype=dtype.numpy)
        return views.clone(self) if copy else self

    def type(self, dtype: Any = None) -> Any:
        """Its type's name, or (given a dtype) a copy of that type."""
        return create.type_of(self) if dtype is None else self.to(create.as_dtype(dtype))

    def type_as(self, other: Tensor) -> Tensor:
        """Return it with the dtype of ``other``."""
        return self.to(other.dtype)

    def float(self) -> Tensor:
        """Return it as float32."""
        return self.to(dtypes.float32)

    def double(self) -> Tensor:
        """Return it as float64."""
        return self.to(dtypes.float64)

    def half(self) -> Tensor:
        """Return it as float16."""
        return self.to(dtypes.float16)

    def bfloat16(self) -> Tensor:
        """Return it as bfloat16."""
        return self.to(dtypes.bfloat16)

    def long(self) -> Tensor:
        """Return it as int64."""
        return self.to(dtypes.int64)

    def int(self) -> Tensor:
        """Return it as int32."""
        return self.to(dtypes.int32)

    def bool(self) -> Tensor:
        """Return it as bool."""
        return self.to(dtypes.bool_)

    def cpu(self) -> Tensor:
        """Return it on the CPU, where it is."""
        return self


def _permute_t(x: Tensor) -> Tensor:
    return views._permute(x, axes=(1, 0))


def _preserve_subclass(cls: Any, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
    """The default `__torch_function__`: compute as plain tensors, return the subclass."""
    with modes.mode_bits(on=modes.OVERRIDES_OFF):
        result = func(*args, **(kwargs or {}))
    return _as(cls, result)


def _as(cls: Any, result: Any) -> Any:
    if isinstance(result, tuple):
        return type(result)(_as(cls, r) for r in result)
    if isinstance(result, TensorBase) and not isinstance(result, cls):
        return result.as_subclass(cls)  # type: ignore[attr-defined]
    return result


register_tensor_class(Tensor)
