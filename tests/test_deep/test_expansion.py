"""MAAC's objective on the double integrator, where values and gradients are known in closed form."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deep.expansion import expanded_gradients, expanded_return, expanded_returns
from tabular.worlds.continuous import (
    critic_matrix,
    double_integrator,
    linear_expansion_gradient,
    linear_gradient,
    linear_return,
)

KEY = jax.random.key(0)
SYSTEM = double_integrator(gamma=0.9)
K = np.array([[-1.0, -1.5]])
START = np.array([1.0, 1.0])
MOMENTS = np.outer(START, START)
H_MAX = 100


def policy(K, s, key):
    return K @ s


def dynamics(s, a, key):
    return jnp.asarray(SYSTEM.step.W) @ jnp.concatenate([s, a])


def quadratic(M, s, a):
    x = jnp.concatenate([s, a])
    return -(x @ jnp.asarray(M) @ x) / 2


EXACT = (policy, dynamics, partial(quadratic, SYSTEM.M), partial(quadratic, critic_matrix(SYSTEM, K)))


@pytest.fixture(scope="module")
def found():
    """Values and gradients with nothing wrong, for H = 0, ..., H_MAX."""
    arguments = (jnp.asarray(K), *EXACT, jnp.asarray(START), KEY)
    how = {"H_max": H_MAX, "gamma": SYSTEM.gamma}
    values = jax.jit(lambda: expanded_returns(*arguments, **how))()
    return np.asarray(values), np.asarray(jax.jit(lambda: expanded_gradients(*arguments, **how))())


def test_value_with_the_truth_is_the_return_for_every_horizon(found):
    np.testing.assert_allclose(found[0], linear_return(SYSTEM, K, MOMENTS), rtol=1e-12)


def test_gradient_with_the_truth_is_the_policy_gradient_truncated_after_H(found):
    for H in (0, 1, 5, 20, H_MAX):
        np.testing.assert_allclose(found[1][H], linear_expansion_gradient(SYSTEM, K, MOMENTS, H), rtol=1e-10)


def test_gradient_tends_to_the_policy_gradient(found):
    """For K = (-1, -1.5), start (1, 1), dt = 0.05, gamma = 0.9: not 0 at H = 0, although nothing is wrong."""
    exact = linear_gradient(SYSTEM, K, MOMENTS)
    off = abs(found[1] - exact[None]).sum((1, 2)) / abs(exact).sum()
    assert off[0] > 0.5 and 0.1 < off[5] < off[0] and off[20] < 0.1
    assert (np.diff(off[:20]) < 0).all() and off[-1] < 1e-4


def test_gradient_at_0_is_that_of_the_actor():
    """`d/dK Q(s, K s)` with Q held: the actor's gradient in SAC without its entropy."""
    wrong = (policy, lambda s, a, key: jnp.full(2, jnp.nan), *EXACT[2:])
    ours = jax.grad(expanded_return)(jnp.asarray(K), *wrong, jnp.asarray(START), KEY, H=0, gamma=0.9)
    H = critic_matrix(SYSTEM, K)
    by_hand = -(H @ np.concatenate([START, K @ START]))[2:, None] * START[None]
    np.testing.assert_allclose(ours, by_hand, rtol=1e-12)


def test_policies_with_noise_are_differentiated_pathwise():
    """a = K s + e: with the same e, backward and forward derivatives and finite differences agree."""

    def noisy(K, s, key):
        return K @ s + 0.3 * jax.random.normal(key, (1,))

    arguments = (noisy, *EXACT[1:], jnp.asarray(START), KEY)
    value = jax.jit(lambda K: expanded_return(K, *arguments, H=4, gamma=0.9))
    backward = jax.grad(value)(jnp.asarray(K))
    forward = expanded_gradients(jnp.asarray(K), *arguments, H_max=4, gamma=0.9)[4]
    np.testing.assert_allclose(backward, forward, rtol=1e-12)
    step = 1e-5 * np.array([[1.0, 0.0]])
    slope = (value(jnp.asarray(K + step)) - value(jnp.asarray(K - step))) / 2e-5
    np.testing.assert_allclose(backward[0, 0], slope, rtol=1e-6)
