"""Learned models of a 2-state MDP, and what planning in them is worth in the true one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tabular.counts import Counts, from_transitions
from tabular.equivalence import q_equivalent
from tabular.evaluate import evaluate
from tabular.mdp import MDP, make_mdp
from tabular.mismatch import mismatch
from tabular.probability import kl_rows
from tabular.solve import Solution, solve

MOST_SAMPLES = 200
"""Transitions of each state and action in the data, at most."""
INFINITE = 1e6
"""Divergences above this are infinite: the model rules out what can happen."""


@dataclass(frozen=True)
class Learned:
    """A model, and what it costs to plan in it."""

    mdp: MDP
    solution: Solution
    loss: float
    """Return lost in the true MDP by the policy that is optimal in the model."""
    plan_V: np.ndarray
    """True values of that policy, shape (2,)."""
    q_error: float
    """`max |Q* - Q_hat|`."""
    kl: float
    """Mean over states and actions of `KL(P || P_hat)`, in nats: what the likelihood of a transition loses."""


def learned(true: MDP, model: MDP) -> Learned:
    """What planning in a model is worth."""
    found = mismatch(true, model)
    solution = solve(model)
    return Learned(
        model, solution, found.loss, evaluate(true, solution.pi).V, found.q_error, divergence(true.P, model.P)
    )


def divergence(P: np.ndarray, P_hat: np.ndarray) -> float:
    """Mean of `KL(P || P_hat)` over states and actions, in nats; infinite where a model rules out what can happen."""
    kl = float(kl_rows(P, P_hat, clip=8 * INFINITE).mean())
    return kl if kl < INFINITE else float("inf")


def sampled(true: MDP, n: int, seed: int) -> Counts:
    """Counts of n transitions of each state and action. More data of one seed begin with the same transitions."""
    chance = np.random.default_rng(seed).random((MOST_SAMPLES, 2, true.A))[:n]
    s, a = np.broadcast_arrays(np.arange(2)[:, None], np.arange(true.A))
    s, a = (np.broadcast_to(index, chance.shape).ravel() for index in (s, a))
    s_next = (chance >= true.P[:, :, 0]).astype(int).ravel()
    return from_transitions(s, a, true.r[s, a], s_next, S=2, A=true.A)


def most_likely(true: MDP, n: int, seed: int) -> MDP:
    """The most likely model of such data."""
    found = sampled(true, n, seed).mdp(true.gamma, rho=true.rho).to_dense()
    return alike(true, found.P, found.r)


def alike(true: MDP, P: np.ndarray, r: np.ndarray) -> MDP:
    """Other transitions and rewards, with the discount, start and names of the true MDP."""
    return make_mdp(P, r, gamma=true.gamma, rho=true.rho, states=true.states, actions=true.actions).to_dense()


def random_kernel(true: MDP, seed: int) -> np.ndarray:
    """Transitions drawn uniformly, shape (2, A, 2)."""
    return np.random.default_rng(seed).dirichlet(np.ones(2), size=(2, true.A))


def other_transitions(true: MDP, eps: float, seed: int) -> MDP:
    """The true rewards, and transitions `(1 - eps) P + eps P_random`."""
    P_hat = (1 - eps) * true.P + eps * random_kernel(true, seed)
    return alike(true, P_hat, true.r)


def equivalent(true: MDP, eps: float, seed: int) -> MDP:
    """The same transitions with the rewards that make up for them: a Q*-equivalent model."""
    return q_equivalent(true, other_transitions(true, eps, seed).P).to_dense()


MODELS = {"other": other_transitions, "equivalent": equivalent}


@dataclass(frozen=True)
class Cloud:
    """Many models at once: with the true rewards ("other"), and with those that make up for the transitions."""

    seeds: np.ndarray
    kl: np.ndarray
    """Shape (n,), the same for both: they share their transitions."""
    loss: dict[str, np.ndarray]
    """Return lost by planning in each, shape (n,)."""


def cloud(true: MDP, eps: float, seeds: np.ndarray) -> Cloud:
    """One pair of models for each seed."""
    models = {kind: [make(true, eps, int(seed)) for seed in seeds] for kind, make in MODELS.items()}
    best = solve(true).J
    loss = {kind: best - np.array([_planned(true, model) for model in made]) for kind, made in models.items()}
    kl = np.array([divergence(true.P, model.P) for model in models["other"]])
    return Cloud(seeds, kl, {kind: np.maximum(lost, 0.0) for kind, lost in loss.items()})


def _planned(true: MDP, model: MDP) -> float:
    return evaluate(true, solve(model).pi).J
