"""Exact evaluation of a policy by one linear solve."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tabular.bounds import rounding_floor, size_of
from tabular.linear import policy_system
from tabular.mdp import AnyMDP, policy_matrix
from tabular.operators import backup, policy_reward


@dataclass(frozen=True)
class Evaluation:
    """Values of a policy."""

    V: np.ndarray
    """State values, shape (S,)."""
    Q: np.ndarray
    """State-action values, shape (S, A); -inf where infeasible."""
    J: float
    """Return `rho @ V`."""
    occupancy: np.ndarray
    """Expected discounted visits `d[s, a] = sum_t gamma^t Pr(s_t = s, a_t = a)`, shape (S, A): `J = sum d r`, and at
    gamma < 1 without termination `sum d = 1 / (1 - gamma)`. Infinite where a policy stays for ever at gamma = 1."""
    residual: float
    """`max |r_pi + gamma P_pi V - V|`."""
    error: float
    """Certified bound on `max |V - V^pi|` and on `max |Q - Q^pi|`, rounding included."""
    pi: np.ndarray
    """The policy, shape (S, A)."""


def evaluate(mdp: AnyMDP, pi) -> Evaluation:
    """Values, return and occupancy of a policy: `V = (I - gamma P_pi)^{-1} r_pi`, `d = pi (I - gamma P_pi')^{-1} rho`.

    Sutton & Barto 2018, sec. 4.1; Puterman 2005, sec. 6.1. At gamma = 1 the total reward until the episode ends.

    Args:
      pi: probabilities of shape (S, A), or integer actions of shape (S,).

    Raises:
      ValueError if `pi` is no policy of this MDP; NoFiniteValue if at gamma = 1 it collects reward for ever.
    """
    pi = policy_matrix(mdp, pi)
    if mdp.gamma == 1:
        from tabular.total import evaluate_total

        V, visits, error = evaluate_total(mdp, pi)
    else:
        system = policy_system(mdp, pi)
        V, visits = system.solve(policy_reward(mdp, pi)), system.solve_adjoint(mdp.rho)
        error = None
    Q = backup(mdp, V)
    step = policy_reward(mdp, pi) + mdp.gamma * (mdp.chain(pi) @ V) - V
    residual = float(abs(step).max())
    if error is None:
        floor = rounding_floor(size_of(mdp), mdp.gamma, float(abs(V).max()))
        error = residual / (1 - mdp.gamma) + floor
    occupancy = pi * np.where(pi > 0, visits[:, None], 0.0)
    return Evaluation(V, Q, float(mdp.rho @ V), occupancy, residual, error, pi)
