"""What all tests share: one thread a process, the same random choices in every run.

In: nothing. Out: the environment of the numerical libraries, before they are loaded, where several
test processes share the machine; and hypothesis without deadlines, which a busy machine would miss.
"""

import os

from hypothesis import settings

if "PYTEST_XDIST_WORKER" in os.environ:
    # Each worker has its core; more threads would only wait for one another.
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")

settings.register_profile("adjoint", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("adjoint")
