"""The Dataset: what it accepts, what it refuses and how it says so; bytes to [-1, 1] and back."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from minigan.data.dataset import DataError, Dataset, to_uint8, to_unit

IMAGES = np.zeros((4, 1, 2, 3), np.float32)
POINTS = np.full((4, 2), 7, np.float32)
SERIES = np.zeros((4, 2, 3), np.float32)
LABELS = np.array([0, 1, 2, 0])


def test_an_image_dataset_presents_itself():
    dataset = Dataset(np.zeros((1200, 3, 8, 9), np.float32), np.zeros(1200, np.int64), ("cat", "dog"), name="pets")
    assert len(dataset) == 1200
    assert repr(dataset) == "Dataset pets: 1,200 images of 8×9, RGB, 2 classes (cat, dog)"


def test_a_point_dataset_presents_itself():
    assert repr(Dataset(POINTS, name="ring")) == "Dataset ring: 4 points in 2 dimensions, no labels"


def test_a_series_dataset_presents_itself():
    tones = Dataset(np.zeros((8192, 1, 4096), np.float32), np.zeros(8192, np.int64), ("C4", "D4"), name="tones")
    assert repr(tones) == "Dataset tones: 8,192 series of 4,096 steps, 1 channel, 2 classes (C4, D4)"
    assert repr(Dataset(SERIES, name="sines")) == "Dataset sines: 4 series of 3 steps, 2 channels, no labels"


def test_series_may_fill_their_range_and_points_have_none():
    assert len(Dataset(SERIES + 1)) == len(Dataset(SERIES - 1)) == 4
    assert len(Dataset(POINTS * 1000)) == 4


def test_many_classes_are_abbreviated():
    names = tuple(f"c{i}" for i in range(40))
    assert repr(Dataset(IMAGES, LABELS, names)).endswith("40 classes (c0, c1, c2, c3, c4, c5, c6, c7, c8, …)")


def test_it_is_frozen_and_compares_by_identity():
    dataset = Dataset(IMAGES, LABELS, ("a", "b", "c"))
    with pytest.raises(dataclasses.FrozenInstanceError):
        dataset.name = "other"
    assert dataset == dataset
    assert dataset != Dataset(IMAGES, LABELS, ("a", "b", "c"))
    assert dataset in {dataset}


def test_class_names_become_a_tuple():
    assert Dataset(IMAGES, LABELS, ["a", "b", "c"]).classes == ("a", "b", "c")


@pytest.mark.parametrize(
    ("samples", "error", "message"),
    [
        ([[0.0, 1.0]], TypeError, "samples must be a NumPy array, not list"),
        (IMAGES.astype(np.float64), TypeError, r"dtype float32, not float64; convert with .astype\(np.float32\)"),
        (np.zeros(4, np.float32), DataError, r"shape \(4,\); expected images \(N, C, H, W\), series \(N, C, L\) or p"),
        (np.zeros((4, 1, 2, 3, 3), np.float32), DataError, r"shape \(4, 1, 2, 3, 3\); expected images"),
        (np.zeros((0, 1, 2, 3), np.float32), DataError, "none of these numbers 0"),
        (np.zeros((4, 1, 0, 3), np.float32), DataError, "none of these numbers 0"),
        (np.zeros((4, 1, 0), np.float32), DataError, "none of these numbers 0"),
        (IMAGES + 255, DataError, r"values from 255 to 255; expected \[-1, 1\].*to_unit"),
        (IMAGES - 1.5, DataError, "values from -1.5 to -1.5"),
        (IMAGES + np.nan, DataError, "values from nan to nan"),
        (SERIES + 1.5, DataError, r"series values from 1.5 to 1.5; expected \[-1, 1\].*Divide by"),
        (SERIES - 1.5, DataError, "series values from -1.5 to -1.5"),
        (SERIES + np.nan, DataError, "series values from nan to nan"),
        (POINTS * np.nan, DataError, "NaN or infinity"),
        (POINTS * np.inf, DataError, "NaN or infinity"),
    ],
)
def test_bad_samples_are_refused(samples, error, message):
    with pytest.raises(error, match=f"^toy: .*{message}"):
        Dataset(samples, name="toy")


def test_one_nan_among_many_is_found():
    for where in np.ndindex(POINTS.shape):
        points = POINTS.copy()
        points[where] = np.nan
        with pytest.raises(DataError, match="NaN"):
            Dataset(points)


@pytest.mark.parametrize(
    ("labels", "classes", "error", "message"),
    [
        ([0, 1, 2, 0], ("a", "b", "c"), TypeError, "labels must be a NumPy array, not list"),
        (LABELS.astype(np.int32), ("a", "b", "c"), TypeError, "dtype int64, not int32"),
        (LABELS[:3], ("a", "b", "c"), DataError, r"labels of shape \(3,\) for 4 samples; expected \(4,\)"),
        (LABELS[:, None], ("a", "b", "c"), DataError, r"labels of shape \(4, 1\)"),
        (LABELS, ("a", "b"), DataError, "labels from 0 to 2, but 2 class names"),
        (LABELS - 1, ("a", "b", "c"), DataError, "labels from -1 to 1"),
        (LABELS, (), DataError, "but 0 class names"),
        (LABELS, "abc", TypeError, "classes must be a tuple of str"),
        (LABELS, (0, 1, 2), TypeError, "classes must be a tuple of str"),
    ],
)
def test_bad_labels_are_refused(labels, classes, error, message):
    with pytest.raises(error, match=message):
        Dataset(IMAGES, labels, classes)


def test_every_byte_survives_the_way_there_and_back():
    pixels = np.arange(256, dtype=np.uint8).reshape(2, 128)
    unit = to_unit(pixels)
    assert unit.dtype == np.float32
    np.testing.assert_allclose(unit, pixels / 127.5 - 1, atol=1e-7)
    assert unit.min() == -1
    assert unit.max() == 1
    np.testing.assert_array_equal(to_uint8(unit), pixels)
    np.testing.assert_array_equal(pixels, np.arange(256).reshape(2, 128))


@settings(deadline=None, derandomize=True, max_examples=50)
@given(npst.arrays(st.sampled_from([np.float32, np.float64]), (9,), elements=st.floats(-3, 3, width=32)))
def test_to_uint8_rounds_to_the_nearest_byte(unit):
    wanted = (np.clip(unit.astype(np.float64), -1, 1) + 1) * 127.5
    assert (np.abs(to_uint8(unit) - wanted) <= 0.5 + 1e-4).all()


def test_to_uint8_clips_and_draws_nan_black():
    values = np.array([-np.inf, -2, 2, np.inf, np.nan])
    np.testing.assert_array_equal(to_uint8(values), [0, 0, 255, 255, 0])


@pytest.mark.parametrize("pixels", [np.zeros(3), np.zeros(3, np.int64), [0, 1]])
def test_to_unit_takes_bytes_only(pixels):
    with pytest.raises(TypeError, match="expected an array of uint8, got"):
        to_unit(pixels)
