"""Observations made longer by numbers that mean nothing for the task."""

from __future__ import annotations

from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from deep.envs.base import Box, Discrete, Env, Step


class GaussianDistractors(eqx.Module):
    """Independent N(0, 1) numbers after the observation, new in every step (Nikishin et al. 2021, sec. 5.2).

    `active` may be smaller than `size`: the other numbers are 0, so that environments of different `active` share one
    shape.
    """

    env: Env
    active: Int[Array, ""] = eqx.field(converter=partial(jnp.asarray, dtype=jnp.int32))
    """How many there are, a whole number up to `size`; may be traced."""
    size: int = eqx.field(static=True)

    @property
    def dtype(self) -> Any:
        return self.env.dtype

    @property
    def observation_size(self) -> int:
        return self.env.observation_size + self.size

    @property
    def actions(self) -> Discrete | Box:
        return self.env.actions

    @property
    def time_limit(self) -> int:
        return self.env.time_limit

    def reset(self, key: PRNGKeyArray) -> tuple[Any, Float[Array, " observation"]]:
        first, noise = jax.random.split(key)
        state, observation = self.env.reset(first)
        return state, self._with_noise(noise, observation)

    def step(self, key: PRNGKeyArray, state: Any, action: Array) -> Step:
        on, noise = jax.random.split(key)
        step = self.env.step(on, state, action)
        return step._replace(observation=self._with_noise(noise, step.observation))

    def _with_noise(self, key: PRNGKeyArray, observation: Array) -> Array:
        """Each number is drawn from its own key, so that a larger `size` leaves the first ones as they are."""
        keys = jax.vmap(lambda i: jax.random.fold_in(key, i))(jnp.arange(self.size))
        noise = jax.vmap(lambda key: jax.random.normal(key, (), self.dtype))(keys)
        zero = jnp.zeros((), self.dtype)
        return jnp.concatenate(
            [observation, jnp.where(jnp.arange(self.size, dtype=jnp.int32) < self.active, noise, zero)]
        )
