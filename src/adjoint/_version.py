"""The version of adjoint, written down once.

``pyproject.toml`` reads it from here when a package is built, ``adjoint.__version__`` and
``python -m adjoint`` show it.
"""

__all__ = ["__version__"]

__version__ = "0.1.0"
