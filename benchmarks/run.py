"""minigan beside PyTorch on this machine: the same networks, weights and batches, compared first and then timed in turn.

    python benchmarks/run.py --suite train                              a training step of every case, about two minutes
    python benchmarks/run.py --suite train --cases lenet,mlp-ring       of two of them
    python benchmarks/run.py --suite layers --cases dcgan-64            the layers of one
    python benchmarks/run.py --out results.json                         everything, and keep it: results.json, results-*.png

suites
    train     a training step                       dcgan-mnist-64, dcgan-mnist-128, dcgan-64, wgan-gp-mnist, mlp-ring, lenet
    layers    their layers, one by one              the same names
    ops       single operations                     such as "exp (100, 400)"
    memory    the peak of a training step           as for train
    startup   import, and the first step            import; with kernels compiled before, and without
    scaling   time by batch and by width            batch, width
    epochs    three epochs of MNIST                 mnist

A ratio is PyTorch's time over minigan's within a pair of neighbouring turns (of memory, minigan's over PyTorch's). A result
on which the two disagree by more than rounding is an error, and nothing is timed. More is in benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pairs import Bench, DifferenceError, Section
from report import draw, table
from suites import SUITES
from tqdm import tqdm
from workers import RemoteWorker, cores


def main(argv: Sequence[str] | None = None) -> int:
    """Run the suites asked for; 0 if all went well."""
    options = parse(argv)
    try:
        chosen = choose(options.suite, options.cases)
        sections, workers = measure(options, chosen)
    except (DifferenceError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    found = {"machine": machine(), "options": vars(options), "workers": workers}
    found["suites"] = {section.suite: section.as_json() for section in sections}
    if options.out:
        write(Path(options.out), found, sections)
    return 0


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", choices=SUITES, help="one of them; all in turn, if left out")
    parser.add_argument("--cases", metavar="A,B", help="only these of the suite's cases")
    parser.add_argument("--peer", choices=("torch",), default="torch", help="whom minigan is beside")
    parser.add_argument("--pairs", type=int, default=20, help="how often each takes its turn (default 20)")
    parser.add_argument("--threads", type=int, help="confine both to so many processor cores (default: all)")
    parser.add_argument(
        "--processes", choices=("one", "two"), default="two", help="a process for each (default), or not"
    )
    parser.add_argument("--out", metavar="FILE.json", help="keep all numbers in this file, with charts beside it")
    options = parser.parse_args(argv)
    for name in ("pairs", "threads"):
        if (value := getattr(options, name)) is not None and value < 1:
            parser.error(f"--{name} must be at least 1, got {value}")
    if options.out and Path(options.out).suffix != ".json":
        parser.error(f"--out must end in .json, got {options.out}")
    return options


def choose(suite: str | None, cases: str | None) -> dict[str, list[str]]:
    """The suites to run, with the cases of each; a ValueError if a case is in none of them."""
    known = {name: importlib.import_module(f"suites.{name}").names() for name in ([suite] if suite else SUITES)}
    if cases is None:
        return known
    wanted = [case.strip() for case in cases.split(",")]
    chosen = {name: [case for case in wanted if case in names] for name, names in known.items()}
    strangers = [case for case in wanted if not any(case in names for names in known.values())]
    if strangers:
        there = ", ".join(dict.fromkeys(case for names in known.values() for case in names))
        raise ValueError(f"--cases: {', '.join(strangers)} is in no suite that was asked for; there are {there}")
    return {name: names for name, names in chosen.items() if names}


def measure(options: argparse.Namespace, chosen: dict[str, list[str]]) -> tuple[list[Section], dict[str, Any]]:
    """Start the workers, run the suites, print a table for each; what was found, and what the workers say of themselves."""
    sections = []
    with ExitStack() as stack:
        groups = [["minigan", options.peer]] if options.processes == "one" else [["minigan"], [options.peer]]
        workers = [stack.enter_context(RemoteWorker(libraries, options.threads)) for libraries in groups]
        for name, names in chosen.items():
            suite = importlib.import_module(f"suites.{name}")
            begin, before = time.perf_counter(), others_seconds(workers)
            with tqdm(desc=name, unit="pair", mininterval=1) as bar:
                section = suite.run(Bench(workers[0], workers[-1], bar, options.pairs, options.threads), names)
            busy = (others_seconds(workers) - before) / (time.perf_counter() - begin)
            section.notes.append(f"Other programs kept {busy:.2f} of {os.cpu_count()} cores busy meanwhile.")
            if busy > 0.1 and section.unit != "MiB":
                section.notes.append(
                    "That is too much for these times to mean anything; measure again on a quiet machine."
                )
            print(f"\n{table(section)}\n", flush=True)
            sections.append(section)
        described = {
            "minigan": workers[0].call("describe", library="minigan"),
            options.peer: workers[-1].call("describe", library=options.peer),
        }
    return sections, described


def others_seconds(workers: Sequence[RemoteWorker]) -> float:
    """The processor time that programs other than this and its workers have taken (on Linux; 0 elsewhere)."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return 0.0
    ticks = [int(n) for n in stat.read_text().splitlines()[0].split()[1:9]]
    idle = ticks[3] + ticks[4]
    own = os.times()
    mine = own.user + own.system + own.children_user + own.children_system
    return (sum(ticks) - idle) / os.sysconf("SC_CLK_TCK") - mine - sum(w.processor_seconds() for w in workers)


def machine() -> dict[str, Any]:
    """What was measured on, and when."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": models[0] if models else platform.processor(),
        "cores": cores(),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def write(out: Path, found: dict[str, Any], sections: Sequence[Section]) -> None:
    """The JSON file, and a chart beside it for each suite."""
    from minigan.files import (
        write_atomically,
    )  # only now: minigan's settings are not to be inherited by PyTorch's worker

    with write_atomically(out) as file:
        file.write(json.dumps(found, indent=1, ensure_ascii=False).encode())
    where, versions = found["machine"], {name: worker["version"] for name, worker in found["workers"].items()}
    below = (
        f"{where['processor']}, {where['cores']} cores; minigan {versions['minigan']}, PyTorch {versions['torch']}; "
    )
    for section in sections:
        name = f"{out.stem}-{section.suite}.png" if len(sections) > 1 else f"{out.stem}.png"
        with write_atomically(out.with_name(name)) as file:
            draw(section, below + where["date"][:10], file)


if __name__ == "__main__":
    sys.exit(main())
