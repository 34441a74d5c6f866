"""Several threads where arrays are large: work split over the batch, deterministically.

In: a function of a range and what the whole range costs. Out: the range done, by several threads
where that pays and NumPy's own OpenBLAS is known, else by the caller alone. NumPy releases the
interpreter lock while it copies and multiplies, so plain Python threads do run side by side.
"""

import contextvars
import ctypes
import itertools
import os
import queue
import threading
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

__all__ = ["WORTH", "alone", "is_little", "split", "threads_for"]

# Note: why OpenBLAS runs on one thread meanwhile
#
# OpenBLAS shares each product among its own threads, who wait for each other by spinning; the
# copies between two products stay on one core. One product at a time per Python thread instead
# keeps all cores busy with copies too (a 3x3 convolution: 10.6 -> 6.6 ms) and does not stall when
# another program takes a core away. Waking a thread costs up to 0.1 ms: what takes less than
# `WORTH` is done by the caller, with OpenBLAS on one thread just the same: on a busy machine its
# spinning makes small products ten times slower, on an idle one it gains a fifth.

WORTH = 4e-4  # seconds of work, estimated from the shapes (never measured: same program, same bits)
CHUNKS = 4  # of a thread's share, where there is much to do: who is late does less


def split(
    work: Callable[[int, int], None], count: int, seconds: float, ranges: int | None = None
) -> None:
    """Call ``work(first, last)`` on ranges that together make up ``range(count)``.

    ``seconds`` is a rough estimate of what all of it costs on one thread; ``ranges``: into how many
    it is better cut, if there are not more threads. The ranges depend on the number of threads,
    never on who does which.
    """
    threads = 1 if is_little(seconds) else min(threads_for(seconds), count)
    if threads < 2:
        alone(work, 0, count)
        return
    if ranges is None:
        ranges = threads * (CHUNKS if seconds > 10 * WORTH else 1)
    chunks = min(count, max(ranges, threads))
    bounds = [count * chunk // chunks for chunk in range(chunks + 1)]
    claim = itertools.count().__next__

    def serve() -> None:
        while (chunk := claim()) < chunks:
            work(bounds[chunk], bounds[chunk + 1])

    with _OneThreadBlas():
        helpers = [_Task(serve) for _ in range(threads - 1)]
        for helper in helpers:
            _tasks().put(helper)
        try:
            serve()
        finally:
            errors = [helper.join() for helper in helpers]
    for error in errors:
        if error is not None:
            raise error


def is_little(seconds: float) -> bool:
    """Return whether work of so many seconds is done by the caller alone."""
    return seconds < WORTH


def alone(work: Callable[..., Any], *arguments: Any) -> Any:
    """Return ``work(*arguments)``, for which OpenBLAS uses the calling thread only."""
    blas = _openblas()
    if blas is None or (not blas.users and blas.get() == 1):
        return work(*arguments)
    with _OneThreadBlas():
        return work(*arguments)


def threads_for(seconds: float) -> int:
    """Return how many threads `split` uses: as many as OpenBLAS would; 1 if that is unknown.

    Example:
        >>> threads_for(1e-6)
        1
    """
    blas = _openblas()
    if blas is None or is_little(seconds):
        return 1
    return max(1, min(_processors(), _threads_of(blas)))


@cache
def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


# ---- helpers (concurrent.futures would make `import adjoint` slower by a third)


class _Task:
    """A function for a helper, in the context (NumPy's error state) of the thread that asks."""

    def __init__(self, function: Callable[[], None]) -> None:
        self._function = function
        self._context = contextvars.copy_context()
        self._begun, self._done = threading.Lock(), threading.Event()
        self._error: BaseException | None = None

    def run(self) -> None:
        """Do it, unless `join` was there before."""
        if not self._begun.acquire(blocking=False):
            return
        try:
            self._context.run(self._function)
        except BaseException as error:
            self._error = error
        finally:
            self._done.set()

    def join(self) -> BaseException | None:
        """Wait until it is done, or see to it that it is never begun; return its exception."""
        if not self._begun.acquire(blocking=False):
            self._done.wait()
        return self._error


def _help(tasks: "queue.SimpleQueue[_Task]") -> None:
    while True:
        tasks.get().run()


@cache
def _tasks() -> "queue.SimpleQueue[_Task]":
    """Return the queue of the helpers; there are as many as there are other processors."""
    tasks: queue.SimpleQueue[_Task] = queue.SimpleQueue()
    for _ in range(_processors() - 1):
        threading.Thread(target=_help, args=(tasks,), name="adjoint helper", daemon=True).start()
    return tasks


if hasattr(os, "register_at_fork"):  # a child process inherits the queue, but no threads
    os.register_at_fork(after_in_child=_tasks.cache_clear)


# ---- OpenBLAS's own threads


class _Blas:
    """How to ask the OpenBLAS of NumPy's wheels for its number of threads, and to set it."""

    def __init__(self, get: Any, set_: Any) -> None:
        get.argtypes, get.restype = (), ctypes.c_int
        set_.argtypes, set_.restype = (ctypes.c_int,), None
        self.get, self.set = get, set_
        self.lock = threading.Lock()
        self.users = 0  # calls of `split` under way
        self.threads = 0  # what OpenBLAS had before the first of them


@cache
def _openblas() -> _Blas | None:
    """Return NumPy's OpenBLAS if it came in NumPy's wheel, else None."""
    home = os.path.dirname(np.__file__)
    for folder in (home + ".libs", os.path.join(home, ".dylibs")):
        for path in _libraries(folder):
            try:
                library = ctypes.CDLL(path)
            except OSError:
                continue
            for suffix in ("64_", ""):
                get = getattr(library, f"scipy_openblas_get_num_threads{suffix}", None)
                set_ = getattr(library, f"scipy_openblas_set_num_threads{suffix}", None)
                if get is not None and set_ is not None:
                    return _Blas(get, set_)
    return None


def _libraries(folder: str) -> list[str]:
    """Return the paths of what looks like OpenBLAS in ``folder``, which need not be there."""
    try:
        names = os.listdir(folder)
    except OSError:
        return []
    found = [name for name in sorted(names) if name.startswith("libscipy_openblas")]
    return [os.path.join(folder, name) for name in found]


def _threads_of(blas: _Blas) -> int:
    with blas.lock:
        return blas.threads if blas.users else int(blas.get())


class _OneThreadBlas:
    """While at least one such context is open, OpenBLAS runs on the thread that calls it."""

    def __enter__(self) -> None:
        blas = _openblas()
        if blas is not None:
            with blas.lock:
                if not blas.users:
                    blas.threads = int(blas.get())
                    if blas.threads != 1:
                        blas.set(1)
                blas.users += 1

    def __exit__(self, *error: object) -> None:
        blas = _openblas()
        if blas is not None:
            with blas.lock:
                blas.users -= 1
                if not blas.users and blas.threads != 1:
                    blas.set(blas.threads)
