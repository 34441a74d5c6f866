"""Derivatives that choose for themselves how they are computed."""

from adjoint.derivatives.hessians import (
    HessianPlan,
    hessian,
    hessian_diagonal,
    laplacian,
    prepare_hessian,
    value_and_grad,
    value_and_hessian,
)
from adjoint.derivatives.jacobians import (
    JacobianPlan,
    jacobian,
    prepare_jacobian,
    value_and_jacobian,
)
from adjoint.derivatives.per_sample import grad
from adjoint.derivatives.products import HvpPlan, hvp, prepare_hvp

__all__ = [
    "HessianPlan",
    "HvpPlan",
    "JacobianPlan",
    "grad",
    "hessian",
    "hessian_diagonal",
    "hvp",
    "jacobian",
    "laplacian",
    "prepare_hessian",
    "prepare_hvp",
    "prepare_jacobian",
    "value_and_grad",
    "value_and_hessian",
    "value_and_jacobian",
]
