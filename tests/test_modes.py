"""The switches: what is recorded where, in which thread, and how anomaly mode leads to the line that made a NaN."""

import inspect
import threading

import numpy as np
import pytest

import minigan as mg
from minigan import modes
from minigan.tensor import Function, Tensor


def leaf(*values):
    return Tensor(np.array(values, np.float64), requires_grad=True)


def records():
    """Whether operations record the graph here: what `is_grad_enabled` says, and what they do."""
    does = (leaf(1.0) * 2).requires_grad
    assert mg.is_grad_enabled() == does
    return does


# ------------------------------------------------------------------------------------------ no_grad and enable_grad


def test_no_grad_and_enable_grad_nest():
    assert records()
    with mg.no_grad():
        assert not records()
        with mg.enable_grad():
            assert records()
            with mg.no_grad():
                assert not records()
            assert records()
        assert not records()
    assert records()


@pytest.mark.parametrize(("switch", "inside"), [(mg.no_grad, False), (mg.enable_grad, True)])
def test_both_are_decorators_that_can_be_called_again(switch, inside):
    @switch()
    def function(x, *, y):
        """Says something."""
        return x, y, records()

    for outside in (mg.enable_grad, mg.no_grad):
        with outside():
            assert function(1, y=2) == (1, 2, inside)
            assert records() is (outside is mg.enable_grad)
    assert function.__name__ == "function"
    assert function.__doc__ == "Says something."


@pytest.mark.parametrize("switch", [mg.no_grad, mg.enable_grad, mg.anomaly])
def test_an_exception_puts_everything_back(switch):
    for outside in (mg.no_grad, mg.enable_grad):
        with outside():
            here = records()
            with pytest.raises(KeyError), switch():
                raise KeyError
            assert records() is here
            assert not modes.mode.anomaly


def test_a_backward_that_raises_puts_everything_back():
    class Broken(Function):
        def forward(self, x):
            return x * 1

        def backward(self, grad):
            raise KeyError

    for create_graph in (False, True):
        y = Broken()(leaf(1.0))
        with pytest.raises(KeyError):
            mg.grad(y, y.grad_fn.inputs, create_graph=create_graph)
        assert records()
        assert not modes.mode.differentiating


def test_no_grad_makes_constants_and_leaves_the_graph_outside_alone():
    x = leaf(3.0)
    y = x * x
    with mg.no_grad():
        constant = y * 2
        (g,) = mg.grad(y, x)
    assert constant.is_leaf
    assert not constant.requires_grad
    assert g.item() == 6.0


def test_create_graph_records_also_inside_no_grad():
    x = leaf(3.0)
    y = x * x
    with mg.no_grad():
        (g,) = mg.grad(y, x, create_graph=True)
        assert not records()
    (h,) = mg.grad(g, x)
    assert h.item() == 2.0


def test_a_backward_pass_records_only_with_create_graph():
    seen = []

    class Watch(Function):
        def forward(self, x):
            return x * 1

        def backward(self, grad):
            seen.append(mg.is_grad_enabled())
            return (grad,)

    x = leaf(1.0)
    y = Watch()(x)
    y.backward()
    mg.grad(y, x)
    mg.grad(y, x, create_graph=True)
    assert seen == [False, False, True]


def test_each_thread_records_for_itself():
    results = {}

    def work():
        results["a new thread"] = records()
        with mg.no_grad():
            inside.set()
            release.wait(10)
            results["its own no_grad"] = records()

    inside, release = threading.Event(), threading.Event()
    with mg.no_grad():
        thread = threading.Thread(target=work)
        thread.start()
        assert inside.wait(10)
    results["this thread"] = records()
    release.set()
    thread.join(10)
    assert results == {"a new thread": True, "this thread": True, "its own no_grad": False}


def test_threads_differentiate_side_by_side():
    """Each builds and walks its own graph over a shared parameter."""
    w, found = leaf(2.0), {}

    def work(k):
        y = w
        for _ in range(200):
            y = y * 1.0 + k
        found[k] = mg.grad(y * w, w)[0].item()

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert found == {k: 2.0 * 2 + 200 * k for k in range(4)}


# ----------------------------------------------------------------------------------------------------- anomaly mode


def anomaly_of(call):
    """The message of the AnomalyError that `call` raises, and the source lines that it shows."""
    with mg.anomaly(), pytest.raises(mg.AnomalyError) as caught:
        call()
    first, *rest = str(caught.value).splitlines()
    return first, [line.strip() for line in rest if not line.lstrip().startswith("File")], str(caught.value)


def test_a_nan_in_the_forward_pass_names_the_operation_and_the_line_of_the_program():
    x = Tensor(np.array([1.0, -1.0, 4.0, -9.0]))
    first, lines, message = anomaly_of(lambda: mg.exp(x) + mg.log(x))  # the line at fault
    assert first == "Log: the forward pass made 2 NaN in an array of shape (4,); the operation was called here:"
    assert any("# the line at fault" in line for line in lines)
    assert f'File "{__file__}", line' in message
    assert lines[-1] == "return Log()(floating(input))", "the innermost line calls the operation"


def test_an_inf_in_the_backward_pass_names_the_operation_of_the_forward_pass():
    def program():
        x = leaf(4.0, 0.0)
        root = mg.sqrt(x)  # the line at fault
        (root * 3).sum().backward()  # where the gradient was asked for

    first, lines, _ = anomaly_of(program)
    assert first.startswith("Sqrt: the backward pass to input 0 made 1 Inf in an array of shape (2,);")
    assert any("# the line at fault" in line for line in lines)
    assert not any("# where the gradient" in line for line in lines)


def test_both_kinds_are_counted():
    x = Tensor(np.array([[0.0, -1.0], [1.0, 0.0]], np.float32))
    first, _, _ = anomaly_of(lambda: mg.log(x))
    assert first.startswith("Log: the forward pass made 1 NaN and 2 Inf in an array of shape (2, 2);")


def test_a_nan_in_a_second_derivative_names_the_operation():
    def program():
        x = leaf(0.0)
        (g,) = mg.grad(x**1.5, x, create_graph=True)  # 1.5·√x, whose derivative at 0 is infinite
        g.backward()

    first, lines, _ = anomaly_of(program)
    assert first.startswith("PowScalar: the backward pass to input 0 made 1 Inf")
    assert any("mg.grad(x**1.5, x, create_graph=True)" in line for line in lines)


def test_what_a_rule_masks_on_its_way_is_no_anomaly():
    """The derivative of aᵇ by b is y·log a; at a = 0 its rule computes with a mask. Only what a rule returns is checked."""

    class Masked(Function):
        def forward(self, x):
            return x * 1

        def backward(self, grad):
            (x,) = self.inputs
            return (mg.where(x == 0, 0.0, grad / x),)

    x = leaf(0.0, 2.0)
    with mg.anomaly():
        Masked()(x).sum().backward()
    assert x.grad.data.tolist() == [0.0, 0.5]


def test_a_gradient_that_is_not_needed_is_not_checked():
    class HalfInfinite(Function):
        def forward(self, a, b):
            return a + b

        def backward(self, grad):
            return grad, grad * np.inf

    a, b = leaf(1.0), Tensor(np.ones(1))
    with mg.anomaly():
        HalfInfinite()(a, b).backward()
        with pytest.raises(mg.AnomalyError, match="HalfInfinite: the backward pass to input 1 made 1 Inf"):
            HalfInfinite()(a, b.requires_grad_()).backward()


def test_a_forward_pass_before_the_mode_was_on_has_no_line_to_show():
    y = mg.sqrt(leaf(0.0))
    first, lines, _ = anomaly_of(y.backward)
    assert first.startswith("Sqrt: the backward pass to input 0 made 1 Inf")
    assert lines == ["(before anomaly mode was switched on)"]


def test_the_program_is_shown_however_deep_inside_minigan_the_operation_is():
    model = mg.nn.Linear(2, 2)
    for _ in range(12):
        model = mg.nn.Sequential(model)
    x = Tensor(np.full((1, 2), np.nan, np.float32))
    _, lines, message = anomaly_of(lambda: model(x))  # the line at fault
    assert any("# the line at fault" in line for line in lines)
    assert message.count("File") > 12


def test_integers_and_bools_cannot_be_anomalous():
    with mg.anomaly():
        assert (Tensor([1, 2]) * 3).tolist() == [3, 6]
        assert (Tensor([np.nan]) > 0).tolist() == [False]


def test_outside_the_block_nothing_is_checked_and_no_stack_is_kept():
    with mg.anomaly():
        y = leaf(1.0) * 2
    assert y.grad_fn.stack is not None
    z = mg.log(leaf(0.0))
    assert z.item() == -np.inf
    assert z.grad_fn.stack is None


def test_an_anomaly_is_a_floating_point_error():
    assert issubclass(mg.AnomalyError, FloatingPointError)


def test_every_public_function_says_what_it_does():
    public = [f for name, f in vars(modes).items() if inspect.isfunction(f) and not name.startswith("_")]
    assert [f.__name__ for f in public if f.__module__ == modes.__name__ and not inspect.getdoc(f)] == []
