"""The IDX reader: every type, and every way in which a file can be broken. Only the right array may come out, or a
DataError that names the file."""

import gzip
import re
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from minigan.data.dataset import DataError
from minigan.data.idx import gunzip, parse_idx, read_idx

CODES = {"uint8": 0x08, "int8": 0x09, "int16": 0x0B, "int32": 0x0C, "float32": 0x0D, "float64": 0x0E}
FUZZ = settings(deadline=None, derandomize=True, max_examples=300)


def encode(array):
    header = bytes([0, 0, CODES[array.dtype.name], array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


def decode(raw):
    return parse_idx(gunzip(raw, "file"), "file")


SMALL = np.arange(24, dtype=np.int16).reshape(2, 3, 4) - 5
PLAIN = encode(SMALL)
ZIPPED = gzip.compress(PLAIN, mtime=0)


def arrays():
    shapes = npst.array_shapes(max_dims=5, max_side=4)
    return st.sampled_from(sorted(CODES)).flatmap(lambda name: npst.arrays(name, shapes))


@settings(deadline=None, derandomize=True, max_examples=100)
@given(arrays())
def test_what_is_written_is_read(array):
    for raw in (encode(array), gzip.compress(encode(array), 1)):
        read = decode(raw)
        assert read.dtype == array.dtype
        assert read.dtype.isnative
        np.testing.assert_array_equal(read, array)


def test_bytes_are_big_endian():
    np.testing.assert_array_equal(decode(bytes([0, 0, 0x0B, 1, 0, 0, 0, 2, 0x01, 0x02, 0xFF, 0xFE])), [258, -2])


def test_an_array_of_64_dimensions_is_read_and_of_65_refused():
    assert decode(encode(np.zeros((1,) * 64, np.uint8))).ndim == 64
    with pytest.raises(DataError, match=r"dimensions \(01 to 40\), got 00 00 08 41"):
        decode(bytes([0, 0, 8, 65]) + struct.pack(">65I", *[1] * 65) + b"\0")


@pytest.mark.parametrize("name", ["images.gz", "images", "images.png"])
@pytest.mark.parametrize("raw", [PLAIN, ZIPPED])
def test_gzip_is_seen_from_the_contents_not_from_the_name(tmp_path, name, raw):
    (tmp_path / name).write_bytes(raw)
    array = read_idx(tmp_path / name)
    np.testing.assert_array_equal(array, SMALL)
    array += 1  # the array is the caller's own


@pytest.mark.parametrize("raw", [PLAIN, ZIPPED])
def test_every_truncation_is_refused(tmp_path, raw):
    path = tmp_path / "short"
    for length in range(len(raw)):
        path.write_bytes(raw[:length])
        with pytest.raises(DataError, match=re.escape(str(path))):
            read_idx(path)


@pytest.mark.parametrize("raw", [PLAIN, ZIPPED])
def test_no_flipped_bit_gives_a_wrong_array(raw):
    refused = 0
    for bit in range(8 * len(raw)):
        broken = bytearray(raw)
        broken[bit // 8] ^= 1 << bit % 8
        try:
            array = decode(bytes(broken))
        except DataError:
            refused += 1
        else:  # plain files carry no checksum: a changed value must be read as the value that it was changed to
            assert encode(array) == bytes(broken) if raw is PLAIN else (array == SMALL).all()
    assert refused > 50


@FUZZ
@given(st.binary(max_size=80))
def test_random_bytes_are_refused_or_read(raw):
    for prefix in (b"", b"\x1f\x8b", b"\x1f\x8b\x08\0\0\0\0\0\0\0", b"\0\0\x08\x01", b"\0\0\x08\x02\0\0\0\x02"):
        try:
            array = decode(prefix + raw)
        except DataError:
            continue
        assert encode(array) == gunzip(prefix + raw, "file")


@FUZZ
@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=64), st.sampled_from(sorted(CODES.values())))
def test_no_header_is_believed(shape, code):
    header = bytes([0, 0, code, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)
    with pytest.raises(DataError, match=r"truncated|empty"):
        decode(header)


def test_an_absurd_header_allocates_nothing():
    raw = bytes([0, 0, 8, 3]) + struct.pack(">3I", 2**32 - 1, 2**32 - 1, 2**32 - 1) + bytes(100)
    tracemalloc.start()
    with pytest.raises(DataError, match="79,228,162,458,924,105,385,300,197,375 bytes, but 100 follow"):
        decode(raw)
    assert tracemalloc.get_traced_memory()[1] < 100_000
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "not an IDX file.*got nothing"),
        (b"<!DOCTYPE html>", r"not an IDX file: expected it to begin with 00 00.*got 3c 21 44 4f"),
        (b"\0\0\x0a\x01" + bytes(8), "not an IDX file.*got 00 00 0a 01"),
        (b"\0\0\x08\0" + bytes(8), "not an IDX file.*got 00 00 08 00"),
        (PLAIN[:10], "truncated: the header of an array of 3 dimensions takes 16 bytes, but there are 10"),
        (PLAIN[:-1], r"truncated: .*shape \(2, 3, 4\) and type int16, 48 bytes, but 47 follow"),
        (PLAIN + b"\0", "too long: .* 48 bytes, but 49 follow"),
        (b"\0\0\x08\x01" + bytes(4), r"empty: .*shape \(0,\)"),
        (b"\0\0\x08\x02\0\0\0\0\0\0\0\x07" + bytes(5), r"too long: .*shape \(0, 7\)"),
        (ZIPPED[:-5], "damaged or truncated gzip file"),
        (ZIPPED + b"rubbish", "damaged or truncated gzip file"),
        (gzip.compress(b"hello"), "not an IDX file.*got 68 65 6c 6c"),
    ],
)
def test_errors_say_what_is_wrong_and_what_to_do(tmp_path, raw, message):
    path = tmp_path / "train-images"
    path.write_bytes(raw)
    with pytest.raises(DataError, match=message) as caught:
        read_idx(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert "\n" not in text
    assert text.endswith("Delete it and download it again, or point MINIGAN_DATA at a folder with a sound copy.")


def test_what_cannot_be_opened_is_a_data_error(tmp_path):
    with pytest.raises(DataError, match=r"nowhere: cannot be read \(No such file.*MINIGAN_DATA"):
        read_idx(tmp_path / "nowhere")
    with pytest.raises(DataError, match="cannot be read"):
        read_idx(tmp_path)
