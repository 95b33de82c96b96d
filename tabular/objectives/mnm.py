"""Mismatched no more: model and policy maximise one lower bound on the true return (Eysenbach et al. 2021)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from tabular.mdp import MDP, AnyMDP
from tabular.objectives.base import check_alpha
from tabular.objectives.optimistic import Optimistic, check_clip, check_positive
from tabular.optimism.objective import check_endless


@partial(jax.tree_util.register_dataclass, data_fields=["alpha", "kl_weight", "clip"], meta_fields=[])
@dataclass(frozen=True)
class MnM(Optimistic):
    """Minus the soft-optimal lower bound on log J over policies; see `mnm`."""

    alpha: float
    kl_weight: float
    clip: float | None

    @property
    def weight(self) -> float:
        return self.kl_weight

    def reward(self, true: MDP) -> jax.Array:
        """`(1 - gamma) log(r / (1 - gamma))`, shape (S, A)."""
        stop = 1 - true.gamma
        return jnp.where(true.feasible, stop * jnp.log(jnp.where(true.feasible, true.r, 1.0) / stop), -jnp.inf)

    def check(self, true: AnyMDP, model: MDP) -> None:
        check_endless(true)
        _check_rewards(true)
        super().check(true, model)


def mnm(alpha: float = 0.01, *, kl_weight: float = 1.0, clip: float | None = None) -> MnM:
    """Mismatched no more, Eysenbach et al. 2021: the model q is one to plan in, and with the policy it maximises

        L(q, pi) = E_q,pi sum_t gamma^t [ (1 - gamma) log(r / (1 - gamma)) - w KL(q || p) ]  <=  log J(pi)   (eq. 2, 3)

    The loss is `-max_pi (L(q, pi) + alpha E_q,pi sum_t gamma^t H(pi))`, whose maximum is at the soft-optimal policy of
    the MDP with transitions q and the reward in brackets; its derivative is exact (`Optimistic`). The agent of a fit
    plans in that MDP. Without a norm bound, and as alpha goes to 0, the optimum is that of

        V(s) = max_a [ (1 - gamma) log(r / (1 - gamma)) + w log sum_t p(t|s, a) e^{gamma V(t) / w} ]

    and the best model is `q ~ p e^{gamma V / w}`.

    Rewards must be positive. L doesn't change its argmax with their unit, but it does when they are shifted.

    Args:
      alpha: temperature of the agent, in nats: rewards are logarithms here. At a small one the rows of actions that
        the agent doesn't take have no slope, and a fit ends at the best model of a bad policy: of 20 fits of four
        random MDPs, at 0.01 one came within 0.001 of the optimum and most ended 0.2 to 0.7 below it; at 0.1 all came
        within 0.003, at 0.3 within 1e-5.
      kl_weight: w. 1 as printed; `mdp.gamma` is a tighter lower bound, and no smaller w is one.
      clip: limit of log(q / p) of a transition, in nats, for models that put mass where p has none; then L is no bound.
        It is what a classifier with limited logits reports. The code published with the paper limits whole rows, to 5
        (Figure 2b, `tabular.optimism`): a row beyond that pays a constant, and no slope draws it back to p.

    Raises:
      ValueError if alpha, kl_weight or clip isn't positive. `fit` refuses rewards that aren't positive, episodes that
      end (a reward of 0 ever after), models that learn a reward, and, without clip, mass where p has none.
    """
    weight = check_positive("kl_weight", kl_weight, "the price of a nat, 1 or mdp.gamma")
    return MnM(check_alpha(alpha), weight, check_clip(clip))


def _check_rewards(true: AnyMDP) -> None:
    """Raise ValueError if a reward has no logarithm."""
    wrong = true.feasible & ~(true.r > 0)
    if wrong.any():
        s, a = np.argwhere(wrong)[0]
        raise ValueError(
            f"r[{s}, {a}] = {true.r[s, a]:g}, expected a positive reward since its logarithm is taken; {wrong.sum()} "
            f"of {wrong.size} entries are wrong. Shift the rewards with with_changes(mdp, r=...), and say so: it "
            "changes which model and which policy are best."
        )
