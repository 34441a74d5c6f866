"""Sparse Jacobians and Hessians: detection of patterns, colouring, evaluation by few products.

`jacobian` and `hessian` do all of it; `jacobian_pattern` and `hessian_pattern` do once what is the
same for all points.
"""

from adjoint.sparse.detect import detect_hessian, detect_jacobian
from adjoint.sparse.evaluate import (
    Curvature,
    Linearization,
    hessian,
    hessian_pattern,
    jacobian,
    jacobian_pattern,
    value_and_hessian,
    value_and_jacobian,
)
from adjoint.sparse.pattern import ColoredPattern, Seeds

__all__ = [
    "ColoredPattern",
    "Curvature",
    "Linearization",
    "Seeds",
    "detect_hessian",
    "detect_jacobian",
    "hessian",
    "hessian_pattern",
    "jacobian",
    "jacobian_pattern",
    "value_and_hessian",
    "value_and_jacobian",
]
