"""Losses as modules, for programs that want them so. Imports module and functional."""

from __future__ import annotations

from typing import Any

from minigan import functional as F
from minigan.nn.module import Module
from minigan.tensor import Tensor


class _Loss(Module):
    """A loss with its settings; the function is called with (input, target)."""

    function: Any

    def __init__(self, *, reduction: str = "mean", **settings: Any):
        self.settings = {"reduction": reduction, **settings}

    def forward(self, input: Tensor, target: Any) -> Tensor:
        return type(self).function(input, target, **self.settings)


class MSELoss(_Loss):
    """`functional.mse_loss`."""

    function = staticmethod(F.mse_loss)


class L1Loss(_Loss):
    """`functional.l1_loss`."""

    function = staticmethod(F.l1_loss)


class SmoothL1Loss(_Loss):
    """`functional.smooth_l1_loss`."""

    function = staticmethod(F.smooth_l1_loss)

    def __init__(self, *, reduction: str = "mean", beta: float = 1.0):
        super().__init__(reduction=reduction, beta=beta)


class BCELoss(_Loss):
    """`functional.binary_cross_entropy`, of probabilities."""

    function = staticmethod(F.binary_cross_entropy)

    def __init__(self, weight: Tensor | None = None, *, reduction: str = "mean"):
        super().__init__(reduction=reduction, weight=weight)


class BCEWithLogitsLoss(_Loss):
    """`functional.binary_cross_entropy_with_logits`.

    Examples
    --------
    >>> import minigan as mg
    >>> mg.nn.BCEWithLogitsLoss()(mg.zeros(2), mg.ones(2))
    Tensor(0.6931)
    """

    function = staticmethod(F.binary_cross_entropy_with_logits)

    def __init__(self, weight: Tensor | None = None, *, reduction: str = "mean", pos_weight: Tensor | None = None):
        super().__init__(reduction=reduction, weight=weight, pos_weight=pos_weight)


class CrossEntropyLoss(_Loss):
    """`functional.cross_entropy`, of logits."""

    function = staticmethod(F.cross_entropy)

    def __init__(self, weight: Tensor | None = None, *, reduction: str = "mean", label_smoothing: float = 0.0):
        super().__init__(reduction=reduction, weight=weight, label_smoothing=label_smoothing)


class NLLLoss(_Loss):
    """`functional.nll_loss`, of log-probabilities."""

    function = staticmethod(F.nll_loss)

    def __init__(self, weight: Tensor | None = None, *, reduction: str = "mean"):
        super().__init__(reduction=reduction, weight=weight)


class KLDivLoss(_Loss):
    """`functional.kl_div`, of log-probabilities."""

    function = staticmethod(F.kl_div)

    def __init__(self, *, reduction: str = "mean", log_target: bool = False):
        super().__init__(reduction=reduction, log_target=log_target)
