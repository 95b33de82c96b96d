"""The picture of the simulation lemma."""

from functools import cache

import numpy as np
import pytest

from tabular.mismatch import sharp_bound
from tabular.studies import lab_simulation as study
from tabular.studies.record import Record


@cache
def record() -> Record:
    return study.simulation(quick=True)


@pytest.mark.parametrize("rewards", study.REWARDS)
def test_the_extreme_pair_attains_the_sharp_bound(rewards):
    lines = [row for row in record().tables["lines"] if row["rewards"] == rewards]
    np.testing.assert_allclose([row["attained"] for row in lines], [row["sharp"] for row in lines], atol=1e-11)


@pytest.mark.parametrize(("rewards", "size"), [("from 0 to 1", 1.0), ("from -1 to 1", 2.0)])
def test_no_random_model_is_above_the_sharp_bound(rewards, size):
    eps_p, error = (record().column(name, rewards=rewards) for name in ("eps_p", "q_error"))
    assert (error <= sharp_bound(0.0, eps_p, size, study.GAMMA) + 1e-9).all()


def test_the_printed_bound_fails_for_signed_rewards_only():
    assert not record().column("violated", rewards="from 0 to 1").any()
    assert record().column("violated", rewards="from -1 to 1").any()


def test_the_printed_bound_is_vacuous_where_it_crosses_the_ceiling():
    line = next(row for row in study._lines() if row["rewards"] == "from 0 to 1" and row["eps_p"] > 2 * 0.1 / 0.9)
    assert line["printed"] > line["ceiling"] == pytest.approx(10)
    assert record().settings["vacuous_above"] == pytest.approx(0.2222, abs=1e-4)


def test_picture_counts_the_violations():
    figure = study.draw_simulation(record())
    left, right = figure.axes
    assert "none of 600" in left.get_title("left") and "none" not in right.get_title("left")
    assert "QUICK" in figure.get_suptitle()
