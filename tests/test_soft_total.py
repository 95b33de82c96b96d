"""Soft values at gamma = 1: a closed form, the limit of discounting, and the cases that have no answer."""

import numpy as np
import pytest

import tabular as tb


def stay_or_stop(cost: float):
    """One state: staying costs `cost`, stopping nothing."""
    return tb.make_mdp([[[1.0], [0.0]]], [[-cost, 0.0]], gamma=1, terminating=True)


@pytest.mark.parametrize("alpha", [0.01, 0.3, 2.0])
@pytest.mark.parametrize("cost", [0.01, 1.0, 5.0])
def test_soft_solve_at_gamma_one_stay_or_stop_closed_form(alpha, cost):
    """e^{V/alpha} = 1 + e^{(V - cost)/alpha}, so V = -alpha log(1 - e^{-cost/alpha})."""
    solution = tb.soft_solve(stay_or_stop(cost), alpha)
    assert abs(solution.V[0] + alpha * np.log1p(-np.exp(-cost / alpha))) <= solution.error <= 1e-9
    value = tb.evaluate(stay_or_stop(cost), solution.pi)
    assert value.occupancy.sum() == pytest.approx(1 / solution.pi[0, 1], rel=1e-9)


def test_soft_solve_at_gamma_one_is_the_limit_of_discounting():
    for seed in range(30):
        rng = np.random.default_rng([60, seed])
        P = rng.dirichlet(np.ones(5), size=(5, 3)) * rng.choice([1.0, 0.8], size=(5, 3, 1))
        P[0, 0] = 0
        mdp = tb.make_mdp(P, -1 - rng.random((5, 3)), gamma=1, terminating=True)
        for alpha in (0.05, 0.5):
            solution = tb.soft_solve(mdp, alpha)
            nearly = tb.soft_solve(tb.with_changes(mdp, gamma=1 - 1e-7), alpha, tol=0.01)
            assert abs(solution.V - nearly.V).max() <= 1e-3
            assert solution.error <= 1e-8


def test_soft_solve_at_gamma_one_rests_where_there_is_no_choice():
    P = np.zeros((2, 2, 2))
    P[0, 0, 1] = P[0, 1, 0] = P[1, 0, 1] = 1
    mdp = tb.make_mdp(P, [[0.0, -1.0], [0.0, -np.inf]], gamma=1)
    solution = tb.soft_solve(mdp, 0.5)
    assert abs(solution.V - [-0.5 * np.log1p(-np.exp(-2.0)), 0.0]).max() <= solution.error


def test_soft_solve_at_gamma_one_refuses_entropy_without_end():
    free = np.zeros((2, 2, 2))
    free[0, 0, 1] = free[0, 1, 0] = free[1, :, 1] = 1
    with pytest.raises(tb.NoFiniteValue, match="state 1 can be kept at reward 0 for ever with a choice"):
        tb.soft_solve(tb.make_mdp(free, [[0.0, -1.0], [0.0, 0.0]], gamma=1), 0.5)


def test_soft_solve_at_gamma_one_refuses_wandering_that_pays():
    """Two ways to stay, each at a cost below alpha log 2."""
    mdp = tb.make_mdp([[[1.0], [1.0], [0.0]]], [[-0.5, -0.5, 0.0]], gamma=1, terminating=True)
    assert tb.soft_solve(mdp, 0.5).V[0] > 0
    with pytest.raises(tb.NoFiniteValue, match="wandering pays more entropy than it costs"):
        tb.soft_solve(mdp, 1.0)
