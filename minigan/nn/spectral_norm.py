"""Spectral normalisation: a layer whose weight has a largest singular value of 1. Imports module and the convolutions."""

from __future__ import annotations

from typing import Any

from minigan.creation import randn
from minigan.modes import no_grad
from minigan.nn.conv import ConvTranspose2d
from minigan.nn.functional_call import computing_with
from minigan.nn.linear import positive
from minigan.nn.module import Buffer, Module, Parameter
from minigan.tensor import Tensor


def weight_matrix(layer: Module) -> Tensor:
    """A layer's weight as a matrix, a row for each output: `(out, rest)`.

    That is axis 0 and the others joined into one; of a transposed convolution, whose weight is `(in, out/groups, ...)`, it
    is axis 1.
    """
    weight = layer.weight  # type: ignore[attr-defined]
    return (weight.movedim(1, 0) if isinstance(layer, ConvTranspose2d) else weight).flatten(1)


class SpectralNorm(Module):
    """A layer that computes with `W/σ(W)` in place of its weight W. `spectral_norm` makes one, and says what it is.

    Attributes
    ----------
    layer : Module
        The layer itself, whose `weight` is the W that is learned.
    u, v : Buffer, `(out,)` and `(rest,)`
        Estimates of the first left and the first right singular vector of W.
    weight : Tensor
        `W/σ(W)`, differentiable through W; read only.
    """

    def __init__(self, layer: Module, n_power_iterations: int = 1, eps: float = 1e-12):
        weight = vars(layer).get("weight") if isinstance(layer, Module) else None
        if not isinstance(weight, Parameter) or weight.ndim < 2:
            what = f"a weight of shape {weight.shape}" if isinstance(weight, Parameter) else "no weight of its own"
            raise TypeError(
                f"spectral_norm: expected a layer with a weight of two axes or more, such as Linear, Conv2d, "
                f"ConvTranspose2d or Embedding, got {type(layer).__name__}, which has {what}"
            )
        positive("spectral_norm", n_power_iterations=n_power_iterations)
        if not (weight.data != 0).any():
            raise ValueError(
                "spectral_norm: the weight is 0 everywhere, so there is no W/σ(W); give the layer its first weights before "
                "it is wrapped"
            )
        self.n_power_iterations, self.eps = n_power_iterations, eps
        self.layer = layer
        place: dict[str, Any] = {"dtype": weight.dtype, "device": weight.device}
        out, rest = weight_matrix(layer).shape
        self.u = Buffer(self._unit(randn(out, **place)).data)
        self.v = Buffer(self._unit(randn(rest, **place)).data)
        self._iterate(15)  # as PyTorch begins

    def _unit(self, x: Tensor) -> Tensor:
        return x / x.norm().clamp(min=self.eps)

    @no_grad()
    def _iterate(self, times: int) -> None:
        """Power iteration: `u ← Wv/‖Wv‖`, `v ← Wᵀu/‖Wᵀu‖`. The vectors get new arrays: graphs may hold the old ones."""
        matrix = weight_matrix(self.layer)
        for _ in range(times):
            self.u.data = self._unit(matrix @ self.v).data
            self.v.data = self._unit(matrix.transpose(0, 1) @ self.u).data

    @property
    def weight(self) -> Tensor:
        """`W/σ(W)` with `σ(W) = uᵀWv`, where u and v are constants (Miyato et al. 2018, eq. 8 and Algorithm 1)."""
        u, v = self.u.detach(), self.v.detach()  # the buffers' versions rise in the next forward pass, these do not
        return self.layer.weight / (u * (weight_matrix(self.layer) @ v)).sum()  # type: ignore[attr-defined]

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        if self.training:
            self._iterate(self.n_power_iterations)
        with computing_with(self.layer, {"weight": self.weight}):
            return self.layer(*args, **kwargs)


def spectral_norm(module: Module, n_power_iterations: int = 1, eps: float = 1e-12) -> SpectralNorm:
    """The layer, with `W/σ(W)` in place of its weight W, where σ(W) is the largest singular value of W.

    A linear map stretches no vector by more than σ(W); so a layer of spectral norm 1 is Lipschitz continuous with constant
    1, and so is a discriminator of such layers with ReLU or LeakyReLU between them. σ(W) is found by power iteration: with
    W as a matrix `(out, rest)`, in each forward pass in training

        u ← Wv/‖Wv‖,   v ← Wᵀu/‖Wᵀu‖,   σ = uᵀWv,

    from where the last pass stopped; in evaluation u and v stay as they are. Derivatives go through σ, with u and v as
    constants.

    Parameters
    ----------
    module : Module
        A layer with a parameter `weight` of two axes or more: Linear, a convolution, a transposed convolution (axis 1 is
        its output), Embedding.
    n_power_iterations : int, default 1
        In each forward pass in training, also under `no_grad`.
    eps : float, default 1e-12
        The least that a norm is divided by.

    Returns
    -------
    SpectralNorm
        Holds the layer as `layer`; in its state are `layer.weight`, `layer.bias`, `u` and `v`.

    Raises
    ------
    TypeError
        If the module has no such weight.
    ValueError
        If the number of iterations is not positive, or the weight is 0 everywhere.

    Notes
    -----
    The numbers are those of `torch.nn.utils.parametrizations.spectral_norm`, which begins with 15 iterations, keeps v as
    well, and updates u first; the paper's Algorithm 1 updates v first, which is the same iteration half a step later. For a
    convolution, σ is that of the weight as a matrix, as in the paper, not that of the whole linear map of the picture,
    which may be larger.

    References
    ----------
    Miyato, Kataoka, Koyama & Yoshida, "Spectral normalization for generative adversarial networks", ICLR 2018.

    Examples
    --------
    >>> import numpy as np, minigan as mg
    >>> from minigan import nn
    >>> layer = nn.spectral_norm(nn.Linear(3, 4))
    >>> for _ in range(50):  # a run has many more steps
    ...     y = layer(mg.ones(2, 3))
    >>> round(float(np.linalg.norm(layer.weight.detach().numpy(), 2)), 4)
    1.0
    >>> list(layer.state_dict())
    ['u', 'v', 'layer.weight', 'layer.bias']
    """
    return SpectralNorm(module, n_power_iterations, eps)
