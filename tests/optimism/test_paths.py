"""Enumerated trajectories: the posterior p R is the one best distribution, and no model."""

import numpy as np
import pytest

import tabular as tb
from tabular.optimism import trajectories
from tests.optimism.instances import case


def small(i=0, gamma=0.8):
    return case(i, S=2, A=2, gamma=gamma)


def test_trajectories_are_all_there_are():
    mdp, _, pi = small()
    found = trajectories(mdp, pi, 5)
    assert found.states.shape == found.actions.shape == (4**5, 5)
    assert len({tuple(row) for row in np.hstack([found.states, found.actions])}) == 4**5
    assert found.p.sum() == pytest.approx(1, abs=1e-12)
    n = np.random.default_rng(0).integers(4**5)
    s, a = found.states[n], found.actions[n]
    moves = mdp.P[s[:-1], a[:-1], s[1:]].prod()
    assert found.p[n] == pytest.approx(mdp.rho[s[0]] * pi[s, a].prod() * moves, rel=1e-12)
    assert found.R[n] == pytest.approx(0.8 ** np.arange(5) @ mdp.r[s, a], rel=1e-12)


def test_trajectories_have_the_return_of_so_many_steps():
    mdp, _, pi = small()
    V = np.zeros(2)
    for _ in range(5):
        V = tb.operators.policy_value(mdp.r + 0.8 * mdp.expect(V), pi)
    assert trajectories(mdp, pi, 5).mean == pytest.approx(mdp.rho @ V, rel=1e-12)


def test_posterior_attains_the_evidence_and_any_other_distribution_is_below():
    rng = np.random.default_rng(1)
    for i in range(20):
        mdp, _, pi = small(i)
        found = trajectories(mdp, pi, 5)
        evidence = np.log(found.mean)
        assert found.bound(found.posterior) == pytest.approx(evidence, abs=1e-13)
        for scale in (1e-3, 1.0):
            other = found.posterior * np.exp(scale * rng.normal(size=len(found.p)))
            assert found.bound(other / other.sum()) < evidence
        assert found.bound(found.p) <= evidence


def test_posterior_changes_the_policy_and_remembers_the_past():
    """It is no model: actions get other probabilities, and the next state depends on what was collected before."""
    mdp, _, _ = small(2)
    mdp = tb.make_mdp(0.8 * mdp.P + 0.1, [[1.0, 10.0], [0.1, 1.0]], gamma=0.8)
    found = trajectories(mdp, np.full((2, 2), 0.5), 3)
    q = found.posterior
    assert q[found.actions[:, 0] == 1].sum() > 0.55
    s, a = found.states, found.actions
    last = {}
    for first in ((0, 1), (1, 0)):
        here = (s[:, 0] == first[0]) & (a[:, 0] == first[1]) & (s[:, 1] == 0) & (a[:, 1] == 0)
        last[first] = q[here & (s[:, 2] == 0)].sum() / q[here].sum()
    assert abs(last[0, 1] - last[1, 0]) > 1e-3


def test_trajectories_leave_out_the_impossible():
    mdp = tb.make_mdp([[[0.0, 1.0]], [[1.0, 0.0]]], [[1.0], [2.0]], gamma=0.5, rho=[1, 0])
    found = trajectories(mdp, np.array([0, 0]), 3)
    np.testing.assert_array_equal(found.states, [[0, 1, 0]])
    assert found.R[0] == 1 + 1 + 0.25


def test_trajectories_refuse_too_many_and_rewards_without_logarithm():
    mdp, _, pi = small()
    with pytest.raises(ValueError, match=r"steps = 11 makes up to 4\^11 trajectories"):
        trajectories(mdp, pi, 11)
    with pytest.raises(ValueError, match="steps = 0"):
        trajectories(mdp, pi, 0)
    with pytest.raises(ValueError, match=r"r\[0, 0\] = -0.45"):
        trajectories(tb.worlds.two_state(), np.full((2, 2), 0.5), 2)
    with pytest.raises(ValueError, match="q has shape"):
        trajectories(mdp, pi, 2).bound(np.ones(3))
