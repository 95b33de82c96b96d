"""Soft-optimal total reward: gamma = 1 with an entropy bonus.

Every choice pays entropy, so an episode ends only by termination, or in states of reward 0 that leave no choice (one
feasible action each, leading to such states again). Elsewhere a policy that can stay for ever must pay more than the
entropy it collects; otherwise the values are infinite, which Newton's method meets as a policy whose expected time to
the end isn't finite and positive.

The certificate is the one of `tabular.total`: with w >= 0 and w - P_pi w >= 1/2 for pi = softmax(Q / alpha), the bounds
V - e w <= V*_alpha <= V + e w hold as soon as a backup of the upper one doesn't exceed it and a backup of the lower
one by pi doesn't fall below it. A policy that never ends then has a negative mean reward, entropy included.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from tabular.bounds import Certified, Size
from tabular.errors import NoFiniteValue
from tabular.mdp import AnyMDP
from tabular.operators import backup, policy_value, soft_value, softmax_policy
from tabular.total import end_components, name_of, pairs_of, require_finite, solve_ending, solve_total


@dataclass(frozen=True)
class SoftTotal:
    """Soft-optimal values, their proof, and the values of every round."""

    certified: Certified
    history: list[np.ndarray]


def soft_total(mdp: AnyMDP, alpha: float, size: Size) -> SoftTotal:
    """Newton's method from the values of the hard problem, whose optimal policy ends, until they no longer rise.

    Raises:
      NoFiniteValue if some state can stay for ever and collect entropy or reward.
    """
    resting = _resting(mdp)
    history = [solve_total(mdp).V]
    Q = backup(mdp, history[-1])
    while True:
        pi = softmax_policy(Q, alpha)
        chain, w = _time_to_end(mdp, pi, resting)
        bonus = soft_value(Q, alpha) - policy_value(Q, pi)
        V = _solve_moving(chain, policy_value(mdp.r, pi) + bonus, resting)
        rise = (V - history[-1]).max()
        history.append(V)
        if len(history) > 2 and not rise > size.radius(float(abs(V).max())):
            return SoftTotal(_certify(mdp, V, alpha, size, pi, w), history)
        Q = backup(mdp, V)


def _resting(mdp: AnyMDP) -> np.ndarray:
    """Mask of the states that stay for ever at reward 0 without a choice; refuses those that stay with one."""
    pairs = pairs_of(mdp)
    component, _ = end_components(pairs, pairs.r == 0)
    member = component >= 0
    choosing = member & (mdp.feasible.sum(1) > 1)
    if choosing.any():
        raise NoFiniteValue(
            f"gamma = 1, but state {name_of(mdp, int(np.argmax(choosing)))} can be kept at reward 0 for ever with a "
            "choice of actions: it collects entropy without end. Use gamma < 1, or end the episode by termination "
            "(terminating=True and rows that sum to less than 1)."
        )
    require_finite(mdp, pairs.subset(~member[pairs.owner]), np.arange(mdp.S))
    return member


def _time_to_end(mdp: AnyMDP, pi: np.ndarray, resting: np.ndarray) -> tuple[sp.csr_matrix, np.ndarray]:
    """The chain of a policy among the states that don't rest, and its expected time to the end."""
    chain = sp.csr_matrix(mdp.chain(pi))
    w = _solve_moving(chain, np.ones(mdp.S), resting)
    moving = ~resting
    if not (np.isfinite(w).all() and (w >= 0).all() and ((w - chain @ w)[moving] >= 0.5).all()):
        raise NoFiniteValue(
            "gamma = 1, but at this temperature wandering pays more entropy than it costs: the soft values are "
            "infinite. Lower alpha, or use gamma < 1."
        )
    return chain, w


def _solve_moving(chain: sp.csr_matrix, b: np.ndarray, resting: np.ndarray) -> np.ndarray:
    """Solution of `(I - chain) x = b` among the states that don't rest; 0 in those that do."""
    x, moving = np.zeros(len(b)), np.flatnonzero(~resting)
    if len(moving):
        x[moving] = solve_ending(chain[moving][:, moving], b[moving])
    return x


def _certify(mdp: AnyMDP, V: np.ndarray, alpha: float, size: Size, pi: np.ndarray, w: np.ndarray) -> Certified:
    """Q = r + P V with a bound on its distance from Q*_alpha; infinite if the two-sided bound can't be established."""
    Q = backup(mdp, V)
    TV = soft_value(Q, alpha)
    radius = size.radius(float(abs(V).max()))
    eps = 4 * (float(abs(TV - V).max()) + radius)
    upper, lower = V + eps * w, V - eps * w
    room = size.radius(float(abs(V).max() + eps * w.max()))
    entropy = soft_value(Q, alpha) - policy_value(Q, pi)
    above = upper - soft_value(backup(mdp, upper), alpha)
    below = policy_value(backup(mdp, lower), pi) + entropy - lower
    moving = w > 0
    held = (above[moving] >= room).all() and (below[moving] >= room).all()
    error = eps * float(w.max()) * (1 + 1e-12) + radius if held else np.inf
    residual = float(abs(np.where(mdp.feasible, mdp.expect(TV - V), 0.0)).max())
    return Certified(Q, TV, residual, error, 4 * radius * float(w.max()) + radius)
