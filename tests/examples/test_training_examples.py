"""examples/freeze_part.py and examples/network_twice.py do what they claim."""

import pytest

import adjoint
from tests.examples.runner import load_example

freeze_part = load_example("freeze_part")
network_twice = load_example("network_twice")

HEAD = ["head.0.weight", "head.0.bias", "head.2.weight", "head.2.bias"]
ENCODER = ["encoder.0.weight", "encoder.0.bias"]


@pytest.mark.parametrize("way", ["requires_grad", "detach", "optimizer"])
def test_the_frozen_part_stays_and_the_rest_learns(way):
    report = freeze_part.train(way)
    assert report.changed == HEAD
    assert report.losses[-1] < 0.7 * report.losses[0]


def test_the_ways_differ_in_the_gradients_they_compute():
    gradients = {
        way: freeze_part.train(way, steps=2).with_gradient
        for way in ("requires_grad", "detach", "optimizer")
    }
    assert gradients == {"requires_grad": HEAD, "detach": HEAD, "optimizer": ENCODER + HEAD}


def test_all_ways_of_freezing_train_alike():
    first, second, third = (
        freeze_part.train(way).losses for way in ("requires_grad", "detach", "optimizer")
    )
    assert first == second == third


def test_an_unknown_way_is_refused():
    with pytest.raises(ValueError, match="way must be"):
        freeze_part.train("hope")


def test_gradients_of_two_passes_add_up():
    together, added = network_twice.compare()
    assert len(together) == 4
    for left, right in zip(together, added, strict=True):
        assert left.abs().max().item() > 0
        assert adjoint.allclose(left, right, atol=1e-5)


def test_the_siamese_network_separates_the_rings():
    network, losses = network_twice.train()
    assert losses[-1] < 0.1 * losses[0]
    within, between = network_twice.distances(network)
    assert within < 0.3 and between > 0.7
