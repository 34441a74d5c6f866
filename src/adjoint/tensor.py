"""class Tensor: PyTorch's names for what the operators and the tape do.

In: raw arrays from the operators, user data from `ops/create.py`.  Out: the object users hold. Methods are
documented aliases of the functions in `adjoint.ops`; only state (gradients, views, versions) lives here.
"""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np

from adjoint.array import dtypes
from adjoint.array.descriptor import SCALAR, describe
from adjoint.array.device import Size, as_device, device
from adjoint.core import backward as backward_
from adjoint.core import hooks as hooks_
from adjoint.core.inplace import check_writable, import_retain
from adjoint.core.node import AccumulateGrad, node_of
from adjoint.core.tensor_base import Counter, TensorBase, make_tensor, register_tensor_class
from adjoint.ops import cast, compare, create, index, inplace, join, pointwise, reduce
from adjoint.ops import matmul as products
from adjoint.ops import view as views
from adjoint.ops.inplace import inplace as in_place
from adjoint.printing import tensor_repr

__all__ = ["Tensor"]


class _TensorMeta(type):
    """Makes ``isinstance`` and calls of `Tensor` behave as PyTorch's."""


class Tensor(TensorBase):
    """A multi-dimensional array that remembers how it was made.

    ``Tensor(data)`` is PyTorch's old constructor: float32 from (nested) numbers, or uninitialised of the given
    sizes; `adjoint.tensor` keeps the data's own dtype.

    >>> x = Tensor([2.0, 1.0]).requires_grad_()
    >>> (x * x).sum().backward(); x.grad
    tensor([4., 2.])
    """

    __slots__ = ()
    __array_priority__ = 1000
    __torch_function__: Any = None

    def __new__(cls, *args: Any, **kwargs: Any) -> Tensor:
        made: Tensor = create.legacy_tensor(*args, **kwargs)
        return made if cls is Tensor else made.as_subclass(cls)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__torch_function__" not in cls.__dict__ and cls.__torch_function__ is None:
            cls.__torch_function__ = classmethod(_preserve_subclass)

    def as_subclass(self, cls: type[Any]) -> Any:
        """Return a tensor of class ``cls`` over the same data, at the same place in the graph."""
        made = object.__new__(cls)
        made._array = self._memory()
        made._desc = _slow_descriptor(self._desc) if cls.__torch_function__ is not None else self._desc
        made._edge = self._edge
        made._counter = self._version_counter()
        made._side = None
        return made

    # ---- what it is --------------------------------------------------------------------------

    @property
    def shape(self) -> Size:
        """The sizes of its dims."""
        return self._desc.size

    @property
    def dtype(self) -> dtypes.dtype:
        """The type of its elements."""
        return self._desc.dtype

    @property
    def device(self) -> device:
        """Where its elements live."""
        return self._desc.type.device

    @property
    def ndim(self) -> int:
        """The number of its dims."""
        return len(self._desc.shape)

    @property
    def itemsize(self) -> int:
        """The bytes of one element."""
        return self._desc.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """The bytes of all elements."""
        return self._desc.dtype.itemsize * self.numel()

    def dim(self) -> int:
        """The number of dims."""
        return len(self._desc.shape)

    ndimension = dim

    def size(self, dim: int | None = None) -> Any:
        """The sizes of all dims, or of one."""
        if dim is None:
            return self._desc.size
        n = len(self._desc.shape)
        if not -n <= dim < n:
            if not n:
                raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
            raise IndexError(
                f"Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got {dim})"
            )
        return self._desc.shape[dim]

    def numel(self) -> int:
        """The number of elements."""
        count = 1
        for n in self._desc.shape:
            count *= n
        return count

    nelement = numel

    def element_size(self) -> int:
        """The bytes of one element."""
        return self._desc.dtype.itemsize

    def stride(self, dim: int | None = None) -> Any:
        """The elements between neighbours along each dim, or along one."""
        raw = self._array
        steps = (
            tuple(s // raw.itemsize for s in raw.strides)
            if raw.size
            else _dense_strides(self._desc.shape)
        )
        return steps if dim is None else steps[dim]

    def storage_offset(self) -> int:
        """The elements between the start of the memory and the first element."""
        raw = self._memory()
        root = raw
        while isinstance(root.base, np.ndarray):
            root = root.base
        return int((raw.__array_interface__["data"][0] - root.__array_interface__["data"][0]) // raw.itemsize)

    def data_ptr(self) -> int:
        """The address of the first element; 0 of an empty tensor."""
        raw = self._memory()
        return int(raw.__array_interface__["data"][0]) if raw.size else 0

    def is_contiguous(self, memory_format: Any = None) -> bool:
        """Whether the elements lie in row-major order without gaps."""
        raw = self._array
        return bool(raw.flags.c_contiguous) if isinstance(raw, np.ndarray) else True

    def is_floating_point(self) -> bool:
        """Whether the dtype is a floating-point one."""
        return self._desc.dtype.is_floating_point

    def is_complex(self) -> bool:
        """Whether the dtype is a complex one."""
        return self._desc.dtype.is_complex

    def is_signed(self) -> bool:
        """Whether the dtype has negative values."""
        return self._desc.dtype.is_signed

    is_cuda = False
    is_sparse = False
    is_quantized = False
    is_meta = False
    layout = "torch.strided"
    names: Any = property(lambda self: (None,) * self.ndim)

    # ---- its place on the tape ---------------------------------------------------------------

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow to it."""
        return self._edge is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Begin (or stop) recording what is done with this leaf; return it.

        Raises: RuntimeError for integer tensors, and for stopping at a tensor that is not a leaf.
        """
        edge = self._edge
        if requires_grad:
            if edge is None:
                if self._desc.dtype.category < dtypes.FLOATING:
                    raise RuntimeError(
                        "only Tensors of floating point and complex dtype can require gradients"
                    )
                side = self._side
                if side is not None and side.inference:
                    raise RuntimeError(
                        "Setting requires_grad=True on inference tensor outside InferenceMode is not "
                        "allowed."
                    )
                if side is not None and side.accumulator is not None:
                    self._edge = side.accumulator
                    self._edge.adopt(self)
                else:
                    self._edge = AccumulateGrad(self)
                    if side is not None and side.grad is not None:
                        self._edge.grad = side.grad
        elif edge is not None:
            if not edge.leaf:
                raise RuntimeError(
                    "you can only change requires_grad flags of leaf variables. If you want to use a "
                    "computed variable in a subgraph that doesn't require differentiation use "
                    "var_no_grad = var.detach()."
                )
            self._rare().accumulator = edge
            self._edge = None
        return self

    @property
    def is_leaf(self) -> bool:
        """Whether it is not the result of a recorded operation."""
        return self._edge is None or self._edge.leaf

    @property
    def grad_fn(self) -> Any:
        """The node that made it, or None."""
        return node_of(self._edge)

    @property
    def output_nr(self) -> int:
        """Which output of its node it is."""
        return 0 if self._edge is None else self._edge.nr

    @property
    def grad(self) -> Any:
        """The accumulated gradient, or None."""
        edge = self._edge
        if edge is not None and edge.leaf:
            return edge.grad
        side = self._side
        if edge is not None and (side is None or not side.retain):
            warnings.warn(
                "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its .grad "
                "attribute won't be populated during autograd.backward(). If you indeed want the .grad "
                "field to be populated for a non-leaf Tensor, use .retain_grad() on the non-leaf "
                "Tensor. If you access the non-leaf Tensor by mistake, make sure you access the leaf "
                "Tensor instead. See github.com/pytorch/pytorch/pull/30531 for more informations.",
                UserWarning,
                stacklevel=2,
            )
        if side is None:
            return None
        return side.accumulator.grad if side.accumulator is not None else side.grad

    @grad.setter
    def grad(self, value: Any) -> None:
        if value is not None:
            _check_grad(self, value)
        edge = self._edge
        if edge is not None and edge.leaf:
            edge.grad = value
            return
        side = self._rare()
        if side.accumulator is not None:
            side.accumulator.grad = value
        else:
            side.grad = value

    @grad.deleter
    def grad(self) -> None:
        self.grad = None

    @property
    def _version(self) -> int:
        if self._side is not None and self._side.inference:
            raise RuntimeError("Inference tensors do not track version counter.")
        return 0 if self._counter is None else self._counter.value

    @property
    def _base(self) -> Any:
        return None if self._side is None else self._side.base

    def _is_view(self) -> bool:
        return self._side is not None and self._side.base is not None

    @property
    def retains_grad(self) -> bool:
        """Whether ``.grad`` will be kept although it is not a leaf."""
        return self._side is not None and self._side.retain and not self.is_leaf

    def retain_grad(self) -> None:
        """Keep ``.grad`` of a tensor that is not a leaf.

        Raises: RuntimeError if it does not require grad.
        """
        if self._edge is None:
            raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
        if self._edge.leaf:
            return
        self._rare().retain = True
        import_retain(self)

    def is_inference(self) -> bool:
        """Whether it was made in inference mode."""
        return self._side is not None and self._side.inference

    def detach(self) -> Tensor:
        """Return a tensor over the same memory that is cut off from the graph."""
        made = make_tensor(self._memory(), None, self._desc)
        made._counter = self._version_counter()
        if self._side is not None and self._side.inference:
            made._rare().inference = True
        return made

    def detach_(self) -> Tensor:
        """Cut this tensor off from the graph, in place.

        Raises: RuntimeError for views.
        """
        if self._is_view():
            raise RuntimeError(
                "Can't detach views in-place. Use detach() instead. If you are using "
                "DistributedDataParallel (DDP) for training, and gradient_as_bucket_view is set as True, "
                "gradients are views of DDP buckets, and hence detach_() cannot be called on these "
                "gradients. To fix this error, please refer to the Optimizer.zero_grad() function in "
                "torch/optim/optimizer.py as a solution."
            )
        self._edge = None
        return self

    @property
    def data(self) -> Tensor:
        """A tensor over the same memory whose changes the tape does not see."""
        made = make_tensor(self._memory(), None, self._desc)
        made._counter = Counter()
        return made

    @data.setter
    def data(self, value: Tensor) -> None:
        if not isinstance(value, TensorBase):
            raise TypeError(f"Variable data has to be a tensor, but got {type(value).__name__}")
        self._array = value._memory()
        self._desc = value._desc
        if self._edge is not None and self._edge.leaf:
            self._edge.adopt(self)

    def backward(
        self,
        gradient: Any = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Any = None,
    ) -> None:
        """Accumulate the gradient of this tensor into the ``.grad`` of the leaves that led to it.

        ``gradient``: the weight of each element (not needed for one element); ``retain_graph``: keep what
        the graph saved, for another backward; ``create_graph``: record the backward itself; ``inputs``: only
        these leaves. Raises: RuntimeError if there is no graph, it was freed, or ``gradient`` is missing or
        of another shape.
        """
        backward_.backward(self, gradient, retain_graph, create_graph, inputs=inputs)

    def register_hook(self, hook: Any) -> Any:
        """Call ``hook(grad)`` when the gradient of this tensor is known; a result replaces it.

        Returns: a handle whose ``remove()`` takes the hook off.
        """
        if self._edge is None:
            raise RuntimeError(
                "cannot register a hook on a tensor that doesn't require gradient"
            )
        return backward_.add_tensor_hook(self._edge, hook)

    def register_post_accumulate_grad_hook(self, hook: Any) -> Any:
        """Call ``hook(tensor)`` after the gradient of this leaf was accumulated."""
        if self._edge is None:
            raise RuntimeError(
                "cannot register a hook on a tensor that doesn't require gradient"
            )
        if not self._edge.leaf:
            raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
        return backward_.add_accumulated_hook(self._edge, hook)

    # ---- values ------------------------------------------------------------------------------

    def item(self) -> Any:
        """The value of a tensor with one element, as a Python number."""
        raw = self._array
        if raw.size != 1:
            raise RuntimeError(
                f"a Tensor with {raw.size} elements cannot be converted to Scalar"
            )
        value = raw.item()
        return float(value) if self._desc.dtype is dtypes.bfloat16 else value

    def tolist(self) -> Any:
        """Its values as nested lists of Python numbers."""
        if self._desc.dtype is dtypes.bfloat16:
            return self._array.astype(np.float32).tolist()
        return self._array.tolist()

    def numpy(self, *, force: bool = False) -> Any:
        """A NumPy array over the same memory.

        Raises: RuntimeError for a tensor that requires grad, unless ``force``.
        """
        if self._edge is not None and not force:
            raise RuntimeError(
                "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead."
            )
        return self._memory()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        raw = self.numpy()
        return np.array(raw, dtype=dtype, copy=copy)

    def __array_ufunc__(self, *args: Any, **kwargs: Any) -> Any:
        return NotImplemented

    def __dlpack__(self, **kwargs: Any) -> Any:
        return self.numpy().__dlpack__(**kwargs)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._memory().__dlpack_device__()

    def __bool__(self) -> bool:
        raw = self._array
        if raw.size != 1:
            if not raw.size:
                raise RuntimeError("Boolean value of Tensor with no values is ambiguous")
            raise RuntimeError("Boolean value of Tensor with more than one value is ambiguous")
        return bool(raw)

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __complex__(self) -> complex:
        return complex(self.item())

    def __index__(self) -> int:
        if self._desc.dtype.category >= dtypes.FLOATING or self._array.size != 1:
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(self._array.item())

    def __len__(self) -> int:
        if not self._desc.shape:
            raise TypeError("len() of a 0-d tensor")
        return self._desc.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        if not self._desc.shape:
            raise TypeError("iteration over a 0-d tensor")
        return iter(join.unbind(self, 0))

    def __contains__(self, element: Any) -> bool:
        return bool(reduce.any(compare.eq(self, element)))

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self, *, tensor_contents: str | None = None) -> str:
        return tensor_repr(self)

    def __format__(self, spec: str) -> str:
        if not self._desc.shape:
            return format(self.item(), spec)
        return object.__format__(self, spec)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        found = memo.get(id(self))
        if found is not None:
            return found  # type: ignore[no-any-return]
        return _deepcopy(self, memo)

    def __reduce_ex__(self, protocol: Any) -> Any:
        if not self.is_leaf:
            raise RuntimeError(
                "Only Tensors created explicitly by the user (graph leaves) support the deepcopy "
                "protocol at the moment."
            )
        state = (self.detach().numpy(), self.requires_grad, type(self), dict(self.__dict__))
        return (_rebuild, state)

    # ---- arithmetic --------------------------------------------------------------------------

    __add__ = __radd__ = pointwise.add
    __sub__ = pointwise.sub
    __rsub__ = pointwise._rsub
    __mul__ = __rmul__ = pointwise.mul
    __truediv__ = pointwise.div
    __neg__ = pointwise.neg
    __pow__ = pointwise.pow
    __matmul__ = products.matmul
    __abs__ = pointwise.abs
    __eq__ = compare.eq
    __ne__ = compare.ne
    __lt__ = compare.lt
    __le__ = compare.le
    __gt__ = compare.gt
    __ge__ = compare.ge
    __and__ = __rand__ = compare.bitwise_and
    __or__ = __ror__ = compare.bitwise_or
    __xor__ = __rxor__ = compare.bitwise_xor
    __invert__ = compare.bitwise_not

    def __pos__(self) -> Tensor:
        return self

    def __rtruediv__(self, other: Any) -> Tensor:
        return pointwise.mul(pointwise.reciprocal(self), other)

    def __rpow__(self, other: Any) -> Tensor:
        return pointwise._pow(other, self)

    def __rmatmul__(self, other: Any) -> Tensor:
        return products.matmul(other, self)

    add_ = __iadd__ = in_place(pointwise.add)
    sub_ = __isub__ = in_place(pointwise.sub)
    mul_ = __imul__ = in_place(pointwise.mul)
    div_ = __itruediv__ = in_place(pointwise.div)
    pow_ = __ipow__ = inplace.pow_

    __getitem__ = index.getitem
    __setitem__ = index.setitem

    # ---- aliases of the operators ------------------------------------------------------------

    add = pointwise.add
    sub = subtract = pointwise.sub
    mul = multiply = pointwise.mul
    div = divide = true_divide = pointwise.div
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
    abs = absolute = pointwise.abs
    sign = pointwise.sign
    floor = pointwise.floor
    ceil = pointwise.ceil
    trunc = pointwise.trunc
    maximum = pointwise.maximum
    minimum = pointwise.minimum
    clamp = clip = pointwise.clamp

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
    floor_ = in_place(pointwise.floor)
    ceil_ = in_place(pointwise.ceil)
    reciprocal_ = in_place(pointwise.reciprocal)
    copy_ = inplace.copy_
    fill_ = inplace.fill_
    zero_ = inplace.zero_

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

    eq = compare.eq
    ne = compare.ne
    lt = compare.lt
    le = compare.le
    gt = compare.gt
    ge = compare.ge
    equal = compare.equal
    isclose = compare.isclose
    allclose = compare.allclose
    isnan = compare.isnan
    isinf = compare.isinf
    isfinite = compare.isfinite

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
    unbind = join.unbind
    split = join.split
    chunk = join.chunk

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

    @property
    def T(self) -> Tensor:
        """The transpose: dims in reverse order."""
        return self.permute(*range(self.ndim - 1, -1, -1)) if self.ndim != 2 else _permute_t(self)

    @property
    def mT(self) -> Tensor:
        """The transpose of the last two dims."""
        return self.transpose(-2, -1)

    # ---- casting -----------------------------------------------------------------------------

    def to(self, *args: Any, **kwargs: Any) -> Tensor:
        """Return it with another dtype or device; itself if nothing changes and ``copy`` is not asked for."""
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


def _dense_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    steps, step = [], 1
    for n in reversed(shape):
        steps.append(step)
        step *= max(n, 1)
    return tuple(reversed(steps))


def _slow_descriptor(desc: Any) -> Any:
    """A descriptor equal to ``desc`` that keeps subclass instances off the straight path."""
    made = object.__new__(type(desc))
    for name in type(desc).__slots__:
        setattr(made, name, getattr(desc, name))
    made.fast = 0
    made.result = made
    return made


def _preserve_subclass(cls: Any, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
    """The default `__torch_function__`: compute as plain tensors, return the subclass."""
    from adjoint.core import mode as modes  # noqa: PLC0415

    with modes.mode_bits(on=modes.OVERRIDES_OFF):
        result = func(*args, **(kwargs or {}))
    return _as(cls, result)


def _as(cls: Any, result: Any) -> Any:
    if isinstance(result, tuple):
        return type(result)(_as(cls, r) for r in result)
    if isinstance(result, TensorBase) and not isinstance(result, cls):
        return result.as_subclass(cls)  # type: ignore[attr-defined]
    return result


def _check_grad(t: Tensor, value: Any) -> None:
    if not isinstance(value, TensorBase):
        raise TypeError(
            f"assigned grad expected to be a Tensor or None but got grad of type {type(value).__name__}"
        )
    if value is t:
        raise RuntimeError("can't assign Variable as its own grad")
    if value._desc.dtype is not t._desc.dtype:
        raise RuntimeError(
            f"attempting to assign a gradient with dtype '{_cpp(value)}' to a tensor with grad_dtype "
            f"'{_cpp(t)}'. The gradient must match the tensor's grad_dtype (defaults to the tensor's "
            "dtype). You can set the tensor's grad_dtype attribute with a specific dtype, or None to "
            "allow any dtype."
        )
    if value._desc.shape != t._desc.shape:
        raise RuntimeError(
            f"assigned grad has data of a different size: the tensor has {list(t.shape)}, the gradient "
            f"{list(value._desc.shape)}"
        )


def _cpp(t: TensorBase) -> str:
    return {"float32": "float", "float64": "double", "int64": "long"}.get(
        t._desc.dtype.name, t._desc.dtype.name
    )


def _rebuild(array: Any, requires_grad: bool, cls: Any, attributes: dict[str, Any]) -> Any:
    made = make_tensor(array)
    if cls is not type(made):
        made = made.as_subclass(cls)
    made.__dict__.update(attributes)
    return made.requires_grad_(requires_grad) if requires_grad else made


def _deepcopy(t: Tensor, memo: dict[int, Any]) -> Any:
    if not t.is_leaf:
        raise RuntimeError(
            "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at "
            "the moment.  If you were attempting to deepcopy a module, this may be because of a torch.nn."
            "utils.weight_norm usage, see https://github.com/pytorch/pytorch/pull/103001"
        )
    raw = t._array
    made = make_tensor(raw.copy() if isinstance(raw, np.ndarray) else raw)
    if type(t) is not type(made):
        made = made.as_subclass(type(t))
    memo[id(t)] = made
    if t.requires_grad:
        made.requires_grad_()
    if t.is_leaf and t.grad is not None:
        made.grad = _deepcopy(t.grad, memo)
    if t.__dict__:
        import copy  # noqa: PLC0415

        made.__dict__.update(copy.deepcopy(t.__dict__, memo))
    return made


register_tensor_class(Tensor)
_ = (SCALAR, describe, hooks_, check_writable, weakref)
