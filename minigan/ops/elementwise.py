"""Operations on one element at a time: arithmetic, elementary functions, comparisons. Imports the tensor module and shape.

A rule here is the derivative one learns in school, times the gradient that arrives: y = f(x) has `x̄ = ȳ · f′(x)`. Where two
shapes were broadcast against each other, the gradient of the smaller one is added up again by `sum_to`.

Functions with a kink (`abs`, `clamp`, `relu`, `maximum`) multiply the gradient by a mask, which is a constant: their second
derivative is zero, as it is everywhere but at the kink. Floating-point warnings are silent, as in PyTorch; `anomaly()`
finds the operation that made a NaN.
"""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from minigan import backend
from minigan.backend import Array
from minigan.ops.shape import as_tensor, cast, sum_to
from minigan.tensor import Function, Tensor, tensor_method

Number = int | float
KIND = {"b": 0, "i": 1, "u": 1, "f": 2}


def result_type(a: Tensor, b: Tensor) -> np.dtype:
    """The type of `a ∘ b`: floats win over integers, integers over bool.

    Within a kind, a tensor with axes wins over one without, and otherwise the wider type.
    """
    rank_a, rank_b = ((KIND[x.dtype.kind], x.ndim > 0) for x in (a, b))
    if rank_a != rank_b:
        return a.dtype if rank_a > rank_b else b.dtype
    return np.result_type(a.dtype, b.dtype)


def number(x: Any) -> Any:
    """A NumPy number as a Python number, which takes the type of the array that it meets; all else as it is."""
    return x.item() if isinstance(x, np.generic) else x


def operands(operation: str, a: Any, b: Any) -> tuple[Tensor, Tensor]:
    """Both operands as Tensors of one type, or a ValueError if their shapes do not broadcast."""
    a = as_tensor(a, like=b if isinstance(b, Tensor) else None)
    b = as_tensor(b, like=a)
    if a.dtype != b.dtype:
        dtype = result_type(a, b)
        a, b = cast(a, dtype), cast(b, dtype)
    if type(a._data) is not type(b._data):
        # A number of the host goes along as it is; only one to be differentiated is moved, so that its gradient comes back.
        a, b = (x.to(y.device) if _waits_on_host(x) else x for x, y in ((a, b), (b, a)))
    if a.shape != b.shape:
        for m, n in zip(reversed(a.shape), reversed(b.shape)):
            if m != n and m != 1 and n != 1:
                raise ValueError(f"{operation}: shapes {a.shape} and {b.shape} do not broadcast together")
    return a, b


def _waits_on_host(x: Tensor) -> bool:
    return x.requires_grad and x.ndim == 0 and x.device == "cpu"


def floating(x: Any) -> Tensor:
    """`x` as a Tensor that has derivatives: integers become float32."""
    x = as_tensor(x)
    return x if x.is_floating_point() else cast(x, np.float32)


# --------------------------------------------------------------------------------------------------- arithmetic


class Add(Function):
    """y = a + b;   ā = ȳ,   b̄ = ȳ."""

    def forward(self, a: Array, b: Array) -> Array:
        return a + b

    def backward(self, grad: Tensor) -> tuple[Tensor | None, ...]:
        return tuple(sum_to(grad, x.shape) if needed else None for x, needed in zip(self.inputs, self.needs))


class Sub(Function):
    """y = a − b;   ā = ȳ,   b̄ = −ȳ."""

    def forward(self, a: Array, b: Array) -> Array:
        return a - b

    def backward(self, grad: Tensor) -> tuple[Tensor | None, ...]:
        a, b = self.inputs
        return (
            sum_to(grad, a.shape) if self.needs[0] else None,
            -sum_to(grad, b.shape) if self.needs[1] else None,
        )


class Mul(Function):
    """y = a·b;   ā = ȳ·b,   b̄ = ȳ·a."""

    def forward(self, a: Array, b: Array) -> Array:
        return a * b

    def backward(self, grad: Tensor) -> tuple[Tensor | None, ...]:
        a, b = self.inputs
        return (
            sum_to(grad * b, a.shape) if self.needs[0] else None,
            sum_to(grad * a, b.shape) if self.needs[1] else None,
        )


class Div(Function):
    """y = a/b;   ā = ȳ/b,   b̄ = −ȳ·y/b."""

    keeps_output = True

    def forward(self, a: Array, b: Array) -> Array:
        return a / b

    def backward(self, grad: Tensor) -> tuple[Tensor | None, ...]:
        a, b = self.inputs
        return (
            sum_to(grad / b, a.shape) if self.needs[0] else None,
            sum_to(-grad * self.output() / b, b.shape) if self.needs[1] else None,
        )


class Neg(Function):
    """y = −x;   x̄ = −ȳ."""

    def forward(self, x: Array) -> Array:
        return -x

    def backward(self, grad: Tensor) -> tuple[Tensor]:
        return (-grad,)


def add(input: Any, other: Any) -> Tensor:
    """`input + other`, broadcast."""
    return Add()(*operands("add", input, other))


def sub(input: Any, other: Any) -> Tensor:
    """`input − other`, broadcast."""
    return Sub()(*operands("sub", input, other))


def mul(input: Any, other: Any) -> Tensor:
    """`input · other`, broadcast."""
    return Mul()(*operands("mul", input, other))


def div(input: Any, other: Any) -> Tensor:
    """`input / other`, broadcast; integers are divided as float32."""
    a, b = operands("div", input, other)
    return Div()(floating(a), floating(b))


@tensor_method
def neg(input: Tensor) -> Tensor:
    """`−input`."""
    return Neg()(as_tensor(input))


# -------------------------------------------------------------------------------------------------------- powers


class PowScalar(Function):
    """y = xⁿ for a number n;   x̄ = ȳ·n·xⁿ⁻¹."""

    def __init__(self, exponent: Number):
        self.exponent = exponent

    def forward(self, x: Array) -> Array:
        return x**self.exponent

    def backward(self, grad: Tensor) -> tuple[Tensor]:
        n, (x,) = self.exponent, self.inputs
        if n == 0:
            return (zeros_like(x),)
        return (grad * (n * pow(x, n - 1)),)


class Pow(Function):
    """y = aᵇ;   ā = ȳ·b·aᵇ⁻¹ (and 0 for 0⁰),   b̄ = ȳ·y·log a (and 0 where a = 0, b ≥ 0: the limit for b > 0)."""

    keeps_output = True

    def forward(self, a: Array, b: Array) -> Array:
        return a**b

    def backward(self, grad: Tensor) -> tuple[Tensor | None, ...]:
        a, b = self.inputs
        da = db = None
        if self.needs[0]:
            zero = logical_and(a == 0, b == 0)
            da = sum_to(grad * where(zero, 0.0, b * pow(a, where(zero, 1.0, b - 1))), a.shape)
        if self.needs[1]:
            zero = logical_and(a == 0, b >= 0)
            db = sum_to(grad * where(zero, 0.0, self.output() * log(where(zero, 1.0, a))), b.shape)
        return da, db


@tensor_method
def pow(input: Any, exponent: Any) -> Tensor:
    """`inputᵉ`, for a number or a tensor of exponents.

    Examples
    --------
    >>> import minigan as mg
    >>> mg.pow(mg.tensor([1.0, 2.0, 3.0]), 2)
    Tensor([1., 4., 9.])
    """
    exponent = number(exponent)
    if isinstance(exponent, int | float):
        x = as_tensor(input)
        return PowScalar(exponent)(floating(x) if isinstance(exponent, float) or exponent < 0 else x)
    return Pow()(*operands("pow", input, exponent))


class Sqrt(Function):
    """y = √x;   x̄ = ȳ / 2y, which is infinite at 0."""

    keeps_output = True

    def forward(self, x: Array) -> Array:
        return np.sqrt(x)

    def backward(self, grad: Tensor) -> tuple[Tensor]:
        return (grad / (2 * self.output()),)


class Rsqrt(Function):
    """y = 1/√x;   x̄ = −½·ȳ·y³."""

    keeps_output = True

    def forward(self, x: Array) -> Array:
        return 1 / np.sqrt(x)

    def backward(self, grad: Tensor) -> tuple[Tensor]:
        return (grad * (-0.5 * self.output() ** 3),)


@tensor_method
def sqrt(input: Tensor) -> Tensor:
    """`√input`. The derivative at 0 is infinite: a norm that may be 0 wants `norm`, or an ε under the root."""
    return Sqrt()(floating(input))


@tensor_method
def rsqrt(input: Tensor) -> Tensor:
    """`1/√input`."""
    return Rsqrt()(floating(input))


@tensor_method
def lerp(input: Tensor, end: Tensor, weight: Any) -> Tensor:
    """`input + weight·(end − input)`: for weight 0 to 1 the line from one to the other, as WGAN-GP draws its points."""
    return add(input, mul(weight, sub(end, input)))


@tensor_method
def square(input: Tensor) -> Tensor:
    """`input²`."""
    return pow(input, 2)


@tensor_method
def reciprocal(input: Tensor) -> Tensor:
    """`1/input`."""
    return div(1.0, input)


# ------------------------------------------------------------------------------------- exponentials and logarithms


class Exp(Function):
    """y = eˣ;   x̄ = ȳ·y."""

    keeps_output = True

    def forward(self, x: Array) -> Array:
        return np.exp(x)

    def backward(self, grad: Tensor) -> tuple[Tensor]:
        return (grad * self.output(),)


class Expm1(Function):
    """y = eˣ − 1, exact near 0;   x̄ = ȳ·eˣ, which y + 1 would round to 0 where y is close to −1."""

    def forward(self, x: Array) -> Array:
        return np.expm1(x)

    def backward(self, grad: Tensor) -> tuple[Tensor]:
        return (grad * exp(self.inputs[0]),)


class Log(Function):
    """y = log x;   x̄ = ȳ/x."""

    def forward(self, x: Array) -> Array:
        return np.log(x)

    def backward(self, grad: Tensor) -> tuple[Tensor]:
        return (grad / self.inputs[0],)


class Log1p(Function):
    """y = log(1 + x), exact near 0;   x̄ = ȳ/(1 + x)."""

    def forward(self, x: Array) -> Array:
        return np.log1p(x)

    def backward(self, grad: Tensor) -> tuple[Tensor]:
        return (grad / (1 + self.inputs[0]),)


@tensor_method
def exp(input: Tensor) -> Tensor:
    """`eˣ`."""
    return Exp()(floating(input))


@tensor_method
def expm1(input: Tensor) -> Tensor:
    """`eˣ − 1`, without cancellation near 0."""
    return Expm1()(floating(input))


@tensor_method
def log(input: Tensor) -> Tensor:
    """The natural logarithm: −∞ at 0, NaN below."""
    return Log()(floating(input))


@tensor_method
def log1p(input: Tensor) -> Tensor:
    """`log(1 + x)`, without cancellation near 0."""
    return Log1p()(floating(input))


# -------------------------------------------------------------------------------- trigonometry, sigmoids, erf


class Sin(Function):
    """y = sin x;   x̄ = ȳ·cos x."""

    def forward(self, x: Array) -> Array:
        return np.sin(x)

    def backward(self, grad: Tensor) -> tuple[Tensor]:
        return (grad * cos(self.inputs[0]),)


class Cos(Function):
    """y = cos x;   x̄ = −ȳ·sin x."""

    def forward(self, x: Array) -> Array:
        return np.cos(x)

    def backward(self, grad: Tensor) -> tuple[Tensor]:
        return (-grad * sin(self.inputs[0]),)


class Tanh(Function):
    """y = tanh x;   x̄ = ȳ·(1 − y²)."""

    keeps_output = True

    def forward(self, x: Array) -> Array:
        return np.tanh(x)

    def backward(self, grad: Tensor) -> tuple[Tensor]:
        return (grad * (1 - self.output() ** 2),)


class Sigmoid(Function):
    """y = 1/(1 + e⁻ˣ);   x̄ = ȳ·y·(1 − y)."""

    keeps_output = True

    def forward(self, x: Array) -> Array:
        e = np.exp(-np.abs(x))  # at most 1: never overflows, and keeps its digits on both sides
        return np.where(x >= 0, 1, e) / (1 + e)

    def backward(self, grad: Tensor) -> tuple[Tensor]:
        y = self.output()
        return (grad * (y * (1 - y)),)


class Softplus(Function):
    """y = log(1 + eˣ);   x̄ = ȳ·σ(x)."""

    def forward(self, x: Array) -> Array:
        return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))

    def backward(self, grad: Tensor) -> tuple[Tensor]:
        return (grad * sigmoid(self.inputs[0]),)


class Erf(Function):
    """y = 2/√π ∫₀ˣ exp(−t²) dt;   x̄ = ȳ·2/√π·exp(−x²)."""

    def forward(self, x: Array) -> Array:
        return backend.erf(x)

    def backward(self, grad: Tensor) -> tuple[Tensor]:
        return (grad * (2 / np.pi**0.5 * exp(-(self.inputs[0] ** 2))),)


@tensor_method
def sin(input: Tensor) -> Tensor:
    """`sin x`."""
    return Sin()(floating(input))


@tensor_method
def cos(input: Tensor) -> Tensor:
    """`cos x`."""
    return Cos()(floating(input))


@tensor_method
def tanh(input: Tensor) -> Tensor:
    """`tanh x`, the last layer of a generator whose images lie in [−1, 1]."""
    return Tanh()(floating(input))


@tensor_method
def sigmoid(input: Tensor) -> Tensor:
    """`σ(x) = 1/(1 + e⁻ˣ)`, the probability whose logit is x."""
    return Sigmoid()(floating(input))


@tensor_method
def softplus(input: Tensor, beta: Number = 1) -> Tensor:
    """`log(1 + e^(βx)) / β`: −log of the probability that a logit −x has. Exact for every x, so there is no threshold."""
    x = floating(input)
    return Softplus()(x) if beta == 1 else Softplus()(x * beta) / beta


@tensor_method
def erf(input: Tensor) -> Tensor:
    """The error function."""
    return Erf()(floating(input))


# ------------------------------------------------------------------------------------------ functions with a kink


class Abs(Function):
    """y = |x|;   x̄ = ȳ·sign x."""

    def forward(self, x: Array) -> Array:
        return np.abs(x)

    def backward(self, grad: Tensor) -> tuple[Tensor]:
        return (grad * Tensor(np.sign(self.inputs[0].data)),)


class Sign(Function):
    """y = −1, 0 or 1;   x̄ = 0."""

    def forward(self, x: Array) -> Array:
        return np.sign(x)

    def backward(self, grad: Tensor) -> tuple[Tensor]:
        return (zeros_like(self.inputs[0]),)


class Clamp(Function):
    """y = x held between two numbers;   x̄ = ȳ where low ≤ x ≤ high, else 0."""

    def __init__(self, low: Number | None, high: Number | None):
        self.low, self.high = number(low), number(high)

    def forward(self, x: Array) -> Array:
        return np.clip(x, self.low, self.high)

    def backward(self, grad: Tensor) -> tuple[Tensor]:
        x = self.inputs[0].data
        inside = np.ones_like(x, dtype=bool)
        if self.low is not None:
            inside &= x >= self.low
        if self.high is not None:
            inside &= x <= self.high
        return (grad * Tensor(inside),)


class LeakyReLU(Function):
    """y = x where x > 0, else slope·x;   x̄ = ȳ where x > 0, else slope·ȳ. Slope 0 is the ReLU.

    Where the slope is not negative, y is positive exactly where x is, so the rule asks y and has no use for x.
    """

    def __init__(self, negative_slope: Number):
        self.slope = float(negative_slope)
        self.keeps_output = self.slope >= 0

    def forward(self, x: Array) -> Array:
        return backend.kernels(x).leaky_relu(x, self.slope)

    def backward(self, grad: Tensor) -> tuple[Tensor]:
        sign = self.result if self.keeps_output else self.inputs[0].data
        return (LeakyReLUGrad(sign, self.slope)(grad),)


class LeakyReLUGrad(Function):
    """y = g where sign > 0, else slope·g, for a constant array `sign`: linear in g, and its own adjoint."""

    def __init__(self, sign: Array, negative_slope: float):
        self.sign, self.slope = sign, negative_slope

    def forward(self, g: Array) -> Array:
        return backend.kernels(g).leaky_relu_backward(g, self.sign, self.slope)

    def backward(self, grad: Tensor) -> tuple[Tensor]:
        return (LeakyReLUGrad(self.sign, self.slope)(grad),)


class Maximum(Function):
    """y = max(a, b);   the gradient goes to the larger, and half to each where they are equal."""

    def forward(self, a: Array, b: Array) -> Array:
        return np.maximum(a, b)

    def backward(self, grad: Tensor) -> tuple[Tensor | None, ...]:
        a, b = self.inputs
        share = _share(a.data, b.data)
        return (
            sum_to(grad * Tensor(share), a.shape) if self.needs[0] else None,
            sum_to(grad * Tensor(1 - share), b.shape) if self.needs[1] else None,
        )


class Minimum(Function):
    """y = min(a, b);   the gradient goes to the smaller, and half to each where they are equal."""

    def forward(self, a: Array, b: Array) -> Array:
        return np.minimum(a, b)

    def backward(self, grad: Tensor) -> tuple[Tensor | None, ...]:
        a, b = self.inputs
        share = _share(b.data, a.data)
        return (
            sum_to(grad * Tensor(share), a.shape) if self.needs[0] else None,
            sum_to(grad * Tensor(1 - share), b.shape) if self.needs[1] else None,
        )


def _share(a: Array, b: Array) -> Array:
    """1 where a > b, ½ where a = b, 0 where a < b."""
    dtype = a.dtype
    a, b = backend.together("maximum", [a, b])
    return ((a > b) + 0.5 * (a == b)).astype(dtype)


@tensor_method
def abs(input: Tensor) -> Tensor:
    """`|x|`; the derivative at 0 is taken to be 0."""
    return Abs()(as_tensor(input))


@tensor_method
def sign(input: Tensor) -> Tensor:
    """−1, 0 or 1. Its derivative is 0."""
    return Sign()(as_tensor(input))


@tensor_method
def clamp(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """`input` held between `min` and `max`, which may be numbers or tensors, and of which one may be left out.

    The gradient passes where the value was inside, the ends included.

    Examples
    --------
    >>> import minigan as mg
    >>> mg.clamp(mg.tensor([-2.0, 0.5, 2.0]), -1, 1)
    Tensor([-1. ,  0.5,  1. ])
    """
    if min is None and max is None:
        raise ValueError("clamp: give min, max or both")
    x = as_tensor(input)
    if isinstance(min, Tensor) or isinstance(max, Tensor):
        x = x if min is None else where(x < min, min, x)
        return x if max is None else where(x > max, max, x)
    return Clamp(min, max)(floating(x) if isinstance(min, float) or isinstance(max, float) else x)


def maximum(input: Any, other: Any) -> Tensor:
    """The larger of the two, elementwise; where they are equal, each gets half of the gradient."""
    return Maximum()(*operands("maximum", input, other))


def minimum(input: Any, other: Any) -> Tensor:
    """The smaller of the two, elementwise; where they are equal, each gets half of the gradient."""
    return Minimum()(*operands("minimum", input, other))


tensor_method(maximum)
tensor_method(minimum)


@tensor_method
def leaky_relu(input: Tensor, negative_slope: Number = 0.01) -> Tensor:
    """`x` where x > 0, else `negative_slope · x` (Maas et al. 2013). The derivative at 0 is taken from the left.

    A discriminator of LeakyReLUs still passes a gradient on to the generator where its units are "off".
    """
    return LeakyReLU(negative_slope)(floating(input))


@tensor_method
def relu(input: Tensor) -> Tensor:
    """`max(x, 0)`; the derivative at 0 is taken to be 0."""
    x = as_tensor(input)
    return LeakyReLU(0)(x) if x.is_floating_point() else maximum(x, 0)


# --------------------------------------------------------------------------------------------------- selection


class Where(Function):
    """y = a where the mask is true, else b; the gradient goes the same way."""

    def __init__(self, condition: Array, dtype: np.dtype):
        self.condition, self.dtype = condition, dtype

    def forward(self, a: Array, b: Array) -> Array:
        chosen: Array = np.where(*backend.together("where", [self.condition, a, b]))
        return chosen.astype(self.dtype, copy=False)

    def backward(self, grad: Tensor) -> tuple[Tensor | None, ...]:
        a, b = self.inputs
        zero = zeros_like(grad)
        return (
            sum_to(Where(self.condition, self.dtype)(grad, zero), a.shape) if self.needs[0] else None,
            sum_to(Where(self.condition, self.dtype)(zero, grad), b.shape) if self.needs[1] else None,
        )


def where(condition: Any, input: Any, other: Any) -> Tensor:
    """`input` where `condition` is true, else `other`; all three are broadcast together.

    The branch that was not chosen gets the gradient 0. If its own derivative there is infinite, 0·∞ is NaN: choose the
    argument first, `sqrt(where(x > 0, x, 1.0))`, rather than the result.

    Examples
    --------
    >>> import minigan as mg
    >>> x = mg.tensor([-1.0, 2.0])
    >>> mg.where(x > 0, x, 0.0)
    Tensor([0., 2.])
    """
    condition = as_tensor(condition)
    if condition.dtype != np.bool_:
        raise TypeError(f"where: condition must be a bool tensor, got {condition.dtype}; write for example x != 0")
    if not isinstance(input, Tensor) and not isinstance(other, Tensor):
        input = as_tensor(input)
    a, b = operands("where", input, other)
    try:
        np.broadcast_shapes(condition.shape, a.shape, b.shape)
    except ValueError:
        shapes = ", ".join(map(str, (condition.shape, a.shape, b.shape)))
        raise ValueError(f"where: the shapes {shapes} do not broadcast together") from None
    return Where(condition.data, a.dtype)(a, b)


Tensor.where = lambda self, condition, other: where(condition, self, other)  # type: ignore[attr-defined]


def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """`input` with `value` where `mask` is true."""
    return where(mask, value, input)


tensor_method(masked_fill)


# ------------------------------------------------------------- comparisons and tests: no gradient, bool results


def _compare(name: str, ufunc: Any, symbol: str) -> Any:
    def compare(input: Any, other: Any) -> Tensor:
        a, b = operands(name, input, other)
        return Tensor._wrap(ufunc(*backend.together(name, [a.data, b.data])))

    compare.__name__ = compare.__qualname__ = name
    compare.__doc__ = (
        f"`input {symbol} other`, elementwise, broadcast: a bool tensor, through which no gradient passes."
    )
    return tensor_method(compare)


eq = _compare("eq", np.equal, "==")
ne = _compare("ne", np.not_equal, "!=")
lt = _compare("lt", np.less, "<")
le = _compare("le", np.less_equal, "<=")
gt = _compare("gt", np.greater, ">")
ge = _compare("ge", np.greater_equal, ">=")
logical_and = _compare("logical_and", np.logical_and, "and")
logical_or = _compare("logical_or", np.logical_or, "or")
logical_xor = _compare("logical_xor", np.logical_xor, "xor")


@tensor_method
def logical_not(input: Tensor) -> Tensor:
    """`not input`, elementwise."""
    return Tensor._wrap(np.logical_not(input.data))


@tensor_method
def isnan(input: Tensor) -> Tensor:
    """Where `input` is NaN."""
    return Tensor._wrap(np.isnan(input.data))


@tensor_method
def isfinite(input: Tensor) -> Tensor:
    """Where `input` is neither NaN nor infinite."""
    return Tensor._wrap(np.isfinite(input.data))


@tensor_method
def allclose(input: Tensor, other: Tensor, rtol: builtins.float = 1e-5, atol: builtins.float = 1e-8) -> bool:
    """Whether `|input − other| ≤ atol + rtol·|other|` everywhere."""
    return bool(np.allclose(input.data, as_tensor(other, like=input).data, rtol=rtol, atol=atol))


def zeros_like(input: Tensor) -> Tensor:
    """Zeros with the shape and type of `input`."""
    return Tensor._wrap(np.zeros_like(input.data))


def ones_like(input: Tensor) -> Tensor:
    """Ones with the shape and type of `input`."""
    return Tensor._wrap(np.ones_like(input.data))


# --------------------------------------------------------------------------------------------- the operators

for _name, _function in {
    "add": add,
    "sub": sub,
    "mul": mul,
    "truediv": div,
    "pow": pow,
}.items():
    setattr(Tensor, f"__{_name}__", _function)
    setattr(Tensor, f"__r{_name}__", lambda self, other, f=_function: f(other, self))
for _name, _function in {"eq": eq, "ne": ne, "lt": lt, "le": le, "gt": gt, "ge": ge}.items():
    setattr(Tensor, f"__{_name}__", _function)
for _name, _function in {"neg": neg, "abs": abs}.items():
    setattr(Tensor, f"__{_name}__", _function)
for _function in (add, sub, mul, div):
    tensor_method(_function)


def _of_truth_values(symbol: str, function: Any) -> Any:
    """`&`, `|`, `^` and `~` of bool tensors. On integers they would work on bits, which no network needs."""

    def operator(*operands: Any) -> Tensor:
        kinds = [x.dtype if isinstance(x, Tensor) else np.asarray(x).dtype for x in operands]
        if builtins.any(kind != np.bool_ for kind in kinds):
            found = " and ".join(map(str, kinds))
            raise TypeError(f"{symbol}: expected bool tensors, got {found}; compare first, as in x > 0")
        return function(*operands)

    return operator


for _name, _symbol, _function in (
    ("and", "&", logical_and),
    ("or", "|", logical_or),
    ("xor", "^", logical_xor),
    ("invert", "~", logical_not),
):
    setattr(Tensor, f"__{_name}__", _of_truth_values(_symbol, _function))


def _refuse_in_place(symbol: str) -> Any:
    def in_place(self: Tensor, other: Any) -> Tensor:
        if self.requires_grad or (isinstance(other, Tensor) and other.requires_grad):
            raise RuntimeError(
                f"x {symbol}= y would change a tensor in place, and arrays in a graph are never changed: write "
                f"x = x {symbol} y, which makes a new one, or for a parameter p.data = p.data {symbol} y"
            )
        return NotImplemented  # Python then computes x = x ∘ y

    return in_place


for _name, _symbol in {"add": "+", "sub": "-", "mul": "*", "truediv": "/", "pow": "**"}.items():
    setattr(Tensor, f"__i{_name}__", _refuse_in_place(_symbol))
