"""Attacks: they break what is false, reach what is attained, and count what they did."""

import dataclasses

import numpy as np
import pytest

from tabular import lab
from tabular.lab.attack import attack
from tabular.lab.climb import climbed
from tabular.lab.evolve import evolved
from tabular.lab.lanes import AIMS, lanes
from tabular.lab.outcome import VIOLATED, exact_outcome
from tabular.lab.steps import finished
from tests.lab.searches import (
    bounded_sum,
    branching_mean,
    geometric,
    half_logarithm,
    logarithm,
    mean,
    small_mean,
    true_sum,
    uncertain,
)
from tests.lab.statements import half_in_floats, of_nothing


def as_drawn(claim):
    """The same claim, whose starts are judged without a climb: nothing to compile."""
    return dataclasses.replace(claim, attackable=False)


@pytest.fixture(scope="module")
def broken():
    return attack(small_mean)


def test_attack_breaks_what_is_false_from_every_start(broken):
    assert broken.status == "violated (certified)" and broken.violations == broken.n == 32


def test_attack_reaches_the_largest_ratio(broken):
    assert broken.max_ratio == pytest.approx(1.5, abs=1e-6) and broken.tightest.ratio == broken.max_ratio


def test_attack_reports_a_counterexample_in_small_fractions(broken):
    assert broken.worst.arrays["x"].tolist() == [1, 1] and broken.worst.arithmetic == "rational"
    assert exact_outcome(small_mean, broken.worst.arrays).status == VIOLATED
    assert broken.certificate.arrays["x"].tolist() == [1, 1]


def test_attack_of_the_same_seed_gives_the_same_verdict_and_shows_progress_on_standard_error(broken, capsys):
    again = attack(small_mean, progress=True)
    assert dataclasses.replace(again, seconds=0.0).to_json() == dataclasses.replace(broken, seconds=0.0).to_json()
    captured = capsys.readouterr()
    assert "test.mean.small" in captured.err and "100%" in captured.err and captured.out == ""


def test_attack_reaches_equality_and_finds_no_violation():
    verdict = attack(mean, starts=8)
    assert verdict.status == "holds on all tested" and verdict.violations == 0
    assert 0.999 <= verdict.max_ratio <= 1


def test_attack_climbs_differences_where_both_sides_are_below_zero():
    verdict = attack(half_logarithm, starts=8)
    assert verdict.violations == verdict.n and verdict.min_slack == pytest.approx(-0.5, abs=1e-6)


def test_attack_counts_only_instances_within_the_hypotheses():
    verdict = attack(bounded_sum, starts=8)
    assert verdict.violations > 0 and max(verdict.worst.arrays["x"]) <= 0.9
    assert 1.19 < verdict.max_ratio <= 1.2


def test_attack_blames_no_claim_for_what_lies_outside_its_hypotheses():
    verdict = attack(true_sum, starts=8)
    assert verdict.violations == 0 and 0.89 < verdict.max_ratio <= 0.9


def test_attack_of_what_no_instance_satisfies_is_vacuous():
    verdict = attack(as_drawn(of_nothing), starts=4)
    assert (verdict.status, verdict.n, verdict.worst, verdict.tightest) == ("vacuous", 0, None, None)


def test_attack_certifies_the_equality_that_a_claim_supplies():
    verdict = attack(as_drawn(logarithm), starts=4)
    assert verdict.status == "holds on all tested" and verdict.certificate.kind == "attained"


def test_attack_leaves_structure_as_drawn():
    verdict = attack(geometric, starts=8)
    drawn = {int(geometric.drawn(np.random.default_rng([0, i]), {})["n"]) for i in range(8)}
    assert verdict.violations == verdict.n and int(verdict.tightest.arrays["n"]) in drawn


def test_attack_evolves_where_jax_cannot_trace():
    starts = [branching_mean.draw(0, i) for i in range(2)]
    assert finished(climbed(branching_mean, lanes(branching_mean, starts))) is None
    verdict = attack(branching_mean, starts=4)
    assert verdict.violations > 0 and verdict.max_ratio == pytest.approx(1.5, abs=1e-3)


def test_climb_and_evolution_reach_the_same_ratio():
    ways = [lane for lane in lanes(mean, [mean.draw(0, i) for i in range(3)]) if tuple(lane.aim) == AIMS[0]]
    for ends in (finished(climbed(mean, ways)) or [], finished(evolved(mean, ways, 0))):
        x, y = np.array([end["x"] for end in ends]).T
        np.testing.assert_allclose(2 * x * y / (x * x + y * y), 1, atol=1e-4)


def test_attack_judges_random_instances_where_only_exact_numbers_decide():
    verdict = attack(uncertain)
    drawn = [uncertain.drawn(np.random.default_rng([0, i]), {})["p"].max() > 0.75 for i in range(32)]
    assert (verdict.n, verdict.violations) == (32, sum(drawn)) and set(verdict.worst.arrays["p"].flat) == {0, 1}


def test_attack_of_a_claim_in_floats_is_not_certified():
    verdict = attack(as_drawn(half_in_floats), starts=4)
    assert (verdict.status, verdict.certificate) == ("violated (float only)", None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"claim": "omd.thm2.mlee"}, r"omd\.thm2\.mle"),
        ({"claim": small_mean, "starts": 0}, "starts = 0, expected a whole number of 1 or more"),
        ({"claim": small_mean, "starts": 1.5}, "starts = 1.5"),
        ({"claim": small_mean, "seed": -1}, "seed = -1, expected a whole number of 0 or more"),
    ],
)
def test_attack_refuses_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        attack(**arguments)


def test_attack_breaks_theorem_2_for_signed_rewards():
    verdict = attack("O6x", starts=16)
    assert verdict.violations >= 14 and 1.95 < verdict.max_ratio < 2
    assert verdict.outside == ("rewards in [0, r_max]",)
    assert np.array_equal(verdict.worst.arrays["r"], verdict.worst.arrays["r_hat"])
    assert all(number.denominator <= 10 for array in verdict.worst.arrays.values() for number in np.asarray(array).flat)


FALSE = [claim for claim in lab.resolve("all") if claim.doubted]


@pytest.mark.slow
@pytest.mark.parametrize("claim", FALSE, ids=lambda claim: claim.name)
def test_attack_breaks_every_negative_control_and_what_fails_as_printed(claim):
    verdict = attack(claim)
    assert verdict.violations > 0 and (verdict.certificate is not None or claim.arithmetic == "float")


@pytest.mark.slow
@pytest.mark.parametrize("claim", [c for c in lab.resolve("all") if c.sharp], ids=lambda claim: claim.name)
def test_attack_finds_sharp_claims_attained_and_never_violated(claim):
    verdict = attack(claim)
    assert verdict.violations == 0 and verdict.max_ratio >= 0.999
