"""Gradient ascent in JAX: all lanes at once, through the implicit derivatives of the fixed points."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from tabular import device
from tabular.claims.claim import Claim, Instance
from tabular.lab.lanes import REACH, Lane, Values, arrays, score

assert device  # importing it switches JAX to float64

STEPS, CHUNKS = 400, 10
"""Steps of Adam, and how often the loop comes back to move a progress bar and to hear Ctrl-C."""
OPTIMIZER = optax.adam(optax.cosine_decay_schedule(0.3, STEPS), b2=0.99, eps=1e-30)
UNTRACEABLE = (jax.errors.JAXTypeError, jax.errors.JAXIndexError, jax.errors.UnexpectedTracerError)
"""What JAX raises where a statement's structure depends on the numbers."""


def climbed(claim: Claim, lanes: Sequence[Lane], advance: Callable[[float], object]) -> list[Values] | None:
    """The best instance met on each lane, or None if JAX can't trace the claim.

    What isn't moved is traced with the rest where that is possible. Where it isn't (a horizon that is the length of a
    loop), JAX takes it for a constant, and lanes that share it climb together.

    Args:
      advance: told after every part of the work how large a share of the whole it was.
    """
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        try:
            return _together(claim, lanes, {}, advance)
        except UNTRACEABLE:
            pass
        groups: dict[tuple[bytes, ...], list[int]] = {}
        for i, lane in enumerate(lanes):
            groups.setdefault(tuple(value.tobytes() for value in lane.kept.values()), []).append(i)
        found: dict[int, Values] = {}
        try:
            for group in groups.values():
                share = len(group) / len(lanes)
                tell = lambda part, share=share: advance(part * share)  # noqa: E731
                found |= zip(
                    group, _together(claim, [lanes[i] for i in group], lanes[group[0]].kept, tell), strict=True
                )
        except UNTRACEABLE:
            return None
        return [found[i] for i in range(len(lanes))]


class _Now(NamedTuple):
    """Where all lanes are, the optimiser's moments, and the best that each lane has met."""

    theta: Any
    moments: Any
    best: Any
    top: Any


def _together(
    claim: Claim, lanes: Sequence[Lane], constant: Values, advance: Callable[[float], object]
) -> list[Values]:
    """Climb along lanes of equal shapes in one compiled loop. Raises what JAX raises if it can't trace the claim."""
    theta, data = _stacked([(lane.theta, _data(lane, constant)) for lane in lanes])
    now = _Now(theta, _zeros(OPTIMIZER.init, theta), theta, np.full(len(lanes), -np.inf))
    slopes = jax.vmap(jax.value_and_grad(partial(_score, claim, constant)))
    climb = jax.jit(partial(_chunk, slopes))
    for _ in range(CHUNKS):
        now = jax.block_until_ready(climb(now, data))
        advance(1 / CHUNKS)
    best = {name: np.asarray(value) for name, value in now.best.items()}
    return [
        arrays(claim, {name: best[name][i] for name in best}, lane.kept, lane.tied, np) for i, lane in enumerate(lanes)
    ]


def _stacked(trees):
    return jax.tree.map(lambda *leaves: np.stack(leaves), *trees)


def _zeros(function: Callable, argument):
    """Zeros of the shapes that a function returns, without a compiler."""
    return jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), jax.eval_shape(function, argument))


def _data(lane: Lane, constant: Values):
    """What a lane's score depends on beside its parameters."""
    return {name: value for name, value in lane.kept.items() if name not in constant}, lane.tied, lane.aim


def _score(claim: Claim, constant: Values, theta, data):
    kept, tied, aim = data
    built = arrays(claim, theta, {**kept, **constant}, tied, jnp)
    moved_first = {name: built[name] for name in (*theta, *built)}  # the first array decides the namespace
    return score(claim, Instance(moved_first), aim, jnp)


def _chunk(slopes: Callable, now: _Now, data) -> _Now:
    """Some steps of Adam. A parameter whose derivative is no number stands still for a step."""

    def step(now, _):
        value, slope = slopes(now.theta, data)
        best = jax.tree.map(partial(_where, value > now.top), now.theta, now.best)
        down = jax.tree.map(lambda g: -jnp.where(jnp.isfinite(g), g, 0.0), slope)
        change, moments = OPTIMIZER.update(down, now.moments)
        theta = jax.tree.map(lambda new: jnp.clip(new, -REACH, REACH), optax.apply_updates(now.theta, change))
        return _Now(theta, moments, best, jnp.where(value > now.top, value, now.top)), None

    return lax.scan(step, now, length=STEPS // CHUNKS)[0]


def _where(better, new, old):
    """For each lane its new array or its old one."""
    return jnp.where(better.reshape(-1, *[1] * (new.ndim - 1)), new, old)
