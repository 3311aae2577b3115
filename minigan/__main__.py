"""`python -m minigan COMMAND`: the same as `minigan COMMAND`, see `minigan.cli`."""

import sys

from minigan.cli import main

if __name__ == "__main__":
    sys.exit(main(prog="python -m minigan"))
