"""Modules: what they register, how they are called, saved, copied and printed."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from typing import Any

import numpy as np
import pytest

import adjoint as torch
from adjoint import nn


class Pair(nn.Module):
    """Two layers and a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(2, 3)
        self.second = nn.Linear(3, 1, bias=False)
        self.register_buffer("scale", torch.tensor(2.0))

    def forward(self, x: Any) -> Any:
        return self.second(self.first(x).tanh()) * self.scale


def test_parameters_are_found_by_path() -> None:
    net = Pair()
    names = [name for name, _ in net.named_parameters()]
    assert names == ["first.weight", "first.bias", "second.weight"]
    assert net.get_parameter("first.bias") is net.first.bias
    assert [name for name, _ in net.named_buffers()] == ["scale"]
    assert dict(net.named_modules())["second"] is net.second


def test_a_module_is_a_function_of_its_parameters() -> None:
    net = Pair()
    x = torch.randn(4, 2)
    raw = np.tanh(x.numpy() @ net.first.weight.detach().numpy().T + net.first.bias.detach().numpy())
    expected = 2 * raw @ net.second.weight.detach().numpy().T
    np.testing.assert_allclose(net(x).detach().numpy(), expected, rtol=1e-5)


def test_what_was_put_in_the_place_of_a_parameter_is_used() -> None:
    layer = nn.Linear(2, 1, bias=False)
    del layer._parameters["weight"]
    layer.weight = torch.ones(1, 2) * 3
    assert layer(torch.ones(1, 2)).item() == 6


def test_state_survives_a_round_trip_and_a_pickle() -> None:
    net, other = Pair(), Pair()
    assert str(other.load_state_dict(net.state_dict())) == "<All keys matched successfully>"
    again = pickle.loads(pickle.dumps(other))
    x = torch.randn(3, 2)
    for twin in (other, again, copy.deepcopy(net)):
        np.testing.assert_array_equal(twin(x).detach().numpy(), net(x).detach().numpy())
        assert twin.first.weight is not net.first.weight


def test_a_failed_load_names_everything_that_does_not_fit() -> None:
    net = Pair()
    state = net.state_dict()
    state["first.weight"] = torch.zeros(5, 2)
    state["extra"] = torch.zeros(1)
    del state["second.weight"]
    with pytest.raises(RuntimeError) as caught:
        net.load_state_dict(state)
    assert str(caught.value).splitlines() == [
        "Error(s) in loading state_dict for Pair:",
        '\tMissing key(s) in state_dict: "second.weight". ',
        '\tUnexpected key(s) in state_dict: "extra". ',
        "\tsize mismatch for first.weight: copying a param with shape torch.Size([5, 2]) from "
        "checkpoint, the shape in current model is torch.Size([3, 2]).",
    ]


def test_conversion_keeps_the_parameters_identity() -> None:
    net = Pair()
    weight = net.first.weight
    net(torch.ones(1, 2)).sum().backward()
    net.double()
    assert net.first.weight is weight
    assert (weight.dtype, weight.grad.dtype, net.scale.dtype) == (torch.float64,) * 3
    assert weight.is_leaf
    net(torch.ones(1, 2, dtype=torch.float64)).sum().backward()
    assert weight.grad.dtype is torch.float64


def test_hooks_see_and_replace() -> None:
    layer = nn.Linear(1, 1)
    seen: list[str] = []
    before = layer.register_forward_pre_hook(
        lambda m, args: (seen.append("before"), args[0] * 2)[1]
    )
    after = layer.register_forward_hook(lambda m, x, out: (seen.append("after"), out + 1)[1])
    x = torch.ones(1, 1)
    with torch.no_grad():
        expected = torch.nn.functional.linear(x * 2, layer.weight, layer.bias) + 1
        assert layer(x).item() == expected.item()
    before.remove()
    after.remove()
    layer(x)
    assert seen == ["before", "after"]


def test_backward_hooks_change_gradients() -> None:
    layer = nn.Linear(2, 2)
    layer.register_full_backward_pre_hook(lambda m, grads: (grads[0] * 3,))
    layer.register_full_backward_hook(lambda m, grads_in, grads_out: (grads_in[0] * 10,))
    x = torch.ones(1, 2, requires_grad=True)
    layer(x).sum().backward()
    np.testing.assert_array_equal(layer.bias.grad.numpy(), [3, 3])
    expected = 30 * layer.weight.detach().numpy().sum(0)
    np.testing.assert_allclose(x.grad.numpy()[0], expected, rtol=1e-6)


def test_a_module_is_freed_without_the_collector() -> None:
    gc.collect()
    gc.disable()
    try:
        net = Pair()
        net(torch.ones(1, 2)).sum().backward()
        gone = weakref.ref(net)
        del net
        assert gone() is None
    finally:
        gc.enable()


def test_frozen_parameters_get_no_gradient() -> None:
    net = Pair()
    net.first.requires_grad_(False)
    net(torch.ones(1, 2)).sum().backward()
    assert net.first.weight.grad is None
    assert net.second.weight.grad is not None


def test_printing_nests() -> None:
    class Outer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Sequential(nn.Linear(1, 2), nn.ReLU())

        def extra_repr(self) -> str:
            return "mode='test'"

    assert repr(Outer()).splitlines() == [
        "Outer(",
        "  mode='test'",
        "  (inner): Sequential(",
        "    (0): Linear(in_features=1, out_features=2, bias=True)",
        "    (1): ReLU()",
        "  )",
        ")",
    ]


@pytest.mark.parametrize("name", sorted(nn.__all__))
def test_every_public_name_is_documented(name: str) -> None:
    value = getattr(nn, name)
    assert value.__doc__


def test_dir_lists_parameters_and_children() -> None:
    names = dir(nn.Sequential(nn.ReLU()))
    assert "0" not in names
    assert {"first", "scale", "forward", "_parameters"} <= set(dir(Pair()))
