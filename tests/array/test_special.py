"""The error function in single precision: as exact where it is fast as where SciPy computes it."""

import numpy as np
import pytest
from scipy import special as reference

from adjoint.array import special

COUNT = 50_000


@pytest.mark.parametrize(
    ("low", "high"), [(-5.0, 5.0), (-1.2, 1.2), (0.9, 1.1), (3.5, 4.5), (-1e-30, 1e-30)]
)
def test_erf_is_within_two_units_in_the_last_place(low, high):
    x = np.random.default_rng(0).uniform(low, high, COUNT).astype(np.float32)
    exact = reference.erf(x.astype(np.float64))
    unit = np.spacing(np.abs(exact).astype(np.float32)).astype(np.float64)
    error = np.abs(special.erf(x) - exact) / unit
    assert error.max() <= 2


def test_erf_of_special_values():
    x = np.tile(np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 3e38, 1e-45], np.float32), COUNT)
    made = special.erf(x)
    assert np.array_equal(made[:4], [0, 0, 1, -1])
    assert np.signbit(made[:4]).tolist() == [False, True, False, True]
    assert np.isnan(made[4])
    assert made[5] == 1
    assert made[6] == x[6]


def test_erf_keeps_shape_dtype_and_operand():
    x = np.linspace(-3, 3, COUNT, dtype=np.float32).reshape(100, -1).T
    before = x.copy()
    made = special.erf(x)
    assert made.shape == x.shape
    assert made.dtype == np.float32
    assert np.array_equal(x, before)
    assert np.allclose(made, reference.erf(x), rtol=3e-7, atol=0)
    assert special.erf(x.astype(np.float64)).dtype == np.float64
