"""Everything that only a GPU can tell: do its results hold, and what takes how long. For an NVIDIA card; a few minutes.

    python benchmarks/gpu_check.py --out gpu.json                       all of it
    python benchmarks/gpu_check.py --out gpu.json --only kernels,rates  some of it
    python benchmarks/gpu_check.py --device cudasim --quick             try the script itself where there is no card

sections
    card          versions, and what the card is
    kernels       every routine of kernels/cuda against kernels/reference
    derivatives   gradcheck to second order of the operations that use them
    agreement     a DCGAN's losses on the card and on the CPU, step by step
    launches      what starting a kernel costs the host
    rates         each kernel's bandwidth beside a copy's, and the products' FLOP rate beside cuBLAS
    steps         training steps beside PyTorch, eager and compiled, and where minigan's time goes
    memory        the peak of a training step beside PyTorch's

The file is written anew after each section. Exit code 0: all passed; 1: something failed; 2: there is no such device.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gpu import SECTIONS
from gpu.process import plan, run_all
from gpu.record import Record, text, told
from gpu.source import find_minigan
from tqdm import tqdm

MINUTES = 7.5


def main(argv: Sequence[str] | None = None) -> int:
    """Run the sections asked for; the exit code."""
    options = parse(argv)
    find_minigan()
    backend = importlib.import_module("minigan.backend")
    try:
        backend.check_device(options.device)
    except backend.DeviceError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2

    began = datetime.now(UTC).isoformat(timespec="seconds")
    records: list[Record] = []
    with tqdm(total=len(options.only), unit="section") as bar:

        def finished(record: Record) -> None:
            records.append(record)
            tqdm.write(f"\n{text(record)}\n", file=sys.stdout)
            sys.stdout.flush()
            if options.out:
                write(options.out, began, options, records)
            bar.update()

        run_all(plan(options.device, options.quick, options.only, 60 * options.minutes), finished)

    if options.out:
        try:
            draw(options.out, records)
        except Exception as error:  # the numbers are on the disk; a chart is not worth more than a word
            print(f"no chart was drawn: {told(error)}", file=sys.stderr)
    failed = [record.name for record in records if record.failures]
    print(f"failed: {', '.join(failed)}" if failed else "all passed")
    return 1 if failed else 0


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", metavar="FILE.json", type=Path, help="keep what was found, with charts beside it")
    parser.add_argument("--only", metavar="A,B", default=",".join(SECTIONS), help="only these sections")
    parser.add_argument(
        "--device", choices=("cuda", "cudasim", "cpu"), default="cuda", help="where to compute (default cuda)"
    )
    parser.add_argument("--quick", action="store_true", help="tiny sizes: does the script work; times mean nothing")
    parser.add_argument(
        "--minutes",
        type=float,
        default=MINUTES,
        help=f"how long it may take, all sections together (default {MINUTES})",
    )
    options = parser.parse_args(argv)
    options.only = [name.strip() for name in options.only.split(",")]
    if unknown := [name for name in options.only if name not in SECTIONS]:
        parser.error(f"--only: there is no section {', '.join(unknown)}; there are {', '.join(SECTIONS)}")
    if options.out is not None and options.out.suffix != ".json":
        parser.error(f"--out must end in .json, got {options.out}")
    if not options.minutes > 0:
        parser.error(f"--minutes must be more than 0, got {options.minutes}")
    return options


def write(out: Path, began: str, options: argparse.Namespace, records: Sequence[Record]) -> None:
    """All that was found so far, in one file that is whole or not there."""
    from minigan.files import write_atomically

    found: dict[str, Any] = {
        "date": began,
        "device": options.device,
        "quick": options.quick,
        "minutes": options.minutes,
    }
    found["sections"] = {record.name: asdict(record) for record in records}
    with write_atomically(out) as file:
        file.write(json.dumps(found, indent=1, ensure_ascii=False, default=float).encode())


def draw(out: Path, records: Sequence[Record]) -> None:
    """A chart of the steps and one of the rates beside the file, for those that there are."""
    from gpu.chart import draw_rates, draw_steps

    from minigan.files import write_atomically

    by_name = {record.name: record for record in records}
    rows = [row for record in records if record.name == "card" for row in record.tables.get("the machine", [])]
    machine = "; ".join(str(row["is"]) for row in rows if row["of"] in ("card", "driver", "date"))
    for name, function in (("steps", draw_steps), ("rates", draw_rates)):
        if name in by_name and by_name[name].kept.get("chart"):
            with write_atomically(out.with_name(f"{out.stem}-{name}.png")) as file:
                function(by_name[name], machine, file)


if __name__ == "__main__":
    sys.exit(main())
