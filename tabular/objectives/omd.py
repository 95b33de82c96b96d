"""Optimal model design: a model is as good as the agent that plans in it is in the true MDP (Nikishin et al. 2021)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from tabular.device import exact, policy_return, soft_q
from tabular.device.linear import Inverse
from tabular.mdp import MDP
from tabular.models import random_start
from tabular.objectives.base import Objective, check_alpha
from tabular.operators import soft_bellman, softmax_policy


@partial(jax.tree_util.register_dataclass, data_fields=["alpha", "anneal"], meta_fields=["inverse"])
@dataclass(frozen=True)
class OMDReturns(Objective):
    """`-J(softmax(Q_hat / alpha))`, with Q_hat the soft-optimal values of the model; see `omd`."""

    alpha: float
    anneal: float | None
    inverse: Inverse

    def init(self, true: MDP, key: jax.Array) -> jax.Array:
        """The Q that the first solve starts from, shape (S, A)."""
        return random_start(true, key).Q

    def loss(self, true: MDP, model: MDP, Q: jax.Array, step: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The negative return, and Q_hat for the next solve to start from."""
        Q = soft_q(model, self.alpha, start=Q, inverse=self.inverse)
        pi = softmax_policy(Q, self._temperature(step))
        return -policy_return(true, pi), lax.stop_gradient(Q)

    def _temperature(self, step: jax.Array) -> Any:
        """That of the policy in the loss of a step."""
        if self.anneal is None:
            return self.alpha
        return jnp.maximum(self.alpha, jnp.exp(-jnp.asarray(step, float) / self.anneal))


@partial(jax.tree_util.register_dataclass, data_fields=["alpha"], meta_fields=["inverse", "total"])
@dataclass(frozen=True)
class OMDBellman(Objective):
    """`mean_{s,a} (B Q_hat - Q_hat)^2`, with Q_hat the soft-optimal values of the model; see `omd`."""

    alpha: float
    inverse: Inverse
    total: bool

    def init(self, true: MDP, key: jax.Array) -> jax.Array:
        """The Q that the first solve starts from, shape (S, A)."""
        return random_start(true, key).Q

    def loss(self, true: MDP, model: MDP, Q: jax.Array, step: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The squared Bellman error, and Q_hat for the next solve to start from."""
        Q = soft_q(model, self.alpha, start=Q, inverse=self.inverse)
        off = jnp.where(true.feasible, soft_bellman(true, Q, self.alpha) - Q, 0.0)
        value = jnp.sum(off**2) if self.total else jnp.mean(off**2, where=true.feasible)
        return value, lax.stop_gradient(Q)


def omd(
    alpha: float = 0.01,
    *,
    loss: str = "returns",
    anneal: float | None = None,
    inverse: Inverse = exact,
    total: bool = False,
) -> OMDReturns | OMDBellman:
    """Optimal model design, Nikishin et al. 2021. Q_hat solves `Q = B_alpha Q` of the model, and the loss is

        returns    -J(pi),   pi = softmax(Q_hat / alpha)                        (eq. 2)
        bellman    mean_{s,a} (B_alpha Q_hat(s, a) - Q_hat(s, a))^2             (eq. 6; there a sum)

    with J and B_alpha of the true MDP. The derivative of Q_hat follows from the implicit function theorem (eq. 7).

    Args:
      alpha: temperature of the agent, in units of reward.
      anneal: with `returns`, the policy of step i has temperature max(alpha, exp(-i / anneal)) in the loss (Q_hat and
        the agent that is reported keep alpha). At a small alpha the derivative of the policy is proportional to
        pi (1 - pi) / alpha: 4.5e-3 at a gap of 0.1 between two values and alpha = 0.01, 2e-20 at 0.5, where fits get
        stuck. 1200 leads out.
      inverse: how the linear system of the derivative is solved, `device.exact` or an approximation.
      total: with `bellman`, the sum instead of the mean. Adam doesn't see the difference.

    Raises:
      ValueError for another loss, an option of the other loss, or an alpha or anneal that isn't positive.
    """
    alpha = check_alpha(alpha)
    if anneal is not None and not anneal > 0:
        raise ValueError(f"anneal = {anneal}, expected a positive number of steps, such as 1200, or None.")
    if loss == "returns" and not total:
        return OMDReturns(alpha, None if anneal is None else float(anneal), inverse)
    if loss == "bellman" and anneal is None:
        return OMDBellman(alpha, inverse, total)
    if loss not in ("returns", "bellman"):
        raise ValueError(f"loss = {loss!r}, expected 'returns' or 'bellman'.")
    wrong, other = ("total", "bellman") if loss == "returns" else ("anneal", "returns")
    raise ValueError(f"{wrong} is an option of loss='{other}' and has no effect with loss={loss!r}. Leave it out.")
