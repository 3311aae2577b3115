"""Grids hold each image where it belongs; files are whole or not there."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageSequence

from minigan.viz.grid import NOT_FINITE_COLOUR, make_grid, save_gif, save_image


def random_images(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


# ----------------------------------------------------------------------------------------------------------------------
# make_grid
# ----------------------------------------------------------------------------------------------------------------------


@settings(deadline=None, derandomize=True, max_examples=60)
@given(
    count=st.integers(1, 13),
    channels=st.sampled_from([1, 3]),
    height=st.integers(1, 5),
    width=st.integers(1, 5),
    nrow=st.integers(1, 9),
    padding=st.integers(0, 3),
    dtype=st.sampled_from([np.float16, np.float32, np.float64]),
)
def test_each_image_is_in_its_cell_and_nothing_else_is(count, channels, height, width, nrow, padding, dtype):
    # A pad value that no image reaches tells frames from pixels.
    images = (0.9 * random_images(count, count, channels, height, width)).astype(dtype)
    before = images.copy()
    grid = make_grid(images, nrow=nrow, padding=padding, pad_value=1.0)
    columns = min(nrow, count)
    rows = int(np.ceil(count / columns))
    size = (rows * (height + padding) + padding, columns * (width + padding) + padding)
    assert grid.dtype == np.uint8
    assert grid.shape == (size if channels == 1 else (*size, 3))
    grid = grid.reshape(*size, channels)
    framed = np.ones(size, bool)
    for n in range(count):
        top = padding + (n // columns) * (height + padding)
        left = padding + (n % columns) * (width + padding)
        for i in range(height):
            for j in range(width):
                expected = [round((float(v) + 1) * 255 / 2) for v in images[n, :, i, j]]
                assert grid[top + i, left + j].tolist() == expected
                framed[top + i, left + j] = False
    assert (grid[framed] == 255).all()
    np.testing.assert_array_equal(images, before)


def test_brightness_is_mapped_linearly_and_clipped():
    values = np.array([-7.0, -1.0, -0.5, 0.0, 0.5, 1.0, 7.0])
    grid = make_grid(values.reshape(1, 1, 1, 7), padding=0)
    assert grid.tolist() == [[0, 0, 64, 128, 191, 255, 255]]


def test_every_byte_survives_the_way_there_and_back():
    values = np.arange(256)
    for dtype in (np.float32, np.float64):
        images = (values / 127.5 - 1).astype(dtype).reshape(1, 1, 16, 16)
        np.testing.assert_array_equal(make_grid(images, padding=0).ravel(), values)


def test_memory_layout_does_not_matter():
    images = random_images(0, 4, 3, 5, 6)
    channels_last = np.ascontiguousarray(images.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(make_grid(channels_last), make_grid(images))
    np.testing.assert_array_equal(make_grid(images[::-1]), make_grid(images[::-1].copy()))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_pixels_that_are_not_finite_are_magenta_and_the_others_are_not(channels, bad):
    images = np.zeros((2, channels, 3, 3), np.float32)
    images[1, -1, 0, 2] = bad
    grid = make_grid(images, padding=1)
    assert grid.shape == (5, 9, 3)
    magenta = (grid == NOT_FINITE_COLOUR).all(axis=2)
    assert np.argwhere(magenta).tolist() == [[1, 7]]
    assert (grid[2, 5] == 128).all()


@pytest.mark.parametrize(
    ("images", "options", "error", "message"),
    [
        ([[1.0]], {}, TypeError, "images is a list"),
        (np.zeros((1, 1, 2, 2), np.uint8), {}, TypeError, "dtype uint8.*images / 127.5 - 1"),
        (np.zeros((1, 1, 2, 2), bool), {}, TypeError, "dtype bool"),
        (np.zeros((1, 28, 28)), {}, ValueError, r"shape \(1, 28, 28\), but \(N, C, H, W\)"),
        (np.zeros((4, 2, 8, 8)), {}, ValueError, "2 channels, but 1 .* or 3"),
        (np.zeros((4, 8, 8, 3)), {}, ValueError, r"8 channels.*transpose\(0, 3, 1, 2\)"),
        (np.zeros((0, 1, 8, 8)), {}, ValueError, r"\(0, 1, 8, 8\) hold no pixel"),
        (np.zeros((2, 1, 0, 8)), {}, ValueError, "hold no pixel"),
        (np.zeros((2, 1, 8, 8)), {"nrow": 0}, ValueError, "nrow is 0, but must be at least 1"),
        (np.zeros((2, 1, 8, 8)), {"nrow": 2.0}, TypeError, "nrow is 2.0, but an integer"),
        (np.zeros((2, 1, 8, 8)), {"nrow": True}, TypeError, "nrow is True"),
        (np.zeros((2, 1, 8, 8)), {"padding": -1}, ValueError, "padding is -1, but must be at least 0"),
        (np.zeros((2, 1, 8, 8)), {"pad_value": 255}, ValueError, "pad_value is 255"),
        (np.zeros((2, 1, 8, 8)), {"pad_value": np.nan}, ValueError, "pad_value is nan"),
    ],
)
def test_errors_of_make_grid(images, options, error, message):
    with pytest.raises(error, match=message):
        make_grid(images, **options)


# ----------------------------------------------------------------------------------------------------------------------
# save_image
# ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB")])
def test_a_saved_image_is_the_grid_with_larger_pixels(tmp_path, channels, mode):
    images = random_images(1, 5, channels, 4, 6)
    save_image(images, tmp_path / "deep" / "er" / "a.png", nrow=3, padding=1, pad_value=0.0, scale=3)
    with Image.open(tmp_path / "deep" / "er" / "a.png") as picture:
        assert (picture.format, picture.mode) == ("PNG", mode)
        pixels = np.array(picture)
    grid = make_grid(images, nrow=3, padding=1, pad_value=0.0)
    assert pixels.shape[:2] == (3 * grid.shape[0], 3 * grid.shape[1])
    for i in range(3):
        for j in range(3):
            np.testing.assert_array_equal(pixels[i::3, j::3], grid)


def test_save_image_leaves_the_old_picture_when_it_fails(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    save_image(random_images(2, 1, 1, 4, 4), path)
    old = path.read_bytes()

    def disk_full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", disk_full)
    with pytest.raises(OSError, match="No space left"):
        save_image(random_images(3, 1, 1, 4, 4), path)
    assert path.read_bytes() == old
    assert os.listdir(tmp_path) == ["a.png"]


def test_save_image_refuses_other_formats_and_scales(tmp_path):
    images = np.zeros((1, 1, 2, 2))
    with pytest.raises(ValueError, match=r"must end in \.png"):
        save_image(images, tmp_path / "a.jpg")
    with pytest.raises(ValueError, match="save_image: scale is 0"):
        save_image(images, tmp_path / "a.png", scale=0)
    assert os.listdir(tmp_path) == []


# ----------------------------------------------------------------------------------------------------------------------
# save_gif
# ----------------------------------------------------------------------------------------------------------------------


def gif(path: Path) -> tuple[list[np.ndarray], list[int], int]:
    """Frames as RGB arrays, their milliseconds, and how often the animation repeats (0: for ever)."""
    with Image.open(path) as animation:
        frames, durations = [], []
        for frame in ImageSequence.Iterator(animation):
            frames.append(np.array(frame.convert("RGB")))
            durations.append(frame.info["duration"])
        return frames, durations, animation.info["loop"]


def test_grey_frames_are_kept_exactly(tmp_path):
    grids = [make_grid(random_images(seed, 6, 1, 16, 16), nrow=3) for seed in range(4)]
    save_gif(grids, tmp_path / "a.gif", fps=10, hold=1.5)
    frames, durations, loop = gif(tmp_path / "a.gif")
    assert (durations, loop) == ([100, 100, 100, 1500], 0)
    for frame, grid in zip(frames, grids, strict=True):
        np.testing.assert_array_equal(frame, np.stack([grid] * 3, axis=2))


def test_frames_may_be_paths_and_only_some_of_them_coloured(tmp_path):
    grey = random_images(0, 2, 1, 5, 5)
    broken = grey.copy()
    broken[0, 0, 0, 0] = np.nan
    save_image(grey, tmp_path / "1.png", scale=1)
    save_image(broken, tmp_path / "2.png", scale=1)
    save_gif([tmp_path / "1.png", str(tmp_path / "2.png"), make_grid(grey)], tmp_path / "a.gif")
    frames, durations, _ = gif(tmp_path / "a.gif")
    assert durations == [200, 200, 2000]
    for frame, images in zip(frames, [grey, broken, grey], strict=True):
        grid = make_grid(images)
        np.testing.assert_array_equal(frame, grid if grid.ndim == 3 else np.stack([grid] * 3, axis=2))


def test_a_single_frame_is_an_animation_too(tmp_path):
    save_gif([make_grid(random_images(0, 1, 3, 4, 4))], tmp_path / "a.gif")
    assert len(gif(tmp_path / "a.gif")[0]) == 1


def test_errors_of_save_gif(tmp_path):
    path, frame = tmp_path / "a.gif", np.zeros((4, 4), np.uint8)
    with pytest.raises(ValueError, match="there are no frames"):
        save_gif([], path)
    with pytest.raises(TypeError, match="frame 1 is of dtype float64"):
        save_gif([frame, np.zeros((4, 4))], path)
    with pytest.raises(TypeError, match="frame 0 is a int"):
        save_gif([3], path)
    with pytest.raises(ValueError, match=r"frame 0 has shape \(4, 4, 4\)"):
        save_gif([np.zeros((4, 4, 4), np.uint8)], path)
    with pytest.raises(ValueError, match=r"frame 0 has shape \(4,\)"):
        save_gif([np.zeros(4, np.uint8)], path)
    with pytest.raises(ValueError, match="frame 1 is 5 pixels wide and 4 high, but frame 0 is 4 by 4"):
        save_gif([frame, np.zeros((4, 5), np.uint8)], path)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        save_gif([tmp_path / "nowhere.png"], path)
    with pytest.raises(ValueError, match="fps is 0"):
        save_gif([frame], path, fps=0)
    with pytest.raises(ValueError, match="hold is nan"):
        save_gif([frame], path, hold=np.nan)
    with pytest.raises(ValueError, match=r"must end in \.gif"):
        save_gif([frame], tmp_path / "a.png")
    assert os.listdir(tmp_path) == []
