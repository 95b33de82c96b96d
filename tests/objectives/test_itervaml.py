"""IterVAML: the host engine's values, slopes at fixed values against a complex step, and where fits come to rest."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tabular as tb
from tabular.fitting import fit
from tabular.models import aliased_blocks, custom, low_rank, random_start, seed_key, softmax_table
from tabular.objectives import mle
from tabular.objectives.itervaml import itervaml
from tabular.objectives.vaml import finite_values, vaml
from tabular.worlds.papers import maze10, two_state
from tabular.worlds.random import dirichlet
from tests.objectives.gradients import (
    assert_class_slope,
    assert_leaves_infeasible_actions_out,
    assert_table_slope,
    bare,
    host,
    loss_at,
    problem,
    soft_values,
)

ALPHA = 0.3


def reference_for(alpha, mle_weight=0.0):
    def reference(true, P_hat, r_hat):
        V = soft_values(true, P_hat, r_hat, alpha)

        def loss(P, r):
            seen = true.P > 0
            kl = np.where(seen, true.P * np.log(np.where(seen, true.P, 1) / np.where(seen, P, 1)), 0).sum(-1).mean()
            value_aware = (((P - true.P) @ V) ** 2).mean()
            return mle_weight * kl + (1 - mle_weight) * value_aware + ((r - true.r) ** 2).mean()

        return loss

    return reference


@pytest.mark.parametrize("mle_weight", [0.0, 0.001, 0.5])
def test_itervaml_slope_is_that_of_a_complex_step_at_fixed_values(mle_weight):
    for i in range(3):
        assert_table_slope(itervaml(ALPHA, mle_weight=mle_weight), reference_for(ALPHA, mle_weight), *problem(i))


MAZE = maze10(reward=1.0)
CLASSES = [
    pytest.param(lambda: aliased_blocks(MAZE, 5), id="blocks"),
    pytest.param(lambda: low_rank(3), id="rank", marks=pytest.mark.slow),
]


@pytest.mark.parametrize("kind", CLASSES)
def test_itervaml_slope_holds_in_the_maze_with_few_parameters(kind):
    assert_class_slope(itervaml(0.1), reference_for(0.1), bare(MAZE), kind())


def test_itervaml_is_vaml_with_the_models_own_values():
    true, theta = problem(4)
    P, r = np.asarray(jax.nn.softmax(theta.logits)), np.asarray(theta.reward)
    own = finite_values(soft_values(host(true), P, r, ALPHA)[None])
    assert loss_at(itervaml(ALPHA), true, P, r) == pytest.approx(loss_at(vaml(own), true, P, r), rel=1e-10)
    assert loss_at(itervaml(ALPHA, mle_weight=1.0), true, P, r) == pytest.approx(loss_at(mle(), true, P, r), rel=1e-14)


def test_itervaml_carries_the_values_it_planned_with():
    true, theta = problem(5)
    objective = itervaml(ALPHA)
    start = objective.init(true, seed_key(4))
    np.testing.assert_array_equal(start, random_start(true, seed_key(4)).Q)
    model = bare(tb.make_mdp(np.asarray(jax.nn.softmax(theta.logits)), np.asarray(theta.reward), gamma=0.9))
    loss = jax.jit(objective.loss)
    value, Q = loss(true, model, start, jnp.asarray(0))
    np.testing.assert_allclose(Q, tb.soft_solve(host(model), ALPHA).Q, atol=1e-11)
    again, _ = loss(true, model, Q, jnp.asarray(1))
    assert again == pytest.approx(float(value), rel=1e-11)


def test_itervaml_is_zero_at_the_truth_and_zero_only_with_its_values():
    """`max |B Q_hat - Q_hat| <= sqrt(S A loss) (1 + gamma)`, so Q_hat is within that / (1 - gamma) of Q*."""
    for i in range(20):
        true, theta = problem(i)
        assert loss_at(itervaml(ALPHA), true, true.P, true.r) < 1e-25
        for mix in (1e-4, 1e-2, 1.0):
            P = (1 - mix) * np.asarray(true.P) + mix * np.asarray(jax.nn.softmax(theta.logits))
            r = np.asarray(true.r) + mix * np.asarray(theta.reward)
            loss = loss_at(itervaml(ALPHA), true, P, r)
            off = abs(soft_q(true, P, r) - soft_q(true, true.P, true.r)).max()
            assert off <= np.sqrt(true.r.size * loss) * (1 + 0.9) / (1 - 0.9)


def soft_q(true, P, r):
    return tb.soft_solve(tb.make_mdp(np.asarray(P), np.asarray(r), gamma=0.9), ALPHA).Q


def test_itervaml_leaves_infeasible_actions_out():
    assert_leaves_infeasible_actions_out(itervaml(ALPHA, mle_weight=0.5))


# where fits come to rest


@pytest.mark.slow
def test_itervaml_fit_of_a_table_plans_as_in_the_true_mdp_with_another_model():
    """One V leaves a row of three states one free number."""
    world = dirichlet(3, 2, gamma=0.9, seed=3, concentration=5.0)
    found = fit(world, itervaml(0.1), softmax_table("none", alpha=1.0), seeds=range(2), lr=0.03, steps=1000)
    assert (found.history.loss[0, :, -1] < 1e-7).all()
    np.testing.assert_allclose(found.Q[0], np.stack([tb.soft_solve(world, 0.1).Q] * 2), atol=2e-3)
    assert abs(found.P_hat[0] - world.P).max() > 0.02


def shared_row(theta):
    """One probability of s0 for all states and actions; true rewards."""
    q = jax.nn.sigmoid(theta["logit"])
    return jnp.broadcast_to(jnp.stack([q, 1 - q]), (2, 2, 2)), jnp.asarray(two_state().r)


ONE_PARAMETER = custom(shared_row, lambda key: {"logit": jax.random.normal(key)})


@pytest.mark.slow
def test_itervaml_fit_of_one_parameter_rests_at_the_best_response_to_its_own_values():
    """With one row for all, every V that isn't flat makes q = mean p = .72 the best answer."""
    found = fit(two_state(), itervaml(), ONE_PARAMETER, seeds=range(2), lr=0.05, steps=500)
    np.testing.assert_allclose(found.P_hat[0, :, 0, 0, 0], 0.72, atol=1e-5)
    grid = np.linspace(0.01, 0.99, 99)
    true = bare(two_state())
    V = tb.soft_solve(found.model(0, 0), 0.01).V
    rows = np.stack([grid, 1 - grid], -1)
    losses = [((np.asarray(true.P) @ V - row @ V) ** 2).mean() for row in rows]
    assert grid[np.argmin(losses)] == pytest.approx(0.72)
    assert found.history.loss[0, 0, -1] == pytest.approx(min(losses), rel=1e-8)


@pytest.mark.parametrize("options", [{"alpha": 0.0}, {"mle_weight": -0.1}])
def test_itervaml_complains(options):
    with pytest.raises(ValueError, match=r"alpha = 0|mle_weight = -0.1, expected a weight"):
        itervaml(**options)
