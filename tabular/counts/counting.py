"""Counting transitions, and the MDPs that the counts estimate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from tabular.mdp import AnyMDP, make_mdp, suited


@dataclass(frozen=True, eq=False)
class Counts:
    """Transitions, counted."""

    N: sp.csr_matrix
    """How often s' followed, shape (S A, S), row `s * A + a`; transitions that ended the episode aren't in it."""
    n: np.ndarray
    """How often an action was taken, shape (S, A), those that ended the episode included."""
    reward_sum: np.ndarray
    """Sum of rewards, shape (S, A)."""
    reward_squares: np.ndarray
    """Sum of squared deviations of rewards from their mean, shape (S, A)."""
    reward_range: tuple[float, float]
    """Smallest and largest reward."""
    terminating: bool
    """Whether episodes can end: whether the data say which transitions ended one."""
    states: tuple | None = None
    """Labels of the states, in the order of their indices."""
    actions: tuple | None = None
    """Labels of the actions, in the order of their indices."""

    @property
    def S(self) -> int:
        """Number of states."""
        return self.n.shape[0]

    @property
    def A(self) -> int:
        """Number of actions."""
        return self.n.shape[1]

    @property
    def total(self) -> int:
        """Number of transitions."""
        return int(self.n.sum())

    @property
    def unseen(self) -> np.ndarray:
        """Mask of the state-action pairs without a transition, shape (S, A)."""
        return self.n == 0

    @property
    def outcomes(self) -> np.ndarray:
        """Counts of all outcomes, dense: shape (S, A, S), or (S, A, S + 1) with the end last where episodes can end."""
        N = self.N.toarray().reshape(self.S, self.A, self.S)
        return np.concatenate([N, self.n[..., None] - N.sum(-1, keepdims=True)], -1) if self.terminating else N

    def mdp(self, gamma: float, *, rho=None, unseen: str = "error", unseen_reward: float = 0.0, prior=1.0) -> AnyMDP:
        """The maximum-likelihood MDP: `P_hat = N / n`, `r_hat` the mean reward.

        Args:
          rho: start distribution; uniform if not given.
          unseen: what state-action pairs without data become: "error" refuses them, "uniform" leads to every state
            alike, "self_loop" stays, "prior" follows the mean of the Dirichlet prior, "infeasible" forbids them.
          unseen_reward: the reward there, unless forbidden.
          prior: Dirichlet parameters for unseen="prior", as for `sample`; all pairs with data ignore it.

        Raises:
          ValueError naming the pairs without data, or for an unknown `unseen`; else as `make_mdp`.
        """
        if unseen not in UNSEEN:
            raise ValueError(f"unseen = {unseen!r}, expected one of {', '.join(UNSEEN)}.")
        missing = self.unseen
        if unseen == "error" and missing.any():
            raise ValueError(_never_tried(self))
        n = np.maximum(self.n, 1)
        r = np.where(missing, -np.inf if unseen == "infeasible" else unseen_reward, self.reward_sum / n)
        kernel = sp.diags(1 / n.reshape(-1)) @ self.N + UNSEEN[unseen](self, prior)
        return self._make(suited(sp.csr_matrix(kernel)), r, gamma, rho)

    def posterior_mean(self, gamma: float, *, prior=1.0, rho=None, unseen_reward: float = 0.0) -> AnyMDP:
        """The mean of the posterior, `P = (N + prior) / sum (N + prior)`. Arguments as for `sample`."""
        weights = self.outcomes + _checked_prior(prior, self)
        P = weights / weights.sum(-1, keepdims=True)
        return self._make(P[..., : self.S], self._mean_reward(unseen_reward), gamma, rho)

    def sample(
        self, n: int, seed: int, gamma: float, *, prior=1.0, rho=None, unseen_reward: float = 0.0
    ) -> tuple[AnyMDP, ...]:
        """Draw `n` dense MDPs from the posterior: rows `P[s, a] ~ Dirichlet(N[s, a] + prior)`, rewards their means.

        Args:
          prior: Dirichlet parameter of each outcome, positive: a number, or an array that broadcasts to (S, A, S), or
            to (S, A, S + 1) with the end last where episodes can end. 1 is uniform, 1/2 Jeffreys' prior.
          rho: start distribution; uniform if not given.
          unseen_reward: the reward of state-action pairs without data.
        """
        if not n >= 0:
            raise ValueError(f"n = {n}, expected the number of MDPs to draw, 0 or more.")
        rng, r = np.random.default_rng(seed), self._mean_reward(unseen_reward)
        weights = self.outcomes + _checked_prior(prior, self)
        return tuple(self._make(_dirichlet(rng, weights)[..., : self.S], r, gamma, rho) for _ in range(n))

    def _mean_reward(self, unseen_reward: float) -> np.ndarray:
        return np.where(self.unseen, unseen_reward, self.reward_sum / np.maximum(self.n, 1))

    def _make(self, P, r, gamma: float, rho) -> AnyMDP:
        return make_mdp(
            P, r, gamma=gamma, rho=rho, terminating=self.terminating, states=self.states, actions=self.actions
        )

    def __repr__(self) -> str:
        missing = int(self.unseen.sum())
        return f"Counts({self.total} transitions, S={self.S}, A={self.A}, {missing} of {self.n.size} pairs unseen)"


def _nothing(counts: Counts, prior) -> sp.csr_matrix:
    """No successors for pairs without data."""
    return sp.csr_matrix(counts.N.shape)


def _uniform(counts: Counts, prior) -> sp.csr_matrix:
    """All states alike."""
    rows = np.flatnonzero(counts.unseen)
    return _successors(np.repeat(rows, counts.S), np.tile(np.arange(counts.S), len(rows)), 1 / counts.S, counts)


def _self_loop(counts: Counts, prior) -> sp.csr_matrix:
    """The state itself."""
    rows = np.flatnonzero(counts.unseen)
    return _successors(rows, rows // counts.A, 1.0, counts)


def _prior_mean(counts: Counts, prior) -> sp.csr_matrix:
    """The mean of the Dirichlet prior."""
    weights = _checked_prior(prior, counts)
    means = (weights / weights.sum(-1, keepdims=True))[..., : counts.S]
    return sp.csr_matrix(np.where(counts.unseen[..., None], means, 0.0).reshape(counts.N.shape))


def _successors(rows: np.ndarray, successors: np.ndarray, probability: float, counts: Counts) -> sp.csr_matrix:
    return sp.csr_matrix((np.full(len(rows), probability), (rows, successors)), shape=counts.N.shape)


UNSEEN: dict[str, Callable[[Counts, object], sp.csr_matrix]] = {
    "error": _nothing,
    "uniform": _uniform,
    "self_loop": _self_loop,
    "prior": _prior_mean,
    "infeasible": _nothing,
}


# Counting


def from_transitions(
    s,
    a,
    r,
    s_next,
    terminated=None,
    *,
    S: int | None = None,
    A: int | None = None,
    states: Sequence | None = None,
    actions: Sequence | None = None,
) -> Counts:
    """Count transitions, given as columns of one length.

    Args:
      s, a, s_next: integers from 0, or labels of any hashable kind. Labels get indices in the order in which they
        first appear in `s`, then in `s_next`; `states` and `actions` fix another order.
      r: rewards.
      terminated: whether the transition ended the episode: then its `s_next` is not looked at. Truncated episodes
        haven't ended.
      S, A: numbers of states and actions, where integers in the data needn't reach the last ones.
      states, actions: all labels, in order; the data then hold labels, even if these are integers.

    Raises:
      ValueError naming the column, the position and the value.
    """
    columns = {"s": s, "a": a, "r": r, "s_next": s_next} | ({} if terminated is None else {"terminated": terminated})
    columns = {name: _column(column, name) for name, column in columns.items()}
    _check_lengths({name: len(column) for name, column in columns.items()})
    reward = _rewards(columns["r"])
    every = np.ones(len(reward), dtype=bool)
    alive = every if terminated is None else ~_flags(columns["terminated"])
    state, action = _Names("a state", "S", S, "states", states), _Names("an action", "A", A, "actions", actions)
    (s, s_next), states, S = state.indices(
        _Entries("s", columns["s"], every), _Entries("s_next", columns["s_next"], alive)
    )
    (a,), actions, A = action.indices(_Entries("a", columns["a"], every))
    row = s * A + a
    n = np.bincount(row, minlength=S * A)
    reward_sum = np.bincount(row, weights=reward, minlength=S * A)
    deviation = reward - (reward_sum / np.maximum(n, 1))[row]
    squares = np.bincount(row, weights=deviation**2, minlength=S * A)
    N = sp.csr_matrix((np.ones(int(alive.sum())), (row[alive], s_next[alive])), shape=(S * A, S))
    return Counts(
        N=N,
        n=n.reshape(S, A),
        reward_sum=reward_sum.reshape(S, A),
        reward_squares=squares.reshape(S, A),
        reward_range=(float(reward.min()), float(reward.max())),
        terminating=terminated is not None,
        states=states,
        actions=actions,
    )


def from_table(
    table,
    *,
    state="state",
    action="action",
    reward="reward",
    next_state="next_state",
    terminated=None,
    **sizes_and_labels,
) -> Counts:
    """Count the transitions of a table: a data frame, a dict, or whatever gives a column as `table[name]`.

    Args:
      state, action, reward, next_state, terminated: names of the columns; without `terminated`, no episode ends.
      sizes_and_labels: `S`, `A`, `states`, `actions` of `from_transitions`.

    Raises:
      ValueError if there is no such column; else as `from_transitions`.
    """
    names = [state, action, reward, next_state] + ([] if terminated is None else [terminated])
    columns = []
    for name in names:
        try:
            columns.append(table[name])
        except (KeyError, IndexError, ValueError) as error:
            raise ValueError(f"table has no column {name!r}. Name the columns: state=..., action=..., ...") from error
    return from_transitions(*columns, **sizes_and_labels)


def _column(column, name: str) -> np.ndarray:
    """A column as a one-dimensional array; rows of a two-dimensional one become tuples, which are labels."""
    array = np.asarray(column)
    if array.ndim == 2 and name != "r":
        labels = np.empty(len(array), dtype=object)
        labels[:] = [tuple(row) for row in array.tolist()]
        return labels
    if array.ndim != 1:
        raise ValueError(f"{name} has shape {array.shape}, expected a column: one entry for each transition.")
    return array


def _check_lengths(lengths: dict[str, int]) -> None:
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise ValueError(f"columns differ in length: {listed}. Expected one entry for each transition in all of them.")
    if lengths["s"] == 0:
        raise ValueError("there are no transitions: the columns are empty.")


def _rewards(r: np.ndarray) -> np.ndarray:
    try:
        reward = r.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"r is not a column of numbers (dtype {r.dtype}): {error}") from error
    wrong = ~np.isfinite(reward)
    if wrong.any():
        raise ValueError(f"r[{wrong.argmax()}] = {reward[wrong.argmax()]}, expected a finite reward{_count(wrong)}.")
    return reward


def _flags(terminated: np.ndarray) -> np.ndarray:
    if terminated.dtype == bool:
        return terminated
    wrong = ~((terminated == 0) | (terminated == 1))
    if wrong.any():
        i = int(wrong.argmax())
        raise ValueError(f"terminated[{i}] = {terminated[i]!r}, expected True or False, or 1 or 0{_count(wrong)}.")
    return terminated == 1


@dataclass(frozen=True)
class _Entries:
    """A column of states or actions."""

    name: str
    column: np.ndarray
    counted: np.ndarray
    """Mask of the entries that count: not the states after an end."""

    @property
    def numeric(self) -> bool:
        """Whether those that count are numbers."""
        return np.issubdtype(self.column.dtype, np.number) or not len(self.column[self.counted])

    def whole(self) -> np.ndarray:
        """As integers, 0 where they don't count (a data frame holds floats where some are missing)."""
        entries = np.zeros(len(self.column), np.float64 if self.column.dtype.kind == "f" else np.int64)
        entries[self.counted] = self.column[self.counted]
        wrong = ~(np.isfinite(entries) & (entries == np.floor(entries)))
        if wrong.any():
            i = int(wrong.argmax())
            raise ValueError(
                f"{self.name}[{i}] = {entries[i]}, expected an integer{_count(wrong)}. If these are labels, list all."
            )
        return entries.astype(np.int64)

    def looked_up(self, table: dict) -> np.ndarray:
        """Indices of labels, 0 where they don't count and -1 where the table hasn't got them."""
        return self._filled([table.get(label, -1) for label in self.column[self.counted].tolist()])

    def entered(self, table: dict) -> np.ndarray:
        """Indices of labels; new ones are entered into the table."""
        return self._filled([table.setdefault(label, len(table)) for label in self.column[self.counted].tolist()])

    def _filled(self, indices: list[int]) -> np.ndarray:
        filled = np.zeros(len(self.column), dtype=np.int64)
        filled[self.counted] = indices
        return filled


@dataclass(frozen=True)
class _Names:
    """What the states or the actions of the data are called, and how many there are, as far as was said."""

    kind: str
    size_name: str
    size: int | None
    labels_name: str
    labels: Sequence | None

    def indices(self, *columns: _Entries) -> tuple[list[np.ndarray], tuple | None, int]:
        """Indices of the columns' entries, the labels if there are any, and their number."""
        if self.labels is not None:
            return self._of_listed(columns, tuple(self.labels))
        if all(column.numeric for column in columns):
            return self._of_integers(columns)
        table: dict = {}
        indices = [column.entered(table) for column in columns]
        self._check_number(len(table))
        return indices, tuple(table), len(table)

    def _of_integers(self, columns: tuple[_Entries, ...]) -> tuple[list[np.ndarray], None, int]:
        indices = [column.whole() for column in columns]
        size = max(int(index.max()) for index in indices) + 1 if self.size is None else self.size
        for column, index in zip(columns, indices, strict=True):
            wrong = (index < 0) | (index >= size)
            if wrong.any():
                i = int(wrong.argmax())
                last = "" if self.size is None else f" to {size - 1}, since {self.size_name} = {size}"
                raise ValueError(f"{column.name}[{i}] = {index[i]}, expected {self.kind} from 0{last}{_count(wrong)}.")
        return indices, None, size

    def _of_listed(self, columns: tuple[_Entries, ...], labels: tuple) -> tuple[list[np.ndarray], tuple, int]:
        table = {label: i for i, label in enumerate(labels)}
        if len(table) != len(labels):
            raise ValueError(
                f"{self.labels_name} holds a label twice: {len(labels)} labels, {len(table)} different ones."
            )
        self._check_number(len(table))
        indices = [column.looked_up(table) for column in columns]
        for column, index in zip(columns, indices, strict=True):
            wrong = index < 0
            if wrong.any():
                i = int(wrong.argmax())
                raise ValueError(
                    f"{column.name}[{i}] = {column.column[i]!r}, expected {self.kind} listed in {self.labels_name}"
                    f"{_count(wrong)}."
                )
        return indices, labels, len(labels)

    def _check_number(self, labels: int) -> None:
        if self.size is not None and self.size != labels:
            raise ValueError(
                f"{self.size_name} = {self.size}, but there are {labels} different labels. List all as "
                f"{self.labels_name}=..., and leave {self.size_name} out."
            )


def _count(wrong: np.ndarray) -> str:
    return f"; {int(wrong.sum())} of {wrong.size} entries are wrong"


def _never_tried(counts: Counts) -> str:
    pairs = np.argwhere(counts.unseen)
    named = "; ".join(
        f"state {label_of(counts.states, s)}, action {label_of(counts.actions, a)}" for s, a in pairs[:3].tolist()
    )
    more = f" and {len(pairs) - 3} more" if len(pairs) > 3 else ""
    return (
        f"{len(pairs)} of {counts.n.size} state-action pairs have no data: {named}{more}. Say what they become with "
        "unseen='uniform', 'self_loop', 'prior' or 'infeasible', or use posterior_mean."
    )


def label_of(labels: tuple | None, i: int) -> str:
    """How a state or action is named in an error."""
    return str(i) if labels is None else repr(labels[i])


def _checked_prior(prior, counts: Counts) -> np.ndarray:
    prior = np.asarray(prior, dtype=np.float64)
    shape = (counts.S, counts.A, counts.S + counts.terminating)
    try:
        prior = np.broadcast_to(prior, shape)
    except ValueError as error:
        raise ValueError(f"prior has shape {prior.shape}, expected a number or {shape}.") from error
    wrong = ~((prior > 0) & np.isfinite(prior))
    if wrong.any():
        where = ", ".join(str(i) for i in np.argwhere(wrong)[0])
        raise ValueError(f"prior is {prior[wrong][0]:g} at [{where}], expected a positive Dirichlet parameter.")
    return prior


def _dirichlet(rng: np.random.Generator, weights: np.ndarray) -> np.ndarray:
    """Dirichlet rows along the last axis.

    From logarithms of gamma variates, `Gamma(w) = Gamma(w + 1) U^(1/w)`: for a small w they underflow themselves.
    """
    logs = np.log(rng.standard_gamma(weights + 1)) + np.log1p(-rng.random(weights.shape)) / weights
    rows = np.exp(logs - logs.max(-1, keepdims=True))
    return rows / rows.sum(-1, keepdims=True)
