"""Lower bounds on log J: their order, where they are tight, and their values elsewhere."""

import numpy as np
import pytest
from scipy.special import logsumexp, rel_entr

import tabular as tb
from tabular.optimism import (
    best_response,
    horizon_conditioned,
    in_model,
    ladder,
    log_return,
    mnm,
    optimum,
    stopping,
    stopping_value,
    tight,
)
from tabular.optimism.smoothed import Loop
from tabular.worlds.papers import maze10
from tests.optimism.instances import case, reference, unit_cases

RUNGS = ("simple", "gamma_kl", "tight", "stopping", "best_stopping", "log_return")
MAZE = maze10(reward=1.0, goal_reward=10.0)


def discount(i):
    """Discounts of the random MDPs; .99 sums over thousands of times."""
    return 0.99 if i % 25 == 0 else (0.1, 0.5, 0.8, 0.9)[i % 4]


def test_ladder_has_the_reference_values():
    """Inputs have ten digits: the divergence is off by q dp / p, the bound by 1 / (1 - gamma) of that."""
    names = {"simple": "simple_bound_paper", "gamma_kl": "simple_bound_gammaKL", "tight": "tight_bound"}
    for mdp, q, pi, known in unit_cases():
        found = ladder(mdp, q, pi)
        cut = 5e-11 * ((q / mdp.P).sum(-1).max() + 20) / (1 - mdp.gamma)
        for rung, name in (names | {"log_return": "log_return"}).items():
            np.testing.assert_allclose(getattr(found, rung), known[name], rtol=1e-8, atol=cut)
            assert cut < 2e-5


def test_ladder_is_in_ascending_order():
    """300 random MDPs with rewards from e^-5 to e^5, random models and policies."""
    for i in range(300):
        mdp, q, pi = case(i, gamma=discount(i))
        found = ladder(mdp, q, pi)
        values = np.array([getattr(found, rung) for rung in RUNGS])
        slack = 1e-12 * (1 + abs(values[:-1])) / (1 - mdp.gamma)
        assert (np.diff(values, axis=0) >= -slack).all(), f"case {i}: {np.diff(values, axis=0).min()}"


def test_ladder_has_rungs_that_differ():
    mdp, q, pi = case(1, S=4, A=3, gamma=0.9)
    found = ladder(mdp, q, pi)
    values = [getattr(found, rung).mean() for rung in RUNGS]
    assert (np.diff(values) > 1e-3).all()


def test_gamma_kl_recovers_its_share_of_the_divergence():
    """gamma_kl - simple = (1 - gamma) E_q sum gamma^t KL."""
    for i in range(20):
        mdp, q, pi = case(i, gamma=0.9)
        price = tb.make_mdp(q, rel_entr(q, mdp.P).sum(-1), gamma=0.9)
        found = ladder(mdp, q, pi)
        np.testing.assert_allclose(found.gamma_kl - found.simple, 0.1 * tb.evaluate(price, pi).V, atol=1e-10)


def test_gamma_is_the_smallest_weight_of_the_divergence():
    """A start of the mean reward, then 1 or 4 for ever: with q ~ p r the bound is log J, and gamma^2 breaks it."""
    P = np.array([[[0.0, 0.5, 0.5]], [[0.0, 1.0, 0.0]], [[0.0, 0.0, 1.0]]])
    mdp = tb.make_mdp(P, [[2.5], [1.0], [4.0]], gamma=0.9)
    q = P * [1.0, 1.0, 4.0]
    q /= q.sum(-1, keepdims=True)
    pi = np.ones((3, 1))

    def off(weight):
        return tb.evaluate(in_model(mdp, mnm(mdp, weight=weight), q), pi).V[0] - log_return(mdp, pi)[0]

    assert off(0.9) == pytest.approx(0, abs=1e-13)
    assert off(1.0) == pytest.approx(-0.01927, abs=5e-6)
    assert off(0.81) == pytest.approx(0.01735, abs=5e-6)


def test_simple_bound_needs_the_true_start():
    """Two states that are never left: a model that begins in the better one promises log 20, the truth is log 10."""
    mdp = tb.make_mdp(np.eye(2)[:, None], [[1.0], [2.0]], gamma=0.9, rho=[1, 0])
    found = ladder(mdp, mdp.P, np.ones((2, 1)))
    assert np.array([0, 1]) @ found.simple == pytest.approx(np.log(20))
    assert mdp.rho @ found.log_return == pytest.approx(np.log(10))


# the learned time


def learned_time(mdp, q, pi, horizon) -> np.ndarray:
    """Eq. 10 as it is written: the expectations of every time, one by one, and the best q(t)."""
    chain, KL = np.einsum("sa,sat->st", pi, q), (pi * rel_entr(q, mdp.P).sum(-1)).sum(1)
    lines, here, spent = [], np.eye(mdp.S), np.zeros(mdp.S)
    for t in range(horizon):
        lines.append(t * np.log(mdp.gamma) + here @ (pi * np.log(mdp.r)).sum(1) - spent)
        spent, here = spent + here @ KL, here @ chain
    lines = np.array(lines)
    best = np.exp(lines - logsumexp(lines, axis=0))
    return (best * (lines - np.log(np.where(best > 0, best, 1.0)))).sum(0)


def test_tight_is_eq_10_summed_time_by_time():
    for i in range(20):
        mdp, q, pi = case(i, gamma=0.9)
        np.testing.assert_allclose(tight(mdp, q, pi), learned_time(mdp, q, pi, 500), atol=1e-10)


def test_tight_loses_no_more_than_its_tolerance():
    mdp, q, pi = case(2, gamma=0.9)
    exact = tight(mdp, q, pi, tol=1e-15)
    for tol in (1e-2, 1e-6):
        lost = exact - tight(mdp, q, pi, tol=tol)
        assert (lost >= 0).all() and (lost <= tol).all() and lost.max() > 0


def test_tight_has_the_reference_values_of_the_maze():
    known = reference()["mnm_exact_bounds"]
    for weight, name in ((1.0, "paper"), (0.9, "gamma")):
        found = optimum(MAZE, mnm(MAZE, weight=weight))
        assert tight(MAZE, found.q, found.pi)[0] == pytest.approx(known[name]["tight_at_q"], abs=6e-8)
    assert tight(MAZE, MAZE.P, tb.solve(MAZE).action)[0] == pytest.approx(2.351638, abs=6e-7)


def test_tight_is_not_tight_with_a_stationary_model():
    run = best_response(MAZE, Loop(mnm(MAZE)))
    found = tight(MAZE, run.q, tb.solve(MAZE).action)[0]
    assert found < 2.3654031 < tb.solve(MAZE).J and found == pytest.approx(2.3647, abs=5e-5)
    assert log_return(MAZE, tb.solve(MAZE).action)[0] == pytest.approx(2.4194679, abs=6e-8)


# the two that are tight


def test_horizon_conditioned_is_log_J_for_deterministic_policies():
    for i in range(75):
        mdp, _, _ = case(i, gamma=discount(i))
        action = np.random.default_rng(i).integers(mdp.A, size=mdp.S)
        np.testing.assert_allclose(horizon_conditioned(mdp, action), log_return(mdp, action), atol=1e-10, rtol=0)
    best = tb.solve(MAZE)
    assert horizon_conditioned(MAZE, best.action)[0] == pytest.approx(2.419467922, abs=1e-9)


def test_horizon_conditioned_is_the_bound_of_the_model_p_h():
    """Written out: q_j ~ p h_{j-1}, with h_j the expected reward j steps later, its rewards and its divergences."""
    mdp, _, _ = case(4, S=4, A=2, gamma=0.7)
    states, action = np.arange(4), np.array([0, 1, 1, 0])
    P, r = mdp.P[states, action], mdp.r[states, action]
    h = [r]
    for _ in range(150):
        h.append(P @ h[-1])
    lines = []
    for t in range(150):
        here, line = np.eye(4), t * np.log(0.7)
        for left in range(t, 0, -1):
            q = P * h[left - 1] / h[left][:, None]
            line = line - here @ rel_entr(q, P).sum(1)
            here = here @ q
        lines.append(line + here @ np.log(r))
    bound = np.logaddexp.reduce(lines)
    np.testing.assert_allclose(bound, log_return(mdp, action), atol=1e-10)
    np.testing.assert_allclose(bound, horizon_conditioned(mdp, action), atol=1e-10)


def test_horizon_conditioned_is_not_tight_for_stochastic_policies():
    for i in range(30):
        mdp, q, pi = case(i, S=4, A=3, gamma=0.9)
        found = horizon_conditioned(mdp, pi)
        assert (found <= log_return(mdp, pi) + 1e-12).all() and (found >= tight(mdp, q, pi) - 1e-11).all()
    assert found.max() < log_return(mdp, pi).max() - 1e-3


def test_stopping_is_log_J_for_deterministic_policies():
    for i in range(100):
        mdp, _, _ = case(i)
        action = np.random.default_rng(i).integers(mdp.A, size=mdp.S)
        found = stopping(mdp, action)
        np.testing.assert_allclose(found.V, log_return(mdp, action), atol=1e-10, rtol=0)
        np.testing.assert_allclose(np.exp(found.W), tb.evaluate(mdp, action).Q, rtol=1e-9)


def test_stopping_value_of_the_best_probabilities_and_model_is_attained_and_others_are_below():
    rng = np.random.default_rng(0)
    for i in range(50):
        mdp, q, pi = case(i, gamma=discount(i))
        for model in (None, q):
            best = stopping(mdp, pi, q=model)
            scale = 1e-11 * (1 + abs(best.V).max()) / (1 - mdp.gamma)
            attained = stopping_value(mdp, best.kappa, best.q, pi)
            np.testing.assert_allclose(attained, best.V, atol=scale)
            other = stopping_value(mdp, rng.uniform(0.05, 1, size=mdp.r.shape), q, pi)
            assert (other <= best.V + scale).all()


def test_stopping_value_with_the_discount_is_gamma_kl():
    for i in range(30):
        mdp, q, pi = case(i, gamma=discount(i))
        found = stopping_value(mdp, 1 - mdp.gamma, q, pi)
        scale = (1 + abs(found).max()) / (1 - mdp.gamma)
        np.testing.assert_allclose(found, ladder(mdp, q, pi).gamma_kl, atol=1e-13 * scale)


def test_stopping_at_once_is_the_first_reward():
    mdp, q, pi = case(0, gamma=0.9)
    np.testing.assert_allclose(stopping_value(mdp, 1.0, q, pi), (pi * np.log(mdp.r)).sum(1), atol=1e-12)


def test_ladder_at_gamma_0_is_the_first_reward():
    mdp, q, _ = case(0, gamma=0.0)
    found = ladder(mdp, q, np.zeros(mdp.S, dtype=int))
    for rung in RUNGS[1:]:
        np.testing.assert_allclose(getattr(found, rung), np.log(mdp.r[:, 0]), atol=1e-12)


def test_ladder_leaves_infeasible_actions_out():
    mdp, q, _ = case(3, S=4, A=3, gamma=0.9)
    r = mdp.r.copy()
    r[1, 2] = -np.inf
    smaller, action = tb.with_changes(mdp, r=r), np.array([0, 1, 2, 0])
    found, whole = ladder(smaller, q, action), ladder(mdp, q, action)
    for rung in RUNGS:
        np.testing.assert_allclose(getattr(found, rung), getattr(whole, rung), atol=1e-12)
    np.testing.assert_allclose(horizon_conditioned(smaller, action), horizon_conditioned(mdp, action), atol=1e-12)


# refusals


def test_ladder_refuses_what_has_no_bound():
    mdp = tb.make_mdp([[[1.0, 0.0]], [[0.5, 0.5]]], [[1.0], [1.0]], gamma=0.5)
    pi = np.ones((2, 1))
    outside = np.full((2, 1, 2), 0.5)
    for bound in (ladder, tight):
        with pytest.raises(ValueError, match=r"q\[0, 0, 1\] = 0.5 where p is 0"):
            bound(mdp, outside, pi)
    with pytest.raises(ValueError, match=r"q\[0, 0, 1\] = 0.5 where p is 0"):
        stopping(mdp, pi, q=outside)
    poor = tb.with_changes(mdp, r=[[0.0], [1.0]])
    with pytest.raises(ValueError, match=r"r\[0, 0\] = 0, expected a positive reward"):
        ladder(poor, mdp.P, pi)
    with pytest.raises(ValueError, match=r"kappa\[0, 0\] = 0, expected a probability to stop"):
        stopping_value(mdp, 0.0, mdp.P, pi)
    with pytest.raises(ValueError, match="tol"):
        tight(mdp, mdp.P, pi, tol=0.0)
    with pytest.raises(tb.NotConverged, match="times to sum over, more than 1000000"):
        tight(tb.with_changes(mdp, gamma=0.99999), mdp.P, pi)
