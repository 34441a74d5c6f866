"""Programs on dtypes: what each pair of operands gives, in each of the three ranks, and in place.

An operand is a tensor with dimensions, a 0-d tensor or a Python number; each program takes one
operator and observes its results, or errors, for all pairs of dtypes.
"""

from __future__ import annotations

from typing import Any

from tests.torch_parity.harness import raises, variants

DTYPES = (
    *("bool", "uint8", "int8", "int16", "int32", "int64"),
    *("float16", "bfloat16", "float32", "float64", "complex64", "complex128"),
)
NUMBERS = (True, 3, 2.5, 1 + 1j)
# The only dtype that PyTorch converts by way of double, as its message says.
BY_WAY_OF_DOUBLE = "bfloat16"

BINARY = {
    "add": lambda t, a, b: a + b,
    "sub": lambda t, a, b: a - b,
    "mul": lambda t, a, b: a * b,
    "div": lambda t, a, b: a / b,
    "pow": lambda t, a, b: a**b,
    "floor_divide": lambda t, a, b: a // b,
    "remainder": lambda t, a, b: a % b,
    "fmod": lambda t, a, b: t.fmod(a, b),
    "div_floor": lambda t, a, b: t.div(a, b, rounding_mode="floor"),
    "div_trunc": lambda t, a, b: t.div(a, b, rounding_mode="trunc"),
    "maximum": lambda t, a, b: t.maximum(a, b),
    "fmax": lambda t, a, b: t.fmax(a, b),
    "fmin": lambda t, a, b: t.fmin(a, b),
    "minimum": lambda t, a, b: t.minimum(a, b),
    "atan2": lambda t, a, b: t.atan2(a, b),
    "hypot": lambda t, a, b: t.hypot(a, b),
    "lt": lambda t, a, b: a < b,
    "eq": lambda t, a, b: a == b,
    "ne": lambda t, a, b: a != b,
    "ge": lambda t, a, b: a >= b,
    "logical_and": lambda t, a, b: t.logical_and(a, b),
    "bitwise_and": lambda t, a, b: a & b,
    "bitwise_xor": lambda t, a, b: a ^ b,
    "shift": lambda t, a, b: a << b,
    "where": lambda t, a, b: t.where(t.tensor([True, False]), a, b),
    "cat": lambda t, a, b: t.cat([a.reshape(-1), b.reshape(-1)]),
    "stack": lambda t, a, b: t.stack([a, b]),
    "add_alpha": lambda t, a, b: t.add(a, b, alpha=2),
    "result_type": lambda t, a, b: t.result_type(a, b),
    "isclose": lambda t, a, b: t.isclose(a, b),
}
TENSORS_ONLY = (
    "maximum",
    "minimum",
    "fmax",
    "fmin",
    "atan2",
    "hypot",
    "logical_and",
    "cat",
    "stack",
    "isclose",
)

IN_PLACE = {
    "iadd": lambda t, a, b: a.add_(b),
    "isub": lambda t, a, b: a.sub_(b),
    "imul": lambda t, a, b: a.mul_(b),
    "idiv": lambda t, a, b: a.div_(b),
    "ipow": lambda t, a, b: a.pow_(b),
    "ifloor_divide": lambda t, a, b: a.floor_divide_(b),
    "iremainder": lambda t, a, b: a.remainder_(b),
    "iand": lambda t, a, b: a.bitwise_and_(b),
    "icopy": lambda t, a, b: a.copy_(b),
    "ifill": lambda t, a, b: a.fill_(b),
    "ilt": lambda t, a, b: a.lt_(b),
    "isetitem": lambda t, a, b: (a.__setitem__(Ellipsis, b), a)[1],
}


def values(torch: Any, dtype: str, dims: int) -> Any:
    """Return a tensor of a dtype; values by which every operator may divide."""
    made = torch.tensor([1.0, 3.0]) if dims else torch.tensor(3.0)
    return made.to(getattr(torch, dtype))


def outcome(call: Any, *arguments: Any) -> Any:
    """Return a result or what was raised."""
    results: list[Any] = []
    error = raises(lambda: results.append(call(*arguments)))
    return results[0] if results else error


def half_complex(a: str, i: int, b: Any, j: int) -> bool:
    """Whether PyTorch would answer in its complex half precision, which does not exist here."""
    if a == "float16":
        return isinstance(b, complex) or (str(b).startswith("complex") and j < i)
    return b == "float16" and a.startswith("complex") and i < j


def pairs(torch: Any, call: Any, left: tuple[int, ...], right: tuple[int, ...]) -> list[Any]:
    """Return the outcome of ``call`` for all dtypes and the given ranks of its operands."""
    return [
        (a, i, b, j, outcome(call, torch, values(torch, a, i), values(torch, b, j)))
        for a in DTYPES
        for b in DTYPES
        for i in left
        for j in right
        if not half_complex(a, i, b, j)
    ]


@variants(**BINARY)
def p_vectors(torch: Any, call: Any) -> list[Any]:
    return pairs(torch, call, (1,), (1,))


@variants(**{k: v for k, v in BINARY.items() if k != "stack"})
def p_vector_with_0d(torch: Any, call: Any) -> list[Any]:
    return pairs(torch, call, (1,), (0,))


@variants(**{k: v for k, v in BINARY.items() if k != "stack"})
def p_0d_with_vector(torch: Any, call: Any) -> list[Any]:
    return pairs(torch, call, (0,), (1,))


@variants(**BINARY)
def p_0d_with_0d(torch: Any, call: Any) -> list[Any]:
    return pairs(torch, call, (0,), (0,))


@variants(**{k: v for k, v in BINARY.items() if k not in TENSORS_ONLY})
def p_with_number(torch: Any, call: Any) -> list[Any]:
    return [
        (a, i, b, outcome(call, torch, values(torch, a, i), b))
        for a in DTYPES
        for b in NUMBERS
        for i in (0, 1)
        if not half_complex(a, i, b, -1)
    ]


@variants(
    **{
        k: BINARY[k]
        for k in (
            "add",
            "sub",
            "mul",
            "div",
            "pow",
            "floor_divide",
            "remainder",
            "lt",
            "eq",
            "where",
        )
    }
)
def p_number_first(torch: Any, call: Any) -> list[Any]:
    return [
        (a, i, b, outcome(call, torch, b, values(torch, a, i)))
        for a in DTYPES
        for b in NUMBERS
        for i in (0, 1)
        if not half_complex(a, i, b, -1)
    ]


@variants(**IN_PLACE)
def p_in_place(torch: Any, call: Any) -> list[Any]:
    return pairs(torch, call, (1,), (0, 1))


@variants(**IN_PLACE)
def p_in_place_0d(torch: Any, call: Any) -> list[Any]:
    return pairs(torch, call, (0,), (0,))


@variants(**IN_PLACE)
def p_in_place_number(torch: Any, call: Any) -> list[Any]:
    return [
        (a, i, b, outcome(call, torch, values(torch, a, i), b))
        for a in DTYPES
        for b in NUMBERS
        for i in (0, 1)
        if not half_complex(a, i, b, -1)
        if not (a == BY_WAY_OF_DOUBLE and isinstance(b, complex))
    ]


UNARY = (
    *(
        "neg",
        "abs",
        "sign",
        "square",
        "exp",
        "log",
        "sqrt",
        "rsqrt",
        "sin",
        "tanh",
        "sigmoid",
        "relu",
    ),
    *("floor", "ceil", "round", "trunc", "reciprocal", "logical_not", "bitwise_not", "isnan"),
    *(
        "isfinite",
        "sum",
        "prod",
        "mean",
        "max",
        "argmax",
        "cumsum",
        "cumprod",
        "any",
        "all",
        "real",
    ),
    *(
        "conj",
        "isreal",
        "erf",
        "expm1",
        "log1p",
        "std",
        "var",
        "median",
        "sort",
        "softmax",
        "positive",
    ),
    *("logsumexp", "norm", "angle", "frac", "sgn", "exp2", "amax", "nansum", "count_nonzero"),
)
_NEEDS_DIM = ("cumsum", "cumprod", "softmax", "logsumexp")


@variants(**{key: key for key in UNARY})
def p_unary(torch: Any, key: str) -> list[Any]:
    arguments = (0,) if key in _NEEDS_DIM else ()
    return [
        (dtype, dims, outcome(getattr(torch, key), values(torch, dtype, dims), *arguments))
        for dtype in DTYPES
        for dims in (0, 1)
    ]


def p_promote_types(torch: Any) -> list[Any]:
    return [
        (a, b, torch.promote_types(getattr(torch, a), getattr(torch, b)))
        for a in DTYPES
        for b in DTYPES
    ]


def p_can_cast(torch: Any) -> list[Any]:
    return [
        (a, b, torch.can_cast(getattr(torch, a), getattr(torch, b))) for a in DTYPES for b in DTYPES
    ]


@variants(
    bool=True,
    int=1,
    large=2**40,
    float=1.5,
    complex=1j,
    bools=[True, False],
    bool_int=[True, 2],
    ints=[1, 2],
    floats=[1, 2.0],
    complexes=[1, 2j],
    empty=[],
    nested=[[1, 2], [3, 4]],
    nested_empty=[[], []],
)
def p_inferred(torch: Any, value: Any) -> list[Any]:
    return [torch.tensor(value), torch.as_tensor(value)]


def p_default_dtype(torch: Any) -> list[Any]:
    before = torch.get_default_dtype()
    try:
        torch.set_default_dtype(torch.float64)
        made = [
            torch.tensor(1.5),
            torch.tensor(1j),
            torch.ones(2, dtype=torch.int64) / 2,
            torch.ones(2, dtype=torch.int64) + 1.5,
            torch.ones(2),
            torch.ones(2, dtype=torch.float32) + 1.5,
            torch.tensor([1]).sqrt(),
            torch.arange(3.0),
            torch.get_default_dtype(),
        ]
    finally:
        torch.set_default_dtype(before)
    return [*made, torch.get_default_dtype(), raises(lambda: torch.set_default_dtype(torch.int32))]


@variants(
    big=2**63,
    negative=-(2**63) - 1,
    into_int8=300,
    float_into_int=2.5,
    infinity=float("inf"),
)
def p_numbers_out_of_range(torch: Any, number: Any) -> list[Any]:
    floats = ("float16", "float32") if number > 0 else ()
    return [
        (dtype, outcome(values(torch, dtype, 1).mul, number))
        for dtype in ("uint8", "int8", "int32", "int64", *floats)
    ]


def p_gradient_dtypes(torch: Any) -> list[Any]:
    """Gradients come in the dtype of their leaf, whatever was computed in between."""
    observed: list[Any] = []
    for first in ("float16", "bfloat16", "float32", "float64", "complex64", "complex128"):
        for second in ("float16", "float32", "float64", "complex64", "complex128"):
            if half_complex(first, 1, second, 0):
                continue
            a = values(torch, first, 1).requires_grad_()
            b = values(torch, second, 0).requires_grad_()
            y = a * b + a / b
            (y * y.conj()).real.sum().backward()
            observed += [(first, second, y.dtype), a.grad, b.grad]
    return observed


def p_gradient_with_integers(torch: Any) -> list[Any]:
    a = torch.tensor([1.0, 2.0], requires_grad=True)
    k = torch.tensor([2, 3])
    m = torch.tensor([True, False])
    y = a * k + a**k + a / k + k - a + m * a + torch.where(m, a, k)
    y.sum().backward()
    return [y, a.grad]


def p_gradient_through_casts(torch: Any) -> list[Any]:
    a = torch.tensor([1.5, 2.5], requires_grad=True)
    y = a.double() * 2 + a.half().float() + a.to(torch.complex64).real
    observed = [y, y.grad_fn]
    y.sum().backward()
    return [*observed, a.grad, raises(lambda: a.long().sum().backward())]
