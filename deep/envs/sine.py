"""Observations made longer by a dynamical system that is hard to predict and means nothing for the task."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from deep.envs.base import Box, Discrete, Env, Step

FARTHEST = 20.0
"""A number beyond this size jumps back."""
SPREAD, START = 10.0, 0.1
"""Standard deviations of the weights and of the first state. The paper's N(0., 10.) could be read as variances."""


class Weights(NamedTuple):
    """What is drawn once for an environment."""

    linear: Float[Array, "n n"]
    """Used by the code's form only."""
    sine: Float[Array, "n n"]
    first: Float[Array, " n"]
    """Where the system starts (paper)."""
    again: Float[Array, " n"]
    """Where numbers jump to that have gone too far."""


def paper_step(weights: Weights, z: Float[Array, " n"]) -> Float[Array, " n"]:
    """`z + sin(A z)`, and back to the start where that is 20 or more: Voelcker et al. 2022, eq. 18."""
    after = z + jnp.sin(weights.sine @ z)
    return jnp.where(abs(after) >= FARTHEST, weights.again, after)


def code_step(weights: Weights, z: Float[Array, " n"]) -> Float[Array, " n"]:
    """`x = M z`, then `x + 0.1 sin(P x)`, and to a fixed vector where that is above 20: `distractor_dimensions.py`."""
    x = weights.linear @ z
    after = x + 0.1 * jnp.sin(weights.sine @ x)
    return jnp.where(abs(after) > FARTHEST, weights.again, after)


class SineDistractors(eqx.Module):
    """Numbers of a system of its own after the observation. Build it with `sine_distractors`."""

    env: Env
    weights: Weights
    advance: Callable[[Weights, Array], Array] = eqx.field(static=True)
    start: Callable[[Weights, PRNGKeyArray], Array] = eqx.field(static=True)

    @property
    def dtype(self) -> Any:
        return self.env.dtype

    @property
    def observation_size(self) -> int:
        return self.env.observation_size + self.weights.first.shape[-1]

    @property
    def actions(self) -> Discrete | Box:
        return self.env.actions

    @property
    def time_limit(self) -> int:
        return self.env.time_limit

    def reset(self, key: PRNGKeyArray) -> tuple[Any, Float[Array, " observation"]]:
        of_env, of_start = jax.random.split(key)
        state, observation = self.env.reset(of_env)
        z = self.start(self.weights, of_start)
        return (state, z), jnp.concatenate([observation, z])

    def step(self, key: PRNGKeyArray, state: Any, action: Array) -> Step:
        inner, z = state
        step, z = self.env.step(key, inner, action), self.advance(self.weights, z)
        return step._replace(state=(step.state, z), observation=jnp.concatenate([step.observation, z]))


def sine_distractors(env: Env, size: int, *, seed: int, form: str = "paper") -> SineDistractors:
    """An environment with `size` numbers of the sine dynamics after its observation (Voelcker et al. 2022, app. E).

    Args:
      seed: of the system's weights, which stay for all episodes.
      form: "paper", `z + sin(A z)` with A ~ N(0, 10) and one start for all episodes; or "code", what the published
        code does: a random linear map, a tenth of a sine with squared N(0, 10) weights, starts drawn anew and moved
        on once before they are seen, jumps to another fixed vector than the start. Sizes are taken number by number in
        both.

    Raises:
      ValueError for an unknown form or a size below 1.
    """
    if form not in FORMS:
        raise ValueError(f"form = {form!r}, expected one of {', '.join(FORMS)}.")
    if size < 1:
        raise ValueError(f"size = {size}, expected at least one number.")
    draw, advance, start = FORMS[form]
    weights = draw(jax.random.key(seed, impl="threefry2x32"), size, env.dtype)
    return SineDistractors(env, weights, advance, start)


def _paper_weights(key: PRNGKeyArray, n: int, dtype) -> Weights:
    of_sine, of_first = jax.random.split(key)
    first = START * jax.random.normal(of_first, (n,), dtype)
    return Weights(jnp.eye(n, dtype=dtype), SPREAD * jax.random.normal(of_sine, (n, n), dtype), first, first)


def _code_weights(key: PRNGKeyArray, n: int, dtype) -> Weights:
    of_linear, of_sine, of_again = jax.random.split(key, 3)
    sine = (SPREAD * jax.random.normal(of_sine, (n, n), dtype)) ** 2
    linear = jax.random.normal(of_linear, (n, n), dtype)
    return Weights(linear, sine, jnp.zeros(n, dtype), jax.random.normal(of_again, (n,), dtype))


def _paper_start(weights: Weights, key: PRNGKeyArray) -> Array:
    return weights.first


def _code_start(weights: Weights, key: PRNGKeyArray) -> Array:
    z = START * jax.random.normal(key, weights.first.shape, weights.first.dtype)
    return code_step(weights, z)


FORMS = {"paper": (_paper_weights, paper_step, _paper_start), "code": (_code_weights, code_step, _code_start)}
