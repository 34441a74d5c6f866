"""`gradcheck` and `gradgradcheck` in PyTorch and here: results, error classes, texts, numbers.

Each case runs in both libraries. PyTorch's message must be the beginning of ours, up to the last
digits of numbers that fast mode prints in full; where PyTorch goes on with advice about its own
test suite, the first paragraph is compared.
"""

from __future__ import annotations

import importlib
import re
import warnings
from types import SimpleNamespace
from typing import Any

import pytest

from tests.torch_parity.harness import libraries

pytest.importorskip("torch", reason="compares with PyTorch 2.13")


def _load(library: Any) -> Any:
    """What the cases need of one library: tensors, functions with wrong derivatives, the checks."""
    module = importlib.import_module(f"{library.__name__}.autograd.gradcheck")

    def function(forward: Any, backward: Any, jvp: Any = None) -> Any:
        members = {"forward": staticmethod(forward), "backward": staticmethod(backward)}
        if jvp is not None:
            members["jvp"] = staticmethod(jvp)
        return type("Wrong", (library.autograd.Function,), members).apply

    def save(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x * x

    def keep(ctx: Any, x: Any) -> Any:
        ctx.x = x
        return x * x

    def silent(ctx: Any, x: Any) -> Any:
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(x)
        return x * x

    def unstable(ctx: Any, g: Any) -> Any:
        calls.append(1)
        return g * ctx.saved_tensors[0] * 2 * (1 + 1e-7 * len(calls))

    def refusing(ctx: Any, g: Any) -> Any:
        if g is None:
            raise RuntimeError("no gradient")
        return g * ctx.saved_tensors[0] * 2

    def inventing(ctx: Any, g: Any) -> Any:
        x = ctx.saved_tensors[0]
        return library.ones_like(x) if g is None else g * x * 2

    calls: list[int] = []
    double = {"dtype": library.float64, "requires_grad": True}
    return SimpleNamespace(
        torch=library,
        check=module.gradcheck,
        check2=module.gradgradcheck,
        error=module.GradcheckError,
        x=library.tensor([1.0, 2.0], **double),
        z=library.tensor([0.5, -2.0], **double),
        m=library.tensor([[1.0, 2.0], [3.0, 4.0]], **double),
        c=library.tensor([1 + 2j, 3 - 1j], dtype=library.complex128, requires_grad=True),
        f=library.tensor([1.0, 2.0], requires_grad=True),
        scalar=library.tensor(2.0, **double),
        empty=library.zeros(0, **double),
        three=function(save, lambda ctx, g: g * ctx.saved_tensors[0] * 3),
        ignoring=function(save, lambda ctx, g: ctx.saved_tensors[0] * 2),
        nothing=function(save, lambda ctx, g: None),
        unstable=function(save, unstable),
        refusing=function(silent, refusing),
        inventing=function(silent, inventing),
        raising=function(save, lambda ctx, g: 1 / 0),
        shaped=function(save, lambda ctx, g: library.ones(3)),
        half_right=function(
            save, lambda ctx, g: g * 3 * ctx.saved_tensors[0].detach() * ctx.saved_tensors[0]
        ),
        pushed=function(keep, lambda ctx, g: g * 2 * ctx.x, lambda ctx, t: t * 3 * ctx.x),
        both_wrong=function(keep, lambda ctx, g: g * 5 * ctx.x, lambda ctx, t: t * 3 * ctx.x),
        conjugate=function(keep, lambda ctx, g: g * 2 * ctx.x.conj(), lambda ctx, t: t * 3 * ctx.x),
    )


CASES: dict[str, Any] = {
    # right
    "one input": lambda t: t.check(lambda x: x * x, t.x),
    "tuples": lambda t: t.check(lambda x, y: (x * y, x + y), (t.x, t.z)),
    "lists": lambda t: t.check(lambda x, y: [x * y, x + y], [t.x, t.z]),
    "not all inputs": lambda t: t.check(lambda x, y: x * 2, (t.x, t.z)),
    "not all require grad": lambda t: t.check(lambda x, y: x * y, (t.x, t.z.detach())),
    "other arguments": lambda t: t.check(lambda x, k, name: x * k, (t.x, 3, "name")),
    "0-d": lambda t: t.check(lambda x: x * x, t.scalar),
    "0-d fast": lambda t: t.check(lambda x: x * x, t.scalar, fast_mode=True),
    "empty": lambda t: t.check(lambda x: x * x, t.empty),
    "empty fast": lambda t: t.check(lambda x: x * x, t.empty, fast_mode=True),
    "transposed": lambda t: t.check(lambda x: x * x, t.m.detach().t().requires_grad_()),
    "strided": lambda t: t.check(lambda x: x * x, t.m.detach()[:, 1].requires_grad_()),
    "not a leaf": lambda t: t.check(lambda x: x * x, t.x * 2),
    "the input": lambda t: t.check(lambda x: x, t.x),
    "the input twice": lambda t: t.check(lambda x: (x, x), t.x),
    "a view": lambda t: t.check(lambda x: x.view(2, 1), t.x),
    "integers beside": lambda t: t.check(lambda x: (x * 2, x.argmax()), t.x),
    "integers alone": lambda t: t.check(lambda x: x.argmax(), t.x),
    "a constant": lambda t: t.check(lambda x: t.torch.ones(3, dtype=t.torch.float64), t.x),
    "no output": lambda t: t.check(lambda x: (), t.x),
    "complex": lambda t: t.check(lambda x: x * x, t.c),
    "complex fast": lambda t: t.check(lambda x: x * x, t.c, fast_mode=True),
    "complex to real": lambda t: t.check(lambda x: x.abs(), t.c),
    "real to complex": lambda t: t.check(lambda x: t.torch.complex(x, x * x), t.x),
    "no grad left": lambda t: (t.check(lambda x: x * x, t.x), t.x.grad),
    "masked": lambda t: t.check(lambda x: x * x, t.x, masked=True),
    "batched": lambda t: t.check(lambda x: x * x, t.x, check_batched_grad=True),
    "second, batched": lambda t: t.check2(lambda x: x**3, t.x, check_batched_grad=True),
    "unstable within reason": lambda t: t.check(t.unstable, t.x, nondet_tol=1e-3),
    "forward": lambda t: t.check(lambda x: x * x, t.x, check_forward_ad=True),
    "forward only": lambda t: t.check(
        lambda x: x.sin(), t.x, check_forward_ad=True, check_backward_ad=False
    ),
    "forward complex": lambda t: t.check(lambda x: x * x, t.c, check_forward_ad=True),
    # wrong
    "wrong": lambda t: t.check(t.three, t.x),
    "wrong fast": lambda t: t.check(t.three, t.x, fast_mode=True),
    "wrong matrix fast": lambda t: t.check(t.three, t.m, fast_mode=True),
    "wrong, told by False": lambda t: t.check(t.three, t.x, raise_exception=False),
    "wrong second output": lambda t: t.check(lambda a, b: (a * b, t.three(a) + b), (t.x, t.z)),
    "wrong second input": lambda t: t.check(lambda a, b: a * t.three(b), (t.x, t.z)),
    "inputs are counted": lambda t: t.check(
        lambda k, d, a, b: (d, t.three(b) + a), (3, t.x.detach(), t.z, t.x)
    ),
    "two wrong": lambda t: t.check(lambda a, b: (a + t.three(b), t.three(a) + b), (t.x, t.z)),
    "two wrong fast": lambda t: t.check(
        lambda a, b: (a + t.three(b), t.three(a) + b), (t.x, t.z), fast_mode=True
    ),
    "large": lambda t: t.check(
        t.three, t.torch.ones(40, 40, dtype=t.torch.float64, requires_grad=True)
    ),
    "None": lambda t: t.check(t.nothing, t.x),
    "complex wrong": lambda t: t.check(t.three, t.c),
    "complex wrong fast": lambda t: t.check(t.three, t.c, fast_mode=True),
    "complex to real wrong": lambda t: t.check(lambda x: t.three(x.abs()), t.c),
    "complex to real wrong fast": lambda t: t.check(
        lambda x: t.three(x.abs()), t.c, fast_mode=True
    ),
    "real to complex wrong": lambda t: t.check(lambda x: t.torch.complex(t.three(x), x), t.x),
    "real to complex wrong fast": lambda t: t.check(
        lambda x: t.torch.complex(t.three(x), x), t.x, fast_mode=True
    ),
    "nan": lambda t: t.check(lambda x: x * float("nan"), t.x),
    "a kink": lambda t: t.check(
        t.torch.relu, t.torch.zeros(2, dtype=t.torch.float64, requires_grad=True)
    ),
    "float32": lambda t: t.check(lambda x: x * x, t.f),
    "float32 wrong": lambda t: t.check(t.three, t.f),
    "float32 beside float64": lambda t: t.check(lambda x, y: x * y, (t.f, t.x)),
    "float32 output": lambda t: t.check(lambda x: x.float() * 3, t.x),
    "float16": lambda t: t.check(lambda x: x * x, t.f.detach().half().requires_grad_()),
    "forward wrong": lambda t: t.check(t.pushed, t.x, check_forward_ad=True),
    "forward wrong fast": lambda t: t.check(t.pushed, t.x, check_forward_ad=True, fast_mode=True),
    "backward is told first": lambda t: t.check(t.both_wrong, t.x, check_forward_ad=True),
    "forward wrong complex": lambda t: t.check(t.conjugate, t.c, check_forward_ad=True),
    "forward wrong real to complex": lambda t: t.check(
        lambda x: t.torch.complex(t.both_wrong(x), x),
        t.x,
        check_forward_ad=True,
        check_backward_ad=False,
    ),
    "forward without jvp": lambda t: t.check(
        t.inventing, t.x, check_forward_ad=True, check_backward_ad=False
    ),
    # cut, unstable, undefined
    "detached": lambda t: t.check(lambda x: x.detach() * 2, t.x),
    "detached fast": lambda t: t.check(lambda x: x.detach() * 2, t.x, fast_mode=True),
    "in no_grad": lambda t: t.torch.no_grad()(t.check)(lambda x: x * x, t.x),
    "unstable": lambda t: t.check(t.unstable, t.x),
    "unstable fast": lambda t: t.check(t.unstable, t.x, fast_mode=True),
    "not multiplied": lambda t: t.check(t.ignoring, t.x.detach()[:1].requires_grad_()),
    "not multiplied, two elements": lambda t: t.check(t.ignoring, t.x),
    "refuses None": lambda t: t.check(t.refusing, t.x),
    "refuses None, unasked": lambda t: t.check(t.refusing, t.x, check_undefined_grad=False),
    "refuses None, told by False": lambda t: t.check(t.refusing, t.x, raise_exception=False),
    "invents a gradient": lambda t: t.check(t.inventing, t.x),
    # refused
    "nothing requires grad": lambda t: t.check(lambda x: x * 2, t.x.detach()),
    "no tensors": lambda t: t.check(lambda x: x * 2, (3.0,)),
    "nothing requires grad, quietly": lambda t: t.check(
        lambda x: x * 2, t.x.detach(), raise_exception=False
    ),
    "overlapping": lambda t: t.check(lambda x: x * 2, t.x.detach()[:1].expand(3).requires_grad_()),
    "no mode": lambda t: t.check(lambda x: x * 2, t.x, check_backward_ad=False),
    "batched without backward": lambda t: t.check(
        lambda x: x * 2,
        t.x,
        check_backward_ad=False,
        check_forward_ad=True,
        check_batched_grad=True,
    ),
    "batched without forward": lambda t: t.check(
        lambda x: x * 2, t.x, check_batched_forward_grad=True
    ),
    "eps by position": lambda t: t.check(lambda x: x * 2, t.x, 1e-6),
    "no tensor output": lambda t: t.check(lambda x: 3.0, t.x),
    "dictionary output": lambda t: t.check(lambda x: {"a": x}, t.x),
    "function raises": lambda t: t.check(lambda x: 1 / 0, t.x),
    "function raises, quietly": lambda t: t.check(lambda x: 1 / 0, t.x, raise_exception=False),
    "backward raises": lambda t: t.check(t.raising, t.x),
    "backward of another shape": lambda t: t.check(t.shaped, t.x),
    "in place on a leaf": lambda t: t.check(lambda x: x.mul_(2), t.x),
    "shape depends on value": lambda t: t.check(
        lambda x: x[:1] if float(x.detach()[0]) < 1.0 else x, t.x
    ),
    # second derivatives
    "second": lambda t: t.check2(lambda x: x**3, t.x),
    "second of two": lambda t: t.check2(lambda x, y: x * y * y, (t.x, t.z)),
    "second, fast": lambda t: t.check2(lambda x: x**3, t.x, fast_mode=True),
    "second, linear": lambda t: t.check2(lambda x: x * 2, t.x),
    "second, linear, fast": lambda t: t.check2(lambda x: x * 2, t.x, fast_mode=True),
    "second, complex": lambda t: t.check2(lambda x: x**3, t.c),
    "second, integers beside": lambda t: t.check2(lambda x: (x**3, x.argmax()), t.x),
    "second, unused input": lambda t: t.check2(lambda x, y: x**3, (t.x, t.m)),
    "second, weights": lambda t: t.check2(lambda x: x**3, t.x, t.z.detach()),
    "second, gaps": lambda t: t.check2(lambda x: x**3, t.m, gen_non_contig_grad_outputs=True),
    "second, forward over reverse": lambda t: t.check2(
        lambda x: x**3, t.x, check_fwd_over_rev=True
    ),
    "second, wrong": lambda t: t.check2(t.half_right, t.x),
    "second, wrong, fast": lambda t: t.check2(t.half_right, t.x, fast_mode=True),
    "second, wrong, gaps": lambda t: t.check2(t.half_right, t.m, gen_non_contig_grad_outputs=True),
    "second, wrong, quietly": lambda t: t.check2(t.half_right, t.x, raise_exception=False),
    "second, too few weights": lambda t: t.check2(lambda x: (x**3, x), t.x, (t.z.detach(),)),
    "second, weights of another shape": lambda t: t.check2(
        lambda x: x**3, t.x, t.torch.ones(3, dtype=t.torch.float64)
    ),
    "second, nothing requires grad": lambda t: t.check2(lambda x: x**3, t.x.detach()),
    "second, no mode": lambda t: t.check2(lambda x: x, t.x, check_rev_over_rev=False),
    "second, undefined without reverse": lambda t: t.check2(
        lambda x: x, t.x, check_rev_over_rev=False, check_fwd_over_rev=True
    ),
    "second, batched without reverse": lambda t: t.check2(
        lambda x: x,
        t.x,
        check_rev_over_rev=False,
        check_fwd_over_rev=True,
        check_undefined_grad=False,
        check_batched_grad=True,
    ),
}


def _observed(library: Any, case: Any) -> tuple[str, list[str]]:
    """What a case returns or raises, as text, and the warnings it gave."""
    library.manual_seed(0)
    loaded = _load(library)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        try:
            text = repr(case(loaded))
        except Exception as error:
            text = f"{type(error).__name__}: {error}"
    told = [f"{w.category.__name__}: {w.message}" for w in seen]
    return text, [line for line in told if not line.startswith("DeprecationWarning")]


def _comparable(text: str) -> str:
    text = re.sub(r"-?\d+\.\d{6,}(e-?\d+)?", lambda m: f"{float(m[0]):.5g}", text)
    # PyTorch's matrices of forward mode still have a history
    text = re.sub(r",\s+grad_fn=<\w+>", "", text)
    if "not reentrant" in text or text.startswith(("RuntimeError", "TypeError")):
        text = re.split(r"\n\n|\.(?:\s|$)", text)[0]
    return text.strip()


@pytest.mark.parametrize("name", CASES)
def test_the_same(name: str) -> None:
    """Both libraries give the same result, or the same error with the same text."""
    oracle, ours = libraries()
    expected, expected_warnings = _observed(oracle, CASES[name])
    got, got_warnings = _observed(ours, CASES[name])
    assert _comparable(got).startswith(_comparable(expected))
    assert got_warnings == expected_warnings


def test_the_error_is_a_runtime_error() -> None:
    """As in PyTorch."""
    for library in libraries():
        assert _load(library).error.__mro__[1] is RuntimeError
