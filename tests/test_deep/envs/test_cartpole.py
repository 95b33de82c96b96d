"""CartPole is Gymnasium's CartPole-v1."""

from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deep.envs import CartPole, GaussianDistractors

KEY = jax.random.key(0)
STEPS = 1000


@pytest.mark.parametrize(("dtype", "accuracy"), [(jnp.float64, 1e-14), (jnp.float32, 1e-5)])
def test_step_is_that_of_gymnasium(dtype, accuracy):
    """Over 1,000 random steps, each from Gymnasium's own state: the same next state, reward and end."""
    theirs: Any = gymnasium.make("CartPole-v1").unwrapped
    ours = CartPole(dtype=dtype)
    step, rng = jax.jit(ours.step), np.random.default_rng(0)
    theirs.reset(seed=0)
    ends = 0
    for action in rng.integers(2, size=STEPS):
        before = jnp.asarray(theirs.state, dtype)
        _, reward, over, _, _ = theirs.step(int(action))
        after = step(KEY, before, jnp.int32(action))
        np.testing.assert_allclose(after.state, theirs.state, atol=accuracy, rtol=0)
        assert (bool(after.terminated), float(after.reward)) == (over, reward)
        ends += over
        if over:
            theirs.reset()
    assert ends > 20


def test_limits_and_time_are_those_of_gymnasium():
    theirs: Any = gymnasium.make("CartPole-v1")
    assert theirs.spec.max_episode_steps == CartPole().time_limit
    assert theirs.action_space.n == CartPole().actions.n
    assert theirs.observation_space.shape == (CartPole().observation_size,)


def test_reset_is_uniform_within_a_twentieth():
    states = jax.vmap(lambda key: CartPole().reset(key)[0])(jax.random.split(KEY, 4000))
    assert abs(np.asarray(states)).max() <= 0.05
    np.testing.assert_allclose(states.std(0), 0.1 / 12**0.5, rtol=0.06)  # 5 standard errors: fails once in 10^6


def test_distractors_are_new_standard_normal_numbers_each_step():
    """Mean 0 and variance 1 within 5 standard errors, of 4,000 numbers: fails once in 10^6."""
    env = GaussianDistractors(CartPole(), jnp.int32(3), size=5)
    state, first = env.reset(KEY)
    step = env.step(jax.random.key(1), state, jnp.int32(0))
    assert first.shape == step.observation.shape == (9,)
    np.testing.assert_array_equal(first[:4], CartPole().reset(jax.random.split(KEY)[0])[0])
    assert (first[4:7] != step.observation[4:7]).all() and not first[7:].any()
    noise = np.asarray(jax.vmap(lambda key: env.reset(key)[1][4:7])(jax.random.split(KEY, 1334))).ravel()
    assert abs(noise.mean()) < 5 / len(noise) ** 0.5
    assert abs(noise.var() - 1) < 5 * (2 / len(noise)) ** 0.5


def test_distractors_don_t_depend_on_the_room_for_more():
    narrow, wide = (GaussianDistractors(CartPole(), jnp.int32(2), size=size).reset(KEY)[1] for size in (2, 6))
    np.testing.assert_array_equal(wide, jnp.pad(narrow, (0, 4)))
