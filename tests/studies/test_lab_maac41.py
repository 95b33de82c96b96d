"""The picture of MAAC's Theorem 4.1."""

from functools import cache

import numpy as np
import pytest

from tabular.studies import lab_maac41 as study
from tabular.studies.record import Record


@cache
def record() -> Record:
    return study.maac41(quick=True)


@pytest.mark.parametrize("rewards", study.REWARDS)
def test_two_states_attain_the_sharp_bound(rewards):
    sharp, attained = (record().column(name, rewards=rewards) for name in ("sharp", "attained"))
    np.testing.assert_allclose(attained, sharp, rtol=1e-12)


@pytest.mark.parametrize("rewards", study.REWARDS)
def test_random_losses_stay_below_the_sharp_and_the_corrected_bound(rewards):
    random, sharp, corrected = (record().column(name, rewards=rewards) for name in ("random", "sharp", "corrected"))
    assert (random <= sharp * (1 + 1e-9)).all()
    assert (sharp <= corrected * (1 + 1e-12)).all()


@pytest.mark.parametrize(("rewards", "crossing"), [("from 0 to 1", 5 / 9), ("from -1 to 1", 0.0)])
def test_the_printed_bound_fails_exactly_above_the_crossing(rewards, crossing):
    gamma, printed, attained = (record().column(name, rewards=rewards) for name in ("gamma", "printed", "attained"))
    assert record().settings["fails_above"][rewards] == pytest.approx(crossing)
    np.testing.assert_array_equal(attained > printed * (1 + 1e-12), gamma > crossing)


def test_picture_says_where_it_fails():
    left, right = study.draw_maac41(record()).axes
    assert "above γ = 0.56" in left.get_title("left") and "every γ > 0" in right.get_title("left")
