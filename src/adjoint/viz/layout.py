"""Layout: where the boxes and lines of a picture go, in layers from top to bottom.

In: box sizes and edges of an acyclic graph.  Out: a `Layout`: centres of the boxes and, for each
edge, the points that its line passes.  The method is Sugiyama's: layers, order within layers,
coordinates.

Note [Long edges]
    An edge across several layers gets a narrow waypoint in each layer between, so that lines keep
    out of boxes. Were every edge of a graph of thousands of layers to have them, the picture would
    never be ready: beyond a budget the longest edges do without.
"""

from __future__ import annotations

import dataclasses
from bisect import bisect_left
from itertools import pairwise

__all__ = ["Layout", "lay_out"]

Point = tuple[float, float]

_GAP_X, _GAP_Y = 26.0, 38.0
_WAYPOINT_WIDTH = 8.0
_PORT_GAP = 18.0
_WAYPOINTS = 4000
_WORK = 400_000  # edge visits to spend on the order within layers


@dataclasses.dataclass(slots=True)
class Layout:
    """Centres of the boxes, the points of each edge from source to target, and the extent."""

    centres: list[Point]
    lines: list[list[Point]]
    width: float
    height: float


@dataclasses.dataclass(slots=True)
class _Mesh:
    """Boxes and waypoints together: all edges go from one layer to the next."""

    layer_of: list[int]
    widths: list[float]
    paths: list[list[int]]  # for each edge: source, waypoints, target
    above: list[list[int]]
    below: list[list[int]]
    layers: list[list[int]]
    spine: list[int]
    boxes: int


def lay_out(sizes: list[Point], edges: list[tuple[int, int]]) -> Layout:
    """Return the layout of boxes of these (width, height) and edges (source, target).

    Parts that no edge joins are laid out by themselves and stand side by side.
    """
    centres: list[Point] = [(0.0, 0.0)] * len(sizes)
    lines: list[list[Point]] = [[] for _ in edges]
    right = bottom = 0.0
    for boxes, numbers in _parts(len(sizes), edges):
        index = {box: k for k, box in enumerate(boxes)}
        joined = [(index[edges[n][0]], index[edges[n][1]]) for n in numbers]
        part = _lay_out_part([sizes[box] for box in boxes], joined)
        left = right + _GAP_X if right else 0.0
        for box, (x, y) in zip(boxes, part.centres):
            centres[box] = (left + x, y)
        for n, line in zip(numbers, part.lines):
            lines[n] = [(left + x, y) for x, y in line]
        right, bottom = left + part.width, max(bottom, part.height)
    return Layout(centres, lines, right, bottom)


def _parts(count: int, edges: list[tuple[int, int]]) -> list[tuple[list[int], list[int]]]:
    """The connected parts: the numbers of their boxes and of their edges."""
    leader = list(range(count))

    def find(i: int) -> int:
        while leader[i] != i:
            leader[i] = i = leader[leader[i]]
        return i

    for source, target in edges:
        leader[find(target)] = find(source)
    parts: dict[int, tuple[list[int], list[int]]] = {}
    for i in range(count):
        parts.setdefault(find(i), ([], []))[0].append(i)
    for number, (source, _) in enumerate(edges):
        parts[find(source)][1].append(number)
    return list(parts.values())


def _lay_out_part(sizes: list[Point], edges: list[tuple[int, int]]) -> Layout:
    mesh = _mesh(sizes, edges, _layers(len(sizes), edges))
    _order(mesh)
    xs = _positions(mesh)
    heights = [0.0] * len(mesh.layers)
    for i, (_, height) in enumerate(sizes):
        heights[mesh.layer_of[i]] = max(heights[mesh.layer_of[i]], height)
    middles, y = [], 0.0
    for height in heights:
        middles.append(y + height / 2)
        y += height + _GAP_Y
    left = min(x - w / 2 for x, w in zip(xs, mesh.widths))
    right = max(x + w / 2 for x, w in zip(xs, mesh.widths))
    points = [(x - left, middles[layer]) for x, layer in zip(xs, mesh.layer_of)]
    lines = _lines(mesh, points, sizes, heights)
    return Layout(points[: len(sizes)], lines, right - left, y - _GAP_Y)


def _layers(count: int, edges: list[tuple[int, int]]) -> list[int]:
    """The layer of each box: as low as its users allow, so that leaves stand beside their use."""
    users: list[list[int]] = [[] for _ in range(count)]
    sources: list[list[int]] = [[] for _ in range(count)]
    for source, target in edges:
        users[source].append(target)
        sources[target].append(source)
    waiting = [len(u) for u in users]
    ready = [i for i, n in enumerate(waiting) if not n]
    height = [0] * count
    for i in ready:  # grows while it is walked
        height[i] = 1 + max((height[j] for j in users[i]), default=-1)
        for j in sources[i]:
            waiting[j] -= 1
            if not waiting[j]:
                ready.append(j)
    top = max(height)
    return [top - h for h in height]


def _mesh(sizes: list[Point], edges: list[tuple[int, int]], layer_of: list[int]) -> _Mesh:
    boxes = len(sizes)
    spine = _spine(boxes, edges, layer_of)
    widths = [w for w, _ in sizes]
    spans = sorted(layer_of[t] - layer_of[s] - 1 for s, t in edges)
    longest, spent = 0, 0
    for span in spans:
        spent += span
        if spent > _WAYPOINTS:
            break
        longest = span
    paths = []
    for source, target in edges:
        path = [source]
        if layer_of[target] - layer_of[source] - 1 <= longest:
            for layer in range(layer_of[source] + 1, layer_of[target]):
                path.append(len(widths))
                widths.append(_WAYPOINT_WIDTH)
                layer_of.append(layer)
        path.append(target)
        paths.append(path)
    above: list[list[int]] = [[] for _ in widths]
    below: list[list[int]] = [[] for _ in widths]
    for path in paths:
        for a, b in pairwise(path):
            if layer_of[b] - layer_of[a] == 1:
                above[b].append(a)
                below[a].append(b)
    layers: list[list[int]] = [[] for _ in range(max(layer_of) + 1)]
    mesh = _Mesh(layer_of, widths, paths, above, below, layers, spine, boxes)
    for i in _depth_first(mesh):
        layers[layer_of[i]].append(i)
    return mesh


def _depth_first(mesh: _Mesh) -> list[int]:
    """All boxes and waypoints, from the results upward, first operands first."""
    seen = [False] * len(mesh.widths)
    order = []
    roots = sorted(range(len(mesh.widths)), key=lambda i: -mesh.layer_of[i])
    for root in roots:
        stack = [root]
        while stack:
            i = stack.pop()
            if not seen[i]:
                seen[i] = True
                order.append(i)
                stack.extend(reversed(mesh.above[i]))
    return order


# ---- order within layers -------------------------------------------------------------------------


def _order(mesh: _Mesh) -> None:
    """Sort every layer by where its neighbours stand, downward and upward, and keep the best."""
    place = [0] * len(mesh.widths)
    for layer in mesh.layers:
        for k, i in enumerate(layer):
            place[i] = k
    best = [layer[:] for layer in mesh.layers]
    fewest = _crossings(mesh, place)
    links = sum(map(len, mesh.above)) + 1
    for sweep in range(min(24, _WORK // links)):
        if not fewest:
            break
        down = sweep % 2 == 0
        neighbours = mesh.above if down else mesh.below
        for layer in mesh.layers if down else reversed(mesh.layers):
            keys = {}
            for i in layer:
                near = [place[j] for j in neighbours[i]]
                keys[i] = sum(near) / len(near) if near else float(place[i])
            layer.sort(key=keys.__getitem__)
            for k, i in enumerate(layer):
                place[i] = k
        crossings = _crossings(mesh, place)
        if crossings < fewest:
            fewest = crossings
            best = [layer[:] for layer in mesh.layers]
    mesh.layers = best


def _crossings(mesh: _Mesh, place: list[int]) -> int:
    """How many pairs of edges between neighbouring layers cross."""
    total = 0
    for layer in mesh.layers:
        ends: list[int] = []
        for i in sorted(layer, key=place.__getitem__):
            for k in sorted(place[j] for j in mesh.below[i]):
                at = bisect_left(ends, k + 1)
                total += len(ends) - at
                ends.insert(at, k)
    return total


# ---- coordinates ---------------------------------------------------------------------------------


def _positions(mesh: _Mesh) -> list[float]:
    """The x of every box and waypoint: near its neighbours, in order, without overlap."""
    xs = [0.0] * len(mesh.widths)
    for layer in mesh.layers:
        x = 0.0
        for i in layer:
            xs[i] = x + mesh.widths[i] / 2
            x += mesh.widths[i] + _GAP_X
        for i in layer:
            xs[i] -= (x - _GAP_X) / 2
    links = sum(map(len, mesh.above)) + 1
    for sweep in range(min(40, max(4, _WORK // links))):
        down = sweep % 2 == 0
        for layer in mesh.layers if down else reversed(mesh.layers):
            _place(mesh, layer, xs, mesh.above if down else mesh.below)
    both = [a + b for a, b in zip(mesh.above, mesh.below)]
    for sweep in range(min(30, max(2, _WORK // links))):
        for layer in mesh.layers if sweep % 2 == 0 else reversed(mesh.layers):
            _place(mesh, layer, xs, both)
    return xs


def _place(mesh: _Mesh, layer: list[int], xs: list[float], neighbours: list[list[int]]) -> None:
    """Move one layer to the weighted means of its neighbours, as far as there is room."""
    wishes, weights = [], []
    for i in layer:
        total, weight = 0.0, 0.0
        for j in neighbours[i]:
            w = _stiffness(mesh, i, j)
            total += w * xs[j]
            weight += w
        wishes.append(total / weight if weight else xs[i])
        weights.append(weight or 0.1)
    widths = [mesh.widths[i] for i in layer]
    for i, x in zip(layer, _separated(wishes, weights, widths, _GAP_X)):
        xs[i] = x


def _stiffness(mesh: _Mesh, i: int, j: int) -> float:
    """How much it matters that a line is straight: most along a spine, least at a leaf."""
    waypoints = (i >= mesh.boxes) + (j >= mesh.boxes)
    if waypoints:
        return 6.0 if waypoints == 2 else 1.5
    source, target = (i, j) if mesh.layer_of[i] < mesh.layer_of[j] else (j, i)
    if mesh.spine[source] == target:
        return 12.0
    return 1.0 if mesh.above[source] else 0.3


def _spine(count: int, edges: list[tuple[int, int]], layer_of: list[int]) -> list[int]:
    """For each box the user that continues the longest path through it, or -1.

    Such paths are drawn straight, and what joins them stands at their sides.
    """
    depth = [0] * count
    deepest = [-1] * count
    for source, target in sorted(edges, key=lambda e: layer_of[e[0]]):
        if deepest[target] < 0 or depth[source] + 1 > depth[target]:
            depth[target] = depth[source] + 1
            deepest[target] = source
    spine = [-1] * count
    for target, source in enumerate(deepest):
        if source >= 0 and layer_of[target] == layer_of[source] + 1:
            best = spine[source]
            if best < 0 or depth[target] > depth[best]:
                spine[source] = target
    return spine


def _separated(
    wishes: list[float], weights: list[float], widths: list[float], gap: float
) -> list[float]:
    """The places nearest to ``wishes`` (weighted squares) that keep order and distance.

    Without the distances this is isotonic regression: neighbours that want to swap are pooled.
    """
    offsets = [0.0]
    for a, b in pairwise(widths):
        offsets.append(offsets[-1] + (a + b) / 2 + gap)
    pools: list[list[float]] = []  # mean, weight, count
    for wish, weight, offset in zip(wishes, weights, offsets):
        pools.append([wish - offset, weight, 1])
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            mean, w, n = pools.pop()
            last = pools[-1]
            last[0] = (last[0] * last[1] + mean * w) / (last[1] + w)
            last[1] += w
            last[2] += n
    means = [mean for mean, _, n in pools for _ in range(int(n))]
    return [mean + offset for mean, offset in zip(means, offsets)]


# ---- lines ---------------------------------------------------------------------------------------


def _lines(
    mesh: _Mesh, points: list[Point], sizes: list[Point], heights: list[float]
) -> list[list[Point]]:
    """For each edge its points; several edges at one box leave and arrive side by side."""
    lines: list[list[Point]] = []
    leaving: list[list[int]] = [[] for _ in sizes]
    arriving: list[list[int]] = [[] for _ in sizes]
    for number, (source, *waypoints, target) in enumerate(mesh.paths):
        leaving[source].append(number)
        arriving[target].append(number)
        line = [points[source]]
        for i in waypoints:  # straight down beside the boxes of the layer
            x, y = points[i]
            half = heights[mesh.layer_of[i]] / 2
            line += [(x, y - half), (x, y + half)]
        lines.append([*line, points[target]])
    for box, (width, height) in enumerate(sizes):
        x, y = points[box]
        for numbers, end, edge_y in ((leaving, 0, y + height / 2), (arriving, -1, y - height / 2)):
            beside = 1 if end == 0 else -2
            here = sorted(numbers[box], key=lambda n: (lines[n][beside][0], n))
            for number, port in zip(here, _ports([lines[n][beside][0] for n in here], x, width)):
                lines[number][end] = (port, edge_y)
    return lines


def _ports(wishes: list[float], x: float, width: float) -> list[float]:
    """Where lines touch a box: straight below or above their other ends as far as there is room."""
    count = len(wishes)
    room = width * 0.6
    gap = min(_PORT_GAP, room / max(1, count - 1))
    low, high = x - room / 2, x + room / 2
    wishes = [min(max(wish, low), high) for wish in wishes]
    ports = _separated(wishes, [1.0] * count, [0.0] * count, gap)
    return [
        min(max(port, low + k * gap), high - (count - 1 - k) * gap) for k, port in enumerate(ports)
    ]
