"""Lanes: what a search moves, and what it climbs."""

import numpy as np
import pytest

from tabular.claims.claim import at_most, equal
from tabular.lab.lanes import AIMS, arrays, excess, lanes, ties
from tests.lab.searches import mean, same_rewards

RATIO, DIFFERENCE = AIMS


def one_draw(claim):
    return [claim.draw(0, 1)]


@pytest.mark.parametrize("scale", [1e-2, 1.0, 1e5])
def test_excess_rises_with_the_ratio_whatever_the_scale(scale):
    ratios = [0.1, 0.5, 0.99, 1.01, 3.0]
    climbed = [excess(at_most(scale * ratio, scale), RATIO, np) for ratio in ratios]
    assert climbed == sorted(climbed) and climbed[2] < 0 < climbed[3]


def test_excess_rises_with_the_difference_through_signs():
    sides = [(-3.0, 1.0), (-1.0, 1.0), (0.5, 1.0), (-1.0, -1.0), (0.0, -1.0), (1.0, -1.0)]
    climbed = [excess(at_most(*pair), DIFFERENCE, np) for pair in sides]
    assert climbed == sorted(climbed) and climbed[3] == 0


def test_excess_does_not_take_two_sides_near_zero_for_equality():
    assert excess(at_most(0.0, 0.0), RATIO, np) == -1


def test_excess_of_an_identity_is_above_zero_on_both_sides_of_it():
    assert excess(equal(1.0, 2.0), DIFFERENCE, np) == excess(equal(2.0, 1.0), DIFFERENCE, np) > 0


def test_excess_is_least_where_a_side_is_no_number():
    sides = at_most(np.array([np.nan, 0.1]), np.array([1.0, 1.0]))
    assert excess(sides, DIFFERENCE, np) == pytest.approx(-0.9 / 2.1)


def test_arrays_of_a_lane_give_back_the_start():
    (start,) = one_draw(mean)
    lane = lanes(mean, [start])[0]
    np.testing.assert_allclose(arrays(mean, lane.theta, lane.kept, lane.tied, np)["x"], start["x"])


def test_ties_leave_at_least_one_field_of_a_model_free():
    sets = [frozenset(name for name, tied in each.items() if tied) for each in ties(same_rewards, 0)]
    assert set(sets) == {frozenset(), frozenset({"p_hat"}), frozenset({"r_hat"})} and len(sets) == 3


def test_lanes_with_a_tie_have_equal_arrays():
    (start,) = one_draw(same_rewards)
    for lane in lanes(same_rewards, [start]):
        built = arrays(same_rewards, lane.theta, lane.kept, lane.tied, np)
        assert np.array_equal(built["p"], built["p_hat"]) == bool(lane.tied["p_hat"])
