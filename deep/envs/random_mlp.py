"""Dynamics drawn at random: a network with random weights that nobody knows, and normal noise."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from deep.envs.base import Box, Step
from deep.nets import MLP, Linear, mlp

CHANGE = 0.15
"""Gain of the last layer of f. At 0.3 the states of an episode may grow a hundredfold, at 1 a thousandfold."""
NOISE, UNEVEN = -1.0, 0.03
"""Mean logarithm of the noise's standard deviation, and the gain of its last layer."""


class RandomMLP(eqx.Module):
    """`s' = s + f(s, a) + sigma(s, a) z`, z standard normal, with random networks for f, log sigma and the reward.

    The artificial environment of Lovatto et al. 2020, sec. 5.1; sizes and gains aren't published, and chosen here.
    Starts are standard normal. Build it with `random_mlp`. The model that is right has the same parts:
    `Model(dynamics, payment, actions, gaussian=True, relative=True)`.
    """

    dynamics: MLP
    """From (a, s) to f and log sigma."""
    payment: MLP
    """From (a, s) to the reward."""
    actions: Box = eqx.field(static=True)
    time_limit: int = eqx.field(static=True, default=20)

    @property
    def dtype(self) -> Any:
        return self.dynamics.layers[0].W.dtype

    @property
    def observation_size(self) -> int:
        return self.dynamics.layers[-1].b.shape[-1] // 2

    def reset(self, key: PRNGKeyArray) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
        state = jax.random.normal(key, (self.observation_size,), self.dtype)
        return state, state

    def step(self, key: PRNGKeyArray, state: Float[Array, " n"], action: Float[Array, " m"]) -> Step:
        x = jnp.concatenate([action, state])
        change, log_sigma = jnp.split(self.dynamics(x), 2)
        after = state + change + jnp.exp(log_sigma) * jax.random.normal(key, state.shape, self.dtype)
        return Step(after, after, self.payment(x)[0], jnp.zeros((), bool))


def random_mlp(
    key: PRNGKeyArray,
    observation_size: int = 8,
    action_size: int = 4,
    hidden: tuple[int, ...] = (16, 16),
    dtype=jnp.float32,
    *,
    change: float = CHANGE,
    noise: float = NOISE,
) -> RandomMLP:
    """An environment with random weights. Call it outside `jit` and `vmap`: see `nets.stacked`.

    Args:
      hidden: units of each hidden layer of the dynamics.
      change, noise: see `CHANGE` and `NOISE`.

    Raises:
      ValueError for sizes below 1.
    """
    sizes = {"observation_size": observation_size, "action_size": action_size, "hidden": min(hidden, default=1)}
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name} = {size}, expected at least 1.")
    if not -5 <= noise <= 1:
        raise ValueError(f"noise = {noise}, expected a logarithm between -5 and 1, which models can express.")
    of_dynamics, of_reward = jax.random.split(key)
    n, inputs = observation_size, observation_size + action_size
    dynamics = mlp(of_dynamics, (inputs, *hidden, 2 * n), dtype, last_gain=1.0)
    *lower, last = dynamics.layers
    gains = jnp.concatenate([jnp.full((1, n), change, dtype), jnp.full((1, n), UNEVEN, dtype)], axis=1)
    bias = jnp.concatenate([jnp.zeros(n, dtype), jnp.full(n, noise, dtype)])
    dynamics = MLP((*lower, Linear(last.W * gains, bias)))
    reward = mlp(of_reward, (inputs, *hidden, 1), dtype, last_gain=1.0)
    return RandomMLP(dynamics, reward, Box(action_size, -1.0, 1.0))
