"""Sparsity patterns as an array library: arrays that know which inputs each element depends on."""

from adjoint.array.patterns.library import PatternLibrary
from adjoint.array.patterns.pattern_array import PatternArray

__all__ = ["PatternArray", "PatternLibrary"]
