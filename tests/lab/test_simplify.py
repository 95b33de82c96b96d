"""Simplification: counterexamples in the simplest fractions that are still counterexamples."""

from fractions import Fraction

import numpy as np
import pytest

from tabular import lab
from tabular.lab.outcome import HOLDS, VIOLATED, exact_outcome
from tabular.lab.simplify import cost, simplify
from tests.lab.searches import bounded_sum, half_logarithm, mean, same_rewards, small_mean, uncertain
from tests.lab.statements import half_in_floats


def simple(claim, values, *keeps):
    """What a claim's instance is simplified to, which must be possible."""
    found = simplify(claim, values, *keeps)
    assert found is not None
    return found


def fractions(values):
    return all(isinstance(number, Fraction) for array in values.values() for number in array.flat)


@pytest.mark.parametrize("seed", range(5))
def test_simplify_finds_the_simplest_counterexample(seed):
    x = np.random.default_rng(seed).uniform(3, 4, size=2)
    assert simple(small_mean, {"x": x})["x"].tolist() == [1, 1]


def test_simplify_keeps_the_violation_in_exact_numbers_and_within_the_hypotheses():
    found = simple(bounded_sum, {"x": np.array([0.8912, 0.8834])})
    assert fractions(found) and exact_outcome(bounded_sum, found).status == VIOLATED
    assert max(found["x"]) <= Fraction(9, 10) and sum(found["x"]) > Fraction(3, 2)
    assert cost(bounded_sum, found) < 11  # 4/5 and 3/4 take 8.9 binary digits


def test_simplify_decides_logarithms_in_balls():
    found = simple(half_logarithm, {"u": np.array(1.234567)})
    assert found["u"] == 1 and exact_outcome(half_logarithm, found).arithmetic == "balls"


def test_simplify_gives_whole_probabilities_and_rows_that_sum_to_one():
    found = simple(uncertain, {"p": np.array([[0.81, 0.1, 0.09], [0.2, 0.3, 0.5]])})["p"]
    assert (found.sum(-1) == 1).all() and set(found.flat) == {0, 1}


def test_simplify_leaves_a_model_true_where_it_need_not_be_wrong():
    rng = np.random.default_rng(3)
    p, p_hat = rng.dirichlet(np.ones(3), size=(2, 2))
    values = {"p": p, "r": np.array([0.3, 0.7]), "p_hat": p_hat, "r_hat": np.array([0.35, 1.13])}
    found = simple(same_rewards, values)
    assert np.array_equal(found["p"], found["p_hat"]) and found["r"].tolist() == [0, 0]
    assert found["r_hat"].tolist() == [0, 1]


def test_simplify_keeps_what_else_it_is_asked_to_keep():
    attained = simple(mean, {"x": np.array([0.7512, 0.7488])}, lambda found: found.status == HOLDS and found.ratio == 1)
    assert attained["x"].tolist() == [1, 1]


def test_simplify_keeps_long_fractions_where_short_ones_will_not_do():
    narrow = Fraction(1, 10**12)

    @lab.claim("test.narrow", "narrow", source="a test", fields={"u": lab.Box()})
    def narrow_claim(x):
        """|u - 1/3| >= 1e-12, nearly."""
        return lab.at_most(1 + x.xp.zeros(()), 10**12 * abs(3 * x.u - 1))

    found = simple(narrow_claim, {"u": np.array(1 / 3)})
    assert abs(found["u"].item() - Fraction(1, 3)) < narrow


def test_simplify_returns_none_where_nothing_is_violated():
    assert simplify(small_mean, {"x": np.array([1.0, 5.0])}) is None


def test_simplify_judges_claims_in_floats_by_floats():
    assert simple(half_in_floats, {"u": np.array(0.873)})["u"] == 1


def test_cost_counts_binary_digits():
    values = {"x": np.array([Fraction(0), Fraction(7, 8)], dtype=object)}
    assert cost(small_mean, values) == pytest.approx(6, abs=0.5)
