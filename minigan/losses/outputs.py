"""What every adversarial loss asks of the outputs it is given, and what it says where they are not that. Imports tensor.

A loss sees nothing of a network but its outputs, one number a sample or a patch. Whatever else arrives here (an array, class
numbers, an empty batch) would give a number all the same, and a wrong one; so it is refused, by name.
"""

from __future__ import annotations

from minigan.tensor import Tensor


def check_outputs(operation: str, **outputs: Tensor) -> None:
    """A TypeError or ValueError that names the argument, unless each of them is a floating Tensor with something in it."""
    for name, x in outputs.items():
        if not isinstance(x, Tensor):
            raise TypeError(
                f"{operation}: {name} is of type {type(x).__name__}, expected a Tensor of what the discriminator said; "
                f"minigan.tensor(...) makes one of numbers"
            )
        if not x.is_floating_point():
            raise TypeError(
                f"{operation}: {name} has type {x.dtype}, expected float32 or float64: a discriminator's own outputs, "
                f"before any rounding or comparison"
            )
        if not x.numel():
            raise ValueError(
                f"{operation}: {name} is empty, of shape {x.shape}, expected at least one sample: the loss is a mean"
            )


def check_pairs(operation: str, real: Tensor, fake: Tensor) -> None:
    """A ValueError, unless there is one generated sample for each real one."""
    if real.shape != fake.shape:
        raise ValueError(
            f"{operation}: real has shape {real.shape}, fake has shape {fake.shape}, expected equal shapes, because each "
            f"real sample is compared with one generated sample; generate as many as there are real ones"
        )
