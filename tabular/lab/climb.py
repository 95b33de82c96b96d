"""Gradient ascent in JAX: all lanes at once, through the implicit derivatives of the fixed points."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from tabular import device
from tabular.claims.claim import Claim, Instance
from tabular.lab.lanes import AIMS, REACH, Lane, Values, arrays, score

assert device  # importing it switches JAX to float64

STEPS, CHUNKS = 400, 40
"""Steps of Adam, and how often the loop comes back to tell how far it is and to hear Ctrl-C."""
OPTIMIZER = optax.adam(optax.cosine_decay_schedule(0.3, STEPS), b2=0.99, eps=1e-30)
KICK = 0.01
"""Standard deviation of the steps, all in one random direction, that a lane takes where it has no slope."""
UNTRACEABLE = (jax.errors.JAXTypeError, jax.errors.JAXIndexError, jax.errors.UnexpectedTracerError)
"""What JAX raises where a statement's structure depends on the numbers."""


def climbed(claim: Claim, lanes: Sequence[Lane]) -> Generator[tuple[float, Values], None, list[Values] | None]:
    """The best instance met on each lane, or None if JAX can't trace the claim.

    Yields how large a share is done, and the instance of the largest ratio so far.

    Args:
      lanes: of instances of equal sizes.
    """
    theta, data = _stacked([(lane.theta, (lane.kept, lane.tied, lane.aim)) for lane in lanes])
    rng = np.random.default_rng(0)
    kicks = jax.tree.map(lambda value: KICK * rng.normal(size=value.shape), theta)
    now = _Now(theta, _zeros(OPTIMIZER.init, theta), theta, np.full(len(lanes), -np.inf))
    climb = jax.jit(partial(_chunk, jax.vmap(jax.value_and_grad(partial(_score, claim)))))
    for chunk in range(1, CHUNKS + 1):
        with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
            try:
                now = jax.block_until_ready(climb(now, data, kicks))
            except UNTRACEABLE:
                return None
        yield chunk / CHUNKS, _reached(claim, lanes, now, _leader(lanes, now))
    return [_reached(claim, lanes, now, i) for i in range(len(lanes))]


class _Now(NamedTuple):
    """Where all lanes are, the optimiser's moments, and the best that each lane has met."""

    theta: Any
    moments: Any
    best: Any
    top: Any


def _reached(claim: Claim, lanes: Sequence[Lane], now: _Now, i: int) -> Values:
    """The best instance met on lane i."""
    theta = {name: np.asarray(value[i]) for name, value in now.best.items()}
    return arrays(claim, theta, lanes[i].kept, lanes[i].tied, np)


def _leader(lanes: Sequence[Lane], now: _Now) -> int:
    """The lane that is highest, of those that climb the ratio."""
    ratio = np.array([tuple(lane.aim) == AIMS[0] for lane in lanes])
    return int(np.argmax(np.where(ratio, now.top, -np.inf)))


def _stacked(trees):
    return jax.tree.map(lambda *leaves: np.stack(leaves), *trees)


def _zeros(function: Callable, argument):
    """Zeros of the shapes that a function returns, without a compiler."""
    return jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), jax.eval_shape(function, argument))


def _score(claim: Claim, theta, data):
    """What is climbed on one lane."""
    kept, tied, aim = data
    return score(claim, Instance(arrays(claim, theta, kept, tied, jnp)), aim, jnp)


def _chunk(slopes: Callable, now: _Now, data, kicks) -> _Now:
    """Some steps of Adam. A parameter whose derivative is no number stands still, unless they all have none."""

    def step(now, _):
        value, slope = slopes(now.theta, data)
        best = jax.tree.map(partial(_where, value > now.top), now.theta, now.best)
        down = jax.tree.map(lambda g: -jnp.where(jnp.isfinite(g), g, 0.0), slope)
        change, moments = OPTIMIZER.update(down, now.moments)
        move = jax.tree.map(partial(_where, _is_flat(down)), kicks, change)
        theta = jax.tree.map(lambda here, by: jnp.clip(here + by, -REACH, REACH), now.theta, move)
        return _Now(theta, moments, best, jnp.where(value > now.top, value, now.top)), None

    return lax.scan(step, now, length=STEPS // CHUNKS)[0]


def _is_flat(slope):
    """Which lanes have no slope at all."""
    return jnp.all(jnp.stack([jnp.all(g.reshape(len(g), -1) == 0, axis=1) for g in jax.tree.leaves(slope)]), axis=0)


def _where(condition, new, old):
    """For each lane one array or the other."""
    return jnp.where(condition.reshape(-1, *[1] * (new.ndim - 1)), new, old)
