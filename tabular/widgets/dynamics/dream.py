"""The best model of an objective when only the few successors of each state and action are kept: fast enough to drag.

`optimism.optimum` has the same answer with the whole kernel, shape (S, A, S). Here a row has as many entries as a move
has successors, three or four on a grid, and the price of divergence may be what a limited classifier says, or nothing:

    (TV)(s) = max_a [ c(s, a) + max_q { gamma E_q V - w D(q) } ]

    D(q) = KL(q || p) = -E_q log p/q                the price of MnM and VMBPO
    D(q) = -E_q clip(log p/q, -limit, limit)        the same from logits that are clipped
    w = 0                                           no classifier: every move ends where it is best to be

T is a maximum over actions and models, so it is monotone, a contraction by gamma, and policy iteration solves it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import splu

from tabular.linear import DENSE_STATES
from tabular.mdp import AnyMDP, one_hot
from tabular.operators import policy_value, ties

NEWTON_STEPS = 60
"""Linear solves at most; 2 to 8 are usual."""


@dataclass(frozen=True)
class Successors:
    """A kernel row by row: `p[s, a, k]` is the probability of the successor `index[s, a, k]`."""

    index: np.ndarray
    """Shape (S, A, K), integers. Entries with p = 0 fill rows up; infeasible actions stay where they are."""
    p: np.ndarray
    """Shape (S, A, K)."""
    gamma: float
    feasible: np.ndarray
    """Shape (S, A)."""

    def chain(self, q: np.ndarray, pi: np.ndarray) -> sp.csr_array:
        """The transition matrix of a policy in a model q (S, A, K), shape (S, S)."""
        S = len(q)
        columns, parts = self.index.reshape(S, -1), (pi[:, :, None] * q).reshape(S, -1)
        return sp.csr_array((parts.ravel(), columns.ravel(), np.arange(S + 1) * columns.shape[1]), shape=(S, S))

    def whole(self, q: np.ndarray) -> np.ndarray:
        """A model as a kernel of shape (S, A, S), with rows of zeros for infeasible actions."""
        S, A, _ = q.shape
        kernel = np.zeros((S, A, S))
        states, actions = np.ogrid[:S, :A]
        np.add.at(kernel, (states[..., None], actions[..., None], self.index), q * self.feasible[:, :, None])
        return kernel


def successors(mdp: AnyMDP) -> Successors:
    """The successors of every state and action of an MDP."""
    S, A = mdp.S, mdp.A
    stacked = sp.csr_array(sp.vstack([sp.csr_array(mdp.chain(np.full(S, a))) for a in range(A)]))
    stacked.eliminate_zeros()
    width = np.diff(stacked.indptr)
    K = int(width.max())
    index, p = np.repeat(np.tile(np.arange(S), A)[:, None], K, axis=1), np.zeros((S * A, K))
    filled = np.arange(K) < width[:, None]
    index[filled], p[filled] = stacked.indices, stacked.data
    index, p = (part.reshape(A, S, K).swapaxes(0, 1).copy() for part in (index, p))
    p[~mdp.feasible] = np.eye(K)[0]
    index[~mdp.feasible] = np.nonzero(~mdp.feasible)[0][:, None]
    return Successors(index, p, mdp.gamma, mdp.feasible)


@dataclass(frozen=True)
class Price:
    """What a model pays for its divergence from p in a row."""

    weight: float
    """Of a nat; 0 without a classifier."""
    limit: float | None = None
    """Log ratios are clipped to [-limit, limit]; None: exact."""

    def charge(self, p: np.ndarray, q: np.ndarray) -> np.ndarray:
        """D(q) along the last axis, in nats, at any weight."""
        ratio = log_ratio(p, q)
        ratio = ratio if self.limit is None else np.clip(ratio, -self.limit, self.limit)
        return (q * ratio).sum(-1)

    def answer(self, p: np.ndarray, X: np.ndarray) -> np.ndarray:
        """The row q that is best for `E_q X - weight D(q)`, within the support of p; arrays of shape (..., K)."""
        if self.weight == 0:
            X = np.where(p > 0, X, -np.inf)
            top = X.max(-1, keepdims=True)
            likeliest = np.where(top - 1e-9 * (1 + abs(top)) <= X, np.round(p, 12), -1.0).argmax(-1)
            return (np.arange(p.shape[-1]) == likeliest[..., None]).astype(float)
        tilted = softmax(p, X / self.weight)
        if self.limit is None or self._out_of_reach(p, tilted):
            return tilted
        return self._best(p, X, [tilted, *limited_answers(p, X / self.weight, self.limit)])

    def _out_of_reach(self, p: np.ndarray, tilted: np.ndarray) -> bool:
        """Whether no row can have a log ratio above the limit, and the tilted ones have none below."""
        rarest, lowest = p.min(where=p > 0, initial=1.0), log_ratio(p, tilted).min(initial=0.0)
        return -np.log(rarest) <= self.limit and -lowest <= self.limit

    def _best(self, p: np.ndarray, X: np.ndarray, candidates: list[np.ndarray]) -> np.ndarray:
        """The best of several rows, chosen for each state and action; rows with negative entries don't count."""
        worth = [
            np.where((q >= 0).all(-1), (q * X).sum(-1) - self.weight * self.charge(p, np.maximum(q, 0)), -np.inf)
            for q in candidates
        ]
        best = np.argmax(worth, axis=0)[None, ..., None]
        return np.take_along_axis(np.stack(candidates), best, axis=0)[0]


def exact_divergence(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """KL(q || p) along the last axis, in nats, for q within the support of p."""
    return (q * log_ratio(p, q)).sum(-1)


def log_ratio(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """log q/p where both are positive, otherwise 0."""
    both = (q > 0) & (p > 0)
    return np.log(np.where(both, q, 1.0) / np.where(both, p, 1.0))


def softmax(p: np.ndarray, x: np.ndarray) -> np.ndarray:
    """p e^x / sum p e^x along the last axis; a row of zeros in p stays zero."""
    top = np.where(p > 0, x, -np.inf).max(-1, keepdims=True)
    weights = p * np.exp(np.where(p > 0, x - np.where(np.isfinite(top), top, 0.0), 0.0))
    total = weights.sum(-1, keepdims=True)
    return weights / np.where(total > 0, total, 1.0)


def limited_answers(p: np.ndarray, x: np.ndarray, limit: float) -> Iterator[np.ndarray]:
    """Rows among which is the one that maximises `E_q x - D(q)` for clipped log ratios; not all are distributions.

    An entry adds q x - q clip(log q/p, -limit, limit). That is linear for q < p e^-limit, then concave, then linear
    above p e^limit, with a concave kink before and a convex one after. So, at a maximum with multiplier m, one entry at
    most is above (its m is x - limit), the others have q = p e^{x - m - 1} raised to p e^-limit, and are 0 where
    m > x + limit; at m = x + limit one entry may be anywhere between 0 and p e^-limit.
    """
    order = np.argsort(np.where(p > 0, -x, np.inf), axis=-1, kind="stable")
    back = np.argsort(order, axis=-1, kind="stable")
    p, x = np.take_along_axis(p, order, -1), np.take_along_axis(x, order, -1)
    K = p.shape[-1]
    for q in (*_without_excess(p, x, limit), *(_residual(p, x, limit, k, x[..., [k]] - limit) for k in range(K))):
        yield np.take_along_axis(q, back, -1)


def _without_excess(p: np.ndarray, x: np.ndarray, limit: float) -> Iterator[np.ndarray]:
    """Nothing above p e^limit: the first entries are tilted, the next ones at p e^-limit, the others 0 (or a rest)."""
    K, floor = p.shape[-1], p * np.exp(-limit)
    places = np.arange(K)
    for first in range(1, K + 1):
        for end in range(first, K + 1):
            low = np.where((places >= first) & (places < end), floor, 0.0)
            yield low + (1 - low.sum(-1, keepdims=True)) * softmax(np.where(places < first, p, 0.0), x)
            if end < K:
                yield _residual(p, x, limit, end, x[..., [end]] + limit)


def _residual(p: np.ndarray, x: np.ndarray, limit: float, k: int, m: np.ndarray) -> np.ndarray:
    """All entries but k for a multiplier m; entry k is what is left."""
    q = p * np.exp(np.clip(x - m - 1, -limit, limit + 1)) * (x + limit > m)
    q[..., k] = 0.0
    q[..., k] = np.where(p[..., k] > 0, 1 - q.sum(-1), -1.0)
    return q


@dataclass(frozen=True)
class Dream:
    """The best policy and the model that is best for it."""

    V: np.ndarray
    """What it promises, shape (S,)."""
    Q: np.ndarray
    """Shape (S, A); -inf where infeasible."""
    q: np.ndarray
    """The model, shape (S, A, K)."""
    charge: np.ndarray
    """D(q), shape (S, A), in nats: what a limited classifier says it is."""
    action: np.ndarray
    """Shape (S,)."""
    error: float
    """`max |TV - V| / (1 - gamma)`, a bound on the distance of V from the fixed point but for rounding."""


def dream(world: Successors, reward: np.ndarray, price: Price, start: np.ndarray | None = None) -> Dream:
    """The fixed point V = TV of the module's head by policy iteration, from values `start` (S,)."""
    V = np.zeros(len(reward)) if start is None else start
    rounding = 1e-13 * (1 + abs(reward[world.feasible]).max()) / (1 - world.gamma)
    for step in range(NEWTON_STEPS):
        found, TV = _answered(world, reward, price, V)
        better = value_of(world, found.q, one_hot(found.action, reward.shape[1]), reward - price.weight * found.charge)
        if step and not (better - V).max() > rounding:
            break
        V = better
    return replace(found, V=TV)


def _answered(world: Successors, reward: np.ndarray, price: Price, V: np.ndarray) -> tuple[Dream, np.ndarray]:
    """The best answers to V, and TV."""
    X = world.gamma * V[world.index]
    q = price.answer(world.p, X)
    charge = price.charge(world.p, q)
    Q = reward - price.weight * charge + (q * X).sum(-1)
    TV = Q.max(1)
    action = best_actions(Q, exact_divergence(world.p, q))
    return Dream(V, Q, q, charge, action, float(abs(TV - V).max()) / (1 - world.gamma)), TV


def best_actions(Q: np.ndarray, divergence: np.ndarray) -> np.ndarray:
    """Greedy actions, shape (S,); of those that tie but for rounding the one whose model diverges least from p.

    Without a price many tie. This is what a price that goes to 0 chooses, as far as one step shows it.
    """
    best = ties(Q, 1e-10 * (1 + abs(Q.max(1)).max()))
    return np.where(best, np.round(divergence, 9), np.inf).argmin(1)


def value_of(world: Successors, q: np.ndarray, pi: np.ndarray, reward: np.ndarray) -> np.ndarray:
    """Values of a policy (S, A) in a model (S, A, K) by one linear solve, shape (S,)."""
    chain, paid = world.chain(q, pi), policy_value(reward, pi)
    if len(q) <= DENSE_STATES:
        return np.linalg.solve(np.eye(len(q)) - world.gamma * chain.toarray(), paid)
    return splu((sp.eye_array(len(q)) - world.gamma * chain).tocsc()).solve(paid)


@dataclass(frozen=True)
class Round:
    """One round of the loop: what was evaluated."""

    q: np.ndarray
    """Shape (S, A, K)."""
    pi: np.ndarray
    """Shape (S, A)."""
    charge: np.ndarray
    """Shape (S, A)."""
    V: np.ndarray
    """The objective of q and pi, shape (S,)."""
    action: np.ndarray
    """Greedy actions, shape (S,)."""


def rounds(
    world: Successors, reward: np.ndarray, price: Price, *, share: float = 0.5, most: int = 40, tol: float = 1e-3
) -> Iterator[Round]:
    """Model and policy take half a step to their best answers, as in `optimism.rounds`, whose numbers these are.

    From q = p and a uniform policy, until neither changes by more than `tol`; the model's answer is that of `price`.
    """
    q, pi = world.p, world.feasible / world.feasible.sum(1, keepdims=True)
    for _ in range(most):
        charge = price.charge(world.p, q)
        paid = reward - price.weight * charge
        V = value_of(world, q, pi, paid)
        Q = paid + world.gamma * (q * V[world.index]).sum(-1)
        new = price.answer(world.p, world.gamma * Q.max(1)[world.index])
        action = best_actions(Q, exact_divergence(world.p, q))
        yield Round(q, pi, charge, V, action)
        best = one_hot(action, Q.shape[1])
        if max(abs(new - q).max(), abs(best - pi).max()) < tol:
            return
        q, pi = (1 - share) * q + share * new, (1 - share) * pi + share * best
