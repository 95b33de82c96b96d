"""Certified error bounds: from a Bellman residual to a distance, rounding included.

For a gamma-contraction T and any V with `lo <= TV - V <= hi` in every state,

    V + lo / (1 - gamma)  <=  V*  <=  V + hi / (1 - gamma)                       (MacQueen 1966, Porteus 1971)

where, if some episode can end, lo <= 0 <= hi is understood (an ended episode is a state of value 0 and residual 0).
A computed TV differs from the exact one by at most a radius proportional to the unit round-off u = 2^-53; with m the
largest number of successors of any state and action,

    |fl(TV) - TV|  <=  (m + 4) u (max|r| + 2 max|V|).

The factor 2 leaves room for rows of P that sum to 1 only up to rounding.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tabular.mdp import AnyMDP
from tabular.operators import backup

UNIT = float(np.finfo(np.float64).eps) / 2
RELATIVE_TOLERANCE = 1e-10
"""Accuracy of an answer for which no tolerance was asked: this times max(1, max|V|), or what float64 can certify."""


@dataclass(frozen=True)
class Certified:
    """State-action values with the proof of their accuracy."""

    Q: np.ndarray
    """Values, shape (S, A); -inf where infeasible."""
    V: np.ndarray
    """State values of Q, shape (S,)."""
    residual: float
    """Bellman residual `max |BQ - Q|`."""
    error: float
    """Certified bound on `max |Q - Q*|`, rounding included."""
    floor: float
    """The part of `error` that is due to rounding: no smaller tolerance can be certified for this MDP."""


@dataclass(frozen=True)
class Size:
    """What the rounding radius needs to know of an MDP."""

    successors: int
    """Largest number of successors of a state and action."""
    reward: float
    """Largest absolute feasible reward."""
    entropy: float
    """Largest entropy bonus, alpha log A (0 for the hard operator)."""

    def radius(self, top: float) -> float:
        """Rounding error of one backup of values up to `top` in absolute value."""
        return (self.successors + 4) * UNIT * (self.reward + 2 * top + 4 * self.entropy)


def size_of(mdp: AnyMDP, alpha: float | None = None) -> Size:
    """Successors, largest reward and largest entropy bonus of an MDP."""
    r = mdp.r
    low = r.min() if r.min() > -np.inf else np.where(mdp.feasible, r, 0.0).min()
    reward = float(max(r.max(), -low))
    return Size(mdp.successors, reward, 0.0 if alpha is None else alpha * math.log(mdp.A))


def middle(low: float, high: float, gamma: float, terminating: bool) -> float:
    """Constant to add to TV, where `low <= TV - V <= high`, so that V* lies as symmetrically about it as possible."""
    return 0.0 if terminating else gamma / (1 - gamma) * (low + high) / 2


def spread(low: float, high: float, gamma: float, terminating: bool) -> float:
    """Bound on `max |TV + middle - V*|` in exact arithmetic."""
    width = max(abs(low), abs(high)) if terminating else (high - low) / 2
    return gamma / (1 - gamma) * width


def rounding_floor(size: Size, gamma: float, top: float) -> float:
    """Smallest error that can be certified for values up to `top`: the radius of a backup over (1 - gamma)."""
    return size.radius(top) / (1 - gamma) * (1 + (size.successors + 8) * 2 * UNIT / (1 - gamma))


def certify(mdp: AnyMDP, V: np.ndarray, value, size: Size) -> Certified:
    """Back `V` up once and bound the distance of the result from the fixed point of the operator `value` belongs to.

        max |Q - Q*|  <=  (gamma max |TV - V| + radius) / (1 - gamma),      Q = r + gamma P V,  TV = value(Q)

    Needs gamma < 1. A V that is not finite has an infinite error.
    """
    Q = backup(mdp, V)
    TV = value(Q)
    step = TV - V
    top = float(max(abs(V).max(), abs(TV).max()))
    floor = rounding_floor(size, mdp.gamma, top)
    error = mdp.gamma * float(abs(step).max()) / (1 - mdp.gamma) * (1 + 16 * UNIT / (1 - mdp.gamma)) + floor
    residual = mdp.gamma * float(abs(np.where(mdp.feasible, mdp.expect(step), 0.0)).max())
    if not math.isfinite(error):
        error = residual = math.inf
    return Certified(Q, TV, residual, error, floor)


def wanted(tol: float | None, top: float, floor: float) -> float:
    """The tolerance in force: `tol`, or without one 1e-10 max(1, max|V|), but never below what rounding allows."""
    return max(RELATIVE_TOLERANCE * max(1.0, top), 4 * floor) if tol is None else tol


def check_tol(tol: float | None) -> None:
    """Raises ValueError unless `tol` is None or a positive number."""
    if tol is not None and not (tol > 0 and math.isfinite(tol)):
        raise ValueError(f"tol = {tol!r}, expected a positive number: the largest certified error that will do.")
