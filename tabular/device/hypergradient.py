"""The derivative through the solution of equations, matrix-free: for networks, where no matrix fits into memory.

If `w*(theta)` solves `g(theta, w) = 0`, a function L of w* has the slope

    d/dtheta L(w*(theta)) = -(dg/dtheta)' (dg/dw)^-T dL/dw

by the implicit function theorem (Nikishin et al. 2021, sec. 4.1; Lorraine et al. 2020). `soft_q` has the same in closed
form for the Bellman equation of a table, and a test holds this against it.

An inverse is a function `inverse(apply, b) -> x` with `apply(x) = (dg/dw)' x`, for trees of arrays like w:

    identity            x = b
    dense(damping)      x = (J' + damping I)^-1 b, from the whole matrix
    cg(n, damping)      at most n steps of conjugate gradients; J must be symmetric, such as the Hessian of a loss
    gmres(n, damping)   GMRES with at most n vectors; any J
    neumann(n, step)    x = step sum_{k < n} (I - step J')^k b; converges if all |1 - step eigenvalue| < 1, which for a
                        Hessian means step < 2 / its largest eigenvalue
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.flatten_util import ravel_pytree

Apply = Callable[[Any], Any]
Inverse = Callable[[Apply, Any], Any]


def hypergradient(g: Callable[[Any, Any], Any], theta: Any, w: Any, slope: Any, inverse: Inverse) -> Any:
    """`-(dg/dtheta)' (dg/dw)^-T slope` at (theta, w), a tree like theta.

    Args:
      g: the equations, from (theta, w) to a tree like w; 0 at the solution, where the result is exact.
      slope: dL/dw at w, a tree like w.
      inverse: how the linear system is solved: `identity`, `cg(...)`, ...
    """
    _, pull = jax.vjp(g, theta, w)
    solution = inverse(lambda x: pull(x)[1], slope)
    return jax.tree.map(jnp.negative, pull(solution)[0])


def identity(apply: Apply, b: Any) -> Any:
    """Leave the inverse out (Nikishin et al. 2021, sec. 6)."""
    return b


def dense(damping: float = 0.0) -> Inverse:
    """Elimination on the whole matrix: time cubic and memory quadratic in the number of entries of w."""

    def solve(apply: Apply, b: Any) -> Any:
        flat, back = ravel_pytree(b)
        columns = jax.vmap(lambda x: ravel_pytree(apply(back(x)))[0])(jnp.eye(flat.size, dtype=flat.dtype))
        return back(jnp.linalg.solve(columns.T + damping * jnp.eye(flat.size, dtype=flat.dtype), flat))

    return solve


def cg(steps: int, damping: float = 0.0) -> Inverse:
    """Conjugate gradients, for a symmetric positive definite `J + damping I`."""

    def solve(apply: Apply, b: Any) -> Any:
        return jax.scipy.sparse.linalg.cg(_damped(apply, damping), b, maxiter=steps)[0]

    return solve


def gmres(steps: int, damping: float = 0.0) -> Inverse:
    """GMRES without restart."""

    def solve(apply: Apply, b: Any) -> Any:
        return jax.scipy.sparse.linalg.gmres(_damped(apply, damping), b, restart=steps, maxiter=1)[0]

    return solve


def neumann(terms: int, step: float) -> Inverse:
    """The first terms of the Neumann series of `(step J')^-1`; `neumann(1, 1.0)` is `identity`."""

    def solve(apply: Apply, b: Any) -> Any:
        def add(x: Any, _: None) -> tuple[Any, None]:
            return jax.tree.map(lambda x, Jx, b: x - step * Jx + step * b, x, apply(x), b), None

        first = jax.tree.map(lambda b: step * b, b)
        return lax.scan(add, first, length=terms - 1)[0]

    return solve


def _damped(apply: Apply, damping: float) -> Apply:
    return lambda x: jax.tree.map(lambda Jx, x: Jx + damping * x, apply(x), x)
