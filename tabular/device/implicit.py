"""The soft-optimal Q as a differentiable function of the MDP, and closed-form policy evaluation.

    Q[s, a] = r[s, a] + gamma sum_t P[s, a, t] V(t),      V(s) = alpha log sum_a exp(Q[s, a] / alpha)

is solved by Newton's method, which is soft policy iteration. Its derivative follows from the implicit function theorem
(Nikishin et al. 2021, Theorem 1): with pi = softmax(Q / alpha) and P_pi its Markov chain,

    (I - gamma P_pi) dV = sum_a pi (dr + gamma dP V),       dQ = dr + gamma dP V + gamma P dV.

One S x S solve; reverse mode is its transpose, (I - gamma P_pi^T) mu = sum_{s,a} P(.|s,a) g(s,a) for a derivative g by
Q. The inverse always exists for gamma < 1 and alpha > 0: its infinity norm is 1 / (1 - gamma).

Written for one MDP, whose arrays may be traced: use `jax.vmap` for many.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.core
import jax.numpy as jnp
import numpy as np
from jax import lax

from tabular.bounds import Size, rounding_floor
from tabular.device.linear import Inverse, eliminate, exact
from tabular.mdp import MDP
from tabular.operators import backup, policy_entropy, soft_value, softmax_policy

MAX_STEPS = 200
"""Cap on Newton steps. Soft policy iteration needs about ten, and two or three from a close start."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class SoftSolution:
    """Soft-optimal values with the proof of their accuracy. Only `Q` has derivatives."""

    Q: jax.Array
    """Soft-optimal values, shape (S, A); -inf where infeasible."""
    iterations: jax.Array
    """Number of Newton steps."""
    residual: jax.Array
    """`max |TV - V|` at the V that `Q` is a backup of."""
    error: jax.Array
    """Bound on `max |Q - Q*_alpha|`, rounding included."""
    converged: jax.Array
    """Whether the residual is below `tol (1 - gamma)`, or as small as rounding allows. NaN never converges."""


def soft_q(mdp: MDP, alpha, *, start=None, inverse: Inverse = exact, tol: float = 1e-12) -> jax.Array:
    """Soft-optimal Q of an MDP at temperature alpha, shape (S, A), differentiable in `mdp` and `alpha`.

    Args:
      mdp: dense MDP with gamma < 1; NumPy or JAX arrays.
      alpha: temperature > 0, in units of reward.
      start: Q (S, A) of a similar problem to start from.
      inverse: how `(I - gamma P_pi) x = b` is solved in the derivative: `exact`, `identity`, `neumann(n)`, `gmres(tol)`
        or `cg(tol)`. The value is exact with any of them.
      tol: the solve stops when `max |TV - V| / (1 - gamma) < tol`, or at the rounding level of float64.

    Returns:
      Q; all NaN if Newton's method failed (a compiled function can't raise). `solve_soft` returns the status.
      Derivatives with respect to an infeasible action's reward are 0.

    Raises:
      TypeError for a sparse MDP or float32 arrays; ValueError for gamma = 1, an alpha that isn't positive (unless they
      are traced) or a start of another shape.
    """
    solution = solve_soft(mdp, alpha, start=start, inverse=inverse, tol=tol)
    return jnp.where(solution.converged, solution.Q, jnp.nan)


def solve_soft(mdp: MDP, alpha, *, start=None, inverse: Inverse = exact, tol: float = 1e-12) -> SoftSolution:
    """`soft_q` with its iterations, residual, error bound and status. The same arguments, errors and derivatives."""
    if _known(mdp.gamma) and not np.all(np.asarray(mdp.gamma) < 1):
        raise ValueError(f"gamma = {mdp.gamma}, expected a discount below 1. Use tabular.soft_solve.")
    mdp, alpha = _as_jax(mdp), _temperature(alpha)
    start = jnp.zeros_like(mdp.r) if start is None else jnp.asarray(start)
    if start.shape != mdp.r.shape:
        raise ValueError(f"start has shape {start.shape}, expected {mdp.r.shape}: the Q of a similar problem.")
    return _solve_soft(mdp, alpha, start, inverse=inverse, tol=tol)


@partial(jax.jit, static_argnames=("inverse", "tol"))
def _solve_soft(mdp: MDP, alpha, start, *, inverse: Inverse, tol: float) -> SoftSolution:
    found = newton(*lax.stop_gradient((mdp, alpha, start)), tol)
    return dataclasses.replace(found, Q=_implicit_q(inverse, mdp, alpha, found.Q))


def implicit_q(mdp: MDP, alpha, Q: jax.Array, inverse: Inverse = exact) -> jax.Array:
    """`Q` itself, with the derivative it would have as a fixed point of the soft Bellman operator.

    For a Q found by other means, or disturbed on purpose: the derivative is evaluated at the Q given, which is treated
    as a constant.
    """
    return _implicit_q(inverse, _as_jax(mdp), _temperature(alpha), lax.stop_gradient(Q))


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _implicit_q(inverse, mdp, alpha, Q):
    return Q


@_implicit_q.defjvp
def _implicit_tangent(inverse, primals, tangents):
    mdp, alpha, Q = primals
    d_mdp, d_alpha, _ = tangents
    Q = _implicit_q(inverse, mdp, alpha, Q)
    V, pi = soft_value(Q, alpha), softmax_policy(Q, alpha)
    _, direct = jax.jvp(lambda mdp: backup(mdp, V), (mdp,), (d_mdp,))
    direct = jnp.where(mdp.feasible, direct, 0.0)
    dV = inverse(mdp.gamma * mdp.chain(pi), jnp.sum(pi * direct, axis=1) + policy_entropy(Q, alpha) * d_alpha)
    return Q, direct + mdp.gamma * mdp.expect(dV)


class _Newton(NamedTuple):
    """Newton's method under way: `Q` is the backup of `V`, `step = TV - V` its residual."""

    V: jax.Array
    Q: jax.Array
    step: jax.Array
    residual: jax.Array
    previous: jax.Array
    iterations: jax.Array


def newton(mdp: MDP, alpha, start, tol: float) -> SoftSolution:
    """Soft policy iteration, `V <- V + (I - gamma P_pi)^-1 (TV - V)`, from the values of `start`."""
    reward: Any = jnp.max(jnp.where(mdp.feasible, abs(mdp.r), 0.0))
    size = Size(mdp.S, reward, alpha * np.log(mdp.A))

    def measure(V, previous, iterations):
        Q = backup(mdp, V)
        step = soft_value(Q, alpha) - V
        return _Newton(V, Q, step, jnp.max(abs(step)), previous, iterations)

    def improve(now):
        V = now.V + eliminate(mdp.gamma * mdp.chain(softmax_policy(now.Q, alpha)), now.step)
        return measure(V, now.residual, now.iterations + 1)

    def rounded(now):
        top: Any = jnp.max(abs(now.V))
        return now.residual <= 2 * size.radius(top)

    def unfinished(now):
        stalled = rounded(now) & (now.residual > now.previous / 2)
        far = now.residual > tol * (1 - mdp.gamma)
        return far & ~stalled & (now.residual < jnp.inf) & (now.iterations < MAX_STEPS)

    end = lax.while_loop(unfinished, improve, measure(soft_value(start, alpha), jnp.asarray(jnp.inf), jnp.asarray(0)))
    top: Any = jnp.max(abs(end.V))
    error = mdp.gamma * end.residual / (1 - mdp.gamma) + rounding_floor(size, mdp.gamma, top)
    converged = (end.residual <= tol * (1 - mdp.gamma)) | rounded(end)
    return SoftSolution(end.Q, end.iterations, end.residual, error, converged)


def policy_v(mdp: MDP, pi: jax.Array) -> jax.Array:
    """Value of a policy, `V = (I - gamma P_pi)^-1 r_pi`, shape (S,), differentiable in `mdp` and `pi`.

    Args:
      pi: probabilities, shape (S, A). V is NaN if an infeasible action has positive probability.
    """
    return _policy_v(_as_jax(mdp), jnp.asarray(pi))


@jax.jit
def _policy_v(mdp: MDP, pi: jax.Array) -> jax.Array:
    return exact(mdp.gamma * mdp.chain(pi), _policy_reward(mdp, pi))


def policy_q(mdp: MDP, pi: jax.Array) -> jax.Array:
    """Action values of a policy, `Q = r + gamma P V^pi`, shape (S, A)."""
    return backup(_as_jax(mdp), policy_v(mdp, pi))


def policy_return(mdp: MDP, pi: jax.Array) -> jax.Array:
    """Return of a policy, `J = rho (I - gamma P_pi)^-1 r_pi`, a scalar, differentiable in `mdp` and `pi`."""
    return jnp.dot(jnp.asarray(mdp.rho), policy_v(mdp, pi))


def occupancy(mdp: MDP, pi: jax.Array) -> jax.Array:
    """Discounted visits `mu[s, a] = pi[s, a] sum_k gamma^k Pr(s_k = s)`, shape (S, A); they sum to 1 / (1 - gamma)."""
    mdp = _as_jax(mdp)
    visits = exact(mdp.gamma * mdp.chain(pi).T, mdp.rho)
    return visits[:, None] * pi


def _policy_reward(mdp: MDP, pi: jax.Array) -> jax.Array:
    """`sum_a pi r`, where an infeasible action of probability 0 counts 0, in the derivative as well."""
    r = jnp.where(mdp.feasible, mdp.r, 0.0)
    forbidden = jnp.any((pi > 0) & ~mdp.feasible, axis=1)
    return jnp.where(forbidden, jnp.nan, jnp.sum(pi * r, axis=1))


def _as_jax(mdp: MDP) -> MDP:
    """The bare MDP as float64 JAX arrays, without labels, so that one compiled function serves all."""
    if not isinstance(mdp, MDP):
        raise TypeError(f"mdp is a {type(mdp).__name__}, expected a dense MDP. Use device.to_device(mdp).")
    P, r, gamma, rho = arrays = [jnp.asarray(array) for array in (mdp.P, mdp.r, mdp.gamma, mdp.rho)]
    for name, array in zip(("P", "r", "gamma", "rho"), arrays, strict=True):
        if array.dtype != jnp.float64:
            raise TypeError(f"mdp.{name} is {array.dtype}; exact work needs float64. Convert it to float64.")
    return MDP(P, r, gamma, rho)


def _temperature(alpha) -> jax.Array:
    if _known(alpha) and not np.all(np.asarray(alpha) > 0):
        raise ValueError(f"alpha = {alpha}, expected a positive temperature.")
    return jnp.asarray(alpha, jnp.float64)


def _known(x) -> bool:
    """Whether `x` is a number, not what stands for one while JAX traces."""
    return not isinstance(x, jax.core.Tracer)
