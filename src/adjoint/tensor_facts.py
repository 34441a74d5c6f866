"""What a tensor is and what it holds: shape, layout, values as Python and NumPy see them.

In: the five slots of `TensorBase`.  Out: PyTorch's properties and conversions, the first layer of
`Tensor`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from adjoint._later import Later
from adjoint.array import dtypes
from adjoint.array import layout as layouts
from adjoint.array.descriptor import plain
from adjoint.array.device import Size, device
from adjoint.core.tensor_base import TensorBase, make_tensor
from adjoint.ops import compare, join, matmul, pointwise, reduce

if TYPE_CHECKING:
    from adjoint import printing
else:
    printing = Later("adjoint.printing")

__all__ = ["TensorFacts"]


class TensorFacts(TensorBase):
    """The facts about a tensor, and its values."""

    __slots__ = ()

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
                f"Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got "
                f"{dim})"
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
        if self._desc.type.levels:
            return 0  # of a sample under vmap: its own memory
        root = raw = plain(self._memory())
        while isinstance(root.base, np.ndarray):
            root = root.base
        return int(
            (raw.__array_interface__["data"][0] - root.__array_interface__["data"][0])
            // raw.itemsize
        )

    def data_ptr(self) -> int:
        """The address of the first element; 0 of an empty tensor."""
        raw = plain(self._memory())
        return int(raw.__array_interface__["data"][0]) if raw.size else 0

    def is_contiguous(self, memory_format: Any = None) -> bool:
        """Whether the elements lie in row-major order without gaps."""
        flags = getattr(self._array, "flags", None)
        return True if flags is None else bool(flags.c_contiguous)

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
    layout = layouts.strided
    names: Any = property(lambda self: (None,) * self.ndim)

    # ---- values ------------------------------------------------------------------------------

    def item(self) -> Any:
        """The value of a tensor with one element, as a Python number."""
        raw = self._array
        if raw.size != 1:
            raise RuntimeError(f"a Tensor with {raw.size} elements cannot be converted to Scalar")
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
                "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() "
                "instead."
            )
        return plain(self._memory())

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        raw = self.numpy()
        return np.array(raw, dtype=dtype, copy=copy)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """NumPy's functions on tensors: arithmetic is ours (and differentiable), the rest is
        theirs.
        """
        if method == "__call__" and not kwargs and ufunc in _OPERATORS:
            return _OPERATORS[ufunc](*map(_as_tensor, inputs))
        arrays = [i.numpy() if isinstance(i, TensorFacts) else i for i in inputs]
        result = getattr(ufunc, method)(*arrays, **kwargs)
        return make_tensor(result) if isinstance(result, np.ndarray | np.generic) else result

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

    def _number(self) -> Any:
        """Its value for a conversion to a Python number."""
        if self._array.size != 1:
            raise ValueError("only one element tensors can be converted to Python scalars")
        return self.item()

    def __float__(self) -> float:
        value = self._number()
        if isinstance(value, complex):
            if value.imag:
                raise RuntimeError("value cannot be converted to type double without overflow")
            value = value.real
        return float(value)

    def __int__(self) -> int:
        return int(self._number())

    def __complex__(self) -> complex:
        return complex(self._number())

    def __index__(self) -> int:
        if self._desc.dtype.category >= dtypes.FLOATING or self._array.size != 1:
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(self._array.item())

    def __len__(self) -> int:
        if not self._desc.shape:
            raise TypeError("len() of a 0-d tensor")
        return self._desc.shape[0]

    def __iter__(self) -> Iterator[Any]:
        if not self._desc.shape:
            raise TypeError("iteration over a 0-d tensor")
        return iter(join.unbind(self, 0))

    def __contains__(self, element: Any) -> bool:
        if not isinstance(element, TensorBase | int | float | complex):
            raise RuntimeError(
                "Tensor.__contains__ only supports Tensor or scalar, but you passed in a "
                f"{type(element)}."
            )
        return bool(reduce.any(compare.eq(self, element)))

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self, *, tensor_contents: str | None = None) -> str:
        return printing.tensor_repr(self, tensor_contents)

    def __format__(self, spec: str) -> str:
        return printing.tensor_format(self, spec)


_OPERATORS: dict[Any, Any] = {
    np.add: pointwise.add,
    np.subtract: pointwise.sub,
    np.multiply: pointwise.mul,
    np.divide: pointwise.div,
    np.power: pointwise.pow,
    np.matmul: matmul.matmul,
    np.equal: compare.eq,
    np.not_equal: compare.ne,
    np.less: compare.lt,
    np.less_equal: compare.le,
    np.greater: compare.gt,
    np.greater_equal: compare.ge,
}


def _as_tensor(operand: Any) -> Any:
    return make_tensor(operand) if isinstance(operand, np.ndarray) else operand


def _dense_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    steps, step = [], 1
    for n in reversed(shape):
        steps.append(step)
        step *= max(n, 1)
    return tuple(reversed(steps))
