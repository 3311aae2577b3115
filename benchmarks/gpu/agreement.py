"""Section `agreement`: a DCGAN trained on the device and on the CPU from one seed. Imports cases, libraries, minigan.

How far may they part? Rounding moves the losses by 1e-7 or so, and that hardly grows: weights that are moved by 1e-7 of
themselves lead, in float64, to losses 4e-8 apart after 110 steps. But now and then the input of a ReLU is 0 but for
rounding, one run lets its gradient through and the other does not, and from there on they differ by what a pixel's gradient
is worth. When that happens is chance. On one CPU the inputs of all ReLUs had the same signs in float32 and float64 until
step 52, and the losses were 2e-7 apart; in step 53 two differed, in step 70 a hundred, the losses were 4e-4 apart then and
3e-3 after 200 steps. So float32 on the device is allowed what such an event may lead to, and ten times what the CPU's
float32 does beside its float64 in the same run:

    |device − cpu|  ≤  1e-2 + 10·d        d the largest |cpu64 − cpu32| of all steps

The sharp test is float64 on both: an input that is 0 but for 2⁻⁵² does not occur in 200 steps, so nothing parts,

    |device − cpu|  ≤  1e-10              in float64

where two sets of kernels on a CPU stay within 5e-16. The CPU computes with the reference kernels, and all noise follows from
one seed. (Where the device is the CPU itself, its compiled kernels are what is compared.)
"""

from __future__ import annotations

from typing import Any

import numpy as np
from cases import Case, dcgan_mnist, draw_state
from libraries import Minigan

import minigan as mg
from gpu.clock import few_threads
from gpu.record import Check
from minigan import backend
from minigan.nn.module import frozen

TITLE = "a DCGAN's losses on the device beside the CPU's, from one seed"
SECONDS = 50

FLOOR = {"float32": 1e-2, "float64": 1e-10}
FACTOR = {"float32": 10.0, "float64": 0.0}
SHOWN = (1, 2, 3, 5, 10, 20, 50, 100, 150, 200)


def run(check: Check) -> None:
    """Train four times, compare step by step."""
    steps, case = (3, dcgan_mnist(2, 2)) if check.quick else (200, dcgan_mnist(16, 8))
    z = [noise(case, 0, device).to("cpu").data for device in ("cpu", check.device)]
    apart = float(np.abs(z[0] - z[1]).max())
    check.note(f"randn from one seed, here and there: {apart:.2g} apart at most.")
    if not apart < 1e-5:
        check.fail(f"randn draws other numbers on {check.device!r} than on the CPU: {apart:.2g} apart")

    losses: dict[tuple[str, str], np.ndarray] = {}
    for dtype in FLOOR:
        for where, device, kernels in (("device", check.device, "cpu"), ("cpu", "cpu", "reference")):
            with backend.use_kernels(kernels), few_threads(device):
                losses[where, dtype] = train(check, case, device, dtype, steps)
    steps = min(map(len, losses.values()))
    if steps == 0:
        check.fail("There was no time to train on both.")
        return
    check.record.kept["losses"] = {" ".join(key): values.tolist() for key, values in losses.items()}

    def distance(a: tuple[str, str], b: tuple[str, str]) -> np.ndarray:
        """Of both losses, relative to a loss that is larger than 1."""
        x, y = losses[a][:steps], losses[b][:steps]
        return (np.abs(x - y) / np.maximum(1, np.abs(y))).max(1)

    rounding = distance(("cpu", "float64"), ("cpu", "float32"))
    found: dict[str, np.ndarray] = {"cpu64 − cpu32": rounding}
    for dtype in FLOOR:
        apart_by = distance(("device", dtype), ("cpu", dtype))
        allowed = FLOOR[dtype] + FACTOR[dtype] * float(rounding.max())
        found[f"device − cpu, {dtype}"] = apart_by
        check.note(f"{dtype}: {apart_by.max():.2g} apart at most, allowed {allowed:.2g}.")
        beyond = np.flatnonzero(~(apart_by <= allowed))
        if len(beyond):
            i = int(beyond[0])
            check.fail(f"{dtype}: at step {i + 1} the losses are {apart_by[i]:.2g} apart, allowed {allowed:.2g}")
    check.record.kept["distances"] = {name: values.tolist() for name, values in found.items()}
    for step in [s for s in SHOWN if s < steps] + [steps]:
        cells = {name: float(values[step - 1]) for name, values in found.items()}
        check.row("distance of the losses", step=step, loss=float(losses["cpu", "float64"][step - 1, 0]), **cells)


def train(check: Check, case: Case, device: str, dtype: str, steps: int) -> np.ndarray:
    """Both losses of each step, (steps, 2)."""
    rng = np.random.default_rng(0)
    nets = case.networks(Minigan())
    for net in nets.values():
        shapes = {name: tuple(array.shape) for name, array in net.state_dict().items()}
        net.load_state_dict(draw_state(shapes, case.std, rng))
        net.to(dtype)
        net.to(device)
    G, D = nets["G"], nets["D"]
    G_adam, D_adam = (mg.optim.Adam(net.parameters(), 2e-4, betas=(0.5, 0.999)) for net in (G, D))
    found = []
    for i in check.progress(range(steps)):
        real = rng.uniform(-1, 1, (case.batch, *case.inputs["D"])).astype(np.float32).astype(dtype)
        # float64 is to have the CPU's noise, for on the device it is another rounding of the same float32
        z = noise(case, i, device if dtype == "float32" else "cpu").to(dtype).to(device)
        found.append(step(G, D, G_adam, D_adam, mg.tensor(real, device=device), z))
    return np.array(found)


def noise(case: Case, step: int, device: str) -> Any:
    """z of a step, drawn on the device; on the CPU by the reference."""
    mg.manual_seed(step)
    with backend.use_kernels("reference"):
        return mg.randn(case.batch, *case.inputs["G"], device=device)


def step(G: Any, D: Any, G_adam: Any, D_adam: Any, real: Any, z: Any) -> tuple[float, float]:
    """A step of `minigan.train.Game` by the plainest rules, with noise that is given."""
    fake = G(z)
    d_loss = mg.losses.discriminator_loss(D(real), D(fake.detach()))
    D_adam.zero_grad()
    d_loss.backward()
    D_adam.step()
    with frozen(D):
        g_loss = mg.losses.nonsaturating_generator_loss(D(fake))
    G_adam.zero_grad()
    g_loss.backward()
    G_adam.step()
    return d_loss.item(), g_loss.item()
