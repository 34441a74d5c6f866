"""`ColoredPattern`: seeds and recovery undo each other, and the object behaves like a value."""

import copy
import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from adjoint.sparse import ColoredPattern
from tests.sparse.patterns import (
    arrow,
    band,
    grid,
    masks,
    scattered,
    with_symmetric_values,
    with_values,
)

MODES = (None, "jvp", "vjp", "bidirectional")
# made of whole numbers, so that sums and differences are exact
MATRICES = {
    "band": with_values(band(40, 2, 1)),
    "arrow": with_values(arrow(30, 2)),
    "grid": with_values(grid(6, 7)),
    "scattered": with_values(scattered(30, 50, 6)),
    "tall": with_values(scattered(70, 8, 2)),
    "empty": sp.csr_array((4, 6)),
    "no rows": sp.csr_array((0, 6)),
    "full": sp.csr_array(np.arange(1.0, 21).reshape(4, 5)),
}


def recovered(pattern, matrix):
    return pattern.to_scipy(pattern.recover(*pattern.compress(matrix)))


def assert_same(a, b):
    assert a.shape == b.shape
    assert a.toarray().tolist() == b.toarray().tolist()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", MATRICES)
def test_recovery_of_jacobians(name, mode):
    matrix = MATRICES[name]
    pattern = ColoredPattern.from_scipy(matrix, mode)
    assert_same(recovered(pattern, matrix), matrix)


@given(masks(), st.sampled_from(MODES), st.integers(0, 99))
def test_recovery_of_any_jacobian(mask, mode, seed):
    matrix = with_values(mask.astype(float), seed)
    assert_same(recovered(ColoredPattern.from_scipy(matrix, mode), matrix), matrix)


@given(masks(square=True), st.booleans(), st.integers(0, 99))
def test_recovery_of_any_hessian(mask, substitution, seed):
    matrix = with_symmetric_values(mask.astype(float), seed)
    pattern = ColoredPattern.from_scipy(matrix, "hvp", substitution=substitution)
    assert_same(recovered(pattern, matrix), matrix)


@pytest.mark.parametrize("substitution", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128])
def test_recovery_keeps_the_dtype(dtype, substitution):
    matrix = with_symmetric_values(band(60, 2, 2)).astype(dtype)
    if np.dtype(dtype).kind == "c":
        matrix = matrix * dtype(2 - 3j)
    pattern = ColoredPattern.from_scipy(matrix, "hvp", substitution=substitution)
    data = pattern.recover(*pattern.compress(matrix))
    assert data.dtype == dtype
    assert_same(pattern.to_scipy(data), matrix)


def test_a_long_chain_of_substitutions():
    matrix = with_symmetric_values(band(10_000, 1, 1))
    pattern = ColoredPattern.from_scipy(matrix, "hvp", substitution=True)
    assert pattern.n_colors == 2
    assert (recovered(pattern, matrix) - matrix).nnz == 0


def test_substitution_needs_fewer_products_than_reading():
    direct = ColoredPattern.from_scipy(grid(9, 9), "hvp")
    solved = ColoredPattern.from_scipy(grid(9, 9), "hvp", substitution=True)
    assert (direct.n_colors, solved.n_colors) == (5, 3)
    assert (direct.substitution, solved.substitution) == (False, True)


def test_a_hessian_pattern_is_made_symmetric():
    pattern = ColoredPattern.from_scipy(sp.triu(band(5, 1, 1)), "hvp")
    assert pattern.nnz == 13


def test_stored_zeros_count():
    matrix = band(6, 1, 1)
    matrix.data[:] = 0.0
    assert ColoredPattern.from_scipy(matrix).nnz == 16
    assert ColoredPattern.from_scipy(matrix.toarray()).nnz == 0


@pytest.mark.parametrize("form", ["csc", "coo", "lil", "dia", "bsr"])
def test_every_format_of_scipy(form):
    matrix = MATRICES["scattered"]
    assert ColoredPattern.from_scipy(matrix.asformat(form)) == ColoredPattern.from_scipy(matrix)


def test_the_callers_matrix_is_left_alone():
    matrix = sp.csr_array(
        (np.array([1.0, 2.0, 3.0]), np.array([2, 0, 0]), np.array([0, 3])), shape=(1, 3)
    )
    assert ColoredPattern.from_scipy(matrix).nnz == 2
    assert matrix.indices.tolist() == [2, 0, 0]


# ---- seeds ---------------------------------------------------------------------------------------


def test_seeds_come_in_chunks():
    pattern = ColoredPattern.from_scipy(np.ones((3, 10)), "jvp")
    pieces = list(pattern.seeds(np.float32, chunk=4))
    assert [(p.kind, p.start, p.matrix.shape, p.matrix.dtype.name) for p in pieces] == [
        ("jvp", 0, (4, 10), "float32"),
        ("jvp", 4, (4, 10), "float32"),
        ("jvp", 8, (2, 10), "float32"),
    ]
    assert np.array_equal(np.concatenate([p.matrix for p in pieces]), np.eye(10))


def test_seeds_both_ways():
    pattern = ColoredPattern.from_scipy(arrow(8))
    assert [(p.kind, p.matrix.tolist()) for p in pattern.seeds(int)] == [
        ("jvp", [[0, 1, 1, 1, 1, 1, 1, 1], [1, 0, 0, 0, 0, 0, 0, 0]])
        if pattern.column_colors[0] == 1
        else ("jvp", [[1, 0, 0, 0, 0, 0, 0, 0], [0, 1, 1, 1, 1, 1, 1, 1]]),
        ("vjp", [[1, 0, 0, 0, 0, 0, 0, 0]]),
    ]


def test_a_column_without_entries_is_in_no_seed():
    matrix = np.eye(4)
    matrix[2, 2] = 0
    (piece,) = ColoredPattern.from_scipy(matrix, "jvp").seeds()
    assert piece.matrix.tolist() == [[1, 1, 0, 1]]


def test_chunks_have_a_size():
    with pytest.raises(ValueError, match="chunk must be at least 1"):
        next(ColoredPattern.from_scipy(np.eye(2)).seeds(chunk=0))


# ---- a value -------------------------------------------------------------------------------------


def test_text():
    pattern = ColoredPattern.from_scipy(band(1000, 1, 1))
    assert repr(pattern) == "ColoredPattern(1000x1000, nnz=2998, 99.7% zero, jvp, 3 colours)"
    assert repr(ColoredPattern.from_scipy(np.eye(2), "vjp")) == (
        "ColoredPattern(2x2, nnz=2, 50.0% zero, vjp, 1 colour)"
    )
    assert repr(ColoredPattern.from_scipy(arrow(30))).endswith("bidirectional, 2 + 1 colours)")
    solved = ColoredPattern.from_scipy(band(9, 1, 1), "hvp", substitution=True)
    assert repr(solved) == ("ColoredPattern(9x9, nnz=25, 69.1% zero, hvp, 2 colours, substitution)")
    assert "99.9997% zero" in repr(ColoredPattern.from_scipy(band(10**6, 1, 1)))
    assert "100% zero" in repr(ColoredPattern.from_scipy(np.zeros((3, 3))))


def test_facts():
    pattern = ColoredPattern.from_scipy(band(4, 1, 0))
    assert (pattern.shape, pattern.nnz, pattern.density) == ((4, 4), 7, 7 / 16)
    assert (pattern.mode, pattern.n_colors, pattern.row_colors) == ("jvp", 2, None)
    assert pattern.column_colors.tolist() == [0, 1, 0, 1]
    assert pattern.indptr.tolist() == [0, 1, 3, 5, 7]
    assert pattern.indices.tolist() == [0, 0, 1, 1, 2, 2, 3]


def test_it_cannot_be_changed():
    pattern = ColoredPattern.from_scipy(band(4, 1, 0))
    with pytest.raises(AttributeError, match="cannot be changed"):
        pattern.shape = (1, 1)
    with pytest.raises(AttributeError, match="cannot be changed"):
        del pattern._csr
    for array in (pattern.indices, pattern.indptr, pattern.column_colors):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_equality_and_hash():
    a, b = (ColoredPattern.from_scipy(grid(5, 5)) for _ in range(2))
    assert a == b
    assert hash(a) == hash(b)
    assert a != ColoredPattern.from_scipy(grid(5, 5), "vjp")
    assert a != ColoredPattern.from_scipy(grid(5, 6))
    assert a != "a"


def test_copies():
    for mode in ("jvp", "vjp", "bidirectional"):
        pattern = ColoredPattern.from_scipy(arrow(9), mode)
        assert pickle.loads(pickle.dumps(pattern)) == pattern
        assert copy.deepcopy(pattern) == pattern


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", MATRICES)
def test_transposes(name, mode):
    matrix = MATRICES[name]
    pattern = ColoredPattern.from_scipy(matrix, mode)
    turned = pattern.T
    assert turned.n_colors == pattern.n_colors
    assert_same(recovered(turned, sp.csr_array(matrix.T)), sp.csr_array(matrix.T))
    assert pattern == turned.T


def test_the_transpose_of_a_hessian_is_itself():
    pattern = ColoredPattern.from_scipy(grid(3, 3), "hvp")
    assert pattern.T is pattern


# ---- files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["jvp", "vjp", "bidirectional", "hvp", "substitution"])
def test_files(tmp_path, mode):
    if mode == "substitution":
        pattern = ColoredPattern.from_scipy(grid(5, 6), "hvp", substitution=True)
    else:
        pattern = ColoredPattern.from_scipy(grid(5, 6), mode)
    pattern.save(tmp_path / "pattern.npz")
    loaded = ColoredPattern.load(tmp_path / "pattern.npz")
    assert loaded == pattern
    assert repr(loaded) == repr(pattern)
    matrix = with_symmetric_values(grid(5, 6))
    assert_same(recovered(loaded, matrix), matrix)


def test_a_file_with_objects_is_refused(tmp_path):
    np.savez(tmp_path / "bad.npz", format=np.array(1), shape=np.array([object()], dtype=object))
    with pytest.raises(ValueError, match="holds no coloured pattern"):
        ColoredPattern.load(tmp_path / "bad.npz")


def test_a_file_with_wrong_colours_is_refused(tmp_path):
    right = ColoredPattern.from_scipy(band(6, 1, 1))
    wrong = ColoredPattern(
        right.indptr, right.indices, right.shape, mode="jvp", column_colors=[0, 1] * 3
    )
    wrong.save(tmp_path / "wrong.npz")
    with pytest.raises(ValueError, match="not a colouring of this pattern"):
        ColoredPattern.load(tmp_path / "wrong.npz")


def test_another_file_is_refused(tmp_path):
    (tmp_path / "text.npz").write_text("nothing of the kind")
    with pytest.raises(ValueError, match="holds no coloured pattern"):
        ColoredPattern.load(tmp_path / "text.npz")


# ---- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"indptr": [0, 1], "indices": [0], "shape": (2, 2)}, "indptr does not describe 2 rows"),
        ({"indptr": [0, 2, 1], "indices": [0], "shape": (2, 2)}, "indptr must not fall"),
        ({"indptr": [0, 1, 2], "indices": [0, 2], "shape": (2, 2)}, "between 0 and 1"),
        ({"indptr": [0, 2, 2], "indices": [1, 0], "shape": (2, 2)}, "must rise"),
        ({"indptr": [0, 2, 2], "indices": [1, 1], "shape": (2, 2)}, "must rise"),
        ({"indptr": [0.0, 1.0, 1.0], "indices": [1], "shape": (2, 2)}, "arrays of integers"),
        ({"column_colors": None}, "column_colors is missing"),
        ({"column_colors": [0]}, "one colour for each of 2"),
        ({"column_colors": [0, -2]}, "one colour for each of 2"),
        ({"row_colors": [0, 0]}, "row_colors does not belong"),
        ({"mode": "forward"}, "mode 'forward' is none of 'jvp', 'vjp', 'bidirectional', 'hvp'"),
        ({"order": [0, 1]}, "positions"),
    ],
)
def test_arrays_that_make_no_pattern(arguments, message):
    right = {"indptr": [0, 1, 2], "indices": [0, 1], "shape": (2, 2), "mode": "jvp"}
    right["column_colors"] = [0, 0]
    assert ColoredPattern(**right).check().nnz == 2
    with pytest.raises(ValueError, match=message):
        ColoredPattern(**(right | arguments))


def test_colours_that_are_no_colouring():
    for mode in ("jvp", "hvp"):
        pattern = ColoredPattern([0, 2, 4], [0, 1, 0, 1], (2, 2), mode=mode, column_colors=[0, 0])
        with pytest.raises(ValueError, match=r"the entry \(0, 0\) shares"):
            pattern.recover(np.ones((1, 2)))
    solved = ColoredPattern(
        [0, 2, 4], [0, 1, 0, 1], (2, 2), mode="hvp", column_colors=[0, 0], order=[0, 1]
    )
    with pytest.raises(ValueError, match=r"the entry \(1, 0\) shares"):
        solved.check()


def test_products_of_another_shape():
    pattern = ColoredPattern.from_scipy(band(5, 1, 1))
    with pytest.raises(ValueError, match=r"needs products of shape \(3, 5\), got \(5, 3\)"):
        pattern.recover(np.ones((5, 3)))
    with pytest.raises(ValueError, match=r"needs products of shape \(2, 9\) and \(1, 9\)"):
        ColoredPattern.from_scipy(arrow(9), "bidirectional").recover(np.ones((3, 9)))
    with pytest.raises(ValueError, match="expected 13 values"):
        pattern.to_scipy(np.ones(4))


def test_other_arguments_that_make_no_sense():
    with pytest.raises(ValueError, match="a Hessian is square; this matrix has shape 2x3"):
        ColoredPattern.from_scipy(np.ones((2, 3)), "hvp")
    with pytest.raises(ValueError, match="substitution is a way to recover Hessians"):
        ColoredPattern.from_scipy(np.eye(2), substitution=True)
    with pytest.raises(ValueError, match="mode 'fwd' is none of"):
        ColoredPattern.from_scipy(np.eye(2), "fwd")
    with pytest.raises(ValueError, match="a pattern has two dimensions; this array has 1"):
        ColoredPattern.from_scipy(np.ones(3))
