"""PatternArray: every name of the contract carries what its elements may depend on.

The reference is the derivative by central differences: where it is not zero, the pattern is.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from adjoint.array import numpy_
from adjoint.array.patterns import PatternArray, PatternLibrary
from tests.array.pattern_cases import CASES, CONTRACT, EXACT, array

CALLS = [(name, k) for name in sorted(CASES) for k in range(len(CASES[name]))]


def is_input(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.dtype.kind in "fc"


def places_of(arguments: tuple[Any, ...]) -> list[Any]:
    """Where inputs are: (position,) of an argument, or (position, k) in a tuple of arrays."""
    found: list[Any] = []
    for i, x in enumerate(arguments):
        if is_input(x):
            found.append((i,))
        elif isinstance(x, tuple) and all(map(is_input, x)):
            found += [(i, k) for k in range(len(x))]
    return found


def replaced(arguments: tuple[Any, ...], place: Any, x: Any) -> tuple[Any, ...]:
    if len(place) == 2:
        x = replaced(arguments[place[0]], place[1:], x)
    return (*arguments[: place[0]], x, *arguments[place[0] + 1 :])


def at(arguments: tuple[Any, ...], place: Any) -> Any:
    return arguments[place[0]] if len(place) == 1 else arguments[place[0]][place[1]]


def first(result: Any) -> Any:
    return result[0] if isinstance(result, tuple) else result


def has_zeros(arguments: tuple[Any, ...]) -> bool:
    """Whether an input is zero now, and might not be at another point."""
    return any(not at(arguments, place).all() for place in places_of(arguments))


def as_numbers(x: Any) -> Any:
    return np.asarray(x).astype(complex)


def moves(function: Any, x: Any) -> Any:
    """A mask: which outputs move with which element of ``x``, by differences."""
    x = np.array(x)
    columns = []
    for place in np.ndindex(x.shape):
        moved = np.zeros(np.asarray(function(x)).size, bool)
        for step in (1e-6, 1e-6j) if x.dtype.kind == "c" else (1e-6,):
            above, below = x.copy(), x.copy()
            above[place] += step
            below[place] -= step
            difference = as_numbers(function(above)) - as_numbers(function(below))
            moved |= np.abs(difference).reshape(-1) > 1e-10
        columns.append(moved)
    return np.array(columns).reshape(x.size, -1).T


def traced(name: str, k: int, places: list[Any]) -> tuple[Any, list[Any]]:
    """The result of the call with the arguments at ``places`` as inputs, and their patterns."""
    arguments, keywords = CASES[name][k]
    xp = PatternLibrary(sum(at(arguments, p).size for p in places))
    start, columns = 0, []
    for place in places:
        x = at(arguments, place)
        arguments = replaced(arguments, place, xp.inputs(x, start))
        columns.append(slice(start, start + x.size))
        start += x.size
    result = first(getattr(xp, name)(*arguments, **keywords))
    dense = xp.pattern(result).toarray()
    return result, [dense[:, c] for c in columns]


def test_every_name_has_cases() -> None:
    assert sorted(CASES) == CONTRACT
    assert all(callable(getattr(PatternLibrary, name)) for name in CONTRACT)


@pytest.mark.parametrize(("name", "k"), CALLS)
def test_values_are_numpys(name: str, k: int) -> None:
    arguments, keywords = CASES[name][k]
    expected = first(getattr(numpy_, name)(*arguments, **keywords))
    result, _ = traced(name, k, places_of(arguments))
    if isinstance(result, PatternArray):
        assert result.shape == np.shape(expected)
        assert result.sets.shape == result.shape
        if result.size:
            scale = [s // result.itemsize for s in result.strides]
            assert scale == [s // result.sets.itemsize for s in result.sets.strides]
        result = result.value
    np.testing.assert_array_equal(result, expected)
    assert np.asarray(result).dtype == np.asarray(expected).dtype


@pytest.mark.parametrize(("name", "k"), CALLS)
def test_what_moves_is_in_the_pattern(name: str, k: int) -> None:
    arguments, keywords = CASES[name][k]
    function = getattr(numpy_, name)
    places = places_of(arguments)
    subsets = [places] + [[p] for p in places] if len(places) > 1 else [places]
    for chosen in subsets:
        if not chosen or name == "scalar_like":  # which is about the dtype alone
            continue
        result, patterns = traced(name, k, chosen)
        assert isinstance(result, PatternArray)
        for place, pattern in zip(chosen, patterns):

            def alone(x: Any, place: Any = place) -> Any:
                return first(function(*replaced(arguments, place, x), **keywords))

            moved = moves(alone, at(arguments, place))
            assert not (moved & ~pattern).any()
            if name in EXACT and moved.any() and (len(chosen) == 1 or not has_zeros(arguments)):
                np.testing.assert_array_equal(pattern, moved)


@pytest.mark.parametrize("name", CONTRACT)
def test_nothing_depends_on_constants(name: str) -> None:
    """Without inputs among the operands there are no entries."""
    xp = PatternLibrary(3)
    for arguments, keywords in CASES[name]:
        result = first(getattr(xp, name)(*arguments, **keywords))
        if isinstance(result, PatternArray):
            assert xp.pattern(result).nnz == 0


# ---- single rules --------------------------------------------------------------------------------


def inputs(*shape: int) -> tuple[PatternLibrary, PatternArray]:
    xp = PatternLibrary(int(np.prod(shape)))
    return xp, xp.inputs(array(*shape))


def dense(x: PatternArray) -> Any:
    return x.array_library.pattern(x).toarray().astype(int)


def test_where_selects_by_a_constant_and_joins_by_a_computed_condition() -> None:
    xp, x = inputs(4)
    mask = np.array([True, False])
    np.testing.assert_array_equal(dense(xp.where(mask, x[:2], x[2:])), [[1, 0, 0, 0], [0, 0, 0, 1]])
    np.testing.assert_array_equal(
        dense(xp.where(x[:2] > 0.5, x[:2], x[2:])), [[1, 0, 1, 0], [0, 1, 0, 1]]
    )


def test_a_local_library_selects_as_the_point_does() -> None:
    x = PatternLibrary(4, local=True).inputs(array(4))
    xp = x.array_library
    up = x.value[:2] > x.value[2:]
    expected = np.eye(4)[np.where(up, [0, 1], [2, 3])]
    np.testing.assert_array_equal(dense(xp.where(x[:2] > x[2:], x[:2], x[2:])), expected)
    np.testing.assert_array_equal(
        dense(xp.sort(x, 0, False, True)[0]), np.eye(4)[np.argsort(x.value)]
    )
    np.testing.assert_array_equal(dense(x[xp.argmax(x)]), [np.eye(4)[np.argmax(x.value)]])


def test_indices_computed_from_the_input_may_be_any() -> None:
    xp, x = inputs(4)
    largest, every = xp.argmax(x), np.ones((1, 4))
    np.testing.assert_array_equal(dense(x[largest]), every)
    np.testing.assert_array_equal(dense(xp.take_along_axis(x, xp.reshape(largest, (1,)), 0)), every)
    order = xp.sort(x, 0, False, True)[1]
    assert dense(xp.take(x, (order,))).all()
    assert dense(xp.index_add(x, (4,), (order,))).all()
    assert dense(xp.scatter_add(x, (4,), order, 0)).all()
    # along the other axis all is known
    square = xp.reshape(x, (2, 2))
    picked = xp.take(square, (slice(None), xp.argmax(square, 1)))
    np.testing.assert_array_equal(dense(picked[0]), [[1, 1, 0, 0]] * 2)
    # what is put may be anywhere, and what was there may stay
    put = xp.put(np.zeros(4), (xp.reshape(largest, (1,)),), x[:1])
    np.testing.assert_array_equal(dense(put), [[1, 0, 0, 0]] * 4)
    assert dense(xp.put(x, (xp.reshape(largest, (1,)),), 0.0)).tolist() == np.eye(4).tolist()
    # constants that are picked may be others
    table = xp.constant(np.array([0.0, 1.0, 0.0, 0.0]))
    weights = xp.take(table, (order,))
    np.testing.assert_array_equal(dense(xp.matmul(weights, x)), every)
    np.testing.assert_array_equal(dense(xp.matmul(table, x)), [[0, 1, 0, 0]])


def test_masks_computed_from_the_input_are_taken() -> None:
    xp, x = inputs(4)
    mask = x > 0.6
    chosen = np.flatnonzero(mask.value)
    np.testing.assert_array_equal(dense(x[mask]), np.eye(4)[chosen])
    assert xp.decisions == 1
    np.testing.assert_array_equal(dense(xp.put(x, (mask,), 0.0)), np.eye(4))
    both = np.eye(4)
    both[:, 0] = 1
    np.testing.assert_array_equal(dense(xp.put(x, (mask,), x[0])), both)
    np.testing.assert_array_equal(dense(xp.put(x, (mask.value,), 0.0)), np.diag(1 - mask.value * 1))


def test_a_careful_library_trusts_no_constant() -> None:
    x = PatternLibrary(3, careful=True).inputs(array(3))
    xp = x.array_library
    assert dense(xp.matmul(np.eye(3), x)).all()
    both = xp.where(np.array([True, False, True]), x, x[::-1])
    np.testing.assert_array_equal(dense(both), np.eye(3) + np.eye(3)[::-1] > 0)


def test_comparisons_and_rounding_depend_on_nothing() -> None:
    xp, x = inputs(3)
    for made in (x > 0.5, x == x, xp.floor(x), x // 2, xp.astype(x, np.int64), ~(x < 1), x != 0):
        assert isinstance(made, PatternArray)
        assert xp.pattern(made).nnz == 0


def test_a_constant_zero_couples_nothing_in_a_product_of_matrices() -> None:
    xp, x = inputs(5)
    difference = np.eye(5, k=1) - np.eye(5)
    np.testing.assert_array_equal(dense(xp.matmul(difference, x)), np.eye(5) + np.eye(5, k=1))
    # an element that an input may change counts, whatever it is now
    changeable = xp.constant(difference.copy())
    changeable[3, 0] = x[4] * 0
    expected = np.eye(5) + np.eye(5, k=1)
    expected[3, [0, 4]] = 1
    np.testing.assert_array_equal(dense(xp.matmul(changeable, x)), expected)
    np.testing.assert_array_equal(dense(x * np.array([1, 0, 1, 0, 1])), np.eye(5))


def test_operators_with_arrays_and_numbers_on_either_side() -> None:
    _, x = inputs(3)
    c = np.array([2.0, 3.0, 4.0])
    for made in (c + x, x - c, c * x, x / c, c / x, 2 - x, 2**x, x**2, -x, abs(x), x % 2, 1.5 % x):
        np.testing.assert_array_equal(dense(made), np.eye(3))
    np.testing.assert_array_equal((c - x).value, c - x.value)
    np.testing.assert_array_equal(dense(np.eye(3) @ x), np.eye(3))
    np.testing.assert_array_equal(dense(x @ np.eye(3)), np.eye(3))
    for made in (c > x, c == x, np.array([1, 2, 3]) & (x > 0.5)):
        assert isinstance(made, PatternArray)
    with pytest.raises(TypeError):
        x + "a"
    with pytest.raises(TypeError):
        x // "a"


def test_values_are_taken_and_counted() -> None:
    xp, x = inputs(2)
    assert bool(x[0] > 0) and float(x[0]) == x[0].item() == complex(x[0])
    assert x.tolist() == x.value.tolist()
    two = xp.astype(x[0] * 0 + 2, np.int64)
    assert [10, 20, 30][two] == 30
    assert int(two) == np.asarray(two) == np.maximum.reduce([int(two), 0]) == 2
    assert xp.decisions == 9
    assert bool(xp.constant(np.array(True))) and xp.constant(np.array(2)).item() == 2
    assert xp.decisions == 9


def test_numpys_functions_are_refused() -> None:
    _, x = inputs(2)
    with pytest.raises(TypeError, match="would lose what the elements"):
        np.concatenate([x, x])
    with pytest.raises(TypeError, match="would lose what its elements"):
        np.zeros(2)[...] = x
    with pytest.raises(TypeError, match="would lose what its elements"):
        np.asarray(x)
    assert np.count_nonzero(x > 0) == 2
    with pytest.raises(TypeError, match="does not support ufuncs"):
        np.sin(x)
    assert np.shape(x) == (2,)


def test_two_libraries_do_not_mix() -> None:
    _, x = inputs(2)
    _, y = inputs(2)
    with pytest.raises(RuntimeError, match="two pattern detections met"):
        x + y


# ---- writing -------------------------------------------------------------------------------------


def test_writing_replaces_sets() -> None:
    xp, x = inputs(4)
    y = xp.copy(x)
    y[1:3] = x[:2]
    y[3] = 5.0
    np.testing.assert_array_equal(dense(y), [[1, 0, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0] * 4])
    np.testing.assert_array_equal(dense(x), np.eye(4))
    y[y.value > 1] = x[3]
    assert dense(y)[3].tolist() == [0, 0, 0, 1]
    y += x
    assert dense(y)[2].tolist() == [0, 1, 1, 0]


def test_overlapping_writes() -> None:
    xp, x = inputs(4)
    y = xp.copy(x)
    y[1:] = y[:-1]
    np.testing.assert_array_equal(y.value, x.value[[0, 0, 1, 2]])
    np.testing.assert_array_equal(dense(y), np.eye(4)[[0, 0, 1, 2]])


@pytest.mark.parametrize(
    "view",
    [
        lambda xp, y: y[1:3],
        lambda xp, y: xp.slice(y, (2,)),
        lambda xp, y: xp.reshape(y, (2, 2))[:, 1],
        lambda xp, y: xp.flip(y, (0,))[:2],
        lambda xp, y: xp.as_strided(y, (2,), (2,), 1),
        lambda xp, y: xp.diagonal(xp.reshape(y, (2, 2)), 0, 0, 1),
        lambda xp, y: xp.swapaxes(xp.reshape(y, (2, 2)), 0, 1)[0],
        lambda xp, y: xp.broadcast_view(y, (1, 4))[0, 1:],
        lambda xp, y: xp.expand_dims(y, (0,))[0, :2],
        lambda xp, y: xp.squeeze(xp.reshape(y, (1, 4)), (0,))[1:],
        lambda xp, y: xp.permute_dims(xp.reshape(y, (2, 2)), (1, 0))[1],
        lambda xp, y: xp.sliding(y, 0, 2, 2)[1],
        lambda xp, y: xp.matrix_t(xp.reshape(y, (2, 2)))[0],
        lambda xp, y: y.T.reshape(4)[3:],
    ],
)
def test_writing_through_a_view_reaches_the_base(view: Any) -> None:
    xp, x = inputs(4)
    y = xp.copy(x) + 0 * x[0]
    value = y.value.copy()
    part = view(xp, y)
    part[...] = x[3] * 2
    view(numpy_, value)[...] = x.value[3] * 2
    np.testing.assert_array_equal(y.value, value)
    moved = value == x.value[3] * 2
    assert 0 < moved.sum() < 4
    for place in range(4):
        expected = {3} if moved[place] else {0, place}
        assert set(np.flatnonzero(dense(y)[place])) == expected


def test_parts_of_complex_numbers_are_views() -> None:
    xp, x = inputs(4)
    z = xp.make_complex(x[:2], x[2:])
    np.testing.assert_array_equal(dense(z), [[1, 0, 1, 0], [0, 1, 0, 1]])
    np.testing.assert_array_equal(dense(xp.imag(z)), [[0, 0, 1, 0], [0, 0, 0, 1]])
    xp.real(z)[...] = 0
    np.testing.assert_array_equal(dense(z), [[0, 0, 1, 0], [0, 0, 0, 1]])
    both = xp.view_as_real(z)
    both[0, 1] = x[1]
    np.testing.assert_array_equal(dense(z), [[0, 1, 0, 0], [0, 0, 0, 1]])
    again = xp.view_as_complex(both)
    again[1] = x[0]
    np.testing.assert_array_equal(dense(xp.conj(z)), [[0, 1, 0, 0], [1, 0, 0, 0]])
    np.testing.assert_array_equal(dense(z.real), [[0, 0, 0, 0], [1, 0, 0, 0]])
    np.testing.assert_array_equal(dense(z.imag)[0], [0, 1, 0, 0])
    np.testing.assert_array_equal(dense(xp.astype(z, np.float64)), dense(z.real))


# ---- the table of sets ---------------------------------------------------------------------------


def test_sets_that_stay_the_same_keep_their_number() -> None:
    xp, x = inputs(6)
    y = x[1:] + x[:-1]
    count = xp.table._count
    z = y * y + xp.exp(x[1:]) * y
    assert xp.table._count == count
    np.testing.assert_array_equal(z.sets, y.sets)


def test_what_is_needed_no_more_is_collected() -> None:
    xp, x = inputs(50)

    def tidy() -> None:
        xp.table._collect_at = 0
        xp.check_operands((), False)

    y = x[1:] * x[:-1]
    z = xp.make_complex(y, y)
    pieces = [xp.permute_dims(xp.reshape(y[:48], (2, 4, 6)) * 1.0, (0, 2, 1)), z, y[3:9]]
    pieces.append(xp.as_strided(y, (3, 4), (2, 1), 1))
    pieces.append(xp.broadcast_to(xp.sum(y), (2, 2)))
    expected = [dense(piece) for piece in pieces]
    for _ in range(40):
        y = y + x[::-1][:49]
        tidy()
        y = y[::-1]
        y[0] = 0.0
    for piece, before in zip(pieces, expected):
        np.testing.assert_array_equal(dense(piece), before)
    kept = len(np.unique(np.concatenate([p.sets.reshape(-1) for p in (pieces[0], y)])))
    del pieces, z, piece
    tidy()
    assert xp.table._count <= 52 + kept


def test_unions_that_would_fill_memory_become_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adjoint.array.patterns.sets._LARGE", 40)
    xp, x = inputs(60)
    half = xp.sum(x[30:])
    y = x[:30] * half
    assert len(np.unique(y.sets)) == 1
    assert dense(y).all()
    s = xp.sum(xp.reshape(x, (2, 30)), (1,))
    assert len(np.unique(s.sets)) == 1
    assert dense(s).all()


def test_a_part_of_a_large_set_is_recognised() -> None:
    xp, x = inputs(200)
    total = xp.sum(x)
    count = xp.table._count
    y = x / total
    assert (y.sets == total.sets).all()
    assert xp.table._count == count
    mixed = x[:100] * xp.sum(x[50:])
    expected = np.zeros((100, 200), int)
    expected[:, 50:] = 1
    expected[np.arange(50), np.arange(50)] = 1
    np.testing.assert_array_equal(dense(mixed), expected)


SMALL = {"_PIECE": 50, "_WIDE": 2, "_REPEATED": 0, "_MUCH": 1, "_FEW": 0}


@pytest.mark.parametrize("limits", [{}, SMALL, {**SMALL, "_MUCH": 1000}], ids=["usual", "", "join"])
@pytest.mark.parametrize("n", [1, 5, 40, 300])
def test_unions_of_groups_against_python_sets(
    n: int, limits: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, limit in limits.items():
        monkeypatch.setattr(f"adjoint.array.patterns.sets.{name}", limit)
    rng = np.random.default_rng(n)
    xp = PatternLibrary(n)
    x = xp.inputs(rng.random(n))
    values = [x, x[::-1] * x, xp.cumsum(x, 0), xp.roll(x, (1,), (0,)) + x]
    for _ in range(30):
        a, b = rng.choice(len(values), 2)
        left, right = values[a], values[b]
        made = left * right
        sets = [
            set(p) | set(q)
            for p, q in zip(
                np.split(*_split(xp.pattern(left))), np.split(*_split(xp.pattern(right)))
            )
        ]
        found = np.split(*_split(xp.pattern(made)))
        assert [set(f) for f in found] == sets
        assert all((np.diff(f) > 0).all() for f in found)
        groups = rng.integers(0, n, (4, 7))
        united = xp.sum(xp.take(made, (groups,)), (1,))
        expected = [set().union(*[sets[j] for j in row]) for row in groups]
        assert [set(f) for f in np.split(*_split(xp.pattern(united)))] == expected
        values.append(made)


def _split(matrix: sp.csr_array) -> tuple[Any, Any]:
    return matrix.indices, matrix.indptr[1:-1]
