"""All paths of a small MDP, one by one: the evidence lower bound over whole trajectories, and where it is tight.

    log E_p R  >=  E_q log R - KL(q || p)        for every distribution q over trajectories,

with equality at `q*(tau) = p(tau) R(tau) / E_p R` only (Eysenbach et al. 2021, sec. 3 and appendix B.4). That is the
bound before its second use of Jensen's inequality; q* is no model (it depends on the whole past), and it changes the
probabilities of actions too where the policy is stochastic. So it doesn't optimise eq. 2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tabular.mdp import AnyMDP, policy_matrix
from tabular.optimism.objective import check_endless
from tabular.probability import kl_rows, log_reward

MOST = 1_000_000
"""Trajectories that will be listed."""


@dataclass(frozen=True)
class Trajectories:
    """Every trajectory of positive probability, with `n` of them and `T` steps each."""

    states: np.ndarray
    """Shape (n, T), integers."""
    actions: np.ndarray
    """Shape (n, T), integers."""
    p: np.ndarray
    """Probability under the true dynamics and the policy, shape (n,)."""
    R: np.ndarray
    """Discounted sum of the T rewards, shape (n,)."""

    @property
    def posterior(self) -> np.ndarray:
        """`q*(tau) = p(tau) R(tau) / sum p R`, shape (n,)."""
        return self.p * self.R / self.mean

    @property
    def mean(self) -> float:
        """`E_p R`, the return of T steps."""
        return float(self.p @ self.R)

    def bound(self, q) -> float:
        """`E_q log R - KL(q || p)` of a distribution over these trajectories, at most `log E_p R`.

        Raises ValueError if q is no distribution of shape (n,).
        """
        q = np.asarray(q, dtype=np.float64)
        if q.shape != self.p.shape or not (q >= 0).all() or abs(q.sum() - 1) > 1e-8:
            raise ValueError(f"q has shape {q.shape} and sum {q.sum():.12g}, expected {self.p.shape} and 1.")
        return float(q @ np.log(self.R) - kl_rows(q, self.p))


def trajectories(mdp: AnyMDP, pi, steps: int) -> Trajectories:
    """List the trajectories `s_0, a_0, ..., s_{T-1}, a_{T-1}` of positive probability, from the start distribution.

    Args:
      pi: policy, shape (S, A) or (S,) integers.
      steps: their length T, 1 or more.

    Raises:
      ValueError if there could be more than a million, or a reward is not positive.
    """
    check_endless(mdp)
    log_reward(mdp.r)
    if steps < 1 or (mdp.S * mdp.A) ** steps > MOST:
        raise ValueError(
            f"steps = {steps!r} makes up to {mdp.S * mdp.A}^{steps} trajectories, expected 1 or more steps and at most "
            f"{MOST} trajectories."
        )
    mdp, pi = mdp.to_dense(), policy_matrix(mdp, pi)
    states, p = np.flatnonzero(mdp.rho)[:, None], mdp.rho[mdp.rho > 0]
    actions = np.empty((len(states), 0), dtype=int)
    R = np.zeros(len(states))
    for t in range(steps):
        if t:
            i, ahead = np.nonzero(mdp.P[states[:, -1], actions[:, -1]])
            p = p[i] * mdp.P[states[i, -1], actions[i, -1], ahead]
            states, actions, R = np.column_stack([states[i], ahead]), actions[i], R[i]
        i, chosen = np.nonzero(pi[states[:, -1]])
        p, R = p[i] * pi[states[i, -1], chosen], R[i] + mdp.gamma**t * mdp.r[states[i, -1], chosen]
        states, actions = states[i], np.column_stack([actions[i], chosen])
    return Trajectories(states, actions, p, R)
