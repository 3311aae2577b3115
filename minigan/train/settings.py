"""The command line that the examples share, and the run it begins or resumes. Imports run_folder."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from minigan import backend
from minigan.creation import manual_seed
from minigan.data import DataError
from minigan.train.run_folder import RunError, RunFolder


def begin(name: str, description: str, argv: list[str] | None = None, **defaults: Any) -> tuple[RunFolder, argparse.Namespace]:
    """Read the flags, begin a new run or open the one to resume, and seed the random generator.

    Parameters
    ----------
    name : str
        Of the run folder: `runs/NAME-date-time`.
    description : str
        What `--help` says first.
    argv : list of str, optional
        Instead of the command line.
    **defaults
        `data`, `epochs`, `batch_size`, `lr`, `seed`: this example's own.

    Returns
    -------
    run : RunFolder
    settings : Namespace
        `data, epochs, steps, batch_size, lr, seed, device`. A resumed run takes them from its `config.json`; only
        `--epochs` and `--steps` may be given anew, to go on for longer.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", metavar="auto|mnist|fashion|glyphs|FOLDER", help=f"pictures to learn (default: {defaults['data']})")
    parser.add_argument("--epochs", type=_at_least(1), help=f"passes through the data (default: {defaults['epochs']})")
    parser.add_argument("--steps", type=_at_least(1), help="training steps, instead of epochs")
    parser.add_argument("--batch-size", type=_at_least(1), help=f"pictures a step (default: {defaults['batch_size']})")
    parser.add_argument("--lr", type=float, help=f"learning rate (default: {defaults['lr']})")
    parser.add_argument("--seed", type=_at_least(0), help=f"of everything drawn by chance (default: {defaults['seed']})")
    parser.add_argument("--device", choices=backend.DEVICES, help="where to compute (default: cpu)")
    parser.add_argument("--out", metavar="FOLDER", help=f"where the run goes (default: runs/{name}-<date>-<time>)")
    parser.add_argument("--resume", metavar="RUN", help="go on with the run in this folder")
    given = {key: value for key, value in vars(parser.parse_args(argv)).items() if value is not None}
    out, resume = given.pop("out", None), given.pop("resume", None)
    try:
        if resume is None:
            settings = {"steps": None, "device": "cpu", **defaults, **given}
            run = RunFolder.create(out, settings, name)
        else:
            fixed = sorted(set(given) - {"epochs", "steps"})
            if fixed or out:
                parser.error(f"--resume: the run keeps its own settings; leave out --{(fixed + ['out'])[0].replace('_', '-')}")
            run = RunFolder.open(resume)
            if "epochs" in given:
                given.setdefault("steps", None)
            run.update_config(given)
            settings = run.config
    except RunError as error:
        parser.error(str(error))
    manual_seed(settings["seed"])
    return run, argparse.Namespace(**settings)


def _at_least(least: int) -> Any:
    def integer(text: str) -> int:
        value = int(text)
        if value < least:
            raise argparse.ArgumentTypeError(f"{value} is less than {least}")
        return value

    return integer
