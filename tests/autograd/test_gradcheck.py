"""`gradcheck` and `gradgradcheck`: what passes, what is found, and what the message says of it."""

import numpy as np
import pytest

import adjoint as torch
from adjoint.autograd import Function, differences
from adjoint.autograd.gradcheck import GradcheckError, gradcheck, gradgradcheck


def double(*values, shape=None):
    x = torch.tensor(values, dtype=torch.float64)
    return (x if shape is None else x.reshape(shape)).requires_grad_()


class Square(Function):
    """The square, with a derivative that is wrong by a factor."""

    factor = 3

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @classmethod
    def backward(cls, ctx, g):
        (x,) = ctx.saved_tensors
        return g * Square.factor * x


def message(call, *args, **kwargs):
    with pytest.raises(GradcheckError) as caught:
        call(*args, **kwargs)
    return str(caught.value)


# ---- what passes ---------------------------------------------------------------------------------

UNARY = {
    "exp": torch.exp,
    "sin": torch.sin,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "cube": lambda x: x**3,
    "reciprocal": lambda x: 1 / x,
    "sum": torch.sum,
    "prod": torch.prod,
    "transposed": lambda x: x.t() @ x,
    "indexed": lambda x: x[1:, [0, 0, 1]],
    "softmax": lambda x: torch.softmax(x, 1),
    "logsumexp": lambda x: torch.logsumexp(x, 0),
}


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("name", UNARY)
def test_operators(name, fast):
    x = double(0.3, -0.7, 1.1, 0.9, -1.6, 2.1, shape=(3, 2))
    assert gradcheck(UNARY[name], x, fast_mode=fast, check_forward_ad=True)
    assert gradgradcheck(UNARY[name], x, fast_mode=fast)


def test_inputs_of_any_layout():
    x = double(*range(1, 13), shape=(3, 4)).detach()
    for part in (x.t(), x[:, 1], x[::2], x.T[1:]):
        leaf = part.detach().requires_grad_()
        before = leaf.tolist()
        assert gradcheck(lambda x: x * x, leaf)
        assert leaf.tolist() == before
        assert leaf.grad is None
        assert leaf._version == 0


def test_complex_inputs_and_outputs():
    z = torch.tensor([1 + 2j, -0.5 + 1j], dtype=torch.complex128, requires_grad=True)
    x = double(0.5, 2.0)
    for fast in (False, True):
        assert gradcheck(lambda z: z * z * 2j, z, fast_mode=fast)
        assert gradcheck(lambda z: z.abs(), z, fast_mode=fast)
        assert gradcheck(lambda z, x: (z * x, x * x), (z, x), fast_mode=fast)


def test_other_arguments_go_through():
    assert gradcheck(lambda x, power, note: x**power if note else x, (double(2.0), 3, "yes"))


def test_a_function_may_be_constant():
    assert gradcheck(lambda x: torch.ones(2), double(1.0))
    assert gradcheck(lambda x: x.argmax(), double(1.0, 2.0))


def test_second_derivatives_with_given_weights():
    x = double(0.5, 2.0)
    assert gradgradcheck(lambda x: (x**3, x.exp()), x, (double(1.0, 2.0), double(0.1, -1.0)))
    assert gradgradcheck(lambda x: x**3, x, gen_non_contig_grad_outputs=True)


def test_the_random_weights_come_from_the_stream():
    torch.manual_seed(0)
    gradgradcheck(lambda x: x**3, double(0.5, 2.0))
    drawn = torch.rand(1)
    torch.manual_seed(0)
    torch.empty(2, dtype=torch.float64).uniform_()
    assert torch.rand(1).tolist() == drawn.tolist()


# ---- what is found -------------------------------------------------------------------------------


def test_the_message_says_where_and_what():
    text = message(gradcheck, lambda x: Square.apply(x).sum(1), double(*range(6), shape=(3, 2)))
    assert text.startswith(
        "Jacobian mismatch for output 0 with respect to input 0,\nnumerical:tensor([["
    )
    assert (
        "5 of 18 derivatives are wrong. The worst is that of output[2] with respect to "
        "input[2, 1]: 10 by finite differences, 15 by backward (difference 5, allowed 0.01)."
    ) in text
    assert "The output was made by SumBackward1." in text
    assert "Where to look first: that of SquareBackward backward, written by hand." in text


def test_the_message_names_a_function_of_ones_own():
    text = message(gradcheck, Square.apply, double(2.0))
    assert "made by SquareBackward. Where to look first: its own backward, written by" in text


def test_fast_mode_shows_the_matrices_too():
    text = message(gradcheck, Square.apply, double(1.0, 2.0), fast_mode=True)
    assert "are computed \nin fast mode" in text
    assert "The max per-element difference (slow mode) is: 1.9999" in text
    assert "The worst is that of output[1] with respect to input[1]: 4 by" in text


def test_False_instead_of_an_error():
    assert gradcheck(Square.apply, double(1.0), raise_exception=False) is False
    assert gradcheck(torch.exp, double(1.0), raise_exception=False) is True


def test_other_errors_are_not_swallowed():
    with pytest.raises(ZeroDivisionError):
        gradcheck(lambda x: x * (1 / 0), double(1.0), raise_exception=False)


def test_float32_is_named_when_it_is_the_cause():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    with pytest.warns(UserWarning, match="Input #0 requires gradient and is not a double"):
        text = message(gradcheck, lambda x: x * x, x)
    assert "The cause may be precision: the input is float32, and with eps=1e-06" in text
    with pytest.warns(UserWarning, match="not a double precision"):
        assert "precision:" not in message(gradcheck, Square.apply, x)
    assert "the output is float32" in message(gradcheck, lambda x: x.float() * 3, double(1.0))


def test_float32_passes_with_a_larger_step():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    with pytest.warns(UserWarning, match="not a double precision"):
        assert gradcheck(lambda x: x * x, x, eps=1e-2, atol=1e-2)


def test_a_kink_is_named():
    text = message(gradcheck, torch.relu, double(0.0, 1.0))
    assert "a kink or a jump here: its slope is 0 to the left and 1 to the right" in text


def test_values_that_are_not_finite_are_named():
    text = message(gradcheck, torch.sqrt, double(0.0, 1.0))
    assert "The function is not finite here: nan, 0.0, 0.001 around this point." in text


def test_a_cut_graph_is_named():
    text = message(gradcheck, lambda x: x.detach() ** 2 + 0 * x, double(1.0, 2.0))
    assert "All derivatives by the tape are 0: the graph is cut between the two" in text
    text = message(gradcheck, lambda x: x.detach() ** 2, double(1.0, 2.0))
    assert text.startswith("Numerical gradient for function expected to be zero")


def test_a_backward_that_is_not_reentrant():
    class Drifting(Function):
        calls = 0

        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            Drifting.calls += 1
            return g * (2 + 1e-9 * Drifting.calls)

    text = message(gradcheck, Drifting.apply, double(1.0))
    assert text.startswith("Backward is not reentrant")
    assert "The tolerance for nondeterminism was 0.0." in text
    assert gradcheck(Drifting.apply, double(1.0), nondet_tol=1e-6)


def test_gradients_that_never_arrive():
    class Picky(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.set_materialize_grads(False)
            return x * 2

        @staticmethod
        def backward(ctx, g):
            if g is None:
                raise RuntimeError("no gradient")
            return g * 2

    with pytest.warns(UserWarning, match="check_undefined_grad=False"):
        text = message(gradcheck, Picky.apply, double(1.0))
    assert text.startswith("Expected backward function to handle undefined output grads.")
    assert gradcheck(Picky.apply, double(1.0), check_undefined_grad=False)


def test_batches_of_gradients():
    x, y = double(1.0, 2.0), double(0.5, -1.0)
    assert gradcheck(lambda x, y: (x * y, x.exp()), (x, y), check_batched_grad=True)
    assert gradgradcheck(lambda x, y: x * y * y, (x, y), check_batched_grad=True)


def test_batches_that_differ_from_single_gradients():
    class Steady(Function):
        calls = 0

        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            Steady.calls += 1
            if Steady.calls > 7:  # after both Jacobians, and three single gradients
                raise RuntimeError("no batches")
            return g * 2

    text = message(gradcheck, Steady.apply, double(1.0, 2.0), check_batched_grad=True)
    assert text.startswith("While computing batched gradients, got: no batches")


def test_forward_mode_is_checked():
    class Wrong(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.x = x
            return x * x

        @staticmethod
        def backward(ctx, g):
            return g * 2 * ctx.x

        @staticmethod
        def jvp(ctx, t):
            return t * 5 * ctx.x

    assert gradcheck(Wrong.apply, double(1.0, 2.0))
    text = message(gradcheck, Wrong.apply, double(1.0, 2.0), check_forward_ad=True)
    assert text.startswith("Jacobian computed with forward mode mismatch for output 0")
    assert "10 by forward mode" in text


# ---- what is refused -----------------------------------------------------------------------------


def test_nothing_to_check():
    with pytest.raises(ValueError, match="expects at least one input tensor to require gradient"):
        gradcheck(torch.exp, torch.ones(2))
    with pytest.raises(ValueError, match="at least one output that requires gradient"):
        gradgradcheck(lambda x: x.detach(), double(1.0))


def test_overlapping_elements():
    x = double(1.0).detach().expand(3).requires_grad_()
    with pytest.raises(RuntimeError, match="The 0th input has a dimension with stride 0"):
        gradcheck(torch.exp, x)


def test_batched_tangents_are_refused_clearly():
    with pytest.raises(NotImplementedError, match="batched tangents"):
        gradcheck(torch.exp, double(1.0), check_forward_ad=True, check_batched_forward_grad=True)


def test_the_input_is_put_back_when_the_function_raises():
    x = double(0.5, 2.0)

    def function(x):
        if float(x.detach()[1]) > 2.0:
            raise ArithmeticError("too large")
        return x * x

    with pytest.raises(ArithmeticError):
        gradcheck(function, x)
    assert x.tolist() == [0.5, 2.0]


# ---- differences ---------------------------------------------------------------------------------


def test_jacobians_by_differences():
    x = double(1.0, 2.0)
    (jacobian,) = differences.jacobians(lambda: (x * x.sum(),), x, 1e-6)
    assert np.allclose(jacobian, [[4.0, 2.0], [1.0, 5.0]], atol=1e-8)


def test_products_by_differences():
    x = double(1.0, 2.0)
    (product,) = differences.products(lambda: (x * x,), x, np.array([1.0, 10.0]), 1e-6)
    assert np.allclose(product, [2.0, 40.0], atol=1e-7)


def test_the_shape_must_not_depend_on_the_value():
    with pytest.raises(AssertionError, match="to return outputs with the same shape when inputs"):
        gradcheck(lambda x: x[: 1 + int(x.detach()[0] > 1.0)], double(1.0, 2.0))
