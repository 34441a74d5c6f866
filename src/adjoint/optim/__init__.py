"""Optimizers: methods that move parameters by their gradients, and learning rate schedules."""

from adjoint.optim import lr_scheduler
from adjoint.optim.adam import Adam, AdamW
from adjoint.optim.optimizer import Optimizer
from adjoint.optim.sgd import SGD

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "lr_scheduler"]
