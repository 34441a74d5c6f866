"""Colourings are colourings, by brute force; known structure gets the colours it is known for."""

import itertools
import time

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from adjoint.sparse.coloring import color_columns, color_jacobian, color_rows, count, dense_lines
from adjoint.sparse.csr import canonical, transpose
from adjoint.sparse.greedy import color_greedily
from adjoint.sparse.symmetric import color_star, color_triangular
from tests.sparse.patterns import arrow, band, cycle, grid, masks, scattered, symmetric


def assert_no_shared_row(mask, colors):
    for c in range(colors.max() + 1):
        assert (mask[:, colors == c].sum(axis=1) <= 1).all()
    assert (colors[mask.any(axis=0)] >= 0).all()
    assert (colors[~mask.any(axis=0)] == -1).all()
    assert set(colors.tolist()) - {-1} == set(range(colors.max() + 1))


def fewest(mask):
    """The least number of colours for the columns, by trying."""
    filled = np.flatnonzero(mask.any(axis=0))
    conflict = (mask.T.astype(int) @ mask.astype(int)) > 0
    for p in range(len(filled) + 1):
        stack = [()]
        while stack:
            chosen = stack.pop()
            if len(chosen) == len(filled):
                return p
            j = filled[len(chosen)]
            top = min(p, max(chosen, default=-1) + 2)
            for c in range(top):
                if not any(chosen[k] == c and conflict[j, filled[k]] for k in range(len(chosen))):
                    stack.append((*chosen, c))
    raise AssertionError


@given(masks())
def test_columns(mask):
    assert_no_shared_row(mask, color_columns(canonical(mask)))


@given(masks())
def test_rows(mask):
    assert_no_shared_row(mask.T, color_rows(canonical(mask)))


@given(masks(largest=7))
def test_small_patterns_get_almost_the_fewest_colours(mask):
    assert count(color_columns(canonical(mask))) <= fewest(mask) + 1


@given(masks())
def test_greedy_without_formulas(mask):
    pattern = canonical(mask)
    turned, _ = transpose(pattern)
    colors = color_greedily(turned, int(pattern.counts().max()) or 1)
    assert_no_shared_row(mask, colors)


@given(masks())
def test_both_ways_every_entry_is_alone_somewhere(mask):
    coloring = color_jacobian(canonical(mask), "bidirectional")
    for i, j in zip(*np.nonzero(mask)):
        c, r = coloring.columns[j], coloring.rows[i]
        by_column = c >= 0 and mask[i, coloring.columns == c].sum() == 1
        by_row = r >= 0 and mask[coloring.rows == r, j].sum() == 1
        assert by_column or by_row


@given(masks(), st.sampled_from([0.25, 1.0, 4.0]))
def test_the_choice_is_the_cheapest(mask, jvp_cost):
    pattern = canonical(mask)
    cost = color_jacobian(pattern, None, jvp_cost).cost(jvp_cost)
    for mode in ("jvp", "vjp"):
        assert cost <= color_jacobian(pattern, mode).cost(jvp_cost)


@given(masks(square=True))
def test_star_colouring(mask):
    mask = mask | mask.T
    colors = color_star(canonical(mask))
    for i, j in zip(*np.nonzero(mask)):
        at_i = colors[j] >= 0 and mask[i, colors == colors[j]].sum() == 1
        at_j = colors[i] >= 0 and mask[j, colors == colors[i]].sum() == 1
        assert at_i or at_j
    assert count(colors) <= count(color_columns(canonical(mask)))


@given(masks(square=True, largest=9))
def test_star_colouring_is_one_in_the_books_sense(mask):
    # every path on four vertices has at least three colours
    mask = mask | mask.T | np.eye(len(mask), dtype=bool)
    colors = color_star(canonical(mask))
    n = len(mask)
    joined = mask & ~np.eye(n, dtype=bool)
    for a, b, c, d in itertools.permutations(range(n), 4):
        if joined[a, b] and joined[b, c] and joined[c, d]:
            assert len({colors[a], colors[b], colors[c], colors[d]}) >= 3


@given(masks(square=True))
def test_triangular_colouring_is_acyclic(mask):
    mask = mask | mask.T | np.eye(len(mask), dtype=bool)
    colors, order = color_triangular(canonical(mask))
    assert sorted(order.tolist()) == list(range(len(mask)))
    joined = mask & ~np.eye(len(mask), dtype=bool)
    assert not (joined & (colors[:, None] == colors)).any()
    for a, b in itertools.combinations(range(colors.max() + 1), 2):
        members = np.flatnonzero((colors == a) | (colors == b))
        part = sp.csr_array(joined[np.ix_(members, members)])
        pieces, _ = sp.csgraph.connected_components(part)
        assert part.nnz // 2 == len(members) - pieces  # a forest


@pytest.mark.parametrize(
    ("matrix", "colors"),
    [
        (sp.eye_array(50), 1),
        (band(50, 1, 1), 3),
        (band(50, 0, 1), 2),
        (band(80, 4, 2), 7),
        (sp.block_diag([np.ones((3, 3))] * 9), 3),
        (sp.block_diag([np.ones((2, 3)), np.ones((4, 5)), np.ones((1, 2))]), 5),
        (grid(11, 13), 5),
        (grid(30, 40), 5),
        (grid(12, 15, full=True), 9),
        (grid(7, 8, 9), 7),
        (grid(6, 7, 8, full=True), 27),
        (sp.kron(grid(20, 21), np.ones((2, 2))), 10),
        (sp.kron(grid(8, 9, 10), np.ones((3, 3))), 21),
        (grid(25, 35, line=cycle), 5),
        (cycle(30), 3),
        (cycle(31), 4),
        (np.ones((4, 6)), 6),
        (np.zeros((4, 6)), 0),
    ],
)
def test_known_structure(matrix, colors):
    pattern = canonical(matrix)
    found = color_columns(pattern)
    assert_no_shared_row(sp.csr_array(matrix).toarray() != 0, found)
    assert count(found) == colors


def test_permuted_blocks_need_no_more_than_blocks():
    order = np.random.default_rng(0).permutation(60)
    matrix = sp.csr_array(sp.block_diag([np.ones((5, 5))] * 12))[order][:, order[::-1]]
    assert count(color_columns(canonical(matrix))) == 5


def test_a_full_row_and_column_are_taken_both_ways():
    coloring = color_jacobian(canonical(arrow(100)))
    assert coloring.mode == "bidirectional"
    assert (count(coloring.columns), count(coloring.rows)) == (2, 1)
    assert color_jacobian(canonical(arrow(100, 3, first=False))).cost() == 7


def test_the_shorter_side_is_chosen():
    wide = scattered(20, 400, 30)
    assert color_jacobian(canonical(wide)).mode == "vjp"
    assert color_jacobian(canonical(wide.T)).mode == "jvp"


def test_dense_lines_weighs_lines_against_entries():
    assert dense_lines(np.array([3, 100, 3, 2])) == (1, 4)
    assert dense_lines(np.array([3, 3, 3])) == (0, 3)
    assert dense_lines(np.zeros(4, int)) == (0, 0)


@pytest.mark.parametrize(
    ("matrix", "star", "triangular"),
    [
        (sp.eye_array(20), 1, 1),
        (band(50, 1, 1), 3, 2),
        (band(60, 2, 2), 5, 3),
        (arrow(40), 2, 2),
        (arrow(40, first=False), 2, 2),
        (arrow(40, 2), 3, 3),
        (grid(15, 16), 5, 3),
        (np.ones((6, 6)), 6, 6),
    ],
)
def test_known_hessians(matrix, star, triangular):
    pattern = canonical(matrix)
    assert count(color_star(pattern)) == star
    assert count(color_triangular(pattern)[0]) == triangular


def test_stars_save_colours_on_random_graphs():
    pattern = canonical(symmetric(scattered(600, 600, 2)))
    assert count(color_star(pattern)) < count(color_columns(pattern))


def test_many_colours_take_several_words():
    matrix = scattered(60, 400, 150)
    pattern = canonical(matrix)
    colors = color_columns(pattern)
    assert count(colors) > 128
    assert_no_shared_row(matrix.toarray() != 0, colors)


def test_the_same_colours_every_time():
    matrix = scattered(500, 500, 6)
    first, second = (color_columns(canonical(matrix)) for _ in range(2))
    assert np.array_equal(first, second)


@pytest.mark.parametrize(
    ("name", "matrix", "colors"),
    [
        ("tridiagonal", band(10**6, 1, 1), 3),
        ("five-point scheme", grid(1000, 1000), 5),
        ("arrow", arrow(10**6), 3),
    ],
)
def test_a_million_rows(name, matrix, colors):
    pattern = canonical(matrix)
    start = time.perf_counter()
    coloring = color_jacobian(pattern)
    middle = time.perf_counter()
    star = color_star(pattern)
    end = time.perf_counter()
    print(f"{name}: Jacobian {middle - start:.2f} s, Hessian {end - middle:.2f} s")
    assert coloring.cost() == colors
    assert count(star) == min(colors, 2 if name == "arrow" else colors)
