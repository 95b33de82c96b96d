"""Many small pairs of a true MDP and a model at once, in NumPy: values, and what the bounds on their errors say.

Everything has the instances along the first axis; `gamma` is one discount for each, shape (n,).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tabular.mismatch import backup_error, reward_error, transition_error

ROUNDS = 100
"""Policy improvements at most: a handful are needed."""


def policy_values(P: np.ndarray, r: np.ndarray, gamma: np.ndarray, actions: np.ndarray) -> np.ndarray:
    """Values of deterministic policies `actions` (n, S), `V = (I - gamma P_pi)^-1 r_pi`, shape (n, S)."""
    chain = np.take_along_axis(P, actions[:, :, None, None], axis=2)[:, :, 0]
    reward = np.take_along_axis(r, actions[:, :, None], axis=2)
    return np.linalg.solve(np.eye(r.shape[1]) - gamma[:, None, None] * chain, reward)[..., 0]


def action_values(P: np.ndarray, r: np.ndarray, gamma: np.ndarray, V: np.ndarray) -> np.ndarray:
    """One backup, `r + gamma P V`, shape (n, S, A)."""
    return r + gamma[:, None, None] * (P @ V[:, None, :, None])[..., 0]


def optimal_q(P: np.ndarray, r: np.ndarray, gamma: np.ndarray) -> np.ndarray:
    """Optimal action values by policy iteration, shape (n, S, A). P has shape (n, S, A, S) and r (n, S, A)."""
    margin = 1e-12 * (1 + abs(r).max() / (1 - gamma.max()))
    actions = r.argmax(2)
    for _ in range(ROUNDS):
        Q = action_values(P, r, gamma, policy_values(P, r, gamma, actions))
        better = Q.max(2) > np.take_along_axis(Q, actions[:, :, None], axis=2)[..., 0] + margin
        if not better.any():
            break
        actions = np.where(better, Q.argmax(2), actions)
    return Q


@dataclass(frozen=True)
class Pairs:
    """True MDPs and their models."""

    P: np.ndarray
    """Shape (n, S, A, S)."""
    r: np.ndarray
    """Shape (n, S, A)."""
    P_hat: np.ndarray
    r_hat: np.ndarray
    gamma: np.ndarray
    """Shape (n,)."""

    @cached_property
    def Q(self) -> np.ndarray:
        """Optimal action values of the true MDPs."""
        return optimal_q(self.P, self.r, self.gamma)

    @cached_property
    def Q_hat(self) -> np.ndarray:
        """Optimal action values of the models."""
        return optimal_q(self.P_hat, self.r_hat, self.gamma)

    @property
    def q_error(self) -> np.ndarray:
        """`max |Q* - Q_hat|`, shape (n,)."""
        return abs(self.Q - self.Q_hat).max((1, 2))

    @property
    def errors(self) -> tuple[np.ndarray, np.ndarray]:
        """`eps_r` and `eps_p` of `tabular.mismatch`."""
        return reward_error(self.r, self.r_hat), transition_error(self.P, self.P_hat)

    @property
    def residual(self) -> np.ndarray:
        """`max |B Q_hat - Q_hat|`, the difference of one backup."""
        V_hat = self.Q_hat.max(2)
        return backup_error(self.P, self.r, self.P_hat, self.r_hat, V_hat, self.gamma[:, None, None])

    def loss(self, actions: np.ndarray) -> np.ndarray:
        """Largest value that policies `actions` (n, S) lose in the true MDPs, `max (V* - V^pi)`."""
        return (self.Q.max(2) - policy_values(self.P, self.r, self.gamma, actions)).max(1)
