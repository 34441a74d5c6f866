"""The example programs do the same in both libraries: printed text, losses, gradients.

The scripts print the same characters. The digits are trained in float64, where the losses of all
steps agree to 1e-9, and for five epochs in float32, where two correct libraries drift apart by
rounding and the losses agree to 1e-4.
"""

import re
import runpy
from pathlib import Path

import numpy as np
import pytest

import adjoint
from adjoint.cli import main
from tests.examples.runner import DOCUMENTS, PROGRAMS, expected, load_example, script_output

torch = pytest.importorskip("torch", reason="compares with PyTorch 2.13, which is missing")


@pytest.fixture(autouse=True)
def _one_thread():
    # Small steps on a shared machine: PyTorch's threads cost more than they bring.
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("name", DOCUMENTS + PROGRAMS)
def test_both_print_the_same_characters(name):
    text = script_output(name, "torch")
    assert text == expected(name), "the stored output is stale: python -m tests.examples.runner"
    assert script_output(name, "adjoint") == text


def _digits_losses(library, dtype, epochs):
    digits = load_example("digits")
    images, labels = digits.load_digits()
    known = ~digits.held_out(len(labels))
    library.manual_seed(0)
    network = digits.build_network(library).to(getattr(library, dtype))
    images = images[known].astype(dtype)
    return np.array(digits.train(network, images, labels[known], torch=library, epochs=epochs))


def test_digits_losses_agree_at_every_step_in_float64():
    ours, theirs = (_digits_losses(library, "float64", 15) for library in (adjoint, torch))
    assert len(ours) == 15 * 23
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-9)


def test_digits_losses_agree_in_float32():
    ours, theirs = (_digits_losses(library, "float32", 5) for library in (adjoint, torch))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4)


@pytest.mark.parametrize("way", ["requires_grad", "detach", "optimizer"])
def test_freezing_agrees(way):
    freeze_part = load_example("freeze_part")
    ours, theirs = (freeze_part.train(way, library) for library in (adjoint, torch))
    np.testing.assert_allclose(ours.losses, theirs.losses, rtol=0, atol=1e-5)
    assert ours[1:] == theirs[1:]


def test_two_passes_agree():
    network_twice = load_example("network_twice")
    ours, theirs = (network_twice.compare(library) for library in (adjoint, torch))
    for left, right in zip(ours[0] + ours[1], theirs[0] + theirs[1], strict=True):
        np.testing.assert_allclose(left.numpy(), right.numpy(), rtol=1e-5, atol=1e-5)


def test_siamese_training_agrees():
    network_twice = load_example("network_twice")
    ours, theirs = (network_twice.train(library)[1] for library in (adjoint, torch))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4)


def test_a_program_for_pytorch_runs_on_adjoint(capsys):
    program = str(Path(__file__).parent / "program_for_pytorch.py")
    runpy.run_path(program, run_name="__main__")
    theirs = capsys.readouterr().out
    assert main(["run", program]) == 0
    ours = capsys.readouterr().out

    number = r"\d+\.\d{5}"
    assert re.sub(number, "#", ours) == re.sub(number, "#", theirs)
    numbers = [[float(n) for n in re.findall(number, text)] for text in (ours, theirs)]
    assert len(numbers[0]) > 30
    np.testing.assert_allclose(*numbers, rtol=1e-3, atol=1e-3)
