"""The example scripts print, character for character, what PyTorch 2.13 prints for them."""

import re

import pytest

from tests.examples.runner import DOCUMENTS, EXAMPLES, PROGRAMS, expected, script_output


@pytest.mark.parametrize("name", DOCUMENTS + PROGRAMS)
def test_output_is_that_of_pytorch(name):
    assert script_output(name) == expected(name)


def test_every_example_is_tested():
    scripts = {path.stem for path in EXAMPLES.glob("*.py")}
    assert scripts == {*DOCUMENTS, *PROGRAMS, "digits"}


@pytest.mark.parametrize(
    ("name", "figures"),
    [
        # The figures that the four source documents print or derive.
        (
            "matrix_calculus",
            ["tensor(7., grad_fn=<AddBackward0>) tensor(5., grad_fn=<AddBackward0>)"],
        ),
        ("matrix_calculus", ["tensor(2.) tensor(1.) tensor(1.) tensor(2.)"]),
        ("matrix_calculus", ["tensor([[4.5000, 4.5000],", "        [4.5000, 4.5000]])"]),
        ("matrix_calculus", ["tensor([[5., 7., 9.],"]),
        ("matrix_calculus", ["tensor([4.0000e-01, 4.0000e+00, 4.0000e-04])"]),
        ("leaves_and_gradients", ["tensor([4., 7.]) tensor([1., 1.])"]),
        (
            "leaves_and_gradients",
            ["RuntimeError: grad can be implicitly created only for scalar outputs"],
        ),
        ("jacobians", ["torch.Size([2, 2, 3])", "tensor([1., 1., 1.])", "tensor(True)"]),
        ("vector_jacobian_products", ["tensor([2.0000, 0.2000, 0.0200, 0.0020])"]),
        ("vector_jacobian_products", ["tensor([[5.5000, 5.5000],", "tensor([[1., 1.],"]),
        ("vector_jacobian_products", ["tensor(5.)", "tensor(18.)", "tensor(34.)"]),
    ],
)
def test_stored_outputs_hold_the_documents_figures(name, figures):
    lines = expected(name).splitlines()
    for figure in figures:
        assert figure in lines


def test_addresses_are_masked():
    for name in DOCUMENTS:
        assert not re.search(r"0x[0-9a-f]{4,}", expected(name))
