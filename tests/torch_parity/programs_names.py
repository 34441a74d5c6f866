"""Programs about names beside the operators: layouts, old constructors, complex from parts."""

from __future__ import annotations

import copy
import pickle
from typing import Any

from tests.torch_parity.harness import raises, variants

FORMATS = (
    "strided sparse_coo contiguous_format preserve_format channels_last channels_last_3d".split()
)


@variants(**{name: name for name in FORMATS})
def p_formats(torch: Any, name: str) -> list[Any]:
    given = getattr(torch, name)
    kind = torch.layout if isinstance(given, torch.layout) else torch.memory_format
    kept = [pickle.loads(pickle.dumps(given)) is given, copy.deepcopy(given) is given]
    return [repr(given), isinstance(given, kind), *kept]


def p_layout_of_a_tensor(torch: Any) -> list[Any]:
    x = torch.ones(2)
    other = torch.zeros(2, layout=x.layout)
    return [x.layout is torch.strided, repr(x.layout), other]


def p_contiguous(torch: Any) -> list[Any]:
    x = torch.arange(6.0).view(2, 3).t()
    y = x.contiguous(memory_format=torch.contiguous_format)
    error = raises(lambda: x.contiguous(memory_format=torch.preserve_format))
    return [y, y.stride(), error]


@variants(
    floats=lambda t: t.FloatTensor([1, 2]),
    doubles=lambda t: t.DoubleTensor([[1.5]]),
    integers=lambda t: t.LongTensor([1, 2]),
    bools=lambda t: t.BoolTensor([True, False]),
    size=lambda t: t.FloatTensor(2, 3).shape,
    instance=lambda t: isinstance(t.ones(2), t.FloatTensor),
    no_instance=lambda t: isinstance(t.ones(2), t.LongTensor),
    range=lambda t: t.range(0, 2),
    range_of_steps=lambda t: t.range(1, 2, 0.25),
)
def p_old_names(torch: Any, call: Any) -> list[Any]:
    return [call(torch)]


def p_default_generator(torch: Any) -> list[Any]:
    torch.manual_seed(5)
    seed = torch.default_generator.initial_seed()
    return [seed, torch.rand(2), torch.rand(2, generator=torch.default_generator.manual_seed(5))]


PARTS: dict[str, Any] = {
    "integers": lambda t, f: f(t.ones(2).int(), t.ones(2).int()),
    "one_integer": lambda t, f: f(t.ones(2), t.ones(2).int()),
    "complex_parts": lambda t, f: f(t.ones(2) + 0j, t.ones(2) + 0j),
    "two_dtypes": lambda t, f: f(t.ones(2), t.ones(2).double()),
    "number": lambda t, f: f(1.0, t.ones(2)),
    "broadcast": lambda t, f: f(t.ones(2, 1), t.arange(2.0)),
    "doubles": lambda t, f: f(t.ones(2).double(), t.arange(2.0).double()),
}


@variants(**PARTS)
def p_complex_from_parts(torch: Any, call: Any) -> list[Any]:
    results: list[Any] = []
    errors = [
        raises(lambda: results.append(call(torch, torch.complex))),
        raises(lambda: results.append(call(torch, torch.polar))),
    ]
    return [*errors, *results]


def p_derivatives_of_polar(torch: Any) -> list[Any]:
    size = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    angle = torch.tensor([0.5, 2.0], dtype=torch.float64, requires_grad=True)
    z = torch.polar(size, angle)
    first = torch.autograd.grad((z * z).real.sum() + z.imag.sum(), (size, angle), create_graph=True)
    second = torch.autograd.grad(first[0].sum() + first[1].sum(), (size, angle))
    return [z, *(g.detach() for g in first), *second]


@variants(
    plain=lambda x: x,
    transposed=lambda x: x.t(),
    every_second=lambda x: x[:, ::2],
    reversed_memory=lambda x: x.t()[:, :2],
)
def p_dropout_follows_memory(torch: Any, call: Any) -> list[Any]:
    x = call(torch.arange(12.0).view(3, 4) + 1)
    torch.manual_seed(3)
    y = torch.nn.functional.dropout(x, 0.5)
    z = torch.nn.functional.dropout(x, 0.3)
    return [y, y.stride(), z, torch.rand(1)]
