"""The README and the pages of docs say what is true: listings run, links lead somewhere.

Each page's ``python`` listings are one session, run from top to bottom as a doctest.
"""

import doctest
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
WITH_LINKS = sorted(
    [*PAGES, *(page for part in ("benchmarks", "examples") for page in (ROOT / part).rglob("*.md"))]
)
TEST_COMMAND = "-m pytest -q -n auto --maxprocesses 8"


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def blocks(path: Path, language: str) -> list[tuple[int, str]]:
    """Return the fenced listings in ``language``, each with the number of its first line."""
    text = path.read_text(encoding="utf-8")
    found = re.finditer(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    return [(text.count("\n", 0, match.start(1)), match.group(1)) for match in found]


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=name)
def test_listings_print_what_they_show(page):
    runner = doctest.DocTestRunner(verbose=False)
    names: dict[str, object] = {"__name__": "__main__"}
    for line, text in blocks(page, "python"):
        listing = doctest.DocTestParser().get_doctest(text, names, name(page), str(page), line)
        assert listing.examples, f"{name(page)}, line {line}: a python listing without a prompt"
        listing.globs = names  # get_doctest has made a copy: the session goes on
        output: list[str] = []
        runner.run(listing, out=output.append, clear_globs=False)
        assert not output, "".join(output)


def test_the_readme_has_a_tour():
    assert len(blocks(ROOT / "README.md", "python")) >= 6


@pytest.mark.parametrize("page", WITH_LINKS, ids=name)
def test_links_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        file, _, anchor = target.partition("#")
        assert ":" not in file, f"{target}: only links within the project"
        aim = page.parent / file if file else page
        assert aim.exists(), target
        if anchor:
            titles = re.findall(r"^#+ (.+)$", aim.read_text(encoding="utf-8"), re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", t).lower().replace(" ", "-") for t in titles}
            assert anchor in slugs, target


def test_the_gate_runs_the_test_command_of_the_readme():
    commands = [text.strip() for _, text in blocks(ROOT / "README.md", "bash")]
    (tests,) = [command for command in commands if "pytest" in command]
    assert tests.endswith(f".venv/bin/python {TEST_COMMAND}")
    gate = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert gate.rstrip().splitlines()[-1].endswith(TEST_COMMAND)
    for extras in re.findall(r"'\.\[[\w,]+\]'", tests):
        assert extras in gate


def test_the_readme_keeps_a_place_for_the_measurements():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for place in ("benchmarks", "derivatives"):
        begin, end = f"<!-- {place}:begin -->", f"<!-- {place}:end -->"
        assert text.count(begin) == text.count(end) == 1
        assert text.index(begin) < text.index(end)
