"""Total reward: gamma = 1.

Without discounting the Bellman equation alone doesn't settle the answer: on FrozenLake at gamma = 1, V = 1 in every
state solves it and so does walking in circles for ever. What the episodes can end in does:

* An *end component* is a set of states and actions that a policy can stay in for ever. If all its rewards are 0, a
  policy may stay at no cost: its states have one common value and are merged into one, which may also stop.
* In every other end component the largest mean reward must be negative: then staying costs without bound, every
  sensible policy ends, and the optimal value of the merged problem is the one fixed point of its Bellman operator
  (Bertsekas & Tsitsiklis 1991). A component of positive or zero mean reward, or a state from which no end can be
  reached, has no finite answer, and is named in the error.

The certificate is a pair of bounds. With a policy pi and w >= 1 + P w along pi and along every action that is as good
as pi to within rounding, V - e w is a lower bound on V^pi <= V* and V + e w an upper bound on V* as soon as

    V - e w <= r_pi + P_pi (V - e w)     and     V + e w >= r + P (V + e w) for every action,

which is checked with room for rounding.
"""

from __future__ import annotations

import dataclasses
import warnings
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.linalg
import scipy.optimize
import scipy.sparse as sp
import scipy.sparse.csgraph as csgraph

from tabular.bounds import Size, size_of
from tabular.errors import NoFiniteValue
from tabular.linear import factor
from tabular.mdp import AnyMDP
from tabular.operators import backup, hard_value, policy_reward


@dataclass(frozen=True)
class Pairs:
    """State-action pairs as lists, sorted by state: what an MDP with merged states is made of."""

    S: int
    owner: np.ndarray
    """State of each pair, ascending, shape (L,)."""
    action: np.ndarray
    """Action of each pair."""
    kernel: sp.csr_matrix
    """Transition probabilities, shape (L, S)."""
    r: np.ndarray
    """Rewards, shape (L,)."""
    stop: np.ndarray
    """Probability that the episode ends, shape (L,)."""

    @cached_property
    def first(self) -> np.ndarray:
        """Index of each state's first pair."""
        return np.searchsorted(self.owner, np.arange(self.S))

    def backup(self, V: np.ndarray) -> np.ndarray:
        """`r + P V` of each pair."""
        return self.r + self.kernel @ V

    def best(self, values: np.ndarray) -> np.ndarray:
        """Index of the first best pair of each state."""
        top = np.maximum.reduceat(values, self.first)[self.owner]
        index = np.where(values >= top, np.arange(len(values)), len(values))
        return np.minimum.reduceat(index, self.first)

    def subset(self, keep: np.ndarray) -> Pairs:
        """Only the pairs in the mask."""
        return Pairs(self.S, self.owner[keep], self.action[keep], self.kernel[keep], self.r[keep], self.stop[keep])

    def graph(self) -> sp.csr_matrix:
        """Adjacency of states: entry (s, t) is positive if some pair of s can lead to t."""
        count = len(self.owner)
        select = sp.csr_matrix((np.ones(count), (self.owner, np.arange(count))), shape=(self.S, count))
        return sp.csr_matrix(select @ self.kernel)


@dataclass(frozen=True)
class Total:
    """Optimal total reward with its proof."""

    Q: np.ndarray
    V: np.ndarray
    action: np.ndarray
    residual: float
    error: float
    floor: float
    iterations: int
    history: list[np.ndarray]


def pairs_of(mdp: AnyMDP) -> Pairs:
    """The feasible state-action pairs of an MDP."""
    feasible = mdp.feasible
    owner, action = np.nonzero(feasible)
    kernel = mdp.to_sparse().kernel[action * mdp.S + owner]
    return Pairs(mdp.S, owner, action, kernel, mdp.r[feasible], mdp.stop_probability[feasible])


def end_components(pairs: Pairs, allowed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Maximal end components within the allowed pairs: (component of each state or -1, mask of the pairs inside).

    Repeatedly: strongly connected components of the graph of the remaining pairs, less the pairs that can leave
    theirs (de Alfaro 1997).
    """
    inside = allowed & (pairs.stop == 0)
    while True:
        sub = pairs.subset(inside)
        _, label = csgraph.connected_components(sub.graph(), connection="strong")
        leaves = row_any(
            sub.kernel, label[sub.kernel.indices] != np.repeat(label[sub.owner], np.diff(sub.kernel.indptr))
        )
        if not leaves.any():
            member = np.zeros(pairs.S, dtype=bool)
            member[sub.owner] = True
            return np.where(member, label, -1), inside
        inside[np.flatnonzero(inside)[leaves]] = False


def row_any(kernel: sp.csr_matrix, entries: np.ndarray) -> np.ndarray:
    """For each row of a sparse matrix, whether any of its entries is marked."""
    total = np.concatenate([[0], np.cumsum(entries)])
    return total[kernel.indptr[1:]] > total[kernel.indptr[:-1]]


def merge(pairs: Pairs, component: np.ndarray, inside: np.ndarray) -> tuple[Pairs, np.ndarray]:
    """Merge each component into one state that may also stop (action -1, reward 0): (merged pairs, state -> merged)."""
    is_member = component >= 0
    names, of_member = np.unique(component[is_member], return_inverse=True)
    merged = np.empty(pairs.S, dtype=int)
    merged[is_member] = of_member
    merged[~is_member] = len(names) + np.arange((~is_member).sum())
    S = int(merged.max()) + 1
    collapse = sp.csr_matrix((np.ones(pairs.S), (np.arange(pairs.S), merged)), shape=(pairs.S, S))
    rest = pairs.subset(~inside)
    stops = len(names)
    owner = np.concatenate([np.arange(stops), merged[rest.owner]])
    order = np.argsort(owner, kind="stable")
    return (
        Pairs(
            S,
            owner[order],
            np.concatenate([np.full(stops, -1), np.flatnonzero(~inside)])[order],
            sp.csr_matrix(sp.vstack([sp.csr_matrix((stops, S)), rest.kernel @ collapse]).tocsr()[order]),
            np.concatenate([np.zeros(stops), rest.r])[order],
            np.concatenate([np.ones(stops), rest.stop])[order],
        ),
        merged,
    )


def steps_to_end(pairs: Pairs) -> np.ndarray:
    """Fewest steps after which each state's episode can have ended, shape (S,); inf where it never can."""
    backward = pairs.graph().T.tocoo()
    ending = np.unique(pairs.owner[pairs.stop > 0])
    rows = np.concatenate([backward.row, np.full(len(ending), pairs.S)])
    columns = np.concatenate([backward.col, ending])
    graph = sp.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(pairs.S + 1, pairs.S + 1))
    return csgraph.dijkstra(graph, indices=pairs.S, unweighted=True)[:-1]


def ending_policy(pairs: Pairs, steps: np.ndarray) -> np.ndarray:
    """Index of a pair for each state along which the episode ends with probability 1: each may get one step closer."""
    nearest = np.append(steps, np.inf)
    closest = np.full(len(pairs.owner), np.inf)
    filled = np.flatnonzero(np.diff(pairs.kernel.indptr))
    closest[filled] = np.minimum.reduceat(nearest[pairs.kernel.indices], pairs.kernel.indptr[filled])
    return pairs.best(-np.where(pairs.stop > 0, 0.0, closest))


def require_ends(mdp: AnyMDP) -> None:
    """Refuse gamma = 1 if from some state no policy can come to an end: NoFiniteValue names it."""
    pairs = pairs_of(mdp)
    merged, of_state = merge(pairs, *end_components(pairs, pairs.r == 0))
    lost = ~np.isfinite(steps_to_end(merged))[of_state]
    if lost.any():
        raise NoFiniteValue(
            f"gamma = 1, but from state {name_of(mdp, int(np.argmax(lost)))} no policy ever comes to an end "
            f"({lost.sum()} of {mdp.S} states): the total reward is infinite. Use gamma < 1, or give the MDP an end: "
            "termination (terminating=True and rows that sum to less than 1) or an absorbing state of reward 0."
        )


def require_finite(mdp: AnyMDP, merged: Pairs, of_state: np.ndarray) -> None:
    """Refuse end components in which a policy could collect reward for ever, or break even."""
    component, inside = end_components(merged, np.ones(len(merged.owner), dtype=bool))
    for label in np.unique(component[component >= 0]):
        sub = merged.subset(inside & (component[merged.owner] == label))
        if sub.r.max() <= 0:
            continue
        gain = largest_mean_reward(sub)
        if gain > -1e-9 * abs(sub.r).max():
            state = int(np.argmax(component[of_state] == label))
            what = "collects reward for ever" if gain > 1e-9 * abs(sub.r).max() else "breaks even for ever"
            raise NoFiniteValue(
                f"gamma = 1, but from state {name_of(mdp, state)} a policy {what} (mean reward {gain:.3g} a step): the "
                "optimal total reward is infinite or undefined. Use gamma < 1, or make every step there cost something."
            )


def largest_mean_reward(pairs: Pairs) -> float:
    """Largest long-run mean reward within an end component, by the linear program over stationary frequencies."""
    states, owner = np.unique(pairs.owner, return_inverse=True)
    count = len(pairs.owner)
    out = sp.csr_matrix((np.ones(count), (owner, np.arange(count))), shape=(len(states), count))
    flow = out - pairs.kernel[:, states].T
    total = sp.csr_matrix(np.ones((1, count)))
    limits = np.append(np.zeros(len(states)), 1.0)
    found = scipy.optimize.linprog(-pairs.r, A_eq=sp.vstack([flow, total]), b_eq=limits, method="highs")
    return -float(found.fun)


def solve_total(mdp: AnyMDP) -> Total:
    """Optimal total reward by policy iteration over the policies that end, certified from both sides.

    Raises:
      NoFiniteValue if some optimal value is infinite or undefined.
    """
    pairs = pairs_of(mdp)
    component, inside = end_components(pairs, pairs.r == 0)
    merged, of_state = merge(pairs, component, inside)
    require_finite(mdp, merged, of_state)
    size = dataclasses.replace(size_of(mdp), successors=max(int(np.diff(merged.kernel.indptr).max()), mdp.successors))
    chosen, V, history = _improve(merged, ending_policy(merged, steps_to_end(merged)), size)
    error, floor = certify_total(merged, chosen, V, size)
    V = V[of_state]
    Q = backup(mdp, V)
    residual = float(abs(np.where(mdp.feasible, mdp.expect(hard_value(Q) - V), 0.0)).max())
    radius = size.radius(float(abs(V).max()))
    return Total(
        Q,
        V,
        _actions(pairs, inside, merged, of_state, chosen),
        residual,
        error + radius,
        floor + radius,
        len(history) - 1,
        [values[of_state] for values in history],
    )


def _improve(pairs: Pairs, chosen: np.ndarray, size: Size) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Policy iteration from a policy that ends: (pair of each state, its values, values of every round)."""
    history = [np.zeros(pairs.S)]
    while True:
        V = factor(pairs.kernel[chosen], 1.0)[0](pairs.r[chosen])
        radius = size.radius(float(abs(V).max()))
        stuck = len(history) > 1 and not (V - history[-1]).max() > radius
        history.append(V)
        values = pairs.backup(V)
        best = pairs.best(values)
        better = values[best] > values[chosen] + 2 * radius
        if stuck or not better.any():
            return chosen, V, history
        chosen = np.where(better, best, chosen)


def certify_total(pairs: Pairs, chosen: np.ndarray, V: np.ndarray, size: Size) -> tuple[float, float]:
    """Bound on `max |V - V*|` and the part of it due to rounding; infinite if the bounds can't be established."""
    radius = size.radius(float(abs(V).max()))
    residual = float(abs(pairs.backup(V)[chosen] - V).max())
    tied = np.zeros(len(pairs.owner), dtype=bool)
    tied[chosen] = True
    for _ in range(50):
        w = longest_time(pairs.subset(tied))
        if w is None:
            return np.inf, radius
        eps = 4 * (residual + radius)
        upper, lower = V + eps * w, V - eps * w
        room = size.radius(float(abs(V).max()) + eps * w.max())
        above = upper[pairs.owner] - pairs.backup(upper)
        below = pairs.backup(lower)[chosen] - lower
        violated = above < room
        if not violated.any() and (below >= room).all():
            return eps * float(w.max()) * (1 + 1e-12), 4 * radius * float(w.max())
        if not (violated & ~tied).any():
            return np.inf, radius
        tied |= violated
    return np.inf, radius


def longest_time(pairs: Pairs) -> np.ndarray | None:
    """Largest expected number of steps to the end over the policies made of these pairs; None if some never end."""
    chosen = pairs.first
    for _ in range(10 * pairs.S + 100):
        w = solve_ending(pairs.kernel[chosen], np.ones(pairs.S))
        if not (np.isfinite(w).all() and (w - pairs.kernel[chosen] @ w >= 0.5).all() and w.min() >= 0.5):
            return None
        values = np.asarray(1 + pairs.kernel @ w)
        best = pairs.best(values)
        better = values[best] > values[chosen] * (1 + 1e-9)
        if not better.any():
            return w
        chosen = np.where(better, best, chosen)
    return None


def solve_ending(chain: sp.csr_matrix, b: np.ndarray) -> np.ndarray:
    """Solution of `(I - chain) x = b`; NaN if the chain never ends, so that the matrix is singular."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", scipy.linalg.LinAlgWarning)
        try:
            return factor(chain, 1.0)[0](b)
        except RuntimeError:  # how a sparse factorisation says that the matrix is singular
            return np.full(len(b), np.nan)


def _actions(pairs: Pairs, inside: np.ndarray, merged: Pairs, of_state: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Actions of the original states: in a merged component, stay, or walk inside it to the state it is left from."""
    action = np.full(pairs.S, -1)
    source = merged.action[chosen]
    leaving = source[source >= 0]
    action[pairs.owner[leaving]] = pairs.action[leaving]
    stopping = np.isin(of_state, np.flatnonzero(source < 0))
    within = pairs.subset(inside)
    stay = np.full(pairs.S, -1)
    stay[within.owner[::-1]] = within.action[::-1]
    action[stopping] = stay[stopping]
    while (action < 0).any():
        done = action >= 0
        towards = row_any(within.kernel, done[within.kernel.indices]) & ~done[within.owner]
        action[within.owner[towards]] = within.action[towards]
    return action


def evaluate_total(mdp: AnyMDP, pi: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Total reward of a policy, its expected visits to each state from `rho`, and a bound on the error of the values.

    Raises:
      NoFiniteValue if the policy stays for ever where rewards aren't 0.
    """
    chain = sp.csr_matrix(mdp.chain(pi))
    reward = policy_reward(mdp, pi)
    stop = (pi * mdp.stop_probability).sum(1)
    _, label = csgraph.connected_components(chain, connection="strong")
    leaves = row_any(chain, label[chain.indices] != np.repeat(label, np.diff(chain.indptr))) | (stop > 0)
    closed = ~np.isin(label, label[leaves])
    if (reward[closed] != 0).any():
        s = int(np.flatnonzero(closed & (reward != 0))[0])
        raise NoFiniteValue(
            f"gamma = 1, but the policy stays for ever among states such as {name_of(mdp, s)} with reward "
            f"{reward[s]:g} a step there: its total reward is infinite or undefined. Use gamma < 1."
        )
    V, visits = np.zeros(mdp.S), np.where(closed, np.inf, 0.0)
    error = 0.0
    moving = np.flatnonzero(~closed)
    if len(moving):
        among = chain[moving][:, moving]
        solve, solve_adjoint = factor(among, 1.0)
        V[moving], visits[moving] = solve(reward[moving]), solve_adjoint(mdp.rho[moving])
        w = solve(np.ones(len(moving)))
        step = abs(reward[moving] + among @ V[moving] - V[moving]).max() + size_of(mdp).radius(float(abs(V).max()))
        shrinks = (w - among @ w >= 0.5).all() and w.min() >= 0
        error = float(2 * step * w.max()) if shrinks else np.inf
    reached = np.zeros(mdp.S, dtype=bool)
    order = [csgraph.breadth_first_order(chain, s, return_predecessors=False) for s in np.flatnonzero(mdp.rho)]
    reached[np.concatenate(order)] = True
    return V, np.where(reached, visits, 0.0), error


def name_of(mdp: AnyMDP, s: int) -> str:
    """A state in an error message: its index, and its label if it has one."""
    return str(s) if mdp.states is None else f"{s} ({mdp.states[s]})"
