"""Returns in a model that may be optimistic but pays for it, and how MnM and VMBPO are of this one form:

    L(q, pi)  =  E_q,pi sum_t gamma^t [ reward(s_t, a_t) - weight KL(q(.|s_t, a_t) || p(.|s_t, a_t)) ]

    objective            reward                                            weight   what it is
    mnm                  (1 - gamma) log r - (1 - gamma) log(1 - gamma)    1        lower bound on log J (MnM, eq. 2, 3)
    mnm(weight=gamma)    the same                                          gamma    lower bound on log J, tighter
    mnm_eq5              log r                                             1        what eq. 5 says; no bound if r > 1
    vmbpo                r                                                 1 / eta  at its optimum an upper bound on J

MnM is Eysenbach et al. 2021, VMBPO Chow et al. 2020.

For fixed q this is an ordinary MDP, `in_model`, which every solver of this package takes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tabular.mdp import MDP, TOLERANCE, AnyMDP, make_mdp
from tabular.probability import kl_rows, log_reward


@dataclass(frozen=True)
class Objective:
    """A reward for each action, and the price of a nat of divergence from the true dynamics."""

    reward: np.ndarray
    """Shape (S, A); -inf where infeasible."""
    weight: float
    """Positive; 0 leaves the divergence out (the classifier of the paper's method), and then nothing bounds q."""


def mnm(mdp: AnyMDP, *, weight: float = 1.0, constant: bool = True, floor: float | None = None) -> Objective:
    """The lower bound on log J of Eysenbach et al. 2021, eq. 2 and 3; holds for every q and pi (Theorem 3.1).

    It bounds `log J = log E sum_t gamma^t r_t` by Jensen's inequality over a geometric time H and the path to it. The
    transition out of s_t lies on that path with probability gamma^(t+1), so `weight = gamma` is a bound as well, larger
    by `(1 - gamma) E_q sum_t gamma^t KL`; no smaller constant is one.

    Args:
      weight: of the divergence; 1 as printed, `mdp.gamma` for the tighter bound.
      constant: whether to add -(1 - gamma) log(1 - gamma), which makes it a bound and changes no argmax. The published
        notebooks leave it out in Figures 2a (left), 2b and 3a.
      floor: replaces rewards below this number, see `log_reward`; another problem, to be named on a figure.

    Raises:
      ValueError for a reward that is not positive, a weight that is not, gamma = 1 or an MDP in which episodes end.
    """
    check_endless(mdp)
    stop = 1 - mdp.gamma
    shift = -stop * math.log(stop) if constant else 0.0
    return objective_of(stop * log_reward(mdp.r, floor) + shift, weight, "weight")


def mnm_eq5(mdp: AnyMDP, *, floor: float | None = None) -> Objective:
    """The objective that eq. 5 of Eysenbach et al. 2021 describes: `log r - KL`, without (1 - gamma) and constant.

    A lower bound on log J where r <= 1 only. Against eq. 3 it divides the price of divergence by 1 / (1 - gamma), which
    moves the optimal q and pi. Raises as `mnm`.
    """
    check_endless(mdp)
    return objective_of(log_reward(mdp.r, floor), 1.0, "weight")


def vmbpo(mdp: AnyMDP, *, eta: float = 1.0) -> Objective:
    """VMBPO (Chow et al. 2020), as Eysenbach et al. 2021 compare it: `r - KL / eta`.

    Its optimum over q is `(1 / eta) log E exp(eta R)` with a risk parameter that decays as eta gamma^t, at least
    `E R + (eta / 2) Var R` to first order in eta: risk-seeking. At an arbitrary q it bounds nothing.

    Raises:
      ValueError for eta that is not positive, gamma = 1 or an MDP in which episodes end.
    """
    check_endless(mdp)
    if not (eta > 0 and math.isfinite(eta)):
        raise ValueError(f"eta = {eta!r}, expected a positive number: the risk parameter.")
    return objective_of(mdp.r, 1 / eta, "1 / eta")


def objective_of(reward: np.ndarray, weight: float, name: str) -> Objective:
    """An objective whose divergence has a price. Raises ValueError for a weight that is not positive and finite."""
    if not (weight > 0 and math.isfinite(weight)):
        raise ValueError(
            f"{name} = {weight!r}, expected a positive number: the price of a nat of divergence. At weight 0 the best "
            "model is any that reaches the best state."
        )
    return Objective(np.asarray(reward), float(weight))


def in_model(mdp: AnyMDP, objective: Objective, q, *, clip: float | None = None) -> MDP:
    """The MDP whose dynamics are q and whose reward is `reward - weight KL(q || p)`: its return is L(q, pi).

    Args:
      q: model, shape (S, A, S).
      clip: limit of the divergence of a row, for a q that has mass where p has none; then L is no bound any more.

    Raises:
      ValueError if a row of q is no distribution, or leaves the support of p and no clip is given.
    """
    q = check_model(mdp, q)
    return penalised(mdp, objective, q, divergence(mdp, q, clip=clip) if objective.weight else np.zeros(mdp.r.shape))


def penalised(mdp: AnyMDP, objective: Objective, q: np.ndarray, KL: np.ndarray) -> MDP:
    """`in_model` for a divergence KL[s, a] that is known already; at weight 0 it may be infinite."""
    price = objective.weight * KL if objective.weight else 0.0
    return make_mdp(q, objective.reward - price, gamma=mdp.gamma, rho=mdp.rho, grid=mdp.grid)  # type: ignore


def divergence(mdp: AnyMDP, q: np.ndarray, *, clip: float | None = None) -> np.ndarray:
    """`KL(q(.|s, a) || p(.|s, a))`, shape (S, A), in nats; 0 for infeasible actions.

    Raises:
      ValueError if q leaves the support of p and no clip is given, or the clip is not positive.
    """
    if clip is not None and not clip > 0:
        raise ValueError(f"clip = {clip!r}, expected a positive number of nats.")
    p = mdp.to_dense().P
    outside = (q > 0) & (p == 0) & mdp.feasible[:, :, None]
    if clip is None and outside.any():
        s, a, t = np.argwhere(outside)[0]
        raise ValueError(
            f"q[{s}, {a}, {t}] = {q[s, a, t]:g} where p is 0, so the divergence is infinite; {outside.any(2).sum()} of "
            f"{mdp.S * mdp.A} rows are wrong. Give q the support of p, or limit the divergence with clip=..."
        )
    return np.where(mdp.feasible, kl_rows(q, p, clip=np.inf if clip is None else clip), 0.0)


def check_model(mdp: AnyMDP, q) -> np.ndarray:
    """A model as a float64 array. Raises ValueError unless its rows are distributions."""
    q = np.asarray(q, dtype=np.float64)
    if q.shape != (mdp.S, mdp.A, mdp.S):
        raise ValueError(f"q has shape {q.shape}, expected {(mdp.S, mdp.A, mdp.S)}: q[s, a, s'].")
    if not (q >= 0).all():
        s, a, t = np.argwhere(~(q >= 0))[0]
        raise ValueError(f"q[{s}, {a}, {t}] = {q[s, a, t]:g}, expected a probability (0 or more).")
    wrong = (abs(q.sum(-1) - 1) > TOLERANCE) & mdp.feasible
    if wrong.any():
        s, a = np.argwhere(wrong)[0]
        raise ValueError(
            f"q[{s}, {a}] sums to {q[s, a].sum():.12g}, expected 1 (tolerance {TOLERANCE:g}); {wrong.sum()} of "
            f"{wrong.size} rows are wrong. Divide by q.sum(-1, keepdims=True)."
        )
    return q


def check_endless(mdp: AnyMDP) -> None:
    """Raises ValueError for gamma = 1, and where episodes end: a reward of 0 from then on has no logarithm."""
    if mdp.gamma == 1:
        raise ValueError("gamma = 1, expected less: the time that the bounds average over is geometric.")
    if mdp.terminating and (mdp.stop_probability > 0).any():
        s, a = np.argwhere(mdp.stop_probability > 0)[0]
        raise ValueError(
            f"an episode can end after state {s}, action {a}, expected one that goes on for ever. Lead it to a state "
            "that is never left, with a small positive reward."
        )
