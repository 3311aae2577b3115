"""The lesson on CUDA tells what the threads did, checks it, and draws it."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

EXAMPLE = Path(__file__).parents[2] / "examples" / "cuda_without_gpu.py"

pytestmark = pytest.mark.skipif(find_spec("numba_cuda") is None, reason="needs numba-cuda: pip install -e '.[test]'")


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What it prints, and the folder of its drawing; started as a reader would, without any variable set."""
    folder = tmp_path_factory.mktemp("lesson")
    environment = {name: value for name, value in os.environ.items() if name != "NUMBA_ENABLE_CUDASIM"}
    done = subprocess.run(
        [sys.executable, str(EXAMPLE), "--png", "threads.png"],
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=folder,
        timeout=120,
        env=environment | {"PYTHONUTF8": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, folder


def test_all_that_is_claimed_is_checked(told):
    assert re.findall("^✓ (.*)", told[0], re.MULTILINE) == [
        "every pixel was written exactly once",
        "every thread read as many numbers as are not zero under its window when zeros are inserted",
        "the picture is that of kernels/reference",
        "with the barrier the sum is right",
        "without it, it is not",
    ]


def test_each_thread_that_is_told_of_adds_up_what_it_reads_where_it_belongs(told):
    """Number (u, v) and tap (i, j) belong to pixel (2u + i − 1, 2v + j − 1)."""
    threads = told[0].split("\nthread (")[1:]
    assert len(threads) == 4
    for text in threads:
        place, pixel, at, total = re.search(
            r"^(.*?)\) of block .* makes pixel \((.*?)\)$[^$]*x\[(\d+)\] = .* = ([+-]\d+)$", text, re.MULTILINE
        ).groups()
        row, col = map(int, pixel.split(", "))
        assert int(at) == 8 * row + col
        reads = re.findall(r"rows\[ *(\d+)\] +([+-]\d+) +number \((\d), (\d)\) at tap \((\d), (\d)\)", text)
        for where, _, u, v, i, j in reads:
            assert (2 * int(u) + int(i) - 1, 2 * int(v) + int(j) - 1) == (row, col)
            assert int(where) == ((int(u) * 4 + int(v)) * 4 + int(i)) * 4 + int(j)
        assert sum(int(number) for _, number, *_ in reads) == int(total)
        assert place.split(", ")[1:] == [str(col), str(row % 2)]  # blocks of two rows


def test_the_maps_show_who_made_each_pixel_and_how_many_numbers_were_read(told):
    rows = re.findall(r"^  ((?:[A-D]\d\d ?){8}) +((?:\d ?){8})$", told[0], re.MULTILINE)
    who = [row.split() for row, _ in rows]
    assert who == [[f"{'ABCD'[row // 2]}{col}{row % 2}" for col in range(8)] for row in range(8)]
    counts = np.array([row.split() for _, row in rows], int)
    assert counts.sum() == 196
    assert "196 numbers" in told[0]
    assert (counts[1:-1, 1:-1] == 4).all()
    assert counts[0].tolist() == [1, 2, 2, 2, 2, 2, 2, 1]


def test_with_the_barrier_thread_0_finds_what_the_others_have_added_up_and_without_it_it_does_not(told):
    found = re.findall(r"^    \w.*? +(\d+) +(\d+)$", told[0], re.MULTILINE)
    waiting, not_waiting = ([int(pair[k]) for pair in found] for k in (0, 1))
    assert waiting == [1 + 9, 5 + 13, 3 + 11 + 7 + 15, 2 + 4 + 6 + 8 + 10 + 12 + 14 + 16, 136]
    assert not_waiting[-1] == sum(not_waiting[:-1]) < 136


def test_it_is_drawn(told):
    with Image.open(told[1] / "threads.png") as picture:
        colours = np.unique(np.asarray(picture.convert("RGB")).reshape(-1, 3), axis=0)
        assert picture.width > 2 * picture.height
    assert len(colours) > 100
