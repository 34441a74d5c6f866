"""The programs of the benchmark of derivatives run, and every way gives the same matrix."""

import math

import numpy as np
import pytest

import adjoint
from benchmarks import cli, derivatives, report
from benchmarks.harness import FLOOR, HIPS, JAX, OURS, REFERENCE, Case, Effort, Result, measure

SMALL = derivatives.small_cases(6, 9, (5, 4, 3), 7)
LARGE = derivatives.scale_cases(20, 5, 15)

WAYS = [(case, name) for case in [*SMALL, *LARGE] for name in case.builders(OURS)]


def named(part: str) -> Case:
    """Return the small case whose name contains ``part``."""
    (found,) = [case for case in SMALL if part in case.name]
    return found


def dense(result: object) -> np.ndarray:
    """Return a matrix as an array, whatever library it came from."""
    return np.asarray(result.toarray() if hasattr(result, "toarray") else result)


@pytest.mark.parametrize(("case", "name"), WAYS, ids=lambda x: getattr(x, "name", x))
def test_every_way_of_adjoint_runs_twice_and_gives_the_same(case, name):
    step = case.builders(OURS)[name](adjoint)
    first, again = derivatives.digest(step()), derivatives.digest(step())
    assert first == again
    assert first is None or math.isfinite(first)


@pytest.mark.parametrize("case", SMALL, ids=lambda case: case.name)
def test_what_is_written_out_by_hand_is_what_adjoint_derives(case):
    (floor,) = case.builders(FLOOR).values()
    expected = floor(np)()
    for build in case.builders(OURS).values():
        found = build(adjoint)()
        if isinstance(expected, list):
            for mine, theirs in zip(found, expected, strict=True):
                np.testing.assert_allclose(np.asarray(mine), theirs, rtol=1e-10)
        else:
            np.testing.assert_allclose(dense(found), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.filterwarnings("ignore")  # what other libraries warn of is theirs
@pytest.mark.parametrize("side", [REFERENCE, HIPS, JAX])
@pytest.mark.parametrize("case", SMALL, ids=lambda case: case.name)
def test_the_other_libraries_give_the_same(case, side):
    module = {REFERENCE: "torch", HIPS: "autograd", JAX: "jax"}[side]
    lib = pytest.importorskip(module, reason=f"{side} is not installed: nothing to compare with")
    expected = derivatives.digest(next(iter(case.builders(OURS).values()))(adjoint)())
    for name, build in case.builders(side).items():
        assert derivatives.digest(build(lib)()) == pytest.approx(expected, rel=1e-9), name


def test_the_digest_sees_every_entry_and_its_place():
    matrix = np.arange(1.0, 7.0).reshape(2, 3)
    assert derivatives.digest(matrix) != derivatives.digest(matrix[::-1])
    assert derivatives.digest(matrix) != derivatives.digest(matrix[:, ::-1])
    sparse = adjoint.jacobian(lambda x: x[1:] * x[:-1], adjoint.ones(4), sparse=True)
    assert derivatives.digest(sparse) == pytest.approx(derivatives.digest(sparse.toarray()))
    plan = adjoint.prepare_jacobian(lambda x: x[1:] * x[:-1], adjoint.ones(4), sparse=True)
    assert derivatives.digest(plan.pattern) is None
    assert derivatives.digest([matrix, matrix]) == 2 * derivatives.digest(matrix)


def test_names_of_cases_are_unique_and_targets_name_measured_sides():
    names = [case.name for case in derivatives.CASES]
    assert len(set(names)) == len(names)
    for case in derivatives.CASES:
        assert set(case.targets) <= set(case.ways)


# ---- the harness with several ways


def several(**rest: object) -> Result:
    return Result(
        "work",
        "cpu",
        targets={REFERENCE: 3.0, HIPS: 10.0},
        rounds={
            f"{OURS}: once": [2.0, 2.0],
            f"{OURS}: plan": [1.0, 1.0],
            f"{REFERENCE}: slow": [9.0, 9.0],
            f"{REFERENCE}: fast": [4.0, 4.0],
            HIPS: [30.0, 30.0],
        },
        **rest,
    )


def test_the_best_way_of_the_others_counts_for_each_way_of_ours():
    found = several()
    assert found.best(REFERENCE) == f"{REFERENCE}: fast"
    assert found.seconds(REFERENCE) == 4.0 and found.seconds(OURS) == 1.0
    assert found.ratio(f"{OURS}: once") == (2.0, 2.0, 2.0)
    assert found.met(f"{OURS}: once") is False
    assert found.met(f"{OURS}: plan") is True
    assert found.met(f"{OURS}: plan", HIPS) is True
    assert found.ratio(f"{OURS}: plan", JAX) is None and found.met(f"{OURS}: plan", JAX) is None


def test_every_way_of_ours_has_a_line():
    found = several(value={f"{REFERENCE}: slow": 1.0, f"{OURS}: plan": 2.0})
    found.errors[f"{JAX}: jit"] = "ImportError: no jax"
    once, plan = report.ways(found)
    assert len(once) == len(plan) == len(report.WAYS_HEADER)
    assert once[:5] == ("work", "once", "2.00 s", "4.00 s (fast)", "2.0x (2.0-2.0), >= 3x MISSED")
    assert plan[2] == "1.00 s (other result!)"
    assert plan[4:8] == (
        "4.0x (4.0-4.0), >= 3x met",
        "30.0 s",
        "30.0x (30.0-30.0), >= 10x met",
        "ImportError: no jax",
    )
    table = report.markdown([found], "a machine", {JAX: "not installed"}, report.WAYS)
    assert "JAX was not measured: not installed" in table
    assert len([line for line in table.splitlines() if line.startswith("|")]) == 4


def test_the_table_has_a_place_of_its_own_in_the_readme(tmp_path):
    readme = tmp_path / "README.md"
    both = [report.markers("benchmarks"), report.markers("derivatives")]
    readme.write_text("\n".join(f"{begin}\nold\n{end}" for begin, end in both))
    report.update_readme(readme, "new\n", "derivatives")
    eager, mine = (f"{begin}\n{text}\n{end}" for (begin, end), text in zip(both, ("old", "new")))
    assert readme.read_text() == f"{eager}\n{mine}"


def test_sides_that_are_not_of_this_benchmark_are_refused(capsys):
    with pytest.raises(SystemExit):
        cli.main("benchmarks.eager", derivatives.CASES, "text", None, ["--sides", JAX])
    assert "no such side" in capsys.readouterr().err


def test_workers_measure_every_way(capsys):
    cases = [case for case in derivatives.CASES if "tanh" in case.name]
    (found,), missing = measure("benchmarks.derivatives", cases, [OURS], Effort(2, 0.001, 1))
    assert missing == {}
    assert set(found.rounds) == set(cases[0].builders(OURS))
    assert all(len(rounds) == 2 and min(rounds) > 0 for rounds in found.rounds.values())
    assert not found.differs() and len(found.value) == 2
    assert set(found.peak) <= set(found.rounds)
