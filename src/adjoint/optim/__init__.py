"""Optimizers: methods that move parameters by their gradients, and learning rate schedules."""

from adjoint.optim import lr_scheduler
from adjoint.optim.adadelta import Adadelta
from adjoint.optim.adagrad import Adagrad
from adjoint.optim.adam import Adam, AdamW
from adjoint.optim.adamax import Adamax, NAdam, RAdam
from adjoint.optim.lbfgs import LBFGS
from adjoint.optim.optimizer import Optimizer
from adjoint.optim.rmsprop import RMSprop
from adjoint.optim.sgd import SGD

__all__ = [
    "LBFGS",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "lr_scheduler",
]
