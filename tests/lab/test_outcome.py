"""Outcomes: the status is right, a violation is certain, and a claim that returns nonsense is told so."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from tabular.arithmetic import enclosed, exact
from tabular.claims import omd
from tabular.claims.claim import Hypothesis, Sides, at_most, claim, equal
from tabular.claims.fields import Box
from tabular.lab.outcome import EXCLUDED, HOLDS, UNDECIDED, VIOLATED, exact_outcome, judge, outcome

FIELDS = {"x": Box((3,), 1.0, 2.0)}


def statement(function, **more):
    """A claim about three numbers."""

    def stated(x):
        return function(x)

    stated.__doc__ = "A statement."
    return claim("test.claim", "T1", source="made up", fields=FIELDS, sizes={}, **more)(stated)


def found(function, values=(1.0, 1.5, 2.0), **more):
    return outcome(statement(function, **more), {"x": np.array(values)})


CASES = {
    "true": (lambda x: at_most(x.x, 3 * x.x), HOLDS),
    "false": (lambda x: at_most(2 * x.x, x.x), VIOLATED),
    "false in one entry": (lambda x: at_most(x.x, 3 / x.x), VIOLATED),
    "attained": (lambda x: at_most(x.x, x.x), HOLDS),
    "attained with rounding": (lambda x: at_most(x.x * 3 / 7, 3 * (x.x / 7)), HOLDS),
    "attained by logarithms": (lambda x: at_most(x.xp.log(x.x * x.x), 2 * x.xp.log(x.x)), HOLDS),
    "false by 1e-18": (lambda x: at_most(x.x * 3 / 7 + x.x / 10**18, 3 * (x.x / 7)), VIOLATED),
    "false by 1e-40 after a logarithm": (
        lambda x: at_most(2 * x.xp.log(x.x) + x.x / 10**40, x.xp.log(x.x * x.x)),
        VIOLATED,
    ),
    "false by 1e-400": (lambda x: at_most(1 + x.x / 10**200 / 10**200, 1 + 0 * x.x), VIOLATED),
    "same": (lambda x: equal(x.x * 3 / 7, 3 * (x.x / 7)), HOLDS),
    "same by logarithms": (lambda x: equal(x.xp.log(x.x * x.x), 2 * x.xp.log(x.x)), HOLDS),
    "not the same": (lambda x: equal(x.x, 1.25 * x.x), VIOLATED),
    "not the same below": (lambda x: equal(1.25 * x.x, x.x), VIOLATED),
    "broadcast": (lambda x: at_most(x.x[:, None], 3 * x.x[None, :]), HOLDS),
    "constant sides": (lambda x: at_most(1, 2.5), HOLDS),
    "nothing at all": (lambda x: at_most(x.x[:0], x.x[:0]), HOLDS),
    "-inf is below everything": (lambda x: at_most(-x.xp.inf, x.x), HOLDS),
    "inf is above everything": (lambda x: at_most(x.x, x.xp.where(x.x > 1, x.xp.inf, x.x)), HOLDS),
    "infinities are alike": (lambda x: at_most(x.xp.inf, x.xp.inf), HOLDS),
    "equal infinities": (
        lambda x: equal(x.xp.where(x.x > 1, -x.xp.inf, x.x), x.xp.where(x.x > 1, -x.xp.inf, x.x)),
        HOLDS,
    ),
    "inf is above no number": (lambda x: at_most(x.xp.where(x.x > 1, x.xp.inf, x.x), x.x), VIOLATED),
    "numbers are above -inf": (lambda x: at_most(x.x, -x.xp.inf), VIOLATED),
    "inf is no number": (lambda x: equal(x.x, x.xp.inf), VIOLATED),
    "overflow of floats": (lambda x: at_most(x.xp.exp(1000 * x.x), x.xp.exp(1001 * x.x)), HOLDS),
    "overflow and cancelling": (lambda x: at_most(0, x.xp.exp(1001 * x.x) - x.xp.exp(1000 * x.x)), HOLDS),
}


@pytest.mark.parametrize("name", CASES)
def test_the_status_is_right(name):
    function, status = CASES[name]
    assert found(function).status == status
    assert exact_outcome(statement(function), {"x": np.array([1.0, 1.5, 2.0])}).status == status


@pytest.mark.parametrize(
    ("function", "arithmetic"),
    [
        (lambda x: at_most(x.x, 2 * x.x), "enclosed"),
        (lambda x: at_most(x.x / 3, x.x / 3), "rational"),
        (lambda x: at_most(x.xp.log(x.x), x.xp.log(x.x)), "balls"),
    ],
)
def test_floats_settle_what_they_can_and_the_rest_goes_on(function, arithmetic):
    assert found(function, (1.1, 1.3, 1.7)).arithmetic == arithmetic


def test_slack_ratio_and_radius_are_those_of_the_numbers():
    answer = found(lambda x: at_most(x.x, 2 + 0 * x.x))
    assert answer.slack == pytest.approx(0, abs=1e-15)
    assert answer.ratio == pytest.approx(1, abs=1e-15)
    answer = found(lambda x: at_most(x.x, 4.0))
    assert (answer.slack, answer.ratio) == pytest.approx((2, 0.5))
    assert answer.radius < 1e-14
    answer = found(lambda x: equal(x.x, x.x + 1 / x.x))
    assert answer.slack == pytest.approx(-1)


def test_a_ratio_needs_a_right_side_that_is_clear_of_0():
    assert np.isnan(found(lambda x: at_most(x.x - 5, 0 * x.x)).ratio)
    assert found(lambda x: at_most(x.x - 1, x.x * x.x - 1)).ratio == pytest.approx(0.4)  # 0 / 0 in the first entry
    assert np.isnan(found(lambda x: at_most(x.x, x.xp.inf)).ratio)
    assert found(lambda x: at_most(-x.xp.inf, x.x)).slack == np.inf


def test_no_violation_is_called_inside_the_margin():
    """Sides that differ by less than the radius are never violated in enclosed floats."""
    rng = np.random.default_rng(0)
    for _ in range(300):
        rhs = enclosed.Enclosed(rng.normal(size=4), 10.0 ** rng.uniform(-13, -3, size=4))
        lhs = enclosed.Enclosed(rhs.mid + rng.uniform(-0.99, 0.99, 4) * rhs.rad, 0.0)
        for sides in (at_most(lhs, rhs), equal(lhs, rhs)):
            assert judge(sides, "enclosed").status != VIOLATED
        beyond = enclosed.Enclosed(rhs.mid + 1.001 * rhs.rad + 1e-14, 0.0)
        assert judge(at_most(beyond, rhs), "enclosed").status == VIOLATED
        assert judge(equal(beyond, rhs), "enclosed").status == VIOLATED


def test_an_identity_with_a_coarse_radius_is_undecided():
    coarse = enclosed.Enclosed(1.0, 1e-5)
    assert judge(equal(coarse, 1.0), "enclosed").status == UNDECIDED
    assert judge(equal(coarse * 1e-3, 1e-3), "enclosed").status == HOLDS


def test_balls_that_overlap_are_taken_for_equal_only_if_they_are_narrow():
    one = exact.to_balls(exact.asarray(1.0))
    assert judge(at_most(exact.around(one, 2.0**-120), one), "balls").status == HOLDS
    assert judge(at_most(exact.around(one, 2.0**-90), one), "balls").status == UNDECIDED


@pytest.mark.parametrize(("radius", "status"), [(0.0, VIOLATED), (1e-9, UNDECIDED)])
def test_plain_floats_have_the_radius_that_the_claim_gives(radius, status):
    assert found(lambda x: at_most(x.x + 1e-10, x.x, radius), arithmetic="float").status == status


def test_an_instance_outside_a_hypothesis_is_excluded():
    below = Hypothesis("x <= 3 / 2", lambda x: at_most(x.x, Fraction(3, 2)))
    assert found(lambda x: at_most(2 * x.x, x.x), hypotheses=(below,)).status == EXCLUDED
    assert found(lambda x: at_most(2 * x.x, x.x), (1.0, 1.2, 1.5), hypotheses=(below,)).status == VIOLATED


def test_an_instance_that_may_be_outside_is_undecided():
    square = Hypothesis("sqrt(x)^2 = x", lambda x: at_most(exact.around(x.xp.sqrt(x.x) ** 2, 1e-9), x.x))
    assert found(lambda x: at_most(2 * x.x, x.x), hypotheses=(square,), arithmetic="exact").status == UNDECIDED


NONSENSE = {
    "no sides": (lambda x: (x.x, x.x), TypeError, "test.claim returned tuple .*Return at_most"),
    "nothing": (lambda x: None, TypeError, "test.claim returned NoneType None, expected Sides"),
    "a mask": (lambda x: x.x <= 2 * x.x, TypeError, "test.claim returned ndarray .*expected Sides"),
    "shapes": (lambda x: at_most(x.x, x.x[:2]), ValueError, r"test.claim .*lhs \(3,\), rhs \(2,\).*broadcast"),
    "text": (lambda x: at_most("a", x.x), TypeError, "test.claim returned str 'a' as lhs"),
    "none": (lambda x: at_most(x.x, None), TypeError, "test.claim returned NoneType None as rhs"),
    "NaN": (lambda x: at_most(float("nan"), x.x), ValueError, "lhs of test.claim is NaN; 1 of 1"),
    "NaN in an entry": (
        lambda x: equal(x.x, np.array([1.0, np.nan, 2.0])),
        ValueError,
        r"rhs\[1\] of test.claim is NaN; 1 of 3",
    ),
    "inf - inf": (lambda x: at_most(x.x - x.xp.inf + x.xp.inf, x.x), ValueError, r"lhs\[0\] of test.claim is NaN"),
}


@pytest.mark.parametrize("arithmetic", ["any", "exact", "float"])
@pytest.mark.parametrize("name", NONSENSE)
def test_a_claim_that_returns_nonsense_is_told_so(name, arithmetic):
    function, error, message = NONSENSE[name]
    with pytest.raises(error, match=message):
        found(function, arithmetic=arithmetic)


def test_a_hypothesis_that_returns_nonsense_is_named():
    with pytest.raises(TypeError, match=r"test.claim, hypothesis 'odd' returned bool True"):
        found(lambda x: at_most(1, 2), hypotheses=(Hypothesis("odd", lambda x: True),))


@pytest.mark.parametrize("radius", [-1.0, np.nan])
def test_a_radius_below_0_is_refused(radius):
    with pytest.raises(ValueError, match=r"test.claim returned radius"):
        found(lambda x: at_most(x.x, x.x, radius), arithmetic="float")


def test_a_division_by_0_decides_nothing():
    assert found(lambda x: at_most(1 / (x.x - x.x), 1)).status == UNDECIDED


def test_fractions_are_instances_as_well():
    values = {"x": np.array([Fraction(1), Fraction(4, 3), Fraction(2)], dtype=object)}
    answer = outcome(statement(lambda x: equal(3 * x.x[1], 4), arithmetic="exact"), values)
    assert (answer.status, answer.radius) == (HOLDS, 0.0)
    assert outcome(statement(lambda x: at_most(x.x, 2)), values).status == HOLDS


@pytest.mark.parametrize("made", [omd.thm2_mle, omd.thm2_mle_signed, omd.thm2_mle_sharp], ids=lambda made: made.name)
def test_floats_and_exact_numbers_agree_on_a_theorem(made):
    for i in range(25):
        values = made.draw(3, i)
        quick, slow = outcome(made, values), exact_outcome(made, values)
        assert quick.status == slow.status
        assert abs(quick.slack - slow.slack) <= quick.radius + slow.radius + 1e-15 * abs(slow.slack)


def test_sides_are_numbers_of_any_arithmetic():
    assert judge(Sides(np.array([1.0]), 2, "<="), "enclosed").status == HOLDS
