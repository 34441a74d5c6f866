"""Layout: boxes stand apart, lines run downward from box to box, and long graphs are finished."""

import random
from itertools import combinations, pairwise

import pytest

from adjoint.viz.layout import lay_out


def random_graph(seed, boxes=25):
    rng = random.Random(seed)
    edges = []
    for target in range(1, boxes):
        for _ in range(rng.choice([0, 1, 1, 2, 3])):
            edges.append(
                (rng.randrange(max(0, target - rng.choice([2, 5, boxes])), target), target)
            )
    sizes = [(rng.uniform(40, 200), rng.choice([30.0, 44.0, 58.0])) for _ in range(boxes)]
    return sizes, edges


@pytest.mark.parametrize("seed", range(20))
def test_boxes_do_not_touch(seed):
    sizes, edges = random_graph(seed)
    layout = lay_out(sizes, edges)
    for (a, (wa, ha)), (b, (wb, hb)) in combinations(zip(layout.centres, sizes), 2):
        apart_x = abs(a[0] - b[0]) - (wa + wb) / 2
        apart_y = abs(a[1] - b[1]) - (ha + hb) / 2
        assert apart_x > 20 or apart_y > 20


@pytest.mark.parametrize("seed", range(20))
def test_lines_run_downward_from_box_to_box(seed):
    sizes, edges = random_graph(seed)
    layout = lay_out(sizes, edges)
    for (source, target), line in zip(edges, layout.lines):
        assert all(y0 < y1 for (_, y0), (_, y1) in pairwise(line))
        for box, (x, y), side in ((source, line[0], 1), (target, line[-1], -1)):
            (cx, cy), (width, height) = layout.centres[box], sizes[box]
            assert y == pytest.approx(cy + side * height / 2)
            assert abs(x - cx) < width / 2


@pytest.mark.parametrize("seed", range(20))
def test_everything_is_inside_the_picture(seed):
    sizes, edges = random_graph(seed)
    layout = lay_out(sizes, edges)
    for (x, y), (width, height) in zip(layout.centres, sizes):
        assert x - width / 2 >= -1e-6 and x + width / 2 <= layout.width + 1e-6
        assert y - height / 2 >= -1e-6 and y + height / 2 <= layout.height + 1e-6
    for line in layout.lines:
        assert all(-1e-6 <= x <= layout.width + 1e-6 for x, _ in line)


def test_lines_keep_out_of_the_boxes_of_layers_that_they_cross():
    sizes = [(80.0, 30.0)] * 5
    edges = [(0, 1), (1, 2), (2, 3), (3, 4), (0, 4)]
    layout = lay_out(sizes, edges)
    long_line = layout.lines[-1]
    for x, y in long_line[1:-1]:
        for (cx, cy), (width, height) in zip(layout.centres[1:4], sizes[1:4]):
            assert not (abs(x - cx) < width / 2 and abs(y - cy) < height / 2)


def test_a_chain_is_straight():
    layout = lay_out([(50.0, 30.0), (90.0, 30.0), (60.0, 30.0)], [(0, 1), (1, 2)])
    assert {round(x, 6) for x, _ in layout.centres} == {45.0}
    assert {round(x, 6) for line in layout.lines for x, _ in line} == {45.0}


def test_a_tree_is_drawn_without_crossings():
    edges = [(2 * i + 1 + k, i) for i in range(7) for k in (0, 1)]
    layout = lay_out([(40.0, 30.0)] * 15, edges)
    xs = [x for x, _ in layout.centres]
    for (a, i), (b, j) in combinations(edges, 2):
        if layout.centres[a][1] == layout.centres[b][1]:
            assert (xs[a] - xs[b]) * (xs[i] - xs[j]) >= 0


def test_leaves_stand_beside_their_use():
    layout = lay_out([(40.0, 30.0)] * 5, [(0, 1), (1, 2), (2, 3), (4, 3)])
    assert layout.centres[4][1] == layout.centres[2][1]


def test_parallel_lines_have_ends_of_their_own():
    layout = lay_out([(60.0, 30.0)] * 2, [(0, 1), (0, 1)])
    first, second = layout.lines
    assert abs(first[-1][0] - second[-1][0]) > 10


def test_parts_that_are_not_joined_stand_side_by_side():
    layout = lay_out([(40.0, 30.0)] * 4, [(0, 2), (1, 3)])
    (x0, y0), (x1, y1), (x2, _), (x3, _) = layout.centres
    assert x0 == x2 and x1 == x3 and y0 == y1
    assert 40 < abs(x0 - x1) < 80


def test_nothing_and_a_single_box():
    assert lay_out([], []).lines == []
    assert lay_out([(50.0, 30.0)], []).centres == [(25.0, 15.0)]


def test_layout_is_reproducible():
    sizes, edges = random_graph(3, 60)
    assert lay_out(sizes, edges) == lay_out(sizes, edges)


def test_a_long_graph_whose_first_box_is_used_everywhere():
    n = 3000
    edges = [(i, i + 1) for i in range(1, n)] + [(0, i) for i in range(1, n)]
    layout = lay_out([(60.0, 30.0)] * (n + 1), edges)
    assert len(layout.lines) == len(edges)
    assert sum(len(line) > 2 for line in layout.lines) > 0  # those that the budget allows
