"""Points in the plane: the modes are where and as wide as they should be, and the labels say which is which."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigan.data.toy import grid, grid_mixture, ring, ring_mixture, swiss_roll, two_moons

SETS = [ring, grid, swiss_roll, two_moons]
BOTH = [pytest.param(True, id="normalized"), pytest.param(False, id="raw")]


def distances(points, centres):
    """`(n, modes)`"""
    return np.linalg.norm(points[:, None, :] - centres, axis=2)


# ----------------------------------------------------------------------------------------------------------------------
# All sets
# ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("draw", SETS)
def test_form(draw):
    data = draw(300)
    assert data.samples.shape == (300, 2)
    assert data.samples.dtype == np.float32
    assert data.name == draw.__name__
    if draw is swiss_roll:
        assert data.labels is None
    else:
        assert data.labels.dtype == np.int64
        assert set(data.labels) == set(range(len(data.classes)))


@pytest.mark.parametrize("draw", SETS)
def test_a_seed_decides_everything(draw):
    first, again, other = draw(100, seed=4), draw(100, seed=4), draw(100, seed=5)
    np.testing.assert_array_equal(first.samples, again.samples)
    np.testing.assert_array_equal(first.labels, again.labels)
    assert not np.isin(first.samples, other.samples).any()


@pytest.mark.parametrize("draw", SETS)
def test_normalized_points_fill_the_square(draw):
    points = draw(100_000).samples
    assert np.abs(points).max() <= 1
    assert np.abs(points).max() > 0.85


@pytest.mark.parametrize("draw", SETS)
def test_normalized_points_are_the_raw_ones_moved_and_shrunk_by_constants(draw):
    """The same map for every seed, the same in both coordinates."""

    def fit(seed):
        raw, unit = draw(50, seed=seed, normalize=False).samples, draw(50, seed=seed).samples
        scale, shift_x = np.polyfit(raw[:, 0], unit[:, 0], 1)
        return scale, shift_x, *np.polyfit(raw[:, 1], unit[:, 1], 1)

    first = fit(0)
    assert first[0] == pytest.approx(first[2], rel=1e-5)
    np.testing.assert_allclose(fit(1), first, atol=1e-5)


@pytest.mark.parametrize("draw", SETS)
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"n": 0}, ValueError, "n is 0; expected 1 or more"),
        ({"n": -3}, ValueError, "n is -3; expected 1 or more"),
        ({"n": 10.0}, TypeError, "n must be an int, not 10.0"),
        ({"n": 10, "seed": -1}, ValueError, "seed is -1; expected 0 or more"),
        ({"n": 10, "seed": "0"}, TypeError, "seed must be an int, not '0'"),
    ],
)
def test_bad_counts(draw, arguments, error, message):
    with pytest.raises(error, match=f"^{draw.__name__}: {message}"):
        draw(**arguments)


@pytest.mark.parametrize(
    ("draw", "argument", "value"),
    [
        (ring, "modes", 0),
        (ring, "radius", 0.0),
        (ring, "radius", float("nan")),
        (ring, "std", 0),
        (ring, "std", -0.1),
        (grid, "side", 0),
        (grid, "spacing", -1.0),
        (grid, "std", float("inf")),
        (swiss_roll, "noise", -0.1),
        (swiss_roll, "noise", float("nan")),
        (two_moons, "noise", -0.1),
    ],
)
def test_bad_geometry(draw, argument, value):
    with pytest.raises(ValueError, match=f"^{draw.__name__}: {argument} is {value}; expected"):
        draw(10, **{argument: value})


# ----------------------------------------------------------------------------------------------------------------------
# Ring and grid
# ----------------------------------------------------------------------------------------------------------------------


def test_ring_has_eight_modes_at_equal_angles_on_the_unit_circle():
    mixture = ring_mixture(normalize=False)
    half = np.sqrt(0.5)
    expected = [(1, 0), (half, half), (0, 1), (-half, half), (-1, 0), (-half, -half), (0, -1), (half, -half)]
    np.testing.assert_allclose(mixture.centres, expected, atol=1e-15)
    assert mixture.std == 0.01


def test_grid_has_the_modes_of_the_protocol():
    mixture = grid_mixture(normalize=False)
    expected = [(x, y) for y in (-4, -2, 0, 2, 4) for x in (-4, -2, 0, 2, 4)]
    np.testing.assert_array_equal(mixture.centres, expected)
    assert mixture.std == 0.05


@pytest.mark.parametrize("normalize", BOTH)
@pytest.mark.parametrize(("draw", "mixture_of"), [(ring, ring_mixture), (grid, grid_mixture)])
def test_points_lie_around_their_centres(draw, mixture_of, normalize):
    data = draw(50_000, normalize=normalize)
    mixture = mixture_of(normalize=normalize)
    modes = len(mixture.centres)

    distance = distances(data.samples, mixture.centres)
    np.testing.assert_array_equal(distance.argmin(axis=1), data.labels)
    # χ with 2 degrees of freedom: 1 − e^(−4.5) = 98.9 % of the points lie within 3 standard deviations
    assert (distance.min(axis=1) < 3 * mixture.std).mean() == pytest.approx(1 - np.exp(-4.5), abs=0.002)

    offsets = data.samples - mixture.centres[data.labels]
    np.testing.assert_allclose(offsets.std(axis=0), mixture.std, rtol=0.02)
    np.testing.assert_allclose(offsets.mean(axis=0), 0, atol=0.02 * mixture.std)
    assert abs(np.corrcoef(offsets.T)[0, 1]) < 0.02

    counts, expected = np.bincount(data.labels, minlength=modes), 50_000 / modes
    deviation = ((counts - expected) ** 2 / expected).sum()  # χ², of mean modes − 1 and variance 2 (modes − 1)
    assert deviation < modes - 1 + 4 * np.sqrt(2 * (modes - 1))


@settings(deadline=None, derandomize=True, max_examples=60)
@given(modes=st.integers(1, 40), radius=st.floats(0.01, 100), std=st.floats(1e-4, 10), normalize=st.booleans())
def test_any_ring(modes, radius, std, normalize):
    centres, spread = ring_mixture(modes, radius, std, normalize)
    unit = spread / std
    assert len(np.unique(centres.round(12), axis=0)) == modes
    np.testing.assert_allclose(np.linalg.norm(centres, axis=1), unit * radius)
    gaps = np.linalg.norm(centres - np.roll(centres, 1, axis=0), axis=1)
    np.testing.assert_allclose(gaps, 2 * unit * radius * np.sin(np.pi / modes), atol=1e-12 * unit * radius)
    assert unit * (radius + 6 * std) == pytest.approx(1 if normalize else radius + 6 * std)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(side=st.integers(1, 12), spacing=st.floats(0.01, 100), std=st.floats(1e-4, 10), normalize=st.booleans())
def test_any_grid(side, spacing, std, normalize):
    centres, spread = grid_mixture(side, spacing, std, normalize)
    unit = spread / std
    lattice = centres.reshape(side, side, 2)
    np.testing.assert_allclose(np.diff(lattice[:, :, 0], axis=1), unit * spacing)
    np.testing.assert_allclose(np.diff(lattice[:, :, 1], axis=0), unit * spacing)
    np.testing.assert_allclose(centres.mean(axis=0), 0, atol=1e-12 * unit * spacing * side)
    reach = (side - 1) / 2 * spacing + 6 * std
    assert unit * reach == pytest.approx(1 if normalize else reach)


# ----------------------------------------------------------------------------------------------------------------------
# Curves
# ----------------------------------------------------------------------------------------------------------------------


def test_swiss_roll_without_noise_is_the_spiral():
    points = swiss_roll(2000, noise=0, normalize=False).samples.astype(np.float64)
    t = np.linalg.norm(points, axis=1)
    assert 1.5 * np.pi <= t.min() < 1.55 * np.pi
    assert 4.45 * np.pi < t.max() <= 4.5 * np.pi + 1e-5
    assert t.mean() == pytest.approx(3 * np.pi, rel=0.02)
    np.testing.assert_allclose(points, np.stack([t * np.cos(t), t * np.sin(t)], axis=1), atol=1e-4)


def test_two_moons_without_noise_are_half_circles():
    data = two_moons(2000, noise=0, normalize=False)
    upper, lower = data.samples[data.labels == 0], data.samples[data.labels == 1]
    np.testing.assert_allclose(np.linalg.norm(upper, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(lower - [1, 0.5], axis=1), 1, rtol=1e-5)
    assert upper[:, 1].min() >= 0
    assert lower[:, 1].max() <= 0.5
    assert len(upper) == pytest.approx(1000, abs=100)
    assert data.classes == ("upper", "lower")


def test_normalized_moons_are_centred():
    points = two_moons(5000, noise=0).samples
    np.testing.assert_allclose(points.max(axis=0), [1, 0.5], atol=1e-3)
    np.testing.assert_allclose(points.min(axis=0), [-1, -0.5], atol=1e-3)


@pytest.mark.parametrize("draw", [swiss_roll, two_moons])
def test_noise_has_the_standard_deviation_asked_for(draw):
    noise = draw(20_000, noise=0.2, normalize=False).samples - draw(20_000, noise=0, normalize=False).samples
    np.testing.assert_allclose(noise.std(axis=0), 0.2, rtol=0.03)
    np.testing.assert_allclose(noise.mean(axis=0), 0, atol=0.006)
