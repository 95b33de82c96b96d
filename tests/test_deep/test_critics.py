"""The soft backup is `tabular`'s, and the critic's loss is what its equation says."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp

from deep.critics import backup, critic, critic_loss, towards, value
from deep.replay import Transitions

KEY = jax.random.key(0)
GAMMA, ALPHA = 0.9, 0.05
RNG = np.random.default_rng(0)
BATCH = Transitions(
    s=jnp.asarray(RNG.normal(size=(8, 3))),
    a=jnp.asarray(RNG.integers(2, size=8), jnp.int32),
    r=jnp.asarray(RNG.normal(size=8)),
    s_next=jnp.asarray(RNG.normal(size=(8, 3))),
    m=jnp.asarray([1.0, 1, 1, 0, 1, 1, 0, 1]),
)


@pytest.fixture(scope="module")
def pair():
    """A critic and another one as its target."""
    made = [critic(key, (3, 7, 2), jnp.float64) for key in jax.random.split(KEY)]
    return [jax.tree.map(lambda x: 3 * x, net) for net in made]


def test_value_is_the_soft_maximum_of_the_smaller_head(pair):
    Q = np.asarray(pair[1](BATCH.s)).min(0)
    np.testing.assert_allclose(value(pair[1], BATCH.s, ALPHA, False), ALPHA * logsumexp(Q / ALPHA, axis=1), rtol=1e-12)
    np.testing.assert_allclose(value(pair[1], BATCH.s, ALPHA, True), Q.max(1), rtol=1e-15)


def test_critic_loss_is_its_equation(pair):
    w, target = pair
    y = np.asarray(BATCH.r) + GAMMA * np.asarray(BATCH.m) * value(target, BATCH.s_next, ALPHA, False)
    Q = np.asarray(w(BATCH.s))[:, np.arange(8), np.asarray(BATCH.a)]
    expected = sum(((Q[i] - y) ** 2).mean() for i in range(2)) / 2
    np.testing.assert_allclose(backup(target, BATCH, GAMMA, ALPHA, False), y, rtol=1e-12)
    np.testing.assert_allclose(critic_loss(w, target, BATCH, GAMMA, ALPHA, False), expected, rtol=1e-12)


def test_critic_loss_has_derivatives_by_the_critic_and_the_batch_only(pair):
    w, target = pair
    by_target = jax.grad(critic_loss, argnums=1)(w, target, BATCH, GAMMA, ALPHA, False)
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(by_target))
    by_state = jax.grad(lambda s: critic_loss(w, target, BATCH._replace(s_next=s), GAMMA, ALPHA, False))(BATCH.s_next)
    np.testing.assert_array_equal(np.any(by_state, axis=1), np.asarray(BATCH.m) > 0)


def test_towards_mixes(pair):
    mixed = towards(pair[1], pair[0], 0.25)
    for new, old, got in zip(*map(jax.tree.leaves, (*pair, mixed)), strict=True):
        np.testing.assert_allclose(got, 0.75 * old + 0.25 * new, atol=1e-15)
