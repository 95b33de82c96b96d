"""The value functions of all policies of a 2-state MDP: the value-function polytope.

The values of a policy are `V^pi = (I - gamma P_pi)^{-1} r_pi`, a point in the plane of (V(s0), V(s1)). For all policies
together they fill a polytope (Dadashi et al. 2019), which needn't be convex:

* policies that agree in one state have values on a straight line (their Theorem 1), whose ends are deterministic in
  the other state; in between, equal steps of the policy are no equal steps of the values (`line`);
* so the boundary consists of pieces of 2 A segments, one for each state and action (their Corollary 3; `edges`);
* V is the value function of some policy if and only if in both states it lies between the best and the worst backup,

      min_a Q_V(s, a)  <=  V(s)  <=  max_a Q_V(s, a),      Q_V = r + gamma P V,

  since a policy has the values V exactly if `sum_a pi(a|s) Q_V(s, a) = V(s)` in both states (`is_value`, `policy_at`).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, product

import numpy as np

from tabular.mdp import AnyMDP, one_hot
from tabular.operators import backup

ROUNDING = 1e-12
"""A value counts as attained if it is beyond the best or worst backup by at most this, relative to the largest."""


@dataclass(frozen=True)
class Polytope:
    """The value functions of all policies of a 2-state MDP with A actions."""

    policies: np.ndarray
    """All deterministic policies, actions in the two states, shape (A^2, 2); the action in s1 changes fastest."""
    V: np.ndarray
    """Their values, shape (A^2, 2). The corners of the polytope are among them."""
    edges: np.ndarray
    """Ends of the segment of the policies that take action a in state s: shape (2, A, 2, 2), axes `s, a, end, V`."""
    pieces: np.ndarray
    """Quadrilaterals, shape (K, 4, 2), with K = (A (A - 1) / 2)^2: the polytope is their union. Each holds the values
    of the mixtures of two actions in either state, and may cross itself; its inside is where it winds around."""


@dataclass(frozen=True)
class Line:
    """The values of policies that differ in one state."""

    ends: tuple[int, int]
    """The actions of the worst and of the best of these policies in that state."""
    pi: np.ndarray
    """Policies, shape (n + 1, S, A): shares k / n of the best action, the rest on the worst."""
    V: np.ndarray
    """Their values, shape (n + 1, S)."""


def policy_values(mdp: AnyMDP, policies: np.ndarray) -> np.ndarray:
    """Values of many policies at once, `V = (I - gamma P_pi)^{-1} r_pi`. Shapes (n, S, A) to (n, S)."""
    true = mdp.to_dense()
    chains = np.einsum("nsa,sat->nst", policies, true.P)
    rewards = np.einsum("nsa,sa->ns", policies, true.r)
    return np.linalg.solve(np.eye(true.S) - true.gamma * chains, rewards[..., None])[..., 0]


def polytope(mdp: AnyMDP) -> Polytope:
    """The polytope of a 2-state MDP. Raises ValueError, see `require_two_states`."""
    require_two_states(mdp)
    A = mdp.A
    policies = np.array(list(product(range(A), repeat=2)))
    V = policy_values(mdp, np.eye(A)[policies])
    at = V.reshape(A, A, 2)
    edges = np.stack([_ends(at, 1), _ends(at.swapaxes(0, 1), 0)])
    pairs = list(combinations(range(A), 2))
    pieces = [[at[a, c], at[a, d], at[b, d], at[b, c]] for a, b in pairs for c, d in pairs]
    return Polytope(policies, V, edges, np.array(pieces).reshape(-1, 4, 2))


def _ends(V: np.ndarray, free: int) -> np.ndarray:
    """Ends of the segments V[a] of the values of A policies each, ordered by the state in which they differ."""
    rows = np.arange(len(V))
    worst, best = V[..., free].argmin(1), V[..., free].argmax(1)
    return np.stack([V[rows, worst], V[rows, best]], axis=1)


def line(mdp: AnyMDP, pi: np.ndarray, state: int, steps: int = 10) -> Line:
    """The line on which the values move when only the policy in one state changes, in equal steps of the policy.

    The position is a projective function of the share: with d_i the discounted visits to the state, from there, of the
    policies at the two ends, `V = w V_1 + (1 - w) V_0` with `w = share d_0 / (share d_0 + (1 - share) d_1)`.
    """
    others = np.broadcast_to(pi, (mdp.A, *pi.shape)).copy()
    others[:, state] = np.eye(mdp.A)
    V = policy_values(mdp, others)[:, state]
    worst, best = int(V.argmin()), int(V.argmax())
    share = np.linspace(0, 1, steps + 1)[:, None]
    mixed = np.broadcast_to(pi, (steps + 1, *pi.shape)).copy()
    mixed[:, state] = share * np.eye(mdp.A)[best] + (1 - share) * np.eye(mdp.A)[worst]
    return Line((worst, best), mixed, policy_values(mdp, mixed))


def mesh(mdp: AnyMDP, steps: int) -> np.ndarray:
    """Segments that cover the polytope: the policy in one state on a grid of 1 / steps, any in the other; (n, 2, 2)."""
    shares = [share for share in product(range(steps + 1), repeat=mdp.A) if sum(share) == steps]
    rows, ends = np.array(shares) / steps, np.eye(mdp.A)
    n, A = len(rows), mdp.A
    fixed, free = np.repeat(rows, A, axis=0), np.tile(ends, (n, 1))
    pairs = [np.stack([fixed, free], 1), np.stack([free, fixed], 1)]
    return np.concatenate(
        [_ends(policy_values(mdp, pair).reshape(n, A, 2), s) for pair, s in zip(pairs, (1, 0), strict=True)]
    )


def is_value(mdp: AnyMDP, V: np.ndarray) -> bool:
    """Whether V is the value function of some policy: `min_a Q_V <= V <= max_a Q_V` in every state."""
    Q = backup(mdp, V)
    slack = ROUNDING * max(1.0, float(abs(V).max()), float(abs(Q).max()))
    return bool(((Q.min(1) - slack <= V) & (Q.max(1) + slack >= V)).all())


def policy_at(mdp: AnyMDP, V: np.ndarray, near: np.ndarray) -> np.ndarray:
    """The policy that has the values V, made from the policy `near` by mixing one action in where needed.

    Solves `sum_a pi(a|s) Q_V(s, a) = V(s)` in each state. Where no policy does, as near as it gets: then the result is
    deterministic there, and its values are others.
    """
    Q = backup(mdp, V)
    mean = (near * Q).sum(1)
    ends = np.where(mean < V, Q.argmax(1), Q.argmin(1))
    reach = Q[np.arange(mdp.S), ends] - mean
    share = np.divide(V - mean, reach, out=np.zeros(mdp.S), where=abs(reach) > 0)
    share = np.clip(share, 0, 1)[:, None]
    return (1 - share) * near + share * one_hot(ends, mdp.A)


def policy_iteration(mdp: AnyMDP, pi: np.ndarray, most: int = 50) -> np.ndarray:
    """Policies of policy iteration, from `pi` to the first that is greedy for its own values; shape (k, S, A)."""
    policies = [pi]
    while len(policies) < most:
        Q = backup(mdp, policy_values(mdp, policies[-1][None])[0])
        better = improved(Q, policies[-1])
        if np.array_equal(better, policies[-1]):
            break
        policies.append(better)
    return np.stack(policies)


def improved(Q: np.ndarray, pi: np.ndarray) -> np.ndarray:
    """The greedy policy; what a state does stays where no action is better by more than rounding."""
    gain = Q.max(1) - (pi * Q).sum(1)
    better = gain > ROUNDING * max(1.0, float(abs(Q).max()))
    return np.where(better[:, None], one_hot(Q.argmax(1), Q.shape[1]), pi)


def require_two_states(mdp: AnyMDP, name: str = "mdp") -> None:
    """Raises ValueError, with the reason and the cure, unless the MDP has a polytope in the plane."""
    if mdp.S != 2:
        raise ValueError(
            f"{name} has {mdp.S} state{'s' * (mdp.S != 1)}, expected 2: the polytope is drawn in the plane of "
            "(V(s0), V(s1)). tabular.worlds.two_state() is one."
        )
    if not mdp.feasible.all():
        s, a = np.argwhere(~mdp.feasible)[0]
        raise ValueError(
            f"{name} has an infeasible action, r[{s}, {a}] = -inf. Give it the row and the reward of another action of "
            "this state: that adds no values."
        )
    if mdp.gamma >= 1:
        raise ValueError(f"{name} has gamma = {mdp.gamma:g}, expected less than 1: some policies have no finite value.")
