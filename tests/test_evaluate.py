"""Policy evaluation against closed forms and simulation-free identities."""

import numpy as np
import pytest
import scipy.sparse as sp

import tabular as tb
from tabular.operators import policy_bellman
from tests.exact import exact_arrays, exact_evaluation, rational, to_float
from tests.instances import random_mdp


def random_policy(mdp, seed=0):
    return np.random.default_rng(seed).dirichlet(np.ones(mdp.A), size=mdp.S)


def test_evaluate_error_bounds_the_distance_from_exact_rationals():
    for i in range(100):
        mdp = random_mdp(20, i)
        action = np.random.default_rng(i).integers(mdp.A, size=mdp.S)
        evaluation = tb.evaluate(mdp, action)
        exact = exact_evaluation(*exact_arrays(mdp), action.tolist())
        gap = max(abs(rational(v) - e) for v, e in zip(evaluation.V, exact, strict=True))
        assert to_float(gap) <= evaluation.error


def test_evaluate_is_the_fixed_point_of_its_operator():
    for i in range(30):
        mdp = random_mdp(21, i)
        pi = random_policy(mdp, i)
        evaluation = tb.evaluate(mdp, pi)
        assert abs(policy_bellman(mdp, evaluation.Q, pi) - evaluation.Q).max() <= 2 * evaluation.error
        assert abs((pi * evaluation.Q).sum(1) - evaluation.V).max() <= 2 * evaluation.error


def test_evaluate_occupancy_gives_the_return_and_its_flow():
    """J = sum d r, sum d = 1 / (1 - gamma), and d satisfies the flow equation."""
    for i in range(30):
        mdp = random_mdp(22, i)
        evaluation = tb.evaluate(mdp, random_policy(mdp, i))
        d = evaluation.occupancy
        horizon = 1 / (1 - mdp.gamma)
        scale = horizon * abs(mdp.r).max()
        assert (d * mdp.r).sum() == pytest.approx(evaluation.J, abs=1e-10 * scale)
        assert d.sum() == pytest.approx(horizon, rel=1e-9)
        assert d.sum(1) == pytest.approx(mdp.rho + mdp.gamma * mdp.expect_adjoint(d), abs=1e-9 * horizon)


def test_evaluate_dense_and_sparse_agree():
    for i in range(30):
        mdp = random_mdp(23, i)
        pi = random_policy(mdp, i)
        dense, sparse = tb.evaluate(mdp, pi), tb.evaluate(mdp.to_sparse(), pi)
        assert abs(dense.V - sparse.V).max() <= dense.error + sparse.error
        assert abs(dense.occupancy - sparse.occupancy).max() <= 1e-9 / (1 - mdp.gamma)


@pytest.mark.parametrize("kind", ["ring", "random graph"])
def test_evaluate_large_sparse_is_certified(kind):
    """Both sparse routes: LU on a narrow graph, Krylov with refinement on one that would fill in."""
    S, rng = 5000, np.random.default_rng(0)
    if kind == "ring":
        columns = (np.arange(S)[:, None] + [1, 2]) % S
    else:
        columns = rng.integers(S, size=(S, 2))
    weights = rng.dirichlet(np.ones(2), size=S)
    P = sp.csr_matrix((weights.reshape(-1), (np.repeat(np.arange(S), 2), columns.reshape(-1))), shape=(S, S))
    mdp = tb.make_mdp(P, rng.normal(size=(S, 1)), gamma=0.99)
    evaluation = tb.evaluate(mdp, np.zeros(S, dtype=int))
    sweeps = tb.solve(mdp, method="mpi", tol=1e-8)
    assert evaluation.error <= 1e-8
    assert abs(evaluation.V - sweeps.V).max() <= evaluation.error + sweeps.error
    assert (evaluation.occupancy * mdp.r).sum() == pytest.approx(evaluation.J, abs=1e-7)


def test_evaluate_two_state_chain_closed_form():
    """V0 = 1 / (1 - gamma p) for reward 1 in a state kept with probability p, then an absorbing state of reward 0."""
    p, gamma = 0.3, 0.8
    mdp = tb.make_mdp([[[p, 1 - p]], [[0, 1]]], [[1.0], [0.0]], gamma=gamma, rho=[1, 0])
    evaluation = tb.evaluate(mdp, np.zeros(2, dtype=int))
    assert evaluation.J == pytest.approx(1 / (1 - gamma * p), abs=1e-14)
    assert evaluation.occupancy[0, 0] == pytest.approx(1 / (1 - gamma * p), abs=1e-14)


@pytest.mark.parametrize(
    ("pi", "message"),
    [
        (np.ones((2, 3)) / 3, r"pi has shape \(2, 3\), expected \(2, 2\)"),
        (np.array([[0.5, 0.4], [0.5, 0.5]]), r"pi\[0\] sums to 0.9, expected 1"),
        (np.array([[1.5, -0.5], [0.5, 0.5]]), r"pi\[0, 1\] = -0.5, expected a probability"),
        (np.array([[np.nan, 1], [0.5, 0.5]]), r"pi\[0, 0\] = nan"),
        (np.array([0, 2]), r"pi\[1\] = 2, expected an action from 0 to 1"),
        (np.array([[0.5, 0.5], [0.5, 0.5]]), r"pi\[1, 1\] = 0.5 for an infeasible action"),
    ],
)
def test_evaluate_bad_policies_are_named(pi, message):
    mdp = tb.make_mdp(np.full((2, 2, 2), 0.5), [[0.0, 1.0], [1.0, -np.inf]], gamma=0.9)
    with pytest.raises(ValueError, match=message):
        tb.evaluate(mdp, pi)
