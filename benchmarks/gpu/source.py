"""`import minigan` on a machine where it is not installed. Imports the standard library."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def find_minigan() -> None:
    """Have the source tree around this file imported where minigan is not installed.

    Installing puts the folder `kernels/` under the name `minigan.kernels`; without it that is done here.
    """
    if importlib.util.find_spec("minigan") is None:
        sys.path.insert(0, str(ROOT))
    if importlib.util.find_spec("minigan.kernels") is not None:
        return
    folder = ROOT / "kernels"
    spec = importlib.util.spec_from_file_location(
        "minigan.kernels", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["minigan.kernels"] = module
    spec.loader.exec_module(module)
    importlib.import_module("minigan").kernels = module
