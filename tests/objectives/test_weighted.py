"""Weighted likelihood: slopes against a complex step, which model is best, edges."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import rel_entr

import tabular as tb
from tabular.fitting import fit
from tabular.models import aliased_blocks, custom, low_rank, softmax_table
from tabular.objectives import mle
from tabular.objectives.weighted import value_weighted_mle
from tabular.worlds.papers import maze10, two_state
from tabular.worlds.random import dirichlet
from tests.objectives.gradients import (
    assert_class_slope,
    assert_leaves_infeasible_actions_out,
    assert_table_slope,
    bare,
    loss_at,
    problem,
    soft_values,
)

ALPHA = 0.3
WEIGHTS = np.random.default_rng(0).uniform(size=(4, 2))


def cross_entropy(true, P, w):
    """`mean_{s,a} sum_t w p log(1 / p_hat)`, with w of shape (S, A, 1) or (S,)."""
    seen = true.P > 0
    return -np.where(seen, w * true.P * np.log(np.where(seen, P, 1)), 0).sum(-1).mean()


def given(weights):
    def reference(true, P_hat, r_hat):
        w = weights[..., None]
        return lambda P, r: cross_entropy(true, P, w) - cross_entropy(true, true.P, w) + ((r - true.r) ** 2).mean()

    return reference


def by_value(alpha):
    def reference(true, P_hat, r_hat):
        size = abs(soft_values(true, P_hat, r_hat, alpha))
        w = size / (true.P @ size).mean()
        best = true.P * size / (true.P @ size)[..., None]
        return lambda P, r: cross_entropy(true, P, w) - cross_entropy(true, best, w) + ((r - true.r) ** 2).mean()

    return reference


@pytest.mark.parametrize(
    ("objective", "reference"),
    [(value_weighted_mle(WEIGHTS), given(WEIGHTS)), (value_weighted_mle(alpha=ALPHA), by_value(ALPHA))],
    ids=["given", "by value"],
)
def test_value_weighted_mle_slope_is_that_of_a_complex_step(objective, reference):
    for i in range(3):
        assert_table_slope(objective, reference, *problem(i))


MAZE = maze10(reward=1.0)
MAZE_WEIGHTS = np.random.default_rng(1).uniform(size=(100, 4))
IN_MAZE = [
    pytest.param(
        lambda: aliased_blocks(MAZE, 5),
        value_weighted_mle(alpha=0.1),
        by_value(0.1),
        id="blocks",
        marks=pytest.mark.slow,
    ),
    pytest.param(lambda: low_rank(3), value_weighted_mle(MAZE_WEIGHTS), given(MAZE_WEIGHTS), id="rank"),
    pytest.param(
        lambda: low_rank(3), value_weighted_mle(alpha=0.1), by_value(0.1), id="rank by value", marks=pytest.mark.slow
    ),
]


@pytest.mark.parametrize(("kind", "objective", "reference"), IN_MAZE)
def test_value_weighted_mle_slope_holds_in_the_maze_with_few_parameters(kind, objective, reference):
    assert_class_slope(objective, reference, bare(MAZE), kind())


def test_value_weighted_mle_with_equal_weights_is_likelihood():
    true, theta = problem(1)
    P, r = jax.nn.softmax(theta.logits), theta.reward
    same = loss_at(mle(), true, P, r)
    assert loss_at(value_weighted_mle(np.ones((4, 2))), true, P, r) == pytest.approx(same, rel=1e-13)
    flat = bare(tb.make_mdp(np.asarray(true.P), np.ones((4, 2)), gamma=0.9))
    assert loss_at(value_weighted_mle(), flat, P, flat.r) == pytest.approx(loss_at(mle(), flat, P, flat.r), rel=1e-10)


def test_value_weighted_mle_with_given_weights_is_least_at_the_truth():
    true, theta = problem(2)
    objective = value_weighted_mle(WEIGHTS)
    assert loss_at(objective, true, true.P, true.r) == 0
    P = jax.nn.softmax(theta.logits)
    expected = (WEIGHTS * rel_entr(np.asarray(true.P), np.asarray(P)).sum(-1)).mean()
    assert loss_at(objective, true, P, true.r) == pytest.approx(expected, rel=1e-12)


def test_value_weighted_mle_doesnt_look_where_weights_are_zero():
    true, _ = problem(2)
    weights = np.ones((4, 2))
    weights[1, 0] = 0
    P = np.array(true.P)
    P[1, 0] = np.eye(4)[np.argmin(P[1, 0])]
    assert loss_at(value_weighted_mle(weights), true, P, true.r) == 0
    assert loss_at(mle(), true, P, true.r) == np.inf


@pytest.mark.slow
def test_value_weighted_mle_by_value_tilts_the_best_model_towards_large_values():
    """A fit ends at `p |V| / sum p |V|` with its own V, off the truth; a deterministic truth stays the best."""
    world = tb.with_changes(
        dirichlet(3, 2, gamma=0.5, seed=1, concentration=5.0), r=[[0.1, 0.2], [1.0, 0.5], [4.0, 3.0]]
    )
    table = softmax_table("none", alpha=1.0, learns_reward=False)
    found = fit(world, value_weighted_mle(alpha=ALPHA), table, seeds=1, lr=0.05, steps=600)
    V = tb.soft_solve(found.model(0, 0), ALPHA).V
    tilted = world.P * V / (world.P @ V)[..., None]
    np.testing.assert_allclose(found.P_hat[0, 0], tilted, atol=1e-5)
    assert abs(tilted - world.P).max() > 0.05
    assert found.history.loss[0, 0, -1] < 1e-9
    sure = bare(tb.make_mdp(np.eye(3)[[[1, 2], [2, 0], [0, 1]]], world.r, gamma=0.5))
    assert loss_at(value_weighted_mle(alpha=ALPHA), sure, sure.P, sure.r) == 0


def test_value_weighted_mle_is_finite_where_all_values_are_zero():
    """One action: the soft value of reward 0 is 0 in all states."""
    true = bare(tb.make_mdp([[[0.5, 0.5]], [[0.2, 0.8]]], [[0.0], [0.0]], gamma=0.9))
    assert loss_at(value_weighted_mle(), true, jnp.full((2, 1, 2), 0.5), true.r) == 0


@pytest.mark.slow
def test_value_weighted_mle_fit_of_one_parameter_is_the_best_of_a_grid():
    """One row for all: the weighted mean of p, by hand (.7 + .99 + 2 (.2) + 4 (.99)) / 8 = .75625."""
    weights = np.array([[1.0, 1.0], [2.0, 4.0]])

    def one_number(theta):
        q = jax.nn.sigmoid(theta["logit"])
        return jnp.broadcast_to(jnp.stack([q, 1 - q]), (2, 2, 2)), jnp.asarray(two_state().r)

    kind = custom(one_number, lambda key: {"logit": jax.random.normal(key)})
    found = fit(two_state(), value_weighted_mle(weights), kind, seeds=range(2), lr=0.05, steps=500)
    grid = np.linspace(0.0001, 0.9999, 9999)
    rows = np.stack([grid, 1 - grid], -1)
    losses = np.array([(weights * rel_entr(two_state().P, row).sum(-1)).mean() for row in rows])
    assert grid[losses.argmin()] == pytest.approx(0.75625, abs=1e-4)
    np.testing.assert_allclose(found.P_hat[0, :, 0, 0, 0], 0.75625, atol=1e-5)
    np.testing.assert_allclose(found.history.loss[0, :, -1], losses.min(), rtol=1e-6)


@pytest.mark.parametrize("objective", [value_weighted_mle(WEIGHTS), value_weighted_mle(alpha=ALPHA)])
def test_value_weighted_mle_leaves_infeasible_actions_out(objective):
    assert_leaves_infeasible_actions_out(objective)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: value_weighted_mle([1.0]), r"weights has shape \(1,\), expected \(S, A\)"),
        (lambda: value_weighted_mle([[1.0, -1.0]]), r"weights\[0, 1\] = -1, expected 0 or more"),
        (lambda: value_weighted_mle([[0.0]]), "weights are all 0"),
        (lambda: value_weighted_mle([[np.inf]]), r"weights\[0, 0\] = inf"),
        (lambda: value_weighted_mle(alpha=0), "alpha = 0, expected a positive temperature"),
    ],
)
def test_value_weighted_mle_complains(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_value_weighted_mle_complains_about_weights_of_another_mdp():
    with pytest.raises(ValueError, match=r"weights has shape \(3, 2\), expected \(S, A\) = \(2, 2\)"):
        fit(two_state(), value_weighted_mle(np.ones((3, 2))), softmax_table("none"), seeds=1, steps=1)
