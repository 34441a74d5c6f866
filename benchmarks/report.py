"""What was measured, for people and for programs: terminal table, Markdown, JSON, the README.

In: the ``Result``s of the harness. Out: text. The columns are the same everywhere: the work, the
median time of each side, PyTorch's time over ours with quartiles, the target, peaks of memory.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness import FLOOR, OURS, REFERENCE, Result

BEGIN, END = "<!-- benchmarks:begin -->", "<!-- benchmarks:end -->"
HEADER = (
    "work",
    "adjoint",
    "PyTorch",
    "NumPy by hand",
    "PyTorch / adjoint",
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


def row(result: Result) -> tuple[str, ...]:
    """Return the cells of one line of the table."""
    ratio, target = "-", "-"
    spread = result.ratio()
    if spread is not None:
        middle, low, high = spread
        ratio = f"{middle:.2f}x ({low:.2f}-{high:.2f})"
    if result.limit is not None:
        target = f"<= {duration(result.limit)}"
    elif result.target is not None:
        target = f">= {result.target:g}x"
    reached = result.met()
    if reached is not None:
        target += ", met" if reached else ", MISSED"
    times = [result.errors.get(s) or duration(result.seconds(s)) for s in (OURS, REFERENCE, FLOOR)]
    if result.differs():
        times[0] += " (other result!)"
    peaks = [megabytes(result.peak.get(s)) for s in (OURS, REFERENCE)]
    return (result.name, *times, ratio, target, *peaks)


def terminal(results: Sequence[Result], machine: str, missing: dict[str, str]) -> str:
    """Return a table for a terminal, with the machine above it."""
    notes = [f"{side} WAS NOT MEASURED: {why}" for side, why in missing.items()]
    rows = [HEADER, *map(row, results)]
    widths = [max(len(r[i]) for r in rows) for i in range(len(HEADER))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(r, widths)).rstrip() for r in rows]
    return "\n".join([machine, *notes, lines[0], "-" * len(lines[0]), *lines[1:]])


def markdown(results: Sequence[Result], machine: str, missing: dict[str, str]) -> str:
    """Return a Markdown table with the machine above it."""
    rows = [HEADER, tuple("---" for _ in HEADER), *map(row, results)]
    table = "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in r) + " |" for r in rows
    )
    notes = "".join(f"\n{side} was not measured: {why}\n" for side, why in missing.items())
    return f"{machine}\n{notes}\n{table}\n"


def as_json(results: Sequence[Result], machine: str, missing: dict[str, str]) -> str:
    """Return everything that was measured, every round of it, as JSON."""
    cases: list[dict[str, Any]] = []
    for result in results:
        spread = result.ratio()
        cases.append(
            {
                "name": result.name,
                "clock": result.clock,
                "threads": result.threads,
                "seconds": result.rounds,
                "ratio": None if spread is None else dict(zip(("median", "low", "high"), spread)),
                "target": result.target,
                "limit": result.limit,
                "met": result.met(),
                "peak_bytes": result.peak,
                "errors": result.errors,
                "same_result": not result.differs(),
            }
        )
    return json.dumps({"machine": machine, "missing": missing, "cases": cases}, indent=1)


def update_readme(path: Path, table: str) -> None:
    """Write ``table`` between the two markers of the file at ``path``.

    Raises: ValueError if the markers are not there, once each and in order.
    """
    text = path.read_text(encoding="utf-8")
    start, end = text.find(BEGIN), text.find(END)
    if start < 0 or end < start or text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ValueError(f"{path.name} needs {BEGIN} and, after it, {END}, once each")
    path.write_text(text[: start + len(BEGIN)] + "\n" + table + text[end:], encoding="utf-8")
