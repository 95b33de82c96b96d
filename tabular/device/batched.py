"""How a batch of MDPs is solved on the device: the methods behind `tabular.device.batch`, and their certificate.

For any V with lo <= TV - V <= hi, the optimal values lie within TV + gamma / (1 - gamma) [lo, hi] (MacQueen 1966,
Porteus 1971), where lo <= 0 <= hi is understood if an episode can end: an ended episode is a state of residual 0. The
answer is the middle of that interval; its error is half the width and what rounding adds.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tabular.bounds import RELATIVE_TOLERANCE, UNIT, Size, rounding_floor
from tabular.device.entries import best, chosen, each, eliminated, entries, fold, stack
from tabular.device.implicit import newton
from tabular.device.linear import eliminate
from tabular.mdp import MDP, TOLERANCE

FIRST_SWEEPS = 3
"""Sweeps over all actions before the first policy is evaluated: by then it is nearly the best one."""
EVALUATIONS = 10
"""Sweeps of the greedy policy between two sweeps over all actions."""
MAX_SWEEPS = 15
"""Sweeps over all actions before policy iteration takes over."""
MAX_POLICIES = 200
"""Cap on the steps of policy iteration. It needs about ten, whatever the discount."""


class Batch(NamedTuple):
    """B MDPs of one shape on the device."""

    P: jax.Array
    """Transition probabilities, shape (B, S, A, S)."""
    r: jax.Array
    """Rewards, shape (B, S, A); -inf marks an infeasible action."""
    gamma: jax.Array
    """Discounts, shape (B,) or (1,)."""
    rho: jax.Array
    """Start distributions, shape (B, S) or (1, S)."""


class Outcome(NamedTuple):
    """What a compiled method hands back to the host."""

    solution: Any
    fault: jax.Array
    """Whether some MDP of the batch looks wrong: the host then finds out which, and says so."""


@jax.tree_util.register_dataclass
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
    """Rounds of policy improvement until the MDP was done, shape (B,)."""
    residual: jax.Array
    """Bound on the Bellman residual `max |BQ - Q|`, shape (B,)."""
    error: jax.Array
    """Certified bound on `max |Q - Q*|`, rounding included, shape (B,)."""
    converged: jax.Array
    """Whether the tolerance is certified, shape (B,)."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class BatchEvaluation:
    """Values of one policy in each of B MDPs."""

    Q: jax.Array
    """Action values, shape (B, S, A); -inf where infeasible."""
    V: jax.Array
    """State values, shape (B, S)."""
    J: jax.Array
    """Returns `rho @ V`, shape (B,)."""
    residual: jax.Array
    """`max |r_pi + gamma P_pi V - V|`, shape (B,)."""
    error: jax.Array
    """Certified bound on `max |V - V^pi|` and `max |Q - Q^pi|`, rounding included, shape (B,)."""
    converged: jax.Array
    """Whether the bound is finite, shape (B,)."""


# small MDPs: number by number


@partial(jax.jit, static_argnames="terminating")
def solve_small(batch: Batch, tol, terminating: bool) -> Outcome:
    """Policy iteration (Howard 1960) written out number by number, each number a vector over the batch.

    In here P (S, A, S), r and Q (S, A), V and the actions (S,) are arrays of entries, see `tabular.device.entries`.
    """
    P, r = entries(jnp.moveaxis(batch.P, 0, -1), 3), entries(jnp.moveaxis(batch.r, 0, -1), 2)
    gamma, S, B = batch.gamma, len(r), len(batch.r)
    scale, wrong = each(partial(_row, terminating), P.sum(-1), r, outputs=2)
    richest, first = best(r)
    wrong = fold(operator.or_, wrong) | ~(fold(jnp.minimum, P) >= 0) | (fold(jnp.minimum, richest) == -jnp.inf)
    P = P * each(lambda factor: gamma * factor, scale)[:, :, None]
    size = _size(S, fold(jnp.maximum, each(_magnitude, r)))
    slack = _slack(size, gamma)

    def backup(V):
        return each(_feasible_only, r, r + (P * V).sum(-1))

    def evaluate(action):
        return eliminated(np.eye(S) - chosen(P, action[:, None]), chosen(r, action))

    def improve(state):
        action, _, iterations, _ = state
        action = entries(action, 1)
        V = evaluate(action)
        Q = backup(V)
        value, candidate = best(Q)
        better = each(lambda new, old: new > old + slack, value, chosen(Q, action))
        changing = fold(operator.or_, better)
        return stack(each(jnp.where, better, candidate, action)), stack(V), iterations + _count(changing), changing

    def unfinished(state):
        return jnp.any(state[3]) & (jnp.max(state[2]) < MAX_POLICIES)

    start = stack(first), jnp.zeros((S, B)), jnp.ones(B, jnp.int32), jnp.ones(B, bool)
    _, V, iterations, _ = lax.while_loop(unfinished, improve, start)
    V = entries(V, 1)
    Q = backup(V)
    TV, action = best(Q)
    low, high = fold(jnp.minimum, TV - V), fold(jnp.maximum, TV - V)
    proof = _prove(low, high, _largest(fold(jnp.maximum, V), fold(jnp.minimum, V)), gamma, size, terminating)
    solution = _conclude(batch, stack(Q, -1), stack(TV, -1), stack(action, -1), iterations, proof, tol)
    return Outcome(solution, jnp.any(wrong))


# larger MDPs: array by array


class _Sweep(NamedTuple):
    """A batch on its way: `Q` is the backup of `V`, `TV` its best."""

    V: jax.Array
    Q: jax.Array
    TV: jax.Array
    done: jax.Array
    """Which MDPs are certified, shape (B,)."""
    iterations: jax.Array
    """Rounds until then, shape (B,)."""
    rounds: jax.Array
    """Sweeps over all actions so far, the first ones counted as one."""


@partial(jax.jit, static_argnames=("terminating", "chunk"))
def solve_large(batch: Batch, tol, terminating: bool, chunk: int) -> Outcome:
    """`_sweep_all` for `chunk` MDPs at a time, which then stay in the cache; the last chunk overlaps the one before."""
    B = len(batch.r)
    if chunk >= B:
        return _sweep_all(batch, tol, terminating)

    def solve(first):
        parts = (lax.dynamic_slice_in_dim(x, first, chunk) if len(x) == B else x for x in batch)
        return _sweep_all(Batch(*parts), tol, terminating)

    def step(outcome, first):
        part = solve(first)
        put = partial(lax.dynamic_update_slice_in_dim, start_index=first, axis=0)
        return Outcome(jax.tree.map(put, outcome.solution, part.solution), outcome.fault | part.fault), None

    shapes = jax.eval_shape(solve, 0).solution
    empty = jax.tree.map(lambda piece: jnp.zeros((B, *piece.shape[1:]), piece.dtype), shapes)
    starts = np.minimum(np.arange(0, B, chunk), B - chunk)
    return lax.scan(step, Outcome(empty, jnp.asarray(False)), jnp.asarray(starts))[0]


def _sweep_all(batch: Batch, tol, terminating: bool) -> Outcome:
    """Modified policy iteration (Puterman & Shin 1978) until every MDP is certified by the span of its last step.

    A sweep over all actions reads all of P; a sweep of one policy reads a 1/A part. What mixes too slowly for
    `MAX_SWEEPS` is finished by policy iteration.
    """
    P, r, gamma, _ = batch
    B, S, A = r.shape
    scale, wrong = _row(terminating, _expect(P, jnp.ones((B, S))), r)
    fault = jnp.any(wrong) | ~(jnp.min(P) >= 0) | (jnp.min(jnp.max(r, axis=2)) == -jnp.inf)
    weight = gamma[:, None, None] * scale
    size = _size(S, jnp.max(_magnitude(r), axis=(1, 2)))
    slack = _slack(size, gamma)[:, None]

    def backup(V):
        return _feasible_only(r, r + weight * _expect(P, V))

    def measure(V, done, iterations, rounds):
        Q = backup(V)
        TV = jnp.max(Q, axis=2)
        proof = prove(V, TV)
        return _Sweep(V, Q, TV, proof.error <= _tolerance(tol, proof), iterations + _count(~done), rounds + 1)

    def advance(now, V):
        """On to `V`, except for MDPs that are certified already: they stay as they are."""
        return measure(jnp.where(now.done[:, None], now.V, V), now.done, now.iterations, now.rounds)

    def prove(V, TV):
        step, top = TV - V, _largest(jnp.max(V, axis=1), jnp.min(V, axis=1))
        return _prove(jnp.min(step, axis=1), jnp.max(step, axis=1), top, gamma, size, terminating)

    def policy(action):
        """Discounted chain (B, S, S) and reward (B, S) of a policy."""
        rows = jnp.arange(B * S) * A + action.reshape(B * S)
        chain = jnp.take(P.reshape(B * S * A, S), rows, axis=0, mode="clip")
        factor, reward = (jnp.take(table.reshape(B * S * A), rows, mode="clip") for table in (weight, r))
        return (factor[:, None] * chain).reshape(B, S, S), reward.reshape(B, S)

    def sweep(now):
        chain, reward = policy(jnp.argmax(now.Q, axis=2))
        V = lax.fori_loop(0, EVALUATIONS, lambda _, V: reward + _apply(chain, V), now.TV)
        return advance(now, V)

    def improve(state):
        now, action, _ = state
        now = advance(now, jax.vmap(eliminate)(*policy(action)))
        better = now.TV > jnp.take_along_axis(now.Q, action[:, :, None], axis=2)[..., 0] + slack
        return now, jnp.where(better, jnp.argmax(now.Q, axis=2), action), jnp.any(better, axis=1)

    def sweeping(now):
        return ~jnp.all(now.done) & (now.rounds < MAX_SWEEPS)

    def improving(state):
        now, _, changing = state
        return jnp.any(~now.done & changing) & (now.rounds < MAX_SWEEPS + MAX_POLICIES)

    V = jnp.max(r, axis=2)
    for _ in range(FIRST_SWEEPS - 1):
        V = jnp.max(backup(V), axis=2)
    now = measure(V, jnp.zeros(B, bool), jnp.zeros(B, jnp.int32), jnp.asarray(0))
    now = lax.while_loop(sweeping, sweep, now)
    now, _, _ = lax.while_loop(improving, improve, (now, jnp.argmax(now.Q, axis=2), ~now.done))
    proof = prove(now.V, now.TV)
    return Outcome(_conclude(batch, now.Q, now.TV, jnp.argmax(now.Q, axis=2), now.iterations, proof, tol), fault)


# Newton's method and evaluation


@partial(jax.jit, static_argnames=("tol", "terminating"))
def solve_soft(batch: Batch, alpha, tol: float, terminating: bool) -> Outcome:
    """Newton's method for each MDP, from zero."""
    (P, r, gamma, _), fault = _normalised(batch, terminating)

    def solve(P, r, gamma, alpha):
        return newton(MDP(P, r, gamma, None), alpha, jnp.zeros_like(r), tol)

    B = len(r)
    return Outcome(jax.vmap(solve)(P, r, jnp.broadcast_to(gamma, B), jnp.broadcast_to(alpha, B)), fault)


@partial(jax.jit, static_argnames="terminating")
def evaluate(batch: Batch, pi, terminating: bool) -> Outcome:
    """One linear solve for each MDP."""
    (P, r, gamma, rho), fault = _normalised(batch, terminating)
    chain = gamma[:, None, None] * jnp.einsum("bsa,bsat->bst", pi, P)
    reward = jnp.sum(jnp.where(pi > 0, pi * r, 0.0), axis=2)
    V = jax.vmap(eliminate)(chain, reward)
    residual = jnp.max(abs(reward + _apply(chain, V) - V), axis=1)
    size = _size(r.shape[1], jnp.max(_magnitude(r), axis=(1, 2)))
    error = residual / (1 - gamma) + _floor(size, gamma, jnp.max(abs(V), axis=1))
    Q = r + gamma[:, None, None] * _expect(P, V)
    J = jnp.sum(rho * V, axis=1)
    return Outcome(BatchEvaluation(Q, V, J, residual, error, jnp.isfinite(error)), fault)


def _normalised(batch: Batch, terminating: bool) -> tuple[Batch, jax.Array]:
    """The batch with rows divided by their sums and zero rows for infeasible actions; whether it looks wrong."""
    P, r, _, _ = batch
    scale, wrong = _row(terminating, jnp.sum(P, axis=3), r)
    fault = jnp.any(wrong) | ~(jnp.min(P) >= 0) | (jnp.min(jnp.max(r, axis=2)) == -jnp.inf)
    return batch._replace(P=jnp.where(r[..., None] > -jnp.inf, P * scale[..., None], 0.0)), fault


# certificates


class _Proof(NamedTuple):
    """What the step from V to TV proves, each of shape (B,)."""

    shift: jax.Array
    """To be added to TV."""
    residual: jax.Array
    """Bound on the Bellman residual of what is returned."""
    error: jax.Array
    floor: jax.Array
    """The part of `error` that is due to rounding."""
    top: jax.Array
    """Largest absolute value."""


def _prove(low, high, top, gamma, size: Size, terminating: bool) -> _Proof:
    """`max |TV + shift - V*| <= error` from `low <= TV - V <= high` and `top = max |V|`."""
    if terminating:
        high = jnp.maximum(high, -low)
        low = -high
    shift, width = gamma / (1 - gamma) * (low + high) / 2, (high - low) / 2
    top = top + _largest(low, high) + abs(shift)
    floor = _floor(size, gamma, top)
    error = gamma / (1 - gamma) * width * (1 + 16 * UNIT / (1 - gamma)) + floor
    return _Proof(shift, gamma * width, error, floor, top)


def _tolerance(tol, proof: _Proof) -> jax.Array:
    """`tol`, or where that is NaN 1e-10 max(1, max|V|), but no less than rounding allows."""
    default = jnp.maximum(RELATIVE_TOLERANCE * jnp.maximum(1.0, proof.top), 4 * proof.floor)
    return jnp.where(jnp.isnan(tol), default, tol)


def _conclude(batch: Batch, Q, TV, action, iterations, proof: _Proof, tol) -> BatchSolution:
    V = TV + proof.shift[:, None]
    J = jnp.sum(batch.rho * V, axis=1)
    converged = proof.error <= _tolerance(tol, proof)
    Q = Q + proof.shift[:, None, None]
    return BatchSolution(Q, V, action, J, iterations, proof.residual, proof.error, converged)


def _size(S: int, reward: Any) -> Size:
    """What the rounding radius needs: successors (two more, for the division of each row by its sum) and reward."""
    return Size(S + 2, reward, 0.0)


def _floor(size: Size, gamma: Any, top: Any) -> Any:
    """What rounding adds to an error, that of the final shift included."""
    return rounding_floor(size, gamma, top) + 4 * UNIT * top


def _slack(size: Size, gamma: Any) -> Any:
    """How much better an action must look before a policy changes to it: rounding alone mustn't move a policy."""
    return size.radius(size.reward / (1 - gamma))


# the same for entries and for arrays


def _row(terminating: bool, total, r):
    """What to multiply a row of P with sum `total` by, so that it sums to 1; whether the row or its reward is wrong."""
    near = abs(total - 1) <= TOLERANCE
    right = (near | (r == -jnp.inf) | (terminating & (total <= 1))) & (r < jnp.inf)
    return 1 / jnp.where(near, total, 1.0), ~right


def _feasible_only(r, Q):
    return jnp.where(r > -jnp.inf, Q, -jnp.inf)


def _magnitude(r):
    return jnp.where(r > -jnp.inf, abs(r), 0.0)


def _largest(x, y):
    return jnp.maximum(abs(x), abs(y))


def _count(mask):
    return mask.astype(jnp.int32)


def _expect(P: jax.Array, V: jax.Array) -> jax.Array:
    """`sum_t P[b, s, a, t] V[b, t]`, shape (B, S, A)."""
    B, S, A, _ = P.shape
    return _apply(P.reshape(B, S * A, S), V).reshape(B, S, A)


def _apply(matrix: jax.Array, V: jax.Array) -> jax.Array:
    """Matrix times vector, for each MDP."""
    return (matrix @ V[..., None])[..., 0]
