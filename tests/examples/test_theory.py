"""What the examples of examples/theory say is asserted, with the numbers of the theory."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import minigan as mg

FOLDER = Path(__file__).parents[2] / "examples" / "theory"


@pytest.fixture(autouse=True)
def one_thread():
    """Small networks on a machine that may be busy: two threads would wait for each other."""
    before = mg.get_num_threads()
    mg.set_num_threads(1)
    yield
    mg.set_num_threads(before)


def run(name, tmp_path, *arguments):
    """The example and its numbers; it draws its picture."""
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found = module.main(["--out", str(tmp_path / "picture.png"), *arguments])
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
    return module, found


def test_d_learns_the_ratio_of_densities_and_pays_the_divergence(tmp_path):
    """Goodfellow et al. 2014, proposition 1 and theorem 1; Salimans et al. 2016, §3.4."""
    module, found = run("optimal_discriminator", tmp_path)
    for title in module.TARGETS:
        assert found[title] < 0.04, title
    assert found["value"] == pytest.approx(found["theory"], abs=0.01)
    assert -2 * np.log(2) < found["theory"] < 0  # the value of the game where p = q, and where they do not overlap


def test_the_dirac_gan_circles_or_comes_to_rest_as_its_eigenvalues_say(tmp_path):
    """Mescheder, Geiger and Nowozin 2018, §2 and §4."""
    module, found = run("dirac_gan", tmp_path)
    for name, expected in module.THEORY.items():
        ours, theirs = (sorted(values, key=np.imag) for values in (found[name]["eigenvalues"], expected))
        np.testing.assert_allclose(ours, theirs, atol=1e-12)
    for name in ("minimax", "WGAN"):  # θθ' + ψψ' = 0 for every f
        assert found[name]["radius"] == pytest.approx(found[name]["radius"][0], rel=1e-5)
    radius = found["minimax with R1"]["radius"]
    times = module.STEP * np.arange(len(radius))
    rate = np.polyfit(times[200:], np.log(radius[200:]), 1)[0]
    assert rate == pytest.approx(-module.GAMMA / 2, abs=0.01)
    late = found["WGAN-GP"]["radius"][400:]
    assert (late.min() > 1, late.max() < 1.5) == (True, True)  # on a circle of its own


def test_the_saturating_gradient_vanishes_and_the_others_do_not(tmp_path):
    """Arjovsky and Bottou 2017, theorems 2.4 and 2.6; the slope of the Wasserstein distance |θ| is 1."""
    _, found = run("vanishing_gradients", tmp_path)
    last = {name: curve[-5:, 1] for name, curve in found.items()}
    assert np.median(np.abs(last["saturating"])) < 1e-3
    assert np.median(last["non-saturating"]) > 3
    assert np.median(last["Wasserstein"]) == pytest.approx(1, abs=0.15)


def test_a_generator_holds_one_mode_and_hops_to_the_next(tmp_path):
    """Metz et al. 2017, §3.1 and figure 2: never more than few of the eight modes at once, and most of them in turn."""
    _, found = run("mode_hopping", tmp_path, "--steps", "2500")
    assert (tmp_path / "picture.gif").read_bytes().startswith(b"GIF")
    assert found["count"].max() <= 3
    assert found["count"][found["caught"]].mean() < 1.5
    assert len(set(found["first"][found["caught"]].tolist())) >= 6
    assert found["hops"] >= 10


def test_an_f_gan_finds_the_best_gaussian_and_its_divergence(tmp_path):
    """Nowozin et al. 2016: the bound is reached, from below; KL wants a wider Gaussian than reverse KL."""
    module, found = run("f_gan_bounds", tmp_path, "--divergences", "reverse-kl,kl", "--steps", "900")
    for name, ((mu, sigma, least), (m, s, bound)) in found.items():
        assert (m, s) == (pytest.approx(mu, abs=0.08), pytest.approx(sigma, abs=0.08)), name
        assert bound == pytest.approx(module.exact(name, m, s), abs=0.015), name
        assert bound < least + 0.005, name
    assert found["kl"][0][1] > found["reverse-kl"][0][1] + 0.05
