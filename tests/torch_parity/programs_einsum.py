"""Programs about Einstein summation: values, first and second derivatives, graphs, refusals."""

from __future__ import annotations

from typing import Any

from tests.torch_parity.harness import graph, raises, variants

EQUATIONS: dict[str, tuple[tuple[int, ...], ...]] = {
    "ij->ji": ((2, 3),),
    "ij->": ((2, 3),),
    "ij->i": ((2, 3),),
    "ii->i": ((3, 3),),
    "ii": ((3, 3),),
    "iij->j": ((2, 2, 3),),
    "iji->ij": ((2, 3, 2),),
    "iiji->j": ((2, 2, 3, 2),),
    "ba": ((2, 3),),
    "bA": ((2, 3),),
    "...ij->...ji": ((2, 2, 3),),
    "i...->...": ((2, 2, 3),),
    "...i->i": ((2, 2, 3),),
    "ij,jk->ik": ((2, 3), (3, 4)),
    "ij,jk": ((2, 3), (3, 4)),
    "ij,kj->ik": ((2, 3), (4, 1)),
    "i,i->": ((3,), (3,)),
    "i,j->ij": ((3,), (2,)),
    "i,j->": ((3,), (2,)),
    "ij,ij->ij": ((2, 3), (2, 3)),
    "ij,ij->": ((2, 3), (2, 3)),
    "ij,j->ij": ((2, 3), (3,)),
    "bij,bjk->bik": ((2, 3, 2), (2, 2, 4)),
    "bij,jk->bik": ((2, 3, 2), (2, 4)),
    "bhqd,bhkd->bhqk": ((2, 1, 3, 2), (2, 1, 2, 2)),
    "...ij,...jk->...ik": ((2, 1, 2, 3), (3, 3, 2)),
    "ii,ij->j": ((3, 3), (3, 2)),
    "ij,jj->i": ((2, 3), (3, 3)),
    "ijk,k->j": ((2, 3, 2), (2,)),
    "ij,jk,kl->il": ((2, 3), (3, 2), (2, 4)),
    "i,i,i->i": ((3,), (3,), (3,)),
    "bn,anm,bm->ba": ((2, 3), (4, 3, 2), (2, 2)),
    ",i->i": ((), (3,)),
    " i j -> j ": ((2, 3),),
    "ij,jk->ki": ((0, 3), (3, 2)),
}


def _operands(torch: Any, shapes: tuple[tuple[int, ...], ...]) -> list[Any]:
    made = []
    for place, shape in enumerate(shapes):
        count = 1
        for n in shape:
            count *= n
        numbers = torch.arange(float(count), dtype=torch.float64) * 0.3 - place
        made.append(numbers.sin().view(shape).requires_grad_())
    return made


@variants(**{equation: (equation, shapes) for equation, shapes in EQUATIONS.items()})
def p_derivatives(torch: Any, given: Any) -> list[Any]:
    equation, shapes = given
    operands = _operands(torch, shapes)
    result = torch.einsum(equation, *operands)
    first = torch.autograd.grad((result * result).sum(), operands, create_graph=True)
    total = sum((g * g).sum() for g in first)
    return [result, *first, *torch.autograd.grad(total, operands)]


GRAPHS = ["ij->ji", "ij->i", "ii->i", "ii", "ij,jk->ik", "ij,kj->ik", "i,j->ij", "ij,ij->ij"]


@variants(**{equation: equation for equation in GRAPHS})
def p_graph(torch: Any, equation: str) -> list[Any]:
    operands = _operands(torch, EQUATIONS[equation])
    return [graph(torch.einsum(equation, *operands).grad_fn, 8)]


REFUSED: dict[str, Any] = {
    "too_few": lambda t: t.einsum("i,j", t.ones(2)),
    "too_many": lambda t: t.einsum("i", t.ones(2), t.ones(2)),
    "twice_in_output": lambda t: t.einsum("ij->iij", t.ones(2, 2)),
    "digit": lambda t: t.einsum("i1->i", t.ones(2, 2)),
    "digit_of_second": lambda t: t.einsum("i,i1->i", t.ones(2), t.ones(2, 2)),
    "point": lambda t: t.einsum("i.j->i", t.ones(2, 2)),
    "two_arrows": lambda t: t.einsum("i->i->", t.ones(2)),
    "two_ellipses": lambda t: t.einsum("i->......i", t.ones(2)),
    "two_ellipses_in": lambda t: t.einsum("......i->i", t.ones(2)),
    "ellipsis_too_short": lambda t: t.einsum("...ij->i", t.ones(2)),
    "no_operand": lambda t: t.einsum("i->i"),
    "nothing": lambda t: t.einsum(),
    "number": lambda t: t.einsum("i->i", 3),
    "diagonal": lambda t: t.einsum("ii->i", t.ones(2, 3)),
    "dtypes": lambda t: t.einsum("ij,jk->ik", t.ones(2, 3), t.ones(3, 2).double()),
    "list_out_of_range": lambda t: t.einsum(t.ones(2, 3), [0, 99], [0]),
}


@variants(**REFUSED)
def p_refused(torch: Any, call: Any) -> list[Any]:
    return [raises(lambda: call(torch))]


@variants(
    numbers=lambda t, a: t.einsum(a, [0, 1], a.t(), [1, 2], [0, 2]),
    implied=lambda t, a: t.einsum(a, [1, 0]),
    ellipsis=lambda t, a: t.einsum(a, [0, ...], [..., 0]),
    operands_in_a_list=lambda t, a: t.einsum("ij->i", [a]),
    integers=lambda t, a: t.einsum("ij,kj->ik", a.int(), a.int()),
    complex_numbers=lambda t, a: t.einsum("ij,kj->ik", a + 1j, a - 2j),
    outside_of_the_letters=lambda t, a: t.einsum(a, [30, 2]),
)
def p_forms(torch: Any, call: Any) -> list[Any]:
    return [call(torch, torch.arange(6.0).view(2, 3))]
