"""The polytope of a 2-state MDP: every policy in it, its lines, and the way back from values to a policy."""

import numpy as np
import pytest

from tabular import polytope as geometry
from tabular.evaluate import evaluate
from tabular.mdp import make_mdp
from tabular.operators import backup
from tabular.solve import solve
from tabular.worlds import dirichlet, gridworld, two_state


def random_mdp(A: int, seed: int):
    return dirichlet(2, A, gamma=0.8, seed=seed)


def random_policies(A: int, n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.full(A, 0.5), size=(n, 2))


def winds_around(corners: np.ndarray, point: np.ndarray) -> bool:
    """Whether a closed polygon winds around a point: the sum of the angles under which its sides are seen."""
    ways = corners - point
    after = np.roll(ways, -1, axis=0)
    cross = ways[:, 0] * after[:, 1] - ways[:, 1] * after[:, 0]
    return abs(np.arctan2(cross, (ways * after).sum(1)).sum()) > 1


@pytest.mark.parametrize("A", [2, 3, 4])
def test_policy_values_are_those_of_evaluate(A):
    mdp, policies = random_mdp(A, 1), random_policies(A, 20)
    expected = [evaluate(mdp, pi).V for pi in policies]
    np.testing.assert_allclose(geometry.policy_values(mdp, policies), expected, atol=1e-12)


@pytest.mark.parametrize("A", [2, 3])
@pytest.mark.parametrize("seed", range(4))
def test_polytope_pieces_hold_all_policies_and_nothing_else(A, seed):
    mdp = random_mdp(A, seed)
    found = geometry.polytope(mdp)
    for V in geometry.policy_values(mdp, random_policies(A, 60)):
        assert geometry.is_value(mdp, V)
        assert any(winds_around(piece, V) for piece in found.pieces)
    low, high = found.V.min(0), found.V.max(0)
    for V in low + (high - low) * np.random.default_rng(seed).random((200, 2)):
        assert geometry.is_value(mdp, V) == any(winds_around(piece, V) for piece in found.pieces)


def test_polytope_of_the_paper_is_pinched():
    """Dadashi et al. 2019, Figure 2 (d): two triangles that meet in a point."""
    piece = geometry.polytope(two_state()).pieces[0]
    inside = [
        V for V in np.random.default_rng(0).uniform([-2.5, -1.8], [0.2, 1.9], (2000, 2)) if winds_around(piece, V)
    ]
    upper = np.array(inside)[:, 1] > 0.47
    assert 0.2 < upper.mean() < 0.8
    assert not geometry.is_value(two_state(), np.array([-1.5, 0.5]))


@pytest.mark.parametrize("A", [2, 3])
def test_polytope_edges_are_the_values_of_policies_fixed_in_one_state(A):
    mdp = random_mdp(A, 2)
    edges, rng = geometry.polytope(mdp).edges, np.random.default_rng(3)
    for s in (0, 1):
        for a in range(A):
            pi = rng.dirichlet(np.ones(A), size=2)
            pi[s] = np.eye(A)[a]
            V, (start, end) = evaluate(mdp, pi).V, edges[s, a]
            share = (V - start) / (end - start)
            assert share[0] == pytest.approx(share[1], abs=1e-9) and 0 <= share[0] <= 1


@pytest.mark.parametrize("state", [0, 1])
def test_line_is_straight_and_its_position_is_projective(state):
    """With d_i the discounted visits to the state from itself: w = share d_0 / (share d_0 + (1 - share) d_1)."""
    mdp, pi = two_state().to_dense(), np.array([[0.6, 0.4], [0.3, 0.7]])
    line = geometry.line(mdp, pi, state)
    visits = []
    for end in (line.pi[0], line.pi[-1]):
        chain = np.einsum("sa,sat->st", end, mdp.P)
        visits.append(np.linalg.inv(np.eye(2) - mdp.gamma * chain)[state, state])
    share = np.linspace(0, 1, 11)
    w = share * visits[0] / (share * visits[0] + (1 - share) * visits[1])
    np.testing.assert_allclose(line.V, w[:, None] * line.V[-1] + (1 - w[:, None]) * line.V[0], atol=1e-12)
    assert abs(w - share).max() > 0.01
    assert line.V[0, state] <= line.V[-1, state]


@pytest.mark.parametrize("A", [2, 3])
def test_mesh_lies_in_the_polytope(A):
    mdp = random_mdp(A, 5)
    segments = geometry.mesh(mdp, 3)
    assert len(segments) == 2 * {2: 4, 3: 10}[A]
    for start, end in segments:
        assert geometry.is_value(mdp, 0.37 * start + 0.63 * end)


@pytest.mark.parametrize("A", [2, 3])
def test_policy_at_finds_a_policy_with_the_values(A):
    mdp = random_mdp(A, 7)
    for pi, near in zip(random_policies(A, 30, 1), random_policies(A, 30, 2), strict=True):
        V = evaluate(mdp, pi).V
        np.testing.assert_allclose(evaluate(mdp, geometry.policy_at(mdp, V, near)).V, V, atol=1e-10)


def test_policy_at_stays_a_policy_where_there_is_none():
    pi = geometry.policy_at(two_state(), np.array([5.0, -5.0]), np.full((2, 2), 0.5))
    np.testing.assert_allclose(pi.sum(1), 1)
    assert set(pi.ravel()) == {0.0, 1.0}


def test_policy_iteration_rises_to_the_optimum():
    policies = geometry.policy_iteration(two_state(), np.array([[1.0, 0.0], [0.0, 1.0]]))
    V = geometry.policy_values(two_state(), policies)
    assert (np.diff(V, axis=0) >= 0).all()
    np.testing.assert_allclose(V[-1], solve(two_state()).V, atol=1e-12)


def test_policy_iteration_keeps_an_optimal_mixture():
    """Two equal actions: no action is better, so nothing changes."""
    mdp = make_mdp(np.full((2, 2, 2), 0.5), np.ones((2, 2)), gamma=0.9)
    assert len(geometry.policy_iteration(mdp, np.full((2, 2), 0.5))) == 1


def test_is_value_is_the_inequality_of_backups():
    mdp = two_state()
    V = np.array([-2.0, 1.5])
    Q = backup(mdp, V)
    assert not ((Q.min(1) <= V) & (Q.max(1) >= V)).all()
    assert not geometry.is_value(mdp, V)
    assert geometry.is_value(mdp, solve(mdp).V)


@pytest.mark.parametrize(
    ("mdp", "says"),
    [
        (gridworld("S.G", gamma=0.9), "mdp has 3 states, expected 2"),
        (make_mdp([[[0, 1], [1, 0]], [[0, 1], [1, 0]]], [[1, 1], [1, -np.inf]], gamma=0.9), r"r\[1, 1\] = -inf"),
        (make_mdp(np.full((2, 2, 2), 0.4), np.ones((2, 2)), gamma=1, terminating=True), "gamma = 1, expected less"),
    ],
)
def test_polytope_refuses_with_the_cure(mdp, says):
    with pytest.raises(ValueError, match=says):
        geometry.polytope(mdp)
