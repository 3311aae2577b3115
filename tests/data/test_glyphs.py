"""Digits drawn from fonts: whether they are digits, whether they come again, and whether the cache can be trusted."""

import importlib
import os

import numpy as np
import pytest
from matplotlib import get_data_path
from PIL import Image, ImageDraw, ImageFont

from minigan.data.dataset import DataError
from minigan.data.glyphs import glyphs

module = importlib.import_module("minigan.data.glyphs")  # in the package, the function has the module's name


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("MINIGAN_CACHE", str(folder))
    return folder


def pixels(dataset):
    """`(n, 28, 28)`, from 0, black, to 1, white."""
    return (dataset.samples[:, 0] + 1) / 2


# ----------------------------------------------------------------------------------------------------------------------
# The images
# ----------------------------------------------------------------------------------------------------------------------


def test_form():
    data = glyphs(300)
    assert data.samples.shape == (300, 1, 28, 28)
    assert data.samples.dtype == np.float32
    assert (data.samples.min(), data.samples.max()) == (-1, 1)
    assert data.labels.dtype == np.int64
    assert data.classes == tuple("0123456789")
    assert (data.name, glyphs(1, train=False).name) == ("glyphs", "glyphs (test)")


def test_pixels_are_about_as_bright_and_as_contrasted_as_mnist():
    images = pixels(glyphs(3000))
    assert images.mean() == pytest.approx(0.1307, abs=0.01)
    assert images.std() == pytest.approx(0.3081, abs=0.01)


def test_labels_are_uniform():
    counts = np.bincount(glyphs(5000).labels, minlength=10)
    assert ((counts - 500) ** 2 / 500).sum() < 27.9  # χ² with 9 degrees of freedom: exceeded once in a thousand


def test_digits_are_centred_and_whole():
    images = pixels(glyphs(2000))
    axis = np.arange(28) - 13.5
    mass = images.sum(axis=(1, 2))
    for centre in (images.sum(axis=1) @ axis / mass, images.sum(axis=2) @ axis / mass):
        assert abs(centre.mean()) < 0.1
        assert centre.std() < 0.8
        assert np.abs(centre).max() < 4
    border = np.ones((28, 28), dtype=bool)
    border[1:-1, 1:-1] = False
    assert (images[:, border].max(axis=1) > 0).mean() < 0.05
    heights = (images > 0.25).any(axis=2).sum(axis=1)
    assert heights.min() >= 14
    assert 18 < heights.mean() < 20


@pytest.mark.parametrize("digit", [2, 3, 4, 5, 6, 7, 9])
def test_digits_stand_upright(digit):
    """Their mean is more like the digit as Pillow draws it than like its mirror images."""
    data = glyphs(3000)
    mean = pixels(data)[data.labels == digit].mean(axis=0)
    canvas = Image.new("L", (28, 28))
    font = ImageFont.truetype(f"{get_data_path()}/fonts/ttf/DejaVuSans.ttf", 27)
    ImageDraw.Draw(canvas).text((14, 14), str(digit), fill=255, font=font, anchor="mm")
    upright = np.asarray(canvas) / 255.0
    likeness = [(mean * template).sum() for template in (upright, upright[::-1], upright[:, ::-1], upright[::-1, ::-1])]
    assert likeness[0] > 1.05 * max(likeness[1:])


def test_nearest_neighbours_tell_the_test_digits():
    train, test = glyphs(2000), glyphs(500, train=False)
    known, unknown = train.samples.reshape(2000, -1), test.samples.reshape(500, -1)
    squared_distance = (known**2).sum(axis=1) - 2 * unknown @ known.T  # but for a term that is the same for all known
    assert (train.labels[squared_distance.argmin(axis=1)] == test.labels).mean() > 0.97


def test_no_two_images_are_alike():
    data = glyphs(3000)
    assert len(np.unique(data.samples.reshape(3000, -1), axis=0)) == 3000


def test_the_same_seed_draws_the_same_images(monkeypatch, tmp_path):
    first = glyphs(300, seed=3)
    monkeypatch.setenv("MINIGAN_CACHE", str(tmp_path / "another"))
    second = glyphs(300, seed=3)
    np.testing.assert_array_equal(first.samples, second.samples)
    np.testing.assert_array_equal(first.labels, second.labels)


@pytest.mark.parametrize("other", [{"seed": 1}, {"train": False}])
def test_another_seed_and_the_test_set_are_other_images(other):
    here, there = glyphs(300).samples.reshape(300, -1), glyphs(300, **other).samples.reshape(300, -1)
    assert len(np.unique(np.concatenate([here, there]), axis=0)) == 600


def test_version_is_raised_when_images_change():
    """If this fails, the same arguments give other images than before: raise VERSION, and put the new figures here."""
    data = glyphs(256)
    assert module.VERSION == 1
    assert data.labels[:10].tolist() == [5, 8, 9, 5, 3, 8, 2, 9, 8, 0]
    assert pixels(data).mean() == pytest.approx(0.13390, abs=2e-4)


# ----------------------------------------------------------------------------------------------------------------------
# The masters
# ----------------------------------------------------------------------------------------------------------------------


def test_masters_are_digits_of_full_height_around_their_centre_of_mass():
    side = module.WINDOW * module.DENSITY
    masters = module._masters().reshape(-1, side, side)
    assert len(masters) == 10 * len(module.FONTS)
    axis = np.arange(side) - (side - 1) / 2
    for master in masters:
        assert np.ptp(np.nonzero(master > 0)[0]) + 1 == pytest.approx(module.HEIGHT * module.DENSITY, abs=1)
        ink = np.clip(0.5 + master * module.DENSITY, 0, 1)
        assert ink.sum(axis=1) @ axis / ink.sum() == pytest.approx(0, abs=0.3)
        assert ink.sum(axis=0) @ axis / ink.sum() == pytest.approx(0, abs=0.3)
    outlines = {(master > 0).tobytes() for master in masters}
    assert len(outlines) == len(masters)


def test_signed_distance_of_a_disc():
    fine = module.WINDOW * module.DENSITY * module.FINENESS
    coarse = module.WINDOW * module.DENSITY

    def distance_to_centre(side):
        axis = (np.arange(side) + 0.5) * module.WINDOW / side - module.WINDOW / 2
        return np.hypot(axis, axis[:, None])

    field = module._signed_distance(distance_to_centre(fine) < 7)
    expected = 7 - distance_to_centre(coarse)
    error = np.where(expected < 6, field - expected, 0)  # but for the middle, where the distance has a kink
    assert np.abs(error).max() < 0.07
    assert abs(error[(expected > 0) & (expected < 1)].mean()) < 0.03
    assert abs(error[(expected > -1) & (expected < 0)].mean()) < 0.03


def test_the_linear_part_undoes_stretch_slant_and_rotation():
    rng = np.random.default_rng(0)
    size, width = rng.uniform(0.8, 1, 50), rng.uniform(0.8, 1.3, 50)
    linear = module._plane_map(50, size, width, rng)[:, :, 1:3] * 2 / module.HEIGHT
    forwards = np.linalg.inv(linear)
    # rotation · [[1, k], [0, 1]] · diag(width, size): the columns' lengths and the area give all three away.
    across, area = np.linalg.norm(forwards[:, :, 0], axis=1), np.linalg.det(forwards)
    np.testing.assert_allclose(across, width, rtol=1e-4)
    np.testing.assert_allclose(area, size * width, rtol=1e-4)
    slant = (forwards[:, :, 0] * forwards[:, :, 1]).sum(axis=1) / (size * width)
    assert slant.min() > -0.1501
    assert slant.max() < 0.3001
    assert np.ptp(slant) > 0.35
    assert np.abs(np.arctan2(forwards[:, 1, 0], forwards[:, 0, 0])).max() < np.deg2rad(9.01)


def test_a_missing_font_is_named(monkeypatch):
    monkeypatch.setattr(module, "FONTS", {"NoSuchFont": (0, 0)})
    module._masters.cache_clear()
    with pytest.raises(DataError, match=r"NoSuchFont\.ttf.*Install matplotlib anew"):
        glyphs(1)


# ----------------------------------------------------------------------------------------------------------------------
# The cache
# ----------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def no_drawing(monkeypatch):
    def refuse(n, rng):
        raise AssertionError("drawn, although it is in the cache")

    def start():
        monkeypatch.setattr(module, "_draw", refuse)

    return start


def test_what_is_cached_is_not_drawn_again(cache, no_drawing):
    drawn = glyphs(20, seed=5)
    assert [file.name for file in cache.iterdir()] == ["glyphs-v1-train-n20-seed5.npy"]
    no_drawing()
    cached = glyphs(20, seed=5)
    np.testing.assert_array_equal(drawn.samples, cached.samples)
    np.testing.assert_array_equal(drawn.labels, cached.labels)


@pytest.mark.parametrize("other", [{"n": 21}, {"seed": 6}, {"train": False}])
def test_other_arguments_are_other_files(cache, other):
    glyphs(**{"n": 20, "seed": 5, "train": True} | other)
    glyphs(20, seed=5)
    assert len(list(cache.iterdir())) == 2


def test_another_version_is_another_file(cache, monkeypatch):
    glyphs(20)
    monkeypatch.setattr(module, "VERSION", module.VERSION + 1)
    glyphs(20)
    assert len(list(cache.iterdir())) == 2


def flip(position):
    def damage(content):
        content = bytearray(content)
        content[position] ^= 1
        return bytes(content)

    return damage


DAMAGE = {
    "first byte": flip(0),
    "header": flip(40),
    "label or pixel": flip(1000),
    "digest": flip(-1),
    "cut short": lambda content: content[: len(content) // 2],
    "longer": lambda content: content + b"\0",
    "empty": lambda content: b"",
    "something else": lambda content: b"not an array" * 9,
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_file_is_made_anew(cache, damage, no_drawing):
    drawn = glyphs(20)
    (path,) = cache.iterdir()
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    np.testing.assert_array_equal(glyphs(20).samples, drawn.samples)
    assert path.read_bytes() == whole
    no_drawing()
    glyphs(20)


@pytest.mark.parametrize(
    "table",
    [np.zeros((3, 785), np.uint8), np.zeros((20, 785), np.uint16), np.zeros((20, 784), np.uint8)],
    ids=["another n", "another dtype", "another width"],
)
def test_a_whole_file_with_another_array_is_made_anew(cache, table):
    drawn = glyphs(20)
    (path,) = cache.iterdir()
    module._save(path, table)
    np.testing.assert_array_equal(glyphs(20).samples, drawn.samples)


def test_objects_in_the_cache_are_never_unpickled(cache):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(cache / "sprung"),)

    cache.mkdir()
    path = cache / "glyphs-v1-train-n20-seed0.npy"
    trap = np.array([Trap()], dtype=object)
    real_save = np.save
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(np, "save", lambda file, array, allow_pickle: real_save(file, array, allow_pickle=True))
        module._save(path, trap)
    assert len(glyphs(20)) == 20
    assert not (cache / "sprung").exists()


def test_without_a_writable_cache_digits_are_drawn_all_the_same(tmp_path, monkeypatch):
    expected = glyphs(20).samples
    (tmp_path / "file").write_text("a folder cannot be made below a file, not even by root")
    monkeypatch.setenv("MINIGAN_CACHE", str(tmp_path / "file" / "cache"))
    np.testing.assert_array_equal(glyphs(20).samples, expected)


def test_a_write_that_fails_leaves_nothing_behind(cache, monkeypatch):
    def full(descriptor):
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert len(glyphs(20)) == 20
    assert list(cache.iterdir()) == []


# ----------------------------------------------------------------------------------------------------------------------
# Arguments
# ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"n": 0}, ValueError, "glyphs: n is 0; expected 1 or more"),
        ({"n": 1e4}, TypeError, "glyphs: n must be an int, not 10000.0"),
        ({"n": 1, "seed": -1}, ValueError, "glyphs: seed is -1; expected 0 or more"),
        ({"n": 1, "seed": None}, TypeError, "glyphs: seed must be an int, not None"),
    ],
)
def test_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        glyphs(**arguments)


def test_few_digits_are_drawn_in_silence(capfd):
    glyphs(10)
    assert capfd.readouterr() == ("", "")
