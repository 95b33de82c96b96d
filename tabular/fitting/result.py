"""What a fit hands back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from tabular.mdp import AnyMDP, make_mdp


@dataclass(frozen=True, eq=False)
class Fit:
    """Learned models and how good they are. Leading axes of all arrays: (kappa, seed), written K and N."""

    theta: Any
    """Learned parameters, the model class's pytree with arrays of shape (K, N, ...)."""
    P_hat: np.ndarray
    """Learned transition probabilities, shape (K, N, S, A, S)."""
    r_hat: np.ndarray
    """Learned rewards, shape (K, N, S, A); -inf where infeasible."""
    Q: np.ndarray
    """Soft-optimal values of the model (see `pair`), shape (K, N, S, A)."""
    pi: np.ndarray
    """The agent's policy `softmax(Q / alpha)`, shape (K, N, S, A), with the soft-optimal Q of what the objective makes
    of the model: the model itself, unless the objective says otherwise (see `Objective.imagined`)."""
    J: np.ndarray
    """Return of `pi` in the true MDP, shape (K, N)."""
    bellman_mse: np.ndarray
    """`mean_{s,a} (B_alpha Q - Q)^2` with the true MDP's operator, shape (K, N)."""
    q_error: np.ndarray
    """`max_{s,a} |Q - Q*_alpha|` with the true MDP's soft-optimal Q, shape (K, N)."""
    iterations: np.ndarray
    """Steps taken, shape (K, N)."""
    converged: np.ndarray
    """Whether the fit stopped moving, shape (K, N). False: it used up its steps, or failed."""
    failed: np.ndarray
    """Whether the loss or the parameters became NaN or infinite, shape (K, N). Values above are NaN then."""
    history: History
    kappa: np.ndarray
    """Norm bounds, shape (K,)."""
    seeds: tuple[int, ...]
    """Seeds, N of them."""
    settings: dict[str, Any]
    """What else the fit was asked for, as words and numbers."""
    true: AnyMDP

    def model(self, kappa_index: int, seed_index: int) -> AnyMDP:
        """One learned model as an MDP to solve, plot or save."""
        true, at = self.true, (kappa_index, seed_index)
        named = {"states": true.states, "actions": true.actions, "grid": true.grid, "terminating": true.terminating}
        return make_mdp(self.P_hat[at], self.r_hat[at], gamma=true.gamma, rho=true.rho, **named)


class History(NamedTuple):
    """The loss on the way."""

    step: np.ndarray
    """Number of steps taken, shape (n,)."""
    loss: np.ndarray
    """Loss at the parameters before that step's update, shape (K, N, n); constant after a fit ended."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during a fit; `result` holds the `Fit` as it was then."""

    def __init__(self, message: str, result: Fit):
        super().__init__(message)
        self.result = result
