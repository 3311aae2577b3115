"""A checkpoint comes back bit for bit, survives a kill at any moment, and never comes back wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.numpy import save_file

from minigan.train import checkpoint
from minigan.train.checkpoint import DTYPES, CheckpointError, load_checkpoint, save_checkpoint


def assert_same_bits(actual: np.ndarray, expected: np.ndarray) -> None:
    assert actual.dtype == expected.dtype
    assert actual.shape == expected.shape
    assert actual.tobytes() == expected.tobytes()


# ----------------------------------------------------------------------------------------------------------------------
# There and back
# ----------------------------------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.integers(2**120, 2**128),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(),
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=12).filter(lambda name: name != "__metadata__")
ARRAYS = hnp.arrays(st.sampled_from([np.dtype(name) for name in DTYPES]), hnp.array_shapes(min_dims=0, min_side=0))


@settings(deadline=None, derandomize=True, max_examples=80)
@given(arrays=st.dictionaries(NAMES, ARRAYS, max_size=4), meta=st.dictionaries(st.text(), JSON, max_size=4))
def test_everything_comes_back(tmp_path_factory, arrays, meta):
    path = tmp_path_factory.mktemp("there") / "checkpoint.safetensors"
    save_checkpoint(path, arrays, meta)
    loaded, loaded_meta = load_checkpoint(path)
    assert loaded.keys() == arrays.keys()
    for name, array in arrays.items():
        assert_same_bits(loaded[name], array)
    assert json.dumps(loaded_meta) == json.dumps(meta)  # tells 1 from 1.0 and True, 0.0 from -0.0, and keeps the order


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "view",
    [
        lambda a: a.T,
        lambda a: a[::2, 1:],
        lambda a: a[::-1, ::-1],
        lambda a: np.asfortranarray(a),
        lambda a: np.broadcast_to(a[:1], (5, 7)),
        lambda a: a[1:1],
        lambda a: a[2, 3, ...],
        lambda a: a.reshape(5, 7, 1, 1).transpose(2, 3, 1, 0),
    ],
)
def test_strides_do_not_matter(tmp_path, dtype, view):
    array = view((np.arange(35).reshape(5, 7) * 3 % 11).astype(dtype))
    save_checkpoint(tmp_path / "c", {"a": array}, {})
    loaded = load_checkpoint(tmp_path / "c")[0]["a"]
    assert_same_bits(loaded, array)
    np.testing.assert_array_equal(loaded, array)


def test_every_bit_pattern_of_a_nan_survives(tmp_path):
    bits = np.array([0x7FC00000, 0xFFC00001, 0x7F800001, 0xFF800000, 0x80000000, 1], np.uint32)
    save_checkpoint(tmp_path / "c", {"a": bits.view(np.float32)}, {})
    assert load_checkpoint(tmp_path / "c")[0]["a"].view(np.uint32).tolist() == bits.tolist()


def test_loaded_arrays_may_be_trained_on(tmp_path):
    save_checkpoint(tmp_path / "c", {"a": np.zeros(3), "b": np.zeros(())}, {})
    first, _ = load_checkpoint(tmp_path / "c")
    for array in first.values():
        assert array.flags.owndata
        array += 1
    second, _ = load_checkpoint(tmp_path / "c")
    assert first["a"].tolist() == [1, 1, 1]
    assert second["a"].tolist() == [0, 0, 0]


@pytest.mark.parametrize("name", ["PCG64", "PCG64DXSM", "Philox", "SFC64"])
def test_a_random_generator_goes_on_where_it_was(tmp_path, name):
    rng = np.random.Generator(getattr(np.random, name)(123))
    rng.integers(10, size=3, dtype=np.uint32)  # leaves half a draw behind
    state = rng.bit_generator.state
    arrays = {key: value for key, value in state["state"].items() if isinstance(value, np.ndarray)}
    meta = state | {"state": {k: v for k, v in state["state"].items() if k not in arrays}}
    if "buffer" in meta:
        arrays["buffer"] = meta.pop("buffer")
    save_checkpoint(tmp_path / "c", arrays, {"rng": meta})
    loaded, description = load_checkpoint(tmp_path / "c")
    restored = description["rng"]
    if "buffer" in loaded:
        restored["buffer"] = loaded.pop("buffer")
    restored["state"] |= loaded
    other = np.random.Generator(getattr(np.random, name)(0))
    other.bit_generator.state = restored
    assert other.random(8).tolist() == rng.random(8).tolist()


def test_the_same_content_gives_the_same_bytes(tmp_path):
    contents = set()
    for n in range(20):
        arrays = {"w": np.eye(3), "b": np.zeros(2, np.float32), "n": np.array(n % 1)}
        save_checkpoint(tmp_path / f"{n}", arrays, {"step": 1, "losses": [0.5], "rng": {"state": 2**127}})
        contents.add((tmp_path / f"{n}").read_bytes())
    assert len(contents) == 1


def test_tuples_and_numpy_scalars_become_what_json_has(tmp_path):
    meta = {"betas": (0.5, np.float64(0.999)), "step": np.int64(3), "done": np.bool_(True), "lr": np.float32(0.1)}
    save_checkpoint(tmp_path / "c", {}, meta)
    loaded = load_checkpoint(tmp_path / "c")[1]
    assert loaded == {"betas": [0.5, 0.999], "step": 3, "done": True, "lr": float(np.float32(0.1))}
    assert [type(value) for value in loaded.values()] == [list, int, bool, float]


# ----------------------------------------------------------------------------------------------------------------------
# What would not come back is refused, before anything is written
# ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arrays", "meta", "error", "message"),
    [
        ({"a": [1.0]}, {}, TypeError, r"arrays\['a'\] is a list, but a NumPy array"),
        ({"a": np.float32(1)}, {}, TypeError, r"arrays\['a'\] is a float32, but a NumPy array"),
        ({"a": np.array([None])}, {}, TypeError, r"arrays\['a'\] has dtype \|O"),
        ({"a": np.array(["text"])}, {}, TypeError, r"arrays\['a'\] has dtype"),
        ({"a": np.zeros(2, complex)}, {}, TypeError, "has dtype .c16"),
        ({"a": np.zeros(2, np.dtype("f4").newbyteorder())}, {}, TypeError, "has dtype .f4.*byte order"),
        ({"a": np.zeros(2, [("x", "f4")])}, {}, TypeError, "has dtype"),
        ({3: np.zeros(2)}, {}, TypeError, "the name 3 of an array is a int"),
        ({"__metadata__": np.zeros(2)}, {}, ValueError, "'__metadata__' is reserved"),
        ({}, {"a": {"b": [0.0, float("nan")]}}, ValueError, r"meta\['a'\]\['b'\]\[1\] is nan"),
        ({}, {"a": np.float32("inf")}, ValueError, r"meta\['a'\] is inf"),
        ({}, {"a": {1: 2}}, TypeError, r"meta\['a'\] has the key 1"),
        ({}, {"a": {1, 2}}, TypeError, r"meta\['a'\] is a set"),
        ({}, {"a": np.zeros(2)}, TypeError, r"meta\['a'\] is a ndarray.*among the arrays"),
        ({}, {"a": Path("x")}, TypeError, r"meta\['a'\] is a \w*Path"),
        ({}, {"a": 1j}, TypeError, r"meta\['a'\] is a complex"),
        ({}, {"a": b"x"}, TypeError, r"meta\['a'\] is a bytes"),
        ({}, {"a": 10**5000}, ValueError, "4300"),
        ({"a\ud800": np.zeros(2)}, {}, ValueError, "surrogates"),
    ],
)
def test_what_would_not_come_back_is_refused(tmp_path, arrays, meta, error, message):
    path = tmp_path / "c"
    path.write_bytes(b"old")
    with pytest.raises(error, match=message):
        save_checkpoint(path, arrays, meta)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["c"]


# ----------------------------------------------------------------------------------------------------------------------
# Kills
# ----------------------------------------------------------------------------------------------------------------------

KILLED = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
import numpy as np
from minigan.train.checkpoint import save_checkpoint

replace = os.replace

def kill(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def kill_when_half_is_written(fd):
    os.ftruncate(fd, os.fstat(fd).st_size // 2)
    kill()

def kill_after_replace(source, target):
    replace(source, target)
    kill()

if sys.argv[3] == "half":
    os.fsync = kill_when_half_is_written
elif sys.argv[3] == "fsync":
    os.fsync = kill
elif sys.argv[3] == "before":
    os.replace = kill
elif sys.argv[3] == "after":
    os.replace = kill_after_replace
save_checkpoint(sys.argv[2], {"w": np.full((300, 300), 2.0)}, {"step": 2})
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="SIGKILL is POSIX")
@pytest.mark.parametrize(("moment", "step"), [("half", 1), ("fsync", 1), ("before", 1), ("after", 2)])
def test_a_killed_writer_leaves_a_whole_checkpoint(tmp_path, moment, step):
    path = tmp_path / "checkpoint.safetensors"
    save_checkpoint(path, {"w": np.full((300, 300), 1.0)}, {"step": 1})
    root = Path(checkpoint.__file__).parents[2]
    child = subprocess.run([sys.executable, "-c", KILLED, root, path, moment], timeout=60, capture_output=True)
    assert child.returncode == -signal.SIGKILL, child.stderr.decode()
    arrays, meta = load_checkpoint(path)
    assert meta == {"step": step}
    assert (arrays["w"] == step).all()
    assert len(os.listdir(tmp_path)) == (2 if step == 1 else 1)  # the killed writer's own file is still there

    save_checkpoint(path, {"w": np.full((300, 300), 3.0)}, {"step": 3})
    assert load_checkpoint(path)[1] == {"step": 3}
    assert os.listdir(tmp_path) == ["checkpoint.safetensors"]


# ----------------------------------------------------------------------------------------------------------------------
# Damage
# ----------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def small(tmp_path) -> tuple[Path, bytes]:
    path = tmp_path / "checkpoint.safetensors"
    arrays = {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "n": np.array(7), "e": np.zeros((0, 2), bool)}
    save_checkpoint(path, arrays, {"step": 3, "rng": {"state": 2**127 + 1}})
    return path, path.read_bytes()


def outcome(path: Path) -> str:
    """What a reader gets: the right content, or a CheckpointError that names the file; anything else fails."""
    try:
        arrays, meta = load_checkpoint(path)
    except CheckpointError as error:
        return "error" if str(path) in str(error) else f"does not name the file: {error}"
    assert meta == {"step": 3, "rng": {"state": 2**127 + 1}}
    assert arrays.keys() == {"w", "n", "e"}
    assert_same_bits(arrays["w"], np.arange(6, dtype=np.float32).reshape(2, 3))
    assert_same_bits(arrays["n"], np.array(7))
    assert_same_bits(arrays["e"], np.zeros((0, 2), bool))
    return "right"


def test_no_truncated_file_is_accepted(small):
    path, content = small
    assert outcome(path) == "right"
    for length in range(len(content)):
        path.write_bytes(content[:length])
        assert outcome(path) == "error", length
    path.write_bytes(content + b"\0")
    assert outcome(path) == "error"


@pytest.mark.parametrize("each", [7, pytest.param(1, marks=pytest.mark.slow)])
def test_no_flipped_bit_gives_a_wrong_result(small, each):
    path, content = small
    outcomes = []
    for bit in range(0, 8 * len(content), each):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        outcomes.append(outcome(path))
    assert set(outcomes) <= {"error", "right"}
    assert outcomes.count("error") > 0.9 * len(outcomes)  # a blank may become a tab: few bits carry no meaning


@settings(deadline=None, derandomize=True, max_examples=200)
@given(data=st.data())
def test_no_splice_gives_a_wrong_result(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("splice") / "c"
    arrays = {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "n": np.array(7), "e": np.zeros((0, 2), bool)}
    save_checkpoint(path, arrays, {"step": 3, "rng": {"state": 2**127 + 1}})
    content = path.read_bytes()
    start = data.draw(st.integers(0, len(content)))
    stop = data.draw(st.integers(start, min(start + 40, len(content))))
    inserted = data.draw(
        st.binary(max_size=40) | st.sampled_from([b"null", b"-1", b"1e999", b"[" * 40, b"NaN", b"18446744073709551616"])
    )
    path.write_bytes(content[:start] + inserted + content[stop:])
    assert outcome(path) in ("error", "right")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        b"\0" * 8,
        b"\xff" * 200,
        b"PK\x03\x04" * 50,
        b"\x80\x04\x95" * 50,
        b"\x02\0\0\0\0\0\0\0{}",
        b"\x04\0\0\0\0\0\0\0null",
    ],
)
def test_foreign_files_are_refused(tmp_path, content):
    path = tmp_path / "other.bin"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"other\.bin: "):
        load_checkpoint(path)


def test_another_programs_safetensors_file_is_refused(tmp_path):
    for metadata in (None, {"format": "pt"}):
        save_file({"w": np.zeros(3)}, tmp_path / "model.safetensors", metadata=metadata)
        with pytest.raises(CheckpointError, match=r"model\.safetensors: .* not a checkpoint of minigan.*run folder"):
            load_checkpoint(tmp_path / "model.safetensors")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            '{"version": 2, "anything": "new"}',
            "version 2 of the format, but this minigan reads version 1; load it with",
        ),
        ('{"version": "x"}', "version 'x'"),
        ('{"version": 1}', "damaged: .* lacks"),
        ('{"version": 1, "sha256": 0, "meta": []}', "damaged: .* lacks"),
        ('{"version": 1, "sha256": 0, "meta": {}}', "damaged: .*SHA-256"),
        ("[]", "damaged: .* no version"),
        ("null", "damaged: .* no version"),
        ("{", "damaged"),
        ("[" * 100_000, "damaged"),
        ('{"version": 1, "sha256": "", "meta": {"a": ' + "9" * 5000 + "}}", "damaged"),
    ],
)
def test_other_versions_and_broken_entries(tmp_path, entry, message):
    path = tmp_path / "c.safetensors"
    save_file({"w": np.zeros(3)}, path, metadata={checkpoint.ENTRY: entry})
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(path)


def test_dtypes_that_numpy_has_not_are_refused(tmp_path):
    for dtype in ("BF16", "F8_E4M3", "F64"):
        entry = {checkpoint.ENTRY: '{"version": 1, "sha256": "", "meta": {}}'}
        header = {"__metadata__": entry, "w": {"dtype": dtype, "shape": [8], "data_offsets": [0, 16]}}
        text = json.dumps(header).encode()
        (tmp_path / "c").write_bytes(len(text).to_bytes(8, "little") + text + bytes(16))
        with pytest.raises(CheckpointError, match="damaged"):
            load_checkpoint(tmp_path / "c")


def test_files_that_cannot_be_opened(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.safetensors"):
        load_checkpoint(tmp_path / "nowhere.safetensors")
    with pytest.raises(OSError):
        load_checkpoint(tmp_path)
