"""The optimisers: each is one equation, which `minigan.kernels` computes. Imports the base and backend."""

from __future__ import annotations

from minigan import backend
from minigan.optim.optimizer import Optimizer, Params


class SGD(Optimizer):
    """Gradient descent, with momentum if `momentum > 0`.

    With g the gradient plus `weight_decay`·p, the parameter moves by `p ← p − lr·b`, where

        b ← momentum·b + (1 − dampening)·g        (b = g in the first step; without momentum always)

    With `nesterov`, `p ← p − lr·(g + momentum·b)`: the next step that momentum would make is made at once.

    Parameters
    ----------
    params : iterable of Tensors, or of dicts
        See `Optimizer`.
    lr : float, default 1e-3
    momentum, dampening, weight_decay : float, default 0
    nesterov : bool, default False
        Needs `momentum > 0` and `dampening = 0`.

    References
    ----------
    Polyak, "Some methods of speeding up the convergence of iteration methods", 1964; Sutskever et al., "On the importance
    of initialization and momentum in deep learning", ICML 2013, where lr is inside b.

    Examples
    --------
    >>> import minigan as mg
    >>> w = mg.tensor([1.0], requires_grad=True)
    >>> optimizer = mg.optim.SGD([w], lr=0.25)
    >>> (w**2).sum().backward()
    >>> optimizer.step()
    >>> w
    Tensor([0.5], requires_grad=True)
    """

    _elementwise = True

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ):
        super().__init__(
            params, lr=lr, momentum=momentum, dampening=dampening, weight_decay=weight_decay, nesterov=nesterov
        )

    def _checked(self, options):
        options = super()._checked(options)
        if options["nesterov"] and (options["momentum"] == 0 or options["dampening"] != 0):
            raise ValueError(
                f"SGD: nesterov needs momentum > 0 and dampening = 0, got momentum={options['momentum']:g} and "
                f"dampening={options['dampening']:g}"
            )
        return options

    def _moments(self, options):
        return ("momentum_buffer",) if options["momentum"] else ()

    def _update(self, p, g, t, lr, momentum, dampening, weight_decay, nesterov, momentum_buffer=None):
        backend.kernels(p).sgd(p, g, momentum_buffer, t, lr, momentum, dampening, weight_decay, nesterov)


class RMSprop(Optimizer):
    """Gradient descent in which each number is divided by the running size of its gradients.

    With g the gradient plus `weight_decay`·p,

        v ← alpha·v + (1 − alpha)·g²
        p ← p − lr·g / (√v + eps).

    With `centered`, v − m² stands for v, where m ← alpha·m + (1 − alpha)·g: the variance of the gradients instead of their
    second moment. With `momentum > 0`, `p ← p − lr·b`, where b ← momentum·b + g / (√v + eps).

    Parameters
    ----------
    params : iterable of Tensors, or of dicts
        See `Optimizer`.
    lr : float, default 1e-2
    alpha : float, default 0.99
    eps : float, default 1e-8
    weight_decay, momentum : float, default 0
    centered : bool, default False

    References
    ----------
    Tieleman & Hinton, "Lecture 6.5: rmsprop", Coursera, 2012. Centred: Graves, "Generating sequences with recurrent neural
    networks", 2013, equations 38 to 40.

    Examples
    --------
    The optimiser of WGAN: `RMSprop(critic.parameters(), lr=5e-5)`.

    >>> import minigan as mg
    >>> w = mg.tensor([1.0], requires_grad=True)
    >>> optimizer = mg.optim.RMSprop([w], lr=0.1)
    >>> (w**2).sum().backward()
    >>> optimizer.step()
    >>> round(w.item(), 4)
    0.0
    """

    _elementwise = True

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
    ):
        super().__init__(
            params, lr=lr, alpha=alpha, eps=eps, weight_decay=weight_decay, momentum=momentum, centered=centered
        )

    def _moments(self, options):
        centre = ("grad_avg",) if options["centered"] else ()
        momentum = ("momentum_buffer",) if options["momentum"] else ()
        return ("square_avg", *centre, *momentum)

    def _update(
        self, p, g, t, lr, alpha, eps, weight_decay, momentum, centered, square_avg, grad_avg=None, momentum_buffer=None
    ):
        moments = square_avg, grad_avg, momentum_buffer
        backend.kernels(p).rmsprop(p, g, *moments, lr, alpha, eps, weight_decay, momentum)


class Adam(Optimizer):
    """Gradient descent with momentum, in which each number is divided by the running size of its gradients.

    With g the gradient plus `weight_decay`·p, in step t (algorithm 1 of the paper):

        m ← β₁·m + (1 − β₁)·g           m̂ = m / (1 − β₁ᵗ)
        v ← β₂·v + (1 − β₂)·g²          v̂ = v / (1 − β₂ᵗ)
        p ← p − lr·m̂ / (√v̂ + eps)

    m and v begin as 0, and are too small at first by just the factors that m̂ and v̂ divide by.

    Parameters
    ----------
    params : iterable of Tensors, or of dicts
        See `Optimizer`.
    lr : float, default 1e-3
    betas : pair of floats, default (0.9, 0.999)
        β₁ and β₂. GANs use a smaller β₁: (0.5, 0.999) in DCGAN, (0, 0.9) in WGAN-GP.
    eps : float, default 1e-8
    weight_decay : float, default 0
        Becomes part of the gradient; see `AdamW`.

    References
    ----------
    Kingma & Ba, "Adam: a method for stochastic optimization", ICLR 2015.

    Examples
    --------
    >>> import minigan as mg
    >>> w = mg.tensor([1.0, 100.0], requires_grad=True)
    >>> optimizer = mg.optim.Adam([w], lr=0.1, betas=(0.5, 0.999))
    >>> (w**2).sum().backward()
    >>> optimizer.step()  # the first step is lr long in every direction, however large the gradient
    >>> w
    Tensor([ 0.9, 99.9], requires_grad=True)
    """

    _elementwise = True
    _decoupled = False  # does the weight decay stay outside of the gradient?

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ):
        super().__init__(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)

    def _moments(self, options):
        return ("exp_avg", "exp_avg_sq")

    def _update(self, p, g, t, lr, betas, eps, weight_decay, exp_avg, exp_avg_sq):
        backend.kernels(p).adam(p, g, exp_avg, exp_avg_sq, t, lr, betas, eps, weight_decay, self._decoupled)


class AdamW(Adam):
    """Adam with the weight decay outside of the gradient: `p ← (1 − lr·weight_decay)·p`, then Adam's step without decay.

    In Adam the decay is part of g and is divided by √v̂ like the rest, so weights with large gradients decay less. Here all
    decay at the same rate.

    Parameters
    ----------
    params : iterable of Tensors, or of dicts
        See `Optimizer`.
    lr, betas, eps
        As in `Adam`.
    weight_decay : float, default 1e-2

    References
    ----------
    Loshchilov & Hutter, "Decoupled weight decay regularization", ICLR 2019, algorithm 2.

    Examples
    --------
    >>> import minigan as mg
    >>> w = mg.tensor([1.0], requires_grad=True)
    >>> w.grad = mg.zeros(1)
    >>> mg.optim.AdamW([w], lr=0.1, weight_decay=0.5).step()
    >>> w
    Tensor([0.95], requires_grad=True)
    """

    _decoupled = True

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ):
        super().__init__(params, lr, betas, eps, weight_decay)
