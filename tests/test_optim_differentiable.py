"""minigan.optim.differentiable_step: the numbers of step(), which changes nothing, and derivatives to second order."""

import numpy as np
import pytest

import minigan as mg
from minigan import optim
from minigan.optim import UnrolledState, differentiable_step

SHAPES = [(3,), (2, 3), ()]
OPTIMISERS = {
    "SGD": {"lr": 0.1},
    "SGD with decay": {"lr": 0.1, "weight_decay": 0.1},
    "SGD with momentum": {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1},
    "SGD with Nesterov": {"lr": 0.1, "momentum": 0.9, "nesterov": True},
    "RMSprop": {"lr": 0.01, "weight_decay": 0.1},
    "RMSprop, centred, with momentum": {"lr": 0.01, "centered": True, "momentum": 0.9},
    "Adam": {"lr": 0.01, "betas": (0.5, 0.9), "weight_decay": 0.1},
    "Adam of WGAN-GP": {"lr": 0.01, "betas": (0.0, 0.9)},
    "AdamW": {"lr": 0.01, "weight_decay": 0.1},
}
EVERY_OPTIMISER = pytest.mark.parametrize(("name", "options"), OPTIMISERS.items(), ids=OPTIMISERS)


def make(name, params, **options):
    return getattr(optim, name.replace(",", "").split()[0])(params, **options)


def parameters(rng, dtype="float64"):
    return [mg.Tensor(np.asarray(rng.standard_normal(shape), dtype), requires_grad=True) for shape in SHAPES]


def gradients(params, rng):
    return {p: mg.Tensor(np.asarray(rng.standard_normal(p.shape), p.dtype)) for p in params}


def step(optimizer, grads):
    for p, g in grads.items():
        p.grad = g
    optimizer.step()


def everything(optimizer):
    """All that a step could change, as copies."""
    arrays = optimizer.state_dict()
    for i, p in enumerate(optimizer.state):
        arrays |= {f"{i}.value": p.data.copy(), f"{i}.grad": None if p.grad is None else p.grad.data.copy()}
        arrays |= {f"{i}.version": p._version}
    return arrays


def assert_same(a, b):
    assert list(a) == list(b)
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


@EVERY_OPTIMISER
@pytest.mark.parametrize("before", [0, 2])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-13), ("float32", 2e-6)])
def test_four_steps_have_the_numbers_of_real_ones_and_change_nothing(name, options, before, dtype, tolerance):
    """With a parameter now and then that no gradient reaches."""
    rng = np.random.default_rng(0)
    params = parameters(rng, dtype)
    optimizer = make(name, params, **options)
    for _ in range(before):
        step(optimizer, gradients(params, rng))
    found = everything(optimizer)
    course = [gradients(params, rng) for _ in range(4)]
    course[1][params[0]] = None
    del course[2][params[1]]
    states = [None]
    for grads in course:
        states.append(differentiable_step(optimizer, grads, states[-1]))
        assert_same(everything(optimizer), found)
    for grads, state in zip(course, states[1:]):
        optimizer.zero_grad()
        step(optimizer, grads)
        assert state.steps == optimizer.steps
        for p in params:
            assert state.values[p].dtype == dtype
            np.testing.assert_allclose(state.values[p].detach().numpy(), p.data, rtol=tolerance, atol=tolerance)
            assert list(state.moments[p]) == list(optimizer.state[p])
            for moment, array in optimizer.state[p].items():
                np.testing.assert_allclose(
                    state.moments[p][moment].detach().numpy(), array, rtol=tolerance, atol=tolerance
                )


@EVERY_OPTIMISER
def test_derivatives_of_two_steps_agree_with_differences_to_second_order(name, options):
    """With respect to the values before, both gradients, and the moments."""
    rng = np.random.default_rng(1)
    p = mg.Tensor(rng.standard_normal(3), requires_grad=True)
    optimizer = make(name, [p], **options)
    for _ in range(2):
        step(optimizer, {p: mg.Tensor(rng.standard_normal(3))})
    names = list(optimizer.state[p])

    def f(value, g1, g2, *moments):
        state = UnrolledState({p: value}, {p: 2}, {p: dict(zip(names, moments))})
        state = differentiable_step(optimizer, {p: g1}, state)
        state = differentiable_step(optimizer, {p: g2}, state)
        return state.values[p], *state.moments[p].values()

    inputs = [mg.Tensor(rng.standard_normal(3)) for _ in range(3)]
    moments = [mg.Tensor(m.copy()) for m in optimizer.state[p].values()]
    assert mg.check.gradcheck(f, [*inputs, *moments], order=2)


def test_groups_have_their_own_options_which_are_those_of_now():
    rng = np.random.default_rng(2)
    params = parameters(rng)
    optimizer = optim.Adam([{"params": params[:1], "lr": 0.5}, {"params": params[1:]}], lr=0.1)
    optimizer.param_groups[1]["lr"] = 0.2
    grads = gradients(params, rng)
    state = differentiable_step(optimizer, grads)
    step(optimizer, grads)
    for p in params:
        np.testing.assert_allclose(state.values[p].detach().numpy(), p.data, rtol=1e-13)


def test_after_a_real_step_the_moments_of_before_are_still_there_and_a_graph_of_before_says_that_it_is_old():
    w, c = mg.tensor([1.0], requires_grad=True), mg.tensor([2.0], requires_grad=True)
    optimizer = optim.Adam([w], lr=0.1)
    step(optimizer, {w: mg.ones(1)})
    before = optimizer.state[w]["exp_avg"].copy()
    now, later = differentiable_step(optimizer, {}), differentiable_step(optimizer, {w: c * w})
    step(optimizer, {w: mg.ones(1)})
    np.testing.assert_array_equal(now.moments[w]["exp_avg"].numpy(), before)
    with pytest.raises(RuntimeError, match="which was given new values after the forward pass"):
        mg.grad(later.values[w], c)


# ------------------------------------------------------------------------------------------------- a gradient that is 0


@pytest.mark.parametrize("name", ["Adam", "AdamW", "RMSprop", "RMSprop, centred, with momentum"])
@pytest.mark.parametrize("steps", [1, 3])
def test_units_that_never_had_a_gradient_have_derivatives_to_second_order(name, steps):
    """Three of four gradients are 0 · c, the first for every c, and no NaN comes of it, in no derivative."""
    p = mg.Tensor(np.ones(4), requires_grad=True)
    optimizer = make(name, [p], **OPTIMISERS[name])
    c = mg.Tensor(np.array([0.0, 0.0, 0.0, 2.0]), requires_grad=True)
    factor = mg.Tensor(np.array([0.0, 1.0, 1e-200, 1.0]))
    state = None
    for _ in range(steps):
        state = differentiable_step(optimizer, {p: factor * c}, state)
    (first,) = mg.grad((state.values[p] ** 2).sum(), c, create_graph=True)
    (second,) = mg.grad(first.sum(), c)
    assert np.isfinite(first.detach().numpy()).all()
    assert np.isfinite(second.numpy()).all()
    assert first[0].item() == 0
    assert second[0].item() == 0
    assert first[3].item() != 0


def test_the_derivative_of_adams_first_step_at_0_is_the_limit_from_both_sides():
    """lr·g/(|g| + eps) has the slope lr·eps/(|g| + eps)², which is lr/eps at 0."""
    p = mg.Tensor(np.zeros(5), requires_grad=True)
    optimizer = optim.Adam([p], lr=0.1, betas=(0.5, 0.9), eps=1e-2)
    g = mg.Tensor(np.array([-1e-2, -1e-9, 0.0, 1e-9, 1e-2]), requires_grad=True)
    (slope,) = mg.grad(differentiable_step(optimizer, {p: g}).values[p].sum(), g)
    np.testing.assert_allclose(slope.numpy(), [-2.5, -10, -10, -10, -2.5], rtol=1e-6)


def test_a_variance_below_0_by_rounding_is_0():
    p = mg.Tensor(np.zeros(1), requires_grad=True)
    optimizer = optim.RMSprop([p], lr=0.1, centered=True)
    g = mg.Tensor(np.full(1, 0.3), requires_grad=True)
    moments = {"square_avg": mg.Tensor(np.full(1, 0.09)), "grad_avg": mg.Tensor(np.full(1, 0.3 + 1e-15))}
    state = differentiable_step(optimizer, {p: g}, UnrolledState({p: p}, {p: 5}, {p: moments}))
    assert state.values[p].item() == pytest.approx(-0.1 * 0.3 / 1e-8)
    assert np.isfinite(mg.grad(state.values[p], g)[0].item())


# ------------------------------------------------------------------------------------------------------------ refusals


def test_what_has_no_rule_is_refused():
    class Lion(optim.SGD):
        pass

    w = mg.ones(1, requires_grad=True)
    with pytest.raises(TypeError, match="no rule for Lion; there are SGD, RMSprop, Adam, AdamW"):
        differentiable_step(Lion([w]), {w: w})


def test_gradients_that_do_not_fit_are_refused():
    w = mg.tensor([1.0, 2.0], requires_grad=True)
    optimizer = optim.SGD([w])
    with pytest.raises(TypeError, match=r"gradients is a list, expected a dict .* dict\(zip\(parameters"):
        differentiable_step(optimizer, [w])
    with pytest.raises(ValueError, match=r"a gradient for a Tensor of shape \(2,\), which is no parameter of this SGD"):
        differentiable_step(optimizer, {w * 2: w})
    with pytest.raises(TypeError, match="the gradient of its parameter is a float, expected a Tensor or None"):
        differentiable_step(optimizer, {w: 1.0})
    with pytest.raises(
        ValueError, match=r"the gradient has shape \(1,\) and type float32, but its parameter has shape"
    ):
        differentiable_step(optimizer, {w: mg.ones(1)})
    with pytest.raises(ValueError, match="type float64, but"):
        differentiable_step(optimizer, {w: mg.ones(2, dtype=np.float64)})


def test_momentum_that_was_switched_on_later_is_refused():
    w = mg.ones(1, requires_grad=True)
    optimizer = optim.SGD([w])
    optimizer.param_groups[0]["momentum"] = 0.9
    with pytest.raises(ValueError, match=r"ask for the moments \('momentum_buffer',\), but those of \(\) were made"):
        differentiable_step(optimizer, {w: mg.ones(1)})
