"""Thousands of MDPs of one shape solved in one call, each with a certified error.

Three doors, `solve_batch`, `soft_solve_batch` and `evaluate_batch`, take arrays with the MDPs along the first axis,
check them, and return records with the MDPs along the first axis. Inside `solve_batch` the method depends on size:

* up to `UNROLLED_ENTRIES` transition probabilities (S A S): policy iteration written out number by number, each number
  a vector over the batch. What XLA compiles then runs over contiguous memory without inner loops.
* above: modified policy iteration for the whole batch until every MDP is certified by the span of its last step. A
  sweep over all actions reads all of P, so `EVALUATIONS` sweeps of the greedy policy come between two of them, which
  read a 1/A part. What `MAX_SWEEPS` don't certify (chains that mix slowly) is finished by policy iteration.

For any V with lo <= TV - V <= hi, the optimal values lie within TV + gamma / (1 - gamma) [lo, hi] (MacQueen 1966,
Porteus 1971), where lo <= 0 <= hi is understood if an episode can end: an ended episode is a state of residual 0. The
answer is the middle of that interval.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tabular.bounds import RELATIVE_TOLERANCE, UNIT, Size, check_tol, rounding_floor
from tabular.device.implicit import SoftSolution, newton
from tabular.device.linear import eliminate, scalars, unrolled
from tabular.errors import NotConverged
from tabular.mdp import MDP, TOLERANCE, make_mdp, one_hot

UNROLLED_ENTRIES = 32
"""Up to this many transition probabilities (S A S) an MDP is solved number by number. Compilation takes a second at 8
and five at 32."""
EVALUATIONS = 8
"""Sweeps of the greedy policy between two sweeps over all actions."""
MAX_SWEEPS = 15
"""Sweeps over all actions before policy iteration takes over."""
MAX_POLICIES = 200
"""Cap on the steps of policy iteration. It needs about ten, whatever the discount."""


@partial(jax.tree_util.register_dataclass, meta_fields=[], data_fields=["Q", "V", "action", "J", "iterations", "residual", "error", "converged"])
@dataclass(frozen=True, eq=False)
class BatchSolution:
    """Optimal values of B MDPs, each with the proof of its accuracy."""

    Q: jax.Array
    """Optimal action values, shape (B, S, A); -inf where infeasible."""
    V: jax.Array
    """Optimal state values, shape (B, S)."""
    action: jax.Array
    """Greedy actions, shape (B, S); the first of those that tie."""
    J: jax.Array
    """Returns `rho @ V`, shape (B,)."""
    iterations: jax.Array
    """Improvements of the policy until the MDP was certified, shape (B,)."""
    residual: jax.Array
    """Bound on the Bellman residual `max |BQ - Q|`, shape (B,)."""
    error: jax.Array
    """Certified bound on `max |Q - Q*|`, rounding included, shape (B,)."""
    converged: jax.Array
    """Whether the tolerance is certified, shape (B,)."""


@partial(jax.tree_util.register_dataclass, meta_fields=[], data_fields=["Q", "V", "J", "residual", "error", "converged"])
@dataclass(frozen=True, eq=False)
class BatchEvaluation:
    """Values of one policy in each of B MDPs."""

    Q: jax.Array
    """Action values, shape (B, S, A)."""
    V: jax.Array
    """State values, shape (B, S)."""
    J: jax.Array
    """Returns `rho @ V`, shape (B,)."""
    residual: jax.Array
    """`max |r_pi + gamma P_pi V - V|`, shape (B,)."""
    error: jax.Array
    """Certified bound on `max |V - V^pi|`, rounding included, shape (B,)."""
    converged: jax.Array
    """Whether the error is finite, shape (B,)."""


class _Batch(NamedTuple):
    """B MDPs on the device."""

    P: jax.Array
    """(B, S, A, S)"""
    r: jax.Array
    """(B, S, A)"""
    gamma: jax.Array
    """(B,) or (1,)"""
    rho: jax.Array
    """(B, S) or (1, S)"""

    # Inside the solvers the MDPs lie along the first axis, and the states along axis 1, or the MDPs along the last axis
    # and the states along axis 0: `states` says which.


def solve_batch(P, r, gamma, *, rho=None, tol: float | None = None, terminating: bool = False) -> BatchSolution:
    """Solve B MDPs exactly, `Q* = r + gamma P max_a Q*`, each certified to `tol`.

    Args:
      P: transition probabilities, shape (B, S, A, S), axes `mdp, s, a, s'`; NumPy or JAX, float64. Rows sum to 1 within
        1e-8 and count as divided by their sum.
      r: rewards, shape (B, S, A); -inf marks an infeasible action, whose row of P is not looked at.
      gamma: discount in [0, 1): a number, or one for each MDP, shape (B,).
      rho: start distribution for `J`, shape (S,) or (B, S); uniform if not given.
      tol: the certified error that will do. Without it, 1e-10 max(1, max|V|) or, where that can't be certified in
        float64, four times what can.
      terminating: whether rows may sum to less than 1; the missing mass ends the episode with value 0.

    Returns:
      BatchSolution; `error <= tol` holds for every MDP.

    Raises:
      ValueError or TypeError naming what is wrong with the arguments, and in which MDP; NotConverged if `tol` can't be
      certified for some MDP (its `result` is the BatchSolution).
    """
    check_tol(tol)
    batch = _checked(P, r, gamma, rho)
    method = _solve_unrolled if batch.P[0].size <= UNROLLED_ENTRIES else _solve_sweeping
    return _delivered(batch, terminating, *method(batch, np.nan if tol is None else tol, terminating))


def soft_solve_batch(P, r, gamma, alpha, *, tol: float = 1e-12, terminating: bool = False) -> SoftSolution:
    """Soft-optimal values of B MDPs at temperature alpha by Newton's method, as `solve_soft` for each.

    Args:
      P, r, gamma, terminating: as for `solve_batch`.
      alpha: temperature > 0, in units of reward: a number, or one for each MDP, shape (B,).
      tol: a solve stops when `max |TV - V| / (1 - gamma) < tol`, or at the rounding level of float64.

    Returns:
      SoftSolution whose fields have the MDPs along the first axis.

    Raises:
      As `solve_batch`.
    """
    check_tol(tol)
    batch = _checked(P, r, gamma, None)
    alpha = _per_mdp(alpha, "alpha", len(batch.r))
    if not (alpha > 0).all() or not (alpha < np.inf).all():
        raise ValueError(f"alpha = {_first(alpha, ~((alpha > 0) & (alpha < np.inf)))}, expected a positive temperature.")
    return _delivered(batch, terminating, *_solve_soft(batch, jnp.asarray(alpha), tol, terminating))


def evaluate_batch(P, r, gamma, pi, *, rho=None, terminating: bool = False) -> BatchEvaluation:
    """Evaluate a policy in each of B MDPs by one linear solve, `V = (I - gamma P_pi)^-1 r_pi`.

    Args:
      P, r, gamma, rho, terminating: as for `solve_batch`.
      pi: probabilities, shape (B, S, A), or integer actions, shape (B, S).

    Returns:
      BatchEvaluation.

    Raises:
      As `solve_batch`; ValueError also for a `pi` that is no policy.
    """
    batch = _checked(P, r, gamma, rho)
    return _delivered(batch, terminating, *_evaluate(batch, jnp.asarray(_policies(pi, batch.r)), terminating))


# policy iteration, number by number


@partial(jax.jit, static_argnames="terminating")
def _solve_unrolled(batch: _Batch, tol, terminating: bool) -> tuple[BatchSolution, jax.Array]:
    """Policy iteration on vectors over the batch, held in NumPy arrays of objects: P (S, A, S), r and Q (S, A), V (S,)."""
    columns = jax.tree.map(lambda array: jnp.moveaxis(array, 0, -1), batch)
    S, A, B = columns.r.shape
    total = sum(columns.P[:, :, t] for t in range(S))
    scale, fault = _row_scale(columns, total, terminating, states=0)
    weights = columns.gamma[None, None] * scale
    P, r = scalars(columns.P * weights[:, :, None], 3), scalars(columns.r, 2)
    size = _size(columns, states=0)
    slack = scalars(size.radius(size.reward / (1 - columns.gamma))[None], 1)

    def backup(V):
        return _where(_above(r, -jnp.inf), r + (P * V).sum(-1), -jnp.inf)

    def evaluate(action):
        chain = _chosen(P, action[:, None])
        return unrolled(np.eye(S) - chain, _chosen(r, action))

    def improve(state):
        action, _, iterations, _ = state
        action = scalars(action, 1)
        V = evaluate(action)
        Q = backup(V)
        value, candidate = _best(Q)
        better = _above(value, _chosen(Q, action) + slack)
        improving = _stack(better).any(0)
        return _stack(_where(better, candidate, action)), _stack(V), iterations + improving.astype(jnp.int32), improving

    def unfinished(state):
        return state[3].any() & (state[2].max() < MAX_POLICIES)

    start = _stack(_best(r)[1]), jnp.zeros((S, B)), jnp.ones(B, jnp.int32), jnp.ones(B, bool)
    _, V, iterations, _ = lax.while_loop(unfinished, improve, start)
    Q = backup(scalars(V, 1))
    value, action = _best(Q)
    Q = jnp.stack([_stack(row) for row in Q])
    found = _Found(V, Q, _stack(value), _stack(action), iterations)
    solution = _certified(columns, found, size, tol, terminating, states=0)
    return jax.tree.map(lambda array: jnp.moveaxis(array, -1, 0), solution), fault


_where = np.frompyfunc(jnp.where, 3, 1)
_above = np.frompyfunc(lambda x, y: x > y, 2, 1)
_equal = np.frompyfunc(lambda x, y: x == y, 2, 1)


def _best(Q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Largest entry along the second axis, and where it is (the first, if several tie)."""
    value, action = Q[:, 0], scalars(jnp.zeros((len(Q), Q[0, 0].shape[0]), jnp.int32), 1)
    for k in range(1, Q.shape[1]):
        better = _above(Q[:, k], value)
        value, action = _where(better, Q[:, k], value), _where(better, k, action)
    return value, action


def _chosen(options: np.ndarray, action: np.ndarray) -> np.ndarray:
    """`options[s, action[s]]`, for arrays of objects."""
    picked = options[:, 0]
    for k in range(1, options.shape[1]):
        picked = _where(_equal(action, k), options[:, k], picked)
    return picked


def _stack(vectors: np.ndarray) -> jax.Array:
    return jnp.stack(list(vectors))


# modified policy iteration, array by array


class _Sweep(NamedTuple):
    """A batch on its way: `Q` is the backup of `V`."""

    V: jax.Array
    """(B, S)"""
    Q: jax.Array
    """(B, S, A)"""
    done: jax.Array
    """Which MDPs are certified, (B,)."""
    iterations: jax.Array
    """(B,)"""
    sweeps: jax.Array
    """Sweeps over all actions so far."""


@partial(jax.jit, static_argnames="terminating")
def _solve_sweeping(batch: _Batch, tol, terminating: bool) -> tuple[BatchSolution, jax.Array]:
    """Modified policy iteration (Puterman & Shin 1978), then policy iteration for what mixes too slowly for it."""
    P, r, gamma, _ = batch
    B, S, A = r.shape
    scale, fault = _row_scale(batch, _expect(P, jnp.ones((B, S))), terminating, states=1)
    weights = gamma[:, None, None] * scale
    size = _size(batch, states=1)
    slack = size.radius(size.reward / (1 - gamma))[:, None]

    def measure(V, before):
        Q = jnp.where(r > -jnp.inf, r + weights * _expect(P, V), -jnp.inf)
        certificate = _certificate(V, jnp.max(Q, axis=2), gamma, size, terminating, states=1)
        done = certificate.error <= _tolerance(tol, certificate)
        return _Sweep(V, Q, done, before.iterations + (~before.done).astype(jnp.int32), before.sweeps + 1)

    def policy(action):
        rows = jnp.arange(B * S) * A + action.reshape(B * S)
        chain = jnp.take(P.reshape(B * S * A, S), rows, axis=0, mode="clip")
        weight, reward = (jnp.take(table.reshape(B * S * A), rows, mode="clip") for table in (weights, r))
        return (weight[:, None] * chain).reshape(B, S, S), reward.reshape(B, S)

    def sweep(now):
        chain, reward = policy(jnp.argmax(now.Q, axis=2))
        V = jnp.max(now.Q, axis=2)
        V = lax.fori_loop(0, EVALUATIONS, lambda _, V: reward + (chain @ V[..., None])[..., 0], V)
        return measure(V, now)

    def improve(state):
        now, action, _ = state
        now = measure(jax.vmap(eliminate)(*policy(action)), now)
        current = jnp.take_along_axis(now.Q, action[:, :, None], axis=2)[..., 0]
        better = jnp.max(now.Q, axis=2) > current + slack
        return now, jnp.where(better, jnp.argmax(now.Q, axis=2), action), jnp.any(better, axis=1)

    def sweeping(now):
        return ~jnp.all(now.done) & (now.sweeps < MAX_SWEEPS)

    def improving(state):
        now, _, changing = state
        return jnp.any(~now.done & changing) & (now.sweeps < MAX_SWEEPS + MAX_POLICIES)

    start = _Sweep(jnp.max(r, axis=2), r, jnp.zeros(B, bool), jnp.zeros(B, jnp.int32), jnp.asarray(0))
    swept = lax.while_loop(sweeping, sweep, start)
    found, _, _ = lax.while_loop(improving, improve, (swept, jnp.argmax(swept.Q, axis=2), ~swept.done))
    value, action = jnp.max(found.Q, axis=2), jnp.argmax(found.Q, axis=2)
    found = _Found(found.V, found.Q, value, action, found.iterations)
    return _certified(batch, found, size, tol, terminating, states=1), fault


def _expect(P: jax.Array, V: jax.Array) -> jax.Array:
    """`sum_t P[b, s, a, t] V[b, t]`, shape (B, S, A)."""
    B, S, A, _ = P.shape
    return (P.reshape(B, S * A, S) @ V[..., None]).reshape(B, S, A)


# Newton's method and evaluation, one MDP at a time under vmap


@partial(jax.jit, static_argnames=("tol", "terminating"))
def _solve_soft(batch: _Batch, alpha, tol: float, terminating: bool) -> tuple[SoftSolution, jax.Array]:
    batch, fault = _normalised(batch, terminating)

    def solve(P, r, gamma, alpha):
        return newton(MDP(P, r, gamma, None), alpha, jnp.zeros_like(r), tol)

    gamma, alpha = (jnp.broadcast_to(number, len(batch.r)) for number in (batch.gamma, alpha))
    return jax.vmap(solve)(batch.P, batch.r, gamma, alpha), fault


@partial(jax.jit, static_argnames="terminating")
def _evaluate(batch: _Batch, pi, terminating: bool) -> tuple[BatchEvaluation, jax.Array]:
    size = _size(batch, states=1)
    batch, fault = _normalised(batch, terminating)
    chain = batch.gamma[:, None, None] * jnp.einsum("bsa,bsat->bst", pi, batch.P)
    reward = jnp.sum(jnp.where(pi > 0, pi * jnp.where(pi > 0, batch.r, 0.0), 0.0), axis=2)
    V = jax.vmap(eliminate)(chain, reward)
    residual = jnp.max(abs(reward + (chain @ V[..., None])[..., 0] - V), axis=1)
    error = residual / (1 - batch.gamma) + rounding_floor(size, batch.gamma, jnp.max(abs(V), axis=1))
    Q = batch.r + batch.gamma[:, None, None] * _expect(batch.P, V)
    return BatchEvaluation(Q, V, jnp.sum(batch.rho * V, axis=1), residual, error, jnp.isfinite(error)), fault


def _normalised(batch: _Batch, terminating: bool) -> tuple[_Batch, jax.Array]:
    """The batch with rows divided by their sums and zero rows for infeasible actions."""
    scale, fault = _row_scale(batch, jnp.sum(batch.P, axis=3), terminating, states=1)
    P = jnp.where(batch.r[..., None] > -jnp.inf, batch.P * scale[..., None], 0.0)
    return batch._replace(P=P), fault


# certificates


class _Found(NamedTuple):
    """What an iteration hands on to the certificate: `Q` is the backup of `V`, `value` and `action` are Q's best."""

    V: jax.Array
    Q: jax.Array
    value: jax.Array
    action: jax.Array
    iterations: jax.Array


class _Certificate(NamedTuple):
    """What the step from V to TV proves, each of shape (B,)."""

    shift: jax.Array
    """To be added to TV."""
    residual: jax.Array
    error: jax.Array
    floor: jax.Array
    top: jax.Array
    """Largest absolute value."""


def _certificate(V, TV, gamma, size: Size, terminating: bool, states: int) -> _Certificate:
    """`max |TV + shift - V*| <= error`: the middle and half the width of gamma / (1 - gamma) [lo, hi], and rounding."""
    low, high = jnp.min(TV - V, axis=states), jnp.max(TV - V, axis=states)
    if terminating:
        high = jnp.maximum(high, -low)
        low = -high
    shift = gamma / (1 - gamma) * (low + high) / 2
    width = (high - low) / 2
    top = jnp.max(jnp.maximum(abs(V), abs(TV)), axis=states) + abs(shift)
    floor = rounding_floor(size, gamma, top) + 4 * UNIT * top
    error = gamma / (1 - gamma) * width * (1 + 16 * UNIT / (1 - gamma)) + floor
    return _Certificate(shift, gamma * width, error, floor, top)


def _tolerance(tol, certificate: _Certificate) -> jax.Array:
    """`tol`, or where that is NaN 1e-10 max(1, max|V|), but no less than rounding allows."""
    default = jnp.maximum(RELATIVE_TOLERANCE * jnp.maximum(1.0, certificate.top), 4 * certificate.floor)
    return jnp.where(jnp.isnan(tol), default, tol)


def _certified(batch: _Batch, found: _Found, size: Size, tol, terminating: bool, states: int) -> BatchSolution:
    proof = _certificate(found.V, found.value, batch.gamma, size, terminating, states)
    V = found.value + jnp.expand_dims(proof.shift, states)
    Q = found.Q + jnp.expand_dims(proof.shift, (states, states + 1))
    J = jnp.sum(batch.rho * V, axis=states)
    converged = proof.error <= _tolerance(tol, proof)
    return BatchSolution(Q, V, found.action, J, found.iterations, proof.residual, proof.error, converged)


def _size(batch: _Batch, states: int) -> Size:
    """What the rounding radius needs: successors (two more for the division of each row by its sum), largest reward."""
    reward = jnp.max(jnp.where(batch.r > -jnp.inf, abs(batch.r), 0.0), axis=(states, states + 1))
    return Size(batch.r.shape[states] + 2, reward, 0.0)  # type: ignore[arg-type]


# what comes in, what goes out


def _row_scale(batch: _Batch, total: jax.Array, terminating: bool, states: int) -> tuple[jax.Array, jax.Array]:
    """What to multiply each row by, and whether some MDP of the batch looks wrong.

    A row counts as divided by its sum `total` if that is 1 within 1e-8.
    """
    r = batch.r
    near, infeasible = abs(total - 1) <= TOLERANCE, r == -jnp.inf
    wrong = ~(near | infeasible | (terminating & (total <= 1))) | ~(r < jnp.inf)
    fault = jnp.any(wrong) | jnp.any(jnp.all(infeasible, axis=states + 1)) | ~(jnp.min(batch.P) >= 0)
    return 1 / jnp.where(near, total, 1.0), fault


def _checked(P, r, gamma, rho) -> _Batch:
    """The arguments on the device; refuses shapes, types and discounts that don't fit, before any work."""
    P, r = _float64(P, "P"), _float64(r, "r")
    if r.ndim != 3 or 0 in r.shape:
        raise ValueError(f"r has shape {r.shape}, expected (B, S, A): the reward r[b, s, a] of B MDPs of one shape.")
    B, S, A = r.shape
    if P.shape != (B, S, A, S):
        raise ValueError(f"P has shape {P.shape}, expected (B, S, A, S) = {(B, S, A, S)} since r has shape {r.shape}.")
    gamma = _per_mdp(gamma, "gamma", B)
    wrong = ~((gamma >= 0) & (gamma < 1))
    if wrong.any():
        raise ValueError(
            f"gamma = {_first(gamma, wrong)}, expected a discount in [0, 1). Total reward (gamma = 1) is solved one MDP "
            "at a time by tabular.solve."
        )
    return jax.device_put(_Batch(P, r, gamma, _starts(rho, B, S)))  # type: ignore[arg-type]


def _float64(array, name: str):
    """`array` as float64, on the host or the device, wherever it is."""
    array = array if isinstance(array, jax.Array) else np.asarray(array)
    if array.dtype.kind in "biu":
        return array.astype(np.float64)
    if array.dtype != np.float64:
        raise TypeError(f"{name} is {array.dtype}; exact work needs float64. Convert it with {name}.astype('float64').")
    return array


def _per_mdp(value, name: str, B: int) -> np.ndarray:
    value = np.asarray(value, dtype=np.float64)
    if value.shape not in ((), (B,)):
        raise ValueError(f"{name} has shape {value.shape}, expected a number or one for each MDP, shape ({B},).")
    return np.atleast_1d(value)


def _starts(rho, B: int, S: int) -> np.ndarray:
    if rho is None:
        return np.full((1, S), 1 / S)
    rho = np.asarray(_float64(rho, "rho"))
    if rho.shape not in ((S,), (B, S)):
        raise ValueError(f"rho has shape {rho.shape}, expected {(S,)} or {(B, S)}: a probability for each state.")
    rho = np.atleast_2d(rho)
    wrong = ~((rho >= 0).all(1) & (abs(rho.sum(1) - 1) <= TOLERANCE))
    if wrong.any():
        raise ValueError(f"rho[{np.argmax(wrong)}] = {_first(rho, wrong)} isn't a distribution: probabilities that sum to 1.")
    return rho / rho.sum(1, keepdims=True)


def _policies(pi, r) -> np.ndarray:
    pi, r = np.asarray(pi), np.asarray(r)
    B, S, A = r.shape
    if pi.shape == (B, S) and pi.dtype.kind in "iu":
        if not ((pi >= 0) & (pi < A)).all():
            raise ValueError(f"pi holds the action {_first(pi, (pi < 0) | (pi >= A))}, expected actions from 0 to {A - 1}.")
        pi = one_hot(pi.reshape(-1), A).reshape(B, S, A)
    if pi.shape != (B, S, A):
        raise ValueError(f"pi has shape {pi.shape}, expected {(B, S, A)}, or {(B, S)} integer actions.")
    pi = np.asarray(_float64(pi, "pi"))
    wrong = ~((pi >= 0).all(2) & (abs(pi.sum(2) - 1) <= TOLERANCE)) | ((pi > 0) & (r == -np.inf)).any(2)
    if wrong.any():
        where = ", ".join(map(str, np.argwhere(wrong)[0]))
        raise ValueError(
            f"pi[{where}] = {_first(pi, wrong)} isn't a distribution over the feasible actions: probabilities that sum to 1."
        )
    return pi


def _first(array: np.ndarray, wrong: np.ndarray):
    return array[wrong][0]


def _delivered(batch: _Batch, terminating: bool, solution, fault):
    """The solution, once the device has said that the input was right and every MDP converged."""
    fault, failed = jax.device_get((fault, ~solution.converged))
    if fault:
        _refuse(batch, terminating)
    if failed.any():
        error = np.asarray(solution.error)
        worst = int(np.argmax(np.where(failed, np.nan_to_num(error, nan=np.inf), -1.0)))
        raise NotConverged(
            f"{failed.sum()} of {len(failed)} MDPs have no certified solution of the accuracy asked for; MDP {worst} "
            f"has the error bound {error[worst]:.3g}. Ask for a larger tol; the exception's result holds all answers.",
            solution,
        )
    return solution


def _refuse(batch: _Batch, terminating: bool) -> None:
    """Raise what `make_mdp` has to say about the first MDP of the batch that is wrong. Rows of infeasible actions don't count."""
    P, r, gamma, _ = jax.device_get(batch)
    for b in range(len(r)):
        try:
            make_mdp(P[b], r[b], gamma=gamma[b % len(gamma)], terminating=terminating)
        except ValueError as error:
            raise ValueError(f"MDP {b} of the batch: {error}") from error
