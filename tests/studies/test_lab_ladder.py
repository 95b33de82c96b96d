"""The picture of MnM's ladder of bounds: closed forms on a start with two branches."""

import math
from collections.abc import Mapping
from functools import cache

import numpy as np
import pytest

from tabular.studies import lab_ladder as study
from tabular.studies.record import Record


@cache
def record() -> Record:
    return study.mnm_ladder(quick=True)


def at(reward: float, model: str) -> Mapping[str, float]:
    (row,) = [row for row in record().tables["argmax"] if row["r0"] == reward and row["model"] == model]
    return row


def test_eq_2_is_the_closed_form():
    """From the start: (1 - gamma) log r0 + gamma E_q log r - gamma^0 KL - log(1 - gamma)."""
    g, q = study.GAMMA, 0.7
    divergence = q * math.log(q / 0.5) + (1 - q) * math.log((1 - q) / 0.5)
    expected = (1 - g) * math.log(2.5) + g * q * math.log(4) - divergence - math.log(1 - g)
    assert study._at(2.5, q)["simple"] == pytest.approx(expected, abs=1e-12)


def test_price_gamma_is_the_smallest_that_bounds():
    """Where the start pays the mean of its branches, eq. 2 with gamma KL equals log J, and with KL is .01927 below."""
    log_J = math.log(25)
    assert at(2.5, "eq. 9")["gamma_kl"] == pytest.approx(log_J, abs=1e-12)
    assert log_J - at(2.5, "eq. 9")["simple"] == pytest.approx(0.01927, abs=1e-5)


def test_the_claimed_best_model_is_not_the_best():
    assert at(10.0, "claimed")["simple"] == pytest.approx(3.3269, abs=1e-4)
    assert at(10.0, "eq. 2")["simple"] == pytest.approx(3.3398, abs=1e-4)


@pytest.mark.parametrize("reward", study.STARTS)
@pytest.mark.parametrize(("bound", "model"), [("simple", "eq. 2"), ("gamma_kl", "eq. 9")])
def test_each_bound_is_largest_at_its_own_model(reward, bound, model):
    assert (record().column("value", r0=reward, bound=bound) <= at(reward, model)[bound] + 1e-12).all()


@pytest.mark.parametrize("reward", study.STARTS)
def test_bounds_are_in_order_below_the_truth(reward):
    heights = [record().column("value", r0=reward, bound=bound) for bound in study.BOUNDS]
    for lower, upper in zip(heights, [*heights[1:], record().settings["log_return"][f"{reward:g}"]], strict=True):
        assert (lower <= np.asarray(upper) + 1e-10).all()


def test_picture_has_a_panel_for_each_start():
    figure = study.draw_mnm_ladder(record())
    assert [ax.get_title("left")[:13] for ax in figure.axes] == ["Start pays 2.", "Start pays 10"]
    assert "QUICK" in figure.get_suptitle()
