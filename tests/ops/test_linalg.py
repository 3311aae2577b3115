"""minigan.ops.linalg: matmul, einsum, inverse and slogdet, against PyTorch and against finite differences."""

import inspect
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from parity import LAYOUTS, as_numbers, assert_like_torch, drawn, lay_out_read_only, normal, orders

import minigan as mg
from minigan.ops import linalg

# --- matmul -----------------------------------------------------------------------------------------------------------

# The shapes of two factors, and of their product.
PRODUCTS = [
    ((3,), (3,), ()),
    ((3,), (3, 4), (4,)),
    ((2, 3), (3,), (2,)),
    ((2, 3), (3, 4), (2, 4)),
    ((1, 1), (1, 1), (1, 1)),
    ((3,), (5, 3, 4), (5, 4)),
    ((5, 2, 3), (3,), (5, 2)),
    ((5, 2, 3), (3, 4), (5, 2, 4)),
    ((2, 3), (5, 3, 4), (5, 2, 4)),
    ((5, 2, 3), (5, 3, 4), (5, 2, 4)),
    ((5, 2, 3), (1, 3, 4), (5, 2, 4)),
    ((6, 1, 2, 3), (5, 3, 4), (6, 5, 2, 4)),
    ((0, 3), (3, 4), (0, 4)),
    ((2, 0), (0, 4), (2, 4)),
    ((0, 2, 3), (3, 4), (0, 2, 4)),
    ((0,), (0,), ()),
]


@pytest.mark.parametrize(("a", "b", "product"), PRODUCTS, ids=str)
def test_matmul_of_vectors_matrices_and_stacks_is_pytorchs_to_second_order(torch, a, b, product):
    assert mg.matmul(mg.zeros(a), mg.zeros(b)).shape == product
    assert_like_torch(torch, lambda lib, a, b: lib.matmul(a, b), normal(a), normal(b, 1))


@drawn(60)
@given(
    hnp.mutually_broadcastable_shapes(signature="(m?,k),(k,n?)->(m?,n?)", max_dims=2, min_side=0, max_side=4),
    st.lists(st.sampled_from(LAYOUTS), min_size=2, max_size=2),
)
def test_matmul_of_any_shapes_and_layouts_is_pytorchs_to_second_order(torch, shapes, layouts):
    a, b = (normal(s, seed, layout) for seed, (s, layout) in enumerate(zip(shapes.input_shapes, layouts)))
    assert_like_torch(torch, lambda lib, a, b: a @ b, a, b)


@pytest.mark.parametrize(("a", "b", "product"), PRODUCTS, ids=str)
def test_gradcheck_of_matmul_to_second_order(a, b, product):
    if 0 not in (*a, *b):
        assert mg.check.gradcheck(mg.matmul, [mg.Tensor(normal(a)), mg.Tensor(normal(b, 1))], order=2)


def test_only_the_gradient_that_is_wanted_is_computed():
    x, w = mg.ones(2, 3), mg.ones(3, 4, requires_grad=True)
    y = x @ w
    (g,) = mg.grad(y.sum(), w)
    assert y.grad_fn.needs == (False, True)
    assert g.tolist() == [[2] * 4] * 3


@drawn(40)
@given(
    batch=st.lists(st.integers(0, 3), max_size=2),
    features=st.tuples(st.integers(0, 4), st.integers(1, 4)),
    bias=st.booleans(),
    layouts=st.tuples(st.sampled_from(LAYOUTS), st.sampled_from(LAYOUTS)),
)
def test_linear_is_a_product_and_a_sum_to_second_order(batch, features, bias, layouts):
    shapes = [(*batch, features[0]), features[::-1], features[1:]][: 3 if bias else 2]
    inputs = [
        mg.Tensor(normal(shape, seed, layout), requires_grad=True)
        for seed, (shape, layout) in enumerate(zip(shapes, [*layouts, "C"]))
    ]
    ȳ = mg.Tensor(normal((*batch, features[1]), 3), requires_grad=True)
    directions = [mg.Tensor(normal(shape, 4)) for shape in shapes]

    def composed(x, weight, bias=None):
        y = x @ weight.transpose(0, 1)
        return y if bias is None else y + bias

    got, expected = (orders(mg.grad, f, inputs, ȳ, directions) for f in (lambda *xs: linalg.Linear()(*xs), composed))
    places = [ȳ, *inputs, *inputs, ȳ]
    for a, b in zip(as_numbers(got, places), as_numbers(expected, places), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("wanted", [0, 1, 2])
def test_a_linear_layer_computes_only_the_gradient_that_is_wanted(wanted, monkeypatch):
    """A frozen layer pays for no gradient of its weight, the first one for none of its input."""
    inputs = [mg.ones(2, 3), mg.ones(4, 3), mg.ones(4)]
    inputs[wanted].requires_grad_()
    y = linalg.Linear()(*inputs)
    products = []
    monkeypatch.setattr(linalg, "product", lambda a, b: products.append(a.shape) or a @ b)
    (g,) = mg.grad(y.sum(), inputs[wanted])
    assert products == [[(2, 4)], [(4, 2)], []][wanted]
    assert g.tolist() == [[[4] * 3] * 2, [[2] * 3] * 4, [2] * 4][wanted]


def test_matmul_takes_arrays_on_either_side_and_multiplies_integers():
    a = np.arange(6.0).reshape(2, 3)
    for y in (mg.Tensor(a) @ a.T, a @ mg.Tensor(a.T), mg.Tensor(a).matmul(mg.Tensor(a).T)):
        assert isinstance(y, mg.Tensor)
        np.testing.assert_array_equal(y.data, a @ a.T)
    assert (mg.arange(3) @ mg.arange(3)).item() == 5
    assert (mg.arange(3) @ mg.arange(3)).dtype == np.int64


# --- einsum -----------------------------------------------------------------------------------------------------------

EQUATIONS = {
    "inner product": ("i,i->", (3,), (3,)),
    "outer product": ("i,j->ij", (3,), (4,)),
    "product of matrices": ("ij,jk->ik", (2, 3), (3, 4)),
    "product, transposed": ("ij,jk->ki", (2, 3), (3, 4)),
    "1×1 convolution": ("nchw,kc->nkhw", (2, 3, 4, 5), (6, 3)),
    "stack of products": ("bij,bjk->bik", (2, 3, 4), (2, 4, 5)),
    "elementwise": ("ij,ij->ij", (2, 3), (2, 3)),
    "trace of a product": ("ij,ji->", (2, 3), (3, 2)),
    "transpose": ("ij->ji", (2, 3)),
    "sum": ("ij->", (2, 3)),
    "row sums": ("ij->i", (2, 3)),
    "letter summed out of one operand": ("ij,k->k", (2, 3), (4,)),
    "letters summed out of each operand": ("ij,kl->jl", (2, 3), (4, 5)),
    "implicit product": ("ik,kj", (2, 3), (3, 4)),
    "implicit, in alphabetical order": ("ba", (2, 3)),
    "implicit, capitals first": ("Ba,bA", (2, 3), (4, 5)),
    "implicit trace": ("ii", (3, 3)),
    "implicit with dots": ("i...,i...", (3, 2, 4), (3, 4)),
    "diagonal": ("ii->i", (3, 3)),
    "diagonal of three axes": ("iii->i", (3, 3, 3)),
    "diagonal, axes apart": ("iji->ij", (3, 2, 3)),
    "two diagonals": ("iijj->ij", (2, 2, 3, 3)),
    "diagonal times vector": ("ii,i->i", (3, 3), (3,)),
    "diagonals of a stack": ("...ii->...i", (2, 4, 3, 3)),
    "trace": ("ii->", (3, 3)),
    "dots": ("...ij,...jk->...ik", (5, 2, 3), (5, 3, 4)),
    "dots that broadcast": ("...ij,...jk->...ik", (6, 1, 2, 3), (5, 3, 4)),
    "dots of nothing": ("...ij,jk->...ik", (2, 3), (3, 4)),
    "dots in the middle": ("a...b,b->a...", (2, 5, 6, 3), (3,)),
    "dots at the end of the result": ("...i,ij->j...", (5, 2), (2, 3)),
    "dots summed out": ("...i->i", (2, 4, 3)),
    "dots alone": ("...,...->...", (2, 3), (3,)),
    "size 1 broadcasts": ("ij,jk->ik", (2, 1), (3, 4)),
    "size 1 broadcasts to the result": ("ij,ij->ij", (2, 1), (1, 3)),
    "size 1 everywhere": ("ij,jk->ik", (2, 1), (1, 4)),
    "three operands": ("ij,jk,kl->il", (2, 3), (3, 4), (4, 5)),
    "bilinear form": ("a,ab,b->", (2,), (2, 3), (3,)),
    "bilinear forms of a stack": ("na,kab,nb->nk", (4, 2), (5, 2, 3), (4, 3)),
    "three of one letter": ("i,i,i->i", (3,), (3,), (3,)),
    "four operands": ("i,ij,jk,k->", (2,), (2, 3), (3, 2), (2,)),
    "a single number": (",i->i", (), (3,)),
    "numbers alone": (",->", (), ()),
    "no places": ("ij,jk->ik", (2, 0), (0, 3)),
    "an empty result": ("ij,jk->ik", (0, 2), (2, 3)),
    "spaces": (" i j , j k -> i k ", (2, 3), (3, 4)),
}


@pytest.mark.parametrize("label", EQUATIONS)
@pytest.mark.parametrize("layout", ["C", "Fortran", "reversed"])
def test_einsum_is_pytorchs_to_second_order(torch, label, layout):
    equation, *shapes = EQUATIONS[label]
    arrays = [normal(s, seed, layout) for seed, s in enumerate(shapes)]
    assert_like_torch(torch, lambda lib, *xs: lib.einsum(equation, *xs) ** 2, *arrays)


@pytest.mark.parametrize("label", EQUATIONS)
def test_gradcheck_of_einsum_to_second_order(label):
    equation, *shapes = EQUATIONS[label]
    if 0 not in sum(shapes, ()):
        xs = [mg.Tensor(normal(s, seed)) for seed, s in enumerate(shapes)]
        assert mg.check.gradcheck(lambda *xs: mg.einsum(equation, *xs), xs, order=2)


@st.composite
def equations(draw):
    """Any equation in five letters, with the shapes of its operands; a letter has size 1 here and there."""
    sizes = {letter: draw(st.integers(1, 3)) for letter in "abcde"}
    terms = draw(st.lists(st.text("abcde", max_size=3), min_size=1, max_size=3))
    letters = sorted(set("".join(terms)))
    out = draw(st.permutations(letters))[: draw(st.integers(0, len(letters)))]
    shrunk = draw(st.booleans())
    shapes = [
        tuple(1 if shrunk and k == 0 and len(set(term)) == len(term) else sizes[c] for c in term)
        for k, term in enumerate(terms)
    ]
    return f"{','.join(terms)}->{''.join(out)}", shapes


@drawn(80)
@given(equations())
def test_any_equation_is_pytorchs_to_second_order(torch, case):
    equation, shapes = case
    assert_like_torch(
        torch, lambda lib, *xs: lib.einsum(equation, *xs) ** 2, *[normal(s, i) for i, s in enumerate(shapes)]
    )


def test_einsum_of_one_tensor_with_itself():
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    assert mg.grad(mg.einsum("i,i->", x, x), x)[0].tolist() == [2, 4]


# --- inverse and slogdet ----------------------------------------------------------------------------------------------


def matrices(shape, layout="C"):
    """Matrices far from singular, of both orientations."""
    a = normal(shape) + 3 * np.eye(shape[-1])
    a[..., 0] *= np.resize([1, -1], shape[:-1])
    return lay_out_read_only(a, layout)


SQUARE = [(1, 1), (3, 3), (2, 3, 3), (2, 1, 4, 4), (0, 3, 3)]


@pytest.mark.parametrize("shape", SQUARE, ids=str)
@pytest.mark.parametrize("layout", ["C", "Fortran", "reversed"])
def test_inverse_and_slogdet_are_pytorchs_to_second_order(torch, shape, layout):
    a = matrices(shape, layout)
    assert_like_torch(torch, lambda lib, a: lib.inverse(a), a)
    assert_like_torch(torch, lambda lib, a: lib.slogdet(a)[1] ** 2, a)
    np.testing.assert_array_equal(
        mg.slogdet(mg.Tensor(a)).sign.data, torch.slogdet(torch.tensor(a.copy())).sign.numpy()
    )


@pytest.mark.parametrize("shape", SQUARE[:-1], ids=str)
def test_gradcheck_of_inverse_and_slogdet(shape):
    a = mg.Tensor(matrices(shape))
    assert mg.check.gradcheck(mg.inverse, a, order=3, rtol=1e-4)
    assert mg.check.gradcheck(lambda a: mg.slogdet(a).logabsdet, a, order=3, rtol=1e-4)


def test_the_inverse_undoes_a_matrix():
    a = mg.Tensor(matrices((4, 3, 3)))
    np.testing.assert_allclose((a @ a.inverse()).data, np.broadcast_to(np.eye(3), (4, 3, 3)), atol=1e-14)


def test_slogdet_of_a_reflection_a_singular_matrix_and_one_whose_determinant_overflows():
    reflection = mg.tensor([[0.0, 2.0], [2.0, 0.0]], requires_grad=True)
    sign, logabsdet = mg.slogdet(reflection)
    assert (sign.item(), logabsdet.item()) == (-1, pytest.approx(np.log(4)))
    assert not sign.requires_grad
    assert mg.grad(logabsdet, reflection)[0].tolist() == [[0, 0.5], [0.5, 0]]
    sign, logabsdet = mg.slogdet(mg.ones(2, 2))
    assert (sign.item(), logabsdet.item()) == (0, -np.inf)
    large = mg.eye(100) * 1e30
    assert mg.slogdet(large).logabsdet.item() == pytest.approx(100 * np.log(1e30))


# --- types ------------------------------------------------------------------------------------------------------------


def test_float32_stays_float32_in_value_and_gradient():
    a = mg.Tensor(matrices((2, 3, 3)).astype(np.float32), requires_grad=True)
    results = [a @ a, a @ a[0, 0], mg.einsum("bij,bjk->k", a, a), mg.einsum("bii->", a), a.inverse(), *a.slogdet()]
    for y in results:
        assert y.dtype == np.float32
        if y.requires_grad:
            (g,) = mg.grad((y * y).sum(), a)
            assert (g.dtype, g.shape) == (np.float32, (2, 3, 3))


def test_integers_have_no_inverse_but_a_float32_one():
    a = mg.tensor([[2, 0], [0, 4]])
    assert a.inverse().dtype == a.slogdet().logabsdet.dtype == np.float32
    assert mg.einsum("ii->", a).item() == 6.0


# --- errors -----------------------------------------------------------------------------------------------------------

A, B = mg.ones(2, 3), mg.ones(4, 5)
ERRORS = {
    "inner sizes": (
        lambda: A @ B,
        ValueError,
        "matmul: input of shape (2, 3) has 3 columns, but other of shape (4, 5) has 4 rows",
    ),
    "inner size of a vector": (lambda: A @ mg.ones(2), ValueError, "matmul: input of shape (2, 3) has 3 columns, but"),
    "a number": (lambda: A @ 2.0, ValueError, "matmul: expected at least one axis each, got shapes (2, 3) and ()"),
    "leading axes": (
        lambda: mg.ones(2, 3, 4) @ mg.ones(5, 4, 3),
        ValueError,
        "matmul: the leading axes of (2, 3, 4) and (5, 4, 3) do not broadcast together",
    ),
    "types": (
        lambda: A @ mg.ones(3, 2, dtype=np.float64),
        TypeError,
        "matmul: expected both operands of one type, got float32 and float64; convert one with x.to(dtype)",
    ),
    "einsum, types": (
        lambda: mg.einsum("i,i", mg.ones(2), mg.ones(2, dtype=np.float64)),
        TypeError,
        "einsum: expected both operands of one type, got float32 and float64",
    ),
    "einsum, too few operands": (
        lambda: mg.einsum("ij,jk->ik", A),
        ValueError,
        "einsum: 'ij,jk->ik' names 2 operands, 1 were given",
    ),
    "einsum, no operands": (lambda: mg.einsum("->"), ValueError, "einsum: '->' names 1 operands, 0 were given"),
    "einsum, sizes": (
        lambda: mg.einsum("ij,jk->ik", A, B),
        ValueError,
        "einsum: letter 'j' is 3 in one place and 4 in operand 1",
    ),
    "einsum, sizes of a diagonal": (
        lambda: mg.einsum("ii", A),
        ValueError,
        "einsum: letter 'i' is 2 in one place and 3",
    ),
    "einsum, axes": (
        lambda: mg.einsum("ijk->i", A),
        ValueError,
        "einsum: 'ijk->i' does not fit an operand of shape (2, 3)",
    ),
    "einsum, dots": (
        lambda: mg.einsum("...ijk->i", A),
        ValueError,
        "einsum: '...ijk->i' does not fit an operand of shape",
    ),
    "einsum, dots twice": (lambda: mg.einsum("...i...", A), ValueError, "einsum: '...i...' does not fit an operand"),
    "einsum, signs": (
        lambda: mg.einsum("i1->i", A),
        ValueError,
        "einsum: 'i1->i' does not fit an operand of shape (2, 3)",
    ),
    "einsum, unknown letter": (
        lambda: mg.einsum("ij->ik", A),
        ValueError,
        "einsum: the result of 'ij->ik' must name letters of the operands, each once",
    ),
    "einsum, letter twice": (
        lambda: mg.einsum("ij->ii", A),
        ValueError,
        "einsum: the result of 'ij->ii' must name letters",
    ),
    "inverse, not square": (
        lambda: A.inverse(),
        ValueError,
        "inverse: expected square matrices (..., N, N), got shape (2, 3)",
    ),
    "inverse, a vector": (lambda: mg.inverse(mg.ones(3)), ValueError, "inverse: expected square matrices (..., N, N)"),
    "inverse, singular": (
        lambda: mg.inverse(mg.zeros(5, 2, 2)),
        ValueError,
        "inverse: a matrix in a tensor of shape (5, 2, 2) is singular",
    ),
    "slogdet": (lambda: A.slogdet(), ValueError, "slogdet: expected square matrices (..., N, N), got shape (2, 3)"),
}


@pytest.mark.parametrize("label", ERRORS)
def test_an_error_says_what_came_and_what_was_expected(label):
    call, kind, message = ERRORS[label]
    with pytest.raises(kind, match=f"^{re.escape(message)}"):
        call()


# --- the methods of Tensor --------------------------------------------------------------------------------------------

METHODS = {"matmul": (normal((3, 4)),), "inverse": (), "slogdet": ()}


def test_every_method_takes_its_arguments_in_pytorchs_order(torch):
    methods = {name for name, f in vars(mg.Tensor).items() if getattr(f, "__module__", None) == linalg.__name__}
    assert {name for name in methods if not name.startswith("_")} == set(METHODS)
    for name, args in METHODS.items():
        a = matrices((2, 3, 3))
        found = getattr(mg.Tensor(a), name)(*map(mg.Tensor, args))
        expected = getattr(torch.tensor(a), name)(*map(torch.tensor, args))
        for mine, theirs in zip(found, expected):
            np.testing.assert_allclose(mine.data, theirs.numpy(), rtol=1e-12)


def test_every_function_of_the_file_is_tested_here():
    functions = {
        name
        for name, f in vars(linalg).items()
        if inspect.isfunction(f) and f.__module__ == linalg.__name__ and not name.startswith("_")
    }
    assert functions == {*METHODS, "einsum", "product"}
