"""Pictures of a pattern: in braille for terminals, as SVG for notebooks.

In: a pattern, and a colour group for each of its places.  Out: text.  What is too large to be
drawn place by place is drawn as a grid of densities, so that every picture is small.
"""

from __future__ import annotations

import colorsys
from html import escape
from typing import Any

import numpy as np

from adjoint.sparse.csr import Array, Csr

__all__ = ["EXACT", "braille", "svg"]

# The bit of each dot of a braille character, by row and column.
_DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]], np.uint8)
_COLUMNS, _ROWS = 60, 16  # the most characters of a braille picture

_SIDE = 420.0
EXACT = 128  # up to so many rows and columns, places are drawn one by one
_CELLS = 84
_SHADES = 6
_FONT = "'Segoe UI', 'Helvetica Neue', Helvetica, Arial, 'DejaVu Sans', sans-serif"
_FIRST = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377")
_PLAIN = (38, 84, 140)


# ---- braille -------------------------------------------------------------------------------------


def braille(pattern: Csr) -> str:
    """Return the picture as lines of braille characters: a dot where there is an entry."""
    m, n = pattern.shape
    if not m or not n:
        return "⎡⎤"
    scale = max(1.0, n / (2 * _COLUMNS), m / (4 * _ROWS))
    dots = np.zeros(
        (-(-int(np.ceil(m / scale)) // 4) * 4, -(-int(np.ceil(n / scale)) // 2) * 2), bool
    )
    dots[(pattern.rows() / scale).astype(int), (pattern.indices / scale).astype(int)] = True
    cells = dots.reshape(len(dots) // 4, 4, -1, 2) * _DOTS[None, :, None, :]
    codes = cells.sum(axis=(1, 3)) + 0x2800
    lines = ["".join(map(chr, row)) for row in codes.tolist()]
    if len(lines) == 1:
        return f"[{lines[0]}]"
    left = "⎡" + "⎢" * (len(lines) - 2) + "⎣"
    right = "⎤" + "⎥" * (len(lines) - 2) + "⎦"
    return "\n".join(a + line + b for a, line, b in zip(left, lines, right))


# ---- SVG -----------------------------------------------------------------------------------------


def svg(
    pattern: Csr,
    groups: Array,
    column_colors: Array | None,
    row_colors: Array | None,
    title: str,
) -> str:
    """Return the picture as SVG text, complete in itself.

    ``groups``: for each place, the number of the product that it is read from. The colours of
    columns stand above the matrix, those of rows at its left, as far as they can be drawn.
    """
    m, n = pattern.shape
    size = _SIDE / max(m, n, 1)
    width, height = max(n * size, 24.0), max(m * size, 24.0)
    exact = max(m, n) <= EXACT
    top = 34.0 if exact and column_colors is not None else 16.0
    left = 34.0 if exact and row_colors is not None else 16.0
    total_width = max(left + width + 16.0, 16.0 + 6.4 * len(title))
    total_height = top + height + 44.0
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{total_width:.0f}"'
        f' height="{total_height:.0f}" viewBox="0 0 {total_width:.0f} {total_height:.0f}"'
        f' font-family="{_FONT}" role="img" aria-label="{escape(title)}">',
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        f'<g transform="translate({left:g} {top:g})">',
        f'<rect width="{width:.2f}" height="{height:.2f}" fill="#f5f7fa"/>',
    ]
    if exact:
        gap = size * 0.08 if size > 5 else 0.0
        parts += _places(pattern, groups, size, gap)
        if column_colors is not None:
            j = np.arange(n)
            parts += _squares(j * size, np.full(n, -14.0), column_colors, size - gap, 8.0)
        if row_colors is not None:
            i = np.arange(m)
            parts += _squares(np.full(m, -14.0), i * size, row_colors, 8.0, size - gap)
    else:
        parts += _densities(pattern, width, height)
    parts.append(
        f'<rect width="{width:.2f}" height="{height:.2f}" fill="none" stroke="#a3acb9"'
        ' stroke-width="1"/></g>'
    )
    parts.append(
        f'<text x="16" y="{total_height - 18:.0f}" font-size="12" fill="#667080">'
        f"{escape(title)}</text>"
    )
    parts.append("</svg>")
    return "\n".join(parts)


def _places(pattern: Csr, groups: Array, size: float, gap: float) -> list[str]:
    x, y = pattern.indices * size, pattern.rows() * size
    return _squares(x, y, groups, size - gap, size - gap)


def _squares(x: Array, y: Array, groups: Array, width: float, height: float) -> list[str]:
    """One path per colour."""
    parts = []
    for c in np.unique(groups[groups >= 0]).tolist():
        chosen = groups == c
        path = "".join(
            f"M{a:.2f} {b:.2f}h{width:.2f}v{height:.2f}h{-width:.2f}z"
            for a, b in zip(x[chosen].tolist(), y[chosen].tolist())
        )
        parts.append(f'<path fill="{_color(c)}" d="{path}"/>')
    return parts


def _color(number: int) -> str:
    """Six colours that everybody can tell apart, then as many as are wanted."""
    if number < len(_FIRST):
        return _FIRST[number]
    hue = (number * 0.6180339887) % 1.0
    r, g, b = colorsys.hls_to_rgb(hue, (0.42, 0.55, 0.66)[number % 3], 0.6)
    return f"#{round(r * 255):02x}{round(g * 255):02x}{round(b * 255):02x}"


def _densities(pattern: Csr, width: float, height: float) -> list[str]:
    m, n = pattern.shape
    side = max(m, n) / _CELLS
    down, across = max(1, round(m / side)), max(1, round(n / side))
    i = pattern.rows().astype(np.int64) * down // m
    j = pattern.indices.astype(np.int64) * across // n
    filled: Any = np.bincount(i * across + j, minlength=down * across).reshape(down, across)
    most = filled.max(initial=1)
    # a single entry is seen, and fuller cells are darker
    shade = np.ceil(_SHADES * np.log1p(filled) / np.log1p(most)).astype(int)
    dx, dy = width / across, height / down
    parts = []
    for level in range(1, _SHADES + 1):
        rows, columns = np.nonzero(shade == level)
        if not len(rows):
            continue
        path = "".join(
            f"M{b * dx:.2f} {a * dy:.2f}h{dx:.2f}v{dy:.2f}h{-dx:.2f}z"
            for a, b in zip(rows.tolist(), columns.tolist())
        )
        light = 0.62 * (1 - level / _SHADES)
        r, g, b = (round(c + (255 - c) * light) for c in _PLAIN)
        parts.append(f'<path fill="#{r:02x}{g:02x}{b:02x}" d="{path}"/>')
    return parts
