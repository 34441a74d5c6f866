"""Two settings of the process that make NumPy's large arrays as fast as the machine allows.

In: nothing but the machine and the environment variables. Out: ``apply`` changes, once, the C
library's allocator and the kernels of NumPy's own OpenBLAS; ``report`` says what was done or left
alone and why; ``release_memory`` hands free memory back. Only speed is at stake: each setting has a
variable to refuse it (``ADJOINT_NO_MALLOC_TUNING=1``, ``ADJOINT_NO_BLAS_TUNING=1``), and both give
way to the user's own settings.
"""

import ctypes
import os
import sys
from functools import cache
from typing import Any, NamedTuple

import numpy as np

__all__ = ["NO_BLAS_TUNING", "NO_MALLOC_TUNING", "Outcome", "apply", "release_memory", "report"]

# Note: what was measured (Xeon with AVX-512, two cores, NumPy 2.4, glibc 2.36)
#
# Allocator. glibc gives the memory of a freed array back to the kernel and faults every page in
# again for the next one. A chain of five operators on float32 arrays, without and with the setting:
# 256 KiB 271 -> 70 us, 1 MiB 1.31 -> 0.50 ms, 4 MiB 4.1 -> 2.1 ms, 16 MiB 19.7 -> 10.3 ms, 64 MiB
# 87 -> 63 ms; no difference below 64 KiB and from 256 MiB up. The peak grows by 5 %. The price: up
# to ``TRIM_BYTES`` of free memory stay with the process.
#
# Kernels. OpenBLAS picks AVX2 kernels for a processor that is younger than itself. AVX-512 kernels
# instead, square float32 matrices on one thread: 64 6.3 -> 3.6 us, 128 40 -> 29 us, 256 292 ->
# 190 us, 1024 17.9 -> 10.9 ms; float64 and two threads gain the same. The switch takes 0.1 ms. It
# must not meet a matrix product in flight: it is left out when a second Python thread is alive
# (OpenBLAS's own idle threads do not matter). The choice rests on names and flags, never on a
# timing: the same program gives the same bits every time.

NO_MALLOC_TUNING = "ADJOINT_NO_MALLOC_TUNING"
NO_BLAS_TUNING = "ADJOINT_NO_BLAS_TUNING"

# Numbers of <malloc.h>: part of glibc's ABI, the same on every processor.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
MMAP_BYTES = 1 << 30  # smaller blocks come from the heap, where freed memory is used again
TRIM_BYTES = 1 << 30  # at most this much free memory is kept at the end of the heap

_CORE_VARIABLE = "OPENBLAS_CORETYPE"
_AVX2_CORES = frozenset({"Haswell", "Zen"})
_AVX512_CORE = "SkylakeX"
_AVX512_FLAGS = frozenset({"avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"})


class Outcome(NamedTuple):
    """Whether one setting was changed, and one line that says what or why not."""

    applied: bool
    detail: str


def apply() -> None:
    """Apply both settings; a second call does nothing.

    Example:
        >>> apply()
        >>> sorted(report())
        ['allocator', 'blas']
    """
    _tune_allocator()
    _tune_blas()


def report() -> dict[str, Outcome]:
    """Return what became of each setting (applying them, if nobody has yet)."""
    return {"allocator": _tune_allocator(), "blas": _tune_blas()}


def release_memory() -> bool:
    """Give the allocator's free memory back to the system; True if there was any to give.

    Example:
        >>> release_memory() in (True, False)
        True
    """
    libc = _glibc()
    return libc is not None and bool(libc.malloc_trim(0))


# ---- the allocator


@cache
def _tune_allocator() -> Outcome:
    if _refused(NO_MALLOC_TUNING):
        return Outcome(False, f"left alone: {NO_MALLOC_TUNING} is set")
    own = _users_malloc_settings()
    if own:
        return Outcome(False, f"left alone: {own} is set")
    libc = _glibc()
    if libc is None:
        return Outcome(False, "left alone: not glibc")
    trim = min(TRIM_BYTES, _physical_memory() // 8)
    # The trim threshold first: alone it already turns glibc's own adaptation off.
    if not (libc.mallopt(_M_TRIM_THRESHOLD, trim) and libc.mallopt(_M_MMAP_THRESHOLD, MMAP_BYTES)):
        return Outcome(False, "glibc refused the thresholds")
    return Outcome(
        True,
        f"freed arrays stay with the process, up to {trim >> 20} MiB ({NO_MALLOC_TUNING}=1: off)",
    )


def _refused(variable: str) -> bool:
    return os.environ.get(variable, "") not in ("", "0")


def _users_malloc_settings() -> str:
    """Return the name of a variable by which the user has tuned glibc's allocator, or ``""``."""
    for name in ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_"):
        if name in os.environ:
            return name
    return "GLIBC_TUNABLES" if "glibc.malloc." in os.environ.get("GLIBC_TUNABLES", "") else ""


@cache
def _glibc() -> Any:
    """Return the process's C library if it is glibc, else None."""
    try:
        version = os.confstr("CS_GNU_LIBC_VERSION")
    except (AttributeError, ValueError, OSError):  # Windows; macOS and BSD; musl
        return None
    if not version or not version.startswith("glibc"):
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim") else None


def _physical_memory() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


# ---- the kernels of the matrix product


@cache
def _tune_blas() -> Outcome:
    if _refused(NO_BLAS_TUNING):
        return Outcome(False, f"left alone: {NO_BLAS_TUNING} is set")
    library = _OpenBLAS.of_numpy()
    if library is None:
        return Outcome(False, "left alone: not the OpenBLAS of NumPy's wheels for Linux on x86-64")
    core = library.core()
    if _CORE_VARIABLE in os.environ:
        return Outcome(False, f"{core} kernels: {_CORE_VARIABLE} is set")
    if core not in _AVX2_CORES or not cpu_flags() >= _AVX512_FLAGS:
        return Outcome(False, f"{core} kernels: OpenBLAS's own choice")
    if len(sys._current_frames()) > 1:
        return Outcome(
            False, f"{core} kernels, {_AVX512_CORE} would be faster: other threads are alive"
        )
    library.switch(_AVX512_CORE)
    chosen = library.core()
    if chosen == core:
        return Outcome(False, f"{core} kernels: this OpenBLAS was built without {_AVX512_CORE}'s")
    return Outcome(True, f"{chosen} kernels instead of {core} ({NO_BLAS_TUNING}=1: off)")


def cpu_flags() -> frozenset[str]:
    """Return the instruction sets of the first processor as Linux names them; empty elsewhere."""
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as lines:
            for line in lines:
                if line.startswith("flags"):
                    return frozenset(line.partition(":")[2].split())
    except OSError:
        pass
    return frozenset()


class _OpenBLAS:
    """The OpenBLAS inside NumPy's wheel: the name of its kernels, and a way to choose others."""

    def __init__(self, corename: Any, leave: Any, enter: Any) -> None:
        corename.restype = ctypes.c_char_p
        corename.argtypes = leave.argtypes = enter.argtypes = ()
        leave.restype = enter.restype = None
        self._corename, self._leave, self._enter = corename, leave, enter

    @classmethod
    def of_numpy(cls) -> "_OpenBLAS | None":
        """Return NumPy's OpenBLAS, or None if it is another library or does not allow a choice."""
        if not sys.platform.startswith("linux") or os.uname().machine != "x86_64":
            return None
        folder = os.path.join(os.path.dirname(os.path.dirname(np.__file__)), "numpy.libs")
        try:
            names = [name for name in os.listdir(folder) if name.startswith("libscipy_openblas")]
            # PyDLL keeps the interpreter lock; RTLD_NOLOAD finds a loaded library, never loads one.
            library = ctypes.PyDLL(
                os.path.join(folder, names[0]), mode=os.RTLD_NOW | os.RTLD_NOLOAD
            )
        except (OSError, IndexError):
            return None
        corename = _first(library, "scipy_openblas_get_corename64_", "scipy_openblas_get_corename")
        leave = _first(library, "gotoblas_dynamic_quit")
        enter = _first(library, "gotoblas_dynamic_init")
        if corename is None or leave is None or enter is None:
            return None
        return cls(corename, leave, enter)

    def core(self) -> str:
        """Return OpenBLAS's name of the kernels in use."""
        return str(self._corename().decode("ascii"))

    def switch(self, core: str) -> None:
        """Use the kernels called ``core``; OpenBLAS falls back by itself where it has none."""
        os.environ[_CORE_VARIABLE] = core
        try:
            self._leave()
            self._enter()
        finally:
            del os.environ[_CORE_VARIABLE]  # not for the children of this process


def _first(library: Any, *names: str) -> Any:
    """Return the first of the functions ``names`` that ``library`` exports, or None."""
    for name in names:
        function = getattr(library, name, None)
        if function is not None:
            return function
    return None
