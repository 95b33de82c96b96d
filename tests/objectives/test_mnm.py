"""Mismatched no more: a lower bound, published values, and the exact optimum that a fit without bounds must reach."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp

import tabular as tb
from tabular.device import policy_v, to_device
from tabular.fitting import fit
from tabular.mdp import MDP, make_mdp
from tabular.models import SoftmaxTable, Theta, softmax_table
from tabular.objectives.mnm import mnm
from tabular.worlds.papers import maze10, two_state
from tests.instances import random_mdp

UNITS = json.loads((Path(__file__).parents[1] / "reference/tabular_figures.json").read_text())["unit_mdps"]
TABLE = softmax_table(alpha=1.0, learns_reward=False, on_support=True)


def positive(unit):
    """The case of the reference file on which the bounds were computed: reward exp(R)."""
    return make_mdp(unit["P"], np.exp(unit["R"]), gamma=unit["gamma"], rho=unit["rho"])


@pytest.mark.parametrize("unit", UNITS)
def test_imagined_return_is_the_published_bound(unit):
    """Both bounds of a stored policy and model, by an independent implementation; inputs are rounded to 10 digits."""
    true, case, pi = to_device(positive(unit)), unit["bound_case"], jnp.asarray(unit["bound_case"]["policy"])
    q = MDP(jax.nn.softmax(jnp.asarray(unit["model_logits"])), true.r, true.gamma, true.rho)
    rounding = 1e-10 * float((q.P / true.P).max()) / (1 - true.gamma)
    for weight, name in ((1.0, "simple_bound_paper"), (unit["gamma"], "simple_bound_gammaKL")):
        found = policy_v(mnm(kl_weight=weight).imagined(true, q), pi)
        np.testing.assert_allclose(found, case[name], atol=rounding)
        assert 100 * rounding < abs(np.subtract(case["simple_bound_paper"], case["simple_bound_gammaKL"])).min()


@pytest.mark.parametrize("i", range(20))
def test_imagined_return_is_below_the_log_of_the_true_return(i):
    """For any model and policy, at both weights; the smaller weight is the tighter bound."""
    rng = np.random.default_rng([42, i])
    host = random_mdp(42, i, S=(2, 5, 8)[i % 3], A=3)
    host = tb.with_changes(host, r=rng.gamma(0.5, size=host.r.shape) + 1e-3)
    q = host.P * rng.gamma(0.5, size=host.P.shape) + 1e-3 * host.P
    model = MDP(q / q.sum(-1, keepdims=True), host.r, host.gamma, host.rho)
    pi = rng.dirichlet(np.ones(host.A), size=host.S)

    def returned(weight):
        imagined = mnm(kl_weight=weight).imagined(to_device(host), to_device(model))
        return tb.evaluate(
            make_mdp(np.asarray(imagined.P), np.asarray(imagined.r), gamma=host.gamma, rho=host.rho), pi
        ).J

    slack = 1e-10 / (1 - host.gamma)
    assert returned(1.0) <= returned(host.gamma) + slack
    assert returned(host.gamma) <= np.log(tb.evaluate(host, pi).J) + slack


# the optimum


def contraction(true, w: float, alpha: float = 0.0) -> np.ndarray:
    """`V = max_a [c + w log E_p exp(gamma V / w)]` by plain iteration; with alpha, the soft maximum."""
    gamma, V = true.gamma, np.zeros(true.S)
    for _ in range(int(30 / (1 - gamma))):
        Q = (1 - gamma) * np.log(true.r / (1 - gamma)) + w * np.asarray(logsumexp(gamma * V / w, b=true.P, axis=-1))
        V = Q.max(1) if alpha == 0 else alpha * np.asarray(logsumexp(Q / alpha, axis=1))
    return V


SHIFTED = tb.with_changes(two_state(), r=two_state().r + 1)


@pytest.mark.parametrize("weight", [1.0, 0.9])
def test_fit_reaches_the_optimum_of_the_contraction(weight):
    found = fit(SHIFTED, mnm(0.001, kl_weight=weight), TABLE, seeds=(1, 2), lr=0.05, steps=1000)
    V = contraction(SHIFTED, weight)
    np.testing.assert_allclose(-found.history.loss[0, :, -1], SHIFTED.rho @ V, atol=1e-8)
    best = SHIFTED.P * np.exp(0.9 * V / weight)
    best /= best.sum(-1, keepdims=True)
    np.testing.assert_allclose(found.P_hat[0, :, [0, 1], [0, 0]], best[:, None, 0].repeat(2, 1), atol=1e-5)
    assert (found.pi[0, :, :, 0] > 0.99).all()


@pytest.mark.slow
@pytest.mark.parametrize(("weight", "name"), [(None, "opt_V_gammaKL"), (1.0, "opt_V_paper")])
def test_fit_reaches_the_published_optimum_unless_alpha_is_small(weight, name):
    """At a small alpha the rows of actions that aren't taken have no slope, and the fit ends at another policy."""
    unit = UNITS[0]
    host, weight = positive(unit), unit["gamma"] if weight is None else weight
    np.testing.assert_allclose(contraction(host, weight), unit["bound_case"][name], rtol=1e-9)
    for alpha in (0.1, 0.3):
        found = fit(host, mnm(alpha, kl_weight=weight), TABLE, seeds=(1, 2), lr=0.05, steps=4000)
        soft = host.rho @ contraction(host, weight, alpha)
        np.testing.assert_allclose(-found.history.loss[0, :, -1], soft, atol=1e-4)
        assert 0 < soft - host.rho @ unit["bound_case"][name] < alpha * np.log(host.A) / (1 - host.gamma)
    stuck = fit(host, mnm(0.002, kl_weight=weight), TABLE, seeds=(1, 2), lr=0.05, steps=4000)
    assert stuck.converged.all()
    assert (-stuck.history.loss[0, :, -1] < host.rho @ unit["bound_case"][name] - 0.7).all()


def test_optimum_is_that_of_brute_force():
    """2 states: every deterministic policy, and for it a grid over both rows of q that matter."""
    P, c = SHIFTED.P, 0.1 * np.log(SHIFTED.r / 0.1)
    grid = np.linspace(0.001, 0.999, 999)
    x, y = np.meshgrid(grid, grid, indexing="ij")  # q(s0 | s0), q(s0 | s1)

    def divergence(q, p):
        return q * np.log(q / p[0]) + (1 - q) * np.log((1 - q) / p[1])

    for weight in (1.0, 0.9):
        best = -np.inf
        for a, b in np.ndindex(2, 2):
            first, second = c[0, a] - weight * divergence(x, P[0, a]), c[1, b] - weight * divergence(y, P[1, b])
            determinant = (1 - 0.9 * x) * (1 - 0.9 * (1 - y)) - 0.81 * (1 - x) * y
            V0 = ((1 - 0.9 * (1 - y)) * first + 0.9 * (1 - x) * second) / determinant
            V1 = ((1 - 0.9 * x) * second + 0.9 * y * first) / determinant
            best = max(best, (0.5 * V0 + 0.5 * V1).max())
        exact = SHIFTED.rho @ contraction(SHIFTED, weight)
        assert exact - 1e-5 < best <= exact + 1e-12


@pytest.mark.parametrize(("reward", "goal", "expected"), [(1.0, 10.0, 2.3405124), (1e-3, 10.0, -4.3766665)])
def test_imagined_mdp_of_the_best_model_has_the_published_value(reward, goal, expected):
    """The maze of Figures 3b and 2a: the value of q* is the optimum at the start, L*, whatever policy is best in it."""
    true = maze10(reward=reward, goal_reward=goal)
    V = contraction(true, 1.0)
    assert true.rho @ V == pytest.approx(expected, abs=1e-6)
    q = true.P * np.exp(0.9 * V)
    best = MDP(q / q.sum(-1, keepdims=True), true.r, true.gamma, true.rho)
    imagined = mnm().imagined(to_device(true), to_device(best))
    P, r = np.asarray(imagined.P), np.asarray(imagined.r)
    assert tb.solve(make_mdp(P, r, gamma=0.9, rho=true.rho)).J == pytest.approx(expected, abs=1e-6)


# refusals


@pytest.mark.parametrize(("wrong", "shown"), [(0.0, "0"), (-0.45, "-0.45")])
def test_fit_refuses_rewards_without_a_logarithm(wrong, shown):
    r = np.array([[1.0, 2.0], [wrong, 3.0]])
    true = tb.with_changes(two_state(), r=r)
    message = rf"r\[1, 0\] = {shown}, expected a positive reward .* 1 of 4 entries .*Shift the rewards"
    with pytest.raises(ValueError, match=message):
        fit(true, mnm(), TABLE, seeds=1)


def test_fit_refuses_episodes_that_end():
    P = np.array([[[0.3, 0.2]], [[0, 1.0]]])
    true = make_mdp(P, [[1.0], [2.0]], gamma=0.9, terminating=True)
    with pytest.raises(ValueError, match=r"episode can end after state 0, action 0.*Lead it to a state"):
        fit(true, mnm(), TABLE, seeds=1)


def test_check_looks_past_infeasible_actions():
    P = np.array([[[0.3, 0.7], [0, 0]], [[0.5, 0.5], [0.2, 0.8]]])
    true = make_mdp(P, [[1.0, -np.inf], [0.1, 0.5]], gamma=0.9)
    device, table = to_device(true), SoftmaxTable(learns_reward=False)
    mnm().check(true, table.mdp(device, Theta(jnp.zeros((2, 2, 2)), None)))
