"""The engine: what `grad` and `backward` compute, which part of the graph they visit, what they refuse, and that a graph
is freed the moment its loss is."""

import copy
import gc
import math
import operator
import re
import tracemalloc
import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigan as mg
from minigan.tensor import Function, Tensor

PROPERTY = settings(deadline=None, derandomize=True, max_examples=80)


def leaf(*values, name=None):
    return Tensor(np.array(values, np.float64), requires_grad=True, name=name)


def numbers(*tensors):
    return [t.data.tolist() for t in tensors]


class Note(Function):
    """The identity, or the sum of its inputs; writes into `log` what its backward was asked for."""

    def __init__(self, label, log):
        self.label, self.log = label, log

    def forward(self, *arrays):
        return sum(arrays[1:], arrays[0])

    def backward(self, grad):
        self.log.append((self.label, self.needs))
        return (grad,) * len(self.inputs)


@pytest.fixture
def no_gc():
    """Only reference counts free memory inside the test."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


# --------------------------------------------------------------------------------------------- a Tensor by itself


def test_a_new_tensor_is_a_leaf_without_gradient():
    x = Tensor([1.0, 2.0])
    assert (x.is_leaf, x.requires_grad, x.grad, x.grad_fn, x.name) == (True, False, None, None, None)


def test_an_array_is_shared_not_copied():
    array = np.ones(3, np.float32)
    assert Tensor(array).data is array
    assert np.shares_memory(Tensor(Tensor(array)).data, array)
    assert not np.shares_memory(mg.tensor(array).data, array)


@pytest.mark.parametrize("data", [[1, 2], [True], np.ones(2, np.uint8)])
def test_integers_and_bools_have_no_gradient(data):
    with pytest.raises(TypeError, match=r"requires_grad: only float32 and float64 have gradients, this tensor is \w+"):
        Tensor(data, requires_grad=True)
    with pytest.raises(TypeError, match="requires_grad"):
        Tensor(data).requires_grad_()
    assert not Tensor(data).requires_grad_(False).requires_grad


def test_requires_grad_returns_the_tensor_and_only_a_leaf_can_be_told_false():
    x = leaf(1.0)
    assert x.requires_grad_(False) is x
    assert not x.requires_grad
    y = x.requires_grad_() * 2
    assert y.requires_grad_() is y
    with pytest.raises(RuntimeError, match=r"requires_grad: only a leaf .* detach\(\)"):
        y.requires_grad_(False)


def test_detach_shares_the_values_and_leaves_the_graph():
    x = leaf(1.0, 2.0)
    y = (x * 2).detach()
    assert y.is_leaf
    assert not y.requires_grad
    assert x.detach().data is x.data


def test_new_data_raise_the_version_and_keep_the_array_that_was_there():
    x = leaf(1.0, 2.0)
    before = x.data
    x.data = x.data - 1.0
    assert x._version == 1
    assert numbers(x) == [[0.0, 1.0]]
    assert before.tolist() == [1.0, 2.0]
    x.data = Tensor(np.array([5.0, 6.0]))  # a Tensor's values will do
    assert (x._version, numbers(x)) == (2, [[5.0, 6.0]])


@pytest.mark.parametrize("array", [np.zeros(3), np.zeros((2, 1)), np.zeros(2, np.float32), np.zeros(2, int), 0.0])
def test_new_data_of_another_shape_or_type_are_refused(array):
    x = leaf(1.0, 2.0, name="weight")
    with pytest.raises(
        ValueError, match=r"data: the new array has shape .* but weight has shape \(2,\) and type float64"
    ):
        x.data = array
    assert (x._version, numbers(x)) == (0, [[1.0, 2.0]])


def test_only_a_leaf_can_be_given_new_data():
    y = leaf(1.0) * 2
    with pytest.raises(RuntimeError, match=r"data: only a leaf gets new data; Mul made this tensor: detach\(\) it"):
        y.data = np.zeros(1)


def test_a_set_of_tensors_goes_by_identity_though_equality_compares_values():
    a, b = Tensor([1.0]), Tensor([1.0])
    assert (a == b).data.all()
    assert len({a, b, a}) == 2


def test_a_deep_copy_of_a_leaf_is_a_leaf_of_its_own():
    x = leaf(1.0, 2.0, name="weight")
    y = copy.deepcopy(x)
    assert (y.name, y.requires_grad, y.grad_fn, numbers(y)) == ("weight", True, None, numbers(x))
    assert not np.shares_memory(x.data, y.data)


# ------------------------------------------------------------------------------------- grad: values on small graphs


def test_grad_of_a_tensor_used_twice_adds_up():
    x = leaf(3.0)
    (g,) = mg.grad(x * x, x)
    assert numbers(g) == [[6.0]]


def test_grad_of_a_diamond():
    x = leaf(2.0)
    a = x * 3
    y = a * a + mg.exp(a)
    (g,) = mg.grad(y, x)
    np.testing.assert_allclose(g.data, 3 * (2 * 6 + math.exp(6)), rtol=1e-15)


def test_grad_for_several_inputs_comes_in_their_order_with_their_shapes_and_types():
    w = Tensor(np.full((2, 3), 2.0, np.float32), requires_grad=True)
    b = Tensor(np.ones(3), requires_grad=True)
    y = (w.to(np.float64) * b).sum()
    db, dw = mg.grad(y, [b, w])
    assert (db.shape, db.dtype) == ((3,), np.float64)
    assert (dw.shape, dw.dtype) == ((2, 3), np.float32)
    assert numbers(db, dw) == [[4.0] * 3, [[1.0] * 3] * 2]


def test_grad_of_several_outputs_is_the_sum():
    x = leaf(2.0)
    y, z = x**2, x**3
    assert numbers(*mg.grad([y, z], x)) == [[4.0 + 12.0]]
    assert numbers(*mg.grad([y, z, y], x)) == [[4.0 + 12.0 + 4.0]]
    assert numbers(*mg.grad([y, z], x, [Tensor(np.array([10.0])), None])) == [[40.0 + 12.0]]


def test_grad_outputs_are_the_vector_of_the_vector_jacobian_product():
    x = leaf(1.0, 2.0, 3.0)
    v = Tensor(np.array([1.0, 0.0, -2.0]))
    assert numbers(*mg.grad(x**2, x, v)) == [[2.0, 0.0, -12.0]]
    assert numbers(*mg.grad(x**2, x, [v])) == [[2.0, 0.0, -12.0]]


def test_grad_with_respect_to_places_inside_the_graph():
    x = leaf(2.0)
    a = x * 3
    b = a * a
    y = b * 5
    assert numbers(*mg.grad(y, a)) == [[60.0]]
    assert numbers(*mg.grad(y, [y, b, a, x])) == [[1.0], [5.0], [60.0], [180.0]]


def test_an_input_on_the_way_to_another_passes_its_whole_gradient_on():
    """`a` is wanted itself, and it is also on both paths to x."""
    x = leaf(2.0)
    a = x * 3
    y = a * a + a
    assert numbers(*mg.grad(y, [a, x])) == numbers(*mg.grad(y, [x, a]))[::-1] == [[13.0], [39.0]]


def test_an_output_on_the_way_to_another_gives_its_own_seed_as_well():
    x = leaf(2.0)
    a = x * 3
    y = a * a
    assert numbers(*mg.grad([a, y], x)) == [[3.0 + 36.0]]


def test_an_input_named_twice_gets_two_tensors():
    x = leaf(2.0)
    first, second = mg.grad(x * x, [x, x])
    assert numbers(first, second) == [[4.0], [4.0]]
    assert first is not second


def test_the_gradients_are_separate_objects():
    """A sum hands one gradient to all its inputs; who scales the one that came back must not scale the others, or `v`."""
    a, b = leaf(1.0), leaf(2.0)
    v = Tensor(np.array([1.0]))
    results = mg.grad(a + b, [a, b], v)
    for g in results:
        g.data = g.data * 10
    assert numbers(*results, v) == [[10.0], [10.0], [1.0]]


def test_without_create_graph_nothing_is_recorded_even_if_the_seed_is_in_a_graph():
    x, v = leaf(1.0), leaf(3.0)
    for y in (x * 2, x + 0, x):
        (g,) = mg.grad(y, x, v * 1)
        assert not g.requires_grad
        assert g.grad_fn is None


def test_with_create_graph_the_seed_can_be_differentiated():
    """Jᵀv differentiated by v is the other product, with J itself: forward mode out of reverse mode twice."""
    x, v = leaf(1.0, 2.0), leaf(0.0, 0.0)
    (g,) = mg.grad(x**3, x, v, create_graph=True)
    (jvp,) = mg.grad(g, v, Tensor(np.array([1.0, 10.0])))
    assert numbers(jvp) == [[3.0, 120.0]]


def test_grad_leaves_every_grad_alone():
    x = leaf(2.0)
    a = x * x
    mg.grad(a * 2, [x, a])
    assert x.grad is None
    assert a.grad is None


def test_an_output_that_is_a_leaf_has_the_gradient_one():
    x = leaf(2.0)
    assert numbers(*mg.grad(x, x)) == [[1.0]]


def test_grad_of_an_empty_tensor_is_empty():
    x = Tensor(np.zeros((0, 3)), requires_grad=True)
    (g,) = mg.grad((x * 2).sum(), x)
    assert g.shape == (0, 3)


def test_the_graph_can_be_walked_again_and_again():
    x = leaf(2.0)
    y = mg.exp(x) * x
    assert numbers(*mg.grad(y, x)) == numbers(*mg.grad(y, x)) == numbers(*mg.grad(y, x, create_graph=True))


@st.composite
def programs(draw):
    """Random straight-line programs on scalars: each line combines two earlier values, and any value may be reused."""
    leaves = draw(st.integers(1, 3))
    lines = []
    for k in range(draw(st.integers(1, 12))):
        arguments = st.integers(0, leaves + k - 1)
        lines.append((draw(st.sampled_from(["add", "mul", "sub", "sin", "scale"])), draw(arguments), draw(arguments)))
    return leaves, lines


@PROPERTY
@given(programs(), st.data())
def test_grad_between_any_two_places_is_what_forward_mode_says(program, data):
    """Forward mode carries dv/ds of every value v along with it: no graph, no walk, so it can be trusted."""
    leaves, lines = program
    seed = data.draw(st.integers(0, leaves + len(lines) - 1), label="differentiated place")

    def run(values, combine):
        for operation, i, j in lines:
            values.append(combine(operation, values[i], values[j], len(values)))
        return values

    def dual(operation, a, b, place):
        (u, du), (v, dv) = a, b
        y, dy = {
            "add": (u + v, du + dv),
            "sub": (u - v, du - dv),
            "mul": (u * v, du * v + u * dv),
            "sin": (math.sin(u), math.cos(u) * du),
            "scale": (0.5 * u, 0.5 * du),
        }[operation]
        return y, 1.0 if place == seed else dy

    def tensors(operation, a, b, place):
        table = {"add": a + b, "sub": a - b, "mul": a * b, "sin": mg.sin(a), "scale": a * 0.5}
        return table[operation]

    start = [0.3 + 0.4 * i for i in range(leaves)]
    expected = run([(u, 1.0 if i == seed else 0.0) for i, u in enumerate(start)], dual)
    values = run([leaf(u) for u in start], tensors)
    for create_graph in (False, True):
        (g,) = mg.grad(values[-1], values[seed], create_graph=create_graph, allow_unused=True)
        np.testing.assert_allclose(0.0 if g is None else g.item(), expected[-1][1], rtol=1e-9, atol=1e-12)
    everything = mg.grad(values[-1], values, allow_unused=True)
    np.testing.assert_allclose(
        0.0 if everything[seed] is None else everything[seed].item(), expected[-1][1], atol=1e-12
    )


# --------------------------------------------------------------------------- grad: which part of the graph it visits


def branches():
    """x ── A ── a ── B ── b ──┐
    D ── y        w ── C ── c is the other way into D"""
    log, x, w = [], leaf(1.0), leaf(2.0)
    a = Note("A", log)(x)
    b = Note("B", log)(a)
    c = Note("C", log)(w)
    return log, x, w, a, b, c, Note("D", log)(b, c)


@pytest.mark.parametrize(
    ("outputs", "inputs", "visited"),
    [
        ("y", "x", [("D", (True, False)), ("B", (True,)), ("A", (True,))]),
        ("y", "w", [("D", (False, True)), ("C", (True,))]),
        ("y", "xw", [("D", (True, True)), ("C", (True,)), ("B", (True,)), ("A", (True,))]),
        ("y", "b", [("D", (True, False))]),
        ("y", "ac", [("D", (True, True)), ("B", (True,))]),
        ("b", "x", [("B", (True,)), ("A", (True,))]),
        ("bc", "x", [("B", (True,)), ("A", (True,))]),
        ("y", "y", []),
    ],
)
def test_grad_visits_only_what_lies_between_and_asks_only_for_what_it_needs(outputs, inputs, visited):
    log, *tensors = branches()
    place = dict(zip("xwabcy", tensors))
    mg.grad([place[k] for k in outputs], [place[k] for k in inputs])
    assert log == visited


def test_a_frozen_leaf_is_not_needed():
    log, x, w = [], leaf(1.0), leaf(2.0).requires_grad_(False)
    Note("join", log)(x, w).backward()
    assert log == [("join", (True, False))]
    assert w.grad is None


def test_every_node_is_visited_once_however_many_paths_lead_to_it():
    log, x = [], leaf(1.0)
    y = x
    for k in range(40):  # 2⁴⁰ paths
        y = Note(k, log)(y, y)
    (g,) = mg.grad(y, x)
    assert g.item() == 2.0**40
    assert [k for k, _ in log] == list(range(40))[::-1]


def test_newest_first_is_a_topological_order_when_paths_differ_in_length():
    """The short path from y to a must not let A run before the long path has arrived."""
    log, x = [], leaf(1.0)
    a = Note("A", log)(x)
    long = a
    for _ in range(3):
        long = Note("long", log)(long)
    (g,) = mg.grad(Note("join", log)(a, long), x)
    assert g.item() == 2.0
    assert [k for k, _ in log] == ["join", "long", "long", "long", "A"]


def test_what_was_frozen_in_the_forward_pass_stays_frozen_in_its_backward():
    """A discriminator that is unfrozen before the generator's backward() must not get the generator's gradients; and half
    of them would be missing, because the part of the graph that only it leads to was never recorded."""
    w, frozen = leaf(3.0), leaf(2.0).requires_grad_(False)
    y = (frozen * 2) * w + frozen * w
    frozen.requires_grad_()
    y.backward()
    assert numbers(w.grad) == [[6.0]]
    assert frozen.grad is None
    with pytest.raises(RuntimeError, match="grad: no output depends on input 0"):
        mg.grad(y, frozen)


def test_what_is_frozen_after_the_forward_pass_gets_no_gradient():
    w, x = leaf(3.0), leaf(2.0)
    y = w * x
    w.requires_grad_(False)
    y.backward()
    assert w.grad is None
    assert numbers(x.grad) == [[3.0]]
    with pytest.raises(RuntimeError, match=r"input 0 of shape \(1,\), which has requires_grad=False"):
        mg.grad(y, w)


# ------------------------------------------------------------------------------------------ grad: what it refuses


def refusals():
    x, other, constant = leaf(1.0, 2.0), leaf(1.0), Tensor(np.ones(2))
    y = x * 2
    ones32, ones64 = Tensor(np.ones(2, np.float32)), Tensor(np.ones(2))
    return {
        "no gradient": (lambda: mg.grad(constant, x), RuntimeError, r"shape \(2,\) depends on nothing .* no_grad\(\)"),
        "not a number": (
            lambda: mg.grad(y, x),
            RuntimeError,
            r"has shape \(2,\), and only a single number .* \(y\.sum\(\)",
        ),
        "unused": (
            lambda: mg.grad(y, other, ones64),
            RuntimeError,
            r"input 0 of shape \(1,\)\. Pass allow_unused=True",
        ),
        "second unused": (lambda: mg.grad(y, [x, other], ones64), RuntimeError, r"no output depends on input 1 of"),
        "constant": (lambda: mg.grad(y, constant, ones64), RuntimeError, r"input 0 .*, which has requires_grad=False"),
        "seed shape": (
            lambda: mg.grad(y, x, leaf(1.0)),
            RuntimeError,
            r"the gradient has shape \(1,\) and type float64, but the output .* shape \(2,\) and type float64",
        ),
        "seed type": (lambda: mg.grad(y, x, ones32), RuntimeError, r"type float32, but the output .* type float64"),
        "seed array": (lambda: mg.grad(y, x, np.ones(2)), TypeError, "must be a Tensor, got ndarray"),
        "seed list": (lambda: mg.grad(y, x, [np.ones(2)]), TypeError, "must be a Tensor, got ndarray"),
        "seed count": (lambda: mg.grad([y, y], x, ones64), ValueError, "2 outputs need as many grad_outputs, got 1"),
        "seeds count": (
            lambda: mg.grad(y, x, [ones64, ones64]),
            ValueError,
            "1 outputs need as many grad_outputs, got 2",
        ),
        "backward constant": (lambda: constant.backward(), RuntimeError, r"backward: .* depends on nothing"),
        "backward many": (
            lambda: y.backward(),
            RuntimeError,
            r"backward: .* has shape \(2,\), and only a single number",
        ),
        "backward seed": (
            lambda: y.backward(ones32),
            RuntimeError,
            r"backward: the gradient has shape .* type float32",
        ),
        "backward array": (lambda: y.backward(np.ones(2)), TypeError, "backward: .* must be a Tensor, got ndarray"),
    }


@pytest.mark.parametrize("case", refusals())
def test_what_grad_and_backward_refuse_they_explain(case):
    call, kind, message = refusals()[case]
    with pytest.raises(kind, match=message):
        call()


def test_allow_unused_gives_none_which_is_not_zero():
    x, other, constant = leaf(1.0), leaf(1.0), Tensor(np.ones(1))
    used, unused, never = mg.grad(x * 0, [x, other, constant], allow_unused=True)
    assert numbers(used) == [[0.0]]
    assert unused is None
    assert never is None


# ---------------------------------------------------------------------------------------------------- backward()


def test_backward_adds_up_in_grad():
    x = leaf(1.0, 2.0)
    (x**2).sum().backward()
    assert numbers(x.grad) == [[2.0, 4.0]]
    (x * 10).sum().backward()
    assert numbers(x.grad) == [[12.0, 14.0]]
    assert not x.grad.requires_grad


def test_grad_is_none_until_a_gradient_arrives_and_zero_is_an_arrival():
    x, unreached = leaf(1.0), leaf(1.0)
    (x * 0).backward()
    assert numbers(x.grad) == [[0.0]]
    assert unreached.grad is None


def test_backward_fills_leaves_only():
    x = leaf(2.0)
    a = x * x
    (a * 3).backward()
    assert numbers(x.grad) == [[12.0]]
    assert a.grad is None


def test_backward_from_a_leaf_gives_one():
    x = leaf(2.0)
    x.backward()
    x.backward(Tensor(np.array([5.0])))
    assert numbers(x.grad) == [[6.0]]


def test_backward_takes_the_gradient_that_arrives():
    x = leaf(1.0, 2.0)
    (x * x).backward(Tensor(np.array([1.0, -1.0])))
    assert numbers(x.grad) == [[2.0, -4.0]]


@pytest.mark.parametrize("as_argument", [lambda w: w, lambda w: [w], lambda w: (t for t in [w, w])])
def test_backward_for_some_leaves_computes_the_others_not(as_argument):
    log, x, w = [], leaf(1.0), leaf(2.0)
    y = Note("join", log)(Note("x", log)(x), Note("w", log)(w))
    y.backward(inputs=as_argument(w))
    assert numbers(w.grad) == [[1.0]]
    assert x.grad is None
    assert log == [("join", (False, True)), ("w", (True,))]


def test_backward_with_every_leaf_frozen_since_does_nothing():
    x = leaf(1.0)
    y = x * 2
    x.requires_grad_(False)
    y.backward()
    assert x.grad is None
    assert y.grad is None


def test_grads_share_memory_with_nothing():
    """`a + b` hands one array to both; a first gradient that were stored as it came could be the caller's own."""
    a, b, v = leaf(1.0, 1.0), leaf(2.0, 2.0), Tensor(np.ones(2))
    (a + b).backward(v)
    a.backward(v)
    arrays = [a.grad.data, b.grad.data, v.data, a.data, b.data]
    assert not any(np.shares_memory(p, q) for i, p in enumerate(arrays) for q in arrays[:i])
    assert numbers(a.grad, b.grad, v) == [[2.0, 2.0], [1.0, 1.0], [1.0, 1.0]]


@pytest.mark.parametrize(
    "view", [lambda x: x, lambda x: x.transpose(0, 1) * mg.ones(3, 2).double(), lambda x: x.flip(0)]
)
def test_a_grad_is_an_array_of_its_own_in_c_order(view):
    """What arrives may be one number seen six times (the gradient of a sum), or have its axes exchanged or reversed."""
    x = Tensor(np.ones((2, 3)), requires_grad=True)
    view(x).sum().backward()
    assert x.grad.data.strides == (24, 8)
    assert x.grad.data.flags.writeable


def test_a_gradient_that_nobody_else_holds_is_kept_without_a_copy():
    """Weights are large, and each of their gradients is made for them alone."""
    made = []

    class Double(Function):
        def forward(self, x):
            return 2 * x

        def backward(self, grad):
            g = grad * 2
            made.append(g.data.ctypes.data)
            return (g,)

    x = leaf(1.0, 2.0)
    Double()(x).sum().backward()
    assert [x.grad.data.ctypes.data] == made


def test_a_gradient_that_its_rule_remembers_is_copied():
    class Remember(Function):
        def forward(self, x):
            return 2 * x

        def backward(self, grad):
            self.remembered = grad * 2
            return (self.remembered,)

    x = leaf(1.0, 2.0)
    y = Remember()(x)
    y.sum().backward()
    assert not np.shares_memory(x.grad.data, y.grad_fn.remembered.data)


def test_grad_has_the_type_of_its_leaf():
    x = Tensor(np.ones(2, np.float32), requires_grad=True)
    ((x.to(np.float64) * 2.0).sum() * 0.5).backward()
    assert x.grad.dtype == np.float32


def test_backward_keeps_what_came_before_if_it_fails():
    x = leaf(1.0)
    y = x * 2
    y.backward()
    x.data = x.data + 1
    with pytest.raises(RuntimeError):
        y.backward()
    assert numbers(x.grad) == [[2.0]]


# ------------------------------------------------------------------------------------------------------- versions


def test_backward_through_a_parameter_with_new_data_raises_and_names_it_and_the_operation():
    w = leaf(3.0, name="generator.weight")
    y = leaf(2.0) * w
    w.data = w.data - 0.1
    message = (
        r"Mul: backward through generator\.weight of shape \(1,\) \(input 1\), .* new values after the forward pass"
    )
    with pytest.raises(RuntimeError, match=message) as caught:
        y.backward()
    assert "before the optimiser's step()" in str(caught.value)


def test_a_tensor_without_a_name_is_called_a_tensor():
    x = leaf(3.0)
    y = mg.exp(x)
    x.data = x.data + 1
    with pytest.raises(RuntimeError, match=r"Exp: backward through a tensor of shape \(1,\) \(input 0\)"):
        mg.grad(y, x)


def test_a_constant_that_was_assigned_to_is_caught_as_well():
    x, mask = leaf(1.0, 2.0), Tensor(np.array([1.0, 0.0]))
    y = (x * mask).sum()
    mask[1] = 1.0
    with pytest.raises(RuntimeError, match=r"Mul: backward through a tensor of shape \(2,\) \(input 1\)"):
        y.backward()


def test_new_data_elsewhere_in_the_graph_do_not_matter():
    """Only the nodes between are asked: D's step may come before the backward pass of a loss that leads past D."""
    x, w = leaf(2.0), leaf(3.0)
    a = x * 2
    y = a + a * w
    w.data = w.data * 10
    assert numbers(*mg.grad(a, x)) == [[2.0]]
    with pytest.raises(RuntimeError, match="Mul"):
        mg.grad(y, x)


def test_a_forward_pass_after_the_step_is_fine():
    w = leaf(3.0)
    for _ in range(3):
        (w * w).backward()
        w.data = w.data - 0.1 * w.grad.data
        w.grad = None
    np.testing.assert_allclose(w.data, 3.0 * 0.8**3)


def test_a_gradient_that_was_recorded_remembers_versions_too():
    w = leaf(3.0, name="w")
    (g,) = mg.grad(w**3, w, create_graph=True)
    w.data = w.data + 1
    with pytest.raises(RuntimeError, match="backward through w of shape"):
        g.backward()


# ----------------------------------------------------------------------------------------- in place: never in a graph


IN_PLACE = {
    "+": (operator.iadd, 5.0),
    "-": (operator.isub, -1.0),
    "*": (operator.imul, 6.0),
    "/": (operator.itruediv, 2 / 3),
    "**": (operator.ipow, 8.0),
}


@pytest.mark.parametrize("symbol", IN_PLACE)
def test_an_operator_in_place_is_refused_in_a_graph_and_says_what_to_write(symbol):
    in_place, _ = IN_PLACE[symbol]
    message = re.escape(f"x {symbol}= y would change a tensor in place")
    advice = re.escape(f"write x = x {symbol} y")
    for x, y in [(leaf(2.0), 3.0), (leaf(2.0) * 1, 3.0), (Tensor([2.0]), leaf(3.0))]:
        before = x.data.copy()
        with pytest.raises(RuntimeError, match=f"{message}.*{advice}"):
            in_place(x, y)
        assert (x.data == before).all()


@pytest.mark.parametrize("symbol", IN_PLACE)
def test_an_operator_in_place_outside_a_graph_makes_a_new_tensor(symbol):
    in_place, expected = IN_PLACE[symbol]
    x = Tensor([2.0])
    np.testing.assert_allclose(in_place(x, 3.0).data, [expected], rtol=1e-6)
    assert numbers(x) == [[2.0]]


def test_item_assignment_is_refused_in_a_graph_and_says_what_to_write():
    for x, value in [(leaf(1.0, 2.0), 0.0), (leaf(1.0, 2.0) * 1, 0.0), (Tensor(np.ones(2)), leaf(1.0))]:
        with pytest.raises(RuntimeError, match=r"setitem: .* where\(mask, value, x\), cat\(\[\.\.\.\]\)"):
            x[0] = value


def test_item_assignment_outside_a_graph_gives_the_tensor_a_new_array():
    array = np.zeros(3, np.float32)
    x = Tensor(array)
    x[1:] = [1.0, 2.0]
    assert numbers(x) == [[0.0, 1.0, 2.0]]
    assert array.tolist() == [0.0, 0.0, 0.0]
    assert x._version == 1


# --------------------------------------------------------------------------------------- Functions of one's own


class Cube(Function):
    def forward(self, x):
        return x**3

    def backward(self, grad):
        (x,) = self.inputs
        return (grad * 3 * x**2,)


class Faulty(Function):
    """The identity, whose backward returns whatever it is told to."""

    def __init__(self, result):
        self.result = result

    def forward(self, *arrays):
        return arrays[0] * 1

    def backward(self, grad):
        return self.result(grad)


def test_a_function_of_ones_own_is_differentiated_to_any_order():
    x = leaf(2.0)
    orders = [Cube()(x)]
    for _ in range(3):
        orders += mg.grad(orders[-1], x, create_graph=True)
    assert numbers(*orders) == [[8.0], [12.0], [12.0], [6.0]]
    assert repr(orders[0].grad_fn) == "<Cube>"
    assert mg.check.gradcheck(lambda x: Cube()(x), x, order=3)


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (
            lambda g: (g.sum(),),
            r"Faulty\.backward returned a gradient of shape \(\) and type float64 for input 0, which has",
        ),
        (
            lambda g: (g.to(np.float32),),
            r"of shape \(2,\) and type float32 for input 0, which has shape \(2,\) and type float64",
        ),
        (lambda g: g, r"Faulty\.backward must return a tuple, one gradient for each input"),
        (lambda g: (g, g), r"Faulty\.backward must return a tuple, one gradient for each input"),
        (lambda g: (), r"Faulty\.backward must return a tuple, one gradient for each input"),
    ],
    ids=["shape", "type", "no tuple", "too many", "too few"],
)
def test_a_wrong_backward_is_named(result, message):
    y = Faulty(result)(leaf(1.0, 2.0))
    with pytest.raises(RuntimeError, match=message):
        y.backward(Tensor(np.ones(2)))


def test_a_tensor_is_not_taken_for_a_tuple_of_its_entries():
    with pytest.raises(RuntimeError, match=r"Faulty\.backward must return a tuple, one gradient for each input"):
        Faulty(lambda g: g)(leaf(1.0)).backward()


def test_none_from_a_backward_means_no_gradient():
    x, w = leaf(1.0), leaf(1.0)
    y = Faulty(lambda g: (g, None))(x, w)
    y.backward()
    assert numbers(x.grad) == [[1.0]]
    assert w.grad is None
    with pytest.raises(RuntimeError, match="no output depends on input 0"):
        mg.grad(y, w)


def test_a_function_is_one_node_and_cannot_be_called_twice():
    """Its inputs would be overwritten, and the first result differentiated as if it were the second."""
    cube, x = Cube(), leaf(2.0)
    y = cube(x)
    with pytest.raises(RuntimeError, match="Cube: a Function is one node of the graph; make a new one for each call"):
        cube(y)
    assert numbers(*mg.grad(y, x)) == [[12.0]]


def test_a_function_outside_the_graph_keeps_nothing_and_may_be_called_again():
    cube = Cube()
    assert [cube(Tensor([float(k)])).item() for k in range(3)] == [0.0, 1.0, 8.0]
    assert cube.inputs == ()


def test_output_is_the_same_place_in_the_graph():
    class Exp(Function):
        keeps_output = True

        def forward(self, x):
            return np.exp(x)

        def backward(self, grad):
            assert self.output().grad_fn is self
            return (grad * self.output(),)

    assert mg.check.gradcheck(lambda x: Exp()(x), leaf(0.5, -1.0), order=4, rtol=1e-4)


# ------------------------------------------------------------------------------------------- higher derivatives

SMOOTH = {
    "sin": (mg.sin, lambda x: -np.cos(x), np.sin),
    "exp": (mg.exp, np.exp, np.exp),
    "exp(-x²)": (
        lambda x: mg.exp(-(x**2)),
        lambda x: (12 * x - 8 * x**3) * np.exp(-(x**2)),
        lambda x: (16 * x**4 - 48 * x**2 + 12) * np.exp(-(x**2)),
    ),
    "x⁵": (lambda x: x**5, lambda x: 60 * x**2, lambda x: 120 * x),
    "1/x": (lambda x: 1 / x, lambda x: -6 / x**4, lambda x: 24 / x**5),
    "log": (mg.log, lambda x: 2 / x**3, lambda x: -6 / x**4),
    "sqrt": (mg.sqrt, lambda x: 3 / 8 * x**-2.5, lambda x: -15 / 16 * x**-3.5),
    "tanh": (
        mg.tanh,
        lambda x: -2 * (1 - np.tanh(x) ** 2) * (1 - 3 * np.tanh(x) ** 2),
        lambda x: 8 * np.tanh(x) * (1 - np.tanh(x) ** 2) * (2 - 3 * np.tanh(x) ** 2),
    ),
    "sigmoid": (
        mg.sigmoid,
        lambda x: (lambda y: y * (1 - y) * (1 - 6 * y + 6 * y**2))(1 / (1 + np.exp(-x))),
        lambda x: (lambda y: y * (1 - y) * (1 - 2 * y) * (1 - 12 * y + 12 * y**2))(1 / (1 + np.exp(-x))),
    ),
    "softplus": (
        mg.softplus,
        lambda x: (lambda y: y * (1 - y) * (1 - 2 * y))(1 / (1 + np.exp(-x))),
        lambda x: (lambda y: y * (1 - y) * (1 - 6 * y + 6 * y**2))(1 / (1 + np.exp(-x))),
    ),
    "erf": (
        mg.erf,
        lambda x: 2 / np.sqrt(np.pi) * (4 * x**2 - 2) * np.exp(-(x**2)),
        lambda x: 2 / np.sqrt(np.pi) * (12 * x - 8 * x**3) * np.exp(-(x**2)),
    ),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_third_and_fourth_derivatives_are_the_analytic_ones(name):
    f, third, fourth = SMOOTH[name]
    x = leaf(0.3, 0.9, 1.7)
    y = f(x)
    for order in range(1, 5):
        (y,) = mg.grad(y.sum(), x, create_graph=True)
        if order >= 3:
            np.testing.assert_allclose(
                y.data, (third if order == 3 else fourth)(x.data), rtol=1e-10, err_msg=str(order)
            )


@pytest.mark.parametrize("order", ["xxy", "xyx", "yxx", "xyxy", "yyxx"])
def test_mixed_derivatives_do_not_depend_on_the_order(order):
    place = {"x": leaf(1.3), "y": leaf(0.7)}
    x, y = place["x"].item(), place["y"].item()
    d = mg.exp(place["x"] * place["y"] ** 2)
    for name in order:
        (d,) = mg.grad(d, place[name], create_graph=True)
    e = math.exp(x * y**2)  # ∂ₓ multiplies by y²
    expected = {3: e * y**3 * (2 * x * y**2 + 4), 4: e * y**2 * (4 * x**2 * y**4 + 18 * x * y**2 + 12)}[len(order)]
    np.testing.assert_allclose(d.item(), expected, rtol=1e-12)


def test_a_step_of_gradient_descent_can_be_differentiated():
    """Unrolled: x₁ = x₀ − η·x₀³, so d(x₁²)/dx₀ = 2x₁(1 − 3η·x₀²)."""
    x0 = leaf(2.0)
    (g,) = mg.grad(x0**4 / 4, x0, create_graph=True)
    x1 = x0 - 0.1 * g
    (d,) = mg.grad(x1**2, x0)
    np.testing.assert_allclose(d.item(), 2 * 1.2 * (1 - 0.3 * 4), rtol=1e-14)


# ------------------------------------------------------------------------------------- long graphs, and their end


def chain(length):
    x = leaf(1.0)
    y = x
    for _ in range(length):
        y = -y
    return x, y


def test_a_chain_of_100000_operations_runs_both_ways_and_is_freed():
    x, y = chain(100_000)
    y.backward()
    assert numbers(x.grad) == [[1.0]]
    end = weakref.ref(y.grad_fn)
    del y
    assert end() is None


def test_a_long_chain_is_differentiated_twice_and_freed():
    x = leaf(1.0)
    y = x
    for _ in range(10_000):
        y = y * x
    (g,) = mg.grad(y, x, create_graph=True)
    (h,) = mg.grad(g, x)
    assert numbers(g, h) == [[10_001.0], [10_001.0 * 10_000.0]]
    end = weakref.ref(g.grad_fn)
    del y, g
    assert end() is None


def test_the_graph_dies_with_the_loss(no_gc):
    x = leaf(1.0, 2.0)
    a = mg.exp(x)
    b = mg.softplus(a * a)
    loss = b.sum()
    watched = [weakref.ref(t) for t in (a, b, loss)] + [weakref.ref(t.grad_fn) for t in (a, b, loss)]
    del a, b
    loss.backward()
    assert watched[3]() is not None, "while the loss lives, so does its graph"
    del loss
    assert [ref() for ref in watched] == [None] * 6


def test_the_graph_of_a_gradient_dies_with_it(no_gc):
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    score = mg.tanh(x * w).sum()
    (g,) = mg.grad(score, x, create_graph=True)
    penalty = ((mg.sqrt((g**2).sum()) - 1) ** 2).sum()
    penalty.backward()
    assert w.grad is not None
    watched = [weakref.ref(t) for t in (score, g, penalty)] + [weakref.ref(t.grad_fn) for t in (score, g, penalty)]
    del score, g, penalty
    assert [ref() for ref in watched] == [None] * 6


def test_nothing_is_recorded_where_nothing_requires_a_gradient(no_gc):
    a = Tensor([1.0])
    b = a * 2
    alive = weakref.ref(a)
    del a
    assert alive() is None
    assert b.grad_fn is None


def training(steps):
    """A network of two layers with a gradient penalty, trained by hand: what a WGAN-GP critic does."""
    rng = np.random.default_rng(0)
    w1 = Tensor(rng.standard_normal((4, 8)) * 0.5, requires_grad=True, name="w1")
    w2 = Tensor(rng.standard_normal((8, 1)) * 0.5, requires_grad=True, name="w2")
    for step in range(steps):
        x = Tensor(rng.standard_normal((16, 4)), requires_grad=True)
        score = mg.leaky_relu(x @ w1, 0.2) @ w2
        (g,) = mg.grad(score.sum(), x, create_graph=True)
        loss = score.mean() + ((mg.sqrt((g**2).sum(1) + 1e-12) - 1) ** 2).mean()
        loss.backward()
        for p in (w1, w2):
            p.data = p.data - 0.01 * p.grad.data
            p.grad = None
        del x, score, g, loss, p
        yield step


def test_300_training_steps_need_no_garbage_collector(no_gc):
    def alive():
        return sum(issubclass(type(o), Tensor | Function) for o in gc.get_objects())

    def bytes_of_arrays():
        arrays = tracemalloc.DomainFilter(inclusive=True, domain=np.lib.tracemalloc_domain)
        return sum(trace.size for trace in tracemalloc.take_snapshot().filter_traces([arrays]).traces)

    counted = {}
    list(training(1))  # loads the kernels
    gc.collect()
    tracemalloc.start()
    try:
        for step in training(300):
            if step in (20, 299):
                counted[step] = alive(), bytes_of_arrays()
    finally:
        tracemalloc.stop()
    assert counted[20] == counted[299]
    assert gc.collect() == 0, "the collector found cycles"


def test_backward_frees_the_gradients_it_is_done_with(no_gc):
    """At no time are there many more gradients than the walk needs: a chain needs two."""
    most = 0

    class Count(Note):
        def backward(self, grad):
            nonlocal most
            live = sum(issubclass(type(o), Tensor) for o in gc.get_objects()) if self.label % 10 == 0 else 0
            most = max(most, live - before)
            return (grad * 1.0,)

    x = leaf(1.0)
    y = x
    for k in range(100):
        y = Count(k, [])(y)
    before = sum(issubclass(type(o), Tensor) for o in gc.get_objects())
    y.backward()
    assert most <= 4


def test_changing_data_in_place_is_refused():
    p = mg.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(RuntimeError, match=r"write p\.data = p\.data - v"):
        p.data -= 0.5


@pytest.mark.parametrize(
    ("backward", "message"),
    [
        (lambda self, grad: None, "Wrong.backward must return a tuple, one gradient for each input"),
        (lambda self, grad: (grad.data,), r"Wrong.backward must return Tensors, not ndarray \(input 0\)"),
    ],
)
def test_a_rule_that_returns_no_tensors_is_told_so(backward, message):
    Wrong = type("Wrong", (mg.Function,), {"forward": lambda self, x: x * 2, "backward": backward})
    with pytest.raises((RuntimeError, TypeError), match=message):
        Wrong()(mg.ones(2, requires_grad=True)).sum().backward()


def test_a_function_takes_tensors_and_makes_numbers():
    Wrong = type("Wrong", (mg.Function,), {"forward": lambda self, x: "a"})
    with pytest.raises(TypeError, match=r"Wrong: expected Tensors, got \['ndarray'\]"):
        Wrong()(np.ones(2))
    with pytest.raises(TypeError, match="expected numbers"):
        Wrong()(mg.ones(2))


def test_overflow_is_silent():
    big = mg.full((2, 2), 3e38)
    assert not (big.sum() + (big @ big).sum() + big.exp().sum()).isfinite().item()


def test_a_number_can_be_formatted():
    assert f"{mg.tensor(2.0 / 3):.3f}" == "0.667"
    assert f"{mg.tensor([1.0])}" == "Tensor([1.])"


def test_the_parts_that_take_longer_to_load_are_there_when_they_are_named():
    assert mg.data.Batches
    assert mg.losses.discriminator_loss
    assert mg.viz.save_image
    assert mg.train.fit
    with pytest.raises(AttributeError, match="has no attribute 'daat'"):
        mg.daat  # noqa: B018
