"""Values of policies and optimal values in any arithmetic: plain floats, enclosed floats, exact numbers, JAX.

What follows by a linear solve is written once. A fixed point is found by each arithmetic in its own way:

- plain floats: Howard's or Newton's iteration;
- rationals: Howard's iteration from the policy that floats find, exact;
- enclosed floats and balls: a candidate, with a radius from the contraction, `|Q - Q*| <= |BQ - Q| / (1 - gamma)`, the
  residual being enclosed itself; this needs rows of P that sum to at most 1;
- JAX: Howard's or Newton's iteration, differentiable by the implicit function theorem.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tabular.arithmetic import enclosed, exact
from tabular.arithmetic.ambiguous import Ambiguous, Irrational
from tabular.operators import soft_value, softmax_policy

STEPS = 200
"""Cap on policy or Newton iterations: a handful are needed."""
REFINEMENTS = 3
"""Newton steps from a float64 solution to the accuracy of a ball."""
CLOSE = 1e-9
"""Relative size of Newton's last step in floats."""
FLOAT_TIE, BALL_TIE = 1e-13, 2.0**-140
"""An action is better only beyond this, relative to the values: below it floats, or balls, see rounding."""


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


def optimal_q(P, r, gamma) -> Any:
    """Optimal action values `Q*`, shape (S, A).

    Raises:
      Ambiguous if gamma can't be told from 1.
    """
    xp = P.__array_namespace__()
    if xp not in (np, enclosed, exact):
        from tabular.arithmetic import traced

        return traced.optimal_q(P, r, gamma)
    _require_discount(gamma)
    Q = _howard(*map(_floats, (P, r, gamma)))
    if xp is enclosed:
        return _widened(P, r, gamma, xp.asarray(Q), xp.max)
    return Q if xp is np else _exact_howard(P, r, gamma, Q.argmax(axis=1))


def soft_q(P, r, gamma, alpha) -> Any:
    """Soft-optimal action values at temperature alpha, shape (S, A).

    Raises:
      Ambiguous if gamma can't be told from 1; Irrational for rationals.
    """
    xp = P.__array_namespace__()
    if xp not in (np, enclosed, exact):
        from tabular.arithmetic import traced

        return traced.soft_q(P, r, gamma, alpha)
    if xp is exact and P.rational:
        raise Irrational("soft values of rational numbers. Convert the instance with to_balls.")
    _require_discount(gamma)
    Q = xp.asarray(_newton(*map(_floats, (P, r, gamma, alpha))))
    if xp is np:
        return Q
    if xp is exact:
        Q = _refined(P, r, gamma, alpha, Q)
    return _widened(P, r, gamma, Q, lambda Q, axis: soft_value(Q, alpha))


def _floats(x):
    """Plain floats near an array of any arithmetic."""
    return x.__array_namespace__().midpoint(x) if isinstance(x, enclosed.Enclosed | exact.Exact) else np.asarray(x)


def _require_discount(gamma) -> None:
    if not 0 <= _floats(gamma) < 1:
        raise Ambiguous("a discount that isn't from 0 to 1, or can't be told from 1")


def _howard(P, r, gamma):
    """Policy iteration in plain floats."""
    margin = FLOAT_TIE * (1 + abs(r).max() / (1 - gamma))
    return _policy_iteration(P, r, gamma, r.argmax(axis=1), lambda Q, actions: _better(Q, actions, margin))


def _exact_howard(P, r, gamma, actions):
    """Policy iteration in rationals, which is exact, or in balls from candidates to an enclosure."""
    if P.rational:
        return _policy_iteration(P, r, gamma, actions, lambda Q, actions: _better(Q, actions, 0))

    def better(Q, actions):
        return _better(exact.middles(Q), actions, BALL_TIE * (1 + abs(exact.midpoint(Q)).max()))

    return _widened(P, r, gamma, _policy_iteration(P, r, gamma, actions, better), exact.max)


def _policy_iteration(P, r, gamma, actions, better: Callable):
    """Action values of the first policy that `better` leaves as it is."""
    xp = P.__array_namespace__()
    unit, states = xp.eye(r.shape[0]), np.arange(r.shape[0])
    for _ in range(STEPS):
        V = xp.linalg.solve(unit - gamma * P[states, actions], r[states, actions])
        Q = action_values(P, r, gamma, V)
        previous, actions = actions, better(Q, actions)
        if (actions == previous).all():
            return Q
    raise Ambiguous(f"policy iteration didn't settle in {STEPS} steps")


def _better(Q, actions, margin) -> np.ndarray:
    """Greedy actions where they gain more than a margin, else the given ones."""
    best, states = Q.argmax(axis=1), np.arange(len(actions))
    return np.where(Q[states, best] > Q[states, actions] + margin, best, actions)


def _newton(P, r, gamma, alpha):
    """Newton's method in plain floats. It converges quadratically: the last step is far below CLOSE."""
    V = soft_value(_howard(P, r, gamma), alpha)
    for _ in range(STEPS):
        step = _newton_step(P, r, gamma, alpha, V)
        V = V + step
        if abs(step).max() <= CLOSE * (1 + abs(V).max()):
            return action_values(P, r, gamma, V)
    raise Ambiguous(f"Newton's method didn't settle in {STEPS} steps")


def _newton_step(P, r, gamma, alpha, V):
    """The step of Newton's method on soft values, which is one of soft policy iteration."""
    xp = P.__array_namespace__()
    Q = action_values(P, r, gamma, V)
    matrix = xp.eye(P.shape[0]) - gamma * policy_chain(P, softmax_policy(Q, alpha))
    return xp.linalg.solve(matrix, soft_value(Q, alpha) - V)


def _refined(P, r, gamma, alpha, Q):
    """Newton steps on the middles of the balls."""
    V = exact.middles(soft_value(exact.to_balls(Q), alpha))
    for _ in range(REFINEMENTS):
        V = exact.middles(V + _newton_step(P, r, gamma, alpha, V))
    return action_values(P, r, gamma, V)


def _widened(P, r, gamma, Q, value: Callable):
    """An enclosure of the fixed point of the contraction `r + gamma P value(Q)` near Q."""
    xp = P.__array_namespace__()
    residual = action_values(P, r, gamma, value(Q, axis=1)) - Q
    return xp.around(Q, xp.max(abs(residual)) / (1 - gamma))
