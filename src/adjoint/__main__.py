"""``python -m adjoint``: the command line, where the ``adjoint`` script is not installed.

In: the words after ``python -m adjoint``. Out: the exit status of ``adjoint.cli.main``.
"""

import sys

from adjoint.cli import main

if __name__ == "__main__":
    sys.exit(main(program="python -m adjoint"))
