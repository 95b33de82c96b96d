"""What is measured of every run after each chunk, and the file that keeps it: a line of JSON for each chunk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tabular.output import plain, write

FILE = "metrics.jsonl"


class Row(NamedTuple):
    """After one chunk; the leading axis of every array is that of the lanes."""

    step: int
    seconds: float
    """Wall-clock time of training up to here, compilation included; time between interruption and resumption isn't."""
    returns: np.ndarray
    """Of each episode of the evaluation, shape (lanes, episodes)."""
    critic_loss: np.ndarray
    """Mean over the chunk; NaN where nothing was learned."""
    model_loss: np.ndarray
    ended: np.ndarray
    """Training episodes that ended in the chunk."""


def append(folder: Path, row: Row) -> None:
    """Add a line."""
    with (folder / FILE).open("a") as file:
        file.write(json.dumps(plain(row._asdict())) + "\n")


def read(folder: Path, last: int | None = None) -> list[Row]:
    """The rows up to step `last`. A line that a killed run left incomplete counts for nothing."""
    path = folder / FILE
    if not path.exists():
        return []
    lines = path.read_text().split("\n")[:-1]
    rows = [_row(path, i, line) for i, line in enumerate(lines)]
    return [row for row in rows if last is None or row.step <= last]


def truncate(folder: Path, last: int) -> list[Row]:
    """Drop the lines after step `last`, and return the others."""
    rows = read(folder, last)
    lines = (folder / FILE).read_text().split("\n")[: len(rows)] if rows else []
    if rows:
        write(folder / FILE, "\n".join(lines))
    else:
        (folder / FILE).unlink(missing_ok=True)
    return rows


def _row(path: Path, i: int, line: str) -> Row:
    try:
        found = json.loads(line)
        arrays = {name: np.array(found[name], dtype=float) for name in ("returns", "critic_loss", "model_loss")}
        return Row(int(found["step"]), float(found["seconds"]), **arrays, ended=np.array(found["ended"], dtype=int))
    except (ValueError, KeyError, TypeError) as error:
        raise OSError(f"can't read {path}: line {i + 1} is no row of metrics ({error}).") from error
