"""Values of policies and optimal values in any arithmetic: plain floats, enclosed floats, exact numbers, JAX.

What follows by a linear solve is written once. A fixed point is found by each arithmetic in its own way:

- rationals: Howard's policy iteration, exact;
- enclosed floats and balls: from a float candidate, with a radius from the contraction, `|Q - Q*| <= |BQ - Q| / (1 -
  gamma)`, the residual being enclosed itself;
- plain floats: Howard's or Newton's iteration;
- JAX: the same, differentiable by the implicit function theorem.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tabular.arithmetic import enclosed, exact
from tabular.operators import soft_value, softmax_policy

STEPS = 200
"""Cap on policy or Newton iterations: a handful are needed."""
REFINEMENTS = 3
"""Newton steps from a float64 solution to the accuracy of a ball."""


def policy_chain(P, pi):
    """Markov chain of a policy, `P_pi[s, t] = sum_a pi[s, a] P[s, a, t]`, shape (S, S)."""
    return (pi[:, None, :] @ P)[:, 0, :]


def policy_values(P, r, gamma, pi):
    """Values of a policy, `V = (I - gamma P_pi)^-1 r_pi`, shape (S,)."""
    xp = P.__array_namespace__()
    return xp.linalg.solve(xp.eye(P.shape[0]) - gamma * policy_chain(P, pi), xp.sum(pi * r, axis=1))


def action_values(P, r, gamma, V):
    """One backup, `Q[s, a] = r + gamma sum_t P[s, a, t] V[t]`, shape (S, A)."""
    return r + gamma * (P @ V)


def policy_q(P, r, gamma, pi):
    """Action values of a policy, shape (S, A)."""
    return action_values(P, r, gamma, policy_values(P, r, gamma, pi))


def occupancy(P, gamma, pi, rho):
    """Discounted visits `d = rho (I - gamma P_pi)^-1`, shape (S,); they sum to 1 / (1 - gamma)."""
    xp = P.__array_namespace__()
    return xp.linalg.solve((xp.eye(P.shape[0]) - gamma * policy_chain(P, pi)).mT, rho)


def deterministic(actions, A: int) -> np.ndarray:
    """The policy that takes given actions, as plain floats (S, A); they are exact in every arithmetic."""
    return np.eye(A)[np.asarray(actions)]


def optimal_q(P, r, gamma):
    """Optimal action values `Q*`, shape (S, A)."""
    xp = P.__array_namespace__()
    if xp is np:
        return _howard(P, r, gamma)
    if xp is exact and P.rational:
        return _howard(P, r, gamma)
    if xp in (enclosed, exact):
        pi = deterministic(np.argmax(_howard(*map(xp.midpoint, (P, r, gamma))), axis=1), r.shape[1])
        Q = policy_q(P, r, gamma, xp.asarray(pi))
        return _widened(Q, action_values(P, r, gamma, xp.max(Q, axis=1)) - Q, gamma)
    from tabular.arithmetic import traced

    return traced.optimal_q(P, r, gamma)


def soft_q(P, r, gamma, alpha):
    """Soft-optimal action values at temperature alpha, shape (S, A)."""
    xp = P.__array_namespace__()
    if xp is np:
        return _newton(P, r, gamma, alpha)
    if xp is exact and P.rational:
        raise exact.Irrational("soft values of rational numbers. Convert the instance with to_balls.")
    if xp in (enclosed, exact):
        Q = xp.asarray(_newton(*map(xp.midpoint, (P, r, gamma, alpha))))
        if xp is exact:
            Q = _refined(P, r, gamma, alpha, Q)
        return _widened(Q, action_values(P, r, gamma, soft_value(Q, alpha)) - Q, gamma)
    from tabular.arithmetic import traced

    return traced.soft_q(P, r, gamma, alpha)


def _howard(P, r, gamma):
    """Policy iteration from the first actions, until no action is better beyond rounding."""
    xp = P.__array_namespace__()
    S, A = r.shape
    actions, states = np.zeros(S, dtype=int), np.arange(S)
    margin = 1e-13 * (1 + abs(r).max() / (1 - gamma)) if xp is np else 0
    for _ in range(STEPS):
        Q = policy_q(P, r, gamma, xp.asarray(deterministic(actions, A)))
        best = Q.argmax(axis=1)
        better = np.where(Q[states, best] > Q[states, actions] + margin, best, actions)
        if (better == actions).all():
            return Q
        actions = better
    raise exact.Ambiguous(f"policy iteration didn't settle in {STEPS} steps")


def _newton(P, r, gamma, alpha):
    """Soft policy iteration in plain floats, until the residual stops shrinking."""
    Q, previous = _howard(P, r, gamma), np.inf
    for _ in range(STEPS):
        step = action_values(P, r, gamma, soft_value(Q, alpha)) - Q
        residual = abs(step).max()
        if residual >= previous / 2 and residual < 1e-9 * (1 + abs(Q).max()):
            return Q
        Q, previous = _newton_step(P, r, gamma, alpha, Q), residual
    raise exact.Ambiguous(f"Newton's method didn't settle in {STEPS} steps")


def _newton_step(P, r, gamma, alpha, Q):
    """One step of Newton's method on the values, which is one of soft policy iteration."""
    xp = P.__array_namespace__()
    V = soft_value(Q, alpha)
    step = soft_value(action_values(P, r, gamma, V), alpha) - V
    pi = softmax_policy(action_values(P, r, gamma, V), alpha)
    matrix: Any = xp.eye(P.shape[0]) - gamma * policy_chain(P, pi)
    return action_values(P, r, gamma, V + xp.linalg.solve(matrix, step))


def _refined(P, r, gamma, alpha, Q):
    """Newton steps on the middles of the balls."""
    for _ in range(REFINEMENTS):
        Q = exact.middles(_newton_step(P, r, gamma, alpha, Q))
    return Q


def _widened(Q, residual, gamma):
    """An enclosure of the fixed point of a gamma-contraction near Q, from `residual = BQ - Q`."""
    xp = Q.__array_namespace__()
    radius = xp.max(abs(residual)) / (1 - gamma)
    return xp.around(Q, radius)
