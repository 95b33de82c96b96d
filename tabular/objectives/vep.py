"""Value equivalence: the Bellman operators of given policies agree on given value functions (Grimm et al. 2020)."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tabular.device import policy_v, to_device
from tabular.mdp import MDP, TOLERANCE, AnyMDP, one_hot
from tabular.objectives.base import Objective, check_alpha
from tabular.objectives.vaml import check_states, finite_matrix

MOST_POLICIES = 4096
"""More deterministic policies than this aren't listed."""


@partial(jax.tree_util.register_dataclass, data_fields=["policies", "values", "alpha"], meta_fields=[])
@dataclass(frozen=True, eq=False)
class VEP(Objective):
    """`mean_{pi,V,s} (B_pi V(s) - B_hat_pi V(s))^2`; see `vep`."""

    policies: jax.Array
    """Shape (n, S, A)."""
    values: jax.Array
    """Shape (m, S)."""
    alpha: float

    def __repr__(self) -> str:
        return f"vep(policies={self.policies.shape}, values={self.values.shape}, alpha={self.alpha})"

    def check(self, true: AnyMDP, model: MDP) -> None:
        check_states("values", self.values.shape, true)
        policies = np.asarray(self.policies)
        if policies.shape[1:] != (true.S, true.A):
            raise ValueError(f"policies are of shape {policies.shape[1:]}, expected (S, A) = {(true.S, true.A)}.")
        wrong = np.argwhere((policies > 0) & ~true.feasible)
        if len(wrong):
            i, s, a = wrong[0]
            raise ValueError(
                f"policies[{i}, {s}, {a}] = {policies[i, s, a]:g} for an infeasible action (r = -inf), expected 0."
            )

    def loss(self, true: MDP, model: MDP, state: None, step: jax.Array) -> tuple[jax.Array, None]:
        """The loss, in units of return squared."""
        reward = jnp.where(true.feasible, model.r - true.r, 0.0)
        backup = reward[None] + true.gamma * jnp.einsum("sat,mt->msa", model.P - true.P, self.values)
        return jnp.mean(jnp.einsum("nsa,msa->nms", self.policies, backup) ** 2), None


def vep(policies: Any, values: Any, alpha: float = 0.01) -> VEP:
    """The principle of value equivalence, Grimm et al. 2020 as in Nikishin et al. 2021, eq. 15 (there a sum):

        mean_{pi in Pi} mean_{V in F} mean_s (B_pi V(s) - B_hat_pi V(s))^2
        B_pi V(s) = sum_a pi(a|s) (r(s, a) + gamma sum_t p(t|s, a) V(t))

    with B_hat_pi that of the model. At 0 the model is value equivalent on both sets, and then on the affine span of
    the value functions as well (on the linear one only if rewards agree too). With all policies and all V it is the
    true MDP; with V^pi of all deterministic policies (`deterministic_policies`, `policy_values`) it still has the true
    MDP's Q* and optimal policies (at alpha = 0).

    Args:
      policies: probabilities, shape (n, S, A).
      values: value functions, shape (m, S).
      alpha: temperature of the agent that plans with the learned model. The loss doesn't depend on it.

    Raises:
      ValueError for another number of axes, rows that are no distributions, values that aren't finite or a temperature
      that isn't positive. `fit` refuses sets of another number of states or actions, and infeasible actions.
    """
    return VEP(_policies(policies), finite_matrix("values", values, "(m, S), a V in each row"), check_alpha(alpha))


def deterministic_policies(mdp: AnyMDP) -> np.ndarray:
    """All deterministic policies over feasible actions, shape (n, S, A), in lexicographic order.

    Raises ValueError if there are more than 4096.
    """
    feasible = np.asarray(mdp.feasible)
    count = np.prod(feasible.sum(1), dtype=float)
    if count > MOST_POLICIES:
        raise ValueError(f"there are {count:.3g} deterministic policies, more than {MOST_POLICIES}: draw some of them.")
    choices = itertools.product(*(np.flatnonzero(row) for row in feasible))
    return np.stack([one_hot(np.array(actions), mdp.A) for actions in choices])


def random_policies(mdp: AnyMDP, count: int, *, seed: int) -> np.ndarray:
    """Policies with every row uniform on the simplex of the feasible actions, shape (count, S, A).

    Raises ValueError for a count below 1.
    """
    if count < 1:
        raise ValueError(f"count = {count}, expected at least one policy.")
    weights = np.random.default_rng(seed).exponential(size=(count, mdp.S, mdp.A)) * np.asarray(mdp.feasible)
    return weights / weights.sum(-1, keepdims=True)


def policy_values(mdp: AnyMDP, policies: np.ndarray) -> np.ndarray:
    """V^pi of each policy, shape (n, S), from probabilities of shape (n, S, A)."""
    return np.asarray(jax.vmap(partial(policy_v, to_device(mdp)))(_policies(policies)))


def _policies(policies: Any) -> jax.Array:
    policies = np.asarray(policies, dtype=float)
    if policies.ndim != 3 or not policies.size:
        raise ValueError(f"policies has shape {policies.shape}, expected (n, S, A), a policy in each row.")
    wrong = ~(policies >= 0).all(-1) | ~(abs(policies.sum(-1) - 1) <= TOLERANCE)
    if wrong.any():
        i, s = np.argwhere(wrong)[0]
        raise ValueError(f"policies[{i}, {s}] = {policies[i, s]}, expected probabilities that sum to 1.")
    return jnp.asarray(policies)
