"""Pictures of patterns: the dots are where the entries are, and SVG is well-formed."""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given

from adjoint.sparse import ColoredPattern
from adjoint.sparse.closed_form import described
from adjoint.sparse.csr import canonical
from adjoint.sparse.picture import braille
from tests.sparse.patterns import arrow, band, grid, masks, scattered

SVG = "{http://www.w3.org/2000/svg}"


def dots(text):
    """Read a braille picture back."""
    bits = [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (2, 1), (3, 0), (3, 1)]
    lines = [line[1:-1] for line in text.splitlines()]
    found = np.zeros((4 * len(lines), 2 * len(lines[0])), bool)
    for i, line in enumerate(lines):
        for j, character in enumerate(line):
            for k, (down, right) in enumerate(bits):
                found[4 * i + down, 2 * j + right] = (ord(character) - 0x2800) >> k & 1
    return found


@given(masks(largest=30))
def test_small_matrices_are_drawn_dot_by_dot(mask):
    found = dots(braille(canonical(mask)))
    m, n = mask.shape
    assert np.array_equal(found[:m, :n], mask)
    assert not found[m:].any()
    assert not found[:, n:].any()


def test_large_matrices_are_drawn_small():
    lines = braille(canonical(band(5000, 1, 1))).splitlines()
    assert (len(lines), len(lines[0])) == (16, 34)
    assert lines[0].startswith("⎡⠻⣦⡀")
    found = dots("\n".join(lines))
    assert np.abs(np.subtract(*np.nonzero(found))).max() <= 1


def test_text_tells_structure_and_draws():
    text = str(ColoredPattern.from_scipy(arrow(8)))
    assert text == (
        "ColoredPattern(8x8, nnz=22, 65.6% zero, bidirectional, 2 + 1 colours)\n⎡⡟⢍⠉⠉⎤\n⎣⡇⠀⠑⢄⎦"
    )


@pytest.mark.parametrize(
    ("matrix", "words"),
    [
        (np.eye(5), "diagonal"),
        (band(50, 1, 1), "tridiagonal"),
        (band(200, 3, 2), "banded, 3 below and 2 above the diagonal"),
        (band(200, 0, 2), "banded, 0 below and 2 above the diagonal"),
        (grid(20, 20), "5 diagonals"),
        (sp.block_diag([np.ones((4, 4))] * 3), "block-diagonal, 3 blocks of 4"),
        (sp.block_diag([np.ones((4, 4)), np.ones((2, 5))]), "block-diagonal, 2 blocks"),
        (np.ones((3, 4)), "full"),
        (np.zeros((3, 4)), "empty"),
        (scattered(40, 40, 5), ""),
    ],
)
def test_words_for_structure(matrix, words):
    assert described(canonical(matrix)) == words


@pytest.mark.parametrize("mode", ["jvp", "vjp", "bidirectional", "hvp", "substitution"])
def test_svg_shows_each_entry_in_the_colour_of_its_product(mode):
    if mode == "substitution":
        pattern = ColoredPattern.from_scipy(grid(4, 4), "hvp", substitution=True)
    else:
        pattern = ColoredPattern.from_scipy(grid(4, 4), mode)
    root = ElementTree.fromstring(pattern.to_svg())
    squares = sum(path.get("d").count("M") for path in root.iter(f"{SVG}path"))
    coloured = [c for c in (pattern.column_colors, pattern.row_colors) if c is not None]
    assert squares == pattern.nnz + sum(int((c >= 0).sum()) for c in coloured)
    fills = {path.get("fill") for path in root.iter(f"{SVG}path")}
    assert len(fills) == pattern.n_colors
    (title,) = root.iter(f"{SVG}text")
    assert title.text.startswith("16 × 16 · nnz=64 · 75.0% zero · ")


def test_large_pictures_stay_small():
    text = ColoredPattern.from_scipy(grid(100, 100)).to_svg()
    assert len(text) < 30_000
    root = ElementTree.fromstring(text)
    assert 2 <= len(list(root.iter(f"{SVG}path"))) <= 6


@pytest.mark.parametrize("shape", [(0, 0), (0, 4), (3, 0), (1, 1), (1, 2000), (2000, 1)])
def test_odd_shapes(shape):
    pattern = ColoredPattern.from_scipy(sp.csr_array(np.ones(shape)))
    ElementTree.fromstring(pattern.to_svg())
    assert len(str(pattern).splitlines()[-1]) <= 64
    assert len(str(pattern).splitlines()) <= 20


def test_notebooks():
    html = ColoredPattern.from_scipy(band(20, 1, 1))._repr_html_()
    assert html.startswith("<figure")
    assert "(tridiagonal)" in html
    assert len(re.findall("<svg", html)) == 1
    ElementTree.fromstring(html)
