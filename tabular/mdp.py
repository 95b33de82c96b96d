"""Markov decision processes as frozen records: dense and sparse, one interface.

An MDP is `(P, r, gamma, rho)` with `P[s, a, s']` the probability of the successor `s'`, `r[s, a]` the expected
reward, `gamma` the discount and `rho` the start distribution. Solvers and operators reach the transition kernel
only through

    expect(V)[s, a]       = sum_s' P[s, a, s'] V[s']              the expected next value
    expect_adjoint(mu)[t] = sum_{s, a} mu[s, a] P[s, a, t]        its adjoint
    chain(pi)[s, t]       = sum_a pi[s, a] P[s, a, t]             the Markov chain of a policy

so how it is stored is nobody else's business. Two conventions hold everywhere:

* an infeasible action has `r[s, a] = -inf`, and its row of `P` is zero;
* in a terminating MDP a row may sum to less than 1: the missing mass ends the episode, with value 0.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp

from tabular.geometry import Grid

TOLERANCE = 1e-8
"""How far a row of `P`, or `rho`, may be from summing to 1. Rows this close are then divided by their sum."""

DENSE_UP_TO = 200
"""Number of states up to which dense storage is the faster one."""

ROUNDING = 1e-12
"""A negative probability this small is the rounding of a difference such as 1 - P.sum(-1), and counts as 0."""


@dataclass(frozen=True, eq=False)
class MDP:
    """A dense MDP. Build it with `make_mdp`, which validates; the record itself checks nothing.

    The arrays may be NumPy or JAX arrays (also traced ones): the record is a JAX pytree once `tabular.device` is
    loaded.
    """

    P: Any
    """Transition probabilities, shape (S, A, S), axes `s, a, s'`."""
    r: Any
    """Expected rewards, shape (S, A); -inf marks an infeasible action."""
    gamma: Any
    """Discount in [0, 1]."""
    rho: Any
    """Start distribution, shape (S,)."""
    terminating: bool = False
    """Whether rows of `P` may sum to less than 1."""
    states: tuple | None = None
    """Labels of the states."""
    actions: tuple | None = None
    """Labels of the actions."""
    grid: Grid | None = None
    """Where the states lie on a grid, for plotting."""

    @property
    def S(self) -> int:
        """Number of states."""
        return self.r.shape[0]

    @property
    def A(self) -> int:
        """Number of actions."""
        return self.r.shape[1]

    @property
    def feasible(self):
        """Mask of feasible actions, shape (S, A)."""
        return self.r > -np.inf

    @cached_property
    def successors(self) -> int:
        """The largest number of successors of any state and action (it enters the rounding radius)."""
        return int(np.count_nonzero(self.P, axis=-1).max())

    @cached_property
    def largest_reward(self) -> float:
        """`max |r[s, a]|` over the feasible actions (it enters the rounding radius)."""
        return float(abs(self.r[self.feasible]).max())

    @property
    def stop_probability(self):
        """Probability that the episode ends, `1 - sum_s' P[s, a, s']`, shape (S, A); 0 where infeasible."""
        return np.where(self.feasible, _snap(1 - self.P.sum(-1)), 0.0)

    def expect(self, V):
        """Expected next value `sum_s' P[s, a, s'] V[s']`, shape (S, A)."""
        S, A = self.r.shape
        return (self.P.reshape(S * A, S) @ V).reshape(S, A)

    def expect_adjoint(self, mu):
        """Adjoint of `expect`: `sum_{s, a} mu[s, a] P[s, a, t]`, shape (S,)."""
        S, A = self.r.shape
        return mu.reshape(S * A) @ self.P.reshape(S * A, S)

    def chain(self, pi):
        """Transition matrix of a policy, shape (S, S); `pi` is (S, A) or, for a deterministic one, (S,) integers."""
        if pi.ndim == 1:
            return self.P[np.arange(self.S), pi]
        return (pi[:, None, :] @ self.P)[:, 0, :]

    def to_sparse(self) -> SparseMDP:
        """The same MDP with sparse storage."""
        kernel = sp.csr_matrix(self.P.transpose(1, 0, 2).reshape(self.A * self.S, self.S))
        return SparseMDP(kernel, np.asfortranarray(self.r), *_rest(self))

    def to_dense(self) -> MDP:
        """Itself."""
        return self

    def __repr__(self) -> str:
        return _describe(self)


@dataclass(frozen=True, eq=False)
class SparseMDP:
    """A sparse MDP with the interface of `MDP`. Build it with `make_mdp` from a scipy sparse matrix.

    The kernel keeps one block of S rows per action (row `a * S + s`): each block's rows read `V` in nearly the order
    of the states, and the maximum over actions runs over contiguous vectors.
    """

    kernel: sp.csr_matrix
    """Transition probabilities, shape (A * S, S), row `a * S + s`."""
    r: np.ndarray
    """Expected rewards, shape (S, A), Fortran order; -inf marks an infeasible action."""
    gamma: float
    rho: np.ndarray
    terminating: bool = False
    states: tuple | None = None
    actions: tuple | None = None
    grid: Grid | None = None

    S = MDP.S
    A = MDP.A
    feasible = MDP.feasible
    largest_reward = MDP.largest_reward

    @property
    def P(self) -> sp.csr_matrix:
        """Transition probabilities as a (S * A, S) matrix with rows in the order `s * A + a` (a copy)."""
        return self.kernel[_interleave(self.S, self.A)]

    @cached_property
    def successors(self) -> int:
        """The largest number of successors of any state and action (it enters the rounding radius)."""
        return int(np.diff(self.kernel.indptr).max())

    @property
    def stop_probability(self) -> np.ndarray:
        """Probability that the episode ends, `1 - sum_s' P[s, a, s']`, shape (S, A); 0 where infeasible."""
        return np.where(self.feasible, _snap(1 - self.expect(np.ones(self.S))), 0.0)

    def expect(self, V: np.ndarray) -> np.ndarray:
        """Expected next value `sum_s' P[s, a, s'] V[s']`, shape (S, A)."""
        return (self.kernel @ V).reshape(self.A, self.S).T

    def expect_adjoint(self, mu: np.ndarray) -> np.ndarray:
        """Adjoint of `expect`: `sum_{s, a} mu[s, a] P[s, a, t]`, shape (S,)."""
        return self.kernel.T @ mu.T.reshape(-1)

    def chain(self, pi: np.ndarray) -> sp.csr_matrix:
        """Transition matrix of a policy, shape (S, S); `pi` is (S, A) or, for a deterministic one, (S,) integers."""
        if pi.ndim == 1:
            return self.kernel[pi * self.S + np.arange(self.S)]
        states, blocks = np.arange(self.S), np.arange(self.A) * self.S
        rows = (blocks + states[:, None]).reshape(-1)
        mix = sp.csr_matrix((pi.reshape(-1), rows, np.arange(self.S + 1) * self.A), shape=(self.S, self.A * self.S))
        return mix @ self.kernel

    def to_sparse(self) -> SparseMDP:
        """Itself."""
        return self

    def to_dense(self) -> MDP:
        """The same MDP with dense storage: 8 S^2 A bytes."""
        P = self.kernel.toarray().reshape(self.A, self.S, self.S).transpose(1, 0, 2)
        return MDP(np.ascontiguousarray(P), np.ascontiguousarray(self.r), *_rest(self))

    def __repr__(self) -> str:
        return _describe(self)


AnyMDP = MDP | SparseMDP


def make_mdp(
    P,
    r,
    *,
    gamma: float,
    rho=None,
    terminating: bool = False,
    states: Sequence | None = None,
    actions: Sequence | None = None,
    grid: Grid | None = None,
) -> AnyMDP:
    """Build an MDP from arrays, checking everything. The caller's arrays are copied, never changed.

    Args:
      P: transition probabilities. Dense, shape (S, A, S), axes `s, a, s'`; or a scipy sparse matrix of shape
        (S * A, S) with rows in the order `s * A + a` (duplicate entries are added up). Rows sum to 1 within 1e-8 and
        are then normalised.
      r: expected rewards, shape (S, A). -inf marks an infeasible action: its row of `P` is not looked at.
      gamma: discount in [0, 1]. 1 (total reward) only where every state can reach an end: termination, or states that
        can be kept at reward 0 for ever.
      rho: start distribution, shape (S,); uniform if not given.
      terminating: whether rows may sum to less than 1; the missing mass ends the episode with value 0.
      states, actions: labels.
      grid: geometry, for plotting.

    Returns:
      `MDP` for a dense array, `SparseMDP` for a sparse matrix.

    Raises:
      ValueError or TypeError naming the argument, the index, the value, what was expected and how to mend it.
    """
    r = _as_float64(r, "r")
    if r.ndim != 2 or 0 in r.shape:
        hint = " Use (P * r).sum(-1) for rewards of shape (S, A, S)." if r.ndim == 3 else ""
        raise ValueError(f"r has shape {r.shape}, expected (S, A) with S, A >= 1: the expected reward r[s, a].{hint}")
    gamma = _check_gamma(gamma)
    _check_rewards(r)
    if sp.issparse(P):
        kernel = _check_sparse(P, r, terminating)
        storage = SparseMDP(kernel, np.asfortranarray(r), gamma, _check_rho(rho, len(r)), terminating)
    else:
        P = _check_dense(P, r, terminating)
        storage = MDP(P, np.ascontiguousarray(r), gamma, _check_rho(rho, len(r)), terminating)
    storage = dataclasses.replace(
        storage, states=_labels(states, storage.S, "states"), actions=_labels(actions, storage.A, "actions"), grid=grid
    )
    if grid is not None and len(grid.cells) != storage.S:
        raise ValueError(f"grid has {len(grid.cells)} cells, expected {storage.S}: one for each state.")
    return checked(storage)


def suited(P, sparse: bool | None = None):
    """A scipy sparse kernel of shape (S * A, S) in the storage that suits its size, ready for `make_mdp`.

    Dense, shape (S, A, S), up to 200 states and sparse above; `sparse=True` or `False` forces one.
    """
    rows, S = P.shape
    if sparse is None:
        sparse = S > DENSE_UP_TO
    return P if sparse else P.toarray().reshape(S, rows // S, S)


def with_changes(mdp: AnyMDP, *, r=None, gamma: float | None = None, rho=None) -> AnyMDP:
    """The same MDP with another reward, discount or start distribution, validated. The transition kernel is shared.

    A solution of the old MDP warm-starts the new one: `solve(with_changes(mdp, r=new), start=old_solution)`.
    """
    changes: dict[str, Any] = {}
    if r is not None:
        changes["r"] = _as_float64(r, "r")
        if changes["r"].shape != mdp.r.shape:
            raise ValueError(f"r has shape {changes['r'].shape}, expected {mdp.r.shape}, the shape of the old rewards.")
        _check_rewards(changes["r"])
        opened = (changes["r"] > -np.inf) & ~mdp.feasible
        if opened.any():
            raise ValueError(
                f"r[{_at(opened)}] is finite, but that action was infeasible and has no transition probabilities. "
                "Build a new MDP with make_mdp."
            )
        changes["r"] = np.asfortranarray(changes["r"]) if isinstance(mdp, SparseMDP) else changes["r"]
    if gamma is not None:
        changes["gamma"] = _check_gamma(gamma)
    if rho is not None:
        changes["rho"] = _check_rho(rho, mdp.S)
    return checked(dataclasses.replace(mdp, **changes))


def checked(mdp: AnyMDP) -> AnyMDP:
    """Freeze the arrays and, at gamma = 1, refuse an MDP in which some state can never come to an end."""
    for array in (mdp.r, mdp.rho, mdp.P if isinstance(mdp, MDP) else mdp.kernel.data):
        array.flags.writeable = False
    if mdp.gamma == 1:
        from tabular.total import require_ends

        require_ends(mdp)
    return mdp


def policy_matrix(mdp: AnyMDP, pi) -> np.ndarray:
    """A policy as probabilities `pi[s, a]`, validated; integers of shape (S,) are a deterministic policy.

    Raises:
      ValueError if the shape, a probability or an action is wrong, or an infeasible action has positive probability.
    """
    pi = np.asarray(pi)
    if pi.shape == (mdp.S,) and np.issubdtype(pi.dtype, np.integer):
        wrong = (pi < 0) | (pi >= mdp.A)
        if wrong.any():
            raise ValueError(f"pi[{_at(wrong)}] = {pi[wrong][0]}, expected an action from 0 to {mdp.A - 1}.")
        pi = one_hot(pi, mdp.A)
    if pi.shape != (mdp.S, mdp.A):
        raise ValueError(f"pi has shape {pi.shape}, expected {(mdp.S, mdp.A)}, or ({mdp.S},) integer actions.")
    pi = np.asarray(pi, dtype=np.float64)
    wrong = ~(pi >= 0)
    if wrong.any():
        raise ValueError(f"pi[{_at(wrong)}] = {pi[wrong][0]:g}, expected a probability (0 or more).")
    wrong = abs(pi.sum(1) - 1) > TOLERANCE
    if wrong.any():
        raise ValueError(f"pi[{_at(wrong)}] sums to {pi.sum(1)[wrong][0]:.12g}, expected 1 (tolerance {TOLERANCE:g}).")
    wrong = (pi > 0) & ~mdp.feasible
    if wrong.any():
        raise ValueError(f"pi[{_at(wrong)}] = {pi[wrong][0]:g} for an infeasible action (r = -inf), expected 0.")
    return pi


def one_hot(actions: np.ndarray, A: int) -> np.ndarray:
    """Deterministic policy as probabilities, shape (S, A)."""
    pi = np.zeros((len(actions), A))
    pi[np.arange(len(actions)), actions] = 1
    return pi


# validation


def _as_float64(array, name: str) -> np.ndarray:
    """A fresh float64 copy; refuses float32, complex and what isn't numbers."""
    try:
        array = np.asarray(array)
    except ValueError as error:
        raise TypeError(f"{name} is not an array of numbers, its rows differ in length: {error}") from error
    if array.dtype in (np.float32, np.float16):
        raise TypeError(
            f"{name} is {array.dtype}; exact work needs float64 (at alpha = 0.01, float32 soft values are wrong by "
            f"1e-3). Compute it in float64, or convert with {name}.astype('float64') and accept its rounding."
        )
    if np.iscomplexobj(array):
        raise TypeError(f"{name} is complex; expected real numbers.")
    try:
        return np.array(array, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} is not an array of numbers (dtype {array.dtype}): {error}") from error


def _check_gamma(gamma) -> float:
    try:
        value = float(gamma)
    except (TypeError, ValueError) as error:
        raise TypeError(f"gamma = {gamma!r}, expected a number in [0, 1].") from error
    if not 0 <= value <= 1:
        raise ValueError(f"gamma = {value:g}, expected a discount in [0, 1].")
    return value


def _check_rewards(r: np.ndarray) -> None:
    wrong = np.isnan(r) | (r == np.inf)
    if wrong.any():
        raise ValueError(
            f"r[{_at(wrong)}] = {r[wrong][0]}, expected a finite reward, or -inf for an infeasible action; "
            f"{wrong.sum()} of {r.size} entries are wrong."
        )
    empty = (r == -np.inf).all(1)
    if empty.any():
        raise ValueError(
            f"state {_at(empty)} has no feasible action (r[{_at(empty)}, :] is -inf everywhere); {empty.sum()} of "
            f"{len(r)} states are wrong. Give each state at least one action; for an end, an absorbing one of reward 0."
        )


def _check_dense(P, r: np.ndarray, terminating: bool) -> np.ndarray:
    S, A = r.shape
    P = _as_float64(P, "P")
    if P.shape != (S, A, S):
        hint = ""
        if P.shape == (A, S, S) and A != S:
            hint = " It looks like axes (a, s, s'): use P.transpose(1, 0, 2)."
        raise ValueError(f"P has shape {P.shape}, expected (S, A, S) = {(S, A, S)} since r has shape {r.shape}.{hint}")
    P[r == -np.inf] = 0
    P[(P < 0) & (P > -ROUNDING)] = 0
    wrong = ~((P >= 0) & (P < np.inf))
    if wrong.any():
        raise ValueError(_not_a_probability(f"P[{_at(wrong)}]", P[wrong][0], wrong.sum(), wrong.size))
    P /= _normaliser(P.sum(-1), r, terminating)[..., None]
    return P


def _check_sparse(P, r: np.ndarray, terminating: bool) -> sp.csr_matrix:
    S, A = r.shape
    if P.shape != (S * A, S):
        raise ValueError(
            f"P is sparse with shape {P.shape}, expected (S * A, S) = {(S * A, S)} since r has shape {r.shape}; "
            "its rows are in the order s * A + a."
        )
    if P.dtype in (np.float32, np.float16) or np.issubdtype(P.dtype, np.complexfloating):
        _as_float64(np.empty(0, P.dtype), "P")
    kernel = sp.csr_matrix(P, dtype=np.float64)[_interleave(A, S)]  # a copy: the caller's arrays stay as they are
    infeasible = np.repeat(r.T.reshape(-1) == -np.inf, np.diff(kernel.indptr))
    kernel.data[infeasible] = 0
    kernel.data[(kernel.data < 0) & (kernel.data > -ROUNDING)] = 0
    wrong = np.flatnonzero(~((kernel.data >= 0) & (kernel.data < np.inf)))
    if len(wrong):
        row = np.searchsorted(kernel.indptr, wrong[0], side="right") - 1
        where = f"P[{row % S} * A + {row // S}, {kernel.indices[wrong[0]]}]"
        raise ValueError(_not_a_probability(where, kernel.data[wrong[0]], len(wrong), kernel.nnz))
    kernel.sum_duplicates()
    kernel.eliminate_zeros()
    total = (kernel @ np.ones(S)).reshape(A, S).T
    scale = _normaliser(total, r, terminating).T.reshape(-1)
    kernel.data /= np.repeat(scale, np.diff(kernel.indptr))
    return kernel


def _not_a_probability(where: str, value: float, count: int, size: int) -> str:
    return f"{where} = {value:g}, expected a probability (finite, 0 or more); {count} of {size} entries are wrong."


def _normaliser(total: np.ndarray, r: np.ndarray, terminating: bool) -> np.ndarray:
    """What each row is divided by: its sum where that is 1 up to TOLERANCE, else 1. Complains about wrong sums."""
    near = abs(total - 1) <= TOLERANCE
    wrong = ~near & (r > -np.inf) & ((total > 1) | (not terminating))
    if wrong.any():
        cure = (
            "A row sums to at most 1 in a terminating MDP."
            if terminating
            else "Divide by P.sum(-1, keepdims=True) if these are weights; pass terminating=True if the missing mass "
            "ends the episode."
        )
        raise ValueError(
            f"P[{_at(wrong)}] sums to {total[wrong][0]:.12g}, not 1 (tolerance {TOLERANCE:g}); {wrong.sum()} of "
            f"{wrong.size} rows are wrong. {cure}"
        )
    return np.where(near & (total > 0), total, 1.0)


def _check_rho(rho, S: int) -> np.ndarray:
    if rho is None:
        return np.full(S, 1 / S)
    rho = _as_float64(rho, "rho")
    if rho.shape != (S,):
        raise ValueError(f"rho has shape {rho.shape}, expected ({S},): a probability for each state.")
    wrong = ~((rho >= 0) & (rho < np.inf))
    if wrong.any():
        raise ValueError(_not_a_probability(f"rho[{_at(wrong)}]", rho[wrong][0], wrong.sum(), S))
    if abs(rho.sum() - 1) > TOLERANCE:
        raise ValueError(f"rho sums to {rho.sum():.12g}, not 1 (tolerance {TOLERANCE:g}). Divide by rho.sum().")
    return rho / rho.sum()


def _labels(labels: Sequence | None, count: int, name: str) -> tuple | None:
    if labels is None:
        return None
    labels = tuple(labels)
    if len(labels) != count:
        raise ValueError(f"{name} has {len(labels)} labels, expected {count}.")
    return labels


def _at(mask: np.ndarray) -> str:
    """Index of the first true entry, as it is written in brackets."""
    return ", ".join(str(i) for i in np.argwhere(mask)[0])


def _snap(stop):
    """Stop probabilities with rounding removed: rows are normalised, so what is this small is not termination."""
    return np.where(stop > TOLERANCE / 2, stop, 0.0)


def _interleave(S: int, A: int) -> np.ndarray:
    """Rows `a * S + s` of the kernel in the order `s * A + a`."""
    return np.arange(S * A).reshape(A, S).T.reshape(-1)


def _rest(mdp: AnyMDP) -> tuple:
    return mdp.gamma, mdp.rho, mdp.terminating, mdp.states, mdp.actions, mdp.grid


def _describe(mdp: AnyMDP) -> str:
    kind = type(mdp).__name__
    extra = ", terminating" if mdp.terminating else ""
    shape = f", {mdp.grid.shape[0]} x {mdp.grid.shape[1]} grid" if mdp.grid else ""
    return f"{kind}(S={mdp.S}, A={mdp.A}, gamma={mdp.gamma}{extra}{shape})"
