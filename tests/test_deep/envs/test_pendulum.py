"""Pendulum is Gymnasium's Pendulum-v1."""

from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deep.envs import Discrete, Pendulum

KEY = jax.random.key(0)
STEPS = 1000


@pytest.mark.parametrize(("dtype", "accuracy"), [(jnp.float64, 1e-12), (jnp.float32, 1e-5)])
def test_step_is_that_of_gymnasium(dtype, accuracy):
    """Over 1,000 steps with torques beyond the limits too: the same states, observations and rewards."""
    theirs: Any = gymnasium.make("Pendulum-v1").unwrapped
    ours = Pendulum(dtype=dtype)
    step, rng = jax.jit(ours.step), np.random.default_rng(0)
    theirs.reset(seed=0)
    for i, u in enumerate(rng.uniform(-3, 3, STEPS)):
        if i % 100 == 0:
            theirs.state = rng.uniform([-9, -8], [9, 8])
        after = step(KEY, jnp.asarray(theirs.state, dtype), jnp.asarray([u], dtype))
        observation, reward, over, _, _ = theirs.step(np.array([u]))
        np.testing.assert_allclose(after.state, theirs.state, atol=10 * accuracy if dtype == jnp.float32 else accuracy)
        np.testing.assert_allclose(after.observation, observation, atol=2e-6)  # theirs is float32
        np.testing.assert_allclose(after.reward, reward, rtol=accuracy, atol=10 * accuracy)
        assert bool(after.terminated) is over is False
        assert after.observation.dtype == after.reward.dtype == dtype


def test_limits_and_time_are_those_of_gymnasium():
    theirs: Any = gymnasium.make("Pendulum-v1")
    ours: Any = Pendulum()
    assert theirs.spec.max_episode_steps == ours.time_limit
    assert theirs.observation_space.shape == (ours.observation_size,)
    assert (theirs.action_space.low, theirs.action_space.high) == ([ours.actions.low], [ours.actions.high])


def test_reset_is_uniform_over_angles_and_slow_velocities():
    """Largest sizes and standard deviations of 4,000 starts within 5 standard errors: fails once in 10^6."""
    states = np.asarray(jax.vmap(lambda key: Pendulum().reset(key)[0])(jax.random.split(KEY, 4000)))
    for column, high in zip(states.T, (np.pi, 1), strict=True):
        assert 0.99 * high < abs(column).max() <= high * (1 + 1e-6)
        assert abs(column.mean()) < 5 * high / 3**0.5 / 4000**0.5
        np.testing.assert_allclose(column.std(), high / 3**0.5, rtol=0.06)


def test_discrete_actions_are_torques_from_one_limit_to_the_other():
    state = jnp.asarray([0.3, -0.2])
    env, free = Pendulum(jnp.float64, actions=Discrete(5)), Pendulum(jnp.float64)
    for a, u in enumerate((-2.0, -1.0, 0.0, 1.0, 2.0)):
        chosen, pushed = env.step(KEY, state, jnp.int32(a)), free.step(KEY, state, jnp.asarray([u]))
        np.testing.assert_array_equal(chosen.state, pushed.state)
        assert chosen.reward == pushed.reward


def test_one_torque_is_refused():
    with pytest.raises(ValueError, match=r"Discrete\(n=1\), expected at least two torques"):
        Pendulum(actions=Discrete(1))
