"""What holds for all model classes: what isn't learned is the truth's, and bound 0 leaves no parameters."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tabular as tb
from tabular.device import to_device
from tabular.fitting import fit
from tabular.mdp import make_mdp
from tabular.models import aliased_blocks, custom, low_rank, seed_key, softmax_table, successor_features
from tabular.models.base import as_model
from tabular.objectives import mle

GRID = tb.gridworld("S.\n.G", gamma=0.9, slip=0.2)


def ending():
    """The grid where some actions can't be taken and others end the episode, one of them for certain."""
    P, r = np.array(GRID.to_dense().P), np.array(GRID.r)
    P[0, 1] *= 0.5
    P[1, 0] = 0
    P[2, 3], r[2, 3] = 0, -np.inf
    return make_mdp(P, r, gamma=0.9, terminating=True, grid=GRID.grid)


def drawn(key):
    keys, (S, A) = jax.random.split(key), GRID.r.shape
    return {"P": jax.random.uniform(keys[0], (S, A, S)), "r": jax.random.uniform(keys[1], (S, A))}


CLASSES = {
    "table": softmax_table("paper_scaled"),
    "support": softmax_table("paper_scaled", on_support=True),
    "blocks": aliased_blocks(GRID, 2),
    "rank": low_rank(2),
    "features": successor_features(np.eye(4)[:, :2]),
    "custom": custom(lambda theta: (jax.nn.softmax(theta["P"]), theta["r"]), drawn),
}
every_class = pytest.mark.parametrize("model_class", CLASSES.values(), ids=CLASSES)


@every_class
def test_models_keep_infeasible_actions_and_the_probability_of_the_end(model_class):
    true = to_device(ending())
    model_class.check(ending())
    model = model_class.mdp(true, model_class.init(true, seed_key(1)))
    np.testing.assert_allclose(model.P.sum(-1), true.P.sum(-1), atol=1e-14)
    assert (np.asarray(model.P) >= 0).all() and model.P[0, 1].sum() == pytest.approx(0.5)
    np.testing.assert_array_equal(model.r == -jnp.inf, ~true.feasible)
    assert model.gamma == true.gamma and model.rho is true.rho and model.terminating


@every_class
def test_bound_zero_leaves_all_parameters_zero(model_class):
    true = to_device(GRID)
    theta = model_class.init(true, seed_key(1))
    assert max(float(abs(x).max()) for x in jax.tree.leaves(theta)) > 0.1
    none = model_class.project(theta, 0.0)
    assert all((x == 0).all() for x in jax.tree.leaves(none))
    model = model_class.mdp(true, none)
    assert (model.r == 0).all() and np.allclose(model.P.sum(-1), 1)
    if model_class not in (CLASSES["support"], CLASSES["blocks"]):
        np.testing.assert_allclose(model.P, 0.25, rtol=1e-14)


@every_class
def test_projection_scales_the_norm_of_all_parameters(model_class):
    theta = model_class.init(to_device(GRID), seed_key(1))
    inside = model_class.project(theta, 0.5)
    assert sum(float((x**2).sum()) for x in jax.tree.leaves(inside)) == pytest.approx(0.25, rel=1e-12)
    assert jax.tree.structure(inside) == jax.tree.structure(theta)


@pytest.mark.slow
def test_fit_at_bound_zero_is_the_model_of_no_parameters():
    found = fit(GRID, mle(), aliased_blocks(GRID, 2), seeds=(1, 2), kappa=(0.0, 2.0), steps=5)
    assert all((np.asarray(x)[0] == 0).all() and (np.asarray(x)[1] != 0).any() for x in jax.tree.leaves(found.theta))


def test_as_model_takes_the_true_rewards_if_none_are_learned():
    true = to_device(GRID)
    model = as_model(true, true.P, None)
    assert model.r is true.r
