"""CUDA, thread by thread, on a machine without a GPU: what every thread of a kernel reads, and what it writes.

    python examples/cuda_without_gpu.py                      two lessons, in text
    python examples/cuda_without_gpu.py --png threads.png    the first one drawn as well

A GPU runs a function, the kernel, in thousands of threads at once, and nobody sees them work. Numba has a simulator in which
a thread of Python plays each of them. So one can look on: here the kernel is given arrays that note who touches them.

The first lesson is the kernel in `kernels/cuda/conv.py` that adds up the windows of a transposed convolution: the layer
that makes 8 × 8 pixels of 4 × 4 in a DCGAN's generator. The second is the sum of a channel, from `kernels/cuda/norm.py`,
with and without the barrier at which the threads of a block wait for each other.

One can also stop in a kernel. Write, as its first line,

    if cuda.grid(3) == (0, 4, 3): breakpoint()  # the thread of channel 0, column 4, row 3

and run this file: the debugger opens in that thread. `p cuda.threadIdx` says who it is, `n` goes a line on, `c` leaves.
Take it out again: a GPU has no debugger to call.
"""

import argparse
import inspect
import os
import threading
from collections import Counter, defaultdict
from pathlib import Path

# Before numba.cuda is imported: Numba either compiles kernels or simulates them.
os.environ["NUMBA_ENABLE_CUDASIM"] = "1"

import numpy as np

from minigan.kernels import cuda as kernels
from minigan.kernels import reference
from minigan.kernels.cuda import conv, launch, norm

SIZE, SMALL, TAPS, STRIDE, PADDING = 8, 4, 4, 2, 1  # 4 × 4 numbers → 8 × 8 pixels, as all of a DCGAN's layers do it
SHOWN = 3, 4  # a pixel that is shown in more detail

GATHERING = """\
1  A transposed convolution: 4 × 4 numbers → 8 × 8 pixels; kernel 4 × 4, stride 2, padding 1

A matrix product has put each of the 16 numbers, times each of the 16 taps of W, into `rows`. Number (u, v) and
tap (i, j) belong to pixel (2u + i − 1, 2v + j − 1). `_add_windows` adds up what belongs to the same pixel.
"""
WAITING = """\
2  Threads that share memory must wait: the sum of 1, 2, …, 16 by a block of eight threads

Each thread adds up two numbers and puts the sum into shared memory. Then four threads add what the other four
have found, two what two have, and one the last two. Before each step all wait, at cuda.syncthreads().
"""
TOO_EARLY = """
Thread 0 went through all its steps before the others had put anything where it looked. On a GPU that depends on
who is faster: right today, wrong tomorrow. The simulator shows it every time.
"""


class Watched:
    """An array that notes which thread reads or writes which of its numbers."""

    def __init__(self, name, array, notes):
        self.name, self.array, self.notes = name, array, notes
        self.dtype, self.size, self.shape = array.dtype, array.size, array.shape

    def __getitem__(self, at):
        self._note("reads", at, self.array[at])
        return self.array[at]

    def __setitem__(self, at, value):
        self._note("writes", at, value)
        self.array[at] = value

    def _note(self, what, at, value):
        me = threading.current_thread()  # it plays a thread of the GPU, and knows which
        self.notes[tuple(me.blockIdx), tuple(me.threadIdx)].append((what, self.name, at, value))


def watch(kernel, routine, *args):
    """Call a routine; return its result, the shape of the kernel's grid and of a block, and what each thread noted."""
    notes, shapes, run = defaultdict(list), [], launch.run

    def watched_run(started, grid, block, shared, arguments):
        if started is kernel:
            shapes.append((grid, block))
            names = inspect.signature(kernel.py_func).parameters
            arguments = [Watched(n, a, notes) if isinstance(a, np.ndarray) else a for n, a in zip(names, arguments)]
        run(started, grid, block, shared, arguments)

    launch.run = watched_run
    try:
        result = routine(*args)
    finally:
        launch.run = run
    return result, *shapes[0], notes


# ---------------------------------------------------------------------------------- 1: gathering, in place of inserted zeros


def transposed_convolution():
    """Run it and tell what the threads did; return which thread wrote each pixel, and what that thread had read."""
    rng = np.random.default_rng(0)
    g = rng.integers(1, 10, (1, 1, SMALL, SMALL)).astype(np.float32)  # whole numbers, to add up in one's head
    W = rng.integers(-2, 3, (1, 1, TAPS, TAPS)).astype(np.float32)
    layer = g, W, (SIZE, SIZE), (STRIDE, STRIDE), (PADDING, PADDING), (1, 1), 1

    with launch.using(threads=16, blocks=4):
        x, grid, block, notes = watch(conv._add_windows, kernels.conv2d_input_grad, *layer)

    print(GATHERING)
    print(f"A grid of {_by(grid)} blocks, of {_by(block)} threads each, {len(notes)} threads. Four of them:\n")

    writer, reads, written = {}, {}, Counter()
    for (b, t), log in sorted(notes.items(), key=lambda item: (item[0][0][::-1], item[0][1][::-1])):
        read = [(at, value) for what, _, at, value in log if what == "reads"]
        for _, _, at, value in (note for note in log if note[0] == "writes"):
            pixel = divmod(at, SIZE)
            writer[pixel], reads[pixel] = (b, t), read
            written[pixel] += 1
            if pixel in ((0, 0), (0, 1), SHOWN, (7, 4)):
                _tell_one(b, t, read, at, value)
    _tell_all(writer, reads)

    nonzero = _nonzeros_among_inserted_zeros()
    count, with_zeros = sum(map(len, reads.values())), SIZE**2 * TAPS**2
    more = with_zeros / count
    _check(len(written) == SIZE**2 and set(written.values()) == {1}, "every pixel was written exactly once")
    _check(
        all(len(read) == nonzero[pixel] for pixel, read in reads.items()),
        "every thread read as many numbers as are not zero under its window when zeros are inserted",
    )
    _check(np.array_equal(x, reference.conv2d_input_grad(*layer)), "the picture is that of kernels/reference")
    print(f"\nRead in all: {count} numbers. With zeros inserted it would be 64 windows × 16 taps = {with_zeros}:")
    print(
        f"{more:.1f} times as many, nearly all of them zeros (4 times in a large picture, which has little border).\n\n"
    )
    return writer, reads


def _place(at):
    """Number (u, v) and tap (i, j) of the element `rows[at]`."""
    return tuple(map(int, np.unravel_index(at, (SMALL, SMALL, TAPS, TAPS))))


def _tell_one(b, t, read, at, value):
    print(f"thread {t} of block {b} makes pixel {divmod(at, SIZE)}")
    for place, number in read:
        u, v, i, j = _place(place)
        print(f"    reads   rows[{place:3}]  {number:+4.0f}    number ({u}, {v}) at tap ({i}, {j})")
    print(f"    writes  x[{at}] = {' '.join(f'{number:+.0f}' for _, number in read)} = {value:+.0f}\n")


def _tell_all(writer, reads):
    print("Who made which pixel: block A to D,      How many numbers")
    print("and the thread's y and z in it           each of them read\n")
    for row in range(SIZE):
        pixels = [(row, col) for col in range(SIZE)]
        who = " ".join(_short(*writer[pixel]) for pixel in pixels)
        print(f"  {who}          {' '.join(str(len(reads[pixel])) for pixel in pixels)}")
    print()


def _short(b, t):
    return f"{'ABCD'[b[2]]}{t[1]}{t[2]}"


def _nonzeros_among_inserted_zeros():
    """How much of each pixel's window is not zero, if a 0 is put between every two numbers, and two zeros around them."""
    border = TAPS - PADDING - 1
    wide = np.zeros((SIZE + TAPS - 1,) * 2, int)
    wide[border::STRIDE, border::STRIDE][:SMALL, :SMALL] = 1
    return np.lib.stride_tricks.sliding_window_view(wide, (TAPS, TAPS)).sum((2, 3))


# ------------------------------------------------------------------------------------------------------ 2: waiting


def barrier():
    """What thread 0 finds in shared memory, in the kernel as it is and in the same kernel with nobody waiting."""
    x = np.arange(1, 17, dtype=np.float32).reshape(16, 1)

    print(WAITING)
    right, found = _sum_by_a_block(x, "cuda.syncthreads()")
    wrong, found_early = _sum_by_a_block(x, "pass")
    print("thread 0                       as it is    with `pass` for cuda.syncthreads()\n")
    print(f"    has of its own, 1 + 9    {x[0, 0] + x[8, 0]:8.0f}    {x[0, 0] + x[8, 0]:8.0f}")
    for at in found:
        print(f"    reads from shared[{at}]      {found[at]:8.0f}    {found_early[at]:8.0f}")
    print(f"    writes as the sum        {right:8.0f}    {wrong:8.0f}\n")
    _check(right == x.sum() == kernels.channel_sum(x)[0], "with the barrier the sum is right")
    _check(wrong != x.sum(), "without it, it is not")
    print(TOO_EARLY)


def _sum_by_a_block(x, wait):
    """The channel's sum by `norm._partial_sums` with `wait` as its barrier; and what thread 0 read of the others."""
    notes, namespace, kernel = defaultdict(list), vars(norm).copy(), norm._partial_sums
    namespace["watched"] = lambda array: Watched("shared", array, notes)
    source = inspect.getsource(kernel.py_func).replace("@kernel", "@cuda.jit").replace("cuda.syncthreads()", wait)
    exec(source.replace("cuda.shared.array(0, x.dtype)", "watched(cuda.shared.array(0, x.dtype))"), namespace)
    norm._partial_sums = namespace["_partial_sums"]
    try:
        with launch.using(threads=8, blocks=1):
            total = kernels.channel_sum(x)[0]
    finally:
        norm._partial_sums = kernel
    log = notes[(0, 0, 0), (0, 0, 0)]
    return total, {at: value for what, _, at, value in log if what == "reads" and at != 0}


# ------------------------------------------------------------------------------------------------------- the drawing


def draw(path, writer, reads):
    """Who makes which pixel, of how many numbers, and which windows lie over one of them."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.colors import to_rgb
    from matplotlib.patches import Rectangle

    ink, faint, colours = "#22303C", "#8A949C", ("#0072B2", "#E69F00", "#009E73", "#CC79A7")

    def tint(colour, strength):
        return tuple(1 - strength * (1 - channel) for channel in to_rgb(colour))

    def square(axes, pixel, face, text="", colour=ink, size=9.5):
        row, col = pixel
        axes.add_patch(Rectangle((col, row), 1, 1, facecolor=face, edgecolor="white", linewidth=1.6))
        axes.text(col + 0.5, row + 0.52, text, ha="center", va="center", color=colour, fontsize=size)

    figure, panels = plt.subplots(1, 3, figsize=(13.5, 4.9), dpi=150)
    titles = "Which thread makes which pixel", "How many numbers it reads", f"Pixel {SHOWN} lies under four windows"
    notes = (
        "four blocks of 1 × 8 × 2 threads; in a square the thread's y, z",
        f"{sum(map(len, reads.values()))} in all; with zeros inserted, 16 at every pixel",
        "a dot for each number of `rows` that its thread adds up",
    )
    for axes, title, note in zip(panels, titles, notes):
        axes.set(xlim=(-1.2, SIZE + 0.1), ylim=(SIZE + 0.1, -0.1), aspect="equal")
        axes.set_axis_off()
        axes.text(0, -0.4, title, fontsize=13, fontweight="bold", color=ink)
        axes.text(0, SIZE + 0.5, note, fontsize=9.5, color=faint)

    for pixel, (b, t) in writer.items():
        square(panels[0], pixel, tint(colours[b[2]], 0.38), f"{t[1]}, {t[2]}")
        if t[1:] == (0, 0):
            panels[0].text(
                -0.2, pixel[0] + 1, f"block {b[2]}", ha="right", va="center", color=colours[b[2]], fontsize=10
            )
        n = len(reads[pixel])
        square(panels[1], pixel, tint(colours[0], 0.12 + 0.17 * n), n, "white" if n == 4 else ink, 11)
        square(panels[2], pixel, "#EEF1F3")

    row, col = SHOWN
    panels[2].add_patch(Rectangle((col, row), 1, 1, facecolor=ink, zorder=3))
    for (at, _), colour in zip(reads[SHOWN], colours):
        u, v, i, j = _place(at)
        top, left = STRIDE * u - PADDING, STRIDE * v - PADDING  # of the window: TAPS × TAPS pixels
        right, below = j < 2, i < 2  # of the pixel lies most of the window
        window = {"xy": (left + 0.06, top + 0.06), "width": TAPS - 0.12, "height": TAPS - 0.12}
        panels[2].add_patch(Rectangle(**window, facecolor=colour, alpha=0.1))
        panels[2].add_patch(Rectangle(**window, fill=False, edgecolor=colour, linewidth=2.2))
        panels[2].plot(col + (0.3, 0.7)[right], row + (0.3, 0.7)[below], "o", color=colour, markersize=7, zorder=4)
        panels[2].text(
            left + (0.2, TAPS - 0.2)[right],
            top + (0.2, TAPS - 0.2)[below],
            f"number ({u}, {v})\ntap ({i}, {j})",
            ha=("left", "right")[right],
            va=("top", "bottom")[below],
            color=ink,
            fontsize=8.5,
        )
    figure.subplots_adjust(left=0.01, right=0.995, top=0.9, bottom=0.08, wspace=0.02)
    figure.savefig(path, facecolor="white")
    plt.close(figure)
    print(f"drawn: {path}\n\n")


def _by(shape):
    return " × ".join(map(str, shape))


def _check(holds, sentence):
    if not holds:
        raise SystemExit(f"no: {sentence}")
    print(f"✓ {sentence}")


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--png", type=Path, metavar="FILE", help="draw the first lesson")
    options = parser.parse_args(argv)
    writer, reads = transposed_convolution()
    if options.png:
        draw(options.png, writer, reads)
    barrier()


if __name__ == "__main__":
    main()
