"""The command line that every file of benchmarks shares.

In: the cases of one module and the arguments. Out: the report on standard output; progress on
standard error; with ``--update-readme`` the table in README.md too.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace

from benchmarks import report
from benchmarks.harness import (
    JAX,
    ROOT,
    SIDES,
    Case,
    Effort,
    machine,
    measure,
    measure_imports,
)

IMPORT = "import"


def parser(description: str, sides: Sequence[str] = SIDES) -> argparse.ArgumentParser:
    """Return the arguments that every benchmark takes."""
    result = argparse.ArgumentParser(description=description)
    result.add_argument("--quick", action="store_true", help="few and short rounds")
    result.add_argument("--only", action="append", metavar="NAME", help="cases whose name has NAME")
    result.add_argument("--rounds", type=int, metavar="N", help="rounds per case")
    result.add_argument("--sides", metavar="A,B", help=f"some of {','.join(sides)}")
    result.add_argument("--markdown", action="store_true", help="print a Markdown table")
    result.add_argument("--json", action="store_true", help="print every round as JSON")
    result.add_argument("--list", action="store_true", help="print the names of the cases and end")
    result.add_argument(
        "--update-readme", action="store_true", help="write the table into README.md"
    )
    return result


def chosen(names: Sequence[str], only: Sequence[str] | None) -> list[str]:
    """Return those of ``names`` that contain one of ``only`` (all of them if it is None).

    A part that is a whole name chooses that name only.
    """
    if only is None:
        return list(names)
    return [n for n in names if any(p == n or (p not in names and p in n) for p in only)]


def main(
    module: str,
    cases: Sequence[Case],
    description: str,
    import_limit: float | None = None,
    argv: Sequence[str] | None = None,
    *,
    sides: Sequence[str] = SIDES,
    layout: report.Layout = report.SIMPLE,
    place: str = "benchmarks",
) -> None:
    """Measure ``cases`` (and, given ``import_limit`` seconds, the import) and print the report.

    ``sides``: the libraries; ``layout``: the table; ``place``: the markers for it in README.md.
    """
    arguments = parser(description, sides)
    options = arguments.parse_args(argv)
    names = [case.name for case in cases] + ([IMPORT] if import_limit is not None else [])
    picked = chosen(names, options.only)
    if options.list:
        print("\n".join(picked))
        return
    asked = options.sides.split(",") if options.sides else list(sides)
    unknown = [side for side in asked if side not in sides]
    if unknown or not picked:
        arguments.error(f"no such side: {unknown}" if unknown else f"no such case: {options.only}")
    effort = Effort.quick() if options.quick else Effort()
    if options.rounds:
        effort = replace(effort, rounds=options.rounds)
    results, missing = measure(module, [c for c in cases if c.name in picked], asked, effort)
    if IMPORT in picked:
        results.append(measure_imports(asked, effort, import_limit))
    on = machine(asked)
    table = report.markdown(results, on, missing, layout)
    if options.json:
        print(report.as_json(results, on, missing))
    elif options.markdown:
        print(table)
    else:
        print(report.terminal(results, on, missing, layout))
    if options.update_readme:
        if set(missing) - {JAX}:  # which is there for information
            raise SystemExit(f"README.md is left as it is: {missing}")
        report.update_readme(ROOT / "README.md", table, place)
