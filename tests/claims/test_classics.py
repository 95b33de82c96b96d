"""Classic results: true of random instances, attained where they are called sharp, false where they are controls."""

from __future__ import annotations

import dataclasses
from fractions import Fraction

import numpy as np
import pytest

from tabular.claims import classics
from tabular.claims.claim import Claim, equal
from tabular.lab.outcome import EXCLUDED, HOLDS, VIOLATED, exact_outcome, outcome
from tests.claims.instances import arrays, drawn, name

CLAIMS = [value for value in vars(classics).values() if isinstance(value, Claim)]
TRUE = [claim for claim in CLAIMS if not claim.control]
SHARP = [claim for claim in CLAIMS if claim.sharp]
FALSE = [claim for claim in CLAIMS if claim.control]


@pytest.mark.parametrize("claim", TRUE, ids=name)
def test_true_claims_hold_on_random_instances(claim):
    assert {outcome(claim, values).status for values in drawn(claim, 30)} == {HOLDS}


@pytest.mark.slow
@pytest.mark.parametrize("claim", TRUE, ids=name)
def test_true_claims_hold_on_many_random_instances(claim):
    assert {outcome(claim, values).status for values in drawn(claim, 2000)} <= {HOLDS, EXCLUDED}


@pytest.mark.parametrize("claim", [c for c in TRUE if c.arithmetic == "any"], ids=name)
def test_true_claims_hold_without_floats(claim):
    assert {exact_outcome(claim, values).status for values in drawn(claim, 5)} == {HOLDS}


@pytest.mark.parametrize("claim", SHARP, ids=name)
def test_sharp_claims_are_attained(claim):
    found = exact_outcome(claim, arrays(claim.equality))
    assert (found.status, found.ratio) == (HOLDS, 1.0)
    assert all(kind.allowed(arrays(claim.equality)[name]) for name, kind in claim.fields.items())


@pytest.mark.parametrize("claim", FALSE, ids=name)
def test_controls_fail_on_random_instances_for_certain(claim):
    violating = [values for values in drawn(claim, 200) if outcome(claim, values).status == VIOLATED]
    assert len(violating) >= 4  # about 6% (C03x: 197 of 3000 in the specification's audit) and 3% (C19: 100 of 3000)
    assert all(exact_outcome(claim, values).status == VIOLATED for values in violating)


# Counterexamples and examples with known numbers


def test_contraction_l2_fails_by_the_number_of_states():
    S = 4
    everything_to_the_last = np.broadcast_to(np.eye(S)[S - 1], (S, 2, S))
    instance = {
        "gamma": 0.5,
        "P": everything_to_the_last,
        "r": np.zeros((S, 2)),
        "V": np.eye(S)[S - 1],
        "W": np.zeros(S),
    }
    found = exact_outcome(classics.contraction_l2, {name: np.asarray(value) for name, value in instance.items()})
    assert (found.status, found.ratio) == (VIOLATED, S)


def test_return_isnt_quasi_concave_between_staying_and_leaving():
    """Rewarded for staying in state 0, and for staying in state 1; a policy that does half of each mostly moves."""
    instance = {
        "gamma": Fraction(9, 10),
        "P": [[[1, 0], [0, 1]], [[1, 0], [0, 1]]],
        "r": [[1, 0], [0, 1]],
        "pi": [[1, 0], [1, 0]],
        "other": [[0, 1], [0, 1]],
        "rho": [1, 0],
    }
    J, J_other = Fraction(10), Fraction(9)  # 1 / (1 - gamma); gamma / (1 - gamma): all but the first step
    J_mix = Fraction(1, 2) * 10  # half of the steps are rewarded
    sides = classics.return_quasi_concave.statement(classics.return_quasi_concave.exact(arrays(instance)))
    assert [float(side.a.item().p) / float(side.a.item().q) for side in (sides.lhs, sides.rhs)] == [
        min(J, J_other),
        J_mix,
    ]
    assert exact_outcome(classics.return_quasi_concave, arrays(instance)).status == VIOLATED


@pytest.mark.parametrize("gamma", [Fraction(1, 100), Fraction(1, 2), Fraction(9, 10)])
def test_trust_region_reaches_the_ratio_one_minus_gamma(gamma):
    """V^pi = 0 and A = r. The new policy stays where it earns -1; the surrogate expects to leave half of the time.

    L(new) = -1, J(new) = -1 / (1 - gamma), and the penalty is gamma / (1 - gamma)^2.
    """
    instance = {
        "gamma": gamma,
        "P": [[[0, 1], [1, 0]], [[1, 0], [0, 1]]],
        "r": [[1, -1], [-1, 1]],
        "pi": [[Fraction(1, 2)] * 2] * 2,
        "pi_new": [[0, 1], [0, 1]],
        "rho": [1, 0],
    }
    found = exact_outcome(classics.trust_region, arrays(instance))
    assert found.status == HOLDS
    assert found.ratio == pytest.approx(float(1 - gamma), rel=1e-15)


def test_greedy_loss_example_loses_gamma_in_every_step():
    """Two copies of a state: going to the wrong one costs gamma, and V makes up for it exactly."""
    claim = classics.greedy_loss
    sides = claim.statement(claim.exact(arrays(claim.equality)))
    assert str(sides.lhs.a.item()) == str(Fraction(9, 10) / Fraction(1, 10))


def test_dobrushin_bound_is_below_the_span_bound():
    """delta <= 1, and 1/2 for rows (3/4, 1/4) and (1/4, 3/4)."""
    values = arrays(classics.contraction_span_dobrushin.equality)
    span, dobrushin = (
        claim.statement(claim.exact(values)).rhs.a.item()
        for claim in (classics.contraction_span, classics.contraction_span_dobrushin)
    )
    assert dobrushin * 2 == span


def test_line_position_isnt_affine_in_the_share():
    """With the share itself for the weight, the identity fails on most instances."""

    def affine(x):
        V1, V2, V = classics.line(x)
        return equal(V, x.share * V1 + (1 - x.share) * V2)

    claim = dataclasses.replace(classics.line_position, statement=affine)
    assert sum(outcome(claim, values).status == VIOLATED for values in drawn(claim, 40)) >= 20


def test_policy_gradient_agrees_with_its_closed_form_in_one_state():
    """One state: J = pi . r / (1 - gamma), whose derivative at equal logits is the covariance of direction and r."""
    r, direction, gamma = np.array([[1.0, 0.0]]), np.array([[3.0, 1.0]]), 0.5
    values = {
        "gamma": gamma,
        "P": np.ones((1, 2, 1)),
        "r": r,
        "theta": np.zeros((1, 2)),
        "direction": direction,
        "rho": [1.0],
    }
    values = {name: np.asarray(value) for name, value in values.items()}
    sides = classics.policy_gradient.statement(classics.policy_gradient.floats(values))
    assert outcome(classics.policy_gradient, values).status == HOLDS
    assert [sides.lhs, sides.rhs] == pytest.approx([1.0, 1.0], abs=float(sides.radius))  # (3 - 1) / 4 / (1 - gamma)


def test_policy_gradient_holds_where_it_is_tiny_by_cancellation():
    """Nearly equal rewards: the gradient is 1e-15, below its rounding error, and not called a violation."""
    for values in drawn(classics.policy_gradient, 20):
        values = values | {"r": 1 + 1e-15 * values["r"]}
        assert outcome(classics.policy_gradient, values).status == HOLDS


# Hypotheses


@pytest.mark.parametrize("claim", [c for c in CLAIMS if c.hypotheses], ids=name)
def test_drawn_policies_are_greedy(claim):
    assert EXCLUDED not in {outcome(claim, values).status for values in drawn(claim, 40)}


def test_greedy_excludes_a_policy_that_is_worse_and_allows_both_ways_to_break_a_tie():
    claim, instance = classics.greedy_loss, arrays(classics.greedy_loss.equality)
    right = exact_outcome(claim, instance | arrays({"pi": [[1, 0], [1, 0]]}))
    worse = exact_outcome(claim, instance | arrays({"V": [-1, 1], "pi": [[1, 0], [0, 1]]}))
    assert (right.status, worse.status) == (HOLDS, EXCLUDED)


WRONG_ACTION = classics.example(r=[[1, 0], [1, 0]], Q=[[10, 9], [10, 9]], pi=[[0, 1], [0, 1]])
"""The right Q*, and a policy that takes the worse action."""


@pytest.mark.parametrize("claim", [c for c in CLAIMS if c.hypotheses], ids=name)
def test_claims_about_greedy_policies_fail_for_others(claim):
    (hypothesis,) = claim.hypotheses
    free = claim.without(hypothesis.name)
    instances = [arrays(WRONG_ACTION)] if claim is classics.greedy_loss_q else drawn(free, 100)
    assert VIOLATED in {outcome(free, values).status for values in instances}
    assert free.outside == (hypothesis.name,)


def test_policy_improvement_improves_somewhere():
    """Not vacuous: most draws have a state where `other` is better for one step."""
    claim = classics.policy_improvement
    gains = [np.max(claim.statement(claim.floats(values)).lhs) for values in drawn(claim, 40)]
    assert min(gains) >= -1e-9
    assert sum(gain > 1e-3 for gain in gains) >= 20
