"""Compare libraries on the same program, fairly: alternating rounds, one process per library.

In: a module with ``CASES`` (see ``Case``). Out: medians of several rounds, the ratio to PyTorch
(and others) with its spread, the peak of memory. Every library runs in a process of its own
(``worker.py``), since thread pools, allocator settings and the garbage collector belong to the
process; they take turns, so that what else the machine does meets all of them. Start it as
``python -m benchmarks.eager``; a library that is not installed is left out, and the report says so.
"""

import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from time import sleep
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
OURS, REFERENCE, FLOOR = "adjoint", "PyTorch", "NumPy"
BUILT = "adjoint built"  # with the compiled core (`adjoint build`)
HIPS, JAX = "HIPS autograd", "JAX"
MODULES = {OURS: "adjoint", BUILT: "adjoint", REFERENCE: "torch", FLOOR: "numpy"}
MODULES |= {HIPS: "autograd", JAX: "jax"}
SIDES = (OURS, BUILT, REFERENCE, FLOOR)  # unless a file of benchmarks says otherwise

# Idle threads of a BLAS spin before they sleep, up to 130 ms: the next library must not meet them.
SETTLE = 0.2

Step = Callable[[], Any]
Build = Callable[[Any], Step]


@dataclass(frozen=True)
class Case:
    """One program, written against PyTorch's interface, and what it is expected to reach.

    ``build(lib)`` makes the data and returns the step that is timed; ``lib`` is ``torch`` or
    ``adjoint``. ``floor(np)`` is the same work by hand on plain arrays: what no tape can beat.
    Where a library has several ways to do the work, ``ways`` has them by side and name, in place of
    ``build``; each is measured like a side of its own.
    One step does ``per`` pieces of work; times are for one piece. Work on one thread is timed in
    CPU time of the process, work on several in wall time. ``targets`` are the least ratios of a
    side's time (by its best way) to ours, ``target`` that of PyTorch's; ``rounds`` are enough where
    one takes long. The first step's result is compared (``digest`` makes a number of it, by
    default the sum): the libraries must do the same.
    """

    name: str
    build: Build | None = None
    floor: Build | None = None
    per: int = 1
    threads: int = 1
    memory: bool = False
    target: float | None = None
    ways: Mapping[str, Mapping[str, Build]] = field(default_factory=dict)
    targets: Mapping[str, float] = field(default_factory=dict)
    rounds: int | None = None
    digest: Callable[[Any], float | None] | None = None

    def builders(self, side: str) -> dict[str, Build]:
        """Return what makes the steps for ``side``, by label: the side, and its way if any."""
        ways = self.ways.get(OURS if side == BUILT else side)
        if ways is not None:
            return {label(side, way): build for way, build in ways.items()}
        build = self.floor if side == FLOOR else self.build
        return {} if build is None else {side: build}


def label(side: str, way: str) -> str:
    """Return the label of one way of a side."""
    return f"{side}: {way}"


def parts(name: str) -> tuple[str, str]:
    """Return the side and the way of a label; "" for the way of a side that has only one."""
    side, _, way = name.partition(": ")
    return side, way


@dataclass
class Result:
    """The rounds of one case: seconds for one piece of work per label, and what went wrong.

    ``targets`` are the least ratios to reach, by side; ``limit`` the most seconds that ours may
    take at best. A label is a side, or a way of a side (`label`).
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
    targets: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.target is not None:
            self.targets = {REFERENCE: self.target, **self.targets}

    def labels(self, side: str) -> list[str]:
        """Return the labels of ``side`` that were measured."""
        return [name for name in self.rounds if parts(name)[0] == side]

    def best(self, side: str) -> str | None:
        """Return the label of the fastest way of ``side``, None if none was measured."""
        found = self.labels(side)
        return min(found, key=lambda name: median(self.rounds[name])) if found else None

    def seconds(self, side: str) -> float | None:
        """Return the median time of ``side`` (by its best way), or of a label."""
        name = side if side in self.rounds else self.best(side)
        return None if name is None else median(self.rounds[name])

    def met(self, ours: str = OURS, other: str = REFERENCE) -> bool | None:
        """Return whether what is asked is reached; None if nothing is asked or was measured."""
        if self.limit is not None:
            return min(self.rounds[ours]) <= self.limit if ours in self.rounds else None
        ratio, target = self.ratio(ours, other), self.targets.get(other)
        return None if ratio is None or target is None else ratio[0] >= target

    def ratios(self, ours: str = OURS, other: str = REFERENCE) -> list[float]:
        """Return the other's time over ours, round by round: neighbours in time are compared."""
        mine = ours if ours in self.rounds else self.best(ours)
        theirs = other if other in self.rounds else self.best(other)
        if mine is None or theirs is None:
            return []
        return [t / m for m, t in zip(self.rounds[mine], self.rounds[theirs])]

    def ratio(self, ours: str = OURS, other: str = REFERENCE) -> tuple[float, float, float] | None:
        """Return the median ratio and its quartiles (extremes where the rounds are few)."""
        all_ratios = self.ratios(ours, other)
        if not all_ratios:
            return None
        if len(all_ratios) < 4:
            return median(all_ratios), min(all_ratios), max(all_ratios)
        low, middle, high = quantiles(all_ratios, n=4, method="inclusive")
        return middle, low, high

    def strangers(self) -> list[str]:
        """Return the labels whose first step gave another number than PyTorch's (ours, without
        it). What is done by hand on plain arrays may have other data.
        """
        named = {name: v for name, v in self.value.items() if parts(name)[0] != FLOOR}
        order = [n for side in (REFERENCE, OURS, BUILT) for n in named if parts(n)[0] == side]
        if not order:
            return []
        right = named[order[0]]
        return [
            name
            for name, v in named.items()
            if not abs(v - right) <= 1e-3 * max(1.0, abs(v), abs(right))
        ]

    def differs(self) -> bool:
        """Return whether the first steps gave different numbers."""
        return bool(self.strangers())


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
            env=environment(threads, side),
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


def environment(threads: int, side: str = OURS) -> dict[str, str]:
    """Return the environment of a worker: this checkout's sources, ``threads`` for every pool, and
    the compiled core for the side that is to have it, for no other.
    """
    paths = [str(ROOT / "src"), str(ROOT), os.environ.get("PYTHONPATH", "")]
    pools = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    count = str(min(threads, os.cpu_count() or 1))
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "ADJOINT_NO_NATIVE": "0" if side == BUILT else "1",
        "ADJOINT_CACHE": str(ROOT / "build" / "core"),
        **dict.fromkeys(pools, count),
    }


def build_core() -> str | None:
    """Build the compiled core for the side `BUILT`; return why it cannot be, None if it is."""
    command = [sys.executable, "-m", "adjoint", "build"]
    done = subprocess.run(
        command, env=environment(1, BUILT), cwd=ROOT, capture_output=True, text=True
    )
    return done.stderr.strip().splitlines()[0] if done.returncode else None


def measure(
    module: str, cases: Sequence[Case], sides: Iterable[str], effort: Effort
) -> tuple[list[Result], dict[str, str]]:
    """Run ``cases`` of ``module`` on ``sides``; return the results and why sides are missing."""
    results: dict[str, Result] = {}
    missing: dict[str, str] = {}
    for threads in sorted({case.threads for case in cases}):
        workers = []
        for side in sides:
            if side == BUILT and not results:
                failed = build_core()
                if failed:
                    missing[side] = failed
                    say(f"{side} is left out: {failed}")
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
    clock = "cpu" if case.threads == 1 else "wall"
    result = Result(case.name, clock, case.threads, case.target, targets=dict(case.targets))
    ready = []
    for worker in workers:
        for name in case.builders(worker.side):
            answer = worker.ask(op="prepare", case=case.name, name=name, budget=effort.budget)
            if "error" in answer:
                result.errors[name] = answer["error"]
                say(f"    {name}: {answer['error']}")
                continue
            if answer["value"] is not None:
                result.value[name] = answer["value"]
            ready.append((worker, name))
    for turn in range(min(effort.rounds, case.rounds or effort.rounds)):
        first = turn % len(ready) if ready else 0
        for worker, name in ready[first:] + ready[:first]:
            if case.threads > 1:
                sleep(SETTLE)
            answer = worker.ask(op="time", name=name)
            if "error" in answer:
                raise RuntimeError(f"{case.name}, {name}: {answer['error']}")
            result.rounds.setdefault(name, []).append(answer[result.clock] / case.per)
    for worker in {worker.side: worker for worker, _ in ready}.values():
        worker.ask(op="drop")
    for worker, name in ready if case.memory else ():
        answer = worker.ask(op="memory", case=case.name, name=name)
        if answer.get("peak") is not None:
            result.peak[name] = answer["peak"]
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
                env = environment(1, side)
                env.pop("PYTHONDONTWRITEBYTECODE", None)  # compiled code is kept, as for users
                if side in (OURS, BUILT):
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


def machine(sides: Iterable[str] = SIDES) -> str:
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
    for side in sorted(set(sides) - {OURS, BUILT}, key=list(MODULES).index):
        try:
            names.append(f"{side} {importlib.metadata.version(MODULES[side])}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return "; ".join(names)


def say(text: str) -> None:
    """Print progress where it does not mix with the report."""
    print(text, file=sys.stderr, flush=True)
