"""MNIST and Fashion-MNIST: where they are looked for, what is checked, and how they are downloaded. Tiny files with
the same names stand in for the real ones, and a dictionary for the network."""

import dataclasses
import gzip
import hashlib
import importlib
import os
import struct

import numpy as np
import pytest

from minigan.data.dataset import DataError
from minigan.data.mnist import fashion_mnist, mnist

module = importlib.import_module("minigan.data.mnist")  # the package's attribute of this name is the function
FETCH, REAL = module._fetch, module._MNIST
DATA = os.environ.get("MINIGAN_DATA", "")

TRAIN = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")
TEST = ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def idx(array):
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def make(seed, n):
    """The contents of the two files of a small set."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (n, 28, 28)).astype(np.uint8)
    return idx(images), idx((np.arange(n) % 10).astype(np.uint8)[::-1].copy())


SETS = {"mnist": dict(zip(TRAIN + TEST, make(1, 12) + make(2, 5))), "fashion": dict(zip(TRAIN, make(3, 7)))}


def pixels(contents):
    return np.frombuffer(contents, np.uint8, offset=16).reshape(-1, 1, 28, 28)


def put(folder, files, zipped=True):
    folder.mkdir(parents=True, exist_ok=True)
    for stem, contents in files.items():
        path = folder / (f"{stem}.gz" if zipped else stem)
        path.write_bytes(gzip.compress(contents, 1) if zipped else contents)


def published(contents):
    return hashlib.sha256(contents).hexdigest()


@pytest.fixture(autouse=True)
def net(monkeypatch, tmp_path):
    """A machine with an empty cache and no network; what is put into the dictionary can be downloaded."""
    served, asked = {}, []

    def fetch(url, path):
        asked.append(url)
        if url not in served:
            raise ConnectionError(f"a long story about {url}")
        path.write_bytes(served[url])

    small = dataclasses.replace(module._MNIST, sha256={s: published(c) for s, c in SETS["mnist"].items()})
    zipped = {s: published(gzip.compress(c, 1, mtime=0)) for s, c in SETS["fashion"].items()}
    monkeypatch.setattr(module, "_MNIST", small)
    monkeypatch.setattr(module, "_FASHION", dataclasses.replace(module._FASHION, sha256=zipped))
    monkeypatch.setattr(module, "_fetch", fetch)
    monkeypatch.setenv("MINIGAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("MINIGAN_DATA", raising=False)
    served["asked"] = asked
    return served


def serve(net, mirror, files, source="_MNIST"):
    for stem, contents in files.items():
        net[f"{getattr(module, source).mirrors[mirror]}{stem}.gz"] = gzip.compress(contents, 1, mtime=0)


# ------------------------------------------------------------------------------------------------ the user's own files


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("subfolder", ["", "mnist"])
def test_files_are_found_in_minigan_data(monkeypatch, tmp_path, net, subfolder, zipped):
    put(tmp_path / "data" / subfolder, SETS["mnist"], zipped)
    monkeypatch.setenv("MINIGAN_DATA", str(tmp_path / "data"))
    dataset = mnist()
    np.testing.assert_allclose(dataset.samples, pixels(SETS["mnist"][TRAIN[0]]) / 127.5 - 1, atol=1e-6)
    np.testing.assert_array_equal(dataset.labels, (np.arange(12) % 10)[::-1])
    assert dataset.classes == tuple("0123456789")
    assert dataset.name == "mnist"
    assert mnist(train=False).name == "mnist (test)"
    assert len(mnist(train=False)) == 5
    assert not net["asked"]


@pytest.mark.parametrize("subfolder", ["", "fashion", "fashion-mnist"])
def test_fashion_has_folders_of_its_own(monkeypatch, tmp_path, subfolder):
    put(tmp_path / "mnist", SETS["mnist"])
    put(tmp_path / subfolder, SETS["fashion"])
    monkeypatch.setenv("MINIGAN_DATA", str(tmp_path))
    assert len(mnist()) == 12
    dataset = fashion_mnist()
    assert len(dataset) == 7
    assert dataset.name == "fashion"
    assert dataset.classes[9] == "Ankle boot"


def test_files_of_your_own_need_not_be_the_originals(tmp_path):
    images, labels = make(99, 20)
    put(tmp_path, dict(zip(TRAIN, (images, labels))))
    np.testing.assert_allclose(mnist(root=tmp_path).samples, pixels(images) / 127.5 - 1, atol=1e-6)


def test_one_set_is_not_taken_for_the_other(tmp_path):
    put(tmp_path, SETS["mnist"])
    with pytest.raises(DataError, match="this is MNIST, not Fashion-MNIST, whose files have the same names"):
        fashion_mnist(root=tmp_path)


def test_root_goes_before_minigan_data(monkeypatch, tmp_path):
    put(tmp_path / "a", SETS["mnist"])
    put(tmp_path / "b", dict(zip(TRAIN, make(5, 3))))
    monkeypatch.setenv("MINIGAN_DATA", str(tmp_path / "a"))
    assert len(mnist(root=tmp_path / "b")) == 3
    assert len(mnist()) == 12


def test_root_is_looked_into_and_nothing_else(tmp_path, net):
    serve(net, 0, SETS["mnist"])
    with pytest.raises(
        DataError, match=r"neither train-images-idx3-ubyte.gz nor train-images-idx3-ubyte is in .*mnist"
    ):
        mnist(root=tmp_path)
    assert not net["asked"]


@pytest.mark.parametrize("kept", [0, 1])
def test_half_a_set_is_refused(monkeypatch, tmp_path, kept):
    put(tmp_path, {TRAIN[kept]: SETS["mnist"][TRAIN[kept]]})
    monkeypatch.setenv("MINIGAN_DATA", str(tmp_path))
    with pytest.raises(DataError, match=f"neither {TRAIN[1 - kept]}.gz nor"):
        mnist()


def test_a_place_that_is_no_folder_is_named(monkeypatch, tmp_path):
    with pytest.raises(DataError, match=r"root is .*nowhere, which is no folder"):
        mnist(root=tmp_path / "nowhere")
    monkeypatch.setenv("MINIGAN_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match=r"MINIGAN_DATA is .*nowhere, which is no folder"):
        mnist()


GOOD_IMAGES, GOOD_LABELS = np.zeros((4, 28, 28), np.uint8), np.zeros(4, np.uint8)


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (
            np.zeros((4, 32, 32), np.uint8),
            GOOD_LABELS,
            r"train-images.*expected uint8 images \(N, 28, 28\).*\(4, 32, 32\)",
        ),
        (np.zeros((4, 784), np.uint8), GOOD_LABELS, r"train-images.*got uint8 \(4, 784\)"),
        (GOOD_LABELS, GOOD_LABELS, r"train-images.*got uint8 \(4,\)"),
        (GOOD_IMAGES, GOOD_IMAGES, r"train-labels.*expected uint8 labels \(N,\).*got uint8 \(4, 28, 28\)\."),
        (GOOD_IMAGES, GOOD_LABELS + 10, r"train-labels.*from 0 to 9.*got uint8 \(4,\) up to 10"),
        (GOOD_IMAGES, GOOD_LABELS[:3], "train-images.* holds 4 images, but .*train-labels.* 3 labels"),
    ],
)
def test_files_that_do_not_fit_are_refused(tmp_path, images, labels, message):
    put(tmp_path, dict(zip(TRAIN, (idx(images), idx(labels)))))
    with pytest.raises(DataError, match=message):
        mnist(root=tmp_path)


def test_labels_of_another_type_are_refused(tmp_path):
    put(tmp_path, dict(zip(TRAIN, (idx(GOOD_IMAGES), b"\0\0\x09" + idx(GOOD_LABELS)[3:]))))
    with pytest.raises(DataError, match="got int8"):
        mnist(root=tmp_path)


def test_a_damaged_file_of_your_own_is_not_passed_over(monkeypatch, tmp_path, net):
    serve(net, 0, SETS["mnist"])
    put(tmp_path, SETS["mnist"])
    path = tmp_path / f"{TRAIN[0]}.gz"
    path.write_bytes(path.read_bytes()[:-9])
    monkeypatch.setenv("MINIGAN_DATA", str(tmp_path))
    with pytest.raises(DataError, match="damaged or truncated gzip"):
        mnist()
    assert not net["asked"]


# ---------------------------------------------------------------------------------------------- the cache, the mirrors


def test_what_is_missing_is_downloaded_once(monkeypatch, tmp_path, net):
    serve(net, 0, SETS["mnist"])
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("MINIGAN_DATA", str(tmp_path / "empty"))  # set, but without MNIST in it
    assert len(mnist()) == 12
    assert net["asked"] == [f"{module._MNIST.mirrors[0]}{stem}.gz" for stem in TRAIN]
    net["asked"].clear()
    assert len(mnist(download=False)) == 12
    assert not net["asked"]
    assert sorted(os.listdir(tmp_path / "cache" / "mnist")) == sorted(f"{stem}.gz" for stem in TRAIN)


def test_the_wrapper_made_anew_does_not_matter(net):
    for stem in TRAIN:
        net[f"{module._MNIST.mirrors[0]}{stem}.gz"] = gzip.compress(SETS["mnist"][stem], 9, mtime=12345)
    assert len(mnist()) == 12


def test_fashion_is_checked_by_the_sum_of_the_wrapped_file(net):
    serve(net, 0, SETS["fashion"], "_FASHION")
    assert len(fashion_mnist()) == 7
    assert len(fashion_mnist(download=False)) == 7


def test_the_second_mirror_is_tried_when_the_first_fails(net):
    serve(net, 1, SETS["mnist"])
    assert len(mnist()) == 12
    assert [url.startswith(module._MNIST.mirrors[0]) for url in net["asked"]] == [True, False, True, False]


@pytest.mark.parametrize("wrong", [b"<html>Not found</html>", idx(GOOD_IMAGES), gzip.compress(idx(GOOD_IMAGES))[:-3]])
def test_wrong_contents_are_not_kept(tmp_path, net, wrong):
    for stem in TRAIN:
        net[f"{module._MNIST.mirrors[0]}{stem}.gz"] = wrong
    with pytest.raises(DataError, match=r"wrong contents\).*cvdf-datasets/mnist/ \(ConnectionError\)"):
        mnist()
    assert os.listdir(tmp_path / "cache" / "mnist") == []
    serve(net, 1, SETS["mnist"])
    assert len(mnist()) == 12


def test_a_mirror_that_serves_the_other_set_is_not_believed(net):
    serve(net, 0, SETS["mnist"], "_FASHION")
    with pytest.raises(DataError, match="wrong contents"):
        fashion_mnist()


@pytest.mark.parametrize("damage", [lambda raw: raw[:-9], lambda raw: b"", lambda raw: gzip.compress(idx(GOOD_IMAGES))])
def test_a_damaged_file_in_the_cache_is_downloaded_again(tmp_path, net, damage):
    put(tmp_path / "cache" / "mnist", SETS["mnist"])
    path = tmp_path / "cache" / "mnist" / f"{TRAIN[0]}.gz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=str(path)):
        mnist(download=False)
    with pytest.raises(DataError, match="could not be downloaded"):
        mnist()
    serve(net, 0, SETS["mnist"])
    net["asked"].clear()
    assert len(mnist()) == 12
    assert net["asked"] == [f"{module._MNIST.mirrors[0]}{TRAIN[0]}.gz"]
    assert len(mnist(download=False)) == 12


def test_an_interrupted_download_leaves_nothing(monkeypatch, tmp_path):
    def interrupt(url, path):
        path.write_bytes(b"half of it")
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "_fetch", interrupt)
    with pytest.raises(KeyboardInterrupt):
        mnist()
    assert os.listdir(tmp_path / "cache" / "mnist") == []


def test_without_network_the_message_says_what_to_do():
    with pytest.raises(DataError) as caught:
        mnist()
    text = str(caught.value)
    assert all(mirror in text for mirror in module._MNIST.mirrors)
    assert "MINIGAN_DATA" in text
    assert "--data glyphs" in text
    assert "\n" not in text
    assert text.count(". ") <= 1


def test_without_permission_to_download_the_message_says_so(net):
    with pytest.raises(DataError, match=r"download=False; set MINIGAN_DATA"):
        mnist(download=False)
    assert not net["asked"]


def test_a_cache_that_cannot_be_written_is_named(monkeypatch, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("MINIGAN_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataError, match=r"could not be downloaded to .*file.*\(Not a directory\)"):
        mnist()


def test_fetch_writes_what_the_server_sends(monkeypatch, tmp_path, capsys):
    import requests

    class Response:
        headers = {"content-length": "6"}

        def raise_for_status(self):
            pass

        def iter_content(self, chunk_size):
            return iter([b"abc", b"def"])

    monkeypatch.setattr(requests, "get", lambda url, **options: Response())
    FETCH("http://example.org/file", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"abcdef"
    assert "Downloading http://example.org/file" in capsys.readouterr().out


# ------------------------------------------------------------------------------------------------------ the real files


@pytest.mark.skipif(not os.path.isfile(f"{DATA}/mnist/{TEST[0]}.gz"), reason="needs MNIST in $MINIGAN_DATA/mnist")
def test_the_real_mnist(monkeypatch):
    monkeypatch.setattr(module, "_MNIST", REAL)
    monkeypatch.setenv("MINIGAN_DATA", DATA)
    dataset = mnist(train=False)
    assert dataset.samples.shape == (10000, 1, 28, 28)
    assert len(mnist()) == 60000
    np.testing.assert_array_equal(dataset.labels[:5], [7, 2, 1, 0, 4])
    for stem in (*TRAIN, *TEST):
        module._read(REAL, stem, module._find(REAL, module.Path(DATA), stem), original=True)
