"""Folders of images: which files are read and in which order, every kind of image, and every way to get it wrong."""

import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from minigan.data.dataset import DataError, to_uint8
from minigan.data.folder import _natural, image_folder


def plain(path, colour=(0, 0, 0), size=(8, 8), mode="RGB", **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path, **options)


def read_one(tmp_path, image, mode="RGB", size=4, suffix=".png", **options):
    """The pixels `(size, size[, 3])` that are made of one image."""
    image.save(tmp_path / f"image{suffix}", **options)
    dataset = image_folder(tmp_path, size=size, mode=mode)
    assert dataset.samples.shape == (1, len(mode), size, size)
    return to_uint8(dataset.samples[0]).transpose(1, 2, 0).squeeze()


# --------------------------------------------------------------------------------------------------- which, what order


def test_every_subfolder_is_a_class(tmp_path):
    plain(tmp_path / "pets" / "dog" / "a.png", (255, 255, 255))
    plain(tmp_path / "pets" / "cat" / "a.jpg")
    plain(tmp_path / "pets" / "cat" / "deep" / "er" / "b.PNG")
    dataset = image_folder(tmp_path / "pets", size=4)
    assert dataset.name == "pets"
    assert dataset.classes == ("cat", "dog")
    np.testing.assert_array_equal(dataset.labels, [0, 0, 1])
    np.testing.assert_array_equal(dataset.samples.mean((1, 2, 3)), [-1, -1, 1])
    assert dataset.samples.flags.c_contiguous


def test_a_flat_folder_has_no_labels(tmp_path):
    plain(tmp_path / "a.png")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "readme.txt").write_text("no image")
    dataset = image_folder(str(tmp_path))
    assert dataset.labels is None
    assert dataset.classes == ()
    assert dataset.samples.shape == (1, 3, 28, 28)


def test_the_order_is_natural(tmp_path):
    names = ["1.png", "2.png", "10.png", "a2.png", "A10.png", "b.png"]
    for shade, name in enumerate(names):
        plain(tmp_path / name, shade * 40, mode="L")
    samples = image_folder(tmp_path, size=2, mode="L").samples
    np.testing.assert_array_equal(to_uint8(samples[:, 0, 0, 0]), np.arange(len(names)) * 40)


def test_classes_are_in_natural_order_too(tmp_path):
    for name in ("10", "9", "1"):
        plain(tmp_path / name / "x.png")
    assert image_folder(tmp_path).classes == ("1", "9", "10")


@settings(deadline=None, derandomize=True, max_examples=100)
@given(st.lists(st.sampled_from("aAbé01²٣.-").flatmap(lambda c: st.text(c + "aA01", max_size=4)), max_size=8))
def test_the_natural_order_does_not_depend_on_the_order_of_the_listing(names):
    backwards = names[::-1]
    assert sorted(names, key=_natural) == sorted(backwards, key=_natural)


def test_hidden_files_and_other_files_are_passed_over(tmp_path):
    plain(tmp_path / "cat" / "a.png")
    for hidden in (".hidden/a.png", "cat/.thumbs/a.png", "cat/._a.png"):
        (tmp_path / hidden).parent.mkdir(exist_ok=True)
        (tmp_path / hidden).write_bytes(b"broken")
    (tmp_path / "cat" / "labels.csv").write_text("a,b")
    (tmp_path / "cat" / "folder.png").mkdir()
    assert len(image_folder(tmp_path)) == 1


def test_a_hidden_parent_does_not_hide_its_images(tmp_path):
    plain(tmp_path / ".cache" / "a.png")
    assert len(image_folder(tmp_path / ".cache")) == 1


def test_a_bar_is_shown_when_there_are_many(tmp_path, monkeypatch, capsys):
    for i in range(3):
        plain(tmp_path / f"{i}.png")
    image_folder(tmp_path)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("minigan.data.folder._PATIENCE", 2)
    image_folder(tmp_path)
    assert f"Reading {tmp_path.name}" in (err := capsys.readouterr().err)
    assert "3/3" in err


# ------------------------------------------------------------------------------------------------- the kinds of images


def test_the_pixels_of_an_image_of_the_right_size_are_untouched(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (6, 6, 3)).astype(np.uint8)
    np.testing.assert_array_equal(read_one(tmp_path, Image.fromarray(pixels), size=6), pixels)


@pytest.mark.parametrize("landscape", [True, False])
def test_the_square_in_the_middle_is_kept(tmp_path, landscape):
    pixels = np.zeros((40, 120), np.uint8)
    pixels[:, 40:80] = 200
    pixels = pixels if landscape else pixels.T
    square = read_one(tmp_path, Image.fromarray(np.ascontiguousarray(pixels)), "L", size=8)
    assert np.abs(square[2:-2, 2:-2].astype(int) - 200).max() <= 1
    assert square.min() > 150


def test_shrinking_averages_and_does_not_skip(tmp_path):
    board = (np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8)
    assert np.abs(read_one(tmp_path, Image.fromarray(board), "L", size=8).astype(int) - 127).max() < 8


def test_a_tiny_image_is_enlarged(tmp_path):
    assert (read_one(tmp_path, Image.new("L", (1, 1), 77), "L", size=8) == 77).all()


GREEN = (0, 128, 0)
WHITE = (255, 255, 255)


def with_alpha(mode, colour):
    return Image.new("RGBA", (8, 8), colour).convert(mode)


def palette(transparent):
    image = Image.new("P", (8, 8), 1)
    image.putpalette([*WHITE, *GREEN])
    if transparent:
        image.info["transparency"] = 1
    return image


@pytest.mark.parametrize(
    ("image", "suffix", "wanted"),
    [
        (Image.new("RGB", (8, 8), GREEN), ".bmp", GREEN),
        (Image.new("L", (8, 8), 90), ".png", (90, 90, 90)),
        (Image.new("1", (8, 8), 1), ".png", WHITE),
        (palette(transparent=False), ".png", GREEN),
        (palette(transparent=True), ".png", WHITE),
        (palette(transparent=False), ".gif", GREEN),
        (palette(transparent=True), ".gif", WHITE),
        (with_alpha("RGBA", (0, 128, 0, 0)), ".png", WHITE),
        (with_alpha("RGBA", (0, 128, 0, 255)), ".webp", GREEN),
        (with_alpha("RGBA", (0, 0, 0, 51)), ".png", (204, 204, 204)),
        (with_alpha("LA", (10, 10, 10, 0)), ".png", WHITE),
        (with_alpha("LA", (10, 10, 10, 255)), ".png", (10, 10, 10)),
        (Image.new("CMYK", (8, 8), (255, 0, 255, 127)), ".tif", GREEN),
        (Image.new("CMYK", (8, 8), (255, 0, 255, 127)), ".jpg", GREEN),
        (Image.new("YCbCr", (8, 8), (128, 128, 128)), ".jpg", (128, 128, 128)),
        (Image.new("HSV", (8, 8), (0, 0, 128)).convert("RGB"), ".ppm", (128, 128, 128)),
        (Image.fromarray(np.full((8, 8), 257 * 90, np.uint16)), ".png", (90, 90, 90)),
        (Image.fromarray(np.full((8, 8), 65535, np.uint16)), ".tiff", WHITE),
        (Image.fromarray(np.full((8, 8), 257 * 90, np.int32)), ".tif", (90, 90, 90)),
    ],
    ids=lambda value: f"{value.mode}" if isinstance(value, Image.Image) else None,
)
def test_every_mode_is_understood(tmp_path, image, suffix, wanted):
    pixels = read_one(tmp_path, image, suffix=suffix)
    assert np.abs(pixels.astype(int) - wanted).max() <= (3 if suffix in (".jpg", ".webp") else 0)


def test_a_transparent_colour_is_white(tmp_path):
    pixels = read_one(tmp_path, Image.new("RGB", (8, 8), GREEN), transparency=GREEN)
    assert (pixels == 255).all()


def test_transparent_borders_do_not_bleed_into_the_picture(tmp_path):
    image = Image.new("RGBA", (64, 64), (0, 0, 0, 0))  # black, but not to be seen
    image.paste((255, 255, 255, 255), (16, 16, 48, 48))
    assert (read_one(tmp_path, image, size=7) == 255).all()


def test_grey_of_16_bits_keeps_its_shades(tmp_path):
    ramp = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8)
    pixels = read_one(tmp_path, Image.fromarray(ramp), "L", size=8)
    np.testing.assert_allclose(pixels, ramp / 257, atol=0.51)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("size", [8, 64])
def test_images_are_turned_upright(tmp_path, orientation, size):
    """The upright image is dark in its upper left quarter only; it is stored as a camera held askew stores it."""
    upright = np.full((size, size), 250, np.uint8)
    upright[: size // 2, : size // 2] = 5
    turn = {
        1: lambda a: a,
        2: np.fliplr,
        3: lambda a: np.rot90(a, 2),
        4: np.flipud,
        5: np.transpose,
        6: np.rot90,
        7: lambda a: np.rot90(a, 2).T,
        8: lambda a: np.rot90(a, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(turn(upright)))
    pixels = read_one(tmp_path, stored, "L", size=8, suffix=".jpg", exif=exif, quality=95)
    np.testing.assert_allclose(pixels, upright[:: size // 8, :: size // 8], atol=45)


def test_of_an_animation_the_first_frame_is_taken(tmp_path):
    frames = [Image.new("L", (8, 8), shade) for shade in (60, 200)]
    assert (read_one(tmp_path, frames[0], "L", suffix=".gif", save_all=True, append_images=frames[1:]) == 60).all()


def test_a_large_jpeg_is_decoded_small_without_harm(tmp_path):
    x, y = np.meshgrid(np.linspace(0, 3, 400), np.linspace(0, 3, 400))
    smooth = np.rint(127 + 100 * np.sin(x) * np.cos(y)).astype(np.uint8)
    small = np.asarray(Image.fromarray(smooth).resize((20, 20), Image.Resampling.LANCZOS))
    pixels = read_one(tmp_path, Image.fromarray(smooth), "L", size=20, suffix=".jpg", quality=95)
    assert np.abs(pixels.astype(int) - small).max() <= 3


# ---------------------------------------------------------------------------------------------------------- the errors


def test_no_folder(tmp_path):
    with pytest.raises(DataError, match="nowhere: there is no such folder"):
        image_folder(tmp_path / "nowhere")


def test_a_file_in_place_of_a_folder(tmp_path):
    plain(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"a.png: is a file; expected the folder"):
        image_folder(tmp_path / "a.png")


def test_a_folder_without_images(tmp_path):
    (tmp_path / "class").mkdir()
    (tmp_path / "class" / "a.txt").write_text("text")
    with pytest.raises(DataError, match=r"no images; looked for files that end in .png .jpg"):
        image_folder(tmp_path)


def test_a_class_without_images(tmp_path):
    plain(tmp_path / "cat" / "a.png")
    (tmp_path / "dog").mkdir()
    with pytest.raises(DataError, match="no images in the subfolder dog; every subfolder is a class"):
        image_folder(tmp_path)


def test_images_beside_classes(tmp_path):
    plain(tmp_path / "cat" / "a.png")
    plain(tmp_path / "stray.png")
    with pytest.raises(DataError, match=r"1 images \(such as stray.png\) lie beside the folders .* \(such as cat\)"):
        image_folder(tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "RGBA"}, "mode must be 'RGB' or 'L', not 'RGBA'"),
        ({"size": 0}, "size must be a whole number of pixels, at least 1, not 0"),
        ({"size": 28.0}, "not 28.0"),
    ],
)
def test_bad_arguments(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        image_folder(tmp_path, **options)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".gif", ".tif", ".webp"])
def test_a_broken_image_is_named(tmp_path, suffix):
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3)).astype(np.uint8)
    path = tmp_path / f"broken{suffix}"
    Image.fromarray(pixels).save(path)
    raw = path.read_bytes()
    for broken in (raw[: len(raw) // 2], raw[:3], b"", b"not an image at all"):
        path.write_bytes(broken)
        with pytest.raises(DataError, match=rf"broken{suffix}: cannot be read as an image \(.+\)\. Replace it"):
            image_folder(tmp_path)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".gif", ".tif", ".webp", ".bmp", ".ppm"])
@pytest.mark.filterwarnings("ignore")  # Pillow's, about what it finds in the debris
def test_damage_gives_an_image_or_a_data_error(tmp_path, suffix):
    rng = np.random.default_rng(1)
    path = tmp_path / f"image{suffix}"
    Image.fromarray(rng.integers(0, 256, (8, 8, 3)).astype(np.uint8)).save(path)
    raw = np.frombuffer(path.read_bytes(), np.uint8)
    for _ in range(60):
        broken = raw.copy()
        broken[rng.integers(len(raw), size=3)] ^= rng.integers(1, 256, 3).astype(np.uint8)
        path.write_bytes(broken.tobytes())
        with contextlib.suppress(DataError):
            assert len(image_folder(tmp_path, size=4)) == 1


def test_pixels_of_unknown_range_are_refused(tmp_path):
    Image.fromarray(np.ones((8, 8), np.float32)).save(tmp_path / "float.tif")
    with pytest.raises(DataError, match=r"float.tif: .*floating-point pixels, whose range is not known"):
        image_folder(tmp_path)
