"""VMBPO: published values, the exact optimum that a fit without bounds must reach, and its taste for risk."""

import json
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp

import tabular as tb
from tabular.device import to_device
from tabular.fitting import fit
from tabular.mdp import MDP, make_mdp
from tabular.models import softmax_table
from tabular.objectives.vmbpo import vmbpo
from tabular.worlds.papers import risk3, two_state

UNITS = json.loads((Path(__file__).parents[1] / "reference/tabular_figures.json").read_text())["unit_mdps"]
RIGHT, LEFT = 1, 3
TABLE = softmax_table(alpha=1.0, learns_reward=False, on_support=True)


def contraction(true, eta: float, alpha: float = 0.0) -> np.ndarray:
    """`V = max_a [r + (1 / eta) log E_p exp(eta gamma V)]` by plain iteration; with alpha, the soft maximum."""
    V = np.zeros(true.S)
    for _ in range(int(30 / (1 - true.gamma))):
        Q = true.r + np.asarray(logsumexp(eta * true.gamma * V, b=true.P, axis=-1)) / eta
        V = Q.max(1) if alpha == 0 else alpha * np.asarray(logsumexp(Q / alpha, axis=1))
    return V


@pytest.mark.parametrize("eta", [1.0, 2.0])
def test_fit_reaches_the_optimum_of_the_contraction(eta):
    true = two_state()
    found = fit(true, vmbpo(0.001, eta=eta), TABLE, seeds=(1, 2), lr=0.05, steps=1000)
    np.testing.assert_allclose(-found.history.loss[0, :, -1], true.rho @ contraction(true, eta), atol=1e-8)
    assert true.rho @ contraction(true, eta) > tb.solve(true).J + 0.1


@pytest.mark.slow
@pytest.mark.parametrize("unit", UNITS)
def test_fit_reaches_the_published_optimum_of_random_mdps(unit):
    """Published are the values at temperature 0; the soft maximum is exact at any."""
    true = make_mdp(unit["P"], unit["R"], gamma=unit["gamma"], rho=unit["rho"])
    np.testing.assert_allclose(contraction(true, 1.0), unit["bound_case"]["vmbpo_V_on_R"], rtol=1e-8)
    found = fit(true, vmbpo(0.3), TABLE, seeds=(1, 2), lr=0.05, steps=4000)
    np.testing.assert_allclose(-found.history.loss[0, :, -1], true.rho @ contraction(true, 1.0, 0.3), atol=1e-4)


@pytest.mark.parametrize(("eta", "action"), [(1.0, RIGHT), (1e-4, LEFT)])
def test_agent_seeks_risk_unless_eta_is_small(eta, action):
    """Figure 3a of Eysenbach et al. 2021: wind pays, since the model may hope for none. Both optima are exact."""
    true = risk3()
    V = contraction(true, eta)
    if eta == 1:
        np.testing.assert_allclose(V, [500, 453.761675, 503.068528], atol=1e-6)
    q = true.P * np.exp(eta * 0.9 * (V - V.max()))
    best = MDP(q / q.sum(-1, keepdims=True), true.r, true.gamma, true.rho)
    imagined = vmbpo(eta=eta).imagined(to_device(true), to_device(best))
    found = tb.solve(make_mdp(np.asarray(imagined.P), np.asarray(imagined.r), gamma=0.9, rho=true.rho))
    np.testing.assert_allclose(found.V, V, rtol=1e-9)
    assert found.Q[1].argmax() == action


def test_reward_is_the_true_one_less_the_divergence_by_eta():
    """A row made by hand: q = (3/4, 1/4) for p = (1/2, 1/2)."""
    true = to_device(make_mdp([[[0.5, 0.5]], [[0, 1.0]]], [[-1.0], [2.0]], gamma=0.5))
    q = MDP(true.P.at[0, 0].set(jnp.asarray([0.75, 0.25])), true.r, true.gamma, true.rho)
    divergence = 0.75 * np.log(1.5) + 0.25 * np.log(0.5)
    np.testing.assert_allclose(vmbpo(eta=4.0).imagined(true, q).r, [[-1 - divergence / 4], [2]], rtol=1e-14)


def test_check_lets_negative_rewards_pass():
    vmbpo().check(two_state(), to_device(two_state()))
