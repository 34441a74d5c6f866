"""The benchmark harness: ratios, spread, targets, the table, the README, real workers on NumPy."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from benchmarks import cli, eager, floors, report, worker
from benchmarks.harness import (
    BUILT,
    FLOOR,
    OURS,
    REFERENCE,
    Case,
    Effort,
    Result,
    environment,
    measure,
)

BEGIN, END = report.markers("benchmarks")


def result(ours: list[float], theirs: list[float], **rest: object) -> Result:
    return Result("work", "cpu", rounds={OURS: ours, REFERENCE: theirs}, **rest)


def test_ratio_is_taken_between_neighbours():
    # The machine was twice as slow in the second half: the ratio does not see it.
    drifting = result([1.0, 1.0, 2.0, 2.0], [3.0, 3.0, 6.0, 6.0])
    assert drifting.ratio() == (3.0, 3.0, 3.0)
    assert drifting.seconds(OURS) == 1.5


def test_spread_is_quartiles_and_extremes_where_rounds_are_few():
    assert result([1.0] * 5, [1.0, 2.0, 3.0, 4.0, 100.0]).ratio() == (3.0, 2.0, 4.0)
    assert result([1.0] * 3, [1.0, 2.0, 9.0]).ratio() == (2.0, 1.0, 9.0)


def test_no_ratio_without_both_sides():
    alone = Result("work", "cpu", rounds={OURS: [1.0]})
    assert alone.ratio() is None and alone.met() is None
    assert alone.seconds(REFERENCE) is None


@pytest.mark.parametrize(("target", "met"), [(2.0, True), (3.0, True), (3.5, False), (None, None)])
def test_target_is_met_by_the_median(target, met):
    assert result([1.0, 1.0, 1.0], [3.0, 3.0, 3.0], target=target).met() is met


def test_limit_is_met_by_the_best_round():
    assert result([0.04, 0.02], [1.0, 1.0], limit=0.03).met() is True
    assert result([0.04, 0.05], [1.0, 1.0], limit=0.03).met() is False


@pytest.mark.parametrize(
    ("values", "differs"),
    [
        ({OURS: 2.0, REFERENCE: 2.0001}, False),
        ({OURS: 2.0, REFERENCE: 2.1}, True),
        ({OURS: float("nan"), REFERENCE: 2.0}, True),
        ({OURS: 2.0}, False),
    ],
)
def test_other_results_are_noticed(values, differs):
    found = Result("work", "cpu", value=values)
    assert found.differs() is differs
    assert ("(other result!)" in report.row(found)[1]) is differs


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (1.5, "1.50 s"),
        (0.00123, "1.23 ms"),
        (0.0123, "12.3 ms"),
        (0.123, "123 ms"),
        (0.9999, "1.00 s"),
        (4.56e-6, "4.56 us"),
        (7.8e-7, "780 ns"),
    ],
)
def test_duration(seconds, text):
    assert report.duration(seconds) == text


def test_row_and_tables():
    found = result([1e-6] * 4, [3e-6] * 4, target=2.0, peak={OURS: 17_000_000})
    found.errors[FLOOR] = "AttributeError: no | here"
    cells = report.row(found)
    assert len(cells) == len(report.HEADER)
    assert cells[:4] == ("work", "1.00 us", "-", "3.00 us")
    assert cells[5:] == ("3.00x (3.00-3.00)", "-", ">= 2x, met", "17 MB", "-")
    found.rounds[BUILT] = [2e-6] * 4
    cells = report.row(found)
    assert cells[:4] == ("work", "1.00 us", "2.00 us", "3.00 us")
    assert cells[6:8] == ("1.50x (1.50-1.50)", ">= 2x, met, built MISSED")
    text = report.terminal([found], "a machine", {REFERENCE: "no torch"}).splitlines()
    assert text[:2] == ["a machine", "PyTorch WAS NOT MEASURED: no torch"]
    assert len(text) == 5 and text[4].startswith("work") and "AttributeError" in text[4]
    table = report.markdown([found], "a machine", {REFERENCE: "not installed"})
    assert table.startswith("a machine\n")
    assert "PyTorch was not measured: not installed" in table
    assert "no \\| here" in table
    rows = [line for line in table.splitlines() if line.startswith("|")]
    assert len(rows) == 3
    assert {line.replace("\\|", "").count("|") for line in rows} == {len(report.HEADER) + 1}


def test_the_compiled_core_is_for_its_own_side_only():
    assert environment(1, BUILT)["ADJOINT_NO_NATIVE"] == "0"
    for side in (OURS, REFERENCE, FLOOR):
        assert environment(1, side)["ADJOINT_NO_NATIVE"] == "1"


def test_json_keeps_every_round():
    found = result([1.0, 2.0], [3.0, 4.0], target=2.0)
    content = json.loads(report.as_json([found], "a machine", {}))
    assert content["machine"] == "a machine"
    (case,) = content["cases"]
    assert case["seconds"] == {OURS: [1.0, 2.0], REFERENCE: [3.0, 4.0]}
    assert case["ratio"] == {"median": 2.5, "low": 2.0, "high": 3.0}
    assert case["met"] is True and case["same_result"] is True


def test_readme_is_changed_between_the_markers_only(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    report.update_readme(readme, "new\n")
    assert readme.read_text() == f"before\n{BEGIN}\nnew\n{END}\nafter\n"


@pytest.mark.parametrize(
    "text",
    ["nothing", BEGIN, f"{END} {BEGIN}", f"{BEGIN}{END}" * 2],
)
def test_readme_without_markers_is_left_alone(tmp_path, text):
    readme = tmp_path / "README.md"
    readme.write_text(text)
    with pytest.raises(ValueError, match=r"README\.md needs"):
        report.update_readme(readme, "new")
    assert readme.read_text() == text


def test_every_pool_gets_the_same_number_of_threads():
    env = environment(1)
    assert {env[n] for n in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")} == {"1"}
    assert Path(env["PYTHONPATH"].split(os.pathsep)[0], "adjoint").is_dir()


def test_names_are_chosen_by_part_and_exactly():
    names = ["x + x", "matmul 1024", "matmul 1024, backward", "MLP"]
    assert cli.chosen(names, None) == names
    assert cli.chosen(names, ["matmul 1024"]) == ["matmul 1024"]
    assert cli.chosen(names, ["mul", "+"]) == names[:3]
    assert cli.chosen(names, ["nothing"]) == []


def test_listing_and_wrong_arguments(capsys):
    cli.main("benchmarks.eager", eager.CASES, "text", 0.03, ["--list", "--only", "matmul"])
    assert capsys.readouterr().out.splitlines() == ["matmul 1024, forward", "matmul 1024, backward"]
    with pytest.raises(SystemExit):
        cli.main("benchmarks.eager", eager.CASES, "text", None, ["--only", "no such case"])
    assert "no such case" in capsys.readouterr().err


def test_names_of_cases_are_unique():
    names = [case.name for case in eager.CASES]
    assert len(set(names)) == len(names)


def test_real_workers_measure_the_floor_and_a_missing_side_is_reported(capsys):
    cases = [case for case in eager.CASES if case.name == "x + x"]
    (found,), missing = measure("benchmarks.eager", cases, [FLOOR], Effort(2, 0.001, 1))
    assert missing == {}
    assert len(found.rounds[FLOOR]) == 2 and all(t > 0 for t in found.rounds[FLOOR])
    assert found.value[FLOOR] == 8.0
    results, missing = measure("benchmarks.no_such_file", cases, [FLOOR], Effort(1, 0.001, 1))
    assert "No module named" in missing[FLOOR]
    assert results[0].rounds == {}
    assert f"{FLOOR} is left out" in capsys.readouterr().err


def test_a_failing_case_is_reported_and_the_next_one_runs():
    def broken(lib: object) -> object:
        raise AttributeError("no such thing\nsecond line")

    bench = worker.Bench({"a": Case("a", broken), "b": Case("b", lambda n: lambda: 1.5)}, OURS, np)
    with pytest.raises(AttributeError) as caught:
        bench.prepare("a", OURS, 0.001)
    assert worker._sentence(caught.value) == "AttributeError: no such thing"
    assert bench.prepare("b", OURS, 0.001)["value"] == 1.5
    assert bench.time(OURS)["wall"] > 0
    assert bench.drop() == {}


@pytest.mark.skipif(not worker._STATUS.exists(), reason="peaks are read from /proc")
def test_peak_of_memory_sees_what_a_step_allocates():
    size = 1 << 25

    def build(lib: object) -> object:
        return lambda: np.ones(size, np.uint8)

    bench = worker.Bench({"a": Case("a", build)}, OURS, np)
    bench.prepare("a", OURS, 0.001)
    peak = bench.memory("a", OURS)["peak"]
    bench.drop()
    if peak is None:
        pytest.skip("the system does not reset VmHWM")
    assert 0.9 * size < peak < 3 * size


def test_floors_compute_what_they_say():
    assert floors.add(np)().tolist() == [[2.0, 2.0], [2.0, 2.0]]
    assert floors.mean_example(np)() == 27.0
    assert floors.chain(np, 100)() == pytest.approx(1.01**100, rel=1e-4)
    assert floors.matmul(np, 4, True)().shape == (4, 4)
    assert floors.gelu(np, 10)().shape == (10,)
    for adam in (False, True):
        step = floors.mlp(np, (8, 16, 3), 5, adam)
        losses = [float(step()) for _ in range(200)]
        assert losses[-1] < losses[0] / 2
