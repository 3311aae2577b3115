"""The command line that the examples share, and the run it begins or resumes. Imports run_folder and data."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

from minigan import backend
from minigan.creation import manual_seed
from minigan.data import NAMES, PICTURES, Batches, Dataset, load
from minigan.train.checkpoint import load_checkpoint
from minigan.train.run_folder import RunError, RunFolder


def begin(
    name: str, description: str, argv: list[str] | None = None, classify: bool = False, **defaults: Any
) -> tuple[RunFolder, argparse.Namespace, Dataset, Batches]:
    """Read the flags, load the pictures, begin a new run or open the one to resume, and seed the random generator.

    Bad input ends the program with a sentence and exit code 2, before a run folder is made.

    Parameters
    ----------
    name : str
        Of the run folder: `runs/NAME-date-time`.
    description : str
        What `--help` says first.
    argv : list of str, optional
        Instead of the command line.
    classify : bool, default False
        The batches are pairs of samples and labels, and the data must be pictures with a test set, which a folder has
        not.
    **defaults
        `data`, `epochs`, `batch_size`, `lr`, `seed`: this example's own.

    Returns
    -------
    run : RunFolder
    settings : Namespace
        `data, epochs, steps, batch_size, lr, seed, device`. A resumed run takes them from its `config.json`; only
        `--epochs` and `--steps` may be given anew, to go on for longer. `steps` is worked out from the epochs.
    pictures : Dataset
        The training set.
    batches : Batches
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", metavar="auto|mnist|fashion|glyphs|FOLDER", help=f"pictures to learn (default: {defaults['data']})"
    )
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--epochs", type=_at_least(1), help=f"passes through the data (default: {defaults['epochs']})")
    length.add_argument("--steps", type=_at_least(1), help="training steps, instead of epochs")
    parser.add_argument("--batch-size", type=_at_least(1), help=f"pictures a step (default: {defaults['batch_size']})")
    parser.add_argument("--lr", type=_positive, help=f"learning rate (default: {defaults['lr']})")
    parser.add_argument(
        "--seed", type=_at_least(0), help=f"of everything drawn by chance (default: {defaults['seed']})"
    )
    parser.add_argument(
        "--device",
        choices=backend.DEVICES,
        help="where to compute: the processor, a GPU, or a GPU that Numba simulates, slowly (default: cpu)",
    )
    parser.add_argument("--out", metavar="FOLDER", help=f"where the run goes (default: runs/{name}-<date>-<time>)")
    parser.add_argument("--resume", metavar="RUN", help="go on with the run in this folder")
    given = {key: value for key, value in vars(parser.parse_args(argv)).items() if value is not None}
    out, resume = given.pop("out", None), given.pop("resume", None)
    fixed = sorted(set(given) - {"epochs", "steps"}) + (["out"] if out else [])
    if resume and fixed:
        parser.error(f"--resume: a run keeps its settings; leave out --{fixed[0].replace('_', '-')}")
    try:
        run = RunFolder.open(resume) if resume else None
        settings = {"device": "cpu", **(run.config if run else defaults), **given}
        backend.check_device(settings["device"])
        if settings["data"] not in PICTURES and (classify or settings["data"] in NAMES):
            wrong = "holds no pictures" if settings["data"] in NAMES else "has no test set"
            parser.error(f"--data: {settings['data']} {wrong}; choose one of {', '.join(PICTURES)}")
        pictures = load(settings["data"])
        if settings["data"] == "auto":
            settings["data"] = pictures.name  # a resumed run must not find other pictures
        elif settings["data"] not in NAMES:
            settings["data"] = str(Path(settings["data"]).expanduser().resolve())
        if settings["batch_size"] > len(pictures):
            few = f"{settings['data']} has only {len(pictures)} pictures"
            parser.error(
                f"--batch-size: {few}, too few for batches of {settings['batch_size']}; choose a smaller number"
            )
        batches = Batches(pictures, settings["batch_size"], settings["seed"], with_labels=classify)
        if "steps" not in given and ("epochs" in given or not resume):
            settings["steps"] = settings["epochs"] * len(batches)
        if run is None:
            run = RunFolder.create(out, settings, name)
        elif settings["steps"] < (done := load_checkpoint(run.checkpoint_path)[1]["step"]):
            parser.error(
                f"--resume: {run.path} has made {done} steps already; ask for more than that, --steps {2 * done}"
            )
        run.update_config(settings)
    except backend.DeviceError as error:
        parser.exit(2, f"{parser.prog}: {error}\n")
    except (RunError, ValueError) as error:
        parser.error(str(error))
    manual_seed(settings["seed"])
    return run, argparse.Namespace(**settings), pictures, batches


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value


def _at_least(least: int) -> Any:
    def integer(text: str) -> int:
        value = int(text)
        if value < least:
            raise argparse.ArgumentTypeError(f"{value} is less than {least}")
        return value

    return integer
