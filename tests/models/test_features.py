"""Successor features: identity is the softmax table, few features bind all rows, and refusals."""

import jax.numpy as jnp
import numpy as np
import pytest

from tabular.device import to_device
from tabular.fitting import fit
from tabular.models import SoftmaxTable, Theta, seed_key, successor_features
from tabular.objectives import mle, omd
from tabular.worlds.papers import maze10, two_state

MAZE = maze10().to_dense()
COORDINATES = np.array(MAZE.grid.cells) / 9


def test_identity_features_are_the_softmax_table():
    true, model_class = to_device(MAZE), successor_features(np.eye(100))
    theta = model_class.init(true, seed_key(1))
    model, table = model_class.mdp(true, theta), SoftmaxTable().mdp(true, Theta(theta.weights, theta.reward))
    np.testing.assert_allclose(model.P, table.P, rtol=1e-13)
    np.testing.assert_array_equal(model.r, table.r)
    with np.errstate(divide="ignore"):
        known = theta._replace(weights=jnp.asarray(np.maximum(np.log(MAZE.P), -1e3)))
    np.testing.assert_allclose(model_class.mdp(true, known).P, MAZE.P, atol=1e-14)


def test_logits_have_the_rank_of_the_features():
    """log P_hat is features @ w less the normaliser: two features and a constant span all 400 rows."""
    true, model_class = to_device(MAZE), successor_features(COORDINATES)
    P = np.asarray(model_class.mdp(true, model_class.init(true, seed_key(1))).P)
    np.testing.assert_allclose(P.sum(-1), 1, rtol=1e-13)
    assert np.linalg.matrix_rank(np.log(P).reshape(400, 100), tol=1e-8) == 3


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (np.zeros(2), r"features has shape \(2,\), expected \(number of states, number of features\)"),
        (np.zeros((2, 0)), r"features has shape \(2, 0\)"),
        ([[0.0, 1.0], [np.nan, 0.0]], r"features\[1, 0\] = nan, expected finite"),
        ([[0.0, np.inf], [1.0, 0.0]], r"features\[0, 1\] = inf, expected finite"),
    ],
)
def test_successor_features_refuses(features, message):
    with pytest.raises(ValueError, match=message):
        successor_features(features)


def test_fit_refuses_features_of_another_number_of_states():
    with pytest.raises(ValueError, match="features has 3 rows, expected one for each of 2 states"):
        fit(two_state(), mle(), successor_features(np.eye(3)), seeds=1)


@pytest.mark.slow
@pytest.mark.parametrize("objective", [mle(), omd(0.1)])
def test_fit_on_the_maze_lowers_the_loss(objective):
    found = fit(MAZE, objective, successor_features(COORDINATES), seeds=(1, 2), steps=20, lr=0.05)
    assert (found.history.loss[..., -1] < found.history.loss[..., 0]).all() and np.isfinite(found.J).all()
