"""Low rank: every row of the kernel mixes the same few distributions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from tabular.mdp import MDP, AnyMDP
from tabular.models.base import ModelClass, as_model


class RankTheta(NamedTuple):
    """Parameters of a low-rank model."""

    weights: jax.Array
    """Logits of the mixture, shape (S, A, width); the first `rank` are used."""
    successors: jax.Array
    """Logits of the distributions that are mixed, shape (width, S)."""
    reward: jax.Array | None
    """Rewards, shape (S, A); None where the true ones are known."""


@partial(jax.tree_util.register_dataclass, data_fields=["rank"], meta_fields=["width", "learns_reward"])
@dataclass(frozen=True)
class LowRank(ModelClass):
    """`P_hat(t|s,a) = sum_k softmax(weights[s, a])_k softmax(successors[k])_t`; see `low_rank`."""

    rank: int
    width: int
    learns_reward: bool

    def check(self, true: AnyMDP) -> None:
        if self.rank > true.S:
            raise ValueError(
                f"rank = {self.rank}, expected at most {true.S}, the number of states: no kernel has more."
            )

    def init(self, true: MDP, key: jax.Array) -> RankTheta:
        """All parameters uniform on [0, 1); those that aren't used are 0, and stay so."""
        keys, (S, A) = jax.random.split(key, 3), true.r.shape
        weights = jnp.where(self._used, jax.random.uniform(keys[0], (S, A, self.width)), 0.0)
        successors = jnp.where(self._used[:, None], jax.random.uniform(keys[1], (self.width, S)), 0.0)
        return RankTheta(weights, successors, jax.random.uniform(keys[2], (S, A)) if self.learns_reward else None)

    def mdp(self, true: MDP, theta: RankTheta) -> MDP:
        """The model with these parameters."""
        weights = jax.nn.softmax(jnp.where(self._used, theta.weights, -jnp.inf))
        return as_model(true, jnp.einsum("sak,kt->sat", weights, jax.nn.softmax(theta.successors)), theta.reward)

    @property
    def _used(self) -> jax.Array:
        return jnp.arange(self.width) < self.rank


def low_rank(rank: int, *, width: int | None = None, learns_reward: bool = True) -> LowRank:
    """Models whose kernel has a nonnegative rank of at most `rank`:

        P_hat(t | s, a) = sum_k w_k(s, a) nu_k(t)

    with mixture weights w(s, a) and `rank` successor distributions nu_k, all of them softmaxes of free logits. From
    rank = S on every kernel can be approached. Rewards are a table.

    Args:
      width: the rank that parameters are laid out for, `rank` if not given. Models of all ranks up to one width share
        a compiled fit.
      learns_reward: False gives the model the true rewards.

    Raises:
      ValueError for a rank below 1 or above the width; `fit` refuses one above the number of states.
    """
    width = rank if width is None else width
    if isinstance(rank, bool) or not isinstance(rank, int | np.integer) or rank < 1:
        raise ValueError(f"rank = {rank!r}, expected a whole number from 1 to the number of states.")
    if width < rank:
        raise ValueError(f"width = {width!r}, expected the rank ({rank}) or more.")
    return LowRank(int(rank), int(width), learns_reward)
