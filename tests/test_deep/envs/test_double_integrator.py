"""The double integrator is the linear-quadratic system of `tabular`, and its published form differs as it says."""

import jax
import jax.numpy as jnp
import numpy as np

from deep.envs import DoubleIntegrator
from tabular.worlds.continuous import double_integrator, linear_return

KEY = jax.random.key(0)


def follow(env, K, steps, gamma=0.99):
    """Discounted return of a linear policy from the start."""

    def step(state, t):
        after = env.step(KEY, state, K @ state)
        return after.state, gamma**t * after.reward

    return jax.lax.scan(step, env.reset(KEY)[0], jnp.arange(steps, dtype=jnp.float64))[1].sum()


def test_return_of_a_linear_policy_is_the_closed_form():
    """What is left after 1,000 steps is below gamma^1000 = 4e-5 of a state that has decayed."""
    K = jnp.asarray([[-1.0, -1.5]])
    exact = linear_return(double_integrator(), np.asarray(K), np.ones((2, 2)))
    np.testing.assert_allclose(follow(DoubleIntegrator(jnp.float64), K, 1000), exact, rtol=1e-9)


def test_published_code_pays_a_tenth_and_clips():
    """Numbers by hand from `step` of the published environment."""
    env = DoubleIntegrator.published(jnp.float64)
    step = env.step(KEY, jnp.asarray([-0.99, -0.98]), jnp.asarray([-3.0]))
    np.testing.assert_allclose(step.state, [-1.0, -1.0])  # -0.99 - 0.049 and -0.98 - 0.05, clipped
    np.testing.assert_allclose(step.reward, -0.05 * (0.99**2 + 0.98**2 + 1))
    free = DoubleIntegrator(jnp.float64).step(KEY, jnp.asarray([-0.99, -0.98]), jnp.asarray([-3.0]))
    np.testing.assert_allclose(free.state, [-1.039, -1.13])
    np.testing.assert_allclose(free.reward, -0.5 * (0.99**2 + 0.98**2 + 9))


def test_start_and_dtype():
    state, observation = DoubleIntegrator().reset(KEY)
    np.testing.assert_array_equal(state, [1, 1])
    step = DoubleIntegrator().step(KEY, state, jnp.zeros(1, jnp.float32))
    assert observation.dtype == step.observation.dtype == step.reward.dtype == jnp.float32
