"""The loop of the notebook of Eysenbach et al. 2021: model and policy take half a step to their best answers.

    Q      = values of pi in the model q, for the reward c - w KL(q || p)
    pi_new = greedy(Q)                     V = Q(s, pi_new(s))
    q_new  = respond(capacity(p), V)       p e^V / sum p e^V in eq. 9
    q, pi <- half way to q_new, pi_new     capacity again on q

It stops when q and q_new differ by less than 1e-6. Its limit is not the optimum of eq. 2, whose best model is
`p e^{gamma V}`: see `optimal` for that.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from tabular.errors import NotConverged
from tabular.evaluate import evaluate
from tabular.mdp import MDP, AnyMDP, one_hot
from tabular.operators import greedy, hard_value, policy_bellman
from tabular.optimism.objective import Objective, check_endless, divergence, penalised
from tabular.probability import tilt

PUBLISHED_SWEEPS = 1000
"""The most sweeps of the published evaluation."""

Respond = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""From the dynamics (S, A, S) that a model class can say and the values (S,) to a model."""
Values = Callable[[AnyMDP, np.ndarray], np.ndarray]
"""From an MDP and a policy (S, A) to its Q (S, A)."""
Capacity = Callable[[np.ndarray], np.ndarray]
"""From a model to the nearest one that a model class can say, both (S, A, S)."""


def tilted(p: np.ndarray, V: np.ndarray) -> np.ndarray:
    """The optimistic answer `p e^V / sum p e^V` (eq. 9). V less its mean, as in Figure 3a, gives the same."""
    return tilt(p, V)


def faithful(p: np.ndarray, V: np.ndarray) -> np.ndarray:
    """The answer of Q-learning: the dynamics as they are."""
    return p


def unlimited(q: np.ndarray) -> np.ndarray:
    """The class of all models."""
    return q


def exact_values(mdp: AnyMDP, pi: np.ndarray) -> np.ndarray:
    """Q of a policy by one linear solve, shape (S, A)."""
    return evaluate(mdp, pi).Q


def published_values(mdp: AnyMDP, pi: np.ndarray) -> np.ndarray:
    """Q of a policy as the published notebook has it, shape (S, A): sweeps from 0 until `max_s sum_a |change|` is below
    1e-6, then the one before the last.

    Within 1e-5 of the exact values at gamma = 0.9. Raises NotConverged after 1000 sweeps, where the notebook goes on
    without a word: at gamma = 0.995 its values of a reward of 1 are off by 1.33.
    """
    Q = np.where(mdp.feasible, 0.0, -np.inf)
    for _ in range(PUBLISHED_SWEEPS):
        new = policy_bellman(mdp, Q, pi)
        if abs(np.subtract(new, Q, where=mdp.feasible, out=np.zeros_like(Q))).sum(1).max() < 1e-6:
            return Q
        Q = new
    raise NotConverged(f"{PUBLISHED_SWEEPS} sweeps of the published evaluation don't suffice. Use exact_values.", Q)


@dataclass(frozen=True)
class Loop:
    """What a run of the loop is made of. The defaults are those of the published MnM in Figures 2a and 3b."""

    objective: Objective
    """`mnm(mdp)`, `vmbpo(mdp)`; with weight 0 the method without its classifier."""
    respond: Respond = tilted
    capacity: Capacity = unlimited
    values: Values = exact_values
    """How a policy is evaluated."""
    clip: float | None = None
    """Limit of the divergence of a row, in nats; Figure 2b has 5."""
    smoothing: float = 0.5
    """Share of the new model and policy in the next ones, in (0, 1]; 0.2 and above converge, say the authors."""
    tol: float = 1e-6
    """Stop at this change; 0 never stops early."""
    iterations: int = 100
    """The most there are."""


@dataclass(frozen=True)
class Step:
    """One round: what was evaluated and the answers to it."""

    q: np.ndarray
    """The model that was evaluated, shape (S, A, S)."""
    pi: np.ndarray
    """The policy that was evaluated, shape (S, A)."""
    KL: np.ndarray
    """Divergence of q from p, shape (S, A), limited by `clip`; may be infinite where it costs nothing."""
    Q: np.ndarray
    """Values of pi in q for the penalised reward, shape (S, A)."""
    V: np.ndarray
    """`max_a Q`, shape (S,)."""
    action: np.ndarray
    """Greedy actions, shape (S,); the first of those that tie."""
    change: float
    """`max |q - q_new|`, before the step is taken."""


@dataclass(frozen=True)
class Run:
    """A whole run of the loop."""

    last: Step
    """The last round; its q, pi and V belong together."""
    changes: np.ndarray
    """`change` of every round."""
    q: np.ndarray
    """The model at the end: that of the last round, smoothed once more unless the loop had converged."""
    pi: np.ndarray
    """The policy at the end, in the same sense; stochastic."""
    converged: bool
    """Whether the last change of the model was below `tol`. The published test doesn't look at the policy, which may
    still be on its way: where the dynamics are deterministic it passes in the first round."""


def rounds(mdp: AnyMDP, loop: Loop) -> Iterator[Step]:
    """The rounds of the loop, one by one, until it has converged or has had its `iterations`.

    Raises:
      ValueError for a setting out of range, gamma = 1, an MDP in which episodes end, or a model outside the support of
      p without `clip`.
    """
    mdp = _check(mdp, loop)
    q, pi = mdp.P, mdp.feasible / mdp.feasible.sum(1)[:, None]
    for _ in range(loop.iterations):
        step, q_new = _round(mdp, loop, q, pi)
        yield step
        if step.change < loop.tol:
            return
        q, pi = _smooth(mdp, loop, step, q_new)


def best_response(mdp: AnyMDP, loop: Loop) -> Run:
    """Run the loop to its end. One that hasn't converged says so in the record: Figure 2b never does.

    Raises as `rounds`.
    """
    mdp = mdp.to_dense()
    steps = rounds(mdp, loop)
    last = next(steps)
    changes = [last.change]
    for last in steps:
        changes.append(last.change)
    converged = last.change < loop.tol
    q, pi = (last.q, last.pi) if converged else _smooth(mdp, loop, last, _answer(mdp, loop, last.V))
    return Run(last, np.array(changes), q, pi, converged)


def _round(mdp: MDP, loop: Loop, q: np.ndarray, pi: np.ndarray) -> tuple[Step, np.ndarray]:
    free = loop.clip is None and loop.objective.weight == 0
    KL = divergence(mdp, q, clip=math.inf if free else loop.clip)
    Q = loop.values(penalised(mdp, loop.objective, q, KL), pi)
    V = hard_value(Q)
    q_new = _answer(mdp, loop, V)
    return Step(q, pi, KL, Q, V, greedy(Q), float(abs(q - q_new).max())), q_new


def _answer(mdp: MDP, loop: Loop, V: np.ndarray) -> np.ndarray:
    can_say = np.where(mdp.feasible[:, :, None], loop.capacity(mdp.P), 1 / mdp.S)
    return np.where(mdp.feasible[:, :, None], loop.respond(can_say, V), 0.0)


def _smooth(mdp: MDP, loop: Loop, step: Step, q_new: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    share = loop.smoothing
    q = loop.capacity((1 - share) * step.q + share * q_new)
    return q, (1 - share) * step.pi + share * one_hot(step.action, mdp.A)


def _check(mdp: AnyMDP, loop: Loop) -> MDP:
    check_endless(mdp)
    if not 0 < loop.smoothing <= 1:
        raise ValueError(f"smoothing = {loop.smoothing!r}, expected a share in (0, 1].")
    if not loop.iterations >= 1:
        raise ValueError(f"iterations = {loop.iterations!r}, expected 1 or more.")
    if not loop.tol >= 0:
        raise ValueError(f"tol = {loop.tol!r}, expected 0 (never stop early) or a positive number.")
    if not (loop.objective.weight >= 0 and math.isfinite(loop.objective.weight)):
        raise ValueError(f"objective.weight = {loop.objective.weight!r}, expected 0 (no classifier) or more.")
    return mdp.to_dense()
