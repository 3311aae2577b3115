"""Penalties that keep a discriminator smooth, and other terms that are added to a GAN's losses. Imports nn.

Each returns the bare expectation, a Tensor of shape () of which the caller takes a multiple, `loss + 10 * penalty`. Only R1
and R2 hold the ½ of their definition, so that they are multiplied by γ.

The gradient penalties are about ∇ₓD(x), the gradient of what D says of a sample with respect to that sample. They are
computed with `create_graph=True`, so `backward()` reaches D's weights through that gradient; no gradient reaches the samples
nor the generator that made them. Where D says several numbers of a sample (a PatchGAN), their sum is meant. Under `no_grad`
there is the value alone.

WGAN's way to bound a critic, before the penalty, is `minigan.optim.clip_weights_`; `minigan.nn.spectral_norm` bounds each
layer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from minigan.creation import eye, rand
from minigan.generator import AnyGenerator
from minigan.modes import enable_grad
from minigan.nn.conv import Conv2d, ConvTranspose2d
from minigan.nn.linear import Linear
from minigan.nn.module import Module
from minigan.nn.norm import BatchNorm1d, BatchNorm2d
from minigan.nn.spectral_norm import weight_matrix
from minigan.tensor import Tensor, grad

Discriminator = Callable[[Tensor], Tensor]


# ------------------------------------------------------------------------------------------------- gradient penalties


def gradient_penalty(
    critic: Discriminator,
    real: Tensor,
    fake: Tensor,
    target: float = 1.0,
    one_sided: bool = False,
    generator: AnyGenerator | None = None,
) -> Tensor:
    """WGAN-GP's `E (‖∇D(x̂)‖₂ − 1)²`, where x̂ is anywhere on the line between a real sample and a generated one.

        x̂ = ε·x + (1 − ε)·G(z),   ε ~ U[0, 1), one for each sample;

    the norm is over all axes but the first. One-sided, `E max(0, ‖∇D(x̂)‖₂ − 1)²`, only slopes that are too steep cost.

    Parameters
    ----------
    critic : Module or callable
        D, from `(N, ...)` to numbers `(N, ...)`, not through a sigmoid.
    real, fake : Tensor, `(N, ...)`
        Of one shape, at least two axes.
    target : float, default 1
        Where the norm is drawn to.
    one_sided : bool, default False
        WGAN-LP.
    generator : Generator, optional
        Where ε is drawn from: `minigan.Generator(seed)`.

    Returns
    -------
    Tensor of shape ()
        λ is the caller's: 10 in the paper.

    Raises
    ------
    ValueError
        If the shapes differ or there is no sample; if the critic holds batch norm that uses the batch; if what it says does
        not depend on its input, or is not said for each sample.
    TypeError
        If the samples are not floating, or of two types.

    Notes
    -----
    Where the gradient is 0 the norm has no derivative, which is taken to be 0, as in PyTorch.

    References
    ----------
    Gulrajani, Ahmed, Arjovsky, Dumoulin & Courville, "Improved training of Wasserstein GANs", NIPS 2017, eq. 3 and
    Algorithm 1. One-sided: Petzka, Fischer & Lukovnikov, "On the regularization of Wasserstein GANs", ICLR 2018.

    Examples
    --------
    The gradient of `⟨w, x⟩` is w everywhere, here with norm 5:

    >>> import minigan as mg
    >>> w = mg.tensor([3.0, 4.0], requires_grad=True)
    >>> penalty = gradient_penalty(lambda x: x @ w, mg.randn(8, 2), mg.randn(8, 2))
    >>> round(penalty.item(), 4)
    16.0
    >>> penalty.backward()
    >>> w.grad  # 2·(5 − 1)·w/5
    Tensor([4.8, 6.4])
    """
    name = "gradient_penalty"
    _check_samples(name, real=real, fake=fake)
    if real.shape != fake.shape or real.dtype != fake.dtype:
        raise (ValueError if real.shape != fake.shape else TypeError)(
            f"{name}: each real sample is joined to a generated one by a line, so the two must be alike, got real of shape "
            f"{real.shape} and type {real.dtype}, fake of shape {fake.shape} and type {fake.dtype}"
        )
    refuse_batch_norm(name, critic)
    eps = _one_a_sample(real, generator)
    norm = _slopes(name, critic, eps * real + (1 - eps) * fake).norm(dim=1)
    excess = norm - target
    return ((excess.relu() if one_sided else excess) ** 2).mean()


def r1_penalty(discriminator: Discriminator, real: Tensor) -> Tensor:
    """`½ E ‖∇D(x)‖²` over real samples: at the equilibrium D is flat there, and the game converges locally.

    Parameters
    ----------
    discriminator : Module or callable
        D, from `(N, ...)` to logits `(N, ...)`.
    real : Tensor, `(N, ...)`

    Returns
    -------
    Tensor of shape ()
        With the ½ inside, without γ: 10 in many of the paper's experiments.

    Raises
    ------
    ValueError, TypeError
        If the samples are not floating or have fewer than two axes, or what D says does not depend on its input.

    Notes
    -----
    Batch norm in D is not refused, but the gradient is then that of the whole batch's verdict, and the running statistics
    move once more.

    References
    ----------
    Mescheder, Geiger & Nowozin, "Which training methods for GANs do actually converge?", ICML 2018, eq. 9.

    Examples
    --------
    >>> import minigan as mg
    >>> w = mg.tensor([3.0, 4.0], requires_grad=True)
    >>> r1_penalty(lambda x: x @ w, mg.randn(8, 2)).item()  # ½·5²
    12.5
    """
    return _half_squared_slope("r1_penalty", discriminator, real=real)


def r2_penalty(discriminator: Discriminator, fake: Tensor) -> Tensor:
    """`½ E ‖∇D(G(z))‖²`: R1 over generated samples, which are constants here (Mescheder et al. 2018, eq. 10).

    See `r1_penalty`.

    Examples
    --------
    >>> import minigan as mg
    >>> r2_penalty(lambda x: (x**2).sum(1), mg.tensor([[1.0, 2.0]])).item()  # ½·‖2x‖²
    10.0
    """
    return _half_squared_slope("r2_penalty", discriminator, fake=fake)


def dragan_penalty(discriminator: Discriminator, real: Tensor, generator: AnyGenerator | None = None) -> Tensor:
    """DRAGAN's `E (‖∇D(x̂)‖₂ − 1)²`, where x̂ is near a real sample.

        x̂ = x + α·(½·std(x)·u),   u ~ U[0, 1) for each number, α ~ U[0, 1) for each sample,

    with std(x) the standard deviation of all numbers of the batch together.

    Parameters
    ----------
    discriminator : Module or callable
        D, from `(N, ...)` to `(N, ...)`.
    real : Tensor, `(N, ...)`
    generator : Generator, optional
        Where u and then α are drawn from.

    Returns
    -------
    Tensor of shape ()
        λ is the caller's: 10 in the paper.

    Raises
    ------
    ValueError, TypeError
        As `r1_penalty`.

    Notes
    -----
    The perturbation is that of the authors' published code, which only adds; the paper's formula has x + δ with normally
    distributed δ. Batch norm is not refused; see `r1_penalty`.

    References
    ----------
    Kodali, Abernethy, Hays & Kira, "On convergence and stability of GANs", 2017.

    Examples
    --------
    >>> import minigan as mg
    >>> w = mg.tensor([3.0, 4.0], requires_grad=True)
    >>> round(dragan_penalty(lambda x: x @ w, mg.randn(8, 2)).item(), 4)
    16.0
    """
    name = "dragan_penalty"
    _check_samples(name, real=real)
    u = rand(real.shape, dtype=real.dtype, device=real.device, generator=generator)
    near = real + _one_a_sample(real, generator) * (0.5 * real.std(correction=0) * u)
    return ((_slopes(name, discriminator, near).norm(dim=1) - 1) ** 2).mean()


def _half_squared_slope(name: str, D: Discriminator, **samples: Tensor) -> Tensor:
    _check_samples(name, **samples)
    (x,) = samples.values()
    return 0.5 * (_slopes(name, D, x) ** 2).sum(dim=1).mean()


def _slopes(name: str, D: Discriminator, x: Tensor) -> Tensor:
    """∇ₓD(x) for each sample, as rows `(N, features)`, at a place of the graph. x itself is a constant."""
    x = x.detach().requires_grad_()
    with enable_grad():
        verdicts = D(x)
        if not isinstance(verdicts, Tensor) or verdicts.shape[:1] != x.shape[:1]:
            came = f"shape {verdicts.shape}" if isinstance(verdicts, Tensor) else type(verdicts).__name__
            raise ValueError(
                f"{name}: D must say something of each of the {len(x)} samples, as a Tensor ({len(x)}, ...), got {came}; "
                f"give it without a mean over the batch"
            )
        found = grad(verdicts.sum(), x, create_graph=True, allow_unused=True) if verdicts.requires_grad else [None]
    if (slopes := found[0]) is None:
        raise ValueError(
            f"{name}: what D says does not depend on its input, so it has no gradient there; is there a detach(), a "
            f"no_grad() or an integer in D?"
        )
    return slopes.flatten(1)


def _one_a_sample(x: Tensor, generator: AnyGenerator | None) -> Tensor:
    """U[0, 1) once for each sample, `(N, 1, ..., 1)`."""
    return rand(len(x), *[1] * (x.ndim - 1), dtype=x.dtype, device=x.device, generator=generator)


def _check_samples(name: str, **samples: Tensor) -> None:
    for argument, x in samples.items():
        if not isinstance(x, Tensor) or not x.is_floating_point():
            what = f"a Tensor of {x.dtype}" if isinstance(x, Tensor) else type(x).__name__
            raise TypeError(f"{name}: {argument} must be a Tensor of float32 or float64, got {what}")
        if x.ndim < 2 or not x.numel():
            raise ValueError(
                f"{name}: {argument} must be (N, ...), with two axes or more and at least one sample, got {x.shape}"
            )


def refuse_batch_norm(name: str, critic: Discriminator) -> None:
    """A ValueError if a sample's verdict depends on the other samples."""
    for path, module in critic.named_modules() if isinstance(critic, Module) else ():
        if isinstance(module, BatchNorm1d | BatchNorm2d) and (module.training or module.running_mean is None):
            raise ValueError(
                f"{name}: the critic has batch norm ({path or 'itself'}: {type(module).__name__}). The penalty is about the "
                f"gradient at each sample by itself, but batch norm makes what is said of one sample depend on all the "
                f"others. Use LayerNorm, GroupNorm or InstanceNorm2d in the critic, or none"
            )


# -------------------------------------------------------------------------------------------------------- other terms


def drift_penalty(real_logits: Tensor) -> Tensor:
    """`E D(x)²`, which keeps a critic's numbers near 0; a Wasserstein loss leaves them free to drift.

    Parameters
    ----------
    real_logits : Tensor
        What D says of real samples, of any shape.

    Returns
    -------
    Tensor of shape ()
        ε_drift is the caller's: 0.001 in the paper.

    References
    ----------
    Karras, Aila, Laine & Lehtinen, "Progressive growing of GANs for improved quality, stability, and variation", ICLR 2018,
    appendix A.1.

    Examples
    --------
    >>> import minigan as mg
    >>> drift_penalty(mg.tensor([1.0, 3.0])).item()
    5.0
    """
    return (real_logits**2).mean()


def feature_matching_loss(real_features: Tensor | Sequence[Tensor], fake_features: Tensor | Sequence[Tensor]) -> Tensor:
    """`‖E f(x) − E f(G(z))‖²`, a loss for G: generated samples should have the features of real ones on average.

    Parameters
    ----------
    real_features, fake_features : Tensor `(N, ...)` or sequence of Tensors
        f is what a layer of D says, or several layers, whose losses are added up. The batches may differ in size. The real
        ones, which do not depend on G, are best computed under `no_grad`.

    Returns
    -------
    Tensor of shape ()

    Raises
    ------
    ValueError
        If the two are not equally many, or their features differ in shape.

    Notes
    -----
    The square is a sum over the features, as in the formula, not their mean.

    References
    ----------
    Salimans et al., "Improved techniques for training GANs", NIPS 2016, section 3.1.

    Examples
    --------
    >>> import minigan as mg
    >>> real, fake = mg.tensor([[1.0, 2.0], [3.0, 4.0]]), mg.tensor([[0.0, 1.0]])
    >>> feature_matching_loss(real, fake).item()  # 2² + 2²
    8.0
    """
    reals = [real_features] if isinstance(real_features, Tensor) else list(real_features)
    fakes = [fake_features] if isinstance(fake_features, Tensor) else list(fake_features)
    if len(reals) != len(fakes) or not reals:
        raise ValueError(
            f"feature_matching_loss: expected the same layers of both, got {len(reals)} of real samples and {len(fakes)} of "
            f"generated ones"
        )
    losses = []
    for i, (a, b) in enumerate(zip(reals, fakes)):
        if a.shape[1:] != b.shape[1:] or 0 in (a.ndim, b.ndim):
            raise ValueError(
                f"feature_matching_loss: the features of layer {i} must be (N, ...) and differ in N at most, got {a.shape} "
                f"and {b.shape}"
            )
        losses.append(((a.mean(dim=0) - b.mean(dim=0)) ** 2).sum())
    return sum(losses[1:], losses[0])


def orthogonal_regularisation(
    module_or_weights: Module | Tensor | Iterable[Tensor], off_diagonal_only: bool = False
) -> Tensor:
    """`Σ ‖WᵀW − I‖²` (Frobenius norm) over weights W with a column for each output: filters of length 1, at right angles.

    With `off_diagonal_only`, BigGAN's `Σ ‖WᵀW ⊙ (1 − I)‖²`: at right angles, of any length.

    Parameters
    ----------
    module_or_weights : Module, Tensor or iterable of Tensors
        The weights of all linear and convolution layers inside the module (not its embeddings); or weights themselves,
        `(out, ...)`, whose axes but the first are joined into one.
    off_diagonal_only : bool, default False

    Returns
    -------
    Tensor of shape ()
        β is the caller's: 10⁻⁴ in BigGAN, for the generator.

    Raises
    ------
    ValueError, TypeError
        If there is no weight, or one has fewer than two axes.

    Notes
    -----
    Weights are stored here with a *row* for each output, so that the Gram matrix WᵀW of the formulas is W·Wᵀ of the stored
    matrix. For a transposed convolution, `(in, out/groups, ...)`, the outputs are axis 1.

    References
    ----------
    Brock, Lim, Ritchie & Weston, "Neural photo editing with introspective adversarial networks", ICLR 2017, in the form of
    Brock, Donahue & Simonyan, "Large scale GAN training for high fidelity natural image synthesis", ICLR 2019, eq. 2;
    `off_diagonal_only` is eq. 3.

    Examples
    --------
    >>> import minigan as mg
    >>> w = mg.tensor([[1.0, 1.0], [0.0, 1.0]])  # WWᵀ = [[2, 1], [1, 1]]
    >>> orthogonal_regularisation(w).item(), orthogonal_regularisation(w, off_diagonal_only=True).item()
    (3.0, 2.0)
    """
    name = "orthogonal_regularisation"
    if isinstance(module_or_weights, Module):
        layers = [m for m in module_or_weights.modules() if isinstance(m, Linear | Conv2d | ConvTranspose2d)]
        matrices = [weight_matrix(layer) for layer in layers]
    else:
        weights: Any = [module_or_weights] if isinstance(module_or_weights, Tensor) else list(module_or_weights)
        for i, w in enumerate(weights):
            if not isinstance(w, Tensor):
                raise TypeError(f"{name}: weight {i} is a {type(w).__name__}, expected a Tensor")
            if w.ndim < 2:
                raise ValueError(f"{name}: weight {i} must be (out, ...) with two axes or more, got shape {w.shape}")
        matrices = [w.flatten(1) for w in weights]
    if not matrices:
        raise ValueError(f"{name}: there is no weight of a linear or a convolution layer here")
    terms = []
    for matrix in matrices:
        identity = eye(len(matrix), dtype=matrix.dtype, device=matrix.device)
        gram = matrix @ matrix.transpose(0, 1)
        terms.append(((gram * (1 - identity) if off_diagonal_only else gram - identity) ** 2).sum())
    return sum(terms[1:], terms[0])
