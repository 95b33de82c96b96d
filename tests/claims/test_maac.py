"""Claims of MAAC: true forms on random instances, false ones by fractions that anyone can check by hand."""

from __future__ import annotations

import dataclasses
import math
from fractions import Fraction

import numpy as np
import pytest

from tabular.arithmetic import exact
from tabular.claims import maac
from tabular.claims.claim import Claim
from tabular.expansion import expand
from tabular.lab.outcome import EXCLUDED, HOLDS, VIOLATED, exact_outcome, outcome
from tabular.mdp import make_mdp
from tabular.worlds.continuous import Smooth

CLAIMS = {value.id: value for value in vars(maac).values() if isinstance(value, Claim)}
FALSE = {"A1x", "A1y", "A1z", "L41a", "A2x", "A3x", "A3y", "A3z", "A4x", "A4v", "A4w", "A4z", "A4y", "A5x"}
TRUE = sorted(set(CLAIMS) - FALSE)
SHARP = sorted(id for id, claim in CLAIMS.items() if claim.sharp)
HALF = Fraction(1, 2)


def drawn(id: str, n: int):
    return [CLAIMS[id].draw(0, i) for i in range(n)]


def certain(id: str, **values):
    """The outcome of a claim at fractions, without floats."""
    return exact_outcome(CLAIMS[id], {name: np.asarray(value, dtype=object) for name, value in values.items()})


def sides(id: str, **values):
    """Both sides at fractions, as floats, evaluated in exact numbers."""
    claim = CLAIMS[id]
    x = claim.balls({name: np.asarray(value, dtype=object) for name, value in values.items()})
    found = claim.statement(x)
    return exact.midpoint(found.lhs), exact.midpoint(found.rhs)


def test_what_is_false_says_what_is_true_instead():
    assert all(CLAIMS[id].corrected for id in FALSE)
    assert not any(CLAIMS[id].corrected for id in TRUE)
    assert {CLAIMS[id].id for id in FALSE if CLAIMS[id].control} == {"A2x", "A5x"}


@pytest.mark.parametrize("id", TRUE)
def test_true_claims_hold_on_random_instances(id):
    assert {outcome(CLAIMS[id], values).status for values in drawn(id, 20)} == {HOLDS}


@pytest.mark.slow
@pytest.mark.parametrize("id", TRUE)
def test_true_claims_hold_on_many_random_instances(id):
    assert {outcome(CLAIMS[id], values).status for values in drawn(id, 2000)} == {HOLDS}


@pytest.mark.parametrize("id", [id for id in TRUE if id != "A0"])
def test_true_claims_hold_without_floats(id):
    assert {exact_outcome(CLAIMS[id], values).status for values in drawn(id, 3)} == {HOLDS}


@pytest.mark.parametrize("id", SHARP)
def test_sharp_claims_are_attained(id):
    found = certain(id, **dict(CLAIMS[id].equality or {}))
    assert (found.status, found.slack) == (HOLDS, 0)
    assert found.ratio == pytest.approx(1, abs=1e-15)


@pytest.mark.parametrize("id", sorted(FALSE - {"A1z"}))
def test_false_claims_fail_on_random_instances_for_certain(id):
    """A1z is the one that random systems don't violate."""
    violating = (values for values in drawn(id, 300) if outcome(CLAIMS[id], values).status == VIOLATED)
    assert exact_outcome(CLAIMS[id], next(violating)).status == VIOLATED


# Lemma 4.1


def linear(**values):
    """`s' = s + a, a = theta s, r = Q = s`, theta = 1 and H = 2 from s = 1/4."""
    ones = {name: [[1]] for name in ("f_A", "f_B", "f_hat_A", "f_hat_B", "Q_A", "Q_hat_A", "r_A", "pi_A")}
    still = {"Q_B": [[0]], "Q_hat_B": [[0]], "start": [Fraction(1, 4)], "noise": [[0], [0]]}
    return {**maac.CONSTANT_ERROR, **ones, **still, **values}


@pytest.mark.parametrize("id", ["A1x", "A1y"])
@pytest.mark.parametrize(("gamma", "b"), [(HALF, 1), (Fraction(9, 10), Fraction(1, 100))])
def test_lemma41_misses_a_constant_error_of_a_linear_model(id, gamma, b):
    values = linear(gamma=gamma, offset=[b])
    assert certain(id, **values).status == VIOLATED
    difference, bound = sides(id, **values)
    assert difference == pytest.approx(float(gamma**2 * b), rel=1e-15)
    assert bound == 0


def test_lemma41_corrected_sees_the_constant_error():
    difference, bound = sides("A1", **linear(offset=[1]))
    assert certain("A1", **linear(offset=[1])).status == HOLDS
    assert 0 < difference < bound


def test_lemma41_fails_without_an_offset_where_a_model_saturates():
    """f = 0 and f_hat = tanh(20 a): at a = 1/4 it is 1 with slope 0, and Q = a turns that into gamma."""
    values = {name: value for name, value in maac.CONSTANT_ERROR.items() if name != "offset"}
    values |= {"f_V": [[20]], "f_hat_C": [[1]], "pi_A": [[1]], "start": [Fraction(1, 4)]}
    assert certain("A1z", **values).status == VIOLATED
    difference, bound = sides("A1z", **values)
    assert difference == pytest.approx(0.5, rel=0.01)
    assert bound < 0.05


def test_lemma41_is_not_about_starts_with_a_large_derivative():
    """`|d_theta x_0| = 10 > K^0`, as at s = 10: the proof's first step fails, and the claim doesn't count it."""
    values = linear(offset=[1], start=[10])
    assert certain("A1x", **values).status == EXCLUDED
    dropped = CLAIMS["A1x"].without("|d_theta x_0| <= 1")
    assert dropped.outside == ("|d_theta x_0| <= 1",)
    assert (
        outcome(dropped, {name: np.asarray(value, dtype=object) for name, value in values.items()}).status == VIOLATED
    )


def test_pathwise_gradient_notices_a_wrong_jacobian(monkeypatch):
    jacobian = Smooth.jacobian
    monkeypatch.setattr(Smooth, "jacobian", lambda self, x: (1 + 1e-10) * jacobian(self, x))
    assert {outcome(CLAIMS["A0"], values).status for values in drawn("A0", 5)} == {VIOLATED}


def test_corrected_bound_needs_each_of_its_terms(monkeypatch):
    """Without the errors of the model, or without one of the constants, random systems violate it."""
    slopes = maac.smooth_slopes
    for name in ("pi_theta_s", "Q", "pi_theta"):
        monkeypatch.setattr(maac, "smooth_slopes", lambda p, name=name: dataclasses.replace(slopes(p), **{name: 0}))
        assert any(outcome(CLAIMS["A1"], values).status == VIOLATED for values in drawn("A1", 60)), name


def test_closed_form_is_the_sum_of_the_step_before():
    """The printed value is `(L / L_r) sum gamma^t L_r (L^t - 1) / (L - 1) K^t`."""
    gamma, K, L, L_r, H = 0.9, 1.5, 2.0, 3.0, 4
    before = sum(gamma**t * L_r * (L**t - 1) / (L - 1) * K**t for t in range(H))
    total, printed = sides("L41a", gamma=gamma, K=K, L=L, L_r=L_r, H=H)
    assert printed == pytest.approx(L / L_r * before, rel=1e-12)
    assert total == pytest.approx(
        sum(gamma**t * L_r * (L ** (t + 1) - 1) / (L - 1) * K**t for t in range(H)), rel=1e-12
    )
    assert certain("L41a", gamma=gamma, K=K, L=L, L_r=L_r, H=H).status == VIOLATED


# The objective


def test_expanded_policy_gradient_is_that_of_the_expansion_in_jax():
    """With a wrong model and critic, from logits, at every horizon."""
    rng = np.random.default_rng(0)
    P, rho = rng.dirichlet(np.ones(4), size=(4, 3)), rng.dirichlet(np.ones(4))
    r, Q_hat, logits = rng.normal(size=(3, 4, 3))
    pi = maac.softmax(np.exp(logits))
    found = expand(make_mdp(P, r, gamma=0.9, rho=rho), Q_hat, logits, H_max=maac.LONGEST)
    for H in range(maac.LONGEST + 1):
        gradient = maac.expanded_policy_gradient(P, r, 0.9, pi, rho, Q_hat, H)
        assert gradient == pytest.approx(np.asarray(found.gradient[H]), rel=1e-11, abs=1e-13)
        V, _ = maac.expanded_values(P, r, 0.9, pi, Q_hat, H)
        assert rho @ V == pytest.approx(float(found.J[H]), rel=1e-12)


def test_objective_has_the_value_but_not_the_gradient():
    """One state that is never left, equal actions but for the reward: the part gamma^(H+1) of the gradient lacks."""
    where = dict(CLAIMS["A2c"].equality or {})
    assert certain("A2b", **where).status == HOLDS
    assert certain("A2x", **where).status == VIOLATED
    for H in range(4):
        frozen, full = sides("A2x", **{**where, "H": H})
        assert frozen == pytest.approx((1 - 0.5 ** (H + 1)) * full, rel=1e-15)


# Lemma 4.2


def test_lemma42_fails_for_a_saturated_softmax():
    """Probability 1e-5, step 42: the policy changes by all but 1e-4 where the local constant allows .1."""
    values = {"weights": [[10**5, 1]], "d": [[0, 42]]}
    assert certain("A3y", **values).status == VIOLATED
    change, bound = sides("A3y", **values)
    assert change > 0.9999 and bound < 0.1


def test_lemma42_gaussian_is_below_the_total_variation():
    """Numbers of the specification for sigma = 1 and a step of .01: TV .383 at s = 100, .005 from s = 1."""
    for s, published in ((100, 0.383), (1000, 0.9999994)):
        lower, bound = sides("A3z", s=s, visited=1, sigma=1, step=Fraction(1, 100))
        variation = math.erf(0.01 * s / (2 * math.sqrt(2)))
        assert variation == pytest.approx(published, abs=3e-4)
        assert bound == pytest.approx(0.005) and bound < lower <= variation


def test_fisher_on_segment_is_above_a_fine_grid():
    for values in drawn("A3b", 15):
        pi, d = maac.softmax(values["weights"]), values["d"]
        grid = [maac.fisher(maac.stepped(pi, t * d), d) for t in np.linspace(0, 1, 101)]
        assert (maac.fisher_on_segment(pi, d) >= np.max(grid, axis=0) * (1 - 1e-12)).all()


def test_divergence_of_a_small_step_goes_either_way():
    """The sign of the third order is that of the skewness: the action that gains is the likely or the unlikely one."""
    up, down = ({"weights": [[9, 1]], "d": [[0, Fraction(sign, 10)]]} for sign in (1, -1))
    assert (certain("A3x", **up).status, certain("A3x", **down).status) == (VIOLATED, HOLDS)


# Theorem 4.1


def leaving(gamma, tau, low, high):
    """One policy stays where the reward is `high`; the other leaves it for `low` with probability tau a step."""
    change = {"gamma": gamma, "r": [[high, low], [low, low]], "pi_hat": [[1 - tau, tau], [1, 0]]}
    return {**maac.LEAVING, **change}


@pytest.mark.parametrize("gamma", [Fraction(1, 1000), Fraction(1, 10), HALF, Fraction(9, 10), Fraction(99, 100)])
@pytest.mark.parametrize("tau", [Fraction(1, 10000), HALF, Fraction(9, 10)])
def test_thm41_fails_for_every_discount_with_signed_rewards(gamma, tau):
    found = certain("A4x", **leaving(gamma, tau, -1, 1))
    assert found.status == VIOLATED
    assert found.ratio == pytest.approx(float(1 / (1 - gamma + gamma * tau)), rel=1e-12)
    assert certain("A4x", **leaving(0, tau, -1, 1)).status == HOLDS


@pytest.mark.parametrize("gamma", [Fraction(n, 20) for n in (1, 5, 9, 10, 11, 15, 19)])
@pytest.mark.parametrize("tau", [Fraction(1, 10000), Fraction(1, 4)])
def test_thm41_fails_above_one_half_with_rewards_from_zero(gamma, tau):
    """Exactly where gamma (1 - tau) > 1/2; so does the line on visits, for any rewards."""
    fails = VIOLATED if gamma * (1 - tau) > HALF else HOLDS
    values = leaving(gamma, tau, 0, 1)
    assert certain("A4v", **values).status == fails
    assert certain("A4w", **{name: value for name, value in values.items() if name != "r"}).status == fails


def test_thm41_sharp_is_attained_at_every_distance():
    for gamma, tau in ((0, HALF), (HALF, Fraction(1, 7)), (Fraction(99, 100), Fraction(1, 1000)), (HALF, 1)):
        found = certain("A4c", **leaving(gamma, tau, -2, 3))
        assert (found.status, found.slack) == (HOLDS, 0)


def test_thm41_for_rewards_from_zero_is_not_about_others():
    assert certain("A4v", **leaving(HALF, HALF, -1, 1)).status == EXCLUDED
    assert certain("A4u", **leaving(Fraction(3, 4), HALF, 0, 1)).status == EXCLUDED


def test_thm41_with_alpha_twice_fails_for_every_step_below_one():
    """At gamma = 0 the corrected bound is attained by rewards -1 and 1, and nothing may be multiplied to it."""
    for alpha, status in ((1, HOLDS), (Fraction(999, 1000), VIOLATED), (Fraction(1, 100), VIOLATED)):
        assert certain("A4y", alpha=alpha, **leaving(0, HALF, -1, 1)).status == status


def test_sum_of_differences_is_twice_the_variation():
    total, variation = sides("A4z", pi=[[1, 0]], pi_hat=[[HALF, HALF]])
    assert total == 2 * variation == 1


# Improvement


def test_improvement_fails_for_a_policy_that_cannot_see_its_state():
    """Moving on is right in one state and wrong in the other; a long step overshoots the mixture that is best."""
    stay_or_go = [[[1, 0], [0, 1]], [[1, 0], [0, 1]]]
    values = {"gamma": HALF, "P": stay_or_go, "r": [[0, 0], [1, 0]], "rho": [1, 0]}
    assert certain("A5x", **values, weights=[[1, 2]], alpha=HALF).status == HOLDS
    assert certain("A5x", **values, weights=[[1, 2]], alpha=10).status == VIOLATED


def test_improvement_needs_a_short_step_where_the_gradient_is_inexact():
    """The same step against the gradient, ten thousand times as long, loses more than A5b allows for."""
    claim = CLAIMS["A5b"]
    longer = ({**values, "share": 1e4 * values["share"]} for values in drawn("A5b", 40))
    assert any(outcome(claim, values).status == VIOLATED for values in longer)
