"""Every small program of the benchmarks runs: what is measured must not rot."""

import math

import pytest

import adjoint
from benchmarks import eager
from benchmarks.worker import _number

SMALL = [case for case in eager.CASES if case.threads == 1]


@pytest.mark.parametrize("case", SMALL, ids=lambda case: case.name)
def test_small_programs_run_and_return_finite_numbers(case):
    step = case.build(adjoint)
    for _ in range(2):
        result = step()
        if case.name != "with no_grad()":
            assert math.isfinite(_number(result))


@pytest.mark.parametrize("name", ["MLP 64-64-64-10, SGD", "digits CNN"])
def test_training_programs_learn(name):
    (case,) = [case for case in SMALL if case.name == name]
    step = case.build(adjoint)
    first = step().item()
    for _ in range(100):
        last = step().item()
    assert last < first * 0.8


@pytest.mark.parametrize(
    ("build", "size"), [(eager.gelu, 1000), (lambda lib, n: eager.matmul(lib, n, True), 16)]
)
def test_large_programs_run_on_small_sizes(build, size):
    assert math.isfinite(_number(build(adjoint, size)()))


def test_known_results():
    values = {case.name: case.build(adjoint)() for case in SMALL if case.name[0] in "12mis"}
    assert values["mean(3 (x+2)^2)"].tolist() == [[4.5, 4.5], [4.5, 4.5]]
    assert values["second derivatives"].item() == 3.0
    assert values["item assignment"].item() == 5 + 18 + 34
    assert values["100 scalar products"].item() == pytest.approx(1.01**100, rel=1e-4)
