"""The cart and the pole (Barto, Sutton & Anderson 1983), step by step as Gymnasium's CartPole-v1."""

from __future__ import annotations

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from deep.envs.base import Discrete, Step

GRAVITY = 9.8
CART, POLE = 1.0, 0.1
"""Masses."""
HALF_LENGTH = 0.5
FORCE = 10.0
SECONDS = 0.02
FARTHEST = 2.4
STEEPEST = 12 * 2 * math.pi / 360
FIRST = 0.05
"""All four numbers start uniformly between minus and plus this."""


class CartPole(eqx.Module):
    """State and observation: position, velocity, angle, angular velocity. Pays 1 for every step, the last one too."""

    dtype: Any = eqx.field(static=True, default=jnp.float32)
    observation_size: int = eqx.field(static=True, default=4)
    actions: Discrete = eqx.field(static=True, default=Discrete(2))
    time_limit: int = eqx.field(static=True, default=500)

    def reset(self, key: PRNGKeyArray) -> tuple[Float[Array, "4"], Float[Array, "4"]]:
        state = jax.random.uniform(key, (4,), self.dtype, -FIRST, FIRST)
        return state, state

    def step(self, key: PRNGKeyArray, state: Float[Array, "4"], action: Array) -> Step:
        """Explicit Euler steps of the equations of Florian 2007, without friction."""
        x, speed, angle, turn = state
        force = jnp.where(action == 1, FORCE, -FORCE).astype(self.dtype)
        mass, moment = CART + POLE, POLE * HALF_LENGTH
        cos, sin = jnp.cos(angle), jnp.sin(angle)
        pushed = (force + moment * turn**2 * sin) / mass
        turning = (GRAVITY * sin - cos * pushed) / (HALF_LENGTH * (4.0 / 3.0 - POLE * cos**2 / mass))
        speeding = pushed - moment * turning * cos / mass
        state = jnp.stack(
            [x + SECONDS * speed, speed + SECONDS * speeding, angle + SECONDS * turn, turn + SECONDS * turning]
        )
        fallen = (abs(state[0]) > FARTHEST) | (abs(state[2]) > STEEPEST)
        return Step(state, state, jnp.ones((), self.dtype), fallen)
