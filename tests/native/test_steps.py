"""Rules read as steps: those that are arithmetic, and those that must be called as they are."""

import operator

import numpy as np
import pytest

import adjoint as torch
from adjoint.array import numpy_
from adjoint.core.native.steps import ARITHMETIC, _steps, forward_steps, plan_steps
from adjoint.core.op import OPERATORS
from adjoint.core.plan import OPERAND, OUT

FUNCTIONS = {code: function for function, code in ARITHMETIC.items()}


def run(steps, *values):
    """What the compiled walk does with steps."""
    made, constants, result = steps
    values = [*values, *constants]
    for function, *at in made:
        values.append(FUNCTIONS.get(function, function)(*[values[i] for i in at]))
    return values[result]


def test_a_product():
    steps = _steps(lambda xp, g, other: g * other, 2)
    assert steps == (((ARITHMETIC[operator.mul], 0, 1),), (), 2)


def test_a_cotangent_handed_on():
    assert _steps(lambda xp, g: g, 1) == ((), (), 0)


def test_shared_parts_and_constants_are_computed_once():
    def rule(xp, g, out):
        square = out * out
        return g * (1 - square) + 2.5 * (square / (xp.exp(out) - 1))

    steps = _steps(rule, 2)
    assert (len(steps[0]) == 8 and steps[1] == (1, 2.5, 1)) or sorted(steps[1]) == [1, 1, 2.5]
    g, out = np.float32([1, 2]), np.float32([0.25, 3])
    assert run(steps, g, out).tobytes() == rule(numpy_, g, out).tobytes()


@pytest.mark.parametrize(
    "rule",
    [
        lambda xp, g, x: g if x == 0 else -g,
        lambda xp, g, x: g * (x > 0),
        lambda xp, g, x: g * x.shape[0],
        lambda xp, g, x: g * float(x),
        lambda xp, g, x: g * len(x),
        lambda xp, g, x: g * x[0],
        lambda xp, g, x: xp.sum(g * x, axis=(0,), keepdims=True),
        lambda xp, g, x: xp.astype(g, np.float32) * x,
        lambda xp, g, x: 0.0,
        lambda xp, g, x: None,
        lambda xp, g, x: sum(x) * g,
        lambda xp, g, x: xp.no_such_name(g),
        lambda xp, g, x: g * 1j * x,
    ],
)
def test_what_is_not_arithmetic(rule):
    assert _steps(rule, 2) is None


def plans():
    """A plan for each operator and each set of wanted operands of the straight path."""
    for op in list(OPERATORS.values()):
        if op.joint or op.variadic or op.outputs != 1 or not op.differentiable:
            continue
        for needs in range(1, 1 << len(op.rules)):
            which = tuple(bool(needs >> i & 1) for i in range(len(op.operands)))
            if any(want and op.rules[i] is None for i, want in enumerate(which)):
                continue
            yield op, op.plan(which, exact=True, fitting=False)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # values outside of some domains
def test_steps_of_all_operators_are_their_rules():
    torch.ones(1)  # all operators are declared
    known = 0
    for op, plan in plans():
        for rule, indices, steps in zip(plan.rules, plan.indices, plan_steps(plan, OPERAND, OUT)):
            if steps is None:
                continue
            known += 1
            for seed in range(3):
                draw = np.random.default_rng(seed)
                given = [draw.uniform(0.1, 0.9, (2, 3)).astype(np.float32) for _ in indices]
                g = draw.normal(size=(2, 3)).astype(np.float32)
                try:
                    wanted = rule(numpy_, g, *given)
                except (ValueError, np.exceptions.AxisError):
                    break  # operands that do not fit this operator, a matrix product's
                found = run(steps, g, *given)
                assert found.dtype == wanted.dtype, op
                assert found.tobytes() == wanted.tobytes(), op
    assert known > 60


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_steps_of_all_forwards_are_the_forwards():
    torch.ones(1)
    known = set()
    for op in list(OPERATORS.values()):
        steps = forward_steps(op)
        if steps is None:
            continue
        for shape in ((2, 3), ()):
            draw = np.random.default_rng(0)
            given = [np.float32(1) * draw.uniform(0.1, 0.9, shape) for _ in op.operands]
            given = [x.astype(np.float32) for x in given]
            wanted = op.forward(numpy_, *given)
            found = run(steps, *given)
            assert found.dtype == wanted.dtype and found.shape == wanted.shape, op
            assert found.tobytes() == wanted.tobytes(), op
        known.add(op.name)
    assert {"sigmoid", "silu", "relu", "logit", "mish"} <= known
    assert not {"exp", "tanh", "gelu", "softmax"} & known
