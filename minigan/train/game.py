"""The one loop: a step of the game between G and D, by any rules. Imports losses, nn, optim, functional and the rules.

`examples/dcgan_mnist.py` spells the same step out for the plainest rules. Here each cure is a line or two at its place, and
what is not asked for costs nothing and draws no random number.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

import numpy as np

from minigan.creation import rand, randint, randn, randn_like
from minigan.functional import cross_entropy, diff_augment
from minigan.losses import (
    dragan_penalty,
    drift_penalty,
    feature_matching_loss,
    find_loss,
    gradient_penalty,
    orthogonal_regularisation,
    r1_penalty,
    r2_penalty,
)
from minigan.losses.penalties import refuse_batch_norm
from minigan.modes import no_grad
from minigan.nn import Module, Sigmoid, frozen, functional_call
from minigan.ops.elementwise import sigmoid
from minigan.optim import SGD, Adam, LambdaLR, Optimizer, RMSprop, clip_weights_
from minigan.tensor import Tensor
from minigan.train.rules import Rules
from minigan.train.unroll import unrolled


class Game:
    """Two networks, their optimisers, and the rules. `step` plays one round (Goodfellow et al. 2014, Algorithm 1).

    A round is `rules.d_steps` steps of the discriminator, then one of the generator. Each step of D sees two batches, one
    real and one generated, which go through D one after the other, so that batch norm takes the statistics of each by
    itself, as DCGAN's authors advise. G's step goes through the discriminator frozen: gradients pass through it to the
    samples, but those of its weights are not computed. It reuses the samples of the last step of D, which G, unchanged
    since, would make again.

    Parameters
    ----------
    generator : Module
        From noise `(N, *latent_shape)` to samples `(N, ...)`; with `classes`, of noise and class numbers `(N,)`.
    discriminator : Module
        From samples to verdicts, what they mean see `Adversarial.output`; with `classes`, of samples and class numbers. With
        `rules.pack = m` it is given `(N/m, m·C, ...)`. With `rules.auxiliary` it is given samples only and answers with two
        things: verdicts, and a logit for each class. `rules.feature_matching` needs a Sequential, whose last module is
        given the features.
    latent_shape : tuple of int
        Of one latent z ~ N(0, I).
    rules : Rules, optional
    steps : int, optional
        Of the whole run, for rules that come to their end with it: schedules and instance noise.
    classes : int, default 0
        Of a game with labels; batches are then pairs of samples and class numbers.
    companion : Module, optional
        A third network with two methods: `loss(real)`, by which it learns, and `generator_loss(fake)`, which is added to G's
        loss, times `rules.companion`.
    optimizers : pair of Optimizers, optional
        Of G and of D, in place of those that the rules ask for.

    Attributes
    ----------
    G, D, rules
    G_optimizer, D_optimizer : Optimizer
    mean_G : Module
        G with the running mean of its weights where `rules.ema` asks for one, else G itself: what samples are drawn with.
    state : dict
        Everything that changes, by its name: what `train.fit` saves.

    Raises
    ------
    ValueError, TypeError
        If the rules do not fit the networks: a penalty and batch norm in D, features of a D that is no Sequential.

    Examples
    --------
    >>> import minigan as mg
    >>> from minigan import nn
    >>> mlp = lambda i, o: nn.Sequential(nn.Linear(i, 16), nn.ReLU(), nn.Linear(16, o))
    >>> game = Game(mlp(2, 2), mlp(2, 1), (2,), Rules(loss="wgan", penalty="gp", d_steps=2))
    >>> reals = [np.zeros((8, 2), np.float32) for _ in range(2)]
    >>> sorted(game.step(reals))
    ['D(G(z))', 'D(x)', 'd_loss', 'g_loss', 'penalty']
    >>> game.sample(randn(3, 2)).shape
    (3, 2)
    """

    def __init__(
        self,
        generator: Module,
        discriminator: Module,
        latent_shape: tuple[int, ...],
        rules: Rules | None = None,
        *,
        steps: int | None = None,
        classes: int = 0,
        companion: Module | None = None,
        optimizers: tuple[Optimizer, Optimizer] | None = None,
    ):
        self.G, self.D, self.companion, self.classes = generator, discriminator, companion, classes
        self.latent_shape, self.rules, self.steps = tuple(latent_shape), rules or Rules(), steps
        self.loss = find_loss(self.rules.loss)
        self.device = next(generator.parameters()).device
        self._check()
        rates = (self.rules.lr, self.rules.d_lr or self.rules.lr)
        made = (
            [self._optimizer(net, lr) for net, lr in zip((generator, discriminator), rates)] if not optimizers else []
        )
        self.G_optimizer, self.D_optimizer = optimizers or made
        self.mean_G = copy.deepcopy(generator).requires_grad_(False).eval() if self.rules.ema else generator
        self.round = Count()
        self.state: dict[str, Any] = {
            "G": self.G,
            "D": self.D,
            "G_optimizer": self.G_optimizer,
            "D_optimizer": self.D_optimizer,
        }
        if self.mean_G is not generator:
            self.state["mean_G"] = self.mean_G
        if companion is not None:
            self.companion_optimizer = self._optimizer(companion, self.rules.lr)
            self.state |= {"companion": companion, "companion_optimizer": self.companion_optimizer}
        self.schedules = []
        if self.rules.schedule != "constant":
            self.schedules = [LambdaLR(optimizer, self._rate) for optimizer in (self.G_optimizer, self.D_optimizer)]
            self.state |= {"G_schedule": self.schedules[0], "D_schedule": self.schedules[1]}
        if self.rules.instance_noise:
            self.state["round"] = self.round

    # ------------------------------------------------------------------------------------------------------------------
    # A round
    # ------------------------------------------------------------------------------------------------------------------

    def step(self, reals: Sequence[Any]) -> dict[str, float]:
        """`d_steps` steps of D, a batch for each, then one of G.

        Parameters
        ----------
        reals : sequence of arrays `(N, ...)`, or of pairs of samples and class numbers `(N,)`

        Returns
        -------
        dict
            `d_loss` and `g_loss`; `D(x)` and `D(G(z))`, the means of D's answers: probabilities where the loss is of
            logits, else the numbers themselves; `penalty`, `skipped` and `accuracy` where the rules have such things. Of
            the last step of D.

        Raises
        ------
        ValueError
            If there is another number of batches than `d_steps`, a pack does not divide a batch, or labels are missing.
        """
        rules = self.rules
        if len(reals) != rules.d_steps:
            raise ValueError(
                f"Game.step: got {len(reals)} batches of real samples, expected {rules.d_steps}, one for each step of D"
            )
        for k, batch in enumerate(reals):
            real, labels = self._real(batch)
            z = randn(len(real), *self.latent_shape, dtype=real.dtype, device=self.device)
            wanted = randint(0, self.classes, (len(real),), device=self.device) if self.classes else None
            with nullcontext() if k == len(reals) - 1 else no_grad():  # only the last are used by G's step
                fake = self.G(z) if wanted is None else self.G(z, wanted)
            measured = self._discriminator_step(real, labels, fake, wanted)
        measured["g_loss"] = self._generator_step(real, labels, fake, wanted)
        if rules.ema:
            self._follow()
        for schedule in self.schedules:
            schedule.step()
        self.round.number += 1
        return {name: measured[name] for name in ("d_loss", "g_loss", *(n for n in measured if "_loss" not in n))}

    def _discriminator_step(self, real: Tensor, labels: Any, fake: Tensor, wanted: Any) -> dict[str, float]:
        rules = self.rules
        loss, measured = self._discriminator_loss(self.D, self._shown(real), labels, self._shown(fake.detach()), wanted)
        skipped = measured["d_loss"] < rules.skip_d_below
        if not skipped:
            self.D_optimizer.zero_grad()
            loss.backward()
            self.D_optimizer.step()
            if rules.clip:
                clip_weights_(self.D.parameters(), rules.clip)
        if rules.skip_d_below > -math.inf:
            measured["skipped"] = float(skipped)
        return measured

    def _discriminator_loss(
        self, D: Any, real: Tensor, labels: Any, fake: Tensor, wanted: Any
    ) -> tuple[Tensor, dict[str, float]]:
        """All that D learns by, and what of it is logged. D is the discriminator, or what it will be some steps on."""
        rules = self.rules
        real_out, real_classes = self._judge(D, real, labels)
        fake_out, fake_classes = self._judge(D, fake, wanted)
        target = {} if rules.real_target == 1.0 else {"real_target": self._target()}
        loss = self.loss.discriminator(real_out, fake_out, **target)
        measured = {"d_loss": loss.item()}
        if rules.penalties:
            terms = [self._penalty(name, D, real, labels, fake, wanted) for name in rules.penalties]
            penalty = sum(terms[1:], terms[0])
            loss = loss + rules.penalty_weight * penalty
            measured["penalty"] = penalty.item()
        if rules.drift:
            loss = loss + rules.drift * drift_penalty(real_out)
        if rules.auxiliary:
            loss = loss + rules.auxiliary * (cross_entropy(real_classes, labels) + cross_entropy(fake_classes, wanted))
            measured["accuracy"] = (real_classes.argmax(1) == labels).float().mean().item()
        for name, answer in (("D(x)", real_out), ("D(G(z))", fake_out)):
            answer = answer.detach()
            measured[name] = (sigmoid(answer) if self.loss.output == "logit" else answer).mean().item()
        return loss, measured

    def _generator_step(self, real: Tensor, labels: Any, fake: Tensor, wanted: Any) -> float:
        rules = self.rules
        untouched, shown = real, self._shown(fake)
        if self.loss.uses_real or rules.feature_matching or rules.unroll:
            real = self._shown(real)
        if rules.feature_matching:
            with frozen(self.D):
                with no_grad():
                    features = self.D[:-1](real)  # type: ignore[index]
                loss = feature_matching_loss(features, self.D[:-1](shown))  # type: ignore[index]
        else:
            # the weights that G foresees are places of the graph, which cannot be frozen
            ahead = self._look_ahead(real, labels, shown, wanted) if rules.unroll else None
            D = self.D if ahead is None else partial(functional_call, self.D, ahead)
            with frozen(self.D) if ahead is None else nullcontext():
                fake_out, fake_classes = self._judge(D, shown, wanted)
                real_out = self._judge(D, real, labels)[0] if self.loss.uses_real else None
            loss = self.loss.generator(fake_out, real_out)
            if rules.auxiliary:
                loss = loss + rules.auxiliary * cross_entropy(fake_classes, wanted)
        if rules.orthogonal:
            loss = loss + rules.orthogonal * orthogonal_regularisation(self.G, off_diagonal_only=True)
        if self.companion is not None and rules.companion:
            loss = loss + rules.companion * self._companion_step(untouched, fake)
        self.G_optimizer.zero_grad()
        loss.backward(inputs=list(self.G.parameters()) if rules.unroll else None)
        self.G_optimizer.step()
        return loss.item()

    # ------------------------------------------------------------------------------------------------------------------
    # What D sees and says
    # ------------------------------------------------------------------------------------------------------------------

    def _shown(self, x: Tensor) -> Tensor:
        """Samples as D is shown them: augmented, noisy, in packs."""
        rules = self.rules
        if rules.augment:
            x = diff_augment(x, rules.augment)
        if rules.instance_noise and (left := self._left()):
            x = x + rules.instance_noise * left * randn_like(x)
        if rules.pack > 1:
            if len(x) % rules.pack:
                raise ValueError(
                    f"Game.step: a batch of {len(x)} cannot be cut into packs of {rules.pack}; choose a batch size that the "
                    f"pack divides"
                )
            x = x.reshape(len(x) // rules.pack, rules.pack * x.shape[1], *x.shape[2:])
        return x

    def _judge(self, D: Any, x: Tensor, labels: Any) -> tuple[Tensor, Any]:
        """D's verdicts, and its logits of the classes if that is its task as well."""
        if self.rules.auxiliary:
            return D(x)
        return (D(x, labels) if self.classes else D(x)), None

    def _penalty(self, name: str, D: Any, real: Tensor, labels: Any, fake: Tensor, wanted: Any) -> Tensor:
        def verdicts(of: Any) -> Any:
            return D if not self.classes else lambda x: self._judge(D, x, of)[0]

        if name == "r1":
            return r1_penalty(verdicts(labels), real)
        if name == "r2":
            return r2_penalty(verdicts(wanted), fake)
        if name == "dragan":
            return dragan_penalty(verdicts(labels), real)
        return gradient_penalty(verdicts(labels), real, fake, one_sided=name == "gp-one-sided")

    def _look_ahead(self, real: Tensor, labels: Any, fake: Tensor, wanted: Any) -> dict[str, Tensor]:
        """D's weights after `unroll` more steps on these samples, as places of the graph (Metz et al. 2017, eq. 6)."""

        def loss(D: Any) -> Tensor:
            return self._discriminator_loss(D, real, labels, fake, wanted)[0]

        return unrolled(self.D, self.D_optimizer, loss, self.rules.unroll)

    def _target(self) -> Any:
        target = self.rules.real_target
        if not isinstance(target, tuple):
            return target
        low, high = target
        return low + (high - low) * rand(1, device=self.device).item()

    # ------------------------------------------------------------------------------------------------------------------
    # Beside the game
    # ------------------------------------------------------------------------------------------------------------------

    def sample(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """G's samples of the noise z, with the mean weights if there are such, in evaluation mode and without a graph."""
        training = self.mean_G.training
        with no_grad():
            samples = self.mean_G.eval()(z) if labels is None else self.mean_G.eval()(z, labels)
        self.mean_G.train(training)
        return samples

    def _companion_step(self, real: Tensor, fake: Tensor) -> Tensor:
        """The companion learns of the real samples; then what it has to say of G's."""
        assert self.companion is not None
        self.companion_optimizer.zero_grad()
        self.companion.loss(real).backward()  # type: ignore[attr-defined]
        self.companion_optimizer.step()
        with frozen(self.companion):
            return self.companion.generator_loss(fake)  # type: ignore[attr-defined]

    def _follow(self) -> None:
        """`mean ← ema·mean + (1 − ema)·G` for the weights; buffers are G's."""
        decay = self.rules.ema
        for mean, p in zip(self.mean_G.parameters(), self.G.parameters()):
            mean.data = (decay * mean.data + (1 - decay) * p.data).astype(p.dtype, copy=False)
        for kept, buffer in zip(self.mean_G.buffers(), self.G.buffers()):
            kept.data = buffer.data.copy()

    def _real(self, batch: Any) -> tuple[Tensor, Any]:
        """A batch as Tensors on the networks' device."""
        if not self.classes:
            return Tensor(batch).to(self.device), None
        if not isinstance(batch, tuple | list) or len(batch) != 2:
            raise ValueError(
                f"Game.step: a game with {self.classes} classes needs pairs of samples and class numbers, got "
                f"{type(batch).__name__}; data.Batches(..., with_labels=True) gives such pairs"
            )
        samples, labels = (Tensor(part).to(self.device) for part in batch)
        return samples, labels

    def _left(self) -> float:
        """What share of the run is still to come, from 1 down to 0; 1 for a run without an end."""
        return 1.0 if not self.steps else max(0.0, 1 - self.round.number / self.steps)

    def _rate(self, step: int) -> float:
        done = min(1.0, step / self.steps) if self.steps else 0.0
        return 1 - done if self.rules.schedule == "linear" else 0.5 * (1 + math.cos(math.pi * done))

    def _optimizer(self, net: Module, lr: float) -> Optimizer:
        if self.rules.optimizer == "adam":
            return Adam(net.parameters(), lr, betas=self.rules.betas)
        return (RMSprop if self.rules.optimizer == "rmsprop" else SGD)(net.parameters(), lr)

    def _check(self) -> None:
        """The rules that only the networks can break."""
        rules = self.rules
        if isinstance(list(self.D.modules())[-1], Sigmoid):
            raise ValueError(
                "Game: the discriminator ends with a Sigmoid, so it answers with probabilities, but the losses take the "
                "number before that, which loses nothing to rounding; leave the Sigmoid out"
            )
        if any(name.startswith("gp") for name in rules.penalties):
            refuse_batch_norm("Game", self.D)
        if rules.feature_matching and not hasattr(self.D, "__getitem__"):
            raise TypeError(
                f"Game: feature_matching needs a discriminator whose last layer can be left out, a Sequential, got "
                f"{type(self.D).__name__}"
            )
        if rules.auxiliary and not self.classes:
            raise ValueError("Game: auxiliary asks D to name classes, but classes is 0; say how many there are")
        if rules.pack > 1 and self.classes:
            raise ValueError("Game: packing is for games without labels; leave out pack, or classes")
        if rules.companion and self.companion is None:
            raise ValueError(f"Game: rules.companion is {rules.companion}, but there is no companion")
        if (rules.schedule != "constant" or rules.instance_noise) and not self.steps:
            raise ValueError(
                "Game: schedules and instance noise come to their end with the run; say how long it is with steps=..."
            )


class Count:
    """How many rounds were played, in a form that a checkpoint can hold."""

    def __init__(self) -> None:
        self.number = 0

    def state_dict(self) -> dict[str, np.ndarray]:
        return {"number": np.array(self.number, np.int64)}

    def load_state_dict(self, state_dict: dict[str, np.ndarray]) -> None:
        if set(state_dict) != {"number"}:
            raise ValueError(f"Count.load_state_dict: expected the one name 'number', got {sorted(state_dict)}")
        self.number = int(state_dict["number"])
