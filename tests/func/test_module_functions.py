"""Modules as functions: `functional_call`, ensembles, per-sample gradients, the old functorch."""

from __future__ import annotations

import pytest

import adjoint as torch
from adjoint import functorch, nn
from adjoint.func import (
    functional_call,
    grad,
    hessian,
    jacrev,
    replace_all_batch_norm_modules_,
    stack_module_state,
    vmap,
)
from adjoint.nn import functional as F


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()


def test_gradients_of_a_module_without_touching_it():
    m, x = net(), torch.ones(5, 3, dtype=torch.float64)
    params = dict(m.named_parameters())
    plain = {name: p.detach() for name, p in params.items()}
    found = grad(lambda p: functional_call(m, p, x).square().sum())(plain)
    m(x).square().sum().backward()
    assert all(torch.allclose(found[name], p.grad) for name, p in params.items())
    assert all(p.requires_grad for p in params.values())


def test_gradients_of_each_sample():
    m, x = net(), torch.arange(15.0, dtype=torch.float64).view(5, 3) / 10
    target = torch.tensor([0, 1, 0, 1, 1])
    params = {name: p.detach() for name, p in m.named_parameters()}

    def loss(p, sample, label):
        return F.cross_entropy(functional_call(m, p, (sample.unsqueeze(0),)), label.unsqueeze(0))

    together = vmap(grad(loss), in_dims=(None, 0, 0))(params, x, target)
    for i in range(5):
        alone = grad(loss)(params, x[i], target[i])
        assert all(torch.allclose(together[k][i], alone[k]) for k in params)


def test_jacobians_and_hessians_of_a_module():
    m, x = net(), torch.ones(3, dtype=torch.float64)
    params = {name: p.detach() for name, p in m.named_parameters()}
    by_params = jacrev(lambda p: functional_call(m, p, x))(params)
    assert by_params["2.bias"].tolist() == [[1.0, 0.0], [0.0, 1.0]]
    blocks = hessian(lambda p: functional_call(m, p, x).square().sum())(params)
    assert blocks["0.weight"]["2.bias"].shape == (4, 3, 2)
    assert torch.allclose(blocks["0.bias"]["2.bias"], blocks["2.bias"]["0.bias"].t())


def test_an_ensemble_is_each_of_its_members():
    models = [nn.Linear(3, 2).double() for _ in range(4)]
    x = torch.ones(5, 3, dtype=torch.float64)
    params, buffers = stack_module_state(models)
    base = nn.Linear(3, 2).double()
    found = vmap(lambda p, b: functional_call(base, (p, b), (x,)))(params, buffers)
    assert torch.allclose(found, torch.stack([m(x) for m in models]))
    found.sum().backward()
    assert params["bias"].grad.tolist() == [[5.0, 5.0]] * 4


def test_a_module_in_training_keeps_its_averages_without_history():
    m = nn.BatchNorm1d(2).double()
    params = {name: p.detach() for name, p in m.named_parameters()}
    x = torch.tensor([[1.0, 2.0], [3.0, 5.0]], dtype=torch.float64)
    for _ in range(2):
        grad(lambda p: functional_call(m, p, x).pow(3).sum())(params)
    assert int(m.num_batches_tracked) == 2
    assert not m.running_mean.requires_grad
    replace_all_batch_norm_modules_(m)
    assert m.running_mean is None
    assert grad(lambda p: functional_call(m, p, x).pow(3).sum())(params)["bias"].shape == (2,)


@pytest.mark.filterwarnings("ignore:We've integrated functorch")
def test_the_old_way_gives_the_same():
    m, x = net(), torch.ones(3, dtype=torch.float64)
    function, params = functorch.make_functional(m)
    assert torch.equal(function(params, x), m(x))
    found = functorch.grad(lambda p: function(p, x).sum())(params)
    assert [g.shape for g in found] == [p.shape for p in m.parameters()]
    empty = next(iter(function.stateless_model.parameters()))
    assert empty.shape == (4, 3)
    assert not empty.any()


def test_functorch_says_that_it_is_old():
    with pytest.warns(FutureWarning, match=r"use `torch\.vmap` instead"):
        functorch.vmap(torch.sin)(torch.ones(2))
