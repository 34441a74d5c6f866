"""Functions go to other processes by their name, as all of Python's do."""

import copy
import pickle

import pytest

import adjoint

FUNCTIONS = [
    name
    for name in sorted(set(dir(adjoint)))
    if callable(f := getattr(adjoint, name)) and not isinstance(f, type)
]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_is_itself_again(name):
    function = getattr(adjoint, name)
    assert pickle.loads(pickle.dumps(function)) is function
    assert copy.deepcopy(function) is function
