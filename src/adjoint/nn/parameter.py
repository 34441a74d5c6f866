"""PyTorch's place for `Parameter` and `Buffer`, which live in `adjoint.parameter`."""

from adjoint.parameter import Buffer, Parameter

__all__ = ["Buffer", "Parameter"]
