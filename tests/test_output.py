"""Files that appear complete or not at all, and plain values for JSON."""

import os
from fractions import Fraction

import numpy as np
import pytest

from tabular.output import appearing, plain, write, write_all


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_write_ends_text_with_a_line_end_and_leaves_bytes_alone(tmp_path):
    write(tmp_path / "text", "π")
    write(str(tmp_path / "bytes"), b"\x00")
    assert (tmp_path / "text").read_bytes() == "π\n".encode() and (tmp_path / "bytes").read_bytes() == b"\x00"
    assert names(tmp_path) == ["bytes", "text"]


def test_write_all_leaves_old_files_if_one_fails(tmp_path):
    write(tmp_path / "a", "old")
    with pytest.raises(OSError, match=rf"can't write {tmp_path}/missing/b: No such file or directory"):
        write_all({tmp_path / "a": "new", tmp_path / "missing" / "b": "new"})
    assert (tmp_path / "a").read_text() == "old\n" and names(tmp_path) == ["a"]


def test_appearing_leaves_nothing_behind_when_the_work_fails(tmp_path):
    with pytest.raises(ZeroDivisionError), appearing(tmp_path / "a") as (beside,):
        beside.write_text("half of it")
        raise ZeroDivisionError
    assert names(tmp_path) == []


def test_write_names_the_path_when_it_cannot_be_moved_there(tmp_path, monkeypatch):
    def full(source, _):
        raise OSError(28, "No space left on device", str(source))

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match=rf"can't write {tmp_path}/a: No space left on device"):
        write(tmp_path / "a", "new")


def test_plain_is_what_json_can_hold():
    value = {"a": np.array([1.0, np.nan]), 2: (Fraction(3, 4), np.float64(np.inf)), "b": [np.True_, None, "x"]}
    assert plain(value) == {"a": [1.0, None], "2": ["3/4", None], "b": [True, None, "x"]}
    assert plain(np.array([[Fraction(1, 2)]], dtype=object)) == [["1/2"]]
