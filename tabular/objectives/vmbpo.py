"""VMBPO: model and policy maximise the return less the divergence, and so seek risk (Chow et al. 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp

from tabular.mdp import MDP
from tabular.objectives.base import check_alpha
from tabular.objectives.optimistic import Optimistic, check_clip, check_positive


@partial(jax.tree_util.register_dataclass, data_fields=["alpha", "eta", "clip"], meta_fields=[])
@dataclass(frozen=True)
class VMBPO(Optimistic):
    """Minus the soft-optimal risk-seeking return over policies; see `vmbpo`."""

    alpha: float
    eta: float
    clip: float | None

    @property
    def weight(self) -> float:
        return 1 / self.eta

    def reward(self, true: MDP) -> jax.Array:
        """The true reward, shape (S, A)."""
        return jnp.asarray(true.r)


def vmbpo(alpha: float = 0.01, *, eta: float = 1.0, clip: float | None = None) -> VMBPO:
    """VMBPO, Chow et al. 2020, as Eysenbach et al. 2021 compare it with MnM: `mnm` without the logarithm,

        E_q,pi sum_t gamma^t [ r - KL(q || p) / eta ]

    Loss, derivative and agent are as in `mnm`. Without a norm bound, and as alpha goes to 0, the optimum is that of

        V(s) = max_a [ r(s, a) + (1 / eta) log sum_t p(t|s, a) e^{eta gamma V(t)} ],   q ~ p e^{eta gamma V}

    which is at least the true optimal return, and prefers returns that vary. At another q it bounds nothing.

    Args:
      alpha: temperature of the agent, in units of reward.
      eta: how much risk is sought, per unit of return; 0 in the limit is the expected return.
      clip: limit of log(q / p) of a transition, in nats, as in `mnm`.

    Raises:
      ValueError if alpha, eta or clip isn't positive. `fit` refuses models that learn a reward, and, without clip, mass
      where p has none.
    """
    return VMBPO(check_alpha(alpha), check_positive("eta", eta, "how much risk is sought"), check_clip(clip))
