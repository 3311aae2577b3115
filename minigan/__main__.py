"""`python -m minigan COMMAND`: what can be asked from a shell. Imports backend.

Exit codes: 0 if all went well, 1 if it did not (a sentence on stderr says why), 2 if the command was not understood.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys

from minigan import backend


def main(argv: list[str] | None = None) -> int:
    """Run the command in `argv`, or on the command line, and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m minigan", description="GANs on an autograd engine written by hand."
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    info = commands.add_parser(
        "info",
        help="what computes here, and what would make it faster",
        description="Processor, threads, versions, kernels and BLAS libraries, and what would make them faster.",
    )
    info.add_argument("--json", action="store_true", help="for programs to read")
    info.set_defaults(run=_info)

    arguments = parser.parse_args(argv)
    try:
        arguments.run(arguments)
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 1
    return 0


def _info(arguments: argparse.Namespace) -> None:
    found = backend.info()
    print(json.dumps(dataclasses.asdict(found), indent=2) if arguments.json else found)


if __name__ == "__main__":
    sys.exit(main())
