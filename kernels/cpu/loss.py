"""Loss heads and their gradients: the reference's. A batch has about a hundred logits, and NumPy's few calls are soon
done."""

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
