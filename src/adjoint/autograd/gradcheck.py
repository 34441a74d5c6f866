"""Compare gradients with finite differences: PyTorch's `gradcheck` and `gradgradcheck`.

In: a function and its inputs, in double precision.  Out: True, or an error that names the output,
the input, the element and the operator where the two differ.  Slow mode compares whole Jacobians;
fast mode compares ``v J u`` for random vectors of positive numbers.

Note [Parts]
    A complex output is two real ones, and a complex input of forward mode is, too: the function is
    checked once with the imaginary parts and once with the real parts. The gradient of a real
    function of a complex input is dx + i dy (the conjugate Wirtinger derivative, up to a factor 2).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from adjoint import _later
from adjoint.array import dtypes
from adjoint.autograd.function import Function
from adjoint.core.backward import grad
from adjoint.core.tensor_base import TensorBase
from adjoint.ops import complex as parts
from adjoint.ops.create import empty, zeros_like
from adjoint.ops.random_inplace import uniform_

if TYPE_CHECKING:
    from adjoint.autograd import differences, gradcheck_report
    from adjoint.autograd import gradcheck_jacobians as jacobians
    from adjoint.autograd.gradcheck_report import GradcheckError
else:  # few programs check gradients
    differences = _later.Later("adjoint.autograd.differences")
    gradcheck_report = _later.Later("adjoint.autograd.gradcheck_report")
    jacobians = _later.Later("adjoint.autograd.gradcheck_jacobians")

__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]

Tensors = tuple[Any, ...]
Func = Callable[..., Any]


# ---- the public functions ------------------------------------------------------------------------


def gradcheck(
    func: Func,
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Return whether the gradients of ``func`` agree with finite differences.

    Every input that requires grad is moved by ``eps``; a derivative may differ from the quotient
    of differences by ``atol + rtol * abs(quotient)``. ``nondet_tol``: by how much two backward
    passes may differ; ``check_undefined_grad``: also try outputs without gradient;
    ``check_batched_grad``: also compare batches of gradients with single ones; ``fast_mode``:
    compare with random vectors instead of entry by entry; ``raise_exception``: False returns
    False. ``masked`` is accepted; it concerns sparse inputs.

    Raises: GradcheckError where they do not agree; ValueError if no input requires grad.

    >>> import adjoint as torch
    >>> x = torch.tensor([0.5, 2.0], dtype=torch.float64, requires_grad=True)
    >>> gradcheck(torch.exp, x)
    True
    """
    if not (check_forward_ad or check_backward_ad):
        raise AssertionError(
            "Expected at least one of check_forward_ad or check_backward_ad to be True"
        )
    if check_batched_grad and not check_backward_ad:
        raise AssertionError(
            "Setting check_batched_grad=True requires check_backward_ad to be True"
        )
    if check_batched_forward_grad and not check_forward_ad:
        raise AssertionError(
            "Setting check_batched_forward_grad=True requires check_forward_ad to be True"
        )
    if check_batched_forward_grad:
        raise NotImplementedError(
            "gradcheck does not compare batched tangents with single ones: leave "
            "check_batched_forward_grad at False"
        )
    options = jacobians.Options(eps, atol, rtol, nondet_tol, check_grad_dtypes, fast_mode)
    try:
        _check(
            func, jacobians.as_tuple(inputs), options, check_backward_ad, check_forward_ad,
            check_undefined_grad, check_batched_grad,
        )  # fmt: skip
    except gradcheck_report.GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(
    func: Func,
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """Return whether the second derivatives of ``func`` agree with finite differences of its first.

    ``grad_outputs``: the weights of the outputs, by default random numbers between -1 and 1
    (``gen_non_contig_grad_outputs``: with gaps in memory); the other arguments as in `gradcheck`.

    Raises: GradcheckError where they do not agree; ValueError if no input requires grad.

    >>> import adjoint as torch
    >>> x = torch.tensor([0.5, 2.0], dtype=torch.float64, requires_grad=True)
    >>> gradgradcheck(lambda x: x**3, x)
    True
    """
    if not (check_fwd_over_rev or check_rev_over_rev):
        raise AssertionError(
            "Expected at least one of check_fwd_over_rev or check_rev_over_rev to be True"
        )
    if check_undefined_grad and not check_rev_over_rev:
        raise AssertionError(
            "Setting check_undefined_grad=True requires check_rev_over_rev to be True"
        )
    if check_batched_grad and not check_rev_over_rev:
        raise AssertionError(
            "Setting check_batched_grad=True requires check_rev_over_rev to be True"
        )
    given = jacobians.as_tuple(inputs)
    _wanted(given)
    if grad_outputs is None:
        outputs = jacobians.differentiable(func(*given))
        weights = tuple(_weight(o, gen_non_contig_grad_outputs) for o in outputs)
    else:
        weights = jacobians.as_tuple(grad_outputs)
    if not weights:
        raise ValueError(
            "gradgradcheck expects at least one output that requires gradient, but the function "
            "returned none."
        )

    def first_derivatives(*args: Any) -> Tensors:
        xs, ws = args[: -len(weights)], args[-len(weights) :]
        wanted = jacobians.requiring_grad(xs)
        found = grad(
            jacobians.differentiable(func(*xs)), wanted, ws, create_graph=True, allow_unused=True
        )
        return tuple(g for g in found if g is not None)

    return gradcheck(
        first_derivatives,
        (*given, *weights),
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
        check_undefined_grad=check_undefined_grad,
        check_grad_dtypes=check_grad_dtypes,
        check_batched_grad=check_batched_grad,
        check_forward_ad=check_fwd_over_rev,
        check_backward_ad=check_rev_over_rev,
        fast_mode=fast_mode,
        masked=masked,
    )


def _weight(output: Any, gaps: bool) -> Any:
    """Random numbers between -1 and 1, like an output."""
    shape = tuple(output.shape)
    gaps = gaps and output.numel() > 1
    made = empty((*shape[:-1], 2 * shape[-1]) if gaps else shape, dtype=output.dtype)
    uniform_(parts.view_as_real(made) if made.is_complex() else made, -1, 1)
    return (made[..., 1::2] if gaps else made).requires_grad_()


# ---- arguments -----------------------------------------------------------------------------------


def _check_inputs(inputs: Tensors) -> Tensors:
    """The inputs that require grad."""
    for i, t in enumerate(inputs):
        if not isinstance(t, TensorBase) or t._edge is None:
            continue
        if t._desc.dtype not in (dtypes.float64, dtypes.complex128):
            warnings.warn(
                f"Input #{i} requires gradient and is not a double precision floating point or "
                "complex. This check will likely fail if all the inputs are not of double "
                "precision floating point or complex. ",
                stacklevel=4,
            )
        raw = t._array
        if any(step == 0 and size > 1 for step, size in zip(raw.strides, raw.shape)):
            raise RuntimeError(
                f"The {i}th input has a dimension with stride 0. gradcheck only supports inputs "
                "that are non-overlapping to be able to compute the numerical gradients "
                "correctly. You should call .contiguous on the input before passing it to "
                "gradcheck."
            )
    return _wanted(inputs)


def _wanted(inputs: Tensors) -> Tensors:
    wanted = jacobians.requiring_grad(inputs)
    if not wanted:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of them "
            "have requires_grad=True."
        )
    return wanted


# ---- the check -----------------------------------------------------------------------------------


def _check(
    func: Func,
    inputs: Tensors,
    options: jacobians.Options,
    backward: bool,
    forward: bool,
    undefined: bool,
    batched: bool,
) -> None:
    wanted = _check_inputs(inputs)
    everything = jacobians.as_tuple(func(*inputs))
    outputs = jacobians.differentiable(everything)
    if not outputs:
        _check_constant(func, inputs, wanted, options)
        return
    if backward:
        for part in _output_parts(func, inputs, outputs):
            jacobians.check_backward_mode(part, outputs, options)
    if forward:
        for part in _input_parts(func, inputs):
            jacobians.check_forward_mode(part, outputs, options)
    if batched:
        jacobians.check_batched(outputs, wanted, options)
    if backward:
        _check_linear_in_cotangent(outputs, wanted)
        if undefined:
            _check_undefined(func, inputs, len(outputs))


def _check_constant(
    func: Func, inputs: Tensors, wanted: Tensors, options: jacobians.Options
) -> None:
    def evaluate() -> Tensors:
        outputs = jacobians.as_tuple(func(*inputs))
        return tuple(o for o in outputs if o.is_floating_point() or o.is_complex())

    for x in wanted:
        for jacobian in differences.jacobians(evaluate, x, options.eps):
            if (jacobian != 0).any():
                raise gradcheck_report.GradcheckError(
                    "Numerical gradient for function expected to be zero (none of its outputs "
                    "requires grad, yet they change with the inputs: look for a detach(), .data, "
                    ".item(), numpy() or no_grad() inside)"
                )


def _output_parts(func: Func, inputs: Tensors, outputs: Tensors) -> Iterator[jacobians.Part]:
    if not any(o.is_complex() for o in outputs):
        yield jacobians.Part(func, inputs)
        return
    for name, part in (("imaginary", parts.imag), ("real", parts.real)):

        def one(*args: Any, part: Any = part) -> Tensors:
            return tuple(part(o) if o.is_complex() else o for o in jacobians.as_tuple(func(*args)))

        yield jacobians.Part(
            one, inputs, f"While considering the {name} part of complex outputs only, "
        )


def _input_parts(func: Func, inputs: Tensors) -> Iterator[jacobians.Part]:
    which = [
        i
        for i, t in enumerate(inputs)
        if isinstance(t, TensorBase) and t.is_complex()  # type: ignore[attr-defined]
    ]
    if not which:
        yield jacobians.Part(func, inputs)
        return
    for name, is_imaginary in (("imaginary", True), ("real", False)):

        def one(*args: Any, is_imaginary: bool = is_imaginary) -> Any:
            whole = list(args)
            for i in which:
                fixed = inputs[i].detach()
                pair = (fixed.real, args[i]) if is_imaginary else (args[i], fixed.imag)
                whole[i] = parts.complex(*pair)
            return func(*whole)

        moved = list(inputs)
        for i in which:
            part = inputs[i].detach()
            part = (part.imag if is_imaginary else part.real).clone()
            moved[i] = part.requires_grad_() if inputs[i].requires_grad else part
        prefix = f"While considering the {name} part of complex inputs only, "
        yield jacobians.Part(one, tuple(moved), prefix)


# ---- rules of the tape ---------------------------------------------------------------------------


def _check_linear_in_cotangent(outputs: Tensors, wanted: Tensors) -> None:
    """A cotangent of zero gives gradients of zero."""
    weights = tuple(zeros_like(o) for o in outputs)
    for g in grad(outputs, wanted, weights, retain_graph=True, allow_unused=True):
        if g is not None and (g._array != 0).any():
            raise gradcheck_report.GradcheckError("backward not multiplied by grad_output")


_LOOK = (
    'Please look at "Notes about undefined output gradients" in "tools/autograd/derivatives.yaml"'
)


class _Undefined(Function):
    """Hands its arguments on; in backward, no gradient at all for some of them."""

    @staticmethod
    def forward(ctx: Any, which: frozenset[int], *tensors: Any) -> Tensors:
        ctx.set_materialize_grads(False)
        ctx.which = which
        return tuple(t.clone() for t in tensors)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Tensors:
        return (None, *(None if i in ctx.which else g for i, g in enumerate(gradients)))


def _check_undefined(func: Func, inputs: Tensors, count: int) -> None:
    """Gradients that never arrived (None) are as good as zeros."""
    choices = [frozenset(range(count))]
    if count > 1:
        choices += [frozenset([i]) for i in range(count)]
    for which in choices:
        outputs = _Undefined.apply(which, *jacobians.differentiable(func(*inputs)))
        weights = tuple(zeros_like(o) for o in outputs)
        try:
            found = grad(outputs, jacobians.requiring_grad(inputs), weights, allow_unused=True)
        except RuntimeError as error:
            _warn_of_new_check()
            raise gradcheck_report.GradcheckError(
                f"Expected backward function to handle undefined output grads. {_LOOK}"
            ) from error
        if any(g is not None and (g._array != 0).any() for g in found):
            _warn_of_new_check()
            raise gradcheck_report.GradcheckError(
                "Expected all input grads to be undefined or zero when all output grads are "
                f"undefined or zero. {_LOOK}"
            )


def _warn_of_new_check() -> None:
    warnings.warn(
        "Backwards compatibility: New undefined gradient support checking feature is enabled by "
        "default, but it may break existing callers of this function. If this is true for you, "
        'you can call this function with "check_undefined_grad=False" to disable the feature',
        stacklevel=5,
    )


__getattr__ = _later.names(__name__, {"GradcheckError": "adjoint.autograd.gradcheck_report"})
