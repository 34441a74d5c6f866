"""`adjoint.testing.assert_close`: what is close, what is refused, and the text."""

import numpy as np
import pytest

import adjoint as torch
from adjoint.testing import assert_close


def test_the_text_names_the_worst_elements():
    with pytest.raises(AssertionError) as caught:
        assert_close(torch.tensor([[1.0, 2.0], [3, 4]]), torch.tensor([[1.0, 2.5], [7, 4]]))
    assert str(caught.value) == (
        "Tensor-likes are not close!\n\n"
        "Mismatched elements: 2 / 4 (50.0%)\n"
        "Greatest absolute difference: 4.0 at index (1, 0) (up to 1e-05 allowed)\n"
        "Greatest relative difference: 0.5714285969734192 at index (1, 0) (up to 1.3e-06 allowed)"
    )


def test_the_text_names_the_place_in_a_structure():
    with pytest.raises(AssertionError) as caught:
        assert_close([{"a": (1, 2.0)}], [{"a": (1, 3.0)}])
    assert str(caught.value).endswith("The failure occurred for item [0]['a'][1]")


@pytest.mark.parametrize(
    ("dtype", "near", "far"),
    [
        (torch.float16, 9e-4, 3e-3),
        (torch.bfloat16, 8e-3, 4e-2),
        (torch.float32, 1e-6, 2e-5),
        (torch.float64, 1e-7, 3e-7),
        (torch.complex64, 1e-6, 2e-5),
        (torch.complex128, 1e-7, 3e-7),
    ],
)
def test_tolerances_go_by_dtype(dtype, near, far):
    one = torch.ones(3, dtype=torch.float64)
    assert_close((one + near).to(dtype), one.to(dtype))
    with pytest.raises(AssertionError, match="not close"):
        assert_close((one + far).to(dtype), one.to(dtype))


def test_whole_numbers_must_be_equal():
    assert_close(torch.arange(4), torch.arange(4))
    with pytest.raises(AssertionError, match="Tensor-likes are not equal!"):
        assert_close(torch.arange(4), torch.arange(1, 5))


def test_gradients_are_not_looked_at():
    assert_close(torch.ones(2, requires_grad=True) * 1, torch.ones(2))


def test_nothing_is_changed():
    a, b = torch.ones(2, requires_grad=True), torch.ones(2)
    assert_close(a, b)
    assert (a.requires_grad, a.grad, b.requires_grad, a._version) == (True, None, False, 0)


def test_arrays_with_negative_strides():
    assert_close(np.arange(3.0)[::-1], np.array([2.0, 1.0, 0.0]))


def test_bools_are_no_numbers():
    with pytest.raises(AssertionError, match=r"types do not match: <class 'bool'> !="):
        assert_close(True, 1)
    assert_close(True, 1.0, check_dtype=False)


def test_msg():
    with pytest.raises(AssertionError, match=r"^hello$"):
        assert_close(1.0, 2.0, msg="hello")
    with pytest.raises(AssertionError, match=r"^hello: Scalars are not close!"):
        assert_close(1.0, 2.0, msg=lambda text: f"hello: {text}")


@pytest.mark.parametrize("value", ["a", {1}, object(), iter([1])])
def test_what_cannot_be_compared(value):
    with pytest.raises(TypeError, match="No comparison pair was able to handle inputs of type"):
        assert_close(value, value)


def test_one_tolerance_without_the_other():
    with pytest.raises(ValueError, match="Both 'rtol' and 'atol' must be either specified or"):
        assert_close(1.0, 1.0, rtol=0.1)
