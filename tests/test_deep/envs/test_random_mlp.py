"""Random dynamics are the model they hold."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deep.envs import random_mlp
from deep.models import Model

KEY = jax.random.key(0)


def test_steps_are_draws_of_the_truth():
    """Mean and standard deviation of 4,000 next states within 5 standard errors: fails once in 10^5 (16 numbers)."""
    env = random_mlp(KEY, 3, 2, (8, 8), jnp.float64)
    s, a = jnp.asarray([0.5, -1.0, 2.0]), jnp.asarray([0.3, -0.7])
    keys = jax.random.split(jax.random.key(1), 4000)
    after = np.asarray(jax.vmap(lambda key: env.step(key, s, a).state)(keys))
    said = Model(env.dynamics, env.payment, env.actions, gaussian=True, relative=True)(s, a)
    sigma = np.exp(np.asarray(said.log_std))
    np.testing.assert_array_less(abs(after.mean(0) - said.mean), 5 * sigma / 4000**0.5)
    np.testing.assert_allclose(after.std(0), sigma, rtol=5 / (2 * 4000) ** 0.5)
    assert env.step(KEY, s, a).reward == said.r


def test_states_stay_bounded_over_an_episode():
    env = random_mlp(KEY)

    def step(state, key):
        a = jax.random.uniform(key, (4,), jnp.float32, -1, 1)
        after = env.step(key, state, a).state
        return after, after

    _, path = jax.lax.scan(step, env.reset(KEY)[0], jax.random.split(KEY, env.time_limit))
    assert path.dtype == jnp.float32 and abs(path).max() < 100
    assert not env.step(KEY, path[0], jnp.zeros(4, jnp.float32)).terminated


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"observation_size": 0}, "observation_size = 0, expected at least 1"),
        ({"hidden": (4, -1)}, "hidden = -1, expected at least 1"),
        ({"noise": 3.0}, "noise = 3.0, expected a logarithm"),
    ],
)
def test_bad_sizes_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        random_mlp(KEY, **arguments)
