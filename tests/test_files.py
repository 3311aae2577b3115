"""Files appear whole or not at all."""

import os
from pathlib import Path

import pytest

from minigan.files import cache_folder, write_atomically


def test_the_name_is_taken_only_at_the_end(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with write_atomically(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize("interruption", [ValueError, KeyboardInterrupt])
def test_an_interrupted_writer_leaves_no_trace(tmp_path, interruption):
    path = tmp_path / "a"
    path.write_bytes(b"old")

    def write_half() -> None:
        with write_atomically(path) as file:
            file.write(b"half")
            raise interruption

    with pytest.raises(interruption):
        write_half()
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a"]


def test_the_content_is_on_the_disk_before_the_name_is_taken_and_the_name_after_it(tmp_path, monkeypatch):
    done = []
    fsync, replace = os.fsync, os.replace

    def recorded_fsync(fd: int) -> None:
        done.append("folder" if os.path.samestat(os.fstat(fd), os.stat(tmp_path)) else f"{os.fstat(fd).st_size} bytes")
        fsync(fd)

    def recorded_replace(source, target) -> None:
        done.append("replace")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", recorded_fsync)
    monkeypatch.setattr(os, "replace", recorded_replace)
    with write_atomically(tmp_path / "a") as file:
        file.write(b"12345")
    assert done == ["5 bytes", "replace"] + ["folder"] * (os.name == "posix")


def test_what_a_killed_writer_left_is_removed_and_nothing_else(tmp_path):
    (tmp_path / ".a[1].123-456.part").write_bytes(b"stale")
    (tmp_path / ".ab.123-456.part").write_bytes(b"another file's")
    (tmp_path / "a[1].part").write_bytes(b"mine")
    with write_atomically(tmp_path / "a[1]") as file:
        file.write(b"new")
    assert sorted(os.listdir(tmp_path)) == [".ab.123-456.part", "a[1]", "a[1].part"]


@pytest.mark.skipif(os.name != "posix", reason="permissions and links of POSIX")
def test_permissions_are_the_usual_ones_and_links_stay_links(tmp_path):
    (tmp_path / "usual").write_bytes(b"")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with write_atomically(tmp_path / "link") as file:
        file.write(b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"new"
    assert (tmp_path / "target").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_the_cache_folder_can_be_moved(monkeypatch, tmp_path):
    monkeypatch.setenv("MINIGAN_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("MINIGAN_CACHE")
    assert cache_folder().name == "minigan"
    assert cache_folder() != Path("minigan")
