"""Dynamic programming one sweep at a time: what the player plays.

A frame is a value function V and a policy pi. From it one can go on in three ways:

    sweep      V <- max_a Q(V),           pi <- greedy                   value iteration
    evaluate   V <- sum_a pi Q(V)                                        one sweep of policy evaluation
    improve                               pi <- greedy with respect to Q(V)

with `Q(V)[s, a] = r[s, a] + gamma sum_s' P[s, a, s'] V[s']`. At a temperature alpha > 0 the soft versions: a value
`alpha log sum exp(Q / alpha)`, the policy softmax(Q / alpha), and an entropy bonus in the evaluation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from tabular.bounds import rounding_floor, size_of
from tabular.mdp import AnyMDP
from tabular.operators import backup, hard_value, policy_value, soft_value, softmax_policy, ties

TOLERANCE = 1e-6
"""Sweeps stop when the certified distance from the optimal values is below this, times max |V*| if that is above 1."""
MOST = 3000
"""Frames at most."""
TIED = 1e-9
"""Actions whose values differ by less than this, relative to the largest value, count as equally good."""


@dataclass(frozen=True)
class Frame:
    """A value function, the policy held with it, and how it came about."""

    V: np.ndarray
    """Shape (S,)."""
    pi: np.ndarray
    """Shape (S, A)."""
    phase: str = "start"
    """start, sweep, evaluate or improve."""


@dataclass(frozen=True)
class Run:
    """Frames one after the other, with the proof of how far each is from the answer."""

    frames: tuple[Frame, ...]
    Q: np.ndarray
    """`Q(V)` of each frame, shape (K, S, A); -inf where infeasible."""
    bound: np.ndarray
    """Certified bound on `max |V - V*|`: `max |TV - V| / (1 - gamma)` and rounding, shape (K,)."""
    stop: str
    """Why there is no further frame."""


def value_of(Q: np.ndarray, alpha: float) -> np.ndarray:
    """`max_a Q`, or the soft value."""
    return soft_value(Q, alpha) if alpha > 0 else hard_value(Q)


def policy_of(Q: np.ndarray, alpha: float) -> np.ndarray:
    """Greedy, with equal chances where actions are equally good; or softmax."""
    if alpha > 0:
        return softmax_policy(Q, alpha)
    top = np.abs(Q[np.isfinite(Q)]).max(initial=0.0)
    best = ties(Q, TIED * top)
    return best / best.sum(1, keepdims=True)


def first(mdp: AnyMDP) -> Frame:
    """V = 0 and the policy that chooses at random."""
    return Frame(np.zeros(mdp.S), mdp.feasible / mdp.feasible.sum(1, keepdims=True))


def sweep(mdp: AnyMDP, frame: Frame, alpha: float) -> Frame:
    """One sweep of value iteration."""
    V = value_of(backup(mdp, frame.V), alpha)
    return Frame(V, policy_of(backup(mdp, V), alpha), "sweep")


def evaluate(mdp: AnyMDP, frame: Frame, alpha: float) -> Frame:
    """One sweep of policy evaluation; at a temperature with the bonus `alpha H(pi)`."""
    V = policy_value(backup(mdp, frame.V), frame.pi)
    if alpha > 0:
        V = V - alpha * (frame.pi * np.log(np.where(frame.pi > 0, frame.pi, 1.0))).sum(1)
    return Frame(V, frame.pi, "evaluate")


def improve(mdp: AnyMDP, frame: Frame, alpha: float) -> Frame:
    """The policy made greedy (or softmax) with respect to the values, which stay."""
    return Frame(frame.V, policy_of(backup(mdp, frame.V), alpha), "improve")


def value_iteration(mdp: AnyMDP, alpha: float) -> Iterator[Frame]:
    """Sweeps for ever."""
    frame = first(mdp)
    while True:
        yield frame
        frame = sweep(mdp, frame, alpha)


def policy_iteration(mdp: AnyMDP, alpha: float, evaluations: int) -> Iterator[Frame]:
    """Rounds of some sweeps of evaluation, fewer if they no longer change anything, and an improvement, for ever."""
    frame = first(mdp)
    yield frame
    while True:
        for _ in range(evaluations):
            before, frame = frame, evaluate(mdp, frame, alpha)
            yield frame
            if abs(frame.V - before.V).max() <= TOLERANCE / 10 * (1 - mdp.gamma):
                break
        frame = improve(mdp, frame, alpha)
        yield frame


def recorded(mdp: AnyMDP, frames: Iterator[Frame], alpha: float, V_star: np.ndarray) -> Run:
    """Frames up to the first that is proved to be good enough, or as many as there may be."""
    tol = TOLERANCE * max(1.0, float(abs(V_star).max()))
    size = size_of(mdp, alpha or None)
    taken: list[Frame] = []
    Qs: list[np.ndarray] = []
    bounds: list[float] = []
    stop = ""
    for frame in frames:
        Q = backup(mdp, frame.V)
        top = float(abs(frame.V).max())
        gap = float(abs(value_of(Q, alpha) - frame.V).max())
        bounds.append(gap / (1 - mdp.gamma) + rounding_floor(size, mdp.gamma, top + gap))
        taken.append(frame)
        Qs.append(Q)
        if bounds[-1] <= tol and frame.phase != "evaluate":
            stop = f"stopped after {_count(taken)}: certified error {bounds[-1]:.1e} ≤ {tol:.1e}"
            break
        if len(taken) == MOST:
            stop = f"stopped at the limit of {MOST} frames: certified error {bounds[-1]:.1e} > {tol:.1e}"
            break
    return Run(tuple(taken), np.stack(Qs), np.array(bounds), stop or f"{_count(taken)}, by hand: go on as you like")


def _count(frames: list[Frame]) -> str:
    sweeps = sum(frame.phase in ("sweep", "evaluate") for frame in frames)
    improvements = sum(frame.phase == "improve" for frame in frames)
    text = f"{sweeps} sweep{'s' * (sweeps != 1)}"
    return text + f" and {improvements} improvement{'s' * (improvements != 1)}" * (improvements > 0)


def frame_labels(frames: Iterable[Frame]) -> list[str]:
    """What each frame is, in words: "sweep 12", "round 2, evaluation 3"."""
    labels, rounds, count = [], 1, 0
    for frame in frames:
        count = count + 1 if frame.phase in ("sweep", "evaluate") else 0
        if frame.phase == "improve":
            labels.append(f"improvement {rounds}")
            rounds += 1
        elif frame.phase == "evaluate":
            labels.append(f"round {rounds}, evaluation {count}")
        else:
            labels.append(f"sweep {count}" if count else "V = 0, a random policy")
    return labels
