"""The two process settings: what they do, that they can be refused, that results stay right.

Each test runs its program in a process of its own, since a setting is made once per process.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from adjoint.array import tuning

SOURCES = str(Path(__file__).resolve().parents[2] / "src")
OURS = ("ADJOINT_NO_MALLOC_TUNING", "ADJOINT_NO_BLAS_TUNING", "OPENBLAS_CORETYPE", "GLIBC_TUNABLES")

on_glibc = pytest.mark.skipif(tuning._glibc() is None, reason="the allocator setting is glibc's")
with_openblas = pytest.mark.skipif(
    tuning._OpenBLAS.of_numpy() is None, reason="NumPy runs on another BLAS"
)
with_avx512 = pytest.mark.skipif(
    tuning._OpenBLAS.of_numpy() is None or not tuning.cpu_flags() >= tuning._AVX512_FLAGS,
    reason="needs NumPy's OpenBLAS on a processor with AVX-512",
)

# Start on AVX2 kernels, as OpenBLAS does on a processor it does not know, then drop the wish.
AVX2 = "import os, numpy as np\ndel os.environ['OPENBLAS_CORETYPE']\n"


def run(program: str, **environment: str) -> dict[str, list[object]]:
    """Run ``program`` in a new process and return what its last printed line says, as JSON."""
    clean = {k: v for k, v in os.environ.items() if k not in OURS and not k.startswith("MALLOC_")}
    clean.update(environment)
    clean["PYTHONPATH"] = os.pathsep.join(p for p in (SOURCES, clean.get("PYTHONPATH")) if p)
    program += "\nimport json\nfrom adjoint.array import tuning\nprint(json.dumps(tuning.report()))"
    done = subprocess.run(
        [sys.executable, "-c", program], env=clean, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@on_glibc
def test_freed_arrays_are_used_again_instead_of_being_faulted_in():
    chain = """
import resource, numpy as np
from adjoint.array import tuning
tuning.apply()
x = np.ones(1 << 18, np.float32)  # 1 MiB
def chain():
    a = x * x; b = a + x; c = np.sqrt(b)
    return c * a
chain()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(50): chain()
faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
"""
    tuned = run(chain + "assert faults < 5_000, faults")
    assert tuned["allocator"][0] is True
    untuned = run(chain + "assert faults > 5_000, faults", ADJOINT_NO_MALLOC_TUNING="1")
    assert untuned["allocator"] == [False, "left alone: ADJOINT_NO_MALLOC_TUNING is set"]


@on_glibc
@pytest.mark.parametrize(
    ("name", "value"),
    [("MALLOC_TRIM_THRESHOLD_", "131072"), ("GLIBC_TUNABLES", "glibc.malloc.arena_max=4")],
)
def test_the_users_own_allocator_settings_win(name, value):
    assert run("", **{name: value})["allocator"] == [False, f"left alone: {name} is set"]


@on_glibc
def test_free_memory_can_be_handed_back():
    run(
        """
import numpy as np
from adjoint.array import tuning
def resident():
    return int(open("/proc/self/statm").read().split()[1])
tuning.apply()
arrays = [np.ones(1 << 20, np.float32) for _ in range(30)]  # 120 MiB
last = np.ones(1 << 16, np.float32)  # keeps the heap's end in use
del arrays
kept = resident()
assert tuning.release_memory() is True
assert resident() < kept / 2, (resident(), kept)
"""
    )


@with_openblas
def test_blas_setting_can_be_refused():
    done = run("", ADJOINT_NO_BLAS_TUNING="1")
    assert done["blas"] == [False, "left alone: ADJOINT_NO_BLAS_TUNING is set"]


@with_openblas
def test_zero_does_not_refuse():
    assert "ADJOINT_NO_BLAS_TUNING is set" not in str(run("", ADJOINT_NO_BLAS_TUNING="0")["blas"])


@with_openblas
def test_the_users_own_choice_of_kernels_wins():
    done = run("", OPENBLAS_CORETYPE="Haswell")
    assert done["blas"] == [False, "Haswell kernels: OPENBLAS_CORETYPE is set"]


@with_avx512
def test_avx2_kernels_are_replaced_and_the_environment_is_left_as_it_was():
    done = run(
        AVX2
        + """
from adjoint.array import tuning
tuning.apply()
assert "OPENBLAS_CORETYPE" not in os.environ
""",
        OPENBLAS_CORETYPE="Haswell",
    )
    assert done["blas"][0] is True
    assert str(done["blas"][1]).startswith("SkylakeX kernels instead of Haswell")


@with_avx512
def test_kernels_stay_when_another_thread_is_alive():
    done = run(
        AVX2
        + """
import threading
stop = threading.Event()
other = threading.Thread(target=stop.wait)
other.start()
from adjoint.array import tuning  # importing the package applies it
tuning.apply()
stop.set()
other.join()
""",
        OPENBLAS_CORETYPE="Haswell",
    )
    assert done["blas"][0] is False
    assert str(done["blas"][1]).endswith("other threads are alive")


@with_avx512
def test_products_and_factorisations_are_right_after_the_switch():
    done = run(
        AVX2
        + """
from adjoint.array import tuning
draw = np.random.default_rng(0)
big = draw.standard_normal((700, 700))
big @ big  # OpenBLAS's own threads are awake and its buffers are in use from before
tuning.apply()
shapes = [(1, 1, 1), (1, 5, 7), (3, 1000, 3), (17, 33, 65), (64, 64, 64), (333, 129, 77),
          (2000, 10, 200), (512, 512, 512), (0, 3, 4), (3, 0, 4)]
for m, k, n in shapes:
    for kind in "fdFD":
        a, b = (draw.standard_normal(s) + (1j * draw.standard_normal(s) if kind in "FD" else 0)
                for s in ((m, k), (k, n)))
        a, b = a.astype(kind), b.astype(kind)
        want = np.einsum("ij,jk->ik", a.astype("D"), b.astype("D"))
        close = (4e-4 if kind in "fF" else 4e-11) * np.sqrt(k + 1)
        for left, right in ((a, b), (np.asfortranarray(a), b), (a, b.T.copy().T)):
            assert np.abs(left @ right - want).max(initial=0) < close
            assert np.abs(left @ right[:, 0] - want[:, 0]).max(initial=0) < close
        assert m == 0 or np.abs(np.dot(a[0], b[:, 0]) - want[0, 0]) < close
square = big[:300, :300]
assert np.abs(np.linalg.inv(square) @ square - np.eye(300)).max() < 1e-8
u, s, vt = np.linalg.svd(square)
assert np.abs((u * s) @ vt - square).max() < 1e-10
q, r = np.linalg.qr(square)
assert np.abs(q @ r - square).max() < 1e-10
""",
        OPENBLAS_CORETYPE="Haswell",
    )
    assert done["blas"][0] is True


@with_avx512
def test_products_from_several_threads_after_the_switch_have_the_same_bits():
    done = run(
        AVX2
        + """
from concurrent.futures import ThreadPoolExecutor
from adjoint.array import tuning
tuning.apply()
draw = np.random.default_rng(0)
pairs = [(draw.standard_normal((n, n)), draw.standard_normal((n, n))) for n in (65, 200, 333)] * 4
alone = [a @ b for a, b in pairs]
with ThreadPoolExecutor(4) as pool:
    together = list(pool.map(lambda pair: pair[0] @ pair[1], pairs))
assert all(np.array_equal(x, y) for x, y in zip(alone, together))
""",
        OPENBLAS_CORETYPE="Haswell",
    )
    assert done["blas"][0] is True


def test_apply_twice_and_report_agree():
    tuning.apply()
    first = tuning.report()
    tuning.apply()
    assert tuning.report() == first
    assert all(isinstance(outcome.applied, bool) and outcome.detail for outcome in first.values())
