"""Arrays that write down what is computed with them, for functions that compute the same again."""

from adjoint.array.traced.arrays import (
    METHODS,
    Attribute,
    Method,
    Step,
    TracedArray,
    Untraceable,
    item,
)
from adjoint.array.traced.trace import Trace

__all__ = ["METHODS", "Attribute", "Method", "Step", "Trace", "TracedArray", "Untraceable", "item"]
