"""Is a run any good? The metrics that suit its data, each beside what the data themselves get. Imports session and metrics.

Three kinds of data, three kinds of answer: small grey pictures are read by a classifier, of a mixture of Gaussians one can
count the modes, and of all else only the samples' own numbers can be compared.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minigan.data import NAMES, load
from minigan.data.toy import grid_mixture, ring_mixture
from minigan.metrics.classifier import _LEAST, load_classifier, report
from minigan.metrics.modes import ModeCoverage, PerfectCoverage, mode_coverage, perfect_coverage
from minigan.metrics.neighbours import nearest, neighbour_scores
from minigan.metrics.sliced import sliced_wasserstein
from minigan.metrics.train_classifier import cached_classifier
from minigan.models.session import Session
from minigan.train.checkpoint import load_checkpoint

JUDGED = ("mnist", "fashion", "glyphs")  # 28×28, grey, and a classifier can learn them
MIXTURES = {"ring": ring_mixture, "grid": grid_mixture}

# Of each kind, how many samples are drawn if nobody says: the usual number, PacGAN's, and what takes seconds.
USUAL = {"classifier": 10_000, "modes": 2_500, "raw": 2_000}

_SEED = 0  # of the latents, and of what is drawn from the data
_NEAREST = 5  # neighbours: k = 3 for precision and recall, k = 5 for density and coverage


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate` finds: `str(...)` is a table, `values` is for JSON."""

    values: dict[str, Any]
    text: str

    def __str__(self) -> str:
        return self.text


def kind_of(data: str) -> str:
    """By what samples of these data are judged: "classifier", "modes" or "raw".

    Examples
    --------
    >>> kind_of("mnist"), kind_of("ring"), kind_of("tones")
    ('classifier', 'modes', 'raw')
    """
    return "classifier" if data in JUDGED else "modes" if data in MIXTURES else "raw"


def evaluate(session: Session, n: int | None = None, classifier: str | os.PathLike[str] | None = None) -> Evaluation:
    """Metrics of a run's samples, by the kind of its data.

    ==========  ====================================================================================================
    classifier  mnist, fashion, glyphs: `metrics.report`, with its four anchors
    modes       ring, grid: `metrics.mode_coverage`, beside what a perfect sampler gets
    raw         all else: sliced Wasserstein distance, precision and recall, density and coverage, and the accuracy of
                the nearest neighbour, on the samples' own numbers; beside it real samples: the test set, or, of data
                without one, the other half
    ==========  ====================================================================================================

    Parameters
    ----------
    session : Session
        Opened by `Session.open`.
    n : int, optional
        How many samples; by default 10,000, 2,500 and 2,000 of the three kinds, or as many as there are real ones.
    classifier : path, optional
        Of a run of `examples/classify_mnist.py`, in place of the cached one.

    Returns
    -------
    Evaluation

    Raises
    ------
    ValueError
        If `n` is out of range, there is no use for a classifier, or the samples hold NaN.
    OSError, CheckpointError, DataError
        If the classifier or the data are not to be had.
    """
    data, kind = session.settings["data"], kind_of(session.settings["data"])
    if classifier is not None and kind != "classifier":
        raise ValueError(
            f"--classifier: reads pictures of {', '.join(JUDGED)}, but this run learned {data}; leave it out"
        )
    values, text = {"classifier": _judged, "modes": _modes, "raw": _raw}[kind](session, n, classifier)
    step = load_checkpoint(session.run.checkpoint_path)[1]["step"]
    head = {"variant": session.variant.name, "data": data, "step": step, "kind": kind}
    return Evaluation(head | values, f"{session.variant.name} on {data}, after {step:,} steps\n\n{text}")


def _judged(session: Session, n: int | None, classifier: Any) -> tuple[dict[str, Any], str]:
    data = session.settings["data"]
    training, test = load(data).samples, load(data, train=False).samples
    n = _number(n, "classifier", data, min(len(training), len(test)), least=_LEAST)
    if classifier is not None:
        if not Path(classifier).exists():
            raise FileNotFoundError(
                f"{classifier}: not there; pass the folder of a finished run of examples/classify_mnist.py, or leave out "
                f"--classifier"
            )
        judge, note = load_classifier(classifier), f"It is the one of {classifier}."
    else:
        judge, accuracy, path = cached_classifier(data)
        kept = f"kept as {path}" if path else "not kept, for the cache folder cannot be written to"
        note = f"It reads {accuracy:.2%} of the test pictures right, and is {kept}."
    found = report(judge, training, test, session.sample(n, _SEED), n=n, seed=_SEED)
    return found.as_dict(), f"{found}\n{note}"


def _modes(session: Session, n: int | None, classifier: None) -> tuple[dict[str, Any], str]:
    data = session.settings["data"]
    n = _number(n, "modes", data, 10_000_000)
    centres, std = MIXTURES[data]()
    found, perfect = mode_coverage(session.sample(n, _SEED), centres, std), perfect_coverage(n, len(centres))
    values = {
        "n": n,
        "seed": _SEED,
        "modes": found.modes,
        "counts": found.counts.tolist(),
        "rows": {"generated": _coverage(found), "perfect sampler": _coverage(perfect)},
    }
    lines = [f"{'':<18}{'modes':>7}{'high quality':>15}{'reverse KL':>13}"]
    for name, row in values["rows"].items():
        kl = "–" if row["reverse_kl"] is None else f"{row['reverse_kl']:.4f}"
        lines.append(f"{name:<18}{row['captured']:>7.4g}{row['high_quality']:>15.2%}{kl:>13}")
    lines += [
        "",
        f"Of {n:,} samples and {found.modes} modes. High quality: within three standard deviations of a mode. Reverse KL:",
        "of these samples' modes from the even distribution, in nats, 0 at best. A perfect sampler: on average.",
    ]
    return values, "\n".join(lines)


def _coverage(found: ModeCoverage | PerfectCoverage) -> dict[str, float | None]:
    kl = None if math.isnan(found.reverse_kl) else found.reverse_kl
    return {"captured": found.captured, "high_quality": found.high_quality, "reverse_kl": kl}


def _raw(session: Session, n: int | None, classifier: None) -> tuple[dict[str, Any], str]:
    data = session.settings["data"]
    real = load(data).samples
    if real.shape[1:] != session.shape:
        raise ValueError(
            f"{session.run.path}: was trained on samples of shape {session.shape}, but {data} has now {real.shape[1:]}; put "
            f"the data back that it began with"
        )
    order = np.random.default_rng(_SEED).permutation(len(real))
    if data in NAMES:
        other, name = load(data, train=False).samples, "test set"
    else:
        order, rest = order[: len(order) // 2], order[len(order) // 2 :]
        other, name = real[rest], "other half"
    real = real[order]
    n = _number(n, "raw", data, min(len(real), len(other)), least=_NEAREST + 1)
    real, other, fake = (x.reshape(len(x), -1)[:n].astype(np.float64) for x in (real, other, session.sample(n, _SEED)))
    near = nearest(real, _NEAREST)
    rows = {
        called: {"sliced_wasserstein": sliced_wasserstein(real, x, _SEED)}
        | neighbour_scores(real, x, k=3, k_density=_NEAREST, real_nearest=near)._asdict()
        for called, x in (("generated", fake), (f"{name} (the floor)", other))
    }
    head = ("sliced W", "prec.", "recall", "dens.", "cover.", "1-NN", "real", "fake")
    lines = [f"{'':<24}{head[0]:>10}" + "".join(f"{title:>8}" for title in head[1:])]
    for called, row in rows.items():
        first, *others = row.values()
        lines.append(f"{called:<24}{first:>10.4f}" + "".join(f"{value:>8.3f}" for value in others))
    size = real.shape[1]
    lines += [
        "",
        f"Each set against {n:,} real samples of the training set, in the {size:,} numbers of a sample. 1-NN: 0.5 is ideal,",
        "in both parts too; higher can be told apart, lower in both has been copied. Compare only for the same number.",
    ]
    return {"n": n, "seed": _SEED, "rows": rows}, "\n".join(lines)


def _number(n: int | None, kind: str, data: str, most: int, least: int = 1) -> int:
    """How many samples to draw: what was asked for if it can be had, or the usual number, or as many as can be."""
    if most < least:
        raise ValueError(f"{data} holds too few samples, {most:,}: these metrics need {least:,} or more of them")
    if n is None:
        return min(USUAL[kind], most)
    if not least <= n <= most:
        raise ValueError(f"--n: {n:,} samples, expected {least:,} to {most:,} for {data}")
    return n
