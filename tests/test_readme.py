"""The README's programs run, and its map names what is there."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_programs_run(tmp_path):
    """In one process, one after the other, as a reader would paste them."""
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(blocks) == 2
    (tmp_path / "readme.py").write_text("\n".join(blocks), encoding="utf-8")
    done = subprocess.run([sys.executable, "readme.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "Tensor(" in done.stdout


def test_the_operation_takes_twenty_lines():
    block = re.findall(r"```python\n(.*?)```", README, re.DOTALL)[0]
    lines = [line for line in block.splitlines() if line.strip() and not line.startswith("import")]
    assert len(lines) <= 20


def test_every_file_that_is_named_exists():
    block = README[README.index("## Map") :].split("```")[1]
    folder = None
    for line in block.splitlines():
        if not line.strip():
            continue
        name = line.split()[0]
        if not line.startswith(" "):
            folder = name
            assert (ROOT / folder).is_dir(), folder
        else:
            assert (ROOT / folder / name).exists(), f"{folder}{name}"
    for path in re.findall(r"`((?:minigan|kernels|examples|benchmarks)/[\w/.]*)`", README):
        assert (ROOT / path).exists(), path


def test_every_module_of_the_package_is_on_the_map():
    named = set(re.findall(r"^  ([\w.]+)/?  ", README[README.index("## Map") :], re.MULTILINE))
    there = {path.name for path in (ROOT / "minigan").iterdir() if path.suffix == ".py" or path.is_dir()}
    assert there - {"__init__.py", "__pycache__"} <= named | {"files.py"}
