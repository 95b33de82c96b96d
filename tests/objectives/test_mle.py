"""Maximum likelihood: closed form, derivative, edges."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import rel_entr, softmax

from tabular.device import to_device
from tabular.mdp import MDP, make_mdp
from tabular.models import SoftmaxTable, Theta, seed_key
from tabular.objectives import mle
from tests.instances import random_mdp


@jax.jit
def value_and_slope(true, theta):
    """The loss of a softmax table, and its derivative in the parameters."""
    return jax.value_and_grad(lambda theta: mle().loss(true, SoftmaxTable().mdp(true, theta), None, jnp.asarray(0))[0])(
        theta
    )


@jax.jit
def loss(true, model):
    return mle().loss(true, model, None, jnp.asarray(0))[0]


def pair(i: int, S: int = 4, A: int = 3) -> tuple[MDP, MDP]:
    """A true MDP and a model of it, of one shape."""
    true, model = (to_device(random_mdp(seed, i, S=S, A=A, gamma=0.9)) for seed in (21, 22))
    return true, MDP(0.9 * model.P + 0.1 / S, model.r, true.gamma, true.rho)


@pytest.mark.parametrize("i", range(20))
def test_mle_loss_is_squared_reward_error_plus_divergence(i):
    true, model = pair(i)
    value = loss(true, model)
    expected = np.mean((true.r - model.r) ** 2) + np.mean(rel_entr(true.P, model.P).sum(-1))
    np.testing.assert_allclose(value, expected, rtol=1e-12)


def test_mle_loss_is_zero_at_the_truth():
    true, _ = pair(0)
    assert loss(true, true) == 0


def test_mle_loss_is_infinite_where_the_model_rules_out_what_happens():
    true, model = pair(2)
    P = np.array(model.P)
    P[0, 0] = np.eye(4)[0]
    model = MDP(jnp.asarray(P), model.r, model.gamma, model.rho)
    assert true.P[0, 0, 1:].max() > 0
    assert loss(true, model) == jnp.inf


def test_mle_loss_is_a_mean_over_feasible_actions():
    P = np.array([[[0.3, 0.7], [0, 0]], [[0.5, 0.5], [0.5, 0.5]]])
    true = to_device(make_mdp(P, [[1.0, -np.inf], [0, 0]], gamma=0.9))
    table = SoftmaxTable()
    theta = table.init(true, seed_key(3))
    value, slope = value_and_slope(true, theta)
    model = table.mdp(true, theta)
    kept = np.array([[True, False], [True, True]])
    expected = np.mean((np.asarray(true.r) - model.r)[kept] ** 2) + np.mean(rel_entr(true.P, model.P).sum(-1)[kept])
    np.testing.assert_allclose(value, expected, rtol=1e-12)
    assert slope.reward[0, 1] == 0 and (slope.logits[0, 1] == 0).all()
    assert jnp.isfinite(slope.logits).all() and jnp.isfinite(slope.reward).all()


def test_mle_slope_is_model_minus_truth():
    """d/dlogits of the mean divergence is (p_hat - p) / (S A), d/dr_hat of the mean square 2 (r_hat - r) / (S A)."""
    true, _ = pair(4)
    rng = np.random.default_rng(0)
    theta = Theta(jnp.asarray(rng.normal(size=(4, 3, 4))), jnp.asarray(rng.normal(size=(4, 3))))
    _, slope = value_and_slope(true, theta)
    np.testing.assert_allclose(slope.logits, (softmax(theta.logits, axis=-1) - true.P) / 12, atol=1e-15)
    np.testing.assert_allclose(slope.reward, 2 * (theta.reward - true.r) / 12, rtol=1e-13)


def test_mle_refuses_a_temperature_that_is_not_positive():
    with pytest.raises(ValueError, match="alpha = -1, expected a positive temperature"):
        mle(alpha=-1)
