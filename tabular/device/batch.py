"""Thousands of MDPs of one shape solved in one call, each with a certified error.

The three doors take arrays with the MDPs along the first axis, check them, and return records with the MDPs along the
first axis. Inside `solve_batch` the method depends on size:

* up to `SMALL` transition probabilities (S A S): policy iteration written out number by number, each number a vector
  over the batch: what XLA compiles then runs over contiguous memory without inner loops;
* above: modified policy iteration for many MDPs at a time, and policy iteration for chains that mix too slowly for it.
  On a CPU these are as many as fit into its cache, on a GPU the whole batch.

Compiled once for each shape (B, S, A). `tabular.device.batched` holds the methods and the certificate.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from tabular.bounds import check_tol
from tabular.device.batched import (
    Batch,
    BatchEvaluation,
    BatchSolution,
    Outcome,
    evaluate,
    solve_large,
    solve_small,
    solve_soft,
)
from tabular.device.implicit import SoftSolution
from tabular.errors import NotConverged
from tabular.mdp import TOLERANCE, make_mdp, one_hot

SMALL = 32
"""Up to this many transition probabilities (S A S) an MDP is solved number by number. It compiles in a second at 8 and
in four at 32."""
CACHE_BYTES = 2**20
"""Transition probabilities to work on at a time, so that they are read from memory once and not in every sweep."""


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
    tol = np.nan if tol is None else tol
    if batch.P[0].size <= SMALL:
        return _delivered(batch, terminating, solve_small(batch, tol, terminating))
    return _delivered(batch, terminating, solve_large(batch, tol, terminating, _chunk(batch)))


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
    wrong = ~((alpha > 0) & (alpha < np.inf))
    if wrong.any():
        raise ValueError(f"alpha = {_first(alpha, wrong)}, expected a positive temperature.")
    return _delivered(batch, terminating, solve_soft(batch, jnp.asarray(alpha), tol, terminating))


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
    return _delivered(batch, terminating, evaluate(batch, jnp.asarray(_policies(pi, batch.r)), terminating))


def _chunk(batch: Batch) -> int:
    """How many MDPs to sweep over at a time."""
    return max(1, CACHE_BYTES // batch.P[0].nbytes) if jax.default_backend() == "cpu" else len(batch.r)


def _checked(P, r, gamma, rho) -> Batch:
    """The arguments on the device; refuses shapes, types and discounts that don't fit, before any work."""
    P, r = _float64(P, "P"), _float64(r, "r")
    if r.ndim != 3 or 0 in r.shape:
        raise ValueError(f"r has shape {r.shape}, expected (B, S, A): the reward r[b, s, a] of B MDPs of one shape.")
    B, S, A = r.shape
    if P.shape != (B, S, A, S):
        expected = f"expected (B, S, A, S) = {(B, S, A, S)} since r has shape {r.shape}"
        raise ValueError(f"P has shape {P.shape}, {expected}.")
    gamma = _per_mdp(gamma, "gamma", B)
    wrong = ~((gamma >= 0) & (gamma < 1))
    if wrong.any():
        raise ValueError(
            f"gamma = {_first(gamma, wrong)}, expected a discount in [0, 1). For gamma = 1 there is tabular.solve."
        )
    return jax.device_put(Batch(P, r, gamma, _starts(rho, B, S)))  # type: ignore[arg-type]


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
        raise ValueError(f"rho[{np.argmax(wrong)}] = {_first(rho, wrong)}, expected probabilities that sum to 1.")
    return rho / rho.sum(1, keepdims=True)


def _policies(pi, r) -> np.ndarray:
    pi, r = np.asarray(pi), np.asarray(r)
    B, S, A = r.shape
    if pi.shape == (B, S) and pi.dtype.kind in "iu":
        wrong = (pi < 0) | (pi >= A)
        if wrong.any():
            raise ValueError(f"pi[{_at(wrong)}] = {_first(pi, wrong)}, expected an action from 0 to {A - 1}.")
        pi = one_hot(pi.reshape(-1), A).reshape(B, S, A)
    if pi.shape != (B, S, A):
        raise ValueError(f"pi has shape {pi.shape}, expected {(B, S, A)}, or {(B, S)} integer actions.")
    pi = np.asarray(_float64(pi, "pi"))
    wrong = ~((pi >= 0).all(2) & (abs(pi.sum(2) - 1) <= TOLERANCE)) | ((pi > 0) & (r == -np.inf)).any(2)
    if wrong.any():
        raise ValueError(
            f"pi[{_at(wrong)}] = {_first(pi, wrong)}, expected probabilities of the feasible actions that sum to 1."
        )
    return pi


def _first(array: np.ndarray, wrong: np.ndarray):
    return array[wrong][0]


def _at(wrong: np.ndarray) -> str:
    return ", ".join(map(str, np.argwhere(wrong)[0]))


def _delivered(batch: Batch, terminating: bool, outcome: Outcome):
    """The solution, once the device has said that the input was right and every MDP converged."""
    solution = outcome.solution
    fault, converged = jax.device_get((outcome.fault, solution.converged))
    if fault:
        _refuse(batch, terminating)
    if not converged.all():
        error = np.where(converged, -1.0, np.nan_to_num(np.asarray(solution.error), nan=np.inf))
        worst = int(np.argmax(error))
        raise NotConverged(
            f"{(~converged).sum()} of {len(converged)} MDPs have no certified solution of the accuracy asked for; MDP "
            f"{worst} has the error bound {error[worst]:.3g}. Ask for a larger tol; the result of this exception holds "
            "all answers.",
            solution,
        )
    return solution


def _refuse(batch: Batch, terminating: bool) -> None:
    """Raise what `make_mdp` has to say about the first MDP that is wrong; infeasible rows may be anything."""
    P, r, gamma, _ = jax.device_get(batch)
    for b in range(len(r)):
        try:
            make_mdp(P[b], r[b], gamma=gamma[b % len(gamma)], terminating=terminating)
        except ValueError as error:
            raise ValueError(f"MDP {b} of the batch: {error}") from error
