"""Random MDPs for tests, replayable from (seed, i): near-deterministic kernels, extreme rewards, gamma up to .999."""

from __future__ import annotations

import numpy as np

import tabular as tb

GAMMAS = (0.1, 0.5, 0.9, 0.99, 0.999)


def random_mdp(seed: int, i: int, *, S: int | None = None, A: int | None = None, gamma: float | None = None):
    """A dense MDP of 2-8 states and 1-4 actions.

    Dirichlet rows of concentration 10^U(-1.5, 1), 15% deterministic kernels, 30% two-valued rewards.
    """
    rng = np.random.default_rng([seed, i])
    S = int(rng.integers(2, 9)) if S is None else S
    A = int(rng.integers(1, 5)) if A is None else A
    P = rng.dirichlet(np.full(S, 10 ** rng.uniform(-1.5, 1)), size=(S, A))
    if rng.random() < 0.15:
        P = np.eye(S)[rng.integers(S, size=(S, A))]
    r = rng.normal(size=(S, A)) * 10 ** rng.uniform(-1, 2)
    if rng.random() < 0.3:
        r = rng.choice([-1.0, 1.0], size=(S, A))
    gamma = float(rng.choice(GAMMAS)) if gamma is None else gamma
    P = np.where(np.isnan(P), 1 / S, P)
    return tb.make_mdp(P / P.sum(-1, keepdims=True), r, gamma=gamma, rho=rng.dirichlet(np.ones(S)))
