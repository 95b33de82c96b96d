"""Gradient ascent in JAX: all lanes at once, through the implicit derivatives of the fixed points."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from tabular import device
from tabular.claims.claim import Claim, Instance
from tabular.lab.lanes import Lane, Values, arrays, score

assert device  # importing it switches JAX to float64

STEPS, CHUNKS = 400, 10
"""Steps of Adam, and how often the loop comes back to move a progress bar and to hear Ctrl-C."""
LR = 0.3
"""First step size; it falls to 0 along a cosine."""
UNTRACEABLE = (jax.errors.JAXTypeError, jax.errors.JAXIndexError, jax.errors.UnexpectedTracerError)
"""What JAX raises where a statement's structure depends on the numbers."""


def climbed(claim: Claim, lanes: Sequence[Lane], advance: Callable[[int], object]) -> list[Values] | None:
    """The best instance met on each lane, or None if JAX can't trace the claim.

    What isn't moved is traced with the rest where that is possible. Where it isn't (a horizon that is the length of a
    loop), lanes that share it climb together.
    """
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        traced = _Score(claim, {})
        if traced.is_traceable(lanes[0]):
            return _together(claim, traced, lanes, advance)
        if not lanes[0].kept:
            return None
        groups: dict[Any, list[int]] = {}
        for i, lane in enumerate(lanes):
            groups.setdefault(tuple(value.tobytes() for value in lane.kept.values()), []).append(i)
        found: dict[int, Values] = {}
        for group in groups.values():
            fixed = _Score(claim, lanes[group[0]].kept)
            if not fixed.is_traceable(lanes[group[0]]):
                return None
            share = len(group) / len(lanes)
            best = _together(claim, fixed, [lanes[i] for i in group], lambda steps, share=share: advance(steps * share))
            found |= dict(zip(group, best, strict=True))
        return [found[i] for i in range(len(lanes))]


class _Score:
    """What is climbed as a function of one lane's parameters; `fixed` are fields that JAX takes for constants."""

    def __init__(self, claim: Claim, fixed: Mapping[str, np.ndarray]):
        self.claim, self.fixed = claim, fixed

    def __call__(self, theta, data):
        kept, tied, aim = data
        built = arrays(self.claim, theta, {**kept, **self.fixed}, tied, jnp)
        moved_first = {name: built[name] for name in (*theta, *built)}
        return score(self.claim, Instance(moved_first), aim, jnp)

    def data(self, lane: Lane):
        kept = {name: value for name, value in lane.kept.items() if name not in self.fixed}
        return kept, lane.tied, lane.aim

    def is_traceable(self, lane: Lane) -> bool:
        try:
            jax.eval_shape(self, lane.theta, self.data(lane))
        except UNTRACEABLE:
            return False
        return True


def _together(claim: Claim, function: _Score, lanes: Sequence[Lane], advance: Callable[[int], object]) -> list[Values]:
    """Climb along lanes of equal shapes."""
    theta = _stacked([lane.theta for lane in lanes])
    data = _stacked([function.data(lane) for lane in lanes])
    begin, climb = _ascent(function)
    now = begin(theta)
    for _ in range(CHUNKS):
        now = climb(now, data)
        advance(STEPS // CHUNKS)
    best = jax.tree.map(np.asarray, now.best)
    return [
        arrays(claim, {name: best[name][i] for name in best}, lane.kept, lane.tied, np) for i, lane in enumerate(lanes)
    ]


def _stacked(trees):
    return jax.tree.map(lambda *leaves: np.stack(leaves), *trees)


@jax.tree_util.register_dataclass
class _Now:
    pass
