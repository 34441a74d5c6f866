"""Compare libraries on the same program, fairly: alternating rounds, one process per library.

In: a module with ``CASES`` (see ``Case``). Out: medians of several rounds, the ratio to PyTorch
with its spread, the peak of memory. Every library runs in a process of its own (``worker.py``),
since thread pools, allocator settings and the garbage collector belong to the process; the
processes take turns, so that what else the machine does meets all of them. Start it as ``python -m
benchmarks.eager``; a library that is not installed is left out, and the report says so.
"""

import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from time import sleep
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
OURS, REFERENCE, FLOOR = "adjoint", "PyTorch", "NumPy"
MODULES = {OURS: "adjoint", REFERENCE: "torch", FLOOR: "numpy"}

# Idle threads of a BLAS spin for some 30 ms before they sleep: the next library must not meet them.
SETTLE = 0.05

Step = Callable[[], Any]


@dataclass(frozen=True)
class Case:
    """One program, written against PyTorch's interface, and what it is expected to reach.

    ``build(lib)`` makes the data and returns the step that is timed; ``lib`` is ``torch`` or
    ``adjoint``. ``floor(np)`` is the same work by hand on plain arrays: what no tape can beat.
    One step does ``per`` pieces of work; times are for one piece. Work on one thread is timed in
    CPU time of the process, work on several in wall time. ``target`` is the least ratio of
    PyTorch's time to ours. The first step's result is compared: the libraries must do the same.
    """

    name: str
    build: Callable[[Any], Step]
    floor: Callable[[Any], Step] | None = None
    per: int = 1
    threads: int = 1
    memory: bool = False
    target: float | None = None

    def builder(self, side: str) -> Callable[[Any], Step] | None:
        """Return what makes the step for ``side``, or None if the case has nothing for it."""
        return self.floor if side == FLOOR else self.build


@dataclass
class Result:
    """The rounds of one case: seconds for one piece of work per side, and what went wrong.

    ``target`` is the least ratio to reach, ``limit`` the most seconds that ours may take at best.
    """

    name: str
    clock: str
    threads: int = 1
    target: float | None = None
    limit: float | None = None
    rounds: dict[str, list[float]] = field(default_factory=dict)
    peak: dict[str, int] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    value: dict[str, float] = field(default_factory=dict)

    def seconds(self, side: str) -> float | None:
        """Return the median time of ``side``."""
        return median(self.rounds[side]) if self.rounds.get(side) else None

    def met(self) -> bool | None:
        """Return whether what is asked is reached; None if nothing is asked or was measured."""
        if self.limit is not None:
            return min(self.rounds[OURS]) <= self.limit if OURS in self.rounds else None
        ratio = self.ratio()
        return None if ratio is None or self.target is None else ratio[0] >= self.target

    def ratios(self) -> list[float]:
        """Return PyTorch's time over ours, round by round: neighbours in time are compared."""
        ours, reference = self.rounds.get(OURS, []), self.rounds.get(REFERENCE, [])
        return [theirs / mine for mine, theirs in zip(ours, reference)]

    def ratio(self) -> tuple[float, float, float] | None:
        """Return the median ratio and its quartiles (extremes where the rounds are few)."""
        all_ratios = self.ratios()
        if not all_ratios:
            return None
        if len(all_ratios) < 4:
            return median(all_ratios), min(all_ratios), max(all_ratios)
        low, middle, high = quantiles(all_ratios, n=4, method="inclusive")
        return middle, low, high

    def differs(self) -> bool:
        """Return whether ours and PyTorch's first step gave different numbers."""
        if OURS not in self.value or REFERENCE not in self.value:
            return False
        mine, theirs = self.value[OURS], self.value[REFERENCE]
        return not abs(mine - theirs) <= 1e-3 * max(1.0, abs(mine), abs(theirs))


@dataclass(frozen=True)
class Effort:
    """How long to measure: rounds per case, seconds per round, runs of each import."""

    rounds: int = 9
    budget: float = 0.1
    imports: int = 7

    @classmethod
    def quick(cls) -> "Effort":
        """Return an effort that shows the order of magnitude."""
        return cls(rounds=3, budget=0.02, imports=3)


class Worker:
    """A process in which one library runs the cases of one module, one request at a time."""

    def __init__(self, module: str, side: str, threads: int) -> None:
        self.side = side
        command = [sys.executable, "-m", "benchmarks.worker", module, side]
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment(threads),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.missing = self._read().get("error")

    def ask(self, **request: Any) -> dict[str, Any]:
        """Send ``request`` and return the answer, which has the key ``error`` if it failed."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            return {"error": f"the process ended with status {self._process.wait()}"}
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


def environment(threads: int) -> dict[str, str]:
    """Return the environment of a worker: this checkout's sources, ``threads`` for every pool."""
    paths = [str(ROOT / "src"), str(ROOT), os.environ.get("PYTHONPATH", "")]
    pools = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    count = str(min(threads, os.cpu_count() or 1))
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        **dict.fromkeys(pools, count),
    }


def measure(
    module: str, cases: Sequence[Case], sides: Iterable[str], effort: Effort
) -> tuple[list[Result], dict[str, str]]:
    """Run ``cases`` of ``module`` on ``sides``; return the results and why sides are missing."""
    results: dict[str, Result] = {}
    missing: dict[str, str] = {}
    for threads in sorted({case.threads for case in cases}):
        workers = []
        for side in sides:
            if side in missing:
                continue
            worker = Worker(module, side, threads)
            if worker.missing:
                missing[side] = worker.missing
                say(f"{side} is left out: {worker.missing}")
                worker.close()
            else:
                workers.append(worker)
        try:
            for case in cases:
                if case.threads == threads:
                    results[case.name] = _measure_case(case, workers, effort)
        finally:
            for worker in workers:
                worker.close()
    return [results[case.name] for case in cases], missing


def _measure_case(case: Case, workers: Sequence[Worker], effort: Effort) -> Result:
    say(f"  {case.name}")
    result = Result(case.name, "cpu" if case.threads == 1 else "wall", case.threads, case.target)
    ready = []
    for worker in workers:
        if case.builder(worker.side) is None:
            continue
        answer = worker.ask(op="prepare", case=case.name, budget=effort.budget)
        if "error" in answer:
            result.errors[worker.side] = answer["error"]
            say(f"    {worker.side}: {answer['error']}")
            continue
        if answer["value"] is not None:
            result.value[worker.side] = answer["value"]
        ready.append(worker)
    for turn in range(effort.rounds):
        first = turn % len(ready) if ready else 0
        for worker in ready[first:] + ready[:first]:
            if case.threads > 1:
                sleep(SETTLE)
            answer = worker.ask(op="time")
            if "error" in answer:
                raise RuntimeError(f"{case.name}, {worker.side}: {answer['error']}")
            result.rounds.setdefault(worker.side, []).append(answer[result.clock] / case.per)
    for worker in ready:
        if case.memory:
            answer = worker.ask(op="memory")
            if answer.get("peak") is not None:
                result.peak[worker.side] = answer["peak"]
        worker.ask(op="drop")
    if result.differs():
        say(f"    the results differ: {result.value}")
    return result


_IMPORT = """
from time import process_time as now
import numpy
start = now()
import {module}
print(now() - start)
"""


def measure_imports(sides: Iterable[str], effort: Effort, limit: float | None = None) -> Result:
    """Measure what importing each side costs after NumPy is there; every round is a new process.

    CPU time, with compiled byte code at hand: what a disk adds on the first day is not ours.
    ``limit`` is the number of seconds that ours may take.
    """
    say("  import")
    result = Result("import, after NumPy", "cpu", limit=limit)
    with tempfile.TemporaryDirectory() as cache:
        for turn in range(effort.imports + 1):
            for side in sides:
                if side == FLOOR or side in result.errors:
                    continue
                env = environment(1)
                env.pop("PYTHONDONTWRITEBYTECODE", None)  # compiled code is kept, as for users
                if side == OURS:
                    env["PYTHONPYCACHEPREFIX"] = cache
                program = _IMPORT.format(module=MODULES[side])
                done = subprocess.run(
                    [sys.executable, "-c", program], env=env, capture_output=True, text=True
                )
                if done.returncode:
                    result.errors[side] = done.stderr.strip().splitlines()[-1]
                elif turn:  # the first run compiles
                    result.rounds.setdefault(side, []).append(float(done.stdout))
    return result


def machine() -> str:
    """Return the processor and the versions that the figures belong to, in one line."""
    model = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").split("\n"):
            if line.startswith("model name"):
                model = " ".join(line.partition(":")[2].split())
                break
    except OSError:
        pass
    names = [f"{model}, {os.cpu_count()} cores", f"Python {platform.python_version()}"]
    for side in (FLOOR, REFERENCE):
        try:
            names.append(f"{side} {importlib.metadata.version(MODULES[side])}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return "; ".join(names)


def say(text: str) -> None:
    """Print progress where it does not mix with the report."""
    print(text, file=sys.stderr, flush=True)
