"""What the model classes of Nikishin et al. 2021, Figure 2, could do, whatever the optimiser makes of them.

The likelihood is convex in (logits, rewards) and so are the norm bounds: the best likelihood within a bound, and the
return of the agent that plans with it, can be computed exactly, apart from where Adam ends. What the norm leaves to an
agent that cares for its return only is certified by one model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax

from tabular.evaluate import evaluate
from tabular.mdp import AnyMDP, make_mdp
from tabular.operators import softmax_policy
from tabular.soft import soft_solve
from tabular.studies.omd import ALPHA
from tabular.worlds.papers import two_state


@dataclass(frozen=True, eq=False)
class Member:
    """A softmax model of the two-state MDP."""

    logits: np.ndarray
    """In units of the temperature, shape (S, A, S)."""
    r_hat: np.ndarray
    """Rewards, shape (S, A)."""

    @property
    def norm(self) -> float:
        """Euclidean norm of all parameters, Nikishin et al. 2021, eq. 8."""
        return float(np.sqrt(np.sum(self.logits**2) + np.sum(self.r_hat**2)))

    @property
    def model(self) -> AnyMDP:
        """The model as an MDP."""
        return make_mdp(np.exp(log_softmax(self.logits, axis=-1)), self.r_hat, gamma=two_state().gamma)

    @property
    def loss(self) -> float:
        """`mean_{s,a} (r_hat - r)^2 + mean_{s,a} KL(p || p_hat)`."""
        return _likelihood(_flat(self.logits, self.r_hat))[0]

    @property
    def J(self) -> float:
        """Return in the true MDP of the agent that plans with the model at temperature 0.01."""
        return evaluate(two_state(), softmax_policy(soft_solve(self.model, ALPHA).Q, ALPHA)).J


def exact_mle(kappa: float, projection: str = "paper_scaled") -> Member:
    """The most likely model within a norm bound, by sequential quadratic programming. Loss and J to about 1e-6.

    Args:
      kappa: bound on the norm, 0 or more.
      projection: `paper_scaled` for the one norm of all parameters (eq. 8), `authors` for the two norms of the
        published code; see `models.softmax_table`.

    Raises:
      ValueError for another projection, or a kappa that is negative or infinite.
    """
    norms = _norms(projection)
    if not 0 <= kappa < np.inf:
        raise ValueError(f"kappa = {kappa}, expected a norm bound of 0 or more.")
    start = np.zeros(12)
    if kappa == 0:
        return Member(*_split(start))
    within = [
        {"type": "ineq", "fun": lambda x, w=w: 1 - w @ x**2 / kappa**2, "jac": lambda x, w=w: -2 * w * x / kappa**2}
        for w in norms
    ]
    options = {"ftol": 1e-15, "maxiter": 1000}
    found = minimize(_likelihood, start, jac=True, method="SLSQP", constraints=within, options=options)
    return Member(*_split(found.x))


def certificate(kappa: float) -> Member:
    """A model of norm kappa whose agent is nearly optimal: rewards prefer action 0, transitions are uniform.

    The gap of its Q is `r_hat(s, a0) - r_hat(s, a1) = kappa`, that of its agent's logits kappa / alpha: at kappa = 0.1
    the agent takes the best action with probability 0.99995.
    """
    return Member(np.zeros((2, 2, 2)), np.tile([kappa / 2, -kappa / 2], (2, 1)))


def _norms(projection: str) -> list[np.ndarray]:
    """Weights w of norms `w @ x^2`, one for each that must be at most kappa^2; shape (12,) each."""
    logits, rewards = np.ones((2, 2, 2)), np.ones((2, 2))
    if projection == "paper_scaled":
        return [_flat(logits, rewards)]
    if projection == "authors":
        logits[:, 1], rewards[0] = ALPHA**2, ALPHA**-2
        return [_flat(logits, 0 * rewards), _flat(0 * logits, rewards)]
    raise ValueError(f"projection = {projection!r}, expected 'paper_scaled' or 'authors'.")


def _likelihood(x: np.ndarray) -> tuple[float, np.ndarray]:
    """The loss of likelihood at parameters (12,), and its gradient."""
    true, (logits, r_hat) = two_state().to_dense(), _split(x)
    log_p = log_softmax(logits, axis=-1)
    off = r_hat - true.r
    loss = np.mean(off**2) + np.mean(np.sum(true.P * (np.log(true.P) - log_p), axis=-1))
    return float(loss), _flat(np.exp(log_p) - true.P, 2 * off) / off.size


def _flat(logits: np.ndarray, r_hat: np.ndarray) -> np.ndarray:
    return np.concatenate([logits.ravel(), r_hat.ravel()])


def _split(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return x[:8].reshape(2, 2, 2), x[8:].reshape(2, 2)
