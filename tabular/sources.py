"""MDPs from plain functions and from Gymnasium's tables."""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp

from tabular.errors import suggestion
from tabular.geometry import Grid
from tabular.mdp import TOLERANCE, AnyMDP, make_mdp, suited

# plain functions


def from_functions(
    transitions: Callable[[Any, Any], Iterable[tuple[float, Any, float]]],
    actions: Sequence | Callable[[Any], Iterable],
    *,
    gamma: float,
    states: Sequence | None = None,
    start: Any = None,
    sparse: bool | None = None,
    max_states: int = 1_000_000,
) -> AnyMDP:
    """MDP from a function that lists the outcomes of an action.

        def transitions(s, a):                        # a walk on 1, 2, 3, 4 that ends at 0, or at 5 with reward 1
            left = (0.5, s - 1 if s > 1 else None, 0.0)
            right = (0.5, s + 1, 0.0) if s < 4 else (0.5, None, 1.0)
            return [left, right]

        mdp = from_functions(transitions, ["go"], gamma=1, start=2)

        P[s, a, s'] = sum of p over the outcomes that lead to s',    r[s, a] = sum of p * reward over all outcomes.

    Args:
      transitions: `transitions(s, a) -> [(p, s', reward), ...]`; s' = None ends the episode. Probabilities sum to 1;
        a successor may be listed more than once.
      actions: the actions, or a function of the state that lists its feasible ones (the others get reward -inf).
      gamma: discount in [0, 1].
      states: the states, in order; if not given, they are discovered from `start` by breadth-first search.
      start: a state, or a mapping from states to start probabilities; if not given, uniform over `states`.
      sparse: storage; if not given, dense up to 200 states and sparse above.
      max_states: where the search gives up.

    Returns:
      The MDP; states and actions (hashable) are its labels.

    Raises:
      ValueError naming state and action for probabilities that are negative or don't sum to 1, a reward that isn't
      finite, an unknown successor, a state without actions; and for duplicate states or actions, no state to begin
      with, or more than `max_states`. TypeError for outcomes that aren't triples of the right kind.
    """
    starts = _start_probabilities(start, states)
    table = _Table(_unique(states if states is not None else starts, "states"), grows=states is None)
    labels = {} if callable(actions) else _unique(actions, "actions")
    for s in table:  # also the states found on the way
        feasible = _unique(_feasible(actions, s), f"actions({s!r})") if callable(actions) else labels
        if not feasible:
            raise ValueError(f"state {s!r} has no action. Give it at least one; None as successor ends an episode.")
        for a in feasible:
            table.add(s, labels.setdefault(a, len(labels)), _outcomes(transitions, s, a), f"transitions({s!r}, {a!r})")
        if len(table.index) > max_states:
            raise ValueError(
                f"found more than max_states = {max_states} states from start = {start!r}. "
                "Is the state space infinite? Raise max_states or give the states."
            )
    for s in starts:
        if s not in table.index:
            raise ValueError(f"start names {s!r}, which is not among the states.")
    kernel, r = table.arrays(len(labels))
    rho = np.array([starts.get(s, 0.0) for s in table.index]) if starts else None
    return make_mdp(
        suited(kernel, sparse),
        r,
        gamma=gamma,
        rho=rho,
        terminating=table.ended,
        states=tuple(table.index),
        actions=tuple(labels),
    )


class _Table:
    """Rows of P and r while they are collected; iterates over its states, also those added meanwhile."""

    def __init__(self, index: dict[Any, int], grows: bool):
        self.index = index
        self.grows = grows
        self.ended = False
        self._queue = list(index)
        self._entries: list[tuple[int, int, int, float]] = []
        self._rewards: list[tuple[int, int, float]] = []

    def __iter__(self):
        return iter(self._queue)  # a list iterator sees what is appended

    def add(self, s, a: int, outcomes: list[tuple[float, Any, float]], where: str) -> None:
        """Record the outcomes of an action in state `s`."""
        row = self.index[s]
        self._rewards.append((row, a, sum(p * reward for p, _, reward in outcomes)))
        for p, successor, _ in outcomes:
            if successor is None:
                self.ended = True
            else:
                self._entries.append((row, a, self._find(successor, where), p))

    def _find(self, state, where: str) -> int:
        found = self.index.get(_hashable(state, where))
        if found is None:
            if not self.grows:
                raise ValueError(f"{where} leads to {state!r}, which is not among the states.")
            found = self.index[state] = len(self.index)
            self._queue.append(state)
        return found

    def arrays(self, A: int) -> tuple[sp.csr_matrix, np.ndarray]:
        """Kernel of shape (S * A, S), rows `s * A + a`, and rewards of shape (S, A)."""
        S = len(self.index)
        r = np.full((S, A), -np.inf)
        for s, a, reward in self._rewards:
            r[s, a] = reward
        s, a, t, p = np.array(self._entries, dtype=np.float64).reshape(-1, 4).T
        rows = s.astype(np.int64) * A + a.astype(np.int64)
        return sp.csr_matrix((p, (rows, t.astype(np.int64))), shape=(S * A, S)), r


def _outcomes(transitions, s, a) -> list[tuple[float, Any, float]]:
    """Outcomes of positive probability, checked."""
    where = f"transitions({s!r}, {a!r})"
    found = transitions(s, a)
    if not isinstance(found, Iterable):
        raise TypeError(f"{where} returned {found!r}, expected a list of (probability, successor, reward).")
    outcomes = [_outcome(item, where) for item in found]
    total = math.fsum(p for p, _, _ in outcomes)
    if abs(total - 1) > TOLERANCE:
        raise ValueError(
            f"the probabilities of {where} sum to {total:.12g}, not 1 (tolerance {TOLERANCE:g}). "
            "For an episode that ends, list the rest with None as successor."
        )
    return [outcome for outcome in outcomes if outcome[0] > 0]


def _outcome(item, where: str) -> tuple[float, Any, float]:
    try:
        p, successor, reward = item
        p, reward = float(p), float(reward)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{where} lists {item!r}, expected (probability, successor or None, reward).") from error
    if not 0 <= p < math.inf:
        raise ValueError(f"{where} lists the probability {p:g} for {successor!r}, expected a number from 0 to 1.")
    if not math.isfinite(reward):
        raise ValueError(
            f"{where} lists the reward {reward:g} for {successor!r}, expected a finite number. "
            "For an infeasible action let `actions` be a function of the state that leaves it out."
        )
    return p, successor, reward


def _feasible(actions: Callable[[Any], Iterable], s) -> Iterable:
    found = actions(s)
    if not isinstance(found, Iterable):
        raise TypeError(f"actions({s!r}) returned {found!r}, expected a list of actions.")
    return found


def _start_probabilities(start, states) -> dict[Any, float]:
    """Start states with their probabilities; empty for the uniform distribution over all states."""
    if start is None:
        if states is None:
            raise ValueError("states and start are both missing. Give the states, or a start to discover them from.")
        return {}
    if not isinstance(start, Mapping):
        return {_hashable(start, "start"): 1.0}
    if not start:
        raise ValueError("start is empty, expected a state or a mapping from states to probabilities.")
    starts = {s: _outcome((p, s, 0.0), "start")[0] for s, p in start.items()}
    total = math.fsum(starts.values())
    if abs(total - 1) > TOLERANCE:
        raise ValueError(f"the probabilities of start sum to {total:.12g}, not 1 (tolerance {TOLERANCE:g}).")
    return starts


def _unique(labels: Iterable, name: str) -> dict[Any, int]:
    index: dict[Any, int] = {}
    for label in labels:
        if _hashable(label, name) in index:
            raise ValueError(f"{name} lists {label!r} twice.")
        index[label] = len(index)
    if not index and not name.startswith("actions("):
        raise ValueError(f"{name} is empty, expected at least one.")
    return index


def _hashable(label, name: str):
    try:
        hash(label)
    except TypeError as error:
        raise TypeError(f"{name} has {label!r}, which is not hashable. Use tuples for lists.") from error
    return label


# Gymnasium


def from_gymnasium(env_or_id, *, gamma: float = 0.99) -> AnyMDP:
    """MDP of a Gymnasium environment that carries its transition table, such as those of toy_text.

        mdp = from_gymnasium("FrozenLake-v1")
        mdp = from_gymnasium(gymnasium.make("Taxi-v4", is_rainy=True), gamma=0.95)

    The table is `env.unwrapped.P[s][a] = [(p, s', reward, terminated), ...]`; wrappers, a time limit among them, are
    taken off. A terminated outcome pays its reward and ends the episode: its probability is missing from the row, the
    MDP is terminating, and values equal those of the environment itself. `initial_state_distrib` becomes `rho`.
    FrozenLake and CliffWalking keep their geometry, these and Taxi their action names.

    Args:
      env_or_id: an environment, or the id of a registered one.
      gamma: discount in [0, 1].

    Raises:
      ValueError for an unknown id (with the nearest ones), an environment that can't be made, and one without a table
      or whose table doesn't tell the whole dynamics. ModuleNotFoundError if gymnasium isn't installed.
    """
    env = _make(env_or_id) if isinstance(env_or_id, str) else env_or_id
    env = getattr(env, "unwrapped", env)
    table = getattr(env, "P", None)
    if not isinstance(table, Mapping) or not table:
        raise ValueError(
            f"{_name(env_or_id)} has no transition table env.unwrapped.P, so it can't be solved exactly. "
            "Environments with one: FrozenLake-v1, FrozenLake8x8-v1, CliffWalking-v1, Taxi-v4."
        )
    if getattr(env, "fickle_passenger", False):
        raise ValueError(
            f"{_name(env_or_id)} with fickle_passenger=True changes destinations in a way its table P doesn't show. "
            "Make it with fickle_passenger=False."
        )
    start = np.asarray(getattr(env, "initial_state_distrib", ()), dtype=np.float64)
    states = sorted(table)
    if len(start) != len(states):
        raise ValueError(
            f"{_name(env_or_id)}: env.unwrapped.initial_state_distrib has {len(start)} entries, "
            f"expected a probability for each of the {len(states)} states of the table."
        )
    mdp = from_functions(
        lambda s, a: [(p, None if ended else int(t), reward) for p, t, reward, ended in table[s][a]],
        lambda s: sorted(table[s]),
        gamma=gamma,
        states=states,
        start={s: p for s, p in zip(states, start, strict=True) if p > 0},
    )
    describe = _DESCRIPTIONS.get(type(env).__name__)
    return dataclasses.replace(mdp, **describe(env)) if describe else mdp


def _make(env_id: str):
    """The environment of an id, with an error that helps if there is none."""
    import gymnasium

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return gymnasium.make(env_id)
    except (gymnasium.error.NameNotFound, gymnasium.error.NamespaceNotFound, gymnasium.error.VersionNotFound) as error:
        raise ValueError(f"there is no Gymnasium environment {env_id!r}.{_nearest_ids(env_id)}") from error
    except (gymnasium.error.Error, ImportError) as error:
        raise ValueError(f"Gymnasium can't make {env_id!r}: {str(error).rstrip('.')}.{_nearest_ids(env_id)}") from error


def _nearest_ids(env_id: str) -> str:
    from gymnasium.envs.registration import registry

    return suggestion(env_id, (known for known in registry if known != env_id))


def _name(env_or_id) -> str:
    if isinstance(env_or_id, str):
        return env_or_id
    spec = getattr(env_or_id, "spec", None)
    return getattr(spec, "id", None) or type(env_or_id).__name__


def _describe_frozen_lake(env) -> dict[str, Any]:
    marks = np.asarray(env.desc).astype(str)
    grid = _grid(marks.shape, starts=marks == "S", goals=marks == "G", moves=((0, -1), (1, 0), (0, 1), (-1, 0)))
    return {"states": grid.cells, "actions": ("left", "down", "right", "up"), "grid": grid}


def _describe_cliff_walking(env) -> dict[str, Any]:
    """The cliff's cells are states of the table that are never entered: drawn as walls. The goal is the last cell."""
    walls = np.asarray(env._cliff)
    starts, goals = np.zeros_like(walls), np.zeros_like(walls)
    starts[np.unravel_index(env.start_state_index, walls.shape)] = True
    goals[-1, -1] = True
    grid = _grid(walls.shape, starts=starts, goals=goals, walls=walls, moves=((-1, 0), (0, 1), (1, 0), (0, -1)))
    return {"states": grid.cells, "actions": ("up", "right", "down", "left"), "grid": grid}


def _describe_taxi(env) -> dict[str, Any]:
    """States are labelled (taxi row, taxi column, passenger location, destination)."""
    states = tuple(tuple(int(i) for i in env.decode(s)) for s in range(len(env.P)))
    return {"states": states, "actions": ("south", "north", "east", "west", "pickup", "dropoff")}


_DESCRIPTIONS = {
    "FrozenLakeEnv": _describe_frozen_lake,
    "CliffWalkingEnv": _describe_cliff_walking,
    "TaxiEnv": _describe_taxi,
}


def _grid(shape, *, starts, goals, moves, walls=None) -> Grid:
    """Geometry of a grid all of whose cells are states."""

    def cells(mask) -> list[tuple[int, int]]:
        return [(int(row), int(column)) for row, column in np.argwhere(mask)]

    return Grid(
        shape=(int(shape[0]), int(shape[1])),
        cells=tuple(cells(np.ones(shape, dtype=bool))),
        walls=frozenset([] if walls is None else cells(walls)),
        starts=frozenset(cells(starts)),
        goals=frozenset(cells(goals)),
        moves=moves,
    )
