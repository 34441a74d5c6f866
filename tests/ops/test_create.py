"""Tensors from data and from sizes, by themselves: memory, options, refusals."""

from __future__ import annotations

import pickle
import warnings
from typing import Any

import numpy as np
import pytest

import adjoint
from adjoint.array import layout
from adjoint.ops import create, create_legacy, create_sequence
from adjoint.ops.create import tensor


def test_a_copy_of_data_shares_nothing() -> None:
    array = np.arange(3.0)
    made = tensor(array)
    array[0] = 7
    assert made.tolist() == [0, 1, 2]
    assert (made.dtype, made.is_leaf, made.requires_grad) == (adjoint.float64, True, False)


def test_shared_memory() -> None:
    array = np.arange(3.0)
    for made in (create.from_numpy(array), create.as_tensor(array), create.asarray(array)):
        made[0] = made[0] + 1
    assert array.tolist() == [3, 1, 2]
    assert create.as_tensor(made) is made
    memory = bytearray(np.arange(4, dtype=np.int16).tobytes())
    whole = create.frombuffer(memory, dtype=adjoint.int16)
    whole[1] = 9
    assert np.frombuffer(memory, np.int16).tolist() == [0, 9, 2, 3]
    assert create.from_dlpack(array).tolist() == [3, 1, 2]


def test_read_only_memory_is_announced() -> None:
    array = np.arange(3.0)
    array.flags.writeable = False
    with pytest.warns(UserWarning, match="not writable"):
        create.from_numpy(array)
    with pytest.warns(UserWarning, match="The given buffer is not writable"):
        create.frombuffer(b"abcd", dtype=adjoint.uint8)


def test_a_warning_names_the_users_line() -> None:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        tensor(tensor(1.0))
        create.from_numpy(np.broadcast_to(np.arange(2.0), (2, 2)))
    assert [item.filename for item in seen] == [__file__] * 2


def test_large_lists_are_exact() -> None:
    data = np.random.default_rng(0).normal(size=(50, 7)).tolist()
    assert tensor(data, dtype=adjoint.float64).tolist() == data
    assert tensor(data).tolist() == np.array(data, np.float32).tolist()


def test_numbers_too_large_become_infinite_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert tensor([1e40, -1e40]).tolist() == [np.inf, -np.inf]
        assert tensor(1e40).item() == np.inf
        assert tensor(1e300, dtype=adjoint.float16).item() == np.inf
        assert tensor(float("nan")).isnan().item()


def test_16_bit_numbers_round_through_float32() -> None:
    # Twice rounded: float32 makes a tie of it, float16 rounds that to even.
    number = 1 + 2**-11 + 2**-30
    assert tensor(number, dtype=adjoint.float16).item() == 1.0
    assert tensor([number], dtype=adjoint.float16).item() == 1.0


@pytest.mark.parametrize("data", [[[1, 2], [3]], [[[1], [2]], [[3], [4, 5]]]])
def test_ragged_lists(data: Any) -> None:
    with pytest.raises(ValueError, match="expected sequence of length"):
        tensor(data)


def test_a_list_within_itself_ends() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(ValueError, match="too many dimensions"):
        tensor(endless)


def test_default_dtype() -> None:
    before = adjoint.get_default_dtype()
    try:
        adjoint.set_default_dtype(adjoint.float64)
        made = [tensor(1.0), tensor([1.0]), create.zeros(1), create.arange(1.0), tensor([])]
        made += [create.full((1,), 1.0), create.legacy_tensor([1]), create.scalar_tensor(1)]
        assert {t.dtype for t in made} == {adjoint.float64}
        assert tensor(1j).dtype is adjoint.complex128
    finally:
        adjoint.set_default_dtype(before)
    assert tensor(1.0).dtype is before


def test_out_shares_its_memory_while_the_shape_stays() -> None:
    out = create.zeros(3)
    shared = out.numpy()
    assert create.ones(3, out=out) is out
    assert shared.tolist() == [1, 1, 1]
    assert out._version == 1
    create.arange(5, out=(empty := create.empty(0)))
    assert empty.tolist() == [0, 1, 2, 3, 4]


def test_0_d_tensors_can_be_filled_and_viewed() -> None:
    for made in (create.zeros(()), create.full((), 3.0), create.ones_like(tensor(2.0))):
        assert made.shape == ()
        made.fill_(5)
        assert made.item() == 5


def test_like_keeps_the_order_of_memory() -> None:
    x = create.zeros(2, 3, 4).permute(1, 2, 0)
    assert create.ones_like(x).stride() == x.stride()
    plain = create.ones_like(x, memory_format=layout.contiguous_format)
    assert plain.is_contiguous()
    assert create.empty_strided((2, 3), (1, 2)).stride() == (1, 2)


def test_every_run_has_the_same_bits() -> None:
    assert create.empty(3).tolist() == [0, 0, 0]
    assert create.legacy_tensor(2, 2).tolist() == [[0, 0], [0, 0]]


def test_old_constructors() -> None:
    assert create_legacy.LongTensor([1, 2]).dtype is adjoint.int64
    assert isinstance(tensor([1]), create_legacy.LongTensor)
    assert not isinstance(tensor([1.0]), create_legacy.LongTensor)
    assert not isinstance([1], create_legacy.LongTensor)
    assert repr(create_legacy.LongTensor) == "<class 'torch.LongTensor'>"
    assert create.as_dtype("torch.LongTensor") is adjoint.int64
    assert create.as_dtype(create_legacy.HalfTensor) is adjoint.float16
    assert create.new(tensor([1]), 2, 3).dtype is adjoint.int64


def test_other_devices_layouts_and_memory_are_refused() -> None:
    for made in (create.zeros, create.ones, create.empty):
        with pytest.raises(RuntimeError, match="cuda"):
            made(2, device="cuda")
    with pytest.raises(RuntimeError, match="pin_memory"):
        create.zeros(2, pin_memory=True)
    with pytest.raises(RuntimeError, match="dense tensors only"):
        create.zeros(2, layout=layout.sparse_coo)
    assert create.zeros(2, layout=layout.strided, device="cpu").tolist() == [0, 0]


def test_sequences_that_are_no_lists() -> None:
    assert create_sequence.is_sequence(range(3))
    assert not any(map(create_sequence.is_sequence, ("ab", b"ab", {}, set(), 3, None)))
    assert tensor(range(3)).tolist() == [0, 1, 2]
    assert tensor([range(2), (3, 4)]).tolist() == [[0, 1], [3, 4]]


def test_layouts_print_and_travel() -> None:
    assert repr(layout.strided) == "torch.strided"
    assert repr(layout.channels_last) == "torch.channels_last"
    assert pickle.loads(pickle.dumps(layout.preserve_format)) is layout.preserve_format


def test_numpys_infinite_steps_are_refused() -> None:
    with pytest.raises(RuntimeError, match="unsupported range"):
        create.arange(0, float("inf"))
    with pytest.raises(RuntimeError, match="step must be nonzero"):
        create.arange(0, 1, 0)
