"""Certified error bounds: from a Bellman residual to a distance, rounding included.

For a gamma-contraction T and any V with `low <= TV - V <= high` in every state,

    V + low / (1 - gamma)  <=  V*  <=  V + high / (1 - gamma)                    (MacQueen 1966, Porteus 1971)

so that TV, shifted to the middle of these bounds, is off by at most `gamma / (1 - gamma) (high - low) / 2`: the *range*
of TV - V counts, not its size. If some episode can end, `low <= 0 <= high` is understood (an ended episode is a state
of value 0 and residual 0). Where 0 lies between the bounds nothing is shifted: a state whose value is known, such as an
absorbing goal, keeps it.

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


@dataclass(frozen=True)
class Sweep:
    """One application of an operator T, and what it tells of the fixed point V*: `max |TV + shift - V*| <= error`."""

    V: np.ndarray
    """Where it was applied, shape (S,)."""
    Q: np.ndarray
    """`r + gamma P V`, shape (S, A)."""
    TV: np.ndarray
    """Shape (S,)."""
    rise: float
    """`max (TV - V)`."""
    shift: float
    """From TV to the middle of the bounds on V*."""
    error: float
    """Half the distance of these bounds, rounding included."""
    floor: float
    """The part of `error` that is due to rounding."""
    top: float
    """`max |TV + shift|`."""

    def goal(self, tol: float | None) -> float:
        """The tolerance in force, or about what rounding allows if that is more."""
        return max(wanted(tol, self.top, self.floor), 1.5 * self.floor)

    def suffices(self, tol: float | None) -> bool:
        """Whether the error is down to the goal, or not finite: then it won't mend."""
        return not self.goal(tol) < self.error < math.inf


def size_of(mdp: AnyMDP, alpha: float | None = None) -> Size:
    """Successors, largest reward and largest entropy bonus of an MDP."""
    return Size(mdp.successors, mdp.largest_reward, 0.0 if alpha is None else alpha * math.log(mdp.A))


def sweep(mdp: AnyMDP, V: np.ndarray, value, size: Size) -> Sweep:
    """Apply `TV = value(r + gamma P V)` once and bound the distance from its fixed point. Needs gamma < 1."""
    Q = backup(mdp, V)
    TV = value(Q)
    step = TV - V
    low, high = float(step.min()), float(step.max())
    shift, error = middle(low, high, mdp.gamma, mdp.terminating)
    highest, lowest = float(TV.max()), float(TV.min())
    top = max(highest + shift, -(lowest + shift))
    floor = rounding_floor(size, mdp.gamma, max(top, highest, -lowest) + max(-low, high))
    return Sweep(V, Q, TV, high, shift, error * (1 + 16 * UNIT / (1 - mdp.gamma)) + floor, floor, top)


def middle(low: float, high: float, gamma: float, terminating: bool) -> tuple[float, float]:
    """Constant to add to TV, where `low <= TV - V <= high`, and the distance from V* that can then be left, exactly."""
    if terminating or low <= 0 <= high:
        return 0.0, gamma / (1 - gamma) * max(-low, high)
    return gamma / (1 - gamma) * (low + high) / 2, gamma / (1 - gamma) * (high - low) / 2


def rounding_floor(size: Size, gamma: float, top: float) -> float:
    """Smallest error that can be certified for values up to `top`: the radius of a backup over (1 - gamma)."""
    return size.radius(top) / (1 - gamma) * (1 + (size.successors + 8) * 2 * UNIT / (1 - gamma))


def certify(mdp: AnyMDP, last: Sweep) -> Certified:
    """The answer that a sweep gives, `Q + shift`, and its Bellman residual

        B(Q + c) - (Q + c)  =  P (gamma (TV - V) - (1 - gamma) c),       Q = r + gamma P V,  c = shift.

    A V that is not finite has an infinite error.
    """
    if not math.isfinite(last.error):
        return Certified(last.Q, last.TV, math.inf, math.inf, last.floor)
    change = mdp.expect(mdp.gamma * (last.TV - last.V) - (1 - mdp.gamma) * last.shift)
    residual = max(float(change.max()), -float(change.min()))
    Q, V = (last.Q + last.shift, last.TV + last.shift) if last.shift else (last.Q, last.TV)
    return Certified(Q, V, residual, last.error, last.floor)


def wanted(tol: float | None, top: float, floor: float) -> float:
    """The tolerance in force: `tol`, or without one 1e-10 max(1, max|V|), but never below what rounding allows."""
    return max(RELATIVE_TOLERANCE * max(1.0, top), 4 * floor) if tol is None else tol


def check_tol(tol: float | None) -> None:
    """Raises ValueError unless `tol` is None or a positive number."""
    if tol is not None and not (tol > 0 and math.isfinite(tol)):
        raise ValueError(f"tol = {tol!r}, expected a positive number: the largest certified error that will do.")
