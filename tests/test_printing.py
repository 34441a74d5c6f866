"""Printing: styles, columns, line breaks, left-out middles, suffixes, options; texts by hand."""

import math

import numpy as np
import pytest

import adjoint
from adjoint import printing
from adjoint.printing import PrintOptions, format_array


@pytest.fixture(autouse=True)
def _default_options():
    yield
    printing.set_printoptions(profile="default")


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([1.0, 2.0, -3.0], "[ 1.,  2., -3.]"),
        ([1.5, 2.0, -3.0], "[ 1.5000,  2.0000, -3.0000]"),
        ([0.0, 0.0], "[0., 0.]"),
        ([0.0, -0.0], "[0., -0.]"),
        ([math.nan, math.inf, -math.inf], "[nan, inf, -inf]"),
        ([math.nan, 1.0, -math.inf, 100.0], "[ nan,   1., -inf, 100.]"),
        ([math.nan, 1.5, -math.inf, 100.0], "[     nan,   1.5000,     -inf, 100.0000]"),
        (0.5, "0.5000"),
        (7.0, "7."),
        (123456789.0, "1.2346e+08"),
        ([True, False], "[ True, False]"),
        ([1, -200], "[   1, -200]"),
        ([1 + 2j, 3.5 - 100j], "[1.0000+2.j, 3.5000-100.j]"),
        ([complex(math.nan, math.inf), 1j], "[nan+infj, 0.+1.j]"),
        ([[1.0, 2.0], [3.0, 4.0]], "[[1., 2.],\n [3., 4.]]"),
        ([[[1.0], [2.0]], [[3.0], [4.0]]], "[[[1.],\n  [2.]],\n\n [[3.],\n  [4.]]]"),
    ],
)
def test_elements(values, text):
    assert format_array(np.array(values)) == text


@pytest.mark.parametrize(
    ("values", "scientific"),
    [
        ([0.5, 500.0], False),
        ([0.5, 500.5], True),
        ([1.0, 1000.0], False),
        ([1.0, 1001.0], True),
        ([0.0001, 0.05], False),
        ([0.00009, 0.05], True),
        ([1e8], False),
        ([1e8 + 1], True),
        ([0.0, 0.5, math.inf], False),
    ],
)
def test_scientific_notation_is_chosen_by_the_nonzero_finite_values(values, scientific):
    assert ("e" in format_array(np.array(values))) is scientific


def test_indentation_and_line_breaks():
    row = np.arange(6.0)
    options = PrintOptions(linewidth=14)
    assert format_array(row, 2, options) == "[0., 1., 2.,\n   3., 4., 5.]"
    assert format_array(row, 0, PrintOptions(linewidth=0)) == "[0.,\n 1.,\n 2.,\n 3.,\n 4.,\n 5.]"


def test_long_arrays_show_their_ends_only():
    options = PrintOptions(threshold=5, edgeitems=1)
    assert format_array(np.arange(3.0), 0, options) == "[0., 1., 2.]"
    assert format_array(np.arange(6), 0, options) == "[0,  ..., 5]"
    square = np.arange(9).reshape(3, 3)
    assert format_array(square, 0, options) == "[[0,  ..., 2],\n ...,\n [6,  ..., 8]]"


def test_left_out_elements_do_not_choose_the_style():
    row = np.ones(2000)
    row[1000] = 1.23e-7
    assert format_array(row) == "[1., 1., 1.,  ..., 1., 1., 1.]"
    row[1999] = 1.23e-7
    assert "e-07" in format_array(row)


def test_strided_memory_prints_as_its_values():
    square = np.arange(4.0).reshape(2, 2)
    assert format_array(square.T) == "[[0., 2.],\n [1., 3.]]"
    assert format_array(square[::-1]) == "[[2., 3.],\n [0., 1.]]"


def test_options_and_profiles():
    default = {
        "precision": 4,
        "threshold": 1000,
        "edgeitems": 3,
        "linewidth": 80,
        "sci_mode": None,
    }
    assert printing.get_printoptions() == default
    printing.set_printoptions(precision=2, sci_mode=True)
    assert printing.get_printoptions() == default | {"precision": 2, "sci_mode": True}
    assert format_array(np.array([1.0, 20.0])) == "[1.00e+00, 2.00e+01]"
    printing.set_printoptions(profile="short", linewidth=60)
    assert printing.get_printoptions() == default | {
        "precision": 2,
        "edgeitems": 2,
        "linewidth": 60,
    }
    printing.set_printoptions(profile="full")
    assert printing.get_printoptions() == default | {"threshold": math.inf}


def test_options_of_a_block_end_with_it():
    before = printing.get_printoptions()
    with pytest.raises(KeyError), printing.printoptions(precision=1, sci_mode=False):
        assert format_array(np.array([1e-7, 0.25])) == "[0.0, 0.2]"
        raise KeyError
    assert printing.get_printoptions() == before


def test_suffixes_of_tensors():
    x = adjoint.ones(2, 2, requires_grad=True)
    assert repr(x) == "tensor([[1., 1.],\n        [1., 1.]], requires_grad=True)"
    assert repr(x + 1) == "tensor([[2., 2.],\n        [2., 2.]], grad_fn=<AddBackward0>)"
    assert repr(x.detach()) == "tensor([[1., 1.],\n        [1., 1.]])"
    assert repr(adjoint.zeros(2, dtype=adjoint.float64)) == "tensor([0., 0.], dtype=torch.float64)"
    assert repr(adjoint.tensor([1, 2])) == "tensor([1, 2])"
    assert repr(adjoint.tensor([1, 2], dtype=adjoint.int32)) == "tensor([1, 2], dtype=torch.int32)"


def test_empty_tensors():
    assert repr(adjoint.zeros(0)) == "tensor([])"
    assert repr(adjoint.zeros(0, 2)) == "tensor([], size=(0, 2))"
    expected = "tensor([], size=(2, 0), dtype=torch.int64)"
    assert repr(adjoint.zeros(2, 0, dtype=adjoint.int64)) == expected


def test_a_suffix_moves_to_its_own_line_when_there_is_no_room():
    x = adjoint.full((1, 8), 0.123456, dtype=adjoint.float64, requires_grad=True)
    assert repr(x) == (
        "tensor([[0.1235, 0.1235, 0.1235, 0.1235, 0.1235, 0.1235, 0.1235, 0.1235]],\n"
        "       dtype=torch.float64, requires_grad=True)"
    )


def test_formatting_of_numbers():
    assert (
        f"{adjoint.tensor(1.5):.3f} {adjoint.tensor(3):>4d} {adjoint.tensor(1.5)}"
        == "1.500    3 1.5"
    )
    assert f"{adjoint.tensor([1.5])}" == "tensor([1.5000])"
    with pytest.raises(TypeError, match=r"unsupported format string passed to Tensor.__format__"):
        format(adjoint.tensor([1.5]), ".2f")
    assert str(adjoint.tensor(1.5)) == "tensor(1.5000)"
    assert "%.2f" % adjoint.tensor(1.5) == "1.50"  # noqa: UP031


def test_the_default_dtype_is_not_printed():
    before = adjoint.get_default_dtype()
    adjoint.set_default_dtype(adjoint.float64)
    try:
        assert repr(adjoint.zeros(1)) == "tensor([0.])"
        single = adjoint.zeros(1, dtype=adjoint.float32)
        assert repr(single) == "tensor([0.], dtype=torch.float32)"
    finally:
        adjoint.set_default_dtype(before)


def test_subclasses_print_their_own_name():
    class Named(adjoint.Tensor):
        pass

    named = adjoint.arange(2.0).as_subclass(Named)
    assert repr(named) == "Named([0., 1.])"
    assert printing.tensor_repr(named, tensor_contents="...") == "Named(...)"


def test_parameters():
    parameter = adjoint.nn.Parameter(adjoint.tensor([1.0]))
    assert repr(parameter) == "Parameter containing:\ntensor([1.], requires_grad=True)"


def test_python_functions_print_their_class():
    class Twice(adjoint.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2

    y = Twice.apply(adjoint.tensor([1.0], requires_grad=True))
    assert repr(y) == "tensor([2.], grad_fn=<TwiceBackward>)"
