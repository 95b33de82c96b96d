"""Bounds on the cost of a model's errors: they hold on random pairs, and are attained where they are sharp."""

import numpy as np
import pytest

import tabular as tb
from tabular import mismatch as mm
from tabular.probability import kl_rows
from tests.instances import random_mdp

ALPHAS = (None, 0.01, 1.0)


def random_pair(seed: int, i: int, **shape):
    """A random MDP and a model of it: a mixture with another one, of weight 10^U(-3, 0)."""
    true = random_mdp(seed, i, **shape)
    other = random_mdp(seed, i + 10**6, S=true.S, A=true.A, gamma=true.gamma)
    weight = 10 ** np.random.default_rng([seed, i]).uniform(-3, 0)
    P, r = (1 - weight) * true.P + weight * other.P, (1 - weight) * true.r + weight * other.r
    return true, tb.make_mdp(P, r, gamma=true.gamma)


def with_ends_and_gaps(seed: int, i: int):
    """A pair in which episodes can end, at different rates, and some actions are infeasible."""
    rng = np.random.default_rng([seed, i])
    true, model = random_pair(seed, i, S=4, A=3, gamma=0.9)
    gap = rng.random((4, 3)) < 0.3
    gap[:, 0] = False
    keep = [1 - 0.3 * rng.random((4, 3, 1)) * (rng.random((4, 3, 1)) < 0.5) for _ in range(2)]
    return tuple(
        tb.make_mdp(mdp.P * left, np.where(gap, -np.inf, mdp.r), gamma=0.9, terminating=True)
        for mdp, left in zip((true, model), keep, strict=True)
    )


def leak(high: float, low: float, rate: float, gamma: float):
    """Two absorbing states that pay `high` and `low`, and one that pays `high` and leads to the first at a rate.

    In the model it leads to the second. The transition error is 2 `rate`, and the error of the state's value comes
    back with the probability that it is not left.
    """
    P = np.zeros((3, 1, 3))
    P[0, 0, 0] = P[1, 0, 1] = 1
    P_hat = P.copy()
    P[2, 0, [2, 0]] = 1 - rate, rate
    P_hat[2, 0, [2, 1]] = 1 - rate, rate
    r = np.array([[high], [low], [high]])
    return (tb.make_mdp(kernel, r, gamma=gamma) for kernel in (P, P_hat))


@pytest.mark.parametrize("alpha", ALPHAS)
def test_bounds_hold_for_random_models(alpha):
    for i in range(60):
        true, model = random_pair(70, i)
        for bound in (*mm.bounds(true, model, alpha), *mm.policy_bounds(true, model, tb.solve(model).pi)):
            assert bound.holds, (i, bound)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_bounds_hold_with_ends_and_infeasible_actions(alpha):
    for i in range(60):
        true, model = with_ends_and_gaps(71, i)
        for bound in (*mm.bounds(true, model, alpha), *mm.policy_bounds(true, model, tb.solve(model).pi)):
            assert bound.holds, (i, bound)


def test_mismatch_soft_size_counts_the_entropy_of_unequal_numbers_of_actions():
    """One state has two actions, the other one: with equal rewards, soft values still differ by the bonus alpha log 2.

    The model swaps the successors of the first state, and errs although eps_r = 0 and the rewards' range is 0.
    """
    r = np.array([[0.0, 0.0], [0.0, -np.inf]])
    P = np.array([[[1.0, 0], [1, 0]], [[0, 1], [0, 0]]])
    model = P.copy()
    model[0] = [[0, 1], [0, 1]]
    found = mm.mismatch(*(tb.make_mdp(kernel, r, gamma=0.5) for kernel in (P, model)), alpha=2.0)
    assert found.size == pytest.approx(2 * np.log(2), rel=1e-14)
    assert found.q_error == pytest.approx(0.5 * 2 * found.size, rel=1e-12)  # gamma (V - V_hat), V = bonus / (1 - gamma)
    assert found.q_error <= mm.sharp_bound(0.0, found.eps_p, found.joint_size, 0.5) + 1e-12


@pytest.mark.parametrize("gamma", [0.5, 0.9, 0.99])
@pytest.mark.parametrize("rate", [0.01, 0.3, 1.0])
def test_sharp_bound_is_attained_by_the_leak(rate, gamma):
    """V* = R / (1 - gamma); the model loses gamma rate V* once, and gamma (1 - rate) of the loss again in each step."""
    true, model = leak(2.0, 0.0, rate, gamma)
    expected = gamma * rate * 2 / (1 - gamma) / (1 - gamma + gamma * rate)
    found = mm.mismatch(true, model)
    assert found.eps_p == pytest.approx(2 * rate, rel=1e-14)
    assert found.q_error == pytest.approx(expected, rel=1e-10)
    assert mm.sharp_bound(found.eps_r, found.eps_p, found.joint_size, gamma) == pytest.approx(expected, rel=1e-12)
    (_, simulation, _) = mm.policy_bounds(true, model, np.zeros(3, int))
    assert simulation.rhs == pytest.approx(simulation.lhs, rel=1e-10)


def test_sharp_bound_counts_the_end_of_an_episode_as_reward_0():
    """One state that pays 1; in the model the episode may end. The range of its rewards is 0, but an end pays 0."""
    true, model = (tb.make_mdp([[[stay]]], [[1.0]], gamma=0.9, terminating=True) for stay in (1.0, 0.7))
    found = mm.mismatch(true, model)
    assert (found.eps_p, found.size) == (pytest.approx(0.6), 1)
    assert found.q_error == pytest.approx(10 - 1 / (1 - 0.63), rel=1e-12)
    assert mm.sharp_bound(0.0, found.eps_p, found.joint_size, 0.9) == pytest.approx(found.q_error, rel=1e-12)
    simulation = mm.policy_bounds(true, model, np.zeros(1, int))[1]
    assert simulation.rhs == pytest.approx(simulation.lhs, rel=1e-12)


def test_sharp_bound_is_never_above_the_trivial_one_nor_the_likelihood_bound():
    eps_r, eps_p, gamma = np.meshgrid(np.linspace(0, 1, 9), np.linspace(0, 2, 9), np.array([0, 0.5, 0.9, 0.999]))
    sharp = mm.sharp_bound(eps_r, eps_p, 1.0, gamma)
    assert (sharp <= 1 / (1 - gamma) * (1 + 1e-12)).all()
    assert (sharp <= mm.likelihood_bound(eps_r, eps_p, 1.0, gamma) * (1 + 1e-12)).all()
    assert mm.likelihood_bound(0.0, 0.2, 1.0, 0.9) == pytest.approx(9.0)  # the numbers of the theorem's audit
    assert mm.sharp_bound(0.0, 0.2, 1.0, 0.9) == pytest.approx(4.7368, abs=1e-4)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_bellman_bound_is_attained_by_a_constant_added_to_the_reward(alpha):
    true = tb.worlds.two_state()
    model = tb.with_changes(true, r=true.r + 0.25)
    _, above, of_truth, *_ = mm.bounds(true, model, alpha)
    assert above.lhs == pytest.approx(2.5, abs=1e-9)
    assert above.rhs == pytest.approx(2.5, abs=1e-9)
    assert of_truth.rhs == pytest.approx(2.5, abs=1e-9)


def test_bellman_lower_bound_is_attained_by_values_of_opposite_signs():
    """A chain that alternates between two states, with opposite reward errors: the error is eps / (1 + gamma)."""
    P = np.array([[[0.0, 1]], [[1, 0]]])
    true, model = (tb.make_mdp(P, r, gamma=0.9) for r in ([[0.0], [0.0]], [[1.0], [-1.0]]))
    below = mm.bounds(true, model)[0]
    assert below.lhs == pytest.approx(1 / 1.9, rel=1e-12)
    assert below.rhs == pytest.approx(1 / 1.9, rel=1e-12)


def test_paper_bound_fails_with_signed_rewards_where_the_span_holds():
    """The leak with rewards 1 and -1: ratio 2 (1 - gamma) / (1 - gamma + gamma rate), which tends to 2."""
    true, model = leak(1.0, -1.0, 1e-3, 0.9)
    printed = mm.paper_bound(true, model)
    assert not printed.holds
    assert printed.lhs / printed.rhs == pytest.approx(0.2 / 0.1009, rel=1e-9)
    assert all(bound.holds for bound in mm.bounds(true, model))


def test_paper_bound_can_not_fail_on_the_papers_own_mdp():
    """There (1 - gamma) span V* = 0.1727, less than r_max = 0.5."""
    true = tb.worlds.two_state()
    assert 0.1 * np.ptp(tb.solve(true).V) == pytest.approx(0.1727, abs=5e-5)
    assert mm.largest_reward(true.r) == 0.5
    assert mm.reward_span(true.r) == pytest.approx(0.95)


def test_greedy_loss_bound_is_nearly_attained():
    """Q is wrong by c, and prefers by a hair an action that pays 2 c less in every step: a loss of 2 c / (1 - gamma).

    The errors are -c at the better action and c at the worse one, so the model has to promise less for the best.
    """
    c, gamma, hair = 1.0, 0.9, 1e-6
    P = np.ones((1, 2, 1))
    true = tb.make_mdp(P, [[2 * c, hair]], gamma=gamma)
    Q_hat = tb.solve(true).Q + np.array([[-c, c]])
    model = tb.make_mdp(P, Q_hat - gamma * Q_hat.max(), gamma=gamma)
    loss = next(bound for bound in mm.bounds(true, model) if bound.name == "loss <= Q error")
    assert loss.lhs == pytest.approx(2 * c / (1 - gamma), rel=1e-5)
    assert loss.rhs == pytest.approx(2 * c / (1 - gamma), rel=1e-5)


def test_divergence_bound_holds_for_random_rows():
    """Pinsker in the worst row, whose divergence is at most S A times the mean."""
    for i in range(100):
        rng = np.random.default_rng([72, i])
        S, A = rng.integers(2, 6, size=2)
        P, P_hat = rng.dirichlet(np.full(S, 10 ** rng.uniform(-1, 1)), size=(2, S, A))
        P_hat = 0.999 * P_hat + 0.001 / S
        assert mm.transition_error(P, P_hat) <= mm.divergence_bound(kl_rows(P, P_hat).mean(), S, A)


def test_array_forms_agree_with_the_records_for_many_models_at_once():
    true = random_mdp(73, 0, S=4, A=3, gamma=0.9)
    models = [random_mdp(73, i, S=4, A=3, gamma=0.9) for i in range(1, 6)]
    P_hat, r_hat = np.stack([m.to_dense().P for m in models]), np.stack([m.r for m in models])
    V_hat = np.stack([tb.solve(m).V for m in models])
    found = [mm.mismatch(true, m) for m in models]
    np.testing.assert_allclose(mm.reward_error(true.r, r_hat), [f.eps_r for f in found], rtol=1e-14)
    np.testing.assert_allclose(mm.transition_error(true.P, P_hat), [f.eps_p for f in found], rtol=1e-14)
    np.testing.assert_allclose(mm.reward_span(true.r, r_hat), [f.joint_size for f in found], rtol=1e-14)
    eps = mm.backup_error(true.P, true.r, P_hat, r_hat, V_hat, 0.9)
    np.testing.assert_allclose(eps, [f.eps_model for f in found], rtol=1e-14)


def test_array_forms_work_on_jax_arrays_and_batch_with_vmap():
    import jax

    import tabular.device  # noqa: F401  switches JAX to float64

    true = random_mdp(73, 0, S=4, A=3, gamma=0.9)
    models = [random_mdp(73, i, S=4, A=3, gamma=0.9) for i in range(1, 6)]
    P_hat, r_hat = np.stack([m.to_dense().P for m in models]), np.stack([m.r for m in models])
    V = np.stack([tb.solve(m).V for m in models])
    P, r = jax.numpy.array(true.P), jax.numpy.array(true.r)

    def everything(P_hat, r_hat, V):
        eps_r, eps_p = mm.reward_error(r, r_hat), mm.transition_error(P, P_hat)
        bound = mm.likelihood_bound(eps_r, eps_p, mm.reward_span(r), 0.9)
        return bound, mm.sharp_bound(eps_r, eps_p, mm.reward_span(r, r_hat), 0.9), mm.largest_reward(r_hat)

    def backups(P_hat, r_hat, V):
        return mm.bellman_bound(mm.backup_error(P, r, P_hat, r_hat, V, 0.9), 0.9)

    found = jax.jit(jax.vmap(everything))(P_hat, r_hat, V)
    eps_r, eps_p = mm.reward_error(true.r, r_hat), mm.transition_error(true.P, P_hat)
    np.testing.assert_allclose(found[0], mm.likelihood_bound(eps_r, eps_p, mm.reward_span(true.r), 0.9), rtol=1e-14)
    np.testing.assert_allclose(found[1], mm.sharp_bound(eps_r, eps_p, mm.reward_span(true.r, r_hat), 0.9), rtol=1e-14)
    np.testing.assert_allclose(found[2], mm.largest_reward(r_hat), rtol=1e-14)
    expected = mm.bellman_bound(mm.backup_error(true.P, true.r, P_hat, r_hat, V, 0.9), 0.9)
    np.testing.assert_allclose(jax.vmap(backups)(P_hat, r_hat, V), expected, rtol=1e-13)


def test_bounds_agree_for_sparse_storage():
    true, model = with_ends_and_gaps(74, 0)
    dense = mm.bounds(true, model)
    for pair in ((true.to_sparse(), model), (true.to_sparse(), model.to_sparse())):
        for ours, theirs in zip(mm.bounds(*pair), dense, strict=True):
            assert (ours.name, ours.lhs, ours.rhs) == (
                theirs.name,
                pytest.approx(theirs.lhs, rel=1e-9),
                pytest.approx(theirs.rhs, rel=1e-9),
            )


def test_mismatch_of_an_mdp_with_itself_is_zero():
    true = tb.worlds.two_state()
    found = mm.mismatch(true, true)
    assert (found.eps_r, found.eps_p, found.eps_true, found.q_error) == (0, 0, 0, 0)
    assert found.loss == pytest.approx(0, abs=1e-12)


def test_mismatch_refuses_what_can_not_be_compared():
    true = tb.worlds.two_state()
    with pytest.raises(ValueError, match=r"model has \(S, A\) = \(1, 2\), expected \(2, 2\)"):
        mm.mismatch(true, tb.make_mdp(np.ones((1, 2, 1)), np.zeros((1, 2)), gamma=0.9))
    with pytest.raises(ValueError, match=r"model.gamma = 0.8, expected 0.9"):
        mm.bounds(true, tb.with_changes(true, gamma=0.8))
    r = np.where([[False, True], [False, False]], -np.inf, true.r)
    with pytest.raises(ValueError, match=r"action 1 of state 0 is feasible in only one of the two.*1 of 4 actions"):
        mm.policy_bounds(true, tb.with_changes(true, r=r), np.array([0, 0]))
    ending = tb.make_mdp([[[0.5]]], [[1.0]], gamma=1, terminating=True)
    with pytest.raises(ValueError, match=r"gamma = 1, expected a discount below 1"):
        mm.mismatch(ending, ending)
