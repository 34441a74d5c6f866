"""Products of vectors and matrices.  In: Tensors of one dtype.  Out: their product, recorded as
PyTorch records it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from adjoint.core.errors import scalar_name
from adjoint.core.tensor_base import TensorBase
from adjoint.ops.families import bilinear, general
from adjoint.ops.pointwise import add, mul
from adjoint.ops.view import _t, _unsafe_squeeze, _unsafe_view, expand, reshape, unsqueeze

Array = Any
Tensor = Any


def _mT(xp: Any, x: Array) -> Array:
    return xp.swapaxes(x, -1, -2)


# The second cotangent lies in memory as ``mat2`` does: of a transposed ``mat2`` (the weight of a
# linear
# layer) it is written (g^T a)^T, whose transpose is contiguous.
def _second(xp: Any, g: Array, first: Array, transposed: bool) -> Array:
    if transposed:
        return xp.matrix_t(xp.matmul(xp.matrix_t(g), first))
    return xp.matmul(xp.matrix_t(first), g)


def _is_transposed(mat2: Tensor) -> bool:
    raw = mat2._array
    if type(raw) is not np.ndarray:
        return False
    flags = raw.flags
    return flags.f_contiguous and not flags.c_contiguous


@bilinear(
    lambda xp, g, mat2: xp.matmul(g, xp.matrix_t(mat2)),
    lambda xp, g, input, transposed: _second(xp, g, input, transposed),
)
def _mm(xp: Any, input: Array, mat2: Array, *, transposed: bool) -> Array:
    """Return the product of two matrices."""
    return xp.matmul(input, mat2)


@bilinear(
    lambda xp, g, mat2: xp.matmul(g, _mT(xp, mat2)),
    lambda xp, g, input: xp.matmul(_mT(xp, input), g),
)
def _bmm(xp: Any, input: Array, mat2: Array) -> Array:
    """Return the products of two stacks of matrices."""
    return xp.matmul(input, mat2)


@bilinear(
    lambda xp, g, vec: xp.expand_dims(g, (1,)) * xp.expand_dims(vec, (0,)),
    lambda xp, g, input: xp.matmul(xp.matrix_t(input), g),
)
def _mv(xp: Any, input: Array, vec: Array) -> Array:
    """Return the product of a matrix with a vector."""
    return xp.matmul(input, vec)


@bilinear(lambda xp, g, tensor: g * tensor, lambda xp, g, input: g * input)
def _dot(xp: Any, input: Array, tensor: Array) -> Array:
    """Return the inner product of two vectors."""
    return xp.matmul(input, tensor)


def _addmm_jvp(xp: Any, t: Any, mat1: Array, mat2: Array) -> Array:
    terms = [
        t[0],
        None if t[1] is None else xp.matmul(t[1], mat2),
        None if t[2] is None else xp.matmul(mat1, t[2]),
    ]
    given = [term for term in terms if term is not None]
    total = given[0]
    for term in given[1:]:
        total = total + term
    return total


@general(
    lambda xp, g: g,
    lambda xp, g, mat2: xp.matmul(g, xp.matrix_t(mat2)),
    lambda xp, g, mat1, transposed: _second(xp, g, mat1, transposed),
    jvp=_addmm_jvp,
    node="AddmmBackward0",
)
def _addmm(xp: Any, input: Array, mat1: Array, mat2: Array, *, transposed: bool) -> Array:
    """Return ``input + mat1 @ mat2``."""
    return xp.matmul_add(mat1, mat2, input)


# ---- checks --------------------------------------------------------------------------------------


def _same_dtype(a: Tensor, b: Tensor, what: str) -> None:
    if a.dtype is not b.dtype:
        raise RuntimeError(
            f"expected {what} to have the same dtype, but got: {_c_name(a)} != {_c_name(b)}"
        )


def _same_scalars(a: Tensor, b: Tensor) -> None:
    if a.dtype is not b.dtype:
        raise RuntimeError(
            f"expected scalar type {scalar_name(a.dtype)} but found {scalar_name(b.dtype)}"
        )


def _c_name(t: Tensor) -> str:
    names = {"float32": "float", "float64": "double", "int64": "long int", "int32": "int"}
    names |= {"float16": "c10::Half", "bfloat16": "c10::BFloat16", "bool": "bool"}
    names |= {"int16": "short int", "int8": "signed char", "uint8": "unsigned char"}
    names |= {"complex64": "c10::complex<float>", "complex128": "c10::complex<double>"}
    return names[t.dtype.name]


def _shape_text(t: Tensor) -> str:
    return "x".join(map(str, t.shape))


# ---- PyTorch's functions -------------------------------------------------------------------------


def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """Return the product of two matrices, (n, m) x (m, p) -> (n, p).

    Raises: RuntimeError if an operand is no matrix, sizes do not fit or dtypes differ.
    """
    a, b = input._desc.shape, mat2._desc.shape
    if len(a) != 2:
        raise RuntimeError("self must be a matrix")
    if len(b) != 2:
        raise RuntimeError("mat2 must be a matrix")
    if a[1] != b[0]:
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied ({_shape_text(input)} and "
            f"{_shape_text(mat2)})"
        )
    if input._desc.dtype is not mat2._desc.dtype:
        _same_dtype(input, mat2, "m1 and m2")
    return _mm(input, mat2, transposed=_is_transposed(mat2))


def mv(input: Tensor, vec: Tensor) -> Tensor:
    """Return the product of a matrix (n, m) with a vector (m)."""
    if input.ndim != 2 or vec.ndim != 1:
        raise RuntimeError(f"vector + matrix @ vector expected, got {1}, {input.ndim}, {vec.ndim}")
    if input.shape[1] != vec.shape[0]:
        raise RuntimeError(
            f"size mismatch, got input ({input.shape[0]}), mat ({_shape_text(input)}), vec "
            f"({vec.shape[0]})"
        )
    if input.dtype is not vec.dtype:
        matrix, vector = scalar_name(input.dtype), scalar_name(vec.dtype)
        raise RuntimeError(
            "addmv input tensors must have the same dtype, but got "
            f"{vector}, {matrix}, and {vector}"
        )
    return _mv(input, vec)


def dot(input: Tensor, tensor: Tensor) -> Tensor:
    """Return the inner product of two vectors of one length.

    Raises: RuntimeError if an operand is no vector, lengths or dtypes differ.
    """
    if input.ndim != 1 or tensor.ndim != 1:
        raise RuntimeError(f"1D tensors expected, but got {input.ndim}D and {tensor.ndim}D tensors")
    if input.dtype is not tensor.dtype:
        raise RuntimeError(
            "dot : expected both vectors to have same dtype, but found "
            f"{scalar_name(input.dtype)} and {scalar_name(tensor.dtype)}"
        )
    if input.shape != tensor.shape:
        raise RuntimeError(
            f"inconsistent tensor size, expected tensor [{input.numel()}] and src "
            f"[{tensor.numel()}] to "
            f"have the same number of elements, but got {input.numel()} and {tensor.numel()} "
            "elements "
            "respectively"
        )
    return _dot(input, tensor)


def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """Return the products of two stacks of matrices, (b, n, m) x (b, m, p) -> (b, n, p)."""
    if input.ndim != 3:
        raise RuntimeError("batch1 must be a 3D tensor")
    if mat2.ndim != 3:
        raise RuntimeError("batch2 must be a 3D tensor")
    if input.shape[0] != mat2.shape[0] or input.shape[2] != mat2.shape[1]:
        expected = [input.shape[0], input.shape[2]]
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: {expected} but got: "
            f"{list(mat2.shape[:2])}."
        )
    _same_scalars(input, mat2)
    return _bmm(input, mat2)


def matmul(input: Tensor, other: Tensor) -> Tensor:
    """Return the matrix product; vectors count as rows or columns, stacks of matrices broadcast.

    Shape: (m) x (m) -> (); (n, m) x (m) -> (n); (m) x (m, p) -> (p); (..., n, m) x (..., m, p) ->
    (..., n, p).
    Raises: RuntimeError for 0-d operands, sizes that do not fit, or different dtypes.
    """
    if not isinstance(other, TensorBase):
        raise TypeError(
            f"matmul(): argument 'other' (position 2) must be Tensor, not {type(other).__name__}"
        )
    n, m = len(input._desc.shape), len(other._desc.shape)
    if n == 2 and m == 2:
        return mm(input, other)
    if not n or not m:
        raise RuntimeError(
            f"both arguments to matmul need to be at least 1D, but they are {n}D and {m}D"
        )
    if n == 1 and m == 1:
        return dot(input, other)
    if n == 2 and m == 1:
        return mv(input, other)
    if n == 1 and m == 2:
        return _unsafe_squeeze(mm(unsqueeze(input, 0), other), axis=(0,))
    return _matmul_stacks(input, other, n, m)


def _matmul_stacks(input: Tensor, other: Tensor, n: int, m: int) -> Tensor:
    if m <= 2 and n >= 3:  # one weight for a stack of rows: a single product of matrices
        lead = input.shape[:-1]
        flat = reshape(input, (math.prod(lead), input.shape[-1]))
        if m == 1:
            return _unsafe_view(mv(flat, other), shape=tuple(lead))
        return _unsafe_view(mm(flat, other), shape=(*lead, other.shape[-1]))
    a = unsqueeze(input, 0) if n == 1 else input
    b = unsqueeze(other, -1) if m == 1 else other
    if a.shape[-1] != b.shape[-2]:
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied ({_shape_text(input)} and "
            f"{_shape_text(other)})"
        )
    lead = _broadcast_shape(a.shape[:-2], b.shape[:-2])
    count = math.prod(lead)
    rows, inner, columns = a.shape[-2], a.shape[-1], b.shape[-1]
    a3 = reshape(expand(a, (*lead, rows, inner)), (count, rows, inner))
    b3 = reshape(expand(b, (*lead, inner, columns)), (count, inner, columns))
    shape = (*lead, *(() if n == 1 else (rows,)), *(() if m == 1 else (columns,)))
    return _unsafe_view(bmm(a3, b3), shape=shape)


def _broadcast_shape(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    n = max(len(a), len(b))
    pa, pb = (1,) * (n - len(a)) + tuple(a), (1,) * (n - len(b)) + tuple(b)
    result = []
    for i, (x, y) in enumerate(zip(pa, pb)):
        if x != y and 1 not in (x, y):
            raise RuntimeError(
                f"The size of tensor a ({x}) must match the size of tensor b ({y}) at "
                "non-singleton "
                f"dimension {i}"
            )
        result.append(y if x == 1 else x)
    return tuple(result)


def addmm(
    input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1
) -> Tensor:
    """Return ``beta * input + alpha * (mat1 @ mat2)``."""
    a, b = mat1._desc, mat2._desc
    if len(a.shape) != 2 or len(b.shape) != 2:
        raise RuntimeError(f"mat1 must be a matrix, got {mat1.ndim}-D tensor")
    if a.shape[1] != b.shape[0]:
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied ({_shape_text(mat1)} and "
            f"{_shape_text(mat2)})"
        )
    if not (input._desc.dtype is a.dtype is b.dtype):
        what, first = ("self", input) if input.dtype is not mat2.dtype else ("mat1", mat1)
        raise RuntimeError(
            f"{what} and mat2 must have the same dtype, but got {scalar_name(first.dtype)} and "
            f"{scalar_name(mat2.dtype)}"
        )
    if beta == 1 and alpha == 1:
        return _addmm(input, mat1, mat2, transposed=_is_transposed(mat2))
    return add(mul(input, beta), mul(mm(mat1, mat2), alpha))


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return ``input @ weight.T + bias``.

    Shape: ``input`` (*, in); ``weight`` (out, in); ``bias`` (out); result (*, out).
    Raises: RuntimeError if sizes do not fit or dtypes differ.
    """
    if len(input._desc.shape) == 2 and len(weight._desc.shape) == 2:
        transposed = _t(weight)
        if bias is None:
            return mm(input, transposed)
        a, b, c = input._desc, transposed._desc, bias._desc
        if a.shape[1] == b.shape[0] and a.dtype is b.dtype is c.dtype:
            return _addmm(bias, input, transposed, transposed=_is_transposed(transposed))
        return addmm(bias, input, transposed)
    if bias is not None and input.ndim > 2 and weight.ndim == 2:
        lead = input.shape[:-1]
        flat = reshape(input, (math.prod(lead), input.shape[-1]))
        return reshape(addmm(bias, flat, _t(weight)), (*lead, weight.shape[0]))
    if input._desc.type.levels and input.ndim == 1 and weight.ndim == 2:
        out = mv(weight, input)  # rows of all samples of vmap: one product
    else:
        out = matmul(input, weight.t())
    return out if bias is None else add(out, bias)
