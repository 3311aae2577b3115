"""`minigan COMMAND`: what can be asked from a shell. Imports the variants; metrics and pictures when a command needs them.

The options of `train` are the fields of `Rules`, so a new rule is an option as soon as it is there.

Exit codes: 0 if all went well, 1 if it did not (a sentence on stderr says why), 2 if the command was not understood, 130 if
it was interrupted.
"""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import json
import math
import os
import shlex
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from minigan import backend
from minigan.data import NAMES, DataError, load
from minigan.losses import LOSSES
from minigan.models import VARIANTS, Session, find_variant
from minigan.models.compare import Definition, compare, in_words
from minigan.models.latents import spherical, truncated
from minigan.tensor import Tensor
from minigan.train.checkpoint import CheckpointError, load_checkpoint
from minigan.train.rules import Rules, known

FAILURES = (ImportError, OSError, RuntimeError, ValueError, MemoryError)  # what a sentence can explain

SHOWN = {1: 2000, 2: 16, 3: 64}  # samples in a picture if nobody says: points, series, pictures
MOST = {1: 1_000_000, 2: 16, 3: 10_000}
KINDS = {1: "points", 2: "series", 3: "pictures"}
STEPS = {1: 200, 2: 4, 3: 10}  # of an interpolation


def main(argv: list[str] | None = None, prog: str = "minigan") -> int:
    """Run the command in `argv`, or on the command line, and return its exit code.

    Parameters
    ----------
    argv : list of str, optional
    prog : str, default "minigan"
        How the program was started, for help and hints.

    Raises
    ------
    SystemExit
        With code 0 after `--help`, 2 if the command was not understood, 130 after Ctrl-C in training.
    """
    argv = sys.argv[1:] if argv is None else list(argv)
    parser, commands = _parsers(argv, prog)
    if not argv:
        parser.print_help(sys.stderr)
        return 2
    with _understood(parser):
        if not argv[0].startswith("-"):
            known("command", argv[0], commands)
    arguments, unknown = parser.parse_known_args(argv)
    command: _Parser = arguments.command
    if unknown:
        command.error(_unknown(command, unknown))
    try:
        arguments.do(arguments, command)
        sys.stdout.flush()
    except BrokenPipeError:  # `minigan list | head`: nobody reads on, and there is nobody to tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print(f"{command.prog}: interrupted", file=sys.stderr)
        return 130
    except FAILURES as error:
        print(f"{command.prog}: {_sentence(error)}", file=sys.stderr)
        return 1
    return 0


# ----------------------------------------------------------------------------------------------------------------------
# train, resume
# ----------------------------------------------------------------------------------------------------------------------


def train(variant: str, argv: list[str] | None = None, description: str = "") -> Session:
    """What `minigan train VARIANT` does, for a program that goes on from there.

    Parameters
    ----------
    variant : str
    argv : list of str, optional
        The options of `minigan train`, instead of the command line's.
    description : str, optional
        What `--help` says before them.

    Returns
    -------
    Session
        Trained.

    Raises
    ------
    SystemExit
        With code 2 or 1 and a sentence, as the command; 130 after Ctrl-C.
    """
    parser = _Parser(prog=Path(sys.argv[0]).name, description=description)
    _train_options(parser, find_variant(variant))
    parser.set_defaults(variant=variant, prog="minigan")
    arguments = parser.parse_args(argv)
    try:
        return _train(arguments, parser)
    except FAILURES as error:
        parser.exit(1, f"{parser.prog}: {_sentence(error)}\n")


def _train(arguments: argparse.Namespace, command: _Parser) -> Session:
    rules = {f.name: getattr(arguments, f.name) for f in dataclasses.fields(Rules) if hasattr(arguments, f.name)}
    names = ("data", "epochs", "steps", "batch_size", "latent", "seed", "device")
    with _understood(command):
        variant = find_variant(arguments.variant)
        settings = {name: getattr(arguments, name) for name in names}
        session = Session.begin(variant, arguments.out, rules=rules, **settings)
    print(_introduction(session), flush=True)
    _play(session, None, arguments)
    return session


def _introduction(session: Session) -> str:
    """What will be trained, in a few lines."""
    variant, settings, dataset = session.variant, session.settings, session.dataset
    assert dataset is not None
    networks = {"G": session.game.G, "D": session.game.D, "a third": session.game.companion}
    sizes = [
        f"{name} {sum(p.numel() for p in net.parameters()):,}" for name, net in networks.items() if net is not None
    ]
    rules = [f"{_kebab(name)} {in_words(value)}" for name, value in variant.rules.differences(Rules()).items()]
    epochs = settings["steps"] * settings["batch_size"] * variant.rules.d_steps / len(dataset)
    lines = {
        variant.name: f"{variant.about} ({variant.paper})",
        "data": repr(dataset),
        "networks": f"{', '.join(sizes)} parameters",
        "rules": ", ".join(rules) or "a plain DCGAN's",
        "training": f"{settings['steps']:,} steps, {epochs:.3g} epochs, in batches of {settings['batch_size']}; "
        f"seed {settings['seed']}, device {settings['device']}",
        "run": str(session.run.path),
    }
    width = max(map(len, lines)) + 2
    wrap = textwrap.TextWrapper(max(60, _columns()), subsequent_indent=" " * width, break_on_hyphens=False)
    return "\n".join(wrap.fill(f"{name:<{width}}{text}") for name, text in lines.items()) + "\n"


def _resume(arguments: argparse.Namespace, command: _Parser) -> None:
    session = Session.open(arguments.folder, find_variant)
    settings, done = session.settings, _steps_made(session)
    steps = arguments.steps or settings["steps"]
    if arguments.epochs:
        session.dataset = load(settings["data"])
        batches = len(session.dataset) // settings["batch_size"] // session.variant.rules.d_steps
        steps = arguments.epochs * max(1, batches)
    if steps <= done:
        more = f"{arguments.prog} resume {shlex.quote(str(arguments.folder))} --steps {2 * done}"
        command.error(f"{arguments.folder} has made {done:,} steps already; ask for more in all, such as  {more}")
    print(f"{session.variant.name} on {settings['data']}: goes on from step {done:,} to {steps:,}\n", flush=True)
    _play(session, steps, arguments)


def _play(session: Session, steps: int | None, arguments: argparse.Namespace) -> None:
    """Train, and say what one can do with the run."""
    run = shlex.quote(str(session.run.path))
    measured = session.train(steps)
    last = ", ".join(f"{name} {value:.3g}" for name, value in measured.items())
    print(f"\nThe run is in {session.run.path} (last step: {last}).\n")
    hints = {
        f"sample {run}": "draw more",
        f"evaluate {run}": "is it any good?",
        f"resume {run} --steps {2 * session.settings['steps']}": "train for as long again",
    }
    for command, what in hints.items():
        print(f"  {arguments.prog} {command:<{max(map(len, hints))}}  {what}")


def _steps_made(session: Session) -> int:
    return int(load_checkpoint(session.run.checkpoint_path)[1]["step"])


# ----------------------------------------------------------------------------------------------------------------------
# sample
# ----------------------------------------------------------------------------------------------------------------------


def _sample(arguments: argparse.Namespace, command: _Parser) -> None:
    from minigan import viz

    out = None if arguments.out is None else Path(arguments.out)
    if out is not None and out.suffix.lower() != ".png":
        command.error(f"--out: {out} must end in .png, the format that is written")
    session = Session.open(arguments.folder, find_variant, arguments.device)
    kind = len(session.shape)
    if arguments.wav and (kind != 2 or session.shape[0] != 1):
        command.error(f"--wav: sounds are series of one channel, but a sample of this run has shape {session.shape}")
    with _understood(command):
        z, labels, name, columns = _chosen(session, arguments)
    picture = out or session.run.path / f"{name}.png"
    sound = picture.with_suffix(".wav")
    for path in (picture, sound) if arguments.wav else (picture,):
        if out is not None and path.exists() and not arguments.force:
            command.error(f"--out: {path} is there already; choose another name, or add --force to replace it")

    samples = session.decode(Tensor(z).to(session.settings["device"]), labels)
    if kind == 1:
        viz.save_points(samples, picture, reals=load(session.settings["data"]).samples)
    elif kind == 2:
        viz.save_series(samples, picture, ncols=columns)
    else:
        viz.save_image(samples, picture, nrow=columns)
    print(f"{len(samples):,} {KINDS[kind]}: {picture}")
    if arguments.wav:
        viz.save_wav(samples, sound)
        print(f"as sounds, one after the other: {sound}")


def _chosen(session: Session, arguments: argparse.Namespace) -> tuple[np.ndarray, np.ndarray | None, str, int]:
    """Which latents to draw, of which classes, under which name, and how many in a row."""
    kind, classes, seed = len(session.shape), len(session.classes), arguments.seed
    if (arguments.label is not None or arguments.labels) and not classes:
        raise ValueError(f"{session.variant.name} is not told classes; leave out --label and --labels")
    label = None if arguments.label is None else _class_number(arguments.label, session.classes)
    if arguments.interpolate and (arguments.n or arguments.labels):
        raise ValueError("--interpolate: the picture has its own form, leave out --n and --labels")
    each = classes if classes and label is None else 1  # samples that belong together
    if arguments.interpolate:
        columns, rows, most = STEPS[kind], arguments.interpolate, MOST[kind] // STEPS[kind]
        if rows > most:
            raise ValueError(f"--interpolate: {rows} rows, but a picture of {KINDS[kind]} holds {most}")
        count = 2 * rows
    else:
        count = arguments.n or max(1, SHOWN[kind] // each) * each
        if count > MOST[kind]:
            raise ValueError(f"--n: {count:,} samples, but a picture of {KINDS[kind]} holds {MOST[kind]:,}")
        columns = {1: 1, 2: 4, 3: max(8, math.isqrt(count))}[kind] if each == 1 or arguments.n else each
    if arguments.labels:
        count, columns = max(1, count // classes), classes

    z = session.latents(count, seed).cpu().numpy()
    name = f"{'interpolation' if arguments.interpolate else 'samples'}-seed{seed}"
    if arguments.truncation is not None:
        z = truncated(count, session.variant.latent, arguments.truncation, seed)
        name += f"-truncated{arguments.truncation:g}"
    if arguments.interpolate:
        z = spherical(z[::2], z[1::2], columns).reshape(-1, z.shape[1])
    labels = None
    if classes:
        labels = np.arange(len(z)) % classes if label is None else np.full(len(z), label)
        if arguments.interpolate and label is None:
            labels = np.repeat(np.arange(len(z) // columns) % classes, columns)  # a way does not leave its class
    if arguments.labels:  # a row is one latent, of every class
        z, labels = z.repeat(classes, axis=0), np.tile(np.arange(classes), count)
        name += "-labels"
    if label is not None:
        name += f"-label{label}"
    return z, labels, name, columns


def _class_number(text: str, classes: tuple[str, ...]) -> int:
    """The class of this name, or of this number."""
    if text in classes:
        return classes.index(text)
    if text.isdecimal() and int(text) < len(classes):
        return int(text)
    known("class", text, classes)  # raises
    raise AssertionError


# ----------------------------------------------------------------------------------------------------------------------
# evaluate
# ----------------------------------------------------------------------------------------------------------------------


def _evaluate(arguments: argparse.Namespace, command: _Parser) -> None:
    from minigan.files import write_atomically
    from minigan.models.evaluation import evaluate

    with _quiet(arguments.json):
        session = Session.open(arguments.folder, find_variant, arguments.device)
        found = evaluate(session, arguments.n, arguments.classifier)
        path = session.run.path / "evaluation.json"
        text = json.dumps(found.values, indent=2)
        with write_atomically(path) as file:
            file.write((text + "\n").encode())
    print(text if arguments.json else f"{found}\n\nThe same for programs: {path}")


# ----------------------------------------------------------------------------------------------------------------------
# list, diff, info
# ----------------------------------------------------------------------------------------------------------------------


def _list(arguments: argparse.Namespace, command: _Parser) -> None:
    if arguments.losses:
        rows = [{"name": loss.name, "output": loss.output, "paper": loss.paper} for loss in LOSSES.values()]
        lines = [(row["name"], f"D's output is a {row['output']}", row["paper"]) for row in rows]
    else:
        rows = [{name: getattr(v, name) for name in ("name", "about", "paper", "data")} for v in VARIANTS.values()]
        lines = [(row["name"], row["about"], row["paper"]) for row in rows]
    if arguments.json:
        print(json.dumps(rows, indent=2))
        return
    width = max(len(name) for name, _, _ in lines) + 2
    for name, about, paper in lines:
        print(f"{name:<{width}}{about}\n{'':<{width}}{paper}")


def _diff(arguments: argparse.Namespace, command: _Parser) -> None:
    with _understood(command):
        a, b = (_definition(name) for name in (arguments.a, arguments.b))
        if a.name == b.name and a.name not in VARIANTS:
            raise ValueError(f"both are the run {a.name}; name two")
    if b.shape is None:  # a variant is built for as many classes as the run has that it is compared with
        b = dataclasses.replace(b, classes=a.classes)
    elif a.shape is None:
        a = dataclasses.replace(a, classes=b.classes)
    found = compare(a, b)
    differing = found.differing()
    if arguments.json:
        shown = found if arguments.all else differing
        print(json.dumps({"same": not differing.rows} | shown.as_dict(), indent=2))
    elif differing.rows or arguments.all:
        print(found if arguments.all else differing)
    else:
        print(f"{a.name} and {b.name} have the same rules, the same settings and the same layers.")


def _definition(name: str) -> Definition:
    """What is called that: a variant, or the folder of a run."""
    if name in VARIANTS:
        return Definition(name, VARIANTS[name])
    if not Path(name).is_dir():
        try:
            find_variant(name)
        except ValueError as error:
            raise ValueError(f"{error}; or name the folder of a run") from None
    session = Session.open(name, find_variant, "cpu")
    settings = {key: session.settings[key] for key in ("steps", "seed")}
    if not session.classes:
        return Definition(name, session.variant, settings, session.shape)
    return Definition(name, session.variant, settings, session.shape, len(session.classes))


def _info(arguments: argparse.Namespace, command: _Parser) -> None:
    found = backend.info()
    print(json.dumps(dataclasses.asdict(found), indent=2) if arguments.json else found)


# ----------------------------------------------------------------------------------------------------------------------
# The parsers
# ----------------------------------------------------------------------------------------------------------------------


class _Parser(argparse.ArgumentParser):
    """Says what it did not understand in a sentence, without the list of everything that it would have."""

    def __init__(self, **options: Any):
        super().__init__(
            allow_abbrev=False,  # an abbreviation of today is ambiguous tomorrow
            formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(prog, max_help_position=30),
            **options,
        )

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def _parsers(argv: list[str], prog: str) -> tuple[_Parser, dict[str, _Parser]]:
    """The parser, and that of each command. `argv` only tells `train` of which variant to show the defaults."""
    parser = _Parser(
        prog=prog,
        description="GANs on an autograd engine written by hand.",
        epilog=f"`{prog} COMMAND --help` explains a command, with examples.",
    )
    commands: dict[str, _Parser] = {}
    adding = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def add(name: str, do: Callable[..., object], help: str, description: str, examples: str, usage: str) -> _Parser:
        shown = "\n".join(f"  {prog} {line.strip()}" for line in examples.strip().splitlines())
        text = textwrap.fill(" ".join(description.split()), 100)
        command = adding.add_parser(
            name, help=help, usage=f"{prog} {name} {usage}", description=f"{text}\n\nexamples:\n{shown}"
        )
        command.set_defaults(do=do, command=command, prog=prog)
        commands[name] = command
        return command

    command = add(
        "list",
        _list,
        "the variants, what is peculiar to each, and its paper",
        "All variants of the GAN that can be trained, or all losses that `train --loss` takes.",
        """list
        list --losses""",
        "[--losses] [--json]",
    )
    command.add_argument("--losses", action="store_true", help="the adversarial losses instead")
    _json(command)

    variant = next((VARIANTS[word] for word in argv if word in VARIANTS), None) if argv[:1] == ["train"] else None
    command = add(
        "train",
        _train,
        "begin a run",
        """Train a variant and leave a run folder: settings, metrics, curves, samples, and a checkpoint to go on from.
        Every rule of the game is an option; those that are left out are the variant's.""",
        """train vanilla --data ring --steps 2000
        train wgan-gp --data mnist --epochs 3 --out runs/digits
        train dcgan --penalty r1+r2 --loss rgan --ema 0.999
        train wgan-gp --help            (shows the rules of wgan-gp)""",
        "VARIANT [options]",
    )
    command.add_argument("variant", metavar="VARIANT", help="one of " + ", ".join(VARIANTS))
    _train_options(command, variant)

    command = add(
        "resume",
        _resume,
        "go on with a run",
        """Go on with a run that was interrupted, or for longer. It computes, bit for bit, what it would have computed
        without a break. A run keeps its settings; of how long it is, the number in all is given.""",
        """resume runs/digits
        resume runs/digits --steps 20000""",
        "RUN [--steps N | --epochs N]",
    )
    command.add_argument("folder", metavar="RUN", help="the run folder")
    length = command.add_mutually_exclusive_group()
    length.add_argument("--steps", type=_whole(1), metavar="N", help="steps in all, those already made included")
    length.add_argument("--epochs", type=_whole(1), metavar="N", help="passes through the data in all")

    command = add(
        "sample",
        _sample,
        "draw samples of a run",
        """Draw samples of a run's generator: pictures as a grid, points as a scatter plot over the data, series as small
        multiples. The file lies in the run folder, unless --out says another.""",
        """sample runs/digits --n 100 --seed 1
        sample runs/digits --interpolate 8
        sample runs/cgan --label 3 --truncation 0.7
        sample runs/tones --wav""",
        "RUN [options]",
    )
    command.add_argument("folder", metavar="RUN", help="the run folder")
    command.add_argument(
        "--n", type=_whole(1), metavar="N", help="how many (default: 64 pictures, 2,000 points, 16 series)"
    )
    command.add_argument("--seed", type=_whole(0), default=0, metavar="N", help="of the latents (default: 0)")
    command.add_argument("--out", metavar="FILE.png", help="where to (default: RUN/samples-seed0.png)")
    command.add_argument("--force", action="store_true", help="replace the file that --out names")
    labels = command.add_mutually_exclusive_group()
    labels.add_argument("--label", metavar="CLASS", help="only this class, by name or number")
    labels.add_argument("--labels", action="store_true", help="each latent as every class: a row a latent")
    command.add_argument(
        "--interpolate",
        type=_whole(1),
        metavar="ROWS",
        help="what lies between: each row goes from one latent to another, along the sphere",
    )
    command.add_argument(
        "--truncation",
        type=_number,
        metavar="T",
        help="latents from N(0, 1) cut off at ± T, such as 0.7, by drawing again what falls outside: BigGAN's trick for "
        "samples that are clearer and more alike (Brock et al. 2019, §3.1); not every G takes it well",
    )
    command.add_argument("--wav", action="store_true", help="of sounds, write a .wav file beside the picture")
    _device(command, "where to compute (default: where the run did)")

    command = add(
        "evaluate",
        _evaluate,
        "is a run any good?",
        """Metrics that suit the data, beside what real samples get, printed and written to RUN/evaluation.json. Small grey
        pictures (mnist, fashion, glyphs): Fréchet and kernel distance, precision and recall and more, in the features of a
        LeNet, which is trained the first time, half a minute, and kept. Ring and grid: modes found, share of samples
        near one. All else: sliced Wasserstein distance, precision and recall, nearest neighbours, of the raw numbers.""",
        """evaluate runs/digits
        evaluate runs/digits --n 2000 --json""",
        "RUN [options]",
    )
    command.add_argument("folder", metavar="RUN", help="the run folder")
    command.add_argument(
        "--n",
        type=_whole(1),
        metavar="N",
        help="how many samples; values for different numbers cannot be compared (default: 10,000; of ring and grid 2,500; "
        "of raw numbers 2,000)",
    )
    command.add_argument("--classifier", metavar="RUN", help="a run of examples/classify_mnist.py to judge by")
    _device(command, "where to draw the samples (default: where the run did)")
    _json(command)

    command = add(
        "diff",
        _diff,
        "what distinguishes two variants",
        """Two definitions side by side: rules, settings, and the layers of their networks (for pictures of 28×28, where
        they draw pictures), lined up. Only what differs. A run folder stands for the variant with that run's rules.""",
        """diff dcgan wgan-gp
        diff dcgan runs/digits --all""",
        "A B [--all] [--json]",
    )
    command.add_argument("a", metavar="A", help="a variant, or a run folder")
    command.add_argument("b", metavar="B", help="another")
    command.add_argument("--all", action="store_true", help="everything; what differs has a *")
    _json(command)

    command = add(
        "info",
        _info,
        "what computes here, and what would make it faster",
        "Processor, threads, versions, kernels and BLAS libraries, and what would make them faster.",
        """info
        info --json""",
        "[--json]",
    )
    _json(command)
    return parser, commands


def _train_options(command: _Parser, variant: Any) -> None:
    """Settings, and an option for each rule; the help tells the defaults of `variant`, if there is one."""

    def default(value: Any) -> str:
        return f" (default: {in_words(value)})" if variant else ""

    of = variant or next(iter(VARIANTS.values()))
    settings = command.add_argument_group("settings")
    settings.add_argument(
        "--data", metavar="NAME", help=f"{', '.join(NAMES)}, or a folder of pictures{default(of.data)}"
    )
    length = settings.add_mutually_exclusive_group()
    length.add_argument("--epochs", type=_whole(1), metavar="N", help=f"passes through the data{default(of.epochs)}")
    length.add_argument("--steps", type=_whole(1), metavar="N", help="steps of G, instead of epochs")
    for name, least, help in (
        ("batch_size", 1, f"samples a step{default(of.batch_size)}"),
        ("latent", 1, f"numbers in a latent z{default(of.latent)}"),
        ("seed", 0, f"of everything drawn by chance{default(0)}"),
    ):
        settings.add_argument(f"--{_kebab(name)}", type=_whole(least), metavar="N", help=help)
    _device(settings, f"where to compute: {', '.join(backend.DEVICES)}{default('cpu')}")
    settings.add_argument("--out", metavar="FOLDER", help="the run folder (default: runs/VARIANT-date-time)")

    whose = f"default: those of {variant.name}" if variant else "default: the variant's"
    rules = command.add_argument_group(f"the rules of the game ({whose})")
    for f in dataclasses.fields(Rules):
        options: dict[str, Any] = {
            "dest": f.name,
            "default": argparse.SUPPRESS,
            "help": f.metadata["help"].replace("%", "%%") + default(getattr(of.rules, f.name)),
        }
        if isinstance(f.default, bool):
            options |= {"action": argparse.BooleanOptionalAction}
        elif isinstance(f.default, tuple):
            options |= {"type": _number, "nargs": 2, "metavar": ("X", "Y")}
        elif f.name == "real_target":
            options |= {"type": _number, "nargs": "+", "metavar": "X", "action": _OneOrTwo}
        elif isinstance(f.default, int | float):
            options |= {"type": _int_or_number(f.default), "metavar": "N" if isinstance(f.default, int) else "X"}
        else:
            options |= {"type": _word(str(f.default)), "metavar": "NAME"}
        rules.add_argument(f"--{_kebab(f.name)}", **options)


class _OneOrTwo(argparse.Action):
    """A number as itself, two as a pair."""

    def __call__(self, parser: Any, namespace: argparse.Namespace, values: Any, option: str | None = None) -> None:
        if len(values) > 2:
            raise argparse.ArgumentError(self, f"{len(values)} numbers, expected one or two")
        setattr(namespace, self.dest, values[0] if len(values) == 1 else tuple(values))


def _json(command: Any) -> None:
    command.add_argument("--json", action="store_true", help="for programs to read")


def _device(command: Any, help: str) -> None:
    command.add_argument("--device", type=_known_device, metavar="NAME", help=help)


def _known_device(text: str) -> str:
    try:
        known("device", text, backend.DEVICES)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def _whole(least: int) -> Callable[[str], int]:
    def whole(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
        if value < least:
            raise argparse.ArgumentTypeError(f"{value} is less than {least}")
        return value

    return whole


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None


def _int_or_number(default: float) -> Callable[[str], float]:
    """The type of a rule with this default; whether it is in range `Rules` says."""
    return _whole(-sys.maxsize) if isinstance(default, int) else _number


def _word(default: str) -> Callable[[str], str]:
    """The type of a rule that is a word: of one that is empty by default, "none" is the empty one."""
    return lambda text: "" if text == "none" and default == "" else text


def _kebab(name: str) -> str:
    return name.replace("_", "-")


# ----------------------------------------------------------------------------------------------------------------------
# What goes wrong
# ----------------------------------------------------------------------------------------------------------------------


@contextmanager
def _understood(command: _Parser) -> Iterator[None]:
    """Inside the block what is wrong with a value was not understood (2); files and devices that fail us still fail (1)."""
    try:
        yield
    except (DataError, CheckpointError):
        raise
    except (ValueError, TypeError) as error:
        command.error(str(error))


def _unknown(command: _Parser, words: list[str]) -> str:
    """A sentence on the first word that no option takes."""
    options = [option for action in command._actions for option in action.option_strings]
    word = next((word for word in words if word.startswith("-")), words[0]).partition("=")[0]
    if not word.startswith("-"):
        return f"what to do with {word!r} is not clear; `{command.prog} --help` shows the arguments"
    near = difflib.get_close_matches(word.replace("_", "-"), options, n=1)
    guess = f" Did you mean {near[0]}?" if near else f" `{command.prog} --help` shows them all."
    return f"there is no option {word}.{guess}"


def _sentence(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return "there is not enough memory; ask for fewer or smaller samples"
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def _quiet(json: bool) -> Any:
    """With --json, what anything else prints goes to stderr."""
    return redirect_stdout(sys.stderr) if json else nullcontext()


def _columns() -> int:
    return min(120, shutil.get_terminal_size().columns)
