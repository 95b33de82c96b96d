"""Verdicts on random instances, against claims whose truth is known by hand."""

import dataclasses
import math
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tabular import lab
from tabular.lab import check, replay
from tests.lab import statements

ROOT = Path(__file__).parents[2]


def numbers(claim, n, seed=0):
    """The first n values of `u` that a claim is tried on."""
    return np.array([float(claim.draw(seed, i)["u"]) for i in range(n)])


def without_time(verdict):
    return dataclasses.replace(verdict, seconds=0.0).to_json()


def test_check_counts_exactly_the_violations():
    u = numbers(statements.half, 100)
    (verdict,) = check(statements.half, n=100)
    assert verdict.status == "violated (certified)"
    assert (verdict.n, verdict.violations, verdict.undecided) == (100, (u > 0.5).sum(), 0)
    assert 20 < verdict.violations < 80


def test_check_reports_the_largest_violation_and_the_largest_ratio():
    u = numbers(statements.half, 30)
    (verdict,) = check(statements.half, n=30)
    assert verdict.min_slack == verdict.worst.slack == float(Fraction(1, 2) - Fraction(u.max()))
    assert verdict.max_ratio == verdict.tightest.ratio == 2 * u.max()
    assert verdict.worst.i == u.argmax() and verdict.worst.arithmetic == "rational"


def test_check_reports_a_certain_violation_rather_than_larger_noise():
    u = numbers(statements.nearly, 40)
    assert abs(1000 * (u / 49 * 49 - u))[u < 0.5].max() > 2**-50
    (verdict,) = check(statements.nearly, n=40)
    assert verdict.violations == (u > 0.5).sum() and verdict.worst.slack == -(2.0**-60)


def test_check_of_a_claim_that_holds_reports_its_least_slack():
    u = numbers(statements.square, 30)
    (verdict,) = check(statements.square, n=30)
    assert verdict.status == "holds on all tested" and verdict.violations == 0
    assert verdict.min_slack == pytest.approx((0.25 - u * (1 - u)).min(), abs=1e-15)
    assert verdict.max_ratio == pytest.approx((4 * u * (1 - u)).max())


def test_check_certifies_the_equality_that_a_sharp_claim_supplies():
    certificate = check(statements.square, n=5)[0].certificate
    assert (certificate.kind, certificate.lhs, certificate.rhs) == ("attained", "1/4", "1/4")


def test_check_refuses_an_equality_that_is_none():
    wrong = dataclasses.replace(statements.square, equality={"u": Fraction(1, 3)})
    with pytest.raises(ValueError, match=r"test\.square isn't violated on the instance, nor attained: it holds"):
        check(wrong, n=1)


def test_check_never_counts_instances_outside_of_the_hypotheses():
    u = numbers(statements.half_of_small, 500)
    (verdict,) = check(statements.half_of_small, n=40)
    assert (verdict.n, verdict.violations, verdict.status) == (40, 0, "holds on all tested")
    fortieth = np.flatnonzero(u <= 0.25)[39]
    assert verdict.max_ratio == 2 * u[: fortieth + 1][u[: fortieth + 1] <= 0.25].max()


def test_check_without_an_instance_that_meets_the_hypotheses_is_vacuous():
    (verdict,) = check(statements.of_nothing, n=10)
    assert (verdict.status, verdict.n, verdict.violations) == ("vacuous", 0, 0)
    assert verdict.worst is verdict.tightest is verdict.certificate is None
    assert math.isnan(verdict.min_slack) and math.isnan(verdict.max_ratio)


def test_check_says_undecided_where_no_digits_decide():
    (verdict,) = check(statements.tie, n=4)
    assert (verdict.status, verdict.n, verdict.undecided, verdict.violations) == ("undecided", 4, 4, 0)


def test_check_of_a_claim_in_floats_certifies_nothing():
    (verdict,) = check(statements.half_in_floats, n=20)
    assert verdict.status == "violated (float only)" and verdict.certificate is None
    assert verdict.worst.arithmetic == "float"


def test_check_names_the_claim_whose_radius_is_wrong():
    with pytest.raises(
        ArithmeticError, match=r"test\.liar, instance \d of seed 0: violated in enclosed .*, holds in exact"
    ):
        check(statements.liar, n=3)


def test_check_certifies_violations_in_small_fractions():
    certificate = check(statements.half, n=30)[0].certificate
    assert (certificate.kind, certificate.lhs, certificate.rhs) == ("violated", "1", "1/2")
    assert certificate.arrays["u"].item() == Fraction(1)


def test_check_without_a_hypothesis_names_it_outside():
    (verdict,) = check(statements.half_of_small, n=50, without="u is small")
    assert verdict.outside == ("u is small",) and verdict.status == "violated (certified)"
    assert verdict.certificate.outside == ("u is small",)


def test_check_without_a_hypothesis_leaves_claims_that_lack_it():
    small, half = check([statements.half_of_small, statements.half], n=5, without=["u is small"])
    assert (small.outside, half.outside) == (("u is small",), ())


def test_check_without_an_unknown_hypothesis_offers_the_nearest():
    with pytest.raises(ValueError, match=r"no claim has the hypothesis 'u is smal'. Did you mean u is small\?"):
        check(statements.half_of_small, without="u is smal")


def test_check_is_repeatable_and_depends_on_the_seed():
    first, again, other = (check(statements.half, n=20, seed=seed)[0] for seed in (3, 3, 4))
    assert without_time(first) == without_time(again) != without_time(other)


def test_replay_draws_the_instance_of_a_verdict_again():
    (verdict,) = check("O6x", n=15, seed=7)
    again = replay("O6x", 7, verdict.worst.i)
    assert (again.slack, again.ratio) == (verdict.worst.slack, verdict.worst.ratio)
    assert all(np.array_equal(again.arrays[name], verdict.worst.arrays[name]) for name in again.arrays)


def test_replay_refuses_an_instance_outside_of_the_hypotheses():
    large = int(np.argmax(numbers(statements.half_of_small, 20)))
    with pytest.raises(
        ValueError, match=rf"instance {large} of seed 0 doesn't meet the hypotheses of test\.half\.small"
    ):
        replay(statements.half_of_small, 0, large)


def test_check_takes_names_ids_papers_and_claims():
    board = check(["O6", "omd.thm2.mle.signed", statements.half, "omd.thm2.mle"], n=1)
    assert [verdict.id for verdict in board] == ["O6", "O6x", "half"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 0}, "n = 0, expected a whole number of 1 or more"),
        ({"n": -3}, "n = -3, expected"),
        ({"n": 1.5}, "n = 1.5, expected"),
        ({"n": True}, "n = True, expected"),
        ({"seed": -1}, "seed = -1, expected a whole number of 0 or more"),
        ({"seed": None}, "seed = None, expected"),
        ({"workers": 0}, "workers = 0, expected"),
        ({"claims": []}, "claims is empty"),
        ({"claims": [3]}, "claims holds 3, expected claims, names"),
        ({"claims": "O6xx"}, r"no claim is called 'O6xx'\. Did you mean O6x"),
    ],
)
def test_check_refuses_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        check(**{"claims": statements.half, **arguments})


@pytest.mark.slow
def test_check_in_two_processes_gives_the_same_verdicts():
    claims = ["O6", "O6x", statements.half_of_small]
    here, there = (check(claims, n=400, without="rewards in [0, r_max]", workers=workers) for workers in (1, 2))
    assert list(map(without_time, here)) == list(map(without_time, there))


# a user's own claim


def test_check_takes_a_claim_of_ones_own():
    @lab.claim("my.gap", "my1", source="an idea", fields=lab.mdp())
    def my_gap(x):
        """No value exceeds the largest reward over 1 - gamma."""
        Q = lab.optimal_q(x.P, x.r, x.gamma)
        return lab.at_most(x.xp.max(Q), x.xp.max(x.r) / (1 - x.gamma))

    (verdict,) = check(my_gap, n=20)
    assert (verdict.status, verdict.n, verdict.claim) == ("holds on all tested", 20, "my.gap")


def broken(statement):
    statement.__doc__ = "A claim with a mistake."
    return lab.claim("my.mistake", "my2", source="a test", fields={"u": lab.Box(("S",))}, sizes={"S": (3, 3)})(
        statement
    )


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        (lambda x: x.u <= 1, "my.mistake returned .*expected Sides. Return at_most"),
        (lambda x: lab.at_most(x.u, x.xp.ones((2,))), r"my.mistake returned sides of shapes lhs \(3,\), rhs \(2,\)"),
        (lambda x: lab.at_most(np.array([np.nan]), x.u), r"lhs\[0\] of my.mistake is NaN"),
        (lambda x: lab.at_most("much", x.u), "my.mistake returned .* as lhs, expected an array of numbers"),
    ],
    ids=["no sides", "wrong shape", "nan", "no number"],
)
def test_check_names_a_claim_that_states_nothing(statement, message):
    with pytest.raises((ValueError, TypeError), match=message):
        check(broken(statement), n=2)


# the door


def test_lab_loads_no_jax_and_its_names_are_functions_not_files():
    program = (
        "import sys\nfrom tabular import lab\nimport tabular.lab.attack, tabular.lab.check\nlab.resolve('all')\n"
        "assert callable(lab.attack) and callable(lab.check)\n"
        "assert all(hasattr(lab, name) for name in lab.__all__)\n"
        "print([name for name in ('jax', 'matplotlib', 'gymnasium') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
