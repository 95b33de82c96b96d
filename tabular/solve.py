"""Optimal values by value iteration, policy iteration, modified policy iteration or linear programming.

The problem is the fixed point of `(BQ)[s, a] = r[s, a] + gamma sum_s' P[s, a, s'] max_a' Q[s', a']`. Whatever the
method, the answer ends with the same certificate (`tabular.bounds`): a bound on `max |Q - Q*|` computed from the
Bellman residual, with rounding. Iterations stop on the *range* of TV - V, not on its size, and the answer is shifted
to the middle of the bounds that the range gives; on problems that mix, that is 40 sweeps where the size needs
thousands (Puterman 2005, sec. 6.6).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import scipy.optimize
import scipy.sparse as sp

from tabular.bounds import Certified, Size, certify, check_tol, middle, rounding_floor, size_of, spread, wanted
from tabular.errors import NotConverged
from tabular.linear import DENSE_STATES, PolicySystem, policy_system
from tabular.mdp import AnyMDP, one_hot
from tabular.operators import backup, greedy, hard_value, softmax_policy, ties

Value = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Trace:
    """Every sweep of a solver."""

    V: np.ndarray
    """State values before each sweep and after the last, shape (sweeps + 1, S)."""
    residual: np.ndarray
    """`max |TV - V|` of each, shape (sweeps + 1,)."""


@dataclass(frozen=True)
class Solution:
    """Optimal values with the proof of their accuracy."""

    Q: np.ndarray
    """Optimal state-action values, shape (S, A); -inf where infeasible."""
    V: np.ndarray
    """Optimal state values, shape (S,): `max_a Q`, or the soft value."""
    action: np.ndarray
    """A greedy action of each state, shape (S,). At gamma = 1 one that also gets to an end."""
    J: float
    """Return `rho @ V`. For a soft solution this includes the entropy bonus; the return proper is
    `evaluate(mdp, solution.pi).J`."""
    iterations: int
    """Sweeps of value iteration, improvements of policy iteration, or pivots of the linear program."""
    residual: float
    """Bellman residual `max |BQ - Q|`."""
    error: float
    """Certified bound on `max |Q - Q*|`, rounding included."""
    status: str
    """"converged", or what went wrong and what to try."""
    method: str
    gamma: float
    alpha: float | None = None
    """Temperature of a soft solution."""
    trace: Trace | None = field(default=None, repr=False)
    system: PolicySystem | None = field(default=None, repr=False)
    """The factored system of the last policy: a warm start needn't factor it again."""

    @property
    def converged(self) -> bool:
        """Whether the tolerance was certified."""
        return self.status == "converged"

    @cached_property
    def pi(self) -> np.ndarray:
        """The policy as probabilities, shape (S, A): greedy (one action a state), or softmax(Q / alpha)."""
        if self.alpha is None:
            return one_hot(self.action, self.Q.shape[1])
        return softmax_policy(self.Q, self.alpha)

    @cached_property
    def ties(self) -> np.ndarray:
        """Mask (S, A) of the actions that can't be told apart from the best one at this accuracy, 2 `error`."""
        return ties(self.Q, 2 * self.error)


@dataclass(frozen=True)
class Progress:
    """What an iteration hands on to the certificate."""

    V: np.ndarray
    iterations: int
    history: list[np.ndarray] | None = None
    action: np.ndarray | None = None
    system: PolicySystem | None = None


def solve(
    mdp: AnyMDP,
    *,
    method: str = "auto",
    tol: float | None = None,
    start: Solution | np.ndarray | None = None,
    trace: bool = False,
) -> Solution:
    """Solve an MDP exactly: `Q* = BQ*`, with a certified bound on `max |Q - Q*|`.

    Args:
      method: "vi" value iteration, "pi" policy iteration (Howard), "mpi" modified policy iteration (Puterman & Shin
        1978), "lp" linear program (HiGHS), "auto" policy iteration for small MDPs and modified policy iteration for
        large ones. At gamma = 1 always policy iteration, over the policies that reach an end (`tabular.total`).
      tol: the certified error that will do. Without it, 1e-10 max(1, max|V|) or, where that can't be certified in
        float64, four times what can.
      start: values (S,), or a Solution, to start from. The Solution of an MDP with the same kernel (`with_changes`)
        brings its factored system along.
      trace: keep the values of every sweep.

    Returns:
      Solution; `error <= tol` always holds.

    Raises:
      NotConverged if `tol` can't be certified (its `result` is the best answer); NoFiniteValue at gamma = 1 where the
      optimal total reward is infinite or undefined; ValueError for an unknown method or a bad `tol` or `start`.
    """
    if method not in METHODS:
        raise ValueError(f"method = {method!r}, expected one of {', '.join(METHODS)}.")
    check_tol(tol)
    V = starting_values(mdp, start)
    if mdp.gamma == 1:
        return _solve_total(mdp, tol, trace)
    if method == "auto":
        method = "pi" if mdp.S <= DENSE_STATES else "mpi"
    size = size_of(mdp)
    progress = METHODS[method](mdp, V, tol, size, start, trace)
    certified = certify(mdp, progress.V, hard_value, size)
    if stalled(certified, tol):
        progress = polished(mdp, progress, tol, size)
        certified = certify(mdp, progress.V, hard_value, size)
    return conclude(mdp, certified, progress, tol, method, hard_value)


def stalled(certified: Certified, tol: float | None) -> bool:
    """Whether sweeps ended short of a tolerance that rounding allows.

    On a periodic chain a component that flips its sign at every sweep decays by a factor gamma only, and stops decaying
    once that changes V by less than its last digit: at about u |V| / (1 - gamma) in V, 1 / (1 - gamma) times that in
    the certificate.
    """
    goal = wanted(tol, float(abs(certified.V).max()), certified.floor)
    return certified.floor <= goal < certified.error < np.inf


def polished(mdp: AnyMDP, progress: Progress, tol: float | None, size: Size) -> Progress:
    """Stalled sweeps, finished by the linear solves of policy iteration."""
    better = policy_iteration(mdp, progress.V, tol, size, None, progress.history is not None)
    history = None if progress.history is None else progress.history + (better.history or [])[1:]
    return dataclasses.replace(better, iterations=progress.iterations + better.iterations, history=history)


def _solve_total(mdp: AnyMDP, tol: float | None, trace: bool) -> Solution:
    from tabular.total import solve_total

    found = solve_total(mdp)
    progress = Progress(found.V, found.iterations, found.history if trace else None, found.action)
    certified = Certified(found.Q, found.V, found.residual, found.error, found.floor)
    return conclude(mdp, certified, progress, tol, "pi", hard_value)


def starting_values(mdp: AnyMDP, start: Solution | np.ndarray | None) -> np.ndarray:
    """The values to start from: those of `start`, or zeros. Raises ValueError if they don't fit."""
    if start is None:
        return np.zeros(mdp.S)
    V = np.asarray(start.V if isinstance(start, Solution) else start, dtype=np.float64)
    if V.shape != (mdp.S,):
        raise ValueError(f"start has shape {V.shape}, expected ({mdp.S},): a value for each state.")
    if not np.isfinite(V).all():
        s = int(np.argmin(np.isfinite(V)))
        raise ValueError(f"start[{s}] = {V[s]}, expected a finite value.")
    return V


def conclude(
    mdp: AnyMDP,
    certified: Certified,
    progress: Progress,
    tol: float | None,
    method: str,
    value: Value,
    alpha: float | None = None,
) -> Solution:
    """The Solution of a certified answer; raises NotConverged if the certificate is above the tolerance."""
    top = float(abs(certified.V).max())
    status = _status(certified, wanted(tol, top, certified.floor))
    solution = Solution(
        Q=certified.Q,
        V=certified.V,
        action=greedy(certified.Q) if progress.action is None else progress.action,
        J=float(mdp.rho @ certified.V),
        iterations=progress.iterations,
        residual=certified.residual,
        error=certified.error,
        status=status,
        method=method,
        gamma=mdp.gamma,
        alpha=alpha,
        trace=None if progress.history is None else _trace(mdp, progress.history, value),
        system=progress.system,
    )
    if not solution.converged:
        raise NotConverged(f"{method}: {status}", solution)
    return solution


def _status(certified: Certified, tol: float) -> str:
    if not np.isfinite(certified.error):
        return "the values overflow float64. Scale the rewards down."
    if certified.error <= tol:
        return "converged"
    if certified.floor > tol:
        return (
            f"tol = {tol:.3g} can't be certified: rounding alone allows {certified.floor:.3g} for this MDP in float64 "
            f"(certified here: {certified.error:.3g}). Ask for more than that, or scale the rewards."
        )
    return (
        f"certified error {certified.error:.3g} is above tol = {tol:.3g} after the last sweep. Try another method "
        f"or tol >= {certified.error:.3g}."
    )


def _trace(mdp: AnyMDP, history: list[np.ndarray], value: Value) -> Trace:
    residual = [float(abs(value(backup(mdp, V)) - V).max()) for V in history]
    return Trace(np.stack(history), np.array(residual))


def good_enough(low: float, high: float, mdp: AnyMDP, tol: float | None, size: Size, top: float) -> bool:
    """Whether the shifted TV, with `low <= TV - V <= high`, is accurate enough, or as accurate as rounding allows.

    Aims at 95% of the tolerance, since the certificate is computed from values that the shift has rounded once more.
    Comparisons are written so that NaN ends the iteration; the certificate then says what happened.
    """
    floor = rounding_floor(size, mdp.gamma, top)
    goal = max(0.95 * wanted(tol, top, floor) - floor, floor / 2)
    return not spread(low, high, mdp.gamma, mdp.terminating) > goal


def sweep_limit(mdp: AnyMDP, tol: float | None, size: Size, first: float) -> int:
    """Sweeps after which a gamma-contraction is below any certifiable tolerance, from a first residual."""
    if mdp.gamma == 0:
        return 2
    floor = rounding_floor(size, mdp.gamma, size.reward)
    goal = max(floor / 4, np.finfo(float).tiny)
    if not np.isfinite([first, goal]).all():
        return 2
    return 10 + int(np.ceil(np.log(max(first, goal) / ((1 - mdp.gamma) * goal)) / -np.log(mdp.gamma)))


def value_iteration(
    mdp: AnyMDP, V: np.ndarray, tol: float | None, size: Size, start, trace: bool, value: Value = hard_value
) -> Progress:
    """Sweep `V <- TV` until the range of TV - V certifies the tolerance, then shift to the middle of the bounds."""
    history = [V] if trace else None
    limit, sweeps = None, 0
    while True:
        new = value(backup(mdp, V))
        sweeps += 1
        step = new - V
        low, high, top = float(step.min()), float(step.max()), float(abs(new).max())
        if limit is None:
            limit = sweep_limit(mdp, tol, size, max(-low, high))
        if history is not None:
            history.append(new)
        if good_enough(low, high, mdp, tol, size, top) or sweeps >= limit:
            return Progress(new + middle(low, high, mdp.gamma, mdp.terminating), sweeps, history)
        V = new


def policy_iteration(mdp: AnyMDP, V: np.ndarray, tol: float | None, size: Size, start, trace: bool) -> Progress:
    """Howard 1960: evaluate the policy by a linear solve, make it greedy, until no action is better by more than rounding."""
    system, action = None, greedy(backup(mdp, V))
    states = np.arange(mdp.S)
    if isinstance(start, Solution):
        system, action = start.system, np.where(mdp.feasible[states, start.action], start.action, action)
    history = [V] if trace else None
    rounds = 0
    while True:
        system = policy_system(mdp, action, reuse=system)
        previous, V = V, system.solve(mdp.r[states, action])
        rounds += 1
        if history is not None:
            history.append(V)
        radius = size.radius(float(abs(V).max()))
        better, best = improvement(backup(mdp, V), action, radius)
        stuck = rounds > 1 and not (V - previous).max() > radius
        if stuck or not better.any():
            return Progress(V, rounds, history, action, system)
        action = np.where(better, best, action)


def improvement(Q: np.ndarray, action: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Where another action is better by more than twice the rounding radius, and which: (mask, best actions)."""
    best = greedy(Q)
    states = np.arange(len(Q))
    return Q[states, best] > Q[states, action] + 2 * radius, best


def modified_policy_iteration(
    mdp: AnyMDP, V: np.ndarray, tol: float | None, size: Size, start, trace: bool, evaluations: int = 20
) -> Progress:
    """Puterman & Shin 1978: between greedy sweeps, `evaluations` sweeps of the greedy policy alone."""
    history = [V] if trace else None
    states = np.arange(mdp.S)
    limit, sweeps = None, 0
    while True:
        Q = backup(mdp, V)
        new = hard_value(Q)
        sweeps += 1
        step = new - V
        low, high, top = float(step.min()), float(step.max()), float(abs(new).max())
        if limit is None:
            limit = sweep_limit(mdp, tol, size, max(-low, high))
        if history is not None:
            history.append(new)
        if good_enough(low, high, mdp, tol, size, top) or sweeps >= limit:
            return Progress(new + middle(low, high, mdp.gamma, mdp.terminating), sweeps, history)
        action = greedy(Q)
        V = partial_evaluation(mdp.chain(action), mdp.r[states, action], mdp.gamma, new, evaluations)


def partial_evaluation(chain, reward: np.ndarray, gamma: float, V: np.ndarray, sweeps: int) -> np.ndarray:
    """`sweeps` sweeps `V <- r_pi + gamma P_pi V`, ended early once they all but only add a constant."""
    first = None
    for _ in range(sweeps):
        new = reward + gamma * (chain @ V)
        width = float(np.ptp(new - V))
        first = width if first is None else first
        V = new
        if not width > 0.05 * first:
            break
    return V


def linear_program(mdp: AnyMDP, V: np.ndarray, tol: float | None, size: Size, start, trace: bool) -> Progress:
    """`min sum_s V[s]` subject to `V[s] >= r[s, a] + gamma P V` (Puterman 2005, sec. 6.9), by HiGHS.

    The program's greedy policy is evaluated by a linear solve (and improved, should the program's tolerance have
    left it short of optimal), so that the values are as accurate as those of policy iteration.
    """
    kernel = mdp.to_sparse().kernel
    feasible = mdp.feasible.T.reshape(-1)
    owner = np.tile(np.arange(mdp.S), mdp.A)
    states = sp.csr_matrix((np.ones(len(owner)), (np.arange(len(owner)), owner)), shape=kernel.shape)
    constraints = (mdp.gamma * kernel - states)[feasible]
    found = scipy.optimize.linprog(
        np.ones(mdp.S), A_ub=constraints, b_ub=-mdp.r.T.reshape(-1)[feasible], bounds=(None, None), method="highs"
    )
    if found.x is None:
        raise NotConverged(f"lp: HiGHS found no solution ({found.message}). Try method='pi'.")
    polished = policy_iteration(mdp, found.x, tol, size, None, False)
    history = [V, polished.V] if trace else None
    return dataclasses.replace(polished, iterations=int(found.nit), history=history)


METHODS: dict[str, Callable[..., Progress]] = {
    "auto": modified_policy_iteration,
    "vi": value_iteration,
    "pi": policy_iteration,
    "mpi": modified_policy_iteration,
    "lp": linear_program,
}
