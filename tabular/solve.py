"""Optimal values by value iteration, policy iteration, modified policy iteration or linear programming.

The problem is the fixed point of `(BQ)[s, a] = r[s, a] + gamma sum_s' P[s, a, s'] max_a' Q[s', a']`. Whatever the
method, the answer ends with the same certificate (`tabular.bounds`): a bound on `max |Q - Q*|` computed from the
Bellman residual, with rounding. Iterations stop on the *range* of TV - V, not on its size, and the answer is shifted
to the middle of the bounds that the range gives; on problems that mix, that is 40 sweeps where the size needs
thousands (Puterman 2005, sec. 6.6).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import scipy.sparse as sp

from tabular.bounds import Certified, Size, Sweep, certify, check_tol, size_of, sweep, wanted
from tabular.errors import NotConverged
from tabular.evaluate import evaluate
from tabular.linear import DENSE_STATES, PolicySystem, policy_system, solve_cost
from tabular.mdp import AnyMDP, one_hot
from tabular.operators import backup, greedy, hard_value, softmax_policy, ties

Value = Callable[[np.ndarray], np.ndarray]

EVALUATIONS = 20
"""Sweeps of the greedy policy alone between two greedy sweeps of modified policy iteration."""
FEW = 200
"""Sweeps that are never worth a linear solve."""
MOST_SOLVES = 30
"""Linear solves at most in a modified policy iteration (2 to 5 are usual)."""
SETTLED = 1e-3
"""A policy has settled when a greedy sweep changes the actions of at most this share of the states."""

MIXING, MIXED = 4, 0.1
"""Every so many sweeps it is checked whether the range of their steps is down to this share of the first one."""


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
    """Return of `pi` in this MDP: `rho @ V`, but for a soft solution without the entropy bonus that its V contains."""
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
    """How an iteration went."""

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
    progress, last = METHODS[method](mdp, V, tol, size, start, trace)
    if stalled(last, tol):
        progress, last = polished(mdp, progress, last, tol, size)
    return conclude(mdp, certify(mdp, last), progress, tol, method, hard_value)


def stalled(last: Sweep, tol: float | None) -> bool:
    """Whether sweeps ended short of a tolerance that rounding allows.

    On a periodic chain a component that flips its sign at every sweep decays by a factor gamma only, and stops decaying
    once that changes V by less than its last digit: at about u |V| / (1 - gamma) in V, 1 / (1 - gamma) times that in
    the certificate.
    """
    return last.floor <= wanted(tol, last.top, last.floor) < last.error < math.inf


def polished(mdp: AnyMDP, progress: Progress, last: Sweep, tol: float | None, size: Size) -> tuple[Progress, Sweep]:
    """Stalled sweeps, finished by the linear solves of policy iteration."""
    better, last = policy_iteration(mdp, last.V, tol, size, last.V, progress.history is not None)
    history = None if progress.history is None else progress.history + (better.history or [])[1:]
    return dataclasses.replace(better, iterations=progress.iterations + better.iterations, history=history), last


def _solve_total(mdp: AnyMDP, tol: float | None, trace: bool) -> Solution:
    from tabular.total import solve_total

    found = solve_total(mdp)
    progress = Progress(found.iterations, found.history if trace else None, found.action)
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
        J=_return(mdp, certified, alpha),
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


def _return(mdp: AnyMDP, certified: Certified, alpha: float | None) -> float:
    if alpha is None or not math.isfinite(certified.error):
        return float(mdp.rho @ certified.V)
    return evaluate(mdp, softmax_policy(certified.Q, alpha)).J


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


def sweep_limit(gamma: float, first: Sweep) -> int:
    """Sweeps after which a gamma-contraction is below any tolerance that can be certified, counted from the first."""
    goal = max(first.floor / 4, np.finfo(float).tiny)
    if gamma == 0 or not np.isfinite([first.error, goal]).all():
        return 2
    return 10 + math.ceil(math.log(max(first.error / goal, 1)) / -math.log(gamma))


def value_iteration(
    mdp: AnyMDP, V: np.ndarray, tol: float | None, size: Size, start, trace: bool, value: Value = hard_value
) -> tuple[Progress, Sweep]:
    """Sweep `V <- TV` until the range of TV - V certifies the tolerance."""
    history = [V] if trace else None
    limit, sweeps = None, 0
    while True:
        found = sweep(mdp, V, value, size)
        sweeps += 1
        limit = sweep_limit(mdp.gamma, found) if limit is None else limit
        V = found.TV
        if history is not None:
            history.append(V)
        if found.suffices(tol) or sweeps >= limit:
            return Progress(sweeps, history), found


def policy_iteration(
    mdp: AnyMDP, V: np.ndarray, tol: float | None, size: Size, start, trace: bool
) -> tuple[Progress, Sweep]:
    """Howard 1960: evaluate the policy by a linear solve, make it greedy, until the tolerance is certified or no action
    is better by more than rounding.

    Without a start, the first policy is that of a few sweeps, which cost less than the linear solves they spare.
    """
    history = [V] if trace else None
    states = np.arange(mdp.S)
    system, action = None, early_policy(mdp, V) if start is None else greedy(backup(mdp, V))
    if isinstance(start, Solution):
        system, action = start.system, np.where(mdp.feasible[states, start.action], start.action, action)
    rounds = 0
    while True:
        system = policy_system(mdp, action, reuse=system)
        previous, V = V, system.solve(mdp.r[states, action])
        rounds += 1
        if history is not None:
            history.append(V)
        found = sweep(mdp, V, hard_value, size)
        radius = size.radius(found.top)
        stuck = rounds > 1 and not (V - previous).max() > radius
        if stuck or found.suffices(tol) or not found.rise > 2 * radius:
            return Progress(rounds, history, action, system), found
        action = improved(action, found, found.TV > V + 2 * radius)


def early_policy(mdp: AnyMDP, V: np.ndarray) -> np.ndarray:
    """The greedy policy after sweeps from V, for as long as each changes fewer actions than the one before."""
    Q = backup(mdp, V)
    action, changes = greedy(Q), mdp.S + 1
    while True:
        Q = backup(mdp, hard_value(Q))
        before, fewest = action, changes
        action = greedy(Q)
        changes = np.count_nonzero(action != before)
        if changes == 0 or changes >= fewest:
            return action


def improved(action: np.ndarray, found: Sweep, better: np.ndarray) -> np.ndarray:
    """The policy made greedy in the states of the mask `better`."""
    action = action.copy()
    action[better] = greedy(found.Q[better])
    return action


@dataclass(frozen=True)
class Followed:
    """A deterministic policy, ready to be evaluated by sweeps."""

    action: np.ndarray
    """Shape (S,)."""
    chain: np.ndarray | sp.csr_matrix
    """`gamma P_pi`, shape (S, S)."""
    reward: np.ndarray
    """`r_pi`, shape (S,)."""
    settled: bool
    """Whether hardly any action differs from those of the policy before."""


def modified_policy_iteration(
    mdp: AnyMDP, V: np.ndarray, tol: float | None, size: Size, start, trace: bool
) -> tuple[Progress, Sweep]:
    """Puterman & Shin 1978: between greedy sweeps, sweeps of the greedy policy alone.

    Once the policy has settled, a linear solve takes their place where those still needed would cost more.
    """
    history = [V] if trace else None
    policy = limit = cost = None
    errors: list[float] = []  # since the last linear solve
    rounds, solves = 0, 0
    while True:
        found = sweep(mdp, V, hard_value, size)
        rounds += 1
        limit = sweep_limit(mdp.gamma, found) if limit is None else limit
        if history is not None:
            history.append(found.TV)
        if found.suffices(tol) or rounds >= limit:
            return Progress(rounds, history), found
        errors.append(found.error)
        policy = follow(mdp, found, size.radius(found.top), policy)
        left = EVALUATIONS * rounds_left(errors, found.goal(tol), mdp.gamma)
        solve_now = policy.settled and left > FEW and solves < MOST_SOLVES
        if solve_now:
            cost = solve_cost(policy.chain) if cost is None else cost
            solve_now = left > cost
        if solve_now:
            V = policy_system(mdp, policy.action).solve(policy.reward)
            errors, solves = [], solves + 1
        else:
            V = partial_evaluation(policy, found.TV)


def follow(mdp: AnyMDP, found: Sweep, radius: float, previous: Followed | None) -> Followed:
    """The greedy policy of a sweep, in which actions of the previous one stay where they are as good up to rounding."""
    states = np.arange(mdp.S)
    if previous is None:
        action, settled = greedy(found.Q), False
    else:
        better = found.TV > found.Q[states, previous.action] + 2 * radius
        changes = np.count_nonzero(better)
        if changes == 0:
            return dataclasses.replace(previous, settled=True)
        action, settled = improved(previous.action, found, better), bool(changes <= SETTLED * mdp.S)
    return Followed(action, mdp.gamma * mdp.chain(action), mdp.r[states, action], settled)


def rounds_left(errors: list[float], goal: float, gamma: float) -> float:
    """Rounds until the error is down to the goal, at the rate of the later half of those made.

    No rate is taken to be slower than that of a contraction by gamma in every sweep.
    """
    later = errors[(len(errors) - 1) // 2 :]
    decay = (1 + EVALUATIONS) * math.log(gamma)
    if len(later) > 1:
        decay = min(decay, math.log(later[-1] / later[0]) / (len(later) - 1))
    return math.log(goal / errors[-1]) / decay


def partial_evaluation(policy: Followed, V: np.ndarray) -> np.ndarray:
    """Sweeps `V <- r_pi + gamma P_pi V`: 20, or fewer if they soon do little but add a constant."""
    first = None
    for done in range(EVALUATIONS):
        previous, V = V, policy.chain @ V
        V += policy.reward
        if done % MIXING == 0:
            width = float(np.ptp(V - previous))
            first = width if first is None else first
            if width < MIXED * first:
                break
    return V


def linear_program(
    mdp: AnyMDP, V: np.ndarray, tol: float | None, size: Size, start, trace: bool
) -> tuple[Progress, Sweep]:
    """`min sum_s V[s]` subject to `V[s] >= r[s, a] + gamma P V` (Puterman 2005, sec. 6.9), by HiGHS.

    The program's greedy policy is evaluated by a linear solve (and improved, should the program's tolerance have
    left it short of optimal), so that the values are as accurate as those of policy iteration.
    """
    import scipy.optimize  # here, because this takes a third of the time that `import tabular` does

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
    progress, last = policy_iteration(mdp, found.x, tol, size, found.x, trace)
    history = [V, *(progress.history or [])] if trace else None
    return dataclasses.replace(progress, iterations=int(found.nit), history=history), last


METHODS: dict[str, Callable[..., tuple[Progress, Sweep]]] = {
    "auto": modified_policy_iteration,
    "vi": value_iteration,
    "pi": policy_iteration,
    "mpi": modified_policy_iteration,
    "lp": linear_program,
}
