"""Splitting work among threads: every part once, errors passed on, callers kept apart."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import Any

import numpy as np
import pytest

from adjoint.array import kernels
from adjoint.array.kernels import threads
from tests.array.loops import values

SETTINGS: dict[str, Any] = {"stride": (1, 1), "padding": (1, 1), "dilation": (1, 1), "groups": 1}


def test_split_covers_the_range_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "WORTH", 0)
    for count in (0, 1, 2, 3, 10, 101):
        seen: list[int] = []
        lock = threading.Lock()

        def work(first: int, last: int, seen: list[int] = seen, lock: Any = lock) -> None:
            with lock:
                seen.extend(range(first, last))

        threads.split(work, count, 1.0)
        assert sorted(seen) == list(range(count))


def test_split_passes_exceptions_on_and_restores_openblas(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(threads, "WORTH", 0)
    before = threads.threads_for(1.0)

    def work(first: int, last: int) -> None:
        raise ZeroDivisionError(f"in {first} to {last}")

    with pytest.raises(ZeroDivisionError):
        threads.split(work, 8, 1.0)
    assert threads.threads_for(1.0) == before


def test_split_keeps_the_error_state_of_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "WORTH", 0)
    states: list[str] = []

    def work(first: int, last: int) -> None:
        states.extend([np.geterr()["over"]] * (last - first))

    with np.errstate(over="ignore"):
        threads.split(work, 16, 1.0)
    assert states == ["ignore"] * 16


def test_several_callers_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plans belong to their thread: calls from many threads do not mix."""
    monkeypatch.setattr(threads, "WORTH", 0)
    w = values(3, 2, 3, 3)
    inputs = [values(4, 2, 6, 6, seed=seed) for seed in range(4)]
    expected = [kernels.conv(x, w, **SETTINGS) for x in inputs]
    wrong: list[int] = []

    def run(seed: int) -> None:
        for _ in range(10):
            if not np.array_equal(kernels.conv(inputs[seed], w, **SETTINGS), expected[seed]):
                wrong.append(seed)

    callers = [threading.Thread(target=run, args=(seed,)) for seed in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert wrong == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")
def test_a_child_process_has_helpers_of_its_own() -> None:
    program = """
import os
import numpy as np
from adjoint.array import kernels
from adjoint.array.kernels import threads
threads.WORTH = 0
x, w = np.ones((4, 2, 6, 6)), np.ones((3, 2, 3, 3))
settings = dict(stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1)
assert (kernels.conv(x, w, **settings) == 18).all()
child = os.fork()
if not child:
    os._exit(0 if (kernels.conv(x, w, **settings) == 18).all() else 1)
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    path = os.pathsep.join(p for p in sys.path if p)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        env=os.environ | {"PYTHONPATH": path},
        timeout=60,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
