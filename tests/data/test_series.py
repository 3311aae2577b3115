"""Tones have the pitch that their label says and the sound of a plucked string; sines are sines of random frequencies."""

import numpy as np
import pytest

from minigan.data import series
from minigan.data.series import PITCHES, sines, tones

SETS = [tones, sines]


@pytest.mark.parametrize("draw", SETS)
def test_a_seed_decides_everything(draw):
    first, again, other = draw(20, seed=4), draw(20, seed=4), draw(20, seed=5)
    np.testing.assert_array_equal(first.samples, again.samples)
    np.testing.assert_array_equal(first.labels, again.labels)
    assert not (first.samples == other.samples).all(axis=(1, 2)).any()


@pytest.mark.parametrize("draw", SETS)
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"n": 0}, ValueError, "n is 0; expected 1 or more"),
        ({"n": 10.0}, TypeError, "n must be an int, not 10.0"),
        ({"n": 10, "seed": -1}, ValueError, "seed is -1; expected 0 or more"),
        ({"n": 10, "length": 0}, ValueError, "length is 0; expected 1 or more"),
    ],
)
def test_bad_arguments(draw, arguments, error, message):
    with pytest.raises(error, match=f"^{draw.__name__}: {message}"):
        draw(**arguments)


# ----------------------------------------------------------------------------------------------------------------------
# Tones
# ----------------------------------------------------------------------------------------------------------------------


def loudest_frequencies(sounds, rate, low=0.0, high=np.inf):
    """The frequency `(N,)` in Hz at which each sound `(N, L)` is loudest between two, to a hundredth of a semitone."""
    spectrum = np.abs(np.fft.rfft(sounds * np.hanning(sounds.shape[1]), n=1 << 18))
    frequencies = np.fft.rfftfreq(1 << 18, 1 / rate)
    return frequencies[np.where((frequencies > low) & (frequencies < high), spectrum, 0).argmax(axis=1)]


def test_tones_have_the_form_that_they_promise():
    data = tones(100)
    assert data.samples.shape == (100, 1, 4096)
    assert data.samples.dtype == np.float32
    assert data.samples.flags.c_contiguous
    assert data.labels.dtype == np.int64
    assert data.classes == ("C4", "D4", "E4", "F4", "G4", "A4", "B4", "C5")
    assert set(data.labels) == set(range(8))


def test_the_scale_is_c_major():
    expected = [261.63, 293.66, 329.63, 349.23, 392.00, 440.00, 493.88, 523.25]
    np.testing.assert_allclose(PITCHES, expected, atol=0.005)


@pytest.mark.parametrize("rate", [8000, 16_000])
def test_the_label_is_the_pitch_within_ten_cents(rate):
    data = tones(120, seed=1, length=rate, rate=rate)
    heard = loudest_frequencies(data.samples[:, 0], rate)
    cents = 1200 * np.log2(heard / PITCHES[data.labels])
    assert np.abs(cents).max() < 10.5
    assert cents.min() < -7  # and all that room is used
    assert cents.max() > 7


def test_harmonics_are_whole_multiples_whose_loudness_falls():
    data = tones(8, seed=2)
    sounds = data.samples[:, 0]
    pitch = loudest_frequencies(sounds, 16_000)
    power = np.abs(np.fft.rfft(sounds * np.hanning(4096), n=1 << 18))
    bins = np.rint(pitch * (1 << 18) / 16_000).astype(int)
    at = np.stack([power[np.arange(8), h * bins] for h in range(1, 7)])  # (harmonics, 8)
    assert (at[1:5] < at[:4]).all()
    assert (at[4] > 10 * at[5]).all()  # five of them, and no sixth
    for h in (2, 3):
        heard = loudest_frequencies(sounds[:1], 16_000, (h - 0.4) * pitch[0], (h + 0.4) * pitch[0])
        assert heard[0] == pytest.approx(h * pitch[0], rel=2e-3)


def test_a_tone_is_plucked():
    """It begins from silence, is loudest after a few milliseconds, and dies away by half every 55 (d log 2)."""
    sounds = np.abs(tones(200, seed=3).samples[:, 0])
    assert sounds[:, 0].max() < 1e-6
    loudest = sounds.argmax(axis=1) / 16_000
    assert loudest.min() > 0.002
    assert loudest.max() < 0.02
    late = np.stack([sounds[:, i : i + 400].max(axis=1) for i in (2000, 2880)])  # 55 ms between them
    np.testing.assert_allclose(late[1] / late[0], 0.5, atol=0.06)
    assert sounds[:, -100:].max() < 0.05


def test_tones_differ_in_loudness_and_phase():
    data = tones(400, seed=4)
    peaks = np.abs(data.samples).max(axis=(1, 2))
    assert 1.8 < peaks.max() / peaks.min() < 2.6  # g from 1/2 to 1, and a little from the phase
    assert peaks.max() < 1
    starts = data.samples[:, 0, 8]
    assert 0.3 < (starts > 0).mean() < 0.7


def test_the_bound_on_the_values_is_the_maximum_of_the_sum():
    h = np.arange(1, series.HARMONICS + 1)
    theta = np.linspace(0, 2 * np.pi, 100_001)
    assert (np.sin(h * np.pi / 6) / h).sum() == pytest.approx((np.sin(h * theta[:, None]) / h).sum(axis=1).max())


def test_no_attack_and_no_decay_reach_the_bound_and_do_not_pass_it(monkeypatch):
    monkeypatch.setattr(series, "ATTACK", 1e-9)
    monkeypatch.setattr(series, "DECAY", 1e9)
    peaks = np.abs(tones(300, seed=5).samples).max()
    assert 0.98 < peaks <= 1


@pytest.mark.parametrize("n", [1, 15, 16, 17, 33])
def test_no_tone_is_left_out(n):
    assert (np.abs(tones(n, length=200).samples).max(axis=(1, 2)) > 0.1).all()


def test_a_tone_is_its_formula():
    data = tones(1, seed=7, length=300)
    rng = np.random.default_rng(7)
    label = rng.integers(8, size=1)[0]
    pitch, phase = PITCHES[label] * 2 ** (rng.uniform(-10, 10) / 1200), rng.uniform(0, 1)
    loudness = rng.uniform(0.5, 1)
    t = np.arange(300) / 16_000
    total = sum(np.exp(-h * t / 0.08) / h * np.sin(2 * np.pi * h * (pitch * t + phase)) for h in range(1, 6))
    bound = sum(np.sin(h * np.pi / 6) / h for h in range(1, 6))
    expected = loudness * (1 - np.exp(-t / 0.003)) * total / bound
    np.testing.assert_allclose(data.samples[0, 0], expected, atol=2e-6)


@pytest.mark.parametrize("rate", [1, 5262])
def test_a_rate_at_which_harmonics_would_be_others_is_refused(rate):
    with pytest.raises(ValueError, match=rf"^tones: rate is {rate}; expected 5263 or more, twice the 2631 Hz"):
        tones(3, rate=rate)
    assert len(tones(3, rate=5263)) == 3


# ----------------------------------------------------------------------------------------------------------------------
# Sines
# ----------------------------------------------------------------------------------------------------------------------


def test_sines_have_the_form_that_they_promise():
    data = sines(50)
    assert data.samples.shape == (50, 5, 24)
    assert data.samples.dtype == np.float32
    assert data.labels is None
    assert np.abs(data.samples).max() <= 1
    assert sines(3, length=7, features=2).samples.shape == (3, 2, 7)


def frequencies(samples):
    """η of each feature, from x(k+1) + x(k−1) = 2 cos(2π η / 8) x(k), by least squares."""
    x = samples.astype(np.float64)
    middle, ends = x[..., 1:-1], x[..., 2:] + x[..., :-2]
    cosine = (middle * ends).sum(-1) / (2 * middle**2).sum(-1)
    assert (np.abs(ends - 2 * cosine[..., None] * middle) < 1e-5).all()  # it is a sine
    return np.arccos(np.clip(cosine, -1, 1)) * 8 / (2 * np.pi)


def test_frequencies_are_uniform_up_to_a_period_every_eight_steps():
    eta = frequencies(sines(2000, seed=1).samples).ravel()  # 10,000
    quantiles = np.quantile(eta, np.arange(0.1, 1, 0.1))
    np.testing.assert_allclose(quantiles, np.arange(0.1, 1, 0.1), atol=0.02)
    assert 0.99 < eta.max() < 1.001


def test_phases_are_uniform():
    """Then x(0) = sin θ has the arcsine law: its quantiles are those of the sine of a uniform angle."""
    start = sines(2000, seed=2).samples[..., 0].ravel()
    share = np.arange(0.1, 1, 0.1)
    np.testing.assert_allclose(np.quantile(start, share), np.sin(np.pi * (share - 0.5)), atol=0.05)


def test_features_are_independent():
    samples = sines(2000, seed=3).samples
    eta = frequencies(samples)
    for values in (eta, samples[..., 0]):
        correlation = np.corrcoef(values.T) - np.eye(5)
        assert np.abs(correlation).max() < 0.1


def test_more_steps_make_the_same_curves_longer():
    np.testing.assert_array_equal(sines(4, length=50).samples[..., :24], sines(4).samples)
