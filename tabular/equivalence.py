"""Models that plan alike although they differ from the true MDP: Q*-equivalence and value equivalence.

**Q*-equivalence** (Nikishin et al. 2021, Definition 1). A model is Q*-equivalent if `B_hat Q* = B Q*`, hard or soft.
For any kernel P_hat exactly one reward does it,

    r_hat[s, a] = Q*[s, a] - gamma sum_s' P_hat[s, a, s'] V*[s'],

so that with F feasible state-action pairs the class has dimension F (S - 1) in a space of F S: each kernel is in it.

**Value equivalence** (Grimm et al. 2020). A model is equivalent on a set of policies and a set of values if
`T_hat^pi v = T^pi v` for all of both. For all policies together that is one system of linear equations in every row,

    r_hat + gamma sum_s' P_hat v = r + gamma sum_s' P v   for all v,        sum_s' P_hat = 1,

whose solutions are an affine space of dimension S - rank [1; v_1; ..; v_k] if r_hat = r is known; the class is the part
of it in which all probabilities are 0 or more.

Where episodes can end, the end is one more successor, of value 0. Infeasible actions have no model.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.linalg
import scipy.sparse as sp

from tabular.bounds import RELATIVE_TOLERANCE
from tabular.mdp import MDP, AnyMDP, checked, make_mdp, policy_matrix, with_changes
from tabular.mismatch import optimum, require_alike
from tabular.operators import backup, policy_value

SAMPLED_ROWS = Callable[[np.random.Generator, int, int], np.ndarray]
"""From a generator, a number of rows and a number of successors to rows of probabilities."""

POSITIVE = 1e-12
"""A probability below this is taken for 0 where a row is on the boundary of the simplex."""
EXACT = 1e-14
"""Rounding of an expected value, relative to the largest value."""


# Q*-equivalence


def q_equivalent(true: AnyMDP, P_hat, alpha: float | None = None, *, terminating: bool = False) -> AnyMDP:
    """The Q*-equivalent model with the kernel `P_hat`: `r_hat = Q* - gamma P_hat V*`, the only reward that makes it so.

    Nikishin et al. 2021, Proposition 1 and Figure 3.

    Args:
      P_hat: any kernel, as for `make_mdp`; or integers (S, A), the successor of each state and action. Rows of
        infeasible actions aren't looked at.
      alpha: temperature; then Q* and V* are the soft ones, and the model is solved by `soft_solve` at that `alpha`.
      terminating: whether rows of `P_hat` may sum to less than 1.

    Returns:
      An MDP with the discount, start, labels and infeasible actions of `true`. Its Q* is that of `true` up to the
      certified error of the solution.

    Raises:
      ValueError as `make_mdp` for a wrong `P_hat`, or at gamma = 1, where a model can have other fixed points.
    """
    _require_discount(true)
    best = optimum(true, alpha)
    return _with_kernel(true, best.Q, best.V, successor_rows(P_hat, true), terminating)


def q_equivalent_dimension(true: AnyMDP) -> int:
    """Dimension of the class of Q*-equivalent models, `F (S - 1)`, with F feasible state-action pairs.

    All models have F S parameters: of each row, S - 1 probabilities and a reward.
    """
    return int(true.feasible.sum()) * (true.S - 1)


def dirichlet_rows(rng: np.random.Generator, rows: int, S: int) -> np.ndarray:
    """Rows drawn uniformly from the simplex, shape (rows, S)."""
    return rng.dirichlet(np.ones(S), size=rows)


def deterministic_rows(rng: np.random.Generator, rows: int, S: int) -> np.ndarray:
    """Rows with one successor each, drawn uniformly, shape (rows, S)."""
    return np.eye(S)[rng.integers(S, size=rows)]


def sample_q_equivalent(
    true: AnyMDP, n: int, seed: int, alpha: float | None = None, *, rows: SAMPLED_ROWS = dirichlet_rows
) -> tuple[AnyMDP, ...]:
    """Draw `n` Q*-equivalent models: kernels from `rows`, rewards from `q_equivalent`.

    Args:
      rows: `dirichlet_rows` (uniform on the simplex), `deterministic_rows` (random successor maps), or any function
        `(rng, rows, S) -> (rows, S)`.

    Raises:
      ValueError at gamma = 1, or for a negative `n`.
    """
    _require_discount(true)
    _require_number(n)
    best, rng = optimum(true, alpha), np.random.default_rng(seed)
    kernels = (rows(rng, true.S * true.A, true.S).reshape(true.S, true.A, true.S) for _ in range(n))
    return tuple(_with_kernel(true, best.Q, best.V, P_hat, False) for P_hat in kernels)


def successor_rows(P_hat, true: AnyMDP):
    """A kernel as it is, or the one of a map from (s, a) to successors: integers of shape (S, A).

    Raises:
      ValueError if a successor is no state.
    """
    if sp.issparse(P_hat) or np.shape(P_hat) != (true.S, true.A):
        return P_hat
    P_hat = np.asarray(P_hat)
    if not np.issubdtype(P_hat.dtype, np.integer):
        raise ValueError(
            f"P_hat has shape (S, A) = {P_hat.shape} and dtype {P_hat.dtype}, expected a kernel (S, A, S) or integers "
            "(S, A): the successor of each state and action."
        )
    wrong = ((P_hat < 0) | (P_hat >= true.S)) & true.feasible
    if wrong.any():
        s, a = np.argwhere(wrong)[0]
        raise ValueError(f"P_hat[{s}, {a}] = {P_hat[s, a]}, expected a state from 0 to {true.S - 1}.")
    return np.eye(true.S)[np.where(true.feasible, P_hat, 0)]


def _with_kernel(true: AnyMDP, Q: np.ndarray, V: np.ndarray, P_hat, terminating: bool) -> AnyMDP:
    """The model with kernel P_hat of which Q, with values V, is the fixed point."""
    zero = np.where(true.feasible, 0.0, -np.inf)
    labels = {"rho": true.rho, "states": true.states, "actions": true.actions, "grid": true.grid}
    kernel = make_mdp(P_hat, zero, gamma=true.gamma, terminating=terminating, **labels)
    r_hat = np.where(true.feasible, Q - true.gamma * kernel.expect(V), -np.inf)
    return with_changes(kernel, r=r_hat)


# Value equivalence


@dataclass(frozen=True)
class ValueEquivalence:
    """How far a model is from value equivalence on a set of policies and of values."""

    residual: float
    """`max |T^pi v - T_hat^pi v|` over states, policies and values, in units of return."""
    tol: float
    """The largest residual that counts as 0."""
    where: tuple[int, ...]
    """Where it is largest: (value, policy, state), or (value, state, action) for all policies together."""

    @property
    def holds(self) -> bool:
        """Whether the model is value equivalent."""
        return self.residual <= self.tol


def is_value_equivalent(true: AnyMDP, model: AnyMDP, policies, values, *, tol: float | None = None) -> ValueEquivalence:
    """Check `T_hat^pi v = T^pi v` for a set of policies and a set of values.

    If `values` holds those of the policies, the residual bounds what the model gets wrong: `max |V^pi - V_hat^pi|` is
    at most `residual / (1 - gamma)`.

    Args:
      policies: a list of policies, (S, A) probabilities or (S,) integer actions each; None for all policies.
      values: shape (k, S), or (S,) for one.
      tol: the largest residual that counts as 0; without it, 1e-10 times the largest reward or value, or 1.

    Raises:
      ValueError if the MDPs differ in shape, discount or feasible actions, for a wrong policy, or for wrong values.
    """
    require_alike(true, model)
    values = _checked_values(true, values)
    if tol is None:
        tol = RELATIVE_TOLERANCE * max(1.0, float(abs(values).max()), true.largest_reward)
    feasible = true.feasible
    gaps = np.stack([_backup_gap(true, model, v, feasible) for v in values])
    if policies is not None:
        policies = [policy_matrix(true, pi) for pi in policies]
        gaps = np.stack([[policy_value(gap, pi) for pi in policies] for gap in gaps])
    where = np.unravel_index(int(abs(gaps).argmax()), gaps.shape)
    return ValueEquivalence(float(abs(gaps[where])), tol, tuple(int(i) for i in where))


def value_equivalent_dimension(true: AnyMDP, values, *, learn_reward: bool = False) -> int:
    """Dimension, in each row, of the models that are value equivalent to `true` for all policies on `values`.

    `S - rank [1; gamma v_1; ..; gamma v_k]`, or with a learned reward, which takes one value up and adds a parameter,
    `S - rank [1; gamma (v_2 - v_1); ..; gamma (v_k - v_1)]`. It is the dimension of the linear equations' solutions;
    the class has it too where all probabilities of the row are positive, and can have less where some are 0.

    Args:
      values: shape (k, S), or (S,) for one.
      learn_reward: whether the model's reward may differ from the true one.
    """
    return _free_directions(_equations(true, _checked_values(true, values), learn_reward)).shape[1]


def sample_value_equivalent(
    true: AnyMDP, values, n: int, seed: int, *, learn_reward: bool = False, steps: int = 50
) -> tuple[AnyMDP, ...]:
    """Draw `n` models that are value equivalent to `true` for all policies on `values`, by hit-and-run in each row.

    Every row moves along random directions that change no expected value, to a uniform point of the stretch in which
    its probabilities stay 0 or more (Smith 1984). In the limit of many steps rows are uniform on the class. A row with
    probabilities 0 starts at a point of its class where as many as possible are positive, found by a linear program.

    Args:
      values: shape (k, S), or (S,) for one.
      learn_reward: whether rewards vary too: `r_hat = r + gamma (P - P_hat) v_1`.
      steps: moves of each row from one model to the next.

    Returns:
      Dense MDPs with the discount, start, labels and infeasible actions of `true`.

    Raises:
      ValueError for wrong values, a negative `n` or `steps` below 1.
    """
    values = _checked_values(true, values)
    _require_number(n)
    if not steps >= 1:
        raise ValueError(f"steps = {steps}, expected 1 or more.")
    rng, true = np.random.default_rng(seed), true.to_dense()
    start = _with_end(true)[true.feasible]
    groups = _groups(start, _equations(true, values, learn_reward))
    rows, sampled = [group.start for group in groups], []
    for _ in range(n):
        for _ in range(steps):
            rows = [group.move(now, rng) for group, now in zip(groups, rows, strict=True)]
        sampled.append(_model(true, groups, rows, values[0] if learn_reward else None))
    return tuple(sampled)


@dataclass(frozen=True)
class _Group:
    """Rows with the same possible successors, and how they can move."""

    index: np.ndarray
    """Which of the feasible rows, shape (rows,)."""
    support: np.ndarray
    """Mask of the successors that can have positive probability."""
    start: np.ndarray
    """A point of the class of each row, with all of these positive, shape (rows, successors in the support)."""
    directions: np.ndarray
    """Orthonormal directions that change no expected value, shape (successors in the support, dimension)."""

    def move(self, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """One step of hit-and-run in every row."""
        dimension = self.directions.shape[1]
        if dimension == 0:
            return rows
        step = rng.normal(size=(len(rows), dimension)) @ self.directions.T
        with np.errstate(divide="ignore", invalid="ignore"):
            reach = -rows / step
        ahead = np.where(step < 0, reach, np.inf).min(1)
        behind = np.where(step > 0, reach, -np.inf).max(1)
        moved = rows + (behind + rng.random(len(rows)) * (ahead - behind))[:, None] * step
        exact = self.start + (moved - self.start) @ self.directions @ self.directions.T  # no drift
        return np.maximum(exact, 0.0)


def _groups(start: np.ndarray, equations: np.ndarray) -> list[_Group]:
    """Rows, shape (rows, successors), grouped by the successors that they can have."""
    inner = start.copy()
    for row in np.flatnonzero((start <= POSITIVE).any(1)):
        inner[row] = _inner_point(start[row], equations)
    supports, group = np.unique(inner > 0, axis=0, return_inverse=True)
    groups = []
    for i, support in enumerate(supports):
        index = np.flatnonzero(group.reshape(-1) == i)
        groups.append(_Group(index, support, inner[np.ix_(index, support)], _free_directions(equations[:, support])))
    return groups


def _inner_point(row: np.ndarray, equations: np.ndarray) -> np.ndarray:
    """A point of the row's class with as many positive probabilities as there can be.

    With x = y / scale, maximise sum t subject to y >= t, 0 <= t <= 1 and equations (y - scale row) = 0: where some
    point of the class has a positive probability, a large enough scale makes it 1 or more (Freund, Roundy & Todd 1985).
    """
    import scipy.optimize  # here, because this takes a third of the time that `import tabular` does

    S = len(row)
    targets = equations @ row
    found = scipy.optimize.linprog(
        np.r_[np.zeros(S), -np.ones(S), 0],
        A_eq=np.hstack([equations, np.zeros_like(equations), -targets[:, None]]),
        b_eq=np.zeros(len(equations)),
        A_ub=np.hstack([-np.eye(S), np.eye(S), np.zeros((S, 1))]),
        b_ub=np.zeros(S),
        bounds=[(0, None)] * S + [(0, 1)] * S + [(1, None)],
        method="highs",
    )
    if found.x is None:
        return row
    possible = found.x[S : 2 * S] > 0.5
    point = np.where(possible, found.x[:S] / found.x[-1], 0.0)
    return _onto_equations(point, row, equations, possible)


def _onto_equations(point: np.ndarray, row: np.ndarray, equations: np.ndarray, possible: np.ndarray) -> np.ndarray:
    """The point nearest to `point` with the support `possible` that has the expected values of `row`, to rounding.

    `row` itself where there is none: the program's tolerance has then mistaken a tiny probability for 0.
    """
    part, targets = equations[:, possible], equations @ row
    moved = np.zeros_like(point)
    correction, *_ = np.linalg.lstsq(part, targets - equations @ point, rcond=None)
    moved[possible] = point[possible] + correction
    exact = abs(equations @ moved - targets).max() <= EXACT
    return moved if exact and (moved[possible] > 0).all() else row


def _model(true: MDP, groups: list[_Group], moved: list[np.ndarray], v: np.ndarray | None) -> AnyMDP:
    """The MDP of where the rows are; with values v, the reward makes up for what they change of v's expectation."""
    rows = np.zeros((int(true.feasible.sum()), len(groups[0].support)))
    for group, now in zip(groups, moved, strict=True):
        rows[np.ix_(group.index, group.support)] = now
    P_hat = np.zeros_like(true.P)
    P_hat[true.feasible] = rows[:, : true.S]
    r_hat = true.r.copy()
    if v is not None:
        r_hat[true.feasible] += true.gamma * (true.expect(v)[true.feasible] - (P_hat @ v)[true.feasible])
    return checked(dataclasses.replace(true, P=P_hat, r=r_hat))


def _equations(true: AnyMDP, values: np.ndarray, learn_reward: bool) -> np.ndarray:
    """Rows that a change of probabilities must be orthogonal to: 1 and the values, each scaled to a largest entry of 1.

    Shape (1 + k, S), or (1 + k, S + 1) with the end, of value 0, where episodes can end.
    """
    if true.terminating:
        values = np.hstack([values, np.zeros((len(values), 1))])
    if learn_reward:
        values = values[1:] - values[0]
    values = true.gamma * values
    size = abs(values).max(1, keepdims=True, initial=0.0)
    return np.vstack([np.ones(values.shape[1]), values / np.where(size > 0, size, 1.0)])


def _free_directions(equations: np.ndarray) -> np.ndarray:
    """Orthonormal basis of what is orthogonal to all rows, shape (S, dimension)."""
    return scipy.linalg.null_space(equations)


def _with_end(true: MDP) -> np.ndarray:
    """Transition probabilities with that of the end as the last one, where episodes can end."""
    return np.concatenate([true.P, true.stop_probability[..., None]], axis=-1) if true.terminating else true.P


def _backup_gap(true: AnyMDP, model: AnyMDP, v: np.ndarray, feasible: np.ndarray) -> np.ndarray:
    """Difference of one backup of v, shape (S, A), 0 where infeasible."""
    return np.where(feasible, backup(model, v), 0.0) - np.where(feasible, backup(true, v), 0.0)


def _checked_values(true: AnyMDP, values) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64)
    values = values[None] if values.ndim == 1 else values
    if values.ndim != 2 or values.shape[1] != true.S or len(values) == 0:
        raise ValueError(f"values has shape {values.shape}, expected (k, {true.S}) with k >= 1, or ({true.S},).")
    if not np.isfinite(values).all():
        k, s = np.argwhere(~np.isfinite(values))[0]
        raise ValueError(f"values[{k}, {s}] = {values[k, s]}, expected a finite number.")
    return values


def _require_discount(true: AnyMDP) -> None:
    if true.gamma == 1:
        raise ValueError("gamma = 1, expected a discount below 1: without one, a model can have other fixed points.")


def _require_number(n: int) -> None:
    if not n >= 0:
        raise ValueError(f"n = {n}, expected the number of models to draw, 0 or more.")
