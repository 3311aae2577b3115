"""Pictures changed by chance in ways that a gradient passes through, for GANs with little data. Imports ops and creation."""

from __future__ import annotations

import difflib
from collections.abc import Callable

from minigan.creation import arange, rand, randint
from minigan.generator import AnyGenerator
from minigan.ops.elementwise import masked_fill
from minigan.ops.reduce import mean
from minigan.tensor import Tensor


def diff_augment(x: Tensor, policy: str = "color,translation,cutout", generator: AnyGenerator | None = None) -> Tensor:
    """DiffAugment's T(x): pictures in other colours, moved a little, with a hole, each in its own way.

    With few pictures D learns them by heart. If only the real ones were augmented, G would learn to draw the augmentations.
    So T comes before D everywhere, `D(T(x))` and `D(T(G(z)))`, in the losses of both networks, and G learns through T.

    For each sample, with u, u′, u″ ~ U[0, 1) and in the order in which `policy` names them,

        color        x ← x + (u − ½)                            brightness
                     x ← m + 2u′·(x − m)                        saturation; m is the mean over the channels, at each pixel
                     x ← m + (½ + u″)·(x − m)                   contrast; m is the mean over the whole picture
        translation  x ← x moved by up to ⅛ of its height and of its width, with zeros coming in
        cutout       x ← 0 in a rectangle of half the height and half the width, centred anywhere in the picture

    Parameters
    ----------
    x : Tensor, `(N, C, H, W)`
    policy : str, default "color,translation,cutout"
        Names of the above, with commas between them; with "" nothing is changed.
    generator : Generator, optional
        Where the draws come from: `minigan.Generator(seed)`.

    Returns
    -------
    Tensor, `(N, C, H, W)`

    Raises
    ------
    TypeError, ValueError
        If x is no floating Tensor of four axes, or the policy has an unknown name.

    Notes
    -----
    T is affine in x, so its derivatives are exact to any order, and a gradient penalty goes through it.

    What comes in, and the hole, are 0 as in the authors' code: grey where pictures lie in [−1, 1]. Nothing is clipped to
    that range. A grey picture, C = 1, is its own mean over the channels, so saturation leaves it as it is.

    References
    ----------
    Zhao, Liu, Lin, Zhu & Han, "Differentiable augmentation for data-efficient GAN training", NeurIPS 2020, section 3; the
    amounts are those of the published code.

    Examples
    --------
    >>> import minigan as mg
    >>> x = mg.ones(2, 1, 8, 8, requires_grad=True)
    >>> y = diff_augment(x, "cutout", generator=mg.Generator(0))
    >>> y.sum(dim=(1, 2, 3)).detach()  # a hole of 4×4, of which a part may lie outside
    Tensor([52., 48.])
    >>> (mg.grad(y.sum(), x)[0] == y).all().item()
    True
    """
    if not isinstance(x, Tensor) or not x.is_floating_point():
        came = f"a Tensor of {x.dtype}" if isinstance(x, Tensor) else type(x).__name__
        raise TypeError(f"diff_augment: x must be a Tensor of float32 or float64, got {came}")
    if x.ndim != 4:
        raise ValueError(f"diff_augment: x must be pictures (N, C, H, W), got shape {x.shape}")
    names = [name.strip() for name in policy.split(",")] if policy else []
    for name in names:
        if name not in POLICIES:
            near = difflib.get_close_matches(name, POLICIES, n=1)
            guess = f"; did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"diff_augment: policy names {name!r}, but there are {', '.join(POLICIES)}{guess}")
    for name in names:
        x = POLICIES[name](x, generator)
    return x


def _color(x: Tensor, generator: AnyGenerator | None) -> Tensor:
    def u() -> Tensor:
        return rand(len(x), 1, 1, 1, dtype=x.dtype, device=x.device, generator=generator)

    x = x + (u() - 0.5)
    m = mean(x, dim=1, keepdim=True)
    x = m + 2 * u() * (x - m)
    m = mean(x, dim=(1, 2, 3), keepdim=True)
    return m + (0.5 + u()) * (x - m)


def _translation(x: Tensor, generator: AnyGenerator | None) -> Tensor:
    """S·X·Tᵀ for each picture X, where S moves rows and T columns: S[i, j] = 1 if i = j + s, else 0.

    Twice to five times as fast as taking the pixels by index, above all backwards.
    """
    vertical, horizontal = (_shifts(x, size, generator) for size in x.shape[2:])
    return vertical @ x @ horizontal.mT


def _shifts(x: Tensor, size: int, generator: AnyGenerator | None) -> Tensor:
    """A matrix `(N, 1, size, size)` for each sample, which moves a column of numbers by up to ⅛ of its length."""
    most = int(size / 8 + 0.5)
    s = randint(-most, most + 1, (len(x), 1, 1, 1), device=x.device, generator=generator)
    places = arange(size, device=x.device)
    return (places.unsqueeze(1) == places + s).to(x.dtype)


def _cutout(x: Tensor, generator: AnyGenerator | None) -> Tensor:
    rows, columns = (_stretch(x, size, generator) for size in x.shape[2:])
    return masked_fill(x, rows.mT & columns, 0.0)


def _stretch(x: Tensor, size: int, generator: AnyGenerator | None) -> Tensor:
    """For each sample the places, `(N, 1, 1, size)`, of a stretch of half the size; a part of it may lie outside."""
    length = int(size / 2 + 0.5)
    centre = randint(0, size + 1 - length % 2, (len(x), 1, 1, 1), device=x.device, generator=generator)
    start, places = centre - length // 2, arange(size, device=x.device)
    return (places >= start) & (places < start + length)


POLICIES: dict[str, Callable[[Tensor, AnyGenerator | None], Tensor]] = {
    "color": _color,
    "translation": _translation,
    "cutout": _cutout,
}
