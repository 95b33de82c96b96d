"""Bellman operators and policies, written once for NumPy and JAX.

`Q` has shape (S, A), `V` shape (S,), `pi` shape (S, A) with rows that sum to 1. Every function takes arrays of either
library and returns the same kind: `xp = Q.__array_namespace__()` is NumPy or `jax.numpy`. All values are in units of
return. Infeasible actions have `Q = -inf` and probability 0.
"""

from __future__ import annotations

import numpy as np


def backup(mdp, V):
    """Value of each action when `V` follows: `Q[s, a] = r[s, a] + gamma sum_s' P[s, a, s'] V[s']`, shape (S, A)."""
    return mdp.r + mdp.gamma * mdp.expect(V)


def bellman(mdp, Q):
    """Optimality operator `(BQ)[s, a] = r[s, a] + gamma sum_s' P[s, a, s'] max_a' Q[s', a']`."""
    return backup(mdp, hard_value(Q))


def soft_bellman(mdp, Q, alpha: float):
    """Soft optimality operator `(B_alpha Q)[s, a] = r + gamma sum_s' P V_alpha(s')` (Nikishin et al. 2021, eq. 10)."""
    return backup(mdp, soft_value(Q, alpha))


def policy_bellman(mdp, Q, pi):
    """Operator of a policy `(B^pi Q)[s, a] = r + gamma sum_s' P sum_a' pi[s', a'] Q[s', a']`."""
    return backup(mdp, policy_value(Q, pi))


def hard_value(Q):
    """Value of acting greedily, `V[s] = max_a Q[s, a]`, shape (S,)."""
    return Q.max(axis=1)


def soft_value(Q, alpha: float):
    """Soft value `V[s] = alpha log sum_a exp(Q[s, a] / alpha)`, shape (S,).

    The largest Q is subtracted first: exp(Q / alpha) overflows float64 at Q > 710 alpha. Between `max_a Q` and
    `max_a Q + alpha log A`.
    """
    xp = Q.__array_namespace__()
    top = xp.max(Q, axis=1)
    return top + alpha * xp.log(xp.sum(xp.exp((Q - top[:, None]) / alpha), axis=1))


def policy_value(Q, pi):
    """Value of following `pi` once, `V[s] = sum_a pi[s, a] Q[s, a]`; an action of probability 0 counts as 0."""
    xp = Q.__array_namespace__()
    return xp.sum(xp.where(pi > 0, pi * xp.where(pi > 0, Q, 0.0), 0.0), axis=1)


def softmax_policy(Q, alpha: float):
    """Policy `pi[s, a] = exp((Q[s, a] - V_alpha[s]) / alpha)`, max-subtracted; shape (S, A)."""
    xp = Q.__array_namespace__()
    weights = xp.exp((Q - xp.max(Q, axis=1)[:, None]) / alpha)
    return weights / xp.sum(weights, axis=1)[:, None]


def policy_entropy(Q, alpha: float):
    """Entropy of `softmax_policy(Q, alpha)`, `H[s] = (V_alpha[s] - sum_a pi Q) / alpha`, shape (S,), in nats.

    Written without log pi, so that an action whose probability underflows to 0 gives no 0 * -inf.
    """
    return (soft_value(Q, alpha) - policy_value(Q, softmax_policy(Q, alpha))) / alpha


def greedy(Q) -> np.ndarray:
    """Greedy actions, shape (S,) integers; the first of those that tie to the last bit. See `ties`."""
    return Q.argmax(axis=1)


def ties(Q, tol: float = 0.0):
    """Mask (S, A) of the actions within `tol` of the best one: the actions a policy may choose among."""
    return Q >= hard_value(Q)[:, None] - tol


def policy_reward(mdp, pi):
    """Expected reward of a policy, `r_pi[s] = sum_a pi[s, a] r[s, a]`, shape (S,)."""
    return policy_value(mdp.r, pi)
