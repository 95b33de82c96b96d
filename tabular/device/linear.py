"""Ways to apply `(I - K)^-1`, where `K = gamma P_pi` is a discounted Markov chain.

An *inverse* is a function `inverse(K, b) -> x` with `K` (S, S) and `b`, `x` (S,), linear in `b` and transposable by
JAX. `exact` solves; the others approximate, and differ from it in the derivatives of `soft_q` only:

    exact         x = (I - K)^-1 b
    identity      x = 0, so that I stands for the inverse Jacobian of the fixed point: dQ = dr + gamma dP V
    neumann(n)    x = sum_{k < n-1} K^k b: n terms of that inverse, the first of which is the identity
    gmres(tol)    x by GMRES, relative residual at most tol
    cg(tol)       x by conjugate gradients on the normal equations

Rows of `I - K` are diagonally dominant with excess at least 1 - gamma, so elimination needs no pivoting: no entry grows
and every pivot is at least 1 - gamma.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

import jax
import jax.numpy as jnp
from jax import lax

from tabular.device.entries import eliminated, entries, stack

UNROLLED_STATES = 4
"""Up to this many states, elimination is written out: no loop, no library call, and XLA fuses all of it."""
LOOPED_STATES = 24
"""Up to this many states, elimination runs as a loop over pivots; above, LAPACK's LU is faster."""

Inverse = Callable[[jax.Array, jax.Array], jax.Array]


@jax.jit
def exact(K: jax.Array, b: jax.Array) -> jax.Array:
    """Solve `(I - K) x = b` by elimination, to rounding. Differentiable in both arguments."""
    return _linear_solve(eliminate, K, b)


def identity(K: jax.Array, b: jax.Array) -> jax.Array:
    """Drop the inverse (Nikishin et al. 2021, sec. 6): what a change does to Q through later states is ignored."""
    return jnp.zeros_like(b)


@cache
def neumann(terms: int) -> Inverse:
    """The first `terms` terms of the Neumann series: `neumann(1)` is `identity`, and the error is gamma^terms.

    Raises:
      ValueError if `terms` isn't a positive whole number.
    """
    if not (isinstance(terms, int) and terms >= 1):
        raise ValueError(f"terms = {terms!r}, expected a whole number of at least 1; 1 is the identity.")

    def series(K: jax.Array, b: jax.Array) -> jax.Array:
        x, _ = lax.scan(lambda x, _: (b + K @ x, None), jnp.zeros_like(b), length=terms - 1)
        return x

    return jax.jit(series)


@cache
def gmres(tol: float) -> Inverse:
    """GMRES, restarted every min(S, 50) steps, until the residual is at most `tol` times the right-hand side.

    Raises:
      ValueError if `tol` isn't in (0, 1).
    """
    _check_relative(tol)

    def krylov(K: jax.Array, b: jax.Array) -> jax.Array:
        return jax.scipy.sparse.linalg.gmres(partial(_apply, K), b, tol=tol, restart=min(len(b), 50))[0]

    return jax.jit(partial(_linear_solve, krylov))


@cache
def cg(tol: float) -> Inverse:
    """Conjugate gradients on `(I - K)^T (I - K) x = (I - K)^T b`, since `I - K` isn't symmetric.

    The residual is relative to the right-hand side of that system, whose condition number is the square of the first's.

    Raises:
      ValueError if `tol` isn't in (0, 1).
    """
    _check_relative(tol)

    def krylov(K: jax.Array, b: jax.Array) -> jax.Array:
        return jax.scipy.sparse.linalg.cg(lambda x: _apply(K.T, _apply(K, x)), _apply(K.T, b), tol=tol)[0]

    return jax.jit(partial(_linear_solve, krylov))


def _linear_solve(solver: Inverse, K: jax.Array, b: jax.Array) -> jax.Array:
    """Apply a solver of `(I - K) x = b` so that its derivatives and its transpose are solves too."""
    return lax.custom_linear_solve(
        partial(_apply, K), b, solve=lambda _, b: solver(K, b), transpose_solve=lambda _, b: solver(K.T, b)
    )


def eliminate(K: jax.Array, b: jax.Array) -> jax.Array:
    """Solve `(I - K) x = b`, by the method that is fastest for this many states."""
    S = len(b)
    M = jnp.eye(S) - K
    if S <= UNROLLED_STATES:
        return stack(eliminated(entries(M), entries(b)))
    if S <= LOOPED_STATES:
        return _looped(M, b)
    return lax.platform_dependent(M, b, cpu=_one_by_one, default=jnp.linalg.solve)


@jax.custom_batching.sequential_vmap
def _one_by_one(M: jax.Array, b: jax.Array) -> jax.Array:
    """LAPACK's solve; of a batch, one after the other.

    JAX 0.10 hands the matrices of a batch to the threads of XLA and blocks the thread it is called on. Two batches at a
    time can block all threads of a small machine, for ever.
    """
    return jnp.linalg.solve(M, b)


def _looped(M: jax.Array, b: jax.Array) -> jax.Array:
    """Gauss-Jordan elimination without pivoting, one column at a time."""

    def clear(k, W):
        row = W[k] / W[k, k]
        column = jnp.where(jnp.arange(len(b)) == k, W[:, k] - 1, W[:, k])
        return W - column[:, None] * row[None, :]

    return lax.fori_loop(0, len(b), clear, jnp.concatenate([M, b[:, None]], axis=1))[:, -1]


def _apply(K: jax.Array, x: jax.Array) -> jax.Array:
    return x - K @ x


def _check_relative(tol: float) -> None:
    if not 0 < tol < 1:
        raise ValueError(f"tol = {tol!r}, expected a relative residual in (0, 1), such as 1e-10.")
