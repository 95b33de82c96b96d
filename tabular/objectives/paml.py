"""Policy-gradient matching: a model is good if it improves the policy as the truth would (Abachi et al. 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from tabular.device import occupancy, policy_v, soft_q
from tabular.mdp import MDP
from tabular.objectives.base import Objective, check_alpha
from tabular.operators import backup, softmax_policy


@partial(jax.tree_util.register_dataclass, data_fields=["alpha", "temperature"], meta_fields=[])
@dataclass(frozen=True)
class PAML(Objective):
    """`||grad J_true(pi) - grad J_model(pi)||^2` at the policy planned in the model; see `paml`."""

    alpha: float
    temperature: float

    def init(self, true: MDP, key: jax.Array) -> jax.Array:
        """The Q that the first solve starts from, shape (S, A)."""
        return jnp.zeros_like(true.r)

    def loss(self, true: MDP, model: MDP, Q: jax.Array, step: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The squared distance of the gradients, in return squared, and Q_hat for the next solve to start from."""
        Q = lax.stop_gradient(soft_q(lax.stop_gradient(model), self.alpha, start=Q))
        pi = softmax_policy(Q, self.temperature)
        return jnp.sum((policy_gradient(true, pi) - policy_gradient(model, pi)) ** 2), Q


def policy_gradient(mdp: MDP, pi: jax.Array) -> jax.Array:
    """Derivative of J by the logits of a softmax policy `pi`, shape (S, A), in units of return:

        dJ / dlogits[s, a] = d(s) pi[s, a] (Q^pi[s, a] - V^pi[s]),   d(s) = sum_t gamma^t Pr(s_t = s)

    0 for infeasible actions; rows sum to 0. Sutton et al. 2000, Theorem 1.
    """
    V = policy_v(mdp, pi)
    advantage = jnp.where(mdp.feasible, backup(mdp, V) - V[:, None], 0.0)
    return occupancy(mdp, pi) * advantage


def paml(alpha: float = 0.01, *, temperature: float | None = None) -> PAML:
    """Policy-aware model learning, Abachi et al. 2020, with exact expectations:

        sum_{s,a} (dJ_true(pi) / dlogits[s, a] - dJ_model(pi) / dlogits[s, a])^2,   pi = softmax(Q_hat / temperature)

    where Q_hat solves `Q = B_alpha Q` of the model. The policy is the current one: its value changes from step to step,
    but the derivative of the loss is taken with pi held constant, as in the paper, whose policy is an actor's.

    Args:
      alpha: temperature of the agent that plans with the learned model, in units of reward.
      temperature: that of the policy whose gradients are compared; alpha if not given. As it falls, both gradients
        vanish with the probability of the worse action, whatever the model, and the loss with their square: at a gap
        of 0.1 between two values that probability is 4.5e-5 at temperature 0.01, at a gap of 0.5 it is 2e-22, against
        0.48 and 0.38 at temperature 1. A fit at such a temperature stops where it starts and calls that convergence.

    Raises:
      ValueError if alpha or temperature isn't positive.
    """
    if temperature is not None and not temperature > 0:
        raise ValueError(f"temperature = {temperature}, expected a positive one, or None for alpha.")
    alpha = check_alpha(alpha)
    return PAML(alpha, alpha if temperature is None else float(temperature))
