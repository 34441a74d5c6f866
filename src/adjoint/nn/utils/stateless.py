"""`functional_call` at its old address, where it is deprecated; it lives in `adjoint.func`.

In: a module, tensors by name, arguments.  Out: what the module computes with these tensors.
"""

from __future__ import annotations

import warnings
from typing import Any

from adjoint.func.modules import reparametrized

__all__ = ["functional_call"]


def functional_call(
    module: Any,
    parameters_and_buffers: dict[str, Any],
    args: Any | tuple[Any, ...] | None = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """Return ``module(*args, **kwargs)`` with other tensors for its parameters and buffers.

    As `adjoint.func.functional_call`, for one dictionary; gives a FutureWarning that says so.
    """
    warnings.warn(
        "`torch.nn.utils.stateless.functional_call` is deprecated as of PyTorch 2.0 and will be "
        "removed in a future version of PyTorch. Please use `torch.func.functional_call` instead "
        "which is a drop-in replacement.",
        FutureWarning,
        stacklevel=2,
    )
    arguments = () if args is None else args if isinstance(args, tuple) else (args,)
    parameters_and_buffers.keys()  # a mapping, or PyTorch's AttributeError
    with reparametrized(module, parameters_and_buffers, tie_weights=tie_weights, strict=strict):
        return module(*arguments, **({} if kwargs is None else kwargs))
