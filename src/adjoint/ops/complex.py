"""Complex numbers: their parts, conjugates and angles.

In: complex (or real) Tensors.  Out: Tensors. Not holomorphic: the rules are written out, by
PyTorch's convention (the cotangent of a complex tensor is d/d real + i d/d imag).
"""

from __future__ import annotations

from typing import Any

from adjoint.core.errors import scalar_name
from adjoint.ops.arguments import tensor_argument
from adjoint.ops.create_options import tensor_operand
from adjoint.ops.families import elementwise, general, linear, movement
from adjoint.ops.pointwise import cos, sin
from adjoint.ops.view import select

Array = Any
Tensor = Any


@linear(lambda xp, g: xp.conj(g), holomorphic=False, node="ConjBackward0")
def _conj(xp: Any, input: Array) -> Array:
    """Return the complex conjugate."""
    return xp.conj(input)


def conj(input: Tensor) -> Tensor:
    """Return the complex conjugate; a real tensor as it is."""
    return _conj(input) if input.is_complex() else input


def resolve_conj(input: Tensor) -> Tensor:
    """Return ``input``: conjugates are computed at once here."""
    return input


@movement(lambda xp, g: xp.view_as_complex(g), holomorphic=False)
def _view_as_real(xp: Any, input: Array) -> Array:
    """Return the real and imaginary parts along a new last axis."""
    return xp.view_as_real(input)


@movement(lambda xp, g: xp.view_as_real(g), holomorphic=False)
def _view_as_complex(xp: Any, input: Array) -> Array:
    """Return complex numbers from their parts along the last axis."""
    return xp.view_as_complex(input)


def view_as_real(input: Tensor) -> Tensor:
    """Return the real and imaginary parts along a new last dim, sharing memory."""
    if not input.is_complex():
        raise RuntimeError("view_as_real is only supported for complex tensors")
    return _view_as_real(input)


def view_as_complex(input: Tensor) -> Tensor:
    """Return complex numbers from their parts along the last dim (of size 2), sharing memory."""
    if not input.ndim or input.shape[-1] != 2:
        raise RuntimeError("Tensor must have a last dimension of size 2")
    return _view_as_complex(input)


def real(input: Tensor) -> Tensor:
    """Return the real part, sharing memory; a real tensor as it is."""
    tensor_argument("real", "input", 1, input)
    return select(_view_as_real(input), -1, 0) if input.is_complex() else input


def imag(input: Tensor) -> Tensor:
    """Return the imaginary part, sharing memory.

    Raises: RuntimeError for a real tensor.
    """
    if not input.is_complex():
        raise RuntimeError("imag is not implemented for tensors with non-complex dtypes.")
    return select(_view_as_real(input), -1, 1)


def _angle_vjp(xp: Any, g: Array, input: Array) -> Array:
    """The angle grows at right angles to the number: g * i z / |z|^2."""
    if "complex" not in str(input.dtype):
        return xp.zeros_like(g)
    size = xp.absolute(input)
    zero = size == 0
    safe = xp.where(zero, xp.ones_like(size), size)
    return xp.where(zero, xp.zeros_like(input), (g / (safe * safe)) * (input * 1j))


@elementwise(_angle_vjp, holomorphic=False, to_float=True)
def angle(xp: Any, input: Array) -> Array:
    """Return the angle of each number in the plane, in radians."""
    return xp.angle(input)


def _sgn_slope(xp: Any, g: Array, input: Array, out: Array) -> Array:
    """What is left of ``g`` at right angles to the number, over its size; its own transpose."""
    if "complex" not in str(input.dtype):
        return xp.zeros_like(g)
    size = xp.absolute(input)
    safe = xp.where(size == 0, xp.ones_like(size), size)
    along = xp.real(xp.conj(out) * g)
    return xp.where(size == 0, xp.zeros_like(g), (g - along * out) / safe)


@elementwise(_sgn_slope, jvp=_sgn_slope, holomorphic=False)
def sgn(xp: Any, input: Array) -> Array:
    """Return each number divided by its size (of a real number: its sign), 0 at 0."""
    return xp.sign(input)


@general(
    lambda xp, g: xp.real(g),
    lambda xp, g: xp.imag(g),
    linear=True,
    holomorphic=False,
    node="ComplexBackward0",
    promoted=("real", "imag"),
)
def _complex(xp: Any, real: Array, imag: Array) -> Array:
    """Return ``real + i imag``."""
    return xp.make_complex(real, imag)


def complex(real: Tensor, imag: Tensor) -> Tensor:
    """Return complex numbers with the given parts, of one floating-point dtype."""
    _check_parts("complex", "real", real, "imag", imag)
    return _complex(real, imag)


def polar(abs: Tensor, angle: Tensor) -> Tensor:
    """Return complex numbers with the given sizes and angles, of one floating-point dtype."""
    _check_parts("polar", "abs", abs, "angle", angle)
    return _complex(abs * cos(angle), abs * sin(angle))


def _check_parts(function: str, name: str, first: Any, other: str, second: Any) -> None:
    tensor_operand(function, name, first)
    tensor_operand(function, other, second, 2)
    kinds = [scalar_name(t.dtype) for t in (first, second)]
    if not {*kinds} <= {"Half", "Float", "Double"}:
        raise RuntimeError(
            "Expected both inputs to be Half, Float or Double tensors but got "
            f"{kinds[0]} and {kinds[1]}"
        )
    if kinds[0] != kinds[1]:
        raise RuntimeError(
            f"Expected object of scalar type {kinds[0]} but got scalar type {kinds[1]} for second "
            "argument"
        )
