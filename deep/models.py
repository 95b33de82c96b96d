"""Learned dynamics: what a state and an action lead to, and what they pay."""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from deep.envs.base import Box, Discrete
from deep.nets import MLP, mlp
from deep.replay import Transitions

LOG_STD = (-5.0, 2.0)
"""Where the logarithm of the standard deviation is clipped: the code published with Nikishin et al. 2021."""


class Prediction(NamedTuple):
    """What a model says of the next state: a point, or independent normal distributions."""

    mean: Float[Array, "*batch observation"]
    log_std: Float[Array, "*batch observation"] | None
    """None: the point `mean`."""
    r: Float[Array, "*batch"]

    def draw(self, key: PRNGKeyArray) -> Float[Array, "*batch observation"]:
        """A next state, differentiable in the prediction."""
        if self.log_std is None:
            return self.mean
        return self.mean + jnp.exp(self.log_std) * jax.random.normal(key, self.mean.shape, self.mean.dtype)

    def surprise(self, s_next: Float[Array, "*batch observation"]) -> Float[Array, "*batch"]:
        """`-log p(s')` in nats; for a point the squared distance `|s' - mean|^2`."""
        off = (s_next - self.mean) ** 2
        if self.log_std is None:
            return off.sum(-1)
        return (off * jnp.exp(-2 * self.log_std) / 2 + self.log_std + jnp.log(2 * jnp.pi) / 2).sum(-1)


class Model(eqx.Module):
    """Two perceptrons of (a, s): one predicts the next state, one the reward."""

    dynamics: MLP
    reward: MLP
    actions: Discrete | Box = eqx.field(static=True)
    gaussian: bool = eqx.field(static=True, default=False)
    relative: bool = eqx.field(static=True, default=False)
    """Whether `dynamics` predicts s' - s instead of s'."""

    def __call__(self, s: Float[Array, "*batch observation"], a: Array) -> Prediction:
        x = inputs(self.actions, s, a)
        out = self.dynamics(x)
        mean, log_std = jnp.split(out, 2, axis=-1) if self.gaussian else (out, None)
        if log_std is not None:
            log_std = jnp.clip(log_std, *LOG_STD)
        return Prediction(mean + s if self.relative else mean, log_std, self.reward(x)[..., 0])


def inputs(actions: Discrete | Box, s: Float[Array, "*batch observation"], a: Array) -> Float[Array, "*batch inputs"]:
    """Action, one-hot if discrete, then state: padding a state with zeros at its end moves nothing."""
    a = jax.nn.one_hot(a, actions.n, dtype=s.dtype) if isinstance(actions, Discrete) else a
    return jnp.concatenate([a, s], axis=-1)


def model(
    key: PRNGKeyArray,
    observation_size: int,
    actions: Discrete | Box,
    hidden: tuple[int, ...],
    dtype,
    *,
    gaussian: bool = False,
    relative: bool = False,
) -> Model:
    """A model with random weights. Call it outside `jit` and `vmap`: see `nets.stacked`.

    Args:
      hidden: units of each hidden layer, the same for next states and rewards: how much the model can express.
    """
    of_states, of_rewards = jax.random.split(key)
    width = observation_size + (actions.n if isinstance(actions, Discrete) else actions.size)
    outputs = observation_size * (2 if gaussian else 1)
    dynamics = mlp(of_states, (width, *hidden, outputs), dtype)
    return Model(dynamics, mlp(of_rewards, (width, *hidden, 1), dtype), actions, gaussian, relative)


def imagined(model: Model, batch: Transitions, key: PRNGKeyArray) -> Transitions:
    """The batch with next states and rewards of the model. Where episodes end stays the truth's."""
    prediction = model(batch.s, batch.a)
    return batch._replace(s_next=prediction.draw(key), r=prediction.r)
