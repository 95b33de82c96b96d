"""Agents that walk in a model: single walks, and the probability of having arrived."""

from __future__ import annotations

import numpy as np

from tabular.linear import DENSE_STATES
from tabular.widgets.dynamics.dream import Successors

LONGEST_WALK = 150
LONGEST_CHART, SHORTEST_CHART = 150, 12
SETTLED = 0.01
"""The chart ends where nothing rises by more than this share any more."""


def walks(
    world: Successors, q: np.ndarray, action: np.ndarray, ends: np.ndarray, start: int, random: np.random.Generator
) -> dict[str, np.ndarray]:
    """States of a walk in truth and of one in a model q (S, A, K), with the same random numbers step by step."""
    luck = random.uniform(size=LONGEST_WALK)
    return {
        name: one_walk(world.index, each, action, ends, start, luck)
        for name, each in (("truth", world.p), ("dream", q))
    }


def one_walk(
    index: np.ndarray, q: np.ndarray, action: np.ndarray, ends: np.ndarray, start: int, luck: np.ndarray
) -> np.ndarray:
    """States from the start to an end, or as many as there are random numbers."""
    states, s = [start], start
    for u in luck:
        if ends[s]:
            break
        a = action[s]
        k = int(np.searchsorted(np.cumsum(q[s, a]), u, side="right"))
        k = min(k, int(np.flatnonzero(q[s, a])[-1]))  # rounding of the last sum
        s = int(index[s, a, k])
        states.append(s)
    return np.array(states)


def arrivals(chain, rho: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Probability of being in groups (S, n) of states that are never left after t = 0, 1, ... steps, shape (T, n)."""
    backward = chain.T.toarray() if len(rho) <= DENSE_STATES else chain.T.tocsr()
    d, found = rho, []
    for _ in range(LONGEST_CHART):
        found.append(d @ groups)
        d = backward @ d
    return np.array(found)


def horizon(curves: list[np.ndarray]) -> int:
    """Number of steps after which no curve rises by more than 1 % of its end."""
    settled = [int(np.argmax(curve >= (1 - SETTLED) * curve[-1])) + 1 for curve in curves if curve[-1] > 0]
    return max(SHORTEST_CHART, *settled) if settled else SHORTEST_CHART
