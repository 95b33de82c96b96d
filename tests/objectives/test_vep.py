"""Value equivalence: loss and slope against loops over policies, what zero loss means, exact optima."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tabular as tb
from tabular.fitting import fit
from tabular.mdp import MDP
from tabular.models import aliased_blocks, custom, low_rank, softmax_table
from tabular.objectives.vep import deterministic_policies, policy_values, random_policies, vep
from tabular.worlds.papers import maze10, two_state
from tabular.worlds.random import dirichlet
from tests.objectives.gradients import (
    assert_class_slope,
    assert_leaves_infeasible_actions_out,
    assert_table_slope,
    bare,
    host,
    infeasible_problem,
    loss_at,
    problem,
)


def reference_for(policies, values):
    """Equation 15 loop by loop, each backup written out."""

    def reference(true, P_hat, r_hat):
        def loss(P, r):
            total = 0.0
            for pi in policies:
                for V in values:
                    real = (pi * (true.r + true.gamma * true.P @ V)).sum(1)
                    model = (pi * (r + true.gamma * P @ V)).sum(1)
                    total = total + ((real - model) ** 2).sum()
            return total / (len(policies) * len(values) * len(true.r))

        return loss

    return reference


def sets(true, n=3, m=2):
    policies = random_policies(true, n, seed=1)
    return policies, np.random.default_rng(2).normal(size=(m, true.S))


@pytest.mark.parametrize("i", range(4))
def test_vep_slope_is_that_of_a_complex_step(i):
    true, theta = problem(i)
    policies, values = sets(host(true))
    assert_table_slope(vep(policies, values), reference_for(policies, values), true, theta)


MAZE = maze10(reward=1.0)
KINDS = [
    pytest.param(lambda: aliased_blocks(MAZE, 5), id="blocks"),
    pytest.param(lambda: low_rank(3), id="rank", marks=pytest.mark.slow),
]


@pytest.mark.parametrize("kind", KINDS)
def test_vep_slope_holds_in_the_maze_with_few_parameters(kind):
    policies = random_policies(MAZE, 3, seed=0)
    values = policy_values(MAZE, policies)
    assert_class_slope(vep(policies, values), reference_for(policies, values), bare(MAZE), kind())


def test_vep_is_zero_on_the_value_equivalent_class_and_its_affine_span():
    """Rows moved within the kernel of [1; V] leave the loss 0 for every policy, also for V on the line through two."""
    world = dirichlet(4, 2, gamma=0.9, seed=1).to_dense()
    values = np.random.default_rng(0).normal(size=(2, 4))
    free = np.linalg.svd(np.vstack([np.ones(4), values]))[2][3]
    P = world.P + 0.9 * np.min(world.P / abs(free), axis=-1, keepdims=True) * free
    assert (P >= 0).all() and abs(P - world.P).max() > 0.01
    true, policies = bare(world), random_policies(world, 5, seed=3)
    assert loss_at(vep(policies, values), true, P, world.r) < 1e-28
    between = 2.5 * values[:1] - 1.5 * values[1:]
    assert loss_at(vep(policies, between), true, P, world.r) < 1e-28
    assert loss_at(vep(policies, np.eye(4)), true, P, world.r) > 1e-6


def test_vep_with_learned_rewards_is_closed_under_affine_and_not_linear_combinations():
    """r_hat = r + gamma c and rows moved so that p_hat V = p V - c agree at V, and at 2 V no more."""
    world = dirichlet(3, 2, gamma=0.9, seed=4).to_dense()
    V = np.array([0.0, 1.0, 2.0])
    P = world.P + 0.02 * np.array([1.0, 0.0, -1.0])
    assert (P >= 0).all()
    r = world.r + 0.9 * 0.04
    policies = deterministic_policies(world)
    assert loss_at(vep(policies, V[None]), bare(world), P, r) < 1e-28
    assert loss_at(vep(policies, 2 * V[None]), bare(world), P, r) == pytest.approx((0.9 * 0.04) ** 2, rel=1e-10)


@pytest.mark.slow
def test_vep_fit_is_value_equivalent_and_has_q_star():
    """All deterministic policies on V* alone: one free number in every row of three states, and still the true Q*."""
    world = dirichlet(3, 2, gamma=0.9, seed=2, concentration=5.0).to_dense()
    best = tb.solve(world)
    policies = deterministic_policies(world)
    objective = vep(policies, best.V[None], alpha=1e-3)
    found = fit(
        world, objective, softmax_table("none", alpha=1.0, learns_reward=False), seeds=range(2), lr=0.05, steps=500
    )
    assert (found.history.loss[0, :, -1] < 1e-10).all()
    assert (abs(found.P_hat[0] - world.P).max((1, 2, 3)) > 0.02).all()
    for n in range(2):
        np.testing.assert_allclose(tb.solve(found.model(0, n)).Q, best.Q, atol=1e-3)


# optima


def two_numbers(theta):
    """Rows that depend on the state alone, true rewards: two parameters, and a class without the truth."""
    q = jax.nn.sigmoid(theta["logits"])
    rows = jnp.stack([q, 1 - q], axis=-1)
    return jnp.broadcast_to(rows[:, None], (2, 2, 2)), jnp.asarray(two_state().r)


TWO_PARAMETERS = custom(two_numbers, lambda key: {"logits": jax.random.normal(key, (2,))})


@pytest.mark.slow
def test_vep_fit_of_two_parameters_is_the_best_of_a_grid():
    """Policies that favour a0 draw the shared row towards that of a0."""
    world = two_state()
    policies = np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.6, 0.4], [0.5, 0.5]]])
    values = np.array([[1.0, 0.0], [-1.0, 2.0]])
    loss = reference_for(policies, values)(world, None, None)
    grid = np.linspace(0, 1, 51)
    table = np.array([[loss(shared(q0, q1), world.r) for q1 in grid] for q0 in grid])
    at = np.unravel_index(table.argmin(), table.shape)
    found = fit(world, vep(policies, values), TWO_PARAMETERS, seeds=range(2), lr=0.05, steps=500)
    np.testing.assert_allclose(found.P_hat[0, :, :, 0, 0], [grid[list(at)]] * 2, atol=grid[1])
    losses = found.history.loss[0, :, -1]
    assert (losses <= table.min() + 1e-12).all() and (losses > 0.95 * table.min()).all()


def shared(q0, q1):
    q = np.array([q0, q1])
    return np.broadcast_to(np.stack([q, 1 - q], axis=-1)[:, None], (2, 2, 2))


# sets


def test_deterministic_policies_are_all_of_them_over_feasible_actions():
    mdp = tb.make_mdp(np.full((3, 2, 3), 1 / 3), [[0, 1], [-np.inf, 1], [1, 1]], gamma=0.5)
    policies = deterministic_policies(mdp)
    assert policies.shape == (4, 3, 2)
    assert len(np.unique(policies.reshape(4, -1), axis=0)) == 4
    assert (policies[:, 1, 0] == 0).all() and (policies.sum(-1) == 1).all()
    with pytest.raises(ValueError, match=r"there are 1.61e\+60 deterministic policies, more than 4096"):
        deterministic_policies(MAZE)


def test_random_policies_are_policies_with_a_reproducible_stream():
    mdp = tb.make_mdp(np.full((2, 2, 2), 1 / 2), [[0, 1], [-np.inf, 1]], gamma=0.5)
    policies = random_policies(mdp, 5, seed=3)
    np.testing.assert_array_equal(policies, random_policies(mdp, 5, seed=3))
    np.testing.assert_allclose(policies.sum(-1), 1)
    assert (policies[:, 1, 0] == 0).all() and np.unique(policies[:, 0, 0]).size == 5
    with pytest.raises(ValueError, match="count = 0, expected at least one policy"):
        random_policies(mdp, 0, seed=0)


def test_policy_values_are_those_of_the_host_engine():
    world = dirichlet(5, 3, gamma=0.95, seed=0)
    policies = random_policies(world, 4, seed=0)
    expected = [tb.evaluate(world, pi).V for pi in policies]
    np.testing.assert_allclose(policy_values(world, policies), expected, rtol=1e-10)


# arguments


def test_vep_leaves_infeasible_actions_out():
    policies, values = sets(infeasible_problem()[0])
    assert_leaves_infeasible_actions_out(vep(policies, values))
    mdp = tb.make_mdp([[[0.3, 0.7], [0, 0]], [[0.5, 0.5], [0.2, 0.8]]], [[1.0, -np.inf], [0, 0.5]], gamma=0.9)
    with pytest.raises(ValueError, match=r"policies\[0, 0, 1\] = 0.5 for an infeasible action"):
        fit(mdp, vep(np.full((1, 2, 2), 0.5), [[1.0, 0.0]]), softmax_table("none"), seeds=1, steps=1)


PI = np.full((1, 2, 2), 0.5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: vep(PI[0], [[1, 2]]), r"policies has shape \(2, 2\), expected \(n, S, A\)"),
        (lambda: vep(PI + 0.1, [[1, 2]]), r"policies\[0, 0\] = \[0.6 0.6\], expected probabilities that sum to 1"),
        (lambda: vep(PI, [1, 2]), r"values has shape \(2,\), expected \(m, S\)"),
        (lambda: vep(PI, [[1, np.inf]]), r"values\[0, 1\] = inf"),
        (lambda: vep(PI, [[1, 2]], alpha=-1), "alpha = -1, expected a positive temperature"),
    ],
)
def test_vep_complains(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_vep_complains_about_sets_of_another_mdp():
    for policies, values, message in (
        (PI, np.ones((1, 3)), "values are for 3 states, expected 2"),
        (np.full((1, 3, 2), 0.5), np.ones((1, 2)), r"policies are of shape \(3, 2\), expected \(S, A\) = \(2, 2\)"),
    ):
        with pytest.raises(ValueError, match=message):
            vep(policies, values).check(two_state(), MDP(0, jnp.zeros((2, 2)), 0.9, 0))
