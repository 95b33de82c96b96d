"""The best model and policy of an objective, exactly.

Over q, `E_q X - w KL(q || p)` is greatest at `q ~ p e^{X / w}`, where it is `w log E_p e^{X / w}` (Donsker & Varadhan).
So the optimum of `L(q, pi) = E sum_t gamma^t [c - w KL]` is the fixed point of

    (TV)(s) = max_a [ c(s, a) + w log sum_t p(t|s, a) exp(gamma V(t) / w) ],     q* ~ p exp(gamma V / w),

with an average over `pi` in place of the maximum where the policy is given. T is monotone and moves constants by gamma,
so the bounds of `tabular.bounds` certify a computed V. With w = 1 that is MnM's eq. 2, with w = gamma its tighter form
(and the q of the paper's eq. 9), with w = 1 / eta VMBPO, and with w to infinity Bellman's operator.

Solved by policy iteration, where a policy is a choice of action *and* of model: Newton's method, a handful of rounds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tabular.bounds import UNIT, check_tol, middle, wanted
from tabular.errors import NotConverged
from tabular.linear import factor
from tabular.mdp import MDP, AnyMDP, one_hot, policy_matrix
from tabular.operators import greedy, hard_value, policy_value
from tabular.optimism.objective import Objective, check_endless, divergence, objective_of
from tabular.probability import tilt


@dataclass(frozen=True)
class Optimum:
    """The best model, and the best policy or the one given, of an objective."""

    V: np.ndarray
    """Values of the objective, shape (S,)."""
    Q: np.ndarray
    """Shape (S, A): the value of an action when the best model follows; -inf where infeasible."""
    q: np.ndarray
    """The best model, shape (S, A, S)."""
    pi: np.ndarray
    """The best policy (the first of those that tie), or the given one; shape (S, A)."""
    J: float
    """The objective from the start, `rho @ V`."""
    iterations: int
    """Linear solves."""
    residual: float
    """`max |TV - V|`."""
    error: float
    """Certified bound on the distance of V from the exact optimum, in any state; rounding included."""
    tol: float
    """The tolerance in force."""

    @property
    def converged(self) -> bool:
        """Whether the tolerance was certified."""
        return self.error <= self.tol


def log_mean_exp(p: np.ndarray, V: np.ndarray) -> np.ndarray:
    """`log sum_t p(t) e^{V(t)}` along the last axis of p, without overflow; -inf for a row of zeros."""
    top = np.where(p > 0, V, -np.inf).max(-1)
    shift = np.where(np.isfinite(top), top, 0.0)
    powers = np.exp(np.where(p > 0, V - shift[..., None], -np.inf))
    with np.errstate(divide="ignore"):
        return shift + np.log((p * powers).sum(-1))


def optimum(mdp: AnyMDP, objective: Objective, *, pi=None, tol: float | None = None) -> Optimum:
    """Best model and policy of an objective: the fixed point V = TV of the module's head, by policy iteration.

    Args:
      objective: `mnm(mdp)`, `mnm(mdp, weight=mdp.gamma)`, `vmbpo(mdp, eta=...)`, or one of your own.
      pi: a policy to keep, shape (S, A) or (S,) integers; then only the model is optimised.
      tol: the certified error that will do; without it 1e-10 max(1, max|V|), or four times what rounding allows.

    Raises:
      NotConverged if `tol` can't be certified (its `result` is the best answer); ValueError for gamma = 1, an MDP in
      which episodes end, a weight that is not positive, or a bad policy or tolerance.
    """
    check_endless(mdp)
    check_tol(tol)
    objective_of(objective.reward, objective.weight, "objective.weight")
    mdp = mdp.to_dense()
    fixed = None if pi is None else policy_matrix(mdp, pi)
    V, rounds = np.zeros(mdp.S), 0
    while True:
        found = _answer(mdp, objective, V, fixed, rounds, tol)
        floor = _floor(mdp, objective, found.V)
        if found.error <= max(tol or 0.0, 1.5 * floor):
            break
        previous, V, rounds = V, _value(mdp, objective, found), rounds + 1
        if rounds > 1 and not (V - previous).max() > (1 - mdp.gamma) * floor:
            break
    if not found.converged:
        raise NotConverged(
            f"certified error {found.error:.3g} is above tol = {found.tol:.3g} after {rounds} linear solves: that is "
            f"what rounding allows in float64. Ask for more, or scale the rewards.",
            found,
        )
    return found


def _answer(
    mdp: MDP, objective: Objective, V: np.ndarray, fixed: np.ndarray | None, rounds: int, tol: float | None
) -> Optimum:
    """One application of T to V, with the certificate it gives."""
    weight = objective.weight
    Q = objective.reward + np.where(mdp.feasible, weight * log_mean_exp(mdp.P, mdp.gamma * V / weight), 0.0)
    TV = hard_value(Q) if fixed is None else policy_value(Q, fixed)
    step = TV - V
    shift, error = middle(float(step.min()), float(step.max()), mdp.gamma, False)
    floor = _floor(mdp, objective, TV)
    return Optimum(
        V=TV + shift,
        Q=Q + shift,
        q=np.where(mdp.feasible[:, :, None], tilt(whole(mdp), mdp.gamma * V / weight), 0.0),
        pi=one_hot(greedy(Q), mdp.A) if fixed is None else fixed,
        J=float(mdp.rho @ (TV + shift)),
        iterations=rounds,
        residual=float(abs(step).max()),
        error=error * (1 + 16 * UNIT / (1 - mdp.gamma)) + floor,
        tol=wanted(tol, float(abs(TV).max()), floor),
    )


def whole(mdp: MDP) -> np.ndarray:
    """p with uniform rows for infeasible actions, whose rows of zeros can't be tilted."""
    return np.where(mdp.feasible[:, :, None], mdp.P, 1 / mdp.S)


def _value(mdp: MDP, objective: Objective, found: Optimum) -> np.ndarray:
    """Values of an answer's model and policy, by one linear solve."""
    reward = objective.reward - objective.weight * divergence(mdp, found.q)
    solve, _ = factor((found.pi[:, None, :] @ found.q)[:, 0], mdp.gamma)
    return solve(policy_value(reward, found.pi))


def _floor(mdp: MDP, objective: Objective, V: np.ndarray) -> float:
    """Smallest error that rounding lets one certify: m + 8 roundings of terms up to |c| + 4 max|V| + 2 w in size."""
    size = abs(objective.reward[mdp.feasible]).max() + 4 * abs(V).max() + 2 * objective.weight
    return float((mdp.successors + 8) * UNIT * size / (1 - mdp.gamma))
