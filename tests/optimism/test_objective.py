"""Objectives of MnM and VMBPO: what they are worth in a model, as bounds and by hand."""

import numpy as np
import pytest
from scipy.special import rel_entr

import tabular as tb
from tabular.optimism import Objective, divergence, in_model, mnm, mnm_eq5, vmbpo
from tests.optimism.instances import case


def worth(mdp, objective, q, pi):
    return tb.evaluate(in_model(mdp, objective, q), pi).V


def rollout(mdp, q, pi, steps=400):
    """Discounted `log r` and KL along the model, summed step by step: an independent route to the objectives."""
    chain = np.einsum("sa,sat->st", pi, q)
    KL = rel_entr(q, mdp.P).sum(-1)
    here, reward, price = np.eye(mdp.S), 0.0, 0.0
    for t in range(steps):
        reward += mdp.gamma**t * here @ (pi * np.log(mdp.r)).sum(1)
        price += mdp.gamma**t * here @ (pi * KL).sum(1)
        here = here @ chain
    return reward, price


def test_mnm_is_eq_2_summed_step_by_step():
    mdp, q, pi = case(0, gamma=0.9)
    reward, price = rollout(mdp, q, pi)
    for weight in (1.0, 0.9):
        expected = 0.1 * reward - np.log(0.1) - weight * price
        np.testing.assert_allclose(worth(mdp, mnm(mdp, weight=weight), q, pi), expected, atol=1e-10)


def test_mnm_eq5_is_log_r_less_the_divergence():
    mdp, q, pi = case(0, gamma=0.9)
    reward, price = rollout(mdp, q, pi)
    np.testing.assert_allclose(worth(mdp, mnm_eq5(mdp), q, pi), reward - price, atol=1e-10)


def test_mnm_eq5_is_a_bound_up_to_reward_1_and_none_above():
    """r <= 1: `sum gamma^t log r <= log sum gamma^t r`. A constant reward 2 gives 10 log 2 > log 20."""
    for i in range(50):
        mdp, q, pi = case(i, gamma=0.9)
        mdp = tb.with_changes(mdp, r=mdp.r / mdp.r.max())
        assert (worth(mdp, mnm_eq5(mdp), q, pi) <= np.log(tb.evaluate(mdp, pi).V)).all()
    mdp, _, pi = case(0, gamma=0.9)
    mdp = tb.with_changes(mdp, r=np.full(mdp.r.shape, 2.0))
    np.testing.assert_allclose(worth(mdp, mnm_eq5(mdp), mdp.P, pi), 10 * np.log(2))
    assert 10 * np.log(2) > np.log(20)


def test_mnm_is_tight_for_constant_rewards_and_the_true_model():
    mdp, _, pi = case(3, gamma=0.9)
    mdp = tb.with_changes(mdp, r=np.full(mdp.r.shape, 7.0))
    np.testing.assert_allclose(worth(mdp, mnm(mdp), mdp.P, pi), np.log(70), atol=1e-12)


def test_mnm_moves_with_the_scale_of_rewards_as_the_return_does():
    mdp, q, pi = case(4)
    scaled = tb.with_changes(mdp, r=1000 * mdp.r)
    difference = worth(scaled, mnm(scaled), q, pi) - worth(mdp, mnm(mdp), q, pi)
    np.testing.assert_allclose(difference, np.log(1000), atol=1e-9)


def test_mnm_constant_is_the_same_in_every_state():
    mdp, q, pi = case(1, gamma=0.8)
    difference = worth(mdp, mnm(mdp), q, pi) - worth(mdp, mnm(mdp, constant=False), q, pi)
    np.testing.assert_allclose(difference, -np.log(0.2), atol=1e-12)


def test_vmbpo_at_the_true_model_is_the_return():
    mdp, q, pi = case(2)
    np.testing.assert_allclose(worth(mdp, vmbpo(mdp, eta=0.3), mdp.P, pi), tb.evaluate(mdp, pi).V, rtol=1e-12)
    free = worth(mdp, Objective(mdp.r, 0.0), q, pi)
    assert (worth(mdp, vmbpo(mdp), q, pi) < free).all()


def test_vmbpo_at_an_arbitrary_model_is_no_upper_bound():
    mdp, q, pi = case(2)
    q = np.full((mdp.S, mdp.A, mdp.S), 0.001 / (mdp.S - 1))
    q[:, :, tb.evaluate(mdp, pi).V.argmin()] = 0.999
    assert (worth(mdp, vmbpo(mdp), q, pi) < tb.evaluate(mdp, pi).V).all()


def test_divergence_of_a_known_pair():
    mdp = tb.make_mdp([[[0.5, 0.5]], [[0.0, 1.0]]], [[1.0], [1.0]], gamma=0.5)
    q = np.array([[[1.0, 0.0]], [[0.0, 1.0]]])
    np.testing.assert_allclose(divergence(mdp, q), [[np.log(2)], [0.0]])
    np.testing.assert_allclose(divergence(mdp, q, clip=0.1), [[0.1], [0.0]])


def test_in_model_keeps_infeasible_actions():
    mdp = tb.make_mdp([[[0.5, 0.5], [0, 0]], [[0, 1], [1, 0]]], [[1.0, -np.inf], [2.0, 1.0]], gamma=0.5)
    model = in_model(mdp, mnm(mdp), mdp.P)
    np.testing.assert_array_equal(model.feasible, mdp.feasible)
    assert np.isfinite(tb.solve(model).V).all()


# refusals


def test_mnm_refuses_rewards_without_logarithm_and_takes_a_floor():
    mdp = tb.worlds.two_state()
    with pytest.raises(ValueError, match=r"r\[0, 0\] = -0.45, expected a positive reward"):
        mnm(mdp)
    assert np.isfinite(mnm(mdp, floor=1e-3).reward).all()


def test_mnm_refuses_gamma_1_and_ending_episodes():
    with pytest.raises(ValueError, match="gamma = 1, expected less"):
        mnm(tb.make_mdp([[[0.5, 0.0]], [[0.0, 0.0]]], [[1.0], [1.0]], gamma=1.0, terminating=True))
    with pytest.raises(ValueError, match="an episode can end after state 0, action 0"):
        mnm(tb.make_mdp([[[0.5]]], [[1.0]], gamma=0.9, terminating=True))


@pytest.mark.parametrize("weight", [0, -1.0, np.inf, np.nan])
def test_objectives_refuse_prices_that_are_not_positive(weight):
    mdp, _, _ = case(0)
    with pytest.raises(ValueError, match=r"weight = .*expected a positive number"):
        mnm(mdp, weight=weight)
    with pytest.raises(ValueError, match=r"eta = .*expected a positive number"):
        vmbpo(mdp, eta=weight)


def test_in_model_refuses_models_that_are_none():
    mdp = tb.make_mdp([[[1.0, 0.0]], [[0.5, 0.5]]], [[1.0], [1.0]], gamma=0.5)
    with pytest.raises(ValueError, match=r"q\[0, 0, 1\] = 0.5 where p is 0.*1 of 2 rows.*clip"):
        in_model(mdp, mnm(mdp), np.full((2, 1, 2), 0.5))
    assert tb.solve(in_model(mdp, mnm(mdp), np.full((2, 1, 2), 0.5), clip=5.0)).converged
    with pytest.raises(ValueError, match=r"clip = 0, expected a positive number"):
        in_model(mdp, mnm(mdp), mdp.P, clip=0)
    with pytest.raises(ValueError, match=r"q has shape \(2, 2\), expected \(2, 1, 2\)"):
        in_model(mdp, mnm(mdp), np.eye(2))
    with pytest.raises(ValueError, match=r"q\[1, 0\] sums to 0.9"):
        in_model(mdp, mnm(mdp), [[[1.0, 0.0]], [[0.5, 0.4]]])
    with pytest.raises(ValueError, match=r"q\[1, 0, 1\] = -0.5"):
        in_model(mdp, mnm(mdp), [[[1.0, 0.0]], [[1.5, -0.5]]])
