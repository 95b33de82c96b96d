"""Long studies in parts: computed once, kept on disk, never mixed up."""

import json
import os
from pathlib import Path

import pytest

from tabular.studies.cells import Part, compute_parts

PARTS = [Part(f"part-{x}", {"x": x, "log": None}) for x in (1, 2, 3)]


def square(x: int, log: str | None) -> list[dict[str, float]]:
    """The computation: it leaves a line in a log, and can't do 13."""
    if log is not None:
        with open(log, "a") as file:
            file.write(f"{x} {os.getpid()}\n")
    if x == 13:
        raise ValueError("13 is out of luck")
    return [{"x": x, "square": x**2}]


def logged(*numbers: int, log: Path) -> list[Part]:
    return [Part(f"part-{x}", {"x": x, "log": str(log)}) for x in numbers]


def calls(log: Path) -> list[int]:
    return [int(line.split()[0]) for line in log.read_text().splitlines()] if log.exists() else []


def test_compute_parts_returns_the_rows_in_order_and_tells_of_each():
    told = []
    rows = compute_parts(square, PARTS, folder=None, tell=told.append, workers=0)
    assert list(rows.items()) == [(f"part-{x}", [{"x": x, "square": x**2}]) for x in (1, 2, 3)]
    assert told == PARTS


def test_compute_parts_in_processes_gives_the_same_and_uses_others(tmp_path):
    log = tmp_path / "log"
    rows = compute_parts(square, logged(1, 2, log=log), folder=None, tell=print, workers=2)
    assert rows == {"part-1": [{"x": 1, "square": 1}], "part-2": [{"x": 2, "square": 4}]}
    pids = {line.split()[1] for line in log.read_text().splitlines()}
    assert str(os.getpid()) not in pids


def test_compute_parts_goes_on_where_it_stopped(tmp_path):
    log, folder = tmp_path / "log", tmp_path / "kept"
    with pytest.raises(ValueError, match="out of luck"):
        compute_parts(square, logged(1, 2, 13, log=log), folder=folder, tell=print, workers=0)
    told = []
    rows = compute_parts(square, logged(1, 2, 4, log=log), folder=folder, tell=told.append, workers=0)
    assert [row["square"] for part in rows.values() for row in part] == [1, 4, 16]
    assert calls(log) == [1, 2, 13, 4] and len(told) == 3


def test_compute_parts_keeps_what_was_finished_when_a_process_fails(tmp_path):
    log, folder = tmp_path / "log", tmp_path / "kept"
    with pytest.raises(ValueError, match="out of luck"):
        compute_parts(square, logged(1, 2, 13, log=log), folder=folder, tell=print, workers=1)
    assert sorted(json.loads(path.read_text())[0]["x"] for path in folder.glob("*.json")) == [1, 2]


def test_part_of_other_settings_is_kept_elsewhere(tmp_path):
    paths = {Part("part", {"x": 1}).path(tmp_path), Part("part", {"x": 2}).path(tmp_path)}
    assert len(paths) == 2 and Part("part", {"x": 1}).path(tmp_path) in paths
