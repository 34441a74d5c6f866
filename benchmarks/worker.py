"""The process of one library: reads requests from standard input, answers in lines of JSON.

In: ``python -m benchmarks.worker MODULE SIDE``, then requests ``prepare`` (build a step, warm it
up, find how many make a round), ``time`` (one round), ``memory`` (peak of two steps) and ``drop``.
Out: one JSON object per request; ``error`` in it says what went wrong. Every library is treated
alike: the garbage collector stays on, and what was alive before a round is frozen out.
"""

import ctypes
import gc
import importlib
import itertools
import json
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.harness import BUILT, MODULES, Case, Step

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


class Bench:
    """The steps that are being measured, by label, and the answers to the requests about them."""

    def __init__(self, cases: dict[str, Case], side: str, lib: Any) -> None:
        self._cases, self._side, self._lib = cases, side, lib
        self._steps: dict[str, tuple[Step, int]] = {}

    def prepare(self, case: str, name: str, budget: float) -> dict[str, Any]:
        """Build the step ``name`` of ``case``; choose how many take about ``budget`` seconds."""
        step = self._build(case, name)
        value = (self._cases[case].digest or _number)(step())
        spent, steps = 0.0, 0
        while spent < budget / 2 or (steps < 3 and spent < 10 * budget):
            start = time.perf_counter()
            step()
            spent += time.perf_counter() - start
            steps += 1
        number = max(1, round(budget * steps / spent))
        self._steps[name] = step, number
        gc.collect()
        gc.freeze()
        return {"value": value, "number": number}

    def time(self, name: str) -> dict[str, Any]:
        """Return wall and CPU seconds of one step, over one round."""
        step, number = self._steps[name]
        gc.collect()
        cpu, wall = time.process_time(), time.perf_counter()
        for _ in itertools.repeat(None, number):
            step()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        return {"wall": wall / number, "cpu": cpu / number}

    def memory(self, case: str, name: str) -> dict[str, Any]:
        """Return the peak, in bytes, of building the step anew and taking two."""
        self.drop()
        _trim()
        if not _reset_peak():
            return {"peak": None}
        before = _status("VmRSS")
        step = self._build(case, name)
        step()
        step()
        return {"peak": max(0, _status("VmHWM") - before)}

    def drop(self) -> dict[str, Any]:
        """Forget the steps and their data."""
        self._steps.clear()
        gc.unfreeze()
        gc.collect()
        return {}

    def _build(self, case: str, name: str) -> Step:
        return self._cases[case].builders(self._side)[name](self._lib)


def _number(result: Any) -> float | None:
    """Return the sum of ``result`` (a tensor or an array), by which sides are compared."""
    if result is None:
        return None
    if hasattr(result, "detach"):
        result = result.detach().sum().item()
    return float(result.sum() if hasattr(result, "sum") else result)


def _status(name: str) -> int:
    for line in _STATUS.read_text(encoding="ascii").splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024
    raise KeyError(name)


def _reset_peak() -> bool:
    """Make VmHWM start again from the present; False where the system does not offer it."""
    try:
        _CLEAR.write_text("5", encoding="ascii")
    except OSError:
        return False
    return True


def _trim() -> None:
    """Give free memory back first, so that using it again counts."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _sentence(error: Exception) -> str:
    """Return class and first line of ``error``."""
    return f"{type(error).__name__}: {error}".splitlines()[0]


def main() -> None:
    """Answer requests until standard input ends."""
    module, side = sys.argv[1:]
    answers, sys.stdout = sys.stdout, sys.stderr  # what a case prints must not mix with the answers

    def answer(content: dict[str, Any]) -> None:
        answers.write(json.dumps(content) + "\n")
        answers.flush()

    try:
        lib = importlib.import_module(MODULES[side])
        if side == BUILT and importlib.import_module("adjoint.core.native").core is None:
            raise ImportError("the compiled core is not there")
        cases = {case.name: case for case in importlib.import_module(module).CASES}
    except Exception as error:
        answer({"error": _sentence(error)})
        return
    answer({})
    bench = Bench(cases, side, lib)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer(getattr(bench, request.pop("op"))(**request))
        except Exception as error:
            answer({"error": _sentence(error)})


if __name__ == "__main__":
    main()
