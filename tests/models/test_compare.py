"""Two definitions side by side: which layers are lined up, and for which samples they are built."""

from dataclasses import replace

import pytest

from minigan import nn
from minigan.models import VARIANTS
from minigan.models.compare import Definition, compare, layers_of
from minigan.train.rules import Rules


def differing(*sides):
    found = compare(*(side if isinstance(side, Definition) else Definition(side, VARIANTS[side]) for side in sides))
    return found, [(row.part, row.name, row.a, row.b) for row in found.differing().rows]


def test_an_inserted_layer_does_not_make_all_that_follow_differ():
    dcgan = VARIANTS["dcgan"]
    wider = replace(dcgan, discriminator=lambda shape: nn.Sequential(nn.Dropout(0.1), *dcgan.discriminator(shape)))
    _, rows = differing(Definition("a", dcgan), Definition("b", wider))
    assert [(part, place, b[:7]) for part, place, _, b in rows] == [("D", "– → 0", "Dropout")]


def test_a_layer_that_is_like_another_but_for_a_number_is_its_counterpart():
    dcgan = VARIANTS["dcgan"]
    _, rows = differing(Definition("a", dcgan), Definition("b", replace(dcgan, latent=7)))
    assert rows == [
        ("settings", "latent", "100", "7"),
        ("G", "0", "Linear(100, 6272, bias=False)", "Linear(7, 6272, bias=False)"),
    ]


def test_rules_that_change_the_network_are_seen_there():
    packed = replace(VARIANTS["vanilla"], rules=Rules(pack=2, minibatch="std"))
    _, rows = differing("vanilla", Definition("packed", packed))
    assert {(part, name) for part, name, *_ in rows if part == "rules"} == {("rules", "pack"), ("rules", "minibatch")}
    assert any(b and b.startswith("MinibatchStdDev") for part, _, _, b in rows if part == "D")


def test_networks_are_built_for_pictures_or_for_what_the_variant_draws():
    assert differing("vanilla", "dcgan")[0].shapes == ((1, 28, 28), (1, 28, 28))
    assert differing("dcgan", "wavegan")[0].shapes == ((1, 28, 28), (1, 4096))
    assert differing("timegan-1d", "dcgan")[0].shapes == ((5, 24), (1, 28, 28))
    points = Definition("run", VARIANTS["dcgan"], shape=(2,))
    assert differing(points, "vanilla")[0].shapes == ((2,), (2,))
    assert differing(points, "wavegan")[0].shapes == ((2,), (1, 4096))


def test_a_network_that_has_a_forward_of_its_own_is_named():
    rows = differing("cgan", "cgan-projection")[1]
    assert ("D", "", "Discriminator", "ProjectionDiscriminator") in rows
    third = [row for row in differing("dcgan", "timegan-1d")[1] if row[0] == "companion"]
    assert third[0] == ("companion", "", None, "Supervisor")


def test_layers_have_their_places():
    net = nn.Sequential(nn.Sequential(nn.Linear(1, 2), nn.ReLU()), nn.spectral_norm(nn.Linear(2, 1)))
    assert [place for place, _ in layers_of(net)] == ["0.0", "0.1", "1"]


def test_the_table_marks_what_differs_only_among_what_does_not():
    found = compare(*(Definition(name, VARIANTS[name]) for name in ("dcgan", "lsgan")))
    assert "*loss" in str(found)
    assert "*" not in str(found.differing())


def test_a_shape_that_suits_neither_is_an_error():
    with pytest.raises(ValueError, match="wavegan: its networks are for series"):
        compare(Definition("run", VARIANTS["wavegan"], shape=(2,)), Definition("run", VARIANTS["wavegan"], shape=(2,)))
