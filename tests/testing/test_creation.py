"""`adjoint.testing.make_tensor`: dtype, bounds, gaps, and the same elements for the same seed."""

import pytest

import adjoint as torch
from adjoint.testing import make_tensor

FLOATING = (torch.float16, torch.float32, torch.float64)
WHOLE = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


@pytest.mark.parametrize("dtype", FLOATING + WHOLE)
def test_bounds(dtype):
    x = make_tensor(500, dtype=dtype, device="cpu", low=1, high=4)
    assert x.dtype is dtype
    assert 1 <= x.min().item() < 2
    assert 2 < x.max().item() <= 4


@pytest.mark.parametrize("dtype", WHOLE)
def test_bounds_are_cut_to_the_dtype(dtype):
    x = make_tensor(500, dtype=dtype, device="cpu", low=-1e30, high=1e30)
    info = torch.iinfo(dtype)
    assert info.min <= x.min().item() < info.min / 2 + info.max / 2 < x.max().item() <= info.max


def test_complex_and_bool():
    z = make_tensor(200, dtype=torch.complex64, device="cpu", low=2, high=3)
    assert 2 <= z.real.min().item() <= z.imag.max().item() <= 3
    b = make_tensor(200, dtype=torch.bool, device="cpu")
    assert 0 < int(b.sum()) < 200


def test_gaps():
    x = make_tensor((4, 5), dtype=torch.float32, device="cpu", noncontiguous=True)
    assert x.shape == (4, 5)
    assert not x.is_contiguous()
    assert make_tensor(1, dtype=torch.float32, device="cpu", noncontiguous=True).is_contiguous()


def test_requires_grad():
    x = make_tensor(3, dtype=torch.float32, device="cpu", requires_grad=True, noncontiguous=True)
    assert x.requires_grad
    assert x.is_leaf
    with pytest.raises(ValueError, match="not supported for boolean and integral dtypes"):
        make_tensor(3, dtype=torch.int64, device="cpu", requires_grad=True)


def test_no_zeros():
    for dtype in (torch.int64, torch.bool):
        x = make_tensor(100, dtype=dtype, device="cpu", low=0, high=2, exclude_zero=True)
        assert bool((x != 0).all())


def test_the_same_seed_gives_the_same_elements():
    made = []
    for _ in range(2):
        torch.manual_seed(5)
        made.append(make_tensor(2, 3, dtype=torch.float64, device="cpu").tolist())
    assert made[0] == made[1]


def test_bounds_in_the_wrong_order():
    with pytest.raises(ValueError, match="`low` must be less than `high`, but got 3 >= 1"):
        make_tensor(2, dtype=torch.float32, device="cpu", low=3, high=1)
    with pytest.raises(ValueError, match="cannot be NaN"):
        make_tensor(2, dtype=torch.float32, device="cpu", low=float("nan"))
