"""H-step value expansion with a wrong model and a wrong critic, exactly: MAAC's objective, its gradient, STEVE's mix.

    J_H(theta) = E_model[ sum_{t<H} gamma^t r(s_t, a_t) + gamma^H Q_hat(s_H, a_H) ],     a_t ~ softmax(logits / alpha)

(Clavera et al. 2020, sec. 4.1). H = 0 asks the critic alone, H = infinity the model alone. In tables the expectation is
H backups of the critic under the policy's Bellman operator of the *model*, so one pass gives all horizons:

    Q_0 = Q_hat,     Q_{h+1} = r_hat + gamma P_hat V_h,     V_h(s) = sum_a pi(a|s) Q_h(s, a),     J_H = rho V_H.

The critic is frozen: it is no function of the logits. This is how it is trained with, and why the gradient with the
true model and the true critic is not the policy gradient (`truncation`).

Written for one MDP in JAX; callers `vmap`. `jax.grad` of `expand(...).J[H]` differentiates the objective; the field
`gradient` holds the same by a closed form, for all horizons at the price of two passes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import jax
import jax.core
import jax.numpy as jnp
import numpy as np
from jax import lax

from tabular.device import occupancy, policy_q, policy_return, to_device
from tabular.mdp import MDP, AnyMDP
from tabular.operators import policy_bellman, policy_value, softmax_policy

EPS, TINY = np.finfo(np.float64).eps, np.finfo(np.float64).tiny


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class Expansion:
    """Value expansions for all horizons H = 0, ..., H_max; the horizon is the first axis of every field."""

    Q: jax.Array
    """Value of an action when the critic judges after H steps of the model, shape (H_max + 1, S, A)."""
    V: jax.Array
    """`sum_a pi Q`, shape (H_max + 1, S)."""
    J: jax.Array
    """MAAC's objective `rho V`, shape (H_max + 1,)."""
    gradient: jax.Array
    """Its derivative by the logits with the critic frozen, shape (H_max + 1, S, A); 0 for infeasible actions."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class ExpansionError:
    """How far value expansions are from the truth, for all horizons H = 0, ..., H_max."""

    value: jax.Array
    """`|J_H - J|`, shape (H_max + 1,), in units of return."""
    gradient: jax.Array
    """L1 distance of the gradient of J_H from the policy gradient, shape (H_max + 1,)."""
    cosine: jax.Array
    """Cosine of the angle between the two, shape (H_max + 1,); NaN if one of them is 0."""
    J: jax.Array
    """The return of the policy in the true MDP: the size of values, a scalar."""
    gradient_norm: jax.Array
    """L1 norm of the policy gradient: the size of gradients, a scalar."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class Truncation:
    """What the gradient of J_H lacks though model and critic are true, for all horizons H = 0, ..., H_max."""

    bias: jax.Array
    """L1 norm of what is missing, `sum_{t>H} gamma^t Pr(s_t = s) pi(a|s) A(s, a) / alpha`, shape (H_max + 1,)."""
    bound: jax.Array
    """`gamma^(H+1) / (1 - gamma) max_s E_pi |A(s, .)| / alpha`, shape (H_max + 1,)."""
    gradient_norm: jax.Array
    """L1 norm of the policy gradient: the size of gradients, a scalar."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class Mixture:
    """STEVE's targets: horizons mixed by how much an ensemble agrees on them."""

    mean: jax.Array
    """Expansions averaged over the ensemble, shape (H_max + 1, S, A)."""
    variance: jax.Array
    """Their variance over the ensemble, shape (H_max + 1, S, A)."""
    weights: jax.Array
    """Weights of the horizons in the longest mixture, shape (H_max + 1, S, A); they sum to 1 over the first axis."""
    Q: jax.Array
    """`Q[H]` mixes the horizons 0, ..., H; shape (H_max + 1, S, A)."""
    J: jax.Array
    """Return `rho sum_a pi Q` that each mixture promises, shape (H_max + 1,)."""


def expand(model: AnyMDP, Q_hat, logits, *, H_max: int, alpha: float = 1.0) -> Expansion:
    """Values, objective and gradient of H-step expansion for H = 0, ..., H_max (Clavera et al. 2020, sec. 4.1).

    The gradient is, for any model and critic, with visits and advantages `Q_h - V_h` of the model,

        dJ_H / dlogits[s, a] = sum_{t<=H} gamma^t Pr(s_t = s) pi(a|s) (Q_{H-t}(s, a) - V_{H-t}(s)) / alpha.

    Args:
      model: where the H steps are taken; its `rho` is where they start.
      Q_hat: the critic, shape (S, A), a constant in every derivative; entries of infeasible actions aren't looked at.
      logits: of the policy softmax(logits / alpha), shape (S, A); infeasible actions have probability 0.
      H_max: the longest horizon, 0 or more.
      alpha: temperature of the policy, in the units of the logits.

    Raises:
      ValueError for a wrong shape, a NaN or infinite entry, a horizon that is no count, an alpha that isn't positive.
    """
    model = _bare(model)
    Q_hat, logits = _table("Q_hat", Q_hat, model), _table("logits", logits, model)
    return _expand(model, Q_hat, logits, _temperature(alpha), H_max=_horizon(H_max))


def expansion_error(true: AnyMDP, model: AnyMDP, Q_hat, logits, *, H_max: int, alpha: float = 1.0) -> ExpansionError:
    """Distance of J_H and its gradient from the return of the policy in the true MDP and the policy gradient.

    Arguments and errors as in `expand`; `true` needs gamma < 1 and the shape of `model`.
    """
    true, model = _discounted(true), _bare(model)
    if model.r.shape != true.r.shape:
        raise ValueError(f"model has (S, A) = {model.r.shape}, expected {true.r.shape} as the true MDP has.")
    Q_hat, logits = _table("Q_hat", Q_hat, model), _table("logits", logits, model)
    return _expansion_error(true, model, Q_hat, logits, _temperature(alpha), H_max=_horizon(H_max))


def policy_gradient(mdp: AnyMDP, logits, *, alpha: float = 1.0) -> jax.Array:
    """Derivative of the return by the logits, `d(s) pi(a|s) A(s, a) / alpha`, d the discounted visits; shape (S, A).

    Sutton et al. 2000, Theorem 1, for a table of logits. Needs gamma < 1. Arguments and errors as in `expand`.
    """
    mdp = _discounted(mdp)
    return _policy_gradient(mdp, _table("logits", logits, mdp), _temperature(alpha))


def truncation(mdp: AnyMDP, logits, *, H_max: int, alpha: float = 1.0) -> Truncation:
    """The error of MAAC's gradient with the true model and the true, frozen critic, and a bound on it.

    The value J_H is then the return J for every H, but the gradient is the policy gradient without its terms t > H:
    the critic stands for what the policy does after step H, and a frozen critic doesn't move with the policy. Since
    `sum_a pi |A| <= max_s E_pi |A|`, the missing terms have an L1 norm of at most gamma^(H+1) / (1 - gamma) times that.
    Needs gamma < 1. Arguments and errors as in `expand`.
    """
    mdp = _discounted(mdp)
    return _truncation(mdp, _table("logits", logits, mdp), _temperature(alpha), H_max=_horizon(H_max))


def steve(models: Sequence[AnyMDP], critics, logits, *, H_max: int, alpha: float = 1.0) -> Mixture:
    """Targets that mix horizons in inverse proportion to their variance over an ensemble (Buckman et al. 2018).

        w_H(s, a) ∝ 1 / Var[Q_H(s, a)],     Q = sum_H w_H E[Q_H]

    over all pairs of a model and a critic, for every state and action by itself. Horizons whose variance is rounding
    share their weight equally. MAAC trains its critic on such targets. Buckman et al. take the first of the H + 1
    steps in the true MDP (a sampled transition), here all H are the model's, as in `expand`.

    Args:
      models: MDPs of one shape and one set of feasible actions; `rho` of the first is where returns start.
      critics: shape (N, S, A).

    Raises:
      ValueError for a single model with a single critic, which has no variance, for models that differ in shape or in
      their feasible actions, and as `expand` does.
    """
    members = _ensemble(models)
    critics, logits = _critics(critics, members), _table("logits", logits, members[0])
    stacked = jax.tree.map(lambda *arrays: jnp.stack(arrays), *members)
    return _steve(stacked, critics, logits, _temperature(alpha), H_max=_horizon(H_max))


@partial(jax.jit, static_argnames="H_max")
def _expand(model: MDP, Q_hat, logits, alpha, *, H_max: int) -> Expansion:
    pi = _policy(model, logits, alpha)
    Q = _backups(model, Q_hat, pi, H_max)
    V = jax.vmap(policy_value, (0, None))(Q, pi)
    visits = _discounted_visits(model, pi, H_max)
    advantages = jax.vmap(_advantage, (0, None))(Q, pi)
    return Expansion(Q, V, V @ model.rho, _convolved(visits, advantages) * pi[None] / alpha)


@partial(jax.jit, static_argnames="H_max")
def _expansion_error(true: MDP, model: MDP, Q_hat, logits, alpha, *, H_max: int) -> ExpansionError:
    found, exact = _expand(model, Q_hat, logits, alpha, H_max=H_max), _policy_gradient(true, logits, alpha)
    J = policy_return(true, _policy(true, logits, alpha))
    inner = jnp.sum(found.gradient * exact[None], axis=(1, 2))
    lengths = jnp.sqrt(jnp.sum(found.gradient**2, axis=(1, 2)) * jnp.sum(exact**2))
    return ExpansionError(
        value=abs(found.J - J),
        gradient=jnp.sum(abs(found.gradient - exact[None]), axis=(1, 2)),
        cosine=inner / lengths,
        J=J,
        gradient_norm=jnp.sum(abs(exact)),
    )


@jax.jit
def _policy_gradient(mdp: MDP, logits, alpha) -> jax.Array:
    pi = _policy(mdp, logits, alpha)
    return occupancy(mdp, pi) * _advantage(policy_q(mdp, pi), pi) / alpha


@partial(jax.jit, static_argnames="H_max")
def _truncation(mdp: MDP, logits, alpha, *, H_max: int) -> Truncation:
    pi = _policy(mdp, logits, alpha)
    Q = policy_q(mdp, pi)
    error = _expansion_error(mdp, mdp, Q, logits, alpha, H_max=H_max)
    size = jnp.max(jnp.sum(pi * abs(_advantage(Q, pi)), axis=1)) / alpha
    tail = mdp.gamma ** jnp.arange(1.0, H_max + 2) / (1 - mdp.gamma)
    return Truncation(error.gradient, tail * size, error.gradient_norm)


def _backups(model: MDP, Q_hat, pi, H_max: int) -> jax.Array:
    """The frozen critic and its backups `Q_0, ..., Q_{H_max}`, shape (H_max + 1, S, A); -inf where infeasible."""
    critic = jnp.where(model.feasible, lax.stop_gradient(Q_hat), -jnp.inf)
    return lax.scan(lambda Q, _: (policy_bellman(model, Q, pi), Q), critic, length=H_max + 1)[1]


def _discounted_visits(model: MDP, pi, H_max: int) -> jax.Array:
    """`gamma^t Pr(s_t = s)` in the model for t = 0, ..., H_max, shape (H_max + 1, S)."""

    def step(visits, _):
        return model.gamma * model.expect_adjoint(visits[:, None] * pi), visits

    return lax.scan(step, model.rho, length=H_max + 1)[1]


def _convolved(visits, advantages) -> jax.Array:
    """`sum_{t<=H} visits[t, s] advantages[H - t, s, a]` for every H, shape (H_max + 1, S, A)."""
    times = jnp.arange(len(visits))

    def at(H):
        left = jnp.where((times <= H)[:, None], visits, 0.0)
        return jnp.einsum("ts,tsa->sa", left, advantages[jnp.maximum(H - times, 0)])

    return lax.map(at, times)


@partial(jax.jit, static_argnames="H_max")
def _steve(models: MDP, critics, logits, alpha, *, H_max: int) -> Mixture:
    """`steve` for models with a leading axis."""
    first = jax.tree.map(lambda array: array[0], models)
    pi = _policy(first, logits, alpha)
    each_critic = jax.vmap(lambda model, critic: _backups(model, critic, pi, H_max), (None, 0))
    Q = jax.vmap(each_critic, (0, None))(models, critics).reshape(-1, H_max + 1, *first.r.shape)
    Q = jnp.where(first.feasible[None, None], Q, 0.0)
    mean, variance = Q.mean(0), Q.var(0)
    rounding = (4 * EPS * abs(Q).max()) ** 2 + TINY
    precision = rounding / jnp.maximum(variance, rounding)
    mixed = jnp.cumsum(precision * mean, axis=0) / jnp.cumsum(precision, axis=0)
    return Mixture(
        mean=jnp.where(first.feasible[None], mean, -jnp.inf),
        variance=variance,
        weights=precision / precision.sum(0)[None],
        Q=jnp.where(first.feasible[None], mixed, -jnp.inf),
        J=jnp.sum(mixed * pi[None], axis=2) @ first.rho,
    )


def _policy(mdp: MDP, logits, alpha) -> jax.Array:
    """softmax(logits / alpha) over the feasible actions, shape (S, A)."""
    return softmax_policy(jnp.where(mdp.feasible, logits, -jnp.inf), alpha)


def _advantage(Q, pi) -> jax.Array:
    """`A = Q - sum_a pi Q`, shape (S, A); 0 for actions that are never taken, infeasible ones among them."""
    return jnp.where(pi > 0, jnp.where(pi > 0, Q, 0.0) - policy_value(Q, pi)[:, None], 0.0)


# validation


def _bare(mdp: AnyMDP) -> MDP:
    """Dense, with JAX arrays and without labels, so that one compiled function serves all."""
    mdp = to_device(mdp)
    return MDP(mdp.P, mdp.r, mdp.gamma, mdp.rho)


def _discounted(mdp: AnyMDP) -> MDP:
    if _known(mdp.gamma) and not mdp.gamma < 1:
        raise ValueError(f"gamma = {mdp.gamma}, expected a discount below 1. `expand` itself allows 1.")
    return _bare(mdp)


def _table(name: str, table, mdp: MDP) -> jax.Array:
    """An array of shape (S, A), finite where an action is feasible."""
    table = jnp.asarray(table, jnp.float64)
    if table.shape != mdp.r.shape:
        raise ValueError(f"{name} has shape {table.shape}, expected (S, A) = {mdp.r.shape}.")
    if _known(table) and _known(mdp.r):
        wrong = np.argwhere(_feasible(mdp) & ~np.isfinite(np.asarray(table)))
        if len(wrong):
            s, a = wrong[0]
            raise ValueError(
                f"{name}[{s}, {a}] = {table[s, a]}, expected a finite number for a feasible action; {len(wrong)} of "
                f"{table.size} entries are wrong."
            )
    return table


def _horizon(H_max: int) -> int:
    if isinstance(H_max, bool) or not isinstance(H_max, (int, np.integer)) or H_max < 0:
        raise ValueError(f"H_max = {H_max!r}, expected a number of steps: an integer, 0 or more.")
    return int(H_max)


def _temperature(alpha) -> jax.Array:
    if _known(alpha) and not 0 < alpha < np.inf:
        raise ValueError(f"alpha = {alpha}, expected a positive temperature.")
    return jnp.asarray(alpha, jnp.float64)


def _ensemble(models: Sequence[AnyMDP]) -> list[MDP]:
    if not models:
        raise ValueError("models is empty, expected at least one MDP.")
    members = [_bare(model) for model in models]
    first = members[0]
    for i, model in enumerate(members):
        if model.r.shape != first.r.shape:
            raise ValueError(f"models[{i}] has (S, A) = {model.r.shape}, expected {first.r.shape} as models[0] has.")
        if _known(model.gamma) and _known(first.gamma) and model.gamma != first.gamma:
            raise ValueError(f"models[{i}] has gamma = {model.gamma}, expected {first.gamma} as models[0] has.")
        if _known(model.r) and _known(first.r) and (_feasible(model) != _feasible(first)).any():
            raise ValueError(f"models[{i}] has other feasible actions than models[0]; expected the same r = -inf.")
    return members


def _critics(critics, models: list[MDP]) -> jax.Array:
    critics = jnp.asarray(critics, jnp.float64)
    if critics.ndim != 3:
        raise ValueError(f"critics has shape {critics.shape}, expected (N, S, A) with (S, A) = {models[0].r.shape}.")
    pairs = len(models) * len(critics)
    if pairs < 2:
        raise ValueError(
            f"models and critics make {pairs} pair(s), expected 2 or more: horizons are weighed by their variance over "
            "the pairs. Use expand for one model and one critic."
        )
    return jnp.stack([_table(f"critics[{i}]", critic, models[0]) for i, critic in enumerate(critics)])


def _feasible(mdp: MDP) -> np.ndarray:
    return np.asarray(mdp.r) > -np.inf


def _known(x) -> bool:
    """Whether `x` is a number or an array, not what stands for one while JAX traces."""
    return not isinstance(x, jax.core.Tracer)
