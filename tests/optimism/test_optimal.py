"""Exact optima of the objectives: published numbers, brute force, and a slower iteration in more digits."""

from itertools import product

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import softmax

import tabular as tb
from tabular.optimism import in_model, mnm, mnm_eq5, optimum, vmbpo
from tabular.optimism.optimal import log_mean_exp
from tabular.probability import tilt
from tabular.worlds.papers import maze10, risk3
from tests.optimism.instances import case, reference, unit_cases

REWARDS = {"3b": (1.0, 10.0), "2a left": (0.001, 10.0), "2a right": (1e-5, 1e9)}
AT_START = {"3b": (2.3405124, 2.3412156), "2a left": (-4.3766665, -4.3653793), "2a right": (-7.6349268, -7.5404927)}

OBJECTIVES = {
    "mnm": mnm,
    "mnm-gamma": lambda mdp: mnm(mdp, weight=mdp.gamma),
    "mnm-eq5": mnm_eq5,
    "vmbpo": vmbpo,
}


def sweeps(mdp, objective, pi=None, count=4000):
    """Plain iteration of V = TV in extended precision."""
    P, c, w = mdp.P.astype(np.longdouble), objective.reward.astype(np.longdouble), objective.weight
    V = np.zeros(mdp.S, dtype=np.longdouble)
    for _ in range(count):
        x = mdp.gamma * V / w
        Q = c + w * (x.max() + np.log((P * np.exp(x - x.max())).sum(-1)))
        V = Q.max(1) if pi is None else (pi * Q).sum(1)
    return V


@pytest.mark.parametrize("rewards", REWARDS)
def test_optimum_has_the_published_values_of_the_maze(rewards):
    low, high = REWARDS[rewards]
    mdp = maze10(reward=low, goal_reward=high)
    found = [optimum(mdp, mnm(mdp, weight=weight)).J for weight in (1.0, 0.9)]
    np.testing.assert_allclose(found, AT_START[rewards], atol=6e-8)


def test_optimum_has_the_reference_values():
    known = reference()["mnm_exact_bounds"]
    mdp = maze10(reward=1.0, goal_reward=10.0)
    for weight, name in ((1.0, "paper"), (0.9, "gamma")):
        found = optimum(mdp, mnm(mdp, weight=weight))
        assert found.J == pytest.approx(known[name]["bound_start"], abs=6e-8)
        assert np.log(tb.evaluate(mdp, found.pi).J) == pytest.approx(known[name]["true_log_return"], abs=6e-8)


def test_optimum_has_the_reference_values_of_random_mdps():
    for mdp, _, _, known in unit_cases():
        for weight, name in ((1.0, "opt_V_paper"), (mdp.gamma, "opt_V_gammaKL")):
            np.testing.assert_allclose(optimum(mdp, mnm(mdp, weight=weight)).V, known[name], rtol=1e-8)
        risky = tb.with_changes(mdp, r=np.log(mdp.r))
        np.testing.assert_allclose(optimum(risky, vmbpo(risky)).V, known["vmbpo_V_on_R"], rtol=1e-8)


def test_optimum_of_the_risk_mdp():
    """Figure 3a: MnM goes left, VMBPO right, and each knows what it believes to earn."""
    mdp = risk3()
    safe, risky = optimum(mdp, mnm(mdp)), optimum(mdp, vmbpo(mdp))
    np.testing.assert_allclose(safe.V, [6.214608, 5.823406, 5.899191], atol=5e-7)
    np.testing.assert_allclose(risky.V, [500, 453.761675, 503.068528], atol=5e-7)
    assert safe.pi[1].argmax() == 3 and risky.pi[1].argmax() == 1
    assert tb.evaluate(mdp, safe.pi).J == pytest.approx(451)
    assert tb.evaluate(mdp, risky.pi).J == pytest.approx(320.3448275862069)


def test_optimum_of_the_bound_need_not_have_an_optimal_policy():
    """A loop of rewards .01 and 3 returns 271/19 and a steady 1 returns 10; the bound prefers the steady 1."""
    P = np.eye(3)[[[1, 2], [0, 0], [2, 2]]]
    mdp = tb.make_mdp(P, [[0.01, 0.01], [3.0, 3.0], [1.0, 1.0]], gamma=0.9, rho=[1, 0, 0])
    looping, steady = tb.evaluate(mdp, np.array([0, 0, 0])).V[0], tb.evaluate(mdp, np.array([1, 0, 0])).V[2]
    assert looping == pytest.approx(271 / 19) and steady == pytest.approx(10)
    bounds = optimum(mdp, mnm(mdp)).V
    assert bounds[2] == pytest.approx(np.log(10))
    assert optimum(mdp, mnm(mdp), pi=np.array([0, 0, 0])).V[0] == pytest.approx(0.40, abs=5e-3)


def test_optimum_policy_in_the_maze_of_figure_2a_is_suboptimal_in_three_states():
    mdp = maze10(reward=1e-5, goal_reward=1e9)
    found, best = optimum(mdp, mnm(mdp)), tb.solve(mdp)
    at_start = np.log([tb.evaluate(mdp, found.pi).J, best.J])
    np.testing.assert_allclose(at_start, [18.73273, 18.74106], atol=6e-6)
    chosen = best.Q[np.arange(mdp.S), found.pi.argmax(1)]
    assert (chosen < best.V * (1 - 1e-9)).sum() == 3


@pytest.mark.parametrize("make", OBJECTIVES.values(), ids=OBJECTIVES)
def test_optimum_is_within_its_certified_error_of_extended_precision(make):
    for i in range(16):
        mdp, _, pi = case(i, gamma=(0.1, 0.5, 0.8, 0.95)[i % 4])
        objective = make(mdp)
        for fixed in (None, pi):
            found = optimum(mdp, objective, pi=fixed)
            off = abs(found.V - sweeps(mdp, objective, fixed, count=800)).max()
            assert off <= found.error <= found.tol and found.converged


def policy_of(logits, mdp, actions):
    """Models of a two-state MDP: a logit for the row of each state's action, other rows as they are."""
    q = mdp.P.copy()
    q[np.arange(2), actions] = softmax(np.stack([logits, np.zeros(2)], axis=1), axis=1)
    return q


@pytest.mark.parametrize("make", OBJECTIVES.values(), ids=OBJECTIVES)
@pytest.mark.parametrize("i", range(3))
def test_optimum_is_that_of_brute_force_over_models_and_policies(make, i):
    """Two states: for each of the four policies the model is searched for by quasi-Newton steps over its logits."""
    mdp, _, _ = case(100 + i, S=2, A=2, gamma=0.7)
    P = 0.9 * mdp.P + 0.05
    mdp = tb.make_mdp(P, np.clip(mdp.r, 0.1, 3), gamma=0.7, rho=[0.4, 0.6])
    objective = make(mdp)
    best = -np.inf
    for actions in product(range(2), repeat=2):

        def loss(logits, actions=actions):
            return -tb.evaluate(in_model(mdp, objective, policy_of(logits, mdp, actions)), np.array(actions)).J

        best = max(best, -minimize(loss, np.zeros(2), method="BFGS", options={"gtol": 1e-7}).fun)
    assert optimum(mdp, objective).J == pytest.approx(best, abs=1e-9)


def test_optimum_of_eq_2_has_the_model_p_exp_gamma_V_and_not_that_of_eq_9():
    """Theirs, p exp V, is the best of the bound whose divergence weighs gamma."""
    for i in range(30):
        mdp, _, pi = case(i, gamma=0.9)
        plain, weighted = (optimum(mdp, mnm(mdp, weight=weight), pi=pi) for weight in (1.0, 0.9))
        np.testing.assert_allclose(plain.q, tilt(mdp.P, 0.9 * plain.V), atol=1e-9)
        np.testing.assert_allclose(weighted.q, tilt(mdp.P, weighted.V), atol=1e-9)
        published = tb.evaluate(in_model(mdp, mnm(mdp), tilt(mdp.P, plain.V)), pi).V
        assert (published <= plain.V + 1e-9).all()
        if np.ptp(plain.V) > 0.1 and float(mdp.P.max()) < 1 - 1e-6:
            assert published.min() < plain.V.min() - 1e-9


def test_optimum_is_attained_by_its_model_and_beaten_by_none():
    for i in range(30):
        mdp, q, pi = case(i)
        for objective in (mnm(mdp), vmbpo(mdp)):
            found = optimum(mdp, objective, pi=pi)
            scale = 1e-9 * (1 + abs(found.V).max()) / (1 - mdp.gamma)
            attained = tb.evaluate(in_model(mdp, objective, found.q), pi).V
            np.testing.assert_allclose(attained, found.V, atol=scale, rtol=0)
            assert (tb.evaluate(in_model(mdp, objective, q), pi).V <= found.V + scale).all()
            assert (optimum(mdp, objective).V >= found.V - scale).all()


def test_optimum_of_vmbpo_is_an_upper_bound_on_the_return():
    mdp = maze10(reward=1.0, goal_reward=10.0)
    found = optimum(mdp, vmbpo(mdp))
    assert found.J == pytest.approx(17.00117, abs=5e-6)
    assert tb.solve(mdp).J == pytest.approx(11.23988, abs=5e-6)
    assert tb.evaluate(mdp, found.pi).J == pytest.approx(11.2207, abs=5e-5)


def test_optimum_of_vmbpo_nears_the_return_as_eta_goes_to_0():
    """(1 / eta) log E exp(eta X) = E X + O(eta)."""
    mdp = risk3()
    truth = tb.solve(mdp).V
    gaps = [abs(optimum(mdp, vmbpo(mdp, eta=eta)).V - truth).max() for eta in (1e-3, 1e-4, 1e-5)]
    assert gaps[0] > gaps[1] > gaps[2] and gaps[2] < 0.02


def test_optimum_of_vmbpo_is_the_risk_sensitive_recursion():
    """U_k = log E exp(eta gamma^k r + U_{k+1}): certain steps, then a coin for 0 or 1.9."""
    P = np.array([[[0, 0.5, 0.5, 0]], [[0, 0, 0, 1]], [[0, 0, 0, 1]], [[0, 0, 0, 1.0]]])
    mdp = tb.make_mdp(P, [[0.3], [0.0], [1.9], [0.0]], gamma=0.8, rho=[1, 0, 0, 0])
    for eta in (0.1, 1.0, 10.0):
        expected = 0.3 + np.log(0.5 + 0.5 * np.exp(eta * 0.8 * 1.9)) / eta
        assert optimum(mdp, vmbpo(mdp, eta=eta)).J == pytest.approx(expected, abs=1e-10)


def test_optimum_takes_sparse_mdps_and_infeasible_actions():
    mdp, _, _ = case(7, S=6, A=3, gamma=0.9)
    r = mdp.r.copy()
    r[2, 1] = -np.inf
    dense = tb.with_changes(mdp, r=r)
    found, again = (optimum(each, mnm(dense)) for each in (dense, dense.to_sparse()))
    np.testing.assert_allclose(found.V, again.V, atol=1e-12)
    assert found.Q[2, 1] == -np.inf and (found.q[2, 1] == 0).all() and found.pi[2, 1] == 0


def test_optimum_says_when_the_tolerance_cannot_be_had():
    mdp, _, _ = case(0, gamma=0.99)
    with pytest.raises(tb.NotConverged, match="above tol = 1e-20") as raised:
        optimum(mdp, mnm(mdp), tol=1e-20)
    assert raised.value.result.error < 1e-9
    with pytest.raises(ValueError, match="tol"):
        optimum(mdp, mnm(mdp), tol=-1.0)


def test_log_mean_exp_overflows_nowhere():
    p = np.array([[0.5, 0.5, 0.0], [0.0, 0.0, 0.0]])
    np.testing.assert_allclose(log_mean_exp(p, np.array([1000.0, 1000.0, 5000.0])), [1000.0, -np.inf])
