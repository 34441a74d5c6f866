"""What was measured, for people and for programs: terminal table, Markdown, JSON, the README.

In: the ``Result``s of the harness. Out: text. The columns are the same everywhere: the work, the
median time of each side, PyTorch's time over ours with quartiles, the target, peaks of memory.
Where a side has several ways (`WAYS`), each of ours has a line, and of the others the best counts.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.harness import BUILT, FLOOR, HIPS, JAX, OURS, REFERENCE, Result, parts

Cells = tuple[str, ...]

HEADER = (
    "work",
    "adjoint",
    "adjoint, built",
    "PyTorch",
    "NumPy by hand",
    "PyTorch / adjoint",
    "PyTorch / built",
    "target",
    "peak memory: adjoint",
    "PyTorch",
)


def duration(seconds: float | None) -> str:
    """Return ``seconds`` with three digits and a unit that suits them.

    Example: ``duration(0.00123)`` is ``"1.23 ms"``.
    """
    if seconds is None:
        return "-"
    for scale, unit in ((1.0, "s"), (1e3, "ms"), (1e6, "us")):
        if seconds * scale >= 0.9995:
            return f"{_digits(seconds * scale)} {unit}"
    return f"{_digits(seconds * 1e9)} ns"


def _digits(number: float) -> str:
    return (
        f"{number:.0f}"
        if number >= 99.95
        else f"{number:.1f}"
        if number >= 9.995
        else f"{number:.2f}"
    )


def megabytes(count: int | None) -> str:
    """Return ``count`` bytes in MB."""
    return "-" if count is None else f"{count / 1e6:.0f} MB"


def row(result: Result) -> Cells:
    """Return the cells of one line of the table."""
    target = "-"
    if result.limit is not None:
        target = f"<= {duration(result.limit)}"
    elif REFERENCE in result.targets:
        target = f">= {result.targets[REFERENCE]:g}x"
    for ours, name in ((OURS, ""), (BUILT, "built ")):
        reached = result.met(ours)
        if reached is not None:
            target += f", {name}met" if reached else f", {name}MISSED"
    sides = (OURS, BUILT, REFERENCE, FLOOR)
    times = [result.errors.get(s) or duration(result.seconds(s)) for s in sides]
    if result.differs():
        times[0] += " (other result!)"
    peaks = [megabytes(result.peak.get(s)) for s in (OURS, REFERENCE)]
    ratios = [_ratio(result.ratio(ours), 2) for ours in (OURS, BUILT)]
    return (result.name, *times, *ratios, target, *peaks)


def _ratio(spread: tuple[float, float, float] | None, digits: int) -> str:
    """The median ratio with its quartiles."""
    if spread is None:
        return "-"
    middle, low, high = (f"{x:.{digits}f}" for x in spread)
    return f"{middle}x ({low}-{high})"


WAYS_HEADER = (
    "work",
    "adjoint's way",
    "adjoint",
    "PyTorch, best way",
    "PyTorch / adjoint",
    "HIPS autograd, best way",
    "HIPS autograd / adjoint",
    "JAX, compiled",
    "NumPy by hand",
    "peak memory: adjoint",
    "PyTorch",
)


def ways(result: Result) -> list[Cells]:
    """Return a line for each way of ours."""
    failed = {parts(name)[0]: error for name, error in result.errors.items()}
    strange = result.strangers()

    def time(name: str | None, side: str = "") -> str:
        if name is None:
            return failed.get(side, "-")
        way = parts(name)[1] if side else ""
        text = duration(result.seconds(name)) + (f" ({way})" if way else "")
        return text + (" (other result!)" if name in strange else "")

    def ratio(ours: str, side: str) -> str:
        spread = result.ratio(ours, side)
        if spread is None:
            return "-"
        target, reached = "", result.met(ours, side)
        if reached is not None:
            wanted = f"{result.targets[side]:g}x"
            target = f", >= {wanted} met" if reached else f", >= {wanted} MISSED"
        return _ratio(spread, 1) + target

    mine = [*result.labels(OURS), *result.labels(BUILT)]
    mine += [name for name in result.errors if parts(name)[0] in (OURS, BUILT)]
    cells = []
    for name in mine:
        torch = result.best(REFERENCE)
        cells.append(
            (
                result.name,
                parts(name)[1] + (", built" if parts(name)[0] == BUILT else ""),
                result.errors.get(name) or time(name),
                time(torch, REFERENCE),
                ratio(name, REFERENCE),
                time(result.best(HIPS), HIPS),
                ratio(name, HIPS),
                time(result.best(JAX), JAX),
                time(result.best(FLOOR), ""),
                megabytes(result.peak.get(name)),
                "-" if torch is None else megabytes(result.peak.get(torch)),
            )
        )
    return cells


@dataclass(frozen=True)
class Layout:
    """A table: its columns, and the lines of one result."""

    header: Cells
    lines: Callable[[Result], list[Cells]]


SIMPLE = Layout(HEADER, lambda result: [row(result)])
WAYS = Layout(WAYS_HEADER, ways)


def terminal(
    results: Sequence[Result], machine: str, missing: dict[str, str], layout: Layout = SIMPLE
) -> str:
    """Return a table for a terminal, with the machine above it."""
    notes = [f"{side} WAS NOT MEASURED: {why}" for side, why in missing.items()]
    rows = [layout.header, *(line for result in results for line in layout.lines(result))]
    widths = [max(len(r[i]) for r in rows) for i in range(len(layout.header))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(r, widths)).rstrip() for r in rows]
    return "\n".join([machine, *notes, lines[0], "-" * len(lines[0]), *lines[1:]])


def markdown(
    results: Sequence[Result], machine: str, missing: dict[str, str], layout: Layout = SIMPLE
) -> str:
    """Return a Markdown table with the machine above it."""
    rows = [layout.header, tuple("---" for _ in layout.header)]
    rows += [line for result in results for line in layout.lines(result)]
    table = "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in r) + " |" for r in rows
    )
    notes = "".join(f"\n{side} was not measured: {why}\n" for side, why in missing.items())
    return f"{machine}\n{notes}\n{table}\n"


def as_json(results: Sequence[Result], machine: str, missing: dict[str, str]) -> str:
    """Return everything that was measured, every round of it, as JSON."""
    cases: list[dict[str, Any]] = []
    for result in results:
        cases.append(
            {
                "name": result.name,
                "clock": result.clock,
                "threads": result.threads,
                "seconds": result.rounds,
                "ratio": _spread(result.ratio()),
                "target": result.targets.get(REFERENCE),
                "limit": result.limit,
                "met": result.met(),
                "against": [
                    {
                        "ours": name,
                        "other": result.best(side),
                        "ratio": _spread(result.ratio(name, side)),
                        "target": result.targets.get(side),
                        "met": result.met(name, side),
                    }
                    for name in (*result.labels(OURS), *result.labels(BUILT))
                    for side in (REFERENCE, HIPS, JAX)
                    if result.best(side) is not None
                ],
                "peak_bytes": result.peak,
                "errors": result.errors,
                "same_result": not result.differs(),
            }
        )
    return json.dumps({"machine": machine, "missing": missing, "cases": cases}, indent=1)


def _spread(ratio: tuple[float, float, float] | None) -> dict[str, float] | None:
    return None if ratio is None else dict(zip(("median", "low", "high"), ratio))


def markers(place: str) -> tuple[str, str]:
    """Return what stands before and after a table in README.md."""
    return f"<!-- {place}:begin -->", f"<!-- {place}:end -->"


def update_readme(path: Path, table: str, place: str = "benchmarks") -> None:
    """Write ``table`` between the two markers of ``place`` in the file at ``path``.

    Raises: ValueError if the markers are not there, once each and in order.
    """
    begin, stop = markers(place)
    text = path.read_text(encoding="utf-8")
    start, end = text.find(begin), text.find(stop)
    if start < 0 or end < start or text.count(begin) != 1 or text.count(stop) != 1:
        raise ValueError(f"{path.name} needs {begin} and, after it, {stop}, once each")
    path.write_text(text[: start + len(begin)] + "\n" + table + text[end:], encoding="utf-8")
