"""Optimisers, learning-rate schedules and clipping, with PyTorch's names, defaults and formulas."""

from minigan.optim.algorithms import SGD, Adam, AdamW, RMSprop
from minigan.optim.clipping import clip_grad_norm_, clip_grad_value_, clip_weights_
from minigan.optim.differentiable import UnrolledState, differentiable_step
from minigan.optim.optimizer import Optimizer
from minigan.optim.schedules import (
    CosineAnnealingLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    LRScheduler,
    MultiStepLR,
    StepLR,
)
