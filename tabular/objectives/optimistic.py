"""A model that may be better than the truth, but pays for every nat of it: what MnM and VMBPO have in common."""

from __future__ import annotations

from abc import abstractmethod

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tabular.device import soft_q
from tabular.mdp import MDP, AnyMDP
from tabular.objectives.base import Objective
from tabular.operators import soft_value
from tabular.probability import kl_rows, limited_kl_rows


class Optimistic(Objective):
    """The model q and the agent's policy pi maximise one value, together:

        max_pi  E_q,pi sum_t gamma^t [ reward - weight KL(q(.|s_t, a_t) || p(.|s_t, a_t)) + alpha H(pi(.|s_t)) ]

    which is the soft-optimal value of the MDP `imagined`, averaged over the start. The loss is minus this value, and
    its derivative is exact: that of the first two terms with the soft-optimal policy held constant (envelope theorem).
    The entropy H adds between 0 and `alpha log A / (1 - gamma)`.
    """

    clip: float | None
    """Limit of log(q / p) of a transition in nats, or None."""

    @property
    @abstractmethod
    def weight(self) -> float:
        """Price of a nat of divergence."""

    @abstractmethod
    def reward(self, true: MDP, /) -> jax.Array:
        """Reward of the imagined MDP before the divergence is paid, shape (S, A); -inf where infeasible."""

    def check(self, true: AnyMDP, model: MDP) -> None:
        if not np.array_equal(true.r, np.asarray(model.r)):
            raise ValueError(
                "the models have rewards of their own, and this objective has no use for them: its reward is the true "
                "one less the divergence. Make the model class with learns_reward=False."
            )
        if self.clip is None:
            _check_support(true.to_dense().P, np.asarray(model.P))

    def init(self, true: MDP, key: jax.Array) -> jax.Array:
        """The Q that the first solve starts from, shape (S, A)."""
        return jnp.zeros_like(true.r)

    def loss(self, true: MDP, model: MDP, Q: jax.Array, step: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Minus the value, and Q of the imagined MDP for the next solve to start from."""
        Q = soft_q(self.imagined(true, model), self.alpha, start=Q)
        return -jnp.dot(true.rho, soft_value(Q, self.alpha)), lax.stop_gradient(Q)

    def imagined(self, true: MDP, model: MDP) -> MDP:
        """The model with the reward that pays for its divergence from the truth."""
        limited = self.clip is not None
        divergence = limited_kl_rows(model.P, true.P, self.clip) if limited else kl_rows(model.P, true.P)
        return MDP(model.P, self.reward(true) - self.weight * divergence, true.gamma, true.rho, true.terminating)


def check_positive(name: str, value: float | None, what: str) -> float:
    """A number as a float. Raises ValueError unless it is positive and finite."""
    if not (value is not None and 0 < value < np.inf):
        raise ValueError(f"{name} = {value}, expected a positive number: {what}.")
    return float(value)


def check_clip(clip: float | None) -> float | None:
    """Raises ValueError unless clip is None or a positive number."""
    return None if clip is None else check_positive("clip", clip, "the limit of log(q / p) in nats, or None")


def _check_support(p: np.ndarray, q: np.ndarray) -> None:
    """Raise ValueError if q has mass where p has none."""
    outside = (q > 0) & (p == 0)
    if outside.any():
        s, a, t = np.argwhere(outside)[0]
        raise ValueError(
            f"the model has q[{s}, {a}, {t}] = {q[s, a, t]:g} where p is 0, so that KL(q || p) is infinite; "
            f"{outside.any(-1).sum()} of {p.shape[0] * p.shape[1]} rows are so. Keep the model to the support of p "
            "with softmax_table(on_support=True), or limit log(q / p) with clip=5.0."
        )
