"""The pendulum to be swung up, step by step as Gymnasium's Pendulum-v1."""

from __future__ import annotations

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from deep.envs.base import Box, Discrete, Step

GRAVITY = 10.0
MASS = LENGTH = 1.0
SECONDS = 0.05
STRONGEST = 2.0
"""Torque."""
FASTEST = 8.0
"""Speed at which the pendulum is stopped from turning faster."""


class Pendulum(eqx.Module):
    """State: angle from upright (never wrapped) and angular velocity; observation: cosine, sine, angular velocity.

    Pays minus a cost for the state before the step and the torque. No state ends an episode. With `Discrete(n)` actions
    the torques are n equally spaced ones from -2 to 2.
    """

    dtype: Any = eqx.field(static=True, default=jnp.float32)
    observation_size: int = eqx.field(static=True, default=3)
    actions: Discrete | Box = eqx.field(static=True, default=Box(1, -STRONGEST, STRONGEST))
    time_limit: int = eqx.field(static=True, default=200)

    def __check_init__(self):
        if isinstance(self.actions, Discrete) and self.actions.n < 2:
            raise ValueError(f"actions = {self.actions}, expected at least two torques.")

    def reset(self, key: PRNGKeyArray) -> tuple[Float[Array, "2"], Float[Array, "3"]]:
        """An angle anywhere, a velocity of 1 at most, both uniform."""
        low = jnp.asarray([-math.pi, -1.0], self.dtype)
        state = jax.random.uniform(key, (2,), self.dtype, low, -low)
        return state, observed(state)

    def step(self, key: PRNGKeyArray, state: Float[Array, "2"], action: Array) -> Step:
        u = self.torque(action)
        after = turned(state, u)
        return Step(after, observed(after), reward(state, u), jnp.zeros((), bool))

    def torque(self, action: Array) -> Float[Array, ""]:
        """The torque of an action: of its number, or within the limits."""
        if isinstance(self.actions, Discrete):
            return torques(self.actions.n, self.dtype)[action]
        return jnp.clip(action[0], -STRONGEST, STRONGEST)


def torques(n: int, dtype) -> Float[Array, " n"]:
    """Equally spaced torques from the strongest one way to the strongest the other way."""
    return jnp.linspace(-STRONGEST, STRONGEST, n, dtype=dtype)


def turned(state: Float[Array, "*batch 2"], u: Float[Array, "*batch"]) -> Float[Array, "*batch 2"]:
    """The state after a step: the velocity first, then the angle with the new velocity."""
    angle, speed = state[..., 0], state[..., 1]
    push = 3 * GRAVITY / (2 * LENGTH) * jnp.sin(angle) + 3.0 / (MASS * LENGTH**2) * u
    speed = jnp.clip(speed + push * SECONDS, -FASTEST, FASTEST)
    return jnp.stack([angle + speed * SECONDS, speed], axis=-1)


def reward(state: Float[Array, "*batch 2"], u: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
    """`-(angle^2 + speed^2 / 10 + u^2 / 1000)`, the angle between -pi and pi."""
    return -(wrapped(state[..., 0]) ** 2 + 0.1 * state[..., 1] ** 2 + 0.001 * u**2)


def wrapped(angle: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
    """The same angle from -pi to pi."""
    return (angle + math.pi) % (2 * math.pi) - math.pi


def observed(state: Float[Array, "*batch 2"]) -> Float[Array, "*batch 3"]:
    """Cosine and sine of the angle, and the angular velocity."""
    return jnp.stack([jnp.cos(state[..., 0]), jnp.sin(state[..., 0]), state[..., 1]], axis=-1)
