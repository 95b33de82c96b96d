"""CartPole as a table: a proper MDP whose weights reproduce states, and whose policy balances the real pole."""

import numpy as np
import pytest

from deep.studies.cartpole import FASTEST, Mesh, solved, table

MESH = Mesh((5, 7, 9, 11))


@pytest.fixture(scope="module")
def exact():
    return solved(Mesh((9, 11, 13, 15)))


def test_weights_are_probabilities_whose_mean_is_the_state():
    """Multilinear weights hold linear functions exactly, the state itself among them."""
    inside = np.random.default_rng(0).uniform(-1, 1, (50, 4)) * FASTEST
    weights = MESH.weights(inside)
    assert weights.min() >= 0 and weights.getnnz(axis=1).max() <= 16
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-12)
    np.testing.assert_allclose(weights @ MESH.states(), inside, atol=1e-12)


def test_table_ends_where_the_pole_falls_and_nowhere_else():
    """A pole at the limit of its angle that turns outwards falls by either action; one at rest in the middle stands."""
    mdp = table(MESH)
    states = MESH.states()
    left = np.asarray(mdp.P.sum(axis=1)).reshape(-1, 2)
    falling = (abs(states[:, 2]) == states[:, 2].max()) & (states[:, 2] * states[:, 3] > 0)
    middle = (states == 0).all(axis=1)
    assert falling.sum() > 100 and middle.sum() == 1
    np.testing.assert_array_equal(left[falling], 0)
    np.testing.assert_allclose(left[middle], 1)


def test_exact_values_are_certified_and_below_those_of_never_falling(exact):
    assert exact.solution.error <= 1e-3
    assert 1 - 1e-3 <= exact.solution.V.min() and 80 < exact.solution.J < exact.solution.V.max() < 100


def test_exact_Q_at_mesh_points_is_the_solution_itself(exact):
    at = np.random.default_rng(1).choice(exact.mesh.size, 40, replace=False)
    np.testing.assert_allclose(exact.Q(exact.mesh.states()[at]), exact.solution.Q[at], atol=2e-3)


def test_exact_policy_balances_the_real_pole(exact):
    np.testing.assert_array_equal(exact.returns(episodes=5, seed=0), 500)
