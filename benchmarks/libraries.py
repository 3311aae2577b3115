"""The two libraries under the names that the cases use. Imports NumPy; minigan and PyTorch when one of them is asked for.

Most names are the same in both. What differs is put side by side here: how a tensor is made of an array, how memory is laid
out, and the step of the game, which minigan has (`train.Game`) and which a user of PyTorch writes.

PyTorch gets its best: fused Adam, pictures and weights channels-last or not, as is faster, D frozen in the generator's step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import numpy as np


class Minigan:
    """minigan, as its users write it."""

    name = "minigan"
    layouts = ("channels-last",)  # its convolutions choose for themselves

    def __init__(self, device: str = "cpu"):
        import minigan

        class Maxout(minigan.nn.Module):
            def __init__(self, pieces: int):
                self.pieces = pieces

            def forward(self, x: Any) -> Any:
                return minigan.functional.maxout(x, self.pieces)

        self.api: ModuleType = minigan
        self.nn, self.F, self.grad, self.no_grad = minigan.nn, minigan.functional, minigan.grad, minigan.no_grad
        self.device, self.Maxout = device, Maxout

    def tensor(self, array: np.ndarray) -> Any:
        return self.api.tensor(array, device=self.device)

    def numpy(self, tensor: Any) -> np.ndarray:
        return np.array(tensor.cpu().numpy())

    def place(self, net: Any) -> Any:
        return net.to(self.device)

    def load(self, net: Any, state: dict[str, np.ndarray]) -> None:
        net.load_state_dict(state)

    def adam(self, net: Any, lr: float, betas: tuple[float, float]) -> Any:
        return self.api.optim.Adam(net.parameters(), lr, betas=betas)

    def seed(self, seed: int | None) -> None:
        """The noise of the next step follows from `seed`, the same in both libraries; None: the library's own way."""
        if seed is not None:
            self.api.manual_seed(seed)

    def rand(self, *size: int) -> Any:
        return self.api.rand(*size, device=self.device)

    def like(self, tensor: Any, array: np.ndarray) -> Any:
        """The numbers of `array`, lying in memory as those of `tensor` do."""
        filled = np.empty_like(tensor.data)
        filled[...] = self.api.backend.to_device(array, self.device)
        return self.api.Tensor(filled)

    def backward(self, y: Any, inputs: Sequence[Any], grad_output: Any) -> tuple[Any, ...]:
        """The gradients of `y` to `inputs`; may be taken again."""
        return self.grad(y, inputs, grad_output)

    def game(self, G: Any, D: Any, G_adam: Any, D_adam: Any, latent: Sequence[int]) -> Callable[[Any], dict]:
        """A step of the game, as a function of a batch of real samples."""
        game = self.api.train.Game(G, D, tuple(latent), optimizers=(G_adam, D_adam))
        return lambda real: game.step([real.data])


class Torch:
    """PyTorch, as its users write it."""

    name = "torch"
    layouts = ("channels-last", "contiguous")  # both are measured, the faster one counts

    def __init__(self, layout: str = "channels-last", device: str = "cpu"):
        import torch

        class Maxout(torch.nn.Module):
            def __init__(self, pieces: int):
                super().__init__()
                self.pieces = pieces

            def forward(self, x: Any) -> Any:
                return x.unflatten(1, (-1, self.pieces)).max(2).values  # faster than amax, which shares among equals

        self.api: ModuleType = torch
        self.nn, self.F, self.grad, self.no_grad = torch.nn, torch.nn.functional, torch.autograd.grad, torch.no_grad
        self.device, self.Maxout = device, Maxout
        self.memory_format = torch.channels_last if layout == "channels-last" else torch.contiguous_format
        self.rng: Any = None

    def tensor(self, array: np.ndarray) -> Any:
        t = self.api.tensor(array, device=self.device)
        return t.contiguous(memory_format=self.memory_format) if t.ndim == 4 else t

    def numpy(self, tensor: Any) -> np.ndarray:
        return tensor.detach().cpu().numpy().copy()

    def place(self, net: Any) -> Any:
        return net.to(self.device, memory_format=self.memory_format)

    def load(self, net: Any, state: dict[str, np.ndarray]) -> None:
        net.load_state_dict({name: self.api.tensor(array) for name, array in state.items()})

    def adam(self, net: Any, lr: float, betas: tuple[float, float]) -> Any:
        return self.api.optim.Adam(net.parameters(), lr, betas=betas, fused=True)

    def seed(self, seed: int | None) -> None:
        """The noise of the next step follows from `seed`, the same in both libraries; None: the library's own way."""
        if seed is None:
            self.rng = None
        else:
            from minigan.generator import Generator

            self.rng = Generator(seed)

    def randn(self, *size: int) -> Any:
        return self.api.randn(*size, device=self.device) if self.rng is None else self._drawn("standard_normal", size)

    def rand(self, *size: int) -> Any:
        return self.api.rand(*size, device=self.device) if self.rng is None else self._drawn("random", size)

    def _drawn(self, method: str, size: tuple[int, ...]) -> Any:
        """minigan's own numbers, drawn without its threads."""
        from minigan import backend

        with backend.use_kernels("reference"):
            return self.tensor(getattr(self.rng, method)(size, np.float32))

    def like(self, tensor: Any, array: np.ndarray) -> Any:
        """The numbers of `array`, lying in memory as those of `tensor` do."""
        return self.api.empty_like(tensor).copy_(self.api.from_numpy(array))

    def backward(self, y: Any, inputs: Sequence[Any], grad_output: Any) -> tuple[Any, ...]:
        """The gradients of `y` to `inputs`; may be taken again."""
        return self.grad(y, inputs, grad_output, retain_graph=True)

    def game(self, G: Any, D: Any, G_adam: Any, D_adam: Any, latent: Sequence[int]) -> Callable[[Any], dict]:
        """A step of the game, as a function of a batch of real samples."""
        return lambda real: self.step(G, D, G_adam, D_adam, real, latent)

    def step(self, G: Any, D: Any, G_adam: Any, D_adam: Any, real: Any, latent: Sequence[int]) -> dict:
        """A step of `minigan.train.Game` by the plainest rules, line by line."""
        torch, bce = self.api, self.F.binary_cross_entropy_with_logits
        fake = G(self.randn(len(real), *latent))
        real_logits, fake_logits = D(real), D(fake.detach())
        d_loss = bce(real_logits, torch.ones_like(real_logits)) + bce(fake_logits, torch.zeros_like(fake_logits))
        D_adam.zero_grad()
        d_loss.backward()
        D_adam.step()

        D.requires_grad_(False)  # so that the gradients of its weights are not computed
        verdict = D(fake)
        g_loss = bce(verdict, torch.ones_like(verdict))
        G_adam.zero_grad()
        g_loss.backward()
        G_adam.step()
        D.requires_grad_(True)

        with torch.no_grad():
            D_real, D_fake = real_logits.sigmoid().mean(), fake_logits.sigmoid().mean()
        return {"d_loss": d_loss.item(), "g_loss": g_loss.item(), "D(x)": D_real.item(), "D(G(z))": D_fake.item()}


Library = Minigan | Torch


def make(name: str, layout: str = "channels-last") -> Library:
    """The library called "minigan" or "torch"; `layout` is PyTorch's memory format."""
    if name == "minigan":
        return Minigan()
    if name == "torch":
        return Torch(layout)
    raise ValueError(f"there is no library {name!r}; there are 'minigan' and 'torch'")
