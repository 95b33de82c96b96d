"""Soft-optimal values: closed form, two routes, exactness under large Q / alpha."""

import numpy as np
import pytest

import tabular as tb
from tabular.operators import policy_entropy, soft_bellman, soft_value, softmax_policy
from tests.instances import random_mdp

ALPHAS = (0.01, 0.1, 1.0, 10.0)


def test_soft_solve_one_state_closed_form():
    """V = (alpha log sum_a exp(r_a / alpha)) / (1 - gamma)."""
    r, gamma, alpha = np.array([[1.0, 0.5, -2.0]]), 0.9, 0.7
    mdp = tb.make_mdp(np.ones((1, 3, 1)), r, gamma=gamma)
    expected = alpha * np.log(np.exp(r / alpha).sum()) / (1 - gamma)
    for method in ("newton", "iteration"):
        assert tb.soft_solve(mdp, alpha, method=method, tol=1e-10).V[0] == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_soft_solve_newton_and_iteration_agree_within_their_bounds(alpha):
    for i in range(30):
        mdp = random_mdp(30, i)
        newton, sweeps = (tb.soft_solve(mdp, alpha, method=method) for method in ("newton", "iteration"))
        assert abs(newton.Q - sweeps.Q).max() <= newton.error + sweeps.error
        assert newton.iterations <= 10


@pytest.mark.parametrize("alpha", ALPHAS)
def test_soft_solve_is_a_fixed_point_and_its_policy_earns_it(alpha):
    """V is the return of softmax(Q / alpha) with alpha times its entropy added to every reward."""
    for i in range(20):
        mdp = random_mdp(31, i)
        solution = tb.soft_solve(mdp, alpha)
        assert abs(soft_bellman(mdp, solution.Q, alpha) - solution.Q).max() <= 2 * solution.error
        bonus = alpha * policy_entropy(solution.Q, alpha)
        paid = tb.with_changes(mdp, r=mdp.r + bonus[:, None])
        value = tb.evaluate(paid, solution.pi)
        scale = max(1.0, abs(solution.V).max())
        assert abs(value.V - solution.V).max() <= 10 * (value.error + solution.error) + 1e-12 * scale


def test_soft_solve_J_is_the_return_of_its_policy_without_entropy():
    """Nikishin et al. 2021 evaluate the softmax policy by its plain return."""
    assert tb.soft_solve(tb.worlds.two_state(), 0.01).J == pytest.approx(1.0272550903, abs=1e-10)


def test_soft_solve_lies_between_hard_and_hard_plus_entropy():
    """0 <= Q*_alpha - Q* <= gamma alpha log A / (1 - gamma)."""
    for i in range(50):
        mdp = random_mdp(32, i)
        alpha = 10 ** np.random.default_rng(i).uniform(-2, 1)
        soft, hard = tb.soft_solve(mdp, alpha), tb.solve(mdp)
        slack = soft.error + hard.error
        gap = soft.Q - hard.Q
        assert gap.min() >= -slack
        assert gap.max() <= mdp.gamma * alpha * np.log(mdp.A) / (1 - mdp.gamma) + slack


def test_soft_solve_survives_values_that_overflow_a_naive_exponential():
    """exp(Q / 0.01) overflows float64 from Q = 7.1; here Q = 1e6."""
    mdp = tb.make_mdp(np.full((2, 2, 2), 0.5), [[1e5, 1e5 - 1], [1e5, 0]], gamma=0.9)
    solution = tb.soft_solve(mdp, 0.01)
    assert np.isfinite(solution.Q).all()
    assert solution.V == pytest.approx(tb.solve(mdp).V, rel=1e-12)


def test_soft_solve_infeasible_actions_have_no_probability_and_no_nan():
    r = np.array([[1.0, -np.inf], [0.0, 2.0]])
    mdp = tb.make_mdp(np.full((2, 2, 2), 0.5), r, gamma=0.9)
    solution = tb.soft_solve(mdp, 0.5)
    assert solution.pi[0].tolist() == [1.0, 0.0]
    assert np.isfinite(solution.V).all()
    assert (policy_entropy(solution.Q, 0.5)[0], solution.Q[0, 1]) == (0.0, -np.inf)


def test_soft_solve_sparse_agrees_with_dense():
    for i in range(20):
        mdp = random_mdp(33, i)
        dense, sparse = tb.soft_solve(mdp, 0.3), tb.soft_solve(mdp.to_sparse(), 0.3)
        assert abs(dense.Q - sparse.Q).max() <= dense.error + sparse.error


def test_soft_solve_trace_rises_to_the_solution():
    """From the first evaluation on, soft policy iteration never lowers a value."""
    mdp = random_mdp(34, 3, S=8, A=4, gamma=0.99)
    solution = tb.soft_solve(mdp, 0.05, trace=True)
    steps = np.diff(solution.trace.V[1:], axis=0)
    assert steps.min() >= -1e-9
    assert solution.trace.residual[-1] < 1e-8


def test_softmax_policy_is_the_gradient_of_soft_value():
    Q = np.random.default_rng(0).normal(size=(3, 4))
    direction = np.random.default_rng(1).normal(size=(3, 4))
    step = 1e-6
    slope = (soft_value(Q + step * direction, 0.3) - soft_value(Q - step * direction, 0.3)) / (2 * step)
    assert slope == pytest.approx((softmax_policy(Q, 0.3) * direction).sum(1), abs=1e-8)


@pytest.mark.parametrize(
    ("alpha", "arguments", "message"),
    [
        (0.0, {}, "alpha = 0.0, expected a positive temperature"),
        (-1.0, {}, "alpha = -1.0"),
        (float("nan"), {}, "alpha = nan"),
        (0.1, {"method": "pi"}, "method = 'pi', expected one of newton, iteration"),
        (0.1, {"tol": -1}, "tol = -1"),
    ],
)
def test_soft_solve_bad_arguments_are_named(alpha, arguments, message):
    with pytest.raises(ValueError, match=message):
        tb.soft_solve(random_mdp(35, 0), alpha, **arguments)


def test_soft_solve_tolerance_below_rounding_is_refused():
    with pytest.raises(tb.NotConverged, match="rounding alone allows"):
        tb.soft_solve(random_mdp(36, 0, gamma=0.99), 0.1, tol=1e-30)
