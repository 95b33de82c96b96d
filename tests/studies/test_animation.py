"""The moving picture of the start page: its numbers are those of a fit, and its files are made together."""

import csv
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from tabular.studies.animation import STEPS, animation, draw, frames, picture
from tabular.worlds import maze10

KEPT = Path(__file__).parents[2] / "docs/images/learning.csv"


def kept() -> dict[tuple[str, int], dict[str, str]]:
    """Rows of the table that is kept with the animation."""
    rows = csv.DictReader(KEPT.read_text().splitlines())
    return {(row["method"], int(row["step"])): row for row in rows}


def test_kept_numbers_show_the_better_predictor_earning_less():
    likelihood, omd = kept()["maximum likelihood", STEPS[-1]], kept()["OMD", STEPS[-1]]
    assert float(likelihood["divergence"]) < 0.1 * float(omd["divergence"])
    assert float(likelihood["J"]) < float(omd["J"]) - 1


@pytest.mark.slow
def test_frames_agree_with_the_kept_numbers():
    maze = maze10(reward=1.0)
    found = frames(maze, steps=(1, 10))
    for frame in found:
        row = kept()[frame["method"], frame["step"]]
        np.testing.assert_allclose([frame["divergence"], frame["J"]], [float(row["divergence"]), float(row["J"])], 1e-6)
        np.testing.assert_allclose(maze.rho @ frame["V"], frame["J"], 1e-9)
    drawn = draw(maze, found, 10, best=11.24)
    assert isinstance(drawn, Figure)
    assert animation([picture(drawn), picture(drawn)]).startswith(b"GIF89a")
