"""A logit for every transition: the softmax table, and the norms that bound it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from tabular.mdp import MDP
from tabular.models.base import ModelClass, as_model, check_temperature
from tabular.models.norms import Scalar, shrink, square
from tabular.models.starts import random_start


class Theta(NamedTuple):
    """Parameters of a softmax table."""

    logits: jax.Array
    """Unnormalised log-probabilities in units of the temperature, shape (S, A, S)."""
    reward: jax.Array | None
    """Rewards, shape (S, A); None where the true ones are known."""


Projection = Callable[[Theta, Scalar, Scalar], Theta]
"""A function of (theta, kappa, temperature)."""


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["temperature"],
    meta_fields=["projection", "learns_reward", "on_support"],
)
@dataclass(frozen=True)
class SoftmaxTable(ModelClass):
    """A logit for every (s, a, s') and a reward for every (s, a): `P_hat = softmax(logits / temperature)`.

    With a temperature below 1, `init` draws a nearly deterministic model and a step of the optimiser is a large one.
    Infeasible actions stay infeasible; in a terminating MDP the probability of the end is the true one.
    """

    temperature: float = 1.0
    projection: Projection | None = None
    learns_reward: bool = True
    """Whether rewards are parameters; if not, the model has the true ones."""
    on_support: bool = False
    """Whether the model keeps to the successors that the true MDP has: `P_hat(t|s,a) = 0` where `P(t|s,a) = 0`."""

    @property
    def bounded(self) -> bool:
        return self.projection is not None

    def init(self, true: MDP, key: jax.Array) -> Theta:
        """Logits and rewards uniform on [0, 1), from the stream of `random_start`."""
        start = random_start(true, key)
        return Theta(start.logits, start.reward if self.learns_reward else None)

    def mdp(self, true: MDP, theta: Theta) -> MDP:
        """The model with these parameters."""
        logits = theta.logits / self.temperature
        if self.on_support:
            empty = ~jnp.any(true.P > 0, axis=-1, keepdims=True)  # infeasible, or the end is certain
            known = (true.P > 0) | empty
            logits = jnp.where(known, logits, -jnp.inf)
        return as_model(true, jax.nn.softmax(logits), theta.reward)

    def project(self, theta: Theta, kappa: Scalar) -> Theta:
        """The parameters scaled back to norm kappa where the norm exceeds it."""
        return theta if self.projection is None else self.projection(theta, kappa, self.temperature)


def softmax_table(
    projection: str = "none", *, alpha: float = 0.01, learns_reward: bool = True, on_support: bool = False
) -> SoftmaxTable:
    """The softmax table of Nikishin et al. 2021 with one of its norms: `authors`, `paper_raw`, `paper_scaled`, `none`.

    Args:
      alpha: what raw logits are divided by, in the model and in the norm; `paper_scaled` learns the quotient itself.
      learns_reward: False gives the model the true rewards.
      on_support: True keeps the model to the successors that the true MDP has, as lower bounds of MnM need.

    Raises:
      ValueError for another name, or an alpha that isn't positive.
    """
    check_temperature(alpha)
    tables = {
        "authors": (float(alpha), authors_balls),
        "paper_raw": (float(alpha), norm_ball),
        "paper_scaled": (1.0, norm_ball),
        "none": (float(alpha), None),
    }
    if projection not in tables:
        raise ValueError(f"projection = {projection!r}, expected one of {', '.join(tables)}.")
    temperature, project = tables[projection]
    return SoftmaxTable(temperature, project, learns_reward, on_support)


def norm_ball(theta: Theta, kappa: Scalar, temperature: Scalar) -> Theta:
    """All parameters scaled by `min(1, kappa / ||(L / temperature, r)||)`: Nikishin et al. 2021, eq. 8."""
    scale = shrink(square(theta._replace(logits=theta.logits / temperature)), kappa)
    return jax.tree.map(lambda x: scale * x, theta)


def authors_balls(theta: Theta, kappa: Scalar, temperature: Scalar) -> Theta:
    """Logits and rewards scaled each alone, as the code published with Nikishin et al. 2021 does:

        L <- L min(1, kappa / n_L),   n_L^2 = ||L[:, 0, :] / temperature||^2 + ||L[:, 1:, :]||^2   (first action)
        r <- r min(1, kappa / n_r),   n_r^2 = ||r[0, :] / temperature||^2 + ||r[1:, :]||^2         (first state)

    The code means "logits / temperature, rewards", but its optimiser maps the projection over the arrays, whose first
    slices are then taken for the logits. Logits are stored there as (a, s, s').
    """

    def scaled(x: jax.Array, first: jax.Array, others: jax.Array) -> jax.Array:
        return shrink(square(first / temperature) + square(others), kappa) * x

    logits = scaled(theta.logits, theta.logits[:, 0], theta.logits[:, 1:])
    return Theta(logits, None if theta.reward is None else scaled(theta.reward, theta.reward[0], theta.reward[1:]))
